//! NaN discipline: what every op makes of NaN, infinities, zeros of both signs and subnormals, on the reference and on every device, equal to what
//! NumPy makes of them (`golden/nonfinite.txt`); the table in `docs/nonfinite.md`; and anomaly mode, which finds where they come from.
#![allow(clippy::unwrap_used)]

use crate::common;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use steepest::graph::record;
use steepest::ops::elementwise::{Pointwise, ROWS};
use steepest::optim::{AdaGrad, Adadelta, Adam, Adamax, Lion, NAdam, Optimizer, RAdam, RmsProp, Sgd};
use steepest::reference::{Overrides, evaluate};
use steepest::{Anomaly, DType, Device, Error, Tensor};

/// The smallest number a device must keep apart from 0.
const NORMAL: f64 = f32::MIN_POSITIVE as f64;

/// Ops whose zeros may have either sign: NumPy's own depends on the processor, or on what a sum starts from.
const UNSIGNED_ZERO: &[&str] = &[
    "maximum",
    "minimum",
    "relu",
    "max",
    "min",
    "max_pool",
    "sort",
    "clamp",
    "sum",
    "mean",
    "avg_pool",
    "cumsum",
    "cumprod",
    "matmul_ones",
    "matmul_zeros",
];

/// The op of a golden line, on columns of numbers: `[m]` each, or one `[m, 4]` whose last axis is worked along.
fn apply(op: &str, x: &[Tensor]) -> Tensor {
    let device = x[0].device();
    let a = &x[0];
    let rows = a.shape().dims()[0];
    match op {
        "neg" => -a,
        "abs" => a.abs(),
        "sign" => a.sign(),
        "floor" => a.floor(),
        "ceil" => a.ceil(),
        "round" => a.round(),
        "exp" => a.exp(),
        "expm1" => a.expm1(),
        "log" => a.log(),
        "log1p" => a.log1p(),
        "sqrt" => a.sqrt(),
        "rsqrt" => a.rsqrt(),
        "reciprocal" => a.reciprocal(),
        "square" => a.square(),
        "sin" => a.sin(),
        "cos" => a.cos(),
        "tanh" => a.tanh(),
        "relu" => a.relu(),
        "clamp" => a.clamp(-1.0, 1.0),
        "is_nan" => a.is_nan().to_f32(),
        "is_finite" => a.is_finite().to_f32(),
        "add_scalar" => a + 1.5,
        "mul_scalar" => a * 2.0,
        "pow_scalar_2" => a.pow_scalar(2.0),
        "pow_scalar_minus_1" => a.pow_scalar(-1.0),
        "pow_scalar_0" => a.pow_scalar(0.0),
        "detach" => a.detach(),
        "add" => a + &x[1],
        "sub" => a - &x[1],
        "mul" => a * &x[1],
        "div" => a / &x[1],
        "pow" => a.pow(&x[1]),
        "maximum" => a.maximum(&x[1]),
        "minimum" => a.minimum(&x[1]),
        "eq" => a.eq(&x[1]).to_f32(),
        "ne" => a.ne(&x[1]).to_f32(),
        "lt" => a.lt(&x[1]).to_f32(),
        "le" => a.le(&x[1]).to_f32(),
        "gt" => a.gt(&x[1]).to_f32(),
        "ge" => a.ge(&x[1]).to_f32(),
        "where_true" => device.tensor(&[true], 1).where_(a, &x[1]),
        "where_false" => device.tensor(&[false], 1).where_(a, &x[1]),
        "sum" => a.sum(&[1]),
        "mean" => a.mean(&[1]),
        "prod" => a.prod(&[1]),
        "max" => a.max(&[1]),
        "min" => a.min(&[1]),
        "argmax" => a.argmax(1).to_f32(),
        "argmin" => a.argmin(1).to_f32(),
        "var" => a.var(&[1], 0),
        "l1_norm" => a.l1_norm(&[1]),
        "cumsum" => a.cumsum(1, false),
        "cumprod" => a.cumprod(1),
        "sort" => a.sort(1, false).0,
        "argsort" => a.argsort(1, false).to_f32(),
        "softmax" => a.softmax(1),
        "log_softmax" => a.log_softmax(1),
        "matmul_ones" => a.matmul(&device.ones([4, 1])),
        "matmul_zeros" => a.matmul(&device.zeros([4, 1])),
        "flip" => a.flip(&[1]),
        "avg_pool" => a.reshape([rows, 1, 1, 4]).avg_pool2d([1, 2], [1, 2], 0, true),
        "max_pool" => a.reshape([rows, 1, 1, 4]).max_pool2d([1, 2], [1, 2], 0),
        "conv_ones" => a.reshape([rows, 1, 4]).conv1d(&device.ones([1, 1, 2]), None, steepest::ConvOptions::default()),
        "gather" => a.index_select(1, &device.tensor(&[3u32, 0], 2)),
        "mse_zero" => a.square().mean(&[1]),
        other => panic!("a golden line of an op this test does not know: {other}"),
    }
}

/// What one line of the golden file says.
struct Line {
    inputs: Vec<Vec<f32>>,
    output: Vec<f64>,
}

fn golden() -> BTreeMap<String, Vec<Line>> {
    let mut found: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for text in include_str!("../golden/nonfinite.txt").lines() {
        let (left, right) = text.split_once(" -> ").unwrap();
        let mut parts = left.split(" | ");
        let op = parts.next().unwrap().to_owned();
        let numbers = |text: &str| text.split(' ').map(|n| n.parse::<f64>().unwrap()).collect::<Vec<_>>();
        let inputs = parts.map(|p| numbers(p).into_iter().map(|x| x as f32).collect()).collect();
        found.entry(op).or_default().push(Line { inputs, output: numbers(right) });
    }
    found
}

/// The tensors of an op's lines, one under the other.
fn columns(device: &Device, lines: &[Line]) -> Vec<Tensor> {
    (0..lines[0].inputs.len())
        .map(|k| {
            let width = lines[0].inputs[k].len();
            let data: Vec<f32> = lines.iter().flat_map(|l| l.inputs[k].clone()).collect();
            if width == 1 { device.tensor(&data, lines.len()) } else { device.tensor(&data, [lines.len(), width]) }
        })
        .collect()
}

/// Whether a number is the one expected: NaN is NaN, infinities and zeros have their sign, a subnormal may be flushed.
fn same(op: &str, found: f64, expected: f64) -> bool {
    if expected.is_nan() || found.is_nan() {
        return expected.is_nan() && found.is_nan();
    }
    if expected == 0.0 && found == 0.0 {
        return UNSIGNED_ZERO.contains(&op) || expected.is_sign_negative() == found.is_sign_negative();
    }
    if expected.is_infinite() || found.is_infinite() {
        return expected == found;
    }
    (found - expected).abs() <= 1e-5 * expected.abs() + if expected.abs() < NORMAL { expected.abs() } else { 0.0 }
}

fn key(line: &[Vec<f32>]) -> Vec<u32> {
    line.iter().flatten().map(|x| x.to_bits()).collect()
}

/// What the golden file says of the same inputs with subnormals flushed: what a device without them may do.
fn flushed(line: &Line, all: &HashMap<Vec<u32>, Vec<f64>>) -> Option<Vec<f64>> {
    let flush = |x: &f32| if x.is_subnormal() { 0.0f32.copysign(*x) } else { *x };
    let inputs: Vec<Vec<f32>> = line.inputs.iter().map(|part| part.iter().map(flush).collect()).collect();
    (key(&inputs) != key(&line.inputs)).then(|| all.get(&key(&inputs)).cloned()).flatten()
}

fn compare(what: &str, op: &str, lines: &[Line], found: &[f64]) -> Vec<String> {
    let all: HashMap<Vec<u32>, Vec<f64>> = lines.iter().map(|l| (key(&l.inputs), l.output.clone())).collect();
    let width = lines[0].output.len();
    assert_eq!(found.len(), lines.len() * width, "{op}");
    let mut wrong = vec![];
    for (line, found) in lines.iter().zip(found.chunks(width)) {
        let right = |expected: &[f64]| found.iter().zip(expected).all(|(f, e)| same(op, *f, *e));
        if !right(&line.output) && !flushed(line, &all).is_some_and(|other| right(&other)) {
            wrong.push(format!("{what}: {op} of {:?} is {found:?}, NumPy {:?}", line.inputs, line.output));
        }
    }
    wrong
}

#[test]
fn every_device_makes_of_special_values_what_numpy_does() {
    let golden = golden();
    let mut wrong = vec![];
    let mut count = 0;
    for device in common::devices("special values") {
        device.set_guarded(true);
        for (op, lines) in &golden {
            let made = apply(op, &columns(&device, lines));
            assert_eq!(made.dtype(), DType::F32);
            let found: Vec<f64> = made.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect();
            wrong.extend(compare(&device.to_string(), op, lines, &found));
            count += found.len();
        }
    }
    println!("{} ops, {count} numbers", golden.len());
    println!("figures: ops={} lines={}", golden.len(), golden.values().map(Vec::len).sum::<usize>());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// In f64 what overflows or is subnormal in f32 is neither: those lines are left to the devices.
#[test]
fn the_reference_makes_of_special_values_what_numpy_does() {
    let device = Device::cpu();
    let mut wrong = vec![];
    for (op, lines) in golden() {
        let beyond = |x: f64| x != 0.0 && x.is_finite() && !(1e-30..1e30).contains(&x.abs());
        let lines: Vec<Line> = lines.into_iter().filter(|l| !l.inputs.iter().flatten().any(|x| beyond(f64::from(*x)))).collect();
        let made = apply(&op, &columns(&device, &lines));
        let found = evaluate(&[&made], &Overrides::new()).unwrap().remove(0).data;
        wrong.extend(compare("reference", &op, &lines, &found));
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The columns of the table.
const COLUMNS: [(&str, f32); 8] = [
    ("NaN", f32::NAN),
    ("+Inf", f32::INFINITY),
    ("−Inf", f32::NEG_INFINITY),
    ("+0", 0.0),
    ("−0", -0.0),
    ("1e-40", 1e-40),
    ("3e38", 3e38),
    ("−3e38", -3e38),
];

/// The scalars a row of the table is shown with.
fn scalars(name: &str) -> [f64; 2] {
    match name {
        "clamp" | "clamp_grad" | "hard_tanh" => [-1.0, 1.0],
        "leaky_relu" | "relu_grad" => [0.1, 0.0],
        "mul_scalar" | "pow_scalar" => [2.0, 0.0],
        _ => [1.0, 0.0],
    }
}

fn shown(x: f32) -> String {
    if x.is_nan() {
        "NaN".to_owned()
    } else if x.is_infinite() {
        if x > 0.0 { "Inf" } else { "−Inf" }.to_owned()
    } else if x == 0.0 {
        if x.is_sign_negative() { "−0" } else { "0" }.to_owned()
    } else if x.abs() < f32::MIN_POSITIVE {
        "tiny".to_owned()
    } else if (1e-3..1e4).contains(&x.abs()) {
        format!("{x:.4}").trim_end_matches('0').trim_end_matches('.').replace('-', "−")
    } else {
        format!("{x:.0e}").replace("e-", "e−").replace('-', "−")
    }
}

fn cells(f: impl Fn(&Tensor) -> Tensor, x: &Tensor) -> Vec<String> {
    let made = f(x);
    let numbers: Vec<f32> = match made.dtype() {
        DType::F32 | DType::F16 => made.to_vec::<f32>().unwrap(),
        DType::Bool => made.to_vec::<bool>().unwrap().into_iter().map(|b| f32::from(u8::from(b))).collect(),
        DType::U32 => made.to_vec::<u32>().unwrap().into_iter().map(|u| u as f32).collect(),
        DType::I32 => made.to_vec::<i32>().unwrap().into_iter().map(|i| i as f32).collect(),
    };
    numbers.into_iter().map(shown).collect()
}

/// The table, as a device computes it: a row per elementwise op (more where there are more operands), one per op along an axis, and one per
/// update.
fn table(device: &Device) -> String {
    let x = device.tensor(&COLUMNS.map(|(_, x)| x), COLUMNS.len());
    let mut text = include_str!("../golden/nonfinite_head.md").to_owned();
    let head: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    let _ = write!(text, "\n| x | {} |\n|---|{}\n", head.join(" | "), "---|".repeat(COLUMNS.len()));
    let mut line = |name: String, cells: Vec<String>| {
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    };
    for row in ROWS {
        let rule = &row.rule;
        let float = |d: &Option<DType>| *d == Some(DType::F32) || (d.is_none() && rule.name == "detach");
        let op = Pointwise { row, scalars: scalars(rule.name) };
        let other = device.full(COLUMNS.len(), 1.5);
        match rule.inputs {
            [a] if float(a) => line(format!("`{}`", rule.name), cells(|x| record(op, &[x]), &x)),
            [a, b] if float(a) && float(b) => {
                line(format!("`{}` (x, 1.5)", rule.name), cells(|x| record(op, &[x, &other]), &x));
                line(format!("`{}` (1.5, x)", rule.name), cells(|x| record(op, &[&other, x]), &x));
                line(format!("`{}` (x, x)", rule.name), cells(|x| record(op, &[x, x]), &x));
            }
            [Some(DType::Bool), ..] if rule.name == "where" => {
                let yes = device.tensor(&[true; 8], 8);
                line("`where` (true, x, 1.5)".to_owned(), cells(|x| record(op, &[&yes, x, &other]), &x));
                line("`where` (true, 1.5, x)".to_owned(), cells(|x| record(op, &[&yes, &other, x]), &x));
            }
            // Integers and truth values hold none of this.
            _ => {}
        }
    }
    // Fused into one kernel, where a compiler could see that something cancels.
    line("x + (−x)".to_owned(), cells(|x| x + &-x, &x));
    line("x · 0".to_owned(), cells(|x| x * 0.0, &x));
    line("x / x".to_owned(), cells(|x| x / &x.clone(), &x));
    let _ = write!(text, "\n| of 1, x, 2 along an axis | {} |\n|---|{}\n", head.join(" | "), "---|".repeat(COLUMNS.len()));
    let rows: Vec<f32> = COLUMNS.iter().flat_map(|(_, x)| [1.0, *x, 2.0]).collect();
    let x = device.tensor(&rows, [COLUMNS.len(), 3]);
    type Along = fn(&Tensor) -> Tensor;
    let along: [(&str, Along); 38] = [
        ("sum", |x| x.sum(&[1])),
        ("mean", |x| x.mean(&[1])),
        ("prod", |x| x.prod(&[1])),
        ("max", |x| x.max(&[1])),
        ("min", |x| x.min(&[1])),
        ("argmax", |x| x.argmax(1)),
        ("argmin", |x| x.argmin(1)),
        ("var", |x| x.var(&[1], 0)),
        ("l2_norm", |x| x.l2_norm(&[1])),
        ("logsumexp", |x| x.logsumexp(&[1], false)),
        ("softmax", |x| x.softmax(1)),
        ("log_softmax", |x| x.log_softmax(1)),
        ("cumsum", |x| x.cumsum(1, false)),
        ("cumprod", |x| x.cumprod(1)),
        ("recurrence by ½", |x| x.recurrence(&x.full_like(0.5), 1, false)),
        ("sort", |x| x.sort(1, false).0),
        ("argsort", |x| x.argsort(1, false)),
        ("topk 1", |x| x.topk(1, 1).0),
        ("matmul by ones", |x| x.matmul(&x.device().ones([3, 1]))),
        ("matmul by zeros", |x| x.matmul(&x.device().zeros([3, 1]))),
        ("triu", |x| x.unsqueeze(1).triu(1)),
        ("cat with itself", |x| x.slice(1, 1..2).cat(&[&x.slice(1, 1..2)], 1)),
        ("scatter_add onto one", |x| x.scatter_add(1, &x.device().tensor(&[0u32; 24], [8, 3]), 1)),
        ("cross_entropy_rows of class 0", |x| x.cross_entropy_rows(&x.device().tensor(&[0u32; 8], 8))),
        ("reshape", |x| x.reshape([24])),
        ("permute", |x| x.unsqueeze(2).permute(&[0, 2, 1])),
        ("slice", |x| x.slice(1, 1..)),
        ("flip", |x| x.flip(&[1])),
        ("pad", |x| x.pad(&[(0, 0), (1, 0)], 0.0)),
        ("expand", |x| x.slice(1, 1..2).expand([8, 2])),
        ("gather", |x| x.gather(1, &x.device().tensor(&[1u32; 8], [8, 1]))),
        ("index_select", |x| x.index_select(1, &x.device().tensor(&[2u32, 1], 2))),
        ("embedding", |x| x.embedding(&x.device().tensor(&[0u32, 1, 2, 3, 4, 5, 6, 7], 8))),
        ("avg_pool2d", |x| x.reshape([8, 1, 1, 3]).avg_pool2d([1, 3], [1, 1], 0, true)),
        ("conv2d by ones", |x| {
            x.reshape([8, 1, 1, 3]).conv2d(&x.device().ones([1, 1, 1, 3]), None, steepest::ConvOptions::default())
        }),
        ("attention to itself", |x| {
            let x = x.unsqueeze(2);
            x.scaled_dot_product_attention(&x, &x, false, None)
        }),
        ("max_pool2d", |x| x.reshape([8, 1, 1, 3]).max_pool2d([1, 3], [1, 1], 0)),
        ("conv1d by ones", |x| x.reshape([8, 1, 3]).conv1d(&x.device().ones([1, 1, 3]), None, steepest::ConvOptions::default())),
    ];
    for (name, f) in along {
        let all = cells(f, &x);
        let width = all.len() / COLUMNS.len();
        line_of(&mut text, name, all.chunks(width).map(|c| c.join(", ")).collect());
    }
    let _ = write!(
        text,
        "\n| a parameter of 1 after a gradient of x | {} |\n|---|{}\n",
        head.join(" | "),
        "---|".repeat(COLUMNS.len())
    );
    type Make = fn(Tensor) -> Box<dyn Optimizer>;
    let updates: [(&str, Make); 9] = [
        ("sgd", |w| Box::new(Sgd::new([w], 0.5))),
        ("adam", |w| Box::new(Adam::new([w], 0.5))),
        ("adagrad", |w| Box::new(AdaGrad::new([w], 0.5))),
        ("rmsprop", |w| Box::new(RmsProp::new([w], 0.5))),
        ("adadelta", |w| Box::new(Adadelta::new([w], 0.5))),
        ("nadam", |w| Box::new(NAdam::new([w], 0.5))),
        ("radam", |w| Box::new(RAdam::new([w], 0.5))),
        ("adamax", |w| Box::new(Adamax::new([w], 0.5))),
        ("lion", |w| Box::new(Lion::new([w], 0.5))),
    ];
    for (name, make) in updates {
        let w = device.parameter(&[1.0; COLUMNS.len()], COLUMNS.len());
        let gradient = device.tensor(&COLUMNS.map(|(_, x)| x), COLUMNS.len());
        make(w.clone()).step(w.backward_with(&gradient)).unwrap();
        line_of(&mut text, name, cells(Tensor::clone, &w));
    }
    text
}

/// Whether two cells say the same: numbers to three digits, zeros of either sign, subnormals flushed or not.
fn alike(a: &str, b: &str) -> bool {
    let number = |text: &str| match text.trim_matches('`') {
        "tiny" => Some(0.0),
        text => text.replace('−', "-").parse::<f64>().ok(),
    };
    let mut parts = a.split(", ").zip(b.split(", "));
    let same = |(a, b): (&str, &str)| match (number(a), number(b)) {
        (Some(a), Some(b)) => a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 2e-3 * a.abs().max(b.abs()).max(1e-3),
        _ => a == b,
    };
    a.split(", ").count() == b.split(", ").count() && parts.all(same)
}

#[test]
fn the_table_holds_on_every_device() {
    let expected = table(&Device::cpu());
    for device in common::devices("the table") {
        let found = table(&device);
        let mut wrong = vec![];
        for (e, f) in expected.lines().zip(found.lines()) {
            let (e, f): (Vec<&str>, Vec<&str>) = (e.split(" | ").collect(), f.split(" | ").collect());
            for (column, (a, b)) in e.iter().zip(&f).enumerate() {
                // Sines of huge numbers are not promised.
                let huge = ["`sin`", "`cos`", "`tan`"].iter().any(|name| e[0].contains(name));
                // A device without subnormals has there what it has at 0: columns are counted from the name's.
                let zero = e.get(4).filter(|_| column == 6).is_some_and(|zero| alike(zero, b));
                let right = alike(a.trim_end_matches(" |"), b.trim_end_matches(" |")) || zero || (huge && column > 6);
                if !right {
                    wrong.push(format!("{device}: {} column {column}: {b}, the table {a}", e[0]));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

fn line_of(text: &mut String, name: &str, cells: Vec<String>) {
    let _ = writeln!(text, "| `{name}` | {} |", cells.join(" | "));
}

#[test]
fn the_table_in_the_docs_is_true() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/nonfinite.md");
    let text = table(&Device::cpu());
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text, "UPDATE_GOLDEN=1 writes it anew");
}

fn anomaly<T>(result: steepest::Result<T>) -> (&'static str, &'static str, u32, u64) {
    match result.err().expect("an anomaly") {
        Error::NonFinite { what, op, at, step, .. } => {
            assert!(at.file().ends_with("nonfinite.rs"), "{at}");
            (what, op, at.line(), step)
        }
        other => panic!("{other}"),
    }
}

#[test]
fn anomaly_mode_names_the_first_op_its_line_and_its_step() {
    for device in common::devices("anomaly mode") {
        device.set_anomaly(Anomaly::NonFinite);
        let w = device.parameter(&[3.0, 1.0], 2);
        let mut opt = Sgd::new([w.clone()], 1.0);
        // w₀ falls by one in each step: in the fourth its logarithm is that of 0, in a fifth of −1.
        let mut line = 0;
        let mut loss = || {
            line = line!() + 1;
            let logs = w.slice(0, ..1).log();
            let loss = (logs.detach() * 0.5 + &w.slice(0, ..1)).sum(&[]);
            (loss, line)
        };
        for _ in 0..3 {
            let (loss, _) = loss();
            opt.step(loss.backward().and_run(&[])).unwrap();
        }
        let (fourth, line) = loss();
        assert_eq!(anomaly(opt.step(fourth.backward())), ("infinity", "log", line, 4), "{device}");
        let (fifth, line) = loss();
        assert_eq!(anomaly(opt.step(fifth.backward())), ("NaN", "log", line, 5), "{device}");

        // What was given is named as such, with the line it was given at.
        let line = line!() + 1;
        let x = device.tensor(&[1.0, f32::NAN], 2);
        assert_eq!(anomaly((x * 2.0).to_vec::<f32>()), ("NaN", "leaf", line, 6), "{device}");
        // Only NaN: masks of −∞ may pass.
        device.set_anomaly(Anomaly::Nan);
        let masked = device.tensor(&[1.0, f32::NEG_INFINITY], 2).softmax(0);
        assert_eq!(masked.to_vec::<f32>().unwrap(), [1.0, 0.0], "{device}");
        let line = line!() + 1;
        let lost = device.tensor(&[f32::INFINITY, 1.0], 2).softmax(0);
        assert_eq!(anomaly(lost.to_vec::<f32>()), ("NaN", "softmax", line, 1), "{device}");
        device.set_anomaly(Anomaly::Off);
        assert!((device.scalar(0.0).log()).item().unwrap().is_infinite());
    }
}

/// In a gradient, the forward op whose gradient it is; and without anything wrong the same numbers as ever, with few reads.
#[test]
fn anomaly_mode_finds_gradients_and_changes_no_answer() {
    for device in common::devices("anomaly mode in gradients") {
        let train = |mode: Anomaly| {
            device.set_anomaly(mode);
            let w = device.parameter(&[0.5, -0.25, 1.0], 3);
            let mut opt = Sgd::new([w.clone()], 0.1).momentum(0.9);
            let mut losses = vec![];
            for _ in 0..5 {
                let loss = (w.exp() * 0.1 + w.square()).sum(&[]);
                opt.step(loss.backward()).unwrap();
                losses.push(loss.item().unwrap());
            }
            (losses, w.to_vec::<f32>().unwrap())
        };
        let (plain, watched) = (train(Anomaly::Off), train(Anomaly::NonFinite));
        for (a, b) in plain.0.iter().chain(&plain.1).zip(watched.0.iter().chain(&watched.1)) {
            assert!((a - b).abs() <= 1e-6 * a.abs(), "{device}: {a} {b}");
        }
        device.set_anomaly(Anomaly::NonFinite);
        let w = device.parameter(&[0.0, 4.0], 2);
        let line = line!() + 1;
        let loss = w.sqrt().sum(&[]);
        // √0 is 0, but its slope is not finite.
        assert_eq!(anomaly(Sgd::new([w.clone()], 0.1).step(loss.backward())).2, line, "{device}");
        if let Some(gpu) = device.as_gpu() {
            let w = device.parameter(&vec![0.5; 1 << 16], 1 << 16);
            let mut opt = Sgd::new([w.clone()], 0.1);
            opt.step((w.square().exp() * 2.0).mean(&[]).backward()).unwrap();
            let before = gpu.counts().submissions;
            opt.step((w.square().exp() * 2.0).mean(&[]).backward()).unwrap();
            // The run, and one copy of the flags.
            assert!(gpu.counts().submissions - before <= 2, "{} submissions", gpu.counts().submissions - before);
        }
    }
}
