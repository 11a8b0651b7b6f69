//! The package's class `Model` for JavaScript, typed for TypeScript: a table in, a model out.

use crate::bindings::{error, json};
use crate::model::{Model as Fitted, Options, Where};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** A table: the text of a CSV file with a header, or its bytes. */
export type Table = string | Uint8Array;
/** Where a model is computed: `auto` takes WebGPU where the browser has it on real hardware, else the CPU. */
export type Where = "auto" | "cpu" | "webgpu";
/** How far a fit is: told after each epoch. */
export interface Epoch { epoch: number; loss: number; heldOutLoss: number | null }
/** What a fit is told. Only `target` has to be said. */
export interface FitOptions {
  /** The column to predict. */
  target: string;
  /** What kind of target it is; `auto` (the default) sees to it by the column. */
  task?: "auto" | "regression" | "classes";
  /** Columns to leave out. */
  without?: string[];
  /** Neurons of each hidden layer, [64, 32] if not said; [] for a linear model. */
  layers?: number[];
  /** The function of the hidden layers, `relu` if not said. */
  activation?: "relu" | "tanh" | "sigmoid" | "gelu" | "silu" | "leakyRelu" | "linear";
  /** The optimizer, `adam` if not said. */
  optimizer?: "sgd" | "momentum" | "rmsProp" | "adam";
  /** The learning rate, 0.001 if not said. */
  rate?: number;
  /** Weight of the sum of absolute weights in the loss. */
  l1?: number;
  /** Weight of half the sum of squared weights in the loss. */
  l2?: number;
  /** Rows of a batch; 0 (the default) chooses by the number of rows. */
  batch?: number;
  /** Passes over the rows, at the most; 300 if not said. */
  epochs?: number;
  /** Epochs without a better loss of the rows held back after which it ends; 30 if not said. The best weights are kept. */
  patience?: number;
  /** The part of the rows that is held back to see when to stop, 0.2 if not said. */
  heldOut?: number;
  /** The seed: the same seed on the same device gives the same model. */
  seed?: number;
  /** Where it is computed, `auto` if not said. */
  device?: Where;
  /** What errors call the table, `table.csv` if not said. */
  name?: string;
  /** Told after each epoch; `false` ends the fit there. */
  onEpoch?: (epoch: Epoch) => boolean | void;
}
/** What a model learned from and what it says. */
export interface Description { target: string[]; task: "regression" | "classes" | "labels"; classes: string[]; features: string[]; notes: string[]; device: string }
/** How good a model is: r2, rmse and mae of numbers; accuracy, macroF1, rocAuc and logLoss of classes; accuracy of labels. */
export interface Evaluation { rows: number; figures: Record<string, number>; confusion: { classes: string[]; counts: number[][] } | null }
/** A prediction per row: a number, the name of a class, or an array where there are several targets. Probabilities are by class. */
export interface Predictions { predictions: (number | string | number[])[]; probabilities: number[][] | null; notes: string[] }
"#;

#[wasm_bindgen]
extern "C" {
    /// A table as JavaScript has it.
    #[wasm_bindgen(typescript_type = "Table")]
    pub type Table;
    /// Options as JavaScript has them.
    #[wasm_bindgen(typescript_type = "FitOptions")]
    pub type FitOptions;
    /// The name of a place to compute.
    #[wasm_bindgen(typescript_type = "Where")]
    pub type Place;
}

/// A model of a table: fitted, judged, asked, saved and loaded. Calls of one model come one after the other: await each before the next.
#[wasm_bindgen]
pub struct Model {
    model: Fitted,
}

/// The bytes of a table.
fn bytes(table: &JsValue) -> Result<Vec<u8>, JsError> {
    if let Some(text) = table.as_string() {
        return Ok(text.into_bytes());
    }
    match table.dyn_ref::<js_sys::Uint8Array>() {
        Some(bytes) => Ok(bytes.to_vec()),
        None => Err(JsError::new("a table is the text of a CSV file, or its bytes as a Uint8Array")),
    }
}

#[wasm_bindgen]
impl Model {
    /// Learns a column of a table.
    pub async fn fit(table: Table, options: FitOptions) -> Result<Model, JsError> {
        let unsaid = || JsError::new("the options are no object that JSON can say");
        let text = js_sys::JSON::stringify(&options).ok().and_then(|text| text.as_string()).ok_or_else(unsaid)?;
        let each = js_sys::Reflect::get(&options, &"onEpoch".into()).ok();
        let each = each.and_then(|f| f.dyn_into::<js_sys::Function>().ok());
        let options = Options::from_json(&text).map_err(error)?;
        let device = options.device.open().await.map_err(error)?;
        let mut thrown = None;
        let told = |epoch| {
            let Some(each) = &each else { return true };
            let epoch = serde_json::to_value(epoch).map_err(|e| JsError::new(&e.to_string())).and_then(|epoch| json(&epoch));
            match epoch.map_err(JsValue::from).and_then(|epoch| each.call1(&JsValue::NULL, &epoch)) {
                Ok(answer) => answer != JsValue::FALSE,
                Err(error) => {
                    thrown = Some(error);
                    false
                }
            }
        };
        let model = Fitted::fit(&device, &bytes(&table)?, &options, told).await.map_err(error)?;
        match thrown {
            Some(thrown) => Err(JsError::new(&format!("onEpoch: {}", js_sys::Object::from(thrown).to_string()))),
            None => Ok(Model { model }),
        }
    }

    /// A model that was saved: by `save`, by the library, or by `steepest fit`.
    pub async fn load(file: &[u8], device: Option<Place>) -> Result<Model, JsError> {
        let place = match device.and_then(|place| place.as_string()) {
            None => Where::Auto,
            Some(name) => serde_json::from_value(name.into()).map_err(|wrong| JsError::new(&format!("the device: {wrong}")))?,
        };
        let device = place.open().await.map_err(error)?;
        Ok(Model { model: Fitted::load(&device, "model.safetensors", file).map_err(error)? })
    }

    /// The model as a safetensors file: layers, weights, preprocessing and learning curve.
    pub async fn save(&self) -> Result<Vec<u8>, JsError> {
        self.model.save().await.map_err(error)
    }

    /// What it learned from and what it says.
    #[wasm_bindgen(unchecked_return_type = "Description")]
    pub fn describe(&self) -> Result<JsValue, JsError> {
        json(&self.model.describe())
    }

    /// How good it is on a table whose target is known; rows without a target are left out.
    #[wasm_bindgen(unchecked_return_type = "Evaluation")]
    pub async fn evaluate(&self, table: Table) -> Result<JsValue, JsError> {
        json(&self.model.evaluate("table.csv", &bytes(&table)?).await.map_err(error)?)
    }

    /// What it says of the rows of a table.
    #[wasm_bindgen(unchecked_return_type = "Predictions")]
    pub async fn predict(&self, table: Table) -> Result<JsValue, JsError> {
        json(&self.model.predict("table.csv", &bytes(&table)?).await.map_err(error)?)
    }
}
