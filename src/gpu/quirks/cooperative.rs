//! Cooperative matrices (tensor cores and their like): drivers that list a configuration have been seen to compute it wrongly, or to crash over it.
//!
//! Which: the interface is young, and any driver of Vulkan or Metal that lists 16×16 or 8×8 matrices of f16 with sums in f32 may be one. Software
//! adapters that list them gain nothing by them.
//! What follows: the features are asked for only where there is a kernel for what is listed, and such a kernel runs only once it has passed
//! its self-test on this adapter and driver (`gpu/self_test.rs`).

use std::sync::OnceLock;

/// Sizes of the square matrices there is a kernel for, the best first.
const SIDES: [u32; 2] = [16, 8];
/// Sizes of its teams, of which each must be a multiple of the subgroup's.
const TEAMS: [u32; 2] = [32, 64];

/// What a device can do with cooperative matrices.
#[derive(Default)]
pub(in crate::gpu) struct Cooperative {
    /// What there is a kernel for, if the device was opened with the features.
    pub(in crate::gpu) kind: Option<Kind>,
    /// What the self-test said; unset before it was wanted.
    pub(in crate::gpu) verdict: OnceLock<Result<(), String>>,
}

/// Which kernel: side of its matrices, invocations of a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gpu) struct Kind {
    pub(in crate::gpu) side: u32,
    pub(in crate::gpu) team: u32,
}

impl Cooperative {
    pub(in crate::gpu) fn new(kind: Option<Kind>) -> Cooperative {
        Cooperative { kind, verdict: OnceLock::new() }
    }

    /// Whether a variant for matrices of this size may run: it is this device's, and the self-test was passed.
    pub(in crate::gpu) fn allows(&self, side: u32, team: u32) -> bool {
        self.kind == Some(Kind { side, team }) && matches!(self.verdict.get(), Some(Ok(())))
    }

    /// For people.
    pub(in crate::gpu) fn describe(&self) -> String {
        match (self.kind, self.verdict.get()) {
            (None, _) => "none that there is a kernel for".to_owned(),
            (Some(kind), None) => format!("{0}×{0}, not tried yet", kind.side),
            (Some(kind), Some(Ok(()))) => format!("{0}×{0}, self-test passed", kind.side),
            (Some(kind), Some(Err(reason))) => format!("{0}×{0}, not used: {reason}", kind.side),
        }
    }
}

/// The features a device must be opened with.
pub(in crate::gpu) const FEATURES: wgpu::Features =
    wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX.union(wgpu::Features::SHADER_F16);

/// The kernel for this adapter, if it lists products of f16 matrices with sums in f32 in a size there is one for.
pub(in crate::gpu) fn offered(adapter: &wgpu::Adapter) -> Option<Kind> {
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

/// What wgpu wants to have acknowledged before it gives out experimental features.
#[allow(unsafe_code)]
pub(in crate::gpu) fn acknowledged() -> wgpu::ExperimentalFeatures {
    // SAFETY: the call only acknowledges that experimental features may have bugs that safe code can meet. The one such feature asked for is
    // cooperative matrices, and the only shaders that use it are this crate's, which load and store within workgroup memory of
    // fixed size; they run for a user only after their self-test.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}
