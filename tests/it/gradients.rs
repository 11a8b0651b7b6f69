//! Gradients where users need them: by any tensor, of several outputs, added up, by direction and by sample; and copies on the device.
#![allow(clippy::unwrap_used)]

use crate::common;
use common::slopes::{agreed, numbers, parameter, reference};
use steepest::error::OpError;
use steepest::graph::Array;
use steepest::nn::{self, *};
use steepest::optim::{Accumulator, Adam, Optimizer, Sgd};
use steepest::reference::{Overrides, evaluate};
use steepest::{Device, Error, Gradients, Tensor, jvp, no_grad, sequential};

fn op_error(result: Result<impl Sized, Error>) -> (&'static str, OpError, &'static str) {
    match result.err().expect("an error") {
        Error::Op { op, error, at } => (op, error, at.file()),
        other => panic!("{other}"),
    }
}

fn floats(x: &Tensor) -> Vec<f32> {
    x.to_vec().unwrap()
}

fn near(found: &[f64], expected: &[f64], by: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= by * (1.0 + e.abs()), "element {i} is {f}, expected {e}");
    }
}

#[test]
fn inputs_and_intermediates_have_gradients_by_name() {
    for device in common::devices("watched tensors") {
        let (data, w) = (device.tensor(&numbers(6, 1), [2, 3]), parameter(&device, &[3, 2], 2));
        let x = data.watch();
        let hidden = x.matmul(&w).tanh().watch();
        let loss = hidden.square().sum(&[]);
        let gradients = loss.backward();
        // The same by parameters in their places.
        let (as_parameter, free) = (parameter(&device, &[2, 3], 1), device.parameter(&floats(&hidden), [2, 2]));
        let by_x = as_parameter.matmul(&w).tanh().square().sum(&[]).backward().wrt(&as_parameter).unwrap();
        let by_hidden = free.square().sum(&[]).backward().wrt(&free).unwrap();
        near(&agreed(&gradients.wrt(&x).unwrap()), &agreed(&by_x), 1e-6);
        near(&agreed(&gradients.wrt(&hidden).unwrap()), &agreed(&by_hidden), 1e-6);
        assert!(gradients.get(&w).unwrap().is_some());
        // Only parameters are clipped and stepped.
        assert_eq!(gradients.iter().unwrap().count(), 1);
        assert!(gradients.get(&data).unwrap().is_none());
        // What was watched and has run is data: it stands the steps that follow.
        let mut sgd = Sgd::new([w.clone()], 0.1);
        for _ in 0..3 {
            let gradients = x.matmul(&w).square().sum(&[]).backward();
            let slope = gradients.wrt(&x).unwrap();
            sgd.step(gradients.and_run(&[&slope])).unwrap();
            assert!(floats(&slope).iter().any(|s| *s != 0.0));
            assert_eq!(floats(&x), floats(&data));
        }
        assert!(x.is_leaf() && x.requires_grad());
        // In place of the data that it came from, not the data itself: a later change of one is none of the other.
        data.set(&[0.0; 6]).unwrap();
        assert_eq!(floats(&x), numbers(6, 1));
        // By watched tensors there are Jacobians and Hessians as well.
        let cube = device.tensor(&[2.0, 3.0], 2).watch();
        let f = (cube.square() * &cube).sum(&[]);
        assert_eq!(floats(&f.hessian(&[&cube]).unwrap()), [12.0, 0.0, 0.0, 18.0]);
        // In a no_grad block gradients end there.
        let ended = no_grad(|| w.square().watch());
        let gradients = ended.sum(&[]).backward();
        assert!(gradients.wrt(&ended).is_ok() && gradients.get(&w).unwrap().is_none());
        // Halves have gradients too, in f32.
        let half = device.tensor_f16(&[1.0, 2.0], 2).watch();
        assert_eq!(floats(&half.to_f32().square().sum(&[]).backward().wrt(&half).unwrap()), [2.0, 4.0]);
    }
    let device = Device::cpu();
    let (op, error, file) = op_error(device.tensor(&[1u32], 1).watch().check());
    assert!(op == "watch" && matches!(error, OpError::DType(_)) && file.ends_with("gradients.rs"));
    let invalid = device.zeros([2, 3]).matmul(&device.zeros([2, 3]));
    assert_eq!(op_error(invalid.watch().check()).0, "matmul");
}

/// Two outputs with parts in common, their cotangents, and the gradients by each of the parameters.
fn two_outputs(device: &Device) -> ([Tensor; 2], [Tensor; 2], [Tensor; 2]) {
    let (w, v) = (parameter(device, &[2, 3], 5), parameter(device, &[3], 6));
    let common = (&w * &v).tanh();
    let outputs = [common.square(), (&common * 3.0).sum(&[-1])];
    let cotangents = [device.tensor(&numbers(6, 7), [2, 3]), device.tensor(&numbers(2, 8), 2)];
    ([w, v], outputs, cotangents)
}

#[test]
fn several_outputs_are_differentiated_at_once() {
    for device in common::devices("several outputs") {
        let (parameters, outputs, cotangents) = two_outputs(&device);
        let pairs = [(&outputs[0], &cotangents[0]), (&outputs[1], &cotangents[1])];
        let found = Tensor::backward_all(&pairs).unwrap();
        let loss = (&outputs[0] * &cotangents[0]).sum(&[]) + (&outputs[1] * &cotangents[1]).sum(&[]);
        let whole = loss.backward();
        let added = outputs[0].backward_with(&cotangents[0]) + outputs[1].backward_with(&cotangents[1]);
        // One output that is part of another, and one twice.
        let inner = Tensor::backward_all(&[pairs[0], pairs[1], pairs[0]]).unwrap();
        let inner_sum = Tensor::backward_all(&pairs).unwrap() + outputs[0].backward_with(&cotangents[0]);
        for p in &parameters {
            let expected = agreed(&whole.wrt(p).unwrap());
            near(&agreed(&found.wrt(p).unwrap()), &expected, 1e-6);
            near(&agreed(&added.wrt(p).unwrap()), &expected, 1e-6);
            near(&agreed(&inner.wrt(p).unwrap()), &agreed(&inner_sum.wrt(p).unwrap()), 1e-6);
        }
        // All of them are computed with a step.
        let stepped = Tensor::backward_all(&pairs).unwrap();
        Sgd::new(parameters.clone(), 0.5).step(stepped).unwrap();
        assert!(outputs.iter().all(|y| y.to_vec::<f32>().is_ok()));
    }
    let device = Device::cpu();
    assert!(matches!(Tensor::backward_all(&[]), Err(Error::Config { .. })));
    let (w, other) = (parameter(&device, &[2], 1), parameter(&Device::cpu(), &[2], 1));
    let (y, ones) = (w.exp(), device.ones(2));
    let wrong = |pairs: &[(&Tensor, &Tensor)]| {
        let gradients = Tensor::backward_all(pairs).unwrap();
        let (op, error, file) = op_error(gradients.get(&w));
        assert!(op == "backward" && file.ends_with("gradients.rs"), "{op} {file}");
        error
    };
    assert!(matches!(wrong(&[(&y, &ones), (&y, &device.ones(3))]), OpError::Gradient(text) if text.contains("f32[3]")));
    assert!(matches!(wrong(&[(&y, &ones), (&ones, &ones)]), OpError::Gradient(text) if text.contains("no parameter")));
    let far = other.exp();
    assert!(matches!(wrong(&[(&y, &ones), (&far, &other.detach())]), OpError::Devices(..)));
    assert!(wrong_sum(&w).contains("not a scalar"));
}

/// An error stays in a sum.
fn wrong_sum(w: &Tensor) -> String {
    let mut gradients: Gradients = w.sum(&[]).backward();
    gradients += w.exp().backward();
    gradients.get(w).err().unwrap().to_string()
}

#[test]
fn gradients_add_up_over_calls() {
    for device in common::devices("added gradients") {
        let make = || [parameter(&device, &[3], 1), parameter(&device, &[3], 2), parameter(&device, &[3], 3)];
        let loss = |p: &[Tensor], part: usize| match part {
            0 => (&p[0] * &p[1]).exp().sum(&[]),
            1 => (&p[1].square() * &p[2]).sum(&[]),
            _ => p[0].tanh().sum(&[]),
        };
        let (ours, theirs) = (make(), make());
        let (mut adam, mut other) = (Adam::new(ours.clone(), 0.1), Adam::new(theirs.clone(), 0.1));
        for _ in 0..3 {
            let losses = [loss(&ours, 0), loss(&ours, 1), loss(&ours, 2)];
            let mut gradients = losses[0].backward();
            gradients += losses[1].backward();
            gradients += losses[2].backward();
            // In the order in which the parameters were made, whatever came first.
            let listed: Vec<u64> = gradients.iter().unwrap().map(Tensor::id).collect();
            let wanted: Vec<u64> = ours.iter().map(|p| gradients.wrt(p).unwrap().id()).collect();
            assert_eq!(listed, wanted);
            adam.step(gradients).unwrap();
            assert!(losses.iter().all(|loss| loss.item().is_ok()), "every loss is computed with the step");
            let mut sums = Accumulator::sum();
            (0..3).for_each(|part| sums.add(loss(&theirs, part).backward()).unwrap());
            other.step(sums.take().unwrap()).unwrap();
        }
        for (a, b) in ours.iter().zip(&theirs) {
            near(&agreed(&a.detach()), &agreed(&b.detach()), 1e-5);
        }
        // What no loss used is unused, what one of them cuts off is cut off.
        let [p, q, r] = make();
        let sum = p.square().sum(&[]).backward() + (&p * q.detach()).sum(&[]).backward();
        assert!(matches!(sum.missing(&r).unwrap(), Some(steepest::graph::Missing::Unused)));
        assert!(matches!(sum.missing(&q).unwrap(), Some(steepest::graph::Missing::Disconnected(_))));
        // Watched tensors add up as well.
        let x = device.tensor(&[1.0, 2.0], 2).watch();
        let sum = x.square().sum(&[]).backward() + (&x * 10.0).sum(&[]).backward();
        assert_eq!(floats(&sum.wrt(&x).unwrap()), [12.0, 14.0]);
    }
}

/// A function of two tensors with products, sums, softmax, a convolution and an index.
fn mixed(x: &[Tensor]) -> Vec<Tensor> {
    let device = x[0].device();
    let y = x[0].matmul(&x[1]).softmax(-1);
    let image = x[0].reshape([1, 1, 3, 4]).conv2d(&x[1].reshape([2, 1, 2, 3]), None, Default::default());
    let gathered = x[1].tanh().index_select(0, &device.tensor(&[2u32, 0, 2], 3));
    vec![(&y * y.exp()).sum(&[0]), image.square().mean(&[]), gathered.cumsum(1, false)]
}

#[test]
fn jvp_is_the_slope_along_a_direction() {
    for device in common::devices("jvp") {
        let x = [device.tensor(&numbers(12, 1), [3, 4]), device.tensor(&numbers(12, 2), [4, 3])];
        let v = [device.tensor(&numbers(12, 3), [3, 4]), device.tensor(&numbers(12, 4), [4, 3])];
        let (values, slopes) = jvp(mixed, &[&x[0], &x[1]], &[&v[0], &v[1]]).unwrap();
        let outputs = mixed(&x);
        for (number, ((value, slope), output)) in values.iter().zip(&slopes).zip(&outputs).enumerate() {
            // One that has no value yet: the reference goes through it.
            let fresh = &mixed(&x)[number];
            assert_eq!((value.shape(), slope.shape()), (output.shape(), output.shape()));
            near(&agreed(value), &agreed(output), 1e-6);
            // Central differences of the reference.
            let at = |h: f64| {
                let moved = |x: &Tensor, v: &Tensor| {
                    let data = reference(x).iter().zip(reference(v)).map(|(x, v)| x + h * v).collect();
                    (x.id(), Array::new(x.shape(), data))
                };
                evaluate(&[fresh], &Overrides::from([moved(&x[0], &v[0]), moved(&x[1], &v[1])])).unwrap().remove(0).data
            };
            let difference = |h: f64| -> Vec<f64> { at(h).iter().zip(at(-h)).map(|(a, b)| (a - b) / (2.0 * h)).collect() };
            let expected: Vec<f64> =
                difference(1e-4).iter().zip(difference(2e-4)).map(|(near, far)| (4.0 * near - far) / 3.0).collect();
            near(&reference(slope), &expected, 1e-6);
            near(&slope.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect::<Vec<_>>(), &expected, 3e-4);
        }
        // ⟨w, J v⟩ = ⟨Jᵀ w, v⟩
        let watched = [x[0].watch(), x[1].watch()];
        for (output, slope) in mixed(&watched).iter().zip(&slopes) {
            let w = device.tensor(&numbers(output.shape().numel(), 9), output.shape());
            let back = output.backward_with(&w);
            let left = (&w * slope).sum(&[]).item().unwrap();
            let part = |i: usize| back.get(&watched[i]).unwrap().map_or(0.0, |g| (g * &v[i]).sum(&[]).item().unwrap());
            let right = part(0) + part(1);
            assert!((left - right).abs() <= 1e-3 * (1.0 + left.abs()), "{device}: {left} and {right}");
        }
        // Of a model's parameters, and forward over reverse: the Hessian times a vector.
        let model = nn::mlp(&device, &[4, 5, 2], 3);
        let parameters = model.parameters();
        let directions: Vec<Tensor> = parameters.iter().map(|p| p.sin().detach()).collect();
        let (p, d): (Vec<&Tensor>, Vec<&Tensor>) = (parameters.iter().collect(), directions.iter().collect());
        let loss = model.forward(&x[0]).square().sum(&[]);
        let along = loss.jacobian_vector_product(&p, &d).unwrap().item().unwrap();
        let gradients = loss.backward();
        let expected: f32 = p.iter().zip(&d).map(|(p, d)| (gradients.wrt(p).unwrap() * *d).sum(&[]).item().unwrap()).sum();
        assert!((along - expected).abs() <= 1e-3 * expected.abs(), "{along} and {expected}");
        let w = device.tensor(&[1.0, 2.0], 2);
        let slope = |x: &[Tensor]| vec![(x[0].square() * &x[0]).sum(&[]).backward().wrt(&x[0]).unwrap()];
        assert_eq!(floats(&jvp(slope, &[&w], &[&device.ones(2)]).unwrap().1[0]), [6.0, 12.0]);
        // What does not depend on the inputs stands still.
        let (_, still) = jvp(|_| vec![w.exp()], &[&w], &[&w]).unwrap();
        assert_eq!(floats(&still[0]), [0.0, 0.0]);
        let (_, still) = jvp(|x| vec![x[0].square()], &[&w, &w], &[&w, &w]).unwrap();
        assert_eq!(floats(&still[0]), [2.0, 8.0]);
    }
}

#[test]
fn jvp_refuses_what_makes_no_sense() {
    let device = Device::cpu();
    let (x, labels) = (device.tensor(&[1.0, 2.0], 2), device.tensor(&[0u32, 1], 2));
    let double = |x: &[Tensor]| vec![&x[0] * 2.0];
    let refused = |result: Result<_, Error>| {
        let (op, error, file): (_, _, _) = op_error(Result::<(Vec<Tensor>, Vec<Tensor>), Error>::map(result, |_| ()));
        assert!(file.ends_with("gradients.rs"), "{file}");
        (op, error)
    };
    let name = "jacobian_vector_product";
    assert!(matches!(refused(jvp(double, &[&x], &[])), (op, OpError::Shape(_)) if op == name));
    assert!(matches!(refused(jvp(double, &[&x], &[&device.ones(3)])), (op, OpError::Shape(_)) if op == name));
    assert!(matches!(refused(jvp(double, &[&x], &[&labels])), (op, OpError::Shape(_)) if op == name));
    assert!(matches!(refused(jvp(|_| vec![x.clone()], &[], &[])), (op, OpError::Gradient(_)) if op == name));
    assert!(matches!(refused(jvp(double, &[&labels], &[&x])), ("watch", OpError::DType(_))));
    assert!(matches!(refused(jvp(|x| vec![x[0].argmax(0)], &[&x], &[&x])), (op, OpError::DType(_)) if op == name));
    let y = x.exp();
    assert!(matches!(op_error(y.jacobian_vector_product(&[&x], &[&x])).1, OpError::Gradient(text) if text.contains("watch")));
}

/// Norms, convolutions, embeddings, recurrence: as many kinds of parameters as layers of one sample have.
fn layers(device: &Device) -> Sequential {
    sequential![
        Conv2d::new(device, 1, 3, 3, 1),
        GroupNorm::new(device, 1, 3),
        Activation::Tanh,
        Flatten,
        Linear::new(device, 12, 6, 2),
        LayerNorm::new(device, 6),
        Linear::new(device, 6, 3, 3)
    ]
}

#[test]
fn gradients_of_each_sample_are_those_of_a_batch_of_one() {
    for device in common::devices("gradients per sample") {
        let model = layers(&device);
        let (x, labels) = (device.tensor(&numbers(5 * 16, 1), [5, 1, 4, 4]), device.tensor(&[0u32, 2, 1, 1, 0], 5));
        let loss = |x: &Tensor, y: &Tensor| model.forward(x).cross_entropy(y);
        let each = nn::per_sample_gradients(&model, &[&x, &labels], |sample| loss(&sample[0], &sample[1])).unwrap();
        assert_eq!(each.len(), model.named_parameters().len());
        let together = loss(&x, &labels).backward();
        for ((name, all), (expected, parameter)) in each.iter().zip(model.named_parameters()) {
            assert_eq!((name, all.shape().dims()[0], &all.shape().dims()[1..]), (&expected, 5, parameter.shape().dims()));
            for i in 0..5 {
                let alone = loss(&x.slice(0, i..i + 1), &labels.slice(0, i..i + 1)).backward().wrt(&parameter).unwrap();
                let found = all.slice(0, i..i + 1).reshape(parameter.shape());
                near(&agreed(&found), &agreed(&alone), 1e-5);
            }
            // Not all the same, and their mean is the gradient of the mean.
            let spread = (all - all.mean_keepdim(&[0])).abs().max(&[]).item().unwrap();
            assert!(spread > 1e-4, "{name}: {spread}");
            near(&agreed(&all.mean(&[0])), &agreed(&together.wrt(&parameter).unwrap()), 1e-5);
        }
        // One pass for all: of a perceptron no more calls than a step has, however many samples.
        let mlp = nn::mlp(&device, &[16, 8, 3], 1);
        let images = x.reshape([5, 16]);
        let dispatches = |n: isize| {
            let (x, y) = (images.slice(0, ..n), labels.slice(0, ..n));
            let loss = |x: &Tensor, y: &Tensor| mlp.forward(x).cross_entropy(y);
            let each = nn::per_sample_gradients(&mlp, &[&x, &y], |sample| loss(&sample[0], &sample[1])).unwrap();
            let together = loss(&x, &y).backward();
            let together: Vec<Tensor> = mlp.parameters().iter().map(|p| together.wrt(p).unwrap()).collect();
            let count = |plan: steepest::Result<steepest::plan::Plan>| plan.unwrap().dispatches.len();
            (count(device.plan(each.iter().map(|(_, g)| g))), count(device.plan(&together)))
        };
        let ((few, _), (many, step)) = (dispatches(2), dispatches(5));
        assert!(few == many && many <= 2 * step, "{device}: {few} and {many} dispatches, {step} of a step");
        // A frozen parameter has none, and what a loss does not use has zeros.
        model.freeze("0.*").unwrap();
        let some = nn::per_sample_gradients(&model, &[&x, &labels], |sample| loss(&sample[0], &sample[1])).unwrap();
        assert_eq!(some.len(), each.len() - 2);
        let two = sequential![Linear::new(&device, 2, 2, 1), Linear::new(&device, 2, 2, 2)];
        let x = device.tensor(&numbers(4, 1), [2, 2]);
        let first = |sample: &[Tensor]| two.layers()[0].forward(&sample[0]).sum(&[]);
        let found = nn::per_sample_gradients(&two, &[&x], first).unwrap();
        assert!(found[0].1.abs().sum(&[]).item().unwrap() > 0.0 && floats(&found[2].1).iter().all(|g| *g == 0.0));
    }
    let device = Device::cpu();
    let model = Linear::new(&device, 2, 1, 1);
    let x = device.ones([3, 2]);
    let loss = |sample: &[Tensor]| model.forward(&sample[0]).sum(&[]);
    let refused = |batch: &[&Tensor]| match nn::per_sample_gradients(&model, batch, loss) {
        Err(Error::Config { what: "gradients per sample", message }) => message,
        other => panic!("{:?}", other.map(|found| found.len())),
    };
    assert!(refused(&[]).contains("no samples") && refused(&[&device.zeros([0, 2])]).contains("no samples"));
    assert!(refused(&[&x, &device.scalar(1.0)]).contains("scalar") && refused(&[&x, &device.ones(2)]).contains("3 and of 2"));
    assert!(refused(&[&device.scalar(0.0).expand([1 << 30, 2])]).contains("number of samples"));
    let whole = nn::per_sample_gradients(&model, &[&x], |sample| model.forward(&sample[0]).exp().expand([2, 1]));
    assert_eq!(op_error(whole).0, "backward");
    model.freeze("*").unwrap();
    assert!(refused(&[&x]).contains("no parameters"));
}

#[test]
fn a_copy_on_the_device_is_the_same_to_the_bit() {
    let odd = [-0.0, f32::NAN, f32::INFINITY, 1e-45, 3.5, f32::MIN];
    let bits = |x: &Tensor| floats(x).iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    for device in common::devices("copy_from") {
        let (target, source) = (device.parameter(&[1.0; 6], [2, 3]), device.tensor(&odd, [2, 3]));
        let before = &target * 2.0;
        target.copy_from(&source).unwrap();
        assert_eq!(bits(&target), bits(&source));
        // What was recorded before reads a value that is gone.
        assert!(matches!(op_error(before.to_vec::<f32>()).1, OpError::Stale(_)));
        // A copy, not the same memory: neither sees what happens to the other.
        source.set(&[7.0; 6]).unwrap();
        assert_eq!(floats(&target)[4], 3.5);
        let w = device.parameter(&[1.0, 2.0], 2);
        let kept = device.parameter(&[0.0, 0.0], 2);
        let mut sgd = Sgd::new([w.clone()], 0.5);
        for step in 1..4 {
            sgd.step(w.sum(&[]).backward()).unwrap();
            kept.copy_from(&w).unwrap();
            sgd.step(w.sum(&[]).backward()).unwrap();
            let now = step as f32;
            assert_eq!((floats(&kept), floats(&w)), (vec![1.5 - now, 2.5 - now], vec![1.0 - now, 2.0 - now]));
        }
        // Into what an optimizer steps, and from what depends on it.
        w.copy_from(&(&w * 0.0 + &kept.square())).unwrap();
        assert_eq!(floats(&w), [2.25, 0.25]);
        sgd.step(w.sum(&[]).backward()).unwrap();
        assert_eq!(floats(&w), [1.75, -0.25]);
        w.copy_from(&w).unwrap();
        assert_eq!(floats(&w), [1.75, -0.25]);
        // Every type.
        let (u, i) = (device.tensor(&[0u32, 5], 2), device.tensor(&[0i32, -3], 2));
        u.copy_from(&device.tensor(&[4u32, 1], 2)).unwrap();
        i.copy_from(&device.tensor(&[-3i32, -1], 2)).unwrap();
        assert_eq!((u.to_vec::<u32>().unwrap(), i.to_vec::<i32>().unwrap()), (vec![4, 1], vec![-3, -1]));
        let (b, h) = (device.tensor(&[false, true], 2), device.tensor_f16(&[1.0, 2.0, 3.0], 3));
        b.copy_from(&device.tensor(&[1.0, 0.0], 2).gt_scalar(0.5)).unwrap();
        h.copy_from(&device.tensor(&[0.5, -2.0, 65504.0], 3).to_f16()).unwrap();
        assert_eq!((b.to_vec::<bool>().unwrap(), floats(&h)), (vec![true, false], vec![0.5, -2.0, 65504.0]));
        let empty = device.zeros([0, 3]);
        device.tensor(&[0.0f32; 0], [0, 3]).copy_from(&empty).unwrap();
    }
    let device = Device::cpu();
    let target = device.tensor(&[1.0, 2.0], 2);
    let refused = |target: &Tensor, source: &Tensor| {
        let (op, error, file) = op_error(target.copy_from(source));
        assert!(op == "copy_from" && file.ends_with("gradients.rs"), "{op} {file}");
        error
    };
    assert!(matches!(refused(&target, &device.ones(3)), OpError::Shape(_)));
    assert!(matches!(refused(&target, &device.tensor(&[1u32, 2], 2)), OpError::DType(_)));
    assert!(matches!(refused(&target, &Device::cpu().ones(2)), OpError::Devices(..)));
    assert!(matches!(refused(&target.exp(), &device.ones(2)), OpError::Value(text) if text.contains("computed")));
    let labels = device.tensor(&[0u32, 3], 2);
    assert!(matches!(refused(&labels, &device.tensor(&[0u32, 4], 2)), OpError::Value(text) if text.contains("0..=4")));
    assert!(matches!(refused(&labels, &device.ones(2).to_u32()), OpError::Value(text) if text.contains("unknown")));
    let invalid = target.matmul(&device.ones([5, 5]));
    assert_eq!(op_error(target.copy_from(&invalid)).0, "matmul");
    assert_eq!(floats(&target), [1.0, 2.0]);
}

mod tied {
    use super::*;
    use steepest::optim::*;

    /// A language model's ends: the table of words is the matrix of its scores too.
    struct Ends {
        words: Embedding,
        hidden: Linear,
        scores: Linear,
    }

    impl Module for Ends {
        fn forward(&self, x: &Tensor) -> Tensor {
            self.scores.forward(&self.hidden.forward(&self.words.forward(x)).tanh())
        }
        steepest::parts!(words, hidden, scores);
    }

    fn ends(device: &Device, shared: bool) -> Ends {
        let words = Embedding::new(device, 5, 3, 1);
        let weight = if shared { words.weight().clone() } else { device.parameter(&floats(words.weight()), [5, 3]) };
        let bias = device.parameter(&[0.0; 5], 5);
        let scores = Linear::from_parameters(weight, Some(bias)).unwrap();
        Ends { words, hidden: Linear::new(device, 3, 3, 2), scores }
    }

    fn loss(model: &Ends, device: &Device) -> Tensor {
        let (x, y) = (device.tensor(&[0u32, 3, 4, 1], 4), device.tensor(&[3u32, 4, 1, 2], 4));
        model.forward(&x).cross_entropy(&y)
    }

    #[test]
    fn tied_weights_count_once() {
        let device = Device::cpu();
        let model = ends(&device, true);
        let names: Vec<String> = model.named_parameters().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["words.weight", "hidden.weight", "hidden.bias", "scores.bias"]);
        assert_eq!((model.parameters().len(), model.parameter_count()), (4, 15 + 9 + 3 + 5));
        let apart = sequential![Linear::new(&device, 3, 3, 1), Linear::new(&device, 3, 3, 1)];
        let first = Linear::new(&device, 3, 3, 1);
        let again = Linear::from_parameters(first.weight().clone(), first.bias().cloned()).unwrap();
        let together = sequential![first, again];
        let (one, two) = (nn::summary(&together, &device, [2, 3]).unwrap(), nn::summary(&apart, &device, [2, 3]).unwrap());
        assert_eq!((one.parameters, two.parameters), (12, 24));
        assert_eq!(one.bytes + 4 * 12, two.bytes);
        assert_eq!(one.multiply_adds, two.multiply_adds);
        // By any of its names, and counted once.
        assert_eq!(model.freeze("scores.weight").unwrap(), 1);
        assert!(model.words.weight().is_frozen());
        assert_eq!(model.unfreeze("*.weight").unwrap(), 2);
    }

    #[test]
    fn every_optimizer_steps_tied_weights_once() {
        type Make = fn(Vec<Tensor>) -> Box<dyn Optimizer>;
        let all: [(&str, Make); 14] = [
            ("sgd", |p| Box::new(Sgd::new(p, 0.1).momentum(0.9))),
            ("adam", |p| Box::new(Adam::new(p, 0.1))),
            ("adamw", |p| Box::new(Adam::w(p, 0.1))),
            ("adadelta", |p| Box::new(Adadelta::new(p, 0.5))),
            ("adafactor", |p| Box::new(Adafactor::new(p, 0.1))),
            ("adagrad", |p| Box::new(AdaGrad::new(p, 0.1))),
            ("adamax", |p| Box::new(Adamax::new(p, 0.1))),
            ("lamb", |p| Box::new(Lamb::new(p, 0.1))),
            ("lion", |p| Box::new(Lion::new(p, 0.01))),
            ("muon", |p| Box::new(Muon::new(p.into_iter().filter(|p| p.shape().rank() == 2).collect::<Vec<_>>(), 0.1))),
            ("nadam", |p| Box::new(NAdam::new(p, 0.1))),
            ("radam", |p| Box::new(RAdam::new(p, 0.1))),
            ("rmsprop", |p| Box::new(RmsProp::new(p, 0.1))),
            ("nesterov", |p| Box::new(Sgd::new(p, 0.1).momentum(0.9).nesterov(true))),
        ];
        for device in common::devices("tied weights") {
            for (name, make) in all {
                let (tied, apart) = (ends(&device, true), ends(&device, false));
                tied.scores.bias().unwrap().set_frozen(true);
                let (mut ours, mut theirs) = (make(tied.parameters()), make(apart.parameters()[..3].to_vec()));
                for round in 0..3 {
                    // The gradient of a tied weight is the sum of those of its uses: the same as a parameter of its own that both follow.
                    let both = loss(&apart, &device).backward();
                    let weight = apart.words.weight();
                    let sum = both.wrt(weight).unwrap() + both.wrt(apart.scores.weight()).unwrap();
                    let tied_loss = loss(&tied, &device).backward();
                    let found = tied_loss.wrt(tied.words.weight()).unwrap();
                    device.run([&sum, &found]).unwrap();
                    near(&agreed(&found), &agreed(&sum), 1e-4);
                    let linear = |p: &Tensor, slope: &Tensor| (p * slope.detach()).sum(&[]);
                    let of = |p: &Tensor| both.wrt(p).unwrap();
                    let hidden = apart.hidden.parameters();
                    let slopes = [sum, of(&hidden[0]), of(&hidden[1])];
                    device.run(&slopes).unwrap();
                    let same = linear(weight, &slopes[0]) + linear(&hidden[0], &slopes[1]) + linear(&hidden[1], &slopes[2]);
                    theirs.step(same.backward()).unwrap();
                    apart.scores.weight().copy_from(weight).unwrap();
                    ours.step(tied_loss).unwrap();
                    let (a, b) = (floats(tied.words.weight()), floats(weight));
                    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 2e-3), "{name} {round} {device}: {a:?} {b:?}");
                }
                let state = ours.state();
                let of_weights = if name == "muon" { 2 } else { 4 };
                assert!(state.iter().all(|(_, tensors)| tensors.len() == of_weights), "{name}: one state for each");
            }
        }
    }

    #[test]
    fn a_tied_weight_is_loaded_by_any_of_its_names() {
        let device = Device::cpu();
        let (model, other) = (ends(&device, true), ends(&device, true));
        model.words.weight().set(&numbers(15, 9)).unwrap();
        let state = StateDict::of(&model).unwrap();
        // Under both names, so that a model that does not share it can read it.
        assert_eq!(state.get("words.weight"), state.get("scores.weight"));
        let apart = ends(&device, false);
        state.load(&apart).unwrap();
        assert_eq!(floats(apart.scores.weight()), numbers(15, 9));
        state.load(&other).unwrap();
        assert_eq!(floats(other.words.weight()), numbers(15, 9));
        for name in ["words.weight", "scores.weight"] {
            let (mut one, other) = (state.clone(), ends(&device, true));
            one.remove(name);
            one.load(&other).unwrap();
            assert_eq!(floats(other.words.weight()), numbers(15, 9), "without {name}");
            assert!(one.load(&apart).is_err(), "a model of two weights needs both");
        }
        let mut none = state.clone();
        none.remove("words.weight");
        none.remove("scores.weight");
        assert_eq!(none.compare(&other).missing, ["words.weight", "scores.weight"]);
        // Two that differ cannot both be it.
        let mut differ = state.clone();
        differ.insert("scores.weight", nn::Array::f32(numbers(15, 10), &[5, 3]));
        let before = floats(other.words.weight());
        let error = differ.load(&other).unwrap_err().to_string();
        assert!(error.contains("scores.weight") && error.contains("the same tensor as words.weight"), "{error}");
        assert_eq!(floats(other.words.weight()), before);
        differ.load(&apart).unwrap();
    }

    #[test]
    fn parameters_of_the_wrong_kind_are_refused() {
        let device = Device::cpu();
        let (weight, bias) = (device.parameter(&[0.0; 6], [2, 3]), device.parameter(&[0.0; 2], 2));
        let refused = |weight: &Tensor, bias: &Tensor| {
            let (op, error, file) = op_error(Linear::from_parameters(weight.clone(), Some(bias.clone())));
            assert!(op == "linear" && file.ends_with("gradients.rs"));
            error
        };
        assert!(matches!(refused(&bias, &bias), OpError::Shape(_)) && matches!(refused(&weight, &weight), OpError::Shape(_)));
        assert!(matches!(refused(&weight.to_u32(), &bias), OpError::DType(_)));
        assert!(matches!(refused(&weight, &bias.to_u32()), OpError::DType(_)));
        assert!(matches!(refused(&weight, &Device::cpu().ones(2)), OpError::Devices(..)));
        assert!(Linear::from_parameters(weight.matmul(&weight), None).is_err());
        assert_eq!(op_error(Embedding::from_parameters(bias.clone())).0, "embedding");
        assert_eq!(op_error(Embedding::from_parameters(weight.to_u32())).0, "embedding");
        let table = Embedding::from_parameters(weight.clone()).unwrap();
        assert_eq!(table.forward(&device.tensor(&[1u32], 1)).shape().dims(), [1, 3]);
    }
}
