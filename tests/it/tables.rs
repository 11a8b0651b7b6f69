//! Tables: what the reader gives and refuses, and what is prepared from it.
#![cfg(feature = "tables")]
#![allow(clippy::unwrap_used)]

use std::path::Path;
use steepest::data::{
    self, Csv, Impute, Kind, Labels, Prepare, Preprocessor, Scale, Table, Target, Task, Unknown, Unusable, cross_validate,
};
use steepest::error::TableError;
use steepest::{Error, Result};

fn table(text: &str) -> Table {
    Table::parse("t.csv", text.as_bytes()).unwrap()
}

/// The parts of an error about a table; each must say something.
fn refused<T: std::fmt::Debug>(result: Result<T>) -> TableError {
    match result {
        Err(Error::Table(error)) => {
            assert!(!error.found.is_empty() && !error.expected.is_empty() && !error.advice.is_empty(), "{error}");
            *error
        }
        other => panic!("expected Error::Table, got {other:?}"),
    }
}

fn misconfigured<T: std::fmt::Debug>(result: Result<T>, expected: &str) {
    match result {
        Err(error @ Error::Config { .. }) if error.to_string().contains(expected) => {}
        other => panic!("expected Error::Config with `{expected}`, got {other:?}"),
    }
}

// ---- Reading ----

#[test]
fn kinds_are_inferred() {
    let rows: String =
        (0..60).map(|i| format!("{i},{i}.5,{},name {i},2024-01-{:02},Y,x,,1\n", ["a", "b"][i % 2], i % 28 + 1)).collect();
    let text = format!("id,num,cat,name,day,yes,one,none,const\n{rows}");
    let read = table(&text);
    let kinds: Vec<Kind> = read.columns().map(|c| c.kind()).collect();
    use Kind::*;
    // Nothing but Y is no answer; with N it is.
    assert_eq!(kinds, [Number, Number, Category, Text, Date, Category, Category, Empty, Number]);
    assert_eq!(read.column("day").unwrap().note(), Some("dates from 2024-01-01 to 2024-01-28"));
    assert!(read.column("name").unwrap().note().unwrap().contains("60 different texts"));
    for (text, kind) in [
        ("Y\nn", YesNo),
        ("True\nFALSE", YesNo),
        ("yes\nYes", YesNo),
        ("t\nf", YesNo),
        ("f\nm", Category),
        ("yes\nfalse", Category),
        ("1\n0", Number),
        ("-1.5e3\n+.5\n7.", Number),
        ("31.12.2024\n1.1.2025", Date),
        ("2024-05-31T12:30:00Z\n2024-06-01 00:00", Date),
        ("1.2.3.4\n5.6.7.8", Category),
        ("1-2\n3-4", Category),
        ("0x10\n1_000", Category),
        ("inf\na", Category),
    ] {
        assert_eq!(table(&format!("c\n{text}\n")).column("c").unwrap().kind(), kind, "{text}");
    }
    assert_eq!(table("c\nYes\nno\n").column("c").unwrap().number(0), Some(1.0));
    // Numbers among categories are said.
    let mixed = table("c\n1\n2\n3+\n3+\n4+\n");
    assert_eq!(mixed.column("c").unwrap().note(), Some("2 of 5 fields are numbers, `3+` (line 4) is not; taken as a category"));
}

#[test]
fn ways_to_write_a_table() {
    let expected = vec![vec!["1", "x"], vec!["2", "y z"]];
    for (what, text) in [
        ("plain", "a,b\n1,x\n2,y z\n"),
        ("no end", "a,b\n1,x\n2,y z"),
        ("mark", "\u{feff}a,b\n1,x\n2,y z\n"),
        ("crlf", "a,b\r\n1,x\r\n2,y z\r\n"),
        ("mixed", "a,b\r\n1,x\n2,y z\r"),
        ("cr", "a,b\r1,x\r2,y z\r"),
        ("spaces", " a , b\n 1,x \n2 , y z\n"),
        ("quotes", "\"a\",\"b\"\n\"1\",\"x\"\n2,\"y z\"\n"),
        ("empty lines", "\na,b\n\n1,x\r\n\r\n2,y z\n\n\n"),
    ] {
        let read = table(text);
        assert_eq!(read.names(), ["a", "b"], "{what}");
        let fields: Vec<Vec<&str>> = (0..read.len()).map(|r| read.columns().map(|c| c.text(r).unwrap()).collect()).collect();
        assert_eq!(fields, expected, "{what}");
    }
    let quoted = table("a,b\n1,\"x, \"\"y\"\"\nz\"\n2,w\n");
    assert_eq!(quoted.column("b").unwrap().text(0), Some("x, \"y\"\nz"));
    // Lines are those of the file, behind fields of two lines and empty lines too.
    assert_eq!((quoted.line(0), quoted.line(1), quoted.line(2)), (Some(2), Some(4), None));
    let read = table("\r\na,b\r\n\r\n\r\n1,x\r\n2,y\r\n");
    assert_eq!((read.line(0), read.line(1)), (Some(5), Some(6)));
    let read = table("a,b\r1,x\r\r2,y\r");
    assert_eq!((read.line(0), read.line(1)), (Some(2), Some(4)));

    let semicolons = Csv::new().delimiter(b';').parse("t", b"a;b\n1,5;2\n").unwrap();
    assert_eq!(semicolons.column("a").unwrap().text(0), Some("1,5"));
    let bare = Csv::new().header(false).parse("t", b"1,x\n2,y\n").unwrap();
    assert_eq!((bare.names(), bare.len(), bare.line(0)), (vec!["column1", "column2"], 2, Some(1)));
    let years = Csv::new().header(true).parse("t", b"2001,2002\n1,2\n").unwrap();
    assert_eq!(years.names(), ["2001", "2002"]);
}

#[test]
fn missing_values() {
    let read = table("n,c\n1,NA\n,x\nNA,NaN\nnan,None\n2, \n");
    assert_eq!(read.column("n").unwrap().missing(), 3);
    assert_eq!(read.column("c").unwrap().missing(), 3, "None is a category");
    let own = Csv::new().missing(["?", "-"]).default_missing(false).parse("t", b"n,c\n?,NA\n-,x\n3,\n").unwrap();
    assert_eq!((own.column("n").unwrap().missing(), own.column("c").unwrap().missing()), (2, 1));
    assert_eq!(own.column("n").unwrap().number(2), Some(3.0));

    let rows = read.without_missing_rows(&["n"]).unwrap();
    assert_eq!((rows.len(), rows.line(1)), (2, Some(6)));
    assert_eq!(read.without_missing_rows(&[] as &[&str]).unwrap().len(), 0);
    assert_eq!(read.without_missing_columns(0.5).names(), Vec::<&str>::new());
    assert_eq!(read.without_missing_columns(0.6).names(), ["n", "c"]);
    assert_eq!(read.without(&["n"]).unwrap().names(), ["c"]);
    assert!(refused(read.without(&["m"])).found.contains("no such column among `n`, `c`"));
    misconfigured(read.rows(&[5]), "row 5 is out of range 0..5");
}

/// Every refusal: line, column, what was found, what to do.
#[test]
fn malformed_tables_are_refused_by_place() {
    let with = Csv::new;
    for (what, csv, text, line, column, found, advice) in [
        ("empty", with(), &b""[..], Some(1), None, "nothing", "right file"),
        ("only a mark", with(), b"\xef\xbb\xbf", Some(1), None, "nothing", "right file"),
        ("header only", with(), b"a,b\n", Some(2), None, "no rows", "complete"),
        ("no header", with(), b"1,2\n3,4\n", Some(1), None, "only numbers (`1`)", "no header"),
        ("no name", with(), b"a,,c\n1,2,3\n", Some(1), Some("2"), "no name", "name"),
        ("twice", with(), b"a,b,a\n1,2,3\n", Some(1), Some("3"), "the name `a` again, which column 1 has", "rename"),
        ("short", with(), b"a,b,c\n1,2,3\n4,5\n", Some(3), Some("c"), "2 fields", "complete"),
        ("long", with(), b"a,b\n1,2\n\n4,5,6\n", Some(4), None, "3 fields, the first too many `6`", "quotes"),
        ("open quote", with(), b"a,b\n1,\"x\n2,y\n", Some(2), Some("b"), "never closed", "close"),
        ("open at end", with(), b"a,b\n1,2\n2,\"", Some(3), Some("b"), "never closed", "close"),
        ("after quote", with(), b"a,b\n1,\"x\"y\n", Some(2), Some("b"), "text after a closing quote", "\"\""),
        ("nul", with(), b"a,b\n1,2\n3,x\0\n", Some(3), Some("b"), "a NUL byte", "text file"),
        ("nul in header", with(), b"a,b\0\n1,2\n", Some(1), Some("2"), "a NUL byte", "text file"),
        ("latin 1", with(), b"a,b\nx,1\n\"caf\xe9\",2\n", Some(3), Some("a"), "the byte e9", "UTF-8"),
        ("utf 16", with(), b"\xff\xfea\0,\0b\0", None, None, "UTF-16", "UTF-8"),
        ("1e999", with(), b"a\n1\n1e999\n", Some(3), Some("a"), "`1e999`", "finite"),
        ("inf", with(), b"a\n1\n-inf\n3\n4\n", Some(3), Some("a"), "`-inf`", "finite"),
        ("Infinity", with(), b"a\nInfinity\n2\n", Some(2), Some("a"), "`Infinity`", "finite"),
        ("all infinite", with(), b"a\ninf\ninf\n", Some(2), Some("a"), "`inf`", "finite"),
        ("NAN", with(), b"a\n1\n2\nNAN\n", Some(4), Some("a"), "`NAN`", "missing"),
        ("text among numbers", with(), b"a,b\n1,1\n2,1\nx,1\n", Some(4), Some("a"), "`x`", "declare"),
        ("declared number", with().kind("a", Kind::Number), b"a\nx\ny\n", Some(2), Some("a"), "`x`", "correct"),
        ("declared answer", with().kind("a", Kind::YesNo), b"a\nyes\nmaybe\n", Some(3), Some("a"), "`maybe`", "correct"),
        ("declared empty", with().kind("a", Kind::Empty), b"a\nNA\n1\n", Some(3), Some("a"), "`1`", "declare"),
        ("declared nothing", with().kind("b", Kind::Number), b"a\n1\n", Some(1), Some("b"), "no such column", "spelling"),
        ("semicolons", with(), b"a;b\n1;2\n", Some(1), None, "one column `a;b`", "delimiter to `;`"),
        ("tabs", with(), b"a\tb\n1\t2\n", Some(1), None, "one column", "a tab"),
    ] {
        let error = refused(csv.parse("t.csv", text));
        assert_eq!(error.path, Path::new("t.csv"), "{what}");
        assert_eq!((error.line, error.column.as_deref()), (line, column), "{what}: {error}");
        assert!(error.found.contains(found) && error.advice.contains(advice), "{what}: {error}");
    }
    let error = refused(Table::parse("dir/t.csv", b"age,b\n1,1\n2,1\nx,1\n")).to_string();
    assert_eq!(
        error,
        "dir/t.csv: line 4, column `age`: found `x`, expected a number, as in 2 of 3 fields; correct it, name it as missing, or \
         declare the column a category"
    );
    misconfigured(Csv::new().delimiter(b'"').parse("t", b"a\n1\n"), "delimiter");
    assert!(matches!(Table::read("no/such.csv"), Err(Error::File { path, .. }) if path == Path::new("no/such.csv")));
    // One in twenty is a mistake, more is a category.
    let mostly = |odd: usize| format!("a\n{}{}", "1\n2\n".repeat((60 - odd) / 2), "x\n".repeat(odd));
    assert!(Table::parse("t", mostly(2).as_bytes()).is_err());
    assert_eq!(table(&mostly(4)).column("a").unwrap().kind(), Kind::Category);
}

/// Cuts and flips: a table that fits what was given, or an error; never a panic.
#[test]
fn tables_survive_cuts_and_flips() {
    let good = b"\xef\xbb\xbfa,\"b \"\"c\",d\r\n1,x,\"y\nz\"\r\n2.5,NA,w\n";
    for cut in 0..good.len() {
        let _ = Table::parse("t", &good[..cut]);
    }
    for at in 0..good.len() {
        for to in 0..=255u8 {
            let mut bytes = good.to_vec();
            bytes[at] = to;
            if let Ok(read) = Table::parse("t", &bytes) {
                assert!(read.len() <= 4 && read.columns().all(|c| c.text(read.len()).is_none()));
                let _ = Prepare::new().empty(Unusable::LeaveOut).fit(&read);
            }
        }
    }
}

#[test]
fn reports() {
    let read = table("n,c,e\n3,x,\n1,y,\n,x,\n1,NA,\n");
    let report = read.report();
    assert_eq!(report.rows, 4);
    let n = &report.columns[0];
    assert_eq!((n.count, n.missing, n.distinct, n.most_frequent.clone()), (3, 1, 2, Some(("1".to_owned(), 2))));
    let f = n.numbers.unwrap();
    assert_eq!((f.min, f.median, f.max), (1.0, 1.0, 3.0));
    assert!((f.mean - 5.0 / 3.0).abs() < 1e-15 && (f.std - (8.0f64 / 9.0).sqrt()).abs() < 1e-15);
    let c = &report.columns[1];
    assert_eq!((c.count, c.missing, c.distinct, c.most_frequent.clone()), (3, 1, 2, Some(("x".to_owned(), 2))));
    assert_eq!(report.columns[2].note.as_deref(), Some("nothing but missing values"));
    let text = report.to_string();
    assert!(text.starts_with("t.csv: 4 rows, 3 columns\ncolumn  kind      count  missing"), "{text}");
    assert!(text.contains("n       number        3        1         2    1  1.6667    3"), "{text}");
    let ids: String = (0..30).map(|i| format!("{i},7\n")).collect();
    let report = table(&format!("id,k\n{ids}")).report();
    assert!(report.columns[0].note.as_deref().unwrap().contains("another value in every row"));
    assert_eq!(report.columns[1].note.as_deref(), Some("one value only"));
    // For programs.
    assert_eq!(serde_json::to_value(&report).unwrap()["columns"][1]["numbers"]["max"], 7.0);
}

#[test]
fn columns_that_give_the_target_away() {
    let rows: String = (0..40).map(|i| format!("{},{},{},{},{i}\n", i % 2, ["no", "yes"][i % 2], i % 3, 2 * i + 1)).collect();
    let read = table(&format!("y,alive,c,twice,value\n{rows}"));
    let names = |found: Vec<(String, String)>| found.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(read.giveaways("y").unwrap()), ["alive"]);
    assert_eq!(names(read.giveaways("value").unwrap()), ["twice"]);
    assert!(read.giveaways("c").unwrap().is_empty());
}

// ---- Preparing ----

const TRAIN: &str =
    "age,sex,deck,open,day,price\n20,f,A,yes,2024-01-01,1\n,m,B,no,2024-01-02,2\n40,m,,yes,2024-01-03,3\n60,f,A,,2024-01-04,6\n";

#[test]
fn features_and_their_names() {
    let train = table(TRAIN);
    let fitted = Prepare::new().target("price").numbers(Impute::Mean).fit(&train).unwrap();
    assert_eq!(
        fitted.feature_names(),
        ["age", "age (was missing)", "sex=f", "sex=m", "deck=A", "deck=B", "deck=(missing)", "open", "open (was missing)"]
    );
    assert_eq!(fitted.left_out()[0].column, "day");
    let features = fitted.features(&train).unwrap();
    let s = (800.0f64 / 4.0).sqrt();
    assert_eq!(
        features.values[..18],
        [-20.0 / s, 0., 1., 0., 1., 0., 0., 1., 0., 0., 1., 0., 1., 0., 1., 0., 0., 0.],
        "{features:?}"
    );
    assert_eq!(features.values[18..][4..9], [0., 0., 1., 1., 0.]);
    assert_eq!(features.values[27..][7..], [1.0, 1.0], "the most frequent answer, and that it was missing");
    assert!(features.notes.is_empty());

    // Each way to fill in.
    let age = |prepare: Prepare| {
        prepare.only(["age"]).scale(Scale::None).was_missing(false).fit(&train).unwrap().features(&train).unwrap().values
    };
    for (impute, value) in
        [(Impute::Mean, 40.0), (Impute::Median, 40.0), (Impute::MostFrequent, 20.0), (Impute::Number(-1.0), -1.0)]
    {
        assert_eq!(age(Prepare::new().numbers(impute.clone())), [20.0, value, 40.0, 60.0], "{impute:?}");
        assert_eq!(age(Prepare::new().impute("age", impute)), [20.0, value, 40.0, 60.0]);
    }
    let deck = |impute| Prepare::new().only(["deck"]).categories(impute).was_missing(false).fit(&train).unwrap();
    assert_eq!(deck(Impute::MostFrequent).features(&train).unwrap().values, [1., 0., 0., 1., 1., 0., 1., 0.]);
    assert_eq!(deck(Impute::Text("U".into())).feature_names(), ["deck=A", "deck=B", "deck=U"]);
    assert_eq!(deck(Impute::Text("U".into())).features(&train).unwrap().values[6..9], [0., 0., 1.]);
    let sex = Prepare::new().only(["sex"]).categories(Impute::OwnAlways).fit(&train).unwrap();
    assert_eq!(sex.feature_names(), ["sex=f", "sex=m", "sex=(missing)"]);
    let filled = Prepare::new().only(["deck"]).categories(Impute::MostFrequent).fit(&train).unwrap();
    assert_eq!(filled.feature_names(), ["deck=A", "deck=B", "deck (was missing)"]);
    assert_eq!(filled.features(&train).unwrap().values[6..9], [1., 0., 1.]);
    let minmax = Prepare::new().only(["age"]).scale(Scale::MinMax).was_missing(false).fit(&train).unwrap();
    assert_eq!(minmax.features(&train).unwrap().values, [0.0, 0.5, 0.5, 1.0]);
    let column = Prepare::new().only(["age", "price"]).scale_column("price", Scale::None).fit(&train).unwrap();
    assert_eq!(column.features(&train).unwrap().values[2], 1.0);
    let codes = Prepare::new().only(["price"]).as_category(["price"]).fit(&train).unwrap();
    assert_eq!(codes.feature_names(), ["price=1", "price=2", "price=3", "price=6"]);
    let day = Prepare::new().only(["day"]).fit(&train).unwrap();
    assert_eq!(day.width(), 4);

    misconfigured(Prepare::new().numbers(Impute::Own).fit(&train), "column `age` is of kind number: Own does not fit");
    misconfigured(Prepare::new().categories(Impute::Mean).fit(&train), "column `sex` is of kind category: Mean does not fit");
    misconfigured(Prepare::new().only(["age", "age"]).fit(&train), "twice");
    let error = refused(Prepare::new().only(["age"]).without(["age"]).fit(&train));
    assert!(error.found.contains("no column to learn from: `age` (left out as asked); `"), "{error}");
    let error = refused(Prepare::new().target("y").fit(&table("y\n1\n2\n")));
    assert_eq!((error.line, error.found.as_str()), (Some(1), "no column but `y`"));
    misconfigured(Prepare::new().fit(&train.rows(&[]).unwrap()), "no rows to fit to");
    for prepare in [Prepare::new().target("x"), Prepare::new().without(["x"]), Prepare::new().impute("x", Impute::Mean)] {
        assert_eq!(refused(prepare.fit(&train)).column.as_deref(), Some("x"));
    }
    let error = refused(Prepare::new().numbers(Impute::Refuse).fit(&train));
    assert_eq!((error.line, error.column.as_deref(), error.found.as_str()), (Some(3), Some("age"), "a missing value"));
    let error = refused(Prepare::new().categories(Impute::Refuse).fit(&train));
    assert_eq!((error.line, error.column.as_deref()), (Some(4), Some("deck")));
    // Complete in training, not in new rows.
    let strict = Prepare::new().only(["sex"]).categories(Impute::Refuse).fit(&train).unwrap();
    assert_eq!(refused(strict.features(&table("sex,n\nf,1\nNA,1\n"))).line, Some(3));
}

#[test]
fn useless_columns() {
    let text = "a,b,none\n1,7,\n2,7,\n3,7,NA\n";
    let error = refused(Prepare::new().fit(&table(text)));
    assert_eq!(error.column.as_deref(), Some("none"));
    assert!(error.found.contains("3 rows") && error.advice.contains("without([\"none\"])"), "{error}");
    let lenient = Prepare::new().empty(Unusable::LeaveOut);
    let fitted = lenient.clone().fit(&table(text)).unwrap();
    assert_eq!(fitted.feature_names(), ["a"]);
    let reasons: Vec<(&str, &str)> = fitted.left_out().iter().map(|l| (&*l.column, &*l.reason)).collect();
    assert_eq!(
        reasons,
        [("b", "one value only in the training rows"), ("none", "nothing but missing values in the training rows")]
    );
    let error = refused(lenient.constant(Unusable::Refuse).fit(&table(text)));
    assert_eq!((error.column.as_deref(), error.found.as_str()), (Some("b"), "`7` in every row"));
    // Missing or not is something to learn from.
    let fitted = Prepare::new().fit(&table("b,n\n7,1\n,2\n7,3\n")).unwrap();
    assert_eq!(fitted.feature_names(), ["b", "b (was missing)", "n"]);
    assert_eq!(fitted.features(&table("b,n\n7,1\n,2\n7,3\n")).unwrap().values[..2], [0.0, 0.0]);
    // Without values in training only.
    let whole = table("a,n\n,1\n,2\n5,3\n");
    let fitted = Prepare::new().fit(&whole.rows(&[0, 1]).unwrap()).unwrap();
    assert_eq!(fitted.feature_names(), ["n"]);
}

#[test]
fn rare_and_unknown_categories() {
    let rows = ["a"; 6].into_iter().chain(["b"; 5]).chain(["c", "d", "d"]).map(|c| format!("{c},1\n")).collect::<String>();
    let train = table(&format!("c,k\n{rows}"));
    let fitted = Prepare::new().only(["c"]).rare(3).fit(&train).unwrap();
    assert_eq!(fitted.feature_names(), ["c=a", "c=b", "c=(rare)"]);
    assert_eq!(fitted.features(&train).unwrap().values[11 * 3..], [0., 0., 1., 0., 0., 1., 0., 0., 1.]);
    assert!(fitted.features(&train).unwrap().notes.is_empty(), "the rare ones are known");
    let new = table("c,x\nb,1\nz,1\ny,1\nz,1\n");
    let features = fitted.features(&new).unwrap();
    assert_eq!(features.values, [0., 1., 0., 0., 0., 1., 0., 0., 1., 0., 0., 1.]);
    assert_eq!(features.notes[0], "left out, because the model was fitted without: column `x`");
    assert_eq!(features.notes[1], "column `c`: 3 rows with unknown categories (`y`, `z`), treated as rare");
    let plain = Prepare::new().only(["c"]).fit(&train).unwrap();
    let features = plain.features(&new).unwrap();
    assert_eq!(features.values[4..8], [0.0; 4]);
    assert!(features.notes[1].ends_with("treated as none of the known ones"));
    let strict = Prepare::new().only(["c"]).unknown(Unknown::Refuse).fit(&train).unwrap();
    let error = refused(strict.features(&new));
    assert_eq!((error.line, error.column.as_deref(), error.found.as_str()), (Some(3), Some("c"), "the category `z`"));
    // Codes that another program wrote as 3.0, and answers in other letters.
    let codes = Prepare::new().as_category(["c"]).only(["c"]).fit(&table("c\n1\n3\n")).unwrap();
    assert_eq!(codes.features(&table("c\n3.0\n1.0\n")).unwrap().values, [0., 1., 1., 0.]);
    let texts = Prepare::new().only(["c"]).fit(&table("c\n3\n4+\n")).unwrap();
    assert_eq!(texts.features(&table("c\n3.0\n3\n")).unwrap().values, [1., 0., 1., 0.]);
}

#[test]
fn new_rows_of_another_table() {
    let fitted = Prepare::new().target("price").fit(&table(TRAIN)).unwrap();
    let error = refused(fitted.features(&table("age,open\n1,yes\n")));
    assert_eq!((error.line, error.found.as_str()), (Some(1), "no column `sex`, `deck` among 2"));
    assert!(error.advice.contains("same kind"));
    // Another order, no target, nothing at all in a column, numbers where there were answers.
    let new = table("open,deck,age,sex\n1,,,m\n0,A,,f\n");
    let features = fitted.features(&new).unwrap();
    assert_eq!(features.values[1..9], [1., 0., 1., 0., 0., 1., 1., 0.]);
    assert_eq!(features.values[16], 0.0);
    let error = refused(fitted.features(&table("open,deck,age,sex\nyes,A,old,m\n")));
    assert_eq!((error.line, error.column.as_deref(), error.found.as_str()), (Some(2), Some("age"), "`old`"));
    let error = refused(fitted.features(&table("open,deck,age,sex\nmaybe,A,1,m\n")));
    assert_eq!((error.column.as_deref(), error.found.as_str()), (Some("open"), "`maybe`"));
    let error = refused(fitted.dataset(&new));
    assert_eq!(error.column.as_deref(), Some("price"));
    misconfigured(Prepare::new().fit(&table(TRAIN)).unwrap().dataset(&new), "fitted without a target");
    // A number that f32 cannot hold.
    let raw = Prepare::new().only(["age"]).scale(Scale::None).fit(&table(TRAIN)).unwrap();
    let error = refused(raw.features(&table("age\n1\n1e300\n")));
    assert_eq!((error.line, error.column.as_deref(), error.found.as_str()), (Some(3), Some("age"), "1e300 after scaling"));
    // Numbers whose squares f64 cannot hold are scaled; those whose differences it cannot hold are refused.
    let huge = table("age,t\n-1e300,1e-300\n1e300,3e-300\n");
    let (set, _) = Prepare::new().target("t").task(Task::Regression).fit(&huge).unwrap().dataset(&huge).unwrap();
    assert_eq!((set.features(), set.labels()), (&[-1.0, 1.0][..], &Labels::Values(vec![-1.0, 1.0], 1)));
    let error = refused(Prepare::new().fit(&table("age\n-1.7e308\n1.7e308\n1.7e308\n")));
    assert!(error.found.contains("values from -1.7e308 to 1.7e308"), "{error}");
    let error = refused(Prepare::new().target("t").fit(&table("x,t\n1,-1.7e308\n2,1.7e308\n3,1.7e308\n")));
    assert!(error.found.contains("1.7e308"), "{error}");
}

#[test]
fn a_preprocessor_is_the_same_after_a_journey() {
    let train = table(TRAIN);
    for prepare in [
        Prepare::new().target("price"),
        Prepare::new().target("sex").rare(2).categories(Impute::MostFrequent),
        Prepare::new().targets(["open"]).task(Task::Labels).only(["age"]),
    ] {
        let train = train.without_missing_rows(&["open"]).unwrap();
        let fitted = prepare.fit(&train).unwrap();
        let text = fitted.to_json().unwrap();
        let back = Preprocessor::from_json("m.safetensors", &text).unwrap();
        assert_eq!(back, fitted);
        assert_eq!(back.features(&train).unwrap(), fitted.features(&train).unwrap());
    }
    let text = Prepare::new().target("price").fit(&train).unwrap().to_json().unwrap();
    for (from, to) in [
        ("\"version\":1", "\"version\":4"),
        ("\"scale\":", "\"scale\":-"),
        ("\"scale\":", "\"scale\":1e999,\"s\":"),
        ("\"sex\"", "\"age\""),
        ("\"A\"", "\"B\""),
        ("\"shift\":[1.0]", "\"shift\":[]"),
        ("\"base\":[2.0]", "\"base\":[2.0,2.0]"),
        ("{", "["),
    ] {
        let damaged = text.replacen(from, to, 1);
        assert_ne!(damaged, text, "{from}");
        let result = Preprocessor::from_json("m.safetensors", &damaged);
        assert!(matches!(&result, Err(Error::File { path, .. }) if path == Path::new("m.safetensors")), "{from}: {result:?}");
    }
    for cut in 0..text.len() {
        assert!(Preprocessor::from_json("m", &text[..cut]).is_err());
    }
}

// ---- Targets ----

fn target_of(prepare: &Prepare, text: &str) -> (Target, Labels) {
    let read = table(text);
    let fitted = prepare.fit(&read).unwrap();
    let target = fitted.target().unwrap().clone();
    let labels = target.encode(&read).unwrap();
    (target, labels)
}

#[test]
fn targets_of_every_kind() {
    let many: String = (0..40).map(|i| format!("{i},{},{},{}\n", i % 2, ["b", "a", "c"][i % 3], i % 4 + 8)).collect();
    let text = format!("x,two,many,whole\n{many}");
    let (target, labels) = target_of(&Prepare::new().target("two"), &text);
    assert_eq!(
        (target.width(), target.names(), target.class(1), target.class(2)),
        (2, &["0".into(), "1".into()][..], Some("1"), None)
    );
    assert!(matches!(labels, Labels::Classes(c, 2) if c[..3] == [0, 1, 0]));
    let (target, labels) = target_of(&Prepare::new().target("many"), &text);
    assert_eq!(target.names(), ["a", "b", "c"]);
    assert!(matches!(labels, Labels::Classes(c, 3) if c[..4] == [1, 0, 2, 1]));
    // Classes that are numbers stand in order of value.
    assert_eq!(target_of(&Prepare::new().target("whole"), &text).0.names(), ["8", "9", "10", "11"]);
    let (target, labels) = target_of(&Prepare::new().target("x"), &text);
    let Labels::Values(values, 1) = &labels else { panic!("{labels:?}") };
    assert!(values.iter().sum::<f32>().abs() < 1e-4 && (values.iter().map(|x| x * x).sum::<f32>() - 40.0).abs() < 1e-3);
    let back = target.inverse(values);
    assert!(back.iter().enumerate().all(|(i, x)| (x - i as f64).abs() < 1e-5), "{back:?}");
    let (target, labels) = target_of(&Prepare::new().targets(["x", "whole"]).task(Task::Regression).scale_target(false), &text);
    assert!(matches!(&labels, Labels::Values(v, 2) if v[..4] == [0.0, 8.0, 1.0, 9.0]));
    assert_eq!((target.width(), target.inverse(&[1.0, 2.0])), (2, vec![1.0, 2.0]));

    // Several labels.
    let text = "x,red,round,tags\n1,yes,1,red; round\n2,no,0,\n3,yes,0,red\n";
    let (target, labels) = target_of(&Prepare::new().targets(["red", "round"]).only(["x"]), text);
    assert_eq!(target.names(), ["red", "round"]);
    assert_eq!(labels, Labels::Values(vec![1., 1., 0., 0., 1., 0.], 2));
    let filled = text.replace(",\n", ",;\n");
    let (target, labels) = target_of(&Prepare::new().target_list("tags", ';').only(["x"]), &filled);
    assert_eq!((target.names(), target.columns()), (&["red".into(), "round".into()][..], &["tags".into()][..]));
    assert_eq!(labels, Labels::Values(vec![1., 1., 0., 0., 1., 0.], 2));
    // Names go to the data set.
    let read = table("x,c\n1,a\n2,b\n");
    let (set, _) = Prepare::new().target("c").fit(&read).unwrap().dataset(&read).unwrap();
    assert_eq!((set.class_names(), set.feature_names()), (&["a".into(), "b".into()][..], &["x".into()][..]));
}

#[test]
fn targets_that_cannot_be_learned() {
    for (prepare, text, line, column, found) in [
        (Prepare::new().target("y"), "x,y\n1,a\n2,a\n", None, "y", "one class only, `a`"),
        (Prepare::new().target("y"), "x,y\n1,1\n2,1\n", None, "y", "the value 1 in every row"),
        (Prepare::new().target("y"), "x,y\n1,a\n2,\n", Some(3), "y", "a missing value"),
        (Prepare::new().target("y").task(Task::Regression), "x,y\n1,a\n2,b\n", None, "y", "a column of kind category"),
        (Prepare::new().targets(["y", "z"]), "x,y,z\n1,yes,a\n2,no,b\n", Some(2), "z", "`a`"),
        (Prepare::new().target("y"), "x,z\n1,1\n", Some(1), "y", "no such column among `x`, `z`"),
        (Prepare::new().target_list("y", ';'), "x,y\n1,;\n2,;\n", None, "y", "no labels"),
    ] {
        let error = refused(prepare.fit(&table(text)));
        assert_eq!((error.line, error.column.as_deref()), (line, Some(column)), "{error}");
        assert!(error.found.contains(found), "{error}");
    }
    misconfigured(
        Prepare::new().targets(["x", "y"]).task(Task::Classes).fit(&table("x,y\n1,2\n2,3\n")),
        "2 columns for one class",
    );
    // A class that training did not have.
    let read = table("x,y\n1,a\n2,b\n3,c\n");
    let train = read.rows(&[0, 1]).unwrap();
    let error = refused(Prepare::new().target("y").fit(&train).unwrap().dataset(&read));
    assert_eq!((error.line, error.found.as_str()), (Some(4), "the class `c`"));
    let settled = Prepare::new().target("y").settled(&read).unwrap();
    let (set, _) = settled.fit(&train).unwrap().dataset(&read).unwrap();
    assert_eq!(set.labels(), &Labels::Classes(vec![0, 1, 2], 3));
    let error = refused(settled.fit(&read.rows(&[0]).unwrap()));
    assert!(error.found.contains("one class only"), "{error}");
}

// ---- Folds ----

/// What is fitted in a fold depends on nothing in the rows that it is judged by.
#[test]
fn logarithms_of_a_target() {
    let text = "x,y\n1,1\n2,10\n3,100\n";
    let prepare = Prepare::new().target("y").task(Task::Regression).log_target(true);
    let (target, labels) = target_of(&prepare, text);
    // The logarithms are 0, ln 10 and 2 ln 10: mean ln 10, standard deviation over n ln 10 · √(2/3).
    let Labels::Values(values, 1) = labels else { panic!("{labels:?}") };
    let far = 1.5f32.sqrt();
    assert!(values.iter().zip([-far, 0.0, far]).all(|(a, b)| (a - b).abs() < 1e-6), "{values:?}");
    let back = target.inverse(&values);
    assert!(back.iter().zip([1.0, 10.0, 100.0]).all(|(a, b)| (a / b - 1.0).abs() < 1e-6), "{back:?}");
    // It goes with the model; and targets without are written as ever.
    let fitted = prepare.fit(&table(text)).unwrap();
    let json = fitted.to_json().unwrap();
    assert_eq!(Preprocessor::from_json("p", &json).unwrap(), fitted);
    assert!(json.contains("\"log\":true"));
    let plain = Prepare::new().target("y").task(Task::Regression).fit(&table(text)).unwrap().to_json().unwrap();
    assert!(!plain.contains("log") && !plain.contains("clip"), "{plain}");

    let error = refused(prepare.fit(&table("x,y\n1,1\n2,0\n3,100\n")));
    assert_eq!((error.line, error.column.as_deref()), (Some(3), Some("y")));
    let error = refused(fitted.dataset(&table("x,y\n1,-4\n")));
    assert_eq!((error.line, error.expected.as_str()), (Some(2), "a number above zero"));
}

#[test]
fn numbers_far_outside_are_clipped() {
    let rows: String = (0..10).map(|i| format!("{i},{i}\n")).collect();
    let train = table(&format!("x,y\n{rows}"));
    let prepare = Prepare::new().target("y").task(Task::Regression);
    let fitted = prepare.clone().clip(1.5).fit(&train).unwrap();
    // Mean 4.5, standard deviation over n √8.25 = 2.872.
    let values = |text: &str| fitted.features(&table(text)).unwrap().values;
    let seen = values("x\n4.5\n9\n1e6\n-1e6\n7.372281323\n");
    assert!(seen.iter().zip([0.0, 1.5, 1.5, -1.5, 1.0]).all(|(a, b): (&f64, f64)| (a - b).abs() < 1e-9), "{seen:?}");
    assert_eq!(Preprocessor::from_json("p", &fitted.to_json().unwrap()).unwrap(), fitted);
    for most in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        misconfigured(prepare.clone().clip(most).fit(&train), "clipped");
    }
    let broken = fitted.to_json().unwrap().replace("\"clip\":1.5", "\"clip\":-1.5");
    assert!(matches!(Preprocessor::from_json("p", &broken), Err(Error::File { .. })));
}

#[test]
fn nothing_leaks_into_a_fold() {
    let rows = |wild: bool| -> String {
        let value = |i: usize| if wild && i.is_multiple_of(5) { 1e6 } else { i as f64 };
        (0..50)
            .map(|i| {
                format!("{},{},{}\n", value(i), if wild && i.is_multiple_of(5) { "wild" } else { ["a", "b"][i % 2] }, value(i))
            })
            .collect()
    };
    let calm = table(&format!("x,c,y\n{}", rows(false)));
    let wild = table(&format!("x,c,y\n{}", rows(true)));
    // The fold that is judged by just the rows that differ.
    let (test, train): (Vec<usize>, Vec<usize>) = (0..50).partition(|i| i % 5 == 0);
    let folds = [data::Fold { train, test }];
    let mut fitted = Vec::new();
    for read in [&calm, &wild] {
        cross_validate(read, &Prepare::new().target("y"), &folds, |fold| {
            fitted.push(fold.preprocessor.clone());
            assert_eq!((fold.index, fold.train.len(), fold.test.len()), (0, 40, 10));
            Ok::<f64, Error>(0.0)
        })
        .unwrap();
    }
    assert_eq!(fitted[0], fitted[1]);
    assert_ne!(Prepare::new().target("y").fit(&wild).unwrap(), fitted[0]);

    // Scores, and an error inside a fold.
    let folds = data::folds(50, 5, 1).unwrap();
    let scores = cross_validate(&calm, &Prepare::new().target("y"), &folds, |fold| Ok::<f64, Error>(fold.index as f64)).unwrap();
    assert_eq!(scores.scores, [0.0, 1.0, 2.0, 3.0, 4.0]);
    assert_eq!(scores.to_string(), "2.0000 ± 1.5811 (5 folds)");
    let error = cross_validate(&calm, &Prepare::new().target("y"), &folds, |_| {
        Err(Error::File { path: "x".into(), message: "no".into() })
    });
    assert!(error.is_err());
    let parts = data::random_parts(50, 0.2, 0.2, 3).unwrap();
    let (train, validation, test) = calm.parts(&parts).unwrap();
    assert_eq!((train.len(), validation.len(), test.len()), (30, 10, 10));
}
