//! Sound files that hold more than this program may use: an error that says for what there is no room, before it is taken.

use super::png::blank;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};
use steepest::data::{Array, ArrayData, Csv, Idx, Pictures, Prepare, Table};
use steepest::train::{History, Record};
use steepest::{Error, Result};

/// Runs the test of this name again in a process that may use so much memory; false in that process, which is to go on with it.
fn ran_with(memory: &str, name: &str) -> bool {
    const CHILD: &str = "STEEPEST_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return false;
    }
    let name = format!("odd_files::limits::{name}");
    let mut child = Command::new(std::env::current_exe().unwrap());
    let out = child.args(["--exact", &name]).envs([(CHILD, "1"), ("STEEPEST_MEMORY", memory)]).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&out.stderr));
    true
}

fn no_room<T: std::fmt::Debug>(result: Result<T>, what: &str) {
    match result {
        Err(Error::NoRoom(none)) => assert!(none.what.contains(what) && none.bytes > none.most, "{none}"),
        other => panic!("{what}: {:.300}", format!("{other:?}")),
    }
}

#[test]
fn pictures() {
    if ran_with("2MB", "pictures") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for class in ["a", "b"] {
        std::fs::create_dir(folder.path().join(class)).unwrap();
        for i in 0..20 {
            std::fs::write(folder.path().join(class).join(format!("{i}.png")), blank(100, 100)).unwrap();
        }
    }
    // Each is small enough, all of them are not.
    no_room(Pictures::new().read_folder(folder.path()), "the 40 pictures of ");
    assert_eq!(Pictures::new().grey().size(8, 8).read_folder(folder.path()).unwrap().len(), 40);
    let path = folder.path().join("large.png");
    std::fs::write(&path, blank(600, 400)).unwrap();
    no_room(Pictures::new().read(&path), "a picture of 600 × 400 pixels");
}

#[test]
fn tables_in_gzip() {
    if ran_with("1MB", "tables_in_gzip") {
        return;
    }
    let packed = |rows: usize| {
        let mut encoder = GzEncoder::new(vec![], Compression::fast());
        encoder.write_all(b"a,b\n").unwrap();
        (0..rows).for_each(|_| encoder.write_all(b"1,2\n").unwrap());
        encoder.finish().unwrap()
    };
    assert_eq!(Csv::new().parse("t.csv", &packed(100)).unwrap().len(), 100);
    let error = Csv::new().parse("t.csv", &packed(200_000)).unwrap_err().to_string();
    assert!(error.contains("a gzip file with more than "), "{error}");
}

#[test]
fn arrays() {
    if ran_with("1MB", "arrays") {
        return;
    }
    let header = [0, 0, 8, 1, 0, 0x20, 0, 0];
    let idx = [&header[..], &vec![1; 0x20_0000]].concat();
    no_room(Idx::parse("i", &idx), "its elements");
    // Sixteen-bit numbers become twice as many bytes; what is written needs as much again.
    let large = Array::new(&[300_000], ArrayData::F32(vec![1.0; 300_000])).unwrap();
    no_room(large.to_npy(), "the bytes of a .npy file");
    let header = format!("{:<117}\n", "{'descr': '<f2', 'fortran_order': False, 'shape': (300000,), }");
    let halves = [&b"\x93NUMPY\x01\x00\x76\x00"[..], header.as_bytes(), &vec![0; 600_000]].concat();
    no_room(Array::parse("a", &halves), "the elements of an array");
}

/// The shortest of some tries.
fn time(tries: usize, run: impl Fn()) -> Duration {
    let one = |_| {
        let begun = Instant::now();
        run();
        begun.elapsed()
    };
    (0..tries).map(one).min().unwrap()
}

/// Thirty-two times as many columns take about thirty-two times as long (some times that, where caches are small), not a thousand times.
#[test]
fn many_columns_take_no_more_than_their_number() {
    // What takes long is not much disturbed by other programs.
    let tries = |columns| if columns > 5000 { 1 } else { 5 };
    let table = |columns: usize| {
        let line = |of: &dyn Fn(usize) -> String| (0..columns).map(of).collect::<Vec<_>>().join(",");
        let text = [line(&|i| format!("c{i}")), line(&|i| format!("{i}")), line(&|i| format!("{}", 2 * i + 1))].join("\n");
        let run = move || {
            let table = Table::parse("wide.csv", text.as_bytes()).unwrap();
            let fitted = Prepare::new().target("c1").fit(&table).unwrap();
            let again = Csv::new().as_in(&fitted).parse("wide.csv", text.as_bytes()).unwrap();
            assert_eq!(fitted.features(&again).unwrap().values.len(), 2 * fitted.width());
        };
        time(tries(columns), run)
    };
    let history = |count: usize| {
        let metrics: Vec<(String, f64)> = (0..count).map(|i| (format!("m{i}"), 0.5)).collect();
        let record =
            |epoch| Record { epoch, steps: 1, lr: 0.1, loss: 1.0, val_loss: None, seconds: 0.1, metrics: metrics.clone() };
        let history = History { records: (1..5).map(record).collect() };
        time(tries(count), || assert_eq!(History::from_csv(&history.to_csv()).unwrap(), history))
    };
    for (what, few, many) in [("a table", table(1000), table(32_000)), ("a history", history(1000), history(32_000))] {
        println!("{what}: {few:?} and {many:?}");
        assert!(many < few * 400, "{what}: {many:?} for 32000 columns, {few:?} for 1000");
    }
}
