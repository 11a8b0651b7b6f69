//! On some adapters the size of a subgroup is the driver's choice, kernel by kernel.
//!
//! Which: Intel's drivers (8 to 32) and AMD's (32 or 64), among others; told by the smallest and largest size that the adapter names.
//! What follows: kernels that hand numbers around in a subgroup run only where all are of one size, that of their workgroup; elsewhere the
//! feature is not asked for.

/// The feature, where it is of use.
pub(in crate::gpu) fn wanted(info: &wgpu::AdapterInfo) -> wgpu::Features {
    if info.subgroup_min_size == info.subgroup_max_size { wgpu::Features::SUBGROUP } else { wgpu::Features::empty() }
}

/// Invocations of a subgroup of a device with these features; 0 if kernels may not count on it.
pub(in crate::gpu) fn size(info: &wgpu::AdapterInfo, features: wgpu::Features) -> u32 {
    if features.contains(wgpu::Features::SUBGROUP) { info.subgroup_max_size } else { 0 }
}
