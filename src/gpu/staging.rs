//! Staging buffers: what values are copied to so that the host can read them.

use super::core::Core;
use super::counted::Counted;
use crate::error::Result;
use crate::threads::lock;
use std::sync::Mutex;

/// Staging buffers up to this size are kept for the next read.
const KEPT_BYTES: u64 = 1 << 20;
/// How many are kept.
const KEPT: usize = 4;

/// Staging buffers that wait for the next read.
#[derive(Default)]
pub(super) struct Staging {
    free: Mutex<Vec<Counted>>,
}

impl Staging {
    pub(super) fn take(&self, core: &Core, bytes: u64) -> Result<Counted> {
        core.asks("reading a value")?;
        {
            let mut free = lock(&self.free);
            let smallest = free.iter().enumerate().filter(|(_, b)| b.buffer.size() >= bytes).min_by_key(|(_, b)| b.buffer.size());
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
        core.counted("reading a value", &descriptor)
    }

    pub(super) fn give_back(&self, buffer: Counted) {
        let mut free = lock(&self.free);
        if buffer.buffer.size() <= KEPT_BYTES && free.len() < KEPT {
            free.push(buffer);
        }
    }
}
