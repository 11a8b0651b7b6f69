//! Data sets, the files they come from, loaders and metrics: what they give, and what they refuse.
#![allow(clippy::unwrap_used)]

use crate::common;
use std::collections::HashSet;
use steepest::data::{self, DataLoader, Dataset, Labels, Scaler};
use steepest::train::metrics::{ConfusionMatrix, accuracy};
use steepest::{Device, Error, Result};

/// n rows of 2 features (2r, 2r + 1), classes in turn by the given sizes, shuffled in a fixed way.
fn classed(sizes: &[usize]) -> Dataset {
    let mut classes: Vec<u32> = sizes.iter().enumerate().flat_map(|(c, &n)| vec![c as u32; n]).collect();
    let n = classes.len();
    (0..n).for_each(|i| classes.swap(i, i * 7919 % n));
    Dataset::new((0..2 * n).map(|i| i as f32).collect(), &[2], Labels::Classes(classes, sizes.len())).unwrap()
}

/// Which rows of `classed` these are.
fn rows_of(set: &Dataset) -> Vec<usize> {
    (0..set.len()).map(|r| set.row(r).unwrap()[0] as usize / 2).collect()
}

fn misconfigured<T: std::fmt::Debug>(result: Result<T>, expected: &str) {
    match result {
        Err(error @ Error::Config { .. }) if error.to_string().contains(expected) => {}
        other => panic!("expected Error::Config with `{expected}`, got {other:?}"),
    }
}

#[test]
fn digits_are_embedded() {
    let digits = data::digits().unwrap();
    assert_eq!(digits.to_string(), "1797 rows of [64], 10 classes");
    assert_eq!(digits.class_counts(), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    assert_eq!(digits.row(0).unwrap()[..6], [0.0, 0.0, 5.0 / 16.0, 13.0 / 16.0, 9.0 / 16.0, 1.0 / 16.0]);
    assert!(digits.features().iter().all(|x| (0.0..=1.0).contains(x)) && digits.features().contains(&1.0));
    assert_eq!(digits.feature_names().len(), 64);
    assert_eq!(digits.feature_names()[63], "p63");
    let Labels::Classes(classes, 10) = digits.labels() else { panic!("classes") };
    assert_eq!((classes[..4].to_vec(), classes[1796]), (vec![0, 1, 2, 3], 8));
    assert_eq!(digits.nan_count(), 0);
}

#[test]
fn data_sets_are_checked() {
    let two = || Labels::Classes(vec![0, 1], 2);
    misconfigured(Dataset::new(vec![0.0; 6], &[2], two()), "6 features are 3 rows of [2], but there are labels for 2 rows");
    misconfigured(Dataset::new(vec![0.0; 5], &[2], two()), "5 features are 2 rows");
    misconfigured(Dataset::new(vec![0.0; 2], &[1], Labels::Classes(vec![1, 2], 2)), "class 2 of row 1 is out of range 0..2");
    misconfigured(Dataset::new(vec![0.0; 2], &[1], Labels::Classes(vec![0, 0], 0)), "class 0 of row 0 is out of range 0..0");
    misconfigured(Dataset::new(vec![0.0; 2], &[1], Labels::Values(vec![0.0; 3], 2)), "3 values to predict are not rows of 2");
    misconfigured(Dataset::new(vec![], &[1], Labels::Values(vec![], 0)), "0 values to predict are not rows of 0");
    misconfigured(Dataset::new(vec![], &[0], two()), "no elements");
    misconfigured(Dataset::new(vec![], &[usize::MAX, 2], two()), "more than 4294967295 elements");
    misconfigured(Dataset::new(vec![0.0; 2], &[1; 8], two()), "9 axes");

    let set = Dataset::new(vec![0.0, f32::NAN, 2.0, 3.0], &[2], Labels::Values(vec![1.0, f32::NAN], 1)).unwrap();
    assert_eq!((set.nan_count(), set.classes(), set.class_counts()), (2, None, vec![]));
    assert_eq!((set.row(1), set.row(2)), (Some(&[2.0, 3.0][..]), None));
    misconfigured(set.clone().with_feature_names(["a"]), "1 names for 2 features");
    misconfigured(set.clone().with_class_names(["a"]), "values");
    misconfigured(set.clone().with_row_shape(&[3]), "do not fit");
    misconfigured(set.clone().normalized(0.0, 0.0), "std 0");
    misconfigured(set.clone().normalized(f32::NAN, 1.0), "mean NaN");
    misconfigured(set.stratified_split(0.5, 0), "needs classes");
    misconfigured(classed(&[2, 2]).with_class_names(["a"]), "1 names for 2 classes");
}

#[test]
fn subsets_and_splits_keep_rows_whole() {
    let set = classed(&[30, 10, 60]);
    let subset = set.subset(&[5, 0, 5]).unwrap();
    assert_eq!(rows_of(&subset), [5, 0, 5]);
    let (Labels::Classes(all, _), Labels::Classes(some, 3)) = (set.labels(), subset.labels()) else { panic!("classes") };
    assert_eq!(*some, [all[5], all[0], all[5]]);
    misconfigured(set.subset(&[1, 100]), "row 100 is out of range 0..100");

    let values = Dataset::new(vec![0.0, 1.0, 2.0], &[], Labels::Values(vec![0.0, 0.5, 1.0, 1.5, 2.0, 2.5], 2)).unwrap();
    assert_eq!(values.subset(&[2, 1]).unwrap().labels(), &Labels::Values(vec![2.0, 2.5, 1.0, 1.5], 2));

    for stratified in [false, true] {
        let split = |seed| if stratified { set.stratified_split(0.25, seed) } else { set.split(0.25, seed) }.unwrap();
        let (train, test) = split(1);
        assert_eq!((train.len(), test.len()), (75, 25));
        let (train, test) = (rows_of(&train), rows_of(&test));
        assert!(train.is_sorted() && test.is_sorted(), "the old order is kept");
        let mut together = [train.clone(), test.clone()].concat();
        together.sort_unstable();
        assert_eq!(together, (0..100).collect::<Vec<_>>(), "no row lost or doubled");
        assert_eq!(rows_of(&split(1).1), test, "the same seed draws the same rows");
        assert_ne!(rows_of(&split(2).1), test, "another seed draws others");
    }
    for fraction in [0.0, 1.0, -0.5, f64::NAN] {
        misconfigured(set.split(fraction, 0), "expected one between 0 and 1");
        misconfigured(set.stratified_split(fraction, 0), "expected one between 0 and 1");
    }
    misconfigured(set.split(0.001, 0), "leaves none for the test");
    misconfigured(set.stratified_split(0.999, 0), "leaves none for the training");
}

#[test]
fn stratified_splits_are_exact() {
    for (sizes, fraction, expected) in [
        (vec![30, 10, 60], 0.1, vec![3, 1, 6]),
        // Quotas 3.5, 3.5, 3.0 of 10: the first of the equal remainders is rounded up.
        (vec![7, 7, 6], 0.5, vec![4, 3, 3]),
        // Quotas 0.25, 0.5, 1.75 of 3 (2.5 rounded): the largest remainders, of classes 2 and then 1.
        (vec![1, 2, 7], 0.25, vec![0, 1, 2]),
        // 0.29 · 100 is 28.999999999999996 in floating point.
        (vec![100, 100], 0.29, vec![29, 29]),
        (vec![50, 0, 50], 0.5, vec![25, 0, 25]),
    ] {
        let (train, test) = classed(&sizes).stratified_split(fraction, 3).unwrap();
        assert_eq!(test.class_counts(), expected, "{sizes:?} at {fraction}");
        let rest: Vec<usize> = sizes.iter().zip(&expected).map(|(n, k)| n - k).collect();
        assert_eq!(train.class_counts(), rest, "{sizes:?} at {fraction}");
    }
    // Whatever the sizes: every class within one row of its quota, and the total exact.
    let digits = data::digits().unwrap();
    for percent in 1..100 {
        let fraction = f64::from(percent) / 100.0;
        let (_, test) = digits.stratified_split(fraction, 0).unwrap();
        assert_eq!(test.len(), (1797.0 * fraction).round() as usize);
        for (n, k) in digits.class_counts().into_iter().zip(test.class_counts()) {
            assert!((n as f64 * fraction - k as f64).abs() < 1.0, "{k} of {n} at {fraction}");
        }
    }
}

#[test]
fn scalers_fit_training_rows_and_serve_all() {
    // Three columns: 1 3 5 7, one that never changes, and one with a missing value.
    let features = vec![1.0, 0.1, 2.0, 3.0, 0.1, f32::NAN, 5.0, 0.1, 4.0, 7.0, 0.1, 6.0];
    let set = Dataset::new(features, &[3], Labels::Classes(vec![0; 4], 1)).unwrap();
    let (scaled, scaler) = set.standardized().unwrap();
    assert_eq!(scaler.mean, [4.0, 0.1, 4.0]);
    assert_eq!(scaler.std, [5.0f32.sqrt(), 1.0, (8.0f32 / 3.0).sqrt()]);
    assert_eq!(scaled.row(0).unwrap()[1], 0.0, "a column that never changes becomes zero");
    assert_eq!((set.nan_count(), scaled.nan_count()), (1, 1));
    let column: Vec<f32> = (0..4).map(|r| scaled.row(r).unwrap()[0]).collect();
    assert!(
        column.iter().sum::<f32>().abs() < 1e-6 && (column.iter().map(|x| x * x).sum::<f32>() - 4.0).abs() < 1e-5,
        "{column:?}"
    );

    let other = Dataset::new(vec![4.0, 1.1, 4.0], &[3], Labels::Classes(vec![0], 1)).unwrap();
    assert_eq!(scaler.apply(&other).unwrap().features(), [0.0, 1.0, 0.0], "scaled by the training rows' numbers");
    let mut row = [4.0, 0.1, 4.0];
    scaler.apply_row(&mut row).unwrap();
    assert_eq!(row, [0.0; 3]);

    misconfigured(scaler.apply(&classed(&[2])), "3 means and 3 deviations for rows of 2 features");
    misconfigured(scaler.apply(&classed(&[2]).subset(&[]).unwrap()), "for rows of 2 features");
    misconfigured(Scaler::fit(&set.subset(&[]).unwrap()), "no rows");
    misconfigured(Scaler::fit(&set.subset(&[1]).unwrap()), "column 2 has nothing but NaN");
    let infinite = Dataset::new(vec![1.0, f32::INFINITY], &[1], Labels::Classes(vec![0; 2], 1)).unwrap();
    misconfigured(Scaler::fit(&infinite), "column 0 has an infinite feature");
}

// ---- Loader ----

fn order(loader: &DataLoader, epoch: u64) -> Vec<u32> {
    loader.epoch_at(epoch).flat_map(|b| b.rows).collect()
}

#[test]
fn epochs_hold_every_row_once_in_an_order_of_their_own() {
    let set = classed(&[40, 63]);
    let device = Device::cpu();
    let plain = DataLoader::new(&set, 10).from_host(&device).unwrap();
    assert_eq!(order(&plain, 5), (0..103).collect::<Vec<_>>(), "not shuffled: in order");

    let loader = DataLoader::new(&set, 10).shuffle(7).from_host(&device).unwrap();
    let epochs: Vec<Vec<u32>> = (0..4).map(|_| loader.epoch().flat_map(|b| b.rows).collect()).collect();
    for (n, epoch) in epochs.iter().enumerate() {
        let mut sorted = epoch.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..103).collect::<Vec<_>>(), "epoch {n}: no row lost or doubled");
        assert_eq!(*epoch, order(&loader, n as u64), "epoch {n} again by its number");
    }
    assert_eq!(epochs.iter().collect::<HashSet<_>>().len(), 4, "every epoch is shuffled anew");
    let again = DataLoader::new(&set, 64).shuffle(7).from_host(&device).unwrap();
    assert_eq!(order(&again, 2), epochs[2], "the order depends on seed and epoch, not on the batch size");
    let other = DataLoader::new(&set, 10).shuffle(8).from_host(&device).unwrap();
    assert_ne!(order(&other, 0), epochs[0], "another seed, another order");

    // The counter can be set, and goes on from there.
    assert_eq!(loader.epoch_at(1).number(), 1);
    assert_eq!(loader.next_epoch(), 2);
    assert_eq!(loader.epoch().flat_map(|b| b.rows).collect::<Vec<_>>(), epochs[2]);
    // In the middle of an epoch: what is skipped is not made.
    let nodes = device.live_nodes();
    let mut rest = loader.epoch_at(3).skip(9);
    let batch = rest.next().unwrap();
    assert_eq!((batch.index, &batch.rows[..]), (9, &epochs[3][90..100]));
    assert_eq!(device.live_nodes() - nodes, 2, "x and y of one batch");
    assert_eq!(rest.next().unwrap().rows, epochs[3][100..]);
    assert!(rest.next().is_none() && rest.next().is_none());
    assert!(loader.epoch().nth(11).is_none());
    assert!(loader.epoch().nth(usize::MAX).is_none());
}

#[test]
fn batches_are_counted_and_the_last_may_be_dropped() {
    let device = Device::cpu();
    for (rows, size, drop, expected) in [
        (103, 10, false, vec![10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 3]),
        (103, 10, true, vec![10; 10]),
        (100, 10, true, vec![10; 10]),
        (100, 10, false, vec![10; 10]),
        (3, 3, true, vec![3]),
        (3, 8, false, vec![3]),
        (1, 1, false, vec![1]),
    ] {
        let loader = DataLoader::new(&classed(&[rows]), size).drop_last(drop).from_host(&device).unwrap();
        let epoch = loader.epoch();
        assert_eq!((loader.len(), epoch.len()), (expected.len(), expected.len()), "{rows} by {size}, drop {drop}");
        assert!(!loader.is_empty());
        let batches: Vec<_> = epoch.collect();
        assert_eq!(batches.iter().map(|b| b.len).collect::<Vec<_>>(), expected, "{rows} by {size}, drop {drop}");
        for (i, batch) in batches.iter().enumerate() {
            assert_eq!((batch.index, batch.rows.len()), (i, batch.len));
            assert_eq!((batch.x.shape().dims(), batch.y.shape().dims()), (&[batch.len, 2][..], &[batch.len][..]));
        }
    }
}

#[test]
fn loaders_refuse_what_would_train_nothing() {
    let (set, device) = (classed(&[5]), Device::cpu());
    let empty = set.subset(&[]).unwrap();
    for on_device in [false, true] {
        let load = |set: &Dataset, size, drop| {
            let options = DataLoader::new(set, size).drop_last(drop);
            if on_device { options.on_device(&device) } else { options.from_host(&device) }
        };
        misconfigured(load(&set, 0, false), "batch size: found 0, expected at least 1");
        misconfigured(load(&empty, 4, false), "data loader: the data set has no rows");
        misconfigured(load(&set, 6, true), "a batch of 6 is more than all 5 rows");
        assert!(load(&set, usize::MAX, false).is_ok());
    }
}

#[test]
fn batches_from_device_and_host_are_equal() {
    for device in common::devices("batches") {
        let n = 23;
        let features: Vec<f32> = (0..n * 6).map(|i| i as f32).collect();
        let values = (0..n * 2).map(|i| i as f32 * 0.5).collect();
        let classes = (0..n as u32).map(|r| r % 4).collect();
        for labels in [Labels::Values(values, 2), Labels::Classes(classes, 4)] {
            let set = Dataset::new(features.clone(), &[2, 3], labels.clone()).unwrap();
            let host = DataLoader::new(&set, 5).shuffle(1).from_host(&device).unwrap();
            let resident = DataLoader::new(&set, 5).shuffle(1).on_device(&device).unwrap();
            for (a, b) in host.epoch().zip(resident.epoch()) {
                assert_eq!((&a.rows, a.index, a.len), (&b.rows, b.index, b.len));
                assert_eq!(a.x.shape().dims(), [a.len, 2, 3]);
                let expected: Vec<f32> = a.rows.iter().flat_map(|&r| set.row(r as usize).unwrap().to_vec()).collect();
                assert_eq!(a.x.to_vec::<f32>().unwrap(), expected);
                assert_eq!(b.x.to_vec::<f32>().unwrap(), expected);
                assert_eq!((a.x.shape(), a.y.shape()), (b.x.shape(), b.y.shape()));
                match &labels {
                    Labels::Values(values, _) => {
                        let expected: Vec<f32> = a.rows.iter().flat_map(|&r| values[2 * r as usize..][..2].to_vec()).collect();
                        assert_eq!(a.y.to_vec::<f32>().unwrap(), expected);
                        assert_eq!(b.y.to_vec::<f32>().unwrap(), expected);
                    }
                    Labels::Maps(..) => panic!("no such labels"),
                    Labels::Classes(classes, _) => {
                        let expected: Vec<u32> = a.rows.iter().map(|&r| classes[r as usize]).collect();
                        assert_eq!(a.y.to_vec::<u32>().unwrap(), expected);
                        assert_eq!(b.y.to_vec::<u32>().unwrap(), expected);
                        // A known range lets a loss refuse a label before anything runs.
                        for y in [&a.y, &b.y] {
                            let (low, high) = y.spec().unwrap().range.expect("a known range");
                            assert!(low >= 0 && high < 4, "{low}..={high}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn full_batches_and_single_rows() {
    let set = classed(&[3, 4]);
    let device = Device::cpu();
    let full = DataLoader::full_batch(&set).on_device(&device).unwrap();
    let batches: Vec<_> = full.epoch().collect();
    assert_eq!((full.len(), batches.len(), &batches[0].rows[..]), (1, 1, &[0, 1, 2, 3, 4, 5, 6][..]));
    assert_eq!(batches[0].x.to_vec::<f32>().unwrap(), set.features());
    let single = DataLoader::stochastic(&set, 5).from_host(&device).unwrap();
    let rows = |epoch| single.epoch_at(epoch).map(|batch| batch.rows[0]).collect::<Vec<_>>();
    assert_eq!((single.len(), rows(0).len()), (7, 7));
    assert_eq!(rows(0).iter().collect::<HashSet<_>>().len(), 7);
    assert!(rows(0) != rows(1) && rows(1) == rows(1));
    misconfigured(DataLoader::full_batch(&set.subset(&[]).unwrap()).on_device(&device), "no rows");
}

// ---- Splits and folds ----

#[test]
fn three_parts() {
    let set = classed(&[60, 30, 10]);
    let (train, validation, test) = set.split_three(0.2, 0.3, 4).unwrap();
    assert_eq!((train.len(), validation.len(), test.len()), (50, 20, 30));
    let mut all = [rows_of(&train), rows_of(&validation), rows_of(&test)].concat();
    assert!(all.windows(2).filter(|w| w[0] > w[1]).count() == 2, "each part in the set's order");
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
    assert_eq!(test, set.split(0.3, 4).unwrap().1, "the same test with and without validation");
    assert_ne!(test, set.split_three(0.2, 0.3, 5).unwrap().2);

    let (train, validation, test) = set.stratified_split_three(0.2, 0.3, 4).unwrap();
    assert_eq!((train.class_counts(), validation.class_counts()), (vec![30, 15, 5], vec![12, 6, 2]));
    assert_eq!(test.class_counts(), [18, 9, 3]);
    assert_eq!(test, set.stratified_split(0.3, 4).unwrap().1);
    let mut all = [rows_of(&train), rows_of(&validation), rows_of(&test)].concat();
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
    // Classes of one row each: whole parts all the same.
    let classes: Vec<u32> = (0..10).collect();
    let parts = data::stratified_parts(&classes, 0.3, 0.3, 1).unwrap();
    assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (4, 3, 3));

    for (validation, test, expected) in [
        (0.0, 0.0, "a test fraction of 0, expected one between 0 and 1"),
        (0.5, 0.5, "leaves something for training"),
        (-0.1, 0.5, "a validation fraction of -0.1"),
        (f64::NAN, 0.5, "a validation fraction of NaN"),
        (0.001, 0.5, "leaves none for the validation"),
        (0.5, 0.499, "leaves none for the training"),
    ] {
        misconfigured(data::random_parts(100, validation, test, 0), expected);
        misconfigured(data::stratified_parts(&[0; 100], validation, test, 0), expected);
    }
}

#[test]
fn folds_hold_every_row_once() {
    let classes: Vec<u32> = (0..103).map(|i| u32::from(i % 7 == 0) + 2 * u32::from(i % 25 == 0)).collect();
    for (k, folds) in
        [2, 5, 10, 103].map(|k| (k, [data::folds(103, k, 3).unwrap(), data::stratified_folds(&classes, k, 3).unwrap()]))
    {
        for folds in folds {
            assert_eq!(folds.len(), k);
            let mut all: Vec<usize> = folds.iter().flat_map(|fold| fold.test.clone()).collect();
            all.sort_unstable();
            assert_eq!(all, (0..103).collect::<Vec<_>>());
            for fold in &folds {
                let both: HashSet<usize> = fold.train.iter().chain(&fold.test).copied().collect();
                assert!(both.len() == 103 && fold.train.len() + fold.test.len() == 103);
                assert!(fold.test.is_sorted() && fold.train.is_sorted());
                assert!((103 / k..=103usize.div_ceil(k)).contains(&fold.test.len()));
            }
        }
        let folds = data::stratified_folds(&classes, k, 3).unwrap();
        for class in 0..4 {
            let total = classes.iter().filter(|&&c| c == class).count();
            for fold in &folds {
                let here = fold.test.iter().filter(|&&row| classes[row] == class).count();
                assert!((total / k..=total.div_ceil(k)).contains(&here), "class {class}, {k} folds: {here} of {total}");
            }
        }
    }
    assert_eq!(data::folds(50, 5, 1).unwrap(), data::folds(50, 5, 1).unwrap());
    assert_ne!(data::folds(50, 5, 1).unwrap(), data::folds(50, 5, 2).unwrap());
    misconfigured(data::folds(10, 1, 0), "found 1, expected at least 2");
    misconfigured(data::folds(4, 5, 0), "found 4 rows for 5 folds");
    misconfigured(data::stratified_folds(&[0, 1], 3, 0), "found 2 rows for 3 folds");
    let scores = data::FoldScores { scores: vec![0.5, 0.75, 1.0] };
    assert_eq!((scores.mean(), scores.std(), scores.to_string()), (0.75, 0.25, "0.7500 ± 0.2500 (3 folds)".to_owned()));
}

// ---- Metrics ----

#[test]
fn confusion_matrices() {
    // Labels 0 0 0 1 1 2, predicted 0 0 1 1 2 2; class 3 does not occur.
    let matrix = ConfusionMatrix::new(&[0, 0, 1, 1, 2, 2], &[0, 0, 0, 1, 1, 2], 4).unwrap();
    assert_eq!((matrix.classes(), matrix.total()), (4, 6));
    assert_eq!((matrix.count(0, 1), matrix.count(1, 0), matrix.count(1, 2), matrix.count(9, 0)), (1, 0, 1, 0));
    assert_eq!((matrix.support(0), matrix.predicted(0)), (3, 2));
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
    close(matrix.accuracy(), 4.0 / 6.0);
    for (class, precision, recall, f1) in
        [(0, 1.0, 2.0 / 3.0, 0.8), (1, 0.5, 0.5, 0.5), (2, 0.5, 1.0, 2.0 / 3.0), (3, 0.0, 0.0, 0.0)]
    {
        close(matrix.precision(class), precision);
        close(matrix.recall(class), recall);
        close(matrix.f1(class), f1);
    }
    close(matrix.macro_precision(), 2.0 / 3.0);
    close(matrix.macro_recall(), (2.0 / 3.0 + 0.5 + 1.0) / 3.0);
    close(matrix.macro_f1(), (0.8 + 0.5 + 2.0 / 3.0) / 3.0);

    let mut batches = ConfusionMatrix::empty(4).unwrap();
    assert!(batches.accuracy().is_nan() && batches.macro_f1().is_nan());
    batches.add(&[0, 0, 1, 1], &[0, 0, 0, 1]).unwrap();
    misconfigured(batches.add(&[0, 4], &[0, 0]), "prediction 4 of row 1 is out of range 0..4");
    misconfigured(batches.add(&[0, 0], &[0, 7]), "label 7 of row 1 is out of range 0..4");
    misconfigured(batches.add(&[0, 0], &[0]), "2 predictions for 1 labels");
    batches.add(&[2, 2], &[1, 2]).unwrap();
    assert_eq!(batches, matrix, "batch by batch, with nothing counted of those refused");

    misconfigured(ConfusionMatrix::empty(0), "0 classes");
    misconfigured(ConfusionMatrix::empty(usize::MAX), "expected 1 to 4096");
    misconfigured(matrix.with_names(["a"]), "1 names for 4 classes");
}

#[test]
fn confusion_matrices_print_as_aligned_tables() {
    let labels: Vec<u32> = [vec![0; 100_000], vec![1, 1, 1, 2]].concat();
    let predictions: Vec<u32> = [vec![0; 100_000], vec![1, 1, 2, 1]].concat();
    let matrix = ConfusionMatrix::new(&predictions, &labels, 3).unwrap().with_names(["cat", "dog", "a straße"]).unwrap();
    let expected = "\
label \\ predicted     cat    dog  a straße  recall
cat                100000      0         0   1.000
dog                     0      2         1   0.667
a straße                0      1         0   0.000
precision           1.000  0.667     0.000
accuracy 1.0000 (100002 of 100004), macro F1 0.5556";
    assert_eq!(matrix.to_string(), expected);
}

#[test]
fn accuracy_is_checked() {
    assert_eq!(accuracy(&[1, 2, 3, 4], &[1, 2, 3, 5]).unwrap(), 0.75);
    misconfigured(accuracy(&[1], &[1, 2]), "1 predictions for 2 labels");
    misconfigured(accuracy(&[], &[]), "no predictions");
}

/// A set that no binding of the adapter can hold is loaded from the host, and a tensor of that size is an error that names the limit.
#[test]
fn a_set_too_large_for_a_binding_stays_on_the_host() {
    let Some(device) = common::minimal_gpu("large data sets") else { return };
    let columns = 1 << 16;
    let rows = (device.tensor_bytes() / (4 * columns as u64) + 1) as usize;
    let set = Dataset::new(vec![0.5; rows * columns], &[columns], Labels::Classes(vec![0; rows], 1)).unwrap();
    let loader = DataLoader::new(&set, 2).on_device(&device).unwrap();
    assert!(!loader.is_resident());
    assert_eq!(loader.epoch().next().unwrap().x.mean(&[]).item().unwrap(), 0.5);
    let small = DataLoader::new(&set.subset(&[0, 1]).unwrap(), 2).on_device(&device).unwrap();
    assert!(small.is_resident());
    let error = device.tensor(set.features(), [rows, columns]).sum(&[]).item().unwrap_err();
    assert!(matches!(error, steepest::Error::TooLarge { limit, .. } if limit == device.tensor_bytes()), "{error}");
}
