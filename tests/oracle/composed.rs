//! Ops of the oracle that are put together here from smaller ones, each in one function: where the library has a method, its body is that call.

use crate::build::{Built, dims};
use steepest::Tensor;

/// `numpy.matmul`: vectors, matrices and batches of them.
pub fn matmul(a: &Tensor, b: &Tensor) -> Built {
    let (left, right) = (dims(a)?, dims(b)?);
    let x = if left.len() == 1 { a.unsqueeze(0) } else { a.clone() };
    let y = if right.len() == 1 { b.unsqueeze(1) } else { b.clone() };
    let product = x.unsqueeze(-1).mul(&y.unsqueeze(-3)).sum(&[-2]);
    let gone = [(left.len() == 1).then_some(-2), (right.len() == 1).then_some(-1)];
    let gone: Vec<isize> = gone.into_iter().flatten().collect();
    Ok(if gone.is_empty() { product } else { product.squeeze(&gone) })
}

/// e^x / Σ e^x along an axis.
pub fn softmax(x: &Tensor, axis: isize) -> Built {
    Ok(log_softmax(x, axis)?.exp())
}

/// x − log Σ e^x along an axis.
pub fn log_softmax(x: &Tensor, axis: isize) -> Built {
    Ok(x.sub(&logsumexp(x, &[axis], true)?))
}

/// log Σ e^x over some axes; an empty list means all.
pub fn logsumexp(x: &Tensor, axes: &[isize], keepdim: bool) -> Built {
    let most = x.max_keepdim(axes).detach();
    let sum = x.sub(&most).exp().sum_keepdim(axes).log().add(&most);
    Ok(if keepdim { sum } else { sum.reshape(dims(&x.sum(axes))?) })
}

/// The mean over rows of −Σ q log softmax(x): q from integer labels, or given as probabilities.
pub fn cross_entropy(x: &Tensor, target: &Tensor) -> Built {
    let classes = dims(x)?[1];
    let soft = if dims(target)?.len() == 1 { target.one_hot(classes) } else { target.clone() };
    Ok(soft.mul(&log_softmax(x, 1)?).sum(&[1]).mean(&[]).neg())
}
