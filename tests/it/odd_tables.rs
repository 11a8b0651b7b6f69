//! Tables as people have them: markers of missing values, numbers and dates in many spellings, wild values, headers and files of every sort. Each
//! with what must come of it: a kind, values, a note, or a refusal that says what to do.
#![cfg(feature = "tables")]
#![allow(clippy::unwrap_used)]

use std::io::Write;
use steepest::Error;
use steepest::data::{Csv, DateOrder, Kind, Prepare, Preprocessor, Table, Task, Unusable};

pub fn read(csv: &Csv, text: &str) -> Table {
    csv.parse("t.csv", text.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

#[track_caller]
pub fn refused(csv: &Csv, text: &[u8], parts: &[&str]) {
    let error = match csv.parse("t.csv", text) {
        Err(Error::Table(error)) => error.to_string(),
        other => panic!("expected Error::Table, got {other:?} of\n{}", String::from_utf8_lossy(text)),
    };
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in\n{error}");
    }
}

/// Thirty values of a kind, as texts.
pub fn column(kind: &str) -> Vec<String> {
    let value = |i: usize| match kind {
        "numbers" => format!("{}.5", i * 3),
        "whole" => (i * 7 % 30).to_string(),
        "money" => format!("$1,{:03}.25", i * 31 % 1000),
        "dates" => format!("2024-{:02}-{:02}", i % 12 + 1, i % 28 + 1),
        "texts" => ["red", "blue", "green"][i % 3].to_owned(),
        _ => ["yes", "no"][i % 2].to_owned(),
    };
    (0..30).map(value).collect()
}

/// A table of two columns, `a` and a plain number.
pub fn table(values: &[String]) -> String {
    let rows = values.iter().enumerate().map(|(i, value)| {
        let quoted = if value.contains([',', '"']) { format!("\"{value}\"") } else { value.clone() };
        format!("{quoted},{}\n", i * i % 13)
    });
    "a,b\n".to_owned() + &rows.collect::<String>()
}

/// What usually stands for a missing value; whether it does in a column of texts, too.
const MARKERS: [(&str, bool); 34] = [
    ("#N/A", true),
    ("#N/A N/A", true),
    ("#NA", true),
    ("-1.#IND", true),
    ("-1.#QNAN", true),
    ("-NaN", true),
    ("-nan", true),
    ("1.#IND", true),
    ("1.#QNAN", true),
    ("<NA>", true),
    ("N/A", true),
    ("NA", true),
    ("NULL", true),
    ("NaN", true),
    ("n/a", true),
    ("nan", true),
    ("null", true),
    ("NaT", true),
    ("None", false),
    ("none", false),
    ("NONE", false),
    ("Null", false),
    ("na", false),
    ("n.a.", false),
    ("N.A.", false),
    ("?", false),
    ("-", false),
    ("--", false),
    ("---", false),
    (".", false),
    ("..", false),
    ("\u{2013}", false),
    ("\u{2014}", false),
    ("#DIV/0!", false),
];

#[test]
fn markers_of_missing_values() {
    let mut cases = 0;
    for (marker, among_texts) in MARKERS {
        for (kind, expected) in [
            ("numbers", Kind::Number),
            ("whole", Kind::Number),
            ("money", Kind::Number),
            ("dates", Kind::Date),
            ("texts", Kind::Category),
            ("answers", Kind::YesNo),
        ] {
            let is_text = matches!(expected, Kind::Category | Kind::YesNo);
            // Once in front, in the middle, at the end; and in most of the rows.
            for rows in [vec![0], vec![14], vec![29], (0..20).collect::<Vec<_>>()] {
                let mut values = column(kind);
                rows.iter().for_each(|&row| values[row] = marker.to_owned());
                let found = read(&Csv::new(), &table(&values));
                let found = found.column("a").unwrap();
                let missing = !is_text || among_texts;
                let what = format!("`{marker}` among {kind} in {rows:?}");
                // With one more answer yes/no is a category.
                let expected = if expected == Kind::YesNo && !missing { Kind::Category } else { expected };
                assert_eq!(found.kind(), expected, "{what}");
                assert_eq!(found.missing(), if missing { rows.len() } else { 0 }, "{what}");
                let [told] = found.markers() else { panic!("{what}: {:?}", found.markers()) };
                assert_eq!((told.text.as_str(), told.rows, told.line), (marker, rows.len(), rows[0] as u64 + 2), "{what}");
                assert_eq!(told.missing, missing, "{what}");
                assert_eq!(found.number(if rows[0] == 29 { 5 } else { 29 }).is_some(), expected != Kind::Category, "{what}");
                cases += 1;
            }
        }
        // Without the list a single one among numbers is a mistake, and one's own list counts.
        let mut values = column("numbers");
        values[14] = marker.to_owned();
        let off = Csv::new().default_missing(false);
        refused(&off, table(&values).as_bytes(), &["line 16, column `a`", marker]);
        let own = read(&off.missing([marker]), &table(&values));
        assert_eq!((own.column("a").unwrap().kind(), own.column("a").unwrap().missing()), (Kind::Number, 1));
        // A column of nothing else is empty.
        let nothing = read(&Csv::new(), &table(&vec![marker.to_owned(); 12]));
        assert_eq!(nothing.column("a").unwrap().kind(), Kind::Empty, "{marker}");
    }
    assert_eq!(cases, 34 * 6 * 4);
    // One's own markers come on top, in any column; numbers by value.
    let csv = Csv::new().missing(["-999", "unknown"]);
    let found = read(&csv, "n,c\n1,x\n-999,unknown\n-999.0,y\nNA,x\n?,NA\n2,x\n");
    assert_eq!((found.column("n").unwrap().missing(), found.column("c").unwrap().missing()), (4, 2));
    assert_eq!(found.column("n").unwrap().kind(), Kind::Number);
}

#[test]
fn texts_among_numbers() {
    let with = |text: &str, rows: &[usize], many: bool| {
        let mut values: Vec<String> = (0..60).map(|i| if many { format!("{}.25", i * i) } else { (i % 4).to_string() }).collect();
        rows.iter().for_each(|&row| values[row] = text.to_owned());
        table(&values)
    };
    let six = [15, 20, 25, 30, 35, 40];
    // One text that comes again and again among many different numbers is no category; among few it may be.
    refused(
        &Csv::new(),
        with("abc", &six, true).as_bytes(),
        &["line 17, column `a`", "`abc`", "a number, as in 54 of 60 fields", "as missing"],
    );
    let category = read(&Csv::new(), &with("3+", &six, false));
    let category = category.column("a").unwrap();
    assert_eq!(category.kind(), Kind::Category);
    assert_eq!(category.note(), Some("54 of 60 fields are numbers, `3+` (line 17) is not; taken as a category"));
    refused(&Csv::new().strict(true), with("3+", &six, false).as_bytes(), &["line 17", "`3+`", "54 of 60"]);
    let known = read(&Csv::new().missing(["abc"]), &with("abc", &six, true));
    assert_eq!((known.column("a").unwrap().kind(), known.column("a").unwrap().missing()), (Kind::Number, 6));
    // Many texts: left as text, and said.
    let mut values: Vec<String> = (0..200).map(|i| (i * i).to_string()).collect();
    (0..60).for_each(|i| values[i * 3] = format!("A/5 {i}"));
    let tickets = read(&Csv::new(), &table(&values));
    let note = tickets.column("a").unwrap().note().unwrap().to_owned();
    assert_eq!(tickets.column("a").unwrap().kind(), Kind::Text);
    assert!(
        note.starts_with("140 of 200 fields are numbers, `A/5 0` (line 2) is not; ") && note.ends_with("left as text"),
        "{note}"
    );
    // The same of dates and of money.
    let mut values = column("dates");
    values[7] = "soon".to_owned();
    refused(&Csv::new(), table(&values).as_bytes(), &["line 9, column `a`", "`soon`", "a date, as in 29 of 30 fields"]);
    let mut values = column("money");
    values[7] = "free".to_owned();
    refused(&Csv::new(), table(&values).as_bytes(), &["line 9, column `a`", "`free`", "a number, as in 29 of 30 fields"]);
    // Texts that all differ are names.
    let names: Vec<String> = (0..12).map(|i| format!("Mazda {i}")).collect();
    assert_eq!(read(&Csv::new(), &table(&names)).column("a").unwrap().kind(), Kind::Text);
}

#[test]
fn dates_in_every_spelling() {
    // Days from 2023-11-02 on, 13 apart: some beyond the twelfth.
    let first = read(&Csv::new(), "d\n2023-11-02\n").column("d").unwrap().number(0).unwrap();
    let days: Vec<(u32, u32, u32)> = vec![
        (2023, 11, 2),
        (2023, 11, 15),
        (2023, 11, 28),
        (2023, 12, 11),
        (2023, 12, 24),
        (2024, 1, 6),
        (2024, 1, 19),
        (2024, 2, 1),
    ];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    type Write<'a> = &'a dyn Fn(u32, u32, u32) -> String;
    let writers: [(&str, Write); 10] = [
        ("iso", &|y, m, d| format!("{y}-{m:02}-{d:02}")),
        ("slashes", &|y, m, d| format!("{y}/{m}/{d}")),
        ("german", &|y, m, d| format!("{d:02}.{m:02}.{y}")),
        ("british", &|y, m, d| format!("{d}/{m}/{y}")),
        ("american", &|y, m, d| format!("{m}/{d}/{y}")),
        ("two digits", &|y, m, d| format!("{m:02}/{d:02}/{}", y % 100)),
        ("named", &|y, m, d| format!("{d} {} {y}", months[m as usize - 1])),
        ("named first", &|y, m, d| format!("{}. {d}, {y}", months[m as usize - 1])),
        ("with midnight", &|y, m, d| format!("{y}-{m:02}-{d:02}T00:00:00Z")),
        ("twelve hours", &|y, m, d| format!("{m}/{d}/{y} 12:00 AM")),
    ];
    for (what, write) in writers {
        let rows: String = days.iter().enumerate().map(|(i, &(y, m, d))| format!("\"{}\",{i}.5\n", write(y, m, d))).collect();
        let found = read(&Csv::new(), &format!("d,y\n{rows}?,1\n"));
        let column = found.column("d").unwrap();
        assert_eq!((column.kind(), column.missing()), (Kind::Date, 1), "{what}: {:?}", column.note());
        let numbers: Vec<f64> = (0..8).map(|row| column.number(row).unwrap()).collect();
        assert_eq!(numbers, (0..8).map(|i| first + 13.0 * f64::from(i)).collect::<Vec<_>>(), "{what}");
        assert!(column.note().unwrap().contains("dates from 2023-11-02 to 2024-02-01"), "{what}: {:?}", column.note());

        // Features: the order, the year, months and days of the week that occur; a missing date is none of it.
        let fitted = Prepare::new().target("y").dates(true).fit(&found).unwrap();
        let names = fitted.feature_names();
        assert_eq!(names[..6], ["d (days)", "d (year)", "d (month 1)", "d (month 2)", "d (month 11)", "d (month 12)"], "{what}");
        assert_eq!((names.len(), names[13].as_str()), (14, "d (was missing)"), "{what}: {names:?}");
        let features = fitted.features(&found).unwrap().values;
        let of = |row: usize| &features[row * 14..][..14];
        assert!(of(0)[0] < of(1)[0] && of(0)[1] < of(7)[1], "{what}");
        // 2023-11-02 was a Thursday, 2024-02-01 too.
        let thursday = names.iter().position(|name| name == "d (Thursday)").unwrap();
        assert_eq!((of(0)[thursday], of(1)[thursday], of(7)[thursday]), (1.0, 0.0, 1.0), "{what}");
        assert_eq!(of(8)[..13], [0.0; 13], "{what}");
        assert_eq!(of(8)[13], 1.0, "{what}");
        let back = Preprocessor::from_json("m", &fitted.to_json().unwrap()).unwrap();
        assert_eq!(back, fitted, "{what}");
        // A row alone, which says nothing about the order of day and month.
        let (y, m, d) = days[7];
        let alone = read(&Csv::new().as_in(&back), &format!("d\n\"{}\"\n", write(y, m, d)));
        assert_eq!(back.features(&alone).unwrap().values, of(7), "{what}");
        let error = back.features(&read(&Csv::new().as_in(&back), "d\nsoon\n")).unwrap_err().to_string();
        assert!(error.contains("line 2, column `d`: found `soon`, expected a date as in training"), "{what}: {error}");
        // No date is a class.
        let error = Prepare::new().target("d").fit(&found.rows(&[0, 1, 2, 3]).unwrap()).unwrap_err().to_string();
        assert!(error.contains("column `d`: found dates") && error.contains("days since"), "{what}: {error}");
    }
    // The hour, where it differs.
    let found = read(&Csv::new(), "t,y\n2024-05-31 06:00,1.5\n2024-05-31 18:00,2.5\n2024-05-31 12:00,3\n");
    let fitted = Prepare::new().target("y").task(Task::Regression).dates(true).fit(&found).unwrap();
    assert_eq!(fitted.feature_names(), ["t (days)", "t (hour, sine)", "t (hour, cosine)"]);
    assert!((fitted.features(&found).unwrap().values[1] - 1.0).abs() < 1e-12);
    // Day and month that could change places.
    let open = "d,y\n1/2/2024,1\n3/4/2024,2\n5/6/2024,3\n";
    let column = |csv: Csv| read(&csv, open).column("d").unwrap().clone();
    assert_eq!(column(Csv::new()).kind(), Kind::Text);
    assert!(column(Csv::new()).note().unwrap().contains("not known whether the day or the month comes first (`1/2/2024`)"));
    refused(&Csv::new().strict(true), open.as_bytes(), &["line 2, column `d`", "`1/2/2024`", "d/m/y", "m/d/y"]);
    let day = |order| column(Csv::new().date_order(order)).number(0).unwrap();
    assert_eq!(day(DateOrder::DayMonthYear) - day(DateOrder::MonthDayYear), 30.0);
}

#[test]
fn wild_values() {
    // What the others are, then what comes among them, and whether it is far outside.
    let calm: [(&str, &dyn Fn(usize) -> f64); 6] = [
        ("0 to 10", &|i| (i * 7 % 11) as f64),
        ("fractions", &|i| (i as f64 * 0.618).fract()),
        ("mostly zero", &|i| if i % 10 == 0 { (i % 7) as f64 } else { 0.0 }),
        ("flags", &|i| f64::from(u8::from(i % 3 == 0))),
        ("large", &|i| 1e6 + (i * 37 % 101) as f64),
        ("negative", &|i| -((i * 13 % 17) as f64) - 50.0),
    ];
    let fit = |values: &[f64], clip: Option<f64>| {
        let rows: String = values.iter().map(|x| format!("{x:e}\n")).collect();
        let table = read(&Csv::new(), &format!("x\n{rows}"));
        let prepare = clip.map_or(Prepare::new(), |clip| Prepare::new().clip(clip));
        let fitted = prepare.fit(&table).unwrap();
        let features = fitted.features(&table).unwrap().values;
        (table, fitted, features)
    };
    let mut cases = 0;
    for (what, of) in calm {
        let values: Vec<f64> = (0..100).map(of).collect();
        let (table, _, undisturbed) = fit(&values, Some(4.0));
        assert!(table.column("x").unwrap().far_outside().is_empty(), "{what}");
        for (wild, rows) in [
            (999_999_999.0, vec![50]),
            (-1e12, vec![0, 99]),
            (1e39, vec![7]),
            (-1e39, vec![7]),
            (-99_999_999.0, (0..20).map(|i| i * 5 + 1).collect()),
        ] {
            let mut with = values.clone();
            rows.iter().for_each(|&row| with[row] = wild);
            let (table, fitted, features) = fit(&with, Some(4.0));
            assert_eq!(table.column("x").unwrap().far_outside(), rows, "{what} with {wild}");
            let clipped = fitted.clipped(&table);
            assert_eq!((clipped[0].column.as_str(), rows.iter().all(|row| clipped[0].rows.contains(row))), ("x", true), "{what}");
            for row in 0..100 {
                let moved = (features[row] - undisturbed[row]).abs();
                match rows.contains(&row) {
                    true => assert_eq!(features[row], 4.0 * wild.signum(), "{what} with {wild}"),
                    // Scarcely moved, though the wild values are gone from mean and deviation.
                    false => {
                        assert!(moved < 0.35 || undisturbed[row].abs() > 2.5, "{what} with {wild}: row {row} moved by {moved}")
                    }
                }
            }
            let report = table.report();
            assert!(report.columns[0].note.as_ref().unwrap().contains("far outside the others"), "{what}: {report}");
            cases += 1;
        }
    }
    assert_eq!(cases, 30);
    // Long tails, two groups, years and a few rows are as they are.
    let natural: [(&str, &dyn Fn(usize) -> f64); 6] = [
        ("exponential", &|i| (i as f64 / 12.0).exp()),
        ("squares", &|i| (i * i) as f64),
        ("two groups", &|i| if i % 4 == 0 { 1000.0 + i as f64 } else { i as f64 / 10.0 }),
        ("one flag", &|i| f64::from(u8::from(i == 3))),
        ("fares", &|i| {
            [7.25, 8.05, 26.0, 71.28, 263.0, 512.33][if i > 98 {
                5
            } else if i > 90 {
                4
            } else {
                i % 4
            }]
        }),
        ("constant", &|_| 5.0),
    ];
    for (what, of) in natural {
        let rows: String = (0..100).map(|i| format!("{}\n", of(i))).collect();
        let far = read(&Csv::new(), &format!("x\n{rows}")).column("x").unwrap().far_outside();
        assert!(far.is_empty(), "{what}: {far:?}");
    }
    assert!(read(&Csv::new(), "x\n1\n2\n3\n999999\n").column("x").unwrap().far_outside().is_empty());
    // Unless it is asked for nothing is clipped, and all values count.
    let mut values: Vec<f64> = (0..100).map(|i| (i % 11) as f64).collect();
    values[4] = 999_999.0;
    let (table, fitted, features) = fit(&values, None);
    assert!(fitted.clipped(&table).is_empty() && features[4] > 9.0 && features[5].abs() < 0.2);
}

#[test]
fn headers_and_lines() {
    let ok = |what: &str, text: &str, names: &[&str], rows: usize, first_line: u64, note: &str| {
        let table = read(&Csv::new(), text);
        assert_eq!((table.names(), table.len(), table.line(0)), (names.to_vec(), rows, Some(first_line)), "{what}");
        let notes = table.notes().join("; ");
        assert!(notes.contains(note) && notes.is_empty() == note.is_empty(), "{what}: {notes}");
        assert!(table.columns().all(|column| column.text(0).is_some() || column.kind() == Kind::Empty), "{what}");
    };
    let unnamed = "Unnamed: 0";
    ok("pandas", ",a,b\n0,1,x\n1,2,y\n", &[unnamed, "a", "b"], 2, 2, "");
    ok("R", "\"\",\"a\",\"b\"\n\"1\",1,\"x\"\n\"2\",2,\"y\"\n", &[unnamed, "a", "b"], 2, 2, "");
    ok("R without a name", "\"a\",\"b\"\n\"1\",1,\"x\"\n\"2\",2,\"y\"\n", &[unnamed, "a", "b"], 2, 2, "a name less");
    ok("R with names of rows", "mpg,cyl\nMazda RX4,21,6\nDatsun 710,22.8,4\n", &[unnamed, "mpg", "cyl"], 2, 2, "a name less");
    ok(
        "comments in front",
        "# made by hand\n# in 2024\na,b\n1,x\n",
        &["a", "b"],
        1,
        4,
        "2 lines beginning with `#`, the first line 1",
    );
    ok("a comment that looks like names", "# a, b\na,b\n1,x\n", &["a", "b"], 1, 3, "1 line beginning with `#`");
    ok(
        "comments between",
        "a,b\n1,x\n# no more, of it, here\n2,y\n# end\n",
        &["a", "b"],
        2,
        2,
        "2 lines beginning with `#`, the first line 3",
    );
    ok("a name with a mark", "#id,b\n1,x\n2,y\n", &["#id", "b"], 2, 2, "");
    ok("a value with a mark", "a,b\n#1,x\n#2,y\n", &["a", "b"], 2, 2, "");
    ok(
        "a title",
        "Sales of 2024\na,b,c\n1,2,x\n3,4,y\n",
        &["a", "b", "c"],
        2,
        3,
        "line 1 above the header: skipped (`Sales of 2024`)",
    );
    ok("a padded title", "Sales of 2024,,\n,,\na,b,c\n1,2,x\n3,4,y\n", &["a", "b", "c"], 2, 4, "lines 1 to 2 above the header");
    ok("a title of two fields", "Sales,2024\nBerlin\na,b,c,d\n1,2,x,y\n3,4,y,z\n", &["a", "b", "c", "d"], 2, 4, "lines 1 to 2");
    ok("separator", "sep=;\na;b\n1;x\n2;y\n", &["a", "b"], 2, 3, "");
    ok("separator, CRLF", "\u{feff}sep=|\r\na|b\r\n1|x\r\n", &["a", "b"], 1, 3, "");
    ok("lines of spaces", "a,b\n  \n1,x\n\t \n2,y\n   ", &["a", "b"], 2, 3, "");
    ok("separators at the ends", "a,b,\n1,x,\n2,y,\n", &["a", "b"], 2, 2, "1 column without a name and without a value");
    ok("separators at the ends of rows", "a,b\n1,x,\n2,y,\n", &["a", "b"], 2, 2, "1 column without a name");
    ok("one column with a gap", "a\n1\n\"\"\n3\n", &["a"], 3, 2, "");
    for (what, text, parts) in [
        ("no name", "a,,c\n1,2,3\n", &["line 1, column `2`", "no name"][..]),
        ("no name far down", &("a,\n".to_owned() + &"1,\n".repeat(100) + "1,5\n"), &["line 1, column `2`", "no name"]),
        ("a short header", "a,b\n1,2,3\n7,8,9\n", &["line 2", "3 fields"]),
        ("a short row", "a,b,c\n1,2,3\n4,5\n", &["line 3", "2 fields"]),
        ("a long header", "name,city,age\nbob,paris\ntim,rome\n", &["line 2", "2 fields"]),
        ("only a comment", "# nothing\n", &["found nothing"]),
        ("only a header", "# nothing\na,b\n", &["no rows"]),
    ] {
        let error = Csv::new().parse("t.csv", text.as_bytes()).expect_err(what).to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{what}: {error}");
    }
    // What only counts the rows.
    let counts = |of: &dyn Fn(usize) -> usize, rows: usize| {
        let text: String = (0..rows).map(|i| format!("{}\n", of(i))).collect();
        read(&Csv::new(), &format!("x\n{text}")).column("x").unwrap().counts_rows()
    };
    assert!(counts(&|i| i + 1, 12) && counts(&|i| i, 12) && counts(&|i| 1000 + i, 30) && counts(&|i| i * 7 % 30, 30));
    assert!(!counts(&|i| i + 1, 9) && !counts(&|i| 2000 + i, 24) && !counts(&|i| 2 * i, 30) && !counts(&|i| i * 7 % 12, 12));
}

#[test]
fn files_of_another_kind_are_named() {
    let table = "a,b\n1,x\n2,y\n3,x\n";
    let utf16 =
        |big: bool| table.encode_utf16().flat_map(|c| if big { c.to_be_bytes() } else { c.to_le_bytes() }).collect::<Vec<u8>>();
    let with = |start: &[u8]| [start, &[0, 1, 2, 3, 0xff, 0xfe][..], &[0; 300]].concat();
    let sheet = with(b"PK\x03\x04\x14\0\x06\0[Content_Types].xml");
    let tar = [&b"t.csv"[..], &[0; 252], b"ustar\0"].concat();
    for (bytes, found, advice) in [
        (utf16(false), "UTF-16 text without a byte order mark (UTF-16LE)", "iconv -f UTF-16LE -t UTF-8 t.csv"),
        (utf16(true), "UTF-16 text without a byte order mark (UTF-16BE)", "iconv -f UTF-16BE -t UTF-8 t.csv"),
        ([&[0xff, 0xfe][..], &utf16(false)].concat(), "UTF-16", "iconv"),
        (sheet, "an Excel file (.xlsx)", "save the sheet as CSV"),
        (
            with(b"PK\x03\x04\x14\0\0\0mimetypeapplication/vnd.oasis.opendocument.spreadsheet"),
            "LibreOffice",
            "save the sheet as CSV",
        ),
        (with(b"PK\x03\x04\x14\0\0\0t.csv"), "a ZIP archive", "unzip t.csv"),
        (with(b"PAR1"), "a Parquet file", "read_parquet('t.csv')"),
        (with(b"ARROW1"), "a Feather", "read_feather"),
        (with(b"SQLite format 3\0"), "a SQLite database", "sqlite3"),
        (b"%PDF-1.7\n%abc".to_vec(), "a PDF document", "spreadsheet"),
        (with(b"\x89PNG\r\n\x1a\n"), "a PNG picture", "right file"),
        (with(b"\xff\xd8\xff\xe0"), "a JPEG picture", "right file"),
        (with(b"\xd0\xcf\x11\xe0\xa1\xb1"), "an old Excel", "save the sheet"),
        (with(b"\x89HDF\r\n\x1a\n"), "an HDF5 file", "read_hdf"),
        (with(b"\x93NUMPY\x01"), "a NumPy array", "numpy.savetxt"),
        (with(b"\x80\x04\x95"), "a Python pickle", "CSV"),
        (with(b"RDX3\nX\n"), "an R workspace", "write.csv"),
        (with(b"BZh91AY&SY"), "bzip2", "bunzip2"),
        (with(b"\xfd7zXZ\0"), "xz", "unxz"),
        (with(b"\x28\xb5\x2f\xfd"), "zstd", "unzstd"),
        (with(b"7z\xbc\xaf\x27\x1c"), "7-Zip", "7z x"),
        (tar, "a tar archive", "tar -xf"),
        (b"<!DOCTYPE html><html></html>".to_vec(), "a web page", "download the file itself"),
        (b"[{\"a\": 1}]".to_vec(), "JSON", "read_json"),
        (b"{\"a\": [1]}".to_vec(), "JSON", "read_json"),
        (b"<?xml version=\"1.0\"?>".to_vec(), "XML", "CSV"),
        (b"version https://git-lfs.github.com/spec/v1\n".to_vec(), "Git LFS", "git lfs pull"),
        (vec![0x1f, 0x8b, 8, 0, 0], "a gzip file that is damaged or cut off", "complete"),
    ] {
        refused(&Csv::new(), &bytes, &[found, advice, "expected a table as UTF-8 text"]);
    }
    // Words that begin so are words.
    for name in ["PAR1", "ARROW1", "GIF8", "BZh", "SEP"] {
        assert_eq!(read(&Csv::new(), &format!("{name},b\n1,x\n")).names(), [name, "b"]);
    }
    // Packed: read as what it holds, also in parts; and what is packed in it is named.
    let packed = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let plain = read(&Csv::new(), table);
    for bytes in [packed(table.as_bytes()), [packed(&table.as_bytes()[..5]), packed(&table.as_bytes()[5..])].concat()] {
        assert_eq!(Csv::new().parse("t.csv", &bytes).unwrap(), plain);
    }
    let mark = packed(&[b"\xef\xbb\xbf", table.as_bytes()].concat());
    assert_eq!(Csv::new().parse("t.csv", &mark).unwrap(), plain);
    refused(&Csv::new(), &packed(&with(b"PAR1")), &["a Parquet file, in a gzip file"]);
}

#[test]
fn categories_beyond_the_bound_share_a_feature() {
    // Category i has i rows, from 1 to 40.
    let rows: String = (1..=40).flat_map(|i| std::iter::repeat_n(format!("c{i:02},{}\n", i % 3), i)).collect();
    let table = read(&Csv::new(), &format!("c,y\n{rows}"));
    let names = |most: usize| Prepare::new().only(["c"]).most_categories(most).fit(&table).unwrap();
    assert_eq!(names(40).width(), 40);
    assert!(names(40).grouped().is_empty());
    let fitted = names(5);
    assert_eq!(fitted.feature_names(), ["c=c36", "c=c37", "c=c38", "c=c39", "c=c40", "c=(rare)"]);
    assert_eq!(fitted.grouped(), [("c", 5, 35)]);
    // Once there are too many, those with one row are among the others.
    assert_eq!((names(39).grouped(), names(3).grouped()), (vec![("c", 39, 1)], vec![("c", 3, 37)]));
    let features = fitted.features(&table).unwrap();
    assert!(features.values.chunks(6).all(|row| row.iter().sum::<f64>() == 1.0) && features.notes.is_empty());
    assert_eq!(features.values[..6], [0., 0., 0., 0., 0., 1.]);
    // Of as many with just as many rows the first.
    let even: String = (0..30).flat_map(|i| std::iter::repeat_n(format!("c{i:02},1\n"), 4)).collect();
    let table = read(&Csv::new(), &format!("c,y\n{even}"));
    let fitted = Prepare::new().only(["c"]).most_categories(3).empty(Unusable::LeaveOut).fit(&table).unwrap();
    assert_eq!(fitted.feature_names(), ["c=c00", "c=c01", "c=c02", "c=(rare)"]);
}

/// As one index, where asked: the number of the category, 0 for what is rare or was not there, the last for missing; behind all other features.
#[test]
fn many_categories_are_one_index_where_asked() {
    // Category i has i rows, from 1 to 9, and one row has none.
    let rows: String = (1..=9).flat_map(|i| std::iter::repeat_n(format!("c{i},{},k{},{}\n", i % 4, i % 2, i % 3), i)).collect();
    let table = read(&Csv::new(), &format!("c,x,k,y\n{rows},3,k1,2\n"));
    let prepare = Prepare::new().target("y");
    let (plain, fitted) = (prepare.fit(&table).unwrap(), prepare.clone().index_above(4).fit(&table).unwrap());
    assert_eq!((plain.width(), plain.indices()), (13, vec![]));
    assert_eq!(fitted.feature_names(), ["x", "k=k0", "k=k1", "c"]);
    assert_eq!((fitted.indices(), fitted.grouped()), (vec![("c", 11)], vec![]));
    let (wide, narrow) = (plain.features(&table).unwrap().values, fitted.features(&table).unwrap().values);
    for (wide, narrow) in wide.chunks(13).zip(narrow.chunks(4)) {
        // Features in the order of the columns: ten of `c`, then the others.
        let one = wide[..10].iter().position(|&x| x == 1.0).unwrap();
        assert_eq!((narrow[3], &narrow[..3]), ((one + 1) as f64, &wide[10..]));
    }
    let new = read(&Csv::new().as_in(&fitted), "c,x,k\nc1,0,k0\nc9,0,k0\n,0,k0\nnever,0,k0\n");
    let features = fitted.features(&new).unwrap();
    assert_eq!(features.values.iter().skip(3).step_by(4).copied().collect::<Vec<_>>(), [1.0, 9.0, 10.0, 0.0]);
    assert!(features.notes.len() == 1 && features.notes[0].contains("`never`"), "{:?}", features.notes);
    // The rare ones are 0 too; few enough that are left have a feature each.
    let rare = prepare.clone().most_categories(6).index_above(4).fit(&table).unwrap();
    assert_eq!((rare.indices(), rare.grouped()), (vec![("c", 8)], vec![("c", 6, 3)]));
    let values = rare.features(&new).unwrap().values;
    assert_eq!(values.iter().skip(3).step_by(4).copied().collect::<Vec<_>>(), [0.0, 6.0, 7.0, 0.0]);
    assert!(prepare.clone().most_categories(4).index_above(4).fit(&table).unwrap().indices().is_empty());
    // It is saved so that a program of before refuses it, and comes back; only plain columns come before an index.
    let json = fitted.to_json().unwrap();
    assert!(json.contains("\"version\":3") && plain.to_json().unwrap().contains("\"version\":1"));
    assert_eq!(Preprocessor::from_json("m", &json).unwrap(), fitted);
    let mut moved: serde_json::Value = serde_json::from_str(&json).unwrap();
    moved["columns"].as_array_mut().unwrap().rotate_right(1);
    let error = Preprocessor::from_json("m", &moved.to_string()).unwrap_err().to_string();
    assert!(error.contains("features after the first index"), "{error}");
}

/// Cuts and flips: a table or an error, and what is a table can be prepared and read again, or is refused; never a panic.
#[test]
fn odd_tables_survive_cuts_and_flips() {
    let rows: String = (0..12).map(|i| format!("{i};\"1.{i:03},5 €\";{}.5.2024 12:30;{i}%;(7)\n", i + 9)).collect();
    let good = format!("sep=;\n# comment\nTitle\n;a;d;p;n\n{rows}");
    let attempt = |bytes: &[u8]| {
        let Ok(table) = Csv::new().parse("t", bytes) else { return };
        let _ = table.report().to_string();
        if let Ok(fitted) = Prepare::new().dates(true).clip(4.0).empty(Unusable::LeaveOut).fit(&table) {
            let again = Csv::new().as_in(&fitted).parse("t", bytes);
            assert!(again.is_ok_and(|again| fitted.features(&again).is_ok()), "{}", String::from_utf8_lossy(bytes));
        }
    };
    (0..good.len()).for_each(|cut| attempt(&good.as_bytes()[..cut]));
    for at in 0..good.len() {
        for to in *b"\0\n\r\t \"#%()+,-./0159:;=NaT?e\xe2\xff" {
            let mut bytes = good.as_bytes().to_vec();
            bytes[at] = to;
            attempt(&bytes);
        }
    }
}

/// What was saved before formats and dates were known is read as ever.
#[test]
fn models_of_before_are_read() {
    let before = r#"{"version":1,"columns":[{"name":"x","encoding":{"number":{"fill":2.0,"shift":2.0,"scale":4.0,"clip":4.0}},"was_missing":false},
        {"name":"c","encoding":{"category":{"categories":["None","b"],"rare":null,"missing":"own"}},"was_missing":false}],
        "left_out":[],"unknown":"note","target":{"values":{"columns":["y"],"shift":[0.0],"scale":[1.0]}}}"#;
    let fitted = Preprocessor::from_json("m", before).unwrap();
    // `NA` is missing, `None` a category, `?` no number.
    let table = read(&Csv::new().as_in(&fitted), "x,c,y\n10,None,1\n?,NA,2\n1e9,b,3\n");
    let features = fitted.features(&table).unwrap().values;
    assert_eq!(features, [2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 4.0, 0.0, 1.0, 0.0]);
    assert_eq!(fitted.dataset(&table).unwrap().0.len(), 3);
    assert!(fitted.to_json().unwrap().contains("\"version\":1"));
    let newer = before.replace("\"version\":1", "\"version\":4");
    let error = Preprocessor::from_json("m", &newer).unwrap_err().to_string();
    assert!(error.contains("version 4") && error.contains("newer program"), "{error}");
}
