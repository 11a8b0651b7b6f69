//! L-BFGS against the algorithms of Nocedal and Wright (2006), written out here in another form: every loss that is computed, on its way over
//! many landscapes, is computed at the same place.
//!
//! Directions follow from the definition of H (equation 7.16), places between from the coefficients of the cubic, both in f64. Landscapes are functions of
//! the host, so both sides see the same numbers, and a landscape may do what no sum of ops does at will: have holes, steps and false slopes.
#![allow(clippy::unwrap_used)]

use crate::common::chance;
use steepest::optim::{Lbfgs, LbfgsEnd, LbfgsReport};
use steepest::{Device, Tensor};

/// The loss and its gradient at a place, rounded to f32.
type Landscape<'l> = dyn Fn(&[f64]) -> (f64, Vec<f64>) + 'l;

#[derive(Clone, Copy, Debug)]
struct Settings {
    lr: f64,
    history: usize,
    iterations: usize,
    evaluations: usize,
    tolerances: (f64, f64),
    searches: bool,
}

const USUAL: Settings =
    Settings { lr: 1.0, history: 10, iterations: 20, evaluations: 10_000, tolerances: (1e-7, 1e-9), searches: true };

fn rounded(landscape: &Landscape<'_>, x: &[f64]) -> (f64, Vec<f64>) {
    let (loss, gradient) = landscape(x);
    if !loss.is_finite() || gradient.iter().any(|g| !g.is_finite()) {
        return (f64::NAN, vec![f64::NAN; x.len()]);
    }
    (f64::from(loss as f32), gradient.into_iter().map(|g| f64::from(g as f32)).collect())
}

/// Several calls of `step`: the places where the loss was computed, and a report for each call.
fn found(
    device: &Device,
    landscape: &Landscape<'_>,
    x: &[f64],
    with: Settings,
    calls: usize,
) -> (Vec<Vec<f64>>, Vec<LbfgsReport>) {
    let start: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    // Two parameters, where there are two numbers.
    let half = start.len() / 2;
    let parts: Vec<Tensor> =
        [&start[..half], &start[half..]].iter().filter(|s| !s.is_empty()).map(|s| device.parameter(s, s.len())).collect();
    let numbers = || parts.iter().flat_map(|p| p.to_vec::<f32>().unwrap()).map(f64::from).collect::<Vec<_>>();
    let places = std::cell::RefCell::new(vec![]);
    let loss = || {
        let x = numbers();
        let (loss, gradient) = rounded(landscape, &x);
        places.borrow_mut().push(x);
        let mut sum = device.scalar(loss as f32);
        let mut first = 0;
        for p in &parts {
            let n = p.shape().numel();
            let g: Vec<f32> = gradient[first..][..n].iter().map(|&g| g as f32).collect();
            // Nothing is added but a slope.
            sum = sum + ((p - p.detach()) * device.tensor(&g, n)).sum(&[]);
            first += n;
        }
        sum
    };
    let mut opt = Lbfgs::new(parts.clone())
        .lr(with.lr)
        .history(with.history)
        .max_iterations(with.iterations)
        .max_evaluations(with.evaluations)
        .tolerances(with.tolerances.0, with.tolerances.1);
    if !with.searches {
        opt = opt.without_search();
    }
    let reports = (0..calls).map(|_| opt.step(loss).unwrap()).collect();
    let mut places = places.into_inner();
    // Where it left the parameters.
    places.push(numbers());
    (places, reports)
}

/// A place on a line.
#[derive(Clone, Debug)]
struct Place {
    t: f64,
    x: Vec<f64>,
    loss: f64,
    gradient: Vec<f64>,
    slope: f64,
}

struct Book<'l> {
    landscape: &'l Landscape<'l>,
    with: Settings,
    pairs: Vec<(Vec<f64>, Vec<f64>)>,
    places: Vec<Vec<f64>>,
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}

fn size(a: &[f64]) -> f64 {
    a.iter().fold(0.0, |most: f64, a| most.max(a.abs()))
}

/// Where the cubic through two places and their slopes has its minimum: c(u) = f + g u + B u² + A u³ from the first on.
fn cubic_minimum(a: &Place, b: &Place) -> Option<f64> {
    let h = b.t - a.t;
    let secant = (b.loss - a.loss) / h;
    let third = (a.slope + b.slope - 2.0 * secant) / (h * h);
    let second = (3.0 * secant - 2.0 * a.slope - b.slope) / h;
    let discriminant = second * second - 3.0 * third * a.slope;
    let root = discriminant.sqrt();
    // Of two forms of one solution, the one that adds numbers of one sign.
    let u = if second < 0.0 { (root - second) / (3.0 * third) } else { -a.slope / (second + root) };
    (discriminant >= 0.0 && u.is_finite()).then_some(a.t + u)
}

impl Book<'_> {
    fn evaluate(&mut self, x: Vec<f64>, t: f64, d: &[f64]) -> Place {
        let (loss, gradient) = rounded(self.landscape, &x);
        self.places.push(x.clone());
        let slope = inner(&gradient, d);
        Place { t, x, loss, gradient, slope }
    }

    /// H times a vector by its definition (equation 7.16): Hₖ₊₁ = VᵀHₖV + ρ s sᵀ with V = I − ρ y sᵀ, from a multiple of I on.
    fn inverse_hessian_times(&self, q: &[f64], pairs: usize) -> Vec<f64> {
        let minus = |a: &[f64], by: f64, b: &[f64]| a.iter().zip(b).map(|(a, b)| a - by * b).collect::<Vec<_>>();
        if pairs == 0 {
            let scale = self.pairs.last().map_or(1.0, |(s, y)| inner(s, y) / inner(y, y));
            return q.iter().map(|q| scale * q).collect();
        }
        let (s, y) = &self.pairs[pairs - 1];
        let rho = 1.0 / inner(y, s);
        let shorter = self.inverse_hessian_times(&minus(q, rho * inner(s, q), y), pairs - 1);
        let first = minus(&shorter, rho * inner(y, &shorter), s);
        minus(&first, -rho * inner(s, q), s)
    }

    /// Algorithms 3.5 and 3.6 in one: outside a bracket the step grows, inside it is interpolated. No more than 25 losses are computed.
    fn line(&mut self, start: &Place, d: &[f64], length: f64, least: f64) -> Option<Place> {
        let (c1, c2) = (1e-4, 0.9);
        let noise = 4.0 * f64::from(f32::EPSILON) * start.loss.abs();
        // The best so far, and the other end of the bracket once there is one.
        let (mut low, mut high): (Place, Option<Place>) = (start.clone(), None);
        let mut t = length;
        for _ in 0..25 {
            let x = start.x.iter().zip(d).map(|(x, d)| f64::from((x + t * d) as f32)).collect();
            let new = self.evaluate(x, t, d);
            let high_loss =
                new.loss.is_nan() || new.loss > start.loss + c1 * t * start.slope + noise || new.loss > low.loss + noise;
            if high_loss {
                high = Some(new);
            } else if new.slope.abs() <= c2 * start.slope.abs() {
                return Some(new);
            } else {
                match &high {
                    None if new.slope >= 0.0 => high = Some(std::mem::replace(&mut low, new)),
                    None => {
                        let next = cubic_minimum(&low, &new).unwrap_or(10.0 * t);
                        let (shortest, longest) = (t + (t - low.t) / 2.0, 10.0 * t);
                        low = new;
                        t = next.max(shortest).min(longest);
                        continue;
                    }
                    Some(end) => {
                        if (new.slope > 0.0) == (end.t > low.t) {
                            high = Some(low);
                        }
                        low = new;
                    }
                }
            }
            let end = high.as_ref().unwrap();
            let (left, right) = if low.t < end.t { (low.t, end.t) } else { (end.t, low.t) };
            if right - left <= least {
                break;
            }
            let middle = (left + right) / 2.0;
            let guess = if end.loss.is_nan() { middle } else { cubic_minimum(&low, end).unwrap_or(middle) };
            t = guess.max(left + (right - left) / 10.0).min(right - (right - left) / 10.0);
        }
        (low.loss < start.loss).then_some(low)
    }

    fn step(&mut self, x: &[f64]) -> (Vec<f64>, LbfgsReport) {
        let before = self.places.len();
        let mut now = self.evaluate(x.to_vec(), 0.0, &[]);
        let first = now.loss;
        let mut iterations = 0;
        let end = loop {
            let evaluations = self.places.len() - before;
            if now.loss.is_nan() {
                break LbfgsEnd::NotFinite;
            } else if size(&now.gradient) <= self.with.tolerances.0 {
                break LbfgsEnd::SmallGradient;
            } else if iterations == self.with.iterations {
                break LbfgsEnd::MostIterations;
            } else if evaluations >= self.with.evaluations {
                break LbfgsEnd::MostEvaluations;
            }
            let towards = self.inverse_hessian_times(&now.gradient, self.pairs.len());
            let mut d: Vec<f64> = towards.iter().map(|h| -h).collect();
            if inner(&d, &now.gradient) >= 0.0 {
                self.pairs.clear();
                d = now.gradient.iter().map(|g| -g).collect();
            }
            let sum: f64 = now.gradient.iter().map(|g| g.abs()).sum();
            let length = if self.pairs.is_empty() { self.with.lr * (1.0 / sum).min(1.0) } else { self.with.lr };
            let start = Place { t: 0.0, slope: inner(&d, &now.gradient), ..now.clone() };
            let next = if self.with.searches {
                match self.line(&start, &d, length, self.with.tolerances.1 / size(&d)) {
                    Some(place) => place,
                    None => break LbfgsEnd::NoLower,
                }
            } else {
                let x = now.x.iter().zip(&d).map(|(x, d)| f64::from((x + length * d) as f32)).collect();
                self.evaluate(x, length, &d)
            };
            let s: Vec<f64> = next.x.iter().zip(&now.x).map(|(new, old)| new - old).collect();
            let y: Vec<f64> = next.gradient.iter().zip(&now.gradient).map(|(new, old)| new - old).collect();
            // Curvature along the step: positive, beyond doubt.
            if inner(&s, &y) > 1e-10 * inner(&s, &s).sqrt() * inner(&y, &y).sqrt() {
                self.pairs.push((s.clone(), y));
                if self.pairs.len() > self.with.history {
                    self.pairs.remove(0);
                }
            }
            let change = (next.loss - now.loss).abs();
            now = next;
            iterations += 1;
            if (size(&s) <= self.with.tolerances.1 || change < self.with.tolerances.1)
                && size(&now.gradient) > self.with.tolerances.0
            {
                break LbfgsEnd::SmallChange;
            }
        };
        let evaluations = self.places.len() - before;
        let gradient = now.gradient.iter().fold(0.0, |most: f64, g| if g.is_nan() { f64::NAN } else { most.max(g.abs()) });
        (now.x, LbfgsReport { loss: now.loss, first, gradient, iterations, evaluations, end })
    }
}

/// What the book's algorithms do on the same landscape.
fn expected(landscape: &Landscape<'_>, x: &[f64], with: Settings, calls: usize) -> (Vec<Vec<f64>>, Vec<LbfgsReport>) {
    let mut book = Book { landscape, with, pairs: vec![], places: vec![] };
    let mut x = x.iter().map(|&x| f64::from(x as f32)).collect::<Vec<_>>();
    let mut reports = vec![];
    for _ in 0..calls {
        let (at, report) = book.step(&x);
        reports.push(report);
        x = at;
    }
    book.places.push(x);
    (book.places, reports)
}

/// How often each end was met, to say that all were.
fn agree(what: &str, device: &Device, landscape: &Landscape<'_>, x: &[f64], with: Settings, calls: usize) -> Vec<LbfgsEnd> {
    let (places, reports) = found(device, landscape, x, with, calls);
    let (book_places, book_reports) = expected(landscape, x, with, calls);
    for (i, (found, expected)) in places.iter().zip(&book_places).enumerate() {
        if size(found) > 1e4 && size(expected) > 1e4 {
            // It has left the landscape; out there the last bits decide.
            return vec![];
        }
        // What rounds differently in f64 may come out as another f32.
        let near = found.iter().zip(expected).all(|(f, e)| (f - e).abs() <= 1e-5 * e.abs() + 1e-9 || f.is_nan() && e.is_nan());
        assert!(near, "{what}, {with:?}: evaluation {i} is at {found:?}, not {expected:?}");
    }
    assert_eq!(places.len(), book_places.len(), "{what}, {with:?}: {reports:?}, not {book_reports:?}");
    for (found, expected) in reports.iter().zip(&book_reports) {
        let same = |a: f64, b: f64| (a - b).abs() <= 1e-5 * (1.0 + b.abs()) || a.is_nan() && b.is_nan();
        assert!(
            same(found.loss, expected.loss) && same(found.first, expected.first) && same(found.gradient, expected.gradient),
            "{what}, {with:?}: {found:?}, not {expected:?}"
        );
        assert_eq!(
            (found.iterations, found.evaluations, found.end),
            (expected.iterations, expected.evaluations, expected.end),
            "{what}, {with:?}"
        );
    }
    reports.iter().map(|r| r.end).collect()
}

/// Rosenbrock's valley in as many dimensions as there are.
fn valley(x: &[f64]) -> (f64, Vec<f64>) {
    let (mut loss, mut gradient) = (0.0, vec![0.0; x.len()]);
    for i in 0..x.len() - 1 {
        let (a, b) = (1.0 - x[i], x[i + 1] - x[i] * x[i]);
        loss += a * a + 100.0 * b * b;
        gradient[i] += -2.0 * a - 400.0 * x[i] * b;
        gradient[i + 1] += 200.0 * b;
    }
    (loss, gradient)
}

/// Σ cᵢ g(wᵢ·x), a sum of functions of one variable along random directions.
fn sum_along(x: &[f64], directions: &[(f64, Vec<f64>)], g: impl Fn(f64) -> (f64, f64)) -> (f64, Vec<f64>) {
    let (mut loss, mut gradient) = (0.0, vec![0.0; x.len()]);
    for (c, w) in directions {
        let (value, slope) = g(inner(w, x));
        loss += c * value;
        gradient.iter_mut().zip(w).for_each(|(sum, w)| *sum += c * slope * w);
    }
    (loss, gradient)
}

const SHAPES: usize = 12;

/// Functions of one variable with their derivatives.
fn shape(kind: usize, z: f64) -> (f64, f64) {
    match kind {
        0 => (z * z, 2.0 * z),
        1 => (z.powi(4), 4.0 * z.powi(3)),
        // Minima and maxima in turn, in a wide bowl.
        2 => (z * z / 20.0 - z.cos(), z / 10.0 + z.sin()),
        // Only on one side.
        3 => (z - z.ln(), 1.0 - 1.0 / z),
        // It falls for ever, ever less.
        4 => ((-z).exp(), -(-z).exp()),
        // A straight line to the foot of a wall.
        5 => {
            if z < 30.0 {
                (-z, -1.0)
            } else {
                (-z + (z - 30.0).powi(2), -1.0 + 2.0 * (z - 30.0))
            }
        }
        // The slopes are not those of the loss.
        6 => (z * z, 2.0 * z + 3.0 * (5.0 * z).sin()),
        // Far above 0, so that most of the differences are lost in f32.
        7 => (1000.0 + z * z, 2.0 * z),
        // Stairs: whole numbers.
        8 => ((4.0 * z * z).round() - 40.0, 8.0 * z),
        // A corner.
        9 => (z.abs(), z.signum()),
        // Steep and flat again.
        10 => ((1.0 + z * z).ln() + (3.0 * z).tanh(), 2.0 * z / (1.0 + z * z) + 3.0 / (3.0 * z).cosh().powi(2)),
        // Below 0, and with no more of it beyond.
        _ => {
            if z.abs() < 2.0 {
                (-5.0 + z * z * z / 3.0 + z, z * z + 1.0)
            } else {
                (f64::NAN, f64::NAN)
            }
        }
    }
}

#[test]
fn it_goes_where_the_book_goes() {
    let device = Device::cpu();
    let mut ends = vec![];
    for (n, x) in [(2, vec![-1.2, 1.0]), (5, vec![-1.2, 1.0, 0.5, -0.5, 2.0])] {
        for history in [1, 2, 3, 10] {
            let with = Settings { history, iterations: 15, ..USUAL };
            ends.extend(agree(&format!("the valley in {n} dimensions"), &device, &valley, &x, with, 3));
        }
    }
    for seed in 0..240 {
        let mut next = chance(seed + 1);
        let n = 1 + (next() * 4.0) as usize;
        let kind = seed as usize % SHAPES;
        let terms = if n == 1 { 1 } else { n + 1 };
        let directions: Vec<(f64, Vec<f64>)> = (0..terms)
            .map(|_| (10f64.powf(next() * 3.0 - 1.0), (0..n).map(|_| 2.0 * next() - if kind == 3 { 0.1 } else { 1.0 }).collect()))
            .collect();
        let x: Vec<f64> =
            (0..n).map(|_| next() * if kind == 3 { 3.0 } else { 6.0 } - if kind == 3 { 0.0 } else { 3.0 }).collect();
        let with = Settings {
            lr: [1.0, 1.0, 0.3, 4.0, 30.0, 1e-4][(next() * 6.0) as usize],
            history: 1 + (next() * 4.0) as usize,
            iterations: 1 + (next() * 12.0) as usize,
            evaluations: 1 + (next() * 60.0) as usize,
            tolerances: [(1e-7, 1e-9), (1e-3, 1e-9), (0.0, 0.0), (1e-7, 1e-2), (0.1, 0.1)][(next() * 5.0) as usize],
            searches: next() < 0.85,
        };
        let landscape = |x: &[f64]| sum_along(x, &directions, |z| shape(kind, z));
        ends.extend(agree(&format!("shape {kind}, seed {seed}"), &device, &landscape, &x, with, 2));
    }
    use LbfgsEnd::{MostEvaluations, MostIterations, NoLower, NotFinite, SmallChange, SmallGradient};
    for end in [MostEvaluations, MostIterations, NoLower, NotFinite, SmallChange, SmallGradient] {
        let count = ends.iter().filter(|e| **e == end).count();
        println!("{end:?}: {count}");
        assert!(count > 3, "{end:?}: {count} times");
    }
}
