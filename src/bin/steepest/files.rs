//! Files that belong together, written all or none: first under other names, then given their own.

use anyhow::Context;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Files to be written.
#[derive(Default)]
pub struct Files {
    /// Temporary name and name.
    ready: Vec<(PathBuf, PathBuf)>,
}

impl Files {
    /// Asks a writer for a file at a temporary name in the same folder.
    pub fn write(&mut self, path: &Path, write: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let temporary = beside(path)?;
        self.ready.push((temporary.clone(), path.to_owned()));
        write(&temporary).with_context(|| path.display().to_string())
    }

    /// A file of these bytes.
    pub fn bytes(&mut self, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
        self.write(path, |temporary| {
            let mut file = fs::File::create_new(temporary)?;
            file.write_all(bytes)?;
            Ok(file.sync_all()?)
        })
    }

    /// Gives every file its name.
    pub fn keep(mut self) -> anyhow::Result<()> {
        for (temporary, path) in std::mem::take(&mut self.ready) {
            fs::rename(&temporary, &path).with_context(|| format!("{}: cannot be written", path.display()))?;
        }
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

/// A name in the same folder, with the same ending: writers go by it.
fn beside(path: &Path) -> anyhow::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().with_context(|| format!("{}: it names no file to write to", path.display()))?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Ok(path.with_file_name(format!(".tmp-{}-{number}-{}", std::process::id(), name.to_string_lossy())))
}

/// The bytes of a file, or why there are none.
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    anyhow::ensure!(!path.is_dir(), "{}: cannot be read: it is a folder, expected a file", path.display());
    fs::read(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => anyhow::anyhow!("{}: cannot be read: there is no such file", path.display()),
        _ => anyhow::anyhow!("{}: cannot be read: {e}", path.display()),
    })
}

/// Finds out before the work whether a file can be written after it. `inputs` are never written over.
pub fn check(path: &Path, inputs: &[&Path]) -> anyhow::Result<()> {
    anyhow::ensure!(!path.is_dir(), "{}: it is a folder, expected the name of a file", path.display());
    let same = |input: &Path| matches!((fs::canonicalize(input), fs::canonicalize(path)), (Ok(a), Ok(b)) if a == b);
    anyhow::ensure!(!inputs.iter().any(|input| same(input)), "{}: it is also read, and is not written over", path.display());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    anyhow::ensure!(folder.is_dir(), "{}: there is no folder {}; make it first", path.display(), folder.display());
    let probe = beside(path)?;
    fs::File::create_new(&probe).with_context(|| format!("{}: cannot be written", path.display()))?;
    fs::remove_file(&probe).with_context(|| format!("{}: cannot be written", path.display()))
}
