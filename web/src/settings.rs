//! What a person sets in the page: data, network, training. JSON in, checked with sentences that say what to do.

use crate::playground::Task;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use steepest::Device;
use steepest::nn::{Activation, Linear, Sequential};

/// All settings. A link to the page holds them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// The data set.
    pub data: Data,
    /// Points of a drawn data set.
    pub points: usize,
    /// How far drawn points are off, from 0 to 0.5.
    pub noise: f64,
    /// The part of the rows that is held back, from 0.1 to 0.9.
    pub held_out: f64,
    /// What the first layer sees of a point.
    pub features: Vec<Feature>,
    /// Neurons of each hidden layer.
    pub layers: Vec<usize>,
    /// The function of the hidden layers.
    pub activation: Function,
    /// The optimizer.
    pub optimizer: Method,
    /// The learning rate.
    pub rate: f64,
    /// Weight of the sum of absolute weights in the loss.
    pub l1: f64,
    /// Weight of half the sum of squared weights in the loss.
    pub l2: f64,
    /// Rows of a batch.
    pub batch: usize,
    /// The loss.
    pub loss: Loss,
    /// The seed of data, weights and the order of rows.
    pub seed: u64,
}

/// Where rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Data {
    /// A disc within a ring.
    Circle,
    /// Four squares, two of each class.
    Xor,
    /// Two clouds.
    Clouds,
    /// Two arms.
    Spiral,
    /// Two half-moons.
    Moons,
    /// A slope: values instead of classes.
    Slope,
    /// Hills and valleys: values instead of classes.
    Hills,
    /// The 8×8 digits that come with the library.
    Digits,
    /// A table of one's own.
    Table,
}

/// What the first layer sees of a point (x₁, x₂).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Feature {
    /// x₁
    X1,
    /// x₂
    X2,
    /// x₁²
    X1Squared,
    /// x₂²
    X2Squared,
    /// x₁ x₂
    Product,
    /// sin π x₁
    SinX1,
    /// sin π x₂
    SinX2,
}

impl Feature {
    /// Of a point within −1 to 1.
    pub fn of(self, [x, y]: [f32; 2]) -> f32 {
        match self {
            Feature::X1 => x,
            Feature::X2 => y,
            Feature::X1Squared => x * x,
            Feature::X2Squared => y * y,
            Feature::Product => x * y,
            Feature::SinX1 => (std::f32::consts::PI * x).sin(),
            Feature::SinX2 => (std::f32::consts::PI * y).sin(),
        }
    }

    /// As a formula has it.
    pub fn symbol(self) -> &'static str {
        match self {
            Feature::X1 => "x₁",
            Feature::X2 => "x₂",
            Feature::X1Squared => "x₁²",
            Feature::X2Squared => "x₂²",
            Feature::Product => "x₁x₂",
            Feature::SinX1 => "sin πx₁",
            Feature::SinX2 => "sin πx₂",
        }
    }
}

/// The function of the hidden layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Function {
    /// max(x, 0)
    Relu,
    /// tanh x
    Tanh,
    /// 1 / (1 + e^−x)
    Sigmoid,
    /// x Φ(x)
    Gelu,
    /// x σ(x)
    Silu,
    /// x where x > 0, 0.01 x elsewhere
    LeakyRelu,
    /// x: no hidden layer more than a linear one
    Linear,
}

impl Function {
    /// As a layer.
    fn layer(self) -> Activation {
        match self {
            Function::Relu => Activation::Relu,
            Function::Tanh => Activation::Tanh,
            Function::Sigmoid => Activation::Sigmoid,
            Function::Gelu => Activation::Gelu,
            Function::Silu => Activation::Silu,
            Function::LeakyRelu => Activation::LeakyRelu(0.01),
            // A slope of 1 on both sides.
            Function::Linear => Activation::LeakyRelu(1.0),
        }
    }
}

/// Linear layers with a function between them, each with a seed of its own.
pub fn network(device: &Device, inputs: usize, hidden: &[usize], function: Function, outputs: usize, seed: u64) -> Sequential {
    let seed = |layer: usize| seed.wrapping_add(layer as u64);
    let (mut model, mut width) = (Sequential::new(), inputs);
    for (i, &neurons) in hidden.iter().enumerate() {
        model = model.add(Linear::new(device, width, neurons, seed(i))).add(function.layer());
        width = neurons;
    }
    model.add(Linear::new(device, width, outputs, seed(hidden.len())))
}

/// What updates the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Method {
    /// Gradient descent.
    Sgd,
    /// Gradient descent with momentum 0.9.
    Momentum,
    /// Root mean square of gradients.
    RmsProp,
    /// Adaptive moments.
    Adam,
}

/// What is made small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Loss {
    /// Cross-entropy of classes; of values the mean squared error.
    CrossEntropy,
    /// The mean squared error: of classes, against 1 for the right one and −1 (two classes) or 0 for others.
    Squared,
    /// The mean absolute error, against the same.
    Absolute,
    /// Huber's loss, against the same: squared where the error is below 1, absolute above.
    Huber,
    /// Hinge loss of classes, as support vector machines have it.
    Hinge,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            data: Data::Circle,
            points: 500,
            noise: 0.1,
            held_out: 0.3,
            features: vec![Feature::X1, Feature::X2],
            layers: vec![6, 4],
            activation: Function::Tanh,
            optimizer: Method::Adam,
            rate: 0.03,
            l1: 0.0,
            l2: 0.0,
            batch: 32,
            loss: Loss::CrossEntropy,
            seed: 1,
        }
    }
}

/// The largest hidden layer, and how many there may be: more is no playground.
pub const WIDEST: usize = 512;
/// The most hidden layers.
pub const DEEPEST: usize = 12;
/// The most drawn points.
pub const MOST_POINTS: usize = 20_000;

impl Settings {
    /// Settings of their JSON; what is not said is as it is by default.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what may stand there.
    pub fn from_json(json: &str) -> Result<Settings, String> {
        let value: Value = serde_json::from_str(json).map_err(|error| format!("settings: {error}"))?;
        // One by one, so that what is wrong is named.
        for (name, setting) in value.as_object().into_iter().flatten() {
            let alone = Value::Object([(name.clone(), setting.clone())].into_iter().collect());
            if let Err(error) = serde_json::from_value::<Settings>(alone) {
                return Err(format!("the setting {name} is {setting}: {error}"));
            }
        }
        let settings: Settings = serde_json::from_value(value).map_err(|error| format!("settings: {error}"))?;
        settings.check()?;
        Ok(settings)
    }

    /// Whether all of them can be used.
    ///
    /// # Errors
    /// As [`Settings::from_json`].
    pub fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: f64, low: f64, high: f64| {
            let fits = value.is_finite() && value >= low && value <= high;
            fits.then_some(()).ok_or_else(|| format!("{name} is {value}; choose {low} to {high}"))
        };
        within("the number of points", self.points as f64, 10.0, MOST_POINTS as f64)?;
        within("the noise", self.noise, 0.0, 0.5)?;
        within("the part held back", self.held_out, 0.1, 0.9)?;
        within("the learning rate", self.rate, 1e-8, 100.0)?;
        within("the L1 penalty", self.l1, 0.0, 10.0)?;
        within("the L2 penalty", self.l2, 0.0, 10.0)?;
        within("the batch size", self.batch as f64, 1.0, 65_536.0)?;
        within("the number of hidden layers", self.layers.len() as f64, 0.0, DEEPEST as f64)?;
        for (i, &width) in self.layers.iter().enumerate() {
            within(&format!("the size of hidden layer {}", i + 1), width as f64, 1.0, WIDEST as f64)?;
        }
        if self.data.is_drawn() && self.features.is_empty() {
            return Err("no feature is chosen; choose at least one, such as x₁".to_owned());
        }
        Ok(())
    }

    /// Whether the loss suits what is learned.
    ///
    /// # Errors
    /// A sentence that names losses that do.
    pub fn suits(&self, task: &Task) -> Result<(), String> {
        match (task, self.loss) {
            (Task::Values(_), Loss::Hinge) => {
                Err("the hinge loss is for classes, and these data have values; choose the squared, absolute or Huber's"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl Data {
    /// Whether its rows are points of the plane that are drawn.
    pub fn is_drawn(self) -> bool {
        !matches!(self, Data::Digits | Data::Table)
    }

    /// Whether it has values to be predicted, and not classes; of a table its target says so.
    pub fn has_values(self) -> bool {
        matches!(self, Data::Slope | Data::Hills)
    }
}
