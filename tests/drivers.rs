//! Drivers of GPUs: the processor's device loads none, and none of them looks for a display. Alone in its program, because drivers are loaded
//! for all of it.
#![allow(clippy::unwrap_used)]

mod common;

use common::program::{Place, houses, said};
use steepest::{Device, gpu, verify};

/// In this process: no test of this file opens another device in it.
#[test]
fn the_processor_loads_no_drivers() {
    for device in [Device::cpu(), Device::named("cpu").unwrap(), Device::named("CPU").unwrap()] {
        let x = device.parameter(&[1.0, 2.0, 3.0], 3);
        let gradient = x.square().sum(&[]).backward().wrt(&x).unwrap();
        assert_eq!(gradient.to_vec::<f32>().unwrap(), [2.0, 4.0, 6.0]);
        let report = verify::ops(&device, "softmax");
        assert!(report.failures.is_empty() && report.cases > 0, "{report}");
    }
    assert_eq!(gpu::drivers_loaded(), 0);
}

/// What Vulkan's loader says of its work when it is asked to: nothing if it was not loaded.
#[test]
fn the_program_on_the_processor_loads_no_drivers() {
    let place = Place::new();
    place.put("houses.csv", houses(200, 1));
    let fit = "fit houses.csv --target price --out m.safetensors --seed 1 --epochs 2";
    for args in [format!("{fit} --device cpu"), fit.replace("m.s", "n.s"), "inspect m.safetensors".to_owned()] {
        let mut command = place.command(&args);
        command.env("VK_LOADER_DEBUG", "all").env_remove("XDG_RUNTIME_DIR");
        if args.contains("--device") {
            // The argument alone says so.
            command.env_remove("STEEPEST_DEVICE");
        }
        let said = said(command.output().unwrap());
        assert_eq!(said.code, Some(0), "{args}: {}", said.err);
        for word in ["XDG_RUNTIME_DIR", "vulkan", "Vulkan", "loader", "DRIVER", "INFO"] {
            assert!(!said.err.contains(word), "{args}: {}", said.err);
        }
    }
}

/// On a machine without a display, with and without a GPU: a message of a driver's would be one that no user can act on.
#[test]
fn no_driver_looks_for_a_display() {
    let place = Place::new();
    place.put("houses.csv", houses(200, 1));
    let fit = "fit houses.csv --target price --seed 1 --epochs 2";
    let mut all = vec!["devices".to_owned(), format!("{fit} --out best.safetensors --device best")];
    if place.works("devices").contains("llvmpipe") {
        all.push(format!("{fit} --out gpu.safetensors --device gpu:llvmpipe"));
    } else {
        println!("SKIPPED (no llvmpipe): a run on it");
    }
    for args in all {
        let mut command = place.command(&args);
        for variable in ["XDG_RUNTIME_DIR", "DISPLAY", "WAYLAND_DISPLAY", "STEEPEST_DEVICE"] {
            command.env_remove(variable);
        }
        let said = said(command.output().unwrap());
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "steepest {args}");
    }
}
