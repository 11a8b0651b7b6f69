//! Layers without parameters that move nothing or only shapes, and functions as layers.

use super::{Blueprint, Module, Site};
use crate::Tensor;
use crate::error::{OpError, Result};

/// Hands its input on: a place for a layer that is not there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity;

impl Module for Identity {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        x.clone()
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(Blueprint::new("Identity"))
    }
}

impl Identity {
    pub(super) fn build(_: &Site<'_>) -> Result<Box<dyn Module>> {
        Ok(Box::new(Identity))
    }
}

/// An axis counted from either end, as a setting: Rust's numbers of things have no sign.
fn axis_setting(axis: isize) -> String {
    axis.to_string()
}

fn axis_of(site: &Site<'_>, name: &str) -> Result<isize> {
    let text = site.blueprint().text(name)?;
    text.parse().map_err(|_| site.blueprint().refuse(format!("`{name}` is {text:?}, expected an axis")))
}

/// The axes from `first` to `last`, both included, as one; [`Flatten`](super::Flatten) is this from 1 to the last. Axes count from the end where they
/// are negative. No axis of that number, and an end before the beginning, are errors.
///
/// ```
/// use steepest::{Device, nn::{FlattenAxes, Module, Unflatten}};
/// let x = Device::cpu().zeros([2, 3, 4, 5]);
/// let flat = FlattenAxes::new(1, -2).forward(&x);
/// assert_eq!(flat.shape().dims(), [2, 12, 5]);
/// assert_eq!(Unflatten::new(1, [3, 4]).forward(&flat).shape(), x.shape());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FlattenAxes {
    first: isize,
    last: isize,
}

impl FlattenAxes {
    /// The axes from `first` to `last`.
    pub fn new(first: isize, last: isize) -> FlattenAxes {
        FlattenAxes { first, last }
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        Ok(Box::new(FlattenAxes::new(axis_of(site, "first")?, axis_of(site, "last")?)))
    }
}

impl Module for FlattenAxes {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        let Ok(shape) = x.try_shape() else { return x.clone() };
        if shape.rank() == 0 {
            return x.reshape([1]);
        }
        match (shape.axis(self.first), shape.axis(self.last)) {
            (Ok(first), Ok(last)) if first <= last => {
                let (before, rest) = shape.dims().split_at(first);
                let (these, after) = rest.split_at(last - first + 1);
                x.reshape([before, &[these.iter().product()], after].concat())
            }
            (Ok(_), Ok(_)) => {
                x.refuse("flatten", OpError::Value(format!("axes {} to {} of {shape}: the end is first", self.first, self.last)))
            }
            (Err(error), _) | (_, Err(error)) => x.refuse("flatten", error),
        }
    }

    fn blueprint(&self) -> Option<Blueprint> {
        let (first, last) = (axis_setting(self.first), axis_setting(self.last));
        Some(Blueprint::new("FlattenAxes").set("first", first.as_str()).set("last", last.as_str()))
    }

    fn describe(&self) -> String {
        format!("FlattenAxes({} to {})", self.first, self.last)
    }
}

/// One axis as several of these sizes: the opposite of [`FlattenAxes`].
#[derive(Clone, Debug)]
pub struct Unflatten {
    axis: isize,
    sizes: Vec<usize>,
}

impl Unflatten {
    /// Axis `axis` as axes of `sizes`, whose product is its size.
    pub fn new(axis: isize, sizes: impl Into<Vec<usize>>) -> Unflatten {
        Unflatten { axis, sizes: sizes.into() }
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        Ok(Box::new(Unflatten::new(axis_of(site, "axis")?, site.blueprint().sizes("sizes")?)))
    }
}

impl Module for Unflatten {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        let Ok(shape) = x.try_shape() else { return x.clone() };
        let axis = match shape.axis(self.axis) {
            Ok(axis) => axis,
            Err(error) => return x.refuse("unflatten", error),
        };
        let product = self.sizes.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
        if product != Some(shape.dims()[axis]) {
            return x.refuse("unflatten", OpError::Shape(format!("axis {axis} of {shape} is not of the sizes {:?}", self.sizes)));
        }
        x.reshape([&shape.dims()[..axis], &self.sizes, &shape.dims()[axis + 1..]].concat()).made_by("unflatten", &[x])
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(Blueprint::new("Unflatten").set("axis", axis_setting(self.axis).as_str()).set("sizes", &self.sizes[..]))
    }

    fn describe(&self) -> String {
        format!("Unflatten({} → {:?})", self.axis, self.sizes)
    }
}

/// Any function of a tensor as a layer. It has no blueprint: a file cannot hold a function.
///
/// ```
/// use steepest::{Device, nn::{Function, Linear, Module}, sequential};
/// let device = Device::cpu();
/// let model = sequential![Linear::new(&device, 2, 4, 1), Function::new("double", |x| x * 2.0)];
/// assert_eq!(model.forward(&device.zeros([1, 2])).shape().dims(), [1, 4]);
/// assert!(model.blueprint().is_none());
/// ```
pub struct Function {
    name: String,
    function: Box<dyn Fn(&Tensor) -> Tensor + Send + Sync>,
}

impl Function {
    /// The function, and what summaries call it.
    pub fn new(name: impl Into<String>, function: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static) -> Function {
        Function { name: name.into(), function: Box::new(function) }
    }
}

impl Module for Function {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        (self.function)(x)
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}
