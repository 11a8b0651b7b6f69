//! `grad_check`: the gradients of a user's function against central differences, in f64 on the reference, kinks left out.

use crate::error::{At, Error, OpError, Result};
use crate::graph::op::Array;
use crate::graph::{Missing, Tensor};
use crate::ops::case::Gen;
use crate::platform::{self, waited};
use crate::reference::{Overrides, evaluate_async};
use std::fmt;

/// How closely a gradient is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradCheckOptions {
    /// Elements checked of each input; of larger ones as many are drawn at random.
    pub elements: usize,
    /// The step of the differences, times max(1, |x|).
    pub step: f64,
    /// Error allowed relative to the numeric derivative.
    pub rtol: f64,
    /// Error allowed besides, times the largest derivative found (at least 1e-3).
    pub atol: f64,
}

impl Default for GradCheckOptions {
    fn default() -> GradCheckOptions {
        GradCheckOptions { elements: 64, step: 1e-4, rtol: 1e-5, atol: 1e-7 }
    }
}

/// What became of one derivative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within its bound.
    Right,
    /// Not.
    Wrong,
    /// Skipped: the function has a kink or a jump there, so there is nothing to compare with.
    Kink,
}

/// One derivative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// Which input.
    pub input: usize,
    /// Which of its elements, row-major.
    pub index: usize,
    /// The element's value.
    pub x: f64,
    /// The derivative by `backward`, computed in f64.
    pub analytic: f64,
    /// The derivative by differences.
    pub numeric: f64,
    /// The error allowed.
    pub bound: f64,
    /// The verdict.
    pub verdict: Verdict,
}

/// What a check found. Prints as a table.
#[derive(Clone, Debug, PartialEq)]
pub struct GradCheck {
    /// The function's value.
    pub value: f64,
    /// One entry per derivative.
    pub entries: Vec<Entry>,
}

impl GradCheck {
    /// Whether no derivative is wrong and at least one was compared.
    pub fn passed(&self) -> bool {
        let of = |verdict| self.entries.iter().any(|e| e.verdict == verdict);
        !of(Verdict::Wrong) && of(Verdict::Right)
    }
}

/// Checks the gradients of a scalar function of parameters: each by `backward` against differences, both in f64 on the reference.
///
/// ```
/// use steepest::{Device, verify::grad_check};
/// let w = Device::cpu().parameter(&[0.5, -1.0, 0.0], 3);
/// let check = grad_check(|x| (x[0].relu() * x[0].exp()).sum(&[]), &[w])?;
/// println!("{check}");
/// assert!(check.passed()); // the kink at 0 is left out
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// An input that is no parameter, a function whose result is not a scalar or invalid or depends on no parameter, or a parameter that an op
/// cuts off.
#[track_caller]
pub fn grad_check(f: impl FnOnce(&[Tensor]) -> Tensor, inputs: &[Tensor]) -> Result<GradCheck> {
    grad_check_with(f, inputs, GradCheckOptions::default())
}

/// [`grad_check`] without blocking; see [`grad_check_with_async`].
///
/// # Errors
/// As [`grad_check`].
#[track_caller]
pub fn grad_check_async<'f>(
    f: impl FnOnce(&[Tensor]) -> Tensor + 'f,
    inputs: &'f [Tensor],
) -> impl Future<Output = Result<GradCheck>> + 'f {
    grad_check_with_async(f, inputs, GradCheckOptions::default())
}

/// [`grad_check`] with options.
///
/// # Errors
/// As [`grad_check`], a step that is not above 0 or not finite, and tolerances that are negative or not finite.
#[track_caller]
pub fn grad_check_with(f: impl FnOnce(&[Tensor]) -> Tensor, inputs: &[Tensor], options: GradCheckOptions) -> Result<GradCheck> {
    let device = inputs.first().map_or("cpu", |input| input.node().backend().name());
    waited(device, grad_check_with_async(f, inputs, options))
}

/// [`grad_check_with`] without blocking: values that the inputs hold on a GPU are awaited. In a browser the page's loop goes on between the derivatives.
///
/// ```
/// use steepest::{Device, verify::{GradCheckOptions, grad_check_with_async}};
/// let w = Device::cpu().parameter(&[0.5, -1.0], 2);
/// let inputs = [w];
/// let check = grad_check_with_async(|x| x[0].exp().sum(&[]), &inputs, GradCheckOptions::default());
/// assert!(pollster::block_on(check)?.passed());
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// As [`grad_check_with`].
#[track_caller]
pub fn grad_check_with_async<'f>(
    f: impl FnOnce(&[Tensor]) -> Tensor + 'f,
    inputs: &'f [Tensor],
    options: GradCheckOptions,
) -> impl Future<Output = Result<GradCheck>> + 'f {
    checked(f, inputs, options, At::caller())
}

async fn checked(f: impl FnOnce(&[Tensor]) -> Tensor, inputs: &[Tensor], options: GradCheckOptions, at: At) -> Result<GradCheck> {
    let GradCheckOptions { step, rtol, atol, .. } = options;
    for (option, value) in [("step", step), ("rtol", rtol), ("atol", atol)] {
        if !(value.is_finite() && value >= 0.0) || (option == "step" && value < f64::MIN_POSITIVE) {
            let message = format!("{option} is {value}, expected a finite number that is not negative, and a step above 0");
            return Err(Error::op("grad_check", at, OpError::Value(message)));
        }
    }
    for (i, input) in inputs.iter().enumerate() {
        input.check()?;
        if !input.is_leaf() || !input.requires_grad() {
            let message = format!("{input:?}, given as input {i}, is no parameter; make it with device.parameter(..)");
            return Err(Error::op("grad_check", at, OpError::Gradient(message)));
        }
    }
    let loss = f(inputs);
    let gradients = loss.backward();
    let mut analytic = Vec::with_capacity(inputs.len());
    for input in inputs {
        analytic.push(match gradients.missing(input)? {
            Some(Missing::Disconnected(error)) => return Err(error),
            Some(Missing::Unused) => Array::from_fn(input.try_shape()?, |_| 0.0),
            None => evaluate_async(&[&gradients.wrt(input)?], &Overrides::new()).await?.remove(0),
        });
    }
    let start: Vec<Array> = evaluate_async(&inputs.iter().collect::<Vec<_>>(), &Overrides::new()).await?;
    let (loss, start) = (&loss, &start);
    let value = async |input: usize, index: usize, move_by: f64| -> Result<f64> {
        let mut moved = start[input].clone();
        moved.data[index] += move_by;
        Ok(evaluate_async(&[loss], &Overrides::from([(inputs[input].id(), moved)])).await?[0].data[0])
    };
    let value = &value;
    let here = evaluate_async(&[loss], &Overrides::new()).await?[0].data[0];

    let mut entries = vec![];
    let mut gen_ = Gen::new(7);
    for (input, array) in start.iter().enumerate() {
        let n = array.data.len();
        let all = n <= options.elements;
        for k in 0..n.min(options.elements) {
            let index = if all { k } else { gen_.below(n) };
            let x = array.data[index];
            platform::let_page_go_on().await;
            let (numeric, kink) = slope(async |h| value(input, index, h).await, here, options.step * x.abs().max(1.0)).await?;
            let verdict = if kink { Verdict::Kink } else { Verdict::Right };
            entries.push(Entry { input, index, x, analytic: analytic[input].data[index], numeric, bound: 0.0, verdict });
        }
    }
    let smooth = entries.iter().filter(|e| e.verdict == Verdict::Right && e.numeric.is_finite());
    let scale = smooth.fold(1e-3f64, |m, e| m.max(e.numeric.abs()));
    for entry in &mut entries {
        entry.bound = options.atol * scale + options.rtol * entry.numeric.abs();
        let right = (entry.analytic - entry.numeric).abs() <= entry.bound;
        if entry.verdict == Verdict::Right && !right {
            entry.verdict = Verdict::Wrong;
        }
    }
    Ok(GradCheck { value: here, entries })
}

/// The slope of `f(h)` at 0, and whether there is a kink or a jump.
///
/// One-sided slopes of a smooth function differ by about h f″, half as much at half the step. At a kink they differ by as much, at a jump by
/// more. A kink close by, but not here, is stepped away from by smaller steps.
async fn slope(f: impl AsyncFn(f64) -> Result<f64>, here: f64, step: f64) -> Result<(f64, bool)> {
    let mut h = step;
    let mut central = f64::NAN;
    for _ in 0..4 {
        let around = async |h: f64| -> Result<(f64, f64)> { Ok(((f(h).await? - here) / h, (here - f(-h).await?) / h)) };
        let ((right, left), (right2, left2)) = (around(h).await?, around(h / 2.0).await?);
        // Central differences at h and h/2, extrapolated.
        central = (4.0 * (right2 + left2) - (right + left)) / 6.0;
        let (gap, gap2) = ((right - left).abs(), (right2 - left2).abs());
        let noise = 1e-15 * here.abs().max(1.0) / h;
        let flat = 1e-7 * (right.abs() + left.abs()).max(1e-3) + 16.0 * noise;
        if gap2 <= flat || gap2 < 0.75 * gap {
            return Ok((central, false));
        }
        h /= 16.0;
    }
    Ok((central, true))
}

impl fmt::Display for GradCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>5} {:>7} {:>13} {:>18} {:>18} {:>9}", "input", "element", "x", "backward", "differences", "error")?;
        for e in &self.entries {
            let verdict = match e.verdict {
                Verdict::Right => "",
                Verdict::Wrong => "  WRONG",
                Verdict::Kink => "  kink, skipped",
            };
            let error = (e.analytic - e.numeric).abs();
            let (input, index, x) = (e.input, e.index, e.x);
            writeln!(f, "{input:>5} {index:>7} {x:>13.6} {:>18.10e} {:>18.10e} {error:>9.1e}{verdict}", e.analytic, e.numeric)?;
        }
        let count = |verdict| self.entries.iter().filter(|e| e.verdict == verdict).count();
        write!(
            f,
            "{} right, {} wrong, {} at kinks; the function is {}",
            count(Verdict::Right),
            count(Verdict::Wrong),
            count(Verdict::Kink),
            self.value
        )
    }
}
