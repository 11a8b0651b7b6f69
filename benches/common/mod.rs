//! What the benches share: the devices to measure, short sampling, and inputs.
#![allow(dead_code)]

use criterion::Criterion;
use std::time::Duration;
use steepest::{Device, DeviceInfo, ops::random::uniform_host};

/// Whether this is a real measurement. `cargo bench -- --test` and `cargo test --bench NAME` only prove that everything runs: once each, small.
pub fn measuring() -> bool {
    let has = |flag: &str| std::env::args().any(|a| a == flag);
    has("--bench") && !has("--test")
}

/// `full` when measuring, else `light`.
pub fn sized<T>(full: T, light: T) -> T {
    if measuring() { full } else { light }
}

/// The devices named in `STEEPEST_BENCH`, separated by commas; without it the CPU and the first GPU (hardware if there is one).
pub fn devices() -> Vec<(&'static str, Device)> {
    let open = |name: &str| match Device::named(name) {
        Ok(device) => Some((if device.is_gpu() { "gpu" } else { "cpu" }, device)),
        Err(error) => {
            println!("SKIPPED ({error}): benches on {name}");
            None
        }
    };
    if let Ok(names) = std::env::var("STEEPEST_BENCH") {
        return names.split(',').filter_map(open).collect();
    }
    let gpu = Device::all().into_iter().map(|info: DeviceInfo| info.name).find(|name| name != "cpu");
    let names = ["cpu".to_owned()].into_iter().chain(gpu);
    names.filter_map(|name| open(&name)).collect()
}

/// Short sampling: these are ratios on a machine that is never quiet, not records.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .configure_from_args()
}

/// Uniform numbers in [−1, 1).
pub fn numbers(count: usize, seed: u64) -> Vec<f32> {
    uniform_host(count, -1.0, 1.0, seed, 0)
}
