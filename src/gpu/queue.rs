//! Commands on their way to the device: several runs share one command list while the device has enough to do, and few lists are under way at
//! a time. Which runs share a list changes when work starts, never what it computes.

use super::core::Core;
use super::counted::Counted;
use super::counters::add;
use super::pending::{OpenList, State};
use crate::error::Result;
use crate::platform::{self, Instant};
use crate::threads::lock;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

/// Lists that may be under way before the host waits for the oldest.
const IN_FLIGHT: usize = 3;
/// With this many lists under way the device has enough to do: what is recorded now may wait and share a list with what comes next.
const LISTS_THAT_KEEP_BUSY: u64 = 2;
/// Bytes of uploads that may wait for a submission.
const MAX_WAITING_UPLOADS: u64 = 64 << 20;
/// Words of small uploads that one list carries.
const SMALL_UPLOADS_WORDS: usize = 1 << 16;
/// Words of the largest upload that counts as small.
const SMALL_UPLOAD: usize = 1 << 13;

impl Core {
    /// Lists refused so far. Whoever relies on a list having run asks whether this changed.
    pub(super) fn failures(&self) -> u64 {
        self.pending.failures.load(Ordering::Relaxed)
    }

    fn opened<'s>(&self, state: &'s mut State) -> Result<&'s mut OpenList> {
        if state.open.is_none() {
            let descriptor = wgpu::CommandEncoderDescriptor::default();
            self.asks("a list of commands")?;
            let encoder = self.scoped(|| self.device.create_command_encoder(&descriptor)).map_err(|e| self.refusal(e, 0))?;
            state.open = Some(OpenList { encoder, dispatches: 0, words: vec![], uploads: vec![] });
        }
        // Just made, if it was not there.
        state.open.as_mut().ok_or_else(|| self.fault("no command list"))
    }

    /// Records commands after those that wait. They run when the list is submitted: by [`Core::settle`], or by whoever needs them done.
    pub(super) fn record(&self, dispatches: u64, record: impl FnOnce(&mut wgpu::CommandEncoder) -> Result<()>) -> Result<()> {
        let mut state = lock(&self.pending.state);
        let open = self.opened(&mut state)?;
        open.dispatches += dispatches;
        if self.liveness.is_none() {
            return record(&mut open.encoder);
        }
        // Whatever goes wrong here must not reach the application's handler of errors.
        self.scoped(|| record(&mut open.encoder)).map_err(|e| self.refusal(e, 0))?
    }

    /// Records commands and submits them with all that wait.
    pub(super) fn recorded(&self, record: impl FnOnce(&mut wgpu::CommandEncoder) -> Result<()>) -> Result<wgpu::SubmissionIndex> {
        self.record(0, record)?;
        self.submit()
    }

    /// Writes words after the commands recorded so far and before those that follow.
    pub(super) fn write(&self, buffer: &wgpu::Buffer, offset: u64, words: &[u32]) -> Result<()> {
        let bytes = 4 * words.len() as u64;
        if words.is_empty() {
            return Ok(());
        }
        let wrote = |result: std::result::Result<(), wgpu::Error>| result.map_err(|e| self.refusal(e, bytes));
        if words.len() > SMALL_UPLOAD {
            let upload = self.upload(words)?;
            let mut state = lock(&self.pending.state);
            let open = self.opened(&mut state)?;
            open.encoder.copy_buffer_to_buffer(&upload.buffer, 0, buffer, offset, bytes);
            open.uploads.push(upload);
            state.uploading += bytes;
            return if state.uploading > MAX_WAITING_UPLOADS { self.submit_open(state).map(|_| ()) } else { Ok(()) };
        }
        let mut state = lock(&self.pending.state);
        if state.open.is_none() {
            return wrote(self.scoped(|| self.queue.write_buffer(buffer, offset, bytemuck::cast_slice(words))));
        }
        // Asked again each time: while a full list is submitted, another thread may begin the next and fill it too.
        while state.open.as_ref().is_some_and(|open| open.words.len() + words.len() > SMALL_UPLOADS_WORDS) {
            self.submit_open(state)?;
            state = lock(&self.pending.state);
        }
        let small_uploads = self.small_uploads()?;
        let open = self.opened(&mut state)?;
        let at = 4 * open.words.len() as u64;
        open.words.extend_from_slice(words);
        open.encoder.copy_buffer_to_buffer(small_uploads, at, buffer, offset, bytes);
        Ok(())
    }

    /// A buffer with words to be copied. wgpu's own, which it makes to write into another, would be counted by nobody, and where there is no room
    /// for it the device is lost.
    fn upload(&self, words: &[u32]) -> Result<Counted> {
        let size = 4 * words.len() as u64;
        let usage = wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC;
        self.asks("an upload")?;
        let descriptor = wgpu::BufferDescriptor { label: Some("upload"), size, usage, mapped_at_creation: true };
        let upload = self.counted("an upload", &descriptor)?;
        {
            let view = upload.buffer.get_mapped_range_mut(0..size);
            let mut view = view.map_err(|e| self.diagnose(format!("writing {size} bytes: {e}")))?;
            view.copy_from_slice(bytemuck::cast_slice(words));
        }
        upload.buffer.unmap();
        Ok(upload)
    }

    fn small_uploads(&self) -> Result<&wgpu::Buffer> {
        if let Some(small_uploads) = self.pending.small_uploads.get() {
            return Ok(&small_uploads.buffer);
        }
        let size = 4 * SMALL_UPLOADS_WORDS as u64;
        let usage = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: Some("small uploads"), size, usage, mapped_at_creation: false };
        self.asks("small uploads")?;
        let made = self.counted("small uploads", &descriptor)?;
        Ok(&self.pending.small_uploads.get_or_init(|| made).buffer)
    }

    /// For tests: from now on the device seems to have enough to do.
    #[cfg(test)]
    pub(super) fn pretend_busy(&self) {
        lock(&self.pending.state).lists += LISTS_THAT_KEEP_BUSY;
    }

    /// Submits what waits, if the device has little else to do or enough is waiting.
    pub(super) fn settle(&self) -> Result<()> {
        self.tend()?;
        let state = lock(&self.pending.state);
        let Some(open) = &state.open else { return Ok(()) };
        let under_way = state.lists - self.pending.done.lists.load(Ordering::Relaxed);
        if under_way >= LISTS_THAT_KEEP_BUSY && open.dispatches < self.pending.done.most.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.submit_open(state).map(|_| ())
    }

    /// Submits what waits, if anything does.
    pub(super) fn flush(&self) -> Result<()> {
        self.check_process()?;
        let state = lock(&self.pending.state);
        if state.open.is_some() { self.submit_open(state).map(|_| ()) } else { Ok(()) }
    }

    /// Submits what waits, and the uploads even if nothing else does.
    pub(super) fn submit(&self) -> Result<wgpu::SubmissionIndex> {
        self.submit_open(lock(&self.pending.state))
    }

    /// Submits the open list, and waits for the oldest one if too many are under way.
    fn submit_open(&self, mut state: MutexGuard<'_, State>) -> Result<wgpu::SubmissionIndex> {
        let open = state.open.take();
        let dispatches = open.as_ref().map_or(0, |open| open.dispatches);
        state.uploading = 0;
        let mut uploads = vec![];
        let submitted = open
            .map(|mut open| {
                uploads = std::mem::take(&mut open.uploads);
                self.scoped(|| {
                    if let (false, Some(small_uploads)) = (open.words.is_empty(), self.pending.small_uploads.get()) {
                        self.queue.write_buffer(&small_uploads.buffer, 0, bytemuck::cast_slice(&open.words));
                    }
                    open.encoder.finish()
                })
            })
            .transpose()
            .and_then(|commands| self.scoped(|| self.queue.submit(commands)));
        let submission = match submitted {
            Ok(submission) => submission,
            Err(error) => {
                add(&self.pending.failures, 1);
                drop(state);
                return Err(self.refusal(error, 0));
            }
        };
        self.look_for_loss();
        add(&self.counters.submissions, 1);
        state.lists += 1;
        let (done, begun) = (Arc::clone(&self.pending.done), Instant::now());
        self.queue.on_submitted_work_done(move || {
            drop(uploads);
            done.list_done(begun, dispatches);
        });
        state.submitted.push_back(submission.clone());
        let oldest = if state.submitted.len() > IN_FLIGHT { state.submitted.pop_front() } else { None };
        drop(state);
        match oldest {
            // In a browser whoever has the device do much awaits `caught_up`.
            Some(oldest) if platform::may_wait() => self.wait(&oldest)?,
            _ => self.tend()?,
        }
        Ok(submission)
    }

    /// Ready once no more lists are under way than may be. Natively at once: whoever submits waits.
    pub(super) async fn caught_up(&self) -> Result<()> {
        while !platform::may_wait() && self.under_way() > IN_FLIGHT as u64 {
            self.check()?;
            self.pending.done.next_list().await;
        }
        self.check()
    }

    fn under_way(&self) -> u64 {
        lock(&self.pending.state).lists - self.pending.done.lists.load(Ordering::Relaxed)
    }
}
