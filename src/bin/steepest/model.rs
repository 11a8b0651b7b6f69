//! A model's file as `steepest fit` wrote it, ready to be asked.

use crate::metrics::Baseline;
use crate::table::{Reading, refuse};
use crate::{files, notes, siblings, training};
use anyhow::Context;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use steepest::Device;
use steepest::data::{LeftOut, Preprocessor, Table, Target};
use steepest::nn::{self, Blueprint, Module, Registry};
use steepest::save::ModelFile;

/// The entry of the file's metadata with what `steepest fit` did.
pub const NOTE: &str = "fit";

pub struct Fitted {
    pub path: PathBuf,
    pub model: Box<dyn Module>,
    pub preprocessor: Preprocessor,
    pub target: Target,
    pub device: Device,
    /// What `steepest fit` did, as in the report.
    pub note: Value,
    /// That files beside it are of another run.
    pub warning: Option<String>,
}

/// The device of a name, or the best there is.
pub fn device(name: Option<&str>) -> anyhow::Result<Device> {
    Ok(match name {
        Some(name) => Device::named(name)?,
        None => Device::best()?,
    })
}

/// Reads a file of a model; a table given in its place is another error than a damaged model.
pub fn read(path: &Path) -> anyhow::Result<ModelFile> {
    let name = path.display();
    let bytes = files::read(path)?;
    let text = bytes.iter().take(512).all(|b| (b' '..=b'~').contains(b) || b.is_ascii_whitespace() || *b >= 0x80);
    anyhow::ensure!(
        !text || bytes.is_empty(),
        "{name}: found text, expected a model as `steepest fit` writes it (a .safetensors file); are the arguments in the order MODEL TABLE?"
    );
    Ok(ModelFile::parse(path, &bytes)?)
}

impl Fitted {
    pub fn load(path: &Path, device_name: Option<&str>) -> anyhow::Result<Fitted> {
        let file = read(path)?;
        let name = path.display();
        let Some(text) = &file.preprocessing else {
            anyhow::bail!(
                "{name}: found a model without preprocessing, expected one that `steepest fit` wrote: how a table becomes its input is not known"
            )
        };
        let preprocessor = Preprocessor::from_json(path, text)?;
        let target = preprocessor.target().cloned();
        let target =
            target.with_context(|| format!("{name}: found a model without a target, expected one that `steepest fit` wrote"))?;
        let note = siblings::note_of(path, &file, NOTE)?;
        let warning = siblings::warning(path, &siblings::of(path, &file, &note));
        let device = device(device_name)?;
        let model = file.build(&device)?;
        Ok(Fitted { path: path.to_owned(), model, preprocessor, target, device, note, warning })
    }

    /// How the table it learned from was read.
    pub fn reading(&self) -> Reading {
        let reading: Reading = serde_json::from_value(self.note["reading"].clone()).unwrap_or_default();
        Reading { model: Some(self.preprocessor.clone()), ..reading }
    }

    /// What always says the same after the rows it learned from.
    pub fn baseline(&self) -> Option<Baseline> {
        serde_json::from_value(self.note["always_the_same"].clone()).ok()
    }

    /// Hands over the outputs for all rows of a table, some rows at a time; gives back what was noticed about it.
    pub fn each_output(&self, table: &Table, mut take: impl FnMut(&[f32])) -> anyhow::Result<Vec<String>> {
        let (width, own) = (self.preprocessor.width(), self.target.width());
        let mut row = 0;
        let notes = self.preprocessor.in_batches(table, training::rows_at_once(width), |features| {
            let outputs = training::said(&*self.model, &self.device, features, width)?;
            let rows = features.len() / width;
            anyhow::ensure!(
                outputs.len() == rows * own,
                "{}: found {} outputs for {rows} rows, expected {}: the model does not belong to its preprocessing",
                self.path.display(),
                outputs.len(),
                rows * own
            );
            if let Some(at) = outputs.iter().position(|x| !x.is_finite()) {
                let found = format!("a row for which the model says {}", outputs[at]);
                let advice = "are its values far outside those the model learned from? Correct them, or train on such rows";
                return Err(refuse(table, table.line(row + at / own), None, found, "a finite answer", advice));
            }
            row += rows;
            take(&outputs);
            Ok(())
        })?;
        Ok(notes.into_iter().chain(notes::on_new_numbers(&self.preprocessor, table)).collect())
    }

    /// The outputs for every row of a table, and what was noticed about it.
    pub fn outputs(&self, table: &Table) -> anyhow::Result<(Vec<f32>, Vec<String>)> {
        let mut all = vec![];
        let notes = self.each_output(table, |outputs| all.extend_from_slice(outputs))?;
        Ok((all, notes))
    }
}

/// The layers of a model, or of one of the members of an ensemble; and how many members there are.
pub fn layers(blueprint: &Blueprint, inputs: usize) -> anyhow::Result<(usize, nn::Summary)> {
    let (members, one) = match (blueprint.kind(), blueprint.parts()) {
        ("Ensemble", parts @ [(_, first), ..]) => (parts.len(), first),
        _ => (1, blueprint),
    };
    let device = Device::cpu();
    Ok((members, nn::summary(&*Registry::new().build(&device, one)?, &device, [1, inputs])?))
}

/// What stands before the layers of a member.
pub fn each(members: usize) -> String {
    if members > 1 { format!("the mean of {members} models, each with\n") } else { String::new() }
}

/// The columns left out, each with the reason.
pub fn left_out(preprocessor: &Preprocessor) -> Value {
    let entry = |left: &LeftOut| json!({ "column": left.column, "reason": left.reason });
    json!(preprocessor.left_out().iter().map(entry).collect::<Vec<_>>())
}
