//! Parameter updates in place: what all optimizers share, and one file for each kind of them.

mod adafactor;
mod adam;
mod adamax;
mod cases;
mod lamb;
mod lion;
mod muon;
mod nadam;
mod radam;
mod running;
pub mod scaled;
mod sgd;

pub use adafactor::{Adafactor, Variance};
pub use adam::Adam;
pub use adamax::Adamax;
pub use cases::{cases, moments_cases, scaled_cases};
pub use lamb::Lamb;
pub use lion::Lion;
pub use muon::{COEFFICIENTS, Muon, Scale};
pub use nadam::NAdam;
pub use radam::RAdam;
pub use running::Running;
pub use sgd::Sgd;

use crate::error::OpError;
use crate::graph::op::{Array, DType, Io, Kernel, Lowering, Params, Spec, Variant};
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Invocations in a workgroup of the shaders, each of which updates four elements.
const WORKGROUP: usize = 256;
/// Elements one thread updates at a time.
const ELEMENTS_PER_TASK: usize = 1 << 14;

/// What a step is told about one parameter: the struct of that name in `shaders/update/tensors.wgsl`. An optimizer reads those it has.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
struct Settings {
    /// η, and what else is known of the size of a step before it is made.
    rate: f32,
    /// λ
    weight_decay: f32,
    /// ε
    eps: f32,
    /// μ or β₁: the decay of the mean of gradients or steps.
    momentum: f32,
    one_minus_momentum: f32,
    /// β₂, α or ρ: the decay of the mean of squares.
    square_decay: f32,
    one_minus_square_decay: f32,
    /// A factor for the root of that mean; NAdam's is for the gradient.
    correction: f32,
}

impl Settings {
    /// β₁, β₂, and what they leave. 1 − β is worked out in f64: in f32 it loses digits.
    fn of_betas((first, second): (f64, f64)) -> Settings {
        Settings {
            momentum: first as f32,
            one_minus_momentum: (1.0 - first) as f32,
            square_decay: second as f32,
            one_minus_square_decay: (1.0 - second) as f32,
            ..Default::default()
        }
    }

    fn words(self) -> Vec<u32> {
        bytemuck::cast::<Settings, [u32; 8]>(self).to_vec()
    }
}

/// The weight decay of a step as the kernels take it: λ, or decoupled from the gradient ηλ.
fn decay(decoupled: bool, lr: f64, weight_decay: f64) -> f32 {
    (if decoupled { lr * weight_decay } else { weight_decay }) as f32
}

/// A parameter and its gradient with weight decay, as `shaders/update/decay.wgsl`.
#[inline(always)]
fn decayed(p: f32, g: f32, c: Settings, decoupled: bool) -> (f32, f32) {
    if decoupled { (p - c.weight_decay * p, g) } else { (p, g + c.weight_decay * p) }
}

/// What all updates in place say of themselves; the inputs that one overwrites, by their numbers.
macro_rules! in_place {
    ($($written:literal),*) => {
        fn accuracy(&self, _: &[&crate::graph::op::Array]) -> crate::graph::Accuracy {
            crate::graph::Accuracy::Update
        }
        fn infer(&self, inputs: &[crate::graph::op::Spec]) -> Result<crate::graph::op::Spec, crate::error::OpError> {
            $crate::ops::update::infer(inputs, self.mutates().len())
        }
        fn grad(&self, ctx: &crate::graph::op::GradCtx<'_>) -> Vec<Option<crate::graph::Tensor>> {
            vec![None; ctx.inputs.len()]
        }
        fn mutates(&self) -> &'static [usize] {
            &[$($written),*]
        }
    };
}
use in_place;

/// Checks that there is a gradient and what is `written`, all f32 of one shape; the output has no value of its own, but is what
/// verification compares.
fn infer(inputs: &[Spec], written: usize) -> Result<Spec, OpError> {
    let first = inputs[0];
    if inputs.len() != written + 1 {
        return Err(OpError::Value(format!("{} tensors where a gradient and {written} to overwrite are expected", inputs.len())));
    }
    match inputs.iter().find(|i| i.shape != first.shape || i.dtype != DType::F32) {
        Some(other) => Err(OpError::Shape(format!("parameter {first} and gradient or state {other} differ"))),
        None => Ok(Spec::f32(Shape::new(&[written, first.shape.numel()])?)),
    }
}

/// For the shaders of optimizers that may have momentum, the body of `velocity` where there is none.
fn without_velocity() -> (&'static str, String) {
    ("velocity", "{ return x; }".to_owned())
}

/// One kernel over the parameters of all updates of a kind.
///
/// `native` is handed an update's settings, what is overwritten (parameter, then state) and the gradient, task by task.
fn update<const K: usize>(
    name: &'static str,
    variant: Variant,
    native: impl Fn(Settings, [&mut [f32]; K], &[f32]) + Send + Sync + 'static,
) -> Lowering {
    let native = Arc::new(native);
    Lowering::Update(Arc::new(move |spans| {
        let vectors = |words: usize| words.div_ceil(4);
        let (first, end) = (spans.first().map_or(0, |s| s.start), spans.last().map_or(0, |s| s.end));
        let groups = Variant::groups((end - first).div_ceil(4 * WORKGROUP));
        let params = Params::new()
            .set("first", vectors(first))
            .set("end", vectors(end))
            .set("tensors", spans.len())
            .set("ends", spans.iter().map(|span| vectors(span.end)).collect::<Vec<_>>());
        let (native, spans) = (native.clone(), spans.to_vec());
        Kernel {
            name,
            params,
            // A bisection for the tensor that an element belongs to.
            variants: vec![Variant { groups, ..variant.clone() }.max_loop_iterations(usize::BITS as usize)],
            native: Arc::new(move |io| tasks(io, &spans, &*native)),
        }
    }))
}

/// Calls `each` for parts of every span; on all cores where there is more than one part.
fn tasks<const K: usize>(io: &mut Io<'_>, spans: &[Range<usize>], each: &(impl Fn(Settings, [&mut [f32]; K], &[f32]) + Sync)) {
    let gradient = io.read(0);
    let settings: &[Settings] = bytemuck::cast_slice(io.scalars);
    let mut writes = io.writes.iter_mut().map(|w| bytemuck::cast_slice_mut::<u32, f32>(w));
    let mut rest: [&mut [f32]; K] = std::array::from_fn(|_| writes.next().unwrap_or_default());
    let mut at = 0;
    let mut cut = |from: usize, n: usize| {
        let skip = from - at;
        at = from + n;
        rest.each_mut().map(|r| {
            let (head, tail) = std::mem::take(r)[skip..].split_at_mut(n);
            *r = tail;
            head
        })
    };
    let parts = spans.iter().zip(settings).flat_map(|(span, &settings)| {
        let part = move |from: usize| (settings, from, ELEMENTS_PER_TASK.min(span.end - from));
        span.clone().step_by(ELEMENTS_PER_TASK).map(part)
    });
    if spans.iter().map(Range::len).sum::<usize>() <= ELEMENTS_PER_TASK {
        parts.for_each(|(settings, from, n)| each(settings, cut(from, n), &gradient[from..][..n]));
    } else {
        let tasks: Vec<_> = parts.map(|(settings, from, n)| (settings, cut(from, n), &gradient[from..][..n])).collect();
        tasks.into_par_iter().for_each(|(settings, writes, g)| each(settings, writes, g));
    }
}

/// The new values of what an update overwrites, from the values of its inputs, element by element.
fn by_element<const K: usize>(inputs: &[&Array], output: &Spec, f: impl Fn(&[f64]) -> [f64; K]) -> Array {
    let n = inputs[0].data.len();
    Array::from_fn(output.shape, |i| f(&inputs.iter().map(|a| a.data[i % n]).collect::<Vec<_>>())[i / n])
}
