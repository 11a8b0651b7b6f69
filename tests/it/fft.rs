//! Fourier transforms on every device against the definition in f64, and by what holds of them: inverses, Parseval, linearity, adjoints, symmetry.
#![allow(clippy::unwrap_used)]

use crate::common;
use std::f64::consts::PI;
use steepest::error::OpError;
use steepest::ops::case::Gen;
use steepest::verify::grad_check;
use steepest::{Device, Error, FftNorm, Precision, Tensor};

use FftNorm::{Backward, Forward, Ortho};

fn random(device: &Device, g: &mut Gen, dims: &[usize]) -> Tensor {
    let data: Vec<f32> = g.floats(dims, -1.0, 1.0).array.data.iter().map(|x| *x as f32).collect();
    device.parameter(&data, dims)
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
}

/// X[k] by the definition; `x` has pairs.
fn frequency(x: &[f64], k: usize, sign: f64) -> [f64; 2] {
    let n = x.len() / 2;
    let term = |j: usize| {
        let (sin, cos) = (sign * 2.0 * PI * (j as u64 * k as u64 % n as u64) as f64 / n as f64).sin_cos();
        [x[2 * j] * cos - x[2 * j + 1] * sin, x[2 * j] * sin + x[2 * j + 1] * cos]
    };
    (0..n).map(term).fold([0.0; 2], |sum, t| [sum[0] + t[0], sum[1] + t[1]])
}

fn norm(x: impl Iterator<Item = f64>) -> f64 {
    x.map(|x| x * x).sum::<f64>().sqrt()
}

/// ‖found − expected‖ / ‖expected‖
fn off(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let size = norm(expected.iter().copied()).max(1e-30);
    norm(found.iter().zip(expected).map(|(x, y)| x - y)) / size
}

/// 2 · 10⁻⁷ log₂ n, as the documentation says; a rounding of f32 for n = 1.
fn bound(n: usize) -> f64 {
    2e-7 * (n as f64).log2().max(0.1)
}

/// Lengths: small ones, primes small and large, powers of two and of ten, products of large primes.
fn lengths(device: &Device) -> Vec<usize> {
    let large = [97, 128, 210, 254, 257, 514, 1000, 1009, 1024, 4096, 4757];
    let small = if device.is_gpu() { vec![1, 2, 3, 8, 30, 64, 65, 70] } else { (1..=70).collect() };
    [small, large.to_vec()].concat()
}

#[test]
fn transforms_are_those_of_the_definition() {
    for device in common::devices("Fourier transforms") {
        let mut g = Gen::new(1);
        let mut worst = (0.0, 0);
        for n in lengths(&device) {
            let x = random(&device, &mut g, &[n, 2]);
            let given = numbers(&x);
            for inverse in [false, true] {
                let (sign, factor) = if inverse { (1.0, 1.0 / n as f64) } else { (-1.0, 1.0) };
                let expected: Vec<f64> = (0..n).flat_map(|k| frequency(&given, k, sign).map(|x| factor * x)).collect();
                let found = numbers(&if inverse { x.ifft(0, Backward) } else { x.fft(0, Backward) });
                let off = off(&found, &expected);
                assert!(off <= bound(n), "{device}: n {n}, inverse {inverse}: {off:e}");
                worst = if off / bound(n) > worst.0 { (off / bound(n), n) } else { worst };
            }
            // Of real numbers, and back.
            let x = random(&device, &mut g, &[n]);
            let pairs: Vec<f64> = numbers(&x).iter().flat_map(|x| [*x, 0.0]).collect();
            let expected: Vec<f64> = (0..n / 2 + 1).flat_map(|k| frequency(&pairs, k, -1.0)).collect();
            let spectrum = x.rfft(0, Backward);
            assert!(off(&numbers(&spectrum), &expected) <= bound(n), "{device}: n {n}, real");
            assert!(
                off(&numbers(&spectrum.irfft(Some(n), 0, Backward)), &numbers(&x)) <= 2.0 * bound(n),
                "{device}: n {n}, back"
            );
        }
        println!("{device}: worst {:.3} of its bound at n {}", worst.0, worst.1);
        // At 65,536 some frequencies.
        let n = 1 << 16;
        let x = random(&device, &mut g, &[n, 2]);
        let (given, found) = (numbers(&x), numbers(&x.fft(0, Backward)));
        let some: Vec<usize> = (0..100).map(|_| g.below(n)).chain([0, 1, n / 2, n - 1]).collect();
        let expected: Vec<f64> = some.iter().flat_map(|&k| frequency(&given, k, -1.0)).collect();
        let found: Vec<f64> = some.iter().flat_map(|&k| [found[2 * k], found[2 * k + 1]]).collect();
        assert!(off(&found, &expected) <= bound(n), "{device}: {:e}", off(&found, &expected));
    }
}

#[test]
fn axes_batches_and_norms() {
    for device in common::devices("axes of transforms") {
        let mut g = Gen::new(2);
        for n in [6, 64, 150, 263] {
            let x = random(&device, &mut g, &[3, n, 2, 2]);
            // Along axis 1 is along the last axis, with the two exchanged.
            let expected = numbers(&x.transpose(1, 2).fft(-2, Backward).transpose(1, 2));
            assert!(off(&numbers(&x.fft(1, Backward)), &expected) < bound(n), "{device}: n {n}");
            assert!(off(&numbers(&x.fft(-3, Backward)), &expected) < bound(n), "{device}: n {n}");
            // Rows of a batch are transformed one by one.
            let one = x.slice(0, 1..2).slice(2, 1..2);
            let whole = x.fft(1, Backward).slice(0, 1..2).slice(2, 1..2);
            assert!(off(&numbers(&whole), &numbers(&one.fft(1, Backward))) < bound(n), "{device}: n {n}");
            for norm in [Backward, Ortho, Forward] {
                let (there, real) = (x.fft(1, norm), x.rfft(1, norm));
                let factor = [1.0, 1.0 / (n as f64).sqrt(), 1.0 / n as f64][norm as usize];
                assert!(off(&numbers(&there), &expected.iter().map(|x| factor * x).collect::<Vec<_>>()) < bound(n));
                assert_eq!(real.shape().dims(), [3, n / 2 + 1, 2, 2, 2]);
                assert!(off(&numbers(&there.ifft(1, norm)), &numbers(&x)) < 2.0 * bound(n), "{device}: n {n} {norm:?}");
                assert!(off(&numbers(&real.irfft(Some(n), 1, norm)), &numbers(&x)) < 2.0 * bound(n), "{device}: n {n} {norm:?}");
            }
        }
        let image = random(&device, &mut g, &[2, 12, 10, 2]);
        let both = image.fft(1, Ortho).fft(2, Ortho);
        assert!(off(&numbers(&image.fft2(Ortho)), &numbers(&both)) < bound(120));
        assert!(off(&numbers(&image.fft2(Forward).ifft2(Forward)), &numbers(&image)) < 2.0 * bound(120));
        let real = image.slice(-1, ..1).squeeze(&[-1]);
        let spectrum = real.rfft2(Backward);
        assert_eq!(spectrum.shape().dims(), [2, 12, 6, 2]);
        let complex = real.complex(&real.full_like(0.0)).fft2(Backward).slice(2, ..6);
        assert!(off(&numbers(&spectrum), &numbers(&complex)) < bound(120));
        assert!(off(&numbers(&spectrum.irfft2(None, Backward)), &numbers(&real)) < 2.0 * bound(120));
        let odd = real.slice(2, ..9);
        assert!(off(&numbers(&odd.rfft2(Ortho).irfft2(Some(9), Ortho)), &numbers(&odd)) < 2.0 * bound(108));
        assert_eq!(device.zeros([0, 8, 2]).fft(1, Backward).to_vec::<f32>().unwrap().len(), 0);
    }
}

#[test]
fn what_holds_of_transforms() {
    for device in common::devices("laws of transforms") {
        let mut g = Gen::new(3);
        for n in [1, 2, 5, 60, 180, 331] {
            let (x, y) = (random(&device, &mut g, &[2, n, 2]), random(&device, &mut g, &[2, n, 2]));
            let (fx, fy) = (x.fft(1, Ortho), y.fft(1, Ortho));
            // Parseval.
            let lengths = [&x, &fx].map(|x| norm(numbers(x).into_iter()));
            assert!((lengths[0] - lengths[1]).abs() < 1e-5 * lengths[0], "{device}: n {n}");
            // Linear.
            let sum = x.mul_scalar(2.0).sub(&y).fft(1, Ortho);
            assert!(off(&numbers(&sum), &numbers(&fx.mul_scalar(2.0).sub(&fy))) < 2.0 * bound(n) + 1e-6, "{device}: n {n}");
            // ⟨F x, y⟩ = ⟨x, F* y⟩: the gradient is the inverse transform.
            let gradient = fx.mul(&y).sum(&[]).backward().wrt(&x).unwrap().clone();
            assert!(off(&numbers(&gradient), &numbers(&y.ifft(1, Ortho))) < 2.0 * bound(n) + 1e-6, "{device}: n {n}");
            // A product of spectra is a circular convolution: here a shift by one.
            let shift: Vec<f32> = (0..2 * n).map(|i| f32::from(u8::from(i == 2 % (2 * n)))).collect();
            let shift = device.tensor(&shift, [n, 2]).fft(0, Backward);
            let moved = x.fft(1, Backward).complex_mul(&shift).ifft(1, Backward);
            assert!(off(&numbers(&moved), &numbers(&x.roll(1, 1))) < 3.0 * bound(n) + 1e-6, "{device}: n {n}");
        }
        // Products rounded to halves are products of the program's, not these.
        device.set_precision(Precision::Half);
        let x = random(&device, &mut g, &[100, 2]);
        let expected: Vec<f64> = (0..100).flat_map(|k| frequency(&numbers(&x), k, -1.0)).collect();
        assert!(off(&numbers(&x.fft(0, Backward)), &expected) < bound(100), "{device}");
    }
}

#[test]
fn gradients_by_central_differences() {
    let device = Device::cpu();
    let mut g = Gen::new(4);
    type Function = fn(&[Tensor]) -> Tensor;
    let functions: [(&str, Function); 6] = [
        ("power spectrum", |x| x[0].fft(0, Backward).complex_abs().square().log1p().sum(&[])),
        ("inverse", |x| x[0].ifft(0, Ortho).square().square().sum(&[])),
        ("real", |x| x[0].slice(-1, ..1).squeeze(&[-1]).rfft(0, Forward).complex_abs().sum(&[])),
        ("half", |x| x[0].irfft(None, 0, Ortho).exp().sum(&[])),
        ("odd half", |x| x[0].irfft(Some(2 * x[0].shape().dims()[0] - 1), 0, Ortho).exp().sum(&[])),
        ("product", |x| x[0].fft(0, Ortho).complex_mul(&x[0].complex_conj()).square().sum(&[])),
    ];
    for n in [2, 7, 132, 263] {
        let x = [random(&device, &mut g, &[n, 2])];
        for (name, f) in functions {
            let check = grad_check(f, &x).unwrap();
            assert!(check.passed(), "{name}, n {n}:\n{check}");
        }
    }
    let x = [random(&device, &mut g, &[66, 2])];
    let second = grad_check(
        |x| {
            let loss = x[0].fft(0, Backward).square().square().sum(&[]);
            loss.mul_scalar(1e-6).backward().wrt(&x[0]).unwrap().square().sum(&[])
        },
        &x,
    );
    assert!(second.as_ref().unwrap().passed(), "{}", second.unwrap());
}

#[test]
fn shifts_frequencies_and_complex_numbers() {
    for device in common::devices("complex numbers") {
        assert_eq!(device.fftfreq(5, 0.5).to_vec::<f32>().unwrap(), [0.0, 0.4, 0.8, -0.8, -0.4]);
        assert_eq!(device.fftfreq(4, 1.0).to_vec::<f32>().unwrap(), [0.0, 0.25, -0.5, -0.25]);
        assert_eq!(device.fftfreq(1, 1.0).to_vec::<f32>().unwrap(), [0.0]);
        assert_eq!(device.rfftfreq(5, 1.0).to_vec::<f32>().unwrap(), [0.0, 0.2, 0.4]);
        assert_eq!(device.rfftfreq(4, 0.5).to_vec::<f32>().unwrap(), [0.0, 0.5, 1.0]);
        for n in [1, 4, 5] {
            let x = device.fftfreq(n, 1.0);
            let shifted = x.fftshift(&[0]);
            assert!(shifted.to_vec::<f32>().unwrap().is_sorted(), "{device}: n {n}");
            assert_eq!(shifted.ifftshift(&[0]).to_vec::<f32>().unwrap(), x.to_vec::<f32>().unwrap());
        }
        let x = device.tensor(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]);
        assert_eq!(x.fftshift(&[0, -1]).to_vec::<f32>().unwrap(), [6.0, 4.0, 5.0, 3.0, 1.0, 2.0]);
        let z = device.parameter(&[3.0, -4.0, 0.0, 0.0, 1.0, 1.0], [3, 2]);
        assert_eq!(z.complex_re().to_vec::<f32>().unwrap(), [3.0, 0.0, 1.0]);
        assert_eq!(z.complex_im().to_vec::<f32>().unwrap(), [-4.0, 0.0, 1.0]);
        assert_eq!(z.complex_conj().to_vec::<f32>().unwrap(), [3.0, 4.0, 0.0, 0.0, 1.0, -1.0]);
        assert_eq!(z.complex_abs().slice(0, ..2).to_vec::<f32>().unwrap(), [5.0, 0.0]);
        let slope = z.complex_abs().sum(&[]).backward().wrt(&z).unwrap().to_vec::<f32>().unwrap();
        assert!(slope.iter().zip([0.6, -0.8, 0.0, 0.0]).all(|(x, y)| (x - y).abs() < 1e-6), "{slope:?}");
        assert_eq!(z.complex_mul(&z.complex_conj()).to_vec::<f32>().unwrap(), [25.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
        let angles = device.tensor(&[0.0, 2.0, -1.0, 0.0, 1.0, -1.0], [3, 2]).complex_angle().to_vec::<f32>().unwrap();
        assert!(angles.iter().zip([0.5, 1.0, -0.25]).all(|(x, y)| (f64::from(*x) - y * PI).abs() < 1e-6), "{angles:?}");
        let again = z.complex_re().complex(&z.complex_im());
        assert_eq!(again.to_vec::<f32>().unwrap(), z.to_vec::<f32>().unwrap());
        let i = device.tensor(&[0.0, 1.0], 2);
        assert_eq!(z.complex_mul(&i).to_vec::<f32>().unwrap(), [4.0, 3.0, 0.0, 0.0, -1.0, 1.0]);
    }
}

#[test]
fn what_is_no_transform_is_refused_by_name() {
    let device = Device::cpu();
    let (z, x, none) = (device.zeros([3, 4, 2]), device.zeros([3, 4]), device.zeros([3, 0, 2]));
    let whole = device.tensor(&[1u32; 8], [4, 2]);
    let refused = |made: Tensor, name: &str| match made.check() {
        Err(Error::Op { op, at, error }) => {
            assert!(op == name && at.file().ends_with("fft.rs"), "{name}: {op} at {at}: {error}");
            error
        }
        other => panic!("{name}: {other:?}"),
    };
    type Call = fn(&Tensor, isize) -> Tensor;
    let calls: [(&str, Call); 3] =
        [("fft", |z, a| z.fft(a, Backward)), ("ifft", |z, a| z.ifft(a, Ortho)), ("irfft", |z, a| z.irfft(None, a, Backward))];
    for (name, call) in calls {
        assert!(matches!(refused(call(&z, 2), name), OpError::Value(_)), "the pair");
        assert!(matches!(refused(call(&z, -1), name), OpError::Value(_)), "the pair");
        assert!(matches!(refused(call(&z, 3), name), OpError::Axis { axis: 3, .. }));
        assert!(matches!(refused(call(&x, 0), name), OpError::Shape(_)), "no pairs");
        assert!(matches!(refused(call(&none, 1), name), OpError::Shape(_)), "no elements");
        assert!(matches!(refused(call(&whole, 0), name), OpError::DType(_)));
    }
    assert!(matches!(refused(x.rfft(2, Backward), "rfft"), OpError::Axis { .. }));
    assert!(matches!(refused(none.rfft(1, Backward), "rfft"), OpError::Shape(_)));
    assert!(matches!(refused(whole.rfft(0, Backward), "rfft"), OpError::DType(_)));
    assert!(matches!(refused(device.zeros([1; 8]).rfft(0, Backward), "rfft"), OpError::Shape(_)));
    for n in [0, 5, 8, 100] {
        assert!(matches!(refused(z.irfft(Some(n), 1, Backward), "irfft"), OpError::Value(_)), "{n}");
    }
    assert!(matches!(refused(device.zeros([1, 2]).irfft(None, 0, Backward), "irfft"), OpError::Value(_)));
    assert!(matches!(refused(x.fft2(Backward), "fft2"), OpError::Shape(_)));
    assert!(matches!(refused(device.zeros([4, 2]).fft2(Backward), "fft2"), OpError::Axis { .. }));
    assert!(matches!(refused(device.zeros(4).rfft2(Backward), "rfft2"), OpError::Axis { .. }));
    assert!(matches!(refused(z.irfft2(Some(3), Backward), "irfft2"), OpError::Value(_)));
    assert!(matches!(refused(x.fftshift(&[2]), "fftshift"), OpError::Axis { .. }));
    assert!(matches!(refused(x.complex_mul(&z), "complex_mul"), OpError::Shape(_)));
    assert!(matches!(refused(z.complex_mul(&x), "complex_mul"), OpError::Shape(_)));
    assert!(matches!(refused(x.complex_abs(), "complex_abs"), OpError::Shape(_)));
    assert!(matches!(refused(x.complex_angle(), "complex_angle"), OpError::Shape(_)));
    assert!(matches!(refused(x.complex(&z), "complex"), OpError::Shape(_)));
}
