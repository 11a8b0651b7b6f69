//! `Preprocessor`: a table's columns as numbers for a model, by what was found in the training rows.

use super::dates::DateParts;
use super::infer::{Expected, counted};
use super::numbers::NumberFormat;
use super::select::Selected;
use super::spelling::Places;
use super::table::{Column, Kind, Table};
use super::target::Target;
use super::{Dataset, config};
use crate::error::{Error, Result};
use crate::memory;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::path::Path;

/// The layout of a saved preprocessor; with formats of numbers, or dates, that of the second version, with indices that of the third.
const VERSION: u32 = 1;
const VERSION_WITH_FORMATS: u32 = 2;
const VERSION_WITH_INDICES: u32 = 3;
/// Rows whose features are computed at a time.
pub(super) const BLOCK: usize = 4096;
/// So many features at most are computed at a time, however many a row has.
const MOST_AT_ONCE: usize = 1 << 21;

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
    /// How the numbers of columns are written, features and targets, where that is not the usual way.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) formats: BTreeMap<String, NumberFormat>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) selected: Option<Selected>,
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
    /// The days since the first, the year, and so on.
    Date(DateParts),
    /// One feature per category, then one for the rare ones if there were any, then one for missing if so decided.
    Category { categories: Vec<String>, rare: Option<Vec<String>>, missing: Absent },
    /// One feature: 1 for the first category, and so on; then missing if so decided; 0 for rare ones and whatever else.
    Index { categories: Vec<String>, rare: Option<Vec<String>>, missing: Absent },
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
    /// One more than the greatest index; `None` if it is no index.
    pub(super) fn indices(&self) -> Option<usize> {
        match &self.encoding {
            Encoding::Index { categories, missing, .. } => Some(1 + categories.len() + usize::from(*missing == Absent::Own)),
            _ => None,
        }
    }

    pub(super) fn width(&self) -> usize {
        let own = match &self.encoding {
            Encoding::Category { categories, rare, missing } => {
                categories.len() + usize::from(rare.is_some()) + usize::from(*missing == Absent::Own)
            }
            Encoding::Date(parts) => parts.width(),
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
            Encoding::Date(parts) => parts.names(name, names),
            _ => names.push(name.clone()),
        }
        names.extend(self.was_missing.then(|| format!("{name} (was missing)")));
    }
}

/// A fitted column at work on a table.
pub(super) struct Working<'a> {
    fitted: &'a Fitted,
    column: &'a Column,
    format: NumberFormat,
    unknown: Unknown,
    places: Places<'a>,
    rare: HashSet<&'a str>,
    /// The features without the one that says that the value was missing.
    own: usize,
    strangers: BTreeSet<String>,
    strange_rows: usize,
    /// Numbers that f32 makes 0, and the first row with one.
    vanished: usize,
    vanished_first: usize,
}

impl<'a> Working<'a> {
    pub(super) fn new(fitted: &'a Fitted, column: &'a Column, format: NumberFormat, unknown: Unknown) -> Working<'a> {
        let (categories, rare): (&[String], &[String]) = match &fitted.encoding {
            Encoding::Category { categories, rare, .. } | Encoding::Index { categories, rare, .. } => {
                (categories, rare.as_deref().unwrap_or(&[]))
            }
            _ => (&[], &[]),
        };
        let own = fitted.width() - usize::from(fitted.was_missing);
        let (places, rare) = (Places::new(categories), rare.iter().map(String::as_str).collect());
        let strangers = BTreeSet::new();
        Working { fitted, column, format, unknown, places, rare, own, strangers, strange_rows: 0, vanished: 0, vanished_first: 0 }
    }

    /// Writes the features of some rows, `width` numbers from one row to the next.
    fn apply(&mut self, table: &Table, rows: Range<usize>, all: &mut [f64], width: usize) -> Result<()> {
        let column = self.column;
        for (row, features) in rows.zip(all.chunks_mut(width)) {
            match &self.fitted.encoding {
                Encoding::Number { fill, shift, scale, clip } => {
                    let value = table.number(column, row, &self.format)?.or(*fill).ok_or_else(|| table.missing(column, row))?;
                    let scaled = (value - shift) / scale;
                    features[0] = clip.map_or(scaled, |most| scaled.clamp(-most, most));
                }
                Encoding::Date(parts) => match table.date(column, row, parts)? {
                    Some(days) => parts.apply(days, features),
                    None if parts.refused => return Err(table.missing(column, row)),
                    None => {}
                },
                Encoding::YesNo { fill } => {
                    let value = column.text(row).map(|text| table.flag(column, row, text)).transpose()?;
                    features[0] = value.map(f64::from).or(*fill).ok_or_else(|| table.missing(column, row))?;
                }
                Encoding::Category { categories, rare, missing } => {
                    let place = match self.category(table, row, missing, categories.len())? {
                        Place::Of(place) => Some(place),
                        Place::Rare => rare.as_ref().map(|_| categories.len()),
                        Place::Missing => Some(self.own - 1),
                        Place::None => None,
                    };
                    place.into_iter().for_each(|place| features[place] = 1.0);
                }
                Encoding::Index { categories, missing, .. } => {
                    features[0] = match self.category(table, row, missing, categories.len())? {
                        Place::Of(place) => (place + 1) as f64,
                        Place::Missing => (categories.len() + 1) as f64,
                        Place::Rare | Place::None => 0.0,
                    };
                }
            }
            if self.fitted.was_missing {
                features[self.own] = f64::from(u8::from(column.text(row).is_none()));
            }
        }
        Ok(())
    }

    /// Where the category of a row belongs; `known`: how many there are.
    pub(super) fn category(&mut self, table: &Table, row: usize, missing: &Absent, known: usize) -> Result<Place> {
        let key = self.column.key(row);
        let text = match (&key, missing) {
            (None, Absent::Own) => return Ok(Place::Missing),
            // Said by its own feature, or by none.
            (None, Absent::None) => return Ok(Place::None),
            (None, Absent::Is(category)) => category.as_str(),
            (None, Absent::Refuse) => return Err(table.missing(self.column, row)),
            (Some(key), _) => key,
        };
        // As it stands in the table, or as the number that it is.
        let place = self.column.text(row).and_then(|text| self.places.find(text)).or_else(|| self.places.find(text));
        if let Some(place) = place {
            return Ok(Place::Of(place));
        }
        if !self.rare.contains(text) {
            if self.unknown == Unknown::Refuse {
                let found = format!("the category `{}`", super::csv::shortened(text));
                let expected = format!("one of the {known} of the training rows");
                let advice = "correct it, or let unknown categories pass (`Unknown::Note`)";
                return Err(table.error(table.line(row), Some(&self.fitted.name), found, expected, advice));
            }
            self.strange_rows += 1;
            if self.strangers.len() < 1000 {
                self.strangers.insert(super::csv::shortened(text));
            }
        }
        Ok(Place::Rare)
    }

    fn vanishing(&self, table: &Table) -> Option<String> {
        let place = table.line(self.vanished_first).map_or(String::new(), |line| format!(", the first in line {line}"));
        let (name, count) = (&self.fitted.name, self.vanished);
        let is = format!("column `{name}`: {count} numbers are so small that f32 makes them 0{place}; scale the column");
        (count > 0).then_some(is)
    }

    fn note(&self) -> Option<String> {
        let into = match &self.fitted.encoding {
            Encoding::Category { rare: Some(_), .. } | Encoding::Index { rare: Some(_), .. } => "treated as rare",
            _ => "treated as none of the known ones",
        };
        let (strangers, rows) = (&self.strangers, self.strange_rows);
        (rows > 0).then(|| {
            let some: Vec<String> = strangers.iter().take(5).map(|text| format!("`{text}`")).collect();
            let more = if strangers.len() > 5 { format!(" and {} more", strangers.len() - 5) } else { String::new() };
            let (name, rows) = (&self.fitted.name, counted(rows, "row"));
            format!("column `{name}`: {rows} with unknown categories ({}{more}), {into}", some.join(", "))
        })
    }
}

/// Where a category belongs.
pub(super) enum Place {
    Of(usize),
    /// To the rare ones, or it is not known.
    Rare,
    Missing,
    None,
}

/// Numbers of a column that are taken for others, because they are farther from the mean than was allowed.
#[derive(Clone, Debug, PartialEq)]
pub struct Clipped {
    /// The column.
    pub column: String,
    /// The least and the greatest number that is taken as it is.
    pub within: (f64, f64),
    /// The rows, by number.
    pub rows: Vec<usize>,
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

    /// The columns that are one feature each, an index (see [`Prepare::index_above`](super::Prepare::index_above)), each with one more than
    /// its greatest index. Theirs are the last features of a row, in this order.
    pub fn indices(&self) -> Vec<(&str, usize)> {
        self.columns.iter().filter_map(|fitted| Some((fitted.name.as_str(), fitted.indices()?))).collect()
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
        let mut notes = self.notes(table)?;
        let mut values = self.room(table)?;
        notes.extend(self.blocks(table, BLOCK, |block| values.extend_from_slice(block))?);
        Ok(Features { values, rows: table.len(), notes })
    }

    /// Room for the features of all rows.
    fn room<T>(&self, table: &Table) -> Result<Vec<T>> {
        let (rows, width) = (table.len(), self.width());
        memory::room(format_args!("{width} features of {rows} rows of {}", table.path().display()), rows.saturating_mul(width))
            .map_err(Error::NoRoom)
    }

    /// Whether the columns are there, and which are too many.
    pub(super) fn notes(&self, table: &Table) -> Result<Vec<String>> {
        let absent: Vec<String> = self.columns().filter(|name| !table.has(name)).map(|name| format!("`{name}`")).collect();
        if !absent.is_empty() {
            let found = format!("no column {} among {}", absent.join(", "), table.names().len());
            let expected = format!("all {} columns that the model was fitted to", self.columns.len());
            let advice = "is this a table of the same kind, and its header the same? Add the columns, if need be without values";
            return Err(table.error(Some(1), None, found, expected, advice));
        }
        let mut notes = Vec::new();
        let target = self.target.iter().flat_map(|target| target.columns()).map(String::as_str);
        let left_out = self.left_out.iter().map(|left| left.column.as_str());
        let known: HashSet<&str> = self.columns().chain(left_out).chain(target).collect();
        let extra: Vec<String> =
            table.names().into_iter().filter(|name| !known.contains(name)).map(|name| format!("`{name}`")).collect();
        if !extra.is_empty() {
            notes.push(format!("left out, because the model was fitted without: column {}", extra.join(", ")));
        }
        Ok(notes)
    }

    /// The features as a device takes them, at most `rows` rows at a time, without ever making all of them. Gives back what was noticed, as
    /// [`Features::notes`].
    ///
    /// # Errors
    /// As [`Preprocessor::features`], and what `take` gives.
    pub fn in_batches<E: From<Error>>(
        &self,
        table: &Table,
        rows: usize,
        mut take: impl FnMut(&[f32]) -> Result<(), E>,
    ) -> Result<Vec<String>, E> {
        let mut notes = self.notes(table)?;
        let mut failed = Ok(());
        let found = self.blocks(table, rows.max(1), |block| {
            if failed.is_ok() {
                failed = take(&block.iter().map(|&x| x as f32).collect::<Vec<_>>());
            }
        })?;
        failed?;
        notes.extend(found);
        Ok(notes)
    }

    /// The features, at most so many rows at a time; gives back notes.
    pub(super) fn blocks(&self, table: &Table, most: usize, mut take: impl FnMut(&[f64])) -> Result<Vec<String>> {
        let (rows, width) = (table.len(), self.width());
        let mut working = Vec::with_capacity(self.columns.len());
        for fitted in &self.columns {
            let format = self.formats.get(&fitted.name).cloned().unwrap_or_default();
            working.push(Working::new(fitted, table.column(&fitted.name)?, format, self.unknown));
        }
        let most = most.min((MOST_AT_ONCE / width.max(1)).max(16));
        let mut block = vec![0.0; most.min(rows) * width];
        for first in (0..rows).step_by(most) {
            let some = first..(first + most).min(rows);
            let block = &mut block[..some.len() * width];
            block.fill(0.0);
            let mut start = 0;
            for working in &mut working {
                working.apply(table, some.clone(), &mut block[start..], width)?;
                let end = start + working.fitted.width();
                for row in some.clone() {
                    let features = &block[(row - first) * width..][start..end];
                    features.iter().try_for_each(|&x| table.narrow(working.column, row, x).map(drop))?;
                    if features.iter().any(|&x| x != 0.0 && x as f32 == 0.0) {
                        working.vanished_first = if working.vanished == 0 { row } else { working.vanished_first };
                        working.vanished += 1;
                    }
                }
                start = end;
            }
            take(block);
        }
        Ok(working.iter().flat_map(|working| working.note().into_iter().chain(working.vanishing(table))).collect())
    }

    /// The features of one of the columns, row after row.
    pub(super) fn features_of_column(&self, column: usize, table: &Table) -> Result<Vec<f64>> {
        let fitted = &self.columns[column];
        let format = self.formats.get(&fitted.name).cloned().unwrap_or_default();
        let mut values = vec![0.0; table.len() * fitted.width()];
        let mut working = Working::new(fitted, table.column(&fitted.name)?, format, self.unknown);
        working.apply(table, 0..table.len(), &mut values, fitted.width())?;
        Ok(values)
    }

    /// The numbers of a table that are taken for others: those beyond what [`Prepare::clip`](super::Prepare::clip) allowed. Columns without any
    /// are not among them, nor are columns that are not there or not numbers here.
    pub fn clipped(&self, table: &Table) -> Vec<Clipped> {
        let mut found = Vec::new();
        for Fitted { name, encoding, .. } in &self.columns {
            let (Encoding::Number { shift, scale, clip: Some(most), .. }, Ok(column)) = (encoding, table.column(name)) else {
                continue;
            };
            let beyond = |row: usize| column.number(row).is_some_and(|x| ((x - shift) / scale).abs() > *most);
            let rows: Vec<usize> = (0..table.len()).filter(|&row| column.kind() == Kind::Number && beyond(row)).collect();
            if !rows.is_empty() {
                found.push(Clipped { column: name.clone(), within: (shift - most * scale, shift + most * scale), rows });
            }
        }
        found
    }

    /// How the numbers of a column are written, if not in the usual way.
    pub fn format(&self, column: &str) -> Option<&NumberFormat> {
        self.formats.get(column)
    }

    /// Per column with more categories than are told apart: its name, how many are, and how many count as one.
    pub fn grouped(&self) -> Vec<(&str, usize, usize)> {
        let of = |fitted: &Fitted| match &fitted.encoding {
            Encoding::Category { categories, rare: Some(rare), .. } | Encoding::Index { categories, rare: Some(rare), .. } => {
                Some((categories.len(), rare.len()))
            }
            _ => None,
        };
        self.columns.iter().filter_map(|fitted| of(fitted).map(|(own, shared)| (fitted.name.as_str(), own, shared))).collect()
    }

    /// What a reader has to know of each column to read it as in training.
    pub(super) fn expected(&self) -> Vec<(String, Expected)> {
        let number = |name: &str| self.formats.get(name).map(|format| Expected::Number(format.clone()));
        let features = self.columns.iter().map(|fitted| {
            let expected = match &fitted.encoding {
                Encoding::Number { .. } => number(&fitted.name).unwrap_or(Expected::Number(NumberFormat::default())),
                Encoding::Date(parts) => Expected::Date(parts.order),
                Encoding::YesNo { .. } => Expected::Text(vec![]),
                Encoding::Category { categories, rare, .. } | Encoding::Index { categories, rare, .. } => number(&fitted.name)
                    .unwrap_or_else(|| Expected::Text(categories.iter().chain(rare.iter().flatten()).cloned().collect())),
            };
            (fitted.name.clone(), expected)
        });
        let target = self.target.iter().flat_map(|target| {
            target.columns().iter().map(|name| {
                let usual = match target {
                    Target::Values { .. } => Expected::Number(NumberFormat::default()),
                    Target::Classes { classes, .. } => Expected::Text(classes.clone()),
                    Target::Labels { .. } => Expected::Text(vec![]),
                };
                (name.clone(), number(name).unwrap_or(usual))
            })
        });
        features.chain(target).collect()
    }

    /// Features and target of every row as a data set with names, and what was noticed.
    ///
    /// # Errors
    /// As [`Preprocessor::features`] and [`Target::encode`]; [`Error::Config`]: fitted without a target.
    pub fn dataset(&self, table: &Table) -> Result<(Dataset, Vec<String>)> {
        let target = self.target.as_ref().ok_or_else(|| config("preprocessor", "it was fitted without a target: name one"))?;
        let labels = target.encode(table)?;
        let mut notes = self.notes(table)?;
        // Never all of them in f64 at once.
        let mut features: Vec<f32> = self.room(table)?;
        notes.extend(self.blocks(table, BLOCK, |block| features.extend(block.iter().map(|&x| x as f32)))?);
        let set = Dataset::new(features, &[self.width()], labels)?.with_feature_names(self.feature_names())?;
        let set = match target {
            Target::Classes { classes, .. } => set.with_class_names(classes.clone())?,
            _ => set,
        };
        Ok((set, notes))
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
        if !(VERSION..=VERSION_WITH_INDICES).contains(&read.version) {
            let expected = format!("expected {VERSION} to {VERSION_WITH_INDICES}: was the model made by a newer program?");
            return Err(fail(format!("found version {}, {expected}", read.version)));
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
                Encoding::Date(parts) => parts.check(),
                Encoding::Category { categories, .. } | Encoding::Index { categories, .. } => {
                    categories.iter().collect::<BTreeSet<_>>().len() == categories.len()
                }
            };
            if !good {
                return Err(format!("column `{name}`: expected finite numbers, a scale above zero, categories that differ"));
            }
        }
        if self.width() == 0 {
            return Err("found columns without features".to_owned());
        }
        let first = self.columns.iter().position(|fitted| fitted.indices().is_some()).unwrap_or(self.columns.len());
        if let Some(Fitted { name, .. }) = self.columns[first..].iter().find(|f| f.indices().is_none() || f.was_missing) {
            return Err(format!("column `{name}`: found features after the first index, expected indices only"));
        }
        self.target.as_ref().map_or(Ok(()), Target::check)
    }

    pub(super) fn new(
        columns: Vec<Fitted>,
        left_out: Vec<LeftOut>,
        unknown: Unknown,
        target: Option<Target>,
        formats: BTreeMap<String, NumberFormat>,
    ) -> Preprocessor {
        // Programs of before would read such columns otherwise, and shall refuse them.
        let dates = columns.iter().any(|fitted| matches!(fitted.encoding, Encoding::Date(_)));
        let version = match () {
            () if columns.iter().any(|fitted| fitted.indices().is_some()) => VERSION_WITH_INDICES,
            () if dates || !formats.is_empty() => VERSION_WITH_FORMATS,
            () => VERSION,
        };
        Preprocessor { version, columns, left_out, unknown, target, formats, selected: None }
    }
}
