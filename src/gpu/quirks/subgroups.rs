//! On some adapters the size of a subgroup is the driver's choice, kernel by kernel.
//!
//! Which: Intel's drivers (8 to 32) and AMD's (32 or 64), among others; told by the smallest and largest size that the adapter names.
//! What follows: kernels that hand numbers around in a subgroup run only where all are of one size, that of their workgroup; elsewhere the
//! feature is not asked for.

/// The feature, where it is of use.
pub(in crate::gpu) fn wanted(info: &wgpu::AdapterInfo) -> wgpu::Features {
    if info.subgroup_min_size == info.subgroup_max_size { wgpu::Features::SUBGROUP } else { wgpu::Features::empty() }
}

/// Invocations of a subgroup of a device with these features; 0 if kernels may not count on it. An application may have asked for the feature where
/// it is of no use here.
pub(in crate::gpu) fn size(info: &wgpu::AdapterInfo, features: wgpu::Features) -> u32 {
    let of_one_size = features.contains(wgpu::Features::SUBGROUP) && info.subgroup_min_size == info.subgroup_max_size;
    if of_one_size { info.subgroup_max_size } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subgroups_of_several_sizes_are_not_counted_on_whoever_asked_for_them() {
        let info = |least, most| wgpu::AdapterInfo {
            subgroup_min_size: least,
            subgroup_max_size: most,
            ..wgpu::AdapterInfo::new(wgpu::DeviceType::IntegratedGpu, wgpu::Backend::Vulkan)
        };
        let (granted, none) = (wgpu::Features::SUBGROUP, wgpu::Features::empty());
        assert_eq!((size(&info(32, 32), granted), size(&info(32, 32), none)), (32, 0));
        assert_eq!((size(&info(8, 32), granted), wanted(&info(8, 32))), (0, none));
    }
}
