//! Absurd arguments for the public functions of `src/device`.

use crate::odd::Odd;
use crate::{Line, Room, table};
use steepest::gpu::{ShaderChecks, Tune};
use steepest::plan::Switches;
use steepest::{Anomaly, Device, Precision, Tensor};

pub fn room() -> Room {
    Room { name: "device", tables: &[TABLE], not_called: NOT_CALLED, complete: true }
}

const NOT_CALLED: &[(&str, &str)] = &[
    ("Device::all", "takes no argument"),
    ("Device::all_async", "takes no argument"),
    ("Device::best", "takes no argument"),
    ("Device::best_async", "takes no argument"),
    ("Device::gpu", "takes no argument"),
    ("Device::flush", "takes no argument"),
    ("Device::caught_up_async", "takes no argument"),
    ("Device::wait_async", "takes no argument"),
    ("Device::from_wgpu", "takes wgpu's handles; tests/it/embedding.rs has those that do not suit"),
    ("Device::gpu_async", "takes no argument"),
    ("Device::measure_peak", "takes no argument"),
    ("Device::shader_texts", "takes a plan, and only a device makes one"),
    ("Device::named_async", "what Device::named waits for"),
];

/// The value of a future, which is asked again and again.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::yield_now();
    }
}

/// A tensor in a buffer of the device's own; on the processor there is none.
#[cfg(feature = "gpu")]
fn from_buffer(o: &mut Odd) -> Option<steepest::Result<Tensor>> {
    use steepest::{DType, wgpu};
    let device = o.device();
    let (_, handle, _) = device.as_gpu()?.handles();
    let buffer = handle.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 1024,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });
    let offset = if o.flag() { o.seed() } else { o.pick(&[0, 256, 768, 1024]) };
    let dtype = o.pick(&[DType::F32, DType::F16, DType::U32, DType::I32, DType::Bool]);
    Some(device.tensor_from_buffer(&buffer, offset, o.shape(), dtype))
}

/// Where a tensor's value is.
#[cfg(feature = "gpu")]
fn buffer(o: &mut Odd) -> steepest::Result<steepest::gpu::TensorBuffer> {
    o.tensor().buffer()
}

#[cfg(not(feature = "gpu"))]
fn from_buffer(_: &mut Odd) -> Option<steepest::Result<Tensor>> {
    None
}

#[cfg(not(feature = "gpu"))]
fn buffer(_: &mut Odd) {}

#[cfg(feature = "gpu")]
fn mark_changed(o: &mut Odd) {
    o.tensor().mark_changed();
}

#[cfg(not(feature = "gpu"))]
fn mark_changed(_: &mut Odd) {}

const TABLE: &[Line] = table! {
    "Device::tensor" => |o| o.device().tensor(&o.singles(), o.shape());
    "Device::tensor" => |o| o.device().tensor(&[true, false], o.shape());
    "Device::tensor" => |o| o.device().tensor(&o.many(Odd::u32), o.size());
    "Device::tensor_f16" => |o| o.device().tensor_f16(&o.singles(), o.shape());
    "Device::parameter" => |o| o.device().parameter(&o.singles(), o.shape());
    "Device::scalar" => |o| o.device().scalar(o.single());
    "Device::full" => |o| o.device().full(o.shape(), o.float());
    "Device::zeros" => |o| o.device().zeros(o.shape());
    "Device::ones" => |o| o.device().ones(o.shape());
    "Device::arange" => |o| o.device().arange(o.size());
    "Device::arange_step" => |o| o.device().arange_step(o.float(), o.float(), o.float());
    "Device::linspace" => |o| o.device().linspace(o.float(), o.float(), o.size());
    "Device::eye" => |o| o.device().eye(o.size());
    "Device::fftfreq" => |o| o.device().fftfreq(o.size(), o.float());
    "Device::rfftfreq" => |o| o.device().rfftfreq(o.size(), o.float());
    "Device::tril_indices" => |o| o.device().tril_indices(o.size(), o.size(), o.int());
    "Device::triu_indices" => |o| o.device().triu_indices(o.size(), o.size(), o.int());
    "Device::uniform" => |o| o.device().uniform(o.shape(), o.float(), o.float(), o.seed());
    "Device::normal" => |o| o.device().normal(o.shape(), o.float(), o.float(), o.seed());
    "Device::gumbel" => |o| o.device().gumbel(o.shape(), o.float(), o.float(), o.seed());
    "Device::laplace" => |o| o.device().laplace(o.shape(), o.float(), o.float(), o.seed());
    "Device::cauchy" => |o| o.device().cauchy(o.shape(), o.float(), o.float(), o.seed());
    "Device::log_normal" => |o| o.device().log_normal(o.shape(), o.float(), o.float(), o.seed());
    "Device::exponential" => |o| o.device().exponential(o.shape(), o.float(), o.seed());
    "Device::geometric" => |o| o.device().geometric(o.shape(), o.share(), o.seed());
    "Device::randint" => |o| o.device().randint(o.shape(), o.i64(), o.i64(), o.seed());
    "Device::randperm" => |o| o.device().randperm(o.size(), o.seed());
    "Device::truncated_normal" => |o| o.device().truncated_normal(o.shape(), [o.float(), o.float()], [o.float(), o.float()], o.seed());
    "Device::dropout_mask" => |o| o.device().dropout_mask(o.shape(), o.share(), o.seed(), o.seed());
    "Device::named" => |o| Device::named(&if o.flag() { o.text() } else { "cpu".to_owned() });
    "Device::gpu_with_minimal_limits" => |o| Device::gpu_with_minimal_limits(&o.text());
    "Device::cpu" => |o| Device::cpu().zeros(o.shape());
    "Device::name" => |o| o.device().name();
    "Device::is_gpu" => |o| o.device().is_gpu();
    "Device::tensor_bytes" => |o| o.device().tensor_bytes();
    "Device::as_gpu" => |o| o.device().as_gpu().is_some();
    "Device::run" => |o| o.device().run(&o.many(Odd::tensor));
    "Device::wait" => |o| o.device().wait();
    "Device::plan" => |o| o.device().plan(&o.many(Odd::tensor));
    "Device::graphviz" => |o| o.device().graphviz(&o.many(Odd::tensor));
    "Device::last_plan" => |o| o.device().last_plan();
    "Device::runs_and_misses" => |o| o.device().runs_and_misses();
    "Device::live_nodes" => |o| o.device().live_nodes();
    "Device::precision" => |o| o.device().precision();
    "Device::profile" => |o| o.device().profile();
    "Device::set_anomaly" => |o| {
        let device = o.fresh_device();
        device.set_anomaly(o.pick(&[Anomaly::Off, Anomaly::Nan, Anomaly::NonFinite]));
        device.tensor(&[1.0, 2.0], 2).softmax(0).exp()
    };
    "Device::set_precision" => |o| {
        let device = o.fresh_device();
        device.set_precision(o.pick(&[Precision::Full, Precision::Half]));
        device.tensor(&[1.0, 2.0], 2).softmax(0).exp()
    };
    "Device::set_profile" => |o| {
        let device = o.fresh_device();
        device.set_profile(o.flag());
        device.tensor(&[1.0, 2.0], 2).softmax(0).exp()
    };
    "Device::set_switches" => |o| {
        let device = o.fresh_device();
        device.set_switches(o.pick(&Switches::all().collect::<Vec<_>>()));
        device.tensor(&[1.0, 2.0], 2).softmax(0).exp()
    };
    "Device::set_check" => |o| {
        let device = o.fresh_device();
        device.set_check(o.flag());
        device.tensor(&[1.0, 2.0], 2).softmax(0).exp()
    };
    "Device::set_guarded" => |o| {
        let device = o.fresh_device();
        device.set_guarded(o.flag());
        device.tensor(&[1.0, 2.0], 2).softmax(0).exp()
    };
    "Device::force_variant" => |o| {
        let device = o.fresh_device();
        device.force_variant(o.maybe(Odd::size));
        device.tensor(&[1.0, 2.0], 2).softmax(0).exp()
    };
    "Device::set_node_limit" => |o| {
        let device = o.fresh_device();
        device.set_node_limit(o.size());
        device.tensor(&[1.0, 2.0], 2).softmax(0).exp()
    };
    "Device::set_memory_limit" => |o| {
        let device = o.fresh_device();
        device.set_memory_limit(o.maybe(Odd::seed));
        [device.zeros(o.shape()), device.tensor(&[1.0, 2.0], 2).softmax(0)]
    };
    "Device::fail_allocation" => |o| {
        let device = o.fresh_device();
        device.fail_allocation(o.seed());
        device.tensor(&[1.0, 2.0], 2).softmax(0).exp()
    };
    "Device::set_plan_cache_limit" => |o| {
        let device = o.fresh_device();
        device.set_plan_cache_limit(o.maybe(Odd::seed));
        for length in 1..12 {
            drop(device.ones([length]).exp().run());
        }
        (device.plan_cache(), device.zeros(o.shape()))
    };
    "Device::plan_cache" => |o| o.device().plan_cache();
    "Device::memory_limit" => |o| o.device().memory_limit();
    "Device::memory_use" => |o| o.device().memory_use();
    "Device::trim_memory" => |o| o.device().trim_memory();
    "Device::set_tune" => |o| {
        let device = o.fresh_device();
        device.set_tune(Tune::Off);
        device.tensor(&[1.0, 2.0], 2).softmax(0).exp()
    };
    "Device::set_shader_checks" => |o| {
        let device = o.fresh_device();
        device.set_shader_checks(o.pick(&[ShaderChecks::Checked, ShaderChecks::Trusted]));
        device.tensor(&[1.0, 2.0], 2).softmax(0).exp()
    };
    "Device::update_with_next_step" => |o| {
        let device = o.fresh_device();
        device.update_with_next_step(&o.tensor());
        device.tensor(&[1.0, 2.0], 2).exp()
    };
    "Tensor::bernoulli" => |o| o.tensor().bernoulli(o.seed(), o.seed());
    "Tensor::categorical" => |o| o.tensor().categorical(o.seed(), o.seed());
    "Tensor::multinomial" => |o| o.tensor().multinomial(o.size(), o.flag(), o.seed());
    "Tensor::poisson" => |o| o.tensor().poisson(o.seed());
    "Tensor::gamma" => |o| o.tensor().gamma(o.seed());
    "Tensor::beta" => |o| o.near(&[2, 3]).beta(&o.near(&[2, 3]), o.seed());
    "Tensor::dirichlet" => |o| o.tensor().dirichlet(o.seed());
    "Tensor::masked_select" => |o| o.near(&[2, 3]).masked_select(&o.mask(&[2, 3]));
    "Tensor::nonzero" => |o| o.tensor().nonzero();
    "Tensor::unique" => |o| o.tensor().unique();
    "Tensor::bincount" => |o| o.labels(&[4], 5).bincount(o.maybe(|o| o.near(&[4])).as_ref(), o.size());
    "Tensor::set" => |o| o.near(&[4]).set(&o.singles());
    "Tensor::set" => |o| o.tensor().set(&o.many(Odd::u32));
    "Tensor::copy_from" => |o| o.tensor().copy_from(&o.tensor());
    "Tensor::copy_from" => |o| o.near(&[4]).copy_from(&o.near(&[4]));
    "Tensor::is_leaf" => |o| o.tensor().is_leaf();
    "Tensor::run" => |o| o.tensor().run();
    "Tensor::to_vec" => |o| o.tensor().to_vec::<f32>();
    "Tensor::to_vec" => |o| o.tensor().to_vec::<u32>();
    "Tensor::buffer" => |o| buffer(o);
    "Tensor::mark_changed" => |o| mark_changed(o);
    "Device::tensor_from_buffer" => |o| from_buffer(o);
    "Tensor::to_vec_async" => |o| wait(o.tensor().to_vec_async::<f32>());
    "Tensor::item" => |o| o.tensor().item();
    "Tensor::item_async" => |o| wait(o.tensor().item_async());
    "Tensor::device" => |o| o.tensor().device().zeros(o.shape());
};
