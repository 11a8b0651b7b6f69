//! The guard against disconnected graphs: why a parameter gets no gradient, and which op on the way from it to the loss cut it off.

use super::node::{Body, Node, Tensor};
use crate::error::{Error, OpError};
use rustc_hash::FxHashSet;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// `(input, reader)`: gradients that a reader's rule did not hand on to its input.
pub(super) type Refusals = FxHashSet<(u64, u64)>;

/// Why a parameter has no gradient.
#[derive(Clone, Debug)]
pub enum Missing {
    /// The loss was computed without it.
    Unused,
    /// It was used, and an op cut it off: an [`OpError::Disconnected`] that names the op and its line.
    Disconnected(Error),
}

/// Everything a value was computed from, as far as histories are known; inputs have smaller numbers than what reads them.
fn ancestors(root: &Arc<Node>) -> BTreeMap<u64, Arc<Node>> {
    let mut found = BTreeMap::from([(root.id(), root.clone())]);
    let mut stack = vec![root.clone()];
    while let Some(node) = stack.pop() {
        let Body::Call { inputs, .. } = node.body() else { continue };
        for edge in inputs.iter() {
            if found.insert(edge.node.id(), edge.node.clone()).is_none() {
                stack.push(edge.node.clone());
            }
        }
    }
    found
}

/// The first cut on the way from a parameter that has no gradient.
pub(super) fn reason(root: &Tensor, parameter: &Tensor, refusals: &Refusals) -> Missing {
    let nodes = ancestors(root.node());
    if !nodes.contains_key(&parameter.id()) {
        return Missing::Unused;
    }
    cut(&nodes, parameter.node(), refusals).map_or(Missing::Unused, Missing::Disconnected)
}

/// For a value no gradient can be taken of: the cut that is to blame, if a parameter leads to it at all.
pub(super) fn anything(root: &Tensor) -> Option<Error> {
    let nodes = ancestors(root.node());
    let parameters = nodes.values().filter(|n| n.requires_grad() && matches!(n.body(), Body::Leaf));
    parameters.filter_map(|parameter| cut(&nodes, parameter, &Refusals::default())).next()
}

fn cut(nodes: &BTreeMap<u64, Arc<Node>>, parameter: &Arc<Node>, refusals: &Refusals) -> Option<Error> {
    // Nodes that a gradient could come through to the parameter, in recording order.
    let mut carriers = HashSet::from([parameter.id()]);
    for (&id, node) in nodes.range(parameter.id() + 1..) {
        let Body::Call { op, inputs } = node.body() else { continue };
        let mut carried = inputs.iter().map(|e| e.node.id()).filter(|input| carriers.contains(input)).peekable();
        if carried.peek().is_none() {
            continue;
        }
        let why = match node.spec() {
            _ if op.detaches() => "it was asked to",
            Ok(spec) if !spec.dtype.is_float() => {
                "its output is not a float, and nothing flows back through integers and truth values"
            }
            _ if !node.requires_grad() => "it was recorded in a no_grad block",
            _ if carried.any(|input| refusals.contains(&(input, id))) => "it has no gradient by this input",
            _ => {
                carriers.insert(id);
                continue;
            }
        };
        let message = format!(
            "it cuts the parameter made at {} off from the loss ({why}); the parameter is used in the forward pass and gets no gradient",
            parameter.at()
        );
        return Some(Error::op(op.name(), node.at(), OpError::Disconnected(message)));
    }
    None
}
