//! Metrics against figures worked out by hand and by scikit-learn.
#![allow(clippy::unwrap_used)]

use steepest::train::metrics::{self, Average, Calibration, ConfusionMatrix, Metric, Predictions, Score, Truth};

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

#[test]
fn precision_and_recall_with_ties_by_hand() {
    // From the highest: 1.0 +, 0.75 +, 0.5 + − +, 0.25 − −; 4 positive of 7.
    let scores = [0.25f32, 0.5, 1.0, 0.5, 0.75, 0.25, 0.5];
    let positive = [false, true, true, false, true, false, true];
    let curve = metrics::pr_curve(&scores, &positive).unwrap();
    let points: Vec<(f64, f64)> = curve.iter().map(|p| (p.precision, p.recall)).collect();
    assert_eq!(points, [(1.0, 0.0), (1.0, 0.25), (1.0, 0.5), (0.8, 1.0), (4.0 / 7.0, 1.0)]);
    assert_eq!(curve.iter().map(|p| p.threshold).collect::<Vec<_>>(), [f32::INFINITY, 1.0, 0.75, 0.5, 0.25]);
    close(metrics::average_precision(&scores, &positive).unwrap(), 0.25 + 0.25 + 0.5 * 0.8);
    // Scores without sense reach the share of positive rows; all positive is 1, and the two zeros are one score.
    close(metrics::average_precision(&[2.0; 4], &[true, false, false, false]).unwrap(), 0.25);
    close(metrics::average_precision(&[1.0, 2.0], &[true, true]).unwrap(), 1.0);
    close(metrics::average_precision(&[0.0, -0.0], &[true, false]).unwrap(), 0.5);
    close(metrics::average_precision(&[f32::NEG_INFINITY, f32::INFINITY], &[true, false]).unwrap(), 0.5);
    refused(metrics::average_precision(&[1.0, 2.0], &[false, false]), "found none of 2");
    refused(metrics::average_precision(&[], &[]), "found none of 0");
    refused(metrics::pr_curve(&[1.0, f32::NAN], &[true, false]), "score of row 1 is NaN");
    refused(metrics::pr_curve(&[1.0], &[true, false]), "1 scores for 2 labels");
}

fn refused(result: Result<impl std::fmt::Debug, steepest::Error>, says: &str) {
    match result.unwrap_err() {
        steepest::Error::Config { message, .. } => assert!(message.contains(says), "{message}"),
        other => panic!("{other}"),
    }
}

#[test]
fn the_right_class_among_the_first_few() {
    let outputs = [3.0f32, 1.0, 2.0, 0.0, 5.0, 5.0, 5.0, 5.0, f32::NAN, 1.0, f32::NAN, 0.5];
    let labels = [2, 3, 2];
    let of = |k| metrics::top_k_accuracy(&outputs, 4, &labels, k).unwrap();
    // Among equals the first comes first, NaN comes last.
    assert_eq!([1, 2, 3, 4, 9].map(of), [0.0, 1.0 / 3.0, 1.0 / 3.0, 1.0, 1.0]);
    let rows = Predictions::new(outputs.to_vec(), 4, Truth::Classes(labels.to_vec())).unwrap();
    assert_eq!(Score::TopK(1).of(&rows).unwrap(), Score::Accuracy.of(&rows).unwrap());
    assert_eq!((Score::TopK(5).name(), Score::TopK(2).of(&rows).unwrap()), ("top5_accuracy".to_owned(), 1.0 / 3.0));
    refused(metrics::top_k_accuracy(&outputs, 4, &labels, 0), "k = 0");
    refused(metrics::top_k_accuracy(&outputs, 4, &[0, 1, 4], 1), "label 4 of row 2 is out of range 0..4");
    refused(metrics::top_k_accuracy(&outputs, 3, &labels, 1), "12 outputs in rows of 3 for 3 labels");
    refused(metrics::top_k_accuracy(&[], 3, &[], 1), "0 labels");
}

#[test]
fn probabilities_by_hand() {
    let (p, y) = ([0.8f64, 0.4, 1.0, 0.0], [true, false, true, true]);
    let surprise = [0.8f64.ln(), 0.6f64.ln(), 0.0, 1e-15f64.ln()];
    assert!((metrics::log_loss(&p, &y).unwrap() + surprise.iter().sum::<f64>() / 4.0).abs() < 1e-12);
    close(metrics::brier(&p, &y).unwrap(), (0.04 + 0.16 + 0.0 + 1.0) / 4.0);
    for (p, says) in [(1.5f64, "row 0 is 1.5"), (-0.1, "row 0 is -0.1"), (f64::NAN, "row 0 is NaN")] {
        refused(metrics::log_loss(&[p], &[true]), says);
        refused(metrics::brier(&[p], &[true]), says);
        refused(Calibration::new(&[p], &[true], 3), says);
    }
    refused(metrics::log_loss::<f64>(&[], &[]), "no rows");
    refused(Calibration::new(&[0.5], &[true], 0), "0 bins");
    // Edges belong to the bin below them, 0 to the first.
    let calibration = Calibration::new(&[0.0, 0.5, 0.500001, 1.0], &[false, true, true, false], 2).unwrap();
    assert_eq!(calibration.bins().iter().map(|bin| bin.rows).collect::<Vec<_>>(), [2, 2]);
    let gaps = [0.5 - 0.25, (1.500001 / 2.0) - 0.5];
    close(calibration.expected_error(), (gaps[0] + gaps[1]) / 2.0);
    close(calibration.largest_error(), gaps[0].max(gaps[1]));
    assert!(calibration.to_string().contains("0.000-0.500"), "{calibration}");
    let empty = Calibration::new(&[0.9], &[true], 4).unwrap();
    assert!(empty.bins()[0].confidence.is_nan() && (empty.expected_error() - 0.1).abs() < 1e-12);
}

#[test]
fn scores_of_logits_by_hand() {
    // Softmax of (ln 1, ln 2, ln 5) is (1, 2, 5) / 8.
    let logits: Vec<f32> = [1f32, 2.0, 5.0, 4.0, 2.0, 2.0].iter().map(|x| x.ln()).collect();
    let rows = Predictions::new(logits, 3, Truth::Classes(vec![2, 1])).unwrap();
    let loss = -(0.625f64.ln() + 0.25f64.ln()) / 2.0;
    let near = |score: Score, expected: f64| {
        let found = score.of(&rows).unwrap();
        assert!((found - expected).abs() < 1e-6, "{}: {found}, expected {expected}", score.name());
    };
    near(Score::LogLoss, loss);
    near(Score::Perplexity, loss.exp());
    // (1/8)² + (2/8)² + (3/8)², and (2/4)² + (3/4)² + (1/4)².
    near(Score::Brier, (14.0 / 64.0 + 14.0 / 16.0) / 2.0);
    near(Score::CalibrationError(10), (0.375 + 0.5) / 2.0);
    // One logit: its sigmoid is the probability of class 1.
    let rows = Predictions::new(vec![3f32.ln(), 0.0], 1, Truth::Classes(vec![1, 0])).unwrap();
    assert!((Score::LogLoss.of(&rows).unwrap() + (0.75f64.ln() + 0.5f64.ln()) / 2.0).abs() < 1e-7);
    assert!((Score::Brier.of(&rows).unwrap() - (0.0625 + 0.25) / 2.0).abs() < 1e-7);
    assert_eq!(Score::AveragePrecision.of(&rows).unwrap(), 1.0);
    let unsure = Predictions::new(vec![f32::NAN, 0.0], 2, Truth::Classes(vec![1])).unwrap();
    refused(Score::LogLoss.of(&unsure), "row 0 give no probability of class 1");
    let outside = Predictions::new(vec![0.0, 0.0], 2, Truth::Classes(vec![5])).unwrap();
    refused(Score::Perplexity.of(&outside), "no probability of class 5");
    assert!([Score::LogLoss, Score::Perplexity, Score::Brier, Score::MaxError].iter().all(|score| !score.upwards()));
    assert!([Score::TopK(3), Score::Iou(Average::Macro), Score::Kappa, Score::ExplainedVariance].iter().all(Score::upwards));
}

#[test]
fn a_confusion_matrix_says_more() {
    // Labels in rows: [[3, 1, 0], [2, 4, 0], [0, 0, 0]]; class 2 does not occur.
    let labels = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1];
    let predicted = [0, 0, 0, 1, 0, 0, 1, 1, 1, 1];
    let matrix = ConfusionMatrix::new(&predicted, &labels, 3).unwrap();
    assert_eq!([0, 1, 2].map(|c| matrix.iou(c)), [0.5, 4.0 / 7.0, 0.0]);
    assert_eq!([0, 1].map(|c| matrix.dice(c)), [6.0 / 9.0, 8.0 / 11.0]);
    close(matrix.mean_iou(), (0.5 + 4.0 / 7.0) / 2.0);
    close(matrix.balanced_accuracy(), (0.75 + 4.0 / 6.0) / 2.0);
    // Of two classes: (TP TN − FP FN) / √((TP+FP)(TP+FN)(TN+FP)(TN+FN)).
    close(matrix.mcc(), (4.0 * 3.0 - 1.0 * 2.0) / (5.0f64 * 6.0 * 4.0 * 5.0).sqrt());
    let chance = (4.0 * 5.0 + 6.0 * 5.0) / 100.0;
    close(matrix.kappa(), (0.7 - chance) / (1.0 - chance));
    // Perfect, all wrong, and what chance explains.
    let of = |p: &[u32], l: &[u32]| ConfusionMatrix::new(p, l, 3).unwrap();
    assert_eq!([of(&[0, 1, 2], &[0, 1, 2]).mcc(), of(&[0, 1, 2], &[0, 1, 2]).kappa()], [1.0, 1.0]);
    assert_eq!([of(&[1, 0], &[0, 1]).mcc(), of(&[1, 0], &[0, 1]).kappa()], [-1.0, -1.0]);
    let one = of(&[1, 1], &[1, 1]);
    assert_eq!([one.mcc(), one.kappa(), one.mean_iou(), one.balanced_accuracy()], [0.0, 0.0, 1.0, 1.0]);
    assert!(ConfusionMatrix::empty(2).unwrap().balanced_accuracy().is_nan());
    // A class that is predicted and never right counts in the mean IoU, not in the balanced accuracy.
    let stray = of(&[0, 2], &[0, 0]);
    assert_eq!([stray.mean_iou(), stray.balanced_accuracy()], [0.25, 0.5]);
    let rows = Predictions::new(hot(&predicted, 3), 3, Truth::Classes(labels.to_vec())).unwrap();
    close(Score::Iou(Average::Macro).of(&rows).unwrap(), matrix.mean_iou());
    close(Score::Iou(Average::Class(1)).of(&rows).unwrap(), 4.0 / 7.0);
    close(Score::Iou(Average::Micro).of(&rows).unwrap(), 7.0 / 13.0);
    close(Score::Mcc.of(&rows).unwrap(), matrix.mcc());
    close(Score::Kappa.of(&rows).unwrap(), matrix.kappa());
    close(Score::BalancedAccuracy.of(&rows).unwrap(), matrix.balanced_accuracy());
}

#[test]
fn errors_of_numbers_by_hand() {
    let (p, t) = ([2.0f64, 4.0, 9.0, 1.0], [1.0f64, 5.0, 6.0, 1.0]);
    close(metrics::mape(&p, &t, 1).unwrap(), (1.0 + 0.2 + 0.5) / 4.0);
    close(metrics::max_error(&p, &t, 1).unwrap(), 3.0);
    close(metrics::median_absolute_error(&p, &t, 1).unwrap(), 1.0);
    // Errors −1, 1, −3, 0 have the variance 35 / 16, targets 1, 5, 6, 1 that of 83 / 16.
    close(metrics::explained_variance(&p, &t, 1).unwrap(), 1.0 - 35.0 / 83.0);
    // A constant error costs no explained variance.
    close(metrics::explained_variance(&[11.0, 12.0, 15.0], &[1.0, 2.0, 5.0], 1).unwrap(), 1.0);
    assert_eq!(metrics::explained_variance(&[1.0, 2.0], &[3.0, 3.0], 1).unwrap(), 0.0);
    assert_eq!(metrics::explained_variance(&[1.0, 1.0], &[3.0, 3.0], 1).unwrap(), 1.0);
    // Columns: (1, 10) and (2, 30).
    close(metrics::median_absolute_error(&[1.0, 2.0, 10.0, 30.0], &[0.0; 4], 2).unwrap(), (5.5 + 16.0) / 2.0);
    close(metrics::max_error(&[1.0, -40.0, 10.0, 30.0], &[0.0; 4], 2).unwrap(), 40.0);
    assert!(metrics::max_error(&[1.0, f64::NAN, 3.0], &[0.0; 3], 1).unwrap().is_nan());
    assert!(metrics::median_absolute_error(&[1.0, f64::NAN, 3.0], &[0.0; 3], 1).unwrap().is_nan());
    close(metrics::mape(&[1.0f32], &[0.0f32], 1).unwrap() * f64::EPSILON, 1.0);
    refused(metrics::explained_variance(&[1.0], &[1.0], 1), "a single row");
    refused(metrics::max_error::<f64, f64>(&[], &[], 1), "largest error");
    let rows = Predictions::new(vec![2.0, 4.0], 1, Truth::Values(vec![1.0, 5.0])).unwrap();
    close(Score::Mape.of(&rows).unwrap(), 0.6);
    close(Score::MedianError.of(&rows).unwrap(), 1.0);
    close(Score::MaxError.of(&rows).unwrap(), 1.0);
    close(Score::ExplainedVariance.of(&rows).unwrap(), 0.75);
}

#[test]
fn maps_are_a_row_for_each_place() {
    use steepest::data::{DataLoader, Dataset, Labels};
    use steepest::nn::{Activation, Conv2d, loss::CrossEntropy};
    use steepest::{Device, optim::Adam, train::Trainer};
    let device = Device::cpu();
    // Two pictures of 2 × 3 pixels with 2 channels; a pixel is of class 1 where its second channel is the larger one.
    let pictures: Vec<f32> = (0..24).map(|i| ((i * 5) % 7) as f32 - 3.0).collect();
    let classes: Vec<u32> =
        (0..12).map(|i| (i / 6, i % 6)).map(|(n, at)| u32::from(pictures[n * 12 + 6 + at] > pictures[n * 12 + at])).collect();
    let set = Dataset::new(pictures, &[2, 2, 3], Labels::Maps(classes.clone(), vec![2, 3], 2)).unwrap();
    assert_eq!(set.to_string(), "2 rows of [2, 2, 3], 2 classes at each of [2, 3]");
    assert_eq!(set.class_counts().iter().sum::<usize>(), 12);
    let loader = DataLoader::new(&set, 1).on_device(&device).unwrap();
    // Activation::Relu of the channels is what their order is: the prediction is right everywhere.
    let rows = Predictions::of(&Activation::LeakyRelu(0.5), &loader).unwrap();
    assert_eq!((rows.rows(), rows.width(), rows.predicted()), (12, 2, classes.clone()));
    assert_eq!(Score::Iou(Average::Macro).of(&rows).unwrap(), 1.0);
    let from_host = DataLoader::new(&set, 2).from_host(&device).unwrap();
    assert_eq!(Predictions::of(&Activation::LeakyRelu(0.5), &from_host).unwrap(), rows);
    // And it is learned, by the loss of every pixel.
    let model = Conv2d::new(&device, 2, 2, 1, 3);
    let adam = Adam::new(steepest::nn::Module::parameters(&model), 0.1);
    let loss = |x: &steepest::Tensor, y: &steepest::Tensor| CrossEntropy::new().of(x, y);
    let report =
        Trainer::new(&model, adam, loss).epochs(60).validate(&from_host).metric(Score::Iou(Average::Macro)).fit(&loader).unwrap();
    assert!(report.history.last().unwrap().get("iou").unwrap() > 0.9, "{}", report.history.to_csv());
    // What does not fit.
    refused(Dataset::new(vec![0.0; 4], &[2], Labels::Maps(vec![0, 1, 2, 0], vec![2], 2)), "class 2 of place 2");
    refused(Dataset::new(vec![0.0; 4], &[2], Labels::Maps(vec![0; 5], vec![2], 2)), "5 classes are not rows of [2]");
    refused(set.stratified_split(0.5, 1), "one class per row");
    let flat = steepest::nn::Flatten;
    refused(Predictions::of(&flat, &loader), "expected [n,classes,d…] and [n,d…]");
}
