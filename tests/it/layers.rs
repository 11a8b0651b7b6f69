//! Who may know whom: a text search of `use crate::` that keeps ARCHITECTURE.md's drawing true.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Per folder or file of `src/`: the modules of this crate it may name.
const ALLOWED: &[(&str, &[&str])] = &[
    ("error.rs", &["escape", "location", "shape"]),
    ("location.rs", &["escape"]),
    ("escape.rs", &[]),
    ("shape.rs", &["error"]),
    ("shaders.rs", &[]),
    ("eigen.rs", &[]),
    ("factor.rs", &["eigen"]),
    ("from_pytorch.rs", &[]),
    ("files", &["error", "files", "memory", "platform", "threads"]),
    // What the library does otherwise in a browser.
    ("platform.rs", &["error"]),
    ("memory.rs", &["error", "platform"]),
    ("budget.rs", &["error", "memory"]),
    ("workspace.rs", &["budget"]),
    ("numbers.rs", &[]),
    ("pattern.rs", &["error"]),
    ("threads.rs", &["platform"]),
    ("oneshot.rs", &["threads"]),
    ("turns.rs", &["oneshot", "threads"]),
    ("worker.rs", &["platform", "threads"]),
    ("graph", &["memory", "budget", "workspace", "shape", "error", "location", "graph"]),
    ("ops", &["memory", "shape", "error", "graph", "ops", "factor"]),
    // Text in, text out: WGSL and what naga reads off it.
    ("wgsl", &["error", "shaders", "wgsl"]),
    ("plan", &["memory", "shape", "error", "graph", "plan", "shaders"]),
    ("reference", &["memory", "platform", "shape", "error", "graph"]),
    ("profile", &["error", "escape", "files", "profile"]),
    // The executors see plans and shaders, never graphs or ops.
    ("executor.rs", &["budget", "plan", "error", "graph"]),
    ("gpu_info.rs", &[]),
    // In its place where GPU support is not built.
    ("no_gpu.rs", &["executor", "error", "gpu_info"]),
    ("cpu", &["memory", "executor", "plan", "platform", "threads"]),
    (
        "gpu",
        &[
            "gpu_info", "memory", "executor", "oneshot", "plan", "platform", "wgsl", "error", "files", "shaders", "threads",
            "worker", "gpu",
        ],
    ),
    (
        "device",
        &[
            "memory", "budget", "shape", "error", "graph", "location", "oneshot", "ops", "plan", "platform", "executor", "gpu",
            "cpu", "profile", "threads", "turns", "worker", "device",
        ],
    ),
    // What stands on top sees the ground floor and the public methods of tensors and devices.
    (
        "nn",
        &[
            "memory",
            "escape",
            "error",
            "location",
            "nn",
            "numbers",
            "parts",
            "pattern",
            "platform",
            "random",
            "threads",
            "Tensor",
            "Device",
            "DType",
            "Shape",
            "ToShape",
            "ToPair",
            "ToSizes",
            "ToTriple",
            "Conv3dOptions",
            "ConvNdOptions",
            "ConvOptions",
            "AttentionOptions",
            "Pairing",
            "RopeOptions",
            "RopeTables",
            "Interpolation",
            "PadMode",
            "PoolOptions",
            "no_grad",
        ],
    ),
    ("optim", &["memory", "error", "location", "optim", "ops", "pattern", "platform", "Device", "Tensor", "Gradients"]),
    (
        "data",
        &[
            "memory", "escape", "error", "files", "numbers", "shape", "data", "random", "Error", "Tensor", "Device", "Shape",
            "ToShape",
        ],
    ),
    // Files of models and of training runs: nothing of data or of the loop.
    ("save", &["memory", "error", "files", "numbers", "platform", "save", "nn", "optim", "Device", "Tensor"]),
    (
        "train",
        &[
            "memory",
            "escape",
            "error",
            "Error",
            "files",
            "location",
            "train",
            "data",
            "nn",
            "optim",
            "save",
            "platform",
            "threads",
            "Tensor",
            "Gradients",
            "Device",
            "DType",
            "no_grad",
        ],
    ),
    ("unsupervised", &["memory", "eigen", "error", "graph", "platform", "random", "Tensor", "DType", "no_grad"]),
    ("plot", &["memory", "escape", "error", "files", "platform", "plot", "train", "random", "Tensor", "Device", "no_grad"]),
    ("critical", &["memory", "eigen", "shape", "error", "graph", "location", "platform", "reference", "random"]),
    (
        "verify",
        &[
            "memory",
            "shape",
            "error",
            "graph",
            "ops",
            "plan",
            "platform",
            "reference",
            "shaders",
            "threads",
            "wgsl",
            "Tensor",
            "device",
        ],
    ),
];

/// The one file outside `gpu` that may name wgpu: public methods of devices and tensors that take and give the application's handles.
const TAKES_HANDLES: &str = "device/embed.rs";

/// Files that may hold an `unsafe` block: calls of wgpu that ask for a promise, each with the reason why it is kept.
const UNSAFE: &[&str] =
    &["gpu/checks.rs", "gpu/pipeline_cache.rs", "gpu/quirks/cooperative.rs", "gpu/quirks/window_extensions.rs"];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The first names after `root`, such as `crate::`, on a line, with braces opened: `use crate::{a, b::c}` gives a and b.
fn named(root: &str, line: &str) -> Vec<String> {
    line.match_indices(root)
        .flat_map(|(at, found)| {
            let rest = &line[at + found.len()..];
            let group = rest.strip_prefix('{').map(|inner| inner.split(',').map(str::trim).collect::<Vec<_>>());
            group.unwrap_or_else(|| vec![rest])
        })
        .map(|path| path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect()
}

fn offences(source: &Path, text: &str) -> Vec<String> {
    let mut parts = source.components().map(|c| c.as_os_str().to_string_lossy());
    let room = parts.next().unwrap().into_owned();
    if room == "lib.rs" || room == "bin" {
        return vec![];
    }
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{}: a room without a line in this test", source.display())];
    };
    let mut found = vec![];
    // Unit tests at a file's end may look anywhere.
    for (number, line) in text.lines().take_while(|l| !l.contains("#[cfg(test)]")).enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for name in named("crate::", line).into_iter().filter(|n| !n.is_empty() && !allowed.contains(&n.as_str())) {
            found.push(format!("{}:{}: {room} may not know {name}", source.display(), number + 1));
        }
        if room != "gpu" && source != Path::new(TAKES_HANDLES) && line.contains("wgpu::") {
            found.push(format!("{}:{}: only gpu names wgpu", source.display(), number + 1));
        }
    }
    found
}

#[test]
fn arrows_go_down_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = vec![];
    files(&root, &mut paths);
    let found: Vec<String> = paths
        .iter()
        .flat_map(|path| offences(path.strip_prefix(&root).unwrap(), &std::fs::read_to_string(path).unwrap()))
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Files of a folder that need each other in a circle, by what they name after `root`; and those that need such files.
fn circle(folder: &Path, root: &str) -> Vec<String> {
    let mut paths = vec![];
    files(folder, &mut paths);
    let stem = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    let all: BTreeSet<String> = paths.iter().map(|path| stem(path)).collect();
    let needs = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        // Unit tests at a file's end may look anywhere.
        let code = text.lines().take_while(|l| !l.contains("#[cfg(test)]")).filter(|l| !l.trim_start().starts_with("//"));
        let found: BTreeSet<String> = code.flat_map(|line| named(root, line)).filter(|name| all.contains(name)).collect();
        (stem(path), found)
    };
    let mut left: BTreeMap<String, BTreeSet<String>> = paths.iter().map(needs).collect();
    loop {
        let there: BTreeSet<String> = left.keys().cloned().collect();
        left.retain(|name, needs| needs.iter().any(|other| other != name && there.contains(other)));
        if left.len() == there.len() {
            return left.into_keys().collect();
        }
    }
}

#[test]
fn files_of_a_folder_need_each_other_one_way_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    assert_eq!(circle(&root.join("bin/steepest"), "crate::"), [] as [String; 0]);
    for room in ["device", "gpu", "plan", "plot", "verify", "wgsl"] {
        assert_eq!(circle(&root.join(room), "super::"), [] as [String; 0], "{room}");
    }
    // And a circle is seen.
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("a", "use crate::b::x;"), ("b", "use crate::{c, d};"), ("c", "fn f() { crate::a::g() }"), ("d", "")] {
        std::fs::write(folder.path().join(name).with_extension("rs"), text).unwrap();
    }
    assert_eq!(circle(folder.path(), "crate::"), ["a", "b", "c"]);
}

/// Calls that write or rename files.
const WRITERS: [&str; 7] =
    ["fs::write(", "File::create", "fs::rename(", "fs::copy(", "OpenOptions::new(", "File::options(", "fs::hard_link("];

/// Lines of a source, without comments and the unit tests at its end, that write a file.
fn writing_lines(text: &str) -> Vec<(usize, &str)> {
    let code = text.lines().enumerate().take_while(|(_, line)| !line.contains("#[cfg(test)]"));
    code.filter(|(_, line)| !line.trim_start().starts_with("//") && WRITERS.iter().any(|call| line.contains(call))).collect()
}

#[test]
fn one_room_writes_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![];
    files(&root.join("src"), &mut paths);
    files(&root.join("examples"), &mut paths);
    let own = root.join("src/files");
    for path in paths.iter().filter(|path| !path.starts_with(&own)) {
        // Unit tests that have a file of their own.
        if path.file_stem().unwrap().to_string_lossy().ends_with("tests") || path.parent().unwrap().ends_with("tests") {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        let found = writing_lines(&text).into_iter().map(|(line, _)| line + 1);
        let found: Vec<usize> = found.collect();
        assert!(found.is_empty(), "{}: lines {found:?} write files: use steepest::files", path.display());
    }
    // And one is seen.
    let text = "use std::fs;\n// fs::write(a, b)\nstd::fs::write(a, b)?;\n#[cfg(test)]\nfs::write(a, b);";
    assert_eq!(writing_lines(text), [(2, "std::fs::write(a, b)?;")]);
}

/// What a browser does otherwise or not at all: asked of `src/platform.rs`.
const OF_THE_PLATFORM: [&str; 8] = [
    "time::Instant",
    "Duration, Instant",
    "SystemTime",
    "block_on",
    "process::id",
    "thread::sleep",
    "target_family",
    "target_arch = \"wasm",
];

/// Files that have a form of their own for browsers, or that sleep where there are other processes and threads.
const OTHERWISE: [&str; 10] = [
    "platform.rs",
    "memory.rs",
    "files/exit.rs",
    "files/group_lock.rs",
    "gpu/borrowed.rs",
    "gpu/checks.rs",
    "ops/gemm/kernel.rs",
    "wgsl/binding.rs",
    "wgsl/mod.rs",
    "wgsl/reflect.rs",
];

/// Lines of a source, without comments and unit tests, that ask the system what the platform is to be asked.
fn platform_lines(text: &str) -> Vec<&str> {
    let code = text.lines().take_while(|line| !line.contains("#[cfg(test)]") && !line.contains("#[cfg(all(test"));
    code.filter(|line| !line.trim_start().starts_with("//") && OF_THE_PLATFORM.iter().any(|call| line.contains(call))).collect()
}

#[test]
fn one_file_knows_the_platform() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = vec![];
    files(&root, &mut paths);
    for path in paths {
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        // The program is for a terminal, and unit tests run natively.
        let elsewhere = name.starts_with("bin/") || name.ends_with("tests.rs") || name.contains("tests/");
        if !elsewhere && !OTHERWISE.contains(&name.as_str()) {
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(platform_lines(&text), [] as [&str; 0], "src/{name}: use crate::platform");
        }
    }
    // And one is seen.
    let text = "use std::time::Instant;\n// block_on\nlet x = pollster::block_on(y);\n#[cfg(test)]\nblock_on(z)";
    assert_eq!(platform_lines(text).len(), 2);
}

/// Whether a source line, comments aside, holds the word.
fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe" || word == "unsafe_code")
}

#[test]
fn unsafe_stands_in_few_files_of_one_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = vec![];
    files(&root, &mut paths);
    for path in paths {
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        let held = std::fs::read_to_string(&path).unwrap().lines().any(is_unsafe);
        assert_eq!(held, UNSAFE.contains(&name.as_str()), "unsafe in src/{name}");
        assert!(!held || name.starts_with("gpu/"), "unsafe outside src/gpu: {name}");
    }
    assert!(is_unsafe("    let x = unsafe { f() };") && is_unsafe("#[allow(unsafe_code)]") && !is_unsafe("// unsafe"));
}

#[test]
fn every_file_says_what_it_is() {
    let mut paths = vec![];
    for folder in ["src", "tests", "examples", "benches"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        if folder.exists() {
            files(&folder, &mut paths);
        }
    }
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} does not start with a line that says what it is", path.display());
    }
}

#[test]
fn back_doors_are_caught() {
    assert_eq!(offences(Path::new("cpu/mod.rs"), "use crate::graph::Node;").len(), 1);
    assert_eq!(offences(Path::new("graph/op.rs"), "use crate::{ops::relu, shape::Shape};").len(), 1);
    assert_eq!(offences(Path::new("plan/mod.rs"), "let x: wgpu::Buffer;").len(), 1);
    assert_eq!(offences(Path::new("attic/mod.rs"), "").len(), 1);
    assert!(offences(Path::new("cpu/mod.rs"), "use crate::plan::Plan;").is_empty());
}
