//! The tables of README and docs: they show the values they are made of, and the program that rewrites them does what it says.
#![allow(clippy::unwrap_used)]

#[path = "../../examples/figures/tables.rs"]
mod tables;

use std::collections::BTreeMap;
use std::path::Path;
use tables::{Form, Tables, Values, fill, places, rewrite};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_pages_show_the_values() {
    let tables = Tables::read(root()).unwrap();
    let stale: Vec<_> = tables.stale().unwrap().into_iter().map(|(path, _)| path).collect();
    assert!(stale.is_empty(), "{stale:?}: cargo run --all-features --example figures -- --render");
    assert_eq!(tables.unused().unwrap(), [] as [&str; 0], "values that no table shows");
    let places = tables.places().unwrap();
    assert!(places.values().map(Vec::len).sum::<usize>() > 100, "{places:?}");
    // Every run is of a program that is there, and that prints what it reached.
    for key in places.keys() {
        let (name, folders) = match key.strip_prefix("test:") {
            Some(name) => (name, &["tests", "tests/it"][..]),
            None => (key.split(['@', '/']).next().unwrap(), &["examples"][..]),
        };
        let mut sources =
            folders.iter().filter_map(|folder| std::fs::read_to_string(root().join(format!("{folder}/{name}.rs"))).ok());
        let source = sources.next().unwrap_or_else(|| panic!("{key}: no such program"));
        assert!(source.contains("common::figures(") || source.contains("\"figures: "), "{key}: it prints no figures");
    }
}

#[test]
fn templates_are_filled() {
    let values: Values = BTreeMap::from([
        ("a".to_owned(), BTreeMap::from([("x".to_owned(), 98.126), ("n".to_owned(), 1_234_567.0), ("k".to_owned(), 917.0)])),
        ("a@2/gpu".to_owned(), BTreeMap::from([("x".to_owned(), -0.5)])),
    ]);
    let text = "| {a.x:.2} % | {a.n:,} of {a.k:,} | {a@2/gpu.x:.0}, {a@2/gpu.x:.3} |";
    assert_eq!(fill(text, &values).unwrap(), "| 98.13 % | 1,234,567 of 917 | -0, -0.500 |");
    assert_eq!(places(text).unwrap().len(), 5);
    assert_eq!((Form::Thousands.show(1000.0), Form::Thousands.show(0.0)), ("1,000".to_owned(), "0".to_owned()));
    for wrong in ["{a.x}", "{a.x:2}", "{a:.2}", "{a.x:.2", "{.x:.2}", "{a.y:.2}", "{b.x:.2}"] {
        assert!(fill(wrong, &values).is_err(), "{wrong}");
    }
    let page = "one\n<!-- figures:begin t -->\nold\n<!-- figures:end -->\ntwo\n<!-- figures:begin u -->\n<!-- figures:end -->";
    let (names, new) = rewrite(page, |name| Ok(format!("new {name}\n"))).unwrap();
    assert_eq!(names, ["t", "u"]);
    assert_eq!(new, page.replace("old", "new t").replace("begin u -->\n", "begin u -->\nnew u\n"));
    assert!(rewrite("<!-- figures:begin t -->\nold", |_| Ok(String::new())).is_err());
}

/// The whole program on a copy: it runs an example, rewrites what shows it and nothing else, and tells what moved.
#[cfg(feature = "cli")]
#[test]
fn figures_are_taken_from_a_run() {
    let copy = tempfile::tempdir().unwrap();
    let at = |file: &str| copy.path().join(file);
    for folder in ["docs/figures", "docs/path"] {
        std::fs::create_dir_all(at(folder)).unwrap();
    }
    let copied = ["README.md", "docs/measurements.md", "docs/path/12-normalisation.md", "docs/figures/values.json"];
    let templates =
        std::fs::read_dir(root().join("docs/figures")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let templates: Vec<String> =
        templates.filter(|name| name.ends_with(".md")).map(|name| format!("docs/figures/{name}")).collect();
    for file in copied.iter().copied().chain(templates.iter().map(String::as_str)) {
        std::fs::copy(root().join(file), at(file)).unwrap();
    }
    let read = |file: &str| std::fs::read_to_string(at(file)).unwrap();
    let run = |flags: &[&str]| {
        let profile = if cfg!(debug_assertions) { "--profile=dev" } else { "--profile=release" };
        let mut command = std::process::Command::new(env!("CARGO"));
        command.args(["run", "--quiet", profile, "--all-features", "--example", "figures", "--"]).args(flags);
        command.arg("--root").arg(copy.path()).current_dir(root()).env_remove("STEEPEST_DATA");
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    // One epoch of it is worse than what the tables say: it moved. Whose data are not here is named.
    let before = [read("README.md"), read("docs/measurements.md"), read("docs/figures/values.json")];
    let flags = ["--only", "batch_size", "--only", "mnist", "--epochs", "1"];
    let (code, text) = run(&[&flags[..], &["--check"]].concat());
    assert_eq!(code, Some(1), "{text}");
    let moved = text.lines().find(|line| line.contains("all_rows")).unwrap_or_else(|| panic!("{text}"));
    assert!(moved.contains(" → ") && moved.ends_with("  moved"), "{text}");
    assert!(text.contains("skipped mnist: ") && text.contains("1 runs with moved figures, 1 skipped, 0 failed"), "{text}");
    assert_eq!(
        [read("README.md"), read("docs/measurements.md"), read("docs/figures/values.json")],
        before,
        "--check wrote something"
    );

    let (code, text) = run(&flags);
    assert_eq!(code, Some(0), "{text}");
    let reached = Tables::read(copy.path()).unwrap().values["batch_size"].clone();
    let page = read("docs/measurements.md");
    let changed: Vec<(&str, &str)> = page.lines().zip(before[1].lines()).filter(|(new, old)| new != old).collect();
    assert_eq!((changed.len(), page.lines().count()), (1, before[1].lines().count()), "{changed:?}");
    let expected = format!(
        "| {:.2} % all rows, {:.2} % 32 rows, {:.2} % one row |",
        reached["all_rows"], reached["rows_32"], reached["one_row"]
    );
    assert!(changed[0].0.starts_with("| `batch_size` |") && changed[0].0.contains(&expected), "{changed:?}");
    assert_eq!(read("README.md"), before[0], "it shows nothing of that run");

    // The same again has not moved; a value changed by hand has, and so has the page that it no longer makes.
    let (code, text) = run(&[&flags[..], &["--check"]].concat());
    assert!(code == Some(0) && text.contains("0 runs with moved figures") && !text.contains("  moved"), "{text}");
    let values = read("docs/figures/values.json");
    let wrong = values.replace(&format!("\"rows_32\": {}", reached["rows_32"]), "\"rows_32\": 12.5");
    assert_ne!(wrong, values);
    std::fs::write(at("docs/figures/values.json"), wrong).unwrap();
    let (code, text) = run(&[&flags[..], &["--check"]].concat());
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("docs/measurements.md is not what templates and values make of it"), "{text}");
    assert!(text.lines().any(|line| line.contains("rows_32") && line.contains("12.50 → ") && line.ends_with("moved")), "{text}");
    let (code, text) = run(&["--only", "nonsense"]);
    assert!(code == Some(2) && text.contains("--only nonsense: no table shows it"), "{text}");
}
