//! The GPU as an executor: its values and prepared plans as a device sees them.

use super::buffers::GpuBuffer;
use super::context::Gpu;
use super::dispatch_list::Prepared;
use crate::error::Result;
use crate::executor::{
    Budget, Execution, Executor, Pending, PlacedArena, PreparedPlan, Reading, Recorded, Storage, own_buffer, own_buffers,
    own_plan,
};
use crate::plan::{Dispatch, ParameterArena, Plan};
use std::any::Any;
use std::sync::Arc;

impl Storage for GpuBuffer {
    fn words(&self) -> usize {
        self.words()
    }

    fn is_outside(&self) -> bool {
        self.is_outside()
    }
}

impl Executor for Gpu {
    fn describe(&self, name: &str) -> String {
        format!("gpu:{name}")
    }

    fn shader_text(&self, dispatch: &Dispatch) -> Result<Option<String>> {
        self.chosen(dispatch, None, None).map(|(_, shader)| Some(shader.text.to_string()))
    }

    fn budget(&self) -> &Budget {
        &self.core.budget
    }

    fn largest_value(&self) -> u64 {
        self.limits().binding_bytes
    }

    fn has_timestamps(&self) -> bool {
        self.has_timestamps()
    }

    fn prepare(&self, plan: Arc<Plan>) -> Result<PreparedPlan> {
        Ok(Box::new(self.prepare(plan)?))
    }

    fn upload(&self, words: &[u32]) -> Result<Arc<dyn Storage>> {
        Ok(self.upload(words)?)
    }

    fn place_arena(&self, arena: &ParameterArena, leaves: &mut [Arc<dyn Storage>]) -> Result<PlacedArena> {
        let first: &GpuBuffer = own_buffer(&leaves[arena.members[0].0], self.name())?;
        let first = first.whole().map(|(whole, _)| Arc::clone(whole));
        if let Some(whole) = first.filter(|whole| whole.words() == arena.words) {
            let mut placed = true;
            for &(leaf, start) in &arena.members {
                let leaf: &GpuBuffer = own_buffer(&leaves[leaf], self.name())?;
                placed &= leaf.whole().is_some_and(|(of, at)| Arc::ptr_eq(of, &whole) && at == start);
            }
            if placed {
                return Ok(PlacedArena { buffer: whole, moved: false });
            }
        }
        let whole = self.pool.take(arena.words, self.is_guarded())?;
        self.core.record(0, |encoder| {
            for &(leaf, start) in &arena.members {
                let value: &GpuBuffer = own_buffer(&leaves[leaf], self.name())?;
                let (to, bytes) = (4 * start as u64, 4 * value.words() as u64);
                encoder.copy_buffer_to_buffer(value.raw(), value.offset(), whole.raw(), to, bytes);
            }
            Ok(())
        })?;
        for &(leaf, start) in &arena.members {
            leaves[leaf] = GpuBuffer::part(&whole, start, leaves[leaf].words());
        }
        Ok(PlacedArena { buffer: whole, moved: true })
    }

    fn execute<'e>(
        &'e self,
        plan: &PreparedPlan,
        leaves: &[Arc<dyn Storage>],
        arenas: &[Arc<dyn Storage>],
        scalars: &[u32],
        recorded: Recorded<'_>,
    ) -> Result<Execution<'e>> {
        let prepared: &Prepared = own_plan(plan, self.name())?;
        let (leaves, arenas) = (own_buffers(leaves, self.name())?, own_buffers(arenas, self.name())?);
        let started = self.start(prepared, &leaves, &arenas, scalars, recorded)?;
        let outputs = started.outputs.into_iter().map(|output| output as Arc<dyn Storage>).collect();
        Ok(Execution { outputs, report: started.report })
    }

    fn read(&self, value: Arc<dyn Storage>) -> Pending<'_, Vec<u32>> {
        Box::pin(async move {
            own_buffer::<GpuBuffer>(&value, self.name())?;
            let value: Arc<dyn Any + Send + Sync> = value;
            let value = value.downcast().map_err(|_| self.core.fault("a buffer of another machine"))?;
            self.read(value).await
        })
    }

    fn begin_read(&self, value: Arc<dyn Storage>) -> Result<Reading> {
        self.reading(own_buffer(&value, self.name())?)
    }

    fn flush(&self) -> Result<()> {
        self.core.check()?;
        self.core.flush()
    }

    fn caught_up(&self) -> Pending<'_, ()> {
        Box::pin(self.core.caught_up())
    }

    fn finish(&self) -> Pending<'_, ()> {
        Box::pin(self.finish())
    }

    fn set_guarded(&self, on: bool) {
        self.set_guarded(on);
    }

    fn set_timed(&self, on: bool) {
        self.set_timed(on);
    }

    fn set_merging(&self, on: bool) {
        self.set_merging(on);
    }

    fn force_variant(&self, index: Option<usize>) {
        self.force_variant(index);
    }

    fn trim(&self) {
        self.trim();
    }
}
