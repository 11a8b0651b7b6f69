//! Which variants of kernels a GPU uses: the first of its class, or those measured to be the fastest on it.

use super::Device;
use super::Machine;
use crate::gpu::Gpu;
pub use crate::gpu::Tune;
use std::path::PathBuf;

impl Device {
    /// How the variants of a GPU's kernels are chosen (also `STEEPEST_TUNE=1`: measure, `=0`: off). By default those that were measured
    /// earlier on this adapter, with this driver and build, are used; nothing is measured. Plans made so far are forgotten.
    ///
    /// Measuring takes some ten milliseconds per variant, and longer where a driver compiles slowly. What was found is kept in a file in
    /// the user's cache folder (`STEEPEST_CACHE` names another one). Sums in another order round differently: a run after
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
            gpu.set_tune(tune, file(gpu.name()));
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
    gpu.set_tune(tune, file(gpu.name()));
}

/// Where an adapter's findings are kept; `None` if the system has no place for them.
fn file(adapter: &str) -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = of("STEEPEST_CACHE").or_else(|| {
        let caches = if cfg!(windows) {
            of("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            of("HOME").map(|home| home.join("Library/Caches"))
        } else {
            of("XDG_CACHE_HOME").or_else(|| of("HOME").map(|home| home.join(".cache")))
        };
        caches.map(|caches| caches.join("steepest"))
    })?;
    let name: String = adapter.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    Some(folder.join(format!("tuned-{name}.tsv")))
}
