//! Prepared plans on the device, run after run: all dispatches in one pass, in a command list that runs may share.

use super::buffers::{GUARD, GpuBuffer};
use super::context::Gpu;
use super::counters::add;
use super::dispatch_list::{BindGroupCache, BindingSource, DispatchList, ListState, Memory, Prepared, State, Step, StepBinding};
use super::pipelines::Shader;
use crate::error::Result;
use crate::executor::{Pending, Recorded, Span};
use crate::plan::{Buffer, Place};
use crate::platform::waited;
use crate::threads::lock;
use smallvec::SmallVec;
use std::num::NonZeroU64;
use std::sync::Arc;

/// Bind groups kept per dispatch: one for each set of leaves and outputs met recently.
const KEPT_GROUPS: usize = 16;

/// A run that was started.
pub(super) struct Started<'g> {
    pub(super) outputs: Vec<Arc<GpuBuffer>>,
    /// Of a guarded or timed run, what is known at its end.
    pub(super) report: Option<Pending<'g, Vec<Span>>>,
}

impl Gpu {
    /// Runs a plan on its leaves and waits for what is known only at the end of guarded and timed runs; returns its outputs, in memory of their
    /// own. Other runs are not waited for: their work is recorded, and starts at once if the device has little to do.
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
        let [leaves, arenas] = [leaves, arenas].map(|buffers| buffers.iter().map(|b| &**b).collect::<SmallVec<[_; 16]>>());
        let started = self.start(prepared, &leaves, &arenas, scalars, Recorded::in_plan())?;
        started.report.map(|report| waited(self.name(), report)).transpose()?;
        Ok(started.outputs)
    }

    /// Starts a run; as [`Gpu::run`], and waits for nothing.
    ///
    /// One that reads a buffer of the application's is submitted at once, by itself: it sees what the application has submitted so far, and if the
    /// buffer is refused nothing else is.
    pub(super) fn start(
        &self,
        prepared: &Prepared,
        leaves: &[&GpuBuffer],
        arenas: &[&GpuBuffer],
        scalars: &[u32],
        recorded: Recorded<'_>,
    ) -> Result<Started<'_>> {
        self.check_run(prepared, leaves, arenas, scalars)?;
        if !leaves.iter().any(|leaf| leaf.is_outside()) {
            return self.started(prepared, leaves, arenas, scalars, recorded);
        }
        self.core.flush()?;
        let started = self.started(prepared, leaves, arenas, scalars, recorded);
        let submitted = started.and_then(|started| self.core.flush().map(|()| started));
        submitted.map_err(|error| self.blame(leaves, error))
    }

    fn started(
        &self,
        prepared: &Prepared,
        leaves: &[&GpuBuffer],
        arenas: &[&GpuBuffer],
        scalars: &[u32],
        recorded: Recorded<'_>,
    ) -> Result<Started<'_>> {
        let guarded = self.is_guarded();
        let mut state = lock(&prepared.state);
        let state = &mut *state;
        let failures = self.core.failures();
        if state.failures != failures {
            // A list was refused: one of the bind groups may be why, and scalars may not have been written.
            for list in state.lists() {
                list.forget_bind_groups();
                list.written = false;
            }
            state.failures = failures;
        }
        if state.guarded != guarded {
            state.lists().into_iter().for_each(ListState::forget_bind_groups);
            state.slots = self.take_all(&prepared.plan, &prepared.plan.slots, Buffer::Slot, guarded, recorded)?;
            state.guarded = guarded;
        }
        let outputs = self.take_all(&prepared.plan, &prepared.plan.outputs, Buffer::Output, guarded, recorded)?;
        let merged = if guarded || self.is_timed() { None } else { self.merged(prepared, state, recorded)? };
        let State { slots, unmerged, merged: merged_state, .. } = state;
        let memory = Memory { leaves, slots, outputs: &outputs, arenas, guarded };
        let merged = merged.filter(|list| !list.steps.iter().any(|step| step.overlaps(&memory)));
        let (list, list_state) = merged.map_or((&prepared.unmerged, unmerged), |list| (list, merged_state));
        self.write_scalars(list, list_state, scalars)?;
        let bind_groups = &mut list_state.bind_groups;
        // Whatever may be refused comes before anything is recorded: a run takes place as a whole or not at all.
        self.bind(list, &memory, bind_groups)?;
        let report = if guarded {
            self.run_guarded(prepared, &memory, bind_groups, recorded)?
        } else if self.is_timed() {
            Some(self.run_timed(prepared, bind_groups)?)
        } else {
            self.record_pass(list, bind_groups)?;
            None
        };
        if leaves.iter().any(|leaf| leaf.is_outside()) {
            forget_outside(list, &memory, bind_groups);
        }
        Ok(Started { outputs, report })
    }

    /// Checks that what a run is given is its plan's and this device's.
    fn check_run(&self, prepared: &Prepared, leaves: &[&GpuBuffer], arenas: &[&GpuBuffer], scalars: &[u32]) -> Result<()> {
        self.core.check()?;
        let plan = &*prepared.plan;
        if !Arc::ptr_eq(&prepared.pool, &self.pool) {
            return Err(self.core.fault("a plan prepared for another device"));
        }
        if leaves.len() != plan.leaves.len() || leaves.iter().zip(&plan.leaves).any(|(leaf, &words)| leaf.words() != words) {
            let given: Vec<_> = leaves.iter().map(|leaf| leaf.words()).collect();
            return Err(self.core.fault(format!("leaves of {given:?} words for a plan with leaves of {:?}", plan.leaves)));
        }
        if !arenas.iter().map(|arena| arena.words()).eq(plan.arenas.iter().map(|arena| arena.words)) {
            return Err(self.core.fault("arenas that are not the plan's"));
        }
        leaves.iter().chain(arenas).try_for_each(|leaf| self.owns(leaf))?;
        if scalars.len() < prepared.scalar_words {
            return Err(self.core.fault(format!("{} scalars for a plan that reads {}", scalars.len(), prepared.scalar_words)));
        }
        Ok(())
    }

    /// Records all steps in one pass.
    fn record_pass(&self, list: &DispatchList, bind_groups: &[BindGroupCache]) -> Result<()> {
        if list.steps.is_empty() {
            return Ok(());
        }
        self.core.record(list.steps.len() as u64, |encoder| {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            let mut current = None;
            let mut steps = list.steps.iter().zip(bind_groups);
            steps.try_for_each(|(step, groups)| self.encode(&mut pass, step, groups, &mut current))
        })?;
        self.core.settle()
    }

    /// Finds the bind group of each step, or makes it, and puts it first.
    fn bind(&self, list: &DispatchList, memory: &Memory<'_>, bind_groups: &mut [BindGroupCache]) -> Result<()> {
        list.steps.iter().zip(bind_groups).try_for_each(|(step, groups)| self.bind_step(list, step, memory, groups))
    }

    fn bind_step(&self, list: &DispatchList, step: &Step, memory: &Memory<'_>, groups: &mut BindGroupCache) -> Result<()> {
        let changing = |binding: &StepBinding| match binding.source {
            BindingSource::Read { place, .. } | BindingSource::Write { place, .. }
                if !matches!(place.buffer, Buffer::Slot(_)) =>
            {
                Some(memory.at(place.buffer).id())
            }
            _ => None,
        };
        let names = || step.bindings.iter().filter_map(changing);
        match groups.iter().position(|(key, _)| names().eq(key.iter().copied())) {
            Some(0) => {}
            Some(i) => groups[..=i].rotate_right(1),
            None => {
                self.core.asks("a bind group")?;
                // Compiled in `prepare`, so this only looks it up.
                let group = self.bind_group(list, step, memory, &step.shader.compiled(&self.core)?.layout)?;
                groups.truncate(KEPT_GROUPS - 1);
                groups.insert(0, (names().collect(), group));
            }
        }
        Ok(())
    }

    /// Encodes one step into a pass, with its first bind group.
    pub(super) fn encode<'p>(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        step: &'p Step,
        groups: &BindGroupCache,
        current: &mut Option<&'p Arc<Shader>>,
    ) -> Result<()> {
        let compiled = step.shader.compiled(&self.core)?;
        let Some((_, group)) = groups.first() else { return Err(self.core.fault("a step that nothing is bound to")) };
        if current.is_none_or(|shader| !Arc::ptr_eq(shader, &step.shader)) {
            pass.set_pipeline(&compiled.pipeline);
            *current = Some(&step.shader);
        }
        pass.set_bind_group(0, group, &[]);
        // Of nothing there is nothing to compute, and a browser would remark on it.
        if !step.groups.contains(&0) {
            pass.dispatch_workgroups(step.groups[0], step.groups[1], step.groups[2]);
        }
        add(&self.core.counters.dispatches, 1);
        Ok(())
    }

    fn bind_group(
        &self,
        list: &DispatchList,
        step: &Step,
        memory: &Memory<'_>,
        layout: &wgpu::BindGroupLayout,
    ) -> Result<wgpu::BindGroup> {
        let entry = |binding: &StepBinding| {
            let start = |place: Place| memory.at(place.buffer).offset() + 4 * place.start() as u64;
            let (buffer, offset, size) = match binding.source {
                BindingSource::Read { place, least, measured } | BindingSource::Write { place, least, measured } => {
                    // The guard is bound too, or the checks of indices would keep a stray write away from it, and lead a stray read to the last
                    // element in the place of the guard's NaN; but a kernel that asks for the length of its buffer must be told the truth.
                    let guard = if memory.is_guarded(place) && !measured { GUARD } else { 0 };
                    (Some(memory.at(place.buffer).raw()), start(place), (4 * (place.words + guard) as u64).max(least))
                }
                BindingSource::Params { at, size } => (list.params.as_ref().map(|counted| &counted.buffer), at, size),
                BindingSource::Scalars { at, size, .. } => (list.scalars.as_ref().map(|counted| &counted.buffer), at, size),
            };
            let resource =
                wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: buffer?, offset, size: NonZeroU64::new(size) });
            Some(wgpu::BindGroupEntry { binding: binding.number, resource })
        };
        let entries: Vec<_> = step.bindings.iter().filter_map(entry).collect();
        add(&self.core.counters.bind_groups, 1);
        let descriptor = wgpu::BindGroupDescriptor { label: Some(&*step.shader.stem), layout, entries: &entries };
        let made = self.core.scoped(|| self.core.device.create_bind_group(&descriptor));
        made.map_err(|e| self.core.refusal(e, 0))
    }

    /// Puts each step's scalars where its shader reads them, if they are not there already.
    fn write_scalars(&self, list: &DispatchList, state: &mut ListState, scalars: &[u32]) -> Result<()> {
        let Some(buffer) = &list.scalars else { return Ok(()) };
        let mut changed = !state.written;
        for binding in list.steps.iter().flat_map(|step| &step.bindings) {
            let BindingSource::Scalars { pieces, .. } = &binding.source else { continue };
            for (at, words) in pieces {
                let new = &scalars[words.clone()];
                let old = &mut state.scalars[*at..][..new.len()];
                changed |= old != new;
                old.copy_from_slice(new);
            }
        }
        if changed {
            state.written = false;
            self.core.write(&buffer.buffer, 0, &state.scalars)?;
            state.written = true;
        }
        Ok(())
    }
}

/// Forgets the bind groups just used that hold a buffer of the application's: kept, they would keep its memory.
fn forget_outside(list: &DispatchList, memory: &Memory<'_>, bind_groups: &mut [BindGroupCache]) {
    let outside = |binding: &StepBinding| match binding.source {
        BindingSource::Read { place, .. } => memory.at(place.buffer).is_outside(),
        _ => false,
    };
    for (step, groups) in list.steps.iter().zip(bind_groups) {
        if !groups.is_empty() && step.bindings.iter().any(outside) {
            groups.remove(0);
        }
    }
}
