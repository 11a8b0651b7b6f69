//! The outside oracle: what other frameworks computed (outputs and derivatives, trajectories of optimizers, schedules), on the
//! reference, the CPU and a GPU.
//!
//! The files lie in the folder that STEEPEST_ORACLES names. Every test of this file has `oracle` in its name.
#![allow(clippy::unwrap_used)]

mod build;
mod cases;
mod descent;
mod file;
mod formulas;
mod hessian;
mod inputs;
mod judge;
mod missing;
mod optimizers;
mod schedules;
mod teeth;
mod training;

use crate::common;
use file::Oracle;
use judge::Place;
use steepest::Device;
use steepest::plan::Switches;

fn with_gradients(what: &str, place: impl FnOnce() -> Option<Place>, test: impl FnOnce(&Oracle, &Place)) {
    with(Oracle::gradients(what), place, test);
}

fn with_optimizers(what: &str, place: impl FnOnce() -> Option<Place>, test: impl FnOnce(&Oracle, &Place)) {
    with(Oracle::optimizers(what), place, test);
}

fn with(oracle: Option<&Oracle>, place: impl FnOnce() -> Option<Place>, test: impl FnOnce(&Oracle, &Place)) {
    let Some(oracle) = oracle else { return };
    if let Some(place) = place() {
        test(oracle, &place);
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

/// A place where every call runs as it was recorded: no fusion, no buffer twice, no dispatches merged.
fn plain(device: Device) -> Place {
    device.set_switches(Switches { fuse: false, reuse: false, merge: false, ..Switches::default() });
    Place::Device(device)
}

fn plain_cpu() -> Option<Place> {
    Some(plain(Device::cpu()))
}

fn plain_gpu() -> Option<Place> {
    common::gpu("the oracle without fusion").map(plain)
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
fn the_cpu_without_fusion_agrees_with_the_oracle() {
    with_gradients("outputs and gradients on the CPU without fusion", plain_cpu, cases::first_order);
}

#[test]
fn the_gpu_without_fusion_agrees_with_the_oracle() {
    with_gradients("outputs and gradients on a GPU without fusion", plain_gpu, cases::first_order);
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
fn second_derivatives_on_the_cpu_without_fusion_agree_with_the_oracle() {
    with_gradients("second derivatives on the CPU without fusion", plain_cpu, cases::second_order);
}

#[test]
fn second_derivatives_on_the_gpu_without_fusion_agree_with_the_oracle() {
    with_gradients("second derivatives on a GPU without fusion", plain_gpu, cases::second_order);
}

#[test]
fn kinks_on_the_reference_follow_the_conventions_of_the_oracle() {
    with_gradients("kinks on the reference", reference, cases::kinks);
}

#[test]
fn kinks_on_the_cpu_follow_the_conventions_of_the_oracle() {
    with_gradients("kinks on the CPU", cpu, cases::kinks);
}

#[test]
fn kinks_on_the_gpu_follow_the_conventions_of_the_oracle() {
    with_gradients("kinks on a GPU", gpu, cases::kinks);
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
    with_optimizers("schedules", reference, |oracle, _| schedules::schedules(oracle));
}

/// The tables of the training runs lie in the folder that STEEPEST_DATA names.
fn with_training(device: impl FnOnce() -> Option<Device>) {
    let Some(oracle) = Oracle::training("training curves") else { return };
    let Some(folder) = std::env::var_os("STEEPEST_DATA").filter(|path| !path.is_empty()) else {
        println!("SKIPPED (STEEPEST_DATA is not set): training curves");
        return;
    };
    if let Some(device) = device() {
        training::curves(oracle, &device, std::path::Path::new(&folder));
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
