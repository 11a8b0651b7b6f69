//! The whole verification of one device, as `steepest verify` runs it: random bits, the driver's functions, every op × case × kernel variant,
//! merged dispatches, every gradient, and gradients of gradients.

use super::cases::SEED;
use super::guarded::Guarded;
use super::probe::{self, DriverRow, driver_async};
use super::report::Report;
use super::selection::{Depth, Item, items};
use super::{first, merged, on_device, second, unmoved, values};
use crate::device::Device;
use crate::error::Result;
use crate::graph::record_on;
use crate::ops::case::Gen;
use crate::ops::random::{Kind, Random};
use crate::platform::{self, Instant, waited};
use crate::shape::Shape;

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

/// Verifies a device. `progress` is told the part under way, how much of the whole is done, and how much there is.
///
/// # Errors
/// [`Error::DeviceLost`](crate::Error::DeviceLost) if the device goes away, or another fault that leaves nothing to verify. Wrong numbers are no error: they are in the
/// outcome.
pub fn full(device: &Device, depth: &Depth, progress: &mut dyn FnMut(&str, usize, usize)) -> Result<Outcome> {
    waited(device.name(), full_async(device, depth, progress))
}

/// [`full`] without blocking. In a browser the page's loop goes on between the cases, so that a page can show the progress. Natively all is done in the
/// first poll.
///
/// It sets test switches of the device, whose memory is poisoned and guarded meanwhile: give it a device of its own. Dropped, it is given up, and the switches
/// are put back.
///
/// ```
/// use steepest::verify::{Depth, full_async};
/// use steepest::Device;
/// let (device, mut last) = (Device::cpu(), (0, 0));
/// let depth = Depth { filter: "softmax".to_owned(), ..Depth::default() };
/// let mut progress = |_: &str, done: usize, total: usize| last = (done, total);
/// let outcome = pollster::block_on(full_async(&device, &depth, &mut progress))?;
/// assert!(outcome.passed() && last.0 == last.1);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// As [`full`].
pub async fn full_async(device: &Device, depth: &Depth, progress: &mut dyn FnMut(&str, usize, usize)) -> Result<Outcome> {
    let start = Instant::now();
    let items = items(depth);
    let forms = if device.is_gpu() { items.iter().map(|i| i.variants).max().unwrap_or(1) } else { 1 };
    // The browser's limits choose the last form that suits; forced forms have covered most of them already.
    let minimal =
        if depth.deep && device.is_gpu() { Some(Device::gpu_with_minimal_limits_async(device.name()).await?) } else { None };
    let small = if device.is_gpu() { merged::small(&items) } else { vec![] };
    let of_forms: usize = (0..forms).map(|form| of_form(&items, form).count()).sum();
    let total = small.len() + probe::rows() + of_forms + minimal.iter().count() * items.len() + 3 * items.len();
    let mut run = Run { progress, done: 0, total, stages: vec![] };

    let known = known(device).await?;
    let driver = run.driver(device).await?;
    run.forms(device, &items, forms).await?;
    if let Some(minimal) = &minimal {
        let _guarded = Guarded::new(minimal);
        let check =
            async |item: &Item, report: &mut Report| values::op(minimal, item.family, &item.case, &item.truth, report).await;
        run.stage("ops, a browser's limits", minimal, items.iter(), check).await?;
    }
    if device.is_gpu() {
        run.merged(device, &small, depth.filter.is_empty()).await?;
    }
    let mut g = Gen::new(SEED + 3);
    let check = async |item: &Item, report: &mut Report| {
        on_device::enter(device, item.family, &item.case, &item.truth, &mut g, report).await
    };
    run.stage("gradients on the device", device, items.iter(), check).await?;
    let mut g = Gen::new(SEED + 1);
    let check = async |item: &Item, report: &mut Report| {
        first::enter(item.family, &item.case, &mut g, report);
        unmoved::enter(item.family, &item.case, report);
        Ok(())
    };
    run.stage("gradients", "the reference", items.iter(), check).await?;
    let mut g = Gen::new(SEED + 2);
    let check = async |item: &Item, report: &mut Report| {
        second::enter(item.family, &item.case, &mut g, report);
        Ok(())
    };
    run.stage("gradients of gradients", "the reference", items.iter(), check).await?;
    let (stages, seconds) = (run.stages, start.elapsed().as_secs_f64());
    Ok(Outcome { device: device.to_string(), deep: depth.deep, stages, driver, known, seconds })
}

/// The cases whose kernels have a form of this number.
fn of_form(items: &[Item], form: usize) -> impl Iterator<Item = &Item> {
    items.iter().filter(move |item| item.variants > form)
}

/// A verification on its way.
struct Run<'a> {
    progress: &'a mut dyn FnMut(&str, usize, usize),
    done: usize,
    total: usize,
    stages: Vec<Stage>,
}

impl Run<'_> {
    /// Tells that one thing more of this part is done.
    fn tick(&mut self, name: &str) {
        self.done += 1;
        (self.progress)(name, self.done, self.total);
    }

    /// One stage: `check` enters each item into its report.
    async fn stage<'i>(
        &mut self,
        name: &str,
        subject: impl ToString,
        items: impl Iterator<Item = &'i Item>,
        mut check: impl AsyncFnMut(&Item, &mut Report) -> Result<()>,
    ) -> Result<()> {
        let (mut report, begun) = (Report::new(subject.to_string()), Instant::now());
        for item in items {
            platform::let_page_go_on().await;
            check(item, &mut report).await?;
            self.tick(name);
        }
        self.stages.push(Stage { name: name.to_owned(), report, seconds: begun.elapsed().as_secs_f64() });
        Ok(())
    }

    /// The driver's own functions.
    async fn driver(&mut self, device: &Device) -> Result<Vec<DriverRow>> {
        let name = "the driver's functions";
        (self.progress)(name, self.done, self.total);
        driver_async(device, || self.tick(name)).await
    }

    /// Every op, with each of its kernels' forms; the first round takes the form this device would choose by itself.
    async fn forms(&mut self, device: &Device, items: &[Item], forms: usize) -> Result<()> {
        let _guarded = Guarded::new(device);
        for form in 0..forms {
            device.force_variant((form > 0).then_some(form));
            let name = if form == 0 { "ops".to_owned() } else { format!("ops, kernel form {}", form + 1) };
            let check =
                async |item: &Item, report: &mut Report| values::op(device, item.family, &item.case, &item.truth, report).await;
            self.stage(&name, device, of_form(items, form), check).await?;
        }
        Ok(())
    }

    /// Small cases, several to a run and their dispatches merged. Of `all` ops some must have been: those of a single op may have kernels that
    /// cannot be merged.
    async fn merged(&mut self, device: &Device, small: &[&Item], all: bool) -> Result<()> {
        let name = "ops, merged dispatches";
        let (mut report, begun) = (Report::new(device.to_string()), Instant::now());
        let (planned, made) = merged::enter(device, small, &mut report, || self.tick(name)).await?;
        if all && made >= planned {
            report.failures.push(format!("{planned} dispatches were planned and none of them merged"));
        }
        self.stages.push(Stage { name: name.to_owned(), report, seconds: begun.elapsed().as_secs_f64() });
        Ok(())
    }
}

/// The generator on this device against the answers its authors publish.
async fn known(device: &Device) -> Result<Vec<KnownAnswer>> {
    let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344, 0xa409_3822, 0x299f_31d0];
    let answers: [([u32; 6], [u32; 4]); 3] = [
        ([0; 6], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([u32::MAX; 6], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
    ];
    let wide = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    let shape = Shape::new(&[4]).unwrap_or(Shape::SCALAR);
    let mut all = Vec::with_capacity(answers.len());
    for (input, expected) in answers {
        let [c0, c1, c2, c3, k0, k1] = input;
        let random = Random { first: wide(c0, c1), ..Random::new(Kind::Bits, shape, wide(k0, k1), wide(c2, c3)) };
        let found = record_on(device.backend(), random, &[]).fetch::<u32>().await?;
        all.push(KnownAnswer { input, expected, found });
    }
    Ok(all)
}
