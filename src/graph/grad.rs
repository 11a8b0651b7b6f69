//! Reverse-mode differentiation: one walk over the graph that records gradients as ordinary ops.

use super::disconnected::{self, Missing, Refusals};
use super::node::{Body, Edge, Node, Tensor, Walk, grad_off, on_behalf_of};
use super::op::{GradCtx, Spec};
use crate::error::{At, Error, OpError, Result};
use smallvec::SmallVec;
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
    let _off = GradOff::begin();
    f()
}

/// [`no_grad`] in every poll of a future.
pub(crate) async fn without_grad<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| no_grad(|| future.as_mut().poll(context))).await
}

/// As long as it lives, what its thread records has no gradient: [`no_grad`] without a closure, whose calls would carry its own line and not the
/// caller's.
pub(crate) struct GradOff;

impl GradOff {
    pub(crate) fn begin() -> GradOff {
        grad_off(1);
        GradOff
    }
}

impl Drop for GradOff {
    fn drop(&mut self) {
        grad_off(-1);
    }
}

/// Gradients by the numbers of their parameters, the smallest first.
type Found = Vec<(u64, Tensor)>;

/// The gradients of one `backward`, addressed by parameter. They are tensors: nothing has run yet.
///
/// `+` and `+=` add gradients parameter by parameter, as several calls of PyTorch's `backward` without `zero_grad` between them do. Everything is
/// computed in one run then; [`Accumulator`](crate::optim::Accumulator) computes each as it is added, in the memory of one.
///
/// ```
/// use steepest::{Device, optim::{Optimizer, Sgd}};
/// let device = Device::cpu();
/// let w = device.parameter(&[3.0], 1);
/// let mut gradients = w.square().sum(&[]).backward();
/// gradients += (&w * 2.0).sum(&[]).backward();
/// assert_eq!(gradients.wrt(&w)?.item()?, 6.0 + 2.0);
/// Sgd::new([w.clone()], 0.125).step(gradients)?;
/// assert_eq!(w.item()?, 2.0);
/// # Ok::<(), steepest::Error>(())
/// ```
#[must_use = "gradients are computed and used by an optimizer's step, or read with `wrt`"]
pub struct Gradients {
    root: Tensor,
    /// What else was differentiated.
    others: Vec<Tensor>,
    also: Vec<Tensor>,
    /// By number, which is the order in which the parameters were made: the same in every round of a loop, and so is what is recorded of them.
    by_id: Result<Found>,
    /// Of what was watched and is no parameter, also by number.
    watched: Found,
    /// Where a gradient rule handed nothing on.
    refusals: Refusals,
    /// Whether a parameter that an op cuts off is let pass.
    lenient: bool,
}

impl Gradients {
    /// The gradient of a parameter, or of what is [watched](Tensor::watch); `None` if the loss does not depend on it.
    ///
    /// # Errors
    /// The error that made the loss invalid.
    pub fn get(&self, parameter: &Tensor) -> Result<Option<&Tensor>> {
        match &self.by_id {
            Ok(found) => {
                let of = |found: &'_ Found| found.binary_search_by_key(&parameter.id(), |(id, _)| *id).ok();
                let watched = || of(&self.watched).map(|place| &self.watched[place].1);
                Ok(of(found).map(|place| &found[place].1).or_else(watched))
            }
            Err(error) => Err(error.clone()),
        }
    }

    /// The gradient of a parameter, or of what is [watched](Tensor::watch), that must have one.
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
            None => {
                let differentiated = std::iter::once(&self.root).chain(&self.others);
                let mut reasons = differentiated.map(|root| disconnected::reason(root, parameter, &self.refusals));
                Ok(Some(reasons.find(|why| matches!(why, Missing::Disconnected(_))).unwrap_or(Missing::Unused)))
            }
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

    /// The gradients of all parameters, in the order in which those were made; not those of what is only [watched](Tensor::watch).
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
        self.watched.clear();
        std::mem::replace(&mut self.by_id, Ok(vec![]))
    }

    /// With other gradients in their place, by the numbers of their parameters, the smallest first.
    pub(crate) fn put(self, found: Vec<(u64, Tensor)>) -> Gradients {
        Gradients { by_id: Ok(found), ..self }
    }

    /// The tensor that was differentiated, of several the first.
    pub(crate) fn loss(&self) -> &Tensor {
        &self.root
    }

    /// These gradients with an error in their place, unless they carry an earlier one.
    pub(crate) fn fail(mut self, error: Error) -> Gradients {
        self.by_id = self.by_id.and(Err(error));
        self
    }

    /// What was differentiated and what [`Gradients::and_run`] added: computed in the same run as an update.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &Tensor> {
        std::iter::once(&self.root).chain(&self.others).chain(&self.also)
    }

    /// Nothing but an error.
    fn failed(root: &Tensor, error: Error) -> Gradients {
        Gradients { by_id: Err(error), ..Gradients::of(root, &[]) }
    }

    /// No gradients yet.
    fn of(root: &Tensor, others: &[(&Tensor, &Tensor)]) -> Gradients {
        let others = others.iter().map(|(output, _)| Tensor::clone(output)).collect();
        let refusals = Refusals::default();
        Gradients { root: root.clone(), others, also: vec![], by_id: Ok(vec![]), watched: vec![], refusals, lenient: false }
    }
}

/// Two lists of gradients as one, those of one parameter added.
#[track_caller]
fn sum(first: Found, second: Found) -> Found {
    let mut all = Found::with_capacity(first.len().max(second.len()));
    let (mut first, mut second) = (first.into_iter().peekable(), second.into_iter().peekable());
    loop {
        let next = match (first.peek(), second.peek()) {
            (Some((a, _)), Some((b, _))) if a == b => match (first.next(), second.next()) {
                (Some((id, a)), Some((_, b))) => Some((id, a.add(&b))),
                (a, b) => a.or(b),
            },
            (Some((a, _)), Some((b, _))) if a > b => second.next(),
            (Some(_), _) => first.next(),
            (None, _) => second.next(),
        };
        match next {
            Some(next) => all.push(next),
            None => return all,
        }
    }
}

/// The gradients of the sum of both losses: see [`Gradients`].
impl std::ops::Add for Gradients {
    type Output = Gradients;

    #[track_caller]
    fn add(self, other: Gradients) -> Gradients {
        let by_id = match (self.by_id, other.by_id) {
            (Ok(first), Ok(second)) => Ok(sum(first, second)),
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        let others = [self.others, vec![other.root], other.others].concat();
        let (also, watched) = ([self.also, other.also].concat(), sum(self.watched, other.watched));
        let mut refusals = self.refusals;
        refusals.extend(other.refusals);
        Gradients { root: self.root, others, also, by_id, watched, refusals, lenient: self.lenient && other.lenient }
    }
}

impl std::ops::AddAssign for Gradients {
    #[track_caller]
    fn add_assign(&mut self, other: Gradients) {
        let nothing = Gradients::of(&self.root, &[]);
        let first = std::mem::replace(self, nothing);
        *self = first + other;
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
            Err(error) => Gradients::failed(self, error),
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
        Err(Error::op("backward", At::caller(), OpError::Gradient(message)))
    }

    /// Vector-Jacobian products with `cotangent`, which has this tensor's shape.
    #[track_caller]
    pub fn backward_with(&self, cotangent: &Tensor) -> Gradients {
        self.reversed(cotangent, &[])
    }

    /// Vector-Jacobian products of several tensors at once, each with its cotangent, added up: the gradients of Σ ⟨tensor, cotangent⟩, by one walk
    /// over what they have in common.
    ///
    /// ```
    /// use steepest::{Device, Tensor};
    /// let device = Device::cpu();
    /// let w = device.parameter(&[1.0, 2.0], 2);
    /// let (square, sum) = (w.square(), w.sum(&[]));
    /// let gradients = Tensor::backward_all(&[(&square, &device.tensor(&[1.0, 0.5], 2)), (&sum, &device.scalar(10.0))])?;
    /// assert_eq!(gradients.wrt(&w)?.to_vec::<f32>()?, [2.0 + 10.0, 2.0 + 10.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`]: no tensors. What is wrong with one of them makes every use of the result an error, as with [`Tensor::backward`].
    #[track_caller]
    pub fn backward_all(outputs: &[(&Tensor, &Tensor)]) -> Result<Gradients> {
        match outputs {
            [] => Err(Error::Config { what: "gradients", message: "no tensors to differentiate were given".to_owned() }),
            [(first, _), others @ ..] => Ok(match reverse(outputs, &[]) {
                Ok(reversed) => reversed.into_gradients(first, others),
                Err(error) => Gradients::failed(first, error),
            }),
        }
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
            Err(error) => Gradients::failed(self, error),
        }
    }

    #[track_caller]
    fn reversed(&self, cotangent: &Tensor, retained: &[u64]) -> Gradients {
        match reverse(&[(self, cotangent)], retained) {
            Ok(reversed) => reversed.into_gradients(self, &[]),
            Err(error) => Gradients::failed(self, error),
        }
    }
}

/// What a walk found.
struct Reversed {
    /// By parameters and by what was to be retained.
    found: Found,
    /// By what else is watched.
    watched: Found,
    refusals: Refusals,
}

impl Reversed {
    fn into_gradients(self, root: &Tensor, others: &[(&Tensor, &Tensor)]) -> Gradients {
        let Reversed { found, watched, refusals } = self;
        Gradients { by_id: Ok(found), watched, refusals, ..Gradients::of(root, others) }
    }
}

/// That a tensor can be differentiated with this cotangent.
fn differentiable(root: &Tensor, cotangent: &Tensor, at: At) -> Result<()> {
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
    Ok(())
}

#[track_caller]
fn reverse(roots: &[(&Tensor, &Tensor)], retained: &[u64]) -> Result<Reversed> {
    let at = At::caller();
    let fail = |message: String| Error::op("backward", at, OpError::Gradient(message));
    for (root, cotangent) in roots {
        differentiable(root, cotangent, at)?;
        let (here, there) = (roots[0].0.node().backend(), root.node().backend());
        if here.id() != there.id() {
            let devices = OpError::Devices(here.name().to_owned(), there.name().to_owned());
            return Err(Error::op("backward", at, devices));
        }
    }
    let Tracked { mut nodes, order, places, starts } = Tracked::of(roots);
    // The gradient of each node in that order, as far as it is summed up.
    let mut pending: Vec<Option<Tensor>> = vec![None; nodes.len()];
    for (&start, (root, cotangent)) in starts.iter().zip(roots) {
        let place = &mut pending[start];
        *place = Some(match place.take() {
            Some(sum) => on_behalf_of(root.node().at(), || sum.add(cotangent)),
            None => Tensor::clone(cotangent),
        });
    }
    let (mut found, mut watched) = (vec![], vec![]);
    let mut refusals = Refusals::default();
    for (rank, &(id, which, first)) in order.iter().enumerate() {
        // Nothing flows through the others.
        let (Some(gradient), Some((node, body))) = (pending[rank].take(), nodes[which].take()) else { continue };
        let kept = if retained.contains(&id) { Some(&mut found) } else { node.is_watched().then_some(&mut watched) };
        let is_kept = kept.is_some();
        if let Some(kept) = kept {
            kept.push((id, gradient.clone()));
        }
        match body {
            Body::Leaf if is_kept => {}
            Body::Leaf => found.push((id, gradient)),
            Body::Released => {
                return Err(Error::op(
                    "backward",
                    at,
                    OpError::Stale(format!(
                        "the history of the value recorded at {} was let go when a parameter it depends on was updated; \
                         differentiate before the step",
                        node.at()
                    )),
                ));
            }
            Body::Call { op, inputs } => {
                if let Some(edge) = inputs.iter().find(|e| e.node.version() != e.version) {
                    return Err(Error::op(op.name(), node.at(), super::key::stale(&edge.node)));
                }
                let needs: SmallVec<[bool; 3]> = inputs.iter().map(|e| e.node.requires_grad()).collect();
                let handles: SmallVec<[Tensor; 3]> = inputs.into_iter().map(|e| Tensor::of(e.node)).collect();
                let (at, output) = (node.at(), Tensor::of(node));
                let ctx = GradCtx { grad: &gradient, inputs: &handles, output: &output, needs: &needs };
                let parts = on_behalf_of(at, || op.grad(&ctx));
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
                        Some(sum) => on_behalf_of(at, || sum.add(&part)),
                        None => part,
                    });
                }
            }
        }
    }
    // Parameters in the order in which they were made.
    found.reverse();
    watched.reverse();
    Ok(Reversed { found, watched, refusals })
}

/// Everything a gradient flows through on its way from the roots.
struct Tracked {
    /// Each with what it was recorded as, looked at once.
    nodes: Vec<Option<(Arc<Node>, Body)>>,
    /// Number and place of every node, the latest first: inputs have smaller numbers than what reads them. And where its `places` begin.
    order: Vec<(u64, usize, usize)>,
    /// For each node in that order, where in that order those of its inputs stand that a gradient flows to.
    places: Vec<usize>,
    /// Where in that order each root stands.
    starts: SmallVec<[usize; 1]>,
}

impl Tracked {
    fn of(roots: &[(&Tensor, &Tensor)]) -> Tracked {
        let walk = Walk::begin(roots[0].0.node().backend().live());
        let (mut nodes, mut bodies) = (Vec::with_capacity(32), Vec::with_capacity(32));
        let flows = |edge: &&Edge| edge.node.requires_grad();
        nodes.extend(roots.iter().filter(|(root, _)| walk.meet(root.node(), 0)).map(|(root, _)| root.node().clone()));
        while let Some(node) = nodes.get(bodies.len()) {
            let body = node.body();
            if let Body::Call { inputs, .. } = &body {
                nodes.extend(inputs.iter().filter(flows).filter(|edge| walk.meet(&edge.node, 0)).map(|edge| edge.node.clone()));
            }
            bodies.push(body);
        }
        let mut order: Vec<(u64, usize, usize)> = nodes.iter().enumerate().map(|(i, node)| (node.id(), i, 0)).collect();
        order.sort_unstable_by_key(|&(id, ..)| std::cmp::Reverse(id));
        for (rank, &(_, which, _)) in order.iter().enumerate() {
            walk.give(&nodes[which], rank as u32);
        }
        let mut places = Vec::with_capacity(2 * nodes.len());
        for (_, which, first) in &mut order {
            *first = places.len();
            if let Body::Call { inputs, .. } = &bodies[*which] {
                // Every one was met.
                places.extend(inputs.iter().filter(flows).map(|edge| walk.number(&edge.node).unwrap_or_default() as usize));
            }
        }
        let starts = roots.iter().map(|(root, _)| walk.number(root.node()).unwrap_or_default() as usize).collect();
        Tracked { nodes: nodes.into_iter().zip(bodies).map(Some).collect(), order, places, starts }
    }
}
