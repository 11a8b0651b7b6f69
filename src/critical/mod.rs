//! Critical points: where the gradient of a loss vanishes, is that a minimum, a maximum, a saddle or a plateau, and which way leads on?
//!
//! Near a point θ the loss is about L + gᵀδ + ½ δᵀHδ. Where g = 0 the eigenvalues of the Hessian H decide: all positive, a minimum; all
//! negative, a maximum; both, a saddle, and the loss falls along the eigenvector of a negative one. All of it comes from recorded gradients of
//! gradients: on the device in f32, or on the reference in f64.

mod lanczos;

use crate::eigen::{Symmetric, length};
use crate::error::{At, Error, OpError, Result, finite};
use crate::graph::op::Array;
use crate::graph::{Curvature, Tensor};
use crate::location::recording_for_caller;
use crate::platform::{self, waited};
use crate::reference::{Overrides, evaluate_async};
use crate::shape::Shape;
use std::fmt;

/// The largest number of parameters whose Hessian is computed as a whole.
pub const FULL: usize = crate::graph::curvature::FULL;

/// Where second derivatives are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// On the parameters' device, in f32: eigenvalues are good to about 1e-5 of the largest.
    #[default]
    Device,
    /// By definition, in f64: slow, exact.
    Reference,
}

/// How the spectrum is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// The whole Hessian up to [`FULL`] parameters, Lanczos's method above.
    #[default]
    Auto,
    /// The whole Hessian; an error above [`FULL`] parameters.
    Full,
    /// Only the ends of the spectrum, from Hessian-vector products.
    Lanczos,
}

/// How a point is examined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Where second derivatives are computed.
    pub precision: Precision,
    /// How the spectrum is found.
    pub method: Method,
    /// The gradient's norm up to which a point counts as critical.
    pub gradient: f64,
    /// Eigenvalues of at most this times the largest count as 0; `None` is 1e-4 on a device and 1e-9 on the reference.
    pub flat: Option<f64>,
    /// The most Hessian-vector products Lanczos's method may take.
    pub steps: usize,
    /// The seed of its start.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { precision: Precision::Device, method: Method::Auto, gradient: 1e-3, flat: None, steps: 120, seed: 1 }
    }
}

/// The shape of the surface, by the signs of the eigenvalues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// None negative, some positive. Where some are 0 the second order cannot tell a minimum from what is flat there.
    Minimum,
    /// None positive, some negative.
    Maximum,
    /// Some positive, some negative.
    Saddle,
    /// All 0.
    Plateau,
}

/// The eigenvalues of a Hessian, as far as they are known.
#[derive(Clone, Debug, PartialEq)]
pub enum Spectrum {
    /// All of them, ascending.
    Full(Vec<f64>),
    /// The ends, by Lanczos's method.
    Ends {
        /// The lowest.
        lowest: f64,
        /// The highest.
        highest: f64,
        /// How far these two are off, at most.
        residuals: [f64; 2],
        /// Hessian-vector products taken.
        steps: usize,
    },
}

impl Spectrum {
    /// The lowest eigenvalue.
    pub fn lowest(&self) -> f64 {
        match self {
            Spectrum::Full(values) => values[0],
            Spectrum::Ends { lowest, .. } => *lowest,
        }
    }

    /// The highest eigenvalue.
    pub fn highest(&self) -> f64 {
        match self {
            Spectrum::Full(values) => values[values.len() - 1],
            Spectrum::Ends { highest, .. } => *highest,
        }
    }
}

/// The way out of a saddle or down from a maximum.
#[derive(Clone, Debug, PartialEq)]
pub struct Escape {
    /// The lowest eigenvalue: the loss falls like ½ · this · step².
    pub curvature: f64,
    /// Its unit eigenvector over all parameters, one after the other; of the two directions the one that the gradient does not rise along.
    pub direction: Vec<f64>,
}

/// What was found at a point.
#[derive(Clone, Debug, PartialEq)]
pub struct CriticalPoint {
    /// The loss there.
    pub loss: f64,
    /// The norm of its gradient.
    pub gradient_norm: f64,
    /// Whether that is small enough to call the point critical.
    pub is_critical: bool,
    /// The Hessian's eigenvalues.
    pub spectrum: Spectrum,
    /// Eigenvalues up to this count as 0.
    pub flat: f64,
    /// What their signs say.
    pub kind: Kind,
    /// Share of positive eigenvalues ("minimum ratio"); an estimate where not all are known.
    pub positive: f64,
    /// Share of negative eigenvalues; likewise.
    pub negative: f64,
    /// Where the loss falls; `None` without a negative eigenvalue.
    pub escape: Option<Escape>,
}

/// Examines the point where a loss was recorded: how its gradient and Hessian by `parameters` look.
///
/// ```
/// use steepest::{Device, critical::{Kind, examine}};
/// let device = Device::cpu();
/// let (a, b) = (device.parameter(&[0.0], 1), device.parameter(&[0.0], 1));
/// let loss = (1.0 - &a * &b).square().sum(&[]);
/// let point = examine(&loss, &[&a, &b])?;
/// assert!(point.is_critical && point.kind == Kind::Saddle && point.positive == 0.5);
/// point.leave(&[&a, &b], 0.1)?;
/// let lower = (1.0 - &a * &b).square().sum(&[]);
/// assert!(lower.item()? < 1.0);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// A loss that is not a scalar, is invalid or depends on none of the parameters, something that is no parameter, a loss or Hessian that is not
/// finite, or what the device reports.
#[track_caller]
pub fn examine(loss: &Tensor, parameters: &[&Tensor]) -> Result<CriticalPoint> {
    examine_with(loss, parameters, Options::default())
}

/// [`examine`] with options.
///
/// # Errors
/// As [`examine`], more than [`FULL`] parameters for [`Method::Full`], and limits that are negative or NaN.
#[track_caller]
pub fn examine_with(loss: &Tensor, parameters: &[&Tensor], options: Options) -> Result<CriticalPoint> {
    waited(loss.node().backend().name(), examine_with_async(loss, parameters, options))
}

/// [`examine`] without blocking; see [`examine_with_async`].
///
/// # Errors
/// As [`examine`].
#[track_caller]
pub fn examine_async<'a>(loss: &'a Tensor, parameters: &'a [&'a Tensor]) -> impl Future<Output = Result<CriticalPoint>> + 'a {
    examine_with_async(loss, parameters, Options::default())
}

/// [`examine_with`] without blocking. In a browser the page's loop goes on between products with the Hessian.
///
/// ```
/// use steepest::{Device, critical};
/// let device = Device::cpu();
/// let w = device.parameter(&[0.0, 0.0], 2);
/// let (x, y) = (w.slice(0, ..1), w.slice(0, 1..));
/// let loss = (x.square() - y.square()).sum(&[]);
/// let parameters = [&w];
/// let point = pollster::block_on(critical::examine_with_async(&loss, &parameters, critical::Options::default()))?;
/// assert_eq!(point.kind, critical::Kind::Saddle);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// As [`examine_with`].
#[track_caller]
pub fn examine_with_async<'a>(
    loss: &'a Tensor,
    parameters: &'a [&'a Tensor],
    options: Options,
) -> impl Future<Output = Result<CriticalPoint>> + 'a {
    recording_for_caller(examined(loss, parameters, options, At::caller()))
}

async fn examined(loss: &Tensor, parameters: &[&Tensor], options: Options, at: At) -> Result<CriticalPoint> {
    let fail = |message: String| Error::op("examine", at, OpError::Value(message));
    for (option, value) in [("gradient", options.gradient), ("flat", options.flat.unwrap_or(0.0))] {
        if value.is_nan() || value < 0.0 {
            return Err(fail(format!("{option} is {value}, expected a number that is not negative")));
        }
    }
    let curvature = Curvature::new(loss, parameters)?;
    let hessian = Hessian::new(&curvature, options.precision)?;
    let n = hessian.size;
    if n == 0 {
        return Err(fail("the parameters have no elements".to_owned()));
    }
    if options.method == Method::Full && n > FULL {
        let message =
            format!("{n} parameters are too many for the whole Hessian, which stops at {FULL}; Method::Lanczos finds its ends");
        return Err(fail(message));
    }
    let (value, gradient) = hessian.first_order(loss).await?;
    if !value.is_finite() || gradient.iter().any(|g| !g.is_finite()) {
        return Err(fail(format!("the loss is {value} and its gradient is not finite everywhere")));
    }
    let not_finite = || fail("the Hessian is not finite everywhere".to_owned());
    let relative = options.flat.unwrap_or(if options.precision == Precision::Device { 1e-4 } else { 1e-9 });
    // What is left of a second derivative that is 0, of a loss of this size.
    let floor = value.abs().max(1.0) * if options.precision == Precision::Device { 1e-6 } else { 1e-13 };

    let whole = options.method == Method::Full || (options.method == Method::Auto && n <= FULL);
    let found = if whole { all(&hessian).await? } else { ends(&hessian, &options, relative.max(1e-7)).await? };
    let Found { spectrum, weights, values, lowest_vector } = found.ok_or_else(not_finite)?;
    let flat = (relative * spectrum.lowest().abs().max(spectrum.highest().abs())).max(floor);
    let share =
        |wanted: &dyn Fn(f64) -> bool| weights.iter().zip(&values).filter(|(_, v)| wanted(**v)).fold(0.0, |sum, (w, _)| sum + w);
    let kind = match (spectrum.lowest() < -flat, spectrum.highest() > flat) {
        (false, true) => Kind::Minimum,
        (true, false) => Kind::Maximum,
        (true, true) => Kind::Saddle,
        (false, false) => Kind::Plateau,
    };
    let escape = match spectrum.lowest() < -flat {
        true => {
            Some(Escape { curvature: spectrum.lowest(), direction: downhill(lowest_vector().ok_or_else(not_finite)?, &gradient) })
        }
        false => None,
    };
    let gradient_norm = length(&gradient);
    Ok(CriticalPoint {
        loss: value,
        gradient_norm,
        is_critical: gradient_norm <= options.gradient,
        flat,
        kind,
        positive: share(&|v| v > flat),
        negative: share(&|v| v < -flat),
        spectrum,
        escape,
    })
}

impl CriticalPoint {
    /// Moves the parameters by `step` along the direction of escape: the loss falls by about ½ |curvature| step².
    ///
    /// # Errors
    /// There is no such direction, or the parameters are not those that were examined, or the step is not finite.
    #[track_caller]
    pub fn leave(&self, parameters: &[&Tensor], step: f64) -> Result<()> {
        let device = parameters.first().map_or("cpu", |first| first.node().backend().name());
        waited(device, self.leave_async(parameters, step))
    }

    /// [`CriticalPoint::leave`] without blocking.
    ///
    /// # Errors
    /// As [`CriticalPoint::leave`].
    #[track_caller]
    pub fn leave_async<'a>(&'a self, parameters: &'a [&'a Tensor], step: f64) -> impl Future<Output = Result<()>> + 'a {
        self.left(parameters, step, At::caller())
    }

    async fn left(&self, parameters: &[&Tensor], step: f64, at: At) -> Result<()> {
        let fail = |message: String| Error::op("leave", at, OpError::Value(message));
        if !finite(step) {
            return Err(fail(format!("step is {step}, expected a finite number")));
        }
        let escape = self.escape.as_ref().ok_or_else(|| fail(format!("no eigenvalue is negative: {}", self.verdict())))?;
        let sizes = parameters.iter().map(|p| Ok(p.try_shape()?.numel())).collect::<Result<Vec<_>>>()?;
        if sizes.iter().sum::<usize>() != escape.direction.len() {
            let given = sizes.iter().sum::<usize>();
            return Err(fail(format!("parameters of {given} numbers where {} were examined", escape.direction.len())));
        }
        let mut rest = &escape.direction[..];
        for (parameter, size) in parameters.iter().zip(sizes) {
            let (part, after) = rest.split_at(size);
            rest = after;
            let mut values = parameter.fetch::<f32>().await?;
            values.iter_mut().zip(part).for_each(|(x, d)| *x += (step * d) as f32);
            parameter.set(&values)?;
        }
        Ok(())
    }

    /// The verdict in words.
    pub fn verdict(&self) -> String {
        let shape = match self.kind {
            Kind::Minimum => "minimum",
            Kind::Maximum => "maximum",
            Kind::Saddle => "saddle",
            Kind::Plateau => "plateau",
        };
        match self.is_critical {
            true => shape.to_owned(),
            false => format!("not a critical point (the gradient's norm is {:.3e}); curved like a {shape}", self.gradient_norm),
        }
    }
}

impl fmt::Display for CriticalPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.verdict())?;
        writeln!(f, "  loss {:.6e}, gradient norm {:.3e}", self.loss, self.gradient_norm)?;
        let (low, high) = (self.spectrum.lowest(), self.spectrum.highest());
        match &self.spectrum {
            Spectrum::Full(values) => write!(f, "  {} eigenvalues from {low:.6e} to {high:.6e}", values.len())?,
            Spectrum::Ends { residuals, steps, .. } => {
                let [a, b] = residuals;
                write!(f, "  eigenvalues from {low:.6e} (± {a:.0e}) to {high:.6e} (± {b:.0e}), {steps} products")?;
            }
        }
        let about = if matches!(self.spectrum, Spectrum::Full(_)) { "" } else { "about " };
        let (positive, negative) = (100.0 * self.positive, 100.0 * self.negative);
        let zero = (100.0 - positive - negative).max(0.0);
        write!(f, ": {about}{positive:.1} % positive, {negative:.1} % negative, {zero:.1} % zero (|λ| ≤ {:.0e})", self.flat)?;
        if let Some(escape) = &self.escape {
            write!(f, "\n  the loss falls along an eigenvector of {:.6e}", escape.curvature)?;
        }
        Ok(())
    }
}

/// What is known of a Hessian.
struct Found {
    spectrum: Spectrum,
    values: Vec<f64>,
    /// The share of the spectrum that each value stands for.
    weights: Vec<f64>,
    /// Computes a unit eigenvector of the lowest value, which not everyone wants; `None` where numbers are not finite.
    lowest_vector: Box<dyn FnOnce() -> Option<Vec<f64>>>,
}

/// All eigenvalues, from the whole Hessian; `None` if it is not finite.
async fn all(hessian: &Hessian<'_>) -> Result<Option<Found>> {
    let Some(matrix) = Symmetric::new(hessian.matrix().await?, hessian.size) else { return Ok(None) };
    let Some(values) = matrix.values() else { return Ok(None) };
    let lowest = values[0];
    Ok(Some(Found {
        spectrum: Spectrum::Full(values.clone()),
        weights: vec![1.0 / values.len() as f64; values.len()],
        values,
        lowest_vector: Box::new(move || matrix.lowest_vector(lowest)),
    }))
}

/// The ends of the spectrum, from products; `None` if one is not finite.
async fn ends(hessian: &Hessian<'_>, options: &Options, accuracy: f64) -> Result<Option<Found>> {
    let start = start(hessian.size, options.seed);
    let found = lanczos::ends(async |v: &[f64]| hessian.times(v).await, start, options.steps.max(2), accuracy).await?;
    Ok(found.map(|found| Found {
        spectrum: Spectrum::Ends {
            lowest: found.values[0],
            highest: found.values[found.values.len() - 1],
            residuals: found.residuals,
            steps: found.steps,
        },
        weights: found.weights,
        values: found.values,
        lowest_vector: Box::new(move || Some(found.lowest)),
    }))
}

/// The direction or its opposite, whichever the gradient does not rise along.
fn downhill(mut direction: Vec<f64>, gradient: &[f64]) -> Vec<f64> {
    let slope: f64 = direction.iter().zip(gradient).map(|(d, g)| d * g).sum();
    // Without a slope either way is as good: the one whose largest component is positive, so that the answer is always the same.
    let main = direction.iter().copied().fold(0.0f64, |m, x| if x.abs() > m.abs() * (1.0 + 1e-6) { x } else { m });
    let turn = if slope.abs() > 1e-12 { slope > 0.0 } else { main < 0.0 };
    if turn {
        direction.iter_mut().for_each(|x| *x = -*x);
    }
    direction
}

/// The Hessian as a function of vectors.
struct Hessian<'c> {
    curvature: &'c Curvature,
    shapes: Vec<Shape>,
    size: usize,
    /// On the reference: the recorded product, and the leaves that stand for the vector.
    recorded: Option<(Vec<Tensor>, Vec<Tensor>)>,
}

impl<'c> Hessian<'c> {
    fn new(curvature: &'c Curvature, precision: Precision) -> Result<Hessian<'c>> {
        let shapes = curvature.parameters().iter().map(|p| p.try_shape()).collect::<Result<Vec<_>>>()?;
        let recorded = match precision {
            Precision::Device => None,
            Precision::Reference => {
                let zeros = |(p, shape): (&Tensor, &Shape)| p.device().tensor(&vec![0f32; shape.numel()], *shape);
                let vectors: Vec<Tensor> = curvature.parameters().iter().zip(&shapes).map(zeros).collect();
                Some((curvature.times(&vectors.iter().collect::<Vec<_>>())?, vectors))
            }
        };
        Ok(Hessian { curvature, size: curvature.size(), shapes, recorded })
    }

    /// The loss and its gradient.
    async fn first_order(&self, loss: &Tensor) -> Result<(f64, Vec<f64>)> {
        let gradient = self.curvature.gradient();
        if self.recorded.is_some() {
            let roots: Vec<&Tensor> = std::iter::once(loss).chain(&gradient).collect();
            let mut values = evaluate_async(&roots, &Overrides::new()).await?.into_iter();
            let loss = values.next().map_or(f64::NAN, |a| a.data[0]);
            return Ok((loss, values.flat_map(|a| a.data).collect()));
        }
        loss.device().run_async(std::iter::once(loss).chain(&gradient)).await?;
        Ok((f64::from(loss.fetch_item().await?), flat(&gradient).await?))
    }

    async fn times(&self, v: &[f64]) -> Result<Vec<f64>> {
        platform::let_page_go_on().await;
        let mut rest = v;
        let mut parts = self.shapes.iter().map(|shape| {
            let (part, after) = rest.split_at(shape.numel());
            rest = after;
            part
        });
        match &self.recorded {
            Some((product, vectors)) => {
                let given: Overrides = vectors
                    .iter()
                    .zip(&self.shapes)
                    .map(|(t, shape)| (t.id(), Array::new(*shape, parts.next().unwrap_or_default().to_vec())))
                    .collect();
                Ok(evaluate_async(&product.iter().collect::<Vec<_>>(), &given).await?.into_iter().flat_map(|a| a.data).collect())
            }
            None => {
                let given = |(p, shape): (&Tensor, &Shape)| {
                    let part: Vec<f32> = parts.next().unwrap_or_default().iter().map(|&x| x as f32).collect();
                    p.device().tensor(&part, *shape)
                };
                let vectors: Vec<Tensor> = self.curvature.parameters().iter().zip(&self.shapes).map(given).collect();
                let product = self.curvature.times(&vectors.iter().collect::<Vec<_>>())?;
                product[0].device().run_async(&product).await?;
                flat(&product).await
            }
        }
    }

    /// All of it, row by row, and symmetric: f32 leaves small differences.
    async fn matrix(&self) -> Result<Vec<f64>> {
        let n = self.size;
        let mut rows = Vec::with_capacity(n * n);
        let mut unit = vec![0.0; n];
        for i in 0..n {
            unit[i] = 1.0;
            rows.extend(self.times(&unit).await?);
            unit[i] = 0.0;
        }
        for i in 0..n {
            for j in 0..i {
                let mean = (rows[i * n + j] + rows[j * n + i]) / 2.0;
                (rows[i * n + j], rows[j * n + i]) = (mean, mean);
            }
        }
        Ok(rows)
    }
}

async fn flat(tensors: &[Tensor]) -> Result<Vec<f64>> {
    let mut all = vec![];
    for tensor in tensors {
        all.extend(tensor.fetch::<f32>().await?.into_iter().map(f64::from));
    }
    Ok(all)
}

/// A random unit vector.
fn start(n: usize, seed: u64) -> Vec<f64> {
    let mut v: Vec<f64> = crate::random::normal_host(n, 0.0, 1.0, seed, 0).into_iter().map(f64::from).collect();
    let scale = 1.0 / length(&v);
    v.iter_mut().for_each(|x| *x *= scale);
    v
}
