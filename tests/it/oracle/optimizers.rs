//! optimizers.json: parameters and state after each step under given gradients.

use super::cases::TOLD;
use super::descent::{Built, build};
use super::file::{Numbers, Oracle};
use super::judge::{Check, Part, Place, Recording, Table};
use super::missing;
use crate::common::fields::{Fault, Fields};
use serde_json::{Value, json};
use steepest::graph::Array;
use steepest::optim::{Accumulator, Average};
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

/// What is done with gradients before a step, and with parameters after it.
#[derive(Clone, Copy)]
struct Way {
    /// Gradients that are added up before a step.
    accumulate: usize,
    average: Option<Averaging>,
}

#[derive(Clone, Copy)]
enum Averaging {
    /// Exponentially, with this decay.
    Ema(f64),
    /// From after this step on.
    Swa(usize),
}

impl Way {
    fn read(case: &Fields<'_>) -> Result<Way, Fault> {
        let accumulate = case.read_or("accumulate", 1, |v| Some(v.as_u64()? as usize))?;
        let average = if case.get("ema").is_some() {
            let ema = case.within("ema")?;
            let decay = ema.float("decay")?;
            ema.all_read()?;
            Some(Averaging::Ema(decay))
        } else if case.get("swa").is_some() {
            let swa = case.within("swa")?;
            let start = swa.size("start")?;
            swa.all_read()?;
            Some(Averaging::Swa(start))
        } else {
            None
        };
        Ok(Way { accumulate, average })
    }

    /// The factors of average and value after a step, counted from 1, if the average takes it up.
    fn factors(self, step: usize) -> Option<(f64, f64)> {
        match self.average? {
            Averaging::Ema(decay) => Some((decay, 1.0 - decay)),
            Averaging::Swa(start) => {
                let before = step.checked_sub(start)? as f64;
                Some((before / (before + 1.0), 1.0 / (before + 1.0)))
            }
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
    /// Per parameter the averages of its values, as the path.
    averages: Vec<Vec<f64>>,
    /// By name, per parameter: the state after the last step.
    state: Vec<(&'static str, Vec<Array>)>,
}

pub fn trajectory<'o>(oracle: &'o Oracle, place: &Place, case: &'o Value, name: &str) -> Result<Vec<Check<'o>>, Fault> {
    let fields = Fields::new(case);
    fields.pass_over(&TOLD);
    fields.pass_over(&["optimizer", "trajectory", "state", "total_norm", "ema_trajectory", "swa_mean"]);
    let built = build(name, &fields.within("params")?)?;
    let clip = Clip::read(&fields)?;
    let way = Way::read(&fields)?;
    fields.all_read()?;
    let mut found = match place {
        Place::Device(device) => on_device(oracle, device, case, &built, clip, way)?,
        Place::Reference => on_reference(oracle, place, case, &built, clip, way)?,
    };
    // The index has no means of rows and columns, and no entry for a parameter that has those instead.
    if name == "Adafactor" {
        found.state.retain(|(name, _)| *name == "variance");
    }
    found.state.iter_mut().for_each(|(_, tensors)| tensors.retain(|value| !value.data.is_empty()));
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
    let (averages, whole) = match way.average {
        Some(Averaging::Ema(_)) => (&case["ema_trajectory"], true),
        Some(Averaging::Swa(_)) => (&case["swa_mean"], false),
        None => (&Value::Null, false),
    };
    if !averages.is_null() {
        for (i, (expected, path)) in given(oracle, averages)?.into_iter().zip(found.averages).enumerate() {
            let data = if whole { path } else { path[path.len() - expected.data.len()..].to_vec() };
            checks.push(check(format!("average {i}"), array(expected, data)?, expected));
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

fn on_device(oracle: &Oracle, device: &Device, case: &Value, built: &Built, clip: Clip, way: Way) -> Result<Found, Fault> {
    let place = Place::Device(device.clone());
    let recording = place.recording();
    let (starts, given_gradients) = (given(oracle, &oracle.index["init"])?, given(oracle, &oracle.index["grads"])?);
    let parameters = starts.iter().map(|n| recording.tensor(n, true)).collect::<Result<Vec<_>, _>>()?;
    let mut optimizer = (built.optimizer)(parameters.clone());
    let mut sums = Accumulator::sum();
    let mut average = way.average.map(|how| match how {
        Averaging::Ema(decay) => Average::ema(parameters.clone(), decay),
        Averaging::Swa(_) => Average::swa(parameters.clone()),
    });
    let mut averages: Vec<Vec<f64>> = starts.iter().map(|n| n.data.clone()).collect();
    let mut path: Vec<Vec<f64>> = starts.iter().map(|n| n.data.clone()).collect();
    let mut norms = vec![];
    for k in 0..oracle.index["steps"].as_u64().ok_or("no steps")? as usize {
        let gradients = leaves(&recording, &given_gradients, k)?;
        let gradients = loss(&parameters, &gradients)?.backward();
        let norm = norm(case, &gradients)?;
        if way.accumulate > 1 {
            sums.add(gradients)?;
            if (k + 1).is_multiple_of(way.accumulate) {
                optimizer.step(sums.take()?)?;
            }
        } else {
            let clipped = clip.of(gradients);
            optimizer.step(clipped.and_run(&norm.iter().collect::<Vec<_>>()))?;
        }
        if let (Some(average), Some(_)) = (&mut average, way.factors(k + 1)) {
            average.update()?;
            for (path, average) in averages.iter_mut().zip(average.averages()) {
                path.extend(average.to_vec::<f32>()?.into_iter().map(f64::from));
            }
        }
        norms.extend(norm.map(|n| n.item()).transpose()?.map(f64::from));
        for (path, parameter) in path.iter_mut().zip(&parameters) {
            path.extend(parameter.to_vec::<f32>()?.into_iter().map(f64::from));
        }
    }
    let mut state = vec![];
    for (name, tensors) in optimizer.state() {
        state.push((name, recording.values(&tensors.iter().collect::<Vec<_>>())?));
    }
    Ok(Found { path, norms, averages, state })
}

fn leaves(recording: &Recording<'_>, given: &[&Numbers], k: usize) -> Result<Vec<Tensor>, String> {
    let one = |n: &&Numbers| {
        let (dims, data) = row(n, k);
        recording.leaf(dims, data, DType::F32, false)
    };
    given.iter().map(one).collect()
}

/// The definition of the optimizer's updates again and again, in f64: what they say the new values are is given to the next step.
fn on_reference(oracle: &Oracle, place: &Place, case: &Value, built: &Built, clip: Clip, way: Way) -> Result<Found, Fault> {
    let (starts, given_gradients) = (given(oracle, &oracle.index["init"])?, given(oracle, &oracle.index["grads"])?);
    let mut path: Vec<Vec<f64>> = starts.iter().map(|n| n.data.clone()).collect();
    // Per parameter: its value, then its state, each with its shape.
    let start = |n: &&Numbers| {
        let states = built.state.iter().map(|slot| {
            let shape = (slot.shape)(&n.shape);
            (shape.clone(), vec![slot.start; shape.iter().product()])
        });
        std::iter::once((n.shape.clone(), n.data.clone())).chain(states).collect()
    };
    let mut now: Vec<Vec<(Vec<usize>, Vec<f64>)>> = starts.iter().map(start).collect();
    let mut norms = vec![];
    let mut sums: Vec<Vec<f64>> = starts.iter().map(|n| vec![0.0; n.data.len()]).collect();
    let mut averages: Vec<Vec<f64>> = starts.iter().map(|n| n.data.clone()).collect();
    for k in 0..oracle.index["steps"].as_u64().ok_or("no steps")? as usize {
        let recording = place.recording();
        let leaf = |shape: &[usize], v: &[f64]| recording.leaf(shape, v, DType::F32, false);
        let mut gradients = leaves(&recording, &given_gradients, k)?;
        if way.accumulate > 1 {
            for ((sum, gradient), n) in sums.iter_mut().zip(&mut gradients).zip(&starts) {
                let keep = if k.is_multiple_of(way.accumulate) { 0.0 } else { 1.0 };
                *sum = recording.values(&[&leaf(&n.shape, sum)?.running_update(gradient, keep, 1.0)])?.remove(0).data;
                *gradient = leaf(&n.shape, sum)?;
            }
        }
        let mut held = vec![];
        for values in &now {
            let leaf = |(shape, v): &(Vec<usize>, Vec<f64>)| recording.leaf(shape, v, DType::F32, true);
            held.push(values.iter().map(leaf).collect::<Result<Vec<_>, _>>()?);
        }
        let parameters: Vec<Tensor> = held.iter().map(|tensors| tensors[0].clone()).collect();
        let gradients = loss(&parameters, &gradients)?.backward();
        let norm = norm(case, &gradients)?;
        let clipped = clip.of(gradients);
        let due = (k + 1).is_multiple_of(way.accumulate);
        for (now, tensors) in now.iter_mut().zip(&held).filter(|_| due) {
            let updates =
                (built.updates)(((k + 1) / way.accumulate) as u64, &tensors[0], &clipped.wrt(&tensors[0])?, &tensors[1..]);
            let values = recording.values(&updates.iter().collect::<Vec<_>>())?;
            // The output of an update is what it overwrites, one after the other.
            let mut new = values.iter().flat_map(|value| &value.data);
            now.iter_mut().for_each(|(_, old)| old.iter_mut().zip(&mut new).for_each(|(old, new)| *old = *new));
            assert!(new.next().is_none(), "updates wrote more than there is");
        }
        if let Some(norm) = &norm {
            norms.extend(&recording.values(&[norm])?[0].data);
        }
        path.iter_mut().zip(&now).for_each(|(path, now)| path.extend(&now[0].1));
        if let Some((keep, gain)) = way.factors(k + 1) {
            for (path, now) in averages.iter_mut().zip(&now) {
                let (shape, value) = &now[0];
                let last = leaf(shape, &path[path.len() - value.len()..])?;
                path.extend(&recording.values(&[&last.running_update(&leaf(shape, value)?, keep, gain)])?[0].data);
            }
        }
    }
    let mut state = vec![];
    for (k, slot) in built.state.iter().enumerate() {
        let of = |now: &Vec<(Vec<usize>, Vec<f64>)>| {
            let (shape, data) = now[k + 1].clone();
            Ok(Array::new(steepest::Shape::new(&shape).map_err(|e| e.to_string())?, data))
        };
        state.push((slot.name, now.iter().map(of).collect::<Result<Vec<_>, String>>()?));
    }
    Ok(Found { path, norms, averages, state })
}
