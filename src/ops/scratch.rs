//! Memory for packed operands: a few blocks per thread, kept from call to call.

use std::cell::RefCell;

/// Numbers in a cache line, on which blocks begin.
const LINE: usize = 16;

thread_local! {
    /// Blocks not in use. More than one, because work that has a block may call for another, or take up other work meanwhile.
    static BLOCKS: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Hands `work` memory of `len` numbers that begins on a cache line. What it holds is left from earlier work.
pub fn with<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut block = BLOCKS.with_borrow_mut(Vec::pop).unwrap_or_default();
    if block.len() < len + LINE {
        block.resize(len + LINE, 0.0);
    }
    // A whole number of f32 away; too far where the address is unknown.
    let start = block.as_ptr().align_offset(4 * LINE).min(LINE);
    let result = work(&mut block[start..start + len]);
    BLOCKS.with_borrow_mut(|blocks| blocks.push(block));
    result
}
