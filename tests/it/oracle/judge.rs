//! Where cases are computed, how far off they may be, and the table of what was found.

use serde_json::Value;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use steepest::critical::{CriticalPoint, Options, Precision, examine_with};
use steepest::graph::Array;
use steepest::reference::{Overrides, evaluate};
use steepest::{DType, Device, Shape, Tensor};

use super::file::Numbers;
use super::missing::Missing;
use crate::common::fields::{Fault, Lack};

/// Where a case is computed.
pub enum Place {
    /// On the f64 evaluator.
    Reference,
    /// On a device, in f32.
    Device(Device),
}

impl Place {
    /// A recording for this place.
    pub fn recording(&self) -> Recording<'_> {
        let device = match self {
            Place::Reference => Device::cpu(),
            Place::Device(device) => device.clone(),
        };
        Recording { place: self, device, given: RefCell::default() }
    }

    /// The critical point that a loss is at, as found here.
    pub fn examine(&self, loss: &Tensor, parameter: &Tensor) -> steepest::Result<CriticalPoint> {
        let precision = if self.is_reference() { Precision::Reference } else { Precision::Device };
        examine_with(loss, &[parameter], Options { precision, ..Options::default() })
    }

    fn is_reference(&self) -> bool {
        matches!(self, Place::Reference)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Reference => f.write_str("the f64 reference"),
            Place::Device(device) => device.fmt(f),
        }
    }
}

/// The tensors of one case.
pub struct Recording<'p> {
    place: &'p Place,
    device: Device,
    given: RefCell<Overrides>,
}

impl Recording<'_> {
    /// An array of the oracle as a leaf; as a parameter if gradients by it are asked for.
    pub fn tensor(&self, numbers: &Numbers, parameter: bool) -> Result<Tensor, String> {
        self.leaf(&numbers.shape, &numbers.data, numbers.dtype, parameter)
    }

    /// A leaf from numbers. The reference gets them in f64, whether or not f32 holds them.
    pub fn leaf(&self, shape: &[usize], data: &[f64], dtype: DType, parameter: bool) -> Result<Tensor, String> {
        let words = |word: fn(f64) -> f32| data.iter().map(|&x| word(x)).collect::<Vec<f32>>();
        let tensor = match dtype {
            DType::F32 if parameter => self.device.parameter(&words(|x| x as f32), shape),
            DType::F32 => self.device.tensor(&words(|x| x as f32), shape),
            DType::F16 => self.device.tensor_f16(&words(|x| x as f32), shape),
            DType::U32 => self.device.tensor(&data.iter().map(|&x| x as u32).collect::<Vec<_>>(), shape),
            DType::I32 => self.device.tensor(&data.iter().map(|&x| x as i32).collect::<Vec<_>>(), shape),
            DType::Bool => self.device.tensor(&data.iter().map(|&x| x != 0.0).collect::<Vec<_>>(), shape),
        };
        let shape = Shape::new(shape).map_err(|e| e.to_string())?;
        self.given.borrow_mut().insert(tensor.id(), Array::new(shape, data.to_vec()));
        Ok(tensor)
    }

    /// The values of tensors, all computed together.
    pub fn values(&self, tensors: &[&Tensor]) -> Result<Vec<Array>, String> {
        let Place::Device(device) = self.place else {
            return evaluate(tensors, &self.given.borrow()).map_err(|e| e.to_string());
        };
        device.run(tensors.iter().copied()).map_err(|e| e.to_string())?;
        let read = |t: &&Tensor| {
            let data = t.to_vec::<f32>()?.into_iter().map(f64::from).collect();
            Ok(Array::new(t.try_shape()?, data))
        };
        tensors.iter().map(read).collect::<steepest::Result<_>>().map_err(|e| e.to_string())
    }
}

/// |error| ≤ atol + rtol · |reference|
#[derive(Clone, Copy)]
pub struct Tolerance {
    rtol: f64,
    atol: f64,
}

impl Tolerance {
    /// Reads `{rtol, atol}`; an atol that is not given is 0.
    pub fn read(value: &Value) -> Result<Tolerance, String> {
        match (value["rtol"].as_f64(), value["atol"].as_f64()) {
            (Some(rtol), atol) => Ok(Tolerance { rtol, atol: atol.unwrap_or(0.0) }),
            _ => Err(format!("no tolerance: {value}")),
        }
    }
}

/// The tolerances of an index, for one place.
pub struct Bounds {
    forward: Tolerance,
    gradient: Tolerance,
    reference: bool,
}

impl Bounds {
    /// The general ones.
    pub fn read(index: &Value, place: &Place) -> Bounds {
        let tolerances = &index["tolerances"];
        let reference = place.is_reference();
        let of = |part: &str| Tolerance::read(if reference { &tolerances["f64"][part] } else { &tolerances["f32"] }).unwrap();
        Bounds { forward: of("forward"), gradient: of("gradient"), reference }
    }

    /// A number's bound in a case that may have its own. `largest` is the largest |entry| of its array.
    fn of(&self, case: &Value, part: Part, expected: f64, largest: f64) -> Result<f64, String> {
        let mut general = if part == Part::Forward { self.forward } else { self.gradient };
        let own = &case["f64_tolerance"][if part == Part::Forward { "forward" } else { "gradient" }];
        if self.reference && !own.is_null() {
            general = Tolerance::read(own)?;
        }
        let relative = case["f32_relative_to_max"].as_f64().filter(|_| !self.reference);
        Ok(relative.map_or(general.atol + general.rtol * expected.abs(), |share| share * largest))
    }
}

/// What a number is of its case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The op's output.
    Forward,
    /// A derivative of any order.
    Gradient,
}

/// One array compared.
pub struct Check<'o> {
    /// What it is: `output`, `gradient 0`, …
    pub what: String,
    /// Which tolerance it has.
    pub part: Part,
    /// What was computed.
    pub found: Array,
    /// Its shape by the oracle.
    pub shape: Vec<usize>,
    /// Its numbers by the oracle.
    pub expected: Cow<'o, [f64]>,
}

/// The cases of one op.
#[derive(Clone, Copy, Default)]
struct Line {
    computed: usize,
    passed: usize,
    numbers: usize,
    /// The largest error in units of its bound.
    worst: f64,
}

/// What was found, op by op.
pub struct Table {
    place: String,
    bounds: Bounds,
    missing: Missing,
    ops: BTreeMap<String, Line>,
    /// How many cases lack what, by op and in words.
    lacking: BTreeMap<(String, String), usize>,
    failures: Vec<String>,
    /// Cases that the list of what is missing does not explain.
    unexplained: Vec<String>,
}

/// How many cases came to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// All that were entered.
    pub cases: usize,
    /// Those with numbers to compare, right or wrong, and those that broke.
    pub computed: usize,
    /// Those that are right.
    pub passed: usize,
    /// Those that ask for something that is not here.
    pub lacking: usize,
}

impl Table {
    /// An empty table. `missing` says what may be lacking.
    pub fn new(index: &Value, place: &Place, missing: Missing) -> Table {
        Table {
            place: place.to_string(),
            bounds: Bounds::read(index, place),
            missing,
            ops: BTreeMap::new(),
            lacking: BTreeMap::new(),
            failures: vec![],
            unexplained: vec![],
        }
    }

    /// Enters a case of an op: its checks, what it lacks, or why it went wrong. `line` is the line of the table that it belongs to.
    pub fn enter(&mut self, case: &Value, op: &str, line: &str, result: Result<Vec<Check<'_>>, Fault>) {
        let name = case["name"].as_str().unwrap_or("(no name)");
        let listed = |lack: &Lack| self.missing.iter().any(|(of, what)| *of == op && what == lack);
        let outcome = match result {
            Err(Fault::Lacking(lack)) => {
                if !listed(&lack) {
                    let message =
                        format!("{line} {name} is not computed for want of: {lack}, which is not on the list of what is missing");
                    self.unexplained.push(message);
                }
                *self.lacking.entry((line.to_owned(), lack.to_string())).or_default() += 1;
                return;
            }
            Err(Fault::Wrong(error)) => Err(error),
            Ok(checks) if checks.is_empty() => Err("nothing to compare".to_owned()),
            Ok(checks) => {
                checks.iter().try_fold((0, 0.0f64), |(n, worst), c| Ok((n + c.expected.len(), worst.max(self.judge(case, c)?))))
            }
        };
        if let Some((_, lack)) = self.missing.iter().find(|(of, lack)| *of == op && lack.occurs_in(case)) {
            self.unexplained
                .push(format!("{line} {name} is computed, and {lack} is on the list of what is missing: take it off"));
        }
        let entry = self.ops.entry(line.to_owned()).or_default();
        entry.computed += 1;
        match outcome {
            Ok((numbers, worst)) => {
                entry.passed += 1;
                entry.numbers += numbers;
                entry.worst = entry.worst.max(worst);
            }
            Err(error) => self.failures.push(format!("{line} {name}: {error}")),
        }
    }

    /// How many cases came to what.
    pub fn counts(&self) -> Counts {
        let sum = |of: fn(&Line) -> usize| self.ops.values().map(of).sum();
        let (computed, lacking) = (sum(|l| l.computed), self.lacking.values().sum());
        Counts { cases: computed + lacking, computed, passed: sum(|l| l.passed), lacking }
    }

    /// The largest error in units of its bound, or the element that is beyond it.
    fn judge(&self, case: &Value, check: &Check<'_>) -> Result<f64, String> {
        let expected = &check.expected;
        if check.found.shape.dims() != check.shape {
            return Err(format!("{} has shape {}, expected {:?}", check.what, check.found.shape, check.shape));
        }
        let largest = expected.iter().fold(0.0f64, |m, e| m.max(e.abs()));
        let mut worst = 0.0f64;
        for (i, (&found, &expected)) in check.found.data.iter().zip(expected.iter()).enumerate() {
            let bound = self.bounds.of(case, check.part, expected, largest)?;
            let error = (found - expected).abs();
            let equal = found == expected || (found.is_nan() && expected.is_nan());
            let ratio = if equal { 0.0 } else { error / bound };
            if ratio.is_nan() || ratio > 1.0 {
                return Err(format!(
                    "{}[{i}] is {found:e}, expected {expected:e}, off by {ratio:.3} bounds of {bound:e}",
                    check.what
                ));
            }
            worst = worst.max(ratio);
        }
        Ok(worst)
    }

    /// Prints the table; fails if a case is wrong, if none was computed, and if more or less is missing than the list says.
    pub fn finish(self) {
        let Counts { cases, computed, passed, lacking } = self.counts();
        let wrong = computed - passed;
        println!("{}: {cases} cases, {computed} computed: {passed} passed, {wrong} wrong; {lacking} not computed", self.place);
        for (op, line) in &self.ops {
            let Line { computed, passed, numbers, worst } = line;
            let wrong = if computed == passed { String::new() } else { format!(", {} WRONG", computed - passed) };
            println!("  {op:<24} {computed:>4} cases, {numbers:>6} numbers, worst error {worst:.1e} of its bound{wrong}");
        }
        if lacking > 0 {
            println!("  NOT COMPUTED, {lacking} cases that ask for what is not here:");
        }
        for ((op, lack), cases) in &self.lacking {
            println!("  {op:<24} {cases:>4} cases: {lack}");
        }
        let failures: Vec<&String> = self.failures.iter().chain(&self.unexplained).collect();
        let list = failures.iter().map(|f| f.as_str()).collect::<Vec<_>>().join("\n  ");
        assert!(
            failures.is_empty(),
            "{}: {wrong} of {computed} computed cases are wrong, {} unexplained:\n  {list}",
            self.place,
            self.unexplained.len()
        );
        assert!(computed > 0, "{}: no case was computed", self.place);
    }
}
