//! Forward-mode derivatives: products of Jacobians with vectors, by two passes backward.

use super::curvature::are_parameters;
use super::disconnected::Missing;
use super::node::Tensor;
use crate::error::{At, Error, OpError, Result};

impl Tensor {
    /// Records the product of this tensor's Jacobian with a direction, one vector for each of the parameters or [watched](Tensor::watch) tensors: how
    /// fast it changes when those move along it, Σ ∂self/∂inputᵢ · vectorᵢ, in this tensor's shape. The Jacobian is never made.
    ///
    /// Jᵀu is linear in u, and its gradient by u in the direction v is J v: two passes backward, whatever the sizes.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let w = device.parameter(&[1.0, 2.0, 3.0], 3);
    /// let product = w.square().jacobian_vector_product(&[&w], &[&device.tensor(&[1.0, 0.0, -1.0], 3)])?;
    /// assert_eq!(product.to_vec::<f32>()?, [2.0, 0.0, -6.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// The error an invalid tensor carries; no inputs, or one that is neither a parameter nor watched; vectors whose number, shapes or types are not those
    /// of the inputs; a tensor that is no float; an op on the way whose gradient has no gradient.
    #[track_caller]
    pub fn jacobian_vector_product(&self, inputs: &[&Tensor], vectors: &[&Tensor]) -> Result<Tensor> {
        let at = At::caller();
        let op = "jacobian_vector_product";
        are_parameters(op, inputs)?;
        if inputs.len() != vectors.len() {
            let message = format!("{} vectors for {} inputs", vectors.len(), inputs.len());
            return Err(Error::op(op, at, OpError::Shape(message)));
        }
        for (input, vector) in inputs.iter().zip(vectors) {
            let (expected, given) = (input.try_shape()?, vector.spec()?);
            if given.shape != expected || !given.dtype.is_float() {
                let message = format!("a vector {given} for an input of shape {expected}");
                return Err(Error::op(op, at, OpError::Shape(message)));
            }
        }
        let spec = self.spec()?;
        if !spec.dtype.is_float() {
            return Err(Error::op(op, at, OpError::DType(format!("{spec} has no derivative"))));
        }
        if !self.requires_grad() {
            return Ok(self.full_like(0.0));
        }
        // The number it holds is never looked at.
        let cotangent = self.full_like(0.0).watch();
        let gradients = self.backward_with(&cotangent);
        let mut inner: Option<Tensor> = None;
        for (input, vector) in inputs.iter().zip(vectors) {
            let gradient = match gradients.missing(input)? {
                None => gradients.wrt(input)?,
                Some(Missing::Disconnected(error)) => return Err(error),
                // It does not depend on this one.
                Some(Missing::Unused) => continue,
            };
            let part = gradient.mul(vector).sum(&[]);
            inner = Some(inner.map_or(part.clone(), |sum| sum.add(&part)));
        }
        let Some(inner) = inner else { return Ok(self.full_like(0.0)) };
        let product = inner.backward().wrt(&cotangent)?;
        product.check()?;
        Ok(product)
    }
}

/// What a function makes of `primals`, and how fast that changes when they move along `tangents`: forward-mode differentiation, as `jvp` of JAX and of
/// `torch.func`. The function gets the primals as [watched](Tensor::watch) tensors; anything it is differentiable by may be among them.
///
/// ```
/// use steepest::{Device, jvp};
/// let device = Device::cpu();
/// let (x, direction) = (device.tensor(&[1.0, 2.0], 2), device.tensor(&[0.5, 1.0], 2));
/// let (values, slopes) = jvp(|x| vec![x[0].exp(), x[0].sum(&[])], &[&x], &[&direction])?;
/// assert_eq!(values[1].item()?, 3.0);
/// assert_eq!(slopes[1].item()?, 1.5);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// As [`Tensor::jacobian_vector_product`].
#[track_caller]
pub fn jvp(
    f: impl FnOnce(&[Tensor]) -> Vec<Tensor>,
    primals: &[&Tensor],
    tangents: &[&Tensor],
) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    let mut inputs = Vec::with_capacity(primals.len());
    for primal in primals {
        inputs.push(primal.watch());
    }
    let outputs = f(&inputs);
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    let mut slopes = Vec::with_capacity(outputs.len());
    for output in &outputs {
        slopes.push(output.jacobian_vector_product(&inputs, tangents)?);
    }
    Ok((outputs, slopes))
}
