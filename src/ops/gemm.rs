//! Matrix products on the processor: out = A B, blocked for the caches, with a tile of the output in registers.
//!
//! The output is divided among threads, never the terms of a sum, and terms are taken in blocks whose ends depend on their number only:
//! every element is summed in one order, whatever the number of threads.

pub mod kernel;
pub mod pack;

use crate::graph::op::Workspace;
use kernel::{Dots, Left, ROWS, SizedTile, Tile, VECTORS};
use ndarray::{ArrayViewMut2, Axis};
use pack::Panel;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::array::from_fn;

/// Multiplications below which one thread is faster than several.
const ONE_THREAD_BELOW: usize = 1 << 20;
/// Multiplications below which nothing but the plain formula pays.
const PLAIN_FORMULA_BELOW: usize = 128;
/// Numbers of a row-major B that are read where they are.
const UNPACKED_B: usize = 1 << 16;
/// Terms in a block: a panel of B that deep is read from the second-level cache. Fewer, and the output is read and stored more often.
const DEPTH: usize = 800;
/// Rows of A in a block, which stays in the second-level cache.
const HEIGHT: usize = 128;
/// Columns of B packed at a time.
const WIDTH: usize = 1536;
/// Multiplications for one thread above which what is packed twice does not count.
const PACKED_TWICE_ABOVE: usize = 1 << 30;

/// What happens to a finished stretch of the output, as long as it can be: the number of its first element, its numbers.
pub type Epilogue<'a> = &'a (dyn Fn(usize, &mut [f32]) + Sync);

/// A matrix in a buffer: element (i, j) is at `i * strides[0] + j * strides[1]`. One of the strides is 1.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    /// The buffer from the first element on.
    pub data: &'a [f32],
    /// Elements from one row and from one column to the next.
    pub strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    fn from(&self, row: usize, column: usize) -> &'a [f32] {
        &self.data[row * self.strides[0] + column * self.strides[1]..]
    }

    fn at(&self, row: usize, column: usize) -> f32 {
        self.data[row * self.strides[0] + column * self.strides[1]]
    }

    fn turned(self) -> Matrix<'a> {
        Matrix { strides: [self.strides[1], self.strides[0]], ..self }
    }
}

/// The part of the output a kernel writes: at most as large as a tile.
pub struct Window<'o, 'd> {
    /// One thread's part of the output.
    pub out: &'o mut ArrayViewMut2<'d, f32>,
    /// First row and column in it.
    pub at: [usize; 2],
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
}

impl Window<'_, '_> {
    /// A row of it.
    #[inline(always)]
    pub fn row(&mut self, r: usize) -> &mut [f32] {
        let row = self.out.index_axis_mut(Axis(0), self.at[0] + r);
        // Rows are contiguous: an output is row-major.
        &mut row.into_slice().unwrap_or(&mut [])[self.at[1]..][..self.columns]
    }
}

/// out = A B, row-major; A is m × k, B is k × n. Uses all threads if there is work for them and `parallel`.
///
/// `epilogue` is applied to every part of the output by the thread that has just finished it.
pub fn multiply(
    a: Matrix<'_>,
    b: Matrix<'_>,
    k: usize,
    out: ArrayViewMut2<'_, f32>,
    room: &Workspace<'_>,
    parallel: bool,
    epilogue: Option<Epilogue<'_>>,
) {
    let (m, n) = out.dim();
    if m == 0 || n == 0 {
        return;
    }
    if n == 1 && m > 1 {
        // A column: the product of the transposes, whose output is stored the same way.
        let mut out = out.reversed_axes();
        multiply(b.turned(), a.turned(), k, out.view_mut(), room, parallel, None);
        let column = out.index_axis_mut(Axis(0), 0).into_slice().unwrap_or(&mut []);
        if let Some(epilogue) = epilogue {
            epilogue(0, column);
        }
        return;
    }
    let job = Job { a, b, k, n, one_row: m == 1, room, epilogue };
    let work = m.saturating_mul(n).saturating_mul(k);
    let threads = if parallel && work > ONE_THREAD_BELOW { rayon::current_num_threads() } else { 1 };
    if threads < 2 {
        return job.block(out, [0, 0], work <= PLAIN_FORMULA_BELOW);
    }
    let [down, across] = divide(m, n, k, threads);
    let mut tasks = Vec::with_capacity(down * across);
    let (height, width) = (m.div_ceil(down).next_multiple_of(ROWS), n.div_ceil(across).next_multiple_of(16));
    let mut rest = out;
    for top in (0..m).step_by(height) {
        let (mut strip, below) = rest.split_at(Axis(0), height.min(m - top));
        rest = below;
        for left in (0..n).step_by(width) {
            let (block, beside) = strip.split_at(Axis(1), width.min(n - left));
            strip = beside;
            tasks.push((block, [top, left]));
        }
    }
    tasks.into_par_iter().with_max_len(1).for_each(|(block, origin)| job.block(block, origin, false));
}

/// Into how many parts rows and columns are divided: so that the largest part is small and little is packed twice.
fn divide(m: usize, n: usize, k: usize, threads: usize) -> [usize; 2] {
    // Some more parts than threads where there is very much to do: a thread that is held up then holds up less.
    let parts = if m * n * k / threads >= PACKED_TWICE_ABOVE { 4 * threads } else { threads };
    let cost = |[down, across]: [usize; 2]| {
        let (height, width) = (m.div_ceil(down).next_multiple_of(ROWS), n.div_ceil(across).next_multiple_of(16));
        // Multiplications, and what packing costs in their measure.
        (height * width + 24 * (height + width)) * (down * across).div_ceil(threads)
    };
    let options = (1..=parts).filter(|d| parts % d == 0).map(|down| [down, parts / down]);
    options.min_by_key(|&grid| cost(grid)).unwrap_or([1, 1])
}

/// A product, or what all its blocks share.
struct Job<'a> {
    a: Matrix<'a>,
    b: Matrix<'a>,
    k: usize,
    /// Columns of the whole output.
    n: usize,
    /// Whether the whole output is one row: it is summed in another order, which must not depend on how it is divided.
    one_row: bool,
    room: &'a Workspace<'a>,
    epilogue: Option<Epilogue<'a>>,
}

impl Job<'_> {
    /// One thread's part of the output, whose first element is element `origin` of the whole; by the plain formula where that is enough.
    fn block(&self, mut out: ArrayViewMut2<'_, f32>, origin: [usize; 2], plain: bool) {
        if plain {
            for ((i, j), o) in out.indexed_iter_mut() {
                *o = (0..self.k).map(|p| self.a.at(i, p) * self.b.at(p, j)).sum();
            }
        } else {
            Arch::new().dispatch(Block { job: self, out: out.view_mut(), origin });
        }
        let Some(epilogue) = self.epilogue else { return };
        let first = origin[0] * self.n + origin[1];
        if let Some(whole) = out.as_slice_mut() {
            return epilogue(first, whole);
        }
        for (r, row) in out.outer_iter_mut().enumerate() {
            // Rows are contiguous: an output is row-major.
            epilogue(first + r * self.n, row.into_slice().unwrap_or(&mut []));
        }
    }
}

struct Block<'a, 'o> {
    job: &'a Job<'a>,
    out: ArrayViewMut2<'o, f32>,
    origin: [usize; 2],
}

impl WithSimd for Block<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Block { job, mut out, origin: [top, left] } = self;
        let (m, n) = out.dim();
        let &Job { a, b, k, room, .. } = job;
        if job.one_row && b.strides[0] == 1 && a.strides[1] == 1 {
            let mut out = Window { out: &mut out, at: [0, 0], rows: 1, columns: n };
            let dots = Dots { x: &a.from(top, 0)[..k], rows: b.from(0, left), stride: b.strides[1], out: out.row(0) };
            return simd.vectorize(dots);
        }
        let (wide, high) = (VECTORS * S::F32_LANES, kernel::most_rows::<S>());
        // Evenly deep blocks, a multiple of 16 terms each.
        let depth = k.div_ceil(k.div_ceil(DEPTH).max(1)).next_multiple_of(16).max(1);
        let direct_b = b.strides[1] == 1 && (m <= 2 * high || k * n <= UNPACKED_B);
        let width = WIDTH.next_multiple_of(wide).min(n.next_multiple_of(wide));
        let pack_a = n > 512;
        let height = HEIGHT.min(m.next_multiple_of(high));
        let room_a = if pack_a { height * depth } else { 0 };
        room.with(width * depth + room_a, |memory| {
            let (panels, block_a) = memory.split_at_mut(width * depth);
            for jc in (0..n).step_by(width) {
                let columns = width.min(n - jc);
                // Where a panel begins, and how many columns it has.
                let panel = |j: usize| cut(columns, S::F32_LANES, j);
                for pc in (0..k.max(1)).step_by(depth) {
                    let terms = depth.min(k - pc);
                    let first = pc == 0;
                    for (j, to) in panels.chunks_exact_mut(wide * depth).enumerate().take(columns.div_ceil(wide)) {
                        let (start, count) = panel(j);
                        if !direct_b || count % S::F32_LANES != 0 {
                            let from = b.from(pc, left + jc + start);
                            // As wide as its last vector.
                            let width = count.next_multiple_of(S::F32_LANES);
                            simd.vectorize(Panel { from, strides: b.strides, terms, count, width, to });
                        }
                    }
                    for ic in (0..m).step_by(height) {
                        let rows = height.min(m - ic);
                        let block = a.from(top + ic, pc);
                        let form = match (pack_a, a.strides[1] == 1) {
                            (false, true) => Form::Rows(block, a.strides[0]),
                            (false, false) => Form::Terms(block, a.strides[1]),
                            (true, true) => {
                                pack::rows(block, a.strides[0], terms, &mut block_a[..rows * terms]);
                                Form::Rows(block_a, terms)
                            }
                            (true, false) => {
                                let panels = block_a.chunks_exact_mut(high * terms).enumerate();
                                for (i, panel) in panels.take(rows / high) {
                                    let from = &block[i * high..];
                                    if high == ROWS {
                                        pack::terms::<ROWS>(from, a.strides[1], panel);
                                    } else {
                                        pack::terms::<{ ROWS / 2 }>(from, a.strides[1], panel);
                                    }
                                }
                                Form::Panels { packed: block_a, high, direct: block, stride: a.strides[1] }
                            }
                        };
                        for j in 0..columns.div_ceil(wide) {
                            let (start, count) = panel(j);
                            let (right, stride) = if direct_b && count % S::F32_LANES == 0 {
                                (b.from(pc, left + jc + start), b.strides[0])
                            } else {
                                (&panels[j * wide * depth..], count.next_multiple_of(S::F32_LANES))
                            };
                            let vectors = count.div_ceil(S::F32_LANES);
                            let mut row = 0;
                            while row < rows {
                                let (tall, size) = form.tall(high, rows - row);
                                let at = [ic + row, jc + start];
                                let window = Window { out: &mut out, at, rows: tall, columns: count };
                                let piece = Piece { form, row, tall, right, stride, terms, first };
                                kernel::sized(simd, size, vectors, (piece, window));
                                row += tall;
                            }
                        }
                    }
                }
            }
        });
    }
}

/// Where panel `j` of `columns` columns begins, and how many it has: `VECTORS` vectors of so many lanes, but two and two where one would be left
/// over, because a tile one vector wide waits for its sums.
fn cut(columns: usize, lanes: usize, j: usize) -> (usize, usize) {
    let wide = VECTORS * lanes;
    let (last, vectors) = (columns.div_ceil(wide) - 1, columns.div_ceil(lanes));
    let even = last > 0 && vectors % VECTORS == 1;
    let start = if even && j == last { j * wide - lanes } else { j * wide };
    let end = if even && j + 1 == last { last * wide - lanes } else { (j + 1) * wide };
    (start, end.min(columns) - start)
}

/// How a block of A is stored.
#[derive(Clone, Copy)]
enum Form<'a> {
    /// Rows, so many elements apart.
    Rows(&'a [f32], usize),
    /// Columns, so many elements apart.
    Terms(&'a [f32], usize),
    /// Panels of `high` rows, term by term; what does not fill one is read where it is.
    Panels { packed: &'a [f32], high: usize, direct: &'a [f32], stride: usize },
}

impl Form<'_> {
    /// Rows of the next tile where `rest` are left, and the size of its kernel.
    fn tall(&self, high: usize, rest: usize) -> (usize, usize) {
        match self {
            // Rows beyond the last are read as the last, and dropped.
            Form::Rows(..) => (high.min(rest), high.min(rest).next_power_of_two()),
            _ => {
                let size = high.min(1 << rest.ilog2());
                (size, size)
            }
        }
    }
}

/// A tile before its size is a constant.
struct Piece<'a> {
    form: Form<'a>,
    /// Its first row in the block of A.
    row: usize,
    tall: usize,
    right: &'a [f32],
    stride: usize,
    terms: usize,
    /// Whether these are the first terms of the sums.
    first: bool,
}

impl SizedTile for (Piece<'_>, Window<'_, '_>) {
    #[inline(always)]
    fn run<S: Simd, const M: usize, const N: usize>(self, simd: S) {
        let (Piece { form, row, tall, right, stride, terms, first }, mut out) = self;
        let left = match form {
            Form::Rows(data, stride) => Left::Rows(from_fn(|r| &data[(row + r.min(tall - 1)) * stride..][..terms])),
            Form::Panels { packed, high, .. } if M == high => Left::Terms(&packed[row * terms..], high),
            Form::Terms(data, stride) | Form::Panels { direct: data, stride, .. } => Left::Terms(&data[row..], stride),
        };
        kernel::apart(simd, Tile::<M, N> { left, right, stride, terms, first, out: &mut out });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_cover_all_columns_and_none_is_narrow_but_the_only_one() {
        for (lanes, columns) in
            [4, 8, 16].into_iter().flat_map(|lanes: usize| (1..300_usize).map(move |columns| (lanes, columns)))
        {
            let panels: Vec<_> = (0..columns.div_ceil(VECTORS * lanes)).map(|j| cut(columns, lanes, j)).collect();
            let ends: Vec<usize> = panels.iter().map(|(start, count)| start + count).collect();
            assert!(panels[0].0 == 0 && panels[1..].iter().map(|p| p.0).eq(ends[..ends.len() - 1].iter().copied()));
            assert_eq!(ends.last(), Some(&columns));
            let narrow = panels.iter().filter(|(_, count)| *count <= lanes).count();
            assert!(panels.iter().all(|(_, count)| (1..=VECTORS * lanes).contains(count)));
            assert!(narrow == 0 || panels.len() == 1, "{lanes} lanes, {columns} columns: {panels:?}");
        }
    }

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729 + 13) % 1013) as f32 / 1013.0 - 0.5).collect()
    }

    fn strides(transposed: bool, rows: usize, columns: usize) -> [usize; 2] {
        if transposed { [1, rows] } else { [columns, 1] }
    }

    fn product(sizes: [usize; 3], flags: [bool; 2], threads: usize, epilogue: Option<Epilogue<'_>>) -> Vec<f32> {
        let [m, k, n] = sizes;
        let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
        let (a, b) =
            (Matrix { data: &a, strides: strides(flags[0], m, k) }, Matrix { data: &b, strides: strides(flags[1], k, n) });
        let mut out = vec![f32::NAN; m * n];
        let view = ArrayViewMut2::from_shape((m, n), &mut out).expect("a matrix");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let budget = crate::executor::Budget::in_main_memory("cpu");
        let room = Workspace::new(&budget);
        pool.install(|| multiply(a, b, k, view, &room, threads > 1, epilogue));
        assert_eq!(room.refused(), None);
        out
    }

    /// Sizes on both sides of every edge: tiles, blocks of rows, terms and columns, packed and read in place, one row or column.
    const SIZES: [[usize; 3]; 14] = [
        [1, 1, 1],
        [7, 0, 5],
        [7, 5, 3],
        [8, 16, 48],
        [9, 17, 49],
        [1, 300, 70],
        [70, 300, 1],
        [2, 33, 1],
        [17, 257, 95],
        [33, 1700, 47],
        [203, 20, 530],
        [5, 31, 3100],
        [200, 300, 530],
        [130, 130, 131],
    ];

    #[test]
    fn products_are_right_in_every_form() {
        for sizes in SIZES {
            for flags in [[false, false], [false, true], [true, false], [true, true]] {
                let [m, k, n] = sizes;
                let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
                let ([a_row, a_term], [b_term, b_column]) = (strides(flags[0], m, k), strides(flags[1], k, n));
                let found = product(sizes, flags, 1, None);
                for (at, found) in found.iter().enumerate() {
                    let term =
                        |p: usize| f64::from(a[at / n * a_row + p * a_term]) * f64::from(b[p * b_term + at % n * b_column]);
                    let (sum, size) = (0..k).fold((0.0, 0.0), |(s, t), p| (s + term(p), t + term(p).abs()));
                    let bound = (k as f64 + 8.0) * 6e-8 * size + 1e-30;
                    assert!((f64::from(*found) - sum).abs() <= bound, "{sizes:?} {flags:?} at {at}: {found}, expected {sum}");
                }
            }
        }
    }

    #[test]
    fn bits_do_not_hang_on_the_number_of_threads() {
        for sizes in [[203, 120, 530], [130, 130, 131], [16, 700, 200], [49, 1700, 32], [1, 3000, 1000], [2000, 1000, 1]] {
            for flags in [[false, false], [false, true], [true, false], [true, true]] {
                let alone = product(sizes, flags, 1, None);
                for threads in [2, 3, 7] {
                    let together = product(sizes, flags, threads, None);
                    let same = alone.iter().zip(&together).all(|(a, b)| a.to_bits() == b.to_bits());
                    assert!(same, "{sizes:?} {flags:?} on {threads} threads");
                }
            }
        }
    }

    #[test]
    fn the_epilogue_sees_every_element_once_when_it_is_finished() {
        for sizes in SIZES {
            for threads in [1, 3] {
                let add = |first: usize, stretch: &mut [f32]| {
                    stretch.iter_mut().enumerate().for_each(|(i, x)| *x += (first + i) as f32);
                };
                let plain = product(sizes, [false; 2], threads, None);
                let added = product(sizes, [false; 2], threads, Some(&add));
                for (at, (plain, added)) in plain.iter().zip(&added).enumerate() {
                    assert_eq!(plain + at as f32, *added, "{sizes:?} on {threads} threads at {at}");
                }
            }
        }
    }
}
