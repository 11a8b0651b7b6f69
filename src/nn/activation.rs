//! Activations as layers.

use super::{Blueprint, Module, Site};
use crate::Tensor;
use crate::error::Result;

/// A function applied to every element, or along an axis. With slopes that are learned: [`PRelu`](super::PRelu); of two halves of its input:
/// [`Glu`](super::Glu), [`SwiGlu`](super::SwiGlu).
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
    /// GELU's approximation by tanh.
    GeluTanh,
    /// log σ(x)
    LogSigmoid,
    /// x / (1 + |x|)
    Softsign,
    /// λ times an ELU of α, with the numbers of Klambauer et al. 2017.
    Selu,
    /// x where x > 0, α (e^(x/α) − 1) elsewhere.
    Celu(f64),
    /// x limited to 0..6.
    Relu6,
    /// x limited to the first number..the second.
    HardTanh(f64, f64),
    /// x clamp(x / 6 + ½, 0, 1)
    HardSwish,
    /// x tanh(log(1 + e^x))
    Mish,
    /// log(1 + e^(β x)) / β
    SoftplusBeta(f64),
    /// x less λ toward 0, 0 between −λ and λ.
    Softshrink(f64),
    /// x, but 0 between −λ and λ.
    Hardshrink(f64),
    /// x − tanh x
    Tanhshrink,
    /// x above the first number, the second elsewhere.
    Threshold(f64, f64),
    /// e^x / Σ e^x along an axis, by which elements depend on one another.
    Softmax(isize),
    /// The logarithm of the softmax along an axis.
    LogSoftmax(isize),
}

impl Activation {
    /// Its name, and what belongs to it.
    fn named(self) -> (&'static str, Vec<(&'static str, f64)>) {
        match self {
            Activation::Relu => ("relu", vec![]),
            Activation::LeakyRelu(slope) => ("leaky_relu", vec![("slope", slope)]),
            Activation::Sigmoid => ("sigmoid", vec![]),
            Activation::HardSigmoid => ("hard_sigmoid", vec![]),
            Activation::Tanh => ("tanh", vec![]),
            Activation::Gelu => ("gelu", vec![]),
            Activation::Silu => ("silu", vec![]),
            Activation::Softplus => ("softplus", vec![]),
            Activation::Elu(alpha) => ("elu", vec![("alpha", alpha)]),
            Activation::GeluTanh => ("gelu_tanh", vec![]),
            Activation::LogSigmoid => ("log_sigmoid", vec![]),
            Activation::Softsign => ("softsign", vec![]),
            Activation::Selu => ("selu", vec![]),
            Activation::Celu(alpha) => ("celu", vec![("alpha", alpha)]),
            Activation::Relu6 => ("relu6", vec![]),
            Activation::HardTanh(min, max) => ("hard_tanh", vec![("min", min), ("max", max)]),
            Activation::HardSwish => ("hard_swish", vec![]),
            Activation::Mish => ("mish", vec![]),
            Activation::SoftplusBeta(beta) => ("softplus_beta", vec![("beta", beta)]),
            Activation::Softshrink(lambda) => ("softshrink", vec![("lambda", lambda)]),
            Activation::Hardshrink(lambda) => ("hardshrink", vec![("lambda", lambda)]),
            Activation::Tanhshrink => ("tanhshrink", vec![]),
            Activation::Threshold(limit, value) => ("threshold", vec![("limit", limit), ("value", value)]),
            Activation::Softmax(axis) => ("softmax", vec![("axis", axis as f64)]),
            Activation::LogSoftmax(axis) => ("log_softmax", vec![("axis", axis as f64)]),
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
            "gelu_tanh" => Activation::GeluTanh,
            "log_sigmoid" => Activation::LogSigmoid,
            "softsign" => Activation::Softsign,
            "selu" => Activation::Selu,
            "celu" => Activation::Celu(site.number("alpha")?),
            "relu6" => Activation::Relu6,
            "hard_tanh" => Activation::HardTanh(site.number("min")?, site.number("max")?),
            "hard_swish" => Activation::HardSwish,
            "mish" => Activation::Mish,
            "softplus_beta" => Activation::SoftplusBeta(site.number("beta")?),
            "softshrink" => Activation::Softshrink(site.number("lambda")?),
            "hardshrink" => Activation::Hardshrink(site.number("lambda")?),
            "tanhshrink" => Activation::Tanhshrink,
            "threshold" => Activation::Threshold(site.number("limit")?, site.number("value")?),
            "softmax" => Activation::Softmax(axis(site)?),
            "log_softmax" => Activation::LogSoftmax(axis(site)?),
            other => return Err(site.blueprint().refuse(format!("no function is called `{other}`"))),
        }))
    }
}

/// The setting `axis`, which counts from the end where it is negative.
pub(super) fn axis(site: &Site<'_>) -> Result<isize> {
    let axis = site.number("axis")?;
    // No shape has as many axes.
    if axis.fract() != 0.0 || axis.abs() > 64.0 {
        return Err(site.blueprint().refuse(format!("`axis` is {axis}, no axis")));
    }
    Ok(axis as isize)
}

impl Module for Activation {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
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
            Activation::GeluTanh => x.gelu_tanh(),
            Activation::LogSigmoid => x.log_sigmoid(),
            Activation::Softsign => x.softsign(),
            Activation::Selu => x.selu(),
            Activation::Celu(alpha) => x.celu(alpha),
            Activation::Relu6 => x.relu6(),
            Activation::HardTanh(min, max) => x.hard_tanh(min, max),
            Activation::HardSwish => x.hard_swish(),
            Activation::Mish => x.mish(),
            Activation::SoftplusBeta(beta) => x.softplus(beta),
            Activation::Softshrink(lambda) => x.softshrink(lambda),
            Activation::Hardshrink(lambda) => x.hardshrink(lambda),
            Activation::Tanhshrink => x.tanhshrink(),
            Activation::Threshold(limit, value) => x.threshold(limit, value),
            Activation::Softmax(axis) => x.softmax(axis),
            Activation::LogSoftmax(axis) => x.log_softmax(axis),
        }
    }

    fn blueprint(&self) -> Option<Blueprint> {
        let (name, more) = self.named();
        let blueprint = Blueprint::new("Activation").set("function", name);
        Some(more.into_iter().fold(blueprint, |blueprint, (setting, value)| blueprint.set(setting, value)))
    }

    fn describe(&self) -> String {
        format!("{self:?}")
    }
}
