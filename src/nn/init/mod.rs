//! Initial values of parameters, drawn on the host from Philox: the same numbers on every device.

mod draw;
mod layers;

pub(super) use layers::fill;

use crate::error::{At, Error, OpError, Result, finite};
use crate::random::{self, deviation, range};
use crate::{DType, Device, Shape, Tensor, memory};

/// How a weight starts. `fan_in` and `fan_out` are the numbers of inputs and outputs of one unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Every element the same.
    Constant(f64),
    /// Uniform in −b..b.
    Uniform(f64),
    /// Normal with mean 0 and the given standard deviation.
    Normal(f64),
    /// Normal with the given mean and standard deviation, of which what lies outside `low..=high` is left out (PyTorch's `trunc_normal_`).
    TruncatedNormal {
        /// Mean of the normal distribution.
        mean: f64,
        /// Its standard deviation; that of the numbers left is smaller.
        std: f64,
        /// The smallest number.
        low: f64,
        /// The largest number.
        high: f64,
    },
    /// Uniform with variance 2 / fan_in (He et al. 2015): keeps the size of signals through ReLUs.
    KaimingUniform,
    /// Normal with variance 2 / fan_in (He et al. 2015).
    KaimingNormal,
    /// Uniform with variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010): for sigmoid and tanh.
    XavierUniform,
    /// Normal with variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010).
    XavierNormal,
    /// Uniform with variance 1 / fan_in (LeCun et al. 1998): for SELU, and where no activation follows.
    LecunUniform,
    /// Normal with variance 1 / fan_in (LeCun et al. 1998).
    LecunNormal,
    /// Uniform in ±1 / √fan_in: PyTorch's default for linear layers.
    FanIn,
    /// Uniform or normal with variance gain² / fan: what the ones before it are made of. [`Nonlinearity::gain`] says gains.
    Scaled {
        /// What the standard deviation is multiplied by.
        gain: f64,
        /// The number that the variance is divided by.
        fan: Fan,
        /// Normal, or else uniform.
        normal: bool,
    },
    /// A matrix with orthonormal rows or columns, whichever are fewer, times a gain; all such matrices with the same probability (Saxe et al.
    /// 2014). Rows are the first axis, columns all the others together.
    Orthogonal(f64),
    /// The identity: ones on the diagonal of a matrix; of a convolution's weights, ones in the middle of the kernel where the number of the
    /// input channel is that of the output channel, within each group (PyTorch's `eye_` and `dirac_`).
    Identity,
}

/// The number of inputs or outputs by which a variance is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fan {
    /// Inputs of a unit: signals keep their size forwards.
    In,
    /// Outputs that an input goes to: gradients keep their size backwards.
    Out,
    /// The mean of both.
    Average,
}

/// A function that follows a layer, for its gain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Nonlinearity {
    /// None, or a sigmoid: 1.
    Linear,
    /// tanh: 5/3.
    Tanh,
    /// ReLU: √2.
    Relu,
    /// A leaky ReLU of this slope: √(2 / (1 + slope²)).
    LeakyRelu(f64),
    /// SELU: 3/4.
    Selu,
}

impl Nonlinearity {
    /// What weights are multiplied by so that signals keep their size through the function: the numbers of PyTorch's `calculate_gain`.
    ///
    /// ```
    /// use steepest::{Device, nn::{Fan, Init, Linear, Nonlinearity}};
    /// let start = Init::Scaled { gain: Nonlinearity::LeakyRelu(0.2).gain(), fan: Fan::Out, normal: true };
    /// let layer = Linear::new(&Device::cpu(), 256, 128, 0).init(start, Init::Constant(0.0), 0)?;
    /// let variance = layer.weight().var(&[], 0).item()?;
    /// assert!((variance * 128.0 - 2.0 / 1.04).abs() < 0.05);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    pub fn gain(self) -> f64 {
        match self {
            Nonlinearity::Linear => 1.0,
            Nonlinearity::Tanh => 5.0 / 3.0,
            Nonlinearity::Relu => 2f64.sqrt(),
            Nonlinearity::LeakyRelu(slope) => (2.0 / (1.0 + slope * slope)).sqrt(),
            Nonlinearity::Selu => 0.75,
        }
    }
}

/// What a parameter is to its layer: how many inputs and outputs its units have, and which rows belong together. `k` is the number of elements of
/// a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weights \[outputs, inputs, kernel…\]: fan_in = inputs · k, fan_out = outputs · k.
    Weight,
    /// Weights of a convolution \[outputs, inputs / groups, kernel…\]: a unit sees the channels of its group alone.
    Grouped(usize),
    /// Weights of a transposed convolution \[inputs, outputs / groups, kernel…\].
    Transposed(usize),
    /// So many weights \[outputs, inputs\] one below the other: the gates of a recurrent cell, packed projections.
    Stacked(usize),
    /// A table \[rows, width\] of which one row is read at a time: fan_in = 1, fan_out = width.
    Table,
    /// Any other parameter, a bias among them, of a layer with this fan_in and fan_out.
    Other(usize, usize),
}

/// What is drawn: fans, and how many blocks of rows are drawn apart where they are more than numbers side by side.
#[derive(Clone, Copy, Debug)]
struct Plan {
    fans: (usize, usize),
    blocks: usize,
}

impl Role {
    /// The fans of a parameter of this shape.
    pub fn fans(self, shape: &[usize]) -> (usize, usize) {
        self.plan(shape).fans
    }

    fn plan(self, shape: &[usize]) -> Plan {
        let (first, second) = (shape.first().copied().unwrap_or(1), shape.get(1).copied().unwrap_or(1));
        // Of any shape that a caller says, of which no tensor need be possible.
        let taps = shape.iter().skip(2).fold(1, |taps: usize, &n| taps.saturating_mul(n));
        let times = |channels: usize| channels.saturating_mul(taps);
        let (fans, blocks) = match self {
            Role::Weight => ((times(second), times(first)), 1),
            Role::Grouped(groups) => ((times(second), times(first / groups.max(1))), groups),
            Role::Transposed(groups) => ((times(first / groups.max(1)), times(second)), groups),
            Role::Stacked(parts) => ((second, first / parts.max(1)), parts),
            Role::Table => ((1, second), 1),
            Role::Other(fan_in, fan_out) => ((fan_in, fan_out), 1),
        };
        Plan { fans, blocks: if blocks > 0 && first.is_multiple_of(blocks) { blocks } else { 1 } }
    }
}

impl Init {
    /// What is wrong with its numbers.
    fn check(self) -> Result<(), OpError> {
        let gain = |gain: f64, fits: bool| {
            if fits { Ok(()) } else { Err(OpError::Value(format!("the gain is {gain}, expected a number well within f32"))) }
        };
        match self {
            Init::Constant(value) if !finite(value) => {
                Err(OpError::Value(format!("the constant is {value}, expected a finite number")))
            }
            Init::Uniform(bound) => range(-bound, bound),
            Init::Normal(std) => deviation(std),
            Init::TruncatedNormal { mean, std, low, high } => {
                deviation(std)?;
                range(low, high)?;
                if finite(mean) {
                    return Ok(());
                }
                Err(OpError::Value(format!("the mean is {mean}, expected a finite number")))
            }
            Init::Orthogonal(scale) => gain(scale, finite(scale)),
            // The bound of uniform numbers is larger.
            Init::Scaled { gain: scale, .. } => gain(scale, finite(2.0 * scale)),
            _ => Ok(()),
        }
    }

    /// A parameter of shape \[fan_out, fan_in\] or \[fan_out\], drawn from stream `stream` of `seed`.
    ///
    /// A number that is not finite, a bound or a deviation that is negative, and a shape of fewer than two axes for [`Init::Orthogonal`] and
    /// [`Init::Identity`] make the tensor invalid; so does a shape that no tensor may have, or that there is no memory for.
    #[track_caller]
    pub fn parameter(self, device: &Device, shape: &[usize], fans: (usize, usize), seed: u64, stream: u64) -> Tensor {
        self.start("init", device, shape, fans, seed, stream)
    }

    /// The same for a layer, which an error names. Here all weights of all layers are made: what no tensor can be is refused before memory is asked
    /// for.
    #[track_caller]
    pub(super) fn start(
        self,
        layer: &'static str,
        device: &Device,
        shape: &[usize],
        fans: (usize, usize),
        seed: u64,
        stream: u64,
    ) -> Tensor {
        let made = Shape::new(shape).and_then(|whole| Ok((whole, self.values(shape, fans, seed, stream)?)));
        match made {
            // In the memory that they were drawn in.
            Ok((shape, values)) => device.words(values.into_iter().map(f32::to_bits).collect(), shape, DType::F32, true),
            Err(error) => device.invalid(layer, At::caller(), error),
        }
    }

    /// Puts new numbers into a parameter, or any other given tensor, in place (PyTorch's `torch.nn.init`).
    ///
    /// ```
    /// use steepest::{Device, nn::{Init, Lstm, Module, Role}};
    /// let lstm = Lstm::new(&Device::cpu(), 3, 8, 0);
    /// for (seed, (name, parameter)) in lstm.named_parameters().into_iter().enumerate() {
    ///     if name.starts_with("weight_hh") {
    ///         Init::Orthogonal(1.0).fill(&parameter, Role::Stacked(4), seed as u64)?;
    ///     }
    /// }
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Init::parameter`], and as [`Tensor::set`].
    #[track_caller]
    pub fn fill(self, parameter: &Tensor, role: Role, seed: u64) -> Result<()> {
        let at = At::caller();
        let shape = parameter.try_shape()?;
        let values = self.drawn(shape.dims(), role.plan(shape.dims()), seed, 0);
        parameter.set(&values.map_err(|error| Error::op("init", at, error))?)
    }

    /// The numbers of such a parameter.
    pub(super) fn values(self, shape: &[usize], fans: (usize, usize), seed: u64, stream: u64) -> Result<Vec<f32>, OpError> {
        self.drawn(shape, Plan { fans, blocks: 1 }, seed, stream)
    }

    fn drawn(self, shape: &[usize], plan: Plan, seed: u64, stream: u64) -> Result<Vec<f32>, OpError> {
        self.check()?;
        let n = Shape::new(shape)?.numel();
        if n == 0 {
            // The other sizes may be any.
            return Ok(vec![]);
        }
        // Asked for at once, and given back at once to be asked for again where the numbers are drawn.
        room::<f32>(shape, n)?;
        let (fan_in, fan_out) = (plan.fans.0.max(1) as f64, plan.fans.1.max(1) as f64);
        let uniform = |bound: f64| random::uniform_host(n, -bound as f32, bound as f32, seed, stream);
        let normal = |std: f64| random::normal_host(n, 0.0, std as f32, seed, stream);
        // A uniform number in ±b has variance b² / 3.
        let spread = |variance: f64| uniform((3.0 * variance).sqrt());
        Ok(match self {
            Init::Constant(value) => memory::filled(what(shape), n, value as f32).map_err(OpError::NoRoom)?,
            Init::Uniform(bound) => uniform(bound),
            Init::Normal(std) => normal(std),
            Init::TruncatedNormal { mean, std, low, high } => draw::truncated_normal(n, (mean, std), (low, high), seed, stream)?,
            Init::KaimingUniform => uniform((6.0 / fan_in).sqrt()),
            Init::KaimingNormal => normal((2.0 / fan_in).sqrt()),
            Init::XavierUniform => uniform((6.0 / (fan_in + fan_out)).sqrt()),
            Init::XavierNormal => normal((2.0 / (fan_in + fan_out)).sqrt()),
            Init::LecunUniform => spread(1.0 / fan_in),
            Init::LecunNormal => normal((1.0 / fan_in).sqrt()),
            Init::FanIn => uniform(1.0 / fan_in.sqrt()),
            Init::Scaled { gain, fan, normal: is_normal } => {
                let fan = match fan {
                    Fan::In => fan_in,
                    Fan::Out => fan_out,
                    Fan::Average => (fan_in + fan_out) / 2.0,
                };
                let variance = gain * gain / fan;
                if is_normal { normal(variance.sqrt()) } else { spread(variance) }
            }
            Init::Orthogonal(gain) => {
                let sizes = matrix("orthogonal", shape)?;
                // It is computed in f64.
                room::<f64>(shape, 2 * n)?;
                draw::orthogonal(sizes, plan.blocks, gain, seed, stream)
            }
            Init::Identity => {
                matrix("the identity", shape)?;
                draw::identity(shape, plan.blocks)
            }
        })
    }
}

/// What an error calls a parameter that there is no room for.
fn what(shape: &[usize]) -> String {
    format!("a parameter of shape {shape:?}")
}

/// An error where so many numbers of a parameter have no room.
fn room<T>(shape: &[usize], count: usize) -> Result<(), OpError> {
    memory::room::<T>(what(shape), count).map(drop).map_err(OpError::NoRoom)
}

/// Rows and columns of a weight: its first axis, and all the others.
fn matrix(what: &str, shape: &[usize]) -> Result<[usize; 2], OpError> {
    match shape {
        [rows, columns @ ..] if !columns.is_empty() => Ok([*rows, columns.iter().product()]),
        _ => Err(OpError::Shape(format!("{what} in a parameter of shape {shape:?}, expected at least two axes"))),
    }
}
