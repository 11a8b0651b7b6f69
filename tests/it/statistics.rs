//! Order statistics, running extremes, searches, counts, distances and covariances: against sorting by hand, with gradients and what is refused.
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::common::slopes::{agreed, check_gradient, numbers, parameter, reference};
use steepest::error::OpError;
use steepest::{Device, Error, Tensor};

const NAN: f32 = f32::NAN;
const INF: f32 = f32::INFINITY;

fn complaint(error: Error) -> (&'static str, OpError) {
    match error {
        Error::Op { op, at, error } if at.file().ends_with("statistics.rs") => (op, error),
        other => panic!("{other:?} where an error of this file was expected"),
    }
}

fn refused(tensor: &Tensor) -> (&'static str, OpError) {
    complaint(tensor.check().expect_err("an error"))
}

/// Equal, or both NaN.
fn same(found: &[f64], expected: &[f64]) -> bool {
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(f, e)| f == e || (f.is_nan() && e.is_nan()) || (f - e).abs() < 1e-6)
}

#[test]
fn quantiles_and_medians_by_hand() {
    for device in common::devices("quantiles") {
        for n in [1usize, 2, 3, 4, 7, 200] {
            let line: Vec<f32> = numbers(3 * n, n as u32);
            let x = device.tensor(&line, [3, n]);
            let q = [0.0, 0.1, 0.25, 0.5, 2.0 / 3.0, 0.99, 1.0];
            let found = agreed(&x.quantile(&q, 1));
            assert_eq!(x.quantile(&q, -1).shape().dims(), [7, 3]);
            let (values, indices) = x.median(1);
            let (values, indices) = (agreed(&values), agreed(&indices));
            for row in 0..3 {
                let own = &line[row * n..][..n];
                let mut sorted: Vec<f64> = own.iter().map(|x| f64::from(*x)).collect();
                sorted.sort_by(f64::total_cmp);
                for (k, q) in q.iter().enumerate() {
                    let place = q * (n - 1) as f64;
                    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
                    let expected = low + (high - low) * place.fract();
                    assert!((found[k * 3 + row] - expected).abs() < 1e-6, "{device}: {q} of {n}");
                }
                assert_eq!(values[row], sorted[(n - 1) / 2], "{device}: median of {n}");
                assert_eq!(f64::from(own[indices[row] as usize]), values[row]);
                for k in 1..=n {
                    assert_eq!(agreed(&x.kthvalue(k, 1).0)[row], sorted[k - 1]);
                    if n > 10 {
                        break;
                    }
                }
            }
        }
        // NaN, infinities, ties, and the axis that is not the last.
        let x = device.tensor(&[1.0, NAN, INF, NAN, 2.0, 3.0, INF, NAN, 2.0, -INF, INF, NAN], [3, 4]);
        let inf = f64::INFINITY;
        assert!(same(&agreed(&x.quantile(&[0.5], 0)), &[2.0, f64::NAN, inf, f64::NAN]), "{device}");
        assert!(same(&agreed(&x.quantile(&[0.25], 0)), &[1.5, f64::NAN, inf, f64::NAN]), "{device}");
        assert!(same(&agreed(&x.median(0).0), &[2.0, f64::NAN, inf, f64::NAN]), "{device}");
        assert!(same(&agreed(&x.nanmedian(0).0), &[2.0, -inf, inf, f64::NAN]), "{device}");
        assert!(same(&agreed(&x.nansum(&[0])), &[5.0, -inf, inf, 0.0]), "{device}");
        assert!(same(&agreed(&x.slice(1, ..1).nanmean(&[])), &[5.0 / 3.0]), "{device}");
        assert!(same(&agreed(&x.nanmean(&[0])), &[5.0 / 3.0, -inf, inf, f64::NAN]), "{device}");
        assert_eq!(agreed(&x.count_nonzero(&[0])), [3.0; 4], "{device}");
        assert_eq!(agreed(&device.tensor(&[0i32, -1, 0, 5], 4).count_nonzero(&[])), [2.0], "{device}");
        let often = device.tensor(&[3.0, 1.0, NAN, 3.0, 2.0, 1.0, NAN, -0.0, NAN, 3.0, 0.0, 3.0], [6, 2]);
        let (values, indices) = often.mode(0);
        assert!(same(&agreed(&values), &[f64::NAN, 3.0]), "{device}");
        assert_eq!(agreed(&indices), [1.0, 1.0], "{device}");
        let (values, indices) = often.slice(0, 3..).mode(1);
        assert!(same(&agreed(&values), &[0.0, 3.0, 0.0]) && agreed(&indices) == [1.0, 1.0, 0.0], "{device}");
        let integers = device.tensor(&[3i32, -1, 7, 7], 4);
        assert_eq!(agreed(&integers.median(0).0), [3.0]);
        assert_eq!(agreed(&integers.kthvalue(4, 0).0), [7.0]);
    }
}

#[test]
fn gradients_of_order_statistics() {
    let device = Device::cpu();
    let x = parameter(&device, &[5, 3], 4);
    check_gradient("quantile", &[&x], &x.quantile(&[0.3, 0.5, 1.0], 0));
    check_gradient("median", &[&x], &x.median(1).0.square());
    check_gradient("nanmedian", &[&x], &x.nanmedian(0).0.square());
    check_gradient("mode", &[&x], &x.mode(0).0.square());
    check_gradient("kthvalue", &[&x], &x.kthvalue(2, 0).0.square());
    check_gradient("cummax", &[&x], &x.cummax(0).0.square());
    check_gradient("cummin", &[&x], &x.cummin(1).0.square());
    check_gradient("logcumsumexp", &[&x], &x.logcumsumexp(0).square());
    check_gradient("logcumsumexp", &[&x], &(&x * 300.0).logcumsumexp(1));
    check_gradient("nanmean", &[&x], &x.nanmean(&[1]).square());
    check_gradient("diff", &[&x], &x.diff(2, 0).square());
    check_gradient("cov", &[&x], &x.t().cov(1).square());
    check_gradient("corrcoef", &[&x], &x.t().corrcoef().slice(0, ..1));
    // NaN gets none of the gradient.
    let y = device.parameter(&[1.0, NAN, 3.0], 3);
    assert_eq!(reference(&y.nansum(&[]).square().backward().wrt(&y).unwrap()), [8.0, 0.0, 8.0]);
    assert_eq!(reference(&y.nanmedian(0).0.square().backward().wrt(&y).unwrap()), [2.0, 0.0, 0.0]);
}

#[test]
fn running_extremes_and_their_logarithms() {
    for device in common::devices("running extremes") {
        let x = device.tensor(&[2.0, 1.0, 2.0, -INF, NAN, 5.0, NAN, 7.0], 8);
        let (values, indices) = x.cummax(0);
        assert_eq!(agreed(&indices), [0.0, 0.0, 2.0, 2.0, 4.0, 4.0, 6.0, 6.0], "{device}");
        assert!(agreed(&values)[..4] == [2.0; 4] && agreed(&values)[4..].iter().all(|x| x.is_nan()), "{device}");
        assert_eq!(agreed(&x.slice(0, ..4).cummin(0).1), [0.0, 1.0, 1.0, 3.0], "{device}");
        // So long that a device does it in parts.
        let long = device.arange(70_001);
        assert_eq!(agreed(&long.cummax(0).1.slice(0, -2..)), [69_999.0, 70_000.0], "{device}");
        assert_eq!(agreed(&long.cummin(0).1.slice(0, -2..)), [0.0, 0.0], "{device}");
        let inf = f64::INFINITY;
        let line = [-INF, -INF, -1000.0, 1000.0, -1000.0, 1000.0, INF, 0.0];
        let found = agreed(&device.tensor(&line, 8).logcumsumexp(0));
        let more = 1000.0 + 2f64.ln();
        let expected = [-inf, -inf, -1000.0, 1000.0, 1000.0, more, inf, inf];
        assert!(found.iter().zip(&expected).all(|(f, e)| f == e || (f - e).abs() < 1e-4), "{device}: {found:?}");
        assert!(agreed(&device.tensor(&[0.0, NAN, 0.0], 3).logcumsumexp(0))[1..].iter().all(|x| x.is_nan()));
        // Nothing but −∞ passes no gradient, and none of NaN.
        let x = device.parameter(&[-INF, -INF, 0.0], 3);
        let slope = x.logcumsumexp(0).slice(0, 1..).sum(&[]).backward().wrt(&x).unwrap();
        assert_eq!(agreed(&slope), [0.0, 0.0, 1.0], "{device}");
        assert!(agreed(&device.zeros([0, 3]).logcumsumexp(0)).is_empty());
        assert_eq!(agreed(&device.zeros([2, 0]).cummax(0).0), [] as [f64; 0]);
        let y = device.tensor(&[1.0, 4.0, 9.0, 16.0], 4);
        assert_eq!(agreed(&y.diff(1, 0)), [3.0, 5.0, 7.0]);
        assert_eq!(agreed(&y.diff(2, 0)), [2.0, 2.0]);
        assert_eq!(agreed(&y.diff(0, 0)), [1.0, 4.0, 9.0, 16.0]);
        assert!(agreed(&y.diff(4, 0)).is_empty() && agreed(&y.diff(9, 0)).is_empty());
    }
}

#[test]
fn places_in_sorted_lines_and_counts_of_bins() {
    for device in common::devices("searches and histograms") {
        let edges = device.tensor(&[-1.0, 0.0, 0.0, 2.5, INF], 5);
        let x = device.tensor(&[-2.0, -1.0, -0.0, 0.0, 1.0, 2.5, 3.0, INF, NAN], 9);
        assert_eq!(agreed(&x.bucketize(&edges, false)), [0.0, 0.0, 1.0, 1.0, 3.0, 3.0, 4.0, 4.0, 5.0], "{device}");
        assert_eq!(agreed(&x.bucketize(&edges, true)), [0.0, 1.0, 3.0, 3.0, 3.0, 4.0, 4.0, 5.0, 5.0], "{device}");
        assert_eq!(edges.searchsorted(&x, true).spec().unwrap().range, Some((0, 5)));
        // One line for each.
        let lines = device.tensor(&[0.0, 1.0, 2.0, 10.0, 20.0, 30.0], [2, 3]);
        let values = device.tensor(&[1.5, 25.0, 1.5, 25.0], [2, 2]);
        assert_eq!(agreed(&lines.searchsorted(&values, false)), [2.0, 3.0, 0.0, 2.0], "{device}");
        // Every edge is in the bin above it, but for the last.
        for (bins, low, high) in [(1, 0.0, 1.0), (10, -1.0, 1.0), (7, 0.1, 0.8), (256, -3.0, 3.0)] {
            let edges = device.linspace(low, high, bins + 1);
            let expected: Vec<f64> = (0..bins).map(|k| if k + 1 == bins { 2.0 } else { 1.0 }).collect();
            // In f64 the edges are others.
            let found: Vec<f64> = edges.histogram(bins, low, high).to_vec::<f32>().unwrap().into_iter().map(f64::from).collect();
            assert_eq!(found, expected, "{device}: {bins} in {low}..{high}");
        }
        let data = numbers(5000, 3);
        let found = agreed(&device.tensor(&data, [50, 100]).histogram(8, -2.0, 2.0));
        let expected: Vec<f64> =
            (0..8).map(|k| data.iter().filter(|x| ((**x + 2.0) * 2.0).floor().min(7.0) == k as f32).count() as f64).collect();
        assert_eq!(found, expected, "{device}");
        assert_eq!(agreed(&device.tensor(&[NAN, INF, -INF, 5.0], 4).histogram(2, 0.0, 1.0)), [0.0, 0.0], "{device}");
        assert_eq!(agreed(&device.zeros(0).histogram(3, 0.0, 1.0)), [0.0; 3], "{device}");
    }
}

#[test]
fn what_is_found_by_its_values() {
    for device in common::devices("sizes that the values decide") {
        let x = device.parameter(&[3.0, -1.0, 0.0, NAN, -0.0, 3.0], [2, 3]);
        let chosen = x.masked_select(&device.tensor(&[true, false, true], 3)).unwrap();
        assert!(same(&agreed(&chosen), &[3.0, 0.0, f64::NAN, 3.0]), "{device}");
        assert_eq!(agreed(&chosen.slice(0, ..2).square().sum(&[]).backward().wrt(&x).unwrap()), [6.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert!(agreed(&x.masked_select(&device.tensor(&[false], 1)).unwrap()).is_empty());
        assert_eq!(device.scalar(2.0).masked_select(&device.tensor(&[true, true], 2)).unwrap().shape().dims(), [2]);
        let places = x.nonzero().unwrap();
        assert_eq!(
            (places.shape().dims(), agreed(&places)),
            (&[4, 2][..], vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 2.0]),
            "{device}"
        );
        assert_eq!(device.zeros([2, 3]).nonzero().unwrap().shape().dims(), [0, 2]);
        assert_eq!(device.scalar(5.0).nonzero().unwrap().shape().dims(), [1, 0]);
        let found = x.unique().unwrap();
        assert!(same(&agreed(&found.values), &[-1.0, 0.0, 3.0, f64::NAN]), "{device}");
        assert_eq!(agreed(&found.inverse), [2.0, 0.0, 1.0, 3.0, 1.0, 2.0], "{device}");
        assert_eq!(agreed(&found.counts), [1.0, 2.0, 2.0, 1.0], "{device}");
        assert_eq!(found.inverse.shape().dims(), [2, 3]);
        let slope = found.values.slice(0, 2..3).sum(&[]).backward().wrt(&x).unwrap();
        assert_eq!(agreed(&slope), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0], "{device}");
        let flags = device.tensor(&[true, false, true], 3).unique().unwrap();
        assert_eq!((agreed(&flags.values), agreed(&flags.counts)), (vec![0.0, 1.0], vec![1.0, 2.0]));
        let none = device.zeros([0, 2]).unique().unwrap();
        assert_eq!((none.values.shape().dims(), none.inverse.shape().dims()), (&[0][..], &[0, 2][..]));
        assert_eq!(agreed(&device.scalar(1.0).unique().unwrap().inverse), [0.0]);
        let large: Vec<i32> = (0..5000).map(|i| i * 7919 % 13 - 6).collect();
        let found = device.tensor(&large, 5000).unique().unwrap();
        assert_eq!(agreed(&found.values), (-6..7).map(f64::from).collect::<Vec<_>>());
        let again = found.values.index_select(0, &found.inverse);
        assert_eq!(agreed(&again), large.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
        // Whether a value is one of some.
        let some = device.tensor(&[3.0, NAN, -1.0, 3.0], [2, 2]);
        assert_eq!(agreed(&x.isin(&some)), [1.0, 1.0, 0.0, 0.0, 0.0, 1.0], "{device}");
        assert_eq!(agreed(&x.isin(&device.zeros(0))), [0.0; 6], "{device}");
        assert_eq!(agreed(&x.isin(&device.scalar(0.0))), [0.0, 0.0, 1.0, 0.0, 1.0, 0.0], "{device}");
        // Counts, of a known range and of one that must be looked for.
        let index = device.tensor(&[1u32, 4, 1, 0], [2, 2]);
        for index in [index.clone(), index.to_f32().to_u32(), index.to_f32().to_i32()] {
            assert_eq!(agreed(&index.bincount(None, 0).unwrap()), [1.0, 2.0, 0.0, 0.0, 1.0], "{device}");
            assert_eq!(agreed(&index.bincount(None, 7).unwrap()), [1.0, 2.0, 0.0, 0.0, 1.0, 0.0, 0.0], "{device}");
            let weights = device.parameter(&[0.5, 2.0, 0.25, 8.0], [2, 2]);
            let sums = index.bincount(Some(&weights), 0).unwrap();
            assert_eq!(agreed(&sums), [8.0, 0.75, 0.0, 0.0, 2.0], "{device}");
            assert_eq!(agreed(&sums.slice(0, 1..2).sum(&[]).backward().wrt(&weights).unwrap()), [1.0, 0.0, 1.0, 0.0]);
        }
        let none = device.tensor(&[0u32; 0], 0);
        assert_eq!(agreed(&none.bincount(None, 2).unwrap()), [0.0, 0.0]);
        assert!(agreed(&none.bincount(None, 0).unwrap()).is_empty());
    }
}

#[test]
fn distances_of_close_points_keep_their_digits() {
    for device in common::devices("distances") {
        let (a, b) = (numbers(12, 1), numbers(20, 2));
        let (x, y) = (device.tensor(&a, [3, 4]), device.tensor(&b, [5, 4]));
        for p in [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, f64::INFINITY] {
            let found = agreed(&x.cdist(&y, p));
            for (at, found) in found.iter().enumerate() {
                let d: Vec<f64> = (0..4).map(|k| f64::from(a[at / 5 * 4 + k] - b[at % 5 * 4 + k]).abs()).collect();
                let expected = if p == 0.0 {
                    d.iter().filter(|d| **d != 0.0).count() as f64
                } else if p.is_infinite() {
                    d.iter().copied().fold(0.0, f64::max)
                } else {
                    d.iter().map(|d| d.powf(p)).sum::<f64>().powf(1.0 / p)
                };
                assert!((found - expected).abs() <= 2e-5 * expected, "{device}: p {p}: {found}, not {expected}");
            }
            let all = agreed(&x.cdist(&x, p));
            let pairs = agreed(&x.pdist(p));
            assert!(same(&pairs, &[all[1], all[2], all[5]]) && [all[0], all[4], all[8]] == [0.0; 3], "{device}: p {p}");
            // At distance 0 there is no slope, and no NaN.
            let w = device.parameter(&[1.0, 2.0, 1.0, 2.0], [2, 2]);
            assert_eq!(agreed(&w.cdist(&w, p).sum(&[]).backward().wrt(&w).unwrap()), [0.0; 4], "{device}: p {p}");
            assert_eq!(agreed(&w.pdist(p).sum(&[]).backward().wrt(&w).unwrap()), [0.0; 4], "{device}: p {p}");
        }
        // 4096 and the next f32: |a|² + |b|² − 2 a·b would have nothing left of 2⁻¹¹.
        let (u, v) = (device.tensor(&[4096.0, 4096.0], [1, 2]), device.tensor(&[4096.0 + 1.0 / 2048.0, 4096.0], [1, 2]));
        assert_eq!(agreed(&u.cdist(&v, 2.0)), [1.0 / 2048.0], "{device}");
        // More coordinates than a loop of some devices may have.
        let long = device.ones([1, 70_000]);
        assert_eq!(agreed(&long.cdist(&(&long * 3.0), 1.0)), [140_000.0], "{device}");
        // Batches broadcast; nothing on either side.
        assert_eq!(device.zeros([7, 1, 3, 2]).cdist(&device.zeros([4, 5, 2]), 1.0).shape().dims(), [7, 4, 3, 5]);
        assert!(agreed(&device.zeros([0, 2]).cdist(&y.slice(1, ..2), 2.0)).is_empty());
        assert_eq!(agreed(&device.zeros([2, 0]).cdist(&device.zeros([1, 0]), f64::INFINITY)), [0.0, 0.0]);
        assert!(agreed(&device.zeros([1, 3]).pdist(2.0)).is_empty() && agreed(&device.zeros([0, 3]).pdist(2.0)).is_empty());
        let (u, v) = (device.tensor(&[3.0, 4.0], [1, 2]), device.zeros([2, 2]));
        assert_eq!(agreed(&u.pairwise_distance(&v, 2.0, 0.0)), [5.0, 5.0], "{device}");
        assert!((agreed(&v.pairwise_distance(&v, 1.0, 1e-6))[0] - 2e-6).abs() < 1e-12, "{device}");
    }
    let device = Device::cpu();
    let (x, y) = (parameter(&device, &[3, 2], 1), parameter(&device, &[4, 2], 2));
    for p in [0.5, 1.0, 1.5, 2.0, 3.0, f64::INFINITY] {
        check_gradient("cdist", &[&x, &y], &x.cdist(&y, p));
        check_gradient("pdist", &[&y], &y.pdist(p));
        check_gradient("pairwise_distance", &[&x, &y], &x.pairwise_distance(&y.slice(0, ..3), p, 1e-6));
    }
}

#[test]
fn covariances_and_correlations() {
    for device in common::devices("covariances") {
        let x = device.tensor(&numbers(60, 5), [3, 20]);
        let (c, r) = (agreed(&x.cov(1)), agreed(&x.corrcoef()));
        let variances = agreed(&x.var(&[1], 1));
        for i in 0..3 {
            assert!((c[i * 4] - variances[i]).abs() < 1e-5 && (r[i * 4] - 1.0).abs() < 1e-6);
            for j in 0..3 {
                assert!((r[i * 3 + j] - c[i * 3 + j] / (variances[i] * variances[j]).sqrt()).abs() < 1e-5);
                assert!(r[i * 3 + j].abs() <= 1.0 && (c[i * 3 + j] - c[j * 3 + i]).abs() < 1e-6);
            }
        }
        let line = x.slice(0, ..1).flatten();
        assert!(line.cov(0).shape().rank() == 0 && (agreed(&line.cov(1))[0] - variances[0]).abs() < 1e-5);
        assert_eq!(agreed(&line.corrcoef()), [1.0]);
        // What does not vary has no correlation, and one observation no sample variance.
        assert!(agreed(&device.ones([2, 4]).corrcoef()).iter().all(|r| r.is_nan()));
        assert!(agreed(&device.ones([2, 1]).cov(1)).iter().all(|c| c.is_nan()));
    }
}

#[test]
fn what_has_no_answer_is_refused_by_name() {
    let device = Device::cpu();
    let (x, none) = (device.zeros([2, 3]), device.zeros([2, 0]));
    let value = |t: &Tensor, name: &str, part: &str| {
        let (op, error) = refused(t);
        assert!(op == name && error.to_string().contains(part), "{op}: {error}");
    };
    for q in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        value(&x.quantile(&[0.5, q], 0), "quantile", "q is");
    }
    value(&x.quantile(&[], 0), "quantile", "no q");
    value(&x.quantile(&[0.5], 2), "quantile", "2");
    value(&none.quantile(&[0.5], 1), "quantile", "no elements");
    value(&x.to_u32().quantile(&[0.5], 0), "quantile", "u32");
    for (values, indices) in [none.median(1), none.nanmedian(1), none.kthvalue(1, 1), none.mode(1)] {
        assert!(refused(&values).1.to_string().contains("no elements") && indices.check().is_err());
    }
    value(&x.median(2).0, "median", "2");
    value(&x.mode(2).0, "mode", "2");
    value(&x.to_u32().mode(0).1, "mode", "u32");
    value(&x.kthvalue(0, 1).0, "kthvalue", "k is 0");
    value(&x.kthvalue(4, 1).1, "kthvalue", "k is 4");
    value(&x.to_u32().nansum(&[]), "nansum", "u32");
    value(&x.nanmean(&[5]), "nanmean", "5");
    value(&x.count_nonzero(&[5]), "count_nonzero", "5");
    value(&x.cummax(2).0, "cummax", "2");
    value(&x.to_u32().cummin(0).1, "cummin", "u32");
    value(&x.logcumsumexp(2), "logcumsumexp", "2");
    value(&x.diff(1, 2), "diff", "2");
    value(&x.to_bool().diff(1, 0), "diff", "bool");
    value(&device.zeros([1, 2, 3]).cov(0), "cov", "[1,2,3]");
    value(&device.scalar(1.0).corrcoef(), "corrcoef", "observations");
    value(&x.searchsorted(&device.zeros([3, 3]), true), "searchsorted", "[3,3]");
    value(&x.searchsorted(&x.to_u32(), true), "searchsorted", "u32");
    value(&device.scalar(1.0).searchsorted(&x, true), "searchsorted", "[]");
    value(&x.bucketize(&x, true), "bucketize", "one axis");
    value(&x.isin(&x.to_u32()), "isin", "u32");
    value(&x.to_u32().isin(&x), "isin", "u32");
    for bad in [f64::NAN, f64::INFINITY, 1e39] {
        value(&x.histogram(3, bad, 1.0), "histogram", "low is");
        value(&x.histogram(3, 0.0, bad), "histogram", "high is");
        value(&x.pairwise_distance(&x, 2.0, bad), "pairwise_distance", "eps is");
    }
    value(&x.histogram(0, 0.0, 1.0), "histogram", "bins is 0");
    value(&x.histogram(3, 1.0, 1.0), "histogram", "low");
    value(&x.to_u32().histogram(3, 0.0, 1.0), "histogram", "u32");
    for bad in [-1.0, f64::NAN, f64::NEG_INFINITY] {
        value(&x.cdist(&x, bad), "cdist", "p is");
        value(&x.pdist(bad), "pdist", "p is");
        value(&x.pairwise_distance(&x, bad, 0.0), "pairwise_distance", "p is");
    }
    value(&x.cdist(&x, 1e-40), "cdist", "p is");
    value(&x.cdist(&device.zeros([2, 4]), 2.0), "cdist", "[2,4]");
    value(&x.cdist(&device.zeros(3), 2.0), "cdist", "[3]");
    value(&device.zeros([3, 2, 2]).cdist(&device.zeros([2, 2, 2]), 2.0), "cdist", "broadcast");
    value(&device.zeros(3).pdist(2.0), "pdist", "[3]");
    let failed = |result: steepest::Result<Tensor>, name: &str, part: &str| {
        let (op, error) = complaint(result.err().unwrap());
        assert!(op == name && error.to_string().contains(part), "{op}: {error}");
    };
    failed(x.masked_select(&x), "masked_select", "bool");
    failed(x.masked_select(&device.tensor(&[true, false], 2)), "masked_select", "broadcast");
    failed(x.bincount(None, 0), "bincount", "f32");
    failed(device.tensor(&[-1i32], 1).bincount(None, 0), "bincount", "-1");
    failed(device.tensor(&[-1.0], 1).to_i32().bincount(None, 0), "bincount", "-1");
    failed(device.tensor(&[1u32], 1).bincount(Some(&x), 0), "bincount", "weights");
    let broken = x.reshape(5);
    assert!(broken.unique().is_err() && broken.nonzero().is_err() && broken.masked_select(&x).is_err());
    for made in
        [broken.quantile(&[0.5], 0), broken.cdist(&x, 2.0), x.cdist(&broken, 2.0), broken.cov(1), broken.histogram(2, 0.0, 1.0)]
    {
        assert!(made.check().unwrap_err().to_string().starts_with("reshape"));
    }
}
