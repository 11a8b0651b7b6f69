//! Native reductions. Sums are taken in f64; see [`rows::sum`].

use super::super::rows;
use super::Kind;
use super::variants::{Part, Step, WORDS_OF_TOTAL};
use crate::graph::op::{Io, Native};
use rayon::prelude::*;
use std::sync::Arc;

/// Members below which one thread is faster than several; four times as many where they are taken as vectors, at which columns of 512 × 128 take
/// 4.6 µs instead of 37.
const MIN_PARALLEL: usize = 1 << 15;
/// Neighbouring outputs of a stretch, at most.
const MAX_STRETCH: usize = 1024;
/// Rows added to a stretch at once.
const ROWS_AT_ONCE: usize = 4;

/// A step and what its views say of the way its members lie.
pub(super) struct Work {
    step: Step,
    chunks: usize,
    /// All members of a group are contiguous.
    contiguous: bool,
    /// Members that are contiguous in runs of so many; 0 if they are not.
    runs: usize,
    /// So many neighbouring outputs have contiguous members: whole rows are taken. 0 if they have not.
    neighbours: usize,
}

impl Work {
    pub(super) fn new(step: Step) -> Work {
        let reduced = &step.reduced;
        let chunks = step.chunks();
        let contiguous = reduced.dims.is_empty() || (reduced.dims.len() == 1 && reduced.dims[0].stride == 1);
        let vectors = (step.kind.adds() || matches!(step.kind, Kind::Max | Kind::Min)) && step.part != Part::Second;
        let runs = match reduced.dims.last() {
            Some(dim) if vectors && dim.stride == 1 && dim.size >= 16 => dim.size,
            _ => 0,
        };
        let neighbours = match step.kept.dims.last() {
            Some(dim) if vectors && dim.stride == 1 && dim.size >= 8 && !contiguous && step.group > 0 => dim.size,
            _ => 0,
        };
        Work { chunks, contiguous: contiguous && vectors, runs, neighbours, step }
    }

    pub(super) fn native(self) -> Native {
        Arc::new(move |io| self.run(io))
    }

    /// The second stage of argmax and argmin.
    pub(super) fn best(self) -> Native {
        Arc::new(move |io| {
            let (read, places) = (io.read(0), io.reads[1]);
            let value = |o: usize, place: u32| {
                let mut at = 0;
                self.step.reduced.positions(place as usize, 1, |p| at = p);
                read[self.start_of(o) + at]
            };
            for (o, (out, places)) in io.writes[0].iter_mut().zip(places.chunks_exact(self.chunks)).enumerate() {
                let better =
                    |best: u32, &next: &u32| if self.step.kind.beats(value(o, next), value(o, best)) { next } else { best };
                *out = places.iter().skip(1).fold(places[0], better);
            }
        })
    }

    /// Where the members of a group begin.
    fn start_of(&self, group: usize) -> usize {
        let mut base = 0;
        self.step.kept.positions(group, 1, |p| base = p);
        base
    }

    /// Words that an output takes.
    fn words(&self) -> usize {
        if self.step.part == Part::First { WORDS_OF_TOTAL } else { 1 }
    }

    /// Which members an output is made of: the first and how many.
    fn members(&self, o: usize) -> (usize, usize) {
        let start = o % self.chunks * self.step.span;
        (start, self.step.span.min(self.step.group - start.min(self.step.group)))
    }

    fn run(&self, io: &mut Io<'_>) {
        let read = io.read(0);
        let out = &mut *io.writes[0];
        let (words, length) = (self.words(), self.step.group.min(self.step.span));
        // Vectors are several times as fast.
        let fast = self.contiguous || self.runs > 0 || self.neighbours > 0;
        let alone = out.len() / words * length < if fast { 4 * MIN_PARALLEL } else { MIN_PARALLEL };
        if self.neighbours > 0 {
            return self.stretches(read, out, alone);
        }
        let one = |(o, out): (usize, &mut [u32])| {
            if self.step.kind.adds() { self.leave(self.sum(read, o), out) } else { out[0] = self.extreme(read, o) }
        };
        if alone {
            out.chunks_exact_mut(words).enumerate().for_each(one);
        } else {
            // Several short groups to a thread at a time.
            let several = (MIN_PARALLEL / 8 / length.max(1)).max(1);
            out.par_chunks_exact_mut(words).with_min_len(several).enumerate().for_each(one);
        }
    }

    /// Stores a sum as this part of the reduction leaves it.
    fn leave(&self, sum: f64, out: &mut [u32]) {
        let value = if self.step.kind == Kind::Mean { sum / self.step.count as f64 } else { sum };
        if self.step.part == Part::First {
            out[..2].copy_from_slice(&[sum.to_bits() as u32, (sum.to_bits() >> 32) as u32]);
            out[2..].fill(0);
        } else {
            out[0] = (value as f32).to_bits();
        }
    }

    /// The sum of the members of output `o`.
    fn sum(&self, read: &[f32], o: usize) -> f64 {
        let base = self.start_of(o / self.chunks);
        let (start, count) = self.members(o);
        let mut sum = 0.0;
        // Of no elements there is nowhere to read: the buffer may end before `base`.
        if count == 0 {
        } else if self.step.part == Part::Second {
            self.step.reduced.positions(start, count, |p| {
                let at = WORDS_OF_TOTAL * (base + p);
                sum += f64::from_bits(u64::from(read[at].to_bits()) | u64::from(read[at + 1].to_bits()) << 32);
            });
        } else if self.contiguous {
            sum = rows::sum(&read[base + start..][..count]);
        } else if self.runs > 0 {
            self.each_run(start, count, |first, length| sum += rows::sum(&read[base + first..][..length]));
        } else {
            self.step.reduced.positions(start, count, |p| sum += f64::from(read[base + p]));
        }
        sum
    }

    /// Run by run along the innermost axis: where each begins and how long it is.
    fn each_run(&self, start: usize, count: usize, mut visit: impl FnMut(usize, usize)) {
        let mut at = start;
        while at < start + count {
            let length = (self.runs - at % self.runs).min(start + count - at);
            let mut first = 0;
            self.step.reduced.positions(at, 1, |p| first = p);
            visit(first, length);
            at += length;
        }
    }

    /// The product or the extreme of the members of output `o`, or where that is, as a word.
    fn extreme(&self, read: &[f32], o: usize) -> u32 {
        let base = self.start_of(o / self.chunks);
        let (start, count) = self.members(o);
        let kind = self.step.kind;
        let sign = if kind == Kind::Max { 1.0 } else { -1.0 };
        if self.contiguous && count > 0 {
            return rows::extreme(&read[base + start..][..count], sign).to_bits();
        }
        let mut found: Option<f32> = None;
        if self.runs > 0 && count > 0 {
            self.each_run(start, count, |first, length| {
                let next = rows::extreme(&read[base + first..][..length], sign);
                found = Some(found.map_or(next, |best| if kind.beats(next, best) { next } else { best }));
            });
            return found.unwrap_or(0.0).to_bits();
        }
        let mut at = start as u32;
        let (mut value, mut best) = (if kind == Kind::Prod { 1.0f32 } else { 0.0 }, at);
        self.step.reduced.positions(start, count, |p| {
            let x = read[base + p];
            if kind == Kind::Prod {
                value *= x;
            } else if at as usize == start || kind.beats(x, value) {
                (value, best) = (x, at);
            }
            at += 1;
        });
        if kind.is_arg() { best } else { value.to_bits() }
    }

    /// Whole rows of members for stretches of neighbouring outputs, none longer than a row, and enough of them for every thread.
    fn stretches(&self, read: &[f32], out: &mut [u32], alone: bool) {
        let (neighbours, each) = (self.neighbours, self.chunks * self.words());
        let outputs = out.len() / each;
        let enough = if alone { neighbours } else { (outputs / rayon::current_num_threads()).next_multiple_of(16) };
        let length = neighbours.min(MAX_STRETCH).min(enough.max(16));
        let work = |(first, out): (usize, &mut [u32])| {
            let (read, width, words) = (&read[self.start_of(first)..], out.len() / each, self.words());
            if self.step.kind.adds() && each == 1 {
                return self.sums_of_rows(read, bytemuck::cast_slice_mut(out));
            }
            for chunk in 0..self.chunks {
                let slots = out.chunks_exact_mut(words).skip(chunk).step_by(self.chunks);
                if self.step.kind.adds() {
                    let mut sums = [0.0; MAX_STRETCH];
                    self.add_rows(read, chunk, &mut sums[..width]);
                    slots.zip(sums).for_each(|(slot, sum)| self.leave(sum, slot));
                } else {
                    let mut found = [0.0; MAX_STRETCH];
                    self.extremes_of_rows(read, chunk, &mut found[..width]);
                    slots.zip(found).for_each(|(slot, value)| slot[0] = value.to_bits());
                }
            }
        };
        let rows = |(row, out): (usize, &mut [u32])| {
            let stretch = |(i, out): (usize, &mut [u32])| work((row * neighbours + i * length, out));
            if alone || length == neighbours {
                out.chunks_mut(length * each).enumerate().for_each(stretch);
            } else {
                out.par_chunks_mut(length * each).enumerate().for_each(stretch);
            }
        };
        if alone {
            out.chunks_exact_mut(neighbours * each).enumerate().for_each(rows);
        } else {
            out.par_chunks_exact_mut(neighbours * each).enumerate().for_each(rows);
        }
    }

    /// The sums or means of whole groups that lie side by side.
    fn sums_of_rows(&self, read: &[f32], out: &mut [f32]) {
        let mut sums = [0.0; MAX_STRETCH];
        let sums = &mut sums[..out.len()];
        self.add_rows(read, 0, sums);
        match self.step.kind {
            Kind::Mean => rows::quotients(sums, self.step.count as f64, out),
            _ => {
                rows::rounded(sums, out);
            }
        }
    }

    /// Adds the rows of a span to sums that are 0.
    fn add_rows(&self, read: &[f32], chunk: usize, sums: &mut [f64]) {
        self.add_rows_by(read, chunk, sums, true);
        let mut finite = true;
        for some in sums.chunks(64) {
            finite &= rows::rounded(some, &mut [0.0; 64]);
        }
        if !finite {
            // Four may be too large for f32.
            sums.fill(0.0);
            self.add_rows_by(read, chunk, sums, false);
        }
    }

    /// The same, with `several` some rows at once: most of the time goes into reading and storing the sums.
    fn add_rows_by(&self, read: &[f32], chunk: usize, sums: &mut [f64], several: bool) {
        let (start, count) = self.members(chunk);
        let width = sums.len();
        let (mut held, mut waiting) = ([&read[..0]; ROWS_AT_ONCE], 0);
        self.step.reduced.positions(start, count, |p| {
            let row = &read[p..][..width];
            if !several {
                return rows::add(sums, row);
            }
            held[waiting] = row;
            waiting += 1;
            if waiting == ROWS_AT_ONCE {
                rows::add_rows(sums, held);
                waiting = 0;
            }
        });
        held[..waiting].iter().for_each(|row| rows::add(sums, row));
    }

    fn extremes_of_rows(&self, read: &[f32], chunk: usize, found: &mut [f32]) {
        let (start, count) = self.members(chunk);
        let sign = if self.step.kind == Kind::Max { 1.0 } else { -1.0 };
        let mut first = true;
        self.step.reduced.positions(start, count, |p| {
            let row = &read[p..][..found.len()];
            if std::mem::take(&mut first) {
                found.copy_from_slice(row);
            } else {
                rows::extremes(found, row, sign);
            }
        });
    }
}
