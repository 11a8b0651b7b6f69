//! Gradients where something is missing: of sums of gradients, by direction and by sample, where a parameter is cut off, unused or given twice.
#![allow(clippy::unwrap_used)]

use crate::common;
use common::slopes::{numbers, parameter};
use steepest::error::OpError;
use steepest::graph::op::{Array, GradCtx, Lowering, Op, Spec};
use steepest::graph::{Io, Kernel, Missing, Params, record};
use steepest::nn::{self, *};
use steepest::optim::{Accumulator, Optimizer, Sgd};
use steepest::{Device, Error, Tensor, jvp, no_grad, sequential};

fn floats(x: &Tensor) -> Vec<f32> {
    x.to_vec().unwrap()
}

/// Its input, for which it has no gradient.
#[derive(Clone, Debug)]
struct NoSlope;

impl Op for NoSlope {
    fn name(&self) -> &'static str {
        "no_slope"
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0])
    }
    fn lower(&self, _: &[Spec], _: &Spec) -> Lowering {
        let native = |io: &mut Io<'_>| {
            let x = io.read(0);
            io.write(0).copy_from_slice(x);
        };
        Lowering::kernel(Kernel::new("no_slope", Params::new(), vec![]).with_native(native), 1)
    }
    fn reference(&self, inputs: &[&Array], _: &Spec) -> Array {
        inputs[0].clone()
    }
    fn grad(&self, _: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![None]
    }
}

#[track_caller]
fn disconnected(error: Error) {
    assert!(matches!(&error, Error::Op { error: OpError::Disconnected(_), .. }), "{error}");
}

#[test]
fn a_sum_of_gradients_allows_and_computes_what_both_of_them_do() {
    for device in common::devices("sums of gradients") {
        let make = || (parameter(&device, &[3], 1), parameter(&device, &[3], 2));
        // The second of the parameters is cut off, in both losses.
        let loss = |w: &Tensor, v: &Tensor, by: f64| (w * v.detach() * by).sum(&[]);
        for (first, second) in [(false, false), (true, false), (false, true), (true, true)] {
            let (w, v) = make();
            let gradients = |lenient: bool, by: f64| {
                let gradients = loss(&w, &v, by).backward();
                if lenient { gradients.allow_severed() } else { gradients }
            };
            let mut sum = gradients(first, 1.0);
            sum += gradients(second, 2.0);
            let (before, slope) = (floats(&w), floats(&v));
            let stepped = Sgd::new([w.clone(), v.clone()], 0.5).step(sum);
            if first && second {
                stepped.unwrap();
                for ((now, before), slope) in floats(&w).iter().zip(before).zip(slope) {
                    assert!((now - (before - 1.5 * slope)).abs() < 1e-6, "{device}");
                }
            } else {
                // One that does not allow it does not, with whatever it is added up.
                disconnected(stepped.unwrap_err());
                assert_eq!(floats(&w), before);
            }
        }
        // What is to be computed with a step, of each of them; afterwards its history is gone.
        let (w, v) = make();
        let [a, b, c] = [1.0, 2.0, 3.0].map(|by| (&w * by).exp());
        let parts = [a.sum(&[]).backward().and_run(&[&a]), b.sum(&[]).backward().and_run(&[&b, &c]), v.sum(&[]).backward()];
        let sum = parts.into_iter().reduce(|sum, part| sum + part).unwrap();
        Sgd::new([w.clone(), v.clone()], 0.1).step(sum).unwrap();
        for (i, value) in [&a, &b, &c].into_iter().enumerate() {
            assert!(value.to_vec::<f32>().is_ok(), "{device}: value {i}");
        }
    }
}

/// Whichever comes first: losses of some of the parameters each, so that none has them all and in order.
#[test]
fn gradients_are_added_up_in_any_order() {
    let device = Device::cpu();
    let p: Vec<Tensor> = (1..=4).map(|seed| parameter(&device, &[2], seed)).collect();
    let of = [vec![0, 1], vec![1, 2], vec![3], vec![0], vec![2, 3]];
    let loss = |k: usize| of[k].iter().map(|&i| (&p[i] * (k + 1) as f64).sum(&[])).reduce(|sum, x| sum + x).unwrap();
    let expected: Vec<f32> = (0..4).map(|i| (0..5).filter(|&k| of[k].contains(&i)).map(|k| (k + 1) as f32).sum()).collect();
    for first in 0..5 {
        for step in [1, 2, 3, 4] {
            // Every loss once.
            let order: Vec<usize> = (0..5).map(|i| (first + i * step) % 5).collect();
            let sum = order.iter().map(|&k| loss(k).backward()).reduce(|sum, one| sum + one).unwrap();
            for (p, expected) in p.iter().zip(&expected) {
                assert_eq!(floats(&sum.wrt(p).unwrap()), [*expected; 2], "{order:?}");
            }
            assert_eq!(sum.iter().unwrap().count(), 4, "{order:?}");
        }
    }
}

/// What was watched is of one call backward; of several that an accumulator has taken there is no gradient by it, rather than the last one's.
#[test]
fn what_an_accumulator_adds_up_is_by_parameters() {
    let device = Device::cpu();
    let (w, x) = (parameter(&device, &[2], 1), device.tensor(&[1.0, 2.0], 2).watch());
    let mut sums = Accumulator::sum();
    for by in [1.0, 2.0] {
        sums.add((&w * &x * by).sum(&[]).backward()).unwrap();
    }
    let gradients = sums.take().unwrap();
    assert_eq!(floats(&gradients.wrt(&w).unwrap()), [3.0, 6.0]);
    assert!(gradients.get(&x).unwrap().is_none());
}

/// In a block without gradients what is watched begins a new history, also of what was recorded before the block.
#[test]
fn nothing_flows_past_what_is_watched_without_gradients() {
    for device in common::devices("watched without gradients") {
        let w = parameter(&device, &[2], 1);
        let y = w.square();
        let ended = no_grad(|| y.watch());
        let gradients = (&ended * 3.0).sum(&[]).backward();
        assert_eq!(floats(&gradients.wrt(&ended).unwrap()), [3.0; 2]);
        assert!(gradients.get(&w).unwrap().is_none());
        let goes_on = y.watch();
        assert!((&goes_on * 3.0).sum(&[]).backward().get(&w).unwrap().is_some());
    }
}

/// Why a parameter has no gradient is known of each part of a sum, in either order.
#[test]
fn a_sum_of_gradients_knows_what_cut_a_parameter_off_in_any_of_them() {
    let device = Device::cpu();
    let (w, v) = (parameter(&device, &[3], 1), parameter(&device, &[3], 2));
    let good = || (&w * 2.0).sum(&[]).backward();
    let cut = || (record(NoSlope, &[&v]) * &w).sum(&[]).backward();
    for sum in [cut() + good(), good() + cut(), good() + good() + cut(), cut()] {
        let missing = sum.missing(&v).unwrap();
        let Some(Missing::Disconnected(Error::Op { op: "no_slope", .. })) = missing else { panic!("{missing:?}") };
        assert!(sum.missing(&w).unwrap().is_none());
    }
    // Where one of them reaches it, it has a gradient.
    let sum = cut() + (&v * 3.0).sum(&[]).backward();
    assert_eq!(floats(&sum.wrt(&v).unwrap()), [3.0; 3]);
}

#[test]
fn a_direction_that_is_cut_off_is_an_error_and_no_zero() {
    let device = Device::cpu();
    let (x, v) = (device.tensor(&[1.0, 2.0], 2), device.tensor(&[3.0, 5.0], 2));
    let along = |f: fn(&[Tensor]) -> Tensor| jvp(|x| vec![f(x)], &[&x, &x], &[&v, &v]).map(|(_, slopes)| floats(&slopes[0]));
    assert_eq!(along(|x| &x[0] * &x[1]).unwrap(), [6.0, 20.0]);
    assert_eq!(along(|x| &x[1] * 2.0).unwrap(), [6.0, 10.0]);
    disconnected(along(|x| &x[0] * x[1].detach()).unwrap_err());
    disconnected(along(|x| x[0].detach() + x[1].detach()).unwrap_err());
    // A vector of another shape or type, for each of the inputs.
    for wrong in [device.ones([1, 2]), device.scalar(1.0), device.tensor(&[1i32, 2], 2)] {
        for vectors in [[&wrong, &v], [&v, &wrong]] {
            let error = jvp(|x| vec![&x[0] * &x[1]], &[&x, &x], &vectors).unwrap_err();
            assert!(matches!(error, Error::Op { op: "jacobian_vector_product", error: OpError::Shape(_), .. }), "{error}");
        }
    }
}

#[test]
fn by_sample_as_in_a_batch_what_is_cut_off_is_an_error() {
    let device = Device::cpu();
    let model = sequential![Linear::new(&device, 2, 3, 1), Linear::new(&device, 3, 2, 2)];
    let x = device.tensor(&numbers(8, 1), [4, 2]);
    let layers = model.layers();
    let cut = |sample: &[Tensor]| layers[1].forward(&layers[0].forward(&sample[0]).detach()).square().sum(&[]);
    disconnected(nn::per_sample_gradients(&model, &[&x], cut).unwrap_err());
    // The sum over samples is the gradient of the sum: nothing is averaged.
    let loss = |x: &Tensor| model.forward(x).square().sum(&[]);
    let each = nn::per_sample_gradients(&model, &[&x], |sample| loss(&sample[0])).unwrap();
    let together = loss(&x).backward();
    for ((name, all), (_, parameter)) in each.iter().zip(model.named_parameters()) {
        let (sum, whole) = (floats(&all.sum(&[0])), floats(&together.wrt(&parameter).unwrap()));
        assert!(sum.iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-4 * (1.0 + b.abs())), "{name}: {sum:?} {whole:?}");
    }
    // A weight that two layers share has the gradients of both uses, once.
    let first = Linear::new(&device, 2, 2, 1);
    let again = Linear::from_parameters(first.weight().clone(), None).unwrap();
    let tied = sequential![first, again];
    let loss = |x: &Tensor| tied.forward(x).square().sum(&[]);
    let each = nn::per_sample_gradients(&tied, &[&x], |sample| loss(&sample[0])).unwrap();
    assert_eq!(each.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["0.weight", "0.bias"]);
    let whole = floats(&loss(&x).backward().wrt(&tied.parameters()[0]).unwrap());
    assert!(floats(&each[0].1.sum(&[0])).iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-4 * (1.0 + b.abs())));
}

/// As many samples as there are elements along an axis: what is broadcast by samples must not be taken for it.
#[test]
fn samples_are_no_axis_of_what_is_broadcast() {
    struct Weights([Tensor; 2]);
    impl Module for Weights {
        fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
            visit("first", &self.0[0]);
            visit("second", &self.0[1]);
        }
    }
    for device in common::devices("broadcast samples") {
        for n in [2usize, 3, 4] {
            let model = Weights([parameter(&device, &[3, 3], 1), parameter(&device, &[2, 3, 3], 2)]);
            let x = device.tensor(&numbers(3 * n, 3), [n, 3]);
            let loss = |x: &Tensor| {
                let (vector, matrix) = (x.reshape([3]), x.reshape([3, 1]) * x);
                let sums = (&matrix + &vector) * &model.0[0];
                // Products of matrices of one rank and of another.
                let products = model.0[1].matmul(&matrix).tanh() - matrix.matmul(&model.0[0]) * &vector;
                sums.square().sum(&[]) + products.square().sum(&[])
            };
            let each = nn::per_sample_gradients(&model, &[&x], |sample| loss(&sample[0])).unwrap();
            for (i, parameter) in model.0.iter().enumerate() {
                let all = floats(&each[i].1);
                for sample in 0..n {
                    let alone = loss(&x.slice(0, sample as isize..sample as isize + 1)).backward().wrt(parameter).unwrap();
                    let alone = floats(&alone);
                    let found = &all[sample * alone.len()..][..alone.len()];
                    let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-4 * (1.0 + b.abs());
                    assert!(found.iter().zip(&alone).all(near), "{device}, {n}, {sample}: {found:?} {alone:?}");
                }
            }
        }
    }
}

#[test]
fn what_an_optimizer_has_taken_is_not_there_twice() {
    let device = Device::cpu();
    let w = parameter(&device, &[3], 1);
    assert!(Sgd::new([w.clone(), w.clone()], 0.1).step(w.sum(&[]).backward()).is_err(), "one parameter, twice");
    let unused = parameter(&device, &[3], 2);
    let gradients = w.sum(&[]).backward();
    assert!(matches!(gradients.missing(&unused).unwrap(), Some(Missing::Unused)));
    assert!(gradients.missing(&w).unwrap().is_none());
}
