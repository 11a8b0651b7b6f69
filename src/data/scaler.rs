//! `Scaler`: (x − mean)/std column by column, with the numbers of the rows it was fitted to.

use super::{Dataset, config};
use crate::error::Result;

/// Brings columns to mean 0 and standard deviation 1. Fit it to the training rows, apply it to all others too: a test set that
/// is scaled by its own numbers is not a test.
///
/// ```
/// let (train, test) = steepest::data::digits()?.stratified_split(0.2, 7)?;
/// let (train, scaler) = train.standardized()?;
/// let test = scaler.apply(&test)?;
/// assert_eq!(scaler.mean.len(), 64);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Scaler {
    /// The mean of each column (each feature of a row), in order.
    pub mean: Vec<f32>,
    /// The standard deviation of each column (over n, not n − 1); 1 where a column never changes.
    pub std: Vec<f32>,
}

impl Scaler {
    /// The numbers of these rows. NaN (a missing value) is left out.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config): no rows, an infinite feature, or a column with nothing but NaN.
    pub fn fit(dataset: &Dataset) -> Result<Scaler> {
        if dataset.is_empty() {
            return Err(config("scaler", "there are no rows to fit to"));
        }
        if dataset.features().is_empty() {
            return Err(config("scaler", "the features are not f32"));
        }
        let (mut mean, mut std) = (Vec::new(), Vec::new());
        for column in 0..dataset.row_len() {
            let values = || {
                dataset.features().iter().skip(column).step_by(dataset.row_len()).filter(|x| !x.is_nan()).map(|&x| f64::from(x))
            };
            let (count, least, most) =
                values().fold((0usize, f64::INFINITY, f64::NEG_INFINITY), |(n, a, b), x| (n + 1, a.min(x), b.max(x)));
            if count == 0 {
                return Err(config("scaler", format!("column {column} has nothing but NaN")));
            }
            if !least.is_finite() || !most.is_finite() {
                return Err(config("scaler", format!("column {column} has an infinite feature")));
            }
            let mu = values().sum::<f64>() / count as f64;
            let sigma = (values().map(|x| (x - mu).powi(2)).sum::<f64>() / count as f64).sqrt() as f32;
            mean.push(mu as f32);
            // Asked of the values and not of sigma: rounding makes that a little more than zero, and dividing by it noise.
            std.push(if least == most || sigma == 0.0 { 1.0 } else { sigma });
        }
        Ok(Scaler { mean, std })
    }

    /// The rows scaled; NaN stays NaN.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config): rows with another number of features.
    pub fn apply(&self, dataset: &Dataset) -> Result<Dataset> {
        let mut features = dataset.features().to_vec();
        for row in features.chunks_exact_mut(dataset.row_len()) {
            self.apply_row(row)?;
        }
        if features.is_empty() && !dataset.is_empty() {
            return Err(config("scaler", "the features are not f32"));
        }
        // Without rows nothing has been compared yet.
        self.same_width(dataset.row_len())?;
        Ok(dataset.with_features(features))
    }

    /// One row scaled in place, as before a prediction.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config): another number of features.
    pub fn apply_row(&self, row: &mut [f32]) -> Result<()> {
        self.same_width(row.len())?;
        for (x, (mean, std)) in row.iter_mut().zip(self.mean.iter().zip(&self.std)) {
            *x = ((f64::from(*x) - f64::from(*mean)) / f64::from(*std)) as f32;
        }
        Ok(())
    }

    fn same_width(&self, found: usize) -> Result<()> {
        match (self.mean.len(), self.std.len()) {
            (mean, std) if mean == found && std == found => Ok(()),
            (mean, std) => Err(config("scaler", format!("{mean} means and {std} deviations for rows of {found} features"))),
        }
    }
}
