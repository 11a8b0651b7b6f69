//! The written-out compositions of the oracle.

use super::inputs::Inputs;
use crate::common::fields::{Fault, Fields};
use steepest::{Tensor, ops};

/// The composition that `formula` names; what is not among these is not known.
pub fn formula(p: &Fields<'_>, inputs: &Inputs<'_>) -> Result<Tensor, Fault> {
    let x = inputs.get(0)?;
    let repeat = |n: usize, start: &Tensor, f: &dyn Fn(Tensor) -> Tensor| (0..n).fold(start.clone(), |t, _| f(t));
    let zero = || x.device().full((), 0.0);
    Ok(match p.text("formula")? {
        "sin(x)*x + exp(x)*sin(x)" => x.sin() * x + x.exp() * x.sin(),
        "x*x*x - x*(x+x)" => x * x * x - x * (x + x),
        "exp(x - max(x,-1,keepdims)) / sum(exp(x - max(x,-1,keepdims)),-1,keepdims)" => {
            let e = (x - x.max_keepdim(&[-1])).exp();
            &e / e.sum_keepdim(&[-1])
        }
        "mean((x - mean(x,0,keepdims))**2, 0)" => (x - x.mean_keepdim(&[0])).pow_scalar(2.0).mean(&[0]),
        "sum(tanh(a@b) * relu(a@b))" => {
            let product = x.matmul(inputs.get(1)?);
            (product.tanh() * product.relu()).sum(&[])
        }
        "transpose(a)@a + a[0]*b" => x.t().matmul(x) + x.slice(0, 0..1).squeeze(&[0]) * inputs.get(1)?,
        "log(1 + sum(a*b,-1)**2) / (2 + cos(sum(a,-1)))" => {
            ((x * inputs.get(1)?).sum(&[-1]).square() + 1.0).log() / (x.sum(&[-1]).cos() + 2.0)
        }
        "y=tanh(x), repeated 10 times" => repeat(10, x, &|t| t.tanh()),
        "x = a; 6 times: x = x*sigmoid(x) + b; mean(x)" => {
            let b = inputs.get(1)?;
            repeat(6, x, &|t| &t * t.sigmoid() + b).mean(&[])
        }
        "sqrt(sum((a[:,None,:]-b[None,:,:])**2,-1))" => (x.unsqueeze(1) - inputs.get(1)?.unsqueeze(0)).square().sum(&[-1]).sqrt(),

        "floor(mean(x, 0))" => x.mean(&[0]).floor(),
        "floor(sum(x, 0) / 7)" => (x.sum(&[0]) / 7.0).floor(),

        "sqrt(relu(x))" => x.relu().sqrt(),
        "sqrt(maximum(x, 0))" => x.maximum(&zero()).sqrt(),
        "sqrt(-minimum(x, 0))" => x.minimum(&zero()).neg().sqrt(),
        "sqrt(clamp(x, 0, 2))" => x.clamp(0.0, 2.0).sqrt(),
        "sqrt(2 - clamp(x, 0, 2))" => (2.0 - x.clamp(0.0, 2.0)).sqrt(),
        "relu(x) ** 0.5" => x.relu().pow_scalar(0.5),
        "sqrt(relu6(x))" => x.relu6().sqrt(),
        "sqrt(hard_sigmoid(x))" => x.hard_sigmoid().sqrt(),
        "sqrt(1 + hard_tanh(x))" => (x.hard_tanh(-1.0, 1.0) + 1.0).sqrt(),
        "asin(clamp(x, -1, 1))" => x.clamp(-1.0, 1.0).asin(),
        "acos(clamp(x, -1, 1))" => x.clamp(-1.0, 1.0).acos(),
        "sqrt(floor(x)) * x" => x.floor().sqrt() * x,
        "sqrt(round(x)) * x" => x.round().sqrt() * x,
        "sqrt(sign(x) + 1) * x" => (x.sign() + 1.0).sqrt() * x,
        "sqrt(x ** 0 - 1) + x" => (x.pow_scalar(0.0) - 1.0).sqrt() + x,
        "where(x > 0, sqrt(relu(x)), x)" => x.gt_scalar(0.0).where_(&x.relu().sqrt(), x),
        "max(sqrt(relu(x)), 1)" => x.relu().sqrt().max(&[1]),
        "sqrt(max(concat(x, zeros([n, 1]), 1), 1))" => {
            let rows = x.try_shape()?.dims()[0];
            ops::cat(&[x, &x.device().zeros([rows, 1])], 1)?.max(&[1]).sqrt()
        }
        "sqrt(maximum(0, 1 - a*b))" => zero().maximum(&(1.0 - x * inputs.get(1)?)).sqrt(),
        _ => return p.unknown("formula"),
    })
}
