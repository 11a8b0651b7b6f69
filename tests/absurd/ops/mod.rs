//! Absurd arguments for the public functions of `src/ops`.

mod elementwise;
mod index;
mod inner;
mod layout;
mod matrices;
mod updates;
mod windows;

use crate::Room;

pub fn room() -> Room {
    Room {
        name: "ops",
        tables: &[elementwise::TABLE, layout::TABLE, windows::TABLE, index::TABLE, matrices::TABLE, updates::TABLE, inner::TABLE],
        not_called: inner::NOT_CALLED,
        complete: false,
    }
}
