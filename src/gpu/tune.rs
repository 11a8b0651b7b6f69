//! Which variant of a kernel is fastest on this very device: measured once if asked for, kept in a file, and taken from there ever after.
//!
//! Only variants that the table of device classes allows are tried: all of them are held to the reference on every device by the tests, and
//! none can fail to compile where the others do. Sums in another order round differently, so the same bits come from the same file.

use super::core::lock;
use super::{Gpu, Prepared, ShaderChecks};
use crate::error::Result;
use crate::files::write_cache;
use crate::plan::{Buffer, Dispatch, Place, Plan};
use rustc_hash::FxHasher;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Kernels with less work than this (words moved, or operations) take as long as starting them, whatever the variant.
const LEAST: u64 = 1 << 16;
/// A sample lasts at least this long, and has at most so many runs.
const SAMPLE: Duration = Duration::from_millis(1);
const RUNS: u32 = 64;
/// Samples of a variant; the best counts.
const SAMPLES: u32 = 3;

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

/// What was found, and where it is kept.
#[derive(Default)]
pub(super) struct Tuning {
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    tune: Tune,
    file: Option<PathBuf>,
    /// By the signature of a kernel: its fastest variant. `None` before the file was looked at.
    found: Option<BTreeMap<u64, Found>>,
}

impl State {
    /// A file of another kind for the same adapter.
    pub(super) fn beside(&self, kind: &str) -> Option<PathBuf> {
        let stem = self.file.as_ref()?.file_stem()?.to_str()?;
        let adapter = stem.strip_prefix("tuned-").unwrap_or(stem);
        self.file.as_ref().map(|file| file.with_file_name(format!("{kind}-{adapter}.txt")))
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Found {
    variant: usize,
    microseconds: f64,
    label: String,
}

/// What a kernel is, for the purpose of its speed: shapes, specialisation, the variants there are, and their checks.
fn signature(dispatch: &Dispatch, checks: ShaderChecks) -> u64 {
    let mut hasher = FxHasher::default();
    checks.hash(&mut hasher);
    let kernel = &dispatch.kernel;
    (kernel.name, &kernel.params).hash(&mut hasher);
    for variant in &kernel.variants {
        (variant.shader, &variant.consts, &variant.bodies, variant.groups).hash(&mut hasher);
    }
    hasher.finish()
}

fn text(head: &str, found: &BTreeMap<u64, Found>) -> String {
    let mut text = format!("{head}\n");
    for (signature, Found { variant, microseconds, label }) in found {
        let _ = writeln!(text, "{signature:016x}\t{variant}\t{microseconds:.1}\t{label}");
    }
    text
}

/// What a file holds; `None` if it is of another driver or build, or damaged.
fn parse(text: &str, head: &str) -> Option<BTreeMap<u64, Found>> {
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
            Some((signature, Found { variant, microseconds, label: fields.next()?.to_owned() }))
        })
        .collect()
}

impl Gpu {
    /// How variants are chosen from now on, and the file in which measured ones are kept.
    pub fn set_tune(&self, tune: Tune, file: Option<PathBuf>) {
        *lock(&self.tuning.state) = State { tune, file, found: None };
    }

    /// What was measured on this device, as lines for people: microseconds, variant, kernel.
    pub fn tuned(&self) -> Vec<String> {
        let state = lock(&self.tuning.state);
        let lines = state.found.iter().flat_map(BTreeMap::values);
        lines.map(|found| format!("{:10.1} µs  variant {}  {}", found.microseconds, found.variant, found.label)).collect()
    }

    /// Adapter, driver, and the shaders of this build: what was measured with others does not count.
    pub(super) fn head(&self) -> String {
        let mut hasher = FxHasher::default();
        crate::shaders::SHADERS.hash(&mut hasher);
        let details = self.core.details();
        let driver = details.iter().find(|(name, _)| *name == "driver").map_or("", |(_, value)| value);
        let version = env!("CARGO_PKG_VERSION");
        format!("steepest {version} {:016x}\t{}\t{driver}", hasher.finish(), self.core.name).replace('\n', " ")
    }

    /// The variant of a kernel that is known to be the fastest here.
    pub(super) fn fastest(&self, dispatch: &Dispatch) -> Option<usize> {
        let moved = dispatch.reads.iter().chain(&dispatch.writes).map(|place| place.words as u64).sum::<u64>();
        if dispatch.kernel.variants.len() < 2 || moved.max(dispatch.flops) < LEAST {
            return None;
        }
        let signature = signature(dispatch, self.shaders.checks());
        let (tune, file) = {
            let mut state = lock(&self.tuning.state);
            let State { tune, file, found } = &mut *state;
            if *tune == Tune::Off {
                return None;
            }
            let found = found.get_or_insert_with(|| self.read(file.as_deref()));
            if let Some(found) = found.get(&signature) {
                return Some(found.variant).filter(|&variant| variant < dispatch.kernel.variants.len());
            }
            (*tune, file.clone())
        };
        // Parameters in rows are overwritten in place: not for trying out.
        let apart = |place: &Place| !matches!(place.buffer, Buffer::Arena(_));
        if tune != Tune::Measure || self.is_guarded() || self.is_timed() || !dispatch.writes.iter().all(apart) {
            return None;
        }
        let found = match self.measure(dispatch) {
            Ok(found) => found?,
            Err(error) => {
                tracing::warn!("kernel `{}` was not tuned: {error}", dispatch.kernel.name);
                return None;
            }
        };
        let (variant, mut state) = (found.variant, lock(&self.tuning.state));
        let all = state.found.get_or_insert_default();
        all.insert(signature, found);
        if let Some(file) = file
            && let Err(error) = write_cache(&file, text(&self.head(), all).as_bytes())
        {
            tracing::warn!("{}: what was measured is not kept: {error}", file.display());
        }
        Some(variant)
    }

    fn read(&self, file: Option<&Path>) -> BTreeMap<u64, Found> {
        let Some((file, text)) = file.and_then(|file| Some((file, std::fs::read(file).ok()?))) else { return BTreeMap::new() };
        parse(&String::from_utf8_lossy(&text), &self.head()).unwrap_or_else(|| {
            tracing::info!("{}: damaged, or of another driver or build; ignored", file.display());
            BTreeMap::new()
        })
    }

    /// Runs every variant made for this kind of device on memory of its own.
    fn measure(&self, dispatch: &Dispatch) -> Result<Option<Found>> {
        let candidates = self.shaders.candidates(&self.core, &dispatch.kernel)?;
        if candidates.len() < 2 {
            return Ok(None);
        }
        let plan = Arc::new(alone(dispatch));
        // Halves: no subnormals, no NaN, and as an index out of every range, which WGSL defines.
        let half = |&words: &usize| self.upload(&vec![0.5_f32.to_bits(); words]);
        let leaves = plan.leaves.iter().map(half).collect::<Result<Vec<_>>>()?;
        let scalars = vec![0; dispatch.scalars.len()];
        let time = |prepared: &Prepared, runs: u32| -> Result<Duration> {
            let begun = Instant::now();
            for _ in 0..runs {
                self.run(prepared, &leaves, &[], &scalars)?;
            }
            self.wait()?;
            Ok(begun.elapsed() / runs)
        };
        let mut best: Option<(Duration, usize)> = None;
        for variant in candidates {
            let prepared = self.prepare_with(plan.clone(), Some(variant))?;
            // The first run compiles.
            time(&prepared, 1)?;
            let mut runs = 1;
            while runs < RUNS && time(&prepared, runs)? * runs < SAMPLE {
                runs *= 2;
            }
            for _ in 0..SAMPLES {
                let took = time(&prepared, runs)?;
                if best.is_none_or(|(least, _)| took < least) {
                    best = Some((took, variant));
                }
            }
        }
        Ok(best.map(|(took, variant)| Found {
            variant,
            microseconds: took.as_secs_f64() * 1e6,
            label: format!("{} {}", dispatch.kernel.variants[variant].shader, dispatch.label).replace(['\n', '\t'], " "),
        }))
    }
}

/// A plan of one dispatch, each of its places a buffer of its own.
fn alone(dispatch: &Dispatch) -> Plan {
    let numbered = |places: &[Place], buffer: fn(usize) -> Buffer| -> Vec<Place> {
        places.iter().enumerate().map(|(i, place)| Place { buffer: buffer(i), part: None, words: place.words }).collect()
    };
    let words = |places: &[Place]| places.iter().map(|place| place.words).collect();
    Plan {
        leaves: words(&dispatch.reads),
        slots: vec![],
        outputs: words(&dispatch.writes),
        kept: vec![],
        mutated: vec![],
        scalars: vec![],
        arenas: vec![],
        dispatches: vec![Dispatch {
            kernel: dispatch.kernel.clone(),
            reads: numbered(&dispatch.reads, Buffer::Leaf),
            writes: numbered(&dispatch.writes, Buffer::Output),
            scalars: 0..dispatch.scalars.len(),
            flops: dispatch.flops,
            label: dispatch.label.clone(),
            at: dispatch.at,
        }],
        unplanned_words: 0,
        live_words: 0,
        graph: vec![],
        cacheable: true,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::{dispatch, fetch, gpu, kernel, output, plan};
    use super::*;
    use crate::plan::Variant;

    /// Which of a slow, a fast and a slower variant runs: the number of rounds it makes.
    fn rounds(gpu: &Gpu) -> u32 {
        let variant = |rounds| Variant { consts: vec![("ROUNDS", rounds)], ..Variant::new("t_rounds", [1, 1, 1]) };
        let kernel = kernel("rounds", vec![variant(1_000_000), variant(10), variant(2_000_000)], &[]);
        let plan = plan(&[], &[], &[1 << 17], vec![dispatch(kernel, &[], &[output(0, 1 << 17)], 0..0)]);
        let prepared = gpu.prepare(plan).unwrap();
        let out = gpu.run(&prepared, &[], &[], &[]).unwrap();
        fetch(gpu, &out[0])[0]
    }

    #[test]
    fn the_fastest_variant_is_found_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deeper/tuned.tsv");
        let open = |tune| {
            let gpu = gpu()?;
            gpu.set_tune(tune, Some(file.clone()));
            Some(gpu)
        };
        let Some(gpu) = open(Tune::Read) else { return };
        assert_eq!(rounds(&gpu), 1_000_000, "nothing is known yet");
        assert!(!file.exists() && gpu.tuned().is_empty());
        gpu.set_tune(Tune::Measure, Some(file.clone()));
        assert_eq!(rounds(&gpu), 10);
        assert_eq!(gpu.tuned().len(), 1);
        let kept = std::fs::read_to_string(&file).unwrap();
        assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");

        // Another program takes it from the file, without measuring; or leaves it alone.
        let Some(other) = open(Tune::Read) else { return };
        assert_eq!(rounds(&other), 10);
        assert_eq!(other.counts().pipelines, 1);
        other.set_tune(Tune::Off, Some(file.clone()));
        assert_eq!(rounds(&other), 1_000_000);

        // A file of another driver or a damaged one is ignored, and written anew once something is measured.
        for damaged in
            [kept.replacen("steepest", "steeper", 1), kept.replace("\t1\t", "\tone\t"), kept[..kept.len() - 3].to_owned()]
        {
            std::fs::write(&file, damaged).unwrap();
            let Some(other) = open(Tune::Read) else { return };
            assert_eq!(rounds(&other), 1_000_000);
            other.set_tune(Tune::Measure, Some(file.clone()));
            assert_eq!(rounds(&other), 10);
            let times_apart = |text: &str| text.lines().map(|l| l.split('\t').next().map(str::to_owned)).collect::<Vec<_>>();
            assert_eq!(times_apart(&std::fs::read_to_string(&file).unwrap()), times_apart(&kept));
        }
        // A number of a variant that is not there: by another build's hand.
        std::fs::write(&file, kept.replace("\t1\t", "\t9\t")).unwrap();
        let Some(other) = open(Tune::Read) else { return };
        assert_eq!(rounds(&other), 1_000_000);
        // A folder that cannot be written costs the file, not the run.
        std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file.parent().unwrap(), "a file in the folder's place").unwrap();
        let Some(other) = open(Tune::Measure) else { return };
        assert_eq!(rounds(&other), 10);
    }

    #[test]
    fn files_are_read_back_and_damage_is_seen() {
        let found = |variant, microseconds, label: &str| Found { variant, microseconds, label: label.to_owned() };
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
