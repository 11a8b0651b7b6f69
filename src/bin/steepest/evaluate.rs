//! `steepest evaluate`: how good a model is on a table whose target is known.

use crate::metrics::{Measured, Truths, measure};
use crate::model::Fitted;
use crate::output::{self, Verdict};
use crate::table::{ReadingArgs, column, refuse};
use crate::{aside, say, task};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Compare what a model predicts for a table with what the table says
///
/// The figures are those of `steepest fit`: accuracy, macro F1, ROC AUC and log loss with the confusion matrix for classes; R2,
/// RMSE and MAE in the units of the table for numbers; each beside what one gets by always saying the same. They tell how
/// good the model is on new rows only if it has not learned from these. Rows whose target is missing are left out.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  steepest evaluate model.safetensors test.csv
  steepest evaluate model.safetensors test.csv --json | jq .figures

Exit code: 0, or 2 if it could not be done.")]
pub struct Args {
    /// The model, as `steepest fit` wrote it
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The table, with the target's column: a CSV file, or - for standard input
    #[arg(value_name = "DATA")]
    data: PathBuf,
    #[command(flatten)]
    reading: ReadingArgs,
    /// cpu, gpu, best, or part of an adapter's name (see `steepest devices`) [default: best]
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    /// No notes on standard error
    #[arg(long, short)]
    quiet: bool,
}

/// A model's answers to a table whose target is known.
pub struct Answers {
    pub fitted: Fitted,
    pub outputs: Vec<f32>,
    pub truths: Truths,
    pub measured: Measured,
}

impl Answers {
    /// Asks a model about a table, and compares.
    pub fn of(model: &Path, data: &Path, reading: &ReadingArgs, device: Option<&str>, quiet: bool) -> anyhow::Result<Answers> {
        let fitted = Fitted::load(model, device)?;
        let table = reading.or(&fitted.reading()).read(data)?;
        fitted.target.columns().iter().try_for_each(|name| column(&table, name))?;
        let whole = table.without_missing_rows(fitted.target.columns())?;
        let left = table.len() - whole.len();
        if whole.is_empty() {
            let found = format!("nothing but missing values in {} rows", table.len());
            let name = fitted.target.columns().first().map(String::as_str);
            return Err(refuse(
                &table,
                Some(1),
                name,
                found,
                "values to compare with",
                "fill them in, or only ask for predictions",
            ));
        }
        let (mut outputs, notes) = fitted.outputs(&whole)?;
        if !quiet {
            if left > 0 {
                aside!("note: {left} of {} rows are left out: their target is missing", table.len());
            }
            notes.iter().chain(&fitted.warning).for_each(|note| aside!("note: {note}"));
            if fitted.note["table"].as_str() == data.file_name().and_then(|name| name.to_str()) {
                aside!(
                    "note: the model learned from a table of this name: figures of rows it has seen say nothing about new ones"
                );
            }
        }
        let truths = Truths::of(&fitted.target, &whole)?;
        let measured = measure(&fitted.target, &mut outputs, &truths, fitted.baseline().as_ref())?;
        Ok(Answers { fitted, outputs, truths, measured })
    }
}

pub fn run(args: &Args) -> Verdict {
    let answers = Answers::of(&args.model, &args.data, &args.reading, args.device.as_deref(), args.quiet)?;
    let Answers { fitted, measured, .. } = &answers;
    if args.json {
        let mut found = measured.to_json(fitted.target.names());
        found["model"] = args.model.display().to_string().into();
        found["table"] = args.data.display().to_string().into();
        found["task"] = task::name(&fitted.target).into();
        output::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    say!("{}, {} rows of {}", task::described(&fitted.target), measured.rows, args.data.display());
    measured.print(task::always(&fitted.target))?;
    Ok(ExitCode::SUCCESS)
}
