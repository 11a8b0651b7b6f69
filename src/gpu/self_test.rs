//! Cooperative matrices (tensor cores and their like): asked for where the adapter has them, used only after a self-test on this adapter and driver.
//!
//! The interface is young: drivers that list a configuration have been seen to compute it wrongly or to crash over it. So the kernel first multiplies
//! known matrices on a device opened for that alone; its answers are compared with products in f64, and what was found is kept in a file beside the
//! tuned variants. A note is written before the test begins: a program that dies in it does not try again.

use super::Gpu;
use super::core::{Core, OpenOptions, lock};
use crate::files::write_cache;
use crate::plan::{Buffer, Dispatch, Kernel, Params, Place, Plan, Target, Variant, half};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, OnceLock};

/// Sizes of the square matrices there is a kernel for, the best first.
const SIDES: [u32; 2] = [16, 8];
/// Sizes of its teams, of which each must be a multiple of the subgroup's.
const TEAMS: [u32; 2] = [32, 64];

/// What a device can do with cooperative matrices.
#[derive(Default)]
pub(super) struct Cooperative {
    /// Side of the matrices and size of a team, if the device was opened with the features.
    kind: Option<Kind>,
    /// What the self-test said; unset before it was wanted.
    verdict: OnceLock<Result<(), String>>,
}

/// Which kernel: side of its matrices, invocations of a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    side: u32,
    team: u32,
}

impl Cooperative {
    pub(super) fn new(kind: Option<Kind>) -> Cooperative {
        Cooperative { kind, verdict: OnceLock::new() }
    }

    /// Whether a variant for matrices of this size may run: it is this device's, and the self-test was passed.
    pub(super) fn allows(&self, side: u32, team: u32) -> bool {
        self.kind == Some(Kind { side, team }) && matches!(self.verdict.get(), Some(Ok(())))
    }

    /// For people.
    pub(super) fn describe(&self) -> String {
        match (self.kind, self.verdict.get()) {
            (None, _) => "none that there is a kernel for".to_owned(),
            (Some(kind), None) => format!("{0}×{0}, not tried yet", kind.side),
            (Some(kind), Some(Ok(()))) => format!("{0}×{0}, self-test passed", kind.side),
            (Some(kind), Some(Err(reason))) => format!("{0}×{0}, not used: {reason}", kind.side),
        }
    }
}

/// The features a device must be opened with.
pub(super) const FEATURES: wgpu::Features = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX.union(wgpu::Features::SHADER_F16);

/// The kernel for this adapter, if it lists products of f16 matrices with sums in f32 in a size there is one for.
pub(super) fn offered(adapter: &wgpu::Adapter) -> Option<Kind> {
    if !adapter.features().contains(FEATURES) {
        return None;
    }
    let largest = adapter.get_info().subgroup_max_size;
    let team = TEAMS.into_iter().find(|&team| largest > 0 && team % largest == 0)?;
    let listed = adapter.cooperative_matrix_properties();
    let has = |&side: &u32| {
        listed.iter().any(|p| {
            [p.m_size, p.n_size, p.k_size] == [side; 3]
                && p.ab_type == wgpu::CooperativeScalarType::F16
                && p.cr_type == wgpu::CooperativeScalarType::F32
        })
    };
    SIDES.into_iter().find(has).map(|side| Kind { side, team })
}

/// The promise that wgpu asks for before it hands out experimental features.
#[allow(unsafe_code)]
pub(super) fn promise() -> wgpu::ExperimentalFeatures {
    // SAFETY: the call only acknowledges that experimental features may have bugs that safe code can meet. The one such feature asked for is
    // cooperative matrices, and the only shaders that use it are the two files of this crate, which load and store within workgroup memory of
    // fixed size; they run for a user only after the self-test below.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

/// One product of the self-test: sizes, transposes, matrices in a batch, how large numbers are, and whether one of each operand is NaN.
struct Trial {
    sizes: [usize; 3],
    trans: [bool; 2],
    batches: usize,
    scale: f32,
    nan: bool,
}

/// One matrix, several, edges in every direction, both orientations of both operands, a long sum, sums far beyond the range of halves; NaN, which must
/// reach its row and column and, by what lies beyond an edge, nothing else.
fn trials(side: usize) -> Vec<Trial> {
    let trial = |sizes, trans| Trial { sizes, trans, batches: 1, scale: 1.0, nan: false };
    let mut trials = vec![trial([side; 3], [false; 2]), trial([4, 4, 4], [false; 2])];
    for trans in [[false, false], [true, false], [false, true], [true, true]] {
        trials.push(trial([8 * side, 4 * side, 4 * side], trans));
        trials.push(trial([9 * side + 4, 5 * side + 12, 4 * side + 8], trans));
        trials.push(Trial { nan: true, ..trial([4 * side + 4, side + 4, 4 * side + 4], trans) });
    }
    trials.push(trial([2 * side, 4096, 4 * side + 4], [false, true]));
    trials.push(Trial { batches: 3, ..trial([20, 36, 28], [true, false]) });
    trials.push(Trial { scale: 200.0, ..trial([4 * side, 1024, 4 * side], [false; 2]) });
    trials
}

/// Halves between −scale and scale, by number; one in eleven is zero.
fn numbers(count: usize, seed: u32, scale: f32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let unit = ((state >> 8) % 2048) as f32 / 1024.0 - 1.0;
        if (state >> 8).is_multiple_of(11) { 0.0 } else { half::to_f32(half::from_f32(unit * scale)) }
    };
    (0..count).map(|_| next()).collect()
}

impl Trial {
    fn variant(&self, kind: Kind) -> Variant {
        let Trial { sizes: [m, _, n], trans, batches, .. } = *self;
        let [trans_a, trans_b] = trans.map(u32::from);
        let tile = 4 * kind.side as usize;
        Variant {
            consts: vec![("SIDE", kind.side), ("TEAM", kind.team), ("TRANS_A", trans_a), ("TRANS_B", trans_b)],
            bodies: [("Left", "f16, A"), ("Right", "f16, B"), ("Sum", "f32, C")]
                .map(|(alias, of)| (alias, format!("coop_mat{0}x{0}<{of}>", kind.side)))
                .to_vec(),
            ..Variant::new("matmul/cooperative", Variant::groups(batches * m.div_ceil(tile) * n.div_ceil(tile)))
        }
    }

    /// Runs it on a device and compares every number with the product in f64.
    fn run(&self, gpu: &Gpu, variant: Variant) -> Result<(), String> {
        let Trial { sizes: [m, k, n], trans: [trans_a, trans_b], batches, scale, nan } = *self;
        let (mut a, mut b) = (numbers(batches * m * k, 1, scale), numbers(batches * k * n, 2, scale));
        let [a_row, a_col] = if trans_a { [1, m] } else { [k, 1] };
        let [b_row, b_col] = if trans_b { [1, k] } else { [n, 1] };
        if nan {
            // Where an operand lies along the sum: the first number behind the end of its first row or column, which is finite itself.
            (a[a_row], b[b_col]) = (f32::NAN, f32::NAN);
        }
        let params = Params::new().set("m", m).set("n", n).set("k", k).set("batches", batches);
        let params = params.set("a_row", a_row).set("a_col", a_col).set("b_row", b_row).set("b_col", b_col);
        let params = params.set("lanes_n", 1u32).set("rank", 1u32).set("first", 0u32).set("dims", [1, batches, m * k, k * n]);
        let kernel = Kernel { name: "cooperative", params, variants: vec![variant], native: Arc::new(|_| {}) };
        let words = [half::words(a.len()), half::words(b.len())];
        let place = |buffer, words| Place { buffer, part: None, words };
        let plan = Plan {
            leaves: words.to_vec(),
            slots: vec![],
            outputs: vec![batches * m * n],
            kept: vec![],
            mutated: vec![],
            scalars: vec![],
            arenas: vec![],
            dispatches: vec![Dispatch {
                kernel,
                reads: vec![place(Buffer::Leaf(0), words[0]), place(Buffer::Leaf(1), words[1])],
                writes: vec![place(Buffer::Output(0), batches * m * n)],
                scalars: 0..0,
                flops: 0,
                label: "self-test".to_owned(),
                at: Location::caller(),
            }],
            unplanned_words: 0,
            live_words: 0,
            graph: vec![],
            cacheable: true,
        };
        let found = (|| {
            let prepared = gpu.prepare(Arc::new(plan))?;
            let leaves = [gpu.upload(&half::pack(&a))?, gpu.upload(&half::pack(&b))?];
            let outputs = gpu.run(&prepared, &leaves, &[], &[])?;
            pollster::block_on(gpu.fetch(Arc::clone(&outputs[0])))
        })()
        .map_err(|error| error.to_string())?;
        for (i, word) in found.iter().enumerate() {
            let (batch, row, column) = (i / (m * n), i / n % m, i % n);
            let term = |p: usize| {
                let x = a[batch * m * k + row * a_row + p * a_col];
                f64::from(x) * f64::from(b[batch * k * n + p * b_row + column * b_col])
            };
            let (sum, size) = (0..k).map(term).fold((0.0, 0.0), |(sum, size), t| (sum + t, size + t.abs()));
            // As the library's own check of sums: (k + 8) half units in the last place of the sum of absolute values.
            let bound = (k + 8) as f64 * size / f64::from(1u32 << 24) + 1.2e-38;
            let found = f64::from(f32::from_bits(*word));
            if found.is_nan() != sum.is_nan() || (found - sum).abs() > bound {
                let names = |t: bool| if t { "ᵀ" } else { "" };
                return Err(format!(
                    "element ({row}, {column}) of {m}×{k}{} times {k}×{n}{} is {found:e} instead of {sum:e}",
                    names(trans_a),
                    names(trans_b)
                ));
            }
        }
        Ok(())
    }
}

/// Every product on a device of its own, so that one that is lost is not the user's.
fn self_test(core: &Core, kind: Kind) -> Result<(), String> {
    let trial = catch_unwind(AssertUnwindSafe(|| {
        let core = pollster::block_on(core.another(OpenOptions::default()))?;
        if core.cooperative.kind != Some(kind) {
            return Err("a second device was opened without the features".to_owned());
        }
        let gpu = Gpu::of(core);
        // What is not written, or written beside the output, shows.
        gpu.set_guarded(true);
        trials(kind.side as usize).iter().try_for_each(|trial| trial.run(&gpu, trial.variant(kind)))
    }));
    trial.unwrap_or_else(|_| Err("the driver panicked".to_owned()))
}

impl Gpu {
    /// Has the self-test done, or its result read, if a plan has kernels that hang on it. On software adapters only where kernels are forced: there
    /// is nothing to be won.
    pub(super) fn prove_cooperative(&self, plan: &Plan, forced: bool) {
        let Some(kind) = self.core.cooperative.kind else { return };
        let asks = |variant: &Variant| matches!(variant.target, Target::Cooperative { .. });
        let wanted = || plan.dispatches.iter().any(|dispatch| dispatch.kernel.variants.iter().any(asks));
        if self.core.cooperative.verdict.get().is_some() || (self.core.software && !forced) || !wanted() {
            return;
        }
        let verdict = self.core.cooperative.verdict.get_or_init(|| self.judge(kind));
        if let Err(reason) = verdict {
            tracing::warn!("{}: cooperative matrices are not used: {reason}", self.name());
        }
    }

    fn judge(&self, kind: Kind) -> Result<(), String> {
        let file = lock(&self.tuning.state).beside("cooperative");
        let Some(file) = file else { return self_test(&self.core, kind) };
        let head = format!("{}\t{}\t{}", self.head(), kind.side, kind.team);
        if let Some(kept) = std::fs::read_to_string(&file).ok().and_then(|text| parse(&text, &head)) {
            return kept.map_err(|reason| format!("{reason} (delete {} to try again)", file.display()));
        }
        let keep = |verdict: &str| {
            if let Err(error) = write_cache(&file, format!("{head}\n{verdict}\n").as_bytes()) {
                tracing::warn!("{}: the self-test of cooperative matrices is not kept: {error}", file.display());
            }
        };
        keep(BEGUN);
        let verdict = self_test(&self.core, kind);
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
fn parse(text: &str, head: &str) -> Option<Result<(), String>> {
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
        assert_eq!(gpu.judge(kind), Ok(()));
        let file = folder.path().join("cooperative-x.txt");
        assert!(std::fs::read_to_string(&file).unwrap().ends_with("\npassed\n"));
        std::fs::write(&file, std::fs::read_to_string(&file).unwrap().replace("\npassed\n", "\nwrong once\n")).unwrap();
        assert!(gpu.judge(kind).unwrap_err().starts_with("wrong once (delete"));
        let trial = Trial { sizes: [64, 64, 64], trans: [false, true], batches: 1, scale: 1.0, nan: false };
        let variant = trial.variant(kind);
        assert_eq!(trial.run(&gpu, variant.clone()), Ok(()));
        // A kernel that reads B as if it lay the other way round, and one that starts too few workgroups.
        let mut wrong = variant.clone();
        wrong.consts[3].1 ^= 1;
        assert!(trial.run(&gpu, wrong).unwrap_err().contains("instead of"));
        let wide = Trial { sizes: [64, 64, 4 * kind.side as usize + 4], ..trial };
        let mut wrong = wide.variant(kind);
        wrong.groups[0] -= 1;
        gpu.set_guarded(true);
        assert!(wide.run(&gpu, wrong).unwrap_err().contains("NaN instead of"));
    }
}
