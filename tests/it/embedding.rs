//! A device that the application opened: what it must grant, what stays its own, and several users of one queue.
#![cfg(feature = "gpu")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use steepest::error::Unfit;
use steepest::gpu::Gpu;
use steepest::nn::{Activation, Linear, Module, Sequential};
use steepest::optim::{Adam, Optimizer};
use steepest::{Device, Error, Tensor, wgpu};

/// A program that has wgpu for itself.
pub struct Application {
    pub adapter: wgpu::Adapter,
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
}

impl Application {
    /// With a device of these features and limits; `None` is said aloud where there is no adapter.
    pub fn with(features: wgpu::Features, limits: &wgpu::Limits) -> Option<Application> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
        let adapters = pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(wgpu::Backends::all()));
        let Some(adapter) = adapters.into_iter().next() else {
            assert!(std::env::var("STEEPEST_REQUIRE_GPU").as_deref() != Ok("1"), "no adapter, and STEEPEST_REQUIRE_GPU=1");
            println!("SKIPPED (no adapter)");
            return None;
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("the application's"),
            required_features: features & adapter.features(),
            required_limits: limits.clone(),
            ..Default::default()
        }))
        .unwrap();
        Some(Application { adapter, device, queue })
    }

    /// With no more than this library asks for.
    pub fn new() -> Option<Application> {
        Application::with(Gpu::required_features(), &Gpu::required_limits())
    }

    pub fn shared(&self) -> Device {
        Device::from_wgpu(&self.adapter, &self.device, &self.queue).unwrap()
    }

    /// A buffer for kernels and copies.
    pub fn buffer(&self, floats: &[f32]) -> wgpu::Buffer {
        use wgpu::BufferUsages as Usage;
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("the application's"),
            size: 4 * floats.len() as u64,
            usage: Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST,
            mapped_at_creation: false,
        });
        self.write(&buffer, floats);
        buffer
    }

    /// Writes to the start of a buffer.
    pub fn write(&self, buffer: &wgpu::Buffer, floats: &[f32]) {
        let bytes: Vec<u8> = floats.iter().flat_map(|x| x.to_ne_bytes()).collect();
        self.queue.write_buffer(buffer, 0, &bytes);
    }

    /// What is in a buffer once all that was submitted is done.
    pub fn read(&self, buffer: &wgpu::Buffer, offset: u64, size: u64) -> Vec<f32> {
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("staging"),
            size,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, offset, &staging, 0, size);
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |mapped| mapped.unwrap());
        self.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        let view = staging.get_mapped_range(..).unwrap();
        view.as_chunks::<4>().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect()
    }
}

/// A short training; the losses.
fn train(device: &Device) -> Vec<f32> {
    let model = Sequential::new().add(Linear::new(device, 3, 16, 1)).add(Activation::Tanh).add(Linear::new(device, 16, 1, 2));
    let x = device.uniform([64, 3], -1.0, 1.0, 3);
    let y = (&x * &x).sum(&[1]).reshape([64, 1]);
    let mut optimizer = Adam::new(model.parameters(), 0.01);
    (0..30)
        .map(|_| {
            let difference = model.forward(&x) - &y;
            let loss = (&difference * &difference).mean(&[]);
            let gradients = loss.backward();
            optimizer.step(gradients.and_run(&[&loss])).unwrap();
            loss.item().unwrap()
        })
        .collect()
}

/// Ops of many kinds, as one row of numbers each.
fn ops(device: &Device) -> Vec<Vec<f32>> {
    let a = device.uniform([70, 33], -1.0, 1.0, 5);
    let b = device.uniform([33, 41], -1.0, 1.0, 6);
    let image = device.uniform([2, 3, 9, 9], -1.0, 1.0, 7);
    let kernels = device.uniform([4, 3, 3, 3], -1.0, 1.0, 8);
    let results: Vec<Tensor> = vec![
        a.matmul(&b),
        a.softmax(1),
        a.sum(&[0]),
        a.cumsum(1, false),
        a.sort(1, false).0,
        image.conv2d(&kernels, None, steepest::ConvOptions::default()),
        a.exp().mean(&[1]),
        a.transpose(0, 1).reshape([33 * 70]),
        a.argmax(1).to_f32(),
    ];
    results.iter().map(|result| result.to_vec().unwrap()).collect()
}

#[test]
fn without_any_optional_feature_the_numbers_are_right() {
    let Some(application) = Application::new() else { return };
    assert_eq!(application.device.features(), wgpu::Features::empty());
    let (shared, cpu) = (application.shared(), Device::cpu());
    assert!(shared.is_gpu() && shared.as_gpu().unwrap().features().iter().all(|(_, granted)| !granted));
    assert_eq!(shared.as_gpu().unwrap().limits().storage_buffers, 8, "what was granted counts, not what the adapter has");
    let close = |found: &[f32], expected: &[f32]| {
        found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 2e-5 * (1.0 + b.abs()))
    };
    for (i, (found, expected)) in ops(&shared).iter().zip(&ops(&cpu)).enumerate() {
        assert!(close(found, expected), "op {i}: {found:?} instead of {expected:?}");
    }
    let (found, expected) = (train(&shared), train(&cpu));
    assert!(expected[29] < 0.7 * expected[0], "{expected:?}");
    assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-3 * (1.0 + b.abs())), "{found:?} / {expected:?}");
}

#[test]
fn what_more_is_granted_is_used() {
    let Some(least) = Application::new() else { return };
    let (features, limits) = (Gpu::optional_features(&least.adapter), Gpu::preferred_limits(&least.adapter));
    let Some(application) = Application::with(features, &limits) else { return };
    let shared = application.shared();
    let gpu = shared.as_gpu().unwrap();
    assert_eq!(gpu.has_timestamps(), features.contains(wgpu::Features::TIMESTAMP_QUERY));
    assert_eq!(gpu.limits().buffer_bytes, limits.max_buffer_size);
    let own = steepest::Device::named(&least.adapter.get_info().name).unwrap();
    assert_eq!(gpu.limits(), own.as_gpu().unwrap().limits(), "as much as a device of its own gets");
    assert_eq!(shared.ones([8, 8]).sum(&[]).item().unwrap(), 64.0);
}

#[test]
fn several_users_of_one_queue_do_not_disturb_each_other() {
    let Some(application) = Application::new() else { return };
    let devices = [application.shared(), application.shared()];
    assert_ne!(devices[0], devices[1]);
    let expected = train(&devices[0]);
    std::thread::scope(|scope| {
        let trainings: Vec<_> = devices.iter().map(|device| scope.spawn(|| train(device))).collect();
        for _ in 0..50 {
            let buffer = application.buffer(&[1.0, 2.0, 3.0]);
            assert_eq!(application.read(&buffer, 0, 12), [1.0, 2.0, 3.0]);
        }
        for training in trainings {
            assert_eq!(training.join().unwrap(), expected, "to the bit");
        }
    });
    // What one of them made is not the other's.
    let mixed = &devices[0].ones(2) + &devices[1].ones(2);
    assert!(mixed.run().is_err());
    // One of them goes; the other and the application go on.
    let [first, second] = devices;
    drop(first);
    assert_eq!(train(&second), expected);
    drop(second);
    let buffer = application.buffer(&[7.0]);
    assert_eq!(application.read(&buffer, 0, 4), [7.0]);
    // Of a device of the library's own, the handles can be shared in the same way.
    let own = Device::named(&application.adapter.get_info().name).unwrap();
    let (adapter, device, queue) = own.as_gpu().unwrap().handles();
    let guest = Device::from_wgpu(adapter, device, queue).unwrap();
    assert_eq!((guest.ones(3) * 2.0).to_vec::<f32>().unwrap(), [2.0; 3]);
}

#[test]
fn handlers_and_scopes_of_the_application_stay_its_own() {
    let Some(application) = Application::new() else { return };
    let (device, errors, lost) = (&application.device, Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(vec![])));
    let count = Arc::clone(&errors);
    device.on_uncaptured_error(Arc::new(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    let note = Arc::clone(&lost);
    device.set_device_lost_callback(move |reason, _| note.lock().unwrap().push(reason));
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let shared = application.shared();
    train(&shared);
    // What fails here is an error here only: more than the device can bind, and what a test has fail.
    assert!(shared.zeros(64 << 20).run().is_err());
    shared.fail_allocation(1);
    assert!((shared.ones(1000) + 1.0).run().is_err());
    shared.fail_allocation(0);
    assert!(pollster::block_on(scope.pop()).is_none(), "the application's scope saw an error that is not its own");
    assert_eq!(errors.load(Ordering::Relaxed), 0);
    // An error of the application's own goes where it went before.
    let wrong = |device: &wgpu::Device| {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 1 << 40,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    };
    wrong(device);
    assert_eq!(errors.load(Ordering::Relaxed), 1);
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    wrong(device);
    assert!(pollster::block_on(scope.pop()).is_some());
    assert_eq!((shared.ones(5) + 1.0).sum(&[]).item().unwrap(), 10.0, "none of it is this library's fault");
    assert!(lost.lock().unwrap().is_empty());

    device.destroy();
    let x = shared.ones(5);
    let error = (&x + 1.0).sum(&[]).item().unwrap_err();
    assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
    // Until something is submitted, nobody knows; from then on all is an error.
    for _ in 0..3 {
        assert!(matches!((&x * 2.0).run(), Err(Error::DeviceLost { .. })));
    }
    let _ = device.poll(wgpu::PollType::wait_indefinitely());
    assert_eq!(*lost.lock().unwrap(), [wgpu::DeviceLostReason::Destroyed], "the application hears of it");
    assert_eq!(errors.load(Ordering::Relaxed), 1);
    let again = Device::from_wgpu(&application.adapter, device, &application.queue);
    assert!(matches!(again, Err(Error::DeviceLost { .. })), "{again:?}");
}

#[test]
fn a_training_on_a_device_that_goes_ends_with_an_error() {
    let Some(application) = Application::new() else { return };
    let shared = application.shared();
    let model = Linear::new(&shared, 4, 1, 1);
    let mut optimizer = Adam::new(model.parameters(), 0.01);
    let x = shared.uniform([8, 4], -1.0, 1.0, 1);
    let mut step = || optimizer.step(model.forward(&x).sum(&[]).backward());
    step().unwrap();
    application.device.destroy();
    let failed = (0..40).find_map(|_| step().err());
    assert!(matches!(failed, Some(Error::DeviceLost { .. })), "{failed:?}");
    // Runs alone, that nobody waits for and that read nothing back: known from the next submission on.
    let Some(application) = Application::new() else { return };
    let shared = application.shared();
    let x = shared.ones(5);
    x.run().unwrap();
    application.device.destroy();
    let _first = (&x * 2.0).run();
    for _ in 0..3 {
        let after = (&x * 3.0).run();
        assert!(matches!(after, Err(Error::DeviceLost { .. })), "{after:?}");
    }
}

#[test]
fn what_does_not_suit_is_refused_by_name() {
    let Some(application) = Application::new() else { return };
    let limits = |change: fn(&mut wgpu::Limits)| {
        let mut limits = Gpu::required_limits();
        change(&mut limits);
        let application = Application::with(wgpu::Features::empty(), &limits).unwrap();
        Device::from_wgpu(&application.adapter, &application.device, &application.queue).unwrap_err()
    };
    let error = limits(|limits| limits.max_storage_buffers_per_shader_stage = 4);
    let Error::UnfitDevice { reason: Unfit::TooLow { limit, found: 4, needed: 8 }, .. } = &error else { panic!("{error}") };
    assert_eq!(*limit, "max_storage_buffers_per_shader_stage");
    assert!(error.to_string().contains("`max_storage_buffers_per_shader_stage` is 4, needed is at least 8"), "{error}");
    let error = limits(|limits| limits.max_compute_workgroup_storage_size = 16352);
    assert!(matches!(error, Error::UnfitDevice { reason: Unfit::TooLow { found: 16352, needed: 16384, .. }, .. }), "{error}");

    // The queue of another device, whatever either has submitted before.
    let Some(other) = Application::new() else { return };
    for (busy, times) in [(&application, 3), (&other, 6)] {
        for _ in 0..times {
            busy.queue.submit([]);
        }
        let mixed = Device::from_wgpu(&application.adapter, &application.device, &other.queue);
        assert!(matches!(mixed, Err(Error::UnfitDevice { reason: Unfit::OtherQueue, .. })), "{mixed:?}");
    }
    assert_eq!(application.shared().ones(2).sum(&[]).item().unwrap(), 2.0);
    assert_eq!(other.shared().ones(2).sum(&[]).item().unwrap(), 2.0);
}
