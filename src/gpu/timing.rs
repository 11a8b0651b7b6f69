//! Timed runs, for profiles: a pass of its own for each dispatch, between two timestamps where the adapter has them, else between two looks at
//! the clock. Every run is waited for.

use super::Gpu;
use super::core::{Core, lock};
use super::run::{Kept, Memory, Prepared};
use crate::error::Result;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Dispatches timed with one set of queries, two each.
const BATCH: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;

/// When a dispatch ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its index in the plan.
    pub dispatch: usize,
    /// Nanoseconds from the start of the run's first dispatch to the start of this one.
    pub start: u64,
    /// The same to its end.
    pub end: u64,
}

/// Whether runs are timed, and what was found since the last look.
#[derive(Default)]
pub(super) struct Timing {
    on: AtomicBool,
    spans: Mutex<Vec<Span>>,
}

impl Gpu {
    /// Times every dispatch of every run from now on, or stops.
    pub fn set_timed(&self, on: bool) {
        self.timing.on.store(on, Ordering::Relaxed);
    }

    pub(super) fn is_timed(&self) -> bool {
        self.timing.on.load(Ordering::Relaxed)
    }

    /// Whether dispatches are timed by the GPU itself and not by the host's clock.
    pub fn has_timestamps(&self) -> bool {
        self.core.timestamps
    }

    /// What was timed since the last call.
    pub fn take_spans(&self) -> Vec<Span> {
        std::mem::take(&mut *lock(&self.timing.spans))
    }

    /// Runs step by step, taking times.
    pub(super) fn run_timed(&self, prepared: &Prepared, memory: &Memory<'_>, kept: &mut [Kept]) -> Result<()> {
        let mut spans = vec![];
        if self.has_timestamps() {
            let mut ticks = vec![];
            for (steps, kept) in prepared.apart.steps.chunks(BATCH).zip(kept.chunks_mut(BATCH)) {
                let queries = Queries::new(&self.core, steps.len()).map_err(|e| self.core.refusal(e, 0))?;
                let resolved = self.pool.take(4 * steps.len(), false)?;
                let bytes = 16 * steps.len() as u64;
                self.core.recorded(|encoder| {
                    for (i, (step, kept)) in steps.iter().zip(kept).enumerate() {
                        let writes = wgpu::ComputePassTimestampWrites {
                            query_set: &queries.set,
                            beginning_of_pass_write_index: Some(2 * i as u32),
                            end_of_pass_write_index: Some(2 * i as u32 + 1),
                        };
                        let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes: Some(writes) };
                        let mut pass = encoder.begin_compute_pass(&descriptor);
                        self.encode(&mut pass, &prepared.apart, step, memory, kept, &mut None)?;
                    }
                    encoder.resolve_query_set(&queries.set, 0..2 * steps.len() as u32, &queries.buffer, 0);
                    encoder.copy_buffer_to_buffer(&queries.buffer, 0, resolved.raw(), 0, bytes);
                    Ok(())
                })?;
                let words = pollster::block_on(self.fetch(resolved))?;
                ticks.extend(words.chunks_exact(2).map(|w| u64::from(w[0]) | u64::from(w[1]) << 32));
            }
            let period = f64::from(self.core.queue.get_timestamp_period());
            let first = ticks.first().copied().unwrap_or(0);
            // A driver may hand out stamps of overlapping passes, or none at all: never a negative time.
            let nanoseconds = |tick: u64| (tick.saturating_sub(first) as f64 * period) as u64;
            for (step, stamps) in prepared.apart.steps.iter().zip(ticks.chunks_exact(2)) {
                let start = nanoseconds(stamps[0]);
                spans.push(Span { dispatch: step.dispatch, start, end: nanoseconds(stamps[1]).max(start) });
            }
        } else {
            self.wait()?;
            let origin = Instant::now();
            for (step, kept) in prepared.apart.steps.iter().zip(kept) {
                let start = origin.elapsed().as_nanos() as u64;
                let submission = self.core.recorded(|encoder| {
                    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                    self.encode(&mut pass, &prepared.apart, step, memory, kept, &mut None)
                })?;
                self.core.wait(&submission)?;
                spans.push(Span { dispatch: step.dispatch, start, end: origin.elapsed().as_nanos() as u64 });
            }
        }
        lock(&self.timing.spans).extend(spans);
        Ok(())
    }
}

/// Two timestamps per dispatch and the buffer they are written to.
struct Queries {
    set: wgpu::QuerySet,
    buffer: wgpu::Buffer,
}

impl Queries {
    fn new(core: &Core, dispatches: usize) -> Result<Queries, wgpu::Error> {
        let count = 2 * dispatches as u32;
        core.scoped(|| Queries {
            set: core.device.create_query_set(&wgpu::QuerySetDescriptor { label: None, ty: wgpu::QueryType::Timestamp, count }),
            buffer: core.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("timestamps"),
                size: 8 * u64::from(count),
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
        })
    }
}
