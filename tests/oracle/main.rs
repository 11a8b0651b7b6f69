//! The outside oracle: what other frameworks computed (outputs and derivatives, trajectories of optimizers, schedules), on the
//! reference, the CPU and a GPU.
//!
//! The files lie in the folder that STEEPEST_ORACLES names. Every test of this file has `oracle` in its name.
#![allow(clippy::unwrap_used)]

mod build;
mod cases;
#[path = "../common/mod.rs"]
mod common;
mod file;
mod hessian;
mod judge;
mod optimizers;
mod training;

use build::Params;
use file::Oracle;
use judge::{Check, Part, Place, Table};
use serde_json::json;
use steepest::graph::Array;
use steepest::{Device, Shape};

fn with_gradients(what: &str, place: impl FnOnce() -> Option<Place>, test: impl FnOnce(&Oracle, &Place)) {
    with(what, "gradients", place, test);
}

fn with_optimizers(what: &str, place: impl FnOnce() -> Option<Place>, test: impl FnOnce(&Oracle, &Place)) {
    with(what, "optimizers", place, test);
}

fn with(what: &str, stem: &str, place: impl FnOnce() -> Option<Place>, test: impl FnOnce(&Oracle, &Place)) {
    let Some(oracle) = Oracle::open(what, stem) else { return };
    if let Some(place) = place() {
        test(&oracle, &place);
    }
}

fn reference() -> Option<Place> {
    Some(Place::Reference)
}

fn cpu() -> Option<Place> {
    Some(Place::Device(Device::cpu()))
}

fn gpu() -> Option<Place> {
    common::gpu("the oracle").map(Place::Device)
}

#[test]
fn the_reference_agrees_with_the_oracle() {
    with_gradients("outputs and gradients on the reference", reference, cases::first_order);
}

#[test]
fn the_cpu_agrees_with_the_oracle() {
    with_gradients("outputs and gradients on the CPU", cpu, cases::first_order);
}

#[test]
fn the_gpu_agrees_with_the_oracle() {
    with_gradients("outputs and gradients on a GPU", gpu, cases::first_order);
}

#[test]
fn second_derivatives_on_the_reference_agree_with_the_oracle() {
    with_gradients("second derivatives on the reference", reference, cases::second_order);
}

#[test]
fn second_derivatives_on_the_cpu_agree_with_the_oracle() {
    with_gradients("second derivatives on the CPU", cpu, cases::second_order);
}

#[test]
fn second_derivatives_on_the_gpu_agree_with_the_oracle() {
    with_gradients("second derivatives on a GPU", gpu, cases::second_order);
}

#[test]
fn trajectories_on_the_reference_agree_with_the_oracle() {
    with_optimizers("trajectories on the reference", reference, optimizers::trajectories);
}

#[test]
fn trajectories_on_the_cpu_agree_with_the_oracle() {
    with_optimizers("trajectories on the CPU", cpu, optimizers::trajectories);
}

#[test]
fn trajectories_on_the_gpu_agree_with_the_oracle() {
    with_optimizers("trajectories on a GPU", gpu, optimizers::trajectories);
}

#[test]
fn schedules_agree_with_the_oracle() {
    with_optimizers("schedules", reference, |oracle, _| optimizers::schedules(oracle));
}

/// The judge itself: it must see what is wrong, and say what is not there.
#[test]
fn what_is_wrong_is_seen_by_the_oracle() {
    let general = json!({ "rtol": 0.0, "atol": 0.5 });
    let index = json!({ "tolerances": { "f64": { "forward": general, "gradient": general }, "f32": general } });
    let verdict = |case: serde_json::Value, found: &[f64]| {
        let mut table = Table::new(&index, &Place::Device(Device::cpu()));
        let found = Array::new(Shape::new(&[found.len()]).unwrap(), found.to_vec());
        let expected = vec![1.0, -4.0];
        let check = Check { what: "output".to_owned(), part: Part::Forward, found, shape: vec![2], expected: expected.into() };
        table.enter(&case, "op", Ok(Some(vec![check])));
        std::panic::catch_unwind(|| table.finish()).is_ok()
    };
    assert!(verdict(json!({}), &[1.25, -4.5]));
    assert!(!verdict(json!({}), &[1.0, -4.6]));
    assert!(!verdict(json!({}), &[f64::NAN, -4.0]));
    assert!(!verdict(json!({}), &[1.0]));
    assert!(verdict(json!({ "f32_relative_to_max": 0.25 }), &[1.0, -4.9]));
    assert!(!verdict(json!({ "f32_relative_to_max": 0.1 }), &[1.0, -4.45]));

    let finishes = |result| {
        let mut table = Table::new(&index, &Place::Reference);
        table.enter(&json!({}), "op", result);
        std::panic::catch_unwind(|| table.finish()).is_ok()
    };
    assert!(!finishes(Ok(None)) && !finishes(Ok(Some(vec![]))) && !finishes(Err("broken".to_owned())));

    let x = [Device::cpu().parameter(&[1.0], 1)];
    assert!(matches!(build::build("no such op", Params(&json!({})), &x), Ok(None)));
    assert!(build::build("leaky_relu", Params(&json!({})), &x).is_err());
    assert!(build::build("sum", Params(&json!({ "axes": [], "keepdims": false })), &x).is_err());
    assert!(build::build("add", Params(&json!({})), &x).is_err());
}

/// The tables of the training runs lie in the folder that STEEPEST_DATA names.
fn with_training(device: impl FnOnce() -> Option<Device>) {
    let Some(oracle) = Oracle::open("training curves", "training") else { return };
    let Some(folder) = std::env::var_os("STEEPEST_DATA").filter(|path| !path.is_empty()) else {
        println!("SKIPPED (STEEPEST_DATA is not set): training curves");
        return;
    };
    if let Some(device) = device() {
        training::curves(&oracle, &device, std::path::Path::new(&folder));
    }
}

#[test]
fn training_on_the_cpu_follows_the_oracle() {
    with_training(|| Some(Device::cpu()));
}

#[test]
fn training_on_the_gpu_follows_the_oracle() {
    with_training(|| common::gpu("training curves"));
}
