//! How far a device may be off after several ops: the bound of each op, and what the errors of its inputs become on the way through it.

use super::case::Gen;

use crate::graph::op::{Array, DType, Op, Spec};

/// A value by the reference, and how far a device may be off at each element.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The value.
    pub value: Array,
    /// The largest error, element by element; infinite where anything may come out.
    pub bound: Vec<f64>,
}

/// Errors are sampled at their full size with these many sets of random signs, besides all up and all down.
const SAMPLES: usize = 6;
/// Where the answer is an index or a truth value, two numbers must move toward each other to be seen trading places: more are needed.
const DECISIONS: usize = 48;
/// What sampling may miss.
const SAFETY: f64 = 2.0;

impl Judged {
    /// A value that was given: everybody has the same.
    pub fn exact(value: Array) -> Judged {
        Judged { bound: vec![0.0; value.data.len()], value }
    }

    /// What an op makes of judged inputs: its value by the reference, and its own bound with the errors of its inputs passed on.
    pub fn of(op: &dyn Op, inputs: &[&Judged], spec: &Spec, signs: &mut Gen) -> Judged {
        let rounded = op.rounded();
        let op = rounded.as_deref().unwrap_or(op);
        let exact: Vec<&Array> = inputs.iter().map(|input| &input.value).collect();
        let value = op.reference(&exact, spec);
        let mut bound = super::accuracy(op, &exact).bounds(op, &exact, spec, &value);
        let mut passed_on = vec![0.0f64; value.data.len()];
        if inputs.iter().any(|input| input.bound.iter().any(|bound| *bound > 0.0)) {
            let samples = if spec.dtype == DType::F32 { SAMPLES } else { DECISIONS };
            for sample in 0..samples + 2 {
                let moved: Vec<Array> = inputs.iter().map(|input| input.moved(sample, signs)).collect();
                let out = op.reference(&moved.iter().collect::<Vec<_>>(), spec);
                for ((worst, a), b) in passed_on.iter_mut().zip(&out.data).zip(&value.data) {
                    let gap = if a == b { 0.0 } else { (a - b).abs() };
                    *worst = worst.max(if gap.is_nan() { f64::INFINITY } else { gap });
                }
            }
        }
        bound.iter_mut().zip(&passed_on).for_each(|(bound, passed)| *bound += SAFETY * passed);
        // An index or a truth value is right or undecided.
        if spec.dtype != DType::F32 {
            bound = passed_on;
        }
        Judged { value, bound }
    }

    /// The value moved by its error.
    fn moved(&self, sample: usize, signs: &mut Gen) -> Array {
        let sign = |signs: &mut Gen| match sample {
            0 => 1.0,
            1 => -1.0,
            _ if signs.bits() & 1 == 0 => 1.0,
            _ => -1.0,
        };
        let elements = self.value.data.iter().zip(&self.bound);
        let data = elements.map(|(x, bound)| if bound.is_finite() { x + sign(signs) * bound } else { f64::NAN }).collect();
        Array::new(self.value.shape, data)
    }
}
