//! `Csv`: reads a comma-separated file into a [`Table`], strictly, and finds out what its columns are.

use super::compact::{Fields, Lines as RowLines};
use super::dates::DateOrder;
use super::infer::{self, Expected, Inferred, Rules, counted};
use super::layout::{self, UNNAMED};
use super::numbers::Said;
use super::preprocessor::Preprocessor;
use super::source;
use super::table::{Column, Kind, Table};
use crate::error::{Error, Result};
use crate::{files, memory};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// What else may stand between fields, and its name in messages.
const DELIMITERS: [(u8, &str); 4] = [(b';', "`;`"), (b'\t', "a tab"), (b'|', "`|`"), (b',', "`,`")];

/// How to read a comma-separated file.
///
/// What is read: UTF-8 with or without a byte order mark, plain or in gzip; lines ended by LF, CRLF or CR, also mixed; fields in
/// quotes, `""` for a quote, with line ends in them; spaces around fields are dropped, lines without anything are skipped, and so are
/// comment lines that begin with `#`, a first line `sep=;` (which is obeyed) and titles above the header. A first column without a
/// name (what R and pandas write in front) is called `Unnamed: 0`. What is refused, each with file, line, column, what was found and
/// what to do: an empty file or only a header, no header, a column without a name or two of one, rows of another length, quotes that
/// never end or end inside a field, NUL, other encodings, files of another kind, numbers that are not finite.
///
/// Kinds are inferred: *yes/no*, *number*, *date*, *category*, or *text* where more than 50 texts differ and most occur once (or ten or
/// more all differ). Numbers may be written with separators between thousands, a decimal comma, a currency or a percent sign, if all
/// fields of the column fit ([`Column::format`]). A comma that could mean either is decided by the other columns, or refused. A column
/// of numbers or dates with one other text, with at most one in twenty, or with the same few texts among many different numbers, is taken
/// for a column with mistakes, and refused.
///
/// Missing is an empty field; `NA`, `N/A`, `NaN`, `null` and the like; among numbers and dates also `None`, `?`, `-`, `.` and the like, which
/// in a column of texts are values ([`Column::markers`]).
///
/// ```
/// use steepest::data::{Csv, Kind};
/// let csv = Csv::new().missing(["unknown"]).delimiter(b';').kind("zone", Kind::Category);
/// let table = csv.parse("plots.csv", b"zone;area\n1;20.5\n2;unknown\n")?;
/// assert_eq!((table.column("zone")?.kind(), table.column("area")?.missing()), (Kind::Category, 1));
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "settings read nothing; end with read or parse"]
pub struct Csv {
    missing: Vec<String>,
    kinds: Vec<(String, Kind)>,
    header: Option<bool>,
    delimiter: Option<u8>,
    rules: Rules,
    /// What a model needs of columns: all others are texts.
    model: Option<Vec<(String, Expected)>>,
}

impl Default for Csv {
    fn default() -> Csv {
        Csv::new()
    }
}

impl Csv {
    /// Commas, a header, and the usual markers of missing values.
    pub fn new() -> Csv {
        let rules = Rules { usual_markers: true, strict: false, numbers: Said::default(), dates: None };
        Csv { missing: Vec::new(), kinds: Vec::new(), header: None, delimiter: None, rules, model: None }
    }

    /// More texts that stand for a missing value, in any column, besides the usual ones. Numbers are compared as numbers: -999 is -999.0.
    pub fn missing(mut self, texts: impl IntoIterator<Item = impl Into<String>>) -> Csv {
        self.missing.extend(texts.into_iter().map(Into::into));
        self
    }

    /// Whether the usual markers of missing values (`NA`, `null`, and `?`, `-`, … among numbers) count as such. An empty field always does.
    pub fn default_missing(mut self, count: bool) -> Csv {
        self.rules.usual_markers = count;
        self
    }

    /// What stands before the fraction of a number, in all columns: `.` or `,`.
    pub fn decimal(mut self, decimal: char) -> Csv {
        self.rules.numbers.decimal = Some(decimal);
        self
    }

    /// What stands between thousands, in all columns that have anything there: `,`, `.`, a space or `'`.
    pub fn thousands(mut self, thousands: char) -> Csv {
        self.rules.numbers.thousands = Some(thousands);
        self
    }

    /// In which order day, month and year stand, where a column leaves it open.
    pub fn date_order(mut self, order: DateOrder) -> Csv {
        self.rules.dates = Some(order);
        self
    }

    /// Whether what is otherwise taken for a category or left as text with a note is refused: other texts in a column that is mostly
    /// numbers or dates, dates that may be read in two ways.
    pub fn strict(mut self, strict: bool) -> Csv {
        self.rules.strict = strict;
        self
    }

    /// What a column is, instead of what would be inferred. A field that does not fit is an error.
    pub fn kind(mut self, column: impl Into<String>, kind: Kind) -> Csv {
        self.kinds.push((column.into(), kind));
        self
    }

    /// Reads the columns that a preprocessor knows as those it was fitted to: numbers and dates in the same format, whatever else theirs
    /// could be taken for. Nothing is inferred, and nothing refused that the preprocessor would take; other columns are read as texts.
    pub fn as_in(mut self, preprocessor: &Preprocessor) -> Csv {
        self.model = Some(preprocessor.expected());
        self
    }

    /// Whether the first line holds names; without, columns are named `column1` and so on. If nothing is said, a first line of
    /// nothing but numbers is refused.
    pub fn header(mut self, there: bool) -> Csv {
        self.header = Some(there);
        self
    }

    /// What stands between fields: `,` unless the file says so itself (`sep=;`).
    pub fn delimiter(mut self, delimiter: u8) -> Csv {
        self.delimiter = Some(delimiter);
        self
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::File`]: it cannot be read. [`Error::Table`] with file, line, column, what was found and what to do: see [`Csv`].
    /// [`Error::Config`]: a delimiter that is a quote, a line end or not ASCII; signs of numbers that cannot be told apart.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Table> {
        let path = path.as_ref();
        let bytes = files::read(path)?;
        self.parse(path, &bytes)
    }

    /// The names of the columns, without reading more than that needs.
    ///
    /// # Errors
    /// As [`Csv::read`], as far as the first rows show it.
    pub fn names(&self, name: impl AsRef<Path>, bytes: &[u8]) -> Result<Vec<String>> {
        let (mut table, text) = self.opened(name.as_ref(), bytes)?;
        Ok(self.with_own_delimiter(&text).records(&mut table, &text, Some(layout::PEEK))?.0)
    }

    /// Reads what [`Csv::read`] would from a file of these bytes; `name` stands for the path in errors.
    ///
    /// # Errors
    /// As [`Csv::read`].
    pub fn parse(&self, name: impl AsRef<Path>, bytes: &[u8]) -> Result<Table> {
        let (mut table, text) = self.opened(name.as_ref(), bytes)?;
        let csv = self.with_own_delimiter(&text);
        csv.sound(&table, &text)?;
        csv.has_room(&table, &text)?;
        let (names, fields) = csv.records(&mut table, &text, None)?;
        let there: HashSet<&str> = names.iter().map(String::as_str).collect();
        if let Some((column, _)) = self.kinds.iter().find(|(column, _)| !there.contains(column.as_str())) {
            let expected = "a column of the name for which a kind was declared";
            return Err(table.error(Some(1), Some(column), "no such column", expected, "check the spelling"));
        }
        let mut found = Vec::with_capacity(names.len());
        let declared: HashMap<&str, Kind> = self.kinds.iter().map(|(column, kind)| (column.as_str(), *kind)).collect();
        let known = self.model.iter().flatten().rev().map(|(column, expected)| (column.as_str(), expected));
        let known: HashMap<&str, &Expected> = known.collect();
        for (name, mut fields) in names.into_iter().zip(fields) {
            fields.shrink();
            let expected = match (declared.get(name.as_str()), &self.model) {
                (Some(&kind), _) => Expected::Kind(kind),
                (None, Some(_)) => known.get(name.as_str()).copied().cloned().unwrap_or(Expected::Text(vec![])),
                (None, None) => Expected::Nothing,
            };
            found.push(infer::column(&table, name, fields, &expected, &self.rules)?);
        }
        let columns = self.agreed(&table, found)?.into_iter().map(Arc::new).collect();
        Ok(Table::of(table.path, columns, table.lines, table.notes))
    }

    /// Decides what commas mean where a column leaves it open: as in the columns that leave nothing open.
    fn agreed(&self, table: &Table, found: Vec<Inferred>) -> Result<Vec<Column>> {
        let done = || found.iter().filter_map(|inferred| if let Inferred::Done(column) = inferred { Some(column) } else { None });
        let comma = done().any(|column| column.kind == Kind::Number && column.format.decimal == ',');
        let open = found.iter().any(|inferred| matches!(inferred, Inferred::Open { .. }));
        // Most tables have neither, and are not looked at again.
        let decimal = match comma || open {
            false => None,
            true => match (comma, done().any(Column::has_points)) {
                (true, false) => Some(','),
                (false, true) => Some('.'),
                _ => None,
            },
        };
        let settle = |name: String, fields: Fields, decimal: char| {
            let mut column = infer::settle(table, name, fields, &self.rules, decimal)?;
            column.note = column.note.map(|note| format!("{note}, as in the other columns"));
            Ok(column)
        };
        let columns = found.into_iter().map(|inferred| match (inferred, decimal) {
            (Inferred::Open { name, fields }, Some(decimal)) => settle(name, fields, decimal),
            (Inferred::Open { name, fields }, None) => Err(infer::undecided(table, &name, &fields)),
            // `950` and `1.234` in a table of decimal commas.
            (Inferred::Done(column), Some(',')) if column.points_between_thousands() => settle(column.name, column.fields, ','),
            (Inferred::Done(column), _) => Ok(column),
        });
        columns.collect()
    }

    /// The text of a table, if it is one, and a table to put errors in.
    fn opened<'b>(&self, name: &Path, bytes: &'b [u8]) -> Result<(Table, Cow<'b, [u8]>)> {
        if self.delimiter.is_some_and(|d| !d.is_ascii() || matches!(d, b'"' | b'\r' | b'\n' | 0)) {
            let found = char::from(self.delimiter.unwrap_or(0)).escape_default().to_string();
            return Err(super::config("delimiter", format!("found `{found}`, expected an ASCII character such as `,` or `;`")));
        }
        let Said { decimal, thousands } = self.rules.numbers;
        if decimal.is_some_and(|d| !matches!(d, '.' | ',')) || (decimal.is_some() && decimal == thousands) {
            let found = decimal.unwrap_or(' ');
            return Err(super::config(
                "decimal",
                format!("found `{found}`, expected `.` or `,`, and not what is between thousands"),
            ));
        }
        if let Some(found) = thousands.filter(|t| !matches!(t, ',' | '.' | ' ' | '\'')) {
            return Err(super::config("thousands", format!("found `{found}`, expected `,`, `.`, a space or `'`")));
        }
        let table = Table::of(name.to_owned(), Vec::new(), RowLines::new(), Vec::new());
        let text = source::text(bytes).map_err(|strange| {
            let advice = strange.advice.replace("FILE", &name.display().to_string());
            table.error(None, None, strange.found, "a table as UTF-8 text (CSV)", advice)
        })?;
        let text = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)),
            Cow::Owned(text) if text.starts_with(b"\xef\xbb\xbf") => Cow::Owned(text[3..].to_vec()),
            owned => owned,
        };
        Ok((table, text))
    }

    /// The same with the delimiter that the file names, unless another one was set.
    fn with_own_delimiter(&self, text: &[u8]) -> Csv {
        let own = layout::separator_line(text).map(|(delimiter, _)| delimiter);
        Csv { delimiter: Some(self.delimiter.or(own).unwrap_or(b',')), ..self.clone() }
    }

    fn between(&self) -> u8 {
        self.delimiter.unwrap_or(b',')
    }

    /// Whether there is room for the table: each field takes its text, a length and a number.
    fn has_room(&self, table: &Table, text: &[u8]) -> Result<()> {
        const FIELD: usize = 10;
        let fields = text.iter().filter(|&&byte| byte == self.between() || byte == b'\n').count();
        let what = format_args!("the table {} of {} bytes", table.path().display(), text.len());
        memory::room::<u8>(what, text.len() + FIELD * fields).map(drop).map_err(Error::NoRoom)
    }

    /// What a lenient reader would let pass.
    fn sound(&self, table: &Table, bytes: &[u8]) -> Result<()> {
        let place = |walk: &Walk, found: &str, expected: &str, advice: &str| {
            let name = self.name_at(bytes, walk.line, walk.field);
            Err(table.error(Some(walk.line), Some(&name), found, expected, advice))
        };
        if let Some(at) = bytes.iter().position(|&b| b == 0) {
            let walk = Walk::to(&bytes[..at], self.between());
            return place(&walk, "a NUL byte", "text", "is this a text file, and complete? Remove the byte");
        }
        if let Err(error) = std::str::from_utf8(bytes) {
            let at = error.valid_up_to();
            let walk = Walk::to(&bytes[..at], self.between());
            let found = format!("the byte {:02x}, which is not UTF-8", bytes[at]);
            return place(&walk, &found, "UTF-8", "save the file as UTF-8 (it may be Latin-1 or Windows-1252)");
        }
        let walk = Walk::to(bytes, self.between());
        if let Some((line, field)) = walk.after_quote {
            let walk = Walk { line, field, ..walk };
            return place(&walk, "text after a closing quote", "the end of the field", "write a quote inside a field as `\"\"`");
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
        ::csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(self.between()).from_reader(bytes)
    }

    /// The names of the columns and their fields; of no more than `most` records, if that is set.
    fn records(&self, table: &mut Table, bytes: &[u8], most: Option<usize>) -> Result<(Vec<String>, Vec<Fields>)> {
        let skipped = layout::separator_line(bytes).map_or(0, |(_, end)| end);
        let mut records = Records {
            reader: self.reader(&bytes[skipped..]),
            skipped,
            lines: Lines { bytes, at: 0, line: 1 },
            between: self.between(),
        };
        let path = table.path.clone();
        let failed = |e: ::csv::Error| Error::file(&path, format!("cannot be read: {e}"));
        let mut first: Vec<(u64, ::csv::StringRecord)> = Vec::new();
        let mut record = ::csv::StringRecord::new();
        let mut left = most.unwrap_or(usize::MAX);
        while first.len() < layout::PEEK && left > 0 {
            let Some(line) = records.next(&mut record).map_err(failed)? else { break };
            first.push((line, record.clone()));
            left -= 1;
        }
        let layout = layout::of(&mut first, self.header);
        let Some((line, header)) = first.first() else {
            return Err(table.error(Some(1), None, "nothing", "a line with the names of the columns", "is this the right file?"));
        };
        let mut head = layout.head(header, self.header == Some(false));
        table.notes = layout.notes;
        self.names_of(table, *line, header, &mut head.names, head.extra)?;
        let (line, width) = (*line, head.names.len());
        let mut fields: Vec<Fields> = Vec::new();
        fields.resize_with(width, Fields::default);
        let mut comments = layout.comments;
        let mut rest = first.into_iter().skip(usize::from(self.header != Some(false)));
        let numbers: Vec<f64> = self.missing.iter().filter_map(|text| super::numbers::plain(text)).collect();
        loop {
            let line = match rest.next() {
                Some((line, known)) => {
                    record = known;
                    line
                }
                None if left == 0 => break,
                None => match records.next(&mut record).map_err(failed)? {
                    Some(line) => line,
                    None => break,
                },
            };
            if record.len() != width {
                if record.get(0).is_some_and(|text| text.starts_with('#')) {
                    comments.push(line);
                    continue;
                }
                return Err(ragged(table, line, &head.names, &record));
            }
            for (fields, text) in fields.iter_mut().zip(&record) {
                fields.push((!text.is_empty() && !self.is_missing(text, &numbers)).then_some(text));
            }
            table.lines.push(line);
            left = left.saturating_sub(1);
        }
        if table.lines.is_empty() {
            let next = records.lines.line + 1;
            return Err(table.error(Some(next), None, "no rows after the header", "at least one", "is the file complete?"));
        }
        if let Some(first) = comments.first() {
            table.notes.push(format!("{} beginning with `#`, the first line {first}: skipped", counted(comments.len(), "line")));
        }
        self.unnamed(table, line, head.names, fields, most.is_some())
    }

    /// Whether the user says that a text stands for a missing value.
    fn is_missing(&self, text: &str, numbers: &[f64]) -> bool {
        if self.missing.is_empty() {
            return false;
        }
        self.missing.iter().any(|m| m == text)
            || (!numbers.is_empty() && super::numbers::plain(text).is_some_and(|x| numbers.contains(&x)))
    }

    /// Columns without a name: gone if they hold nothing, refused if they do.
    fn unnamed(
        &self,
        table: &mut Table,
        line: u64,
        names: Vec<String>,
        fields: Vec<Fields>,
        peeked: bool,
    ) -> Result<(Vec<String>, Vec<Fields>)> {
        let rows = table.lines.len();
        let (mut kept_names, mut kept) = (Vec::with_capacity(names.len()), Vec::with_capacity(names.len()));
        let mut empty = 0;
        for (i, (name, fields)) in names.into_iter().zip(fields).enumerate() {
            if name.is_empty() {
                if !peeked && (0..rows).any(|row| fields.get(row).is_some()) {
                    let advice = "give the column a name, or remove it";
                    return Err(table.error(Some(line), Some(&(i + 1).to_string()), "no name", "a name", advice));
                }
                empty += 1;
                continue;
            }
            kept_names.push(name);
            kept.push(fields);
        }
        if empty > 0 {
            table.notes.push(format!("{} without a name and without a value: skipped", counted(empty, "column")));
        }
        Ok((kept_names, kept))
    }

    /// Names and checks the columns; `extra` says that there is a name less than there are columns, and where.
    fn names_of(
        &self,
        table: &mut Table,
        line: u64,
        record: &::csv::StringRecord,
        names: &mut [String],
        extra: layout::Extra,
    ) -> Result<()> {
        let only = record.get(0).unwrap_or("");
        let between = self.between();
        let other = DELIMITERS.iter().find(|&&(d, _)| d != between && only.contains(char::from(d)));
        if let (1, Some((_, name))) = (record.len(), other) {
            let found = format!("one column `{}`", shortened(only));
            let expected = format!("names with `{}` between them", char::from(between));
            return Err(table.error(Some(line), None, found, expected, format!("set the delimiter to {name}")));
        }
        if self.header == Some(false) {
            return Ok(());
        }
        if self.header.is_none() && record.iter().all(|field| field.parse::<f64>().is_ok()) {
            let found = format!("only numbers (`{}`)", shortened(only));
            let advice = "add a line with names, or say that there is no header";
            return Err(table.error(Some(line), None, found, "the names of the columns", advice));
        }
        if names.first().is_some_and(String::is_empty) && names.len() > 1 {
            names[0] = UNNAMED.to_owned();
            if extra == layout::Extra::First {
                table.notes.push(format!(
                    "the header has a name less than the rows have fields: the first column is called `{UNNAMED}`"
                ));
            }
        }
        let mut seen: HashMap<&str, usize> = HashMap::with_capacity(names.len());
        for (i, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            if let Some(first) = seen.insert(name, i) {
                let found = format!("the name `{name}` again, which column {} has", first + 1);
                let place = (i + 1).to_string();
                return Err(table.error(Some(line), Some(&place), found, "a name of its own", "rename one of the two"));
            }
        }
        Ok(())
    }
}

/// Records of a file with their lines; without those that hold nothing but spaces.
struct Records<'b> {
    reader: ::csv::Reader<&'b [u8]>,
    /// Bytes in front of the reader's first.
    skipped: usize,
    lines: Lines<'b>,
    between: u8,
}

impl Records<'_> {
    fn next(&mut self, record: &mut ::csv::StringRecord) -> Result<Option<u64>, ::csv::Error> {
        loop {
            let start = self.reader.position().byte() as usize + self.skipped;
            if !self.reader.read_record(record)? {
                return Ok(None);
            }
            let line = self.lines.at_record(start);
            let blank = record.len() == 1 && record.get(0).is_some_and(|text| !text.is_empty() && text.trim().is_empty());
            if blank && self.between != b' ' {
                continue;
            }
            record.trim();
            return Ok(Some(line));
        }
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
    /// The line of the record for which the reader stood at `start`: after it may be the rest of a line end, and empty lines.
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
