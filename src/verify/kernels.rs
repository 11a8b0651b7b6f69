//! What an op's kernels are made of, and whether a plan's key tells different ones apart.

use super::cases::{recorded, tensors};
use super::report::Report;
use crate::device::Device;
use crate::graph::key::Graph;
use crate::graph::op::{Kernel, Lowering, Op, Spec, Stage, Wgsl};
use crate::ops::case::Case;
use crate::plan::pointwise::{Arg, Instruction, Load, Program};
use std::collections::BTreeMap;

/// The types and shapes of a case's inputs.
pub(super) fn specs(case: &Case) -> Vec<Spec> {
    case.inputs.iter().map(|input| Spec::new(input.array.shape, input.dtype)).collect()
}

/// How a case is computed.
pub(super) fn lowered(case: &Case) -> Result<Lowering, String> {
    let specs = specs(case);
    let output = case.op.infer(&specs).map_err(|error| error.to_string())?;
    Ok(case.op.lower(&specs, &output))
}

/// The kernels of a case, with how many buffers each reads and writes.
pub(super) fn kernels(case: &Case) -> Result<Vec<(Kernel, usize, usize)>, String> {
    Ok(match lowered(case)? {
        Lowering::Stages { stages, .. } => {
            let each = |stage: Stage| (stage.kernel, stage.reads.len(), stage.writes.len());
            stages.into_iter().map(each).collect()
        }
        Lowering::Elementwise(e) => {
            let inputs = e.views.len();
            let count = e.views.first().map_or(1, |view| view.numel());
            let loads = e.views.into_iter().map(|view| Load { view }).collect();
            let rule = Instruction { rule: Some(e.rule), args: (0..inputs).map(Arg::Load).collect() };
            vec![(Program::new(count, loads, vec![rule]).kernel(), inputs, 1)]
        }
        _ => vec![],
    })
}

/// Variants of the kernel of a case that has most of them.
pub(super) fn forms(case: &Case) -> usize {
    let most = |found: Vec<(Kernel, usize, usize)>| found.iter().map(|(kernel, ..)| kernel.variants.len()).max();
    kernels(case).ok().and_then(most).unwrap_or(1)
}

/// Whether a kernel of the case has no native form.
pub(super) fn lacks_native(case: &Case) -> bool {
    kernels(case).is_ok_and(|found| found.iter().any(|(kernel, ..)| !kernel.has_native()))
}

/// WGSL of the case's kernels that the op does not name among its [`Op::sources`].
pub(super) fn unnamed(case: &Case) -> Vec<String> {
    let of = |kernel: Kernel| kernel.variants.into_iter().filter_map(|variant| variant.source);
    let own: Vec<Wgsl> = kernels(case).unwrap_or_default().into_iter().flat_map(|(kernel, ..)| of(kernel)).collect();
    own.iter().filter(|source| !names(&*case.op, source)).map(|source| source.name().to_owned()).collect()
}

fn names(op: &dyn Op, source: &Wgsl) -> bool {
    op.sources().contains(source) || op.wrapped().is_some_and(|wrapped| names(wrapped, source))
}

/// Enters into a report where two cases have one plan's key and different kernels.
pub(super) fn enter_keys(cases: &[&Case], report: &mut Report) {
    let device = Device::cpu();
    let mut known: BTreeMap<Vec<u32>, (String, String)> = BTreeMap::new();
    for case in cases.iter().filter(|case| unnamed(case).is_empty()) {
        let inputs = tensors(&device, case, false);
        let output = recorded(&device, case, &inputs);
        let (Ok(graph), Ok(lowering)) = (Graph::collect(&[output.node().clone()]), lowered(case)) else { continue };
        report.cases += 1;
        let (print, place) = (fingerprint(&lowering), format!("{:?} ({})", case.op, case.label));
        match known.get(&graph.key) {
            Some((other, before)) if *other != print => report.failures.push(format!(
                "{place} and {before} have the same plan and different kernels: `Op::params` does not hold what differs"
            )),
            Some(_) => {}
            None => drop(known.insert(graph.key.clone(), (print, place))),
        }
    }
}

/// What tells kernels apart, but for their native forms.
fn fingerprint(lowering: &Lowering) -> String {
    match lowering {
        // An op that does not name its rule has no plan that is kept.
        Lowering::Elementwise(e) => format!("{:?}", e.views),
        Lowering::View(view) => format!("{view:?}"),
        Lowering::Alias => "alias".to_owned(),
        Lowering::Update(_) => "update".to_owned(),
        Lowering::Host => "host".to_owned(),
        Lowering::Stages { temps, stages } => {
            let kernels: Vec<String> = stages
                .iter()
                .map(|s| format!("{} {:?} {:?} {:?} {:?}", s.kernel.name, s.kernel.params, s.kernel.variants, s.reads, s.writes))
                .collect();
            format!("{temps:?} {}", kernels.join("; "))
        }
    }
}
