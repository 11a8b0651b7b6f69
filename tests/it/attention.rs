//! Attention with masks, padding and shared heads against its definition; rotary embedding; and what both refuse.
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::common::slopes::{agreed, check_gradient, numbers, parameter, reference};
use steepest::error::OpError;
use steepest::{AttentionOptions, Device, Error, RopeOptions, Tensor};

fn complaint(tensor: &Tensor) -> (&'static str, OpError) {
    match tensor.check() {
        Err(Error::Op { op, error, .. }) => (op, error),
        other => panic!("{other:?} where an error was expected"),
    }
}

fn bools(device: &Device, dims: &[usize], at: impl Fn(usize) -> bool) -> Tensor {
    device.tensor(&(0..dims.iter().product()).map(at).collect::<Vec<_>>(), dims)
}

/// Sizes of queries `[b,h,t,d]`, keys `[b,g,s,d]` and values `[b,g,s,e]`.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    b: usize,
    h: usize,
    g: usize,
    t: usize,
    s: usize,
    d: usize,
    e: usize,
}

impl Sizes {
    fn inputs(self, device: &Device) -> [Tensor; 3] {
        let Sizes { b, h, g, t, s, d, e } = self;
        [parameter(device, &[b, h, t, d], 1), parameter(device, &[b, g, s, d], 2), parameter(device, &[b, g, s, e], 3)]
    }

    /// Row by row: `allowed` and `added` say of (b, h, i, j) whether it counts and what is added to its score.
    fn naive(self, inputs: &[Tensor; 3], allowed: impl Fn([usize; 4]) -> bool, added: impl Fn([usize; 4]) -> f64) -> Vec<f64> {
        let Sizes { b, h, g, t, s, d, e } = self;
        let [q, k, v] = inputs.each_ref().map(reference);
        let mut out = vec![0.0; b * h * t * e];
        for row in 0..b * h * t {
            let (i, head, batch) = (row % t, row / t % h, row / t / h);
            let shared = (batch * g + head / (h / g)) * s;
            let score = |j: usize| {
                let dot: f64 = (0..d).map(|c| q[row * d + c] * k[(shared + j) * d + c]).sum();
                dot / (d as f64).sqrt() + added([batch, head, i, j])
            };
            let seen: Vec<usize> = (0..s).filter(|&j| allowed([batch, head, i, j])).collect();
            let weights: Vec<f64> = seen.iter().map(|&j| score(j).exp()).collect();
            let total: f64 = weights.iter().sum();
            for (j, weight) in seen.iter().zip(&weights) {
                for c in 0..e {
                    out[row * e + c] += weight / total * v[(shared + j) * e + c];
                }
            }
        }
        out
    }
}

fn close(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() < 1e-11 * (1.0 + e.abs()), "{what}[{i}]: {f}, not {e}");
    }
}

/// Values and gradients on every device; first and second derivatives by differences for small sizes.
fn check(what: &str, inputs: &[Tensor; 3], out: &Tensor, expected: &[f64]) {
    let what = format!("{what} on {}", out.device());
    close(&what, &reference(out), expected);
    agreed(out);
    let gradients = out.square().sum(&[]).backward();
    for input in inputs {
        assert!(agreed(&gradients.wrt(input).unwrap()).iter().all(|g| g.is_finite()), "{what}");
    }
    if !out.device().is_gpu() && (1..13).contains(&out.shape().numel()) {
        let by: Vec<&Tensor> = inputs.iter().collect();
        check_gradient(&what, &by, out);
        for input in inputs {
            check_gradient(&format!("{what}, second order"), &by, &gradients.wrt(input).unwrap());
        }
    }
}

#[test]
fn masks_of_every_shape_allow_what_they_say() {
    let sizes = Sizes { b: 2, h: 2, g: 2, t: 3, s: 4, d: 2, e: 1 };
    let shapes: [&[usize]; 9] = [&[], &[4], &[1], &[3, 4], &[3, 1], &[1, 4], &[2, 3, 4], &[2, 1, 3, 4], &[2, 2, 3, 4]];
    for device in common::devices("masks") {
        for shape in shapes {
            let rank = shape.len();
            let place = |at: [usize; 4]| {
                shape.iter().zip(&at[4 - rank..]).fold(0, |flat, (&n, &i)| flat * n + if n == 1 { 0 } else { i })
            };
            // Rows with every key, some and none.
            let on = |flat: usize| flat % 3 != 1 && (flat / 4) % 3 != 2;
            let inputs = sizes.inputs(&device);
            let mask = bools(&device, shape, on);
            let out = inputs[0].attention(&inputs[1], &inputs[2], &AttentionOptions::new().mask(&mask));
            check(&format!("mask {shape:?}"), &inputs, &out, &sizes.naive(&inputs, |at| on(place(at)), |_| 0.0));

            let count = shape.iter().product::<usize>();
            let added = |flat: usize| if on(flat) { flat as f32 * 0.25 - 1.0 } else { f32::NEG_INFINITY };
            let mask = device.tensor(&(0..count).map(added).collect::<Vec<_>>(), shape);
            let out = inputs[0].attention(&inputs[1], &inputs[2], &AttentionOptions::new().mask(&mask).causal());
            let expected = sizes.naive(&inputs, |at| on(place(at)) && at[3] <= at[2], |at| f64::from(added(place(at))));
            check(&format!("added {shape:?}, causal"), &inputs, &out, &expected);
        }
    }
}

#[test]
fn masks_padding_and_causality_must_all_allow() {
    for device in common::devices("padding") {
        for (b, h, g, t, s, d, e) in [
            (2, 2, 2, 3, 4, 2, 1),
            (1, 1, 1, 1, 1, 1, 1),
            (3, 4, 2, 2, 3, 1, 1),
            (2, 6, 1, 1, 5, 3, 1),
            (2, 3, 3, 5, 2, 4, 3),
            (1, 2, 1, 65, 33, 4, 5),
            (1, 4, 2, 1, 65, 8, 8),
        ] {
            let sizes = Sizes { b, h, g, t, s, d, e };
            let inputs = sizes.inputs(&device);
            let mask = |at: usize| at % 5 != 3;
            let padded = |batch: usize, j: usize| j >= s.saturating_sub(batch * 2);
            let given = AttentionOptions::new().kv_heads(g);
            let (mask_t, padding) = (bools(&device, &[t, s], mask), bools(&device, &[b, s], |at| padded(at / s, at % s)));
            for (causal, masked, with_padding) in (0..8).map(|n| (n & 1 != 0, n & 2 != 0, n & 4 != 0)) {
                let mut options = given.clone();
                if causal {
                    options = options.causal();
                }
                if masked {
                    options = options.mask(&mask_t);
                }
                if with_padding {
                    options = options.key_padding(&padding);
                }
                let allowed = |[batch, _, i, j]: [usize; 4]| {
                    (!causal || j <= i) && (!masked || mask(i * s + j)) && (!with_padding || !padded(batch, j))
                };
                let out = inputs[0].attention(&inputs[1], &inputs[2], &options);
                let what = format!("{sizes:?}, causal {causal}, mask {masked}, padding {with_padding}");
                check(&what, &inputs, &out, &sizes.naive(&inputs, allowed, |_| 0.0));
                let weights = inputs[0].attention_weights(&inputs[1], &options);
                assert_eq!(weights.shape().dims(), [b, h, t, s]);
                let sums = agreed(&weights.sum(&[-1]));
                for (row, sum) in sums.iter().enumerate() {
                    let seen = (0..s).any(|j| allowed([row / t / h, row / t % h, row % t, j]));
                    assert!((sum - f64::from(u8::from(seen))).abs() < 1e-5, "{what}: row {row} sums to {sum}");
                }
            }
            // The first query at position 2 of the keys.
            let out = inputs[0].attention(&inputs[1], &inputs[2], &given.clone().causal_from(2));
            check("from 2", &inputs, &out, &sizes.naive(&inputs, |[_, _, i, j]| j <= i + 2, |_| 0.0));
            let out = inputs[0].attention(&inputs[1], &inputs[2], &given.causal_from(usize::MAX));
            check("from the last", &inputs, &out, &sizes.naive(&inputs, |_| true, |_| 0.0));
        }
    }
}

#[test]
fn nothing_of_what_is_masked_comes_through() {
    for device in common::devices("masked extremes") {
        // Whatever stands in padding, and large scores where a mask forbids.
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1e9, 3e38] {
            let spoiled = |seed, width: usize| {
                let mut x = numbers(3 * width, seed);
                x[2 * width..].fill(odd);
                device.parameter(&x, [1, 3, width])
            };
            let (q, k, v) = (parameter(&device, &[1, 2, 4], 1), spoiled(2, 4), spoiled(3, 2));
            let padding = device.tensor(&[false, false, true], [1, 3]);
            let out = q.attention(&k, &v, &AttentionOptions::new().key_padding(&padding));
            let short = q.attention(&k.slice(1, ..2), &v.slice(1, ..2), &AttentionOptions::new());
            close("padding", &agreed(&out), &agreed(&short));
            let gradients = out.square().sum(&[]).backward();
            for x in [&q, &k, &v] {
                assert!(agreed(&gradients.wrt(x).unwrap()).iter().all(|g| g.is_finite()), "{odd} in padding on {device}");
            }
            // Added to a score; 0 where it forbids as −∞ does, or leaves the row as it was.
            let scores = device.parameter(&[1.0, odd], [1, 2]);
            let mask = device.tensor(&[true, false], [1, 2]);
            let (one, value) = (device.ones([1, 1]), device.tensor(&[2.0, 8.0], [2, 1]));
            let out = one.attention(&scores.t(), &value, &AttentionOptions::new().mask(&mask));
            assert_eq!(agreed(&out), [2.0]);
            assert_eq!(agreed(&out.backward().wrt(&scores).unwrap()), [0.0, 0.0], "{odd} on {device}");
        }
        // A mask that many models use.
        let q = parameter(&device, &[2, 4], 1);
        let large = device.tensor(&[0.0, -1e9, -1e9, -1e9], [2, 2]);
        let out = q.attention(&q, &device.tensor(&[1.0, 5.0], [2, 1]), &AttentionOptions::new().mask(&large));
        // Of the second row's scores f32 keeps nothing beside −1e9: the keys are alike.
        assert_eq!(out.to_vec::<f32>().unwrap(), [1.0, 3.0]);
        // NaN in a mask is no −∞.
        let broken = device.tensor(&[f32::NAN, 0.0], [1, 2]);
        let out = agreed(&q.attention(&q, &q, &AttentionOptions::new().mask(&broken)));
        assert!(out.iter().all(|x| x.is_nan()));
    }
}

#[test]
fn attention_over_nothing_is_zero() {
    for device in common::devices("attention over nothing") {
        for (b, h, t, s, d) in
            [(1, 2, 3, 0, 4), (0, 2, 3, 4, 2), (2, 0, 3, 4, 2), (2, 2, 0, 4, 2), (2, 2, 3, 4, 0), (1, 1, 0, 0, 0)]
        {
            let (q, k, v) = (
                parameter(&device, &[b, h, t, d], 1),
                parameter(&device, &[b, h, s, d], 2),
                parameter(&device, &[b, h, s, 3], 3),
            );
            let masks = [(bools(&device, &[t, s], |at| at % 2 == 0), bools(&device, &[b, s], |at| at % 3 == 0))];
            for (mask, padding) in &masks {
                for options in [
                    AttentionOptions::new(),
                    AttentionOptions::new().causal(),
                    AttentionOptions::new().mask(mask).causal(),
                    AttentionOptions::new().key_padding(padding),
                    if h == 0 { AttentionOptions::new() } else { AttentionOptions::new().kv_heads(h) },
                ] {
                    let out = q.attention(&k, &v, &options);
                    assert_eq!(out.shape().dims(), [b, h, t, 3], "{options:?}");
                    let zero = s == 0;
                    assert!(agreed(&out).iter().all(|x| x.is_finite() && (!zero || *x == 0.0)));
                    let gradients = out.square().sum(&[]).backward();
                    for x in [&q, &k, &v] {
                        assert!(agreed(&gradients.wrt(x).unwrap()).iter().all(|g| g.is_finite()));
                    }
                }
            }
        }
        // All rows masked, all keys padding.
        let q = parameter(&device, &[2, 3, 4], 1);
        let nothing = [
            AttentionOptions::new().mask(&bools(&device, &[1], |_| false)),
            AttentionOptions::new().mask(&device.full([3, 3], f64::NEG_INFINITY)),
            AttentionOptions::new().key_padding(&bools(&device, &[2, 3], |_| true)),
        ];
        for options in nothing {
            let out = q.attention(&q, &q, &options);
            assert_eq!(agreed(&out), [0.0; 24]);
            assert_eq!(agreed(&out.sum(&[]).backward().wrt(&q).unwrap()), [0.0; 24]);
        }
    }
}

#[test]
fn an_added_mask_is_learned() {
    let device = Device::cpu();
    let sizes = Sizes { b: 1, h: 2, g: 2, t: 2, s: 3, d: 2, e: 2 };
    let inputs = sizes.inputs(&device);
    let mask = parameter(&device, &[2, 1, 3], 5);
    let out = inputs[0].attention(&inputs[1], &inputs[2], &AttentionOptions::new().mask(&mask));
    check_gradient("the mask", &[&mask], &out);
    check_gradient("the mask, second order", &[&mask], &out.square().sum(&[]).backward().wrt(&mask).unwrap());
}

#[test]
fn weights_are_dropped_and_the_others_enlarged() {
    for device in common::devices("dropped weights") {
        let (q, v) = (device.zeros([1, 64, 2]), device.ones([1, 64, 1]));
        let options = AttentionOptions::new().dropout(0.25, 3, 1);
        let weights = agreed(&q.attention_weights(&q, &options));
        let kept = weights.iter().filter(|w| **w != 0.0).count();
        assert!(weights.iter().all(|w| *w == 0.0 || (w - 1.0 / 64.0 / 0.75).abs() < 1e-7));
        assert!((0.70..0.80).contains(&(kept as f64 / 4096.0)), "{kept}");
        let out = agreed(&q.attention(&q, &v, &options));
        let rows: Vec<f64> = weights.chunks(64).map(|row| row.iter().sum()).collect();
        assert!(out.iter().zip(rows).all(|(o, r)| (o - r).abs() < 1e-5));
    }
}

#[test]
fn attention_names_what_does_not_fit() {
    let device = Device::cpu();
    let (q, k) = (device.zeros([2, 4, 3, 5]), device.zeros([2, 2, 6, 5]));
    let of = |options: AttentionOptions| complaint(&q.attention(&q, &q, &options));
    let shape = |(op, error): (&str, OpError), parts: &[&str]| match error {
        OpError::Shape(text) if op == "attention" && parts.iter().all(|part| text.contains(part)) => {}
        other => panic!("{op}: {other:?}, not {parts:?}"),
    };
    shape(complaint(&q.attention(&k, &k, &AttentionOptions::new())), &["[2,4,3,5]", "[2,2,6,5]", "before the last two differ"]);
    shape(complaint(&q.attention(&k, &k, &AttentionOptions::new().kv_heads(3))), &["3 heads"]);
    shape(complaint(&q.attention(&k, &device.zeros([2, 2, 7, 5]), &AttentionOptions::new().kv_heads(2))), &["positions", "7"]);
    let three = device.zeros([2, 3, 6, 5]);
    shape(complaint(&q.attention(&three, &three, &AttentionOptions::new().kv_heads(3))), &["3 heads", "do not divide 4"]);
    let none = device.zeros([2, 0, 6, 5]);
    shape(complaint(&q.attention(&none, &none, &AttentionOptions::new().kv_heads(0))), &["0 heads"]);
    let flat = device.zeros([3, 5]);
    shape(complaint(&flat.attention(&flat, &flat, &AttentionOptions::new().kv_heads(1))), &["an axis of 1 heads"]);
    for dims in [&[3, 4][..], &[4, 3], &[3, 4, 3, 3], &[1, 2, 4, 3, 3], &[2]] {
        shape(of(AttentionOptions::new().mask(&bools(&device, dims, |_| true))), &["mask", "[2,4,3,3]"]);
    }
    for dims in [&[3][..], &[2, 4], &[1, 3], &[2, 1, 3]] {
        shape(of(AttentionOptions::new().key_padding(&bools(&device, dims, |_| true))), &["key padding", "[2, 3]"]);
    }
    let counts = device.tensor(&[1u32; 9], [3, 3]);
    assert!(matches!(of(AttentionOptions::new().mask(&counts)), ("attention", OpError::DType(text)) if text.contains("mask")));
    let floats = AttentionOptions::new().key_padding(&device.zeros([2, 3]));
    assert!(matches!(of(floats), ("attention", OpError::DType(text)) if text.contains("padding")));
    assert!(matches!(of(AttentionOptions::new().scale(f64::INFINITY)), ("attention", OpError::Value(_))));
    for p in [-0.1, 1.0, f64::NAN] {
        assert!(matches!(of(AttentionOptions::new().dropout(p, 0, 0)), ("attention", OpError::Value(_))), "{p}");
    }
    let halves = q.to_f16();
    assert!(matches!(complaint(&halves.attention(&q, &q, &AttentionOptions::new())), ("attention", OpError::DType(_))));
    // An error that a mask brought along stays what it was.
    let broken = device.zeros([2, 3]).reshape([5]);
    let (op, _) = of(AttentionOptions::new().mask(&broken));
    assert_eq!(op, "reshape");
    let (op, _) = complaint(&q.attention_weights(&q, &AttentionOptions::new().key_padding(&broken)));
    assert_eq!(op, "reshape");
}

/// Pair by pair in f64.
fn turned(x: &[f64], [rows, features]: [usize; 2], half: bool, base: f64, offset: usize) -> Vec<f64> {
    let mut out = x.to_vec();
    for row in 0..x.len() / features.max(1) {
        for pair in 0..features / 2 {
            let (a, b) = if half { (pair, pair + features / 2) } else { (2 * pair, 2 * pair + 1) };
            let angle = (offset + row % rows) as f64 * base.powf(-2.0 * pair as f64 / features as f64);
            let (u, v) = (x[row * features + a], x[row * features + b]);
            out[row * features + a] = u * angle.cos() - v * angle.sin();
            out[row * features + b] = u * angle.sin() + v * angle.cos();
        }
    }
    out
}

#[test]
fn rotary_embedding_turns_pairs() {
    for device in common::devices("rotary embedding") {
        for dims in [&[3, 4][..], &[1, 2], &[2, 3, 5, 6], &[65, 2], &[1, 130], &[0, 4], &[3, 0], &[2, 0, 3, 2]] {
            for (half, base, offset) in [
                (false, 1e4, 0),
                (true, 1e4, 0),
                (false, 500.0, 7),
                (true, 1.0, 3),
                (true, 1e4, 1_000_000),
                (false, 5e5, 1 << 30),
            ] {
                let x = parameter(&device, dims, 1);
                let options = RopeOptions::new().base(base).offset(offset);
                let options = if half { options.half() } else { options };
                let y = x.rope(&options);
                assert_eq!(y.shape(), x.shape());
                let last = [dims[dims.len() - 2], dims[dims.len() - 1]];
                let expected = turned(&reference(&x), last, half, base, offset);
                close(&format!("{dims:?} {options:?}"), &reference(&y), &expected);
                agreed(&y);
                assert_eq!(agreed(&x.rope_by(&x.rope_tables(&options))), agreed(&y));
                // The gradient turns back: of the turned cotangent it is the cotangent.
                let back = y.backward_with(&y.detach()).wrt(&x).unwrap();
                for (b, x) in agreed(&back).iter().zip(reference(&x)) {
                    assert!((b - x).abs() < 1e-6, "{b} {x}");
                }
            }
        }
    }
    let device = Device::cpu();
    let x = parameter(&device, &[2, 3, 4], 1);
    check_gradient("rope", &[&x], &x.rope(&RopeOptions::new().half()).square());
    // The score of two turned vectors depends on the distance of their positions only.
    let (q, k) = (parameter(&device, &[1, 8], 1), parameter(&device, &[1, 8], 2));
    let score = |a: usize, b: usize| {
        let at = |x: &Tensor, p: usize| x.rope(&RopeOptions::new().offset(p));
        reference(&at(&q, a).matmul(&at(&k, b).t()))[0]
    };
    assert!((score(5, 2) - score(103, 100)).abs() < 1e-12 && (score(5, 2) - score(5, 3)).abs() > 1e-3);
}

#[test]
fn rotary_embedding_names_what_does_not_fit() {
    let device = Device::cpu();
    let options = RopeOptions::new();
    for (dims, part) in [(&[3][..], "[..,T,D]"), (&[], "[..,T,D]"), (&[2, 3, 5], "5 features")] {
        match complaint(&device.zeros(dims).rope(&options)) {
            ("rope", OpError::Shape(text)) if text.contains(part) => {}
            other => panic!("{other:?}"),
        }
    }
    let x = device.zeros([2, 3, 4]);
    for base in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(complaint(&x.rope(&options.base(base))), ("rope", OpError::Value(text)) if text.contains("base")));
    }
    assert!(matches!(complaint(&x.to_u32().rope(&options)), ("rope", OpError::DType(_))));
    let tables = x.rope_tables(&options);
    assert_eq!(tables.sizes(), [3, 4]);
    for dims in [&[2, 4, 4][..], &[3, 2], &[4]] {
        assert!(matches!(complaint(&device.zeros(dims).rope_by(&tables)), ("rope_by", OpError::Shape(_))));
    }
}
