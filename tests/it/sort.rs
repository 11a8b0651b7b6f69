//! Sorting: order, ties and NaN as promised, gradients to where the values came from, and what is refused.
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::common::slopes::{agreed, check_gradient, numbers, parameter};
use steepest::error::OpError;
use steepest::{Device, Error, Tensor};

fn complaint(tensor: &Tensor) -> OpError {
    match tensor.check() {
        Err(Error::Op { error, .. }) => error,
        other => panic!("{other:?} where an error was expected"),
    }
}

#[test]
fn nan_is_the_largest_and_ties_keep_their_order() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    for device in common::devices("order of ties and NaN") {
        let x = device.tensor(&[nan, 2.0, -0.0, inf, 0.0, -inf, 2.0, -nan, 1e-40, -1e-40], 10);
        assert_eq!(agreed(&x.argsort(0, false)), [5.0, 9.0, 2.0, 4.0, 8.0, 1.0, 6.0, 3.0, 0.0, 7.0], "{device}");
        assert_eq!(agreed(&x.argsort(0, true)), [0.0, 7.0, 3.0, 1.0, 6.0, 8.0, 2.0, 4.0, 9.0, 5.0], "{device}");
        let (values, indices) = x.topk(4, 0);
        assert_eq!(agreed(&indices), [0.0, 7.0, 3.0, 1.0], "{device}");
        let values = agreed(&values);
        assert!(values[0].is_nan() && values[1].is_nan());
        assert_eq!(&values[2..], [f64::INFINITY, 2.0]);
        let integers = device.tensor(&[3i32, -1, i32::MIN, i32::MAX, -1], 5);
        let (values, indices) = integers.sort(0, true);
        assert_eq!(values.to_vec::<i32>().unwrap(), [i32::MAX, 3, -1, -1, i32::MIN]);
        assert_eq!(indices.to_vec::<u32>().unwrap(), [3, 0, 1, 4, 2]);
        assert_eq!(device.tensor(&[7u32, u32::MAX, 0], 3).sort(0, false).0.to_vec::<u32>().unwrap(), [0, 7, u32::MAX]);
    }
}

/// Against the standard library's stable sort, at both sides of every span and merge, on lines that lie apart.
#[test]
fn long_lines_are_sorted_stably() {
    for device in common::devices("long lines") {
        for n in [1usize, 2, 127, 128, 129, 255, 256, 257, 384, 385, 511, 512, 513, 1025, 5000] {
            // Few different values, so that most are tied.
            let line: Vec<f32> = numbers(2 * n, n as u32).iter().map(|x| (x * 8.0).round()).collect();
            let x = device.tensor(&line, [n, 2]);
            for descending in [false, true] {
                let found = x.argsort(0, descending).to_vec::<u32>().unwrap();
                for column in 0..2 {
                    let at = |k: &u32| line[*k as usize * 2 + column];
                    let mut expected: Vec<u32> = (0..n as u32).collect();
                    // Not by `total_cmp`: round() makes −0 of small negative numbers, which must tie with 0.
                    expected.sort_by(|a, b| {
                        let order = at(a).partial_cmp(&at(b)).unwrap();
                        (if descending { order.reverse() } else { order }).then(a.cmp(b))
                    });
                    let line: Vec<u32> = found.iter().skip(column).step_by(2).copied().collect();
                    assert_eq!(line, expected, "{device}: {n} descending {descending} column {column}");
                }
            }
        }
    }
}

#[test]
fn the_gradient_goes_where_the_values_came_from() {
    let device = Device::cpu();
    for (dims, axis) in [(&[7][..], 0), (&[3, 4], 0), (&[3, 4], 1), (&[2, 3, 2], -2)] {
        let x = parameter(&device, dims, 5);
        for descending in [false, true] {
            check_gradient("sort", &[&x], &x.sort(axis, descending).0);
        }
        check_gradient("topk", &[&x], &x.topk(2, axis).0);
        check_gradient("a square of topk", &[&x], &x.topk(1, axis).0.square());
    }
    for device in common::devices("gradient of topk") {
        let x = device.parameter(&[1.0, 5.0, 5.0, 2.0], 4);
        let (values, _) = x.topk(2, 0);
        let gradient = (values * device.tensor(&[10.0, 1.0], 2)).sum(&[]).backward().wrt(&x).unwrap();
        assert_eq!(agreed(&gradient), [0.0, 10.0, 1.0, 0.0], "{device}");
    }
}

#[test]
fn indices_know_their_range() {
    let device = Device::cpu();
    let x = device.tensor(&numbers(12, 1), [4, 3]);
    let range = |t: &Tensor| t.spec().unwrap().range;
    assert_eq!(range(&x.argsort(0, true)), Some((0, 3)));
    assert_eq!(range(&x.topk(2, 1).1), Some((0, 2)));
    assert_eq!(range(&device.zeros([0, 3]).argsort(0, true)), None);
    // The range lets a use that cannot work be refused before it runs.
    let few = device.zeros([2, 3]);
    assert_eq!(complaint(&few.gather(0, &x.argsort(0, false))), OpError::OutOfRange { what: "index", found: 3, size: 2 });
}

#[test]
fn nothing_to_sort_is_no_error() {
    for device in common::devices("nothing to sort") {
        for (dims, axis) in [([0, 3], 0), ([0, 3], 1), ([3, 0], 1), ([0, 300], 1), ([300, 0], 0)] {
            let (values, indices) = device.zeros(dims).sort(axis, false);
            assert_eq!((values.shape().dims(), indices.shape().dims()), (&dims[..], &dims[..]));
            assert_eq!((agreed(&values), agreed(&indices)), (vec![], vec![]));
        }
        assert!(agreed(&device.zeros([0, 3]).topk(2, 1).0).is_empty());
    }
}

#[test]
fn what_cannot_be_sorted_is_refused() {
    let device = Device::cpu();
    let x = device.zeros([4, 3]);
    for k in [0, 5] {
        let (values, indices) = x.topk(k, 0);
        let text = format!("k is {k}, and axis 0 of [4,3] has 4 elements; 1 to 4 can be taken");
        assert_eq!((complaint(&values), complaint(&indices)), (OpError::Value(text.clone()), OpError::Value(text)));
    }
    assert!(matches!(complaint(&x.argsort(2, false)), OpError::Axis { axis: 2, .. }));
    assert!(matches!(complaint(&x.sort(-3, false).0), OpError::Axis { axis: -3, .. }));
    assert!(matches!(complaint(&x.topk(1, 2).1), OpError::Axis { axis: 2, .. }));
    assert!(matches!(complaint(&device.scalar(1.0).argsort(0, false)), OpError::Axis { .. }));
    let invalid = x.reshape(5);
    assert!(invalid.sort(0, false).1.check().is_err() && invalid.topk(1, 0).0.check().is_err());
}
