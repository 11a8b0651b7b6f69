//! Opening devices: by name, the best there is, the processor.

use super::environment;
use super::state::Device;
use crate::cpu::Cpu;
use crate::error::{Error, Result};
use crate::gpu::{self, Gpu};
use crate::platform::{self, waited};

/// An adapter or processor that [`Device::named`] can open.
#[derive(Clone, Debug)]
pub struct DeviceInfo {
    /// What to call it: `cpu` or `gpu:ADAPTER`.
    pub name: String,
    /// Driver and version, as the driver says.
    pub driver: String,
    /// The programming interface, such as `Vulkan`.
    pub backend: String,
    /// Whether it is a processor that plays a GPU; such are opened only when asked for by name.
    pub software: bool,
}

impl Device {
    /// A device of a GPU that was opened.
    fn on_gpu(name: String, gpu: Gpu) -> Device {
        environment::set_up(&gpu);
        Device::new(name, gpu.into_executor())
    }

    /// The device named by the environment variable `STEEPEST_DEVICE` (see [`Device::named`]); without it the first
    /// hardware GPU; without one the CPU. A software adapter is never chosen by itself.
    ///
    /// # Errors
    /// `STEEPEST_DEVICE` names something that is not there.
    pub fn best() -> Result<Device> {
        waited("best", Device::best_async())
    }

    /// [`Device::best`] without blocking.
    ///
    /// # Errors
    /// As [`Device::best`].
    pub async fn best_async() -> Result<Device> {
        match std::env::var("STEEPEST_DEVICE") {
            Ok(name) if !name.is_empty() => Device::named_async(&name).await,
            _ => match Device::gpu_async().await {
                Ok(device) => Ok(device),
                Err(reason) => {
                    tracing::info!("using the CPU: {reason}");
                    Ok(Device::cpu())
                }
            },
        }
    }

    /// The device called `cpu`, `gpu` (the first hardware GPU), `best`, or by any part of an adapter's name, with or
    /// without `gpu:` before it: `gpu:llvmpipe`, `nvidia`. Upper and lower case are the same.
    ///
    /// # Errors
    /// [`Error::UnknownDevice`] with the names there are, or why the adapter does not open.
    pub fn named(name: &str) -> Result<Device> {
        waited(name, Device::named_async(name))
    }

    /// [`Device::named`] without blocking.
    ///
    /// # Errors
    /// As [`Device::named`].
    pub async fn named_async(name: &str) -> Result<Device> {
        match name.to_lowercase().as_str() {
            "cpu" => Ok(Device::cpu()),
            "gpu" => Device::gpu_async().await,
            "best" => match Device::gpu_async().await {
                Ok(device) => Ok(device),
                Err(_) => Ok(Device::cpu()),
            },
            lower => {
                let part = lower.strip_prefix("gpu:").unwrap_or(lower).trim();
                // An empty part would be found in every name. Drivers are loaded once only: that takes longer than all the rest.
                let gpu = match part {
                    "" => Err(Error::UnknownDevice { name: name.to_owned(), available: vec![] }),
                    part => Gpu::open(Some(part)).await,
                };
                let gpu = match gpu {
                    Err(Error::UnknownDevice { .. }) => {
                        let available = Device::all_async().await.into_iter().map(|info| info.name).collect();
                        return Err(Error::UnknownDevice { name: name.to_owned(), available });
                    }
                    Err(Error::NoAdapter { .. }) if Device::all_async().await.len() == 1 => {
                        return Err(Error::UnknownDevice { name: name.to_owned(), available: vec!["cpu".to_owned()] });
                    }
                    opened => opened?,
                };
                Ok(Device::on_gpu(gpu.name().to_owned(), gpu))
            }
        }
    }

    /// The first hardware GPU.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] where there is none, or why it does not open.
    pub fn gpu() -> Result<Device> {
        waited("gpu", Device::gpu_async())
    }

    /// [`Device::gpu`] without blocking.
    ///
    /// # Errors
    /// As [`Device::gpu`].
    pub async fn gpu_async() -> Result<Device> {
        let gpu = Gpu::open(None).await?;
        Ok(Device::on_gpu(gpu.name().to_owned(), gpu))
    }

    /// A GPU opened with the limits every browser grants, whatever the adapter could do: for testing the smaller kernels.
    ///
    /// # Errors
    /// As [`Device::named`].
    pub fn gpu_with_minimal_limits(name: &str) -> Result<Device> {
        waited(name, Device::gpu_with_minimal_limits_async(name))
    }

    /// [`Device::gpu_with_minimal_limits`] without blocking.
    ///
    /// # Errors
    /// As [`Device::named`].
    pub async fn gpu_with_minimal_limits_async(name: &str) -> Result<Device> {
        let part = name.strip_prefix("gpu:").unwrap_or(name);
        let options = gpu::OpenOptions { minimal_limits: true };
        let gpu = Gpu::open_with(Some(part), options).await?;
        Ok(Device::on_gpu(format!("{} (minimal limits)", gpu.name()), gpu))
    }

    /// This machine's processor, all cores.
    pub fn cpu() -> Device {
        Device::new("cpu".to_owned(), Box::new(Cpu::default()))
    }

    /// Everything that can be opened, in the order of preference. In a browser, where nothing may wait, empty: see [`Device::all_async`].
    pub fn all() -> Vec<DeviceInfo> {
        platform::wait(Device::all_async()).unwrap_or_default()
    }

    /// [`Device::all`] without blocking.
    pub async fn all_async() -> Vec<DeviceInfo> {
        let adapters = gpu::adapters().await;
        let (software, hardware): (Vec<_>, Vec<_>) = adapters.into_iter().partition(|a| a.software);
        let info = |a: gpu::AdapterInfo| DeviceInfo {
            name: format!("gpu:{}", a.name),
            driver: a.driver,
            backend: a.backend,
            software: a.software,
        };
        let cpu = DeviceInfo {
            name: "cpu".to_owned(),
            driver: format!("{} threads", rayon::current_num_threads()),
            backend: "native".to_owned(),
            software: false,
        };
        hardware.into_iter().map(info).chain([cpu]).chain(software.into_iter().map(info)).collect()
    }
}
