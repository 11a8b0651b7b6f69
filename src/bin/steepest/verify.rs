//! `steepest verify`: the whole verification on a device of this machine, as a table and as JSON.

use crate::output::{self, Verdict};
use crate::{files, model, say};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use steepest::files::write_whole;
use steepest::verify::{Depth, DriverRow, Outcome, full};

/// Exit code 0: everything is right. 1: something is wrong. 2: it could not be verified.
#[derive(clap::Args)]
pub struct Args {
    /// cpu, gpu, best, or part of an adapter's name; else the best there is (or STEEPEST_DEVICE).
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Check every case, and all of them once more under a browser's limits.
    #[arg(long)]
    deep: bool,
    /// Only op families whose name contains this.
    #[arg(long, value_name = "PART", default_value = "")]
    ops: String,
    /// Write a JSON report to this file, or to standard output in place of the table with `-`.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Test hook: the op that this variable names gets wrong kernels, so that one can see the verification fail.
const PLANT: &str = "STEEPEST_PLANT";

pub fn run(args: &Args) -> Verdict {
    if let Some(path) = args.json.as_deref().filter(|path| path.as_os_str() != "-") {
        files::check(path, &[])?;
    }
    let device = model::device(args.device.as_deref())?;
    let plant = std::env::var(PLANT).ok().filter(|name| !name.is_empty());
    let depth = Depth { deep: args.deep, filter: args.ops.clone(), plant };
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {eta}").context("progress bar")?;
    let bar = ProgressBar::new(0).with_style(style.progress_chars("=> "));
    let outcome = full(&device, &depth, &mut |stage, done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        bar.set_message(stage.to_owned());
    });
    bar.finish_and_clear();
    let outcome = outcome?;
    anyhow::ensure!(outcome.cases() > 0, "no family of ops has `{}` in its name", args.ops);

    let report = report(&outcome);
    match args.json.as_deref() {
        Some(path) if path.as_os_str() == "-" => output::json(&report)?,
        path => {
            print(&outcome)?;
            if let Some(path) = path {
                write_whole(path, (serde_json::to_string_pretty(&report)? + "\n").as_bytes())?;
            }
        }
    }
    Ok(if outcome.passed() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn report(outcome: &Outcome) -> Value {
    let stage = |s: &steepest::verify::Stage| {
        let worst = s
            .report
            .worst
            .iter()
            .map(|(class, (ratio, place))| json!({ "class": class, "worst_error_in_bounds": finite(*ratio), "case": place }));
        json!({
            "name": s.name, "subject": s.report.subject, "cases": s.report.cases, "elements": s.report.elements,
            "seconds": s.seconds, "worst": worst.collect::<Vec<_>>(), "failures": s.report.failures,
        })
    };
    let row = |row: &DriverRow| match row {
        DriverRow::Accuracy { name, driver, at, engine, tried } => json!({
            "function": name, "driver_ulp": finite(*driver), "at": at, "engine_ulp": engine.map(finite), "tried": tried,
        }),
        DriverRow::Behaviour { name, holds } => json!({ "statement": name, "holds": holds }),
    };
    json!({
        "program": "steepest", "version": env!("CARGO_PKG_VERSION"), "device": outcome.device,
        "depth": if outcome.deep { "deep" } else { "default" }, "passed": outcome.passed(), "seconds": outcome.seconds,
        "cases": outcome.cases(), "elements": outcome.elements(), "failures": outcome.failures(),
        "stages": outcome.stages.iter().map(stage).collect::<Vec<_>>(),
        "driver": outcome.driver.iter().map(row).collect::<Vec<_>>(),
        "random_known_answers": outcome.known.iter().map(|k| {
            json!({ "input": k.input, "expected": k.expected, "found": k.found, "right": k.found == k.expected })
        }).collect::<Vec<_>>(),
    })
}

/// JSON has no infinity.
fn finite(x: f64) -> Value {
    if x.is_finite() { json!(x) } else { json!(x.to_string()) }
}

fn print(outcome: &Outcome) -> anyhow::Result<()> {
    let depth = if outcome.deep { "every case" } else { "a sample of every op and kernel form; --deep for all" };
    say!("{} ({depth})\n", outcome.device);
    say!("{:<34} {:>7} {:>10} {:>7} {:>8}", "checked against the f64 reference", "cases", "elements", "wrong", "seconds");
    for s in &outcome.stages {
        let r = &s.report;
        say!("{:<34} {:>7} {:>10} {:>7} {:>8.1}", s.name, r.cases, r.elements, r.failures.len(), s.seconds);
    }
    say!("\n{:<17} {:>12}  case", "class of op", "worst error");
    let mut classes: std::collections::BTreeMap<&str, (f64, &str)> = std::collections::BTreeMap::new();
    for (class, (ratio, place)) in outcome.stages.iter().flat_map(|s| &s.report.worst) {
        let entry = classes.entry(class).or_insert((-1.0, ""));
        if *ratio > entry.0 {
            *entry = (*ratio, place);
        }
    }
    for (class, (ratio, place)) in classes {
        let place: String =
            if place.chars().count() > 70 { place.chars().take(69).chain(['…']).collect() } else { place.to_owned() };
        say!("{class:<17} {ratio:>6.3} bound  {place}");
    }
    say!("\n{:<17} {:>12} {:>12}  the driver's largest error at", "error in ULP", "driver", "engine");
    for row in &outcome.driver {
        if let DriverRow::Accuracy { name, driver, at, engine, .. } = row {
            let engine = engine.map_or_else(|| "-".to_owned(), |e| format!("{e:.1}"));
            let used = if ["pow", "division"].contains(name) {
                2
            } else if *name == "fma" {
                3
            } else {
                1
            };
            say!("{name:<17} {driver:>12.1} {engine:>12}  {:?}", &at[..used]);
        }
    }
    say!("\nwhat the driver does with special values");
    for row in &outcome.driver {
        if let DriverRow::Behaviour { name, holds } = row {
            say!("  {:<45} {}", name, if *holds { "yes" } else { "no" });
        }
    }
    let right = outcome.known.iter().filter(|k| k.found == k.expected).count();
    say!("\nrandom bits: {right} of {} known answers of Philox4x32-10", outcome.known.len());
    let failures = outcome.failures();
    for failure in failures.iter().take(20) {
        say!("WRONG {failure}");
    }
    if failures.len() > 20 {
        say!("… and {} more", failures.len() - 20);
    }
    let verdict = if outcome.passed() { "everything is right" } else { "SOMETHING IS WRONG" };
    say!(
        "\n{verdict}: {} cases, {} numbers, {} wrong, {:.1} s",
        outcome.cases(),
        outcome.elements(),
        failures.len(),
        outcome.seconds
    );
    Ok(())
}
