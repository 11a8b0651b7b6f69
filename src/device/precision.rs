//! Mixed precision: matrix products that round their operands to f16.

use super::state::Device;
use std::sync::atomic::Ordering;

/// How exactly matrix products read their operands; see [`Device::set_precision`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// As they are, in f32.
    #[default]
    Full,
    /// Rounded to f16, summed in f32.
    Half,
}

impl Device {
    /// Has matrix products round their operands to f16 from now on, or stop doing so: mixed precision.
    ///
    /// It touches every f32 operand of [`Tensor::matmul`](crate::Tensor::matmul), and so linear layers, attention and products of
    /// [`einsum`](crate::ops::einsum), when they are *recorded*: the rounding is part of the graph, shows in its plan and is undone by nothing later.
    /// Convolutions, reductions and elementwise ops stay in f32. Products of halves are exact in f32, where they are summed. Parameters,
    /// gradients and optimizer state stay f32 ("master weights"), and a gradient is never rounded: it is the product of an f32 gradient
    /// with a half. So no scaling of losses is needed. What is beyond 65,504 becomes infinite; activations hardly are.
    ///
    /// What it is for: on GPUs with matrix units (see `ARCHITECTURE.md`, *Half precision*) products of halves run on them. Elsewhere it saves no
    /// time, but shows what rounding does to a training.
    ///
    /// ```
    /// use steepest::{Device, device::Precision};
    /// let device = Device::cpu();
    /// let x = device.tensor(&[0.1, 1.0], [1, 2]);
    /// device.set_precision(Precision::Half);
    /// assert_eq!(x.matmul(&device.eye(2)).to_vec::<f32>()?, [0.099975586, 1.0]);
    /// device.set_precision(Precision::Full);
    /// assert_eq!(x.matmul(&device.eye(2)).to_vec::<f32>()?, [0.1, 1.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    pub fn set_precision(&self, precision: Precision) {
        self.state.rounds_to_f16.store(precision == Precision::Half, Ordering::Relaxed);
    }

    /// What [`Device::set_precision`] set.
    pub fn precision(&self) -> Precision {
        if self.state.rounds_to_f16.load(Ordering::Relaxed) { Precision::Half } else { Precision::Full }
    }
}
