//! The matrix product that a convolution and both its gradients are: its sizes, its strides and its kernels.

use super::super::window::word;
use crate::graph::op::{Kernel, Native, Target, Variant};

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

/// out[row, column] = Σ_k A[row, k] · image(column + k), for every group; the formula and the names are those of `shaders/conv.wgsl`.
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

/// Invocations of a workgroup of `conv.wgsl`.
const WORKGROUP: usize = 64;
/// Columns of the output an invocation of `conv_registers` and `conv_vectors` makes; rows as many or twice as many.
const BLOCK: usize = 8;

impl Product {
    fn k_rows(&self) -> usize {
        self.k.outer * self.k.sizes[0]
    }

    /// Parts of a sum.
    pub(super) fn splits(&self) -> usize {
        self.k_rows().div_ceil(self.span).max(1)
    }

    fn n(&self) -> usize {
        self.columns.outer * self.columns.sizes[0] * self.columns.sizes[1]
    }

    /// How many kinds of pixels there are along both axes, that see different taps.
    fn phases(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.divide[axis].min(self.columns.sizes[axis]))
    }

    /// Pixels of the largest phase along an axis.
    fn most(&self, axis: usize) -> usize {
        self.columns.sizes[axis].div_ceil(self.divide[axis])
    }

    /// The kernel of the product, in all its forms.
    pub(super) fn kernel(&self, name: &'static str, native: Native) -> Kernel {
        let (n, phases) = (self.n(), self.phases());
        let parts = self.groups * self.splits() * phases[0] * phases[1];
        let counts = [self.m, n, self.k_rows(), self.groups, self.splits(), self.span];
        let strides = [self.a[0], self.a[1], self.a[2], self.b_group, self.out[0], self.out[1], self.out[2]];
        let mut params: Vec<u32> = counts.iter().chain(&strides).map(|&n| n as u32).collect();
        params.extend([0, self.columns.stride, self.k.stride].map(|n| n as u32));
        params.extend([self.size, self.divide, self.columns.sizes, self.k.sizes].concat().into_iter().map(word));
        params.extend([self.columns.step, self.k.step, self.start].concat().into_iter().map(signed));
        params.extend(self.tap_step.map(word));
        // Whole up to `extra`, which belongs to what is fused behind and begins at a multiple of four.
        params.resize(params.len().next_multiple_of(4), 0);

        let divide = ("DIVIDE", u32::from(self.divide != [1, 1]));
        // Those of the largest phase.
        let n = n / (self.columns.sizes[0] * self.columns.sizes[1]).max(1) * self.most(0) * self.most(1);
        let tiles = |rows: usize, columns: usize| Variant::groups(parts * self.m.div_ceil(rows) * n.div_ceil(columns));
        // Tiles of 64, or of 32 where there are few rows.
        let side = if self.m <= 32 { 8 } else { 16 };
        let shared = Variant {
            consts: vec![("SIDE", side as u32), divide],
            target: Target::Hardware,
            ..Variant::new("conv/tile", tiles(4 * side, 4 * side))
        };
        // For software: as wide as wastes least at the edges.
        let waste = |rows: usize, lanes: usize| self.m.next_multiple_of(rows * (8 / lanes)) * n.next_multiple_of(BLOCK * lanes);
        let width = |rows: usize| [8, 4, 2, 1].into_iter().min_by_key(|&lanes| waste(rows, lanes)).unwrap_or(8);
        let registers = |shader, rows: usize| {
            let lanes = width(rows);
            let groups = tiles(rows * (8 / lanes), BLOCK * lanes);
            Variant { consts: vec![("LANES", lanes as u32)], target: Target::Software, ..Variant::new(shader, groups) }
        };
        let mut variants = vec![shared];
        variants.extend(self.flat(parts));
        let rows = if self.m <= BLOCK { BLOCK } else { 2 * BLOCK };
        if 2 * waste(rows, 8) <= 3 * waste(rows, width(rows)) {
            variants.push(Variant {
                consts: vec![("ROWS", rows as u32), divide, ("FUSED", 0)],
                target: Target::Software,
                ..Variant::new("conv/software/shared", tiles(rows, 8 * BLOCK))
            });
        }
        if self.divide == [1, 1] && self.in_vectors() {
            variants.push(registers("conv/software/vectors", 2 * BLOCK));
        }
        let mut any = registers("conv/software/registers", rows);
        any.consts.extend([("ROWS", rows as u32), divide, ("FUSED", 0)]);
        variants.push(any);
        let simple =
            Variant { consts: vec![divide], ..Variant::new("conv/plain", Variant::groups((parts * self.m * n).div_ceil(WORKGROUP))) };
        variants.push(simple);
        for variant in &mut variants {
            let terms = self.span.min(self.k_rows()).saturating_mul(self.k.sizes[1]);
            let taps = terms + self.span.min(self.k_rows());
            let around = match variant.shader {
                "conv/software/vectors" => taps / 2,
                "conv/software/flat" => taps / 3 + self.k_rows(),
                "conv/tile" => 2 * taps,
                _ => taps,
            };
            // And which taps a phase sees, and a tile of what is fused.
            let apart = |axis: usize| self.divide[axis] / self.tap_step[axis] * self.k.step[axis].unsigned_abs();
            let known = |axis: usize| self.divide == [1, 1] || (variant.shader == "conv/plain" && apart(axis) == 1);
            let seen = |axis: usize| if known(axis) { 0 } else { self.k.sizes[axis].min(self.tap_step[axis]) };
            let beside = seen(0) + seen(1) + 17 * 16;
            variant.loop_iterations = Some(around.saturating_add(beside));
            if variant.shader == "conv/plain" {
                *variant = variant.clone().in_parts(terms, beside);
            }
        }
        Kernel { name, params: params.into(), variants, native }
    }

    /// For software with subgroups: where pixels that follow each other read numbers that do so too, because the images are as wide on both
    /// sides and strides are 1. Kernels are taken by three taps, and three rows of them for their own gradient.
    fn flat(&self, parts: usize) -> Option<Variant> {
        let rows = if self.m <= 8 { 8 } else { 16 };
        let variant = |shader, consts, tiles: usize| Variant {
            consts,
            target: Target::Software,
            ..Variant::new(shader, Variant::groups(parts * tiles))
        };
        let fours = |numbers: &[usize]| numbers.iter().all(|n| n % 4 == 0);
        let plane = |grid: &Grid| grid.sizes[0] * grid.sizes[1];
        if self.divide != [1, 1] || !fours(&[self.size[0] * self.size[1]]) {
            return None;
        }
        let thirds = |n: usize| n.div_ceil(3);
        let turned = self.k.step[1] == -1;
        if self.columns.step == [1, 1]
            && (self.k.step[1] == 1 || turned)
            && self.columns.sizes[1] == self.size[1]
            && fours(&[plane(&self.columns), self.out[0], self.out[1], self.out[2]])
            && self.splits() == 1
            && 3 * thirds(self.k.sizes[1]) < 2 * self.k.sizes[1]
        {
            let tiles = self.m.div_ceil(rows) * (self.columns.outer * plane(&self.columns).div_ceil(BLOCK)).div_ceil(8);
            return Some(variant("conv/software/flat", vec![("ROWS", rows as u32), ("FUSED", 0)], tiles));
        }
        let squares = thirds(self.columns.sizes[0]) * thirds(self.columns.sizes[1]);
        if self.k.step == [1, 1]
            && self.columns.step[1] == 1
            && self.k.sizes[1] == self.size[1]
            && fours(&[plane(&self.k), self.a[0], self.a[1], self.a[2]])
            && (self.splits() == 1 || (self.span * self.k.sizes[1]).is_multiple_of(4))
            && 9 * squares <= 3 * plane(&self.columns)
        {
            // A channel for each invocation where that leaves few without one.
            let channels = self.columns.outer;
            let shared = 4 * channels >= 3 * channels.next_multiple_of(8);
            let tiles = self.m.div_ceil(16) * squares * if shared { channels.div_ceil(8) } else { channels };
            return Some(variant("conv/software/flat_weight", vec![("SHARED", u32::from(shared))], tiles));
        }
        None
    }

    /// Whether A lies together in multiples of four along k, in every part of a sum.
    fn in_vectors(&self) -> bool {
        let plane = self.k.sizes[0] * self.k.sizes[1];
        // Either one outer k follows the other at once, or none ends within a vector.
        let terms = if self.a[2] == plane { self.k.outer * plane } else { plane };
        let starts = if self.a[2] == plane { &self.a[..2] } else { &self.a[..] };
        terms % 4 == 0
            && starts.iter().all(|start| start % 4 == 0)
            && (self.splits() == 1 || (self.span * self.k.sizes[1]).is_multiple_of(4))
    }
}

/// A signed step or start as a word; those beyond every image are never taken.
fn signed(value: isize) -> u32 {
    let most = i32::MAX as isize;
    value.clamp(-most, most) as i32 as u32
}
