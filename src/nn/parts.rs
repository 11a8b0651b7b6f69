//! `parts!`: what a module made of modules and tensors needs besides its forward pass, written from the names of its fields.

use super::Module;
use crate::error::{At, Error, OpError, Result};
use crate::{DType, Tensor, pattern};
use std::collections::{HashMap, HashSet};

/// Writes what a [`Module`](crate::nn::Module) made of parts needs besides `forward`: `visit`, `visit_mut`, `visit_buffers`, `visit_counters`
/// and `set_training`, handed on to the named fields. Goes inside the `impl` block.
///
/// The fields' names are the parameters' names, or their prefixes. A field may be any module, or a `Tensor` that is a parameter, or a `Box`, `Option`
/// or `Vec` of one. Tensors that belong to the model and are not learned are named after `buffers:`.
///
/// ```
/// use steepest::{Device, Tensor, nn::{Linear, Module}};
///
/// struct Mixture { experts: Vec<Linear>, share: Tensor, bias: Option<Tensor>, centre: Tensor }
///
/// impl Module for Mixture {
///     fn forward(&self, x: &Tensor) -> Tensor {
///         let x = x - &self.centre;
///         let each = self.experts.iter().zip(0..).map(|(expert, i)| expert.forward(&x) * self.share.slice(0, i..i + 1));
///         let sum = each.reduce(|sum, y| sum + y).unwrap_or_else(|| x.clone());
///         self.bias.iter().fold(sum, |sum, bias| sum + bias)
///     }
///     steepest::parts!(experts, share, bias; buffers: centre);
/// }
///
/// let device = Device::cpu();
/// let experts = (0..2).map(|seed| Linear::new(&device, 3, 1, seed)).collect();
/// let (share, centre) = (device.parameter(&[0.5, 0.5], 2), device.tensor(&[1.0, 2.0, 3.0], 3));
/// let model = Mixture { experts, share, bias: None, centre };
/// let names: Vec<String> = model.named_state().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["experts.0.weight", "experts.0.bias", "experts.1.weight", "experts.1.bias", "share", "centre"]);
/// assert_eq!((model.parameter_count(), model.named_buffers().len()), (10, 1));
/// ```
#[macro_export]
macro_rules! parts {
    (buffers: $($buffer:ident),+ $(,)?) => {
        fn visit_buffers(&self, visit: &mut dyn FnMut(&str, &$crate::Tensor)) {
            $($crate::nn::Part::tensors(&self.$buffer, stringify!($buffer), visit);)+
        }
    };
    ($($part:ident),+ $(,)? $(; buffers: $($buffer:ident),+ $(,)?)?) => {
        fn visit(&self, visit: &mut dyn FnMut(&str, &$crate::Tensor)) {
            $($crate::nn::Part::each(&self.$part, stringify!($part), &mut |prefix, module| {
                module.visit(&mut |name, parameter| visit(&format!("{prefix}.{name}"), parameter));
            });
            $crate::nn::Part::tensors(&self.$part, stringify!($part), visit);)+
        }
        fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut $crate::Tensor)) {
            $($crate::nn::Part::each_mut(&mut self.$part, stringify!($part), &mut |prefix, module| {
                module.visit_mut(&mut |name, parameter| visit(&format!("{prefix}.{name}"), parameter));
            });
            $crate::nn::Part::tensors_mut(&mut self.$part, stringify!($part), visit);)+
        }
        fn visit_buffers(&self, visit: &mut dyn FnMut(&str, &$crate::Tensor)) {
            $($crate::nn::Part::each(&self.$part, stringify!($part), &mut |prefix, module| {
                module.visit_buffers(&mut |name, buffer| visit(&format!("{prefix}.{name}"), buffer));
            });)+
            $($($crate::nn::Part::tensors(&self.$buffer, stringify!($buffer), visit);)+)?
        }
        fn visit_counters(&self, visit: &mut dyn FnMut(&str, &::std::sync::atomic::AtomicU64)) {
            $($crate::nn::Part::each(&self.$part, stringify!($part), &mut |prefix, module| {
                module.visit_counters(&mut |name, counter| visit(&format!("{prefix}.{name}"), counter));
            });)+
        }
        fn set_training(&self, on: bool) {
            $($crate::nn::Part::each(&self.$part, stringify!($part), &mut |_, module| module.set_training(on));)+
        }
    };
}

/// A field that [`parts!`](crate::parts) accepts.
pub trait Part {
    /// Hands every module of the field to `visit`, with its name.
    fn each(&self, name: &str, visit: &mut dyn FnMut(&str, &dyn Module));

    /// Hands every tensor to `visit` that is itself the field, or in it, and no module's.
    fn tensors(&self, name: &str, visit: &mut dyn FnMut(&str, &Tensor)) {
        let _ = (name, visit);
    }

    /// As [`Part::each`], of modules whose parameters may be exchanged.
    fn each_mut(&mut self, name: &str, visit: &mut dyn FnMut(&str, &mut dyn Module)) {
        let _ = (name, visit);
    }

    /// As [`Part::tensors`], of tensors that may be exchanged.
    fn tensors_mut(&mut self, name: &str, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        let _ = (name, visit);
    }
}

impl<M: Module> Part for M {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&str, &dyn Module)) {
        visit(name, self);
    }

    fn each_mut(&mut self, name: &str, visit: &mut dyn FnMut(&str, &mut dyn Module)) {
        visit(name, self);
    }
}

impl Part for Tensor {
    fn each(&self, _: &str, _: &mut dyn FnMut(&str, &dyn Module)) {}

    fn tensors(&self, name: &str, visit: &mut dyn FnMut(&str, &Tensor)) {
        visit(name, self);
    }

    fn tensors_mut(&mut self, name: &str, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        visit(name, self);
    }
}

impl<P: Part> Part for Option<P> {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&str, &dyn Module)) {
        self.iter().for_each(|part| part.each(name, visit));
    }

    fn tensors(&self, name: &str, visit: &mut dyn FnMut(&str, &Tensor)) {
        self.iter().for_each(|part| part.tensors(name, visit));
    }

    fn each_mut(&mut self, name: &str, visit: &mut dyn FnMut(&str, &mut dyn Module)) {
        self.iter_mut().for_each(|part| part.each_mut(name, visit));
    }

    fn tensors_mut(&mut self, name: &str, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        self.iter_mut().for_each(|part| part.tensors_mut(name, visit));
    }
}

/// Named by position: `blocks.0`.
impl<P: Part> Part for Vec<P> {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&str, &dyn Module)) {
        self.iter().enumerate().for_each(|(i, part)| part.each(&format!("{name}.{i}"), visit));
    }

    fn tensors(&self, name: &str, visit: &mut dyn FnMut(&str, &Tensor)) {
        self.iter().enumerate().for_each(|(i, part)| part.tensors(&format!("{name}.{i}"), visit));
    }

    fn each_mut(&mut self, name: &str, visit: &mut dyn FnMut(&str, &mut dyn Module)) {
        self.iter_mut().enumerate().for_each(|(i, part)| part.each_mut(&format!("{name}.{i}"), visit));
    }

    fn tensors_mut(&mut self, name: &str, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        self.iter_mut().enumerate().for_each(|(i, part)| part.tensors_mut(&format!("{name}.{i}"), visit));
    }
}

/// Named by key: `heads.colour`.
impl<P: Part> Part for std::collections::BTreeMap<String, P> {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&str, &dyn Module)) {
        self.iter().for_each(|(key, part)| part.each(&format!("{name}.{key}"), visit));
    }

    fn tensors(&self, name: &str, visit: &mut dyn FnMut(&str, &Tensor)) {
        self.iter().for_each(|(key, part)| part.tensors(&format!("{name}.{key}"), visit));
    }

    fn each_mut(&mut self, name: &str, visit: &mut dyn FnMut(&str, &mut dyn Module)) {
        self.iter_mut().for_each(|(key, part)| part.each_mut(&format!("{name}.{key}"), visit));
    }

    fn tensors_mut(&mut self, name: &str, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        self.iter_mut().for_each(|(key, part)| part.tensors_mut(&format!("{name}.{key}"), visit));
    }
}

/// What [`Module::forward_all`] gives where `model` is not called with as many inputs as it takes: an invalid tensor that says so (nothing without any
/// input).
#[track_caller]
pub fn wrong_inputs(model: &str, inputs: &[Tensor], expected: usize) -> Vec<Tensor> {
    let message = format!("{} inputs, {model} takes {expected}", inputs.len());
    inputs.first().map(|x| x.refuse("forward_all", OpError::Value(message))).into_iter().collect()
}

/// That a given parameter is f32.
pub(super) fn is_f32(op: &'static str, what: &str, given: &Tensor, at: At) -> Result<()> {
    let spec = given.spec()?;
    if spec.dtype == DType::F32 {
        return Ok(());
    }
    Err(Error::op(op, at, OpError::DType(format!("the {what} is {spec}, expected f32"))))
}

/// The parameters of a model under all their names: one that several layers share has several.
pub(super) fn all_names(model: &(impl Module + ?Sized)) -> Vec<(String, Tensor)> {
    let mut found = vec![];
    model.visit(&mut |name, parameter| found.push((name.to_owned(), parameter.clone())));
    found
}

/// Which parameters of a model have several names, because several layers share them (tied weights): those names, a list for each.
pub(super) fn shared_names(model: &(impl Module + ?Sized)) -> Vec<Vec<String>> {
    let (mut lists, mut of): (Vec<Vec<String>>, HashMap<u64, usize>) = Default::default();
    model.visit(&mut |name, parameter| {
        let list = *of.entry(parameter.id()).or_insert(lists.len());
        if list == lists.len() {
            lists.push(vec![]);
        }
        lists[list].push(name.to_owned());
    });
    lists.retain(|names| names.len() > 1);
    lists
}

/// Has the parameters of each list of names be one. The error says what is in the way.
pub(super) fn share(model: &mut dyn Module, lists: &[Vec<String>]) -> Result<(), String> {
    let named: HashMap<String, Tensor> = all_names(model).into_iter().collect();
    let mut given: HashMap<&str, &Tensor> = HashMap::new();
    for names in lists {
        let mut one: Option<(&str, &Tensor)> = None;
        for name in names {
            let parameter =
                named.get(name).ok_or_else(|| format!("there is no parameter `{name}`, which layers are to share"))?;
            let (first, one) = *one.get_or_insert((name, parameter));
            let (expected, found) = (one.try_shape().ok(), parameter.try_shape().ok());
            if expected.is_none() || expected != found {
                return Err(format!("`{name}` cannot be the same parameter as `{first}`: they have other shapes"));
            }
            if given.insert(name, one).is_some() {
                return Err(format!("`{name}` is named twice among the parameters that layers share"));
            }
        }
    }
    model.visit_mut(&mut |name, parameter| {
        if let Some(&one) = given.get(name) {
            parameter.clone_from(one);
        }
    });
    let mut kept = None;
    model.visit(&mut |name, parameter| {
        if given.get(name).is_some_and(|one| one.id() != parameter.id()) {
            kept.get_or_insert(name.to_owned());
        }
    });
    match kept {
        None => Ok(()),
        Some(name) => {
            Err(format!("layers share `{name}`, and the layer that has it lets nobody exchange it (`Module::visit_mut`)"))
        }
    }
}

/// Freezes those of the parameters that a pattern means, or has them learned again; says how many they are.
pub(super) fn set_frozen(named: &[(String, Tensor)], names: &str, on: bool) -> Result<usize> {
    pattern::check(names, named.iter().map(|(name, _)| name.as_str()))?;
    let mut meant: Vec<&Tensor> = named.iter().filter(|(name, _)| pattern::matches(names, name)).map(|(_, p)| p).collect();
    let mut seen = HashSet::new();
    meant.retain(|parameter| seen.insert(parameter.id()));
    meant.iter().for_each(|parameter| parameter.set_frozen(on));
    Ok(meant.len())
}

/// Runs `f` with other tensors in the place of a model's parameters or buffers of these names: for weights that are computed (an average of models, a step
/// that is itself differentiated). Gradients flow to what they were computed from.
///
/// ```
/// use steepest::{Device, nn::{self, Module}};
/// let device = Device::cpu();
/// let (model, x) = (nn::mlp(&device, &[2, 3, 1], 1), device.ones([1, 2]));
/// // One step of gradient descent inside the graph (Finn et al. 2017), as a function of the weight that it starts from.
/// let weight = &model.named_parameters()[0].1;
/// let gradient = model.forward(&x).square().sum(&[]).backward().wrt(weight)?;
/// let stepped = weight - gradient * 0.1;
/// let y = nn::with_parameters(&model, &[("0.weight", &stepped)], || model.forward(&x))?;
/// assert!(y.square().sum(&[]).backward().get(weight)?.is_some());
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::Config`]: a name that the model does not have, or a tensor of another shape or type.
pub fn with_parameters<R>(model: &dyn Module, values: &[(&str, &Tensor)], f: impl FnOnce() -> R) -> Result<R> {
    let named = model.named_state();
    let wrong = |message: String| Error::Config { what: "parameters", message };
    let mut pairs = vec![];
    for (name, value) in values {
        let known = named.iter().find(|(known, _)| known == name);
        let (_, old) = known.ok_or_else(|| wrong(format!("the model has none that is called `{name}`")))?;
        let (expected, found) = (old.spec()?, value.spec()?);
        if (expected.shape, expected.dtype) != (found.shape, found.dtype) {
            return Err(wrong(format!("`{name}` is {expected}, {found} is given in its place")));
        }
        pairs.push((old, *value));
    }
    Ok(Tensor::substitute(&pairs, f))
}
