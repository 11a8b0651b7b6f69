//! The examples on networks, run with few steps: what they find on held-out rows, their pictures, and what they say to bad input.
#![cfg(all(feature = "plot", feature = "tables", feature = "save"))]
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::common::examples::{drawn as run, start};

/// The first number after `start` in the last line that starts so.
fn figure(text: &str, start: &str) -> f64 {
    let found = text.lines().rev().find_map(|line| line.strip_prefix(start));
    let line = found.unwrap_or_else(|| panic!("no line `{start}` in\n{text}"));
    let mut numbers = line.split(|c: char| !(c.is_ascii_digit() || c == '.')).filter_map(|word| word.parse().ok());
    numbers.next().unwrap_or_else(|| panic!("no number after `{start}` in\n{text}"))
}

/// The folder with what is too large for the project; without it a test says aloud that it is skipped.
fn data(what: &str) -> Option<String> {
    let folder = std::env::var("STEEPEST_DATA").ok();
    if folder.is_none() {
        println!("SKIPPED (STEEPEST_DATA is not set): {what}");
    }
    folder
}

/// What an example says that cannot work: it must say no more than that, with exit code 2.
fn complaint(name: &str, flags: &[&str]) -> String {
    let output = start(name, flags);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{name} {flags:?}: {errors}");
    assert!(errors.starts_with("error: ") && errors.trim_end().lines().count() == 1, "{errors}");
    errors
}

#[test]
fn digits_of_unseen_writers() {
    let text = run("digits_cnn", &["--epochs", "2"], &["Confusion matrix", "wrongly read of 360 digits"]);
    let (plain, convolutional) = (figure(&text, "plain network:"), figure(&text, "test accuracy:"));
    assert!(convolutional > 93.0 && plain > 70.0 && plain < convolutional, "{text}");
}

#[test]
fn a_deep_network_needs_normalisation() {
    let text = run("batch_norm", &["--epochs", "4"], &["12 hidden layers"]);
    let (without, with) = (figure(&text, "without batch normalisation:"), figure(&text, "test accuracy:"));
    assert!(without < 25.0 && with > 75.0, "{text}");
    // The batch's own statistics take away what tells digits apart.
    let running = figure(&text, "held-out digits, all of one kind in a batch:");
    let own = text.lines().find(|line| line.contains("with those of the batch itself")).unwrap();
    assert!((running - with).abs() < 0.01 && figure(own, "") < 40.0, "{text}");
}

#[test]
fn houses_get_tags() {
    let text = run("tagging", &["--epochs", "12"], &["Tags of houses not seen in training"]);
    assert!(figure(&text, "test mean F1:") > figure(&text, "always yes: mean F1") + 0.05, "{text}");
    assert_eq!(figure(&text, "always yes: mean F1"), 0.689);
}

#[test]
fn houses_in_order_of_price() {
    let text = run("ranking", &["--epochs", "5"], &["Unseen neighbourhoods"]);
    let (by_area, by_score) = (figure(&text, "by living area:"), figure(&text, "test pairs in order:"));
    assert!(by_score > 77.0 && by_score > by_area + 4.0, "{text}");
    assert!(text.contains("16 neighbourhoods to learn from"), "{text}");
}

#[test]
fn rewards_alone_teach_digits() {
    let text = run("bandit", &["--epochs", "4"], &["Digits as a bandit"]);
    assert!(figure(&text, "test accuracy:") > 75.0, "{text}");
    let chance = figure(&text, "at random ");
    assert!((chance - 90.0).abs() < 2.0, "{text}");
    // Who tries nothing finds less than who does.
    assert!(figure(&text, "ε falling") == figure(&text, "greedy     "), "both play as many rounds: {text}");
    assert!(figure(&text, "greedy:") < figure(&text, "test accuracy:"), "{text}");
}

#[test]
fn a_pole_is_balanced() {
    let text = run("reinforce", &["--epochs", "40"], &["Balancing a pole by REINFORCE"]);
    let (chance, learned) = (figure(&text, "at random:"), figure(&text, "test mean return:"));
    // Without a learner an episode of these equations lasts some 22 steps.
    assert!((20.0..25.0).contains(&chance) && learned > 100.0, "{text}");
}

#[test]
fn digits_are_drawn() {
    let text = run("gan", &["--epochs", "20"], &["Ten digits, drawn better and better"]);
    let (made, mixed) =
        (figure(&text, "made digits: sure of"), figure(&text, "pixels of different digits put together: sure of"));
    let real = figure(&text, "real held-out digits: sure of");
    assert!(real > 75.0 && mixed < 30.0 && made > mixed, "{text}");
    // Not one and the same digit again and again.
    let last = text.trim_end().lines().last().unwrap().split(',').next_back().unwrap();
    assert!(figure(last, "") > 4.0, "{text}");
}

#[test]
fn mnist_by_convolution() {
    let Some(data) = data("mnist_cnn") else { return };
    let flags = ["--epochs", "1", "--rows", "3000", "--data", &data];
    let text = run("mnist_cnn", &flags, &["Learning curves", "wrongly read digits of MNIST"]);
    assert!(figure(&text, "test accuracy:") > 85.0, "{text}");
}

#[test]
fn a_network_is_fine_tuned() {
    let Some(data) = data("fine_tune") else { return };
    let text = run("fine_tune", &["--epochs", "1", "--rows", "4000", "--data", &data], &["Learning 5 to 9 after 0 to 4"]);
    assert!(figure(&text, "test accuracy:") > 60.0, "{text}");
    assert!(text.contains("what the file has: 0.weight, 0.bias, 3.weight, 3.bias\n"), "{text}");
    assert!(text.contains("trained: 7.weight, 7.bias, 9.weight, 9.bias\n"), "{text}");
}

#[test]
fn words_are_recommended() {
    let Some(data) = data("recommender") else { return };
    let text = run("recommender", &["--epochs", "400", "--data", &data], &["Speakers by their taste in words"]);
    assert!(figure(&text, "test AUC:") > figure(&text, "popularity: AUC") + 0.01, "{text}");
}

#[test]
fn letters_are_guessed_by_recurrence() {
    let Some(data) = data("char_rnn") else { return };
    for cell in ["gru", "lstm", "rnn"] {
        let flags = ["--epochs", "1", "--rows", "60000", "--cell", cell, "--data", &data];
        let text = run("char_rnn", &flags, &["learns to guess Shakespeare"]);
        // Who knows how frequent each letter is, but not what stands before it, needs 4.8 bits.
        assert!(figure(&text, "test bits per character:") < 4.6, "{text}");
        assert!((figure(&text, "bigrams:") - 3.6).abs() < 0.3, "{text}");
    }
}

#[test]
fn letters_are_guessed_by_attention() {
    let Some(data) = data("transformer") else { return };
    let text = run("transformer", &["--epochs", "1", "--rows", "60000", "--data", &data], &["A transformer learns to guess"]);
    assert!(figure(&text, "test bits per character:") < 4.6, "{text}");
}

#[test]
fn a_gpu_does_the_same() {
    let Some(device) = common::gpu("course_networks") else { return };
    let text = run("tagging", &["--epochs", "12", "--device", device.name()], &["Tags of houses not seen in training"]);
    assert!(figure(&text, "test mean F1:") > figure(&text, "always yes: mean F1") + 0.05, "{text}");
    let text = run("batch_norm", &["--epochs", "3", "--rows", "640", "--device", device.name()], &["12 hidden layers"]);
    assert!(figure(&text, "test accuracy:") > 45.0, "{text}");
}

#[test]
fn what_cannot_work_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for name in ["mnist_cnn", "fine_tune"] {
        let said = complaint(name, &["--data", path, "--out", path]);
        assert!(said.contains("mnist") && said.contains("four IDX files") && said.contains("published at"), "{said}");
    }
    for name in ["char_rnn", "transformer", "recommender"] {
        let said = complaint(name, &["--data", "/nowhere at all", "--out", path]);
        assert!(said.contains("/nowhere at all") && said.contains("tinyshakespeare") && said.contains("published at"), "{said}");
    }
    // Data of another shape: a text that is too short or none at all, one that is no play, a table with other columns, damaged images.
    let text = folder.path().join("tinyshakespeare.txt");
    std::fs::write(&text, "To be").unwrap();
    assert!(complaint("char_rnn", &["--data", path, "--out", path]).contains("has 5 characters, expected at least 20,000"));
    std::fs::write(&text, "to be or not to be ".repeat(2000)).unwrap();
    assert!(complaint("recommender", &["--data", path, "--out", path]).contains("is this a play"));
    std::fs::write(&text, [0xff; 30_000]).unwrap();
    assert!(complaint("transformer", &["--data", path, "--out", path]).contains("is no text in UTF-8"));
    std::fs::write(folder.path().join("ames_housing.csv"), "Neighborhood,SalePrice\nNAmes,1\n").unwrap();
    for name in ["ranking", "tagging"] {
        assert!(complaint(name, &["--data", path, "--out", path]).contains("no column `Lot "), "{name}");
    }
    let images = folder.path().join("mnist");
    std::fs::create_dir(&images).unwrap();
    for file in ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"] {
        std::fs::write(images.join(file), "no images").unwrap();
    }
    assert!(complaint("mnist_cnn", &["--data", path, "--out", path]).contains("train-images-idx3-ubyte"));
    // A file stands where the folder for pictures should be.
    let said = complaint("bandit", &["--out", text.to_str().unwrap()]);
    assert!(said.contains("cannot write to the folder") && said.contains("--out"), "{said}");
    if let Some(data) = data("another kind of cell") {
        assert!(complaint("char_rnn", &["--data", &data, "--cell", "brain"]).contains("expected gru, lstm or rnn"));
    }
}
