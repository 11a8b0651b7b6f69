//! Copies blocks of operands into the order the inner kernels read them in.

use super::kernel::TURNED as BLOCK;
use pulp::{Simd, WithSimd};
use std::array::from_fn;

/// A panel of B: to[p · width + j] = from[p · strides[0] + j · strides[1]] for `count` columns j and `terms` rows p, 0 in columns beyond.
pub struct Panel<'a> {
    pub from: &'a [f32],
    pub strides: [usize; 2],
    pub terms: usize,
    pub count: usize,
    pub width: usize,
    pub to: &'a mut [f32],
}

impl WithSimd for Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Panel { from, strides: [down, across], terms, count, width, to } = self;
        let to = &mut to[..terms * width];
        if across == 1 && count == width && width % S::F32_LANES == 0 {
            // Whole vectors, the usual numbers of them as constants.
            return match width / S::F32_LANES {
                1 => copy::<S, 1>(from, down, to),
                2 => copy::<S, 2>(from, down, to),
                3 => copy::<S, 3>(from, down, to),
                _ => to.chunks_exact_mut(width).enumerate().for_each(|(p, row)| row.copy_from_slice(&from[p * down..][..width])),
            };
        }
        if across == 1 {
            for (p, row) in to.chunks_exact_mut(width).enumerate() {
                let from = &from[p * down..][..count];
                let (head, tail) = S::as_mut_simd_f32s(row);
                let (whole, rest) = S::as_simd_f32s(from);
                let ends = head.len() + usize::from(!tail.is_empty());
                for v in 0..ends {
                    let value = match whole.get(v) {
                        Some(&x) => x,
                        None if v == whole.len() => simd.partial_load_f32s(rest),
                        None => simd.splat_f32s(0.0),
                    };
                    match head.get_mut(v) {
                        Some(to) => *to = value,
                        None => simd.partial_store_f32s(tail, value),
                    }
                }
            }
            return;
        }
        for start in (0..width).step_by(BLOCK) {
            let columns = BLOCK.min(width - start);
            let real = count.saturating_sub(start).min(columns);
            let mut done = 0;
            if real == BLOCK && down == 1 {
                while done + BLOCK <= terms {
                    let row = |j: usize| &from[(start + j) * across + done..][..BLOCK];
                    turn(simd, row, &mut to[done * width + start..], width);
                    done += BLOCK;
                }
            }
            for (p, row) in to.chunks_exact_mut(width).enumerate().skip(done) {
                let row = &mut row[start..start + columns];
                for (j, o) in row.iter_mut().enumerate() {
                    *o = if j < real { from[p * down + (start + j) * across] } else { 0.0 };
                }
            }
        }
    }
}

/// Rows of N vectors each, `stride` apart, laid out contiguously.
#[inline(always)]
fn copy<S: Simd, const N: usize>(from: &[f32], stride: usize, to: &mut [f32]) {
    for (p, row) in to.chunks_exact_mut(N * S::F32_LANES).enumerate() {
        let (row, _) = S::as_mut_simd_f32s(row);
        let from = super::kernel::vectors::<S, N>(&from[p * stride..]);
        row[..N].copy_from_slice(&from);
    }
}

/// to[p · width + j] = row(j)[p] for a block.
#[inline(always)]
fn turn<'a, S: Simd>(simd: S, row: impl Fn(usize) -> &'a [f32], to: &mut [f32], width: usize) {
    #[cfg(target_arch = "x86_64")]
    if S::F32_LANES == BLOCK
        && let Some(simd) = pulp::x86::V4::try_new()
    {
        return turn_in_registers(simd, row, to, width);
    }
    let _ = simd;
    // Four by four, which a compiler does in vectors.
    for j in (0..BLOCK).step_by(4) {
        let rows: [&[f32]; 4] = from_fn(|r| &row(j + r)[..BLOCK]);
        for p in (0..BLOCK).step_by(4) {
            let block: [[f32; 4]; 4] = from_fn(|r| from_fn(|c| rows[r][p + c]));
            for c in 0..4 {
                to[(p + c) * width + j..][..4].copy_from_slice(&[block[0][c], block[1][c], block[2][c], block[3][c]]);
            }
        }
    }
}

/// The same by shuffles: pairs of rows, then of pairs, then of quarters of the registers.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn turn_in_registers<'a>(simd: pulp::x86::V4, row: impl Fn(usize) -> &'a [f32], to: &mut [f32], width: usize) {
    use pulp::{bytemuck::cast, f32x16};
    let f = simd.avx512f;
    let zero = f._mm512_setzero_ps();
    let (mut a, mut b) = ([zero; BLOCK], [zero; BLOCK]);
    for (j, a) in a.iter_mut().enumerate() {
        *a = cast::<f32x16, _>(<pulp::x86::V4 as Simd>::as_simd_f32s(row(j)).0[0]);
    }
    for j in 0..8 {
        b[2 * j] = f._mm512_unpacklo_ps(a[2 * j], a[2 * j + 1]);
        b[2 * j + 1] = f._mm512_unpackhi_ps(a[2 * j], a[2 * j + 1]);
    }
    // Now a[4 g + q] holds, in each quarter Q of the register, column 4 Q + q of the rows 4 g to 4 g + 3.
    for g in 0..4 {
        for h in 0..2 {
            let (x, y) = (f._mm512_castps_pd(b[4 * g + h]), f._mm512_castps_pd(b[4 * g + h + 2]));
            a[4 * g + 2 * h] = f._mm512_castpd_ps(f._mm512_unpacklo_pd(x, y));
            a[4 * g + 2 * h + 1] = f._mm512_castpd_ps(f._mm512_unpackhi_pd(x, y));
        }
    }
    for q in 0..4 {
        let low = f._mm512_shuffle_f32x4::<0b10_00_10_00>(a[q], a[4 + q]);
        let high = f._mm512_shuffle_f32x4::<0b11_01_11_01>(a[q], a[4 + q]);
        let low_2 = f._mm512_shuffle_f32x4::<0b10_00_10_00>(a[8 + q], a[12 + q]);
        let high_2 = f._mm512_shuffle_f32x4::<0b11_01_11_01>(a[8 + q], a[12 + q]);
        b[q] = f._mm512_shuffle_f32x4::<0b10_00_10_00>(low, low_2);
        b[8 + q] = f._mm512_shuffle_f32x4::<0b11_01_11_01>(low, low_2);
        b[4 + q] = f._mm512_shuffle_f32x4::<0b10_00_10_00>(high, high_2);
        b[12 + q] = f._mm512_shuffle_f32x4::<0b11_01_11_01>(high, high_2);
    }
    for p in 0..BLOCK {
        let line: f32x16 = cast(b[p]);
        <pulp::x86::V4 as Simd>::as_mut_simd_f32s(&mut to[p * width..][..BLOCK]).0[0] = line;
    }
}

/// Rows of A laid out contiguously: to[r · terms + p] = from[r · stride + p].
pub fn rows(from: &[f32], stride: usize, terms: usize, to: &mut [f32]) {
    for (r, row) in to.chunks_exact_mut(terms).enumerate() {
        row.copy_from_slice(&from[r * stride..][..terms]);
    }
}

/// Columns of A, M to a panel, laid out contiguously: to[p · M + r] = from[p · stride + r].
pub fn terms<const M: usize>(from: &[f32], stride: usize, to: &mut [f32]) {
    for (p, row) in to.chunks_exact_mut(M).enumerate() {
        row.copy_from_slice(&from[p * stride..][..M]);
    }
}
