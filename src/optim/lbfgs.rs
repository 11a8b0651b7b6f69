//! L-BFGS (Liu and Nocedal 1989): a quasi-Newton method for losses of all rows at once.

mod search;

use super::{check, config};
use crate::Tensor;
use crate::error::Result;
use crate::platform::waited;
use search::{Point, Stopped, search};
use std::collections::VecDeque;

/// Evaluations of a search at most.
const SEARCHES: usize = 25;

/// Finds a minimum of a loss that is the same at every call: no batches, no dropout. Each step is along −Hg, where H follows from how the gradient
/// changed in the last steps, and its length is searched for by the strong Wolfe conditions (Nocedal and Wright 2006, algorithms 3.5, 3.6 and
/// 7.4).
///
/// Losses and gradients are computed on the device, once per evaluation. Directions are computed in f64 on the host, where the history is kept: with m
/// pairs and n parameters in all it takes 16 mn bytes there. Everything is deterministic.
///
/// ```
/// use steepest::{Device, optim::{Lbfgs, LbfgsEnd}};
/// let device = Device::cpu();
/// let p = device.parameter(&[-1.2, 1.0], 2);
/// // Rosenbrock's valley
/// let loss = || {
///     let (x, y) = (p.slice(0, 0..1), p.slice(0, 1..2));
///     ((1.0 - &x).square() + (&y - x.square()).square() * 100.0).sum(&[])
/// };
/// let mut opt = Lbfgs::new([p.clone()]).max_iterations(100);
/// let report = opt.step(loss)?;
/// assert!(report.loss < 1e-8 && report.end != LbfgsEnd::MostIterations, "{report:?}");
/// let at = p.to_vec::<f32>()?;
/// assert!((at[0] - 1.0).abs() < 1e-3 && (at[1] - 1.0).abs() < 1e-3);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct Lbfgs {
    parameters: Vec<Tensor>,
    lr: f64,
    history: usize,
    iterations: usize,
    evaluations: Option<usize>,
    tolerance_gradient: f64,
    tolerance_change: f64,
    searches: bool,
    /// What the last steps were, and how the gradient changed in each; the oldest first.
    pairs: VecDeque<Pair>,
}

#[derive(Debug)]
struct Pair {
    /// x − x₀
    s: Vec<f64>,
    /// g − g₀
    y: Vec<f64>,
    /// 1 / yᵀs
    rho: f64,
}

/// Why [`Lbfgs::step`] came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LbfgsEnd {
    /// No element of the gradient is larger than its tolerance.
    SmallGradient,
    /// The last iteration changed the loss, or the parameters, by less than their tolerance.
    SmallChange,
    /// No lower loss was found along the last direction: this is as low as f32 can tell.
    NoLower,
    /// There were as many iterations as may be.
    MostIterations,
    /// There were as many evaluations as may be.
    MostEvaluations,
    /// The loss or the gradient was not finite where the step began. (Where it is so further along, the step is made shorter.)
    NotFinite,
}

/// What [`Lbfgs::step`] did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LbfgsReport {
    /// The loss at the parameters that are left.
    pub loss: f64,
    /// The loss before.
    pub first: f64,
    /// The largest size of an element of the gradient there.
    pub gradient: f64,
    /// Iterations that changed the parameters.
    pub iterations: usize,
    /// How often the loss was computed.
    pub evaluations: usize,
    /// Why it came to an end.
    pub end: LbfgsEnd,
}

impl Lbfgs {
    /// L-BFGS with a history of 10 pairs, at most 20 iterations a step, a tolerance of 1e-7 for gradients and 1e-9 for changes, and steps of length
    /// 1 before they are searched.
    pub fn new(parameters: impl IntoIterator<Item = Tensor>) -> Lbfgs {
        Lbfgs {
            parameters: parameters.into_iter().collect(),
            lr: 1.0,
            history: 10,
            iterations: 20,
            evaluations: None,
            tolerance_gradient: 1e-7,
            tolerance_change: 1e-9,
            searches: true,
            pairs: VecDeque::new(),
        }
    }

    /// The length of a step along its direction where the search begins, 1 unless set; the first step is shorter.
    pub fn lr(mut self, lr: f64) -> Lbfgs {
        self.lr = lr;
        self
    }

    /// How many pairs are kept.
    pub fn history(mut self, pairs: usize) -> Lbfgs {
        self.history = pairs;
        self
    }

    /// Iterations of a call of [`Lbfgs::step`] at most.
    pub fn max_iterations(mut self, iterations: usize) -> Lbfgs {
        self.iterations = iterations;
        self
    }

    /// Computations of the loss in a call of [`Lbfgs::step`] after which no new iteration begins; 5/4 of the iterations unless set, as PyTorch's.
    pub fn max_evaluations(mut self, evaluations: usize) -> Lbfgs {
        self.evaluations = Some(evaluations);
        self
    }

    /// The size of all elements of a gradient that is small enough to end, and a change of the loss, or of all parameters, that is.
    pub fn tolerances(mut self, gradient: f64, change: f64) -> Lbfgs {
        (self.tolerance_gradient, self.tolerance_change) = (gradient, change);
        self
    }

    /// Takes steps of the given length in place of searching for one: an evaluation per iteration, and no promise that the loss falls.
    pub fn without_search(mut self) -> Lbfgs {
        self.searches = false;
        self
    }

    /// Forgets the history: for another loss.
    pub fn forget(&mut self) {
        self.pairs.clear();
    }

    /// Goes down until a tolerance or a limit is met. `loss` records the loss of the parameters as they are at that moment; it is called once per
    /// evaluation. The parameters are left where the loss is as the report says. The history is kept for the next call.
    ///
    /// # Errors
    /// A setting that makes no sense, no parameters, the error of an invalid loss or of one that depends on none of the parameters, or what the
    /// device reports. The parameters are then as they were after the last iteration.
    pub fn step(&mut self, loss: impl Fn() -> Tensor) -> Result<LbfgsReport> {
        let device = self.parameters.first().map_or_else(|| "cpu".to_owned(), |first| first.device().name().to_owned());
        waited(&device, self.step_async(loss))
    }

    /// [`Lbfgs::step`] without blocking: each evaluation is awaited. Dropped, it is given up, and the parameters are where the line search had got to.
    ///
    /// # Errors
    /// As [`Lbfgs::step`].
    pub async fn step_async(&mut self, loss: impl Fn() -> Tensor) -> Result<LbfgsReport> {
        self.check()?;
        let x = self.read().await?;
        let parameters = self.parameters.clone();
        let mut run = Run { parameters: &parameters, loss: &loss, evaluations: 0 };
        let start = run.evaluate(&x).await?;
        let mut now = At { x, point: start };
        let first = now.point.loss;
        let mut iterations = 0;
        let end = loop {
            match self.iterate(&mut now, &mut run, iterations).await {
                Ok(Went { moved, end }) => {
                    iterations += usize::from(moved);
                    if let Some(end) = end {
                        break end;
                    }
                }
                Err(error) => {
                    // The error is what matters; the parameters may be gone with the device.
                    let _ = write(&parameters, &now.x);
                    return Err(error);
                }
            }
        };
        write(&self.parameters, &now.x)?;
        let gradient = largest(&now.point.gradient);
        Ok(LbfgsReport { loss: now.point.loss, first, gradient, iterations, evaluations: run.evaluations, end })
    }

    fn check(&self) -> Result<()> {
        check("learning rate", self.lr, f64::MIN_POSITIVE, f64::INFINITY)?;
        check("tolerance of gradients", self.tolerance_gradient, 0.0, f64::INFINITY)?;
        check("tolerance of changes", self.tolerance_change, 0.0, f64::INFINITY)?;
        for (what, count) in
            [("history", self.history), ("iterations", self.iterations), ("evaluations", self.evaluations.unwrap_or(1))]
        {
            if count == 0 {
                return Err(config(what, "0 is not enough".to_owned()));
            }
        }
        if self.parameters.is_empty() {
            return Err(config("parameters", "there are none to update".to_owned()));
        }
        Ok(())
    }

    /// All parameters, one after the other.
    async fn read(&self) -> Result<Vec<f64>> {
        let mut all = vec![];
        for parameter in &self.parameters {
            all.extend(parameter.fetch::<f32>().await?.into_iter().map(f64::from));
        }
        Ok(all)
    }

    /// Why there is to be no other iteration, before it begins.
    fn ends(&self, now: &Point, evaluations: usize, done: usize) -> Option<LbfgsEnd> {
        let most = self.evaluations.unwrap_or(self.iterations.saturating_mul(5).div_ceil(4));
        if !now.is_finite() {
            Some(LbfgsEnd::NotFinite)
        } else if largest(&now.gradient) <= self.tolerance_gradient {
            Some(LbfgsEnd::SmallGradient)
        } else if done >= self.iterations {
            Some(LbfgsEnd::MostIterations)
        } else if evaluations >= most {
            Some(LbfgsEnd::MostEvaluations)
        } else {
            None
        }
    }

    /// One iteration, unless it is to end before.
    async fn iterate(&mut self, now: &mut At, run: &mut Run<'_>, done: usize) -> Result<Went> {
        if let Some(end) = self.ends(&now.point, run.evaluations, done) {
            return Ok(Went { moved: false, end: Some(end) });
        }
        let mut d = self.direction(&now.point.gradient);
        let mut slope = dot(&now.point.gradient, &d);
        if slope >= 0.0 || !slope.is_finite() {
            // Rounding has spoilt the history.
            self.pairs.clear();
            d = now.point.gradient.iter().map(|g| -g).collect();
            slope = dot(&now.point.gradient, &d);
        }
        let mut length = self.lr;
        if self.pairs.is_empty() {
            length *= (1.0 / now.point.gradient.iter().map(|g| g.abs()).sum::<f64>()).min(1.0);
        }
        // On the line only what f32 holds can be told apart.
        let along = |t: f64| now.x.iter().zip(&d).map(|(x, d)| f64::from((x + t * d) as f32)).collect::<Vec<_>>();
        let mut at = async |t: f64| {
            let mut point = run.evaluate(&along(t)).await?;
            point.place(t, &d);
            Ok(point)
        };
        let next = if self.searches {
            let start = Point { t: 0.0, slope, ..now.point.clone() };
            match search(&mut at, start, length, self.tolerance_change / largest(&d), SEARCHES).await? {
                Ok(point) => point,
                Err(Stopped) => return Ok(Went { moved: false, end: Some(LbfgsEnd::NoLower) }),
            }
        } else {
            at(length).await?
        };
        let x = along(next.t);
        let s: Vec<f64> = x.iter().zip(&now.x).map(|(new, old)| new - old).collect();
        let change = (next.loss - now.point.loss).abs();
        self.learn(&s, &next, &now.point);
        *now = At { x, point: next };
        let small = largest(&s) <= self.tolerance_change || change < self.tolerance_change;
        // A gradient that is small, too, is said by the next look at it.
        let end = (small && largest(&now.point.gradient) > self.tolerance_gradient).then_some(LbfgsEnd::SmallChange);
        Ok(Went { moved: true, end })
    }

    /// Takes a step into the history, unless the curvature along it is not above 0.
    fn learn(&mut self, s: &[f64], next: &Point, before: &Point) {
        let y: Vec<f64> = next.gradient.iter().zip(&before.gradient).map(|(new, old)| new - old).collect();
        let ys = dot(&y, s);
        let sizes = (dot(&y, &y) * dot(s, s)).sqrt();
        if ys > 1e-10 * sizes && sizes.is_finite() {
            if self.pairs.len() == self.history {
                self.pairs.pop_front();
            }
            self.pairs.push_back(Pair { s: s.to_vec(), y, rho: 1.0 / ys });
        }
    }

    /// −Hg, by the two loops over the history.
    fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut shares = vec![];
        for pair in self.pairs.iter().rev() {
            let share = pair.rho * dot(&pair.s, &q);
            add(&mut q, -share, &pair.y);
            shares.push(share);
        }
        if let Some(last) = self.pairs.back() {
            let scale = 1.0 / (last.rho * dot(&last.y, &last.y));
            q.iter_mut().for_each(|q| *q *= scale);
        }
        for (pair, share) in self.pairs.iter().zip(shares.into_iter().rev()) {
            let back = pair.rho * dot(&pair.y, &q);
            add(&mut q, share - back, &pair.s);
        }
        q
    }
}

/// What an iteration did.
struct Went {
    moved: bool,
    end: Option<LbfgsEnd>,
}

/// Where the search is.
struct At {
    x: Vec<f64>,
    point: Point,
}

/// What evaluates the loss.
struct Run<'r> {
    parameters: &'r [Tensor],
    loss: &'r dyn Fn() -> Tensor,
    evaluations: usize,
}

impl Run<'_> {
    /// The loss and its gradient with these parameters.
    async fn evaluate(&mut self, x: &[f64]) -> Result<Point> {
        write(self.parameters, x)?;
        self.evaluations += 1;
        let loss = (self.loss)();
        let gradients = loss.backward();
        if gradients.check(self.parameters)?.len() == self.parameters.len() {
            return Err(config("gradients", "the loss depends on none of the parameters given to the optimizer".to_owned()));
        }
        let found =
            self.parameters.iter().map(|p| gradients.get(p).map(Option::<&Tensor>::cloned)).collect::<Result<Vec<_>>>()?;
        // One run for all of it.
        loss.device().run_async(found.iter().flatten().chain([&loss])).await?;
        let mut gradient = Vec::with_capacity(x.len());
        for (found, parameter) in found.iter().zip(self.parameters) {
            match found {
                Some(values) => gradient.extend(values.fetch::<f32>().await?.into_iter().map(f64::from)),
                None => gradient.resize(gradient.len() + parameter.try_shape()?.numel(), 0.0),
            }
        }
        Ok(Point { t: 0.0, loss: f64::from(loss.fetch_item().await?), slope: 0.0, gradient })
    }
}

/// Puts numbers into the parameters, one after the other.
fn write(parameters: &[Tensor], x: &[f64]) -> Result<()> {
    let mut at = 0;
    for parameter in parameters {
        let n = parameter.try_shape()?.numel();
        parameter.set(&x[at..][..n].iter().map(|&x| x as f32).collect::<Vec<_>>())?;
        at += n;
    }
    Ok(())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// a ← a + by · b
fn add(a: &mut [f64], by: f64, b: &[f64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += by * b);
}

/// The largest size; NaN if there is one.
fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |most, x| if x.is_nan() || x.abs() > most { x.abs() } else { most })
}
