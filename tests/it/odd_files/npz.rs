//! `.npz`: an array that cannot be read does not hide the others; damage.

use super::npy::{FOREIGN, foreign, plain};
use super::{damaged, refused};
use flate2::{Compression, Crc, write::DeflateEncoder};
use std::io::Write;
use steepest::data::{ArrayData, Npz, parse_npz};

/// A zip archive: stored, or packed by deflate.
fn zip(entries: &[(&str, &[u8])], packed: bool) -> Vec<u8> {
    let (mut bytes, mut central) = (vec![], vec![]);
    for (name, content) in entries {
        let mut crc = Crc::new();
        crc.update(content);
        let data = if packed {
            let mut encoder = DeflateEncoder::new(vec![], Compression::default());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        } else {
            content.to_vec()
        };
        let mut common = vec![20, 0, 0, 0, if packed { 8 } else { 0 }, 0, 0, 0, 0x21, 0];
        common.extend(crc.sum().to_le_bytes());
        common.extend((data.len() as u32).to_le_bytes());
        common.extend((content.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        central.extend(
            [&b"PK\x01\x02\x14\x00"[..], &common, &[0; 10], &(bytes.len() as u32).to_le_bytes(), name.as_bytes()].concat(),
        );
        bytes.extend([&b"PK\x03\x04"[..], &common, name.as_bytes(), &data].concat());
    }
    let (start, count) = (bytes.len() as u32, (entries.len() as u16).to_le_bytes());
    let end = [&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &(central.len() as u32).to_le_bytes(), &start.to_le_bytes(), &[0, 0]];
    [bytes, central, end.concat()].concat()
}

#[test]
fn one_foreign_array_does_not_hide_the_others() {
    let half = plain("<f2", "(2,)", &[0, 0x3c, 0, 0xc0]);
    let last = plain("<i8", "(1,)", &7i64.to_le_bytes());
    for packed in [false, true] {
        for (descr, size, expected) in FOREIGN {
            let odd = foreign(descr, size);
            let bytes = zip(&[("first.npy", &half), ("odd.npy", &odd), ("notes.txt", b"x"), ("last.npy", &last)], packed);
            let found = parse_npz("odd.npz", &bytes).unwrap_or_else(|e| panic!("{descr}: {e}"));
            let names: Vec<&str> = found.arrays.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["first", "last"], "{descr}");
            assert_eq!(found.get("first").unwrap().data(), &ArrayData::F32(vec![1.0, -2.0]));
            assert_eq!(found.get("last").unwrap().data(), &ArrayData::I64(vec![7]));
            let left: Vec<&str> = found.left_out.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(left, ["odd", "notes.txt"], "{descr}");
            assert!(found.left_out[0].1.contains(expected), "{}", found.left_out[0].1);
            // Whoever needs it is told why it is not there.
            let message = refused(descr, found.get("odd").map(|_| ()));
            assert!(message.contains("array `odd` was left out: ") && message.contains(expected), "{message}");
            let message = refused(descr, found.get("none").map(|_| ()));
            assert!(message.contains("found no array `none`, only `first`, `last`"), "{message}");
        }
    }
    assert_eq!(parse_npz("odd.npz", &zip(&[], false)).unwrap().arrays, []);
}

#[test]
fn damaged_arrays_are_refused_with_the_whole() {
    let good = plain("<f4", "(1,)", &[0; 4]);
    for (what, entries, expected) in [
        ("cut", vec![("good.npy", &good[..]), ("bad.npy", &good[..good.len() - 1])], "array `bad`: byte 128"),
        ("header", vec![("bad.npy", &good[..9])], "array `bad`: byte 8"),
        ("bool", vec![("bad.npy", &plain("|b1", "(1,)", &[2])[..])], "found the bool 02"),
        ("twice", vec![("a.npy", &good), ("a.npy", &good)], "the array `a` twice"),
        ("no arrays", vec![("a.txt", &good), ("[Content_Types].xml", &good)], "found the entry `a.txt`"),
        ("a name of nothing", vec![(".npy", &good)], "found the entry `.npy`"),
    ] {
        for packed in [false, true] {
            let message = refused(what, parse_npz("odd.npz", &zip(&entries, packed)));
            assert!(message.contains(expected), "{what}: {message}");
        }
    }
    // A byte of the elements changed: the checksum tells.
    let mut bytes = zip(&[("a.npy", &good)], false);
    let at = bytes.windows(2).position(|two| two == b"\n\0").unwrap() + 2;
    bytes[at] ^= 1;
    assert!(refused("checksum", parse_npz("odd.npz", &bytes)).contains("array `a`: damaged or cut off"));
    // Entries that lie in each other, each of which unpacks to more than the file.
    let big = plain("|u1", "(100000,)", &vec![0; 100_000]);
    let one = zip(&[("a.npy", &big)], true);
    let central = one.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    let end = one.len() - 22;
    let mut many = one[..central].to_vec();
    for i in 0..200u8 {
        let mut entry = one[central..end].to_vec();
        *entry.last_mut().unwrap() = i;
        entry.splice(46..46, *b"x");
        let (head, name) = entry.split_at_mut(46);
        head[28..30].copy_from_slice(&(name.len() as u16).to_le_bytes());
        name.copy_from_slice(format!("{:02x}.npy", i).as_bytes());
        many.extend(entry);
    }
    let size = (many.len() - central) as u32;
    many.extend(
        [&b"PK\x05\x06\0\0\0\0"[..], &[200, 0, 200, 0], &size.to_le_bytes(), &(central as u32).to_le_bytes(), &[0, 0]].concat(),
    );
    let message = refused("entries in each other", parse_npz("odd.npz", &many));
    assert!(message.contains("found entries of more bytes than the file has"), "{message}");
}

#[test]
fn damage() {
    let (x, y) = (plain("<f4", "(2,)", &[0; 8]), plain("|O", "(1,)", &[0; 8]));
    for packed in [false, true] {
        let bytes = zip(&[("x.npy", &x), ("y.npy", &y)], packed);
        damaged(
            "npz",
            &bytes,
            |bytes| parse_npz("odd.npz", bytes),
            |found: &Npz, _| found.arrays.len() + found.left_out.len() <= 2,
        );
    }
}
