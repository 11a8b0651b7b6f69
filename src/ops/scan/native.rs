//! Native scans and recurrences: row by row along the axis.

use super::super::rows;
use crate::graph::op::{Io, Native};
use rayon::prelude::*;
use std::sync::Arc;

/// Elements from which several threads share the work. Not measured alone.
const MIN_PARALLEL: usize = 1 << 14;
/// Neighbouring sums of a row that are taken together, at most: they stay in a cache from row to row.
const MAX_STRETCH: usize = 256;

pub(super) fn scan(n: usize, inner: usize, reverse: bool) -> Native {
    Arc::new(move |io| scan_rows(io, n, inner, reverse))
}

pub(super) fn recurrence(n: usize, inner: usize, reverse: bool) -> Native {
    Arc::new(move |io| recur_rows(io, n, inner, reverse))
}

/// Row by row: each is the one before it (after it, in reverse) plus the input's. What rounding takes from a sum is added to the next.
fn scan_rows(io: &mut Io<'_>, n: usize, inner: usize, reverse: bool) {
    let read = io.read(0);
    let out = io.write(0);
    let block = n * inner;
    let ordered = |k: usize| if reverse { n - 1 - k } else { k };
    let scan = |(out, x): (&mut [f32], &[f32])| {
        if inner == 1 {
            let mut sum = 0.0;
            for k in (0..n).map(ordered) {
                sum += f64::from(x[k]);
                out[k] = sum as f32;
                // What has become infinite in f32 stays so.
                if out[k].is_infinite() {
                    sum = f64::from(out[k]);
                }
            }
            return;
        }
        for start in (0..inner).step_by(MAX_STRETCH) {
            let width = MAX_STRETCH.min(inner - start);
            let (mut sums, mut owed) = ([0.0; MAX_STRETCH], [0.0; MAX_STRETCH]);
            for k in (0..n).map(ordered) {
                let at = k * inner + start;
                rows::running(&mut sums[..width], &mut owed[..width], &x[at..][..width], &mut out[at..][..width]);
            }
        }
    };
    if out.len() < MIN_PARALLEL {
        out.chunks_exact_mut(block).zip(read.chunks_exact(block)).for_each(scan);
    } else {
        out.par_chunks_exact_mut(block).zip(read.par_chunks_exact(block)).for_each(scan);
    }
}

/// Row by row: each is the one before it (after it, in reverse) times the factors, plus the input's.
fn recur_rows(io: &mut Io<'_>, n: usize, inner: usize, reverse: bool) {
    let (x, factors) = (io.read(0), io.read(1));
    let out = io.write(0);
    let block = n * inner;
    let walk = |(out, (x, f)): (&mut [f32], (&[f32], &[f32]))| {
        let first = if reverse { block - inner } else { 0 };
        out[first..][..inner].copy_from_slice(&x[first..][..inner]);
        for k in 1..n {
            let (row, before) = if reverse { (n - 1 - k, n - k) } else { (k, k - 1) };
            for i in 0..inner {
                out[row * inner + i] = f[row * inner + i] * out[before * inner + i] + x[row * inner + i];
            }
        }
    };
    if out.len() < MIN_PARALLEL {
        out.chunks_exact_mut(block).zip(x.chunks_exact(block).zip(factors.chunks_exact(block))).for_each(walk);
    } else {
        out.par_chunks_exact_mut(block).zip(x.par_chunks_exact(block).zip(factors.par_chunks_exact(block))).for_each(walk);
    }
}
