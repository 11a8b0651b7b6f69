//! `Dataset`: rows of features and what is to be learned of each, in memory.

use super::{Scaler, config};
use crate::error::{Error, Result};
use crate::shape::Shape;
use std::fmt;
use std::sync::Arc;

/// What is to be learned of every row.
#[derive(Clone, Debug, PartialEq)]
pub enum Labels {
    /// One class per row, and the number of classes; every class is below that number.
    Classes(Vec<u32>, usize),
    /// Numbers to predict, row-major, and how many each row has.
    Values(Vec<f32>, usize),
}

/// A table in memory: every row has features of one shape, and a class or numbers to predict.
///
/// Cheap to clone; clones share the numbers. A set may have no rows, but a loader needs one.
///
/// ```
/// use steepest::data::{Dataset, Labels};
/// let set = Dataset::new(vec![0.0, 1.0, 2.0, 3.0], &[2], Labels::Classes(vec![1, 0], 2))?;
/// assert_eq!(set.row(1), Some(&[2.0, 3.0][..]));
/// assert_eq!(set.to_string(), "2 rows of [2], 2 classes");
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Dataset {
    features: Arc<Vec<f32>>,
    labels: Arc<Labels>,
    row_shape: Vec<usize>,
    rows: usize,
    feature_names: Vec<String>,
    class_names: Vec<String>,
}

fn wrong(message: impl Into<String>) -> Error {
    config("data set", message)
}

/// The number of elements of a row.
fn width_of(row_shape: &[usize], rows: usize) -> Result<usize> {
    // A batch has one axis more, and the whole set must be a tensor too.
    let all: Vec<usize> = [rows].iter().chain(row_shape).copied().collect();
    Shape::new(&all).map_err(|e| wrong(e.to_string()))?;
    match row_shape.iter().product() {
        0 => Err(wrong(format!("rows of shape {row_shape:?} have no elements"))),
        width => Ok(width),
    }
}

impl Dataset {
    /// A data set of `features` (row-major, as many rows of `row_shape` as there are labels) and labels. A row of one number has the
    /// shape `[1]`, or `[]` for batches of shape `[n]`.
    ///
    /// Features and values may be NaN (see [`Dataset::nan_count`]).
    ///
    /// # Errors
    /// [`Error::Config`]: a row without elements, numbers of rows that differ, a class outside its range, more elements than a
    /// tensor may have.
    pub fn new(features: Vec<f32>, row_shape: &[usize], labels: Labels) -> Result<Dataset> {
        let rows = match &labels {
            Labels::Classes(classes, count) => {
                if let Some(row) = classes.iter().position(|&c| c as usize >= *count) {
                    return Err(wrong(format!("class {} of row {row} is out of range 0..{count}", classes[row])));
                }
                classes.len()
            }
            Labels::Values(values, width) => {
                if *width == 0 || !values.len().is_multiple_of(*width) {
                    return Err(wrong(format!("{} values to predict are not rows of {width}", values.len())));
                }
                values.len() / width
            }
        };
        let width = width_of(row_shape, rows)?;
        if features.len() != rows * width {
            let (found, whole) = (features.len(), features.len() / width);
            return Err(wrong(format!(
                "{found} features are {whole} rows of {row_shape:?}, but there are labels for {rows} rows"
            )));
        }
        Ok(Dataset {
            features: Arc::new(features),
            labels: Arc::new(labels),
            row_shape: row_shape.to_vec(),
            rows,
            feature_names: Vec::new(),
            class_names: Vec::new(),
        })
    }

    /// The same with a name for each feature of a row.
    ///
    /// # Errors
    /// [`Error::Config`]: not as many names as a row has features.
    pub fn with_feature_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Result<Dataset> {
        self.feature_names = names.into_iter().map(Into::into).collect();
        match (self.feature_names.len(), self.row_len()) {
            (found, width) if found != width => Err(wrong(format!("{found} names for {width} features"))),
            _ => Ok(self),
        }
    }

    /// The same with a name for each class.
    ///
    /// # Errors
    /// [`Error::Config`]: not as many names as classes, or labels that are not classes.
    pub fn with_class_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Result<Dataset> {
        self.class_names = names.into_iter().map(Into::into).collect();
        match (self.class_names.len(), self.classes()) {
            (_, None) => Err(wrong("names for classes, but the labels are values")),
            (found, Some(count)) if found != count => Err(wrong(format!("{found} names for {count} classes"))),
            _ => Ok(self),
        }
    }

    /// The same elements in rows of another shape: images of `[784]` as `[1, 28, 28]`.
    ///
    /// # Errors
    /// [`Error::Config`]: another number of elements, or more than 7 axes.
    pub fn with_row_shape(mut self, row_shape: &[usize]) -> Result<Dataset> {
        if width_of(row_shape, self.rows)? != self.row_len() {
            return Err(wrong(format!("rows of {:?} do not fit the shape {row_shape:?}", self.row_shape)));
        }
        self.row_shape = row_shape.to_vec();
        Ok(self)
    }

    /// The same with every feature x as (x − mean)/std, one mean and one std for all.
    ///
    /// # Errors
    /// [`Error::Config`]: a mean that is not finite, or a std that is not finite and above zero.
    pub fn normalized(mut self, mean: f32, std: f32) -> Result<Dataset> {
        if !mean.is_finite() || !std.is_finite() || std <= 0.0 {
            return Err(wrong(format!("mean {mean} and std {std}: expected finite numbers, the second above zero")));
        }
        Arc::make_mut(&mut self.features).iter_mut().for_each(|x| *x = (*x - mean) / std);
        Ok(self)
    }

    /// The same with every column brought to mean 0 and standard deviation 1, and the scaler that did it, for the other sets.
    ///
    /// # Errors
    /// As [`Scaler::fit`].
    pub fn standardized(&self) -> Result<(Dataset, Scaler)> {
        let scaler = Scaler::fit(self)?;
        Ok((scaler.apply(self)?, scaler))
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// All features, row-major: `[rows, row_shape…]`.
    pub fn features(&self) -> &[f32] {
        &self.features
    }

    /// What is to be learned.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The shape of one row.
    pub fn row_shape(&self) -> &[usize] {
        &self.row_shape
    }

    /// The number of features of one row.
    pub fn row_len(&self) -> usize {
        self.row_shape.iter().product()
    }

    /// The features of one row; `None` after the last.
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        let width = self.row_len();
        (index < self.rows).then(|| &self.features[index * width..][..width])
    }

    /// The features' names; empty if they have none.
    pub fn feature_names(&self) -> &[String] {
        &self.feature_names
    }

    /// The classes' names; empty if they have none.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// The number of classes; `None` if the labels are values.
    pub fn classes(&self) -> Option<usize> {
        match *self.labels {
            Labels::Classes(_, count) => Some(count),
            Labels::Values(..) => None,
        }
    }

    /// How many rows each class has; empty if the labels are values.
    pub fn class_counts(&self) -> Vec<usize> {
        let Labels::Classes(classes, count) = &*self.labels else { return Vec::new() };
        let mut counts = vec![0; *count];
        classes.iter().for_each(|&c| counts[c as usize] += 1);
        counts
    }

    /// How many features, and values to predict, are NaN.
    pub fn nan_count(&self) -> usize {
        let values = match &*self.labels {
            Labels::Classes(..) => &[][..],
            Labels::Values(values, _) => values,
        };
        self.features.iter().chain(values).filter(|x| x.is_nan()).count()
    }

    /// The given rows, in the given order; a row may come more than once.
    ///
    /// # Errors
    /// [`Error::Config`]: a row that does not exist.
    pub fn subset(&self, rows: &[usize]) -> Result<Dataset> {
        if let Some(&row) = rows.iter().find(|&&row| row >= self.rows) {
            return Err(wrong(format!("row {row} is out of range 0..{}", self.rows)));
        }
        // More rows than before may be too many for a tensor.
        width_of(&self.row_shape, rows.len())?;
        let labels = match &*self.labels {
            Labels::Classes(classes, count) => Labels::Classes(rows.iter().map(|&r| classes[r]).collect(), *count),
            Labels::Values(values, width) => Labels::Values(gather(values, *width, rows.iter().copied()), *width),
        };
        Ok(Dataset {
            features: Arc::new(gather(&self.features, self.row_len(), rows.iter().copied())),
            labels: Arc::new(labels),
            rows: rows.len(),
            ..self.clone()
        })
    }

    /// The same rows with other features of the same shape.
    pub(super) fn with_features(&self, features: Vec<f32>) -> Dataset {
        Dataset { features: Arc::new(features), ..self.clone() }
    }
}

/// Rows of `width` numbers, one after the other.
pub(super) fn gather<T: Copy>(all: &[T], width: usize, rows: impl ExactSizeIterator<Item = usize>) -> Vec<T> {
    let mut picked = Vec::with_capacity(rows.len() * width);
    rows.for_each(|row| picked.extend_from_slice(&all[row * width..][..width]));
    picked
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows of {:?}, ", self.rows, self.row_shape)?;
        match &*self.labels {
            Labels::Classes(_, count) => write!(f, "{count} classes"),
            Labels::Values(_, width) => write!(f, "{width} to predict"),
        }
    }
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dataset({self})")
    }
}
