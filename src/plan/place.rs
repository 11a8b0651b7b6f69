//! Place: gives every value a buffer; values whose lifetimes do not meet share one.

use super::fuse::{Step, Steps, Val};
use super::{Buffer, Dispatch, Place, Plan};
use crate::graph::key::{Graph, Source};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// Assigns buffers. Whole buffers only: one buffer may not be bound for reading and writing in one dispatch.
pub fn place(graph: &Graph, steps: Steps, reuse: bool, lines: Vec<String>) -> Plan {
    let leaves: Vec<usize> = (0..graph.leaves.len()).map(|i| graph.spec_of(Source::Leaf(i)).words()).collect();
    let words = |v: Val| match v {
        Val::Leaf(i) => leaves[i],
        Val::Call(i) => graph.calls[i].spec.words(),
        Val::Temp(i) => steps.temps[i],
        Val::Row(i) => steps.rows[i].words,
    };
    // The value whose buffer a value is found in.
    let home = |v: &Val| steps.inside.get(v).map_or(*v, |(whole, _)| *whole);

    // Kept values get outputs; two kept names of one value share it.
    let mut outputs: Vec<usize> = Vec::new();
    let mut placed: HashMap<Val, Buffer> = HashMap::new();
    let mut kept = Vec::new();
    for (i, call) in graph.calls.iter().enumerate().filter(|(_, c)| c.kept) {
        let value = steps.found_in[i];
        let next = outputs.len();
        let Buffer::Output(output) = *placed.entry(value).or_insert(Buffer::Output(next)) else { continue };
        if output == next {
            outputs.push(call.spec.words());
        }
        kept.push((i, output));
    }

    // When each value inside the run is needed: from the step that first touches it to the one that does so last.
    let mut order: Vec<Val> = Vec::new();
    let mut needed: HashMap<Val, Range<usize>> = HashMap::new();
    for (at, step) in steps.steps.iter().enumerate() {
        for value in step.reads.iter().chain(&step.writes).map(home) {
            match value {
                Val::Leaf(i) => placed.insert(value, Buffer::Leaf(i)),
                Val::Row(i) => placed.insert(value, Buffer::Row(i)),
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
    let live_words = most_at_once(steps.steps.len(), order.iter().map(|v| (needed[v].clone(), words(*v))));
    let values: Vec<(Range<usize>, usize)> = order.iter().map(|v| (needed[v].clone(), words(*v))).collect();
    let (slots, slot_of) = assign(&values, reuse);
    placed.extend(order.iter().zip(slot_of).map(|(&value, slot)| (value, Buffer::Slot(slot))));

    let mut scalars = Vec::new();
    let mut scalar_words = 0;
    let mut mutated = Vec::new();
    let mut dispatches = Vec::with_capacity(steps.steps.len());
    for step in steps.steps {
        let part = |v: &Val| steps.inside.get(v).map(|(_, start)| *start);
        let bound = |v: &Val| Place { buffer: placed[&home(v)], part: part(v), words: words(*v) };
        let reads: Vec<Place> = step.reads.iter().map(bound).collect();
        let writes: Vec<Place> = step.writes.iter().map(bound).collect();
        for place in &writes {
            if let Buffer::Row(row) = place.buffer {
                mutated.extend(steps.rows[row].members.iter().map(|(leaf, _)| *leaf));
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
        slots,
        outputs,
        kept,
        mutated,
        scalars,
        rows: steps.rows,
        dispatches,
        unplanned_words,
        live_words,
        graph: lines,
    }
}

/// The most words that are needed at one time.
fn most_at_once(steps: usize, values: impl Iterator<Item = (Range<usize>, usize)>) -> usize {
    let mut change = vec![0isize; steps + 1];
    for (needed, words) in values {
        change[needed.start] += words as isize;
        change[needed.end] -= words as isize;
    }
    let mut live = 0;
    let after = |change: &isize| {
        live += change;
        live
    };
    change.iter().map(after).max().unwrap_or(0) as usize
}

/// Slots for values that are needed in the given ranges of steps: their sizes, and the slot of each value.
///
/// The largest value chooses first, so that a slot is as large as its first value and nobody makes it grow (greedy by size: Pisarchyk and Lee
/// 2020). Among slots that are free all the while, the smallest. With `reuse` off each value has its own.
fn assign(values: &[(Range<usize>, usize)], reuse: bool) -> (Vec<usize>, Vec<usize>) {
    if !reuse {
        return (values.iter().map(|(_, words)| *words).collect(), (0..values.len()).collect());
    }
    let mut by_size: Vec<usize> = (0..values.len()).collect();
    by_size.sort_by_key(|&i| (std::cmp::Reverse(values[i].1), i));
    let mut slots: Vec<usize> = Vec::new();
    // When each slot is taken: the ends of ranges under their starts.
    let mut taken: Vec<BTreeMap<usize, usize>> = Vec::new();
    let mut slot_of = vec![0; values.len()];
    for i in by_size {
        let (needed, words) = &values[i];
        let is_free = |taken: &BTreeMap<usize, usize>| {
            let before = taken.range(..needed.end).next_back();
            before.is_none_or(|(_, &end)| end <= needed.start)
        };
        // Slots were made in order of size.
        let slot = (0..slots.len()).rev().find(|&slot| is_free(&taken[slot])).unwrap_or_else(|| {
            slots.push(*words);
            taken.push(BTreeMap::new());
            slots.len() - 1
        });
        taken[slot].insert(needed.start, needed.end);
        slot_of[i] = slot;
    }
    (slots, slot_of)
}
