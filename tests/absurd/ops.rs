//! Absurd arguments for the public functions of `src/ops`.

use crate::{Line, Room, table};

pub fn room() -> Room {
    Room { name: "ops", tables: &[LAYOUT], not_called: NOT_CALLED, complete: false }
}

const NOT_CALLED: &[(&str, &str)] = &[];

const LAYOUT: &[Line] = table! {
    "Tensor::chunk" => |o| o.tensor().chunk(o.axis(), o.size());
    "Tensor::split" => |o| o.tensor().split(o.axis(), &o.sizes());
    "Tensor::reshape" => |o| o.tensor().reshape(o.shape());
    "Tensor::add" => |o| o.near(&[2, 3]).add(&o.near(&[2, 3]));
    "Tensor::cat" => |o| o.near(&[2, 3]).cat(&o.many(|o| o.near(&[2, 3])).iter().collect::<Vec<_>>(), o.axis());
};
