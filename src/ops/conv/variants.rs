//! The matrix product that a convolution and both its gradients are: its sizes, its strides, and which kernels make it.

use super::super::window::word;
use crate::graph::op::{Kernel, Native, Params, Target, Variant};

/// One of the two grids whose cells a sum runs over: pixels (image, y, x) or taps of the kernel (channel, i, j).
#[derive(Clone, Copy)]
pub(super) struct Grid {
    pub(super) outer: usize,
    pub(super) sizes: [usize; 2],
    /// Elements of the image that is read from one outer to the next.
    pub(super) stride: usize,
    /// How far a step in the grid moves in the image.
    pub(super) step: [isize; 2],
}

impl Grid {
    fn plane(&self) -> usize {
        self.sizes[0] * self.sizes[1]
    }
}

/// out[row, column] = Σ_k A[row, k] · image(column + k), for every group; the formula and the names are those of `shaders/conv/product.wgsl`.
pub(super) struct Product {
    pub(super) m: usize,
    pub(super) columns: Grid,
    pub(super) k: Grid,
    pub(super) groups: usize,
    /// Rows of the grid of k that one part of a sum takes; all of them where a sum is not divided.
    pub(super) span: usize,
    /// Elements of A from one group, row and outer k to the next.
    pub(super) a: [usize; 3],
    /// Elements of the image from one group to the next.
    pub(super) b_group: usize,
    /// Elements of the output from one group, row and outer column to the next.
    pub(super) out: [usize; 3],
    /// Height and width of the image that is read.
    pub(super) size: [usize; 2],
    pub(super) start: [isize; 2],
    /// What a place in the image is divided by. A step of k counts in the image that is read, from one tap to the next that sees the same pixels.
    pub(super) divide: [usize; 2],
    /// With `divide`: how far apart taps lie that see the same pixels.
    pub(super) tap_step: [usize; 2],
}

/// Invocations of a workgroup of `conv/plain`.
const PLAIN_WORKGROUP: usize = 64;
/// Invocations of a workgroup of the kernels for software adapters: the lanes of its vectors.
const LANES: usize = 8;
/// Columns of the output that an invocation of these makes.
const BLOCK: usize = 8;
/// Rows of the output up to which tiles of `conv/tile` are 32×32 and not 64×64.
const ROWS_OF_A_SMALL_TILE: usize = 32;

impl Product {
    fn k_rows(&self) -> usize {
        self.k.outer * self.k.sizes[0]
    }

    /// Parts of a sum.
    pub(super) fn splits(&self) -> usize {
        self.k_rows().div_ceil(self.span).max(1)
    }

    /// How many kinds of pixels there are along both axes, that see different taps.
    fn phases(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.divide[axis].min(self.columns.sizes[axis]))
    }

    /// Columns of the largest phase.
    fn most_columns(&self) -> usize {
        let pixels = [0, 1].map(|axis| self.columns.sizes[axis].div_ceil(self.divide[axis]));
        if self.columns.plane() == 0 { 0 } else { self.columns.outer * pixels[0] * pixels[1] }
    }

    /// Products that are made side by side: of each group, part of a sum and phase.
    fn products(&self) -> usize {
        let phases = self.phases();
        self.groups * self.splits() * phases[0] * phases[1]
    }

    /// The kernel of the product, in all its forms.
    pub(super) fn kernel(&self, name: &'static str, native: Native) -> Kernel {
        let taps = self.terms().saturating_add(self.span.min(self.k_rows()));
        let mut variants = vec![self.bounded(self.tile(), taps.saturating_mul(2))];
        let flat = self.flat().map(|flat| self.bounded(flat, taps / 3 + self.k_rows()));
        variants.extend(flat.or_else(|| self.flat_weight().map(|flat| self.bounded(flat, taps))));
        variants.extend(self.subgroup().map(|subgroup| self.bounded(subgroup, taps)));
        variants.extend(self.vectors().map(|vectors| self.bounded(vectors, taps / 2)));
        variants.push(self.bounded(self.registers(), taps));
        variants.push(self.bounded(self.plain(), taps).in_parts(self.terms(), self.searches()));
        Kernel { name, params: self.params(), variants, native }
    }

    /// What all kernels are told, the members of `conv/product.wgsl`.
    fn params(&self) -> Params {
        let n = self.columns.outer * self.columns.plane();
        let params = Params::new().set("m", self.m).set("n", n).set("k_rows", self.k_rows());
        let params = params.set("groups", self.groups).set("splits", self.splits()).set("span", self.span).set("first", 0u32);
        let params = params.set("a_group", self.a[0]).set("a_row", self.a[1]).set("a_outer", self.a[2]);
        let params = params.set("b_group", self.b_group).set("column_outer", self.columns.stride).set("k_outer", self.k.stride);
        let params = params.set("out_group", self.out[0]).set("out_row", self.out[1]).set("out_outer", self.out[2]);
        let params = params.set("size", self.size.map(word)).set("divide", self.divide.map(word));
        let params = params.set("column_sizes", self.columns.sizes.map(word)).set("k_sizes", self.k.sizes.map(word));
        let params = params.set("column_step", self.columns.step.map(signed)).set("k_step", self.k.step.map(signed));
        params.set("start", self.start.map(signed)).set("tap_step", self.tap_step.map(word))
    }

    fn divides(&self) -> (&'static str, u32) {
        ("DIVIDE", u32::from(self.divide != [1, 1]))
    }

    /// A variant with a workgroup for every so many rows and columns.
    fn tiled(&self, shader: &'static str, target: Target, rows: usize, columns: usize) -> Variant {
        let tiles = self.products() * self.m.div_ceil(rows) * self.most_columns().div_ceil(columns);
        Variant { target, ..Variant::new(shader, Variant::groups(tiles)) }
    }

    /// Tiles of 64×64 in workgroup memory, or of 32×32 where there are few rows.
    fn tile(&self) -> Variant {
        let side = if self.m <= ROWS_OF_A_SMALL_TILE { 8 } else { 16 };
        let variant = self.tiled("conv/tile", Target::Hardware, 4 * side, 4 * side);
        Variant { consts: vec![("SIDE", side as u32), self.divides()], ..variant }
    }

    /// One invocation per output.
    fn plain(&self) -> Variant {
        let invocations = self.products() * self.m * self.most_columns();
        let variant = Variant::new("conv/plain", Variant::groups(invocations.div_ceil(PLAIN_WORKGROUP)));
        Variant { consts: vec![self.divides()], ..variant }
    }

    /// Rows of a block in registers: as many as there are, up to twice as many as columns.
    fn rows(&self) -> usize {
        if self.m <= BLOCK { BLOCK } else { 2 * BLOCK }
    }

    /// Elements that are made, those beyond the edges too, by blocks of so many rows, so many of them side by side.
    fn made(&self, rows: usize, lanes: usize) -> usize {
        self.m.next_multiple_of(rows * (LANES / lanes)) * self.most_columns().next_multiple_of(BLOCK * lanes)
    }

    /// How many blocks of a workgroup are side by side: as many as waste least at the edges.
    fn lanes(&self, rows: usize) -> usize {
        [8, 4, 2, 1].into_iter().min_by_key(|&lanes| self.made(rows, lanes)).unwrap_or(LANES)
    }

    /// Blocks in registers.
    fn blocks(&self, shader: &'static str, rows: usize, lanes: usize) -> Variant {
        let variant = self.tiled(shader, Target::Software, rows * (LANES / lanes), BLOCK * lanes);
        let consts = vec![("LANES", lanes as u32), ("ROWS", rows as u32), self.divides(), ("FUSED", 0)];
        Variant { consts, ..variant }
    }

    fn registers(&self) -> Variant {
        self.blocks("conv/software/registers", self.rows(), self.lanes(self.rows()))
    }

    /// With A in vectors, where it is contiguous in multiples of four along k.
    fn vectors(&self) -> Option<Variant> {
        let rows = 2 * BLOCK;
        let fits = self.divide == [1, 1] && self.in_vectors();
        fits.then(|| self.blocks("conv/software/vectors", rows, self.lanes(rows)))
    }

    /// With rows shared by a workgroup, where all its blocks side by side make at most half as much again as they must.
    fn subgroup(&self) -> Option<Variant> {
        let rows = self.rows();
        let fits = 2 * self.made(rows, LANES) <= 3 * self.made(rows, self.lanes(rows));
        fits.then(|| self.blocks("conv/software/subgroup", rows, LANES))
    }

    /// Where consecutive pixels read consecutive numbers, because the images are as wide on both sides and strides are 1. Kernels are taken by
    /// three taps.
    fn flat(&self) -> Option<Variant> {
        let fits = self.divide == [1, 1]
            && self.columns.step == [1, 1]
            && self.k.step[1].abs() == 1
            && self.columns.sizes[1] == self.size[1]
            && in_fours(&[self.size[0] * self.size[1], self.columns.plane(), self.out[0], self.out[1], self.out[2]])
            && self.splits() == 1
            && 3 * thirds(self.k.sizes[1]) < 2 * self.k.sizes[1];
        let rows = self.rows();
        let tiles = self.m.div_ceil(rows) * (self.columns.outer * self.columns.plane().div_ceil(BLOCK)).div_ceil(LANES);
        fits.then(|| Variant {
            consts: vec![("ROWS", rows as u32), ("FUSED", 0)],
            target: Target::Software,
            ..Variant::new("conv/software/flat", Variant::groups(self.products() * tiles))
        })
    }

    /// The same for the gradient by the weights: kernels are taken by squares of three by three taps.
    fn flat_weight(&self) -> Option<Variant> {
        let squares = thirds(self.columns.sizes[0]) * thirds(self.columns.sizes[1]);
        let fits = self.divide == [1, 1]
            && self.k.step == [1, 1]
            && self.columns.step[1] == 1
            && self.k.sizes[1] == self.size[1]
            && in_fours(&[self.size[0] * self.size[1], self.k.plane(), self.a[0], self.a[1], self.a[2]])
            && (self.splits() == 1 || (self.span * self.k.sizes[1]).is_multiple_of(4))
            && 9 * squares <= 3 * self.columns.plane();
        // A channel for each invocation where that leaves few without one.
        let channels = self.columns.outer;
        let shared = 4 * channels >= 3 * channels.next_multiple_of(LANES);
        let tiles = self.m.div_ceil(2 * BLOCK) * squares * if shared { channels.div_ceil(LANES) } else { channels };
        fits.then(|| Variant {
            consts: vec![("SHARED", u32::from(shared))],
            target: Target::Software,
            ..Variant::new("conv/software/flat_weight", Variant::groups(self.products() * tiles))
        })
    }

    /// Whether A is contiguous in multiples of four along k, in every part of a sum.
    fn in_vectors(&self) -> bool {
        let plane = self.k.plane();
        // Either one outer k follows the other at once, or none ends within a vector.
        let terms = if self.a[2] == plane { self.k.outer * plane } else { plane };
        let starts = if self.a[2] == plane { &self.a[..2] } else { &self.a[..] };
        terms % 4 == 0 && in_fours(starts) && (self.splits() == 1 || (self.span * self.k.sizes[1]).is_multiple_of(4))
    }

    /// Terms of a part of a sum.
    fn terms(&self) -> usize {
        self.span.min(self.k_rows()).saturating_mul(self.k.sizes[1])
    }

    /// Iterations of loops beside those over terms: the search for the taps a phase sees, and a block of what is fused.
    fn searches(&self) -> usize {
        let dilation = |axis: usize| self.divide[axis] / self.tap_step[axis] * self.k.step[axis].unsigned_abs();
        let searches = |axis: usize| self.divide != [1, 1] && dilation(axis) != 1;
        let search = |axis: usize| if searches(axis) { self.k.sizes[axis].min(self.tap_step[axis]) } else { 0 };
        search(0) + search(1) + 17 * 16
    }

    /// A variant whose loops over terms make so many iterations in one invocation.
    fn bounded(&self, variant: Variant, iterations: usize) -> Variant {
        variant.max_loop_iterations(iterations.saturating_add(self.searches()))
    }
}

fn thirds(n: usize) -> usize {
    n.div_ceil(3)
}

fn in_fours(numbers: &[usize]) -> bool {
    numbers.iter().all(|n| n % 4 == 0)
}

/// A signed step or start; those beyond every image are never taken.
fn signed(value: isize) -> i32 {
    let most = i32::MAX as isize;
    value.clamp(-most, most) as i32
}
