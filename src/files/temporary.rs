//! Temporary files of random names, renamed when they are complete; old files set aside until the new ones are in place; what killed programs left.

use super::{exit, fail_point, folder_of};
use crate::threads::lock;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Names of ours: this, 16 hexadecimal digits, and an ending. Short, so that one fits wherever the file's own name does.
pub(super) const START: &str = ".steepest-";
const TEMPORARY: &str = ".tmp";
pub(super) const LOCK: &str = ".lock";
/// Names that are tried before it is said that all are taken.
const TRIES: usize = 64;
/// Bytes handed to the system at a time.
const PART: usize = 1 << 20;

/// A file on its way. Dropped before it has its name, it is removed.
#[derive(Debug)]
pub(super) struct Temporary {
    file: File,
    path: PathBuf,
    kept: bool,
}

impl Temporary {
    /// An empty file in the folder of `name`.
    pub fn new(name: &Path, mode: u32) -> io::Result<Temporary> {
        let folder = folder_of(name);
        remove_strays(folder);
        Temporary::named(folder, mode, random_numbers())
    }

    /// The same under the first of these names that nobody has.
    pub(super) fn named(folder: &Path, mode: u32, names: impl Iterator<Item = u64>) -> io::Result<Temporary> {
        for name in names.take(TRIES) {
            fail_point("create")?;
            let path = folder.join(format!("{START}{name:016x}{TEMPORARY}"));
            let file = match exit::create(&path, mode) {
                Ok(file) => file,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(e),
            };
            let made = Temporary { file, path, kept: false };
            // Between the two calls another program may have taken it for a stray.
            match made.file.try_lock() {
                Ok(()) if is_at(&made.file, &made.path) => return Ok(made),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                // A file system without locks: then nobody removes strays there either.
                Err(TryLockError::Error(_)) => return Ok(made),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{TRIES} names for a temporary file are all taken")))
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.chunks(PART) {
            fail_point("write")?;
            self.file.write_all(part)?;
        }
        Ok(())
    }

    pub fn sync(&mut self) -> io::Result<()> {
        fail_point("sync")?;
        self.file.sync_all()
    }

    /// Gives it its name.
    pub fn rename(&mut self, name: &Path) -> io::Result<()> {
        fail_point("rename")?;
        fs::rename(&self.path, name)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // Emptied first: a child that this program has just started may have it open for a moment yet, and would keep its room.
            let _ = self.file.set_len(0);
            let _ = fs::remove_file(&self.path);
        }
        exit::forget(&self.path);
    }
}

/// Old files out of the way. Dropped before they are let go, they are put back; afterwards they are removed.
#[derive(Default)]
pub(super) struct Aside {
    moved: Vec<Moved>,
    let_go: bool,
}

struct Moved {
    name: PathBuf,
    aside: PathBuf,
    /// Locked: nobody takes it for a stray.
    _held: Option<File>,
}

impl Aside {
    /// Moves the file of this name away, if there is one.
    pub fn put(&mut self, name: &Path) -> io::Result<()> {
        fail_point("put aside")?;
        let held = File::open(name).ok();
        if let Some(file) = &held {
            let _ = file.try_lock();
        }
        let number = random_numbers().next().unwrap_or_default();
        let aside = folder_of(name).join(format!("{START}{number:016x}{TEMPORARY}"));
        match fs::rename(name, &aside) {
            Ok(()) => self.moved.push(Moved { name: name.to_owned(), aside, _held: held }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.moved.is_empty()
    }

    /// They are not needed any more.
    pub fn let_go(&mut self) {
        self.let_go = true;
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        for Moved { name, aside, .. } in &self.moved {
            let _ = if self.let_go { fs::remove_file(aside) } else { fs::rename(aside, name) };
        }
    }
}

/// Numbers that nobody can foresee: each hasher of the standard library has other random keys.
fn random_numbers() -> impl Iterator<Item = u64> {
    std::iter::repeat_with(|| RandomState::new().build_hasher().finish())
}

/// Whether an open file is the one that has this name.
#[cfg(unix)]
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |found: &fs::Metadata| (found.dev(), found.ino());
    matches!((file.metadata(), fs::symlink_metadata(path)), (Ok(a), Ok(b)) if id(&a) == id(&b))
}

/// Whether an open file is the one that has this name; other systems have no numbers of files to compare.
#[cfg(not(unix))]
pub(super) fn is_at(_: &File, path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn is_ours(name: &OsStr) -> bool {
    let digits = |name: &str| {
        let rest = name.strip_prefix(START)?;
        rest.strip_suffix(TEMPORARY).or_else(|| rest.strip_suffix(LOCK)).map(str::to_owned)
    };
    name.to_str().and_then(digits).is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Removes what killed programs left in a folder: files with names of ours that nobody holds a lock on. Once for each folder: a program does not
/// leave strays to itself.
fn remove_strays(folder: &Path) {
    /// Folders looked through. So many are known at most: a program may write into any number.
    static SEEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    const MOST: usize = 4096;
    let Ok(folder) = fs::canonicalize(folder) else { return };
    {
        let mut seen = lock(&SEEN);
        if seen.len() >= MOST {
            seen.clear();
        }
        if !seen.insert(folder.clone()) {
            return;
        }
    }
    look_through(&folder);
}

/// What [`remove_strays`] does, however often.
pub(super) fn look_through(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // A link of such a name is none of ours, and not followed.
        if !is_ours(&entry.file_name()) || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let opened = OpenOptions::new().read(true).write(true).open(entry.path());
        if opened
            .is_ok_and(|file| file.try_lock().is_ok() && is_at(&file, &entry.path()) && fs::remove_file(entry.path()).is_ok())
        {
            tracing::debug!("removed {}, which a program that was stopped had left", entry.path().display());
        }
    }
}
