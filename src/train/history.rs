//! How a training run went: a record per epoch, as a value and as CSV.

use crate::error::{Error, Result};
use std::fmt::Write as _;

/// One epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its number, counted from 1.
    pub epoch: usize,
    /// Steps so far, over all epochs.
    pub steps: u64,
    /// The learning rate of its last step.
    pub lr: f64,
    /// The mean loss of its rows, while they were learned, without penalties.
    pub loss: f64,
    /// The mean loss of the validation rows after it.
    pub val_loss: Option<f64>,
    /// The metrics of the validation rows after it.
    pub metrics: Vec<(String, f64)>,
    /// How long it took.
    pub seconds: f64,
}

impl Record {
    /// A figure by its name: `loss`, `val_loss`, `lr`, `seconds` or a metric's.
    pub fn get(&self, name: &str) -> Option<f64> {
        match name {
            "lr" => Some(self.lr),
            "loss" => Some(self.loss),
            "val_loss" => self.val_loss,
            "seconds" => Some(self.seconds),
            _ => self.metrics.iter().find(|(metric, _)| metric == name).map(|(_, value)| *value),
        }
    }
}

/// How a training run went.
///
/// ```
/// use steepest::train::{History, Record};
/// let mut history = History::default();
/// let metrics = vec![("accuracy".to_owned(), 0.9)];
/// history.records.push(Record { epoch: 1, steps: 45, lr: 0.001, loss: 0.5, val_loss: Some(0.4), metrics, seconds: 1.5 });
/// assert_eq!(history.to_csv(), "epoch,steps,lr,loss,val_loss,seconds,accuracy\n1,45,0.001,0.5,0.4,1.5,0.9\n");
/// assert_eq!(History::from_csv(&history.to_csv())?, history);
/// assert_eq!(history.column("accuracy"), [Some(0.9)]);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The epochs, in order.
    pub records: Vec<Record>,
}

const FIXED: [&str; 6] = ["epoch", "steps", "lr", "loss", "val_loss", "seconds"];

impl History {
    /// A figure of every epoch: see [`Record::get`].
    pub fn column(&self, name: &str) -> Vec<Option<f64>> {
        self.records.iter().map(|record| record.get(name)).collect()
    }

    /// The last epoch.
    pub fn last(&self) -> Option<&Record> {
        self.records.last()
    }

    /// A table with a line per epoch. Numbers are written so that reading them gives the same bits.
    pub fn to_csv(&self) -> String {
        let metrics: Vec<&str> =
            self.records.first().map_or(vec![], |record| record.metrics.iter().map(|(name, _)| name.as_str()).collect());
        let mut csv = FIXED.iter().chain(&metrics).copied().collect::<Vec<_>>().join(",") + "\n";
        for record in &self.records {
            let Record { epoch, steps, lr, loss, val_loss, seconds, .. } = record;
            let val_loss = val_loss.map_or(String::new(), |loss| loss.to_string());
            // Writing to a text cannot fail.
            let _ = write!(csv, "{epoch},{steps},{lr},{loss},{val_loss},{seconds}");
            for (i, name) in metrics.iter().enumerate() {
                // Mostly in the place where the first epoch has it.
                let here = record.metrics.get(i).filter(|(found, _)| found == name).map(|&(_, value)| value);
                let _ = write!(csv, ",{}", here.or_else(|| record.get(name)).map_or(String::new(), |value| value.to_string()));
            }
            csv.push('\n');
        }
        csv
    }

    /// Reads what [`History::to_csv`] writes.
    ///
    /// # Errors
    /// [`Error::Config`]: with the line and the column that is not what it should be.
    pub fn from_csv(csv: &str) -> Result<History> {
        let wrong = |line: usize, message: String| Error::Config { what: "history", message: format!("line {line}: {message}") };
        let mut lines = csv.lines();
        let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        let Some(metrics) = names.strip_prefix(&FIXED[..]) else {
            return Err(wrong(1, format!("found the columns {names:?}, expected {FIXED:?} and metrics")));
        };
        let mut records = vec![];
        for (at, line) in lines.enumerate() {
            let cells: Vec<&str> = line.split(',').collect();
            if cells.len() != names.len() {
                return Err(wrong(at + 2, format!("{} cells for {} columns", cells.len(), names.len())));
            }
            let bad = |column: usize| wrong(at + 2, format!("`{}` in column {} is no number", cells[column], names[column]));
            let number = |column: usize| cells[column].parse::<f64>().map_err(|_| bad(column));
            let mut values = vec![];
            for (i, name) in metrics.iter().enumerate() {
                values.push(((*name).to_owned(), number(FIXED.len() + i)?));
            }
            records.push(Record {
                epoch: cells[0].parse().map_err(|_| bad(0))?,
                steps: cells[1].parse().map_err(|_| bad(1))?,
                lr: number(2)?,
                loss: number(3)?,
                val_loss: if cells[4].is_empty() { None } else { Some(number(4)?) },
                seconds: number(5)?,
                metrics: values,
            });
        }
        Ok(History { records })
    }
}
