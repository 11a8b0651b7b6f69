//! Whether a device that the application opened is still there. wgpu tells by a callback, of which a device has one: the application's.

use crate::threads::lock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A buffer for finding out: mapping one is refused at once if its device is lost.
pub(super) struct Liveness {
    buffer: Mutex<wgpu::Buffer>,
}

/// Bytes of the buffer.
const BYTES: u64 = 16;

impl Liveness {
    /// For a device; errors go to the scope around the call.
    pub(super) fn new(device: &wgpu::Device) -> Liveness {
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("liveness"),
            size: BYTES,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Liveness { buffer: Mutex::new(buffer) }
    }

    /// Whether the device is lost. Waits for nothing.
    pub(super) fn is_lost(&self) -> bool {
        let buffer = lock(&self.buffer);
        let refused = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&refused);
        buffer.map_async(wgpu::MapMode::Read, 0..BYTES, move |result| flag.store(result.is_err(), Ordering::Relaxed));
        // Unmapping ends a mapping that has not come about yet: that is reported as an error too.
        let lost = refused.load(Ordering::Relaxed);
        buffer.unmap();
        lost
    }
}
