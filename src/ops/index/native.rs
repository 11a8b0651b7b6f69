//! Native kernels of indexing.

use super::super::{f16, rows};
use super::{Gather, MAX_PLAIN_TERMS, ScatterAdd, Sizes};
use crate::graph::half;
use crate::graph::op::{DType, Io};
use rayon::prelude::*;

/// Words below which threads cost more than they save.
const MIN_PARALLEL_WORDS: usize = 1 << 14;

/// Splits the words of an output into runs of whole rows, on all cores where that pays; `fill` gets the number of its first row.
pub(super) fn by_rows<T: Send>(out: &mut [T], row: usize, fill: impl Fn(usize, &mut [T]) + Sync) {
    if out.len() < MIN_PARALLEL_WORDS {
        return fill(0, out);
    }
    let per = (MIN_PARALLEL_WORDS / 2).div_ceil(row.max(1));
    out.par_chunks_mut(per * row.max(1)).enumerate().for_each(|(i, part)| fill(i * per, part));
}

/// Splits an output into its blocks along the first axes, on all cores where that pays; `fill` gets the number of a block.
pub(super) fn by_blocks<T: Send>(out: &mut [T], block: usize, fill: impl Fn(usize, &mut [T]) + Sync) {
    if out.len() < MIN_PARALLEL_WORDS {
        out.chunks_exact_mut(block.max(1)).enumerate().for_each(|(o, part)| fill(o, part));
    } else {
        out.par_chunks_exact_mut(block.max(1)).enumerate().for_each(|(o, part)| fill(o, part));
    }
}

impl Gather {
    /// Of any type of words.
    pub(super) fn native(&self, io: &mut Io<'_>, sizes: Sizes, outside: u32) {
        let (x, index, rows) = (io.reads[0], io.reads[1], self.rows);
        let Sizes { n, m, inner } = sizes;
        by_rows(&mut *io.writes[0], inner, |first, out| {
            for (r, row) in out.chunks_exact_mut(inner).enumerate() {
                let r = first + r;
                let block = &x[r / m * n * inner..][..n * inner];
                if rows {
                    match index[r % m] as usize {
                        k if k < n => row.copy_from_slice(&block[k * inner..][..inner]),
                        _ => row.fill(outside),
                    }
                } else {
                    for (c, (o, &k)) in row.iter_mut().zip(&index[r * inner..]).enumerate() {
                        *o = if (k as usize) < n { block[k as usize * inner + c] } else { outside };
                    }
                }
            }
        });
    }

    /// Of f16, to f32.
    pub(super) fn native_f16(&self, io: &mut Io<'_>, sizes: Sizes) {
        let (x, index, rows) = (io.reads[0], io.reads[1], self.rows);
        let Sizes { n, m, inner } = sizes;
        let outside = f32::from_bits(self.outside(DType::F32));
        by_rows(io.write(0), inner, |first, out| {
            for (r, row) in out.chunks_exact_mut(inner).enumerate() {
                let r = first + r;
                let block = r / m * n * inner;
                if rows {
                    match index[r % m] as usize {
                        k if k < n => f16::unpack_from(x, block + k * inner, row),
                        _ => row.fill(outside),
                    }
                } else {
                    for (c, (o, &k)) in row.iter_mut().zip(&index[r * inner..]).enumerate() {
                        let k = k as usize;
                        *o = if k < n { half::at(x, block + k * inner + c) } else { outside };
                    }
                }
            }
        });
    }
}

impl ScatterAdd {
    /// Hands every row of block `o` that belongs to the rows from `first` on in `out` to `add`, in order, with where it is added.
    fn entries(
        &self,
        Sizes { n, m, inner }: Sizes,
        (g, index): (&[f32], &[u32]),
        (o, first): (usize, usize),
        out: &mut [f32],
        mut add: impl FnMut(&mut [f32], usize, &[f32]),
    ) {
        let count = out.len() / inner;
        for (j, row) in g[o * m * inner..][..m * inner].chunks_exact(inner).enumerate() {
            if self.rows {
                let k = (index[j] as usize).wrapping_sub(first);
                if k < count {
                    add(out, k * inner, row);
                }
            } else {
                for (c, (x, &k)) in row.iter().zip(&index[(o * m + j) * inner..]).enumerate() {
                    if (k as usize) < n {
                        add(out, k as usize * inner + c, std::slice::from_ref(x));
                    }
                }
            }
        }
    }

    /// All blocks, on all cores where that pays.
    pub(super) fn native(&self, io: &mut Io<'_>, sizes: Sizes) {
        let (g, index, rows, room) = (io.read(0), io.reads[1], self.rows, io.room);
        let Sizes { n, m, inner } = sizes;
        let add = |o: usize, first: usize, out: &mut [f32]| {
            out.fill(0.0);
            if m <= MAX_PLAIN_TERMS {
                let plain =
                    |out: &mut [f32], at: usize, row: &[f32]| out[at..].iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
                return self.entries(sizes, (g, index), (o, first), out, plain);
            }
            // What rounding takes from the sums is kept beside them.
            room.with(out.len(), |lost| {
                lost.fill(0.0);
                self.entries(sizes, (g, index), (o, first), out, |out, at, row| {
                    rows::add_exactly(&mut out[at..][..row.len()], &mut lost[at..][..row.len()], row);
                });
                // Of an infinite sum that is no number.
                out.iter_mut().zip(&*lost).filter(|(sum, _)| sum.is_finite()).for_each(|(sum, lost)| *sum += lost);
            });
        };
        let threads = rayon::current_num_threads();
        let out = io.write(0);
        let (block, outer) = (n * inner, out.len() / (n * inner));
        if g.len() + out.len() < MIN_PARALLEL_WORDS {
            out.chunks_exact_mut(block).enumerate().for_each(|(o, part)| add(o, 0, part));
        } else if !rows || outer >= threads || inner < 8 {
            out.par_chunks_exact_mut(block).enumerate().for_each(|(o, part)| add(o, 0, part));
        } else {
            // Every thread walks the whole index and adds what falls into its own rows: no two write one row, and the order stays.
            let per = n.div_ceil(threads.div_ceil(outer));
            out.par_chunks_exact_mut(block).enumerate().for_each(|(o, part)| {
                part.par_chunks_mut(per * inner).enumerate().for_each(|(p, part)| add(o, p * per, part));
            });
        }
    }
}
