//! The self-test of products on cooperative matrices: known matrices, and their products in f64.

use super::{Layout, Matmul};
use crate::graph::half;
use crate::graph::op::{SelfTest, Target, Trial, Variant};
use crate::shape::Shape;

/// What a variant on cooperative matrices has to pass.
pub(super) const COOPERATIVE: SelfTest = SelfTest { name: "cooperative", trials };

/// One product: sizes, transposes, matrices in a batch, how large numbers are, and whether one of each operand is NaN.
struct Product {
    sizes: [usize; 3],
    trans: [bool; 2],
    batches: usize,
    scale: f32,
    nan: bool,
}

/// One matrix, several, edges in every direction, both orientations of both operands, a long sum, sums far beyond the range of halves; NaN, which
/// must reach its row and column and, by what lies beyond an edge, nothing else.
fn trials(variant: &Variant) -> Vec<Trial> {
    let Target::Cooperative { side, .. } = variant.target else { return vec![] };
    let side = side as usize;
    let product = |sizes, trans| Product { sizes, trans, batches: 1, scale: 1.0, nan: false };
    let mut products = vec![product([side; 3], [false; 2]), product([4, 4, 4], [false; 2])];
    for trans in [[false, false], [true, false], [false, true], [true, true]] {
        products.push(product([8 * side, 4 * side, 4 * side], trans));
        products.push(product([9 * side + 4, 5 * side + 12, 4 * side + 8], trans));
        products.push(Product { nan: true, ..product([4 * side + 4, side + 4, 4 * side + 4], trans) });
    }
    products.push(product([2 * side, 4096, 4 * side + 4], [false, true]));
    products.push(Product { batches: 3, ..product([20, 36, 28], [true, false]) });
    products.push(Product { scale: 200.0, ..product([4 * side, 1024, 4 * side], [false; 2]) });
    products.iter().filter_map(|product| product.trial(variant.target)).collect()
}

/// Halves between −scale and scale, by number; one in eleven is zero.
fn numbers(count: usize, seed: u32, scale: f32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let unit = ((state >> 8) % 2048) as f32 / 1024.0 - 1.0;
        if (state >> 8).is_multiple_of(11) { 0.0 } else { half::to_f32(half::from_f32(unit * scale)) }
    };
    (0..count).map(|_| next()).collect()
}

impl Product {
    /// The product by the kernel's variant for these matrices.
    fn trial(&self, target: Target) -> Option<Trial> {
        let Product { sizes: [m, k, n], trans: [trans_a, trans_b], batches, scale, nan } = *self;
        let shape = |outer: usize, inner: usize, swap: bool| {
            let [outer, inner] = if swap { [inner, outer] } else { [outer, inner] };
            Shape::new(&[batches, outer, inner]).ok()
        };
        let op = Matmul { trans_a, trans_b };
        let layout = Layout::new(op, &shape(m, k, trans_a)?, &shape(k, n, trans_b)?, &shape(m, n, false)?);
        let (mut a, mut b) = (numbers(batches * m * k, 1, scale), numbers(batches * k * n, 2, scale));
        if nan {
            // Where the terms of a sum are neighbours: the number just after the first row or column, which is finite itself.
            (a[layout.a[0]], b[layout.b[1]]) = (f32::NAN, f32::NAN);
        }
        let expected: Vec<_> = (0..batches * m * n).map(|i| element(&layout, [&a, &b], i)).collect();
        let mut kernel = op.kernel(layout, [true; 2]);
        kernel.variants.retain(|variant| variant.target == target);
        let transposed = |t: bool| if t { "ᵀ" } else { "" };
        let label = format!("{m}×{k}{} times {k}×{n}{}", transposed(trans_a), transposed(trans_b));
        Some(Trial { label, kernel, inputs: vec![half::pack(&a), half::pack(&b)], expected, columns: n })
    }
}

/// Element i of a product, and how far a device may be off: as in the library's own check of sums, (k + 8) half units in the last place of the
/// sum of absolute values.
fn element(layout: &Layout, [a, b]: [&[f32]; 2], i: usize) -> (f64, f64) {
    let Layout { m, n, k, .. } = *layout;
    let (base_a, base_b) = layout.bases(i / (m * n));
    let (row, column) = (i / n % m, i % n);
    let term = |p: usize| {
        let x = a[base_a + row * layout.a[0] + p * layout.a[1]];
        f64::from(x) * f64::from(b[base_b + p * layout.b[0] + column * layout.b[1]])
    };
    let (sum, size) = (0..k).map(term).fold((0.0, 0.0), |(sum, size), t| (sum + t, size + t.abs()));
    (sum, (k + 8) as f64 * size / f64::from(1u32 << 24) + 1.2e-38)
}
