//! Einsum against one loop over all labels, attention against its formula, and what both refuse.
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::common::slopes::{agreed, check_gradient, numbers, parameter, reference};
use std::collections::BTreeMap;
use steepest::error::OpError;
use steepest::{Device, Error, Tensor, ops};

fn complaint(tensor: &Tensor) -> OpError {
    match tensor.check() {
        Err(Error::Op { error, .. }) => error,
        other => panic!("{other:?} where an error was expected"),
    }
}

/// The definition: for every value of every label, the product of the operands' elements is added to the output's.
fn naive(subscript: &str, operands: &[(Vec<f64>, Vec<usize>)]) -> Vec<f64> {
    let text: String = subscript.chars().filter(|c| *c != ' ').collect();
    let (inputs, output) = text.split_once("->").map_or((text.as_str(), None), |(i, o)| (i, Some(o)));
    let inputs: Vec<Vec<char>> = inputs.split(',').map(|i| i.chars().collect()).collect();
    let all: Vec<char> = inputs.iter().flatten().copied().collect();
    let mut sizes = BTreeMap::new();
    for (labels, (_, dims)) in inputs.iter().zip(operands) {
        sizes.extend(labels.iter().copied().zip(dims.iter().copied()));
    }
    let implicit = || sizes.keys().filter(|c| all.iter().filter(|d| d == c).count() == 1).copied().collect();
    let output: Vec<char> = output.map_or_else(implicit, |o| o.chars().collect());
    let labels: Vec<char> = sizes.keys().copied().collect();
    let mut out = vec![0.0; output.iter().map(|c| sizes[c]).product()];
    for number in 0..sizes.values().product() {
        let mut rest: usize = number;
        let mut value = BTreeMap::new();
        for c in &labels {
            value.insert(*c, rest % sizes[c]);
            rest /= sizes[c];
        }
        let at = |labels: &[char]| labels.iter().fold(0, |at, c| at * sizes[c] + value[c]);
        out[at(&output)] += inputs.iter().zip(operands).map(|(l, (data, _))| data[at(l)]).product::<f64>();
    }
    out
}

const FORMS: &[(&str, &[&[usize]])] = &[
    // One operand: copies, permutations, sums, diagonals, traces.
    ("ij", &[&[3, 4]]),
    ("ji", &[&[3, 4]]),
    ("ij->ji", &[&[3, 4]]),
    ("ij->", &[&[3, 4]]),
    ("ij->i", &[&[3, 4]]),
    ("ij->j", &[&[3, 4]]),
    ("abc->cab", &[&[2, 3, 4]]),
    ("abc->ca", &[&[2, 3, 4]]),
    ("ii", &[&[4, 4]]),
    ("ii->i", &[&[4, 4]]),
    ("iij->ji", &[&[3, 3, 2]]),
    ("ijii->j", &[&[3, 2, 3, 3]]),
    ("ijij->ji", &[&[3, 2, 3, 2]]),
    ("->", &[&[]]),
    // Two: products, in every order of the axes.
    ("ij,jk->ik", &[&[3, 4], &[4, 5]]),
    ("ij,jk", &[&[3, 4], &[4, 5]]),
    (" i j , k j -> i k ", &[&[3, 4], &[5, 4]]),
    ("ji,jk->ki", &[&[4, 3], &[4, 5]]),
    ("ij,j->i", &[&[3, 4], &[4]]),
    ("j,ij->i", &[&[4], &[3, 4]]),
    ("i,i", &[&[4], &[4]]),
    ("i,i->i", &[&[4], &[4]]),
    ("i,j->ij", &[&[3], &[4]]),
    ("i,j->ji", &[&[3], &[4]]),
    ("ij,ij->", &[&[3, 4], &[3, 4]]),
    ("ij,ij->j", &[&[3, 4], &[3, 4]]),
    (",ij->ji", &[&[], &[3, 4]]),
    ("ij,->i", &[&[3, 4], &[]]),
    ("bij,bjk->bik", &[&[2, 3, 4], &[2, 4, 5]]),
    ("bij,jk->bik", &[&[2, 3, 4], &[4, 5]]),
    ("ijb,kbj->kib", &[&[3, 4, 2], &[5, 2, 4]]),
    ("bhqd,bhkd->bhqk", &[&[2, 2, 3, 4], &[2, 2, 5, 4]]),
    ("bqhd,bkhd->bhqk", &[&[2, 3, 2, 4], &[2, 5, 2, 4]]),
    ("abcd,cdbe->ea", &[&[2, 3, 2, 2], &[2, 2, 3, 4]]),
    ("ijk,lkj->il", &[&[2, 3, 4], &[5, 4, 3]]),
    ("iij,jk->ik", &[&[3, 3, 2], &[2, 4]]),
    ("ij,kl->", &[&[2, 3], &[4, 2]]),
    ("ijx,jky->ik", &[&[2, 3, 2], &[3, 4, 3]]),
    ("aB,Ba->aB", &[&[2, 3], &[3, 2]]),
    // More, from left to right.
    ("ij,jk,kl->il", &[&[2, 3], &[3, 4], &[4, 2]]),
    ("ij,kl,jk->li", &[&[2, 3], &[4, 2], &[3, 4]]),
    ("i,ij,j", &[&[3], &[3, 4], &[4]]),
    ("bn,anm,bm->ba", &[&[2, 3], &[4, 3, 2], &[2, 2]]),
    ("i,i,i->i", &[&[3], &[3], &[3]]),
    // Sizes of 1 and 0.
    ("ij,jk->ik", &[&[1, 1], &[1, 1]]),
    ("ij,jk->ik", &[&[2, 0], &[0, 3]]),
    ("ij,jk->ik", &[&[0, 2], &[2, 3]]),
    ("bij,bjk->bik", &[&[0, 3, 4], &[0, 4, 5]]),
    ("ij->i", &[&[2, 0]]),
];

#[test]
fn every_form_is_the_loop_over_its_labels() {
    let devices = common::devices("einsum");
    for (subscript, shapes) in FORMS {
        let data: Vec<(Vec<f64>, Vec<usize>)> = shapes
            .iter()
            .enumerate()
            .map(|(i, dims)| (numbers(dims.iter().product(), i as u32).into_iter().map(f64::from).collect(), dims.to_vec()))
            .collect();
        let expected = naive(subscript, &data);
        for device in &devices {
            let operands: Vec<Tensor> = shapes.iter().enumerate().map(|(i, dims)| parameter(device, dims, i as u32)).collect();
            let out = ops::einsum(subscript, &operands.iter().collect::<Vec<_>>()).unwrap();
            let found = reference(&out);
            assert_eq!(found.len(), expected.len(), "{subscript}");
            for (f, e) in found.iter().zip(&expected) {
                assert!((f - e).abs() <= 1e-12 * (1.0 + e.abs()), "{subscript} of {shapes:?}: {found:?}, not {expected:?}");
            }
            agreed(&out);
        }
    }
}

#[test]
fn gradients_of_every_form() {
    let device = Device::cpu();
    for (subscript, shapes) in FORMS {
        let operands: Vec<Tensor> = shapes.iter().enumerate().map(|(i, dims)| parameter(&device, dims, i as u32)).collect();
        let operands: Vec<&Tensor> = operands.iter().collect();
        check_gradient(subscript, &operands, &ops::einsum(subscript, &operands).unwrap());
    }
}

/// Several axes, both sides of the tiles of a matrix product, on the device itself.
#[test]
fn larger_products_agree_with_the_reference() {
    for device in common::devices("larger products") {
        let (a, b) = (parameter(&device, &[2, 17, 5, 13], 1), parameter(&device, &[5, 2, 33, 13], 2));
        let out = ops::einsum("bihd,hbjd->bhij", &[&a, &b]).unwrap();
        assert_eq!(out.shape().dims(), [2, 5, 17, 33]);
        agreed(&out);
        agreed(&out.square().sum(&[]).backward().wrt(&b).unwrap());
    }
}

#[test]
fn a_transposed_operand_is_not_copied() {
    let device = Device::cpu();
    let (a, b) = (device.zeros([3, 4]).exp(), device.zeros([5, 4]).exp());
    device.run([&a, &b]).unwrap();
    let out = ops::einsum("ij,kj->ik", &[&a, &b]).unwrap();
    let plan = device.plan([&out]).unwrap().to_string();
    assert!(plan.contains("1 dispatches"), "{plan}");
}

#[test]
fn einsum_says_what_is_wrong() {
    let device = Device::cpu();
    let (a, b) = (device.zeros([3, 4]), device.zeros([4, 5]));
    let wrong = |subscript: &str, operands: &[&Tensor]| complaint(&ops::einsum(subscript, operands).unwrap());
    let value = |error: OpError, part: &str| assert!(matches!(&error, OpError::Value(text) if text.contains(part)), "{error:?}");
    let shape = |error: OpError, part: &str| assert!(matches!(&error, OpError::Shape(text) if text.contains(part)), "{error:?}");
    value(wrong("ij,jk->iz", &[&a, &b]), "'z' is in no operand");
    value(wrong("ij,jk->ii", &[&a, &b]), "'i' twice");
    value(wrong("i1,jk->ik", &[&a, &b]), "'1' is no label");
    value(wrong("..j->j", &[&a]), "'.' is no label");
    value(wrong("....j->...j", &[&a]), "'.' is no label");
    value(wrong("…j->j", &[&a]), "'…' is no label");
    value(wrong("...j->j", &[&a]), "an operand has ..., and the output not");
    value(wrong("ij->...j", &[&a]), "the output has ..., and the operands not");
    value(wrong("......->...", &[&a]), "twice");
    value(wrong("ij->i,j", &[&a]), "',' is no label");
    value(wrong("ij->j->i", &[&a]), "'-' is no label");
    value(wrong("é", &[&a]), "'é' is no label");
    value(wrong("ij,jk->ik", &[&a]), "names 2 operands, and 1 are given");
    value(wrong("ij", &[&a, &b]), "names 1 operands, and 2 are given");
    shape(wrong("ijk,jk->ik", &[&a, &b]), "3 labels for operand 0, [3,4], which has 2 axes");
    shape(wrong("", &[&a]), "0 labels");
    shape(wrong("ij,ik->jk", &[&a, &b]), "label 'i' has size 3, and size 4 in operand 1, [4,5]");
    shape(wrong("ii", &[&a]), "label 'i' has size 3, and size 4 in operand 0");
    shape(wrong("abcde,fghij->abcdefghij", &[&device.zeros([1; 5]), &device.zeros([1; 5])]), "at most 8");
    assert!(matches!(wrong("ij->ji", &[&a.to_u32()]), OpError::DType(_)));
    assert!(ops::einsum("", &[]).is_err());
    assert_eq!(complaint(&ops::einsum("ij,j", &[&a, &a.reshape(5)]).unwrap()), complaint(&a.reshape(5)));
}

/// softmax(q kᵀ · scale) v by its formula, of one head.
fn attention(q: &[f64], k: &[f64], v: &[f64], [t, s, d, e]: [usize; 4], causal: bool, scale: f64) -> Vec<f64> {
    let mut out = vec![];
    for i in 0..t {
        let seen = if causal { s.min(i + 1) } else { s };
        let weight: Vec<f64> =
            (0..seen).map(|j| (scale * (0..d).map(|c| q[i * d + c] * k[j * d + c]).sum::<f64>()).exp()).collect();
        let total: f64 = weight.iter().sum();
        out.extend((0..e).map(|c| (0..seen).map(|j| weight[j] / total * v[j * e + c]).sum::<f64>()));
    }
    out
}

#[test]
fn attention_is_its_formula() {
    for device in common::devices("attention") {
        for [t, s, d, e] in [[1, 1, 1, 1], [3, 3, 4, 4], [2, 5, 3, 2], [5, 2, 3, 4], [17, 17, 8, 8]] {
            for (causal, scale) in [(false, None), (true, None), (true, Some(0.5))] {
                let (q, k, v) = (parameter(&device, &[t, d], 1), parameter(&device, &[s, d], 2), parameter(&device, &[s, e], 3));
                let out = q.scaled_dot_product_attention(&k, &v, causal, scale);
                let factor = scale.unwrap_or(1.0 / (d as f64).sqrt());
                let expected = attention(&reference(&q), &reference(&k), &reference(&v), [t, s, d, e], causal, factor);
                for (f, x) in reference(&out).iter().zip(&expected) {
                    assert!((f - x).abs() < 1e-12, "{device}: {t}×{s} causal {causal}: {f}, not {x}");
                }
                agreed(&out);
                for gradient in [&q, &k, &v].map(|x| out.square().sum(&[]).backward().wrt(x).unwrap()) {
                    assert!(agreed(&gradient).iter().all(|g| g.is_finite()), "{device}");
                }
            }
        }
        // Every head by itself.
        let heads = [1, 2, 3].map(|seed| parameter(&device, &[2, 3, 4, 5], seed));
        let out = heads[0].scaled_dot_product_attention(&heads[1], &heads[2], true, None);
        assert_eq!(out.shape().dims(), [2, 3, 4, 5]);
        let found = agreed(&out);
        for head in 0..6 {
            let [q, k, v] = heads.each_ref().map(|x| reference(x)[head * 20..][..20].to_vec());
            let expected = attention(&q, &k, &v, [4, 4, 5, 5], true, 1.0 / 5f64.sqrt());
            assert!(found[head * 20..][..20].iter().zip(&expected).all(|(f, x)| (f - x).abs() < 1e-5));
        }
        assert!(
            agreed(&device.zeros([2, 0, 4]).scaled_dot_product_attention(
                &device.zeros([2, 0, 4]),
                &device.zeros([2, 0, 4]),
                true,
                None
            ))
            .is_empty()
        );
    }
}

#[test]
fn gradients_of_attention() {
    let device = Device::cpu();
    for (causal, [t, s]) in [(false, [3, 4]), (true, [4, 4]), (true, [2, 5]), (true, [4, 2])] {
        let (q, k, v) = (parameter(&device, &[2, t, 3], 1), parameter(&device, &[2, s, 3], 2), parameter(&device, &[2, s, 2], 3));
        check_gradient("attention", &[&q, &k, &v], &q.scaled_dot_product_attention(&k, &v, causal, None));
    }
}

#[test]
fn attention_says_what_is_wrong() {
    let device = Device::cpu();
    let x = |dims: &[usize]| device.zeros(dims.to_vec());
    let wrong = |q: &[usize], k: &[usize], v: &[usize], part: &str| {
        let error = complaint(&x(q).scaled_dot_product_attention(&x(k), &x(v), true, None));
        assert!(matches!(&error, OpError::Shape(text) if text.contains(part)), "{error:?}");
    };
    wrong(&[4], &[3, 4], &[3, 4], "two axes");
    wrong(&[2, 3, 4], &[3, 4], &[3, 4], "before the last two differ");
    wrong(&[2, 3, 4], &[2, 3, 4], &[1, 3, 4], "before the last two differ");
    wrong(&[3, 4], &[3, 5], &[3, 4], "features");
    wrong(&[3, 4], &[3, 4], &[2, 4], "positions");
    let q = x(&[3, 4]);
    assert!(matches!(complaint(&q.scaled_dot_product_attention(&q, &q, false, Some(f64::NAN))), OpError::Value(_)));
    assert!(matches!(complaint(&q.to_i32().scaled_dot_product_attention(&q, &q, false, None)), OpError::DType(_)));
    assert_eq!(complaint(&q.scaled_dot_product_attention(&q, &q.reshape(5), false, None)), complaint(&q.reshape(5)));
}

#[test]
fn an_ellipsis_stands_for_the_axes_without_labels() {
    let shapes: [&[usize]; 9] =
        [&[2, 3], &[4, 2, 3], &[5, 4, 2, 3], &[3, 2], &[4, 3, 2], &[1, 3, 2], &[5, 1, 3, 2], &[5, 4, 3, 3], &[3]];
    let device = Device::cpu();
    let operand = |n: usize| {
        let (count, dims) = (shapes[n].iter().product::<usize>(), shapes[n]);
        device.tensor(&(0..count).map(|i| ((i * 7 + n) % 11) as f32 - 5.0).collect::<Vec<_>>(), dims)
    };
    // The same with every axis named, and an axis of 1 that broadcasts left out.
    for (subscript, named, operands) in [
        ("...ij,...jk->...ik", "ij,jk->ik", vec![0, 3]),
        ("...ij,...jk->...ik", "aij,ajk->aik", vec![1, 4]),
        ("...ij,jk->...ik", "baij,jk->baik", vec![2, 3]),
        ("...ij,...jk->...ik", "baij,ajk->baik", vec![2, 4]),
        ("...ij,...jk", "baij,ajk->baik", vec![2, 4]),
        ("...ij,...jk->k...i", "baij,ajk->kbai", vec![2, 4]),
        ("i...->...i", "icab->cabi", vec![2]),
        ("...ii->...i", "baii->bai", vec![7]),
        ("...,...", "i,i->i", vec![8, 8]),
        ("..., ... -> ...", "baij,j->baij", vec![2, 8]),
        ("...j,...j->...", "baij,j->bai", vec![2, 8]),
    ] {
        let tensors: Vec<Tensor> = operands.into_iter().map(operand).collect();
        let tensors: Vec<&Tensor> = tensors.iter().collect();
        let (found, expected) = (ops::einsum(subscript, &tensors).unwrap(), ops::einsum(named, &tensors).unwrap());
        assert_eq!(found.try_shape().unwrap(), expected.try_shape().unwrap(), "{subscript}");
        assert_eq!(found.to_vec::<f32>().unwrap(), expected.to_vec::<f32>().unwrap(), "{subscript}");
    }
    // Broadcast: in one operand, in each in turn, and in all.
    for (a, b, dims) in [(2, 5, vec![5, 4, 2, 2]), (1, 6, vec![5, 4, 2, 2]), (2, 6, vec![5, 4, 2, 2]), (0, 6, vec![5, 1, 2, 2])] {
        let (a, b) = (operand(a), operand(b));
        let (found, expected) = (ops::einsum("...ij,...jk->...ik", &[&a, &b]).unwrap(), a.matmul(&b));
        assert_eq!(found.try_shape().unwrap().dims(), dims);
        assert_eq!(found.to_vec::<f32>().unwrap(), expected.to_vec::<f32>().unwrap());
    }
    // What broadcasts is an ellipsis' axis, never a named one; and sizes that do not fit are refused.
    let shape = |t: Tensor| assert!(matches!(complaint(&t), OpError::Shape(_)));
    shape(ops::einsum("aij,ajk->aik", &[&operand(1), &operand(5)]).unwrap());
    shape(ops::einsum("...ij,...jk->...ik", &[&operand(7), &operand(1)]).unwrap());
    shape(ops::einsum("...abcd->...", &[&operand(1)]).unwrap());
}
