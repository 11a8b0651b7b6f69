//! NumPy's `.npz`: arrays by name in a zip archive. What is no array of numbers is left out and named; what is damaged is refused.

use super::arrays::Array;
use super::{config, npy};
use crate::error::{Error, NoRoom, Result};
use crate::files::{self, write_whole};
use crate::memory;
use flate2::bufread::DeflateDecoder;
use flate2::{Compression, Crc, write::DeflateEncoder};
use rawzip::{CompressionMethod, ZipArchive, ZipArchiveWriter};
use std::collections::HashSet;
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// The most that one packed array may unpack to, and all packed arrays of an archive together. What is stored as it is shows its size.
const MOST_UNPACKED: u64 = 1 << 30;
const MOST_TOGETHER: u64 = 4 << 30;
/// Deflate cannot do better than this many bytes out of one.
const DEFLATE_RATIO: u64 = 1032;

/// The arrays of a `.npz` file, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Npz {
    /// The arrays with their names.
    pub arrays: Vec<(String, Array)>,
    /// What else is in the file, by name, and why it is left out: Python objects, text, complex numbers, entries that are no arrays.
    pub left_out: Vec<(String, String)>,
    path: PathBuf,
}

impl Npz {
    /// The array of a name.
    ///
    /// # Errors
    /// [`Error::File`]: it was left out, and why; or there is none of that name, and which there are.
    pub fn get(&self, name: &str) -> Result<&Array> {
        if let Some((_, array)) = self.arrays.iter().find(|(known, _)| known == name) {
            return Ok(array);
        }
        Err(Error::file(
            &self.path,
            match self.left_out.iter().find(|(known, _)| known == name) {
                Some((_, why)) => format!("array `{name}` was left out: {why}"),
                None => {
                    let names: Vec<String> = self.arrays.iter().map(|(name, _)| format!("`{name}`")).collect();
                    format!(
                        "found no array `{name}`, only {}",
                        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
                    )
                }
            },
        ))
    }
}

/// Reads the arrays of a `.npz` file. One that cannot be read here ([`Array::read`] says which) does not keep the others from being
/// read: see [`Npz::left_out`].
///
/// # Errors
/// [`Error::File`]: not a zip archive, or one without arrays; entries of which two lie in the same bytes, or that lie in the directory; a
/// damaged or encrypted entry, one packed by anything but deflate, one that unpacks to more than it declares, than its bytes can hold
/// or than 1 GiB; packed arrays that unpack to more than 4 GiB together, or than half of what this program may use; a damaged array, as
/// with [`Array::read`], with its name. [`Error::NoRoom`]: there is no memory for it.
pub fn read_npz(path: impl AsRef<Path>) -> Result<Npz> {
    let path = path.as_ref();
    parse_npz(path, &files::read(path)?)
}

/// Reads what [`read_npz`] would from a file of these bytes; `name` stands for the path in errors.
///
/// # Errors
/// As [`read_npz`].
pub fn parse_npz(name: impl AsRef<Path>, bytes: &[u8]) -> Result<Npz> {
    let fail = |message: String| Error::file(name.as_ref(), message);
    let mut found = Npz { path: name.as_ref().to_owned(), ..Npz::default() };
    let entries = entries(bytes).map_err(fail)?;
    let mut left = MOST_TOGETHER.min(memory::most() / 2);
    let mut names = HashSet::new();
    for entry in entries {
        let array = entry.name.strip_suffix(".npy").filter(|name| !name.is_empty() && !name.contains('\0'));
        let Some(array) = array else {
            found.left_out.push((entry.name, "no array: its name does not end in .npy".to_owned()));
            continue;
        };
        if !names.insert(array.to_owned()) {
            return Err(fail(format!("found the array `{array}` twice")));
        }
        let array = array.to_owned();
        let unpacked = match entry.unpacked(&array, &mut left) {
            Ok(unpacked) => unpacked,
            Err(npy::Fault::NoRoom(room)) => return Err(Error::NoRoom(room)),
            Err(fault) => return Err(fail(format!("array `{array}`: {}", fault.message()))),
        };
        match Array::of_bytes(&unpacked) {
            Ok(read) => found.arrays.push((array, read)),
            Err(npy::Fault::Foreign(why)) => found.left_out.push((array, why)),
            Err(npy::Fault::NoRoom(room)) => return Err(Error::NoRoom(room)),
            Err(npy::Fault::Damaged(why)) => return Err(fail(format!("array `{array}`: {why}"))),
        }
    }
    if let Some((entry, _)) = found.left_out.first().filter(|_| names.is_empty()) {
        return Err(fail(format!("found the entry `{}`, expected names that end in .npy", entry.escape_debug())));
    }
    Ok(found)
}

/// An entry of an archive as the directory has it.
struct Entry<'b> {
    name: String,
    packed: &'b [u8],
    method: CompressionMethod,
    encrypted: bool,
    /// Bytes it should unpack to, and their checksum.
    declared: u64,
    checksum: u32,
}

/// The entries of an archive, none of which shares a byte with another or with the directory: else a small file could unpack to any size.
fn entries(bytes: &[u8]) -> Result<Vec<Entry<'_>>, String> {
    let archive = ZipArchive::from_slice(bytes).map_err(|e| format!("not a zip archive as numpy.savez writes: {e}"))?;
    let (mut found, mut places) = (Vec::new(), Vec::new());
    let mut records = archive.entries();
    loop {
        let fail = |e: &dyn fmt::Display| format!("entry {} cannot be read: {e}", found.len());
        let Some(record) = records.next_entry().map_err(|e| fail(&e))? else { break };
        // The archive's own slice of the bytes ends with it; this one lives as long as the bytes.
        let entry = archive.get_entry(record.wayfinder()).map_err(|e| fail(&e))?;
        let (start, end) = entry.compressed_data_range();
        let inside = |at: u64| usize::try_from(at).ok();
        let packed = inside(start).zip(inside(end)).and_then(|(start, end)| bytes.get(start..end));
        let packed = packed.ok_or_else(|| fail(&"it lies outside of the file"))?;
        let name = String::from_utf8_lossy(record.file_path().as_bytes()).into_owned();
        places.push((record.local_header_offset(), end, found.len()));
        found.push(Entry {
            name,
            packed,
            method: record.compression_method(),
            encrypted: record.flags().is_encrypted(),
            declared: record.uncompressed_size_hint(),
            checksum: record.crc32(),
        });
    }
    let expected = archive.entries_hint();
    if found.len() as u64 != expected {
        return Err(format!("found {} entries, expected the {expected} that the end of the archive declares", found.len()));
    }
    places.sort_unstable();
    let name = |&(_, _, entry): &(u64, u64, usize)| found[entry].name.escape_debug();
    for pair in places.windows(2) {
        if let [first, second] = pair
            && second.0 < first.1
        {
            return Err(format!(
                "the entries `{}` and `{}` lie in the same bytes: damaged, or made to fill memory",
                name(first),
                name(second)
            ));
        }
    }
    if let Some(last) = places.last().filter(|(_, end, _)| *end > archive.directory_offset()) {
        return Err(format!("the entry `{}` ends in the directory: damaged, or made to fill memory", name(last)));
    }
    Ok(found)
}

impl Entry<'_> {
    /// What the entry unpacks to, exactly as much as is declared; `left` is what packed entries may still unpack to.
    fn unpacked(&self, array: &str, left: &mut u64) -> Result<Vec<u8>, npy::Fault> {
        let (declared, packed) = (self.declared, self.packed.len() as u64);
        if self.encrypted {
            return Err("it is encrypted, expected an archive without a password".to_owned().into());
        }
        let room = || NoRoom { what: format!("array `{array}`"), bytes: declared, most: memory::most() };
        let mut unpacked = Vec::new();
        match self.method {
            CompressionMethod::STORE => {
                if declared != packed {
                    return Err(format!("found {packed} bytes, expected the {declared} declared").into());
                }
                unpacked = memory::room(format!("array `{array}`"), self.packed.len()).map_err(npy::Fault::NoRoom)?;
                unpacked.extend_from_slice(self.packed);
            }
            CompressionMethod::DEFLATE => {
                if declared > MOST_UNPACKED || declared > packed.saturating_mul(DEFLATE_RATIO) {
                    let most = "expected at most 1 GiB, and no more than its bytes can hold";
                    return Err(format!("found {declared} bytes declared for {packed} compressed ones, {most}").into());
                }
                *left = left.checked_sub(declared).ok_or_else(|| {
                    let most = MOST_TOGETHER.min(memory::most() / 2);
                    format!("the arrays up to this one unpack to more than {most} bytes: unpack the archive, and read its files one by one")
                })?;
                // No more is believed than has come so far: the vector grows with what is read, and says so where it cannot.
                let read = DeflateDecoder::new(self.packed).take(declared + 1).read_to_end(&mut unpacked);
                read.map_err(|e| match e.kind() {
                    ErrorKind::OutOfMemory => npy::Fault::NoRoom(room()),
                    _ => npy::Fault::Damaged(format!("damaged or cut off: {e}")),
                })?;
            }
            other => {
                let found = format!("found an entry packed by {other:?}");
                return Err(format!("{found}, expected stored or deflate, as numpy.savez writes").into());
            }
        }
        if unpacked.len() as u64 != declared {
            let there = if unpacked.len() as u64 > declared { "more".to_owned() } else { unpacked.len().to_string() };
            return Err(format!("found {there} bytes, expected the {declared} declared").into());
        }
        let mut checksum = Crc::new();
        checksum.update(&unpacked);
        if checksum.sum() != self.checksum {
            return Err("damaged or cut off: its checksum is another".to_owned().into());
        }
        Ok(unpacked)
    }
}

/// Writes arrays with names as a `.npz` file, whole or not at all.
///
/// ```
/// use steepest::data::{Array, ArrayData, read_npz, write_npz};
/// let folder = tempfile::tempdir().expect("a folder");
/// let path = folder.path().join("set.npz");
/// let y = Array::new(&[3], ArrayData::I64(vec![1, 0, 1]))?;
/// write_npz(&path, [("y", &y)])?;
/// assert_eq!(read_npz(&path)?.get("y")?, &y);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::Config`]: a name that is empty, holds NUL, or comes twice. [`Error::File`]: the file cannot be written.
pub fn write_npz<'a>(path: impl AsRef<Path>, arrays: impl IntoIterator<Item = (&'a str, &'a Array)>) -> Result<()> {
    let path = path.as_ref();
    let mut writer = ZipArchiveWriter::new(Vec::new());
    let mut names: Vec<&str> = Vec::new();
    for (name, array) in arrays {
        if name.is_empty() || name.contains('\0') || names.contains(&name) {
            return Err(config("array name", format!("found `{}`, expected a name of its own", name.escape_debug())));
        }
        names.push(name);
        let content = array.to_npy()?;
        pack(&mut writer, name, &content).map_err(|e| Error::file(path, format!("array `{name}` cannot be written: {e}")))?;
    }
    let bytes = writer.finish().map_err(|e| Error::file(path, format!("cannot be written: {e}")))?;
    write_whole(path, &bytes)
}

/// Adds an array to an archive.
fn pack(writer: &mut ZipArchiveWriter<Vec<u8>>, name: &str, content: &[u8]) -> Result<(), rawzip::Error> {
    // The name as it is: names of arrays are no paths.
    let name = rawzip::path::EntryPath::verbatim(format!("{name}.npy").into_bytes());
    let (mut entry, config) = writer.new_file(name).compression_method(CompressionMethod::DEFLATE).start()?;
    let mut data = config.wrap(DeflateEncoder::new(&mut entry, Compression::default()));
    data.write_all(content)?;
    let (encoder, descriptor) = data.finish()?;
    encoder.finish()?;
    entry.finish(descriptor)?;
    Ok(())
}
