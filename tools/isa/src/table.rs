//! Reports as text for a terminal.

use crate::chips::Chip;
use crate::figures::{Figures, Report};
use std::fmt::Write as _;

/// Families whose loops read what other workgroups read too: their numbers come from a cache.
pub fn reuses(family: &str) -> bool {
    ["conv", "distance", "matmul", "pool", "unfold"].contains(&family)
}

/// A table of what AMD's compiler says, and what its code holds; of another driver its figures, by its own names.
pub fn table(report: &Report) -> String {
    let mut text = format!("{}: {} by {}, {} kernels\n", report.chip, report.device, report.driver, report.kernels.len());
    if report.left_out > 0 {
        let _ = writeln!(text, "{} more need cooperative matrices, which this driver does not have", report.left_out);
    }
    let amd = report.kernels.iter().any(|one| one.code.is_some());
    if amd {
        let _ = writeln!(
            text,
            "spill: vector and scalar registers; LDS and scratch in bytes; waves: subgroups per SIMD; all: instructions\n\
             hottest loop: all, multiply-adds, other floats, special functions, other vector, scalar, waits, branches; loads and stores N×BYTES"
        );
        let _ = writeln!(
            text,
            "{:>4} {:>4} {:>5} {:>5} {:>6} {:>5} {:>5} {:>7} {:>7} | {:>4} {:>4} {:>4} {:>4} {:>4} {:>4} {:>4} {:>4} {:>10} {:>8} {:>8} {:>8} | kernel",
            "VGPR",
            "SGPR",
            "spill",
            "LDS",
            "scratc",
            "waves",
            "all",
            "latency",
            "1/thr",
            "loop",
            "mad",
            "flt",
            "spec",
            "vec",
            "scal",
            "wait",
            "bran",
            "LDS load",
            "LDS st",
            "load",
            "store"
        );
    }
    for one in &report.kernels {
        match (&one.error, &one.code) {
            (Some(error), _) => text += &format!("{}: {error}\n", one.name),
            (None, Some(_)) => text += &row(one),
            (None, None) => {
                let figures: Vec<String> = one.statistics.iter().map(|(name, value)| format!("{name} {value}")).collect();
                let _ = writeln!(text, "{} (subgroups of {}): {}", one.name, one.subgroup, figures.join(", "));
            }
        }
        if let Some(assembly) = &one.assembly {
            let _ = writeln!(text, "{assembly}\n");
        }
    }
    text
}

/// A row of AMD's table.
fn row(one: &Figures) -> String {
    let of = |name: &str| one.of(name).map_or("-".to_owned(), |value| value.to_string());
    let Some(code) = &one.code else { return String::new() };
    let hot = &code.hot;
    let spill = format!("{}+{}", of("Spilled VGPRs"), of("Spilled SGPRs"));
    format!(
        "{:>4} {:>4} {spill:>5} {:>5} {:>6} {:>5} {:>5} {:>7} {:>7} | {:>4} {:>4} {:>4} {:>4} {:>4} {:>4} {:>4} {:>4} {:>10} {:>8} {:>8} {:>8} | {}\n",
        of("VGPRs"),
        of("SGPRs"),
        of("LDS size"),
        of("Scratch size"),
        of("Subgroups per SIMD"),
        code.whole.instructions,
        of("Latency"),
        of("Inverse Throughput"),
        hot.instructions,
        hot.multiply_adds,
        hot.float,
        hot.special,
        hot.vector,
        hot.scalar,
        hot.waits,
        hot.branches,
        hot.local_loads,
        hot.local_stores,
        hot.loads,
        hot.stores,
        one.name
    )
}

/// The kernels that make the least of a chip: what limits the hottest loop, and the share of the peak that is left. Estimates.
pub fn roofline(report: &Report) -> String {
    let Some(chip) = Chip::named(&report.chip) else { return String::new() };
    let mut text = format!(
        "{}: {}, {:.1} TFLOPS, {} GB/s; estimates of the hottest loop\n",
        chip.name,
        chip.card,
        2e-3 * chip.multiply_adds(),
        chip.bandwidth
    );
    for one in report.kernels.iter().filter(|one| one.plain) {
        let Some(code) = &one.code else { continue };
        let estimate = chip.estimate(&code.hot, f64::from(one.subgroup), reuses(one.family()));
        let memory = estimate.memory.map_or(String::new(), |share| format!(", {:.0} % of the memory's", 100.0 * share));
        let _ = writeln!(
            text,
            "{:>5.0} % of arithmetic{memory}: limited by {:<16} {}",
            100.0 * estimate.arithmetic,
            estimate.limit,
            one.name
        );
    }
    text
}
