//! The program as it is used: by Mesa's driver for AMD, where that is installed.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use steepest::verify::{self, Form};

/// A kernel whose loop is short, so that one instruction more is a lot of it.
const KERNEL: &str = "update/sgd (sgd)";

fn isa(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_isa")).args(arguments).output().unwrap()
}

fn last_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned()
}

/// Whether there is a driver; said aloud if not.
fn driver() -> bool {
    let found = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten())
        .any(|entry| entry.file_name().to_string_lossy().starts_with("radeon_icd"));
    if !found {
        println!("SKIPPED (Mesa's Vulkan driver for AMD is not installed): what compilers make of kernels");
    }
    found
}

/// A file with a kernel of this name.
fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join("kernel.wgsl");
    std::fs::write(&path, format!("// {name}\n{text}")).unwrap();
    path
}

/// WGSL of a kernel of the library.
fn text(start: &str) -> (String, String) {
    let modules = verify::modules(&verify::variants()).unwrap();
    let found = modules.into_iter().find(|m| m.form == Form::Plain && m.name.starts_with(start)).unwrap();
    (found.name, found.text)
}

/// Checks a file by one chip.
fn check(path: &Path) -> Output {
    isa(&["--chip", "gfx1100", "--check", "--file", path.to_str().unwrap()])
}

#[test]
fn a_spill_is_seen() {
    if !driver() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // So many numbers that are all needed at the end; no chip has so many registers.
    let kernel = |count: usize| {
        let loads: String = (0..count).map(|i| format!("    let x{i} = in0[id.x * 977u + {i}u * 13u];\n")).collect();
        // Each again in another order, so that none is done with before the last is there.
        let first: String = (0..count).map(|i| format!("    y = y * 1.5 + x{i};\n")).collect();
        let second: String = (0..count).rev().map(|i| format!("    y = y * y + x{i};\n")).collect();
        format!(
            "@group(0) @binding(0) var<storage, read> in0: array<f32>;\n@group(0) @binding(6) var<storage, read_write> out: array<f32>;\n\
             @compute @workgroup_size(64)\nfn main(@builtin(global_invocation_id) id: vec3<u32>) {{\n    var y = 0.0;\n{loads}{first}{second}    \
             out[id.x] = y;\n}}\n"
        )
    };
    let output = check(&file(folder.path(), "planted", &kernel(600)));
    assert_eq!(
        (last_line(&output).as_str(), output.status.success()),
        ("1 kernels, 1 spills, 0 over budget", false),
        "{output:?}"
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("gfx1100: planted: "), "{output:?}");
    let output = check(&file(folder.path(), "planted", &kernel(16)));
    assert_eq!(
        (last_line(&output).as_str(), output.status.success()),
        ("1 kernels, 0 spills, 0 over budget", true),
        "{output:?}"
    );
}

#[test]
fn an_instruction_more_is_seen() {
    if !driver() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (name, text) = text(KERNEL);
    let output = check(&file(folder.path(), &name, &text));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!((last_line(&output).as_str(), output.status.success()), ("1 kernels, 0 spills, 0 over budget", true), "{told}");
    if told.contains("only spills count") {
        println!("SKIPPED (another driver than that of the budgets): instructions of kernels");
        return;
    }
    // What it needs once more, in a form that no compiler can fold into what is there.
    let line = "let g = slope + c.weight_decay * p;";
    assert!(text.contains(line), "{text}");
    let planted =
        "let g = slope + c.weight_decay * vec4<f32>(bitcast<vec4<u32>>(p) ^ (bitcast<vec4<u32>>(slope) >> vec4<u32>(3u)));";
    let more = text.replace(line, planted);
    let output = check(&file(folder.path(), &name, &more));
    assert_eq!(
        (last_line(&output).as_str(), output.status.success()),
        ("1 kernels, 0 spills, 1 over budget", false),
        "{output:?}"
    );
}

#[test]
fn chips_are_told_apart() {
    if !driver() {
        return;
    }
    let output = isa(&["--chip", "gfx1100", "--chip", "vega10", "--kernel", "f16/to_f32", "--json"]);
    let reports: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let reports = reports.as_array().unwrap();
    assert_eq!(reports.len(), 2);
    for (report, chip) in reports.iter().zip(["gfx1100", "vega10"]) {
        assert_eq!(report["chip"], chip);
        assert!(report["device"].as_str().unwrap().to_lowercase().contains(chip), "{}", report["device"]);
        let kernel = &report["kernels"][0];
        assert_eq!(kernel["subgroup"], 64);
        assert!(kernel["code"]["whole"]["instructions"].as_u64().unwrap() > 10, "{kernel}");
        // What it reads and writes is in the code.
        assert!(kernel["code"]["whole"]["loads"].as_array().unwrap().iter().any(|n| n.as_u64() > Some(0)), "{kernel}");
    }
    let code = |i: usize| &reports[i]["kernels"][0]["code"];
    assert_ne!(code(0), code(1), "two chips of one code");
    // No chip of this name: an error in words.
    let output = isa(&["--chip", "nonesuch", "--kernel", "f16/to_f32"]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("nonesuch"), "{output:?}");
}
