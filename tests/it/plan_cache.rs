//! The cache of plans: bounded by memory and not by number, kept by use, the same numbers whatever is kept.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::optim::{Adam, Optimizer};
use steepest::{Anomaly, Device, Error, Tensor};

/// Where something was, in steps of a toy recurrence: a graph that is longer for longer sequences.
fn walked(device: &Device, w: &Tensor, length: usize) -> Tensor {
    let x = device.tensor(&(0..length).map(|i| (i % 7) as f32 / 7.0).collect::<Vec<_>>(), [length]);
    let mut h = device.tensor(&[0.5f32], 1);
    for t in (0..length as isize).step_by(16) {
        h = (&h * w + x.slice(0, t..t + 1)).tanh();
    }
    (h + x.sum(&[])).sum(&[])
}

#[test]
fn lengths_that_come_again_find_their_plans() {
    for device in common::devices("many lengths") {
        let count = if device.is_gpu() { 40 } else { 199 };
        let w = device.parameter(&[0.3], 1);
        let mut first = vec![];
        for round in 0..3 {
            for (i, length) in (1..=count).enumerate() {
                let loss = walked(&device, &w, length);
                let gradient = loss.backward().wrt(&w).unwrap();
                device.run([&loss, &gradient]).unwrap();
                let bits = [loss.item().unwrap().to_bits(), gradient.item().unwrap().to_bits()];
                match round {
                    0 => first.push(bits),
                    _ => assert_eq!(bits, first[i], "{device}, length {length}, round {round}"),
                }
            }
        }
        let (runs, plans) = device.runs_and_misses();
        assert!(runs >= 3 * count as u64 && plans <= count as u64, "{device}: {plans} plans for {count} lengths");
        let cache = device.plan_cache();
        assert!(cache.plans == plans as usize && cache.bytes <= cache.limit, "{device}: {cache:?}");
    }
}

/// A value of `length` words inside the run.
fn inside(device: &Device, length: usize) -> f32 {
    // Nobody holds what is before the sum when it runs.
    let sum = (device.ones([length]) * 2.0).cumsum(0, false).sum(&[]);
    sum.item().unwrap()
}

#[test]
fn plans_take_no_more_than_they_may() {
    for device in common::devices("plans within a limit") {
        let before = device.memory_use().live;
        // A plan of these has some 400 KiB of values inside it.
        device.set_plan_cache_limit(Some(8 << 20));
        let lengths: Vec<usize> = (0..if device.is_gpu() { 30 } else { 60 }).map(|i| 100_000 + i).collect();
        for &length in lengths.iter().chain(&lengths) {
            let expected = length as f64 * (length as f64 + 1.0);
            assert!((f64::from(inside(&device, length)) / expected - 1.0).abs() < 1e-5, "{device}, {length}");
            let cache = device.plan_cache();
            assert!(cache.bytes <= cache.limit && cache.limit == 8 << 20, "{device}: {cache:?}");
        }
        let cache = device.plan_cache();
        assert!(cache.plans > 8 && cache.plans < lengths.len(), "{device}: {cache:?}");
        device.wait().unwrap();
        let live = device.memory_use().live - before;
        assert!(live <= 10 << 20, "{device}: {live} bytes live");
        // A smaller limit is met at once, but for the last ones used.
        device.set_plan_cache_limit(Some(0));
        assert_eq!(device.plan_cache().plans, 8, "{device}");
        let misses = device.runs_and_misses().1;
        assert!(lengths.iter().rev().take(8).all(|&length| inside(&device, length) > 0.0));
        assert_eq!(device.runs_and_misses().1, misses, "{device}: the last eight were not kept");
    }
}

#[test]
fn what_is_used_stays() {
    let device = Device::cpu();
    device.set_plan_cache_limit(Some(4 << 20));
    for i in 0..60 {
        inside(&device, 100_000 + i);
        inside(&device, 50);
        inside(&device, 60);
    }
    assert_eq!(device.runs_and_misses(), (180, 62));
}

#[test]
fn the_limit_is_a_share_of_what_the_device_may_use() {
    let device = Device::cpu();
    assert_eq!(device.plan_cache().limit, device.memory_limit().unwrap() / 8);
    device.set_memory_limit(Some(80 << 20));
    assert_eq!(device.plan_cache().limit, 10 << 20);
    device.set_plan_cache_limit(Some(u64::MAX));
    assert!(device.plan_cache().limit >= u64::MAX - 1);
    device.set_plan_cache_limit(None);
    assert_eq!(device.plan_cache().limit, 10 << 20);
    device.set_memory_limit(None);
    assert!(device.plan_cache().limit <= 2 << 30);
}

/// Lengths that never come again, under a limit of the device: memory is flat, and nothing is refused that one run has room for.
#[test]
fn lengths_that_never_come_again_take_no_more_memory() {
    let device = Device::cpu();
    device.set_memory_limit(Some(16 << 20));
    let w = device.parameter(&[0.5; 64], 64);
    let mut opt = Adam::new([w.clone()], 0.01);
    let mut most = 0;
    for length in 1..400 {
        let x = device.full([length, 64], 0.5);
        opt.step((x * &w).cumsum(0, false).square().mean(&[]).backward()).unwrap();
        let cache = device.plan_cache();
        assert!(cache.bytes <= cache.limit || cache.plans <= 8, "{cache:?}");
        most = most.max(device.memory_use().live);
    }
    assert!(most <= 6 << 20, "{most} bytes");
    let refused = device.ones([8 << 20]).run();
    assert!(matches!(refused, Err(Error::OutOfMemory { .. })));
    assert!(w.to_vec::<f32>().unwrap().iter().all(|w| w.is_finite()));
}

/// Plans of anomaly mode are kept by the same rule.
#[test]
fn watched_plans_are_bounded_too() {
    let device = Device::cpu();
    device.set_anomaly(Anomaly::NonFinite);
    device.set_plan_cache_limit(Some(2 << 20));
    for i in 0..100 {
        inside(&device, 50_000 + i);
        let cache = device.plan_cache();
        assert!(cache.bytes <= 2 << 20 || cache.plans <= 8, "{cache:?}");
    }
    assert!(device.plan_cache().plans >= 8);
    device.set_anomaly(Anomaly::Off);
    assert_eq!(device.plan_cache().plans, 0);
}

/// Thousands of small steps of a few lengths leave nothing behind: no node, no plan, no byte.
#[test]
fn many_small_steps_leave_nothing_behind() {
    let device = Device::cpu();
    let w = device.parameter(&[0.3], 1);
    let mut opt = Adam::new([w.clone()], 0.001);
    let mut steps = |count: usize| {
        for step in 0..count {
            let loss = walked(&device, &w, 1 + 16 * (step % 5));
            opt.step(loss.backward()).unwrap();
            assert!(loss.item().unwrap().is_finite());
        }
        (device.live_nodes(), device.memory_use().live, device.plan_cache(), device.runs_and_misses().1)
    };
    let settled = steps(100);
    assert_eq!(steps(3000), settled);
}
