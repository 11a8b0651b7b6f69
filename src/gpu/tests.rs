//! Small plans, made by hand, on whatever adapter there is.

use super::guard::POISON;
use super::*;
use crate::plan::{Buffer, Dispatch, Kernel, Params, Place, Plan, Target, Variant};
use std::panic::Location;
use std::time::{Duration, Instant};

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
    // Goes round a loop n times.
    (
        "t_turns",
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
    // Takes the longer, the larger ROUNDS is; one invocation.
    (
        "t_rounds",
        "
        const ROUNDS: u32 = 1u;
        @group(0) @binding(0) var<storage, read_write> z: array<u32>;
        @compute @workgroup_size(1) fn main() {
            var state = 1u;
            for (var i = 0u; i < ROUNDS; i++) { state = (state * 1664525u + 1013904223u) ^ (state >> 3u); }
            z[0] = ROUNDS;
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
    // None of them goes round a loop more than once; who does, says so.
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
        at: Location::caller(),
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
    pollster::block_on(gpu.fetch(Arc::clone(buffer))).expect("fetches")
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

#[test]
fn the_device_may_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    fn movable<T: Send>(value: T) -> T {
        value
    }
    shared::<Gpu>();
    shared::<Prepared>();
    shared::<GpuBuffer>();
    let Some(gpu) = gpu() else { return };
    let buffer = gpu.upload(&[7, 8]).expect("uploads");
    assert_eq!(pollster::block_on(movable(gpu.fetch(buffer))).expect("fetches"), [7, 8]);
}

#[test]
fn dependent_dispatches_see_each_other_and_their_scalars() {
    let Some(gpu) = gpu() else { return };
    let prepared = gpu.prepare(chain(100)).expect("prepares");
    assert_eq!(prepared.variants(), [(0, "axpy", 0), (1, "axpy", 0)]);
    assert_eq!(gpu.counts().pipelines, 1, "both dispatches share one pipeline");
    let x = gpu.upload(&floats(&[2.0; 100])).expect("uploads");
    let y = gpu.upload(&floats(&(0..100).map(|i| i as f32).collect::<Vec<_>>())).expect("uploads");
    for (a, b) in [(3.0f32, 5.0f32), (3.0, 5.0), (-1.0, 0.5)] {
        let out = gpu.run(&prepared, &[Arc::clone(&x), Arc::clone(&y)], &[], &floats(&[a, b])).expect("runs");
        let expected: Vec<f32> = (0..100).map(|i| b * (a * 2.0 + i as f32) + i as f32).collect();
        assert_eq!(fetch_floats(&gpu, &out[0]), expected, "a = {a}, b = {b}");
    }
}

#[test]
fn specialised_bodies_are_separate_pipelines() {
    let Some(gpu) = gpu() else { return };
    let variant = |body: &str| Variant {
        bodies: vec![("combine", body.to_owned())],
        consts: vec![("SIZE", 32)],
        ..Variant::new("t_axpy", [1, 1, 1])
    };
    let dispatches = vec![
        // The second does not use y any more: its binding is left out.
        dispatch(kernel("times", vec![variant("{ return a * b; }")], &[3]), &[leaf(0, 3), leaf(1, 3)], &[output(0, 3)], 0..0),
        dispatch(kernel("square", vec![variant("{ return a * a; }")], &[3]), &[leaf(0, 3), leaf(1, 3)], &[output(1, 3)], 0..0),
    ];
    let prepared = gpu.prepare(plan(&[3, 3], &[], &[3, 3], dispatches)).expect("prepares");
    let leaves = [gpu.upload(&floats(&[1.0, 2.0, 3.0])).expect("uploads"), gpu.upload(&floats(&[5.0; 3])).expect("uploads")];
    let out = gpu.run(&prepared, &leaves, &[], &[]).expect("runs");
    assert_eq!(fetch_floats(&gpu, &out[0]), [5.0, 10.0, 15.0]);
    assert_eq!(fetch_floats(&gpu, &out[1]), [1.0, 4.0, 9.0]);
    assert_eq!(gpu.counts().pipelines, 2);
}

#[test]
fn more_than_65535_workgroups_go_through_y() {
    let Some(gpu) = gpu() else { return };
    let n = 70_000;
    let iota = kernel("iota", vec![Variant::new("t_iota", Variant::groups(n))], &[n as u32]);
    let prepared = gpu.prepare(plan(&[], &[], &[n], vec![dispatch(iota, &[], &[output(0, n)], 0..0)])).expect("prepares");
    let out = gpu.run(&prepared, &[], &[], &[]).expect("runs");
    assert!(fetch(&gpu, &out[0]).into_iter().eq(0..n as u32));
}

#[test]
fn values_without_elements_work() {
    let Some(gpu) = gpu() else { return };
    for guarded in [false, true] {
        gpu.set_guarded(guarded);
        let nothing = gpu.upload(&[]).expect("uploads");
        assert!(fetch(&gpu, &nothing).is_empty());
        assert!(fetch(&gpu, &gpu.copy(&nothing).expect("copies")).is_empty());
        // The first writes nothing and is skipped; the second reads nothing and writes one word, as a sum of nothing does.
        let vec4 = kernel("vec4", vec![Variant::new("t_vec4", [1, 1, 1])], &[]);
        let dispatches =
            vec![axpy(0, [leaf(0, 0), leaf(0, 0)], output(0, 0), 0), dispatch(vec4, &[leaf(0, 0)], &[output(1, 1)], 0..0)];
        let prepared = gpu.prepare(plan(&[0], &[], &[0, 1], dispatches)).expect("prepares");
        assert_eq!(prepared.variants(), [(1, "vec4", 0)]);
        let out = gpu.run(&prepared, &[nothing], &[], &[0]).expect("runs");
        assert!(fetch(&gpu, &out[0]).is_empty());
        assert_eq!(fetch(&gpu, &out[1]).len(), 1);
    }
}

#[test]
fn a_slot_may_hold_one_value_after_another() {
    let Some(gpu) = gpu() else { return };
    let n = 1000;
    // a = 2x + y; b = 2a + y; a' = 2b + y in a's slot, half as long; out = 2a' + b.
    let dispatches = vec![
        axpy(n, [leaf(0, n), leaf(1, n)], slot(0, n), 0),
        axpy(n, [slot(0, n), leaf(1, n)], slot(1, n), 0),
        axpy(n / 2, [slot(1, n / 2), leaf(1, n / 2)], slot(0, n / 2), 0),
        axpy(n / 2, [slot(0, n / 2), slot(1, n / 2)], output(0, n / 2), 0),
    ];
    let plan = plan(&[n, n], &[n, n], &[n / 2], dispatches);
    for guarded in [false, true] {
        gpu.set_guarded(guarded);
        let prepared = gpu.prepare(Arc::clone(&plan)).expect("prepares");
        let leaves = [gpu.upload(&floats(&vec![1.0; n])).expect("uploads"), gpu.upload(&floats(&vec![3.0; n])).expect("uploads")];
        let out = gpu.run(&prepared, &leaves, &[], &floats(&[2.0])).expect("runs");
        // a = 5, b = 13, a' = 29, out = 71.
        assert_eq!(fetch_floats(&gpu, &out[0]), vec![71.0; n / 2], "guarded: {guarded}");
    }
}

#[test]
fn leaves_may_be_changed_in_place() {
    let Some(gpu) = gpu() else { return };
    let increment = kernel("increment", vec![Variant::new("t_increment", [2, 1, 1])], &[]);
    let prepared = gpu.prepare(plan(&[70], &[], &[], vec![dispatch(increment, &[], &[leaf(0, 70)], 0..0)])).expect("prepares");
    let value = gpu.upload(&floats(&[1.0; 70])).expect("uploads");
    let before = gpu.copy(&value).expect("copies");
    for _ in 0..10 {
        gpu.run(&prepared, &[Arc::clone(&value)], &[], &[]).expect("runs");
    }
    assert_eq!(fetch_floats(&gpu, &value), [11.0; 70]);
    assert_eq!(fetch_floats(&gpu, &before), [1.0; 70], "a copy stays as it was");
}

#[test]
fn a_write_behind_the_end_is_caught_when_guarded() {
    let Some(gpu) = gpu() else { return };
    // Kernels that write 101 words of a value of 100: the plan says 100, the parameter 101.
    for place in [output(0, 100), slot(0, 100), leaf(0, 100)] {
        let dispatches = vec![ones(50, output(1, 50)), Dispatch { label: "culprit".to_owned(), ..ones(101, place) }];
        let prepared = gpu.prepare(plan(&[100], &[200], &[100, 50], dispatches)).expect("prepares");
        gpu.set_guarded(false);
        let value = gpu.upload(&[0; 100]).expect("uploads");
        gpu.run(&prepared, &[value], &[], &[]).expect("unguarded, the driver clamps the write");
        gpu.set_guarded(true);
        let value = gpu.upload(&[0; 100]).expect("uploads");
        let error = gpu.run(&prepared, &[value], &[], &[]).expect_err("guarded, it is seen").to_string();
        assert!(error.contains("kernel `ones` (culprit) wrote 0x3f800000 at word 100 of"), "{error}");
    }
    // A kernel that goes by the length of its buffer is told the true one.
    let measured = kernel("measured", vec![Variant::new("t_measured", [2, 1, 1])], &[]);
    let prepared = gpu.prepare(plan(&[], &[], &[100], vec![dispatch(measured, &[], &[output(0, 100)], 0..0)])).expect("prepares");
    gpu.run(&prepared, &[], &[], &[]).expect("no false alarm");
}

#[test]
fn skipped_writes_show_as_poison_when_guarded() {
    let Some(gpu) = gpu() else { return };
    gpu.set_guarded(true);
    let n = 200;
    let dispatches = vec![ones(150, slot(0, n)), axpy(n, [slot(0, n), slot(0, n)], output(0, n), 0), ones(150, output(1, n))];
    let prepared = gpu.prepare(plan(&[], &[n], &[n, n], dispatches)).expect("prepares");
    for _ in 0..2 {
        let out = gpu.run(&prepared, &[], &[], &floats(&[1.0])).expect("runs");
        let through_slot = fetch_floats(&gpu, &out[0]);
        assert!(through_slot[..150].iter().all(|&v| v == 2.0));
        assert!(through_slot[150..].iter().all(|v| v.is_nan()), "{:?}", &through_slot[150..]);
        let direct = fetch(&gpu, &out[1]);
        assert!(direct[..150].iter().all(|&w| w == 1.0f32.to_bits()));
        assert!(direct[150..].iter().all(|&w| w == POISON));
    }
}

#[test]
fn a_steady_loop_makes_nothing_anew() {
    let Some(gpu) = gpu() else { return };
    let n = 5000;
    let prepared = gpu.prepare(chain(n)).expect("prepares");
    let y = gpu.upload(&floats(&vec![1.0; n])).expect("uploads");
    let step = |i: u32| {
        let x = gpu.upload(&floats(&vec![i as f32; n])).expect("uploads");
        gpu.run(&prepared, &[x, Arc::clone(&y)], &[], &floats(&[1.0, i as f32])).expect("runs")
    };
    let mut last = step(0);
    for i in 1..4 {
        last = step(i);
    }
    let before = gpu.counts();
    let live = gpu.live_bytes();
    for i in 4..54 {
        last = step(i);
    }
    let after = gpu.counts();
    assert_eq!(after.dispatches - before.dispatches, 100);
    assert!(after.submissions - before.submissions <= 50);
    assert_eq!((after.bind_groups, after.pipelines, after.buffers), (before.bind_groups, before.pipelines, before.buffers));
    assert_eq!(gpu.live_bytes(), live);
    assert_eq!(fetch_floats(&gpu, &last[0])[n - 1], 53.0 * 54.0 + 1.0);
}

/// Scalars and small uploads that change from run to run must each meet their own run, also when many runs share a list, and memory that one
/// run gives back may be uploaded to by the next.
#[test]
fn runs_that_share_a_list_meet_their_own_numbers() {
    let Some(gpu) = gpu() else { return };
    let n = 100;
    let plan = plan(&[n, n], &[], &[n], vec![axpy(n, [leaf(0, n), leaf(1, n)], output(0, n), 0)]);
    let prepared = gpu.prepare(plan).expect("works");
    let run = |gpu: &Gpu, i: usize| {
        let leaves = [i as f32, 1.0].map(|v| gpu.upload(&floats(&[v; 100])).expect("works"));
        gpu.run(&prepared, &leaves, &[], &floats(&[i as f32])).expect("works").remove(0)
    };
    gpu.core.pretend_busy();
    gpu.wait().expect("works");
    let before = gpu.counts();
    // Two thirds are dropped unread, so that their memory is used again while they wait.
    let kept: Vec<_> = (0..300).map(|i| (i, run(&gpu, i))).filter(|(i, _)| i % 3 == 0).collect();
    let shared = gpu.counts().submissions - before.submissions;
    assert!((1..=300 / 8).contains(&shared), "{shared} lists for 300 runs");
    // An upload too large to be carried by a list comes behind what waits all the same.
    let large = gpu.upload(&vec![7; 1 << 17]).expect("works");
    assert_eq!(fetch(&gpu, &large), vec![7; 1 << 17]);
    for (i, value) in kept {
        assert_eq!(fetch_floats(&gpu, &value), [(i * i + 1) as f32; 100], "run {i}");
    }
}

#[test]
fn memory_goes_back_to_the_pool() {
    let Some(gpu) = gpu() else { return };
    let start = gpu.live_bytes();
    let prepared = gpu.prepare(chain(4096)).expect("prepares");
    let x = gpu.upload(&[0; 4096]).expect("uploads");
    let out = gpu.run(&prepared, &[Arc::clone(&x), Arc::clone(&x)], &[], &[0, 0]).expect("runs");
    assert_eq!(gpu.live_bytes() - start, 3 * 4 * 4096, "a leaf, a slot and an output");
    drop((prepared, x, out));
    assert_eq!(gpu.live_bytes(), start);
    assert_eq!(gpu.trim(), 3 * 4 * 4096);
    assert_eq!(gpu.pooled_bytes(), 0);
}

#[test]
fn what_is_too_large_is_an_error_with_the_limit() {
    let Some(gpu) = open(OpenOptions { minimal_limits: true }) else { return };
    let limit = gpu.limits().binding_bytes;
    assert_eq!(limit, 128 << 20);
    let words = (limit / 4) as usize + 1;
    let too_large = |error: Error| matches!(error, Error::TooLarge { bytes, limit: l, .. } if bytes == limit + 4 && l == limit);
    assert!(too_large(gpu.upload(&vec![0; words]).expect_err("too large")));
    assert!(too_large(gpu.prepare(plan(&[], &[words], &[], vec![])).expect_err("too large")));
    let fits = gpu.upload(&vec![9; words - 1]).expect("the limit itself is allowed");
    assert!(fetch(&gpu, &fits).iter().all(|&w| w == 9));
}

#[test]
fn variants_are_chosen_by_kind_and_limits() {
    let who = |who: u32, memory: u32, target: Target| Variant {
        consts: vec![("WHO", who), ("MEMORY", memory)],
        target,
        ..Variant::new("t_who", [1, 1, 1])
    };
    let variants = vec![
        who(10, 1 << 20, Target::Any), // 4 MiB of workgroup memory: nowhere
        who(11, 6 << 10, Target::Any), // 24 KiB: not in a browser
        who(12, 1, Target::Hardware),
        who(13, 1, Target::Software),
        who(14, 1, Target::Any),
    ];
    for minimal_limits in [false, true] {
        let Some(gpu) = open(OpenOptions { minimal_limits }) else { return };
        let roomy = gpu.limits().workgroup_bytes >= 24 << 10;
        let ran = |force: Option<usize>| {
            gpu.force_variant(force);
            let who = kernel("who", variants.clone(), &[]);
            let prepared = gpu.prepare(plan(&[], &[], &[1], vec![dispatch(who, &[], &[output(0, 1)], 0..0)])).expect("prepares");
            fetch(&gpu, &gpu.run(&prepared, &[], &[], &[]).expect("runs")[0])[0]
        };
        let suited = if gpu.is_software() { 13 } else { 12 };
        assert_eq!(ran(None), if roomy { 11 } else { suited });
        let fitting: &[u32] = if roomy { &[11, 12, 13, 14] } else { &[12, 13, 14] };
        for (i, &expected) in fitting.iter().enumerate() {
            assert_eq!(ran(Some(i)), expected);
        }
        assert_eq!(ran(Some(99)), 14);
    }
}

#[test]
fn faults_are_errors_and_the_device_goes_on() {
    let Some(gpu) = gpu() else { return };
    let error = |plan: Arc<Plan>| gpu.prepare(plan).expect_err("refused").to_string();
    let bare = |shader| dispatch(kernel("k", vec![Variant::new(shader, [1, 1, 1])], &[1]), &[], &[output(0, 1)], 0..0);
    assert!(error(plan(&[], &[], &[1], vec![bare("t_missing")])).contains("no such file"));
    assert!(error(plan(&[], &[], &[1], vec![bare("t_axpy")])).contains("`x` has no buffer"));
    assert!(error(plan(&[], &[], &[1], vec![ones(2, output(0, 2))])).contains("binds 2 words of out0"));
    let long = dispatch(kernel("k", vec![Variant::new("t_ones", [1, 1, 1])], &[1, 2]), &[], &[output(0, 1)], 0..0);
    assert!(error(plan(&[], &[], &[1], vec![long])).contains("2 words for `params.n` of 4 bytes"));

    let n = 10;
    let prepared =
        gpu.prepare(plan(&[n, n], &[], &[], vec![axpy(n, [leaf(0, n), leaf(0, n)], leaf(1, n), 0)])).expect("prepares");
    let (x, z) = (gpu.upload(&floats(&[1.0; 10])).expect("uploads"), gpu.upload(&[0; 10]).expect("uploads"));
    assert!(gpu.run(&prepared, &[Arc::clone(&x)], &[], &[0]).is_err(), "a leaf is missing");
    assert!(gpu.run(&prepared, &[Arc::clone(&x), Arc::clone(&z)], &[], &[]).is_err(), "a scalar is missing");
    // At the latest once it is submitted.
    let twice = gpu.run(&prepared, &[Arc::clone(&x), Arc::clone(&x)], &[], &[0]).and_then(|_| gpu.wait());
    assert!(matches!(twice, Err(Error::Device { .. })), "one buffer read and written: {twice:?}");
    let Some(other) = self::gpu() else { return };
    let foreign = other.upload(&[0; 10]).expect("uploads");
    let mixed_up = |error: Option<Error>| assert!(error.is_some_and(|e| e.to_string().contains("another device")));
    mixed_up(gpu.run(&prepared, &[Arc::clone(&foreign), Arc::clone(&z)], &[], &[0]).err());
    mixed_up(gpu.copy(&foreign).err());
    mixed_up(pollster::block_on(gpu.fetch(foreign)).err());
    mixed_up(other.run(&prepared, &[Arc::clone(&x), Arc::clone(&z)], &[], &[0]).err());
    gpu.run(&prepared, &[x, Arc::clone(&z)], &[], &floats(&[2.0])).expect("runs after all that");
    assert_eq!(fetch_floats(&gpu, &z), [3.0; 10]);
}

#[test]
fn a_lost_device_is_an_error_within_a_second() {
    let Some(gpu) = gpu() else { return };
    let n = 1 << 20;
    let prepared = gpu.prepare(chain(n)).expect("prepares");
    let x = gpu.upload(&floats(&vec![1.0; n])).expect("uploads");
    let leaves = [Arc::clone(&x), Arc::clone(&x)];
    let mut out = gpu.run(&prepared, &leaves, &[], &[0, 0]).expect("runs");
    out.extend(gpu.run(&prepared, &leaves, &[], &[0, 0]).expect("runs"));
    gpu.lose();
    let start = Instant::now();
    let lost =
        |what: &str, result: Option<Error>| assert!(matches!(result, Some(Error::DeviceLost { .. })), "{what}: {result:?}");
    lost("fetch", pollster::block_on(gpu.fetch(Arc::clone(&out[0]))).err());
    lost("run", gpu.run(&prepared, &leaves, &[], &[0, 0]).err());
    lost("upload", gpu.upload(&[1]).err());
    lost("copy", gpu.copy(&x).err());
    lost("prepare", gpu.prepare(chain(10)).err());
    lost("wait", gpu.wait().err());
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(gpu.check().is_err());

    let Some(gpu) = self::gpu() else { return };
    let prepared = gpu.prepare(chain(10)).expect("prepares");
    let x = gpu.upload(&[0; 10]).expect("uploads");
    gpu.lose();
    lost("the first run", gpu.run(&prepared, &[Arc::clone(&x), x], &[], &[0, 0]).err());
}

#[test]
fn threads_take_turns() {
    let Some(gpu) = gpu() else { return };
    let n = 300;
    let prepared = gpu.prepare(chain(n)).expect("prepares");
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let (gpu, prepared) = (&gpu, &prepared);
            scope.spawn(move || {
                for round in 0..25u32 {
                    let (a, b) = ((thread + 1) as f32, (round + 1) as f32);
                    let x = gpu.upload(&floats(&vec![a; n])).expect("uploads");
                    let y = gpu.upload(&floats(&vec![b; n])).expect("uploads");
                    let out = gpu.run(prepared, &[x, y], &[], &floats(&[a, b])).expect("runs");
                    assert_eq!(fetch_floats(gpu, &out[0]), vec![b * (a * a + b) + b; n]);
                }
            });
        }
    });
}

#[test]
fn uploads_do_not_pile_up() {
    let Some(gpu) = gpu() else { return };
    let words: Vec<u32> = (0..20 << 18).collect();
    let kept: Vec<_> = (0..4).map(|_| gpu.upload(&words).expect("uploads")).collect();
    assert_eq!(gpu.counts().submissions, 1, "80 MiB were uploaded, 64 may wait");
    assert_eq!(fetch(&gpu, &kept[0]), words);
    assert_eq!(fetch(&gpu, &kept[3]), words);
}

#[test]
fn adapters_are_listed_in_a_fixed_order() {
    let list = || pollster::block_on(adapters());
    let first = list();
    assert_eq!(first, list());
    assert!(
        first.iter().rposition(|a| !a.software && a.backend != "gl") < first.iter().position(|a| a.software).or(Some(usize::MAX))
    );
    match pollster::block_on(Gpu::open(Some("no such adapter"))) {
        Err(Error::UnknownDevice { name, available }) => assert!(name == "no such adapter" && available.len() == first.len()),
        Err(Error::NoAdapter { .. }) => assert!(first.is_empty()),
        other => panic!("{other:?}"),
    }
    if first.iter().all(|a| a.software) {
        assert!(matches!(pollster::block_on(Gpu::open(None)), Err(Error::NoAdapter { .. })));
    }
}
