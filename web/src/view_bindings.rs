//! The calls of the page's views into a network, for JavaScript.

use crate::bindings::{Engine, error, json};
use crate::sample::Place;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** What is around the network's place on its loss. */
export interface Surroundings {
  verdict: string; kind: "minimum" | "maximum" | "saddle" | "plateau"; critical: boolean; loss: number; gradient: number; eigenvalues: number[];
  all: boolean; flat: number; text: string; direction: { parameter: string; amount: number }[]; along: number[]; plane: number[]; side: number; span: number;
}
/** What a verification found; `text` is the report to keep. */
export interface Verification {
  device: string; passed: boolean; cases: number; elements: number; wrong: number; failures: string[];
  stages: { name: string; cases: number; elements: number; wrong: number }[]; seconds: number; text: string;
}
"#;

#[wasm_bindgen]
impl Engine {
    /// What each neuron says of a row of features, layer by layer; hidden neurons after their function.
    #[wasm_bindgen(unchecked_return_type = "number[][]")]
    pub async fn activations(&self, row: Vec<f32>) -> Result<JsValue, JsError> {
        json(&self.page.activations(&row).await.map_err(error)?)
    }

    /// What the first layer sees of a point of the plane.
    #[wasm_bindgen(js_name = pointFeatures)]
    pub fn point_features(&self, x: f32, y: f32) -> Result<Vec<f32>, JsError> {
        self.page.point_features(x, y).map_err(error)
    }

    /// A row of those held back: `{features, label}`.
    pub fn sample(&self, index: usize) -> Result<JsValue, JsError> {
        json(&self.page.sample(index).map_err(error)?)
    }

    /// Changes the weight of a layer (hidden ones first, from 0) from an input to a neuron, or that neuron's bias.
    #[wasm_bindgen(js_name = setWeight)]
    pub async fn set_weight(&mut self, layer: usize, neuron: usize, input: Option<usize>, value: f32) -> Result<(), JsError> {
        self.page.set_weight(Place { layer, neuron, input }, value).await.map_err(error)
    }

    /// Puts weights that `weights` gave (JSON): the network goes on after so many steps and epochs.
    pub fn restore(&mut self, weights: &str, steps: f64, epochs: f64) -> Result<(), JsError> {
        self.page.restore(weights, steps as u64, epochs as u64).map_err(error)
    }

    /// Goes to the point of the loss where all weights are 0.
    #[wasm_bindgen(js_name = toSaddle)]
    pub async fn to_saddle(&mut self) -> Result<(), JsError> {
        self.page.to_saddle().await.map_err(error)
    }

    /// What is around the network's place.
    #[wasm_bindgen(js_name = lookAround, unchecked_return_type = "Surroundings")]
    pub async fn look_around(&mut self) -> Result<JsValue, JsError> {
        json(&self.page.look_around().await.map_err(error)?)
    }

    /// A step along the way out of the point that was looked at: `{before, after}`, losses.
    pub async fn leave(&mut self, step: f64) -> Result<JsValue, JsError> {
        json(&self.page.leave(step).await.map_err(error)?)
    }
}

/// In a module of its own: with it come the cases of all ops, and gradients of gradients.
#[cfg(feature = "verify")]
#[wasm_bindgen]
impl Engine {
    /// The families of ops that a verification can be confined to.
    pub fn families(&self) -> Vec<String> {
        self.page.families().into_iter().map(str::to_owned).collect()
    }

    /// Verifies the device; `progress` is called with the part under way, how much is done and how much there is.
    #[wasm_bindgen(unchecked_return_type = "Verification")]
    pub async fn verify(&self, filter: String, plant: Option<String>, progress: js_sys::Function) -> Result<JsValue, JsError> {
        let mut tell = |part: &str, done: usize, total: usize| {
            // Whoever listens may have gone.
            let _ = progress.call3(&JsValue::NULL, &part.into(), &(done as f64).into(), &(total as f64).into());
        };
        json(&self.page.verify(&filter, plant, &mut tell).await.map_err(error)?)
    }
}
