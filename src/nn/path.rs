//! Which layer of a model is at work: what every layer says on its way in, for errors, plans, profiles and traces.

use super::{Blueprint, Module, Row};
pub(crate) use crate::location::{KeptPath, Within, into_numbered, into_part};
use crate::location::{LayerPath, into_container, into_layer, layer_of, on_behalf_of_caller};
use crate::{Shape, Tensor};
use std::sync::atomic::AtomicU64;

/// On the way into a layer: until the result goes, what is recorded has the line that called the layer, and its path.
#[track_caller]
pub(crate) fn entered<M: Module + ?Sized>(layer: &M) -> Within {
    into_layer(kind::<M>, || own_path(layer))
}

/// [`entered`] of a layer of many parameters, which keeps its path.
#[track_caller]
pub(crate) fn entered_as<M: Module + ?Sized>(layer: &M, kept: &KeptPath) -> Within {
    into_layer(kind::<M>, || kept.or(|| own_path(layer)))
}

/// [`entered`] of a container: its parts have numbers or names, which say enough.
#[track_caller]
pub(crate) fn entered_container<M: Module + ?Sized>(container: &M, kept: &KeptPath) -> Within {
    into_container(|| kept.or(|| own_path(container)))
}

/// The name of a type, without the modules it is in and what it is generic over.
fn kind<M: ?Sized>() -> &'static str {
    let name = std::any::type_name::<M>();
    let name = name.split('<').next().unwrap_or_default();
    name.rsplit("::").next().unwrap_or_default()
}

/// The path of a layer by the name that its first parameter has in the model.
fn own_path<M: Module + ?Sized>(layer: &M) -> Option<LayerPath> {
    let mut first = None;
    layer.visit(&mut |name, parameter| {
        first.get_or_insert_with(|| layer_of(parameter.node().name(), name));
    });
    first.flatten()
}

/// A layer in a box is that layer. What is called through `dyn Module` does not know who called it; the box does.
impl<M: Module + ?Sized> Module for Box<M> {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _line = on_behalf_of_caller();
        (**self).forward(x)
    }

    #[track_caller]
    fn forward_all(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        let _line = on_behalf_of_caller();
        (**self).forward_all(inputs)
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        (**self).visit(visit);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        (**self).visit_mut(visit);
    }

    fn visit_buffers(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        (**self).visit_buffers(visit);
    }

    fn visit_counters(&self, visit: &mut dyn FnMut(&str, &AtomicU64)) {
        (**self).visit_counters(visit);
    }

    fn blueprint(&self) -> Option<Blueprint> {
        (**self).blueprint()
    }

    fn set_training(&self, on: bool) {
        (**self).set_training(on);
    }

    fn describe(&self) -> String {
        (**self).describe()
    }

    fn trace(&self, name: &str, x: &Tensor, rows: &mut Vec<Row>) -> Tensor {
        (**self).trace(name, x, rows)
    }

    fn trace_all(&self, name: &str, inputs: &[Tensor], rows: &mut Vec<Row>) -> Vec<Tensor> {
        (**self).trace_all(name, inputs, rows)
    }

    fn multiply_adds(&self, input: &Shape, output: &Shape) -> usize {
        (**self).multiply_adds(input, output)
    }
}
