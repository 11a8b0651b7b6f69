//! Place: gives every value a buffer; values whose lifetimes do not meet share one.

use super::slots::{Value, assign, most_at_once};
use super::steps::{Step, Steps, ValueId};
use super::types::{Buffer, Dispatch, Place, Plan};
use crate::graph::key::{Graph, Source};
use rustc_hash::FxHashSet;
use std::collections::HashMap;
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
    let mut placed: HashMap<ValueId, Buffer> = HashMap::new();
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
    let mut needed: HashMap<ValueId, Range<usize>> = HashMap::new();
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
    let index: HashMap<ValueId, usize> = order.iter().enumerate().map(|(i, &v)| (v, i)).collect();
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
            scalar_words += graph.calls[call].op.scalars().len();
            scalars.push(call);
        }
        let Step { kernel, label, at, .. } = step;
        dispatches.push(Dispatch { kernel, reads, writes, scalars: start..scalar_words, flops: 0, label, at });
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
