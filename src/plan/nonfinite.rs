//! Watch: a plan that looks at every float it reads or writes and notes where one is not finite, without reading anything back.

use super::steps::{Step, ValueId};
use super::types::{ParameterArena, Plan};
use super::{fuse, place};
use crate::error::{At, Result};
use crate::graph::dump;
use crate::graph::key::{Graph, Source};
use crate::graph::op::{DType, Io, Kernel, Params, Variant};
use std::ops::Range;
use std::sync::Arc;

/// What a pair of flags (NaN, infinity) stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A value given to the run.
    Leaf(usize),
    /// What a call computed or, for an update, what it wrote over.
    Call(usize),
}

/// Plans a graph without fusion, with a look at every f32 value after it is written. The last row of the plan, which has no members, is for the
/// flags: two words per entry of the list, 0 before the run.
///
/// # Errors
/// As [`Plan::build`].
pub fn watched(graph: &Graph, native: bool) -> Result<(Plan, Vec<Seen>)> {
    let mut steps = fuse::fuse(graph, false, native)?;
    let flags = ValueId::Arena(steps.arenas.len());
    let (mut seen, mut all): (Vec<Seen>, Vec<Step>) = (vec![], vec![]);
    let mut look = |what: Seen, value: ValueId, part: Range<usize>, (call, at): (Option<usize>, At), all: &mut Vec<Step>| {
        all.push(Step {
            kernel: kernel(part, seen.len()),
            reads: vec![value],
            writes: vec![flags],
            scalars: vec![],
            label: "watch".to_owned(),
            call,
            at,
        });
        seen.push(what);
    };
    // The words of a value that holds floats.
    let floats = |source: Source| {
        let spec = graph.spec_of(source);
        Some(0..spec.shape.numel()).filter(|words| spec.dtype == DType::F32 && !words.is_empty())
    };
    let mut known = vec![false; graph.leaves.len()];
    for step in std::mem::take(&mut steps.steps) {
        let of = (step.call, step.at);
        for &value in &step.reads {
            let ValueId::Leaf(leaf) = value else { continue };
            if let (Some(words), false) = (floats(Source::Leaf(leaf)), std::mem::replace(&mut known[leaf], true)) {
                look(Seen::Leaf(leaf), value, words, of, &mut all);
            }
        }
        let (writes, calls) = (step.writes.clone(), step.scalars.clone());
        all.push(step);
        for value in writes {
            match value {
                ValueId::Call(call) => {
                    if let Some(words) = floats(Source::Call(call)) {
                        look(Seen::Call(call), value, words, of, &mut all);
                    }
                }
                // What an update writes over; without fusion a step belongs to one call. Between the members of an arena there is anything.
                ValueId::Arena(row) => {
                    let Some(&call) = calls.first() else { continue };
                    for &(leaf, start) in &steps.arenas[row].members {
                        if let Some(words) = floats(Source::Leaf(leaf)) {
                            look(Seen::Call(call), value, start..start + words.len(), of, &mut all);
                        }
                    }
                }
                ValueId::Leaf(_) | ValueId::Temp(_) => {}
            }
        }
    }
    steps.steps = all;
    steps.arenas.push(ParameterArena { words: 2 * seen.len(), members: vec![] });
    Ok((place::place(graph, steps, true, dump::lines(graph)), seen))
}

fn kernel(part: Range<usize>, slot: usize) -> Kernel {
    let (start, count) = (part.start, part.len());
    let native = move |io: &mut Io<'_>| {
        for &word in &io.reads[0][part.clone()] {
            let bits = word & 0x7fff_ffff;
            if bits >= 0x7f80_0000 {
                io.writes[0][2 * slot + usize::from(bits == 0x7f80_0000)] = 1;
            }
        }
    };
    Kernel {
        name: "nonfinite",
        params: Params::new().set("start", start).set("count", count).set("slot", slot),
        variants: vec![variant(count)],
        native: Arc::new(native),
    }
}

/// The shader this file runs; public for the shader tests.
#[doc(hidden)]
pub fn variant(count: usize) -> Variant {
    Variant::each_element("checks/nonfinite", count).max_loop_iterations(0)
}
