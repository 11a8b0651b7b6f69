//! The files that the command line names: read, or found fit to be written.

use std::fs;
use std::path::Path;

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
    Ok(steepest::files::check(path)?)
}
