//! The inner kernels of matrix products: a tile of the output held in registers over all terms of a block.
//!
//! Loops over a tile count, rather than iterate, so that the compiler unrolls them and keeps the sums in registers.
//!
//! A tile is `M` rows by `N` vectors. Every form of operand ends in [`step`]: one column of A, one row of B, M × N products added.

#![allow(clippy::needless_range_loop)]

use super::Window;
use pulp::{Simd, WithSimd};
use std::array::from_fn;

/// The most rows of a tile. Engines of WebAssembly have registers for no more than half of what other machines can hold, and none to hold back: what does
/// not fit is stored and loaded in every round.
pub const ROWS: usize = if cfg!(target_arch = "wasm32") { 4 } else { 8 };
/// The most vectors across a tile.
pub const VECTORS: usize = if cfg!(target_arch = "wasm32") { 2 } else { 3 };

/// Rows and columns that packing transposes at a time: no more than a panel is wide.
pub const TURNED: usize = if cfg!(target_family = "wasm") { 4 } else { 16 };
/// Numbers in the longest vectors that there are.
pub const MOST_LANES: usize = if cfg!(target_family = "wasm") { 4 } else { 16 };

/// Work on a tile whose size becomes a constant.
pub trait SizedTile {
    /// The work on M rows by N vectors.
    fn run<S: Simd, const M: usize, const N: usize>(self, simd: S);
}

/// Runs `tile` with `rows` (1, 2, 4 or [`ROWS`]) and `vectors` (1 to [`VECTORS`]) as constants.
pub fn sized<S: Simd>(simd: S, rows: usize, vectors: usize, tile: impl SizedTile) {
    match (rows, vectors) {
        (1, 1) => tile.run::<S, 1, 1>(simd),
        (1, 2) => tile.run::<S, 1, 2>(simd),
        (1, _) => tile.run::<S, 1, VECTORS>(simd),
        (2, 1) => tile.run::<S, 2, 1>(simd),
        (2, 2) => tile.run::<S, 2, 2>(simd),
        (2, _) => tile.run::<S, 2, VECTORS>(simd),
        (4, 1) => tile.run::<S, 4, 1>(simd),
        (4, 2) => tile.run::<S, 4, 2>(simd),
        (4, _) => tile.run::<S, 4, VECTORS>(simd),
        (_, 1) => tile.run::<S, ROWS, 1>(simd),
        (_, 2) => tile.run::<S, ROWS, 2>(simd),
        _ => tile.run::<S, ROWS, VECTORS>(simd),
    }
}

/// Does the work of a tile in a function of its own, so that its sums have the registers to themselves: in WebAssembly it would else be one function with
/// the work on tiles of all sizes.
#[cfg_attr(target_arch = "wasm32", inline(never))]
#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
pub fn apart<S: Simd, T: WithSimd>(simd: S, tile: T) -> T::Output {
    simd.vectorize(tile)
}

/// The most rows of a tile on this processor: as many as leave registers for what they are multiplied with.
pub fn most_rows<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { ROWS } else { ROWS / 2 }
}

/// The sums of a tile.
pub type Sums<S, const M: usize, const N: usize> = [[<S as Simd>::f32s; N]; M];

/// All sums zero.
#[inline(always)]
pub fn zero<S: Simd, const M: usize, const N: usize>(simd: S) -> Sums<S, M, N> {
    [[simd.splat_f32s(0.0); N]; M]
}

/// sums[r][v] += a(r) · b[v]
#[inline(always)]
pub fn step<S: Simd, const M: usize, const N: usize>(
    simd: S,
    sums: &mut Sums<S, M, N>,
    a: impl Fn(usize) -> f32,
    b: [S::f32s; N],
) {
    for r in 0..M {
        let x = simd.splat_f32s(a(r));
        for v in 0..N {
            sums[r][v] = simd.mul_add_e_f32s(x, b[v], sums[r][v]);
        }
    }
}

/// sums[r][v] += Σ over terms p of a(p, r) · b[p][v], where row p of B begins at `p * stride` and the next one is beyond its N vectors.
#[inline(always)]
pub fn steps<S: Simd, const M: usize, const N: usize>(
    simd: S,
    sums: &mut Sums<S, M, N>,
    terms: usize,
    a: impl Fn(usize, usize) -> f32,
    b: &[f32],
    stride: usize,
) {
    let Some(last) = terms.checked_sub(1) else { return };
    // Rows in the place of indices: nothing is left to check in each round.
    for (p, row) in b[..last * stride].chunks_exact(stride.max(1)).enumerate() {
        step(simd, sums, |r| a(p, r), vectors::<S, N>(row));
    }
    step(simd, sums, |r| a(last, r), vectors::<S, N>(&b[last * stride..]));
}

/// The first N vectors of a slice.
#[inline(always)]
pub fn vectors<S: Simd, const N: usize>(from: &[f32]) -> [S::f32s; N] {
    let (whole, _) = S::as_simd_f32s(&from[..N * S::F32_LANES]);
    from_fn(|v| whole[v])
}

/// Adds the sums to the output, or, where they are the first, overwrites it; rows and columns beyond the window are dropped.
#[inline(always)]
pub fn store<S: Simd, const M: usize, const N: usize>(simd: S, sums: &Sums<S, M, N>, first: bool, out: &mut Window<'_, '_>) {
    // A copy, element by element: an index that is no constant would put the sums themselves into memory, for all of the loop before.
    let mut tile = zero::<S, M, N>(simd);
    for r in 0..M {
        for v in 0..N {
            tile[r][v] = sums[r][v];
        }
    }
    for (r, sums) in tile.iter().enumerate().take(out.rows) {
        let (whole, rest) = S::as_mut_simd_f32s(out.row(r));
        if let Ok(whole) = <&mut [S::f32s; N]>::try_from(&mut *whole) {
            for v in 0..N {
                whole[v] = if first { sums[v] } else { simd.add_f32s(whole[v], sums[v]) };
            }
        } else {
            let last = whole.len();
            for (to, sum) in whole.iter_mut().zip(sums) {
                *to = if first { *sum } else { simd.add_f32s(*to, *sum) };
            }
            if let Some(&sum) = sums.get(last) {
                let sum = if first { sum } else { simd.add_f32s(simd.partial_load_f32s(rest), sum) };
                simd.partial_store_f32s(rest, sum);
            }
        }
    }
}

/// How a tile reads A.
#[derive(Clone, Copy)]
pub enum Left<'a, const M: usize> {
    /// Row by row: each row's terms are contiguous.
    Rows([&'a [f32]; M]),
    /// Term by term: the M rows of a term are contiguous, terms are so many elements apart.
    Terms(&'a [f32], usize),
}

/// A tile of a product of matrices.
pub struct Tile<'a, 'w, 'o, 'd, const M: usize, const N: usize> {
    pub left: Left<'a, M>,
    /// Row p of B begins at `p * stride`.
    pub right: &'a [f32],
    pub stride: usize,
    pub terms: usize,
    /// Whether these are the first terms of the sums.
    pub first: bool,
    pub out: &'w mut Window<'o, 'd>,
}

impl<const M: usize, const N: usize> WithSimd for Tile<'_, '_, '_, '_, M, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Tile { left, right, stride, terms, first, out } = self;
        let mut sums = zero::<S, M, N>(simd);
        match left {
            Left::Rows(rows) => {
                // A loop and not `map`, which hides from the compiler that all are as long as there are terms.
                let mut lines: [&[f32]; M] = [&[]; M];
                for r in 0..M {
                    lines[r] = &rows[r][..terms];
                }
                steps(simd, &mut sums, terms, |p, r| lines[r][p], right, stride);
            }
            Left::Terms(columns, apart) => {
                if let Some(last) = terms.checked_sub(1) {
                    let rows = right[..last * stride].chunks_exact(stride);
                    for (column, row) in columns[..last * apart].chunks_exact(apart).zip(rows) {
                        step(simd, &mut sums, |r| column[r], vectors::<S, N>(row));
                    }
                    let (column, row) = (&columns[last * apart..][..M], &right[last * stride..]);
                    step(simd, &mut sums, |r| column[r], vectors::<S, N>(row));
                }
            }
        }
        store(simd, &sums, first, out);
    }
}

/// Scalar products of one vector with rows that are contiguous: out[j] = x · rows[j].
pub struct Dots<'a> {
    pub x: &'a [f32],
    pub rows: &'a [f32],
    /// Elements from one row to the next.
    pub stride: usize,
    pub out: &'a mut [f32],
}

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Dots { x, rows, stride, out } = self;
        let mut at = 0;
        for group in out.chunks_mut(4) {
            if let [a, b, c, d] = group {
                let row = |r: usize| &rows[(at + r) * stride..];
                [*a, *b, *c, *d] = dots(simd, x, [row(0), row(1), row(2), row(3)]);
            } else {
                for (r, o) in group.iter_mut().enumerate() {
                    [*o] = dots(simd, x, [&rows[(at + r) * stride..]]);
                }
            }
            at += group.len();
        }
    }
}

#[inline(always)]
fn dots<S: Simd, const R: usize>(simd: S, x: &[f32], rows: [&[f32]; R]) -> [f32; R] {
    let (whole, rest) = S::as_simd_f32s(x);
    let mut heads: [&[S::f32s]; R] = [&[]; R];
    for r in 0..R {
        heads[r] = &S::as_simd_f32s(&rows[r][..x.len()]).0[..whole.len()];
    }
    // Two sums in turn, so that an addition does not wait for the one before it.
    let mut sums = [[simd.splat_f32s(0.0); 2]; R];
    let even = whole.len() / 2 * 2;
    let mut p = 0;
    while p < even {
        for r in 0..R {
            for half in 0..2 {
                sums[r][half] = simd.mul_add_e_f32s(whole[p + half], heads[r][p + half], sums[r][half]);
            }
        }
        p += 2;
    }
    if p < whole.len() {
        for r in 0..R {
            sums[r][0] = simd.mul_add_e_f32s(whole[p], heads[r][p], sums[r][0]);
        }
    }
    let mut found = [0.0; R];
    for r in 0..R {
        let tail = &rows[r][x.len() - rest.len()..x.len()];
        let last = simd.mul_add_e_f32s(simd.partial_load_f32s(rest), simd.partial_load_f32s(tail), sums[r][1]);
        found[r] = simd.reduce_sum_f32s(simd.add_f32s(sums[r][0], last));
    }
    found
}
