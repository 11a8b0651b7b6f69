//! What runs compute: order, scalars, specialisation, guards.

use super::super::Prepared;
use super::super::buffers::POISON;
use super::*;

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
    assert_eq!(pollster::block_on(movable(gpu.read(buffer))).expect("fetches"), [7, 8]);
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
fn a_write_beyond_the_end_is_caught_when_guarded() {
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
        assert!(error.contains("kernel `ones` (culprit at src"), "{error}");
        assert!(error.contains(") wrote 0x3f800000 at word 100 of"), "{error}");
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
