//! Place: gives every value a buffer; values whose lifetimes do not meet share one.

use super::fuse::{Steps, Val};
use super::{Buffer, Dispatch, Place, Plan};
use crate::graph::key::{Graph, Source};
use std::collections::HashMap;

/// Assigns buffers. Whole buffers only: one buffer may not be bound for reading and writing in one dispatch.
pub fn place(graph: &Graph, steps: Steps, reuse: bool, lines: Vec<String>) -> Plan {
    let leaves: Vec<usize> = (0..graph.leaves.len()).map(|i| graph.spec_of(Source::Leaf(i)).shape.numel()).collect();
    let words = |v: Val| match v {
        Val::Leaf(i) => leaves[i],
        Val::Call(i) => graph.calls[i].spec.shape.numel(),
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
            outputs.push(call.spec.shape.numel());
        }
        kept.push((i, output));
    }

    let mut last_use: HashMap<Val, usize> = HashMap::new();
    for (at, step) in steps.steps.iter().enumerate() {
        for &value in step.reads.iter().chain(&step.writes) {
            last_use.insert(home(&value), at);
        }
    }

    let mut slots: Vec<usize> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut unplanned_words = 0;
    let mut scalars = Vec::new();
    let mut scalar_words = 0;
    let mut mutated = Vec::new();
    let mut dispatches = Vec::with_capacity(steps.steps.len());
    for (at, step) in steps.steps.into_iter().enumerate() {
        for value in step.reads.iter().chain(&step.writes).map(home) {
            let buffer = match value {
                Val::Leaf(i) => Buffer::Leaf(i),
                Val::Row(i) => Buffer::Row(i),
                _ if placed.contains_key(&value) => continue,
                _ => {
                    unplanned_words += words(value);
                    Buffer::Slot(take(&mut slots, &mut free, words(value), reuse))
                }
            };
            placed.insert(value, buffer);
        }
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
        // Only now: what this step reads may not be what it writes.
        let mut ended: Vec<Val> = step.reads.iter().chain(&step.writes).map(home).collect();
        ended.sort_unstable();
        ended.dedup();
        for value in ended {
            if let (Some(Buffer::Slot(slot)), true) = (placed.get(&value), last_use[&value] == at) {
                free.push(*slot);
            }
        }
        dispatches.push(Dispatch {
            kernel: step.kernel,
            reads,
            writes,
            scalars: start..scalar_words,
            flops: 0,
            label: step.label,
            at: step.at,
        });
    }
    mutated.sort_unstable();
    mutated.dedup();
    Plan { leaves, slots, outputs, kept, mutated, scalars, rows: steps.rows, dispatches, unplanned_words, graph: lines }
}

/// A slot of at least `words`: the tightest free one, else the largest free one made larger, else a new one.
fn take(slots: &mut Vec<usize>, free: &mut Vec<usize>, words: usize, reuse: bool) -> usize {
    let fits = free.iter().copied().filter(|&s| slots[s] >= words).min_by_key(|&s| (slots[s], s));
    let choice = fits.or_else(|| free.iter().copied().max_by_key(|&s| (slots[s], s))).filter(|_| reuse);
    match choice {
        Some(slot) => {
            free.retain(|&s| s != slot);
            slots[slot] = slots[slot].max(words);
            slot
        }
        None => {
            slots.push(words);
            slots.len() - 1
        }
    }
}
