//! Models whose layers share a parameter (tied weights), built again of their descriptions.
#![allow(clippy::unwrap_used)]

use crate::common;
use std::collections::BTreeMap;
use steepest::nn::*;
use steepest::optim::{Adam, Optimizer};
use steepest::{Device, Tensor, sequential};

/// A language model's ends, of this library's layers: the table is the matrix of the scores too; and two layers of one bias.
pub fn ends(device: &Device) -> Sequential {
    let words = Embedding::new(device, 5, 3, 1);
    let hidden = Linear::new(device, 3, 3, 2);
    let again = Linear::from_parameters(Linear::new(device, 3, 3, 3).weight().clone(), hidden.bias().cloned()).unwrap();
    let scores = Linear::from_parameters(words.weight().clone(), None).unwrap();
    sequential![words, sequential![hidden, Activation::Tanh, again], scores]
}

pub fn step(model: &dyn Module, device: &Device) -> f32 {
    let (x, y) = (device.tensor(&[0u32, 3, 4, 1], 4), device.tensor(&[3u32, 4, 1, 2], 4));
    let loss = model.forward(&x).cross_entropy(&y);
    let gradients = loss.backward();
    Adam::new(model.parameters(), 0.1).step(gradients).unwrap();
    loss.item().unwrap()
}

pub fn state(model: &dyn Module) -> BTreeMap<String, Vec<f32>> {
    model.named_state().into_iter().map(|(name, tensor)| (name, tensor.to_vec().unwrap())).collect()
}

#[test]
fn what_is_built_of_a_description_shares_what_the_model_shares() {
    for device in common::devices("tied weights") {
        let model = ends(&device);
        let blueprint = Blueprint::of(&model).unwrap();
        let lists = [vec!["0.weight", "2.weight"], vec!["1.0.bias", "1.2.bias"]];
        assert_eq!(blueprint.shared(), lists);
        let again = Registry::new().build(&device, &blueprint).unwrap();
        assert_eq!(again.parameter_count(), model.parameter_count());
        assert_eq!(again.parameters().len(), model.parameters().len());
        StateDict::of(&model).unwrap().load(&*again).unwrap();
        for _ in 0..3 {
            assert_eq!(step(&*again, &device), step(&model, &device));
            let ours = state(&*again);
            assert_eq!(ours, state(&model));
            assert!(lists.iter().all(|names| ours[names[0]] == ours[names[1]]));
        }
        // A part of a model may be such a model.
        let whole = Blueprint::new("Sequential").with_part("0", blueprint.clone());
        let inside = Registry::new().build(&device, &whole).unwrap();
        assert_eq!(inside.parameters().len(), model.parameters().len());
        assert_eq!(Blueprint::of(&*inside).unwrap().shared()[0], ["0.0.weight", "0.2.weight"]);
    }
    // What shares nothing is as it was.
    let device = Device::cpu();
    let plain = sequential![Linear::new(&device, 2, 2, 1)];
    assert_eq!(Blueprint::of(&plain), plain.blueprint());
}

/// A layer of one's own that lets nobody exchange its parameter.
struct Closed(Tensor);

impl Module for Closed {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.matmul(&self.0)
    }
    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        visit("weight", &self.0);
    }
    fn blueprint(&self) -> Option<Blueprint> {
        Some(Blueprint::new("Closed"))
    }
}

#[test]
fn what_cannot_be_shared_is_refused_by_name() {
    let device = Device::cpu();
    let build = |blueprint: &Blueprint| {
        let registry =
            Registry::new().register("Closed", |site| Ok(Box::new(Closed(site.device().parameter(&[0.0; 9], [3, 3])))));
        registry.build(&device, blueprint).map(|model| model.parameters().len())
    };
    let refused = |blueprint: &Blueprint, name: &str| {
        let error = build(blueprint).unwrap_err();
        assert!(matches!(&error, steepest::Error::Blueprint { .. }) && error.to_string().contains(name), "{error}");
    };
    let plain = ends(&device).blueprint().unwrap();
    assert_eq!(build(&plain).unwrap(), 6);
    assert_eq!(build(&plain.clone().share(["0.weight", "2.weight"])).unwrap(), 5);
    // A list of one name, and one of two names of one.
    assert_eq!(build(&plain.clone().share(["0.weight"])).unwrap(), 6);
    refused(&plain.clone().share(["0.weight", "9.weight"]), "`9.weight`");
    refused(&plain.clone().share(["0.weight", "1.0.weight"]), "`1.0.weight`");
    refused(&plain.clone().share(["0.weight", "0.weight"]), "`0.weight`");
    refused(&plain.clone().share(["0.weight", "2.weight"]).share(["2.weight", "0.weight"]), "`2.weight`");
    let hidden = Linear::new(&device, 3, 3, 1);
    let closed = Closed(hidden.weight().clone());
    let model = sequential![hidden, closed];
    assert_eq!(build(&model.blueprint().unwrap()).unwrap(), 3);
    refused(&Blueprint::of(&model).unwrap(), "`1.weight`");
}

#[test]
fn every_layer_lets_its_parameters_be_exchanged() {
    let device = Device::cpu();
    let (mut moved, mut still): (Vec<Vec<String>>, Vec<Vec<String>>) = Default::default();
    for (mut model, x) in common::layers::models(&device) {
        model.eval();
        let before = model.forward(&x).to_vec::<f32>().unwrap();
        let names: Vec<String> = {
            let mut names = vec![];
            model.visit(&mut |name, _| names.push(name.to_owned()));
            names
        };
        let (mut found, mut ids) = (vec![], vec![]);
        model.visit_mut(&mut |name, parameter| {
            found.push(name.to_owned());
            // Others of the same numbers: the layer is what it was.
            *parameter = device.parameter(&parameter.to_vec::<f32>().unwrap(), parameter.shape());
            ids.push(parameter.id());
        });
        assert_eq!(found, names);
        let mut now = vec![];
        model.visit(&mut |_, parameter| now.push(parameter.id()));
        assert_eq!(now, ids);
        assert_eq!(model.forward(&x).to_vec::<f32>().unwrap(), before);
        // And those others are what it computes with.
        model.visit(&mut |_, parameter| parameter.set(&vec![0.25; parameter.shape().numel()]).unwrap());
        // Where the last layer is a softmax of one number, nothing moves.
        let y = model.forward(&x).to_vec::<f32>().unwrap();
        if y == before { &mut still } else { &mut moved }.push(names);
    }
    still.retain(|names| !names.is_empty());
    assert!(moved.len() > 4 * still.len(), "{still:?}");
    // A weight that is computed from the one exchanged.
    let given = Linear::new(&device, 3, 3, 1);
    let mut norm = WeightNorm::new(Linear::new(&device, 3, 3, 2)).unwrap();
    norm.visit_mut(&mut |name, parameter| {
        if name == "weight_v" {
            parameter.clone_from(given.weight());
        }
    });
    let x = device.ones([1, 3]);
    given.weight().set(&[0.5; 9]).unwrap();
    let y = norm.forward(&x).to_vec::<f32>().unwrap();
    given.weight().set(&[-0.5; 9]).unwrap();
    assert_ne!(norm.forward(&x).to_vec::<f32>().unwrap(), y);
}
