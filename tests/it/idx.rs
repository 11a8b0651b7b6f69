//! IDX files and the MNIST that comes in them: what is read, what is refused, and that damage is an error.
#![allow(clippy::unwrap_used)]

use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use std::path::Path;
use steepest::data::{self, Idx, IdxData, Labels};
use steepest::{Error, Result};

fn idx(kind: u8, dims: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, kind, dims.len() as u8];
    dims.iter().for_each(|d| bytes.extend(d.to_be_bytes()));
    bytes.extend(elements);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The message of an error about a file; it must name that file.
fn refused(path: &Path, result: Result<impl std::fmt::Debug>) -> String {
    match result {
        Err(Error::File { path: named, message }) if named == path => message,
        other => panic!("{}: expected Error::File of this path, got {other:?}", path.display()),
    }
}

#[test]
fn idx_reads_every_type_plain_and_packed() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, dims, elements, data) in [
        (0x08, vec![2, 2], vec![0, 1, 128, 255], IdxData::U8(vec![0, 1, 128, 255])),
        (0x09, vec![3], vec![0, 255, 128], IdxData::I8(vec![0, -1, -128])),
        (0x0b, vec![1, 2], vec![1, 0, 255, 254], IdxData::I16(vec![256, -2])),
        (0x0c, vec![2], vec![0, 0, 1, 0, 255, 255, 255, 255], IdxData::I32(vec![256, -1])),
        (0x0d, vec![1], 1.5f32.to_be_bytes().to_vec(), IdxData::F32(vec![1.5])),
        (0x0e, vec![1; 8], (-0.1f64).to_be_bytes().to_vec(), IdxData::F64(vec![-0.1])),
        (0x08, vec![0, 28, 28], vec![], IdxData::U8(vec![])),
    ] {
        let expected = Idx { dims: dims.iter().map(|&d| d as usize).collect(), data };
        let bytes = idx(kind, &dims, &elements);
        assert_eq!(Idx::parse("memory", &bytes).unwrap(), expected);
        // The name says nothing: each content under the other's.
        for (name, bytes) in [("plain.gz", bytes.clone()), ("packed", gzip(&bytes))] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let read = Idx::read(&path).unwrap();
            assert_eq!(read, expected, "{name}");
            assert_eq!(read.numel(), read.to_f32().unwrap().len());
        }
    }
    assert_eq!(Idx::parse("m", &idx(0x0b, &[2], &[1, 0, 255, 254])).unwrap().to_f32().unwrap(), [256.0, -2.0]);
    // gzip may come in several members, one after the other.
    let bytes = idx(8, &[4], &[1, 2, 3, 4]);
    let two = [gzip(&bytes[..9]), gzip(&bytes[9..])].concat();
    assert_eq!(Idx::parse("two", &two).unwrap().data, IdxData::U8(vec![1, 2, 3, 4]));
}

#[test]
fn idx_refuses_malformed_files_by_name_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let good = idx(8, &[2, 3], &[1, 2, 3, 4, 5, 6]);
    let packed = gzip(&good);
    let change = |bytes: &[u8], at: usize, to: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = to;
        bytes
    };
    let huge = idx(8, &[u32::MAX, 1, 1], &[]);
    let checksum = packed.len() - 8;
    for (name, bytes, expected) in [
        ("empty", vec![], "byte 0: the file is cut off in the magic number: 0 of 4 bytes"),
        ("short", good[..3].to_vec(), "byte 3: the file is cut off in the magic number: 3 of 4 bytes"),
        ("text", b"label,pixel\n".to_vec(), "byte 0: found 6c 61, expected 00 00 (IDX), or 1f 8b"),
        ("magic", change(&good, 1, 7), "byte 0: found 00 07, expected 00 00"),
        ("type", change(&good, 2, 0x0a), "byte 2: found element type 0a, expected 08 (u8)"),
        ("rank 0", vec![0, 0, 8, 0, 5], "byte 3: found 0 dimensions, expected 1 to 8"),
        ("rank 9", idx(8, &[1; 9], &[5]), "byte 3: found 9 dimensions, expected 1 to 8"),
        ("no sizes", good[..10].to_vec(), "byte 10: the file is cut off in the size of dimension 1 of 2: 2 of 4 bytes"),
        (
            "cut",
            good[..15].to_vec(),
            "byte 15: the header's [2,3] declares 6 bytes of elements, but 3 are there: the file is cut off",
        ),
        (
            "trailing",
            [&good[..], &[7]].concat(),
            "byte 18: the header's [2,3] declares 6 bytes of elements, but the file goes on",
        ),
        (
            "overflow",
            idx(8, &[65536, 65536], &[]),
            "byte 4: the header declares too much: [65536, 65536] has more than 4294967295",
        ),
        ("hidden overflow", idx(8, &[0, u32::MAX, u32::MAX], &[]), "byte 4: the header declares too much"),
        ("huge", huge.clone(), "byte 16: the header's [4294967295,1,1] declares 4294967295 bytes of elements, but 0 are there"),
        ("huge f64", change(&huge, 2, 0x0e), "byte 16: the header's [4294967295,1,1] declares 34359738360 bytes"),
        ("packed huge", gzip(&huge), "byte 4 of the unpacked data: the header's [4294967295,1,1] declares 4294967295 bytes"),
        ("packed large", gzip(&idx(8, &[1 << 20], &[])), "compressed bytes cannot hold as many"),
        (
            "packed cut",
            gzip(&good[..15]),
            "byte 15 of the unpacked data: the header's [2,3] declares 6 bytes of elements, but 3 are there",
        ),
        (
            "packed trailing",
            gzip(&[&good[..], &[7]].concat()),
            "byte 18 of the unpacked data: the header's [2,3] declares 6 bytes",
        ),
        ("packed text", gzip(b"text"), "byte 0 of the unpacked data: found 74 65, expected 00 00"),
        ("gzip cut", packed[..checksum].to_vec(), "byte 18 of the unpacked data: the gzip data is damaged or cut off"),
        ("gzip header", packed[..5].to_vec(), "byte 0 of the unpacked data: the gzip data is damaged or cut off"),
        (
            "gzip checksum",
            change(&packed, checksum, packed[checksum] ^ 1),
            "byte 18 of the unpacked data: the gzip data is damaged",
        ),
        ("gzip trailing", [&packed[..], b"rest"].concat(), "byte 18 of the unpacked data: the gzip data is damaged"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let message = refused(&path, Idx::read(&path));
        assert!(message.contains(expected), "{name}: {message}\n  expected: {expected}");
        assert_eq!(refused(Path::new("memory"), Idx::parse("memory", &bytes)), message, "{name}: from memory");
    }
    let missing = folder.path().join("missing");
    assert!(refused(&missing, Idx::read(&missing)).starts_with("cannot be read: there is no such file"));
    refused(folder.path(), Idx::read(folder.path()));
}

/// A bomb: the header is small, what follows is not. Behind it the gzip data is damaged, so a reader that went on would say so.
#[test]
fn idx_stops_unpacking_where_the_header_says() {
    let mut bytes = idx(8, &[3], &[1, 2, 3]);
    bytes.resize(8 << 20, 0);
    let mut bomb = gzip(&bytes);
    assert!(bomb.len() < 1 << 15);
    let half = bomb.len() / 2;
    bomb[half..].fill(0xff);
    let message = refused(Path::new("bomb"), Idx::parse("bomb", &bomb));
    assert_eq!(
        message,
        "byte 11 of the unpacked data: the header's [3] declares 3 bytes of elements, but the file goes on after them"
    );
}

/// Cuts and flips of small valid files: an error or a result that fits the bytes given, never a panic.
#[test]
fn idx_survives_cuts_and_flips() {
    let (name, good) = (Path::new("x"), idx(8, &[2, 3], &[1, 2, 3, 4, 5, 6]));
    let valid = Idx::parse(name, &good).unwrap();
    for (packed, bytes) in [(false, good.clone()), (true, gzip(&good)), (false, idx(0x0b, &[2, 2], &[0, 1, 2, 3, 4, 5, 6, 7]))] {
        for cut in 0..bytes.len() {
            assert!(refused(name, Idx::parse(name, &bytes[..cut])).contains("byte "), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            for flip in 1..=255u8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= flip;
                match Idx::parse(name, &bytes) {
                    Err(_) => {}
                    // The checksum leaves only the fields of gzip's header that mean nothing here (time, system, flags).
                    Ok(read) if packed => assert_eq!(read, valid, "flip {flip:02x} at {at}"),
                    Ok(read) => {
                        assert!(
                            read.numel() <= bytes.len() && read.to_f32().is_ok_and(|x| x.len() == read.numel()),
                            "flip {flip:02x} at {at}"
                        )
                    }
                }
            }
        }
    }
}

// ---- MNIST ----

const FILES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// A folder with a tiny MNIST: 3 training and 2 test images.
fn tiny_mnist() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let images = |n: usize| idx(8, &[n as u32, 28, 28], &(0..n * 784).map(|i| i as u8).collect::<Vec<_>>());
    let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.path().join(name), bytes).unwrap();
    write(FILES[0], images(3));
    write(&format!("{}.gz", FILES[1]), gzip(&idx(8, &[3], &[9, 0, 5])));
    write(&format!("{}.gz", FILES[2]), gzip(&images(2)));
    write(FILES[3], idx(8, &[2], &[1, 1]));
    folder
}

#[test]
fn mnist_is_read_and_normalised() {
    let folder = tiny_mnist();
    let (train, test) = data::mnist(folder.path()).unwrap();
    assert_eq!(train.to_string(), "3 rows of [784], 10 classes");
    assert_eq!(test.to_string(), "2 rows of [784], 10 classes");
    assert_eq!(train.labels(), &Labels::Classes(vec![9, 0, 5], 10));
    assert_eq!(train.features()[..4], [0.0, 1.0 / 255.0, 2.0 / 255.0, 3.0 / 255.0]);
    assert_eq!(train.features()[255], 1.0);
    let normal = train.clone().normalized(data::MNIST_MEAN, data::MNIST_STD).unwrap().with_row_shape(&[1, 28, 28]).unwrap();
    assert_eq!(normal.row_shape(), [1, 28, 28]);
    assert_eq!(normal.features()[255], (1.0 - 0.1307) / 0.3081);
    assert_eq!(train.features()[255], 1.0, "the clone's numbers are its own");
}

#[test]
fn mnist_says_what_is_missing_or_wrong() {
    let nowhere = tempfile::tempdir().unwrap().path().join("mnist");
    let message = refused(&nowhere, data::mnist(&nowhere));
    assert!(message.starts_with("no such folder") && FILES.iter().all(|f| message.contains(f)), "{message}");
    assert!(message.contains("LeCun") && message.contains("Cortes") && message.contains("Burges"), "{message}");

    for (file, gz) in FILES.iter().zip(["", ".gz", ".gz", ""]) {
        let folder = tiny_mnist();
        std::fs::remove_file(folder.path().join(format!("{file}{gz}"))).unwrap();
        let message = refused(&folder.path().join(file), data::mnist(folder.path()));
        assert!(message.starts_with(&format!("no such file, nor {file}.gz")) && message.contains("LeCun"), "{message}");
    }

    for (file, bytes, expected) in [
        (FILES[0], idx(8, &[3, 28, 27], &[0; 3 * 28 * 27]), "byte 2: found u8 of [3, 28, 27], expected u8 of [rows, 28, 28]"),
        (FILES[0], idx(9, &[3, 28, 28], &[0; 3 * 784]), "byte 2: found i8 of [3, 28, 28], expected u8 of [rows, 28, 28]"),
        (FILES[0], idx(8, &[0, 28, 28], &[]), "byte 4: found no images, expected at least 1"),
        (
            FILES[0],
            idx(8, &[3, 28, 28], &[0; 784]),
            "byte 800: the header's [3,28,28] declares 2352 bytes of elements, but 784 are there",
        ),
        (FILES[3], idx(8, &[2, 1], &[0, 1]), "byte 2: found u8 of [2, 1], expected u8 of one dimension"),
        (FILES[3], idx(8, &[3], &[0, 1, 2]), "byte 4: found 3 labels, expected 2: as many as images in "),
        (FILES[3], idx(8, &[2], &[9, 10]), "byte 9: found label 10 of row 1, expected 0 to 9"),
    ] {
        let folder = tiny_mnist();
        let path = folder.path().join(file);
        std::fs::write(&path, bytes).unwrap();
        let message = refused(&path, data::mnist(folder.path()));
        assert!(message.starts_with(expected), "{message}\n  expected: {expected}");
    }
}

/// The real files, where they are at hand.
#[test]
fn mnist_as_published() {
    let Some(folder) = std::env::var_os("STEEPEST_DATA").map(|d| Path::new(&d).join("mnist")).filter(|d| d.is_dir()) else {
        println!("SKIPPED (no STEEPEST_DATA with a folder mnist): MNIST as published");
        return;
    };
    let (train, test) = data::mnist(folder).unwrap();
    assert_eq!((train.len(), test.len()), (60_000, 10_000));
    assert_eq!(train.class_counts(), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    assert_eq!(test.class_counts(), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    let mean = train.features().iter().map(|&x| f64::from(x)).sum::<f64>() / train.features().len() as f64;
    assert!((mean - f64::from(data::MNIST_MEAN)).abs() < 5e-5, "{mean}");
}

// ---- Dataset ----
