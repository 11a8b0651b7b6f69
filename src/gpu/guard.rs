//! Guarded runs, for tests: memory starts as NaNs, and a write behind the end of a value is found and names its kernel.

use super::buffers::GUARD;
use super::run::{Kept, Memory, Prepared, What};
use super::{Gpu, GpuBuffer};
use crate::error::Result;
use crate::plan::Place;
use std::sync::Arc;

/// A NaN that no arithmetic makes.
pub(super) const POISON: u32 = 0x7fc0_dead;
/// Words of the buffer poison is copied from.
const PIECE: usize = 1 << 16;

impl Gpu {
    /// Fills slots and outputs with [`POISON`], then runs step by step: poison behind each place written, the kernel, and a copy of what lies
    /// there afterwards, which is compared at the end.
    pub(super) fn run_guarded(&self, prepared: &Prepared, memory: &Memory<'_>, kept: &mut [Kept]) -> Result<()> {
        let guarded = |what: &What| match what {
            What::Write { place, .. } if memory.is_guarded(*place) => Some(*place),
            _ => None,
        };
        let watched: Vec<(usize, Place)> = (prepared.apart.steps.iter().enumerate())
            .flat_map(|(step, s)| s.bound.iter().filter_map(move |b| guarded(&b.what)).map(move |place| (step, place)))
            .collect();
        let poison = self.upload(&[POISON; PIECE])?;
        let found = self.pool.take((GUARD * watched.len()).max(1), false)?;
        self.core.recorded(|encoder| {
            for buffer in memory.slots.iter().chain(memory.outputs) {
                fill(encoder, &poison, buffer);
            }
            let mut next = 0;
            for (index, (step, kept)) in prepared.apart.steps.iter().zip(kept).enumerate() {
                let of_step = &watched[next..];
                let of_step = &of_step[..of_step.iter().take_while(|(of, _)| *of == index).count()];
                let guard = 4 * GUARD as u64;
                for (_, place) in of_step {
                    encoder.copy_buffer_to_buffer(poison.raw(), 0, memory.at(place.buffer).raw(), 4 * place.words as u64, guard);
                }
                {
                    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                    self.encode(&mut pass, &prepared.apart, step, memory, kept, &mut None)?;
                }
                for (_, place) in of_step {
                    encoder.copy_buffer_to_buffer(
                        memory.at(place.buffer).raw(),
                        4 * place.words as u64,
                        found.raw(),
                        guard * next as u64,
                        guard,
                    );
                    next += 1;
                }
            }
            Ok(())
        })?;
        if watched.is_empty() {
            return Ok(());
        }
        let words = pollster::block_on(self.fetch(found))?;
        for ((step, place), guard) in watched.iter().zip(words.chunks(GUARD)) {
            if let Some(i) = guard.iter().position(|&word| word != POISON) {
                let dispatch = &prepared.plan.dispatches[prepared.apart.steps[*step].dispatch];
                return Err(self.core.fault(format!(
                    "kernel `{}` ({}) wrote {:#010x} at word {} of {place}, which has {} words",
                    dispatch.kernel.name,
                    dispatch.label,
                    guard[i],
                    place.words + i,
                    place.words
                )));
            }
        }
        Ok(())
    }
}

/// Fills a value and the guard behind it.
fn fill(encoder: &mut wgpu::CommandEncoder, poison: &Arc<GpuBuffer>, buffer: &GpuBuffer) {
    let words = (buffer.words() + GUARD).min(buffer.capacity());
    for start in (0..words).step_by(PIECE) {
        let bytes = 4 * PIECE.min(words - start) as u64;
        encoder.copy_buffer_to_buffer(poison.raw(), 0, buffer.raw(), 4 * start as u64, bytes);
    }
}
