//! What a GPU makes its kernels of: the first variants of its class or those measured to be the fastest, with or without checks; and the files
//! in which what it found, and what its driver compiled, are kept.

use super::environment::tuned;
use super::state::Device;
use crate::gpu::{ShaderChecks, Tune};
use crate::threads::lock;

impl Device {
    /// How the variants of a GPU's kernels are chosen (also `STEEPEST_TUNE=1`: measure, `=0`: off). By default those that were measured
    /// earlier on this adapter, with this driver and build, are used; nothing is measured. Plans made so far are forgotten.
    ///
    /// Measuring takes some ten milliseconds per variant, and longer where a driver compiles slowly. What was found is kept in a file in
    /// the user's cache folder (`STEEPEST_CACHE` names another one; `STEEPEST_CACHE=off` keeps nothing). Sums in another order round differently: a run after
    /// measuring may differ from one before it in the last bits, and all later ones are the same again. On the CPU this does nothing. In a browser, where nothing
    /// can wait for a measurement, nothing is measured, and a warning in the log says so.
    ///
    /// ```
    /// use steepest::{Device, device::Tune};
    /// let device = Device::best()?;
    /// device.set_tune(Tune::Off);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    pub fn set_tune(&self, tune: Tune) {
        if let Some(gpu) = self.as_gpu() {
            gpu.set_tune(tune, tuned(gpu));
            lock(&self.state.plans).clear();
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
        if let Some(gpu) = self.as_gpu() {
            gpu.set_shader_checks(checks);
            lock(&self.state.plans).clear();
        }
    }
}
