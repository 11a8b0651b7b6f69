//! Ops that a program defines itself: what they are called decides nothing. Two of one name, or one with the name of a built-in op, are told
//! apart by their type, by the rule they apply and by the op they wrap.
#![allow(clippy::unwrap_used)]

use crate::common;
use std::sync::Arc;
use steepest::DType;
use steepest::error::OpError;
use steepest::graph::op::{Array, Elementwise, GradCtx, Io, Kernel, Lowering, Op, Params, Rule, Spec, Variant};
use steepest::graph::{Accuracy, Missing};
use steepest::graph::{Tensor, record};
use steepest::ops::update::Sgd;
use steepest::shape::View;

/// A rule called `tanh` that multiplies by `$by`.
macro_rules! times {
    ($name:ident, $by:literal, $wgsl:literal) => {
        static $name: Rule = Rule {
            name: "tanh",
            wgsl: $wgsl,
            inputs: &[Some(DType::F32)],
            output: Some(DType::F32),
            chunk: |inputs, _, out| {
                out.iter_mut().zip(inputs[0]).for_each(|(y, x)| *y = (f32::from_bits(*x) * $by).to_bits());
            },
            reference: |[a, ..], _| a * $by,
            scalars: 0,
        };
    };
}
times!(TENTH, 0.1, "a * 0.1");
times!(TWICE, 2.0, "a * 2.0");
times!(THRICE, 3.0, "a * 3.0");

/// One type for many rules, which names the one it applies, or (`told` false) does not.
#[derive(Clone, Copy, Debug)]
struct Apply {
    rule: &'static Rule,
    told: bool,
    accuracy: Accuracy,
}

impl Op for Apply {
    fn name(&self) -> &'static str {
        self.rule.name
    }
    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        self.accuracy
    }
    fn rule(&self) -> Option<&'static Rule> {
        self.told.then_some(self.rule)
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0])
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        Lowering::Elementwise(Elementwise { rule: self.rule, views: vec![View::contiguous(&inputs[0].shape)] })
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        Array::from_fn(output.shape, |i| (self.rule.reference)([inputs[0].data[i], 0.0, 0.0], [0.0; 2]))
    }
    fn grad(&self, _: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![None]
    }
}

/// Two types with one name and a kernel of their own: rows of ones, by the labels' number, and of zeros.
macro_rules! hot {
    ($type:ident, $value:literal) => {
        #[derive(Clone, Copy, Debug)]
        struct $type;

        impl Op for $type {
            fn name(&self) -> &'static str {
                "one_hot"
            }
            fn params(&self) -> Vec<u32> {
                vec![3]
            }
            fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
                Ok(Spec::f32(steepest::Shape::new(&[inputs[0].shape.numel(), 3])?))
            }
            fn lower(&self, _: &[Spec], output: &Spec) -> Lowering {
                let count = output.shape.numel() as u32;
                // On a GPU: one row per label, of one class, which all labels are (0), or of three, which none is.
                let classes = if $value == 1.0 { 1 } else { 3 };
                let native = |io: &mut Io<'_>| io.write(0).fill($value);
                Lowering::kernel(
                    Kernel {
                        name: "one_hot",
                        params: Params::new().set("count", count).set("classes", classes),
                        variants: vec![Variant::new("index/one_hot", [1, 1, 1]).max_loop_iterations(0)],
                        native: Arc::new(native),
                    },
                    1,
                )
            }
            fn reference(&self, _: &[&Array], output: &Spec) -> Array {
                Array::from_fn(output.shape, |_| $value)
            }
            fn grad(&self, _: &GradCtx<'_>) -> Vec<Option<Tensor>> {
                vec![None]
            }
        }
    };
}
hot!(Ones, 1.0);
hot!(Zeros, 0.0);

/// An op that is what another one is, without parameters of its own.
#[derive(Debug)]
struct Same(Arc<dyn Op>);

impl Op for Same {
    fn name(&self) -> &'static str {
        "same"
    }
    fn wrapped(&self) -> Option<&dyn Op> {
        Some(&*self.0)
    }
    fn scalars(&self) -> Vec<u32> {
        self.0.scalars()
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        self.0.infer(inputs)
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        self.0.lower(inputs, output)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        self.0.reference(inputs, output)
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        self.0.grad(ctx)
    }
    fn mutates(&self) -> &'static [usize] {
        self.0.mutates()
    }
}

#[test]
fn rules_of_one_name_are_told_apart() {
    for device in common::devices("rules of one name") {
        let x = device.tensor(&[0.5, 1.0, -2.0], 3);
        for told in [true, false] {
            let apply = |rule| record(Apply { rule, told, accuracy: Accuracy::Exact }, &[&x]).to_vec::<f32>().unwrap();
            // Whichever is planned first, and again once both are.
            for _ in 0..2 {
                assert_eq!(x.tanh().to_vec::<f32>().unwrap()[1], 1.0f32.tanh(), "{device}");
                assert_eq!(apply(&TWICE), [1.0, 2.0, -4.0], "{device}, told: {told}");
                assert_eq!(apply(&THRICE), [1.5, 3.0, -6.0], "{device}, told: {told}");
            }
        }
        // What names its rule shares plans, as built-in ops do; what does not is planned each time.
        let misses = |told| {
            let before = device.runs_and_misses().1;
            for _ in 0..3 {
                record(Apply { rule: &TWICE, told, accuracy: Accuracy::Exact }, &[&x]).to_vec::<f32>().unwrap();
            }
            device.runs_and_misses().1 - before
        };
        assert_eq!([misses(true), misses(false)], [0, 3], "{device}");
    }
}

/// CHECK mode holds an op from outside to what it says of itself, and to the last bit if it says nothing.
#[test]
fn an_op_says_how_exact_it_is() {
    for device in common::devices("the accuracy of an op from outside") {
        device.set_check(true);
        let x = device.tensor(&[0.3, 1.0, -2.0], 3);
        let apply = |rule, accuracy| record(Apply { rule, told: true, accuracy }, &[&x]).to_vec::<f32>();
        assert!(apply(&TENTH, Accuracy::Stated { relative: 1e-6, absolute: 1e-30 }).is_ok(), "{device}");
        assert!(apply(&TWICE, Accuracy::Exact).is_ok(), "{device}");
        for accuracy in [Accuracy::Exact, Accuracy::Stated { relative: 1e-12, absolute: 0.0 }] {
            assert!(matches!(apply(&TENTH, accuracy), Err(steepest::Error::Check { op: "tanh", .. })), "{device}");
        }
    }
}

#[test]
fn types_of_one_name_are_told_apart() {
    for device in common::devices("types of one name") {
        let labels = device.tensor(&[0u32, 0, 0], 3);
        let wrapped = |op: Arc<dyn Op>| record(Same(op), &[&labels]).to_vec::<f32>().unwrap();
        for _ in 0..2 {
            assert_eq!(labels.one_hot(3).to_vec::<f32>().unwrap(), [1., 0., 0., 1., 0., 0., 1., 0., 0.], "{device}");
            assert_eq!(wrapped(Arc::new(Ones)), [1.0; 9], "{device}");
            assert_eq!(wrapped(Arc::new(Zeros))[1], 0.0, "{device}");
            assert_eq!(record(Ones, &[&labels]).to_vec::<f32>().unwrap(), [1.0; 9], "{device}");
            assert_eq!(record(Zeros, &[&labels]).to_vec::<f32>().unwrap()[1], 0.0, "{device}");
        }
    }
}

/// Updates share one kernel where they are the same op: not where they only have the same name.
#[test]
fn updates_of_one_name_are_told_apart() {
    for device in common::devices("updates of one name") {
        let (a, b) = (device.parameter(&[1.0; 4], 4), device.parameter(&[1.0; 4], 4));
        let (va, vb) = (device.tensor(&[0.0; 4], 4), device.tensor(&[0.0; 4], 4));
        let slope = device.tensor(&[1.0; 4], 4);
        let step = |nesterov| Arc::new(Sgd { lr: 0.5, momentum: Some(0.5), gain: 1.0, nesterov, weight_decay: 0.0 });
        // What tells them apart is what they wrap.
        let plain = record(Same(step(false)), &[&a, &slope, &va]);
        let nesterov = record(Same(step(true)), &[&b, &slope, &vb]);
        device.run([&plain, &nesterov]).unwrap();
        assert_eq!(a.to_vec::<f32>().unwrap(), [0.5; 4], "{device}");
        assert_eq!(b.to_vec::<f32>().unwrap(), [0.25; 4], "{device}");
    }
}

/// A gradient rule that hands nothing on cuts off what the op read, and is named; what comes before another op is not.
#[test]
fn an_op_without_a_gradient_is_named() {
    let device = steepest::Device::cpu();
    let (w, v) = (device.parameter(&[1.0], 1), device.parameter(&[2.0], 1));
    let after = record(Apply { rule: &TWICE, told: true, accuracy: Accuracy::Exact }, &[&v.exp()]).exp();
    let gradients = (&w * after).sum(&[]).backward();
    assert!(gradients.missing(&w).unwrap().is_none());
    let Some(Missing::Disconnected(error)) = gradients.missing(&v).unwrap() else { panic!("not cut off") };
    let text = error.to_string();
    assert!(text.starts_with("tanh at ") && text.contains("it has no gradient by this input"), "{text}");
}
