//! Puts lengths and checksums of a changed file right, so that its changes are not all refused at the door.

use flate2::bufread::DeflateDecoder;
use flate2::{Compression, Crc, write::GzEncoder};
use std::io::{Read, Write};

fn crc(parts: &[&[u8]]) -> u32 {
    let mut crc = Crc::new();
    parts.iter().for_each(|part| crc.update(part));
    crc.sum()
}

/// Bytes as gzip.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::fast());
    // Writing to a vector cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// The checksum of every chunk of a PNG file.
pub fn png(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 8;
    while let Some(&[a, b, c, d]) = bytes.get(at..at + 4) {
        let end = at + 8 + u32::from_be_bytes([a, b, c, d]) as usize;
        if end + 4 > bytes.len() {
            break;
        }
        let sum = crc(&[&bytes[at + 4..end]]).to_be_bytes();
        bytes[end..end + 4].copy_from_slice(&sum);
        at = end + 4;
    }
    bytes
}

fn little(bytes: &[u8], at: usize, size: usize) -> Option<usize> {
    let mut word = [0; 8];
    word[..size].copy_from_slice(bytes.get(at..at.checked_add(size)?)?);
    usize::try_from(u64::from_le_bytes(word)).ok()
}

/// Sizes and checksums in the directory of a zip archive, and where the directory begins.
pub fn zip(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let records: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(b"PK\x01\x02")).take(64).collect();
    for &at in &records {
        let _ = record(&mut bytes, at);
    }
    let end = (0..bytes.len()).rfind(|&at| bytes[at..].starts_with(b"PK\x05\x06"));
    if let (Some(&first), Some(end)) = (records.first(), end)
        && bytes.len() >= end + 22
        && end > first
    {
        let count = (records.len() as u16).to_le_bytes();
        let (size, start) = (((end - first) as u32).to_le_bytes(), (first as u32).to_le_bytes());
        bytes[end + 4..end + 20].copy_from_slice(&[&[0; 4][..], &count, &count, &size, &start].concat());
    }
    bytes
}

/// One record of the directory: what its entry unpacks to, if it does.
fn record(bytes: &mut [u8], at: usize) -> Option<()> {
    let (method, packed, local) = (little(bytes, at + 10, 2)?, little(bytes, at + 20, 4)?, little(bytes, at + 42, 4)?);
    let start = local.checked_add(30 + little(bytes, local.checked_add(26)?, 2)? + little(bytes, local + 28, 2)?)?;
    let data = bytes.get(start..start.checked_add(packed)?)?;
    let content = match method {
        0 => data.to_vec(),
        8 => {
            let mut content = vec![];
            // As much as comes out, also of what is damaged.
            let _ = DeflateDecoder::new(data).take(1 << 20).read_to_end(&mut content);
            content
        }
        _ => return None,
    };
    let (sum, size) = (crc(&[&content]).to_le_bytes(), (content.len() as u32).to_le_bytes());
    bytes.get_mut(at + 16..at + 20)?.copy_from_slice(&sum);
    bytes.get_mut(at + 24..at + 28)?.copy_from_slice(&size);
    Some(())
}

/// The length of a safetensors file's header, and the checksum in it, if it has one.
pub fn safetensors(bytes: &[u8]) -> Vec<u8> {
    const KEY: &[u8] = b"\"steepest.checksum\":\"";
    const NO_SUM: &[u8] = b"crc32:00000000";
    let mut bytes = bytes.to_vec();
    let Some(length) = bytes.get(8..).and_then(object) else { return bytes };
    bytes[..8].copy_from_slice(&(length as u64).to_le_bytes());
    let Some(at) = bytes[..8 + length].windows(KEY.len()).position(|part| part == KEY) else { return bytes };
    let at = at + KEY.len();
    let end = at + NO_SUM.len();
    if end < 8 + length {
        let sum = format!("crc32:{:08x}", crc(&[&bytes[..at], NO_SUM, &bytes[end..]]));
        bytes[at..end].copy_from_slice(sum.as_bytes());
    }
    bytes
}

/// The length of the JSON object that bytes begin with, with the spaces after it.
fn object(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => depth += 1,
            b'}' if !quoted => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    let spaces = bytes[at + 1..].iter().take_while(|&&byte| byte == b' ').count();
                    return Some(at + 1 + spaces);
                }
            }
            _ => {}
        }
    }
    None
}

/// Lengths and checksum of a file of compiled pipelines; `sum` is that of its own kind.
pub fn pipelines(bytes: &[u8], key: &[u8], sum: impl Fn([&[u8]; 2]) -> u64) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.len() >= 32 + key.len() {
        let data = bytes.len() - 32 - key.len();
        bytes[8..16].copy_from_slice(&(key.len() as u64).to_le_bytes());
        bytes[16..24].copy_from_slice(&(data as u64).to_le_bytes());
        let sum = sum([&bytes[32..32 + key.len()], &bytes[32 + key.len()..]]);
        bytes[24..32].copy_from_slice(&sum.to_le_bytes());
    }
    bytes
}
