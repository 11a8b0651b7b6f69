//! Derivatives as wholes: Jacobians, Hessians and products with them. Gradients are ordinary ops, so they are differentiated like any other.

use super::node::{Tensor, Value};
use super::op::Spec;
use crate::error::{At, Error, OpError, Result};
use crate::shape::Shape;
use std::sync::Arc;

/// The largest side of a Jacobian or Hessian that is recorded as a whole: each row is a backward pass of its own.
pub const FULL: usize = 2_000;

/// The first and second derivatives of a scalar by some parameters: records the gradient once and any number of Hessian-vector products.
///
/// ```
/// use steepest::{Device, graph::Curvature};
/// let device = Device::cpu();
/// let w = device.parameter(&[1.0, 2.0], 2);
/// let f = w.square().mul(&w).sum(&[]); // Σ w³
/// let curvature = Curvature::new(&f, &[&w])?;
/// let product = curvature.times(&[&device.tensor(&[1.0, 1.0], 2)])?; // 6w
/// assert_eq!(product[0].to_vec::<f32>()?, [6.0, 12.0]);
/// # Ok::<(), steepest::Error>(())
/// ```
pub struct Curvature {
    parameters: Vec<Tensor>,
    /// `None` where the scalar does not depend on the parameter.
    gradients: Vec<Option<Tensor>>,
    shapes: Vec<Shape>,
}

impl Curvature {
    /// Records the gradient of `scalar` by the parameters.
    ///
    /// # Errors
    /// The error an invalid tensor carries, a tensor that is not a scalar or depends on no parameter, or one given as a parameter that is
    /// none.
    #[track_caller]
    pub fn new(scalar: &Tensor, parameters: &[&Tensor]) -> Result<Curvature> {
        are_parameters("hessian", parameters)?;
        let found = scalar.backward();
        let gradients = parameters.iter().map(|p| found.get(p).map(|g| g.cloned())).collect::<Result<_>>()?;
        let shapes = parameters.iter().map(|p| p.try_shape()).collect::<Result<_>>()?;
        Ok(Curvature { parameters: parameters.iter().map(|&p| p.clone()).collect(), gradients, shapes })
    }

    /// Numbers in all parameters together: the side of the Hessian.
    pub fn size(&self) -> usize {
        self.shapes.iter().map(Shape::numel).sum()
    }

    /// The parameters.
    pub fn parameters(&self) -> &[Tensor] {
        &self.parameters
    }

    /// The gradient by each parameter; zeros where there is none.
    #[track_caller]
    pub fn gradient(&self) -> Vec<Tensor> {
        let both = self.gradients.iter().zip(&self.parameters);
        both.map(|(g, p)| g.clone().unwrap_or_else(|| p.full_like(0.0))).collect()
    }

    /// Records the product of the Hessian with a vector that has the parameters' shapes: ∇⟨∇f, v⟩ (Pearlmutter 1994), at the cost of about
    /// two more gradients and without the Hessian.
    ///
    /// # Errors
    /// Vectors whose number or shapes are not the parameters', or the error one of them carries.
    #[track_caller]
    pub fn times(&self, vectors: &[&Tensor]) -> Result<Vec<Tensor>> {
        let at = At::caller();
        let fail = |message: String| Error::op("hessian_vector_product", at, OpError::Shape(message));
        if vectors.len() != self.parameters.len() {
            return Err(fail(format!("{} vectors for {} parameters", vectors.len(), self.parameters.len())));
        }
        let mut inner: Option<Tensor> = None;
        for ((vector, gradient), shape) in vectors.iter().zip(&self.gradients).zip(&self.shapes) {
            let given = vector.try_shape()?;
            if given != *shape {
                return Err(fail(format!("a vector of shape {given} for a parameter of shape {shape}")));
            }
            // A gradient that is constant in every parameter adds nothing.
            let Some(gradient) = gradient.as_ref().filter(|g| g.requires_grad()) else { continue };
            let part = gradient.mul(vector).sum(&[]);
            inner = Some(inner.map_or(part.clone(), |sum| sum.add(&part)));
        }
        let second = inner.map(|scalar| scalar.backward());
        let product = |p: &Tensor| match &second {
            Some(found) => Ok(found.get(p)?.cloned().unwrap_or_else(|| p.full_like(0.0))),
            None => Ok(p.full_like(0.0)),
        };
        self.parameters.iter().map(product).collect()
    }

    /// Records row `i` of the Hessian, of [`Curvature::size`] numbers: the parameters' elements one after the other.
    ///
    /// # Errors
    /// As [`Curvature::times`], or a row there is not.
    #[track_caller]
    pub fn row(&self, i: usize) -> Result<Tensor> {
        let at = At::caller();
        if i >= self.size() {
            let error = OpError::OutOfRange { what: "row of the hessian", found: i as i64, size: self.size() };
            return Err(Error::op("hessian", at, error));
        }
        let mut first = 0;
        let mut units = Vec::with_capacity(self.shapes.len());
        for (shape, parameter) in self.shapes.iter().zip(&self.parameters) {
            units.push(unit(parameter, *shape, i.checked_sub(first).filter(|&k| k < shape.numel())));
            first += shape.numel();
        }
        let parts = self.times(&units.iter().collect::<Vec<_>>())?;
        let flat: Vec<Tensor> = parts.iter().map(Tensor::flatten).collect();
        let row = flat[0].cat(&flat[1..].iter().collect::<Vec<_>>(), 0);
        row.check()?;
        Ok(row)
    }
}

impl Tensor {
    /// Records the Jacobian of this tensor by a parameter: shape `[..self, ..parameter]`, `J[i, j] = ∂ self[i] / ∂ parameter[j]`.
    ///
    /// One backward pass is recorded per element of this tensor.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let w = device.parameter(&[1.0, 2.0], 2);
    /// let jacobian = w.square().jacobian(&w)?;
    /// assert_eq!(jacobian.to_vec::<f32>()?, [2.0, 0.0, 0.0, 4.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// The error an invalid tensor carries, something that is no parameter, a tensor that depends on none, more than [`FULL`] elements, or
    /// more than 8 axes together.
    #[track_caller]
    pub fn jacobian(&self, parameter: &Tensor) -> Result<Tensor> {
        let at = At::caller();
        are_parameters("jacobian", &[parameter])?;
        let (shape, columns) = (self.try_shape()?, parameter.try_shape()?);
        let whole = Shape::new(&[shape.dims(), columns.dims()].concat()).map_err(|e| Error::op("jacobian", at, e))?;
        limit("jacobian", at, shape.numel(), "rows")?;
        let mut rows = Vec::with_capacity(shape.numel());
        for i in 0..shape.numel() {
            let found = self.backward_with(&unit(self, shape, Some(i)));
            rows.push(found.get(parameter)?.cloned().unwrap_or_else(|| parameter.full_like(0.0)));
        }
        let Some((first, others)) = rows.split_first() else { return Ok(unit(parameter, whole, None)) };
        let jacobian = first.stack(&others.iter().collect::<Vec<_>>(), 0).reshape(whole);
        jacobian.check()?;
        Ok(jacobian)
    }

    /// Records the Hessian of this scalar by parameters: `[n, n]`, with n the numbers in all of them, one after the other.
    ///
    /// Each row is recorded; `critical::examine` computes larger ones row by row, and [`Tensor::hessian_vector_product`] needs none at all.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let (x, y) = (device.parameter(&[2.0], 1), device.parameter(&[5.0], 1));
    /// let hessian = (x.square() * &y).sum(&[]).hessian(&[&x, &y])?; // x² y
    /// assert_eq!(hessian.to_vec::<f32>()?, [10.0, 4.0, 4.0, 0.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Curvature::new`], or more than [`FULL`] numbers.
    #[track_caller]
    pub fn hessian(&self, parameters: &[&Tensor]) -> Result<Tensor> {
        let curvature = Curvature::new(self, parameters)?;
        limit("hessian", At::caller(), curvature.size(), "parameters")?;
        let rows = (0..curvature.size()).map(|i| curvature.row(i)).collect::<Result<Vec<_>>>()?;
        let Some((first, others)) = rows.split_first() else {
            return Ok(unit(self, Shape::new(&[0, 0]).unwrap_or(Shape::SCALAR), None));
        };
        let hessian = first.stack(&others.iter().collect::<Vec<_>>(), 0);
        hessian.check()?;
        Ok(hessian)
    }

    /// Records the product of this scalar's Hessian with a vector, one tensor per parameter; see [`Curvature::times`].
    ///
    /// # Errors
    /// As [`Curvature::new`] and [`Curvature::times`].
    #[track_caller]
    pub fn hessian_vector_product(&self, parameters: &[&Tensor], vectors: &[&Tensor]) -> Result<Vec<Tensor>> {
        Curvature::new(self, parameters)?.times(vectors)
    }
}

/// Data of `shape` on the device of `like`: 1 at element `one`, else 0.
#[track_caller]
fn unit(like: &Tensor, shape: Shape, one: Option<usize>) -> Tensor {
    let mut words = vec![0f32.to_bits(); shape.numel()];
    if let Some(one) = one {
        words[one] = 1f32.to_bits();
    }
    let value = Some(Value::Host(Arc::new(words)));
    Tensor::leaf(like.node().backend(), Ok(Spec::f32(shape)), value, false, At::caller())
}

#[track_caller]
pub(super) fn are_parameters(op: &'static str, given: &[&Tensor]) -> Result<()> {
    let at = At::caller();
    let fail = |message: String| Err(Error::op(op, at, OpError::Gradient(message)));
    if given.is_empty() {
        return fail("no parameters were given".to_owned());
    }
    for (i, tensor) in given.iter().enumerate() {
        tensor.check()?;
        let is_one = tensor.node().is_watched() || matches!(tensor.node().body(), super::node::Body::Leaf);
        if !is_one || !tensor.requires_grad() {
            let message = format!("{tensor:?}, given as parameter {i}, is none; make it with device.parameter(..) or watch()");
            return fail(message);
        }
        if given[..i].iter().any(|other| other.id() == tensor.id()) {
            return fail(format!("{tensor:?} was given twice"));
        }
    }
    Ok(())
}

fn limit(op: &'static str, at: crate::error::At, count: usize, what: &str) -> Result<()> {
    if count <= FULL {
        return Ok(());
    }
    let message = format!(
        "{count} {what} are too many for the full form, which records a backward pass for each and stops at {FULL}; \
         use hessian_vector_product or critical::examine"
    );
    Err(Error::op(op, at, OpError::Gradient(message)))
}
