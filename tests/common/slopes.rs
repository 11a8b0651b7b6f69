//! Compositions of ops checked whole: values on every device and gradients against central differences, both with the f64 reference.
#![allow(dead_code, clippy::unwrap_used)]

use steepest::graph::{Array, DType};
use steepest::reference::{Overrides, evaluate};
use steepest::{Device, Tensor};

/// A tensor's numbers by the reference.
pub fn reference(tensor: &Tensor) -> Vec<f64> {
    evaluate(&[tensor], &Overrides::new()).unwrap().remove(0).data
}

/// A tensor's numbers on its device, after comparing them with the reference: relative to the largest of them.
pub fn agreed(tensor: &Tensor) -> Vec<f64> {
    let expected = reference(tensor);
    let found: Vec<f64> = match tensor.dtype() {
        DType::F32 | DType::F16 => tensor.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect(),
        DType::U32 => tensor.to_vec::<u32>().unwrap().into_iter().map(f64::from).collect(),
        DType::I32 => tensor.to_vec::<i32>().unwrap().into_iter().map(f64::from).collect(),
        DType::Bool => tensor.to_vec::<bool>().unwrap().into_iter().map(|b| f64::from(u8::from(b))).collect(),
    };
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().filter(|x| x.is_finite()).fold(1.0f64, |m, x| m.max(x.abs()));
    for (i, (f, e)) in found.iter().zip(&expected).enumerate() {
        let same = f == e || (f.is_nan() && e.is_nan()) || (f - e).abs() <= 2e-6 * scale;
        assert!(same, "{tensor:?}: element {i} is {f}, {e} on the reference");
    }
    found
}

/// Small numbers that are exact in f32, different for each seed.
pub fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mixed = |i: u32| (i ^ seed.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b).rotate_left(13).wrapping_mul(0xc2b2_ae35);
    (0..count as u32).map(|i| (mixed(i) >> 20) as f32 / 1024.0 - 2.0).collect()
}

/// A parameter with [`numbers`].
pub fn parameter(device: &Device, dims: &[usize], seed: u32) -> Tensor {
    device.parameter(&numbers(dims.iter().product(), seed), dims.to_vec())
}

/// The gradient of Σ cotangent · `output` by each parameter, on the reference, against central differences of the reference.
pub fn check_gradient(what: &str, parameters: &[&Tensor], output: &Tensor) {
    let cotangent = output.device().tensor(&numbers(output.shape().numel(), 77), output.shape());
    let loss = (output * &cotangent).sum(&[]);
    let gradients = output.backward_with(&cotangent);
    let value = |given: &Overrides| evaluate(&[&loss], given).unwrap()[0].data[0];
    for (number, parameter) in parameters.iter().enumerate() {
        let shape = parameter.shape();
        let x = reference(parameter);
        let found = gradients.get(parameter).unwrap().map_or(vec![0.0; x.len()], reference);
        for i in 0..x.len() {
            let moved = |h: f64| {
                let mut data = x.clone();
                data[i] += h;
                value(&Overrides::from([(parameter.id(), Array::new(shape, data))]))
            };
            let slope = |h: f64| (moved(h) - moved(-h)) / (2.0 * h);
            let expected = (4.0 * slope(1e-4) - slope(2e-4)) / 3.0;
            let error = (found[i] - expected).abs();
            assert!(error <= 1e-6 * (1.0 + expected.abs()), "{what}: slope by {number}[{i}] is {}, not {expected}", found[i]);
        }
    }
}
