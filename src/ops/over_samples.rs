//! What was recorded of one sample, for many samples at once: every value gets a leading axis that counts the samples.

use super::elementwise::Pointwise;
use super::layout::{Embed, Expand, Permute, Reshape, Run, Slice};
use super::matmul::Matmul;
use super::reduce::Reduce;
use super::softmax::Softmax;
use super::softmax::cross_entropy::{CrossEntropy, CrossEntropyGrad};
use crate::error::{Error, OpError, Result};
use crate::graph::node::{Body, Node, on_behalf_of};
use crate::graph::op::Op;
use crate::graph::{Tensor, record, record_shared};
use crate::shape::Shape;
use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// An input of a call.
struct Input {
    /// With the samples as first axis if it depends on them.
    tensor: Tensor,
    by_sample: bool,
    /// Of one sample.
    shape: Shape,
}

impl Input {
    /// The tensor with axes of size 1 after that of the samples, so that it broadcasts with one of this rank, samples not counted.
    fn of_rank(&self, rank: usize) -> Option<Tensor> {
        if !self.by_sample || self.shape.rank() >= rank {
            return Some(self.tensor.clone());
        }
        let samples = self.tensor.try_shape().ok()?.dims()[0];
        let mut dims = vec![1; rank + 1 - self.shape.rank()];
        dims[0] = samples;
        dims.extend(self.shape.dims());
        Some(self.tensor.reshape(dims))
    }
}

impl Tensor {
    /// These tensors for all samples, `[n, ..tensor]`, where they were recorded for one: in the place of the first of each pair, which is one sample's, is
    /// the second, all samples' with one more axis in front. A random mask is the same for all.
    ///
    /// Calls that only move, reduce, multiply or work element by element become one call for all samples; another becomes n calls.
    ///
    /// # Errors
    /// Something that was let go, an update in place, or what recording refuses: more axes than there may be.
    pub(crate) fn over_samples(outputs: &[Tensor], samples: &[(Tensor, Tensor)], n: usize) -> Result<Vec<Tensor>> {
        let first = samples.iter().map(|(one, _)| one.id()).min().unwrap_or(u64::MAX);
        let mut by_sample: HashMap<u64, Tensor> = samples.iter().map(|(one, all)| (one.id(), all.clone())).collect();
        for node in recorded_since(first, outputs).into_values() {
            if by_sample.contains_key(&node.id()) {
                continue;
            }
            let Body::Call { op, inputs } = node.body() else { continue };
            if !inputs.iter().any(|edge| by_sample.contains_key(&edge.node.id())) {
                continue;
            }
            let mut given = Vec::with_capacity(inputs.len());
            for edge in &inputs {
                let shape = edge.node.spec().clone()?.shape;
                given.push(match by_sample.get(&edge.node.id()) {
                    Some(all) => Input { tensor: all.clone(), by_sample: true, shape },
                    None => Input { tensor: Tensor::of(edge.node.clone()), by_sample: false, shape },
                });
            }
            if !op.mutates().is_empty() || inputs.iter().any(|edge| edge.node.version() != edge.version) {
                let message = "it cannot be computed for several samples".to_owned();
                return Err(Error::op(op.name(), node.at(), OpError::Value(message)));
            }
            let made = on_behalf_of(node.at(), || call(&node, &op, &given, n))?;
            by_sample.insert(node.id(), made);
        }
        let mut found = Vec::with_capacity(outputs.len());
        for output in outputs {
            found.push(match by_sample.get(&output.id()) {
                Some(all) => all.clone(),
                None => output.expand([&[n][..], output.try_shape()?.dims()].concat()),
            });
        }
        Ok(found)
    }
}

/// What the outputs were computed from, as far as it was recorded after `first`: only that can depend on it. By number, which is a valid order.
fn recorded_since(first: u64, outputs: &[Tensor]) -> BTreeMap<u64, Arc<Node>> {
    let mut found = BTreeMap::new();
    let mut stack: Vec<Arc<Node>> = outputs.iter().map(|output| output.node().clone()).collect();
    while let Some(node) = stack.pop() {
        if node.id() < first || found.contains_key(&node.id()) {
            continue;
        }
        if let Body::Call { inputs, .. } = node.body() {
            stack.extend(inputs.iter().map(|edge| edge.node.clone()));
        }
        found.insert(node.id(), node);
    }
    found
}

/// A call for all samples.
fn call(node: &Arc<Node>, op: &Arc<dyn Op>, inputs: &[Input], n: usize) -> Result<Tensor> {
    let spec = node.spec().clone()?;
    let expected = [&[n][..], spec.shape.dims()].concat();
    let fits = |made: &Tensor| made.spec().is_ok_and(|made| made.shape.dims() == expected && made.dtype == spec.dtype);
    if let Some(made) = at_once(&**op, inputs, n, spec.shape).filter(fits) {
        return Ok(made);
    }
    let mut each = Vec::with_capacity(n);
    for i in 0..n as isize {
        let of_sample = |input: &Input| match input.by_sample {
            true => input.tensor.slice(0, i..i + 1).reshape(input.shape),
            false => input.tensor.clone(),
        };
        let given: Vec<Tensor> = inputs.iter().map(of_sample).collect();
        each.push(record_shared(node.backend(), op.clone(), &given.iter().collect::<Vec<_>>()));
    }
    let Some((first, others)) = each.split_first() else {
        return Err(Error::op(op.name(), node.at(), OpError::Value("there are no samples".to_owned())));
    };
    let made = first.stack(&others.iter().collect::<Vec<_>>(), 0);
    made.check()?;
    Ok(made)
}

/// As one call, for the ops that can have an axis more.
fn at_once(op: &dyn Op, inputs: &[Input], n: usize, output: Shape) -> Option<Tensor> {
    let op: &dyn Any = op;
    let with = |shape: &Shape| Shape::new(&[&[n][..], shape.dims()].concat()).ok();
    let all = || Run { start: 0, step: 1, count: n };
    if let Some(op) = op.downcast_ref::<Pointwise>() {
        let aligned = inputs.iter().map(|input| input.of_rank(output.rank())).collect::<Option<Vec<_>>>()?;
        return Some(record(*op, &aligned.iter().collect::<Vec<_>>()));
    }
    if op.is::<Matmul>() {
        let rank = inputs.iter().map(|input| input.shape.rank()).max()?;
        let (a, b) = (inputs.first()?.of_rank(rank)?, inputs.get(1)?.of_rank(rank)?);
        return Some(record(*op.downcast_ref::<Matmul>()?, &[&a, &b]));
    }
    if (op.is::<CrossEntropy>() || op.is::<CrossEntropyGrad>()) && inputs.iter().all(|input| input.by_sample) {
        // Row by row: those of all samples are the rows of one.
        let rows = |input: &Input| {
            let (first, rest) = input.shape.dims().split_first()?;
            Some(input.tensor.reshape([&[n.checked_mul(*first)?][..], rest].concat()))
        };
        let rows = inputs.iter().map(rows).collect::<Option<Vec<_>>>()?;
        let rows: Vec<&Tensor> = rows.iter().collect();
        let made = if op.is::<CrossEntropy>() { record(CrossEntropy, &rows) } else { record(CrossEntropyGrad, &rows) };
        return Some(made.reshape(with(&output)?));
    }
    let [input] = inputs else { return None };
    let x = &input.tensor;
    if let Some(op) = op.downcast_ref::<Reshape>() {
        Some(record(Reshape { shape: with(&op.shape)? }, &[x]))
    } else if let Some(op) = op.downcast_ref::<Permute>() {
        let order = std::iter::once(0).chain(op.order.iter().map(|axis| axis + 1)).collect();
        Some(record(Permute { order }, &[x]))
    } else if let Some(op) = op.downcast_ref::<Expand>() {
        Some(record(Expand { shape: with(&op.shape)? }, &[&input.of_rank(op.shape.rank())?]))
    } else if let Some(op) = op.downcast_ref::<Slice>() {
        let runs = std::iter::once(all()).chain(op.runs.iter().cloned()).collect();
        Some(record(Slice { runs }, &[x]))
    } else if let Some(op) = op.downcast_ref::<Embed>() {
        let runs = std::iter::once(all()).chain(op.runs.iter().cloned()).collect();
        Some(record(Embed { runs, shape: with(&op.shape)?, value: op.value }, &[x]))
    } else if let Some(op) = op.downcast_ref::<Reduce>() {
        let axes = op.axes.iter().map(|axis| axis + 1).collect();
        Some(record(Reduce { kind: op.kind, axes, keepdim: op.keepdim }, &[x]))
    } else {
        op.downcast_ref::<Softmax>().map(|op| record(Softmax { axis: op.axis + 1, log: op.log }, &[x]))
    }
}
