//! What the program refuses: each with file, line, column, what was found and what to do, code 2, and no file left behind or changed.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used)]

use crate::common::program::{Place, flowers, houses, said};

/// A table of numbers with one line that is something else.
fn with_line(line: &str) -> String {
    let rows: String = (0..30).map(|i| format!("{},{},{}\n", i, (i * 7) % 11, i % 2)).collect();
    format!("a,b,y\n{rows}{line}\n")
}

#[test]
fn tables_that_are_no_tables() {
    let place = Place::new();
    let fit = |text: &str, parts: &[&str]| {
        place.put("t.csv", text);
        place.refuses("fit t.csv --target y", &[&["t.csv"], parts].concat());
    };
    // Ragged rows.
    fit(&with_line("1,2"), &["line 32, column `y`", "found 2 fields", "expected 3 as in the header", "complete the line"]);
    fit(&with_line("1,2,0,9"), &["line 32", "found 4 fields, the first too many `9`", "into quotes"]);
    // The header.
    fit(
        "1,2,3\n4,5,6\n",
        &[
            "line 1",
            "only numbers",
            "the names of the columns",
            "add a line with names",
            "hint: on the command line: --no-header",
        ],
    );
    fit("a,a,y\n1,2,3\n", &["line 1, column `2`", "the name `a` again", "rename one of the two"]);
    fit("a,,y\n1,2,3\n", &["line 1, column `2`", "no name", "give the column a name"]);
    fit("a;y\n1;2\n", &["line 1", "one column `a;y`", "hint: on the command line: --delimiter ';'"]);
    // Fields.
    fit(
        &with_line("1,much,0"),
        &[
            "line 32, column `b`",
            "found `much`",
            "a number, as in 30 of 31 fields",
            "hint: on the command line: --missing much",
            "--category b",
        ],
    );
    fit(&with_line("1,1e999,0"), &["line 32, column `b`", "found `1e999`", "a finite number", "correct it", "--missing 1e999"]);
    fit(&with_line("1,inf,0"), &["line 32, column `b`", "found `inf`", "a finite number"]);
    fit(&with_line("1,\"2,0"), &["line 32, column `b`", "a quote that is never closed", "close it"]);
    // Files.
    fit("", &["line 1", "found nothing", "is this the right file?"]);
    fit("a,y\n", &["line 2", "no rows after the header", "is the file complete?"]);
    place.put("t.parquet", b"PAR1\x15\x04\x15\0\0");
    place.refuses("fit t.parquet --target y", &["t.parquet: found a Parquet file", "read_parquet('t.parquet')"]);
    // Commas that could mean either, and dates that may be read in two ways.
    let rows: String =
        (0..30).map(|i| format!("\"{},{}\",{}/{}/2024,{}\n", 1 + i % 8, 100 + i * 13, 1 + i % 12, 1 + i % 11, i % 2)).collect();
    fit(
        &format!("a,d,y\n{rows}"),
        &["line 2, column `a`", "found `1,100`", "hint: on the command line: --thousands , or --decimal ,", "--category a"],
    );
    place.refuses(
        "fit t.csv --target y --strict --decimal ,",
        &["t.csv: line 2, column `d`", "found `1/1/2024`", "hint: on the command line: --dates d/m/y or --dates m/d/y"],
    );
    // A column that is not needed is no reason to refuse.
    for flags in ["--without a", "--only d", "--category a"] {
        let said =
            place.run(&format!("fit t.csv --target y --dates d/m/y --epochs 1 --ensemble 1 -q -o left.safetensors {flags}"));
        assert_eq!(said.code, Some(0), "{flags}: {said:?}");
    }
    place.refuses("fit t.csv --target d --thousands , --dates d/m/y", &["column `d`", "found dates", "days since a day"]);
    place.put("latin.csv", b"a,y\ncaf\xe9,1\n");
    place.refuses("fit latin.csv --target y", &["latin.csv: line 2, column `a`", "the byte e9", "save the file as UTF-8"]);
    place.refuses("fit none.csv --target y", &["none.csv: cannot be read"]);
    place.refuses("inspect none.csv", &["none.csv: cannot be read"]);
}

#[test]
fn targets_and_columns_of_which_nothing_can_be_learned() {
    let place = Place::new();
    place.put("t.csv", houses(40, 1));
    place.refuses(
        "fit t.csv",
        &["t.csv: line 1", "found the columns `size`, `rooms`", "name the column to predict: --target price"],
    );
    place.refuses("fit t.csv --target Price", &["t.csv: line 1, column `Price`", "no such column", "did you mean `price`?"]);
    place.refuses("fit t.csv --target price --without nothing", &["column `nothing`", "no such column"]);
    place.refuses("fit t.csv --target price --without price", &["--without", "`price` is the target"]);
    place.refuses("fit t.csv --target zone --task regression", &["column `zone`", "found", "numbers to predict"]);

    let column = |name: &str, of: &dyn Fn(usize) -> String| {
        let rows: String = (0..40).map(|i| format!("{},{},{}\n", i * i % 17, of(i), i % 2)).collect();
        place.put(name, format!("a,b,y\n{rows}"));
    };
    // One class.
    column("one.csv", &|_| "same".to_owned());
    place.refuses(
        "fit one.csv --target b",
        &["one.csv: column `b`", "one class only, `same`", "two classes or more", "nothing to learn"],
    );
    column("number.csv", &|_| "2.5".to_owned());
    place.refuses(
        "fit number.csv --target b --task regression",
        &["number.csv: column `b`", "the value 2.5 in every row", "nothing to learn"],
    );
    // All missing.
    column("empty.csv", &|i| ["", "NA"][i % 2].to_owned());
    place.refuses(
        "fit empty.csv --target y --strict",
        &["empty.csv: line 1, column `b`", "nothing but missing values in 40 rows", "--without b"],
    );
    let said = place.run("fit empty.csv --target y --epochs 2 -o left.safetensors");
    assert!(said.code == Some(0) && said.out.contains("note: `b` is left out: nothing but missing values"), "{said:?}");
    place.refuses(
        "fit empty.csv --target b",
        &["empty.csv", "column `b`", "nothing but missing values in 40 rows", "choose another target"],
    );
    assert!(place.run("fit empty.csv --target y --without b --epochs 2 -q -o left.safetensors").code == Some(0));
    // Constant: named and left out, or refused where one wishes, or where nothing else is left.
    let said = place.run("fit one.csv --target y --epochs 2 -o left.safetensors");
    assert!(said.code == Some(0) && said.out.contains("note: `b` is left out: one value only"), "{said:?}");
    let said = place
        .refuses("fit one.csv --target y --strict", &["one.csv: column `b`", "found `same` in every row", "values that differ"]);
    assert!(said.err.contains("hint: on the command line: --without b"), "{}", said.err);
    place.refuses("fit one.csv --target y --only b", &["one.csv: found no column to learn from", "`b` (one value only"]);
    // NaN: missing, or refused where one wishes.
    column("nan.csv", &|i| if i == 20 { "NaN".to_owned() } else { i.to_string() });
    let said = place.run("fit nan.csv --target y --epochs 2 -o left.safetensors");
    assert!(said.code == Some(0) && said.out.lines().any(|l| l.starts_with("b ") && l.contains(" 39        1 ")), "{said:?}");
    place.refuses(
        "fit nan.csv --target y --strict",
        &["nan.csv: line 22, column `b`", "found `NaN`", "a finite number", "--missing NaN"],
    );
    // A giveaway.
    column("give.csv", &|i| ["no", "yes"][i % 2].to_owned());
    place.refuses(
        "fit give.csv --target y --strict",
        &["give.csv: line 1, column `b`", "each of its 2 values belongs to one value of `y`", "--without b", "--keep b"],
    );
    // Too few rows.
    place.put("few.csv", houses(12, 1));
    place.refuses(
        "fit few.csv --target price --folds 20",
        &["few.csv", "found 12 rows for 20 folds", "a row for each fold", "--folds 5"],
    );
    place.put("tiny.csv", houses(4, 1));
    place.refuses("fit tiny.csv --target price", &["tiny.csv: found 4 rows", "10 or more", "add rows"]);
    // Logarithms of what has none.
    place.put("zero.csv", (0..20).fold("a,y\n".to_owned(), |text, i| format!("{text}{},{}\n", i * i % 7, i as f64 + 0.5 - 3.5)));
    place
        .refuses("fit zero.csv --target y --target-scale log", &["zero.csv: line 2, column `y`", "-3", "above zero", "as it is"]);
}

#[test]
fn models_that_do_not_fit() {
    let place = Place::new();
    place.put("houses.csv", houses(60, 2));
    place.put("flowers.csv", flowers(60, 2));
    place.works("fit houses.csv --target price --epochs 2 -q -o m.safetensors");
    place.works("fit flowers.csv --target kind --epochs 2 -q -o f.safetensors");
    // Another table.
    let parts = [
        "flowers.csv: line 1",
        "no column `size`, `rooms`, `zone`, `age` among 4",
        "all 4 columns that the model was fitted to",
        "Add the columns",
    ];
    place.refuses("predict m.safetensors flowers.csv -o out.csv", &parts);
    place.refuses("evaluate m.safetensors flowers.csv", &["flowers.csv: line 1, column `price`", "no such column"]);
    place.put("text.csv", "size,rooms,zone,age,price\nbig,2,north,3,100\n");
    place.refuses(
        "predict m.safetensors text.csv -o out.csv",
        &["text.csv: line 2, column `size`", "found `big`", "a finite number, as in training"],
    );
    place.put("class.csv", "petal,sepal,colour,kind\n1,2,red,orchid\n");
    place.refuses("evaluate f.safetensors class.csv", &["class.csv: line 2, column `kind`", "the class `orchid`", "`lily`"]);
    // What is no model.
    place.refuses("predict houses.csv m.safetensors", &["houses.csv: found text, expected a model", "MODEL TABLE"]);
    place.refuses("predict none.safetensors houses.csv", &["none.safetensors: cannot be read"]);
    let mut bytes = place.bytes("m.safetensors");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    place.put("flipped.safetensors", &bytes);
    for args in ["predict flipped.safetensors houses.csv", "inspect flipped.safetensors", "plot curve flipped.safetensors"] {
        place.refuses(args, &["flipped.safetensors: its checksum is", "it was changed or is damaged"]);
    }
    place.put("cut.safetensors", &bytes[..bytes.len() / 2]);
    place.refuses("evaluate cut.safetensors houses.csv", &["cut.safetensors: "]);
    let device = steepest::Device::cpu();
    steepest::save::save(&steepest::nn::mlp(&device, &[4, 2], 1), place.path("bare.safetensors")).unwrap();
    place.refuses(
        "predict bare.safetensors houses.csv",
        &["bare.safetensors: found a model without preprocessing", "`steepest fit`"],
    );
    assert!(place.works("inspect bare.safetensors").contains("0.weight"));
    // Questions that a model cannot be asked.
    place.refuses("predict m.safetensors houses.csv --probabilities", &["--probabilities", "predicts a number"]);
    place.refuses("plot confusion m.safetensors houses.csv -o c.svg", &["m.safetensors", "does not predict classes"]);
    place.refuses("plot predictions f.safetensors flowers.csv -o c.svg", &["f.safetensors", "does not predict numbers"]);
    place.refuses("plot roc f.safetensors flowers.csv --class daisy", &["--class: found `daisy`", "`lily`, `rose`, `tulip`"]);
    place.refuses("plot scatter houses.csv --x size --y zone -o s.svg", &["column `zone`", "category", "numbers"]);
    place.refuses("plot curve houses.csv -o c.svg", &["houses.csv", "history", "line 1"]);
    place.refuses("plot curve m.safetensors -o c.gif", &["c.gif", ".svg or .png"]);
    place.refuses("predict m.safetensors houses.csv --device abacus", &["no device named `abacus`"]);
}

#[test]
fn places_where_nothing_is_written() {
    let place = Place::new();
    let table = houses(60, 3);
    place.put("t.csv", &table);
    place.put("notes.txt", "mine");
    std::fs::create_dir(place.path("folder")).unwrap();
    place.refuses("fit t.csv --target price -o t.csv", &["t.csv: it is also read, and is not written over"]);
    place.refuses("fit t.csv --target price -o notes.txt", &["notes.txt: it is there and is no model, and is not written over"]);
    place.refuses("fit t.csv --target price -o folder", &["folder: it cannot be written: it is a folder"]);
    place.refuses("fit t.csv --target price -o none/m.safetensors", &["none/m.safetensors: there is no folder none"]);
    place.works("fit t.csv --target price --epochs 2 -q -o m.safetensors");
    place.refuses("predict m.safetensors t.csv -o m.safetensors", &["m.safetensors: it is also read"]);
    place.refuses("predict m.safetensors t.csv -o ./t.csv", &["it is also read"]);
    place.refuses("predict m.safetensors t.csv -o none/p.csv", &["there is no folder none"]);
    // A run that fails leaves the files of the one before it.
    place.put("bad.csv", table.replacen(",north,", ",north,,", 1));
    place.refuses("fit bad.csv --target price -o m.safetensors", &["bad.csv: line "]);
    // A model is replaced by a model.
    let before = place.bytes("m.safetensors");
    place.works("fit t.csv --target price --epochs 3 -q -o m.safetensors");
    assert_ne!(place.bytes("m.safetensors"), before);
}

/// A disk that is full is told.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told() {
    let place = Place::new();
    place.put("t.csv", houses(40, 4));
    place.works("fit t.csv --target price --epochs 2 -q -o m.safetensors");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let said = said(place.command("predict m.safetensors t.csv").stdout(full).output().unwrap());
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("standard output") && said.err.contains("space"), "{}", said.err);
}

#[test]
fn settings_that_make_no_sense() {
    let place = Place::new();
    place.put("t.csv", houses(40, 5));
    for (flags, parts) in [
        ("--test 1.5", &["--test: found 1.5", "a share"][..]),
        ("--test 0", &["--test: found 0", "above 0"]),
        ("--validation 0.8", &["--test 0.2 and --validation 0.8", "too few rows"]),
        ("--dropout 1", &["--dropout: found 1"]),
        ("--rate 0", &["--rate: found 0", "above 0"]),
        ("--rate nan", &["--rate: found NaN"]),
        ("--decay -1", &["-1"]),
        ("--epochs 0", &["--epochs: found 0"]),
        ("--folds 1", &["--folds: found 1, expected 2 or more"]),
        ("--batch 0", &["--batch: found 0"]),
        ("--ensemble 0", &["--ensemble: found 0"]),
        ("--layers 0", &["--layers: found [0]"]),
        ("--layers 65536,65536,65536", &["--layers: found [65536, 65536, 65536]", "more than 4294967295 weights"]),
        (
            "--layers 65000,65000,65000,65000,65000,65000 --ensemble 100",
            &["--layers: found [65000, ", "--ensemble 100", "bytes, this program may use"],
        ),
        ("--epochs 18446744073709551615", &["--epochs: found 18446744073709551615"]),
        ("--patience 18446744073709551615", &["--patience: found 18446744073709551615"]),
        ("--ensemble 18446744073709551615", &["--ensemble: found 18446744073709551615, expected 100 at most"]),
        ("--folds 18446744073709551615", &["40 rows for 18446744073709551615 folds", "--folds 5"]),
        ("--model linear --layers 3", &["--layers: a linear model has no hidden layers"]),
        ("--outliers=-1", &["--outliers: found -1"]),
        ("--delimiter ab", &["--delimiter: found `ab`"]),
        ("--decimal x", &["--decimal: found `x`, expected `.` or `,`"]),
        ("--thousands x", &["--thousands: found `x`", "`space`"]),
        ("--decimal , --thousands ,", &["--decimal and --thousands: found the same"]),
        ("--dates d/y/m", &["d/y/m", "d/m/y"]),
        ("--most-categories 0", &["--most-categories: found 0"]),
        ("--optimizer adamant", &["adamant", "adamw"]),
        ("--quiet --verbose", &["cannot be used with"]),
    ] {
        place.refuses(&format!("fit t.csv --target price {flags}"), parts);
    }
    for (toml, parts) in [
        ("seed = 1\ntagret = \"price\"\n", &["s.toml: line 2: unknown field `tagret`", "`target`"][..]),
        ("epochs = \"many\"\n", &["s.toml: line 1: invalid type", "names are those of the flags"]),
        ("seed = 1\nmodel = \"forest\"\n", &["s.toml: line 2: unknown variant `forest`", "`mlp`"]),
        ("target = 3\n", &["s.toml: line 1: ", "expected a text, or a list of texts"]),
        ("rate = \n", &["s.toml: line 1: "]),
        ("rate = -1.0\ntarget = \"price\"\n", &["--rate: found -1"]),
    ] {
        place.put("s.toml", toml);
        place.refuses("fit t.csv --config s.toml", parts);
    }
    place.refuses("fit t.csv --target price --config none.toml", &["none.toml: cannot be read"]);
    place.refuses("fit --target price", &["no table is named", "steepest fit DATA --target COLUMN"]);
}

/// Whoever asks for help is told what the words mean, with examples that can be copied.
#[test]
fn help_teaches() {
    let place = Place::new();
    let all = place.works("--help");
    for command in ["fit", "predict", "evaluate", "inspect", "plot", "devices", "verify"] {
        assert!(all.lines().any(|line| line.trim_start().starts_with(command)), "{command} is not in\n{all}");
    }
    for command in ["fit", "predict", "evaluate", "inspect", "plot"] {
        let help = place.works(&format!("{command} --help"));
        assert!(help.contains("Examples:") && help.contains(&format!("  steepest {command} ")), "{help}");
    }
    let help = place.works("fit --help");
    for part in ["--target", "--folds", "learning rate", "never saw", "all or none", "Exit code", "[default: 64,32]"] {
        assert!(help.contains(part), "`{part}` is not in\n{help}");
    }
}
