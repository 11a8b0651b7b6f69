//! Layers one after the other.

use super::path::{KeptPath, entered_container, into_numbered};
use super::{Activation, Blueprint, Init, Linear, Module, Row, Site};
use crate::error::Result;
use crate::{Device, Tensor};
use std::sync::atomic::AtomicU64;

/// \[n, a, b, …\] → \[n, a·b·…\]: every row as one vector.
#[derive(Clone, Copy, Debug)]
pub struct Flatten;

impl Module for Flatten {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        match x.try_shape() {
            Ok(shape) if shape.rank() > 0 => x.reshape([shape.dims()[0], shape.dims()[1..].iter().product()]),
            _ => x.reshape([1, 1]),
        }
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(Blueprint::new("Flatten"))
    }
}

impl Flatten {
    pub(super) fn build(_: &Site<'_>) -> Result<Box<dyn Module>> {
        Ok(Box::new(Flatten))
    }
}

/// Layers one after the other; parameters are named by position, `0.weight`.
///
/// ```
/// use steepest::{Device, nn::{Activation, Linear, Module, Sequential}};
/// let device = Device::cpu();
/// let model = Sequential::new()
///     .add(Linear::new(&device, 2, 8, 1))
///     .add(Activation::Tanh)
///     .add(Linear::new(&device, 8, 1, 2));
/// assert_eq!(model.forward(&device.zeros([5, 2])).shape().dims(), [5, 1]);
/// assert_eq!(model.parameter_count(), 33);
/// ```
#[derive(Default)]
pub struct Sequential {
    layers: Vec<Box<dyn Module>>,
    path: KeptPath,
}

impl Sequential {
    /// No layers: the identity.
    pub fn new() -> Sequential {
        Sequential::default()
    }

    /// One more layer at the end.
    #[allow(clippy::should_implement_trait)]
    pub fn add(mut self, layer: impl Module + 'static) -> Sequential {
        self.layers.push(Box::new(layer));
        self
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        Ok(Box::new(Sequential { layers: site.parts()?, path: KeptPath::default() }))
    }

    /// The layers.
    pub fn layers(&self) -> &[Box<dyn Module>] {
        &self.layers
    }
}

impl Module for Sequential {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = entered_container(self, &self.path);
        self.layers.iter().enumerate().fold(x.clone(), |x, (i, layer)| {
            let _part = into_numbered(i);
            layer.forward(&x)
        })
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        for (i, layer) in self.layers.iter().enumerate() {
            layer.visit(&mut |name, parameter| visit(&format!("{i}.{name}"), parameter));
        }
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        for (i, layer) in self.layers.iter_mut().enumerate() {
            layer.visit_mut(&mut |name, parameter| visit(&format!("{i}.{name}"), parameter));
        }
    }

    fn visit_buffers(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        for (i, layer) in self.layers.iter().enumerate() {
            layer.visit_buffers(&mut |name, buffer| visit(&format!("{i}.{name}"), buffer));
        }
    }

    fn visit_counters(&self, visit: &mut dyn FnMut(&str, &AtomicU64)) {
        for (i, layer) in self.layers.iter().enumerate() {
            layer.visit_counters(&mut |name, counter| visit(&format!("{i}.{name}"), counter));
        }
    }

    fn set_training(&self, on: bool) {
        self.layers.iter().for_each(|layer| layer.set_training(on));
    }

    fn blueprint(&self) -> Option<Blueprint> {
        let mut blueprint = Blueprint::new("Sequential");
        for (i, layer) in self.layers.iter().enumerate() {
            blueprint = blueprint.part(i.to_string(), &**layer)?;
        }
        Some(blueprint)
    }

    fn describe(&self) -> String {
        format!("Sequential({} layers)", self.layers.len())
    }

    #[track_caller]
    fn trace(&self, name: &str, x: &Tensor, rows: &mut Vec<Row>) -> Tensor {
        let part = |i: usize| if name.is_empty() { i.to_string() } else { format!("{name}.{i}") };
        let _layer = entered_container(self, &self.path);
        self.layers.iter().enumerate().fold(x.clone(), |x, (i, layer)| {
            let _part = into_numbered(i);
            layer.trace(&part(i), &x, rows)
        })
    }
}

/// Layers one after the other, as a [`Sequential`](crate::nn::Sequential).
///
/// ```
/// use steepest::{Device, nn::{Activation, Linear, Module}, sequential};
/// let device = Device::cpu();
/// let model = sequential![Linear::new(&device, 2, 8, 1), Activation::Tanh, Linear::new(&device, 8, 1, 2)];
/// assert_eq!(model.parameter_count(), 33);
/// ```
#[macro_export]
macro_rules! sequential {
    ($($layer:expr),* $(,)?) => {
        $crate::nn::Sequential::new()$(.add($layer))*
    };
}

/// A multi-layer perceptron: linear layers of the given sizes with ReLUs between them, started by Kaiming's rule.
///
/// ```
/// use steepest::{Device, nn::{self, Module}};
/// let model = nn::mlp(&Device::cpu(), &[784, 256, 128, 10], 0);
/// assert_eq!(model.parameter_count(), 235_146);
/// ```
#[track_caller]
pub fn mlp(device: &Device, sizes: &[usize], seed: u64) -> Sequential {
    let mut model = Sequential::new();
    for (i, pair) in sizes.windows(2).enumerate() {
        if i > 0 {
            model = model.add(Activation::Relu);
        }
        // Each layer draws from its own seed, far from those of neighbours.
        let seed = seed.wrapping_add((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        model = model.add(Linear::with_init(device, pair[0], pair[1], Init::KaimingNormal, Init::Constant(0.0), seed));
    }
    model
}
