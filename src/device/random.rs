//! Making random tensors: each element follows from seed, stream and index alone, on every device.

use super::state::Device;
use crate::error::{OpError, finite};
use crate::graph::node::{Tensor, record_on};
use crate::ops::random::{Kind, Random, deviation, range};
use crate::shape::{Shape, ToShape};
use std::panic::Location;

impl Device {
    #[track_caller]
    fn random(&self, name: &'static str, shape: impl ToShape, op: impl FnOnce(Shape) -> Result<Random, OpError>) -> Tensor {
        let at = Location::caller();
        match shape.to_shape().and_then(op) {
            Ok(op) => record_on(self.backend(), op, &[]),
            Err(error) => self.invalid(name, at, error),
        }
    }

    /// Numbers evenly distributed in `low..high`: low + (high − low) u with u a multiple of 2⁻²⁴ in 0..1.
    ///
    /// Bounds that are not finite, or further apart than f32 can hold, and a `low` above `high` make the tensor invalid.
    #[track_caller]
    pub fn uniform(&self, shape: impl ToShape, low: f64, high: f64, seed: u64) -> Tensor {
        let unit = self.random("uniform", shape, |shape| {
            range(low, high)?;
            Ok(Random::new(Kind::Uniform, shape, seed, 0))
        });
        moved(unit, low, high - low)
    }

    /// Normally distributed numbers with mean `mean` and standard deviation `std`.
    ///
    /// A mean that is not finite, and a deviation that is negative or not finite, make the tensor invalid.
    #[track_caller]
    pub fn normal(&self, shape: impl ToShape, mean: f64, std: f64, seed: u64) -> Tensor {
        let unit = self.random("normal", shape, |shape| {
            if !finite(mean) {
                return Err(OpError::Value(format!("mean is {mean}, expected a finite number")));
            }
            deviation(std)?;
            Ok(Random::new(Kind::Normal, shape, seed, 0))
        });
        moved(unit, mean, std)
    }

    /// 1 / keep with probability `keep`, else 0. A probability that is not above 0 and at most 1 makes the tensor invalid.
    #[track_caller]
    pub fn dropout_mask(&self, shape: impl ToShape, keep: f64, seed: u64, stream: u64) -> Tensor {
        self.random("dropout_mask", shape, |shape| Random::mask(shape, keep, seed, stream))
    }
}

/// scale x + offset, without work where that is x.
#[track_caller]
fn moved(x: Tensor, offset: f64, scale: f64) -> Tensor {
    let scaled = if scale == 1.0 { x } else { x.mul_scalar(scale) };
    if offset == 0.0 { scaled } else { scaled.add_scalar(offset) }
}
