//! The files that the command line names: read, or found fit to be written.

use std::fs;
use std::path::Path;

/// The bytes of a file, or why there are none.
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    Ok(steepest::files::read(path)?)
}

/// The bytes of a table: of a file, or of what comes through a pipe (`<(zcat t.csv.gz)` in a shell).
pub fn read_table(path: &Path) -> anyhow::Result<Vec<u8>> {
    if steepest::files::is_pipe(path) {
        let from = fs::File::open(path).map_err(|e| anyhow::anyhow!("{}: cannot be read: {e}", path.display()))?;
        return Ok(steepest::files::read_stream(path, from)?);
    }
    read(path)
}

/// Finds out before the work whether a file can be written after it. `inputs` are never written over.
pub fn check(path: &Path, inputs: &[&Path]) -> anyhow::Result<()> {
    let same = |input: &Path| matches!((fs::canonicalize(input), fs::canonicalize(path)), (Ok(a), Ok(b)) if a == b);
    anyhow::ensure!(!inputs.iter().any(|input| same(input)), "{}: it is also read, and is not written over", path.display());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    anyhow::ensure!(folder.is_dir(), "{}: there is no folder {}; make it first", path.display(), folder.display());
    Ok(steepest::files::check(path)?)
}
