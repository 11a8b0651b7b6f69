//! The files beside a model, and whether they are of the run that the model is of.

use crate::files;
use anyhow::Context;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use steepest::files::fingerprint;
use steepest::save::ModelFile;
use steepest::train::History;

/// The entry of the model's metadata that tells its learning curve from that of another run.
pub const CURVE: &str = "fit.curve";

/// The model's file, its history, its report and its learning curve.
pub fn names(out: &Path) -> Vec<PathBuf> {
    let stem = if out.extension().is_some_and(|e| e == "safetensors") { out.with_extension("") } else { out.to_owned() };
    let beside = |end: &str| {
        let mut name = stem.file_name().unwrap_or_default().to_owned();
        name.push(end);
        stem.with_file_name(name)
    };
    vec![out.to_owned(), beside(".history.csv"), beside(".report.json"), beside(".curve.svg")]
}

/// A history without times: the same seed gives the same model's file, to the bit.
pub fn timeless(mut history: History) -> History {
    history.records.iter_mut().for_each(|record| record.seconds = 0.0);
    history
}

/// What a picture is told by.
pub fn mark(picture: &[u8]) -> String {
    format!("{:016x}", fingerprint(picture))
}

/// A file beside a model.
pub struct Sibling {
    pub path: PathBuf,
    /// Whether it is of the model's run; `None` if it is not there or the model does not tell.
    pub same: Option<bool>,
}

impl Sibling {
    /// As `steepest inspect --json` says it.
    pub fn to_json(&self) -> Value {
        let run = match self.same {
            Some(true) => json!("the model's"),
            Some(false) => json!("another"),
            None => Value::Null,
        };
        json!({ "file": self.path.display().to_string(), "there": self.path.is_file(), "run": run })
    }
}

/// The files beside a model that `steepest fit` wrote. The history and the report lie in the model too, and of the picture the model has a number.
pub fn of(path: &Path, model: &ModelFile, note: &Value) -> Vec<Sibling> {
    let [_, history, report, curve] = &names(path)[..] else { return vec![] };
    if note.is_null() {
        return vec![];
    }
    let bytes = |path: &Path| files::read(path).ok();
    let same_history = bytes(history).zip(model.history.as_ref()).map(|(found, own)| is_history(&found, own));
    let same_report = bytes(report).map(|found| is_report(&found, note));
    let same_curve = bytes(curve).zip(model.notes.get(CURVE)).map(|(found, own)| mark(&found) == *own);
    [(history, same_history), (report, same_report), (curve, same_curve)]
        .map(|(path, same)| Sibling { path: path.clone(), same })
        .into()
}

fn is_history(found: &[u8], own: &str) -> bool {
    let found = std::str::from_utf8(found).ok().and_then(|text| History::from_csv(text).ok());
    found.is_some_and(|found| timeless(found).to_csv() == own)
}

/// All that the model tells of its run is in the report, with the same value.
fn is_report(found: &[u8], note: &Value) -> bool {
    let found: Value = serde_json::from_slice(found).unwrap_or_default();
    let entries = note.as_object().into_iter().flatten();
    found.is_object() && entries.into_iter().all(|(key, value)| found.get(key) == Some(value))
}

/// What is to be said of the files beside a model: one line for those of another run.
pub fn warning(path: &Path, siblings: &[Sibling]) -> Option<String> {
    let other = |sibling: &&Sibling| sibling.same == Some(false);
    let names: Vec<String> = siblings.iter().filter(other).map(|sibling| sibling.path.display().to_string()).collect();
    (!names.is_empty()).then(|| {
        let (verb, they) = if names.len() == 1 { ("is", "it was") } else { ("are", "they were") };
        format!("{} {verb} not of the run that made {}: {they} of another, or changed", names.join(", "), path.display())
    })
}

/// The model that a history lies beside, if there is one of the program's.
pub fn model_of(history: &Path) -> Option<PathBuf> {
    let name = history.file_name()?.to_str()?.strip_suffix(".history.csv")?;
    let named = [format!("{name}.safetensors"), name.to_owned()].map(|name| history.with_file_name(name));
    named.into_iter().find(|path| path.is_file())
}

/// What a model's own metadata says of its run.
pub fn note_of(path: &Path, model: &ModelFile, key: &str) -> anyhow::Result<Value> {
    let note = model.notes.get(key).map_or(Ok(Value::Null), |text| serde_json::from_str(text));
    note.with_context(|| format!("{}: `{key}` in its metadata is damaged", path.display()))
}
