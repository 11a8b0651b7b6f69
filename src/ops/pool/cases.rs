//! Test inputs of poolings.

use super::super::case::{Case, Gen};
use super::{AvgPool2d, AvgPool2dInput, Cells, MaxPool2d, MaxPool2dIndices, MaxPool2dInput, MaxPool2dPick, Plane, PoolOptions};
use crate::graph::op::DType;

/// Test inputs: windows that overlap, touch and leave gaps, padding, cells that do and do not divide, ties, NaN and infinities.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let window = |kernel, stride, padding| PoolOptions::new(kernel).stride(stride).padding(padding);
    let list: &[([usize; 4], PoolOptions<2>)] = &[
        ([1, 1, 1, 1], window([1; 2], [1; 2], [0; 2])),
        ([1, 1, 2, 3], window([2; 2], [1; 2], [0; 2])),
        ([2, 2, 4, 6], window([2; 2], [2; 2], [0; 2])),
        ([1, 2, 5, 4], window([3; 2], [1; 2], [1; 2])),
        ([2, 1, 7, 6], window([3; 2], [2; 2], [1; 2])),
        ([1, 2, 6, 7], window([2, 3], [3, 2], [1, 0])),
        ([1, 1, 9, 9], window([2; 2], [4; 2], [0; 2])),
        ([1, 2, 1, 9], window([1, 4], [1, 3], [0, 2])),
        ([1, 1, 3, 3], window([3; 2], [usize::MAX; 2], [0; 2])),
        ([0, 2, 4, 4], window([2; 2], [2; 2], [0; 2])),
        ([3, 0, 4, 4], window([2; 2], [2; 2], [0; 2])),
        ([3, 5, 17, 19], window([3; 2], [2; 2], [1; 2])),
        ([2, 3, 40, 41], window([5; 2], [1; 2], [2; 2])),
        // Windows so large that they are not searched again for each of their places.
        ([2, 1, 34, 35], window([20; 2], [1; 2], [3; 2])),
        // Rounded up: a last window in part, one that would start in the padding, a kernel larger than the image.
        ([1, 2, 5, 5], window([2; 2], [2; 2], [0; 2]).ceil_mode(true)),
        ([2, 1, 6, 5], window([3; 2], [2; 2], [1; 2]).ceil_mode(true)),
        ([1, 1, 7, 7], window([3; 2], [3; 2], [1; 2]).ceil_mode(true)),
        ([1, 2, 6, 7], window([2, 3], [3, 2], [1, 0]).ceil_mode(true)),
        ([1, 1, 2, 3], window([3, 5], [2, 7], [0; 2]).ceil_mode(true)),
        ([2, 3, 21, 19], window([4; 2], [3; 2], [2; 2]).ceil_mode(true)),
        // Distances within windows: beside padding, beyond the stride, longer than the image, with one element along an axis.
        ([1, 1, 5, 6], window([2; 2], [1; 2], [0; 2]).dilation(2)),
        ([1, 2, 8, 7], window([3, 2], [2; 2], [1; 2]).dilation([2, 3])),
        ([2, 1, 7, 7], window([2; 2], [2; 2], [0; 2]).dilation(3).ceil_mode(true)),
        ([1, 1, 9, 4], window([4, 1], [1, 2], [2, 0]).dilation([2, 9])),
        ([1, 1, 3, 9], window([1, 3], [1; 2], [0, 1]).dilation([usize::MAX, 2])),
        ([1, 1, 3, 20], window([1, 3], [1, 30], [0; 2]).dilation([1, 4])),
        ([3, 2, 30, 31], window([3; 2], [5; 2], [0; 2]).dilation(2)),
        ([2, 1, 40, 38], window([10; 2], [1; 2], [4; 2]).dilation(2)),
    ];
    for &(dims, options) in list {
        let (label, size) = (format!("{dims:?}"), [dims[2], dims[3]]);
        let cells = options.maximum(size);
        let Ok(Plane { output, .. }) = Plane::new(cells, size) else { continue };
        let pooled = [dims[0], dims[1], output[0], output[1]];
        let (x, v, y) = (g.distinct(&dims), g.normalish(&dims), g.normalish(&pooled));
        cases.push(Case::new(label.clone(), MaxPool2d { cells }, vec![x.clone()]));
        cases.push(Case::new(label.clone(), MaxPool2dPick { cells }, vec![x.clone(), v.clone()]));
        cases.push(Case::new(label.clone(), MaxPool2dIndices { cells }, vec![x.clone()]).forward_only());
        cases.push(Case::new(label.clone(), MaxPool2dInput { cells }, vec![x, y.clone()]));
        for count_include_pad in [false, true] {
            let Ok(cells) = options.count_include_pad(count_include_pad).average(size) else { continue };
            cases.push(Case::new(label.clone(), AvgPool2d { cells }, vec![v.clone()]));
            cases.push(Case::new(label.clone(), AvgPool2dInput { cells, size }, vec![y.clone()]));
        }
    }
    for (dims, output) in [
        ([1, 1, 1, 1], [1, 1]),
        ([2, 2, 4, 6], [2, 3]),
        ([1, 2, 5, 7], [3, 2]),
        ([1, 2, 3, 2], [4, 5]),
        ([2, 1, 9, 8], [1, 1]),
        ([0, 1, 3, 3], [2, 2]),
        ([2, 3, 33, 31], [7, 8]),
    ] {
        let (label, cells) = (format!("{dims:?} to {output:?}"), Cells::Adaptive { output });
        let (x, v, y) = (g.distinct(&dims), g.normalish(&dims), g.normalish(&[dims[0], dims[1], output[0], output[1]]));
        cases.push(Case::new(label.clone(), MaxPool2d { cells }, vec![x.clone()]));
        cases.push(Case::new(label.clone(), MaxPool2dPick { cells }, vec![x.clone(), v]));
        cases.push(Case::new(label.clone(), MaxPool2dIndices { cells }, vec![x.clone()]).forward_only());
        cases.push(Case::new(label.clone(), MaxPool2dInput { cells }, vec![x, y]));
        cases.push(Case::new(label.clone(), AvgPool2d { cells }, vec![g.normalish(&dims)]));
        let back = AvgPool2dInput { cells, size: [dims[2], dims[3]] };
        cases.push(Case::new(label, back, vec![g.normalish(&[dims[0], dims[1], output[0], output[1]])]));
    }
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0];
    let kinds = [
        window([2; 2], [2; 2], [0; 2]),
        window([3; 2], [1; 2], [1; 2]),
        window([2; 2], [2; 2], [1; 2]),
        window([3; 2], [2; 2], [1; 2]).dilation(2),
        window([4; 2], [4; 2], [1; 2]).ceil_mode(true),
    ];
    for cells in kinds.map(|options| options.maximum([6, 6])).into_iter().chain([Cells::Adaptive { output: [4, 7] }]) {
        let Ok(plane) = Plane::new(cells, [6, 6]) else { continue };
        let ties = g.input(DType::F32, &[1, 2, 6, 6], |g| g.below(3) as f64);
        let sprinkled =
            g.input(DType::F32, &[2, 2, 6, 6], |g| if g.below(3) == 0 { odd[g.below(5)] } else { g.uniform(-1.0, 1.0) });
        let lowest = g.input(DType::F32, &[1, 1, 6, 6], |_| f64::NEG_INFINITY);
        let nowhere = g.input(DType::F32, &[1, 1, 6, 6], |_| f64::NAN);
        for (label, x) in [("ties", ties), ("not finite", sprinkled), ("−∞ only", lowest), ("NaN only", nowhere)] {
            let dims = x.array.shape.dims();
            let (n, c) = (dims[0], dims[1]);
            let y = g.normalish(&[n, c, plane.output[0], plane.output[1]]);
            let v = g.normalish(&[n, c, 6, 6]);
            cases.push(Case::new(label, MaxPool2d { cells }, vec![x.clone()]).forward_only());
            cases.push(Case::new(label, MaxPool2dPick { cells }, vec![x.clone(), v]).forward_only());
            cases.push(Case::new(label, MaxPool2dIndices { cells }, vec![x.clone()]).forward_only());
            cases.push(Case::new(label, MaxPool2dInput { cells }, vec![x.clone(), y]).forward_only());
            if plane.step() == [1, 1] {
                cases.push(Case::new(label, AvgPool2d { cells }, vec![x]).forward_only());
            }
        }
    }
    cases
}
