//! Guarded runs, for tests: memory starts as NaNs, and a write beyond the end of a value is found and names its kernel.

use super::buffers::{GUARD, GpuBuffer, POISON};
use super::context::Gpu;
use super::dispatch_list::{BindGroupCache, BindingSource, Memory, Prepared};
use super::readback::RoomToRead;
use crate::error::{At, Result};
use crate::executor::{Pending, Recorded, Span};
use crate::plan::{Place, Plan};
use std::sync::Arc;

/// Words of the buffer poison is copied from.
const POISON_WORDS: usize = 1 << 16;

impl Gpu {
    /// Fills slots and outputs with [`POISON`], then runs step by step: poison after each place written, the kernel, and a copy of what is
    /// there afterwards, which the report compares at the end.
    pub(super) fn run_guarded(
        &self,
        prepared: &Prepared,
        memory: &Memory<'_>,
        bind_groups: &[BindGroupCache],
        recorded: Recorded<'_>,
    ) -> Result<Option<Pending<'_, Vec<Span>>>> {
        let steps = &prepared.unmerged.steps;
        let guarded = |source: &BindingSource| match source {
            BindingSource::Write { place, .. } if memory.is_guarded(*place) => Some(*place),
            _ => None,
        };
        let watched: Vec<(usize, Place)> = (steps.iter().enumerate())
            .flat_map(|(i, step)| step.bindings.iter().filter_map(move |b| guarded(&b.source)).map(move |place| (i, place)))
            .collect();
        let poison = self.upload(&[POISON; POISON_WORDS])?;
        let found = self.pool.take((GUARD * watched.len()).max(1), false)?;
        let room = self.room_to_read(found.words())?;
        self.core.recorded(|encoder| {
            for buffer in memory.slots.iter().chain(memory.outputs) {
                fill(encoder, &poison, buffer);
            }
            let (guard, mut next) = (4 * GUARD as u64, 0);
            for (index, (step, groups)) in steps.iter().zip(bind_groups).enumerate() {
                let of_step = &watched[next..];
                let of_step = &of_step[..of_step.iter().take_while(|(of, _)| *of == index).count()];
                for (_, place) in of_step {
                    let buffer = memory.at(place.buffer).raw();
                    encoder.copy_buffer_to_buffer(poison.raw(), 0, buffer, 4 * place.words as u64, guard);
                }
                {
                    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                    self.encode(&mut pass, step, groups, &mut None)?;
                }
                for (_, place) in of_step {
                    let buffer = memory.at(place.buffer).raw();
                    encoder.copy_buffer_to_buffer(buffer, 4 * place.words as u64, found.raw(), guard * next as u64, guard);
                    next += 1;
                }
            }
            Ok(())
        })?;
        if watched.is_empty() {
            return Ok(None);
        }
        let at = |dispatch: usize| recorded.at(&prepared.plan.dispatches[dispatch]);
        let watched = watched.into_iter().map(|(step, place)| (steps[step].dispatch, at(steps[step].dispatch), place)).collect();
        Ok(Some(Box::pin(self.look_at_guards(Arc::clone(&prepared.plan), watched, found, room))))
    }

    /// An error if a guard is not what it was. `found` has a copy of that of each place written, with the dispatch that wrote it and where that was
    /// recorded.
    async fn look_at_guards(
        &self,
        plan: Arc<Plan>,
        watched: Vec<(usize, At, Place)>,
        found: Arc<GpuBuffer>,
        room: RoomToRead,
    ) -> Result<Vec<Span>> {
        let words = self.read_into(room, found).await?;
        for (&(dispatch, at, place), guard) in watched.iter().zip(words.chunks(GUARD)) {
            if let Some(i) = guard.iter().position(|&word| word != POISON) {
                let dispatch = &plan.dispatches[dispatch];
                return Err(self.core.fault(format!(
                    "kernel `{}` ({} at {at}) wrote {:#010x} at word {} of {place}, which has {} words",
                    dispatch.kernel.name,
                    dispatch.label,
                    guard[i],
                    place.words + i,
                    place.words
                )));
            }
        }
        Ok(vec![])
    }
}

/// Fills a value and the guard after it.
fn fill(encoder: &mut wgpu::CommandEncoder, poison: &Arc<GpuBuffer>, buffer: &GpuBuffer) {
    let words = (buffer.words() + GUARD).min(buffer.capacity());
    for start in (0..words).step_by(POISON_WORDS) {
        let bytes = 4 * POISON_WORDS.min(words - start) as u64;
        encoder.copy_buffer_to_buffer(poison.raw(), 0, buffer.raw(), 4 * start as u64, bytes);
    }
}
