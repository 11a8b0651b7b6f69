//! Cells over sequences: stacked, in both directions, with sequences of different lengths.

use super::super::attention::part;
use super::super::{Blueprint, Dropout, Module, Site};
use super::{Cell, GruCell, LstmCell, RnnCell};
use crate::error::{OpError, Result};
use crate::nn::path::{KeptPath, entered_as};
use crate::{Device, Shape, Tensor, memory};

/// An RNN over a sequence.
pub type Rnn = Recurrent<RnnCell>;
/// A GRU over a sequence.
pub type Gru = Recurrent<GruCell>;
/// An LSTM over a sequence.
pub type Lstm = Recurrent<LstmCell>;

/// A cell over a sequence: x \[t, n, inputs\] → every h \[t, n, hidden\], and the state after the last step.
///
/// Several layers ([`layers`](Recurrent::layers)) read what the layer before gave; in both directions
/// ([`bidirectional`](Recurrent::bidirectional)) a layer has a second cell that begins at the end, and gives \[t, n, 2 · hidden\], its h after the
/// first cell's.
///
/// The parameters are those of the cells, named as those of PyTorch's layers: `weight_ih_l0` and `weight_hh_l0` of the first layer,
/// `weight_ih_l0_reverse` of its second direction, `weight_ih_l1` of the next layer, in this order.
///
/// ```
/// use steepest::{Device, nn::{Lstm, Module}};
/// let device = Device::cpu();
/// let lstm = Lstm::new(&device, 3, 8, 0);
/// let (every, (h, c)) = lstm.run(&device.zeros([5, 2, 3]), None);
/// assert_eq!((every.shape().dims(), h.shape(), c.shape()), (&[5, 2, 8][..], h.shape(), h.shape()));
/// assert_eq!(lstm.named_parameters()[0].0, "weight_ih_l0");
///
/// let lstm = Lstm::new(&device, 3, 8, 0).layers(2).bidirectional().dropout(0.2);
/// let (every, (h, c)) = lstm.run(&device.zeros([5, 2, 3]), None);
/// assert_eq!((every.shape().dims(), h.shape().dims()), (&[5, 2, 16][..], &[4, 2, 8][..]));
/// assert_eq!(c.shape(), h.shape());
/// ```
#[derive(Clone, Debug)]
pub struct Recurrent<C> {
    /// Layer by layer, in each the directions; at least one.
    cells: Vec<C>,
    layers: usize,
    /// After each layer but the last; none where nothing is dropped, so that no counters are handed out.
    dropouts: Vec<Dropout>,
    bidirectional: bool,
    batch_first: bool,
    last_only: bool,
    p: f64,
    seed: u64,
    /// Why there are not as many cells as were asked for.
    refused: Option<OpError>,
    path: KeptPath,
}

/// What came of a sequence: every h of the last layer by time, and the state that each cell ended with.
struct Outcome<C: Cell> {
    every: Tensor,
    last: Vec<C::State>,
}

impl<C: Cell> Recurrent<C> {
    /// A layer with new weights.
    #[track_caller]
    pub fn new(device: &Device, inputs: usize, hidden: usize, seed: u64) -> Recurrent<C> {
        Recurrent { seed, ..Recurrent::of(C::new(device, inputs, hidden, seed)) }
    }

    /// A layer of a given cell.
    pub fn of(cell: C) -> Recurrent<C> {
        Recurrent::of_cells(cell, vec![], false)
    }

    /// Layers of given cells: `first`, and the `others` in the order of the layers; if `bidirectional`, two of each, one after the other.
    ///
    /// Cells that do not fit what comes before them, and an odd number of them for two directions, make the results invalid.
    pub fn of_cells(first: C, others: impl IntoIterator<Item = C>, bidirectional: bool) -> Recurrent<C> {
        let cells: Vec<C> = [first].into_iter().chain(others).collect();
        let layers = cells.len() / if bidirectional { 2 } else { 1 };
        let (batch_first, last_only, dropouts, refused) = (false, false, vec![], None);
        Recurrent {
            cells,
            layers,
            dropouts,
            bidirectional,
            batch_first,
            last_only,
            p: 0.0,
            seed: 0,
            refused,
            path: KeptPath::default(),
        }
    }

    /// Takes \[n, t, inputs\] and gives \[n, t, hidden\]. States are as they were.
    pub fn batch_first(self) -> Recurrent<C> {
        Recurrent { batch_first: true, ..self }
    }

    /// As a module gives the h after the last step only, \[n, hidden\]: a sequence as one vector. In both directions it is \[n, 2 · hidden\],
    /// the second half from the first step.
    pub fn last_only(self) -> Recurrent<C> {
        Recurrent { last_only: true, ..self }
    }

    /// `count` layers, each of which reads every h of the one before. All but the first cell are made anew. 0 makes the results invalid.
    #[track_caller]
    pub fn layers(self, count: usize) -> Recurrent<C> {
        let directions = self.directions();
        self.grown(count, directions)
    }

    /// A second cell for each layer, which reads from the end to the start. All but the first cell are made anew.
    #[track_caller]
    pub fn bidirectional(self) -> Recurrent<C> {
        let layers = self.layers;
        self.grown(layers, 2)
    }

    /// Drops elements of what a layer hands to the next with probability `p`, in training. A `p` outside 0 ≤ p < 1 makes the results invalid
    /// where there are several layers.
    pub fn dropout(mut self, p: f64) -> Recurrent<C> {
        self.p = p;
        self.dropouts = self.fresh_dropouts();
        self
    }

    fn fresh_dropouts(&self) -> Vec<Dropout> {
        let layers = self.layers.min(self.cells.len());
        let between = if self.p == 0.0 { 0 } else { layers.saturating_sub(1) };
        (0..between).map(|layer| Dropout::new(self.p, part(self.seed, 1000 + layer as u64))).collect()
    }

    fn directions(&self) -> usize {
        if self.bidirectional { 2 } else { 1 }
    }

    /// As many layers in as many directions, with the first cell as it is.
    #[track_caller]
    fn grown(mut self, layers: usize, directions: usize) -> Recurrent<C> {
        self.cells.truncate(1);
        let weights = self.cells[0].weights();
        self.refused = self.too_many(layers, directions);
        // What weights that do not belong together are told about is told when they are used.
        if let (Some((inputs, hidden)), None) = (weights.sizes(C::GATES), &self.refused) {
            let device = weights.ih.device();
            for i in 1..layers * directions {
                let inputs = if i < directions { inputs } else { directions * hidden };
                let new = C::new(&device, inputs, hidden, part(self.seed, i as u64));
                let alike = self.cells[0].alike(new.weights().clone());
                self.cells.push(alike);
            }
        }
        self.layers = layers;
        self.bidirectional = directions == 2;
        self.dropouts = self.fresh_dropouts();
        self
    }

    /// Why there can be no such number of cells: they could not be used, or there is no room for them.
    fn too_many(&self, layers: usize, directions: usize) -> Option<OpError> {
        let (weights, cells) = (self.cells[0].weights(), layers.saturating_mul(directions));
        // A cell is less than a step of it, which is refused too.
        if let Some(error) = weights.ih.device().too_many_rounds("the number of cells", cells) {
            return Some(error);
        }
        // All cells but those of the first layer read what one or two others made.
        let (_, hidden) = weights.sizes(C::GATES)?;
        let of_a_cell = C::GATES.saturating_mul(hidden).saturating_mul(hidden.saturating_mul(directions + 1) + 2);
        memory::room::<f32>(
            format_args!("{cells} cells of {hidden} units"),
            of_a_cell.saturating_mul(cells.saturating_sub(directions)),
        )
        .map_or_else(|none| Some(OpError::NoRoom(none)), |_| None)
    }

    /// The cell, the first one of several.
    pub fn cell(&self) -> &C {
        &self.cells[0]
    }

    /// All cells: layer by layer, in each the directions.
    pub fn cells(&self) -> &[C] {
        &self.cells
    }

    /// Every h, and the state after the last step; `start` is a state of zeros where it is not given.
    ///
    /// The tensors of a state are \[n, hidden\] of one cell, and \[layers · directions, n, hidden\] of several, layer by layer, in each the
    /// directions. Of one cell, \[1, n, hidden\] is taken too, and then given back. A second direction ends at the first step.
    ///
    /// An input that is not \[t, n, inputs\] (\[n, t, inputs\] with `batch_first`) with t ≥ 1, and a start that does not fit it, make all
    /// results invalid.
    #[track_caller]
    pub fn run(&self, x: &Tensor, start: Option<&C::State>) -> (Tensor, C::State) {
        self.given_back(self.unrolled(x, start, None), start)
    }

    /// [`Recurrent::run`] of sequences of different lengths: of sequence i only the first `lengths[i]` steps count. Whatever x holds after them, NaN
    /// too, the outputs there are 0, the state is that after the last step that counts, and a second direction begins there. This is what PyTorch
    /// does with a packed sequence; none is packed here, and any order of lengths will do.
    ///
    /// Also invalid are results of as many lengths as there are no sequences, or of one beyond t. A length of 0 leaves the state as it started.
    ///
    /// ```
    /// use steepest::{Device, nn::Gru};
    /// let device = Device::cpu();
    /// let gru = Gru::new(&device, 3, 4, 0).batch_first();
    /// let x = device.uniform([2, 5, 3], -1.0, 1.0, 0);
    /// let (every, h) = gru.run_lengths(&x, &[5, 2], None);
    /// assert_eq!(every.slice(0, 1..).slice(1, 2..).to_vec::<f32>()?, [0.0; 12]);
    /// assert_eq!(h.slice(0, 1..).to_vec::<f32>()?, every.slice(0, 1..).slice(1, 1..2).to_vec::<f32>()?);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn run_lengths(&self, x: &Tensor, lengths: &[usize], start: Option<&C::State>) -> (Tensor, C::State) {
        self.given_back(self.unrolled(x, start, Some(lengths)), start)
    }

    /// Every h as the caller's axes are, and the states as one.
    #[track_caller]
    fn given_back(&self, outcome: Result<Outcome<C>, Tensor>, start: Option<&C::State>) -> (Tensor, C::State) {
        let Outcome { every, last } = match outcome {
            Ok(outcome) => outcome,
            // What is made of an invalid tensor is invalid too.
            Err(invalid) => {
                let zeros = self.cells[0].zeros(&invalid.device(), 1);
                return (invalid.clone(), C::map(&zeros, &mut |_| invalid.clone()));
            }
        };
        let every = if self.batch_first { every.transpose(0, 1) } else { every };
        let several = start.is_some_and(|start| C::tensors(start).iter().any(|t| t.try_shape().is_ok_and(|s| s.rank() == 3)));
        if last.len() == 1 && !several {
            return (every, last[0].clone());
        }
        let mut place = 0;
        let state = C::map(&last[0], &mut |first| {
            let others: Vec<&Tensor> = last[1..].iter().map(|state| C::tensors(state)[place]).collect();
            place += 1;
            first.stack(&others, 0)
        });
        (every, state)
    }

    /// Runs all layers; what does not fit is an invalid tensor.
    #[track_caller]
    fn unrolled(&self, x: &Tensor, start: Option<&C::State>, lengths: Option<&[usize]>) -> Result<Outcome<C>, Tensor> {
        let _layer = entered_as(self, &self.path);
        let by_time = if self.batch_first { x.transpose(0, 1) } else { x.clone() };
        // A transposition that cannot be, or the input's own error.
        let shape = by_time.try_shape().map_err(|_| by_time.clone())?;
        let (time, n) = match *shape.dims() {
            [time, n, _] if time > 0 => (time, n),
            _ => {
                let message = format!("input by time is {shape}, expected [t,n,inputs] with t of at least 1");
                return Err(x.refuse(C::NAME, OpError::Shape(message)));
            }
        };
        let impossible = self.refused.clone().or_else(|| x.device().too_many_rounds("the number of steps", time));
        if let Some(error) = impossible {
            return Err(x.refuse(C::NAME, error));
        }
        let (cells, directions) = (self.cells.len(), self.directions());
        if self.layers == 0 || cells != self.layers * directions {
            let message = format!("{cells} cells in {} layers, {directions} in each", self.layers);
            return Err(x.refuse(C::NAME, OpError::Value(message)));
        }
        let starts = self.starts(x, start, n)?;
        let alive = match lengths {
            Some(lengths) => Some(alive(x, lengths, time, n).map_err(|error| x.refuse(C::NAME, error))?),
            None => None,
        };
        let zero = x.device().full((), 0.0);
        // What is after a sequence's end must not be computed with: it may be NaN.
        let mut every = alive.as_ref().map_or(by_time.clone(), |alive| alive.where_(&by_time, &zero));
        let steps = alive.map(|alive| alive.split(0, &vec![1; time]).iter().map(|step| step.squeeze(&[0])).collect::<Vec<_>>());
        let mut last = Vec::with_capacity(self.cells.len());
        for (layer, (cells, starts)) in self.cells.chunks(directions).zip(starts.chunks(directions)).enumerate() {
            if let Some(dropout) = layer.checked_sub(1).and_then(|before| self.dropouts.get(before)) {
                every = dropout.forward(&every);
            }
            let mut both = vec![];
            for (direction, (cell, start)) in cells.iter().zip(starts).enumerate() {
                if let Some(invalid) = cell.refuse(&every, start, &[time]) {
                    return Err(invalid);
                }
                let (outputs, state) = one_way(cell, &every, start, time, direction == 1, steps.as_deref());
                both.push(outputs);
                last.push(state);
            }
            every = match &both[..] {
                [forward, backward] => forward.cat(&[backward], 2),
                _ => both.swap_remove(0),
            };
        }
        Ok(Outcome { every, last })
    }

    /// The state that each cell starts with.
    #[track_caller]
    fn starts(&self, x: &Tensor, start: Option<&C::State>, n: usize) -> Result<Vec<C::State>, Tensor> {
        let cells = self.cells.len();
        let Some(start) = start else {
            return Ok(self.cells.iter().map(|cell| cell.zeros(&x.device(), n)).collect());
        };
        let tensors = C::tensors(start);
        if let Some(invalid) = tensors.iter().find(|t| t.check().is_err()) {
            return Err((*invalid).clone());
        }
        let ranks = |rank: usize| tensors.iter().all(|t| t.try_shape().is_ok_and(|s| s.rank() == rank));
        if cells == 1 && ranks(2) {
            return Ok(vec![start.clone()]);
        }
        let wrong = tensors.iter().filter_map(|t| t.try_shape().ok()).find(|s| s.rank() != 3 || s.dims()[0] != cells);
        if let Some(wrong) = wrong {
            let hidden = self.cells[0].weights().sizes(C::GATES).map_or(0, |(_, hidden)| hidden);
            let message = format!("a state is {wrong}, expected [{cells},{n},{hidden}]");
            return Err(x.refuse(C::NAME, OpError::Shape(message)));
        }
        let of = |i: isize| C::map(start, &mut |t| t.slice(0, i..i + 1).squeeze(&[0]));
        Ok((0..cells as isize).map(of).collect())
    }
}

/// Which steps of which sequences count, \[t, n, 1\].
#[track_caller]
fn alive(x: &Tensor, lengths: &[usize], time: usize, n: usize) -> Result<Tensor, OpError> {
    if lengths.len() != n {
        return Err(OpError::Shape(format!("{} lengths for {n} sequences", lengths.len())));
    }
    if let Some((i, length)) = lengths.iter().enumerate().find(|(_, length)| **length > time) {
        return Err(OpError::Value(format!("length {i} is {length}, of sequences of {time} steps")));
    }
    let counts: Vec<bool> = (0..time).flat_map(|t| lengths.iter().map(move |&length| t < length)).collect();
    Ok(x.device().tensor(&counts, [time, n, 1]))
}

/// One cell over x \[t, n, features\], from the end if `backwards`: every h by time, and the last state.
#[track_caller]
fn one_way<C: Cell>(
    cell: &C,
    x: &Tensor,
    start: &C::State,
    time: usize,
    backwards: bool,
    alive: Option<&[Tensor]>,
) -> (Tensor, C::State) {
    // The inputs' part of all steps in one product.
    let from_inputs = cell.weights().of_input(x).split(0, &vec![1; time]);
    let mut state = start.clone();
    let mut every = vec![None; time];
    let order: Vec<usize> = if backwards { (0..time).rev().collect() } else { (0..time).collect() };
    let zero = x.device().full((), 0.0);
    for t in order {
        let next = cell.advance(&from_inputs[t].squeeze(&[0]), &state);
        let h = C::tensors(&next)[0].clone();
        every[t] = Some(match alive {
            None => h.unsqueeze(0),
            Some(alive) => alive[t].where_(&h, &zero).unsqueeze(0),
        });
        state = match alive {
            None => next,
            Some(alive) => {
                let mut before = C::tensors(&state).into_iter();
                C::map(&next, &mut |new| before.next().map_or(new.clone(), |old| alive[t].where_(new, old)))
            }
        };
    }
    let every: Vec<Tensor> = every.into_iter().flatten().collect();
    let others: Vec<&Tensor> = every[1..].iter().collect();
    (every[0].cat(&others, 0), state)
}

impl Recurrent<RnnCell> {
    /// max(a + b, 0) in place of tanh in every cell: [`RnnCell::relu`].
    pub fn relu(self) -> Rnn {
        Recurrent { cells: self.cells.into_iter().map(RnnCell::relu).collect(), ..self }
    }
}

impl Recurrent<LstmCell> {
    /// A bias of the forget gates that starts at `value` in every cell: [`LstmCell::forget_bias`]. Cells made later start as usual.
    ///
    /// ```
    /// use steepest::{Device, nn::Lstm};
    /// let lstm = Lstm::new(&Device::cpu(), 3, 8, 0).layers(2).forget_bias(1.0)?;
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// The device's, where it cannot read the biases.
    pub fn forget_bias(self, value: f32) -> Result<Lstm> {
        let cells = self.cells.into_iter().map(|cell| cell.forget_bias(value)).collect::<Result<_>>()?;
        Ok(Recurrent { cells, ..self })
    }
}

impl<C: Cell + 'static> Recurrent<C> {
    pub(in crate::nn) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let (batch_first, last_only) = (site.flag("batch_first")?, site.flag("last_only")?);
        // Files of single cells say nothing of these.
        let given = |name: &str| site.blueprint().settings().contains_key(name);
        let layers = if given("layers") { site.size("layers")? } else { 1 };
        let bidirectional = if given("bidirectional") { site.flag("bidirectional")? } else { false };
        let (p, seed) = if given("dropout") { (site.number("dropout")?, site.blueprint().whole("seed")?) } else { (0.0, 0) };
        let (directions, hidden) = (if bidirectional { 2 } else { 1 }, site.size("hidden")?);
        // Cells without units would cost a file nothing.
        if layers == 0 || (layers > 1 && hidden == 0) {
            return Err(site.blueprint().refuse(format!("{layers} layers of {hidden} units")));
        }
        let first = super::built::<C>(site)?;
        let rows = C::GATES.saturating_mul(hidden);
        // Many at once: a file may say any number of layers.
        let more = (layers - 1).saturating_mul(directions);
        for (cells, inputs) in [(directions - 1, site.size("inputs")?), (more, hidden.saturating_mul(directions))] {
            site.reserve(&[&[cells, rows, inputs], &[cells, rows, hidden], &[2, cells, rows]])?;
        }
        let one = Recurrent { seed, p, ..Recurrent::of(first) };
        Ok(Box::new(Recurrent { batch_first, last_only, ..one.grown(layers, directions) }))
    }
}

impl<C: Cell> Module for Recurrent<C> {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = entered_as(self, &self.path);
        if !self.last_only {
            return self.run(x, None).0;
        }
        match self.unrolled(x, None, None) {
            Err(invalid) => invalid,
            Ok(Outcome { last, .. }) => {
                let h = |state: &C::State| C::tensors(state)[0].clone();
                match &last[last.len() - self.directions()..] {
                    [forward, backward] => h(forward).cat(&[&h(backward)], 1),
                    states => h(&states[0]),
                }
            }
        }
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        let directions = self.directions();
        for (i, cell) in self.cells.iter().enumerate() {
            let (layer, reverse) = (i / directions, if i % directions == 1 { "_reverse" } else { "" });
            cell.visit(&mut |name, parameter| visit(&format!("{name}_l{layer}{reverse}"), parameter));
        }
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        let directions = self.directions();
        for (i, cell) in self.cells.iter_mut().enumerate() {
            let (layer, reverse) = (i / directions, if i % directions == 1 { "_reverse" } else { "" });
            cell.visit_mut(&mut |name, parameter| visit(&format!("{name}_l{layer}{reverse}"), parameter));
        }
    }

    fn visit_counters(&self, visit: &mut dyn FnMut(&str, &std::sync::atomic::AtomicU64)) {
        for (layer, dropout) in self.dropouts.iter().enumerate() {
            dropout.visit_counters(&mut |name, counter| visit(&format!("dropout_l{layer}.{name}"), counter));
        }
    }

    fn set_training(&self, on: bool) {
        self.dropouts.iter().for_each(|dropout| dropout.set_training(on));
    }

    fn multiply_adds(&self, input: &Shape, _: &Shape) -> usize {
        let steps = input.dims().iter().take(2).product();
        self.cells.iter().map(|cell| cell.weights().work(steps)).sum()
    }

    fn blueprint(&self) -> Option<Blueprint> {
        // The layer of `LstmCell` is `Lstm`.
        let cell = self.cells[0].blueprint()?;
        let blueprint = Blueprint::new(cell.kind().strip_suffix("Cell")?);
        let settings = cell.settings().iter();
        let blueprint = settings.fold(blueprint, |blueprint, (name, setting)| blueprint.set(name.clone(), setting.clone()));
        let mut blueprint = blueprint.set("batch_first", self.batch_first).set("last_only", self.last_only);
        // Only what is not as in a layer of one cell.
        if self.layers != 1 {
            blueprint = blueprint.set("layers", self.layers);
        }
        if self.bidirectional {
            blueprint = blueprint.set("bidirectional", true);
        }
        if self.p != 0.0 {
            blueprint = blueprint.set("dropout", self.p).set("seed", self.seed);
        }
        Some(blueprint)
    }

    fn describe(&self) -> String {
        let mut text = self.cells[0].describe().replace("Cell", "");
        text.pop();
        let layers = self.layers;
        for (on, what) in [
            (layers != 1, format!(", {layers} layers")),
            (self.bidirectional, ", both directions".to_owned()),
            (self.p != 0.0, format!(", dropout {}", self.p)),
        ] {
            if on {
                text += &what;
            }
        }
        text + ")"
    }
}
