//! A table of one's own: what is in it, which column may be predicted, and rows for a network.

use serde::Serialize;
use steepest::data::{Dataset, Prepare, Preprocessor, Report, Table, Task};
use steepest::{Error, Result};

/// The largest file that is taken: a page has little memory.
pub const MOST_BYTES: usize = 64 << 20;

/// A parsed table.
pub struct Loaded {
    table: Table,
    report: Report,
}

/// What a person should know of a column that would be a target.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Giveaway {
    /// The column.
    pub column: String,
    /// Why it says the target.
    pub reason: String,
}

/// A table made ready for a network.
pub struct Prepared {
    /// All rows with a target.
    pub dataset: Dataset,
    /// How rows become features: fitted to them, saved with the network.
    pub preprocessor: Preprocessor,
    /// What was noticed on the way.
    pub notes: Vec<String>,
}

/// Refuses a file that is too large for a page.
///
/// # Errors
/// It is.
pub fn check_size(name: &str, bytes: &[u8]) -> Result<()> {
    if bytes.len() <= MOST_BYTES {
        return Ok(());
    }
    let megabytes = |bytes: usize| bytes.div_ceil(1 << 20);
    let message = format!(
        "{name} has {} MB; a page takes tables of up to {} MB. The program `steepest fit` takes larger ones",
        megabytes(bytes.len()),
        megabytes(MOST_BYTES)
    );
    Err(Error::Config { what: "table", message })
}

impl Loaded {
    /// Reads a table.
    ///
    /// # Errors
    /// A file that is too large, or what is wrong with it, with line and column.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Loaded> {
        check_size(name, bytes)?;
        let table = Table::parse(name, bytes)?;
        let report = table.report();
        Ok(Loaded { table, report })
    }

    /// What is in it.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Remarks of the reader.
    pub fn notes(&self) -> &[String] {
        self.table.notes()
    }

    /// Columns that give a target away.
    ///
    /// # Errors
    /// There is no such column.
    pub fn giveaways(&self, target: &str) -> Result<Vec<Giveaway>> {
        let found = self.table.giveaways(target)?;
        Ok(found.into_iter().map(|(column, reason)| Giveaway { column, reason }).collect())
    }

    /// Rows for a network that predicts a column; columns that give it away, and those named, are left out.
    ///
    /// # Errors
    /// A target that cannot be learned, or no column to learn from.
    pub fn prepare(&self, target: &str, without: &[String]) -> Result<Prepared> {
        self.prepare_as(target, without, Task::Auto)
    }

    /// [`Loaded::prepare`] with a kind of target.
    ///
    /// # Errors
    /// As there.
    pub fn prepare_as(&self, target: &str, without: &[String], task: Task) -> Result<Prepared> {
        let mut prepare = Prepare::new().target(target).task(task).without(without.iter().cloned()).clip(20.0);
        for giveaway in self.giveaways(target)? {
            prepare = prepare.leave_out(giveaway.column, giveaway.reason);
        }
        let preprocessor = prepare.fit(&self.rows_with(target)?)?;
        self.prepared_by(preprocessor, target)
    }

    /// Whether there is a column of this name.
    pub fn has(&self, column: &str) -> bool {
        self.table.has(column)
    }

    /// Rows that have a value in the column to predict.
    fn rows_with(&self, target: &str) -> Result<Table> {
        let rows = self.table.without_missing_rows(&[target])?;
        if rows.is_empty() {
            let message = match self.table.len() {
                0 => "the table has a header and no rows; nothing can be learned from it".to_owned(),
                all => {
                    format!("the column {target} is missing in all {all} rows; choose another column to predict, or fill it in")
                }
            };
            return Err(Error::Config { what: "table", message });
        }
        Ok(rows)
    }

    /// Rows by a preprocessing that was fitted before.
    ///
    /// # Errors
    /// Columns that are not there, or values that it does not take.
    pub fn prepared_by(&self, preprocessor: Preprocessor, target: &str) -> Result<Prepared> {
        let rows = self.rows_with(target)?;
        let (dataset, mut notes) = preprocessor.dataset(&rows)?;
        notes.extend(preprocessor.left_out().iter().map(|left| format!("column {} is left out: {}", left.column, left.reason)));
        if rows.len() < self.table.len() {
            notes.push(format!("{} rows have no {target} and are left out", self.table.len() - rows.len()));
        }
        Ok(Prepared { dataset, preprocessor, notes })
    }
}
