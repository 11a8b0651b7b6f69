//! Fusion: elementwise ops behind a kernel give what they give in kernels of their own, and no more dispatches than promised.
#![allow(clippy::unwrap_used)]

use crate::common;
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
    let y = record_shared(inputs[0].node().backend(), case.op.clone(), &inputs.iter().collect::<Vec<_>>());
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

/// Values of a program under one set of switches, with what else is held while it runs.
type Held = (Tensor, Vec<Tensor>);

/// Programs in which a constant is read in another shape, and something on the way to it is held.
fn constants(device: &Device, hold: bool) -> Vec<(&'static str, Tensor, Vec<Tensor>)> {
    let given = |dims: &[usize]| {
        let n = dims.iter().product();
        device.tensor(&(0..n).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect::<Vec<_>>(), dims)
    };
    let x = given(&[32, 16]);
    let keep = |held: Vec<Tensor>| if hold { held } else { vec![] };
    let mut all: Vec<(&'static str, Held)> = vec![];
    let v = device.ones(16);
    all.push(("a row times a number", (&x + &v * 2.0, keep(vec![v]))));
    let v = device.full(16, 0.3);
    all.push(("one less a row", (&x * (1.0 - &v), keep(vec![v]))));
    let v = device.full([32, 1], 0.3);
    all.push(("a column", (&x * (v.exp() + 0.5), keep(vec![v]))));
    let v = device.full((), 0.7);
    all.push(("a number", (&x + v.tanh().square(), keep(vec![v]))));
    let v = device.ones(8);
    all.push(("behind a product", (x.matmul(&given(&[16, 8])) + &v * 2.0, keep(vec![v]))));
    let v = device.full(16, 0.25);
    all.push(("behind a sum", (x.sum(&[0]) * (&v + 1.0).unsqueeze(0), keep(vec![v]))));
    let v = device.full(16, 0.25);
    let middle = v.exp();
    all.push(("held half way", (&x + middle.sqrt(), keep(vec![middle]))));
    // An alias recorded after what reads the constant.
    let v = device.full(16, 0.25);
    let sum = &x + &v * 3.0;
    all.push(("an alias held later", (sum, keep(vec![v.reshape([4, 4])]))));
    let v = device.full([4, 4], 0.25).reshape([16]);
    all.push(("an alias on the way", (&x + &v * 3.0, keep(vec![v]))));
    let v = device.full(4, 0.5).unsqueeze(1).expand([4, 4]);
    all.push(("a view on the way", (x.reshape([32, 4, 4]) + v.exp().transpose(0, 1) * 2.0, keep(vec![v]))));
    let v = device.full(16, 0.5);
    all.push(("a choice", (v.lt_scalar(0.6).where_(&(&x * 2.0), &x), keep(vec![v]))));
    // More calls, and more numbers, than one kernel takes.
    let mut long = device.full(16, 0.5);
    let mut held = vec![];
    for k in 0..45 {
        long = if k % 2 == 0 { long * 1.01 } else { long + 0.01 };
        if k % 9 == 0 {
            held.push(long.clone());
        }
    }
    all.push(("a long chain", (&x + &long, keep(held))));
    let mut long = device.full(16, 0.5);
    for _ in 0..40 {
        long = long.square() + 0.25;
    }
    all.push(("a long chain, nothing held", (&x * (long + 1.0), vec![])));
    let clamped = (0..20).fold(device.full(16, 0.5), |v, k| v.clamp(0.1, 0.2 + 0.01 * f64::from(k)));
    all.push(("many numbers", (&x + clamped, vec![])));
    all.into_iter().map(|(name, (tensor, held))| (name, tensor, held)).collect()
}

/// A constant that is held is memory: what is computed from it may not be computed where it is read in another shape.
#[test]
fn constants_are_the_same_whatever_is_held() {
    for device in common::devices("constants") {
        device.set_guarded(true);
        for hold in [false, true] {
            // Recorded once for the definition, and once for each run.
            for (name, tensor, held) in constants(&device, hold) {
                let truth = steepest::reference::evaluate(&[&tensor], &Default::default()).unwrap();
                for switches in Switches::all() {
                    device.set_switches(switches);
                    let (_, again, kept) = constants(&device, hold).into_iter().find(|(n, ..)| *n == name).unwrap();
                    for (i, (found, expected)) in again.to_vec::<f32>().unwrap().iter().zip(&truth[0].data).enumerate() {
                        let error = (f64::from(*found) - expected).abs();
                        assert!(
                            error <= 1e-5 * (1.0 + expected.abs()),
                            "{device} {switches:?}, {name}, held: {hold}: [{i}] is {found}, {expected}"
                        );
                    }
                    drop(kept);
                }
                device.set_switches(Switches::default());
                drop(held);
            }
        }
    }
}

/// A Hessian times ones that are held: the program in which a held constant was first seen to give wrong numbers.
#[test]
fn hessian_vector_products_take_held_constants() {
    for device in common::devices("products with the Hessian") {
        let p = device.parameter(&(0..12).map(|i| 0.1 * i as f32).collect::<Vec<_>>(), [3, 4]);
        let ones = p.full_like(1.0);
        let loss = (p.square() * &p).sum(&[]);
        let found = loss.hessian_vector_product(&[&p], &[&ones]).unwrap();
        for (i, x) in found[0].to_vec::<f32>().unwrap().iter().enumerate() {
            assert!((x - 0.6 * i as f32).abs() < 1e-5, "{device}: [{i}] is {x}");
        }
        assert_eq!(ones.to_vec::<f32>().unwrap(), [1.0; 12]);
    }
}

/// Programs whose intermediate values are held or not: outputs, what may be held, and whether every call is one of elements.
fn chains(device: &Device) -> Vec<(&'static str, Tensor, Vec<Tensor>, bool)> {
    let given = |dims: &[usize]| {
        let n = dims.iter().product();
        device.tensor(&(0..n).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect::<Vec<_>>(), dims)
    };
    let x = given(&[6, 6]);
    let mut all = vec![];
    let a = x.exp();
    let b = &a * 2.0;
    all.push(("a chain", b.tanh(), vec![a, b], true));
    let a = &x + &given(&[6]);
    let b = a.sigmoid();
    all.push(("a branch", &b * &a + b.square(), vec![a, b], true));
    let a = x.exp();
    let b = a.t();
    all.push(("a view", (&b * 2.0).tanh(), vec![a, b], true));
    let a = x.exp();
    all.push(("a value and its view", &a + &a.t(), vec![a], true));
    let a = x.exp();
    all.push(("a value in part", &a.slice(0, 1..4) * 2.0, vec![a], true));
    let a = x.exp();
    all.push(("a row of another value", a.slice(0, 1..2) * &x, vec![a], true));
    let y = x.matmul(&given(&[6, 6]));
    let b = y.relu();
    all.push(("behind a product", &b + 1.0, vec![y, b], false));
    let y = x.matmul(&given(&[6, 6]));
    all.push(("a product and its transpose", &y + y.t(), vec![y], false));
    let y = x.matmul(&given(&[6, 6]));
    all.push(("a product and itself upside down", (&y * 2.0) - y.flip(&[0]), vec![y], false));
    let y = x.matmul(&given(&[6, 6]));
    all.push(("a product's transpose alone", y.t().tanh(), vec![y], false));
    let y = x.matmul(&given(&[6, 6]));
    all.push(("a product twice", &y * &y, vec![y], false));
    let (y, z) = (x.matmul(&given(&[6, 6])), given(&[6, 6]).matmul(&x));
    all.push(("two products", (&y + &z).tanh(), vec![y, z], false));
    let y = x.sum_keepdim(&[1]);
    all.push(("a column of sums, read by all", &y * &x, vec![y], false));
    let y = x.sum(&[1]);
    let z = y.square();
    all.push(("sums that two read", &z + &y, vec![y, z], false));
    let y = x.softmax(1);
    all.push(("several kernels", (&y + 1.0).log(), vec![y], false));
    all
}

/// Whatever is held: its value is there and right, and no call of elements is computed twice, be it held or read by several.
#[test]
fn what_is_held_is_computed_once_and_is_there() {
    for device in common::devices("held values") {
        device.set_guarded(true);
        for program in 0..chains(&device).len() {
            let count = chains(&device)[program].2.len();
            for held in 0..1usize << count {
                for fuse in [true, false] {
                    device.set_switches(Switches { fuse, ..Switches::default() });
                    let (name, out, values, elementwise) = chains(&device).swap_remove(program);
                    let mut kept: Vec<Tensor> =
                        values.into_iter().enumerate().filter(|(i, _)| held >> i & 1 == 1).map(|(_, v)| v).collect();
                    kept.push(out);
                    let truth = steepest::reference::evaluate(&kept.iter().collect::<Vec<_>>(), &Default::default()).unwrap();
                    device.run([kept.last().unwrap()]).unwrap();
                    let plan = device.last_plan().unwrap();
                    let mut calls = plan.scalars.clone();
                    calls.sort_unstable();
                    calls.dedup();
                    let once = calls.len() == plan.scalars.len();
                    assert!(once || !elementwise, "{device}, {name}, held {held:b}: a call is computed twice\n{plan}");
                    for (tensor, expected) in kept.iter().zip(&truth) {
                        for (i, (found, expected)) in tensor.to_vec::<f32>().unwrap().iter().zip(&expected.data).enumerate() {
                            let error = (f64::from(*found) - expected).abs();
                            let near = error <= 1e-5 * (1.0 + expected.abs());
                            assert!(
                                near,
                                "{device}, {name}, held {held:b}, fused {fuse}: [{i}] is {found}, not {expected}\n{plan}"
                            );
                        }
                    }
                    // What was held has its value from the same run.
                    assert_eq!(device.last_plan().unwrap().to_string(), plan.to_string(), "{device}, {name}, held {held:b}");
                }
            }
        }
        device.set_switches(Switches::default());
    }
}
