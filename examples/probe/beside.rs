//! PyTorch on the same machine in the same run, beside what was measured here; and what became of the targets.

use super::Probe;
use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

const SCRIPT: &str = include_str!("../../benches/torch_probe.py");

/// What the script printed.
pub struct Torch {
    lines: Vec<Value>,
}

impl Torch {
    /// Runs the script on the sizes of the probe; what it measured, and how it ended.
    pub fn measure(probe: &Probe, python: &Path) -> anyhow::Result<(Torch, anyhow::Result<()>)> {
        let list = |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let mut command = Command::new(python);
        command.args(["-c", SCRIPT, "--sizes", &list(probe.sizes()), "--rows", &list(probe.batches())]);
        command.args(["--numbers", &probe.numbers().to_string()]).args(probe.quick.then_some("--quick"));
        let output = command.output().with_context(|| format!("cannot run {}", python.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let errors = String::from_utf8_lossy(&output.stderr);
        let end = match output.status.success() {
            true => Ok(()),
            false => Err(anyhow!("{} with benches/torch_probe.py: {}", python.display(), errors.trim())),
        };
        Ok((Torch { lines }, end))
    }

    fn median(&self, name: &str) -> Option<f64> {
        self.lines.iter().find(|line| line["name"] == name)?["median_us"].as_f64()
    }
}

/// One table of ours and theirs, and a line for each target.
pub fn compare(probe: &mut Probe, torch: Option<&Torch>) {
    // Group and name here, and the names there.
    let mut pairs: Vec<(&str, String, Vec<String>)> = vec![];
    for n in probe.sizes() {
        pairs.push(("matmul", format!("{n}: A B"), ["fp32", "tf32", "bf16"].map(|kind| format!("matmul_{kind}_{n}")).to_vec()));
    }
    for name in ["x + 1", "relu(x y + z)"] {
        pairs.push(("memory", name.to_owned(), vec![name.to_owned()]));
    }
    for rows in probe.batches() {
        let kinds = |model: &str| ["eager", "graph"].map(|kind| format!("{model}_b{rows}_{kind}")).to_vec();
        pairs.push(("step", format!("784-256-128-10, batch {rows}"), kinds("mlp")));
        pairs.push(("step", format!("conv 16, conv 32, linear, batch {rows}"), [kinds("cnn"), kinds("cnn_tf32")].concat()));
    }
    let facts = torch.and_then(|torch| torch.lines.first());
    println!(
        "\nBeside PyTorch {}",
        facts.map_or("(not run: --torch PYTHON names an interpreter that has it)".to_owned(), Value::to_string)
    );
    if let Some(torch) = torch {
        println!("{:<44} {:>24} {:>12} {:>12} {:>12}", "", "", "ours, µs", "theirs, µs", "theirs/ours");
        for (group, name, theirs) in pairs {
            let Some(ours) = probe.median(group, &name) else { continue };
            for rival in theirs {
                let Some(median) = torch.median(&rival) else { continue };
                println!("{name:<44} {rival:>24} {ours:>12.2} {median:>12.2} {:>12.2}", median / ours);
                probe.found.push(json!({ "group": "beside", "name": name, "torch": rival, "ours_us": ours, "torch_us": median }));
            }
        }
        probe.found.extend(torch.lines.iter().map(|line| json!({ "group": "torch", "name": line["name"], "line": line })));
    }
    targets(probe, torch);
}

fn targets(probe: &mut Probe, torch: Option<&Torch>) {
    let ratio = |group: &str, name: &str, rival: &str| Some(torch?.median(rival)? / probe.median(group, name)?);
    let mlp = "784-256-128-10, batch 64";
    // Bytes moved by each, per number.
    let bandwidth = [("x + 1", 8.0), ("relu(x y + z)", 16.0)].map(|(name, bytes)| {
        let rate = |us: f64| bytes * probe.numbers() as f64 / us * 1e-3;
        probe.median("memory", name).map(|us| rate(us) / probe.peak.gigabytes)
    });
    // The small tensors of a quick look say what a dispatch costs, not what memory gives.
    let elementwise = bandwidth.into_iter().flatten().reduce(f64::min).filter(|_| !probe.quick);
    let wanted = [
        ("product of 4096, share of PyTorch's in fp32", 0.9, ratio("matmul", "4096: A B", "matmul_fp32_4096")),
        ("step of the perceptron, times faster than eager PyTorch", 4.0, ratio("step", mlp, "mlp_b64_eager")),
        ("step of the perceptron, times faster than its CUDA graph", 1.0, ratio("step", mlp, "mlp_b64_graph")),
        ("elementwise, share of the bandwidth of a copy", 0.75, elementwise),
    ];
    println!("\n{:<60} {:>8} {:>8}", "Targets", "wanted", "found");
    for (name, least, found) in wanted {
        let verdict = found.map_or("not measured", |found| if found >= least { "met" } else { "MISSED" });
        let shown = found.map_or(String::new(), |found| format!("{found:.2}"));
        println!("{name:<60} {least:>8.2} {shown:>8} {verdict}");
        probe.found.push(json!({ "group": "target", "name": name, "wanted": least, "found": found, "verdict": verdict }));
    }
}
