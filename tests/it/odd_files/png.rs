//! PNG: every colour type × depth × order of lines, with and without transparency; damage.

use super::refused;
use flate2::{Compression, Crc, write::ZlibEncoder};
use std::io::Write;
use steepest::data::Pictures;

/// A colour type of PNG: its number, depths, samples a pixel.
const TYPES: [(u8, &[u8], usize); 5] =
    [(0, &[1, 2, 4, 8, 16], 1), (2, &[8, 16], 3), (3, &[1, 2, 4, 8], 1), (4, &[8, 16], 2), (6, &[8, 16], 4)];
/// Passes of an interlaced picture: first column and line, steps.
const PASSES: [[usize; 4]; 7] =
    [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];

fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(name);
    crc.update(data);
    [&(data.len() as u32).to_be_bytes()[..], name, data, &crc.sum().to_be_bytes()].concat()
}

/// A picture's samples, pixel by pixel, in as many bits as the depth says.
struct Picture {
    kind: u8,
    depth: u8,
    channels: usize,
    width: usize,
    height: usize,
    samples: Vec<u16>,
}

impl Picture {
    fn line(&self, y: usize, columns: impl Iterator<Item = usize>, into: &mut Vec<u8>) {
        into.push(0); // not filtered
        let (mut byte, mut bits) = (0u8, 0);
        for x in columns {
            for c in 0..self.channels {
                let sample = self.samples[(y * self.width + x) * self.channels + c];
                match self.depth {
                    16 => into.extend(sample.to_be_bytes()),
                    8 => into.push(sample as u8),
                    depth => {
                        byte |= (sample as u8) << (8 - depth - bits);
                        bits += depth;
                        if bits == 8 {
                            into.push(std::mem::take(&mut byte));
                            bits = 0;
                        }
                    }
                }
            }
        }
        if bits > 0 {
            into.push(byte);
        }
    }

    /// The file, with more chunks before its pixels.
    fn file(&self, interlaced: bool, more: &[u8]) -> Vec<u8> {
        let mut lines = vec![];
        if interlaced {
            for [x0, y0, dx, dy] in PASSES {
                if x0 < self.width {
                    (y0..self.height).step_by(dy).for_each(|y| self.line(y, (x0..self.width).step_by(dx), &mut lines));
                }
            }
        } else {
            (0..self.height).for_each(|y| self.line(y, 0..self.width, &mut lines));
        }
        let mut encoder = ZlibEncoder::new(vec![], Compression::default());
        encoder.write_all(&lines).unwrap();
        let (w, h) = ((self.width as u32).to_be_bytes(), (self.height as u32).to_be_bytes());
        let header = [&w[..], &h, &[self.depth, self.kind, 0, 0, u8::from(interlaced)]].concat();
        let data = encoder.finish().unwrap();
        [b"\x89PNG\r\n\x1a\n", &chunk(b"IHDR", &header)[..], more, &chunk(b"IDAT", &data), &chunk(b"IEND", &[])].concat()
    }
}

/// Samples that differ, and use all of their bits.
fn picture(kind: u8, depth: u8, channels: usize) -> Picture {
    let (width, height, mut state) = (9, 7, 0x1234_5678u32 ^ u32::from(kind) << 8 ^ u32::from(depth));
    let sample = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8 & ((1u32 << depth) - 1)) as u16
    };
    let samples = (0..width * height * channels).map(sample).collect();
    Picture { kind, depth, channels, width, height, samples }
}

/// A white picture of one bit a pixel.
pub(super) fn blank(width: usize, height: usize) -> Vec<u8> {
    Picture { kind: 0, depth: 1, channels: 1, width, height, samples: vec![1; width * height] }.file(false, &[])
}

fn palette(entries: usize) -> Vec<[u8; 3]> {
    (0..entries).map(|i| [(i * 37 % 256) as u8, (i * 101 % 256) as u8, 255 - i as u8]).collect()
}

/// Red, green and blue of each pixel by definition: sample / (2^depth − 1).
fn expected(picture: &Picture) -> Vec<[f64; 3]> {
    let most = f64::from((1u32 << picture.depth) - 1);
    let colours = palette(1 << picture.depth.min(8));
    let of = |pixel: &[u16]| match picture.kind {
        0 | 4 => [f64::from(pixel[0]) / most; 3],
        3 => colours[usize::from(pixel[0])].map(|x| f64::from(x) / 255.0),
        _ => [0, 1, 2].map(|c| f64::from(pixel[c]) / most),
    };
    picture.samples.chunks(picture.channels).map(of).collect()
}

fn compare(what: &str, found: &[f32], expected: impl Iterator<Item = f64>) {
    let expected: Vec<f64> = expected.collect();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (&x, &y)) in found.iter().zip(&expected).enumerate() {
        // A sample of 16 bits is 1.5e-5 from the next.
        assert!((f64::from(x) - y).abs() < 1e-6, "{what}: pixel {i} is {x}, expected {y}");
    }
}

#[test]
fn every_colour_type_and_depth() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.png");
    let mut files = 0;
    for (kind, depths, channels) in TYPES {
        for &depth in depths {
            for interlaced in [false, true] {
                for transparent in [false, true] {
                    let picture = picture(kind, depth, channels);
                    let colours = palette(1 << depth.min(8)).concat();
                    // What is transparent: a grey, a colour, or entries of the palette.
                    let alpha = match kind {
                        0 => picture.samples[0].to_be_bytes().to_vec(),
                        2 => picture.samples[..3].iter().flat_map(|x| x.to_be_bytes()).collect(),
                        3 => vec![0, 128],
                        _ => vec![],
                    };
                    let mut more = if kind == 3 { chunk(b"PLTE", &colours) } else { vec![] };
                    if transparent && !alpha.is_empty() {
                        more.extend(chunk(b"tRNS", &alpha));
                    }
                    let what = format!("type {kind}, {depth} bits, interlaced {interlaced}, transparent {transparent}");
                    std::fs::write(&path, picture.file(interlaced, &more)).unwrap();
                    let truth = expected(&picture);
                    let (found, shape) = Pictures::new().read(&path).unwrap_or_else(|e| panic!("{what}: {e}"));
                    assert_eq!(shape, [3, 7, 9], "{what}");
                    compare(&what, &found, (0..3).flat_map(|c| truth.iter().map(move |pixel| pixel[c])));
                    let (found, shape) = Pictures::new().grey().read(&path).unwrap();
                    assert_eq!(shape, [1, 7, 9], "{what}");
                    compare(&what, &found, truth.iter().map(|[r, g, b]| 0.2126 * r + 0.7152 * g + 0.0722 * b));
                    // Of another size: every number between the smallest and the largest, and the mean about the same.
                    let (found, shape) = Pictures::new().grey().size(18, 14).read(&path).unwrap();
                    assert_eq!(shape, [1, 14, 18], "{what}");
                    assert!(found.iter().all(|x| (-1e-6..=1.0 + 1e-6).contains(x)), "{what}");
                    files += 1;
                }
            }
        }
    }
    println!("{files} pictures");
    assert_eq!(files, 15 * 4);
}

/// Two greys of 16 bits that are one in 8 bits stay two, also when the size changes.
#[test]
fn sixteen_bits_are_kept_through_a_change_of_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.png");
    let samples: Vec<u16> = (0..8).flat_map(|y| (0..8).map(move |_| 0x8000 + y / 4)).collect();
    let picture = Picture { kind: 0, depth: 16, channels: 1, width: 8, height: 8, samples };
    std::fs::write(&path, picture.file(false, &[])).unwrap();
    for settings in [Pictures::new().grey(), Pictures::new().grey().size(4, 4), Pictures::new().size(16, 16)] {
        let (found, shape) = settings.read(&path).unwrap();
        let (first, last) = (found[0], found[shape[1] * shape[2] - 1]);
        let (a, b) = (f64::from(first) * 65535.0, f64::from(last) * 65535.0);
        assert!((a - 32768.0).abs() < 0.01 && (b - 32769.0).abs() < 0.01, "{settings:?}: {a} and {b}");
    }
}

/// What a change of size takes on its way is bounded too: a strip made square passes through its width times the new height.
#[test]
fn changes_of_size_have_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.png");
    let strip = Picture { kind: 0, depth: 1, channels: 1, width: 1 << 18, height: 1, samples: vec![1; 1 << 18] };
    std::fs::write(&path, strip.file(false, &[])).unwrap();
    assert_eq!(Pictures::new().grey().size(4, 4).read(&path).unwrap().1, [1, 4, 4]);
    for (width, height) in [(1, 1 << 26), (2, 1 << 25), (1, 257)] {
        match Pictures::new().size(width, height).read(&path).unwrap_err() {
            steepest::Error::File { message, .. } => {
                assert!(message.contains("found 262144 × 1 pixels: on the way to"), "{message}");
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.png");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        // The name alone, as the other formats are named.
        Pictures::new().read(&path).map_err(|e| match e {
            steepest::Error::File { message, .. } => steepest::Error::File { path: "odd.png".into(), message },
            other => other,
        })
    };
    for (kind, depth, channels, interlaced) in [(0, 16, 1, false), (3, 4, 1, true), (6, 16, 4, true), (2, 8, 3, false)] {
        let more = if kind == 3 { chunk(b"PLTE", &palette(16).concat()) } else { vec![] };
        let bytes = picture(kind, depth, channels).file(interlaced, &more);
        let whole = read(&bytes).unwrap();
        // Up to the last chunk, which says that there is no more.
        for cut in 0..bytes.len() - 12 {
            refused(&format!("type {kind} cut at {cut}"), read(&bytes[..cut]));
        }
        for cut in bytes.len() - 12..bytes.len() {
            if let Ok(found) = read(&bytes[..cut]) {
                assert_eq!(found, whole, "type {kind} cut at {cut}");
            }
        }
        for at in 0..bytes.len() {
            for flip in [1, 16, 128, 255] {
                let mut bytes = bytes.clone();
                bytes[at] ^= flip;
                match read(&bytes) {
                    Ok((numbers, [channels, height, width])) => assert_eq!(numbers.len(), channels * height * width),
                    other => drop(refused(&format!("type {kind}, byte {at}"), other)),
                }
            }
        }
    }
}

/// The decoder would take what is left of a palette for a colour.
#[test]
fn a_palette_of_no_whole_colours_is_refused() {
    let header = [&4u32.to_be_bytes()[..], &3u32.to_be_bytes(), &[1, 3, 0, 0, 0]].concat();
    let mut pixels = ZlibEncoder::new(vec![], Compression::default());
    pixels.write_all(&[0, 0b1010_0000, 0, 0b0101_0000, 0, 0b1111_0000]).unwrap();
    let pixels = pixels.finish().unwrap();
    for length in 0..=9 {
        let chunks =
            [chunk(b"IHDR", &header), chunk(b"PLTE", &vec![200; length]), chunk(b"IDAT", &pixels), chunk(b"IEND", &[])].concat();
        let read = Pictures::new().parse("p.png", &[&b"\x89PNG\r\n\x1a\n"[..], &chunks].concat());
        match length {
            6 | 9 => assert_eq!(read.unwrap().1, [3, 3, 4]),
            // Colours that pixels ask for are not there: the decoder knows what to make of that.
            0 | 3 => drop(read),
            _ => assert!(read.unwrap_err().to_string().contains("palette"), "{length}"),
        }
    }
}
