//! How good a model's answers are, in the metrics of its task, beside what one gets without learning anything.

use crate::text::figure;
use crate::{output, say};
use serde_json::{Map, Value, json};
use steepest::data::{Labels, Table, Target};
use steepest::train::metrics::{ConfusionMatrix, Metric, Predictions, Score, Truth, mae, r2, rmse};

/// What always says the same: the mean of the numbers, or the most frequent class, of the rows that were learned from.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// Per column of numbers, or per label its share.
    Means(Vec<f64>),
    Class(u32),
}

/// What is right: per row, in the units of the table.
pub enum Truths {
    Values(Vec<f64>),
    Classes(Vec<u32>),
    Labels(Vec<f32>),
}

pub struct Measured {
    pub rows: usize,
    /// By name, the most telling first.
    pub figures: Vec<(&'static str, f64)>,
    /// The same figures of what always says the same, as far as it has them.
    pub baseline: Vec<(&'static str, f64)>,
    pub confusion: Option<ConfusionMatrix>,
    /// Figures that these rows do not have, and why.
    pub without: Vec<&'static str>,
}

impl Truths {
    /// Reads the target columns.
    pub fn of(target: &Target, table: &Table) -> anyhow::Result<Truths> {
        if let Target::Values { .. } = target {
            return Ok(Truths::Values(target.values(table)?));
        }
        Ok(match target.encode(table)? {
            Labels::Classes(classes, _) | Labels::Maps(classes, ..) => Truths::Classes(classes),
            Labels::Values(values, _) => Truths::Labels(values),
        })
    }

    /// What always says the same after rows like these.
    pub fn baseline(&self, width: usize) -> Baseline {
        let mean = |values: &[f64]| {
            let rows = (values.len() / width).max(1) as f64;
            let column = |c: usize| values.iter().skip(c).step_by(width);
            // From the first value on: a sum of large numbers would lose the digits in which they differ.
            let of = |c: usize| values.get(c).map_or(0.0, |first| first + column(c).map(|x| x - first).sum::<f64>() / rows);
            Baseline::Means((0..width).map(of).collect())
        };
        match self {
            Truths::Values(values) => mean(values),
            Truths::Labels(values) => mean(&values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>()),
            Truths::Classes(classes) => {
                let counts = counted(classes, width);
                // Of several the first: `max_by_key` would give the last.
                Baseline::Class((0..width).rev().max_by_key(|&class| counts[class]).unwrap_or(0) as u32)
            }
        }
    }
}

/// How many rows each of `width` classes has.
pub fn counted(classes: &[u32], width: usize) -> Vec<usize> {
    let mut counts = vec![0; width];
    for &class in classes {
        if let Some(count) = counts.get_mut(class as usize) {
            *count += 1;
        }
    }
    counts
}

/// Compares a model's outputs with what is right. They are as they were when it is done; in between they are lent.
pub fn measure(
    target: &Target,
    outputs: &mut Vec<f32>,
    truths: &Truths,
    baseline: Option<&Baseline>,
) -> anyhow::Result<Measured> {
    let width = target.width();
    let rows = outputs.len() / width;
    match truths {
        Truths::Values(values) => {
            // Of differences from a value in the middle: an offset of the target changes no figure.
            let origin = target.origin();
            let less = |all: &[f64]| all.iter().enumerate().map(|(i, x)| x - origin[i % width]).collect::<Vec<f64>>();
            let (said, right) = (target.differences(outputs), less(values));
            let same = |means: &[f64]| less(means).into_iter().cycle().take(values.len()).collect::<Vec<f64>>();
            let figures = |said: &[f64]| numbers(said, &right, width);
            let baseline = match baseline {
                Some(Baseline::Means(means)) if means.len() == width => figures(&same(means))?,
                _ => vec![],
            };
            let without = if rows < 2 { vec!["no R2: it needs two rows or more"] } else { vec![] };
            Ok(Measured { rows, figures: figures(&said)?, baseline, confusion: None, without })
        }
        Truths::Classes(classes) => {
            let predictions = Predictions::new(std::mem::take(outputs), width, Truth::Classes(classes.clone()))?;
            let confusion = predictions.confusion()?.with_names(target.names().to_vec())?;
            let mut figures = vec![("accuracy", confusion.accuracy()), ("macro F1", confusion.macro_f1())];
            let mut without = vec![];
            match Score::RocAuc.of(&predictions) {
                Ok(auc) => figures.push(("ROC AUC", auc)),
                Err(_) => without.push("no ROC AUC: it needs rows of every class"),
            }
            *outputs = predictions.into_outputs();
            let loss = |(row, &class): (&[f32], &u32)| -target.probabilities(row)[class as usize].max(1e-15).ln();
            figures.push(("log loss", outputs.chunks(width).zip(classes).map(loss).sum::<f64>() / rows as f64));
            let baseline = match baseline {
                Some(Baseline::Class(class)) => {
                    let matrix = ConfusionMatrix::new(&vec![*class; rows], classes, width)?;
                    vec![("accuracy", matrix.accuracy()), ("macro F1", matrix.macro_f1())]
                }
                _ => vec![],
            };
            Ok(Measured { rows, figures, baseline, confusion: Some(confusion), without })
        }
        Truths::Labels(values) => {
            let said: Vec<bool> = outputs.iter().map(|&x| x > 0.0).collect();
            let baseline = match baseline {
                Some(Baseline::Means(means)) if means.len() == width => {
                    let same: Vec<bool> = means.iter().map(|&mean| mean > 0.5).cycle().take(values.len()).collect();
                    labels(&same, values, width)
                }
                _ => vec![],
            };
            Ok(Measured { rows, figures: labels(&said, values, width), baseline, confusion: None, without: vec![] })
        }
    }
}

fn numbers(said: &[f64], values: &[f64], width: usize) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let mut figures = vec![];
    if values.len() > width {
        figures.push(("R2", r2(said, values, width)?));
    }
    figures.push(("RMSE", rmse(said, values, width)?));
    figures.push(("MAE", mae(said, values, width)?));
    Ok(figures)
}

/// The share of right labels, of rows with all labels right, and F1 over all labels.
fn labels(said: &[bool], values: &[f32], width: usize) -> Vec<(&'static str, f64)> {
    let right = |i: usize| said[i] == (values[i] > 0.5);
    let n = values.len();
    let share = |count: usize, of: usize| count as f64 / of.max(1) as f64;
    let whole = (0..n / width).filter(|row| (row * width..(row + 1) * width).all(right)).count();
    let hits = (0..n).filter(|&i| said[i] && right(i)).count();
    let marked = said.iter().filter(|&&s| s).count() + values.iter().filter(|&&v| v > 0.5).count();
    vec![
        ("accuracy", share((0..n).filter(|&i| right(i)).count(), n)),
        ("all labels right", share(whole, n / width)),
        ("micro F1", share(2 * hits, marked)),
    ]
}

impl Measured {
    /// The figure that is named first.
    pub fn first(&self) -> (&'static str, f64) {
        self.figures.first().copied().unwrap_or(("rows", self.rows as f64))
    }

    /// A line per figure, beside it that of what always says the same; then the confusion matrix.
    pub fn print(&self, same: &str) -> anyhow::Result<()> {
        for (name, value) in &self.figures {
            let baseline = self.baseline.iter().find(|(n, _)| n == name);
            match baseline {
                // The figure by itself, so that a line can be looked for.
                Some((_, baseline)) if *name != "R2" => {
                    say!("{name} {}   ({same}: {})", figure(name, *value), figure(name, *baseline));
                }
                _ => say!("{name} {}", figure(name, *value)),
            }
        }
        for reason in &self.without {
            say!("({reason})");
        }
        if let Some(confusion) = self.confusion.as_ref().filter(|matrix| matrix.classes() <= 12) {
            output::lines(format_args!("\n{confusion}"))?;
        }
        Ok(())
    }

    pub fn to_json(&self, names: &[String]) -> Value {
        let mut found = json!({ "rows": self.rows, "figures": object(&self.figures), "trivial": object(&self.baseline) });
        if let Some(matrix) = &self.confusion {
            let counts: Vec<Vec<u64>> =
                (0..matrix.classes()).map(|l| (0..matrix.classes()).map(|p| matrix.count(l, p)).collect()).collect();
            found["confusion"] =
                json!({ "classes": names, "counts": counts, "rows_are": "labels", "columns_are": "predictions" });
        }
        found
    }
}

/// Figures as an object; NaN, which JSON has not, becomes null.
pub fn object(figures: &[(&'static str, f64)]) -> Value {
    let of = |&(name, value): &(&'static str, f64)| (name.to_owned(), json!(value));
    Value::Object(figures.iter().map(of).collect::<Map<_, _>>())
}
