//! Cross-validation of tables: everything is fitted inside each fold, so that no row to judge by has a say in how it is seen.

use super::split::{Fold, FoldScores, Parts};
use super::table::Table;
use super::{Dataset, Prepare, Preprocessor};
use crate::error::{Error, Result};

/// What one round of a cross-validation works with.
#[derive(Clone, Debug)]
pub struct FoldData {
    /// The fold's number, from 0.
    pub index: usize,
    /// Fitted to the training rows of this fold only.
    pub preprocessor: Preprocessor,
    /// The rows to train on.
    pub train: Dataset,
    /// The rows to judge by.
    pub test: Dataset,
}

/// Prepares each fold from its own training rows, and asks `score` to train on it and judge.
///
/// Of the rows to judge by nothing is used but which classes or labels there are.
///
/// ```
/// use steepest::data::{self, Prepare, Table};
/// let rows: String = (0..20).map(|i| format!("{i},{}\n", i * 3)).collect();
/// let table = Table::parse("line.csv", format!("x,y\n{rows}").as_bytes())?;
/// let folds = data::folds(table.len(), 4, 7)?;
/// let scores = data::cross_validate(&table, &Prepare::new().target("y"), &folds, |fold| {
///     // Train on fold.train; here stands the share of rows to judge by.
///     Ok::<f64, steepest::Error>(fold.test.len() as f64 / 20.0)
/// })?;
/// assert_eq!(scores.to_string(), "0.2500 ± 0.0000 (4 folds)");
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// As [`Prepare::fit`] and [`Preprocessor::dataset`], and what `score` gives.
pub fn cross_validate<E: From<Error>>(
    table: &Table,
    prepare: &Prepare,
    folds: &[Fold],
    mut score: impl FnMut(&FoldData) -> Result<f64, E>,
) -> Result<FoldScores, E> {
    let prepare = prepare.settled(table)?;
    let mut scores = Vec::with_capacity(folds.len());
    for (index, fold) in folds.iter().enumerate() {
        let (train, test) = (table.rows(&fold.train)?, table.rows(&fold.test)?);
        let preprocessor = prepare.fit(&train)?;
        let (train, _) = preprocessor.dataset(&train)?;
        let (test, _) = preprocessor.dataset(&test)?;
        scores.push(score(&FoldData { index, preprocessor, train, test })?);
    }
    Ok(FoldScores { scores })
}

impl Table {
    /// `(train, validation, test)` by row numbers, to fit a [`Preprocessor`] to the first and apply it to all.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config): a row that does not exist.
    pub fn parts(&self, parts: &Parts) -> Result<(Table, Table, Table)> {
        Ok((self.rows(&parts.train)?, self.rows(&parts.validation)?, self.rows(&parts.test)?))
    }
}
