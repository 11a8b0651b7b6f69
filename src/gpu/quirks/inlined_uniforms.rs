//! llvmpipe compiles what uniforms hold into the code of a kernel.
//!
//! Which: llvmpipe of Mesa 22.3 compiles anew for each dispatch whose code grew by it, later ones for each new number; told by the adapter's name.
//! That takes milliseconds, where the dispatch takes microseconds.
//! What follows: its shaders read uniforms by an index that no compiler knows ([`opaque_uniforms`]): the workgroup's place along z, so that only
//! kernels of one workgroup along z may run.
//!
//! [`opaque_uniforms`]: crate::wgsl::opaque::opaque_uniforms

use super::is_llvmpipe;

/// Whether an adapter's driver does this.
pub(in crate::gpu) fn has(info: &wgpu::AdapterInfo) -> bool {
    is_llvmpipe(info)
}
