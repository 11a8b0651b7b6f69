//! What is said of a GPU and asked of it, as plain data: the same types in a build with GPU support (`gpu/`) and in one without (`no_gpu.rs`).

/// A GPU, or a driver that imitates one, as the system lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterInfo {
    /// The adapter's name.
    pub name: String,
    /// The driver's name and version.
    pub driver: String,
    /// The interface it is reached through: `vulkan`, `metal`, `dx12` or `gl`.
    pub backend: String,
    /// Whether it computes on the CPU (llvmpipe, SwiftShader, WARP).
    pub software: bool,
}

/// How to open a device; the default is what a program wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Ask for the limits a browser gives instead of the adapter's own, so that tests run the variants made for small limits.
    pub minimal_limits: bool,
}

/// What the device allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuLimits {
    /// Bytes of the largest buffer.
    pub buffer_bytes: u64,
    /// Bytes of the largest storage binding.
    pub binding_bytes: u64,
    /// Storage buffers one kernel may bind.
    pub storage_buffers: u32,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// Invocations of a workgroup along each axis.
    pub workgroup_size: [u32; 3],
    /// Workgroups along each axis of a dispatch.
    pub groups: u32,
    /// Invocations of a subgroup, if all subgroups have as many and kernels may hand numbers around in one; else 0.
    pub subgroup: u32,
}

/// Whether kernels carry the checks that WGSL asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ShaderChecks {
    /// Indices are bounded, integer divisions and loops guarded.
    #[default]
    Checked,
    /// The kernels of this library are trusted to need none of it.
    Trusted,
}

/// What a device does about the variants of its kernels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tune {
    /// Takes the first variant made for its kind of device and within its limits.
    Off,
    /// Takes what was found the fastest earlier, where something was.
    #[default]
    Read,
    /// Also measures what it meets for the first time, and keeps it.
    Measure,
}

/// Totals since the device was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Kernels started.
    pub dispatches: u64,
    /// Command lists submitted, those of readbacks and uploads included.
    pub submissions: u64,
    /// Bind groups made: zero per run once a loop is steady.
    pub bind_groups: u64,
    /// Pipelines compiled.
    pub pipelines: u64,
    /// Buffers allocated, those taken from the pool not counted.
    pub buffers: u64,
}
