//! A search along a line for a step that satisfies the strong Wolfe conditions (Nocedal and Wright 2006, algorithms 3.5 and 3.6).

use crate::error::Result;

/// How much of the first slope's promise a loss must keep.
const DECREASE: f64 = 1e-4;
/// To what share of its size the slope must fall.
const CURVATURE: f64 = 0.9;

/// A place on the line.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) t: f64,
    pub(super) loss: f64,
    /// The derivative of the loss by t.
    pub(super) slope: f64,
    pub(super) gradient: Vec<f64>,
}

impl Point {
    pub(super) fn is_finite(&self) -> bool {
        self.loss.is_finite() && self.gradient.iter().all(|g| g.is_finite())
    }

    /// Says where it is on the line with direction `d`.
    pub(super) fn place(&mut self, t: f64, d: &[f64]) {
        (self.t, self.slope) = (t, super::dot(&self.gradient, d));
    }
}

/// No lower loss was found.
pub(super) struct Stopped;

/// A line, and what is asked of a place on it.
struct Line<'l, A> {
    at: &'l mut A,
    start: Point,
    /// What rounding to f32 may do to the loss: differences below it say nothing.
    noise: f64,
    /// Places closer together than this are the same.
    least: f64,
    left: usize,
}

impl<A: AsyncFnMut(f64) -> Result<Point>> Line<'_, A> {
    /// Whether the loss is higher than the conditions allow, or than at the best place so far.
    fn is_high(&self, point: &Point, best: &Point) -> bool {
        let allowed = self.start.loss + DECREASE * point.t * self.start.slope + self.noise;
        !point.is_finite() || point.loss > allowed || point.loss > best.loss + self.noise
    }

    fn is_flat(&self, point: &Point) -> bool {
        point.slope.abs() <= -CURVATURE * self.start.slope
    }

    /// The best that was found, if it is better than nothing.
    fn settle(&self, best: Point) -> Result<Point, Stopped> {
        if best.loss < self.start.loss { Ok(best) } else { Err(Stopped) }
    }

    /// Closes in on a place between the best so far and one beyond the minimum.
    async fn close_in(&mut self, mut low: Point, mut high: Point) -> Result<Result<Point, Stopped>> {
        while self.left > 0 && (high.t - low.t).abs() > self.least {
            self.left -= 1;
            let point = (self.at)(between(&low, &high)).await?;
            if self.is_high(&point, &low) {
                high = point;
                continue;
            }
            if self.is_flat(&point) {
                return Ok(Ok(point));
            }
            if point.slope * (high.t - low.t) >= 0.0 {
                high = low;
            }
            low = point;
        }
        Ok(self.settle(low))
    }
}

/// A place on the line at which the loss is lower and its slope flatter than at its start, at most `left` evaluations away; or the best place there was
/// among them. The first guess is `length`.
pub(super) async fn search(
    at: &mut impl AsyncFnMut(f64) -> Result<Point>,
    start: Point,
    length: f64,
    least: f64,
    left: usize,
) -> Result<Result<Point, Stopped>> {
    let noise = 4.0 * f64::from(f32::EPSILON) * start.loss.abs();
    let mut before = start.clone();
    let mut line = Line { at, start, noise, least, left };
    let mut t = length;
    while line.left > 0 {
        line.left -= 1;
        let point = (line.at)(t).await?;
        if line.is_high(&point, &before) {
            return line.close_in(before, point).await;
        }
        if line.is_flat(&point) {
            return Ok(Ok(point));
        }
        if point.slope >= 0.0 {
            return line.close_in(point, before).await;
        }
        // It still falls steeply: further on.
        let guess = minimum(&before, &point).unwrap_or(10.0 * point.t);
        t = guess.clamp(point.t + 0.5 * (point.t - before.t), 10.0 * point.t);
        before = point;
    }
    Ok(line.settle(before))
}

/// A place between two, away from both: where a cubic through them has its minimum, or half way.
fn between(low: &Point, high: &Point) -> f64 {
    let half = 0.5 * (low.t + high.t);
    let cubic = if high.is_finite() { minimum(low, high).unwrap_or(half) } else { half };
    let margin = 0.1 * (high.t - low.t).abs();
    let (left, right) = (low.t.min(high.t), low.t.max(high.t));
    cubic.clamp(left + margin, right - margin)
}

/// Where the cubic that has the losses and slopes of both places has its minimum.
fn minimum(a: &Point, b: &Point) -> Option<f64> {
    let d1 = a.slope + b.slope - 3.0 * (a.loss - b.loss) / (a.t - b.t);
    let square = d1 * d1 - a.slope * b.slope;
    if square < 0.0 {
        return None;
    }
    let d2 = (b.t - a.t).signum() * square.sqrt();
    let t = b.t - (b.t - a.t) * (b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2);
    t.is_finite().then_some(t)
}
