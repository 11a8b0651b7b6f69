//! Reading a table with what the command line says about it, and what to do on the command line about a table that is refused.

use crate::files;
use crate::settings::Dates;
use crate::text::quoted;
use serde::{Deserialize, Serialize};
use std::path::Path;
use steepest::Error;
use steepest::data::{Csv, DateOrder, Kind, Preprocessor, Table};
use steepest::error::TableError;

/// How a file is read. It goes with the model, so that later tables are read as the first one was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reading {
    pub delimiter: Option<String>,
    pub no_header: bool,
    pub missing: Option<Vec<String>>,
    pub category: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_default_missing: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thousands: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dates: Option<Dates>,
    /// Whether what is otherwise guessed is refused; of no matter to a model that is there.
    #[serde(skip)]
    pub strict: bool,
    /// Columns that are not needed, and if these are all that are: what they hold is no reason to refuse the table.
    #[serde(skip)]
    pub without: Vec<String>,
    #[serde(skip)]
    pub only: Option<Vec<String>>,
    /// What the model says about its columns.
    #[serde(skip)]
    pub model: Option<Preprocessor>,
}

/// The flags of the subcommands that only read.
#[derive(clap::Args)]
pub struct ReadingArgs {
    /// More texts that stand for a missing value, besides nothing at all and the usual ones [default: as in training]
    #[arg(long, value_name = "TEXT,…", value_delimiter = ',', allow_hyphen_values = true)]
    missing: Option<Vec<String>>,
    /// Only an empty field and what --missing names is missing: NA, None, ? and the like are values
    #[arg(long)]
    no_default_missing: bool,
    /// What stands between fields: one character, or `tab` [default: as in training, or `,`]
    #[arg(long, value_name = "CHAR")]
    delimiter: Option<String>,
    /// What stands before the fraction of a number: . or , [default: as in training, or found out]
    #[arg(long, value_name = "CHAR")]
    decimal: Option<String>,
    /// What stands between thousands: , or . or ' or `space` [default: as in training, or found out]
    #[arg(long, value_name = "CHAR")]
    thousands: Option<String>,
    /// In which order day, month and year stand, where a column leaves it open
    #[arg(long, value_name = "ORDER")]
    dates: Option<Dates>,
    /// The first line is no header: the columns are named column1, column2, …
    #[arg(long)]
    no_header: bool,
}

impl ReadingArgs {
    /// These flags, and what they leave open as it was in training.
    pub fn or(&self, trained: &Reading) -> Reading {
        // Another way to write numbers than the model's is the user's word against the model's.
        let own_numbers = self.decimal.is_some() || self.thousands.is_some() || self.dates.is_some();
        Reading {
            delimiter: self.delimiter.clone().or_else(|| trained.delimiter.clone()),
            no_header: self.no_header || trained.no_header,
            missing: self.missing.clone().or_else(|| trained.missing.clone()),
            category: trained.category.clone(),
            no_default_missing: self.no_default_missing || trained.no_default_missing,
            decimal: self.decimal.clone().or_else(|| trained.decimal.clone()),
            thousands: self.thousands.clone().or_else(|| trained.thousands.clone()),
            dates: self.dates.or(trained.dates),
            strict: false,
            without: vec![],
            only: None,
            model: trained.model.clone().filter(|_| !own_numbers),
        }
    }
}

impl Reading {
    /// Reads a file, or standard input for `-`.
    pub fn read(&self, path: &Path) -> anyhow::Result<Table> {
        Ok(self.read_sized(path)?.0)
    }

    /// As [`Reading::read`], and how many bytes there were.
    pub fn read_sized(&self, path: &Path) -> anyhow::Result<(Table, u64)> {
        if path.as_os_str() != "-" {
            let bytes = files::read_table(path)?;
            return Ok((self.parse(path, &bytes)?, bytes.len() as u64));
        }
        let name = Path::new("(standard input)");
        let bytes = steepest::files::read_stream(name, std::io::stdin().lock())?;
        Ok((self.parse(name, &bytes)?, bytes.len() as u64))
    }

    fn parse(&self, path: &Path, bytes: &[u8]) -> anyhow::Result<Table> {
        let mut csv = Csv::new().strict(self.strict).default_missing(!self.no_default_missing);
        if let Some(delimiter) = &self.delimiter {
            csv = csv.delimiter(one_byte(delimiter)?);
        }
        if self.no_header {
            csv = csv.header(false);
        }
        if let Some(missing) = &self.missing {
            csv = csv.missing(missing.clone());
        }
        if let Some(decimal) = &self.decimal {
            csv = csv.decimal(one_char("decimal", decimal, &['.', ','])?);
        }
        if let Some(thousands) = &self.thousands {
            csv = csv.thousands(one_char("thousands", thousands, &[',', '.', ' ', '\''])?);
        }
        if self.decimal.is_some() && self.decimal == self.thousands {
            anyhow::bail!("--decimal and --thousands: found the same for both, expected two");
        }
        csv = match self.dates {
            Some(Dates::YearMonthDay) => csv.date_order(DateOrder::YearMonthDay),
            Some(Dates::DayMonthYear) => csv.date_order(DateOrder::DayMonthYear),
            Some(Dates::MonthDayYear) => csv.date_order(DateOrder::MonthDayYear),
            None => csv,
        };
        if let Some(model) = &self.model {
            csv = csv.as_in(model);
        }
        if !self.category.is_empty() {
            // Which names there are decides how a list of names is to be understood; a file that cannot be read says so better below.
            let names = csv.names(path, bytes).unwrap_or_default();
            let there = names.iter().filter(|name| wants(&self.category, name)).cloned().collect::<Vec<_>>();
            csv = there.into_iter().fold(csv, |csv, name| csv.kind(name, Kind::Category));
        }
        let unneeded = |name: &&String| wants(&self.without, name) || self.only.as_ref().is_some_and(|only| !wants(only, name));
        csv.parse(path, bytes).or_else(|error| {
            let names = csv.names(path, bytes).unwrap_or_default();
            let texts: Vec<&String> = names.iter().filter(unneeded).collect();
            if texts.is_empty() {
                return Err(error.into());
            }
            let csv = texts.into_iter().fold(csv, |csv, name| csv.kind(name, Kind::Text));
            Ok(csv.parse(path, bytes)?)
        })
    }
}

fn one_char(flag: &str, text: &str, allowed: &[char]) -> anyhow::Result<char> {
    let found = match text {
        "space" => Some(' '),
        "comma" => Some(','),
        "point" | "dot" => Some('.'),
        _ => text.chars().next().filter(|_| text.chars().count() == 1),
    };
    let expected: Vec<String> = allowed.iter().map(|c| if *c == ' ' { "`space`".to_owned() } else { format!("`{c}`") }).collect();
    let found = found.filter(|c| allowed.contains(c));
    found.ok_or_else(|| anyhow::anyhow!("--{flag}: found `{text}`, expected {}", expected.join(" or ")))
}

fn one_byte(text: &str) -> anyhow::Result<u8> {
    match (text, text.as_bytes()) {
        ("tab" | "\\t", _) => Ok(b'\t'),
        ("semicolon", _) => Ok(b';'),
        (_, [byte]) if !matches!(byte, b'"' | b'\r' | b'\n' | 0) && byte.is_ascii() => Ok(*byte),
        _ => anyhow::bail!("--delimiter: found `{text}`, expected one character, such as `;`, or `tab`"),
    }
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
    let error = match error.downcast_ref::<Error>() {
        Some(Error::Table(error)) => error,
        Some(Error::Diverged { lr, .. }) => {
            return Some(format!("on the command line: --rate {}, or --clip 1", (lr / 10.0).min(2e-3)));
        }
        _ => return None,
    };
    let column = error.column.as_deref().map_or("COLUMN".to_owned(), quoted);
    let found = error.found.trim_matches('`');
    let has = |part: &str| error.advice.contains(part);
    Some(match () {
        () if has("thousands `,` or decimal `,`") => {
            format!("on the command line: --thousands , or --decimal , (or --category {column}, or --without {column})")
        }
        () if has("d/m/y") => "on the command line: --dates d/m/y or --dates m/d/y".to_owned(),
        // A comma parts the texts of --missing.
        () if found.contains(',') && has("or declare the column a category") => {
            format!(
                "correct it in the table (such a text cannot be given to --missing), or on the command line: --category {column}"
            )
        }
        () if found.contains(',') && has("name it as missing") => {
            "correct it in the table: a text with a comma cannot be given to --missing".to_owned()
        }
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
        // Of columns that are left out for a reason, the first for which there is a flag.
        () if found.contains("it gives the target away") || found.contains("it only numbers the rows") => {
            "on the command line: --keep COLUMN learns from such a column all the same".to_owned()
        }
        () if found.contains("left as text") => "on the command line: --category COLUMN takes the texts of a column as categories".to_owned(),
        () if has("name a separator") => "on the command line: --task classes, or --task regression for numbers; several --target are labels if all are yes/no or 0 and 1".to_owned(),
        () if has("let unknown categories pass") => "on the command line: train without --strict".to_owned(),
        () => return None,
    })
}
