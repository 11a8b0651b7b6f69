//! Drawing by what tensors say: weights, probabilities, rates. What needs more or fewer random numbers as it goes is drawn on the host, from Philox
//! too: the same numbers on every device. It waits for the values, like reading.

use super::create::{collected, room};
use crate::error::{At, Error, OpError, Result};
use crate::graph::Tensor;
use crate::graph::op::DType;
use crate::location::recording_for_caller;
use crate::ops::random::Stream;
use crate::ops::random::draw;
use crate::platform::waited;
use crate::shape::Shape;

impl Tensor {
    /// `count` places drawn by their weights from each line of the last axis, `[n]` → `[count]` or `[rows, n]` → `[rows, count]`, as u32: with
    /// `replacement` each with probability weight / Σ weights; without it one after the other from those that are left. A weight of 0 is never
    /// drawn. Waits for the weights; [`Tensor::categorical`] draws one place by logits and does not.
    ///
    /// The numbers follow from the seed, the line and the weights alone.
    ///
    /// ```
    /// use steepest::Device;
    /// let weights = Device::cpu().tensor(&[0.0, 1.0, 3.0], 3);
    /// let drawn = weights.multinomial(1000, true, 7)?.to_vec::<u32>()?;
    /// let twos = drawn.iter().filter(|&&place| place == 2).count();
    /// assert!(!drawn.contains(&0) && (700..800).contains(&twos));
    /// let mut both = weights.multinomial(2, false, 7)?.to_vec::<u32>()?;
    /// both.sort();
    /// assert_eq!(both, [1, 2]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// Weights that are negative or not finite, or all 0; without replacement fewer that are not 0 than are to be drawn; another rank or type; what
    /// the device reports.
    #[track_caller]
    pub fn multinomial(&self, count: usize, replacement: bool, seed: u64) -> Result<Tensor> {
        waited(self.node().backend().name(), self.multinomial_async(count, replacement, seed))
    }

    /// [`Tensor::multinomial`] without blocking.
    ///
    /// # Errors
    /// As [`Tensor::multinomial`].
    #[track_caller]
    pub fn multinomial_async<'a>(
        &'a self,
        count: usize,
        replacement: bool,
        seed: u64,
    ) -> impl Future<Output = Result<Tensor>> + 'a {
        recording_for_caller(self.multinomial_at(count, replacement, seed, At::caller()))
    }

    async fn multinomial_at(&self, count: usize, replacement: bool, seed: u64, at: At) -> Result<Tensor> {
        let fail = |error| Error::op("multinomial", at, error);
        let (shape, n) = match self.spec()? {
            spec if spec.dtype != DType::F32 => {
                return Err(fail(OpError::DType(format!("the weights are {spec}, expected f32; convert with to_f32()"))));
            }
            spec => match *spec.shape.dims() {
                [n] => (vec![count], n),
                [rows, n] => (vec![rows, count], n),
                _ => return Err(fail(OpError::Shape(format!("weights {}: [n] or [rows,n] is expected", spec.shape)))),
            },
        };
        let rows = if let [rows, _] = shape[..] { rows } else { 1 };
        Shape::new(&shape).map_err(fail)?;
        let weights = self.fetch::<f32>().await?;
        let mut drawn = room("multinomial", rows * count).map_err(fail)?;
        // Of lines of which nothing is drawn there may be more than anyone counts.
        for row in 0..if count == 0 { 0 } else { rows } {
            let line = &weights[row * n..][..n];
            let places = draw::places(&mut Stream::new(seed, row as u64), line, count, replacement, &mut drawn);
            places.map_err(|what| fail(OpError::Value(format!("line {row}: {what}"))))?;
        }
        Ok(self.device().tensor(&drawn, shape))
    }

    /// Numbers of events, one for each element, which is the mean: whole numbers with Poisson's distribution, as f32. A mean of 0 gives 0. Waits
    /// for the means; the numbers follow from seed, place and mean.
    ///
    /// # Errors
    /// A mean that is negative or not finite, another type than f32, or what the device reports.
    #[track_caller]
    pub fn poisson(&self, seed: u64) -> Result<Tensor> {
        waited(self.node().backend().name(), self.poisson_async(seed))
    }

    /// [`Tensor::poisson`] without blocking.
    ///
    /// # Errors
    /// As [`Tensor::poisson`].
    #[track_caller]
    pub fn poisson_async<'a>(&'a self, seed: u64) -> impl Future<Output = Result<Tensor>> + 'a {
        recording_for_caller(self.poisson_at(seed, At::caller()))
    }

    async fn poisson_at(&self, seed: u64, at: At) -> Result<Tensor> {
        self.drawn("poisson", "mean", |mean| mean >= 0.0, seed, draw::poisson, at).await
    }

    /// Numbers with a gamma distribution, one for each element, which is the shape α of density x^(α−1) e^−x / Γ(α); divide by a rate to scale. Waits
    /// for the shapes; the numbers follow from seed, place and shape. Numbers too small for f32 are its smallest: the logarithm is finite.
    ///
    /// # Errors
    /// A shape that is not above 0 or not finite, another type than f32, or what the device reports.
    #[track_caller]
    pub fn gamma(&self, seed: u64) -> Result<Tensor> {
        waited(self.node().backend().name(), self.gamma_async(seed))
    }

    /// [`Tensor::gamma`] without blocking.
    ///
    /// # Errors
    /// As [`Tensor::gamma`].
    #[track_caller]
    pub fn gamma_async<'a>(&'a self, seed: u64) -> impl Future<Output = Result<Tensor>> + 'a {
        recording_for_caller(self.gamma_at(seed, At::caller()))
    }

    async fn gamma_at(&self, seed: u64, at: At) -> Result<Tensor> {
        self.drawn("gamma", "shape", |shape| shape > 0.0, seed, draw::gamma, at).await
    }

    /// Numbers in 0..1 with a beta distribution, of density x^(α−1) (1 − x)^(β−1) / B(α, β): this tensor is α, another of its shape β. By two gamma
    /// numbers; see [`Tensor::gamma`].
    ///
    /// # Errors
    /// Two shapes, and as [`Tensor::gamma`].
    #[track_caller]
    pub fn beta(&self, other: &Tensor, seed: u64) -> Result<Tensor> {
        waited(self.node().backend().name(), self.beta_async(other, seed))
    }

    /// [`Tensor::beta`] without blocking.
    ///
    /// # Errors
    /// As [`Tensor::beta`].
    #[track_caller]
    pub fn beta_async<'a>(&'a self, other: &'a Tensor, seed: u64) -> impl Future<Output = Result<Tensor>> + 'a {
        recording_for_caller(self.beta_at(other, seed, At::caller()))
    }

    async fn beta_at(&self, other: &Tensor, seed: u64, at: At) -> Result<Tensor> {
        let (a, b) = (self.try_shape()?, other.try_shape()?);
        if a != b {
            return Err(Error::op("beta", at, OpError::Shape(format!("α is {a} and β is {b}: one shape is expected"))));
        }
        let pair = self.drawn("beta", "α", |shape| shape > 0.0, seed, draw::log_gamma, at).await?;
        let pair = pair.stack(&[&other.drawn("beta", "β", |shape| shape > 0.0, seed ^ 1 << 63, draw::log_gamma, at).await?], 0);
        Ok(pair.softmax(0).slice(0, ..1).squeeze(&[0]).detach())
    }

    /// Shares that add up to 1 along the last axis, with Dirichlet's distribution: this tensor is the concentrations. By gamma numbers; see
    /// [`Tensor::gamma`].
    ///
    /// # Errors
    /// As [`Tensor::gamma`]; a number without an axis.
    #[track_caller]
    pub fn dirichlet(&self, seed: u64) -> Result<Tensor> {
        waited(self.node().backend().name(), self.dirichlet_async(seed))
    }

    /// [`Tensor::dirichlet`] without blocking.
    ///
    /// # Errors
    /// As [`Tensor::dirichlet`].
    #[track_caller]
    pub fn dirichlet_async<'a>(&'a self, seed: u64) -> impl Future<Output = Result<Tensor>> + 'a {
        recording_for_caller(self.dirichlet_at(seed, At::caller()))
    }

    async fn dirichlet_at(&self, seed: u64, at: At) -> Result<Tensor> {
        if self.try_shape()?.rank() == 0 {
            return Err(Error::op("dirichlet", at, OpError::Shape("a number has no axis of concentrations".to_owned())));
        }
        Ok(self.drawn("dirichlet", "concentration", |shape| shape > 0.0, seed, draw::log_gamma, at).await?.softmax(-1).detach())
    }

    /// One number for each element, drawn on the host from the element's own stream.
    async fn drawn(
        &self,
        name: &'static str,
        option: &str,
        fits: impl Fn(f64) -> bool,
        seed: u64,
        draw: impl Fn(&mut Stream, f64) -> f64,
        at: At,
    ) -> Result<Tensor> {
        let shape = self.try_shape()?;
        let numbers = self.fetch::<f32>().await?;
        if let Some((k, x)) = numbers.iter().enumerate().find(|(_, x)| !x.is_finite() || !fits(f64::from(**x))) {
            let message = format!("{option} {k} is {x}, expected a finite number of the distribution's range");
            return Err(Error::op(name, at, OpError::Value(message)));
        }
        let drawn = numbers.iter().enumerate().map(|(k, &x)| draw(&mut Stream::new(seed, k as u64), f64::from(x)) as f32);
        let drawn = collected(name, drawn).map_err(|error| Error::op(name, at, error))?;
        Ok(self.device().tensor(&drawn, shape))
    }
}
