//! `steepest fit`: from a table to a model that is judged on rows it never saw, and saved.

use crate::metrics::{self, Baseline, Measured, Truths};
use crate::output::{self, Verdict};
use crate::problem::Problem;
use crate::settings::{Chosen, Settings};
use crate::siblings::{self, names};
use crate::table::refuse;
use crate::text::{figure, quoted};
use crate::training::{self, Trained};
use crate::{aside, curves, files, model, report, say, task};
use anyhow::Context;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use steepest::Device;
use steepest::data::{self, FoldScores, Parts, Preprocessor, Table, Target};
use steepest::files::Files;
use steepest::plot::Panels;
use steepest::save::ModelFile;
use steepest::train::{End, Report};

/// Learn to predict a column of a table, judge the model on rows it never saw, and save it
///
/// The table is read and reported column by column: numbers in any usual spelling, dates, categories; a note says what was taken for
/// what. Columns that give the target away, that only number the rows, and free text are left out, each by name with the reason. Missing
/// numbers become the median of the training rows (and a feature says so), texts become one feature per category (of more than 64 in
/// a column, one index of which each value has weights of its own), dates their order, year, month and day of the week, numbers are brought to mean 0 and standard deviation 1, without those far outside.
/// Of more features than rows those columns are kept that correlate with the target by more than chance (--select);
/// of a table of more than 100 columns only those worth a look are printed (--verbose: all).
///
/// The rows are split at random: 20 % to judge by (--test), 15 % that say when to stop (--validation), the rest to
/// learn from; of classes each part gets its share. Training goes on until the validation loss has not fallen for 30 epochs
/// (--patience), and the best weights are kept; up to 10,000 rows five models are trained so, each with other rows to stop by, and
/// their mean is the answer (--ensemble). Then the model meets the held-out rows for the first time, and what it gets
/// right there is what you may expect of new rows: accuracy for classes, R2 for numbers (1 is perfect, 0 as good as always
/// saying the mean), in the units of the table whatever form was learned.
#[derive(clap::Args)]
#[command(after_long_help = "\
Files:
  model.safetensors    weights, preprocessing, description and history in one file (--out)
  model.history.csv    the learning curve, a line per epoch (of several models, of the first)
  model.report.json    data, settings and figures, as --json prints them
  model.curve.svg      the learning curve as a picture

They are written when all else is done, all or none: an error leaves no file behind, and those of an earlier \
run as they were. A model is replaced, with the files beside it; any other file of that name is not. Whenever the \
program is stopped, the files are of the run that the model is of, or not there. Ctrl-C ends \
training after the epoch, keeps the best weights, and goes on to judging and saving; a second one ends the program at once.

Memory: at most four times the table's file and 200 MB (predict and evaluate, too); of very many classes 4 bytes \
more for each class and each row that is judged. STEEPEST_MEMORY=2GB allows no more than that, and says for what more would be needed.

Settings in a file: --config fit.toml holds the same names as the flags, for instance
  target = \"price\"
  layers = [64, 32]
  rate = 0.001
  data = \"houses.csv\"      # what DATA is on the command line
A flag goes before the file, the file before the default. A name that is not known is refused.

Examples:
  steepest fit houses.csv --target price
  steepest fit titanic.csv --target survived --folds 5 --out titanic.safetensors --seed 1
  steepest fit iris.csv --target species --model linear
  steepest fit houses.csv --target price --ensemble 5 --layers 128,64 --dropout 0.2
  steepest fit --config fit.toml --seed 2 --json > report.json

Exit code: 0, or 2 if it could not be done (a table or a setting is not what it should be).")]
pub struct Args {
    /// The table: a CSV file with a header, or - for standard input
    #[arg(value_name = "DATA")]
    data: Option<PathBuf>,
    /// A TOML file with settings named as the flags are
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// Print the report as JSON on standard output, and nothing else there
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Print the figures only: no report of the table, no progress, no notes
    #[arg(long, short, help_heading = "Output", conflicts_with = "verbose")]
    quiet: bool,
    /// Print every column and note, the model's layers and a line per epoch as well
    #[arg(long, short, help_heading = "Output")]
    verbose: bool,
}

/// A run on its way.
struct Fit<'a> {
    args: &'a Args,
    chosen: Chosen,
    device: Device,
    problem: Problem,
    out: PathBuf,
    start: Instant,
}

pub fn run(args: &Args) -> Verdict {
    let start = Instant::now();
    let from_file = args.config.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
    let settings = args.settings.clone().or(from_file);
    let Some(data) = args.data.clone().or_else(|| settings.data.clone()) else {
        anyhow::bail!("no table is named: steepest fit DATA --target COLUMN (see steepest fit --help)")
    };
    let chosen = settings.chosen()?;
    let out = settings.out.clone().unwrap_or_else(|| "model.safetensors".into());
    let names = names(&out);
    for path in &names {
        files::check(path, &[&data])?;
    }
    let is_model = !out.exists() || model::read(&out).is_ok();
    anyhow::ensure!(is_model, "{}: it is there and is no model, and is not written over; choose another --out", out.display());
    let device = model::device(settings.device.as_deref())?;
    let problem = Problem::read(&data, &settings)?;
    let chosen = chosen.for_rows(problem.table.len());
    Fit { args, chosen, device, problem, out, start }.run()
}

impl Fit<'_> {
    fn run(mut self) -> Verdict {
        self.print_lines(format_args!("{}", report::of_table(&self.problem.report, self.args.verbose)))?;
        let parts = self.parts()?;
        let (mut fitted, mut folds) = (None, Value::Null);
        if self.chosen.folds.is_some() {
            let preprocessor = self.problem.prepare.fit(&self.problem.table.rows(&parts.train)?)?;
            self.print_notes(&preprocessor)?;
            (fitted, folds) = (Some(preprocessor), self.cross_validated()?);
        }
        // From here on nobody needs the whole table: what is made of it takes its place, not more.
        let without_rows = self.problem.table.rows(&[])?;
        let table = std::mem::replace(&mut self.problem.table, without_rows);
        let (learned_rows, _, held_out) = table.into_parts(&parts)?;
        let preprocessor = match fitted {
            Some(preprocessor) => preprocessor,
            None => {
                let preprocessor = self.problem.prepare.fit(&learned_rows)?;
                self.print_notes(&preprocessor)?;
                preprocessor
            }
        };
        let target = preprocessor.target().cloned().ok_or_else(|| anyhow::anyhow!("the target was lost"))?;
        let truths = Truths::of(&target, &held_out)?;
        let baseline = Truths::of(&target, &learned_rows)?.baseline(target.width());
        training::check_memory(&self.chosen, &preprocessor, &target)?;
        let (set, _) = training::data_set(&preprocessor, learned_rows, self.problem.bytes)?;
        let (test, strange) = training::data_set(&preprocessor, held_out, self.problem.bytes)?;
        let chosen = &self.chosen;
        let share = self.share();
        let validation = (set.len() as f64 * share).round() as usize;
        let rows = Rows { train: set.len() - validation, validation, test: test.len() };
        self.print_plan(&preprocessor, &target, &rows)?;
        steepest::files::has_room(&self.out, training::bytes_saved(chosen, &preprocessor, &target))?;
        let trained = training::train(&self.device, chosen, &set, &preprocessor, &target, share, self.args.quiet)?;
        self.print_training(&trained, preprocessor.width())?;
        for note in &strange {
            self.print(format_args!("in the held-out rows: {note}"))?;
        }

        drop(set);
        let mut outputs = training::outputs(&*trained.model, &self.device, &test)?;
        drop(test);
        let measured = metrics::measure(&target, &mut outputs, &truths, Some(&baseline))?;
        drop(outputs);
        let note = self.note(&preprocessor, &target, &rows, &trained, &baseline, &measured, folds);
        let paths = self.save(&trained, &preprocessor, &note)?;
        self.finish(&measured, &note, &paths, &target)
    }

    /// The rows to learn from, and those to judge by.
    fn parts(&self) -> anyhow::Result<Parts> {
        let Fit { chosen, problem: Problem { table, classes, .. }, .. } = self;
        let parts = match classes {
            Some(classes) => data::stratified_parts(classes, 0.0, chosen.test, chosen.seed),
            None => data::random_parts(table.len(), 0.0, chosen.test, chosen.seed),
        };
        parts.map_err(|_| {
            let found =
                format!("{} rows, of which --test {} leaves none to judge by or none to learn from", table.len(), chosen.test);
            refuse(table, None, None, found, "some of both", "take another share (--test 0.2), or add rows")
        })
    }

    /// What is about to be trained.
    fn print_plan(&self, preprocessor: &Preprocessor, target: &Target, rows: &Rows) -> anyhow::Result<()> {
        let width = preprocessor.width();
        self.print(format_args!(
            "\n{}: {width} features, {}; {} rows to learn from, {} that say when to stop, {} to judge by",
            task::described(target),
            shape(&self.chosen, width, target.width()),
            rows.train,
            rows.validation,
            rows.test
        ))?;
        if let Target::Values { log: true, columns, .. } = target {
            let names = columns.join("`, `");
            self.print(format_args!(
                "the logarithm of `{names}` is learned: all values are above zero, and few are far above the others (figures are of \
                 `{names}` itself; --target-scale standard does without)"
            ))?;
        }
        Ok(())
    }

    /// How the training went; with --verbose also the layers and every epoch.
    fn print_training(&self, trained: &Trained, width: usize) -> anyhow::Result<()> {
        if self.args.verbose {
            if let Some(blueprint) = trained.model.blueprint() {
                let (members, summary) = model::layers(&blueprint, width)?;
                self.print_lines(format_args!("\n{}{summary}", model::each(members)))?;
            }
            for run in &trained.runs {
                output::aside_lines(format_args!("{}", run.history.to_csv().trim_end()));
            }
        }
        for (i, run) in trained.runs.iter().enumerate() {
            let member = if trained.runs.len() > 1 { format!("member {}: ", i + 1) } else { String::new() };
            self.print(format_args!("{member}{}", ended(run, &self.chosen)))?;
        }
        Ok(())
    }

    /// What goes into the model's file, and with more into the report.
    #[expect(clippy::too_many_arguments, reason = "all of them are in the note, and it is written once")]
    fn note(
        &self,
        preprocessor: &Preprocessor,
        target: &Target,
        rows: &Rows,
        trained: &Trained,
        baseline: &Baseline,
        measured: &Measured,
        folds: Value,
    ) -> Value {
        let Fit { chosen, problem, .. } = self;
        json!({
            "program": "steepest",
            "version": env!("CARGO_PKG_VERSION"),
            "table": name_of(&problem.table),
            "task": task::name(target),
            "target": target.columns(),
            "target_is_logarithm": matches!(target, Target::Values { log: true, .. }),
            "settings": chosen,
            "batch": training::batch_size(chosen, &training::indices(preprocessor), rows.train),
            "reading": problem.reading,
            "rows": { "train": rows.train, "validation": rows.validation, "test": rows.test },
            "features": preprocessor.width(),
            "parameters": trained.model.parameter_count(),
            "left_out": model::left_out(preprocessor),
            "selected": preprocessor.selected(),
            "notes": problem.notes,
            "runs": trained.runs.iter().map(run_of).collect::<Vec<_>>(),
            "always_the_same": baseline,
            "held_out": measured.to_json(target.names()),
            "cross_validation": folds,
        })
    }

    /// A line that is no figure: on standard output, or with --json on standard error.
    fn print(&self, text: std::fmt::Arguments<'_>) -> anyhow::Result<()> {
        match (self.args.quiet, self.args.json) {
            (true, _) => {}
            (_, true) => aside!("{text}"),
            _ => say!("{text}"),
        }
        Ok(())
    }

    /// Several lines that are no figure, to where [`Fit::print`] puts one.
    fn print_lines(&self, text: std::fmt::Arguments<'_>) -> anyhow::Result<()> {
        match (self.args.quiet, self.args.json) {
            (true, _) => Ok(()),
            (_, true) => {
                output::aside_lines(text);
                Ok(())
            }
            _ => output::lines(text),
        }
    }

    /// What a person should know of the table and of what is learned from it.
    fn print_notes(&self, fitted: &Preprocessor) -> anyhow::Result<()> {
        let (all, report) = (self.args.verbose, names(&self.out)[2].display().to_string());
        let left = report::left_out(&self.problem.left, &self.problem.mentioned, all);
        let notes = report::first_notes(self.problem.notes.iter().cloned().chain(left).collect(), all, &report);
        let chosen = fitted.selected().map(|selected| report::selected(selected, &self.problem.targets));
        let notes: Vec<String> = notes.into_iter().chain(chosen).collect();
        if !notes.is_empty() {
            self.print(format_args!(""))?;
        }
        notes.iter().try_for_each(|note| self.print(format_args!("note: {note}")))
    }

    /// The share of the rows that are not held out which says when to stop.
    fn share(&self) -> f64 {
        self.chosen.validation / (1.0 - self.chosen.test)
    }

    /// The figures of every fold, each by a model of its own.
    fn cross_validated(&self) -> anyhow::Result<Value> {
        let Fit { chosen, problem, .. } = self;
        let Some(k) = chosen.folds else { return Ok(Value::Null) };
        let table = &problem.table;
        if table.len() < k {
            let found = format!("{} rows for {k} folds", table.len());
            let advice = format!("use fewer folds: --folds {}", table.len().min(5));
            return Err(refuse(table, None, None, found, "a row for each fold, and better ten", advice));
        }
        let folds = match &problem.classes {
            Some(classes) => data::stratified_folds(classes, k, chosen.seed),
            None => data::folds(table.len(), k, chosen.seed),
        };
        let folds = folds.with_context(|| format!("--folds {k}"))?;
        if let Some(classes) = &problem.classes {
            let width = classes.iter().max().map_or(0, |&class| class as usize + 1);
            for fold in &folds {
                let there: Vec<u32> = fold.train.iter().map(|&row| classes[row]).collect();
                if metrics::counted(&there, width).iter().filter(|&&n| n > 0).count() < 2 {
                    let found =
                        format!("all rows of one class but those in one of {k} folds: a model cannot learn from one class");
                    let advice = "leave the rare class out, use fewer folds, or do without --folds";
                    return Err(refuse(
                        table,
                        None,
                        problem.targets.first().map(String::as_str),
                        found,
                        "rows of each class in two folds or more",
                        advice,
                    ));
                }
            }
        }
        self.print(format_args!("\ncross-validation: {k} models, each judged by the 1/{k} of all rows that it never saw"))?;
        let mut all: Vec<Measured> = vec![];
        let prepare = problem.prepare.settled(table)?;
        for (index, fold) in folds.iter().enumerate() {
            let train = table.rows(&fold.train)?;
            let fitted = prepare.fit(&train)?;
            let Some(target) = fitted.target() else { anyhow::bail!("the target was lost") };
            let (set, _) = training::data_set(&fitted, train, problem.bytes)?;
            let trained = training::train(&self.device, chosen, &set, &fitted, target, chosen.validation, self.args.quiet)?;
            drop(set);
            anyhow::ensure!(
                !trained.interrupted(),
                "interrupted in the cross-validation, before the model itself: nothing is saved"
            );
            let test = table.rows(&fold.test)?;
            let truths = Truths::of(target, &test)?;
            let (test, _) = training::data_set(&fitted, test, problem.bytes)?;
            let mut outputs = training::outputs(&*trained.model, &self.device, &test)?;
            let measured = metrics::measure(target, &mut outputs, &truths, None)?;
            let (name, value) = measured.first();
            self.print(format_args!("fold {}: {} rows, {name} {}", index + 1, measured.rows, figure(name, value)))?;
            all.push(measured);
        }
        self.summary(k, &all)
    }

    /// Mean and spread of every figure over the folds, printed and as JSON.
    fn summary(&self, k: usize, all: &[Measured]) -> anyhow::Result<Value> {
        let mut found = serde_json::Map::new();
        let names: Vec<&str> = all.first().map_or(vec![], |measured| measured.figures.iter().map(|(name, _)| *name).collect());
        for name in names {
            let of = |measured: &Measured| measured.figures.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
            let scores: Vec<f64> = all.iter().filter_map(of).filter(|x| x.is_finite()).collect();
            let scores = FoldScores { scores };
            let (mean, std) = (scores.mean(), scores.std());
            let count = scores.scores.len();
            if count == 0 {
                continue;
            }
            let spread = if std.is_finite() { format!(" ± {}", figure(name, std)) } else { String::new() };
            let line = format!("{k} folds: {name} {}{spread}", figure(name, mean));
            if !self.args.json {
                say!("{line}{}", if count < k { format!(" (of {count} folds)") } else { String::new() });
            }
            found.insert(name.to_owned(), json!({ "mean": mean, "std": std, "folds": scores.scores }));
        }
        Ok(Value::Object(found))
    }

    fn save(&self, trained: &Trained, preprocessor: &Preprocessor, note: &Value) -> anyhow::Result<Vec<PathBuf>> {
        let history = trained.runs.first().map(|run| run.history.clone()).unwrap_or_default();
        let curve = Panels::new(2, curves::of(&history)).to_svg()?.into_bytes();
        let file = ModelFile::of(&*trained.model)?
            .preprocessing(preprocessor.to_json()?)
            .history(siblings::timeless(history.clone()).to_csv())
            .note(siblings::CURVE, siblings::mark(&curve))
            .note(model::NOTE, serde_json::to_string(note)?);
        let paths = names(&self.out);
        let mut report = note.clone();
        report["device"] = json!(self.device.to_string());
        report["seconds"] = json!(self.start.elapsed().as_secs_f64());
        report["files"] = json!(paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>());
        report["columns"] = json!(self.problem.report.columns);
        let mut files = Files::default();
        // The model first: it is the one that the others belong to.
        files.bytes(&paths[0], &file.to_bytes()?)?;
        files.bytes(&paths[1], history.to_csv().as_bytes())?;
        files.bytes(&paths[2], (serde_json::to_string_pretty(&report)? + "\n").as_bytes())?;
        files.bytes(&paths[3], &curve)?;
        files.keep()?;
        if self.args.json {
            output::json(&report)?;
        }
        Ok(paths)
    }

    fn finish(&self, measured: &Measured, note: &Value, paths: &[PathBuf], target: &Target) -> Verdict {
        if self.args.json {
            return Ok(ExitCode::SUCCESS);
        }
        self.print(format_args!("\njudged by {} rows that training never saw", measured.rows))?;
        measured.print(task::always(target))?;
        if let (Some(cross), (name, value)) = (note["cross_validation"].as_object(), measured.first())
            && let Some(mean) = cross[name]["mean"].as_f64()
        {
            let mean = figure(name, mean);
            self.print(format_args!(
                "(the cross-validation says {name} {mean}; it is the surer figure, being of all rows; this model's is {})",
                figure(name, value)
            ))?;
        }
        let listed: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        self.print(format_args!("\nsaved {} ({:.1} s)", listed.join(", "), self.start.elapsed().as_secs_f64()))?;
        self.print(format_args!("next: steepest predict {} NEW.csv -o predictions.csv", quoted(&listed[0])))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// How many rows there are for what.
struct Rows {
    train: usize,
    validation: usize,
    test: usize,
}

/// The file of a table, without its folders.
fn name_of(table: &Table) -> String {
    table.path().file_name().map_or_else(|| table.path().display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn shape(chosen: &Chosen, inputs: usize, outputs: usize) -> String {
    let layers: Vec<String> = chosen.layers.iter().map(usize::to_string).collect();
    let sizes: Vec<String> = [inputs.to_string()].into_iter().chain(layers).chain([outputs.to_string()]).collect();
    let kind = if chosen.layers.is_empty() { "a linear model" } else { "an mlp" };
    match chosen.members() {
        1 => format!("{kind} {}", sizes.join("-")),
        n => format!("the mean of {n} models, each {kind} {}", sizes.join("-")),
    }
}

/// How a run ended, in words.
fn ended(run: &Report, chosen: &Chosen) -> String {
    let epochs = run.history.records.len();
    let best =
        run.best.map(|(loss, epoch)| format!("; the weights of epoch {epoch} are kept, with a validation loss of {loss:.4}"));
    let why = match run.end {
        End::Finished => format!("all {epochs} epochs are over"),
        End::EarlyStopping => format!("stopped after epoch {epochs}, {} without a better validation loss", chosen.patience),
        End::Callback => format!("stopped after epoch {epochs}"),
        End::Interrupted => format!("interrupted after epoch {epochs}"),
    };
    why + &best.unwrap_or_default()
}

fn run_of(run: &Report) -> Value {
    let last = run.history.last();
    json!({
        "epochs": run.history.records.len(),
        "steps": run.steps,
        "best_epoch": run.best.map(|(_, epoch)| epoch),
        "best_val_loss": run.best.map(|(loss, _)| loss),
        "last_loss": last.map(|record| record.loss),
        "end": match run.end {
            End::Finished => "finished",
            End::EarlyStopping => "early stopping",
            End::Callback => "callback",
            End::Interrupted => "interrupted",
        },
    })
}
