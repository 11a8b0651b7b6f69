//! Arrays and pictures from files: what they give, and what they refuse.
#![cfg(all(feature = "arrays", feature = "images"))]
#![allow(clippy::unwrap_used)]

use image::{GrayImage, Luma, Rgb, RgbImage};
use std::path::Path;
use steepest::data::{Array, ArrayData, Dataset, Labels, Pictures, parse_npz, read_npz, write_npz};
use steepest::{Error, Result};

/// The message of an error about a file; it must name that file.
fn refused(path: &Path, result: Result<impl std::fmt::Debug>) -> String {
    match result {
        Err(Error::File { path: named, message }) if named == path => message,
        other => panic!("{}: expected Error::File of this path, got {other:?}", path.display()),
    }
}

fn misconfigured<T: std::fmt::Debug>(result: Result<T>, expected: &str) {
    match result {
        Err(error @ Error::Config { .. }) if error.to_string().contains(expected) => {}
        other => panic!("expected Error::Config with `{expected}`, got {other:?}"),
    }
}

/// A file as NumPy writes it: magic number, version 1.0, a header padded to 64 bytes, elements.
fn npy(descr: &str, fortran: bool, shape: &str, elements: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    with_header(&format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"), elements)
}

fn with_header(header: &str, elements: &[u8]) -> Vec<u8> {
    let width = (10 + header.len() + 1).next_multiple_of(64) - 11;
    let header = format!("{header:<width$}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), elements].concat()
}

// ---- Arrays ----

#[test]
fn arrays_of_every_type() {
    for (descr, elements, data) in [
        ("|b1", vec![1, 0], ArrayData::Bool(vec![true, false])),
        ("|i1", vec![255, 2], ArrayData::I8(vec![-1, 2])),
        ("|u1", vec![255, 2], ArrayData::U8(vec![255, 2])),
        ("<i2", vec![0, 1, 254, 255], ArrayData::I16(vec![256, -2])),
        (">u2", vec![1, 0, 255, 255], ArrayData::U16(vec![256, 65535])),
        (">i4", vec![0, 0, 0, 1, 255, 255, 255, 255], ArrayData::I32(vec![1, -1])),
        ("<u4", vec![1, 0, 0, 0, 255, 255, 255, 255], ArrayData::U32(vec![1, u32::MAX])),
        ("<i8", [(-5i64).to_le_bytes(), 7i64.to_le_bytes()].concat(), ArrayData::I64(vec![-5, 7])),
        (">u8", [5u64.to_be_bytes(), u64::MAX.to_be_bytes()].concat(), ArrayData::U64(vec![5, u64::MAX])),
        ("<f4", [1.5f32.to_le_bytes(), f32::INFINITY.to_le_bytes()].concat(), ArrayData::F32(vec![1.5, f32::INFINITY])),
        (">f8", [0.1f64.to_be_bytes(), (-0.0f64).to_be_bytes()].concat(), ArrayData::F64(vec![0.1, -0.0])),
    ] {
        let read = Array::parse("a.npy", &npy(descr, false, "(2,)", &elements)).unwrap();
        assert_eq!((read.shape(), read.data()), (&[2][..], &data), "{descr}");
        assert_eq!(Array::parse("b.npy", &read.to_npy().unwrap()).unwrap(), read);
        // What f32 or f64 cannot hold exactly is refused, not rounded.
        let largest = matches!(descr, "<u4" | ">u8");
        assert_eq!((read.to_f32().is_ok(), read.to_f64().is_ok()), (!largest, descr != ">u8"), "{descr}");
    }
    let read = |bytes: &[u8]| Array::parse("a.npy", bytes).unwrap();
    // [[0, 1, 2], [3, 4, 5]] column by column.
    let fortran = read(&npy("|u1", true, "(2, 3)", &[0, 3, 1, 4, 2, 5]));
    assert_eq!((fortran.shape(), fortran.to_f32().unwrap()), (&[2, 3][..], vec![0., 1., 2., 3., 4., 5.]));
    let deep: Vec<u8> = (0..24).collect();
    let fortran = read(&npy("|u1", true, "(2, 3, 4)", &deep)).to_f32().unwrap();
    // Element (i, j, k) lies at i + 2 j + 6 k.
    assert_eq!((fortran[1], fortran[4], fortran[12], fortran[23]), (6.0, 2.0, 1.0, 23.0));
    assert_eq!(read(&npy("<f4", false, "()", &2.5f32.to_le_bytes())).shape(), [] as [usize; 0]);
    assert_eq!(read(&npy("<f4", false, "(0, 3)", &[])).shape(), [0, 3]);
    assert_eq!(read(&npy("<f4", true, "(0, 3)", &[])).data().len(), 0);
    // Versions 2 and 3 have a longer length.
    let one = npy("|u1", false, "(2,)", &[7, 8]);
    for version in [2, 3] {
        let mut bytes = [b"\x93NUMPY", &[version, 0][..], &one[8..10], &[0, 0], &one[10..]].concat();
        assert_eq!(read(&bytes).to_f64().unwrap(), [7.0, 8.0]);
        bytes[7] = 1;
        assert!(Array::parse("a", &bytes).is_err());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    fortran_file(&path);
    assert_eq!(Array::read(&path).unwrap().to_f32().unwrap(), [0., 1., 2., 3., 4., 5.]);
    Array::read(&path).unwrap().write(&path).unwrap();
    assert_eq!(Array::read(&path).unwrap().to_f32().unwrap(), [0., 1., 2., 3., 4., 5.]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    let nowhere = folder.path().join("no/a.npy");
    assert!(refused(&nowhere, Array::read(&nowhere)).contains("cannot be read"));
    assert!(
        refused(&nowhere, fortran.first().map_or(Ok(()), |_| Array::parse("x", &one)?.write(&nowhere)))
            .contains("cannot be written")
    );

    misconfigured(Array::new(&[3], ArrayData::U8(vec![1, 2])), "2 elements do not fit the shape [3]");
    misconfigured(Array::new(&[1; 9], ArrayData::U8(vec![1])), "9 axes");
}

fn fortran_file(path: &Path) {
    std::fs::write(path, npy("|u1", true, "(2, 3)", &[0, 3, 1, 4, 2, 5])).unwrap();
}

#[test]
fn malformed_arrays_are_refused() {
    let good = npy("<f4", false, "(2, 2)", &[0; 16]);
    for (what, bytes, expected) in [
        ("empty", vec![], "byte 0: found 0 bytes"),
        ("text", b"a,b\n1,2\n1,2\n".to_vec(), "byte 0: found [61, 2c"),
        ("version", [&good[..6], &[9, 0], &good[8..]].concat(), "byte 6: found version 9.0"),
        ("no length", good[..9].to_vec(), "byte 8: the file is cut off"),
        ("no header", good[..30].to_vec(), "byte 10: the header declares 118 bytes, but 20 are there"),
        ("long header", [&good[..8], &[255, 255], &good[10..]].concat(), "byte 8: found a header of 65535 bytes"),
        (
            "cut",
            good[..good.len() - 1].to_vec(),
            "byte 128: [2, 2] of `<f4` declares 16 bytes, but 15 are there: the file is cut off",
        ),
        ("trailing", [&good[..], &[0]].concat(), "but 17 are there: the file goes on"),
        ("huge", npy("<f8", false, "(4294967295,)", &[]), "[4294967295] of `<f8` declares 34359738360 bytes, but 0"),
        ("overflow", npy("<f8", false, "(65536, 65536, 65536)", &[]), "header: declares too much"),
        ("hidden overflow", npy("<f8", false, "(0, 4294967295, 4294967295)", &[]), "header: declares too much"),
        ("size", npy("<f8", false, "(18446744073709551616,)", &[]), "header: found the size `18446744073709551616`"),
        ("negative", npy("<f8", false, "(-1,)", &[]), "header: found the size `-1`"),
        ("axes", npy("|u1", false, "(1, 1, 1, 1, 1, 1, 1, 1, 1)", &[0]), "header: found 9 axes"),
        ("objects", npy("|O", false, "(1,)", &[0; 8]), "found elements of type `|O`, expected bool"),
        ("text", npy("<U3", false, "(1,)", &[0; 12]), "found elements of type `<U3`"),
        ("complex", npy("<c8", false, "(1,)", &[0; 8]), "found elements of type `<c8`"),
        ("records", with_header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", &[0; 4]), "found records"),
        ("bool", npy("|b1", false, "(3,)", &[1, 0, 2]), "found the bool 02, expected 00 or 01"),
        ("nothing", with_header("{}", &[]), "header: found no `shape`"),
        ("no order", with_header("{'descr': '<f4', 'shape': (1,)}", &[0; 4]), "fortran_order"),
        (
            "two shapes",
            with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'shape': (2,)}", &[0; 4]),
            "more than one",
        ),
        (
            "escapes",
            with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'sh\\x61pe': (2,)}", &[0; 4]),
            "backslash",
        ),
        ("deep", with_header(&format!("{}{}", "(".repeat(4000), ")".repeat(4000)), &[]), "more than 16 deep"),
        ("a list", with_header("['shape', (1,)]", &[0; 4]), "header: "),
    ] {
        let message = refused(Path::new("a.npy"), Array::parse("a.npy", &bytes));
        assert!(message.contains(expected), "{what}: {message}\n  expected: {expected}");
    }
    for (bytes, packed) in [(good.clone(), false), (archive(), true)] {
        for cut in 0..bytes.len() {
            let ok = if packed { parse_npz("a", &bytes[..cut]).is_ok() } else { Array::parse("a", &bytes[..cut]).is_ok() };
            assert!(!ok, "cut at {cut}");
        }
        for at in 0..bytes.len() {
            for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
                let mut bytes = bytes.clone();
                bytes[at] ^= flip;
                // A result or an error, no panic.
                let _ = if packed { parse_npz("a", &bytes).map(drop) } else { Array::parse("a", &bytes).map(drop) };
            }
        }
    }
}

/// An archive of two arrays.
fn archive() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let x = Array::new(&[2, 2], ArrayData::F32(vec![1.0, 2.0, 3.0, 4.0])).unwrap();
    let y = Array::new(&[2], ArrayData::I64(vec![0, 1])).unwrap();
    write_npz(&path, [("x", &x), ("y", &y)]).unwrap();
    let arrays = read_npz(&path).unwrap();
    assert_eq!(arrays.arrays, [("x".to_owned(), x), ("y".to_owned(), y)]);
    assert!(arrays.left_out.is_empty());
    std::fs::read(path).unwrap()
}

#[test]
fn archives() {
    let bytes = archive();
    let arrays = parse_npz("a.npz", &bytes).unwrap().arrays;
    let set = Dataset::from_arrays(&arrays[0].1, &arrays[1].1).unwrap();
    assert_eq!(set.to_string(), "2 rows of [2], 2 classes");
    let name = Path::new("a.npz");
    assert!(refused(name, parse_npz(name, b"PK nothing")).contains("not a zip archive"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.npz");
    let y = &arrays[1].1;
    misconfigured(write_npz(&path, [("y", y), ("y", y)]), "a name of its own");
    misconfigured(write_npz(&path, [("", y)]), "a name of its own");
    assert!(!path.exists());
    // A bomb: an array of 64 MiB that unpacks from 64 KiB is one that deflate can make; the sizes say more than that.
    let big = Array::new(&[1 << 20], ArrayData::U8(vec![0; 1 << 20])).unwrap();
    write_npz(&path, [("big", &big)]).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() < 1 << 13, "{}", bytes.len());
    let central = bytes.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    bytes[central + 24..central + 28].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    let message = refused(name, parse_npz(name, &bytes));
    assert!(message.contains("array `big`: found 2147483647 bytes declared"), "{message}");
    // Declares less than there is.
    bytes[central + 24..central + 28].copy_from_slice(&1000u32.to_le_bytes());
    let message = refused(name, parse_npz(name, &bytes));
    assert!(message.contains("array `big`: found more bytes, expected the 1000 declared"), "{message}");
}

#[test]
fn data_sets_of_arrays() {
    let x = Array::new(&[3, 2], ArrayData::F64(vec![0.5; 6])).unwrap();
    let of = |shape: &[usize], data| Dataset::from_arrays(&x, &Array::new(shape, data).unwrap());
    assert_eq!(of(&[3], ArrayData::U8(vec![2, 0, 1])).unwrap().labels(), &Labels::Classes(vec![2, 0, 1], 3));
    assert_eq!(of(&[3], ArrayData::Bool(vec![true, false, true])).unwrap().labels(), &Labels::Classes(vec![1, 0, 1], 2));
    assert_eq!(of(&[3], ArrayData::F64(vec![1.0; 3])).unwrap().labels(), &Labels::Values(vec![1.0; 3], 1));
    assert_eq!(of(&[3, 2], ArrayData::F32(vec![1.0; 6])).unwrap().labels(), &Labels::Values(vec![1.0; 6], 2));
    misconfigured(of(&[2], ArrayData::U8(vec![0; 2])), "are not the same rows");
    misconfigured(of(&[], ArrayData::U8(vec![0])), "expected rows");
    misconfigured(of(&[3, 1], ArrayData::U8(vec![0; 3])), "one per row");
    misconfigured(of(&[3], ArrayData::I8(vec![0, -1, 0])), "class -1 of row 1");
    misconfigured(of(&[3], ArrayData::I64(vec![0, 0, 1 << 40])), "of row 2");
}

// ---- Pictures ----

fn coloured(path: &Path, width: u32, height: u32, colour: [u8; 3]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut picture = RgbImage::from_pixel(width, height, Rgb(colour));
    picture.put_pixel(1, 0, Rgb([255, 0, 0]));
    picture.save(path).unwrap();
}

#[test]
fn pictures_become_rows() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    coloured(&at("dog/2.png"), 3, 2, [0, 0, 255]);
    coloured(&at("dog/1.PNG"), 3, 2, [0, 51, 0]);
    coloured(&at("cat/1.png"), 3, 2, [255, 255, 255]);
    std::fs::write(at("dog/.hidden"), "x").unwrap();
    std::fs::write(at("README"), "x").unwrap();
    let set = Pictures::new().read_folder(folder.path()).unwrap();
    assert_eq!(set.to_string(), "3 rows of [3, 2, 3], 2 classes");
    assert_eq!((set.class_names(), set.labels()), (&["cat".to_owned(), "dog".into()][..], &Labels::Classes(vec![0, 1, 1], 2)));
    // Channel by channel, row by row.
    assert_eq!(set.row(0).unwrap(), [[1.0; 6], [1., 0., 1., 1., 1., 1.], [1., 0., 1., 1., 1., 1.]].concat());
    assert_eq!(set.row(1).unwrap(), [[0., 1., 0., 0., 0., 0.], [0.2, 0., 0.2, 0.2, 0.2, 0.2], [0.; 6]].concat());
    let flat = Pictures::new().flat().read_folder(folder.path()).unwrap();
    assert_eq!((flat.row_shape(), flat.features()), (&[18][..], set.features()));
    let grey = Pictures::new().grey().size(4, 4).read_folder(folder.path()).unwrap();
    assert_eq!(grey.row_shape(), [1, 4, 4]);
    // Far from the red pixel.
    assert!((grey.row(1).unwrap()[15] - 0.7152 * 0.2).abs() < 0.01 && (grey.row(2).unwrap()[15] - 0.0722).abs() < 0.01);
    let (numbers, shape) = Pictures::new().grey().read(at("dog/2.png")).unwrap();
    assert_eq!((numbers.len(), shape), (6, [1, 2, 3]));
    // Of one channel, and 16 bits.
    GrayImage::from_pixel(2, 2, Luma([51])).save(at("grey.png")).unwrap();
    assert_eq!(Pictures::new().read(at("grey.png")).unwrap(), (vec![0.2; 12], [3, 2, 2]));
    // 0x3333 of 16 bits is 0.2 too.
    image::ImageBuffer::from_pixel(2, 2, Luma([0x3333u16])).save(at("wide.png")).unwrap();
    assert_eq!(Pictures::new().grey().read(at("wide.png")).unwrap(), (vec![0.2; 4], [1, 2, 2]));
}

#[test]
fn pictures_that_are_refused() {
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        coloured(&folder.path().join("a/1.png"), 3, 2, [1, 2, 3]);
        coloured(&folder.path().join("b/1.png"), 3, 2, [1, 2, 3]);
        folder
    };
    type Change = fn(&Path);
    for (what, change, path, expected) in [
        ("jpeg", (|f| std::fs::write(f.join("b/2.jpg"), "x").unwrap()) as Change, "b/2.jpg", "another kind of file"),
        (
            "named png",
            |f| std::fs::write(f.join("b/2.png"), "GIF89a").unwrap(),
            "b/2.png",
            "byte 0: found 47 49 46 38, expected a PNG",
        ),
        ("empty file", |f| std::fs::write(f.join("b/2.png"), "").unwrap(), "b/2.png", "byte 0: found , expected a PNG"),
        ("other size", |f| coloured(&f.join("b/2.png"), 4, 2, [0; 3]), "b/2.png", "found 4 × 2 pixels, expected 3 × 2"),
        ("empty class", |f| std::fs::create_dir(f.join("c")).unwrap(), "c", "no pictures"),
        ("one class", |f| std::fs::remove_dir_all(f.join("b")).unwrap(), "", "found 1 subfolders"),
        ("stray", |f| coloured(&f.join("1.png"), 3, 2, [0; 3]), "1.png", "beside the subfolders"),
        ("none", |f| std::fs::remove_dir_all(f).unwrap(), "", "cannot be read as a folder"),
    ] {
        let folder = make();
        change(folder.path());
        let path = if path.is_empty() { folder.path().to_owned() } else { folder.path().join(path) };
        let message = refused(&path, Pictures::new().read_folder(folder.path()));
        assert!(message.contains(expected), "{what}: {message}");
    }
    let folder = make();
    let path = folder.path().join("a/1.png");
    misconfigured(Pictures::new().size(0, 3).read(&path), "the size");
    misconfigured(Pictures::new().size(u32::MAX, u32::MAX).read(&path), "the size");
    let good = std::fs::read(&path).unwrap();
    for cut in [8, 20, 33, 45, good.len() - 14] {
        std::fs::write(&path, &good[..cut]).unwrap();
        assert!(refused(&path, Pictures::new().read(&path)).contains("damaged"), "cut at {cut}");
    }
    for at in 8..good.len() {
        for flip in [1, 16, 128] {
            let mut bytes = good.clone();
            bytes[at] ^= flip;
            std::fs::write(&path, &bytes).unwrap();
            let _ = Pictures::new().read(&path);
        }
    }
    // A header that claims 60,000 × 60,000 pixels, and one of 8,000 × 8,000 that the file cannot hold. The checksum of its chunk is theirs.
    for (side, expected) in [(60_000u32, ""), (8000, "more than")] {
        let mut bytes = good.clone();
        bytes[16..20].copy_from_slice(&side.to_be_bytes());
        bytes[20..24].copy_from_slice(&side.to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        std::fs::write(&path, &bytes).unwrap();
        let message = refused(&path, Pictures::new().read(&path));
        assert!(message.contains(expected), "{message}");
    }
}
