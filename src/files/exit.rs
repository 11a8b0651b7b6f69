//! The temporary files of this program, so that it can end at once and leave none.

use crate::threads::lock;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

/// Those that are there. Held while one is made: who has the lock sees all of them.
static TEMPORARY_FILES: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
/// Read-locked while files are given their names.
static RENAMING: RwLock<()> = RwLock::new(());

/// Opens files where there is nothing, and nothing that is there, not through a link either.
pub(super) fn new_file(mode: u32) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options
}

/// Makes a temporary file.
pub(super) fn create(path: &Path, mode: u32) -> io::Result<File> {
    let mut files = lock(&TEMPORARY_FILES);
    let file = new_file(mode).open(path)?;
    files.insert(path.to_owned());
    Ok(file)
}

/// It has its name, or is removed.
pub(super) fn forget(path: &Path) {
    lock(&TEMPORARY_FILES).remove(path);
}

/// As long as this lives, the program is not ended by [`exit`], or only after a moment.
pub(super) fn renaming() -> RwLockReadGuard<'static, ()> {
    RENAMING.read().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the program at once: files that are just given their names get them, unless the disk takes longer than two seconds; what is only half written
/// is removed.
#[cfg(feature = "progress")]
pub(crate) fn exit(code: i32) -> ! {
    use crate::platform::Instant;
    use std::sync::TryLockError;
    use std::time::Duration;
    let end = Instant::now() + Duration::from_secs(2);
    let patient = || {
        std::thread::sleep(Duration::from_millis(2));
        Instant::now() < end
    };
    // Both are held to the end: nothing is begun any more.
    let _renaming = loop {
        match RENAMING.try_write() {
            Ok(guard) => break Some(guard),
            Err(TryLockError::Poisoned(guard)) => break Some(guard.into_inner()),
            Err(TryLockError::WouldBlock) if patient() => {}
            Err(TryLockError::WouldBlock) => break None,
        }
    };
    let files = loop {
        match TEMPORARY_FILES.try_lock() {
            Ok(guard) => break Some(guard),
            Err(TryLockError::Poisoned(guard)) => break Some(guard.into_inner()),
            Err(TryLockError::WouldBlock) if patient() => {}
            Err(TryLockError::WouldBlock) => break None,
        }
    };
    for path in files.iter().flat_map(|files| files.iter()) {
        let _ = std::fs::remove_file(path);
    }
    std::process::exit(code)
}
