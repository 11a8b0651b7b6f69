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
}

/// An archive of these local parts and directory records, which may say what they like.
fn archive(locals: &[u8], records: &[Vec<u8>]) -> Vec<u8> {
    let (central, count) = (records.concat(), (records.len() as u16).to_le_bytes());
    let (size, at) = ((central.len() as u32).to_le_bytes(), (locals.len() as u32).to_le_bytes());
    [locals, &central, b"PK\x05\x06\0\0\0\0", &count, &count, &size, &at, &[0, 0]].concat()
}

/// A record under another name, of an entry elsewhere, with another packed size.
fn record(of: &[u8], name: &str, at: u32, packed: u32) -> Vec<u8> {
    let mut record = of[..46].to_vec();
    record[20..24].copy_from_slice(&packed.to_le_bytes());
    record[28..30].copy_from_slice(&(name.len() as u16).to_le_bytes());
    record[42..46].copy_from_slice(&at.to_le_bytes());
    [&record, name.as_bytes()].concat()
}

/// No two entries share a byte, whichever way: else a file of some kilobytes could unpack to any size.
#[test]
fn entries_in_each_other_are_refused() {
    let big = plain("|u1", "(100000,)", &vec![0; 100_000]);
    let one = zip(&[("a.npy", &big)], true);
    let central = one.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    let (locals, of) = (&one[..central], &one[central..one.len() - 22]);
    let packed = u32::from_le_bytes(of[20..24].try_into().unwrap());
    // The archive as it is, built by the same hand.
    assert_eq!(parse_npz("odd.npz", &archive(locals, &[record(of, "a.npy", 0, packed)])).unwrap().arrays.len(), 1);

    // Many names for one entry.
    let names: Vec<String> = (0..200).map(|i| format!("{i:02x}.npy")).collect();
    let same: Vec<_> = names.iter().map(|name| record(of, name, 0, packed)).collect();
    // Two entries a few bytes apart: what the second unpacks is in the first.
    let shifted = [locals, &[0; 64]].concat();
    let inside = {
        // A stored entry whose content is an entry.
        let outer = zip(&[("outer.npy", &one)], false);
        let central = outer.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
        let at = outer.windows(one.len()).position(|w| w == one).unwrap() as u32;
        let records = [outer[central..outer.len() - 22].to_vec(), record(of, "inner.npy", at, packed)];
        archive(&outer[..central], &records)
    };
    // One that ends in the directory, and one that is not in the file.
    let long = locals.len() as u32;
    for (what, bytes, expected) in [
        ("one for all", archive(locals, &same), "the entries `00.npy` and `01.npy` lie in the same bytes"),
        ("inside", inside, "the entries `outer.npy` and `inner.npy` lie in the same bytes"),
        ("directory", archive(locals, &[record(of, "a.npy", 0, packed + 10)]), "the entry `a.npy` ends in the directory"),
        ("after the end", archive(locals, &[record(of, "a.npy", long + 1000, packed)]), "entry 0 cannot be read"),
        ("too long", archive(&shifted, &[record(of, "a.npy", 0, u32::MAX - 1)]), "entry 0 cannot be read"),
        // What is left out counts too.
        ("a text", archive(locals, &[record(of, "a.npy", 0, packed), record(of, "notes.txt", 0, 3)]), "lie in the same bytes"),
    ] {
        let message = refused(what, parse_npz("odd.npz", &bytes));
        assert!(message.contains(expected), "{what}: {message}");
    }
    // Fewer or more records than the end of the archive declares.
    for count in [0u16, 2, 65_535] {
        let mut bytes = one.clone();
        let end = bytes.len() - 22;
        bytes[end + 8..end + 10].copy_from_slice(&count.to_le_bytes());
        bytes[end + 10..end + 12].copy_from_slice(&count.to_le_bytes());
        let message = refused("count", parse_npz("odd.npz", &bytes));
        assert!(message.contains("found 1 entries, expected the ") || message.contains("not a zip archive"), "{message}");
    }
}

/// An entry's own size is bounded, whatever its bytes could hold.
#[test]
fn what_one_array_unpacks_to_has_a_limit() {
    let one = zip(&[("a.npy", &plain("|u1", "(100000,)", &vec![0; 100_000]))], true);
    let central = one.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    let (locals, of) = (&one[..central], &one[central..]);
    let long = [locals, &[0; 2 << 20]].concat();
    let mut of = record(of, "a.npy", 0, (long.len() - 35) as u32);
    of[24..28].copy_from_slice(&((1u32 << 30) + 1).to_le_bytes());
    let message = refused("one too large", parse_npz("odd.npz", &archive(&long, &[of])));
    assert!(message.contains("array `a`: found 1073741825 bytes declared") && message.contains("at most 1 GiB"), "{message}");
}

/// Honest entries of which each is small enough, and the sum is more than half of what the program may use.
#[test]
fn what_all_arrays_unpack_to_has_a_limit() {
    const CHILD: &str = "STEEPEST_TEST_CHILD";
    if std::env::var_os(CHILD).is_none() {
        let name = "odd_files::npz::what_all_arrays_unpack_to_has_a_limit";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let out = child.args(["--exact", name]).envs([(CHILD, "1"), ("STEEPEST_MEMORY", "4MB")]).output().unwrap();
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let array = plain("|u1", "(900000,)", &vec![0; 900_000]);
    let (two, three) =
        ([("a.npy", &array[..]), ("b.npy", &array)], [("a.npy", &array[..]), ("b.npy", &array), ("c.npy", &array)]);
    assert_eq!(parse_npz("odd.npz", &zip(&two, true)).unwrap().arrays.len(), 2);
    let message = refused("three", parse_npz("odd.npz", &zip(&three, true)));
    assert!(message.contains("array `c`: the arrays up to this one unpack to more than 2000000 bytes"), "{message}");
    // What is stored as it is shows its size.
    assert_eq!(parse_npz("odd.npz", &zip(&three, false)).unwrap().arrays.len(), 3);
}

#[test]
fn encrypted_entries_and_other_packers_are_named() {
    let good = plain("<f4", "(1,)", &[0; 4]);
    let bytes = zip(&[("a.npy", &good)], false);
    let central = bytes.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    for (at, value, expected) in [(8, 1, "it is encrypted"), (10, 12, "packed by"), (10, 93, "packed by"), (10, 99, "packed by")]
    {
        let mut bytes = bytes.clone();
        bytes[central + at] = value;
        let message = refused(expected, parse_npz("odd.npz", &bytes));
        assert!(message.contains("array `a`: ") && message.contains(expected), "{message}");
    }
    // Stored, so that both sizes are one.
    let mut bytes = bytes.clone();
    bytes[central + 24] ^= 1;
    assert!(refused("sizes", parse_npz("odd.npz", &bytes)).contains("declared"), "sizes");
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
