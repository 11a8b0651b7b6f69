//! Softmax cross-entropy in one op: loss_r = log Σ_c e^(x_rc) − x_r,label, or Σ_c t_rc (log Σ_k e^(x_rk) − x_rc) for probabilities t; and its gradient.

pub use super::cases::cross_entropy as cases;

use super::{native, variants};
use crate::error::OpError;
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, Op, Spec};
use crate::graph::{Accuracy, Tensor, record};
use crate::shape::Shape;

/// (logits \[rows, classes\], labels \[rows\] or probabilities \[rows, classes\]) → loss \[rows\].
#[derive(Clone, Debug)]
pub struct CrossEntropy;

/// (logits, labels) → softmax(x)_rc Σ_c t_rc − t_rc, the gradient of each row's loss by its logits.
#[derive(Clone, Debug)]
pub struct CrossEntropyGrad;

/// Checks logits and labels; says `(rows, classes)`.
fn check(logits: &Spec, labels: &Spec) -> Result<(usize, usize), OpError> {
    let &[rows, classes] = logits.shape.dims() else {
        return Err(OpError::Shape(format!("logits are {}, expected [rows,classes]", logits.shape)));
    };
    if logits.dtype != DType::F32 {
        return Err(OpError::DType(format!("logits are {logits}, expected f32")));
    }
    match labels.dtype {
        DType::F32 if labels.shape == logits.shape => {}
        DType::U32 | DType::I32 if labels.shape.dims() == [rows] => {
            if let Some((low, high)) = labels.range.filter(|_| rows > 0)
                && (low < 0 || high >= classes as i64)
            {
                let found = if low < 0 { low } else { high };
                return Err(OpError::OutOfRange { what: "label", found, size: classes });
            }
        }
        _ => {
            return Err(OpError::Shape(format!(
                "labels are {labels}; for logits {} expected integers [{rows}] or f32 probabilities [{rows},{classes}]",
                logits.shape
            )));
        }
    }
    if classes == 0 && rows > 0 {
        return Err(OpError::Shape(format!("logits {} have no classes", logits.shape)));
    }
    Ok((rows, classes))
}

impl Op for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }
    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        Accuracy::Normalised
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (rows, _) = check(&inputs[0], &inputs[1])?;
        Ok(Spec::f32(Shape::new(&[rows])?))
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        let (rows, classes, soft) = sizes(inputs);
        let kernel = Kernel {
            name: self.name(),
            params: variants::params(rows, classes, 1),
            variants: variants::cross_entropy(rows, classes, soft),
            native: native::cross_entropy(rows, classes, soft),
        };
        Lowering::kernel(kernel, 2)
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        // The largest, the difference, its exponential, their sum.
        4 * inputs[0].shape.numel() as u64
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let classes = inputs[0].shape.dims()[1];
        Array::from_fn(output.shape, |r| {
            let (x, t) = (&inputs[0].data[r * classes..(r + 1) * classes], targets(inputs, r));
            let lse = reference_lse(x);
            x.iter().zip(t).map(|(x, t)| if t == 0.0 { 0.0 * lse } else { t * (lse - x) }).sum()
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let (x, t) = (&ctx.inputs[0], &ctx.inputs[1]);
        vec![
            ctx.needs[0].then(|| record(CrossEntropyGrad, &[x, t]).mul(&ctx.grad.unsqueeze(1))),
            ctx.needs[1].then(|| x.log_softmax(1).mul(&ctx.grad.unsqueeze(1)).neg()),
        ]
    }
}

impl Op for CrossEntropyGrad {
    fn name(&self) -> &'static str {
        "cross_entropy_grad"
    }
    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        Accuracy::Normalised
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check(&inputs[0], &inputs[1])?;
        Ok(Spec::f32(inputs[0].shape))
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        let (rows, classes, soft) = sizes(inputs);
        let kernel = Kernel {
            name: self.name(),
            params: variants::params(rows, classes, 1),
            variants: variants::cross_entropy_grad(rows, classes, soft),
            native: native::cross_entropy_grad(rows, classes, soft),
        };
        Lowering::kernel(kernel, 2)
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        // The same, and the gradient's difference and factor.
        6 * inputs[0].shape.numel() as u64
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let classes = inputs[0].shape.dims()[1];
        let mut out = Vec::with_capacity(output.shape.numel());
        for (r, x) in inputs[0].data.chunks_exact(classes.max(1)).enumerate() {
            let (lse, t) = (reference_lse(x), targets(inputs, r));
            let sum: f64 = t.iter().sum();
            out.extend(x.iter().zip(t).map(|(x, t)| (x - lse).exp() * sum - t));
        }
        Array::new(output.shape, out)
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let (x, t) = (&ctx.inputs[0], &ctx.inputs[1]);
        let soft = t.spec().is_ok_and(|s| s.dtype == DType::F32);
        let p = x.softmax(1);
        let weighted = ctx.grad.mul(&p);
        let mean = weighted.sum_keepdim(&[1]);
        let by_logits = || {
            let slope = weighted.sub(&p.mul(&mean));
            if soft { slope.mul(&t.sum_keepdim(&[1])) } else { slope }
        };
        vec![ctx.needs[0].then(by_logits), ctx.needs[1].then(|| mean.sub(ctx.grad))]
    }
}

fn sizes(inputs: &[Spec]) -> (usize, usize, bool) {
    let dims = inputs[0].shape.dims();
    (dims[0], dims[1], inputs[1].dtype == DType::F32)
}

/// Row `r` of the targets as probabilities; a label that is no class makes the row NaN.
fn targets(inputs: &[&Array], r: usize) -> Vec<f64> {
    let classes = inputs[0].shape.dims()[1];
    if inputs[1].shape.rank() == 2 {
        return inputs[1].data[r * classes..(r + 1) * classes].to_vec();
    }
    let label = inputs[1].data[r];
    if !(0.0..classes as f64).contains(&label) {
        return vec![f64::NAN; classes];
    }
    (0..classes).map(|c| f64::from(u8::from(c as f64 == label))).collect()
}

fn reference_lse(x: &[f64]) -> f64 {
    let max = x.iter().fold(f64::NEG_INFINITY, |m, &v| if v.is_nan() || v > m { v } else { m });
    max + x.iter().map(|v| (v - max).exp()).sum::<f64>().ln()
}
