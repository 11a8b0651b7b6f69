//! Memory for packed operands: one block per thread, kept from call to call.

use std::cell::Cell;

/// Numbers in a cache line, on which blocks begin.
const LINE: usize = 16;

thread_local! {
    /// It is taken out while in use, so that a thread that takes up other work meanwhile gets its own.
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Hands `work` memory of `len` numbers that begins on a cache line. What it holds is left from earlier work.
pub fn with<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut scratch = SCRATCH.take();
    if scratch.len() < len + LINE {
        scratch.resize(len + LINE, 0.0);
    }
    // A whole number of f32 away; 0 where the address is unknown.
    let start = scratch.as_ptr().align_offset(4 * LINE).min(LINE);
    let result = work(&mut scratch[start..start + len]);
    SCRATCH.set(scratch);
    result
}
