//! Arranging: slices, diagonals, turns, grids and products of all pairs, against what index arithmetic says, with gradients, and what is refused.
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::common::slopes::{agreed, check_gradient, numbers, parameter};
use steepest::error::OpError;
use steepest::ops::{self, Indexing};
use steepest::{Device, Error, Tensor};

fn complaint(tensor: &Tensor) -> (&'static str, OpError) {
    match tensor.check() {
        Err(Error::Op { op, at, error }) if at.file().ends_with("arrange.rs") => (op, error),
        other => panic!("{other:?} where an error was expected"),
    }
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x)).collect()
}

#[test]
fn kron_of_any_rank_is_all_products() {
    for device in common::devices("kron") {
        let shapes: [(&[usize], &[usize]); 8] = [
            (&[], &[2, 3]),
            (&[2, 3], &[]),
            (&[3], &[2, 2]),
            (&[2, 1, 3], &[2, 2]),
            (&[0, 2], &[3, 2]),
            (&[1, 2, 1, 2, 1, 2], &[2, 1, 1, 3, 1, 2]),
            (&[2; 5], &[3]),
            (&[1; 8], &[1; 8]),
        ];
        for (a, b) in shapes {
            let (x, y) = (numbers(a.iter().product(), 1), numbers(b.iter().product(), 2));
            let made = device.tensor(&x, a.to_vec()).kron(&device.tensor(&y, b.to_vec()));
            let rank = a.len().max(b.len());
            let led = |s: &[usize]| [vec![1; rank - s.len()], s.to_vec()].concat();
            let (a, b) = (led(a), led(b));
            let sizes: Vec<usize> = a.iter().zip(&b).map(|(n, m)| n * m).collect();
            assert_eq!(made.shape().dims(), sizes);
            let expected: Vec<f64> = (0..sizes.iter().product())
                .map(|at: usize| {
                    let (mut rest, mut i, mut j, mut by_a, mut by_b) = (at, 0, 0, 1, 1);
                    for k in (0..rank).rev() {
                        let place = rest % sizes[k];
                        rest /= sizes[k];
                        i += place / b[k] * by_a;
                        j += place % b[k] * by_b;
                        by_a *= a[k];
                        by_b *= b[k];
                    }
                    f64::from(x[i]) * f64::from(y[j])
                })
                .collect();
            let found = agreed(&made);
            assert!(found.iter().zip(&expected).all(|(f, e)| (f - e).abs() <= 1e-6), "{device}: {a:?} {b:?}");
        }
    }
}

#[test]
fn diagonals_and_turns_come_back() {
    for device in common::devices("diagonals and turns") {
        let x = device.tensor(&numbers(6, 3), [2, 3]);
        for offset in [-4, -1, 0, 1, 2] {
            let made = x.diag_embed(offset);
            let side = 3 + offset.unsigned_abs();
            assert_eq!(made.shape().dims(), [2, side, side]);
            assert_eq!(agreed(&made.diagonal(offset)), agreed(&x), "{device}: {offset}");
            assert_eq!(agreed(&made.abs().sum(&[])), agreed(&x.abs().sum(&[])), "{device}: {offset}");
        }
        assert_eq!(device.zeros([2, 0]).diag_embed(1).shape().dims(), [2, 1, 1]);
        assert_eq!(agreed(&device.zeros([2, 0]).diag_embed(1)), [0.0; 2]);
        assert!(agreed(&device.zeros([0, 3]).diag_embed(0)).is_empty());
        let v = device.tensor(&[1.0, 2.0], 2);
        assert_eq!(agreed(&v.diag(1).diag(1)), [1.0, 2.0]);
        assert_eq!(agreed(&v.diag(0)), [1.0, 0.0, 0.0, 2.0]);
        // numpy.rot90([[1, 2, 3], [4, 5, 6]], k)
        let m = device.tensor(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]);
        for (times, dims, expected) in [
            (0, [2, 3], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            (1, [3, 2], [3.0, 6.0, 2.0, 5.0, 1.0, 4.0]),
            (2, [2, 3], [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]),
            (3, [3, 2], [4.0, 1.0, 5.0, 2.0, 6.0, 3.0]),
        ] {
            for turns in [times, times - 4, times + 8] {
                let turned = m.rot90(turns, [0, -1]);
                assert_eq!((turned.shape().dims(), agreed(&turned)), (&dims[..], expected.to_vec()), "{device}: {turns}");
            }
            // The other way round is the other direction.
            assert_eq!(agreed(&m.rot90(times, [0, 1]).rot90(times, [1, 0])), agreed(&m));
        }
    }
}

#[test]
fn slices_parts_and_moved_axes() {
    for device in common::devices("slices, parts, axes") {
        let x = device.tensor(&numbers(24, 4), [2, 3, 4]);
        for (axis, n) in [(0isize, 2isize), (1, 3), (-1, 4)] {
            let all = x.unbind(axis);
            assert_eq!(all.len() as isize, n);
            for k in 0..n {
                assert_eq!(agreed(&x.select(axis, k)), agreed(&all[k as usize]));
                assert_eq!(agreed(&x.select(axis, k - n)), agreed(&all[k as usize]));
            }
            assert_eq!(agreed(&ops::stack(&all.iter().collect::<Vec<_>>(), axis).unwrap()), agreed(&x));
        }
        let sizes = |parts: &[Tensor]| parts.iter().map(|p| p.shape().dims()[1]).collect::<Vec<_>>();
        let y = device.tensor(&numbers(14, 4), [2, 7]);
        assert_eq!(sizes(&y.split_every(1, 3)), [3, 3, 1]);
        assert_eq!(sizes(&y.split_every(-1, 7)), [7]);
        assert_eq!(sizes(&y.split_every(1, 9)), [7]);
        assert_eq!(sizes(&y.chunk(1, 9)), [1, 1, 1, 1, 1, 1, 1, 0, 0]);
        assert_eq!(device.zeros([2, 0]).split_every(1, 3).len(), 0);
        assert_eq!(device.zeros([0, 2]).unbind(0).len(), 0);
        assert_eq!(x.movedim(0, -1).shape().dims(), [3, 4, 2]);
        assert_eq!(agreed(&x.movedim(0, 2)), agreed(&x.permute(&[1, 2, 0])));
        assert_eq!(agreed(&x.movedim(-1, 0)), agreed(&x.permute(&[2, 0, 1])));
        assert_eq!(agreed(&x.movedim(1, 1)), agreed(&x));
        assert_eq!(agreed(&y.repeat_interleave(&[1, 0, 2, 0, 0, 0, 1], 1).slice(0, ..1)), {
            let y = agreed(&y);
            [y[0], y[2], y[2], y[6]]
        });
        assert!(agreed(&y.repeat_interleave(&[0], 0)).is_empty());
        assert_eq!(agreed(&device.tensor(&[true, false], 2).repeat_interleave(&[1, 2], 0)), [1.0, 0.0, 0.0]);
    }
}

#[test]
fn parts_put_into_axes_and_axes_joined() {
    for device in common::devices("slices put, axes joined") {
        let (x, y) = (device.parameter(&numbers(12, 1), [2, 6]), device.parameter(&numbers(4, 2), [2, 2]));
        for start in [0, 1, 4, -6, -2] {
            let made = x.slice_put(1, start, &y);
            let first = if start < 0 { start + 6 } else { start };
            assert_eq!(agreed(&made.slice(1, first..first + 2)), agreed(&y), "{device}: {start}");
            assert_eq!(agreed(&made.slice(1, ..first)), agreed(&x.slice(1, ..first)));
            assert_eq!(agreed(&made.slice(1, first + 2..)), agreed(&x.slice(1, first + 2..)));
            let gradients = made.sum(&[]).backward();
            assert_eq!(agreed(&gradients.wrt(&y).unwrap()), [1.0; 4]);
            assert_eq!(agreed(&gradients.wrt(&x).unwrap().sum(&[])), [8.0]);
        }
        assert_eq!(agreed(&x.slice_put(0, 2, &x.slice(0, ..0))), agreed(&x));
        assert_eq!(agreed(&x.slice_put(0, 0, &(&x * 2.0))), agreed(&(&x * 2.0)));
        let z = device.zeros([2, 3, 4, 5]);
        for (from, to, dims) in [(1, -1, &[2usize, 60][..]), (0, 1, &[6, 4, 5]), (2, 2, &[2, 3, 4, 5]), (0, 3, &[120])] {
            assert_eq!(z.flatten_axes(from, to).shape().dims(), dims);
        }
        assert_eq!(z.unflatten(2, &[2, 1, 2]).shape().dims(), [2, 3, 2, 1, 2, 5]);
        assert_eq!(z.unflatten(-1, &[5]).shape().dims(), [2, 3, 4, 5]);
    }
}

#[test]
fn places_of_a_triangle_read_it() {
    for device in common::devices("triangles by their places") {
        for (rows, columns) in [(3, 4), (4, 3), (1, 1), (0, 2), (2, 0)] {
            let x = &device.arange(rows * columns).reshape([rows, columns]) + 1.0;
            for offset in [-9, -1, 0, 1, 9] {
                for ([down, across], triangle) in [
                    (device.tril_indices(rows, columns, offset), x.tril(offset)),
                    (device.triu_indices(rows, columns, offset), x.triu(offset)),
                ] {
                    let kept: Vec<f64> = agreed(&triangle).into_iter().filter(|x| *x != 0.0).collect();
                    assert_eq!((down.shape().dims(), across.shape().dims()), (&[kept.len()][..], &[kept.len()][..]));
                    assert_eq!(agreed(&x.at(&[&down, &across])), kept, "{device}: {rows} {columns} {offset}");
                }
            }
        }
        assert_eq!(complaint(&device.tril_indices(1 << 20, 1 << 20, 0)[1]).0, "tril_indices");
    }
}

#[test]
fn grids_blocks_and_stacks() {
    for device in common::devices("grids and blocks") {
        let (a, b, c) = (device.arange(2), device.arange(3), device.arange(4).to_u32());
        let grids = ops::meshgrid(&[&a, &b, &c], Indexing::Xy).unwrap();
        for (grid, of) in grids.iter().zip([|at: usize| at / 4 % 2, |at| at / 8, |at| at % 4]) {
            assert_eq!(grid.shape().dims(), [3, 2, 4]);
            assert_eq!(agreed(grid), (0..24).map(|at| of(at) as f64).collect::<Vec<_>>());
        }
        assert_eq!(ops::meshgrid(&[&a], Indexing::Xy).unwrap()[0].shape().dims(), [2]);
        assert_eq!(ops::meshgrid(&[&device.scalar(1.0), &b], Indexing::Ij).unwrap()[0].shape().dims(), [1, 3]);
        assert!(agreed(&ops::meshgrid(&[&a, &device.zeros(0)], Indexing::Ij).unwrap()[0]).is_empty());
        let shapes = ops::broadcast_tensors(&[&device.ones([3, 1]), &device.ones(2), &device.scalar(1.0)]).unwrap();
        assert!(shapes.iter().all(|t| t.shape().dims() == [3, 2]));
        let blocks = ops::block_diag(&[&device.scalar(7.0), &device.tensor(&[1.0, 2.0], 2), &device.zeros([2, 0])]).unwrap();
        assert_eq!(blocks.shape().dims(), [4, 3]);
        assert_eq!(agreed(&blocks)[..6], [7.0, 0.0, 0.0, 0.0, 1.0, 2.0]);
        let (u, v) = (device.tensor(&[1.0, 2.0], 2), device.tensor(&[3.0, 4.0], 2));
        assert_eq!(agreed(&ops::hstack(&[&u, &v]).unwrap()), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(ops::vstack(&[&u, &v]).unwrap().shape().dims(), [2, 2]);
        assert_eq!(ops::hstack(&[&u.unsqueeze(1), &v.unsqueeze(1)]).unwrap().shape().dims(), [2, 2]);
        assert_eq!(agreed(&ops::hstack(&[&device.scalar(1.0), &device.scalar(2.0)]).unwrap()), [1.0, 2.0]);
    }
}

#[test]
fn sums_over_pairs_of_axes_are_einsums() {
    for device in common::devices("tensordot and cross") {
        let (x, y) = (device.tensor(&numbers(24, 1), [2, 3, 4]), device.tensor(&numbers(60, 2), [4, 5, 3]));
        for (own, others, subscript) in [
            (&[2isize][..], &[0isize][..], "abc,cde->abde"),
            (&[1, 2], &[2, 0], "abc,cdb->ad"),
            (&[-1, -2], &[0, -1], "abc,cdb->ad"),
            (&[], &[], "abc,def->abcdef"),
        ] {
            let expected = agreed(&ops::einsum(subscript, &[&x, &y]).unwrap());
            let found = agreed(&x.tensordot(&y, own, others));
            assert!(found.iter().zip(&expected).all(|(f, e)| (f - e).abs() < 1e-5), "{device}: {subscript}");
        }
        let (a, b) = (device.tensor(&numbers(6, 1), [2, 3]), device.tensor(&numbers(3, 2), 3));
        let made = a.cross(&b, -1);
        for of in [&a, &b] {
            assert!(agreed(&(of * &made).sum(&[-1])).iter().all(|x| x.abs() < 1e-5), "{device}: not at right angles");
        }
        assert_eq!(agreed(&made), agreed(&b.cross(&a, 1).neg()));
    }
}

#[test]
fn gradients_of_arrangements() {
    let device = Device::cpu();
    let (x, y, v) = (parameter(&device, &[3, 2], 1), parameter(&device, &[2, 3], 2), parameter(&device, &[3], 3));
    check_gradient("kron", &[&x, &y], &x.kron(&y));
    check_gradient("kron of many axes", &[&x, &y], &x.reshape([1, 3, 1, 2, 1]).kron(&y));
    check_gradient("cross", &[&y, &v], &y.cross(&v, 1));
    check_gradient("tensordot", &[&x, &y], &x.tensordot(&y, &[0], &[1]));
    check_gradient("diag_embed", &[&x], &x.diag_embed(-1).square());
    check_gradient("rot90", &[&x], &x.rot90(3, [0, 1]).square());
    check_gradient("select", &[&x], &x.select(1, -1).square());
    check_gradient("repeat_interleave", &[&x], &x.repeat_interleave(&[2, 0, 3], 0).square());
    let grids = ops::meshgrid(&[&v, &v.square()], Indexing::Xy).unwrap();
    check_gradient("meshgrid", &[&v], &grids[0].mul(&grids[1]));
    check_gradient("block_diag", &[&x, &v], &ops::block_diag(&[&x, &v, &y]).unwrap().square());
    let parts = y.split_every(1, 2);
    check_gradient("split_every", &[&y], &parts[0].mul(&parts[1]));
}

#[test]
fn numbers_in_equal_steps() {
    for device in common::devices("linspace") {
        for (start, stop) in [(0.0, 1.0), (-2.5, 1.75), (3.0, -3.0), (0.1, 0.1), (-1.5e38, 1.5e38), (1e-30, 2e-30)] {
            for count in [0, 1, 2, 3, 8, 1000] {
                let found = device.linspace(start, stop, count).to_vec::<f32>().unwrap();
                assert_eq!(found.len(), count);
                if let [first, .., last] = found[..] {
                    assert_eq!((first, last), (start as f32, stop as f32), "{device}");
                }
                for (i, x) in found.iter().enumerate() {
                    let t = i as f64 / (count.max(2) - 1) as f64;
                    let expected = start * (1.0 - t) + stop * t;
                    let size = f64::abs(start).max(f64::abs(stop));
                    assert!((f64::from(*x) - expected).abs() <= 3e-7 * size, "{device}: {start}..{stop} {i} of {count}: {x}");
                }
            }
        }
        assert_eq!(device.arange_step(0.0, 1.0, 0.1).shape().numel(), 10);
        assert_eq!(agreed(&device.arange_step(5.0, 5.0, 1.0)), [] as [f64; 0]);
        assert_eq!(agreed(&device.arange_step(5.0, 6.0, -1.0)), [] as [f64; 0]);
        assert_eq!(wide(&[0.1, 0.2, 0.3]), agreed(&device.arange_step(0.1, 0.35, 0.1)));
    }
}

#[test]
fn what_cannot_be_arranged_is_refused_by_name() {
    let device = Device::cpu();
    let x = device.zeros([2, 3]);
    let named = |t: &Tensor, name: &str| {
        let (op, error) = complaint(t);
        assert_eq!(op, name, "{error}");
    };
    assert_eq!(complaint(&x.select(1, 3)), ("select", OpError::OutOfRange { what: "index", found: 3, size: 3 }));
    assert_eq!(complaint(&x.select(1, -4)), ("select", OpError::OutOfRange { what: "index", found: -4, size: 3 }));
    named(&x.select(2, 0), "select");
    named(&x.unbind(2)[0], "unbind");
    named(&x.split_every(0, 0)[0], "split_every");
    named(&x.split_every(5, 1)[0], "split_every");
    named(&x.slice_put(0, 1, &x), "slice_put");
    named(&x.slice_put(0, -3, &x), "slice_put");
    named(&x.slice_put(1, 0, &device.zeros(2)), "slice_put");
    named(&x.slice_put(2, 0, &x), "slice_put");
    named(&x.slice_put(0, 0, &x.to_u32()), "slice_put");
    named(&x.flatten_axes(1, 0), "flatten_axes");
    named(&x.flatten_axes(0, 2), "flatten_axes");
    named(&x.unflatten(1, &[2, 2]), "unflatten");
    named(&x.unflatten(1, &[3, 1, 1, 1, 1, 1, 1, 1]), "unflatten");
    named(&x.unflatten(2, &[1]), "unflatten");
    named(&x.movedim(0, 2), "movedim");
    named(&x.rot90(1, [0, 0]), "rot90");
    named(&x.rot90(1, [0, 2]), "rot90");
    named(&device.scalar(1.0).diag_embed(0), "diag_embed");
    named(&x.diag_embed(isize::MAX), "diag_embed");
    named(&x.to_u32().diag_embed(0), "diag_embed");
    named(&device.zeros([1, 2, 3]).diag(0), "diag");
    named(&x.diag(7), "diag");
    named(&x.repeat_interleave(&[1, 2], 1), "repeat_interleave");
    named(&x.repeat_interleave(&[], 1), "repeat_interleave");
    named(&x.repeat_interleave(&[usize::MAX, 1, 1], 1), "repeat_interleave");
    named(&x.repeat_interleave(&[usize::MAX], 1), "repeat_interleave");
    named(&x.kron(&x.to_u32()), "kron");
    named(&x.cross(&x, 0), "cross");
    named(&x.cross(&device.zeros([2, 1]), 1), "cross");
    named(&x.cross(&x, 2), "cross");
    named(&x.cross(&device.zeros([5, 3]), 1), "cross");
    named(&x.tensordot(&x, &[0], &[0, 1]), "tensordot");
    named(&x.tensordot(&x, &[0], &[1]), "tensordot");
    named(&x.tensordot(&x, &[0, 0], &[0, 0]), "tensordot");
    named(&ops::meshgrid(&[&x], Indexing::Ij).unwrap()[0], "meshgrid");
    named(&ops::meshgrid(&[&device.zeros(1); 9], Indexing::Ij).unwrap()[8], "meshgrid");
    named(&ops::broadcast_tensors(&[&x, &device.zeros(2)]).unwrap()[1], "broadcast_tensors");
    named(&ops::block_diag(&[&x, &device.zeros([1, 1, 1])]).unwrap(), "block_diag");
    named(&ops::hstack(&[&x, &device.zeros(2)]).unwrap(), "hstack");
    named(&ops::vstack(&[&x, &device.zeros(2)]).unwrap(), "vstack");
    assert!(ops::meshgrid(&[], Indexing::Ij).is_err() && ops::broadcast_tensors(&[]).is_err());
    assert!(ops::block_diag(&[]).is_err() && ops::hstack(&[]).is_err() && ops::vstack(&[]).is_err());
    for bad in [f64::NAN, f64::INFINITY, 1e39] {
        named(&device.linspace(bad, 0.0, 3), "linspace");
        named(&device.linspace(0.0, bad, 3), "linspace");
        named(&device.arange_step(bad, 0.0, 1.0), "arange_step");
        named(&device.arange_step(0.0, 1.0, bad), "arange_step");
    }
    named(&device.linspace(-3e38, 3e38, 2), "linspace");
    named(&device.linspace(0.0, 1.0, 1 << 25), "linspace");
    named(&device.arange_step(0.0, 1.0, 0.0), "arange_step");
    named(&device.arange_step(0.0, 1.0, 1e-30), "arange_step");
    let broken = x.reshape(5);
    for made in
        [broken.select(0, 0), broken.diag(0), broken.kron(&x), x.kron(&broken), broken.rot90(1, [0, 1]), x.cross(&broken, 1)]
    {
        assert!(made.check().unwrap_err().to_string().starts_with("reshape"));
    }
}
