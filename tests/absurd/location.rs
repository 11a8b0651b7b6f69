//! Absurd arguments for the public functions of `src/location.rs`.

use crate::odd::Odd;
use crate::{Line, Room, table};
use steepest::error::At;
use steepest::layer;

pub fn room() -> Room {
    Room { name: "location", tables: &[TABLE], not_called: &[], complete: true }
}

/// Where something was recorded under odd names.
fn at(o: &mut Odd) -> At {
    let (first, second, x) = (o.text(), o.text(), o.tensor());
    layer(&first, || layer(&second, || x.exp())).node().at()
}

const TABLE: &[Line] = table! {
    "location::layer" => |o| {
        let (name, x) = (o.text(), o.tensor());
        layer(&name, || x.exp())
    };
    "At::file" => |o| at(o).file();
    "At::line" => |o| at(o).line();
    "At::layer" => |o| at(o).layer().to_string();
    "LayerPath::as_str" => |o| at(o).layer().as_str();
    "LayerPath::is_empty" => |o| at(o).layer().is_empty();
};
