//! The f64 evaluator: walks a graph and computes every op by its definition. The truth the devices are measured against.

use crate::error::{Error, NoRoom, OpError, Result};
use crate::graph::Tensor;
use crate::graph::node::{Body, Node, Value};
use crate::graph::op::{Array, defined};
use crate::memory;
use crate::platform::waited;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Values that take the place of nodes, by number: given inputs in f64.
pub type Overrides = HashMap<u64, Array>;

/// Computes tensors in f64, from the given values of leaves (else from the values they hold on their device).
///
/// Values computed earlier on a device are computed again here, as far as their history is known.
///
/// # Errors
/// The error an invalid tensor carries, one of reading a leaf, [`OpError::Definition`] for an op without a definition, or [`Error::NoRoom`] for values that do not fit into this program's memory.
pub fn evaluate(roots: &[&Tensor], given: &Overrides) -> Result<Vec<Array>> {
    let device = roots.first().map_or("cpu", |root| root.node().backend().name());
    waited(device, evaluate_async(roots, given))
}

/// [`evaluate`] without blocking: values that leaves hold on a GPU are awaited.
///
/// # Errors
/// As [`evaluate`].
pub async fn evaluate_async(roots: &[&Tensor], given: &Overrides) -> Result<Vec<Array>> {
    let mut nodes: BTreeMap<u64, Arc<Node>> = BTreeMap::new();
    let mut seen = HashSet::new();
    let mut stack: Vec<Arc<Node>> = roots.iter().map(|t| t.node().clone()).collect();
    while let Some(node) = stack.pop() {
        if !seen.insert(node.id()) {
            continue;
        }
        node.spec().clone()?;
        if let (Body::Call { inputs, .. }, false) = (node.body(), given.contains_key(&node.id())) {
            stack.extend(inputs.iter().map(|e| e.node.clone()));
        }
        nodes.insert(node.id(), node);
    }

    let mut values: HashMap<u64, Array> = HashMap::new();
    let mut held = 0u64;
    for (id, node) in nodes {
        let spec = node.spec().clone()?;
        held = held.saturating_add(8 * spec.shape.numel() as u64);
        if held > memory::most() {
            let what = format!("the reference's {} of shape {}", node.op_name(), spec.shape);
            return Err(Error::NoRoom(NoRoom { what, bytes: held, most: memory::most() }));
        }
        let value = match (given.get(&id), node.body()) {
            (Some(array), _) => array.clone(),
            (None, Body::Call { op, inputs }) => {
                let inputs: Vec<&Array> = inputs.iter().map(|e| &values[&e.node.id()]).collect();
                defined(&*op, &inputs, &spec).map_err(|error| Error::op(op.name(), node.at(), error))?
            }
            (None, Body::Leaf | Body::Released) => {
                let words = read(&node).await?;
                Array::new(spec.shape, spec.dtype.unpack(&words, spec.shape.numel()))
            }
        };
        values.insert(id, value);
    }
    Ok(roots.iter().map(|t| values[&t.id()].clone()).collect())
}

/// The words of a node that has a value.
async fn read(node: &Arc<Node>) -> Result<Vec<u32>> {
    match node.value() {
        Some(Value::Host(words)) => Ok(words.to_vec()),
        Some(Value::Stored(stored)) => node.backend().read(stored).await,
        None => Err(Error::op(node.op_name(), node.at(), OpError::Stale("the value was let go".to_owned()))),
    }
}
