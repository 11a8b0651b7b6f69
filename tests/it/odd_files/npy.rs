//! `.npy`: types × orders × shapes × versions; headers of other writers; what is foreign; damage.

use super::{damaged, refused};
use steepest::data::{Array, ArrayData};
use steepest::graph::half;

/// A file of a version, padded as NumPy pads.
pub fn file(version: u8, header: &str, elements: &[u8]) -> Vec<u8> {
    let before = if version == 1 { 10 } else { 12 };
    // In versions 1 and 2 a character is a byte.
    let mut text: Vec<u8> = if version < 3 { header.chars().map(|c| c as u8).collect() } else { header.as_bytes().to_vec() };
    text.resize((before + text.len() + 1).next_multiple_of(64) - before - 1, b' ');
    text.push(b'\n');
    let length = text.len() as u32;
    let length = if version == 1 { (length as u16).to_le_bytes().to_vec() } else { length.to_le_bytes().to_vec() };
    [&b"\x93NUMPY"[..], &[version, 0], &length, &text, elements].concat()
}

pub fn plain(descr: &str, shape: &str, elements: &[u8]) -> Vec<u8> {
    file(1, &format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"), elements)
}

/// The bytes of the small whole number k in a type, and the array of such numbers. The numbers are written digit by digit of their
/// definition, not by what reads them.
fn number(code: &str, big: bool, k: u8) -> Vec<u8> {
    let width = match code {
        "b1" | "i1" | "u1" => 1,
        "i2" | "u2" | "f2" => 2,
        "i4" | "u4" | "f4" => 4,
        _ => 8,
    };
    let mut little = match code {
        "b1" => vec![k % 2],
        "f2" => half::from_f32(f32::from(k)).to_le_bytes().to_vec(),
        "f4" => f32::from(k).to_le_bytes().to_vec(),
        "f8" => f64::from(k).to_le_bytes().to_vec(),
        // Signed ones are negative: −k.
        _ if code.starts_with('i') => (-i64::from(k)).to_le_bytes()[..width].to_vec(),
        _ => u64::from(k).to_le_bytes()[..width].to_vec(),
    };
    if big {
        little.reverse();
    }
    little
}

fn array(code: &str, numbers: &[u8]) -> ArrayData {
    let n = || numbers.iter().copied();
    match code {
        "b1" => ArrayData::Bool(n().map(|k| k % 2 == 1).collect()),
        "i1" => ArrayData::I8(n().map(|k| -(k as i8)).collect()),
        "i2" => ArrayData::I16(n().map(|k| -i16::from(k)).collect()),
        "i4" => ArrayData::I32(n().map(|k| -i32::from(k)).collect()),
        "i8" => ArrayData::I64(n().map(|k| -i64::from(k)).collect()),
        "u1" => ArrayData::U8(n().collect()),
        "u2" => ArrayData::U16(n().map(u16::from).collect()),
        "u4" => ArrayData::U32(n().map(u32::from).collect()),
        "u8" => ArrayData::U64(n().map(u64::from).collect()),
        "f2" | "f4" => ArrayData::F32(n().map(f32::from).collect()),
        _ => ArrayData::F64(n().map(f64::from).collect()),
    }
}

/// Numbers as they lie column by column, from those row by row.
fn by_columns(shape: &[usize], rows: &[u8]) -> Vec<u8> {
    let mut found = vec![0; rows.len()];
    for (i, &k) in rows.iter().enumerate() {
        // Indices of element i, last axis first.
        let (mut rest, mut index) = (i, vec![]);
        for &size in shape.iter().rev() {
            index.push(rest % size);
            rest /= size;
        }
        index.reverse();
        let mut place = 0;
        for (&size, &at) in shape.iter().zip(&index).rev() {
            place = place * size + at;
        }
        found[place] = k;
    }
    found
}

#[test]
fn every_type_order_shape_and_version() {
    let shapes: [(&str, &[usize]); 9] = [
        ("()", &[]),
        ("(3,)", &[3]),
        ("(2, 3)", &[2, 3]),
        ("(3L, 4L)", &[3, 4]),
        ("(5L,)", &[5]),
        ("(0, 2)", &[0, 2]),
        ("(2, 3, 4)", &[2, 3, 4]),
        ("(2,1,2,1,2,1,2,1)", &[2, 1, 2, 1, 2, 1, 2, 1]),
        ("(0,)", &[0]),
    ];
    let mut files = 0;
    for code in ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"] {
        for order in ["<", ">", "|", "=", ""] {
            for (text, shape) in shapes {
                for (fortran, version) in [(false, 1), (true, 1), (false, 2), (true, 2), (false, 3), (true, 3)] {
                    let rows: Vec<u8> = (0..shape.iter().product::<usize>() as u8).map(|i| i * 5 % 127).collect();
                    let lie = if fortran { by_columns(shape, &rows) } else { rows.clone() };
                    let big = order == ">" || (order != "<" && cfg!(target_endian = "big"));
                    let elements: Vec<u8> = lie.iter().flat_map(|&k| number(code, big, k)).collect();
                    let flag = if fortran { "True" } else { "False" };
                    let header = format!("{{'descr': '{order}{code}', 'fortran_order': {flag}, 'shape': {text}, }}");
                    let found = Array::parse("odd.npy", &file(version, &header, &elements));
                    let found = found.unwrap_or_else(|e| panic!("{header} of version {version}: {e}"));
                    assert_eq!((found.shape(), found.data()), (shape, &array(code, &rows)), "{header} of version {version}");
                    files += 1;
                }
            }
        }
    }
    println!("{files} arrays");
    assert_eq!(files, 12 * 5 * 9 * 6);
}

#[test]
fn halves_to_the_last_bit() {
    let elements: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_be_bytes).collect();
    let found = Array::parse("odd.npy", &plain(">f2", "(65536,)", &elements)).unwrap();
    let ArrayData::F32(found) = found.data() else { panic!("{found:?}") };
    for (bits, &x) in (0..=u16::MAX).zip(found) {
        let expected = half::to_f32(bits);
        assert!(x.to_bits() == expected.to_bits() || (x.is_nan() && expected.is_nan()), "{bits:04x}: {x}");
    }
}

#[test]
fn headers_of_other_writers() {
    let one = 2.5f32.to_le_bytes();
    let four = [1.0f32, 2.0, 3.0, 4.0].map(f32::to_le_bytes).concat();
    for (header, elements, shape) in [
        // Double quotes, another order, no spaces, no last comma, many spaces, line ends.
        (r#"{"descr": "<f4", "fortran_order": False, "shape": (1,)}"#, &one[..], &[1][..]),
        ("{'shape':(1,),'fortran_order':False,'descr':'<f4'}", &one, &[1]),
        ("  {  'descr' :  '<f4' ,\n 'fortran_order' :\tFalse , 'shape' : ( 2 , 2 ) }  \n\n", &four, &[2, 2]),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 2L,), }", &four, &[2, 2]),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", &one, &[]),
    ] {
        let found = Array::parse("odd.npy", &file(1, header, elements)).unwrap_or_else(|e| panic!("{header}: {e}"));
        assert_eq!((found.shape(), found.data().len()), (shape, elements.len() / 4), "{header}");
    }
    // A header that ends where its dictionary does.
    let bare = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}";
    let bytes = [b"\x93NUMPY\x01\x00", &(bare.len() as u16).to_le_bytes()[..], bare, &[7]].concat();
    assert_eq!(Array::parse("odd.npy", &bytes).unwrap().data(), &ArrayData::U8(vec![7]));
}

#[test]
fn headers_that_are_refused() {
    let with = |from: &str, to: &str| {
        let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }";
        assert!(good.contains(from));
        file(1, &good.replacen(from, to, 1), &[0; 4])
    };
    for (from, to, expected) in [
        ("(1,)", "(1L", "found `}`"),
        ("(1,)", "(1 1)", "no comma and no `)`"),
        ("(1,)", "(1)", "`shape` that is no tuple"),
        ("(1,)", "1", "`shape` that is no tuple"),
        ("(1,)", "[1]", "`shape` that is no tuple"),
        ("(1,)", "'1'", "`shape` that is no tuple"),
        ("(1,)", "(-1,)", "found the size `-1`"),
        ("(1,)", "(1.0,)", "found the size `1.0`"),
        ("(1,)", "(1e0,)", "found the size `1e0`"),
        ("(1,)", "(0x1,)", "found the size `0x1`"),
        ("(1,)", "(1LL,)", "found the size `1LL`"),
        ("(1,)", "(L,)", "found `L`"),
        ("(1,)", "(,)", "found `,`"),
        ("(1,)", "(True,)", "a size that is no number"),
        ("(1,)", "((1,),)", "a size that is no number"),
        ("(1,)", "(4294967296,)", "found the size `4294967296`"),
        ("(1,)", "(99999999999999999999999999,)", "found the size `9999"),
        ("(1,)", "(65536, 65536)", "declares too much"),
        ("(1,)", "(2,)", "declares 8 bytes, but 4 are there: the file is cut off"),
        ("(1,)", "(0,)", "declares 0 bytes, but 4 are there: the file goes on"),
        ("False", "false", "found `false`"),
        ("False", "0", "`fortran_order` that is not True or False"),
        ("False", "'False'", "`fortran_order` that is not True or False"),
        ("'<f4'", "f4", "found `f4`"),
        ("'<f4'", "4", "`descr` that names no type"),
        ("'<f4'", "('<f4', (1,))", "`descr` that names no type"),
        ("'<f4'", "'<f4", "no comma and no `}`"),
        ("'<f4'", "'\\x3cf4'", "found a backslash"),
        ("'descr'", "'descs'", "found `descs`"),
        ("'descr'", "7", "a key that is no text"),
        ("'descr': '<f4', ", "", "found no `descr`"),
        ("'fortran_order': False, ", "", "found no `fortran_order`"),
        ("'shape': (1,), ", "", "found no `shape`"),
        (", }", ", 'more': 1}", "found `more`"),
        (", }", ", 'shape': (1,)}", "more than one `shape`"),
        (", }", ",", "its end in the middle"),
        (", }", ", } 1", "found more after it"),
        ("{'descr': ", "{'descr' ", "no colon"),
        ("{", "", "found more after it"),
    ] {
        let message = refused(to, Array::parse("odd.npy", &with(from, to)));
        assert!(message.contains(expected), "{from} → {to}: {message}\n  expected: {expected}");
    }
    let utf = file(3, "{'descr': [('größe', '<f4')], 'fortran_order': False, 'shape': (1,), }", &[0; 4]);
    assert!(refused("utf-8", Array::parse("odd.npy", &utf)).contains("fields `größe`"));
    let at = utf.windows(2).position(|two| two == "ß".as_bytes()).unwrap();
    let broken = [&utf[..at], &[0xff, 0xfe], &utf[at + 2..]].concat();
    assert!(refused("no utf-8", Array::parse("odd.npy", &broken)).contains("the header is not UTF-8"));
    let latin = file(2, "{'descr': [('größe', '<f4')], 'fortran_order': False, 'shape': (1,), }", &[0; 4]);
    assert!(refused("latin-1", Array::parse("odd.npy", &latin)).contains("fields `größe`"));
}

/// What is foreign: header, size of an element, what the error says.
pub const FOREIGN: [(&str, usize, &str); 13] = [
    ("'|O'", 8, "type `|O`"),
    ("'<U3'", 12, "texts belong in a table"),
    ("'|S5'", 5, "texts belong in a table"),
    ("'<c8'", 8, "they are complex"),
    (">c16", 16, "they are complex"),
    ("'<M8[ns]'", 8, "they are times"),
    ("'<m8[D]'", 8, "they are times"),
    ("'|V4'", 4, "bytes without a meaning"),
    ("'<f16'", 16, "type `<f16`"),
    ("'<i16'", 16, "type `<i16`"),
    ("''", 1, "type ``"),
    ("[('a', '<f4'), ('b', '|O')]", 12, "records with the fields `a`, `b`"),
    ("[('a', [('b', '<f4', (2, 3))])]", 24, "records with the fields `a`"),
];

pub fn foreign(descr: &str, size: usize) -> Vec<u8> {
    let descr = if descr.starts_with('>') { format!("'{descr}'") } else { descr.to_owned() };
    file(1, &format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (2,), }}"), &vec![1; 2 * size])
}

#[test]
fn foreign_types_are_named() {
    for (descr, size, expected) in FOREIGN {
        let message = refused(descr, Array::parse("odd.npy", &foreign(descr, size)));
        assert!(message.contains(expected) && message.contains("expected bool, integers"), "{descr}: {message}");
    }
    let nine = plain("|u1", "(1, 1, 1, 1, 1, 1, 1, 1, 1)", &[0]);
    assert!(refused("nine axes", Array::parse("odd.npy", &nine)).contains("found 9 axes, expected at most 8"));
}

#[test]
fn damage() {
    let fortran = file(2, "{'descr': '>i4', 'fortran_order': True, 'shape': (2L, 3L), }", &[7; 24]);
    for (what, bytes) in [
        ("bool", plain("|b1", "(3,)", &[1, 0, 1])),
        ("half", plain("<f2", "(2, 1)", &[1, 2, 3, 4])),
        ("fortran", fortran),
        ("scalar", file(3, "{'descr': '<f8', 'fortran_order': False, 'shape': (), }", &[1; 8])),
        ("empty", plain("<f4", "(0, 3)", &[])),
    ] {
        // No more elements than there are bytes.
        let sound = |found: &Array, bytes: &[u8]| found.data().len() <= bytes.len();
        let read = |bytes: &[u8]| Array::parse("odd.npy", bytes);
        if what == "empty" {
            // Cut in its header only; it has nothing behind.
            read(&bytes).unwrap();
        }
        damaged(what, &bytes, read, sound);
    }
}
