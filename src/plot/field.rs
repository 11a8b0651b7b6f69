//! `Field`: values over a grid, and the lines along which they are equal.

use super::axis::{self, Axis};
use crate::error::{Error, Result};
use crate::platform::waited;

/// A grid larger than this makes no better picture, only larger files.
const MAX_GRID: usize = 1000;

/// Values over a grid of two coordinates: a cost over two parameters, a class number over two features.
///
/// ```
/// use steepest::plot::Field;
/// let field = Field::sample((-2.0, 2.0), (-1.0, 1.0), 5, |x, y| x * x + 4.0 * y * y)?;
/// assert_eq!((field.xs()[1], field.ys()[0]), (-1.0, -1.0));
/// assert_eq!(field.at(1, 0), 5.0); // column, row
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    xs: Vec<f64>,
    ys: Vec<f64>,
    /// `[ys, xs]`, row-major.
    values: Vec<f64>,
}

fn wrong(message: String) -> Error {
    Error::Config { what: "field", message }
}

fn even((from, to): (f64, f64), n: usize) -> Vec<f64> {
    let share = |i: usize| i as f64 / (n - 1) as f64;
    (0..n).map(|i| if i + 1 == n { to } else { from * (1.0 - share(i)) + to * share(i) }).collect()
}

impl Field {
    /// Values at the crossings of columns at `xs` and rows at `ys`: `values[row * xs.len() + column]`. Values that are not finite are left
    /// grey and counted in a note.
    ///
    /// # Errors
    /// [`Error::Config`]: fewer than 2 × 2 values or more than 1,000 × 1,000, coordinates that are not finite and increasing, another number
    /// of values than the grid has.
    pub fn new(xs: Vec<f64>, ys: Vec<f64>, values: Vec<f64>) -> Result<Field> {
        for (name, coordinates) in [("xs", &xs), ("ys", &ys)] {
            let n = coordinates.len();
            if !(2..=MAX_GRID).contains(&n) {
                return Err(wrong(format!("{n} {name}, expected 2 to {MAX_GRID}: a field needs at least 2 × 2 values")));
            }
            if let Some(at) = coordinates.iter().position(|c| !c.is_finite()) {
                return Err(wrong(format!("{name}[{at}] is {}, expected a finite number", coordinates[at])));
            }
            if let Some(at) = coordinates.windows(2).position(|pair| pair[0] >= pair[1]) {
                let (a, b) = (coordinates[at], coordinates[at + 1]);
                return Err(wrong(format!("{name}[{at}] is {a} and the next is {b}, expected increasing numbers")));
            }
        }
        if values.len() != xs.len() * ys.len() {
            return Err(wrong(format!("{} values for {} columns and {} rows", values.len(), xs.len(), ys.len())));
        }
        Ok(Field { xs, ys, values })
    }

    /// `n` × `n` values of a function, the ends of both ranges among them.
    ///
    /// # Errors
    /// As [`Field::new`].
    pub fn sample(x: (f64, f64), y: (f64, f64), n: usize, mut value: impl FnMut(f64, f64) -> f64) -> Result<Field> {
        Field::try_sample(x, y, n, |x, y| Ok(value(x, y)))
    }

    /// [`Field::sample`] of a function that may fail.
    ///
    /// # Errors
    /// As [`Field::new`], before the function is called; and the function's first error.
    pub fn try_sample(x: (f64, f64), y: (f64, f64), n: usize, mut value: impl FnMut(f64, f64) -> Result<f64>) -> Result<Field> {
        waited("cpu", Field::try_sample_async(x, y, n, async |x, y| value(x, y)))
    }

    /// [`Field::try_sample`] of a function that is awaited.
    ///
    /// # Errors
    /// As [`Field::try_sample`].
    pub async fn try_sample_async(
        x: (f64, f64),
        y: (f64, f64),
        n: usize,
        mut value: impl AsyncFnMut(f64, f64) -> Result<f64>,
    ) -> Result<Field> {
        if !(2..=MAX_GRID).contains(&n) {
            return Err(wrong(format!("{n} values per side, expected 2 to {MAX_GRID}")));
        }
        let mut field = Field::new(even(x, n), even(y, n), vec![0.0; n * n])?;
        for row in 0..n {
            for column in 0..n {
                field.values[row * n + column] = value(field.xs[column], field.ys[row]).await?;
            }
        }
        Ok(field)
    }

    /// The columns' coordinates.
    pub fn xs(&self) -> &[f64] {
        &self.xs
    }

    /// The rows' coordinates.
    pub fn ys(&self) -> &[f64] {
        &self.ys
    }

    /// The values, row after row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The value at a column and a row; NaN outside.
    pub fn at(&self, column: usize, row: usize) -> f64 {
        if column < self.xs.len() && row < self.ys.len() { self.values[row * self.xs.len() + column] } else { f64::NAN }
    }

    /// The same grid with every value changed, such as `f64::ln` of a cost of many magnitudes.
    pub fn map(mut self, change: impl FnMut(f64) -> f64) -> Field {
        self.values = self.values.into_iter().map(change).collect();
        self
    }

    /// The least and the largest finite value; `None` if there are none.
    pub fn range(&self) -> Option<(f64, f64)> {
        axis::range(self.values.iter().copied())
    }

    /// How many values are not finite.
    pub(super) fn gaps(&self) -> usize {
        self.values.iter().filter(|v| !v.is_finite()).count()
    }

    /// About `wanted` round values inside the range, rising. Of positive values over several magnitudes, as costs are, they rise by factors:
    /// the ground around a minimum gets its lines too.
    pub(super) fn levels(&self, wanted: usize) -> Vec<f64> {
        let Some((low, high)) = self.range().filter(|(low, high)| low < high) else { return vec![] };
        if low >= 0.0 && high > 20.0 * low.max(f64::MIN_POSITIVE) {
            let mut levels = vec![];
            let mut exponent = high.log10().floor() as i32;
            while levels.len() < wanted && exponent > -300 && 10f64.powi(exponent + 1) > low {
                let more = [5.0, 2.0, 1.0].map(|m| m * 10f64.powi(exponent));
                levels.extend(more.into_iter().filter(|v| *v > low && *v < high));
                exponent -= 1;
            }
            levels.truncate(wanted);
            levels.reverse();
            return levels;
        }
        let axis = Axis { min: low, max: high, log: false, whole: false };
        axis.ticks(wanted).into_iter().map(|tick| tick.value).filter(|v| *v > low && *v < high).collect()
    }

    /// The lines along which the value is `level`, each a chain of points; closed ones end where they start. By marching squares: on every
    /// side of a cell whose ends lie on both sides of the level there is a point, linearly between them.
    pub(super) fn contour(&self, level: f64) -> Vec<Vec<(f64, f64)>> {
        let (columns, rows) = (self.xs.len(), self.ys.len());
        let above = |c: usize, r: usize| self.at(c, r) >= level;
        // Sides are numbered: the horizontal one to the right of a crossing, then the vertical one above it.
        let across = |c: usize, r: usize| 2 * (r * columns + c);
        let up = |c: usize, r: usize| 2 * (r * columns + c) + 1;
        // No side has more than two neighbours: one in each of the cells that share it.
        let mut neighbours: Vec<Vec<usize>> = vec![vec![]; 2 * columns * rows];
        let mut join = |a: usize, b: usize| {
            neighbours[a].push(b);
            neighbours[b].push(a);
        };
        for r in 0..rows - 1 {
            for c in 0..columns - 1 {
                let corners = [(c, r), (c + 1, r), (c + 1, r + 1), (c, r + 1)];
                if corners.iter().any(|&(c, r)| !self.at(c, r).is_finite()) {
                    continue;
                }
                let sides = [across(c, r), up(c + 1, r), across(c, r + 1), up(c, r)];
                let high = corners.map(|(c, r)| above(c, r));
                let crossed: Vec<usize> = (0..4).filter(|&i| high[i] != high[(i + 1) % 4]).map(|i| sides[i]).collect();
                match crossed[..] {
                    [a, b] => join(a, b),
                    [bottom, right, top, left] => {
                        // A saddle: the middle says which corners belong together.
                        let middle = corners.iter().map(|&(c, r)| self.at(c, r) / 4.0).sum::<f64>() >= level;
                        let cut_first = high[0] != middle;
                        let pairs = if cut_first { [(left, bottom), (right, top)] } else { [(bottom, right), (top, left)] };
                        pairs.into_iter().for_each(|(a, b)| join(a, b));
                    }
                    _ => {}
                }
            }
        }
        let point = |side: usize| {
            let (c, r) = ((side / 2) % columns, (side / 2) / columns);
            let (c2, r2) = if side.is_multiple_of(2) { (c + 1, r) } else { (c, r + 1) };
            let (a, b) = (self.at(c, r), self.at(c2, r2));
            let t = (level - a) / (b - a);
            (self.xs[c] + t * (self.xs[c2] - self.xs[c]), self.ys[r] + t * (self.ys[r2] - self.ys[r]))
        };
        chains(&neighbours).into_iter().map(|chain| chain.into_iter().map(point).collect()).collect()
    }
}

/// Walks along neighbours: first the open chains from their ends, then the closed ones.
fn chains(neighbours: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut seen = vec![false; neighbours.len()];
    let mut found = vec![];
    for beside in [1, 2] {
        for start in 0..neighbours.len() {
            if neighbours[start].len() != beside || seen[start] {
                continue;
            }
            let mut chain = vec![start];
            seen[start] = true;
            while let Some(&next) = neighbours[chain[chain.len() - 1]].iter().find(|next| !seen[**next]) {
                seen[next] = true;
                chain.push(next);
            }
            if beside == 2 {
                chain.push(start);
            }
            found.push(chain);
        }
    }
    found
}
