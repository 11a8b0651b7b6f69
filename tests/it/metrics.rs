//! Metrics against figures worked out by hand and by scikit-learn.
#![allow(clippy::unwrap_used)]

use steepest::train::metrics::{self, Average, ConfusionMatrix, Metric, Predictions, Score, Truth};

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
}

/// Outputs whose largest element is at the given place.
fn hot(classes: &[u32], width: usize) -> Vec<f32> {
    classes.iter().flat_map(|&c| (0..width).map(move |i| if i == c as usize { 1.0 } else { 0.0 })).collect()
}

#[test]
fn classes_as_scikit_learn_counts_them() {
    let labels = vec![0, 1, 2, 2, 1, 0, 3, 3, 1, 0, 2, 1];
    // Class 4 is predicted and never right: it counts in the macro average.
    let predicted = [0, 2, 2, 1, 1, 0, 3, 1, 1, 2, 2, 4];
    let rows = Predictions::new(hot(&predicted, 6), 6, Truth::Classes(labels)).unwrap();
    assert_eq!(rows.predicted(), predicted);
    for (average, precision, recall, f1) in [
        (Average::Macro, 0.6, 0.466_666_666_666_666_6, 0.507_619_047_619_047_6),
        (Average::Micro, 0.583_333_333_333_333_4, 0.583_333_333_333_333_4, 0.583_333_333_333_333_4),
        (Average::Weighted, 0.708_333_333_333_333_4, 0.583_333_333_333_333_4, 0.620_634_920_634_920_7),
        (Average::Class(1), 0.5, 0.5, 0.5),
    ] {
        close(Score::Precision(average).of(&rows).unwrap(), precision);
        close(Score::Recall(average).of(&rows).unwrap(), recall);
        close(Score::F1(average).of(&rows).unwrap(), f1);
    }
    close(Score::Accuracy.of(&rows).unwrap(), 7.0 / 12.0);
    assert_eq!(rows.confusion().unwrap().count(1, 2), 1);
}

#[test]
fn roc_with_ties_as_scikit_learn_draws_it() {
    let scores = [0.5f32, 0.25, 0.5, 0.75, 0.5, 0.125, 0.875, 0.25, 0.25, 1.0];
    let positive = [true, false, false, true, true, false, false, false, true, true];
    close(metrics::roc_auc(&scores, &positive).unwrap(), 0.72);
    let curve = metrics::roc_curve(&scores, &positive).unwrap();
    let column = |of: fn(&metrics::RocPoint) -> f64| curve.iter().map(of).collect::<Vec<_>>();
    assert_eq!(column(|p| p.false_positive_rate), [0.0, 0.0, 0.2, 0.2, 0.4, 0.8, 1.0]);
    assert_eq!(column(|p| p.true_positive_rate), [0.0, 0.2, 0.2, 0.4, 0.8, 1.0, 1.0]);
    assert_eq!(column(|p| p.threshold.into()), [f64::INFINITY, 1.0, 0.875, 0.75, 0.5, 0.25, 0.125]);
    // The area under the curve's straight lines is the same number.
    let area: f64 = curve
        .windows(2)
        .map(|w| {
            (w[1].false_positive_rate - w[0].false_positive_rate) * (w[0].true_positive_rate + w[1].true_positive_rate) / 2.0
        })
        .sum();
    close(area, 0.72);
    // All equal; all right; all wrong; the two zeros are one score.
    close(metrics::roc_auc(&[3.0; 4], &[true, false, true, false]).unwrap(), 0.5);
    close(metrics::roc_auc(&[1.0, 2.0], &[false, true]).unwrap(), 1.0);
    close(metrics::roc_auc(&[2.0, 1.0], &[false, true]).unwrap(), 0.0);
    close(metrics::roc_auc(&[0.0, -0.0], &[false, true]).unwrap(), 0.5);
    close(metrics::roc_auc(&[f32::INFINITY, f32::NEG_INFINITY], &[true, false]).unwrap(), 1.0);
}

#[test]
fn roc_of_outputs() {
    let logits =
        vec![1.0, 0.5, -1.0, 0.25, 2.0, 0.0, 0.0, 0.0, 1.5, 1.0, 1.0, 1.0, 0.5, -0.5, 2.0, 2.0, 0.0, 0.25, 0.0, 1.25, 0.5];
    let rows = Predictions::new(logits, 3, Truth::Classes(vec![0, 1, 2, 0, 2, 1, 1])).unwrap();
    close(Score::RocAuc.of(&rows).unwrap(), 0.85);
    // One logit, and labels that are numbers.
    let one = Predictions::new(vec![-1.0, 2.0, 0.5, 0.0], 1, Truth::Values(vec![0.0, 1.0, 0.0, 1.0])).unwrap();
    assert_eq!(one.predicted(), [0, 1, 1, 0]);
    close(Score::RocAuc.of(&one).unwrap(), 0.75);
    close(Score::Accuracy.of(&one).unwrap(), 0.5);
    // NaN is never the largest; among equals the first is.
    let odd = Predictions::new(vec![f32::NAN, 1.0, 2.0, 2.0, f32::NAN, f32::NAN], 2, Truth::Classes(vec![1, 0, 0])).unwrap();
    assert_eq!(odd.predicted(), [1, 0, 1]);
}

#[test]
fn errors_of_numbers_as_scikit_learn_takes_them() {
    let truth = vec![1.0, 10.0, 2.0, 20.0, 4.0, 35.0, 8.0, 30.0];
    let rows = Predictions::new(vec![1.5, 12.0, 2.0, 18.0, 3.0, 30.0, 9.0, 33.0], 2, Truth::Values(truth)).unwrap();
    close(Score::Mae.of(&rows).unwrap(), 1.8125);
    close(Score::Rmse.of(&rows).unwrap(), 1.995_185_174_601_965);
    close(Score::R2.of(&rows).unwrap(), 0.903_920_412_675_018_4);
    close(metrics::r2(&[2.0; 3], &[2.0; 3], 1).unwrap(), 1.0);
    close(metrics::r2(&[2.0, 2.0, 3.0], &[2.0; 3], 1).unwrap(), 0.0);
    // By hand: 1 − (1 + 4) / 2.
    close(metrics::r2(&[0.0, 2.0, 1.0], &[1.0, 2.0, 3.0], 1).unwrap(), -1.5);
}

/// Figures in f64: an offset changes none of them, a unit only their unit, and f32 numbers are taken as they are.
#[test]
fn figures_far_from_zero() {
    let truth: Vec<f64> = (0..50).map(|i| f64::from(i * i % 23) / 8.0).collect();
    let said: Vec<f64> = truth.iter().enumerate().map(|(i, t)| t + f64::from(i as u32 % 5) / 16.0 - 0.125).collect();
    let figures = |offset: f64, unit: f64| {
        let of = |values: &[f64]| values.iter().map(|x| x * unit + offset).collect::<Vec<f64>>();
        let (said, truth) = (of(&said), of(&truth));
        [metrics::r2(&said, &truth, 1), metrics::rmse(&said, &truth, 1), metrics::mae(&said, &truth, 1)].map(Result::unwrap)
    };
    let [r2, rmse, mae] = figures(0.0, 1.0);
    assert!(r2 > 0.9 && r2 < 0.999);
    for (offset, unit) in [(1.7e9, 1.0), (1e12, 1.0), (0.0, 1e-9), (0.0, 1e12), (0.0, 1e-200), (0.0, 1e200)] {
        for (found, expected) in figures(offset, unit).into_iter().zip([r2, rmse * unit, mae * unit]) {
            assert!((found / expected - 1.0).abs() < 1e-9, "{offset} {unit}: {found}, expected {expected}");
        }
    }
    let narrow = |values: &[f64]| values.iter().map(|&x| x as f32).collect::<Vec<f32>>();
    close(metrics::mae(&narrow(&said), &truth, 1).unwrap(), mae);
    close(metrics::r2(&said, &narrow(&truth), 1).unwrap(), r2);
    // A target that never changes, far from zero too: its mean is rounded, and is no deviation.
    close(metrics::r2(&[0.1; 3], &[0.1; 3], 1).unwrap(), 1.0);
    close(metrics::r2(&[0.1, 0.2, 0.1], &[0.1; 3], 1).unwrap(), 0.0);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let refused = |result: steepest::Result<f64>, part: &str| {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    refused(metrics::roc_auc(&[0.5, 0.6], &[true, true]), "both classes, found 2 positive of 2");
    refused(metrics::roc_auc(&[0.5, f32::NAN], &[true, false]), "row 1 is NaN");
    refused(metrics::roc_auc(&[0.5], &[true, false]), "1 scores for 2 labels");
    refused(metrics::r2(&[1.0], &[1.0], 1), "single row");
    refused(metrics::mae(&[1.0], &[1.0, 2.0], 1), "1 predictions for 2 values");
    refused(metrics::rmse::<f64, f64>(&[], &[], 1), "of 0 values");
    let classes = Predictions::new(vec![0.0, 1.0], 2, Truth::Classes(vec![1])).unwrap();
    refused(Score::Mae.of(&classes), "labels are classes");
    let numbers = Predictions::new(vec![0.0, 1.0], 2, Truth::Values(vec![0.0, 1.0])).unwrap();
    refused(Score::Accuracy.of(&numbers), "no classes");
    assert!(Predictions::new(vec![0.0; 3], 2, Truth::Classes(vec![1])).is_err());
    assert!(ConfusionMatrix::new(&[0], &[5], 2).is_err());
}
