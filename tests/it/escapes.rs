//! Names that steer a terminal: whatever prints them, on either stream, writes them out; JSON and tables keep the exact text.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used)]

use crate::common::program::{Place, Said, said};
use serde_json::Value;

/// Clears the screen, turns letters red (in two ways), turns the direction, hides, ends the line.
const ODD: &str = "\u{1b}[2J\u{9b}31m\u{202e}\u{2066}\u{7f}\u{8}\u{200b}\u{2028}\r\n!";

/// Characters that nothing printed may hold.
fn is_odd(c: char) -> bool {
    let hidden = ['\u{200b}', '\u{2028}', '\u{2029}', '\u{202e}', '\u{2066}', '\u{feff}'];
    (c.is_control() && c != '\n' && c != '\t') || hidden.contains(&c)
}

#[track_caller]
fn plain(what: &str, said: &Said) {
    for (stream, text) in [("standard output", &said.out), ("standard error", &said.err)] {
        let odd: Vec<char> = text.chars().filter(|c| is_odd(*c)).collect();
        assert!(odd.is_empty(), "steepest {what}: {odd:?} on {stream}\n{}", text.escape_debug());
        // The line end of a name begins no line.
        assert!(!text.lines().any(|line| line.starts_with('!')), "steepest {what}: {stream}\n{text}");
    }
    assert!(said.out.contains("\\u{1b}") || said.err.contains("\\u{1b}") || said.out.contains("\\u001b"), "{what}: {said:?}");
}

/// Columns, categories, classes and a file of such names.
fn table(place: &Place, classes: bool) -> String {
    let rows: String = (0..60)
        .map(|i: usize| {
            let target = if classes { format!("\"k{}{ODD}\"", (i / 3) % 2) } else { format!("{}.5", i * 3 % 17) };
            format!("{}.25,\"c{}{ODD}\",\"s{}{ODD}\",{target}\n", i * 7 % 23, i % 3, i / 30)
        })
        .collect();
    let name = if classes { "k" } else { "n" }.to_owned() + "\u{1b}[1m\u{202e}.csv";
    place.put(&name, format!("\"a{ODD}\",\"b{ODD}\",\"id{ODD}\",\"y{ODD}\"\n{rows}"))
}

fn run(place: &Place, args: &[&str]) -> Said {
    said(place.command("").args(args).output().unwrap())
}

#[test]
fn names_of_tables_and_models_steer_no_terminal() {
    let place = Place::new();
    let target = format!("y{ODD}");
    for classes in [true, false] {
        let data = table(&place, classes);
        let model = format!("m{classes}\u{1b}[5m.safetensors");
        let fit = ["fit", &data, "--target", &target, "--out", &model, "--epochs", "3", "--verbose", "--folds", "3"];
        let said = run(&place, &fit);
        assert_eq!(said.code, Some(0), "{said:?}");
        plain("fit", &said);
        plain("fit --json", &run(&place, &[&fit[..], &["--json"]].concat()));
        let report = model.replace(".safetensors", ".report.json");
        assert_eq!(place.json(&report)["target"][0], *target, "the report has the exact name");
        let curve = model.replace(".safetensors", ".curve.svg");
        assert!(!place.read(&curve).contains('\u{1b}'));

        for args in [
            vec!["inspect", &data],
            vec!["inspect", &data, "--target", &target],
            vec!["inspect", &data, "--json"],
            vec!["inspect", &model],
            vec!["inspect", &model, "--json"],
            vec!["evaluate", &model, &data],
            vec!["evaluate", &model, &data, "--json"],
            vec!["predict", &model, &data, "--out", "p\u{1b}[0m.csv"],
            vec!["predict", &model, &data, "--json"],
            vec!["plot", "scatter", &data, "--x", &format!("a{ODD}"), "--y", &format!("a{ODD}")],
            if classes { vec!["plot", "confusion", &model, &data] } else { vec!["plot", "predictions", &model, &data] },
        ] {
            let said = run(&place, &args);
            assert_eq!(said.code, Some(0), "{args:?} {said:?}");
            plain(&args.join(" "), &said);
        }
        let said = run(&place, &["predict", &model, &data, "--json"]);
        let rows: Value = serde_json::from_str(&said.out).unwrap();
        assert!(rows[0].as_object().unwrap().contains_key(&target), "JSON keeps the exact name");
        let said = run(&place, &["predict", &model, &data, "--keep", &format!("b{ODD}")]);
        assert!(said.out.contains(ODD), "a table keeps the exact text");
    }
}

#[test]
fn errors_with_such_names_steer_no_terminal() {
    let place = Place::new();
    let data = table(&place, true);
    let target = format!("y{ODD}");
    place.put("odd.csv", format!("\"a{ODD}\",y\n1,2\n\"x{ODD}\",3\n2,4\n3,5\n4,6\n"));
    place.put("same.csv", format!("\"a{ODD}\",\"a{ODD}\"\n1,2\n"));
    place.put("t.toml", format!("target = \"y\"\n\"what{}\" = 3\n", "\\u001b[2J\\u202E\\r\\n!"));
    let header = serde_json::json!({ format!("w{ODD}"): { "dtype": format!("F{ODD}"), "shape": [1], "data_offsets": [0, 4] } });
    place.put("m.safetensors", tensors(&header.to_string(), 4));
    let header = serde_json::json!({ format!("w{ODD}"): { "dtype": "F32", "shape": [1], "data_offsets": [0, 4] } });
    place.put("sound.safetensors", tensors(&header.to_string(), 4));
    plain("inspect", &run(&place, &["inspect", "sound.safetensors"]));
    plain("inspect --json", &run(&place, &["inspect", "sound.safetensors", "--json"]));
    for args in [
        vec!["fit", "odd.csv", "--target", "y"],
        vec!["fit", "same.csv", "--target", "y"],
        vec!["fit", "odd.csv", "--config", "t.toml"],
        vec!["fit", &data, "--target", "nothing"],
        vec!["fit", &data, "--target", &target, "--without", &target],
        vec!["fit", &data, "--target", &target, "--out", "\u{1b}[2J/no/folder"],
        vec!["inspect", "m.safetensors"],
        vec!["inspect", "no\u{1b}[2Jfile\u{202e}.csv"],
        vec!["predict", "no\u{1b}[2Jfile\u{202e}.safetensors", &data],
        vec!["evaluate", "no\u{1b}[2Jfile\u{202e}.safetensors", &data],
        vec!["plot", "curve", "no\u{1b}[2Jfile\u{202e}.safetensors"],
    ] {
        let said = run(&place, &args);
        assert_eq!(said.code, Some(2), "{args:?} {said:?}");
        plain(&args.join(" "), &said);
    }
}

fn tensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}
