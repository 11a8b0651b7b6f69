//! Softmax cross-entropy in one op: loss_r = log Σ_c e^(x_rc) − x_r,label, or Σ_c t_rc (log Σ_k e^(x_rk) − x_rc) for probabilities t; and its gradient.

use super::case::{Case, Gen};
use super::softmax::{SHARE, WIDE, around, each, params};
use super::{math, rows, scratch};
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, Op, Spec, Target, Variant};
use crate::graph::{Tensor, record};
use crate::shape::Shape;
use rayon::prelude::*;
use std::sync::Arc;

/// Short rows worked on at a time.
const TOGETHER: usize = 64;

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

/// The label of row `r` if it is one of the classes.
fn label(word: u32, classes: usize) -> Option<usize> {
    Some(word as usize).filter(|&l| l < classes)
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
        let each = move |x: &[f32], labels: &[u32], (max, sum): (f32, f32)| -> f32 {
            let log = math::ln(sum);
            if soft {
                let t: &[f32] = bytemuck::cast_slice(labels);
                // A class of probability 0 does not count, even if its logit is −∞.
                let terms = x.iter().zip(t).map(|(x, &t)| if t == 0.0 { 0.0 * log } else { t * ((max - x) + log) });
                return terms.map(f64::from).sum::<f64>() as f32;
            }
            label(labels[0], classes).map_or(f32::NAN, |l| (max - x[l]) + log)
        };
        let kernel = Kernel {
            name: "cross_entropy",
            params: params(rows, classes, 1),
            variants: variants(
                ["softmax/cross_entropy_group", "softmax/software/cross_entropy", "softmax/cross_entropy"],
                soft,
                rows,
                classes,
            ),
            native: Arc::new(move |io| {
                let (logits, labels) = (io.read(0), io.reads[1]);
                let width = if soft { classes } else { 1 };
                let row = |r: usize| (&logits[r * classes..(r + 1) * classes], &labels[r * width..(r + 1) * width]);
                let some = |(i, out): (usize, &mut [f32])| {
                    let first = i * TOGETHER;
                    if classes >= rows::LANES {
                        for (r, out) in out.iter_mut().enumerate() {
                            let (x, labels) = row(first + r);
                            *out = each(x, labels, rows::exp_sum(x));
                        }
                        return;
                    }
                    let mut found = [(0.0, 0.0); TOGETHER];
                    let found = &mut found[..out.len()];
                    let x = &logits[first * classes..][..out.len() * classes];
                    scratch::with(x.len(), |memory| rows::exponentials_of_short(x, classes, memory, found));
                    for ((r, out), &found) in out.iter_mut().enumerate().zip(&*found) {
                        let (x, labels) = row(first + r);
                        *out = each(x, labels, found);
                    }
                };
                if rows * classes < 2 * SHARE {
                    io.write(0).chunks_mut(TOGETHER).enumerate().for_each(some);
                } else {
                    let least = SHARE.div_ceil(TOGETHER * classes);
                    io.write(0).par_chunks_mut(TOGETHER).with_min_len(least).enumerate().for_each(some);
                }
            }),
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
        // What is left to do where the exponentials are there.
        let each = move |labels: &[u32], out: &mut [f32], sum: f32| {
            if soft {
                let t: &[f32] = bytemuck::cast_slice(labels);
                return rows::minus_target(out, rows::sum(t) as f32 / sum, t);
            }
            match label(labels[0], classes) {
                Some(label) => {
                    let target = out[label];
                    rows::scale(out, 1.0 / sum);
                    out[label] = target / sum - 1.0;
                }
                None => out.fill(f32::NAN),
            }
        };
        let kernel = Kernel {
            name: "cross_entropy_grad",
            params: params(rows, classes, 1),
            variants: variants(
                ["softmax/cross_entropy_grad_group", "softmax/software/cross_entropy_grad", "softmax/cross_entropy_grad"],
                soft,
                rows,
                classes,
            ),
            native: Arc::new(move |io| {
                let (logits, labels) = (io.read(0), io.reads[1]);
                let width = if soft { classes } else { 1 };
                let finish = io.finish.take();
                // Some rows, finished while they are in a cache.
                let block = SHARE.div_ceil(classes.max(1));
                let some = |(i, words): (usize, &mut [u32])| {
                    let out: &mut [f32] = bytemuck::cast_slice_mut(words);
                    let labels = |r: usize| &labels[r * width..(r + 1) * width];
                    let x = &logits[i * block * classes..][..out.len()];
                    if classes >= rows::LANES {
                        for (r, (x, out)) in x.chunks_exact(classes).zip(out.chunks_exact_mut(classes)).enumerate() {
                            let sum = rows::exponentials(x, out);
                            each(labels(i * block + r), out, sum);
                        }
                    } else {
                        let some = x.chunks(TOGETHER * classes).zip(out.chunks_mut(TOGETHER * classes));
                        for (j, (x, out)) in some.enumerate() {
                            let mut found = [(0.0, 0.0); TOGETHER];
                            let found = &mut found[..x.len() / classes];
                            rows::exponentials_of_short(x, classes, out, found);
                            for (r, (out, found)) in out.chunks_exact_mut(classes).zip(found).enumerate() {
                                each(labels(i * block + j * TOGETHER + r), out, found.1);
                            }
                        }
                    }
                    if let Some(finish) = finish {
                        finish(i * block * classes, words);
                    }
                };
                let size = (block * classes).max(1);
                if rows * classes < 2 * SHARE {
                    io.writes[0].chunks_mut(size).enumerate().for_each(some);
                } else {
                    io.writes[0].par_chunks_mut(size).enumerate().for_each(some);
                }
            }),
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

/// The form with a workgroup for each row, the one that reads vectors, and the one for any sizes.
fn variants(shaders: [&'static str; 3], soft: bool, rows: usize, classes: usize) -> Vec<Variant> {
    let form = |shader, per_group: usize, target| Variant {
        consts: vec![("SOFT", u32::from(soft))],
        target,
        ..Variant::new(shader, Variant::groups(rows.div_ceil(per_group)))
    };
    let [group, vectors, simple] = shaders;
    let mut variants = vec![];
    if classes >= WIDE {
        variants.push(form(group, 1, Target::Hardware));
    }
    if classes.is_multiple_of(4) {
        variants.push(form(vectors, 8, Target::Software));
    }
    variants.push(form(simple, 64, Target::Any));
    for variant in &mut variants {
        variant.loop_iterations = Some(match variant.shader {
            "softmax/software/cross_entropy" => classes / 16 + 4 + if soft { classes } else { 0 },
            "softmax/software/cross_entropy_grad" => classes / 16 + 4 + classes / 2,
            shader if shader == group => around(classes, 3),
            "softmax/cross_entropy_grad" if soft => 4 * classes,
            _ => 3 * classes,
        });
        if variant.shader == group {
            variant.consts.push(("EACH", each(classes)));
        }
    }
    variants
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

impl Tensor {
    /// Softmax cross-entropy of each row of these logits \[rows, classes\] → \[rows\].
    ///
    /// `labels` are integers \[rows\] or probabilities \[rows, classes\]. A label that is no class is an error where
    /// the numbers are known at recording, else the row's loss is NaN.
    #[track_caller]
    pub fn cross_entropy_rows(&self, labels: &Tensor) -> Tensor {
        record(CrossEntropy, &[self, labels])
    }

    /// Mean softmax cross-entropy of logits \[rows, classes\]: the loss of classification. For `labels` see
    /// [`Tensor::cross_entropy_rows`].
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let logits = device.tensor(&[0.0, 0.0, 0.0, 0.0], [2, 2]);
    /// let loss = logits.cross_entropy(&device.tensor(&[0u32, 1], 2));
    /// assert!((loss.item()? - 2f32.ln()).abs() < 1e-6);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn cross_entropy(&self, labels: &Tensor) -> Tensor {
        self.cross_entropy_rows(labels).mean(&[]).made_by("cross_entropy", &[self, labels])
    }

    /// Mean squared error: the mean over all elements of (x − target)². The shapes must be equal.
    #[track_caller]
    pub fn mse(&self, target: &Tensor) -> Tensor {
        if let (Ok(a), Ok(b)) = (self.try_shape(), target.try_shape())
            && a != b
        {
            // Broadcasting [n] against [n,1] to [n,n] is never what a loss means.
            return self.refuse("mse", OpError::Shape(format!("prediction {a} and target {b} differ")));
        }
        self.sub(target).square().mean(&[]).made_by("mse", &[self, target])
    }
}

/// Test inputs: both kinds of labels, both sides of the workgroup, large logits, labels that are no class.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    for [rows, classes] in [[1, 1], [3, 4], [63, 10], [65, 10], [2, 1000], [9, 20], [3, 131], [5, 260], [0, 5]] {
        let logits = g.floats(&[rows, classes], -5.0, 5.0);
        let labels = g.indices(&[rows], classes);
        let probabilities = g.floats(&[rows, classes], 0.0, 1.0);
        for (kind, t) in [("labels", labels), ("probabilities", probabilities)] {
            let label = format!("[{rows},{classes}] {kind}");
            cases.push(Case::new(label.clone(), CrossEntropy, vec![logits.clone(), t.clone()]));
            cases.push(Case::new(label, CrossEntropyGrad, vec![logits.clone(), t]));
        }
    }
    let large = g.floats(&[5, 6], -1000.0, 1000.0);
    let labels = g.indices(&[5], 6);
    cases.push(Case::new("large", CrossEntropy, vec![large.clone(), labels.clone()]).forward_only());
    cases.push(Case::new("large", CrossEntropyGrad, vec![large, labels]).forward_only());
    let mut next = [1.0, f64::NAN, 2.0, 1.0, f64::INFINITY, 2.0, 1.0, f64::NEG_INFINITY, 2.0].into_iter();
    let odd = g.input(DType::F32, &[3, 3], |_| next.next().unwrap_or(0.0));
    let labels = g.input(DType::U32, &[3], |_| 0.0);
    cases.push(Case::new("not finite", CrossEntropy, vec![odd.clone(), labels.clone()]).forward_only());
    cases.push(Case::new("not finite", CrossEntropyGrad, vec![odd, labels]).forward_only());
    // The same in rows long enough for every kernel.
    let mut at = 0;
    let odd = g.input(DType::F32, &[6, 132], |g| {
        let (row, column) = (at / 132, at % 132);
        at += 1;
        match (row, column) {
            (0, 131) | (1, 0) => f64::NAN,
            (2, 17) => f64::INFINITY,
            (3, 17) | (4, _) => f64::NEG_INFINITY,
            _ => g.uniform(-3.0, 3.0),
        }
    });
    let mut next = [0.0, 1.0, 2.0, 3.0, 4.0, 131.0].into_iter();
    let labels = g.input(DType::U32, &[6], |_| next.next().unwrap_or(0.0));
    cases.push(Case::new("not finite, wide", CrossEntropy, vec![odd.clone(), labels.clone()]).forward_only());
    cases.push(Case::new("not finite, wide", CrossEntropyGrad, vec![odd, labels]).forward_only());
    cases
}
