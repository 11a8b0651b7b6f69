//! Absurd arguments for the public functions of `src/shaders`.

use crate::{Line, Room, table};
use steepest::shaders;

pub fn room() -> Room {
    Room { name: "shaders", tables: &[TABLE], not_called: NOT_CALLED, complete: true }
}

const NOT_CALLED: &[(&str, &str)] = &[("shaders::parts", "takes no argument")];

const TABLE: &[Line] = table! {
    "shaders::source" => |o| shaders::source(&o.text());
    "shaders::file" => |o| shaders::file(&o.text());
    "shaders::epilogue" => |o| shaders::epilogue(&o.text());
    "shaders::takes_epilogue" => |o| shaders::takes_epilogue(&o.text());
    "shaders::uses" => |o| shaders::uses(&o.text()).count();
};
