//! The tables of docs/kernels.md, written between its markers.

use crate::chips::Chip;
use crate::figures::{Figures, Report};
use crate::table::reuses;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

const BEGIN: &str = "<!-- made by `cargo run --release -p isa -- --render docs/kernels.md` -->\n";
const END: &str = "<!-- end of what is made -->";

/// Writes the tables of reports into a file, in place of those between its markers.
pub fn render(path: &Path, reports: &[Report]) -> Result<()> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| name.to_string())?;
    let begin = text.find(BEGIN).with_context(|| format!("{name} has no line {BEGIN}"))? + BEGIN.len();
    let end = text[begin..].find(END).with_context(|| format!("{name} has no line {END}"))? + begin;
    std::fs::write(path, format!("{}{}{}", &text[..begin], tables(reports), &text[end..])).with_context(|| name.to_string())
}

fn tables(reports: &[Report]) -> String {
    let mut text = String::new();
    if let Some(report) = reports.first() {
        let _ = writeln!(text, "\nCompiled by {}.\n", report.driver);
    }
    text += "| chip | card | peak, TFLOPS | memory, GB/s | kernels compiled | registers spilt |\n|---|---|---|---|---|---|\n";
    for report in reports {
        let Some(chip) = Chip::named(&report.chip) else { continue };
        let spills: f64 = report.kernels.iter().map(Figures::spills).sum();
        let (peak, bandwidth, kernels) = (2e-3 * chip.multiply_adds(), chip.bandwidth, report.kernels.len());
        let _ = writeln!(text, "| {} | {} | {peak:.1} | {bandwidth} | {kernels} | {spills} |", chip.name, chip.card);
    }
    let mut families: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for one in reports.iter().flat_map(|report| &report.kernels).filter(|one| one.plain) {
        *families.entry(one.family()).or_default().entry(one.file()).or_default() += 1;
    }
    for (family, files) in families {
        let _ = writeln!(text, "\n### {family}\n");
        text += "| kernel |";
        let chips: String = reports.iter().map(|report| format!(" {} |", report.chip)).collect();
        let _ = writeln!(text, "{chips}\n|---|{}", "---|".repeat(reports.len()));
        for (file, count) in files {
            let forms = count / reports.len().max(1);
            let name = file.strip_prefix(family).unwrap_or(file).trim_start_matches('/');
            let _ = write!(text, "| {name}, {forms} form{} |", if forms == 1 { "" } else { "s" });
            for report in reports {
                let _ = write!(text, " {} |", cell(report, file));
            }
            text.push('\n');
        }
    }
    text.push('\n');
    text
}

/// What a chip makes of a file: of its forms the one that comes nearest to the peak.
fn cell(report: &Report, file: &str) -> String {
    let Some(chip) = Chip::named(&report.chip) else { return String::new() };
    let of = report.kernels.iter().filter(|one| one.plain && one.file() == file);
    let estimates = of.filter_map(|one| {
        let code = one.code.as_ref()?;
        Some((one, code, chip.estimate(&code.hot, f64::from(one.subgroup), reuses(one.family()))))
    });
    let share = |memory: Option<f64>, arithmetic: f64| memory.unwrap_or(0.0).max(arithmetic);
    let best = estimates.max_by(|a, b| share(a.2.memory, a.2.arithmetic).total_cmp(&share(b.2.memory, b.2.arithmetic)));
    let Some((one, code, estimate)) = best else { return String::new() };
    let registers = one.of("VGPRs").unwrap_or(0.0);
    let occupancy = one.occupancy().unwrap_or(0.0);
    let per = code.hot.per_operation().map_or("no arithmetic".to_owned(), |per| format!("{per:.2} instr."));
    let reached = match estimate.memory {
        Some(memory) if memory > estimate.arithmetic => format!("{:.0} % of memory", 100.0 * memory),
        _ => format!("{:.0} % of arithmetic", 100.0 * estimate.arithmetic),
    };
    let limit = if reached.starts_with("100") { String::new() } else { format!(" ({})", estimate.limit) };
    format!("{registers} reg., {occupancy} waves, {per}, {reached}{limit}")
}
