//! Reading values back, and waiting for work to be done: besides opening a device the only things here that are async.

use super::buffers::GpuBuffer;
use super::context::Gpu;
use super::core::Core;
use super::counted::Counted;
use super::staging::Staging;
use crate::error::Result;
use crate::executor::Reading;
use crate::oneshot::{self, Receiver};
use crate::platform::{self, waited};
use std::sync::Arc;

/// Memory for what is read.
pub(super) struct RoomToRead {
    words: Vec<u32>,
    staging: Option<Counted>,
}

/// A value on its way to the host.
struct Transfer {
    core: Arc<Core>,
    staging: Arc<Staging>,
    room: Vec<u32>,
    copy: Counted,
    bytes: u64,
    submission: wgpu::SubmissionIndex,
    mapped: Receiver<Result<(), wgpu::BufferAsyncError>>,
}

impl Transfer {
    /// Waits until the device has done its part. Natively only: in a browser the page's own loop sees to it.
    fn wait(&self) -> Result<()> {
        if platform::may_wait() { self.core.wait(&self.submission) } else { Ok(()) }
    }

    /// The words, once they are there.
    async fn words(self) -> Result<Vec<u32>> {
        let Transfer { core, staging, room: mut words, copy, bytes, mapped, .. } = self;
        let answered = core.answered();
        let mapped = mapped.await;
        answered.await;
        core.check()?;
        match mapped {
            Some(Ok(())) => {}
            Some(Err(e)) => return Err(core.diagnosed(format!("reading {bytes} bytes: {e}")).await),
            None => return Err(core.diagnosed(format!("reading {bytes} bytes: wgpu gave no answer")).await),
        }
        {
            let view = copy.buffer.get_mapped_range(0..bytes);
            let view = view.map_err(|e| core.diagnose(format!("reading {bytes} bytes: {e}")))?;
            let (pieces, _) = view.as_chunks::<4>();
            words.extend(pieces.iter().map(|&word| u32::from_ne_bytes(word)));
        }
        copy.buffer.unmap();
        staging.give_back(copy);
        Ok(words)
    }
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
        match self.transfer(room, &buffer)? {
            Ok(transfer) => {
                transfer.wait()?;
                transfer.words().await
            }
            Err(nothing) => Ok(nothing),
        }
    }

    /// Begins to read a buffer as all work recorded so far leaves it. What this returns waits for the device on a thread that is there for that.
    pub(super) fn reading(&self, buffer: &GpuBuffer) -> Result<Reading> {
        let room = self.room_to_read(buffer.words())?;
        let (waiting, device) = (Arc::clone(&self.waiting), self.name().to_owned());
        Ok(match self.transfer(room, buffer)? {
            Err(nothing) => Box::new(|taker| taker(Ok(nothing))),
            Ok(transfer) => Box::new(move |taker| {
                waiting.add(Box::new(move || taker(transfer.wait().and_then(|()| waited(&device, transfer.words())))));
            }),
        })
    }

    /// Submits a copy of a buffer to memory that the host can read, with all work recorded so far, and has it mapped. Of nothing there are no words.
    fn transfer(&self, room: RoomToRead, buffer: &GpuBuffer) -> Result<Result<Transfer, Vec<u32>>> {
        self.core.check()?;
        self.owns(buffer)?;
        let RoomToRead { words: room, staging } = room;
        let (Some(copy), true) = (staging, buffer.words() > 0) else { return Ok(Err(room)) };
        let bytes = 4 * buffer.words() as u64;
        let (sender, mapped) = oneshot::channel();
        if buffer.is_outside() {
            // If it is refused, nothing else is.
            self.core.flush()?;
        }
        let submission = self.core.recorded(|encoder| {
            encoder.copy_buffer_to_buffer(buffer.raw(), buffer.offset(), &copy.buffer, 0, bytes);
            Ok(())
        });
        let submission = submission.map_err(|error| self.blame(&[buffer], error))?;
        let mapping = self.core.scoped(|| {
            copy.buffer.map_async(wgpu::MapMode::Read, 0..bytes, move |result| sender.send(result));
        });
        mapping.map_err(|e| self.core.refusal(e, bytes))?;
        let (core, staging) = (Arc::clone(&self.core), Arc::clone(&self.staging));
        Ok(Ok(Transfer { core, staging, room, copy, bytes, submission, mapped }))
    }

    /// Ready once all work submitted so far is done. Natively this waits inside, as [`Gpu::read`] does.
    ///
    /// # Errors
    /// The device was lost.
    pub async fn finish(&self) -> Result<()> {
        self.core.check()?;
        let submission = self.core.submit()?;
        if platform::may_wait() {
            return self.core.wait(&submission);
        }
        let answered = self.core.answered();
        let (sender, done) = oneshot::channel();
        self.core.queue.on_submitted_work_done(move || sender.send(()));
        done.await;
        answered.await;
        self.core.check()
    }
}
