//! Weights that are computed of others: weight normalisation and spectral normalisation, around any layer.

use super::waiting::Waiting;
use super::{Blueprint, Init, Module, Row, Site, summary};
use crate::error::{Error, Result};
use crate::threads::lock;
use crate::{Shape, Tensor, random};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard};

/// A layer one of whose parameters is read as something that is computed of it.
struct Inner {
    module: Box<dyn Module>,
    /// The parameter's name in the layer.
    name: String,
    weight: Tensor,
    /// The axis that counts the outputs.
    axis: usize,
}

impl Inner {
    fn new(what: &'static str, module: Box<dyn Module>, name: &str, axis: usize) -> Result<Inner> {
        let wrong = |message: String| Error::Config { what, message };
        let named = module.named_parameters();
        let Some((_, weight)) = named.iter().find(|(known, _)| known == name) else {
            let known: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
            return Err(wrong(format!("{} has no parameter `{name}`, it has {known:?}", module.describe())));
        };
        let (weight, shape) = (weight.clone(), weight.try_shape()?);
        if axis >= shape.rank() {
            return Err(wrong(format!("axis {axis} of `{name}`, which is {shape}")));
        }
        Ok(Inner { module, name: name.to_owned(), weight, axis })
    }

    /// The weight's shape with every axis but that of the outputs as 1.
    fn outputs(&self) -> Result<Vec<usize>> {
        let shape = self.weight.try_shape()?;
        Ok((0..shape.rank()).map(|axis| if axis == self.axis { shape.dims()[axis] } else { 1 }).collect())
    }

    /// The axes that are not that of the outputs.
    fn others(&self) -> Vec<isize> {
        let rank = self.weight.try_shape().map_or(0, |s| s.rank());
        (0..rank).filter(|&axis| axis != self.axis).map(|axis| axis as isize).collect()
    }

    /// The weight as a matrix \[outputs, rest\].
    fn matrix(&self) -> Tensor {
        let outputs = self.weight.try_shape().map_or(1, |s| s.dims()[self.axis]);
        let order: Vec<isize> = [self.axis as isize].into_iter().chain(self.others()).collect();
        let rest = self.weight.try_shape().map_or(1, |s| s.numel() / outputs.max(1));
        self.weight.permute(&order).reshape([outputs, rest])
    }

    /// Runs the layer with another weight.
    fn forward(&self, weight: &Tensor, inputs: &[Tensor]) -> Vec<Tensor> {
        Tensor::substitute(&[(&self.weight, weight)], || self.module.forward_all(inputs))
    }

    /// The layer's parameters, the one that is computed with under another name.
    fn visit(&self, end: &str, visit: &mut dyn FnMut(&str, &Tensor)) {
        self.module.visit(&mut |name, parameter| match name == self.name {
            true => visit(&format!("{name}{end}"), parameter),
            false => visit(name, parameter),
        });
    }

    fn visit_mut(&mut self, end: &str, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        let Inner { module, name: own, weight, .. } = self;
        module.visit_mut(&mut |name, parameter| {
            if name != own {
                return visit(name, parameter);
            }
            visit(&format!("{name}{end}"), parameter);
            weight.clone_from(parameter);
        });
    }

    fn blueprint(&self, kind: &str) -> Option<Blueprint> {
        Blueprint::new(kind).set("parameter", self.name.as_str()).set("axis", self.axis).part("inner", &*self.module)
    }

    fn build(what: &'static str, site: &Site<'_>) -> Result<Inner> {
        let made = Inner::new(what, site.part("inner")?, site.blueprint().text("parameter")?, site.size("axis")?);
        made.map_err(|error| site.blueprint().refuse(error.to_string()))
    }

    /// The layer with what its weight was read as.
    fn finished(self, weight: &Tensor) -> Result<Box<dyn Module>> {
        self.weight.copy_from(weight)?;
        Ok(self.module)
    }
}

/// What both wrappers hand on to the layer.
macro_rules! handed_on {
    () => {
        #[track_caller]
        fn forward(&self, x: &Tensor) -> Tensor {
            self.forward_all(std::slice::from_ref(x)).into_iter().next().unwrap_or_else(|| x.clone())
        }

        fn visit_counters(&self, visit: &mut dyn FnMut(&str, &AtomicU64)) {
            self.inner.module.visit_counters(visit);
        }

        fn multiply_adds(&self, input: &Shape, output: &Shape) -> usize {
            self.inner.module.multiply_adds(input, output)
        }

        fn trace(&self, name: &str, x: &Tensor, rows: &mut Vec<Row>) -> Tensor {
            let y = self.forward(x);
            rows.push(Row::of(name, self, x, &y));
            y
        }
    };
}

/// Weight normalisation (Salimans and Kingma 2016) of any layer: its weight is g v / ‖v‖, with a length g and a direction v for each output, which are
/// learned in its place. It begins as the layer is.
///
/// Of a parameter `weight` the parameters are `weight_v` and `weight_g`, as PyTorch's `weight_norm` names them, g with the weight's axes (\[outputs, 1, …\]).
/// A v of zeros gives a weight of zeros.
///
/// ```
/// use steepest::{Device, nn::{Conv2d, Module, WeightNorm}};
/// let device = Device::cpu();
/// let layer = WeightNorm::new(Conv2d::new(&device, 3, 8, 3, 1))?;
/// let names: Vec<String> = layer.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["weight_v", "bias", "weight_g"]);
/// assert_eq!(layer.forward(&device.zeros([1, 3, 5, 5])).shape().dims(), [1, 8, 3, 3]);
/// let plain = layer.finished()?; // a Conv2d again
/// assert_eq!(plain.named_parameters()[0].0, "weight");
/// # Ok::<(), steepest::Error>(())
/// ```
pub struct WeightNorm {
    inner: Inner,
    length: Tensor,
}

impl WeightNorm {
    /// Of the parameter `weight`, whose first axis counts the outputs.
    ///
    /// # Errors
    /// [`Error::Config`]: the layer has no such parameter. As [`Tensor::to_vec`].
    pub fn new(layer: impl Module + 'static) -> Result<WeightNorm> {
        WeightNorm::of(Box::new(layer), "weight", 0)
    }

    /// Of the parameter `name`, whose axis `axis` counts the outputs: 1 for a [`ConvTranspose2d`](super::ConvTranspose2d).
    ///
    /// # Errors
    /// As [`WeightNorm::new`], and an axis that the parameter does not have.
    pub fn of(layer: Box<dyn Module>, name: &str, axis: usize) -> Result<WeightNorm> {
        let inner = Inner::new("weight normalisation", layer, name, axis)?;
        let lengths = inner.weight.l2_norm_keepdim(&inner.others()).detach();
        let shape = inner.outputs()?;
        let zeros = crate::memory::filled("the lengths of weights", shape.iter().product(), 0.0).map_err(Error::NoRoom)?;
        let length = inner.weight.device().parameter(&zeros, shape);
        length.copy_from(&lengths)?;
        Ok(WeightNorm { inner, length })
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let inner = Inner::build("weight normalisation", site)?;
        let shape = inner.outputs()?;
        site.reserve(&[&shape])?;
        let length = Init::Constant(0.0).start("weight_norm", &inner.weight.device(), &shape, (1, 1), 0, 0);
        Ok(Box::new(WeightNorm { inner, length }))
    }

    /// g v / ‖v‖: the weight that the layer is run with.
    pub fn weight(&self) -> Tensor {
        let direction = &self.inner.weight;
        let norm = direction.l2_norm_keepdim(&self.inner.others());
        // Of zeros the direction is none.
        let norm = norm.eq_scalar(0.0).where_(&norm.full_like(1.0), &norm);
        direction.mul(&self.length.div(&norm))
    }

    /// The layer alone, with the weight that it was run with.
    ///
    /// # Errors
    /// As [`Tensor::to_vec`].
    pub fn finished(self) -> Result<Box<dyn Module>> {
        let weight = self.weight();
        self.inner.finished(&weight)
    }
}

impl Module for WeightNorm {
    #[track_caller]
    fn forward_all(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        let _layer = crate::nn::entered(self);
        self.inner.forward(&self.weight(), inputs)
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        self.inner.visit("_v", visit);
        visit(&format!("{}_g", self.inner.name), &self.length);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        self.inner.visit_mut("_v", visit);
        visit(&format!("{}_g", self.inner.name), &mut self.length);
    }

    fn visit_buffers(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        self.inner.module.visit_buffers(visit);
    }

    fn set_training(&self, on: bool) {
        self.inner.module.set_training(on);
    }

    fn blueprint(&self) -> Option<Blueprint> {
        self.inner.blueprint("WeightNorm")
    }

    fn describe(&self) -> String {
        format!("WeightNorm({})", self.inner.module.describe())
    }

    handed_on!();
}

/// Iterations before the first pass.
const FIRST: usize = 15;
/// Below this a vector is taken as it is: PyTorch's ε of a norm.
const SHORTEST: f64 = 1e-12;

/// Spectral normalisation (Miyato et al. 2018) of any layer: its weight is W / σ, where σ is the largest singular value of W as a matrix \[outputs, rest\].
/// So the layer makes no distance larger than it is.
///
/// σ is uᵀ W v with the vectors of a power iteration, v ← Wᵀu / ‖Wᵀu‖ and u ← W v / ‖W v‖, which goes on by one step with every pass in training and
/// begins from a seed with 15 steps; gradients take u and v as given. Of a parameter `weight` there are then `weight_orig` and the buffers `weight_u` and
/// `weight_v`, as PyTorch's `spectral_norm` names them. The buffers are updated as those of [`BatchNorm`](super::BatchNorm) are: with the next
/// step of an optimizer, or when they are needed.
///
/// ```
/// use steepest::{Device, nn::{Linear, Module, SpectralNorm}};
/// let device = Device::cpu();
/// let layer = SpectralNorm::new(Linear::new(&device, 3, 3, 1).without_bias(), 7)?;
/// let (x, y) = (device.tensor(&[1.0, 0.0, 0.0], [1, 3]), device.tensor(&[0.0, 2.0, 0.0], [1, 3]));
/// let moved = (layer.forward(&x) - layer.forward(&y)).l2_norm(&[]).item()?;
/// assert!(moved <= 1.001 * 5f32.sqrt());
/// # Ok::<(), steepest::Error>(())
/// ```
pub struct SpectralNorm {
    inner: Inner,
    /// \[outputs\] and \[rest\].
    u: Tensor,
    v: Tensor,
    iterations: usize,
    state: Mutex<State>,
}

struct State {
    training: bool,
    waiting: Waiting,
}

impl SpectralNorm {
    /// Of the parameter `weight`, whose first axis counts the outputs.
    ///
    /// # Errors
    /// [`Error::Config`]: the layer has no such parameter. As [`Tensor::to_vec`].
    pub fn new(layer: impl Module + 'static, seed: u64) -> Result<SpectralNorm> {
        SpectralNorm::of(Box::new(layer), "weight", 0, seed)
    }

    /// Of the parameter `name`, whose axis `axis` counts the outputs: 1 for a [`ConvTranspose2d`](super::ConvTranspose2d).
    ///
    /// # Errors
    /// As [`SpectralNorm::new`], and an axis that the parameter does not have.
    pub fn of(layer: Box<dyn Module>, name: &str, axis: usize, seed: u64) -> Result<SpectralNorm> {
        let inner = Inner::new("spectral normalisation", layer, name, axis)?;
        let (matrix, device) = (inner.matrix().detach(), inner.weight.device());
        let outputs = matrix.try_shape()?.dims()[0];
        crate::memory::room::<[f32; 2]>(format_args!("{outputs} random numbers"), outputs).map_err(Error::NoRoom)?;
        let mut u = unit(&device.tensor(&random::normal_host(outputs, 0.0, 1.0, seed, 0), outputs));
        let mut v = step(&matrix.t(), &u);
        for _ in 0..FIRST {
            u = step(&matrix, &v);
            v = step(&matrix.t(), &u);
        }
        device.run([&u, &v])?;
        SpectralNorm::with(inner, (u.detach(), v.detach()), 1)
    }

    fn with(inner: Inner, (u, v): (Tensor, Tensor), iterations: usize) -> Result<SpectralNorm> {
        let device = inner.weight.device();
        let kept = |t: &Tensor| {
            let shape = t.try_shape()?;
            let kept = device.filled("spectral_norm", "a vector of spectral normalisation", shape.dims(), 0.0)?;
            kept.copy_from(t)?;
            Ok::<_, Error>(kept)
        };
        let (u, v) = (kept(&u)?, kept(&v)?);
        Ok(SpectralNorm { inner, u, v, iterations, state: Mutex::new(State { training: true, waiting: Waiting::default() }) })
    }

    /// So many steps of the power iteration with every pass in training; 1 unless told.
    pub fn iterations(self, iterations: usize) -> SpectralNorm {
        SpectralNorm { iterations, ..self }
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let inner = Inner::build("spectral normalisation", site)?;
        let (shape, device) = (inner.matrix().try_shape()?, inner.weight.device());
        site.reserve(&[&shape.dims()[..1], &shape.dims()[1..]])?;
        let zeros = |n: usize| device.filled("spectral_norm", "a vector of spectral normalisation", &[n], 0.0);
        let zeros = |n: usize| zeros(n).map_err(|error| site.blueprint().refuse(error.to_string()));
        let start = (zeros(shape.dims()[0])?, zeros(shape.dims()[1])?);
        Ok(Box::new(SpectralNorm::with(inner, start, site.size("iterations")?)?))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// W / σ for the vectors as they are: the weight that the layer is run with in evaluation.
    pub fn weight(&self) -> Tensor {
        self.state().waiting.run(&self.u);
        self.divided(&self.u, &self.v)
    }

    fn divided(&self, u: &Tensor, v: &Tensor) -> Tensor {
        let sigma = step_length(&self.inner.matrix(), u, v);
        // A weight of zeros stays so.
        let sigma = sigma.eq_scalar(0.0).where_(&sigma.full_like(1.0), &sigma);
        self.inner.weight.div(&sigma)
    }

    /// The weight of a pass; in training after a step of the iteration.
    fn next(&self) -> Tensor {
        let mut state = self.state();
        if !state.training || summary::tracing() || self.iterations == 0 {
            state.waiting.run(&self.u);
            return self.divided(&self.u, &self.v);
        }
        if let Some(error) = self.u.device().too_many_rounds("the number of iterations", self.iterations) {
            return self.inner.weight.refuse("spectral_norm", error);
        }
        state.waiting.make_room(&self.u);
        let matrix = self.inner.matrix().detach();
        let (mut u, mut v) = (self.u.clone(), self.v.clone());
        for _ in 0..self.iterations {
            v = step(&matrix.t(), &u);
            u = step(&matrix, &v);
        }
        // p − 1 (−b + 1 p) is b.
        let becomes = |buffer: &Tensor, value: &Tensor| buffer.sgd_update(&value.neg(), None, 1.0, 1.0);
        let updates = vec![becomes(&self.u, &u), becomes(&self.v, &v)];
        state.waiting.add(&self.u, updates, vec![u.clone(), v.clone()]);
        self.divided(&u, &v)
    }

    /// The layer alone, with the weight that it is run with in evaluation.
    ///
    /// # Errors
    /// As [`Tensor::to_vec`].
    pub fn finished(self) -> Result<Box<dyn Module>> {
        let weight = self.weight();
        self.inner.finished(&weight)
    }
}

/// x / max(‖x‖, 10⁻¹²)
fn unit(x: &Tensor) -> Tensor {
    x.div(&x.l2_norm(&[]).clamp(SHORTEST, f64::INFINITY))
}

/// The direction of A x.
fn step(a: &Tensor, x: &Tensor) -> Tensor {
    unit(&a.matmul(&x.unsqueeze(1)).squeeze(&[1]))
}

/// uᵀ A v
fn step_length(a: &Tensor, u: &Tensor, v: &Tensor) -> Tensor {
    a.matmul(&v.unsqueeze(1)).squeeze(&[1]).mul(u).sum(&[])
}

impl Module for SpectralNorm {
    #[track_caller]
    fn forward_all(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        let _layer = crate::nn::entered(self);
        self.inner.forward(&self.next(), inputs)
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        self.inner.visit("_orig", visit);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        self.inner.visit_mut("_orig", visit);
    }

    fn visit_buffers(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        self.inner.module.visit_buffers(visit);
        self.state().waiting.run(&self.u);
        visit(&format!("{}_u", self.inner.name), &self.u);
        visit(&format!("{}_v", self.inner.name), &self.v);
    }

    fn set_training(&self, on: bool) {
        self.state().training = on;
        self.inner.module.set_training(on);
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(self.inner.blueprint("SpectralNorm")?.set("iterations", self.iterations))
    }

    fn describe(&self) -> String {
        format!("SpectralNorm({})", self.inner.module.describe())
    }

    handed_on!();
}
