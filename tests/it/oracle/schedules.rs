//! optimizers.json: learning-rate schedules.

use super::cases::TOLD;
use super::file::Oracle;
use super::judge::{Check, Part, Place, Table};
use super::missing;
use super::optimizers;
use crate::common::fields::{Fault, Fields, Lack};
use serde_json::Value;
use steepest::graph::Array;
use steepest::optim::{self, Optimizer, Schedule, schedule};

/// Every learning-rate schedule of the index.
pub fn schedules(oracle: &Oracle) {
    let mut table = Table::new(&optimizers::tolerances(&oracle.index), &Place::Reference, missing::SCHEDULES);
    for case in optimizers::list(&oracle.index, "schedules") {
        let name = case["schedule"].as_str().unwrap_or("(no schedule)");
        // One is told in words.
        let name = if name.starts_with("LinearLR for") { "LinearLR, then CosineAnnealingLR" } else { name };
        table.enter(case, name, name, rates(case, name));
    }
    table.finish();
}

pub fn rates<'o>(case: &Value, name: &str) -> Result<Vec<Check<'o>>, Fault> {
    let fields = Fields::new(case);
    fields.pass_over(&TOLD);
    fields.pass_over(&["schedule"]);
    let expected = fields.floats("lr")?;
    let (lr, s) = (fields.float("base_lr")?, fields.within("params")?);
    let constant = schedule::Constant::new(lr)?;
    let schedule: Box<dyn Schedule> = match name {
        "StepLR" => Box::new(schedule::Step::new(lr, s.size("step_size")?, s.float_or("gamma", 0.1)?)?),
        "MultiStepLR" => Box::new(schedule::MultiStep::new(lr, s.sizes("milestones")?, s.float_or("gamma", 0.1)?)?),
        "ExponentialLR" => Box::new(schedule::Exponential::new(lr, s.float_or("gamma", 1.0)?)?),
        "CosineAnnealingLR" => Box::new(schedule::Cosine::new(lr, s.size("T_max")?, s.float_or("eta_min", 0.0)?)?),
        "CosineAnnealingWarmRestarts" => {
            let (first, times) = (s.size("T_0")?, s.read_or("T_mult", 1, |v| Some(v.as_u64()? as usize))?);
            Box::new(schedule::CosineRestarts::new(lr, first, times, s.float_or("eta_min", 0.0)?)?)
        }
        "PolynomialLR" => Box::new(schedule::Polynomial::new(lr, s.size("total_iters")?, s.float_or("power", 1.0)?)?),
        "LinearLR" => {
            let start = s.float_or("start_factor", 1.0 / 3.0)?;
            Box::new(schedule::Warmup::new(s.size("total_iters")?, start, constant)?)
        }
        "LinearLR, then CosineAnnealingLR" => {
            let cosine = schedule::Cosine::new(lr, s.size("T_max")?, s.float_or("eta_min", 0.0)?)?;
            let start = s.float_or("start_factor", 1.0 / 3.0)?;
            Box::new(schedule::Warmup::new(s.size("warmup_epochs")?, start, cosine)?)
        }
        "OneCycleLR" => {
            let cycle = schedule::OneCycle::new(s.float("max_lr")?, s.size("total_steps")?)?;
            let cycle = cycle.rises(s.float_or("pct_start", 0.3)?)?;
            let cycle = cycle.divides(s.float_or("div_factor", 25.0)?, s.float_or("final_div_factor", 1e4)?)?;
            if s.flag("three_phase")? {
                return s.unknown("three_phase");
            }
            match s.text("anneal_strategy")? {
                "cos" => Box::new(cycle),
                "linear" => Box::new(cycle.linear()),
                _ => return s.unknown("anneal_strategy"),
            }
        }
        "ReduceLROnPlateau" => {
            let measures = fields.floats("metric")?;
            fields.all_read()?;
            return plateau(&s, lr, &expected, &measures);
        }
        _ => return Err(Fault::Lacking(Lack::Op)),
    };
    s.all_read()?;
    fields.all_read()?;
    let found = (0..expected.len()).map(|epoch| schedule.lr(epoch)).collect();
    Ok(vec![rates_check(found, expected)?])
}

fn rates_check<'o>(found: Vec<f64>, expected: Vec<f64>) -> Result<Check<'o>, String> {
    let shape = steepest::Shape::new(&[found.len()]).map_err(|e| e.to_string())?;
    let found = Array::new(shape, found);
    Ok(Check { what: "rates".to_owned(), part: Part::Forward, found, shape: vec![expected.len()], expected: expected.into() })
}

/// The learning rate of each epoch by the measures of those before it.
fn plateau<'o>(s: &Fields<'_>, lr: f64, expected: &[f64], measures: &[f64]) -> Result<Vec<Check<'o>>, Fault> {
    let mut plateau = schedule::Plateau::new(s.float_or("factor", 0.1)?, s.size("patience")?)?;
    let threshold = s.float_or("threshold", 1e-4)?;
    plateau = match s.text("threshold_mode")? {
        "rel" => plateau.threshold(threshold),
        "abs" => plateau.absolute_threshold(threshold),
        _ => return s.unknown("threshold_mode"),
    }?;
    plateau = match s.text("mode")? {
        "min" => plateau,
        "max" => plateau.upwards(),
        _ => return s.unknown("mode"),
    };
    plateau = plateau.cooldown(s.size("cooldown")?).least(s.float_or("min_lr", 0.0)?)?;
    plateau = plateau.least_change(s.float_or("eps", 1e-8)?)?;
    s.all_read()?;
    let mut optimizer = optim::Sgd::new([], lr);
    let mut found = vec![];
    for &measure in measures {
        found.push(optimizer.lr());
        plateau.step(measure, &mut optimizer);
    }
    Ok(vec![rates_check(found, expected.to_vec())?])
}
