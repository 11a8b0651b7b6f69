//! How the tests run examples: as a newcomer does, with few steps.

use std::path::Path;
use std::process::{Command, Output};

/// Cargo, about to run an example with the features and the profile that the tests were built with, so that nothing is compiled twice.
pub fn cargo(name: &str) -> Command {
    let built = [
        ("default", cfg!(feature = "default")),
        ("gpu", cfg!(feature = "gpu")),
        ("tables", cfg!(feature = "tables")),
        ("save", cfg!(feature = "save")),
        ("progress", cfg!(feature = "progress")),
        ("plot", cfg!(feature = "plot")),
        ("images", cfg!(feature = "images")),
        ("arrays", cfg!(feature = "arrays")),
        ("cli", cfg!(feature = "cli")),
    ];
    let built: Vec<&str> = built.into_iter().filter(|(_, built)| *built).map(|(name, _)| name).collect();
    let features = format!("--features={}", built.join(","));
    let profile = if cfg!(debug_assertions) { "--profile=dev" } else { "--profile=release" };
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", profile, "--no-default-features", &features, "--example", name, "--"]);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("STEEPEST_DEVICE");
    command
}

/// Runs an example to its end, whatever that is.
pub fn start(name: &str, flags: &[&str]) -> Output {
    cargo(name).args(flags).output().unwrap()
}

/// Runs an example, on the CPU unless a flag says otherwise, with pictures in a folder of its own; checks that each is an SVG that says its
/// title; gives back what was printed.
pub fn drawn(name: &str, flags: &[&str], titles: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("made by the example");
    let cpu = if flags.contains(&"--device") { &[][..] } else { &["--device", "cpu"] };
    let output = start(name, &[flags, cpu, &["--out", out.to_str().unwrap()]].concat());
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}:\n{text}\n{errors}");
    let pictures: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("picture: ")).collect();
    assert_eq!(pictures.len(), titles.len(), "{text}");
    for (path, title) in pictures.iter().zip(titles) {
        assert!(Path::new(path).starts_with(&out), "{path} is not in {}", out.display());
        let svg = std::fs::read_to_string(path).unwrap();
        assert!(svg.trim_start().starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{path} is no SVG");
        assert!(svg.contains(title), "{path} does not say `{title}`");
        assert!(!svg.contains("NaN"), "{path} has a place that is no number");
    }
    text.into_owned()
}
