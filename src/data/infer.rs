//! What a column is: finds the kind of its fields, how its numbers or dates are written, and which texts stand for a missing value.

use super::compact::{Fields, Numbers};
use super::csv::shortened;
use super::dates::{self, DateOrder};
use super::numbers::{self, NumberFormat, Said, not_finite, plain};
use super::table::{Column, Kind, Marker, Table};
use crate::error::{Error, Result};
use std::collections::HashSet;

/// More different texts than this, of which most occur once, are not categories but text.
const MOST_CATEGORIES: usize = 50;
/// From so many rows on, texts that all differ are names of the rows.
const NAMES: usize = 10;
/// Up to so many different numbers may be categories; more are numbers, among which a text is a mistake.
const FEW_NUMBERS: usize = 20;
/// Up to so many different texts among numbers are taken for mistakes, or for ways to say that a value is missing.
const FEW_TEXTS: usize = 3;

/// What a text column's fields say where there is nothing: never the name of anything.
const NOTHING: [&str; 18] = [
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN",
    "n/a", "nan", "null", "NaT",
];
/// The same among numbers and dates, where they can be nothing else. (In a column of texts `None` is as good an answer as any.)
const NO_NUMBER: [&str; 16] =
    ["?", "-", "--", "---", ".", "..", "None", "none", "NONE", "Null", "na", "n.a.", "N.A.", "\u{2013}", "\u{2014}", "#DIV/0!"];

fn nothing(text: &str) -> bool {
    text.len() <= 9 && NOTHING.contains(&text)
}

fn no_number(text: &str) -> bool {
    nothing(text) || (text.len() <= 9 && NO_NUMBER.contains(&text))
}

/// What decides about all columns of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rules {
    /// Whether the usual markers count as missing.
    pub(super) usual_markers: bool,
    /// Whether what is otherwise guessed is refused.
    pub(super) strict: bool,
    pub(super) numbers: Said,
    pub(super) dates: Option<DateOrder>,
}

/// What is known of a column before its fields are seen.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expected {
    Nothing,
    /// The user says so.
    Kind(Kind),
    /// As in the training rows of a model: numbers of this format.
    Number(NumberFormat),
    Date(DateOrder),
    /// Texts, among which these are values though they look like nothing.
    Text(Vec<String>),
}

/// A column, or one whose commas nobody has decided yet.
pub(super) enum Inferred {
    Done(Column),
    Open { name: String, fields: Fields },
}

/// What a field holds, at first sight.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    Missing,
    /// A number as programs write it.
    Plain,
    /// What may stand for a missing value.
    Marker,
    Other,
}

/// One column on its way.
struct Look<'t> {
    table: &'t Table,
    rules: &'t Rules,
    name: String,
    fields: Fields,
    seen: Vec<Seen>,
    /// The numbers that are plainly written; NaN of all else.
    plain: Vec<f64>,
}

/// Finds the kind, or checks the one expected, and keeps the numbers.
pub(super) fn column(table: &Table, name: String, fields: Fields, expected: &Expected, rules: &Rules) -> Result<Inferred> {
    let rows = table.lines.len();
    let mut look = Look { table, rules, name, fields, seen: vec![Seen::Missing; rows], plain: vec![f64::NAN; rows] };
    for row in 0..rows {
        let Some(text) = look.fields.get(row) else { continue };
        look.seen[row] = match plain(text) {
            Some(x) => {
                look.plain[row] = x;
                Seen::Plain
            }
            None if rules.usual_markers && no_number(text) => Seen::Marker,
            None => Seen::Other,
        };
    }
    Ok(Inferred::Done(match expected {
        Expected::Nothing => return look.infer(),
        Expected::Kind(kind) => look.declared(*kind)?,
        Expected::Number(format) => look.into_numbers(format.clone()),
        Expected::Date(order) => look.into_dates(*order),
        Expected::Text(known) => look.into_texts(Kind::Category, known, None),
    }))
}

/// A column whose commas mean what is said now.
pub(super) fn settle(table: &Table, name: String, fields: Fields, rules: &Rules, decimal: char) -> Result<Column> {
    let rules = Rules { numbers: Said { decimal: Some(decimal), thousands: None }, ..rules.clone() };
    match column(table, name, fields, &Expected::Nothing, &rules)? {
        Inferred::Done(column) => Ok(column),
        Inferred::Open { name, fields } => Err(undecided(table, &name, &fields)),
    }
}

/// Commas of which nobody knows what they mean.
pub(super) fn undecided(table: &Table, name: &str, fields: &Fields) -> Error {
    let row = (0..table.lines.len()).find(|&row| fields.get(row).is_some_and(|text| text.contains(','))).unwrap_or(0);
    let text = shortened(fields.get(row).unwrap_or(""));
    let expected = "numbers of which it is known whether the comma stands between thousands or before a fraction";
    let advice = "say which of the two: thousands `,` or decimal `,`; or declare the column a category";
    table.error(table.line(row), Some(name), format!("`{text}`"), expected, advice)
}

/// `1 field`, `2 fields`.
pub(super) fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// The pairs that yes/no columns are written in, in small letters.
const PAIRS: [(&str, &str); 4] = [("no", "yes"), ("false", "true"), ("n", "y"), ("f", "t")];

pub(super) fn yes_no(text: &str) -> Option<bool> {
    PAIRS.iter().find_map(|(no, yes)| match text {
        _ if text.eq_ignore_ascii_case(no) => Some(false),
        _ if text.eq_ignore_ascii_case(yes) => Some(true),
        _ => None,
    })
}

/// Whether the texts are one pair: of letters both must occur, for a column of nothing but `f` may be anything.
fn is_yes_no<'t>(texts: impl Iterator<Item = &'t str> + Clone) -> bool {
    PAIRS.iter().any(|(no, yes)| {
        let all = texts.clone().all(|t| t.eq_ignore_ascii_case(no) || t.eq_ignore_ascii_case(yes));
        all && (no.len() > 1 || [no, yes].iter().all(|x| texts.clone().any(|t| t.eq_ignore_ascii_case(x))))
    })
}

impl Look<'_> {
    /// The rows that hold a value.
    fn values(&self) -> impl Iterator<Item = usize> + Clone {
        self.seen.iter().enumerate().filter(|(_, seen)| matches!(seen, Seen::Plain | Seen::Other)).map(|(row, _)| row)
    }

    /// The rows of one sort.
    fn with(&self, sort: Seen) -> impl Iterator<Item = usize> + Clone {
        self.seen.iter().enumerate().filter(move |&(_, &seen)| seen == sort).map(|(row, _)| row)
    }

    fn text(&self, row: usize) -> &str {
        self.fields.get(row).unwrap_or("")
    }

    fn here(&self, row: usize, expected: impl Into<String>, advice: &str) -> Error {
        self.table.error(self.table.line(row), Some(&self.name), format!("`{}`", shortened(self.text(row))), expected, advice)
    }

    fn declared(self, kind: Kind) -> Result<Column> {
        let advice = "correct it, or name it as missing";
        Ok(match kind {
            Kind::Number => {
                let format = self.numbers().map_or_else(NumberFormat::default, |found| found.format);
                if let Some(row) = self.values().find(|&row| format.parse(self.text(row)).is_none()) {
                    return Err(self.here(row, "a finite number, as declared", advice));
                }
                self.into_numbers(format)
            }
            Kind::Date => {
                let found = dates::find(|| self.values().map(|row| self.text(row)), self.rules.dates);
                let order = found.map_or(DateOrder::YearMonthDay, |found| found.order);
                if let Some(row) = self.values().find(|&row| order.parse(self.text(row)).is_none()) {
                    return Err(self.here(row, "a date, as declared", advice));
                }
                self.into_dates(order)
            }
            Kind::YesNo => {
                if let Some(row) = self.values().find(|&row| yes_no(self.text(row)).is_none()) {
                    return Err(self.here(row, "yes or no, as declared", advice));
                }
                self.into_texts(Kind::YesNo, &[], None)
            }
            Kind::Empty => {
                if let Some(row) = self.values().next() {
                    return Err(self.here(row, "nothing, as declared", "declare another kind"));
                }
                self.into_empty()
            }
            kind => self.into_texts(kind, &[], None),
        })
    }

    /// The format that most of the numbers have, plain or not.
    fn numbers(&self) -> Option<numbers::Found> {
        let plain = |fit: usize| (fit > 0).then_some(numbers::Found { format: NumberFormat::default(), fit, open: false });
        let all_plain = self.with(Seen::Plain).count();
        let digits = |row: usize| self.text(row).bytes().any(|b| b.is_ascii_digit());
        let odd = self.with(Seen::Other);
        // With a decimal comma a plain `1.234` is something else.
        let usual = self.rules.numbers.decimal != Some(',') && self.rules.numbers.thousands != Some('.');
        if usual && !odd.clone().take(1000).any(digits) {
            return plain(all_plain);
        }
        let first = || odd.clone().chain(self.with(Seen::Plain)).map(|row| self.text(row));
        match numbers::find(first, self.rules.numbers) {
            // Nothing else fits the whole column, which a program has written for programs.
            Some(found) if found.fit < self.values().count() && odd.clone().next().is_none() => plain(all_plain),
            None => plain(all_plain),
            found => found,
        }
    }

    fn infer(self) -> Result<Inferred> {
        let present = self.values().count();
        if present == 0 {
            let says = self.with(Seen::Marker).count() == 0 || self.with(Seen::Marker).all(|row| nothing(self.text(row)));
            let one = self.with(Seen::Marker).map(|row| self.text(row)).collect::<HashSet<_>>().len() == 1;
            // Nothing but `-` is nothing, too; `None` and `?` in turn may be two answers.
            return Ok(Inferred::Done(if says || one { self.into_empty() } else { self.into_words(None) }));
        }
        let numbers = self.numbers();
        if let Some(found) = &numbers
            && found.fit == present
        {
            if found.open {
                return Ok(Inferred::Open { name: self.name, fields: self.fields });
            }
            return Ok(Inferred::Done(self.into_numbers(found.format.clone())));
        }
        if self.with(Seen::Other).all(|row| not_finite(self.text(row))) {
            // Every field reads as a number, and some are infinite or not a number.
            let row = self.with(Seen::Other).next().unwrap_or(0);
            return Err(self.here(row, "a finite number", "correct it, or name it as missing: numbers must be finite"));
        }
        let dates = dates::find(|| self.values().map(|row| self.text(row)), self.rules.dates);
        if let Some(found) = dates.filter(|found| found.fit == present) {
            if !found.open {
                return Ok(Inferred::Done(self.into_dates(found.order)));
            }
            let row = self.values().next().unwrap_or(0);
            if self.rules.strict {
                let advice = "say in which order they stand: the day first (d/m/y) or the month first (m/d/y)";
                return Err(self.here(row, "a date of which it is known what the day is, and what the month", advice));
            }
            let first = shortened(self.text(row));
            let note = format!(
                "dates of which it is not known whether the day or the month comes first (`{first}`): left as text until that is said (d/m/y or m/d/y)"
            );
            return Ok(Inferred::Done(self.into_texts(Kind::Text, &[], Some(note))));
        }
        let numbers = numbers.map_or(Ok(None), |f| self.mixed(present, f.fit, "number", |text| f.format.parse(text)))?;
        let dates = dates.map_or(Ok(None), |f| self.mixed(present, f.fit, "date", |text| f.order.parse(text)))?;
        Ok(Inferred::Done(self.into_words(numbers.or(dates))))
    }

    /// Of a column in which `fit` fields are numbers (or dates) and the others are not: refused if the others look like mistakes, else a
    /// note.
    fn mixed(&self, present: usize, fit: usize, what: &str, parse: impl Fn(&str) -> Option<f64>) -> Result<Option<String>> {
        let odd = present - fit;
        let others = || self.values().filter(|&row| parse(self.text(row)).is_none());
        let Some(row) = others().next().filter(|_| fit > 0) else { return Ok(None) };
        let few = fit >= 2 && (odd == 1 || odd * 20 <= present);
        let mostly = fit * 2 > present;
        let different = || {
            let values: HashSet<u64> = self.values().filter_map(|row| parse(self.text(row))).map(f64::to_bits).collect();
            values.len() > FEW_NUMBERS
        };
        let one_text = || others().map(|row| self.text(row)).collect::<HashSet<_>>().len() <= FEW_TEXTS;
        if few || (mostly && (self.rules.strict || (one_text() && different()))) {
            let article = format!("a {what}, as in {fit} of {present} fields");
            return Err(self.here(row, article, "correct it, name it as missing, or declare the column a category"));
        }
        let line = self.table.line(row).unwrap_or(0);
        let (verb, whats) = if fit == 1 { ("is", format!("a {what}")) } else { ("are", format!("{what}s")) };
        Ok(Some(format!("{fit} of {present} fields {verb} {whats}, `{}` (line {line}) is not", shortened(self.text(row)))))
    }

    /// Counts the markers, and makes missing what `is_missing` says.
    fn mark(&mut self, is_missing: impl Fn(&str) -> bool) -> Vec<Marker> {
        let mut found: Vec<Marker> = Vec::new();
        for row in 0..self.seen.len() {
            if self.seen[row] != Seen::Marker {
                continue;
            }
            let text = self.fields.get(row).unwrap_or("").to_owned();
            let missing = is_missing(&text);
            match found.iter_mut().find(|marker| marker.text == text) {
                Some(marker) => marker.rows += 1,
                None => found.push(Marker { text, rows: 1, line: self.table.line(row).unwrap_or(0), missing }),
            }
            if missing {
                self.fields.lose(row);
            }
        }
        found
    }

    /// Numbers of a format; a column in which one is not stays text.
    fn into_numbers(mut self, format: NumberFormat) -> Column {
        let usual = format == NumberFormat::default();
        let mut numbers = std::mem::take(&mut self.plain);
        let mut example = None;
        for (row, number) in numbers.iter_mut().enumerate() {
            if self.seen[row] == Seen::Other || (!usual && self.seen[row] == Seen::Plain) {
                let Some(x) = format.parse(self.text(row)) else { return self.into_strange() };
                if example.is_none() && x != *number {
                    example = Some(shortened(self.text(row)));
                }
                *number = x;
            }
        }
        let note = example.map(|example| format.described(&example));
        let markers = self.mark(|_| true);
        Column { numbers: Numbers::of(numbers), note, format, markers, ..Column::new(self.name, Kind::Number, self.fields) }
    }

    /// Dates of an order, as days since 1970; a column in which one is not stays text.
    fn into_dates(mut self, order: DateOrder) -> Column {
        let mut numbers = vec![f64::NAN; self.seen.len()];
        self.values().for_each(|row| numbers[row] = order.parse(self.text(row)).unwrap_or(f64::NAN));
        if self.values().any(|row| numbers[row].is_nan()) {
            return self.into_strange();
        }
        let (first, last) = super::stats::min_max(&numbers.iter().copied().filter(|x| !x.is_nan()).collect::<Vec<_>>());
        let example =
            self.values().map(|row| self.text(row)).find(|text| !text.starts_with(&dates::iso(order.parse(text).unwrap_or(0.0))));
        let mut note = format!("dates from {} to {}", dates::iso(first), dates::iso(last));
        if let Some(text) = example {
            note += &format!(": `{}` is read as {}", shortened(text), dates::iso(order.parse(text).unwrap_or(0.0)));
        }
        let note = first.is_finite().then_some(note);
        let markers = self.mark(|_| true);
        Column {
            numbers: Numbers::of(numbers),
            note,
            order: Some(order),
            markers,
            ..Column::new(self.name, Kind::Date, self.fields)
        }
    }

    /// What should have been numbers or dates and is not: as it stands, for whoever tells the first row that does not fit.
    fn into_strange(mut self) -> Column {
        let markers = self.mark(|_| true);
        Column { markers, ..Column::new(self.name, Kind::Category, self.fields) }
    }

    fn into_empty(mut self) -> Column {
        let markers = self.mark(|_| true);
        Column { markers, ..Column::new(self.name, Kind::Empty, self.fields) }
    }

    /// Texts of a kind; `known` are values though they look like nothing.
    fn into_texts(mut self, kind: Kind, known: &[String], note: Option<String>) -> Column {
        let markers = self.mark(|text| nothing(text) && !known.iter().any(|known| known == text));
        let mut column = Column { note, markers, ..Column::new(self.name, kind, self.fields) };
        if kind == Kind::YesNo {
            let value = |row| column.fields.get(row).and_then(yes_no).map_or(f64::NAN, |yes| f64::from(u8::from(yes)));
            column.numbers = Numbers::of((0..column.fields.len()).map(value).collect());
        }
        column
    }

    /// Yes/no, categories or free text.
    fn into_words(self, mixed: Option<String>) -> Column {
        let mut column = self.into_texts(Kind::Category, &[], None);
        let texts = || (0..column.fields.len()).filter_map(|row| column.fields.get(row));
        if is_yes_no(texts()) {
            column.kind = Kind::YesNo;
            let value = |row| column.fields.get(row).and_then(yes_no).map_or(f64::NAN, |yes| f64::from(u8::from(yes)));
            column.numbers = Numbers::of((0..column.fields.len()).map(value).collect());
            return column;
        }
        let (present, different) = (texts().count(), texts().collect::<HashSet<_>>().len());
        let many = different > MOST_CATEGORIES && different * 2 > present;
        let said = mixed.map_or_else(String::new, |mixed| format!("{mixed}; "));
        if many || (different == present && present >= NAMES) {
            column.kind = Kind::Text;
            column.note = Some(format!("{said}{different} different texts in {}, left as text", counted(present, "field")));
        } else if !said.is_empty() {
            column.note = Some(format!("{said}taken as a category"));
        }
        column
    }
}

impl Column {
    /// Whether its numbers are written with a decimal point beyond doubt.
    pub(super) fn has_points(&self) -> bool {
        let point = || (0..self.fields.len()).any(|row| self.fields.get(row).is_some_and(|text| text.contains('.')));
        let usual = self.format.decimal == '.' && self.format.thousands.is_none();
        self.kind == Kind::Number
            && (self.format.thousands == Some(',') || (usual && point() && !self.points_between_thousands()))
    }

    /// Whether what was read as decimal points could be points between thousands: all numbers have three digits after them, or none and
    /// are below a thousand.
    pub(super) fn points_between_thousands(&self) -> bool {
        let thousands = NumberFormat { decimal: ',', thousands: Some('.'), unit: None };
        let mut points = false;
        self.kind == Kind::Number
            && self.format == NumberFormat::default()
            && (0..self.fields.len()).filter_map(|row| self.fields.get(row)).all(|text| {
                points |= text.contains('.');
                thousands.parse(text).is_some() && (text.contains('.') || text.trim_start_matches(['-', '+']).len() <= 3)
            })
            && points
    }
}
