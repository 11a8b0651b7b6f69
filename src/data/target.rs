//! `Target`: how columns of a table become what a model learns, and how its answers become values and names again.

use super::table::{Kind, Table, class_order};
use super::{Labels, config, stats};
use crate::error::Result;
use std::collections::HashMap;

/// What kind of target it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Task {
    /// Decided by the columns: one of texts, yes/no, or few whole numbers (at most 20 different, on average 5 rows or more each) gives
    /// classes, one or more of other numbers give a regression, several of yes/no give labels.
    #[default]
    Auto,
    /// Numbers to predict.
    Regression,
    /// One class per row.
    Classes,
    /// Several labels that each hold or not: columns of yes/no or of 0 and 1, or one column of texts with a separator.
    Labels,
}

/// How the target is encoded, as found in the training rows.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Regression: (value − shift) / scale of each column, or of its natural logarithm.
    Values {
        /// The columns.
        columns: Vec<String>,
        /// What is subtracted.
        shift: Vec<f64>,
        /// What it is divided by.
        scale: Vec<f64>,
        /// Whether the logarithms are learned.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        log: bool,
    },
    /// Two or many classes.
    Classes {
        /// The column.
        column: String,
        /// The texts of the classes, by number.
        classes: Vec<String>,
    },
    /// Several labels, each 0 or 1.
    Labels {
        /// The columns: one per label, or the one that lists them.
        columns: Vec<String>,
        /// What stands between the labels of a column that lists them.
        separator: Option<char>,
        /// The labels' names.
        labels: Vec<String>,
    },
}

/// At most this many whole numbers are classes.
const MOST_CLASSES: usize = 20;

impl Target {
    /// Finds out about the target columns of the training rows.
    pub(super) fn fit(
        table: &Table,
        columns: &[String],
        task: Task,
        separator: Option<char>,
        (scaled, log): (bool, bool),
        known: Option<&[String]>,
    ) -> Result<Target> {
        let found = columns.iter().map(|name| table.column(name)).collect::<Result<Vec<_>>>()?;
        if let Some(column) = found.iter().find(|column| column.kind() == Kind::Date && task != Task::Classes) {
            let advice = "make a number of it (days since a day, hours, a year), or take its texts as classes";
            return Err(table.error(None, Some(column.name()), "dates", "numbers, or classes that come again", advice));
        }
        for column in &found {
            if let Some(row) = (0..table.len()).find(|&row| column.text(row).is_none()) {
                return Err(table.missing(column, row));
            }
        }
        let few = |column: &super::Column| {
            // Before they are counted, which takes a text for each.
            if !column.numbers.iter().all(|x| x.fract() == 0.0) {
                return false;
            }
            let counts = column.counts();
            counts.len() <= MOST_CLASSES && counts.len() * 5 <= table.len()
        };
        let task = match (task, &found[..]) {
            (Task::Auto, _) if separator.is_some() => Task::Labels,
            (Task::Auto, [column]) if column.kind() != Kind::Number || few(column) => Task::Classes,
            (Task::Auto, columns) if columns.iter().all(|c| c.kind() == Kind::Number) => Task::Regression,
            (Task::Auto, _) => Task::Labels,
            (task, _) => task,
        };
        match (task, &found[..]) {
            (Task::Auto | Task::Regression, _) => {
                if let Some(column) = found.iter().find(|column| column.kind() != Kind::Number) {
                    let found = format!("a column of kind {}", column.kind());
                    let advice = "choose another target, or learn its classes";
                    return Err(table.error(None, Some(column.name()), found, "numbers to predict", advice));
                }
                let mut shift = Vec::new();
                let mut scale = Vec::new();
                for column in &found {
                    let logs = |row| Ok(if log { logarithm(table, column, row)? } else { column.numbers[row] });
                    let (mean, std) = stats::mean_std(&(0..table.len()).map(logs).collect::<Result<Vec<f64>>>()?);
                    let (least, most) = stats::min_max(&column.numbers);
                    if least >= most {
                        let found = format!("the value {least} in every row");
                        let advice = "there is nothing to learn: choose another target, or other rows";
                        return Err(table.error(None, Some(column.name()), found, "values that differ", advice));
                    }
                    if !std.is_finite() {
                        let found = format!("values up to {most:e}");
                        return Err(table.error(
                            None,
                            Some(column.name()),
                            found,
                            "values that can be squared",
                            "use another unit",
                        ));
                    }
                    shift.push(if scaled { mean } else { 0.0 });
                    scale.push(if scaled && std > 0.0 { std } else { 1.0 });
                }
                Ok(Target::Values { columns: columns.to_vec(), shift, scale, log })
            }
            (Task::Classes, [column]) => {
                let there = class_order(column);
                let classes = known.map_or_else(|| there.clone(), <[String]>::to_vec);
                if there.len() < 2 || classes.len() < 2 {
                    let found = format!("one class only, `{}`", there.first().map_or("", String::as_str));
                    let advice = "there is nothing to learn: choose another target, or add rows of other classes";
                    return Err(table.error(None, Some(column.name()), found, "two classes or more", advice));
                }
                if classes.len() > 1000 || (column.kind() == Kind::Text && classes.len() * 2 > table.len()) {
                    let found = format!("{} classes in {} rows", classes.len(), table.len());
                    let advice = "choose another target, or predict its number by a regression";
                    return Err(table.error(None, Some(column.name()), found, "several rows of each class", advice));
                }
                Ok(Target::Classes { column: column.name().to_owned(), classes })
            }
            (Task::Classes, _) => {
                Err(config("target", format!("{} columns for one class per row, expected one column", found.len())))
            }
            (Task::Labels, [column]) if separator.is_some() => {
                let separator = separator.unwrap_or(',');
                let mut labels: Vec<String> = Vec::new();
                for text in (0..table.len()).filter_map(|row| column.text(row)) {
                    labels.extend(parts(text, separator).map(str::to_owned));
                }
                labels.sort();
                labels.dedup();
                let labels = known.map_or(labels, <[String]>::to_vec);
                if labels.is_empty() {
                    let found = "no labels".to_owned();
                    return Err(table.error(None, Some(column.name()), found, "at least one", "choose another target"));
                }
                Ok(Target::Labels { columns: columns.to_vec(), separator: Some(separator), labels })
            }
            (Task::Labels, _) => {
                for column in &found {
                    let bad = (0..table.len()).find(|&row| !matches!(column.number(row), Some(0.0 | 1.0)));
                    if let Some(row) = bad {
                        let found = format!("`{}`", column.text(row).unwrap_or(""));
                        let advice = "name a separator if the column lists labels, or learn classes";
                        let expected = "yes or no, or 0 or 1, for a label";
                        return Err(table.error(table.line(row), Some(column.name()), found, expected, advice));
                    }
                }
                Ok(Target::Labels { columns: columns.to_vec(), separator: None, labels: columns.to_vec() })
            }
        }
    }

    /// The columns of the table that hold the target.
    pub fn columns(&self) -> &[String] {
        match self {
            Target::Values { columns, .. } | Target::Labels { columns, .. } => columns,
            Target::Classes { column, .. } => std::slice::from_ref(column),
        }
    }

    /// The number of outputs that a model needs: one per column, class or label.
    pub fn width(&self) -> usize {
        self.names().len()
    }

    /// A name per output: of the column, class or label.
    pub fn names(&self) -> &[String] {
        match self {
            Target::Values { columns: names, .. }
            | Target::Classes { classes: names, .. }
            | Target::Labels { labels: names, .. } => names,
        }
    }

    /// The target of each row, as a [`Dataset`](super::Dataset) wants it: labels as values 0 and 1.
    ///
    /// # Errors
    /// [`Error::Table`](crate::Error::Table): a column is not there, a value is missing, not a number, not yes or no, or a class
    /// that was not among the training rows.
    pub fn encode(&self, table: &Table) -> Result<Labels> {
        match self {
            Target::Values { columns, shift, scale, log } => {
                let found = columns.iter().map(|name| table.column(name)).collect::<Result<Vec<_>>>()?;
                let mut values = Vec::with_capacity(table.len() * found.len());
                for row in 0..table.len() {
                    for (column, (shift, scale)) in found.iter().zip(shift.iter().zip(scale)) {
                        let value = table.number(column, row, &column.format)?.ok_or_else(|| table.missing(column, row))?;
                        let value = if *log { logarithm(table, column, row)? } else { value };
                        values.push(table.narrow(column, row, (value - shift) / scale)?);
                    }
                }
                Ok(Labels::Values(values, columns.len()))
            }
            Target::Classes { column, classes } => {
                let column = table.column(column)?;
                let at = Places::new(classes);
                let mut numbers = Vec::with_capacity(table.len());
                for row in 0..table.len() {
                    // The number that a text stands for, where it is one.
                    let text = &*column.key(row).ok_or_else(|| table.missing(column, row))?;
                    let place = at.find(text).ok_or_else(|| {
                        let some: Vec<String> = classes.iter().take(10).map(|c| format!("`{c}`")).collect();
                        let expected = format!("one of the {} classes of the training rows ({})", classes.len(), some.join(", "));
                        let advice = "correct it, or split by class so that training has every class";
                        let found = format!("the class `{}`", super::csv::shortened(text));
                        table.error(table.line(row), Some(column.name()), found, expected, advice)
                    })?;
                    numbers.push(place as u32);
                }
                Ok(Labels::Classes(numbers, classes.len()))
            }
            Target::Labels { columns, separator: None, .. } => {
                let found = columns.iter().map(|name| table.column(name)).collect::<Result<Vec<_>>>()?;
                let mut values = Vec::with_capacity(table.len() * found.len());
                for row in 0..table.len() {
                    for column in &found {
                        let text = column.text(row).ok_or_else(|| table.missing(column, row))?;
                        values.push(table.flag(column, row, text)?);
                    }
                }
                Ok(Labels::Values(values, columns.len()))
            }
            Target::Labels { columns, separator: Some(separator), labels } => {
                let column = table.column(&columns[0])?;
                let at = Places::new(labels);
                let mut values = vec![0.0; table.len() * labels.len()];
                for (row, values) in values.chunks_exact_mut(labels.len()).enumerate() {
                    // An empty list is missing text, and means no label.
                    for label in parts(column.text(row).unwrap_or(""), *separator) {
                        let place = at.find(label).ok_or_else(|| {
                            let found = format!("the label `{}`", super::csv::shortened(label));
                            let expected = format!("one of the {} labels of the training rows", labels.len());
                            table.error(
                                table.line(row),
                                Some(column.name()),
                                found,
                                expected,
                                "correct it, or add it to the training rows",
                            )
                        })?;
                        values[place] = 1.0;
                    }
                }
                Ok(Labels::Values(values, labels.len()))
            }
        }
    }

    /// A regression's outputs, row by row, in the units of the table; of other targets the outputs as they are.
    pub fn inverse(&self, outputs: &[f32]) -> Vec<f64> {
        let Target::Values { shift, scale, log, .. } = self else { return outputs.iter().map(|&x| f64::from(x)).collect() };
        let rows = outputs.chunks(shift.len());
        let plain =
            rows.flat_map(|row| row.iter().zip(shift.iter().zip(scale)).map(|(&x, (shift, scale))| f64::from(x) * scale + shift));
        if *log { plain.map(f64::exp).collect() } else { plain.collect() }
    }

    /// The text of a class by its number; `None` if there is none of that number, or the target is not classes.
    pub fn class(&self, number: usize) -> Option<&str> {
        match self {
            Target::Classes { classes, .. } => classes.get(number).map(String::as_str),
            _ => None,
        }
    }

    /// Whether the parts fit together; what is wrong if they do not.
    pub(super) fn check(&self) -> Result<(), String> {
        let unlike = |names: &[String]| names.iter().collect::<std::collections::HashSet<_>>().len() == names.len();
        match self {
            Target::Values { columns, shift, scale, .. } => {
                let numbers = shift.iter().all(|x| x.is_finite()) && scale.iter().all(|x| x.is_finite() && *x > 0.0);
                let fits = !columns.is_empty() && columns.len() == shift.len() && shift.len() == scale.len();
                if fits && numbers {
                    Ok(())
                } else {
                    Err("target: expected a finite shift and a scale above zero per column".into())
                }
            }
            Target::Classes { classes, .. } if classes.len() < 2 || !unlike(classes) => {
                Err("target: expected two or more different classes".into())
            }
            Target::Labels { columns, separator, labels } => {
                let fits = if separator.is_some() { columns.len() == 1 } else { columns == labels };
                if fits && !labels.is_empty() && unlike(labels) {
                    Ok(())
                } else {
                    Err("target: labels and columns do not fit".into())
                }
            }
            Target::Classes { .. } => Ok(()),
        }
    }
}

/// The natural logarithm of a row's number, which must be above zero.
fn logarithm(table: &Table, column: &super::Column, row: usize) -> Result<f64> {
    let value = table.number(column, row, &column.format)?.ok_or_else(|| table.missing(column, row))?;
    if value > 0.0 {
        return Ok(value.ln());
    }
    let found = format!("{value} in a target whose logarithm is learned");
    Err(table.error(
        table.line(row),
        Some(column.name()),
        found,
        "a number above zero",
        "learn the target as it is, or correct the row",
    ))
}

fn parts(text: &str, separator: char) -> impl Iterator<Item = &str> {
    text.split(separator).map(str::trim).filter(|part| !part.is_empty())
}

/// The number of each text of a list. `3.0` finds `3`, and `TRUE` finds `true`: programs that write tables differ in this.
pub(super) struct Places<'t> {
    at: HashMap<&'t str, usize>,
}

impl<'t> Places<'t> {
    pub(super) fn new(texts: &'t [String]) -> Places<'t> {
        Places { at: texts.iter().enumerate().map(|(i, text)| (text.as_str(), i)).collect() }
    }

    pub(super) fn find(&self, text: &str) -> Option<usize> {
        let as_number = || text.parse::<f64>().ok().and_then(|x| self.at.get(x.to_string().as_str()));
        let as_answer = || super::infer::yes_no(text).and_then(|_| self.at.get(text.to_lowercase().as_str()));
        self.at.get(text).or_else(as_number).or_else(as_answer).copied()
    }
}
