//! Native softmax and cross-entropy: the loops are in `rows`.

use super::super::{math, rows as sums};
use super::rows;
use crate::graph::op::Native;
use rayon::prelude::*;
use std::sync::Arc;

/// Numbers that a thread takes at a time; where there are fewer than two such shares, one thread is faster than several.
const NUMBERS_PER_THREAD: usize = 1 << 13;

/// Short rows worked on at a time: the exponentials of all are one loop. Of 512 rows of 10 it took the loss from 30.8 to 6.0 µs.
const SHORT_ROWS_AT_ONCE: usize = 64;

pub(super) fn softmax(n: usize, inner: usize, log: bool) -> Native {
    Arc::new(move |io| {
        let read = io.read(0);
        let block = (n * inner).max(1);
        let each = |(o, out): (usize, &mut [f32])| {
            let x = &read[o * block..(o + 1) * block];
            // A line whose largest is not finite has a sum that is NaN, and becomes NaN, as NumPy's ∞ − ∞.
            if inner != 1 {
                rows::softmax_columns(x, inner, log, out);
            } else if log {
                let (max, sum) = rows::exp_sum(x);
                rows::shifted(x, max, math::ln(sum), out);
            } else {
                let sum = rows::exponentials(x, out);
                rows::scale(out, 1.0 / sum);
            }
        };
        let out = io.write(0);
        if out.len() < 2 * NUMBERS_PER_THREAD {
            out.chunks_mut(block).enumerate().for_each(each);
        } else {
            out.par_chunks_mut(block).with_min_len(NUMBERS_PER_THREAD.div_ceil(block)).enumerate().for_each(each);
        }
    })
}

/// The label of a row if it is one of the classes.
fn label(word: u32, classes: usize) -> Option<usize> {
    Some(word as usize).filter(|&l| l < classes)
}

/// The loss of a row, of which the largest and the sum of exponentials are known.
fn loss(x: &[f32], labels: &[u32], soft: bool, (max, sum): (f32, f32)) -> f32 {
    let log = math::ln(sum);
    if soft {
        let t: &[f32] = bytemuck::cast_slice(labels);
        // A class of probability 0 does not count, even if its logit is −∞.
        let terms = x.iter().zip(t).map(|(x, &t)| if t == 0.0 { 0.0 * log } else { t * ((max - x) + log) });
        return terms.map(f64::from).sum::<f64>() as f32;
    }
    label(labels[0], x.len()).map_or(f32::NAN, |l| (max - x[l]) + log)
}

pub(super) fn cross_entropy(count: usize, classes: usize, soft: bool) -> Native {
    Arc::new(move |io| {
        let (logits, labels, room) = (io.read(0), io.reads[1], io.room);
        let width = if soft { classes } else { 1 };
        let row = |r: usize| (&logits[r * classes..(r + 1) * classes], &labels[r * width..(r + 1) * width]);
        let some = |(i, out): (usize, &mut [f32])| {
            let first = i * SHORT_ROWS_AT_ONCE;
            if classes >= sums::LANES {
                for (r, out) in out.iter_mut().enumerate() {
                    let (x, labels) = row(first + r);
                    *out = loss(x, labels, soft, rows::exp_sum(x));
                }
                return;
            }
            let mut found = [(0.0, 0.0); SHORT_ROWS_AT_ONCE];
            let found = &mut found[..out.len()];
            let x = &logits[first * classes..][..out.len() * classes];
            room.with(x.len(), |memory| rows::exponentials_of_short(x, classes, memory, found));
            for ((r, out), &found) in out.iter_mut().enumerate().zip(&*found) {
                let (x, labels) = row(first + r);
                *out = loss(x, labels, soft, found);
            }
        };
        if count * classes < 2 * NUMBERS_PER_THREAD {
            io.write(0).chunks_mut(SHORT_ROWS_AT_ONCE).enumerate().for_each(some);
        } else {
            let least = NUMBERS_PER_THREAD.div_ceil(SHORT_ROWS_AT_ONCE * classes);
            io.write(0).par_chunks_mut(SHORT_ROWS_AT_ONCE).with_min_len(least).enumerate().for_each(some);
        }
    })
}

/// A row's gradient, where its exponentials are there and their sum.
fn slopes(labels: &[u32], soft: bool, out: &mut [f32], sum: f32) {
    if soft {
        let t: &[f32] = bytemuck::cast_slice(labels);
        return rows::minus_target(out, sums::sum(t) as f32 / sum, t);
    }
    match label(labels[0], out.len()) {
        Some(label) => {
            let target = out[label];
            rows::scale(out, 1.0 / sum);
            out[label] = target / sum - 1.0;
        }
        None => out.fill(f32::NAN),
    }
}

pub(super) fn cross_entropy_grad(count: usize, classes: usize, soft: bool) -> Native {
    Arc::new(move |io| {
        let (logits, labels) = (io.read(0), io.reads[1]);
        let width = if soft { classes } else { 1 };
        let finish = io.finish.take();
        // Some rows, finished while they are in a cache.
        let block = NUMBERS_PER_THREAD.div_ceil(classes.max(1));
        let some = |(i, words): (usize, &mut [u32])| {
            let out: &mut [f32] = bytemuck::cast_slice_mut(words);
            let labels = |r: usize| &labels[r * width..(r + 1) * width];
            let x = &logits[i * block * classes..][..out.len()];
            if classes >= sums::LANES {
                for (r, (x, out)) in x.chunks_exact(classes).zip(out.chunks_exact_mut(classes)).enumerate() {
                    let sum = rows::exponentials(x, out);
                    slopes(labels(i * block + r), soft, out, sum);
                }
            } else {
                let short = SHORT_ROWS_AT_ONCE * classes;
                for (j, (x, out)) in x.chunks(short).zip(out.chunks_mut(short)).enumerate() {
                    let mut found = [(0.0, 0.0); SHORT_ROWS_AT_ONCE];
                    let found = &mut found[..x.len() / classes];
                    rows::exponentials_of_short(x, classes, out, found);
                    for (r, (out, found)) in out.chunks_exact_mut(classes).zip(found).enumerate() {
                        slopes(labels(i * block + j * SHORT_ROWS_AT_ONCE + r), soft, out, found.1);
                    }
                }
            }
            if let Some(finish) = finish {
                finish(i * block * classes, words);
            }
        };
        let size = (block * classes).max(1);
        if count * classes < 2 * NUMBERS_PER_THREAD {
            io.writes[0].chunks_mut(size).enumerate().for_each(some);
        } else {
            io.writes[0].par_chunks_mut(size).enumerate().for_each(some);
        }
    })
}
