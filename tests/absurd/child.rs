//! The calls are made in child processes, this program run again: held to little memory, watched for hangs, started again after the call that took
//! one down.
#![cfg(target_os = "linux")]

use crate::odd::Odd;
use crate::{Line, lines};
use std::fs::File;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use steepest::Device;
use steepest::ops::case::Gen;

/// What the library is told that it may use at most.
const MEMORY: &str = "256MB";

/// What a child's addresses are held to, in KiB: the program, its threads' stacks and a driver's, and a few arrays of the most it may use.
const ADDRESSES_CPU: usize = 3_000_000;
const ADDRESSES_GPU: usize = 6_000_000;

/// Processor time that a call may take: more than the work that fits into its memory, in a build that is not optimised.
const SLOW: Duration = Duration::from_secs(15);

/// Time without any progress after which a child is ended: much longer, because others may use the machine.
const HANG: Duration = Duration::from_secs(60);

/// After so many calls of a line that took a child down, the line's other calls are left out.
const ENOUGH: usize = 3;

/// Calls of the CPU for each on an adapter in software, where each new shape means shaders to compile.
const CPU_CALLS: usize = 5;

/// The work of one child: some lines, each called `repeats` times.
struct Job {
    device: String,
    first: usize,
    last: usize,
    repeats: usize,
    /// Whether the lines are those that go wrong.
    planted: bool,
    /// Time without any progress after which a child is ended.
    patience: Duration,
}

#[derive(Default)]
struct Report {
    calls: usize,
    faults: Vec<String>,
}

#[test]
fn absurd_arguments_are_answered() {
    let wish = std::env::var("STEEPEST_ABSURD").unwrap_or_default();
    if wish.contains('/') {
        return again(&wish);
    }
    let total = match wish.as_str() {
        "" => 10_000,
        "full" => 110_000,
        number => number.parse().expect("STEEPEST_ABSURD is `full`, a number of calls, or device/function/seed"),
    };
    let adapter = Device::all().into_iter().map(|info| info.name).find(|name| name != "cpu");
    if adapter.is_none() {
        assert!(std::env::var("STEEPEST_REQUIRE_GPU").as_deref() != Ok("1"), "no adapter, and STEEPEST_REQUIRE_GPU=1");
        println!("SKIPPED (no adapter): absurd arguments on a GPU");
    }
    let only = std::env::var("STEEPEST_ABSURD_DEVICE").unwrap_or_default();
    let count = lines().len();
    let mut jobs = vec![];
    let on_gpu = total / (CPU_CALLS + 1);
    for (device, calls) in [(Some("cpu".to_owned()), total - on_gpu), (adapter, on_gpu)] {
        let Some(device) = device.filter(|name| name.contains(&only)) else { continue };
        let repeats = calls.div_ceil(count);
        let per_job = (2000 / repeats).max(1);
        let job = |first: usize| Job {
            device: device.clone(),
            first,
            last: (first + per_job).min(count),
            repeats,
            planted: false,
            patience: HANG,
        };
        jobs.extend((0..count).step_by(per_job).map(job));
    }
    let folder = tempfile::tempdir().unwrap();
    let (next, report) = (AtomicUsize::new(0), Mutex::new(Report::default()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = work(job, folder.path());
                    let mut all = report.lock().unwrap();
                    all.calls += found.calls;
                    all.faults.extend(found.faults);
                }
            });
        }
    });
    let report = report.into_inner().unwrap();
    println!("{} calls of {count} lines, {} faults", report.calls, report.faults.len());
    assert!(report.faults.is_empty(), "{} of {} calls:\n{}", report.faults.len(), report.calls, report.faults.join("\n"));
}

/// Calls that go wrong in every way there is.
const PLANTED: &[Line] = crate::table! {
    "fine" => |o| o.tensor().exp();
    "panics" => |o| assert_eq!(o.size(), usize::MAX / 3, "planted");
    "panics beside" => |_o| std::thread::spawn(|| assert!(black_box(false), "planted")).join().is_err();
    "aborts" => |_o| if black_box(true) { std::process::abort() };
    "takes memory" => |_o| black_box(vec![1u8; 1 << 40]).len();
    "overflows" => |_o| deep(black_box(1 << 40));
    "turns" => |_o| {
        let start = processor_time();
        while processor_time() < start + slow() + Duration::from_millis(100) {}
    };
    "hangs" => |_o| while black_box(true) { std::thread::sleep(Duration::from_secs(1)) };
};

/// Takes more stack than there is.
fn deep(n: u64) -> u64 {
    if black_box(n) == 0 { 0 } else { deep(n - 1) + black_box(n) }
}

/// Processor time that a call may take: [`SLOW`], or so many milliseconds.
fn slow() -> Duration {
    setting("SLOW").map_or(SLOW, |text| Duration::from_millis(text.parse().unwrap()))
}

/// The lines that a child calls: those of the rooms, or the planted ones.
fn table() -> Vec<&'static Line> {
    if setting("PLANTED").is_some() { PLANTED.iter().collect() } else { lines() }
}

#[test]
fn every_way_to_go_wrong_is_found_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let patience = Duration::from_secs(6);
    let job = Job { device: "cpu".to_owned(), first: 0, last: PLANTED.len(), repeats: 1, planted: true, patience };
    let report = work(&job, folder.path());
    let of = |name: &str| -> Vec<&String> {
        report.faults.iter().filter(|fault| fault.contains(&format!(" called {name}/"))).collect()
    };
    let all = report.faults.join("\n");
    assert_eq!(report.calls, PLANTED.len(), "{all}");
    assert!(of("fine").is_empty(), "{all}");
    for (name, words) in [
        ("panics", "planted"),
        ("panics beside", "planted"),
        ("aborts", "signal: 6"),
        ("takes memory", "memory allocation of 1099511627776 bytes failed"),
        ("overflows", "overflowed its stack"),
        ("hangs", "no progress"),
    ] {
        assert!(matches!(of(name)[..], [one] if one.contains(words)), "{name}: {words}: {all}");
    }
    assert!(matches!(of("turns")[..], [one] if one.contains("slow") || one.contains("no progress")), "{all}");
}

/// Makes one call again and shows its log.
fn again(wish: &str) {
    let (device, rest) = wish.split_once('/').unwrap();
    let (name, seed) = rest.rsplit_once('/').unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut child = start(&log, &[("DEVICE", device), ("NAME", name), ("SEED", seed)], ADDRESSES_GPU);
    let status = child.wait().unwrap();
    let text = std::fs::read_to_string(log).unwrap();
    println!("{text}\n{status}");
    assert!(status.success() && !text.contains("FAULT"), "{text}\n{status}");
}

fn start(log: &Path, settings: &[(&str, &str)], addresses: usize) -> std::process::Child {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -v {addresses}; exec \"$0\" --exact child::child --ignored --nocapture --test-threads=1")]);
    command.arg(program).env("STEEPEST_MEMORY", MEMORY).env("STEEPEST_ABSURD_LOG", log).env("RUST_BACKTRACE", "0");
    for (name, value) in settings {
        command.env(format!("STEEPEST_ABSURD_{name}"), value);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs a job to its end, in as many children as it takes.
fn work(job: &Job, folder: &Path) -> Report {
    let (mut report, mut from) = (Report::default(), 0);
    let end = (job.last - job.first) * job.repeats;
    let mut down = vec![0; job.last - job.first];
    while from < end {
        let log = folder.join(format!("{}-{}-{from}", job.device.replace(|c: char| !c.is_alphanumeric(), "-"), job.first));
        let numbers = [job.first, job.repeats, from, end].map(|n| n.to_string());
        let names = ["FIRST", "REPEATS", "FROM", "END"];
        let mut settings: Vec<(&str, &str)> = names.into_iter().zip(numbers.iter().map(String::as_str)).collect();
        settings.push(("DEVICE", &job.device));
        if job.planted {
            settings.extend([("PLANTED", "1"), ("SLOW", "300")]);
        }
        let addresses = if job.device == "cpu" { ADDRESSES_CPU } else { ADDRESSES_GPU };
        let child = start(&log, &settings, addresses);
        let ended = watch(child, &log, job.patience);
        let text = String::from_utf8_lossy(&std::fs::read(&log).unwrap_or_default()).into_owned();
        let calls: Vec<&str> = text.lines().filter(|l| l.contains(" called ")).collect();
        report.calls += calls.len();
        report.faults.extend(calls.iter().filter(|l| l.contains("FAULT")).map(|l| format!("{} {l}", job.device)));
        if ended.is_none() && text.ends_with("through\n") {
            break;
        }
        let reason = ended.unwrap_or_else(|| "ended early".to_owned());
        let Some(last) = calls.last() else {
            report.faults.push(format!("{}: no call was made: {reason}", job.device));
            break;
        };
        report.faults.push(format!("{} {last} FAULT {reason}", job.device));
        let index: usize = last.split(' ').next().unwrap().parse().unwrap();
        let line = index / job.repeats;
        down[line] += 1;
        from = if down[line] >= ENOUGH { (line + 1) * job.repeats } else { index + 1 };
    }
    report
}

/// Waits for a child; what went wrong with it, if anything.
fn watch(mut child: std::process::Child, log: &Path, patience: Duration) -> Option<String> {
    let errors = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || std::io::read_to_string(errors).unwrap_or_default());
    let (mut size, mut since) = (0, Instant::now());
    let hangs = loop {
        if let Some(status) = child.try_wait().unwrap() {
            let said = reader.join().unwrap();
            let said: Vec<&str> = said.lines().filter(|l| !l.trim().is_empty()).collect();
            return (!status.success()).then(|| format!("{status}: {}", said[said.len().saturating_sub(3)..].join(" / ")));
        }
        let now = std::fs::metadata(log).map_or(0, |data| data.len());
        if now != size {
            (size, since) = (now, Instant::now());
        }
        if since.elapsed() > patience {
            break since.elapsed();
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    child.kill().unwrap();
    child.wait().unwrap();
    Some(format!("hangs: no progress for {hangs:.0?}"))
}

fn setting(name: &str) -> Option<String> {
    std::env::var(format!("STEEPEST_ABSURD_{name}")).ok()
}

/// The processor time of this process, in all its threads.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = &stat[stat.rfind(')').unwrap() + 2..];
    let ticks: u64 = after_name.split(' ').skip(11).take(2).map(|t| t.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// Makes the calls that the environment asks for. Not a test by itself.
#[test]
#[ignore = "run by the test above, as a child process"]
fn child() {
    let Some(log) = setting("LOG") else { return };
    let number = |name: &str| setting(name).map_or(0, |text| text.parse::<usize>().unwrap());
    let device = Device::named(&setting("DEVICE").unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = File::create(PathBuf::from(log)).unwrap();
    let mut o = Odd::new(device, Device::cpu(), folder.path().to_owned(), Box::new(file));
    static PANIC: Mutex<String> = Mutex::new(String::new());
    std::panic::set_hook(Box::new(|info| {
        let text = info.to_string().replace('\n', " ");
        let mut said = PANIC.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if said.is_empty() {
            *said = text;
        }
    }));
    let mut make = |index: usize, line: &Line, seed: u64| {
        o.note(&format!("{index} called {}/{seed}:", line.name));
        o.start(seed);
        let (before, clock) = (processor_time(), Instant::now());
        let ended = catch_unwind(AssertUnwindSafe(|| (line.call)(&mut o)));
        let (took, clock) = (processor_time() - before, clock.elapsed());
        let said = std::mem::take(&mut *PANIC.lock().unwrap());
        if ended.is_err() || !said.is_empty() {
            o.note(&format!(" FAULT {said}"));
        } else if took > slow() && clock > slow() {
            o.note(&format!(" FAULT slow: {took:.1?} of processor time"));
        }
        o.note("\n");
    };
    let all = table();
    if let Some(name) = setting("NAME") {
        let seed = setting("SEED").unwrap().parse().unwrap();
        all.iter().filter(|line| line.name == name).enumerate().for_each(|(i, line)| make(i, line, seed));
    } else {
        let (first, repeats) = (number("FIRST"), number("REPEATS"));
        for index in number("FROM")..number("END") {
            let line = first + index / repeats;
            // Of 48 bits, so that it is short to write.
            let seed = Gen::new(((line as u64) << 32) + index as u64).bits() >> 16;
            make(index, all[line], seed);
        }
    }
    o.note("through\n");
    // Without the driver's own ends, some of which fail in little memory.
    std::process::exit(0);
}
