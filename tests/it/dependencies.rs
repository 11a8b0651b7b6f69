//! How many crates a program takes on with this library, and that those of the GPU come with their feature only.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The crates that a build with these features takes on Linux, this library among them; `None`, said aloud, where cargo cannot tell.
fn crates(features: &str) -> Option<BTreeSet<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    cargo.args(["--target", "x86_64-unknown-linux-gnu", "--no-default-features", "--features", features]);
    let output = match cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output() {
        Ok(output) if output.status.success() => output,
        Ok(output) => {
            println!("SKIPPED (cargo tree: {}): crates", String::from_utf8_lossy(&output.stderr).trim());
            return None;
        }
        Err(error) => {
            println!("SKIPPED (no cargo: {error}): crates");
            return None;
        }
    };
    let text = String::from_utf8(output.stdout).unwrap();
    // `name v1.2.3`, and of some crates where they come from.
    Some(text.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect())
}

/// Whether a tree has a crate of this name.
fn has(crates: &BTreeSet<String>, name: &str) -> bool {
    crates.iter().any(|found| found.split(' ').next() == Some(name))
}

#[test]
fn a_build_takes_few_crates() {
    for (features, most) in [("", 40), ("gpu", 90)] {
        let Some(found) = crates(features) else { return };
        assert!(found.len() <= most, "features `{features}`: {} crates, at most {most}:\n{found:#?}", found.len());
        assert!(has(&found, "steepest") && has(&found, "rayon"), "{found:?}");
        for name in ["wgpu", "wgpu-core", "naga"] {
            assert_eq!(has(&found, name), features == "gpu", "features `{features}`: {name}");
        }
    }
}

#[test]
fn optional_crates_come_with_their_feature_only() {
    let own = [
        ("tables", "csv"),
        ("save", "serde_json"),
        ("progress", "indicatif"),
        ("plot", "kuva"),
        ("images", "image"),
        ("arrays", "rawzip"),
        ("cli", "clap"),
    ];
    let (Some(with_gpu), Some(all)) = (crates("gpu"), crates("cli,gpu")) else { return };
    for (feature, name) in own {
        let Some(alone) = crates(feature) else { return };
        assert!(has(&alone, name) && has(&all, name), "feature `{feature}` without {name}");
        assert!(!has(&with_gpu, name), "{name} without feature `{feature}`");
        assert!(!has(&alone, "wgpu"), "feature `{feature}` takes on wgpu");
    }
}

/// Only rooms that a build without GPU support leaves out may name the crates of the GPU.
#[test]
fn crates_of_the_gpu_are_named_in_rooms_of_the_gpu_only() {
    fn visit(folder: &Path, root: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            if name == "gpu" || name == "wgsl" {
                continue;
            }
            if path.is_dir() {
                visit(&path, root);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                let named: Vec<&str> = code.filter(|line| line.contains("naga::")).collect();
                assert!(named.is_empty(), "src/{name} names naga: {named:?}");
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    visit(&root, &root);
}
