//! The trainings that a browser does too (`web/losses`): natively they give the losses that are compared with there.

use crate::common;
use steepest::Device;

#[path = "../../web/losses/src/training.rs"]
mod training;

/// The losses, each in five digits.
const LOSSES: &str = include_str!("../../web/losses/losses.txt");

fn lines(device: &Device) -> Vec<String> {
    let each = training::TRAININGS.iter().flat_map(|name| pollster::block_on(training::losses(name, device)).unwrap());
    each.collect()
}

#[test]
fn losses_are_those_that_are_compared_with_in_a_browser() {
    assert_eq!(lines(&Device::cpu()).join("\n"), LOSSES.trim_end(), "web/losses/losses.txt");
    assert!(pollster::block_on(training::losses("other", &Device::cpu())).is_err());
}

/// Another device rounds in another order: the same to three digits.
#[test]
fn a_gpu_learns_the_same() {
    let number = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    let Some(gpu) = common::gpu("losses of a browser") else { return };
    for (found, expected) in lines(&gpu).iter().zip(LOSSES.lines()) {
        let (a, b) = (number(found), number(expected));
        assert!((a - b).abs() < 2e-3 * b.max(1e-3), "{found}, expected {expected}");
    }
}
