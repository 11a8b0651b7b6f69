//! The device under its plans: what is made anew, memory, limits, faults, loss, threads, adapters.

use super::super::adapters;
use super::*;
use crate::error::Error;
use crate::plan::Target;
use std::time::{Duration, Instant};

#[test]
fn a_steady_loop_makes_nothing_anew() {
    let Some(gpu) = gpu() else { return };
    let n = 5000;
    let prepared = gpu.prepare(chain(n)).expect("prepares");
    let y = gpu.upload(&floats(&vec![1.0; n])).expect("uploads");
    let step = |i: u32| {
        let x = gpu.upload(&floats(&vec![i as f32; n])).expect("uploads");
        gpu.run(&prepared, &[x, Arc::clone(&y)], &[], &floats(&[1.0, i as f32])).expect("runs")
    };
    let mut last = step(0);
    for i in 1..4 {
        last = step(i);
    }
    let before = gpu.counts();
    let live = gpu.live_bytes();
    for i in 4..54 {
        last = step(i);
    }
    let after = gpu.counts();
    assert_eq!(after.dispatches - before.dispatches, 100);
    assert!(after.submissions - before.submissions <= 50);
    assert_eq!((after.bind_groups, after.pipelines, after.buffers), (before.bind_groups, before.pipelines, before.buffers));
    assert_eq!(gpu.live_bytes(), live);
    assert_eq!(fetch_floats(&gpu, &last[0])[n - 1], 53.0 * 54.0 + 1.0);
}

/// Scalars and small uploads that change from run to run must each meet their own run, also when many runs share a list, and memory that one
/// run gives back may be uploaded to by the next.
#[test]
fn runs_that_share_a_list_meet_their_own_numbers() {
    let Some(gpu) = gpu() else { return };
    let n = 100;
    let plan = plan(&[n, n], &[], &[n], vec![axpy(n, [leaf(0, n), leaf(1, n)], output(0, n), 0)]);
    let prepared = gpu.prepare(plan).expect("works");
    let run = |gpu: &Gpu, i: usize| {
        let leaves = [i as f32, 1.0].map(|v| gpu.upload(&floats(&[v; 100])).expect("works"));
        gpu.run(&prepared, &leaves, &[], &floats(&[i as f32])).expect("works").remove(0)
    };
    gpu.core.pretend_busy();
    gpu.wait().expect("works");
    let before = gpu.counts();
    // Two thirds are dropped unread, so that their memory is used again while they wait.
    let kept: Vec<_> = (0..300).map(|i| (i, run(&gpu, i))).filter(|(i, _)| i % 3 == 0).collect();
    let shared = gpu.counts().submissions - before.submissions;
    assert!((1..=300 / 8).contains(&shared), "{shared} lists for 300 runs");
    // An upload too large to be carried by a list comes after what waits all the same.
    let large = gpu.upload(&vec![7; 1 << 17]).expect("works");
    assert_eq!(fetch(&gpu, &large), vec![7; 1 << 17]);
    for (i, value) in kept {
        assert_eq!(fetch_floats(&gpu, &value), [(i * i + 1) as f32; 100], "run {i}");
    }
}

#[test]
fn memory_goes_back_to_the_pool() {
    let Some(gpu) = gpu() else { return };
    let start = gpu.live_bytes();
    let prepared = gpu.prepare(chain(4096)).expect("prepares");
    let x = gpu.upload(&[0; 4096]).expect("uploads");
    let out = gpu.run(&prepared, &[Arc::clone(&x), Arc::clone(&x)], &[], &[0, 0]).expect("runs");
    assert_eq!(gpu.live_bytes() - start, 3 * 4 * 4096, "a leaf, a slot and an output");
    drop((prepared, x, out));
    assert_eq!(gpu.live_bytes(), start);
    assert_eq!(gpu.trim(), 3 * 4 * 4096);
    assert_eq!(gpu.pooled_bytes(), 0);
}

#[test]
fn what_is_too_large_is_an_error_with_the_limit() {
    let Some(gpu) = open(OpenOptions { minimal_limits: true }) else { return };
    let limit = gpu.limits().binding_bytes;
    assert_eq!(limit, 128 << 20);
    let words = (limit / 4) as usize + 1;
    let too_large = |error: Error| matches!(error, Error::TooLarge { bytes, limit: l, .. } if bytes == limit + 4 && l == limit);
    assert!(too_large(gpu.upload(&vec![0; words]).expect_err("too large")));
    assert!(too_large(gpu.prepare(plan(&[], &[words], &[], vec![])).expect_err("too large")));
    let fits = gpu.upload(&vec![9; words - 1]).expect("the limit itself is allowed");
    assert!(fetch(&gpu, &fits).iter().all(|&w| w == 9));
}

#[test]
fn variants_are_chosen_by_kind_and_limits() {
    let who = |who: u32, memory: u32, target: Target| Variant {
        consts: vec![("WHO", who), ("MEMORY", memory)],
        target,
        ..Variant::new("t_who", [1, 1, 1])
    };
    let variants = vec![
        who(10, 1 << 20, Target::Any), // 4 MiB of workgroup memory: nowhere
        who(11, 6 << 10, Target::Any), // 24 KiB: not in a browser
        who(12, 1, Target::Hardware),
        who(13, 1, Target::Software),
        who(14, 1, Target::Any),
    ];
    for minimal_limits in [false, true] {
        let Some(gpu) = open(OpenOptions { minimal_limits }) else { return };
        let roomy = gpu.limits().workgroup_bytes >= 24 << 10;
        let ran = |force: Option<usize>| {
            gpu.force_variant(force);
            let who = kernel("who", variants.clone(), &[]);
            let prepared = gpu.prepare(plan(&[], &[], &[1], vec![dispatch(who, &[], &[output(0, 1)], 0..0)])).expect("prepares");
            fetch(&gpu, &gpu.run(&prepared, &[], &[], &[]).expect("runs")[0])[0]
        };
        let suited = if gpu.is_software() { 13 } else { 12 };
        assert_eq!(ran(None), if roomy { 11 } else { suited });
        let fitting: &[u32] = if roomy { &[11, 12, 13, 14] } else { &[12, 13, 14] };
        for (i, &expected) in fitting.iter().enumerate() {
            assert_eq!(ran(Some(i)), expected);
        }
        assert_eq!(ran(Some(99)), 14);
    }
}

#[test]
fn faults_are_errors_and_the_device_goes_on() {
    let Some(gpu) = gpu() else { return };
    let error = |plan: Arc<Plan>| gpu.prepare(plan).expect_err("refused").to_string();
    let bare = |shader| dispatch(kernel("k", vec![Variant::new(shader, [1, 1, 1])], &[1]), &[], &[output(0, 1)], 0..0);
    assert!(error(plan(&[], &[], &[1], vec![bare("t_missing")])).contains("no such file"));
    assert!(error(plan(&[], &[], &[1], vec![bare("t_axpy")])).contains("`x` has no buffer"));
    assert!(error(plan(&[], &[], &[1], vec![ones(2, output(0, 2))])).contains("binds 2 words of out0"));
    let long = dispatch(kernel("k", vec![Variant::new("t_ones", [1, 1, 1])], &[1, 2]), &[], &[output(0, 1)], 0..0);
    assert!(error(plan(&[], &[], &[1], vec![long])).contains("2 words for `params.n` of 4 bytes"));

    let n = 10;
    let prepared =
        gpu.prepare(plan(&[n, n], &[], &[], vec![axpy(n, [leaf(0, n), leaf(0, n)], leaf(1, n), 0)])).expect("prepares");
    let (x, z) = (gpu.upload(&floats(&[1.0; 10])).expect("uploads"), gpu.upload(&[0; 10]).expect("uploads"));
    assert!(gpu.run(&prepared, &[Arc::clone(&x)], &[], &[0]).is_err(), "a leaf is missing");
    assert!(gpu.run(&prepared, &[Arc::clone(&x), Arc::clone(&z)], &[], &[]).is_err(), "a scalar is missing");
    // At the latest once it is submitted.
    let twice = gpu.run(&prepared, &[Arc::clone(&x), Arc::clone(&x)], &[], &[0]).and_then(|_| gpu.wait());
    assert!(matches!(twice, Err(Error::Device { .. })), "one buffer read and written: {twice:?}");
    let Some(other) = super::gpu() else { return };
    let foreign = other.upload(&[0; 10]).expect("uploads");
    let mixed_up = |error: Option<Error>| assert!(error.is_some_and(|e| e.to_string().contains("another device")));
    mixed_up(gpu.run(&prepared, &[Arc::clone(&foreign), Arc::clone(&z)], &[], &[0]).err());
    mixed_up(gpu.copy(&foreign).err());
    mixed_up(pollster::block_on(gpu.read(foreign)).err());
    mixed_up(other.run(&prepared, &[Arc::clone(&x), Arc::clone(&z)], &[], &[0]).err());
    gpu.run(&prepared, &[x, Arc::clone(&z)], &[], &floats(&[2.0])).expect("runs after all that");
    assert_eq!(fetch_floats(&gpu, &z), [3.0; 10]);
}

#[test]
fn a_lost_device_is_an_error_within_a_second() {
    let Some(gpu) = gpu() else { return };
    let n = 1 << 20;
    let prepared = gpu.prepare(chain(n)).expect("prepares");
    let x = gpu.upload(&floats(&vec![1.0; n])).expect("uploads");
    let leaves = [Arc::clone(&x), Arc::clone(&x)];
    let mut out = gpu.run(&prepared, &leaves, &[], &[0, 0]).expect("runs");
    out.extend(gpu.run(&prepared, &leaves, &[], &[0, 0]).expect("runs"));
    gpu.lose();
    let start = Instant::now();
    let lost =
        |what: &str, result: Option<Error>| assert!(matches!(result, Some(Error::DeviceLost { .. })), "{what}: {result:?}");
    lost("fetch", pollster::block_on(gpu.read(Arc::clone(&out[0]))).err());
    lost("run", gpu.run(&prepared, &leaves, &[], &[0, 0]).err());
    lost("upload", gpu.upload(&[1]).err());
    lost("copy", gpu.copy(&x).err());
    lost("prepare", gpu.prepare(chain(10)).err());
    lost("wait", gpu.wait().err());
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(gpu.check().is_err());

    let Some(gpu) = super::gpu() else { return };
    let prepared = gpu.prepare(chain(10)).expect("prepares");
    let x = gpu.upload(&[0; 10]).expect("uploads");
    gpu.lose();
    lost("the first run", gpu.run(&prepared, &[Arc::clone(&x), x], &[], &[0, 0]).err());
}

#[test]
fn threads_take_turns() {
    let Some(gpu) = gpu() else { return };
    let n = 300;
    let prepared = gpu.prepare(chain(n)).expect("prepares");
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let (gpu, prepared) = (&gpu, &prepared);
            scope.spawn(move || {
                for round in 0..25u32 {
                    let (a, b) = ((thread + 1) as f32, (round + 1) as f32);
                    let x = gpu.upload(&floats(&vec![a; n])).expect("uploads");
                    let y = gpu.upload(&floats(&vec![b; n])).expect("uploads");
                    let out = gpu.run(prepared, &[x, y], &[], &floats(&[a, b])).expect("runs");
                    assert_eq!(fetch_floats(gpu, &out[0]), vec![b * (a * a + b) + b; n]);
                }
            });
        }
    });
}

#[test]
fn uploads_do_not_pile_up() {
    let Some(gpu) = gpu() else { return };
    let words: Vec<u32> = (0..20 << 18).collect();
    let kept: Vec<_> = (0..4).map(|_| gpu.upload(&words).expect("uploads")).collect();
    assert_eq!(gpu.counts().submissions, 1, "80 MiB were uploaded, 64 may wait");
    assert_eq!(fetch(&gpu, &kept[0]), words);
    assert_eq!(fetch(&gpu, &kept[3]), words);
}

#[test]
fn adapters_are_listed_in_a_fixed_order() {
    let list = || pollster::block_on(adapters());
    let first = list();
    assert_eq!(first, list());
    assert!(
        first.iter().rposition(|a| !a.software && a.backend != "gl") < first.iter().position(|a| a.software).or(Some(usize::MAX))
    );
    match pollster::block_on(Gpu::open(Some("no such adapter"))) {
        Err(Error::UnknownDevice { name, available }) => assert!(name == "no such adapter" && available.len() == first.len()),
        Err(Error::NoAdapter { .. }) => assert!(first.is_empty()),
        other => panic!("{other:?}"),
    }
    if first.iter().all(|a| a.software) {
        assert!(matches!(pollster::block_on(Gpu::open(None)), Err(Error::NoAdapter { .. })));
    }
}
