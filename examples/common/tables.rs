//! Tables of the examples: found, read, and their columns as numbers.

use super::Args;
use anyhow::{Context, bail, ensure};
use std::io::Read;
use std::path::{Path, PathBuf};
use steepest::data::{Dataset, Labels, Prepare, Table};

impl Args {
    /// A table that comes with the project, or the one of that name in the folder given by `--data` (there or in `tabular`, also as
    /// `.gz`); the columns named must be in it.
    pub fn table(&self, file: &str, columns: &[&str]) -> anyhow::Result<Table> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
        let folder = if self.data_named { self.data.clone().unwrap_or(own) } else { own };
        ensure!(folder.is_dir(), "no such folder: {}, expected one with {file} in it", folder.display());
        let places = ["", "tabular"].map(|inner| folder.join(inner));
        let zipped = format!("{file}.gz");
        let candidates = places.iter().flat_map(|place| [place.join(file), place.join(&zipped)]);
        let path: PathBuf = candidates.into_iter().find(|path| path.is_file()).with_context(|| {
            format!(
                "{} has no {file}, nor {zipped}; without --data the copy that comes with the project is read",
                folder.display()
            )
        })?;
        let table = if path.extension().is_some_and(|e| e == "gz") {
            let mut bytes = vec![];
            let packed = std::fs::File::open(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            let read = flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes);
            read.with_context(|| format!("{} is no whole gzip file", path.display()))?;
            Table::parse(&path, &bytes)?
        } else {
            Table::read(&path)?
        };
        if let Some(missing) = columns.iter().find(|column| !table.has(column)) {
            let there = table.names().join(", ");
            bail!("{}: no column `{missing}`; expected {}; found {there}", path.display(), columns.join(", "));
        }
        println!("data: {}, {} rows, {} columns", path.display(), table.len(), table.columns().len());
        Ok(table)
    }
}

/// A column of a table, every row a number.
pub fn numbers(table: &Table, column: &str) -> anyhow::Result<Vec<f32>> {
    let values = table.column(column)?;
    let number = |row| {
        values.number(row).map(|n| n as f32).with_context(|| {
            let line = table.line(row).unwrap_or_default();
            let found = values.text(row).unwrap_or("nothing");
            format!("{} line {line}: column `{column}` has {found}, expected a number", table.path().display())
        })
    };
    (0..table.len()).map(number).collect()
}

/// Columns of a table side by side, row after row: `[rows, columns]`.
pub fn rows(table: &Table, columns: &[&str]) -> anyhow::Result<Vec<f32>> {
    let columns = columns.iter().map(|column| numbers(table, column)).collect::<anyhow::Result<Vec<_>>>()?;
    Ok((0..table.len()).flat_map(|row| columns.iter().map(move |column| column[row])).collect())
}

/// Training and test rows as data sets: what there is to fit (medians, categories, scales) is fitted to the training rows.
pub fn prepare(settings: &Prepare, train: &Table, test: &Table) -> anyhow::Result<(Dataset, Dataset)> {
    let fitted = settings.fit(train)?;
    Ok((fitted.dataset(train)?.0, fitted.dataset(test)?.0))
}

/// The numbers that a data set is to predict.
pub fn values(dataset: &Dataset) -> anyhow::Result<&[f32]> {
    match dataset.labels() {
        Labels::Values(values, _) => Ok(values),
        _ => bail!("a data set of classes, expected one of numbers to predict"),
    }
}

/// The classes of a data set's rows.
pub fn classes(dataset: &Dataset) -> anyhow::Result<&[u32]> {
    match dataset.labels() {
        Labels::Classes(classes, _) => Ok(classes),
        _ => bail!("a data set that is not of a class per row"),
    }
}

/// The rows of a class of a data set of two features, as points of a plane.
pub fn places(dataset: &Dataset, class: u32) -> anyhow::Result<Vec<(f64, f64)>> {
    let rows = dataset.features().chunks(2).zip(classes(dataset)?);
    Ok(rows.filter(|(_, c)| **c == class).map(|(row, _)| (f64::from(row[0]), f64::from(row[row.len() - 1]))).collect())
}
