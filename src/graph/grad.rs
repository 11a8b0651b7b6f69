//! Reverse-mode differentiation: one walk over the graph that records gradients as ordinary ops.

use super::disconnected::{self, Missing, Refusals};
use super::node::{Body, Edge, Node, Tensor, Walk, grad_off, on_behalf_of};
use super::op::{GradCtx, Spec};
use crate::error::{Error, OpError, Result};
use smallvec::SmallVec;
use std::panic::Location;
use std::sync::Arc;

/// Runs `f` without recording gradients: what it computes cannot be differentiated, and no history is kept.
///
/// ```
/// use steepest::{Device, no_grad};
/// let w = Device::cpu().parameter(&[1.0], 1);
/// assert!(w.relu().requires_grad());
/// assert!(!no_grad(|| w.relu()).requires_grad());
/// ```
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            grad_off(-1);
        }
    }
    grad_off(1);
    let _restore = Restore;
    f()
}

/// Gradients by the numbers of their parameters, the smallest first.
type Found = Vec<(u64, Tensor)>;

/// The gradients of one `backward`, addressed by parameter. They are tensors: nothing has run yet.
pub struct Gradients {
    root: Tensor,
    also: Vec<Tensor>,
    /// By number, which is the order in which the parameters were made: the same in every round of a loop, and so is what is recorded of them.
    by_id: Result<Found>,
    /// Where a gradient rule handed nothing on.
    refusals: Refusals,
    /// Whether a parameter that an op cuts off is let pass.
    lenient: bool,
}

impl Gradients {
    /// The gradient of a parameter; `None` if the loss does not depend on it.
    ///
    /// # Errors
    /// The error that made the loss invalid.
    pub fn get(&self, parameter: &Tensor) -> Result<Option<&Tensor>> {
        match &self.by_id {
            Ok(found) => {
                let place = found.binary_search_by_key(&parameter.id(), |(id, _)| *id);
                Ok(place.ok().map(|place| &found[place].1))
            }
            Err(error) => Err(error.clone()),
        }
    }

    /// The gradient of a parameter that must have one.
    ///
    /// # Errors
    /// The error that made the loss invalid, or that the loss does not depend on the parameter, or which op cuts it off.
    pub fn wrt(&self, parameter: &Tensor) -> Result<Tensor> {
        if let Some(Missing::Disconnected(error)) = self.missing(parameter)? {
            return Err(error);
        }
        self.get(parameter)?.cloned().ok_or_else(|| {
            let message = format!("the loss does not depend on the parameter recorded at {}", parameter.node().at());
            Error::op("backward", self.root.node().at(), OpError::Gradient(message))
        })
    }

    /// Why a parameter has no gradient: the loss was computed without it, or an op on the way from it to the loss cut it off (`detach`,
    /// `argmax`, a comparison, a cast to integers, a `no_grad` block). `None` if it has one.
    ///
    /// A frozen parameter counts as one that was not used. A value that was computed in a `no_grad` block and has already run is data: what it was computed from is not known any more.
    ///
    /// ```
    /// use steepest::{Device, graph::Missing};
    /// let device = Device::cpu();
    /// let (w, v, u) = (device.parameter(&[3.0], 1), device.parameter(&[1.0], 1), device.parameter(&[1.0], 1));
    /// let gradients = (w.square() * v.detach()).sum(&[]).backward();
    /// assert!(gradients.missing(&w)?.is_none());
    /// assert!(matches!(gradients.missing(&u)?, Some(Missing::Unused)));
    /// let Some(Missing::Disconnected(error)) = gradients.missing(&v)? else { panic!() };
    /// assert!(error.to_string().starts_with("detach at "));
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// The error that made the loss invalid.
    pub fn missing(&self, parameter: &Tensor) -> Result<Option<Missing>> {
        match self.get(parameter)? {
            Some(_) => Ok(None),
            // Nothing was to flow to it.
            None if parameter.is_frozen() => Ok(Some(Missing::Unused)),
            None => Ok(Some(disconnected::reason(&self.root, parameter, &self.refusals))),
        }
    }

    /// Refuses a parameter that was used on the way to the loss and gets no gradient; returns those that were not used at all. An
    /// optimizer's step does the same with its own parameters.
    ///
    /// # Errors
    /// The error that made the loss invalid, or [`OpError::Disconnected`] with the op that cut a parameter off and its line, unless
    /// [`Gradients::allow_severed`] was called.
    pub fn check<'a>(&self, parameters: impl IntoIterator<Item = &'a Tensor>) -> Result<Vec<Tensor>> {
        let mut unused = vec![];
        for parameter in parameters {
            match self.missing(parameter)? {
                Some(Missing::Disconnected(error)) if !self.lenient => return Err(error),
                Some(Missing::Unused) => unused.push(parameter.clone()),
                _ => {}
            }
        }
        Ok(unused)
    }

    /// Lets parameters that are used but cut off from the loss pass: the optimizer's step leaves them as they are.
    pub fn allow_severed(mut self) -> Gradients {
        self.lenient = true;
        self
    }

    /// All gradients, in the order in which their parameters were made.
    ///
    /// # Errors
    /// The error that made the loss invalid.
    pub fn iter(&self) -> Result<impl Iterator<Item = &Tensor>> {
        match &self.by_id {
            Ok(found) => Ok(found.iter().map(|(_, gradient)| gradient)),
            Err(error) => Err(error.clone()),
        }
    }

    /// Exchanges every gradient, for clipping and the like; in the order of [`Gradients::iter`].
    pub fn map(mut self, mut f: impl FnMut(&Tensor) -> Tensor) -> Gradients {
        if let Ok(found) = &mut self.by_id {
            for (_, gradient) in found {
                *gradient = f(gradient);
            }
        }
        self
    }

    /// Has the optimizer's step compute these as well: values that depend on the parameters cannot be computed after the step.
    pub fn and_run(mut self, tensors: &[&Tensor]) -> Gradients {
        self.also.extend(tensors.iter().map(|&t| t.clone()));
        self
    }

    /// Takes the gradients out, by the numbers of their parameters.
    pub(crate) fn take(&mut self) -> Result<Vec<(u64, Tensor)>> {
        std::mem::replace(&mut self.by_id, Ok(vec![]))
    }

    /// With other gradients in their place, by the numbers of their parameters, the smallest first.
    pub(crate) fn put(self, found: Vec<(u64, Tensor)>) -> Gradients {
        Gradients { by_id: Ok(found), ..self }
    }

    /// The differentiated tensor.
    pub(crate) fn loss(&self) -> &Tensor {
        &self.root
    }

    /// These gradients with an error in their place, unless they carry an earlier one.
    pub(crate) fn fail(mut self, error: Error) -> Gradients {
        self.by_id = self.by_id.and(Err(error));
        self
    }

    /// The differentiated tensor and what [`Gradients::and_run`] added: computed in the same run as an update.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &Tensor> {
        std::iter::once(&self.root).chain(&self.also)
    }
}

impl Tensor {
    /// Gradients of this scalar by every parameter it depends on.
    ///
    /// The gradients are recorded, not computed; they are ordinary tensors and can be differentiated again.
    /// A tensor that is not a scalar makes every use of the result an error.
    ///
    /// ```
    /// use steepest::Device;
    /// let w = Device::cpu().parameter(&[3.0], 1);
    /// let gradient = w.square().sum(&[]).backward().wrt(&w)?;
    /// assert_eq!(gradient.to_vec::<f32>()?, [6.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn backward(&self) -> Gradients {
        match self.cotangent() {
            Ok(ones) => self.backward_with(&ones),
            Err(error) => self.failed(error),
        }
    }

    /// What a scalar's gradients begin with: 1.
    #[track_caller]
    fn cotangent(&self) -> Result<Tensor> {
        let spec = self.spec()?;
        if spec.shape.numel() == 1 {
            return Ok(self.full_like(1.0));
        }
        let shape = spec.shape;
        let message = format!("shape {shape} is not a scalar: reduce it with sum or mean, or use backward_with(cotangent)");
        Err(Error::op("backward", Location::caller(), OpError::Gradient(message)))
    }

    /// Vector-Jacobian products with `cotangent`, which has this tensor's shape.
    #[track_caller]
    pub fn backward_with(&self, cotangent: &Tensor) -> Gradients {
        self.reversed(cotangent, &[])
    }

    /// [`Tensor::backward`] that keeps the gradients by these values as well: activations on the way to the loss, which are no parameters. The
    /// gradients' [`Gradients::iter`] and [`Gradients::map`] then have them too, so an optimizer's step that clips by the norm needs gradients
    /// without them.
    ///
    /// ```
    /// use steepest::Device;
    /// let w = Device::cpu().parameter(&[3.0], 1);
    /// let hidden = w.square();
    /// let gradients = (&hidden * 5.0).sum(&[]).backward_retaining(&[&hidden]);
    /// assert_eq!((gradients.wrt(&hidden)?.item()?, gradients.wrt(&w)?.item()?), (5.0, 30.0));
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn backward_retaining(&self, values: &[&Tensor]) -> Gradients {
        match self.cotangent() {
            Ok(ones) => self.reversed(&ones, &values.iter().map(|value| value.id()).collect::<Vec<_>>()),
            Err(error) => self.failed(error),
        }
    }

    #[track_caller]
    fn reversed(&self, cotangent: &Tensor, retained: &[u64]) -> Gradients {
        match reverse(self, cotangent, retained) {
            Ok((found, refusals)) => Gradients { root: self.clone(), also: vec![], by_id: Ok(found), refusals, lenient: false },
            Err(error) => self.failed(error),
        }
    }

    fn failed(&self, error: Error) -> Gradients {
        Gradients { root: self.clone(), also: vec![], by_id: Err(error), refusals: Refusals::default(), lenient: false }
    }
}

#[track_caller]
fn reverse(root: &Tensor, cotangent: &Tensor, retained: &[u64]) -> Result<(Found, Refusals)> {
    let at = Location::caller();
    let fail = |message: String| Error::op("backward", at, OpError::Gradient(message));
    let (spec, given) = (root.spec()?, cotangent.spec()?);
    if !spec.dtype.is_float() || !root.requires_grad() {
        if let Some(error) = disconnected::anything(root) {
            return Err(error);
        }
        return Err(fail(format!("{root:?} depends on no parameter")));
    }
    // Gradients are f32, those of halves too.
    let expected = Spec::f32(spec.shape);
    if (given.shape, given.dtype) != (expected.shape, expected.dtype) {
        return Err(fail(format!("the cotangent is {given} where {expected} is expected")));
    }

    let Tracked { nodes, order, places } = Tracked::of(root);
    // The gradient of each node in that order, as far as it is summed up.
    let mut pending: Vec<Option<Tensor>> = vec![None; nodes.len()];
    pending[0] = Some(cotangent.clone());
    let mut found = vec![];
    let mut refusals = Refusals::default();
    for (rank, &(id, which, first)) in order.iter().enumerate() {
        let node = &nodes[which];
        // Nothing flows through the others.
        let Some(gradient) = pending[rank].take() else { continue };
        if retained.contains(&id) {
            found.push((id, gradient.clone()));
        }
        match node.body() {
            Body::Leaf if retained.contains(&id) => {}
            Body::Leaf => found.push((id, gradient)),
            Body::Released => {
                return Err(Error::op(
                    "backward",
                    at,
                    OpError::Stale(format!(
                        "the history of the value recorded at {}:{} was let go when a parameter it depends on was updated; \
                         differentiate before the step",
                        node.at().file(),
                        node.at().line()
                    )),
                ));
            }
            Body::Call { op, inputs } => {
                if let Some(edge) = inputs.iter().find(|e| e.node.version() != e.version) {
                    return Err(Error::op(op.name(), node.at(), super::key::stale(&edge.node)));
                }
                let needs: SmallVec<[bool; 3]> = inputs.iter().map(|e| e.node.requires_grad()).collect();
                let handles: SmallVec<[Tensor; 3]> = inputs.into_iter().map(|e| Tensor::of(e.node)).collect();
                let output = Tensor::of(node.clone());
                let ctx = GradCtx { grad: &gradient, inputs: &handles, output: &output, needs: &needs };
                let parts = on_behalf_of(node.at(), || op.grad(&ctx));
                let needed = handles.iter().zip(parts.into_iter().chain(std::iter::repeat(None)));
                let needed = needed.filter(|(input, _)| input.requires_grad());
                for ((input, part), &place) in needed.zip(&places[first..]) {
                    let Some(part) = part else {
                        refusals.insert((input.id(), id));
                        continue;
                    };
                    let place = &mut pending[place];
                    let (want, got) = (input.try_shape()?, part.try_shape()?);
                    if want != got {
                        return Err(fail(format!("{}: a gradient of shape {got} for an input {want}", op.name())));
                    }
                    *place = Some(match place.take() {
                        Some(sum) => on_behalf_of(node.at(), || sum.add(&part)),
                        None => part,
                    });
                }
            }
        }
    }
    // Parameters in the order in which they were made.
    found.reverse();
    Ok((found, refusals))
}

/// Everything a gradient flows through on its way from a root.
struct Tracked {
    nodes: Vec<Arc<Node>>,
    /// Number and place of every node, the latest first: inputs have smaller numbers than what reads them. And where its `places` begin.
    order: Vec<(u64, usize, usize)>,
    /// For each node in that order, where in that order those of its inputs stand that a gradient flows to.
    places: Vec<usize>,
}

impl Tracked {
    fn of(root: &Tensor) -> Tracked {
        let walk = Walk::begin(root.node().backend().live());
        let mut nodes = Vec::with_capacity(32);
        let flows = |edge: &&Edge| edge.node.requires_grad();
        walk.give(root.node(), 0);
        nodes.push(root.node().clone());
        let mut seen = 0;
        while let Some(node) = nodes.get(seen).cloned() {
            node.with_body(|body| {
                let Body::Call { inputs, .. } = body else { return };
                nodes.extend(inputs.iter().filter(flows).filter(|edge| walk.meet(&edge.node, 0)).map(|edge| edge.node.clone()));
            });
            seen += 1;
        }
        let mut order: Vec<(u64, usize, usize)> = nodes.iter().enumerate().map(|(i, node)| (node.id(), i, 0)).collect();
        order.sort_unstable_by_key(|&(id, ..)| std::cmp::Reverse(id));
        for (rank, &(_, which, _)) in order.iter().enumerate() {
            walk.give(&nodes[which], rank as u32);
        }
        let mut places = Vec::with_capacity(2 * nodes.len());
        for (_, which, first) in &mut order {
            *first = places.len();
            nodes[*which].with_body(|body| {
                let Body::Call { inputs, .. } = body else { return };
                // Every one was met.
                places.extend(inputs.iter().filter(flows).map(|edge| walk.number(&edge.node).unwrap_or_default() as usize));
            });
        }
        Tracked { nodes, order, places }
    }
}
