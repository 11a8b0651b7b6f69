//! optimizers.json: parameters and state after each step under given gradients.

use super::cases::TOLD;
use super::file::{Numbers, Oracle};
use super::judge::{Check, Part, Place, Recording, Table};
use super::missing;
use crate::common::fields::{Fault, Fields, Lack};
use serde_json::{Value, json};
use std::sync::Arc;
use steepest::graph::{Array, Op, record_shared};
use steepest::ops::update::{self, scaled};
use steepest::optim::{self, Optimizer};
use steepest::{DType, Device, Gradients, Tensor};

/// Every trajectory of the index in one place.
pub fn trajectories(oracle: &Oracle, place: &Place) {
    let mut table = Table::new(&tolerances(&oracle.index), place, missing::OPTIMIZERS);
    for case in list(&oracle.index, "optimizers") {
        let name = case["optimizer"].as_str().unwrap_or("(no optimizer)");
        let clip = case["clip"]["kind"].as_str().map_or(String::new(), |kind| format!(", clip by {kind}"));
        table.enter(case, name, &format!("{name}{clip}"), trajectory(oracle, place, case, name));
    }
    table.finish();
}

/// The cases of a list of the index.
pub fn list<'a>(index: &'a Value, field: &str) -> &'a [Value] {
    let fields = Fields::new(index);
    fields.pass_over(&["title", "made_with", "steps", "init", "grads", "layout", "tolerances", "optimizers", "schedules"]);
    assert!(fields.all_read().is_ok(), "the index holds what nobody reads: {:?}", fields.all_read());
    index[field].as_array().map_or(&[][..], Vec::as_slice)
}

/// This index has one tolerance per precision, whatever is compared.
pub fn tolerances(index: &Value) -> Value {
    let of = &index["tolerances"];
    json!({ "tolerances": { "f64": { "forward": of["f64"], "gradient": of["f64"] }, "f32": of["f32"] } })
}

/// An optimizer of the index, twice.
struct Built {
    /// As a user makes it.
    optimizer: Box<dyn Fn(Vec<Tensor>) -> Box<dyn Optimizer>>,
    /// The op of its k-th step, from 1: for the reference.
    op: Box<dyn Fn(u64) -> Arc<dyn Op>>,
    /// The state that op reads after parameter and gradient, and where that starts.
    state: Vec<(&'static str, f64)>,
}

/// Two numbers.
fn pair(s: &Fields<'_>, name: &str, absent: (f64, f64)) -> Result<(f64, f64), Fault> {
    s.read_or(name, absent, |v| if let [a, b] = v.as_array()?[..].as_ref() { Some((a.as_f64()?, b.as_f64()?)) } else { None })
}

/// The optimizer of a case, with PyTorch's values for settings that are not given. What it has no use for is what the case lacks.
fn build(name: &str, s: &Fields<'_>) -> Result<Built, Fault> {
    let built = match name {
        "SGD" => {
            let (lr, weight_decay) = (s.float_or("lr", 1e-3)?, s.float_or("weight_decay", 0.0)?);
            let (momentum, nesterov) = (s.float_or("momentum", 0.0)?, s.flag("nesterov")?);
            let op = update::Sgd { lr, momentum: (momentum > 0.0).then_some(momentum), nesterov, weight_decay };
            Built {
                optimizer: Box::new(move |p| {
                    Box::new(optim::Sgd::new(p, lr).momentum(momentum).nesterov(nesterov).weight_decay(weight_decay))
                }),
                op: Box::new(move |_| Arc::new(op.clone())),
                state: if momentum > 0.0 { vec![("momentum_buffer", 0.0)] } else { vec![] },
            }
        }
        "Adam" | "AdamW" => {
            let decoupled = name == "AdamW";
            let (lr, betas, eps) = (s.float_or("lr", 1e-3)?, pair(s, "betas", (0.9, 0.999))?, s.float_or("eps", 1e-8)?);
            let weight_decay = s.float_or("weight_decay", if decoupled { 0.01 } else { 0.0 })?;
            let amsgrad = s.flag("amsgrad")?;
            let op = update::Adam { lr, betas, eps, weight_decay, decoupled, amsgrad, step: 0 };
            Built {
                optimizer: Box::new(move |p| {
                    let adam = if decoupled { optim::Adam::w(p, lr) } else { optim::Adam::new(p, lr) };
                    Box::new(adam.betas(betas.0, betas.1).eps(eps).weight_decay(weight_decay).amsgrad(amsgrad))
                }),
                op: Box::new(move |step| Arc::new(update::Adam { step, ..op.clone() })),
                state: [("exp_avg", 0.0), ("exp_avg_sq", 0.0)]
                    .into_iter()
                    .chain(amsgrad.then_some(("max_exp_avg_sq", 0.0)))
                    .collect(),
            }
        }
        "Adagrad" => {
            let (lr, lr_decay, eps) = (s.float_or("lr", 1e-2)?, s.float_or("lr_decay", 0.0)?, s.float_or("eps", 1e-10)?);
            let (weight_decay, start) = (s.float_or("weight_decay", 0.0)?, s.float_or("initial_accumulator_value", 0.0)?);
            let op = scaled::AdaGrad { lr, lr_decay, eps, weight_decay, step: 0 };
            Built {
                optimizer: Box::new(move |p| {
                    let adagrad = optim::AdaGrad::new(p, lr).lr_decay(lr_decay).initial_sum(start);
                    Box::new(adagrad.eps(eps).weight_decay(weight_decay))
                }),
                op: Box::new(move |step| Arc::new(scaled::AdaGrad { step, ..op.clone() })),
                state: vec![("sum", start)],
            }
        }
        "RMSprop" => {
            let (lr, alpha, eps) = (s.float_or("lr", 1e-2)?, s.float_or("alpha", 0.99)?, s.float_or("eps", 1e-8)?);
            let (momentum, weight_decay) = (s.float_or("momentum", 0.0)?, s.float_or("weight_decay", 0.0)?);
            let centered = s.flag("centered")?;
            let moving = (momentum > 0.0).then_some(momentum);
            let op = scaled::RmsProp { lr, alpha, eps, momentum: moving, centered, weight_decay };
            let (mean, velocity) = (centered.then_some("grad_avg"), moving.map(|_| "momentum_buffer"));
            let state = ["square_avg"].into_iter().chain(mean).chain(velocity);
            Built {
                optimizer: Box::new(move |p| {
                    let rmsprop = optim::RmsProp::new(p, lr).alpha(alpha).eps(eps).momentum(momentum);
                    Box::new(rmsprop.centered(centered).weight_decay(weight_decay))
                }),
                op: Box::new(move |_| Arc::new(op.clone())),
                state: state.map(|name| (name, 0.0)).collect(),
            }
        }
        "Adadelta" => {
            let (lr, rho, eps) = (s.float_or("lr", 1.0)?, s.float_or("rho", 0.9)?, s.float_or("eps", 1e-6)?);
            let weight_decay = s.float_or("weight_decay", 0.0)?;
            let op = scaled::Adadelta { lr, rho, eps, weight_decay };
            Built {
                optimizer: Box::new(move |p| Box::new(optim::Adadelta::new(p, lr).rho(rho).eps(eps).weight_decay(weight_decay))),
                op: Box::new(move |_| Arc::new(op.clone())),
                state: vec![("square_avg", 0.0), ("acc_delta", 0.0)],
            }
        }
        _ => return Err(Fault::Lacking(Lack::Op)),
    };
    s.all_read()?;
    Ok(built)
}

/// How the gradients of a case are clipped.
#[derive(Clone, Copy)]
enum Clip {
    Not,
    Norm(f64),
    Value(f64),
}

impl Clip {
    fn read(case: &Fields<'_>) -> Result<Clip, Fault> {
        if case.get("clip").is_none() {
            return Ok(Clip::Not);
        }
        let fields = case.within("clip")?;
        let clip = match fields.text("kind")? {
            "norm" => Clip::Norm(fields.float("max_norm")?),
            "value" => Clip::Value(fields.float("clip_value")?),
            _ => return fields.unknown("kind"),
        };
        fields.all_read()?;
        Ok(clip)
    }

    fn of(self, gradients: Gradients) -> Gradients {
        match self {
            Clip::Not => gradients,
            Clip::Norm(largest) => gradients.clip_by_norm(largest),
            Clip::Value(largest) => gradients.clip_by_value(largest),
        }
    }
}

/// The norm of the gradients before clipping, in the cases that tell it.
fn norm(case: &Value, gradients: &Gradients) -> Result<Option<Tensor>, Fault> {
    Ok(case["total_norm"].is_string().then(|| gradients.norm()).transpose()?)
}

/// What a case was found to do: a row per moment, the parameters in order.
struct Found {
    /// Per parameter its values from the start on, one after the other.
    path: Vec<Vec<f64>>,
    /// Per step the norm of all gradients before clipping.
    norms: Vec<f64>,
    /// By name, per parameter: the state after the last step.
    state: Vec<(&'static str, Vec<Array>)>,
}

pub fn trajectory<'o>(oracle: &'o Oracle, place: &Place, case: &'o Value, name: &str) -> Result<Vec<Check<'o>>, Fault> {
    let fields = Fields::new(case);
    fields.pass_over(&TOLD);
    fields.pass_over(&["optimizer", "trajectory", "state", "total_norm"]);
    let built = build(name, &fields.within("params")?)?;
    let clip = Clip::read(&fields)?;
    fields.all_read()?;
    let found = match place {
        Place::Device(device) => on_device(oracle, device, case, &built, clip)?,
        Place::Reference => on_reference(oracle, place, case, &built, clip)?,
    };
    let array = |expected: &Numbers, data: Vec<f64>| {
        let shape = steepest::Shape::new(&expected.shape).map_err(|e| e.to_string())?;
        if data.len() != shape.numel() {
            return Err(Fault::from(format!("{} numbers where {:?} are expected", data.len(), expected.shape)));
        }
        Ok(Array::new(shape, data))
    };
    let check = |what: String, found: Array, expected: &'o Numbers| Check {
        what,
        part: Part::Forward,
        found,
        shape: expected.shape.clone(),
        expected: (&expected.data).into(),
    };
    let mut checks = vec![];
    for (i, (expected, path)) in given(oracle, &case["trajectory"])?.into_iter().zip(found.path).enumerate() {
        checks.push(check(format!("parameter {i}"), array(expected, path)?, expected));
    }
    let states = case["state"].as_object().ok_or("no state")?;
    if let Some((extra, _)) = found.state.iter().find(|(name, _)| !states.contains_key(*name)) {
        return Err(format!("a state {extra} that the index does not have").into());
    }
    for (name, tensors) in states {
        let own = found.state.iter().find(|(own, _)| own == name).ok_or_else(|| format!("no state {name}"))?;
        for (i, (expected, value)) in given(oracle, tensors)?.into_iter().zip(&own.1).enumerate() {
            checks.push(check(format!("{name} {i}"), value.clone(), expected));
        }
    }
    if let Some(expected) = oracle.named(&case["total_norm"])? {
        checks.push(check("norm".to_owned(), array(expected, found.norms)?, expected));
    }
    Ok(checks)
}

/// The arrays of a list of names, all of which must be there.
fn given<'o>(oracle: &'o Oracle, names: &Value) -> Result<Vec<&'o Numbers>, String> {
    oracle.list(names)?.into_iter().map(|n| n.ok_or_else(|| "a name is null".to_owned())).collect()
}

/// The k-th row of an array of shape [steps, …].
fn row(numbers: &Numbers, k: usize) -> (&[usize], &[f64]) {
    let dims = &numbers.shape[1..];
    let n: usize = dims.iter().product();
    (dims, &numbers.data[k * n..][..n])
}

/// Σ p · g over all parameters: its gradient by each p is g, exactly.
fn loss(parameters: &[Tensor], gradients: &[Tensor]) -> Result<Tensor, String> {
    let terms = parameters.iter().zip(gradients).map(|(p, g)| (p * g).sum(&[]));
    terms.reduce(|sum, term| sum + term).ok_or_else(|| "no parameters".to_owned())
}

fn on_device(oracle: &Oracle, device: &Device, case: &Value, built: &Built, clip: Clip) -> Result<Found, Fault> {
    let place = Place::Device(device.clone());
    let recording = place.recording();
    let (starts, given_gradients) = (given(oracle, &oracle.index["init"])?, given(oracle, &oracle.index["grads"])?);
    let parameters = starts.iter().map(|n| recording.tensor(n, true)).collect::<Result<Vec<_>, _>>()?;
    let mut optimizer = (built.optimizer)(parameters.clone());
    let mut path: Vec<Vec<f64>> = starts.iter().map(|n| n.data.clone()).collect();
    let mut norms = vec![];
    for k in 0..oracle.index["steps"].as_u64().ok_or("no steps")? as usize {
        let gradients = leaves(&recording, &given_gradients, k)?;
        let gradients = loss(&parameters, &gradients)?.backward();
        let norm = norm(case, &gradients)?;
        let clipped = clip.of(gradients);
        optimizer.step(clipped.and_run(&norm.iter().collect::<Vec<_>>()))?;
        norms.extend(norm.map(|n| n.item()).transpose()?.map(f64::from));
        for (path, parameter) in path.iter_mut().zip(&parameters) {
            path.extend(parameter.to_vec::<f32>()?.into_iter().map(f64::from));
        }
    }
    let mut state = vec![];
    for (name, tensors) in optimizer.state() {
        state.push((name, recording.values(&tensors.iter().collect::<Vec<_>>())?));
    }
    Ok(Found { path, norms, state })
}

fn leaves(recording: &Recording<'_>, given: &[&Numbers], k: usize) -> Result<Vec<Tensor>, String> {
    let one = |n: &&Numbers| {
        let (dims, data) = row(n, k);
        recording.leaf(dims, data, DType::F32, false)
    };
    given.iter().map(one).collect()
}

/// The definition of the optimizer's op again and again, in f64: what it says the new values are is given to the next step.
fn on_reference(oracle: &Oracle, place: &Place, case: &Value, built: &Built, clip: Clip) -> Result<Found, Fault> {
    let (starts, given_gradients) = (given(oracle, &oracle.index["init"])?, given(oracle, &oracle.index["grads"])?);
    let mut path: Vec<Vec<f64>> = starts.iter().map(|n| n.data.clone()).collect();
    // Per parameter: its value, then its state.
    let start = |n: &&Numbers| {
        let states = built.state.iter().map(|&(_, value)| vec![value; n.data.len()]);
        std::iter::once(n.data.clone()).chain(states).collect()
    };
    let mut now: Vec<Vec<Vec<f64>>> = starts.iter().map(start).collect();
    let mut norms = vec![];
    for k in 0..oracle.index["steps"].as_u64().ok_or("no steps")? as usize {
        let recording = place.recording();
        let gradients = leaves(&recording, &given_gradients, k)?;
        let mut held = vec![];
        for (values, n) in now.iter().zip(&starts) {
            let leaf = |v: &Vec<f64>| recording.leaf(&n.shape, v, DType::F32, true);
            held.push(values.iter().map(leaf).collect::<Result<Vec<_>, _>>()?);
        }
        let parameters: Vec<Tensor> = held.iter().map(|tensors| tensors[0].clone()).collect();
        let gradients = loss(&parameters, &gradients)?.backward();
        let norm = norm(case, &gradients)?;
        let clipped = clip.of(gradients);
        let mut roots = vec![];
        for tensors in &held {
            let gradient = clipped.wrt(&tensors[0])?;
            let inputs: Vec<&Tensor> = [&tensors[0], &gradient].into_iter().chain(&tensors[1..]).collect();
            roots.push(record_shared(tensors[0].node().backend(), (built.op)(k as u64 + 1), &inputs));
        }
        let values = recording.values(&roots.iter().chain(&norm).collect::<Vec<_>>())?;
        norms.extend(values[roots.len()..].iter().map(|n| n.data[0]));
        for ((now, path), value) in now.iter_mut().zip(&mut path).zip(values) {
            // The output of an update is what it overwrites, one after the other.
            let n = now[0].len();
            now.iter_mut().zip(value.data.chunks(n)).for_each(|(old, new)| *old = new.to_vec());
            path.extend(&now[0]);
        }
    }
    let mut state = vec![];
    for (k, &(name, _)) in built.state.iter().enumerate() {
        let of = |(now, n): (&Vec<Vec<f64>>, &&Numbers)| {
            Ok(Array::new(steepest::Shape::new(&n.shape).map_err(|e| e.to_string())?, now[k + 1].clone()))
        };
        state.push((name, now.iter().zip(&starts).map(of).collect::<Result<Vec<_>, String>>()?));
    }
    Ok(Found { path, norms, state })
}
