//! What single drivers do otherwise than others, one file each: which drivers and versions, how they are told, and what follows from it.
//!
//! These files know adapters and nothing of this room. `ARCHITECTURE.md` has them in a table, with the test of each.

pub(super) mod cooperative;
pub(super) mod descriptor_heaps;
pub(super) mod inlined_uniforms;
pub(super) mod llvmpipe_loops;
pub(super) mod opengl;
pub(super) mod software_adapters;
pub(super) mod subgroups;
pub(super) mod window_extensions;
pub(super) mod workgroup_zeroing;

/// Whether an adapter is llvmpipe, Mesa's software adapter.
fn is_llvmpipe(info: &wgpu::AdapterInfo) -> bool {
    [&info.name, &info.driver, &info.driver_info].iter().any(|told| told.contains("llvmpipe"))
}
