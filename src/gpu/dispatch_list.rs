//! A plan made ready for a device, as data: its dispatches in order, what each binds, and what changes from run to run.

use super::GpuBuffer;
use super::buffers::{GUARD, Pool};
use super::counted::Counted;
use super::pipelines::Shader;
use crate::plan::{Buffer, Place, Plan};
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};

/// A plan made ready for a device: pipelines, slots, parameters and bind groups. May be shared between threads, which take turns.
pub struct Prepared {
    pub(super) plan: Arc<Plan>,
    /// Its dispatches as they were planned.
    pub(super) unmerged: DispatchList,
    /// Its dispatches once small ones are merged; `None` if there are none that can be.
    pub(super) merged: OnceLock<Option<DispatchList>>,
    pub(super) scalar_words: usize,
    pub(super) pool: Arc<Pool>,
    pub(super) state: Box<Mutex<State>>,
}

/// Dispatches in order, and their uniforms.
pub(super) struct DispatchList {
    pub(super) steps: Vec<Step>,
    pub(super) params: Option<Counted>,
    pub(super) scalars: Option<Counted>,
}

/// A dispatch that does something, ready to be encoded.
pub(super) struct Step {
    /// Its index in the plan.
    pub(super) dispatch: usize,
    pub(super) variant: usize,
    /// What its `params.first` is if it does a part of a dispatch.
    pub(super) part: Option<u32>,
    pub(super) shader: Arc<Shader>,
    pub(super) groups: [u32; 3],
    /// Dispatches of the plan that it does: more than one if they were merged.
    pub(super) dispatches: usize,
    pub(super) bindings: Vec<StepBinding>,
}

/// A binding of a step.
pub(super) struct StepBinding {
    pub(super) number: u32,
    pub(super) source: BindingSource,
}

/// What is bound.
pub(super) enum BindingSource {
    Read {
        place: Place,
        least: u64,
        measured: bool,
    },
    Write {
        place: Place,
        least: u64,
        measured: bool,
    },
    Params {
        at: u64,
        size: u64,
    },
    /// With where each of the run's scalars go in the buffer, in words.
    Scalars {
        at: u64,
        size: u64,
        pieces: Vec<(usize, Range<usize>)>,
    },
}

/// The bind groups that a step has used, under the identities of its leaves, outputs and arenas, the latest first.
pub(super) type BindGroupCache = Vec<(Box<[u64]>, wgpu::BindGroup)>;

/// What changes between runs.
pub(super) struct State {
    pub(super) slots: Vec<Arc<GpuBuffer>>,
    pub(super) guarded: bool,
    /// Runs so far that could have been merged.
    pub(super) runs: u32,
    /// Command lists that had been refused when this was last looked at.
    pub(super) failures: u64,
    pub(super) unmerged: ListState,
    pub(super) merged: ListState,
}

impl State {
    /// Both lists' states.
    pub(super) fn lists(&mut self) -> [&mut ListState; 2] {
        [&mut self.unmerged, &mut self.merged]
    }
}

/// What the scalars of a list of dispatches are on the device, and the bind groups of its steps.
#[derive(Default)]
pub(super) struct ListState {
    /// The scalars, as the device's buffer has them once they are written.
    pub(super) scalars: Vec<u32>,
    pub(super) written: bool,
    /// Of each step.
    pub(super) bind_groups: Vec<BindGroupCache>,
}

impl ListState {
    /// Of a list that has not run.
    pub(super) fn new(steps: usize, scalar_words: usize) -> ListState {
        ListState { scalars: vec![0; scalar_words], written: false, bind_groups: vec![vec![]; steps] }
    }

    pub(super) fn forget_bind_groups(&mut self) {
        self.bind_groups.iter_mut().for_each(Vec::clear);
    }
}

/// The buffers of one run.
pub(super) struct Memory<'a> {
    pub(super) leaves: &'a [&'a GpuBuffer],
    pub(super) slots: &'a [Arc<GpuBuffer>],
    pub(super) outputs: &'a [Arc<GpuBuffer>],
    pub(super) arenas: &'a [&'a GpuBuffer],
    pub(super) guarded: bool,
}

impl<'a> Memory<'a> {
    pub(super) fn at(&self, buffer: Buffer) -> &'a GpuBuffer {
        match buffer {
            Buffer::Leaf(i) => self.leaves[i],
            Buffer::Slot(i) => &self.slots[i],
            Buffer::Output(i) => &self.outputs[i],
            Buffer::Arena(i) => self.arenas[i],
        }
    }

    /// Whether a place has a guard after it; after a part comes another part.
    pub(super) fn is_guarded(&self, place: Place) -> bool {
        self.guarded && place.part.is_none() && self.at(place.buffer).capacity() >= place.words + GUARD
    }
}

impl Step {
    /// Whether two of its buffers share memory, as a tensor and what was detached from it do. Within one dispatch, a compiler may take it that
    /// they do not.
    pub(super) fn overlaps(&self, memory: &Memory<'_>) -> bool {
        if self.dispatches == 1 {
            return false;
        }
        let places = self.bindings.iter().filter_map(|binding| match binding.source {
            BindingSource::Read { place, .. } | BindingSource::Write { place, .. } => {
                let buffer = memory.at(place.buffer);
                Some((buffer.raw(), buffer.offset(), buffer.offset() + 4 * place.words as u64))
            }
            BindingSource::Params { .. } | BindingSource::Scalars { .. } => None,
        });
        let places: SmallVec<[_; 16]> = places.collect();
        places.iter().enumerate().any(|(i, (buffer, start, end))| {
            places[..i].iter().any(|(other, from, to)| start < to && from < end && buffer == other)
        })
    }
}

impl Prepared {
    /// How many dispatches a run makes: fewer than the plan has, once small ones are merged.
    pub fn encoded(&self) -> usize {
        self.merged.get().and_then(Option::as_ref).unwrap_or(&self.unmerged).steps.len()
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Which variant of which kernel runs, in order: `(dispatch, kernel, variant)`. Dispatches that write nothing are left out.
    pub fn variants(&self) -> Vec<(usize, &'static str, usize)> {
        self.unmerged.steps.iter().map(|s| (s.dispatch, self.plan.dispatches[s.dispatch].kernel.name, s.variant)).collect()
    }
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prepared({} of {} dispatches)", self.encoded(), self.plan.dispatches.len())
    }
}

/// The words of a list's uniforms of one kind, which share a buffer.
pub(super) struct UniformAllocator {
    alignment: u64,
    words: Vec<u32>,
}

impl UniformAllocator {
    /// Empty; everything will start at a multiple of so many bytes.
    pub(super) fn new(alignment: u64) -> UniformAllocator {
        UniformAllocator { alignment, words: vec![] }
    }

    /// Appends `words`, padded with zeros to the size of a WGSL struct; returns offset and size in bytes.
    pub(super) fn push(&mut self, words: &[u32], struct_bytes: u32) -> (u64, u64) {
        let at = (4 * self.words.len() as u64).next_multiple_of(self.alignment);
        let size = u64::from(struct_bytes).next_multiple_of(16);
        self.words.resize((at / 4) as usize, 0);
        self.words.extend_from_slice(words);
        self.words.resize(((at + size) / 4) as usize, 0);
        (at, size)
    }

    /// All of them.
    pub(super) fn words(&self) -> &[u32] {
        &self.words
    }
}
