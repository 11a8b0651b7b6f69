//! Driving the built program: runs, tables to feed it, and what it leaves in a folder.
#![allow(dead_code, clippy::unwrap_used)]

pub use super::chance;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A folder of its own, in which the program runs.
pub struct Place {
    folder: TempDir,
}

/// What a run said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn put(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), text).unwrap();
        name.to_owned()
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    /// The names of all files, hidden ones too.
    pub fn files(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// The program, to be run in the folder; on the CPU unless the arguments say otherwise.
    pub fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_steepest"));
        command.args(words(args)).current_dir(self.folder.path());
        command.env("STEEPEST_DEVICE", "cpu").env_remove("STEEPEST_PLANT");
        command
    }

    /// Runs it, whatever comes of it.
    pub fn run(&self, args: &str) -> Said {
        said(self.command(args).output().unwrap())
    }

    /// Runs it; it must work. Gives back standard output.
    pub fn works(&self, args: &str) -> String {
        let said = self.run(args);
        assert_eq!(said.code, Some(0), "steepest {args}\n{}\n{}", said.out, said.err);
        said.out
    }

    /// Runs it; it must be refused with code 2, every part in the message, nothing on standard output that looks like an answer, and no
    /// file more or less or other than before.
    #[track_caller]
    pub fn refuses(&self, args: &str, parts: &[&str]) -> Said {
        let state = |names: &BTreeSet<String>| -> Vec<Option<Vec<u8>>> {
            names.iter().map(|name| std::fs::read(self.path(name)).ok()).collect()
        };
        let before = self.files();
        let contents = state(&before);
        let said = self.run(args);
        assert_eq!(said.code, Some(2), "steepest {args}\n{}\n{}", said.out, said.err);
        for part in parts {
            assert!(said.err.contains(part), "steepest {args}: `{part}` is not in\n{}", said.err);
        }
        assert!(said.err.starts_with("error: ") || said.err.contains("\nerror: "), "{}", said.err);
        assert!(!said.err.contains("panicked"), "{}", said.err);
        assert!(!said.out.contains("saved") && !said.out.contains('{'), "steepest {args}\n{}", said.out);
        assert_eq!(self.files(), before, "steepest {args}");
        assert!(state(&before) == contents, "steepest {args} changed a file");
        said
    }
}

pub fn said(output: Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Arguments with spaces between them; `'` around one with a space.
fn words(args: &str) -> Vec<String> {
    let mut words = vec![];
    for (i, part) in args.split('\'').enumerate() {
        match i % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// Houses: size, rooms (some missing), zone (some missing), age; the price follows from them.
pub fn houses(rows: usize, seed: u64) -> String {
    let mut draw = chance(seed);
    let mut text = "size,rooms,zone,age,price\n".to_owned();
    for row in 0..rows {
        let (size, rooms, zone, age) =
            (40.0 + 160.0 * draw(), 1 + (draw() * 6.0) as usize, (draw() * 3.0) as usize, 80.0 * draw());
        let price = 1000.0 * size + 8000.0 * rooms as f64 + [0.0, 20_000.0, 60_000.0][zone] - 300.0 * age + 4000.0 * draw();
        let rooms = if row % 11 == 3 { String::new() } else { rooms.to_string() };
        let zone = if row % 13 == 5 { "NA" } else { ["north", "south", "west"][zone] };
        text += &format!("{size:.1},{rooms},{zone},{age:.0},{price:.0}\n");
    }
    text
}

/// Flowers of three kinds, by two lengths and a colour.
pub fn flowers(rows: usize, seed: u64) -> String {
    let mut draw = chance(seed);
    let mut text = "petal,sepal,colour,kind\n".to_owned();
    for row in 0..rows {
        let kind = row % 3;
        let (petal, sepal) = (1.0 + 2.0 * kind as f64 + 1.6 * draw(), 5.0 - kind as f64 + 2.0 * draw());
        let colour = if draw() < 0.8 { ["red", "blue", "white"][kind] } else { "red" };
        text += &format!("{petal:.2},{sepal:.2},{colour},{}\n", ["lily", "rose", "tulip"][kind]);
    }
    text
}

/// The rows of a table with these numbers, under its header.
pub fn rows(table: &str, numbers: &[usize]) -> String {
    let lines: Vec<&str> = table.lines().collect();
    let picked = numbers.iter().map(|&row| lines[row + 1]);
    [lines[0]].into_iter().chain(picked).fold(String::new(), |text, line| text + line + "\n")
}

/// The tables of a data folder, if there is one at hand.
pub fn tables(what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("STEEPEST_DATA").map(|folder| Path::new(&folder).join("tabular")).filter(|path| path.is_dir());
    if folder.is_none() {
        println!("SKIPPED (STEEPEST_DATA is not set): {what}");
    }
    folder
}
