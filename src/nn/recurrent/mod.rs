//! Recurrent cells and layers: RNN (Elman 1990), LSTM (Hochreiter and Schmidhuber 1997), GRU (Cho et al. 2014), in PyTorch's order of gates.
//!
//! A cell with g gates has `weight_ih` \[g·hidden, inputs\], `weight_hh` \[g·hidden, hidden\], `bias_ih` and `bias_hh` \[g·hidden\], all
//! started uniform in ±1 / √hidden. Below, a is W_ih x + b_ih and b is W_hh h + b_hh, in g parts of size hidden.

mod layer;

pub use layer::{Gru, Lstm, Recurrent, Rnn};

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

    /// A state of what `f` makes of this one's tensors, in the order of [`Cell::tensors`].
    fn map(state: &Self::State, f: &mut dyn FnMut(&Tensor) -> Tensor) -> Self::State;

    /// A cell of this one's kind and settings with other weights.
    fn alike(&self, weights: Weights) -> Self {
        Self::with_weights(weights)
    }

    /// This cell with the settings of a blueprint that are no sizes. What is not in it stays: older files have less.
    ///
    /// # Errors
    /// A setting that it does not know.
    fn set_up(self, blueprint: &Blueprint) -> Result<Self> {
        let _ = blueprint;
        Ok(self)
    }

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
    #[track_caller]
    fn detach(state: &Self::State) -> Self::State {
        Self::map(state, &mut |tensor| tensor.detach())
    }

    /// A cell with new weights.
    #[track_caller]
    fn new(device: &Device, inputs: usize, hidden: usize, seed: u64) -> Self {
        let start = Init::Uniform(1.0 / (hidden.max(1) as f64).sqrt());
        let rows = Self::GATES.saturating_mul(hidden);
        let fans = (inputs, hidden);
        // Not in a closure: an error names the line of whoever called this.
        let ih = start.start(Self::NAME, device, &[rows, inputs], fans, seed, 0);
        let hh = start.start(Self::NAME, device, &[rows, hidden], fans, seed, 1);
        let b_ih = start.start(Self::NAME, device, &[rows], fans, seed, 2);
        let b_hh = start.start(Self::NAME, device, &[rows], fans, seed, 3);
        Self::with_weights(Weights { ih, hh, b_ih, b_hh })
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
        (Some(rows) == gates.checked_mul(hidden)).then_some((inputs, hidden))
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        visit("weight_ih", &self.ih);
        visit("weight_hh", &self.hh);
        visit("bias_ih", &self.b_ih);
        visit("bias_hh", &self.b_hh);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        visit("weight_ih", &mut self.ih);
        visit("weight_hh", &mut self.hh);
        visit("bias_ih", &mut self.b_ih);
        visit("bias_hh", &mut self.b_hh);
    }

    /// `inputs → hidden`, for summaries.
    fn describe(&self, gates: usize) -> String {
        self.sizes(gates).map_or("?".to_owned(), |(inputs, hidden)| format!("{inputs} → {hidden}"))
    }

    /// Multiply-adds of `steps` rows.
    fn work(&self, steps: usize) -> usize {
        let numbers = [&self.ih, &self.hh].iter().filter_map(|w| w.try_shape().ok()).map(|s| s.numel()).sum();
        steps.saturating_mul(numbers)
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
    C::new(site.device(), inputs, hidden, 0).set_up(site.blueprint())
}

macro_rules! cell {
    ($(#[$doc:meta])* $name:ident, $gates:literal, $state:ty, $first:expr $(, $field:ident: $kind:ty)?) => {
        $(#[$doc])*
        ///
        /// As a module it makes one step from a state of zeros: x \[n, inputs\] → h \[n, hidden\].
        #[derive(Clone, Debug)]
        pub struct $name {
            weights: Weights,
            $($field: $kind,)?
        }

        impl Module for $name {
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Tensor {
                let _layer = crate::nn::entered(self);
                let n = x.try_shape().map_or(0, |s| s.dims().first().copied().unwrap_or(0));
                let first: fn(&$state) -> &Tensor = $first;
                first(&self.step(x, &self.zeros(&x.device(), n))).clone()
            }

            fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
                self.weights.visit(visit);
            }

            fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
                self.weights.visit_mut(visit);
            }

            fn multiply_adds(&self, input: &Shape, _: &Shape) -> usize {
                self.weights.work(input.dims().first().copied().unwrap_or(0))
            }

            fn blueprint(&self) -> Option<Blueprint> {
                let (inputs, hidden) = self.weights.sizes($gates)?;
                let blueprint = Blueprint::new(stringify!($name)).set("inputs", inputs).set("hidden", hidden);
                // Only what is not as in a new cell.
                $(let blueprint = if self.$field { blueprint.set(stringify!($field), true) } else { blueprint };)?
                Some(blueprint)
            }

            fn describe(&self) -> String {
                let text = concat!(stringify!($name), "(").to_owned() + &self.weights.describe($gates);
                $(let text = if self.$field { text + concat!(", ", stringify!($field)) } else { text };)?
                text + ")"
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
    /// h ← tanh(a + b), or relu(a + b).
    RnnCell, 1, Tensor, |h| h, relu: bool
}
cell! {
    /// r, z ← σ(a + b) of the first two parts; n ← tanh(a_n + r b_n) of the third; h ← (1 − z) n + z h
    GruCell, 3, Tensor, |h| h
}
cell! {
    /// i, f, o ← σ(a + b) of the first, second and fourth part; g ← tanh(a + b) of the third; c ← f c + i g; h ← o tanh c
    LstmCell, 4, (Tensor, Tensor), |(h, _)| h
}

impl RnnCell {
    /// The same cell with max(a + b, 0) in place of tanh: PyTorch's `nonlinearity="relu"`.
    pub fn relu(self) -> RnnCell {
        RnnCell { relu: true, ..self }
    }
}

impl LstmCell {
    /// The same cell with a bias of the forget gates that starts at `value` in all: `bias_ih` has it, `bias_hh` 0. With 1 a new cell remembers
    /// (Gers et al. 2000; Jozefowicz et al. 2015).
    ///
    /// # Errors
    /// The device's, where it cannot read the biases.
    pub fn forget_bias(self, value: f32) -> Result<LstmCell> {
        for (bias, value) in [(&self.weights.b_ih, value), (&self.weights.b_hh, 0.0)] {
            let mut numbers = bias.to_vec::<f32>()?;
            let hidden = numbers.len() / Self::GATES;
            numbers[hidden..2 * hidden].fill(value);
            bias.set(&numbers)?;
        }
        Ok(self)
    }
}

impl Cell for RnnCell {
    type State = Tensor;
    const GATES: usize = 1;
    const NAME: &'static str = "rnn";

    fn with_weights(weights: Weights) -> RnnCell {
        RnnCell { weights, relu: false }
    }
    fn weights(&self) -> &Weights {
        &self.weights
    }
    #[track_caller]
    fn advance(&self, a: &Tensor, h: &Tensor) -> Tensor {
        let sum = a.add(&self.weights.of_state(h));
        if self.relu { sum.relu() } else { sum.tanh() }
    }
    fn alike(&self, weights: Weights) -> RnnCell {
        RnnCell { weights, relu: self.relu }
    }
    fn set_up(self, blueprint: &Blueprint) -> Result<RnnCell> {
        let relu = if blueprint.settings().contains_key("relu") { blueprint.flag("relu")? } else { false };
        Ok(RnnCell { relu, ..self })
    }
    #[track_caller]
    fn zeros(&self, device: &Device, n: usize) -> Tensor {
        zero_state(device, &self.weights, Self::GATES, n)
    }
    fn tensors(h: &Tensor) -> Vec<&Tensor> {
        vec![h]
    }
    fn map(h: &Tensor, f: &mut dyn FnMut(&Tensor) -> Tensor) -> Tensor {
        f(h)
    }
}

impl Cell for GruCell {
    type State = Tensor;
    const GATES: usize = 3;
    const NAME: &'static str = "gru";

    fn with_weights(weights: Weights) -> GruCell {
        GruCell { weights }
    }
    fn weights(&self) -> &Weights {
        &self.weights
    }
    #[track_caller]
    fn advance(&self, a: &Tensor, h: &Tensor) -> Tensor {
        let (a, b) = (gates(a, 3), gates(&self.weights.of_state(h), 3));
        let (r, z) = (a[0].add(&b[0]).sigmoid(), a[1].add(&b[1]).sigmoid());
        let n = a[2].add(&r.mul(&b[2])).tanh();
        // (1 − z) n + z h
        n.add(&z.mul(&h.sub(&n)))
    }
    #[track_caller]
    fn zeros(&self, device: &Device, n: usize) -> Tensor {
        zero_state(device, &self.weights, Self::GATES, n)
    }
    fn tensors(h: &Tensor) -> Vec<&Tensor> {
        vec![h]
    }
    fn map(h: &Tensor, f: &mut dyn FnMut(&Tensor) -> Tensor) -> Tensor {
        f(h)
    }
}

impl Cell for LstmCell {
    type State = (Tensor, Tensor);
    const GATES: usize = 4;
    const NAME: &'static str = "lstm";

    fn with_weights(weights: Weights) -> LstmCell {
        LstmCell { weights }
    }
    fn weights(&self) -> &Weights {
        &self.weights
    }
    #[track_caller]
    fn advance(&self, a: &Tensor, (h, c): &(Tensor, Tensor)) -> (Tensor, Tensor) {
        let parts = gates(&a.add(&self.weights.of_state(h)), 4);
        let c = parts[1].sigmoid().mul(c).add(&parts[0].sigmoid().mul(&parts[2].tanh()));
        (parts[3].sigmoid().mul(&c.tanh()), c)
    }
    #[track_caller]
    fn zeros(&self, device: &Device, n: usize) -> (Tensor, Tensor) {
        let zero = zero_state(device, &self.weights, Self::GATES, n);
        (zero.clone(), zero)
    }
    fn tensors((h, c): &(Tensor, Tensor)) -> Vec<&Tensor> {
        vec![h, c]
    }
    fn map((h, c): &(Tensor, Tensor), f: &mut dyn FnMut(&Tensor) -> Tensor) -> (Tensor, Tensor) {
        (f(h), f(c))
    }
}
