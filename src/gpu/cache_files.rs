//! What the files of caches look like, bytes in, values out: measured variants as text, compiled pipelines with a checksum. Nothing here knows of devices.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What a file begins with; the last byte is the version of this format.
const MAGIC: &[u8; 8] = b"steeppl\x01";

/// The fastest variant of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) variant: usize,
    pub(super) microseconds: f64,
    pub(super) label: String,
}

pub(super) fn text(head: &str, measured: &BTreeMap<u64, Measured>) -> String {
    let mut text = format!("{head}\n");
    for (signature, Measured { variant, microseconds, label }) in measured {
        let _ = writeln!(text, "{signature:016x}\t{variant}\t{microseconds:.1}\t{label}");
    }
    text
}

/// What a file holds; `None` if it is of another driver or build, or damaged.
pub(super) fn parse(text: &str, head: &str) -> Option<BTreeMap<u64, Measured>> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    if lines.next() != Some(head) {
        return None;
    }
    lines
        .map(|line| {
            let mut fields = line.splitn(4, '\t');
            let signature = u64::from_str_radix(fields.next()?, 16).ok()?;
            let variant = fields.next()?.parse().ok()?;
            let microseconds = fields.next()?.parse().ok().filter(|&v: &f64| v.is_finite() && v >= 0.0)?;
            Some((signature, Measured { variant, microseconds, label: fields.next()?.to_owned() }))
        })
        .collect()
}

/// A sum that any change of one byte changes: each step is a bijection of the sum, for given bytes, and of eight bytes, for a given sum.
pub(super) fn checksum(parts: [&[u8]; 2]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for bytes in part.chunks(8) {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            sum = (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
        }
    }
    sum
}

/// A file: what it begins with, length of the key, length of the data, checksum of both, key, data.
pub(super) fn pack(key: &str, data: &[u8]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.extend((key.len() as u64).to_le_bytes());
    file.extend((data.len() as u64).to_le_bytes());
    file.extend(checksum([key.as_bytes(), data]).to_le_bytes());
    file.extend(key.as_bytes());
    file.extend(data);
    file
}

/// The data of a file written by [`pack`] under this very key, whole and unchanged.
pub(super) fn unpack<'f>(file: &'f [u8], key: &str) -> Option<&'f [u8]> {
    let number = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let (key_length, rest) = file.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let data = rest.strip_prefix(key.as_bytes())?;
    let whole = number(key_length) == key.len() as u64 && number(length) == data.len() as u64;
    (whole && number(sum) == checksum([key.as_bytes(), data])).then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_back_and_damage_is_seen() {
        let found = |variant, microseconds, label: &str| Measured { variant, microseconds, label: label.to_owned() };
        let all = BTreeMap::from([(7, found(2, 12.5, "matmul f32[64,256]")), (u64::MAX, found(0, 0.0, ""))]);
        let written = text("head\twith tabs", &all);
        assert_eq!(parse(&written, "head\twith tabs"), Some(all.clone()));
        assert_eq!(parse(&written, "another driver"), None);
        // Cut off anywhere, it is no file of ours, unless a whole line is gone.
        let whole: Vec<usize> = written.match_indices('\n').map(|(i, _)| i + 1).collect();
        for end in (0..written.len()).filter(|end| !whole.contains(end)) {
            assert_eq!(parse(&written[..end], "head\twith tabs"), None, "{:?}", &written[..end]);
        }
        for damage in ["xyz\t1\t2\tlabel\n", "07\t-1\t2\tlabel\n", "07\t1\tNaN\tlabel\n", "07\t1\t2\n", "\n", "07\t1\t-2\tl\n"] {
            assert_eq!(parse(&format!("head\n{damage}"), "head"), None, "{damage:?}");
        }
    }

    #[test]
    fn any_damage_is_seen() {
        let data: Vec<u8> = (0..61_u8).map(|i| i.wrapping_mul(7)).collect();
        let file = pack("adapter\ndriver", &data);
        assert_eq!(unpack(&file, "adapter\ndriver"), Some(&data[..]));
        assert_eq!(unpack(&file, "adapter\ndrive"), None);
        assert_eq!(unpack(&file, "adapter\ndriver2"), None);
        assert_eq!(unpack(&pack("", &[]), ""), Some(&[][..]));
        for end in 0..file.len() {
            assert_eq!(unpack(&file[..end], "adapter\ndriver"), None, "cut at {end}");
        }
        for bit in 0..8 * file.len() {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unpack(&flipped, "adapter\ndriver"), None, "bit {bit}");
        }
        let longer = [&file[..], &[0]].concat();
        assert_eq!(unpack(&longer, "adapter\ndriver"), None);
    }
}
