//! `steepest plot`: learning curves, scatter plots, and what a model gets right, as SVG, PNG or a sketch in the terminal.

use crate::evaluate::Answers;
use crate::metrics::Truths;
use crate::output::{self, Verdict};
use crate::table::{Reading, ReadingArgs, column, refuse};
use crate::text::short;
use crate::{aside, curves, files, model, siblings};
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use steepest::data::{Kind, Table, Target};
use steepest::plot::{self, Figure, Panels};
use steepest::train::History;

/// Draw a learning curve, two columns of a table, or what a model gets right
///
/// Without -o the picture is sketched in the terminal; with -o it goes into a file, .svg or .png by its name, which is written whole or
/// not at all and replaces one that is there.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  steepest plot curve model.safetensors                      # a sketch in the terminal
  steepest plot curve model.history.csv -o curve.svg
  steepest plot scatter mpg.csv --x weight --y mpg -o mpg.png
  steepest plot confusion model.safetensors test.csv
  steepest plot roc titanic.safetensors test.csv --class 1
  steepest plot predictions houses.safetensors test.csv -o houses.svg")]
pub struct Args {
    #[command(subcommand)]
    picture: Picture,
}

#[derive(clap::Subcommand)]
enum Picture {
    /// Loss and metrics over the epochs, from a model or a history file
    ///
    /// Where the validation loss rises while the training loss still falls, the model begins to learn its rows by heart.
    Curve {
        /// A model, or the .history.csv beside it
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        to: To,
    },
    /// Two columns of numbers of a table, and the straight line of least squares through them
    Scatter {
        /// A CSV file, or - for standard input
        #[arg(value_name = "DATA")]
        data: PathBuf,
        /// The column that goes to the right
        #[arg(long, value_name = "COLUMN")]
        x: String,
        /// The column that goes up
        #[arg(long, value_name = "COLUMN")]
        y: String,
        #[command(flatten)]
        reading: ReadingArgs,
        #[command(flatten)]
        to: To,
    },
    /// Which classes a model takes for which, on a table whose classes are known
    Confusion {
        #[command(flatten)]
        asked: Asked,
        #[command(flatten)]
        to: To,
    },
    /// How many of a class a model finds, against how many others it mistakes for it, at every threshold
    Roc {
        #[command(flatten)]
        asked: Asked,
        /// The class to be found [default: of two the second, of more each one]
        #[arg(long, value_name = "CLASS")]
        class: Option<String>,
        #[command(flatten)]
        to: To,
    },
    /// What a model predicts against what is true, of numbers: the nearer to the diagonal the better
    Predictions {
        #[command(flatten)]
        asked: Asked,
        #[command(flatten)]
        to: To,
    },
}

#[derive(clap::Args)]
struct Asked {
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
}

#[derive(clap::Args)]
struct To {
    /// Where the picture goes: a name that ends in .svg or .png [default: a sketch in the terminal]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Columns of the sketch
    #[arg(long, value_name = "N", default_value_t = 78)]
    columns: usize,
    /// Lines of the sketch
    #[arg(long, value_name = "N", default_value_t = 22)]
    lines: usize,
}

pub fn run(args: &Args) -> Verdict {
    match &args.picture {
        Picture::Curve { file, to } => to.draw(&[file], || history(file)),
        Picture::Scatter { data, x, y, reading, to } => to.draw(&[data], || {
            let table = reading.or(&Reading::default()).read(data)?;
            Ok(vec![scatter(&table, x, y)?])
        }),
        Picture::Confusion { asked, to } => to.draw(&asked.files(), || {
            let answers = asked.answers()?;
            let matrix = answers.measured.confusion.as_ref();
            let matrix = matrix.with_context(|| asked.unfit("classes, of which a confusion matrix is made"))?;
            let names: Vec<&str> = answers.fitted.target.names().iter().map(String::as_str).collect();
            Ok(vec![plot::confusion(matrix, &names)])
        }),
        Picture::Roc { asked, class, to } => to.draw(&asked.files(), || roc(asked, class.as_deref())),
        Picture::Predictions { asked, to } => to.draw(&asked.files(), || predictions(asked)),
    }
}

impl To {
    /// Draws figures into the file or the terminal.
    fn draw(&self, inputs: &[&Path], figures: impl FnOnce() -> anyhow::Result<Vec<Figure>>) -> Verdict {
        if let Some(path) = &self.out {
            let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
            anyhow::ensure!(
                matches!(ending.as_deref(), Some("svg" | "png")),
                "{}: expected a name that ends in .svg or .png",
                path.display()
            );
            files::check(path, inputs)?;
        }
        let figures = figures()?;
        match (&self.out, &figures[..]) {
            (Some(path), [figure]) => figure.save(path)?,
            (Some(path), _) => Panels::new(2, figures).save(path)?,
            (None, _) => {
                for figure in &figures {
                    output::lines(format_args!("{}", figure.sketch(self.columns, self.lines)?.trim_end()))?;
                }
            }
        }
        if let Some(path) = &self.out {
            aside!("drawn into {}", path.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Asked {
    fn files(&self) -> Vec<&Path> {
        vec![&self.model, &self.data]
    }

    fn answers(&self) -> anyhow::Result<Answers> {
        Answers::of(&self.model, &self.data, &self.reading, self.device.as_deref(), false)
    }

    fn unfit(&self, expected: &str) -> String {
        format!("{}: the model does not predict {expected}", self.model.display())
    }
}

fn history(file: &Path) -> anyhow::Result<Vec<Figure>> {
    let text = if file.extension().is_some_and(|e| e == "csv") {
        let text = String::from_utf8_lossy(&files::read(file)?).into_owned();
        of_another_run(file);
        text
    } else {
        let history = model::read(file)?.history;
        history.with_context(|| format!("{}: found a model without a history of its training", file.display()))?
    };
    let history = History::from_csv(&text).with_context(|| {
        format!("{}: expected a model, or the .history.csv that `steepest fit` writes beside it", file.display())
    })?;
    anyhow::ensure!(!history.records.is_empty(), "{}: found a history without epochs", file.display());
    Ok(curves::of(&history))
}

/// Says so if a history lies beside a model of another run.
fn of_another_run(history: &Path) {
    let warning = || {
        let path = siblings::model_of(history)?;
        let model = model::read(&path).ok()?;
        let note = siblings::note_of(&path, &model, model::NOTE).ok()?;
        let beside: Vec<_> = siblings::of(&path, &model, &note).into_iter().filter(|beside| beside.path == history).collect();
        siblings::warning(&path, &beside)
    };
    if let Some(warning) = warning() {
        aside!("note: {warning}");
    }
}

fn scatter(table: &Table, x: &str, y: &str) -> anyhow::Result<Figure> {
    for name in [x, y] {
        column(table, name)?;
        let kind = table.column(name)?.kind();
        if !matches!(kind, Kind::Number | Kind::YesNo) {
            return Err(refuse(
                table,
                Some(1),
                Some(name),
                format!("a column of kind {kind}"),
                "numbers",
                "choose another column",
            ));
        }
    }
    let (across, up) = (table.column(x)?, table.column(y)?);
    let points: Vec<(f64, f64)> = (0..table.len()).filter_map(|row| across.number(row).zip(up.number(row))).collect();
    if points.is_empty() {
        let found = format!("no row with both `{x}` and `{y}`");
        return Err(refuse(table, None, None, found, "some", "choose other columns"));
    }
    let mut figure = Figure::new(format!("{y} by {x}")).labels(x, y).points(format!("{} rows", points.len()), points.clone());
    if let Some((slope, start, share)) = line(&points) {
        let (least, most) = points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), p| (a.min(p.0), b.max(p.0)));
        let sign = if start < 0.0 { '−' } else { '+' };
        let name = format!("{} x {sign} {}, R2 {share:.3}", short(slope), short(start.abs()));
        figure = figure.line(name, [least, most].map(|x| (x, slope * x + start)));
    }
    Ok(figure)
}

/// Slope, start and R² of the line of least squares; none through points above each other.
fn line(points: &[(f64, f64)]) -> Option<(f64, f64, f64)> {
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let sum = |of: &dyn Fn(f64, f64) -> f64| points.iter().map(|p| of(p.0 - x, p.1 - y)).sum::<f64>();
    let (xx, xy, yy) = (sum(&|a, _| a * a), sum(&|a, b| a * b), sum(&|_, b| b * b));
    (xx > 0.0 && yy > 0.0).then(|| (xy / xx, y - xy / xx * x, xy * xy / (xx * yy)))
}

fn roc(asked: &Asked, class: Option<&str>) -> anyhow::Result<Vec<Figure>> {
    let answers = asked.answers()?;
    let (Target::Classes { classes, .. }, Truths::Classes(right)) = (&answers.fitted.target, &answers.truths) else {
        anyhow::bail!(asked.unfit("classes, of which an ROC curve is drawn"))
    };
    let chosen: Vec<usize> = match class {
        Some(class) => {
            let found = classes.iter().position(|name| name == class);
            vec![found.with_context(|| format!("--class: found `{class}`, expected one of `{}`", classes.join("`, `")))?]
        }
        None if classes.len() == 2 => vec![1],
        None => (0..classes.len()).collect(),
    };
    let shares = answers.fitted.target.probabilities(&answers.outputs);
    let mut figures = vec![];
    for class in chosen {
        let labels: Vec<u32> = right.iter().map(|&r| u32::from(r as usize == class)).collect();
        let (found, rows) = (labels.iter().filter(|&&l| l == 1).count(), labels.len());
        anyhow::ensure!(
            found > 0 && found < rows,
            "{}: {found} of {rows} rows are of the class `{}`, expected rows of it and of others for an ROC curve",
            asked.data.display(),
            classes[class]
        );
        // The logit apart from the others keeps the order where probabilities round to 0 or 1.
        let scores: Vec<f32> = match classes.len() {
            2 => answers.outputs.chunks(2).map(|row| row[class] - row[1 - class]).collect(),
            n => shares.iter().skip(class).step_by(n).map(|&p| p as f32).collect(),
        };
        let title = format!("ROC curve of `{}`", classes[class]);
        let figure = plot::roc(&scores, &labels).with_context(|| title.clone())?;
        figures.push(figure.note(title));
    }
    Ok(figures)
}

fn predictions(asked: &Asked) -> anyhow::Result<Vec<Figure>> {
    let Answers { fitted, outputs, truths, measured, .. } = asked.answers()?;
    let Truths::Values(values) = truths else { anyhow::bail!(asked.unfit("numbers")) };
    let said = fitted.target.inverse(&outputs);
    let columns = fitted.target.columns();
    let width = columns.len();
    let of = |c: usize| {
        let pairs: Vec<(f64, f64)> = values.iter().copied().zip(said.iter().copied()).skip(c).step_by(width).collect();
        let ends =
            values.iter().skip(c).step_by(width).fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
        Figure::new(format!("Predictions of {}", columns[c]))
            .labels(format!("true {}", columns[c]), format!("predicted {}", columns[c]))
            .points(format!("{} rows", measured.rows), pairs)
            .line("exact", [(ends.0, ends.0), (ends.1, ends.1)])
    };
    Ok((0..width).map(of).collect())
}
