//! The drivers of this machine: loading them, and the adapters they list. No part of a window system is asked for: nothing is ever shown.

use crate::platform;
use crate::threads::Process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often drivers were loaded in this process.
static LOADED: AtomicU64 = AtomicU64::new(0);

/// How often this process has loaded the drivers of GPUs. The device of the processor never does.
pub fn drivers_loaded() -> u64 {
    LOADED.load(Ordering::Relaxed)
}

/// Where they were loaded first.
static HOME: OnceLock<Process> = OnceLock::new();

/// Whether drivers were loaded in a process that this one was forked from: their threads are only there, and what they have set up here is not to be
/// relied on.
pub(in crate::gpu) fn loaded_elsewhere() -> bool {
    HOME.get().is_some_and(Process::was_forked)
}

/// How much of the memory that the driver allows this process may be in use after a buffer is made, in percent. Beyond it wgpu refuses the buffer before the
/// driver is asked: some drivers lose the device when memory is short. Drivers that do not tell what they allow are asked.
const MOST_OF_THE_BUDGET: wgpu::MemoryBudgetThresholds =
    wgpu::MemoryBudgetThresholds { for_resource_creation: Some(95), for_device_loss: None };

/// Every adapter of these backends, in the drivers' order; none in a process where drivers cannot be used.
pub(in crate::gpu) async fn adapters(backends: wgpu::Backends) -> Vec<wgpu::Adapter> {
    adapters_within(backends, MOST_OF_THE_BUDGET).await
}

async fn adapters_within(backends: wgpu::Backends, memory: wgpu::MemoryBudgetThresholds) -> Vec<wgpu::Adapter> {
    HOME.get_or_init(Process::this);
    if loaded_elsewhere() {
        return vec![];
    }
    // Where there is no WebGPU, such as in Node, wgpu would panic.
    if platform::IN_BROWSER && !wgpu::util::is_browser_webgpu_supported().await {
        return vec![];
    }
    LOADED.fetch_add(1, Ordering::Relaxed);
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    // No debug and validation layers unless WGPU_DEBUG or WGPU_VALIDATION ask for them.
    descriptor.flags = wgpu::InstanceFlags::empty();
    descriptor.memory_budget_thresholds = memory;
    let mut descriptor = descriptor.with_env();
    descriptor.backends &= backends;
    let mut adapters = without_windows(&mut descriptor);
    let instance = wgpu::Instance::new(descriptor);
    if platform::IN_BROWSER {
        // Listed, there would be the one that a browser prefers, which saves power where there are two.
        let power_preference = wgpu::PowerPreference::HighPerformance;
        let best = wgpu::RequestAdapterOptions { power_preference, ..Default::default() };
        adapters.extend(instance.request_adapter(&best).await);
        return adapters;
    }
    adapters.extend(instance.enumerate_adapters(backends).await);
    adapters
}

/// Adapters of Vulkan without the extensions for windows, where it has them, and Vulkan struck off the descriptor.
///
/// wgpu asks for all of them, and has no switch for it. Given that of Wayland, Mesa looks for a display at each listing, and where there is none
/// it says so on the program's stderr; an X server would be connected to.
#[cfg(all(unix, not(target_vendor = "apple"), not(target_os = "android")))]
fn without_windows(descriptor: &mut wgpu::InstanceDescriptor) -> Vec<wgpu::Adapter> {
    use wgpu::hal::{self, Instance as _, vulkan};
    const WINDOWS: [&[u8]; 3] = [b"VK_KHR_wayland_surface", b"VK_KHR_xcb_surface", b"VK_KHR_xlib_surface"];
    if !descriptor.backends.contains(wgpu::Backends::VULKAN) {
        return vec![];
    }
    descriptor.backends -= wgpu::Backends::VULKAN;
    let asked = hal::InstanceDescriptor {
        name: "steepest",
        flags: descriptor.flags,
        memory_budget_thresholds: descriptor.memory_budget_thresholds,
        backend_options: descriptor.backend_options.clone(),
        telemetry: None,
        display: None,
    };
    let strike = Box::new(|args: vulkan::CreateInstanceCallbackArgs<'_, '_, '_>| {
        args.extensions.retain(|name| !WINDOWS.contains(&name.to_bytes()));
    });
    // It holds the flags for devices; adapters hold what they need of Vulkan's own instance, and keep it alive.
    let holder = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::empty(),
        flags: descriptor.flags,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    // SAFETY: the callback must add nothing that the driver has not, and take away nothing that wgpu counts on. It adds nothing, and takes away
    // the extensions that make surfaces for windows, which wgpu looks up in the list before it makes one, and which nothing here asks for.
    #[allow(unsafe_code)]
    let Ok(instance) = (unsafe { vulkan::Instance::init_with_callback(&asked, Some(strike)) }) else { return vec![] };
    // SAFETY: listing asks for no more than a whole instance; an adapter must come from an instance that outlives it, and one of Vulkan
    // shares the ownership of its own. `holder` has no instance of Vulkan that they could be confused with.
    #[allow(unsafe_code)]
    unsafe {
        let listed = instance.enumerate_adapters(None).into_iter();
        listed.map(|adapter| holder.create_adapter_from_hal::<hal::api::Vulkan>(adapter)).collect()
    }
}

/// Elsewhere no driver looks for a display before it is to draw.
#[cfg(not(all(unix, not(target_vendor = "apple"), not(target_os = "android"))))]
fn without_windows(_: &mut wgpu::InstanceDescriptor) -> Vec<wgpu::Adapter> {
    vec![]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Whether each driver that tells of its budget is refused a buffer under these thresholds.
    fn refused(memory: wgpu::MemoryBudgetThresholds) -> Vec<(String, bool)> {
        let of = |adapter: wgpu::Adapter| {
            let descriptor = wgpu::DeviceDescriptor::default();
            let (device, _) = pollster::block_on(adapter.request_device(&descriptor)).ok()?;
            let scope = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
            let descriptor = wgpu::BufferDescriptor {
                label: None,
                size: 1 << 20,
                usage: wgpu::BufferUsages::STORAGE,
                mapped_at_creation: false,
            };
            let _buffer = device.create_buffer(&descriptor);
            Some((adapter.get_info().name, pollster::block_on(scope.pop()).is_some()))
        };
        pollster::block_on(adapters_within(wgpu::Backends::VULKAN, memory)).into_iter().filter_map(of).collect()
    }

    #[test]
    fn the_budget_leaves_room_for_a_small_buffer_and_a_used_up_one_does_not() {
        let none = wgpu::MemoryBudgetThresholds { for_resource_creation: Some(0), for_device_loss: None };
        let (found, within) = (refused(none), refused(MOST_OF_THE_BUDGET));
        assert!(within.iter().all(|(_, refused)| !refused), "{within:?}");
        for (name, _) in found.into_iter().filter(|(_, refused)| !refused) {
            println!("SKIPPED (this driver does not tell its budget): {name}");
        }
    }
}
