//! `steepest fit` and what follows it, where figures and names are easily bent: targets far from zero, classes in a spelling of their own,
//! more columns than rows.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used)]

use crate::common::program::{Place, chance, houses};
use serde_json::Value;

/// A figure of the report beside a model.
fn figure(place: &Place, name: &str, part: &str, figure: &str) -> f64 {
    let report = place.json(&format!("{name}.report.json"));
    report["held_out"][part][figure].as_f64().unwrap_or_else(|| panic!("no {figure} of the {part} in {}", report["held_out"]))
}

fn near(found: f64, expected: f64, relative: f64) {
    assert!((found - expected).abs() <= relative * expected.abs(), "{found}, expected {expected}");
}

/// Two features and a number that follows from them, in eighths: it keeps every digit with an offset of 10¹⁵ too.
fn eighths(rows: usize) -> Vec<(f64, f64, f64)> {
    let mut draw = chance(21);
    let row = |_| {
        let (a, b, c) = (draw(), draw(), draw());
        (a, b, ((40.0 * a - 25.0 * b + 6.0 * c) * 8.0).round() / 8.0)
    };
    (0..rows).map(row).collect()
}

#[test]
fn an_offset_and_a_unit_of_the_target_change_no_figure() {
    let place = Place::new();
    let table = eighths(160);
    let learn = |name: &str, of: &dyn Fn(f64) -> f64, flags: &str| {
        let rows: String = table.iter().map(|&(a, b, y)| format!("{a:.4},{b:.4},{:?}\n", of(y))).collect();
        place.put(&format!("{name}.csv"), format!("a,b,y\n{rows}"));
        place.works(&format!("fit {name}.csv --target y --epochs 12 --ensemble 2 -q -o {name}.safetensors {flags}"));
        let predicted = place.works(&format!("predict {name}.safetensors {name}.csv -q"));
        predicted.lines().skip(1).map(|line| line.parse().unwrap()).collect::<Vec<f64>>()
    };
    let plain = learn("plain", &|y| y, "");
    let [r2, rmse, mae] = ["R2", "RMSE", "MAE"].map(|name| figure(&place, "plain", "figures", name));
    assert!(r2 > 0.5 && mae < 6.0, "R2 {r2}, MAE {mae}");
    for (name, offset, unit) in
        [("seconds", 1.7e9, 1.0), ("far", 1e15, 1.0), ("below", -1.7e9, 1.0), ("small", 0.0, 1e-9), ("large", 0.0, 1e12)]
    {
        let predicted = learn(name, &|y| y * unit + offset, "");
        near(figure(&place, name, "figures", "R2"), r2, 1e-9);
        near(figure(&place, name, "figures", "RMSE"), rmse * unit, 1e-9);
        near(figure(&place, name, "figures", "MAE"), mae * unit, 1e-9);
        // The mean of the training rows is said in the table's units, and rounded to what f64 has there.
        let rounding = if offset.abs() > 1e12 { 0.02 } else { 1e-7 };
        near(figure(&place, name, "trivial", "MAE"), figure(&place, "plain", "trivial", "MAE") * unit, rounding);
        for (&here, &there) in plain.iter().zip(&predicted) {
            let least = (here * unit + offset).abs() * 2.0 * f64::EPSILON + 1e-7 * unit;
            assert!((there - here * unit - offset).abs() <= least, "{name}: {here} and {there}");
        }
        // What the saved model says is what the report says.
        let again: Value =
            serde_json::from_str(&place.works(&format!("evaluate {name}.safetensors {name}.csv --json -q"))).unwrap();
        let by_hand = plain.iter().zip(&table).map(|(p, row)| (p - row.2).abs()).sum::<f64>() / 160.0;
        near(again["figures"]["MAE"].as_f64().unwrap(), by_hand * unit, 1e-6);
    }
    // Of logarithms the unit is an offset.
    learn("log", &|y| (y / 9.0).exp(), "--target-scale log");
    learn("log12", &|y| (y / 9.0).exp() * 1e12, "--target-scale log");
    near(figure(&place, "log12", "figures", "R2"), figure(&place, "log", "figures", "R2"), 1e-6);
    near(figure(&place, "log12", "figures", "MAE"), figure(&place, "log", "figures", "MAE") * 1e12, 1e-6);
}

/// In f32 all of these targets are one number, and a model that says it would be perfect.
#[test]
fn noise_far_from_zero_is_noise() {
    let place = Place::new();
    let mut draw = chance(22);
    let rows: String = (0..200).map(|_| format!("{:.4},{:.4},{}\n", draw(), draw(), 1.7e9 + draw())).collect();
    place.put("t.csv", format!("a,b,y\n{rows}"));
    place.works("fit t.csv --target y --epochs 10 --folds 3 -q -o t.safetensors");
    let r2 = figure(&place, "t", "figures", "R2");
    assert!(r2 < 0.25, "R2 {r2} of noise");
    near(figure(&place, "t", "figures", "RMSE"), (1.0f64 / 12.0).sqrt(), 0.4);
    assert!(place.json("t.report.json")["cross_validation"]["R2"]["mean"].as_f64().unwrap() < 0.1);
    let predicted = place.works("predict t.safetensors t.csv -q --json");
    let predicted: Value = serde_json::from_str(&predicted).unwrap();
    let first = predicted[0]["y"].as_f64().unwrap();
    assert!((1.7e9..1.7e9 + 1.0).contains(&first) && first.fract() != 0.0, "{first}");
    place.works("plot predictions t.safetensors t.csv -o p.svg");
}

/// A feature far from zero says as much as one near it.
#[test]
fn an_offset_of_a_feature_costs_nothing() {
    let place = Place::new();
    for (name, offset) in [("near", 0.0), ("far", 1.7e9)] {
        let rows: String = eighths(120)
            .iter()
            .map(|&(a, _, y)| format!("{},{:?},{:.3}\n", i64::from(a > 0.5), y + offset, y * 2.0 + 0.1 * a))
            .collect();
        place.put(&format!("{name}.csv"), format!("a,b,y\n{rows}"));
        place.works(&format!("fit {name}.csv --target y --keep b --epochs 25 --ensemble 1 -q -o {name}.safetensors"));
    }
    assert!(figure(&place, "far", "figures", "R2") > 0.9);
    near(figure(&place, "far", "figures", "R2"), figure(&place, "near", "figures", "R2"), 1e-3);
}

/// A table of two classes in these spellings, which a feature tells apart.
fn spelled(classes: [&[&str]; 2]) -> String {
    let mut draw = chance(23);
    let rows: String = (0..120)
        .map(|i| {
            let class = i % 2;
            let texts = classes[class];
            // The first in most rows.
            let text = if i % 10 < 8 { texts[0] } else { texts[i / 10 % texts.len()] };
            format!("{:.3},{text}\n", class as f64 + 1.4 * draw())
        })
        .collect();
    format!("a,y\n{rows}")
}

#[test]
fn classes_are_called_as_the_table_calls_them() {
    let place = Place::new();
    let tables: [([&[&str]; 2], [&str; 2]); 8] = [
        ([&["No"], &["Yes"]], ["No", "Yes"]),
        ([&["False"], &["True"]], ["False", "True"]),
        ([&["FALSE"], &["TRUE"]], ["FALSE", "TRUE"]),
        ([&["1.0"], &["2.0"]], ["1.0", "2.0"]),
        ([&["01"], &["2"]], ["01", "2"]),
        // Several spellings of one class: the most frequent.
        ([&["No", "no", "NO"], &["yes", "Yes"]], ["No", "yes"]),
        ([&["-0", "0"], &["1", "1.0"]], ["-0", "1"]),
        // Neither f32 nor f64 tells the numbers of these apart.
        ([&["9007199254740992"], &["9007199254740993"]], ["9007199254740992", "9007199254740993"]),
    ];
    for (classes, names) in tables {
        let table = spelled(classes);
        place.put("t.csv", &table);
        let out = place.works("fit t.csv --target y --task classes --epochs 15 --ensemble 1 -o t.safetensors");
        let report = place.json("t.report.json");
        assert_eq!(report["held_out"]["confusion"]["classes"], serde_json::json!(names), "{out}");
        let counts = report["held_out"]["confusion"]["counts"].to_string();
        assert!(out.contains(&format!("(`{}`, `{}`)", names[0], names[1])), "{out}");
        assert!(figure(&place, "t", "figures", "accuracy") > 0.7, "{names:?}: {counts}");
        let predicted = place.works("predict t.safetensors t.csv -p -q");
        assert_eq!(predicted.lines().next().unwrap(), format!("y,p({}),p({})", names[0], names[1]));
        let said: std::collections::BTreeSet<&str> =
            predicted.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(said, names.into_iter().collect(), "predictions");
        let evaluated: Value = serde_json::from_str(&place.works("evaluate t.safetensors t.csv --json -q")).unwrap();
        assert_eq!(evaluated["confusion"]["classes"], serde_json::json!(names));
        for (name, texts) in names.iter().zip(classes) {
            let is_said = out.contains(&format!("the class `{name}` is also written"));
            assert_eq!(is_said, texts.len() > 1, "{out}");
        }
    }
    // A table in another spelling is of the same classes.
    place.put("t.csv", spelled([&["No"], &["Yes"]]));
    place.works("fit t.csv --target y --epochs 15 --ensemble 1 -q -o t.safetensors");
    let evaluate = |text: String| {
        place.put("new.csv", text);
        place.works("evaluate t.safetensors new.csv --json -q")
    };
    let same = evaluate(spelled([&["No"], &["Yes"]]));
    assert_eq!(evaluate(spelled([&["NO"], &["yes"]])), same);
    // Texts that are no answers are different classes and categories, and that is said.
    let three = spelled([&["Low"], &["high"]]).replacen("Low", "low", 10);
    place.put(
        "t.csv",
        three.replace("a,y", "a,size").lines().enumerate().fold(String::new(), |text, (i, line)| {
            text + line
                + if i == 0 {
                    ",y\n"
                } else if i % 3 == 0 {
                    ",up\n"
                } else {
                    ",down\n"
                }
        }),
    );
    let out = place.works("fit t.csv --target size --task classes --epochs 2 --ensemble 1 -o t.safetensors");
    assert!(out.contains("note: `size`: `Low` and `low` are 2 classes; if they mean the same, write them alike"), "{out}");
    let out = place.works("fit t.csv --target y --epochs 2 --ensemble 1 -o t.safetensors");
    assert!(out.contains("note: `size`: `Low` and `low` are 2 categories"), "{out}");
}

/// 2,000 random columns, of which five make up the target, besides a little noise.
fn wide(rows: usize, seed: u64, class: bool) -> String {
    let mut draw = chance(seed);
    let mut normal = move || (0..12).map(|_| draw()).sum::<f64>() - 6.0;
    let names: Vec<String> = (0..2000).map(|i| format!("x{i}")).collect();
    let mut text = names.join(",") + ",y\n";
    for _ in 0..rows {
        let x: Vec<f64> = (0..2000).map(|_| normal()).collect();
        let y = 2.0 * x[17] - 1.5 * x[300] + 1.2 * x[1100] + x[1500] - x[1999] + normal();
        let fields: Vec<String> = x.iter().map(|x| format!("{x:.2}")).collect();
        let y = if class { if y > 0.0 { "Yes".to_owned() } else { "No".to_owned() } } else { format!("{y:.3}") };
        text += &format!("{},{y}\n", fields.join(","));
    }
    text
}

#[test]
fn of_more_columns_than_rows_those_that_matter_are_learned_from() {
    let place = Place::new();
    place.put("t.csv", wide(200, 24, false));
    place.put("new.csv", wide(200, 25, false));
    let out = place.works("fit t.csv --target y -o t.safetensors");
    assert!(out.contains("t.csv: 200 rows, 2001 columns: 2001 of kind number"), "{out}");
    assert!(out.lines().count() < 40, "{} lines\n{out}", out.lines().count());
    assert!(out.contains("note: 2000 features are more than 160 rows can tell apart; of 2000 columns the "), "{out}");
    let kept = place.json("t.report.json")["selected"]["kept"].clone();
    let kept: Vec<&str> = kept.as_array().unwrap().iter().map(|pair| pair[0].as_str().unwrap()).collect();
    assert!(["x17", "x300", "x1100", "x1500", "x1999"].iter().all(|name| kept.contains(name)) && kept.len() < 10, "{kept:?}");
    let r2 = |model: &str| {
        let found: Value = serde_json::from_str(&place.works(&format!("evaluate {model} new.csv --json -q"))).unwrap();
        found["figures"]["R2"].as_f64().unwrap()
    };
    // A straight line through the five columns has 0.89.
    assert!(r2("t.safetensors") > 0.75, "{}", r2("t.safetensors"));
    // A model needs only the columns it learned from.
    let needs: Value = serde_json::from_str(&place.works("inspect t.safetensors --json")).unwrap();
    assert_eq!(needs["columns"].as_array().unwrap().len(), kept.len());
    assert!(place.works("inspect t.safetensors").lines().count() < 60);
    // As asked: all. That is what was learned before, and says little about new rows.
    let out = place.works("fit t.csv --target y --select all --epochs 20 --ensemble 1 --l1 0.0001 -o all.safetensors");
    assert!(out.contains("2000 features") && !out.contains("related to") && r2("all.safetensors") < 0.5, "{out}");
    let out = place.works("fit t.csv --target y -v --epochs 1 --ensemble 1 -o all.safetensors");
    assert!(out.lines().filter(|line| line.starts_with('x')).count() >= 2000, "--verbose reports every column");

    place.put("t.csv", wide(200, 26, true));
    place.put("new.csv", wide(200, 27, true));
    place.works("fit t.csv --target y -q -o c.safetensors");
    let found: Value = serde_json::from_str(&place.works("evaluate c.safetensors new.csv --json -q")).unwrap();
    assert!(found["figures"]["accuracy"].as_f64().unwrap() > 0.78, "{}", found["figures"]);
}

#[test]
fn of_chance_nothing_is_learned_however_many_columns_it_has() {
    let place = Place::new();
    let mut draw = chance(28);
    let rows: String =
        (0..60).map(|_| (0..400).map(|_| format!("{:.3},", draw())).collect::<String>() + &format!("{:.3}\n", draw())).collect();
    let names: String = (0..400).map(|i| format!("x{i},")).collect();
    place.put("t.csv", format!("{names}y\n{rows}"));
    let out = place.works("fit t.csv --target y --folds 4 --epochs 20 --ensemble 1 -o t.safetensors");
    // Had the rows to judge by a say in the choice, the folds would say that something can be learned.
    let mean = place.json("t.report.json")["cross_validation"]["R2"]["mean"].as_f64().unwrap();
    assert!(mean < 0.1, "R2 {mean} of chance\n{out}");
}

#[test]
fn tables_at_the_edge_of_what_can_be_learned() {
    let place = Place::new();
    let table = |head: &str, row: &dyn Fn(usize) -> String| {
        let rows: String = (0..40).map(|i| row(i) + "\n").collect();
        place.put("t.csv", format!("{head}\n{rows}"));
    };
    // Nothing but the target.
    table("y", &|i| (i * i % 17).to_string());
    place.refuses("fit t.csv --target y", &["t.csv: line 1", "found no column but `y`", "add the columns"]);
    // Every feature left out: each with its reason, and no bare brackets.
    table("id,same,y", &|i| format!("{},1,{}", i + 1, i * i % 17));
    let said = place.refuses(
        "fit t.csv --target y",
        &[
            "no column to learn from: `id` (it only numbers the rows",
            "`same` (one value only",
            "hint: on the command line: --keep COLUMN",
        ],
    );
    assert!(!said.err.contains("()") && !said.err.contains("as asked"), "{}", said.err);
    let said = place.refuses(
        "fit t.csv --target y --without id,same",
        &["no column to learn from: `id` (left out as asked)", "leave fewer columns out"],
    );
    assert!(!said.err.contains("()"), "{}", said.err);
    // Numbers whose squares are too large, or too small, for f64 are numbers.
    for unit in ["e250", "e-250"] {
        table("a,b,y", &|i| format!("{0}.5{unit},{1},{1}.25{unit}", i % 7, i * i % 13));
        let out = place.works("fit t.csv --target y --task regression --epochs 30 --ensemble 1 -o t.safetensors");
        // `b` gives the target away; it does not do so by infinity.
        assert!(out.contains("correlates with `y` by 1.000000") && !out.contains("inf") && !out.contains("NaN"), "{out}");
        let out = place.works("fit t.csv --target y --task regression --keep b --epochs 30 --ensemble 1 -o t.safetensors");
        assert!(figure(&place, "t", "figures", "R2") > 0.5, "{out}");
    }
    // A text with a comma cannot be named as missing: no hint that leads to the same error again.
    table("a,b,y", &|i| format!("{},{},{}", if i == 7 { "\"n, a\"".to_owned() } else { i.to_string() }, i % 5, i * i % 17));
    let said = place.run("fit t.csv --target y -q -o t.safetensors");
    assert!(!said.err.contains("--missing 'n, a'"), "{}", said.err);
    // Many notes are no flood, and all of them are in the report.
    let names: Vec<String> = (0..60).map(|i| format!("c{i}")).collect();
    table(&(names.join(",") + ",a,y"), &|i| format!("{}{},{}", "1,".repeat(60), i * i % 17, i % 9));
    let out = place.works("fit t.csv --target y --task regression --epochs 2 --ensemble 1 -o t.safetensors");
    assert_eq!(out.matches("note:").count(), 1, "{out}");
    assert!(out.contains("`c9` and 50 more are left out: one value only"), "{out}");
    assert_eq!(place.json("t.report.json")["left_out"].as_array().unwrap().len(), 60);
}

/// What went wrong in the user's words: no names of modules, no figures that are none, and a way on.
#[test]
fn refusals_say_what_to_do() {
    let place = Place::new();
    place.put("t.csv", houses(60, 30));
    place.refuses(
        "fit t.csv --target price --rate 1e30",
        &["the loss is", "hint: on the command line: --rate 0.002, or --clip 1"],
    );
    let said =
        place.refuses("fit t.csv --target price --test 0.001", &["60 rows, of which --test 0.001 leaves none", "--test 0.2"]);
    assert!(!said.err.contains("split:"), "{}", said.err);
    place.refuses("fit t.csv --target price --target size --task classes", &["--task classes: found 2 targets, expected one"]);
    place.refuses("fit . --target price", &["cannot be read: it is a folder"]);
    place.refuses("fit none.csv --target price", &["none.csv: cannot be read: there is no such file"]);
    place.works("fit t.csv --target price --epochs 2 --ensemble 1 -q -o t.safetensors");
    place.put("row.csv", "size,rooms,zone,age,price\n50,2,north,3,90000\n");
    let out = place.works("evaluate t.safetensors row.csv");
    assert!(out.contains("(no R2: it needs two rows or more)") && !out.contains("NaN"), "{out}");
    // A label that is none, where it stands; a class of one row, judged by itself.
    let flags: String =
        (0..40).map(|i| format!("{},{},{}\n", i % 5, ["Yes", "No"][i % 2], if i == 9 { "maybe" } else { "No" })).collect();
    place.put("flags.csv", format!("a,p,q\n{flags}"));
    place.refuses("fit flags.csv --target p --target q", &["flags.csv: line 11, column `q`: found `maybe`"]);
    place.refuses("fit flags.csv --target q --folds 3", &["column `q`", "in one of 3 folds", "do without --folds"]);
    place.refuses("fit flags.csv --target p --target-scale log", &["--target-scale: `p` is not learned as a number"]);
    place.works("fit flags.csv --target p --epochs 2 --ensemble 1 -q -o p.safetensors");
    place.put("one.csv", "a,p,q\n1,Yes,No\n2,Yes,No\n");
    let said = place.refuses("plot roc p.safetensors one.csv", &["one.csv: 2 of 2 rows are of the class `Yes`"]);
    assert!(!said.err.contains("metrics:"), "{}", said.err);
    // As many classes as rows are no classes.
    let many: String = (0..40).map(|i| format!("{},class{i}\n", i % 5)).collect();
    place.put("many.csv", format!("a,y\n{many}"));
    place.refuses("fit many.csv --target y", &["column `y`: found 40 classes in 40 rows", "several rows of each class"]);
}

/// The same figures as ever where nothing was to be mended.
#[test]
fn prices_are_printed_as_prices() {
    let place = Place::new();
    place.put("t.csv", houses(80, 29));
    place.works("fit t.csv --target price --epochs 5 --ensemble 1 -q -o t.safetensors");
    let predicted = place.works("predict t.safetensors t.csv -q");
    // Seven digits or so are computed, two more are written: no tail of digits that mean nothing.
    assert!(predicted.lines().skip(1).all(|line| line.len() <= 12 && line.parse::<f64>().is_ok()), "{predicted}");
}

/// Categories, each with a number of its own, of which the target is made besides two numbers and a little chance.
fn many_categories(rows: usize, seed: u64) -> String {
    const CATEGORIES: usize = 2000;
    let mut draw = chance(31);
    let effects: Vec<f64> = (0..CATEGORIES).map(|_| (0..12).map(|_| draw()).sum::<f64>() - 6.0).collect();
    let mut draw = chance(seed);
    let row = |_| {
        let (category, a, b) = ((draw() * CATEGORIES as f64) as usize, draw(), draw());
        let y = effects[category] + a - 0.6 * b + 0.5 * (draw() - 0.5);
        format!("c{category:04},{a:.3},{b:.3},{y:.3},{}\n", if y > 0.2 { "high" } else { "low" })
    };
    "c,a,b,y,level\n".to_owned() + &(0..rows).map(row).collect::<String>()
}

#[test]
fn thousands_of_categories_are_one_feature_and_each_is_learned() {
    let place = Place::new();
    place.put("t.csv", many_categories(6000, 32));
    place.put("new.csv", many_categories(1000, 33));
    let fit = "fit t.csv --ensemble 1 --epochs 15 -q --without";
    let r2 = |model: &str| {
        let found: Value =
            serde_json::from_str(&place.works(&format!("evaluate {model}.safetensors new.csv --json -q"))).unwrap();
        found["figures"]["R2"].as_f64().unwrap()
    };
    place.works(&format!("{fit} level --target y -o m.safetensors"));
    let report = place.json("m.report.json");
    assert_eq!(report["features"], 3);
    // Each category of the training rows has 64 weights, and all that are not known have 64.
    let categories = (report["parameters"].as_u64().unwrap() - 2 * 64 - 64 - 65 * 32 - 33) / 64 - 1;
    assert!((1700..2000).contains(&categories), "{categories}");
    let held_out = figure(&place, "m", "figures", "R2");
    // What is learned goes with the file: new rows are said as well as those held out.
    assert!(held_out > 0.6 && (r2("m") - held_out).abs() < 0.1, "R2 {held_out}, of new rows {}", r2("m"));
    // As one, they say nothing.
    let out = place.works("fit t.csv --ensemble 1 --epochs 15 --without level --target y --most-categories 64 -o g.safetensors");
    assert!(out.contains("the 64 most frequent are told apart, 1") && out.contains("count as one (--most-categories)"), "{out}");
    assert!(r2("g") < 0.35, "{}", r2("g"));
    // Other models and targets; chosen and described by the name of the column.
    place.works(&format!("{fit} level --target y --model linear --rate 0.02 --select related --folds 2 -o l.safetensors"));
    assert!(r2("l") > 0.6, "{}", r2("l"));
    let kept = place.json("l.report.json")["selected"]["kept"].clone();
    assert!(kept.as_array().unwrap().iter().any(|pair| pair[0] == "a"), "{kept}");
    place.works(&format!("{fit} y --target level --activation tanh --dropout 0 -o c.safetensors"));
    let found: Value = serde_json::from_str(&place.works("evaluate c.safetensors new.csv --json -q")).unwrap();
    assert!(found["figures"]["accuracy"].as_f64().unwrap() > 0.75, "{found}");
    place.works("plot predictions m.safetensors new.csv -o p.svg");
    let described = place.works("inspect m.safetensors");
    assert!(
        described.contains("category: an index, 1 to ") && described.contains("FeatureEmbedding(2 and tables of "),
        "{described}"
    );
    // One that was never there is no error, and counts for nothing: neither of two makes a difference.
    place.put("odd.csv", "c,a,b\nnever,0.5,0.5\nnor this,0.5,0.5\nc0001,0.5,0.5\n");
    let said = place.run("predict m.safetensors odd.csv");
    assert!(said.code == Some(0) && said.err.contains("2 rows with unknown categories"), "{said:?}");
    let predicted: Vec<f64> = said.out.lines().skip(1).map(|line| line.parse().unwrap()).collect();
    assert!(predicted[0] == predicted[1] && predicted[0] != predicted[2] && predicted[0].abs() < 1.0, "{predicted:?}");
}
