//! Absurd arguments for the public functions of `src/escape.rs`.

use crate::{Line, Room, table};
use steepest::escape::{escaped, escaped_json, escaped_lines};

pub fn room() -> Room {
    Room { name: "escape", tables: &[TABLE], not_called: &[], complete: true }
}

const TABLE: &[Line] = table! {
    "escape::escaped" => |o| escaped(&o.text()).into_owned();
    "escape::escaped_lines" => |o| escaped_lines(&o.text()).into_owned();
    "escape::escaped_json" => |o| escaped_json(&o.text()).into_owned();
};
