//! A build without the feature `gpu`: the CPU learns, and whoever asks for a GPU is told why there is none.
#![cfg(not(feature = "gpu"))]

use steepest::nn::{self, Module};
use steepest::optim::{Adam, Optimizer};
use steepest::{Device, Error};

#[test]
fn asking_for_a_gpu_is_an_error_that_names_the_feature() {
    let asked = [
        ("gpu", Device::gpu()),
        ("gpu", Device::named("gpu")),
        ("llvmpipe", Device::named("gpu:llvmpipe")),
        ("nvidia", Device::gpu_with_minimal_limits("nvidia")),
    ];
    for (name, opened) in asked {
        let error = opened.unwrap_err();
        assert!(matches!(&error, Error::NoGpuSupport { device } if device == name), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(name) && text.contains("no GPU support") && text.contains("feature `gpu`"), "{text}");
    }
    assert!(matches!(Device::named(""), Err(Error::UnknownDevice { .. })));
}

#[test]
fn the_cpu_is_what_there_is() {
    let names: Vec<String> = Device::all().into_iter().map(|info| info.name).collect();
    assert_eq!(names, ["cpu"]);
    for device in [Device::named("cpu"), Device::named("best"), Ok(Device::cpu())] {
        let device = device.unwrap();
        assert!(!device.is_gpu() && device.as_gpu().is_none());
        // Switches of a GPU do nothing here, as on any CPU.
        device.set_tune(steepest::device::Tune::Measure);
        device.set_shader_checks(steepest::device::ShaderChecks::Trusted);
        assert!(device.measure_peak().unwrap().gflops > 0.0);
    }
}

#[test]
fn xor_is_learned() {
    let device = Device::cpu();
    let x = device.tensor(&[0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [4, 2]);
    let y = device.tensor(&[0.0, 1.0, 1.0, 0.0], [4, 1]);
    let model = nn::mlp(&device, &[2, 8, 1], 1);
    let mut adam = Adam::new(model.parameters(), 0.05);
    for _ in 0..400 {
        adam.step(model.forward(&x).mse(&y).backward()).unwrap();
    }
    let found = model.forward(&x).to_vec::<f32>().unwrap();
    assert!(found.iter().zip([0.0, 1.0, 1.0, 0.0]).all(|(found, wanted)| (found - wanted).abs() < 0.1), "{found:?}");
}
