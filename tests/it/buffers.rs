//! Buffers in and out without copies: who sees what when, and buffers that cannot be used.

use crate::embedding::Application;
use crate::particles::{self, Host};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use steepest::error::BufferFault;
use steepest::optim::{Optimizer, Sgd};
use steepest::{DType, Device, Error, Tensor, wgpu};

fn read(tensor: &Tensor) -> Vec<f32> {
    tensor.to_vec().unwrap()
}

#[test]
fn a_tensor_in_the_applications_buffer_is_read_where_it_is() {
    let Some(application) = Application::new() else { return };
    let device = application.shared();
    device.wait().unwrap();
    let numbers: Vec<f32> = (0..100_000).map(|i| i as f32).collect();
    let buffer = application.buffer(&numbers);
    let before = (device.memory_use().live, device.as_gpu().unwrap().counts().buffers);
    let whole = device.tensor_from_buffer(&buffer, 0, [100, 1000], DType::F32).unwrap();
    let part = device.tensor_from_buffer(&buffer, 4 * 512, 3, DType::F32).unwrap();
    whole.run().unwrap();
    let after = (device.memory_use().live, device.as_gpu().unwrap().counts().buffers);
    assert_eq!(after.1, before.1, "no buffer was made for it");
    assert!(after.0 - before.0 < 4096, "and no memory counted: {before:?} {after:?}");
    assert_eq!(read(&whole), numbers);
    assert_eq!(read(&part), [512.0, 513.0, 514.0]);
    assert_eq!(read(&(&part * 2.0)), [1024.0, 1026.0, 1028.0]);
    assert_eq!(whole.sum(&[1]).to_vec::<f32>().unwrap()[1], (1000..2000).map(|i| i as f32).sum::<f32>());
    // Together with others in one run, and as an operand of a product.
    let w = device.uniform([1000, 8], -1.0, 1.0, 3);
    let copy = device.tensor(&numbers, [100, 1000]);
    assert_eq!(read(&whole.matmul(&w)), read(&copy.matmul(&w)));
    // Other types: the same words.
    let words = application.buffer(&[f32::from_bits(7), f32::from_bits(1), f32::from_bits(0), f32::from_bits(0x4000_3c00)]);
    let typed = |dtype| device.tensor_from_buffer(&words, 0, 3, dtype).unwrap();
    assert_eq!(typed(DType::U32).to_vec::<u32>().unwrap(), [7, 1, 0]);
    assert_eq!(typed(DType::I32).to_vec::<i32>().unwrap(), [7, 1, 0]);
    assert_eq!((typed(DType::U32) + device.tensor(&[1u32, 1, 1], 3)).to_vec::<u32>().unwrap(), [8, 2, 1]);
    let halves = application.buffer(&[f32::from_bits(0x4000_3c00), f32::from_bits(0x0000_c000), 0.0, 0.0]);
    assert_eq!(read(&device.tensor_from_buffer(&halves, 0, 3, DType::F16).unwrap()), [1.0, 2.0, -2.0]);
    let half = device.tensor_from_buffer(&halves, 0, 3, DType::F16).unwrap();
    assert_eq!(read(&(half.to_f32() * 2.0)), [2.0, 4.0, -4.0]);
    let flags = device.tensor_from_buffer(&application.buffer(&[1, 0, 1, 0].map(f32::from_bits)), 0, 3, DType::Bool).unwrap();
    assert_eq!(flags.to_vec::<bool>().unwrap(), [true, false, true]);
    assert_eq!(read(&(flags.to_f32() * 3.0)), [3.0, 0.0, 3.0]);
    let empty = device.tensor_from_buffer(&buffer, 0, [0, 4], DType::F32).unwrap();
    assert_eq!(read(&empty), [0.0; 0]);
    assert_eq!(empty.sum(&[]).item().unwrap(), 0.0);
}

#[test]
fn a_run_sees_what_was_submitted_before_it() {
    let Some(application) = Application::new() else { return };
    let device = application.shared();
    let buffer = application.buffer(&[1.0, 2.0, 3.0, 4.0]);
    let x = device.tensor_from_buffer(&buffer, 0, 4, DType::F32).unwrap();
    for round in 0..50 {
        let at = round as f32;
        application.write(&buffer, &[at, at + 1.0, at + 2.0, at + 3.0]);
        let y = &x * 10.0;
        y.run().unwrap();
        // Written after the run and before anybody has looked.
        application.write(&buffer, &[-1.0; 4]);
        assert_eq!(read(&y), [10.0 * at, 10.0 * (at + 1.0), 10.0 * (at + 2.0), 10.0 * (at + 3.0)], "round {round}");
        assert_eq!(read(&x), [-1.0; 4]);
    }
    // What was recorded before a change is stale once that is said; what is recorded afterwards is not.
    let recorded = &x + 1.0;
    application.write(&buffer, &[5.0; 4]);
    x.mark_changed();
    assert!(matches!(recorded.to_vec::<f32>(), Err(Error::Op { .. })));
    assert_eq!(read(&(&x + 1.0)), [6.0; 4]);
    // And so is a gradient that would mix both.
    let w = device.parameter(&[1.0, 1.0, 1.0, 1.0], 4);
    let loss = (&w * &x * &w).sum(&[]);
    loss.run().unwrap();
    application.write(&buffer, &[6.0; 4]);
    x.mark_changed();
    assert!(Sgd::new([w.clone()], 0.1).step(loss.backward()).is_err());
    let loss = (&w * &x).sum(&[]);
    Sgd::new([w.clone()], 0.5).step(loss.backward()).unwrap();
    assert_eq!(read(&w), [-2.0; 4]);
}

#[test]
fn the_application_finds_a_tensor_in_its_buffer() {
    let Some(application) = Application::new() else { return };
    let device = application.shared();
    let y = device.arange(1000) * 2.0;
    let place = y.buffer().unwrap();
    assert_eq!((place.size, y.buffer().unwrap().buffer == place.buffer), (4000, true), "the same buffer each time");
    let expected: Vec<f32> = (0..1000).map(|i| 2.0 * i as f32).collect();
    assert_eq!(application.read(&place.buffer, place.offset, place.size), expected);
    // As long as it is held, nothing else is stored there.
    drop(y);
    for i in 0..20 {
        let other = device.arange(1000) + f64::from(i);
        other.run().unwrap();
        assert!(other.buffer().unwrap().buffer != place.buffer);
    }
    assert_eq!(application.read(&place.buffer, place.offset, place.size), expected);
    let live = device.memory_use().live;
    drop(place);
    assert!(device.memory_use().live <= live - 4000, "then it is free again");
    // What was given and never used by a run, and what is empty.
    let tensor = device.tensor(&[1.0, 2.0, 3.0], 3);
    let given = tensor.buffer().unwrap();
    assert_eq!(application.read(&given.buffer, given.offset, given.size), [1.0, 2.0, 3.0]);
    application.queue.write_buffer(&given.buffer, given.offset, &9.0f32.to_ne_bytes());
    assert_eq!(read(&(&tensor + 1.0)), [10.0, 3.0, 4.0], "what is given is there and nowhere else");
    assert_eq!(device.zeros([0, 2]).buffer().unwrap().size, 0);
    // And back in: what comes out of one device goes into another on the same queue.
    let other = application.shared();
    let x = device.ones([2, 2]) * 3.0;
    let place = x.buffer().unwrap();
    let again = other.tensor_from_buffer(&place.buffer, place.offset, [2, 2], DType::F32).unwrap();
    assert_eq!(read(&(&again + 1.0)), [4.0; 4]);
}

#[test]
fn a_parameter_has_each_value_in_the_same_buffer() {
    let Some(application) = Application::new() else { return };
    let device = application.shared();
    let w = device.parameter(&[4.0, 8.0], 2);
    let mut optimizer = Sgd::new([w.clone()], 0.25);
    let mut step = || optimizer.step((&w * &w).sum(&[]).backward()).unwrap();
    step();
    let place = w.buffer().unwrap();
    for _ in 0..3 {
        step();
        device.flush().unwrap();
        let found = application.read(&place.buffer, place.offset, place.size);
        assert_eq!(found, read(&w));
    }
    assert_eq!(read(&w), [0.25, 0.5]);
    assert!(w.buffer().unwrap().buffer == place.buffer);
    // Parameters that are updated together are in one buffer, each from its own place on.
    let pair = [device.parameter(&[1.0; 100], 100), device.parameter(&[2.0; 7], 7)];
    let mut both = Sgd::new(pair.clone(), 0.5);
    for _ in 0..2 {
        both.step((pair[0].sum(&[]) + &pair[1].sum(&[])).backward()).unwrap();
    }
    let places = pair.each_ref().map(|p| p.buffer().unwrap());
    let found = places.each_ref().map(|place| application.read(&place.buffer, place.offset, place.size));
    assert_eq!(found, [vec![0.0; 100], vec![1.0; 7]]);
    application.queue.write_buffer(&places[1].buffer, places[1].offset, &5.0f32.to_ne_bytes());
    pair[1].mark_changed();
    assert_eq!((read(&pair[0]), read(&pair[1])), (vec![0.0; 100], vec![5.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]));
    // The application writes there, and says so.
    let recorded = &w * 2.0;
    device.flush().unwrap();
    let bytes: Vec<u8> = [1.0f32, -1.0].iter().flat_map(|x| x.to_ne_bytes()).collect();
    application.queue.write_buffer(&place.buffer, place.offset, &bytes);
    w.mark_changed();
    assert!(recorded.run().is_err());
    assert_eq!(read(&(&w * 2.0)), [2.0, -2.0]);
}

#[test]
fn what_was_recorded_is_there_after_a_flush() {
    let Some(application) = Application::new() else { return };
    let device = application.shared();
    // Much to do, so that small runs are collected.
    let busy = device.uniform([512, 512], -0.1, 0.1, 1);
    for round in 0..20 {
        let work = busy.matmul(&busy);
        work.run().unwrap();
        let y = device.full(64, f64::from(round)) + 1.0;
        y.run().unwrap();
        let place = y.buffer().unwrap();
        let twice = &y * 2.0;
        twice.run().unwrap();
        device.flush().unwrap();
        application.queue.write_buffer(&place.buffer, place.offset, &[0; 256]);
        assert_eq!(read(&twice), [2.0 * (round as f32 + 1.0); 64], "it was submitted before the write");
        y.mark_changed();
        assert_eq!(read(&y), [0.0; 64]);
    }
}

fn fault(result: Result<impl std::fmt::Debug, Error>) -> BufferFault {
    match result {
        Err(Error::Buffer { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn buffers_that_cannot_be_used_are_refused_by_name() {
    let Some(application) = Application::new() else { return };
    let errors = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&errors);
    application.device.on_uncaptured_error(Arc::new(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    let device = application.shared();
    let good = application.buffer(&[1.0; 128]);
    let cpu = Device::cpu();
    assert_eq!(fault(cpu.tensor_from_buffer(&good, 0, 4, DType::F32)), BufferFault::NoGpu);
    assert_eq!(fault(cpu.ones(2).buffer()), BufferFault::NoGpu);
    let from = |buffer: &wgpu::Buffer, offset, count: usize| device.tensor_from_buffer(buffer, offset, count, DType::F32);
    let made = |size: u64, usage: wgpu::BufferUsages, mapped: bool| {
        application.device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: mapped })
    };
    use wgpu::BufferUsages as Usage;
    let all = Usage::STORAGE | Usage::COPY_SRC;
    let missing = |usage| match fault(from(&made(64, usage, false), 0, 4)) {
        BufferFault::Usage { missing } => missing,
        other => panic!("{other}"),
    };
    assert_eq!(missing(Usage::COPY_SRC), "STORAGE");
    assert_eq!(missing(Usage::VERTEX), "COPY_SRC and STORAGE");
    let alignment = u64::from(application.device.limits().min_storage_buffer_offset_alignment);
    assert_eq!(fault(from(&good, 4, 4)), BufferFault::Alignment { offset: 4, alignment });
    assert_eq!(fault(from(&good, 0, 129)), BufferFault::TooSmall { offset: 0, needed: 516, found: 512 });
    assert_eq!(fault(from(&good, 256, 65)), BufferFault::TooSmall { offset: 256, needed: 260, found: 256 });
    let (beyond, none) = (u64::MAX / alignment * alignment, BufferFault::TooSmall { offset: 512, needed: 16, found: 0 });
    assert_eq!(fault(from(&good, 512, 1)), none);
    assert!(matches!(fault(from(&good, beyond, 1)), BufferFault::TooSmall { found: 0, .. }));
    assert_eq!(fault(from(&made(8, all, false), 0, 1)), BufferFault::TooSmall { offset: 0, needed: 16, found: 8 });
    assert!(matches!(from(&good, 0, usize::MAX), Err(Error::Op { .. })), "no such shape");
    {
        // A buffer of which a kernel can be given only a part.
        let limits = wgpu::Limits { max_buffer_size: 256 << 20, ..steepest::gpu::Gpu::required_limits() };
        let roomy = Application::with(wgpu::Features::empty(), &limits).unwrap();
        let device = roomy.shared();
        let descriptor = wgpu::BufferDescriptor { label: None, size: (128 << 20) + 256, usage: all, mapped_at_creation: false };
        let large = roomy.device.create_buffer(&descriptor);
        let most = device.tensor_bytes();
        assert_eq!(most, 128 << 20);
        match device.tensor_from_buffer(&large, 0, (32 << 20) + 1, DType::F32) {
            Err(Error::TooLarge { bytes, limit, .. }) => assert_eq!((bytes, limit), (most + 4, most)),
            other => panic!("{other:?}"),
        }
        assert_eq!(read(&device.tensor_from_buffer(&large, 128 << 20, 4, DType::F32).unwrap()), [0.0; 4]);
    }
    // Mapped: refused until it is unmapped.
    let mapped = made(64, all, true);
    assert_eq!(fault(from(&mapped, 0, 4)), BufferFault::Mapped);
    mapped.unmap();
    assert_eq!(read(&from(&mapped, 0, 4).unwrap()), [0.0; 4]);
    let gone = made(64, all, false);
    gone.destroy();
    assert_eq!(fault(from(&gone, 0, 4)), BufferFault::Destroyed);
    // Another device's, opened by the same program on the same adapter, or anywhere else.
    let (second, queue) = pollster::block_on(application.adapter.request_device(&wgpu::DeviceDescriptor::default())).unwrap();
    let foreign = second.create_buffer(&wgpu::BufferDescriptor { label: None, size: 64, usage: all, mapped_at_creation: false });
    assert_eq!(fault(from(&foreign, 0, 4)), BufferFault::OtherDevice);
    queue.submit([]);
    let elsewhere = Application::new().unwrap();
    let foreign = elsewhere.device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 4096 + 48,
        usage: all,
        mapped_at_creation: false,
    });
    assert_eq!(fault(from(&foreign, 0, 4)), BufferFault::OtherDevice);
    // An update in place.
    let x = from(&good, 0, 4).unwrap();
    let update = x.sgd_update(&device.ones(4), None, 1.0, 1.0);
    assert_eq!(fault(update.run()), BufferFault::Updated);
    assert_eq!(application.read(&good, 0, 16), [1.0; 4], "nothing was written there");
    // None of it has harmed anything, or reached the application.
    assert_eq!(read(&(&x + &device.ones(4))), [2.0; 4]);
    assert_eq!(errors.load(Ordering::Relaxed), 0);
}

#[test]
fn a_buffer_that_goes_away_harms_only_what_reads_it() {
    let Some(application) = Application::with(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS, &steepest::gpu::Gpu::required_limits())
    else {
        return;
    };
    let errors = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&errors);
    application.device.on_uncaptured_error(Arc::new(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    let device = application.shared();
    let busy = device.uniform([256, 256], -0.1, 0.1, 1);
    let buffer = application.buffer(&[2.0; 64]);
    let x = device.tensor_from_buffer(&buffer, 0, 64, DType::F32).unwrap();
    let good = &x * 2.0;
    good.run().unwrap();
    // Others' work that waits in a command list when the buffer turns out to be gone.
    let others: Vec<Tensor> = (0..10).map(|i| busy.matmul(&busy).sum(&[]) * 0.0 + f64::from(i)).collect();
    device.run(&others).unwrap();
    let w = device.parameter(&[1.0; 64], 64);
    buffer.destroy();
    assert_eq!(fault((&x + 1.0).to_vec::<f32>()), BufferFault::Destroyed);
    assert_eq!(fault(x.to_vec::<f32>()), BufferFault::Destroyed);
    assert_eq!(fault(pollster::block_on(x.to_vec_async::<f32>())), BufferFault::Destroyed);
    // A step that reads it is not done, and the next one is.
    let mut optimizer = Sgd::new([w.clone()], 0.5);
    assert_eq!(fault(optimizer.step((&w * &x).sum(&[]).backward())), BufferFault::Destroyed);
    assert_eq!(read(&w), [1.0; 64]);
    optimizer.step(w.sum(&[]).backward()).unwrap();
    assert_eq!(read(&w), [0.5; 64]);
    for (i, other) in others.iter().enumerate() {
        assert_eq!(other.item().unwrap(), i as f32);
    }
    assert_eq!(read(&good), [4.0; 64], "computed before");
    if application.device.features().contains(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS) {
        use wgpu::BufferUsages as Usage;
        let usage = Usage::STORAGE | Usage::COPY_SRC | Usage::MAP_WRITE;
        let descriptor = wgpu::BufferDescriptor { label: None, size: 64, usage, mapped_at_creation: false };
        let buffer = application.device.create_buffer(&descriptor);
        let x = device.tensor_from_buffer(&buffer, 0, 16, DType::F32).unwrap();
        assert_eq!(read(&(&x + 1.0)), [1.0; 16]);
        buffer.map_async(wgpu::MapMode::Write, .., |mapped| mapped.unwrap());
        application.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        assert_eq!(fault((&x + 2.0).to_vec::<f32>()), BufferFault::Mapped);
        buffer.unmap();
        assert_eq!(read(&(&x + 2.0)), [2.0; 16]);
    }
    assert_eq!(errors.load(Ordering::Relaxed), 0);
}

#[test]
fn the_applications_memory_is_let_go() {
    let Some(application) = Application::new() else { return };
    let device = application.shared();
    let memory = || {
        device.wait().unwrap();
        application.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        application.device.get_internal_counters().hal.buffer_memory.read()
    };
    let frame = |value: f32| {
        let buffer = application.buffer(&vec![value; 1 << 20]);
        let x = device.tensor_from_buffer(&buffer, 0, 1 << 20, DType::F32).unwrap();
        assert_eq!(x.max(&[]).item().unwrap(), value);
    };
    frame(1.0);
    let before = memory();
    for i in 0..10 {
        frame(i as f32);
    }
    assert!(memory() <= before + (1 << 20), "{before} bytes, then {}: kept in bind groups", memory());
}

/// The example computes and draws on one device of its own: the picture shows what was computed.
#[test]
fn the_picture_shows_what_was_computed() {
    let Some(Application { adapter, .. }) = Application::new() else { return };
    let host = pollster::block_on(Host::open(&adapter.get_info().name)).unwrap();
    let (count, frames, side) = (500, 7, particles::SIDE as usize);
    let pixels = particles::animate(&host, count, frames).unwrap();
    let lit: Vec<bool> = pixels.as_chunks::<4>().0.iter().map(|pixel| pixel[2] > 0).collect();
    // The same in plain Rust.
    let mut expected = vec![];
    for i in 0..count {
        let (turn, radius) = (20.0 * i as f64 / count as f64, 0.9 * (i as f64 + 0.5) / count as f64);
        let (mut at, mut speed) = ([radius * turn.cos(), radius * turn.sin()], [-radius * turn.sin(), radius * turn.cos()]);
        for _ in 0..frames {
            let distance = at[0] * at[0] + at[1] * at[1];
            for k in 0..2 {
                speed[k] -= at[k] / (distance + 0.5) * particles::SECONDS;
            }
            for k in 0..2 {
                at[k] += speed[k] * particles::SECONDS;
            }
        }
        // Of a picture the first row is the upper one.
        expected.push([at[0], -at[1]].map(|x| (x + 1.0) / 2.0 * side as f64));
    }
    let beside = |pixel: usize, at: f64| (pixel as f64 + 0.5 - at).abs() <= 1.0;
    let near = |[x, y]: [f64; 2], column: usize, row: usize| beside(column, x) && beside(row, y);
    for &[x, y] in &expected {
        let around = |at: f64| (at as usize).saturating_sub(1)..(at as usize + 2).min(side);
        let found = around(y).any(|row| around(x).any(|column| lit[row * side + column] && near([x, y], column, row)));
        assert!(found, "no particle is drawn at {x:.1}, {y:.1}");
    }
    let drawn = (0..side * side).filter(|&i| lit[i]);
    for i in drawn.clone() {
        assert!(expected.iter().any(|&at| near(at, i % side, i / side)), "drawn where none is: {} {}", i % side, i / side);
    }
    assert!(drawn.count() > count / 2);
    // And it is a picture that other programs read.
    let file = particles::png(&pixels).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(&file)).read_info().unwrap();
    let mut decoded = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut decoded).unwrap();
    assert_eq!(decoded, pixels);
}

/// A read that was begun is of the value as it was then, whatever is said of the tensor while it is under way.
#[test]
fn what_was_begun_before_a_change_is_of_before() {
    let Some(application) = Application::new() else { return };
    let shared = application.shared();
    let buffer = application.buffer(&[2.0; 64]);
    let outside = shared.tensor_from_buffer(&buffer, 0, 64, DType::F32).unwrap();
    let cpu = Device::cpu();
    for (device, x) in [(&cpu, cpu.full(64, 2.0)), (&shared, outside)] {
        x.run().unwrap();
        for _ in 0..20 {
            // The device's thread is busy with another read when this one is asked for.
            let busy = device.uniform([256, 256], -0.1, 0.1, 1).matmul(&device.uniform([256, 256], -0.1, 0.1, 2));
            let mut first = Box::pin(busy.to_vec_async::<f32>());
            let mut read = Box::pin((&x * 10.0).to_vec_async::<f32>());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let _ = first.as_mut().poll(&mut context);
            let found = read.as_mut().poll(&mut context);
            x.mark_changed();
            let found = match found {
                std::task::Poll::Ready(found) => found,
                std::task::Poll::Pending => pollster::block_on(read),
            };
            assert_eq!(found.unwrap(), [20.0; 64], "{device}");
        }
    }
}
