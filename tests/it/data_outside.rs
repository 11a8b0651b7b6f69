//! Tables against the figures of outside programs (`STEEPEST_ORACLES`), and real ones with real holes (`STEEPEST_DATA`).
#![cfg(feature = "tables")]
#![allow(clippy::unwrap_used)]

use crate::common::fields::{Fields, known, list};
use serde_json::Value;
use std::path::PathBuf;
use steepest::data::{self, Csv, Dataset, Impute, Prepare, Scale, Table, Target};
use steepest::train::metrics::{self, Average, ConfusionMatrix, Metric, Predictions, Score, Truth};

fn folder(variable: &str, what: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from).filter(|d| d.is_dir());
    if found.is_none() {
        println!("SKIPPED ({variable} is no folder): {what}");
    }
    found
}

fn close(found: f64, expected: &serde_json::Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= 1e-11 + 1e-9 * expected.abs(), "{what}: {found}, expected {expected}");
}

/// Every figure of scikit-learn and pandas: imputation, categories, scaling, design matrices, folds.
#[test]
fn preprocessing_agrees_with_scikit_learn() {
    let (Some(oracles), Some(tables)) =
        (folder("STEEPEST_ORACLES", "preprocessing of outside programs"), folder("STEEPEST_DATA", "their tables"))
    else {
        return;
    };
    let oracle = index(&oracles);
    let mut figures = 0;
    for case in oracle["tables"].as_array().unwrap() {
        all_of_a_table_is_read(case);
        let file = case["file"].as_str().unwrap();
        let read = Csv::new().default_missing(false).missing(["NA"]).read(tables.join(file)).unwrap();
        assert_eq!(read.len() as u64, case["rows"].as_u64().unwrap());
        let report = read.report();
        let of = |name: &str| report.columns.iter().find(|c| c.name == name).unwrap();
        let list = |name: &str| case[name].as_array().unwrap();
        let numbers: Vec<&str> = list("numeric").iter().map(|c| c["column"].as_str().unwrap()).collect();
        let mut categories: Vec<&str> = list("one_hot").iter().map(|c| c["column"].as_str().unwrap()).collect();
        categories.dedup();

        for (i, (entry, name)) in list("numeric").iter().zip(&numbers).enumerate() {
            let column = of(name).numbers.unwrap();
            assert_eq!(of(name).missing as u64, entry["missing"].as_u64().unwrap(), "{file} {name}");
            close(column.mean, &entry["mean"], name);
            close(column.median, &entry["median"], name);
            close(column.mean, &case["standard_scaler"]["mean"][i], name);
            close(column.std, &case["standard_scaler"]["scale"][i], name);
            close(column.min, &case["min_max"]["min"][i], name);
            close(column.max, &case["min_max"]["max"][i], name);
            let age =
                |scale| Prepare::new().only([*name]).numbers(Impute::Mean).was_missing(false).scale(scale).fit(&read).unwrap();
            let imputed = age(Scale::None).features(&read).unwrap().values;
            let scaled = age(Scale::Standard).features(&read).unwrap().values;
            let after = &case["standard_scaler_after_mean_imputation"];
            let (mean, scale) = (after["mean"][i].as_f64().unwrap(), after["scale"][i].as_f64().unwrap());
            for (row, (x, z)) in imputed.iter().zip(&scaled).enumerate() {
                close(z * scale + mean, &serde_json::json!(x), name);
                if let Some(expected) = case.get("imputed") {
                    close(*x, &expected[row][i], name);
                }
            }
            // Smallest and largest become exactly 0 and 1.
            let unit = age(Scale::MinMax).features(&read).unwrap().values;
            let ends = unit.iter().fold((2.0f64, -1.0f64), |(a, b), &x| (a.min(x), b.max(x)));
            assert_eq!(ends, (0.0, 1.0));
            figures += 8;
        }
        for entry in list("categorical_mode") {
            let column = of(entry["column"].as_str().unwrap());
            assert_eq!(column.missing as u64, entry["missing"].as_u64().unwrap());
            assert_eq!(column.distinct as u64, entry["categories"].as_u64().unwrap());
            assert_eq!(column.most_frequent.as_ref().unwrap().0, entry["most_frequent"].as_str().unwrap());
            figures += 3;
        }
        let fitted = Prepare::new()
            .only(numbers.iter().chain(&categories).copied())
            .numbers(Impute::Mean)
            .was_missing(false)
            .categories(Impute::OwnAlways)
            .fit(&read)
            .unwrap();
        let expected: Vec<String> = list("one_hot")
            .iter()
            .map(|c| format!("{}={}", c["column"].as_str().unwrap(), c["category"].as_str().unwrap_or("(missing)")))
            .collect();
        assert_eq!(fitted.feature_names()[numbers.len()..], expected, "{file}");
        let matrix = fitted.features(&read).unwrap();
        let design = &case["design_matrix"];
        assert_eq!(serde_json::json!([matrix.rows, fitted.width()]), design["shape"]);
        for (i, name) in fitted.feature_names().iter().enumerate() {
            let column: Vec<f64> = matrix.values.iter().skip(i).step_by(fitted.width()).copied().collect();
            // A sum of n numbers around zero is as exact as its terms are, no better.
            let sum = design["column_sums"][i].as_f64().unwrap();
            assert!((column.iter().sum::<f64>() - sum).abs() < 1e-11 * read.len() as f64 + 1e-9 * sum.abs(), "{name}");
            close(column.iter().map(|x| x * x).sum(), &design["column_sums_of_squares"][i], name);
            if i >= numbers.len() {
                close(column.iter().sum(), &list("one_hot")[i - numbers.len()]["sum"], name);
            }
            figures += 3;
        }
        for (row, values) in design["first_rows"].as_array().unwrap().iter().enumerate() {
            for (i, value) in values.as_array().unwrap().iter().enumerate() {
                close(matrix.values[row * fitted.width() + i], value, file);
                figures += 1;
            }
        }
        if let Some(expected) = case.get("one_hot_matrix") {
            for row in 0..matrix.rows {
                assert_eq!(
                    serde_json::json!(matrix.values[row * fitted.width()..][numbers.len()..fitted.width()]),
                    expected[row]
                );
            }
        }
    }
    for case in oracle["folds"]["kfold"].as_array().unwrap() {
        known(case, &["n", "k", "fold_sizes"]);
        let folds = data::folds(case["n"].as_u64().unwrap() as usize, case["k"].as_u64().unwrap() as usize, 5).unwrap();
        assert_eq!(serde_json::json!(folds.iter().map(|f| f.test.len()).collect::<Vec<_>>()), case["fold_sizes"]);
        figures += folds.len();
    }
    for case in oracle["folds"]["stratified"].as_array().unwrap() {
        known(case, &["file", "column", "k", "classes", "class_totals", "fold_sizes_sorted", "per_class_min", "per_class_max"]);
        let read = Table::read(tables.join(case["file"].as_str().unwrap())).unwrap();
        let (classes, names) = read.classes(case["column"].as_str().unwrap()).unwrap();
        let folds = data::stratified_folds(&classes, case["k"].as_u64().unwrap() as usize, 5).unwrap();
        let mut sizes: Vec<usize> = folds.iter().map(|f| f.test.len()).collect();
        sizes.sort_unstable();
        assert_eq!(serde_json::json!(names), case["classes"]);
        assert_eq!(serde_json::json!(sizes), case["fold_sizes_sorted"]);
        for class in 0..names.len() {
            let counts = || folds.iter().map(|f| f.test.iter().filter(|&&r| classes[r] as usize == class).count());
            let total = counts().sum::<usize>() as u64;
            assert_eq!(total, case["class_totals"][class].as_u64().unwrap());
            assert_eq!(counts().min().unwrap() as u64, case["per_class_min"][class].as_u64().unwrap());
            assert_eq!(counts().max().unwrap() as u64, case["per_class_max"][class].as_u64().unwrap());
            figures += 3;
        }
        figures += sizes.len();
    }
    println!("{figures} figures of outside programs");
    assert!(figures > 500, "{figures}");
}

/// The index. Clusters and components are read by `tests/it/unsupervised.rs`.
fn index(oracles: &std::path::Path) -> Value {
    let text = std::fs::read_to_string(oracles.join("preprocessing.json")).unwrap();
    let oracle: Value = serde_json::from_str(&text).unwrap();
    known(
        &oracle,
        &[
            "title",
            "made_with",
            "missing",
            "one_hot",
            "tolerances",
            "explained_variance",
            "tables",
            "folds",
            "metrics",
            "kmeans",
            "pca",
        ],
    );
    known(&oracle["folds"], &["kfold", "stratified", "invariants"]);
    known(&oracle["metrics"], &["layout", "binary", "multiclass", "regression"]);
    oracle
}

/// Fails where a table has a figure that the test does not know.
fn all_of_a_table_is_read(case: &Value) {
    let parts = ["standard_scaler", "standard_scaler_after_mean_imputation", "min_max", "design_matrix"];
    let lists = ["numeric", "one_hot", "categorical_mode"];
    known(case, &[&["file", "rows", "imputed", "one_hot_matrix"][..], &parts, &lists].concat());
    known(&case[parts[0]], &["note", "mean", "scale"]);
    known(&case[parts[1]], &["note", "mean", "scale"]);
    known(&case[parts[2]], &["note", "min", "max"]);
    known(&case[parts[3]], &["note", "shape", "column_sums", "column_sums_of_squares", "first_rows"]);
    let each = |name: &str, fields: &[&str]| case[name].as_array().unwrap().iter().for_each(|entry| known(entry, fields));
    each("numeric", &["column", "missing", "mean", "median"]);
    each("one_hot", &["column", "category", "pandas_name", "sum"]);
    each("categorical_mode", &["column", "missing", "categories", "most_frequent"]);
}

/// Every measure of scikit-learn: of two classes, of several, of numbers.
#[test]
fn metrics_agree_with_scikit_learn() {
    let Some(oracles) = folder("STEEPEST_ORACLES", "metrics of outside programs") else { return };
    let oracle = index(&oracles);
    let mut figures = 0;
    let mut near = |found: f64, fields: &Fields<'_>, name: &str, bound: f64| {
        let expected = fields.float(name).unwrap();
        assert!((found - expected).abs() <= bound * expected.abs().max(1.0), "{name}: {found}, expected {expected}");
        figures += 1;
    };
    let cases = |name: &str| oracle["metrics"][name].as_array().unwrap().as_slice();
    let classes = |fields: &Fields<'_>, name: &str| -> Vec<u32> {
        fields.sizes(name).unwrap().into_iter().map(|c| u32::try_from(c).unwrap()).collect()
    };
    let rest = |fields: &Fields<'_>| {
        fields.pass_over(&["note"]);
        assert!(fields.all_read().is_ok(), "not computed: {:?}", fields.all_read());
    };
    let counts = |matrix: &ConfusionMatrix, fields: &Fields<'_>| {
        let expected = fields.read("confusion_matrix", |v| list(v, |row| list(row, Value::as_u64))).unwrap();
        let n = matrix.classes();
        let found: Vec<Vec<u64>> = (0..n).map(|i| (0..n).map(|j| matrix.count(i, j)).collect()).collect();
        assert_eq!(found, expected);
    };
    for case in cases("binary") {
        let fields = Fields::new(case);
        let (labels, predicted) = (classes(&fields, "y_true"), classes(&fields, "y_pred"));
        let scores: Vec<f32> = fields.floats("score").unwrap().into_iter().map(|s| s as f32).collect();
        assert_eq!(fields.text("threshold").unwrap(), "score >= 0.5");
        assert_eq!(scores.iter().map(|&s| u32::from(s >= 0.5)).collect::<Vec<_>>(), predicted);
        let matrix = ConfusionMatrix::new(&predicted, &labels, 2).unwrap();
        counts(&matrix, &fields);
        near(matrix.accuracy(), &fields, "accuracy", 1e-12);
        near(matrix.precision(1), &fields, "precision", 1e-12);
        near(matrix.recall(1), &fields, "recall", 1e-12);
        near(matrix.f1(1), &fields, "f1", 1e-12);
        let positive: Vec<bool> = labels.iter().map(|&y| y == 1).collect();
        near(metrics::roc_auc(&scores, &positive).unwrap(), &fields, "roc_auc", 1e-12);
        near(metrics::average_precision(&scores, &positive).unwrap(), &fields, "average_precision", 1e-12);
        near(metrics::log_loss(&fields.floats("score").unwrap(), &positive).unwrap(), &fields, "log_loss", 1e-12);
        near(matrix.balanced_accuracy(), &fields, "balanced_accuracy", 1e-12);
        near(matrix.mcc(), &fields, "mcc", 1e-12);
        rest(&fields);
    }
    for case in cases("multiclass") {
        let fields = Fields::new(case);
        let n = fields.size("classes").unwrap();
        let (labels, predicted) = (classes(&fields, "y_true"), classes(&fields, "y_pred"));
        let matrix = ConfusionMatrix::new(&predicted, &labels, n).unwrap();
        // Outputs whose largest element is at the predicted class.
        let hot = predicted.iter().flat_map(|&c| (0..n).map(move |i| f32::from(u8::from(i == c as usize)))).collect();
        let rows = Predictions::new(hot, n, Truth::Classes(labels)).unwrap();
        counts(&matrix, &fields);
        near(matrix.accuracy(), &fields, "accuracy", 1e-12);
        let per_class = fields.within("per_class").unwrap();
        for (name, of) in [
            ("precision", ConfusionMatrix::precision as fn(&ConfusionMatrix, usize) -> f64),
            ("recall", ConfusionMatrix::recall),
            ("f1", ConfusionMatrix::f1),
        ] {
            let expected = per_class.floats(name).unwrap();
            assert_eq!(expected.len(), n);
            (0..n).for_each(|class| assert!((of(&matrix, class) - expected[class]).abs() < 1e-12, "{name} of class {class}"));
        }
        assert!(per_class.all_read().is_ok());
        for (name, average) in [("macro", Average::Macro), ("micro", Average::Micro), ("weighted", Average::Weighted)] {
            let part = fields.within(name).unwrap();
            near(Score::Precision(average).of(&rows).unwrap(), &part, "precision", 1e-12);
            near(Score::Recall(average).of(&rows).unwrap(), &part, "recall", 1e-12);
            near(Score::F1(average).of(&rows).unwrap(), &part, "f1", 1e-12);
            assert!(part.all_read().is_ok());
        }
        rest(&fields);
    }
    for case in cases("regression") {
        let fields = Fields::new(case);
        let floats = |name: &str| fields.floats(name).unwrap().into_iter().map(|y| y as f32).collect::<Vec<_>>();
        let (truth, found) = (floats("y_true"), floats("y_pred"));
        // The numbers are rounded to f32 on their way.
        near(metrics::mae(&found, &truth, 1).unwrap(), &fields, "mae", 1e-6);
        near(metrics::rmse(&found, &truth, 1).unwrap(), &fields, "rmse", 1e-6);
        near(metrics::rmse(&found, &truth, 1).unwrap().powi(2), &fields, "mse", 1e-6);
        near(metrics::r2(&found, &truth, 1).unwrap(), &fields, "r2", 1e-6);
        near(metrics::explained_variance(&found, &truth, 1).unwrap(), &fields, "explained_variance", 1e-6);
        near(metrics::max_error(&found, &truth, 1).unwrap(), &fields, "max_error", 1e-6);
        near(metrics::median_absolute_error(&found, &truth, 1).unwrap(), &fields, "median_absolute_error", 1e-6);
        rest(&fields);
    }
    println!("{figures} measures of scikit-learn");
    assert!(figures > 40, "{figures}");
}

/// Each real table is read, reported and prepared, split by rows that know nothing of each other.
#[test]
fn real_tables_are_prepared() {
    let Some(folder) = folder("STEEPEST_DATA", "real tables") else { return };
    let mut seen = 0;
    for (file, target, rows, missing, task) in [
        ("iris.csv", "species", 150, 0, "classes 3"),
        ("wine.csv", "class", 178, 0, "classes 3"),
        ("breast_cancer.csv", "diagnosis", 569, 0, "classes 2"),
        ("digits.csv", "digit", 1797, 0, "classes 10"),
        ("diabetes.csv", "progression", 442, 0, "values"),
        ("titanic.csv", "survived", 891, 869, "classes 2"),
        ("penguins.csv", "species", 344, 19, "classes 3"),
        ("mpg.csv", "mpg", 398, 6, "values"),
        ("ames_housing.csv", "SalePrice", 2930, 13997, "values"),
        ("house_tiny.csv", "Price", 4, 5, "values"),
    ] {
        let read = Table::read(folder.join("tabular").join(file)).unwrap();
        let report = read.report();
        println!("{report}\n");
        assert_eq!((read.len(), report.columns.iter().map(|c| c.missing).sum::<usize>()), (rows, missing), "{file}");
        assert!(report.columns.iter().all(|c| c.count + c.missing == rows));
        let gives: Vec<String> = read.giveaways(target).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(gives, if file == "titanic.csv" { vec!["alive"] } else { vec![] }, "{file}");
        let prepare = Prepare::new().target(target).without(gives).rare(10).settled(&read).unwrap();
        let parts = data::random_parts(rows, 0.25, 0.25, 11).unwrap();
        let (train, validation, test) = read.parts(&parts).unwrap();
        let fitted = prepare.fit(&train).unwrap();
        let sets: Vec<Dataset> = [train, validation, test].iter().map(|t| fitted.dataset(t).unwrap().0).collect();
        assert_eq!(sets.iter().map(Dataset::len).sum::<usize>(), rows);
        assert!(sets.iter().all(|set| set.nan_count() == 0 && set.row_len() == fitted.width()));
        assert!(sets.iter().all(|set| set.features().iter().all(|x| x.is_finite())));
        let found = match fitted.target().unwrap() {
            Target::Values { .. } => "values".to_owned(),
            Target::Classes { classes, .. } => format!("classes {}", classes.len()),
            Target::Labels { .. } => "labels".to_owned(),
        };
        assert_eq!(found, task, "{file}");
        for (name, i) in fitted.feature_names().iter().zip(0..) {
            let column: Vec<f64> = sets[0].features().iter().skip(i).step_by(fitted.width()).map(|&x| f64::from(x)).collect();
            let mean = column.iter().sum::<f64>() / column.len() as f64;
            let indicator = column.iter().all(|&x| x == 0.0 || x == 1.0);
            assert!(indicator || mean.abs() < 1e-5, "{file} {name}: {mean}");
        }
        println!("{file}: {} features; left out: {:?}\n", fitted.width(), fitted.left_out());
        seen += 1;
    }
    let there = std::fs::read_dir(folder.join("tabular"))
        .unwrap()
        .filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|x| x == "csv"));
    assert_eq!(there.count(), seen, "a table without a line in this test");
}
