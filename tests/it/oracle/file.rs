//! Reading the oracle's files: an index in JSON and numbers in safetensors.

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use steepest::DType;

/// An array of the oracle.
pub struct Numbers {
    /// Sizes.
    pub shape: Vec<usize>,
    /// Elements, row-major; integers and bools are exact in f64.
    pub data: Vec<f64>,
    /// The type it has on a device.
    pub dtype: DType,
}

/// One index and its numbers.
pub struct Oracle {
    /// The JSON file.
    pub index: Value,
    tensors: BTreeMap<String, Numbers>,
}

/// The folder of the oracle, or `None`, said aloud.
pub fn folder(what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("STEEPEST_ORACLES").filter(|path| !path.is_empty());
    if folder.is_none() {
        println!("SKIPPED (STEEPEST_ORACLES is not set): {what}");
    }
    folder.map(PathBuf::from)
}

impl Oracle {
    /// gradients.json and its numbers, read once for all tests. A folder that is named but does not hold them is a failure.
    pub fn gradients(what: &str) -> Option<&'static Oracle> {
        static GRADIENTS: OnceLock<Oracle> = OnceLock::new();
        folder(what).map(|folder| GRADIENTS.get_or_init(|| Oracle::read(&folder, "gradients")))
    }

    /// optimizers.json and its numbers.
    pub fn optimizers(what: &str) -> Option<&'static Oracle> {
        static OPTIMIZERS: OnceLock<Oracle> = OnceLock::new();
        folder(what).map(|folder| OPTIMIZERS.get_or_init(|| Oracle::read(&folder, "optimizers")))
    }

    /// training.json and its numbers.
    pub fn training(what: &str) -> Option<&'static Oracle> {
        static TRAINING: OnceLock<Oracle> = OnceLock::new();
        folder(what).map(|folder| TRAINING.get_or_init(|| Oracle::read(&folder, "training")))
    }

    /// An oracle from what is given.
    pub fn of<const N: usize>(index: Value, tensors: [(&str, Numbers); N]) -> Oracle {
        Oracle { index, tensors: tensors.map(|(name, numbers)| (name.to_owned(), numbers)).into() }
    }

    /// `stem`.json and `stem`.safetensors of a folder.
    fn read(folder: &Path, stem: &str) -> Oracle {
        let read = |extension: &str| {
            let path = folder.join(stem).with_extension(extension);
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let index = serde_json::from_slice(&read("json")).unwrap();
        let bytes = read("safetensors");
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.iter().map(|(name, view)| (name.to_owned(), numbers(name, view.dtype(), view.shape(), view.data())));
        Oracle { index, tensors: tensors.collect() }
    }

    /// An array by its name.
    pub fn numbers(&self, name: &str) -> Result<&Numbers, String> {
        self.tensors.get(name).ok_or_else(|| format!("no tensor {name}"))
    }

    /// The array a field of a case names; `None` where the field is null.
    pub fn named(&self, name: &Value) -> Result<Option<&Numbers>, String> {
        match name {
            Value::Null => Ok(None),
            Value::String(name) => self.numbers(name).map(Some),
            other => Err(format!("{other} is no name of a tensor")),
        }
    }

    /// The arrays of a list of names.
    pub fn list(&self, names: &Value) -> Result<Vec<Option<&Numbers>>, String> {
        names.as_array().ok_or_else(|| format!("{names} is no list of names"))?.iter().map(|name| self.named(name)).collect()
    }
}

fn numbers(name: &str, dtype: Dtype, shape: &[usize], bytes: &[u8]) -> Numbers {
    fn cells<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        bytes.as_chunks().0.iter().map(|&cell| value(cell)).collect()
    }
    let (data, dtype) = match dtype {
        Dtype::F64 => (cells(bytes, f64::from_le_bytes), DType::F32),
        Dtype::F32 => (cells(bytes, |b| f64::from(f32::from_le_bytes(b))), DType::F32),
        Dtype::I64 => {
            let data = cells(bytes, |b| i64::from_le_bytes(b) as f64);
            let dtype = if data.iter().any(|&x| x < 0.0) { DType::I32 } else { DType::U32 };
            (data, dtype)
        }
        Dtype::BOOL => (bytes.iter().map(|&b| f64::from(b)).collect(), DType::Bool),
        other => panic!("tensor {name} is {other:?}"),
    };
    Numbers { shape: shape.to_vec(), data, dtype }
}
