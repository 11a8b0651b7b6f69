//! Recurrent layers: stacked, in both directions, over sequences of different lengths, from given states.
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::common::slopes::{agreed, check_gradient, parameter};
use std::sync::atomic::Ordering;
use steepest::error::OpError;
use steepest::nn::recurrent::{Cell, Weights};
use steepest::nn::*;
use steepest::{Device, Error, Tensor, random};

fn error_of(x: &Tensor) -> (&'static str, OpError) {
    match x.check() {
        Err(Error::Op { op, error, .. }) => (op, error),
        other => panic!("{other:?}"),
    }
}

fn close(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() < 3e-6, "{what}[{i}]: {f}, not {e}");
    }
}

/// A state of zeros would hide what is done to it.
fn starts<C: Cell>(device: &Device, cells: usize, n: usize, hidden: usize) -> C::State {
    let zeros = C::new(device, 1, hidden, 0).zeros(device, n);
    let mut seed = 40;
    C::map(&zeros, &mut |_| {
        seed += 1;
        parameter(device, &[cells, n, hidden], seed)
    })
}

/// Sequence i of a state, with its axis.
fn row<C: Cell>(state: &C::State, i: usize) -> C::State {
    C::map(state, &mut |t| t.slice(1, i as isize..=i as isize))
}

/// Each sequence by itself, cut off where it ends, gives what the batch gives.
fn lengths_are_as_if_alone<C: Cell + Clone + 'static>(device: &Device, make: impl Fn(Recurrent<C>) -> Recurrent<C>) {
    let (time, n, inputs, hidden) = (4, 3, 2, 3);
    let lengths = [2, 4, 1];
    // Every kernel of a step is compiled for a GPU.
    let forms = if device.is_gpu() { &[(2, true)][..] } else { &[(1, false), (1, true), (2, false), (3, true)] };
    for &(layers, both) in forms {
        let layer = make(Recurrent::new(device, inputs, hidden, 7)).layers(layers);
        let layer = if both { layer.bidirectional() } else { layer };
        let cells = layer.cells().len();
        let what = format!("{} on {device}", layer.describe());
        let mut x: Vec<f32> = random::normal_host(time * n * inputs, 0.0, 1.0, 3, 3);
        // Whatever is after the end.
        for (i, number) in x.iter_mut().enumerate() {
            let (t, row) = (i / (n * inputs), i / inputs % n);
            if t >= lengths[row] {
                *number = [f32::NAN, f32::INFINITY, -3e38][i % 3];
            }
        }
        let x = device.parameter(&x, [time, n, inputs]);
        let start = starts::<C>(device, cells, n, hidden);
        let (every, last) = layer.run_lengths(&x, &lengths, Some(&start));
        let width = hidden * if both { 2 } else { 1 };
        assert_eq!(every.shape().dims(), [time, n, width], "{what}");
        for (i, &length) in lengths.iter().enumerate() {
            let alone = x.slice(1, i as isize..=i as isize).slice(0, ..length as isize);
            let (own, own_last) = layer.run(&alone, Some(&row::<C>(&start, i)));
            let of_batch = every.slice(1, i as isize..=i as isize);
            close(&what, &agreed(&of_batch.slice(0, ..length as isize)), &agreed(&own));
            assert!(agreed(&of_batch.slice(0, length as isize..)).iter().all(|x| *x == 0.0), "{what}");
            for (found, expected) in C::tensors(&row::<C>(&last, i)).into_iter().zip(C::tensors(&own_last)) {
                close(&format!("last of {what}"), &agreed(found), &agreed(expected));
            }
        }
        // Gradients: finite everywhere, 0 after the ends.
        let loss = every.square().sum(&[]) + C::tensors(&last)[0].sum(&[]);
        let gradients = loss.backward();
        for (name, p) in layer.named_parameters() {
            assert!(agreed(&gradients.wrt(&p).unwrap()).iter().all(|g| g.is_finite()), "{what}: {name}");
        }
        for (i, g) in agreed(&gradients.wrt(&x).unwrap()).iter().enumerate() {
            let (t, row) = (i / (n * inputs), i / inputs % n);
            assert_eq!(t < lengths[row], *g != 0.0, "{what}: gradient {i} is {g}");
        }
        // The other order of axes.
        let turned = layer.clone().batch_first();
        let (by_row, _) = turned.run_lengths(&x.transpose(0, 1), &lengths, Some(&start));
        close(&what, &agreed(&by_row.transpose(0, 1)), &agreed(&every));
        // All of full length are the plain run.
        let plain = parameter(device, &[time, n, inputs], 2);
        let (a, b) = (layer.run(&plain, Some(&start)).0, layer.run_lengths(&plain, &[time; 3], Some(&start)).0);
        close(&what, &agreed(&a), &agreed(&b));
    }
}

#[test]
fn sequences_of_a_batch_are_as_if_alone() {
    for device in common::devices("lengths") {
        lengths_are_as_if_alone::<RnnCell>(&device, |layer| layer);
        lengths_are_as_if_alone::<RnnCell>(&device, Rnn::relu);
        lengths_are_as_if_alone::<GruCell>(&device, |layer| layer);
        lengths_are_as_if_alone::<LstmCell>(&device, |layer| layer.forget_bias(1.0).unwrap());
    }
}

#[test]
fn gradients_of_layers_in_both_directions() {
    fn check<C: Cell + 'static>(device: &Device, second: bool) {
        let layer = Recurrent::<C>::new(device, 2, 2, 5).layers(2).bidirectional();
        let x = parameter(device, &[3, 2, 2], 1);
        let start = starts::<C>(device, 4, 2, 2);
        let (every, last) = layer.run_lengths(&x, &[3, 2], Some(&start));
        let mut out = every.sum(&[0]).flatten();
        for tensor in C::tensors(&last) {
            out = out.cat(&[&tensor.flatten()], 0);
        }
        agreed(&out);
        let parameters = layer.parameters();
        let mut by: Vec<&Tensor> = vec![&x, &parameters[0], &parameters[5], &parameters[10], &parameters[15]];
        by.extend(C::tensors(&start));
        check_gradient(C::NAME, &by, &out);
        if second {
            let gradient = out.square().sum(&[]).backward().wrt(&parameters[1]).unwrap();
            check_gradient(C::NAME, &[&x, &parameters[1]], &gradient);
        }
        for p in &parameters {
            agreed(&out.square().sum(&[]).backward().wrt(p).unwrap());
        }
    }
    for device in common::devices("gradients in both directions") {
        let second = !device.is_gpu();
        check::<RnnCell>(&device, second);
        check::<GruCell>(&device, second);
        check::<LstmCell>(&device, second);
    }
}

/// Layer by layer and step by step.
#[test]
fn layers_are_their_cells() {
    for device in common::devices("layers of cells") {
        let layer = Gru::new(&device, 3, 2, 1).bidirectional().layers(2);
        let names: Vec<String> = layer.named_parameters().into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "weight_ih_l0",
                "weight_hh_l0",
                "bias_ih_l0",
                "bias_hh_l0",
                "weight_ih_l0_reverse",
                "weight_hh_l0_reverse",
                "bias_ih_l0_reverse",
                "bias_hh_l0_reverse",
                "weight_ih_l1",
                "weight_hh_l1",
                "bias_ih_l1",
                "bias_hh_l1",
                "weight_ih_l1_reverse",
                "weight_hh_l1_reverse",
                "bias_ih_l1_reverse",
                "bias_hh_l1_reverse",
            ]
        );
        assert_eq!(layer.named_parameters()[8].1.shape().dims(), [6, 4]);
        let x = parameter(&device, &[3, 2, 3], 1);
        let (every, last) = layer.run(&x, None);
        let mut input: Vec<Tensor> = x.split(0, &[1; 3]).iter().map(|t| t.squeeze(&[0])).collect();
        let mut ends = vec![];
        for cells in layer.cells().chunks(2) {
            let mut state = cells[0].zeros(&device, 2);
            let forward: Vec<Tensor> = input
                .iter()
                .map(|x| {
                    state = cells[0].step(x, &state);
                    state.clone()
                })
                .collect();
            ends.push(state);
            let mut state = cells[1].zeros(&device, 2);
            let mut backward: Vec<Tensor> = input
                .iter()
                .rev()
                .map(|x| {
                    state = cells[1].step(x, &state);
                    state.clone()
                })
                .collect();
            ends.push(state);
            backward.reverse();
            input = forward.iter().zip(&backward).map(|(a, b)| a.cat(&[b], 1)).collect();
        }
        close("every", &agreed(&every), &input.iter().flat_map(agreed).collect::<Vec<_>>());
        close("last", &agreed(&last), &ends.iter().flat_map(agreed).collect::<Vec<_>>());
        // As one vector: what both directions ended with.
        let one = layer.clone().last_only().forward(&x);
        close("one vector", &agreed(&one), &agreed(&ends[2].cat(&[&ends[3]], 1)));
        let by_row = layer.clone().batch_first().last_only().forward(&x.transpose(0, 1));
        close("one vector by row", &agreed(&by_row), &agreed(&one));
    }
}

#[test]
fn states_of_one_cell_come_back_as_they_were_given() {
    let device = Device::cpu();
    let lstm = Lstm::new(&device, 2, 3, 1);
    let x = parameter(&device, &[4, 2, 2], 1);
    let flat = (parameter(&device, &[2, 3], 2), parameter(&device, &[2, 3], 3));
    let deep = (flat.0.unsqueeze(0), flat.1.unsqueeze(0));
    let (a, (h, c)) = lstm.run(&x, Some(&flat));
    let (b, (deep_h, deep_c)) = lstm.run(&x, Some(&deep));
    assert_eq!(agreed(&a), agreed(&b));
    assert_eq!((h.shape().dims(), deep_c.shape().dims()), (&[2, 3][..], &[1, 2, 3][..]));
    assert_eq!((agreed(&h), agreed(&c)), (agreed(&deep_h), agreed(&deep_c)));
    // A sequence in two pieces.
    let gru = Gru::new(&device, 2, 3, 1).layers(2);
    let whole = gru.run(&x, None);
    let (first, state) = gru.run(&x.slice(0, ..1), None);
    let (second, state) = gru.run(&x.slice(0, 1..), Some(&state));
    close("pieces", &agreed(&first.cat(&[&second], 0)), &agreed(&whole.0));
    close("pieces", &agreed(&state), &agreed(&whole.1));
}

#[test]
fn edges_of_sequences_and_layers() {
    for device in common::devices("edges of recurrent layers") {
        let layer = Lstm::new(&device, 1, 1, 1).layers(2).bidirectional();
        for (t, n) in [(1, 1), (65, 1), (2, 0)] {
            let (every, (h, c)) = layer.run(&device.ones([t, n, 1]), None);
            assert_eq!(every.shape().dims(), [t, n, 2]);
            assert_eq!((h.shape().dims(), c.shape().dims()), (&[4, n, 1][..], &[4, n, 1][..]));
            assert!(agreed(&every).iter().all(|x| x.is_finite()));
            let (none, _) = layer.run_lengths(&device.full([t, n, 1], f64::NAN), &vec![0; n], None);
            assert!(agreed(&none).iter().all(|x| *x == 0.0));
        }
        // Of no steps the start is the end.
        let start = starts::<LstmCell>(&device, 4, 2, 1);
        let (_, (h, c)) = layer.run_lengths(&device.ones([3, 2, 1]), &[0, 3], Some(&start));
        let first = |x: &Tensor| agreed(&x.slice(1, 0..1));
        assert_eq!((first(&h), first(&c)), (first(&start.0), first(&start.1)));
        assert_ne!(agreed(&h.slice(1, 1..)), agreed(&start.0.slice(1, 1..)));
    }
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let device = Device::cpu();
    let layer = Lstm::new(&device, 3, 4, 1).layers(2);
    let x = device.zeros([5, 2, 3]);
    let shape = |x: &Tensor, part: &str| match error_of(x) {
        ("lstm", OpError::Shape(text)) if text.contains(part) => {}
        other => panic!("{other:?}, not {part}"),
    };
    shape(&layer.run(&device.zeros([5, 2, 2]), None).0, "[5,2,2]");
    shape(&layer.run(&device.zeros([0, 2, 3]), None).0, "t of at least 1");
    shape(&layer.run(&device.zeros([5, 3]), None).0, "[t,n,inputs]");
    for dims in [&[2, 4][..], &[1, 2, 4], &[4, 2, 4]] {
        let state = (device.zeros(dims), device.zeros(dims));
        let (every, (h, c)) = layer.run(&x, Some(&state));
        [&every, &h, &c].into_iter().for_each(|t| shape(t, "expected [2,2,4]"));
    }
    for dims in [&[2, 3, 4][..], &[2, 2, 5]] {
        shape(&layer.run(&x, Some(&(device.zeros(dims), device.zeros(dims)))).0, "a state is");
    }
    shape(&layer.run_lengths(&x, &[5], None).0, "1 lengths for 2 sequences");
    match error_of(&layer.run_lengths(&x, &[5, 6], None).1.0) {
        ("lstm", OpError::Value(text)) if text.contains("length 1 is 6") => {}
        other => panic!("{other:?}"),
    }
    assert!(matches!(error_of(&Gru::new(&device, 3, 4, 1).layers(0).forward(&x)), ("gru", OpError::Value(_))));
    let (wide, narrow) = (GruCell::new(&device, 3, 4, 1), GruCell::new(&device, 3, 2, 1));
    let odd = Recurrent::of_cells(wide.clone(), [], true);
    assert!(matches!(error_of(&odd.forward(&x)), ("gru", OpError::Value(_))));
    assert!(matches!(error_of(&Recurrent::of_cells(wide, [narrow], false).forward(&x)), ("gru", OpError::Shape(_))));
    let broken = Weights { ih: device.zeros([4, 3]), hh: device.zeros([5, 5]), b_ih: device.zeros(4), b_hh: device.zeros(4) };
    assert!(Recurrent::of(RnnCell::with_weights(broken)).layers(2).forward(&x).check().is_err());
    let dropped = Gru::new(&device, 3, 4, 1).layers(2).dropout(1.0).forward(&x);
    assert!(matches!(error_of(&dropped), ("dropout", OpError::Value(_))));
}

#[test]
fn dropout_between_layers_is_for_training_and_can_be_taken_up_again() {
    let device = Device::cpu();
    let x = parameter(&device, &[3, 2, 2], 1);
    let make = || Gru::new(&device, 2, 8, 1).layers(3).dropout(0.5);
    let layer = make();
    let y = |layer: &Gru| agreed(&layer.forward(&x));
    let (first, second) = (y(&layer), y(&layer));
    assert_ne!(first, second);
    let mut counters = vec![];
    layer.visit_counters(&mut |name, counter| counters.push((name.to_owned(), counter.load(Ordering::Relaxed))));
    assert_eq!(counters, [("dropout_l0.passes".to_owned(), 2), ("dropout_l1.passes".to_owned(), 2)]);
    // Another layer from there on.
    let again = make();
    again.visit_counters(&mut |_, counter| counter.store(1, Ordering::Relaxed));
    assert_eq!(y(&again), second);
    assert_eq!(y(&layer.clone()), y(&layer));
    layer.eval();
    let plain = Gru::new(&device, 2, 8, 1).layers(3);
    assert_eq!((y(&layer), y(&layer)), (y(&plain), y(&plain)));
    let mut none = 0;
    [plain, make().layers(1)].iter().for_each(|layer| layer.visit_counters(&mut |_, _| none += 1));
    assert_eq!(none, 0, "checkpoints of layers that drop nothing hold no counters");
}

#[test]
fn blueprints_make_the_same_layers() {
    for device in common::devices("blueprints of recurrent layers") {
        let models: Vec<Box<dyn Module>> = vec![
            Box::new(Rnn::new(&device, 3, 4, 1).relu().layers(2)),
            Box::new(Rnn::new(&device, 3, 4, 1).layers(2).bidirectional().relu().last_only()),
            Box::new(Gru::new(&device, 3, 4, 1).bidirectional().batch_first()),
            Box::new(Lstm::new(&device, 3, 4, 1).dropout(0.3).layers(3).bidirectional()),
            Box::new(Lstm::new(&device, 3, 4, 1)),
        ];
        let x = parameter(&device, &[3, 2, 3], 1);
        for model in models {
            let blueprint = model.blueprint().unwrap();
            let numbers = model.parameter_count() as u64;
            let same = Registry::new().build_within(&device, &blueprint, numbers).unwrap();
            assert!(Registry::new().build_within(&device, &blueprint, numbers - 1).is_err());
            assert_eq!((same.blueprint().unwrap(), same.describe()), (blueprint, model.describe()));
            StateDict::of(&*model).unwrap().load(&*same).unwrap();
            // The same masks, too.
            assert_eq!(agreed(&model.forward(&x)), agreed(&same.forward(&x)), "{}", model.describe());
        }
        let cell = RnnCell::new(&device, 3, 4, 1).relu();
        let same = Registry::new().build(&device, &cell.blueprint().unwrap()).unwrap();
        assert_eq!((same.describe(), cell.describe()), ("RnnCell(3 → 4, relu)".to_owned(), "RnnCell(3 → 4, relu)".to_owned()));
    }
    let device = Device::cpu();
    let of = |settings: &[(&str, usize)]| {
        let blueprint = Blueprint::new("Gru").set("batch_first", false).set("last_only", true);
        settings.iter().fold(blueprint, |b, (name, value)| b.set(*name, *value))
    };
    // What older files say of a layer.
    let old = of(&[("inputs", 3), ("hidden", 4)]);
    let layer = Registry::new().build(&device, &old).unwrap();
    assert_eq!((layer.blueprint().unwrap(), layer.parameters().len()), (old, 4));
    for lie in [
        &[("inputs", 0), ("hidden", 0), ("layers", usize::MAX)][..],
        &[("inputs", 1), ("hidden", 1), ("layers", 0)],
        &[("inputs", 1), ("hidden", 1), ("layers", 1 << 40)],
    ] {
        assert!(Registry::new().build_within(&device, &of(lie), 1000).is_err(), "{lie:?}");
    }
}

#[test]
fn gates_start_open_where_they_are_told_to() {
    let device = Device::cpu();
    let lstm = Lstm::new(&device, 2, 3, 1).layers(2).forget_bias(1.0).unwrap();
    let other = Lstm::new(&device, 2, 3, 1).layers(2);
    for ((name, found), (_, before)) in lstm.named_parameters().iter().zip(other.named_parameters()) {
        let (found, before) = (found.to_vec::<f32>().unwrap(), before.to_vec::<f32>().unwrap());
        if name.starts_with("bias") {
            let value = if name.starts_with("bias_ih") { 1.0 } else { 0.0 };
            assert_eq!(found[3..6], [value; 3], "{name}");
            assert_eq!((&found[..3], &found[6..]), (&before[..3], &before[6..]), "{name}");
        } else {
            assert_eq!(found, before, "{name}");
        }
    }
}

#[test]
fn summaries_count_all_cells() {
    let device = Device::cpu();
    let layer = Gru::new(&device, 3, 4, 1).layers(2).bidirectional();
    let table = summary(&layer, &device, [5, 2, 3]).unwrap();
    // Two cells that read 3 features and two that read 8, each with 4 units of 3 gates, 10 steps in all.
    assert_eq!(table.multiply_adds, 10 * 12 * (2 * (3 + 4) + 2 * (8 + 4)));
    assert_eq!(table.rows[0].layer, "Gru(3 → 4, 2 layers, both directions)");
}
