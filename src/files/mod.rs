//! Files that are there whole or not at all, whatever happens in between: written under another name, then given their own.
//!
//! All files that this library and its program write go through here: models, checkpoints, reports, predictions, pictures, arrays, caches.
//!
//! * Bytes are written to a new file of a random name in the same folder (`.steepest-….tmp`): what is there already, a link too, is never opened. Then
//!   the file is synced (`fsync`) and renamed, and the folder is synced. (Caches are not synced.)
//! * A file that is there is replaced. A symbolic link to a file is replaced too, itself: what it leads to is not touched. A folder, a device, a
//!   pipe, a link to nothing, and a file that nobody may write are refused, for root too.
//! * A new file's mode is 0644 less what the umask takes, and never wider than that of the file it replaces.
//! * A writer locks its temporary file as long as it lives. Of a program that was killed nobody holds the lock: the next program that writes into
//!   the folder removes what is left there.

mod exit;
mod fail_points;
mod group_lock;
mod regular;
mod temporary;
#[cfg(test)]
mod tests;

#[cfg(feature = "progress")]
pub(crate) use exit::exit;
#[cfg(test)]
pub(crate) use fail_points::testing;

pub use regular::{has_room, is_pipe, open, read, read_stream};

use crate::error::{Error, Result};
use fail_points::fail_point;
use group_lock::GroupLock;
use regular::{in_words, kind};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use temporary::{Aside, Temporary};

/// The widest mode of a new file.
const MODE: u32 = 0o644;

/// Files that belong together, written all or none.
///
/// The first is the one that the others belong to, a model before the reports on it. Whenever the program or the machine is stopped, that file is
/// there whole, the old or the new one, and each of the others is of the same [`Files`] as it or not there.
///
/// ```
/// use steepest::files::Files;
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path();
/// let mut files = Files::default();
/// files.bytes(&folder.join("answer.txt"), b"42")?;
/// files.bytes(&folder.join("question.txt"), b"?")?;
/// assert!(!folder.join("answer.txt").exists());
/// files.keep()?;
/// assert_eq!(std::fs::read(folder.join("answer.txt")).unwrap(), b"42");
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug, Default)]
#[must_use = "files are dropped unless they are kept"]
pub struct Files {
    /// What is written, and the name it is to have.
    ready: Vec<(Temporary, PathBuf)>,
}

impl Files {
    /// A file of these bytes, written and synced under a random name. Dropped before [`Files::keep`], it is removed.
    ///
    /// # Errors
    /// [`Error::File`]: it cannot be written, or there is something of that name that is not replaced.
    pub fn bytes(&mut self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.in_parts(path, |put| put(bytes))
    }

    /// As [`Files::bytes`], of bytes that are never all there at once: `write` hands them over part by part.
    ///
    /// # Errors
    /// As [`Files::bytes`], and what `write` gives.
    pub fn in_parts<E: From<Error>>(
        &mut self,
        path: &Path,
        write: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.ready.iter().any(|(_, name)| name == path) {
            return Err(Error::file(path, "it is to be written twice").into());
        }
        let failed = |e: io::Error| unwritten(path, &e);
        let mut file = new_mode(path).and_then(|mode| Temporary::new(path, mode)).map_err(failed)?;
        write(&mut |bytes| file.write(bytes).map_err(failed))?;
        file.sync().map_err(failed)?;
        self.ready.push((file, path.to_owned()));
        Ok(())
    }

    /// Gives every file its name, and syncs the folders. Of several programs that keep files of the same first name at a time, one after the
    /// other does.
    ///
    /// # Errors
    /// [`Error::File`]: one cannot be given its name. If it is the first, or an old one cannot be put away, all is as it was; if it is
    /// another, the first is there and that one is not.
    pub fn keep(self) -> Result<()> {
        let _renaming = exit::renaming();
        let _lock = if let [(_, first), _, ..] = &self.ready[..] { GroupLock::take(first) } else { None };
        let mut ready = self.ready.into_iter();
        let Some((mut first, name)) = ready.next() else { return Ok(()) };
        let mut others: Vec<(Temporary, PathBuf)> = ready.collect();
        // No other old file may stay beside the new first one, and none of the new ones come beside the old one.
        let mut old = Aside::default();
        for (_, path) in &others {
            let put = new_mode(path).and_then(|_| old.put(path));
            put.map_err(|e| unwritten(path, &e))?;
        }
        if !old.is_empty() {
            others.iter().try_for_each(|(_, path)| sync_folder(path).map_err(|e| unwritten(path, &e)))?;
        }
        first.rename(&name).map_err(|e| unwritten(&name, &e))?;
        old.let_go();
        let mut kept = sync_folder(&name).map_err(|e| unwritten(&name, &e));
        for (file, path) in &mut others {
            kept = kept.and(file.rename(path).map_err(|e| unwritten(path, &e)));
        }
        for (_, path) in &others {
            kept = kept.and(sync_folder(path).map_err(|e| unwritten(path, &e)));
        }
        kept
    }
}

/// Writes one file.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("answer.txt");
/// steepest::files::write_whole(&path, b"42")?;
/// assert_eq!(std::fs::read(path).unwrap(), b"42");
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`]: it cannot be written, or there is something of that name that is not replaced.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut files = Files::default();
    files.bytes(path, bytes)?;
    files.keep()
}

/// Finds out before the work whether a file can be written after it.
///
/// # Errors
/// [`Error::File`]: it cannot.
pub fn check(path: &Path) -> Result<()> {
    let probe = new_mode(path).and_then(|mode| Temporary::new(path, mode));
    probe.map(drop).map_err(|e| unwritten(path, &e))
}

/// A number that tells bytes from others, and texts of one run from those of another: 64 bits (FNV-1a), always the same for the same bytes.
///
/// ```
/// assert_ne!(steepest::files::fingerprint(b"one"), steepest::files::fingerprint(b"two"));
/// ```
pub fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |state, &byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A file of a cache, and its folder: nothing waits for the disk, and what is lost with the power is made again. Several programs may write it at a
/// time.
#[cfg(any(feature = "gpu", test))]
pub(crate) fn write_cache(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder_of(path))?;
    let mut file = Temporary::new(path, new_mode(path)?)?;
    file.write(bytes)?;
    file.rename(path)
}

fn unwritten(path: &Path, error: &io::Error) -> Error {
    Error::file(path, format!("it cannot be written: {error}"))
}

/// Whether a file may take the place of what is there, if anything is; and the widest mode it may have.
fn new_mode(path: &Path) -> io::Result<u32> {
    let refuse = |message: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    if path.file_name().is_none() {
        return refuse("it names no file to write to");
    }
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(MODE),
        Err(e) => return Err(e),
    };
    if found.is_symlink() {
        // What it leads to decides: /dev/stdout is a link.
        let end = match fs::metadata(path) {
            Ok(end) => end,
            Err(e) => return refuse(&in_words(path, &e)),
        };
        return match kind(end.file_type()) {
            Some(kind) => refuse(&format!("it is {kind}, expected a file or nothing")),
            None => Ok(MODE),
        };
    }
    if let Some(kind) = kind(found.file_type()) {
        return refuse(&format!("it is {kind}, expected a file or nothing"));
    }
    if found.permissions().readonly() {
        return refuse("it is there and may only be read: allow writing, or choose another name");
    }
    Ok(MODE & mode(&found))
}

#[cfg(unix)]
fn mode(found: &fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&found.permissions())
}

#[cfg(not(unix))]
fn mode(_: &fs::Metadata) -> u32 {
    MODE
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A name is on the disk when its folder is. Other systems than Unix do not open folders, and need not; some file systems cannot, and a folder
/// that may not be listed cannot be opened.
fn sync_folder(path: &Path) -> io::Result<()> {
    fail_point("sync folder")?;
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder_of(path)).and_then(|folder| folder.sync_all()) {
        Err(e)
            if matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
        {
            Ok(())
        }
        result => result,
    }
}
