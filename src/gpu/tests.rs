//! Small plans, made by hand, on whatever adapter there is: what the tests of this room share.

mod device;
mod runs;

use super::{Gpu, GpuBuffer, OpenOptions};
use crate::error::At;
use crate::plan::{Buffer, Dispatch, Kernel, Params, Place, Plan, Variant};
use std::sync::Arc;

/// The test shaders: `source` finds them beside the files of `shaders/`.
const SHADERS: &[(&str, &str)] = &[
    (
        "t_axpy",
        "
        struct Params { n: u32 }
        struct Scalars { a: f32 }
        @group(0) @binding(0) var<storage, read> x: array<f32>;
        @group(0) @binding(1) var<storage, read> y: array<f32>;
        @group(0) @binding(2) var<storage, read_write> z: array<f32>;
        @group(0) @binding(3) var<uniform> params: Params;
        @group(0) @binding(4) var<uniform> scalars: Scalars;
        const SIZE: u32 = 64u;
        fn combine(a: f32, b: f32) -> f32 { return scalars.a * a + b; }
        @compute @workgroup_size(SIZE) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
            if (id.x < params.n) { z[id.x] = combine(x[id.x], y[id.x]); }
        }",
    ),
    (
        "t_iota",
        "
        struct Params { n: u32 }
        @group(0) @binding(0) var<storage, read_write> z: array<u32>;
        @group(0) @binding(1) var<uniform> params: Params;
        @compute @workgroup_size(1)
        fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
            let i = id.y * groups.x + id.x;
            if (i < params.n) { z[i] = i; }
        }",
    ),
    // A loop of n iterations.
    (
        "t_count",
        "
        struct Params { n: u32 }
        @group(0) @binding(0) var<storage, read_write> z: array<u32>;
        @group(0) @binding(1) var<uniform> params: Params;
        @compute @workgroup_size(1) fn main() {
            var count = 0u;
            for (var i = 0u; i < params.n; i++) { count += 1u; }
            z[0] = count;
        }",
    ),
    // Writes the words below `n`, whatever the buffer's size.
    (
        "t_ones",
        "
        struct Params { n: u32 }
        @group(0) @binding(0) var<storage, read_write> z: array<f32>;
        @group(0) @binding(1) var<uniform> params: Params;
        @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
            if (id.x < params.n) { z[id.x] = 1.0; }
        }",
    ),
    (
        "t_measured",
        "
        @group(0) @binding(0) var<storage, read_write> z: array<f32>;
        @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
            if (id.x < arrayLength(&z)) { z[id.x] = 1.0; }
        }",
    ),
    (
        "t_vec4",
        "
        @group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
        @group(0) @binding(1) var<storage, read_write> z: array<f32>;
        @compute @workgroup_size(1) fn main() { z[0] = x[0].x + 1.0; }",
    ),
    (
        "t_increment",
        "
        @group(0) @binding(0) var<storage, read_write> z: array<f32>;
        @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
            if (id.x < arrayLength(&z)) { z[id.x] += 1.0; }
        }",
    ),
    // Takes the longer, the larger ITERATIONS is; one invocation.
    (
        "t_iterate",
        "
        const ITERATIONS: u32 = 1u;
        @group(0) @binding(0) var<storage, read_write> z: array<u32>;
        @compute @workgroup_size(1) fn main() {
            var state = 1u;
            for (var i = 0u; i < ITERATIONS; i++) { state = (state * 1664525u + 1013904223u) ^ (state >> 3u); }
            z[0] = ITERATIONS;
            z[1] = state;
        }",
    ),
    // Which variant ran: WHO. MEMORY words of workgroup memory say which devices allow it.
    (
        "t_who",
        "
        const WHO: u32 = 0u;
        const MEMORY: u32 = 1u;
        var<workgroup> memory: array<u32, MEMORY>;
        @group(0) @binding(0) var<storage, read_write> z: array<u32>;
        @compute @workgroup_size(1) fn main() {
            memory[0] = WHO;
            workgroupBarrier();
            z[0] = memory[0];
        }",
    ),
];

pub(super) fn source(stem: &str) -> Option<&'static str> {
    SHADERS.iter().find(|(name, _)| *name == stem).map(|(_, text)| *text)
}

pub(super) fn open(options: OpenOptions) -> Option<Gpu> {
    match pollster::block_on(Gpu::open_with(Some(""), options)) {
        // These tests look at single dispatches; those of merging say so.
        Ok(gpu) => {
            gpu.merge_after(None);
            Some(gpu)
        }
        Err(e) if std::env::var("STEEPEST_REQUIRE_GPU").is_ok_and(|v| v == "1") => panic!("STEEPEST_REQUIRE_GPU=1: {e}"),
        Err(e) => {
            println!("SKIPPED (no adapter): {e}");
            None
        }
    }
}

pub(super) fn gpu() -> Option<Gpu> {
    open(OpenOptions::default())
}

pub(super) fn kernel(name: &'static str, variants: Vec<Variant>, params: &[u32]) -> Kernel {
    // None of them has a loop of more than one iteration; who does, says so.
    let variants = variants.into_iter().map(|v| Variant { loop_iterations: v.loop_iterations.or(Some(1)), ..v }).collect();
    let params = if params.is_empty() { Params::new() } else { Params::new().set("n", params.to_vec()) };
    Kernel { name, params, variants, native: Arc::new(|_| {}) }
}

#[track_caller]
pub(super) fn dispatch(kernel: Kernel, reads: &[Place], writes: &[Place], scalars: std::ops::Range<usize>) -> Dispatch {
    Dispatch {
        kernel,
        reads: reads.to_vec(),
        writes: writes.to_vec(),
        scalars,
        flops: 0,
        label: "test".to_owned(),
        call: None,
        at: At::caller(),
    }
}

pub(super) fn plan(leaves: &[usize], slots: &[usize], outputs: &[usize], dispatches: Vec<Dispatch>) -> Arc<Plan> {
    let (leaves, slots, outputs) = (leaves.to_vec(), slots.to_vec(), outputs.to_vec());
    let (kept, mutated, scalars, graph) = (vec![], vec![], vec![], vec![]);
    Arc::new(Plan {
        leaves,
        slots,
        outputs,
        kept,
        mutated,
        scalars,
        arenas: vec![],
        dispatches,
        unplanned_words: 0,
        live_words: 0,
        graph,
        cacheable: true,
    })
}

pub(super) fn leaf(i: usize, words: usize) -> Place {
    Place { buffer: Buffer::Leaf(i), part: None, words }
}
pub(super) fn slot(i: usize, words: usize) -> Place {
    Place { buffer: Buffer::Slot(i), part: None, words }
}
pub(super) fn output(i: usize, words: usize) -> Place {
    Place { buffer: Buffer::Output(i), part: None, words }
}

pub(super) fn axpy(n: usize, reads: [Place; 2], write: Place, scalar: usize) -> Dispatch {
    let variant = Variant::new("t_axpy", Variant::groups(n.div_ceil(64)));
    dispatch(kernel("axpy", vec![variant], &[n as u32]), &reads, &[write], scalar..scalar + 1)
}

fn ones(n: usize, write: Place) -> Dispatch {
    let variant = Variant::new("t_ones", Variant::groups(n.div_ceil(64)));
    dispatch(kernel("ones", vec![variant], &[n as u32]), &[], &[write], 0..0)
}

pub(super) fn floats(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

pub(super) fn fetch(gpu: &Gpu, buffer: &Arc<GpuBuffer>) -> Vec<u32> {
    pollster::block_on(gpu.read(Arc::clone(buffer))).expect("fetches")
}

pub(super) fn fetch_floats(gpu: &Gpu, buffer: &Arc<GpuBuffer>) -> Vec<f32> {
    fetch(gpu, buffer).into_iter().map(f32::from_bits).collect()
}

/// z = b·(a·x + y) + y, through a slot.
pub(super) fn chain(n: usize) -> Arc<Plan> {
    let first = axpy(n, [leaf(0, n), leaf(1, n)], slot(0, n), 0);
    let second = axpy(n, [slot(0, n), leaf(1, n)], output(0, n), 1);
    plan(&[n, n], &[n], &[n], vec![first, second])
}
