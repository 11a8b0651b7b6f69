//! What was measured of the variants of kernels, and the file in which it is kept.

use super::cache_files::parse;
pub(super) use super::cache_files::{Measured, text};
use super::checks::ShaderChecks;
pub use crate::gpu_info::Tune;
use crate::plan::Dispatch;
use rustc_hash::FxHasher;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
#[cfg(test)]
use std::time::Duration;

/// How variants are chosen, what was measured of them, and where it is kept.
#[derive(Default)]
pub(super) struct Tuning {
    pub(super) tune: Tune,
    pub(super) file: Option<PathBuf>,
    /// By the signature of a kernel: its fastest variant. `None` before the file was looked at.
    pub(super) measured: Option<BTreeMap<u64, Measured>>,
    /// What a clock would show for a run of each variant: a test of the choice depends on no machine's load.
    #[cfg(test)]
    pub(super) times: Option<fn(usize) -> Duration>,
}

impl Tuning {
    /// A file of another kind for the same adapter.
    pub(super) fn beside(&self, kind: &str) -> Option<PathBuf> {
        let stem = self.file.as_ref()?.file_stem()?.to_str()?;
        let adapter = stem.strip_prefix("tuned-").unwrap_or(stem);
        self.file.as_ref().map(|file| file.with_file_name(format!("{kind}-{adapter}.txt")))
    }
}

/// What a kernel is, for the purpose of its speed: shapes, specialisation, the variants there are, and their checks.
pub(super) fn signature(dispatch: &Dispatch, checks: ShaderChecks) -> u64 {
    let mut hasher = FxHasher::default();
    checks.hash(&mut hasher);
    let kernel = &dispatch.kernel;
    (kernel.name, &kernel.params).hash(&mut hasher);
    for variant in &kernel.variants {
        (variant.shader, &variant.source, &variant.consts, &variant.bodies, variant.groups).hash(&mut hasher);
    }
    hasher.finish()
}

/// What a file has; nothing if there is none, or one of another driver or build, or a damaged one.
pub(super) fn read(file: Option<&Path>, head: &str) -> BTreeMap<u64, Measured> {
    let Some((file, text)) = file.and_then(|file| Some((file, std::fs::read(file).ok()?))) else { return BTreeMap::new() };
    parse(&String::from_utf8_lossy(&text), head).unwrap_or_else(|| {
        tracing::info!("{}: damaged, or of another driver or build; ignored", file.display());
        BTreeMap::new()
    })
}
