//! Test inputs of products.

use super::Matmul;
use crate::graph::half;
use crate::graph::op::DType;
use crate::ops::case::{Case, Gen, Input};

/// Test inputs: both sides of every tile's edge, all transposes, broadcast batches, no elements, values that are not finite.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let flags = [(false, false), (true, false), (false, true), (true, true)];
    let stored = |batch: &[usize], outer: usize, inner: usize, swap: bool| {
        [batch, &if swap { [inner, outer] } else { [outer, inner] }].concat()
    };
    let mut add = |g: &mut Gen, label: &str, batch_a: &[usize], batch_b: &[usize], [m, k, n]: [usize; 3], (trans_a, trans_b)| {
        let (a, b) = (stored(batch_a, m, k, trans_a), stored(batch_b, k, n, trans_b));
        let inputs = vec![g.normalish(&a), g.normalish(&b)];
        let case = Case::new(format!("{label}{a:?} × {b:?}"), Matmul { trans_a, trans_b }, inputs);
        // The gradient's formula does not depend on sizes: it is checked on the small ones.
        cases.push(if m * k * n > 20_000 { case.forward_only() } else { case });
    };
    // Wide enough for workgroups that share rows: both sides of their edges, a k that is no multiple of four, batches.
    for (flags, sizes) in flags.into_iter().zip([[5, 12, 44], [20, 7, 128], [16, 8, 64], [8, 20, 132]]) {
        add(g, "shared ", &[], &[], sizes, flags);
        add(g, "shared ", &[2], &[1], sizes, flags);
    }
    for flags in flags {
        for sizes in
            [[1, 1, 1], [2, 3, 2], [5, 4, 3], [15, 16, 17], [17, 33, 16], [33, 1, 31], [16, 15, 63], [1, 40, 9], [40, 9, 1]]
        {
            add(g, "", &[], &[], sizes, flags);
        }
        // Few rows, and vectors on both sides of the edge of every tile.
        for sizes in [[1, 8, 12], [7, 12, 8], [12, 20, 300], [132, 260, 68], [64, 36, 132], [16, 516, 24]] {
            add(g, "vectors ", &[], &[], sizes, flags);
        }
        for sizes in [[65, 17, 64], [63, 64, 65], [4, 4, 4], [20, 8, 12], [36, 19, 72], [4, 0, 8], [130, 31, 127], [127, 33, 130]]
        {
            add(g, "", &[], &[], sizes, flags);
        }
        for (batch_a, batch_b) in
            [(&[3][..], &[3][..]), (&[2, 1], &[3]), (&[3], &[]), (&[], &[2, 3]), (&[2, 1, 3], &[1, 2, 1]), (&[2, 3], &[2, 1])]
        {
            add(g, "batch ", batch_a, batch_b, [5, 4, 7], flags);
        }
        for sizes in [[3, 0, 4], [0, 3, 4], [3, 4, 0]] {
            add(g, "empty ", &[], &[], sizes, flags);
        }
    }
    add(g, "many ", &[70], &[70], [9, 10, 11], (false, false));
    add(g, "deep ", &[], &[], [4, 1000, 5], (false, true));
    // In pieces of k: of eight, of five, of vectors and of single columns; and one that no number divides.
    for sizes in [[20, 4096, 12], [33, 4100, 70], [7, 6000, 1], [4, 4099, 4]] {
        add(g, "pieces ", &[], &[], sizes, (true, false));
    }
    add(g, "tall ", &[], &[], [1000, 12, 10], (false, false));
    add(g, "wide ", &[], &[], [10, 12, 1000], (true, false));
    // Enough for several threads, which divide rows or columns or the batch.
    add(g, "threads ", &[], &[], [131, 130, 67], (false, true));
    add(g, "threads ", &[], &[], [67, 130, 131], (true, false));
    add(g, "threads ", &[130], &[130], [20, 21, 22], (false, true));
    add(g, "no matrices ", &[0, 2], &[2], [3, 4, 5], (false, false));
    add(g, "no matrices ", &[2, 1], &[0], [3, 4, 5], (false, true));
    // 0·∞ = NaN, and what is not finite reaches its row and column only.
    for (trans_a, trans_b) in flags {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0];
        let sprinkled = |g: &mut Gen| {
            g.input(DType::F32, &[20, 20], |g| if g.below(60) == 0 { odd[g.below(4)] } else { g.uniform(-1.0, 1.0) })
        };
        let zeros = g.input(DType::F32, &[20, 20], |g| g.below(2) as f64);
        let inputs = vec![sprinkled(g), if trans_b { sprinkled(g) } else { zeros }];
        cases.push(Case::new("not finite", Matmul { trans_a, trans_b }, inputs).forward_only());
    }
    cases_of_f16(g, &mut cases);
    cases
}

/// The same where one operand or both are f16: rows that begin within a word, vectors, batches, and every kind of half.
fn cases_of_f16(g: &mut Gen, cases: &mut Vec<Case>) {
    let operand = |g: &mut Gen, dims: &[usize], is_half: bool| -> Input { if is_half { g.f16(dims) } else { g.normalish(dims) } };
    for (trans_a, trans_b) in [(false, false), (true, false), (false, true), (true, true)] {
        for (which, label) in [([true, true], "f16 × f16"), ([true, false], "f16 × f32"), ([false, true], "f32 × f16")] {
            let sizes: [(&[usize], &[usize], [usize; 3]); 6] = [
                (&[], &[], [5, 3, 7]),
                (&[], &[], [66, 33, 65]),
                (&[], &[], [12, 20, 36]),
                (&[], &[], [132, 260, 68]),
                (&[3], &[3], [3, 5, 9]),
                (&[2, 1], &[3], [4, 8, 4]),
            ];
            for (batch_a, batch_b, [m, k, n]) in sizes {
                let a = [batch_a, &if trans_a { [k, m] } else { [m, k] }].concat();
                let b = [batch_b, &if trans_b { [n, k] } else { [k, n] }].concat();
                let inputs = vec![operand(g, &a, which[0]), operand(g, &b, which[1])];
                let case = Case::new(format!("{label} {a:?} × {b:?}"), Matmul { trans_a, trans_b }, inputs);
                cases.push(if m * k * n > 20_000 { case.forward_only() } else { case });
            }
        }
    }
    let op = Matmul { trans_a: false, trans_b: true };
    for (dims, label) in
        [([1, 1], "one half"), ([3, 0], "no terms of halves"), ([0, 3], "no rows of halves"), ([9, 1024], "deep halves")]
    {
        cases.push(Case::new(label, op, vec![g.f16(&dims), g.f16(&[2, dims[1]])]).forward_only());
    }
    // From the smallest subnormal to the largest: the terms of a sum are of like size, so that none hides another.
    let extreme = |g: &mut Gen, scale: f64| g.input(DType::F16, &[8, 16], |g| half::rounded(scale * g.uniform(-1.0, 1.0)));
    for (a, b) in [(6e-7, 1.0), (6e-5, 6e-5), (65_000.0, 1.0), (65_000.0, 65_000.0)] {
        cases.push(Case::new(format!("halves of size {a:e} and {b:e}"), op, vec![extreme(g, a), extreme(g, b)]).forward_only());
    }
    // Large enough to be taken in parts, by rows and by columns, with a last part of one row or column.
    for (dims, halves) in [
        ([33, 4100, 65], [true, true]),
        ([129, 4100, 9], [true, false]),
        ([1, 4100, 65], [false, true]),
        ([129, 4100, 1], [true, true]),
    ] {
        let [m, k, n] = dims;
        for (trans_a, trans_b) in [(false, false), (true, true)] {
            let (a, b) = (if trans_a { [k, m] } else { [m, k] }, if trans_b { [n, k] } else { [k, n] });
            let inputs = vec![operand(g, &a, halves[0]), operand(g, &b, halves[1])];
            cases.push(Case::new(format!("parts {a:?} × {b:?}"), Matmul { trans_a, trans_b }, inputs).forward_only());
        }
    }
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0];
    let sprinkled = |g: &mut Gen| {
        g.input(DType::F16, &[20, 20], |g| if g.below(60) == 0 { odd[g.below(5)] } else { half::rounded(g.uniform(-1.0, 1.0)) })
    };
    cases.push(Case::new("halves that are not finite", op, vec![sprinkled(g), sprinkled(g)]).forward_only());
}
