//! Splits and folds: exact shares, and streams of random numbers that have nothing to do with each other.
#![allow(clippy::unwrap_used)]

use crate::common;
use std::collections::HashSet;
use steepest::Device;
use steepest::data::{self, DataLoader, Dataset, FoldScores, Labels};

/// Rows of classes of these sizes, in turns as long as there are any.
fn classes(sizes: &[usize]) -> Vec<u32> {
    let most = sizes.iter().copied().max().unwrap_or(0);
    (0..most).flat_map(|k| sizes.iter().enumerate().filter(move |(_, n)| k < **n).map(|(class, _)| class as u32)).collect()
}

/// For each class the places in it that these rows have.
fn places(classes: &[u32], rows: &[usize]) -> Vec<Vec<usize>> {
    let count = classes.iter().max().map_or(0, |c| *c as usize + 1);
    let place = |row: usize| classes[..row].iter().filter(|&&c| c == classes[row]).count();
    (0..count).map(|class| rows.iter().filter(|&&r| classes[r] as usize == class).map(|&r| place(r)).collect()).collect()
}

/// Rows of classes of one size: were their streams of random numbers the same, the same places of each class would be drawn.
#[test]
fn every_class_has_a_stream_of_its_own() {
    let classes = classes(&[40, 40, 40]);
    for seed in 0..5 {
        let parts = data::stratified_parts(&classes, 0.25, 0.25, seed).unwrap();
        for rows in [&parts.test, &parts.validation, &parts.train] {
            let drawn: HashSet<Vec<usize>> = places(&classes, rows).into_iter().collect();
            assert_eq!(drawn.len(), 3, "seed {seed}: {drawn:?}");
        }
        for fold in data::stratified_folds(&classes, 4, seed).unwrap() {
            let drawn: HashSet<Vec<usize>> = places(&classes, &fold.test).into_iter().collect();
            assert_eq!(drawn.len(), 3, "seed {seed}: {drawn:?}");
        }
    }
}

/// One seed may serve splits, folds and loaders: what one of them draws says nothing about what the others do.
#[test]
fn one_seed_serves_splits_folds_and_loaders() {
    let rows = 60;
    let set = Dataset::new(vec![0.0; rows], &[], Labels::Classes(vec![0; rows], 1)).unwrap();
    for seed in 0..5 {
        let sorted = |rows: &[usize]| rows.iter().copied().collect::<std::collections::BTreeSet<usize>>();
        let loader = DataLoader::new(&set, 15).shuffle(seed).from_host(&Device::cpu()).unwrap();
        let mut drawn = vec![
            sorted(&data::random_parts(rows, 0.0, 0.25, seed).unwrap().test),
            sorted(&data::stratified_parts(&vec![0; rows], 0.0, 0.25, seed).unwrap().test),
            sorted(&data::stratified_parts(&vec![1; rows], 0.0, 0.25, seed).unwrap().test),
            sorted(&data::stratified_folds(&vec![0; rows], 4, seed).unwrap()[0].test),
            sorted(&data::stratified_folds(&vec![1; rows], 4, seed).unwrap()[0].test),
            // The first fold has every fourth of an order.
            sorted(&data::folds(rows, 4, seed).unwrap()[0].test),
        ];
        for epoch in 0..3 {
            let order: Vec<usize> = loader.epoch_at(epoch).flat_map(|batch| batch.rows).map(|row| row as usize).collect();
            drawn.push(sorted(&order[..15]));
            drawn.push(order.iter().copied().step_by(4).collect());
        }
        // Those of a plain split and of class 0 of a stratified one are one stream, which harms nobody.
        let first = drawn.remove(0);
        assert!(drawn[1..].iter().all(|other| *other != first), "seed {seed}");
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), drawn.len(), "seed {seed}: {drawn:?}");
        assert!(drawn.iter().all(|rows| rows.len() == 15));
        // As many folds as rows show the order in which they are dealt.
        let dealt: Vec<usize> = data::folds(rows, rows, seed).unwrap().iter().map(|fold| fold.test[0]).collect();
        assert!(sorted(&dealt[..15]) != first && !drawn.contains(&sorted(&dealt[..15])), "seed {seed}");
    }
}

/// The method of the largest remainders in whole numbers, against the one in floating point: percentages of many sizes.
#[test]
fn shares_are_those_of_exact_arithmetic() {
    let mut state = 5_u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % n) as usize
    };
    let mut compared = 0;
    for _ in 0..400 {
        let most = [6, 30, 200][below(3)];
        let sizes: Vec<usize> = (0..1 + below(6)).map(|_| 1 + below(most)).collect();
        let percent = 1 + below(98);
        let classes = classes(&sizes);
        let Ok(parts) = data::stratified_parts(&classes, 0.0, percent as f64 / 100.0, 1) else { continue };
        let mut expected: Vec<usize> = sizes.iter().map(|n| n * percent / 100).collect();
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by_key(|&class| std::cmp::Reverse(sizes[class] * percent % 100));
        let left = parts.test.len() - expected.iter().sum::<usize>();
        order.iter().take(left).for_each(|&class| expected[class] += 1);
        let found: Vec<usize> = places(&classes, &parts.test).iter().map(Vec::len).collect();
        assert_eq!(found, expected, "{percent} % of {sizes:?}");
        // A fraction is rounded, not cut: half a row away at the most.
        assert!((parts.test.len() * 100).abs_diff(classes.len() * percent) <= 50, "{percent} % of {sizes:?}");
        compared += 1;
    }
    assert!(compared > 300, "{compared}");
    // A row that the test has is no longer there for the validation.
    for seed in 0..10 {
        let parts = data::stratified_parts(&[0, 1, 2, 3, 4, 5], 0.5, 0.34, seed).unwrap();
        assert_eq!((parts.test.len(), parts.validation.len(), parts.train.len()), (2, 3, 1), "seed {seed}");
    }
    // Classes whose only row is in the test leave what they lack to the others, which may have to give a second one: 8 rows of 15 for the test, 5 for
    // the validation.
    for sizes in [[1, 1, 13].as_slice(), &[1, 1, 1, 3, 13], &[1, 1, 1, 3, 3]] {
        let (n, classes) = (sizes.iter().sum::<usize>() as f64, classes(sizes));
        let parts = data::stratified_parts(&classes, 0.3, 0.5, 1).unwrap();
        assert_eq!(
            (parts.test.len(), parts.validation.len()),
            ((n * 0.5).round() as usize, (n * 0.3).round() as usize),
            "{sizes:?}"
        );
    }
}

/// A refusal names the fractions that were given, and of rows the most there may be.
#[test]
fn refusals_name_what_was_given() {
    let text = |result: steepest::Result<data::Parts>| result.unwrap_err().to_string();
    let one = text(data::random_parts(3, 0.0, 0.01, 1));
    assert!(one.contains("a test fraction of 0.01 of 3 rows leaves none for the test"), "{one}");
    let two = text(data::random_parts(3, 0.4, 0.01, 1));
    assert!(two.contains("a test fraction of 0.4 for validation and 0.01 of 3 rows leaves none for the test"), "{two}");
    for rows in [1usize << 32, 1 << 40] {
        let error = data::folds(rows, 2, 1).unwrap_err().to_string();
        assert!(error.contains(&format!("found {rows} rows, expected at most 4294967295")), "{error}");
    }
}

#[test]
fn scores_of_folds_are_spread_over_one_less() {
    let of = |scores: &[f64]| FoldScores { scores: scores.to_vec() };
    assert!(of(&[]).mean().is_nan() && of(&[]).std().is_nan() && of(&[1.0]).std().is_nan());
    assert_eq!((of(&[1.0]).mean(), of(&[1.0, 3.0]).mean()), (1.0, 2.0));
    assert!((of(&[1.0, 3.0]).std() - 2f64.sqrt()).abs() < 1e-15);
}

/// What a loader's options do to the rows it hands out.
#[test]
fn every_option_of_a_loader_is_heeded() {
    let rows = 20;
    let features: Vec<f32> = (0..rows).map(|row| 1.0 + row as f32 / 4096.0).collect();
    let set = Dataset::new(features, &[], Labels::Values((0..rows).map(|row| row as f32).collect(), 1)).unwrap();
    let device = Device::cpu();
    // Two seeds, two orders; the order of stochastic descent is that of its seed.
    let orders =
        |loader: &DataLoader| [0, 1].map(|epoch| loader.epoch_at(epoch).flat_map(|batch| batch.rows).collect::<Vec<_>>());
    let shuffled = |seed| orders(&DataLoader::new(&set, 6).shuffle(seed).on_device(&device).unwrap());
    assert!(shuffled(3) != shuffled(4) && shuffled(3)[0] != shuffled(3)[1]);
    assert_eq!(orders(&DataLoader::stochastic(&set, 3).from_host(&device).unwrap()), shuffled(3));
    // Half precision has 11 bits: 1 + k/4096 is rounded to a multiple of 1/1024.
    let x = |half: bool, resident: bool| {
        let options = DataLoader::full_batch(&set);
        let options = if half { options.f16() } else { options };
        let loader = if resident { options.on_device(&device) } else { options.from_host(&device) }.unwrap();
        loader.epoch().next().unwrap().x.to_vec::<f32>().unwrap()
    };
    let rounded: Vec<f32> = set.features().iter().map(|x| (x * 1024.0).round_ties_even() / 1024.0).collect();
    assert_eq!(x(false, true), set.features());
    assert_eq!(x(true, true), rounded);
    assert!(rounded != set.features());
    assert_eq!(x(true, false), set.features(), "what is copied is not rounded");
}

/// What is saved with a model is the seed of its split: what it draws is the same in every version.
#[test]
fn what_a_seed_draws_is_settled() {
    let parts = data::random_parts(12, 0.25, 0.25, 7).unwrap();
    assert_eq!((parts.test, parts.validation), (vec![3, 4, 6], vec![0, 9, 11]));
    let parts = data::stratified_parts(&[0, 1, 0, 1, 0, 1, 0, 1, 2, 2, 2, 2], 0.25, 0.25, 7).unwrap();
    assert_eq!((parts.test, parts.validation), (vec![0, 1, 11], vec![2, 3, 10]));
    let tests = |folds: Vec<data::Fold>| folds.into_iter().map(|fold| fold.test).collect::<Vec<_>>();
    assert_eq!(tests(data::folds(10, 3, 7).unwrap()), vec![vec![0, 1, 2, 7], vec![3, 5, 9], vec![4, 6, 8]]);
    let folds = data::stratified_folds(&[0, 0, 0, 0, 0, 1, 1, 1, 1, 1], 3, 7).unwrap();
    assert_eq!(tests(folds), vec![vec![2, 4, 5, 8], vec![1, 3, 6], vec![0, 7, 9]]);
}

/// What decides whether a set is kept on the device is its largest tensor, as large as it would be there.
#[test]
fn the_largest_tensor_of_a_set_decides_where_it_is_kept() {
    let Some(device) = common::minimal_gpu("large data sets") else { return };
    let columns = 1 << 16;
    let rows = (device.tensor_bytes() / (4 * columns as u64) + 1) as usize;
    let many = vec![0.5f32; rows * columns];
    let classes = || Labels::Classes(vec![0; rows], 1);
    let is_resident = |set: &Dataset, half: bool| {
        let options = DataLoader::new(set, 2);
        let options = if half { options.f16() } else { options };
        options.on_device(&device).unwrap().is_resident()
    };
    let wide = Dataset::new(many, &[columns], classes()).unwrap();
    assert!(!is_resident(&wide, false) && is_resident(&wide, true));
    let few = || Dataset::new(vec![0.5; rows], &[], classes()).unwrap();
    assert!(is_resident(&few(), false));
    // Half precision is for the features alone.
    let more = few().with_input(wide.features().to_vec(), &[columns]).unwrap();
    assert!(!is_resident(&more, false) && !is_resident(&more, true));
    drop(more);
    let more = few().with_target(wide.features().to_vec(), &[columns]).unwrap();
    assert!(!is_resident(&more, false) && !is_resident(&more, true));
}
