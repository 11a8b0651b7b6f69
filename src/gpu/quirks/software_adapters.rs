//! Adapters that compute on the processor: barriers and workgroup memory cost, and so does starting a dispatch.
//!
//! Which: llvmpipe, SwiftShader and WARP, of any version; told by the kind of device that the adapter names.
//! What follows: kernels have variants for them, without barriers ([`Target::Software`]); more work counts as small where dispatches are merged;
//! and such an adapter is opened only when it is asked for by name.

use crate::plan::{Dispatch, Target};

/// Whether an adapter is one of them.
pub(in crate::gpu) fn is(info: &wgpu::AdapterInfo) -> bool {
    info.device_type == wgpu::DeviceType::Cpu
}

/// Whether a variant is made for this kind of device.
pub(in crate::gpu) fn suits(target: Target, software: bool) -> bool {
    match target {
        Target::Any => true,
        Target::Hardware | Target::Cooperative { .. } => !software,
        Target::Software => software,
    }
}

/// What counts as small where dispatches are merged, and how many invocations do it.
pub(in crate::gpu) struct MergeLimits {
    /// Operations, or numbers made where nobody counts operations.
    work: u64,
    /// Words read and written.
    words: u64,
    /// Operations for each number made: one invocation does them in turn.
    depth: u64,
    /// Invocations of a merged dispatch.
    pub(in crate::gpu) invocations: u32,
}

/// A software adapter wakes threads for each dispatch, some 50 µs; one core does this much in that time. Its invocations are the lanes of one
/// vector, so that barriers cost nothing.
const SOFTWARE: MergeLimits = MergeLimits { work: 1 << 18, words: 1 << 16, depth: 1 << 13, invocations: 8 };
/// A GPU takes a few microseconds from one dependent dispatch to the next; one of its cores does this much in that time.
const HARDWARE: MergeLimits = MergeLimits { work: 1 << 15, words: 1 << 13, depth: 1 << 8, invocations: 256 };

impl MergeLimits {
    /// Of a kind of device.
    pub(in crate::gpu) fn of(software: bool) -> MergeLimits {
        if software { SOFTWARE } else { HARDWARE }
    }

    /// Whether a dispatch is small.
    pub(in crate::gpu) fn hold(&self, dispatch: &Dispatch) -> bool {
        let written = dispatch.writes.iter().map(|place| place.words as u64).sum::<u64>();
        let work = dispatch.flops.max(written);
        work <= self.work && dispatch.bytes() / 4 <= self.words && work / written.max(1) <= self.depth
    }
}
