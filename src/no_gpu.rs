//! Stands in for `gpu/` in a build without the feature `gpu`: no adapters, and opening one is an error that says why. No [`Gpu`] is ever made
//! here, so code that asks a device for its GPU compiles in both builds and finds none.

use crate::error::{Error, Result};
use crate::executor::Executor;
pub use crate::gpu_info::{AdapterInfo, Counts, GpuLimits, OpenOptions, ShaderChecks, Tune};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

/// The adapters that this build can open: none.
pub async fn adapters() -> Vec<AdapterInfo> {
    vec![]
}

/// How often drivers were loaded: never.
pub fn drivers_loaded() -> u64 {
    0
}

/// A GPU, of which this build has none: there is no value of this type.
#[derive(Debug)]
pub struct Gpu {
    none: Infallible,
}

/// Memory on a GPU, of which there is none.
#[derive(Debug)]
pub struct GpuBuffer {
    _none: Infallible,
}

impl Gpu {
    /// Opens nothing.
    ///
    /// # Errors
    /// Always [`Error::NoGpuSupport`].
    pub async fn open(name_part: Option<&str>) -> Result<Gpu> {
        Gpu::open_with(name_part, OpenOptions::default()).await
    }

    /// As [`Gpu::open`].
    ///
    /// # Errors
    /// Always [`Error::NoGpuSupport`].
    pub async fn open_with(name_part: Option<&str>, _options: OpenOptions) -> Result<Gpu> {
        Err(Error::NoGpuSupport { device: name_part.unwrap_or("gpu").to_owned() })
    }

    pub(crate) fn into_executor(self) -> Box<dyn Executor> {
        match self.none {}
    }
}

/// Methods of a GPU with the names and types that they have in `gpu/`. None can be called.
macro_rules! methods {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        impl Gpu {
            $(
                $(#[$doc])*
                pub fn $name(&self $(, $argument: $type)*) $(-> $result)? {
                    $(let _ = $argument;)*
                    match self.none {}
                }
            )*
        }
    };
}

methods! {
    /// The adapter's name.
    fn name() -> &str;
    /// Whether it computes on the CPU.
    fn is_software() -> bool;
    /// What the device allows.
    fn limits() -> GpuLimits;
    /// What the adapter says of itself, name by name.
    fn details() -> Vec<(&'static str, String)>;
    /// Features of the adapter that kernels could use, and whether it has them.
    fn features() -> Vec<(&'static str, bool)>;
    /// Bytes of device memory in use by values and prepared plans.
    fn live_bytes() -> u64;
    /// Bytes of device memory kept for later use.
    fn pooled_bytes() -> u64;
    /// Bytes of all buffers as the driver counts them.
    fn driver_bytes() -> u64;
    /// Gives memory kept for later use back to the driver; returns its bytes.
    fn trim() -> u64;
    /// What has been done so far, counted.
    fn counts() -> Counts;
    /// An error if the device was lost or has reported a fault.
    fn check() -> Result<()>;
    /// Test switch: guards the ends of values.
    fn set_guarded(_on: bool);
    /// Times every dispatch of every run from now on, or stops.
    fn set_timed(_on: bool);
    /// Whether dispatches are timed by the GPU itself and not by the host's clock.
    fn has_timestamps() -> bool;
    /// Whether small dispatches that follow each other become one in plans that run often.
    fn set_merging(_on: bool);
    /// Test switch: divides kernels as if an invocation could make only so many loop iterations.
    fn limit_loop_iterations(_most: usize);
    /// Test switch: after how many runs of a plan its small dispatches are merged.
    fn merge_after(_runs: Option<u32>);
    /// Test switch: which variant of every kernel is taken.
    fn force_variant(_index: Option<usize>);
    /// Whether plans prepared from now on carry the checks that WGSL asks for.
    fn set_shader_checks(_checks: ShaderChecks);
    /// How variants are chosen, and the file in which what was measured is kept.
    fn set_tune(_tune: Tune, _file: Option<PathBuf>);
    /// The file in which compiled pipelines are kept.
    fn set_pipeline_cache(_file: Option<PathBuf>);
    /// Bytes of compiled pipelines that were read and written.
    fn pipeline_cache_bytes() -> (u64, u64);
    /// What was measured of variants.
    fn tuned() -> Vec<String>;
    /// Test hook: destroys the device.
    fn lose();
    /// Copies words to the device.
    fn upload(_words: &[u32]) -> Result<Arc<GpuBuffer>>;
    /// A copy of a value, in memory of its own.
    fn copy(_buffer: &GpuBuffer) -> Result<Arc<GpuBuffer>>;
    /// Waits until everything submitted so far is done.
    fn wait() -> Result<()>;
}
