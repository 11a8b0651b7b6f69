//! The trainings as objects of a module for JavaScript.

mod workloads;

use steepest::Device;
use wasm_bindgen::prelude::*;
use workloads::Workload;

fn told(error: steepest::Error) -> JsError {
    JsError::new(&error.to_string())
}

/// A training on a device.
#[wasm_bindgen]
pub struct Training {
    device: Device,
    workload: Workload,
}

/// A tensor on its way to JavaScript.
#[wasm_bindgen(getter_with_clone)]
pub struct Array {
    /// `x` and `y` are the data, all others are parameters.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<u32>,
    /// Its values; of class numbers too.
    pub values: Vec<f32>,
}

#[wasm_bindgen]
impl Training {
    /// The training of a name on the device of a name.
    ///
    /// # Errors
    /// No such training or device.
    pub async fn open(device: String, workload: String) -> Result<Training, JsError> {
        let device = Device::named_async(&device).await.map_err(told)?;
        let workload = Workload::new(&device, &workload).ok_or_else(|| JsError::new(&format!("no training {workload}")))?;
        Ok(Training { device, workload })
    }

    /// Data and parameters as they are now, for another library to train the same.
    ///
    /// # Errors
    /// What the device reports.
    pub async fn arrays(&self) -> Result<Vec<Array>, JsError> {
        let mut arrays = vec![];
        for (name, tensor) in self.workload.tensors() {
            let shape = tensor.shape().dims().iter().map(|&d| d as u32).collect();
            let values = tensor.to_f32().to_vec_async().await.map_err(told)?;
            arrays.push(Array { name, shape, values });
        }
        Ok(arrays)
    }

    /// Takes so many steps; the loss before the last of them, read once at the end.
    ///
    /// # Errors
    /// What the device reports.
    pub async fn steps(&mut self, count: u32) -> Result<f32, JsError> {
        let mut loss = None;
        for _ in 0..count {
            loss = Some(self.workload.step().map_err(told)?);
            self.device.caught_up_async().await.map_err(told)?;
        }
        match loss {
            Some(loss) => loss.item_async().await.map_err(told),
            None => Ok(f32::NAN),
        }
    }

    /// Bytes that the device's account has: in use, and kept for later use.
    pub fn bytes(&self) -> Vec<f64> {
        let used = self.device.memory_use();
        vec![used.live as f64, used.kept as f64]
    }

    /// Nodes of the graph that are alive.
    pub fn nodes(&self) -> usize {
        self.device.live_nodes()
    }
}
