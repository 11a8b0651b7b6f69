//! Pointwise programs: a chain of elementwise rules as one kernel, in WGSL and natively.

use super::{Io, Kernel, Native, Params, Variant};
use crate::graph::op::{DType, Rule};
use crate::shaders::Epilogue;
use crate::shape::View;
use rayon::prelude::*;
use std::cell::Cell;
use std::fmt::Write;
use std::sync::Arc;

/// Read bindings `in0`..`in5` of `elementwise.wgsl`.
pub const MAX_LOADS: usize = 6;
/// Read bindings `extra0`..`extra3` of kernels that take an epilogue.
pub const MAX_EXTRA: usize = 4;
/// Axes a view may have in `elementwise.wgsl`.
const MAX_DIMS: usize = 8;
/// Scalars a program may take.
pub const MAX_SCALARS: usize = 32;
/// Rules in one program.
pub const MAX_INSTRUCTIONS: usize = 32;
/// Invocations in a workgroup of `elementwise.wgsl`.
const WORKGROUP: usize = 256;
/// Elements evaluated natively at a time: the intermediates of a chain stay in the first-level cache.
const CHUNK: usize = 1024;
/// Elements below which a second thread costs more than it saves.
const PARALLEL: usize = 1 << 15;

/// Functions that read four neighbours of a load.
const LOADS: [&str; MAX_LOADS] = ["load0", "load1", "load2", "load3", "load4", "load5"];
/// Functions that read four neighbours of an extra input, in shaders that take an epilogue of four.
const LOAD_EXTRAS: [&str; MAX_EXTRA] = ["load_extra0", "load_extra1", "load_extra2", "load_extra3"];

/// One buffer, read in one way.
pub struct Load {
    /// Where element i is.
    pub view: View,
}

/// What an instruction works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// A load.
    Load(usize),
    /// An earlier instruction's result.
    Result(usize),
    /// What the kernel that the program is an epilogue of has computed.
    Core,
}

/// One rule applied.
pub struct Instruction {
    /// The rule; `None` copies its argument as it is.
    pub rule: Option<&'static Rule>,
    /// Its arguments.
    pub args: Vec<Arg>,
}

/// `out[i] = last instruction`, for `i` in `0..count`.
pub struct Program {
    /// Elements.
    pub count: usize,
    /// Buffers read.
    pub loads: Vec<Load>,
    /// Rules, in order.
    pub instructions: Vec<Instruction>,
    /// Which of them have the same result everywhere, whatever is read.
    constant: Vec<bool>,
}

impl Program {
    /// A program over `count` elements.
    pub fn new(count: usize, loads: Vec<Load>, instructions: Vec<Instruction>) -> Program {
        let mut constant: Vec<bool> = Vec::with_capacity(instructions.len());
        for instruction in &instructions {
            let same = |arg: &Arg| matches!(arg, Arg::Result(k) if constant[*k]);
            constant.push(instruction.args.iter().all(same));
        }
        debug_assert!(loads.iter().all(|load| load.view.numel() == count), "a load of another number of elements than {count}");
        Program { count, loads, instructions, constant }
    }

    /// The kernel in both forms.
    pub fn kernel(self) -> Kernel {
        let simple = Variant {
            bodies: vec![("element", self.wgsl("in", "dims", ""))],
            ..Variant::new("elementwise/elements", Variant::groups(self.count.div_ceil(WORKGROUP))).max_loop_iterations(0)
        };
        let variants = self.vectors().into_iter().chain([simple]).collect();
        let name = match self.instructions.as_slice() {
            [Instruction { rule: Some(rule), .. }] => rule.name,
            [_] => "copy",
            _ => "elementwise",
        };
        Kernel { name, params: self.params(), variants, native: self.native() }
    }

    /// The program fused after a kernel, as its epilogue: it works on each element before the kernel stores it. The kernel reads the loads
    /// after its own inputs; its member `params.extra` says how.
    pub fn fused_after(self, kernel: Kernel) -> Kernel {
        let Kernel { name, mut params, mut variants, native } = kernel;
        params = params.set("extra", self.dims());
        for variant in &mut variants {
            if crate::shaders::epilogue(variant.shader) == Some(Epilogue::Four) {
                variant.bodies.push(("finish", format!("{{\n{}", self.chain("bitcast<f32>"))));
                let loads = self.loads.iter().enumerate().zip(LOAD_EXTRAS);
                variant.bodies.extend(loads.map(|((k, load), name)| (name, four_extra(k, &load.view))));
            } else {
                variant.bodies.push(("epilogue", self.wgsl("extra", "extra", "bitcast<f32>")));
            }
            // Some shaders want to know whether there is one.
            variant.consts.iter_mut().filter(|(name, _)| *name == "FUSED").for_each(|fused| fused.1 = 1);
        }
        let own = Arc::new(move |io: &mut Io<'_>| {
            let (reads, extra) = io.reads.split_at(io.reads.len() - self.loads.len());
            let out = &mut *io.writes[0];
            let scalars = numbers(io.scalars);
            let finish = |start: usize, part: &mut [u32]| self.evaluate(extra, &scalars, start, part);
            let mut core = Io { reads, writes: &mut [&mut *out], scalars: &[], finish: Some(&finish) };
            native(&mut core);
            if core.finish.is_some() {
                self.compute(extra, &scalars, out);
            }
        });
        Kernel { name, params, variants, native: own }
    }

    /// The uniform: the count, then how the loads are read.
    fn params(&self) -> Params {
        Params::new().set("count", self.count).set("dims", self.dims())
    }

    /// Per load and axis `(divisor, size, stride, offset)`.
    fn dims(&self) -> Vec<u32> {
        let mut words = vec![];
        for load in &self.loads {
            let mut divisor = load.view.numel().max(1);
            for axis in 0..MAX_DIMS {
                let offset = load.view.offset as u32;
                match load.view.dims.get(axis) {
                    Some(dim) => {
                        divisor /= dim.size.max(1);
                        words.extend([divisor as u32, dim.size as u32, dim.stride as i32 as u32, offset]);
                    }
                    None => words.extend([1, 1, 0, offset]),
                }
            }
        }
        words
    }

    /// The form that takes four neighbouring elements at a time, where all loads can.
    fn vectors(&self) -> Option<Variant> {
        if !self.count.is_multiple_of(4) {
            return None;
        }
        let mut bodies = vec![("one", format!("{{\n{}", self.chain("")))];
        for (k, load) in self.loads.iter().enumerate() {
            bodies.push((LOADS[k], four(k, &load.view)?));
        }
        if self.loads.is_empty() {
            bodies.push((LOADS[0], "{ return vec4<u32>(0u); }".to_owned()));
        }
        let groups = Variant::groups(self.count.div_ceil(4 * WORKGROUP));
        Some(Variant { bodies, ..Variant::new("elementwise/vectors", groups).max_loop_iterations(0) })
    }

    /// The body of `element(i) -> u32` or `epilogue(v, i) -> f32`; `loads` and `dims` are the names of the bindings and of the table of views,
    /// `convert` is what makes the result of a word.
    fn wgsl(&self, loads: &str, dims: &str, convert: &str) -> String {
        let mut body = String::from("{\n");
        // Writing to a String cannot fail.
        for (k, load) in self.loads.iter().enumerate() {
            let _ = writeln!(body, "    let x{k} = {loads}{k}[{}];", position("i", dims, k, &load.view));
        }
        body + &self.chain(convert)
    }

    /// The instructions on `x0`, `x1`, …, up to the brace that ends a body; `convert` is what makes its result of a word.
    fn chain(&self, convert: &str) -> String {
        let mut body = String::new();
        let mut scalar = 0;
        for (j, instruction) in self.instructions.iter().enumerate() {
            let word = |arg: &Arg| match arg {
                Arg::Load(k) => format!("x{k}"),
                Arg::Result(k) => format!("y{k}"),
                Arg::Core => "bitcast<u32>(v)".to_owned(),
            };
            let Some(rule) = instruction.rule else {
                let _ = writeln!(body, "    let y{j} = {};", word(&instruction.args[0]));
                continue;
            };
            // Each rule stands in a block of its own, so that its names a, b, c, p, q are its own.
            let _ = writeln!(body, "    var y{j}: u32;\n    {{");
            for (name, (arg, dtype)) in ["a", "b", "c"].iter().zip(instruction.args.iter().zip(rule.inputs)) {
                let value = match dtype {
                    Some(DType::F32) => format!("bitcast<f32>({})", word(arg)),
                    Some(DType::I32) => format!("bitcast<i32>({})", word(arg)),
                    Some(DType::Bool) => format!("({} != 0u)", word(arg)),
                    // No row reads or writes f16.
                    Some(DType::U32 | DType::F16) | None => word(arg),
                };
                let _ = writeln!(body, "        let {name} = {value};");
            }
            for name in ["p", "q"].iter().take(rule.scalars) {
                let _ = writeln!(body, "        let {name} = scalars.v[{}][{}];", scalar / 4, scalar % 4);
                scalar += 1;
            }
            let result = match rule.output {
                Some(DType::F32 | DType::I32) => format!("bitcast<u32>({})", rule.wgsl),
                Some(DType::Bool) => format!("select(0u, 1u, {})", rule.wgsl),
                Some(DType::U32 | DType::F16) | None => rule.wgsl.to_owned(),
            };
            let _ = writeln!(body, "        y{j} = {result};\n    }}");
        }
        let _ = write!(body, "    return {convert}(y{});\n}}", self.instructions.len() - 1);
        body
    }

    fn native(self) -> Native {
        Arc::new(move |io: &mut Io<'_>| self.compute(io.reads, &numbers(io.scalars), io.writes[0]))
    }

    /// All elements, on all cores where that pays.
    fn compute(&self, reads: &[&[u32]], scalars: &[f32; MAX_SCALARS], out: &mut [u32]) {
        if out.len() < PARALLEL {
            self.evaluate(reads, scalars, 0, out);
        } else {
            let share = out.len().div_ceil(4 * rayon::current_num_threads()).next_multiple_of(CHUNK);
            out.par_chunks_mut(share).enumerate().for_each(|(i, part)| self.evaluate(reads, scalars, i * share, part));
        }
    }

    /// Elements `start..start + out.len()`.
    fn evaluate(&self, reads: &[&[u32]], scalars: &[f32; MAX_SCALARS], start: usize, out: &mut [u32]) {
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
fn numbers(words: &[u32]) -> [f32; MAX_SCALARS] {
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

/// The body of load `k` of `elementwise_vectors.wgsl`: four neighbours as one vector, or one number for all four; `None` where elements are
/// stored otherwise.
fn four(k: usize, view: &View) -> Option<String> {
    let whole = |n: isize| n % 4 == 0;
    // Vectors that end after the buffer cannot be read; a buffer is at least one vector.
    let last = view.dims.iter().map(|d| (d.size as isize - 1) * d.stride.max(0)).sum::<isize>() + view.offset as isize;
    let readable = last < 4 || whole(last + 1);
    let (inner, outer) = match view.dims.split_last() {
        None => (0, true),
        Some((inner, outer)) if whole(inner.size as isize) => {
            (inner.stride, whole(view.offset as isize) && outer.iter().all(|d| whole(d.stride)))
        }
        Some(_) => return None,
    };
    let place = position("i", "dims", k, view);
    match inner {
        1 if outer => Some(format!("{{ return in{k}[({place}) / 4u]; }}")),
        0 if readable => Some(format!("{{\n    let p = {place};\n    return vec4<u32>(in{k}[p / 4u][p % 4u]);\n}}")),
        _ => None,
    }
}

/// The body of load `k` of an epilogue of four neighbours, the first a multiple of four.
fn four_extra(k: usize, view: &View) -> String {
    let one = |i: &str| format!("extra{k}[{}]", position(i, "extra", k, view));
    match view.dims.last() {
        // One number for all four.
        None => format!("{{ return vec4<u32>({}); }}", one("i")),
        Some(inner) if inner.stride == 0 && inner.size % 4 == 0 => format!("{{ return vec4<u32>({}); }}", one("i")),
        _ => {
            let each = ["i", "(i + 1u)", "(i + 2u)", "(i + 3u)"].map(one);
            format!("{{ return vec4<u32>({}); }}", each.join(", "))
        }
    }
}

/// The WGSL expression for where load `k` finds element `i`. Sizes come from the uniform, so that shapes share a shader.
fn position(i: &str, dims: &str, k: usize, view: &View) -> String {
    if view.is_contiguous() && !view.dims.is_empty() {
        return i.to_owned();
    }
    let at = |axis: usize| format!("params.{dims}[{}]", k * MAX_DIMS + axis);
    let mut text = format!("{}.w", at(0));
    for (axis, dim) in view.dims.iter().enumerate() {
        if dim.stride == 0 {
            continue;
        }
        let d = at(axis);
        // Wrapping arithmetic: a negative stride is a large unsigned one.
        let index = match (axis, axis + 1 == view.dims.len()) {
            (0, true) => i.to_owned(),
            (0, false) => format!("quotient({i}, {d}.x)"),
            (_, true) => format!("remainder({i}, {d}.y)"),
            _ => format!("remainder(quotient({i}, {d}.x), {d}.y)"),
        };
        let _ = write!(text, " + {index} * {d}.z");
    }
    text
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

    fn view(offset: usize, dims: &[(usize, isize)]) -> View {
        View::new(offset, dims.iter().map(|&(size, stride)| crate::shape::ViewDim { size, stride }))
    }

    /// Not every driver lets a vector be read that is only partly in its buffer, so a device cannot show this.
    #[test]
    fn four_elements_are_read_at_a_time_only_where_whole_vectors_are() {
        for (dims, offset, readable) in [
            (&[(48, 1)][..], 0, true),
            (&[(48, 1)], 4, true),
            (&[(48, 1)], 2, false),
            (&[(6, 0), (8, 1)], 0, true),
            (&[(6, 0), (7, 1)], 0, false),
            (&[(6, 9), (8, 1)], 0, false),
            (&[(6, 12), (8, 1)], 4, true),
            (&[(6, -8), (8, 1)], 40, true),
            (&[(6, 8), (8, -1)], 7, false),
            (&[(8, 1), (4, 8)], 0, false),
            // One number for all four: the last vector must be whole, or the only one.
            (&[(8, 1), (12, 0)], 0, true),
            (&[(5, 1), (12, 0)], 0, false),
            (&[(4, 1), (12, 0)], 0, true),
            (&[(3, 1), (12, 0)], 0, true),
            (&[(48, 0)], 0, true),
            (&[(48, 0)], 4, false),
            (&[(48, 0)], 7, true),
        ] {
            assert_eq!(four(0, &view(offset, dims)).is_some(), readable, "{dims:?} from {offset}");
        }
    }
}
