//! Writing a file so that it is there whole or not at all, whatever happens in between.

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes under another name in the same folder, brings it to the disk, gives it its name, and brings the folder to the disk.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name() else {
        return Err(Error::file(path, "it names no file to write to"));
    };
    let folder = folder_of(path);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let temporary = folder.join(format!(".{}.{}-{number}.tmp", name.to_string_lossy(), std::process::id()));
    let written = write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path)).and_then(|()| sync_folder(&folder));
    written.map_err(|e| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
        Error::file(path, format!("it cannot be written: {e}"))
    })
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A name is on the disk when its folder is. Other systems than Unix do not open folders, and need not.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
