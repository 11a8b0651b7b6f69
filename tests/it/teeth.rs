//! Rung 7: planted bugs, each caught by the rung that claims to catch it. A checker nobody has seen fail may not work.
#![allow(clippy::unwrap_used)]

use crate::common;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use steepest::error::OpError;
use steepest::graph::op::{Array, GradCtx, Io, Kernel, Lowering, Op, Spec};
use steepest::ops::case::{Case, Gen};
use steepest::ops::matmul::Matmul;
use steepest::ops::reduce::{Kind, Reduce};
use steepest::ops::softmax::Softmax;
use steepest::ops::update::Sgd;
use steepest::{Device, Error, Tensor, verify};

/// What is wrong with an op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bug {
    /// Nothing: the check itself must pass.
    None,
    /// A constant of the shader has another value, and the native kernel is off in one element.
    WrongKernel,
    /// The last workgroup is not started; natively, the last element is not written.
    SkippedWrite,
    /// The shader and the native kernel write nothing at all.
    NoWrite,
    /// The gradient is twice what it should be.
    WrongGradient,
    /// The kernel of every second plan has the fault of `WrongKernel`: right op by op, wrong as planned.
    WrongSecondPlan,
}

/// An op with a bug; its definition is that of the op it wraps.
#[derive(Clone, Debug)]
pub struct Planted {
    op: Arc<dyn Op>,
    bug: Bug,
    /// Plans made of it.
    plans: Arc<AtomicUsize>,
}

impl Planted {
    pub fn new(op: Arc<dyn Op>, bug: Bug) -> Planted {
        Planted { op, bug, plans: Arc::default() }
    }
}

impl Op for Planted {
    fn name(&self) -> &'static str {
        self.op.name()
    }
    fn wrapped(&self) -> Option<&dyn Op> {
        Some(&*self.op)
    }
    fn rounded(&self) -> Option<Arc<dyn Op>> {
        self.op.rounded()
    }
    fn params(&self) -> Vec<u32> {
        self.op.params()
    }
    fn scalars(&self) -> Vec<u32> {
        self.op.scalars()
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        self.op.infer(inputs)
    }
    fn accepts_f16(&self) -> bool {
        self.op.accepts_f16()
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let mut lowering = self.op.lower(inputs, output);
        let second = self.plans.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        let bug = match self.bug {
            Bug::WrongSecondPlan if second => Bug::WrongKernel,
            bug => bug,
        };
        match &mut lowering {
            Lowering::Stages { stages, .. } => stages.iter_mut().for_each(|s| plant(&mut s.kernel, bug, output.shape.numel())),
            Lowering::Update(joined) => {
                let right = joined.clone();
                *joined = Arc::new(move |spans| {
                    let mut kernel = right(spans);
                    plant(&mut kernel, bug, spans[0].end);
                    kernel
                });
            }
            _ => {}
        }
        lowering
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        self.op.reference(inputs, output)
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let doubled = |g: Tensor| if self.bug == Bug::WrongGradient { g * 2.0 } else { g };
        self.op.grad(ctx).into_iter().map(|g| g.map(doubled)).collect()
    }
    fn mutates(&self) -> &'static [usize] {
        self.op.mutates()
    }
}

/// Puts a bug into a kernel whose output has `words` words.
fn plant(kernel: &mut Kernel, bug: Bug, words: usize) {
    for variant in &mut kernel.variants {
        match bug {
            Bug::WrongKernel => variant.consts.iter_mut().for_each(|(_, value)| *value ^= 1),
            Bug::SkippedWrite => variant.groups[0] -= 1,
            Bug::NoWrite => variant.groups = [0, 1, 1],
            _ => {}
        }
    }
    let native = kernel.native.clone();
    kernel.native = Arc::new(move |io: &mut Io<'_>| {
        let before: Vec<u32> = io.writes[0].to_vec();
        native(io);
        let out = &mut *io.writes[0];
        match bug {
            Bug::WrongKernel => out[0] ^= 1 << 20,
            Bug::SkippedWrite => out[words - 1] = before[words - 1],
            Bug::NoWrite => out.copy_from_slice(&before),
            _ => {}
        }
    });
}

fn victims(g: &mut Gen) -> Vec<Case> {
    vec![
        Case::new("softmax", Softmax { axis: 1, log: false }, vec![g.normalish(&[300, 5])]),
        Case::new("sum", Reduce { kind: Kind::Sum, axes: vec![1], keepdim: false }, vec![g.floats(&[600, 7], 0.5, 2.0)]),
        Case::new("argmax", Reduce { kind: Kind::ArgMax, axes: vec![1], keepdim: false }, vec![g.distinct(&[600, 4])]),
        Case::new(
            "sgd",
            Sgd { lr: 0.1, momentum: Some(0.9), gain: 1.0, nesterov: false, weight_decay: 0.1 },
            vec![g.normalish(&[1500]), g.normalish(&[1500]), g.normalish(&[1500])],
        ),
        Case::new("halves", Matmul { trans_a: false, trans_b: false }, vec![g.f16(&[64, 36]), g.f16(&[36, 40])]),
    ]
}

#[test]
fn the_op_rung_catches_wrong_kernels_and_missing_writes_on_every_device() {
    for device in common::devices("planted kernels") {
        device.set_guarded(true);
        for victim in victims(&mut Gen::new(1)) {
            for bug in [Bug::None, Bug::WrongKernel, Bug::SkippedWrite, Bug::NoWrite] {
                let case = Case { op: Arc::new(Planted::new(victim.op.clone(), bug)), ..victim.clone() };
                device.set_switches(Default::default());
                let found = verify::one(&device, &case, &victim.op).unwrap().unwrap();
                assert_eq!(found.ratio > 1.0, bug != Bug::None, "{device}: {} with {bug:?}: {found:?}", victim.label);
            }
        }
    }
}

#[test]
fn the_gradient_rung_catches_a_wrong_gradient() {
    for victim in victims(&mut Gen::new(2)).into_iter().take(2) {
        for bug in [Bug::None, Bug::WrongGradient] {
            let case = Case { op: Arc::new(Planted::new(victim.op.clone(), bug)), ..victim.clone() };
            let (_, worst) = verify::gradient_of(&case, &mut Gen::new(3)).unwrap().unwrap();
            assert_eq!(worst.ratio > 1.0, bug != Bug::None, "{} with {bug:?}: {worst:?}", victim.label);
        }
    }
}

#[test]
fn check_mode_names_the_first_wrong_node_and_its_line() {
    for device in common::devices("check mode") {
        device.set_check(true);
        let x = device.tensor(&(0..3000).map(|i| (i % 7) as f32 - 3.0).collect::<Vec<_>>(), [600, 5]);
        let softmax = Softmax { axis: 1, log: false };
        let right = steepest::graph::record(Planted::new(Arc::new(softmax.clone()), Bug::None), &[&x.exp()]);
        right.log().mean(&[]).item().unwrap();
        let line = line!() + 1;
        let wrong = steepest::graph::record(Planted::new(Arc::new(softmax), Bug::WrongKernel), &[&x.exp()]);
        match wrong.log().mean(&[]).item().unwrap_err() {
            Error::Check { op, at, .. } => assert_eq!((op, at.line()), ("softmax", line), "{device}"),
            other => panic!("{other}"),
        }
        // An update is checked too.
        let w = device.parameter(&[1.0; 600], 600);
        let v = device.zeros(600).add_scalar(0.0);
        device.run([&v]).unwrap();
        let sgd = Sgd { lr: 0.1, momentum: Some(0.9), gain: 1.0, nesterov: false, weight_decay: 0.0 };
        let update = steepest::graph::record(Planted::new(Arc::new(sgd), Bug::WrongKernel), &[&w, &w.detach(), &v]);
        assert!(matches!(device.run([&update]), Err(Error::Check { op: "sgd", .. })), "{device}");
    }
}

/// Every op right by itself, and a wrong number in what the program gets: from the plan. CHECK mode looks at that, too.
#[test]
fn check_mode_sees_a_plan_that_is_wrong_where_every_op_is_right() {
    for device in common::devices("check mode, plans") {
        let x = device.tensor(&(0..3000).map(|i| (i % 7) as f32 - 3.0).collect::<Vec<_>>(), [600, 5]);
        let planted = |bug| {
            let softmax = Planted::new(Arc::new(Softmax { axis: 1, log: false }), bug);
            let y = steepest::graph::record(softmax, &[&x.exp()]);
            device.run([&(&y * 2.0), &y.square()])
        };
        device.set_check(true);
        planted(Bug::None).unwrap();
        device.set_switches(Default::default());
        match planted(Bug::WrongSecondPlan).unwrap_err() {
            Error::Check { how, .. } => assert_eq!(how, "as planned", "{device}"),
            other => panic!("{device}: {other}"),
        }
        // An update that is wrong as planned.
        let w = device.parameter(&[1.0; 600], 600);
        let v = device.zeros(600).add_scalar(0.0);
        device.run([&v]).unwrap();
        let sgd = Sgd { lr: 0.1, momentum: Some(0.9), gain: 1.0, nesterov: false, weight_decay: 0.0 };
        let update = steepest::graph::record(Planted::new(Arc::new(sgd), Bug::WrongSecondPlan), &[&w, &w.detach(), &v]);
        assert!(matches!(device.run([&update]), Err(Error::Check { op: "sgd", how: "as planned", .. })), "{device}");
    }
}

/// Options that are no f32 (0.1, 0.3) are not called wrong: the definition is taken at the f32 that a device holds.
#[test]
fn check_mode_passes_options_that_are_no_f32() {
    for device in common::devices("check mode, options") {
        device.set_check(true);
        // Among them the very f32 that are nearest to the options.
        let x = device.parameter(&[0.1, 0.3, -0.1, 1e-3, -0.3, 2.5, 0.7, 1.1, -7.0, 0.2, 0.6, 0.9], [3, 4]);
        let ones = x.detach().full_like(1.0);
        let y = x.detach() * 0.7;
        let q = x.reshape([1, 1, 3, 4]);
        let mut losses = vec![
            device.full([2, 2], 0.1).add(&device.full(2, 1e-7)).sum(&[]),
            x.lt_scalar(0.3).where_(&x, &ones).sum(&[]),
            x.clamp(0.1, 0.3).sum(&[]),
            x.leaky_relu(0.01).sum(&[]) + x.elu(0.3).sum(&[]) + x.softplus(0.7).sum(&[]),
            x.abs().pow_scalar(0.3).sum(&[]),
            x.pad(&[(1, 1), (0, 2)], 0.1).sum(&[]),
            steepest::nn::loss::huber(&x, &y, 0.1, steepest::nn::Reduction::Mean),
            (&x * 0.1 + 0.3).square().mean(&[]),
            steepest::nn::norm::layer_norm(&x, 1, None, None, 1e-5).square().sum(&[]),
            q.scaled_dot_product_attention(&q, &q, true, Some(0.3)).sum(&[]),
            q.scaled_dot_product_attention(&q, &q, true, None).sum(&[]),
        ];
        let total = losses.iter().skip(1).fold(losses[0].clone(), |sum, loss| sum + loss);
        let gradient = total.backward().wrt(&x).unwrap();
        losses.push(total);
        device.run(losses.iter().chain([&gradient])).unwrap_or_else(|error| panic!("{device}: {error}"));
    }
}

/// A kept plan binds the buffers of this run, not those of the run it was made in.
#[test]
fn a_replayed_plan_reads_the_values_of_this_run() {
    for device in common::devices("replays") {
        let w = device.parameter(&[1.0, 2.0], 2);
        let mut held = vec![];
        for k in 0..20 {
            let x = device.tensor(&[k as f32, 1.0], 2);
            let y = (&w * &x).doubled();
            // Held values move outputs to other buffers; dropped ones let them come back.
            if k % 3 == 0 {
                held.push((k as f32, y.clone()));
            }
            assert_eq!(y.to_vec::<f32>().unwrap(), [k as f32 * 2.0, 4.0], "{device} round {k}");
        }
        for (k, y) in held {
            assert_eq!(y.to_vec::<f32>().unwrap(), [k * 2.0, 4.0], "{device} held {k}");
        }
        assert_eq!(device.runs_and_misses().1, 1);
    }
}

trait Doubled {
    fn doubled(&self) -> Tensor;
}

impl Doubled for Tensor {
    /// Twice the value, by way of a reduction so that nothing is fused away.
    fn doubled(&self) -> Tensor {
        Tensor::reshape(self, [1, 2]).expand([2, 2]).sum(&[0])
    }
}

#[test]
fn a_lost_device_is_an_error_and_never_a_number() {
    let Some(device) = common::gpu("device loss") else { return };
    let x = device.tensor(&[1.0f32, 2.0], 2);
    let y = &x + 1.0;
    assert_eq!(y.to_vec::<f32>().unwrap(), [2.0, 3.0]);
    device.as_gpu().unwrap().lose();
    let start = std::time::Instant::now();
    assert!(matches!(y.to_vec::<f32>(), Err(Error::DeviceLost { .. })));
    assert!(matches!((&x * 2.0).to_vec::<f32>(), Err(Error::DeviceLost { .. })));
    assert!(start.elapsed().as_secs_f64() < 5.0);
    // Every other device goes on.
    assert_eq!(Device::cpu().scalar(1.0).item().unwrap(), 1.0);
}
