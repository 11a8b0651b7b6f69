//! New starts for layers that are there: each knows the fans of its parameters.

use super::{Init, Role};
use crate::Tensor;
use crate::error::Result;
use crate::nn::recurrent::{Cell, Recurrent};
use crate::nn::{
    BatchNorm, Bilinear, Embedding, GroupNorm, GruCell, InstanceNorm, LayerNorm, Linear, LstmCell, Module, MultiHeadAttention,
    PRelu, RmsNorm, RnnCell, Transformer, TransformerBlock,
};

/// Parameters by name, each drawn from a seed of its own.
#[track_caller]
pub(in crate::nn) fn fill(layer: &dyn Module, seed: u64, start: impl Fn(&str, &Tensor) -> (Init, Role)) -> Result<()> {
    fill_some(layer, seed, |name, parameter| Some(start(name, parameter)))
}

/// The same of those parameters that get a new start.
#[track_caller]
fn fill_some(layer: &dyn Module, seed: u64, start: impl Fn(&str, &Tensor) -> Option<(Init, Role)>) -> Result<()> {
    for (number, (name, parameter)) in layer.named_parameters().into_iter().enumerate() {
        let Some((init, role)) = start(&name, &parameter) else { continue };
        init.fill(&parameter, role, seed.wrapping_add((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)))?;
    }
    Ok(())
}

/// Inputs and outputs of a matrix \[outputs, inputs\].
fn fans(weight: &Tensor) -> (usize, usize) {
    weight.try_shape().map_or((1, 1), |shape| Role::Weight.fans(shape.dims()))
}

/// The last part of a parameter's name.
fn own(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

macro_rules! affine {
    ($($layer:ident),*) => {
        $(impl $layer {
            /// The same layer with other starts of its parameters, drawn anew from `seed`.
            ///
            /// # Errors
            /// As [`Init::fill`].
            #[track_caller]
            pub fn init(self, weight: Init, bias: Init, seed: u64) -> Result<$layer> {
                let (fan_in, fan_out) = fans(self.weight());
                fill(&self, seed, |name, _| match name {
                    "bias" => (bias, Role::Other(fan_in, fan_out)),
                    _ => (weight, Role::Weight),
                })?;
                Ok(self)
            }
        })*
    };
}

affine!(Linear, Bilinear);

impl Embedding {
    /// The same layer with another start of its table, drawn anew from `seed`. One row is read at a time, so its fan_in is 1.
    ///
    /// # Errors
    /// As [`Init::fill`].
    #[track_caller]
    pub fn init(self, weight: Init, seed: u64) -> Result<Embedding> {
        fill(&self, seed, |_, _| (weight, Role::Table))?;
        Ok(self)
    }
}

impl PRelu {
    /// The same layer with another start of its slopes, drawn anew from `seed`.
    ///
    /// # Errors
    /// As [`Init::fill`].
    #[track_caller]
    pub fn init(self, slopes: Init, seed: u64) -> Result<PRelu> {
        fill(&self, seed, |_, _| (slopes, Role::Other(1, 1)))?;
        Ok(self)
    }
}

/// Starts of matrices and of their biases; normalisations stay as they are.
#[track_caller]
fn fill_matrices(layer: &dyn Module, weight: Init, bias: Init, seed: u64) -> Result<()> {
    fill_some(layer, seed, |name, parameter| {
        let shape = parameter.try_shape().ok()?;
        match (own(name), shape.rank()) {
            _ if name.split('.').any(|part| part.starts_with("norm")) => None,
            (_, 2..) => Some((weight, Role::Weight)),
            _ => Some((bias, Role::Other(shape.numel(), shape.numel()))),
        }
    })
}

macro_rules! blocks {
    ($($layer:ident),*) => {
        $(impl $layer {
            /// The same layer with other starts of all weights and of all biases, drawn anew from `seed`; its normalisations stay as they are. Say
            /// what it is made of before.
            ///
            /// # Errors
            /// As [`Init::fill`].
            #[track_caller]
            pub fn init(self, weight: Init, bias: Init, seed: u64) -> Result<$layer> {
                fill_matrices(&self, weight, bias, seed)?;
                Ok(self)
            }
        })*
    };
}

blocks!(MultiHeadAttention, TransformerBlock, Transformer);

/// Starts of a recurrent cell's parameters, or of all cells of a layer.
#[track_caller]
fn fill_recurrent(layer: &dyn Module, gates: usize, [input, state, bias]: [Init; 3], seed: u64) -> Result<()> {
    fill(layer, seed, |name, parameter| match own(name) {
        name if name.starts_with("weight_ih") => (input, Role::Stacked(gates)),
        name if name.starts_with("weight_hh") => (state, Role::Stacked(gates)),
        _ => {
            let hidden = parameter.try_shape().map_or(1, |s| s.numel()) / gates;
            (bias, Role::Other(hidden, hidden))
        }
    })
}

macro_rules! cells {
    ($($cell:ident),*) => {
        $(impl $cell {
            /// The same cell with other starts of its weights by inputs, of those by its state, and of its biases, drawn anew from `seed`; the
            /// weights of each gate by themselves.
            ///
            /// # Errors
            /// As [`Init::fill`].
            #[track_caller]
            pub fn init(self, input: Init, state: Init, bias: Init, seed: u64) -> Result<$cell> {
                fill_recurrent(&self, $cell::GATES, [input, state, bias], seed)?;
                Ok(self)
            }
        })*
    };
}

cells!(RnnCell, GruCell, LstmCell);

impl<C: Cell> Recurrent<C> {
    /// The same layer with other starts of its weights by inputs, of those by its state, and of its biases, drawn anew from `seed`; the
    /// weights of each gate by themselves.
    ///
    /// ```
    /// use steepest::{Device, nn::{Gru, Init}};
    /// let zero = Init::Constant(0.0);
    /// let gru = Gru::new(&Device::cpu(), 3, 8, 0).init(Init::XavierUniform, Init::Orthogonal(1.0), zero, 1)?;
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Init::fill`].
    #[track_caller]
    pub fn init(self, input: Init, state: Init, bias: Init, seed: u64) -> Result<Recurrent<C>> {
        fill_recurrent(&self, C::GATES, [input, state, bias], seed)?;
        Ok(self)
    }
}

macro_rules! norms {
    ($([$($of:tt)*] $norm:ty),* $(,)?) => {
        $(impl $($of)* $norm {
            /// The same layer with other starts of γ and β, where it has them; γ of zeros lets the layer before it begin with nothing.
            ///
            /// # Errors
            /// As [`Init::fill`].
            #[track_caller]
            pub fn init(self, gamma: Init, beta: Init, seed: u64) -> Result<$norm> {
                fill(&self, seed, |name, _| (if name == "bias" { beta } else { gamma }, Role::Other(1, 1)))?;
                Ok(self)
            }
        })*
    };
}

norms!([] LayerNorm, [] RmsNorm, [] GroupNorm, [<const D: usize>] BatchNorm<D>, [<const D: usize>] InstanceNorm<D>);
