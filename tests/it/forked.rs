//! Forks: a process that was forked from one that computes gets an error from its devices, never waits for threads that it has not, and computes on a
//! device of its own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use crate::common;
use std::process::Command;
use steepest::{Device, Error, Tensor};

/// The system's calls that make another process. No safe one does so without starting another program in it, and that a program goes on in both
/// is what is tested here.
#[allow(unsafe_code)]
mod system {
    unsafe extern "C" {
        fn fork() -> i32;
        fn waitpid(process: i32, status: *mut i32, options: i32) -> i32;
        fn alarm(seconds: u32) -> u32;
        fn _exit(status: i32) -> !;
    }

    /// Does `work` in a process that is forked from this one; its number, or `None` if it did not end within a minute or was ended.
    pub fn in_a_fork(work: impl FnOnce() -> i32) -> Option<i32> {
        // SAFETY: the calls take plain numbers and a place for one. After `fork` in a program of several threads only what the forked one held is in
        // order; that the library keeps to that is the test. `_exit` ends the new process before anything of the test program's own runs in it.
        unsafe {
            let process = fork();
            if process == 0 {
                alarm(60);
                let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(99);
                _exit(found);
            }
            let mut status = 0;
            assert!(process > 0 && waitpid(process, &raw mut status, 0) == process);
            (status & 0x7f == 0).then_some(status >> 8)
        }
    }
}

/// Kernels of every kind of size: those that one thread does, those that threads share where the plan does not say so, large ones.
fn work(device: &Device) -> steepest::Result<Vec<u32>> {
    let numbers = |n: usize| (0..n).map(|i| (i * 7919 % 1013) as f32 / 1013.0 - 0.5).collect::<Vec<_>>();
    let x = device.tensor(&numbers(300 * 300), [300, 300]);
    let small = device.tensor(&numbers(20_000), [20_000]);
    let all: [Tensor; 5] = [
        x.matmul(&x),
        &x + 1.0,
        small.cumsum(0, false),
        small.sort(0, false).0,
        x.slice(0, ..4).slice(1, ..4).matmul(&x.slice(0, ..4)),
    ];
    let mut found = vec![];
    for tensor in &all {
        found.extend(tensor.to_vec::<f32>()?.into_iter().map(f32::to_bits));
    }
    Ok(found)
}

fn is_forked<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Forked { .. }))
}

#[test]
fn a_forked_process_is_told_and_computes_on_its_own_device() {
    if std::env::var("STEEPEST_FORKED").is_err() {
        // In a program of its own: this one's other threads hold locks as it comes.
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args([
            "--exact",
            "forked::a_forked_process_is_told_and_computes_on_its_own_device",
            "--nocapture",
            "--test-threads=1",
        ]);
        let output = program.env("STEEPEST_FORKED", "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("ALL DONE"), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    // Before anything was used, everything can be used after a fork.
    let first = system::in_a_fork(|| i32::from(work(&Device::cpu()).is_err()));
    assert_eq!(first, Some(0), "a fork before the first use");
    for device in common::devices("forks") {
        let expected = work(&device).unwrap();
        let (value, recorded) = (device.ones([1000]), device.ones([7]).exp());
        value.run().unwrap();
        device.wait().unwrap();
        let on_cpu = work(&Device::cpu()).unwrap();
        let name = device.name().to_owned();
        let found = system::in_a_fork(|| {
            let told = [
                is_forked(recorded.to_vec::<f32>()),
                is_forked(value.to_vec::<f32>()),
                is_forked(device.wait()),
                is_forked(work(&device)),
                is_forked(value.sum(&[]).item()),
                !device.is_gpu() || is_forked(Device::named(&name)),
                Device::all().iter().any(|info| info.name == "cpu"),
            ];
            drop((value, recorded, device));
            if let Some(wrong) = told.iter().position(|told| !told) {
                return 10 + wrong as i32;
            }
            // Twice: once with new plans, once with known ones.
            let own = Device::cpu();
            let same = (0..2).all(|_| work(&own).is_ok_and(|found| found == on_cpu));
            let again = system::in_a_fork(|| i32::from(!is_forked(work(&own))));
            i32::from(!same) + 2 * i32::from(again != Some(0))
        });
        assert_eq!(found, Some(0), "{name}: what was wrong in the forked process");
        // Nothing of this touches the process it was forked from.
        let device = common::devices("forks").into_iter().find(|d| d.name() == name).unwrap();
        assert_eq!(work(&device).unwrap(), expected, "{name}");
    }
    println!("ALL DONE");
}
