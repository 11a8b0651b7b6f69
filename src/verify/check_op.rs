//! All that this library's own ops are checked by, for an op of the caller's.

use super::cases::{SEED, recorded, tensors};
use super::full::Stage;
use super::guarded::Guarded;
use super::report::Report;
use super::{first, kernels, on_device, second, unmoved, values};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::Missing;
use crate::graph::op::{Array, DType, defined};
use crate::ops::case::{Case, Gen};
use crate::platform::{self, Instant, waited};
use crate::threads::words_of;
use std::collections::BTreeSet;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// What [`check_op`] found. It displays as a table, with a line for everything that is wrong.
#[derive(Clone, Debug)]
pub struct OpCheck {
    /// The names of the ops.
    pub op: String,
    /// What was checked, in order.
    pub stages: Vec<Stage>,
    /// What is not wrong but good to know: parts that are not there, devices on which nothing could be tried.
    pub notes: Vec<String>,
}

impl OpCheck {
    /// One line per thing that is wrong.
    pub fn failures(&self) -> Vec<String> {
        let of = |stage: &Stage| stage.report.failures.iter().map(|line| format!("{}: {line}", stage.name)).collect::<Vec<_>>();
        self.stages.iter().flat_map(of).collect()
    }

    /// Whether something was compared and nothing is wrong.
    pub fn passed(&self) -> bool {
        self.stages.iter().any(|stage| stage.report.elements > 0) && self.failures().is_empty()
    }
}

/// Checks an op by cases of it, as this library's own ops are checked: its shape rule against its definition in f64; its WGSL without a device; on each
/// device every variant of its kernels against the definition, with memory poisoned and guarded, so that an element nobody wrote, a write or a read
/// beyond the end and a read of what nobody wrote are found, also where checks of indices hide them; between other ops, as it is planned and fused; gradients by central differences, and those
/// of gradients; the gradient as each device computes it. GPUs are also tried with the least limits that every browser grants.
///
/// Nothing that is wrong with the op is an error here, and nothing panics: it is in the result. How exact a device must be, the op says
/// ([`Op::accuracy`](crate::graph::Op::accuracy)). A case where there is no gradient to check is
/// [`forward_only`](Case::forward_only). For each kernel there should be cases on both sides of its workgroup and of what it does at a time,
/// and one without elements: [`Case::of_shapes`] makes those of elementwise ops.
///
/// ```
/// use steepest::ops::{case::{Case, Gen}, softmax::Softmax};
/// use steepest::{Device, verify};
/// let mut g = Gen::new(1);
/// let cases = [[3, 4], [2, 131]].map(|dims| Case::new(format!("{dims:?}"), Softmax { axis: 1, log: false }, vec![g.normalish(&dims)]));
/// let found = verify::check_op(&[&Device::cpu()], &cases);
/// assert!(found.passed(), "{found}");
/// ```
pub fn check_op(devices: &[&Device], cases: &[Case]) -> OpCheck {
    let device = devices.first().map_or("cpu", |device| device.name());
    let found = waited(device, async { Ok(check_op_async(devices, cases).await) });
    found.unwrap_or_else(|error| {
        let report = Report { failures: vec![error.to_string()], ..Report::default() };
        OpCheck { op: names(cases), stages: vec![Stage { name: device.to_owned(), report, seconds: 0.0 }], notes: vec![] }
    })
}

/// [`check_op`] without blocking. In a browser the page's loop goes on between the cases. It sets test switches of the devices; dropped, it is given up, and they
/// are put back.
pub async fn check_op_async(devices: &[&Device], cases: &[Case]) -> OpCheck {
    let mut check = Check { op: OpCheck { op: names(cases), stages: vec![], notes: vec![] } };
    let sound = check.definitions(cases).await;
    check.kernels(&sound).await;
    for device in devices {
        check.on(device, &sound).await;
    }
    if !devices.iter().any(|device| device.is_gpu()) {
        check.note("no GPU was given: WGSL was read, and did not run");
    }
    check.gradients(devices, &sound).await;
    check.op
}

/// The names of the ops.
fn names(cases: &[Case]) -> String {
    let names: BTreeSet<&str> = cases.iter().map(|case| case.op.name()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// What `f` gives, or what its panic said.
fn caught<T>(f: impl FnOnce() -> T) -> std::result::Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|panic| format!("panicked: {}", words_of(&*panic)))
}

/// What a future gives, or what its panic said.
async fn caught_in<T>(future: impl Future<Output = T>) -> std::result::Result<T, String> {
    let mut future = pin!(future);
    poll_fn(|context| match caught(|| future.as_mut().poll(context)) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// CHECK mode of a device, until this is dropped.
struct Checked<'d>(&'d Device);

impl Checked<'_> {
    fn new(device: &Device) -> Checked<'_> {
        device.set_check(true);
        Checked(device)
    }
}

impl Drop for Checked<'_> {
    fn drop(&mut self) {
        self.0.set_check(false);
    }
}

fn place(case: &Case) -> String {
    format!("{:?} ({})", case.op, case.label)
}

/// A check on its way.
struct Check {
    op: OpCheck,
}

impl Check {
    fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.op.notes.contains(&note) {
            self.op.notes.push(note);
        }
    }

    /// One stage: `check` enters each case into its report. A panic is a failure of its case; a device that was lost ends it.
    async fn stage(&mut self, name: String, cases: &[&Case], mut check: impl AsyncFnMut(&Case, &mut Report) -> Result<()>) {
        let (mut report, begun) = (Report::new(name.clone()), Instant::now());
        for case in cases {
            platform::let_page_go_on().await;
            match caught_in(check(case, &mut report)).await {
                Ok(Ok(())) => {}
                Ok(Err(lost)) => {
                    report.failures.push(format!("{}: {lost}", place(case)));
                    break;
                }
                Err(panic) => report.failures.push(format!("{}: {panic}", place(case))),
            }
        }
        self.op.stages.push(Stage { name, report, seconds: begun.elapsed().as_secs_f64() });
    }

    /// The shape rule against the definition; returns the cases in which they agree.
    async fn definitions<'c>(&mut self, cases: &'c [Case]) -> Vec<&'c Case> {
        let all: Vec<&Case> = cases.iter().collect();
        let mut sound = vec![false; cases.len()];
        let mut next = 0;
        self.stage("shape rule, definition".to_owned(), &all, async |case: &Case, report: &mut Report| {
            let number = next;
            next += 1;
            match agreed(case) {
                Ok(elements) => {
                    sound[number] = true;
                    report.cases += 1;
                    report.elements += elements;
                }
                Err(message) => report.failures.push(format!("{}: {message}", place(case))),
            }
            Ok(())
        })
        .await;
        all.into_iter().zip(sound).filter(|(_, sound)| *sound).map(|(case, _)| case).collect()
    }

    /// What can be said of the kernels without a device.
    async fn kernels(&mut self, cases: &[&Case]) {
        #[cfg(feature = "gpu")]
        self.stage("WGSL".to_owned(), cases, async |case: &Case, report: &mut Report| {
            super::wgsl::enter(case, &place(case), report);
            Ok(())
        })
        .await;
        #[cfg(not(feature = "gpu"))]
        self.note("built without the feature `gpu`: WGSL was not read");
        let mut whole = Some(cases);
        self.stage("plan's key".to_owned(), cases.get(..1).unwrap_or_default(), async |_: &Case, report: &mut Report| {
            kernels::enter_keys(whole.take().unwrap_or_default(), report);
            Ok(())
        })
        .await;
        for case in cases {
            let name = case.op.name();
            if caught(|| kernels::lacks_native(case)).unwrap_or(false) {
                self.note(format!("`{name}` has no native kernel: the CPU computes it by its definition in f64"));
            }
            for file in caught(|| kernels::unnamed(case)).unwrap_or_default() {
                self.note(format!("`{name}` does not name {file}.wgsl (`Op::sources`): every run of it is planned anew"));
            }
        }
    }

    /// All forms of the kernels on a device, alone and between other ops.
    async fn on(&mut self, device: &Device, cases: &[&Case]) {
        let of = |case: &&Case| caught(|| kernels::forms(case)).unwrap_or(1);
        let forms = if device.is_gpu() { cases.iter().map(of).max().unwrap_or(1) } else { 1 };
        for form in 0..forms {
            let guarded = Guarded::new(device);
            device.force_variant((form > 0).then_some(form));
            let name = if form == 0 { device.to_string() } else { format!("{device}, kernel form {}", form + 1) };
            let some: Vec<&Case> = cases.iter().copied().filter(|case| of(case) > form).collect();
            let check =
                async |case: &Case, report: &mut Report| values::op(device, case.op.name(), case, &case.op.clone(), report).await;
            self.stage(name, &some, check).await;
            drop(guarded);
        }
        if device.is_gpu() {
            match Device::gpu_with_minimal_limits_async(device.name()).await {
                Ok(least) => {
                    let _guarded = Guarded::new(&least);
                    let name = format!("{device}, a browser's limits");
                    let check = async |case: &Case, report: &mut Report| {
                        values::op(&least, case.op.name(), case, &case.op.clone(), report).await
                    };
                    self.stage(name, cases, check).await;
                }
                Err(error) => self.note(format!("not tried with a browser's limits: {error}")),
            }
        }
        let _checked = Checked::new(device);
        let check = async |case: &Case, report: &mut Report| match between(device, case).await {
            Err(lost @ Error::DeviceLost { .. }) => Err(lost),
            Err(error) => {
                report.failures.push(format!("{}: {error}", place(case)));
                Ok(())
            }
            Ok(elements) => {
                report.cases += 1;
                report.elements += elements;
                Ok(())
            }
        };
        self.stage(format!("{device}, between other ops"), cases, check).await;
    }

    /// Gradients, and gradients of gradients.
    async fn gradients(&mut self, devices: &[&Device], cases: &[&Case]) {
        let mut with = vec![];
        for case in cases.iter().filter(|case| case.smooth && case.op.mutates().is_empty()) {
            match caught(|| without_gradient(case)) {
                Ok(Ok((missing, floats))) => {
                    for i in &missing {
                        self.note(format!("`{}` has no gradient by its input {i}", case.op.name()));
                    }
                    if missing.len() < floats {
                        with.push(*case);
                    }
                }
                // The stages say what is wrong.
                _ => with.push(*case),
            }
        }
        let mut g = Gen::new(SEED + 1);
        self.stage("gradients".to_owned(), &with, async |case: &Case, report: &mut Report| {
            first::enter(case.op.name(), case, &mut g, report);
            Ok(())
        })
        .await;
        // Where the output is what is left of numbers that cancel, this is no fault.
        let mut still = Report::default();
        with.iter().for_each(|case| drop(caught(|| unmoved::enter(case.op.name(), case, &mut still))));
        if let Some(first) = still.failures.first() {
            let many = still.failures.len();
            self.note(format!("in {many} cases the output does not depend on an element whose gradient is not 0: {first}"));
        }
        let mut g = Gen::new(SEED + 2);
        self.stage("gradients of gradients".to_owned(), &with, async |case: &Case, report: &mut Report| {
            second::enter(case.op.name(), case, &mut g, report);
            Ok(())
        })
        .await;
        for device in devices {
            let mut g = Gen::new(SEED + 3);
            let check = async |case: &Case, report: &mut Report| {
                on_device::enter(device, case.op.name(), case, &case.op, &mut g, report).await
            };
            self.stage(format!("{device}, gradients"), &with, check).await;
        }
    }
}

/// Elements of a case's output, if the op's shape rule and its definition agree on them.
fn agreed(case: &Case) -> std::result::Result<usize, String> {
    if let Some(input) = case.inputs.iter().find(|input| input.array.data.len() != input.array.shape.numel()) {
        return Err(format!("an input of shape {} has {} elements", input.array.shape, input.array.data.len()));
    }
    let output = case.op.infer(&kernels::specs(case)).map_err(|error| format!("the shape rule refuses it: {error}"))?;
    let inputs: Vec<&Array> = case.inputs.iter().map(|input| &input.array).collect();
    let value = defined(&*case.op, &inputs, &output).map_err(|error| error.to_string())?;
    Ok(value.data.len())
}

/// Float inputs that get no gradient because the op hands none on, and how many float inputs there are.
fn without_gradient(case: &Case) -> Result<(Vec<usize>, usize)> {
    let device = Device::cpu();
    let inputs = tensors(&device, case, true);
    let output = recorded(&device, case, &inputs);
    let floats: Vec<usize> = (0..inputs.len()).filter(|&i| inputs[i].requires_grad()).collect();
    if !output.requires_grad() {
        return Ok((vec![], floats.len()));
    }
    let spec = output.spec()?;
    let seed = device.words(vec![DType::F32.to_word(1.0); spec.shape.numel()], spec.shape, DType::F32, false);
    let gradients = output.backward_with(&seed);
    let mut missing = vec![];
    for &i in &floats {
        if let Some(Missing::Disconnected(_)) = gradients.missing(&inputs[i])? {
            missing.push(i);
        }
    }
    Ok((missing, floats.len()))
}

/// Runs a case on values that are computed and with its result computed on, in CHECK mode: op by op and as planned. Returns elements.
async fn between(device: &Device, case: &Case) -> Result<usize> {
    if !case.op.mutates().is_empty() {
        return Ok(0);
    }
    let computed = |input: &crate::Tensor| match input.spec() {
        Ok(spec) if spec.dtype == DType::F32 => input * 1.0,
        _ => input.clone(),
    };
    let inputs: Vec<crate::Tensor> = tensors(device, case, false).iter().map(computed).collect();
    let output = recorded(device, case, &inputs);
    let spec = output.spec()?;
    let last = if spec.dtype == DType::F32 { &output * 1.0 } else { output };
    device.run_async([&last]).await?;
    Ok(spec.shape.numel())
}

impl fmt::Display for OpCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failures = self.failures();
        let verdict = match (failures.len(), self.passed()) {
            (0, true) => "right".to_owned(),
            (0, false) => "nothing was compared".to_owned(),
            (n, _) => format!("WRONG in {n} places"),
        };
        writeln!(f, "{}: {verdict}", self.op)?;
        let wide = self.stages.iter().map(|stage| stage.name.chars().count()).max().unwrap_or(0);
        writeln!(
            f,
            "  {:<wide$}  {:>6} {:>9} {:>6}  largest error, of what is allowed",
            "checked", "cases", "elements", "wrong"
        )?;
        for Stage { name, report, .. } in &self.stages {
            let worst = report
                .worst
                .values()
                .map(|(ratio, _)| *ratio)
                .fold(None, |most: Option<f64>, ratio| Some(most.map_or(ratio, |most| most.max(ratio))));
            let worst = worst.map_or_else(String::new, |ratio| format!("{ratio:.3}"));
            writeln!(f, "  {name:<wide$}  {:>6} {:>9} {:>6}  {worst}", report.cases, report.elements, report.failures.len())?;
        }
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        for failure in failures.iter().take(SHOWN) {
            writeln!(f, "  WRONG {failure}")?;
        }
        if failures.len() > SHOWN {
            writeln!(f, "  … and {} more", failures.len() - SHOWN)?;
        }
        Ok(())
    }
}

/// Lines of what is wrong that are shown.
const SHOWN: usize = 40;
