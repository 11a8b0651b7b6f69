//! Cases of gradients.json: outputs, vector-Jacobian products, Hessian-vector products and Hessians.

use super::build::build;
use super::file::{Numbers, Oracle};
use super::hessian;
use super::inputs::Inputs;
use super::judge::{Check, Part, Place, Recording, Table};
use super::missing;
use crate::common::fields::{Fault, Fields};
use serde_json::Value;
use steepest::graph::Array;
use steepest::{DType, Gradients, Tensor};

type Checks<'o> = Result<Vec<Check<'o>>, Fault>;

/// Fields of every case that are told to people, or read by the judge.
pub const TOLD: [&str; 5] = ["name", "group", "note", "f64_tolerance", "f32_relative_to_max"];

/// What the index holds beside lists of cases.
const ABOUT: [&str; 6] = ["title", "made_with", "cross_checked_with", "dtype", "tolerances", "counts"];

/// The cases of a list of the index, which must be as many as it says.
fn list<'a>(index: &'a Value, field: &str, counts: &[&str]) -> &'a [Value] {
    let fields = Fields::new(index);
    fields.pass_over(&ABOUT);
    fields.pass_over(&["cases", "second_order", "kinks"]);
    assert!(fields.all_read().is_ok(), "the index holds what nobody reads: {:?}", fields.all_read());
    let cases = index[field].as_array().map_or(&[][..], Vec::as_slice);
    let told: u64 = counts.iter().filter_map(|name| index["counts"][name].as_u64()).sum();
    assert_eq!(cases.len() as u64, told, "the index counts {told} {field}");
    cases
}

/// Every case of the index in one place.
pub fn first_order(oracle: &Oracle, place: &Place) {
    let mut table = Table::new(&oracle.index, place, missing::OPS);
    for case in list(&oracle.index, "cases", &["cases"]) {
        let op = case["op"].as_str().unwrap_or("(no op)");
        table.enter(case, op, &label(case, op), first_case(oracle, place, case, op));
    }
    table.finish();
}

/// Every Hessian-vector product and Hessian of the index in one place.
pub fn second_order(oracle: &Oracle, place: &Place) {
    let mut table = Table::new(&oracle.index, place, missing::OPS);
    for case in list(&oracle.index, "second_order", &["second_order_hvp", "second_order_hessians"]) {
        match case["kind"].as_str() {
            Some("hvp") => {
                let op = case["op"].as_str().unwrap_or("(no op)");
                table.enter(case, op, &label(case, op), second_case(oracle, place, case, op));
            }
            Some("hessian") => table.enter(case, "hessian", "hessian", hessian::checks(oracle, place, case)),
            _ => table.enter(case, "(no kind)", "(no kind)", Fields::new(case).unknown("kind")),
        }
    }
    table.finish();
}

/// Points without a derivative: the output is checked, and the gradient where there is a convention to follow. Of the others it is
/// printed what is found here and what was found elsewhere.
pub fn kinks(oracle: &Oracle, place: &Place) {
    let mut table = Table::new(&oracle.index, place, missing::OPS);
    for case in list(&oracle.index, "kinks", &["kinks"]) {
        let op = case["op"].as_str().unwrap_or("(no op)");
        table.enter(case, op, &label(case, op), kink(place, case, op));
    }
    table.finish();
}

/// The name of a line of the table: a formula that is not built must not hide behind those that are.
fn label(case: &Value, op: &str) -> String {
    let formula = case["params"]["formula"].as_str().filter(|_| op == "compose");
    formula.map_or(op.to_owned(), |formula| format!("{op} {}", formula.chars().take(16).collect::<String>()))
}

/// The inputs; parameters are those with a gradient.
fn inputs(recording: &Recording<'_>, oracle: &Oracle, case: &Fields<'_>) -> Result<Vec<Tensor>, Fault> {
    let (inputs, grads) = (oracle.list(case.need("inputs")?)?, oracle.list(case.need("grads")?)?);
    if inputs.len() != grads.len() {
        return Err(format!("{} inputs and {} gradients", inputs.len(), grads.len()).into());
    }
    let pairs = inputs.into_iter().zip(grads);
    pairs.map(|(x, grad)| Ok(recording.tensor(x.ok_or("an input is null")?, grad.is_some())?)).collect()
}

/// What a list of names expects of the inputs, with their places in it.
fn expected<'o>(oracle: &'o Oracle, names: &Value) -> Result<Vec<(usize, &'o Numbers)>, String> {
    Ok(oracle.list(names)?.into_iter().enumerate().filter_map(|(i, n)| Some((i, n?))).collect())
}

/// The gradients by some inputs. One the output does not depend on is zero.
fn gradients(of: &Tensor, by: Gradients, inputs: &[Tensor], wanted: &[(usize, &Numbers)]) -> Result<Vec<Tensor>, Fault> {
    let one = |&(i, _): &(usize, &Numbers)| {
        if !of.requires_grad() {
            return Ok(inputs[i].full_like(0.0));
        }
        Ok(by.get(&inputs[i])?.cloned().unwrap_or_else(|| inputs[i].full_like(0.0)))
    };
    wanted.iter().map(one).collect()
}

fn check<'o>(what: String, part: Part, found: Array, expected: &'o Numbers) -> Check<'o> {
    Check { what, part, found, shape: expected.shape.clone(), expected: (&expected.data).into() }
}

/// The op of a case on its inputs, which come along.
fn recorded(recording: &Recording<'_>, oracle: &Oracle, case: &Fields<'_>, op: &str) -> Result<(Tensor, Vec<Tensor>), Fault> {
    case.pass_over(&TOLD);
    case.need("op")?;
    let tensors = inputs(recording, oracle, case)?;
    let output = build(op, &case.within("params")?, &Inputs::new(tensors.clone(), recording))?;
    output.check()?;
    Ok((output, tensors))
}

pub fn first_case<'o>(oracle: &'o Oracle, place: &Place, case: &'o Value, op: &str) -> Checks<'o> {
    let (recording, case) = (place.recording(), Fields::new(case));
    let (output, inputs) = recorded(&recording, oracle, &case, op)?;
    let cotangent = recording.tensor(oracle.numbers(case.text("cotangent")?)?, false)?;
    let wanted = expected(oracle, case.need("grads")?)?;
    let target = oracle.numbers(case.text("output")?)?;
    case.all_read()?;
    let grads = gradients(&output, output.backward_with(&cotangent), &inputs, &wanted)?;
    let roots: Vec<&Tensor> = std::iter::once(&output).chain(&grads).collect();
    let mut values = recording.values(&roots)?.into_iter();
    let forward = values.next().ok_or("no output")?;
    let mut checks = vec![check("output".to_owned(), Part::Forward, forward, target)];
    let found = values.zip(wanted).map(|(v, (i, numbers))| check(format!("gradient {i}"), Part::Gradient, v, numbers));
    checks.extend(found);
    Ok(checks)
}

/// L = Σ cotangent · op(inputs): its gradients, and theirs along the given vectors.
pub fn second_case<'o>(oracle: &'o Oracle, place: &Place, case: &'o Value, op: &str) -> Checks<'o> {
    let (recording, case) = (place.recording(), Fields::new(case));
    case.need("kind")?;
    let (output, inputs) = recorded(&recording, oracle, &case, op)?;
    let cotangent = recording.tensor(oracle.numbers(case.text("cotangent")?)?, false)?;
    let wanted = expected(oracle, case.need("grads")?)?;
    let vectors = oracle.list(case.need("vectors")?)?;
    let curved = expected(oracle, case.need("hvp")?)?;
    let target = oracle.numbers(case.text("value")?)?;
    case.all_read()?;
    let loss = (cotangent * output).sum(&[]);
    let grads = gradients(&loss, loss.backward(), &inputs, &wanted)?;
    let mut along: Option<Tensor> = None;
    for (grad, (i, _)) in grads.iter().zip(&wanted) {
        let vector = vectors.get(*i).copied().flatten().ok_or_else(|| format!("no vector for input {i}"))?;
        let part = (grad * recording.tensor(vector, false)?).sum(&[]);
        along = Some(along.map_or(part.clone(), |sum| sum + part));
    }
    let along = along.ok_or("no gradient to differentiate")?;
    let second = gradients(&along, along.backward(), &inputs, &curved)?;
    let roots: Vec<&Tensor> = std::iter::once(&loss).chain(&grads).chain(&second).collect();
    let mut values = recording.values(&roots)?.into_iter();
    let value = values.next().ok_or("no value")?;
    let mut checks = vec![check("value".to_owned(), Part::Forward, value, target)];
    let names =
        wanted.iter().map(|(i, n)| (format!("gradient {i}"), *n)).chain(curved.iter().map(|(i, n)| (format!("hvp {i}"), *n)));
    checks.extend(values.zip(names).map(|(v, (what, numbers))| check(what, Part::Gradient, v, numbers)));
    Ok(checks)
}

/// Ops with a convention for their kinks, which is PyTorch's gradient there: 0 for relu, abs (so l1), relu6 and hard_tanh, the negative side
/// for prelu, celu and elu.
const CONVENTIONS: [&str; 8] = ["relu", "abs", "l1", "relu6", "hard_tanh", "prelu", "celu", "elu"];

/// Numbers in nested lists, row-major, with their sizes. What is not finite is written as text.
fn nested(value: &Value) -> Result<(Vec<usize>, Vec<f64>), String> {
    match value {
        Value::Array(list) => {
            let parts = list.iter().map(nested).collect::<Result<Vec<_>, _>>()?;
            let inner = parts.first().map_or(vec![], |(shape, _)| shape.clone());
            if parts.iter().any(|(shape, _)| *shape != inner) {
                return Err(format!("{value} is no array"));
            }
            Ok(([vec![list.len()], inner].concat(), parts.into_iter().flat_map(|(_, data)| data).collect()))
        }
        Value::String(text) => text.parse().map(|x| (vec![], vec![x])).map_err(|_| format!("{text} is no number")),
        other => other.as_f64().map(|x| (vec![], vec![x])).ok_or_else(|| format!("{other} is no number")),
    }
}

fn kink<'o>(place: &Place, case: &'o Value, op: &str) -> Checks<'o> {
    let (recording, fields) = (place.recording(), Fields::new(case));
    fields.pass_over(&TOLD);
    fields.pass_over(&["op", "jax_grads", "torch_grads"]);
    if fields.read("check", Value::as_bool)? {
        return fields.unknown("check");
    }
    if fields.text("cotangent")? != "ones" {
        return fields.unknown("cotangent");
    }
    let given = fields.need("inputs")?.as_array().ok_or("no inputs")?;
    let leaf = |x: &Value| {
        let (shape, data) = nested(x)?;
        recording.leaf(&shape, &data, DType::F32, true)
    };
    let inputs: Vec<Tensor> = given.iter().map(leaf).collect::<Result<_, _>>()?;
    let output = build(op, &fields.within("params")?, &Inputs::new(inputs.clone(), &recording))?;
    output.check()?;
    let by = output.backward_with(&output.full_like(1.0));
    let grads = inputs.iter().map(|x| by.wrt(x)).collect::<steepest::Result<Vec<_>>>()?;
    let mut values = recording.values(&std::iter::once(&output).chain(&grads).collect::<Vec<_>>())?.into_iter();
    let (shape, expected) = nested(fields.need("output")?)?;
    fields.all_read()?;
    let found = values.next().ok_or("no output")?;
    let mut checks = vec![Check { what: "output".to_owned(), part: Part::Forward, found, shape, expected: expected.into() }];
    for (i, found) in values.enumerate() {
        if CONVENTIONS.contains(&op) {
            let (shape, expected) = nested(&case["torch_grads"][i])?;
            checks.push(Check { what: format!("gradient {i}"), part: Part::Gradient, found, shape, expected: expected.into() });
        } else {
            let (jax, torch) = (&case["jax_grads"][i], &case["torch_grads"][i]);
            println!("  {}, gradient {i}: {:?} here, {jax} of JAX, {torch} of PyTorch", fields.text("name")?, found.data);
        }
    }
    Ok(checks)
}
