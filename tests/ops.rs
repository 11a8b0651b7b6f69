//! Rungs 2 and 3: every op on every device against the reference, and every gradient against central differences. A program of its own, because
//! it is run again and again while an op is written: it is built soonest.

mod common;

use steepest::{Device, verify};

#[test]
fn gradients_match_central_differences() {
    let report = verify::gradients(&common::filter());
    println!("{report}");
    let worst = report.worst.values().map(|(error, _)| *error).fold(0.0, f64::max);
    println!("figures: gradient_cases={} gradient_worst={:.6}", report.cases, 100.0 * worst);
    assert!(report.failures.is_empty(), "{report}");
    assert!(report.cases > 0);
}

#[test]
fn every_op_on_the_cpu() {
    let report = verify::ops(&Device::cpu(), &common::filter());
    println!("{report}");
    println!("figures: cases={} million_elements={:.6}", report.cases, report.elements as f64 / 1e6);
    assert!(report.failures.is_empty(), "{report}");
    assert!(report.cases > 0);
}

#[test]
fn every_op_on_the_gpu() {
    let Some(device) = common::gpu("every op") else { return };
    let report = verify::ops(&device, &common::filter());
    println!("{report}");
    assert!(report.failures.is_empty(), "{report}");
}

/// Kernels that this adapter would not choose by itself, and those for adapters with the least of everything.
#[test]
fn every_variant_on_the_gpu() {
    for variant in 0..9 {
        let Some(device) = common::gpu("every variant") else { return };
        // Only matrix products have so many.
        let filter = if variant < 6 { common::filter() } else { "matmul".to_owned() };
        if !filter.contains(&common::filter()) {
            continue;
        }
        device.force_variant(Some(variant));
        let report = verify::ops(&device, &filter);
        println!("variant {variant}: {report}");
        assert!(report.failures.is_empty(), "variant {variant}: {report}");
    }
    let Some(device) = common::minimal_gpu("minimal limits") else { return };
    let report = verify::ops(&device, &common::filter());
    assert!(report.failures.is_empty(), "minimal limits: {report}");
}
