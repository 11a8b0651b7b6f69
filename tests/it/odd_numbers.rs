//! Numbers as people write them: signs, units, marks of thousands and decimals, and those that could mean either.
#![cfg(feature = "tables")]
#![allow(clippy::unwrap_used)]

use crate::odd_tables::{read, refused, table};
use steepest::data::{Csv, Kind, Prepare, Preprocessor, Table, Target, Task};

/// Groups of three digits with something between.
fn grouped(whole: u64, between: &str) -> String {
    let digits = whole.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text += between;
        }
        text.push(digit);
    }
    text
}

type Writer = (&'static str, fn(f64) -> String, &'static str);

/// Ways to write a number, and what the note says.
const WRITERS: [Writer; 18] = [
    ("decimal comma", |x| format!("{x:.2}").replace('.', ","), "a decimal comma"),
    ("thousands and point", |x| sign(x, |x| format!("{}.{:02}", grouped(x as u64, ","), hundredths(x))), "`,` between thousands"),
    ("thousands and comma", |x| sign(x, |x| format!("{},{:02}", grouped(x as u64, "."), hundredths(x))), "`.` between thousands"),
    (
        "spaces and comma",
        |x| sign(x, |x| format!("{},{:02}", grouped(x as u64, " "), hundredths(x))),
        "a space between thousands",
    ),
    (
        "narrow spaces",
        |x| sign(x, |x| format!("{},{:02}", grouped(x as u64, "\u{202f}"), hundredths(x))),
        "a space between thousands",
    ),
    (
        "hard spaces",
        |x| sign(x, |x| format!("{}.{:02}", grouped(x as u64, "\u{a0}"), hundredths(x))),
        "a space between thousands",
    ),
    ("apostrophes", |x| sign(x, |x| format!("{}.{:02}", grouped(x as u64, "'"), hundredths(x))), "`'` between thousands"),
    ("dollars", |x| sign(x, |x| format!("${x:.2}")), "`$`"),
    ("dollars and thousands", |x| sign(x, |x| format!("${}.{:02}", grouped(x as u64, ","), hundredths(x))), "`$`"),
    ("euros behind", |x| format!("{x:.2} €").replace('.', ","), "`€`"),
    ("pounds in front of the sign", |x| format!("£{x:.2}"), "`£`"),
    ("a code", |x| format!("{x:.2} USD"), "`USD`"),
    ("percent", |x| format!("{x:.2}%"), "`%`"),
    ("percent with a space and a comma", |x| format!("{x:.2} %").replace('.', ","), "`%`"),
    ("typographic minus", |x| format!("{x:.2}").replace('-', "\u{2212}"), "is read as -"),
    ("brackets", |x| if x < 0.0 { format!("({:.2})", -x) } else { format!("{x:.2}") }, "is read as -"),
    ("plus", |x| if x < 0.0 { format!("{x:.2}") } else { format!("+{x:.2}") }, ""),
    ("spaces around", |x| format!("  {x:.2} "), ""),
];

fn sign(x: f64, of: impl Fn(f64) -> String) -> String {
    if x < 0.0 { format!("-{}", of(-x)) } else { of(x) }
}

fn hundredths(x: f64) -> u64 {
    (x * 100.0).round() as u64 % 100
}

/// Numbers with two digits behind the point, from -3000 to some two million.
fn amounts() -> Vec<f64> {
    (0..40u64)
        .map(|i| {
            (if i % 5 == 4 { -1.0 } else { 1.0 }) * ((i * i * i * 3137 + i * 11 + 7) as f64 / 100.0).round()
                + 0.25 * ((i % 4) as f64)
        })
        .collect()
}

fn as_table(texts: &[String], plain: &[f64]) -> String {
    let rows = texts
        .iter()
        .zip(plain)
        .enumerate()
        .map(|(i, (text, x))| format!("\"{text}\",{},{}\n", (i * 7) % 5, x * 2.0 + i as f64 % 3.0));
    "a,b,y\n".to_owned() + &rows.collect::<String>()
}

#[test]
fn numbers_in_every_spelling() {
    let values = amounts();
    let plainly: Vec<String> = values.iter().map(|x| format!("{x:.2}")).collect();
    let plain = read(&Csv::new(), &as_table(&plainly, &values));
    let missing = "\"?\",1,5\n\"\",1,5\n";
    for (what, write, note) in WRITERS {
        let texts: Vec<String> = values.iter().map(|&x| write(x)).collect();
        let text = as_table(&texts, &values) + missing;
        let found = read(&Csv::new(), &text);
        let column = found.column("a").unwrap();
        assert_eq!((column.kind(), column.missing()), (Kind::Number, 2), "{what}: {:?}", column.note());
        for (row, x) in values.iter().enumerate() {
            assert!((column.number(row).unwrap() - x).abs() < 1e-9, "{what}: {} is {:?}", texts[row], column.number(row));
        }
        assert!(column.note().unwrap_or("").contains(note), "{what}: {:?}", column.note());
        assert_eq!(column.note().is_none(), note.is_empty(), "{what}: {:?}", column.note());

        // As a feature: the same as plainly written; after a journey too, and for a row alone that says nothing about its format.
        let fit = |table: &Table| {
            Prepare::new().only(["a", "b"]).was_missing(false).target("y").task(Task::Regression).fit(table).unwrap()
        };
        let whole = found.rows(&(0..values.len()).collect::<Vec<_>>()).unwrap();
        let (fitted, expected) = (fit(&whole), fit(&plain));
        assert_eq!(fitted.features(&whole).unwrap().values, expected.features(&plain).unwrap().values, "{what}");
        let back = Preprocessor::from_json("m", &fitted.to_json().unwrap()).unwrap();
        assert_eq!(back, fitted, "{what}");
        for (row, x) in values.iter().enumerate().step_by(7) {
            let alone = read(&Csv::new().as_in(&back), &format!("a,b\n\"{}\",1\n", texts[row]));
            let one = read(&Csv::new().as_in(&expected), &format!("a,b\n{x:.2},1\n"));
            assert_eq!(back.features(&alone).unwrap(), expected.features(&one).unwrap(), "{what}: {}", texts[row]);
        }
        // As a target: predictions come in plain numbers.
        let target = |table: &Table| Prepare::new().only(["b", "y"]).target("a").task(Task::Regression).fit(table).unwrap();
        let (fitted, expected) = (target(&whole), target(&plain));
        let inverse = |p: &Preprocessor| p.target().map(|t| t.inverse(&[0.5])).unwrap();
        assert_eq!(inverse(&fitted), inverse(&expected), "{what}");
        let back = Preprocessor::from_json("m", &fitted.to_json().unwrap()).unwrap();
        let again = read(&Csv::new().as_in(&back), &as_table(&texts, &values));
        assert_eq!(back.dataset(&again).unwrap().0.labels(), expected.dataset(&plain).unwrap().0.labels(), "{what}");
    }
    // Units that differ, shares with and without their sign, and numbers that are none.
    for texts in [
        ["$5", "€7", "$9"],
        ["5%", "0.07", "9%"],
        ["12:30", "1:15", "2:45"],
        ["1.2.3", "4.5.6", "7.8.9"],
        ["5 kg", "6 kg", "7 kg"],
    ] {
        let values: Vec<String> = (0..30).map(|i| texts[i % 3].to_owned()).collect();
        assert_eq!(read(&Csv::new(), &table(&values)).column("a").unwrap().kind(), Kind::Category, "{texts:?}");
    }
    // Classes of few shares are called by their numbers, wherever they come from.
    let values: Vec<String> = (0..30).map(|i| ["5%", "10%"][i % 2].to_owned()).collect();
    let found = read(&Csv::new(), &table(&values));
    let fitted = Prepare::new().target("a").fit(&found).unwrap();
    assert!(matches!(fitted.target(), Some(Target::Classes { classes, .. }) if *classes == ["5", "10"]));
    assert!(fitted.dataset(&read(&Csv::new().as_in(&fitted), &table(&values))).is_ok());
}

#[test]
fn commas_that_could_mean_either() {
    let csv = Csv::new;
    let list = |texts: &[&str], other: &[&str]| {
        let rows = texts.iter().zip(other).map(|(a, b)| format!("\"{a}\",\"{b}\"\n"));
        "a,b\n".to_owned() + &rows.collect::<String>()
    };
    let open = ["1,234", "5,678", "2,345", "1,100"];
    let (whole, points, commas) = (["1", "2", "3", "4"], ["1.5", "2.5", "3.5", "4.5"], ["1,5", "2,55", "3,5", "4,5"]);
    let value = |csv: Csv, texts: &[&str], other: &[&str]| read(&csv, &list(texts, other)).column("a").unwrap().number(0);
    refused(
        &csv(),
        list(&open, &whole).as_bytes(),
        &["line 2, column `a`", "`1,234`", "thousands `,` or decimal `,`", "category"],
    );
    assert_eq!(value(csv().thousands(','), &open, &whole), Some(1234.0));
    assert_eq!(value(csv().decimal('.'), &open, &whole), Some(1234.0));
    assert_eq!(value(csv().decimal(','), &open, &whole), Some(1.234));
    // Another column decides, or the column itself.
    assert_eq!(value(csv(), &open, &points), Some(1234.0));
    assert_eq!(value(csv(), &open, &commas), Some(1.234));
    for (texts, first) in [
        (["1,234", "1,234,567", "2,000", "3,000"], 1234.0),
        (["1,234", "5,6", "2,345", "1,100"], 1.234),
        (["1,234", "0,125", "2,345", "1,100"], 1.234),
        (["1,234", "950", "12,500", "80"], 1234.0),
        (["1,234", "5.5", "2,345", "1,100"], 1234.0),
    ] {
        assert_eq!(value(csv(), &texts, &whole), Some(first), "{texts:?}");
    }
    // Points between thousands: said by a decimal comma elsewhere, or by the flag; else they are decimal points.
    let thousands = ["1.234", "950", "12.500", "80"];
    assert_eq!(value(csv(), &thousands, &commas), Some(1234.0));
    assert_eq!(value(csv(), &thousands, &whole), Some(1.234));
    assert_eq!(value(csv().thousands('.'), &thousands, &whole), Some(1234.0));
    assert_eq!(value(csv(), &["1.234.567", "950", "12.500", "80"], &whole), Some(1_234_567.0));
    for (bad, part) in
        [(csv().decimal('x'), "decimal"), (csv().thousands('x'), "thousands"), (csv().decimal(',').thousands(','), "decimal")]
    {
        let error = bad.parse("t", b"a\n1\n").unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    // A column that a model knows leaves nothing open.
    let fitted = Prepare::new().only(["a"]).fit(&read(&csv().decimal(','), &list(&open, &whole))).unwrap();
    assert_eq!(read(&csv().as_in(&fitted), &list(&open[..1], &whole[..1])).column("a").unwrap().number(0), Some(1.234));
}
