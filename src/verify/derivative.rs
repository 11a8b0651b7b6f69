//! Numeric derivatives for teaching: difference quotients as h goes to 0, and where rounding takes over from truncation.

use std::fmt;

/// One step size of a [`Quotients`] table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quotient {
    /// The step h.
    pub h: f64,
    /// (f(x + h) − f(x)) / h: the error falls like h.
    pub forward: f64,
    /// (f(x + h) − f(x − h)) / 2h: the error falls like h².
    pub central: f64,
}

/// Difference quotients of a function at a point, for h = 1, 0.1, … 1e-15.
#[derive(Clone, Debug, PartialEq)]
pub struct Quotients {
    /// The point.
    pub x: f64,
    /// What the errors are measured against: the exact derivative if it was given, else [`derivative`]'s answer.
    pub against: f64,
    /// A row per step size, the largest first.
    pub rows: Vec<Quotient>,
}

/// The difference quotients of `f` at `x`; `exact` is its derivative there, if known.
///
/// ```
/// use steepest::verify::quotients;
/// let table = quotients(|x| x * x, 3.0, Some(6.0));
/// println!("{table}"); // the error falls with h, then rounding makes it grow again
/// assert!((table.rows[3].forward - 6.001).abs() < 1e-9);
/// assert!((table.rows[15].central - 6.0).abs() > 1e-3);
/// ```
pub fn quotients(f: impl Fn(f64) -> f64, x: f64, exact: Option<f64>) -> Quotients {
    let row = |k: i32| {
        let h = 10f64.powi(-k);
        Quotient { h, forward: (f(x + h) - f(x)) / h, central: (f(x + h) - f(x - h)) / (2.0 * h) }
    };
    Quotients { x, against: exact.unwrap_or_else(|| derivative(&f, x)), rows: (0..16).map(row).collect() }
}

/// The derivative of `f` at `x` by central differences, extrapolated to h = 0 (Ridders 1982): about twelve digits of a smooth function; NaN
/// where `f` is not finite around `x`.
///
/// ```
/// let slope = steepest::verify::derivative(f64::sin, 1.0);
/// assert!((slope - 1f64.cos()).abs() < 1e-11);
/// ```
pub fn derivative(f: impl Fn(f64) -> f64, x: f64) -> f64 {
    const SHRINK: f64 = 1.4;
    let mut h = 0.1 * x.abs().max(1.0);
    let (mut best, mut error) = (f64::NAN, f64::INFINITY);
    let mut last: Vec<f64> = vec![];
    for _ in 0..24 {
        // Each row extrapolates the one before, one order higher at each step to the right.
        let mut row = vec![(f(x + h) - f(x - h)) / (2.0 * h)];
        let mut factor = SHRINK * SHRINK;
        for (k, &before) in last.iter().enumerate() {
            let next = (factor * row[k] - before) / (factor - 1.0);
            let off = (next - row[k]).abs().max((next - before).abs());
            if off <= error {
                (best, error) = (next, off);
            }
            row.push(next);
            factor *= SHRINK * SHRINK;
        }
        // Higher orders getting worse means that rounding has taken over.
        if let (Some(new), Some(old)) = (row.last(), last.last())
            && (new - old).abs() > 2.0 * error
            && last.len() > 6
        {
            break;
        }
        last = row;
        h /= SHRINK;
    }
    best
}

impl fmt::Display for Quotients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>7}  {:>22} {:>9}  {:>22} {:>9}", "h", "(f(x+h)-f(x))/h", "error", "(f(x+h)-f(x-h))/2h", "error")?;
        for row in &self.rows {
            let (forward, central) = ((row.forward - self.against).abs(), (row.central - self.against).abs());
            writeln!(f, "{:>7.0e}  {:>22.15} {forward:>9.1e}  {:>22.15} {central:>9.1e}", row.h, row.forward, row.central)?;
        }
        write!(f, "derivative at {}: {}", self.x, self.against)
    }
}
