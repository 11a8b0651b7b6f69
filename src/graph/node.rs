//! Nodes of the recorded graph and `Tensor`, the user's handle to one.

use super::op::{DType, Op, Spec};
use crate::budget::Budget;
use crate::error::{At, Error, LayerPath, OpError, Result};
use crate::location;
use crate::shape::Shape;
use smallvec::SmallVec;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) mod sealed {
    /// Only this crate's devices are backends.
    pub trait Sealed {}
}

/// What a node needs of the device it is recorded for, and all that the graph knows of it. `device/` implements it, once, for devices of every
/// kind; what differs between them is the [`Executor`](crate::executor::Executor) below.
pub trait Backend: sealed::Sealed + Any + Send + Sync {
    /// A number no other open device has.
    fn id(&self) -> u64;
    /// The device's name, for messages.
    fn name(&self) -> &str;
    /// Counts the nodes recorded for this device and not dropped yet.
    fn live(&self) -> &Live;
    /// Whether matrix products recorded for it round their operands to half precision.
    fn rounds_to_f16(&self) -> bool;
    /// Computes the given nodes.
    ///
    /// # Errors
    /// The first invalid node's error, or whatever the device reports.
    fn run(&self, roots: &[Arc<Node>]) -> Result<()>;
    /// [`Backend::run`] without blocking; where waiting is allowed it is done in the first poll.
    fn run_async<'a>(&'a self, roots: &'a [Arc<Node>]) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;
    /// The account of its memory.
    fn room(&self) -> &Budget;
    /// The words of a stored value, in time.
    fn read(&self, stored: Arc<dyn Storage>) -> Pin<Box<dyn Future<Output = Result<Vec<u32>>> + Send + '_>>;
    /// An error if nothing can be computed here: in a process that was forked from the one that opened the device.
    ///
    /// # Errors
    /// [`Error::Forked`].
    fn check(&self) -> Result<()>;
    /// Does a job on another thread, after those that were handed over before.
    fn in_background(&self, job: Box<dyn FnOnce() + Send>);
    /// Waits for all such jobs, so that what follows comes after them.
    fn after_background(&self);
    /// Begins to read a stored value: it is read as it is now, whatever runs afterwards.
    ///
    /// # Errors
    /// No memory, or what the device reports.
    fn begin_read(&self, stored: Arc<dyn Storage>) -> Result<Reading>;
}

/// What takes the words of a value that was read.
pub type Taker = Box<dyn FnOnce(Result<Vec<u32>>) + Send>;

/// A reading that was begun: it hands over the words once they are there, here or on another thread.
pub type Reading = Box<dyn FnOnce(Taker) + Send>;

/// A value in a device's memory. Only the device that made it knows what it is.
pub trait Storage: Any + Send + Sync {
    /// Its length in words.
    fn words(&self) -> usize;
    /// Whether its memory is the application's: it is read and never written.
    fn is_outside(&self) -> bool {
        false
    }
}

/// How many nodes of a device are alive, and how many may be.
#[derive(Debug)]
pub struct Live {
    nodes: AtomicUsize,
    limit: AtomicUsize,
    /// One walk over a device's nodes at a time.
    walking: Mutex<()>,
}

impl Live {
    /// Nodes allowed unless changed: enough for any real graph, little enough that memory is not gone.
    pub const DEFAULT_LIMIT: usize = 1 << 18;

    pub(crate) fn new() -> Live {
        Live { nodes: AtomicUsize::new(0), limit: AtomicUsize::new(Live::DEFAULT_LIMIT), walking: Mutex::new(()) }
    }

    /// Nodes alive now.
    pub fn nodes(&self) -> usize {
        self.nodes.load(Ordering::Relaxed)
    }

    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// How many may be.
    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    fn check(&self) -> Result<(), OpError> {
        let (nodes, limit) = (self.nodes(), self.limit());
        if nodes == limit / 2 {
            tracing::warn!("{nodes} recorded nodes are alive; at {limit} recording stops. Is a loop never running its graph?");
        }
        if nodes < limit { Ok(()) } else { Err(OpError::NeverRun { nodes, limit }) }
    }
}

/// A walk over the nodes of one device that numbers those it meets: the numbers stand in the nodes, so that no map is needed. While there is one,
/// others on that device wait; whoever walks must not record or run.
pub(super) struct Walk<'l> {
    number: u64,
    _alone: MutexGuard<'l, ()>,
}

impl<'l> Walk<'l> {
    /// Begins a walk over the nodes of the device that `live` counts for.
    pub(super) fn begin(live: &'l Live) -> Walk<'l> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let alone = live.walking.lock().unwrap_or_else(PoisonError::into_inner);
        Walk { number: NEXT.fetch_add(1, Ordering::Relaxed), _alone: alone }
    }

    /// The number this walk gave a node.
    pub(super) fn number(&self, node: &Node) -> Option<u32> {
        (node.walk.load(Ordering::Relaxed) == self.number).then(|| node.number.load(Ordering::Relaxed))
    }

    /// Gives a node a number.
    pub(super) fn give(&self, node: &Node, number: u32) {
        node.walk.store(self.number, Ordering::Relaxed);
        node.number.store(number, Ordering::Relaxed);
    }

    /// Gives a node a number if it has none; says whether it had none.
    pub(super) fn meet(&self, node: &Node, number: u32) -> bool {
        let new = node.walk.load(Ordering::Relaxed) != self.number;
        if new {
            self.give(node, number);
        }
        new
    }
}

/// Where a node's value is.
#[derive(Clone)]
pub enum Value {
    /// In this program's memory, not sent to the device yet.
    Host(Arc<Vec<u32>>),
    /// On the device.
    Stored(Arc<dyn Storage>),
}

/// An input of a node: the node read and its version when it was recorded.
#[derive(Clone)]
pub struct Edge {
    /// The node read.
    pub node: Arc<Node>,
    /// Its version at recording; another one by the time of running means the value read is gone.
    pub version: u64,
}

/// The inputs of a node. Most ops have at most three: those are stored in the node itself.
pub type Edges = SmallVec<[Edge; 3]>;

/// What a node was recorded as.
#[derive(Clone)]
pub enum Body {
    /// A given value: data or a parameter.
    Leaf,
    /// A call of an op.
    Call {
        /// The op.
        op: Arc<dyn Op>,
        /// Its inputs.
        inputs: Edges,
    },
    /// A computed value whose history was let go.
    Released,
}

struct State {
    body: Body,
    value: Option<Value>,
}

/// A recorded value: how it is computed, and the value itself once it was run and somebody holds it.
pub struct Node {
    id: u64,
    spec: Result<Spec, Error>,
    at: At,
    requires_grad: bool,
    /// A parameter that no gradient flows to, for as long as this is on.
    frozen: AtomicBool,
    /// Gradients by it are kept: [`Tensor::watch`].
    watched: AtomicBool,
    /// Of a parameter, its name in a model, as the number of a path; 0 unless known.
    name: AtomicU32,
    backend: Arc<dyn Backend>,
    /// Tensors held by the user, apart from graph edges.
    handles: AtomicUsize,
    version: AtomicU64,
    /// The last walk that came by, and the number it gave.
    walk: AtomicU64,
    number: AtomicU32,
    state: Mutex<State>,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static GRAD_OFF: Cell<usize> = const { Cell::new(0) };
    static ON_BEHALF: Cell<Option<At>> = const { Cell::new(None) };
    /// What is read in the place of what, the newest last.
    static SUBSTITUTES: RefCell<Vec<(u64, Tensor)>> = const { RefCell::new(Vec::new()) };
    /// How many those are: looked at for every call that is recorded, so it is a number.
    static SUBSTITUTE_COUNT: Cell<usize> = const { Cell::new(0) };
}

/// Runs `f` with everything it records carrying the line `at`: a gradient belongs to the line of its forward op.
pub(crate) fn on_behalf_of<R>(at: At, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<At>);
    impl Drop for Restore {
        fn drop(&mut self) {
            ON_BEHALF.set(self.0);
        }
    }
    let _restore = Restore(ON_BEHALF.replace(Some(at)));
    f()
}

/// Whether what is recorded now may have gradients.
pub(crate) fn grad_is_on() -> bool {
    GRAD_OFF.get() == 0
}

pub(super) fn grad_off(delta: isize) {
    GRAD_OFF.with(|off| off.set(off.get().saturating_add_signed(delta)));
}

impl Node {
    fn build(backend: Arc<dyn Backend>, spec: Result<Spec>, at: At, requires_grad: bool, state: State) -> Tensor {
        backend.live().nodes.fetch_add(1, Ordering::Relaxed);
        let node = Node {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            spec,
            at,
            requires_grad,
            frozen: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            name: AtomicU32::new(0),
            backend,
            handles: AtomicUsize::new(1),
            version: AtomicU64::new(0),
            walk: AtomicU64::new(0),
            number: AtomicU32::new(0),
            state: Mutex::new(state),
        };
        Tensor { node: Arc::new(node) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Recording order: inputs always have smaller numbers than what reads them.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Shape and type, or the error the node carries.
    pub fn spec(&self) -> &Result<Spec, Error> {
        &self.spec
    }

    /// The caller's line.
    pub fn at(&self) -> At {
        self.at
    }

    /// Whether gradients flow to or through it.
    pub fn requires_grad(&self) -> bool {
        self.requires_grad && !self.is_frozen()
    }

    /// Whether it is a parameter that is not learned for now.
    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Acquire)
    }

    /// A parameter's name in a model, as far as it is known.
    pub(crate) fn name(&self) -> LayerPath {
        LayerPath::numbered(self.name.load(Ordering::Relaxed))
    }

    /// Gives a parameter its name in a model. That in a part of the model does not take its place.
    pub(crate) fn set_name(&self, name: &str) {
        let known = self.name();
        let is_part = known.as_str().strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        if !is_part && let Some(path) = LayerPath::of(name) {
            self.name.store(path.number(), Ordering::Relaxed);
            location::renamed();
        }
    }

    /// Whether gradients by it are kept.
    pub(super) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    /// How often the value was updated in place.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The device's side.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// Whether the user holds a `Tensor` to it.
    pub fn is_held(&self) -> bool {
        self.handles.load(Ordering::Acquire) > 0
    }

    /// What it was recorded as.
    pub fn body(&self) -> Body {
        self.state().body.clone()
    }

    /// Looks at what it was recorded as without a copy. `look` must not ask this node for its body or its value.
    pub(crate) fn with_body<R>(&self, look: impl FnOnce(&Body) -> R) -> R {
        look(&self.state().body)
    }

    /// Looks at what it was recorded as, unless there is a value now. `look` must not ask this node for its body or its value.
    pub(super) fn without_value<R>(&self, look: impl FnOnce(&Body) -> R) -> Option<R> {
        let state = self.state();
        if state.value.is_some() { None } else { Some(look(&state.body)) }
    }

    /// Whether there is a value now.
    pub(crate) fn has_value(&self) -> bool {
        self.state().value.is_some()
    }

    /// Its value, if there is one now.
    pub fn value(&self) -> Option<Value> {
        self.state().value.clone()
    }

    /// The name of its op, or `leaf`.
    pub fn op_name(&self) -> &'static str {
        self.with_body(|body| match body {
            Body::Call { op, .. } => op.name(),
            Body::Leaf => "leaf",
            Body::Released => "value",
        })
    }

    /// Stores the value after a run. A history that no gradient can flow through is let go, so that memory stays flat.
    pub(crate) fn set_value(&self, value: Value) {
        let mut state = self.state();
        state.value = Some(value);
        let useless = match &state.body {
            // A gradient would be refused at an input whose own history is gone.
            Body::Call { inputs, .. } => {
                let gone = |e: &Edge| e.node.requires_grad() && e.node.with_body(|body| matches!(body, Body::Released));
                // No gradient goes on from what is watched and was computed from data: it is data now.
                let ends = self.is_watched() && !inputs.iter().any(|e| e.node.requires_grad());
                if ends { Some(Body::Leaf) } else { (!self.requires_grad || inputs.iter().any(gone)).then_some(Body::Released) }
            }
            Body::Leaf | Body::Released => None,
        };
        let old = useless.map(|body| std::mem::replace(&mut state.body, body));
        // Dropping may free a long history: not under the lock.
        drop(state);
        drop(old);
    }

    /// Lets the history of a node with a value go: the parameters it was computed from were just updated.
    pub(crate) fn release(&self) {
        let mut state = self.state();
        if state.value.is_some() && matches!(state.body, Body::Call { .. }) {
            let old = std::mem::replace(&mut state.body, Body::Released);
            drop(state);
            drop(old);
        }
    }

    /// Lets the history of an update that ran go.
    pub(crate) fn finish(&self) {
        let old = std::mem::replace(&mut self.state().body, Body::Released);
        drop(old);
    }

    /// Marks an update in place.
    pub(crate) fn bump_version(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// Exchanges the value of a leaf (loading weights): later uses see the new one.
    pub(crate) fn replace_value(&self, value: Value) {
        // Reads that were asked for before are of the old value.
        self.backend.after_background();
        self.state().value = Some(value);
        self.bump_version();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.backend.live().nodes.fetch_sub(1, Ordering::Relaxed);
        // Deep graphs: the inputs of nodes that nobody else holds go onto a list instead of being dropped by recursion.
        let (mut edges, mut waiting) = (self.take_edges(), Vec::new());
        loop {
            for mut edge in edges {
                // Asked first, because the second costs an atomic operation.
                if Arc::strong_count(&edge.node) == 1
                    && let Some(node) = Arc::get_mut(&mut edge.node)
                {
                    let inputs = node.take_edges();
                    if !inputs.is_empty() {
                        waiting.push(inputs);
                    }
                }
            }
            match waiting.pop() {
                Some(inputs) => edges = inputs,
                None => return,
            }
        }
    }
}

impl Node {
    fn take_edges(&mut self) -> Edges {
        match &mut self.state.get_mut().unwrap_or_else(PoisonError::into_inner).body {
            Body::Call { inputs, .. } => std::mem::take(inputs),
            Body::Leaf | Body::Released => Edges::new(),
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node {{ {} {} at {} }}", self.id, self.op_name(), self.at)
    }
}

/// An n-dimensional array that is computed when it is needed.
///
/// A `Tensor` is a handle: calling an op on it records a node and returns at once; `item`, `to_vec`, `device.run`
/// and an optimizer's `step` compute. Shape and type are known at recording. A call that cannot work gives an
/// *invalid* tensor that carries the error to the first run point; [`Tensor::check`] asks early.
///
/// ```
/// use steepest::Device;
/// let device = Device::cpu();
/// let x = device.tensor(&[1.0, 2.0, 3.0], 3);
/// assert_eq!((&x * 2.0).sum(&[]).item()?, 12.0);
/// # Ok::<(), steepest::Error>(())
/// ```
#[doc = include_str!("methods.md")]
pub struct Tensor {
    node: Arc<Node>,
}

impl Clone for Tensor {
    fn clone(&self) -> Tensor {
        Tensor::of(self.node.clone())
    }
}

impl Drop for Tensor {
    fn drop(&mut self) {
        self.node.handles.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Tensor {
    /// A handle to a node.
    pub(crate) fn of(node: Arc<Node>) -> Tensor {
        node.handles.fetch_add(1, Ordering::AcqRel);
        Tensor { node }
    }

    /// A given value. `requires_grad` makes it a parameter.
    pub(crate) fn leaf(
        backend: &Arc<dyn Backend>,
        spec: Result<Spec, OpError>,
        value: Option<Value>,
        requires_grad: bool,
        at: At,
    ) -> Tensor {
        let spec = spec.map_err(|error| Error::op("tensor", at, error));
        Node::build(backend.clone(), spec, at, requires_grad, State { body: Body::Leaf, value })
    }

    /// An invalid tensor.
    pub(crate) fn invalid(backend: &Arc<dyn Backend>, error: Error, at: At) -> Tensor {
        Node::build(backend.clone(), Err(error), at, false, State { body: Body::Leaf, value: None })
    }

    /// The recorded node.
    #[doc(hidden)]
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Shape and type, or the error this tensor carries.
    ///
    /// # Errors
    /// The error of the op that could not work.
    pub fn spec(&self) -> Result<Spec> {
        self.node.spec.clone()
    }

    /// Whether recording succeeded so far; running would report the same error later.
    ///
    /// # Errors
    /// The error this tensor carries.
    pub fn check(&self) -> Result<()> {
        self.node.spec.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    /// The shape, or the error this tensor carries.
    ///
    /// # Errors
    /// The error of the op that could not work.
    pub fn try_shape(&self) -> Result<Shape> {
        self.node.spec.as_ref().map(|spec| spec.shape).map_err(Clone::clone)
    }

    /// The shape.
    ///
    /// # Panics
    /// On an invalid tensor, with the message of the error it carries; [`Tensor::try_shape`] returns it instead.
    #[track_caller]
    pub fn shape(&self) -> Shape {
        match &self.node.spec {
            Ok(spec) => spec.shape,
            Err(error) => panic!("{error}"),
        }
    }

    /// The element type.
    ///
    /// # Panics
    /// On an invalid tensor, with the message of the error it carries.
    #[track_caller]
    pub fn dtype(&self) -> DType {
        match &self.node.spec {
            Ok(spec) => spec.dtype,
            Err(error) => panic!("{error}"),
        }
    }

    /// Whether gradients flow to or through this tensor.
    pub fn requires_grad(&self) -> bool {
        self.node.requires_grad()
    }

    /// Has a parameter learned no more, or learned again: what is recorded from now on has no gradient by a frozen one and does no work for it, and an
    /// optimizer passes it over. Its value, its name in files and its state in an optimizer stay. Change it between steps, not while one is recorded.
    ///
    /// A tensor that is no parameter stays as it is. Many at once, by name: [`Module::freeze`](crate::nn::Module::freeze).
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let (w, b) = (device.parameter(&[3.0], 1), device.parameter(&[1.0], 1));
    /// b.set_frozen(true);
    /// let gradients = (&w * &b).sum(&[]).backward();
    /// assert!(gradients.get(&w)?.is_some() && gradients.get(&b)?.is_none());
    /// # Ok::<(), steepest::Error>(())
    /// ```
    pub fn set_frozen(&self, on: bool) {
        if self.node.requires_grad && self.node.with_body(|body| matches!(body, Body::Leaf)) {
            self.node.frozen.store(on, Ordering::Release);
        }
    }

    /// Whether it is a parameter that is not learned for now: [`Tensor::set_frozen`].
    pub fn is_frozen(&self) -> bool {
        self.node.is_frozen()
    }

    /// Runs `f` with other tensors in the place of some: wherever a call that `f` records would read the first of a pair, it reads the second, which
    /// should have its shape and type. So any layer can be run with a weight that is computed, though it was written for one of its own; gradients
    /// flow to what the second was computed from.
    ///
    /// What is updated in place inside `f` (running statistics) must not be among them.
    ///
    /// ```
    /// use steepest::{Device, Tensor, nn::{Linear, Module}};
    /// let device = Device::cpu();
    /// let (layer, x) = (Linear::new(&device, 2, 1, 0).without_bias(), device.ones([1, 2]));
    /// let weight = device.tensor(&[1.0, 2.0], [1, 2]);
    /// let y = Tensor::substitute(&[(layer.weight(), &weight)], || layer.forward(&x));
    /// assert_eq!(y.item()?, 3.0);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[doc(hidden)]
    pub fn substitute<R>(pairs: &[(&Tensor, &Tensor)], f: impl FnOnce() -> R) -> R {
        struct Restore(usize);
        impl Drop for Restore {
            fn drop(&mut self) {
                SUBSTITUTE_COUNT.set(self.0);
                let ended = SUBSTITUTES.with_borrow_mut(|all| all.split_off(self.0));
                drop(ended);
            }
        }
        let before = SUBSTITUTES.with_borrow_mut(|all| {
            let before = all.len();
            all.extend(pairs.iter().map(|(old, new)| (old.id(), Tensor::clone(new))));
            SUBSTITUTE_COUNT.set(all.len());
            before
        });
        let _restore = Restore(before);
        f()
    }

    /// A number that stays the same for the life of this value; gradients are addressed by it.
    pub fn id(&self) -> u64 {
        self.node.id
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node.spec {
            Ok(spec) => write!(f, "Tensor({spec}, {} on {})", self.node.op_name(), self.node.backend.name()),
            Err(error) => write!(f, "Tensor(invalid: {error})"),
        }
    }
}

impl Tensor {
    /// Has what was just recorded asked for its gradient, whatever it was computed from.
    pub(crate) fn watched(op: impl Op, input: &Tensor, at: At) -> Tensor {
        let backend = &input.node.backend;
        let inputs = substituted(&[input]).unwrap_or_else(|| SmallVec::from_elem(input.clone(), 1));
        match infer(backend, &op, &[&inputs[0]], at) {
            Err(error) => Tensor::invalid(backend, error, at),
            Ok(spec) => {
                let edges = inputs.iter().map(|input| Edge { node: input.node.clone(), version: input.node.version() }).collect();
                let body = Body::Call { op: Arc::new(op), inputs: edges };
                let tensor = Node::build(backend.clone(), Ok(spec), at, true, State { body, value: None });
                tensor.node.watched.store(true, Ordering::Relaxed);
                tensor
            }
        }
    }
}

/// Records a call: checks shapes now, computes nothing.
///
/// An error (here or in an input) gives an invalid tensor that carries it.
///
/// # Panics
/// If there are no inputs; use [`record_on`].
#[track_caller]
pub fn record(op: impl Op, inputs: &[&Tensor]) -> Tensor {
    record_on(&inputs[0].node.backend, op, inputs)
}

/// Records a call for a device: for ops without inputs.
#[track_caller]
pub fn record_on(backend: &Arc<dyn Backend>, op: impl Op, inputs: &[&Tensor]) -> Tensor {
    record_shared(backend, Arc::new(op), inputs)
}

/// Records a call of an op whose type is not known.
#[track_caller]
pub fn record_shared(backend: &Arc<dyn Backend>, op: Arc<dyn Op>, inputs: &[&Tensor]) -> Tensor {
    let at = match ON_BEHALF.get() {
        Some(at) => at,
        None => At::caller(),
    };
    match substituted(inputs) {
        Some(inputs) => record_inputs(backend, op, &inputs.iter().collect::<SmallVec<[&Tensor; 3]>>(), at),
        None => record_inputs(backend, op, inputs, at),
    }
}

/// The inputs with what stands in the place of some of them; `None` where nothing does.
fn substituted(inputs: &[&Tensor]) -> Option<SmallVec<[Tensor; 3]>> {
    if SUBSTITUTE_COUNT.get() == 0 {
        return None;
    }
    SUBSTITUTES.with_borrow(|all| {
        let substitute = |input: &Tensor| all.iter().rev().find(|(id, _)| *id == input.id()).map(|(_, new)| new);
        if !inputs.iter().any(|&input| substitute(input).is_some()) {
            return None;
        }
        Some(inputs.iter().map(|&input| substitute(input).unwrap_or(input).clone()).collect())
    })
}

fn record_inputs(backend: &Arc<dyn Backend>, op: Arc<dyn Op>, inputs: &[&Tensor], at: At) -> Tensor {
    match infer(backend, &*op, inputs, at) {
        Err(error) => Tensor::invalid(backend, error, at),
        Ok(spec) => {
            let tracked = inputs.iter().any(|t| t.node.requires_grad());
            let requires_grad = tracked && spec.dtype.is_float() && GRAD_OFF.with(|off| off.get() == 0);
            let mut edges = Edges::new();
            for input in inputs {
                edges.push(Edge { node: input.node.clone(), version: input.node.version() });
            }
            let body = Body::Call { op, inputs: edges };
            Node::build(backend.clone(), Ok(spec), at, requires_grad, State { body, value: None })
        }
    }
}

fn infer(backend: &Arc<dyn Backend>, op: &dyn Op, inputs: &[&Tensor], at: At) -> Result<Spec> {
    let name = op.name();
    let mut specs: SmallVec<[Spec; 3]> = SmallVec::new();
    for input in inputs {
        specs.push(*input.node.spec.as_ref().map_err(Clone::clone)?);
    }
    if let Some(other) = inputs.iter().find(|t| t.node.backend.id() != backend.id()) {
        let devices = OpError::Devices(backend.name().to_owned(), other.node.backend.name().to_owned());
        return Err(Error::op(name, at, devices));
    }
    let refused = specs.iter().enumerate().find(|(_, spec)| spec.dtype == DType::F16 && !op.accepts_f16());
    let readable = match refused {
        Some((i, spec)) => {
            Err(OpError::DType(format!("operand {i} is {spec}, which only products and gathers read; convert with to_f32()")))
        }
        None => Ok(()),
    };
    backend.live().check().and(readable).and_then(|()| op.infer(&specs)).map_err(|error| Error::op(name, at, error))
}
