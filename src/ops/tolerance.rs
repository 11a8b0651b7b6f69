//! How exact a device must be, op by op, measured against the f64 reference.

use crate::graph::Accuracy;
use crate::graph::op::{Array, Op, Spec};
use crate::shape::View;

/// u: half a unit in the last place of 1 in f32.
pub const UNIT: f64 = 1.0 / (1u32 << 24) as f64;
/// What a device that flushes subnormals may lose.
const TINY: f64 = 1.2e-38;

/// Bounds of an accuracy class.
impl Accuracy {
    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Accuracy::Exact => "exact",
            Accuracy::Ulp => "1 ULP",
            Accuracy::Division => "division",
            Accuracy::Transcendental => "transcendental",
            Accuracy::Sum | Accuracy::Mean => "sums",
            Accuracy::Terms(_) | Accuracy::Chosen { .. } => "sums of products",
            Accuracy::Factors(_) => "products",
            Accuracy::Normalised => "normalised",
            Accuracy::Update => "updates",
            Accuracy::Stated { .. } => "as stated",
        }
    }

    /// The error allowed per element of `expected`, the op's reference on `inputs`.
    pub fn bounds(self, op: &dyn Op, inputs: &[&Array], output: &Spec, expected: &Array) -> Vec<f64> {
        let relative = |rtol: f64, atol: f64| expected.data.iter().map(|r| atol + rtol * r.abs()).collect::<Vec<_>>();
        match self {
            Accuracy::Exact => vec![0.0; expected.data.len()],
            Accuracy::Ulp => relative(2.0 * UNIT, TINY),
            Accuracy::Division => relative(6e-7, TINY),
            Accuracy::Transcendental => {
                let mut bounds = relative(2e-6, 1e-7);
                for input in inputs {
                    let x = input.viewed(&View::broadcast(&input.shape, &output.shape), output.shape);
                    for ((bound, r), x) in bounds.iter_mut().zip(&expected.data).zip(&x.data) {
                        if x.abs() > 10.0 {
                            *bound = bound.max(1e-7 + (3.0 + 2.0 * x.abs().min(1e3)) * 2.0 * UNIT * r.abs());
                        }
                    }
                }
                bounds
            }
            Accuracy::Sum | Accuracy::Mean => {
                // A GPU's division may be 2.5 ULP off.
                let rounding = if self == Accuracy::Sum { 2.0 * UNIT } else { 8.0 * UNIT };
                let magnitude = magnitude(op, &inputs.iter().map(|a| absolute(a)).collect::<Vec<_>>(), output);
                expected.data.iter().zip(magnitude).map(|(r, m)| rounding * r.abs() + 2.0 * UNIT * m + TINY).collect()
            }
            Accuracy::Terms(n) => sums(op, &inputs.iter().map(|a| absolute(a)).collect::<Vec<_>>(), output, n),
            Accuracy::Chosen { terms, from } => {
                let each = inputs.iter().enumerate();
                let inputs: Vec<Array> = each.map(|(i, a)| if i == from { absolute(a) } else { (*a).clone() }).collect();
                sums(op, &inputs, output, terms)
            }
            Accuracy::Factors(n) => relative((n as f64 + 8.0) * 2.0 * UNIT, TINY),
            Accuracy::Normalised | Accuracy::Update => relative(1e-5, 1e-6),
            Accuracy::Stated { relative: rtol, absolute } => relative(rtol, absolute),
        }
    }
}

fn absolute(array: &Array) -> Array {
    Array { shape: array.shape, data: array.data.iter().map(|x| x.abs()).collect() }
}

/// Σ|terms|: the op's reference of inputs without their signs.
fn magnitude(op: &dyn Op, absolute: &[Array], output: &Spec) -> Vec<f64> {
    op.reference(&absolute.iter().collect::<Vec<_>>(), output).data
}

/// γ Σ|terms|.
fn sums(op: &dyn Op, absolute: &[Array], output: &Spec, n: usize) -> Vec<f64> {
    let gamma = (n as f64 + 8.0) * UNIT;
    magnitude(op, absolute, output).iter().map(|m| gamma * m + TINY).collect()
}

/// The worst element of a comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worst {
    /// Row-major index.
    pub index: usize,
    /// The device's value.
    pub found: f64,
    /// The reference's value.
    pub expected: f64,
    /// The error allowed.
    pub bound: f64,
    /// |found − expected| / bound: above 1 is wrong; infinite where one is NaN or infinite and the other is not.
    pub ratio: f64,
}

/// The element furthest from its reference, in units of its bound; `None` of no elements.
pub fn worst(found: &[f64], expected: &[f64], bounds: &[f64]) -> Option<Worst> {
    let elements = found.iter().zip(expected).zip(bounds).enumerate();
    let judged = elements.map(|(index, ((&found, &expected), &bound))| Worst {
        index,
        found,
        expected,
        bound,
        ratio: ratio(found, expected, bound),
    });
    judged.fold(None, |worst: Option<Worst>, next| match worst {
        Some(worst) if worst.ratio >= next.ratio => Some(worst),
        _ => Some(next),
    })
}

fn ratio(found: f64, expected: f64, bound: f64) -> f64 {
    if expected.is_nan() || found.is_nan() {
        return if expected.is_nan() && found.is_nan() { 0.0 } else { f64::INFINITY };
    }
    let error = (found - expected).abs();
    if found == expected {
        0.0
    } else if found.is_infinite() || expected.is_infinite() {
        // A finite result beyond the range of f32 rounds to infinity; the bound decides what "beyond" is.
        let limit = f64::from(f32::MAX) - bound.min(1e38);
        let overflowed = found.signum() == expected.signum() && found.abs() >= limit && expected.abs() >= limit;
        if overflowed { 0.0 } else { f64::INFINITY }
    } else if bound == 0.0 {
        f64::INFINITY
    } else {
        error / bound
    }
}

/// Compares a device's output with the reference on the same inputs: the worst element, right or wrong. `None` of no elements; where one has more
/// elements than the other, the first that one of them lacks.
pub fn judge(op: &dyn Op, inputs: &[&Array], output: &Spec, found: &Array) -> Option<Worst> {
    let rounded = op.rounded();
    let op = rounded.as_deref().unwrap_or(op);
    let expected = op.reference(inputs, output);
    let bounds = super::accuracy(op, inputs).bounds(op, inputs, output, &expected);
    let (counted, missing) = (found.data.len().min(expected.data.len()), f64::NAN);
    if found.data.len() != expected.data.len() {
        let of = |array: &Array| array.data.get(counted).copied().unwrap_or(missing);
        let (found, expected) = (of(found), of(&expected));
        return Some(Worst { index: counted, found, expected, bound: 0.0, ratio: f64::INFINITY });
    }
    worst(&found.data, &expected.data, &bounds)
}

/// The worst element if it is wrong.
pub fn compare(op: &dyn Op, inputs: &[&Array], output: &Spec, found: &Array) -> Option<Worst> {
    judge(op, inputs, output, found).filter(|w| w.ratio > 1.0)
}
