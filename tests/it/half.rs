//! Half precision through the methods: what takes f16 and what refuses it, memory, gradients, plans, and a training with rounded products.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::data::{self, DataLoader};
use steepest::device::Precision;
use steepest::graph::half;
use steepest::nn::{self, Module};
use steepest::optim::{Adam, Optimizer};
use steepest::plan::Switches;
use steepest::{DType, Device, Error, Tensor, error::OpError, reference};

fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 * 2.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn rounded(x: &[f32]) -> Vec<f32> {
    x.iter().map(|&x| half::to_f32(half::from_f32(x))).collect()
}

#[test]
fn halves_are_stored_in_half_the_words_and_read_as_f32() {
    for device in common::devices("halves") {
        for count in [0, 1, 2, 7, 1000, 70_001] {
            let x = numbers(count, 1);
            let (given, computed) = (device.tensor_f16(&x, count), device.tensor(&x, count).to_f16());
            assert_eq!((given.dtype(), given.to_string_like()), (DType::F16, format!("f16[{count}]")));
            for half in [&given, &computed] {
                assert_eq!(half.to_vec::<f32>().unwrap(), rounded(&x), "{device}, {count}");
                assert_eq!(half.to_f32().to_vec::<f32>().unwrap(), rounded(&x), "{device}, {count}");
            }
            assert_eq!(given.to_f16().id(), given.id(), "nothing is recorded for what is f16 already");
            let plan = device.plan([&device.tensor_f16(&x, count).to_f32()]).unwrap();
            assert_eq!((&plan.leaves[..], &plan.outputs[..]), (&[count.div_ceil(2)][..], &[count][..]));
        }
        // A reshape that is kept has words of its own, whatever their number.
        let x = device.tensor_f16(&numbers(15, 2), [3, 5]);
        let kept = x.reshape([5, 3]);
        device.run([&kept]).unwrap();
        assert_eq!(kept.to_vec::<f32>().unwrap(), rounded(&numbers(15, 2)));
        // New numbers are rounded too.
        x.set(&[0.1f32; 15]).unwrap();
        assert_eq!(x.to_vec::<f32>().unwrap(), [0.099975586; 15]);
        assert!(x.set(&[1u32; 15]).is_err() && x.set(&[1.0f32; 14]).is_err());
        assert!(x.to_vec::<u32>().is_err());
        assert!(device.tensor_f16(&[1.0], 2).check().is_err());
    }
}

trait Spelled {
    fn to_string_like(&self) -> String;
}

impl Spelled for Tensor {
    fn to_string_like(&self) -> String {
        self.spec().unwrap().to_string()
    }
}

#[test]
fn every_other_op_refuses_halves_and_names_the_way_out() {
    let device = Device::cpu();
    let (x, y) = (device.tensor_f16(&numbers(12, 3), [3, 4]), device.tensor(&numbers(12, 4), [3, 4]));
    let index = device.tensor(&[0u32, 1, 2], 3);
    let refused: Vec<(&str, Tensor)> = vec![
        ("add", &x + &y),
        ("add behind", &y + &x),
        ("mul_scalar", &x * 2.0),
        ("relu", x.relu()),
        ("eq", x.eq(&x)),
        ("sum", x.sum(&[1])),
        ("argmax", x.argmax(1)),
        ("softmax", x.softmax(1)),
        ("cross_entropy", x.cross_entropy(&index)),
        ("slice", x.slice(0, 1..2)),
        ("expand", x.unsqueeze(0).expand([2, 3, 4])),
        ("cat", steepest::ops::cat(&[&y, &x], 0).unwrap()),
        ("sort", x.sort(1, false).0),
        ("cumsum", x.cumsum(1, false)),
        ("to_u32", x.to_u32()),
        ("where", y.gt(&y).where_(&x, &x)),
        ("dot", x.flatten().dot(&x.flatten())),
        ("an index", y.index_select(0, &x.flatten())),
        ("conv2d", x.reshape([1, 1, 3, 4]).conv2d(&y.reshape([1, 1, 3, 4]), None, steepest::ConvOptions::new())),
    ];
    for (what, tensor) in refused {
        let Err(Error::Op { error: OpError::DType(message), .. }) = tensor.check() else {
            panic!("{what}: {:?}", tensor.check())
        };
        let way_out = if what == "an index" { "to_u32()" } else { "to_f32()" };
        assert!(message.contains("f16") && message.contains(way_out), "{what}: {message}");
    }
    // What is no f32 is not rounded.
    assert!(matches!(index.to_f16().check(), Err(Error::Op { error: OpError::DType(_), .. })));
    // A parameter is not overwritten through its halves.
    assert!(x.matmul(&y).check().is_err(), "sizes still count");
}

#[test]
fn transposes_are_read_in_place_or_moved() {
    for device in common::devices("transposes of halves") {
        let (a, b) = (numbers(35, 5), numbers(45, 6));
        let (x, w) = (device.tensor_f16(&a, [7, 5]), device.tensor_f16(&b, [9, 5]));
        let y = x.matmul(&w.t());
        let plan = device.plan([&y]).unwrap();
        assert_eq!(plan.dispatches.len(), 1, "{plan}");
        let expected = device.tensor(&rounded(&a), [7, 5]).matmul(&device.tensor(&rounded(&b), [9, 5]).t());
        let close = |a: &Tensor, b: &Tensor| {
            let (a, b) = (a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
            a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6) && a.len() == b.len()
        };
        assert!(close(&y, &expected), "{device}");
        let moved = w.t();
        assert_eq!(moved.to_vec::<f32>().unwrap(), device.tensor(&rounded(&b), [9, 5]).t().to_vec::<f32>().unwrap());
        // Batches and vectors.
        let batch = x.reshape([7, 1, 5]).matmul(&w.t());
        assert!(close(&batch, &expected), "{device}");
        let row = device.tensor_f16(&a[..5], 5).matmul(&w.t());
        assert!(close(&row, &expected.slice(0, ..1).flatten()), "{device}");
    }
}

#[test]
fn gradients_pass_through_rounding_in_f32() {
    for device in common::devices("gradients through halves") {
        let (w, x) = (device.parameter(&numbers(20, 7), [5, 4]), device.tensor(&numbers(15, 8), [3, 5]));
        // The gradient of a product with rounded w is as if w had been round from the start.
        let by = |half: bool| {
            let v = if half { w.to_f16() } else { w.to_f16().to_f32().detach() };
            (x.matmul(&v).square().sum(&[]), v)
        };
        let (loss, _) = by(true);
        let gradient = loss.backward().wrt(&w).unwrap();
        assert_eq!(gradient.dtype(), DType::F32);
        let round = device.parameter(&rounded(&numbers(20, 7)), [5, 4]);
        let expected = x.matmul(&round).square().sum(&[]).backward().wrt(&round).unwrap().to_vec::<f32>().unwrap();
        for (a, b) in gradient.to_vec::<f32>().unwrap().iter().zip(&expected) {
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{device}: {a} for {b}");
        }
        // Through storage and back, straight.
        let c = device.tensor(&numbers(20, 9), [5, 4]);
        let straight = (w.to_f16().to_f32() * &c).sum(&[]).backward().wrt(&w).unwrap();
        assert_eq!(straight.to_vec::<f32>().unwrap(), numbers(20, 9));
        // A table of halves that is trained: rows that are read twice get both gradients.
        let rows = device.tensor(&[1u32, 1, 4], 3);
        let picked = w.to_f16().index_select(0, &rows);
        assert_eq!(picked.dtype(), DType::F32);
        let gradient = picked.sum(&[]).backward().wrt(&w).unwrap().to_vec::<f32>().unwrap();
        let expected: Vec<f32> = [0.0, 2.0, 0.0, 0.0, 1.0].iter().flat_map(|&n| [n; 4]).collect();
        assert_eq!(gradient, expected);
    }
}

/// Bias and activation run behind the product, with every kernel variant and every combination of switches.
#[test]
fn what_follows_a_product_of_halves_is_fused_behind_it() {
    for device in common::devices("epilogues of halves") {
        for variant in [None, Some(0), Some(1), Some(2), Some(3), Some(4), Some(5), Some(6)] {
            device.force_variant(variant);
            // Vectors and not.
            for [m, k, n] in [[36, 20, 44], [5, 7, 9]] {
                let (x, w) =
                    (device.tensor_f16(&numbers(m * k, 10), [m, k]), device.tensor(&numbers(k * n, 11), [k, n]).to_f16());
                let bias = device.tensor(&numbers(n, 12), n);
                let record = || (x.matmul(&w) + &bias).relu();
                assert_eq!(device.plan([&record()]).unwrap().dispatches.len(), 2, "to_f16 and the product");
                let truth = reference::evaluate(&[&record()], &Default::default()).unwrap().remove(0).data;
                for switches in Switches::all() {
                    device.set_switches(switches);
                    for (found, expected) in record().to_vec::<f32>().unwrap().iter().zip(&truth) {
                        assert!(
                            (f64::from(*found) - expected).abs() < 1e-5,
                            "{device} {variant:?} {switches:?}: {found} for {expected}"
                        );
                    }
                }
                device.set_switches(Switches::default());
            }
        }
    }
}

#[test]
fn precision_is_recorded() {
    for device in common::devices("precision") {
        assert_eq!(device.precision(), Precision::Full);
        let (x, w) = (device.tensor(&numbers(24, 13), [4, 6]), device.tensor(&numbers(30, 14), [5, 6]));
        let full = x.matmul(&w.t());
        device.set_precision(Precision::Half);
        assert_eq!(device.precision(), Precision::Half);
        let by_switch = x.matmul(&w.t());
        device.set_precision(Precision::Full);
        let by_hand = x.to_f16().matmul(&w.to_f16().t());
        // Switched off before the run, and rounded all the same; recorded before, and not rounded.
        let [full, by_switch, by_hand] = [full, by_switch, by_hand].map(|t| t.to_vec::<f32>().unwrap());
        assert_eq!(by_switch, by_hand, "{device}");
        assert_ne!(by_switch, full, "{device}");
        // The same loop with the switch thrown in the middle meets two plans, not one twice.
        let (_, before) = device.runs_and_misses();
        for precision in [Precision::Full, Precision::Half, Precision::Full, Precision::Half] {
            device.set_precision(precision);
            x.matmul(&w.t()).to_vec::<f32>().unwrap();
        }
        device.set_precision(Precision::Full);
        assert!(device.runs_and_misses().1 - before <= 2);
    }
}

/// A set kept on the device in half precision gives the batches of one in f32, rounded.
#[test]
fn a_resident_data_set_may_be_halves() {
    for device in common::devices("data sets of halves") {
        let set = data::digits().unwrap();
        let whole = DataLoader::new(&set, 100).shuffle(3).on_device(&device).unwrap();
        let halves = DataLoader::new(&set, 100).shuffle(3).f16().on_device(&device).unwrap();
        assert!(halves.is_resident());
        for (a, b) in whole.epoch().zip(halves.epoch()) {
            assert_eq!((b.x.dtype(), &a.rows), (DType::F32, &b.rows));
            assert_eq!(rounded(&a.x.to_vec::<f32>().unwrap()), b.x.to_vec::<f32>().unwrap(), "{device}");
            assert_eq!(a.y.to_vec::<u32>().unwrap(), b.y.to_vec::<u32>().unwrap());
        }
        let leaves = |loader: &DataLoader| device.plan([&loader.epoch().next().unwrap().x]).unwrap().leaves[0];
        assert_eq!(2 * leaves(&halves), leaves(&whole));
    }
}

/// CHECK mode knows halves: it compares every node, and finds nothing.
#[test]
fn check_mode_follows_halves() {
    for device in common::devices("CHECK of halves") {
        device.set_check(true);
        let (x, w) = (device.tensor_f16(&numbers(21, 15), [3, 7]), device.parameter(&numbers(35, 16), [5, 7]));
        let loss = x.matmul(&w.to_f16().t()).relu().sum(&[]);
        let mut opt = steepest::optim::Sgd::new(vec![w.clone()], 0.1);
        opt.step(loss.backward()).unwrap();
        let picked = x.index_select(0, &device.tensor(&[2u32], 1)).matmul(&w.t());
        assert_eq!(picked.to_vec::<f32>().unwrap().len(), 5);
        device.set_check(false);
    }
}

/// A network on real digits, with products of halves as with products of floats: f32 weights, no scaling of the loss.
#[test]
fn a_training_with_rounded_products_is_as_good() {
    for device in common::devices("training with halves") {
        let (train, test) = data::digits().unwrap().stratified_split(0.2, 1).unwrap();
        let accuracy = |precision: Precision| {
            device.set_precision(precision);
            let loader = DataLoader::new(&train, 64).shuffle(1).on_device(&device).unwrap();
            let model = nn::mlp(&device, &[64, 32, 10], 1);
            let mut opt = Adam::new(model.parameters(), 5e-3);
            for batch in (0..6).flat_map(|_| loader.epoch()) {
                opt.step(model.forward(&batch.x).cross_entropy(&batch.y).backward()).unwrap();
            }
            let x = device.tensor(test.features(), [test.len(), 64]);
            let found = model.forward(&x).argmax(1).to_vec::<u32>().unwrap();
            let steepest::data::Labels::Classes(truth, _) = test.labels() else { panic!() };
            device.set_precision(Precision::Full);
            let right = found.iter().zip(truth).filter(|(a, b)| a == b).count();
            (right as f64 / found.len() as f64, model.parameters()[0].to_vec::<f32>().unwrap())
        };
        let ((full, weights), (half, halves)) = (accuracy(Precision::Full), accuracy(Precision::Half));
        println!("{device}: {full:.4} in f32, {half:.4} with products of halves");
        assert!(full > 0.92 && half > full - 0.01, "{device}: {half} with halves, {full} without");
        assert_ne!(weights, halves, "something was rounded");
        assert_ne!(halves, rounded(&halves), "weights stay f32");
    }
}
