//! Self-tests: kernels that drivers are known to get wrong run only once they have computed known numbers rightly on this adapter and driver.
//!
//! A variant carries its test as data. It is done at the variant's first use, on a device opened for that alone, so that one that is lost is not the
//! user's; the verdict is kept in a file beside the measured variants. A note is written before the test begins: a program that dies in it
//! does not try again. It blocks, but only natively: browsers do not have what needs it.

use super::context::Gpu;
use super::core::Core;
use super::open::OpenOptions;
use super::quirks::cooperative::Kind;
use crate::error::{At, Result};
use crate::files::write_cache;
use crate::plan::{Buffer, Dispatch, Place, Plan, SelfTest, Target, Trial, Variant};
use crate::platform::{self, waited};
use crate::threads::lock;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What there is to be said of a device: all well, or what is wrong.
type Verdict = std::result::Result<(), String>;

/// The first of a plan's variants for this device's matrices that carries a test.
fn tested(plan: &Plan, kind: Kind) -> Option<(&Variant, &SelfTest)> {
    let variants = plan.dispatches.iter().flat_map(|dispatch| &dispatch.kernel.variants);
    let mut own = variants.filter(|variant| variant.target == Target::Cooperative { side: kind.side, team: kind.team });
    own.find_map(|variant| Some((variant, variant.self_test.as_ref()?)))
}

/// What a device computes of a trial.
fn computed(gpu: &Gpu, trial: &Trial) -> Result<Vec<u32>> {
    let place = |buffer, words| Place { buffer, part: None, words };
    let leaves: Vec<usize> = trial.inputs.iter().map(Vec::len).collect();
    let words = trial.expected.len();
    let plan = Plan {
        slots: vec![],
        outputs: vec![words],
        kept: vec![],
        mutated: vec![],
        scalars: vec![],
        arenas: vec![],
        dispatches: vec![Dispatch {
            kernel: trial.kernel.clone(),
            reads: leaves.iter().enumerate().map(|(i, &words)| place(Buffer::Leaf(i), words)).collect(),
            writes: vec![place(Buffer::Output(0), words)],
            scalars: 0..0,
            flops: 0,
            label: "self-test".to_owned(),
            call: None,
            at: At::caller(),
        }],
        unplanned_words: 0,
        live_words: 0,
        graph: vec![],
        cacheable: true,
        leaves,
    };
    let prepared = gpu.prepare(Arc::new(plan))?;
    let leaves = trial.inputs.iter().map(|words| gpu.upload(words)).collect::<Result<Vec<_>>>()?;
    let outputs = gpu.run(&prepared, &leaves, &[], &[])?;
    waited(gpu.name(), gpu.read(Arc::clone(&outputs[0])))
}

/// Runs a trial on a device and compares every number with what is expected.
fn run(gpu: &Gpu, trial: &Trial) -> Verdict {
    let found = computed(gpu, trial).map_err(|error| error.to_string())?;
    for (i, (word, &(expected, bound))) in found.iter().zip(&trial.expected).enumerate() {
        let found = f64::from(f32::from_bits(*word));
        if found.is_nan() != expected.is_nan() || (found - expected).abs() > bound {
            let (row, column) = (i / trial.columns, i % trial.columns);
            return Err(format!("element ({row}, {column}) of {} is {found:e} instead of {expected:e}", trial.label));
        }
    }
    Ok(())
}

/// Every trial on a device of its own.
fn run_all(core: &Core, kind: Kind, trials: &[Trial]) -> Verdict {
    let verdict = catch_unwind(AssertUnwindSafe(|| {
        let another = platform::wait(core.another(OpenOptions::default()));
        let core = another.unwrap_or_else(|| Err("nothing can wait for it here".to_owned()))?;
        if core.cooperative.kind != Some(kind) {
            return Err("a second device was opened without the features".to_owned());
        }
        let gpu = Gpu::of(core);
        // The variants on trial are allowed here.
        let _ = gpu.core.cooperative.verdict.set(Ok(()));
        // What is not written, or written beside the output, shows.
        gpu.set_guarded(true);
        trials.iter().try_for_each(|trial| run(&gpu, trial))
    }));
    verdict.unwrap_or_else(|_| Err("the driver panicked".to_owned()))
}

impl Gpu {
    /// Has the self-test done, or its verdict read, if a plan has variants that depend on it. On software adapters only where variants are
    /// forced: there is nothing to be won. Where nothing may wait there is no verdict, and the variants are not used.
    pub(super) fn run_self_tests(&self, plan: &Plan, forced: bool) {
        let Some(kind) = self.core.cooperative.kind else { return };
        if self.core.cooperative.verdict.get().is_some() || (self.core.software && !forced) || !platform::may_wait() {
            return;
        }
        let Some((variant, test)) = tested(plan, kind) else { return };
        let verdict = self.core.cooperative.verdict.get_or_init(|| self.verdict(kind, variant, test));
        if let Err(reason) = verdict {
            tracing::warn!("{}: cooperative matrices are not used: {reason}", self.name());
        }
    }

    /// The verdict in the file, or else that of the test, which is kept there.
    fn verdict(&self, kind: Kind, variant: &Variant, test: &SelfTest) -> Verdict {
        let judge = || run_all(&self.core, kind, &(test.trials)(variant));
        let file = lock(&self.tuning).beside(test.name);
        let Some(file) = file else { return judge() };
        let head = format!("{}\t{}\t{}", self.head(), kind.side, kind.team);
        if let Some(kept) = std::fs::read_to_string(&file).ok().and_then(|text| parse(&text, &head)) {
            return kept.map_err(|reason| format!("{reason} (delete {} to try again)", file.display()));
        }
        let keep = |verdict: &str| {
            if let Err(error) = write_cache(&file, format!("{head}\n{verdict}\n").as_bytes()) {
                tracing::warn!("{}: the self-test is not kept: {error}", file.display());
            }
        };
        keep(BEGUN);
        let verdict = judge();
        match &verdict {
            Ok(()) => keep(PASSED),
            Err(reason) => keep(&reason.replace('\n', " ")),
        }
        verdict
    }
}

/// The second line of a file.
const PASSED: &str = "passed";
const BEGUN: &str = "begun and not ended: the program died in the self-test, or another one is in it right now";

/// What a file says; `None` if it is of another driver or build, or damaged.
fn parse(text: &str, head: &str) -> Option<Verdict> {
    let verdict = text.strip_prefix(head)?.strip_prefix('\n')?.strip_suffix('\n')?;
    match verdict {
        "" => None,
        PASSED => Some(Ok(())),
        reason => Some(Err(reason.to_owned())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::graph::op::{DType, Lowering, Op, Spec};
    use crate::ops::matmul::Matmul;
    use crate::shape::Shape;

    #[test]
    fn verdicts_are_read_back() {
        assert_eq!(parse("head\npassed\n", "head"), Some(Ok(())));
        assert_eq!(parse("head\nelement (0, 1) is wrong\n", "head"), Some(Err("element (0, 1) is wrong".to_owned())));
        for damaged in ["", "head", "head\n", "head\n\n", "head\npassed", "tail\npassed\n", "headpassed\n"] {
            assert_eq!(parse(damaged, "head"), None, "{damaged:?}");
        }
        // A program that died in the test does not start it again.
        assert!(matches!(parse(&format!("head\n{BEGUN}\n"), "head"), Some(Err(_))));
    }

    /// The variant of a product of halves for these matrices.
    fn variant(kind: Kind) -> Variant {
        let spec = Spec::new(Shape::new(&[64, 64]).unwrap(), DType::F16);
        let op = Matmul { trans_a: false, trans_b: false };
        let Lowering::Stages { stages, .. } = op.lower(&[spec, spec], &op.infer(&[spec, spec]).unwrap()) else {
            panic!("a product has stages")
        };
        let wanted = Target::Cooperative { side: kind.side, team: kind.team };
        stages[0].kernel.variants.iter().find(|variant| variant.target == wanted).unwrap().clone()
    }

    /// The trials of every kind are whole: as many numbers as the kernel's sizes say, bounds that a right answer can keep, some NaN on purpose.
    #[test]
    fn trials_are_whole() {
        for kind in [Kind { side: 16, team: 32 }, Kind { side: 8, team: 64 }] {
            let variant = variant(kind);
            let trials = (variant.self_test.as_ref().unwrap().trials)(&variant);
            assert!(trials.len() > 15 && trials.iter().any(|trial| trial.expected.iter().any(|(value, _)| value.is_nan())));
            for trial in &trials {
                assert!(trial.expected.len() % trial.columns == 0 && !trial.expected.is_empty(), "{}", trial.label);
                assert!(trial.expected.iter().all(|(value, bound)| value.is_nan() || (bound.is_finite() && *bound > 0.0)));
                assert_eq!(trial.kernel.variants.len(), 1);
                assert_eq!((trial.kernel.variants[0].shader, trial.kernel.variants[0].target), (variant.shader, variant.target));
            }
        }
    }

    /// Where an adapter has them: the test is passed, is kept, and is not done again; a kernel that computes something else fails it.
    #[test]
    fn the_self_test_passes_once_and_sees_a_wrong_kernel() {
        let Some(gpu) = super::super::tests::gpu() else { return };
        let Some(kind) = gpu.core.cooperative.kind else {
            println!("SKIPPED (no cooperative matrices of halves on {})", gpu.name());
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        gpu.set_tune(super::super::Tune::Off, Some(folder.path().join("tuned-x.tsv")));
        let variant = variant(kind);
        let test = variant.self_test.as_ref().unwrap();
        assert_eq!(gpu.verdict(kind, &variant, test), Ok(()));
        let file = folder.path().join("cooperative-x.txt");
        assert!(std::fs::read_to_string(&file).unwrap().ends_with("\npassed\n"));
        std::fs::write(&file, std::fs::read_to_string(&file).unwrap().replace("\npassed\n", "\nwrong once\n")).unwrap();
        assert!(gpu.verdict(kind, &variant, test).unwrap_err().starts_with("wrong once (delete"));
        let _ = gpu.core.cooperative.verdict.set(Ok(()));
        gpu.set_guarded(true);
        let trials = (test.trials)(&variant);
        trials.iter().for_each(|trial| assert_eq!(run(&gpu, trial), Ok(()), "{}", trial.label));
        // A kernel that reads B as if it were transposed, and one that starts too few workgroups.
        let whole = &trials[2];
        let mut wrong = whole.clone();
        let transposed = wrong.kernel.variants[0].consts.iter_mut().find(|(name, _)| *name == "TRANS_B").unwrap();
        transposed.1 ^= 1;
        assert!(run(&gpu, &wrong).unwrap_err().contains("instead of"));
        let mut wrong = whole.clone();
        wrong.kernel.variants[0].groups[0] -= 1;
        assert!(run(&gpu, &wrong).unwrap_err().contains("NaN instead of"));
    }
}
