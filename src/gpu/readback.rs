//! Reading values back: besides opening a device the only thing here that is async.

use super::core::{Core, lock};
use super::{Gpu, GpuBuffer};
use crate::error::Result;
use futures_intrusive::channel::shared::oneshot_channel;
use std::sync::{Arc, Mutex};

/// Staging buffers up to this size are kept for the next read.
const KEPT_BYTES: u64 = 1 << 20;
/// How many are kept.
const KEPT: usize = 4;

/// Staging buffers that wait for the next read.
#[derive(Default)]
pub(super) struct Staging {
    free: Mutex<Vec<wgpu::Buffer>>,
}

impl Staging {
    fn take(&self, core: &Core, bytes: u64) -> Result<wgpu::Buffer> {
        {
            let mut free = lock(&self.free);
            let smallest = free.iter().enumerate().filter(|(_, b)| b.size() >= bytes).min_by_key(|(_, b)| b.size());
            if let Some(index) = smallest.map(|(index, _)| index) {
                return Ok(free.swap_remove(index));
            }
        }
        let size = if bytes <= KEPT_BYTES { bytes.next_power_of_two().max(256) } else { bytes };
        let descriptor = wgpu::BufferDescriptor {
            label: Some("staging"),
            size,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        };
        core.scoped(|| core.device.create_buffer(&descriptor)).map_err(|e| core.refusal(e, size))
    }

    fn give_back(&self, buffer: wgpu::Buffer) {
        let mut free = lock(&self.free);
        if buffer.size() <= KEPT_BYTES && free.len() < KEPT {
            free.push(buffer);
        }
    }
}

impl Gpu {
    /// The words of a buffer, once all work submitted so far is done. Natively this waits inside, so that any executor will do.
    ///
    /// # Errors
    /// The device was lost, is out of memory, or refused something.
    pub async fn fetch(&self, buffer: Arc<GpuBuffer>) -> Result<Vec<u32>> {
        self.core.check()?;
        self.owns(&buffer)?;
        if buffer.words() == 0 {
            return Ok(vec![]);
        }
        let bytes = 4 * buffer.words() as u64;
        let staging = self.staging.take(&self.core, bytes)?;
        let (sender, receiver) = oneshot_channel();
        let submission = self.core.recorded(|encoder| {
            encoder.copy_buffer_to_buffer(buffer.raw(), buffer.offset(), &staging, 0, bytes);
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
        let words = {
            let view =
                staging.get_mapped_range(0..bytes).map_err(|e| self.core.diagnose(format!("reading {bytes} bytes: {e}")))?;
            bytemuck::pod_collect_to_vec(&view[..])
        };
        staging.unmap();
        self.staging.give_back(staging);
        Ok(words)
    }
}
