//! NumPy's `.npz`: arrays by name in a zip archive. What is no array of numbers is left out and named; what is damaged is refused.

use super::arrays::{Array, bytes_of};
use super::{config, npy};
use crate::error::{Error, Result};
use crate::files::write_whole;
use std::collections::HashSet;
use std::fmt;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

/// The most that one array of an archive may unpack to, and no more than deflate can make of its bytes.
const MOST_UNPACKED: u64 = 1 << 30;
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
/// [`Error::File`]: not a zip archive, or one without arrays; a damaged or encrypted entry, one that unpacks to more than it declares, than
/// 1 GiB or than its bytes can hold; a damaged array, as with [`Array::read`], with its name.
pub fn read_npz(path: impl AsRef<Path>) -> Result<Npz> {
    let path = path.as_ref();
    parse_npz(path, &bytes_of(path)?)
}

/// Reads what [`read_npz`] would from a file of these bytes; `name` stands for the path in errors.
///
/// # Errors
/// As [`read_npz`].
pub fn parse_npz(name: impl AsRef<Path>, bytes: &[u8]) -> Result<Npz> {
    let fail = |message: String| Error::file(name.as_ref(), message);
    let archive = npyz::npz::NpzArchive::new(Cursor::new(bytes));
    let mut archive = archive.map_err(|e| fail(format!("not a zip archive as numpy.savez writes: {e}")))?;
    let zip = archive.zip_archive();
    let mut found = Npz { path: name.as_ref().to_owned(), ..Npz::default() };
    // Entries may share no bytes: else a small file could unpack to any size.
    let mut left = bytes.len() as u64;
    let mut names = HashSet::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(|e| fail(format!("entry {index} cannot be read: {e}")))?;
        let full = entry.name().to_owned();
        let array = full.strip_suffix(".npy").filter(|name| !name.is_empty() && !name.contains('\0'));
        let (declared, packed) = (entry.size(), entry.compressed_size());
        left = left.checked_sub(packed).ok_or_else(|| fail("found entries of more bytes than the file has".to_owned()))?;
        let Some(array) = array else {
            found.left_out.push((full, "no array: its name does not end in .npy".to_owned()));
            continue;
        };
        if !names.insert(array.to_owned()) {
            return Err(fail(format!("found the array `{array}` twice")));
        }
        if declared > MOST_UNPACKED || declared > packed.saturating_mul(DEFLATE_RATIO) {
            let most = "expected at most 1 GiB, and no more than its bytes can hold";
            return Err(fail(format!("array `{array}`: found {declared} bytes declared for {packed} compressed ones, {most}")));
        }
        let mut unpacked = Vec::new();
        let read = entry.by_ref().take(declared + 1).read_to_end(&mut unpacked);
        read.map_err(|e| fail(format!("array `{array}`: damaged or cut off: {e}")))?;
        if unpacked.len() as u64 != declared {
            let there = if unpacked.len() as u64 > declared { "more".to_owned() } else { unpacked.len().to_string() };
            return Err(fail(format!("array `{array}`: found {there} bytes, expected the {declared} declared")));
        }
        match Array::of_bytes(&unpacked) {
            Ok(read) => found.arrays.push((array.to_owned(), read)),
            Err(npy::Fault::Foreign(why)) => found.left_out.push((array.to_owned(), why)),
            Err(npy::Fault::Damaged(why)) => return Err(fail(format!("array `{array}`: {why}"))),
        }
    }
    if let Some((entry, _)) = found.left_out.first().filter(|_| names.is_empty()) {
        return Err(fail(format!("found the entry `{}`, expected names that end in .npy", entry.escape_debug())));
    }
    Ok(found)
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
    let fail = |e: &dyn fmt::Display| Error::file(path, format!("cannot be written: {e}"));
    let mut writer = npyz::npz::NpzWriter::new(Cursor::new(Vec::new()));
    let zip = writer.zip_writer();
    let mut names: Vec<&str> = Vec::new();
    for (name, array) in arrays {
        if name.is_empty() || name.contains('\0') || names.contains(&name) {
            return Err(config("array name", format!("found `{}`, expected a name of its own", name.escape_debug())));
        }
        names.push(name);
        zip.start_file(format!("{name}.npy"), Default::default()).map_err(|e| fail(&e))?;
        zip.write_all(&array.to_npy()?).map_err(|e| fail(&e))?;
    }
    let bytes = zip.finish().map_err(|e| fail(&e))?.into_inner();
    write_whole(path, &bytes)
}
