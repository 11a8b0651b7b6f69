//! Pooling over windows of the last two axes: `out[n,c,y,x]` = the largest, or the mean, of `x[n,c,·,·]` in window (y, x).
//!
//! The gradient of max pooling finds the largest of each window again ([`MaxPool2dInput`]); its own gradient picks what lies there
//! ([`MaxPool2dPick`]). Average pooling is linear: it and its transpose ([`AvgPool2dInput`]) are each other's gradients.

mod variants;
mod methods;
mod native;

use super::case::{Case, Gen};
use super::window::{ToPair, Window, word};
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, DType, GradCtx, Lowering, MAX_LOOP_ITERATIONS, Native, Op, Operand, Spec, Stage, Variant};
use crate::graph::{Tensor, record};
use crate::shape::Shape;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// x \[N, C, H, W\] → the largest of every window \[N, C, oH, oW\]; NaN if one is NaN. Padding is never the largest.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2d {
    /// The windows.
    pub window: Window,
}

/// x, v \[N, C, H, W\] → v at the first place, in row order, of every window's largest x \[N, C, oH, oW\].
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2dPick {
    /// The windows.
    pub window: Window,
}

/// x \[N, C, H, W\], g \[N, C, oH, oW\] → for every x, Σ g over the windows whose largest it is: the gradient of [`MaxPool2d`].
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2dInput {
    /// The windows.
    pub window: Window,
}

/// What average pooling takes the mean of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cells {
    /// Windows that slide.
    Sliding {
        /// The windows.
        window: Window,
        /// Whether places in the padding count as zeros; else they are left out of the mean.
        count_include_pad: bool,
    },
    /// A given number of cells: cell i covers ⌊i·n/o⌋ to ⌈(i+1)·n/o⌉.
    Adaptive {
        /// Cells along height and width.
        output: [usize; 2],
    },
}

/// x \[N, C, H, W\] → the mean of every window \[N, C, oH, oW\].
#[derive(Clone, Copy, Debug)]
pub struct AvgPool2d {
    /// The windows.
    pub cells: Cells,
}

/// g \[N, C, oH, oW\] → for every x, Σ g/n over the windows of n places that hold it \[N, C, H, W\]: the transpose of [`AvgPool2d`].
#[derive(Clone, Copy, Debug)]
pub struct AvgPool2dInput {
    /// The windows.
    pub cells: Cells,
    /// H and W.
    pub size: [usize; 2],
}

/// A plane and its windows.
#[derive(Clone, Copy, Debug)]
struct Plane {
    size: [usize; 2],
    output: [usize; 2],
    cells: Cells,
}

/// The four sizes of an f32 operand.
fn four(spec: &Spec) -> Result<[usize; 4], OpError> {
    if spec.dtype != DType::F32 {
        return Err(OpError::DType(format!("operand is {spec}, expected f32; convert with to_f32()")));
    }
    spec.shape.dims().try_into().map_err(|_| OpError::Shape(format!("operand is {spec}, expected four axes [N, C, H, W]")))
}

fn sliding(window: Window) -> Cells {
    Cells::Sliding { window, count_include_pad: false }
}

impl Plane {
    fn new(cells: Cells, size: [usize; 2]) -> Result<Plane, OpError> {
        if size.contains(&0) {
            return Err(OpError::Shape(format!("images of {size:?} have no elements to pool")));
        }
        let output = match cells {
            Cells::Sliding { window, .. } => {
                let (kernel, padding) = (window.kernel, window.padding);
                let output = window.count(size)?;
                if padding.iter().zip(kernel).any(|(&p, k)| p > k / 2) {
                    return Err(OpError::Value(format!("padding {padding:?} is more than half of the kernel {kernel:?}")));
                }
                output
            }
            Cells::Adaptive { output } => {
                if output.contains(&0) {
                    return Err(OpError::Value(format!("an output of {output:?} has no cells, expected at least 1")));
                }
                // The shader multiplies them in u32.
                let small = |(&n, o): (&usize, usize)| {
                    (n + 1).checked_mul(o.saturating_add(1)).is_some_and(|product| product <= u32::MAX as usize)
                };
                if !size.iter().zip(output).all(small) {
                    return Err(OpError::Shape(format!("from {size:?} to {output:?}: the sizes are too large")));
                }
                output
            }
        };
        Ok(Plane { size, output, cells })
    }

    fn elements(&self) -> usize {
        self.size[0] * self.size[1]
    }

    fn windows(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// The places of window `i` along an axis.
    fn places(&self, axis: usize, i: usize) -> Range<usize> {
        let n = self.size[axis];
        match self.cells {
            Cells::Sliding { window, .. } => {
                let (first, padding) = (i * window.stride[axis], window.padding[axis]);
                first.saturating_sub(padding)..(first + window.kernel[axis] - padding).min(n)
            }
            Cells::Adaptive { output } => i * n / output[axis]..((i + 1) * n).div_ceil(output[axis]),
        }
    }

    /// What the sum over a window with so many places in the image is divided by.
    fn divisor(&self, inside: usize) -> usize {
        match self.cells {
            Cells::Sliding { window, count_include_pad: true } => window.kernel[0] * window.kernel[1],
            _ => inside,
        }
    }

    /// Every window with its number, its rows and its columns.
    fn each(&self, mut visit: impl FnMut(usize, Range<usize>, Range<usize>)) {
        for y in 0..self.output[0] {
            let rows = self.places(0, y);
            for x in 0..self.output[1] {
                visit(y * self.output[1] + x, rows.clone(), self.places(1, x));
            }
        }
    }

    /// Where in a plane the largest of a window is.
    fn largest(&self, plane: &[f32], rows: Range<usize>, columns: Range<usize>) -> usize {
        let mut best = rows.start * self.size[1] + columns.start;
        for y in rows {
            for at in y * self.size[1] + columns.start..y * self.size[1] + columns.end {
                if beats(plane[at], plane[best]) {
                    best = at;
                }
            }
        }
        best
    }

    /// The places of every window in a plane, by the definition: for the reference.
    fn defined(&self) -> Vec<Vec<usize>> {
        let along = |axis: usize, i: usize| -> Vec<usize> {
            let n = self.size[axis];
            match self.cells {
                Cells::Sliding { window, .. } => {
                    let place = |k: usize| (i * window.stride[axis] + k).checked_sub(window.padding[axis]).filter(|&h| h < n);
                    (0..window.kernel[axis]).filter_map(place).collect()
                }
                // Those that overlap i/o to (i+1)/o of the axis.
                Cells::Adaptive { output } => {
                    (0..n).filter(|h| (h + 1) * output[axis] > i * n && h * output[axis] < (i + 1) * n).collect()
                }
            }
        };
        let all = (0..self.output[0]).flat_map(|y| (0..self.output[1]).map(move |x| (y, x)));
        all.map(|(y, x)| along(0, y).iter().flat_map(|h| along(1, x).into_iter().map(move |w| h * self.size[1] + w)).collect())
            .collect()
    }
}

/// Whether `x` takes the place of `best` as the largest: a NaN does, and nothing takes the place of a NaN.
fn beats<T: PartialOrd + Copy>(x: T, best: T) -> bool {
    let (x_is_nan, best_is_nan) = (x.partial_cmp(&x).is_none(), best.partial_cmp(&best).is_none());
    !best_is_nan && (x_is_nan || x > best)
}

/// Runs `plane(number, part)` for every `size` elements of the output, on all cores where that pays.
fn by_planes(out: &mut [f32], size: usize, work: usize, plane: impl Fn(usize, &mut [f32]) + Sync) {
    if out.len() / size * work < 1 << 15 {
        return out.chunks_exact_mut(size).enumerate().for_each(|(i, part)| plane(i, part));
    }
    let several = ((1 << 13) / work.max(1)).max(1);
    out.par_chunks_exact_mut(size).with_min_len(several).enumerate().for_each(|(i, part)| plane(i, part));
}

fn key(window: &Window, flag: u32) -> Vec<u32> {
    let mut words = window.words();
    words.push(flag);
    words
}

impl Cells {
    fn words(&self) -> Vec<u32> {
        match self {
            Cells::Sliding { window, count_include_pad } => key(window, u32::from(*count_include_pad)),
            Cells::Adaptive { output } => output.map(word).to_vec(),
        }
    }

    fn plane(&self, spec: &Spec) -> Result<Plane, OpError> {
        let [_, _, height, width] = four(spec)?;
        Plane::new(*self, [height, width])
    }
}

/// For a shape that `infer` refused: never run.
fn nothing() -> Lowering {
    Lowering::Stages { temps: vec![], stages: vec![] }
}

fn unknown(output: &Spec) -> Array {
    Array::from_fn(output.shape, |_| f64::NAN)
}

fn with_last(shape: &Shape, [height, width]: [usize; 2]) -> Result<Spec, OpError> {
    match shape.dims() {
        &[n, c, _, _] => Ok(Spec::f32(Shape::new(&[n, c, height, width])?)),
        _ => Err(OpError::Shape(format!("{shape} has not four axes"))),
    }
}

/// Taps of a window up to which windows are compared tap by tap, a row at a time; larger ones one by one.
const MANY: usize = 64;

/// v at the largest x of every window; with v = x, the maximum.
fn pick(window: Window, x: &Spec, name: &'static str, second: usize) -> Lowering {
    let Ok(plane) = sliding(window).plane(x) else { return nothing() };
    let count = x.shape.numel() / plane.elements() * plane.windows();
    let work = plane.windows() * window.kernel[0] * window.kernel[1];
    let native: Native = Arc::new(move |io| {
        let (x, v) = (io.read(0), io.read(1));
        by_planes(io.write(0), plane.windows(), work, |i, out| {
            let (x, v) = (&x[i * plane.elements()..][..plane.elements()], &v[i * plane.elements()..]);
            if second == 0 && window.kernel[0] * window.kernel[1] <= MANY {
                return plane.pool(&window, x, out);
            }
            plane.each(|o, rows, columns| out[o] = v[plane.largest(x, rows, columns)]);
        });
    });
    let kernel = plane.kernel(name, "pool/max", count, native);
    let reads = vec![Operand::Input(0), Operand::Input(second)];
    Lowering::Stages { temps: vec![], stages: vec![Stage { kernel, reads, writes: vec![Operand::Output] }] }
}

/// The first largest of some places.
fn first_largest(x: &[f64], places: &[usize]) -> usize {
    places.iter().copied().reduce(|best, at| if beats(x[at], x[best]) { at } else { best }).unwrap_or(0)
}

fn pick_reference(window: Window, x: &Array, v: &Array, output: &Spec) -> Array {
    let Ok(plane) = sliding(window).plane(&Spec::f32(x.shape)) else { return unknown(output) };
    let (windows, elements) = (plane.defined(), plane.elements());
    Array::from_fn(output.shape, |o| {
        let base = o / windows.len() * elements;
        v.data[base + first_largest(&x.data[base..], &windows[o % windows.len()])]
    })
}

impl Op for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }
    fn params(&self) -> Vec<u32> {
        key(&self.window, 0)
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        with_last(&inputs[0].shape, sliding(self.window).plane(&inputs[0])?.output)
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        pick(self.window, &inputs[0], "max_pool2d", 0)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        pick_reference(self.window, inputs[0], inputs[0], output)
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![Some(record(MaxPool2dInput { window: self.window }, &[&ctx.inputs[0], ctx.grad]))]
    }
}

impl Op for MaxPool2dPick {
    fn name(&self) -> &'static str {
        "max_pool2d_pick"
    }
    fn params(&self) -> Vec<u32> {
        key(&self.window, 0)
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        four(&inputs[1])?;
        if inputs[1].shape != inputs[0].shape {
            return Err(OpError::Shape(format!("{} is picked from by {}, expected the same shape", inputs[1], inputs[0])));
        }
        with_last(&inputs[0].shape, sliding(self.window).plane(&inputs[0])?.output)
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        pick(self.window, &inputs[0], "max_pool2d_pick", 1)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        pick_reference(self.window, inputs[0], inputs[1], output)
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        // Where the largest lies does not move.
        let back = || record(MaxPool2dInput { window: self.window }, &[&ctx.inputs[0], ctx.grad]);
        vec![None, ctx.needs[1].then(back)]
    }
}

impl Op for MaxPool2dInput {
    fn name(&self) -> &'static str {
        "max_pool2d_input"
    }
    fn params(&self) -> Vec<u32> {
        key(&self.window, 0)
    }
    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        Accuracy::Chosen { terms: self.window.kernel[0] * self.window.kernel[1], from: 1 }
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        four(&inputs[1])?;
        let output = with_last(&inputs[0].shape, sliding(self.window).plane(&inputs[0])?.output)?;
        if inputs[1].shape != output.shape {
            return Err(OpError::Shape(format!("the gradient is {}, expected {output}", inputs[1])));
        }
        Ok(Spec::f32(inputs[0].shape))
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let Ok(plane) = sliding(self.window).plane(&inputs[0]) else { return nothing() };
        let (window, work) = (self.window, plane.windows() * self.window.kernel[0] * self.window.kernel[1]);
        let native: Native = Arc::new(move |io| {
            let (x, g) = (io.read(0), io.read(1));
            by_planes(io.write(0), plane.elements(), work, |i, out| {
                let (x, g) = (&x[i * plane.elements()..][..plane.elements()], &g[i * plane.windows()..]);
                out.fill(0.0);
                if window.kernel[0] * window.kernel[1] <= MANY {
                    return plane.unpool(&window, x, g, out);
                }
                plane.each(|o, rows, columns| out[plane.largest(x, rows, columns)] += g[o]);
            });
        });
        let mut kernel = plane.kernel("max_pool2d_input", "pool/max_input", output.shape.numel(), native);
        let Window { kernel: size, stride, padding, .. } = self.window;
        if padding == [0, 0] && (0..2).all(|axis| size[axis] <= stride[axis]) {
            let windows = output.shape.numel() / plane.elements().max(1) * plane.windows();
            let turns = variants::nested(plane.sides(), 0).saturating_add(variants::nested(plane.owned(stride), 0));
            let apart = Variant::new("pool/max_input_disjoint", Variant::groups(windows.div_ceil(64))).max_loop_iterations(turns);
            kernel.variants.insert(0, apart);
        }
        if kernel.variants.iter().any(|variant| variant.loop_iterations.is_some_and(|turns| turns <= MAX_LOOP_ITERATIONS)) {
            return Lowering::kernel(kernel, 2);
        }
        // Windows too large to be searched in one go, or again for each place: first where the largest of each lies.
        let windows = output.shape.numel() / plane.elements() * plane.windows();
        let mut places = plane.kernel("max_pool2d_input", "pool/max", windows, Arc::new(|_| {}));
        places.variants.iter_mut().for_each(|variant| variant.consts.push(("PLACE", 1)));
        let spread = plane.kernel("max_pool2d_input", "pool/max_input_known", output.shape.numel(), kernel.native);
        let (x, g, found) = (Operand::Input(0), Operand::Input(1), Operand::Temp(0));
        Lowering::Stages {
            temps: vec![windows],
            stages: vec![
                Stage { kernel: places, reads: vec![x, x], writes: vec![found] },
                Stage { kernel: spread, reads: vec![x, g, found], writes: vec![Operand::Output] },
            ],
        }
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let [x, g] = inputs else { return unknown(output) };
        let Ok(plane) = sliding(self.window).plane(&Spec::f32(x.shape)) else { return unknown(output) };
        let (windows, mut out) = (plane.defined(), Array::from_fn(output.shape, |_| 0.0));
        for (o, g) in g.data.iter().enumerate() {
            let base = o / windows.len() * plane.elements();
            out.data[base + first_largest(&x.data[base..], &windows[o % windows.len()])] += g;
        }
        out
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let pick = || record(MaxPool2dPick { window: self.window }, &[&ctx.inputs[0], ctx.grad]);
        vec![None, ctx.needs[1].then(pick)]
    }
}

/// The last two sizes of the first input.
fn plane_of(inputs: &[&Array]) -> [usize; 2] {
    match inputs.first().map_or(&[][..], |x| x.shape.dims()) {
        &[.., height, width] => [height, width],
        _ => [1, 1],
    }
}

/// Cells of one grid that overlap a cell of another over the same plane, at most.
fn overlapping(of: [usize; 2], cell: [usize; 2]) -> usize {
    (0..2).map(|axis| of[axis].div_ceil(cell[axis].max(1)) + 1).product()
}

impl Op for AvgPool2d {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }
    fn params(&self) -> Vec<u32> {
        self.cells.words()
    }
    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        Accuracy::Terms(match self.cells {
            Cells::Sliding { window, .. } => window.kernel[0] * window.kernel[1],
            Cells::Adaptive { output } => overlapping(plane_of(inputs), output),
        })
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        with_last(&inputs[0].shape, self.cells.plane(&inputs[0])?.output)
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let Ok(plane) = self.cells.plane(&inputs[0]) else { return nothing() };
        let native: Native = Arc::new(move |io| {
            let x = io.read(0);
            by_planes(io.write(0), plane.windows(), plane.windows() + plane.elements(), |i, out| {
                let x = &x[i * plane.elements()..][..plane.elements()];
                plane.each(|o, rows, columns| {
                    let n = plane.divisor(rows.len() * columns.len());
                    let row = |y: usize| &x[y * plane.size[1]..][columns.clone()];
                    let sum: f64 = rows.flat_map(row).map(|&x| f64::from(x)).sum();
                    // What is too large for f32 is infinite, as on other devices.
                    out[o] = if (sum as f32).is_finite() { (sum / n as f64) as f32 } else { sum as f32 };
                });
            });
        });
        Lowering::kernel(plane.kernel("avg_pool2d", "pool/average", output.shape.numel(), native), 1)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let Ok(plane) = self.cells.plane(&Spec::f32(inputs[0].shape)) else { return unknown(output) };
        let (windows, x) = (plane.defined(), inputs[0]);
        Array::from_fn(output.shape, |o| {
            let (base, places) = (o / windows.len() * plane.elements(), &windows[o % windows.len()]);
            places.iter().map(|at| x.data[base + at]).sum::<f64>() / plane.divisor(places.len()) as f64
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let size = match ctx.inputs[0].try_shape().as_ref().map(Shape::dims) {
            Ok(&[_, _, height, width]) => [height, width],
            _ => [0, 0],
        };
        vec![Some(record(AvgPool2dInput { cells: self.cells, size }, &[ctx.grad]))]
    }
}

impl Op for AvgPool2dInput {
    fn name(&self) -> &'static str {
        "avg_pool2d_input"
    }
    fn params(&self) -> Vec<u32> {
        [self.cells.words(), self.size.map(word).to_vec()].concat()
    }
    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        Accuracy::Terms(match self.cells {
            Cells::Sliding { window, .. } => window.kernel[0] * window.kernel[1],
            Cells::Adaptive { .. } => overlapping(plane_of(inputs), self.size),
        })
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (plane, [_, _, height, width]) = (Plane::new(self.cells, self.size)?, four(&inputs[0])?);
        if [height, width] != plane.output {
            return Err(OpError::Shape(format!("the gradient is {}, expected {:?} windows", inputs[0], plane.output)));
        }
        with_last(&inputs[0].shape, self.size)
    }
    fn lower(&self, _: &[Spec], output: &Spec) -> Lowering {
        let Ok(plane) = Plane::new(self.cells, self.size) else { return nothing() };
        let native: Native = Arc::new(move |io| {
            let g = io.read(0);
            by_planes(io.write(0), plane.elements(), plane.windows() + plane.elements(), |i, out| {
                let g = &g[i * plane.windows()..];
                out.fill(0.0);
                plane.each(|o, rows, columns| {
                    let share = g[o] / plane.divisor(rows.len() * columns.len()) as f32;
                    rows.for_each(|y| out[y * plane.size[1]..][columns.clone()].iter_mut().for_each(|x| *x += share));
                });
            });
        });
        Lowering::kernel(plane.kernel("avg_pool2d_input", "pool/average_input", output.shape.numel(), native), 1)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let Ok(plane) = Plane::new(self.cells, self.size) else { return unknown(output) };
        let (windows, mut out) = (plane.defined(), Array::from_fn(output.shape, |_| 0.0));
        for (o, g) in inputs[0].data.iter().enumerate() {
            let (base, places) = (o / windows.len() * plane.elements(), &windows[o % windows.len()]);
            places.iter().for_each(|at| out.data[base + at] += g / plane.divisor(places.len()) as f64);
        }
        out
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![Some(record(AvgPool2d { cells: self.cells }, &[ctx.grad]))]
    }
}

/// Windows without gaps between their places.
fn window(kernel: impl ToPair, stride: impl ToPair, padding: impl ToPair) -> Window {
    let padding = padding.to_pair();
    Window { kernel: kernel.to_pair(), stride: stride.to_pair(), padding, after: padding, dilation: [1, 1] }
}

/// Test inputs: windows that overlap, touch and leave gaps, padding, cells that do and do not divide, ties, NaN and infinities.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let list: &[([usize; 4], Window)] = &[
        ([1, 1, 1, 1], window(1, 1, 0)),
        ([1, 1, 2, 3], window(2, 1, 0)),
        ([2, 2, 4, 6], window(2, 2, 0)),
        ([1, 2, 5, 4], window(3, 1, 1)),
        ([2, 1, 7, 6], window(3, 2, 1)),
        ([1, 2, 6, 7], window([2, 3], [3, 2], [1, 0])),
        ([1, 1, 9, 9], window(2, 4, 0)),
        ([1, 2, 1, 9], window([1, 4], [1, 3], [0, 2])),
        ([1, 1, 3, 3], window(3, usize::MAX, 0)),
        ([0, 2, 4, 4], window(2, 2, 0)),
        ([3, 0, 4, 4], window(2, 2, 0)),
        ([3, 5, 17, 19], window(3, 2, 1)),
        ([2, 3, 40, 41], window(5, 1, 2)),
        // Windows so large that they are not searched again for each of their places.
        ([2, 1, 34, 35], window(20, 1, 3)),
    ];
    for &(dims, window) in list {
        let (label, size) = (format!("{dims:?}"), [dims[2], dims[3]]);
        let Ok(Plane { output, .. }) = Plane::new(sliding(window), size) else { continue };
        let pooled = [dims[0], dims[1], output[0], output[1]];
        let (x, v, y) = (g.distinct(&dims), g.normalish(&dims), g.normalish(&pooled));
        cases.push(Case::new(label.clone(), MaxPool2d { window }, vec![x.clone()]));
        cases.push(Case::new(label.clone(), MaxPool2dPick { window }, vec![x.clone(), v.clone()]));
        cases.push(Case::new(label.clone(), MaxPool2dInput { window }, vec![x, y.clone()]));
        for count_include_pad in [false, true] {
            let cells = Cells::Sliding { window, count_include_pad };
            cases.push(Case::new(label.clone(), AvgPool2d { cells }, vec![v.clone()]));
            cases.push(Case::new(label.clone(), AvgPool2dInput { cells, size }, vec![y.clone()]));
        }
    }
    for (dims, output) in [
        ([1, 1, 1, 1], [1, 1]),
        ([2, 2, 4, 6], [2, 3]),
        ([1, 2, 5, 7], [3, 2]),
        ([1, 2, 3, 2], [4, 5]),
        ([2, 1, 9, 8], [1, 1]),
        ([0, 1, 3, 3], [2, 2]),
        ([2, 3, 33, 31], [7, 8]),
    ] {
        let (label, cells) = (format!("{dims:?} to {output:?}"), Cells::Adaptive { output });
        cases.push(Case::new(label.clone(), AvgPool2d { cells }, vec![g.normalish(&dims)]));
        let back = AvgPool2dInput { cells, size: [dims[2], dims[3]] };
        cases.push(Case::new(label, back, vec![g.normalish(&[dims[0], dims[1], output[0], output[1]])]));
    }
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0];
    for window in [window(2, 2, 0), window(3, 1, 1), window(2, 2, 1)] {
        let Ok(plane) = Plane::new(sliding(window), [6, 6]) else { continue };
        let ties = g.input(DType::F32, &[1, 2, 6, 6], |g| g.below(3) as f64);
        let sprinkled =
            g.input(DType::F32, &[2, 2, 6, 6], |g| if g.below(3) == 0 { odd[g.below(5)] } else { g.uniform(-1.0, 1.0) });
        let lowest = g.input(DType::F32, &[1, 1, 6, 6], |_| f64::NEG_INFINITY);
        let nowhere = g.input(DType::F32, &[1, 1, 6, 6], |_| f64::NAN);
        for (label, x) in [("ties", ties), ("not finite", sprinkled), ("−∞ only", lowest), ("NaN only", nowhere)] {
            let dims = x.array.shape.dims();
            let (n, c) = (dims[0], dims[1]);
            let y = g.normalish(&[n, c, plane.output[0], plane.output[1]]);
            let v = g.normalish(&[n, c, 6, 6]);
            cases.push(Case::new(label, MaxPool2d { window }, vec![x.clone()]).forward_only());
            cases.push(Case::new(label, MaxPool2dPick { window }, vec![x.clone(), v]).forward_only());
            cases.push(Case::new(label, MaxPool2dInput { window }, vec![x.clone(), y]).forward_only());
            cases.push(Case::new(label, AvgPool2d { cells: sliding(window) }, vec![x]).forward_only());
        }
    }
    cases
}
