//! How far a device may be off, value by value: the class bound of each op, and what the errors of its inputs become on the way through it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use steepest::Tensor;
use steepest::graph::node::{Body, Node, Value};
use steepest::graph::{Array, DType};
use steepest::ops::case::Gen;
use steepest::ops::class_of;

/// A value by the reference, and how far a device may be off at each element.
#[derive(Clone)]
pub struct Judged {
    pub value: Array,
    pub bound: Vec<f64>,
}

/// Errors are sampled at their full size with these many sets of random signs, besides all up and all down.
const SAMPLES: usize = 6;
/// Where the answer is an index or a truth value, two numbers must move toward each other to be seen trading places: more are needed.
const DECISIONS: usize = 48;
/// What sampling may miss.
const SAFETY: f64 = 2.0;

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
                let exact: Vec<&Array> = inputs.iter().map(|j| &j.value).collect();
                let value = op.reference(&exact, &spec);
                let mut bound = class_of(&*op, &exact).bounds(&*op, &exact, &spec, &value);
                let mut passed_on = vec![0.0f64; value.data.len()];
                if inputs.iter().any(|j| j.bound.iter().any(|b| *b > 0.0)) {
                    let samples = if spec.dtype == DType::F32 { SAMPLES } else { DECISIONS };
                    for sample in 0..samples + 2 {
                        let moved: Vec<Array> = inputs.iter().map(|j| shifted(j, sample, &mut g)).collect();
                        let out = op.reference(&moved.iter().collect::<Vec<_>>(), &spec);
                        for ((worst, a), b) in passed_on.iter_mut().zip(&out.data).zip(&value.data) {
                            let gap = (a - b).abs();
                            *worst = worst.max(if gap.is_nan() { f64::INFINITY } else { gap });
                        }
                    }
                }
                bound.iter_mut().zip(&passed_on).for_each(|(b, p)| *b += SAFETY * p);
                // An index or a truth value is right or undecided.
                if spec.dtype != DType::F32 {
                    bound.iter_mut().zip(&passed_on).for_each(|(b, p)| *b = *p);
                }
                Judged { value, bound }
            }
            Body::Leaf | Body::Released => {
                // Nothing of this graph has run: what was given is still here.
                let Some(Value::Host(words)) = node.value() else { panic!("{node:?} has no value") };
                let value = Array::new(spec.shape, spec.dtype.unpack(&words, spec.shape.numel()));
                Judged { bound: vec![0.0; value.data.len()], value }
            }
        };
        judged.insert(id, found);
    }
    roots.iter().map(|t| judged[&t.id()].clone()).collect()
}

/// A value moved by its error.
fn shifted(judged: &Judged, sample: usize, g: &mut Gen) -> Array {
    let sign = |g: &mut Gen| match sample {
        0 => 1.0,
        1 => -1.0,
        _ => {
            if g.bits() & 1 == 0 {
                1.0
            } else {
                -1.0
            }
        }
    };
    let data = judged
        .value
        .data
        .iter()
        .zip(&judged.bound)
        .map(|(x, b)| if b.is_finite() { x + sign(g) * b } else { f64::NAN })
        .collect();
    Array::new(judged.value.shape, data)
}
