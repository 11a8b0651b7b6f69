//! Timed runs, for profiles: a pass of its own for each dispatch, between two timestamps where the adapter has them, else between two looks at
//! the clock. Every run is waited for.

use super::buffers::GpuBuffer;
use super::context::Gpu;
use super::core::Core;
use super::counted::Counted;
use super::dispatch_list::{BindGroupCache, Prepared};
use super::readback::RoomToRead;
use crate::error::Result;
use crate::executor::{Pending, Span};
use crate::platform::Instant;
use std::sync::Arc;

/// Dispatches timed with one set of queries, two each.
const DISPATCHES_PER_QUERY_SET: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;

impl Gpu {
    /// Runs step by step, taking times.
    pub(super) fn run_timed(&self, prepared: &Prepared, bind_groups: &[BindGroupCache]) -> Result<Pending<'_, Vec<Span>>> {
        if !self.has_timestamps() {
            let spans = self.run_by_the_clock(prepared, bind_groups)?;
            return Ok(Box::pin(std::future::ready(Ok(spans))));
        }
        // All that may be refused first.
        let chunks = prepared.unmerged.steps.chunks(DISPATCHES_PER_QUERY_SET);
        let chunks = chunks.zip(bind_groups.chunks(DISPATCHES_PER_QUERY_SET)).map(|(steps, bind_groups)| {
            let queries = Queries::new(&self.core, steps.len())?;
            let resolved = self.pool.take(4 * steps.len(), false)?;
            let room = self.room_to_read(resolved.words())?;
            Ok((steps, bind_groups, queries, resolved, room))
        });
        let mut ticks = vec![];
        for (steps, bind_groups, queries, resolved, room) in chunks.collect::<Result<Vec<_>>>()? {
            let bytes = 16 * steps.len() as u64;
            self.core.recorded(|encoder| {
                for (i, (step, groups)) in steps.iter().zip(bind_groups).enumerate() {
                    let writes = wgpu::ComputePassTimestampWrites {
                        query_set: &queries.set,
                        beginning_of_pass_write_index: Some(2 * i as u32),
                        end_of_pass_write_index: Some(2 * i as u32 + 1),
                    };
                    let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes: Some(writes) };
                    let mut pass = encoder.begin_compute_pass(&descriptor);
                    self.encode(&mut pass, step, groups, &mut None)?;
                }
                encoder.resolve_query_set(&queries.set, 0..2 * steps.len() as u32, &queries.buffer.buffer, 0);
                encoder.copy_buffer_to_buffer(&queries.buffer.buffer, 0, resolved.raw(), 0, bytes);
                Ok(())
            })?;
            ticks.push((resolved, room));
        }
        let dispatches = prepared.unmerged.steps.iter().map(|step| step.dispatch).collect();
        Ok(Box::pin(self.spans(dispatches, ticks)))
    }

    /// The times of some dispatches, from the buffers that have their timestamps in order.
    async fn spans(&self, dispatches: Vec<usize>, ticks: Vec<(Arc<GpuBuffer>, RoomToRead)>) -> Result<Vec<Span>> {
        let mut words = vec![];
        for (buffer, room) in ticks {
            words.extend(self.read_into(room, buffer).await?);
        }
        let ticks: Vec<u64> = words.chunks_exact(2).map(|w| u64::from(w[0]) | u64::from(w[1]) << 32).collect();
        let period = f64::from(self.core.queue.get_timestamp_period());
        let first = ticks.first().copied().unwrap_or(0);
        // A driver may hand out stamps of overlapping passes, or none at all: never a negative time.
        let nanoseconds = |tick: u64| (tick.saturating_sub(first) as f64 * period) as u64;
        let span = |(dispatch, stamps): (usize, &[u64])| {
            let start = nanoseconds(stamps[0]);
            Span { dispatch, start, end: nanoseconds(stamps[1]).max(start) }
        };
        Ok(dispatches.into_iter().zip(ticks.chunks_exact(2)).map(span).collect())
    }

    /// Runs step by step and waits for each. Natively only: where nothing may block, only timestamps give times.
    fn run_by_the_clock(&self, prepared: &Prepared, bind_groups: &[BindGroupCache]) -> Result<Vec<Span>> {
        self.wait()?;
        let (origin, mut spans) = (Instant::now(), vec![]);
        for (step, groups) in prepared.unmerged.steps.iter().zip(bind_groups) {
            let start = origin.elapsed().as_nanos() as u64;
            let submission = self.core.recorded(|encoder| {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                self.encode(&mut pass, step, groups, &mut None)
            })?;
            self.core.wait(&submission)?;
            spans.push(Span { dispatch: step.dispatch, start, end: origin.elapsed().as_nanos() as u64 });
        }
        Ok(spans)
    }
}

/// Two timestamps per dispatch and the buffer they are written to.
struct Queries {
    set: wgpu::QuerySet,
    buffer: Counted,
}

impl Queries {
    fn new(core: &Core, dispatches: usize) -> Result<Queries> {
        let count = 2 * dispatches as u32;
        core.asks("timestamps")?;
        let descriptor = wgpu::QuerySetDescriptor { label: None, ty: wgpu::QueryType::Timestamp, count };
        let set = core.scoped(|| core.device.create_query_set(&descriptor)).map_err(|e| core.refusal(e, 0))?;
        let descriptor = wgpu::BufferDescriptor {
            label: Some("timestamps"),
            size: 8 * u64::from(count),
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        };
        Ok(Queries { set, buffer: core.counted("timestamps", &descriptor)? })
    }
}
