//! The bytes of a `.npy` file: a header, which is a Python dictionary, and elements.

use super::arrays::ArrayData;
use crate::error::NoRoom;
use crate::memory;
use crate::shape::{MAX_RANK, Shape};
use half::f16;

/// NumPy writes headers of a few hundred bytes.
const MOST_HEADER: usize = 1 << 14;
/// Records inside records inside records.
const DEEPEST: usize = 16;
/// What vectors are for, in errors.
const ELEMENTS: &str = "the elements of an array";
const KNOWN: &str = "expected bool, integers of 1 to 8 bytes, f16 (f2), f32 (f4) or f64 (f8)";

/// Why there is no array.
#[derive(Debug)]
pub(super) enum Fault {
    /// A sound file of something that has no place here: Python objects, text, complex numbers.
    Foreign(String),
    /// Not what a `.npy` file may be.
    Damaged(String),
    /// There is no memory for it.
    NoRoom(NoRoom),
}

impl Fault {
    pub(super) fn message(self) -> String {
        match self {
            Fault::Foreign(message) | Fault::Damaged(message) => message,
            Fault::NoRoom(room) => room.to_string(),
        }
    }
}

impl From<String> for Fault {
    fn from(message: String) -> Fault {
        Fault::Damaged(message)
    }
}

/// A value of the header.
enum Value<'t> {
    Text(&'t str),
    Flag(bool),
    Number(&'t str),
    List(Vec<Value<'t>>),
    Tuple(Vec<Value<'t>>),
    Dictionary(Vec<(Value<'t>, Value<'t>)>),
}

/// Reads a Python literal, as much of it as headers need.
struct Literal<'t> {
    rest: &'t str,
}

impl<'t> Literal<'t> {
    fn next(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn skip(&mut self, expected: char) -> bool {
        let there = self.next() == Some(expected);
        if there {
            self.rest = &self.rest[expected.len_utf8()..];
        }
        there
    }

    fn value(&mut self, depth: usize) -> Result<Value<'t>, String> {
        if depth > DEEPEST {
            return Err(format!("found brackets more than {DEEPEST} deep"));
        }
        match self.next() {
            Some(quote @ ('\'' | '"')) => self.text(quote).map(Value::Text),
            Some('{') => self.dictionary(depth),
            Some('[') => Ok(Value::List(self.items('[', ']', depth)?.0)),
            Some('(') => {
                let (mut items, comma) = self.items('(', ')', depth)?;
                // Without a comma they are only brackets.
                let bare = if items.len() == 1 && !comma { items.pop() } else { None };
                Ok(bare.unwrap_or(Value::Tuple(items)))
            }
            Some(_) => self.word(),
            None => Err("found its end in the middle".to_owned()),
        }
    }

    fn text(&mut self, quote: char) -> Result<&'t str, String> {
        let inner = &self.rest[1..];
        let end = inner.find(quote).ok_or("found a text without an end")?;
        self.rest = &inner[end + 1..];
        // NumPy writes none for the three names of a header.
        if inner[..end].contains('\\') { Err("found a backslash".to_owned()) } else { Ok(&inner[..end]) }
    }

    /// True, False, or a number; Python 2 wrote 3L.
    fn word(&mut self) -> Result<Value<'t>, String> {
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c))).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "True" | "False" => Ok(Value::Flag(word == "True")),
            _ if word.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c)) => Ok(Value::Number(word)),
            "" => Err(format!("found `{}`", rest.chars().next().unwrap_or(' ').escape_debug())),
            _ => Err(format!("found `{word}`")),
        }
    }

    /// The items between two brackets, and whether a comma follows the last.
    fn items(&mut self, open: char, close: char, depth: usize) -> Result<(Vec<Value<'t>>, bool), String> {
        self.skip(open);
        let (mut items, mut comma) = (vec![], true);
        while !self.skip(close) {
            if !comma {
                return Err(format!("found no comma and no `{close}` after an item"));
            }
            items.push(self.value(depth + 1)?);
            comma = self.skip(',');
        }
        let comma = comma && !items.is_empty();
        Ok((items, comma))
    }

    fn dictionary(&mut self, depth: usize) -> Result<Value<'t>, String> {
        self.skip('{');
        let (mut entries, mut comma) = (vec![], true);
        while !self.skip('}') {
            if !comma {
                return Err("found no comma and no `}` after an entry".to_owned());
            }
            let key = self.value(depth + 1)?;
            if !self.skip(':') {
                return Err("found no colon after a key".to_owned());
            }
            entries.push((key, self.value(depth + 1)?));
            comma = self.skip(',');
        }
        Ok(Value::Dictionary(entries))
    }
}

/// The header's text and where the elements begin.
fn text_of(bytes: &[u8]) -> Result<(String, usize), String> {
    let start = bytes.get(..8).ok_or_else(|| format!("byte 0: found {} bytes, expected 93 NUMPY and a version", bytes.len()))?;
    if &start[..6] != b"\x93NUMPY" {
        return Err(format!("byte 0: found {:02x?}, expected 93 and `NUMPY`", &start[..6]));
    }
    let (wide, version) = (start[6] > 1, (start[6], start[7]));
    if !matches!(version, (1..=3, 0)) {
        return Err(format!("byte 6: found version {}.{}, expected 1.0, 2.0 or 3.0", version.0, version.1));
    }
    let from = if wide { 12 } else { 10 };
    let length = match bytes.get(8..from) {
        Some(&[a, b]) => usize::from(u16::from_le_bytes([a, b])),
        Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]) as usize,
        _ => return Err(format!("byte 8: the file is cut off in the length of the header, after {} bytes", bytes.len())),
    };
    if length > MOST_HEADER {
        return Err(format!("byte 8: found a header of {length} bytes, expected at most {MOST_HEADER}"));
    }
    let there = bytes.len() - from;
    let text = bytes.get(from..from + length);
    let text = text.ok_or_else(|| format!("byte {from}: the header declares {length} bytes, but {there} are there"))?;
    let text = match version.0 {
        // Latin-1: each byte is the character of its number.
        1 | 2 => text.iter().map(|&byte| char::from(byte)).collect(),
        _ => std::str::from_utf8(text).map_err(|_| format!("byte {from}: the header is not UTF-8"))?.to_owned(),
    };
    Ok((text, from + length))
}

/// What a header says of the elements.
struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

fn header(text: &str) -> Result<Header, Fault> {
    let wrong = |what: &str| format!("header: {what}, expected a dictionary of `descr`, `fortran_order` and `shape`");
    let mut literal = Literal { rest: text };
    let value = literal.value(0).map_err(|what| wrong(&what))?;
    if literal.next().is_some() {
        return Err(wrong("found more after it").into());
    }
    let Value::Dictionary(entries) = value else { return Err(wrong("found something else").into()) };
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    for (key, value) in entries {
        let Value::Text(key) = key else { return Err(wrong("found a key that is no text").into()) };
        let place = match key {
            "descr" => &mut descr,
            "fortran_order" => &mut fortran,
            "shape" => &mut shape,
            other => return Err(wrong(&format!("found `{}`", other.escape_debug())).into()),
        };
        if place.replace(value).is_some() {
            return Err(wrong(&format!("found more than one `{key}`")).into());
        }
    }
    let shape = shape.ok_or_else(|| wrong("found no `shape`"))?;
    let fortran = fortran.ok_or_else(|| wrong("found no `fortran_order`"))?;
    let descr = descr.ok_or_else(|| wrong("found no `descr`"))?;
    let Value::Flag(fortran) = fortran else { return Err(wrong("found a `fortran_order` that is not True or False").into()) };
    let Value::Tuple(sizes) = shape else { return Err(wrong("found a `shape` that is no tuple").into()) };
    let shape = shape_of(&sizes)?;
    let descr = match descr {
        Value::Text(descr) => descr.to_owned(),
        Value::List(fields) => return Err(Fault::Foreign(records(&fields))),
        _ => return Err(wrong("found a `descr` that names no type").into()),
    };
    Ok(Header { descr, fortran, shape })
}

fn shape_of(sizes: &[Value<'_>]) -> Result<Vec<usize>, Fault> {
    let mut shape = vec![];
    for size in sizes {
        let Value::Number(text) = size else { return Err("header: found a size that is no number".to_owned().into()) };
        let digits = text.strip_suffix('L').unwrap_or(text);
        let size = digits.parse::<u32>().map_err(|_| format!("header: found the size `{text}`, expected 0 to {}", u32::MAX))?;
        shape.push(size as usize);
    }
    if shape.len() > MAX_RANK {
        return Err(Fault::Foreign(format!("header: found {} axes, expected at most {MAX_RANK}", shape.len())));
    }
    Shape::new(&shape).map_err(|e| format!("header: declares too much: {e}"))?;
    Ok(shape)
}

/// What to do with records, by the names of their fields.
fn records(fields: &[Value<'_>]) -> String {
    let name = |field: &Value<'_>| match field {
        Value::Tuple(parts) => match parts.first() {
            Some(Value::Text(name)) => Some(format!("`{}`", name.escape_debug())),
            _ => None,
        },
        _ => None,
    };
    let names: Vec<String> = fields.iter().filter_map(name).take(6).collect();
    let more = if fields.len() > names.len() { ", …" } else { "" };
    let found = format!("header: found records with the fields {}{more}", names.join(", "));
    format!("{found}, {KNOWN}: write each field as an array of its own")
}

/// What elements are that have no place here, and what to do about it.
fn advice(code: &str) -> &'static str {
    match code.as_bytes().first() {
        Some(b'O') => "objects are Python's own; convert with `.astype(float)`, or store texts in a table",
        Some(b'U' | b'S' | b'a') => "texts belong in a table (CSV); or write the number of each class",
        Some(b'c') => "they are complex; write `.real` and `.imag` as two arrays",
        Some(b'M' | b'm') => "they are times; convert with `.astype('int64')`",
        Some(b'V') => "they are bytes without a meaning; `.view` gives them one",
        _ => "convert with `.astype`",
    }
}

/// Elements of N bytes each, in one of two orders.
fn each<const N: usize, T>(
    bytes: &[u8],
    big: bool,
    little: fn([u8; N]) -> T,
    swapped: fn([u8; N]) -> T,
) -> Result<Vec<T>, Fault> {
    let of = if big { swapped } else { little };
    memory::collected(ELEMENTS, bytes.as_chunks::<N>().0.iter().map(|&chunk| of(chunk))).map_err(Fault::NoRoom)
}

macro_rules! elements {
    ($variant:ident, $type:ty, $bytes:expr, $big:expr) => {
        ArrayData::$variant(each($bytes, $big, <$type>::from_le_bytes, <$type>::from_be_bytes)?)
    };
}

/// Reads a file: its shape, and its elements row by row.
pub(super) fn read(bytes: &[u8]) -> Result<(Vec<usize>, ArrayData), Fault> {
    let (text, start) = text_of(bytes)?;
    let Header { descr, fortran, shape } = header(&text)?;
    // What is of no order, or of the machine's own.
    let (big, code) = match descr.split_at_checked(1) {
        Some(("<", code)) => (false, code),
        Some((">", code)) => (true, code),
        Some(("|" | "=", code)) => (cfg!(target_endian = "big"), code),
        _ => (cfg!(target_endian = "big"), &descr[..]),
    };
    let size: u64 = match code {
        "b1" | "?" | "i1" | "u1" => 1,
        "i2" | "u2" | "f2" => 2,
        "i4" | "u4" | "f4" => 4,
        "i8" | "u8" | "f8" => 8,
        _ => {
            let found = format!("header: found elements of type `{}`, {KNOWN}", descr.escape_debug());
            return Err(Fault::Foreign(format!("{found}: {}", advice(code))));
        }
    };
    let numel: usize = shape.iter().product();
    let (declared, there) = (numel as u64 * size, (bytes.len() - start) as u64);
    if declared != there {
        let what = if there < declared { "the file is cut off" } else { "the file goes on after them" };
        let message = format!("byte {start}: {shape:?} of `{descr}` declares {declared} bytes, but {there} are there: {what}");
        return Err(message.into());
    }
    let bytes = &bytes[start..];
    let data = match code {
        "b1" | "?" => {
            if let Some(at) = bytes.iter().position(|&b| b > 1) {
                return Err(format!("byte {}: found the bool {:02x}, expected 00 or 01", start + at, bytes[at]).into());
            }
            ArrayData::Bool(memory::collected(ELEMENTS, bytes.iter().map(|&b| b == 1)).map_err(Fault::NoRoom)?)
        }
        "i1" => elements!(I8, i8, bytes, big),
        "i2" => elements!(I16, i16, bytes, big),
        "i4" => elements!(I32, i32, bytes, big),
        "i8" => elements!(I64, i64, bytes, big),
        "u1" => elements!(U8, u8, bytes, big),
        "u2" => elements!(U16, u16, bytes, big),
        "u4" => elements!(U32, u32, bytes, big),
        "u8" => elements!(U64, u64, bytes, big),
        "f2" => ArrayData::F32(each(bytes, big, |b| f16::from_le_bytes(b).to_f32(), |b| f16::from_be_bytes(b).to_f32())?),
        "f4" => elements!(F32, f32, bytes, big),
        _ => elements!(F64, f64, bytes, big),
    };
    let data = if fortran && shape.len() > 1 { data.picked(from_fortran(&shape)).map_err(Fault::NoRoom)? } else { data };
    Ok((shape, data))
}

/// For each place in row-major order the place in column-major order.
fn from_fortran(shape: &[usize]) -> impl ExactSizeIterator<Item = usize> + '_ {
    let mut strides = vec![1; shape.len()];
    for axis in 1..shape.len() {
        strides[axis] = strides[axis - 1] * shape[axis - 1];
    }
    let (mut index, mut at) = (vec![0; shape.len()], 0);
    (0..shape.iter().product()).map(move |_| {
        let place = at;
        // On to the next, as a mileage counter goes.
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * index[axis];
            index[axis] = 0;
        }
        place
    })
}

/// What a file begins with whose elements are of the type `descr`, row by row: as NumPy writes it, up to the elements, which begin at a
/// multiple of 64 bytes.
pub(super) fn start(descr: &str, shape: &[usize]) -> Vec<u8> {
    let sizes: Vec<String> = shape.iter().map(|size| format!("{size},")).collect();
    // Python writes no comma after the last of several.
    let sizes = if shape.len() > 1 { sizes.join(" ").trim_end_matches(',').to_owned() } else { sizes.concat() };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    let before = 10;
    header.push_str(&" ".repeat((before + header.len() + 1).next_multiple_of(64) - before - header.len() - 1));
    header.push('\n');
    // At most eight sizes: far from 65,536 bytes.
    [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::start;

    #[test]
    fn headers_are_those_of_numpy() {
        for (descr, shape, expected) in [
            ("<f4", &[2, 2][..], "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"),
            ("|b1", &[3], "{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }"),
            ("<i8", &[], "{'descr': '<i8', 'fortran_order': False, 'shape': (), }"),
            (
                "<f8",
                &[0, 1, 4_294_967_295, 1, 1, 1, 1, 1],
                "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 1, 4294967295, 1, 1, 1, 1, 1), }",
            ),
        ] {
            let bytes = start(descr, shape);
            assert_eq!(bytes.len() % 64, 0, "{expected}");
            assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
            assert_eq!(usize::from(u16::from_le_bytes([bytes[8], bytes[9]])), bytes.len() - 10);
            let text = std::str::from_utf8(&bytes[10..]).unwrap_or_default();
            assert!(text.ends_with('\n') && text.trim_end() == expected, "{text}");
            // Not a line more than it takes.
            assert_eq!(bytes.len(), (11 + expected.len()).next_multiple_of(64));
        }
    }
}
