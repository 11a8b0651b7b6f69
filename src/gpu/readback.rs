//! Reading values back, and waiting for work to be done: besides opening a device the only things here that are async.

use super::buffers::GpuBuffer;
use super::context::Gpu;
use super::counted::Counted;
use crate::error::Result;
use futures_intrusive::channel::shared::oneshot_channel;
use std::sync::Arc;

/// Memory for what is read.
pub(super) struct RoomToRead {
    words: Vec<u32>,
    staging: Option<Counted>,
}

impl Gpu {
    /// The words of a buffer, once all work submitted so far is done. Natively this waits inside, so that any executor will do.
    ///
    /// # Errors
    /// The device was lost, is out of memory, or refused something.
    pub async fn read(&self, buffer: Arc<GpuBuffer>) -> Result<Vec<u32>> {
        let room = self.room_to_read(buffer.words())?;
        self.read_into(room, buffer).await
    }

    /// Memory for reading so many words: what may be refused, before anything is done.
    pub(super) fn room_to_read(&self, words: usize) -> Result<RoomToRead> {
        let found = self.core.budget.room(|| "a value that is read".to_owned(), words)?;
        let staging = if words == 0 { None } else { Some(self.staging.take(&self.core, 4 * words as u64)?) };
        Ok(RoomToRead { words: found, staging })
    }

    /// As [`Gpu::read`], with memory taken before: for as many words as the buffer has.
    pub(super) async fn read_into(&self, room: RoomToRead, buffer: Arc<GpuBuffer>) -> Result<Vec<u32>> {
        self.core.check()?;
        self.owns(&buffer)?;
        let RoomToRead { mut words, staging } = room;
        let (Some(counted), true) = (staging, buffer.words() > 0) else { return Ok(words) };
        let bytes = 4 * buffer.words() as u64;
        let staging = &counted.buffer;
        let (sender, receiver) = oneshot_channel();
        let submission = self.core.recorded(|encoder| {
            encoder.copy_buffer_to_buffer(buffer.raw(), buffer.offset(), staging, 0, bytes);
            Ok(())
        })?;
        let mapping = self.core.scoped(|| {
            staging.map_async(wgpu::MapMode::Read, 0..bytes, move |result| {
                // The reader may have given up; then nobody wants to know.
                let _ = sender.send(result);
            });
        });
        mapping.map_err(|e| self.core.refusal(e, bytes))?;
        if cfg!(not(target_family = "wasm")) {
            self.core.wait(&submission)?;
        }
        let mapped = receiver.receive().await;
        self.core.check()?;
        match mapped {
            Some(Ok(())) => {}
            Some(Err(e)) => return Err(self.core.diagnose(format!("reading {bytes} bytes: {e}"))),
            None => return Err(self.core.diagnose(format!("reading {bytes} bytes: wgpu gave no answer"))),
        }
        {
            let view =
                staging.get_mapped_range(0..bytes).map_err(|e| self.core.diagnose(format!("reading {bytes} bytes: {e}")))?;
            let (pieces, _) = view.as_chunks::<4>();
            words.extend(pieces.iter().map(|&word| u32::from_ne_bytes(word)));
        }
        staging.unmap();
        self.staging.give_back(counted);
        Ok(words)
    }

    /// Ready once all work submitted so far is done. Natively this waits inside, as [`Gpu::read`] does.
    ///
    /// # Errors
    /// The device was lost.
    pub async fn finish(&self) -> Result<()> {
        self.core.check()?;
        let submission = self.core.submit()?;
        if cfg!(not(target_family = "wasm")) {
            return self.core.wait(&submission);
        }
        let (sender, receiver) = oneshot_channel();
        self.core.queue.on_submitted_work_done(move || drop(sender.send(())));
        receiver.receive().await;
        self.core.check()
    }
}
