//! Elementwise ops: one struct for all rows of the table in `table.rs`.

mod cases;
mod real;
mod row;
mod table;

pub use cases::cases;
pub use table::*;

use super::case::Domain;
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, DType, Elementwise, GradCtx, Lowering, Op, Rule, Spec};
use crate::graph::{Tensor, record_shared};
use crate::shape::{Shape, View};
use rustc_hash::FxHasher;
use std::cell::RefCell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A row of the table: the rule in every language, its gradient, and how it is tested.
pub struct Row {
    /// WGSL, native and reference forms.
    pub rule: Rule,
    /// The gradient rule; gets the call's scalars.
    pub grad: fn(&GradCtx<'_>, [f64; 2]) -> Vec<Option<Tensor>>,
    /// How exact devices must be.
    pub accuracy: Accuracy,
    /// What more is to be said of it; a row says only what is not as usual.
    pub more: More,
}

/// What a row may say after its accuracy and domain.
pub struct More {
    /// Inputs to test with.
    pub domain: Domain,
    /// Scalars to test with.
    pub scalars: [f64; 2],
    /// How it can be switched off.
    pub off: SwitchedOff,
    /// The size of the arguments, between this and infinity, that no GPU promises anything for.
    pub wild_from: f64,
    /// Whether it is there to let no gradient through.
    pub detaches: bool,
    /// Whether words are integers: any word is one of its inputs, signed or not.
    pub whole: bool,
}

impl More {
    /// What most rows are like.
    const fn usual(domain: Domain) -> More {
        More { domain, scalars: [1.5, 0.0], off: SwitchedOff::Never, wild_from: f64::INFINITY, detaches: false, whole: false }
    }
}

/// Where a row does not depend on an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchedOff {
    /// Nowhere that all rows of its kind are tested at.
    Never,
    /// Where its scalars (slope, factor, exponent) are 0.
    ByScalars,
    /// Where its second input, an exponent, is 0; 1 is tested too.
    ByExponent,
    /// Where its second input, a mask, is 0.
    ByMask,
}

/// A call of a row.
#[derive(Clone, Copy)]
pub struct Pointwise {
    /// The row.
    pub row: &'static Row,
    /// The call's numbers (slope, limits): not part of a plan's key.
    pub scalars: [f64; 2],
}

impl fmt::Debug for Pointwise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.row.rule.name, &self.scalars[..self.row.rule.scalars])
    }
}

impl Op for Pointwise {
    fn name(&self) -> &'static str {
        self.row.rule.name
    }

    fn rule(&self) -> Option<&'static Rule> {
        Some(&self.row.rule)
    }

    fn rounded(&self) -> Option<Arc<dyn Op>> {
        let scalars = self.scalars.map(|s| f64::from(s as f32));
        (scalars != self.scalars).then(|| Arc::new(Pointwise { scalars, ..*self }) as Arc<dyn Op>)
    }

    fn scalars(&self) -> Vec<u32> {
        self.scalars[..self.row.rule.scalars].iter().map(|&s| (s as f32).to_bits()).collect()
    }

    fn add_scalars(&self, words: &mut Vec<u32>) {
        words.extend(self.scalars[..self.row.rule.scalars].iter().map(|&s| (s as f32).to_bits()));
    }

    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        // Whole numbers that f32 holds stay what they are; of larger ones WGSL leaves the rounding open.
        let whole = |kind: &Option<DType>| matches!(kind, Some(DType::I32 | DType::U32));
        let held = |array: &&Array| array.data.iter().all(|x| x.abs() <= f64::from(1 << 24));
        let kinds = self.row.rule.inputs;
        if !kinds.is_empty() && kinds.iter().all(whole) && inputs.iter().all(held) {
            return Accuracy::Exact;
        }
        self.row.accuracy
    }

    fn detaches(&self) -> bool {
        self.row.more.detaches
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let rule = &self.row.rule;
        for (i, (spec, want)) in inputs.iter().zip(rule.inputs).enumerate() {
            if let Some(want) = want.filter(|&w| w != spec.dtype) {
                return Err(OpError::DType(format!("operand {i} is {spec}, expected {want}; convert with to_{want}()")));
            }
        }
        // Inputs handed on as raw words must agree, or the output would have two types.
        let mut raw = inputs.iter().zip(rule.inputs).filter(|(_, want)| want.is_none()).map(|(spec, _)| spec.dtype);
        if let Some(first) = raw.next()
            && let Some(other) = raw.find(|&d| d != first)
        {
            return Err(OpError::DType(format!("operands are {first} and {other}; convert one of them")));
        }
        let first = inputs.first().map_or(Shape::SCALAR, |spec| spec.shape);
        let shape = inputs.iter().skip(1).try_fold(first, |shape, spec| shape.broadcast(&spec.shape))?;
        let last = inputs.last().map_or(DType::F32, |spec| spec.dtype);
        Ok(Spec::new(shape, rule.output.unwrap_or(last)))
    }

    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let views = inputs.iter().map(|spec| View::broadcast(&spec.shape, &output.shape)).collect();
        Lowering::Elementwise(Elementwise { rule: &self.row.rule, views })
    }

    fn flops(&self, _: &[Spec], output: &Spec) -> u64 {
        output.shape.numel() as u64
    }

    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let read: Vec<Array> = inputs.iter().map(|a| a.viewed(&View::broadcast(&a.shape, &output.shape), output.shape)).collect();
        Array::from_fn(output.shape, |i| {
            let args = std::array::from_fn(|k| read.get(k).map_or(0.0, |a| a.data[i]));
            let value = (self.row.rule.reference)(args, self.scalars);
            match (self.row.more.whole, output.dtype) {
                // The bits of a word, as the type it is.
                (true, DType::I32 | DType::U32) => output.dtype.to_f64(value as i64 as u32),
                _ => value,
            }
        })
    }

    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let mut parts = (self.row.grad)(ctx, self.scalars);
        for (part, input) in parts.iter_mut().zip(ctx.inputs) {
            if let Some(gradient) = part
                && let (Ok(from), Ok(to)) = (gradient.node().spec(), input.node().spec())
                && from.shape != to.shape
            {
                *gradient = gradient.sum_to_like(input);
            }
        }
        parts
    }
}

/// Calls that a thread has recorded recently: a program records the same few again and again, and one object serves for all of them.
const KNOWN: usize = 128;

/// The numbers of a call and the call.
type Known = Option<([u64; 2], Arc<Pointwise>)>;

thread_local! {
    /// Each at a place that follows from its row and its numbers.
    static CALLS: RefCell<[Known; KNOWN]> = const { RefCell::new([const { None }; KNOWN]) };
}

/// A call of a row: the known one, where there is one.
pub(super) fn call(row: &'static Row, scalars: [f64; 2]) -> Arc<dyn Op> {
    let numbers = scalars.map(f64::to_bits);
    let mut hasher = FxHasher::default();
    (std::ptr::from_ref(row).addr(), numbers).hash(&mut hasher);
    let place = hasher.finish() as usize % KNOWN;
    let known = |calls: &RefCell<[Known; KNOWN]>| -> Arc<dyn Op> {
        let known = &mut calls.borrow_mut()[place];
        match known {
            Some((of, call)) if *of == numbers && std::ptr::eq(call.row, row) => call.clone(),
            _ => known.insert((numbers, Arc::new(Pointwise { row, scalars }))).1.clone(),
        }
    };
    // A thread that ends keeps nothing.
    CALLS.try_with(known).unwrap_or_else(|_| Arc::new(Pointwise { row, scalars }))
}

impl Tensor {
    /// Records a row over this tensor and others.
    #[track_caller]
    pub(in crate::ops) fn pointwise(&self, row: &'static Row, others: &[&Tensor], scalars: [f64; 2]) -> Tensor {
        let op = call(row, scalars);
        let backend = self.node().backend();
        match others {
            [] => record_shared(backend, op, &[self]),
            [b] => record_shared(backend, op, &[self, b]),
            [b, c] => record_shared(backend, op, &[self, b, c]),
            _ => record_shared(backend, op, &[&[self], others].concat()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More calls than are known at a time, so that many fall on each other's places; and numbers that are equal and not the same.
    #[test]
    fn a_call_has_the_row_and_the_numbers_it_was_asked_for() {
        for number in (0..1000).chain(0..1000).flat_map(|i| [f64::from(i) / 8.0, f64::from(-i) / 8.0, -0.0]) {
            for row in [&ADD_SCALAR, &MUL_SCALAR] {
                let op = call(row, [number, 0.0]);
                assert_eq!((op.name(), op.scalars()), (row.rule.name, vec![(number as f32).to_bits()]));
            }
        }
    }
}
