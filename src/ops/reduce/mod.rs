//! Reductions over any axes: sum, mean, prod, max, min, argmax, argmin; and what is made of them: var, std, norms.
//!
//! A sum's error does not grow with the number of its terms: natively it is taken in f64, on a GPU with what each rounding loses beside it. So a mean
//! of equal numbers is that number, and they are normalised to exactly 0.

mod cases;
mod methods;
mod native;
mod variants;
mod words;

pub use cases::cases;
pub(super) use variants::{WORDS_OF_TOTAL, kernel, totals, totals_of_words};
pub use words::ReduceWords;

use crate::error::OpError;
use crate::graph::op::{Array, DType, GradCtx, Lowering, Op, Spec};
use crate::graph::{Accuracy, Tensor, record};
use crate::shape::{Shape, View, ViewDim};

/// How a set of numbers becomes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Σ x
    Sum,
    /// Π x
    Prod,
    /// The largest; NaN if any is NaN.
    Max,
    /// The smallest; NaN if any is NaN.
    Min,
    /// Where the largest is; the first of several; the first NaN if there is one.
    ArgMax,
    /// Where the smallest is; the first of several; the first NaN if there is one.
    ArgMin,
    /// Σ x / n; NaN of no elements.
    Mean,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Sum => "sum",
            Kind::Prod => "prod",
            Kind::Max => "max",
            Kind::Min => "min",
            Kind::ArgMax => "argmax",
            Kind::ArgMin => "argmin",
            Kind::Mean => "mean",
        }
    }

    fn is_arg(self) -> bool {
        matches!(self, Kind::ArgMax | Kind::ArgMin)
    }

    /// Whether members are added up.
    fn adds(self) -> bool {
        matches!(self, Kind::Sum | Kind::Mean)
    }

    /// Whether `x` takes the place of `best` as the extreme.
    fn beats<T: PartialOrd + Copy>(self, x: T, best: T) -> bool {
        let (x_is_nan, best_is_nan) = (x.partial_cmp(&x).is_none(), best.partial_cmp(&best).is_none());
        let better = if matches!(self, Kind::Max | Kind::ArgMax) { x > best } else { x < best };
        !best_is_nan && (x_is_nan || better)
    }
}

/// A reduction of some axes.
#[derive(Clone, Debug)]
pub struct Reduce {
    /// What is computed.
    pub kind: Kind,
    /// The axes that go, sorted.
    pub axes: Vec<usize>,
    /// Whether they stay with size 1.
    pub keepdim: bool,
}

impl Reduce {
    /// `(kept, reduced)`: where the group of an output element starts, and how its members lie.
    fn views(&self, shape: &Shape) -> (View, View) {
        let strides = shape.strides();
        let dims = |kept: bool| {
            let axes = (0..shape.rank()).filter(move |a| self.axes.contains(a) != kept);
            View::new(0, axes.map(|a| ViewDim { size: shape.dims()[a], stride: strides[a] as isize }).collect::<Vec<_>>())
        };
        (dims(true), dims(false))
    }

    /// Numbers that go into one output element.
    fn group(&self, shape: &Shape) -> usize {
        self.axes.iter().map(|&a| shape.dims()[a]).product()
    }
}

impl Op for Reduce {
    fn name(&self) -> &'static str {
        self.kind.name()
    }
    fn params(&self) -> Vec<u32> {
        vec![self.axes.iter().fold(0, |bits, &a| bits | 1 << a), u32::from(self.keepdim)]
    }
    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        match self.kind {
            Kind::Sum => Accuracy::Sum,
            Kind::Mean if inputs.first().is_some_and(|x| cases::are_equal(self, x)) => Accuracy::Exact,
            Kind::Mean => Accuracy::Mean,
            Kind::Prod => Accuracy::Factors(inputs.first().map_or(0, |x| self.group(&x.shape))),
            _ => Accuracy::Exact,
        }
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let spec = inputs[0];
        if spec.dtype != DType::F32 {
            return Err(OpError::DType(format!("operand is {spec}, expected f32; convert with to_f32()")));
        }
        let (shape, group) = (spec.shape.reduced(&self.axes, self.keepdim), self.group(&spec.shape));
        if group == 0 && !matches!(self.kind, Kind::Sum | Kind::Prod | Kind::Mean) {
            return Err(OpError::Shape(format!("of no elements: axes {:?} of {}", self.axes, spec.shape)));
        }
        let range = self.kind.is_arg().then_some((0, group as i64 - 1));
        Ok(Spec { shape, dtype: if self.kind.is_arg() { DType::U32 } else { DType::F32 }, range })
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let shape = inputs[0].shape;
        let (kept, reduced) = self.views(&shape);
        let (outputs, group) = (output.shape.numel(), self.group(&shape));
        variants::lowering(self.kind, kept, reduced, outputs, group)
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        inputs[0].shape.numel() as u64
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (kept, reduced) = self.views(&inputs[0].shape);
        let group = self.group(&inputs[0].shape);
        Array::from_fn(output.shape, |o| {
            let mut base = 0;
            kept.positions(o, 1, |p| base = p);
            let mut members = Vec::with_capacity(group);
            reduced.positions(0, group, |p| members.push(inputs[0].data[base + p]));
            match self.kind {
                Kind::Sum => members.iter().sum(),
                Kind::Mean => members.iter().sum::<f64>() / group as f64,
                Kind::Prod => members.iter().product(),
                kind => {
                    let best = (1..group).fold(0, |best, i| if kind.beats(members[i], members[best]) { i } else { best });
                    if kind.is_arg() { best as f64 } else { members[best] }
                }
            }
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let x = &ctx.inputs[0];
        let Ok(shape) = x.try_shape() else { return vec![Some(x.clone())] };
        let wide = shape.reduced(&self.axes, true);
        let grad = if self.kind == Kind::Mean { ctx.grad.div_scalar(self.group(&shape) as f64) } else { ctx.grad.clone() };
        if self.kind.adds() && self.axes.iter().enumerate().all(|(i, &a)| i == a) {
            // What is left are the last axes, along which sizes are counted anyway when it is broadcast.
            return vec![Some(grad.expand(shape))];
        }
        let axes: Vec<isize> = self.axes.iter().map(|&a| a as isize).collect();
        let grad = grad.reshape(wide);
        let total = |t: &Tensor, kind: Kind| record(Reduce { kind, axes: self.axes.clone(), keepdim: true }, &[t]);
        vec![match self.kind {
            Kind::Sum | Kind::Mean => Some(grad.expand(shape)),
            Kind::Max | Kind::Min if axes.is_empty() => Some(grad.expand(shape)),
            // Ties share the gradient evenly.
            Kind::Max | Kind::Min => {
                let tied = x.eq(&ctx.output.reshape(wide));
                let share = grad.div(&total(&tied.to_f32(), Kind::Sum));
                Some(tied.where_(&share, &share.full_like(0.0)))
            }
            // Beside a factor of 0 the others count nothing.
            Kind::Prod => Some(grad.masked(&others(x, &shape, &self.axes))),
            Kind::ArgMax | Kind::ArgMin => None,
        }]
    }
}

/// For every element the product of the others of its group: of those before it times of those after it. Without a division, so that it and
/// all its derivatives are right at zeros too.
fn others(x: &Tensor, shape: &Shape, axes: &[usize]) -> Tensor {
    let group: usize = axes.iter().map(|&a| shape.dims()[a]).product();
    if group <= 1 || shape.numel() == 0 {
        return x.full_like(1.0);
    }
    let order: Vec<usize> = (0..shape.rank()).filter(|a| !axes.contains(a)).chain(axes.iter().copied()).collect();
    let inverse: Vec<isize> = (0..order.len()).map(|a| order.iter().position(|&o| o == a).unwrap_or(a) as isize).collect();
    let last = x.permute(&order.iter().map(|&a| a as isize).collect::<Vec<_>>());
    let lines = last.reshape([shape.numel() / group, group]);
    let one = lines.slice(1, ..1).full_like(1.0);
    let before = one.cat(&[&lines.slice(1, ..-1)], 1).cumprod(1);
    let after = one.cat(&[&lines.slice(1, 1..).flip(&[1])], 1).cumprod(1).flip(&[1]);
    let moved: Vec<usize> = order.iter().map(|&a| shape.dims()[a]).collect();
    before.mul(&after).reshape(moved).permute(&inverse)
}
