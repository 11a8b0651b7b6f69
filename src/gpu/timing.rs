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
use crate::oneshot::{self, Receiver};
use crate::platform::{self, Instant};
use std::sync::Arc;

/// Dispatches timed with one set of queries, two each.
const DISPATCHES_PER_QUERY_SET: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;

impl Gpu {
    /// Runs step by step, taking times.
    pub(super) fn run_timed(&self, prepared: &Prepared, bind_groups: &[BindGroupCache]) -> Result<Pending<'_, Vec<Span>>> {
        if !self.has_timestamps() && !platform::may_wait() {
            let (begun, steps) = self.run_one_by_one(prepared, bind_groups)?;
            return Ok(Box::pin(self.spans_by_the_clock(begun, steps)));
        }
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

    /// Submits step by step, each with a look at the clock when it is done: where nothing may wait. The first look is before all of them.
    fn run_one_by_one(&self, prepared: &Prepared, bind_groups: &[BindGroupCache]) -> Result<(Done, Vec<(usize, Done)>)> {
        let done = || {
            let (sender, done) = oneshot::channel();
            self.core.queue.on_submitted_work_done(move || sender.send(Instant::now()));
            done
        };
        self.core.submit()?;
        let (begun, mut steps) = (done(), vec![]);
        for (step, groups) in prepared.unmerged.steps.iter().zip(bind_groups) {
            self.core.recorded(|encoder| {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                self.encode(&mut pass, step, groups, &mut None)
            })?;
            steps.push((step.dispatch, done()));
        }
        Ok((begun, steps))
    }

    /// The times of some dispatches, from when each was done.
    async fn spans_by_the_clock(&self, begun: Done, steps: Vec<(usize, Done)>) -> Result<Vec<Span>> {
        let no_answer = || self.core.diagnose("waiting for a dispatch: wgpu gave no answer");
        let origin = begun.await.ok_or_else(no_answer)?;
        let (mut start, mut spans) = (0, vec![]);
        for (dispatch, done) in steps {
            let done = done.await.ok_or_else(no_answer)?;
            let end = (done.saturating_duration_since(origin).as_nanos() as u64).max(start);
            spans.push(Span { dispatch, start, end });
            start = end;
        }
        self.core.check()?;
        Ok(spans)
    }

    /// Runs step by step and waits for each.
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

/// When something will have been done.
type Done = Receiver<Instant>;

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
