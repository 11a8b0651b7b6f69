//! Recurrent cells and layers: RNN (Elman 1990), LSTM (Hochreiter and Schmidhuber 1997), GRU (Cho et al. 2014), in PyTorch's order of gates.
//!
//! A cell with g gates has `weight_ih` \[g·hidden, inputs\], `weight_hh` \[g·hidden, hidden\], `bias_ih` and `bias_hh` \[g·hidden\], all
//! started uniform in ±1 / √hidden. Below, a is W_ih x + b_ih and b is W_hh h + b_hh, in g parts of size hidden.

use super::{Blueprint, Init, Module, Site};
use crate::error::{OpError, Result};
use crate::{Device, Shape, Tensor};

/// What all cells have: weights, and how a step turns a state into the next one.
pub trait Cell: Module + Sized {
    /// What is carried from step to step: h, or (h, c) for an LSTM, each \[n, hidden\].
    type State: Clone;
    /// Parts of the weights, each of size hidden.
    const GATES: usize;
    /// `rnn`, `gru`, `lstm`: what errors call it.
    const NAME: &'static str;

    /// A cell of given weights.
    fn with_weights(weights: Weights) -> Self;

    /// Its weights.
    fn weights(&self) -> &Weights;

    /// The next state from a = W_ih x + b_ih \[n, gates·hidden\].
    fn advance(&self, a: &Tensor, state: &Self::State) -> Self::State;

    /// A state of zeros for n rows.
    fn zeros(&self, device: &Device, n: usize) -> Self::State;

    /// The tensors of a state.
    fn tensors(state: &Self::State) -> Vec<&Tensor>;

    /// The same state without its history: gradients end here. A long text is learned in pieces, each from the state that the piece before
    /// it left (truncated backpropagation through time, Williams and Peng 1990). Run the step that computes the state first.
    ///
    /// ```
    /// use steepest::{Device, nn::{Gru, GruCell, recurrent::Cell}};
    /// let device = Device::cpu();
    /// let (gru, piece, first) = (Gru::new(&device, 3, 8, 0), device.ones([5, 1, 3]), device.parameter(&[0.5; 8], [1, 8]));
    /// let (_, state) = gru.run(&piece, Some(&first));
    /// let (_, next) = gru.run(&piece, Some(&state));
    /// assert!(next.sum(&[]).backward().get(&first)?.is_some());
    /// let (_, next) = gru.run(&piece, Some(&GruCell::detach(&state)));
    /// assert!(next.sum(&[]).backward().get(&first)?.is_none());
    /// # Ok::<(), steepest::Error>(())
    /// ```
    fn detach(state: &Self::State) -> Self::State;

    /// A cell with new weights.
    #[track_caller]
    fn new(device: &Device, inputs: usize, hidden: usize, seed: u64) -> Self {
        let start = Init::Uniform(1.0 / (hidden.max(1) as f64).sqrt());
        let rows = Self::GATES * hidden;
        let made = |shape: &[usize], stream| start.parameter(device, shape, (inputs, hidden), seed, stream);
        let (ih, hh) = (made(&[rows, inputs], 0), made(&[rows, hidden], 1));
        Self::with_weights(Weights { ih, hh, b_ih: made(&[rows], 2), b_hh: made(&[rows], 3) })
    }

    /// The state after x \[n, inputs\].
    ///
    /// Shapes that do not fit make the new state invalid.
    #[track_caller]
    fn step(&self, x: &Tensor, state: &Self::State) -> Self::State {
        let a = match self.refuse(x, state, &[]) {
            Some(invalid) => invalid,
            None => self.weights().of_input(x),
        };
        self.advance(&a, state)
    }

    /// An invalid tensor unless x is \[`before`…, n, inputs\] and the state's tensors are \[n, hidden\].
    #[track_caller]
    fn refuse(&self, x: &Tensor, state: &Self::State, before: &[usize]) -> Option<Tensor> {
        let (shape, (inputs, hidden)) = (x.try_shape().ok()?, self.weights().sizes(Self::GATES)?);
        let n = match shape.dims().strip_prefix(before) {
            Some(&[n, features]) if features == inputs => n,
            _ => {
                let message = format!("input is {shape}, expected [n,{inputs}] after {before:?}");
                return Some(x.refuse(Self::NAME, OpError::Shape(message)));
            }
        };
        let shapes = Self::tensors(state).into_iter().filter_map(|t| t.try_shape().ok());
        let wrong = shapes.into_iter().find(|s| s.dims() != [n, hidden])?;
        Some(x.refuse(Self::NAME, OpError::Shape(format!("a state is {wrong}, expected [{n},{hidden}] for input {shape}"))))
    }
}

/// The weights of a cell.
#[derive(Clone, Debug)]
pub struct Weights {
    /// `weight_ih` \[gates·hidden, inputs\]
    pub ih: Tensor,
    /// `weight_hh` \[gates·hidden, hidden\]
    pub hh: Tensor,
    /// `bias_ih` \[gates·hidden\]
    pub b_ih: Tensor,
    /// `bias_hh` \[gates·hidden\]
    pub b_hh: Tensor,
}

impl Weights {
    /// W_ih x + b_ih
    #[track_caller]
    fn of_input(&self, x: &Tensor) -> Tensor {
        x.matmul(&self.ih.t()).add(&self.b_ih)
    }

    /// W_hh h + b_hh
    #[track_caller]
    fn of_state(&self, h: &Tensor) -> Tensor {
        h.matmul(&self.hh.t()).add(&self.b_hh)
    }

    /// `(inputs, hidden)`; `None` where the weights do not belong together: what reads them tells.
    fn sizes(&self, gates: usize) -> Option<(usize, usize)> {
        let (ih, hh) = (self.ih.try_shape().ok()?, self.hh.try_shape().ok()?);
        let (&[rows, inputs], &[_, hidden]) = (ih.dims(), hh.dims()) else { return None };
        (rows == gates * hidden).then_some((inputs, hidden))
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        visit("weight_ih", &self.ih);
        visit("weight_hh", &self.hh);
        visit("bias_ih", &self.b_ih);
        visit("bias_hh", &self.b_hh);
    }

    /// `inputs → hidden`, for summaries.
    fn describe(&self, gates: usize) -> String {
        self.sizes(gates).map_or("?".to_owned(), |(inputs, hidden)| format!("{inputs} → {hidden}"))
    }

    /// Multiply-adds of `steps` rows.
    fn work(&self, steps: usize) -> usize {
        steps * [&self.ih, &self.hh].iter().filter_map(|w| w.try_shape().ok()).map(|s| s.numel()).sum::<usize>()
    }
}

/// Splits \[n, gates·hidden\] into its gates.
#[track_caller]
fn gates(x: &Tensor, count: usize) -> Vec<Tensor> {
    match x.try_shape() {
        Ok(shape) if shape.rank() == 2 => x.split(1, &vec![shape.dims()[1] / count; count]),
        Ok(shape) => vec![x.refuse("gates", OpError::Shape(format!("{shape} of {count} gates"))); count],
        Err(_) => vec![x.clone(); count],
    }
}

#[track_caller]
fn zero_state(device: &Device, weights: &Weights, gates: usize, n: usize) -> Tensor {
    device.zeros([n, weights.sizes(gates).map_or(0, |(_, hidden)| hidden)])
}

/// A cell of the sizes that a blueprint says.
fn built<C: Cell>(site: &Site<'_>) -> Result<C> {
    let (inputs, hidden) = (site.size("inputs")?, site.size("hidden")?);
    (0..C::GATES).try_for_each(|_| site.reserve(&[&[hidden, inputs], &[hidden, hidden], &[hidden], &[hidden]]))?;
    Ok(C::new(site.device(), inputs, hidden, 0))
}

macro_rules! cell {
    ($(#[$doc:meta])* $name:ident, $text:literal, $gates:literal, $state:ty, $first:expr) => {
        $(#[$doc])*
        ///
        /// As a module it makes one step from a state of zeros: x \[n, inputs\] → h \[n, hidden\].
        #[derive(Clone, Debug)]
        pub struct $name(Weights);

        impl Module for $name {
            fn forward(&self, x: &Tensor) -> Tensor {
                let n = x.try_shape().map_or(0, |s| s.dims().first().copied().unwrap_or(0));
                let first: fn(&$state) -> &Tensor = $first;
                first(&self.step(x, &self.zeros(&x.device(), n))).clone()
            }

            fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
                self.0.visit(visit);
            }

            fn multiply_adds(&self, input: &Shape, _: &Shape) -> usize {
                self.0.work(input.dims().first().copied().unwrap_or(0))
            }

            fn blueprint(&self) -> Option<Blueprint> {
                let (inputs, hidden) = self.0.sizes($gates)?;
                Some(Blueprint::new(stringify!($name)).set("inputs", inputs).set("hidden", hidden))
            }

            fn describe(&self) -> String {
                format!(concat!(stringify!($name), "({})"), self.0.describe($gates))
            }
        }

        impl $name {
            pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
                Ok(Box::new(built::<$name>(site)?))
            }
        }
    };
}

cell! {
    /// h ← tanh(a + b)
    RnnCell, "rnn", 1, Tensor, |h| h
}
cell! {
    /// r, z ← σ(a + b) of the first two parts; n ← tanh(a_n + r b_n) of the third; h ← (1 − z) n + z h
    GruCell, "gru", 3, Tensor, |h| h
}
cell! {
    /// i, f, o ← σ(a + b) of the first, second and fourth part; g ← tanh(a + b) of the third; c ← f c + i g; h ← o tanh c
    LstmCell, "lstm", 4, (Tensor, Tensor), |(h, _)| h
}

impl Cell for RnnCell {
    type State = Tensor;
    const GATES: usize = 1;
    const NAME: &'static str = "rnn";

    fn with_weights(weights: Weights) -> RnnCell {
        RnnCell(weights)
    }
    fn weights(&self) -> &Weights {
        &self.0
    }
    #[track_caller]
    fn advance(&self, a: &Tensor, h: &Tensor) -> Tensor {
        a.add(&self.0.of_state(h)).tanh()
    }
    #[track_caller]
    fn zeros(&self, device: &Device, n: usize) -> Tensor {
        zero_state(device, &self.0, Self::GATES, n)
    }
    fn tensors(h: &Tensor) -> Vec<&Tensor> {
        vec![h]
    }
    #[track_caller]
    fn detach(h: &Tensor) -> Tensor {
        h.detach()
    }
}

impl Cell for GruCell {
    type State = Tensor;
    const GATES: usize = 3;
    const NAME: &'static str = "gru";

    fn with_weights(weights: Weights) -> GruCell {
        GruCell(weights)
    }
    fn weights(&self) -> &Weights {
        &self.0
    }
    #[track_caller]
    fn advance(&self, a: &Tensor, h: &Tensor) -> Tensor {
        let (a, b) = (gates(a, 3), gates(&self.0.of_state(h), 3));
        let (r, z) = (a[0].add(&b[0]).sigmoid(), a[1].add(&b[1]).sigmoid());
        let n = a[2].add(&r.mul(&b[2])).tanh();
        // (1 − z) n + z h
        n.add(&z.mul(&h.sub(&n)))
    }
    #[track_caller]
    fn zeros(&self, device: &Device, n: usize) -> Tensor {
        zero_state(device, &self.0, Self::GATES, n)
    }
    fn tensors(h: &Tensor) -> Vec<&Tensor> {
        vec![h]
    }
    #[track_caller]
    fn detach(h: &Tensor) -> Tensor {
        h.detach()
    }
}

impl Cell for LstmCell {
    type State = (Tensor, Tensor);
    const GATES: usize = 4;
    const NAME: &'static str = "lstm";

    fn with_weights(weights: Weights) -> LstmCell {
        LstmCell(weights)
    }
    fn weights(&self) -> &Weights {
        &self.0
    }
    #[track_caller]
    fn advance(&self, a: &Tensor, (h, c): &(Tensor, Tensor)) -> (Tensor, Tensor) {
        let parts = gates(&a.add(&self.0.of_state(h)), 4);
        let c = parts[1].sigmoid().mul(c).add(&parts[0].sigmoid().mul(&parts[2].tanh()));
        (parts[3].sigmoid().mul(&c.tanh()), c)
    }
    #[track_caller]
    fn zeros(&self, device: &Device, n: usize) -> (Tensor, Tensor) {
        let zero = zero_state(device, &self.0, Self::GATES, n);
        (zero.clone(), zero)
    }
    fn tensors((h, c): &(Tensor, Tensor)) -> Vec<&Tensor> {
        vec![h, c]
    }
    #[track_caller]
    fn detach((h, c): &(Tensor, Tensor)) -> (Tensor, Tensor) {
        (h.detach(), c.detach())
    }
}

/// An RNN over a sequence.
pub type Rnn = Recurrent<RnnCell>;
/// A GRU over a sequence.
pub type Gru = Recurrent<GruCell>;
/// An LSTM over a sequence.
pub type Lstm = Recurrent<LstmCell>;

/// A cell over a sequence: x \[t, n, inputs\] → every h \[t, n, hidden\], and the state after the last step.
///
/// The parameters are those of the cell, named as those of PyTorch's layers, whose first layer is `l0`: `weight_ih_l0`.
///
/// ```
/// use steepest::{Device, nn::{Lstm, Module}};
/// let device = Device::cpu();
/// let lstm = Lstm::new(&device, 3, 8, 0);
/// let (every, (h, c)) = lstm.run(&device.zeros([5, 2, 3]), None);
/// assert_eq!((every.shape().dims(), h.shape(), c.shape()), (&[5, 2, 8][..], h.shape(), h.shape()));
/// assert_eq!(lstm.named_parameters()[0].0, "weight_ih_l0");
/// ```
#[derive(Clone, Debug)]
pub struct Recurrent<C> {
    cell: C,
    batch_first: bool,
    last_only: bool,
}

impl<C: Cell> Recurrent<C> {
    /// A layer with new weights.
    #[track_caller]
    pub fn new(device: &Device, inputs: usize, hidden: usize, seed: u64) -> Recurrent<C> {
        Recurrent::of(C::new(device, inputs, hidden, seed))
    }

    /// A layer of a given cell.
    pub fn of(cell: C) -> Recurrent<C> {
        Recurrent { cell, batch_first: false, last_only: false }
    }

    /// Takes \[n, t, inputs\] and gives \[n, t, hidden\].
    pub fn batch_first(self) -> Recurrent<C> {
        Recurrent { batch_first: true, ..self }
    }

    /// As a module gives the h after the last step only, \[n, hidden\]: a sequence as one vector.
    pub fn last_only(self) -> Recurrent<C> {
        Recurrent { last_only: true, ..self }
    }

    /// The cell.
    pub fn cell(&self) -> &C {
        &self.cell
    }

    /// Every h, and the state after the last step; `start` is a state of zeros where it is not given.
    ///
    /// An input that is not \[t, n, inputs\] (\[n, t, inputs\] with `batch_first`) with t ≥ 1, and a start that does not fit it, make all
    /// results invalid.
    #[track_caller]
    pub fn run(&self, x: &Tensor, start: Option<&C::State>) -> (Tensor, C::State) {
        let device = x.device();
        let by_time = if self.batch_first { x.transpose(0, 1) } else { x.clone() };
        let (time, n) = match by_time.try_shape().map(|s| (s, s.dims().to_vec())) {
            Ok((_, dims)) if dims.len() == 3 && dims[0] > 0 => (dims[0], dims[1]),
            Ok((shape, _)) => {
                let message = format!("input by time is {shape}, expected [t,n,inputs] with t of at least 1");
                return self.failed(&x.refuse(C::NAME, OpError::Shape(message)), &device);
            }
            // A transposition that cannot be, or the input's own error.
            Err(_) => return self.failed(&by_time, &device),
        };
        let mut state = start.cloned().unwrap_or_else(|| self.cell.zeros(&device, n));
        if let Some(invalid) = self.cell.refuse(&by_time, &state, &[time]) {
            return self.failed(&invalid, &device);
        }
        // The inputs' part of all steps in one product.
        let from_inputs = self.cell.weights().of_input(&by_time);
        let mut every = Vec::with_capacity(time);
        for a in from_inputs.split(0, &vec![1; time]) {
            state = self.cell.advance(&a.squeeze(&[0]), &state);
            every.push(C::tensors(&state)[0].unsqueeze(0));
        }
        let others: Vec<&Tensor> = every[1..].iter().collect();
        let all = every[0].cat(&others, 0);
        (if self.batch_first { all.transpose(0, 1) } else { all }, state)
    }

    /// What comes of an invalid input: a state made from it is invalid too.
    #[track_caller]
    fn failed(&self, invalid: &Tensor, device: &Device) -> (Tensor, C::State) {
        (invalid.clone(), self.cell.advance(invalid, &self.cell.zeros(device, 1)))
    }
}

impl<C: Cell + 'static> Recurrent<C> {
    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let (batch_first, last_only) = (site.flag("batch_first")?, site.flag("last_only")?);
        Ok(Box::new(Recurrent { cell: built::<C>(site)?, batch_first, last_only }))
    }
}

impl<C: Cell> Module for Recurrent<C> {
    fn forward(&self, x: &Tensor) -> Tensor {
        let (every, last) = self.run(x, None);
        if self.last_only && every.check().is_ok() { C::tensors(&last)[0].clone() } else { every }
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        self.cell.visit(&mut |name, parameter| visit(&format!("{name}_l0"), parameter));
    }

    fn multiply_adds(&self, input: &Shape, _: &Shape) -> usize {
        self.cell.weights().work(input.dims().iter().take(2).product())
    }

    fn blueprint(&self) -> Option<Blueprint> {
        // The layer of `LstmCell` is `Lstm`.
        let (inputs, hidden) = self.cell.weights().sizes(C::GATES)?;
        let blueprint = Blueprint::new(self.cell.blueprint()?.kind().strip_suffix("Cell")?);
        let blueprint = blueprint.set("inputs", inputs).set("hidden", hidden);
        Some(blueprint.set("batch_first", self.batch_first).set("last_only", self.last_only))
    }

    fn describe(&self) -> String {
        self.cell.describe().replace("Cell", "")
    }
}
