//! Sequences of different lengths in batches: padded to the lengths of buckets, with masks, as many plans as buckets, the same numbers as alone.
#![allow(clippy::unwrap_used)]

use crate::common;
use std::collections::BTreeSet;
use steepest::data::{Buckets, SequenceBatch, SequenceLoader, Sequences};
use steepest::nn::{Gru, Linear, Module};
use steepest::optim::{Adam, Optimizer};
use steepest::{Device, Tensor};

/// Sequences of these lengths, all of whose values are different.
fn sequences(lengths: &[usize], width: usize) -> Sequences {
    let mut all = Sequences::new(width);
    let mut next = 1;
    for &length in lengths {
        let steps: Vec<f32> = (next..next + length * width).map(|i| (i as f32 * 0.37).sin()).collect();
        next += length * width;
        all.push(&steps).unwrap();
    }
    all
}

fn epoch(loader: &SequenceLoader, number: u64) -> Vec<SequenceBatch> {
    loader.epoch_at(number).map(Result::unwrap).collect()
}

#[test]
fn every_sequence_is_in_an_epoch_once_whole_and_masked() {
    let device = Device::cpu();
    let lengths = [3, 1, 8, 5, 0, 8, 2, 4, 7, 1, 3];
    let (x, y) = (sequences(&lengths, 2), sequences(&lengths, 3));
    let buckets = Buckets::new([4, 6, 8, 30]).unwrap();
    for shuffle in [None, Some(3)] {
        let options = SequenceLoader::new(&x, 3, &buckets).targets(&y);
        let loader = shuffle.map_or(options.clone(), |seed| options.shuffle(seed)).on(&device).unwrap();
        let mut orders = BTreeSet::new();
        for number in 0..4 {
            let batches = epoch(&loader, number);
            assert_eq!((batches.len(), loader.len()), (5, 5), "7 sequences in the first bucket, 1 in the second, 3 in the third");
            let mut met = vec![];
            for (i, batch) in batches.iter().enumerate() {
                assert_eq!((batch.index, batch.lengths.len(), buckets.lengths().contains(&batch.length)), (i, 3, true));
                let (values, mask) = (batch.x.to_vec::<f32>().unwrap(), batch.mask.to_vec::<f32>().unwrap());
                let targets = batch.y.as_ref().unwrap().to_vec::<f32>().unwrap();
                for k in 0..3 {
                    let row = batch.rows.get(k).map(|&row| row as usize);
                    let length = row.map_or(0, |row| lengths[row]);
                    assert_eq!(batch.lengths[k], length);
                    let expected = |of: &Sequences| {
                        let mut all = row.and_then(|row| of.get(row)).unwrap_or_default().to_vec();
                        all.resize(batch.length * of.width(), 0.0);
                        all
                    };
                    assert_eq!(values[k * 2 * batch.length..][..2 * batch.length], expected(&x));
                    assert_eq!(targets[k * 3 * batch.length..][..3 * batch.length], expected(&y));
                    let ones = (0..batch.length).map(|t| f32::from(t < length)).collect::<Vec<_>>();
                    assert_eq!(mask[k * batch.length..][..batch.length], ones);
                    met.extend(row);
                }
                assert_eq!(batch.steps, batch.lengths.iter().sum::<usize>());
            }
            orders.insert(met.clone());
            met.sort_unstable();
            assert_eq!(met, (0..lengths.len()).collect::<Vec<_>>());
            let again: Vec<_> = epoch(&loader, number).into_iter().map(|b| b.rows).collect();
            assert_eq!(again, batches.into_iter().map(|b| b.rows).collect::<Vec<_>>());
        }
        assert_eq!(orders.len(), if shuffle.is_some() { 4 } else { 1 });
    }
}

/// The sum of squares of what a GRU and a layer after it say of each step, less the targets.
fn loss(gru: &Gru, head: &Linear, x: &Tensor, y: &Tensor, lengths: &[usize], mask: &Tensor) -> Tensor {
    let (every, _) = gru.run_lengths(x, lengths, None);
    let errors = (head.forward(&every) - y).square().squeeze(&[2]);
    (errors * mask).sum(&[])
}

#[test]
fn many_lengths_need_as_many_plans_as_buckets() {
    let device = Device::cpu();
    let lengths: Vec<usize> = (1..=199).map(|i| 1 + i * 37 % 199 / 8).collect();
    let (x, y) = (sequences(&lengths, 2), sequences(&lengths, 1));
    let buckets = Buckets::fitted(&lengths, 4).unwrap();
    let (gru, head) = (Gru::new(&device, 2, 4, 1).batch_first(), Linear::new(&device, 4, 1, 2));
    let loader = SequenceLoader::new(&x, 16, &buckets).targets(&y).shuffle(5).on(&device).unwrap();
    let mut opt = Adam::new(gru.parameters().into_iter().chain(head.parameters()), 0.01);
    let (mut first, mut last) = (0.0, 0.0);
    for round in 0..3 {
        let mut total = 0.0;
        for batch in loader.epoch() {
            let batch = batch.unwrap();
            let loss = loss(&gru, &head, &batch.x, batch.y.as_ref().unwrap(), &batch.lengths, &batch.mask);
            let mean = &loss / batch.steps as f64;
            opt.step(mean.backward()).unwrap();
            total += f64::from(loss.item().unwrap());
        }
        (first, last) = (if round == 0 { total } else { first }, total);
    }
    assert!(last < first, "{first} before, {last} after");
    let plans = device.runs_and_misses().1;
    // The optimizer's first step makes its state.
    assert!(plans <= 4 + 1, "{plans} plans");
    assert!(device.plan_cache().plans <= 5);
}

/// A padded batch has the loss and the gradients that its sequences have together, each alone.
#[test]
fn padding_changes_no_value() {
    for device in common::devices("padded sequences") {
        let lengths = [3, 6, 1, 5];
        let (x, y) = (sequences(&lengths, 2), sequences(&lengths, 1));
        let (gru, head) = (Gru::new(&device, 2, 3, 1).batch_first(), Linear::new(&device, 3, 1, 2));
        let parameters: Vec<Tensor> = gru.parameters().into_iter().chain(head.parameters()).collect();
        let found = |loss: &Tensor| {
            let gradients = loss.backward();
            let mut all = vec![loss.item().unwrap()];
            parameters.iter().for_each(|p| all.extend(gradients.wrt(p).unwrap().to_vec::<f32>().unwrap()));
            all
        };
        let mut alone: Option<Vec<f32>> = None;
        for (i, &length) in lengths.iter().enumerate() {
            let of = |all: &Sequences| device.tensor(all.get(i).unwrap(), [1, length, all.width()]);
            let one = found(&loss(&gru, &head, &of(&x), &of(&y), &[length], &device.ones([1, length])));
            let sum = |all: Vec<f32>| all.iter().zip(&one).map(|(a, b)| a + b).collect();
            alone = Some(alone.map_or(one.clone(), sum));
        }
        let loader = SequenceLoader::new(&x, 6, &Buckets::new([9]).unwrap()).targets(&y).on(&device).unwrap();
        let batch = epoch(&loader, 0).swap_remove(0);
        assert_eq!((batch.lengths.len(), batch.rows.len()), (6, 4));
        let together = found(&loss(&gru, &head, &batch.x, batch.y.as_ref().unwrap(), &batch.lengths, &batch.mask));
        for (a, b) in together.iter().zip(alone.unwrap()) {
            assert!((a - b).abs() <= 2e-5 * (1.0 + b.abs()), "{device}: {a} together, {b} alone");
        }
    }
}

#[test]
fn what_cannot_be_cut_into_batches_is_refused() {
    let device = Device::cpu();
    let (x, buckets) = (sequences(&[3, 5], 2), Buckets::new([4]).unwrap());
    let message = |options: steepest::data::SequenceOptions<'_>| options.on(&device).unwrap_err().to_string();
    let error = message(SequenceLoader::new(&x, 2, &buckets));
    assert!(error.contains("5 steps") && error.contains('4'), "{error}");
    let wide = Buckets::new([8]).unwrap();
    let error = message(SequenceLoader::new(&x, 2, &wide).targets(&sequences(&[3, 4], 1)));
    assert!(error.contains("sequence 1 has 5 steps, its target has 4 steps"), "{error}");
    let error = message(SequenceLoader::new(&x, 2, &wide).targets(&sequences(&[3], 1)));
    assert!(error.contains("its target is not there"), "{error}");
    assert!(SequenceLoader::new(&x, 0, &wide).on(&device).is_err());
    assert!(SequenceLoader::new(&Sequences::new(2), 2, &wide).on(&device).is_err());
    assert!(Sequences::new(0).push(&[]).is_err() && Sequences::new(2).push(&[1.0]).is_err());
    // More than any machine has.
    let loader = SequenceLoader::new(&x, usize::MAX / 2, &wide).on(&device).unwrap();
    assert!(loader.epoch().next().unwrap().is_err());
}
