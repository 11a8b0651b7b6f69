//! Which variant of a kernel is fastest on this very device: measured once if asked for, kept in a file, and taken from there ever after.
//!
//! Only variants that the table of device classes allows are tried: all of them are held to the reference on every device by the tests, and
//! none can fail to compile where the others do. Sums in another order round differently, so the same bits come from the same file.

use super::context::Gpu;
use super::dispatch_list::Prepared;
use super::tuned::{self, Measured, Tune, Tuning, signature, text};
use crate::error::Result;
use crate::files::write_cache;
use crate::plan::{Buffer, Dispatch, Place, Plan};
use crate::platform::{self, Instant};
use crate::threads::lock;
use rustc_hash::FxHasher;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Kernels with less work than this (words moved, or operations) take as long as starting them, whatever the variant.
const LEAST: u64 = 1 << 16;
/// A sample lasts at least this long, and has at most so many runs.
const SAMPLE: Duration = Duration::from_millis(1);
const RUNS: u32 = 64;
/// Samples of a variant; the best counts.
const SAMPLES: u32 = 3;

impl Gpu {
    /// How variants are chosen from now on, and the file in which measured ones are kept.
    pub fn set_tune(&self, tune: Tune, file: Option<PathBuf>) {
        if tune == Tune::Measure && !platform::may_wait() {
            tracing::warn!(
                "{}: variants are not measured in a browser, where nothing can wait for them; those for its class of devices are used",
                self.name()
            );
        }
        let mut tuning = lock(&self.tuning);
        (tuning.tune, tuning.file, tuning.measured) = (tune, file, None);
    }

    /// The file in which compiled pipelines are kept from now on, if any. A file of another adapter, driver or build, or a damaged one, is
    /// ignored and written anew; one that cannot be read or written costs a warning in the log.
    pub fn set_pipeline_cache(&self, file: Option<PathBuf>) {
        let key = self.core.pipeline_key().map(|key| format!("{}\n{key}", self.head()));
        self.shaders.pipeline_cache().set_place(file.zip(key));
    }

    /// Bytes of compiled pipelines that were taken from the file, and that it has now.
    pub fn pipeline_cache_bytes(&self) -> (u64, u64) {
        self.shaders.pipeline_cache().bytes()
    }

    /// What was measured on this device, as lines for people: microseconds, variant, kernel.
    pub fn tuned(&self) -> Vec<String> {
        let tuning = lock(&self.tuning);
        let lines = tuning.measured.iter().flat_map(BTreeMap::values);
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
            let mut tuning = lock(&self.tuning);
            let Tuning { tune, file, measured, .. } = &mut *tuning;
            if *tune == Tune::Off {
                return None;
            }
            let measured = measured.get_or_insert_with(|| tuned::read(file.as_deref(), &self.head()));
            if let Some(found) = measured.get(&signature) {
                return Some(found.variant).filter(|&variant| variant < dispatch.kernel.variants.len());
            }
            (*tune, file.clone())
        };
        // Parameters in arenas are overwritten in place: not for trying out.
        let elsewhere = |place: &Place| !matches!(place.buffer, Buffer::Arena(_));
        if tune != Tune::Measure
            || !platform::may_wait()
            || self.is_guarded()
            || self.is_timed()
            || !dispatch.writes.iter().all(elsewhere)
        {
            return None;
        }
        let found = match self.measure(dispatch) {
            Ok(found) => found?,
            Err(error) => {
                tracing::warn!("kernel `{}` was not tuned: {error}", dispatch.kernel.name);
                return None;
            }
        };
        let (variant, mut tuning) = (found.variant, lock(&self.tuning));
        let all = tuning.measured.get_or_insert_default();
        all.insert(signature, found);
        if let Some(file) = file
            && let Err(error) = write_cache(&file, text(&self.head(), all).as_bytes())
        {
            tracing::warn!("{}: what was measured is not kept: {error}", file.display());
        }
        Some(variant)
    }

    /// Runs every variant made for this kind of device on memory of its own.
    fn measure(&self, dispatch: &Dispatch) -> Result<Option<Measured>> {
        let candidates = self.shaders.candidates(&self.core, &dispatch.kernel)?;
        if candidates.len() < 2 {
            return Ok(None);
        }
        let plan = Arc::new(on_its_own(dispatch));
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
        let mut ready: Option<(usize, Prepared)> = None;
        let best = fastest_of(candidates, |variant, runs| {
            let prepared = match ready.take() {
                Some((known, prepared)) if known == variant => prepared,
                _ => {
                    let prepared = self.prepare_with(plan.clone(), Some(variant))?;
                    // The first run compiles.
                    time(&prepared, 1)?;
                    prepared
                }
            };
            let took = time(&prepared, runs)?;
            ready = Some((variant, prepared));
            #[cfg(test)]
            if let Some(times) = lock(&self.tuning).times {
                return Ok(times(variant));
            }
            Ok(took)
        })?;
        Ok(best.map(|(took, variant)| Measured {
            variant,
            microseconds: took.as_secs_f64() * 1e6,
            label: format!("{} {}", dispatch.kernel.variants[variant].file(), dispatch.label).replace(['\n', '\t'], " "),
        }))
    }
}

/// The variant with the shortest time, and that time: `time` gives that of one run, of so many runs of a variant.
fn fastest_of(candidates: Vec<usize>, mut time: impl FnMut(usize, u32) -> Result<Duration>) -> Result<Option<(Duration, usize)>> {
    let mut best: Option<(Duration, usize)> = None;
    for variant in candidates {
        let mut runs = 1;
        while runs < RUNS && time(variant, runs)? * runs < SAMPLE {
            runs *= 2;
        }
        for _ in 0..SAMPLES {
            let took = time(variant, runs)?;
            if best.is_none_or(|(least, _)| took < least) {
                best = Some((took, variant));
            }
        }
    }
    Ok(best)
}

/// A plan of one dispatch, each of its places a buffer of its own.
fn on_its_own(dispatch: &Dispatch) -> Plan {
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
            call: None,
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

    /// The iterations that the variants make, by which they are told apart, and what a run of each is said to take.
    const ITERATIONS: [u32; 3] = [30, 10, 20];

    fn said(variant: usize) -> Duration {
        Duration::from_micros([700, 300, 500][variant])
    }

    /// Which of the variants runs: the number of iterations it makes.
    fn iterations(gpu: &Gpu) -> u32 {
        let variant = |iterations| Variant { consts: vec![("ITERATIONS", iterations)], ..Variant::new("t_iterate", [64, 1, 1]) };
        let kernel = kernel("iterate", ITERATIONS.map(variant).to_vec(), &[]);
        let plan = plan(&[], &[], &[1 << 17], vec![dispatch(kernel, &[], &[output(0, 1 << 17)], 0..0)]);
        let prepared = gpu.prepare(plan).unwrap();
        let out = gpu.run(&prepared, &[], &[], &[]).unwrap();
        fetch(gpu, &out[0])[0]
    }

    #[test]
    fn the_shortest_time_of_all_samples_counts() {
        let clock = |times: &'static [(usize, u64)]| {
            move |variant: usize, _: u32| Ok(Duration::from_micros(times.iter().find(|(v, _)| *v == variant).unwrap().1))
        };
        let least = |micros, variant| Some((Duration::from_micros(micros), variant));
        assert_eq!(fastest_of(vec![0, 2, 5], clock(&[(0, 30), (2, 10), (5, 20)])).unwrap(), least(10, 2));
        // Of equals the first, which is the one that the table of devices prefers.
        assert_eq!(fastest_of(vec![4, 1], clock(&[(1, 30), (4, 30)])).unwrap(), least(30, 4));
        assert_eq!(fastest_of(vec![], clock(&[])).unwrap(), None);
        // A machine that was busy during some samples of the faster one; short runs are repeated until a sample is long enough.
        let (mut samples, mut most) = ([0; 2], 0);
        let found = fastest_of(vec![0, 1], |variant, runs| {
            samples[variant] += 1;
            most = most.max(runs);
            Ok(Duration::from_micros(if variant == 0 { 40 } else { [900, 30, 900][samples[1] % 3] }))
        });
        assert_eq!((found.unwrap(), most), (least(30, 1), 32));
        assert!(fastest_of(vec![0], |_, _| Err(crate::Error::NoAdapter { reason: "gone".to_owned() })).is_err());
    }

    /// With the real clock: that it runs, measures, and keeps a time of a variant there is. Which one wins is the machine's affair.
    #[test]
    fn measuring_takes_time() {
        let Some(gpu) = gpu() else { return };
        gpu.set_tune(Tune::Measure, None);
        assert!(ITERATIONS.contains(&iterations(&gpu)));
        let tuning = lock(&gpu.tuning);
        let found: Vec<&Measured> = tuning.measured.iter().flat_map(BTreeMap::values).collect();
        assert!(matches!(found[..], [one] if one.variant < 3 && one.microseconds > 0.0), "{found:?}");
    }

    #[test]
    fn the_fastest_variant_is_found_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deeper/tuned.tsv");
        let open = |tune| {
            let gpu = gpu()?;
            gpu.set_tune(tune, Some(file.clone()));
            lock(&gpu.tuning).times = Some(said);
            Some(gpu)
        };
        let Some(gpu) = open(Tune::Read) else { return };
        assert_eq!(iterations(&gpu), 30, "nothing is known yet");
        assert!(!file.exists() && gpu.tuned().is_empty());
        gpu.set_tune(Tune::Measure, Some(file.clone()));
        assert_eq!(iterations(&gpu), 10);
        assert_eq!(gpu.tuned().len(), 1);
        let kept = std::fs::read_to_string(&file).unwrap();
        assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");

        // Another program takes it from the file, without measuring; or leaves it alone.
        let Some(other) = open(Tune::Read) else { return };
        assert_eq!(iterations(&other), 10);
        assert_eq!(other.counts().pipelines, 1);
        other.set_tune(Tune::Off, Some(file.clone()));
        assert_eq!(iterations(&other), 30);

        // A file of another driver or a damaged one is ignored, and written anew once something is measured.
        for damaged in
            [kept.replacen("steepest", "steeper", 1), kept.replace("\t1\t", "\tone\t"), kept[..kept.len() - 3].to_owned()]
        {
            std::fs::write(&file, damaged).unwrap();
            let Some(other) = open(Tune::Read) else { return };
            assert_eq!(iterations(&other), 30);
            other.set_tune(Tune::Measure, Some(file.clone()));
            assert_eq!(iterations(&other), 10);
            let without_times = |text: &str| text.lines().map(|l| l.split('\t').next().map(str::to_owned)).collect::<Vec<_>>();
            assert_eq!(without_times(&std::fs::read_to_string(&file).unwrap()), without_times(&kept));
        }
        // A number of a variant that is not there: by another build's hand.
        std::fs::write(&file, kept.replace("\t1\t", "\t9\t")).unwrap();
        let Some(other) = open(Tune::Read) else { return };
        assert_eq!(iterations(&other), 30);
        // A folder that cannot be written costs the file, not the run.
        std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file.parent().unwrap(), "a file in the folder's place").unwrap();
        let Some(other) = open(Tune::Measure) else { return };
        assert_eq!(iterations(&other), 10);
    }
}
