//! Pointwise programs: a chain of elementwise rules as one kernel, in WGSL and natively.

use super::{Io, Kernel, Native, Variant};
use crate::graph::op::{DType, Rule};
use crate::shape::View;
use rayon::prelude::*;
use std::fmt::Write;
use std::sync::Arc;

/// Read bindings `in0`..`in5` of `elementwise.wgsl`.
pub const MAX_LOADS: usize = 6;
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
}

impl Program {
    /// The kernel in both forms.
    pub fn kernel(self) -> Kernel {
        let simple = Variant {
            bodies: vec![("element", self.wgsl())],
            ..Variant::new("elementwise", Variant::groups(self.count.div_ceil(WORKGROUP)))
        };
        let variants = self.vectors().into_iter().chain([simple]).collect();
        let name = match self.instructions.as_slice() {
            [Instruction { rule: Some(rule), .. }] => rule.name,
            [_] => "copy",
            _ => "elementwise",
        };
        Kernel { name, params: self.params(), variants, native: self.native() }
    }

    /// The uniform: the count, then per load and axis `(divisor, size, stride, offset)`.
    fn params(&self) -> Vec<u32> {
        let mut words = vec![self.count as u32, 0, 0, 0];
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
        words.resize(4 + MAX_LOADS * MAX_DIMS * 4, 0);
        words
    }

    /// The form that takes four neighbouring elements at a time, where all loads can.
    fn vectors(&self) -> Option<Variant> {
        const LOADS: [&str; MAX_LOADS] = ["load0", "load1", "load2", "load3", "load4", "load5"];
        if self.count % 4 != 0 {
            return None;
        }
        let mut bodies = vec![("one", format!("{{\n{}", self.chain()))];
        for (k, load) in self.loads.iter().enumerate() {
            bodies.push((LOADS[k], four(k, &load.view)?));
        }
        if self.loads.is_empty() {
            bodies.push((LOADS[0], "{ return vec4<u32>(0u); }".to_owned()));
        }
        Some(Variant { bodies, ..Variant::new("elementwise_vectors", Variant::groups(self.count.div_ceil(4 * WORKGROUP))) })
    }

    /// The body of `element(i) -> u32`.
    fn wgsl(&self) -> String {
        let mut body = String::from("{\n");
        // Writing to a String cannot fail.
        for (k, load) in self.loads.iter().enumerate() {
            let _ = writeln!(body, "    let x{k} = in{k}[{}];", position(k, &load.view));
        }
        body + &self.chain()
    }

    /// The instructions on `x0`, `x1`, …, up to the brace that ends a body.
    fn chain(&self) -> String {
        let mut body = String::new();
        let mut scalar = 0;
        for (j, instruction) in self.instructions.iter().enumerate() {
            let word = |arg: &Arg| match arg {
                Arg::Load(k) => format!("x{k}"),
                Arg::Result(k) => format!("y{k}"),
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
                    Some(DType::U32) | None => word(arg),
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
                Some(DType::U32) | None => rule.wgsl.to_owned(),
            };
            let _ = writeln!(body, "        y{j} = {result};\n    }}");
        }
        let _ = write!(body, "    return y{};\n}}", self.instructions.len() - 1);
        body
    }

    fn native(self) -> Native {
        Arc::new(move |io: &mut Io<'_>| {
            let scalars: Vec<f32> = io.scalars.iter().map(|&w| f32::from_bits(w)).collect();
            let reads = io.reads;
            let out = &mut *io.writes[0];
            if out.len() < PARALLEL {
                self.evaluate(reads, &scalars, 0, out);
            } else {
                let share = out.len().div_ceil(4 * rayon::current_num_threads()).next_multiple_of(CHUNK);
                out.par_chunks_mut(share).enumerate().for_each(|(i, part)| self.evaluate(reads, &scalars, i * share, part));
            }
        })
    }

    /// Elements `start..start + out.len()`.
    fn evaluate(&self, reads: &[&[u32]], scalars: &[f32], start: usize, out: &mut [u32]) {
        let last = self.instructions.len() - 1;
        let width = CHUNK.min(out.len());
        // Contiguous loads are read in place; others are gathered here first.
        let mut gathered: Vec<Vec<u32>> =
            self.loads.iter().map(|l| if l.view.is_contiguous() { vec![] } else { Vec::with_capacity(width) }).collect();
        let mut results: Vec<Vec<u32>> = vec![vec![0; width]; last];
        for (chunk, out) in out.chunks_mut(CHUNK).enumerate() {
            let (from, n) = (start + chunk * CHUNK, out.len());
            for ((load, read), buffer) in self.loads.iter().zip(reads).zip(&mut gathered) {
                if !load.view.is_contiguous() {
                    buffer.clear();
                    gather(&load.view, read, from, n, buffer);
                }
            }
            let mut scalar = 0;
            for (j, instruction) in self.instructions.iter().enumerate() {
                let (before, rest) = results.split_at_mut(j);
                let args: [&[u32]; 3] = std::array::from_fn(|i| match instruction.args.get(i) {
                    Some(&Arg::Load(k)) if self.loads[k].view.is_contiguous() => {
                        // One element stands for all where the program has no axes at all.
                        &reads[k][from..from + n]
                    }
                    Some(&Arg::Load(k)) => &gathered[k][..n],
                    Some(&Arg::Result(k)) => &before[k][..n],
                    None => &[],
                });
                let target: &mut [u32] = if j == last { out } else { &mut rest[0][..n] };
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
    }
}

/// The body of load `k` of `elementwise_vectors.wgsl`: four neighbours as one vector, or one number for all four; `None` where elements lie
/// otherwise.
fn four(k: usize, view: &View) -> Option<String> {
    let whole = |n: isize| n % 4 == 0;
    // Vectors that end behind the buffer cannot be read; a buffer is at least one vector.
    let last = view.dims.iter().map(|d| (d.size as isize - 1) * d.stride.max(0)).sum::<isize>() + view.offset as isize;
    let readable = last < 4 || whole(last + 1);
    let (inner, outer) = match view.dims.split_last() {
        None => (0, true),
        Some((inner, outer)) if whole(inner.size as isize) => {
            (inner.stride, whole(view.offset as isize) && outer.iter().all(|d| whole(d.stride)))
        }
        Some(_) => return None,
    };
    let place = position(k, view);
    match inner {
        1 if outer => Some(format!("{{ return in{k}[({place}) / 4u]; }}")),
        0 if readable => Some(format!("{{\n    let p = {place};\n    return vec4<u32>(in{k}[p / 4u][p % 4u]);\n}}")),
        _ => None,
    }
}

/// The WGSL expression for where load `k` finds element `i`. Sizes come from the uniform, so that shapes share a shader.
fn position(k: usize, view: &View) -> String {
    if view.is_contiguous() && !view.dims.is_empty() {
        return "i".to_owned();
    }
    let at = |axis: usize| format!("params.dims[{}]", k * MAX_DIMS + axis);
    let mut text = format!("{}.w", at(0));
    for (axis, dim) in view.dims.iter().enumerate() {
        if dim.stride == 0 {
            continue;
        }
        let d = at(axis);
        // Wrapping arithmetic: a negative stride is a large unsigned one.
        let index = match (axis, axis + 1 == view.dims.len()) {
            (0, true) => "i".to_owned(),
            (0, false) => format!("quotient_(i, {d}.x)"),
            (_, true) => format!("remainder_(i, {d}.y)"),
            _ => format!("remainder_(quotient_(i, {d}.x), {d}.y)"),
        };
        let _ = write!(text, " + {index} * {d}.z");
    }
    text
}

/// Copies the elements `from..from + n` of a view.
fn gather(view: &View, read: &[u32], from: usize, n: usize, buffer: &mut Vec<u32>) {
    match view.dims.as_slice() {
        [] => buffer.resize(n, read[view.offset]),
        [one] if one.stride == 0 => buffer.resize(n, read[view.offset]),
        [.., inner] if inner.stride == 1 || inner.stride == 0 => {
            // Whole runs along the innermost axis at once.
            let mut done = 0;
            while done < n {
                let column = (from + done) % inner.size;
                let run = (inner.size - column).min(n - done);
                let mut base = 0;
                view.positions(from + done, 1, |p| base = p);
                if inner.stride == 1 {
                    buffer.extend_from_slice(&read[base..base + run]);
                } else {
                    buffer.resize(buffer.len() + run, read[base]);
                }
                done += run;
            }
        }
        _ => view.positions(from, n, |p| buffer.push(read[p])),
    }
}
