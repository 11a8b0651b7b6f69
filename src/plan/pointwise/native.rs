//! Programs on the CPU: chunk by chunk, an instruction at a time.

use super::super::{Io, Native};
use super::{Arg, Instruction, Load, MAX_DIMS, Program};
use crate::shape::{View, ViewDim};
use rayon::prelude::*;
use smallvec::SmallVec;
use std::cell::Cell;
use std::sync::Arc;

/// Elements evaluated natively at a time: the intermediates of a chain stay in the first-level cache.
const CHUNK: usize = 1024;

/// Elements below which a second thread costs more than it saves.
const MIN_PARALLEL_ELEMENTS: usize = 1 << 15;

/// A program as it is run. What each run looks at lies side by side: for a small kernel, to fetch it from memory takes longer than the work.
pub(super) struct Compiled {
    loads: SmallVec<[Access; 4]>,
    steps: SmallVec<[Step; 4]>,
    /// How loads are read that are gathered.
    views: Vec<View>,
    /// Whether it only copies its load, however that is read.
    copies: Option<View>,
    has_core: bool,
}

/// How a load is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// As it lies from this word on.
    Whole(usize),
    /// Every element is this word.
    Single(usize),
    /// As this view says.
    Gathered(usize),
}

/// An instruction.
struct Step {
    /// What it does; `None` copies its argument.
    chunk: Option<Chunk>,
    args: [Operand; 3],
    arity: u8,
    scalars: u8,
    /// Whether its result is the same everywhere.
    constant: bool,
}

type Chunk = fn(&[&[u32]], [f32; 2], &mut [u32]);

/// [`Arg`] in two bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    Load(u8),
    Result(u8),
    Core,
    None,
}

impl Program {
    pub(super) fn native(self) -> Native {
        let compiled = self.compiled();
        Arc::new(move |io: &mut Io<'_>| compiled.compute(io.reads, io.scalars, io.writes[0]))
    }

    /// The form that is run.
    pub(super) fn compiled(&self) -> Compiled {
        let mut views = vec![];
        let loads = self.loads.iter().map(|load| {
            if load.is_single() {
                return Access::Single(load.view.offset);
            }
            if let [ViewDim { stride: 1, .. }] = load.view.dims[..] {
                return Access::Whole(load.view.offset);
            }
            views.push(load.view.clone());
            Access::Gathered(views.len() - 1)
        });
        let loads = loads.collect();
        let step = |(instruction, &constant): (&Instruction, &bool)| {
            // A program has fewer than 256 of each: MAX_LOADS, MAX_INSTRUCTIONS.
            let operand = |i: usize| match instruction.args.get(i) {
                Some(&Arg::Load(k)) => Operand::Load(k as u8),
                Some(&Arg::Result(k)) => Operand::Result(k as u8),
                Some(Arg::Core) => Operand::Core,
                None => Operand::None,
            };
            Step {
                chunk: instruction.rule.map(|rule| rule.chunk),
                args: [operand(0), operand(1), operand(2)],
                arity: instruction.args.len() as u8,
                scalars: instruction.rule.map_or(0, |rule| rule.scalars) as u8,
                constant,
            }
        };
        let copies = match (self.loads.as_slice(), self.instructions.as_slice()) {
            ([Load { view }], [Instruction { rule: None, .. }]) => Some(view.clone()),
            _ => None,
        };
        let steps: SmallVec<[Step; 4]> = self.instructions.iter().zip(&self.constant).map(step).collect();
        let has_core = steps.iter().any(|step| step.args.contains(&Operand::Core));
        Compiled { loads, steps, views, copies, has_core }
    }
}

impl Compiled {
    /// All elements, on all cores where that pays.
    pub(super) fn compute(&self, reads: &[&[u32]], scalars: &[u32], out: &mut [u32]) {
        if out.len() < MIN_PARALLEL_ELEMENTS {
            self.evaluate(reads, scalars, 0, out);
        } else {
            let share = out.len().div_ceil(4 * rayon::current_num_threads()).next_multiple_of(CHUNK);
            out.par_chunks_mut(share).enumerate().for_each(|(i, part)| self.evaluate(reads, scalars, i * share, part));
        }
    }

    /// Elements `start..start + out.len()`.
    pub(super) fn evaluate(&self, reads: &[&[u32]], scalars: &[u32], start: usize, out: &mut [u32]) {
        if let Some(view) = &self.copies {
            return copy(view, reads[0], start, out);
        }
        let last = self.steps.len() - 1;
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
        for (k, &access) in self.loads.iter().enumerate() {
            if let Access::Single(at) = access {
                gathered[k * width..][..width].fill(reads[k][at]);
            }
        }
        for (chunk, out) in out.chunks_mut(CHUNK).enumerate() {
            let (from, n) = (start + chunk * CHUNK, out.len());
            for (k, &access) in self.loads.iter().enumerate() {
                if let Access::Gathered(view) = access {
                    gather(&self.views[view], reads[k], from, &mut gathered[k * width..][..n]);
                }
            }
            if self.has_core {
                core[..n].copy_from_slice(out);
            }
            let mut scalar = 0;
            for (j, step) in self.steps.iter().enumerate() {
                let own = step.scalars_from(&scalars[scalar..]);
                scalar += usize::from(step.scalars);
                if chunk > 0 && j < last && step.constant {
                    // Still there from the first chunk, the largest.
                    continue;
                }
                let (before, rest) = results.split_at_mut((j * width).min(last * width));
                let args: [&[u32]; 3] = step.args.map(|arg| match arg {
                    Operand::Load(k) => match self.loads[usize::from(k)] {
                        Access::Whole(at) => &reads[usize::from(k)][at + from..][..n],
                        _ => &gathered[usize::from(k) * width..][..n],
                    },
                    Operand::Result(k) => &before[usize::from(k) * width..][..n],
                    Operand::Core => &core[..n],
                    Operand::None => &[],
                });
                let target: &mut [u32] = if j == last { out } else { &mut rest[..n] };
                match step.chunk {
                    None => target.copy_from_slice(args[0]),
                    Some(chunk) => chunk(&args[..usize::from(step.arity)], own, target),
                }
            }
        }
        MEMORY.set(memory);
    }
}

impl Step {
    /// Its scalars, the first of those that are left.
    fn scalars_from(&self, left: &[u32]) -> [f32; 2] {
        match (self.scalars, left) {
            (1, &[one, ..]) => [f32::from_bits(one), 0.0],
            (2, &[one, two, ..]) => [f32::from_bits(one), f32::from_bits(two)],
            _ => [0.0; 2],
        }
    }
}

thread_local! {
    /// What chains work on between reading and writing, kept from call to call.
    static MEMORY: Cell<Vec<u32>> = const { Cell::new(Vec::new()) };
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
            let behind: Vec<u32> = [7; 3].into_iter().chain(x.iter().copied()).collect();
            // The transpose, the values as stored, consecutive ones at an offset, one number for all, and what depends on scalars alone.
            let loads = vec![
                Load { view: view(0, &[(rows, 1), (columns, rows as isize)]) },
                Load { view: view(3, &[(n, 1)]) },
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
            let scalars = [0.25f32, 16.0].map(f32::to_bits);
            let mut out = vec![0; n];
            program.compiled().compute(&[&x, &behind, &single], &scalars, &mut out);
            for (i, &word) in out.iter().enumerate() {
                let expected = (float(i / columns + i % columns * rows) + float(i)) + 0.5 + 0.25 + 16.0;
                assert_eq!(f32::from_bits(word), expected, "{i} of {rows}×{columns}");
            }
        }
    }
}
