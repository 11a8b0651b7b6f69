//! optimizers.json: parameters and state after each step under given gradients, and learning-rate schedules.

use crate::file::{Numbers, Oracle};
use crate::judge::{Check, Part, Place, Recording, Table};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use steepest::graph::{Array, Op, record_shared};
use steepest::ops::{update, update_scaled};
use steepest::optim::{self, Optimizer, Schedule, schedule};
use steepest::{DType, Device, Gradients, Tensor};

/// Every trajectory of the index in one place.
pub fn trajectories(oracle: &Oracle, place: &Place) {
    let mut table = Table::new(&tolerances(&oracle.index), place);
    for case in oracle.index["optimizers"].as_array().map_or(&[][..], Vec::as_slice) {
        let name = case["optimizer"].as_str().unwrap_or("(no optimizer)");
        let clip = case["clip"]["kind"].as_str().map_or(String::new(), |kind| format!(", clip by {kind}"));
        table.enter(case, &format!("{name}{clip}"), trajectory(oracle, place, case, name));
    }
    table.finish();
}

/// Every learning-rate schedule of the index.
pub fn schedules(oracle: &Oracle) {
    let mut table = Table::new(&tolerances(&oracle.index), &Place::Reference);
    for case in oracle.index["schedules"].as_array().map_or(&[][..], Vec::as_slice) {
        let name = case["schedule"].as_str().unwrap_or("(no schedule)");
        // One is told in words.
        let name = if name.starts_with("LinearLR for") { "LinearLR, then CosineAnnealingLR" } else { name };
        table.enter(case, name, rates(case, name));
    }
    table.finish();
}

fn rates<'o>(case: &Value, name: &str) -> Result<Option<Vec<Check<'o>>>, String> {
    let numbers = |field: &str| -> Result<Vec<f64>, String> {
        let list = case[field].as_array().and_then(|l| l.iter().map(Value::as_f64).collect());
        list.ok_or_else(|| format!("{field} is no list of numbers"))
    };
    let expected = numbers("lr")?;
    let s = Settings::new(&case["params"]);
    let lr = case["base_lr"].as_f64().ok_or("no base_lr")?;
    let say = |e: steepest::Error| e.to_string();
    let constant = schedule::Constant::new(lr).map_err(say)?;
    let schedule: Box<dyn Schedule> = match name {
        "StepLR" => Box::new(schedule::Step::new(lr, s.size("step_size")?, s.number("gamma", 0.1)?).map_err(say)?),
        "MultiStepLR" => {
            let list = s.get("milestones").and_then(Value::as_array).ok_or("no milestones")?;
            let milestones = list.iter().map(|m| m.as_u64().map(|m| m as usize)).collect::<Option<Vec<_>>>();
            let milestones = milestones.ok_or("a milestone is no number")?;
            Box::new(schedule::MultiStep::new(lr, milestones, s.number("gamma", 0.1)?).map_err(say)?)
        }
        "ExponentialLR" => Box::new(schedule::Exponential::new(lr, s.number("gamma", 1.0)?).map_err(say)?),
        "CosineAnnealingLR" => Box::new(schedule::Cosine::new(lr, s.size("T_max")?, s.number("eta_min", 0.0)?).map_err(say)?),
        "LinearLR" => {
            let start = s.number("start_factor", 1.0 / 3.0)?;
            Box::new(schedule::Warmup::new(s.size("total_iters")?, start, constant).map_err(say)?)
        }
        "LinearLR, then CosineAnnealingLR" => {
            let cosine = schedule::Cosine::new(lr, s.size("T_max")?, s.number("eta_min", 0.0)?).map_err(say)?;
            let start = s.number("start_factor", 1.0 / 3.0)?;
            Box::new(schedule::Warmup::new(s.size("warmup_epochs")?, start, cosine).map_err(say)?)
        }
        "ReduceLROnPlateau" => return plateau(&s, lr, &expected, &numbers("metric")?).map(Some),
        _ => return Ok(None),
    };
    s.all_asked()?;
    let found = (0..expected.len()).map(|epoch| schedule.lr(epoch)).collect();
    Ok(Some(vec![rates_check(found, expected)?]))
}

fn rates_check<'o>(found: Vec<f64>, expected: Vec<f64>) -> Result<Check<'o>, String> {
    let shape = steepest::Shape::new(&[found.len()]).map_err(|e| e.to_string())?;
    let found = Array::new(shape, found);
    Ok(Check { what: "rates".to_owned(), part: Part::Forward, found, shape: vec![expected.len()], expected: expected.into() })
}

/// The learning rate of each epoch by the measures of those before it.
fn plateau<'o>(s: &Settings<'_>, lr: f64, expected: &[f64], measures: &[f64]) -> Result<Vec<Check<'o>>, String> {
    let say = |e: steepest::Error| e.to_string();
    let mut plateau = schedule::Plateau::new(s.number("factor", 0.1)?, s.size("patience")?).map_err(say)?;
    let threshold = s.number("threshold", 1e-4)?;
    plateau = match s.get("threshold_mode").and_then(Value::as_str) {
        Some("rel") => plateau.threshold(threshold),
        Some("abs") => plateau.absolute_threshold(threshold),
        other => return Err(format!("threshold_mode is {other:?}")),
    }
    .map_err(say)?;
    plateau = match s.get("mode").and_then(Value::as_str) {
        Some("min") => plateau,
        Some("max") => plateau.upwards(),
        other => return Err(format!("mode is {other:?}")),
    };
    plateau = plateau.cooldown(s.size("cooldown")?).least(s.number("min_lr", 0.0)?).map_err(say)?;
    plateau = plateau.least_change(s.number("eps", 1e-8)?).map_err(say)?;
    s.all_asked()?;
    let mut optimizer = optim::Sgd::new([], lr);
    let mut found = vec![];
    for &measure in measures {
        found.push(optimizer.lr());
        plateau.step(measure, &mut optimizer);
    }
    Ok(vec![rates_check(found, expected.to_vec())?])
}

/// This index has one tolerance per precision, whatever is compared.
fn tolerances(index: &Value) -> Value {
    let of = &index["tolerances"];
    json!({ "tolerances": { "f64": { "forward": of["f64"], "gradient": of["f64"] }, "f32": of["f32"] } })
}

/// The parameters of a case. What nobody has asked for by the end is an error: a setting is never overlooked.
struct Settings<'a> {
    params: &'a Value,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Settings<'a> {
    fn new(params: &'a Value) -> Settings<'a> {
        Settings { params, asked: RefCell::default() }
    }

    fn get(&self, name: &'static str) -> Option<&'a Value> {
        self.asked.borrow_mut().insert(name);
        self.params.get(name)
    }

    /// A number; `absent` is PyTorch's value where none is given.
    fn number(&self, name: &'static str, absent: f64) -> Result<f64, String> {
        self.get(name).map_or(Ok(absent), |v| v.as_f64().ok_or_else(|| format!("parameter {name} is {v}")))
    }

    /// A whole number, which must be given.
    fn size(&self, name: &'static str) -> Result<usize, String> {
        self.get(name).and_then(Value::as_u64).map(|n| n as usize).ok_or_else(|| format!("no whole number {name}"))
    }

    fn flag(&self, name: &'static str) -> Result<bool, String> {
        self.get(name).map_or(Ok(false), |v| v.as_bool().ok_or_else(|| format!("parameter {name} is {v}")))
    }

    fn pair(&self, name: &'static str, absent: (f64, f64)) -> Result<(f64, f64), String> {
        let Some(value) = self.get(name) else { return Ok(absent) };
        match (value[0].as_f64(), value[1].as_f64()) {
            (Some(a), Some(b)) => Ok((a, b)),
            _ => Err(format!("parameter {name} is {value}")),
        }
    }

    fn all_asked(&self) -> Result<(), String> {
        let params = self.params.as_object().ok_or("no params")?;
        let overlooked: Vec<&String> = params.keys().filter(|k| !self.asked.borrow().contains(k.as_str())).collect();
        if overlooked.is_empty() { Ok(()) } else { Err(format!("parameters {overlooked:?} are not known")) }
    }
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

/// The optimizer of a case; `None` where there is none here.
fn build(name: &str, s: &Settings<'_>) -> Result<Option<Built>, String> {
    let built = match name {
        "SGD" => {
            let (lr, weight_decay) = (s.number("lr", 1e-3)?, s.number("weight_decay", 0.0)?);
            let (momentum, nesterov) = (s.number("momentum", 0.0)?, s.flag("nesterov")?);
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
            let (lr, betas, eps) = (s.number("lr", 1e-3)?, s.pair("betas", (0.9, 0.999))?, s.number("eps", 1e-8)?);
            let weight_decay = s.number("weight_decay", if decoupled { 0.01 } else { 0.0 })?;
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
            let (lr, lr_decay, eps) = (s.number("lr", 1e-2)?, s.number("lr_decay", 0.0)?, s.number("eps", 1e-10)?);
            let (weight_decay, start) = (s.number("weight_decay", 0.0)?, s.number("initial_accumulator_value", 0.0)?);
            let op = update_scaled::AdaGrad { lr, lr_decay, eps, weight_decay, step: 0 };
            Built {
                optimizer: Box::new(move |p| {
                    let adagrad = optim::AdaGrad::new(p, lr).lr_decay(lr_decay).initial_sum(start);
                    Box::new(adagrad.eps(eps).weight_decay(weight_decay))
                }),
                op: Box::new(move |step| Arc::new(update_scaled::AdaGrad { step, ..op.clone() })),
                state: vec![("sum", start)],
            }
        }
        "RMSprop" => {
            let (lr, alpha, eps) = (s.number("lr", 1e-2)?, s.number("alpha", 0.99)?, s.number("eps", 1e-8)?);
            let (momentum, weight_decay) = (s.number("momentum", 0.0)?, s.number("weight_decay", 0.0)?);
            let centered = s.flag("centered")?;
            let moving = (momentum > 0.0).then_some(momentum);
            let op = update_scaled::RmsProp { lr, alpha, eps, momentum: moving, centered, weight_decay };
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
            let (lr, rho, eps) = (s.number("lr", 1.0)?, s.number("rho", 0.9)?, s.number("eps", 1e-6)?);
            let weight_decay = s.number("weight_decay", 0.0)?;
            let op = update_scaled::Adadelta { lr, rho, eps, weight_decay };
            Built {
                optimizer: Box::new(move |p| Box::new(optim::Adadelta::new(p, lr).rho(rho).eps(eps).weight_decay(weight_decay))),
                op: Box::new(move |_| Arc::new(op.clone())),
                state: vec![("square_avg", 0.0), ("acc_delta", 0.0)],
            }
        }
        _ => return Ok(None),
    };
    s.all_asked()?;
    Ok(Some(built))
}

/// Clips as the case says; `None` where there is no such clipping here.
fn clipped(case: &Value, gradients: Gradients) -> Result<Option<Gradients>, String> {
    let bound = |name: &str| case["clip"][name].as_f64().ok_or_else(|| format!("no {name} to clip by"));
    match case["clip"]["kind"].as_str() {
        None if case["clip"].is_null() => Ok(Some(gradients)),
        Some("norm") => Ok(Some(gradients.clip_by_norm(bound("max_norm")?))),
        Some("value") => Ok(Some(gradients.clip_by_value(bound("clip_value")?))),
        _ => Ok(None),
    }
}

/// The norm of the gradients before clipping, in the cases that tell it.
fn norm(case: &Value, gradients: &Gradients) -> Result<Option<Tensor>, String> {
    case["total_norm"].is_string().then(|| gradients.norm().map_err(|e| e.to_string())).transpose()
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

fn trajectory<'o>(oracle: &'o Oracle, place: &Place, case: &'o Value, name: &str) -> Result<Option<Vec<Check<'o>>>, String> {
    let Some(built) = build(name, &Settings::new(&case["params"]))? else { return Ok(None) };
    let found = match place {
        Place::Device(device) => on_device(oracle, device, case, &built)?,
        Place::Reference => on_reference(oracle, place, case, &built)?,
    };
    let Some(found) = found else { return Ok(None) };
    let array = |expected: &Numbers, data: Vec<f64>| {
        let shape = steepest::Shape::new(&expected.shape).map_err(|e| e.to_string())?;
        if data.len() != shape.numel() {
            return Err(format!("{} numbers where {:?} are expected", data.len(), expected.shape));
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
        return Err(format!("a state {extra} that the index does not have"));
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
    Ok(Some(checks))
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

fn on_device(oracle: &Oracle, device: &Device, case: &Value, built: &Built) -> Result<Option<Found>, String> {
    let say = |e: steepest::Error| e.to_string();
    let place = Place::Device(device.clone());
    let mut recording = place.recording();
    let (starts, given_gradients) = (given(oracle, &oracle.index["init"])?, given(oracle, &oracle.index["grads"])?);
    let parameters = starts.iter().map(|n| recording.tensor(n, true)).collect::<Result<Vec<_>, _>>()?;
    let mut optimizer = (built.optimizer)(parameters.clone());
    let mut path: Vec<Vec<f64>> = starts.iter().map(|n| n.data.clone()).collect();
    let mut norms = vec![];
    for k in 0..oracle.index["steps"].as_u64().ok_or("no steps")? as usize {
        let gradients = leaves(&mut recording, &given_gradients, k)?;
        let gradients = loss(&parameters, &gradients)?.backward();
        let norm = norm(case, &gradients)?;
        let Some(clipped) = clipped(case, gradients)? else { return Ok(None) };
        optimizer.step(clipped.and_run(&norm.iter().collect::<Vec<_>>())).map_err(say)?;
        norms.extend(norm.map(|n| n.item()).transpose().map_err(say)?.map(f64::from));
        for (path, parameter) in path.iter_mut().zip(&parameters) {
            path.extend(parameter.to_vec::<f32>().map_err(say)?.into_iter().map(f64::from));
        }
    }
    let mut state = vec![];
    for (name, tensors) in optimizer.state() {
        state.push((name, recording.values(&tensors.iter().collect::<Vec<_>>())?));
    }
    Ok(Some(Found { path, norms, state }))
}

fn leaves(recording: &mut Recording<'_>, given: &[&Numbers], k: usize) -> Result<Vec<Tensor>, String> {
    let one = |n: &&Numbers| {
        let (dims, data) = row(n, k);
        recording.leaf(dims, data, DType::F32, false)
    };
    given.iter().map(one).collect()
}

/// The definition of the optimizer's op again and again, in f64: what it says the new values are is given to the next step.
fn on_reference(oracle: &Oracle, place: &Place, case: &Value, built: &Built) -> Result<Option<Found>, String> {
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
        let mut recording = place.recording();
        let gradients = leaves(&mut recording, &given_gradients, k)?;
        let mut held = vec![];
        for (values, n) in now.iter().zip(&starts) {
            let leaf = |v: &Vec<f64>| recording.leaf(&n.shape, v, DType::F32, true);
            held.push(values.iter().map(leaf).collect::<Result<Vec<_>, _>>()?);
        }
        let parameters: Vec<Tensor> = held.iter().map(|tensors| tensors[0].clone()).collect();
        let gradients = loss(&parameters, &gradients)?.backward();
        let norm = norm(case, &gradients)?;
        let Some(clipped) = clipped(case, gradients)? else { return Ok(None) };
        let mut roots = vec![];
        for tensors in &held {
            let gradient = clipped.wrt(&tensors[0]).map_err(|e| e.to_string())?;
            let inputs: Vec<&Tensor> = [&tensors[0], &gradient].into_iter().chain(&tensors[1..]).collect();
            roots.push(record_shared(tensors[0].node().runner(), (built.op)(k as u64 + 1), &inputs));
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
            let shape = steepest::Shape::new(&n.shape).map_err(|e| e.to_string())?;
            Ok(Array::new(shape, now[k + 1].clone()))
        };
        state.push((name, now.iter().zip(&starts).map(of).collect::<Result<Vec<_>, String>>()?));
    }
    Ok(Some(Found { path, norms, state }))
}
