//! `Csv`: reads a comma-separated file into a [`Table`], strictly, and finds out what its columns are.

use super::table::{Column, Fields, Kind, Table};
use crate::error::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// More different texts than this, of which most occur once, are not categories but text.
const MOST_CATEGORIES: usize = 50;

/// What else may stand between fields, and its name in messages.
const DELIMITERS: [(u8, &str); 4] = [(b';', "`;`"), (b'\t', "a tab"), (b'|', "`|`"), (b',', "`,`")];

/// How to read a comma-separated file.
///
/// What is read: UTF-8 with or without a byte order mark; lines ended by LF, CRLF or CR, also mixed; fields in quotes, `""` for a
/// quote, with line ends in them; spaces around fields are dropped, lines without anything are skipped. What is refused, each with
/// file, line, column, what was found and what to do: an empty file or only a header, no header, a column without a name or two of
/// one, rows of another length, quotes that never end or end inside a field, NUL, other encodings, numbers that are not finite.
///
/// Kinds are inferred: *yes/no*, *number*, *date*, *category*, or *text* where more than 50 texts differ and most occur once. A column
/// of numbers with one other text, or with at most one in twenty, is taken for a column of numbers with mistakes, and refused.
///
/// ```
/// use steepest::data::{Csv, Kind};
/// let csv = Csv::new().missing(["", "?"]).delimiter(b';').kind("zone", Kind::Category);
/// let table = csv.parse("plots.csv", b"zone;area\n1;20.5\n2;?\n")?;
/// assert_eq!((table.column("zone")?.kind(), table.column("area")?.missing()), (Kind::Category, 1));
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "settings read nothing; end with read or parse"]
pub struct Csv {
    missing: Vec<String>,
    kinds: Vec<(String, Kind)>,
    header: Option<bool>,
    delimiter: u8,
}

impl Default for Csv {
    fn default() -> Csv {
        Csv::new()
    }
}

impl Csv {
    /// Commas, a header, and as missing: nothing at all, `NA`, `NaN` and `nan`.
    pub fn new() -> Csv {
        let missing = ["", "NA", "NaN", "nan"].map(str::to_owned).to_vec();
        Csv { missing, kinds: Vec::new(), header: None, delimiter: b',' }
    }

    /// The texts that stand for a missing value, instead of those there were. An empty field is always missing.
    pub fn missing(mut self, texts: impl IntoIterator<Item = impl Into<String>>) -> Csv {
        self.missing = texts.into_iter().map(Into::into).collect();
        self
    }

    /// What a column is, instead of what would be inferred. A field that does not fit is an error.
    pub fn kind(mut self, column: impl Into<String>, kind: Kind) -> Csv {
        self.kinds.push((column.into(), kind));
        self
    }

    /// Whether the first line holds names; without, columns are named `column1` and so on. If nothing is said, a first line of
    /// nothing but numbers is refused.
    pub fn header(mut self, there: bool) -> Csv {
        self.header = Some(there);
        self
    }

    /// What stands between fields: `,` at first.
    pub fn delimiter(mut self, delimiter: u8) -> Csv {
        self.delimiter = delimiter;
        self
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::File`]: it cannot be read. [`Error::Table`] with file, line, column, what was found and what to do: see [`Csv`].
    /// [`Error::Config`]: a delimiter that is a quote, a line end or not ASCII.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Table> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
        self.parse(path, &bytes)
    }

    /// Reads what [`Csv::read`] would from a file of these bytes; `name` stands for the path in errors.
    ///
    /// # Errors
    /// As [`Csv::read`].
    pub fn parse(&self, name: impl AsRef<Path>, bytes: &[u8]) -> Result<Table> {
        if !self.delimiter.is_ascii() || matches!(self.delimiter, b'"' | b'\r' | b'\n' | 0) {
            let found = char::from(self.delimiter).escape_default();
            return Err(super::config("delimiter", format!("found `{found}`, expected an ASCII character such as `,` or `;`")));
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut table = Table { path: name.as_ref().to_owned(), columns: Vec::new(), lines: Vec::new() };
        self.strict(&table, bytes)?;
        let (names, fields) = self.records(&mut table, bytes)?;
        if let Some((column, _)) = self.kinds.iter().find(|(column, _)| !names.contains(column)) {
            let expected = "a column of the name for which a kind was declared";
            return Err(table.error(Some(1), Some(column), "no such column", expected, "check the spelling"));
        }
        for (name, fields) in names.into_iter().zip(fields) {
            let declared = self.kinds.iter().rev().find(|(column, _)| *column == name).map(|&(_, kind)| kind);
            let column = column(&table, name, fields, declared)?;
            table.columns.push(Arc::new(column));
        }
        Ok(table)
    }

    /// What a lenient reader would let pass.
    fn strict(&self, table: &Table, bytes: &[u8]) -> Result<()> {
        let place = |walk: &Walk, found: &str, expected: &str, advice: &str| {
            let name = self.name_at(bytes, walk.line, walk.field);
            Err(table.error(Some(walk.line), Some(&name), found, expected, advice))
        };
        if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] = bytes {
            return place(&Walk::START, "the start of a UTF-16 text", "UTF-8", "save the file as UTF-8");
        }
        if let Some(at) = bytes.iter().position(|&b| b == 0) {
            let walk = Walk::to(&bytes[..at], self.delimiter);
            return place(&walk, "a NUL byte", "text", "is this a text file, and complete? Remove the byte");
        }
        if let Err(error) = std::str::from_utf8(bytes) {
            let at = error.valid_up_to();
            let walk = Walk::to(&bytes[..at], self.delimiter);
            let found = format!("the byte {:02x}, which is not UTF-8", bytes[at]);
            return place(&walk, &found, "UTF-8", "save the file as UTF-8 (it may be Latin-1 or Windows-1252)");
        }
        let walk = Walk::to(bytes, self.delimiter);
        if let Some((line, field)) = walk.after_quote {
            let walk = Walk { line, field, ..walk };
            return place(&walk, "text behind a closing quote", "the end of the field", "write a quote inside a field as `\"\"`");
        }
        if let (State::Quoted, (line, field)) = (walk.state, walk.opened) {
            let walk = Walk { line, field, ..walk };
            return place(
                &walk,
                "a quote that is never closed",
                "a closing `\"`",
                "close it, or write a quote inside a field as `\"\"`",
            );
        }
        Ok(())
    }

    /// The name of a column by its number, as far as the header can be read; else the number.
    fn name_at(&self, bytes: &[u8], line: u64, field: usize) -> String {
        let mut header = ::csv::ByteRecord::new();
        let read = self.reader(bytes).read_byte_record(&mut header).unwrap_or(false);
        let name = header.get(field).map(|name| String::from_utf8_lossy(name).trim().to_owned()).filter(|name| !name.is_empty());
        match name {
            Some(name) if read && line > 1 && self.header != Some(false) => name,
            _ => format!("{}", field + 1),
        }
    }

    fn reader<'b>(&self, bytes: &'b [u8]) -> ::csv::Reader<&'b [u8]> {
        ::csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(self.delimiter).from_reader(bytes)
    }

    fn records(&self, table: &mut Table, bytes: &[u8]) -> Result<(Vec<String>, Vec<Fields>)> {
        let mut reader = self.reader(bytes);
        let mut record = ::csv::StringRecord::new();
        let mut lines = Lines { bytes, at: 0, line: 1 };
        let (mut names, mut fields): (Vec<String>, Vec<Fields>) = (Vec::new(), Vec::new());
        loop {
            let start = reader.position().byte() as usize;
            let more = reader.read_record(&mut record).map_err(|e| Error::file(&table.path, format!("cannot be read: {e}")))?;
            if !more {
                break;
            }
            let line = lines.at_record(start);
            record.trim();
            if names.is_empty() {
                names = self.names(table, line, &record)?;
                fields.resize_with(names.len(), Fields::default);
                if self.header != Some(false) {
                    continue;
                }
            }
            if record.len() != names.len() {
                return Err(ragged(table, line, &names, &record));
            }
            for (fields, text) in fields.iter_mut().zip(&record) {
                fields.push((!text.is_empty() && !self.missing.iter().any(|m| m == text)).then_some(text));
            }
            table.lines.push(line);
        }
        if names.is_empty() {
            return Err(table.error(Some(1), None, "nothing", "a line with the names of the columns", "is this the right file?"));
        }
        if table.lines.is_empty() {
            let next = lines.line + 1;
            return Err(table.error(Some(next), None, "no rows behind the header", "at least one", "is the file complete?"));
        }
        Ok((names, fields))
    }

    fn names(&self, table: &Table, line: u64, record: &::csv::StringRecord) -> Result<Vec<String>> {
        let number = |i: usize| (i + 1).to_string();
        let only = record.get(0).unwrap_or("");
        let other = DELIMITERS.iter().find(|&&(d, _)| d != self.delimiter && only.contains(char::from(d)));
        if let (1, Some((_, name))) = (record.len(), other) {
            let found = format!("one column `{}`", shortened(only));
            let expected = format!("names with `{}` between them", char::from(self.delimiter));
            return Err(table.error(Some(line), None, found, expected, format!("set the delimiter to {name}")));
        }
        if self.header == Some(false) {
            return Ok((1..=record.len()).map(|i| format!("column{i}")).collect());
        }
        if self.header.is_none() && record.iter().all(|field| field.parse::<f64>().is_ok()) {
            let found = format!("only numbers (`{}`)", shortened(only));
            let advice = "add a line with names, or say that there is no header";
            return Err(table.error(Some(line), None, found, "the names of the columns", advice));
        }
        let mut names: Vec<String> = Vec::with_capacity(record.len());
        for (i, name) in record.iter().enumerate() {
            if name.is_empty() {
                let advice = "give the column a name, or remove it";
                return Err(table.error(Some(line), Some(&number(i)), "no name", "a name", advice));
            }
            if let Some(first) = names.iter().position(|n| n == name) {
                let found = format!("the name `{name}` again, which column {} has", first + 1);
                return Err(table.error(Some(line), Some(&number(i)), found, "a name of its own", "rename one of the two"));
            }
            names.push(name.to_owned());
        }
        Ok(names)
    }
}

/// A long text shortened for a message.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn ragged(table: &Table, line: u64, names: &[String], record: &::csv::StringRecord) -> Error {
    let (found, expected) = (record.len(), names.len());
    let column = names.get(found).map(String::as_str);
    let what = match column {
        Some(_) => format!("{found} fields"),
        None => format!("{found} fields, the first too many `{}`", shortened(record.get(expected).unwrap_or(""))),
    };
    let advice = "complete the line, or put fields that hold the delimiter into quotes";
    table.error(Some(line), column, what, format!("{expected} as in the header"), advice)
}

/// Counts lines up to where records begin.
struct Lines<'b> {
    bytes: &'b [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the record for which the reader stood at `start`: behind it may be the rest of a line end, and empty lines.
    fn at_record(&mut self, start: usize) -> u64 {
        while let Some(&byte) = self.bytes.get(self.at).filter(|&&byte| self.at < start || matches!(byte, b'\r' | b'\n')) {
            let pair = byte == b'\r' && self.bytes.get(self.at + 1) == Some(&b'\n');
            self.line += u64::from(matches!(byte, b'\r' | b'\n'));
            self.at += 1 + usize::from(pair);
        }
        self.line
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Start,
    Plain,
    Quoted,
    /// Behind a quote inside quotes: the end, or the first half of `""`.
    Quote,
}

/// Where a walk over the bytes has come to.
#[derive(Clone, Copy, Debug)]
struct Walk {
    line: u64,
    field: usize,
    state: State,
    /// Line and field of the last opening quote.
    opened: (u64, usize),
    /// The first place where something stands between a closing quote and the end of the field.
    after_quote: Option<(u64, usize)>,
}

impl Walk {
    const START: Walk = Walk { line: 1, field: 0, state: State::Start, opened: (1, 0), after_quote: None };

    /// Goes to the end of `bytes` by the rules of the reader.
    fn to(bytes: &[u8], delimiter: u8) -> Walk {
        let mut walk = Walk::START;
        let mut before = 0;
        for &byte in bytes {
            let end = matches!(byte, b'\r' | b'\n');
            // The second half of CRLF is no line of its own.
            let new_line = end && !(byte == b'\n' && before == b'\r');
            walk.state = match (walk.state, byte) {
                (State::Quoted, b'"') => State::Quote,
                (State::Quoted, _) => State::Quoted,
                (State::Quote, b'"') => State::Quoted,
                (State::Start, b'"') => {
                    walk.opened = (walk.line, walk.field);
                    State::Quoted
                }
                (_, byte) if byte == delimiter => {
                    walk.field += 1;
                    State::Start
                }
                _ if end => {
                    walk.field = 0;
                    State::Start
                }
                (State::Quote, _) => {
                    walk.after_quote = walk.after_quote.or(Some((walk.line, walk.field)));
                    State::Plain
                }
                _ => State::Plain,
            };
            walk.line += u64::from(new_line);
            before = byte;
        }
        walk
    }
}

/// What a field is if it is a number: `Some(Err)` if it is one that is not finite.
fn number(text: &str) -> Option<Result<f64, ()>> {
    text.parse::<f64>().ok().map(|x| if x.is_finite() { Ok(x) } else { Err(()) })
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

/// `2024-05-31`, `2024/5/31`, `31.5.2024`, `5/31/2024`, also with a time behind it.
fn is_date(text: &str) -> bool {
    let (day, time) = text.split_at(text.find([' ', 'T']).unwrap_or(text.len()));
    let parts = ['-', '/', '.'].iter().map(|&c| day.split(c).collect::<Vec<_>>()).find(|parts| parts.len() == 3);
    let digits = |part: &&str, most: usize| !part.is_empty() && part.len() <= most && part.bytes().all(|b| b.is_ascii_digit());
    let is_day = parts.is_some_and(|p| match p[0].len() {
        4 => digits(&p[0], 4) && digits(&p[1], 2) && digits(&p[2], 2),
        _ => digits(&p[0], 2) && digits(&p[1], 2) && matches!(p[2].len(), 2 | 4) && digits(&p[2], 4),
    });
    is_day && (time.is_empty() || (time.contains(':') && time[1..].bytes().all(|b| b.is_ascii_digit() || b":.+-Z ".contains(&b))))
}

/// Finds the kind, or checks the one declared, and keeps the numbers.
fn column(table: &Table, name: String, fields: Fields, declared: Option<Kind>) -> Result<Column> {
    let rows = table.lines.len();
    let texts = || (0..rows).filter_map(|row| fields.get(row).map(|text| (row, text)));
    let here = |row: usize, text: &str, expected: String, advice: &str| {
        Err(table.error(table.line(row), Some(&name), format!("`{}`", shortened(text)), expected, advice))
    };
    let present = texts().count();
    let finite = texts().filter(|(_, text)| matches!(number(text), Some(Ok(_)))).count();
    let odd = present - finite;
    let first_odd = texts().find(|(_, text)| !matches!(number(text), Some(Ok(_))));
    let mut note = None;
    let kind = match (declared, first_odd) {
        (Some(Kind::Number), Some((row, text))) => {
            return here(row, text, "a finite number, as declared".to_owned(), "correct it, or name it as missing");
        }
        (Some(Kind::YesNo), _) => match texts().find(|(_, text)| yes_no(text).is_none()) {
            Some((row, text)) => {
                return here(row, text, "yes or no, as declared".to_owned(), "correct it, or name it as missing");
            }
            None => Kind::YesNo,
        },
        (Some(Kind::Empty), _) if present > 0 => {
            let (row, text) = texts().next().unwrap_or((0, ""));
            return here(row, text, "nothing, as declared".to_owned(), "declare another kind");
        }
        (Some(kind), _) => kind,
        (None, _) if present == 0 => Kind::Empty,
        (None, None) => Kind::Number,
        (None, Some((row, text))) => {
            let not_numbers = texts().filter(|(_, text)| number(text).is_none()).count();
            if not_numbers == 0 {
                // Every field reads as a number, and some are infinite or not a number.
                let advice = "correct it, or name it as missing: numbers must be finite";
                return here(row, text, "a finite number".to_owned(), advice);
            }
            if finite >= 2 && (odd == 1 || odd * 20 <= present) {
                let expected = format!("a number, as in {finite} of {present} fields");
                return here(row, text, expected, "correct it, name it as missing, or declare the column a category");
            }
            if is_yes_no(texts().map(|(_, text)| text)) {
                Kind::YesNo
            } else if texts().all(|(_, text)| is_date(text)) {
                note = Some("dates, left as text: derive numbers from them (a year, days since) to learn from them".to_owned());
                Kind::Date
            } else {
                let different = texts().map(|(_, text)| text).collect::<std::collections::HashSet<_>>().len();
                if finite > 0 {
                    note = Some(format!("{finite} of {present} fields are numbers"));
                }
                if different > MOST_CATEGORIES && different * 2 > present {
                    note = Some(format!("{different} different texts in {present} fields, left as text"));
                    Kind::Text
                } else {
                    Kind::Category
                }
            }
        }
    };
    let numbers = match kind {
        Kind::Number => (0..rows).map(|row| fields.get(row).and_then(|t| t.parse().ok()).unwrap_or(f64::NAN)).collect(),
        Kind::YesNo => {
            (0..rows).map(|row| fields.get(row).and_then(yes_no).map_or(f64::NAN, |yes| f64::from(u8::from(yes)))).collect()
        }
        _ => Vec::new(),
    };
    Ok(Column { name, kind, fields, numbers, note })
}
