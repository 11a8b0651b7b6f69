//! Direct3D 12 sizes a descriptor heap by a limit that others take for a mere number.
//!
//! Which: wgpu on Direct3D 12, whatever the driver: it allocates a heap for as many bindings as `max_non_sampler_bindings` asks for.
//! What follows: no more is asked for than what a browser grants.

/// Brings the limit down.
pub(in crate::gpu) fn limit(limits: &mut wgpu::Limits) {
    limits.max_non_sampler_bindings = limits.max_non_sampler_bindings.min(wgpu::Limits::defaults().max_non_sampler_bindings);
}
