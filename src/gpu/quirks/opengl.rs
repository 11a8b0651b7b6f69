//! OpenGL is a last resort: on Mesa's software OpenGL ES a chain of dependent dispatches gave wrong numbers.
//!
//! Which: Mesa's software drivers through OpenGL ES, seen with version 22.3. Other drivers of OpenGL mostly list an adapter once more that Vulkan or
//! Direct3D lists too; and EGL, through which they are reached, may panic while it is probed.
//! What follows: adapters of OpenGL are neither listed nor opened.

/// The interfaces through which adapters are looked for.
pub(in crate::gpu) const BACKENDS: wgpu::Backends = wgpu::Backends::all().difference(wgpu::Backends::GL);
