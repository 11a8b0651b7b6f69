//! Scores: one number that says how good a model's outputs are, by name, for the training loop.

use super::{Calibration, ConfusionMatrix, average_precision, explained_variance, mae, mape, max_error, median_absolute_error};
use super::{probability, r2, rmse, roc_auc, top_k_accuracy, wrong};
use crate::data::DataLoader;
use crate::error::Result;
use crate::location::recording_for_caller;
use crate::nn::Module;
use crate::platform::{self, waited};
use crate::{DType, Tensor, no_grad};

/// What was right.
#[derive(Clone, Debug, PartialEq)]
pub enum Truth {
    /// A class per row.
    Classes(Vec<u32>),
    /// Numbers, as many per row as there are outputs, row-major.
    Values(Vec<f32>),
}

/// What a model said and what was right, in this program's memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    outputs: Vec<f32>,
    width: usize,
    truth: Truth,
}

impl Predictions {
    /// Outputs, row-major with `width` per row, and what was right.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config): numbers of rows that differ.
    pub fn new(outputs: Vec<f32>, width: usize, truth: Truth) -> Result<Predictions> {
        let rows = match &truth {
            Truth::Classes(classes) => classes.len(),
            Truth::Values(values) if width > 0 && values.len() % width == 0 => values.len() / width,
            Truth::Values(values) => return Err(wrong(format!("{} values in rows of {width}", values.len()))),
        };
        if rows.checked_mul(width) != Some(outputs.len()) {
            return Err(wrong(format!("{} outputs, expected {width} for each of {rows} rows", outputs.len())));
        }
        Ok(Predictions { outputs, width, truth })
    }

    /// The outputs again.
    pub fn into_outputs(self) -> Vec<f32> {
        self.outputs
    }

    /// Runs a model in evaluation mode over a whole loader, in the order of its epoch 0, and leaves it in evaluation mode. Of several outputs the first
    /// counts.
    ///
    /// # Errors
    /// What running the model reports, or outputs that do not fit the labels.
    pub fn of(model: &dyn Module, loader: &DataLoader) -> Result<Predictions> {
        waited(loader.device().name(), Predictions::of_async(model, loader))
    }

    /// [`Predictions::of`] without blocking: each batch is awaited.
    ///
    /// # Errors
    /// As [`Predictions::of`].
    #[track_caller]
    pub fn of_async<'m>(model: &'m dyn Module, loader: &'m DataLoader) -> impl Future<Output = Result<Predictions>> + 'm {
        recording_for_caller(Predictions::made_by(model, loader))
    }

    async fn made_by(model: &dyn Module, loader: &DataLoader) -> Result<Predictions> {
        model.eval();
        let (mut all, mut classes, mut values, mut width) = (vec![], vec![], vec![], 1);
        for batch in loader.epoch_at(0) {
            platform::let_page_go_on().await;
            let outputs = no_grad(|| model.forward_all(&batch.inputs()));
            let output = outputs.first().ok_or_else(|| wrong("the model gave no output".to_owned()))?;
            width = gather(output, &batch.y, (&mut all, &mut classes, &mut values)).await?;
        }
        let truth = if values.is_empty() { Truth::Classes(classes) } else { Truth::Values(values) };
        Predictions::new(all, width, truth)
    }

    /// The outputs, row-major.
    pub fn outputs(&self) -> &[f32] {
        &self.outputs
    }

    /// Outputs per row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.outputs.len() / self.width.max(1)
    }

    /// What was right.
    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    /// The class that each row is taken for: of several outputs the place of the largest, the first among equals (NaN is never the
    /// largest); of one output (a logit) 1 where it is above 0, else 0.
    pub fn predicted(&self) -> Vec<u32> {
        let largest = |row: &[f32]| {
            let better = |best: usize, i: usize| if row[i] > row[best] || row[best].is_nan() { i } else { best };
            (0..row.len()).reduce(better).unwrap_or(0) as u32
        };
        match self.width {
            1 => self.outputs.iter().map(|&x| u32::from(x > 0.0)).collect(),
            width => self.outputs.chunks(width.max(1)).map(largest).collect(),
        }
    }

    /// The right class of each row: numbers of one column are class 1 from 0.5 on.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config): several numbers per row.
    pub fn labels(&self) -> Result<Vec<u32>> {
        match &self.truth {
            Truth::Classes(classes) => Ok(classes.clone()),
            Truth::Values(values) if self.width == 1 => Ok(values.iter().map(|&v| u32::from(v >= 0.5)).collect()),
            Truth::Values(_) => Err(wrong(format!("rows of {} values are no classes", self.width))),
        }
    }

    /// Counts of predicted and right classes.
    ///
    /// # Errors
    /// As [`Predictions::labels`] and [`ConfusionMatrix::new`].
    pub fn confusion(&self) -> Result<ConfusionMatrix> {
        let labels = self.labels()?;
        let seen = labels.iter().max().map_or(0, |&c| c as usize + 1);
        ConfusionMatrix::new(&self.predicted(), &labels, self.width.max(2).max(seen))
    }

    /// The numbers that were right.
    fn values(&self) -> Result<&[f32]> {
        match &self.truth {
            Truth::Values(values) => Ok(values),
            Truth::Classes(_) => Err(wrong("an error of numbers, but the labels are classes".to_owned())),
        }
    }

    /// A measure of the order of scores: that of class 1 of two classes; of more the mean over one class against the rest, by its probability.
    fn ranked(&self, of: fn(&[f32], &[bool]) -> Result<f64>) -> Result<f64> {
        let labels = self.labels()?;
        let positive = |class: usize| labels.iter().map(|&l| l as usize == class).collect::<Vec<_>>();
        match self.width {
            1 => of(&self.outputs, &positive(1)),
            // The order of the probabilities of class 1 is that of the difference of its logit and the other.
            2 => of(&self.outputs.chunks(2).map(|row| row[1] - row[0]).collect::<Vec<_>>(), &positive(1)),
            width => {
                // Of each row what its probabilities have in common: all of them at once would take twice the outputs' memory.
                let rows = || self.outputs.chunks(width.max(1));
                let common: Vec<(f32, f64)> = rows().map(|row| (top(row), softmax_sum(row))).collect();
                let share = |(row, (top, sum)): (&[f32], &(f32, f64)), class: usize| f64::from(row[class] - top).exp() / sum;
                let each = |class| {
                    let shares: Vec<f32> = rows().zip(&common).map(|of_row| share(of_row, class) as f32).collect();
                    of(&shares, &positive(class))
                };
                Ok((0..width).map(each).sum::<Result<f64>>()? / width as f64)
            }
        }
    }

    /// The probabilities of the classes of each row: the softmax of its outputs, of one output (a logit) its sigmoid and the rest.
    pub fn probabilities(&self) -> Vec<Vec<f64>> {
        match self.width {
            1 => self.outputs.iter().map(|&x| softmax(&[0.0, x])).collect(),
            width => self.outputs.chunks(width.max(1)).map(softmax).collect(),
        }
    }

    /// Probabilities and labels; an error for outputs that have none.
    fn shares(&self, what: &str) -> Result<Vec<(Vec<f64>, u32)>> {
        let all: Vec<(Vec<f64>, u32)> = self.probabilities().into_iter().zip(self.labels()?).collect();
        match all.iter().position(|(shares, label)| shares.get(*label as usize).is_none_or(|p| p.is_nan())) {
            Some(row) => Err(wrong(format!("{what}: the outputs of row {row} give no probability of class {}", all[row].1))),
            None => Ok(all),
        }
    }

    /// The mean of −log p over the rows, p the probability of the right class.
    fn log_loss(&self) -> Result<f64> {
        let shares = self.shares("the log loss")?;
        Ok(shares.iter().map(|(shares, label)| probability::surprise(shares[*label as usize])).sum::<f64>() / shares.len() as f64)
    }

    /// How often a predicted class is right that is predicted with a probability: of one output that of class 1.
    ///
    /// # Errors
    /// As [`Predictions::labels`] and [`Calibration::new`].
    pub fn calibration(&self, bins: usize) -> Result<Calibration> {
        let shares = self.shares("the calibration")?;
        let (said, so): (Vec<f64>, Vec<bool>) = match self.width {
            1 => shares.iter().map(|(shares, label)| (shares[1], *label == 1)).unzip(),
            _ => {
                let predicted = self.predicted();
                shares.iter().zip(predicted).map(|((shares, label), p)| (shares[p as usize], *label == p)).unzip()
            }
        };
        Calibration::new(&said, &so, bins)
    }

    /// The Brier score: of two classes the mean of (p − y)² of class 1, of more the mean of Σ (p − y)² over the classes.
    fn brier(&self) -> Result<f64> {
        let shares = self.shares("the Brier score")?;
        let own = |class: usize, label: u32| f64::from(u8::from(class == label as usize));
        let each = |(shares, label): &(Vec<f64>, u32)| {
            let squares = shares.iter().enumerate().map(|(class, p)| (p - own(class, *label)).powi(2)).sum::<f64>();
            if shares.len() == 2 { squares / 2.0 } else { squares }
        };
        Ok(shares.iter().map(each).sum::<f64>() / shares.len() as f64)
    }
}

fn top(row: &[f32]) -> f32 {
    row.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// What the softmax of a row divides by.
fn softmax_sum(row: &[f32]) -> f64 {
    let top = top(row);
    row.iter().map(|&x| f64::from(x - top).exp()).sum()
}

fn softmax(row: &[f32]) -> Vec<f64> {
    let top = top(row);
    let powers: Vec<f64> = row.iter().map(|&x| f64::from(x - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

/// Reads a batch's outputs and labels; says how many outputs a row has. Outputs [n, classes, d…] for labels [n, d…] are a row for each label.
pub(in crate::train) async fn gather(
    output: &Tensor,
    labels: &Tensor,
    (outputs, classes, values): (&mut Vec<f32>, &mut Vec<u32>, &mut Vec<f32>),
) -> Result<usize> {
    let (shape, labelled) = (output.try_shape()?, labels.spec()?);
    let places = labelled.shape.rank();
    if labelled.dtype != DType::F32 && places > 1 {
        let expected = matches!(shape.dims(), [n, _, rest @ ..] if [&[*n], rest].concat() == labelled.shape.dims());
        if !expected {
            return Err(wrong(format!("outputs {shape} for labels {}, expected [n,classes,d…] and [n,d…]", labelled.shape)));
        }
        let by_class_last: Vec<isize> = [0].into_iter().chain(2..=places as isize).chain([1]).collect();
        outputs.extend(output.permute(&by_class_last).fetch::<f32>().await?);
        classes.extend(labels.fetch::<u32>().await?);
        return Ok(shape.dims()[1]);
    }
    let rows = labelled.shape.dims().first().copied().unwrap_or(1);
    outputs.extend(output.fetch::<f32>().await?);
    match labelled.dtype {
        DType::F32 => values.extend(labels.fetch::<f32>().await?),
        _ => classes.extend(labels.fetch::<u32>().await?),
    }
    Ok(shape.numel() / rows.max(1))
}

/// What is measured after each epoch.
pub trait Metric {
    /// Its name in the history, without commas.
    fn name(&self) -> String;
    /// The measure.
    ///
    /// # Errors
    /// Outputs or labels of which it cannot be taken.
    fn of(&self, predictions: &Predictions) -> Result<f64>;
    /// Whether more is better.
    fn upwards(&self) -> bool;
}

/// How the figures of several classes become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Average {
    /// Their mean over the classes that occur, as label or prediction.
    #[default]
    Macro,
    /// From all rows together: of single labels that is the accuracy.
    Micro,
    /// Their mean, each class weighted by how many rows it has.
    Weighted,
    /// That of one class: of two classes usually 1.
    Class(u32),
}

/// The usual measures. Definitions are scikit-learn's; a share of nothing is 0.
///
/// ```
/// use steepest::train::metrics::{Average, Metric, Predictions, Score, Truth};
/// let logits = vec![2.0, 1.0, 0.0, 3.0, 1.0, 0.0];
/// let rows = Predictions::new(logits, 2, Truth::Classes(vec![0, 1, 1]))?;
/// assert_eq!(rows.predicted(), [0, 1, 0]);
/// assert_eq!(Score::Recall(Average::Class(1)).of(&rows)?, 0.5);
/// assert_eq!(Score::RocAuc.of(&rows)?, 0.75);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// The share of right classes.
    Accuracy,
    /// Of the rows taken for a class, the share that is of it.
    Precision(Average),
    /// Of the rows of a class, the share that was found.
    Recall(Average),
    /// The harmonic mean of precision and recall.
    F1(Average),
    /// The area under the ROC curve; of more than two classes the mean over one against the rest.
    RocAuc,
    /// The share of rows whose class is among so many of the largest outputs.
    TopK(usize),
    /// Average precision, the area under the curve of precision and recall; of more than two classes the mean over one against the rest.
    AveragePrecision,
    /// The mean of −log p, p the probability of the right class: the softmax of the outputs, the sigmoid of one.
    LogLoss,
    /// e to the log loss: among how many equally likely classes a model wavers. With a row per token, the perplexity of a language model.
    Perplexity,
    /// The mean of the squared errors of the probabilities: of two classes of that of class 1, of more of the sum over the classes.
    Brier,
    /// Expected calibration error in so many bins.
    CalibrationError(usize),
    /// Intersection over union; its mean over the classes is that of segmentation.
    Iou(Average),
    /// The mean recall of the classes that occur as labels.
    BalancedAccuracy,
    /// Matthews' correlation.
    Mcc,
    /// Cohen's κ.
    Kappa,
    /// Mean absolute error.
    Mae,
    /// Root mean squared error.
    Rmse,
    /// Coefficient of determination.
    R2,
    /// Mean absolute percentage error, as a share.
    Mape,
    /// Explained variance.
    ExplainedVariance,
    /// The largest error.
    MaxError,
    /// The median of the absolute errors.
    MedianError,
}

impl Metric for Score {
    fn name(&self) -> String {
        let averaged = |name: &str, average: Average| match average {
            Average::Macro => name.to_owned(),
            Average::Micro => format!("{name}_micro"),
            Average::Weighted => format!("{name}_weighted"),
            Average::Class(class) => format!("{name}_class{class}"),
        };
        match *self {
            Score::Accuracy => "accuracy".to_owned(),
            Score::Precision(average) => averaged("precision", average),
            Score::Recall(average) => averaged("recall", average),
            Score::F1(average) => averaged("f1", average),
            Score::RocAuc => "roc_auc".to_owned(),
            Score::TopK(k) => format!("top{k}_accuracy"),
            Score::AveragePrecision => "average_precision".to_owned(),
            Score::LogLoss => "log_loss".to_owned(),
            Score::Perplexity => "perplexity".to_owned(),
            Score::Brier => "brier".to_owned(),
            Score::CalibrationError(_) => "calibration_error".to_owned(),
            Score::Iou(average) => averaged("iou", average),
            Score::BalancedAccuracy => "balanced_accuracy".to_owned(),
            Score::Mcc => "mcc".to_owned(),
            Score::Kappa => "kappa".to_owned(),
            Score::Mae => "mae".to_owned(),
            Score::Rmse => "rmse".to_owned(),
            Score::R2 => "r2".to_owned(),
            Score::Mape => "mape".to_owned(),
            Score::ExplainedVariance => "explained_variance".to_owned(),
            Score::MaxError => "max_error".to_owned(),
            Score::MedianError => "median_error".to_owned(),
        }
    }

    fn of(&self, rows: &Predictions) -> Result<f64> {
        if rows.rows() == 0 {
            return Err(wrong(format!("the {} of no rows", self.name())));
        }
        let matrix = || rows.confusion();
        match *self {
            Score::Accuracy => Ok(matrix()?.accuracy()),
            Score::Precision(average) => Ok(matrix()?.averaged_by(average, ConfusionMatrix::precision)),
            Score::Recall(average) => Ok(matrix()?.averaged_by(average, ConfusionMatrix::recall)),
            Score::F1(average) => Ok(matrix()?.averaged_by(average, ConfusionMatrix::f1)),
            Score::RocAuc => rows.ranked(roc_auc),
            Score::AveragePrecision => rows.ranked(average_precision),
            Score::TopK(k) => top_k_accuracy(&rows.outputs, rows.width, &rows.labels()?, k),
            Score::LogLoss => rows.log_loss(),
            Score::Perplexity => Ok(rows.log_loss()?.exp()),
            Score::Brier => rows.brier(),
            Score::CalibrationError(bins) => Ok(rows.calibration(bins)?.expected_error()),
            // Of r right rows of n: Σ |A ∩ B| = r and Σ |A ∪ B| = 2 n − r.
            Score::Iou(Average::Micro) => matrix().map(|m| m.accuracy() / (2.0 - m.accuracy())),
            Score::Iou(average) => Ok(matrix()?.averaged_by(average, ConfusionMatrix::iou)),
            Score::BalancedAccuracy => Ok(matrix()?.balanced_accuracy()),
            Score::Mcc => Ok(matrix()?.mcc()),
            Score::Kappa => Ok(matrix()?.kappa()),
            Score::Mae => mae(&rows.outputs, rows.values()?, rows.width),
            Score::Rmse => rmse(&rows.outputs, rows.values()?, rows.width),
            Score::R2 => r2(&rows.outputs, rows.values()?, rows.width),
            Score::Mape => mape(&rows.outputs, rows.values()?, rows.width),
            Score::ExplainedVariance => explained_variance(&rows.outputs, rows.values()?, rows.width),
            Score::MaxError => max_error(&rows.outputs, rows.values()?, rows.width),
            Score::MedianError => median_absolute_error(&rows.outputs, rows.values()?, rows.width),
        }
    }

    fn upwards(&self) -> bool {
        use Score::{Brier, CalibrationError, LogLoss, Mae, Mape, MaxError, MedianError, Perplexity, Rmse};
        !matches!(self, LogLoss | Perplexity | Brier | CalibrationError(_) | Mae | Rmse | Mape | MaxError | MedianError)
    }
}

impl ConfusionMatrix {
    fn averaged_by(&self, average: Average, of: fn(&Self, usize) -> f64) -> f64 {
        match average {
            Average::Macro => self.averaged(of),
            Average::Micro => self.accuracy(),
            Average::Weighted => {
                let all = self.total() as f64;
                (0..self.classes()).map(|class| self.support(class) as f64 / all * of(self, class)).sum()
            }
            Average::Class(class) => of(self, class as usize),
        }
    }
}
