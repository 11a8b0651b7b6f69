//! Recording, differentiating, running: what is kept, what is spent, what is refused, and how deep it may go.
#![allow(clippy::unwrap_used)]

use crate::common;
use rayon::prelude::*;
use steepest::error::OpError;
use steepest::graph::op::{Array, GradCtx, Lowering, Op, Spec};
use steepest::optim::{Optimizer, Sgd};
use steepest::plan::Switches;
use steepest::{Device, Error, Tensor, no_grad};

fn op_error(result: Result<impl std::fmt::Debug, Error>) -> OpError {
    match result.unwrap_err() {
        Error::Op { error, .. } => error,
        other => panic!("{other}"),
    }
}

#[test]
fn send_and_sync() {
    fn check<T: Send + Sync>() {}
    check::<Tensor>();
    check::<Device>();
    check::<Error>();
}

/// A thread that waits for a part of a run must not pick up a task that waits for that run to end.
#[test]
fn tasks_of_rayon_may_use_one_device() {
    for device in common::devices("tasks of rayon") {
        let (n, tasks) = if device.as_gpu().is_some() { (64, 64) } else { (400, 300) };
        let w = device.tensor(&vec![1.0f32 / n as f32; n * n], [n, n]);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().unwrap();
        let (say, hear) = std::sync::mpsc::channel();
        let started = device.clone();
        std::thread::spawn(move || {
            let one = |i: usize| {
                let x = started.tensor(&vec![i as f32; n * n], [n, n]);
                x.matmul(&w).matmul(&w).to_vec::<f32>().unwrap()[n]
            };
            let found: Vec<f32> = pool.install(|| (0..tasks).into_par_iter().with_max_len(1).map(one).collect());
            say.send(found).unwrap();
        });
        let found = hear.recv_timeout(std::time::Duration::from_secs(60)).unwrap_or_else(|_| panic!("{device}: all wait"));
        assert!(found.iter().enumerate().all(|(i, v)| (v - i as f32).abs() <= 1e-4 * i as f32), "{device}: {found:?}");
    }
}

#[test]
fn nothing_runs_before_it_is_read() {
    let device = Device::cpu();
    let x = device.tensor(&[1.0f32, 2.0, 3.0], 3);
    let y = (&x * 2.0 + 1.0).relu();
    assert_eq!(device.runs_and_misses().0, 0);
    assert_eq!(y.to_vec::<f32>().unwrap(), [3.0, 5.0, 7.0]);
    assert_eq!(device.runs_and_misses(), (1, 1));
    // Read again: the value is kept.
    y.to_vec::<f32>().unwrap();
    assert_eq!(device.runs_and_misses().0, 1);
}

#[test]
fn an_error_names_the_op_the_shapes_and_the_line() {
    let device = Device::cpu();
    let a = device.zeros([2, 3]);
    let b = device.zeros([4]);
    let line = line!() + 1;
    let sum = &a + &b;
    let later = sum.relu().sum(&[]);
    let text = later.item().unwrap_err().to_string();
    assert_eq!(text, format!("add at tests/it/graph.rs:{line}: [2,3] and [4] do not broadcast: sizes 3 and 4 differ"));
    assert_eq!(sum.check().unwrap_err().to_string(), text);
    assert!(format!("{later:?}").contains("invalid"));
    assert!(later.try_shape().is_err());
    assert!(matches!(op_error(later.backward().wrt(&a)), OpError::Shape(_)));
    // What is recorded after gradients were carries its own line again, and not that of the op whose gradient was the last.
    let w = device.parameter(&[1.0; 6], [2, 3]);
    w.square().sum(&[]).backward().wrt(&w).unwrap().to_vec::<f32>().unwrap();
    let line = line!() + 1;
    let text = (&w + &b).check().unwrap_err().to_string();
    assert!(text.starts_with(&format!("add at tests/it/graph.rs:{line}: ")), "{text}");
}

#[test]
fn every_kind_of_bad_input_is_a_typed_error() {
    let device = Device::cpu();
    let x = device.tensor(&[1.0f32, 2.0, 3.0, 4.0], [2, 2]);
    let labels = device.tensor(&[0u32, 7], 2);
    assert!(matches!(op_error(x.reshape([3]).check()), OpError::Shape(_)));
    assert!(matches!(op_error(x.sum(&[2]).check()), OpError::Axis { axis: 2, .. }));
    assert!(matches!(op_error(x.softmax(-3).check()), OpError::Axis { axis: -3, .. }));
    assert!(matches!(op_error(x.sum(&[0, 0]).check()), OpError::Value(_)));
    assert!(matches!(op_error(x.add(&labels).check()), OpError::DType(_)));
    assert!(matches!(op_error(x.cross_entropy(&labels).check()), OpError::OutOfRange { what: "label", found: 7, size: 2 }));
    let negative = device.tensor(&[0i32, -1], 2);
    assert!(matches!(op_error(x.cross_entropy(&negative).check()), OpError::OutOfRange { found: -1, .. }));
    assert!(matches!(op_error(x.slice_step(0, None, None, 0).check()), OpError::Value(_)));
    assert!(matches!(op_error(x.permute(&[0, 0]).check()), OpError::Value(_)));
    assert!(matches!(op_error(x.pad(&[(1, usize::MAX), (0, 0)], 0.0).check()), OpError::Shape(_)));
    assert!(matches!(op_error(x.expand([3, 2]).check()), OpError::Shape(_)));
    assert!(matches!(op_error(device.tensor(&[1.0f32], [2]).check()), OpError::Shape(_)));
    assert!(matches!(op_error(device.zeros([1; 9]).check()), OpError::Shape(_)));
    assert!(matches!(op_error(device.zeros([usize::MAX, 2]).check()), OpError::Shape(_)));
    assert!(matches!(op_error(device.zeros([0, 2]).max(&[0]).check()), OpError::Shape(_)));
    assert!(matches!(op_error(x.to_vec::<u32>()), OpError::DType(_)));
    assert!(matches!(op_error(x.item()), OpError::Shape(_)));
    assert!(matches!(op_error(x.mse(&device.zeros([2, 1])).check()), OpError::Shape(_)));
    let other = Device::cpu();
    assert!(matches!(op_error(x.add(&other.zeros([2, 2])).check()), OpError::Devices(..)));
    assert!(matches!(op_error(other.run([&x.relu()])), OpError::Devices(..)));
    match Device::named("gpu:no such adapter").unwrap_err() {
        Error::UnknownDevice { name, available } => {
            assert_eq!(name, "gpu:no such adapter");
            assert!(available.contains(&"cpu".to_owned()));
        }
        Error::NoGpuSupport { device } if cfg!(not(feature = "gpu")) => assert_eq!(device, "no such adapter"),
        other => panic!("{other}"),
    }
    assert!(x.set(&[1.0f32]).is_err());
    assert!(x.set(&[1u32, 2, 3, 4]).is_err());
    assert!(x.relu().set(&[1.0f32; 4]).is_err());
}

#[test]
fn gradients_are_addressed_by_parameter() {
    let device = Device::cpu();
    let w = device.parameter(&[2.0, -1.0], 2);
    let unused = device.parameter(&[1.0], 1);
    let x = device.tensor(&[3.0f32, 5.0], 2);
    let loss = (&w * &x).square().sum(&[]);
    let gradients = loss.backward();
    assert_eq!(gradients.wrt(&w).unwrap().to_vec::<f32>().unwrap(), [36.0, -50.0]);
    assert!(gradients.get(&unused).unwrap().is_none());
    assert!(matches!(op_error(gradients.wrt(&unused)), OpError::Gradient(_)));
    assert!(matches!(op_error(w.square().backward().wrt(&w)), OpError::Gradient(_)));
    assert!(matches!(op_error(x.sum(&[]).backward().wrt(&w)), OpError::Gradient(_)));
    // By a cotangent, and twice.
    let product = w.square();
    let g = product.backward_with(&x).wrt(&w).unwrap();
    assert_eq!(g.to_vec::<f32>().unwrap(), [12.0, -10.0]);
    let second = g.sum(&[]).backward().wrt(&w).unwrap();
    assert_eq!(second.to_vec::<f32>().unwrap(), [6.0, 10.0]);
    assert!(product.backward_with(&device.zeros(3)).wrt(&w).is_err());
}

#[test]
fn detach_and_no_grad_cut_the_graph() {
    let device = Device::cpu();
    let w = device.parameter(&[2.0], 1);
    let loss = (&w * w.detach()).sum(&[]);
    assert_eq!(loss.backward().wrt(&w).unwrap().to_vec::<f32>().unwrap(), [2.0]);
    let y = no_grad(|| &w * 3.0);
    assert!(!y.requires_grad());
    assert!((&w * 3.0).requires_grad());
}

#[test]
fn deep_graphs_do_not_overflow_the_stack() {
    let device = Device::cpu();
    let w = device.parameter(&[1.0], 1);
    let mut x = w.clone();
    for _ in 0..100_000 {
        x = x.add_scalar(1.0);
    }
    let gradient = x.sum(&[]).backward().wrt(&w).unwrap();
    assert_eq!(gradient.item().unwrap(), 1.0);
    assert_eq!(x.item().unwrap(), 100_001.0);
    drop((x, gradient));
    assert!(device.live_nodes() < 10, "{} nodes", device.live_nodes());
}

#[test]
fn a_loop_that_never_runs_is_told_so() {
    let device = Device::cpu();
    device.set_node_limit(1000);
    let w = device.parameter(&[1.0], 1);
    let mut total = device.scalar(0.0);
    for _ in 0..2000 {
        total = total + w.square().sum(&[]);
    }
    assert!(matches!(op_error(total.item()), OpError::NeverRun { limit: 1000, .. }));
    drop(total);
    assert_eq!(w.square().item().unwrap(), 1.0);
    // The limit itself is allowed, and one more is not.
    device.set_node_limit(device.live_nodes() + 2);
    let (a, b) = (w.square(), w.exp());
    assert!(a.check().is_ok() && b.check().is_ok());
    assert!(matches!(op_error(w.sin().check()), OpError::NeverRun { nodes: 3, limit: 3 }));
    drop(b);
    assert!(w.sin().check().is_ok());
}

#[test]
fn a_loop_that_steps_stays_flat_even_when_it_adds_up_its_losses() {
    let device = Device::cpu();
    let w = device.parameter(&[4.0], 1);
    let mut opt = Sgd::new([w.clone()], 0.01);
    let mut total = device.scalar(0.0);
    for _ in 0..300 {
        let loss = w.square().sum(&[]);
        opt.step(loss.backward()).unwrap();
        total = total + &loss;
        device.run([&total]).unwrap();
    }
    assert!(device.live_nodes() < 20, "{} nodes", device.live_nodes());
    let (runs, misses) = device.runs_and_misses();
    assert!(runs == 600 && misses <= 4, "{runs} runs, {misses} plans");
}

/// Nothing is made anew in a loop once it has settled, small dispatches merged: no plan, no buffer, no bind group, no node left over.
#[test]
fn a_loop_settles() {
    for device in common::devices("a settled loop") {
        let w = device.parameter(&[0.5; 32], [8, 4]);
        let mut opt = Sgd::new([w.clone()], 0.01).momentum(0.9);
        let mut round = |k: u32| {
            let x = device.tensor(&(0..16).map(|i| ((i + k) % 5) as f32).collect::<Vec<_>>(), [2, 8]);
            let loss = x.matmul(&w).relu().square().mean(&[]);
            opt.step(loss.backward()).unwrap();
            loss.item().unwrap()
        };
        (0..300).for_each(|k| assert!(round(k).is_finite()));
        let settled = device.as_gpu().map(|gpu| (gpu.counts(), gpu.live_bytes()));
        (300..900).for_each(|k| assert!(round(k).is_finite()));
        assert_eq!(device.runs_and_misses().1, 1);
        assert!(device.live_nodes() < 10, "{device}: {} nodes", device.live_nodes());
        if let (Some((before, bytes)), Some(gpu)) = (settled, device.as_gpu()) {
            let after = gpu.counts();
            assert_eq!(
                (after.bind_groups, after.pipelines, after.buffers),
                (before.bind_groups, before.pipelines, before.buffers)
            );
            assert_eq!(gpu.live_bytes(), bytes);
        }
    }
}

#[test]
fn scalars_are_not_part_of_the_plan() {
    let device = Device::cpu();
    let w = device.parameter(&[1.0], 1);
    let mut opt = Sgd::new([w.clone()], 0.5);
    for k in 0..10 {
        opt.set_lr(0.1 / f64::from(k + 1));
        opt.step(w.square().sum(&[]).backward()).unwrap();
    }
    assert_eq!(device.runs_and_misses(), (10, 1));
}

#[test]
fn values_recorded_before_a_step_are_spent_after_it() {
    let device = Device::cpu();
    let w = device.parameter(&[2.0], 1);
    let mut opt = Sgd::new([w.clone()], 0.5);
    let held = w.mul_scalar(10.0);
    let loss = w.square().sum(&[]);
    opt.step(loss.backward()).unwrap();
    // The loss was computed with the step and keeps the value from before it.
    assert_eq!(loss.item().unwrap(), 4.0);
    assert_eq!(w.item().unwrap(), 0.0);
    // This was not part of the run, and what it reads is gone.
    assert!(matches!(op_error(held.item()), OpError::Stale(_)));
    assert!(matches!(op_error(loss.backward().wrt(&w)), OpError::Stale(_)));
    // With and_run it is.
    let held = w.add_scalar(10.0);
    let loss = w.add_scalar(1.0).square().sum(&[]);
    opt.step(loss.backward().and_run(&[&held])).unwrap();
    assert_eq!(held.item().unwrap(), 10.0);
    assert_eq!(w.item().unwrap(), -1.0);
    w.set(&[7.0f32]).unwrap();
    assert_eq!(w.square().item().unwrap(), 49.0);
}

/// A gradient that needs no value of a parameter is refused all the same when the parameter was changed: it would be that of a loss nobody has.
#[test]
fn a_loss_of_an_old_value_has_no_gradient() {
    let device = Device::cpu();
    type Loss = fn(&Tensor) -> Tensor;
    let losses: [(&str, Loss); 6] = [
        ("mul_scalar", |w| w.mul_scalar(3.0).sum(&[])),
        ("add_scalar", |w| w.add_scalar(3.0).sum(&[])),
        ("sum", |w| w.sum(&[])),
        ("reshape", |w| w.reshape([1, 2]).sum(&[])),
        ("neg", |w| w.neg().mean(&[])),
        ("add", |w| (w + w).sum(&[])),
    ];
    for (op, loss) in losses {
        for run_before in [false, true] {
            let w = device.parameter(&[1.0, 2.0], 2);
            let loss = loss(&w);
            if run_before {
                loss.item().unwrap();
            }
            loss.backward().wrt(&w).unwrap();
            w.set(&[3.0f32, 4.0]).unwrap();
            match loss.backward().wrt(&w).unwrap_err() {
                Error::Op { op: found, error: OpError::Stale(_), .. } => assert_eq!(found, op),
                other => panic!("{op}: {other}"),
            }
        }
    }
}

#[test]
fn a_cotangent_has_the_shape_and_type_of_what_is_differentiated() {
    let device = Device::cpu();
    let w = device.parameter(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
    // All of these would broadcast.
    let ones = |dims: &[usize]| device.ones(dims);
    for wrong in [ones(&[]), ones(&[1]), ones(&[2]), ones(&[2, 1]), ones(&[1, 2]), ones(&[1, 1]), ones(&[4]), ones(&[1, 2, 2])] {
        for y in [w.mul_scalar(2.0), w.square(), w.t(), w.matmul(&w)] {
            match op_error(y.backward_with(&wrong).wrt(&w)) {
                OpError::Gradient(message) => assert!(message.starts_with("the cotangent is f32"), "{message}"),
                other => panic!("{other}"),
            }
        }
    }
    let wrong = [device.tensor(&[1u32; 4], [2, 2]), device.tensor(&[true; 4], [2, 2]), ones(&[2, 2]).to_f16()];
    for wrong in wrong {
        let error = op_error(w.mul_scalar(2.0).backward_with(&wrong).wrt(&w));
        assert!(matches!(&error, OpError::Gradient(message) if message.contains("the cotangent is")), "{error}");
    }
    assert_eq!(w.square().backward_with(&ones(&[2, 2])).wrt(&w).unwrap().to_vec::<f32>().unwrap(), [2.0, 4.0, 6.0, 8.0]);
}

/// A sum of its two inputs with a gradient rule that is not what it should be.
#[derive(Debug)]
struct Odd(fn(&GradCtx<'_>) -> Vec<Option<Tensor>>);

impl Op for Odd {
    fn name(&self) -> &'static str {
        "odd"
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0])
    }
    fn lower(&self, _: &[Spec], _: &Spec) -> Lowering {
        Lowering::Alias
    }
    fn reference(&self, inputs: &[&Array], _: &Spec) -> Array {
        inputs[0].clone()
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        (self.0)(ctx)
    }
}

/// What a rule hands nothing on to is cut off, and the op that did it is named; what it hands on has the shape of the input.
#[test]
fn a_gradient_rule_that_leaves_an_input_out_is_blamed_for_it() {
    let device = Device::cpu();
    let (a, b) = (device.parameter(&[1.0, 2.0], 2), device.parameter(&[3.0, 4.0], 2));
    type Rule = fn(&GradCtx<'_>) -> Vec<Option<Tensor>>;
    let leaves_out: [Rule; 2] = [|ctx| vec![Some(ctx.grad.clone()), None], |ctx| vec![Some(ctx.grad.clone())]];
    for rule in leaves_out {
        let gradients = steepest::graph::record(Odd(rule), &[&a, &b.mul_scalar(2.0)]).sum(&[]).backward();
        assert_eq!(gradients.wrt(&a).unwrap().to_vec::<f32>().unwrap(), [1.0, 1.0]);
        for error in [gradients.wrt(&b).unwrap_err(), gradients.check([&a, &b]).unwrap_err()] {
            match error {
                Error::Op { op: "odd", error: OpError::Disconnected(message), .. } => {
                    assert!(message.contains("it has no gradient by this input"), "{message}");
                }
                other => panic!("{other}"),
            }
        }
        let mut opt = Sgd::new([a.clone(), b.clone()], 0.5);
        assert!(matches!(op_error(opt.step(gradients)), OpError::Disconnected(_)));
        assert_eq!((a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap()), (vec![1.0, 2.0], vec![3.0, 4.0]));
    }
    let misshapen: [Rule; 3] = [
        |ctx| vec![Some(ctx.grad.sum(&[])), Some(ctx.grad.clone())],
        |ctx| vec![Some(ctx.grad.clone()), Some(ctx.grad.reshape([2, 1]))],
        |ctx| vec![Some(ctx.grad.clone()), Some(ctx.grad.reshape([1, 2]))],
    ];
    for rule in misshapen {
        let gradients = steepest::graph::record(Odd(rule), &[&a, &b]).sum(&[]).backward();
        match op_error(gradients.wrt(&a)) {
            OpError::Gradient(message) => assert!(message.starts_with("odd: a gradient of shape"), "{message}"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_kept_copy_of_a_parameter_does_not_change_with_it() {
    for device in common::devices("kept copies") {
        let w = device.parameter(&[1.0, 2.0], 2);
        let copy = w.reshape([2, 1]);
        let snapshot = w.detach();
        device.run([&copy, &snapshot]).unwrap();
        Sgd::new([w.clone()], 1.0).step(w.sum(&[]).backward()).unwrap();
        assert_eq!(w.to_vec::<f32>().unwrap(), [0.0, 1.0]);
        assert_eq!(copy.to_vec::<f32>().unwrap(), [1.0, 2.0]);
        assert_eq!(snapshot.to_vec::<f32>().unwrap(), [1.0, 2.0]);
    }
}

/// Some of everything: fused chains, views, reductions, shared values, kept intermediates.
fn medley(device: &Device) -> Vec<Tensor> {
    let w = device.parameter(&[0.5, -1.0, 2.0, 0.25, 1.5, -0.75], [2, 3]);
    let x = device.tensor(&[1.0f32, -2.0, 0.5, 3.0], [4, 1]);
    let row = w.slice(0, ..1).mul_scalar(2.0).tanh();
    let outer = (&x * &row).sigmoid();
    let kept = outer.square();
    let tied = (&kept + &outer.flip(&[1])).exp().mean(&[0]);
    let loss = (tied.softmax(-1) * w.slice(0, 1..)).sum(&[]) + kept.mean(&[]);
    let g = loss.backward().wrt(&w).unwrap();
    let gg = g.square().sum(&[]).backward().wrt(&w).unwrap();
    vec![loss, g, gg, kept.reshape([6, 2]), kept]
}

#[test]
fn no_switch_changes_the_answer() {
    let expected: Vec<Vec<f64>> = {
        let tensors = medley(&Device::cpu());
        let values = steepest::reference::evaluate(&tensors.iter().collect::<Vec<_>>(), &Default::default()).unwrap();
        values.into_iter().map(|a| a.data).collect()
    };
    for device in common::devices("switches") {
        for switches in Switches::all() {
            device.set_switches(switches);
            if let (Some(gpu), true) = (device.as_gpu(), switches.merge) {
                gpu.merge_after(Some(0));
            }
            let tensors = medley(&device);
            device.run(&tensors).unwrap();
            for (tensor, expected) in tensors.iter().zip(&expected) {
                for (found, expected) in tensor.to_vec::<f32>().unwrap().iter().zip(expected) {
                    let error = (f64::from(*found) - expected).abs();
                    assert!(error <= 1e-5 + 1e-4 * expected.abs(), "{device} {switches:?}: {found} for {expected}");
                }
            }
        }
        let plain = device.plan(&medley(&device)).unwrap();
        device.set_switches(Switches { fuse: true, ..Default::default() });
        let fused = device.plan(&medley(&device)).unwrap();
        assert!(fused.dispatches.len() <= plain.dispatches.len());
    }
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    for device in common::devices("determinism") {
        let bits = |device: &Device| -> Vec<Vec<u32>> {
            let tensors = medley(device);
            device.run(&tensors).unwrap();
            tensors.iter().map(|t| t.to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect()).collect()
        };
        assert_eq!(bits(&device), bits(&device), "{device}");
    }
}

#[test]
fn async_forms_work() {
    pollster::block_on(async {
        let device = Device::named_async("cpu").await.unwrap();
        let x = device.tensor(&[1.0f32, 2.0], 2);
        assert_eq!(x.sum(&[]).item_async().await.unwrap(), 3.0);
        assert_eq!((&x + 1.0).to_vec_async::<f32>().await.unwrap(), [2.0, 3.0]);
        assert!(x.to_vec_async::<bool>().await.is_err());
    });
}

#[test]
fn a_miss_says_what_differs() {
    #[derive(Clone, Default)]
    struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_env_filter("steepest=debug").with_writer(move || writer.clone()).with_ansi(false).finish();
    let three = || {
        let device = Device::cpu();
        for n in [3, 3, 4] {
            device.tensor(&vec![1.0f32; n], n).exp().sum(&[]).item().unwrap();
        }
        // The same op in the same place, whose value nobody holds.
        let x = device.tensor(&[1.0f32; 3], 3);
        (x.exp() * &x).run().unwrap();
    };
    // What logs is registered where it is first met. If that is in another test's thread just as the subscriber comes, it may be taken for of
    // no interest to anybody: so everything is met, and then asked for once more.
    three();
    tracing::subscriber::with_default(subscriber, || {
        tracing::callsite::rebuild_interest_cache();
        three();
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.contains("first plan: 2 dispatches"), "{text}");
    assert!(text.contains("differs at value 0: leaf0 : f32[4] where it has leaf0 : f32[3]"), "{text}");
    let last = text.lines().last().unwrap_or_default();
    // Here the values in between are not kept, there they were held until the end.
    let differs = "differs at value 1: %0 = exp(leaf0) : f32[3] where it has %0 = exp(leaf0) : f32[3] kept";
    assert!(last.contains(differs), "{last}");
}

#[test]
fn a_graph_prints_as_graphviz() {
    let device = Device::cpu();
    let text = device.graphviz([&device.tensor(&[1.0f32; 2], 2).exp().sum(&[])]).unwrap();
    for part in ["digraph", "leaf0 -> c0", "c0 -> c1", "exp", "f32[2]"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn more_than_65_535_workgroups() {
    for device in common::devices("large grids") {
        let n = 65_536 * 256 + 3;
        let x = device.full(n, 1.0).add_scalar(1.0);
        let y = x.all_there();
        assert_eq!(y, 2.0 * n as f32, "{device}");
    }
}

trait AllThere {
    fn all_there(&self) -> f32;
}

impl AllThere for Tensor {
    /// Sum of all elements, none of which may be missing or doubled.
    fn all_there(&self) -> f32 {
        self.device().run([self]).unwrap();
        assert!(self.slice(0, -1..).item().unwrap() == 2.0);
        self.sum(&[]).item().unwrap()
    }
}
