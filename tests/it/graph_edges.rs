//! What a graph and its plans do at their edges: updates that ran, values that are there, as many updates as a kernel takes, numbers that are none.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::error::OpError;
use steepest::{Anomaly, Device, Error, Tensor};

/// A value is read as often as one likes and computed once.
#[test]
fn what_has_a_value_is_not_run_again() {
    let device = Device::cpu();
    let y = device.tensor(&[1.0, 2.0], 2).exp();
    y.run().unwrap();
    let runs = device.runs_and_misses().0;
    for _ in 0..3 {
        assert_eq!(y.to_vec::<f32>().unwrap().len(), 2);
    }
    assert_eq!(device.runs_and_misses().0, runs);
}

/// An update that ran holds on to nothing that it was computed from, and is no value that could be computed again.
#[test]
fn an_update_that_ran_lets_go() {
    let device = Device::cpu();
    let p = device.parameter(&[1.0, 2.0], 2);
    let before = device.live_nodes();
    let update = p.sgd_update(&(device.ones(2) * 3.0).exp().log(), None, 0.5, 0.0);
    assert!(device.live_nodes() > before + 1);
    update.run().unwrap();
    assert_eq!(device.live_nodes(), before + 1, "the update alone");
    assert!(p.to_vec::<f32>().unwrap().iter().zip([-0.5, 0.5]).all(|(found, expected)| (found - expected).abs() < 1e-5));
    match (&update + 1.0).to_vec::<f32>() {
        Err(Error::Op { op, error: OpError::Stale(_), .. }) => assert_eq!(op, "value"),
        other => panic!("{other:?}"),
    }
}

/// The labels of the dispatches that update in place.
fn updates(device: &Device, sizes: &[usize]) -> Vec<String> {
    let parameters: Vec<Tensor> = sizes.iter().map(|&n| device.parameter(&vec![1.0; n], n)).collect();
    let steps: Vec<Tensor> = parameters.iter().map(|p| p.sgd_update(&(p * 2.0), None, 0.5, 0.0)).collect();
    let plan = device.plan(&steps).unwrap();
    plan.dispatches.iter().map(|d| d.label.clone()).filter(|label| label.starts_with("sgd")).collect()
}

/// Updates of one kind are one dispatch, whatever their sizes and their order, up to 128 of them; one alone says of what it is.
#[test]
fn updates_are_joined_as_far_as_a_kernel_goes() {
    let device = Device::cpu();
    for sizes in [[2, 300], [300, 2], [64, 64], [1, 100_000]] {
        assert_eq!(updates(&device, &sizes).len(), 1, "{sizes:?}");
    }
    for (count, expected) in [(127, 1), (128, 1), (129, 2), (256, 2), (257, 3)] {
        assert_eq!(updates(&device, &vec![1; count]).len(), expected, "{count} parameters");
    }
    assert!(updates(&device, &[7])[0].ends_with("f32[7]"), "{:?}", updates(&device, &[7]));
    assert!(updates(&device, &[7, 7])[0].contains("2 parameters"));
}

/// A dispatch counts four bytes for each number that it reads and writes, and operations only where something is computed.
#[test]
fn bytes_and_operations_of_dispatches() {
    let device = Device::cpu();
    let (a, b) = (device.tensor(&[1.0; 6], [2, 3]), device.tensor(&[2.0; 6], [2, 3]));
    let of = |y: Tensor| {
        let plan = device.plan([&y]).unwrap();
        plan.dispatches.iter().map(|d| (d.bytes(), d.flops)).collect::<Vec<_>>()
    };
    assert_eq!(of(&a + &b), [(72, 6)]);
    assert_eq!(of(a.exp()), [(48, 6)]);
    let moved = of(a.cat(&[&b], 0));
    assert!(moved.iter().map(|(_, flops)| flops).sum::<u64>() == 0, "{moved:?}");
}

/// What anomaly mode looks at: numbers, and every parameter of an update, however short.
#[test]
fn anomalies_are_looked_for_in_numbers_and_in_all_of_them() {
    for device in common::devices("anomalies at the edges") {
        device.set_anomaly(Anomaly::NonFinite);
        // The bits of these integers would be NaN and infinity; and there is nothing to look at in nothing.
        let bits = [f32::NAN.to_bits(), f32::INFINITY.to_bits(), 3];
        let integers = device.tensor(&bits, 3);
        assert_eq!(integers.eq(&integers).to_f32().to_vec::<f32>().unwrap(), [1.0; 3], "{device}");
        let nothing = device.tensor(&[0f32; 0], 0);
        assert!((nothing * 2.0).to_vec::<f32>().unwrap().is_empty(), "{device}");
        // Only the last of three parameters of one number overflows in its update.
        for bad in 0..3 {
            let parameters: Vec<Tensor> = (0..3).map(|i| device.parameter(&[if i == bad { 3e38 } else { 1.0 }], 1)).collect();
            let step = |p: &Tensor| p.sgd_update(&device.tensor(&[-3e38f32], 1), None, 1.0, 0.0);
            let steps: Vec<Tensor> = parameters.iter().map(step).collect();
            match device.run(&steps) {
                Err(Error::NonFinite { what: "infinity", .. }) => {}
                other => panic!("{device}, {bad}: {other:?}"),
            }
        }
        device.set_anomaly(Anomaly::Off);
    }
}

/// Updates carry the line that asked for them, as every op does, and no gradient flows through them.
#[test]
fn updates_carry_the_line_of_their_caller() {
    let device = Device::cpu();
    let (p, v) = (device.parameter(&[1.0, 2.0], 2), device.zeros(2));
    let line = line!() + 2;
    #[rustfmt::skip]
    let updates = [p.sgd_update(&p, None, 0.5, 0.0), p.sgd_update(&p, Some((&v, 0.9, false)), 0.5, 0.0), v.running_update(&p, 0.5, 0.5)];
    for update in updates {
        let at = update.node().at();
        assert_eq!((at.line(), at.file().ends_with("graph_edges.rs")), (line, true), "{at}");
        assert!(!update.requires_grad());
    }
    assert!((&p * 2.0).requires_grad(), "only in the updates themselves");
}
