//! Feeds odd files to every reader: mutants of good ones, by a seed, for some seconds. Each is read within bounds or refused: no panic, no
//! abort, no hang, no memory beyond what its size explains.
//!
//! `STEEPEST_FUZZ_SECONDS` for all readers together (20 if not said), `STEEPEST_FUZZ_SEED` for other mutants. A reader runs in a process of its
//! own, so that what ends that process is found too. What was found is written to a file that the message names;
//! `cargo test --all-features --test fuzz -- --file npz FILE` reads it once more.
#![allow(clippy::unwrap_used)]

#[path = "../fuzz/mutator.rs"]
mod mutator;
#[path = "../fuzz/targets.rs"]
mod targets;

use peak_alloc::PeakAlloc;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use targets::{TARGETS, Target};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What every reader may take for any input: its tables of packing, errors, and the like.
const FLOOR: usize = 1 << 20;
/// What no input may take.
const MOST: usize = 64 << 20;
/// How long an input may take.
const SLOW: Duration = Duration::from_secs(5);
/// What tells a program that it is a child: the reader's name, a seed, seconds, a file for its progress.
const CHILD: &str = "STEEPEST_FUZZ_CHILD";

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// Reads one input within its bounds; what is wrong, or whether it was read.
fn run(target: &Target, bytes: &[u8]) -> Result<bool, String> {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let read = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))).map_err(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!("panicked: {}", said.unwrap_or_default())
    })?;
    let took = MEMORY.peak_usage().saturating_sub(before);
    let most = MOST.min(FLOOR + target.growth * bytes.len());
    if took > most {
        return Err(format!("took {took} bytes of memory for {} bytes of input, expected at most {most}", bytes.len()));
    }
    Ok(read)
}

fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("there is no reader `{name}`"))
}

/// A process that feeds one reader. It tells the number of its input before each, so that its parent knows what ended it.
fn child(task: &str) -> ExitCode {
    let parts: Vec<&str> = task.splitn(4, '|').collect();
    let &[name, seed, millis, progress] = &parts[..] else { panic!("{CHILD}={task}") };
    let (target, seed, time) = (target(name), seed.parse().unwrap(), Duration::from_millis(millis.parse().unwrap()));
    let mut progress = File::create(progress).unwrap();
    let mut tell = |number: u64| {
        progress.seek(SeekFrom::Start(0)).unwrap();
        progress.write_all(&number.to_le_bytes()).unwrap();
    };
    let seeds = (target.seeds)();
    // A panic is told by who catches it.
    std::panic::set_hook(Box::new(|_| {}));
    // Whatever is made once is not counted for the first input.
    seeds.iter().for_each(|seed| drop(catch_unwind(AssertUnwindSafe(|| (target.run)(seed)))));

    static BEGUN: AtomicU64 = AtomicU64::new(u64::MAX);
    let start = Instant::now();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let now = start.elapsed().as_millis() as u64;
            if now.saturating_sub(BEGUN.load(Ordering::SeqCst)) > SLOW.as_millis() as u64 {
                println!("took longer than {} s", SLOW.as_secs());
                std::process::exit(1);
            }
        }
    });
    let (mut at, mut read) = (0, 0);
    while start.elapsed() < time || at < seeds.len() as u64 {
        let bytes = mutator::input(seed, at, &seeds, target.longest);
        tell(at);
        BEGUN.store(start.elapsed().as_millis() as u64, Ordering::SeqCst);
        let found = run(target, &bytes);
        BEGUN.store(u64::MAX, Ordering::SeqCst);
        match found {
            Ok(true) => read += 1,
            Ok(false) if at < seeds.len() as u64 => {
                println!("refused seed {at}, which is a good file");
                return ExitCode::FAILURE;
            }
            Ok(false) => {}
            Err(what) => {
                println!("{what}");
                return ExitCode::FAILURE;
            }
        }
        at += 1;
    }
    println!("{at} inputs, {read} of them read");
    ExitCode::SUCCESS
}

/// Feeds a reader in a process of its own; the last line it says, or what is wrong and where it is kept.
fn feed(target: &Target, seed: u64, time: Duration, folder: &Path) -> Result<String, String> {
    let progress = folder.join(format!("{}.progress", target.name));
    let task = format!("{}|{seed}|{}|{}", target.name, time.as_millis(), progress.display());
    let program = std::env::current_exe().unwrap();
    let mut command = if cfg!(unix) {
        // What asks for all there is shall be refused, and not fill the machine.
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -v 8000000; exec \"$0\""]).arg(program);
        shell
    } else {
        Command::new(program)
    };
    let mut child = command.env(CHILD, task).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + time + Duration::from_secs(60);
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status.to_string(),
            None if Instant::now() > deadline => {
                child.kill().unwrap();
                child.wait().unwrap();
                break "still running a minute after its time".to_owned();
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let (mut said, mut complained) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut complained).unwrap();
    let said = said.trim().to_owned();
    if status.ends_with(": 0") {
        return Ok(said);
    }
    let what = if said.is_empty() { format!("{status}: {}", complained.trim()) } else { said };
    let at = std::fs::read(&progress).ok().and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    let Some(at) = at else { return Err(format!("{what}, before the first input")) };
    let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{seed}-{at}", target.name));
    std::fs::write(&kept, mutator::input(seed, at, &(target.seeds)(), target.longest)).unwrap();
    Err(format!("{what}\n    seed {seed}, input {at}, kept in {}", kept.display()))
}

fn main() -> ExitCode {
    if let Ok(task) = std::env::var(CHILD) {
        return child(&task);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--file", name, file] => {
            let found = run(target(name), &std::fs::read(file).unwrap());
            println!("{found:?}");
            return if found.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        // For libFuzzer, which begins with files of a folder.
        ["--seeds", folder] => {
            for target in TARGETS {
                let folder = Path::new(folder).join(target.name);
                std::fs::create_dir_all(&folder).unwrap();
                for (i, seed) in (target.seeds)().iter().enumerate() {
                    std::fs::write(folder.join(format!("seed-{i}")), seed).unwrap();
                }
            }
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    // As other programs of tests do: names are filters, flags are passed over.
    let exact = words.contains(&"--exact");
    let named = |name: &str| {
        let name = format!("fuzz::{name}");
        let mut filters = words.iter().filter(|word| !word.starts_with('-')).peekable();
        filters.peek().is_none() || filters.any(|word| if exact { name == **word } else { name.contains(*word) })
    };
    let chosen: Vec<&Target> = TARGETS.iter().filter(|target| named(target.name)).collect();
    if words.contains(&"--list") {
        chosen.iter().for_each(|target| println!("fuzz::{}: test", target.name));
        return ExitCode::SUCCESS;
    }
    feed_all(&chosen, number("STEEPEST_FUZZ_SEED", 1), number("STEEPEST_FUZZ_SECONDS", 20))
}

/// Feeds several readers, as many at a time as there are processors, each for its share of the time.
fn feed_all(chosen: &[&Target], seed: u64, seconds: u64) -> ExitCode {
    println!("\nrunning {} tests", chosen.len());
    let (next, folder) = (AtomicUsize::new(0), tempfile::tempdir().unwrap());
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get()).min(chosen.len());
    let time = Duration::from_millis(seconds * 1000 * workers as u64 / chosen.len().max(1) as u64);
    let failures = Mutex::new(vec![]);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(target) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = feed(target, seed, time, folder.path());
                    let said = found.as_ref().map(|said| format!("ok ({said} in {:.1} s)", time.as_secs_f64()));
                    println!("test fuzz::{} ... {}", target.name, said.as_deref().unwrap_or("FAILED"));
                    failures.lock().unwrap().extend(found.err().map(|what| (target.name, what)));
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    for (name, what) in &failures {
        println!("\nfuzz::{name}: {what}");
    }
    let (ok, failed) = (chosen.len() - failures.len(), failures.len());
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {result}. {ok} passed; {failed} failed; 0 ignored; 0 measured; {} filtered out\n",
        TARGETS.len() - chosen.len()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
