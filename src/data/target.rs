//! `Target`: how columns of a table become what a model learns, and how its answers become values and names again.

use super::spelling::{Places, spelled};
use super::table::{Column, Kind, Table, class_order};
use super::{Labels, config, stats};
use crate::error::Result;

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
    /// Regression: (value − base − shift) / scale of each column; or (ln value − ln base − shift) / scale.
    Values {
        /// The columns.
        columns: Vec<String>,
        /// A value in the middle of each column, from which differences are taken first: that is exact where values are close together
        /// and far from zero, as times in seconds are. None given: 0, of logarithms 1.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        base: Vec<f64>,
        /// What is subtracted from the differences: their mean.
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
        match (task.decided(table, &found, separator), &found[..]) {
            (Task::Auto | Task::Regression, _) => Target::fit_values(table, &found, scaled, log),
            (Task::Classes, [column]) => Target::fit_classes(table, column, known),
            (Task::Classes, _) => {
                Err(config("target", format!("{} columns for one class per row, expected one column", found.len())))
            }
            (Task::Labels, [column]) if separator.is_some() => {
                Target::fit_listed_labels(table, column, separator.unwrap_or(','), known)
            }
            (Task::Labels, _) => Target::fit_flags(table, &found),
        }
    }

    /// Numbers to predict, and how they are scaled.
    fn fit_values(table: &Table, found: &[&Column], scaled: bool, log: bool) -> Result<Target> {
        if let Some(column) = found.iter().find(|column| column.kind() != Kind::Number) {
            let found = format!("a column of kind {}", column.kind());
            let advice = "choose another target, or learn its classes";
            return Err(table.error(None, Some(column.name()), found, "numbers to predict", advice));
        }
        let (mut base, mut shift, mut scale) = (Vec::new(), Vec::new(), Vec::new());
        for column in found {
            let [middle, mean, std] = scaling(table, column, scaled, log)?;
            base.push(middle);
            shift.push(mean);
            scale.push(std);
        }
        Ok(Target::Values { columns: names(found), base, shift, scale, log })
    }

    /// The classes of a column, unless they are known.
    fn fit_classes(table: &Table, column: &Column, known: Option<&[String]>) -> Result<Target> {
        let there = spelled(column, &class_order(column));
        let classes = known.map_or_else(|| there.clone(), <[String]>::to_vec);
        if there.len() < 2 || classes.len() < 2 {
            let found = format!("one class only, `{}`", there.first().map_or("", String::as_str));
            let advice = "there is nothing to learn: choose another target, or add rows of other classes";
            return Err(table.error(None, Some(column.name()), found, "two classes or more", advice));
        }
        // Of classes that are known some may have few rows here.
        let singles = known.is_none() && (column.kind() == Kind::Text || classes.len() > MOST_CLASSES);
        if classes.len() > 1000 || (singles && classes.len() * 2 > table.len()) {
            let found = format!("{} classes in {} rows", classes.len(), table.len());
            let advice = "choose another target, or predict its number by a regression";
            return Err(table.error(None, Some(column.name()), found, "several rows of each class", advice));
        }
        Ok(Target::Classes { column: column.name().to_owned(), classes })
    }

    /// The labels that the texts of a column list, unless they are known.
    fn fit_listed_labels(table: &Table, column: &Column, separator: char, known: Option<&[String]>) -> Result<Target> {
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
        Ok(Target::Labels { columns: names(&[column]), separator: Some(separator), labels })
    }

    /// A label per column, each of which must be yes or no in every row.
    fn fit_flags(table: &Table, found: &[&Column]) -> Result<Target> {
        for column in found {
            let fits = |row: &usize| column.text(*row).is_some_and(|text| table.flag(column, *row, text).is_ok());
            if let Some(row) = (0..table.len()).find(|row| !fits(row)) {
                let found = format!("`{}`", super::csv::shortened(column.text(row).unwrap_or("")));
                let advice = "name a separator if the column lists labels, or learn classes";
                let expected = "yes or no, or 0 or 1, for a label";
                return Err(table.error(table.line(row), Some(column.name()), found, expected, advice));
            }
        }
        Ok(Target::Labels { columns: names(found), separator: None, labels: names(found) })
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
    /// that was not among the training rows. [`Error::Config`](crate::Error::Config): one that was made up and does not fit together.
    pub fn encode(&self, table: &Table) -> Result<Labels> {
        self.check().map_err(|message| config("target", message))?;
        match self {
            Target::Values { columns, shift, scale, log, .. } => {
                let found = columns.iter().map(|name| table.column(name)).collect::<Result<Vec<_>>>()?;
                let mut values = Vec::with_capacity(table.len() * found.len());
                for row in 0..table.len() {
                    for (i, column) in found.iter().enumerate() {
                        let learned = learned(table, column, row, self.base(i), *log)?;
                        values.push(table.narrow(column, row, (learned - shift[i]) / scale[i])?);
                    }
                }
                Ok(Labels::Values(values, columns.len()))
            }
            Target::Classes { column, classes } => encode_classes(table, column, classes),
            Target::Labels { columns, separator: None, .. } => encode_flags(table, columns),
            Target::Labels { columns, separator: Some(separator), labels } => {
                encode_listed_labels(table, &columns[0], *separator, labels)
            }
        }
    }

    /// A regression's numbers as the table has them, in f64, row by row; of other targets what [`Target::encode`] gives.
    ///
    /// # Errors
    /// As [`Target::encode`].
    pub fn values(&self, table: &Table) -> Result<Vec<f64>> {
        let Target::Values { columns, .. } = self else {
            return Ok(match self.encode(table)? {
                Labels::Classes(classes, _) | Labels::Maps(classes, ..) => classes.into_iter().map(f64::from).collect(),
                Labels::Values(values, _) => values.into_iter().map(f64::from).collect(),
            });
        };
        let found = columns.iter().map(|name| table.column(name)).collect::<Result<Vec<_>>>()?;
        let number = |row, column: &Column| table.number(column, row, &column.format)?.ok_or_else(|| table.missing(column, row));
        (0..table.len()).flat_map(|row| found.iter().map(move |column| number(row, column))).collect()
    }

    /// A regression's outputs, row by row, in the units of the table; of other targets the outputs as they are.
    pub fn inverse(&self, outputs: &[f32]) -> Vec<f64> {
        self.undone(outputs, |difference, base, log| if log { base * difference.exp() } else { base + difference })
    }

    /// As [`Target::inverse`], less the [origin](Target::origin) of each column. Errors and their figures are the same of differences as of
    /// the values themselves, and keep the digits that an offset costs.
    pub fn differences(&self, outputs: &[f32]) -> Vec<f64> {
        self.undone(outputs, |difference, base, log| if log { base * difference.exp_m1() } else { difference })
    }

    /// Probabilities of the classes or labels of each row of outputs, one row after the other: the softmax of the logits of classes, the sigmoid of
    /// each of labels. Of a regression, which has none, nothing.
    pub fn probabilities(&self, outputs: &[f32]) -> Vec<f64> {
        match self {
            Target::Values { .. } => vec![],
            Target::Labels { .. } => outputs.iter().map(|&x| 1.0 / (1.0 + (-f64::from(x)).exp())).collect(),
            Target::Classes { classes, .. } => outputs
                .chunks(classes.len().max(1))
                .flat_map(|row| {
                    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let powers: Vec<f64> = row.iter().map(|&x| f64::from(x - top).exp()).collect();
                    let sum: f64 = powers.iter().sum();
                    powers.into_iter().map(move |p| p / sum)
                })
                .collect(),
        }
    }

    /// A value near the middle of each column of a regression (0 if it is learned as it is); nothing of other targets.
    pub fn origin(&self) -> Vec<f64> {
        match self {
            Target::Values { columns, .. } => (0..columns.len()).map(|i| self.base(i)).collect(),
            _ => Vec::new(),
        }
    }

    /// Outputs with scale and shift undone, and then what `last` does with column's base and whether they are logarithms.
    fn undone(&self, outputs: &[f32], last: impl Fn(f64, f64, bool) -> f64) -> Vec<f64> {
        let Target::Values { shift, scale, log, .. } = self else { return outputs.iter().map(|&x| f64::from(x)).collect() };
        // Of one that a program has made up itself, the columns that have both.
        let width = shift.len().min(scale.len());
        if width == 0 {
            return outputs.iter().map(|&x| f64::from(x)).collect();
        }
        let undo = |(i, &x): (usize, &f32)| last(f64::from(x) * scale[i % width] + shift[i % width], self.base(i % width), *log);
        outputs.iter().enumerate().map(undo).collect()
    }

    /// From what differences (of logarithms, ratios) are taken.
    fn base(&self, column: usize) -> f64 {
        match self {
            Target::Values { base, log, .. } => base.get(column).copied().unwrap_or(f64::from(u8::from(*log))),
            _ => 0.0,
        }
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
            Target::Values { columns, base, shift, scale, log } => {
                let bases = base.iter().all(|x| x.is_finite() && (!log || *x > 0.0));
                let numbers = shift.iter().all(|x| x.is_finite()) && scale.iter().all(|x| x.is_finite() && *x > 0.0);
                let fits = !columns.is_empty() && columns.len() == shift.len() && shift.len() == scale.len();
                if fits && numbers && bases && (base.is_empty() || base.len() == shift.len()) {
                    Ok(())
                } else {
                    Err("target: expected a finite base and shift and a scale above zero per column".into())
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

fn names(columns: &[&Column]) -> Vec<String> {
    columns.iter().map(|column| column.name().to_owned()).collect()
}

fn encode_classes(table: &Table, column: &str, classes: &[String]) -> Result<Labels> {
    let column = table.column(column)?;
    let at = Places::new(classes);
    let mut numbers = Vec::with_capacity(table.len());
    for row in 0..table.len() {
        let text = column.text(row).ok_or_else(|| table.missing(column, row))?;
        // Else the number, or the answer, that the text stands for.
        let place = at.find(text).or_else(|| at.find(&column.key(row)?)).ok_or_else(|| {
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

fn encode_flags(table: &Table, columns: &[String]) -> Result<Labels> {
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

fn encode_listed_labels(table: &Table, column: &str, separator: char, labels: &[String]) -> Result<Labels> {
    let column = table.column(column)?;
    let at = Places::new(labels);
    let mut values = vec![0.0; table.len() * labels.len()];
    for (row, values) in values.chunks_exact_mut(labels.len()).enumerate() {
        // An empty list is missing text, and means no label.
        for label in parts(column.text(row).unwrap_or(""), separator) {
            let place = at.find(label).ok_or_else(|| {
                let found = format!("the label `{}`", super::csv::shortened(label));
                let expected = format!("one of the {} labels of the training rows", labels.len());
                table.error(table.line(row), Some(column.name()), found, expected, "correct it, or add it to the training rows")
            })?;
            values[place] = 1.0;
        }
    }
    Ok(Labels::Values(values, labels.len()))
}

impl Task {
    /// What kind of target these columns are, where it is left to them.
    fn decided(self, table: &Table, columns: &[&Column], separator: Option<char>) -> Task {
        let few = |column: &Column| {
            // Before they are counted, which takes a text for each.
            if !column.numbers.iter().all(|x| x.fract() == 0.0) {
                return false;
            }
            let counts = column.counts();
            counts.len() <= MOST_CLASSES && counts.len() * 5 <= table.len()
        };
        match (self, columns) {
            (Task::Auto, _) if separator.is_some() => Task::Labels,
            (Task::Auto, [column]) if column.kind() != Kind::Number || few(column) => Task::Classes,
            (Task::Auto, columns) if columns.iter().all(|c| c.kind() == Kind::Number) => Task::Regression,
            (Task::Auto, _) => Task::Labels,
            (task, _) => task,
        }
    }
}

/// Base, shift and scale of a column of numbers to be learned.
fn scaling(table: &Table, column: &Column, scaled: bool, log: bool) -> Result<[f64; 3]> {
    let numbers: Vec<f64> = column.numbers.iter().collect();
    let (least, most) = stats::min_max(&numbers);
    if least >= most {
        let found = format!("the value {least} in every row");
        let advice = "there is nothing to learn: choose another target, or other rows";
        return Err(table.error(None, Some(column.name()), found, "values that differ", advice));
    }
    let plain = [f64::from(u8::from(log)), 0.0, 1.0];
    // A value that is there: a mean would be rounded, and move with an offset by other digits than the values do.
    let base = if scaled { stats::middle(&numbers) } else { plain[0] };
    let learned = (0..table.len()).map(|row| learned(table, column, row, base, log)).collect::<Result<Vec<f64>>>()?;
    if !scaled {
        return Ok(plain);
    }
    let (mean, std) = stats::mean_std(&learned);
    if !std.is_finite() {
        let found = format!("values from {least:e} to {most:e}, whose difference is no finite number");
        return Err(table.error(None, Some(column.name()), found, "numbers to predict", "use another unit: divide them all"));
    }
    Ok([base, mean, if std > 0.0 { std } else { 1.0 }])
}

/// What is learned of a row: its difference from the base; or that of the logarithms, for which it must be above zero.
fn learned(table: &Table, column: &Column, row: usize, base: f64, log: bool) -> Result<f64> {
    let value = table.number(column, row, &column.format)?.ok_or_else(|| table.missing(column, row))?;
    if !log {
        return Ok(value - base);
    }
    if value > 0.0 {
        let beyond = (value - base) / base;
        // Near the base the difference of two logarithms would lose digits.
        return Ok(if beyond.abs() < 0.5 { beyond.ln_1p() } else { value.ln() - base.ln() });
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
