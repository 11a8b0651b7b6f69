//! What the page asks for, call by call: settings in, JSON and numbers out. Plain Rust: `bindings.rs` hands it to JavaScript.

use crate::formula;
use crate::playground::Playground;
use crate::program::{self, Rows};
use crate::settings::{Data, Settings};
use crate::table::{Loaded, Prepared};
use serde_json::{Value, json};
use steepest::save::ModelFile;
use steepest::{Device, Error, Result};

/// A device, at most one table, at most one network.
pub struct Page {
    device: Device,
    table: Option<(String, Loaded)>,
    prepared: Option<(String, Prepared)>,
    playground: Option<Playground>,
    history: Vec<(u64, f32, f32)>,
}

/// Points of a side of the picture of a neuron.
pub const SIDE: usize = 40;

impl Page {
    /// Nothing is loaded yet.
    pub fn new(device: Device) -> Page {
        Page { device, table: None, prepared: None, playground: None, history: vec![] }
    }

    /// The device's name, as people see it.
    pub fn device(&self) -> String {
        self.device.to_string()
    }

    fn playground(&self) -> Result<&Playground> {
        self.playground.as_ref().ok_or_else(|| nothing("no network is there yet"))
    }

    /// Reads a table: its report, remarks, and the last column, which is most often the target.
    ///
    /// # Errors
    /// What is wrong with the file, with line and column.
    pub fn load_table(&mut self, name: &str, bytes: &[u8]) -> Result<Value> {
        let loaded = Loaded::parse(name, bytes)?;
        let columns = serde_json::to_value(loaded.report()).map_err(unsaid)?;
        let target = loaded.report().columns.last().map(|column| column.name.clone());
        let found = json!({"report": columns, "text": loaded.report().to_string(), "notes": loaded.notes(), "target": target});
        self.table = Some((name.to_owned(), loaded));
        self.prepared = None;
        Ok(found)
    }

    /// Chooses the column to predict and columns to leave out: how many rows and features there are, and what was noticed.
    ///
    /// # Errors
    /// No table, or a target that cannot be learned.
    pub fn choose_target(&mut self, target: &str, without: &[String]) -> Result<Value> {
        let (_, loaded) = self.table.as_ref().ok_or_else(|| nothing("no table is loaded; drop a CSV file on the page first"))?;
        let prepared = loaded.prepare(target, without)?;
        let found = json!({
            "rows": prepared.dataset.len(),
            "features": prepared.preprocessor.feature_names(),
            "classes": prepared.dataset.class_names(),
            "notes": prepared.notes,
        });
        self.prepared = Some((target.to_owned(), prepared));
        Ok(found)
    }

    /// Makes a network of settings: what it sees and learns.
    ///
    /// # Errors
    /// Settings that make no sense, in a sentence; the network before stays.
    pub fn create(&mut self, settings: &str) -> Result<Value> {
        let settings = Settings::from_json(settings).map_err(|message| Error::Config { what: "settings", message })?;
        let table = self.prepared.as_ref().map(|(_, prepared)| &prepared.dataset);
        let playground = Playground::new(&self.device, settings, table)?;
        let points: Vec<[f32; 3]> = playground.points().iter().map(|point| [point.at[0], point.at[1], point.label]).collect();
        let found = json!({
            "task": playground.task(),
            "inputs": playground.inputs(),
            "classes": playground.classes(),
            "points": points,
        });
        (self.playground, self.history) = (Some(playground), vec![]);
        Ok(found)
    }

    /// Takes steps.
    ///
    /// # Errors
    /// No network, or what the device reports.
    pub fn train(&mut self, steps: usize) -> Result<()> {
        self.playground.as_mut().ok_or_else(|| nothing("no network is there yet"))?.train(steps)
    }

    /// Another learning rate.
    pub fn set_rate(&mut self, rate: f64) {
        if let Some(playground) = &mut self.playground {
            playground.set_rate(rate);
        }
    }

    /// How far it is.
    ///
    /// # Errors
    /// No network, or what the device reports.
    pub async fn progress(&mut self) -> Result<Value> {
        let progress = self.playground()?.progress().await?;
        self.history.push((progress.step, progress.loss, progress.held_out_loss));
        serde_json::to_value(progress).map_err(unsaid)
    }

    /// What each neuron says over the plane, one after the other, `SIDE` × `SIDE` numbers each; empty for data that are no points.
    ///
    /// # Errors
    /// No network, or what the device reports.
    pub async fn neurons(&self) -> Result<Vec<f32>> {
        let playground = self.playground()?;
        if !playground.settings().data.is_drawn() {
            return Ok(vec![]);
        }
        Ok(playground.neurons(SIDE).await?.into_iter().flatten().flatten().collect())
    }

    /// The weights of all layers.
    ///
    /// # Errors
    /// No network, or what the device reports.
    pub async fn weights(&self) -> Result<Value> {
        serde_json::to_value(self.playground()?.weights().await?).map_err(unsaid)
    }

    /// What the network says of rows of features, row-major.
    ///
    /// # Errors
    /// No network, rows of another width, or what the device reports.
    pub async fn predict(&self, rows: &[f32]) -> Result<Vec<f32>> {
        self.playground()?.predict(rows).await
    }

    /// The formula, a line per neuron.
    ///
    /// # Errors
    /// No network, or what the device reports.
    pub async fn formula(&self) -> Result<Vec<String>> {
        let playground = self.playground()?;
        let weights = playground.weights().await?;
        let function = playground.settings().activation;
        Ok(formula::lines(playground.inputs(), function, &weights, playground.task(), playground.classes()))
    }

    /// Kernels of loss and gradients of a batch, in order: what each computes, its bytes and operations, and the WGSL that the driver gets.
    ///
    /// # Errors
    /// No network, or a plan that cannot be made.
    pub fn plan(&self) -> Result<Value> {
        let plan = self.device.plan(&self.playground()?.step_tensors()?)?;
        let texts = self.device.shader_texts(&plan)?;
        let kernels: Vec<Value> = plan
            .dispatches
            .iter()
            .zip(texts)
            .map(|(dispatch, text)| {
                json!({"kernel": dispatch.kernel.name, "computes": dispatch.label, "bytes": dispatch.bytes(), "flops": dispatch.flops, "wgsl": text})
            })
            .collect();
        Ok(json!({"text": plan.to_string(), "kernels": kernels}))
    }

    /// Gradients on the device beside f64, parameter by parameter.
    ///
    /// # Errors
    /// No network, or what the device reports.
    pub async fn gradients(&self) -> Result<Value> {
        serde_json::to_value(self.playground()?.check_gradients().await?).map_err(unsaid)
    }

    /// Where the network is on the surface of its loss.
    ///
    /// # Errors
    /// No network, or too many parameters.
    pub async fn curvature(&self) -> Result<Value> {
        let point = self.playground()?.curvature().await?;
        let eigenvalues = match &point.spectrum {
            steepest::critical::Spectrum::Full(values) => values.clone(),
            ends => vec![ends.lowest(), ends.highest()],
        };
        Ok(
            json!({"verdict": point.verdict(), "eigenvalues": eigenvalues, "gradient": point.gradient_norm, "text": point.to_string()}),
        )
    }

    /// The network as a safetensors file, with its preprocessing and its curve.
    ///
    /// # Errors
    /// No network, or no memory.
    pub async fn save(&self) -> Result<Vec<u8>> {
        let playground = self.playground()?;
        let mut file = ModelFile::of(&playground.on_cpu().await?)?;
        if let (Data::Table, Some((target, prepared))) = (playground.settings().data, &self.prepared) {
            file = file.preprocessing(prepared.preprocessor.to_json()?).note("target", target.as_str());
        }
        let rows = self.history.iter().map(|(step, loss, held_out)| format!("{step},{loss},{held_out}\n"));
        let settings = serde_json::to_string(playground.settings()).map_err(unsaid)?;
        file.history(format!("step,loss,held_out_loss\n{}", rows.collect::<String>())).note("settings", settings).to_bytes()
    }

    /// Loads a network that [`Page::save`] or the library saved: its settings, if it has some. The network must be there already, of the same layers.
    ///
    /// # Errors
    /// A file that is none, or of other layers than the network that is there.
    pub fn load(&mut self, name: &str, bytes: &[u8]) -> Result<Value> {
        let file = ModelFile::parse(name, bytes)?;
        let settings = file.notes.get("settings").cloned();
        if let Some(settings) = &settings {
            self.create(settings)?;
        }
        file.load_into(self.playground()?.model())?;
        Ok(json!({"settings": settings.and_then(|text| serde_json::from_str::<Value>(&text).ok())}))
    }

    /// The Rust program that does the same.
    ///
    /// # Errors
    /// No network.
    pub fn program(&self) -> Result<String> {
        let playground = self.playground()?;
        let table = match (playground.settings().data, &self.table, &self.prepared) {
            (Data::Table, Some((name, _)), Some((target, _))) => Some((name.as_str(), target.as_str())),
            _ => None,
        };
        let rows = Rows { task: playground.task(), inputs: playground.inputs().len(), table };
        Ok(program::rust(playground.settings(), &rows))
    }

    /// The drawn points as the program reads them: features, then class or value.
    ///
    /// # Errors
    /// No network.
    pub fn points_csv(&self) -> Result<String> {
        let playground = self.playground()?;
        let line = |point: &crate::points::Point| {
            let mut fields = crate::playground::features(&playground.settings().features, point.at);
            fields.push(point.label);
            fields.iter().map(f32::to_string).collect::<Vec<_>>().join(",") + "\n"
        };
        Ok(playground.points().iter().map(line).collect())
    }
}

fn nothing(message: &str) -> Error {
    Error::Config { what: "page", message: message.to_owned() }
}

fn unsaid(error: serde_json::Error) -> Error {
    Error::Config { what: "page", message: error.to_string() }
}
