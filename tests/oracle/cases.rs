//! Cases of gradients.json: outputs, vector-Jacobian products, Hessian-vector products and Hessians.

use crate::build::{Params, build};
use crate::file::{Numbers, Oracle};
use crate::hessian;
use crate::judge::{Check, Part, Place, Recording, Table};
use serde_json::Value;
use steepest::graph::Array;
use steepest::{Gradients, Tensor};

type Checks<'o> = Result<Option<Vec<Check<'o>>>, String>;

fn text<'a>(case: &'a Value, field: &str) -> Result<&'a str, String> {
    case[field].as_str().ok_or_else(|| format!("no field {field}"))
}

fn list<'a>(index: &'a Value, field: &str) -> &'a [Value] {
    index[field].as_array().map_or(&[], Vec::as_slice)
}

/// Every case of the index in one place.
pub fn first_order(oracle: &Oracle, place: &Place) {
    let mut table = Table::new(&oracle.index, place);
    for case in list(&oracle.index, "cases") {
        let op = text(case, "op").unwrap_or("(no op)");
        table.enter(case, &label(case, op), first(oracle, place, case, op));
    }
    table.finish();
}

/// Every Hessian-vector product and Hessian of the index in one place.
pub fn second_order(oracle: &Oracle, place: &Place) {
    let mut table = Table::new(&oracle.index, place);
    for case in list(&oracle.index, "second_order") {
        match case["kind"].as_str() {
            Some("hvp") => {
                let op = text(case, "op").unwrap_or("(no op)");
                table.enter(case, &label(case, op), products(oracle, place, case, op));
            }
            Some("hessian") => table.enter(case, "hessian", hessian::checks(oracle, place, case).map(Some)),
            _ => table.enter(case, "(no kind)", Err(format!("kind is {}", case["kind"]))),
        }
    }
    table.finish();
}

/// The name of a line of the table: a formula that is not built must not hide behind those that are.
fn label(case: &Value, op: &str) -> String {
    let formula = case["params"]["formula"].as_str().filter(|_| op == "compose");
    formula.map_or(op.to_owned(), |formula| format!("{op} {}", formula.chars().take(16).collect::<String>()))
}

/// The inputs; parameters are those with a gradient.
fn inputs(recording: &mut Recording<'_>, oracle: &Oracle, case: &Value) -> Result<Vec<Tensor>, String> {
    let (inputs, grads) = (oracle.list(&case["inputs"])?, oracle.list(&case["grads"])?);
    if inputs.len() != grads.len() {
        return Err(format!("{} inputs and {} gradients", inputs.len(), grads.len()));
    }
    let pairs = inputs.into_iter().zip(grads);
    pairs.map(|(x, grad)| recording.tensor(x.ok_or("an input is null")?, grad.is_some())).collect()
}

/// What a list of names expects of the inputs, with their places in it.
fn expected<'o>(oracle: &'o Oracle, names: &Value) -> Result<Vec<(usize, &'o Numbers)>, String> {
    Ok(oracle.list(names)?.into_iter().enumerate().filter_map(|(i, n)| Some((i, n?))).collect())
}

/// The gradients by some inputs. One the output does not depend on is zero.
fn gradients(of: &Tensor, by: Gradients, inputs: &[Tensor], wanted: &[(usize, &Numbers)]) -> Result<Vec<Tensor>, String> {
    let one = |&(i, _): &(usize, &Numbers)| {
        if !of.requires_grad() {
            return Ok(inputs[i].full_like(0.0));
        }
        Ok(by.get(&inputs[i]).map_err(|e| e.to_string())?.cloned().unwrap_or_else(|| inputs[i].full_like(0.0)))
    };
    wanted.iter().map(one).collect()
}

fn check<'o>(what: String, part: Part, found: Array, expected: &'o Numbers) -> Check<'o> {
    Check { what, part, found, shape: expected.shape.clone(), expected: (&expected.data).into() }
}

fn first<'o>(oracle: &'o Oracle, place: &Place, case: &Value, op: &str) -> Checks<'o> {
    let mut recording = place.recording();
    let inputs = inputs(&mut recording, oracle, case)?;
    let Some(output) = build(op, Params(&case["params"]), &inputs)? else { return Ok(None) };
    output.check().map_err(|e| e.to_string())?;
    let cotangent = recording.tensor(oracle.numbers(text(case, "cotangent")?)?, false)?;
    let wanted = expected(oracle, &case["grads"])?;
    let grads = gradients(&output, output.backward_with(&cotangent), &inputs, &wanted)?;
    let roots: Vec<&Tensor> = std::iter::once(&output).chain(&grads).collect();
    let mut values = recording.values(&roots)?.into_iter();
    let forward = values.next().ok_or("no output")?;
    let mut checks = vec![check("output".to_owned(), Part::Forward, forward, oracle.numbers(text(case, "output")?)?)];
    let found = values.zip(wanted).map(|(v, (i, numbers))| check(format!("gradient {i}"), Part::Gradient, v, numbers));
    checks.extend(found);
    Ok(Some(checks))
}

/// L = Σ cotangent · op(inputs): its gradients, and theirs along the given vectors.
fn products<'o>(oracle: &'o Oracle, place: &Place, case: &Value, op: &str) -> Checks<'o> {
    let mut recording = place.recording();
    let inputs = inputs(&mut recording, oracle, case)?;
    let Some(output) = build(op, Params(&case["params"]), &inputs)? else { return Ok(None) };
    output.check().map_err(|e| e.to_string())?;
    let cotangent = recording.tensor(oracle.numbers(text(case, "cotangent")?)?, false)?;
    let loss = (cotangent * output).sum(&[]);
    let wanted = expected(oracle, &case["grads"])?;
    let grads = gradients(&loss, loss.backward(), &inputs, &wanted)?;
    let vectors = oracle.list(&case["vectors"])?;
    let mut along: Option<Tensor> = None;
    for (grad, (i, _)) in grads.iter().zip(&wanted) {
        let vector = vectors.get(*i).copied().flatten().ok_or_else(|| format!("no vector for input {i}"))?;
        let part = (grad * recording.tensor(vector, false)?).sum(&[]);
        along = Some(along.map_or(part.clone(), |sum| sum + part));
    }
    let along = along.ok_or("no gradient to differentiate")?;
    let curved = expected(oracle, &case["hvp"])?;
    let second = gradients(&along, along.backward(), &inputs, &curved)?;
    let roots: Vec<&Tensor> = std::iter::once(&loss).chain(&grads).chain(&second).collect();
    let mut values = recording.values(&roots)?.into_iter();
    let value = values.next().ok_or("no value")?;
    let mut checks = vec![check("value".to_owned(), Part::Forward, value, oracle.numbers(text(case, "value")?)?)];
    let names =
        wanted.iter().map(|(i, n)| (format!("gradient {i}"), *n)).chain(curved.iter().map(|(i, n)| (format!("hvp {i}"), *n)));
    checks.extend(values.zip(names).map(|(v, (what, numbers))| check(what, Part::Gradient, v, numbers)));
    Ok(Some(checks))
}
