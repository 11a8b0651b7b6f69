//! The examples on tables, run with few steps: what they find on held-out rows, their pictures, and what they say to bad input.
#![cfg(all(feature = "plot", feature = "tables"))]
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::common::examples::{drawn, start};

fn run(name: &str, device: &str, epochs: &str, titles: &[&str]) -> String {
    drawn(name, &["--device", device, "--epochs", epochs], titles)
}

/// The numbers in the last line that starts so.
fn figures(text: &str, start: &str) -> Vec<f64> {
    let line = text
        .lines()
        .rev()
        .find(|line| line.trim_start().starts_with(start))
        .unwrap_or_else(|| panic!("no line `{start}` in\n{text}"));
    let numbers = line.split(|c: char| !(c.is_ascii_digit() || "+-.e".contains(c)));
    numbers.filter_map(|word| word.trim_end_matches('.').parse().ok()).collect()
}

#[test]
fn cars_by_linear_regression() {
    let text = run("linear_regression", "cpu", "60", &["cost J(θ₀, θ₁)", "Linear regression"]);
    assert!(figures(&text, "held-out R²")[0] > 0.75, "{text}");
    // The descent and the normal equation find the same line, the rate that is too large finds none.
    let (right, exact, large) =
        (figures(&text, "scaled, right"), figures(&text, "scaled, normal"), figures(&text, "scaled, too large"));
    assert!((right[1] - exact[0]).abs() < 1e-2 && (right[2] - exact[1]).abs() < 1e-2, "{text}");
    assert!(large[3] > 2.0 * exact[2], "{text}");
}

#[test]
fn passengers_of_next_month() {
    let text = run("series", "cpu", "2000", &["A linear forecast"]);
    let found = figures(&text, "held-out MAE");
    assert!(found[0] < 20.0 && found[1] > 40.0, "{text}");
}

#[test]
fn curves_bend() {
    let text = run("curves", "cpu", "1200", &["From lines to curves"]);
    let (line, bent) = (figures(&text, "polynomial of degree 1 "), figures(&text, "held-out error"));
    assert!(bent[0] < 0.85 * line[3], "{text}");
    assert!(figures(&text, "a hard sigmoid is")[0] < 1e-6, "{text}");
}

#[test]
fn overfitting_is_shown_and_helped() {
    let text = run("overfitting", "cpu", "200", &["Overfitting"]);
    let found = figures(&text, "held-out RMSE");
    assert!(found[0] < 8.0 && found[1] < 5.0 && found[1] < found[0], "{text}");
}

#[test]
fn tumours_by_logistic_regression() {
    let text = run("logistic_regression", "cpu", "60", &["Logistic regression"]);
    assert!(figures(&text, "held-out accuracy")[0] >= 96.0, "{text}");
    let (learns, stalls) = (figures(&text, "cross-entropy"), figures(&text, "squared error"));
    assert!(learns[0] > 20.0 * stalls[0] && learns.last().unwrap() < &30.0 && text.contains("right at step never"), "{text}");
}

#[test]
fn flowers_and_wines_by_softmax() {
    let text = run("softmax_regression", "cpu", "100", &["Softmax regression"]);
    let found = figures(&text, "held-out accuracy");
    assert!(found[0] >= 94.0 && found[1] >= 96.0, "{text}");
}

#[test]
fn diabetes_progression() {
    let text = run("diabetes", "cpu", "100", &["Diabetes"]);
    assert!(figures(&text, "held-out R²")[0] >= 0.43, "{text}");
}

#[test]
fn house_prices() {
    let text = run("ames", "cpu", "8", &["House prices in Ames"]);
    assert!(figures(&text, "held-out R²")[0] >= 0.80, "{text}");
}

#[test]
fn survivors_without_the_answer() {
    let text = run("titanic", "cpu", "10", &["Survivors of the Titanic"]);
    let accuracy = figures(&text, "held-out accuracy")[0];
    assert!((78.0..90.0).contains(&accuracy), "{text}"); // more would mean that a column gives the answer away
    assert!(text.contains("left out: alive"), "{text}");
}

#[test]
fn optimizers_go_down() {
    let text = run("optimizers", "cpu", "3", &["Optimizers"]);
    for name in ["SGD", "momentum", "AdaGrad", "RMSProp", "Adam "] {
        assert!(text.lines().filter(|line| line.starts_with(name)).count() >= 2, "{name} is not in\n{text}");
    }
    assert!(figures(&text, "held-out accuracy")[0] >= 80.0, "{text}");
}

#[test]
fn batches_of_three_sizes() {
    let text = run("batch_size", "cpu", "3", &["Batch size"]);
    assert!(figures(&text, "held-out accuracy")[1] >= 95.0, "{text}");
    let steps: Vec<f64> =
        ["all rows", "32 rows", "one row"].iter().map(|name| figures(&text, name).into_iter().rev().nth(3).unwrap()).collect();
    assert!(steps[0] == 3.0 && steps[1] == 42.0 && steps[2] > 1000.0, "{text}");
}

#[test]
fn clusters_are_found() {
    let text = run("clusters", "cpu", "3", &["Clusters and principal components"]);
    let found = figures(&text, "purity");
    assert!(found[0] >= 80.0 && found[1] >= 70.0, "{text}");
}

#[test]
fn small_examples_draw_too() {
    run("xor", "cpu", "300", &["XOR"]);
    run("line", "cpu", "40", &["A line by gradient descent"]);
    run("saddle", "cpu", "60", &["A saddle"]);
}

#[test]
fn the_same_on_a_gpu() {
    let Some(device) = common::gpu("course examples") else { return };
    let text = run("logistic_regression", device.name(), "40", &["Logistic regression"]);
    assert!(figures(&text, "held-out accuracy")[0] >= 96.0, "{text}");
    let text = run("clusters", device.name(), "2", &["Clusters and principal components"]);
    assert!(figures(&text, "purity")[0] >= 80.0, "{text}");
}

/// What an example says, in one line, to something that cannot work.
fn refused(name: &str, flags: &[&str]) -> String {
    let output = start(name, flags);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{name} {flags:?}: {errors}");
    // Drivers may have complained before; what is said to the user is the last line.
    let last = errors.trim_end().lines().last().unwrap_or_default();
    assert!(last.starts_with("error: ") && !errors.contains("panicked"), "{errors}");
    errors
}

#[test]
fn bad_input_is_one_message_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let inside = file.join("pictures");
    // Before anything is trained: nothing was printed.
    let said = refused("linear_regression", &["--device", "cpu", "--out", inside.to_str().unwrap()]);
    assert!(said.contains("cannot write to the folder") && said.contains("--out"), "{said}");

    let missing = folder.path().join("nowhere");
    let said = refused("linear_regression", &["--device", "cpu", "--data", missing.to_str().unwrap()]);
    assert!(said.contains("no such folder") && said.contains("mpg.csv"), "{said}");
    let said = refused("softmax_regression", &["--device", "cpu", "--data", folder.path().to_str().unwrap()]);
    assert!(said.contains("has no iris.csv"), "{said}");

    let data = folder.path().to_str().unwrap();
    std::fs::write(folder.path().join("mpg.csv"), "mpg,horsepower\n18,130\n15,165\n").unwrap();
    let said = refused("linear_regression", &["--device", "cpu", "--data", data]);
    assert!(said.contains("no column `weight`") && said.contains("mpg.csv"), "{said}");
    std::fs::write(folder.path().join("airline_passengers.csv"), "month,passengers\n1949-01,112\n1949-02,118\n").unwrap();
    let said = refused("series", &["--device", "cpu", "--data", data]);
    assert!(said.contains("2 months, expected 61 or more"), "{said}");
    std::fs::write(folder.path().join("airline_passengers.csv"), "month,passengers\n1949-01,112\n1949-02,many\n").unwrap();
    let said = refused("series", &["--device", "cpu", "--data", data]);
    assert!(said.contains("line 3") || said.contains("passengers"), "{said}");
    std::fs::write(folder.path().join("ames_housing.csv.gz"), "no gzip").unwrap();
    let said = refused("ames", &["--device", "cpu", "--data", data]);
    assert!(said.contains("ames_housing.csv.gz is no whole gzip file"), "{said}");
    let said = refused("xor", &["--device", "abacus"]);
    assert!(said.contains("no device named `abacus`"), "{said}");
}
