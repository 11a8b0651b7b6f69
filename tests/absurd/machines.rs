//! Absurd arguments for the public functions of the machines: `src/gpu`, `src/cpu`, `src/reference`, `src/executor.rs`.

use crate::{Line, Room, table};

pub fn rooms() -> [Room; 4] {
    [
        Room { name: "gpu", tables: &[GPU], not_called: GPU_NOT_CALLED, complete: false },
        Room { name: "cpu", tables: &[CPU], not_called: CPU_NOT_CALLED, complete: false },
        Room { name: "reference", tables: &[REFERENCE], not_called: REFERENCE_NOT_CALLED, complete: false },
        Room { name: "executor", tables: &[], not_called: EXECUTOR_NOT_CALLED, complete: false },
    ]
}

const GPU_NOT_CALLED: &[(&str, &str)] = &[];
const CPU_NOT_CALLED: &[(&str, &str)] = &[];
const REFERENCE_NOT_CALLED: &[(&str, &str)] = &[];
const EXECUTOR_NOT_CALLED: &[(&str, &str)] = &[];

const GPU: &[Line] = table! {};
const CPU: &[Line] = table! {};
const REFERENCE: &[Line] = table! {};
