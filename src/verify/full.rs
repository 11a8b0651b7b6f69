//! The whole verification of one device, as `steepest verify` runs it: random bits, the driver's functions, every op × case × kernel variant,
//! merged dispatches, every gradient, and gradients of gradients.

use super::{DriverRow, Report, cases, driver, first_order, merged, op, plant, probe, recorded, second, tensors};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::op::{Array, DType, Lowering, Op, Spec};
use crate::graph::{Tensor, record_on};
use crate::ops::case::{Case, Gen, SWITCHED_OFF};
use crate::ops::random::{Kind, Random};
use crate::ops::tolerance;
use crate::reference::{Overrides, evaluate};
use crate::shape::Shape;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

/// What a stage of verification does: it fills the report and calls the second argument after each case.
type Body<'a> = &'a mut dyn FnMut(&mut Report, &mut dyn FnMut()) -> Result<()>;

/// How much is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Every case; else of each op and each form of its kernels a small case, a large one and the extremes.
    pub deep: bool,
    /// Families whose name contains this; empty means all.
    pub filter: String,
    /// Test hook: the op of this name gets wrong kernels, so that one can see the verification fail.
    pub plant: Option<String>,
}

/// One part of the verification.
#[derive(Clone, Debug)]
pub struct Stage {
    /// What was checked.
    pub name: String,
    /// What was found.
    pub report: Report,
    /// How long it took.
    pub seconds: f64,
}

/// A known answer of the random generator, Philox4x32-10, as its authors publish it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAnswer {
    /// Four words of counter, two of key.
    pub input: [u32; 6],
    /// The four words that must come out.
    pub expected: [u32; 4],
    /// Those that did.
    pub found: Vec<u32>,
}

/// What a verification found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The device.
    pub device: String,
    /// Whether every case was checked.
    pub deep: bool,
    /// The parts.
    pub stages: Vec<Stage>,
    /// The driver's own functions.
    pub driver: Vec<DriverRow>,
    /// The random generator.
    pub known: Vec<KnownAnswer>,
    /// How long it took.
    pub seconds: f64,
}

impl Outcome {
    /// Cases compared.
    pub fn cases(&self) -> usize {
        self.stages.iter().map(|s| s.report.cases).sum()
    }

    /// Elements compared.
    pub fn elements(&self) -> usize {
        self.stages.iter().map(|s| s.report.elements).sum()
    }

    /// One line per thing that is wrong.
    pub fn failures(&self) -> Vec<String> {
        let ops = self.stages.iter().flat_map(|s| s.report.failures.iter().map(move |f| format!("{}: {f}", s.name)));
        let wrong = self.known.iter().filter(|k| k.found != k.expected);
        ops.chain(wrong.map(|k| format!("random bits: {:08x?} gives {:08x?}, not {:08x?}", k.input, k.found, k.expected)))
            .collect()
    }

    /// Whether something was compared and nothing is wrong.
    pub fn passed(&self) -> bool {
        self.cases() > 0 && self.failures().is_empty()
    }
}

/// A case with the op whose definition is its truth.
pub(super) struct Item {
    pub(super) family: &'static str,
    pub(super) case: Case,
    pub(super) truth: Arc<dyn Op>,
    /// Forms of the kernel with the most of them.
    variants: usize,
}

/// Verifies a device. `progress` is told the part under way, how much of the whole is done, and how much there is.
///
/// # Errors
/// [`Error::DeviceLost`] if the device goes away, or another fault that leaves nothing to verify. Wrong numbers are no error: they are in the
/// outcome.
pub fn full(device: &Device, depth: &Depth, progress: &mut dyn FnMut(&str, usize, usize)) -> Result<Outcome> {
    let start = Instant::now();
    let items = items(depth);
    let most = if device.is_gpu() { items.iter().map(|i| i.variants).max().unwrap_or(1) } else { 1 };
    // The browser's limits choose the last form that suits; forced forms have covered most of them already.
    let minimal = if depth.deep && device.is_gpu() { Some(Device::gpu_with_minimal_limits(device.name())?) } else { None };
    let with = |variant: usize| items.iter().filter(|i| i.variants > variant).count();
    let small = if device.is_gpu() { merged::small(&items) } else { vec![] };
    let total =
        small.len() + probe::rows() + (0..most).map(with).sum::<usize>() + minimal.iter().count() * items.len() + 3 * items.len();
    let mut done = 0;
    let mut outcome = Outcome {
        device: device.to_string(),
        deep: depth.deep,
        stages: vec![],
        driver: vec![],
        known: known(device)?,
        seconds: 0.0,
    };

    progress("the driver's functions", done, total);
    outcome.driver = driver(device, || {
        done += 1;
        progress("the driver's functions", done, total);
    })?;
    let mut stage = |name: String, subject: String, body: Body<'_>| {
        let mut report = Report::new(subject);
        let begun = Instant::now();
        let mut tick = || {
            done += 1;
            progress(&name, done, total);
        };
        body(&mut report, &mut tick)?;
        outcome.stages.push(Stage { name: name.clone(), report, seconds: begun.elapsed().as_secs_f64() });
        Ok::<(), Error>(())
    };

    let guarded = Guarded(device);
    device.set_guarded(true);
    for variant in 0..most {
        // The first round takes the form this device would choose by itself.
        device.force_variant((variant > 0).then_some(variant));
        let name = match variant {
            0 => "ops".to_owned(),
            _ => format!("ops, kernel form {}", variant + 1),
        };
        stage(name, device.to_string(), &mut |report, tick| {
            for item in items.iter().filter(|i| i.variants > variant) {
                op(device, item.family, &item.case, &item.truth, report)?;
                tick();
            }
            Ok(())
        })?;
    }
    drop(guarded);
    if let Some(minimal) = &minimal {
        let _guarded = Guarded(minimal);
        minimal.set_guarded(true);
        stage("ops, a browser's limits".to_owned(), minimal.to_string(), &mut |report, tick| {
            for item in &items {
                op(minimal, item.family, &item.case, &item.truth, report)?;
                tick();
            }
            Ok(())
        })?;
    }
    if device.is_gpu() {
        stage("ops, merged dispatches".to_owned(), device.to_string(), &mut |report, tick| {
            let (planned, made) = merged::enter(device, &small, report, tick)?;
            // An op alone may have kernels that cannot be merged; all of them do not.
            if depth.filter.is_empty() && made >= planned {
                report.failures.push(format!("{planned} dispatches were planned and none of them merged"));
            }
            Ok(())
        })?;
    }
    stage("gradients on the device".to_owned(), device.to_string(), &mut |report, tick| {
        let mut g = Gen::new(super::SEED + 3);
        for item in &items {
            on_device(device, item, &mut g, report)?;
            tick();
        }
        Ok(())
    })?;
    stage("gradients".to_owned(), "the reference".to_owned(), &mut |report, tick| {
        let mut g = Gen::new(super::SEED + 1);
        for item in &items {
            first_order(item.family, &item.case, &mut g, report);
            tick();
        }
        Ok(())
    })?;
    stage("gradients of gradients".to_owned(), "the reference".to_owned(), &mut |report, tick| {
        let mut g = Gen::new(super::SEED + 2);
        for item in &items {
            second::enter(item.family, &item.case, &mut g, report);
            tick();
        }
        Ok(())
    })?;
    outcome.seconds = start.elapsed().as_secs_f64();
    Ok(outcome)
}

/// Puts a device's test switches back, also after an error.
struct Guarded<'d>(&'d Device);

impl Drop for Guarded<'_> {
    fn drop(&mut self) {
        self.0.set_guarded(false);
        self.0.force_variant(None);
    }
}

/// The cases of a depth.
fn items(depth: &Depth) -> Vec<Item> {
    let mut all: Vec<(Item, String, usize)> = vec![];
    for (family, case) in cases(&depth.filter) {
        let (variants, form) = form(&case);
        let elements: usize = case.inputs.iter().map(|i| i.array.data.len()).sum();
        let truth = case.op.clone();
        let planted = depth.plant.as_deref() == Some(case.op.name());
        let case = if planted { plant::wrong(&case) } else { case };
        all.push((Item { family, case, truth, variants }, form, elements));
    }
    if !depth.deep {
        // Of each form: the smallest case that is not empty, the largest that is not large, the first at the extremes; and every one at which it is
        // switched off.
        let mut chosen: BTreeMap<String, [Option<usize>; 3]> = BTreeMap::new();
        for (i, (item, form, elements)) in all.iter().enumerate() {
            let [small, large, rough] = chosen.entry(form.clone()).or_default();
            if !item.case.smooth {
                rough.get_or_insert(i);
                continue;
            }
            if *elements > 0 && small.is_none_or(|s: usize| *elements < all[s].2) {
                *small = Some(i);
            }
            if *elements <= 20_000 && large.is_none_or(|l: usize| *elements > all[l].2) {
                *large = Some(i);
            }
        }
        let off = all.iter().enumerate().filter(|(_, (item, ..))| item.case.label.starts_with(SWITCHED_OFF)).map(|(i, _)| i);
        let wanted: BTreeSet<usize> = chosen.into_values().flatten().flatten().chain(off).collect();
        return all.into_iter().enumerate().filter(|(i, _)| wanted.contains(i)).map(|(_, (item, ..))| item).collect();
    }
    all.into_iter().map(|(item, ..)| item).collect()
}

/// How many forms the kernels of a case have, and a name for the set of them.
fn form(case: &Case) -> (usize, String) {
    let specs: Vec<Spec> = case.inputs.iter().map(|i| Spec::new(i.array.shape, i.dtype)).collect();
    let name = case.op.name();
    let Ok(output) = case.op.infer(&specs) else { return (1, name.to_owned()) };
    match case.op.lower(&specs, &output) {
        Lowering::Stages { stages, .. } => {
            let most = stages.iter().map(|s| s.kernel.variants.len()).max().unwrap_or(1);
            let variants = stages.iter().flat_map(|s| &s.kernel.variants);
            let text: Vec<String> = variants.map(|v| format!("{} {:?} {:?}", v.shader, v.consts, v.bodies)).collect();
            (most, format!("{name} {}", text.join("; ")))
        }
        _ => (1, name.to_owned()),
    }
}

/// The generator on this device against the answers its authors publish.
fn known(device: &Device) -> Result<Vec<KnownAnswer>> {
    let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344, 0xa409_3822, 0x299f_31d0];
    let answers: [([u32; 6], [u32; 4]); 3] = [
        ([0; 6], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([u32::MAX; 6], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
    ];
    let wide = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    let shape = Shape::new(&[4]).unwrap_or(Shape::SCALAR);
    let ask = |(input, expected): ([u32; 6], [u32; 4])| {
        let [c0, c1, c2, c3, k0, k1] = input;
        let random = Random { first: wide(c0, c1), ..Random::new(Kind::Bits, shape, wide(k0, k1), wide(c2, c3)) };
        let found = record_on(device.runner(), random, &[]).to_vec::<u32>()?;
        Ok(KnownAnswer { input, expected, found })
    };
    answers.into_iter().map(ask).collect()
}

/// The gradient of a case as the device computes it, fused and planned as in training, against the same in f64.
fn on_device(device: &Device, item: &Item, g: &mut Gen, report: &mut Report) -> Result<()> {
    let case = &item.case;
    if !case.smooth || !case.op.mutates().is_empty() {
        return Ok(());
    }
    let place = format!("{} {:?} ({})", item.family, item.truth, case.label);
    match gradient_on(device, case, g) {
        Err(lost @ Error::DeviceLost { .. }) => return Err(lost),
        Err(error) => report.failures.push(format!("{place}: {error}")),
        Ok(None) => {}
        Ok(Some((elements, worst))) => report.note("gradients", &place, elements, worst),
    }
    Ok(())
}

fn gradient_on(device: &Device, case: &Case, g: &mut Gen) -> Result<Option<(usize, Option<tolerance::Worst>)>> {
    let inputs = tensors(device, case, true);
    let output = recorded(device, case, &inputs);
    let shape = output.try_shape()?;
    if !output.requires_grad() || shape.numel() == 0 || case.inputs.iter().any(|i| i.array.data.is_empty()) {
        return Ok(None);
    }
    let cotangent: Vec<u32> = (0..shape.numel()).map(|_| DType::F32.to_word(g.uniform(-1.0, 1.0))).collect();
    let gradients = output.backward_with(&device.words(cotangent, shape, DType::F32, false));
    let found: Vec<Tensor> = gradients.iter()?.cloned().collect();
    if found.is_empty() {
        return Ok(None);
    }
    let roots: Vec<&Tensor> = found.iter().collect();
    let expected = evaluate(&roots, &Overrides::new())?;
    device.run(roots)?;
    let (mut numbers, mut truth, mut bounds) = (vec![], vec![], vec![]);
    for (tensor, array) in found.iter().zip(&expected) {
        // Sums that cancel leave errors of the size of their terms.
        let scale = largest(array).max(1.0);
        numbers.extend(tensor.to_vec::<f32>()?.into_iter().map(f64::from));
        bounds.extend(array.data.iter().map(|e| 1e-5 * scale + 1e-4 * e.abs()));
        truth.extend(&array.data);
    }
    Ok(Some((numbers.len(), tolerance::worst(&numbers, &truth, &bounds))))
}

fn largest(array: &Array) -> f64 {
    array.data.iter().filter(|x| x.is_finite()).fold(0.0, |m, x| m.max(x.abs()))
}
