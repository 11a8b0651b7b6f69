//! Triangles, diagonals, outer products, running products, norms, interpolation, rolling and repeating: values, gradients, errors.
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::common::slopes::{agreed, check_gradient, numbers, parameter, reference};
use steepest::error::OpError;
use steepest::{Device, Error, Tensor};

fn complaint(tensor: &Tensor) -> OpError {
    match tensor.check() {
        Err(Error::Op { error, .. }) => error,
        other => panic!("{other:?} where an error was expected"),
    }
}

#[test]
fn triangles_and_diagonals() {
    for device in common::devices("triangles and diagonals") {
        let x = device.parameter(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]);
        assert_eq!(agreed(&x.triu(0)), [1.0, 2.0, 3.0, 0.0, 5.0, 6.0], "{device}");
        assert_eq!(agreed(&x.triu(2)), [0.0, 0.0, 3.0, 0.0, 0.0, 0.0], "{device}");
        assert_eq!(agreed(&x.tril(-1)), [0.0, 0.0, 0.0, 4.0, 0.0, 0.0], "{device}");
        assert_eq!(agreed(&x.tril(1)), [1.0, 2.0, 0.0, 4.0, 5.0, 6.0], "{device}");
        assert_eq!(agreed(&x.tril(isize::MAX)), agreed(&x.triu(isize::MIN)), "{device}");
        for (offset, expected) in [(0, &[1.0, 5.0][..]), (1, &[2.0, 6.0]), (2, &[3.0]), (3, &[]), (-1, &[4.0]), (-2, &[])] {
            assert_eq!(agreed(&x.diagonal(offset)), expected, "{device}: {offset}");
        }
        assert_eq!(agreed(&x.t().diagonal(-1)), [2.0, 6.0], "{device}");
        assert_eq!(agreed(&x.trace()), [6.0], "{device}");
        assert_eq!(agreed(&x.trace().backward().wrt(&x).unwrap()), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], "{device}");
        let batch = parameter(&device, &[2, 3, 3], 4);
        assert_eq!(agreed(&batch.trace()).len(), 2);
        assert!(agreed(&device.zeros([3, 0]).diagonal(0)).is_empty());
        assert_eq!(agreed(&device.zeros([0, 0]).trace()), [0.0]);
        assert_eq!(x.to_u32().triu(1).to_vec::<u32>().unwrap(), [0, 2, 3, 0, 0, 6]);
        let (a, b) = (device.parameter(&[1.0, 2.0], 2), device.tensor(&[3.0, 4.0, 5.0], 3));
        assert_eq!(agreed(&a.outer(&b)), [3.0, 4.0, 5.0, 6.0, 8.0, 10.0], "{device}");
    }
    let device = Device::cpu();
    let x = parameter(&device, &[2, 3, 4], 1);
    for offset in -3..=4 {
        check_gradient("triu", &[&x], &x.triu(offset));
        check_gradient("tril", &[&x], &x.tril(offset));
        check_gradient("diagonal", &[&x], &x.diagonal(offset));
    }
    let (a, b) = (parameter(&device, &[3], 2), parameter(&device, &[2], 3));
    check_gradient("outer", &[&a, &b], &a.outer(&b));
    let v = device.zeros(3);
    assert!(matches!(complaint(&v.triu(0)), OpError::Shape(_)));
    assert!(matches!(complaint(&v.diagonal(0)), OpError::Shape(_)));
    assert!(matches!(complaint(&v.outer(&x)), OpError::Shape(_)));
    assert!(matches!(complaint(&x.diagonal(5)), OpError::Value(_)));
    assert!(matches!(complaint(&x.diagonal(-4)), OpError::Value(_)));
    assert_eq!(complaint(&v.outer(&v.reshape(7))), complaint(&v.reshape(7)));
}

#[test]
fn running_products_with_zeros() {
    for device in common::devices("running products") {
        let x = device.parameter(&[2.0, 0.0, 3.0, 0.0, 5.0], 5);
        assert_eq!(agreed(&x.cumprod(0)), [2.0, 0.0, 0.0, 0.0, 0.0], "{device}");
        // By hand: Σ out = x0 + x0 x1 + x0 x1 x2 + …
        assert_eq!(agreed(&x.cumprod(0).sum(&[]).backward().wrt(&x).unwrap()), [1.0, 8.0, 0.0, 0.0, 0.0], "{device}");
        let infinite = device.tensor(&[f32::INFINITY, 2.0, 0.0, 3.0], 4);
        let found = agreed(&infinite.cumprod(0));
        assert!(found[..2] == [f64::INFINITY; 2] && found[2..].iter().all(|x| x.is_nan()), "{device}: {found:?}");
        // What a zero stops stays stopped, however large the factors after it.
        let mut stopped = vec![1e30f32; 600];
        stopped[0] = 0.0;
        assert_eq!(agreed(&device.tensor(&stopped, 600).cumprod(0)), [0.0; 600], "{device}");
        assert_eq!(agreed(&device.tensor(&[2.0, 3.0, 4.0, 5.0], [2, 2]).cumprod(-1)), [2.0, 6.0, 4.0, 20.0], "{device}");
        assert!(agreed(&device.zeros([0, 2]).cumprod(0)).is_empty());
        assert!(agreed(&device.zeros([2, 0]).cumprod(0)).is_empty());
    }
    let device = Device::cpu();
    for zeros in [&[][..], &[0], &[2], &[5], &[1, 3], &[0, 1, 2, 3, 4, 5]] {
        let mut values = numbers(6, 9);
        zeros.iter().for_each(|&i| values[i] = 0.0);
        for (dims, axis) in [(vec![6], 0), (vec![2, 3], 1), (vec![3, 2], 0)] {
            let x = device.parameter(&values, dims);
            let y = x.cumprod(axis);
            check_gradient("cumprod", &[&x], &y);
            // Derivatives of second order, at zeros too.
            let slope = y.square().sum(&[]).add(&y.sum(&[])).backward().wrt(&x).unwrap();
            check_gradient("the slope of cumprod", &[&x], &slope);
        }
    }
    let x = parameter(&device, &[2, 3], 1);
    assert!(matches!(complaint(&x.cumprod(2)), OpError::Axis { axis: 2, .. }));
    assert!(matches!(complaint(&x.to_u32().cumprod(0)), OpError::DType(_)));
    assert!(matches!(complaint(&x.recurrence(&x.t(), 0, false)), OpError::Shape(_)));
    assert!(matches!(complaint(&x.recurrence(&x, -3, true)), OpError::Axis { .. }));
}

#[test]
fn norms_and_clipping() {
    for device in common::devices("norms") {
        let x = device.parameter(&[3.0, -4.0, 0.0, 0.0], [2, 2]);
        assert_eq!(agreed(&x.l1_norm(&[1])), [7.0, 0.0], "{device}");
        assert_eq!(agreed(&x.l2_norm(&[1])), [5.0, 0.0], "{device}");
        assert_eq!(agreed(&x.norm(2.0, &[])), [5.0], "{device}");
        assert_eq!(agreed(&x.frobenius_norm()), [5.0], "{device}");
        assert_eq!(x.l1_norm_keepdim(&[0]).shape().dims(), [1, 2]);
        assert_eq!(x.l2_norm_keepdim(&[1]).shape().dims(), [2, 1]);
        assert_eq!(device.zeros([5, 2, 3]).frobenius_norm().shape().dims(), [5]);
        assert_eq!(device.zeros([5, 2, 3]).frobenius_norm_keepdim().shape().dims(), [5, 1, 1]);
        // Where the norm is 0 so is its slope.
        let slope = x.l2_norm(&[1]).sum(&[]).backward().wrt(&x).unwrap();
        assert_eq!(agreed(&slope).iter().map(|g| (g * 1e4).round() / 1e4).collect::<Vec<_>>(), [0.6, -0.8, 0.0, 0.0], "{device}");
        let clipped = agreed(&x.clip_by_norm(1.0));
        assert!((clipped[0] - 0.6).abs() < 1e-6 && (clipped[1] + 0.8).abs() < 1e-6, "{device}: {clipped:?}");
        assert_eq!(agreed(&x.clip_by_norm(6.0)), [3.0, -4.0, 0.0, 0.0], "{device}");
        assert_eq!(agreed(&x.clip_by_norm(0.0)), [0.0; 4], "{device}");
        let zeros = device.parameter(&[0.0; 3], 3);
        assert_eq!(agreed(&zeros.clip_by_norm(1.0)), [0.0; 3], "{device}");
        assert_eq!(agreed(&zeros.clip_by_norm(1.0).sum(&[]).backward().wrt(&zeros).unwrap()), [1.0; 3], "{device}");
        let nan = device.tensor(&[1.0, f32::NAN], 2);
        assert!(agreed(&nan.clip_by_norm(1.0)).iter().all(|x| x.is_nan()), "{device}");
    }
    let device = Device::cpu();
    let x = parameter(&device, &[2, 3, 2], 6);
    for axes in [&[][..], &[1], &[-1, 0]] {
        check_gradient("l1", &[&x], &x.l1_norm(axes));
        check_gradient("l2", &[&x], &x.l2_norm(axes));
        check_gradient("l1 kept", &[&x], &x.l1_norm_keepdim(axes));
        check_gradient("l2 kept", &[&x], &x.l2_norm_keepdim(axes));
    }
    check_gradient("frobenius", &[&x], &x.frobenius_norm());
    check_gradient("clipped", &[&x], &x.clip_by_norm(0.5));
    check_gradient("not clipped", &[&x], &x.clip_by_norm(500.0));
    for max in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(complaint(&x.clip_by_norm(max)), OpError::Value(_)));
    }
    assert!(matches!(complaint(&device.zeros(3).frobenius_norm()), OpError::Axis { .. }));
}

#[test]
fn lines_between_rolls_and_repeats() {
    for device in common::devices("lerp, roll and repeat") {
        let (a, b) = (device.tensor(&[1.0, 0.1, -3.0], 3), device.tensor(&[5.0, 0.7, 1e6], 3));
        assert_eq!(agreed(&a.lerp_scalar(&b, 0.0)), agreed(&a), "{device}");
        assert_eq!(agreed(&a.lerp_scalar(&b, 1.0)), agreed(&b), "{device}");
        assert_eq!(agreed(&a.lerp_scalar(&b, 0.25))[0], 2.0, "{device}");
        assert_eq!(agreed(&a.lerp(&b, &device.tensor(&[1.0, 0.0, 0.5], 3)))[..2], [5.0, f64::from(0.1f32)], "{device}");
        // Exact at both ends, also where the other end is far away: a + (b − a) is not b there.
        let far = device.tensor(&[1e10, 0.3, 7.0], 3);
        assert_eq!(agreed(&far.lerp(&a, &device.ones(3))), agreed(&a), "{device}");
        assert_eq!(agreed(&far.lerp_scalar(&a, 1.0)), agreed(&a), "{device}");
        let x = device.tensor(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]);
        assert_eq!(agreed(&x.roll(1, 1)), [3.0, 1.0, 2.0, 6.0, 4.0, 5.0], "{device}");
        assert_eq!(agreed(&x.roll(-1, 1)), agreed(&x.roll(5, 1)), "{device}");
        assert_eq!(agreed(&x.roll(-4, 0)), agreed(&x), "{device}");
        assert_eq!(agreed(&x.roll(1, 0)), [4.0, 5.0, 6.0, 1.0, 2.0, 3.0], "{device}");
        assert_eq!(agreed(&x.slice(1, ..2).repeat(2, 1)), [1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 5.0, 5.0], "{device}");
        assert_eq!(agreed(&x.slice(1, ..1).repeat(3, 0)), [1.0, 1.0, 1.0, 4.0, 4.0, 4.0], "{device}");
        assert!(agreed(&x.repeat(0, 0)).is_empty());
        assert!(agreed(&device.zeros([0, 2]).roll(1, 0)).is_empty());
    }
    let device = Device::cpu();
    let (a, b, t) = (parameter(&device, &[2, 3], 1), parameter(&device, &[3], 2), parameter(&device, &[2, 1], 3));
    check_gradient("lerp", &[&a, &b, &t], &a.lerp(&b, &t));
    check_gradient("lerp by a number", &[&a, &b], &a.lerp_scalar(&b, 0.3));
    check_gradient("roll", &[&a], &a.roll(2, 1));
    check_gradient("repeat", &[&a], &a.repeat(3, 1));
    assert_eq!(reference(&a.roll(3, 1)), reference(&a));
    assert!(matches!(complaint(&a.roll(1, 2)), OpError::Axis { .. }));
    assert!(matches!(complaint(&a.repeat(2, -3)), OpError::Axis { .. }));
    assert!(matches!(complaint(&a.repeat(usize::MAX, 0)), OpError::Shape(_)));
}
