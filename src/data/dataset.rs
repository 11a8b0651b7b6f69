//! `Dataset`: rows of features and what is to be learned of each, in memory.

use super::{Scaler, config};
use crate::error::{Error, Result};
use crate::memory;
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
    /// A class for each place of a row (each pixel, each token), row-major, the shape of one row, and the number of classes.
    Maps(Vec<u32>, Vec<usize>, usize),
}

/// The numbers of one input or one target of all rows, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// Pictures, tables, series.
    F32(Vec<f32>),
    /// Token numbers, classes.
    U32(Vec<u32>),
    /// Whole numbers that may be negative, such as a label to be ignored.
    I32(Vec<i32>),
    /// Masks.
    Bool(Vec<bool>),
}

/// Calls the same thing on the numbers of whichever type.
macro_rules! of_elements {
    ($elements:expr, $values:ident => $each:expr) => {
        match $elements {
            Elements::F32($values) => $each,
            Elements::U32($values) => $each,
            Elements::I32($values) => $each,
            Elements::Bool($values) => $each,
        }
    };
}
pub(super) use of_elements;

impl Elements {
    /// The number of elements of all rows.
    pub fn len(&self) -> usize {
        of_elements!(self, values => values.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers, if they are f32.
    pub fn as_f32(&self) -> Option<&[f32]> {
        if let Elements::F32(values) = self { Some(values) } else { None }
    }

    fn picked(&self, width: usize, rows: &[usize]) -> Elements {
        let rows = rows.iter().copied();
        match self {
            Elements::F32(values) => Elements::F32(gather(values, width, rows)),
            Elements::U32(values) => Elements::U32(gather(values, width, rows)),
            Elements::I32(values) => Elements::I32(gather(values, width, rows)),
            Elements::Bool(values) => Elements::Bool(gather(values, width, rows)),
        }
    }
}

impl From<Vec<f32>> for Elements {
    fn from(values: Vec<f32>) -> Elements {
        Elements::F32(values)
    }
}

impl From<Vec<u32>> for Elements {
    fn from(values: Vec<u32>) -> Elements {
        Elements::U32(values)
    }
}

impl From<Vec<i32>> for Elements {
    fn from(values: Vec<i32>) -> Elements {
        Elements::I32(values)
    }
}

impl From<Vec<bool>> for Elements {
    fn from(values: Vec<bool>) -> Elements {
        Elements::Bool(values)
    }
}

/// One more input or target: its numbers, and the shape of one row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct More {
    pub(super) elements: Arc<Elements>,
    pub(super) row_shape: Vec<usize>,
}

impl More {
    fn new(what: &str, elements: Elements, row_shape: &[usize], rows: usize) -> Result<More> {
        let (found, width) = (elements.len(), width_of(row_shape, rows)?);
        if found != rows * width {
            return Err(wrong(format!("{what} of {found} elements, expected {row_shape:?} for each of {rows} rows")));
        }
        Ok(More { elements: Arc::new(elements), row_shape: row_shape.to_vec() })
    }

    pub(super) fn width(&self) -> usize {
        self.row_shape.iter().product()
    }

    pub(super) fn picked(&self, rows: &[usize]) -> More {
        More { elements: Arc::new(self.elements.picked(self.width(), rows)), row_shape: self.row_shape.clone() }
    }
}

/// Makes the features of rows when they are asked for.
pub(super) trait Maker: fmt::Debug + Send + Sync {
    /// Writes the features of some rows, row after row, over whatever stands there.
    fn make(&self, rows: &[u32], features: &mut [f32]);
}

/// Features that are made when they are asked for: of tables.
#[cfg_attr(not(feature = "tables"), allow(dead_code))]
#[derive(Clone, Debug)]
struct Made {
    maker: Arc<dyn Maker>,
    /// Which of the maker's rows the set has, in order; all if nothing is said.
    rows: Option<Arc<Vec<u32>>>,
}

impl Made {
    /// The maker's numbers of some rows of the set.
    fn picked(&self, rows: &[usize]) -> Vec<u32> {
        rows.iter().map(|&row| self.rows.as_ref().map_or(row as u32, |all| all[row])).collect()
    }
}

impl PartialEq for Made {
    fn eq(&self, other: &Made) -> bool {
        Arc::ptr_eq(&self.maker, &other.maker) && self.rows == other.rows
    }
}

/// A table in memory: every row has features of one shape, and a class or numbers to predict.
///
/// A row may have more inputs and more targets, each of a shape and type of its own, for models of several
/// ([`Module::forward_all`](crate::nn::Module::forward_all)).
///
/// Cheap to clone; clones share the numbers. A set may have no rows, but a loader needs one.
///
/// ```
/// use steepest::data::{Dataset, Labels};
/// let set = Dataset::new(vec![0.0, 1.0, 2.0, 3.0], &[2], Labels::Classes(vec![1, 0], 2))?;
/// assert_eq!(set.row(1), Some(&[2.0, 3.0][..]));
/// assert_eq!(set.to_string(), "2 rows of [2], 2 classes");
///
/// // Token numbers with a mask, and a second target beside the class.
/// let set = Dataset::of(vec![4u32, 7, 2, 9], &[2], Labels::Classes(vec![1, 0], 2))?
///     .with_input(vec![true, true, true, false], &[2])?
///     .with_target(vec![0.5f32, 1.5], &[1])?;
/// assert_eq!(set.to_string(), "2 rows of [2] and [2], 2 classes and [1] to predict");
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Dataset {
    /// What most sets have only of: the first input.
    features: Arc<Elements>,
    labels: Arc<Labels>,
    row_shape: Vec<usize>,
    rows: usize,
    /// In place of `features`, which are then empty.
    made: Option<Made>,
    more_inputs: Vec<More>,
    more_targets: Vec<More>,
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

/// A number of classes that a row of logits can have, and that can be counted.
fn check_classes(count: usize) -> Result<()> {
    Shape::new(&[count]).map_err(|e| wrong(format!("{count} classes: {e}")))?;
    memory::room::<usize>(format_args!("the counts of {count} classes"), count).map(drop).map_err(Error::NoRoom)
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
        Dataset::of(features, row_shape, labels)
    }

    /// [`Dataset::new`] for features of any type, such as token numbers. What works with numbers only ([`Dataset::features`], [`Scaler`]) finds none
    /// in those of other types.
    ///
    /// # Errors
    /// As [`Dataset::new`].
    pub fn of(features: impl Into<Elements>, row_shape: &[usize], labels: Labels) -> Result<Dataset> {
        Dataset::with(features.into(), None, row_shape, labels)
    }

    /// A data set whose features, `width` numbers a row, are made when they are asked for.
    #[cfg(feature = "tables")]
    pub(super) fn made(maker: Arc<dyn Maker>, width: usize, labels: Labels) -> Result<Dataset> {
        Dataset::with(Elements::F32(Vec::new()), Some(Made { maker, rows: None }), &[width], labels)
    }

    fn with(features: Elements, made: Option<Made>, row_shape: &[usize], labels: Labels) -> Result<Dataset> {
        let rows = match &labels {
            Labels::Classes(classes, count) => {
                check_classes(*count)?;
                if let Some(row) = classes.iter().position(|&c| c as usize >= *count) {
                    return Err(wrong(format!("class {} of row {row} is out of range 0..{count}", classes[row])));
                }
                classes.len()
            }
            Labels::Maps(classes, shape, count) => {
                check_classes(*count)?;
                if let Some(place) = classes.iter().position(|&c| c as usize >= *count) {
                    return Err(wrong(format!("class {} of place {place} is out of range 0..{count}", classes[place])));
                }
                let width = width_of(shape, 1)?;
                if !classes.len().is_multiple_of(width) {
                    return Err(wrong(format!("{} classes are not rows of {shape:?}", classes.len())));
                }
                let rows = classes.len() / width;
                width_of(shape, rows)?;
                rows
            }
            Labels::Values(values, width) => {
                if *width == 0 || !values.len().is_multiple_of(*width) {
                    return Err(wrong(format!("{} values to predict are not rows of {width}", values.len())));
                }
                values.len() / width
            }
        };
        let width = width_of(row_shape, rows)?;
        if made.is_none() && features.len() != rows * width {
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
            made,
            more_inputs: Vec::new(),
            more_targets: Vec::new(),
            feature_names: Vec::new(),
            class_names: Vec::new(),
        })
    }

    /// The same with one more input of every row, of any type.
    ///
    /// # Errors
    /// [`Error::Config`]: not as many elements as that is for all rows, a row without elements, more elements than a tensor may have.
    pub fn with_input(mut self, elements: impl Into<Elements>, row_shape: &[usize]) -> Result<Dataset> {
        self.more_inputs.push(More::new("an input", elements.into(), row_shape, self.rows)?);
        Ok(self)
    }

    /// The same with one more target of every row, of any type.
    ///
    /// # Errors
    /// As [`Dataset::with_input`].
    pub fn with_target(mut self, elements: impl Into<Elements>, row_shape: &[usize]) -> Result<Dataset> {
        self.more_targets.push(More::new("a target", elements.into(), row_shape, self.rows)?);
        Ok(self)
    }

    /// All inputs: their numbers and the shape of one row. The first are the features.
    pub fn inputs(&self) -> impl Iterator<Item = (&Elements, &[usize])> {
        let more = self.more_inputs.iter().map(|more| (&*more.elements, &more.row_shape[..]));
        std::iter::once((&*self.features, &self.row_shape[..])).chain(more)
    }

    /// The targets beside the labels: their numbers and the shape of one row.
    pub fn more_targets(&self) -> impl Iterator<Item = (&Elements, &[usize])> {
        self.more_targets.iter().map(|more| (&*more.elements, &more.row_shape[..]))
    }

    /// The features and the shape of one row.
    pub(super) fn first(&self) -> (&Elements, &[usize]) {
        (&self.features, &self.row_shape)
    }

    /// Inputs and targets beside features and labels.
    pub(super) fn more(&self) -> (&[More], &[More]) {
        (&self.more_inputs, &self.more_targets)
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

    /// The same with every feature x as (x − mean)/std, one mean and one std for all. Other inputs stay as they are.
    ///
    /// # Errors
    /// [`Error::Config`]: a mean that is not finite, a std that is not finite and above zero, or features that are not f32.
    pub fn normalized(mut self, mean: f32, std: f32) -> Result<Dataset> {
        if !mean.is_finite() || !std.is_finite() || std <= 0.0 {
            return Err(wrong(format!("mean {mean} and std {std}: expected finite numbers, the second above zero")));
        }
        if self.made.is_some() {
            return Err(wrong("the features are made when a batch asks for them: scale them by the preprocessor"));
        }
        match Arc::make_mut(&mut self.features) {
            Elements::F32(features) => features.iter_mut().for_each(|x| *x = (*x - mean) / std),
            _ => return Err(wrong("the features are not f32: they have no mean to be moved to")),
        }
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

    /// All features, row-major: `[rows, row_shape…]`; empty if they are not f32, or made when they are asked for ([`Dataset::features_of`]).
    pub fn features(&self) -> &[f32] {
        self.features.as_f32().unwrap_or_default()
    }

    /// The features of some rows, row after row, also of a set that makes them when they are asked for; a row may come more than once. Empty if they are
    /// not f32.
    ///
    /// # Panics
    /// A row that does not exist.
    pub fn features_of(&self, rows: &[usize]) -> Vec<f32> {
        let width = self.row_len();
        let Some(made) = &self.made else {
            return self.features.as_f32().map_or_else(Vec::new, |all| gather(all, width, rows.iter().copied()));
        };
        let mut features = vec![0.0; rows.len() * width];
        made.maker.make(&made.picked(rows), &mut features);
        features
    }

    /// Whether features are made when they are asked for.
    pub(super) fn is_made(&self) -> bool {
        self.made.is_some()
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

    /// The features of one row; `None` after the last, and if they are not f32.
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        let width = self.row_len();
        self.features.as_f32().filter(|_| index < self.rows).map(|features| &features[index * width..][..width])
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
            Labels::Classes(_, count) | Labels::Maps(_, _, count) => Some(count),
            Labels::Values(..) => None,
        }
    }

    /// How many rows each class has, or how many places where there is one for each; empty if the labels are values, or
    /// if there is no room for so many numbers.
    pub fn class_counts(&self) -> Vec<usize> {
        let (Labels::Classes(classes, count) | Labels::Maps(classes, _, count)) = &*self.labels else { return Vec::new() };
        // What has no room here had none when the data set was made.
        let Ok(mut counts) = memory::filled("the counts of classes", *count, 0) else { return Vec::new() };
        classes.iter().for_each(|&c| counts[c as usize] += 1);
        counts
    }

    /// How many features, and values to predict, are NaN.
    pub fn nan_count(&self) -> usize {
        let values = match &*self.labels {
            Labels::Classes(..) | Labels::Maps(..) => &[][..],
            Labels::Values(values, _) => values,
        };
        let more = self.more_inputs.iter().chain(&self.more_targets).filter_map(|more| more.elements.as_f32()).flatten();
        self.features().iter().chain(values).chain(more).filter(|x| x.is_nan()).count()
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
        let shapes = self.more_inputs.iter().chain(&self.more_targets).map(|more| &more.row_shape);
        shapes.chain([&self.row_shape]).try_for_each(|shape| width_of(shape, rows.len()).map(|_| ()))?;
        let labels = match &*self.labels {
            Labels::Classes(classes, count) => Labels::Classes(rows.iter().map(|&r| classes[r]).collect(), *count),
            Labels::Values(values, width) => Labels::Values(gather(values, *width, rows.iter().copied()), *width),
            Labels::Maps(classes, shape, count) => {
                Labels::Maps(gather(classes, shape.iter().product(), rows.iter().copied()), shape.clone(), *count)
            }
        };
        Ok(Dataset {
            features: match self.made {
                Some(_) => self.features.clone(),
                None => Arc::new(self.features.picked(self.row_len(), rows)),
            },
            made: self.made.as_ref().map(|made| Made { rows: Some(Arc::new(made.picked(rows))), ..made.clone() }),
            labels: Arc::new(labels),
            rows: rows.len(),
            more_inputs: self.more_inputs.iter().map(|more| more.picked(rows)).collect(),
            more_targets: self.more_targets.iter().map(|more| more.picked(rows)).collect(),
            ..self.clone()
        })
    }

    /// The same rows with other features of the same shape.
    pub(super) fn with_features(&self, features: Vec<f32>) -> Dataset {
        Dataset { features: Arc::new(features.into()), made: None, ..self.clone() }
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
        write!(f, "{} rows of {:?}", self.rows, self.row_shape)?;
        self.more_inputs.iter().try_for_each(|more| write!(f, " and {:?}", more.row_shape))?;
        match &*self.labels {
            Labels::Classes(_, count) => write!(f, ", {count} classes")?,
            Labels::Values(_, width) => write!(f, ", {width} to predict")?,
            Labels::Maps(_, shape, count) => write!(f, ", {count} classes at each of {shape:?}")?,
        }
        self.more_targets.iter().try_for_each(|more| write!(f, " and {:?} to predict", more.row_shape))
    }
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dataset({self})")
    }
}
