//! A model's numbers apart from the model: taken out by name, put back by name.

use super::Module;
use crate::error::{Error, Result};
use crate::escape::escaped;
use crate::platform::waited;
use crate::{DType, Tensor};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// The elements of a tensor in this program's memory, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// f32
    F32(Vec<f32>),
    /// u32
    U32(Vec<u32>),
    /// i32
    I32(Vec<i32>),
    /// bool
    Bool(Vec<bool>),
}

/// A tensor in this program's memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// As many elements as the shape says.
    pub values: Values,
}

impl Array {
    /// Reads a tensor.
    ///
    /// # Errors
    /// As [`Tensor::to_vec`].
    pub fn of(tensor: &Tensor) -> Result<Array> {
        waited(tensor.device().name(), Array::of_async(tensor))
    }

    /// [`Array::of`] without blocking.
    ///
    /// # Errors
    /// As [`Array::of`].
    pub async fn of_async(tensor: &Tensor) -> Result<Array> {
        let spec = tensor.spec()?;
        let values = match spec.dtype {
            DType::F32 | DType::F16 => Values::F32(tensor.fetch().await?),
            DType::U32 => Values::U32(tensor.fetch().await?),
            DType::I32 => Values::I32(tensor.fetch().await?),
            DType::Bool => Values::Bool(tensor.fetch().await?),
        };
        Ok(Array { shape: spec.shape.dims().to_vec(), values })
    }

    /// An array of f32.
    pub fn f32(values: Vec<f32>, shape: &[usize]) -> Array {
        Array { shape: shape.to_vec(), values: Values::F32(values) }
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match self.values {
            Values::F32(_) => DType::F32,
            Values::U32(_) => DType::U32,
            Values::I32(_) => DType::I32,
            Values::Bool(_) => DType::Bool,
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match &self.values {
            Values::F32(v) => v.len(),
            Values::U32(v) => v.len(),
            Values::I32(v) => v.len(),
            Values::Bool(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements, if they are f32.
    pub fn as_f32(&self) -> Option<&[f32]> {
        if let Values::F32(values) = &self.values { Some(values) } else { None }
    }

    /// Whether it is the same to the bit.
    fn same(&self, other: &Array) -> bool {
        let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
        match (&self.values, &other.values) {
            (Values::F32(a), Values::F32(b)) => self.shape == other.shape && a.iter().zip(b).all(same),
            _ => self == other,
        }
    }

    fn put(&self, tensor: &Tensor) -> Result<()> {
        match &self.values {
            Values::F32(v) => tensor.set(v),
            Values::U32(v) => tensor.set(v),
            Values::I32(v) => tensor.set(v),
            Values::Bool(v) => tensor.set(v),
        }
    }

    fn describe(&self) -> String {
        format!("{} {:?}", self.dtype(), self.shape)
    }
}

/// All parameters and buffers of a model by name, in this program's memory: what PyTorch calls a `state_dict`, with its names and layouts.
///
/// ```
/// use steepest::{Device, nn::{self, Module, StateDict}};
/// let device = Device::cpu();
/// let (model, other) = (nn::mlp(&device, &[2, 3, 1], 1), nn::mlp(&device, &[2, 3, 1], 2));
/// let state = StateDict::of(&model)?;
/// assert_eq!(state.names().collect::<Vec<_>>(), ["0.bias", "0.weight", "2.bias", "2.weight"]);
/// assert_eq!(state.get("0.weight").map(|w| &w.shape[..]), Some(&[3, 2][..])); // [outputs, inputs]
/// state.load(&other)?;
/// assert_eq!(StateDict::of(&other)?, state);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateDict {
    arrays: BTreeMap<String, Array>,
}

/// What loading some of a model's numbers did. Prints as a list.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a partial load may have loaded nothing; look at the report"]
pub struct LoadReport {
    /// Names that were loaded.
    pub loaded: Vec<String>,
    /// Names of the model that the state does not have: they keep their numbers.
    pub missing: Vec<String>,
    /// Names of the state that the model does not have.
    pub unexpected: Vec<String>,
    /// What both have, in another shape or of another type: name, what the model has, what the state has.
    pub wrong: Vec<(String, String, String)>,
}

impl LoadReport {
    /// Whether everything was loaded and nothing was left over.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.wrong.is_empty()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tensors fit", self.loaded.len())?;
        let mut list = |what: &str, names: &[String]| {
            if names.is_empty() { Ok(()) } else { write!(f, "\n{what}: {}", escaped(&names.join(", "))) }
        };
        list("missing", &self.missing)?;
        list("unexpected", &self.unexpected)?;
        let wrong: Vec<String> =
            self.wrong.iter().map(|(name, model, state)| format!("{name} is {state}, the model's is {model}")).collect();
        list("wrong", &wrong)
    }
}

/// The name of the device that a model's numbers are on, for messages.
pub(crate) fn device_of(model: &dyn Module) -> String {
    let first = model.named_state().into_iter().next();
    first.map_or_else(|| "cpu".to_owned(), |(_, tensor)| tensor.device().name().to_owned())
}

/// PyTorch counts the batches of a normalisation in a buffer that nothing here reads.
fn is_counter(name: &str) -> bool {
    name == "num_batches_tracked" || name.ends_with(".num_batches_tracked")
}

impl StateDict {
    /// Reads all parameters and buffers of a model.
    ///
    /// # Errors
    /// Two tensors of one name, or as [`Tensor::to_vec`].
    pub fn of(model: &dyn Module) -> Result<StateDict> {
        waited(&device_of(model), StateDict::of_async(model))
    }

    /// [`StateDict::of`] without blocking.
    ///
    /// ```
    /// use steepest::{Device, nn::{self, StateDict}};
    /// let model = nn::mlp(&Device::cpu(), &[2, 3, 1], 1);
    /// let state = pollster::block_on(StateDict::of_async(&model))?;
    /// assert_eq!(state, StateDict::of(&model)?);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`StateDict::of`].
    pub async fn of_async(model: &dyn Module) -> Result<StateDict> {
        let mut state = StateDict::default();
        for (name, tensor) in model.named_state() {
            let array = Array::of_async(&tensor).await?;
            if state.arrays.insert(name.clone(), array).is_some() {
                return Err(Error::Config { what: "state", message: format!("two tensors of the model are named `{name}`") });
            }
        }
        Ok(state)
    }

    /// Adds or exchanges an array.
    pub fn insert(&mut self, name: impl Into<String>, array: Array) {
        self.arrays.insert(name.into(), array);
    }

    /// The array of a name.
    pub fn get(&self, name: &str) -> Option<&Array> {
        self.arrays.get(name)
    }

    /// Takes an array out.
    pub fn remove(&mut self, name: &str) -> Option<Array> {
        self.arrays.remove(name)
    }

    /// The names, in the order of the alphabet.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.keys().map(String::as_str)
    }

    /// Names and arrays, in the order of the alphabet.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Array)> {
        self.arrays.iter().map(|(name, array)| (name.as_str(), array))
    }

    /// How many tensors there are.
    pub fn len(&self) -> usize {
        self.arrays.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.arrays.is_empty()
    }

    /// How many numbers there are in all tensors.
    pub fn numbers(&self) -> u64 {
        self.arrays.values().map(|a| a.len() as u64).sum()
    }

    /// The same with every name changed, for weights from elsewhere; `None` leaves one out.
    pub fn renamed(self, mut name: impl FnMut(&str) -> Option<String>) -> StateDict {
        StateDict { arrays: self.arrays.into_iter().filter_map(|(old, array)| Some((name(&old)?, array))).collect() }
    }

    /// What [`StateDict::load_partial`] would do.
    pub fn compare(&self, model: &dyn Module) -> LoadReport {
        let mut report = LoadReport::default();
        let mut known = HashSet::new();
        let state = model.named_state();
        // The first name under which the state has a tensor: one that several layers share has several.
        let mut first: HashMap<u64, (&str, &Array)> = HashMap::new();
        for (name, tensor) in &state {
            if let Some(array) = self.arrays.get(name) {
                first.entry(tensor.id()).or_insert((name, array));
            }
        }
        for (name, tensor) in &state {
            let name = name.clone();
            let shared = first.get(&tensor.id());
            let Some(array) = self.arrays.get(&name) else {
                if shared.is_none() {
                    report.missing.push(name);
                }
                continue;
            };
            known.insert(name.clone());
            if let Some((other, _)) = shared.filter(|(_, other)| !array.same(other)) {
                report.wrong.push((name, format!("the same tensor as {other}"), "other numbers than that".to_owned()));
                continue;
            }
            match tensor.spec() {
                Ok(spec) if spec.dtype == array.dtype() && spec.shape.dims() == array.shape => report.loaded.push(name),
                Ok(spec) => {
                    let wanted = format!("{} {:?}", spec.dtype, spec.shape.dims());
                    report.wrong.push((name, wanted, array.describe()));
                }
                Err(error) => report.wrong.push((name, error.to_string(), array.describe())),
            }
        }
        report.unexpected = self.names().filter(|&n| !known.contains(n) && !is_counter(n)).map(str::to_owned).collect();
        report
    }

    /// Puts the numbers into a model that has exactly these names and shapes (PyTorch's `num_batches_tracked` is passed over). On an error
    /// nothing is changed.
    ///
    /// # Errors
    /// [`Error::State`] with all that is missing, unexpected or of another shape.
    pub fn load(&self, model: &dyn Module) -> Result<()> {
        let report = self.compare(model);
        if !report.is_complete() {
            return Err(Error::State { report: report.to_string() });
        }
        self.put(model, &report)
    }

    /// Puts what fits into a model, and tells what did not.
    ///
    /// ```
    /// use steepest::{Device, nn::{self, StateDict}};
    /// let device = Device::cpu();
    /// let old = StateDict::of(&nn::mlp(&device, &[4, 8, 10], 1))?;
    /// let report = old.load_partial(&nn::mlp(&device, &[4, 8, 3], 2))?; // another number of classes
    /// assert_eq!(report.loaded, ["0.weight", "0.bias"]);
    /// assert_eq!(report.wrong[0].0, "2.weight");
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Tensor::set`].
    pub fn load_partial(&self, model: &dyn Module) -> Result<LoadReport> {
        let report = self.compare(model);
        self.put(model, &report)?;
        Ok(report)
    }

    fn put(&self, model: &dyn Module, report: &LoadReport) -> Result<()> {
        let fits: HashSet<&str> = report.loaded.iter().map(String::as_str).collect();
        for (name, tensor) in model.named_state().iter().filter(|(name, _)| fits.contains(name.as_str())) {
            if let Some(array) = self.arrays.get(name) {
                array.put(tensor)?;
            }
        }
        Ok(())
    }
}

impl FromIterator<(String, Array)> for StateDict {
    fn from_iter<I: IntoIterator<Item = (String, Array)>>(arrays: I) -> StateDict {
        StateDict { arrays: arrays.into_iter().collect() }
    }
}

impl IntoIterator for StateDict {
    type Item = (String, Array);
    type IntoIter = std::collections::btree_map::IntoIter<String, Array>;

    fn into_iter(self) -> Self::IntoIter {
        self.arrays.into_iter()
    }
}
