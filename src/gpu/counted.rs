//! Buffers beside those of the pool (staging, uploads, uniforms), which count as long as they are held.

use crate::executor::Budget;
use std::sync::Arc;

/// A buffer whose bytes were counted when it was made.
pub(super) struct Counted {
    pub(super) buffer: wgpu::Buffer,
    budget: Arc<Budget>,
}

impl Counted {
    pub(super) fn new(buffer: wgpu::Buffer, budget: &Arc<Budget>) -> Counted {
        Counted { buffer, budget: Arc::clone(budget) }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.budget.give_back(self.buffer.size());
    }
}
