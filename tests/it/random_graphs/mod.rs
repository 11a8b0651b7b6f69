//! Rung 5: programs of ops drawn at random (shapes, broadcasting, reuse, in and out of gradients, gradients of gradients) give on every device,
//! with every combination of switches, what the unfused f64 reference gives, within errors that come from the program itself. Which values are
//! held while others are computed is drawn, too, and some programs run in CHECK mode, which must find nothing.
//!
//! 1,000 programs on the CPU, 100 on a GPU; `STEEPEST_GRAPHS=5000` takes more, `STEEPEST_GRAPH=seed` one.
#![allow(clippy::unwrap_used)]

mod bounds;
mod program;

use crate::common;
use bounds::judge;
use program::Program;
use std::collections::HashSet;
use steepest::graph::node::Body;
use steepest::plan::Switches;
use steepest::{DType, Device, Tensor};

/// Calls in a program.
const MOST: usize = 10;

/// What comparing one program found.
#[derive(Default)]
struct Found {
    elements: usize,
    /// Elements whose bound says something: at most a thousandth of the value's scale.
    tight: usize,
    /// The largest error in units of its bound.
    worst: f64,
    wrong: Option<String>,
}

/// A bug to plant into what a device computed.
type Plant<'a> = Option<&'a dyn Fn(&mut [f64])>;

/// A program on a device against the reference. `None`: it is no program, or its numbers leave the range in which comparing makes sense.
fn compare(program: &Program, device: &Device, seed: u64, plant: Plant<'_>) -> Option<Found> {
    let truth = program.build(&Device::cpu())?;
    let roots: Vec<&Tensor> = truth.roots.iter().chain(&truth.held).map(|(_, t)| t).collect();
    let expected = judge(&roots, seed);
    if expected.iter().any(|j| j.value.data.iter().any(|x| x.is_nan() || x.abs() >= 1e6)) {
        return None;
    }
    let mut found = Found::default();
    for switches in Switches::all() {
        device.set_switches(switches);
        if let (Some(gpu), true) = (device.as_gpu(), switches.merge) {
            gpu.merge_after(Some(0));
        }
        let built = program.build(device)?;
        // Only some values are held besides the roots, or nothing would be fused.
        let program::Built { roots, held, leaves } = built;
        drop(leaves);
        let needed = needed(&roots);
        if let Err(error) = device.run(roots.iter().map(|(_, t)| t)) {
            found.wrong = Some(format!("{device} {switches:?}: {error}"));
            return Some(found);
        }
        for ((name, tensor), judged) in roots.iter().chain(&held).zip(&expected) {
            assert_eq!(tensor.dtype(), DType::F32);
            // One that no root needs is not computed with them; any other is kept, not computed again when it is read.
            if !needed.contains(&tensor.id()) {
                continue;
            }
            assert!(tensor.node().value().is_some(), "{device} {switches:?}: {name} is held and was not kept");
            let mut numbers: Vec<f64> = tensor.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect();
            if let Some(plant) = plant {
                plant(&mut numbers);
            }
            let scale = judged.value.data.iter().fold(1e-3f64, |m, x| m.max(x.abs()));
            for (i, ((x, e), b)) in numbers.iter().zip(&judged.value.data).zip(&judged.bound).enumerate() {
                let ratio = (x - e).abs() / b.max(1e-30);
                let ratio = if x == e {
                    0.0
                } else if ratio.is_nan() {
                    f64::INFINITY
                } else {
                    ratio
                };
                found.elements += 1;
                found.tight += usize::from(*b <= 1e-3 * scale);
                found.worst = found.worst.max(ratio);
                if ratio > 1.0 && found.wrong.is_none() {
                    found.wrong = Some(format!("{device} {switches:?}: {name}[{i}] is {x:e}, reference {e:e} ± {b:e}"));
                }
            }
        }
    }
    device.set_switches(Switches::default());
    Some(found)
}

/// The values that the roots are computed from, and the roots.
fn needed(roots: &[(String, Tensor)]) -> HashSet<u64> {
    let mut found = HashSet::new();
    let mut stack: Vec<_> = roots.iter().map(|(_, t)| t.node().clone()).collect();
    while let Some(node) = stack.pop() {
        if let (true, Body::Call { inputs, .. }) = (found.insert(node.id()), node.body()) {
            stack.extend(inputs.iter().map(|edge| edge.node.clone()));
        }
    }
    found
}

/// The smallest program found that is still wrong.
fn shrink(program: &Program, device: &Device, seed: u64, plant: Plant<'_>) -> (Program, String) {
    let wrong = |p: &Program| compare(p, device, seed, plant).and_then(|f| f.wrong);
    let mut best = (program.clone(), wrong(program).unwrap_or_default());
    while let Some(next) = best.0.smaller().into_iter().find_map(|p| wrong(&p).map(|w| (p, w))) {
        best = next;
    }
    best
}

fn seeds(most: u64) -> Vec<u64> {
    let number =
        |name: &str| std::env::var(name).ok().map(|v| v.parse::<u64>().unwrap_or_else(|_| panic!("{name} is no number: {v}")));
    match number("STEEPEST_GRAPH") {
        Some(seed) => vec![seed],
        None => (0..number("STEEPEST_GRAPHS").unwrap_or(most)).collect(),
    }
}

fn check(device: &Device) {
    device.set_guarded(true);
    let (mut graphs, mut left_out) = (0, 0);
    let mut all = Found::default();
    let mut ops = std::collections::BTreeMap::new();
    let seeds = seeds(if device.as_gpu().is_some() { 100 } else { 1000 });
    for &seed in &seeds {
        let program = Program::draw(seed, MOST);
        if program.calls.is_empty() {
            left_out += 1;
            continue;
        }
        let Some(found) = compare(&program, device, seed, None) else {
            left_out += 1;
            continue;
        };
        if found.wrong.is_some() {
            let (small, what) = shrink(&program, device, seed, None);
            panic!("program {seed} (STEEPEST_GRAPH={seed}):\n{program}\nsmallest that is wrong:\n{small}\n{what}");
        }
        graphs += 1;
        program.calls.iter().for_each(|c| *ops.entry(c.op).or_insert(0) += 1);
        all.elements += found.elements;
        all.tight += found.tight;
        all.worst = all.worst.max(found.worst);
    }
    let share = 100.0 * all.tight as f64 / all.elements.max(1) as f64;
    println!(
        "{device}: {graphs} graphs × 8 switches, {left_out} left out, {} ops, {} numbers, worst error {:.3} of its bound, {share:.1} % of bounds tight",
        ops.len(),
        all.elements,
        all.worst
    );
    assert!(10 * left_out <= seeds.len() || seeds.len() == 1, "{left_out} of {} left out", seeds.len());
    // Bounds so wide that nothing could be wrong would be no test.
    assert!(share > 80.0 || seeds.len() == 1, "only {share:.1} % of bounds are tight");
}

#[test]
fn random_graphs_on_the_cpu() {
    check(&Device::cpu());
}

#[test]
fn random_graphs_on_the_gpu() {
    if let Some(device) = common::gpu("random graphs") {
        check(&device);
    }
}

/// CHECK mode finds nothing wrong in programs that are right, whatever is held and whatever constants there are.
fn check_mode(device: &Device) {
    device.set_check(true);
    let mut checked = 0;
    for seed in (0..400).step_by(7) {
        let program = Program::draw(seed, MOST);
        let Some(program::Built { roots, held, .. }) = program.build(device) else { continue };
        checked += 1;
        if let Err(error) = device.run(roots.iter().map(|(_, t)| t)) {
            panic!("program {seed}:\n{program}\n{error}");
        }
        drop(held);
    }
    assert!(checked > 40, "{checked}");
}

#[test]
fn check_mode_passes_right_programs_on_the_cpu() {
    check_mode(&Device::cpu());
}

#[test]
fn check_mode_passes_right_programs_on_the_gpu() {
    if let Some(device) = common::gpu("check mode") {
        check_mode(&device);
    }
}

/// The rung has teeth: one number off by a thousandth of the largest is seen nearly always, and the program printed gets smaller.
#[test]
fn a_planted_error_is_seen_and_shrunk() {
    let plant = |numbers: &mut [f64]| {
        let scale = numbers.iter().fold(1e-2f64, |m, x| m.max(x.abs()));
        numbers[0] += 4e-3 * scale;
    };
    let device = Device::cpu();
    let (mut seen, mut tried) = (0, 0);
    for seed in 0..20 {
        let program = Program::draw(seed, MOST);
        if let Some(found) = compare(&program, &device, seed, Some(&plant)) {
            tried += 1;
            seen += usize::from(found.wrong.is_some());
        }
    }
    assert!(seen + 1 >= tried && tried >= 15, "{seen} of {tried} seen");
    let program = Program::draw(3, MOST);
    let (small, what) = shrink(&program, &device, 3, Some(&plant));
    assert!(small.calls.len() <= 2 && small.calls.len() <= program.calls.len(), "{small}\n{what}");
    assert!(what.contains("reference"));
}
