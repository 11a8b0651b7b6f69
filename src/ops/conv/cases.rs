//! Test inputs of convolutions.

use super::super::case::{Case, Gen};
use super::{Conv2d, Conv2dInput, Conv2dWeight, ConvOptions, Sizes};
use crate::graph::op::DType;

/// Test inputs: every option by itself and together, both sides of every tile's edge, no elements, divided sums, values that are not finite.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let plain = ConvOptions::new();
    let small: &[([usize; 4], [usize; 3], ConvOptions)] = &[
        ([1, 1, 1, 1], [1, 1, 1], plain),
        ([1, 1, 3, 3], [1, 3, 3], plain),
        ([1, 2, 4, 5], [3, 1, 1], plain),
        ([2, 2, 4, 5], [3, 2, 3], plain),
        ([2, 2, 5, 4], [3, 3, 3], plain.padding(1)),
        ([1, 2, 3, 3], [2, 5, 5], plain.padding(2)),
        ([2, 2, 7, 6], [3, 3, 2], plain.stride(2)),
        ([1, 2, 7, 8], [2, 3, 3], plain.stride([2, 3]).padding([1, 2])),
        ([1, 2, 7, 8], [2, 2, 3], plain.dilation(2)),
        ([1, 2, 7, 9], [2, 3, 2], plain.dilation([2, 3]).padding([3, 1]).stride([1, 2])),
        ([1, 1, 9, 9], [2, 1, 2], plain.stride(4).padding([0, 3])),
        ([2, 4, 4, 4], [6, 3, 3], plain.groups(2).padding(1)),
        ([2, 3, 5, 5], [6, 3, 3], plain.groups(3).stride(2).padding(1)),
        ([1, 4, 4, 3], [4, 1, 1], plain.groups(4)),
        ([2, 3, 1, 8], [2, 1, 3], plain.padding([0, 1])),
        // Another padding before the image than after it.
        ([2, 2, 5, 4], [3, 3, 2], plain.sides([0, 2], [1, 0])),
        ([1, 2, 5, 6], [2, 1, 1], plain.sides(0, [1, 2])),
        ([1, 2, 7, 6], [2, 3, 2], plain.sides([2, 0], [0, 3]).stride([2, 3]).dilation([1, 2])),
        ([1, 4, 4, 5], [2, 2, 4], plain.groups(2).same([2, 4])),
        // Rows and columns that no window sees, and windows beside the image.
        ([1, 1, 8, 8], [1, 2, 2], plain.stride(5)),
        ([1, 1, 2, 2], [1, 1, 1], plain.padding(3)),
        // Strides and dilations beyond every image, which are never taken.
        ([1, 1, 3, 3], [1, 3, 1], plain.stride(usize::MAX).dilation([1, usize::MAX])),
        ([0, 2, 3, 3], [2, 2, 2], plain),
        ([2, 0, 3, 3], [2, 2, 2], plain),
        ([2, 2, 3, 3], [0, 2, 2], plain),
        ([2, 2, 0, 3], [3, 2, 2], plain.padding(1)),
    ];
    let large: &[([usize; 4], [usize; 3], ConvOptions)] = &[
        ([2, 3, 9, 8], [33, 3, 3], plain.padding(1)),
        ([3, 7, 9, 7], [9, 3, 3], plain.padding(1)),
        ([1, 17, 8, 8], [65, 2, 2], plain),
        ([2, 33, 6, 6], [16, 3, 3], plain.stride(2).padding(1)),
        ([2, 16, 9, 11], [17, 2, 4], plain.same([2, 4])),
        ([2, 5, 9, 11], [18, 3, 3], plain.sides([0, 2], [2, 1]).stride(2)),
        ([1, 66, 5, 13], [34, 1, 1], plain),
        ([2, 70, 9, 9], [70, 3, 3], plain.groups(2).padding(1)),
        ([2, 8, 20, 33], [8, 3, 3], plain.groups(8).padding(1)),
        // Sums of the weights in several parts, whose ends fall inside images.
        ([7, 2, 19, 17], [5, 3, 3], plain.padding(1)),
        ([3, 1, 1, 3000], [2, 1, 9], plain.stride([1, 2]).padding([0, 4])),
        ([40, 3, 11, 11], [4, 3, 3], plain.stride(2)),
        // More pixels than are gathered at a time.
        ([1, 16, 40, 41], [3, 3, 3], plain.padding(1)),
    ];
    for (checked, list) in [(true, small), (false, large)] {
        for &(x, [filters, rows, columns], options) in list {
            let w = [filters, x[1] / options.groups, rows, columns];
            let Ok(s) = Sizes::new(options, x, w) else { continue };
            let label = format!("{x:?} by {w:?}");
            let [x, w, y] = [s.x(), s.w(), s.y()].map(|dims| g.normalish(&dims));
            for case in [
                Case::new(label.clone(), Conv2d { options }, vec![x.clone(), w.clone()]),
                Case::new(label.clone(), Conv2dInput { options, size: s.image }, vec![y.clone(), w]),
                Case::new(label, Conv2dWeight { options, kernel: s.kernel }, vec![x, y]),
            ] {
                // The gradient's formula does not depend on sizes: it is checked on the small ones.
                cases.push(if checked { case } else { case.forward_only() });
            }
        }
    }
    // What is not finite reaches what it is multiplied with, zeros too.
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0];
    for options in [plain.padding(1), plain.padding(1).stride(2), plain.dilation(2)] {
        let Ok(s) = Sizes::new(options, [2, 2, 9, 9], [3, 2, 3, 3]) else { continue };
        for spoilt in 0..2 {
            let mut inputs = |dims: [[usize; 4]; 2]| -> Vec<_> {
                let each = dims.iter().enumerate();
                let value = |g: &mut Gen, i| if i == spoilt && g.below(20) == 0 { odd[g.below(4)] } else { g.uniform(-1.0, 1.0) };
                each.map(|(i, dims)| g.input(DType::F32, dims, |g| value(g, i))).collect()
            };
            cases.push(Case::new("not finite", Conv2d { options }, inputs([s.x(), s.w()])).forward_only());
            cases.push(Case::new("not finite", Conv2dInput { options, size: s.image }, inputs([s.y(), s.w()])).forward_only());
            cases
                .push(Case::new("not finite", Conv2dWeight { options, kernel: s.kernel }, inputs([s.x(), s.y()])).forward_only());
        }
    }
    cases
}
