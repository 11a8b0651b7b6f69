//! `steepest predict`: what a model says of new rows, as a table.

use crate::model::Fitted;
use crate::output::{self, Verdict};
use crate::table::{ReadingArgs, columns};
use crate::{aside, files};
use anyhow::Context;
use serde_json::{Value, json};
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use steepest::data::{Column, Target};
use steepest::escape::escaped_json;
use steepest::files::Files;

/// Say what a model predicts for the rows of a table
///
/// One line per row of the table, in its order, under the name of the target: a number in the target's own units, the name of a
/// class as most training rows spell it, or 1 and 0 of labels. Columns of the table itself come along with --keep or --all, in front; if the target is among
/// them, the prediction is called `… (predicted)`.
///
/// The table needs the columns that the model learned from, in any order; more columns are ignored, and said so. A missing value is
/// filled in as in training. A category that training never met counts as none of the known ones, and standard error says
/// so. Text where training had numbers, and a missing column, are errors.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  steepest predict model.safetensors new.csv                      # to standard output
  steepest predict model.safetensors new.csv -o predictions.csv
  steepest predict model.safetensors new.csv --keep Id -o submission.csv
  steepest predict titanic.safetensors new.csv --probabilities | head
  cat new.csv | steepest predict model.safetensors - --json

Exit code: 0, or 2 if it could not be done; then no file is written.")]
pub struct Args {
    /// The model, as `steepest fit` wrote it
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The table: a CSV file, or - for standard input
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Where the predictions go; - or nothing for standard output. A file that is there is replaced
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Add a column per class (or label) with its probability, named p(class)
    #[arg(long, short)]
    probabilities: bool,
    /// Put these columns of the table in front
    #[arg(long, value_name = "COLUMN,…")]
    keep: Option<Vec<String>>,
    /// Put all columns of the table in front
    #[arg(long, conflicts_with = "keep")]
    all: bool,
    #[command(flatten)]
    reading: ReadingArgs,
    /// cpu, gpu, best, or part of an adapter's name (see `steepest devices`) [default: best]
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Print an array of objects, one per row, in place of a CSV table
    #[arg(long)]
    json: bool,
    /// No notes on standard error
    #[arg(long, short)]
    quiet: bool,
}

/// A field of the answer.
enum Cell {
    Text(Option<String>),
    /// A prediction, and how finely the model can tell it from others.
    Number(f64, f64),
    Share(f64),
}

pub fn run(args: &Args) -> Verdict {
    let to_file = args.out.as_deref().filter(|path| path.as_os_str() != "-");
    if let Some(path) = to_file {
        files::check(path, &[&args.model, &args.data])?;
    }
    let fitted = Fitted::load(&args.model, args.device.as_deref())?;
    let table = args.reading.or(&fitted.reading()).read(&args.data)?;
    let kept = match args.all {
        true => table.names().into_iter().map(str::to_owned).collect(),
        false => columns(&table, args.keep.as_ref())?,
    };
    let columns = kept.iter().map(|name| table.column(name)).collect::<Result<Vec<_>, _>>()?;
    let answer = Answer { target: &fitted.target, columns, names: names(&fitted.target, &kept, args.probabilities)?, args };
    let mut said = Said::default();
    let notes = fitted.each_output(&table, |outputs| said.take(&answer, outputs))?;
    if !args.quiet {
        notes.iter().chain(&fitted.warning).for_each(|note| aside!("note: {note}"));
    }
    match to_file {
        None => answer.write(&said, table.len(), &mut |text| {
            if args.json { output::bytes(escaped_json(text).as_bytes()) } else { output::data(text) }
        })?,
        Some(path) => {
            let mut files = Files::default();
            files.in_parts(path, |put| answer.write(&said, table.len(), &mut |text| Ok(put(text.as_bytes())?)))?;
            files.keep()?;
            if !args.quiet {
                aside!("{} predictions of `{}` in {}", table.len(), fitted.target.columns().join("`, `"), path.display());
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The columns of the answer.
fn names(target: &Target, kept: &[String], probabilities: bool) -> anyhow::Result<Vec<String>> {
    anyhow::ensure!(
        !probabilities || !matches!(target, Target::Values { .. }),
        "--probabilities: the model predicts a number, of which there are none"
    );
    let named = |name: &String| if kept.contains(name) { format!("{name} (predicted)") } else { name.clone() };
    let mut names: Vec<String> = kept.iter().cloned().chain(target.columns().iter().map(named)).collect();
    if probabilities {
        names.extend(target.names().iter().map(|name| format!("p({name})")));
    }
    Ok(names)
}

/// What is kept of the outputs until all rows have been asked about.
#[derive(Default)]
struct Said {
    outputs: Vec<f32>,
    /// Of classes without probabilities only which it is.
    classes: Vec<u32>,
}

impl Said {
    fn take(&mut self, answer: &Answer<'_>, outputs: &[f32]) {
        match answer.target {
            Target::Classes { classes, .. } if !answer.args.probabilities => {
                self.classes.extend(outputs.chunks(classes.len()).map(|row| best(row) as u32));
            }
            _ => self.outputs.extend_from_slice(outputs),
        }
    }
}

/// The first of the largest, as the figures count.
fn best(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

/// How outputs become the rows of the answer.
struct Answer<'a> {
    target: &'a Target,
    /// Those of the table that come along.
    columns: Vec<&'a Column>,
    names: Vec<String>,
    args: &'a Args,
}

impl Answer<'_> {
    /// Writes the answer, some rows at a time.
    fn write(&self, said: &Said, rows: usize, put: &mut dyn FnMut(&str) -> anyhow::Result<()>) -> anyhow::Result<()> {
        /// Rows at a time.
        const ROWS: usize = 4096;
        let json = self.args.json;
        put(&if json {
            "[\n".to_owned()
        } else {
            as_csv(&[self.names.iter().cloned().map(|name| Cell::Text(Some(name))).collect()])?
        })?;
        for first in (0..rows).step_by(ROWS) {
            let end = (first + ROWS).min(rows);
            let cells = self.rows(said, first..end);
            put(&if json { as_json(&self.names, &cells, end == rows)? } else { as_csv(&cells)? })?;
        }
        if json { put("]\n") } else { Ok(()) }
    }

    fn rows(&self, said: &Said, rows: Range<usize>) -> Vec<Vec<Cell>> {
        let width = self.target.width();
        let outputs = said.outputs.get(rows.start * width..rows.end * width).unwrap_or(&[]);
        let shares = if self.args.probabilities { self.target.probabilities(outputs) } else { vec![] };
        let inverse = self.target.inverse(outputs);
        let first = rows.start;
        let row = |row: usize| {
            let own = (row - first) * width..(row - first + 1) * width;
            let mut cells: Vec<Cell> =
                self.columns.iter().map(|column| Cell::Text(column.text(row).map(str::to_owned))).collect();
            match self.target {
                Target::Values { scale, log, .. } => {
                    let said = inverse[own.clone()].iter().zip(scale);
                    cells.extend(said.map(|(&x, scale)| Cell::Number(x, if *log { x * scale } else { *scale } * FINEST)));
                }
                Target::Classes { classes, .. } => {
                    let class = said.classes.get(row).map_or_else(|| best(&outputs[own.clone()]), |&class| class as usize);
                    cells.push(Cell::Text(Some(classes[class].clone())));
                }
                Target::Labels { .. } => {
                    cells.extend(outputs[own.clone()].iter().map(|&x| Cell::Number(f64::from(u8::from(x > 0.0)), 1.0)));
                }
            }
            if self.args.probabilities {
                cells.extend(shares[own].iter().map(|&p| Cell::Share(p)));
            }
            cells
        };
        rows.map(row).collect()
    }
}

/// A model computes with the standardised target in f32, some 7 digits: two more of it are written.
const FINEST: f64 = 1e-9;

/// A number with the digits that mean something where a model tells no differences smaller than `finest`, however large the number.
fn number(x: f64, finest: f64) -> String {
    let digits = (-finest.abs().log10().floor()).max(0.0);
    let rounded = if digits <= 30.0 { format!("{x:.*}", digits as usize).parse().unwrap_or(x) } else { x };
    // No zero with a sign.
    let plain = rounded + 0.0;
    if plain == 0.0 || (1e-5..1e17).contains(&plain.abs()) { plain.to_string() } else { format!("{plain:e}") }
}

fn as_csv(rows: &[Vec<Cell>]) -> anyhow::Result<String> {
    let mut csv = csv::Writer::from_writer(vec![]);
    for row in rows {
        csv.write_record(row.iter().map(|cell| match cell {
            Cell::Text(text) => text.clone().unwrap_or_default(),
            Cell::Number(x, finest) => number(*x, *finest),
            Cell::Share(p) => format!("{p:.6}"),
        }))?;
    }
    let bytes = csv.into_inner().map_err(|e| anyhow::anyhow!("{e}"))?;
    String::from_utf8(bytes).context("the answer as text")
}

/// Some of the objects of a list; `last`: no more come.
fn as_json(names: &[String], rows: &[Vec<Cell>], last: bool) -> anyhow::Result<String> {
    let value = |cell: &Cell| match cell {
        Cell::Text(text) => json!(text),
        Cell::Number(x, finest) => number(*x, *finest).parse::<f64>().map_or(Value::Null, |x| json!(x)),
        Cell::Share(p) => json!((p * 1e6).round() / 1e6),
    };
    let mut text = String::new();
    for (i, row) in rows.iter().enumerate() {
        let object = Value::Object(names.iter().cloned().zip(row.iter().map(value)).collect());
        // Line ends stand between the parts of an object only: in its texts they are written out.
        text += &format!("  {}", serde_json::to_string_pretty(&object)?.replace('\n', "\n  "));
        text += if last && i + 1 == rows.len() { "\n" } else { ",\n" };
    }
    Ok(text)
}
