//! What a GPU makes its kernels of: the first variants of its class or those measured to be the fastest, with or without checks; and the files
//! in which what it found, and what its driver compiled, are kept.

use super::Device;
use super::Machine;
use crate::gpu::Gpu;
pub use crate::gpu::{ShaderChecks, Tune};
use std::path::PathBuf;

impl Device {
    /// How the variants of a GPU's kernels are chosen (also `STEEPEST_TUNE=1`: measure, `=0`: off). By default those that were measured
    /// earlier on this adapter, with this driver and build, are used; nothing is measured. Plans made so far are forgotten.
    ///
    /// Measuring takes some ten milliseconds per variant, and longer where a driver compiles slowly. What was found is kept in a file in
    /// the user's cache folder (`STEEPEST_CACHE` names another one; `STEEPEST_CACHE=off` keeps nothing). Sums in another order round differently: a run after
    /// measuring may differ from one before it in the last bits, and all later ones are the same again. On the CPU this does nothing.
    ///
    /// ```
    /// use steepest::{Device, device::Tune};
    /// let device = Device::best()?;
    /// device.set_tune(Tune::Off);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    pub fn set_tune(&self, tune: Tune) {
        if let Machine::Gpu(gpu) = &self.inner.machine {
            gpu.set_tune(tune, tuned(gpu));
            super::lock(&self.inner.plans).clear();
        }
    }

    /// Whether a GPU's kernels carry the checks that WGSL asks for: bounds of indices, guards around integer divisions and loops
    /// (also `STEEPEST_SHADERS=trusted`, `=checked`). By default they do. Plans made so far are forgotten.
    ///
    /// The kernels of this library need none of them: every op is tested without, too. What the switch gains depends on GPU and driver;
    /// the example `probe` shows both side by side. On the CPU this does nothing.
    ///
    /// ```
    /// use steepest::{Device, device::ShaderChecks};
    /// let device = Device::best()?;
    /// device.set_shader_checks(ShaderChecks::Trusted);
    /// assert_eq!(device.ones(3).sum(&[]).item()?, 3.0);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    pub fn set_shader_checks(&self, checks: ShaderChecks) {
        if let Machine::Gpu(gpu) = &self.inner.machine {
            gpu.set_shader_checks(checks);
            super::lock(&self.inner.plans).clear();
        }
    }
}

/// What the environment asks for.
pub(super) fn from_env(gpu: &Gpu) {
    let tune = match std::env::var("STEEPEST_TUNE").as_deref() {
        Ok("1") => Tune::Measure,
        Ok("0") => Tune::Off,
        _ => Tune::Read,
    };
    gpu.set_tune(tune, tuned(gpu));
    gpu.set_pipeline_cache(file(gpu, "pipelines", "bin"));
    match std::env::var("STEEPEST_SHADERS").as_deref() {
        Ok("trusted") => gpu.set_shader_checks(ShaderChecks::Trusted),
        Err(_) | Ok("" | "checked") => {}
        Ok(other) => tracing::warn!("STEEPEST_SHADERS={other} is neither `checked` nor `trusted`; shaders are checked"),
    }
}

/// Where what was measured is kept.
fn tuned(gpu: &Gpu) -> Option<PathBuf> {
    file(gpu, "tuned", "tsv")
}

/// Where something of an adapter is kept; `None` if the system has no place for it, or `STEEPEST_CACHE=off`.
fn file(gpu: &Gpu, what: &str, kind: &str) -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let named = of("STEEPEST_CACHE");
    if named.as_ref().is_some_and(|name| name.as_os_str() == "off") {
        return None;
    }
    let folder = named.or_else(|| {
        let caches = if cfg!(windows) {
            of("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            of("HOME").map(|home| home.join("Library/Caches"))
        } else {
            of("XDG_CACHE_HOME").or_else(|| of("HOME").map(|home| home.join(".cache")))
        };
        caches.map(|caches| caches.join("steepest"))
    })?;
    let name: String = gpu.name().chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    Some(folder.join(format!("{what}-{name}.{kind}")))
}
