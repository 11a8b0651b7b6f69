//! Splits and folds as lists of row numbers, the same for the same seed; and what the folds' scores say together.

use super::{Dataset, Labels, config, permutation, stats};
use crate::error::{Error, Result};
use crate::memory;
use std::fmt;

/// Splits draw from streams of random numbers with this bit, loaders from those without: one seed may serve both.
const SPLIT: u64 = 1 << 63;
/// Folds draw from streams of their own.
const FOLD: u64 = 1 << 62;

/// The row numbers of the parts of a set, each in the set's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// What a model is trained on, and everything is fitted to.
    pub train: Vec<usize>,
    /// What decides between models and when to stop; may be empty.
    pub validation: Vec<usize>,
    /// What a model is judged by, once.
    pub test: Vec<usize>,
}

fn wrong(message: impl Into<String>) -> Error {
    config("split", message)
}

/// How many rows validation and test get.
fn part_sizes(rows: usize, validation: f64, test: f64) -> Result<(usize, usize)> {
    if !(test > 0.0 && test < 1.0) {
        return Err(wrong(format!("a test fraction of {test}, expected one between 0 and 1")));
    }
    if !(validation >= 0.0 && validation + test < 1.0) {
        let sum = "expected one of 0 or more that leaves something for training";
        return Err(wrong(format!("a validation fraction of {validation} beside a test fraction of {test}, {sum}")));
    }
    let count = |fraction: f64| (rows as f64 * fraction).round() as usize;
    let (held, tested) = (count(validation), count(test));
    let side = match () {
        () if tested == 0 => "test",
        () if held == 0 && validation > 0.0 => "validation",
        () if held.saturating_add(tested) >= rows => "training",
        () => return Ok((held, tested)),
    };
    let fractions = if validation > 0.0 { format!("{validation} for validation and {test}") } else { test.to_string() };
    Err(wrong(format!("a test fraction of {fractions} of {rows} rows leaves none for the {side}")))
}

/// Parts drawn at random: round(rows · fraction) rows each for validation (0 for none) and test, the others for training.
///
/// ```
/// let parts = steepest::data::random_parts(10, 0.2, 0.3, 7)?;
/// assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (5, 2, 3));
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::Config`]: fractions that are not between 0 and 1 or leave nothing for training, or a part without rows.
pub fn random_parts(rows: usize, validation: f64, test: f64, seed: u64) -> Result<Parts> {
    let (held, tested) = part_sizes(rows, validation, test)?;
    check_rows(rows)?;
    // In all there are as many numbers of rows as rows.
    memory::room::<usize>(format_args!("the parts of {rows} rows"), rows.saturating_mul(2)).map_err(Error::NoRoom)?;
    let order = permutation(rows, seed, SPLIT);
    let mut part = vec![0u8; rows];
    order[..tested].iter().for_each(|&row| part[row as usize] = 2);
    order[tested..tested + held].iter().for_each(|&row| part[row as usize] = 1);
    Ok(parts_of(&part))
}

/// As [`random_parts`], but every class gives the same share to each part: rows · fraction of it, rounded down or up so that
/// the sums are round(rows · fraction). The classes with the largest remainders are rounded up, among equals the first.
///
/// # Errors
/// As [`random_parts`].
pub fn stratified_parts(classes: &[u32], validation: f64, test: f64, seed: u64) -> Result<Parts> {
    let (held, tested) = part_sizes(classes.len(), validation, test)?;
    let members = by_class(classes);
    let sizes: Vec<usize> = members.iter().map(|(_, rows)| rows.len()).collect();
    let tests = shares(&sizes, &sizes, test, tested);
    // A class of one row may have given it to the test already.
    let left: Vec<usize> = sizes.iter().zip(&tests).map(|(size, test)| size - test).collect();
    let holds = shares(&sizes, &left, validation, held);
    let mut part = vec![0u8; classes.len()];
    for ((class, members), (&tested, &held)) in members.iter().zip(tests.iter().zip(&holds)) {
        let order = permutation(members.len(), seed, SPLIT | u64::from(*class));
        for (place, k) in order.into_iter().enumerate().take(tested + held) {
            part[members[k as usize]] = if place < tested { 2 } else { 1 };
        }
    }
    Ok(parts_of(&part))
}

fn parts_of(part: &[u8]) -> Parts {
    let rows = |which: u8| (0..part.len()).filter(|&row| part[row] == which).collect();
    Parts { train: rows(0), validation: rows(1), test: rows(2) }
}

/// The rows of each class that occurs, in order of rows; the classes in order of their numbers.
fn by_class(classes: &[u32]) -> Vec<(u32, Vec<usize>)> {
    let mut members: std::collections::BTreeMap<u32, Vec<usize>> = std::collections::BTreeMap::new();
    classes.iter().enumerate().for_each(|(row, &class)| members.entry(class).or_default().push(row));
    members.into_iter().collect()
}

/// `total` parted by the method of the largest remainder: size · fraction of each, rounded down or up, but no more than there is.
fn shares(sizes: &[usize], most: &[usize], fraction: f64, total: usize) -> Vec<usize> {
    let quota = |size: usize| size as f64 * fraction;
    // 0.29 · 100 is a hair below 29 in floating point, and meant to be 29: its remainder is then the largest, and it gets the one it lacks.
    let mut shares: Vec<usize> = sizes.iter().zip(most).map(|(&size, &most)| (quota(size) as usize).min(most)).collect();
    let remainder = |class: usize, share: usize| quota(sizes[class]) - share as f64;
    let mut order: Vec<(usize, f64)> =
        shares.iter().enumerate().map(|(class, &share)| (class, remainder(class, share))).collect();
    // Remainders that differ by rounding only are equal; the sort is stable, so the first class comes first.
    order.sort_by_key(|&(_, remainder)| std::cmp::Reverse((remainder * 1e9).round() as u64));
    let mut left = total.saturating_sub(shares.iter().sum());
    // Where a class has no more to give, the next ones give it.
    while left > 0 {
        let before = left;
        for &(class, _) in &order {
            if left > 0 && shares[class] < most[class] {
                shares[class] += 1;
                left -= 1;
            }
        }
        if left == before {
            break;
        }
    }
    shares
}

/// One round of a cross-validation: the row numbers to train on and those to judge by, each in the set's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// All rows that are not in `test`.
    pub train: Vec<usize>,
    /// The rows of this fold.
    pub test: Vec<usize>,
}

/// `k` folds drawn at random: every row is in the test of exactly one; the first `rows mod k` folds have one row more.
///
/// ```
/// let folds = steepest::data::folds(10, 3, 7)?;
/// assert_eq!(folds.iter().map(|fold| fold.test.len()).collect::<Vec<_>>(), [4, 3, 3]);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::Config`]: fewer than two folds, or fewer rows than folds.
pub fn folds(rows: usize, k: usize, seed: u64) -> Result<Vec<Fold>> {
    check_folds(rows, k)?;
    let mut fold_of = vec![0; rows];
    permutation(rows, seed, FOLD).into_iter().enumerate().for_each(|(place, row)| fold_of[row as usize] = place % k);
    Ok(folds_of(&fold_of, k))
}

/// As [`folds`], but each class is spread evenly: of a class with n rows every fold has n/k, rounded down or up, and the folds differ by
/// one row at most.
///
/// # Errors
/// As [`folds`].
pub fn stratified_folds(classes: &[u32], k: usize, seed: u64) -> Result<Vec<Fold>> {
    check_folds(classes.len(), k)?;
    let mut fold_of = vec![0; classes.len()];
    // Dealt like cards, one class after the other: so rests do not pile up in the first folds.
    let mut dealt = 0;
    for (class, members) in by_class(classes) {
        for place in permutation(members.len(), seed, FOLD | (u64::from(class) + 1)) {
            fold_of[members[place as usize]] = dealt % k;
            dealt += 1;
        }
    }
    Ok(folds_of(&fold_of, k))
}

/// Rows that can be put in an order: their numbers are an index of a tensor.
fn check_rows(rows: usize) -> Result<()> {
    if u32::try_from(rows).is_ok() {
        return Ok(());
    }
    Err(wrong(format!("found {rows} rows, expected at most {}, which an index can count", u32::MAX)))
}

fn check_folds(rows: usize, k: usize) -> Result<()> {
    check_rows(rows)?;
    match k {
        0 | 1 => Err(config("folds", format!("found {k}, expected at least 2"))),
        k if rows < k => {
            Err(config("folds", format!("found {rows} rows for {k} folds, expected a row for each; use fewer folds")))
        }
        // Each fold names every row once, and there are two lists beside them while they are dealt.
        _ => memory::room::<usize>(format_args!("{k} folds of {rows} rows"), rows.saturating_mul(k.saturating_add(2)))
            .map(drop)
            .map_err(Error::NoRoom),
    }
}

fn folds_of(fold_of: &[usize], k: usize) -> Vec<Fold> {
    let rows = |fold: usize, inside: bool| (0..fold_of.len()).filter(|&row| (fold_of[row] == fold) == inside).collect();
    (0..k).map(|fold| Fold { train: rows(fold, false), test: rows(fold, true) }).collect()
}

/// The scores of the folds of a cross-validation. Prints as `0.9120 ± 0.0210 (5 folds)`.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldScores {
    /// One per fold, in order.
    pub scores: Vec<f64>,
}

impl FoldScores {
    /// The mean; NaN of no folds.
    pub fn mean(&self) -> f64 {
        if self.scores.is_empty() { f64::NAN } else { stats::mean(&self.scores) }
    }

    /// The standard deviation of the folds' scores, over k − 1; NaN of fewer than two folds.
    pub fn std(&self) -> f64 {
        let mean = self.mean();
        let k = self.scores.len() as f64;
        if k < 2.0 { f64::NAN } else { (self.scores.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (k - 1.0)).sqrt() }
    }
}

impl fmt::Display for FoldScores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4} ± {:.4} ({} folds)", self.mean(), self.std(), self.scores.len())
    }
}

impl Dataset {
    /// `(train, test)`: round(rows · `test_fraction`) rows drawn at random for the test, the others for training, both in their
    /// old order. The same seed draws the same rows.
    ///
    /// ```
    /// let (train, test) = steepest::data::digits()?.split(0.25, 1)?;
    /// assert_eq!((train.len(), test.len()), (1348, 449));
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`]: a fraction that is not between 0 and 1, or that leaves one side without rows.
    pub fn split(&self, test_fraction: f64, seed: u64) -> Result<(Dataset, Dataset)> {
        let (train, _, test) = self.parts(&random_parts(self.len(), 0.0, test_fraction, seed)?)?;
        Ok((train, test))
    }

    /// As [`Dataset::split`], but every class gives the same share to the test, see [`stratified_parts`].
    ///
    /// # Errors
    /// As [`Dataset::split`], and labels that are not classes.
    pub fn stratified_split(&self, test_fraction: f64, seed: u64) -> Result<(Dataset, Dataset)> {
        let (train, _, test) = self.parts(&stratified_parts(self.class_of_rows()?, 0.0, test_fraction, seed)?)?;
        Ok((train, test))
    }

    /// `(train, validation, test)`: the test is the one that [`Dataset::split`] would draw.
    ///
    /// # Errors
    /// As [`random_parts`].
    pub fn split_three(&self, validation: f64, test: f64, seed: u64) -> Result<(Dataset, Dataset, Dataset)> {
        self.parts(&random_parts(self.len(), validation, test, seed)?)
    }

    /// `(train, validation, test)` with the same share of every class: the test is the one that [`Dataset::stratified_split`] would draw.
    ///
    /// # Errors
    /// As [`random_parts`], and labels that are not classes.
    pub fn stratified_split_three(&self, validation: f64, test: f64, seed: u64) -> Result<(Dataset, Dataset, Dataset)> {
        self.parts(&stratified_parts(self.class_of_rows()?, validation, test, seed)?)
    }

    /// `(train, validation, test)` by row numbers.
    ///
    /// # Errors
    /// [`Error::Config`]: a row that does not exist.
    pub fn parts(&self, parts: &Parts) -> Result<(Dataset, Dataset, Dataset)> {
        Ok((self.subset(&parts.train)?, self.subset(&parts.validation)?, self.subset(&parts.test)?))
    }

    fn class_of_rows(&self) -> Result<&[u32]> {
        match self.labels() {
            Labels::Classes(classes, _) => Ok(classes),
            Labels::Values(..) => Err(wrong("a stratified split needs classes, but the labels are values")),
            Labels::Maps(..) => Err(wrong("a stratified split needs one class per row, but there is one for each place")),
        }
    }
}
