//! How good predictions are: accuracy, the confusion matrix with what follows from it, orders of scores, probabilities, and errors of numbers.

mod probability;
mod ranking;
mod regression;
mod score;

pub use probability::{Bin, Calibration, brier, log_loss};
pub use ranking::{PrPoint, RocPoint, average_precision, pr_curve, roc_auc, roc_curve, top_k_accuracy};
pub use regression::{explained_variance, mae, mape, max_error, median_absolute_error, r2, rmse};
pub(super) use score::gather;
pub use score::{Average, Metric, Predictions, Score, Truth};

use crate::error::{Error, Result};
use crate::escape::escaped;
use std::fmt;

/// A matrix of more classes than this would be unreadable, and large.
const MOST_CLASSES: usize = 4096;

fn wrong(message: String) -> Error {
    Error::Config { what: "metrics", message }
}

fn paired(predictions: &[u32], labels: &[u32]) -> Result<()> {
    match (predictions.len(), labels.len()) {
        (p, l) if p != l => Err(wrong(format!("{p} predictions for {l} labels"))),
        _ => Ok(()),
    }
}

/// The share of predictions that equal their label: 0 to 1.
///
/// ```
/// assert_eq!(steepest::train::metrics::accuracy(&[1, 2, 0, 0], &[1, 2, 3, 0])?, 0.75);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::Config`]: not as many predictions as labels, or none.
pub fn accuracy(predictions: &[u32], labels: &[u32]) -> Result<f64> {
    paired(predictions, labels)?;
    if labels.is_empty() {
        return Err(wrong("the accuracy of no predictions".to_owned()));
    }
    let right = predictions.iter().zip(labels).filter(|(p, l)| p == l).count();
    Ok(right as f64 / labels.len() as f64)
}

/// How often each class was predicted for each label, and what follows from it.
///
/// Prints as a table: a row per label, a column per predicted class, then recall; precision below.
///
/// ```
/// use steepest::train::metrics::ConfusionMatrix;
/// let matrix = ConfusionMatrix::new(&[0, 1, 1, 0], &[0, 1, 0, 0], 2)?;
/// assert_eq!(matrix.count(0, 1), 1); // a 0 taken for a 1
/// assert_eq!((matrix.accuracy(), matrix.precision(1), matrix.recall(1)), (0.75, 0.5, 1.0));
/// println!("{matrix}");
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ConfusionMatrix {
    classes: usize,
    /// `[label, prediction]`, row-major.
    counts: Vec<u64>,
    names: Vec<String>,
}

impl ConfusionMatrix {
    /// Counts pairs of prediction and label.
    ///
    /// # Errors
    /// [`Error::Config`]: as [`ConfusionMatrix::empty`] and [`ConfusionMatrix::add`].
    pub fn new(predictions: &[u32], labels: &[u32], classes: usize) -> Result<ConfusionMatrix> {
        let mut matrix = ConfusionMatrix::empty(classes)?;
        matrix.add(predictions, labels)?;
        Ok(matrix)
    }

    /// A matrix to which batches are added.
    ///
    /// # Errors
    /// [`Error::Config`]: no classes, or more than 4,096.
    pub fn empty(classes: usize) -> Result<ConfusionMatrix> {
        if classes == 0 || classes > MOST_CLASSES {
            return Err(wrong(format!("a confusion matrix of {classes} classes, expected 1 to {MOST_CLASSES}")));
        }
        Ok(ConfusionMatrix { classes, counts: vec![0; classes * classes], names: Vec::new() })
    }

    /// Counts more pairs of prediction and label; on an error none of them.
    ///
    /// # Errors
    /// [`Error::Config`]: not as many predictions as labels, or a class out of range.
    pub fn add(&mut self, predictions: &[u32], labels: &[u32]) -> Result<()> {
        paired(predictions, labels)?;
        for (what, numbers) in [("prediction", predictions), ("label", labels)] {
            if let Some(row) = numbers.iter().position(|&c| c as usize >= self.classes) {
                return Err(wrong(format!("{what} {} of row {row} is out of range 0..{}", numbers[row], self.classes)));
            }
        }
        for (&p, &l) in predictions.iter().zip(labels) {
            self.counts[l as usize * self.classes + p as usize] += 1;
        }
        Ok(())
    }

    /// The same with names for the classes, for printing.
    ///
    /// # Errors
    /// [`Error::Config`]: not as many names as classes.
    pub fn with_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Result<ConfusionMatrix> {
        self.names = names.into_iter().map(Into::into).collect();
        match self.names.len() {
            found if found == self.classes => Ok(self),
            found => Err(wrong(format!("{found} names for {} classes", self.classes))),
        }
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How often `prediction` was predicted where `label` was right; 0 for classes out of range.
    pub fn count(&self, label: usize, prediction: usize) -> u64 {
        if label < self.classes && prediction < self.classes { self.counts[label * self.classes + prediction] } else { 0 }
    }

    /// How many rows have this label.
    pub fn support(&self, class: usize) -> u64 {
        (0..self.classes).map(|p| self.count(class, p)).sum()
    }

    /// How many rows were predicted to be this class.
    pub fn predicted(&self, class: usize) -> u64 {
        (0..self.classes).map(|l| self.count(l, class)).sum()
    }

    /// All rows counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn right(&self) -> u64 {
        (0..self.classes).map(|c| self.count(c, c)).sum()
    }

    /// The share of right predictions; NaN before anything is counted.
    pub fn accuracy(&self) -> f64 {
        self.right() as f64 / self.total() as f64
    }

    /// Of the rows predicted to be this class, the share that is; 0 if it was never predicted.
    pub fn precision(&self, class: usize) -> f64 {
        share(self.count(class, class), self.predicted(class))
    }

    /// Of the rows of this class, the share that was found; 0 if there are none.
    pub fn recall(&self, class: usize) -> f64 {
        share(self.count(class, class), self.support(class))
    }

    /// The harmonic mean of precision and recall; 0 if the class was never right.
    pub fn f1(&self, class: usize) -> f64 {
        share(2 * self.count(class, class), self.predicted(class) + self.support(class))
    }

    /// Precision averaged over the classes that occur, as label or prediction, each with the same weight; NaN before anything is counted.
    pub fn macro_precision(&self) -> f64 {
        self.averaged(Self::precision)
    }

    /// Recall averaged as [`ConfusionMatrix::macro_precision`] is.
    pub fn macro_recall(&self) -> f64 {
        self.averaged(Self::recall)
    }

    /// F1 averaged as [`ConfusionMatrix::macro_precision`] is.
    pub fn macro_f1(&self) -> f64 {
        self.averaged(Self::f1)
    }

    /// Intersection over union of a class (Jaccard 1912): rows that are and were predicted to be it, of those that are or were; 0 if there are none of
    /// either kind. With a row per pixel, that of segmentation maps.
    pub fn iou(&self, class: usize) -> f64 {
        let both = self.count(class, class);
        share(both, self.predicted(class) + self.support(class) - both)
    }

    /// Dice's coefficient of a class (1945), 2 |A ∩ B| / (|A| + |B|): of classes it is the same number as [`ConfusionMatrix::f1`].
    pub fn dice(&self, class: usize) -> f64 {
        self.f1(class)
    }

    /// IoU averaged as [`ConfusionMatrix::macro_precision`] is: the mean IoU of segmentation.
    pub fn mean_iou(&self) -> f64 {
        self.averaged(Self::iou)
    }

    /// Recall averaged over the classes that occur as labels, each with the same weight (Brodersen et al. 2010): a class that is rare counts as much as one
    /// that is not. NaN before anything is counted.
    pub fn balanced_accuracy(&self) -> f64 {
        let labels: Vec<usize> = (0..self.classes).filter(|&c| self.support(c) > 0).collect();
        labels.iter().map(|&c| self.recall(c)).sum::<f64>() / labels.len() as f64
    }

    /// Matthews' correlation of labels and predictions (1975), for any number of classes (Gorodkin 2004): 1 is perfect, 0 as good as chance, −1 all wrong;
    /// 0 too where all labels or all predictions are one class.
    pub fn mcc(&self) -> f64 {
        let (all, right) = (self.total() as f64, self.right() as f64);
        let sum = |of: &dyn Fn(usize) -> f64| (0..self.classes).map(of).sum::<f64>();
        let (label, predicted) = (|c: usize| self.support(c) as f64, |c: usize| self.predicted(c) as f64);
        let chance = sum(&|c| label(c) * predicted(c));
        let spread = |of: &dyn Fn(usize) -> f64| all * all - sum(&|c| of(c) * of(c));
        let (labels, predictions) = (spread(&label), spread(&predicted));
        if labels == 0.0 || predictions == 0.0 { 0.0 } else { (right * all - chance) / (labels * predictions).sqrt() }
    }

    /// Cohen's κ (1960): (p − e) / (1 − e), p the accuracy and e what chance reaches with as many labels and predictions of each class; 0 where chance is
    /// always right, because all are one class.
    pub fn kappa(&self) -> f64 {
        let all = self.total() as f64;
        let both = |c: usize| self.support(c) as f64 / all * (self.predicted(c) as f64 / all);
        let chance: f64 = (0..self.classes).map(both).sum();
        if chance == 1.0 { 0.0 } else { (self.accuracy() - chance) / (1.0 - chance) }
    }

    fn averaged(&self, of: fn(&Self, usize) -> f64) -> f64 {
        let occurring: Vec<usize> = (0..self.classes).filter(|&c| self.support(c) + self.predicted(c) > 0).collect();
        occurring.iter().map(|&c| of(self, c)).sum::<f64>() / occurring.len() as f64
    }
}

fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

impl fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CORNER: &str = "label \\ predicted";
        let name = |class: usize| self.names.get(class).map_or_else(|| class.to_string(), |name| escaped(name).into_owned());
        let length = |text: &str| text.chars().count();
        let first = (0..self.classes).map(|c| length(&name(c))).chain([length(CORNER)]).max().unwrap_or(0);
        // A column holds its name, its counts and a precision such as 0.123.
        let widths: Vec<usize> = (0..self.classes)
            .map(|p| {
                (0..self.classes).map(|l| self.count(l, p).to_string().len()).chain([length(&name(p)), 5]).max().unwrap_or(5)
            })
            .collect();
        write!(f, "{CORNER:<first$}")?;
        for (class, width) in widths.iter().enumerate() {
            write!(f, "  {:>width$}", name(class))?;
        }
        writeln!(f, "  recall")?;
        for label in 0..self.classes {
            write!(f, "{:<first$}", name(label))?;
            for (class, width) in widths.iter().enumerate() {
                write!(f, "  {:>width$}", self.count(label, class))?;
            }
            writeln!(f, "  {:>6.3}", self.recall(label))?;
        }
        write!(f, "{:<first$}", "precision")?;
        for (class, width) in widths.iter().enumerate() {
            write!(f, "  {:>width$.3}", self.precision(class))?;
        }
        writeln!(f)?;
        let (right, total) = (self.right(), self.total());
        write!(f, "accuracy {:.4} ({right} of {total}), macro F1 {:.4}", self.accuracy(), self.macro_f1())
    }
}
