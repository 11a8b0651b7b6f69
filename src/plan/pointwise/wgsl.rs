//! Programs as WGSL: the bodies of the functions of kernels for elementwise chains, and of epilogues.

use super::super::Variant;
use super::{Arg, MAX_DIMS, MAX_EXTRA, MAX_LOADS, Program};
use crate::graph::op::DType;
use crate::shape::View;
use std::fmt::Write;

/// Functions that read four neighbours of a load.
const LOADS: [&str; MAX_LOADS] = ["load0", "load1", "load2", "load3", "load4", "load5"];
/// Functions that read four neighbours of an extra input, in shaders that take an epilogue of four.
const LOAD_EXTRAS: [&str; MAX_EXTRA] = ["load_extra0", "load_extra1", "load_extra2", "load_extra3"];

impl Program {
    /// Per load and axis `(divisor, size, stride, offset)`.
    pub(super) fn dims(&self) -> Vec<u32> {
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
    pub(super) fn vectors(&self) -> Option<Variant> {
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
        Some(Variant { bodies, ..Variant::each_element("elementwise/vectors", self.count / 4).max_loop_iterations(0) })
    }

    /// The body of `chain(i) -> u32` or `epilogue(v, i) -> f32`; `loads` and `dims` are the names of the bindings and of the table of views,
    /// `convert` is what makes the result of a word.
    pub(super) fn wgsl(&self, loads: &str, dims: &str, convert: &str) -> String {
        let mut body = String::from("{\n");
        // Writing to a String cannot fail.
        for (k, load) in self.loads.iter().enumerate() {
            let _ = writeln!(body, "    let x{k} = {loads}{k}[{}];", position("i", dims, k, &load.view));
        }
        body + &self.chain(convert)
    }

    /// The bodies of an epilogue of four neighbours: `finish` and the loads in use.
    pub(super) fn finish(&self) -> Vec<(&'static str, String)> {
        let loads = self.loads.iter().enumerate().zip(LOAD_EXTRAS).map(|((k, load), name)| (name, four_extra(k, &load.view)));
        std::iter::once(("finish", format!("{{\n{}", self.chain("bitcast<f32>")))).chain(loads).collect()
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
                    // No row takes or gives f16.
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
}

/// The body of load `k` of `elementwise/vectors.wgsl`: four neighbours as one vector, or one number for all four; `None` where elements are
/// otherwise.
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
