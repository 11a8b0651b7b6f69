//! Files that lie about their size must not cost memory. Alone in its program, because it watches the memory of all of it.
#![cfg(all(target_os = "linux", feature = "arrays", feature = "images"))]
#![allow(clippy::unwrap_used)]

use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use steepest::data::{Array, Idx, Pictures, parse_npz};

/// The most memory this program ever asked for, in bytes, touched or not.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmPeak:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

fn header(kind: u8, elements: u32) -> Vec<u8> {
    [&[0, 0, kind, 1][..], &elements.to_be_bytes()].concat()
}

fn packed(start: &[u8], zeros: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(start).unwrap();
    let block = vec![0; 1 << 16];
    (0..zeros / block.len()).for_each(|_| encoder.write_all(&block).unwrap());
    encoder.finish().unwrap()
}

/// Headers of `.npy` that declare what is not there, and archives whose entries do.
fn arrays() -> Vec<(&'static str, Vec<u8>)> {
    let npy = |descr: &str, shape: &str| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': True, 'shape': {shape}}}");
        [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat()
    };
    let entry = |declared: u32, start: &[u8; 4], more: &[u8]| {
        let sizes = [&[0; 4][..], &4u32.to_le_bytes(), &declared.to_le_bytes(), &5u16.to_le_bytes(), &[0, 0]].concat();
        [&start[..], if start[2] == 1 { &[20, 0][..] } else { &[] }, &[20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0], &sizes, more, b"a.npy"]
            .concat()
    };
    let mut lies = vec![
        ("a long array", npy("<f8", "(4294967295,)")),
        ("columns", npy("|u1", "(65535, 65535)")),
        ("text", npy("<U1000000", "(1000000,)")),
        ("a long header", [&b"\x93NUMPY\x02\x00"[..], &u32::MAX.to_le_bytes()].concat()),
    ];
    for (what, declared) in [("an entry", 1 << 30), ("a large entry", u32::MAX - 1)] {
        let mut zip = [entry(declared, b"PK\x03\x04", &[]), vec![1, 0, 0, 0]].concat();
        let (central, at) = (entry(declared, b"PK\x01\x02", &[0; 14]), zip.len() as u32);
        zip.extend(&central);
        zip.extend(
            [&b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &(central.len() as u32).to_le_bytes(), &at.to_le_bytes(), &[0, 0]].concat(),
        );
        lies.push((what, zip));
    }
    // An archive that claims 65,535 entries.
    lies.push(("entries", [&b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff"[..], &[0; 8], &[0, 0]].concat()));
    lies
}

/// PNG headers of pictures that are not there.
fn pictures() -> Vec<(&'static str, Vec<u8>)> {
    let picture = |what, side: u32, depth: u8, kind: u8, lace: u8| {
        let header = [&b"IHDR"[..], &side.to_be_bytes(), &side.to_be_bytes(), &[depth, kind, 0, 0, lace]].concat();
        let mut crc = flate2::Crc::new();
        crc.update(&header);
        (what, [&b"\x89PNG\r\n\x1a\n\0\0\0\x0d"[..], &header, &crc.sum().to_be_bytes(), b"\0\0\0\x10IDAT", &[0; 20]].concat())
    };
    vec![
        picture("a picture", 8000, 16, 6, 0),
        picture("an interlaced picture", 8000, 16, 6, 1),
        picture("a picture of bits", 8191, 1, 0, 0),
        picture("a huge picture", u32::MAX >> 1, 8, 2, 0),
    ]
}

#[test]
fn a_file_that_lies_costs_no_memory() {
    const MIB: u64 = 1 << 20;
    // A bomb of 512 MiB behind 16 elements; and one that could hold the 400 MB it declares, but ends after 1 MiB.
    let bomb = packed(&header(8, 16), 512 << 20);
    let hollow = [packed(&header(8, 400_000_000), 1 << 20), vec![0; 500_000]].concat();
    let mut long = tempfile::NamedTempFile::new().unwrap();
    long.write_all(&header(8, 16)).unwrap();
    // Sparse: 8 GiB on no disk.
    long.as_file().set_len(8 << 30).unwrap();

    let before = peak();
    for (what, file) in [
        ("plain", header(8, u32::MAX)),
        ("plain f64", header(0x0e, u32::MAX)),
        ("packed", packed(&header(8, u32::MAX), 0)),
        ("bomb", bomb),
        ("hollow", hollow),
    ] {
        let error = Idx::parse(what, &file).unwrap_err();
        let grown = peak() - before;
        assert!(grown < 8 * MIB, "{what}: {} MiB more for a file of {} bytes; {error}", grown / MIB, file.len());
    }
    for (what, file) in arrays() {
        let error = parse_npz(what, &file).map(drop).or_else(|_| Array::parse(what, &file).map(drop)).unwrap_err();
        let grown = peak() - before;
        assert!(grown < 8 * MIB, "{what}: {} MiB more for a file of {} bytes; {error}", grown / MIB, file.len());
    }
    for (what, file) in pictures() {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), &file).unwrap();
        let error = Pictures::new().read(path.path()).unwrap_err();
        let grown = peak() - before;
        assert!(grown < 8 * MIB, "{what}: {} MiB more for a file of {} bytes; {error}", grown / MIB, file.len());
    }
    let error = Idx::read(long.path()).unwrap_err().to_string();
    assert!(error.contains("goes on after them"), "{error}");
    assert!(peak() - before < 8 * MIB, "{} MiB more", (peak() - before) / MIB);
}
