//! Plans on the device: prepare once, then replay: one encoder, one pass, one submission.

use super::buffers::{GUARD, Pool};
use super::core::lock;
use super::counters::add;
use super::merge::NEVER;
use super::pipelines::{Shader, word};
use super::{Gpu, GpuBuffer};
use crate::error::{Error, Result};
use crate::plan::{Buffer, Dispatch, ParameterArena, Place, Plan};
use crate::threads;
use crate::wgsl::BindingKind;
use rayon::prelude::*;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};

/// Bind groups kept per dispatch: one for each set of leaves and outputs met lately.
const KEPT_GROUPS: usize = 16;

/// A plan made ready for a device: pipelines, slots, parameters and bind groups. May be shared between threads, which take turns.
pub struct Prepared {
    pub(super) plan: Arc<Plan>,
    /// Its dispatches, each by itself.
    pub(super) apart: Line,
    /// Its dispatches once small ones are merged; `None` if there are none that can be.
    merged: OnceLock<Option<Line>>,
    scalar_words: usize,
    pool: Arc<Pool>,
    state: Box<Mutex<State>>,
}

/// Steps in order, and their uniforms.
pub(super) struct Line {
    pub(super) steps: Vec<Step>,
    params: Option<wgpu::Buffer>,
    scalars: Option<wgpu::Buffer>,
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
    pub(super) bound: Vec<Bound>,
}

/// What a binding of a step is bound to.
pub(super) struct Bound {
    pub(super) number: u32,
    pub(super) what: What,
}

pub(super) enum What {
    Read {
        place: Place,
        least: u64,
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

/// Bind groups under the names of their leaves and outputs, the latest first.
pub(super) type Kept = Vec<(Box<[u64]>, wgpu::BindGroup)>;

/// What changes between runs.
struct State {
    slots: Vec<Arc<GpuBuffer>>,
    guarded: bool,
    /// Runs so far that could have been merged.
    runs: u32,
    /// Command lists that had been refused when this was last looked at.
    failures: u64,
    apart: Lately,
    merged: Lately,
}

/// What a line's uniforms hold and what its steps were bound to.
#[derive(Default)]
struct Lately {
    /// The scalars as they lie on the device, once written.
    image: Vec<u32>,
    written: bool,
    /// For each step, what it was bound to lately.
    kept: Vec<Kept>,
}

/// The buffers of one run.
pub(super) struct Memory<'a> {
    pub(super) leaves: &'a [Arc<GpuBuffer>],
    pub(super) slots: &'a [Arc<GpuBuffer>],
    pub(super) outputs: &'a [Arc<GpuBuffer>],
    pub(super) arenas: &'a [Arc<GpuBuffer>],
    pub(super) guarded: bool,
}

impl<'a> Memory<'a> {
    pub(super) fn at(&self, buffer: Buffer) -> &'a Arc<GpuBuffer> {
        match buffer {
            Buffer::Leaf(i) => &self.leaves[i],
            Buffer::Slot(i) => &self.slots[i],
            Buffer::Output(i) => &self.outputs[i],
            Buffer::Arena(i) => &self.arenas[i],
        }
    }

    /// Whether what is written at a place has a guard behind it; behind a part lies another part.
    pub(super) fn is_guarded(&self, place: Place) -> bool {
        self.guarded && place.part.is_none() && self.at(place.buffer).capacity() >= place.words + GUARD
    }
}

/// Whether two buffers of a step share memory, as a tensor and what was detached from it do. Within one dispatch, a compiler may take it that
/// they do not.
fn overlaps(step: &Step, memory: &Memory<'_>) -> bool {
    if step.dispatches == 1 {
        return false;
    }
    let places = step.bound.iter().filter_map(|bound| match bound.what {
        What::Read { place, .. } | What::Write { place, .. } => {
            let buffer = memory.at(place.buffer);
            Some((buffer.raw(), buffer.offset(), buffer.offset() + 4 * place.words as u64))
        }
        What::Params { .. } | What::Scalars { .. } => None,
    });
    let places: SmallVec<[_; 16]> = places.collect();
    places
        .iter()
        .enumerate()
        .any(|(i, (buffer, start, end))| places[..i].iter().any(|(other, from, to)| start < to && from < end && buffer == other))
}

impl Prepared {
    /// How many dispatches a run makes: fewer than the plan has, once small ones are merged.
    pub fn encoded(&self) -> usize {
        self.merged.get().and_then(Option::as_ref).unwrap_or(&self.apart).steps.len()
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Which variant of which kernel runs, in order: `(dispatch, kernel, variant)`. Dispatches that write nothing are left out.
    pub fn variants(&self) -> Vec<(usize, &'static str, usize)> {
        self.apart.steps.iter().map(|s| (s.dispatch, self.plan.dispatches[s.dispatch].kernel.name, s.variant)).collect()
    }
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prepared({} of {} dispatches)", self.encoded(), self.plan.dispatches.len())
    }
}

/// Hands out pieces of a uniform buffer at offsets the device can bind.
pub(super) struct Pieces {
    alignment: u64,
    words: Vec<u32>,
}

impl Pieces {
    /// Appends `words`, padded with zeros to the size of a WGSL struct; returns offset and size in bytes.
    pub(super) fn push(&mut self, words: &[u32], struct_bytes: u32) -> (u64, u64) {
        let at = (4 * self.words.len() as u64).next_multiple_of(self.alignment);
        let size = u64::from(struct_bytes).next_multiple_of(16);
        self.words.resize((at / 4) as usize, 0);
        self.words.extend_from_slice(words);
        self.words.resize(((at + size) / 4) as usize, 0);
        (at, size)
    }
}

impl Gpu {
    /// Makes a plan ready: chooses a variant of each kernel, compiles what is new, and takes memory for the slots.
    ///
    /// # Errors
    /// A value too large to bind, no memory, a shader or pipeline that is refused, or a lost device.
    pub fn prepare(&self, plan: Arc<Plan>) -> Result<Prepared> {
        self.prepare_with(plan, None)
    }

    /// As [`Gpu::prepare`]; with `exactly`, every kernel in that variant.
    pub(super) fn prepare_with(&self, plan: Arc<Plan>, exactly: Option<usize>) -> Result<Prepared> {
        self.core.check()?;
        self.vet(&plan)?;
        let force = *lock(&self.force_variant);
        self.prove_cooperative(&plan, force.is_some());
        self.shaders.parse_all(&self.core, &plan, force);
        let alignment = self.core.uniform_alignment;
        let (mut params, mut scalars) = (Pieces { alignment, words: vec![] }, Pieces { alignment, words: vec![] });
        let mut steps = vec![];
        for (index, dispatch) in plan.dispatches.iter().enumerate() {
            // Nothing to write, nothing to do.
            if dispatch.writes.iter().all(|place| place.words == 0) {
                continue;
            }
            let wanted = exactly.or_else(|| if force.is_none() { self.fastest(dispatch) } else { None });
            let found = wanted.map(|index| self.shaders.exactly(&self.core, &dispatch.kernel, index)).transpose()?.flatten();
            let (variant, shader) = match found {
                Some(found) => found,
                None => self.shaders.choose(&self.core, &dispatch.kernel, force)?.ok_or_else(|| self.core.none_fits(dispatch))?,
            };
            let form = &dispatch.kernel.variants[variant];
            let (rounds, count) = form.divided(self.core.max_loop_iterations()).unwrap_or((usize::MAX, 1));
            for number in 0..count {
                let part = form.parts.filter(|_| count > 1).map(|_| word(number * rounds));
                let bound = bind(dispatch, part, &shader, &mut params, &mut scalars)?;
                let shader = Arc::clone(&shader);
                steps.push(Step { dispatch: index, variant, part, shader, groups: form.groups, dispatches: 1, bound });
            }
        }
        let (apart, lately) = self.line(steps, &params, &scalars)?;
        let guarded = self.is_guarded();
        let slots = self.take_all(&plan.slots, guarded)?;
        let failures = self.core.failures();
        self.core.check()?;
        let merged = OnceLock::new();
        if exactly.is_some() || force.is_some() {
            // These are about single dispatches.
            let _ = merged.set(None);
        }
        let prepared = Prepared {
            apart,
            merged,
            scalar_words: plan.dispatches.iter().map(|d| d.scalars.end).max().unwrap_or(0),
            pool: Arc::clone(&self.pool),
            plan,
            state: Box::new(Mutex::new(State { slots, guarded, runs: 0, failures, apart: lately, merged: Lately::default() })),
        };
        if self.merge_after.load(Ordering::Relaxed) == 0 {
            self.merged(&prepared, &mut lock(&prepared.state));
        }
        Ok(prepared)
    }

    /// Compiles steps and makes their uniforms.
    fn line(&self, steps: Vec<Step>, params: &Pieces, scalars: &Pieces) -> Result<(Line, Lately)> {
        // Drivers compile on the calling thread, so several pipelines are compiled at once.
        threads::install(|| steps.par_iter().try_for_each(|step| step.shader.compiled(&self.core).map(|_| ())))?;
        self.core.pipeline_cache.save(false);
        let params_buffer = self.uniform(params)?;
        if let Some(buffer) = &params_buffer {
            self.core.write(buffer, 0, &params.words)?;
        }
        let kept = steps.iter().map(|_| vec![]).collect();
        let lately = Lately { image: vec![0; scalars.words.len()], written: false, kept };
        Ok((Line { steps, params: params_buffer, scalars: self.uniform(scalars)? }, lately))
    }

    /// The line with small dispatches merged, made when a plan has run so often that it will run on: until then the time it takes to compile is
    /// better spent on running. The count and not the clock decides, so that the same program gives the same bits.
    fn merged<'p>(&self, prepared: &'p Prepared, state: &mut State) -> Option<&'p Line> {
        if let Some(found) = prepared.merged.get() {
            return found.as_ref();
        }
        let after = self.merge_after.load(Ordering::Relaxed);
        if state.runs < after || after == NEVER {
            state.runs = state.runs.saturating_add(1);
            return None;
        }
        let alignment = self.core.uniform_alignment;
        let (mut params, mut scalars) = (Pieces { alignment, words: vec![] }, Pieces { alignment, words: vec![] });
        let made = self.merge(&prepared.plan, &prepared.apart.steps, &mut params, &mut scalars);
        let made = made.and_then(|steps| steps.map(|steps| self.line(steps, &params, &scalars)).transpose());
        let line = match made {
            Ok(Some((line, lately))) => {
                state.merged = lately;
                state.apart.kept.iter_mut().for_each(Vec::clear);
                Some(line)
            }
            Ok(None) => None,
            Err(error) => {
                tracing::warn!("small dispatches are not merged: {error}");
                None
            }
        };
        prepared.merged.get_or_init(|| line).as_ref()
    }

    /// The buffer in which the leaves of a row lie one behind the other. If they do not, they are copied into a new one and replaced.
    ///
    /// # Errors
    /// No memory, or a lost device.
    pub fn row(&self, row: &ParameterArena, leaves: &mut [Arc<GpuBuffer>]) -> Result<Arc<GpuBuffer>> {
        let first =
            leaves[row.members[0].0].whole().map(|(whole, _)| Arc::clone(whole)).filter(|whole| whole.words() == row.words);
        if let Some(whole) = first {
            let lies = |&(leaf, start): &(usize, usize)| {
                leaves[leaf].whole().is_some_and(|(of, at)| Arc::ptr_eq(of, &whole) && at == start)
            };
            if row.members.iter().all(lies) {
                return Ok(whole);
            }
        }
        let whole = self.pool.take(row.words, self.is_guarded())?;
        self.core.record(0, |encoder| {
            for &(leaf, start) in &row.members {
                let value = &leaves[leaf];
                encoder.copy_buffer_to_buffer(
                    value.raw(),
                    value.offset(),
                    whole.raw(),
                    4 * start as u64,
                    4 * value.words() as u64,
                );
            }
            Ok(())
        })?;
        for &(leaf, start) in &row.members {
            leaves[leaf] = GpuBuffer::part(&whole, start, leaves[leaf].words());
        }
        Ok(whole)
    }

    /// Replays a plan on its leaves; returns its outputs, in memory of their own. Returns once the work is recorded; it starts at once if the
    /// device has little to do.
    ///
    /// # Errors
    /// Leaves or scalars that are not the plan's, no memory, a call refused by the driver, or a lost device.
    pub fn run(
        &self,
        prepared: &Prepared,
        leaves: &[Arc<GpuBuffer>],
        arenas: &[Arc<GpuBuffer>],
        scalars: &[u32],
    ) -> Result<Vec<Arc<GpuBuffer>>> {
        self.core.check()?;
        let plan = &*prepared.plan;
        if !Arc::ptr_eq(&prepared.pool, &self.pool) {
            return Err(self.core.fault("a plan prepared for another device"));
        }
        if leaves.len() != plan.leaves.len() || leaves.iter().zip(&plan.leaves).any(|(leaf, &words)| leaf.words() != words) {
            let given: Vec<_> = leaves.iter().map(|leaf| leaf.words()).collect();
            return Err(self.core.fault(format!("leaves of {given:?} words for a plan with leaves of {:?}", plan.leaves)));
        }
        if !arenas.iter().map(|row| row.words()).eq(plan.arenas.iter().map(|row| row.words)) {
            return Err(self.core.fault("arenas that are not the plan's"));
        }
        leaves.iter().chain(arenas).try_for_each(|leaf| self.owns(leaf))?;
        if scalars.len() < prepared.scalar_words {
            return Err(self.core.fault(format!("{} scalars for a plan that reads {}", scalars.len(), prepared.scalar_words)));
        }

        let guarded = self.is_guarded();
        let mut state = lock(&prepared.state);
        let state = &mut *state;
        let failures = self.core.failures();
        if state.failures != failures {
            // A list was refused: one of the bind groups may be why, and scalars may not have been written.
            for lately in [&mut state.apart, &mut state.merged] {
                lately.kept.iter_mut().for_each(Vec::clear);
                lately.written = false;
            }
            state.failures = failures;
        }
        if state.guarded != guarded {
            for lately in [&mut state.apart, &mut state.merged] {
                lately.kept.iter_mut().for_each(Vec::clear);
            }
            state.slots = self.take_all(&plan.slots, guarded)?;
            state.guarded = guarded;
        }
        let outputs = self.take_all(&plan.outputs, guarded)?;
        let merged = if guarded || self.is_timed() { None } else { self.merged(prepared, state) };
        let State { slots, apart, merged: lately_merged, .. } = state;
        let memory = Memory { leaves, slots, outputs: &outputs, arenas, guarded };
        let merged = merged.filter(|line| !line.steps.iter().any(|step| overlaps(step, &memory)));
        let (line, lately) = merged.map_or((&prepared.apart, apart), |line| (line, lately_merged));
        self.write_scalars(line, lately, scalars)?;
        let encoded = if guarded {
            self.run_guarded(prepared, &memory, &mut lately.kept)
        } else if self.is_timed() {
            self.run_timed(prepared, &memory, &mut lately.kept)
        } else if line.steps.is_empty() {
            Ok(())
        } else {
            let recorded = self.core.record(line.steps.len() as u64, |encoder| {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                let mut current = None;
                let mut steps = line.steps.iter().zip(&mut lately.kept);
                steps.try_for_each(|(step, kept)| self.encode(&mut pass, line, step, &memory, kept, &mut current))
            });
            recorded.and_then(|()| self.core.settle())
        };
        encoded?;
        Ok(outputs)
    }

    /// Encodes one step into a pass, with a bind group met before if there is one.
    pub(super) fn encode<'p>(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        line: &Line,
        step: &'p Step,
        memory: &Memory<'_>,
        kept: &mut Kept,
        current: &mut Option<&'p Arc<Shader>>,
    ) -> Result<()> {
        // Compiled in `prepare`, so this only looks it up.
        let compiled = step.shader.compiled(&self.core)?;
        let changing = |bound: &Bound| match bound.what {
            What::Read { place, .. } | What::Write { place, .. } if !matches!(place.buffer, Buffer::Slot(_)) => {
                Some(memory.at(place.buffer).id())
            }
            _ => None,
        };
        let names = || step.bound.iter().filter_map(changing);
        match kept.iter().position(|(key, _)| names().eq(key.iter().copied())) {
            Some(0) => {}
            Some(i) => kept[..=i].rotate_right(1),
            None => {
                kept.truncate(KEPT_GROUPS - 1);
                kept.insert(0, (names().collect(), self.bind_group(line, step, memory, &compiled.layout)?));
            }
        }
        if current.is_none_or(|shader| !Arc::ptr_eq(shader, &step.shader)) {
            pass.set_pipeline(&compiled.pipeline);
            *current = Some(&step.shader);
        }
        pass.set_bind_group(0, &kept[0].1, &[]);
        pass.dispatch_workgroups(step.groups[0], step.groups[1], step.groups[2]);
        add(&self.core.counters.dispatches, 1);
        Ok(())
    }

    fn bind_group(
        &self,
        line: &Line,
        step: &Step,
        memory: &Memory<'_>,
        layout: &wgpu::BindGroupLayout,
    ) -> Result<wgpu::BindGroup> {
        let entry = |bound: &Bound| {
            let start = |place: Place| memory.at(place.buffer).offset() + 4 * place.start() as u64;
            let (buffer, offset, size) = match bound.what {
                What::Read { place, least } => {
                    (Some(memory.at(place.buffer).raw()), start(place), (4 * place.words as u64).max(least))
                }
                What::Write { place, least, measured } => {
                    // The guard is bound too, or the driver would keep a stray write away from it; but a kernel that asks for the length
                    // of its buffer must be told the truth.
                    let guard = if memory.is_guarded(place) && !measured { GUARD } else { 0 };
                    (Some(memory.at(place.buffer).raw()), start(place), (4 * (place.words + guard) as u64).max(least))
                }
                What::Params { at, size } => (line.params.as_ref(), at, size),
                What::Scalars { at, size, .. } => (line.scalars.as_ref(), at, size),
            };
            let resource =
                wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: buffer?, offset, size: NonZeroU64::new(size) });
            Some(wgpu::BindGroupEntry { binding: bound.number, resource })
        };
        let entries: Vec<_> = step.bound.iter().filter_map(entry).collect();
        add(&self.core.counters.bind_groups, 1);
        let descriptor = wgpu::BindGroupDescriptor { label: Some(step.shader.stem), layout, entries: &entries };
        let made = self.core.scoped(|| self.core.device.create_bind_group(&descriptor));
        made.map_err(|e| self.core.refusal(e, 0))
    }

    /// Puts each step's scalars where its shader reads them, if they are not there already.
    fn write_scalars(&self, line: &Line, state: &mut Lately, scalars: &[u32]) -> Result<()> {
        let Some(buffer) = &line.scalars else { return Ok(()) };
        let mut changed = !state.written;
        for bound in line.steps.iter().flat_map(|step| &step.bound) {
            let What::Scalars { pieces, .. } = &bound.what else { continue };
            for (at, words) in pieces {
                let new = &scalars[words.clone()];
                let old = &mut state.image[*at..][..new.len()];
                changed |= old != new;
                old.copy_from_slice(new);
            }
        }
        if changed {
            state.written = false;
            self.core.write(buffer, 0, &state.image)?;
            state.written = true;
        }
        Ok(())
    }

    fn take_all(&self, sizes: &[usize], guarded: bool) -> Result<Vec<Arc<GpuBuffer>>> {
        sizes.iter().map(|&words| self.pool.take(words, guarded)).collect()
    }

    fn uniform(&self, pieces: &Pieces) -> Result<Option<wgpu::Buffer>> {
        let size = 4 * pieces.words.len() as u64;
        if size == 0 {
            return Ok(None);
        }
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: Some("uniforms"), size, usage, mapped_at_creation: false };
        let buffer = self.core.scoped(|| self.core.device.create_buffer(&descriptor));
        buffer.map(Some).map_err(|e| self.core.refusal(e, size))
    }

    /// Checks that a plan is whole, so that nothing later can go out of bounds, and that the device can bind its values.
    fn vet(&self, plan: &Plan) -> Result<()> {
        let places = plan.dispatches.iter().flat_map(|d| d.reads.iter().chain(&d.writes));
        for place in places {
            let words = match place.buffer {
                Buffer::Leaf(i) => plan.leaves.get(i),
                Buffer::Slot(i) => plan.slots.get(i),
                Buffer::Output(i) => plan.outputs.get(i),
                Buffer::Arena(i) => plan.arenas.get(i).map(|row| &row.words),
            };
            if words.is_none_or(|&words| words < place.start() + place.words) {
                return Err(self.core.fault(format!("the plan binds {} words of {place}, which has {words:?}", place.words)));
            }
        }
        let most = self.core.limits.binding_bytes;
        let rows = plan.arenas.iter().map(|row| &row.words);
        match [&plan.leaves, &plan.slots, &plan.outputs]
            .into_iter()
            .flatten()
            .chain(rows)
            .map(|&words| 4 * words as u64)
            .find(|&bytes| bytes > most)
        {
            Some(bytes) => Err(Error::TooLarge { device: self.core.name.clone(), bytes, limit: most }),
            None => Ok(()),
        }
    }
}

/// Finds what each binding a shader uses is bound to; `part` is the `params.first` of one that does a part of a dispatch.
pub(super) fn bind(
    dispatch: &Dispatch,
    part: Option<u32>,
    shader: &Shader,
    params: &mut Pieces,
    scalars: &mut Pieces,
) -> Result<Vec<Bound>> {
    let fault = |message: String| Error::Shader {
        shader: shader.stem.to_owned(),
        message: format!("kernel `{}`: {message}", dispatch.kernel.name),
    };
    let mut counts = HashMap::new();
    let mut bound = vec![];
    for binding in &shader.bindings {
        let count: &mut usize = counts.entry(binding.kind).or_default();
        let nth = *count;
        *count += 1;
        if !binding.used {
            continue;
        }
        let least = u64::from(binding.bytes).max(4);
        let pick = |places: &[Place]| {
            places
                .get(nth)
                .copied()
                .ok_or_else(|| fault(format!("`{}` has no buffer: the dispatch gives {}", binding.name, places.len())))
        };
        let fits = |words: usize| {
            if 4 * words <= binding.bytes as usize {
                Ok(())
            } else {
                Err(fault(format!("{words} words for `{}` of {} bytes", binding.name, binding.bytes)))
            }
        };
        let what = match binding.kind {
            BindingKind::Input => What::Read { place: pick(&dispatch.reads)?, least },
            BindingKind::Output => What::Write { place: pick(&dispatch.writes)?, least, measured: binding.measured },
            BindingKind::Params => {
                let mut words = shader.params(&dispatch.kernel)?;
                if let Some(first) = part {
                    let member = binding.members.iter().find(|member| member.name == "first");
                    let member = member.ok_or_else(|| fault("it is done in parts, and `params` has no `first`".to_owned()))?;
                    words[member.offset as usize / 4] = first;
                }
                let (at, size) = params.push(&words, binding.bound);
                What::Params { at, size }
            }
            BindingKind::Scalars => {
                fits(dispatch.scalars.len())?;
                let (at, size) = scalars.push(&[], binding.bound);
                What::Scalars { at, size, pieces: vec![((at / 4) as usize, dispatch.scalars.clone())] }
            }
        };
        bound.push(Bound { number: binding.number, what });
    }
    let declared = |kind| counts.get(&kind).copied().unwrap_or(0);
    let (inputs, outputs) = (declared(BindingKind::Input), declared(BindingKind::Output));
    if dispatch.reads.len() > inputs || dispatch.writes.len() > outputs {
        let (reads, writes) = (dispatch.reads.len(), dispatch.writes.len());
        return Err(fault(format!("{reads} reads and {writes} writes for {inputs} inputs and {outputs} outputs")));
    }
    Ok(bound)
}
