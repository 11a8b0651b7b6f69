//! A device inside a program that has wgpu for itself: the application opens the device and shares it.

use super::environment;
use super::state::Device;
use crate::error::Result;
use crate::gpu::{Gpu, wgpu};

impl Device {
    /// A device on wgpu handles that the application has opened, for drawing say. Nothing is opened anew, and the handles stay the application's: its
    /// callbacks for lost devices and uncaptured errors are not replaced, its error scopes see no error of this library's, and nothing is destroyed when
    /// this device is dropped. Several devices may share one queue, and several threads the handles.
    ///
    /// No kernel counts on a feature or limit that the application did not ask for. The least it must ask for is
    /// [`Gpu::required_limits`]; what more is good for is said at [`Gpu::optional_features`] and [`Gpu::preferred_limits`].
    ///
    /// **Order of work.** What this library does reaches the queue in the order in which it is run, but not each run by itself: small ones are
    /// collected while the GPU has enough to do. They are submitted at the latest by whatever waits or reads and by [`Device::flush`]. So commands
    /// that the application submits after a `flush` come after all that was run before it. Conversely a run sees what the application submitted
    /// before it.
    ///
    /// A loss of the device, also one the application brings about by destroying it, is [`Error::DeviceLost`](crate::Error::DeviceLost) from the next
    /// submission on.
    ///
    /// ```
    /// use steepest::{Device, gpu::Gpu, wgpu};
    /// # pollster::block_on(async {
    /// // What the application does anyway…
    /// let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    /// let Ok(adapter) = instance.request_adapter(&wgpu::RequestAdapterOptions::default()).await else { return Ok(()) };
    /// let (gpu, queue) = adapter
    ///     .request_device(&wgpu::DeviceDescriptor {
    ///         required_features: Gpu::optional_features(&adapter),
    ///         required_limits: wgpu::Limits::default().or_better_values_from(&Gpu::required_limits()),
    ///         ..Default::default()
    ///     })
    ///     .await
    ///     .map_err(|error| steepest::Error::NoAdapter { reason: error.to_string() })?;
    /// // …and computing on the same device.
    /// let device = Device::from_wgpu(&adapter, &gpu, &queue)?;
    /// assert_eq!(device.ones(3).sum(&[]).item()?, 3.0);
    /// # Ok::<(), steepest::Error>(())
    /// # })?;
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::UnfitDevice`](crate::Error::UnfitDevice), with what the device lacks; [`Error::DeviceLost`](crate::Error::DeviceLost).
    pub fn from_wgpu(adapter: &wgpu::Adapter, device: &wgpu::Device, queue: &wgpu::Queue) -> Result<Device> {
        let gpu = Gpu::from_wgpu(adapter, device, queue)?;
        environment::set_up(&gpu);
        Ok(Device::new(gpu.name().to_owned(), Box::new(gpu)))
    }
}
