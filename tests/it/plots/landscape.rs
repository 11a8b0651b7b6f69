//! Slices and surfaces of a loss: the weights come back to the bit, the directions have the weights' lengths.

use super::svg::Svg;
use std::cell::RefCell;
use steepest::nn::{self, Module};
use steepest::plot::{self, Figure};
use steepest::{Device, Error, Result, Tensor, no_grad};

fn bits(parameters: &[Tensor]) -> Vec<Vec<u32>> {
    parameters.iter().map(|p| p.to_vec::<f32>().unwrap().iter().map(|v| v.to_bits()).collect()).collect()
}

fn model() -> (Device, impl Module, Vec<Tensor>) {
    let device = Device::cpu();
    let model = nn::mlp(&device, &[3, 5, 2], 7);
    let parameters = model.parameters();
    parameters[1].set(&[0.1, -0.0, f32::MIN_POSITIVE / 4.0, 3.0, -2.0]).unwrap();
    (device, model, parameters)
}

#[test]
fn weights_come_back_to_the_bit() {
    let (device, model, parameters) = model();
    let before = bits(&parameters);
    let x = device.tensor(&[0.5, -1.0, 2.0, 0.0, 1.0, 1.0], [2, 3]);
    let loss = || no_grad(|| model.forward(&x).square().mean(&[])).item();
    let at_rest = f64::from(loss().unwrap());
    let field = plot::loss_surface(&parameters, 1, 0.7, 5, loss).unwrap();
    assert_eq!(bits(&parameters), before);
    assert_eq!((field.xs()[0], field.xs()[2], field.xs()[4], field.at(2, 2)), (-0.7, 0.0, 0.7, at_rest));
    assert!(field.values().iter().filter(|v| **v != at_rest).count() == 24, "the weights did not move");
    let slices = plot::loss_slices(&parameters, 1, 0.7, 5, loss).unwrap();
    assert_eq!(bits(&parameters), before);
    assert_eq!(Svg::of(&slices).texts().iter().filter(|t| t.starts_with("direction ")).count(), 3);

    // The seed alone decides on the directions.
    let again = plot::loss_surface(&parameters, 1, 0.7, 5, loss).unwrap();
    let other = plot::loss_surface(&parameters, 2, 0.7, 5, loss).unwrap();
    assert!(again == field && other != field);
}

#[test]
fn weights_come_back_when_the_loss_fails_or_panics() {
    let (_device, _model, parameters) = model();
    let before = bits(&parameters);
    let mut calls = 0;
    let error = plot::loss_surface(&parameters, 1, 1.0, 5, || {
        calls += 1;
        if calls == 7 { Err(Error::Config { what: "loss", message: "no data left".to_owned() }) } else { Ok(1.0) }
    });
    assert_eq!((error.unwrap_err().to_string(), calls), ("loss: no data left".to_owned(), 7));
    assert_eq!(bits(&parameters), before);
    let error = plot::loss_slices(&parameters, 1, 1.0, 5, || Err(Error::Config { what: "loss", message: "none".to_owned() }));
    assert!(error.is_err());
    assert_eq!(bits(&parameters), before);

    let shared = std::panic::AssertUnwindSafe(&parameters);
    let outcome = std::panic::catch_unwind(move || plot::loss_surface(&shared, 1, 1.0, 5, || panic!("a bug in the loss")));
    assert!(outcome.is_err());
    assert_eq!(bits(&parameters), before);
}

#[test]
fn a_step_of_one_is_as_long_as_each_filter() {
    let (_device, _model, parameters) = model();
    let start: Vec<Vec<f32>> = parameters.iter().map(|p| p.to_vec().unwrap()).collect();
    let seen = RefCell::new(vec![]);
    plot::loss_slices(&parameters, 3, 1.0, 3, || {
        let now: Result<Vec<Vec<f32>>> = parameters.iter().map(|p| p.to_vec()).collect();
        seen.borrow_mut().push(now?);
        Ok(0.0)
    })
    .unwrap();
    let seen = seen.into_inner();
    assert_eq!(seen.len(), 9);
    // −1, 0 and 1 along the first direction.
    assert_eq!(seen[1], start);
    let length = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    for end in [&seen[0], &seen[2]] {
        for (i, parameter) in parameters.iter().enumerate() {
            let dims = parameter.shape().dims().to_vec();
            if dims.len() == 1 {
                assert_eq!(end[i], start[i], "a bias moved");
                continue;
            }
            let size = dims[1];
            for (now, was) in end[i].chunks(size).zip(start[i].chunks(size)) {
                let moved: Vec<f32> = now.iter().zip(was).map(|(a, b)| a - b).collect();
                assert!((length(&moved) / length(was) - 1.0).abs() < 1e-5, "{} for {}", length(&moved), length(was));
            }
        }
    }
    // Directions differ.
    assert_ne!(seen[0], seen[3]);
}

#[test]
fn a_quadratic_loss_gives_parabolas() {
    let device = Device::cpu();
    let w = device.parameter(&[3.0, 4.0, 0.0, 12.0], [2, 2]);
    let anchor = device.tensor(&[3.0, 4.0, 0.0, 12.0], [2, 2]);
    // The squared distance from the start: both filters have moved by a times their length, 25 a² + 144 a².
    let loss = || no_grad(|| (&w - &anchor).square().sum(&[])).item();
    let field = plot::loss_surface(std::slice::from_ref(&w), 5, 2.0, 5, loss).unwrap();
    for (column, a) in [-2.0, -1.0, 0.0, 1.0, 2.0].into_iter().enumerate() {
        let (found, expected) = (field.at(column, 2), 169.0 * a * a);
        assert!((found - expected).abs() < 1e-3 * (1.0 + expected), "{found} for {expected}");
    }
    Figure::new("").contour(&field).to_svg().unwrap();
}

#[test]
fn what_cannot_be_moved_is_refused() {
    let (device, _model, parameters) = model();
    let message = |parameters: &[Tensor], reach: f64, steps: usize| {
        plot::loss_surface(parameters, 1, reach, steps, || Ok(0.0)).unwrap_err().to_string()
    };
    assert!(message(&[], 1.0, 5).contains("no parameters"));
    assert!(message(&[parameters[0].relu()], 1.0, 5).contains("parameter 0 is computed"));
    assert!(message(&[parameters[1].clone()], 1.0, 5).contains("only biases"));
    assert!(message(&[device.parameter(&[0.0; 4], [2, 2])], 1.0, 5).contains("all weights are zero"));
    for (reach, steps) in [(0.0, 5), (f64::NAN, 5), (-1.0, 5), (f64::INFINITY, 5), (1.0, 2), (1.0, 502)] {
        assert!(message(&parameters, reach, steps).contains("expected 3 to 501"), "{reach} {steps}");
    }
}
