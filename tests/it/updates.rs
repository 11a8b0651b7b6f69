//! Updates joined into one kernel: the same numbers as one by one, whatever else holds, shares or replaces what they work on.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::optim::{AdaGrad, Adadelta, Adam, Adamax, Group, Lion, NAdam, Optimizer, RAdam, RmsProp, Sgd};
use steepest::plan::Switches;
use steepest::{Device, Error, Tensor};

/// Both sides of what an arena is aligned to, and of what one workgroup and one thread's share update.
const SIZES: [usize; 8] = [1, 63, 64, 65, 1000, 1025, 3, 17_000];

fn devices() -> Vec<Device> {
    common::devices("joined updates")
}

fn parameters(device: &Device) -> Vec<Tensor> {
    let value = |n: usize, i: usize| ((7 * n + 13 * i) % 31) as f32 / 16.0 - 0.9;
    SIZES.iter().map(|&n| device.parameter(&(0..n).map(|i| value(n, i)).collect::<Vec<_>>(), n)).collect()
}

/// Different gradients for every parameter and step.
fn loss(parameters: &[Tensor]) -> Tensor {
    let term = |(k, p): (usize, &Tensor)| (p * (0.1 * k as f64 + 0.3)).sin().square().sum(&[]);
    parameters.iter().enumerate().map(term).reduce(|a, b| a + b).unwrap()
}

/// Every kind and form, with a group of its own settings for the last parameters.
fn every(all: &[Tensor]) -> Vec<(&'static str, Box<dyn Optimizer>)> {
    let (p, rest) = all.split_at(5);
    let p = || p.to_vec();
    let group = || Group::new(rest.to_vec()).lr_factor(0.5).weight_decay(0.25);
    vec![
        ("sgd", Box::new(Sgd::new(p(), 0.1).group(group()))),
        ("momentum", Box::new(Sgd::new(p(), 0.1).momentum(0.9).weight_decay(0.1).group(group()))),
        ("nesterov", Box::new(Sgd::new(p(), 0.1).momentum(0.9).nesterov(true).group(group()))),
        ("adam", Box::new(Adam::new(p(), 0.1).group(group()))),
        ("adamw", Box::new(Adam::w(p(), 0.1).group(group()))),
        ("amsgrad", Box::new(Adam::new(p(), 0.1).amsgrad(true).group(group()))),
        ("adagrad", Box::new(AdaGrad::new(p(), 0.1).lr_decay(0.1).group(group()))),
        ("rmsprop", Box::new(RmsProp::new(p(), 0.1).group(group()))),
        ("rmsprop, momentum", Box::new(RmsProp::new(p(), 0.1).momentum(0.5).group(group()))),
        ("centered", Box::new(RmsProp::new(p(), 0.1).centered(true).group(group()))),
        ("centered, momentum", Box::new(RmsProp::new(p(), 0.1).centered(true).momentum(0.5).group(group()))),
        ("adadelta", Box::new(Adadelta::new(p(), 0.1).group(group()))),
        ("damped", Box::new(Sgd::new(p(), 0.1).momentum(0.9).dampening(0.5).maximize(true).group(group()))),
        ("nadam", Box::new(NAdam::new(p(), 0.1).group(group()))),
        ("radam", Box::new(RAdam::new(p(), 0.1).betas(0.5, 0.75).decoupled_weight_decay(true).group(group()))),
        ("adamax", Box::new(Adamax::new(p(), 0.1).group(group()))),
        ("lion", Box::new(Lion::new(p(), 0.1).group(group()))),
    ]
}

fn values(tensors: &[Tensor]) -> Vec<Vec<u32>> {
    tensors.iter().map(|t| t.to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect()).collect()
}

/// Dispatches of the last plan that update something.
fn updates(device: &Device) -> usize {
    let plan = device.last_plan().unwrap();
    plan.dispatches.iter().filter(|d| d.writes.iter().any(|w| w.to_string().starts_with("arena"))).count()
}

#[test]
fn all_parameters_of_an_optimizer_are_updated_by_one_dispatch_with_the_same_bits_as_one_by_one() {
    for device in devices() {
        for kind in 0..every(&parameters(&device)).len() {
            let train = |switches: Switches| {
                device.set_switches(switches);
                let p = parameters(&device);
                let (name, mut opt) = every(&p).swap_remove(kind);
                for _ in 0..3 {
                    opt.step(loss(&p).backward()).unwrap();
                }
                let states: Vec<Tensor> = opt.state().into_iter().flat_map(|(_, tensors)| tensors.to_vec()).collect();
                (name, updates(&device), values(&p), values(&states))
            };
            let (name, dispatches, joined, state) = train(Switches::default());
            assert_eq!(dispatches, 1, "{name} on {device}");
            let (_, dispatches, single, single_state) = train(Switches { fuse: false, ..Switches::default() });
            assert_eq!(dispatches, SIZES.len(), "{name} on {device}");
            assert!(joined == single && state == single_state, "{name} on {device}");
            device.set_switches(Switches::default());
        }
    }
}

#[test]
fn more_parameters_than_one_kernel_takes() {
    for device in devices() {
        let p: Vec<Tensor> = (0..300).map(|i| device.parameter(&[i as f32, -1.0], 2)).collect();
        let mut opt = Sgd::new(p.clone(), 0.5);
        opt.step(p.iter().map(|p| p.square().sum(&[])).reduce(|a, b| a + b).unwrap().backward()).unwrap();
        assert_eq!(updates(&device), 3, "128 + 128 + 44");
        assert!(p.iter().all(|p| p.to_vec::<f32>().unwrap() == [0.0, 0.0]));
        // As many as one takes, and one more.
        for (count, kernels) in [(128, 1), (129, 2)] {
            let mut opt = Sgd::new(p[..count].to_vec(), 0.5);
            opt.step(p[..count].iter().map(|p| p.sum(&[])).reduce(|a, b| a + b).unwrap().backward()).unwrap();
            assert_eq!(updates(&device), kernels, "{count} parameters");
        }
    }
}

#[test]
fn gradients_that_are_held_or_shared_are_updates_all_the_same() {
    for device in devices() {
        let (a, b, c) = (device.parameter(&[1.0, 2.0], 2), device.parameter(&[3.0, 4.0], 2), device.parameter(&[5.0, 6.0], 2));
        let mut opt = Sgd::new([a.clone(), b.clone(), c.clone()], 0.5);
        // a and b have one gradient between them, that of c is held, and is read by another tensor held.
        let gradients = ((&a + &b).square().sum(&[]) + c.square().sum(&[])).backward();
        let held = gradients.get(&c).unwrap().unwrap().clone();
        let twice = &held * 2.0;
        opt.step(gradients.and_run(&[&twice])).unwrap();
        assert_eq!(updates(&device), 1);
        assert_eq!(a.to_vec::<f32>().unwrap(), [-3.0, -4.0], "{device}");
        assert_eq!(b.to_vec::<f32>().unwrap(), [-1.0, -2.0], "{device}");
        assert_eq!(c.to_vec::<f32>().unwrap(), [0.0, 0.0], "{device}");
        assert_eq!(held.to_vec::<f32>().unwrap(), [10.0, 12.0], "{device}");
        assert_eq!(twice.to_vec::<f32>().unwrap(), [20.0, 24.0], "{device}");
    }
}

/// Optimizers over different sets of parameters in turns, as in adversarial training, and weights loaded in between.
#[test]
fn parameters_may_be_updated_in_other_company_and_replaced_between_steps() {
    for device in devices() {
        let p = parameters(&device);
        let mut expected: Vec<Vec<f32>> = p.iter().map(|p| p.to_vec().unwrap()).collect();
        let sets = [vec![0, 1, 2, 3], vec![2, 3, 4], vec![0, 1, 2, 3], vec![7, 2], vec![2, 3, 4]];
        for (round, set) in sets.iter().enumerate() {
            let of: Vec<Tensor> = set.iter().map(|&i| p[i].clone()).collect();
            // The gradient of Σ (round + 1) p is round + 1 everywhere.
            let sum = of.iter().map(|p| p.sum(&[])).reduce(|a, b| a + b).unwrap() * (round as f64 + 1.0);
            Sgd::new(of, 0.25).step(sum.backward()).unwrap();
            set.iter().for_each(|&i| expected[i].iter_mut().for_each(|x| *x -= 0.25 * (round as f32 + 1.0)));
            if round == 1 {
                expected[3].iter_mut().for_each(|x| *x = 2.0);
                p[3].set(&expected[3]).unwrap();
            }
            for (p, expected) in p.iter().zip(&expected) {
                assert_eq!(&p.to_vec::<f32>().unwrap(), expected, "round {round} on {device}");
            }
        }
    }
}

#[test]
fn what_is_overwritten_is_computed_first_and_only_in_one_way() {
    for device in devices() {
        // The velocity is a value nobody has run yet.
        let (p, v) = (device.parameter(&[1.0, 2.0], 2), device.ones(2) * 4.0);
        p.sgd_update(&device.ones(2), Some((&v, 0.5, false)), 1.0, 0.0).run().unwrap();
        assert_eq!((p.to_vec::<f32>().unwrap(), v.to_vec::<f32>().unwrap()), (vec![-2.0, -1.0], vec![3.0, 3.0]), "{device}");

        // Two updates without state of one tensor are run one after the other.
        let halve = |by: f64| p.sgd_update(&device.zeros(2), None, 0.5, by);
        device.run(&[halve(1.0), halve(1.0)]).unwrap();
        assert_eq!(p.to_vec::<f32>().unwrap(), [-0.5, -0.25], "{device}");

        // With state it is not clear what they would mean.
        let step = || p.sgd_update(&device.ones(2), Some((&v, 0.5, false)), 1.0, 0.0);
        let error = device.run(&[step(), step()]).unwrap_err();
        assert!(matches!(error, Error::Op { .. }) && error.to_string().contains("another update of the same run"), "{error}");
        assert_eq!(v.to_vec::<f32>().unwrap(), [3.0, 3.0], "nothing was updated");
    }
}

/// Running statistics of two batches, updated with one step of plain descent: what is updated twice keeps its arena to itself.
#[test]
fn an_update_that_comes_again_is_joined_by_nobody() {
    for device in devices() {
        let (mean, w) = (device.tensor(&[0.0; 70], 70), device.parameter(&[1.0; 300], 300));
        let toward = |x: f64| mean.sgd_update(&(device.ones(70) * -x), None, 0.5, 1.0);
        let waiting = [toward(2.0), toward(4.0)];
        waiting.iter().for_each(|update| device.update_with_next_step(update));
        Sgd::new([w.clone()], 0.25).step(w.sum(&[]).backward()).unwrap();
        // 0.5 · 0 + 0.5 · 2, then 0.5 · 1 + 0.5 · 4
        assert_eq!(mean.to_vec::<f32>().unwrap(), [2.5; 70], "{device}");
        assert_eq!(w.to_vec::<f32>().unwrap(), [0.75; 300], "{device}");
    }
}

/// What is updated in place changes alone: not a reshape of it that was computed with it and may lie in the same memory.
#[test]
fn an_alias_of_what_is_updated_stays_as_it_was() {
    for device in devices() {
        for alias_first in [false, true] {
            let state = device.tensor(&[1.0, 2.0, 3.0, 4.0], 4).add_scalar(1.0);
            let alias = state.reshape([2, 2]);
            let again = alias.reshape([4, 1]);
            device.run(if alias_first { [&again, &alias, &state] } else { [&state, &alias, &again] }).unwrap();
            let slope = device.tensor(&[1.0; 4], 4);
            for round in 1..4 {
                let sgd = steepest::ops::update::Sgd { lr: 0.5, momentum: None, gain: 1.0, nesterov: false, weight_decay: 0.0 };
                device.run([&steepest::graph::record(sgd, &[&state, &slope])]).unwrap();
                let moved: Vec<f32> = [2.0, 3.0, 4.0, 5.0].iter().map(|x| x - 0.5 * round as f32).collect();
                assert_eq!(state.to_vec::<f32>().unwrap(), moved, "{device}");
                assert_eq!(alias.to_vec::<f32>().unwrap(), [2.0, 3.0, 4.0, 5.0], "{device}");
                assert_eq!(again.to_vec::<f32>().unwrap(), [2.0, 3.0, 4.0, 5.0], "{device}");
            }
        }
    }
}
