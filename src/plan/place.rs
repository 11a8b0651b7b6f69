//! Place: gives every value a buffer; values whose lifetimes do not meet share one.

use super::slots::{Value, assign, most_at_once};
use super::steps::{Step, Steps, ValueId};
use super::types::{Buffer, Dispatch, Place, Plan};
use crate::graph::key::{Graph, Source};
use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::Range;

/// Assigns buffers. One buffer may not be bound for reading and writing in one dispatch.
pub fn place(graph: &Graph, steps: Steps, reuse: bool, lines: Vec<String>) -> Plan {
    let leaves: Vec<usize> = (0..graph.leaves.len()).map(|i| graph.spec_of(Source::Leaf(i)).words()).collect();
    let words = |v: ValueId| match v {
        ValueId::Leaf(i) => leaves[i],
        ValueId::Call(i) => graph.calls[i].spec.words(),
        ValueId::Temp(i) => steps.temps[i],
        ValueId::Arena(i) => steps.arenas[i].words,
    };
    // The value whose buffer a value is found in.
    let home = |v: &ValueId| steps.suballocated.get(v).map_or(*v, |(whole, _)| *whole);

    // Kept values get outputs; two kept names of one value share it.
    let mut outputs: Vec<usize> = Vec::new();
    let mut placed: FxHashMap<ValueId, Buffer> = FxHashMap::default();
    let mut kept = Vec::new();
    for (i, call) in graph.calls.iter().enumerate().filter(|(_, c)| c.kept) {
        let value = steps.storage_of[i];
        let next = outputs.len();
        let Buffer::Output(output) = *placed.entry(value).or_insert(Buffer::Output(next)) else { continue };
        if output == next {
            outputs.push(call.spec.words());
        }
        kept.push((i, output));
    }

    // When each value inside the run is needed: from the step that first touches it to the one that does so last.
    let mut order: Vec<ValueId> = Vec::new();
    let mut needed: FxHashMap<ValueId, Range<usize>> = FxHashMap::default();
    for (at, step) in steps.steps.iter().enumerate() {
        for value in step.reads.iter().chain(&step.writes).map(home) {
            match value {
                ValueId::Leaf(i) => placed.insert(value, Buffer::Leaf(i)),
                ValueId::Arena(i) => placed.insert(value, Buffer::Arena(i)),
                _ if placed.contains_key(&value) => continue,
                _ => {
                    let range = needed.entry(value).or_insert_with(|| {
                        order.push(value);
                        at..at
                    });
                    range.end = at + 1;
                    continue;
                }
            };
        }
    }
    let unplanned_words = order.iter().map(|&v| words(v)).sum();
    let values: Vec<Value> = order.iter().map(|v| Value { needed: needed[v].clone(), words: words(*v) }).collect();
    let live_words = most_at_once(&values);
    let index: FxHashMap<ValueId, usize> = order.iter().enumerate().map(|(i, &v)| (v, i)).collect();
    let mut conflicts: FxHashSet<(usize, usize)> = FxHashSet::default();
    for step in &steps.steps {
        let inside = |vals: &[ValueId]| vals.iter().filter_map(|v| index.get(&home(v)).copied()).collect::<Vec<usize>>();
        let (reads, writes) = (inside(&step.reads), inside(&step.writes));
        for &write in &writes {
            let others = reads.iter().chain(&writes).filter(|&&other| other != write);
            conflicts.extend(others.map(|&other| (write.min(other), write.max(other))));
        }
    }
    let slots = assign(&values, &conflicts, reuse);
    placed.extend(order.iter().zip(&slots.slot).map(|(&value, &slot)| (value, Buffer::Slot(slot))));

    let mut scalars = Vec::new();
    let mut scalar_words = 0;
    let mut mutated = Vec::new();
    let mut dispatches = Vec::with_capacity(steps.steps.len());
    for step in steps.steps {
        let part = |v: &ValueId| {
            let base = index.get(&home(v)).and_then(|&i| slots.part[i]);
            let within = steps.suballocated.get(v).map(|(_, start)| *start);
            if base.is_none() { within } else { Some(base.unwrap_or(0) + within.unwrap_or(0)) }
        };
        let bound = |v: &ValueId| Place { buffer: placed[&home(v)], part: part(v), words: words(*v) };
        let reads: Vec<Place> = step.reads.iter().map(bound).collect();
        let writes: Vec<Place> = step.writes.iter().map(bound).collect();
        for place in &writes {
            if let Buffer::Arena(row) = place.buffer {
                mutated.extend(steps.arenas[row].members.iter().map(|(leaf, _)| *leaf));
            }
        }
        let start = scalar_words;
        for &call in &step.scalars {
            let own = graph.calls[call].op.scalars().len();
            if own > 0 {
                scalar_words += own;
                scalars.push(call);
            }
        }
        let Step { kernel, label, call, at, .. } = step;
        dispatches.push(Dispatch { kernel, reads, writes, scalars: start..scalar_words, flops: 0, label, call, at });
    }
    mutated.sort_unstable();
    mutated.dedup();
    Plan {
        leaves,
        slots: slots.words,
        outputs,
        kept,
        mutated,
        scalars,
        arenas: steps.arenas,
        dispatches,
        unplanned_words,
        live_words,
        graph: lines,
        cacheable: steps.cacheable,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::types::ParameterArena;
    use super::*;
    use crate::error::At;
    use crate::graph::op::{Kernel, Params};
    use std::sync::Arc;

    const A: ValueId = ValueId::Temp(0);
    const B: ValueId = ValueId::Temp(1);
    const WHOLE: ValueId = ValueId::Temp(2);
    const FIRST: ValueId = ValueId::Temp(3);
    const SECOND: ValueId = ValueId::Temp(4);
    const LAST: ValueId = ValueId::Temp(5);

    fn step(reads: &[ValueId], writes: &[ValueId]) -> Step {
        let kernel = Kernel { name: "none", params: Params::new(), variants: vec![], native: Arc::new(|_| {}) };
        let at = At::caller();
        Step { kernel, reads: reads.to_vec(), writes: writes.to_vec(), scalars: vec![], label: String::new(), call: None, at }
    }

    /// Two gradients of 64 words, the second of which begins at word `second` of a whole, and an update that reads the whole. Beside them A and B,
    /// of which B is needed as long as the gradients are.
    fn plan(a: usize, b: usize, second: usize, reuse: bool) -> Plan {
        let arena = ParameterArena { words: second + 64, members: vec![(0, 0), (1, second)] };
        let steps = Steps {
            steps: vec![
                step(&[], &[A]),
                step(&[A], &[LAST]),
                step(&[], &[B]),
                step(&[], &[FIRST]),
                step(&[], &[SECOND]),
                step(&[B], &[LAST]),
                step(&[WHOLE], &[ValueId::Arena(0)]),
            ],
            temps: vec![a, b, second + 64, 64, 64, 64],
            storage_of: vec![],
            arenas: vec![arena],
            suballocated: [(FIRST, (WHOLE, 0)), (SECOND, (WHOLE, second))].into_iter().collect(),
            cacheable: true,
        };
        let graph = Graph::collect(&[]).unwrap();
        place(&graph, steps, reuse, vec![])
    }

    /// A part of a part: what is computed into a value that has only a part of a slot begins where both say together.
    #[test]
    fn parts_of_what_has_a_part_itself_begin_there() {
        let mut bases = std::collections::BTreeSet::new();
        for (a, b, second) in
            [(1024, 512, 64), (1024, 512, 192), (1024, 512, 448), (1024, 128, 448), (1024, 64, 64), (64, 64, 64)]
        {
            for reuse in [true, false] {
                let plan = plan(a, b, second, reuse);
                let of = |step: usize| plan.dispatches[step].writes[0];
                let (first, next, whole, b) = (of(3), of(4), plan.dispatches[6].reads[0], of(2));
                assert!(first.buffer == whole.buffer && next.buffer == whole.buffer, "{plan}");
                assert_eq!((first.start(), next.start()), (whole.start(), whole.start() + second), "{plan}");
                assert_eq!((first.words, next.words, whole.words), (64, 64, second + 64));
                let apart =
                    b.buffer != whole.buffer || b.start() + b.words <= whole.start() || whole.start() + whole.words <= b.start();
                assert!(apart, "{plan}");
                let Buffer::Slot(slot) = whole.buffer else { panic!("{plan}") };
                assert!(whole.start() + whole.words <= plan.slots[slot]);
                bases.insert((whole.part.is_some(), whole.start() > 0));
                assert!(reuse || whole.part.is_none());
                assert_eq!(plan.mutated, [0, 1]);
            }
        }
        // In a slot of its own, at the beginning of one that is shared, and further on.
        assert_eq!(bases.into_iter().collect::<Vec<_>>(), [(false, false), (true, false), (true, true)]);
    }
}
