//! Running statistics of batch normalisation: every batch counts once, in order, whenever it is computed.
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::nn::{close, normal, numbers, op_error};
use steepest::error::OpError;
use steepest::nn::*;
use steepest::optim::{Optimizer, Sgd};
use steepest::{Device, sequential};

/// Mean and unbiased variance of each of `channels` columns.
fn statistics(rows: &[f64], channels: usize) -> (Vec<f64>, Vec<f64>) {
    let n = (rows.len() / channels) as f64;
    let column = |c: usize| rows.iter().skip(c).step_by(channels);
    let mean: Vec<f64> = (0..channels).map(|c| column(c).sum::<f64>() / n).collect();
    let var = (0..channels).map(|c| column(c).map(|x| (x - mean[c]).powi(2)).sum::<f64>() / (n - 1.0)).collect();
    (mean, var)
}

/// r ← 0.9 r + 0.1 b
fn take_up(running: &mut (Vec<f64>, Vec<f64>), batch: &(Vec<f64>, Vec<f64>)) {
    let toward = |r: &mut Vec<f64>, b: &[f64]| r.iter_mut().zip(b).for_each(|(r, b)| *r = 0.9 * *r + 0.1 * b);
    toward(&mut running.0, &batch.0);
    toward(&mut running.1, &batch.1);
}

fn holds(what: &str, layer: &dyn Module, running: &(Vec<f64>, Vec<f64>)) {
    let buffers = layer.named_buffers();
    close(what, &numbers(&buffers[buffers.len() - 2].1), &running.0, 1e-4, 1e-5);
    close(what, &numbers(&buffers[buffers.len() - 1].1), &running.1, 1e-4, 1e-5);
}

fn fresh() -> (Vec<f64>, Vec<f64>) {
    (vec![0.0; 3], vec![1.0; 3])
}

/// Behind a linear layer the statistics change with every step, and could not be computed after it.
#[test]
fn running_statistics_follow_a_training() {
    for device in common::devices("running statistics") {
        let linear = Linear::new(&device, 2, 3, 4);
        let (weight, bias) = (linear.weight().clone(), linear.bias().unwrap().clone());
        let model = sequential![linear, BatchNorm1d::new(&device, 3), Activation::Tanh, Linear::new(&device, 3, 1, 5)];
        let mut opt = Sgd::new(model.parameters(), 0.5).momentum(0.9);
        let mut running = fresh();
        let mut nodes = vec![];
        let (_, misses) = device.runs_and_misses();
        for step in 0..8 {
            let x = normal(&device, &[6, 2], step);
            let (w, b, rows) = (numbers(&weight), numbers(&bias), numbers(&x));
            let hidden = rows.chunks(2).flat_map(|r| [0, 1, 2].map(|o| b[o] + w[2 * o] * r[0] + w[2 * o + 1] * r[1]));
            take_up(&mut running, &statistics(&hidden.collect::<Vec<_>>(), 3));
            device.set_check(step == 5);
            opt.step(model.forward(&x).mse(&normal(&device, &[6, 1], step)).backward()).unwrap();
            device.set_check(false);
            nodes.push(device.live_nodes());
            // Buffers are the same tensors all the time.
            assert_eq!(model.named_buffers()[0].0, "1.running_mean");
            holds(&format!("step {step} on {device}"), &model, &running);
        }
        assert!(numbers(&weight).iter().all(|w| w.is_finite()));
        assert_eq!(nodes[7], nodes[2], "{nodes:?}");
        assert!(device.runs_and_misses().1 - misses <= 3, "every step made a plan");
        // In evaluation they are used, and stay.
        model.eval();
        let norm = &model.layers()[1];
        let x = normal(&device, &[4, 3], 50);
        let expected: Vec<f64> =
            numbers(&x).iter().enumerate().map(|(i, x)| (x - running.0[i % 3]) / (running.1[i % 3] + 1e-5).sqrt()).collect();
        let gamma = numbers(&norm.parameters()[0]);
        let beta = numbers(&norm.parameters()[1]);
        let expected: Vec<f64> = expected.iter().enumerate().map(|(i, x)| x * gamma[i % 3] + beta[i % 3]).collect();
        close("evaluation", &numbers(&norm.forward(&x)), &expected, 1e-4, 1e-5);
        holds("after evaluation", &model, &running);
        model.train();
        let y = numbers(&norm.forward(&x));
        assert!(y.iter().zip(&expected).any(|(a, b)| (a - b).abs() > 0.05), "training uses the batch");
    }
}

#[test]
fn every_batch_counts_once() {
    for device in common::devices("batches of batch normalisation") {
        let batch = |i| normal(&device, &[4, 3], i);
        let of = |i| statistics(&numbers(&batch(i)), 3);
        let layer = BatchNorm1d::new(&device, 3);
        let mut opt = Sgd::new(layer.parameters(), 0.1);
        let mut running = fresh();
        let loss = |i| layer.forward(&batch(i)).square().mean(&[]);
        // Two losses in one step, one of which was computed before.
        let (a, b) = (loss(0), loss(1));
        a.item().unwrap();
        opt.step((a + b).backward()).unwrap();
        take_up(&mut running, &of(0));
        take_up(&mut running, &of(1));
        holds("two in a step", &layer, &running);
        // Nobody looks at the output, and no step comes.
        layer.forward(&batch(2));
        layer.forward(&batch(3));
        layer.eval();
        layer.forward(&batch(4));
        layer.train();
        take_up(&mut running, &of(2));
        take_up(&mut running, &of(3));
        holds("without steps", &layer, &running);
        // An evaluation between a loss and its gradients.
        let pending = loss(5);
        let first = pending.item().unwrap();
        layer.eval();
        layer.forward(&batch(4)).to_vec::<f32>().unwrap();
        layer.train();
        opt.step(pending.backward()).unwrap();
        assert_eq!(pending.item().unwrap(), first);
        take_up(&mut running, &of(5));
        holds("evaluated in between", &layer, &running);
        // A summary is no batch.
        summary(&layer, &device, [4, 3]).unwrap();
        holds("after a summary", &layer, &running);
        // A dropped layer's batches are nobody's business.
        let other = BatchNorm1d::new(&device, 3);
        other.forward(&batch(6));
        drop(other);
        opt.step(loss(7).backward()).unwrap();
        take_up(&mut running, &of(7));
        holds("beside a dropped layer", &layer, &running);
        // Buffers that are loaded replace what was there, with what waited.
        layer.forward(&batch(8));
        let buffers = layer.named_buffers();
        buffers[0].1.set(&[0.0f32; 3]).unwrap();
        buffers[1].1.set(&[1.0f32; 3]).unwrap();
        running = fresh();
        opt.step(loss(9).backward()).unwrap();
        take_up(&mut running, &of(9));
        holds("loaded", &layer, &running);
    }
}

#[test]
fn a_batch_whose_parameters_were_replaced_does_not_count() {
    let device = Device::cpu();
    let linear = Linear::new(&device, 3, 3, 0);
    let weight = linear.weight().clone();
    let model = sequential![linear, BatchNorm1d::new(&device, 3)];
    let mut opt = Sgd::new(model.parameters(), 0.0);
    model.forward(&normal(&device, &[4, 3], 0));
    weight.set(&[1.0f32, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]).unwrap();
    model.parameters()[1].set(&[0.0f32; 3]).unwrap();
    let x = normal(&device, &[4, 3], 1);
    opt.step(model.forward(&x).square().mean(&[]).backward()).unwrap();
    let mut running = fresh();
    take_up(&mut running, &statistics(&numbers(&x), 3));
    holds("replaced", &model, &running);
    // A step that fails leaves those that wait waiting.
    model.forward(&x);
    assert!(opt.step(model.forward(&device.zeros([4, 2])).sum(&[]).backward()).is_err());
    opt.step(model.parameters()[0].square().sum(&[]).backward()).unwrap();
    take_up(&mut running, &statistics(&numbers(&x), 3));
    holds("after a failed step", &model, &running);
}

#[test]
fn forgetting_eval_does_not_fill_the_memory() {
    for device in common::devices("forgotten eval") {
        let layer = BatchNorm1d::new(&device, 3);
        let mut running = fresh();
        let mut most = 0;
        for i in 0..100 {
            let x = normal(&device, &[4, 3], i);
            layer.forward(&x).to_vec::<f32>().unwrap();
            take_up(&mut running, &statistics(&numbers(&x), 3));
            most = most.max(device.live_nodes());
        }
        assert!(most < 1000, "{most} nodes");
        holds("a hundred batches", &layer, &running);
    }
}

#[test]
fn backward_through_what_was_updated_since_is_refused() {
    let device = Device::cpu();
    let (w, state) = (device.parameter(&[2.0], 1), device.tensor(&[3.0f32], 1));
    let y = (&w * &state).sum(&[]);
    y.item().unwrap();
    state.sgd_update(&device.tensor(&[1.0f32], 1), None, 1.0, 0.0).run().unwrap();
    assert_eq!(state.item().unwrap(), 2.0);
    // The gradient would be the state's new value.
    assert!(matches!(op_error(y.backward().wrt(&w)), OpError::Stale(_)));
}
