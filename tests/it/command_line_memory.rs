//! What memory the program takes at most: four times the table's file and 200 MB. Here tables are small, and half of the 200 MB must do.
#![cfg(all(feature = "cli", target_os = "linux"))]
#![allow(clippy::unwrap_used)]

use crate::common::program::{Place, chance};
use std::fmt::Write;
use std::process::Stdio;
use std::time::Duration;

/// Runs the program, which must work; the most memory that it ever had in use, in bytes.
#[track_caller]
fn peak(place: &Place, args: &str) -> u64 {
    let mut child = place.command(args).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let found = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        most = most.max(found.unwrap_or(0) * 1024);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success() && most > 0, "steepest {args}");
            return most;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Runs the program on a table, within its bound.
#[track_caller]
fn within(place: &Place, table: &str, args: &str) {
    let file = std::fs::metadata(place.path(table)).unwrap().len();
    let (most, peak) = (4 * file + 100_000_000, peak(place, args));
    println!("steepest {args}: {} MB, of a file of {} MB", peak / 1_000_000, file / 1_000_000);
    assert!(peak <= most, "steepest {args}: {peak} bytes of memory, expected {most} at most for a table of {file} bytes");
}

/// A table with a column `y`, written row by row.
fn table(place: &Place, name: &str, columns: usize, rows: usize, mut row: impl FnMut(&mut String, usize)) {
    let mut text: String = (0..columns).map(|i| format!("c{i},")).collect::<String>() + "y\n";
    (0..rows).for_each(|i| row(&mut text, i));
    place.put(name, text);
}

/// Columns of so many categories each, of which the target is made.
fn categories(place: &Place, name: &str, columns: usize, rows: usize, count: usize, target: impl Fn(usize) -> String) {
    let mut next = chance(count as u64);
    table(place, name, columns, rows, |text, _| {
        let all: Vec<usize> = (0..columns).map(|_| (next() * count as f64) as usize).collect();
        all.iter().for_each(|category| write!(text, "v{category},").unwrap());
        writeln!(text, "{}", target(all[0])).unwrap();
    });
}

#[test]
fn columns_of_many_categories() {
    let place = Place::new();
    // A feature for each, and an index each.
    for (name, count, columns) in [("few.csv", 64, 24), ("many.csv", 900, 6)] {
        categories(&place, name, columns, 8_000, count, |first| format!("{first}.5"));
        within(&place, name, &format!("fit {name} --target y --epochs 1 --ensemble 2 --out m.safetensors"));
        within(&place, name, &format!("predict m.safetensors {name} --all -o p.csv"));
        within(&place, name, &format!("evaluate m.safetensors {name}"));
    }
    within(&place, "few.csv", "fit few.csv --target y --epochs 1 --ensemble 1 --folds 2 --out m.safetensors");
    categories(&place, "classes.csv", 2, 12_000, 64, |first| format!("k{first}"));
    within(&place, "classes.csv", "fit classes.csv --target y --epochs 1 --out m.safetensors");
    within(&place, "classes.csv", "predict m.safetensors classes.csv -o p.csv");
}

#[test]
fn dates_and_cells_of_one_byte() {
    let place = Place::new();
    let mut next = chance(1);
    table(&place, "dates.csv", 2, 60_000, |text, i| {
        let mut date = |text: &mut String| {
            let (year, month, day) = (2000 + i % 24, 1 + (next() * 12.0) as usize, 1 + (next() * 28.0) as usize);
            write!(text, "{year}-{month:02}-{day:02},").unwrap();
        };
        date(text);
        date(text);
        writeln!(text, "{}.5", i % 19).unwrap();
    });
    within(&place, "dates.csv", "fit dates.csv --target y --epochs 1 --out m.safetensors");
    // Nearly all is missing: a number and a feature that says so for each comma.
    let mut next = chance(2);
    table(&place, "empty.csv", 120, 30_000, |text, i| {
        for _ in 0..120 {
            if next() < 0.03 {
                write!(text, "{:.3}", next()).unwrap();
            }
            text.push(',');
        }
        writeln!(text, "{}.5", i % 19).unwrap();
    });
    within(&place, "empty.csv", "fit empty.csv --target y --epochs 1 --out m.safetensors");
    within(&place, "empty.csv", "predict m.safetensors empty.csv -o p.csv");
}

#[test]
fn many_rows_and_many_columns_of_numbers() {
    let place = Place::new();
    for (name, rows, columns) in [("rows.csv", 100_000, 10), ("columns.csv", 100, 4_000)] {
        let mut next = chance(3);
        table(&place, name, columns, rows, |text, i| {
            (0..columns).for_each(|_| write!(text, "{:.4},", next()).unwrap());
            writeln!(text, "{}.5", i % 19).unwrap();
        });
        within(&place, name, &format!("fit {name} --target y --epochs 1 --ensemble 1 --out m.safetensors"));
        within(&place, name, &format!("predict m.safetensors {name} -o p.csv"));
    }
    // Where there is less memory than that, it is said for what it would have been, before anything is learned.
    for (most, what) in [("1MB", "rows.csv, read whole: no room for"), ("12MB", "the table rows.csv of ")] {
        let output = place.command("fit rows.csv --target y --out n.safetensors").env("STEEPEST_MEMORY", most).output().unwrap();
        let said = crate::common::program::said(output);
        assert!(said.code == Some(2) && said.err.contains(what) && said.err.contains("this program may use"), "{said:?}");
    }
    assert!(!place.files().contains("n.safetensors"));
}
