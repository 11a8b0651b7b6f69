//! Linear algebra of small and middle matrices, `[.., n, n]`: the host computes it in f64, matrix by matrix, on every device.
//!
//! A factorisation of a small matrix is a chain of short steps, each waiting for the one before: no work for a GPU. So these are host ops
//! ([`HostOp`]): on a GPU each costs a round trip, on the CPU nothing besides. What they give is as exact as f32 can be; their gradients
//! are ordinary ops, which run on the device and have gradients again, and need such an op again here and there.

mod cases;
mod definition;
mod eigen;
mod factors;
mod methods;
mod pseudo;
mod solve;

pub use cases::cases;
pub use methods::MatrixNorm;
pub use solve::Triangular;

use crate::error::OpError;
use crate::factor::Matrix;
use crate::graph::op::{Array, DType, GradCtx, HostOp, Lowering, Op, Spec};
use crate::graph::{Accuracy, Tensor, record};
use crate::shape::{Shape, View};
use rayon::prelude::*;
use smallvec::SmallVec;
use std::fmt;

/// Elements of the inputs from which on threads share a batch.
const MIN_PARALLEL: usize = 1 << 12;

/// Sizes of the last axes of a result.
type Sizes = SmallVec<[usize; 2]>;

/// Why there is no result: what a matrix is and what it should be.
type Fault = (&'static str, &'static str);

const SINGULAR: Fault = ("is singular", "an invertible matrix");
const NO_CONVERGENCE: Fault = ("has a factorisation that does not converge", "one that does");

/// What an op makes of each matrix of a batch.
trait Each: fmt::Debug + Clone + Send + Sync + 'static {
    /// The op's name.
    const NAME: &'static str;

    /// What else belongs to a call.
    fn params(&self) -> Vec<u32> {
        vec![]
    }

    /// The last axes of the result, of inputs with these numbers of rows and columns.
    fn output(&self, sizes: &[[usize; 2]]) -> Result<Sizes, OpError>;

    /// The result for one matrix of each input, row-major.
    fn compute(&self, inputs: &[Matrix]) -> Result<Vec<f64>, Fault>;

    /// The same by the definition, as naive as it can be; NaN where there is no result.
    fn definition(&self, inputs: &[Matrix]) -> Vec<f64>;

    /// How many inputs must be finite; those after them (right-hand sides) may hold anything.
    fn finite(&self) -> usize {
        1
    }

    /// How far two ways of computing it in f64 may be apart, from the inputs of one matrix and its definition.
    fn slack(&self, inputs: &[Matrix], definition: &[f64]) -> f64 {
        let _ = inputs;
        1e-8 * definition.iter().filter(|x| x.is_finite()).fold(0.0, |most: f64, x| most.max(x.abs()))
    }

    /// The vector-Jacobian product.
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>>;
}

/// An op on every matrix of a batch; the leading axes of several inputs broadcast.
#[derive(Clone, Debug)]
struct Batched<E>(E);

/// Records an op on every matrix of a batch.
#[track_caller]
fn each(op: impl Each, inputs: &[&Tensor]) -> Tensor {
    record(Batched(op), inputs)
}

/// Rows and columns of the matrices of a batch, and its leading axes.
fn matrices(shape: &Shape) -> Result<([usize; 2], Shape), OpError> {
    match shape.dims() {
        [batch @ .., m, n] => Ok(([*m, *n], Shape::new(batch)?)),
        _ => Err(OpError::Shape(format!("{shape} is no matrix: two axes are expected at least"))),
    }
}

/// The size of a square matrix.
fn square([m, n]: [usize; 2]) -> Result<usize, OpError> {
    if m == n { Ok(n) } else { Err(OpError::Shape(format!("a matrix of {m} × {n} is not square"))) }
}

/// The matrices of an array, each as many times as broadcasting to `batch` reads it.
fn split(array: &Array, batch: &Shape) -> Vec<Matrix> {
    let Ok(([rows, cols], own)) = matrices(&array.shape) else { return vec![] };
    let mut found = Vec::with_capacity(batch.numel());
    View::broadcast(&own, batch).positions(0, batch.numel(), |at| {
        let data = array.data[at * rows * cols..(at + 1) * rows * cols].to_vec();
        found.push(Matrix { rows, cols, data });
    });
    found
}

/// For each matrix of the batch the inputs it is computed from.
fn rows_of_inputs(inputs: &[&Array]) -> Vec<Vec<Matrix>> {
    let mut batch = Shape::SCALAR;
    for input in inputs {
        let own = matrices(&input.shape).and_then(|(_, own)| batch.broadcast(&own));
        batch = own.unwrap_or(batch);
    }
    let columns: Vec<Vec<Matrix>> = inputs.iter().map(|input| split(input, &batch)).collect();
    (0..batch.numel()).map(|i| columns.iter().map(|column| column[i].clone()).collect()).collect()
}

impl<E: Each> HostOp for Batched<E> {
    fn compute(&self, inputs: &[&Array], output: &Spec) -> Result<Array, OpError> {
        if output.shape.numel() == 0 {
            return Ok(Array::new(output.shape, vec![]));
        }
        let one = |(index, row): (usize, Vec<Matrix>)| {
            let wrong = |(found, expected): Fault| OpError::Matrix { index, found, expected };
            if !row[..self.0.finite()].iter().all(Matrix::is_finite) {
                return Err(wrong(("has an element that is not finite", "finite numbers")));
            }
            self.0.compute(&row).map_err(wrong)
        };
        let rows = rows_of_inputs(inputs);
        let elements: usize = inputs.iter().map(|input| input.data.len()).sum();
        let made: Vec<Result<Vec<f64>, OpError>> = if elements >= MIN_PARALLEL && rows.len() > 1 {
            rows.into_par_iter().enumerate().map(one).collect()
        } else {
            rows.into_iter().enumerate().map(one).collect()
        };
        // Of several faults the first.
        let made = made.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(Array::new(output.shape, made.concat()))
    }
}

impl<E: Each> Op for Batched<E> {
    fn name(&self) -> &'static str {
        E::NAME
    }
    fn params(&self) -> Vec<u32> {
        self.0.params()
    }
    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        let rows = rows_of_inputs(inputs);
        let slack = rows.iter().map(|row| self.0.slack(row, &self.0.definition(row))).fold(0.0, f64::max);
        Accuracy::Stated { relative: 1.2e-7, absolute: slack + 1.2e-38 }
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        if let Some((i, spec)) = inputs.iter().enumerate().find(|(_, spec)| spec.dtype != DType::F32) {
            return Err(OpError::DType(format!("operand {i} is {spec}, expected f32; convert with to_f32()")));
        }
        let (mut sizes, mut batch) = (Vec::with_capacity(inputs.len()), Shape::SCALAR);
        for input in inputs {
            let (own, leading) = matrices(&input.shape)?;
            sizes.push(own);
            batch = batch.broadcast(&leading)?;
        }
        Ok(Spec::f32(Shape::new(&[batch.dims(), &self.0.output(&sizes)?].concat())?))
    }
    fn lower(&self, _: &[Spec], _: &Spec) -> Lowering {
        Lowering::Host
    }
    fn on_host(&self) -> Option<&dyn HostOp> {
        Some(self)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        if output.shape.numel() == 0 {
            return Array::new(output.shape, vec![]);
        }
        let made: Vec<Vec<f64>> = rows_of_inputs(inputs).iter().map(|row| self.0.definition(row)).collect();
        Array::new(output.shape, made.concat())
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        self.0.grad(ctx)
    }
}

/// c / d, and 0 where both are 0: what a gradient that is 0 becomes where values coincide. A gradient that is not 0 becomes infinite there.
#[track_caller]
fn quotient(c: &Tensor, d: &Tensor) -> Tensor {
    let nothing = c.eq_scalar(0.0).and(&d.eq_scalar(0.0));
    c.div(&nothing.where_(&d.constant(1.0), d))
}

/// The elements of square matrices beside the diagonal; 0 on it.
#[track_caller]
fn off_diagonal(x: &Tensor) -> Tensor {
    x.triu(1).add(&x.tril(-1))
}

/// The diagonal of square matrices; 0 beside it.
#[track_caller]
fn on_diagonal(x: &Tensor) -> Tensor {
    x.triu(0).tril(0)
}

/// c / d beside the diagonal as [`quotient`], 0 on it.
#[track_caller]
fn quotient_off_diagonal(c: &Tensor, d: &Tensor) -> Tensor {
    quotient(&off_diagonal(c), &d.add(&on_diagonal(&d.full_like(1.0))))
}

/// (X + Xᵀ) / 2
#[track_caller]
fn symmetric(x: &Tensor) -> Tensor {
    x.add(&x.t()).mul_scalar(0.5)
}
