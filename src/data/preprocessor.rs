//! `Preprocessor`: a table's columns as numbers for a model, by what was found in the training rows.

use super::table::{Column, Kind, Table};
use super::target::{Places, Target};
use super::{Dataset, config};
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::path::Path;

/// The layout of a saved preprocessor.
const VERSION: u32 = 1;

/// What [`Prepare::fit`](super::Prepare::fit) found in the training rows: enough to turn any table with the same columns into features.
///
/// New rows: a category that was not there in training goes to the group of rare ones if the column has one, else all its features
/// are 0, and a note says so (or it is refused, see [`Unknown`]); a missing value is filled in by what was found in training; a missing
/// column is refused, all of them in one message; a column that was not there in training is left out, and a note says so; a
/// text where training had numbers is refused. The target need not be there to make [`Features`].
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Preprocessor {
    pub(super) version: u32,
    pub(super) columns: Vec<Fitted>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) unknown: Unknown,
    pub(super) target: Option<Target>,
}

/// What becomes of a category that was not among the training rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// It belongs to the rare ones if the column has such a group, else to none; a note says so.
    #[default]
    Note,
    /// An error with its line.
    Refuse,
}

/// A column that is no feature, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LeftOut {
    /// The column.
    pub column: String,
    /// Why.
    pub reason: String,
}

/// One column as fitted.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Fitted {
    pub(super) name: String,
    pub(super) encoding: Encoding,
    /// Whether a feature says that the value was missing.
    pub(super) was_missing: bool,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Encoding {
    /// (value − shift) / scale; `None`: a missing value is refused.
    /// What comes out beyond ± `clip` is taken for it.
    Number {
        fill: Option<f64>,
        shift: f64,
        scale: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clip: Option<f64>,
    },
    /// 1 or 0.
    YesNo { fill: Option<f64> },
    /// One feature per category, then one for the rare ones if there were any, then one for missing if so decided.
    Category { categories: Vec<String>, rare: Option<Vec<String>>, missing: Absent },
}

/// What a missing category becomes.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Absent {
    /// A feature of its own.
    Own,
    /// All features 0.
    None,
    /// This category, or a rare one.
    Is(String),
    Refuse,
}

impl Fitted {
    fn width(&self) -> usize {
        let own = match &self.encoding {
            Encoding::Category { categories, rare, missing } => {
                categories.len() + usize::from(rare.is_some()) + usize::from(*missing == Absent::Own)
            }
            _ => 1,
        };
        own + usize::from(self.was_missing)
    }

    fn names(&self, names: &mut Vec<String>) {
        let name = &self.name;
        match &self.encoding {
            Encoding::Category { categories, rare, missing } => {
                names.extend(categories.iter().map(|category| format!("{name}={category}")));
                names.extend(rare.as_ref().map(|_| format!("{name}=(rare)")));
                names.extend((*missing == Absent::Own).then(|| format!("{name}=(missing)")));
            }
            _ => names.push(name.clone()),
        }
        names.extend(self.was_missing.then(|| format!("{name} (was missing)")));
    }

    /// Writes the features of this column for every row, `width` numbers from one row to the next; gives back a note.
    fn apply(&self, table: &Table, column: &Column, unknown: Unknown, all: &mut [f64], width: usize) -> Result<Option<String>> {
        let mut strangers: BTreeSet<String> = BTreeSet::new();
        let mut strange_rows = 0;
        let places = match &self.encoding {
            Encoding::Category { categories, .. } => Places::new(categories),
            _ => Places::new(&[]),
        };
        let own = self.width() - usize::from(self.was_missing);
        for (row, features) in (0..table.len()).zip(all.chunks_mut(width)) {
            let text = column.text(row);
            match &self.encoding {
                Encoding::Number { fill, shift, scale, clip } => {
                    let value = table.number(column, row)?.or(*fill).ok_or_else(|| table.missing(column, row))?;
                    let scaled = (value - shift) / scale;
                    features[0] = clip.map_or(scaled, |most| scaled.clamp(-most, most));
                }
                Encoding::YesNo { fill } => {
                    let value = text.map(|text| table.flag(column, row, text)).transpose()?;
                    features[0] = value.map(f64::from).or(*fill).ok_or_else(|| table.missing(column, row))?;
                }
                Encoding::Category { categories, rare, missing } => {
                    let text = match (text, missing) {
                        (None, Absent::Own) => {
                            features[own - 1] = 1.0;
                            None
                        }
                        (None, Absent::None) => None,
                        (None, Absent::Is(category)) => Some(category.as_str()),
                        (None, Absent::Refuse) => return Err(table.missing(column, row)),
                        (Some(text), _) => Some(text),
                    };
                    let Some(text) = text else {
                        // Said by its own feature, or by none.
                        if self.was_missing {
                            features[own] = 1.0;
                        }
                        continue;
                    };
                    match (places.find(text), rare) {
                        (Some(place), _) => features[place] = 1.0,
                        (None, rare) => {
                            if !rare.as_ref().is_some_and(|rare| rare.iter().any(|r| r == text)) {
                                if unknown == Unknown::Refuse {
                                    let found = format!("the category `{}`", super::csv::shortened(text));
                                    let expected = format!("one of the {} of the training rows", categories.len());
                                    let advice = "correct it, or let unknown categories pass (`Unknown::Note`)";
                                    return Err(table.error(table.line(row), Some(&self.name), found, expected, advice));
                                }
                                strange_rows += 1;
                                strangers.insert(super::csv::shortened(text));
                            }
                            if rare.is_some() {
                                features[categories.len()] = 1.0;
                            }
                        }
                    }
                }
            }
            if self.was_missing {
                features[own] = f64::from(u8::from(column.text(row).is_none()));
            }
        }
        let into = match &self.encoding {
            Encoding::Category { rare: Some(_), .. } => "treated as rare",
            _ => "treated as none of the known ones",
        };
        Ok((strange_rows > 0).then(|| {
            let some: Vec<String> = strangers.iter().take(5).map(|text| format!("`{text}`")).collect();
            let more = if strangers.len() > 5 { format!(" and {} more", strangers.len() - 5) } else { String::new() };
            let rows = if strange_rows == 1 { "row" } else { "rows" };
            format!("column `{}`: {strange_rows} {rows} with unknown categories ({}{more}), {into}", self.name, some.join(", "))
        }))
    }
}

/// The features of a table's rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Row-major, [`Preprocessor::width`] a row.
    pub values: Vec<f64>,
    /// The number of rows.
    pub rows: usize,
    /// What was noticed: unknown categories, columns left out.
    pub notes: Vec<String>,
}

impl Features {
    /// The values as a device takes them.
    pub fn to_f32(&self) -> Vec<f32> {
        self.values.iter().map(|&x| x as f32).collect()
    }
}

impl Preprocessor {
    /// The number of features of a row.
    pub fn width(&self) -> usize {
        self.columns.iter().map(Fitted::width).sum()
    }

    /// A name per feature: `age`, `age (was missing)`, `sex=male`, `sex=(rare)`, `sex=(missing)`.
    pub fn feature_names(&self) -> Vec<String> {
        let mut names = Vec::with_capacity(self.width());
        self.columns.iter().for_each(|column| column.names(&mut names));
        names
    }

    /// The columns that are needed, in order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The columns of the training table that are no features, each with the reason.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// How the target is encoded; `None` if there is none.
    pub fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// The features of every row, in f64. A target need not be there.
    ///
    /// # Errors
    /// [`Error::Table`]: columns that are not there; text among numbers; a missing value or an unknown category where they were to be
    /// refused; a number that f32 cannot hold.
    pub fn features(&self, table: &Table) -> Result<Features> {
        let absent: Vec<String> = self.columns().filter(|name| !table.has(name)).map(|name| format!("`{name}`")).collect();
        if !absent.is_empty() {
            let found = format!("no column {} among {}", absent.join(", "), table.names().len());
            let expected = format!("all {} columns that the model was fitted to", self.columns.len());
            let advice = "is this a table of the same kind, and its header the same? Add the columns, if need be without values";
            return Err(table.error(Some(1), None, found, expected, advice));
        }
        let mut notes = Vec::new();
        let known = |name: &str| {
            self.columns().any(|known| known == name)
                || self.left_out.iter().any(|left| left.column == name)
                || self.target.as_ref().is_some_and(|target| target.columns().iter().any(|column| column == name))
        };
        let extra: Vec<String> = table.names().into_iter().filter(|name| !known(name)).map(|name| format!("`{name}`")).collect();
        if !extra.is_empty() {
            notes.push(format!("left out, because the model was fitted without: column {}", extra.join(", ")));
        }
        let (rows, width) = (table.len(), self.width());
        let mut values = vec![0.0; rows * width];
        let mut start = 0;
        for fitted in &self.columns {
            let column = table.column(&fitted.name)?;
            if rows > 0 {
                notes.extend(fitted.apply(table, column, self.unknown, &mut values[start..], width)?);
            }
            let end = start + fitted.width();
            for row in 0..rows {
                values[row * width..][start..end].iter().try_for_each(|&x| table.narrow(column, row, x).map(drop))?;
            }
            let vanishes = |&row: &usize| values[row * width..][start..end].iter().any(|&x| x != 0.0 && x as f32 == 0.0);
            if let Some(first) = (0..rows).find(vanishes) {
                let count = (first..rows).filter(vanishes).count();
                let place = table.line(first).map_or(String::new(), |line| format!(", the first in line {line}"));
                let name = &fitted.name;
                notes.push(format!(
                    "column `{name}`: {count} numbers are so small that f32 makes them 0{place}; scale the column"
                ));
            }
            start = end;
        }
        Ok(Features { values, rows, notes })
    }

    /// Features and target of every row as a data set with names, and what was noticed.
    ///
    /// # Errors
    /// As [`Preprocessor::features`] and [`Target::encode`]; [`Error::Config`]: fitted without a target.
    pub fn dataset(&self, table: &Table) -> Result<(Dataset, Vec<String>)> {
        let target = self.target.as_ref().ok_or_else(|| config("preprocessor", "it was fitted without a target: name one"))?;
        let labels = target.encode(table)?;
        let features = self.features(table)?;
        let set = Dataset::new(features.to_f32(), &[self.width()], labels)?.with_feature_names(self.feature_names())?;
        let set = match target {
            Target::Classes { classes, .. } => set.with_class_names(classes.clone())?,
            _ => set,
        };
        Ok((set, features.notes))
    }

    /// The whole as JSON, to be stored with a model.
    ///
    /// # Errors
    /// [`Error::Config`]: it cannot be written; not for one made by [`Prepare::fit`](super::Prepare::fit).
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| config("preprocessor", format!("cannot be written as JSON: {e}")))
    }

    /// Reads what [`Preprocessor::to_json`] wrote: the same to the last bit. `name` stands for the file in errors.
    ///
    /// # Errors
    /// [`Error::File`]: not JSON of a preprocessor, another version, parts that do not fit together.
    pub fn from_json(name: impl AsRef<Path>, text: &str) -> Result<Preprocessor> {
        let fail = |message: String| Error::file(name.as_ref(), format!("preprocessing: {message}"));
        let read: Preprocessor =
            serde_json::from_str(text).map_err(|e| fail(format!("{e}, expected what a preprocessor writes")))?;
        if read.version != VERSION {
            return Err(fail(format!("found version {}, expected {VERSION}", read.version)));
        }
        read.check().map_err(fail)?;
        Ok(read)
    }

    fn check(&self) -> Result<(), String> {
        let names: BTreeSet<&str> = self.columns().collect();
        if self.columns.is_empty() || names.len() != self.columns.len() {
            return Err("found no columns, or one twice".to_owned());
        }
        for Fitted { name, encoding, .. } in &self.columns {
            let finite = |x: &Option<f64>| x.is_none_or(f64::is_finite);
            let good = match encoding {
                Encoding::Number { fill, shift, scale, clip } => {
                    let clips = clip.is_none_or(|most| most.is_finite() && most > 0.0);
                    finite(fill) && shift.is_finite() && scale.is_finite() && *scale > 0.0 && clips
                }
                Encoding::YesNo { fill } => finite(fill),
                Encoding::Category { categories, .. } => categories.iter().collect::<BTreeSet<_>>().len() == categories.len(),
            };
            if !good {
                return Err(format!("column `{name}`: expected finite numbers, a scale above zero, categories that differ"));
            }
        }
        if self.width() == 0 {
            return Err("found columns without features".to_owned());
        }
        self.target.as_ref().map_or(Ok(()), Target::check)
    }

    pub(super) fn new(columns: Vec<Fitted>, left_out: Vec<LeftOut>, unknown: Unknown, target: Option<Target>) -> Preprocessor {
        Preprocessor { version: VERSION, columns, left_out, unknown, target }
    }
}

impl Table {
    /// The number of a row, whatever kind the column has here; `None` where it is missing.
    pub(super) fn number(&self, column: &Column, row: usize) -> Result<Option<f64>> {
        let Some(text) = column.text(row) else { return Ok(None) };
        let value = if column.kind() == Kind::Number { column.number(row) } else { text.parse().ok() };
        match value.filter(|x: &f64| x.is_finite()) {
            Some(value) => Ok(Some(value)),
            None => {
                let found = format!("`{}`", super::csv::shortened(text));
                let advice = "correct it, or name it as missing";
                Err(self.error(self.line(row), Some(column.name()), found, "a finite number, as in training", advice))
            }
        }
    }

    /// 1 of yes and 1, 0 of no and 0.
    pub(super) fn flag(&self, column: &Column, row: usize, text: &str) -> Result<f32> {
        let number = || text.parse::<f32>().ok().filter(|&x| x == 0.0 || x == 1.0);
        super::csv::yes_no(text).map(|yes| f32::from(u8::from(yes))).or_else(number).ok_or_else(|| {
            let found = format!("`{}`", super::csv::shortened(text));
            let advice = "correct it, or name it as missing";
            self.error(self.line(row), Some(column.name()), found, "yes or no, or 1 or 0", advice)
        })
    }

    /// A number as f32, which must be able to hold it.
    pub(super) fn narrow(&self, column: &Column, row: usize, value: f64) -> Result<f32> {
        let narrow = value as f32;
        if narrow.is_finite() {
            return Ok(narrow);
        }
        let found = format!("{value:e} after scaling");
        let advice = "scale the column, use another unit, or name such values as missing";
        Err(self.error(self.line(row), Some(column.name()), found, "a number that fits into f32", advice))
    }
}
