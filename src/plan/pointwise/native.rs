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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::op::{DType, Rule};
    use crate::shape::ViewDim;

    const F32: Option<DType> = Some(DType::F32);
    static FILL: Rule = Rule {
        name: "fill",
        wgsl: "p",
        inputs: &[],
        output: F32,
        chunk: |_, scalars, out| out.fill(scalars[0].to_bits()),
        reference: |_, scalars| scalars[0],
        scalars: 1,
    };
    static ADD: Rule = Rule {
        name: "add",
        wgsl: "a + b",
        inputs: &[F32, F32],
        output: F32,
        chunk: |inputs, _, out| {
            let sum = |(a, b): (&u32, &u32)| (f32::from_bits(*a) + f32::from_bits(*b)).to_bits();
            out.iter_mut().zip(inputs[0].iter().zip(inputs[1]).map(sum)).for_each(|(y, sum)| *y = sum);
        },
        reference: |[a, b, _], _| a + b,
        scalars: 0,
    };

    fn view(offset: usize, dims: &[(usize, isize)]) -> View {
        View::new(offset, dims.iter().map(|&(size, stride)| ViewDim { size, stride }))
    }

    /// Views of every kind of their last two axes, over the words 0, 1, 2, …: whole rows, steps, repeats, backwards, transposes of whole and broken
    /// tiles, of matrices and of several of them.
    fn views() -> Vec<View> {
        vec![
            view(3, &[]),
            view(0, &[(50, 1)]),
            view(98, &[(50, -2)]),
            view(7, &[(40, 0)]),
            view(5, &[(7, 30), (9, 1)]),
            view(200, &[(7, -30), (9, 0)]),
            view(0, &[(5, 1), (40, 5)]),
            view(2, &[(33, 1), (37, 33)]),
            view(1, &[(16, 1), (16, 16)]),
            view(0, &[(40, 1), (15, 40)]),
            view(0, &[(3, 700), (35, 1), (20, 35)]),
            view(1400, &[(3, -700), (17, 1), (18, 19)]),
            view(0, &[(20, 1), (20, 1)]),
            view(0, &[(20, 2), (20, 40)]),
            view(0, &[(2, 0), (3, 400), (18, 1), (21, 18)]),
        ]
    }

    #[test]
    fn any_part_of_any_view_is_copied() {
        let read: Vec<u32> = (0..4000).collect();
        for view in views() {
            let all = view.numel();
            let mut expected = vec![];
            view.positions(0, all, |p| expected.push(read[p]));
            for start in [0, 1, 15, 16, 17, 37, 40, 333].into_iter().filter(|&start| start < all) {
                for length in [1, 2, 16, 36, 37, 100, 321, all].into_iter().filter(|&length| start + length <= all) {
                    let (mut copied, mut gathered) = (vec![u32::MAX; length], vec![u32::MAX; length]);
                    copy(&view, &read, start, &mut copied);
                    gather(&view, &read, start, &mut gathered);
                    assert_eq!(copied, expected[start..start + length], "copy {start} + {length} of {view:?}");
                    assert_eq!(gathered, expected[start..start + length], "gather {start} + {length} of {view:?}");
                }
            }
        }
    }

    /// What several threads compute in parts, and a thread in chunks, is what is computed at once.
    #[test]
    fn parts_and_chunks_come_out_as_a_whole() {
        for (rows, columns) in [(3, 5), (1024, 1), (45, 91), (127, 129), (333, 211)] {
            let n = rows * columns;
            let float = |i: usize| (i % 1009) as f32;
            let x: Vec<u32> = (0..n).map(|i| float(i).to_bits()).collect();
            let single = [0.5f32.to_bits()];
            // The transpose and the values as they lie, one number for all, and what follows from scalars alone.
            let loads = vec![
                Load { view: view(0, &[(rows, 1), (columns, rows as isize)]) },
                Load { view: view(0, &[(n, 1)]) },
                Load { view: view(0, &[(n, 0)]) },
            ];
            let rule = |rule: &'static Rule, args: Vec<Arg>| Instruction { rule: Some(rule), args };
            let instructions = vec![
                rule(&FILL, vec![]),
                rule(&ADD, vec![Arg::Load(0), Arg::Load(1)]),
                rule(&ADD, vec![Arg::Result(1), Arg::Load(2)]),
                rule(&FILL, vec![]),
                rule(&ADD, vec![Arg::Result(2), Arg::Result(0)]),
                rule(&ADD, vec![Arg::Result(4), Arg::Result(3)]),
            ];
            let program = Program::new(n, loads, instructions);
            let mut scalars = [0.0; MAX_SCALARS];
            scalars[..2].copy_from_slice(&[0.25, 16.0]);
            let mut out = vec![0; n];
            program.compute(&[&x, &x, &single], &scalars, &mut out);
            for (i, &word) in out.iter().enumerate() {
                let expected = (float(i / columns + i % columns * rows) + float(i)) + 0.5 + 0.25 + 16.0;
                assert_eq!(f32::from_bits(word), expected, "{i} of {rows}×{columns}");
            }
        }
    }
}
