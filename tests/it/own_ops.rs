//! Ops from outside with WGSL of their own: what is optional and said when it is asked for, what is wrong and named, and that nothing else is
//! harmed by it.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::error::{OpError, ShaderPlace};
use steepest::graph::op::{Array, Lowering, Op, Operand, Spec, Stage};
use steepest::graph::{Kernel, Missing, Params, Tensor, Variant, Wgsl, record};
use steepest::shape::{Shape, View, ViewDim};
use steepest::{Device, Error, Result};

/// A native kernel.
type NativeForm = fn(&mut steepest::graph::Io<'_>);

/// An op whose parts are given: what an author may get wrong.
#[derive(Clone, Debug)]
struct Own {
    wgsl: Wgsl,
    /// Whether the op names its WGSL.
    told: bool,
    factor: f32,
    /// Elements of the output, if they are not those of the input.
    elements: Option<usize>,
    groups: [u32; 3],
    native: Option<NativeForm>,
    defined: bool,
}

impl Own {
    fn new(wgsl: Wgsl) -> Own {
        Own { wgsl, told: true, factor: 2.0, elements: None, groups: [1; 3], native: None, defined: true }
    }
}

impl Op for Own {
    fn name(&self) -> &'static str {
        "own"
    }
    fn sources(&self) -> &[Wgsl] {
        if self.told { std::slice::from_ref(&self.wgsl) } else { &[] }
    }
    fn params(&self) -> Vec<u32> {
        // What makes another kernel of the same WGSL.
        self.groups.into_iter().chain(self.native.map(|native| native as usize as u32)).collect()
    }
    fn scalars(&self) -> Vec<u32> {
        vec![self.factor.to_bits()]
    }
    fn infer(&self, inputs: &[Spec]) -> std::result::Result<Spec, OpError> {
        let shape = self.elements.map_or(Ok(inputs[0].shape), |n| Shape::new(&[n]))?;
        Ok(Spec::f32(shape))
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let count = output.shape.numel();
        let variant = Variant::source(&self.wgsl, self.groups).max_loop_iterations(0);
        let kernel = Kernel::new("own", Params::new().set("count", count), vec![variant]);
        let kernel = match self.native {
            Some(native) => kernel.with_native(native),
            None => kernel,
        };
        Lowering::kernel(kernel, inputs.len())
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let shape = output.shape;
        if self.defined {
            Array::from_fn(shape, |i| f64::from(self.factor) * inputs[0].data[i % inputs[0].data.len()])
        } else {
            Array { shape, data: vec![] }
        }
    }
}

/// `out[i] = EXPRESSION`, for one workgroup of 64.
fn wgsl(name: &'static str, expression: &str) -> Wgsl {
    Wgsl::from_text(
        name,
        format!(
            "// An op of a test.
struct Params {{ count: u32 }}
struct Scalars {{ factor: f32 }}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;
@group(0) @binding(15) var<uniform> scalars: Scalars;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
    let i = id.x;
    if i < params.count {{ out[i] = {expression}; }}
}}
"
        ),
    )
}

const TIMES: &str = "scalars.factor * x[i]";

fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.to_vec::<f32>()
}

/// That a device computes as before.
fn works(device: &Device) {
    let x = device.tensor(&[1.0, 2.0, 3.0], 3);
    assert_eq!(numbers(&record(Own::new(wgsl("times", TIMES)), &[&x])).unwrap(), [2.0, 4.0, 6.0], "{device}");
    assert_eq!((&x + 1.0).to_vec::<f32>().unwrap(), [2.0, 3.0, 4.0], "{device}");
    let w = device.parameter(&[3.0], 1);
    assert_eq!(w.square().sum(&[]).backward().wrt(&w).unwrap().item().unwrap(), 6.0, "{device}");
}

/// The type, the name and the parameters of these are the same: their WGSL tells them apart, whether the op names it or not.
#[test]
fn ops_of_one_type_are_told_apart_by_their_wgsl() {
    for device in common::devices("ops of one type").into_iter().filter(Device::is_gpu) {
        let x = device.tensor(&[1.0, 2.0, 3.0], 3);
        for told in [true, false] {
            let run = |name, expression| numbers(&record(Own { told, ..Own::new(wgsl(name, expression)) }, &[&x])).unwrap();
            for _ in 0..2 {
                assert_eq!(run("times", TIMES), [2.0, 4.0, 6.0], "told: {told}");
                // Another text of the same name, and the same text under another.
                assert_eq!(run("times", "scalars.factor + x[i]"), [3.0, 4.0, 5.0], "told: {told}");
                assert_eq!(run("sum", "scalars.factor + x[i]"), [3.0, 4.0, 5.0], "told: {told}");
            }
            let before = device.runs_and_misses().1;
            (0..3).for_each(|_| drop(run("times", TIMES)));
            assert_eq!(device.runs_and_misses().1 - before, if told { 0 } else { 3 }, "told: {told}");
        }
    }
}

/// Parts of the library, several outputs of one kernel's kind, an elementwise op fused after it.
#[test]
fn wgsl_from_outside_may_use_the_parts_of_the_library() {
    static SINH: Wgsl = Wgsl::new(
        "sinh",
        "// use: shared/each_element, shared/functions, shared/fused
struct Params { count: u32, extra: array<vec4<u32>, 32> }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;
fn element(i: u32) { out[i] = epilogue(sinh_(x[i]), i); }
",
    );
    #[derive(Debug)]
    struct Sinh;
    impl Op for Sinh {
        fn name(&self) -> &'static str {
            "own_sinh"
        }
        fn sources(&self) -> &[Wgsl] {
            std::slice::from_ref(&SINH)
        }
        fn infer(&self, inputs: &[Spec]) -> std::result::Result<Spec, OpError> {
            Ok(inputs[0])
        }
        fn lower(&self, _: &[Spec], output: &Spec) -> Lowering {
            let count = output.shape.numel();
            let variants = vec![Variant::source_each_element(&SINH, count).max_loop_iterations(0)];
            Lowering::kernel(Kernel::new("own_sinh", Params::new().set("count", count), variants), 1)
        }
        fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
            Array::from_fn(output.shape, |i| inputs[0].data[i].sinh())
        }
    }
    for device in common::devices("parts of the library") {
        let x = device.tensor(&(0..1000).map(|i| i as f32 / 250.0 - 2.0).collect::<Vec<_>>(), 1000);
        let found = numbers(&(record(Sinh, &[&x]) * 2.0)).unwrap();
        if device.is_gpu() {
            assert_eq!(device.last_plan().unwrap().dispatches.len(), 1, "{}", device.last_plan().unwrap());
        }
        let expected = numbers(&x).unwrap().into_iter().map(|x| 2.0 * x.sinh());
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-5 * (1.0 + b.abs())), "{device}");
    }
}

/// Without a native kernel the CPU goes by the definition, for each call's own numbers; without either, the op is named.
#[test]
fn what_is_missing_is_said_when_it_is_asked_for() {
    let device = Device::cpu();
    let (x, w) = (device.tensor(&[1.0, 2.0, 3.0], 3), device.parameter(&[1.0, 2.0], 2));
    let op = Own::new(wgsl("times", TIMES));
    for factor in [2.0, 5.0, 2.0] {
        assert_eq!(numbers(&record(Own { factor, ..op.clone() }, &[&x])).unwrap(), [factor, 2.0 * factor, 3.0 * factor]);
    }
    let undefined = Own { defined: false, ..op.clone() };
    let text = numbers(&record(undefined.clone(), &[&x])).unwrap_err().to_string();
    assert!(text.starts_with("own : f32[3] at ") && text.contains("tests/it/own_ops.rs:"), "{text}");
    assert!(text.contains("it has no native kernel, and it has no definition in f64 (`Op::reference`)"), "{text}");
    // Who asks for the definition of one that has a kernel.
    let doubles: NativeForm = |io| {
        let x = io.read(0);
        io.write(0).iter_mut().zip(x).for_each(|(out, x)| *out = 2.0 * x);
    };
    let kernel_only = Own { native: Some(doubles), ..undefined };
    assert_eq!(numbers(&record(kernel_only.clone(), &[&x])).unwrap(), [2.0, 4.0, 6.0]);
    let all = [&record(kernel_only.clone(), &[&x])];
    let found = steepest::reference::evaluate(&all, &steepest::reference::Overrides::new());
    assert!(matches!(found, Err(Error::Op { op: "own", error: OpError::Definition(_), .. })), "{found:?}");
    device.set_check(true);
    let found = numbers(&record(kernel_only, &[&x]));
    assert!(matches!(found, Err(Error::Op { op: "own", error: OpError::Definition(_), .. })), "{found:?}");
    device.set_check(false);
    // No gradient.
    let gradients = record(op, &[&w]).sum(&[]).backward();
    let Some(Missing::Disconnected(error)) = gradients.missing(&w).unwrap() else { panic!("not cut off") };
    assert!(error.to_string().starts_with("own at ") && error.to_string().contains("no gradient"), "{error}");
    assert!(gradients.wrt(&w).is_err());
    works(&device);
}

/// What is wrong with a shader is said with the op, its line, the file, the line and the column; and the device goes on.
#[test]
fn faults_of_wgsl_are_named() {
    for device in common::devices("faults of WGSL").into_iter().filter(Device::is_gpu) {
        let x = device.tensor(&[1.0, 2.0, 3.0], 3);
        let text = |from: &str, to: &str| Wgsl::from_text("broken", wgsl("", TIMES).text().replace(from, to));
        let own = |wgsl| Own::new(wgsl);
        let unused = text("scalars.factor * ", "").text().replace("@binding(15)", "@binding(14)");
        let place = |line, column| Some(ShaderPlace { file: "broken".to_owned(), line, column });
        let cases: Vec<(Own, Option<ShaderPlace>, &str)> = vec![
            (own(text("let i = id.x", "let i = id.x +")), place(10, 19), "expected"),
            (own(text("params.count", "params.cuont")), place(11, 0), "cuont"),
            (own(text("out[i] = ", "out[i] = 1.5 == ")), place(11, 0), ""),
            (own(text("fn main", "fn man")), None, "no compute entry point `main`; entry points: `man` (Compute)"),
            (own(text("// An op", "// use: shared/mth\n// An op")), None, "line 1: `// use: shared/mth`: there is no such part"),
            (own(text("@binding(15)", "@binding(14)")), place(7, 24), "conflict"),
            (own(Wgsl::from_text("broken", unused)), None, "`params` and `scalars` are both binding 14"),
            (own(text("@group(0) @binding(14)", "@group(1) @binding(14)")), None, "only group 0 is used"),
            (own(text("params: Params", "numbers: Params")), place(11, 12), "params"),
            (own(text("count: u32", "count: u32, size: u32")), None, "`params.size` is not given"),
            (own(text("{ count: u32 }", "{ number: u32 }")), place(11, 0), "count"),
            (own(text("{ factor: f32 }", "{ @size(4) factor: f32 }")), None, ""),
            (own(text("array<f32>;", "array<f32, 1024>;")), None, "declare an array without a length"),
            (own(text("var<storage, read> x", "var<storage, read_write> x")), None, "binds 1 buffers to read and 1 to write"),
            (
                own(text("@workgroup_size(64)", "@workgroup_size(4096)")),
                None,
                "4096 invocations in a workgroup, the device allows",
            ),
            (Own { groups: [70_000, 1, 1], ..own(wgsl("broken", TIMES)) }, None, "[70000, 1, 1] workgroups along its axes"),
            (own(text("@compute", "var<workgroup> large: array<f32, 1000000>;\n@compute")), None, ""),
            (own(text("", "")), None, ""),
        ];
        for (op, expected, words) in cases {
            let source = op.wgsl.clone();
            let found = numbers(&record(op, &[&x]));
            let Err(error) = found else {
                assert!(words.is_empty() && expected.is_none(), "{}", source.text());
                continue;
            };
            let shown = error.to_string();
            let Error::Kernel(fault) = &error else { panic!("{shown}") };
            assert!(shown.starts_with("own : f32[3] at ") && shown.contains("tests/it/own_ops.rs:"), "{shown}");
            assert!(shown.contains("kernel `own`") && shown.contains("broken.wgsl") && shown.contains(words), "{shown}");
            if let Some(expected) = expected {
                let place = fault.place.as_ref().unwrap_or_else(|| panic!("{shown}"));
                assert_eq!((&place.file, place.line), (&expected.file, expected.line), "{shown}");
                assert!(place.column == expected.column || (expected.column == 0 && place.column > 0), "{place}: {shown}");
            }
            works(&device);
        }
    }
}

/// A line in a part of the library is that part's.
#[test]
fn a_name_that_a_part_has_is_refused_with_the_part() {
    for device in common::devices("a name of a part").into_iter().filter(Device::is_gpu) {
        let text = "// use: shared/numbers\n".to_owned() + wgsl("", "is_nan(x[i])").text();
        let found = numbers(&record(Own::new(Wgsl::from_text("mixed", text)), &[&device.tensor(&[1.0], 1)]));
        let Err(Error::Kernel(fault)) = found else { panic!("{found:?}") };
        assert_eq!(fault.place.as_ref().map(|place| (place.file.as_str(), place.line)), Some(("mixed", 12)), "{fault}");
        works(&device);
    }
}

/// A native kernel that panics or gives up, one time after the other, harms no other run.
#[test]
fn a_native_kernel_that_fails_is_named() {
    let device = Device::cpu();
    let x = device.tensor(&[1.0, 2.0, 3.0], 3);
    let failing: [(NativeForm, &str); 3] = [
        (|io| io.write(0)[7] = 1.0, "its native form panicked: index out of bounds: the len is 3 but the index is 7"),
        (|io| io.write(0)[0] = io.scalar(3), "its native form panicked: index out of bounds"),
        (|io| io.fail("no such number"), "no such number"),
    ];
    for (native, words) in failing {
        for _ in 0..2 {
            let own = Own { native: Some(native), ..Own::new(wgsl("times", TIMES)) };
            // What is computed before it and after it in the same run.
            let found = numbers(&(record(own, &[&(&x * 2.0)]) + 1.0));
            let Err(Error::Kernel(fault)) = &found else { panic!("{found:?}") };
            let shown = fault.to_string();
            assert!(shown.starts_with("own : f32[3] at ") && shown.contains("kernel `own`") && shown.contains(words), "{shown}");
            works(&device);
        }
    }
}

/// A shape rule that lies: more elements than the kernel writes, or fewer. Nothing beyond the value is written, on no device, not even where
/// the library's own kernels are trusted to need no checks.
#[test]
fn a_shape_rule_that_lies_writes_nothing_else() {
    for device in common::devices("a shape rule that lies") {
        // All of a workgroup's 64 invocations write, whatever the size of the output.
        let everywhere = wgsl("everywhere", TIMES).text().replace("if i < params.count ", "if i < params.count + 1000u ");
        let everywhere = Wgsl::from_text("everywhere", everywhere);
        let before = device.tensor(&[7.0; 16], 16);
        let neighbours: Vec<Tensor> = (0..8).map(|i| &before + f64::from(i)).collect();
        device.run(&neighbours).unwrap();
        let x = device.tensor(&[1.0; 64], 64);
        for elements in [1, 3, 5] {
            let own = Own { elements: Some(elements), ..Own::new(everywhere.clone()) };
            let found = numbers(&record(own, &[&x])).unwrap();
            assert_eq!((found.len(), found[0]), (elements, 2.0), "{device}");
        }
        for (i, neighbour) in neighbours.iter().enumerate() {
            assert_eq!(numbers(neighbour).unwrap(), [7.0 + i as f32; 16], "{device}");
        }
        works(&device);
    }
}

/// What an op says of its kernels that does not fit its call.
#[test]
fn kernels_that_do_not_fit_the_call_are_refused() {
    #[derive(Clone, Copy, Debug)]
    enum Wrong {
        ManyInputs,
        NoTemp,
        WritesInput,
        ReadsAndWrites,
        Twice,
        WritesNothing,
        NoKernels,
        FarView,
        BackwardView,
        ShortView,
        OtherAlias,
        Update,
        Host,
    }
    impl Op for Wrong {
        fn name(&self) -> &'static str {
            "wrong"
        }
        fn params(&self) -> Vec<u32> {
            vec![*self as u32]
        }
        fn infer(&self, inputs: &[Spec]) -> std::result::Result<Spec, OpError> {
            Ok(if matches!(self, Wrong::OtherAlias) { Spec::f32(Shape::new(&[5])?) } else { inputs[0] })
        }
        fn lower(&self, _: &[Spec], _: &Spec) -> Lowering {
            let kernel = || Kernel::new("wrong", Params::new(), vec![]).with_native(|_| {});
            let one = |reads: &[Operand], writes: &[Operand]| Lowering::Stages {
                temps: vec![4],
                stages: vec![Stage { kernel: kernel(), reads: reads.to_vec(), writes: writes.to_vec() }],
            };
            let view = |offset, stride, size| Lowering::View(View { offset, dims: vec![ViewDim { size, stride }] });
            let (input, output, temp) = (Operand::Input(0), Operand::Output, Operand::Temp(0));
            match self {
                Wrong::ManyInputs => Lowering::kernel(kernel(), 2),
                Wrong::NoTemp => one(&[Operand::Temp(1)], &[output]),
                Wrong::WritesInput => one(&[], &[input, output]),
                Wrong::ReadsAndWrites => one(&[temp], &[output, temp]),
                Wrong::Twice => one(&[], &[output, output]),
                Wrong::WritesNothing => one(&[input], &[temp]),
                Wrong::NoKernels => Lowering::Stages { temps: vec![], stages: vec![] },
                Wrong::FarView => view(1, 1, 4),
                Wrong::BackwardView => view(2, -1, 4),
                Wrong::ShortView => view(0, 1, 3),
                Wrong::OtherAlias => Lowering::Alias,
                Wrong::Update => Lowering::Update(std::sync::Arc::new(move |_| kernel())),
                Wrong::Host => Lowering::Host,
            }
        }
    }
    use Wrong::*;
    let cases = [
        (ManyInputs, "kernel `wrong` is bound to input 1 of 1"),
        (NoTemp, "kernel `wrong` is bound to temporary 1 of 1"),
        (WritesInput, "kernel `wrong` writes an input"),
        (ReadsAndWrites, "reads and writes Temp(0)"),
        (Twice, "with one of them twice"),
        (WritesNothing, "none of its kernels writes the output"),
        (NoKernels, "none of its kernels writes the output"),
        (FarView, "a view that reads elements 1 to 4 of an input of 4"),
        (BackwardView, "a view that reads elements -1 to 2 of an input of 4"),
        (ShortView, "a view of 3 elements for an output of 4"),
        (OtherAlias, "f32[4] has not the size of f32[5]"),
        (Update, "an update overwrites some of its inputs"),
        (Host, "it has no kernel, and `Op::on_host` gives none"),
    ];
    for device in common::devices("kernels that do not fit") {
        let x = device.tensor(&[1.0, 2.0, 3.0, 4.0], 4);
        for (op, words) in cases {
            let found = numbers(&(record(op, &[&(&x + 1.0)]) * 2.0));
            let Err(error @ Error::Op { op: "wrong", error: OpError::Lowering(_), .. }) = found else {
                panic!("{op:?}: {found:?}")
            };
            assert!(error.to_string().contains(words), "{error}");
            works(&device);
        }
    }
}
