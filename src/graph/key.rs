//! The part of a graph that one run computes, in canonical order, and its structural key.

use super::node::{Body, Edge, Node};
use super::op::{Op, Spec};
use crate::error::{Error, OpError, Result};
use crate::shape::Shape;
// Node ids are ours: nobody can choose them to collide, so the hash can be a fast one.
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use smallvec::SmallVec;
use std::hash::Hasher;
use std::sync::Arc;

/// What one run computes: calls in recording order (updates last), and the values they start from.
pub struct Graph {
    /// Values given to the run, in the order in which the calls first read them.
    pub leaves: Vec<Arc<Node>>,
    /// Calls; each reads leaves and earlier calls only.
    pub calls: Vec<Call>,
    /// Two runs with equal keys have the same plan.
    pub key: Vec<u32>,
}

/// One call to compute.
pub struct Call {
    /// The recorded node.
    pub node: Arc<Node>,
    /// The op.
    pub op: Arc<dyn Op>,
    /// What it reads.
    pub inputs: SmallVec<[Source; 3]>,
    /// Its shape and type.
    pub spec: Spec,
    /// Whether its value outlives the run: the user holds a tensor to it.
    pub kept: bool,
}

/// What a call reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// A given value.
    Leaf(usize),
    /// The value of an earlier call.
    Call(usize),
}

impl Graph {
    /// Collects the calls that `roots` need and that have no value yet.
    ///
    /// # Errors
    /// The error an invalid tensor carries, or [`OpError::Spent`] where a parameter was updated after a call that reads it was recorded.
    pub fn collect(roots: &[Arc<Node>]) -> Result<Graph> {
        let mut pending = Vec::with_capacity(64);
        let mut seen = FxHashSet::with_capacity_and_hasher(64, Default::default());
        let mut stack: Vec<Arc<Node>> = Vec::with_capacity(64);
        stack.extend(roots.iter().rev().cloned());
        while let Some(node) = stack.pop() {
            if !seen.insert(node.id()) {
                continue;
            }
            if let Err(error) = node.spec() {
                return Err(error.clone());
            }
            if node.has_value() {
                continue;
            }
            let updates = node.with_body(|body| {
                let Body::Call { op, inputs } = body else { return Ok(None) };
                for edge in inputs {
                    if edge.node.version() != edge.version {
                        return Err(Error::op(op.name(), node.at(), spent(&edge.node)));
                    }
                    if !seen.contains(&edge.node.id()) {
                        stack.push(edge.node.clone());
                    }
                }
                Ok(Some(!op.mutates().is_empty()))
            })?;
            let Some(updates) = updates else {
                let message = "this value was let go and cannot be computed again".to_owned();
                return Err(Error::op(node.op_name(), node.at(), OpError::Spent(message)));
            };
            pending.push((updates, node));
        }
        // Recording order is a valid order, and the same in every round of a loop. Updates go last: all others read the old values.
        pending.sort_unstable_by_key(|(updates, node)| (*updates, node.id()));

        // About as many words as a call's name, shapes and inputs take.
        let key = Vec::with_capacity(16 * pending.len());
        let mut graph = Graph { leaves: vec![], calls: Vec::with_capacity(pending.len()), key };
        let mut sources: FxHashMap<u64, Source> = FxHashMap::with_capacity_and_hasher(2 * pending.len(), Default::default());
        let mut overwritten = FxHashSet::default();
        for (_, node) in pending {
            let call = node.with_body(|body| match body {
                Body::Call { op, inputs } => graph.call(&node, op, inputs, roots, &mut sources, &mut overwritten).map(Some),
                // Its value came while others were looked at: another thread's run.
                Body::Leaf | Body::Released => Ok(None),
            })?;
            if let Some(call) = call {
                sources.insert(node.id(), Source::Call(graph.calls.len()));
                graph.calls.push(call);
            }
        }
        Ok(graph)
    }

    /// A call with its part of the key.
    fn call(
        &mut self,
        node: &Arc<Node>,
        op: &Arc<dyn Op>,
        edges: &[Edge],
        roots: &[Arc<Node>],
        sources: &mut FxHashMap<u64, Source>,
        overwritten: &mut FxHashSet<Source>,
    ) -> Result<Call> {
        let spec = *node.spec().as_ref().map_err(Clone::clone)?;
        let name = name_hash(op.name());
        let params = op.params();
        self.key.extend([name as u32, (name >> 32) as u32, params.len() as u32]);
        self.key.extend(params);
        let mut inputs = SmallVec::with_capacity(edges.len());
        self.key.push(edges.len() as u32);
        for edge in edges {
            let source = match sources.get(&edge.node.id()) {
                Some(&source) => source,
                None => {
                    let leaf = Source::Leaf(self.leaves.len());
                    self.key.push(u32::MAX);
                    push_spec(&mut self.key, edge.node.spec().as_ref().map_err(Clone::clone)?);
                    self.leaves.push(edge.node.clone());
                    sources.insert(edge.node.id(), leaf);
                    leaf
                }
            };
            self.key.push(match source {
                Source::Leaf(i) => 2 * i as u32,
                Source::Call(i) => 2 * i as u32 + 1,
            });
            inputs.push(source);
        }
        for &i in op.mutates() {
            // Only what has a memory of its own can be overwritten, and only in one way at a time.
            let message = match inputs[i] {
                Source::Call(_) => "it overwrites a value that was not computed before; run that value first",
                Source::Leaf(_) if op.mutates().len() > 1 && !overwritten.insert(inputs[i]) => {
                    "it overwrites a value that another update of the same run overwrites"
                }
                Source::Leaf(_) => continue,
            };
            return Err(Error::op(op.name(), node.at(), OpError::Value(message.to_owned())));
        }
        push_spec(&mut self.key, &spec);
        let kept = op.mutates().is_empty() && (node.is_held() || roots.iter().any(|r| r.id() == node.id()));
        self.key.push(u32::from(kept));
        Ok(Call { node: node.clone(), op: op.clone(), inputs, spec, kept })
    }

    /// Shape and type of what a call reads.
    pub fn spec_of(&self, source: Source) -> Spec {
        match source {
            Source::Call(i) => self.calls[i].spec,
            Source::Leaf(i) => match self.leaves[i].spec() {
                Ok(spec) => *spec,
                // Never reached: `collect` refuses invalid nodes.
                Err(_) => Spec::f32(Shape::SCALAR),
            },
        }
    }
}

pub(super) fn spent(node: &Node) -> OpError {
    OpError::Spent(format!(
        "it reads the parameter made at {}:{}, which was updated before this ran; read the value before the step, \
         or add it to the step with `gradients.and_run(&[&value])`",
        node.at().file(),
        node.at().line()
    ))
}

fn push_spec(key: &mut Vec<u32>, spec: &Spec) {
    key.push((spec.dtype as u32) << 8 | spec.shape.rank() as u32);
    key.extend(spec.shape.dims().iter().map(|&d| d as u32));
}

/// A hash of an op's name: there are few of them, and a test sees that no two are the same.
fn name_hash(name: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(name.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_have_hashes_of_their_own() {
        let mut inputs = crate::ops::case::Gen::new(1);
        let cases = crate::ops::REGISTRY.iter().flat_map(|family| (family.cases)(&mut inputs));
        let names: std::collections::BTreeSet<&str> = cases.map(|case| case.op.name()).collect();
        assert!(names.len() > 50);
        let hashes: std::collections::BTreeSet<u64> = names.iter().map(|name| super::name_hash(name)).collect();
        assert_eq!(hashes.len(), names.len());
    }
}
