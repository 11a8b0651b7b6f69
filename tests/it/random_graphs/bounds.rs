//! How far a device may be off, value by value, over a whole graph.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use steepest::Tensor;
use steepest::graph::Array;
use steepest::graph::node::{Body, Node, Value};
use steepest::ops::case::Gen;
pub use steepest::ops::propagate::Judged;

/// Walks the graph of the roots in f64 with an error beside every number.
pub fn judge(roots: &[&Tensor], seed: u64) -> Vec<Judged> {
    let mut nodes: BTreeMap<u64, Arc<Node>> = BTreeMap::new();
    let mut stack: Vec<Arc<Node>> = roots.iter().map(|t| t.node().clone()).collect();
    while let Some(node) = stack.pop() {
        if let Body::Call { inputs, .. } = node.body() {
            stack.extend(inputs.iter().filter(|e| !nodes.contains_key(&e.node.id())).map(|e| e.node.clone()));
        }
        nodes.insert(node.id(), node);
    }
    let mut g = Gen::new(seed);
    let mut judged: HashMap<u64, Judged> = HashMap::new();
    for (id, node) in nodes {
        let spec = node.spec().clone().unwrap();
        let found = match node.body() {
            Body::Call { op, inputs } => {
                let inputs: Vec<&Judged> = inputs.iter().map(|e| &judged[&e.node.id()]).collect();
                Judged::of(&*op, &inputs, &spec, &mut g)
            }
            Body::Leaf | Body::Released => {
                // Nothing of this graph has run: what was given is still here.
                let Some(Value::Host(words)) = node.value() else { panic!("{node:?} has no value") };
                Judged::exact(Array::new(spec.shape, spec.dtype.unpack(&words, spec.shape.numel())))
            }
        };
        judged.insert(id, found);
    }
    roots.iter().map(|t| judged[&t.id()].clone()).collect()
}
