//! Data sets of tables whose features are made batch by batch: a column of many categories is one number a row in memory, not a feature for each.

use super::compact::Numbers;
use super::dataset::{Dataset, Maker};
use super::dates::DateParts;
use super::preprocessor::{Encoding, Fitted, Place, Preprocessor, Working};
use super::table::{Column, Kind, Table};
use super::target::Target;
use super::{Labels, config};
use crate::error::Result;
use std::sync::Arc;

/// What the features of one column are made of.
#[derive(Debug)]
enum Source {
    Number {
        numbers: Numbers,
        fill: Option<f64>,
        shift: f64,
        scale: f64,
        clip: Option<f64>,
    },
    YesNo {
        numbers: Numbers,
        fill: Option<f64>,
    },
    Date {
        days: Numbers,
        parts: DateParts,
    },
    /// The feature that is 1, counted from 1; 0 for none.
    Category(Codes),
    Index(Codes),
}

/// Whole numbers in as few bytes as the largest needs.
#[derive(Debug)]
enum Codes {
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
}

impl Codes {
    fn of(codes: Vec<u32>) -> Codes {
        match codes.iter().copied().max().unwrap_or(0) {
            0..=0xff => Codes::U8(codes.into_iter().map(|code| code as u8).collect()),
            0x100..=0xffff => Codes::U16(codes.into_iter().map(|code| code as u16).collect()),
            _ => Codes::U32(codes),
        }
    }

    fn at(&self, row: usize) -> usize {
        match self {
            Codes::U8(codes) => codes[row].into(),
            Codes::U16(codes) => codes[row].into(),
            Codes::U32(codes) => codes[row] as usize,
        }
    }
}

/// One column at work.
#[derive(Debug)]
struct Part {
    source: Source,
    /// Its features, and whether the last of them says that the value was missing.
    width: usize,
    was_missing: bool,
    /// Of categories: the rows whose value was missing, where a feature says so.
    missing: Vec<bool>,
}

impl Part {
    fn is_missing(&self, row: usize) -> bool {
        match &self.source {
            Source::Number { numbers, .. } | Source::YesNo { numbers, .. } => numbers.at(row).is_nan(),
            Source::Date { days, .. } => days.at(row).is_nan(),
            Source::Category(_) | Source::Index(_) => self.missing[row],
        }
    }

    /// Writes the features of a row over zeros; `days` is room for those of a date.
    fn make(&self, row: usize, features: &mut [f32], days: &mut Vec<f64>) {
        let there = |numbers: &Numbers, fill: Option<f64>| match (numbers.at(row), fill) {
            (x, Some(fill)) if x.is_nan() => fill,
            (x, _) => x,
        };
        match &self.source {
            Source::Number { numbers, fill, shift, scale, clip } => {
                let scaled = (there(numbers, *fill) - shift) / scale;
                features[0] = clip.map_or(scaled, |most| scaled.clamp(-most, most)) as f32;
            }
            Source::YesNo { numbers, fill } => features[0] = there(numbers, *fill) as f32,
            Source::Date { days: all, parts } => {
                let day = all.at(row);
                if !day.is_nan() {
                    days.clear();
                    days.resize(parts.width(), 0.0);
                    parts.apply(day, days);
                    features.iter_mut().zip(days).for_each(|(feature, &mut x)| *feature = x as f32);
                }
            }
            Source::Category(codes) => {
                if let Some(place) = codes.at(row).checked_sub(1) {
                    features[place] = 1.0;
                }
            }
            Source::Index(codes) => features[0] = codes.at(row) as f32,
        }
        if self.was_missing {
            features[self.width - 1] = f32::from(u8::from(self.is_missing(row)));
        }
    }
}

/// All columns.
#[derive(Debug)]
struct Lazy {
    parts: Vec<Part>,
    width: usize,
}

impl Maker for Lazy {
    fn make(&self, rows: &[u32], features: &mut [f32]) {
        features.fill(0.0);
        let (mut start, mut days) = (0, Vec::new());
        for part in &self.parts {
            let end = start + part.width;
            for (&row, features) in rows.iter().zip(features.chunks_mut(self.width)) {
                part.make(row as usize, &mut features[start..end], &mut days);
            }
            start = end;
        }
    }
}

impl Preprocessor {
    /// As [`Preprocessor::dataset`], of a table that nobody needs any more, and with features that are made when a batch asks for them: to the bit
    /// the same batches, in little more memory than the table's numbers need. Its [`Dataset::features`] are empty.
    ///
    /// ```
    /// use steepest::data::{Prepare, Table};
    /// let table = Table::parse("t.csv", b"city,size,y\nRome,1,2\nOslo,2,3\nLima,3,5\nRome,4,6\n")?;
    /// let fitted = Prepare::new().target("y").fit(&table)?;
    /// let (set, _) = fitted.dataset(&table)?;
    /// let (lazy, _) = fitted.lazy_dataset(table)?;
    /// assert!(lazy.features().is_empty());
    /// assert_eq!(lazy.features_of(&[2, 0]), set.features_of(&[2, 0]));
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Preprocessor::dataset`].
    pub fn lazy_dataset(&self, mut table: Table) -> Result<(Dataset, Vec<String>)> {
        let target = self.target.as_ref().ok_or_else(|| config("preprocessor", "it was fitted without a target: name one"))?;
        let labels: Labels = target.encode(&table)?;
        let mut notes = self.notes(&table)?;
        // Once for all that may be wrong, and for what is noticed.
        notes.extend(self.blocks(&table, super::preprocessor::BLOCK, |_| {})?);
        let mut parts = Vec::with_capacity(self.columns.len());
        for fitted in &self.columns {
            let column = table.taken(&fitted.name)?;
            parts.push(self.part(&table, fitted, column)?);
        }
        let width = self.width();
        let set = Dataset::made(Arc::new(Lazy { parts, width }), width, labels)?.with_feature_names(self.feature_names())?;
        let set = match target {
            Target::Classes { classes, .. } => set.with_class_names(classes.clone())?,
            _ => set,
        };
        Ok((set, notes))
    }

    /// What the features of a column are made of; its texts go.
    fn part(&self, table: &Table, fitted: &Fitted, column: Arc<Column>) -> Result<Part> {
        let format = self.formats.get(&fitted.name).cloned().unwrap_or_default();
        let rows = 0..table.len();
        let source = match &fitted.encoding {
            Encoding::Number { fill, shift, scale, clip } => {
                let numbers = if column.kind() == Kind::Number && column.format == format {
                    numbers_of(column)
                } else {
                    let number = |row| Ok(table.number(&column, row, &format)?.unwrap_or(f64::NAN));
                    Numbers::of(rows.map(number).collect::<Result<_>>()?)
                };
                Source::Number { numbers, fill: *fill, shift: *shift, scale: *scale, clip: *clip }
            }
            Encoding::YesNo { fill } => {
                let flag = |row| match column.text(row) {
                    Some(text) => table.flag(&column, row, text).map(f64::from),
                    None => Ok(f64::NAN),
                };
                Source::YesNo { numbers: Numbers::of(rows.map(flag).collect::<Result<_>>()?), fill: *fill }
            }
            Encoding::Date(parts) => {
                let days = if column.kind() == Kind::Date && column.order == Some(parts.order) {
                    numbers_of(column)
                } else {
                    let day = |row| Ok(table.date(&column, row, parts)?.unwrap_or(f64::NAN));
                    Numbers::of(rows.map(day).collect::<Result<_>>()?)
                };
                Source::Date { days, parts: parts.clone() }
            }
            Encoding::Category { categories, rare, missing } => {
                let mut working = Working::new(fitted, &column, format, self.unknown);
                let known = categories.len();
                let own = fitted.width() - usize::from(fitted.was_missing);
                let code = |row| {
                    Ok(match working.category(table, row, missing, known)? {
                        Place::Of(place) => place + 1,
                        Place::Rare => rare.as_ref().map_or(0, |_| known + 1),
                        Place::Missing => own,
                        Place::None => 0,
                    } as u32)
                };
                let codes = Codes::of(rows.map(code).collect::<Result<_>>()?);
                let missing =
                    if fitted.was_missing { (0..table.len()).map(|row| column.text(row).is_none()).collect() } else { vec![] };
                let (width, was_missing) = (fitted.width(), fitted.was_missing);
                return Ok(Part { source: Source::Category(codes), width, was_missing, missing });
            }
            Encoding::Index { categories, missing, .. } => {
                let mut working = Working::new(fitted, &column, format, self.unknown);
                let known = categories.len();
                let code = |row| {
                    Ok(match working.category(table, row, missing, known)? {
                        Place::Of(place) => place + 1,
                        Place::Missing => known + 1,
                        Place::Rare | Place::None => 0,
                    } as u32)
                };
                Source::Index(Codes::of(rows.map(code).collect::<Result<_>>()?))
            }
        };
        Ok(Part { source, width: fitted.width(), was_missing: fitted.was_missing, missing: vec![] })
    }
}

/// The numbers of a column: moved, if nobody else has it.
fn numbers_of(column: Arc<Column>) -> Numbers {
    Arc::try_unwrap(column).map_or_else(|shared| shared.numbers.clone(), |own| own.numbers)
}
