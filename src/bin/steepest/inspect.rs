//! `steepest inspect`: what is in a file, a model, a table or arrays.

use crate::output::{self, Verdict};
use crate::table::{Reading, ReadingArgs, column};
use crate::text::{figure, quoted, short};
use crate::{model, say, siblings, task};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use steepest::Device;
use steepest::data::{Array, Preprocessor, Table, read_npz};
use steepest::nn;
use steepest::save::{LeftOut, ModelFile};
use steepest::train::History;

/// Show what is in a file: a model, a table, or NumPy's arrays
///
/// Of a table: kind, missing and different values, smallest, mean and largest number of every column, how its numbers and dates are
/// written, what counts as missing, and what is odd about it; with
/// --target also the columns that give it away. Of a model: what it predicts, how good it was on held-out rows, its layers, what is
/// done to every column before the model sees it, which columns were left out and why, and how the training went. Of arrays: type, shape,
/// smallest and largest number. Tensors and arrays that cannot be read here are named, with the reason, and so are files beside a model that
/// are of another run.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  steepest inspect houses.csv
  steepest inspect titanic.csv --target survived
  steepest inspect model.safetensors
  steepest inspect model.safetensors --json | jq .layers
  steepest inspect images.npz

Exit code: 0, or 2 if the file is none of these or is damaged.")]
pub struct Args {
    /// A model (.safetensors), a CSV file, arrays (.npy, .npz), or - for a table on standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Of a table: look for columns that give this one away
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    #[command(flatten)]
    reading: ReadingArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Verdict {
    if is_model(&args.file)? {
        return of_model(args);
    }
    let ends = |ending: &str| args.file.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
    if ends("npz") {
        let found = read_npz(&args.file)?;
        return of_arrays(args, &found.arrays, &found.left_out);
    }
    if ends("npy") {
        let name = args.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        return of_arrays(args, &[(name, Array::read(&args.file)?)], &[]);
    }
    let table = args.reading.or(&Reading::default()).read(&args.file)?;
    of_table(args, &table)
}

/// A file of tensors begins with the length of its header, of which the upper bytes are zero.
fn is_model(path: &Path) -> anyhow::Result<bool> {
    if path.as_os_str() == "-" {
        return Ok(false);
    }
    if steepest::files::is_pipe(path) {
        return Ok(false);
    }
    let mut start = vec![];
    let read = steepest::files::open(path)?.0.take(9).read_to_end(&mut start);
    read.map_err(|e| anyhow::anyhow!("{}: cannot be read: {e}", path.display()))?;
    Ok(path.extension().is_some_and(|e| e == "safetensors") || (start.len() == 9 && start[6..8] == [0, 0] && start[8] == b'{'))
}

fn of_table(args: &Args, table: &Table) -> Verdict {
    let giveaways = match &args.target {
        Some(target) => {
            column(table, target)?;
            table.giveaways(target)?
        }
        None => vec![],
    };
    if args.json {
        let mut found = serde_json::to_value(table.report())?;
        found["notes"] = json!(table.notes());
        if args.target.is_some() {
            let listed = giveaways.iter().map(|(column, reason)| json!({ "column": column, "reason": reason }));
            found["giveaways"] = Value::Array(listed.collect());
        }
        output::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    output::lines(format_args!("{}", table.report()))?;
    for note in table.notes() {
        say!("note: {note}");
    }
    if let Some(target) = &args.target {
        if giveaways.is_empty() {
            say!("\nno column gives `{target}` away");
        }
        for (name, reason) in &giveaways {
            say!("\n`{name}` gives `{target}` away: {reason}");
        }
        say!("\nnext: steepest fit {} --target {}", quoted(&args.file.display().to_string()), quoted(target));
    }
    Ok(ExitCode::SUCCESS)
}

fn of_arrays(args: &Args, arrays: &[(String, Array)], left_out: &[(String, String)]) -> Verdict {
    if args.json {
        let array = |(name, array): &(String, Array)| {
            let (least, most) = range(array);
            json!({ "name": name, "type": array.data().to_string(), "shape": array.shape(), "min": least, "max": most })
        };
        let left = left_out.iter().map(|(name, reason)| json!({ "name": name, "reason": reason }));
        let all = json!({
            "arrays": arrays.iter().map(array).collect::<Vec<_>>(),
            "arrays_left_out": left.collect::<Vec<_>>(),
        });
        output::json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    let count = arrays.len();
    say!("{}: {count} array{}", args.file.display(), if count == 1 { "" } else { "s" });
    for (name, array) in arrays {
        let between = match range(array) {
            (Some(least), Some(most)) => format!("  {} to {}", short(least), short(most)),
            _ => String::new(),
        };
        say!("  {name}  {} {:?}{between}", array.data(), array.shape());
    }
    if !left_out.is_empty() {
        say!("\nleft out");
        for (name, reason) in left_out {
            say!("  {name}: {reason}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The smallest and the largest number, of those that are finite; none of integers that f64 cannot hold.
fn range(array: &Array) -> (Option<f64>, Option<f64>) {
    let numbers = array.to_f64().unwrap_or_default();
    let finite = || numbers.iter().copied().filter(|x| x.is_finite());
    (finite().reduce(f64::min), finite().reduce(f64::max))
}

fn of_model(args: &Args) -> Verdict {
    let file = model::read(&args.file)?;
    let preprocessor = file.preprocessing.as_deref().map(|text| Preprocessor::from_json(&args.file, text)).transpose()?;
    let note = siblings::note_of(&args.file, &file, model::NOTE)?;
    let beside = siblings::of(&args.file, &file, &note);
    let history = file.history.as_deref().map(History::from_csv).transpose()?;
    let steps = preprocessor.as_ref().map(columns).transpose()?.unwrap_or_default();
    if args.json {
        return as_json(&file, preprocessor.as_ref(), note, history.as_ref(), &steps, &beside);
    }
    let numbers: u64 = file.state.numbers();
    say!("{}: a model of {numbers} numbers in {} tensors", args.file.display(), file.state.len());
    if !file.left_out.is_empty() {
        say!("\ntensors left out");
        for (name, left) in &file.left_out {
            say!("  {name}  {} {:?}: {}", left.dtype, left.shape, left.fault);
        }
    }
    print_origin(preprocessor.as_ref(), &note)?;
    print_layers(&file, preprocessor.as_ref())?;
    if !steps.is_empty() {
        say!("columns it needs, and what is done to them");
        let width = steps.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, what) in &steps {
            say!("  {name:<width$}  {what}");
        }
    }
    print_left_out(&left_out(preprocessor.as_ref(), &note))?;
    if let Some(history) = history.as_ref().filter(|history| !history.records.is_empty()) {
        let first = file.blueprint.as_ref().is_some_and(|blueprint| blueprint.kind() == "Ensemble");
        say!("\ntraining{}", if first { " (of the first model)" } else { "" });
        print_history(history)?;
    }
    if let Some(warning) = siblings::warning(&args.file, &beside) {
        say!("\nnote: {warning}");
    }
    Ok(ExitCode::SUCCESS)
}

/// What a model predicts, what it learned from, and how good it was.
fn print_origin(preprocessor: Option<&Preprocessor>, note: &Value) -> anyhow::Result<()> {
    if let Some(target) = preprocessor.and_then(Preprocessor::target) {
        say!("{} from {} features", task::described(target), preprocessor.map_or(0, Preprocessor::width));
        if note["target_is_logarithm"] == true {
            say!("what it learned is the logarithm; predictions are in the units of the table");
        }
    }
    if let Some(table) = note["table"].as_str() {
        let rows = |part: &str| note["rows"][part].as_u64().unwrap_or(0);
        say!("learned from {} rows of {table}, stopped by {}, judged by {}", rows("train"), rows("validation"), rows("test"));
    }
    if let Some(figures) = note["held_out"]["figures"].as_object() {
        let mut figures: Vec<(&String, f64)> = figures.iter().filter_map(|(name, value)| Some((name, value.as_f64()?))).collect();
        // The most telling first, as `fit` prints them.
        figures.sort_by_key(|(name, _)| !["R2", "accuracy"].contains(&name.as_str()));
        let named = figures.iter().map(|(name, value)| format!("{name} {}", figure(name, *value)));
        say!("held-out rows: {}", named.collect::<Vec<_>>().join(", "));
    }
    Ok(())
}

/// The layers of a model, or if they are not known its tensors.
fn print_layers(file: &ModelFile, preprocessor: Option<&Preprocessor>) -> anyhow::Result<()> {
    say!("\nlayers");
    match (&file.blueprint, preprocessor) {
        (Some(blueprint), Some(preprocessor)) => {
            // It must be the file's own numbers that fill it.
            file.build(&Device::cpu())?;
            let (members, summary) = model::layers(blueprint, preprocessor.width())?;
            output::lines(format_args!("{}{summary}", model::each(members)))?;
        }
        _ => {
            for (name, array) in file.state.iter() {
                say!("  {name}  {} {:?}", array.dtype(), array.shape);
            }
        }
    }
    Ok(())
}

/// Columns that were left out, those of one reason together.
fn print_left_out(left: &Value) -> anyhow::Result<()> {
    let Some(left) = left.as_array().filter(|left| !left.is_empty()) else { return Ok(()) };
    say!("\ncolumns left out");
    let part = |entry: &Value, part: &str| entry[part].as_str().unwrap_or("?").to_owned();
    let mut reasons: Vec<(String, Vec<String>)> = vec![];
    for entry in left {
        match reasons.iter_mut().find(|(reason, _)| *reason == part(entry, "reason")) {
            Some((_, columns)) => columns.push(part(entry, "column")),
            None => reasons.push((part(entry, "reason"), vec![part(entry, "column")])),
        }
    }
    for (reason, columns) in reasons {
        match &columns[..] {
            [first, second, third, .., _] if columns.len() > 10 => {
                say!("  {first}, {second}, {third} and {} more: {reason}", columns.len() - 3);
            }
            _ => columns.iter().try_for_each(|column| output::line(format_args!("  {column}: {reason}")))?,
        }
    }
    Ok(())
}

/// The columns left out: with the reasons of `steepest fit` if it made the model.
fn left_out(preprocessor: Option<&Preprocessor>, note: &Value) -> Value {
    if note["left_out"].is_array() {
        return note["left_out"].clone();
    }
    preprocessor.map_or_else(|| json!([]), model::left_out)
}

/// First, best and last epoch.
fn print_history(history: &History) -> anyhow::Result<()> {
    let value = |i: usize| history.records[i].val_loss.unwrap_or(history.records[i].loss);
    let last = history.records.len() - 1;
    // The first of several.
    let best = (0..=last).fold(0, |best, i| if value(i) < value(best) { i } else { best });
    for (what, i) in [("first", 0), ("best", best), ("last", last)] {
        let record = &history.records[i];
        let mut text = format!("  {what:<5} epoch {:>4}  loss {:.4}", record.epoch, record.loss);
        if let Some(loss) = record.val_loss {
            text += &format!("  val_loss {loss:.4}");
        }
        for (name, value) in &record.metrics {
            text += &format!("  {name} {value:.4}");
        }
        say!("{text}  rate {:.1e}", record.lr);
    }
    Ok(())
}

/// What is done to each column, in words.
fn columns(preprocessor: &Preprocessor) -> anyhow::Result<Vec<(String, String)>> {
    let saved: Value = serde_json::from_str(&preprocessor.to_json()?)?;
    let features = preprocessor.feature_names();
    let mut dates: HashMap<&str, Vec<&str>> = HashMap::new();
    for (column, inner) in features.iter().filter_map(|name| name.rsplit_once(" (")) {
        dates.entry(column).or_default().push(inner.trim_end_matches(')'));
    }
    let of = |column: &Value| {
        let name = column["name"].as_str().unwrap_or_default().to_owned();
        let said = if column["was_missing"] == true { ", and a feature says so" } else { "" };
        let encoding = &column["encoding"];
        let filled = |fill: &Value| match fill.as_f64() {
            Some(fill) => format!("missing → {}{said}", short(fill)),
            None => "a missing value is refused".to_owned(),
        };
        let what = if let Some(number) = encoding.get("number") {
            let (shift, scale) = (number["shift"].as_f64().unwrap_or(0.0), number["scale"].as_f64().unwrap_or(1.0));
            let written = preprocessor.format(&name).map_or_else(String::new, |format| format!(" written {format}"));
            let within = number["clip"].as_f64().map_or(String::new(), |clip| format!(" within ±{}", short(clip)));
            format!("number{written}: (x − {}) / {}{within}; {}", short(shift), short(scale), filled(&number["fill"]))
        } else if let Some(flag) = encoding.get("yes_no") {
            format!("yes 1, no 0; {}", filled(&flag["fill"]))
        } else if encoding.get("date").is_some() {
            format!("date: {}", dates.get(name.as_str()).map_or(String::new(), |names| names.join(", ")))
        } else {
            let index = encoding.get("index");
            let category = index.unwrap_or(&encoding["category"]);
            let names: Vec<&str> = category["categories"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let some: Vec<String> = names.iter().take(6).map(|name| format!("`{name}`")).collect();
            let more = if names.len() > 6 { ", …" } else { "" };
            let missing = match (category["missing"].as_str(), category["missing"]["is"].as_str()) {
                (Some("own"), _) => ", missing is one too".to_owned(),
                (_, Some(text)) => format!(", missing → `{text}`{said}"),
                _ => String::new(),
            };
            let (count, some) = (names.len(), some.join(", "));
            match index {
                Some(_) => format!("category: an index, 1 to {count} ({some}{more}){missing}, 0 for any other"),
                None => format!("category: a feature for each of {count} ({some}{more}){missing}"),
            }
        };
        (name, what)
    };
    Ok(saved["columns"].as_array().into_iter().flatten().map(of).collect())
}

fn as_json(
    file: &ModelFile,
    preprocessor: Option<&Preprocessor>,
    note: Value,
    history: Option<&History>,
    steps: &[(String, String)],
    beside: &[siblings::Sibling],
) -> Verdict {
    let tensor =
        |(name, array): (&str, &nn::Array)| json!({ "name": name, "type": array.dtype().to_string(), "shape": array.shape });
    let left_out_tensor = |(name, left): (&String, &LeftOut)| json!({ "name": name, "type": left.dtype, "shape": left.shape, "reason": left.fault.to_string() });
    let mut found = json!({
        "numbers": file.state.numbers(),
        "tensors": file.state.iter().map(tensor).collect::<Vec<_>>(),
        "tensors_left_out": file.left_out.iter().map(left_out_tensor).collect::<Vec<_>>(),
        "fit": note,
        "epochs": history.map(|history| history.records.len()),
        "columns": steps.iter().map(|(name, what)| json!({ "column": name, "what": what })).collect::<Vec<_>>(),
    });
    if !beside.is_empty() {
        found["beside"] = beside.iter().map(siblings::Sibling::to_json).collect();
    }
    if let Some(preprocessor) = preprocessor {
        found["features"] = json!(preprocessor.feature_names());
        found["target"] = serde_json::to_value(preprocessor.target())?;
        found["left_out"] = left_out(Some(preprocessor), &found["fit"]);
        if let Some(blueprint) = &file.blueprint {
            file.build(&Device::cpu())?;
            let (members, summary) = model::layers(blueprint, preprocessor.width())?;
            found["members"] = json!(members);
            let row = |row: &nn::Row| json!({ "name": row.name, "layer": row.layer, "parameters": row.parameters });
            found["layers"] = Value::Array(summary.rows.iter().map(row).collect());
        }
    }
    output::json(&found)?;
    Ok(ExitCode::SUCCESS)
}
