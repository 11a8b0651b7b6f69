//! What is no file: refused before the work where a file is read or written, by every subcommand; nothing waits, nothing fills the memory.
#![cfg(all(feature = "cli", target_os = "linux"))]
#![allow(clippy::unwrap_used)]

use crate::common::program::{Place, Said, houses, said};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

/// Runs the program with 4 GB at most for 60 seconds at most: what waits for a pipe, or reads without end, is ended and fails.
#[track_caller]
fn run(place: &Place, args: &str) -> Said {
    let program = place.command(args);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -v 4000000; exec timeout 60 \"$0\" \"$@\""]).arg(program.get_program()).args(program.get_args());
    limited.current_dir(place.path("")).env("STEEPEST_DEVICE", "cpu").stdin(Stdio::null());
    let said = said(limited.output().unwrap());
    assert_ne!(said.code, Some(124), "steepest {args} waits");
    said
}

/// A folder with a table, a model, and what is no file.
fn place() -> (Place, UnixListener) {
    let place = Place::new();
    place.put("t.csv", houses(60, 1));
    place.works("fit t.csv --target price --epochs 2 --ensemble 1 --out m.safetensors --quiet");
    symlink("/dev/zero", place.path("zero")).unwrap();
    symlink(place.path("nothing"), place.path("dangling")).unwrap();
    std::fs::create_dir(place.path("folder")).unwrap();
    assert!(Command::new("mkfifo").arg(place.path("pipe")).status().unwrap().success());
    let socket = UnixListener::bind(place.path("socket")).unwrap();
    (place, socket)
}

const ODD: [(&str, &str); 8] = [
    ("/dev/zero", "a device"),
    ("/dev/full", "a device"),
    ("/dev/random", "a device"),
    ("zero", "a device"),
    ("pipe", "a named pipe"),
    ("socket", "a socket"),
    ("folder", "a folder"),
    ("dangling", "a link to"),
];

#[test]
fn nothing_is_read_that_is_no_file() {
    let (place, _socket) = place();
    for (path, what) in ODD {
        let models = [
            format!("predict {path} t.csv"),
            format!("evaluate {path} t.csv"),
            format!("plot curve {path}"),
            format!("plot predictions {path} t.csv"),
            format!("fit t.csv --target price --config {path}"),
        ];
        let tables = [
            format!("fit {path} --target price"),
            format!("predict m.safetensors {path}"),
            format!("evaluate m.safetensors {path}"),
            format!("inspect {path}"),
            format!("plot scatter {path} --x rooms --y price"),
            format!("plot predictions m.safetensors {path}"),
        ];
        // A table may come through a pipe.
        for args in models.iter().chain(tables.iter().filter(|_| path != "pipe")) {
            let said = run(&place, args);
            assert_eq!(said.code, Some(2), "steepest {args}\n{said:?}");
            assert!(said.err.contains(path) && said.err.contains(what), "steepest {args}\n{}", said.err);
        }
    }
}

#[test]
fn nothing_is_written_over_that_is_no_file_and_nothing_is_trained_before_it_is_known() {
    let (place, _socket) = place();
    for (path, what) in ODD {
        for args in [
            // A table that is not there would be the next error.
            format!("fit none.csv --target price --out {path}"),
            format!("predict none.safetensors none.csv --out {path}"),
            format!("verify --ops nothing --json {path}"),
        ] {
            let said = run(&place, &args);
            assert_eq!(said.code, Some(2), "steepest {args}\n{said:?}");
            assert!(said.err.contains(path) && said.err.contains(what), "steepest {args}\n{}", said.err);
        }
        let picture = format!("{}.svg", path.trim_start_matches("/dev/"));
        let _ = std::fs::remove_file(place.path(&picture));
        symlink(if path.starts_with('/') { path.into() } else { place.path(path) }, place.path(&picture)).unwrap();
        let said = run(&place, &format!("plot curve none.safetensors --out {picture}"));
        let what = if path == "dangling" { "a link to" } else { what };
        assert!(said.code == Some(2) && said.err.contains(&picture) && said.err.contains(what), "{picture}: {said:?}");
    }
    // A file beside the model's, too.
    symlink("/dev/full", place.path("n.report.json")).unwrap();
    let said = run(&place, "fit none.csv --target price --out n.safetensors");
    assert!(said.code == Some(2) && said.err.contains("n.report.json: it cannot be written: it is a device"), "{said:?}");
    // A folder that is not there, and a file in a folder's place.
    for out in ["nowhere/m.safetensors", "t.csv/m.safetensors", "/proc/m.safetensors"] {
        let said = run(&place, &format!("fit none.csv --target price --out {out}"));
        assert!(said.code == Some(2) && said.err.contains(out), "{said:?}");
    }
    assert!(std::fs::metadata("/dev/full").is_ok_and(|found| !found.is_file()));
}

#[test]
fn a_table_comes_through_a_pipe() {
    let (place, _socket) = place();
    let through = |args: &str, table: &str| {
        let command = format!("cat {table} > pipe & exec timeout 60 \"$0\" \"$@\"");
        let program = place.command(args);
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).arg(program.get_program()).args(program.get_args());
        said(shell.current_dir(place.path("")).env("STEEPEST_DEVICE", "cpu").output().unwrap())
    };
    let said = through("predict m.safetensors pipe", "t.csv");
    assert_eq!((said.code, said.out), (Some(0), place.works("predict m.safetensors t.csv")));
    // One that never ends is an error when the memory is used up that was allowed.
    let command = "ulimit -v 4000000; cat /dev/zero > pipe & exec timeout 60 \"$0\" inspect pipe";
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).arg(place.command("").get_program()).env("STEEPEST_MEMORY", "100MB");
    let said = crate::common::program::said(shell.current_dir(place.path("")).output().unwrap());
    assert!(said.code == Some(2) && said.err.contains("pipe, read whole: no room"), "{said:?}");
}

/// A disk of two megabytes, where this program may make one.
#[test]
fn a_full_disk_is_found_before_training() {
    let place = Place::new();
    place.put("t.csv", houses(60, 1));
    std::fs::create_dir(place.path("disk")).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(place.path("disk")).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED (a small disk cannot be mounted here)");
        return;
    }
    let said =
        run(&place, "fit t.csv --target price --epochs 100000 --patience 100000 --layers 1000,100 --out disk/m.safetensors");
    let left = std::fs::read_dir(place.path("disk")).unwrap().count();
    assert!(Command::new("umount").arg("--lazy").arg(place.path("disk")).status().unwrap().success());
    assert!(
        said.code == Some(2) && said.err.contains("m.safetensors: it cannot be written: No space left on device"),
        "{said:?}"
    );
    assert_eq!(left, 0, "nothing is left on it");
}
