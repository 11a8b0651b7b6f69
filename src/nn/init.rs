//! Initial values of parameters, drawn on the host from Philox: the same numbers on every device.

use crate::error::{OpError, finite};
use crate::random::{self, deviation, range};
use crate::{Device, Tensor};
use std::panic::Location;

/// How a weight starts. `fan_in` and `fan_out` are the numbers of inputs and outputs of one unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Every element the same.
    Constant(f64),
    /// Uniform in −b..b.
    Uniform(f64),
    /// Normal with mean 0 and the given standard deviation.
    Normal(f64),
    /// Uniform with variance 2 / fan_in (He et al. 2015): keeps the size of signals through ReLUs.
    KaimingUniform,
    /// Normal with variance 2 / fan_in (He et al. 2015).
    KaimingNormal,
    /// Uniform with variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010): for sigmoid and tanh.
    XavierUniform,
    /// Normal with variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010).
    XavierNormal,
    /// Uniform in ±1 / √fan_in: PyTorch's default for linear layers.
    FanIn,
}

impl Init {
    /// What is wrong with its number.
    fn check(self) -> Result<(), OpError> {
        match self {
            Init::Constant(value) if !finite(value) => {
                Err(OpError::Value(format!("the constant is {value}, expected a finite number")))
            }
            Init::Uniform(bound) => range(-bound, bound),
            Init::Normal(std) => deviation(std),
            _ => Ok(()),
        }
    }

    /// A parameter of shape \[fan_out, fan_in\] or \[fan_out\], drawn from stream `stream` of `seed`.
    ///
    /// A number that is not finite, and a bound or a deviation that is negative, make the tensor invalid.
    #[track_caller]
    pub fn parameter(self, device: &Device, shape: &[usize], fans: (usize, usize), seed: u64, stream: u64) -> Tensor {
        match self.values(shape.iter().product(), fans, seed, stream) {
            Ok(values) => device.parameter(&values, shape),
            Err(error) => device.invalid("init", Location::caller(), error),
        }
    }

    /// The numbers of such a parameter.
    pub(super) fn values(self, n: usize, fans: (usize, usize), seed: u64, stream: u64) -> Result<Vec<f32>, OpError> {
        self.check()?;
        let (fan_in, fan_out) = (fans.0.max(1) as f64, fans.1.max(1) as f64);
        let uniform = |bound: f64| random::uniform_host(n, -bound as f32, bound as f32, seed, stream);
        let normal = |std: f64| random::normal_host(n, 0.0, std as f32, seed, stream);
        Ok(match self {
            Init::Constant(value) => vec![value as f32; n],
            Init::Uniform(bound) => uniform(bound),
            Init::Normal(std) => normal(std),
            // A uniform number in ±b has variance b² / 3.
            Init::KaimingUniform => uniform((6.0 / fan_in).sqrt()),
            Init::KaimingNormal => normal((2.0 / fan_in).sqrt()),
            Init::XavierUniform => uniform((6.0 / (fan_in + fan_out)).sqrt()),
            Init::XavierNormal => normal((2.0 / (fan_in + fan_out)).sqrt()),
            Init::FanIn => uniform(1.0 / fan_in.sqrt()),
        })
    }
}
