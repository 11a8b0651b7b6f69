//! Two ways of waiting: whatever waits has an async form, which gives the same bits and never blocks. Where nothing may wait, as in a browser, async forms
//! work and blocking ones are errors. `STEEPEST_WAIT=never` makes such a place of a child process: a GPU's answers come later there, by another thread.

use crate::common;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use steepest::{Device, Error, Result};

mod table;

/// A future of what a call found, as text that tells every bit.
type Found = Pin<Box<dyn Future<Output = Result<String>>>>;

/// A call that waits and its async form.
struct Twins {
    /// File and name of the async form.
    name: &'static str,
    /// Whether the blocking form is an error on a GPU where nothing may wait: not if it only hands work over.
    waits: bool,
    blocking: fn(&Device) -> Result<String>,
    awaited: fn(Device) -> Found,
}

/// Set in child processes in which nothing may wait; says which device.
const DEVICE: &str = "STEEPEST_TEST_WAITING";

/// Unparks the thread that polls.
struct Unpark(std::thread::Thread, AtomicUsize);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Ordering::Release);
        self.0.unpark();
    }
}

/// Polls a future to its end; says how often it was pending, and how long the longest poll took. A future that nobody wakes is a failure.
fn polled<T>(name: &str, mut future: Pin<Box<dyn Future<Output = T>>>) -> (T, usize) {
    let unpark = Arc::new(Unpark(std::thread::current(), AtomicUsize::new(0)));
    let waker = Waker::from(unpark.clone());
    let mut pending = 0;
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return (value, pending);
        }
        pending += 1;
        let begun = Instant::now();
        while unpark.1.swap(0, Ordering::Acquire) == 0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "{name}: nobody wakes the future");
            std::thread::park_timeout(Duration::from_secs(1));
        }
    }
}

fn opened(device: &str) -> Option<Device> {
    match device {
        "cpu" => Some(Device::cpu()),
        _ => common::gpu("async forms"),
    }
}

/// What an entry found, on one line.
fn told(found: &Result<String>) -> String {
    match found {
        Ok(text) => format!("ok {text}"),
        Err(error) => format!("error {error}"),
    }
    .replace('\n', "\u{2424}")
}

fn refuses_to_wait(found: &Result<String>) -> bool {
    matches!(found, Err(Error::CannotWait { .. })) || told(found).contains("nothing can wait in a browser")
}

/// The threads that answer for devices end after these; a driver that is unloaded under them would crash.
fn let_threads_end() {
    std::thread::sleep(Duration::from_millis(100));
}

/// The part of a child process.
#[test]
fn a_part_of_other_tests() {
    let Ok(device) = std::env::var(DEVICE) else { return };
    let on_gpu = device == "gpu";
    for twins in table::all() {
        // A device each: one that was refused something stays ill.
        let Some(own) = opened(&device) else { return };
        let (found, pending) = polled(twins.name, (twins.awaited)(own));
        println!("\nFOUND\t{}\t{}", twins.name, told(&found));
        if on_gpu && twins.waits {
            assert!(pending > 0, "{}: a GPU's answers come later, and nothing was pending", twins.name);
            let Some(own) = opened(&device) else { return };
            let found = (twins.blocking)(&own);
            assert!(refuses_to_wait(&found), "{}: the blocking form gave {}", twins.name, told(&found));
        }
        if !on_gpu {
            assert!(!LETS_THE_PAGE_GO_ON.contains(&twins.name) || pending > 2, "{}: it never lets the page go on", twins.name);
            // On the CPU all is ready at once, so the blocking form works there too.
            assert_eq!(told(&(twins.blocking)(&Device::cpu())), told(&found), "{}", twins.name);
        }
    }
    println!("\nALL DONE");
    let_threads_end();
}

/// What takes long lets the page's loop go on in between, also where everything is ready at once.
const LETS_THE_PAGE_GO_ON: [&str; 9] = [
    "check_op::check_op_async",
    "critical::examine_async",
    "full::full_async",
    "gradcheck::grad_check_async",
    "kmeans::fit_async",
    "probe::driver_async",
    "score::of_async",
    "trainer::fit_async",
    "values::ops_async",
];

fn same_in_a_child(device: &str) {
    let Some(_) = opened(device) else { return };
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "waiting::a_part_of_other_tests", "--nocapture"])
        .env(DEVICE, device)
        .env("STEEPEST_WAIT", "never")
        .env("STEEPEST_CACHE", "off")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && said.contains("ALL DONE"), "{device}: {:?}\n{said}\n{errors}", child.status);
    let found: BTreeMap<&str, &str> = said.lines().filter_map(|line| line.strip_prefix("FOUND\t")?.split_once('\t')).collect();
    for twins in table::all() {
        let own = opened(device).unwrap();
        let blocking = told(&(twins.blocking)(&own));
        assert!(blocking.starts_with("ok "), "{device}: {}: {blocking}", twins.name);
        let (awaited, _) = polled(twins.name, (twins.awaited)(opened(device).unwrap()));
        assert_eq!(told(&awaited), blocking, "{device}: {}, where waiting is allowed", twins.name);
        assert_eq!(found.get(twins.name), Some(&blocking.as_str()), "{device}: {}, where nothing may wait", twins.name);
    }
}

#[test]
fn async_forms_give_the_same_bits_on_the_cpu() {
    same_in_a_child("cpu");
}

#[test]
fn async_forms_give_the_same_bits_on_a_gpu_and_never_wait() {
    same_in_a_child("gpu");
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The library's files, each by its path below `src/`: without unit tests, comments, and the program for a terminal.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = vec![];
    files(&root, &mut paths);
    let mut sources = vec![];
    for path in paths {
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        if name.starts_with("bin/") || name.ends_with("tests.rs") || name.contains("tests/") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code: Vec<&str> = text
            .lines()
            .take_while(|line| !line.contains("#[cfg(test)]") && !line.contains("#[cfg(all(test"))
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        sources.push((name, code.join("\n")));
    }
    sources
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("fn ")?;
    let plain =
        before.split_whitespace().all(|word| word.starts_with("pub") || ["super)", "crate)", "async", "const"].contains(&word));
    plain.then(|| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
}

/// Calls that block, each with the function it is in.
fn blocking(code: &str) -> Vec<(String, String)> {
    const BLOCKING: [&str; 12] = [
        "waited(",
        "platform::wait(",
        "block_on(",
        ".item()",
        ".to_vec::<",
        ".to_vec()?",
        "(Tensor::to_vec)",
        "StateDict::of(",
        "State::of(",
        "Array::of(",
        "ModelFile::of(",
        "Predictions::of(",
    ];
    let (mut found, mut within) = (vec![], String::new());
    for line in code.lines() {
        if let Some(name) = function(line) {
            name.clone_into(&mut within);
        }
        if BLOCKING.iter().any(|call| line.contains(call)) {
            found.push((within.clone(), line.trim().to_owned()));
        }
    }
    found
}

/// Who may block, though it has no async form: the file and the function, with the reason.
const MAY_BLOCK: &[(&str, &str, &str)] = &[
    ("platform.rs", "wait", "waiting itself"),
    ("platform.rs", "waited", "waiting itself"),
    ("platform.rs", "poll_later", "natively the answers are there"),
    ("device/state.rs", "run_in_turn", "only where waiting is allowed"),
    ("device/profile.rs", "set_profile", "where nothing may wait it does not"),
    ("device/profile.rs", "drop", "a profile that is printed at the end: natively only"),
    ("gpu/readback.rs", "reading", "on a thread that is there for that"),
    ("gpu/run.rs", "run", "of unit tests, of measuring and of self-tests: natively only"),
    ("gpu/self_test.rs", "computed", "natively only"),
    ("gpu/self_test.rs", "run_all", "natively only"),
    ("verify/values.rs", "one", "for tests with planted bugs"),
    ("nn/embedding.rs", "padding", "of a new layer, whose numbers the host has"),
    ("nn/recurrent/mod.rs", "forget_bias", "of a new layer, whose numbers the host has"),
    ("plot/charts.rs", "activations", "on the CPU's own device"),
    ("save/mod.rs", "save", "a file, which a page has none of"),
];

/// A function that blocks has an async form in the same file, and is no more than a line that waits for it.
#[test]
fn whatever_waits_has_an_async_form() {
    let mut wrong = vec![];
    for (name, code) in sources() {
        let has: BTreeSet<&str> = code.lines().filter_map(function).collect();
        for (within, line) in blocking(&code) {
            let excused = MAY_BLOCK.iter().any(|(file, function, _)| *file == name && *function == within);
            let twin = has.contains(format!("{within}_async").as_str()) && line.contains("wait");
            // `item` and `to_vec` read in the background where there are threads, and share the rest.
            let reading = name == "device/read.rs" && ["item", "to_vec"].contains(&within.as_str());
            if !excused && !twin && !reading {
                wrong.push(format!("src/{name}: `{within}`: {line}"));
            }
        }
    }
    assert!(wrong.is_empty(), "these block without an async form:\n{}", wrong.join("\n"));
    // And one is seen.
    let code = "    pub fn fit(&self) -> Result<f32> {\n        self.loss().item()\n    }";
    assert_eq!(blocking(code), [("fit".to_owned(), "self.loss().item()".to_owned())]);
}

/// Async forms that need no entry: they are how tests open devices, or wait for nothing that could be compared.
const WITHOUT_ENTRY: &[&str] = &[
    "open::best_async",
    "open::named_async",
    "open::gpu_async",
    "open::all_async",
    "open::gpu_with_minimal_limits_async",
    "state::caught_up_async",
    "state::wait_async",
];

/// Every public async form is in the table.
#[test]
fn every_async_form_is_tried() {
    let entries = table::all();
    // `state::of_async of a model`: a further entry of the same function.
    let known: BTreeSet<&str> = entries.iter().filter_map(|twins| twins.name.split(' ').next()).collect();
    let mut left = known.clone();
    let mut missing = vec![];
    for (name, code) in sources() {
        let stem = name.trim_end_matches("/mod.rs").trim_end_matches(".rs").rsplit('/').next().unwrap();
        let is_public = |line: &&str| line.trim_start().starts_with("pub ") || name == "optim/mod.rs";
        for line in code.lines().filter(is_public) {
            let Some(function) = function(line).filter(|function| function.ends_with("_async")) else { continue };
            let full = format!("{stem}::{function}");
            left.remove(full.as_str());
            if !known.contains(full.as_str()) && !WITHOUT_ENTRY.contains(&full.as_str()) {
                missing.push(full);
            }
        }
    }
    // Some are built with other features only.
    let not_built = ["save::", "checkpoint::", "landscape::", "field::"];
    missing.retain(|name| cfg!(feature = "cli") || !not_built.iter().any(|start| name.starts_with(start)));
    assert!(missing.is_empty(), "without an entry in waiting/table.rs: {missing:?}");
    assert!(left.is_empty(), "entries of no function: {left:?}");
}

/// A device that is lost while something waits for it: an error, soon.
#[test]
fn a_lost_device_ends_what_waits() {
    let Some(_) = opened("gpu") else { return };
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "waiting::lost_in_a_child", "--nocapture"])
        .env(DEVICE, "lost")
        .env("STEEPEST_WAIT", "never")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("ALL LOST"), "{said}\n{}", String::from_utf8_lossy(&child.stderr));
}

/// The part of a child process.
#[test]
fn lost_in_a_child() {
    if std::env::var(DEVICE).as_deref() != Ok("lost") {
        return;
    }
    let Some(device) = opened("gpu") else { return };
    let (x, own) = (device.ones(1 << 20).exp().sum(&[]), device.clone());
    let mut future: Found = Box::pin(async move {
        let before = x.item_async().await?;
        // Given up in the middle: nobody else waits for it.
        let mut given_up = Box::pin(async move { own.wait_async().await });
        let _ = given_up.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(given_up);
        Ok(format!("{before}"))
    });
    let waker = Waker::from(Arc::new(Unpark(std::thread::current(), AtomicUsize::new(0))));
    let first = future.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(first.is_pending(), "{first:?}");
    device.as_gpu().unwrap().lose();
    let (found, _) = polled("a read that is under way", future);
    // It was done before the loss, or it is lost.
    assert!(!matches!(&found, Err(error) if !matches!(error, Error::DeviceLost { .. })), "{found:?}");
    let after = device.ones(3).sum(&[]);
    let read = after.item_async();
    let (found, _) = polled("a read afterwards", Box::pin(async move { read.await.map(|x| x.to_string()) }));
    assert!(matches!(found, Err(Error::DeviceLost { .. })), "{found:?}");
    println!("ALL LOST");
    drop((device, after));
    let_threads_end();
}

/// A run that is given up leaves nothing behind: the next one goes on.
#[test]
fn what_is_given_up_holds_up_nobody() {
    let Some(_) = opened("gpu") else { return };
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "waiting::given_up_in_a_child", "--nocapture"])
        .env(DEVICE, "given up")
        .env("STEEPEST_WAIT", "never")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("ALL GIVEN UP"), "{said}\n{}", String::from_utf8_lossy(&child.stderr));
}

/// The part of a child process.
#[test]
fn given_up_in_a_child() {
    if std::env::var(DEVICE).as_deref() != Ok("given up") {
        return;
    }
    let Some(device) = opened("gpu") else { return };
    let a = device.tensor(&[4.0, 2.0, 2.0, 3.0], [2, 2]);
    // The host computes in the middle of this run, so it is pending while it has the device's turn.
    let (x, y) = ((&a * 1.0).cholesky(false).sum(&[]), (&a * 2.0).cholesky(false).sum(&[]));
    let expected = 2.0 + 1.0 + 2f32.sqrt();
    let mut first = Box::pin({
        let x = x.clone();
        async move { x.run_async().await }
    });
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    // Another run waits for its turn; one that may not wait is an error, not a hang.
    let mut second: Pin<Box<dyn Future<Output = Result<f32>>>> = Box::pin({
        let y = y.clone();
        async move { y.item_async().await }
    });
    assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(matches!(device.ones(2).exp().run(), Err(Error::CannotWait { .. })));
    drop(first);
    let (found, _) = polled("the run after it", second);
    assert!((found.unwrap() - expected * 2f32.sqrt()).abs() < 1e-4);
    let (found, _) = polled("the one given up, again", Box::pin(async move { x.item_async().await }));
    assert!((found.unwrap() - expected).abs() < 1e-4);
    // A verification that is given up puts the device's test switches back.
    let depth = steepest::verify::Depth { filter: "softmax".to_owned(), ..Default::default() };
    let own = device.clone();
    let mut full = Box::pin(async move { steepest::verify::full_async(&own, &depth, &mut |_, _, _| {}).await });
    let _ = full.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    drop(full);
    let one = device.ones(3).sum(&[]);
    one.run().unwrap();
    println!("ALL GIVEN UP");
    drop((device, one, a, y));
    let_threads_end();
}
