//! `steepest fit`, `predict`, `evaluate`, `inspect` and `plot` as a user runs them: what they write and say, and that it is true.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::common::program::{Place, chance, flowers, houses, rows, said, tables};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use steepest::data;

/// The number behind a figure's name in the lines of a run.
fn figure(out: &str, name: &str) -> f64 {
    let line = out.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    let text = line.unwrap_or_else(|| panic!("no line `{name} …` in\n{out}"));
    text.split_whitespace().next().unwrap().parse().unwrap()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn numbers_are_learned_from_a_table_to_a_saved_model() {
    let place = Place::new();
    let table = houses(400, 1);
    place.put("houses.csv", &table);
    let out = place.works("fit houses.csv --target price --out model.safetensors --seed 1");
    for part in
        ["houses.csv: 400 rows, 5 columns", "rooms", "missing", "predicting the number `price`", "always the mean", "saved"]
    {
        assert!(out.contains(part), "`{part}` is not in\n{out}");
    }
    assert!(figure(&out, "R2") > 0.95, "{out}");
    // A line of its own, for whoever looks for it.
    let r2 = out.lines().find(|line| line.starts_with("R2 ")).unwrap();
    assert_eq!(r2.split_whitespace().count(), 2, "{r2}");
    let made = ["model.safetensors", "model.history.csv", "model.report.json", "model.curve.svg"];
    assert_eq!(place.files(), set(&[&made[..], &["houses.csv"]].concat()));
    assert!(place.read("model.history.csv").starts_with("epoch,steps,lr,loss,val_loss,seconds,r2\n1,"));
    assert!(place.read("model.curve.svg").contains("<svg"));

    // What the report says of the held-out rows is what the saved model says of them now.
    let report = place.json("model.report.json");
    assert_eq!((&report["task"], &report["rows"]["test"]), (&Value::from("regression"), &Value::from(80)));
    let held_out = data::random_parts(400, 0.0, 0.2, 1).unwrap().test;
    place.put("held_out.csv", rows(&table, &held_out));
    let again: Value = serde_json::from_str(&place.works("evaluate model.safetensors held_out.csv --json")).unwrap();
    assert_eq!(again["figures"], report["held_out"]["figures"]);
    assert_eq!(again["trivial"], report["held_out"]["trivial"]);

    // The figures are those of the predictions, in the table's own unit: R² = 1 − Σ(t − p)² / Σ(t − t̄)².
    let predicted = place.works("predict model.safetensors held_out.csv --keep price");
    let pairs: Vec<Vec<f64>> =
        predicted.lines().skip(1).map(|line| line.split(',').map(|field| field.parse().unwrap()).collect()).collect();
    assert_eq!(predicted.lines().next(), Some("price,price (predicted)"));
    assert_eq!(pairs.len(), 80);
    let mean = pairs.iter().map(|pair| pair[0]).sum::<f64>() / 80.0;
    let sum = |of: &dyn Fn(&Vec<f64>) -> f64| pairs.iter().map(of).sum::<f64>();
    let by_hand = 1.0 - sum(&|p| (p[0] - p[1]).powi(2)) / sum(&|p| (p[0] - mean).powi(2));
    assert!((by_hand - again["figures"]["R2"].as_f64().unwrap()).abs() < 1e-5, "{by_hand} and {again}");
    assert!((by_hand - figure(&out, "R2")).abs() < 6e-4);
}

#[test]
fn classes_are_learned_and_predicted_with_probabilities() {
    let place = Place::new();
    let table = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/penguins.csv")).unwrap();
    place.put("penguins.csv", &table);
    let out = place.works("fit penguins.csv --target species -o p.safetensors --seed 2");
    assert!(figure(&out, "accuracy") > 0.9, "{out}");
    for part in ["label \\ predicted", "Chinstrap", "macro F1", "ROC AUC", "log loss", "always the most frequent class"] {
        assert!(out.contains(part), "`{part}` is not in\n{out}");
    }
    let report = place.json("p.report.json");
    let counts: u64 = report["held_out"]["confusion"]["counts"]
        .to_string()
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|n| n.parse::<u64>().ok())
        .sum();
    assert_eq!(report["held_out"]["rows"].as_u64(), Some(counts));

    let out = place.works("predict p.safetensors penguins.csv --probabilities --keep body_mass_g");
    assert_eq!(out.lines().next(), Some("body_mass_g,species,p(Adelie),p(Chinstrap),p(Gentoo)"));
    assert_eq!(out.lines().count(), table.lines().count());
    for (line, row) in out.lines().zip(table.lines()).skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(Some(fields[0]), row.split(',').nth(5).map(|mass| if mass == "NA" { "" } else { mass }), "the order of rows");
        let shares: Vec<f64> = fields[2..].iter().map(|p| p.parse().unwrap()).collect();
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{line}");
        let best = (0..3).max_by(|&a, &b| shares[a].total_cmp(&shares[b])).unwrap();
        assert_eq!(fields[1], ["Adelie", "Chinstrap", "Gentoo"][best]);
    }

    // Into a file the same as into a pipe; from a pipe the same as from a file.
    let plain = place.works("predict p.safetensors penguins.csv");
    place.works("predict p.safetensors penguins.csv -o out.csv");
    assert_eq!(place.read("out.csv"), plain);
    let mut child = place.command("predict p.safetensors - -o -");
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(table.as_bytes()).unwrap();
    assert_eq!(said(child.wait_with_output().unwrap()).out, plain);
    let all = place.works("predict p.safetensors penguins.csv --all");
    assert!(
        all.starts_with("species,island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex,species (predicted)\n")
    );
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_a_file_says_what_flags_say() {
    let place = Place::new();
    place.put("t.csv", flowers(150, 3));
    let model = |args: &str| {
        place.works(&format!("fit t.csv --target kind -q -o m.safetensors {args}"));
        place.bytes("m.safetensors")
    };
    let first = model("--seed 5 --epochs 12 --layers 8,4 --optimizer momentum --schedule cosine --dropout 0.2");
    assert_eq!(model("--seed 5 --epochs 12 --layers 8,4 --optimizer momentum --schedule cosine --dropout 0.2"), first);
    assert_ne!(model("--seed 6 --epochs 12 --layers 8,4 --optimizer momentum --schedule cosine --dropout 0.2"), first);

    let toml = "seed = 5\nepochs = 12 # few\nlayers = [8, 4]\noptimizer = \"momentum\"\nschedule = \"cosine\"\ndropout = 0.2\n";
    place.put("fit.toml", toml);
    assert_eq!(model("--config fit.toml"), first);
    place.put("all.toml", format!("data = \"t.csv\"\ntarget = \"kind\"\nout = \"all.safetensors\"\n{toml}"));
    place.works("fit --config all.toml -q");
    assert_eq!(place.bytes("all.safetensors"), first);
    // A flag goes before the file.
    place.put("other.toml", toml.replace("seed = 5", "seed = 99"));
    assert_ne!(model("--config other.toml"), first);
    assert_eq!(model("--config other.toml --seed 5"), first);
}

#[test]
fn json_is_all_there_is_on_standard_output() {
    let place = Place::new();
    place.put("t.csv", flowers(90, 4));
    let json = |args: &str| -> Value {
        let out = place.works(args);
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("steepest {args}: {e}\n{out}"))
    };
    let report = json("fit t.csv --target kind --json --epochs 30 --folds 3 -v -o m.safetensors");
    assert_eq!(report, place.json("m.report.json"));
    assert_eq!(report["settings"]["epochs"], 30);
    assert_eq!(report["cross_validation"]["accuracy"]["folds"].as_array().unwrap().len(), 3);
    assert_eq!(report["columns"].as_array().unwrap().len(), 4);
    let rows = json("predict m.safetensors t.csv --json -p --keep petal");
    assert_eq!(rows.as_array().unwrap().len(), 90);
    assert!(rows[0]["kind"].is_string() && rows[0]["p(rose)"].is_number() && rows[0]["petal"].is_string(), "{}", rows[0]);
    assert!(json("evaluate m.safetensors t.csv --json")["figures"]["accuracy"].as_f64() > Some(0.5));
    let seen = json("inspect m.safetensors --json");
    assert_eq!(seen["members"], 5, "what small tables get unless told otherwise");
    assert_eq!(seen["target"]["classes"]["classes"], serde_json::json!(["lily", "rose", "tulip"]));
    assert_eq!(
        seen["layers"].as_array().unwrap().iter().filter(|l| l["layer"].as_str().unwrap().starts_with("Linear")).count(),
        3
    );
    assert_eq!(json("inspect t.csv --target kind --json")["giveaways"], serde_json::json!([]));
}

#[test]
fn columns_that_tell_too_much_are_named_and_left_out() {
    let place = Place::new();
    let table = houses(200, 5);
    let mut text = "id,zip,expensive,copy,".to_owned() + table.lines().next().unwrap() + "\n";
    for (i, line) in table.lines().skip(1).enumerate() {
        let price: f64 = line.rsplit(',').next().unwrap().parse().unwrap();
        text += &format!("{},0{},{},{},{line}\n", 1000 + 7 * i, 100 + i % 7, price > 150_000.0, price * 2.0 + 1.0);
    }
    place.put("t.csv", &text);
    let out = place.works("fit t.csv --target price --epochs 20 -o m.safetensors");
    assert!(out.contains("`copy` gives the target away and is left out: correlates with `price`"), "{out}");
    assert!(out.contains("`id` only numbers the rows and is left out"), "{out}");
    assert!(out.contains("`zip` is taken as a category"), "{out}");
    let left = |name: &str| {
        let left = place.json("m.report.json")["left_out"].clone();
        left.as_array().unwrap().iter().any(|entry| entry["column"] == name)
    };
    assert!(left("copy") && left("id") && !left("zip") && !left("expensive"));
    let out = place.works("inspect m.safetensors");
    assert!(out.contains("  copy: it gives the target away: correlates with `price`"), "{out}");
    // Left out means that it need not be there.
    let without: String = text.lines().map(|line| line.splitn(5, ',').collect::<Vec<_>>()[1..].join(",") + "\n").collect();
    place.put("new.csv", without.replace("copy", "other"));
    assert_eq!(place.works("predict m.safetensors new.csv").lines().count(), 201);

    let out = place.works("fit t.csv --target expensive --epochs 20 -o m.safetensors --keep id,copy --without price");
    assert!(!out.contains("gives the target away"), "{out}");
    assert!(!left("copy") && !left("id") && left("price"));
    place.works("fit t.csv --target price --only size,zone --epochs 5 -q -o m.safetensors");
    assert!(left("rooms") && left("copy") && !left("size"));
}

#[test]
fn folds_and_ensembles() {
    let place = Place::new();
    place.put("t.csv", houses(150, 6));
    let out = place.works("fit t.csv --target price --folds 4 --epochs 40 -o m.safetensors");
    assert_eq!((1..=4).filter(|i| out.contains(&format!("fold {i}: "))).count(), 4, "{out}");
    let line = out.lines().find(|line| line.starts_with("4 folds: R2 ")).unwrap();
    let report = place.json("m.report.json")["cross_validation"]["R2"].clone();
    let scores: Vec<f64> = report["folds"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    let mean = scores.iter().sum::<f64>() / 4.0;
    let std = (scores.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 3.0).sqrt();
    assert_eq!(line, format!("4 folds: R2 {mean:.3} ± {std:.3}"));

    place.works("fit t.csv --target price --ensemble 3 --epochs 30 --layers 8 -o e.safetensors");
    let report = place.json("e.report.json");
    assert_eq!(report["runs"].as_array().unwrap().len(), 3);
    let seen: Value = serde_json::from_str(&place.works("inspect e.safetensors --json")).unwrap();
    let names: Vec<&str> = seen["tensors"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"0.0.weight") && names.contains(&"2.0.weight") && !names.contains(&"3.0.weight"), "{names:?}");
    // Members differ, or there is no point in it.
    let model = steepest::save::ModelFile::read(place.path("e.safetensors")).unwrap();
    assert_ne!(model.state.get("0.0.weight"), model.state.get("1.0.weight"));
    let held_out = data::random_parts(150, 0.0, 0.2, 1).unwrap().test;
    place.put("held_out.csv", rows(&place.read("t.csv"), &held_out));
    let again: Value = serde_json::from_str(&place.works("evaluate e.safetensors held_out.csv --json")).unwrap();
    assert_eq!(again["figures"], report["held_out"]["figures"]);
}

#[test]
fn a_skewed_number_is_learned_as_its_logarithm_and_judged_as_itself() {
    let place = Place::new();
    let mut draw = chance(7);
    let rows: String = (0..300)
        .map(|_| {
            let (a, b) = (draw() * 3.0, draw());
            format!("{a:.3},{b:.3},{:.2}\n", (2.0 * a + b).exp())
        })
        .collect();
    place.put("t.csv", format!("a,b,y\n{rows}"));
    let out = place.works("fit t.csv --target y -o log.safetensors");
    assert!(out.contains("the logarithm of `y` is learned"), "{out}");
    assert!(figure(&out, "R2") > 0.9, "{out}");
    // In the unit of the table: the mean of y is some sixty, that of its logarithm three.
    let inside = out.lines().find(|line| line.starts_with("RMSE ")).unwrap();
    let trivial: f64 = inside.rsplit(": ").next().unwrap().trim_end_matches(')').parse().unwrap();
    assert!(trivial > 50.0, "{inside}");
    let predicted = place.works("predict log.safetensors t.csv");
    let predicted: Vec<f64> = predicted.lines().skip(1).map(|line| line.parse().unwrap()).collect();
    assert!(predicted.iter().all(|&y| y > 0.0) && predicted.iter().copied().fold(0.0, f64::max) > 200.0);
    let out = place.works("fit t.csv --target y --target-scale standard -o plain.safetensors");
    assert!(!out.contains("logarithm"), "{out}");
    assert_eq!(place.json("plain.report.json")["target_is_logarithm"], false);
    place.works("plot predictions log.safetensors t.csv -o p.svg");
    assert!(place.read("p.svg").contains("predicted y"));
}

#[test]
fn several_targets_at_once() {
    let place = Place::new();
    let mut draw = chance(8);
    let rows: String = (0..240)
        .map(|_| {
            let (a, b) = (draw(), draw());
            format!("{a:.3},{b:.3},{},{}\n", if a > 0.5 { "yes" } else { "no" }, if a + b > 1.0 { "yes" } else { "no" })
        })
        .collect();
    place.put("t.csv", format!("a,b,big,both\n{rows}"));
    let out = place.works("fit t.csv --target big --target both -o m.safetensors");
    assert!(figure(&out, "accuracy") > 0.9 && out.contains("all labels right"), "{out}");
    let out = place.works("predict m.safetensors t.csv -p");
    assert_eq!(out.lines().next(), Some("big,both,p(big),p(both)"));
    assert!(out.lines().skip(1).all(|line| line.starts_with("0,") || line.starts_with("1,")));
    assert!(place.works("evaluate m.safetensors t.csv").contains("all labels right"));
    let out = place.works("fit t.csv --target a --target b --only big,both --epochs 5 -o n.safetensors");
    assert!(out.contains("predicting the number `a`, `b`"), "{out}");
    assert_eq!(place.works("predict n.safetensors t.csv").lines().next(), Some("a,b"));
}

#[test]
fn new_tables_that_differ_are_taken_as_far_as_they_can_be() {
    let place = Place::new();
    place.put("t.csv", houses(200, 9));
    place.works("fit t.csv --target price -q -o m.safetensors");
    place.put("new.csv", "zone,colour,size,rooms,age\nmoon,blue,100,,30\nnorth,red,100,3,\n");
    let said = place.run("predict m.safetensors new.csv");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.out.lines().count(), 3);
    assert!(said.err.contains("`colour`") && said.err.contains("unknown categories (`moon`)"), "{}", said.err);
    assert!(place.run("predict m.safetensors new.csv -q").err.is_empty());
    // Rows without a target are not compared, and rows without one are not learned.
    let known = place.read("t.csv").replacen("\n", "\n100,3,north,20,\n", 1);
    place.put("holes.csv", known);
    let said = place.run("evaluate m.safetensors holes.csv");
    assert!(
        said.out.contains("200 rows") && said.err.contains("1 of 201 rows are left out: their target is missing"),
        "{said:?}"
    );
    let out = place.works("fit holes.csv --target price --epochs 5 -o h.safetensors");
    assert!(out.contains("1 of 201 rows are left out: their target is missing"), "{out}");
    // How the table was read goes with the model.
    place.put("semi.csv", houses(60, 9).replace(',', ";").replace(";NA;", ";?;"));
    place.works("fit semi.csv --target price --delimiter ; --missing ? --epochs 5 -q -o s.safetensors");
    assert_eq!(place.works("predict s.safetensors semi.csv").lines().count(), 61);
}

/// A table as a spreadsheet in Germany writes it: what fit reads, inspect shows and predict reads in the same way.
#[test]
fn odd_tables_are_learned_and_predicted() {
    let place = Place::new();
    let mut draw = chance(21);
    let (mut odd, mut plain) = ("Sales of 2024\n;price;when;zone;note;sold\n".to_owned(), "price,zone,sold\n".to_owned());
    for i in 0..160 {
        let (price, zone) = ((draw() * 900_000.0).round() / 100.0 + 1000.0, ["north", "south", "None"][i % 3]);
        let sold = (price * 3.0).round() + [0.0, 4000.0, 9000.0][i % 3];
        let euros =
            format!("{}.{:03},{:02} €", (price / 1000.0) as u64, price as u64 % 1000, (price * 100.0).round() as u64 % 100);
        let wild = if i == 40 { "9.999.999,00 €".to_owned() } else { euros };
        let shown = if i == 17 { "?" } else { &wild };
        let thousands = format!("{}.{:03}", (sold / 1000.0) as u64, sold as u64 % 1000);
        odd += &format!("{};{shown};{:02}.{:02}.2024;{zone};;{thousands}\n", i + 1, i % 28 + 1, i % 12 + 1);
        plain += &format!("{},{zone},{sold}\n", if i == 17 || i == 40 { String::new() } else { format!("{price:.2}") });
    }
    place.put("odd.csv", &odd);
    place.put("plain.csv", &plain);
    let out = place.works("fit odd.csv --target sold --delimiter ; -o m.safetensors --seed 4");
    for part in [
        "note: line 1 above the header: skipped (`Sales of 2024`)",
        "note: `price`: numbers with `.` between thousands, a decimal comma, `€`: `",
        "note: `sold`: numbers with `.` between thousands, a decimal comma: `",
        "note: `?` counts as missing in `price` (1, first in line 20)",
        "note: `None` is taken for a value in `zone` (53, first in line 5); --missing None makes it missing",
        "note: `price`: 1 of 159 numbers is far outside the others: 9999999 (line 43): taken for ",
        "note: `Unnamed: 0` only numbers the rows and is left out",
        "note: `note` is left out: nothing but missing values",
        "note: `when`: dates from 2024-01-01 to 2024-12-28",
    ] {
        assert!(out.contains(part), "`{part}` is not in\n{out}");
    }
    // Always saying the mean is wrong by some 7600 on average; the row that is far outside costs the square.
    assert!(figure(&out, "MAE") < 3000.0, "{out}");
    let out = place.works("inspect odd.csv --delimiter ;");
    for part in [
        "`?` (1) counts as missing",
        "far outside the others: 9999999 (line 43)",
        "counts the rows",
        "nothing but missing",
        "note: line 1",
    ] {
        assert!(out.contains(part), "`{part}` is not in\n{out}");
    }
    let out = place.works("inspect m.safetensors");
    assert!(out.contains("number written with `.` between thousands, a decimal comma, `€`: (x − "), "{out}");
    assert!(out.contains("when   date: days, month 1, month 2, "), "{out}");
    // The same reading, also of a row that says nothing about its format; and what has another one is refused.
    let all = place.works("predict m.safetensors odd.csv");
    let lines: Vec<&str> = odd.lines().collect();
    place.put("one.csv", format!("{}\n{}\n", lines[1], lines[7]));
    assert_eq!(place.works("predict m.safetensors one.csv").lines().nth(1), all.lines().nth(6));
    let sold: f64 = all.lines().nth(6).unwrap().parse().unwrap();
    assert!((5000.0..50_000.0).contains(&sold), "{sold}");
    place.put("wild.csv", format!("{}\n1;1e9;01.02.2024;north;;1\n", lines[1]));
    let said = place.run("predict m.safetensors wild.csv");
    assert!(
        said.code == Some(0) && said.err.contains("column `price`: 1 row beyond what training goes by, taken for "),
        "{said:?}"
    );
    place.put("us.csv", format!("{}\n1;1,234.50;01.02.2024;north;;1\n", lines[1]));
    place.refuses(
        "predict m.safetensors us.csv",
        &[
            "us.csv: line 2, column `price`",
            "found `1,234.50`",
            "as in training with `.` between thousands, a decimal comma, `€`",
        ],
    );
    assert!(figure(&place.works("evaluate m.safetensors odd.csv"), "MAE") < 3000.0);
    // What is plainly written gives the same model but for the dates and the marker.
    let out = place.works("fit plain.csv --target sold -o p.safetensors --seed 4");
    assert!(figure(&out, "MAE") < 3000.0, "{out}");
    place.refuses(
        "fit odd.csv --target sold --delimiter ; --strict",
        &["odd.csv: line 20, column `price`", "found `?`", "--missing"],
    );
    // A counter is left out under any name, unless there is nothing else.
    let line: String = (0..30).map(|i| format!("{i},{}\n", 2 * i + i % 3)).collect();
    place.put("line.csv", format!("step,y\n{line}"));
    let out = place.works("fit line.csv --target y --epochs 2 -o l.safetensors");
    assert!(out.contains("note: `step` is learned from though it counts up by one: there is nothing else"), "{out}");
}

#[test]
fn files_are_inspected_and_drawn() {
    let place = Place::new();
    place.put("t.csv", flowers(120, 10));
    place.put("h.csv", houses(100, 10));
    assert!(place.works("inspect t.csv").contains("colour  category"));
    assert!(place.works("inspect t.csv --target kind").contains("no column gives `kind` away"));
    place.works("fit t.csv --target kind --epochs 30 -q -o m.safetensors");
    let out = place.works("inspect m.safetensors");
    for part in [
        "Linear(5 → 64)",
        "petal",
        "number: (x − ",
        "category: a feature for each of 3 (`blue`, `red`, `white`)",
        "accuracy",
        "last  epoch",
    ] {
        assert!(out.contains(part), "`{part}` is not in\n{out}");
    }
    place.works("fit h.csv --target price --epochs 10 -q -o h.safetensors");
    let pictures = [
        ("curve m.safetensors", "validation loss"),
        ("curve m.history.csv", "training loss"),
        ("scatter h.csv --x size --y price", "price by size"),
        ("confusion m.safetensors t.csv", "tulip"),
        ("roc m.safetensors t.csv --class rose", "AUC"),
        ("predictions h.safetensors h.csv", "exact"),
    ];
    for (args, part) in pictures {
        assert!(place.works(&format!("plot {args}")).lines().count() > 3, "{args}");
        place.works(&format!("plot {args} -o p.svg"));
        let svg = place.read("p.svg");
        assert!(svg.contains("<svg") && svg.contains(part), "{args}: {part}");
        place.works(&format!("plot {args} -o p.png"));
        assert!(place.bytes("p.png").starts_with(b"\x89PNG"), "{args}");
    }
}

/// A reader that leaves early is no panic and no error, and what was to be saved is saved.
#[test]
fn a_closed_pipe_is_no_panic() {
    let place = Place::new();
    place.put("t.csv", houses(20_000, 11));
    place.works("fit t.csv --target price --epochs 1 -q -o m.safetensors");
    for args in [
        "predict m.safetensors t.csv --all",
        "fit t.csv --target price --epochs 1 -v -o n.safetensors",
        "inspect t.csv",
        "devices",
    ] {
        let mut child = place.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty());
        let said = said(child.wait_with_output().unwrap());
        assert_eq!(said.code, Some(0), "{args}: {}", said.err);
        assert!(!said.err.contains("panicked"), "{args}: {}", said.err);
    }
    assert!(place.path("n.safetensors").exists());
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_training_and_the_model_is_saved() {
    let place = Place::new();
    place.put("t.csv", houses(300, 12));
    let mut child = place.command("fit t.csv --target price --epochs 1000000 --patience 1000000 --ensemble 1 -o m.safetensors");
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("predicting") {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "it ended");
    }
    // Training begins right after this line; there is nothing else to see of it without a terminal.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut out, &mut rest).unwrap();
    let said = said(child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(0), "{rest}\n{}", said.err);
    assert!(rest.contains("interrupted after epoch") && figure(&rest, "R2") > 0.5, "{rest}");
    assert_eq!(place.json("m.report.json")["runs"][0]["end"], "interrupted");
    assert_eq!(place.works("predict m.safetensors t.csv").lines().count(), 301);
}

/// Trained on a GPU, asked on the CPU.
#[test]
fn a_model_goes_from_one_device_to_another() {
    let Some(device) = common::gpu("fit on a GPU") else { return };
    let place = Place::new();
    place.put("t.csv", flowers(60, 13));
    place.works(&format!("fit t.csv --target kind --epochs 3 --layers 8 -q -o m.safetensors --device 'gpu:{}'", device.name()));
    let here = place.works("predict m.safetensors t.csv -p --device cpu");
    let there = place.works(&format!("predict m.safetensors t.csv -p --device 'gpu:{}'", device.name()));
    for (a, b) in here.lines().zip(there.lines()).skip(1) {
        for (a, b) in a.split(',').zip(b.split(',')).skip(1) {
            let (a, b): (f64, f64) = (a.parse().unwrap(), b.parse().unwrap());
            assert!((a - b).abs() < 1e-4, "{a} and {b}");
        }
    }
}

/// Real tables: five folds, so that no lucky part decides.
#[test]
fn real_tables_are_learned() {
    let Some(folder) = tables("Titanic, Ames") else { return };
    let place = Place::new();
    let folder = folder.display();
    let out = place.works(&format!("fit {folder}/titanic.csv --target survived --folds 5 --ensemble 2 -o titanic.safetensors"));
    assert!(out.contains("`alive` gives the target away and is left out"), "{out}");
    let mean = |name: &str, figure: &str| place.json(name)["cross_validation"][figure]["mean"].as_f64().unwrap();
    assert!(mean("titanic.report.json", "accuracy") > 0.8, "{out}");
    let out =
        place.works(&format!("fit {folder}/ames_housing.csv --target SalePrice --folds 5 --ensemble 1 -o ames.safetensors"));
    assert!(out.contains("`Order`") && out.contains("`PID`") && out.contains("`MS SubClass` is taken as a category"), "{out}");
    assert!(mean("ames.report.json", "R2") > 0.87, "{out}");
    let said = place.refuses(&format!("fit {folder}/house_tiny.csv --target Price"), &["house_tiny.csv", "found 4 rows"]);
    assert!(said.err.contains("add rows"), "{}", said.err);
}

#[test]
fn what_cannot_be_read_is_named_by_inspect() {
    use steepest::data::{Array, ArrayData, write_npz};
    let place = Place::new();
    let y = Array::new(&[2], ArrayData::F32(vec![-1.5, f32::NAN])).unwrap();
    write_npz(place.path("a.npz"), [("y", &y)]).unwrap();
    let out = place.works("inspect a.npz");
    assert!(out.contains("a.npz: 1 array\n") && out.contains("  y  f32 [2]  -1.5 to -1.5"), "{out}");
    let header = "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }";
    let npy = [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes(), &[0; 16]].concat();
    place.put("o.npy", &npy);
    place.refuses("inspect o.npy", &["o.npy", "found elements of type `|O`"]);
    place.put("y.npy", y.to_npy().unwrap());
    let seen: Value = serde_json::from_str(&place.works("inspect y.npy --json")).unwrap();
    let expected = serde_json::json!([{ "name": "y", "type": "f32", "shape": [2], "min": -1.5, "max": -1.5 }]);
    assert_eq!((&seen["arrays"], &seen["arrays_left_out"]), (&expected, &serde_json::json!([])));

    let header =
        r#"{"w":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"n":{"dtype":"I64","shape":[1],"data_offsets":[8,16]}}"#;
    let bytes =
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &1e300f64.to_le_bytes(), &7i64.to_le_bytes()].concat();
    place.put("m.safetensors", &bytes);
    let out = place.works("inspect m.safetensors");
    assert!(
        out.contains("tensors left out\n  w  F64 [1]: tensor `w`: element 0 is 1e300, which is beyond the range of f32"),
        "{out}"
    );
    assert!(out.contains("  n  i32 [1]"), "{out}");
    let seen: Value = serde_json::from_str(&place.works("inspect m.safetensors --json")).unwrap();
    assert_eq!((&seen["tensors"][0]["name"], &seen["tensors_left_out"][0]["name"]), (&"n".into(), &"w".into()));
}
