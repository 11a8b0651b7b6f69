//! OpenGL drivers take minutes to compile the loop with which wgpu sets a large array in workgroup memory to zero.
//!
//! Which: drivers of OpenGL and OpenGL ES, of Mesa among them.
//! What follows: it is not set to zero anywhere. No kernel reads workgroup memory that it has not written.

/// Whether wgpu is to set workgroup memory to zero.
pub(in crate::gpu) const ZERO: bool = false;
