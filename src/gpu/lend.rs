//! Buffers in and out without copies: values in buffers of the application's, and buffers of this library's that the application reads.

use super::buffers::GpuBuffer;
use super::context::Gpu;
use crate::error::{BufferFault, Error, Result};
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Bytes that a buffer must have from a value's start on: a kernel that reads four numbers at a time binds as many at least.
const LEAST: u64 = 16;

/// Where a tensor's value is: a buffer, and the place in it. As long as this is held, nothing else is stored there.
///
/// Elements are 32-bit, row-major, without gaps (f16: two to a word; bool: one word, 0 or 1). The buffer has the usages `STORAGE`, `COPY_SRC` and
/// `COPY_DST`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TensorBuffer {
    /// The buffer; there may be other values in it.
    pub buffer: wgpu::Buffer,
    /// Where the value starts, in bytes: a multiple of what an offset of a binding must be.
    pub offset: u64,
    /// The value's length in bytes.
    pub size: u64,
    /// Keeps the memory from being used again.
    _held: Arc<GpuBuffer>,
}

impl TensorBuffer {
    /// The value as what a bind group is made with.
    pub fn as_binding(&self) -> wgpu::BindingResource<'_> {
        let size = NonZeroU64::new(self.size);
        wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: &self.buffer, offset: self.offset, size })
    }
}

impl Gpu {
    /// A value of so many words in a buffer of the application's.
    ///
    /// # Errors
    /// [`Error::Buffer`], [`Error::TooLarge`], or a lost device.
    pub fn import(&self, buffer: &wgpu::Buffer, offset: u64, words: usize) -> Result<Arc<GpuBuffer>> {
        self.core.check()?;
        let missing = wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_SRC).difference(buffer.usage());
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter_names().map(|(name, _)| name).collect();
            return Err(self.refused(BufferFault::Usage { missing: names.join(" and ") }));
        }
        let alignment = self.core.storage_alignment;
        if !offset.is_multiple_of(alignment) {
            return Err(self.refused(BufferFault::Alignment { offset, alignment }));
        }
        let bytes = 4 * words as u64;
        let (needed, found) = (bytes.max(LEAST), buffer.size().saturating_sub(offset));
        if found < needed {
            return Err(self.refused(BufferFault::TooSmall { offset, needed, found }));
        }
        if bytes > self.core.limits.binding_bytes {
            return Err(Error::TooLarge { device: self.core.name.clone(), bytes, limit: self.core.limits.binding_bytes });
        }
        let value = GpuBuffer::in_outside(&self.pool, buffer, offset, words);
        match self.fault_of(&value)? {
            Some(fault) => Err(self.refused(fault)),
            None => Ok(value),
        }
    }

    /// Where a value is, for the application. What computes it was submitted.
    ///
    /// # Errors
    /// The buffer is another device's, a call was refused, or the device lost.
    pub fn export(&self, value: Arc<GpuBuffer>) -> Result<TensorBuffer> {
        self.owns(&value)?;
        self.core.flush()?;
        self.core.check()?;
        let (offset, size) = (value.offset(), 4 * value.words() as u64);
        Ok(TensorBuffer { buffer: value.raw().clone(), offset, size, _held: value })
    }

    /// An error that the use of some values led to, as that of the first of the application's buffers that cannot be used.
    pub(super) fn blame(&self, values: &[&GpuBuffer], error: Error) -> Error {
        if matches!(error, Error::DeviceLost { .. } | Error::OutOfMemory { .. }) {
            return error;
        }
        let mut faults = values.iter().filter(|value| value.is_outside()).filter_map(|value| self.fault_of(value).ok()?);
        faults.next().map_or(error, |fault| self.refused(fault))
    }

    fn refused(&self, fault: BufferFault) -> Error {
        Error::Buffer { device: self.core.name.clone(), fault }
    }

    /// What is wrong with a buffer of the application's, found by a copy out of it; `None` if nothing is.
    fn fault_of(&self, value: &GpuBuffer) -> Result<Option<BufferFault>> {
        let (buffer, end) = (value.raw(), value.raw().size());
        let scratch = self.staging.take(&self.core, LEAST)?;
        let copy = |from: u64| {
            let device = &self.core.device;
            // A handle of another instance of wgpu means something else here, or nothing: then wgpu panics.
            let tried = catch_unwind(AssertUnwindSafe(|| {
                self.core.scoped(|| {
                    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
                    encoder.copy_buffer_to_buffer(buffer, from, &scratch.buffer, 0, 4);
                    encoder.finish()
                })
            }));
            match tried {
                Ok(Ok(commands)) => self.core.scoped(|| _ = self.core.queue.submit([commands])).map_err(Some),
                Ok(Err(error)) => Err(Some(error)),
                Err(_) => Err(None),
            }
        };
        let fault = match copy(end / 4 * 4 - 4) {
            // What has another length is another buffer.
            Ok(()) => {
                if copy(end / 4 * 4).is_ok() {
                    Some(BufferFault::OtherDevice)
                } else {
                    None
                }
            }
            Err(None) => Some(BufferFault::OtherDevice),
            Err(Some(error)) => Some(fault(&error).ok_or_else(|| self.core.refusal(error, 0))?),
        };
        self.core.look_for_loss();
        self.core.check()?;
        self.staging.give_back(scratch);
        Ok(fault)
    }
}

/// The fault that wgpu reports of a copy; `None` if it is none of the buffer's. What the buffer says of itself allows the copy: if that is refused and the
/// buffer is neither mapped nor destroyed, the device has another buffer under this handle, or none.
fn fault(error: &wgpu::Error) -> Option<BufferFault> {
    let wgpu::Error::Validation { description, .. } = error else { return None };
    if description.contains("is still mapped") {
        Some(BufferFault::Mapped)
    } else if description.contains("has been destroyed") {
        Some(BufferFault::Destroyed)
    } else {
        Some(BufferFault::OtherDevice)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::{chain, fetch_floats, floats, gpu};
    use super::*;

    const USAGE: wgpu::BufferUsages =
        wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_SRC).union(wgpu::BufferUsages::COPY_DST);

    /// A device that has enough to do, so that what is run waits for more, and eight numbers in a buffer of the application's.
    fn busy(number: f32) -> Option<(Gpu, wgpu::Buffer)> {
        let gpu = gpu()?;
        let buffer = made(&gpu, USAGE);
        write(&gpu, &buffer, number);
        gpu.core.flush().unwrap();
        gpu.core.pretend_busy();
        Some((gpu, buffer))
    }

    fn made(gpu: &Gpu, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        gpu.core.device.create_buffer(&wgpu::BufferDescriptor { label: None, size: 32, usage, mapped_at_creation: false })
    }

    fn write(gpu: &Gpu, buffer: &wgpu::Buffer, number: f32) {
        let bytes: Vec<u8> = [number; 8].iter().flat_map(|x| x.to_ne_bytes()).collect();
        gpu.core.queue.write_buffer(buffer, 0, &bytes);
    }

    /// What the application finds in a buffer by commands of its own.
    fn found(gpu: &Gpu, place: &TensorBuffer) -> Vec<f32> {
        let staging = made(gpu, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        let mut encoder = gpu.core.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(&place.buffer, place.offset, &staging, 0, place.size);
        gpu.core.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |mapped| mapped.unwrap());
        gpu.core.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        let view = staging.get_mapped_range(..).unwrap();
        view.as_chunks::<4>().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect()
    }

    #[test]
    fn a_run_reads_what_was_there_when_it_was_run() {
        let Some((gpu, buffer)) = busy(2.0) else { return };
        let (x, y) = (gpu.import(&buffer, 0, 8).unwrap(), gpu.upload(&floats(&[1.0; 8])).unwrap());
        let prepared = gpu.prepare(chain(8)).unwrap();
        let out = gpu.run(&prepared, &[x, y], &[], &floats(&[3.0, 5.0])).unwrap();
        write(&gpu, &buffer, -1.0);
        assert_eq!(fetch_floats(&gpu, &out[0]), [36.0; 8]);
    }

    #[test]
    fn the_application_finds_what_was_run_before_it_asked() {
        let Some((gpu, _)) = busy(2.0) else { return };
        let [x, y] = [2.0, 1.0].map(|number| gpu.upload(&floats(&[number; 8])).unwrap());
        let prepared = gpu.prepare(chain(8)).unwrap();
        let out = gpu.run(&prepared, &[x, y], &[], &floats(&[3.0, 5.0])).unwrap();
        let place = gpu.export(Arc::clone(&out[0])).unwrap();
        assert_eq!(found(&gpu, &place), [36.0; 8]);
    }

    /// Neither a run nor a read that is refused takes the work with it that waits in a list.
    #[test]
    fn what_waits_is_done_when_a_buffer_turns_out_to_be_gone() {
        for by_a_run in [true, false] {
            let Some((gpu, buffer)) = busy(2.0) else { return };
            let gone = gpu.import(&buffer, 0, 8).unwrap();
            let [x, y] = [2.0, 1.0].map(|number| gpu.upload(&floats(&[number; 8])).unwrap());
            let prepared = gpu.prepare(chain(8)).unwrap();
            let scalars = floats(&[3.0, 5.0]);
            gpu.core.flush().unwrap();
            let waiting = gpu.run(&prepared, &[x, Arc::clone(&y)], &[], &scalars).unwrap();
            buffer.destroy();
            let refused = match by_a_run {
                true => gpu.run(&prepared, &[gone, y], &[], &scalars).map(|_| ()),
                false => pollster::block_on(gpu.read(gone)).map(|_| ()),
            };
            assert!(matches!(refused, Err(Error::Buffer { fault: BufferFault::Destroyed, .. })), "{refused:?}");
            assert_eq!(fetch_floats(&gpu, &waiting[0]), [36.0; 8]);
        }
    }
}
