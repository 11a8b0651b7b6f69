//! A plan as data: kernels, buffers, order. What all files of this folder share.

use crate::error::{At, Error, KernelFault, ShaderPlace};
use crate::graph::key::Graph;
use crate::graph::op::{Kernel, Variant};
use std::fmt;
use std::ops::Range;

/// A program for a device.
#[derive(Clone)]
pub struct Plan {
    /// Words of each leaf.
    pub leaves: Vec<usize>,
    /// Words of each slot: device memory that lives inside the run.
    pub slots: Vec<usize>,
    /// Words of each output: memory that outlives the run.
    pub outputs: Vec<usize>,
    /// Which calls of the graph get which output as their value.
    pub kept: Vec<(usize, usize)>,
    /// Leaves that are overwritten.
    pub mutated: Vec<usize>,
    /// The calls that have scalars: concatenated in this order, those are the run's scalars.
    pub scalars: Vec<usize>,
    /// Leaves that must be contiguous in one buffer.
    pub arenas: Vec<ParameterArena>,
    /// The kernels, in order.
    pub dispatches: Vec<Dispatch>,
    /// Words that would be needed if no slot were used twice.
    pub unplanned_words: usize,
    /// Words of the values inside the run that are needed at one time, at the most: no placement can do with less.
    pub live_words: usize,
    /// The graph's lines, for explaining a later miss; none unless that is logged.
    pub graph: Vec<String>,
    /// Whether graphs with the same key have this plan: not if an op applies an elementwise rule or has WGSL that it does not name ([`Op::rule`],
    /// [`Op::sources`]), and so may do so with another one the next time.
    ///
    /// [`Op::rule`]: crate::graph::Op::rule
    /// [`Op::sources`]: crate::graph::Op::sources
    pub cacheable: bool,
}

/// One kernel on its buffers.
#[derive(Clone)]
pub struct Dispatch {
    /// The kernel.
    pub kernel: Kernel,
    /// Buffers read, in binding order.
    pub reads: Vec<Place>,
    /// Buffers written, in binding order.
    pub writes: Vec<Place>,
    /// Its part of the run's scalars, in words.
    pub scalars: Range<usize>,
    /// Floating-point operations; those of an op of several kernels are booked on its first.
    pub flops: u64,
    /// Ops computed, with the output's shape, for people.
    pub label: String,
    /// The last call computed, of the graph that is run: one with the same plan may be another model's. `None` for what is no call's.
    pub call: Option<usize>,
    /// The caller's line of that call, and its layer, in the graph that the plan was made of. See [`Recorded`].
    pub at: At,
}

/// Leaves that are contiguous in one buffer, so that one kernel can update them all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterArena {
    /// Words of the buffer.
    pub words: usize,
    /// The leaves and where they start, in words.
    pub members: Vec<(usize, usize)>,
}

/// A buffer of a plan, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Which buffer.
    pub buffer: Buffer,
    /// Where the part starts, in words, if the buffer holds others beside it.
    pub part: Option<usize>,
    /// How many words of it are bound.
    pub words: usize,
}

impl Place {
    /// Where it starts, in words.
    pub fn start(&self) -> usize {
        self.part.unwrap_or(0)
    }
}

/// The kinds of buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Buffer {
    /// A value given to the run.
    Leaf(usize),
    /// Memory inside the run.
    Slot(usize),
    /// A value that outlives the run.
    Output(usize),
    /// Leaves that are contiguous in one buffer.
    Arena(usize),
}

impl Plan {
    /// Bytes of device memory used inside the run, besides leaves and outputs.
    pub fn slot_bytes(&self) -> usize {
        4 * self.slots.iter().sum::<usize>()
    }

    /// Bytes of the values inside the run that are needed at one time, at the most; gradients that are updated together count as one value.
    pub fn live_bytes(&self) -> usize {
        4 * self.live_words
    }

    /// Bytes of this program's memory that the plan itself takes, about: an upper estimate of its kernels, lists and texts.
    pub fn own_bytes(&self) -> usize {
        let lines: usize = self.graph.iter().map(|line| size_of::<String>() + line.capacity()).sum();
        lines + self.dispatches.iter().map(Dispatch::own_bytes).sum::<usize>()
    }

    /// What a buffer is for, with the op that first writes it and the line and layer of that in the graph that is run.
    pub fn use_of(&self, buffer: Buffer, recorded: Recorded<'_>) -> String {
        let what = match buffer {
            Buffer::Leaf(_) | Buffer::Arena(_) => "parameters and state that are updated together".to_owned(),
            Buffer::Slot(_) => format!("values inside a prepared plan of {} ops", self.dispatches.len()),
            Buffer::Output(_) => "a value".to_owned(),
        };
        match self.dispatches.iter().find(|d| d.writes.iter().any(|place| place.buffer == buffer)) {
            Some(dispatch) => format!("{what}: {} at {}", dispatch.label, recorded.at(dispatch)),
            None => what,
        }
    }

    /// The places of its dispatches in the graph that is run, one after the other.
    pub(crate) fn places<'p>(&'p self, recorded: Recorded<'p>) -> impl Iterator<Item = At> + 'p {
        self.dispatches.iter().map(move |dispatch| recorded.at(dispatch))
    }

    /// Bytes of device memory the run needs: what it is given (parameters, optimizer state, data), its slots and its outputs.
    pub fn peak_bytes(&self) -> usize {
        self.slot_bytes() + 4 * self.leaves.iter().chain(&self.outputs).sum::<usize>()
    }
}

/// Where the calls of a run were recorded. Graphs of one key share a plan, which names the lines and layers of the first of them; what is said of a run
/// names those of the graph that is run.
#[derive(Clone, Copy, Default)]
pub struct Recorded<'g> {
    graph: Option<&'g Graph>,
}

impl<'g> Recorded<'g> {
    /// In this graph.
    pub fn in_graph(graph: &'g Graph) -> Recorded<'g> {
        Recorded { graph: Some(graph) }
    }

    /// Where the plan itself says: of a plan that no graph was recorded for, and while the graph is run that it was made of.
    pub fn in_plan() -> Recorded<'static> {
        Recorded::default()
    }

    /// The line and the layer of what a dispatch computes.
    pub fn at(self, dispatch: &Dispatch) -> At {
        let call = self.graph.zip(dispatch.call).and_then(|(graph, call)| graph.calls.get(call));
        call.map_or(dispatch.at, |call| call.node.at())
    }
}

/// Bytes that a kernel's closure, its entries in lists and what a device prepares for it take, about.
const KERNEL_BYTES: usize = 1 << 10;

impl Dispatch {
    /// What is wrong with its kernel, as an error that names the ops and the line.
    pub(crate) fn fault(&self, message: impl Into<String>) -> Error {
        self.fault_of(Recorded::in_plan(), None, message.into())
    }

    /// The same, in a run, and at a place of its shader.
    pub(crate) fn fault_of(&self, recorded: Recorded<'_>, place: Option<ShaderPlace>, message: String) -> Error {
        let Dispatch { kernel, label, .. } = self;
        Error::Kernel(Box::new(KernelFault { ops: label.clone(), at: recorded.at(self), kernel: kernel.name, place, message }))
    }

    fn own_bytes(&self) -> usize {
        let params: usize = self.kernel.params.members.iter().map(|(_, words)| 48 + 4 * words.capacity()).sum();
        let bodies = |variant: &Variant| variant.bodies.iter().map(|(_, body)| 48 + body.capacity()).sum::<usize>();
        let variants: usize = self.kernel.variants.iter().map(|v| size_of_val(v) + 24 * v.consts.capacity() + bodies(v)).sum();
        let places = size_of::<Place>() * (self.reads.capacity() + self.writes.capacity());
        size_of::<Dispatch>() + KERNEL_BYTES + self.label.capacity() + params + variants + places
    }

    /// Bytes of the buffers it reads and writes, each bound place once.
    pub fn bytes(&self) -> u64 {
        4 * self.reads.iter().chain(&self.writes).map(|place| place.words as u64).sum::<u64>()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.buffer {
            Buffer::Leaf(i) => write!(f, "leaf{i}"),
            Buffer::Slot(i) => write!(f, "slot{i}"),
            Buffer::Output(i) => write!(f, "out{i}"),
            Buffer::Arena(i) => write!(f, "arena{i}"),
        }?;
        self.part.map_or(Ok(()), |start| write!(f, "+{start}"))
    }
}

/// The plan as text: a line per dispatch with its kernel, buffers and source line, then the memory.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, d) in self.dispatches.iter().enumerate() {
            let list = |places: &[Place]| places.iter().map(Place::to_string).collect::<Vec<_>>().join(", ");
            let file = d.at.file().rsplit(['/', '\\']).next().unwrap_or_default();
            writeln!(
                f,
                "{i:>3}  {:<22} {} <- {}  |  {}  ({file}:{}{}{})",
                d.kernel.name,
                list(&d.writes),
                list(&d.reads),
                d.label,
                d.at.line(),
                if d.at.layer().is_empty() { "" } else { ", layer " },
                d.at.layer()
            )?;
        }
        writeln!(
            f,
            "{} dispatches; {} slots of {} bytes ({} live at the most, {} unplanned); {} leaves, {} bytes; {} outputs, {} bytes; peak {} bytes",
            self.dispatches.len(),
            self.slots.len(),
            self.slot_bytes(),
            self.live_bytes(),
            4 * self.unplanned_words,
            self.leaves.len(),
            4 * self.leaves.iter().sum::<usize>(),
            self.outputs.len(),
            4 * self.outputs.iter().sum::<usize>(),
            self.peak_bytes()
        )
    }
}
