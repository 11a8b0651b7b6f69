//! Activations as layers.

use super::{Blueprint, Module, Site};
use crate::Tensor;
use crate::error::Result;

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

impl Activation {
    /// Its name, and what belongs to it.
    fn named(self) -> (&'static str, Option<(&'static str, f64)>) {
        match self {
            Activation::Relu => ("relu", None),
            Activation::LeakyRelu(slope) => ("leaky_relu", Some(("slope", slope))),
            Activation::Sigmoid => ("sigmoid", None),
            Activation::HardSigmoid => ("hard_sigmoid", None),
            Activation::Tanh => ("tanh", None),
            Activation::Gelu => ("gelu", None),
            Activation::Silu => ("silu", None),
            Activation::Softplus => ("softplus", None),
            Activation::Elu(alpha) => ("elu", Some(("alpha", alpha))),
        }
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        Ok(Box::new(match site.blueprint().text("function")? {
            "relu" => Activation::Relu,
            "leaky_relu" => Activation::LeakyRelu(site.number("slope")?),
            "sigmoid" => Activation::Sigmoid,
            "hard_sigmoid" => Activation::HardSigmoid,
            "tanh" => Activation::Tanh,
            "gelu" => Activation::Gelu,
            "silu" => Activation::Silu,
            "softplus" => Activation::Softplus,
            "elu" => Activation::Elu(site.number("alpha")?),
            other => return Err(site.blueprint().refuse(format!("no function is called `{other}`"))),
        }))
    }
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

    fn blueprint(&self) -> Option<Blueprint> {
        let (name, more) = self.named();
        let blueprint = Blueprint::new("Activation").set("function", name);
        Some(match more {
            Some((setting, value)) => blueprint.set(setting, value),
            None => blueprint,
        })
    }

    fn describe(&self) -> String {
        format!("{self:?}")
    }
}
