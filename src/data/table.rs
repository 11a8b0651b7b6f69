//! `Table`: named columns of text as a file has them, each with the kind that was inferred or declared for it.

use super::compact::{Fields, Lines, Numbers};
use super::dates::DateOrder;
use super::numbers::NumberFormat;
use super::spelling::{number_key, spelled};
use crate::error::{Error, Result, TableError};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// What a column's fields are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Finite numbers.
    Number,
    /// One of a few texts.
    Category,
    /// `yes`/`no`, `true`/`false`, `y`/`n` or `t`/`f`, in any case.
    YesNo,
    /// Dates, with or without a time of day.
    Date,
    /// Texts of which most occur once: names, remarks.
    Text,
    /// Nothing but missing values.
    Empty,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Number => "number",
            Kind::Category => "category",
            Kind::YesNo => "yes/no",
            Kind::Date => "date",
            Kind::Text => "text",
            Kind::Empty => "empty",
        })
    }
}

/// A text that usually stands for a missing value, as found in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The text.
    pub text: String,
    /// How many rows have it.
    pub rows: usize,
    /// The line of the first.
    pub line: u64,
    /// Whether it was taken for a missing value; else for a value like any other.
    pub missing: bool,
}

/// One column of a [`Table`].
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) fields: Fields,
    /// Of numbers, yes/no (1 and 0) and dates (days since 1970) the values, NaN where missing; of other kinds nothing.
    pub(super) numbers: Numbers,
    pub(super) note: Option<String>,
    /// Of numbers.
    pub(super) format: NumberFormat,
    /// Of dates.
    pub(super) order: Option<DateOrder>,
    pub(super) markers: Vec<Marker>,
}

impl Column {
    pub(super) fn new(name: String, kind: Kind, fields: Fields) -> Column {
        let (numbers, note, format, markers) = (Numbers::default(), None, NumberFormat::default(), Vec::new());
        Column { name, kind, fields, numbers, note, format, order: None, markers }
    }

    /// The name in the header.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind inferred or declared.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How its numbers are written; `None` of other kinds.
    pub fn format(&self) -> Option<&NumberFormat> {
        (self.kind == Kind::Number).then_some(&self.format)
    }

    /// The texts in it that usually stand for a missing value, and whether they were taken for one here.
    pub fn markers(&self) -> &[Marker] {
        &self.markers
    }

    /// The rows whose numbers have nothing to do with the others: far outside, with a wide gap between (999999 among numbers up to 10,
    /// or -999). They are mistakes, or stand for a missing value. The tail of a skewed column is not among them.
    pub fn far_outside(&self) -> Vec<usize> {
        if self.kind != Kind::Number {
            return Vec::new();
        }
        let present = self.numbers.present();
        let (low, high) = super::stats::fences(&present);
        self.numbers.iter().enumerate().filter(|&(_, x)| x < low || x > high).map(|(row, _)| row).collect()
    }

    /// What a person should know about the column, if anything (how its numbers are written, numbers among the texts).
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// The text of a row, without spaces around it; `None` where the value is missing, or the row is after the last.
    pub fn text(&self, row: usize) -> Option<&str> {
        if row < self.fields.len() { self.fields.get(row) } else { None }
    }

    /// The number of a row, 1 or 0 of yes/no, the days since 1970-01-01 of a date (with the time as a fraction); `None` where it is missing, of
    /// other kinds, and after the last row.
    pub fn number(&self, row: usize) -> Option<f64> {
        (row < self.numbers.len()).then(|| self.numbers.at(row)).filter(|x| !x.is_nan())
    }

    /// How many values are missing.
    pub fn missing(&self) -> usize {
        self.fields.missing()
    }

    /// The number of rows.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// The text that stands for a row's class: of a number its shortest form (3 and 3.0 are the same), of yes/no in small letters.
    pub(super) fn key(&self, row: usize) -> Option<Cow<'_, str>> {
        let text = self.text(row)?;
        Some(match self.kind {
            Kind::Number => number_key(self.numbers.at(row), text),
            Kind::YesNo => Cow::Owned(text.to_lowercase()),
            _ => Cow::Borrowed(text),
        })
    }

    /// Whether all values that are there are the same.
    pub(super) fn is_constant(&self) -> bool {
        let mut keys = (0..self.fields.len()).filter_map(|row| self.key(row));
        match self.kind {
            Kind::Number => {
                let mut there = self.numbers.iter().filter(|x| !x.is_nan());
                there.next().is_some_and(|first| there.all(|x| x == first))
            }
            _ => keys.next().is_some_and(|first| keys.all(|key| key == first)),
        }
    }

    /// How many rows each class has, in order of their first row.
    pub(super) fn counts(&self) -> Vec<(String, usize)> {
        let mut at: HashMap<Cow<'_, str>, usize> = HashMap::new();
        let mut counts: Vec<(String, usize)> = Vec::new();
        for key in (0..self.fields.len()).filter_map(|row| self.key(row)) {
            let next = counts.len();
            match *at.entry(key.clone()).or_insert(next) {
                place if place == next => counts.push((key.into_owned(), 1)),
                place => counts[place].1 += 1,
            }
        }
        counts
    }

    fn rows(&self, rows: &[usize]) -> Column {
        let mut fields = Fields::default();
        rows.iter().for_each(|&row| fields.push(self.fields.get(row)));
        fields.shrink();
        let numbers = if self.numbers.is_empty() { Numbers::default() } else { self.numbers.rows(rows) };
        let (name, note, format, markers) = (self.name.clone(), self.note.clone(), self.format.clone(), self.markers.clone());
        Column { name, kind: self.kind, fields, numbers, note, format, order: self.order, markers }
    }
}

/// A table as read from a file: columns with names and kinds, rows that know their lines. Cheap to clone.
///
/// ```
/// use steepest::data::{Kind, Table};
/// let table = Table::parse("rooms.csv", b"rooms,alley,price\nNA,Pave,127500\n2,NA,106000\n4,NA,178100\n")?;
/// assert_eq!((table.len(), table.column("rooms")?.kind()), (3, Kind::Number));
/// assert_eq!(table.column("alley")?.missing(), 2);
/// let complete = table.without_missing_rows(&["rooms"])?;
/// assert_eq!(complete.column("price")?.number(0), Some(106_000.0));
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub(super) path: PathBuf,
    pub(super) columns: Vec<Arc<Column>>,
    /// The line in the file of each row, from 1.
    pub(super) lines: Lines,
    /// What was skipped or supplied when the file was read.
    pub(super) notes: Vec<String>,
    /// Where the columns are by name, once somebody has asked.
    places: Places,
}

/// The place of each column by its name; not a part of what a table is.
#[derive(Clone, Debug, Default)]
struct Places(Arc<OnceLock<HashMap<String, usize>>>);

impl PartialEq for Places {
    fn eq(&self, _: &Places) -> bool {
        true
    }
}

impl Table {
    /// Reads a file with the settings of [`Csv::new`](super::Csv::new).
    ///
    /// # Errors
    /// As [`Csv::read`](super::Csv::read).
    pub fn read(path: impl AsRef<Path>) -> Result<Table> {
        super::Csv::new().read(path)
    }

    /// Reads what [`Table::read`] would from a file of these bytes; `name` stands for the path in errors.
    ///
    /// # Errors
    /// As [`Csv::read`](super::Csv::read).
    pub fn parse(name: impl AsRef<Path>, bytes: &[u8]) -> Result<Table> {
        super::Csv::new().parse(name, bytes)
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The file, or the name given for it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was skipped or supplied when the file was read: comment lines, lines above the header, a name.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The columns in order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &Column> {
        self.columns.iter().map(|column| &**column)
    }

    /// The names of the columns, in order.
    pub fn names(&self) -> Vec<&str> {
        self.columns().map(Column::name).collect()
    }

    fn place(&self, name: &str) -> Option<usize> {
        let all = || self.columns().enumerate().map(|(place, column)| (column.name.clone(), place)).collect();
        self.places.0.get_or_init(all).get(name).copied()
    }

    /// A table of these columns and rows.
    pub(super) fn of(path: PathBuf, columns: Vec<Arc<Column>>, lines: Lines, notes: Vec<String>) -> Table {
        Table { path, columns, lines, notes, places: Places::default() }
    }

    /// Whether there is a column of that name.
    pub fn has(&self, name: &str) -> bool {
        self.place(name).is_some()
    }

    /// The column of that name.
    ///
    /// # Errors
    /// [`Error::Table`]: there is none; the message lists those there are.
    pub fn column(&self, name: &str) -> Result<&Column> {
        self.place(name).map(|place| &*self.columns[place]).ok_or_else(|| {
            let names = self.names();
            let some: Vec<String> = names.iter().take(20).map(|n| format!("`{n}`")).collect();
            let more = if names.len() > 20 { format!(" and {} more", names.len() - 20) } else { String::new() };
            self.error(
                Some(1),
                Some(name),
                format!("no such column among {}{more}", some.join(", ")),
                "a column of that name",
                "check the spelling, or whether this is the right table",
            )
        })
    }

    /// The line in the file of a row, from 1.
    pub fn line(&self, row: usize) -> Option<u64> {
        self.lines.at(row)
    }

    /// The given rows, in the given order; a row may come more than once.
    ///
    /// # Errors
    /// [`Error::Config`]: a row that does not exist.
    pub fn rows(&self, rows: &[usize]) -> Result<Table> {
        self.exist(rows)?;
        if rows.len() == self.len() && rows.iter().enumerate().all(|(i, &row)| i == row) {
            return Ok(self.clone());
        }
        let columns = self.columns.iter().map(|column| Arc::new(column.rows(rows))).collect();
        Ok(Table::of(self.path.clone(), columns, self.lines.rows(rows), self.notes.clone()))
    }

    /// As [`Table::parts`](super::Table::parts), of a table that nobody needs any more: its columns go one by one, so that no more memory is taken
    /// than one of them needs.
    ///
    /// # Errors
    /// [`Error::Config`]: a row that does not exist.
    pub fn into_parts(self, parts: &super::Parts) -> Result<(Table, Table, Table)> {
        let each = [&parts.train, &parts.validation, &parts.test];
        for rows in each {
            self.exist(rows)?;
        }
        let mut columns = each.map(|_| Vec::with_capacity(self.columns.len()));
        for column in self.columns {
            columns.iter_mut().zip(each).for_each(|(columns, rows)| columns.push(Arc::new(column.rows(rows))));
        }
        let [train, validation, test] = columns;
        let of = |columns, rows: &[usize]| Table::of(self.path.clone(), columns, self.lines.rows(rows), self.notes.clone());
        Ok((of(train, &parts.train), of(validation, &parts.validation), of(test, &parts.test)))
    }

    /// A column, taken out of the table: what is left has no texts and no numbers.
    pub(super) fn taken(&mut self, name: &str) -> Result<Arc<Column>> {
        let (kind, place) = (self.column(name)?.kind, self.place(name).unwrap_or(0));
        let empty = Arc::new(Column::new(name.to_owned(), kind, Fields::default()));
        Ok(std::mem::replace(&mut self.columns[place], empty))
    }

    fn exist(&self, rows: &[usize]) -> Result<()> {
        match rows.iter().find(|&&row| row >= self.len()) {
            Some(&row) => Err(super::config("table", format!("row {row} is out of range 0..{}", self.len()))),
            None => Ok(()),
        }
    }

    /// The table without some columns.
    ///
    /// # Errors
    /// [`Error::Table`]: one of them does not exist.
    pub fn without(&self, names: &[impl AsRef<str>]) -> Result<Table> {
        names.iter().try_for_each(|name| self.column(name.as_ref()).map(drop))?;
        Ok(self.keeping(|column| !names.iter().any(|name| name.as_ref() == column.name)))
    }

    /// The table without the rows in which one of these columns is missing; without those in which any is, if none is named.
    ///
    /// # Errors
    /// [`Error::Table`]: one of the columns does not exist.
    pub fn without_missing_rows(&self, names: &[impl AsRef<str>]) -> Result<Table> {
        let asked: Vec<&Column> = match names {
            [] => self.columns().collect(),
            names => names.iter().map(|name| self.column(name.as_ref())).collect::<Result<_>>()?,
        };
        let rows: Vec<usize> = (0..self.len()).filter(|&row| asked.iter().all(|column| column.text(row).is_some())).collect();
        self.rows(&rows)
    }

    /// The table without the columns of which more than this share of the rows is missing: 0 leaves only complete columns.
    pub fn without_missing_columns(&self, most: f64) -> Table {
        self.keeping(|column| column.missing() as f64 <= most * self.len() as f64)
    }

    /// Of a column the class of each row, as a number, and the texts of the classes in order: by value if all are numbers, `no`
    /// before `yes`, else by text; each as it is spelled in most rows. For [`stratified_folds`](super::stratified_folds) and [`stratified_parts`](super::stratified_parts).
    ///
    /// # Errors
    /// [`Error::Table`]: no such column, or a value is missing.
    pub fn classes(&self, name: &str) -> Result<(Vec<u32>, Vec<String>)> {
        let column = self.column(name)?;
        let names = class_order(column);
        let at: HashMap<&str, u32> = names.iter().enumerate().map(|(i, n)| (n.as_str(), i as u32)).collect();
        let class = |row| column.key(row).map(|key| at[&*key]).ok_or_else(|| self.missing(column, row));
        Ok(((0..self.len()).map(class).collect::<Result<_>>()?, spelled(column, &names)))
    }

    fn keeping(&self, keep: impl Fn(&Column) -> bool) -> Table {
        let columns = self.columns.iter().filter(|column| keep(column)).cloned().collect();
        Table::of(self.path.clone(), columns, self.lines.clone(), self.notes.clone())
    }

    /// A missing value where there must be one.
    pub(super) fn missing(&self, column: &Column, row: usize) -> Error {
        let advice = format!("fill it in, or leave such rows out (`without_missing_rows`): {} in this column", column.missing());
        self.error(self.line(row), Some(&column.name), "a missing value", "a value", advice)
    }

    pub(super) fn error(
        &self,
        line: Option<u64>,
        column: Option<&str>,
        found: impl Into<String>,
        expected: impl Into<String>,
        advice: impl Into<String>,
    ) -> Error {
        Error::Table(Box::new(TableError {
            path: self.path.clone(),
            line,
            column: column.map(str::to_owned),
            found: found.into(),
            expected: expected.into(),
            advice: advice.into(),
        }))
    }
}

/// The classes of a column in the order of their numbers.
pub(super) fn class_order(column: &Column) -> Vec<String> {
    let mut names: Vec<String> = column.counts().into_iter().map(|(key, _)| key).collect();
    let value = |key: &str| match column.kind {
        Kind::YesNo => super::infer::yes_no(key).map(|yes| f64::from(u8::from(yes))),
        _ => key.parse::<f64>().ok().filter(|x| x.is_finite()),
    };
    let values: Option<Vec<f64>> = names.iter().map(|name| value(name)).collect();
    names.sort();
    if values.is_some() {
        names.sort_by(|a, b| value(a).unwrap_or(0.0).total_cmp(&value(b).unwrap_or(0.0)));
    }
    names
}
