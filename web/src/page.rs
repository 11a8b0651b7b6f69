//! What the page asks for, call by call: settings in, JSON and numbers out. Plain Rust: `bindings.rs` hands it to JavaScript.

use crate::formula;
use crate::playground::Playground;
use crate::program::{self, Rows};
use crate::settings::{Data, Settings};
use crate::table::{Loaded, Prepared};
use serde_json::{Value, json};
use steepest::critical::CriticalPoint;
use steepest::data::Preprocessor;
use steepest::save::ModelFile;
use steepest::{Device, Error, Result};

/// A device, at most one table, at most one network.
pub struct Page {
    pub(crate) device: Device,
    pub(crate) table: Option<(String, Loaded)>,
    pub(crate) prepared: Option<(String, Prepared)>,
    pub(crate) playground: Option<Playground>,
    history: Vec<(u64, f32, f32)>,
    /// The saddle or other point that was looked at last, until a weight changes.
    pub(crate) point: Option<CriticalPoint>,
}

/// Points of a side of the picture of a neuron.
pub const SIDE: usize = 40;

impl Page {
    /// Nothing is loaded yet.
    pub fn new(device: Device) -> Page {
        Page { device, table: None, prepared: None, playground: None, history: vec![], point: None }
    }

    /// The device's name, as people see it.
    pub fn device(&self) -> String {
        self.device.to_string()
    }

    pub(crate) fn playground(&self) -> Result<&Playground> {
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
        Ok(self.begin_with(playground))
    }

    /// A network takes the place of the one before.
    fn begin_with(&mut self, playground: Playground) -> Value {
        let mut points: Vec<[f32; 4]> =
            playground.points().iter().map(|point| [point.at[0], point.at[1], point.label, 0.0]).collect();
        for &row in playground.held_out_rows() {
            if let Some(point) = points.get_mut(row) {
                point[3] = 1.0;
            }
        }
        let found = json!({
            "task": playground.task(),
            "inputs": playground.inputs(),
            "classes": playground.classes(),
            "heldOut": playground.held_out_rows().len(),
            "points": points,
        });
        (self.playground, self.history, self.point) = (Some(playground), vec![], None);
        found
    }

    /// Takes steps.
    ///
    /// # Errors
    /// No network, or what the device reports.
    pub fn train(&mut self, steps: usize) -> Result<()> {
        self.point = None;
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

    /// Loads a network that [`Page::save`] or the library saved: its settings, if it has some; else a network of the same layers must be there. A network
    /// of a table brings its preprocessing, and needs the table.
    ///
    /// # Errors
    /// A file that is none, of another table, or of other layers than the network that is there. The network before stays.
    pub fn load(&mut self, name: &str, bytes: &[u8]) -> Result<Value> {
        let file = ModelFile::parse(name, bytes)?;
        let Some(text) = file.notes.get("settings") else {
            file.load_into(self.playground()?.model())?;
            self.point = None;
            return Ok(json!({"settings": null, "target": null}));
        };
        let settings = Settings::from_json(text)
            .map_err(|message| Error::Config { what: "model", message: format!("{name}: {message}") })?;
        let prepared = if settings.data == Data::Table { Some(self.rows_for(name, &file)?) } else { None };
        let dataset = prepared.as_ref().map(|(_, prepared)| &prepared.dataset);
        let playground = Playground::new(&self.device, settings, dataset)?;
        file.load_into(playground.model())?;
        let target = prepared.as_ref().map(|(target, _)| target.clone());
        self.prepared = prepared.or(self.prepared.take());
        let settings = serde_json::to_value(playground.settings()).map_err(unsaid)?;
        let created = self.begin_with(playground);
        Ok(json!({"settings": settings, "target": target, "created": created}))
    }

    /// The table's rows as a saved network wants them: by the preprocessing that it was trained with.
    fn rows_for(&self, name: &str, file: &ModelFile) -> Result<(String, Prepared)> {
        let refused = |message: String| Error::Config { what: "model", message: format!("{name} {message}") };
        let (Some(text), Some(target)) = (&file.preprocessing, file.notes.get("target")) else {
            return Err(refused(
                "was trained with a table, and does not say how its rows become numbers; save it anew".to_owned(),
            ));
        };
        let preprocessor = Preprocessor::from_json(name, text)?;
        let columns: Vec<&str> = preprocessor.columns().chain([target.as_str()]).collect();
        let Some((loaded_name, loaded)) = &self.table else {
            let columns = columns.join(", ");
            return Err(refused(format!("was trained with a table of the columns {columns}: drop that file on the page first")));
        };
        let missing: Vec<&str> = columns.into_iter().filter(|column| !loaded.has(column)).collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(refused(format!(
                "was trained with another table: {loaded_name} has no column {missing}. Drop its own table first"
            )));
        }
        Ok((target.clone(), loaded.prepared_by(preprocessor, target)?))
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
