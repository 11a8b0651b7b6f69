//! What the program `steepest` leaves in a folder when it is killed, when two write to one name, when the disk is full: files of one run, or the old ones.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used)]

use crate::common::program::{Place, chance, houses};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use steepest::files::fingerprint;
use steepest::save::ModelFile;
use steepest::train::History;

/// A run that takes no time; other seeds give other files.
fn fit(seed: u64) -> String {
    format!("fit t.csv --target price --layers 3 --epochs 1 --ensemble 1 --device cpu -q -o m.safetensors --seed {seed}")
}

const BESIDE: [&str; 3] = ["m.history.csv", "m.report.json", "m.curve.svg"];

/// The seed of the run that all files of the folder are of, and how many there are beside the model. By other means than the program's own.
fn one_run(place: &Place) -> (u64, usize) {
    let model = ModelFile::read(place.path("m.safetensors")).unwrap();
    let note: Value = serde_json::from_str(&model.notes["fit"]).unwrap();
    let seed = note["settings"]["seed"].as_u64().unwrap();
    let there = place.files();
    if there.contains(BESIDE[0]) {
        let mut history = History::from_csv(&place.read(BESIDE[0])).unwrap();
        history.records.iter_mut().for_each(|record| record.seconds = 0.0);
        assert_eq!(Some(history.to_csv()), model.history, "the history is not that of seed {seed}");
    }
    if there.contains(BESIDE[1]) {
        assert_eq!(place.json(BESIDE[1])["settings"]["seed"], seed);
    }
    if there.contains(BESIDE[2]) {
        assert_eq!(format!("{:016x}", fingerprint(&place.bytes(BESIDE[2]))), model.notes["fit.curve"], "seed {seed}");
    }
    (seed, BESIDE.iter().filter(|name| there.contains(**name)).count())
}

fn all_files() -> BTreeSet<String> {
    ["t.csv", "m.safetensors"].iter().chain(&BESIDE).map(|name| (*name).to_owned()).collect()
}

fn strays(place: &Place) -> BTreeSet<String> {
    place.files().into_iter().filter(|name| name.starts_with(".steepest-")).collect()
}

/// 100 kills about the moment at which the program gives its files their names. How long that is after its first files differs between machines and
/// disks, so each kill learns from the one before: it comes later after one that was too early to leave anything new, and earlier after one that was
/// not.
#[test]
fn a_fit_killed_at_any_moment_leaves_files_of_one_run() {
    let place = Place::new();
    place.put("t.csv", houses(30, 3));
    place.works(&fit(0));
    assert_eq!(one_run(&place), (0, 3));
    let mut draw = chance(11);
    // Of how many kills each state was seen: nothing new, the model alone, the model and some, all.
    let mut seen = [0; 4];
    let mut moment = Duration::from_millis(5);
    for seed in 1..=100 {
        let before = one_run(&place).0;
        let earlier = strays(&place);
        let mut child = place.command(&fit(seed)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        while child.try_wait().unwrap().is_none()
            && strays(&place).difference(&earlier).count() < 2
            && start.elapsed() < Duration::from_secs(20)
        {}
        std::thread::sleep(moment.mul_f64(2.0 * draw()));
        child.kill().unwrap();
        child.wait().unwrap();
        let (run, beside) = one_run(&place);
        assert!(run == seed || run == before, "seed {seed}: the files are of run {run}");
        seen[if run == before { 0 } else { [1, 2, 2, 3][beside] }] += 1;
        moment = moment.mul_f64(if run == before { 1.25 } else { 0.8 });
    }
    println!("kills that left the old model, the new one alone, with some files, with all: {seen:?}; the last at {moment:?}");
    assert!(seen[0] > 5 && seen[1] + seen[2] + seen[3] > 5, "the kills came at the wrong moment: {seen:?}, {moment:?}");
    place.works(&fit(200));
    assert_eq!(one_run(&place), (200, 3));
    assert_eq!(place.files(), all_files());
}

#[test]
fn of_two_fits_of_one_name_one_wins_whole() {
    let place = Place::new();
    place.put("t.csv", houses(30, 3));
    for round in 0..6 {
        let seeds = [2 * round, 2 * round + 1];
        let children = seeds.map(|seed| place.command(&fit(seed)).stdout(Stdio::null()).spawn().unwrap());
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        let (run, beside) = one_run(&place);
        assert!(seeds.contains(&run) && beside == 3);
        assert_eq!(place.files(), all_files());
    }
}

/// Strays of other programs, links and folders of all kinds of names, and an old file's mode.
#[test]
fn nothing_that_lies_in_the_folder_keeps_a_fit_from_writing() {
    let place = Place::new();
    place.put("t.csv", houses(30, 3));
    place.put("victim", "precious");
    let mut names = vec![];
    for number in 0..40 {
        for name in ["m.safetensors", "m.history.csv", "m.report.json", "m.curve.svg"] {
            names.push(format!(".tmp-{number}-{number}-{name}"));
            names.push(format!(".{name}.{number}.tmp"));
        }
        names.push(format!(".steepest-{number:016x}.tmp"));
    }
    for (i, name) in names.iter().enumerate() {
        match i % 3 {
            0 => drop(place.put(name, "half")),
            1 => std::fs::create_dir(place.path(name)).unwrap(),
            #[cfg(unix)]
            _ => std::os::unix::fs::symlink("victim", place.path(name)).unwrap(),
            #[cfg(not(unix))]
            _ => {}
        }
    }
    for seed in 0..2 {
        place.works(&fit(seed));
        assert_eq!(one_run(&place), (seed, 3));
    }
    assert_eq!(place.read("victim"), "precious");
}

#[test]
fn every_reader_says_when_a_file_is_of_another_run() {
    let place = Place::new();
    place.put("t.csv", houses(60, 3));
    place.works(&fit(1));
    let others: Vec<Vec<u8>> = BESIDE.iter().map(|name| place.bytes(name)).collect();
    place.works(&fit(2));
    let asked =
        ["inspect m.safetensors", "evaluate m.safetensors t.csv", "predict m.safetensors t.csv", "plot curve m.history.csv"];
    let says = |args: &str| {
        let said = place.run(args);
        assert_eq!(said.code, Some(0), "{args}: {}", said.err);
        let all = said.out + &said.err;
        BESIDE.map(|name| all.lines().any(|line| line.contains("not of the run that made m.safetensors") && line.contains(name)))
    };
    for args in asked {
        assert_eq!(says(args), [false; 3], "{args}");
    }
    let run = |i: usize| {
        serde_json::from_str::<Value>(&place.works("inspect m.safetensors --json")).unwrap()["beside"][i]["run"].clone()
    };
    for (i, name) in BESIDE.iter().enumerate() {
        assert_eq!(run(i), "the model's");
        let own = place.bytes(name);
        place.put(name, &others[i]);
        for args in asked {
            let seen = i == 0 || !args.starts_with("plot");
            assert_eq!(says(args), [0, 1, 2].map(|other| other == i && seen), "{args} with another {name}");
        }
        assert_eq!(run(i), "another");
        // Half a file is none of the run either.
        place.put(name, &own[..own.len() / 2]);
        assert!(says("inspect m.safetensors")[i], "half of {name}");
        std::fs::remove_file(place.path(name)).unwrap();
        assert_eq!(run(i), Value::Null);
        assert_eq!(says("inspect m.safetensors"), [false; 3]);
        place.put(name, own);
    }
    let quiet = place.run("predict m.safetensors t.csv -q");
    assert_eq!((quiet.code, quiet.err.as_str()), (Some(0), ""));
}

/// A file system of 1 MB that is full.
#[test]
fn a_full_disk_is_refused_and_leaves_the_old_files() {
    let place = Place::new();
    std::fs::create_dir(place.path("small")).unwrap();
    let small = place.path("small");
    let mount =
        |args: &[&str]| Command::new(args[0]).args(&args[1..]).arg(&small).output().is_ok_and(|output| output.status.success());
    if !cfg!(target_os = "linux") || !mount(&["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs"]) {
        println!("SKIPPED (no file system of its own can be mounted): the program on a full disk");
        return;
    }
    place.put("t.csv", houses(400, 3));
    let state = || -> Vec<(String, Vec<u8>)> {
        let mut all: Vec<_> = std::fs::read_dir(&small)
            .unwrap()
            .map(|e| e.unwrap().path())
            .map(|p| (p.display().to_string(), std::fs::read(p).unwrap()))
            .collect();
        all.sort();
        all
    };
    let result = std::panic::catch_unwind(|| {
        let fit = |seed: u64, layers: &str| {
            format!(
                "fit t.csv --target price --layers {layers} --epochs 1 --ensemble 1 --device cpu -q -o small/m.safetensors --seed {seed}"
            )
        };
        place.works(&fit(1, "3"));
        place.put("small/p.csv", "old");
        let before = state();
        // The model alone is larger than the disk.
        let said = place.run(&fit(2, "600,600"));
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(said.err.contains("No space left on device"), "{}", said.err);
        assert!(state() == before, "a full disk changed a file");
        let mut filler = std::fs::OpenOptions::new().append(true).create(true).open(small.join("filler")).unwrap();
        while std::io::Write::write_all(&mut filler, &[0; 1024]).is_ok() {}
        let full = filler.metadata().unwrap().len();
        // There is room for the model, for some of the files beside it, for all.
        let mut refused = 0;
        for left in 0..10 {
            filler.set_len(full - 32_768 * left).unwrap();
            let before = state();
            let said = place.run(&fit(3 + left, "3"));
            if said.code == Some(2) {
                assert!(said.err.contains("No space left on device"), "{}", said.err);
                assert!(state() == before, "with {left} parts left: a full disk changed a file");
                refused += 1;
            }
        }
        assert!((1..10).contains(&refused), "{refused} of 10 were refused");
        while std::io::Write::write_all(&mut filler, &[0; 1024]).is_ok() {}
        let before = state();
        for args in ["predict m.safetensors ../t.csv -o p.csv", "plot curve m.history.csv -o c.svg"] {
            let args = args.replace("m.", "small/m.").replace("../", "").replace("-o ", "-o small/");
            let said = place.run(&args);
            assert_eq!(said.code, Some(2), "{args}: {}", said.err);
            assert!(said.err.contains("No space left on device"), "{args}: {}", said.err);
            assert!(state() == before, "{args} changed a file");
        }
    });
    // Lazily: a child that another test has just started may have the filler open for a moment yet.
    assert!(mount(&["umount", "--lazy"]));
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// Made of `examples/data/iris.csv` in WebAssembly, by the npm package's own test (`web/package/package.mjs`): 146 of its 150 rows were right there.
#[test]
fn a_model_made_in_a_page_is_read() {
    let place = Place::new();
    place.put("page.safetensors", include_bytes!("../../web/tests/files/fitted_in_a_page.safetensors"));
    place.put("iris.csv", include_bytes!("../../examples/data/iris.csv"));
    let found = place.works("evaluate page.safetensors iris.csv --device cpu");
    assert!(found.contains("(146 of 150)"), "{found}");
    assert_eq!(place.works("predict page.safetensors iris.csv --device cpu").lines().count(), 151);
}
