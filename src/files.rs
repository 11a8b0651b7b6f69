//! Files that are there whole or not at all, whatever happens in between: written under another name, then given their own.

mod regular;

pub use regular::{has_room, is_pipe, open, read, read_stream, replaceable};

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Files that belong together, written all or none.
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
    /// Temporary name and name.
    ready: Vec<(PathBuf, PathBuf)>,
}

impl Files {
    /// Has `write` make a file at a temporary name in the same folder, with the same ending.
    ///
    /// # Errors
    /// A path that names no file, and what `write` reports.
    pub fn write<E: From<Error>>(&mut self, path: &Path, write: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
        let temporary = beside(path)?;
        self.ready.push((temporary.clone(), path.to_owned()));
        write(&temporary)
    }

    /// A file of these bytes, brought to the disk.
    ///
    /// # Errors
    /// [`Error::File`]: it cannot be written.
    pub fn bytes(&mut self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.write(path, |temporary| {
            let written = File::create_new(temporary).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
            written.map_err(|e| unwritten(path, &e))
        })
    }

    /// Gives every file its name, and brings the folders to the disk.
    ///
    /// # Errors
    /// [`Error::File`]: one cannot be given its name.
    pub fn keep(mut self) -> Result<()> {
        for (temporary, path) in &self.ready {
            fs::rename(temporary, path).and_then(|()| sync_folder(path)).map_err(|e| unwritten(path, &e))?;
        }
        self.ready.clear();
        Ok(())
    }
}

impl Drop for Files {
    /// What was not kept goes.
    fn drop(&mut self) {
        for (temporary, _) in &self.ready {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Finds out before the work whether a file can be written after it.
///
/// # Errors
/// [`Error::File`]: it cannot.
pub fn check(path: &Path) -> Result<()> {
    let probe = beside(path)?;
    File::create_new(&probe).and_then(|_| fs::remove_file(&probe)).map_err(|e| unwritten(path, &e))
}

/// One file.
#[cfg(any(feature = "save", feature = "plot", feature = "arrays"))]
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut files = Files::default();
    files.bytes(path, bytes)?;
    files.keep()
}

/// A file of a cache, and its folder: nothing waits for the disk, and what is lost with the power is made again. Several programs may write it at a
/// time.
pub(crate) fn write_cache(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder_of(path))?;
    let temporary = beside(path).map_err(io::Error::other)?;
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    written.inspect_err(|_| drop(fs::remove_file(&temporary)))
}

fn unwritten(path: &Path, error: &io::Error) -> Error {
    Error::file(path, format!("it cannot be written: {error}"))
}

/// A name in the same folder that nobody else has, with the same ending: writers go by it.
fn beside(path: &Path) -> Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| Error::file(path, "it names no file to write to"))?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Ok(path.with_file_name(format!(".tmp-{}-{number}-{}", std::process::id(), name.to_string_lossy())))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A name is on the disk when its folder is. Other systems than Unix do not open folders, and need not.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder_of(path))?.sync_all() } else { Ok(()) }
}
