//! Reading a table with what the command line says about it, and what to do on the command line about a table that is refused.

use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::Path;
use steepest::Error;
use steepest::data::{Csv, Kind, Table};
use steepest::error::TableError;

/// How a file is read. It goes with the model, so that later tables are read as the first one was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reading {
    pub delimiter: Option<String>,
    pub no_header: bool,
    pub missing: Option<Vec<String>>,
    pub category: Vec<String>,
}

/// The flags of the subcommands that only read.
#[derive(clap::Args)]
pub struct ReadingArgs {
    /// The texts that stand for a missing value, besides nothing at all [default: as in training, or NA,NaN,nan]
    #[arg(long, value_name = "TEXT,…", value_delimiter = ',')]
    missing: Option<Vec<String>>,
    /// What stands between fields: one character, or `tab` [default: as in training, or `,`]
    #[arg(long, value_name = "CHAR")]
    delimiter: Option<String>,
    /// The first line is no header: the columns are named column1, column2, …
    #[arg(long)]
    no_header: bool,
}

impl ReadingArgs {
    /// These flags, and what they leave open as it was in training.
    pub fn or(&self, trained: &Reading) -> Reading {
        Reading {
            delimiter: self.delimiter.clone().or_else(|| trained.delimiter.clone()),
            no_header: self.no_header || trained.no_header,
            missing: self.missing.clone().or_else(|| trained.missing.clone()),
            category: trained.category.clone(),
        }
    }
}

impl Reading {
    /// Reads a file, or standard input for `-`.
    pub fn read(&self, path: &Path) -> anyhow::Result<Table> {
        if path.as_os_str() != "-" {
            let bytes = std::fs::read(path).map_err(|e| anyhow::anyhow!("{}: cannot be read: {e}", path.display()))?;
            return self.parse(path, &bytes);
        }
        let mut bytes = vec![];
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(|e| anyhow::anyhow!("standard input cannot be read: {e}"))?;
        self.parse(Path::new("(standard input)"), &bytes)
    }

    fn parse(&self, path: &Path, bytes: &[u8]) -> anyhow::Result<Table> {
        let mut csv = Csv::new();
        if let Some(delimiter) = &self.delimiter {
            csv = csv.delimiter(one_byte(delimiter)?);
        }
        if self.no_header {
            csv = csv.header(false);
        }
        if let Some(missing) = &self.missing {
            csv = csv.missing(missing.clone());
        }
        if !self.category.is_empty() {
            // Which names there are decides how a list of names is to be understood; a file that cannot be read says so better below.
            let names = first_line(&csv_reader(self.delimiter.as_deref())?, bytes);
            let there = names.iter().filter(|name| wants(&self.category, name)).cloned().collect::<Vec<_>>();
            csv = there.into_iter().fold(csv, |csv, name| csv.kind(name, Kind::Category));
        }
        Ok(csv.parse(path, bytes)?)
    }
}

fn one_byte(text: &str) -> anyhow::Result<u8> {
    match (text, text.as_bytes()) {
        ("tab" | "\\t", _) => Ok(b'\t'),
        ("semicolon", _) => Ok(b';'),
        (_, [byte]) => Ok(*byte),
        _ => anyhow::bail!("--delimiter: found `{text}`, expected one character, such as `;`, or `tab`"),
    }
}

fn csv_reader(delimiter: Option<&str>) -> anyhow::Result<csv::ReaderBuilder> {
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).flexible(true).delimiter(delimiter.map_or(Ok(b','), one_byte)?);
    Ok(reader)
}

fn first_line(reader: &csv::ReaderBuilder, bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut record = csv::StringRecord::new();
    let read = reader.from_reader(bytes).read_record(&mut record).unwrap_or(false);
    record.iter().filter(|_| read).map(|name| name.trim().to_owned()).collect()
}

/// Whether a name is meant by a list in which each entry is a name, or several with commas between them.
fn wants(list: &[String], name: &str) -> bool {
    list.iter().any(|entry| entry == name || entry.split(',').any(|part| part.trim() == name))
}

/// The columns that a list of names means: an entry that is no column is taken as several names with commas between them.
pub fn columns(table: &Table, list: Option<&Vec<String>>) -> anyhow::Result<Vec<String>> {
    let mut found: Vec<String> = vec![];
    for entry in list.into_iter().flatten() {
        let names: Vec<&str> = match table.has(entry) {
            true => vec![entry],
            false => entry.split(',').map(str::trim).filter(|name| !name.is_empty()).collect(),
        };
        for name in names {
            column(table, name)?;
            if !found.iter().any(|f| f == name) {
                found.push(name.to_owned());
            }
        }
    }
    Ok(found)
}

/// That there is a column of that name; what it may be called if not.
pub fn column(table: &Table, name: &str) -> anyhow::Result<()> {
    if table.has(name) {
        return Ok(());
    }
    let plain = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let near = table.names().into_iter().find(|other| plain(other) == plain(name));
    let some: Vec<String> = table.names().iter().take(20).map(|n| format!("`{n}`")).collect();
    let more = if table.names().len() > 20 { format!(" and {} more", table.names().len() - 20) } else { String::new() };
    let advice = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "check the spelling, or whether this is the right table".to_owned(),
    };
    let found = format!("no such column among {}{more}", some.join(", "));
    Err(refuse(table, Some(1), Some(name), found, "a column of that name", advice))
}

/// An error about a table.
pub fn refuse(
    table: &Table,
    line: Option<u64>,
    column: Option<&str>,
    found: impl Into<String>,
    expected: impl Into<String>,
    advice: impl Into<String>,
) -> anyhow::Error {
    Error::Table(Box::new(TableError {
        path: table.path().to_owned(),
        line,
        column: column.map(str::to_owned),
        found: found.into(),
        expected: expected.into(),
        advice: advice.into(),
    }))
    .into()
}

/// What the advice of an error means on the command line.
pub fn hint(error: &anyhow::Error) -> Option<String> {
    let Some(Error::Table(error)) = error.downcast_ref::<Error>() else { return None };
    let column = error.column.as_deref().map_or("COLUMN".to_owned(), quoted);
    let found = error.found.trim_matches('`');
    let has = |part: &str| error.advice.contains(part);
    Some(match () {
        () if has("or declare the column a category") => {
            format!("on the command line: --missing {} (what counts as missing) or --category {column}", quoted(found))
        }
        () if has("name it as missing") => format!("on the command line: --missing {} (what counts as missing)", quoted(found)),
        () if has("set the delimiter to a tab") => "on the command line: --delimiter tab".to_owned(),
        () if has("set the delimiter to") => {
            format!("on the command line: --delimiter '{}'", error.advice.rsplit('`').nth(1).unwrap_or(";"))
        }
        () if has("there is no header") => "on the command line: --no-header".to_owned(),
        () if has("without([") => format!("on the command line: --without {column}"),
        () if has("let unknown categories pass") => "on the command line: train without --strict".to_owned(),
        () => return None,
    })
}

/// A word as a shell reads it.
pub fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_-.+/:=".contains(c));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
