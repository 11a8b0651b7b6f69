//! Fusion: elementwise ops behind a kernel give what they give in kernels of their own, and no more dispatches than promised.
#![allow(clippy::unwrap_used)]

mod common;

use steepest::graph::op::{DType, Lowering, Spec, Stage};
use steepest::graph::record_shared;
use steepest::ops::case::Case;
use steepest::plan::Switches;
use steepest::{Device, Tensor, verify};

/// Into how many shares the cases are divided among the variants of a GPU's kernels.
const SHARES: usize = 7;

/// The inputs of a case on a device.
fn inputs(device: &Device, case: &Case) -> Vec<Tensor> {
    let input = |input: &steepest::ops::case::Input| {
        let shape = input.array.shape;
        let integers = |x: &f64| *x as i64;
        match input.dtype {
            DType::F16 => device.tensor_f16(&input.array.data.iter().map(|&x| x as f32).collect::<Vec<_>>(), shape),
            DType::F32 => device.tensor(&input.array.data.iter().map(|&x| x as f32).collect::<Vec<_>>(), shape),
            DType::U32 => device.tensor(&input.array.data.iter().map(|x| integers(x) as u32).collect::<Vec<_>>(), shape),
            DType::I32 => device.tensor(&input.array.data.iter().map(|x| integers(x) as i32).collect::<Vec<_>>(), shape),
            DType::Bool => device.tensor(&input.array.data.iter().map(|&x| x != 0.0).collect::<Vec<_>>(), shape),
        }
    };
    case.inputs.iter().map(input).collect()
}

/// Elementwise ops that read a row, a column, the whole and scalars, by way of functions of math.wgsl.
fn tail(y: &Tensor) -> Tensor {
    let (device, shape) = (y.device(), y.shape());
    let given = |dims: &[usize], f: fn(usize) -> f32| {
        let n = dims.iter().product();
        device.tensor(&(0..n).map(f).collect::<Vec<_>>(), dims)
    };
    let dims = shape.dims();
    let whole = given(dims, |i| (i % 7) as f32 / 4.0 - 0.6);
    if dims.is_empty() {
        return (y * 0.5 + &whole).tanh();
    }
    let last = dims.len() - 1;
    let row = given(&dims[last..], |i| 0.3 + (i % 5) as f32 / 8.0);
    let mut first = vec![1; dims.len()];
    first[0] = dims[0];
    let column = given(&first, |i| (i % 3) as f32 / 2.0 - 0.4);
    // The reversed axis is read backwards, and the result goes through a NaN-aware function.
    ((y * 0.125 + &row).tanh() * &whole.flip(&[last as isize]) + &column).relu()
}

/// Values of one case with its tail, and how many kernels they took.
fn run(device: &Device, case: &Case, fuse: bool) -> (usize, Vec<f32>) {
    device.set_switches(Switches { fuse, ..Switches::default() });
    let inputs = inputs(device, case);
    let y = record_shared(inputs[0].node().runner(), case.op.clone(), &inputs.iter().collect::<Vec<_>>());
    let out = tail(&y);
    drop(y);
    let values = out.to_vec::<f32>().unwrap();
    (device.last_plan().unwrap().dispatches.len(), values)
}

/// The last kernel of these ops takes what comes behind it.
fn takes(case: &Case) -> bool {
    let specs: Vec<Spec> = case.inputs.iter().map(|i| Spec::new(i.array.shape, i.dtype)).collect();
    let output = case.op.infer(&specs).unwrap();
    match case.op.lower(&specs, &output) {
        Lowering::Stages { stages, .. } => {
            let takes = |stage: &Stage| stage.kernel.variants.iter().all(|v| steepest::shaders::takes_epilogue(v.shader));
            output.dtype == DType::F32 && output.shape.numel() > 0 && stages.last().is_some_and(takes)
        }
        _ => false,
    }
}

#[test]
fn an_epilogue_gives_what_kernels_of_their_own_give() {
    // Every case on the CPU; on a GPU, where each shader is compiled, every variant has some of them.
    let mut devices: Vec<(String, Device, Option<usize>)> = vec![("cpu".to_owned(), Device::cpu(), None)];
    for variant in 0..SHARES - 1 {
        let Some(device) = common::gpu("epilogues") else { break };
        device.force_variant(Some(variant));
        devices.push((format!("variant {variant}"), device, Some(variant)));
    }
    devices.extend(common::minimal_gpu("epilogues").map(|d| ("minimal limits".to_owned(), d, Some(SHARES - 1))));
    let cases: Vec<Case> = verify::cases("").into_iter().map(|(_, case)| case).filter(takes).collect();
    let mut ops: Vec<&str> = cases.iter().map(|c| c.op.name()).collect();
    ops.sort_unstable();
    ops.dedup();
    for op in ["matmul", "conv2d", "sum", "max", "cross_entropy_grad"] {
        assert!(ops.contains(&op), "{op} takes no epilogue: {ops:?}");
    }
    for (name, device, share) in &devices {
        let mut compared = 0;
        for (_, case) in cases.iter().enumerate().filter(|(i, _)| share.is_none_or(|share| i % (4 * SHARES) == share)) {
            let (many, expected) = run(device, case, false);
            let (few, found) = run(device, case, true);
            // Five or six pointwise calls, and not one dispatch for them.
            assert!(many >= few + 2, "{:?} ({}) on {name}: {many} and {few} dispatches", case.op, case.label);
            for (i, (a, b)) in expected.iter().zip(&found).enumerate() {
                // A compiler may contract a product and a sum in one form and not in the other.
                let same = a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-6;
                assert!(same, "{:?} ({}) on {name} at {i}: {a} in kernels of their own, {b} fused", case.op, case.label);
                compared += 1;
            }
        }
        println!("{name}: {compared} elements of {ops:?}");
        device.set_switches(Switches::default());
    }
}

/// Sizes that several threads share, in parts that do not come out even: each part is finished once, with the elements that belong to it.
#[test]
fn what_threads_finish_themselves_is_what_is_finished_behind_them() {
    let device = Device::cpu();
    let number = |i: usize| ((i * 7919 + 13) % 1013) as f32 / 1013.0 - 0.5;
    let given = |dims: &[usize]| device.parameter(&(0..dims.iter().product()).map(number).collect::<Vec<_>>(), dims);
    let entropy = |rows: usize, classes: usize| {
        let labels: Vec<u32> = (0..rows).map(|r| (r * 31 % classes) as u32).collect();
        let x = given(&[rows, classes]);
        // The mean's gradient is a constant worked out of constants; what follows is another number for every element.
        let gradient = x.cross_entropy(&device.tensor(&labels, rows)).backward().wrt(&x).unwrap();
        gradient * given(&[rows, classes]).detach()
    };
    let product = |m: usize, k: usize, n: usize| given(&[m, k]).matmul(&given(&[k, n])) + given(&[n]) * given(&[m, n]);
    let image = || {
        let y = given(&[5, 3, 20, 20]).conv2d(&given(&[7, 3, 3, 3]), None, steepest::ConvOptions::new().padding(1));
        y + given(&[7, 1, 1]) * given(&[5, 7, 20, 20])
    };
    let constants = |n: usize| given(&[n]) * (device.full((), 3.0) * 0.5).exp().expand(n);
    let values = |fuse: bool| {
        device.set_switches(Switches { fuse, ..Switches::default() });
        let all = [
            entropy(3001, 10),
            entropy(1003, 63),
            entropy(33, 1000),
            product(301, 150, 203),
            product(1, 300, 500),
            product(700, 90, 1),
            image(),
            constants(1025),
            constants(100_003),
        ];
        all.map(|tensor| tensor.to_vec::<f32>().unwrap())
    };
    for (i, (expected, found)) in values(false).iter().zip(&values(true)).enumerate() {
        let same = expected.iter().zip(found).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same && expected.len() == found.len() && expected.iter().any(|x| *x != 0.0), "number {i}");
    }
}
