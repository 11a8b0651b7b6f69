//! What the tests share: which GPU to use, and saying aloud what is skipped.
#![allow(dead_code, clippy::unwrap_used)]

pub mod examples;
pub mod fields;
pub mod layers;
#[cfg(feature = "cli")]
pub mod program;
pub mod slopes;

use steepest::{Device, verify};

/// Part of a family's name to limit a test to (`STEEPEST_OPS=softmax cargo test --test ops`); empty means all.
pub fn filter() -> String {
    std::env::var("STEEPEST_OPS").unwrap_or_default()
}

/// The adapter tests run on: the best one, hardware or not; `None` is said aloud, or a failure with `STEEPEST_REQUIRE_GPU=1`.
pub fn gpu(what: &str) -> Option<Device> {
    adapter(what).map(|name| Device::named(&name).unwrap())
}

/// The same adapter with the limits every browser grants.
pub fn minimal_gpu(what: &str) -> Option<Device> {
    adapter(what).map(|name| Device::gpu_with_minimal_limits(&name).unwrap())
}

fn adapter(what: &str) -> Option<String> {
    let found = Device::all().into_iter().find(|info| info.name != "cpu").map(|info| info.name);
    if found.is_none() {
        assert!(std::env::var("STEEPEST_REQUIRE_GPU").as_deref() != Ok("1"), "no adapter, and STEEPEST_REQUIRE_GPU=1");
        println!("SKIPPED (no adapter): {what}, {} cases", verify::cases(&filter()).len());
    }
    found
}

/// Every device at hand: the CPU, and a GPU if there is one.
pub fn devices(what: &str) -> Vec<Device> {
    [Some(Device::cpu()), gpu(what)].into_iter().flatten().collect()
}

/// Numbers from 0 to 1, the same for the same seed.
pub fn chance(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    }
}
