//! One at a time: programs that give files of the same name to a folder.

use super::temporary::{LOCK, START, is_at};
use super::{MODE, exit, fingerprint, folder_of};
use crate::platform::Instant;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the others may take. They only give names; a disk that takes longer is no reason to lose what is written.
const PATIENCE: Duration = Duration::from_secs(30);

/// The turn of one writer: a locked file beside the files, removed when the turn is over.
pub(super) struct GroupLock {
    _file: File,
    path: PathBuf,
}

impl GroupLock {
    /// Waits for the turn at this name. `None` where there are no locks, or where it is not given in time.
    pub fn take(name: &Path) -> Option<GroupLock> {
        let name = name.file_name().map(|file| (folder_of(name), fingerprint(file.as_encoded_bytes())));
        let (folder, number) = name?;
        let path = folder.join(format!("{START}{number:016x}{LOCK}"));
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            match take(&path) {
                Ok(Some(file)) => return Some(GroupLock { _file: file, path }),
                Ok(None) => std::thread::sleep(Duration::from_millis(1)),
                Err(_) => return None,
            }
        }
        tracing::warn!("{}: another program holds it; this one does not wait any longer", path.display());
        None
    }
}

impl Drop for GroupLock {
    /// Removed while it is still locked: who waits for it sees that it is not the file of that name any more.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The locked file, or `None` while another has it.
fn take(path: &Path) -> io::Result<Option<File>> {
    let file = match exit::new_file(MODE).open(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => match fs::symlink_metadata(path) {
            Ok(found) if found.is_file() => OpenOptions::new().read(true).write(true).open(path),
            Ok(_) => return Err(e),
            Err(e) => Err(e),
        },
        other => other,
    };
    let file = match file {
        // Its owner has removed it in between.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    match file.try_lock() {
        Ok(()) => Ok(is_at(&file, path).then_some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => {
            let _ = fs::remove_file(path);
            Err(e)
        }
    }
}
