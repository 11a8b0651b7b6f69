//! `Report`: what is in a table, column by column; and the columns that give a target away.

use super::table::{Column, Kind, Table};
use super::{csv::shortened, stats};
use crate::error::Result;
use crate::escape::escaped;
use std::collections::HashMap;
use std::fmt;

/// What a table holds. Prints as an aligned table; serialises for programs.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Report {
    /// The file, or the name given for it.
    pub table: String,
    /// The number of rows.
    pub rows: usize,
    /// One entry per column, in order.
    pub columns: Vec<ColumnReport>,
}

/// What a column holds. Figures are over the values that are there.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ColumnReport {
    /// The name in the header.
    pub name: String,
    /// The kind inferred or declared.
    pub kind: Kind,
    /// How many values are there.
    pub count: usize,
    /// How many are missing.
    pub missing: usize,
    /// How many differ: of numbers by value, of the others by text.
    pub distinct: usize,
    /// Of columns of numbers.
    pub numbers: Option<NumberReport>,
    /// The most frequent value and how many rows have it; of several the first by value or text.
    pub most_frequent: Option<(String, usize)>,
    /// What a person should know: dates left as text, one value only, a different value in every row.
    pub note: Option<String>,
}

/// Figures of a column of numbers.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct NumberReport {
    /// The smallest.
    pub min: f64,
    /// The arithmetic mean.
    pub mean: f64,
    /// The middle one; between two their mean.
    pub median: f64,
    /// The largest.
    pub max: f64,
    /// The standard deviation over n, not n − 1.
    pub std: f64,
}

impl Table {
    /// What the table holds, column by column.
    ///
    /// ```
    /// use steepest::data::Table;
    /// let report = Table::parse("t.csv", b"age,sex\n30,f\n,m\n40,m\n")?.report();
    /// assert_eq!(report.columns[0].numbers.map(|n| (n.min, n.mean, n.max)), Some((30.0, 35.0, 40.0)));
    /// assert_eq!(report.columns[1].most_frequent, Some(("m".to_owned(), 2)));
    /// println!("{report}");
    /// # Ok::<(), steepest::Error>(())
    /// ```
    pub fn report(&self) -> Report {
        let columns = self.columns().map(|column| of(column, self)).collect();
        Report { table: self.path().display().to_string(), rows: self.len(), columns }
    }

    /// The columns from which `target` can be told, each with the reason: every value of the column belongs to one value of the
    /// target, though both have few, or both are numbers on one line. Such a column is usually the target in other words, known
    /// only together with it; a model that sees it learns nothing else.
    ///
    /// # Errors
    /// [`Error::Table`](crate::Error::Table): no such column.
    pub fn giveaways(&self, target: &str) -> Result<Vec<(String, String)>> {
        let target = self.column(target)?;
        let others = self.columns().filter(|column| column.name() != target.name());
        Ok(others.filter_map(|column| giveaway(column, target, self.len()).map(|why| (column.name().to_owned(), why))).collect())
    }
}

impl Column {
    /// Whether the column only counts the rows: whole numbers, each one more than another, from the first row to the last or (of twenty rows
    /// or more) in any order. Years may be in a row, too, and are not meant.
    pub fn counts_rows(&self) -> bool {
        let rows = self.numbers.len();
        if self.kind() != Kind::Number || rows < 10 || self.missing() > 0 || self.numbers.iter().any(|x| x.fract() != 0.0) {
            return false;
        }
        let (least, most) = self.numbers.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
        let years = least >= 1800.0 && most <= 2100.0;
        if most - least != (rows - 1) as f64 || years {
            return false;
        }
        let in_order = self.numbers.iter().zip(self.numbers.iter().skip(1)).all(|(a, b)| b == a + 1.0);
        in_order || (rows >= 20 && self.differs_in_every_row())
    }

    /// Whether every row of a column of twenty rows or more has a whole number of its own.
    pub fn differs_in_every_row(&self) -> bool {
        let rows = self.numbers.len();
        if self.kind() != Kind::Number || rows < 20 || self.missing() > 0 || self.numbers.iter().any(|x| x.fract() != 0.0) {
            return false;
        }
        let mut sorted: Vec<f64> = self.numbers.iter().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.windows(2).all(|pair| pair[0] != pair[1])
    }
}

/// How many values differ, and the most frequent one; of several the first by value or text.
fn frequencies(column: &Column, values: &mut [f64]) -> (usize, Option<(String, usize)>) {
    if column.kind() != Kind::Number {
        let mut counts: HashMap<_, usize> = HashMap::new();
        (0..column.len()).filter_map(|row| column.key(row)).for_each(|key| *counts.entry(key).or_default() += 1);
        let most = counts.iter().min_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        return (counts.len(), most.map(|(key, count)| (key.clone().into_owned(), *count)));
    }
    // Sorted numbers are counted without a text for each.
    values.sort_unstable_by(f64::total_cmp);
    let (mut distinct, mut best) = (0, None);
    for run in values.chunk_by(|a, b| a == b) {
        distinct += 1;
        if best.is_none_or(|(_, most)| run.len() > most) {
            best = Some((run[0], run.len()));
        }
    }
    (distinct, best.map(|(x, most)| (x.to_string(), most)))
}

/// What is odd about a column's numbers, in words.
fn far_outside(column: &Column, table: &Table) -> Option<String> {
    let far = column.far_outside();
    let row = *far.first()?;
    let (x, line) = (column.number(row)?, table.line(row)?);
    let more = if far.len() > 1 { format!(" and {} more", far.len() - 1) } else { String::new() };
    Some(format!("far outside the others: {} (line {line}){more}", short(x)))
}

fn of(column: &Column, table: &Table) -> ColumnReport {
    let (rows, missing) = (table.len(), column.missing());
    let mut values = column.numbers.present();
    let is_number = column.kind() == Kind::Number && !values.is_empty();
    // Before the values are sorted: sums depend on the order in their last digits.
    let (mean, std) = if is_number { stats::mean_std(&values) } else { (0.0, 0.0) };
    let (distinct, most_frequent) = frequencies(column, &mut values);
    let numbers = is_number.then(|| {
        let (min, max) = stats::min_max(&values);
        NumberReport { min, mean, median: stats::median(&values), max, std }
    });
    let count = rows - missing;
    let mut notes: Vec<String> = column.note().map(str::to_owned).into_iter().collect();
    for marker in column.markers() {
        let as_what = if marker.missing { "counts as missing" } else { "is taken for a value" };
        notes.push(format!("`{}` ({}) {as_what}", marker.text, marker.rows));
    }
    notes.extend(far_outside(column, table));
    match () {
        () if count == 0 => notes.push("nothing but missing values".to_owned()),
        () if distinct == 1 => notes.push("one value only".to_owned()),
        () if column.counts_rows() => notes.push("counts the rows: another value in every row".to_owned()),
        () if distinct == rows
            && (column.differs_in_every_row() || (rows > 20 && column.kind() != Kind::Number && notes.is_empty())) =>
        {
            notes.push("another value in every row: a name or a number of the row?".to_owned());
        }
        () => {}
    }
    let note = (!notes.is_empty()).then(|| notes.join("; "));
    ColumnReport { name: column.name().to_owned(), kind: column.kind(), count, missing, distinct, numbers, most_frequent, note }
}

/// Few values on both sides, each with many rows, are needed before a coincidence can be ruled out.
const ROWS_PER_VALUE: usize = 5;
/// Two columns of numbers that correlate more than this say the same.
const SAME_LINE: f64 = 0.999_999;

fn giveaway(column: &Column, target: &Column, rows: usize) -> Option<String> {
    let both: Vec<usize> = (0..rows).filter(|&row| column.text(row).is_some() && target.text(row).is_some()).collect();
    // A column that is mostly missing decides little.
    if both.len() < 10 || both.len() * 2 < rows {
        return None;
    }
    if let (Kind::Number, Kind::Number) = (column.kind(), target.kind()) {
        let pairs: Vec<(f64, f64)> = both.iter().map(|&row| (column.numbers.at(row), target.numbers.at(row))).collect();
        let r = stats::correlation(&pairs);
        if r.abs() > SAME_LINE {
            return Some(format!("correlates with `{}` by {r:.6}", target.name()));
        }
    }
    let mut belongs = HashMap::new();
    let mut values = std::collections::HashSet::new();
    for &row in &both {
        let (key, value) = (class(column, row)?, class(target, row)?);
        if *belongs.entry(key).or_insert(value) != value {
            return None;
        }
        values.insert(value);
        // Too many already, whatever comes.
        if belongs.len() * ROWS_PER_VALUE > both.len() {
            return None;
        }
    }
    let few = values.len() >= 2;
    few.then(|| format!("each of its {} values belongs to one value of `{}`", belongs.len(), target.name()))
}

/// What distinguishes a row's class from others: equal where the keys of the rows are, and made without a text.
fn class(column: &Column, row: usize) -> Option<(u64, &str)> {
    match column.kind() {
        Kind::Number | Kind::YesNo => column.number(row).map(|x| ((x + 0.0).to_bits(), "")),
        _ => column.text(row).map(|text| (0, text)),
    }
}

/// A number in a few characters, of large ones all before the point.
fn short(x: f64) -> String {
    match x.abs() {
        0.0 => "0".to_owned(),
        // Whole numbers in full: 1700000000 and 1700003600 are not the same.
        a if (1e-3..1e15).contains(&a) => {
            let text = format!("{x:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => format!("{x:.3e}"),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["column", "kind", "count", "missing", "distinct", "min", "mean", "max", "most frequent", "note"];
        let mut lines = vec![head.map(str::to_owned)];
        for column in &self.columns {
            let number = |of: fn(&NumberReport) -> f64| column.numbers.as_ref().map_or(String::new(), |n| short(of(n)));
            let frequent = match &column.most_frequent {
                Some((text, count)) if column.numbers.is_none() => format!("{} ({count})", escaped(&shortened(text))),
                _ => String::new(),
            };
            lines.push([
                escaped(&shortened(&column.name)).into_owned(),
                column.kind.to_string(),
                column.count.to_string(),
                column.missing.to_string(),
                column.distinct.to_string(),
                number(|n| n.min),
                number(|n| n.mean),
                number(|n| n.max),
                frequent,
                escaped(column.note.as_deref().unwrap_or_default()).into_owned(),
            ]);
        }
        write!(f, "{}: {} rows, {} columns", escaped(&self.table), self.rows, self.columns.len())?;
        let widths: Vec<usize> =
            (0..head.len()).map(|i| lines.iter().map(|line| line[i].chars().count()).max().unwrap_or(0)).collect();
        for line in &lines {
            let mut text = String::new();
            for (i, (field, &width)) in line.iter().zip(&widths).enumerate() {
                // Figures stand to the right, words to the left.
                text += &if (2..8).contains(&i) { format!("{field:>width$}  ") } else { format!("{field:<width$}  ") };
            }
            write!(f, "\n{}", text.trim_end())?;
        }
        Ok(())
    }
}
