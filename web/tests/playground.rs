//! The playground's network on the CPU, and on a GPU where there is one: it learns each data set, its gradients are right, and what it says of
//! itself holds.

use pollster::block_on;
use steepest::Device;
use steepest::data::{Dataset, Labels};
use steepest_web::formula;
use steepest_web::playground::{Playground, Task};
use steepest_web::sample::Place;
use steepest_web::settings::{Data, Feature, Function, Loss, Method, Settings};

fn devices() -> Vec<Device> {
    let mut found = vec![Device::cpu()];
    match Device::named("llvmpipe") {
        Ok(device) => found.push(device),
        Err(_) => println!("SKIPPED (no llvmpipe): the GPU"),
    }
    found
}

#[test]
fn every_data_set_is_learned() {
    for device in devices() {
        for (data, steps, most) in [
            (Data::Circle, 600, 0.1),
            (Data::Xor, 600, 0.25),
            (Data::Clouds, 300, 0.2),
            (Data::Moons, 900, 0.1),
            (Data::Slope, 300, 0.03),
            (Data::Hills, 1500, 0.03),
        ] {
            let settings = Settings { data, layers: vec![8, 8], noise: 0.05, ..Settings::default() };
            let mut playground = Playground::new(&device, settings, None).unwrap();
            let before = block_on(playground.progress()).unwrap();
            playground.train(steps).unwrap();
            let after = block_on(playground.progress()).unwrap();
            println!("{device} {data:?}: {before:?} {after:?}");
            assert_eq!((after.step, after.epoch), (steps as u64, steps as u64 / 11));
            assert!(after.held_out_loss < most && after.loss < before.loss, "{device} {data:?}: {after:?}");
            assert_eq!(after.accuracy.is_none(), data.has_values());
        }
    }
}

#[test]
fn digits_are_learned() {
    for device in devices() {
        let settings =
            Settings { data: Data::Digits, layers: vec![32], activation: Function::Relu, rate: 0.01, ..Settings::default() };
        let mut playground = Playground::new(&device, settings, None).unwrap();
        playground.train(400).unwrap();
        let progress = block_on(playground.progress()).unwrap();
        assert!(progress.held_out_accuracy.unwrap() > 0.93, "{progress:?}");
        assert_eq!(playground.task(), &Task::Classes(10));
        assert!(block_on(playground.neurons(10)).is_err());
        assert_eq!(block_on(playground.predict(&[0.0; 64])).unwrap().len(), 10);
    }
}

/// Every choice of every setting trains, and its gradients are those in f64.
#[test]
fn every_choice_trains_with_right_gradients() {
    for device in devices() {
        let functions = [
            Function::Relu,
            Function::Tanh,
            Function::Sigmoid,
            Function::Gelu,
            Function::Silu,
            Function::LeakyRelu,
            Function::Linear,
        ];
        let methods = [Method::Sgd, Method::Momentum, Method::RmsProp, Method::Adam];
        for (i, activation) in functions.into_iter().enumerate() {
            let settings = Settings {
                data: [Data::Circle, Data::Hills, Data::Digits][i % 3],
                activation,
                optimizer: methods[i % 4],
                rate: 0.01,
                l1: 1e-4 * (i % 2) as f64,
                l2: 1e-4 * (i % 3) as f64,
                batch: 10 + i,
                loss: [Loss::CrossEntropy, Loss::Squared][i % 2],
                features: vec![
                    Feature::X1,
                    Feature::X2,
                    Feature::Product,
                    Feature::SinX2,
                    Feature::X1Squared,
                    Feature::SinX1,
                    Feature::X2Squared,
                ],
                layers: vec![5; i % 4],
                ..Settings::default()
            };
            let mut playground = Playground::new(&device, settings, None).unwrap();
            playground.train(50).unwrap();
            for check in block_on(playground.check_gradients()).unwrap() {
                assert!(check.right && check.compared > 0, "{device} {activation:?}: {check:?}");
            }
            let steps = playground.step_tensors().unwrap();
            let plan = device.plan(&steps).unwrap();
            assert!(!plan.dispatches.is_empty());
        }
    }
}

/// The formula's numbers, computed by hand, are what the network says.
#[test]
fn the_formula_is_what_the_network_computes() {
    let device = Device::cpu();
    let settings = Settings { layers: vec![3], ..Settings::default() };
    let mut playground = Playground::new(&device, settings, None).unwrap();
    playground.train(200).unwrap();
    let weights = block_on(playground.weights()).unwrap();
    let lines = formula::lines(playground.inputs(), Function::Tanh, &weights, playground.task(), playground.classes());
    println!("{}", lines.join("\n"));
    assert_eq!(lines.len(), 5);
    assert!(lines[0].starts_with("h₁ = tanh(") && lines[3].starts_with("z = ") && lines[4] == "class = 1 if z > 0, else 0");
    let at = [0.3f32, -0.2];
    // The lines as they are read, computed: their numbers have three digits.
    let inside = |line: &str| line.split_once('(').unwrap().1.trim_end_matches(')').to_owned();
    let seen = |name: &str| if name == "x₁" { at[0] } else { at[1] };
    let read: Vec<f32> = lines[..3].iter().map(|line| value(&inside(line), &seen).tanh()).collect();
    let hidden_of = |name: &str| read[["h₁", "h₂", "h₃"].iter().position(|h| *h == name).unwrap()];
    let by_reading = value(lines[3].strip_prefix("z = ").unwrap(), &hidden_of);
    let hidden: Vec<f32> =
        (0..3).map(|i| (weights[0].weight[i][0] * at[0] + weights[0].weight[i][1] * at[1] + weights[0].bias[i]).tanh()).collect();
    let z: f32 = weights[1].bias[0] + (0..3).map(|i| weights[1].weight[0][i] * hidden[i]).sum::<f32>();
    let found = block_on(playground.predict(&at)).unwrap();
    assert!((z - found[0]).abs() < 1e-5, "{z} {found:?}");
    assert!((by_reading - found[0]).abs() < 0.02, "{by_reading} {found:?}");
}

/// A sum as the formula writes it: `−0.5·x₁ + 1.2·x₂ − 0.1`.
fn value(sum: &str, of: &dyn Fn(&str) -> f32) -> f32 {
    let (mut sign, mut total) = (1.0, 0.0);
    for word in sum.split(' ') {
        match word {
            "+" => sign = 1.0,
            "−" => sign = -1.0,
            term => {
                let (term, sign) = term.strip_prefix('−').map_or((term, sign), |term| (term, -1.0));
                let (number, name) = term.split_once('·').unwrap_or((term, ""));
                total += sign * number.parse::<f32>().unwrap() * if name.is_empty() { 1.0 } else { of(name) };
            }
        }
    }
    total
}

#[test]
fn neurons_are_seen_over_the_plane() {
    let device = Device::cpu();
    let playground = Playground::new(&device, Settings::default(), None).unwrap();
    let neurons = block_on(playground.neurons(12)).unwrap();
    assert_eq!(neurons.iter().map(Vec::len).collect::<Vec<_>>(), [6, 4, 1]);
    assert!(neurons.iter().flatten().all(|places| places.len() == 144));
    // The last one is the output.
    let rows: Vec<f32> = steepest_web::playground::plane(12).into_iter().flatten().collect();
    assert_eq!(block_on(playground.predict(&rows)).unwrap(), neurons[2][0]);
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let once = || {
        let mut playground =
            Playground::new(&Device::cpu(), Settings { data: Data::Spiral, ..Settings::default() }, None).unwrap();
        playground.train(100).unwrap();
        block_on(playground.weights()).unwrap()
    };
    assert_eq!(once(), once());
}

#[test]
fn a_saddle_has_its_eigenvalues() {
    let settings = Settings { layers: vec![2], ..Settings::default() };
    let playground = Playground::new(&Device::cpu(), settings, None).unwrap();
    let point = block_on(playground.curvature()).unwrap();
    println!("{}", point.verdict());
    assert!(point.spectrum.lowest() <= point.spectrum.highest());
}

#[test]
fn what_cannot_be_is_said() {
    let device = Device::cpu();
    let refused = |settings: Settings| match Playground::new(&device, settings, None) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    };
    assert!(refused(Settings { rate: f64::NAN, ..Settings::default() }).contains("the learning rate is NaN; choose"));
    assert!(refused(Settings { layers: vec![0], ..Settings::default() }).contains("hidden layer 1"));
    assert!(refused(Settings { features: vec![], ..Settings::default() }).contains("no feature"));
    assert!(refused(Settings { points: usize::MAX, ..Settings::default() }).contains("points"));
    assert!(refused(Settings { data: Data::Table, ..Settings::default() }).contains("no table is loaded"));
    assert!(Settings::from_json("{\"rate\": \"fast\"}").is_err() && Settings::from_json("{\"raet\": 1}").is_err());
    let error = Settings::from_json("{\"rate\": 0.1, \"batch\": -1}").unwrap_err();
    assert!(error.contains("the setting batch is -1"), "{error}");
    let settings = Settings { layers: vec![3, 2], ..Settings::default() };
    assert_eq!(Settings::from_json(&serde_json::to_string(&settings).unwrap()).unwrap(), settings);
    // A table of one class: the network has nothing to tell apart.
    let one = Dataset::new(vec![1.0, 2.0, 3.0, 4.0], &[1], Labels::Classes(vec![0; 4], 1)).unwrap();
    let _ = Playground::new(&device, Settings { data: Data::Table, ..Settings::default() }, Some(&one));
}

/// At the symmetric point a network of one hidden layer is on a saddle, training stays there, and a step along the way out makes the loss fall, after which
/// it learns. On every device.
#[test]
fn a_saddle_is_found_and_left() {
    for device in devices() {
        for (data, activation, loss) in [
            (Data::Clouds, Function::Tanh, Loss::CrossEntropy),
            (Data::Slope, Function::Tanh, Loss::Squared),
            (Data::Moons, Function::Gelu, Loss::Squared),
            (Data::Digits, Function::Tanh, Loss::CrossEntropy),
        ] {
            let settings =
                Settings { data, activation, loss, layers: vec![4], optimizer: Method::Sgd, rate: 0.1, ..Settings::default() };
            let mut playground = Playground::new(&device, settings, None).unwrap();
            block_on(playground.to_saddle()).unwrap();
            playground.train(30).unwrap();
            let weights = block_on(playground.weights()).unwrap();
            assert!(weights.iter().flat_map(|layer| layer.weight.concat()).all(|weight| weight == 0.0), "training stays");
            block_on(playground.to_saddle()).unwrap();
            let (around, point) = block_on(playground.look_around()).unwrap();
            println!("{device} {data:?}: {}", around.text);
            assert!(around.critical && around.kind == "saddle", "{data:?}: {}", around.text);
            let lowest = around.eigenvalues[0];
            assert!(lowest < -around.flat && around.side > 8 && around.plane.len() == around.side * around.side);
            // The middle of both pictures is the place itself; along the way out the loss is lower, on both sides, by ½ λ t² near it.
            let middle = around.along[around.along.len() / 2];
            let near = around.span * 2.0 / (around.along.len() - 1) as f64;
            let falls = [around.along.len() / 2 - 1, around.along.len() / 2 + 1].map(|i| f64::from(around.along[i] - middle));
            let expected = 0.5 * lowest * near * near;
            for fall in falls {
                assert!(fall < 0.0 && (fall / expected - 1.0).abs() < 0.2, "{data:?}: {fall} {expected}");
            }
            assert_eq!(around.plane[around.plane.len() / 2], middle);
            // Upwards it rises.
            assert!(around.plane[around.side / 2] > middle, "{data:?}");
            assert!(around.direction.iter().all(|part| part.parameter.contains(" → ")));
            let norm: f64 = point.escape.as_ref().unwrap().direction.iter().map(|part| part * part).sum();
            assert!((norm - 1.0).abs() < 1e-6);
            let (before, after) = block_on(playground.leave(&point, 1.0)).unwrap();
            assert!(after < before && f64::from(before) - around.loss < 1e-6, "{before} {after}");
            playground.train(200).unwrap();
            assert!(block_on(playground.progress()).unwrap().loss < 0.95 * before, "{data:?} learns again");
        }
    }
}

#[test]
fn a_sample_is_followed_and_weights_are_changed_by_hand() {
    for device in devices() {
        let mut playground = Playground::new(&device, Settings { layers: vec![3, 2], ..Settings::default() }, None).unwrap();
        playground.train(20).unwrap();
        let sample = playground.sample(7).unwrap();
        // It is one of those held back.
        let point = &playground.points()[playground.held_out_rows()[7]];
        assert_eq!((sample.features, sample.label), (point.at.to_vec(), if point.label > 0.0 { "1" } else { "0" }.to_owned()));
        let values = block_on(playground.activations(&point.at)).unwrap();
        assert_eq!(values.iter().map(Vec::len).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!(values[2], block_on(playground.predict(&point.at)).unwrap());
        let weights = block_on(playground.weights()).unwrap();
        for (i, layer) in weights.iter().enumerate() {
            let seen = if i == 0 { point.at.to_vec() } else { values[i - 1].clone() };
            for (row, (&bias, &value)) in layer.weight.iter().zip(layer.bias.iter().zip(&values[i])) {
                let sum: f32 = row.iter().zip(&seen).map(|(w, x)| w * x).sum::<f32>() + bias;
                let said = if i == 2 { sum } else { sum.tanh() };
                assert!((said - value).abs() < 1e-5, "{device} layer {i}: {said} {value}");
            }
        }
        // One weight, one bias, and nothing else.
        block_on(playground.set_weight(Place { layer: 1, neuron: 1, input: Some(2) }, 0.75)).unwrap();
        block_on(playground.set_weight(Place { layer: 0, neuron: 2, input: None }, -0.5)).unwrap();
        let mut expected = weights.clone();
        (expected[1].weight[1][2], expected[0].bias[2]) = (0.75, -0.5);
        assert_eq!(block_on(playground.weights()).unwrap(), expected);
        for (layer, neuron, input, value) in [(3, 0, None, 1.0), (0, 3, None, 1.0), (0, 0, Some(2), 1.0), (0, 0, None, f32::NAN)]
        {
            assert!(block_on(playground.set_weight(Place { layer, neuron, input }, value)).is_err());
        }
        // All of them again, and the count of steps.
        playground.restore(&weights, 20, 1).unwrap();
        assert_eq!(block_on(playground.weights()).unwrap(), weights);
        assert!(playground.restore(&weights[1..], 0, 0).is_err() && playground.sample(1_000_000).is_err());
        assert!(block_on(playground.activations(&[1.0])).is_err());
    }
}

/// Losses of classes and of values, each with right gradients.
#[test]
fn every_loss_learns() {
    for (data, loss) in [
        (Data::Circle, Loss::Absolute),
        (Data::Circle, Loss::Huber),
        (Data::Circle, Loss::Hinge),
        (Data::Hills, Loss::Absolute),
        (Data::Hills, Loss::Huber),
        (Data::Digits, Loss::Hinge),
        (Data::Digits, Loss::Huber),
    ] {
        let settings = Settings { data, loss, layers: vec![12], ..Settings::default() };
        let mut playground = Playground::new(&Device::cpu(), settings, None).unwrap();
        let before = block_on(playground.progress()).unwrap().loss;
        playground.train(400).unwrap();
        let after = block_on(playground.progress()).unwrap();
        assert!(after.loss < 0.5 * before, "{data:?} {loss:?}: {before} {after:?}");
        for check in block_on(playground.check_gradients()).unwrap() {
            assert!(check.right, "{data:?} {loss:?}: {check:?}");
        }
    }
    let refused = Playground::new(&Device::cpu(), Settings { data: Data::Hills, loss: Loss::Hinge, ..Settings::default() }, None);
    assert!(refused.err().unwrap().to_string().contains("hinge"));
}
