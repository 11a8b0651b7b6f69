//! Absurd arguments: every public function is called with sizes beyond all memory, empty lists, NaN, tensors of other shapes, types and devices.
//! An error is an answer; a panic, an abort, a hang and memory beyond the limit are not. A program of its own, because it runs itself as child
//! processes that are held to little memory, so that a call that takes the process down is told by name.
//!
//! - `table!` lines in a file per room of `src/` say how each function is called; `odd.rs` makes the arguments, from a seed.
//! - `outcome.rs` runs what a call gave, and its gradients. `child.rs` makes the calls in child processes.
//! - `complete.rs` lists the public functions that no line calls.
//!
//! `STEEPEST_ABSURD=full` makes 100,000 calls and more, a number makes about as many; `STEEPEST_ABSURD=cpu/Tensor::chunk/123` makes one again and
//! says what it did.
#![allow(clippy::unwrap_used)]

mod child;
mod complete;
mod odd;
mod outcome;

mod critical;
mod data;
mod device;
mod escape;
mod files;
mod graph;
mod location;
mod machines;
mod nn;
mod ops;
mod optim;
mod plan;
#[cfg(feature = "plot")]
mod plot;
mod profile;
#[cfg(feature = "save")]
mod save;
mod shaders;
mod shape;
mod train;
mod unsupervised;
mod verify;
#[cfg(feature = "gpu")]
mod wgsl;

use odd::Odd;

/// How one public function is called.
pub struct Line {
    /// `Type::method`, or `file::function` for one that belongs to no type: the file's stem, or the folder's name for a `mod.rs`.
    pub name: &'static str,
    /// Draws arguments, calls, and runs what came of it.
    pub call: fn(&mut Odd),
}

/// The lines of a room of `src/`, and what has none.
pub struct Room {
    /// The folder or file of `src/`, without `.rs`.
    pub name: &'static str,
    /// Lines, in as many tables as there are files.
    pub tables: &'static [&'static [Line]],
    /// Public functions that are not called, each with the reason.
    pub not_called: &'static [(&'static str, &'static str)],
    /// Whether every public function of the room must have a line by now.
    pub complete: bool,
}

/// A table of lines: `"Type::method" => |o| o.tensor().method(o.size());`. Several lines may call one function.
#[macro_export]
macro_rules! table {
    ($($name:literal => |$o:ident| $call:expr;)*) => {
        &[$($crate::Line {
            name: $name,
            call: |$o: &mut $crate::odd::Odd| {
                #[allow(unused_imports)]
                use $crate::outcome::{Any as _, Runs as _};
                #[allow(clippy::unit_arg)]
                (&&$crate::outcome::Made::new($call)).settle($o);
            },
        }),*]
    };
}

/// Every room.
pub fn rooms() -> Vec<Room> {
    let mut rooms = vec![
        critical::room(),
        data::room(),
        device::room(),
        escape::room(),
        files::room(),
        graph::room(),
        location::room(),
        nn::room(),
        ops::room(),
        optim::room(),
        plan::room(),
        #[cfg(feature = "plot")]
        plot::room(),
        profile::room(),
        #[cfg(feature = "save")]
        save::room(),
        shaders::room(),
        shape::room(),
        train::room(),
        unsupervised::room(),
        verify::room(),
        #[cfg(feature = "gpu")]
        wgsl::room(),
    ];
    rooms.extend(machines::rooms());
    rooms
}

/// Every line of every room, in order; or of the rooms that `STEEPEST_ABSURD_ROOMS` names (`nn,optim`).
pub fn lines() -> Vec<&'static Line> {
    let only = std::env::var("STEEPEST_ABSURD_ROOMS").unwrap_or_default();
    let meant = |room: &Room| only.is_empty() || only.split(',').any(|name| name == room.name);
    rooms().iter().filter(|room| meant(room)).flat_map(|room| room.tables.iter().copied().flatten()).collect()
}
