//! The part of a graph that one run computes, in canonical order, and its structural key.

use super::node::{Body, Node, Walk};
use super::op::{Op, Spec, Wgsl};
use crate::error::{Error, OpError, Result};
use crate::shape::Shape;
// Types' hashes are the compiler's, and names count only beside them: nobody can choose them to collide, so the hash can be a fast one.
use rustc_hash::FxHasher;
use smallvec::SmallVec;
use std::any::Any;
use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::mem::take;
use std::sync::Arc;

/// What one run computes: calls in recording order (updates last), and the values they start from.
pub struct Graph {
    /// Values given to the run, in the order in which the calls first read them.
    pub leaves: Vec<Arc<Node>>,
    /// Calls; each reads leaves and earlier calls only.
    pub calls: Vec<Call>,
    /// Two runs with equal keys have the same plan.
    pub key: Vec<u32>,
    /// Whether the host computes one of the calls: that must happen before there is a plan.
    pub on_host: bool,
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

/// A call that is needed, as the walk finds it.
struct Needed {
    /// Its number in the walk.
    number: u32,
    node: Arc<Node>,
    op: Arc<dyn Op>,
    /// What it reads, by their numbers in the walk.
    inputs: SmallVec<[u32; 3]>,
}

/// What has a number in the walk and no place in the graph.
const NO_PLACE: u32 = u32::MAX;

/// A graph's lists.
type Lists = (Vec<Arc<Node>>, Vec<Call>, Vec<u32>);

thread_local! {
    /// Those of the graph that was dropped last, empty, for the next one: in a loop they have the right size.
    static SPARE: Cell<Lists> = const { Cell::new((vec![], vec![], vec![])) };
}

/// Calls whose memory is kept, at most.
const KEPT: usize = 1 << 12;

impl Drop for Graph {
    fn drop(&mut self) {
        let (mut leaves, mut calls, mut key) = (take(&mut self.leaves), take(&mut self.calls), take(&mut self.key));
        leaves.clear();
        calls.clear();
        key.clear();
        if (1..=KEPT).contains(&calls.capacity()) {
            // A thread that ends keeps nothing.
            let _ = SPARE.try_with(|spare| spare.set((leaves, calls, key)));
        }
    }
}

impl Graph {
    /// Collects the calls that `roots`, all of one device, need and that have no value yet.
    ///
    /// # Errors
    /// The error an invalid tensor carries, or [`OpError::Stale`] where a parameter was updated after a call that reads it was recorded.
    pub fn collect(roots: &[Arc<Node>]) -> Result<Graph> {
        Graph::collect_from(roots, false)
    }

    /// As [`Graph::collect`], with what the host computes as given: the last part of a run, whatever comes before it.
    ///
    /// # Errors
    /// As [`Graph::collect`].
    pub fn collect_after_host(roots: &[Arc<Node>]) -> Result<Graph> {
        Graph::collect_from(roots, true)
    }

    fn collect_from(roots: &[Arc<Node>], host_is_given: bool) -> Result<Graph> {
        let (leaves, calls, key) = SPARE.take();
        let mut graph = Graph { leaves, calls, key, on_host: false };
        let Some(first) = roots.first() else { return Ok(graph) };
        let walk = Walk::begin(first.backend().live());
        let (mut needed, mut order) = (Vec::with_capacity(64), Vec::with_capacity(64));
        // Nodes that are not computed here, by their numbers in the walk.
        let mut given: Vec<Option<Arc<Node>>> = vec![];
        let mut stack: Vec<(u32, Arc<Node>)> = Vec::with_capacity(64);
        let mut met = 0;
        for root in roots {
            if walk.meet(root, met) {
                stack.push((met, root.clone()));
                met += 1;
            }
        }
        let asked_for = met;
        stack.reverse();
        while let Some((number, node)) = stack.pop() {
            if let Err(error) = node.spec() {
                return Err(error.clone());
            }
            let is_given =
                host_is_given && node.with_body(|body| matches!(body, Body::Call { op, .. } if op.on_host().is_some()));
            let call =
                if is_given { None } else { node.without_value(|body| looked_at(body, &node, &walk, &mut met, &mut stack)) };
            match call {
                None => *at(&mut given, number) = Some(node),
                Some(Ok(Some((op, inputs)))) => {
                    let updates = !op.mutates().is_empty();
                    order.push((u64::from(updates) << 63 | node.id(), needed.len()));
                    if updates {
                        // Nothing computes what reads an update.
                        *at(&mut given, number) = Some(node.clone());
                    }
                    needed.push(Some(Needed { number, node, op, inputs }));
                }
                Some(Ok(None)) => {
                    let message = "this value was let go and cannot be computed again".to_owned();
                    return Err(Error::op(node.op_name(), node.at(), OpError::Stale(message)));
                }
                Some(Err(error)) => return Err(error),
            }
        }
        // Recording order is a valid order, and the same in every round of a loop. Updates go last: all others read the old values.
        order.sort_unstable_by_key(|&(key, _)| key);

        graph.calls.reserve(order.len());
        graph.leaves.reserve(order.len() / 2 + 2);
        // About as many words as a call's name, shapes and inputs take.
        graph.key.reserve(16 * order.len());
        let mut places = vec![NO_PLACE; met as usize];
        let mut overwritten = vec![];
        for (_, which) in order {
            let Some(call) = needed[which].take() else { continue };
            let is_root = call.number < asked_for;
            graph.call(call, is_root, &mut places, &mut given, &mut overwritten)?;
        }
        Ok(graph)
    }

    /// Adds a call and its part of the key. Places are numbers of the key: even ones are leaves, odd ones calls.
    fn call(
        &mut self,
        call: Needed,
        root: bool,
        places: &mut [u32],
        given: &mut Vec<Option<Arc<Node>>>,
        overwritten: &mut Vec<bool>,
    ) -> Result<()> {
        let Needed { number, node, op, inputs: numbers } = call;
        self.on_host |= op.on_host().is_some();
        let spec = *node.spec().as_ref().map_err(Clone::clone)?;
        push_op(&mut self.key, &*op);
        let mut inputs = SmallVec::new();
        self.key.push(numbers.len() as u32);
        for number in numbers {
            let mut place = places[number as usize];
            if place == NO_PLACE {
                let Some(leaf) = at(given, number).take() else {
                    // Never reached: what is read is computed before, or given.
                    let message = "it reads a value that is neither given nor computed before".to_owned();
                    return Err(Error::op(op.name(), node.at(), OpError::Value(message)));
                };
                place = 2 * self.leaves.len() as u32;
                self.key.push(u32::MAX);
                push_spec(&mut self.key, leaf.spec().as_ref().map_err(Clone::clone)?);
                self.leaves.push(leaf);
                places[number as usize] = place;
            }
            self.key.push(place);
            let index = place as usize / 2;
            inputs.push(if place.is_multiple_of(2) { Source::Leaf(index) } else { Source::Call(index) });
        }
        for &i in op.mutates() {
            // Only what has a memory of its own can be overwritten, and only in one way at a time.
            let message = match inputs[i] {
                Source::Call(_) => "it overwrites a value that was not computed before; run that value first",
                Source::Leaf(leaf) if op.mutates().len() > 1 && std::mem::replace(at(overwritten, leaf as u32), true) => {
                    "it overwrites a value that another update of the same run overwrites"
                }
                Source::Leaf(_) => continue,
            };
            return Err(Error::op(op.name(), node.at(), OpError::Value(message.to_owned())));
        }
        push_spec(&mut self.key, &spec);
        let kept = op.mutates().is_empty() && (root || node.is_held());
        self.key.push(u32::from(kept));
        places[number as usize] = 2 * self.calls.len() as u32 + 1;
        self.calls.push(Call { node, op, inputs, spec, kept });
        Ok(())
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

/// An op and the numbers of what it reads.
type Looked = (Arc<dyn Op>, SmallVec<[u32; 3]>);

/// What a walk needs to know of a node that has no value: its op and the numbers of its inputs, of which new ones are put on the stack. `None` if it
/// is no call.
fn looked_at(
    body: &Body,
    node: &Node,
    walk: &Walk<'_>,
    met: &mut u32,
    stack: &mut Vec<(u32, Arc<Node>)>,
) -> Result<Option<Looked>> {
    let Body::Call { op, inputs } = body else { return Ok(None) };
    let mut numbers = SmallVec::new();
    for edge in inputs {
        if edge.node.version() != edge.version {
            return Err(Error::op(op.name(), node.at(), stale(&edge.node)));
        }
        numbers.push(walk.number(&edge.node).unwrap_or_else(|| {
            let number = *met;
            *met += 1;
            walk.give(&edge.node, number);
            stack.push((number, edge.node.clone()));
            number
        }));
    }
    Ok(Some((op.clone(), numbers)))
}

/// Element `i` of a list, which grows as need be.
fn at<T: Default + Clone>(list: &mut Vec<T>, i: u32) -> &mut T {
    let i = i as usize;
    if list.len() <= i {
        list.resize(2 * i + 2, T::default());
    }
    &mut list[i]
}

pub(super) fn stale(node: &Node) -> OpError {
    OpError::Stale(format!(
        "it reads the parameter made at {}, which was updated before this ran; read the value before the step, \
         or add it to the step with `gradients.and_run(&[&value])`",
        node.at()
    ))
}

/// What calls that may share kernels have in common: the type of the op, what it is called (one type may give several names), the rule it
/// applies, its parameters and the WGSL from outside that it has; of an op that wraps another, those of both.
fn push_op(key: &mut Vec<u32>, op: &dyn Op) {
    let mut next = Some(op);
    while let Some(op) = next {
        let rule = op.rule().map_or(0, |rule| std::ptr::from_ref(rule).addr() as u64);
        let (params, sources) = (op.params(), op.sources());
        next = op.wrapped();
        let lengths = (params.len() as u64) << 32 | (sources.len() as u64) << 1 | u64::from(next.is_some());
        let own = sources.iter().map(Wgsl::number);
        for number in [hash(&Any::type_id(op)), hash(op.name()), rule, lengths].into_iter().chain(own) {
            key.extend([number as u32, (number >> 32) as u32]);
        }
        key.extend_from_slice(&params);
    }
}

fn push_spec(key: &mut Vec<u32>, spec: &Spec) {
    key.push((spec.dtype as u32) << 8 | spec.shape.rank() as u32);
    key.extend(spec.shape.dims().iter().map(|&d| d as u32));
}

/// A hash of a type or a name.
fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = FxHasher::default();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Whether two calls may share a kernel, as far as the op decides that.
pub(crate) fn same_op(a: &dyn Op, b: &dyn Op) -> bool {
    let key = |op| {
        let mut key = vec![];
        push_op(&mut key, op);
        key
    };
    key(a) == key(b)
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_have_hashes_of_their_own() {
        let mut inputs = crate::ops::case::Gen::new(1);
        let cases = crate::ops::REGISTRY.iter().flat_map(|family| (family.cases)(&mut inputs));
        let names: std::collections::BTreeSet<&str> = cases.map(|case| case.op.name()).collect();
        assert!(names.len() > 50);
        let hashes: std::collections::BTreeSet<u64> = names.iter().map(|name| super::hash(*name)).collect();
        assert_eq!(hashes.len(), names.len());
    }
}
