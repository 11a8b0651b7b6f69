//! `Select`: of a table with more features than rows, the columns that are related to the target by more than chance.

use super::table::Table;
use super::target::Target;
use super::{Labels, LeftOut, Preprocessor};
use crate::error::{Error, Result};
use crate::memory;
use std::collections::HashSet;

/// Which columns are learned from.
///
/// With more features than rows a network fits its training rows by features that mean nothing, and says nothing about others. Then
/// it helps to look at one column at a time first: each is tested for a correlation with the target (with each class or label, for
/// all features of the column), and those are kept of which at most one in twenty is expected to be there by chance (Benjamini and
/// Hochberg's rule). What a straight line through them explains is taken from the target, and the others are tested on the rest, until
/// none passes: so the weaker ones show once the strong ones are out of their way. Only the training rows are looked at: in a
/// cross-validation those of each fold. Where no column passes, all are learned from. What matters only together with another column
/// is not found so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Select {
    /// All.
    #[default]
    All,
    /// Those related to the target, if there are more features than rows; else all.
    Wide,
    /// Those related to the target.
    Related,
}

/// What was chosen, and from what.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Selected {
    /// Columns there were.
    pub columns: usize,
    /// Features there were.
    pub features: usize,
    /// Rows they were tested on.
    pub rows: usize,
    /// The columns kept, each with its strongest correlation with what those found before it leave of the target; none if no column is
    /// related to it by more than chance, and so all are learned from.
    pub kept: Vec<(String, f64)>,
}

/// The share of columns kept that may be there by chance.
const BY_CHANCE: f64 = 0.05;
/// Of fewer rows nothing can be said.
const LEAST_ROWS: usize = 8;
/// The others are tested again at most so often.
const ROUNDS: usize = 10;
/// The reason given for columns that are not kept.
const UNRELATED: &str = "no more related to the target than chance would have it";

/// How a column stands to the target.
struct Relation {
    column: usize,
    /// The strongest correlation of its features.
    r: f64,
    /// How probable it would be by chance.
    p: f64,
}

impl Select {
    /// Leaves out what is not related to the target, by the rows to which everything was fitted.
    pub(super) fn apply(self, mut fitted: Preprocessor, train: &Table) -> Result<Preprocessor> {
        // An index stands for a feature per category.
        let sizes: Vec<usize> = fitted.columns.iter().map(|column| column.indices().unwrap_or(column.width())).collect();
        let features = sizes.iter().sum();
        let wide = features > train.len();
        let asked = self == Select::Related || (self == Select::Wide && wide);
        let Some(target) = fitted.target().filter(|_| asked && train.len() >= LEAST_ROWS) else { return Ok(fitted) };
        let aims = aims(target, train)?;
        let (rows, columns) = (train.len(), fitted.columns.len());
        let numbers = rows.saturating_mul(fitted.width());
        drop(memory::room::<f64>("the features that columns are chosen by", numbers).map_err(Error::NoRoom)?);
        let mut parts = Vec::with_capacity(columns);
        for (i, column) in fitted.columns.iter().enumerate() {
            let (values, width) = (fitted.features_of_column(i, train)?, column.width());
            let feature = |j: usize| values.iter().copied().skip(j).step_by(width);
            parts.push(match column.indices() {
                Some(count) => Tested::Groups(feature(0).map(|x| x as usize).collect(), count),
                None => Tested::Features((0..width).filter_map(|j| standardised(feature(j).collect())).collect()),
            });
        }
        let kept = related(aims, &parts, rows);
        let named = kept.iter().map(|relation| (fitted.columns[relation.column].name.clone(), relation.r)).collect();
        let selected = Selected { columns, features, rows, kept: named };
        if !kept.is_empty() {
            let places: HashSet<usize> = kept.iter().map(|relation| relation.column).collect();
            let is_kept = |column: &usize| places.contains(column);
            let (kept, left): (Vec<_>, Vec<_>) = fitted.columns.into_iter().enumerate().partition(|(i, _)| is_kept(i));
            fitted.columns = kept.into_iter().map(|(_, column)| column).collect();
            let left = left.into_iter().map(|(_, column)| LeftOut { column: column.name, reason: UNRELATED.to_owned() });
            fitted.left_out.extend(left);
        }
        fitted.selected = Some(selected);
        Ok(fitted)
    }
}

/// What is tested of a column.
enum Tested {
    /// Its features, standardised.
    Features(Vec<Vec<f64>>),
    /// For each row the group that it belongs to, of so many: what a feature per group would say, without them.
    Groups(Vec<usize>, usize),
}

impl Tested {
    /// The correlations with an aim: of each feature, or of the indicator of each group that some rows belong to and others not.
    fn correlations(&self, aim: &[f64]) -> Vec<f64> {
        let rows = aim.len() as f64;
        match self {
            Tested::Features(features) => features.iter().map(|feature| dot(feature, aim) / rows).collect(),
            Tested::Groups(of, count) => {
                let part = |(sum, n): (f64, f64)| sum / (n * (rows - n)).sqrt();
                let there = groups(of, *count, aim).into_iter().filter(|&(_, n)| n > 0.0 && n < rows);
                there.map(part).collect()
            }
        }
    }
}

/// The sum of an aim over the rows of each group, and how many they are.
fn groups(of: &[usize], count: usize, aim: &[f64]) -> Vec<(f64, f64)> {
    let mut found = vec![(0.0, 0.0); count];
    for (&group, x) in of.iter().zip(aim) {
        found[group].0 += x;
        found[group].1 += 1.0;
    }
    found
}

/// What all features of a column of groups say of an aim: its mean in the group of each row.
fn means(of: &[usize], count: usize, aim: &[f64]) -> Vec<f64> {
    let found = groups(of, count, aim);
    of.iter().map(|&group| found[group].0 / found[group].1).collect()
}

/// The columns (each with what is tested of it) that are related to any of the aims, round by round, the strongest first.
fn related(mut aims: Vec<Vec<f64>>, columns: &[Tested], rows: usize) -> Vec<Relation> {
    let mut kept: Vec<Relation> = vec![];
    // The features kept, at right angles to each other and of length 1.
    let mut directions: Vec<Vec<f64>> = vec![];
    // How many they are, or would be with a feature for each group.
    let mut taken = 0;
    let mut open: Vec<usize> = (0..columns.len()).collect();
    for _ in 0..ROUNDS {
        // Where many have been kept there is no rest of the target that is not made of chance.
        if taken * 5 > rows || aims.is_empty() {
            break;
        }
        let free = (rows - taken) as f64;
        let mut relations: Vec<Relation> = open.iter().map(|&column| relation(column, &columns[column], &aims, free)).collect();
        // By the correlation among those of equal probability: the smallest are all 0.
        relations.sort_by(|a, b| a.p.total_cmp(&b.p).then(b.r.abs().total_cmp(&a.r.abs())).then(a.column.cmp(&b.column)));
        relations.truncate(passing(&relations));
        if relations.is_empty() {
            break;
        }
        let found: HashSet<usize> = relations.iter().map(|relation| relation.column).collect();
        open.retain(|column| !found.contains(column));
        for relation in &relations {
            let before = directions.len();
            let found = match &columns[relation.column] {
                Tested::Features(features) => features.clone(),
                Tested::Groups(of, count) => {
                    let left = aims.iter().map(|aim| directions.iter().fold(aim.clone(), without));
                    left.map(|aim| means(of, *count, &aim)).collect()
                }
            };
            for feature in found {
                let whole = dot(&feature, &feature);
                let direction = directions.iter().fold(feature, without);
                let length = dot(&direction, &direction).sqrt();
                // One that others already say adds only rounding.
                if length * length > 1e-9 * whole {
                    directions.push(direction.into_iter().map(|x| x / length).collect());
                }
            }
            taken += match &columns[relation.column] {
                Tested::Features(_) => directions.len() - before,
                Tested::Groups(of, count) => groups(of, *count, &aims[0]).iter().filter(|(_, n)| *n > 0.0).count() - 1,
            };
        }
        aims = aims.into_iter().filter_map(|aim| standardised(directions.iter().fold(aim, without))).collect();
        kept.extend(relations);
    }
    kept
}

/// How strongly a column is related to any of the aims. `free`: rows less directions that the aims were rid of.
fn relation(column: usize, tested: &Tested, aims: &[Vec<f64>], free: f64) -> Relation {
    let all: Vec<f64> = aims.iter().flat_map(|aim| tested.correlations(aim)).collect();
    let r = all.iter().copied().fold(0.0, |a: f64, b: f64| if b.abs() > a.abs() { b } else { a });
    // By Fisher's z. The best of several tries is that much more probable.
    let z = r.abs().min(1.0 - 1e-12).atanh() * (free - 3.0).sqrt();
    Relation { column, r, p: (all.len() as f64 * libm::erfc(z / std::f64::consts::SQRT_2)).min(1.0) }
}

/// How many of the relations, the least probable by chance first, are kept.
fn passing(relations: &[Relation]) -> usize {
    let all = relations.len() as f64;
    let passes = |&i: &usize| relations[i].p <= BY_CHANCE * (i + 1) as f64 / all;
    (0..relations.len()).rev().find(passes).map_or(0, |last| last + 1)
}

/// What features are compared with: columns of numbers, labels, and for each class where it is (of two classes one says all).
fn aims(target: &Target, train: &Table) -> Result<Vec<Vec<f64>>> {
    let columns: Vec<Vec<f64>> = match target.encode(train)? {
        Labels::Values(values, width) => {
            (0..width).map(|c| values.iter().skip(c).step_by(width).map(|&x| f64::from(x)).collect()).collect()
        }
        Labels::Classes(classes, count) | Labels::Maps(classes, _, count) => {
            let first = u32::from(count == 2);
            let is = |class: u32| classes.iter().map(|&c| f64::from(u8::from(c == class))).collect();
            (first..count as u32).map(is).collect()
        }
    };
    Ok(columns.into_iter().filter_map(standardised).collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Values less their part along a direction of length 1.
fn without(mut values: Vec<f64>, direction: &Vec<f64>) -> Vec<f64> {
    let part = dot(&values, direction);
    values.iter_mut().zip(direction).for_each(|(x, d)| *x -= part * d);
    values
}

/// Values brought to mean 0 and mean square 1; nothing of those that never change.
fn standardised(mut values: Vec<f64>) -> Option<Vec<f64>> {
    let (least, most) = super::stats::min_max(&values);
    let (mean, std) = super::stats::mean_std(&values);
    if least >= most || std == 0.0 || !std.is_finite() {
        return None;
    }
    values.iter_mut().for_each(|x| *x = (*x - mean) / std);
    Some(values)
}

impl Preprocessor {
    /// Which columns were chosen for being related to the target; `None` if they were not tested.
    pub fn selected(&self) -> Option<&Selected> {
        self.selected.as_ref()
    }
}
