//! Plans made ready: a variant of each kernel chosen, pipelines compiled, memory taken; and small dispatches merged, once a plan runs often.

use super::bind::{Uniforms, bind};
use super::buffers::GpuBuffer;
use super::context::{Gpu, NEVER};
use super::counted::Counted;
use super::dispatch_list::{DispatchList, ListState, Prepared, State, Step, UniformAllocator};
use super::pipelines::{Shader, word};
use crate::error::{Error, Result};
use crate::plan::{Buffer, Dispatch, Plan, Recorded};
use crate::threads::{self, lock};
use rayon::prelude::*;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};

/// What uniforms are, in errors.
const UNIFORMS: &str = "the parameters of a prepared plan";

/// An error of a dispatch's shader, with the ops and the line that it is of.
fn of_dispatch(dispatch: &Dispatch, error: Error, recorded: Recorded<'_>) -> Error {
    match error {
        Error::Shader { place: Some(place), message, .. } => dispatch.fault_of(recorded, Some(place), message),
        Error::Shader { shader, place: None, message } => dispatch.fault_of(recorded, None, format!("{shader}.wgsl: {message}")),
        other => other,
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
        // The graph that it was made of is the one that is run.
        let recorded = Recorded::in_plan();
        self.core.check()?;
        self.check_places(&plan)?;
        let force = *lock(&self.force_variant);
        self.run_self_tests(&plan, force.is_some());
        self.shaders.parse_all(&self.core, &plan, force);
        let mut uniforms = Uniforms::new(self.core.uniform_alignment);
        let mut steps = vec![];
        for (index, dispatch) in plan.dispatches.iter().enumerate() {
            // Nothing to write, nothing to do.
            if dispatch.writes.iter().any(|place| place.words > 0) {
                let (variant, shader) =
                    self.chosen(dispatch, exactly, force).map_err(|error| of_dispatch(dispatch, error, recorded))?;
                self.steps(index, dispatch, variant, &shader, &mut uniforms, &mut steps)?;
            }
        }
        let (unmerged, list_state) = self.list(steps, &uniforms, &plan, recorded)?;
        let guarded = self.is_guarded();
        let slots = self.take_all(&plan, &plan.slots, Buffer::Slot, guarded, recorded)?;
        let failures = self.core.failures();
        self.core.check()?;
        let merged = OnceLock::new();
        if exactly.is_some() || force.is_some() {
            // These are about single dispatches.
            let _ = merged.set(None);
        }
        let state = State { slots, guarded, runs: 0, failures, unmerged: list_state, merged: ListState::default() };
        let prepared = Prepared {
            unmerged,
            merged,
            scalar_words: plan.dispatches.iter().map(|d| d.scalars.end).max().unwrap_or(0),
            pool: Arc::clone(&self.pool),
            plan,
            state: Box::new(Mutex::new(state)),
        };
        if self.merge_after.load(Ordering::Relaxed) == 0 {
            self.merged(&prepared, &mut lock(&prepared.state), recorded)?;
        }
        Ok(prepared)
    }

    /// The variant of a dispatch's kernel to run: the one asked for, or the one measured to be the fastest, or the first that suits.
    pub(super) fn chosen(
        &self,
        dispatch: &Dispatch,
        exactly: Option<usize>,
        force: Option<usize>,
    ) -> Result<(usize, Arc<Shader>)> {
        let wanted = exactly.or_else(|| if force.is_none() { self.fastest(dispatch) } else { None });
        let found = wanted.map(|index| self.shaders.exactly(&self.core, &dispatch.kernel, index)).transpose()?.flatten();
        match found {
            Some(found) => Ok(found),
            None => self.shaders.choose(&self.core, &dispatch.kernel, force)?.ok_or_else(|| self.none_fits(dispatch)),
        }
    }

    fn none_fits(&self, dispatch: &Dispatch) -> Error {
        let why = self.shaders.misfits(&self.core, &dispatch.kernel);
        dispatch.fault(format!(
            "no variant of kernel `{}` is within the device's limits, those of `{}` ({why}); smaller sizes may be, and the CPU has no such limits",
            dispatch.kernel.name, self.core.name
        ))
    }

    /// Adds the steps of a dispatch: one, or several where one may not make so many loop iterations.
    fn steps(
        &self,
        index: usize,
        dispatch: &Dispatch,
        variant: usize,
        shader: &Arc<Shader>,
        uniforms: &mut Uniforms,
        steps: &mut Vec<Step>,
    ) -> Result<()> {
        let form = &dispatch.kernel.variants[variant];
        let (iterations, count) = form.divided(self.core.max_loop_iterations()).unwrap_or((usize::MAX, 1));
        for number in 0..count {
            let part = form.parts.filter(|_| count > 1).map(|_| word(number * iterations));
            let bindings =
                bind(dispatch, part, shader, uniforms).map_err(|error| of_dispatch(dispatch, error, Recorded::in_plan()))?;
            let shader = Arc::clone(shader);
            steps.push(Step { dispatch: index, variant, part, shader, groups: form.groups, dispatches: 1, bindings });
        }
        Ok(())
    }

    /// Compiles steps and makes their uniforms.
    fn list(
        &self,
        steps: Vec<Step>,
        uniforms: &Uniforms,
        plan: &Plan,
        recorded: Recorded<'_>,
    ) -> Result<(DispatchList, ListState)> {
        // Drivers compile on the calling thread, so several pipelines are compiled at once.
        let compile = |step: &Step| match step.shader.compiled(&self.core) {
            Ok(_) => Ok(()),
            Err(error) => Err(of_dispatch(&plan.dispatches[step.dispatch], error, recorded)),
        };
        threads::install(|| steps.par_iter().try_for_each(compile))?;
        self.shaders.pipeline_cache().save(false);
        let params = self.uniform(&uniforms.params)?;
        if let Some(buffer) = &params {
            self.core.write(&buffer.buffer, 0, uniforms.params.words())?;
        }
        let state = ListState::new(steps.len(), uniforms.scalars.words().len());
        Ok((DispatchList { steps, params, scalars: self.uniform(&uniforms.scalars)? }, state))
    }

    /// The list with small dispatches merged, made when a plan has run so often that it will run on: until then the time it takes to compile is
    /// better spent on running. The count and not the clock decides, so that the same program gives the same bits.
    ///
    /// # Errors
    /// No memory. The next run tries again, so that it is made whether or not there was room at first.
    pub(super) fn merged<'p>(
        &self,
        prepared: &'p Prepared,
        state: &mut State,
        recorded: Recorded<'_>,
    ) -> Result<Option<&'p DispatchList>> {
        if let Some(found) = prepared.merged.get() {
            return Ok(found.as_ref());
        }
        let after = self.merge_after.load(Ordering::Relaxed);
        if state.runs < after || after == NEVER {
            state.runs = state.runs.saturating_add(1);
            return Ok(None);
        }
        let mut uniforms = Uniforms::new(self.core.uniform_alignment);
        let made = self.merge(&prepared.plan, &prepared.unmerged.steps, &mut uniforms);
        let made = made.and_then(|steps| steps.map(|steps| self.list(steps, &uniforms, &prepared.plan, recorded)).transpose());
        let list = match made {
            Ok(Some((list, list_state))) => {
                state.merged = list_state;
                state.unmerged.forget_bind_groups();
                Some(list)
            }
            Ok(None) => None,
            Err(error @ Error::OutOfMemory { .. }) => return Err(error),
            Err(error) => {
                tracing::warn!("small dispatches are not merged: {error}");
                None
            }
        };
        Ok(prepared.merged.get_or_init(|| list).as_ref())
    }

    pub(super) fn take_all(
        &self,
        plan: &Plan,
        sizes: &[usize],
        buffer: fn(usize) -> Buffer,
        guarded: bool,
        recorded: Recorded<'_>,
    ) -> Result<Vec<Arc<GpuBuffer>>> {
        let what = |i| plan.use_of(buffer(i), recorded);
        let take = |(i, &words)| self.pool.take(words, guarded).map_err(|error: Error| error.for_what(|| what(i)));
        sizes.iter().enumerate().map(take).collect()
    }

    fn uniform(&self, uniforms: &UniformAllocator) -> Result<Option<Counted>> {
        let size = 4 * uniforms.words().len() as u64;
        if size == 0 {
            return Ok(None);
        }
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: Some("uniforms"), size, usage, mapped_at_creation: false };
        self.core.asks(UNIFORMS)?;
        self.core.counted(UNIFORMS, &descriptor).map(Some)
    }

    /// Checks that a plan is whole, so that nothing later can go out of bounds, and that the device can bind its values.
    fn check_places(&self, plan: &Plan) -> Result<()> {
        let places = plan.dispatches.iter().flat_map(|d| d.reads.iter().chain(&d.writes));
        for place in places {
            let words = match place.buffer {
                Buffer::Leaf(i) => plan.leaves.get(i),
                Buffer::Slot(i) => plan.slots.get(i),
                Buffer::Output(i) => plan.outputs.get(i),
                Buffer::Arena(i) => plan.arenas.get(i).map(|arena| &arena.words),
            };
            if words.is_none_or(|&words| words < place.start() + place.words) {
                return Err(self.core.fault(format!("the plan binds {} words of {place}, which has {words:?}", place.words)));
            }
        }
        let most = self.core.limits.binding_bytes;
        let arenas = plan.arenas.iter().map(|arena| &arena.words);
        match [&plan.leaves, &plan.slots, &plan.outputs]
            .into_iter()
            .flatten()
            .chain(arenas)
            .map(|&words| 4 * words as u64)
            .find(|&bytes| bytes > most)
        {
            Some(bytes) => Err(Error::TooLarge { device: self.core.name.clone(), bytes, limit: most }),
            None => Ok(()),
        }
    }
}
