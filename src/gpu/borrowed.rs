//! A device that the application opened: what it must have been granted, and what is better with more. Its callbacks, its error scopes and its
//! submissions are the application's and stay so.

use super::adapters::describe;
use super::context::Gpu;
use super::core::{Core, Health};
use super::liveness::Liveness;
use super::open;
use super::quirks::{cooperative, opengl};
use crate::error::{Error, Result, Unfit};
use crate::platform;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long is waited to learn whose queue it is.
const PATIENCE: Duration = Duration::from_millis(500);

/// What the smallest variant of every kernel needs: the limits that every browser grants, as far as kernels have to do with them.
const NEEDED: wgpu::Limits = {
    let browser = wgpu::Limits::defaults();
    wgpu::Limits {
        max_storage_buffers_per_shader_stage: browser.max_storage_buffers_per_shader_stage,
        max_uniform_buffers_per_shader_stage: 2,
        max_bindings_per_bind_group: browser.max_bindings_per_bind_group,
        max_bind_groups: 1,
        max_uniform_buffer_binding_size: 16 << 10,
        max_storage_buffer_binding_size: browser.max_storage_buffer_binding_size,
        max_buffer_size: browser.max_storage_buffer_binding_size,
        max_compute_workgroup_storage_size: browser.max_compute_workgroup_storage_size,
        max_compute_invocations_per_workgroup: browser.max_compute_invocations_per_workgroup,
        max_compute_workgroup_size_x: browser.max_compute_workgroup_size_x,
        max_compute_workgroup_size_y: browser.max_compute_workgroup_size_y,
        max_compute_workgroup_size_z: browser.max_compute_workgroup_size_z,
        max_compute_workgroups_per_dimension: browser.max_compute_workgroups_per_dimension,
        ..wgpu::Limits::downlevel_webgl2_defaults()
    }
};

/// The first limit that is below what is needed, or an alignment that is above what is allowed.
fn lacking(found: &wgpu::Limits) -> Option<Unfit> {
    macro_rules! pairs {
        ($($limit:ident),*) => { [$((stringify!($limit), u64::from(found.$limit), u64::from(NEEDED.$limit))),*] };
    }
    let least = pairs![
        max_storage_buffers_per_shader_stage,
        max_uniform_buffers_per_shader_stage,
        max_bindings_per_bind_group,
        max_bind_groups,
        max_uniform_buffer_binding_size,
        max_storage_buffer_binding_size,
        max_buffer_size,
        max_compute_workgroup_storage_size,
        max_compute_invocations_per_workgroup,
        max_compute_workgroup_size_x,
        max_compute_workgroup_size_y,
        max_compute_workgroup_size_z,
        max_compute_workgroups_per_dimension
    ];
    let most = pairs![min_storage_buffer_offset_alignment, min_uniform_buffer_offset_alignment];
    let low = least.into_iter().find(|(_, found, needed)| found < needed);
    let high = most.into_iter().find(|(_, found, most)| found > most);
    low.map(|(limit, found, needed)| Unfit::TooLow { limit, found, needed }).or(high.map(|(limit, found, most)| Unfit::TooHigh {
        limit,
        found,
        most,
    }))
}

/// Whether two descriptions are of one adapter, and through one interface of its driver.
fn is_same(one: &wgpu::AdapterInfo, other: &wgpu::AdapterInfo) -> bool {
    let identity = |info: &wgpu::AdapterInfo| (info.backend, info.vendor, info.device);
    identity(one) == identity(other) && one.name == other.name
}

impl Gpu {
    /// The features without which nothing works: none. For a program that opens a device for itself and for this library.
    pub fn required_features() -> wgpu::Features {
        wgpu::Features::empty()
    }

    /// Features worth asking for, of those that an adapter has.
    ///
    /// | without it | what is given up |
    /// |---|---|
    /// | `TIMESTAMP_QUERY` | profiles time kernels by this program's clock, and wait after each |
    /// | `SUBGROUP` | the variants of kernels that hand numbers around in a subgroup; offered only where all subgroups have one size |
    /// | `PIPELINE_CACHE` | compiled kernels are not kept from one run of the program to the next |
    ///
    /// `EXPERIMENTAL_COOPERATIVE_MATRIX` with `SHADER_F16` is not among them, because a program must promise something to wgpu to get it. Where
    /// both were granted, products of two f16 matrices use them, once a self-test on a second device of the same adapter was passed.
    pub fn optional_features(adapter: &wgpu::Adapter) -> wgpu::Features {
        open::optional_features(adapter)
    }

    /// The least limits that a device must be opened with: those of a browser, as far as kernels are concerned; the others are the lowest there are.
    /// To be combined with those the program needs itself: `Limits::or_better_values_from`.
    pub fn required_limits() -> wgpu::Limits {
        NEEDED
    }

    /// The limits that this library opens a device of this adapter with.
    ///
    /// | without more of | what is given up |
    /// |---|---|
    /// | `max_storage_buffer_binding_size`, `max_buffer_size` | larger tensors: 128 MiB each is the least |
    /// | `max_compute_workgroup_storage_size`, `max_compute_invocations_per_workgroup` | the variants of kernels with larger tiles |
    /// | `max_storage_buffers_per_shader_stage` | more small kernels merged into one |
    pub fn preferred_limits(adapter: &wgpu::Adapter) -> wgpu::Limits {
        open::preferred_limits(adapter)
    }

    /// Takes part in a device that the application has opened; see [`Device::from_wgpu`](crate::Device::from_wgpu).
    ///
    /// # Errors
    /// [`Error::UnfitDevice`], with what it lacks; [`Error::DeviceLost`].
    pub fn from_wgpu(adapter: &wgpu::Adapter, device: &wgpu::Device, queue: &wgpu::Queue) -> Result<Gpu> {
        let info = adapter.get_info();
        let unfit = |reason| Err(Error::UnfitDevice { device: device.adapter_info().name, reason });
        if !is_same(&info, &device.adapter_info()) {
            return unfit(Unfit::OtherAdapter { adapter: info.name });
        }
        if !opengl::BACKENDS.contains(info.backend.into()) {
            return unfit(Unfit::OpenGl);
        }
        if !adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
            return unfit(Unfit::NoCompute);
        }
        if let Some(reason) = lacking(&device.limits()) {
            return unfit(reason);
        }
        let granted = device.features().contains(cooperative::FEATURES);
        let kind = if granted { cooperative::offered(adapter) } else { None };
        let (liveness, health) = (Liveness::new(device), Arc::new(Health::default()));
        if platform::IN_BROWSER {
            // There a device's loss is a promise, of which everyone may be told.
            health.watch_for_loss(device);
        }
        let core = Core::assemble(adapter, device.clone(), queue.clone(), kind, health, Some(liveness));
        // Of a lost device there is no buffer either, which is an error of its own.
        let _ = core.scoped(|| core.look_for_loss());
        core.check()?;
        if !owns(device, queue) {
            return Err(Error::UnfitDevice { device: describe(&info).name, reason: Unfit::OtherQueue });
        }
        Ok(Gpu::of(core))
    }

    /// wgpu's handles of this device, whoever opened it: for commands and buffers of the application's own.
    pub fn handles(&self) -> (&wgpu::Adapter, &wgpu::Device, &wgpu::Queue) {
        (&self.core.adapter, &self.core.device, &self.core.queue)
    }
}

/// Whether a queue is a device's. wgpu does not say, and using a wrong one is an error of the other device, which may end the program; so it is found
/// out without an error: what is asked of a queue is reported by the device it belongs to.
fn owns(device: &wgpu::Device, queue: &wgpu::Queue) -> bool {
    if !platform::may_wait() {
        // Nothing may wait in a browser, and a page's queue comes with its device.
        return true;
    }
    let submission = queue.submit([]);
    let done = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&done);
    queue.on_submitted_work_done(move || flag.store(true, Ordering::Release));
    let kind = wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(PATIENCE) };
    match catch_unwind(AssertUnwindSafe(|| device.poll(kind))) {
        // The device knows of no such submission.
        Ok(Err(wgpu::PollError::WrongSubmissionIndex(..))) => false,
        Ok(Ok(_)) => {
            // Another thread that polls may have taken the callback and be about to call it.
            for _ in 0..20 {
                if done.load(Ordering::Acquire) {
                    return true;
                }
                std::thread::sleep(Duration::from_millis(1));
                let _ = catch_unwind(AssertUnwindSafe(|| device.poll(wgpu::PollType::Poll)));
            }
            false
        }
        // It has much to do, or is lost: the first use tells.
        Ok(Err(wgpu::PollError::Timeout)) | Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_limit_that_is_too_low_is_named() {
        assert_eq!(lacking(&Gpu::required_limits()), None);
        assert_eq!(lacking(&wgpu::Limits::defaults()), None);
        let few = wgpu::Limits { max_storage_buffers_per_shader_stage: 4, ..wgpu::Limits::defaults() };
        let limit = "max_storage_buffers_per_shader_stage";
        assert_eq!(lacking(&few), Some(Unfit::TooLow { limit, found: 4, needed: 8 }));
        let coarse = wgpu::Limits { min_storage_buffer_offset_alignment: 512, ..wgpu::Limits::defaults() };
        let limit = "min_storage_buffer_offset_alignment";
        assert_eq!(lacking(&coarse), Some(Unfit::TooHigh { limit, found: 512, most: 256 }));
        assert!(lacking(&wgpu::Limits::downlevel_defaults()).is_some());
    }

    #[test]
    fn an_adapter_is_told_from_others() {
        let Some(gpu) = super::super::tests::gpu() else { return };
        let info = gpu.core.adapter.get_info();
        assert!(is_same(&info, &info.clone()));
        let other = |change: fn(&mut wgpu::AdapterInfo)| {
            let mut other = info.clone();
            change(&mut other);
            is_same(&info, &other) || is_same(&other, &info)
        };
        assert!(!other(|info| info.name.push('2')));
        assert!(!other(|info| info.vendor ^= 1));
        assert!(!other(|info| info.device ^= 1));
        assert!(!other(|info| info.backend = wgpu::Backend::Gl));
    }
}
