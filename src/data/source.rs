//! What a file is, by its first bytes: a table's text, packed text, or something else that is named with the way to a table.

use crate::memory;
use std::borrow::Cow;
use std::io::{ErrorKind, Read};

/// First bytes, what a file is that begins so, and what to do about it.
const KNOWN: [(&[u8], &str, &str); 26] = [
    (
        b"PAR1",
        "a Parquet file",
        "write it as CSV: python3 -c \"import pandas; pandas.read_parquet('FILE').to_csv('FILE.csv', index=False)\"",
    ),
    (
        b"ARROW1",
        "a Feather (Arrow) file",
        "write it as CSV: python3 -c \"import pandas; pandas.read_feather('FILE').to_csv('FILE.csv', index=False)\"",
    ),
    (
        b"SQLite format 3\0",
        "a SQLite database",
        "write a table of it as CSV: sqlite3 -header -csv FILE 'select * from TABLE' > FILE.csv",
    ),
    (b"%PDF-", "a PDF document", "take the table from where the document got it: a spreadsheet or a database"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture", "is this the right file?"),
    (b"\xff\xd8\xff", "a JPEG picture", "is this the right file?"),
    (b"GIF8", "a GIF picture", "is this the right file?"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file", "open it and save the sheet as CSV (UTF-8)"),
    (
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file",
        "write the table as CSV: python3 -c \"import pandas; pandas.read_hdf('FILE').to_csv('FILE.csv', index=False)\"",
    ),
    (
        b"\x93NUMPY",
        "a NumPy array",
        "write it as CSV: python3 -c \"import numpy; numpy.savetxt('FILE.csv', numpy.load('FILE'), delimiter=',')\"",
    ),
    (b"\x80\x04\x95", "a Python pickle", "write it as CSV with the program that made it"),
    (b"\x80\x05\x95", "a Python pickle", "write it as CSV with the program that made it"),
    (b"RDX3\n", "an R workspace", "write the table as CSV in R: write.csv(TABLE, 'FILE.csv', row.names=FALSE)"),
    (b"RDX2\n", "an R workspace", "write the table as CSV in R: write.csv(TABLE, 'FILE.csv', row.names=FALSE)"),
    (b"X\n\0\0\0", "an R object", "write the table as CSV in R: write.csv(readRDS('FILE'), 'FILE.csv', row.names=FALSE)"),
    (b"BZh91AY&SY", "a file packed with bzip2", "unpack it: bunzip2 --keep FILE"),
    (b"\xfd7zXZ\0", "a file packed with xz", "unpack it: unxz --keep FILE"),
    (b"\x28\xb5\x2f\xfd", "a file packed with zstd", "unpack it: unzstd FILE"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it: 7z x FILE"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it: unrar x FILE"),
    (b"PK\x05\x06", "an empty ZIP archive", "is the download complete?"),
    (b"\x7fELF", "a program", "is this the right file?"),
    (b"<!DOCTYPE html", "a web page", "download the file itself, not the page that shows it"),
    (b"<!doctype html", "a web page", "download the file itself, not the page that shows it"),
    (b"<html", "a web page", "download the file itself, not the page that shows it"),
    (b"version https://git-lfs", "a pointer to a file in Git LFS", "fetch the file itself: git lfs pull"),
];

/// Why bytes are no table: what was found, what to do.
pub(super) struct Strange {
    pub(super) found: String,
    pub(super) advice: String,
}

/// How often larger than itself a packed file may be unpacked: deflate cannot do better. And the most, where there is memory for it.
const MOST_GROWTH: u64 = 1100;
const MOST_UNPACKED: u64 = 64 << 30;

/// The text of a table: as it is, or unpacked where gzip packed it.
pub(super) fn text(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Strange> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        named(bytes)?;
        return Ok(Cow::Borrowed(bytes));
    }
    // A table takes at least as much again as its text.
    let most = (bytes.len() as u64).saturating_mul(MOST_GROWTH).min(MOST_UNPACKED).min(memory::most() / 2);
    let mut unpacked = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(bytes).take(most + 1);
    if let Err(error) = reader.read_to_end(&mut unpacked) {
        if error.kind() == ErrorKind::OutOfMemory {
            let found = format!("a gzip file of more than the {} bytes that there is memory for", unpacked.len());
            return Err(Strange { found, advice: "take fewer rows, or a machine with more memory".to_owned() });
        }
        let found = format!("a gzip file that is damaged or cut off ({error})");
        return Err(Strange { found, advice: "is the download complete?".to_owned() });
    }
    if unpacked.len() as u64 > most {
        let found = format!("a gzip file with more than {most} bytes in it");
        return Err(Strange { found, advice: "unpack it and look what it is: gunzip --keep FILE".to_owned() });
    }
    named(&unpacked).map_err(|strange| Strange { found: format!("{}, in a gzip file", strange.found), ..strange })?;
    Ok(Cow::Owned(unpacked))
}

/// Names what is no text of a table.
fn named(bytes: &[u8]) -> Result<(), Strange> {
    let strange = |found: &str, advice: &str| Err(Strange { found: found.to_owned(), advice: advice.to_owned() });
    // A column may be called `PAR1`: what begins with a letter is text unless something else says that it is not.
    let binary = bytes.iter().take(512).any(|&b| b < 9 || (14..32).contains(&b));
    let known = KNOWN.iter().filter(|(start, _, _)| binary || !start[0].is_ascii_uppercase());
    if let Some((_, found, advice)) = known.into_iter().find(|(start, _, _)| bytes.starts_with(start)) {
        return strange(found, advice);
    }
    if bytes.starts_with(b"PK\x03\x04") {
        let start = &bytes[..bytes.len().min(4096)];
        let holds = |part: &[u8]| start.windows(part.len()).any(|window| window == part);
        return match () {
            () if holds(b"opendocument.spreadsheet") => strange("a LibreOffice spreadsheet (.ods)", SHEET),
            () if holds(b"xl/") || holds(b"[Content_Types].xml") => strange("an Excel file (.xlsx)", SHEET),
            () if holds(b".npy") => strange("NumPy arrays (.npz)", "write the one you mean as CSV: numpy.savetxt"),
            () => strange("a ZIP archive", "unpack it: unzip FILE"),
        };
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return strange("a tar archive", "unpack it: tar -xf FILE");
    }
    // A file of tensors: the length of a header that begins with a brace.
    if bytes.len() > 9 && bytes[4..8] == [0; 4] && bytes[8] == b'{' {
        return strange("a model or tensors (.safetensors)", "name a table; a model is asked by predict, evaluate and inspect");
    }
    const UTF8: &str = "save the file as UTF-8, for instance: iconv -f UTF-16 -t UTF-8 FILE > FILE.utf8.csv";
    if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] = bytes {
        return strange("the start of a UTF-16 text", UTF8);
    }
    if let Some(kind) = wide(bytes) {
        let found = format!("a UTF-16 text without a byte order mark ({kind})");
        let advice = UTF8.replace("UTF-16 ", &format!("{kind} "));
        return Err(Strange { found, advice });
    }
    // A list of objects, as programs of the web write tables.
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let json = match start {
        [b'[', rest @ ..] => matches!(rest.trim_ascii_start(), [b'{' | b'[', ..]),
        [b'{', rest @ ..] => matches!(rest.trim_ascii_start(), [b'"' | b'}', ..]),
        _ => false,
    };
    if json {
        return strange(
            "JSON",
            "write it as CSV: python3 -c \"import pandas; pandas.read_json('FILE').to_csv('FILE.csv', index=False)\"",
        );
    }
    if start.starts_with(b"<?xml") {
        return strange("XML", "write its table as CSV with the program that made it");
    }
    Ok(())
}

const SHEET: &str = "open it and save the sheet as CSV (UTF-8)";

/// Whether every other byte is zero, as in a text of two bytes a letter; in which order.
fn wide(bytes: &[u8]) -> Option<&'static str> {
    let start = &bytes[..bytes.len().min(2000) / 2 * 2];
    if start.len() < 8 {
        return None;
    }
    let zeros = |from: usize| start.iter().skip(from).step_by(2).filter(|&&b| b == 0).count() * 2;
    match (zeros(0) * 10 > start.len() * 8, zeros(1) * 10 > start.len() * 8) {
        (false, true) => Some("UTF-16LE"),
        (true, false) => Some("UTF-16BE"),
        _ => None,
    }
}
