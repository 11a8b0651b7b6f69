//! What was measured of the variants of kernels, and the file in which it is kept.

use super::checks::ShaderChecks;
use crate::plan::Dispatch;
use rustc_hash::FxHasher;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

/// What a device does about the variants of its kernels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tune {
    /// Takes the first variant made for its kind of device and within its limits.
    Off,
    /// Takes what was found the fastest earlier, where something was.
    #[default]
    Read,
    /// Also measures what it meets for the first time, and keeps it.
    Measure,
}

/// How variants are chosen, what was measured of them, and where it is kept.
#[derive(Default)]
pub(super) struct Tuning {
    pub(super) tune: Tune,
    pub(super) file: Option<PathBuf>,
    /// By the signature of a kernel: its fastest variant. `None` before the file was looked at.
    pub(super) measured: Option<BTreeMap<u64, Measured>>,
}

impl Tuning {
    /// A file of another kind for the same adapter.
    pub(super) fn beside(&self, kind: &str) -> Option<PathBuf> {
        let stem = self.file.as_ref()?.file_stem()?.to_str()?;
        let adapter = stem.strip_prefix("tuned-").unwrap_or(stem);
        self.file.as_ref().map(|file| file.with_file_name(format!("{kind}-{adapter}.txt")))
    }
}

/// The fastest variant of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) variant: usize,
    pub(super) microseconds: f64,
    pub(super) label: String,
}

/// What a kernel is, for the purpose of its speed: shapes, specialisation, the variants there are, and their checks.
pub(super) fn signature(dispatch: &Dispatch, checks: ShaderChecks) -> u64 {
    let mut hasher = FxHasher::default();
    checks.hash(&mut hasher);
    let kernel = &dispatch.kernel;
    (kernel.name, &kernel.params).hash(&mut hasher);
    for variant in &kernel.variants {
        (variant.shader, &variant.consts, &variant.bodies, variant.groups).hash(&mut hasher);
    }
    hasher.finish()
}

pub(super) fn text(head: &str, measured: &BTreeMap<u64, Measured>) -> String {
    let mut text = format!("{head}\n");
    for (signature, Measured { variant, microseconds, label }) in measured {
        let _ = writeln!(text, "{signature:016x}\t{variant}\t{microseconds:.1}\t{label}");
    }
    text
}

/// What a file holds; `None` if it is of another driver or build, or damaged.
pub(super) fn parse(text: &str, head: &str) -> Option<BTreeMap<u64, Measured>> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    if lines.next() != Some(head) {
        return None;
    }
    lines
        .map(|line| {
            let mut fields = line.splitn(4, '\t');
            let signature = u64::from_str_radix(fields.next()?, 16).ok()?;
            let variant = fields.next()?.parse().ok()?;
            let microseconds = fields.next()?.parse().ok().filter(|&v: &f64| v.is_finite() && v >= 0.0)?;
            Some((signature, Measured { variant, microseconds, label: fields.next()?.to_owned() }))
        })
        .collect()
}

/// What a file has; nothing if there is none, or one of another driver or build, or a damaged one.
pub(super) fn read(file: Option<&Path>, head: &str) -> BTreeMap<u64, Measured> {
    let Some((file, text)) = file.and_then(|file| Some((file, std::fs::read(file).ok()?))) else { return BTreeMap::new() };
    parse(&String::from_utf8_lossy(&text), head).unwrap_or_else(|| {
        tracing::info!("{}: damaged, or of another driver or build; ignored", file.display());
        BTreeMap::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_back_and_damage_is_seen() {
        let found = |variant, microseconds, label: &str| Measured { variant, microseconds, label: label.to_owned() };
        let all = BTreeMap::from([(7, found(2, 12.5, "matmul f32[64,256]")), (u64::MAX, found(0, 0.0, ""))]);
        let written = text("head\twith tabs", &all);
        assert_eq!(parse(&written, "head\twith tabs"), Some(all.clone()));
        assert_eq!(parse(&written, "another driver"), None);
        // Cut off anywhere, it is no file of ours, unless a whole line is gone.
        let whole: Vec<usize> = written.match_indices('\n').map(|(i, _)| i + 1).collect();
        for end in (0..written.len()).filter(|end| !whole.contains(end)) {
            assert_eq!(parse(&written[..end], "head\twith tabs"), None, "{:?}", &written[..end]);
        }
        for damage in ["xyz\t1\t2\tlabel\n", "07\t-1\t2\tlabel\n", "07\t1\tNaN\tlabel\n", "07\t1\t2\n", "\n", "07\t1\t-2\tl\n"] {
            assert_eq!(parse(&format!("head\n{damage}"), "head"), None, "{damage:?}");
        }
    }
}
