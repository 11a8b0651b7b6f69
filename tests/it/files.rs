//! Files under fire: many writers, kills at any moment, links and strays in the way, disks that are full. What is there is whole, and of one run.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
#[cfg(feature = "save")]
use std::time::Instant;
use steepest::files::{Files, write_whole};
use steepest::ops::case::Gen;

/// What a part of a test does in a process of its own, and the folder it does it in.
const PART: &str = "STEEPEST_TEST_PART";

/// The part `name` of a test, in a process of its own.
fn part(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "files::a_part_of_other_tests", "--nocapture"]);
    command.env(PART, format!("{name}:{}", folder.display()));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A process that ends with the test, however that ends.
struct Running(Child);

impl Running {
    fn new(name: &str, folder: &Path) -> Running {
        Running(part(name, folder).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a process has said something.
fn said(child: &mut Child, what: &str) {
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(what) {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "it ended before it said `{what}`");
    }
    child.stdout = Some(out.into_inner());
}

fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what}").unwrap();
    out.flush().unwrap();
}

#[test]
fn a_part_of_other_tests() {
    let Ok(part) = std::env::var(PART) else { return };
    let (name, folder) = part.split_once(':').unwrap();
    let folder = Path::new(folder);
    match name {
        "two threads" => std::thread::scope(|scope| {
            for writer in 0..2 {
                let number = std::process::id() as u8 ^ writer;
                scope.spawn(move || (0..250).for_each(|_| write_whole(&folder.join("file"), &vec![number; LENGTH]).unwrap()));
            }
        }),
        // Until it is killed.
        "again and again" => {
            for round in 0u64.. {
                write_whole(&folder.join("file"), &vec![round as u8; LENGTH]).unwrap();
                if round == 0 {
                    say("one is written");
                }
            }
        }
        "once" => write_whole(&folder.join("file"), &vec![7; LENGTH]).unwrap(),
        "groups" => (0..100).for_each(|round| group(folder, &format!("{}.{round}", std::process::id()))),
        #[cfg(feature = "save")]
        "training" => training(folder),
        other => panic!("no part is called {other}"),
    }
}

const LENGTH: usize = 600_000;

/// A folder in memory where there is one: nothing waits for a disk.
fn quick_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn strays(folder: &Path) -> Vec<String> {
    names(folder).into_iter().filter(|name| name.starts_with('.')).collect()
}

fn is_whole(bytes: &[u8]) -> bool {
    bytes.len() == LENGTH && bytes.iter().all(|byte| *byte == bytes[0])
}

#[test]
fn a_thousand_writes_of_two_processes_and_four_threads_are_whole() {
    let folder = quick_folder();
    let path = folder.path().join("file");
    write_whole(&path, &vec![0; LENGTH]).unwrap();
    let mut writers: Vec<Child> = (0..2).map(|_| part("two threads", folder.path()).spawn().unwrap()).collect();
    let (mut reads, mut others) = (0, 0);
    while writers.iter_mut().any(|writer| writer.try_wait().unwrap().is_none()) {
        let bytes = fs::read(&path).unwrap();
        assert!(is_whole(&bytes), "read {reads}: {} bytes", bytes.len());
        (reads, others) = (reads + 1, others + usize::from(bytes[0] != 0));
    }
    assert!(reads > 100 && others > 0, "{reads} reads saw {others} other files: this test saw too little");
    for writer in writers {
        let output = writer.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(names(folder.path()), ["file"]);
}

/// 100 kills. What is there is a whole file, and each program removes what the one before it left.
#[test]
fn a_writer_killed_at_any_moment_leaves_a_whole_file_and_the_next_removes_the_rest() {
    let folder = quick_folder();
    let path = folder.path().join("file");
    let mut draws = Gen::new(5);
    let mut left = 0;
    for kill in 0..100 {
        let mut writer = Running::new("again and again", folder.path());
        said(&mut writer.0, "one is written");
        std::thread::sleep(Duration::from_micros(draws.below(3000) as u64));
        drop(writer);
        assert!(is_whole(&fs::read(&path).unwrap()), "kill {kill}");
        let found = strays(folder.path());
        assert!(found.len() <= 1, "kill {kill}: nobody removed {found:?}");
        left += found.len();
    }
    assert!(left > 2, "only {left} of 100 kills left a stray: they come at the wrong moment");
    let last = part("once", folder.path()).output().unwrap();
    assert!(last.status.success(), "{}", String::from_utf8_lossy(&last.stderr));
    assert_eq!(names(folder.path()), ["file"]);
}

const GROUP: [&str; 3] = ["model", "history", "report"];

fn group(folder: &Path, run: &str) {
    let mut files = Files::default();
    for name in GROUP {
        files.bytes(&folder.join(name), run.as_bytes()).unwrap();
    }
    files.keep().unwrap();
}

#[test]
fn two_processes_that_keep_files_of_one_name_leave_those_of_one_run() {
    for _ in 0..3 {
        let folder = quick_folder();
        let writers: Vec<Child> = (0..2).map(|_| part("groups", folder.path()).spawn().unwrap()).collect();
        for writer in writers {
            let output = writer.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let runs: Vec<String> = GROUP.iter().map(|name| fs::read_to_string(folder.path().join(name)).unwrap()).collect();
        assert!(runs.iter().all(|run| *run == runs[0]), "{runs:?}");
        assert_eq!(names(folder.path()).len(), GROUP.len(), "{:?}", names(folder.path()));
    }
}

/// A run of many short steps that Ctrl-C ends, with checkpoints after each, while another thread writes a large file over and over.
#[cfg(feature = "save")]
fn training(folder: &Path) {
    use steepest::data::{DataLoader, Dataset, Labels};
    use steepest::nn::{self, Module};
    use steepest::train::{Every, Flow, Trainer};
    let device = steepest::Device::cpu();
    let rows = Dataset::new(vec![0.5; 400], &[2], Labels::Classes(vec![1; 200], 2)).unwrap();
    let loader = DataLoader::new(&rows, 1).on_device(&device).unwrap();
    let model = nn::mlp(&device, &[2, 4, 2], 1);
    let sgd = steepest::optim::Sgd::new(model.parameters(), 0.01);
    let large = folder.join("large");
    std::thread::spawn(move || {
        loop {
            write_whole(&large, &vec![1; 4 << 20]).unwrap();
        }
    });
    let trainer = Trainer::new(&model, sgd, |y, t| y.cross_entropy(t)).epochs(usize::MAX).quiet();
    #[cfg(feature = "progress")]
    let trainer = trainer.stop_on_ctrl_c();
    let mut trainer = trainer.checkpoints(folder.join("checkpoints"), Every::Steps(1)).on_step(|step| {
        if step.step == 3 {
            say("it learns");
        }
        std::thread::sleep(Duration::from_millis(10));
        Ok(Flow::Go)
    });
    trainer.fit(&loader).unwrap();
}

#[test]
#[cfg(all(unix, feature = "progress", feature = "save"))]
fn the_second_ctrl_c_ends_at_once_and_leaves_what_is_finished() {
    use steepest::save::Checkpoints;
    for round in 0..8 {
        let folder = quick_folder();
        let mut running = Running::new("training", folder.path());
        let run = &mut running.0;
        said(run, "it learns");
        let id = run.id().to_string();
        let press = || assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        press();
        // An epoch takes two seconds.
        let mut line = String::new();
        let mut errors = BufReader::new(run.stderr.take().unwrap());
        errors.read_line(&mut line).unwrap();
        assert_eq!(line, "stopping after this epoch; Ctrl-C again to stop at once\n");
        std::thread::sleep(Duration::from_millis(7 * round));
        assert!(run.try_wait().unwrap().is_none(), "one Ctrl-C ended it at once");
        let start = Instant::now();
        press();
        let status = run.wait().unwrap();
        assert_eq!(status.code(), Some(130));
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        let checkpoints = folder.path().join("checkpoints");
        assert_eq!((strays(folder.path()), strays(&checkpoints)), (vec![], vec![]), "round {round}");
        let large = fs::read(folder.path().join("large")).map_or(4 << 20, |bytes| bytes.len());
        assert_eq!(large, 4 << 20);
        let newest = Checkpoints::new(&checkpoints).newest().unwrap().unwrap().1;
        assert!(newest.progress["step"].parse::<u64>().unwrap() >= 2);
    }
}

/// A small file system in memory, if this user may mount one.
struct Small(tempfile::TempDir);

impl Small {
    fn new(what: &str) -> Option<Small> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = cfg!(target_os = "linux")
            && Command::new("mount")
                .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
                .arg(folder.path())
                .output()
                .is_ok_and(|output| output.status.success());
        if !mounted {
            println!("SKIPPED (no file system of its own can be mounted): {what}");
            return None;
        }
        Some(Small(folder))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Leaves so many bytes.
    #[cfg(feature = "save")]
    fn fill(&self, left: usize) {
        let mut file = fs::File::create(self.path("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len(length - left as u64).unwrap();
    }

    /// Gives the room back. Cut to nothing first: another test's child that was just started may have the file open for a moment yet, and what is
    /// open keeps its room when its name is removed.
    #[cfg(feature = "save")]
    fn empty(&self) {
        fs::File::create(self.path("filler")).unwrap();
        fs::remove_file(self.path("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_leaves_the_old_file_and_no_stray() {
    let Some(small) = Small::new("writes on a full disk") else { return };
    let path = small.path("file");
    write_whole(&path, &[1; 300_000]).unwrap();
    // There is room for half of it.
    let error = write_whole(&path, &[2; 1_500_000]).unwrap_err().to_string();
    assert!(error.contains("file: it cannot be written: No space left on device"), "{error}");
    assert!(fs::read(&path).unwrap() == [1; 300_000]);
    assert_eq!(names(small.0.path()), ["file"]);
    // Of several files the last has no room.
    let mut files = Files::default();
    files.bytes(&path, &[3; 300_000]).unwrap();
    let error = files.bytes(&small.path("other"), &[3; 700_000]).unwrap_err();
    drop(files);
    assert!(error.to_string().contains("other"), "{error}");
    assert!(fs::read(&path).unwrap() == [1; 300_000]);
    assert_eq!(names(small.0.path()), ["file"]);
    write_whole(&path, &[4; 300_000]).unwrap();
}

/// The disk is full from the ninth step on, and has room again from the fourteenth on.
#[test]
#[cfg(feature = "save")]
fn training_goes_on_when_the_disk_is_full_and_is_taken_up_from_what_there_is() {
    use steepest::data::{DataLoader, Dataset, Labels};
    use steepest::nn::{self, Module, StateDict};
    use steepest::optim::Adam;
    use steepest::save::Checkpoints;
    use steepest::train::{Every, Flow, Trainer};
    let Some(small) = Small::new("training on a full disk") else { return };
    let device = steepest::Device::cpu();
    let features = steepest::random::normal_host(96 * 4, 0.0, 1.0, 3, 0);
    let classes = features.chunks(4).map(|row| u32::from(row[0] * row[1] > 0.0)).collect();
    let rows = Dataset::new(features, &[4], Labels::Classes(classes, 2)).unwrap();
    let loader = DataLoader::new(&rows, 16).shuffle(1).on_device(&device).unwrap();
    let fit = |folder: &Path, seed: u64, on_step: &dyn Fn(u64) -> Flow| {
        let model = nn::mlp(&device, &[4, 32, 2], seed);
        let adam = Adam::new(model.parameters(), 0.01);
        let trainer = Trainer::new(&model, adam, |y, t| y.cross_entropy(t)).epochs(3).quiet();
        let mut trainer = trainer.checkpoints(folder, Every::Steps(1)).keep(2).resume().on_step(|step| Ok(on_step(step.step)));
        let report = trainer.fit(&loader).unwrap();
        drop(trainer);
        (StateDict::of(&model).unwrap(), report)
    };
    let elsewhere = tempfile::tempdir().unwrap();
    let (weights, _) = fit(elsewhere.path(), 1, &|_| Flow::Go);

    let folder = small.path("checkpoints");
    let full = |step: u64| {
        match step {
            9 => small.fill(0),
            14 => small.empty(),
            _ => {}
        }
        Flow::Go
    };
    let (left, report) = fit(&folder, 1, &full);
    assert!(left == weights, "a full disk changed the training");
    let [failed] = &report.failed_checkpoints[..] else { panic!("{:?}", report.failed_checkpoints) };
    assert_eq!((failed.first, failed.last, failed.count), (9, 13, 5));
    assert!(failed.message.contains("No space left"), "{}", failed.message);
    assert_eq!(report.checkpoint, Some(18));
    report.checkpointed().unwrap();

    // The same, but it is stopped while the disk is full: it says so, and the run goes on from what there is.
    fs::remove_dir_all(&folder).unwrap();
    let stop = |step: u64| if step == 12 { Flow::Stop } else { full(step) };
    let (_, report) = fit(&folder, 1, &stop);
    let error = report.checkpointed().unwrap_err().to_string();
    assert!(error.contains("No space left") && error.contains("the newest checkpoint is that of step 8"), "{error}");
    let there: Vec<u64> = Checkpoints::new(&folder).files().unwrap().into_iter().map(|(step, _)| step).collect();
    assert_eq!(there, [8, 7]);
    assert_eq!(strays(&folder), [] as [String; 0]);
    small.empty();
    let (left, report) = fit(&folder, 99, &|_| Flow::Go);
    assert!(left == weights && report.steps == 18, "other weights");
}
