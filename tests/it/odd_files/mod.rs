//! Odd files, made byte by byte: every format × type × order × damage, each with the numbers or the error expected. Nothing panics.
#![cfg(all(feature = "arrays", feature = "images", feature = "save"))]
#![allow(clippy::unwrap_used)]

mod limits;
mod npy;
mod npz;
mod outside;
mod png;
mod tensors;
mod whole;

use std::fmt::Debug;
use steepest::{Error, Result};

/// The error of a file: typed, and naming it.
fn refused<T: Debug>(what: &str, result: Result<T>) -> String {
    match result {
        Err(error @ (Error::File { .. } | Error::Malformed { .. })) => {
            let message = error.to_string();
            assert!(message.starts_with("odd"), "{what}: the file is not named: {message}");
            message
        }
        Err(error) => panic!("{what}: expected an error about the file, got {error:?}"),
        // What was read instead may be very long.
        Ok(found) => panic!("{what}: expected an error about the file, got {:.300}", format!("{found:?}")),
    }
}

/// Every shorter file is refused; of every file with one byte changed there is a result or an error, and `sound` finds nothing wrong with it.
fn damaged<T: Debug>(what: &str, bytes: &[u8], read: impl Fn(&[u8]) -> Result<T>, sound: impl Fn(&T, &[u8]) -> bool) {
    for cut in 0..bytes.len() {
        refused(&format!("{what}, cut at {cut}"), read(&bytes[..cut]));
    }
    for at in 0..bytes.len() {
        for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= flip;
            match read(&bytes) {
                Ok(found) => assert!(sound(&found, &bytes), "{what}, byte {at} changed by {flip:02x}: {found:?}"),
                other => drop(refused(&format!("{what}, byte {at} changed by {flip:02x}"), other)),
            }
        }
    }
}
