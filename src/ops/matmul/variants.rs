//! The WGSL kernels of a product, and which of them is taken where: the ladder that `shaders/matmul/README.md` describes.

use super::{Layout, Matmul, self_test};
use crate::graph::op::{Target, Variant};

/// Batch axes the shaders' `params.dims` has room for: what is left of eight axes.
const BATCH_AXES: usize = 6;
/// Rows of the output an invocation that keeps its tile in registers computes: fewer where there are not so many. A kernel with 8 of them
/// compiles in half the time of one with 16, and up to 64 rows it is as fast.
fn rows(m: usize) -> usize {
    m.next_power_of_two().clamp(4, if m <= 64 { 8 } else { 16 })
}
/// The same on hardware: 16 rows are 128 sums, which with what they are made of are more registers than a chip of 2022 gives one invocation
/// (`shaders/matmul/budget.txt`), and leave room for half as many invocations on others.
fn hardware_rows(m: usize) -> usize {
    rows(m).min(8)
}
/// Columns of the output such an invocation computes.
const COLUMNS: usize = 8;

/// Workgroups below which a GPU of today has cores with nothing to do.
const WORKGROUPS_TO_FILL_A_GPU: usize = 96;
/// Terms of a sum that are worth a slice of a workgroup in `split_k`.
const TERMS_PER_SLICE: usize = 16;
/// Slices of a workgroup in `split_k`.
const SLICES: usize = 16;

/// Terms from which a sum is worth being split among workgroups, and the least of a split.
pub(super) const SPLIT_FROM: usize = 4096;
pub(super) const LEAST_SPLIT: usize = 512;
/// Terms that are never summed in one loop: software adapters leave loops after 65,535 iterations.
pub(super) const LONGEST_LOOP: usize = 64_000;
/// Tiles of 32×32 that keep a GPU busy: two for each of 64 cores.
pub(super) const TILES_TO_KEEP_BUSY: usize = 128;

/// How a workgroup shares a tile of the output.
#[derive(Clone, Copy)]
struct Tile {
    /// Invocations down and across.
    sides: [usize; 2],
    /// Blocks of 4×4 elements of each invocation, down and across.
    blocks: [usize; 2],
    /// Values of p in workgroup memory at a time.
    depth: u32,
    /// Times that memory is there.
    stages: u32,
}

impl Tile {
    fn rows(&self) -> usize {
        4 * self.sides[0] * self.blocks[0]
    }

    fn columns(&self) -> usize {
        4 * self.sides[1] * self.blocks[1]
    }
}

/// Tiles for hardware, the largest first, of operands that can be read as vectors: 128×128, 128×64, 64×64 and 32×32.
const TILES: [Tile; 4] = [
    Tile { sides: [16, 16], blocks: [2, 2], depth: 16, stages: 2 },
    Tile { sides: [16, 16], blocks: [2, 1], depth: 16, stages: 1 },
    Tile { sides: [16, 16], blocks: [1, 1], depth: 32, stages: 1 },
    Tile { sides: [8, 8], blocks: [1, 1], depth: 16, stages: 2 },
];
/// The same of any operands: 128×128, 64×64 and 32×32.
const SCALAR_TILES: [Tile; 3] = [
    Tile { sides: [16, 16], blocks: [2, 2], depth: 8, stages: 1 },
    Tile { sides: [16, 16], blocks: [1, 1], depth: 16, stages: 1 },
    Tile { sides: [8, 8], blocks: [1, 1], depth: 16, stages: 1 },
];

/// How many of eight invocations are side by side along n, the others below: by measurement on a software adapter, where reading rows
/// along k is cheaper than reading columns. As far as the output reaches in both directions.
pub(super) fn lanes(op: Matmul, layout: &Layout) -> usize {
    let widest = layout.n.div_ceil(COLUMNS).next_power_of_two().min(8);
    let tallest = layout.m.div_ceil(rows(layout.m)).next_power_of_two().min(8);
    (if op.trans_a { 8 } else { 2 }).max(8 / tallest).min(widest)
}

/// Iterations beside those over terms: the axes of a batch, a tile of what is fused after the product.
const OTHER_LOOPS: usize = 4 + BATCH_AXES + 17 * 16;

/// All kernels of a product, the best first of each kind of device.
pub(super) fn all(op: Matmul, layout: &Layout, lanes_n: usize, f16: [bool; 2]) -> Vec<Variant> {
    let forms = Forms { op, layout, lanes_n, f16 };
    let registers =
        [forms.registers(8, rows(layout.m), Target::Software), forms.registers(64, hardware_rows(layout.m), Target::Any)];
    if !forms.aligned() {
        return forms.tiles().into_iter().chain(registers).collect();
    }
    let mut all = forms.cooperative();
    all.extend(forms.split_k());
    all.extend(forms.tiles());
    all.extend(forms.subgroup());
    all.push(forms.vectors());
    all.extend(registers);
    all
}

/// A product, as its kernels see it.
struct Forms<'a> {
    op: Matmul,
    layout: &'a Layout,
    /// Of eight invocations, those side by side along n.
    lanes_n: usize,
    /// Which operands are f16.
    f16: [bool; 2],
}

impl Forms<'_> {
    /// Whether every row of both operands, as they are stored, starts at a multiple of four elements.
    fn aligned(&self) -> bool {
        let Layout { m, n, k, .. } = *self.layout;
        let (inner_a, inner_b) = (if self.op.trans_a { m } else { k }, if self.op.trans_b { k } else { n });
        inner_a % 4 == 0 && inner_b % 4 == 0
    }

    /// A variant with a workgroup for each tile of so many rows and columns; `loops` iterations over terms.
    fn form(&self, shader: &'static str, rows: usize, columns: usize, loops: usize, target: Target) -> Variant {
        let tiles = self.tile_count(rows, columns);
        Variant { target, ..Variant::new(shader, Variant::groups(tiles)).max_loop_iterations(loops + OTHER_LOOPS) }
    }

    fn tile_count(&self, rows: usize, columns: usize) -> usize {
        self.layout.batches() * self.layout.m.div_ceil(rows) * self.layout.n.div_ceil(columns)
    }

    fn trans(&self) -> [(&'static str, u32); 2] {
        [("TRANS_A", u32::from(self.op.trans_a)), ("TRANS_B", u32::from(self.op.trans_b))]
    }

    /// How f16 operands are read element by element.
    fn element_readers(&self) -> Vec<(&'static str, String)> {
        let body = |operand| format!("{{ return unpack2x16float({operand}[i >> 1u] >> (16u * (i & 1u))).x; }}");
        let readers = [("element_a", body("in0")), ("element_b", body("in1"))];
        readers.into_iter().zip(self.f16).filter(|(_, f16)| *f16).map(|(reader, _)| reader).collect()
    }

    /// How f16 operands are read four elements at a time: another type of the buffer, and what makes f32 of it.
    fn quad_readers(&self) -> Vec<(&'static str, String)> {
        let body = |operand| {
            format!("{{ let words = {operand}[i]; return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y)); }}")
        };
        let readers = [["QuadA", "quad_a"], ["QuadB", "quad_b"]].into_iter().zip(["in0", "in1"]).zip(self.f16);
        let changed = readers.filter(|(_, f16)| *f16);
        changed.flat_map(|(([alias, reader], operand), _)| [(alias, "vec2<u32>".to_owned()), (reader, body(operand))]).collect()
    }

    /// On matrices of the adapter, of two f16 operands: each device takes the one of its own size, if it has any.
    fn cooperative(&self) -> Vec<Variant> {
        if self.f16 != [true; 2] {
            return vec![];
        }
        let form =
            |(side, team)| cooperative(self.op, self.tile_count(4 * side as usize, 4 * side as usize), self.layout.k, side, team);
        [(16, 32), (16, 64), (8, 32), (8, 64)].map(form).into()
    }

    /// Where there are so few outputs and so many terms that a workgroup shares the terms.
    fn split_k(&self) -> Option<Variant> {
        let long = self.layout.k >= SLICES * TERMS_PER_SLICE && self.tile_count(32, 32) <= WORKGROUPS_TO_FILL_A_GPU;
        (long && self.f16 == [false; 2]).then(|| {
            let form = self.form("matmul/split_k", 16, 16, 2 * self.layout.k, Target::Hardware);
            Variant { consts: self.trans().to_vec(), ..form }
        })
    }

    /// Tiles in workgroup memory. First the largest that still gives a GPU's cores something to do each; the others stay as alternatives.
    fn tiles(&self) -> Vec<Variant> {
        let mut sizes = if self.aligned() { TILES.to_vec() } else { SCALAR_TILES.to_vec() };
        let enough = |t: &Tile| self.tile_count(t.rows(), t.columns()) >= WORKGROUPS_TO_FILL_A_GPU;
        let best = sizes.iter().position(enough).unwrap_or(sizes.len() - 1);
        sizes[..=best].rotate_right(1);
        // Terms, and what is loaded into workgroup memory.
        let loops = 2 * self.layout.k;
        let tile = |t: &Tile| {
            let [side_m, side_n, blocks_m, blocks_n] = [t.sides[0], t.sides[1], t.blocks[0], t.blocks[1]].map(|n| n as u32);
            if !self.aligned() {
                let form = self.form("matmul/tiles_scalar", t.rows(), t.columns(), loops, Target::Hardware);
                let consts = vec![("SIDE", side_m), ("BLOCKS", blocks_m), ("DEPTH", t.depth)];
                return Variant { consts, bodies: self.element_readers(), ..form };
            }
            let form = self.form("matmul/tiles", t.rows(), t.columns(), loops, Target::Hardware);
            let sizes = [("SIDE_M", side_m), ("SIDE_N", side_n), ("BLOCKS_M", blocks_m), ("BLOCKS_N", blocks_n)];
            let consts = [&sizes[..], &[("DEPTH", t.depth), ("STAGES", t.stages)], &self.trans()].concat();
            Variant { consts, bodies: self.quad_readers(), ..form }
        };
        sizes.iter().map(tile).collect()
    }

    /// For software with subgroups: where the output is wide enough for eight invocations side by side.
    fn subgroup(&self) -> Option<Variant> {
        let Layout { m, n, k, .. } = *self.layout;
        let wide = m > 4 && 3 * n >= 2 * n.next_multiple_of(8 * COLUMNS);
        (wide && self.f16 == [false; 2]).then(|| {
            let form = self.form("matmul/software/subgroup", rows(m), 8 * COLUMNS, k / 4, Target::Software);
            Variant { consts: [&[("ROWS", rows(m) as u32), ("FUSED", 0)], &self.trans()[..]].concat(), ..form }
        })
    }

    /// For software: four terms at a time.
    fn vectors(&self) -> Variant {
        let Layout { m, k, .. } = *self.layout;
        let form =
            self.form("matmul/software/vectors", rows(m) * (8 / self.lanes_n), COLUMNS * self.lanes_n, k / 4, Target::Software);
        let consts = [&[("WORKGROUP", 8), ("ROWS", rows(m) as u32), ("FUSED", 0)], &self.trans()[..]].concat();
        Variant { consts, bodies: self.quad_readers(), ..form }
    }

    /// In registers, element by element; in several dispatches where one may not loop over all terms.
    fn registers(&self, workgroup: usize, rows: usize, target: Target) -> Variant {
        let k = self.layout.k;
        let (tile_m, tile_n) = (rows * (workgroup / self.lanes_n), COLUMNS * self.lanes_n);
        let form = self.form("matmul/registers", tile_m, tile_n, k, target).in_parts(k, OTHER_LOOPS);
        let consts = vec![("WORKGROUP", workgroup as u32), ("ROWS", rows as u32), ("FUSED", 0)];
        Variant { consts, bodies: self.element_readers(), ..form }
    }
}

/// The kernel on cooperative matrices of `side`×`side`, with teams of so many invocations.
pub(super) fn cooperative(op: Matmul, tiles: usize, k: usize, side: u32, team: u32) -> Variant {
    let consts = vec![("SIDE", side), ("TEAM", team), ("TRANS_A", u32::from(op.trans_a)), ("TRANS_B", u32::from(op.trans_b))];
    let types = [("Left", "f16, A"), ("Right", "f16, B"), ("Sum", "f32, C")];
    Variant {
        consts,
        bodies: types.map(|(alias, of)| (alias, format!("coop_mat{side}x{side}<{of}>"))).to_vec(),
        target: Target::Cooperative { side, team },
        self_test: Some(self_test::COOPERATIVE),
        ..Variant::new("matmul/cooperative", Variant::groups(tiles)).max_loop_iterations(2 * k + OTHER_LOOPS)
    }
}
