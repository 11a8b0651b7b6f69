//! Absurd arguments for the public functions of `src/shape`.

use crate::odd::Odd;
use crate::{Line, Room, table};
use steepest::Shape;
use steepest::shape::{View, ViewDim};

pub fn room() -> Room {
    Room { name: "shape", tables: &[TABLE], not_called: NOT_CALLED, complete: true }
}

const NOT_CALLED: &[(&str, &str)] = &[
    ("View::broadcast", "of two shapes of which the first broadcasts to the second"),
    ("View::positions", "of a view and a range of elements that it has"),
];

fn shape(o: &mut Odd) -> Shape {
    Shape::new(&o.shape()).unwrap_or(Shape::SCALAR)
}

fn dims(o: &mut Odd) -> Vec<ViewDim> {
    o.many(|o| ViewDim { size: o.size(), stride: o.int() })
}

const TABLE: &[Line] = table! {
    "Shape::dims" => |o| shape(o).dims().to_owned();
    "Shape::rank" => |o| shape(o).rank();
    "Shape::numel" => |o| shape(o).numel();
    "Shape::strides" => |o| shape(o).strides();
    "Shape::axis" => |o| shape(o).axis(o.int());
    "Shape::axes" => |o| shape(o).axes(&o.axes());
    "Shape::broadcast" => |o| shape(o).broadcast(&shape(o));
    "Shape::new" => |o| Shape::new(&o.shape());
    "View::new" => |o| View::new(o.size(), dims(o)).numel();
    "View::contiguous" => |o| View::contiguous(&shape(o)).is_contiguous();
    "View::numel" => |o| View::new(o.size(), dims(o)).numel();
    "View::is_contiguous" => |o| View::new(o.size(), dims(o)).is_contiguous();
};
