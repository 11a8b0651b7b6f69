//! Files that lie about their size must not cost memory. Alone in its program, because it watches the memory of all of it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use steepest::data::Idx;

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
    let error = Idx::read(long.path()).unwrap_err().to_string();
    assert!(error.contains("goes on after them"), "{error}");
    assert!(peak() - before < 8 * MIB, "{} MiB more", (peak() - before) / MIB);
}
