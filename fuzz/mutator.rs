//! Makes odd files of good ones: a seeded mutator without a compiler's help. The same seed, target and number give the same bytes.

use steepest::ops::case::Gen;

fn one<'a, T>(draws: &mut Gen, of: &'a [T]) -> &'a T {
    &of[draws.below(of.len())]
}

/// A stretch of at most `most` of `length` bytes.
fn stretch(draws: &mut Gen, length: usize, most: usize) -> std::ops::Range<usize> {
    let start = draws.below(length + 1);
    let end = start + draws.below((length - start).min(most) + 1);
    start..end
}

/// Numbers at which readers err: ends of types, and what is one more or less than a power of two.
const NUMBERS: [u64; 18] = [
    0,
    1,
    2,
    3,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
];

/// Texts at which readers err, for formats that are text.
const TEXTS: [&str; 40] = [
    "0",
    "-1",
    "1e999",
    "-1e-999",
    "NaN",
    "inf",
    "18446744073709551615",
    "18446744073709551616",
    "4294967295",
    "99999999999999999999999",
    "0.1e1",
    "1_000",
    "--",
    "\"",
    "'",
    "\"\"",
    "\\u0000",
    "\\",
    "\n",
    "\r",
    "\r\n",
    "\t",
    ",",
    ";",
    "[",
    "]",
    "{",
    "}",
    "[[[[[[[[",
    "(",
    ")",
    ":",
    "null",
    "true",
    "\u{feff}",
    "\u{0}",
    "é",
    "\u{10ffff}",
    "#",
    "=",
];

/// Bytes made of one or two of the seeds, `most` at most. The first numbers give the seeds as they are.
pub fn input(seed: u64, number: u64, seeds: &[Vec<u8>], most: usize) -> Vec<u8> {
    if let Some(whole) = usize::try_from(number).ok().and_then(|number| seeds.get(number)) {
        return whole.clone();
    }
    let mut draws = Gen::new(seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
    let mut bytes = one(&mut draws, seeds).clone();
    // Mostly few changes, which get deep; sometimes many.
    let most_changes = if draws.below(4) == 0 { 16 } else { 3 };
    let changes = 1 + draws.below(most_changes);
    for _ in 0..changes {
        change(&mut draws, &mut bytes, seeds);
    }
    bytes.truncate(most);
    bytes
}

fn change(draws: &mut Gen, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let length = bytes.len();
    match draws.below(14) {
        // A bit, a byte, a small step.
        0 if length > 0 => bytes[draws.below(length)] ^= 1 << draws.below(8),
        1 if length > 0 => bytes[draws.below(length)] = draws.bits() as u8,
        2 if length > 0 => {
            let at = draws.below(length);
            bytes[at] = bytes[at].wrapping_add(draws.below(9) as u8).wrapping_sub(4);
        }
        // A number in the place of another, in either order.
        3 | 4 => {
            let number = *one(draws, &NUMBERS);
            let size = *one(draws, &[1, 2, 4, 8]);
            let (little, big) = (number.to_le_bytes(), number.to_be_bytes());
            let number = if draws.below(2) == 0 { &little[..size] } else { &big[8 - size..] };
            if length >= size {
                let at = draws.below(length - size + 1);
                bytes[at..at + size].copy_from_slice(number);
            }
        }
        // Digits in the place of digits.
        5 | 6 => {
            let digits: Vec<usize> = (0..length).filter(|&i| bytes[i].is_ascii_digit()).collect();
            if !digits.is_empty() {
                let start = *one(draws, &digits);
                let end = start + bytes[start..].iter().take_while(|b| b.is_ascii_digit() || b"+-.eE".contains(b)).count();
                let text = one(draws, &TEXTS[..11]).bytes().collect::<Vec<_>>();
                bytes.splice(start..end, text);
            }
        }
        // A text put in, or in the place of another.
        7 => {
            let range = stretch(draws, length, 4);
            let text = one(draws, &TEXTS).bytes().collect::<Vec<_>>();
            bytes.splice(range, text);
        }
        // Bytes out, twice or many times, moved.
        8 => drop(bytes.drain(stretch(draws, length, 64))),
        9 => {
            let part = bytes[stretch(draws, length, 64)].to_vec();
            let at = draws.below(length + 1);
            bytes.splice(at..at, part);
        }
        10 => {
            let part = bytes[stretch(draws, length, 16)].repeat(1 + draws.below(64));
            let at = draws.below(length + 1);
            bytes.splice(at..at, part);
        }
        11 => {
            let part = stretch(draws, length, 32);
            let part = bytes[part].to_vec();
            if length >= part.len() {
                let at = draws.below(length - part.len() + 1);
                bytes[at..at + part.len()].copy_from_slice(&part);
            }
        }
        // The start of this and the end of another.
        12 => {
            let other = one(draws, seeds);
            let (cut, from) = (draws.below(length + 1), draws.below(other.len() + 1));
            bytes.truncate(cut);
            bytes.extend_from_slice(&other[from..]);
        }
        // Cut off.
        _ => bytes.truncate(draws.below(length + 1)),
    }
}
