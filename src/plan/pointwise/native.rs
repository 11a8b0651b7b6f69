//! Programs on the CPU: chunk by chunk, an instruction at a time.

use super::super::{Io, Native};
use super::{Arg, Instruction, Load, MAX_DIMS, MAX_SCALARS, Program};
use crate::shape::View;
use rayon::prelude::*;
use std::cell::Cell;
use std::sync::Arc;

/// Elements evaluated natively at a time: the intermediates of a chain stay in the first-level cache.
const CHUNK: usize = 1024;

/// Elements below which a second thread costs more than it saves.
const MIN_PARALLEL_ELEMENTS: usize = 1 << 15;

impl Program {
    pub(super) fn native(self) -> Native {
        Arc::new(move |io: &mut Io<'_>| self.compute(io.reads, &numbers(io.scalars), io.writes[0]))
    }

    /// All elements, on all cores where that pays.
    pub(super) fn compute(&self, reads: &[&[u32]], scalars: &[f32; MAX_SCALARS], out: &mut [u32]) {
        if out.len() < MIN_PARALLEL_ELEMENTS {
            self.evaluate(reads, scalars, 0, out);
        } else {
            let share = out.len().div_ceil(4 * rayon::current_num_threads()).next_multiple_of(CHUNK);
            out.par_chunks_mut(share).enumerate().for_each(|(i, part)| self.evaluate(reads, scalars, i * share, part));
        }
    }

    /// Elements `start..start + out.len()`.
    pub(super) fn evaluate(&self, reads: &[&[u32]], scalars: &[f32; MAX_SCALARS], start: usize, out: &mut [u32]) {
        if let ([Load { view }], [Instruction { rule: None, .. }]) = (self.loads.as_slice(), self.instructions.as_slice()) {
            return copy(view, reads[0], start, out);
        }
        let last = self.instructions.len() - 1;
        let width = CHUNK.min(out.len());
        // Taken out while in use, so that a thread that takes up other work meanwhile gets its own.
        let mut memory = MEMORY.take();
        let needed = (self.loads.len() + last + 1) * width;
        if memory.len() < needed {
            memory.resize(needed, 0);
        }
        // Contiguous loads are read in place; others are gathered here first, single numbers only once.
        let (gathered, rest) = memory.split_at_mut(self.loads.len() * width);
        // The last instruction overwrites what the core has computed.
        let (core, results) = rest.split_at_mut(width);
        let has_core = self.instructions.iter().any(|i| i.args.contains(&Arg::Core));
        for (k, load) in self.loads.iter().enumerate().filter(|(_, load)| load.is_single()) {
            gathered[k * width..][..width].fill(reads[k][load.view.offset]);
        }
        for (chunk, out) in out.chunks_mut(CHUNK).enumerate() {
            let (from, n) = (start + chunk * CHUNK, out.len());
            for (k, load) in self.loads.iter().enumerate() {
                if !load.view.is_contiguous() && !load.is_single() {
                    gather(&load.view, reads[k], from, &mut gathered[k * width..][..n]);
                }
            }
            if has_core {
                core[..n].copy_from_slice(out);
            }
            let mut scalar = 0;
            for (j, instruction) in self.instructions.iter().enumerate() {
                if chunk > 0 && j < last && self.constant[j] {
                    // Still there from the first chunk, the largest.
                    scalar += instruction.rule.map_or(0, |rule| rule.scalars);
                    continue;
                }
                let (before, rest) = results.split_at_mut((j * width).min(last * width));
                let args: [&[u32]; 3] = std::array::from_fn(|i| match instruction.args.get(i) {
                    Some(&Arg::Load(k)) if self.loads[k].view.is_contiguous() && !self.loads[k].is_single() => {
                        &reads[k][from..from + n]
                    }
                    Some(&Arg::Load(k)) => &gathered[k * width..][..n],
                    Some(&Arg::Result(k)) => &before[k * width..][..n],
                    Some(&Arg::Core) => &core[..n],
                    None => &[],
                });
                let target: &mut [u32] = if j == last { out } else { &mut rest[..n] };
                match instruction.rule {
                    None => target.copy_from_slice(args[0]),
                    Some(rule) => {
                        let mut own = [0.0; 2];
                        own[..rule.scalars].copy_from_slice(&scalars[scalar..scalar + rule.scalars]);
                        scalar += rule.scalars;
                        (rule.chunk)(&args[..instruction.args.len()], own, target);
                    }
                }
            }
        }
        MEMORY.set(memory);
    }
}

thread_local! {
    /// What chains work on between reading and writing, kept from call to call.
    static MEMORY: Cell<Vec<u32>> = const { Cell::new(Vec::new()) };
}

/// Scalars as numbers.
pub(super) fn numbers(words: &[u32]) -> [f32; MAX_SCALARS] {
    let mut numbers = [0.0; MAX_SCALARS];
    numbers.iter_mut().zip(words).for_each(|(n, &word)| *n = f32::from_bits(word));
    numbers
}

impl Load {
    /// Whether every element is the same one.
    fn is_single(&self) -> bool {
        self.view.dims.iter().all(|dim| dim.stride == 0)
    }
}

/// Copies the elements from number `from` on of a view.
fn gather(view: &View, read: &[u32], from: usize, to: &mut [u32]) {
    let Some((inner, outer)) = view.dims.split_last() else { return to.fill(read[view.offset]) };
    if inner.stride != 0 && inner.stride != 1 {
        let mut to = to.iter_mut();
        return view.positions(from, to.len(), |p| {
            if let Some(to) = to.next() {
                *to = read[p];
            }
        });
    }
    // Whole runs along the innermost axis at once; the position of the next one is counted on, not worked out anew.
    let (mut row, mut column) = (from / inner.size, from % inner.size);
    let mut at = [0; MAX_DIMS];
    let mut base = view.offset as isize;
    for (at, dim) in at.iter_mut().zip(outer).rev() {
        (*at, row) = (row % dim.size, row / dim.size);
        base += *at as isize * dim.stride;
    }
    let mut rest = to;
    while !rest.is_empty() {
        let (run, after) = rest.split_at_mut((inner.size - column).min(rest.len()));
        if inner.stride == 1 {
            run.copy_from_slice(&read[base as usize + column..][..run.len()]);
        } else {
            run.fill(read[base as usize]);
        }
        (rest, column) = (after, 0);
        for (at, dim) in at.iter_mut().zip(outer).rev() {
            (*at, base) = (*at + 1, base + dim.stride);
            if *at < dim.size {
                break;
            }
            (*at, base) = (0, base - dim.size as isize * dim.stride);
        }
    }
}

/// Rows and columns of a transpose copied at a time: whole cache lines on both sides.
const TILE: usize = 16;

/// The elements from number `start` on of a view, chunk by chunk; a transpose tile by tile.
fn copy(view: &View, read: &[u32], start: usize, out: &mut [u32]) {
    let [.., rows, columns] = view.dims.as_slice() else { return gather(view, read, start, out) };
    if rows.stride != 1 || columns.stride <= 1 || columns.size < TILE {
        return gather(view, read, start, out);
    }
    // Up to the start of a row, then as many whole rows as there are, then the rest.
    let width = columns.size;
    let head = (width - start % width) % width;
    if head >= out.len() {
        return gather(view, read, start, out);
    }
    let (first, out) = out.split_at_mut(head);
    gather(view, read, start, first);
    let mut at = start + head;
    let whole = out.len() / width * width;
    let (mut out, last) = out.split_at_mut(whole);
    while !out.is_empty() {
        // Rows of one matrix, as many as a tile has.
        let row = at / width % rows.size;
        let high = TILE.min(rows.size - row).min(out.len() / width);
        let (strip, rest) = out.split_at_mut(high * width);
        let mut base = 0;
        view.positions(at, 1, |p| base = p);
        for left in (0..width).step_by(TILE) {
            let wide = TILE.min(width - left);
            let mut tile = [[0; TILE]; TILE];
            for (column, tile) in tile.iter_mut().enumerate().take(wide) {
                tile[..high].copy_from_slice(&read[base + (left + column) * columns.stride as usize..][..high]);
            }
            for (r, line) in strip.chunks_exact_mut(width).enumerate() {
                let line = &mut line[left..left + wide];
                line.iter_mut().zip(&tile).for_each(|(to, column)| *to = column[r]);
            }
        }
        (out, at) = (rest, at + high * width);
    }
    gather(view, read, at, last);
}
