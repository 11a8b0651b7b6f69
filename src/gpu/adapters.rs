//! The adapters of this machine: what they say of themselves, and in which order they are preferred.

use super::quirks::{opengl, software_adapters, window_extensions};
pub use crate::gpu_info::AdapterInfo;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The adapters of this machine that can compute: hardware first (discrete, integrated, virtual, other), then software. Empty if there is no
/// driver.
pub async fn adapters() -> Vec<AdapterInfo> {
    let infos: Vec<_> = list(opengl::BACKENDS).await.iter().map(wgpu::Adapter::get_info).collect();
    order(&infos).into_iter().map(|i| describe(&infos[i])).collect()
}

/// What an adapter without a name is called: one in a browser.
const NAMELESS: &str = "webgpu";

/// What people are told of an adapter.
pub(super) fn describe(info: &wgpu::AdapterInfo) -> AdapterInfo {
    AdapterInfo {
        // A browser may keep it to itself.
        name: if info.name.is_empty() { NAMELESS.to_owned() } else { info.name.clone() },
        driver: [info.driver.as_str(), info.driver_info.as_str()].join(" ").trim().to_owned(),
        backend: info.backend.to_str().to_owned(),
        software: software_adapters::is(info),
    }
}

/// What could make kernels faster, and whether it is among these. None of it is needed.
pub(super) fn features(has: wgpu::Features) -> Vec<(&'static str, bool)> {
    [
        ("f16", wgpu::Features::SHADER_F16),
        ("subgroups", wgpu::Features::SUBGROUP),
        ("cooperative matrices", wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
        ("timestamps", wgpu::Features::TIMESTAMP_QUERY),
        ("pipeline cache", wgpu::Features::PIPELINE_CACHE),
    ]
    .map(|(name, feature)| (name, has.contains(feature)))
    .to_vec()
}

/// The adapters of some backends that can compute, in order.
pub(super) async fn list(backends: wgpu::Backends) -> Vec<wgpu::Adapter> {
    // A missing driver is an empty list, but a broken one may panic while it is probed, as EGL does.
    let Ok(listing) = catch_unwind(AssertUnwindSafe(|| window_extensions::adapters(backends))) else { return vec![] };
    let mut adapters = listing.await;
    adapters.retain(|a| a.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS));
    let infos: Vec<_> = adapters.iter().map(wgpu::Adapter::get_info).collect();
    order(&infos).into_iter().map(|i| adapters[i].clone()).collect()
}

/// The order in which adapters are listed, as indices.
fn order(infos: &[wgpu::AdapterInfo]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..infos.len()).collect();
    order.sort_by_key(|&i| rank(&infos[i], infos));
    order
}

/// Sort key of an adapter among all: GL twins last, then by kind, then GL after the rest. Equal ones keep the driver's order.
fn rank(info: &wgpu::AdapterInfo, all: &[wgpu::AdapterInfo]) -> (bool, u8, bool) {
    let gl = info.backend == wgpu::Backend::Gl;
    let same = |other: &wgpu::AdapterInfo| {
        let (a, b) = (info.name.to_lowercase(), other.name.to_lowercase());
        let named = !a.is_empty() && !b.is_empty() && (a.contains(&b) || b.contains(&a));
        named || (info.vendor != 0 && info.vendor == other.vendor)
    };
    let twin = gl && all.iter().any(|other| other.backend != wgpu::Backend::Gl && same(other));
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    };
    (twin, kind, gl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::{AdapterInfo as Info, Backend, DeviceType};

    fn info(name: &str, kind: DeviceType, backend: Backend) -> Info {
        Info { name: name.to_owned(), ..Info::new(kind, backend) }
    }

    #[test]
    fn adapters_are_ordered_by_kind_then_backend_with_twins_last() {
        let all = [
            info("llvmpipe (LLVM 15)", DeviceType::Cpu, Backend::Vulkan),
            info("NVIDIA H200/PCIe/SSE2", DeviceType::Other, Backend::Gl),
            info("Intel UHD", DeviceType::IntegratedGpu, Backend::Vulkan),
            info("Mali", DeviceType::IntegratedGpu, Backend::Gl),
            info("NVIDIA H200", DeviceType::DiscreteGpu, Backend::Vulkan),
        ];
        let names: Vec<_> = order(&all).into_iter().map(|i| all[i].name.as_str()).collect();
        assert_eq!(names, ["NVIDIA H200", "Intel UHD", "Mali", "llvmpipe (LLVM 15)", "NVIDIA H200/PCIe/SSE2"]);
    }
}
