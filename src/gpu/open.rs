//! Opening a device: which adapter, with which limits and features, and what is known of its driver.

use super::adapters::{AdapterInfo, describe, features, list};
use super::core::{Core, GpuLimits, Health};
use super::counters::Counters;
use super::liveness::Liveness;
use super::pending::PendingWork;
use super::quirks::cooperative::{self, Cooperative, Kind};
use super::quirks::{descriptor_heaps, inlined_uniforms, llvmpipe_loops, opengl, subgroups, window_extensions};
use crate::error::{Error, Result};
use crate::executor::Budget;
pub use crate::gpu_info::OpenOptions;
use crate::threads::Process;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

impl Core {
    /// Opens the first adapter that fits; see [`super::Gpu::open`].
    pub(super) async fn open(name_part: Option<&str>, options: OpenOptions) -> Result<Core> {
        if window_extensions::loaded_elsewhere() {
            return Err(Error::Forked { device: name_part.unwrap_or("gpu").to_owned() });
        }
        let wanted = |info: &AdapterInfo| match name_part.map(str::to_lowercase) {
            None => !info.software,
            Some(part) => [&info.name, &info.driver].iter().any(|text| text.to_lowercase().contains(&part)),
        };
        let (mut seen, mut refusal) = (vec![], None);
        for adapter in list(opengl::BACKENDS).await {
            let info = describe(&adapter.get_info());
            if wanted(&info) {
                match Core::request(&adapter, &info, options).await {
                    Ok(core) => return Ok(core),
                    Err(reason) => refusal = refusal.or(Some(format!("{} ({}): {reason}", info.name, info.backend))),
                }
            }
            seen.push(format!("{} ({}, {})", info.name, info.backend, info.driver));
        }
        Err(match (refusal, name_part) {
            (Some(reason), _) => Error::NoAdapter { reason },
            _ if seen.is_empty() => Error::NoAdapter { reason: "no driver lists an adapter that can compute".to_owned() },
            (None, Some(part)) => Error::UnknownDevice { name: part.to_owned(), available: seen },
            (None, None) => Error::NoAdapter { reason: format!("only software adapters: {}", seen.join("; ")) },
        })
    }

    /// Another device of the same adapter.
    pub(super) async fn another(&self, options: OpenOptions) -> Result<Core, String> {
        Core::request(&self.adapter, &describe(&self.adapter.get_info()), options).await
    }

    async fn request(adapter: &wgpu::Adapter, info: &AdapterInfo, options: OpenOptions) -> Result<Core, String> {
        let (device, queue, cooperative) = request_device(adapter, info, options).await?;
        let health = Health::watch(&device);
        Ok(Core::assemble(adapter, device, queue, cooperative, health, None))
    }

    /// An open device and what is known of it. Whatever a kernel may use is asked of the device: an adapter may have more than was granted.
    pub(super) fn assemble(
        adapter: &wgpu::Adapter,
        device: wgpu::Device,
        queue: wgpu::Queue,
        cooperative: Option<Kind>,
        health: Arc<Health>,
        liveness: Option<Liveness>,
    ) -> Core {
        let (granted, given, told) = (device.limits(), device.features(), adapter.get_info());
        let info = describe(&told);
        let budget = if info.software { Budget::in_main_memory(&info.name) } else { Budget::elsewhere(&info.name, None) };
        Core {
            opened_in: Process::this(),
            adapter: adapter.clone(),
            name: info.name,
            software: info.software,
            inlines_uniforms: inlined_uniforms::has(&told),
            max_loop_iterations: AtomicUsize::new(llvmpipe_loops::most(&told)),
            limits: limits(&granted, subgroups::size(&told, given)),
            features: features(if liveness.is_some() { given } else { adapter.features() }),
            uniform_alignment: u64::from(granted.min_uniform_buffer_offset_alignment).max(16),
            storage_alignment: u64::from(granted.min_storage_buffer_offset_alignment).max(4),
            uniform_bytes: granted.max_uniform_buffer_binding_size,
            counters: Counters::default(),
            timestamps: given.contains(wgpu::Features::TIMESTAMP_QUERY),
            cooperative: Cooperative::new(cooperative),
            health,
            liveness,
            budget: Arc::new(budget),
            pending: PendingWork::default(),
            device,
            queue,
        }
    }
}

/// What makes kernels faster or lets more of them run, of what an adapter has.
pub(super) fn optional_features(adapter: &wgpu::Adapter) -> wgpu::Features {
    let wanted = wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::PIPELINE_CACHE | subgroups::wanted(&adapter.get_info());
    adapter.features() & wanted
}

/// All of an adapter's limits, but for what costs memory by itself.
pub(super) fn preferred_limits(adapter: &wgpu::Adapter) -> wgpu::Limits {
    let mut limits = adapter.limits();
    descriptor_heaps::limit(&mut limits);
    limits
}

/// Asks an adapter for a device, with cooperative matrices if there is a kernel for those it has.
async fn request_device(
    adapter: &wgpu::Adapter,
    info: &AdapterInfo,
    options: OpenOptions,
) -> Result<(wgpu::Device, wgpu::Queue, Option<Kind>), String> {
    let mut limits = preferred_limits(adapter);
    if options.minimal_limits {
        limits = wgpu::Limits::defaults().or_worse_values_from(&limits);
    }
    let required_features = if options.minimal_limits { wgpu::Features::empty() } else { optional_features(adapter) };
    let descriptor =
        wgpu::DeviceDescriptor { label: Some("steepest"), required_limits: limits, required_features, ..Default::default() };
    if let (false, Some(kind)) = (options.minimal_limits, cooperative::offered(adapter)) {
        let more = wgpu::DeviceDescriptor {
            required_features: descriptor.required_features | cooperative::FEATURES,
            experimental_features: cooperative::acknowledged(),
            ..descriptor.clone()
        };
        match adapter.request_device(&more).await {
            Ok((device, queue)) => return Ok((device, queue, Some(kind))),
            // What is only for speed must not be what opening fails at.
            Err(error) => tracing::warn!("{}: opened without cooperative matrices: {error}", info.name),
        }
    }
    let (device, queue) = adapter.request_device(&descriptor).await.map_err(|e| e.to_string())?;
    Ok((device, queue, None))
}

/// What a device allows of which kernels take notice.
fn limits(granted: &wgpu::Limits, subgroup: u32) -> GpuLimits {
    GpuLimits {
        buffer_bytes: granted.max_buffer_size,
        binding_bytes: granted.max_storage_buffer_binding_size.min(granted.max_buffer_size),
        storage_buffers: granted.max_storage_buffers_per_shader_stage,
        workgroup_bytes: granted.max_compute_workgroup_storage_size,
        invocations: granted.max_compute_invocations_per_workgroup,
        workgroup_size: [
            granted.max_compute_workgroup_size_x,
            granted.max_compute_workgroup_size_y,
            granted.max_compute_workgroup_size_z,
        ],
        groups: granted.max_compute_workgroups_per_dimension,
        subgroup,
    }
}
