//! NumPy's files: arrays of any shape, headers that declare anything.

use crate::odd::Odd;
use crate::{Line, table};
use steepest::Error;
use steepest::data::{self, Array, ArrayData, Dataset};

fn data(o: &mut Odd) -> ArrayData {
    match o.pick(&[0, 1, 2, 3]) {
        0 => ArrayData::F64(o.floats()),
        1 => ArrayData::I64(o.ints().into_iter().map(|x| x as i64).collect()),
        2 => ArrayData::U8(o.bytes()),
        _ => ArrayData::F32(o.singles()),
    }
}

fn array(o: &mut Odd) -> Result<Array, Error> {
    let data = data(o);
    let rows = o.size_near(data.len());
    Array::new(&[rows], data)
}

/// A file whose header declares any shape.
fn npy(o: &mut Odd) -> Vec<u8> {
    let shape: Vec<String> = o.sizes().iter().map(usize::to_string).collect();
    let descr = o.pick(&["<f4", ">f8", "|b1", "<i8", "|u1", "|O", "<U5", "<f2"]);
    let header =
        format!("{{'descr': '{descr}', 'fortran_order': {}, 'shape': ({},), }}\n", o.pick(&["True", "False"]), shape.join(","));
    let length = o.size_near(header.len()) as u16;
    let mut bytes = [b"\x93NUMPY\x01\x00", &length.to_le_bytes()[..], header.as_bytes()].concat();
    bytes.extend(o.bytes());
    bytes
}

pub const TABLE: &[Line] = table! {
    "Array::new" => |o| { let data = data(o); Array::new(&o.sizes(), data).map(|a| a.shape().len()) };
    "Array::shape" => |o| array(o).map(|a| a.shape().len());
    "Array::data" => |o| array(o).map(|a| a.data().len());
    "Array::to_f32" => |o| array(o).and_then(|a| a.to_f32()).map(|v| v.len());
    "Array::to_f64" => |o| array(o).and_then(|a| a.to_f64()).map(|v| v.len());
    "Array::read" => |o| { let (path, bytes) = (o.path(), npy(o)); let _ = std::fs::write(&path, bytes); Array::read(path).map(|a| a.shape().len()) };
    "Array::parse" => |o| { let bytes = npy(o); Array::parse(o.text(), &bytes).map(|a| a.shape().len()) };
    "Array::to_npy" => |o| array(o).and_then(|a| a.to_npy()).map(|b| b.len());
    "Array::write" => |o| array(o).and_then(|a| { Dataset::from_arrays(&a, &a).map(|_| ())?; a.write(o.path()) });
    "ArrayData::len" => |o| data(o).len();
    "ArrayData::is_empty" => |o| data(o).is_empty();
    "Npz::get" => |o| { let path = o.path(); data::read_npz(path).and_then(|z| z.get(&o.text()).map(|a| a.shape().len())) };
    "npz::read_npz" => |o| {
        let path = o.path();
        array(o).and_then(|a| data::write_npz(&path, [("a", &a)])).and_then(|()| data::read_npz(&path)).map(|z| z.arrays.len())
    };
    "npz::parse_npz" => |o| data::parse_npz(o.text(), &o.bytes()).map(|z| z.arrays.len());
    "npz::write_npz" => |o| { let (path, name) = (o.path(), o.text()); array(o).and_then(|a| data::write_npz(path, [(&name[..], &a), ("b", &a)])) };
};
