//! Writing by an index, embeddings with padding, and masks: which entry wins, who gets the gradient, and what is refused.
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::common::slopes::{agreed, check_gradient, numbers, parameter};
use steepest::error::OpError;
use steepest::nn::{Embedding, Module};
use steepest::ops::Reduce;
use steepest::{Device, Error, Tensor};

const ALL: [Reduce; 5] = [Reduce::Set, Reduce::Add, Reduce::Mean, Reduce::Min, Reduce::Max];

fn complaint(tensor: &Tensor) -> (&'static str, OpError) {
    match tensor.check() {
        Err(Error::Op { op, at, error }) if at.file().ends_with("index_put.rs") => (op, error),
        other => panic!("{other:?} where an error was expected"),
    }
}

/// The definition: entry after entry, in row-major order.
fn scattered(
    x: &[f64],
    [outer, n, inner]: [usize; 3],
    index: &[i64],
    m: usize,
    src: &[f64],
    reduce: Reduce,
    own: bool,
) -> Vec<f64> {
    let mut held: Vec<Vec<f64>> = x.iter().map(|&x| vec![x]).collect();
    let mut named = vec![false; x.len()];
    for o in 0..outer {
        for at in 0..m * inner {
            let k = index[o * m * inner + at];
            let k = if k < 0 { k + n as i64 } else { k };
            if let Some(k) = usize::try_from(k).ok().filter(|k| *k < n) {
                let place = (o * n + k) * inner + at % inner;
                if !own && !named[place] {
                    held[place].clear();
                }
                named[place] = true;
                held[place].push(src[o * m * inner + at]);
            }
        }
    }
    let of = |all: &Vec<f64>| match reduce {
        Reduce::Set => all[all.len() - 1],
        Reduce::Add => all.iter().sum(),
        Reduce::Mean => all.iter().sum::<f64>() / all.len() as f64,
        Reduce::Min => all.iter().copied().fold(f64::INFINITY, f64::min),
        Reduce::Max => all.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    };
    held.iter().map(of).collect()
}

#[test]
fn scatter_is_what_it_says_entry_after_entry() {
    for device in common::devices("scatter") {
        for (dims, axis, m) in [(&[5][..], 0, 9), (&[4, 3], 0, 6), (&[3, 4], 1, 200), (&[2, 3, 2], 1, 5), (&[1], 0, 300)] {
            let around = |s: &[usize]| [s[..axis].iter().product(), s[axis], s[axis + 1..].iter().product()];
            let n = dims[axis];
            let mut narrow = dims.to_vec();
            narrow[axis] = m;
            let count: usize = narrow.iter().product();
            let (x, src) = (numbers(dims.iter().product(), 1), numbers(count, 2));
            // Both ends of the axis, from either side, and some outside; one place is never named where there are several.
            let index: Vec<i64> = (0..count as i64).map(|i| (i * i + i / 3) % (2 * n as i64 + 2) - n as i64 - 1).collect();
            let index: Vec<i64> =
                index.into_iter().map(|k| if n > 2 && k.rem_euclid(n as i64) == 1 { k - 1 } else { k }).collect();
            // By way of floats, so that nothing is known of the range.
            let at = device.tensor(&index.iter().map(|k| *k as f32).collect::<Vec<_>>(), narrow.clone()).to_i32();
            let (to, from) = (device.tensor(&x, dims.to_vec()), device.tensor(&src, narrow.clone()));
            let wide = |v: &[f32]| v.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
            for reduce in ALL {
                for own in [true, false] {
                    let made = if own {
                        to.scatter(axis as isize, &at, &from, reduce)
                    } else {
                        to.scatter_over(axis as isize, &at, &from, reduce)
                    };
                    let expected = scattered(&wide(&x), around(dims), &index, m, &wide(&src), reduce, own);
                    let found = agreed(&made);
                    let near = found.iter().zip(&expected).all(|(f, e)| (f - e).abs() <= 1e-5 * e.abs().max(1.0));
                    assert!(near, "{device}: {dims:?} axis {axis} {reduce:?} {own}: {found:?}, not {expected:?}");
                }
            }
        }
    }
}

#[test]
fn gradients_of_scatter_and_index_put() {
    let device = Device::cpu();
    let x = parameter(&device, &[4, 3], 1);
    let src = parameter(&device, &[5, 3], 2);
    let index = device.tensor(&[1i32, 0, 3, -1, 1, 0, 0, 2, 2, 1, -4, 3, 1, 1, 2], [5, 3]);
    for reduce in ALL {
        check_gradient(&format!("scatter {reduce:?}"), &[&x, &src], &x.scatter(0, &index, &src, reduce).square());
        check_gradient(&format!("scatter_over {reduce:?}"), &[&x, &src], &x.scatter_over(0, &index, &src, reduce).square());
    }
    let rows = device.tensor(&[1i32, -1, 1, 0, 3], 5);
    for accumulate in [false, true] {
        check_gradient("index_put", &[&x, &src], &x.index_put(0, &rows, &src, accumulate).square());
    }
    check_gradient("index_put", &[&x, &src], &x.t().index_put(-1, &rows, &src.t(), false).square());
    check_gradient("index_fill", &[&x], &x.index_fill(1, &device.tensor(&[2u32, 0], 2), 3.0).square());
    check_gradient("embedding_padded", &[&src], &src.embedding_padded(&device.tensor(&[1u32, 0, 1, 4], [2, 2]), 3).square());
    check_gradient("take", &[&x], &x.take(&device.tensor(&[-1i32, 0, 5, 5], [2, 2])).square());
}

#[test]
fn the_last_wins_and_gets_the_gradient_and_equal_ones_share() {
    for device in common::devices("winners of scatter") {
        let x = device.parameter(&[10.0, 20.0, 5.0], 3);
        let src = device.parameter(&[1.0, 5.0, 3.0, 5.0], 4);
        let index = device.tensor(&[0u32, 2, 0, 2], 4);
        let slopes = |y: &Tensor| {
            let gradients = y.mul(&device.tensor(&[1.0, 10.0, 100.0], 3)).sum(&[]).backward();
            [&x, &src].map(|p| gradients.wrt(p).unwrap().to_vec::<f32>().unwrap())
        };
        let set = x.scatter(0, &index, &src, Reduce::Set);
        assert_eq!(agreed(&set), [3.0, 20.0, 5.0]);
        assert_eq!(slopes(&set), [vec![0.0, 10.0, 0.0], vec![0.0, 0.0, 1.0, 100.0]], "{device}");
        // 5 stands there three times: once in x, twice in the source.
        let third = 100.0 / 3.0f32;
        for (reduce, values, of_x, of_src) in [
            (Reduce::Max, [10.0, 20.0, 5.0], vec![1.0, 10.0, third], vec![0.0, third, 0.0, third]),
            (Reduce::Min, [1.0, 20.0, 5.0], vec![0.0, 10.0, third], vec![1.0, third, 0.0, third]),
        ] {
            let y = x.scatter(0, &index, &src, reduce);
            assert_eq!(agreed(&y), values);
            assert_eq!(slopes(&y), [of_x, of_src], "{device}: {reduce:?}");
        }
        // The same answer each time, however many entries there are.
        let many: Vec<f32> = (0..70_000).map(|i| i as f32).collect();
        let (entries, places) = (device.tensor(&many, 70_000), device.tensor(&vec![1u32; 70_000], 70_000));
        let large = device.zeros(3).scatter(0, &places, &entries, Reduce::Set);
        assert_eq!(agreed(&large), [0.0, 69_999.0, 0.0], "{device}");
        assert_eq!(agreed(&device.zeros(3).scatter(0, &places, &entries, Reduce::Max)), [0.0, 69_999.0, 0.0], "{device}");
        assert_eq!(agreed(&device.zeros(3).scatter(0, &places, &entries.neg(), Reduce::Min)), [0.0, -69_999.0, 0.0], "{device}");
        // NaN is kept by the extremes, and passes no gradient to the others.
        let odd = device.parameter(&[1.0, f32::NAN, 2.0], 3);
        let y = device.zeros(2).scatter(0, &device.tensor(&[0u32, 1, 0], 3), &odd, Reduce::Max);
        let found = agreed(&y);
        assert!(found[0] == 2.0 && found[1].is_nan());
        let slope = y.slice(0, ..1).sum(&[]).backward().wrt(&odd).unwrap().to_vec::<f32>().unwrap();
        assert_eq!(slope, [0.0, 0.0, 1.0]);
    }
}

#[test]
fn integers_and_bools_are_written_too() {
    for device in common::devices("integers by an index") {
        let x = device.tensor(&[1i32, 2, 3], 3);
        let index = device.tensor(&[2u32, 2], 2);
        assert_eq!(agreed(&x.scatter(0, &index, &device.tensor(&[-7i32, -8], 2), Reduce::Set)), [1.0, 2.0, -8.0]);
        assert_eq!(agreed(&x.index_put(0, &index, &device.tensor(&[-7i32, -8], 2), false)), [1.0, 2.0, -8.0]);
        assert_eq!(agreed(&x.index_fill(0, &index, -4.0)), [1.0, 2.0, -4.0]);
        assert_eq!(agreed(&x.masked_fill(&device.tensor(&[true, false, true], 3), 9.0)), [9.0, 2.0, 9.0]);
        let flags = device.tensor(&[false, true, false], 3);
        assert_eq!(agreed(&flags.index_fill(0, &index, 1.0)), [0.0, 1.0, 1.0]);
        assert_eq!(agreed(&x.take(&device.tensor(&[-1i32], 1))), [3.0]);
        // Nothing to write, nothing to write to.
        let none = device.tensor(&[0u32; 0], 0);
        assert_eq!(agreed(&x.index_put(0, &none, &x.slice(0, ..0), false)), [1.0, 2.0, 3.0]);
        assert_eq!(agreed(&x.index_fill(0, &none, 5.0)), [1.0, 2.0, 3.0]);
        let empty = device.zeros([0, 2]);
        for reduce in ALL {
            let index = device.tensor(&[0u32; 0], [0, 2]);
            assert!(agreed(&empty.scatter(0, &index, &empty, reduce)).is_empty());
            assert_eq!(agreed(&device.ones([1, 2]).scatter(0, &index, &empty, reduce)), [1.0, 1.0]);
            let beyond = device.tensor(&[0.0f32, 3.0], [1, 2]).to_u32();
            assert!(agreed(&empty.scatter(0, &beyond, &device.ones([1, 2]), reduce)).is_empty());
        }
        assert!(agreed(&x.take(&none)).is_empty());
    }
}

#[test]
fn padding_gets_no_gradient() {
    for device in common::devices("padding of embeddings") {
        let table = device.parameter(&[1.0, 2.0, 3.0, 4.0, 5.0, f32::INFINITY], [3, 2]);
        let index = device.tensor(&[0i32, 2, 2, 0], [2, 2]);
        let rows = table.embedding_padded(&index, 2);
        assert_eq!(agreed(&rows), [1.0, 2.0, 5.0, f64::INFINITY, 5.0, f64::INFINITY, 1.0, 2.0]);
        // Whatever comes behind: ∞ · 0 too.
        let slope = rows.square().sum(&[]).backward().wrt(&table).unwrap();
        assert_eq!(agreed(&slope), [4.0, 8.0, 0.0, 0.0, 0.0, 0.0], "{device}");
        let layer = Embedding::new(&device, 4, 2, 3).padding(1);
        let weight = layer.weight().to_vec::<f32>().unwrap();
        assert!(weight[2..4] == [0.0; 2] && weight.iter().filter(|w| **w != 0.0).count() == 6);
        assert_eq!(weight[4..], Embedding::new(&device, 4, 2, 3).weight().to_vec::<f32>().unwrap()[4..]);
        let slope = layer.forward(&device.tensor(&[1u32, 3], 2)).sum(&[]).backward().wrt(layer.weight()).unwrap();
        assert_eq!(agreed(&slope), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
    }
    let device = Device::cpu();
    let (table, index) = (device.zeros([3, 2]), device.tensor(&[0u32], 1));
    assert!(
        matches!(complaint(&table.embedding_padded(&index, 3)), ("embedding_padded", OpError::Value(m)) if m.contains("padding is 3"))
    );
    assert!(
        Embedding::new(&device, 3, 2, 0).padding(7).forward(&index).check().unwrap_err().to_string().contains("padding is 7")
    );
}

#[test]
fn masks_choose_and_stop_the_gradient() {
    for device in common::devices("masked_fill") {
        let x = device.parameter(&[0.0, 4.0, -1.0, 9.0], [2, 2]);
        let mask = device.tensor(&[true, false], [2, 1]);
        assert_eq!(agreed(&x.masked_fill(&mask, f64::NEG_INFINITY)), [f64::NEG_INFINITY, f64::NEG_INFINITY, -1.0, 9.0]);
        assert!(agreed(&x.masked_fill(&mask, f64::NAN))[1].is_nan());
        // √ has an infinite slope at the 0 that is masked.
        let mask = device.tensor(&[true, false, true, false], [2, 2]);
        let slope = x.masked_fill(&mask, 0.0).sqrt().sum(&[]).backward().wrt(&x).unwrap();
        let third = f64::from(1.0f32 / 6.0);
        let found = agreed(&slope);
        assert!(found[..3] == [0.0, 0.25, 0.0] && (found[3] - third).abs() < 1e-6, "{found:?}");
        // The shapes broadcast either way.
        assert_eq!(x.slice(0, ..1).masked_fill(&device.tensor(&[true, false, true], [3, 1]), 0.0).shape().dims(), [3, 2]);
    }
}

#[test]
fn several_indices_name_places_together() {
    for device in common::devices("several indices") {
        let data = numbers(24, 3);
        let x = device.tensor(&data, [2, 3, 4]);
        let (i, j) = ([0i32, -1, 1, 0, 1, -2], [2i32, 0, -3, 1, 1, -1]);
        let known = [device.tensor(&i, [2, 3]), device.tensor(&j, [2, 3])];
        let unknown = [&i, &j].map(|k| device.tensor(&k.map(|k| k as f32), [2, 3]).to_i32());
        let row = |k: usize| (i[k].rem_euclid(2) as usize, j[k].rem_euclid(3) as usize);
        for [a, b] in [&known, &unknown] {
            let found = x.at(&[a, b]);
            let expected: Vec<f64> =
                (0..6).flat_map(|k| data[(row(k).0 * 3 + row(k).1) * 4..][..4].to_vec()).map(f64::from).collect();
            assert_eq!((found.shape().dims(), agreed(&found)), (&[2, 3, 4][..], expected), "{device}");
            // They broadcast: a column of rows by a line of columns.
            let grid = x.at(&[&device.tensor(&[1u32, 0], [2, 1]), &b.slice(0, ..1)]);
            assert_eq!(grid.shape().dims(), [2, 3, 4]);
            assert_eq!(agreed(&grid.slice(0, 1..)), agreed(&x.select(0, 0).index_select(0, &b.slice(0, ..1).flatten())));
            // Written and read again, added up where named twice.
            let src = device.tensor(&numbers(24, 4), [2, 3, 4]);
            let added = agreed(&x.put_at(&[a, b], &src, true));
            let (mut set, mut sum): (Vec<f64>, Vec<f64>) = data.iter().map(|x| (f64::from(*x), f64::from(*x))).unzip();
            for (k, s) in agreed(&src).chunks(4).enumerate() {
                let at = (row(k).0 * 3 + row(k).1) * 4;
                set[at..][..4].copy_from_slice(s);
                sum[at..][..4].iter_mut().zip(s).for_each(|(t, s)| *t += s);
            }
            assert_eq!(agreed(&x.put_at(&[a, b], &src, false)), set, "{device}");
            assert!(added.iter().zip(&sum).all(|(f, e)| (f - e).abs() < 1e-5), "{device}");
        }
        // All axes: single elements; a source that broadcasts.
        let all = [device.tensor(&[1u32, 0], 2), device.tensor(&[2u32, 0], 2), device.tensor(&[-1i32, 0], 2)];
        let all: Vec<&Tensor> = all.iter().collect();
        assert_eq!(agreed(&x.at(&all)), [f64::from(data[23]), f64::from(data[0])]);
        let ones = x.put_at(&all, &device.scalar(9.0), false);
        assert_eq!([agreed(&ones)[0], agreed(&ones)[23], agreed(&ones)[1]], [9.0, 9.0, f64::from(data[1])]);
        // One index outside makes the place one that is not there, and none of another row.
        let (a, b) = (device.tensor(&[0.0, 0.0, 5.0, -9.0], 4).to_i32(), device.tensor(&[3.0, 1.0, 0.0, 0.0], 4).to_i32());
        let flat = device.arange(6).reshape([2, 3]);
        let found = agreed(&flat.at(&[&a, &b]));
        assert!(found[1] == 1.0 && [0, 2, 3].iter().all(|&k| found[k].is_nan()), "{device}: {found:?}");
        let put = flat.put_at(&[&a, &b], &device.full(4, 7.0), false);
        assert_eq!(agreed(&put), [0.0, 7.0, 2.0, 3.0, 4.0, 5.0], "{device}");
        let none = device.tensor(&[0u32; 0], 0);
        assert!(agreed(&flat.at(&[&none, &none])).is_empty());
        assert_eq!(agreed(&flat.put_at(&[&none], &device.zeros([0, 3]), true)), agreed(&flat));
        // In row-major order, and no more than there are.
        let mask = device.tensor(&[true, false, true], 3);
        let filled = flat.masked_scatter(&mask, &device.tensor(&[10.0, 20.0, 30.0, 40.0, 50.0], 5));
        assert_eq!(agreed(&filled), [10.0, 1.0, 20.0, 30.0, 4.0, 40.0], "{device}");
        assert!(agreed(&flat.masked_scatter(&mask, &device.ones(3)))[5].is_nan());
        assert_eq!(
            agreed(&device.tensor(&[1u32, 2], 2).masked_scatter(&device.tensor(&[true, true], 2), &device.tensor(&[9u32], 1))),
            [9.0, 0.0]
        );
    }
    let device = Device::cpu();
    let (x, src) = (parameter(&device, &[2, 3], 1), parameter(&device, &[4], 2));
    let (i, j) = (device.tensor(&[1u32, 0, 1, 1], 4), device.tensor(&[2u32, 0, 1, 2], 4));
    check_gradient("at", &[&x], &x.at(&[&i, &j]).square());
    for accumulate in [false, true] {
        check_gradient("put_at", &[&x, &src], &x.put_at(&[&i, &j], &src, accumulate).square());
    }
    check_gradient("masked_scatter", &[&x, &src], &x.masked_scatter(&device.tensor(&[true, false, true], 3), &src).square());
    assert!(matches!(complaint(&x.at(&[])), ("at", OpError::Value(m)) if m.contains("0 indices")));
    assert!(matches!(complaint(&x.at(&[&i, &j, &i])), ("at", OpError::Value(_))));
    assert!(matches!(complaint(&x.at(&[&i, &j.slice(0, ..3)])), ("at", OpError::Shape(_))));
    assert!(matches!(complaint(&x.at(&[&x])), ("at", OpError::DType(_))));
    assert_eq!(complaint(&x.at(&[&j])), ("at", OpError::OutOfRange { what: "index", found: 2, size: 2 }));
    assert!(matches!(complaint(&x.put_at(&[&i, &j], &x, false)), ("put_at", _)));
    assert!(matches!(complaint(&x.put_at(&[&i, &j], &src.to_u32(), false)), ("put_at", OpError::DType(_))));
    assert!(matches!(complaint(&x.masked_scatter(&x, &src)), ("masked_scatter", OpError::DType(_))));
    assert!(matches!(
        complaint(&x.masked_scatter(&device.tensor(&[true, false], 2), &src)),
        ("masked_scatter", OpError::Shape(_))
    ));
    let broken = x.reshape(5);
    assert!(
        [broken.at(&[&i]), x.at(&[&broken]), x.put_at(&[&i, &j], &broken, true)].iter().all(|t| t
            .check()
            .unwrap_err()
            .to_string()
            .starts_with("reshape"))
    );
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let device = Device::cpu();
    let (x, src) = (device.zeros([4, 3]), device.zeros([2, 3]));
    let index = device.tensor(&[0u32, 1, 2, 3, 0, 1], [2, 3]);
    let rows = device.tensor(&[0i32, -5], 2);
    let set = |x: &Tensor, axis, i: &Tensor, s: &Tensor| x.scatter(axis, i, s, Reduce::Set);
    assert!(matches!(complaint(&set(&x, 2, &index, &src)), ("scatter", OpError::Axis { axis: 2, .. })));
    assert!(matches!(complaint(&set(&x, 1, &index, &src)), ("scatter", OpError::Shape(m)) if m.contains("[2,3]")));
    assert!(matches!(complaint(&set(&x, 0, &index, &x)), ("scatter", OpError::Shape(m)) if m.contains("source is [4,3]")));
    assert!(matches!(complaint(&set(&x, 0, &index.to_f32(), &src)), ("scatter", OpError::DType(_))));
    assert!(matches!(complaint(&set(&x, 0, &index, &src.to_u32())), ("scatter", OpError::DType(m)) if m.contains("u32")));
    let high = device.tensor(&[4u32; 6], [2, 3]);
    assert_eq!(complaint(&set(&x, 0, &high, &src)), ("scatter", OpError::OutOfRange { what: "index", found: 4, size: 4 }));
    for reduce in [Reduce::Add, Reduce::Mean, Reduce::Min, Reduce::Max] {
        let (op, error) = complaint(&x.to_u32().scatter_over(0, &index, &src.to_u32(), reduce));
        assert!(op == "scatter_over" && matches!(error, OpError::DType(_)), "{op} {error:?}");
    }
    let outside = OpError::OutOfRange { what: "index", found: -5, size: 4 };
    assert_eq!(complaint(&x.index_put(0, &rows, &src, false)), ("index_put", outside.clone()));
    assert_eq!(complaint(&x.index_fill(0, &rows, 1.0)), ("index_fill", outside));
    assert!(matches!(complaint(&x.index_put(0, &index, &src, true)), ("index_put", OpError::Shape(m)) if m.contains("one axis")));
    assert!(matches!(complaint(&x.index_put(1, &rows, &src, true)), ("index_put", OpError::Shape(_))));
    let (whole, mask) = (x.to_u32(), x.gt_scalar(0.0));
    for bad in [-1.0, 0.5, f64::NAN, 1e10] {
        assert!(
            matches!(complaint(&whole.masked_fill(&mask, bad)), ("masked_fill", OpError::Value(m)) if m.contains("value is"))
        );
        assert!(
            matches!(complaint(&whole.index_fill(0, &device.tensor(&[0u32], 1), bad)), ("index_fill", OpError::Value(m)) if m.contains("value is"))
        );
    }
    assert!(matches!(complaint(&x.take(&src)), ("take", OpError::DType(_))));
    assert!(matches!(complaint(&x.masked_fill(&src, 0.0)), ("masked_fill", OpError::DType(_) | OpError::Shape(_))));
    assert!(matches!(complaint(&x.masked_fill(&x, 0.0)), ("masked_fill", OpError::DType(_))));
    let broken = x.reshape(5);
    for made in
        [set(&broken, 0, &index, &src), set(&x, 0, &index, &broken), x.index_fill(0, &broken, 0.0), broken.masked_fill(&x, 0.0)]
    {
        assert!(made.check().unwrap_err().to_string().starts_with("reshape"));
    }
}
