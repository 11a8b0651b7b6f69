//! Activations as layers.

use super::Module;
use crate::Tensor;

/// A function applied to every element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// max(x, 0)
    Relu,
    /// x where x > 0, slope · x elsewhere.
    LeakyRelu(f64),
    /// 1 / (1 + e^−x)
    Sigmoid,
    /// clamp(x / 6 + ½, 0, 1)
    HardSigmoid,
    /// tanh x
    Tanh,
    /// x Φ(x)
    Gelu,
    /// x σ(x)
    Silu,
    /// log(1 + e^x)
    Softplus,
    /// x where x > 0, α (e^x − 1) elsewhere.
    Elu(f64),
}

impl Module for Activation {
    fn forward(&self, x: &Tensor) -> Tensor {
        match *self {
            Activation::Relu => x.relu(),
            Activation::LeakyRelu(slope) => x.leaky_relu(slope),
            Activation::Sigmoid => x.sigmoid(),
            Activation::HardSigmoid => x.hard_sigmoid(),
            Activation::Tanh => x.tanh(),
            Activation::Gelu => x.gelu(),
            Activation::Silu => x.silu(),
            Activation::Softplus => x.softplus(1.0),
            Activation::Elu(alpha) => x.elu(alpha),
        }
    }

    fn describe(&self) -> String {
        format!("{self:?}")
    }
}
