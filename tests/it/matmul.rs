//! Matrix products through the method: numpy's rules, transposes read in place, errors, and every kernel variant.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::{Device, Tensor, no_grad, verify};

/// 1, 2, 3, … in some shape.
fn counting(device: &Device, dims: &[usize]) -> Tensor {
    let numbers: Vec<f32> = (1..=dims.iter().product::<usize>()).map(|i| i as f32).collect();
    device.tensor(&numbers, dims)
}

fn values(t: &Tensor) -> Vec<f32> {
    t.to_vec().unwrap()
}

#[test]
fn shapes_follow_numpy() {
    let device = Device::cpu();
    for (a, b, expected) in [
        (&[2, 3][..], &[3, 4][..], &[2, 4][..]),
        (&[3], &[3, 4], &[4]),
        (&[2, 3], &[3], &[2]),
        (&[5, 2, 3], &[3], &[5, 2]),
        (&[3], &[5, 3, 2], &[5, 2]),
        (&[3], &[3], &[]),
        (&[5, 2, 3], &[3, 4], &[5, 2, 4]),
        (&[2, 3], &[5, 3, 4], &[5, 2, 4]),
        (&[2, 1, 4, 5], &[3, 5, 6], &[2, 3, 4, 6]),
        (&[0, 3], &[3, 4], &[0, 4]),
        (&[2, 0], &[0, 4], &[2, 4]),
        (&[6, 0, 3], &[3, 4], &[6, 0, 4]),
    ] {
        let c = counting(&device, a).matmul(&counting(&device, b));
        assert_eq!(c.shape().dims(), expected, "{a:?} × {b:?}");
        assert_eq!(values(&c).len(), expected.iter().product::<usize>());
    }
}

#[test]
fn small_products_by_hand() {
    for device in common::devices("small products") {
        let (a, b) = (counting(&device, &[2, 3]), counting(&device, &[3, 2]));
        assert_eq!(values(&a.matmul(&b)), [22.0, 28.0, 49.0, 64.0]);
        assert_eq!(values(&a.matmul(&counting(&device, &[3]))), [14.0, 32.0]);
        assert_eq!(values(&counting(&device, &[2]).matmul(&a)), [9.0, 12.0, 15.0]);
        assert_eq!(counting(&device, &[3]).matmul(&counting(&device, &[3])).item().unwrap(), 14.0);
        assert_eq!(counting(&device, &[3]).dot(&counting(&device, &[3])).item().unwrap(), 14.0);
        assert_eq!(values(&counting(&device, &[2, 0]).matmul(&counting(&device, &[0, 2]))), [0.0; 4]);
        // Two matrices, each by the same one, which is broadcast or flattened into rows.
        assert_eq!(values(&counting(&device, &[2, 1, 2]).matmul(&counting(&device, &[2, 2]))), [7.0, 10.0, 15.0, 22.0]);
        assert_eq!(values(&counting(&device, &[1, 2]).matmul(&counting(&device, &[2, 2, 1]))), [5.0, 11.0]);
    }
}

#[test]
fn transposes_are_read_in_place() {
    for device in common::devices("transposes") {
        let (a, b) = (counting(&device, &[2, 3]), counting(&device, &[4, 3]));
        let plan = |t: &Tensor| device.plan([t]).unwrap().to_string();
        let plain = a.matmul(&counting(&device, &[3, 4]));
        for (product, by_hand) in [
            (a.matmul(&b.t()), vec![14.0, 32.0, 50.0, 68.0, 32.0, 77.0, 122.0, 167.0]),
            (a.t().matmul(&a), vec![17.0, 22.0, 27.0, 22.0, 29.0, 36.0, 27.0, 36.0, 45.0]),
            (
                a.t().matmul(&counting(&device, &[4, 2]).t()),
                vec![9.0, 19.0, 29.0, 39.0, 12.0, 26.0, 40.0, 54.0, 15.0, 33.0, 51.0, 69.0],
            ),
            (a.t().t().matmul(&b.t()), vec![14.0, 32.0, 50.0, 68.0, 32.0, 77.0, 122.0, 167.0]),
            (b.matmul(&a.t()), vec![14.0, 32.0, 32.0, 77.0, 50.0, 122.0, 68.0, 167.0]),
        ] {
            let text = plan(&product);
            assert!(text.contains("1 dispatches") && !text.contains("permute"), "{text}");
            assert_eq!(values(&product), by_hand);
        }
        assert!(plan(&plain).contains("1 dispatches"));
        // Other axes moved are no transpose of matrices: a copy.
        let moved = counting(&device, &[2, 1, 3]).transpose(0, 1).matmul(&b.t());
        assert!(plan(&moved).contains("permute"), "{}", plan(&moved));
    }
}

#[test]
fn gradients_copy_nothing() {
    let device = Device::cpu();
    let numbers = |n: usize| (0..n).map(|i| i as f32 * 0.5 - 3.0).collect::<Vec<_>>();
    for (trans_a, trans_b) in [(false, false), (true, false), (false, true), (true, true)] {
        let (a, b) = (
            device.parameter(&numbers(6), if trans_a { [3, 2] } else { [2, 3] }),
            device.parameter(&numbers(12), if trans_b { [4, 3] } else { [3, 4] }),
        );
        let c = if trans_a { a.t() } else { a.clone() }.matmul(&if trans_b { b.t() } else { b.clone() });
        let seed = device.tensor(&numbers(8), [2, 4]);
        let gradients = c.backward_with(&seed);
        let (da, db) = (gradients.wrt(&a).unwrap(), gradients.wrt(&b).unwrap());
        drop(c);
        let text = device.plan([&da, &db]).unwrap().to_string();
        assert!(text.contains("2 dispatches") && !text.contains("permute"), "{text}");
    }
    // Only what is needed is computed.
    let (a, b) = (device.parameter(&numbers(6), [2, 3]), device.tensor(&numbers(12), [3, 4]));
    let c = a.matmul(&b);
    let da = c.backward_with(&device.tensor(&numbers(8), [2, 4])).wrt(&a).unwrap();
    assert_eq!(da.shape().dims(), [2, 3]);
    // A batch against a shared matrix: one product of tall matrices, no sum over the batch.
    let (x, w) = (device.tensor(&numbers(30), [5, 2, 3]), device.parameter(&numbers(12), [3, 4]));
    let dw = x.matmul(&w).backward_with(&device.tensor(&numbers(40), [5, 2, 4])).wrt(&w).unwrap();
    let text = device.plan([&dw]).unwrap().to_string();
    assert!(text.contains("1 dispatches"), "{text}");
}

#[test]
fn errors_say_what_was_given() {
    let device = Device::cpu();
    let shape = |dims: &[usize]| device.zeros(dims);
    let text = |t: Tensor| t.check().unwrap_err().to_string();
    let at = |line: u32| format!("tests/it/matmul.rs:{line}: ");
    let line = line!() + 1;
    let error = text(shape(&[64, 784]).matmul(&shape(&[128, 256])));
    assert_eq!(error, format!("matmul at {}[64,784] × [128,256]: inner sizes 784 and 128 differ", at(line)));
    // As it was written, not as it lies.
    assert!(
        text(shape(&[64, 784]).matmul(&shape(&[256, 128]).t())).ends_with("[64,784] × [128,256]: inner sizes 784 and 128 differ")
    );
    assert!(text(shape(&[784]).matmul(&shape(&[128, 256]))).ends_with("[784] × [128,256]: inner sizes 784 and 128 differ"));
    assert!(text(shape(&[128, 256]).matmul(&shape(&[784]))).ends_with("[128,256] × [784]: inner sizes 256 and 784 differ"));
    assert!(text(shape(&[7]).matmul(&shape(&[8]))).ends_with("[7] × [8]: inner sizes 7 and 8 differ"));
    assert!(text(shape(&[2, 3, 4]).matmul(&shape(&[5, 6]))).ends_with("[2,3,4] × [5,6]: inner sizes 4 and 5 differ"));
    assert!(
        text(shape(&[2, 3, 4]).matmul(&shape(&[5, 4, 6])))
            .ends_with("[2,3,4] × [5,4,6]: batch axes [2] and [5] do not broadcast")
    );
    assert!(text(device.scalar(1.0).matmul(&shape(&[2, 2]))).ends_with("[] × [2,2]: a scalar is no matrix; use mul"));
    assert!(text(shape(&[2, 2]).matmul(&device.tensor(&[1u32, 2], [2, 1]))).contains("operand 1 is u32[2,1], expected f32"));
    assert!(text(shape(&[2]).dot(&shape(&[3]))).contains("dot at tests/it/matmul.rs"));
    assert!(text(shape(&[2, 2]).dot(&shape(&[2, 2]))).ends_with("[2,2] · [2,2]: two vectors of one length are expected"));
    // The first error travels on.
    let wrong = shape(&[2, 2]).matmul(&shape(&[3, 2]));
    assert!(text(wrong.matmul(&shape(&[9, 9]))).contains("inner sizes 2 and 3 differ"));
    assert!(text(shape(&[4]).matmul(&wrong)).contains("inner sizes 2 and 3 differ"));
}

/// Mesa's software adapter leaves long loops early, without a word.
#[test]
fn very_many_terms_are_all_added() {
    for device in common::devices("very many terms") {
        for k in [65_000, 70_000, 131_072, 66_003, 65_537] {
            let ones = |rows, columns| device.tensor(&vec![1.0f32; rows * columns], [rows, columns]);
            for product in
                [ones(2, k).matmul(&ones(k, 3)), ones(k, 2).t().matmul(&ones(k, 3)), ones(2, k).matmul(&ones(3, k).t())]
            {
                assert_eq!(product.to_vec::<f32>().unwrap(), [k as f32; 6], "{device}");
            }
        }
        for n in [60_000, 200_000, 600_000] {
            let row = device.tensor(&vec![0.5f32; n], [1, n]);
            let right = |what: &str, found: Result<Vec<f32>, steepest::Error>, expected: f32| {
                let found = found.unwrap();
                assert!(found.iter().all(|x| (x / expected - 1.0).abs() < 1e-3), "{device}: {what} of {n}: {}", found[0]);
            };
            right("softmax", row.softmax(1).to_vec(), 1.0 / n as f32);
            right("sum", row.sum(&[1]).to_vec(), 0.5 * n as f32);
            right("mean over rows", row.reshape([n, 1]).mean(&[0]).to_vec(), 0.5);
            right("cross-entropy", row.cross_entropy(&device.tensor(&[0u32], [1])).to_vec(), (n as f32).ln());
            right("pooling", row.reshape([1, 1, n / 200, 200]).adaptive_avg_pool2d([1, 1]).to_vec(), 0.5);
        }
    }
}

/// Threads divide the output, not the sums: the bits do not hang on how many there are.
#[test]
fn bits_do_not_hang_on_the_number_of_threads() {
    let multiply = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let device = Device::cpu();
            let (a, b) = (device.normal([300, 400], 0.0, 1.0, 1), device.normal([400, 157], 0.0, 1.0, 2));
            no_grad(|| [values(&a.matmul(&b)), values(&b.t().matmul(&a.t()))])
        })
    };
    let one = multiply(1);
    for threads in [2, 3, 7] {
        assert!(multiply(threads) == one, "{threads} threads");
    }
}

/// More variants than `tests/ops.rs` forces: three tile sizes, vectors, and registers with small and large workgroups.
#[test]
fn every_variant() {
    for variant in 0..6 {
        let Some(device) = common::gpu("matmul variants") else { return };
        device.force_variant(Some(variant));
        let report = verify::ops(&device, "matmul");
        assert!(report.failures.is_empty(), "variant {variant}: {report}");
    }
}

/// More workgroups than one dimension of a dispatch holds.
#[test]
fn more_than_65535_workgroups() {
    let Some(device) = common::gpu("many workgroups") else { return };
    let n = 65_540;
    let numbers: Vec<f32> = (0..n).map(|i| (i % 1000) as f32).collect();
    let (a, b) = (device.tensor(&numbers, [n, 1, 1]), device.tensor(&numbers, [n, 1, 1]));
    let found = values(&a.matmul(&b));
    assert!(found.iter().zip(&numbers).all(|(f, x)| *f == x * x));
}
