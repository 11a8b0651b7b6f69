//! Metrics where their numbers are at an edge: equal, single, far from zero, too large for a sum, with labels the outputs do not know.
#![allow(clippy::unwrap_used)]

use steepest::data::{DataLoader, Dataset, Labels};
use steepest::nn::Activation;
use steepest::train::metrics::{self, Calibration, ConfusionMatrix, Metric, Predictions, Score, Truth};
use steepest::train::{History, Record};
use steepest::{Device, Error};

fn says(result: Result<impl std::fmt::Debug, Error>, part: &str) {
    let message = result.unwrap_err().to_string();
    assert!(message.contains(part), "{message}");
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1e-3), "{found}, expected {expected}");
}

/// The mean of equal numbers is that number to the bit, and exists where their sum does not.
#[test]
fn a_mean_is_right_to_the_last_digit() {
    for n in [3, 10, 100_000] {
        assert_eq!(metrics::mae(&vec![0.1; n], &vec![0.0; n], 1).unwrap(), 0.1, "of {n}");
    }
    assert_eq!(metrics::mae(&[1.6e308; 4], &[0.0; 4], 1).unwrap(), 1.6e308);
    assert_eq!(metrics::rmse(&[1.5e308; 3], &[0.0; 3], 1).unwrap(), 1.5e308);
    assert_eq!(metrics::rmse(&[f64::INFINITY, 0.0], &[0.0; 2], 1).unwrap(), f64::INFINITY);
}

#[test]
fn few_rows_are_enough_where_there_is_a_figure() {
    assert_eq!(metrics::r2(&[1.0, 2.0], &[1.0, 2.0], 1).unwrap(), 1.0);
    assert_eq!(metrics::explained_variance(&[3.0, 4.0], &[1.0, 2.0], 1).unwrap(), 1.0);
    assert_eq!(metrics::median_absolute_error(&[7.0], &[3.0], 1).unwrap(), 4.0);
    assert_eq!(metrics::median_absolute_error(&[1.0, 2.0, 10.0], &[0.0; 3], 1).unwrap(), 2.0);
    assert_eq!(metrics::max_error(&[2.0, -2.0], &[0.0; 2], 1).unwrap(), 2.0);
}

/// −0 and 0 are one score, and so a tie; what is not a number comes after what is.
#[test]
fn scores_that_are_equal_or_none() {
    for labels in [[true, false], [false, true]] {
        assert_eq!(metrics::roc_auc(&[-0.0, 0.0], &labels).unwrap(), 0.5, "{labels:?}");
    }
    assert_eq!(metrics::top_k_accuracy(&[f32::NAN, 1.0], 2, &[1], 1).unwrap(), 1.0);
    assert_eq!(metrics::top_k_accuracy(&[f32::NAN, 1.0], 2, &[0], 1).unwrap(), 0.0);
    assert_eq!(metrics::top_k_accuracy(&[f32::NAN, f32::NAN], 2, &[1], 1).unwrap(), 0.0);
}

/// Logits of any size: only their differences count.
#[test]
fn logits_may_be_far_from_zero() {
    for offset in [0.0f32, 1000.0, -1000.0, 60_000.0] {
        // Two classes are ranked by the difference of their logits: 1, −2, 4, −1.
        let two = [0.0, 1.0, 9.0, 7.0, -2.0, 2.0, 5.0, 4.0].map(|x| x + offset);
        let rows = |labels: [u32; 4]| Predictions::new(two.to_vec(), 2, Truth::Classes(labels.to_vec())).unwrap();
        assert_eq!(Score::RocAuc.of(&rows([1, 0, 1, 0])).unwrap(), 1.0);
        assert_eq!(Score::RocAuc.of(&rows([0, 0, 1, 1])).unwrap(), 0.75);
        near(rows([1, 0, 1, 0]).probabilities()[0][1], 1.0 / (1.0 + (-1f64).exp()));
        // Three classes, each against the others by its share: of class 0 e^0 / (e^0 + e^1 + e^2) and so on.
        let three = [2.0, 1.0, 0.0, 0.0, 1.0, 2.0, 1.0, 2.0, 0.0, 1.0, 1.0, 1.0].map(|x| x + offset);
        let labels = [0u32, 2, 1, 0];
        let rows = Predictions::new(three.to_vec(), 3, Truth::Classes(labels.to_vec())).unwrap();
        let sum: f64 = (0..3).map(|x| f64::from(x).exp()).sum();
        let share = |x: i32| f64::from(x).exp() / sum;
        for (found, expected) in rows.probabilities().iter().zip([
            [share(2), share(1), share(0)],
            [share(0), share(1), share(2)],
            [share(1), share(2), share(0)],
            [1.0 / 3.0; 3],
        ]) {
            found.iter().zip(expected).for_each(|(f, e)| near(*f, e));
        }
        // By hand: class 0 (shares .67 .09 .24 .33, rows 0 and 3) 1; class 1 (.24 .24 .67 .33, row 2) 1; class 2 (.09 .67 .09 .33, row 1) 1.
        assert_eq!(Score::RocAuc.of(&rows).unwrap(), 1.0, "from {offset}");
        let others = Predictions::new(three.to_vec(), 3, Truth::Classes(vec![0, 1, 1, 2])).unwrap();
        // Class 0: row 0 above all, 1. Class 1: rows 1 and 2 against 0 and 3, (½ + 0 + 1 + 1) / 4. Class 2: row 3 against 0, 1, 2, 2/3.
        near(Score::RocAuc.of(&others).unwrap(), (1.0 + 2.5 / 4.0 + 2.0 / 3.0) / 3.0);
    }
}

/// One logit says how sure it is of class 1, not of the class that it predicts.
#[test]
fn calibration_of_one_output_is_that_of_class_one() {
    let share = |x: f32| 1.0 / (1.0 + f64::from(-x).exp());
    let (logits, labels) = ([2.0f32, -2.0, -1.0, 0.5], [1u32, 0, 1, 0]);
    let rows = Predictions::new(logits.to_vec(), 1, Truth::Classes(labels.to_vec())).unwrap();
    let found = rows.calibration(4).unwrap();
    let shares = logits.map(share);
    let expected = Calibration::new(&shares, &labels.map(|l| l == 1), 4).unwrap();
    for (found, expected) in found.bins().iter().zip(expected.bins()) {
        assert_eq!(found.rows, expected.rows);
        if expected.rows > 0 {
            near(found.confidence, expected.confidence);
            near(found.share, expected.share);
        }
    }
    // Shares .88 .12 .27 .62 are in the bins 3, 0, 1, 2: gaps .12 .12 .73 .62.
    let gaps = [1.0 - shares[0], shares[1], 1.0 - shares[2], shares[3]];
    near(found.expected_error(), gaps.iter().sum::<f64>() / 4.0);
    // Bins without rows are not printed: they have no figures.
    let text = Calibration::new(&[0.92, 0.95], &[true, true], 10).unwrap().to_string();
    assert_eq!((text.lines().count(), text.contains("NaN")), (3, false), "{text}");
}

#[test]
fn classes_at_the_edge_of_a_confusion_matrix() {
    let matrix = ConfusionMatrix::new(&[0, 1, 1, 0, 2], &[0, 1, 0, 1, 2], 3).unwrap();
    assert_eq!([(1, 0), (2, 2), (0, 3), (3, 0), (9, 9)].map(|(l, p)| matrix.count(l, p)), [1, 1, 0, 0, 0]);
    assert!(ConfusionMatrix::empty(4096).is_ok());
    says(ConfusionMatrix::empty(4097), "4097 classes");
    says(ConfusionMatrix::empty(0), "0 classes");
    // One class among the labels, or among the predictions, is enough for a correlation of 0.
    let of = |p: &[u32], l: &[u32]| ConfusionMatrix::new(p, l, 3).unwrap();
    assert_eq!([of(&[0, 1, 2], &[1, 1, 1]).mcc(), of(&[1, 1, 1], &[0, 1, 2]).mcc()], [0.0, 0.0]);
    // Labels may be classes that the outputs do not know.
    let rows = Predictions::new(vec![0.0, 1.0, 1.0, 0.0], 2, Truth::Classes(vec![4, 0])).unwrap();
    let matrix = rows.confusion().unwrap();
    assert_eq!((matrix.classes(), matrix.count(4, 1), matrix.count(0, 0)), (5, 1, 1));
}

/// Outputs and labels of a whole loader come in its order, numbers as numbers.
#[test]
fn predictions_of_numbers_are_the_rows_of_the_loader() {
    let device = Device::cpu();
    let features: Vec<f32> = (0..14).map(|i| (i * 3 % 8) as f32 - 3.0).collect();
    let values: Vec<f32> = (0..14).map(|i| i as f32 / 2.0).collect();
    let set = Dataset::new(features.clone(), &[2], Labels::Values(values.clone(), 2)).unwrap();
    let loader = DataLoader::new(&set, 3).on_device(&device).unwrap();
    let rows = Predictions::of(&Activation::LeakyRelu(0.5), &loader).unwrap();
    let expected: Vec<f32> = features.iter().map(|&x| if x < 0.0 { x / 2.0 } else { x }).collect();
    assert_eq!((rows.rows(), rows.width(), rows.outputs()), (7, 2, expected.as_slice()));
    let errors = expected.iter().zip(&values).map(|(p, t)| f64::from((p - t).abs()));
    near(Score::Mae.of(&rows).unwrap(), errors.sum::<f64>() / 14.0);
    assert_eq!(rows.into_outputs(), expected);
}

#[test]
fn a_history_is_read_cell_by_cell() {
    let record = |epoch: usize| Record {
        epoch,
        steps: 10 * epoch as u64,
        lr: 0.5 / epoch as f64,
        loss: 1.0 / 3.0,
        val_loss: (epoch > 1).then_some(0.25),
        metrics: vec![("one".to_owned(), 1.5), ("two".to_owned(), -2.5), ("three".to_owned(), epoch as f64)],
        seconds: 0.125,
    };
    let history = History { records: vec![record(1), record(2), record(3)] };
    let last = history.last().unwrap();
    let figures = ["lr", "loss", "val_loss", "seconds", "two", "none"].map(|name| last.get(name));
    assert_eq!(figures, [Some(0.5 / 3.0), Some(1.0 / 3.0), Some(0.25), Some(0.125), Some(-2.5), None]);
    let csv = history.to_csv();
    assert_eq!(History::from_csv(&csv).unwrap(), history);
    // The line and the column of what is wrong, in each line.
    for line in 1..4 {
        let changed = |change: &dyn Fn(&str) -> String| {
            let lines = csv.lines().enumerate();
            lines.map(|(i, text)| if i == line { change(text) } else { text.to_owned() } + "\n").collect::<String>()
        };
        let at = format!("line {}: ", line + 1);
        says(History::from_csv(&changed(&|text| format!("{text},7"))), &format!("{at}10 cells for 9 columns"));
        says(History::from_csv(&changed(&|text| text.replace("-2.5", "x"))), &format!("{at}`x` in column two"));
        says(History::from_csv(&changed(&|text| text.replace("0.125", "long"))), &format!("{at}`long` in column seconds"));
    }
}
