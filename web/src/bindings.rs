//! The page's calls for JavaScript, typed for TypeScript. Numbers go as typed arrays, all else as JSON; a fault is an `Error` with the library's sentence.

use crate::model::Where;
use crate::page::{Page, SIDE};
use serde_json::Value;
use steepest::Device;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** How far a network is. Accuracies are null where values are predicted. */
export interface Progress { step: number; epoch: number; loss: number; heldOutLoss: number; accuracy: number | null; heldOutAccuracy: number | null }
/** One layer: a row of weights and a bias per neuron. */
export interface Weights { weight: number[][]; bias: number[] }
/** A kernel of a step: what it computes, bytes moved, operations, and its WGSL (null on the CPU). */
export interface Kernel { kernel: string; computes: string; bytes: number; flops: number; wgsl: string | null }
/** A parameter's gradient beside f64. */
export interface GradientCheck { parameter: string; compared: number; error: number; wrong: number; right: boolean }
/** A network made: what it sees and learns, how many rows are held back, and the drawn points [x, y, label, 1 if held back]. */
export interface Created { task: string | object; inputs: string[]; classes: string[]; heldOut: number; points: number[][] }
"#;

/// A device with at most one table and one network. Calls come one after the other: await each before the next.
#[wasm_bindgen]
pub struct Engine {
    pub(crate) page: Page,
}

pub(crate) fn error(error: steepest::Error) -> JsError {
    JsError::new(&error.to_string())
}

pub(crate) fn json(value: &Value) -> Result<JsValue, JsError> {
    js_sys::JSON::parse(&value.to_string()).map_err(|_| JsError::new("a number that JSON cannot say"))
}

#[wasm_bindgen]
impl Engine {
    /// The CPU by WebAssembly.
    pub fn cpu() -> Engine {
        Engine { page: Page::new(Device::cpu()) }
    }

    /// The browser's GPU by WebGPU.
    pub async fn webgpu() -> Result<Engine, JsError> {
        Ok(Engine { page: Page::new(Where::Webgpu.open().await.map_err(error)?) })
    }

    /// The device's name.
    #[wasm_bindgen(getter)]
    pub fn device(&self) -> String {
        self.page.device()
    }

    /// Numbers on a side of a neuron's picture.
    #[wasm_bindgen(getter)]
    pub fn side(&self) -> usize {
        SIDE
    }

    /// Reads a CSV file: `{report, text, notes, target}`.
    #[wasm_bindgen(js_name = loadTable)]
    pub fn load_table(&mut self, name: &str, bytes: &[u8]) -> Result<JsValue, JsError> {
        json(&self.page.load_table(name, bytes).map_err(error)?)
    }

    /// Chooses the column to predict and those to leave out: `{rows, features, classes, notes}`.
    #[wasm_bindgen(js_name = chooseTarget)]
    pub fn choose_target(&mut self, target: &str, without: Vec<String>) -> Result<JsValue, JsError> {
        json(&self.page.choose_target(target, &without).map_err(error)?)
    }

    /// Makes a network of settings (JSON).
    #[wasm_bindgen(unchecked_return_type = "Created")]
    pub fn create(&mut self, settings: &str) -> Result<JsValue, JsError> {
        json(&self.page.create(settings).map_err(error)?)
    }

    /// Takes steps; returns before they are done.
    pub fn train(&mut self, steps: usize) -> Result<(), JsError> {
        self.page.train(steps).map_err(error)
    }

    /// Another learning rate.
    #[wasm_bindgen(js_name = setRate)]
    pub fn set_rate(&mut self, rate: f64) {
        self.page.set_rate(rate);
    }

    /// How far the network is; waits for all steps.
    #[wasm_bindgen(unchecked_return_type = "Progress")]
    pub async fn progress(&mut self) -> Result<JsValue, JsError> {
        json(&self.page.progress().await.map_err(error)?)
    }

    /// What each neuron says over the plane: `side`² numbers each, one neuron after the other.
    pub async fn neurons(&self) -> Result<Vec<f32>, JsError> {
        self.page.neurons().await.map_err(error)
    }

    /// The weights of all layers.
    #[wasm_bindgen(unchecked_return_type = "Weights[]")]
    pub async fn weights(&self) -> Result<JsValue, JsError> {
        json(&self.page.weights().await.map_err(error)?)
    }

    /// What the network says of rows of features.
    pub async fn predict(&self, rows: Vec<f32>) -> Result<Vec<f32>, JsError> {
        self.page.predict(&rows).await.map_err(error)
    }

    /// The formula, a line per neuron.
    pub async fn formula(&self) -> Result<Vec<String>, JsError> {
        self.page.formula().await.map_err(error)
    }

    /// The plan of a step: `{text, kernels: Kernel[]}`.
    pub fn plan(&self) -> Result<JsValue, JsError> {
        json(&self.page.plan().map_err(error)?)
    }

    /// Gradients on this device beside f64.
    #[wasm_bindgen(unchecked_return_type = "GradientCheck[]")]
    pub async fn gradients(&self) -> Result<JsValue, JsError> {
        json(&self.page.gradients().await.map_err(error)?)
    }

    /// The curvature of the loss: `{verdict, eigenvalues, gradient, text}`.
    pub async fn curvature(&self) -> Result<JsValue, JsError> {
        json(&self.page.curvature().await.map_err(error)?)
    }

    /// The network as a safetensors file.
    pub async fn save(&self) -> Result<Vec<u8>, JsError> {
        self.page.save().await.map_err(error)
    }

    /// Loads a saved network: `{settings, target, created}`.
    pub fn load(&mut self, name: &str, bytes: &[u8]) -> Result<JsValue, JsError> {
        json(&self.page.load(name, bytes).map_err(error)?)
    }

    /// The Rust program that does the same.
    pub fn program(&self) -> Result<String, JsError> {
        self.page.program().map_err(error)
    }

    /// The drawn points as that program reads them.
    #[wasm_bindgen(js_name = pointsCsv)]
    pub fn points_csv(&self) -> Result<String, JsError> {
        self.page.points_csv().map_err(error)
    }
}
