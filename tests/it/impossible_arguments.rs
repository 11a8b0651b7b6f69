//! Sizes that no tensor, list or graph can have, given to devices and tensors: an error that names the call and the option, before there is memory
//! for anything.
#![allow(clippy::unwrap_used)]

use steepest::ops::update::COEFFICIENTS;
use steepest::{Device, Error, Interpolation, PadMode, Tensor};

/// Beyond every memory, every index, and every arithmetic.
const SIZES: [usize; 6] = [usize::MAX, usize::MAX - 1, 1 << 63, 1 << 62, 1 << 40, 1 << 33];

/// That a tensor is refused in the name of a call of this file.
fn refused(tensor: &Tensor, op: &str, what: &str) {
    match tensor.check() {
        Err(Error::Op { op: found, at, .. }) => {
            assert!(found == op || found == "tensor", "{what}: {found}, expected {op}");
            assert!(at.file().ends_with("impossible_arguments.rs"), "{what}: {}", at.file());
        }
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn constants_of_impossible_sizes_are_refused_before_they_are_made() {
    let device = Device::cpu();
    for n in SIZES {
        refused(&device.arange(n), "arange", "arange");
        refused(&device.eye(n), "eye", "eye");
        refused(&device.fftfreq(n, 1.0), "fftfreq", "fftfreq");
        refused(&device.rfftfreq(n, 1.0), "rfftfreq", "rfftfreq");
        refused(&device.linspace(0.0, 1.0, n), "linspace", "linspace");
        refused(&device.randperm(n, 0), "randperm", "randperm");
        refused(&device.truncated_normal(n, [0.0, 1.0], [-1.0, 1.0], 0), "truncated_normal", "truncated_normal");
        for places in [device.tril_indices(n, n, 0), device.triu_indices(1, n, isize::MIN), device.tril_indices(n, 0, isize::MAX)]
        {
            places.iter().for_each(|t| assert!(t.check().is_err()));
        }
    }
    refused(&device.eye(1 << 31), "eye", "eye of 2³¹");
    // As many rows as there may be, and nothing in them.
    let [rows, columns] = device.tril_indices((1 << 32) - 1, 1, isize::MIN);
    assert_eq!((rows.to_vec::<u32>().unwrap(), columns.to_vec::<u32>().unwrap()), (vec![], vec![]));
    let [rows, _] = device.triu_indices((1 << 32) - 1, 0, 0);
    assert!(rows.to_vec::<u32>().unwrap().is_empty());
    assert!(device.ones(3).multinomial(usize::MAX, true, 0).is_err());
}

#[test]
fn more_parts_than_can_be_recorded_are_one_refused_tensor() {
    let device = Device::cpu();
    let x = device.ones([4, 3]);
    for n in SIZES {
        let parts = x.chunk(0, n);
        assert_eq!(parts.len(), 1);
        refused(&parts[0], "chunk", "chunk");
        let error = parts[0].check().unwrap_err().to_string();
        assert!(error.contains(&n.to_string()) && error.contains("expected at most 262144"), "{error}");
        refused(&x.newton_schulz(n, COEFFICIENTS), "newton_schulz", "newton_schulz");
        assert!(x.diff(n, 0).to_vec::<f32>().unwrap().is_empty());
    }
    let long = device.zeros([1 << 30, 1]);
    for parts in [long.unbind(0), long.split_every(0, 1), long.chunk(0, 1 << 29)] {
        assert!(parts.len() == 1 && parts[0].check().is_err());
    }
    refused(&long.diff(1 << 29, 0), "diff", "diff");
    // What can be recorded is: empty parts, too.
    assert_eq!(x.chunk(0, 1000).len(), 1000);
    device.set_node_limit(100);
    assert!(x.chunk(0, 101)[0].check().unwrap_err().to_string().contains("expected at most 100"));
}

#[test]
fn arguments_whose_arithmetic_overflows_are_refused_by_name() {
    let device = Device::cpu();
    let x = device.ones([2, 3]);
    let image = device.ones([1, 1, 4, 4]);
    for n in SIZES {
        let size = n as isize;
        refused(&x.tile(&[n, n]), "tile", "tile");
        refused(&x.repeat(n, 0), "repeat", "repeat");
        refused(&x.repeat_interleave(&[n, n], 0), "repeat_interleave", "repeat_interleave");
        refused(&x.pad(&[(n, n), (0, n)], 0.0), "pad", "pad");
        refused(&x.pad_with(&[(isize::MAX, isize::MAX), (0, 0)], PadMode::Edge), "pad", "pad_with");
        refused(&x.diag_embed(isize::MAX), "diag_embed", "diag_embed");
        refused(&x.windows(0, n, n), "windows", "windows");
        refused(&image.lp_pool2d(2.0, n, 1), "lp_pool2d", "lp_pool2d");
        refused(&image.interpolate(&[n, n], Interpolation::Area), "interpolate", "interpolate");
        // Bounds beyond the ends are the ends.
        assert_eq!(x.slice(1, ..=isize::MAX).shape().dims(), [2, 3]);
        let beyond = (std::ops::Bound::Excluded(isize::MAX), std::ops::Bound::Unbounded);
        assert_eq!(x.slice(1, beyond).shape().dims(), [2, 0]);
        assert_eq!(x.slice(1, size.min(-9)..).shape().dims(), [2, 3]);
    }
}

#[test]
fn more_pairs_than_a_tensor_can_hold_are_refused() {
    let device = Device::cpu();
    refused(&device.zeros([1 << 19, 1]).pdist(2.0), "pdist", "pdist");
    refused(&device.zeros([1 << 31, 1]).pdist(1.0), "pdist", "pdist");
}
