//! `verify::check_op`: what it finds of ops that are wrong in one thing, that it finds nothing of ops that are right, and the example package of
//! ops from outside, whose files are compiled here.
#![cfg(feature = "gpu")]
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::error::OpError;
use steepest::graph::op::{Array, GradCtx, Io, Lowering, Op, Spec};
use steepest::graph::{Accuracy, Kernel, Params, Tensor, Variant, Wgsl};
use steepest::ops::case::{Case, Gen};
use steepest::shape::Shape;
use steepest::verify::{OpCheck, check_op};
use steepest::{Device, verify};

#[path = "../../examples/own_op/src/ops/mod.rs"]
mod example;

fn checked(devices: &[Device], cases: &[Case]) -> OpCheck {
    check_op(&devices.iter().collect::<Vec<_>>(), cases)
}

/// Every op of the package, on the CPU and a GPU.
#[test]
fn the_ops_of_the_example_are_right() {
    let devices = common::devices("the ops of the example");
    let x = devices[0].tensor(&[3.0, -4.0], [1, 2]);
    assert_eq!(example::softsign(&x, 2.0).to_vec::<f32>().unwrap(), [1.5, -1.6]);
    assert_eq!(example::row_energy(&x).to_vec::<f32>().unwrap(), [25.0]);
    assert_eq!(example::standardize(&x).to_vec::<f32>().unwrap().len(), 2);
    for cases in example::cases() {
        let found = checked(&devices, &cases);
        println!("{found}");
        assert!(found.passed(), "{found}");
        assert!(found.stages.iter().all(|stage| stage.report.cases > 0), "{found}");
        assert!(found.notes.iter().all(|note| note.starts_with("no GPU")), "{found}");
    }
}

/// Families of the library itself: it finds nothing wrong, and its own table of what was compared is that of `verify::ops`.
#[test]
fn ops_of_the_library_pass() {
    let devices = [Device::cpu()];
    for family in ["softmax", "scan", "triangle", "distance"] {
        let cases: Vec<Case> = verify::cases(family).into_iter().map(|(_, case)| case).collect();
        let found = checked(&devices, &cases);
        assert!(found.passed(), "{found}");
        let report = verify::ops(&devices[0], family);
        let on_cpu = found.stages.iter().find(|stage| stage.name == devices[0].to_string()).unwrap();
        assert_eq!((on_cpu.report.cases, on_cpu.report.elements), (report.cases, report.elements), "{family}");
    }
}

/// y = x + x² in one thing wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    Nothing,
    /// The WGSL leaves the last element.
    Unwritten,
    /// The WGSL writes one element more.
    Beyond,
    /// The WGSL reads one element more. With the checks of indices that is the last one again, and nothing comes of it.
    ReadsBeyond,
    /// The WGSL takes the largest of some elements, and some that are beyond the end.
    LargestBeyond,
    /// Only the second form of its kernel writes one element more.
    SecondForm,
    Shader,
    Binding,
    Native,
    NativePanics,
    NoNative,
    Gradient,
    NoGradient,
    SecondGradient,
    Definition,
    DefinitionPanics,
    RuleTooShort,
    RuleTooLong,
    /// Parameters that do not say which kernel it is.
    Key(u32),
    Workgroup,
    Unnamed,
    Accuracy,
}

const FILE: &str = "// use: shared/each_element
struct Params { count: u32, beyond: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;
fn element(i: u32) { y[i + params.beyond] = x[i] + x[i] * x[i] + stray(i); }
fn stray(i: u32) -> f32 { return 0.0; }
const INFINITY = 0x7f800000u;
";

static RIGHT: Wgsl = Wgsl::new("right", FILE);

impl Op for Wrong {
    fn name(&self) -> &'static str {
        "wrong"
    }
    fn params(&self) -> Vec<u32> {
        let kind = match self {
            Wrong::Key(_) => 100,
            Wrong::Nothing => 0,
            _ => format!("{self:?}").bytes().fold(1, |hash: u32, byte| hash.wrapping_mul(31) + u32::from(byte)),
        };
        vec![kind]
    }
    fn sources(&self) -> &[Wgsl] {
        if *self == Wrong::Unnamed { &[] } else { std::slice::from_ref(&RIGHT) }
    }
    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        if *self == Wrong::Accuracy { Accuracy::Exact } else { Accuracy::Normalised }
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let n = inputs[0].shape.numel();
        Ok(Spec::f32(match self {
            Wrong::RuleTooShort => Shape::new(&[n.saturating_sub(1)])?,
            Wrong::RuleTooLong => Shape::new(&[n + 1])?,
            _ => inputs[0].shape,
        }))
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        let n = inputs[0].shape.numel();
        let count = if *self == Wrong::Unwritten { n.saturating_sub(1) } else { n };
        let beyond = u32::from(*self == Wrong::Beyond || matches!(self, Wrong::Key(7)));
        let text = match self {
            Wrong::Shader => FILE.replace("x[i] + x", "x[i] - x"),
            Wrong::Binding => FILE.replace("storage, read>", "storage, read_write>"),
            Wrong::Workgroup => FILE.replace("// use: shared/each_element", "").replace("fn element(i: u32) {", "
                @compute @workgroup_size(512) fn main(@builtin(global_invocation_id) id: vec3<u32>) { let i = id.x; if i >= params.count { return; }"),
            Wrong::ReadsBeyond => FILE.replace("return 0.0", "return select(0.0, 1.0, (bitcast<u32>(x[i + 1u]) & INFINITY) == INFINITY)"),
            Wrong::LargestBeyond => {
                let largest = "return max(max(max(x[i], x[i + 1u]), max(x[i + 2u], x[i + 3u])), 9.0) - 9.0";
                FILE.replace("return 0.0", largest)
            }
            _ => FILE.to_owned(),
        };
        let wgsl = if text == FILE { RIGHT.clone() } else { Wgsl::from_text("wrong", text) };
        let mut variants = vec![Variant::source_each_element(&wgsl, count).max_loop_iterations(0)];
        if *self == Wrong::SecondForm {
            let text = FILE.replace("i + params.beyond", "i + params.beyond + 1u");
            variants.push(Variant::source_each_element(&Wgsl::from_text("second", text), count).max_loop_iterations(0));
        }
        let kernel = Kernel::new("wrong", Params::new().set("count", count).set("beyond", beyond), variants);
        let wrong = *self;
        let native = move |io: &mut Io<'_>| {
            let x = io.read(0);
            assert!(wrong != Wrong::NativePanics || x.len() != 7, "seven");
            let factor = if wrong == Wrong::Native { 1.001 } else { 1.0 };
            io.write(0).iter_mut().zip(x).for_each(|(y, x)| *y = factor * x + x * x);
        };
        Lowering::kernel(if *self == Wrong::NoNative { kernel } else { kernel.with_native(native) }, 1)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let x = &inputs[0].data;
        assert!(*self != Wrong::DefinitionPanics || x.len() != 7, "seven");
        match self {
            Wrong::Definition => Array { shape: Shape::SCALAR, data: vec![] },
            Wrong::RuleTooShort | Wrong::RuleTooLong => Array::from_fn(inputs[0].shape, |i| x[i] + x[i] * x[i]),
            _ => Array::from_fn(output.shape, |i| x[i] + x[i] * x[i]),
        }
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let x = &ctx.inputs[0];
        let slope = match self {
            Wrong::NoGradient => return vec![None],
            Wrong::Gradient => x * 2.01 + 1.0,
            Wrong::SecondGradient => x.detach() * 2.0 + 1.0,
            _ => x * 2.0 + 1.0,
        };
        vec![Some(ctx.grad * slope)]
    }
}

/// Each is found, in the stage that is there for it, with the op and the case; and only the wrong ones are.
#[test]
fn what_is_wrong_is_found_and_named() {
    let devices = common::devices("check_op of wrong ops");
    let gpu = devices.len() > 1;
    let cases = |op: Wrong| Case::of_shapes(&op, 1, &mut Gen::new(3));
    // What is wrong, whether only a GPU shows it, the stage, words of the failure.
    let table = [
        (Wrong::Unwritten, true, "gpu", "is NaN"),
        (Wrong::Beyond, true, "gpu", "wrote"),
        (Wrong::ReadsBeyond, true, "gpu", "off by"),
        (Wrong::LargestBeyond, true, "gpu", "off by"),
        (Wrong::SecondForm, true, "gpu", "wrote"),
        (Wrong::Shader, true, "gpu", "off by"),
        (Wrong::Binding, false, "WGSL", "binds 1 buffers to read and 1 to write"),
        (Wrong::Workgroup, false, "WGSL", "512 invocations in a workgroup, where every browser allows 256"),
        (Wrong::Native, false, "cpu", "off by"),
        (Wrong::NativePanics, false, "cpu", "its native form panicked: seven"),
        (Wrong::Gradient, false, "gradients", "off by"),
        (Wrong::SecondGradient, false, "gradients of gradients", "off by"),
        (Wrong::Definition, false, "shape rule, definition", "no definition in f64"),
        (Wrong::DefinitionPanics, false, "shape rule, definition", "panicked: seven"),
        (Wrong::RuleTooShort, false, "shape rule, definition", "its definition gives 7 elements, its shape rule f32[6]"),
        (Wrong::RuleTooLong, false, "shape rule, definition", "its definition gives 7 elements, its shape rule f32[8]"),
        (Wrong::Accuracy, false, "cpu", "off by"),
    ];
    for (op, on_gpu, stage, words) in table {
        let found = checked(&devices, &cases(op));
        let failures = found.failures();
        let named = |line: &String| line.starts_with(stage) && line.contains(&format!("{op:?}")) && line.contains(words);
        assert!(failures.iter().any(named) || (on_gpu && !gpu), "{op:?}: {found}");
        assert!(!found.passed() || (on_gpu && !gpu), "{op:?}: {found}");
        // Each stage on the device finds it by itself, and no other form is blamed.
        let device = devices.last().unwrap().to_string();
        let by = |name: &str| failures.iter().filter(|line| line.starts_with(&format!("{name}: "))).any(named);
        let stages = [device.clone(), format!("{device}, kernel form 2"), format!("{device}, a browser's limits")];
        let wanted = match op {
            Wrong::SecondForm => Some([false, true, false]),
            Wrong::Unwritten | Wrong::Beyond | Wrong::ReadsBeyond | Wrong::LargestBeyond | Wrong::Shader => {
                Some([true, false, true])
            }
            _ => None,
        };
        let found_by = stages.each_ref().map(|name| by(name));
        assert!(!gpu || wanted.is_none_or(|wanted| wanted == found_by), "{op:?}: {found}");
        // A device that was given a wrong op works on.
        for device in &devices {
            let right = checked(std::slice::from_ref(device), &cases(Wrong::Nothing)[..3]);
            assert!(right.passed(), "after {op:?}: {right}");
        }
    }
}

#[test]
fn what_is_missing_is_noted() {
    let devices = common::devices("check_op of ops that lack something");
    let cases = |op: Wrong| Case::of_shapes(&op, 1, &mut Gen::new(3));
    let right = checked(&devices, &cases(Wrong::Nothing));
    assert!(right.passed() && right.notes.len() == usize::from(devices.len() == 1), "{right}");
    let notes = [
        (Wrong::NoNative, "`wrong` has no native kernel: the CPU computes it by its definition in f64"),
        (Wrong::NoGradient, "`wrong` has no gradient by its input 0"),
        (Wrong::Unnamed, "`wrong` does not name right.wgsl (`Op::sources`)"),
    ];
    for (op, words) in notes {
        let found = checked(&devices, &cases(op));
        assert!(found.passed() && found.notes.iter().any(|note| note.starts_with(words)), "{found}");
    }
    let nothing = checked(&devices, &[]);
    assert!(!nothing.passed() && nothing.to_string().contains("nothing was compared"), "{nothing}");
}

/// Two calls whose parameters do not tell their kernels apart would share a plan.
#[test]
fn a_key_that_does_not_hold_what_differs_is_found() {
    let mut g = Gen::new(3);
    let mut case = |number| Case::new(format!("number {number}"), Wrong::Key(number), vec![g.normalish(&[5])]);
    let found = checked(&[Device::cpu()], &[case(1), case(7)]);
    let failures = found.failures();
    assert!(failures.len() == 1 && failures[0].contains("`Op::params` does not hold what differs"), "{found}");
    assert!(failures[0].contains("(number 7) and Key(1) (number 1)"), "{found}");
}

/// All files of the example package.
fn files_of_the_example(folder: &std::path::Path) -> Vec<String> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(files_of_the_example(&path));
        } else if path.extension().is_some_and(|e| e == "rs" || e == "wgsl") {
            found.push(std::fs::read_to_string(path).unwrap());
        }
    }
    found
}

/// The blocks of code of a page that are in none of the files.
fn not_quoted<'p>(page: &'p str, files: &[String]) -> (Vec<&'p str>, usize) {
    let blocks: Vec<&str> = page.split("```").skip(1).step_by(2).filter_map(|block| Some(block.split_once('\n')?.1)).collect();
    let missing = blocks.iter().copied().filter(|block| !files.iter().any(|file| file.contains(block))).collect();
    (missing, blocks.len())
}

/// What the page about own ops shows is what the example does.
#[test]
fn the_page_quotes_the_example() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let (page, files) = (include_str!("../../docs/own_ops.md"), files_of_the_example(&root.join("examples/own_op/src")));
    let (missing, count) = not_quoted(page, &files);
    assert!(missing.is_empty() && count >= 8, "{count} blocks; not in the example: {missing:#?}");
    assert_eq!(not_quoted(&page.replace("let slope", "let slopes"), &files).0.len(), 1);
    assert!(!root.join("examples/own_op/main.rs").exists(), "the package would be an example of the library's own");
}
