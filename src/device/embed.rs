//! A device inside a program that has wgpu for itself: the application opens the device and shares it.

use super::environment;
use super::state::Device;
use crate::error::{At, BufferFault, Error, OpError, Result};
use crate::executor::own_buffer;
use crate::gpu::{Gpu, GpuBuffer, TensorBuffer, wgpu};
use crate::graph::node::{Storage, Tensor, Value};
use crate::graph::op::{DType, Spec};
use crate::shape::ToShape;
use std::any::Any;
use std::sync::Arc;

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
    /// Whoever polls a device of wgpu calls all callbacks that are due. This library polls while it runs, waits and reads, so callbacks of the application
    /// (of mapped buffers, of finished submissions) may be called on its threads and in the middle of its calls. They should only note what has
    /// happened; one that computes with this device waits for itself.
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

    /// A given tensor whose value is in a buffer of the application's, from `offset` on: nothing is copied. Elements are 32-bit, row-major, without gaps
    /// (f16: two to a word, the first in the lower half; bool: a word each, 0 or 1).
    ///
    /// **Who writes when.** The buffer is the application's to write, and this library only reads it: each run that needs the tensor reads what was
    /// submitted to the queue before that run (`queue.write_buffer` counts). A value computed from it keeps what it was computed from; to compute
    /// it again, record it again. After writing, call [`Tensor::mark_changed`]: then what was recorded before and not run yet, gradients too, is
    /// an error instead of a mixture of old and new. The buffer must not be mapped while a run reads it.
    ///
    /// The buffer needs the usages `STORAGE` and `COPY_SRC`, an offset that is a multiple of the device's `min_storage_buffer_offset_alignment`, and from
    /// there on the tensor's bytes, 16 at least. It must be of this very device: one of another device is refused, as far as wgpu lets that be told of
    /// handles from another `wgpu::Instance`. It is held until the tensor and the runs that read it are done with it. An update in place of
    /// such a tensor (an optimizer's step) is an error.
    ///
    /// ```
    /// use steepest::{DType, Device, wgpu};
    /// let device = Device::best()?;
    /// if let Some(gpu) = device.as_gpu() {
    ///     let (_, handle, queue) = gpu.handles();
    ///     let buffer = handle.create_buffer(&wgpu::BufferDescriptor {
    ///         label: None,
    ///         size: 16,
    ///         usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
    ///         mapped_at_creation: false,
    ///     });
    ///     let x = device.tensor_from_buffer(&buffer, 0, 4, DType::F32)?;
    ///     queue.write_buffer(&buffer, 0, &2.5f32.to_ne_bytes());
    ///     assert_eq!((&x * 2.0).to_vec::<f32>()?, [5.0, 0.0, 0.0, 0.0]);
    /// }
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Buffer`], with what is wrong with it; a shape that no tensor has; [`Error::TooLarge`]; a lost device.
    #[track_caller]
    pub fn tensor_from_buffer(&self, buffer: &wgpu::Buffer, offset: u64, shape: impl ToShape, dtype: DType) -> Result<Tensor> {
        let at = At::caller();
        let shape = shape.to_shape().map_err(|error| Error::op("tensor_from_buffer", at, error))?;
        let spec = Spec::new(shape, dtype);
        let gpu = self.gpu_for_buffers()?;
        let value = self.state.ended(self.state.with_room(|| gpu.import(buffer, offset, spec.words())))?;
        Ok(Tensor::leaf(self.backend(), Ok(spec), Some(Value::Stored(value)), false, at))
    }

    /// The GPU, or that there is none.
    fn gpu_for_buffers(&self) -> Result<&Gpu> {
        self.as_gpu().ok_or_else(|| Error::Buffer { device: self.name().to_owned(), fault: BufferFault::NoGpu })
    }
}

impl Tensor {
    /// The buffer in which the value is on the GPU, and where in it; computes the value if need be and submits what computes it, so that whatever the
    /// application submits afterwards finds it there. Nothing is copied, and the value is not waited for.
    ///
    /// **Who writes when.** As long as what this returns is held, the memory is used for nothing else. The value stays as it is, unless the tensor is
    /// updated in place: a parameter has its next value in the same buffer after each step, once that is submitted ([`Device::flush`]). But the first
    /// step of an optimizer moves its parameters together: ask for their buffers after it. The application may write there too, after a
    /// `flush`; then it calls [`Tensor::mark_changed`].
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::best()?;
    /// let y = device.ones([2, 3]) * 2.0;
    /// if device.is_gpu() {
    ///     let place = y.buffer()?; // for a bind group: place.as_binding()
    ///     assert!(place.size == 24 && place.buffer.size() >= place.offset + place.size);
    /// }
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// The error this tensor carries; [`Error::Buffer`] on the CPU; or what the device reports.
    pub fn buffer(&self) -> Result<TensorBuffer> {
        self.spec()?;
        let device = self.device();
        let gpu = device.gpu_for_buffers()?;
        if !self.node().has_value() {
            self.run()?;
        }
        let stored: Arc<dyn Storage> = match self.node().value() {
            Some(Value::Stored(stored)) => stored,
            Some(Value::Host(words)) => {
                let stored = device.state.ended(device.state.uploaded(self.node(), &words))?;
                self.node().set_value(Value::Stored(stored.clone()));
                stored
            }
            None => {
                let spent = OpError::Stale("it has no value after its run: an update has none".to_owned());
                return Err(Error::op(self.node().op_name(), self.node().at(), spent));
            }
        };
        own_buffer::<GpuBuffer>(&stored, gpu.name())?;
        let any: Arc<dyn Any + Send + Sync> = stored;
        let Ok(value) = any.downcast::<GpuBuffer>() else { return Err(device.state.fault("a buffer of another machine")) };
        device.state.ended(gpu.export(value))
    }

    /// Says that the application has written into this tensor's buffer (see [`Device::tensor_from_buffer`] and [`Tensor::buffer`]): what was
    /// recorded from it before and not run yet is stale, an error; what is recorded from now on reads the new value. Values that were computed stay.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[1.0, 2.0], 2);
    /// let y = &x * 2.0;
    /// x.mark_changed();
    /// assert!(y.run().is_err() && (&x * 2.0).run().is_ok());
    /// # Ok::<(), steepest::Error>(())
    /// ```
    pub fn mark_changed(&self) {
        self.node().backend().after_background();
        self.node().bump_version();
    }
}
