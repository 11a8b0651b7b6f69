//! Matrix products natively. f16 operands become f32 panel by panel, and sums are f32.

use super::Layout;
use crate::graph::op::{Finish, Native, Workspace};
use crate::ops::f16::{unpack_from, with_floats};
use crate::ops::gemm::{self, Matrix};
use ndarray::{ArrayViewMut2, Axis};
use rayon::prelude::*;
use std::sync::Arc;

/// Multiplications below which one thread is faster than several.
const ONE_THREAD_BELOW: usize = 1 << 20;

pub(super) fn native(layout: Layout, f16: [bool; 2]) -> Native {
    Arc::new(move |io| {
        let (a, b, room) = (io.reads[0], io.reads[1], io.room);
        match f16 {
            [false, false] => {
                let finish = io.finish.take();
                products(&layout, bytemuck::cast_slice(a), bytemuck::cast_slice(b), io.write(0), room, finish)
            }
            _ => products_of_f16(&layout, [a, b], f16, io.write(0), room),
        }
    })
}

fn products(layout: &Layout, a: &[f32], b: &[f32], out: &mut [f32], room: &Workspace<'_>, finish: Option<Finish<'_>>) {
    let Layout { m, n, k, .. } = *layout;
    if m * n * k == 0 {
        out.fill(0.0);
        return finish.into_iter().for_each(|finish| finish(0, bytemuck::cast_slice_mut(out)));
    }
    let batches = layout.batches();
    let matrix = |index: usize, out: &mut [f32], parallel: bool| {
        let (base_a, base_b) = layout.bases(index);
        let (a, b) = (Matrix { data: &a[base_a..], strides: layout.a }, Matrix { data: &b[base_b..], strides: layout.b });
        let out = ArrayViewMut2::from_shape((m, n), out).expect("the output is an m×n matrix");
        let epilogue = finish
            .map(|finish| move |first: usize, part: &mut [f32]| finish(index * m * n + first, bytemuck::cast_slice_mut(part)));
        gemm::multiply(a, b, k, out, room, parallel, epilogue.as_ref().map(|epilogue| epilogue as gemm::Epilogue<'_>));
    };
    if batches > 1 && batches * m * n * k > ONE_THREAD_BELOW && batches >= 2 * rayon::current_num_threads() {
        // Several small matrices to a thread at a time.
        let several = (ONE_THREAD_BELOW / 8 / (m * n * k)).max(1);
        let all = out.par_chunks_mut(m * n).with_min_len(several).enumerate();
        all.for_each(|(index, out)| matrix(index, out, false));
    } else {
        out.chunks_mut(m * n).enumerate().for_each(|(index, out)| matrix(index, out, true));
    }
}

/// Elements of a large operand that become f32 at a time: 256 KiB, which stay in a core's own cache until they are read.
const PANEL: usize = 1 << 16;

/// The product of operands of which one or both are f16.
fn products_of_f16(layout: &Layout, [a, b]: [&[u32]; 2], f16: [bool; 2], out: &mut [f32], room: &Workspace<'_>) {
    let Layout { m, n, k, .. } = *layout;
    // The larger operand is the one that is worth taking in parts; the output is divided, never the terms of a sum.
    let by_columns = f16[1] && (!f16[0] || n >= m);
    let (count, large) = if by_columns { (n, k * n) } else { (m, m * k) };
    if layout.batches() != 1 || large <= 2 * PANEL || m * n == 0 {
        return with_floats(a, f16[0], room, |a| with_floats(b, f16[1], room, |b| products(layout, a, b, out, room, None)));
    }
    // By the sizes alone, so that sums are the same with any number of threads.
    let mut width = (PANEL / k).max(16).next_multiple_of(16);
    while width < count && count % width == 1 {
        // A last part of one column would be a column whose elements are not contiguous.
        width += 16;
    }
    let width = width.min(count);
    let axis = Axis(usize::from(by_columns));
    let mut rest = ArrayViewMut2::from_shape((m, n), out).expect("the output is an m×n matrix");
    let mut parts = Vec::with_capacity(count.div_ceil(width));
    for first in (0..count).step_by(width) {
        let (part, after) = rest.split_at(axis, width.min(count - first));
        rest = after;
        parts.push((first, part));
    }
    let (large, other, strides, is_half) =
        if by_columns { (b, a, [layout.b[1], layout.b[0]], f16[0]) } else { (a, b, layout.a, f16[1]) };
    with_floats(other, is_half, room, |other| {
        parts.into_par_iter().with_max_len(1).for_each(|(first, part)| {
            let width = part.len_of(axis);
            room.with(width * k, |panel| {
                // As it is stored: rows or columns of `k` elements, or consecutive elements for each of `k`.
                let strides = if strides[1] == 1 {
                    unpack_from(large, first * k, panel);
                    [k, 1]
                } else {
                    panel.chunks_exact_mut(width).enumerate().for_each(|(p, row)| unpack_from(large, p * count + first, row));
                    [1, width]
                };
                if by_columns {
                    let b = Matrix { data: panel, strides: [strides[1], strides[0]] };
                    gemm::multiply(Matrix { data: other, strides: layout.a }, b, k, part, room, false, None);
                } else {
                    let a = Matrix { data: panel, strides };
                    gemm::multiply(a, Matrix { data: other, strides: layout.b }, k, part, room, false, None);
                }
            });
        });
    });
}
