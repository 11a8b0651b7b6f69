//! Programs of ops: drawn at random, printed, built on a device, made smaller.

use std::fmt;
use steepest::ops::case::Gen;
use steepest::reference::{Overrides, evaluate};
use steepest::{Device, Tensor};

/// A leaf: its sizes and the seed of its numbers.
#[derive(Clone, Debug)]
pub struct Leaf {
    pub dims: Vec<usize>,
    pub seed: u64,
    pub parameter: bool,
}

/// One call: of an op by name, on earlier values, with small numbers that each op reads as it likes.
#[derive(Clone, Debug)]
pub struct Call {
    pub op: &'static str,
    pub args: Vec<usize>,
    pub k: [usize; 3],
}

/// Leaves, calls, and what is read of them.
#[derive(Clone, Debug)]
pub struct Program {
    pub leaves: Vec<Leaf>,
    pub calls: Vec<Call>,
    /// 0: values only; 1: and gradients by the parameters; 2: and gradients of those.
    pub order: usize,
    /// Values that are asked for besides the last: their bit is set.
    pub kept: u64,
    /// Values that are not asked for, but held while others are computed: their bit is set.
    pub held: u64,
}

/// Values that follow from no data: of a shape that broadcasts to that of their argument.
const CONSTANT: &[&str] = &["full", "full", "ones", "zeros", "full_like"];

const UNARY: &[&str] = &[
    "exp",
    "tanh",
    "sigmoid",
    "relu",
    "gelu",
    "gelu_tanh",
    "silu",
    "softplus",
    "square",
    "abs",
    "neg",
    "sin",
    "cos",
    "erf",
    "expm1",
    "leaky_relu",
    "elu",
    "hard_sigmoid",
    "softsign",
    "mish",
    "selu",
    "celu",
    "hard_swish",
    "relu6",
    "log_sigmoid",
    "atan",
    "asinh",
    "exp2",
    "acosh_safe",
    "clamp",
    "mul_scalar",
    "add_scalar",
    "log_safe",
    "log1p_safe",
    "sqrt_safe",
    "rsqrt_safe",
    "reciprocal_safe",
    "pow_safe",
    "sign",
    "floor",
    "round",
    "detach",
];
const BINARY: &[&str] = &[
    "hypot_safe",
    "logaddexp",
    "atan2_safe",
    "swiglu",
    "add",
    "sub",
    "mul",
    "div_safe",
    "maximum",
    "minimum",
    "where",
    "lerp",
    "mse",
];
const SHAPED: &[&str] = &[
    "sum",
    "sum_keepdim",
    "mean",
    "max",
    "min",
    "var",
    "l2_norm",
    "softmax",
    "log_softmax",
    "logsumexp",
    "cumsum",
    "cumprod",
    "reshape",
    "permute",
    "transpose",
    "slice",
    "slice_step",
    "flip",
    "pad",
    "tile",
    "cat",
    "stack",
    "unsqueeze",
    "squeeze",
    "expand",
    "roll",
    "triu",
    "tril",
    "diagonal",
    "gram",
    "matmul",
    "halves",
    "outer",
    "index_select",
    "gather",
    "scatter_add",
    "sort",
    "topk",
    "cross_entropy",
    "attention",
    "argmax_hot",
    "argmax_whole",
    "chunk",
];

/// What a call records.
fn apply(device: &Device, call: &Call, values: &[Tensor]) -> Tensor {
    let x = &values[call.args[0]];
    let y = call.args.get(1).map_or(x, |&i| &values[i]);
    let rank = x.shape().rank();
    let dims = x.shape().dims().to_vec();
    let [k0, k1, k2] = call.k;
    let axis = if rank == 0 { 0 } else { (k0 % rank) as isize };
    let size = dims.get(axis as usize).copied().unwrap_or(1).max(1);
    // Half of them are no f32.
    let factor = [0.25, 0.1][k2 % 2] + (k1 % 8) as f64 * 0.25;
    // A suffix of the argument's shape, or its sizes with some of them 1.
    let smaller: Vec<usize> = match k2 % 3 {
        0 => dims[k0 % (rank + 1)..].to_vec(),
        _ => dims.iter().enumerate().map(|(i, &d)| if (k0 >> i) & 1 == 1 { 1 } else { d }).collect(),
    };
    let indices = |n: usize, count: usize| -> Vec<u32> { (0..count).map(|i| ((i * (k1 % 5 + 1) + k2) % n) as u32).collect() };
    match call.op {
        "full" => device.full(smaller, factor),
        "ones" => device.ones(smaller),
        "zeros" => device.zeros(smaller),
        "full_like" => x.full_like(factor),
        "exp" => x.exp(),
        "tanh" => x.tanh(),
        "sigmoid" => x.sigmoid(),
        "relu" => x.relu(),
        "gelu" => x.gelu(),
        "gelu_tanh" => x.gelu_tanh(),
        "silu" => x.silu(),
        "softplus" => x.softplus(factor),
        "square" => x.square(),
        "abs" => x.abs(),
        "neg" => -x,
        "sin" => x.sin(),
        "cos" => x.cos(),
        "erf" => x.erf(),
        "expm1" => x.expm1(),
        "leaky_relu" => x.leaky_relu(0.1),
        "elu" => x.elu(factor),
        "hard_sigmoid" => x.hard_sigmoid(),
        "softsign" => x.softsign(),
        "mish" => x.mish(),
        "selu" => x.selu(),
        "celu" => x.celu(factor),
        "hard_swish" => x.hard_swish(),
        "relu6" => x.relu6(),
        "log_sigmoid" => x.log_sigmoid(),
        "atan" => x.atan(),
        "asinh" => x.asinh(),
        "exp2" => x.exp2(),
        "acosh_safe" => (x.square() + 1.5).acosh(),
        "clamp" => x.clamp(-factor, factor),
        "mul_scalar" => x * (factor - 1.1),
        "add_scalar" => x + (factor - 1.0),
        "log_safe" => (x.square() + 0.5).log(),
        "log1p_safe" => x.abs().log1p(),
        "sqrt_safe" => (x.square() + 0.1).sqrt(),
        "rsqrt_safe" => (x.square() + 0.5).rsqrt(),
        "reciprocal_safe" => (x.square() + 0.5).reciprocal(),
        "pow_safe" => (x.square() + 0.5).pow(&(y * 0.25)),
        "sign" => x.sign(),
        "floor" => x.floor(),
        "round" => x.round(),
        "detach" => x.detach(),
        "add" => x + y,
        "sub" => x - y,
        "mul" => x * y,
        "div_safe" => x / (y.square() + 0.5),
        "hypot_safe" => (x + 5.0).hypot(y),
        "atan2_safe" => x.atan2(&(y.square() + 0.5)),
        "logaddexp" => x.logaddexp(y),
        "swiglu" => x.swiglu(y),
        "maximum" => x.maximum(y),
        "minimum" => x.minimum(y),
        "where" => x.gt(y).where_(y, &(x * 0.5)),
        "lerp" => x.lerp(y, &y.sigmoid()),
        "mse" => x.mse(y),
        "sum" => x.sum(&[axis]),
        "sum_keepdim" => x.sum_keepdim(&[axis]),
        "mean" => x.mean(if k1 % 3 == 0 { &[] } else { std::slice::from_ref(&axis) }),
        "max" => x.max(&[axis]),
        "min" => x.min(&[axis]),
        "var" => x.var(&[axis], 0),
        "l2_norm" => (x + 0.25).l2_norm(&[axis]),
        "softmax" => x.softmax(axis),
        "log_softmax" => x.log_softmax(axis),
        "logsumexp" => x.logsumexp(&[axis], k1 % 2 == 0),
        "cumsum" => x.cumsum(axis, k1 % 2 == 0),
        "cumprod" => x.tanh().cumprod(axis),
        "reshape" => x.reshape([dims.iter().product::<usize>() / size, size]),
        "permute" => x.permute(&(0..rank).map(|i| ((i + k1) % rank) as isize).collect::<Vec<_>>()),
        "transpose" => x.transpose(axis, (k1 % rank.max(1)) as isize),
        "slice" => x.slice(axis, (k1 % size) as isize..),
        "slice_step" => x.slice_step(axis, None, None, if k1 % 2 == 0 { -1 } else { 2 }),
        "flip" => x.flip(&[axis]),
        "pad" => x.pad(&vec![(k1 % 2, k2 % 3); rank], factor),
        "tile" => x.tile(&vec![1 + k1 % 2; rank]),
        "cat" => x.cat(&[y, x], axis),
        "stack" => x.stack(&[y], axis),
        "unsqueeze" => x.unsqueeze(axis),
        "squeeze" => x.squeeze(&[]),
        "expand" => x.unsqueeze(0).expand([&[2][..], &dims].concat()),
        "roll" => x.roll(k1 as isize, axis),
        "triu" => x.triu(k1 as isize % 3 - 1),
        "tril" => x.tril(k1 as isize % 3 - 1),
        "diagonal" => x.diagonal(k1 as isize % 2),
        "gram" => x.matmul(&x.t()) * 0.2,
        "matmul" => x.matmul(y) * 0.2,
        // By halves that are given: rounding what is computed would turn the last bit of an f32 into one of a half.
        "halves" => {
            let width = dims.last().copied().unwrap_or(1);
            let weights: Vec<f32> = (0..3 * width).map(|i| ((i * (k1 + 3) + k2) % 17) as f32 / 16.0 - 0.5).collect();
            x.matmul(&device.tensor_f16(&weights, [3, width]).t()) * 0.3
        }
        "outer" => x.flatten().outer(&y.flatten()),
        "index_select" => x.index_select(axis, &device.tensor(&indices(size, 1 + k2 % 4), 1 + k2 % 4)),
        "gather" => x.gather(axis, &device.tensor(&indices(size, dims.iter().product()), dims.clone())),
        "scatter_add" => {
            let index = device.tensor(&indices(size + 1, dims.iter().product()), dims.clone());
            x.scatter_add(axis, &index, size + 1)
        }
        "sort" => x.sort(axis, k1 % 2 == 0).0,
        "topk" => x.topk(1 + k1 % size, axis).0,
        "cross_entropy" => x.cross_entropy(&device.tensor(&indices(dims.last().copied().unwrap_or(1).max(1), dims[0]), dims[0])),
        "attention" => x.scaled_dot_product_attention(x, y, k1 % 2 == 0, None),
        // Integers on the way: sums, quotients, comparisons and counts of them.
        "argmax_whole" => {
            let places = x.argmax(axis).flatten().to_i32() * 7.0 - (k1 % 5) as f64;
            let rest = places.remainder_scalar(5.0).cumsum(-1, false).maximum(&places.div_floor_scalar(-2.0));
            (rest.to_f32() * 0.1 + rest.gt_scalar(1.0).sum_keepdim(&[-1]).to_f32()).sum(&[]) * x
        }
        "argmax_hot" => x.argmax(axis).one_hot(size),
        "chunk" => x.chunk(axis, 2).swap_remove(0),
        other => unreachable!("{other}"),
    }
}

/// A program on a device.
pub struct Built {
    pub leaves: Vec<Tensor>,
    /// Values that are held and not asked for.
    pub held: Vec<(String, Tensor)>,
    /// What is compared.
    pub roots: Vec<(String, Tensor)>,
}

impl Program {
    /// Draws a program of at most `most` calls whose values stay finite and small.
    pub fn draw(seed: u64, most: usize) -> Program {
        let mut g = Gen::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed);
        let base: Vec<usize> = (0..1 + g.below(3)).map(|_| [1, 2, 3, 4, 5, 7, 8][g.below(7)]).collect();
        let leaves = (0..2 + g.below(3))
            .map(|i| {
                // A suffix of the base shape, some of its sizes 1: all of them broadcast.
                let from = if g.below(4) == 0 { g.below(base.len()) } else { 0 };
                let dims = base[from..].iter().map(|&d| if g.below(5) == 0 { 1 } else { d }).collect();
                Leaf { dims, seed: seed * 8 + i as u64, parameter: i == 0 || g.below(3) > 0 }
            })
            .collect();
        let (order, kept, held) = (g.below(3), g.bits() & g.bits(), g.bits() & g.bits());
        let mut program = Program { leaves, calls: vec![], order, kept, held };
        let device = Device::cpu();
        let mut values = program.build_leaves(&device);
        let wanted = 3 + g.below(most - 2);
        // Values that follow from no data.
        let mut constants: Vec<usize> = vec![];
        for _ in 0..20 * most {
            if program.calls.len() == wanted {
                break;
            }
            let list = [UNARY, BINARY, SHAPED, BINARY, CONSTANT][g.below(5)];
            // The newest values are the likeliest: deep graphs; but any may be used again.
            let mut pick =
                || if g.below(3) > 0 { values.len() - 1 - g.below(values.len().min(3)) } else { g.below(values.len()) };
            let mut args = vec![pick(), pick()];
            if !constants.is_empty() {
                let mut constant = || constants[g.below(constants.len())];
                let (a, b) = (constant(), constant());
                match g.below(8) {
                    // A constant of constants.
                    0 | 1 => args = vec![a, b],
                    2 => args[0] = a,
                    3 => args[1] = a,
                    _ => {}
                }
            }
            let call = Call { op: list[g.below(list.len())], args, k: [g.below(12), g.below(12), g.below(12)] };
            if values[call.args[0]].shape().rank() == 0 && SHAPED.contains(&call.op) {
                continue;
            }
            let made = apply(&device, &call, &values);
            let fits = made.spec().is_ok_and(|s| s.dtype == steepest::DType::F32 && (1..=400).contains(&s.shape.numel()));
            if !fits || !evaluate(&[&made], &Overrides::new()).is_ok_and(|v| v[0].data.iter().all(|x| x.abs() < 30.0)) {
                continue;
            }
            if CONSTANT.contains(&call.op) || call.args.iter().all(|arg| constants.contains(arg)) {
                constants.push(values.len());
            }
            values.push(made);
            program.calls.push(call);
        }
        // Constants are held more often than other values.
        let more = g.bits();
        program.held |= constants.iter().map(|&i| more & 1 << (i % 64)).sum::<u64>();
        program
    }

    fn build_leaves(&self, device: &Device) -> Vec<Tensor> {
        let leaf = |leaf: &Leaf| {
            let mut g = Gen::new(leaf.seed);
            let data: Vec<f32> = (0..leaf.dims.iter().product()).map(|_| g.uniform(-2.0, 2.0) as f32).collect();
            if leaf.parameter { device.parameter(&data, leaf.dims.clone()) } else { device.tensor(&data, leaf.dims.clone()) }
        };
        self.leaves.iter().map(leaf).collect()
    }

    /// Records the program; `None` if it is none any more, as happens while it is made smaller.
    pub fn build(&self, device: &Device) -> Option<Built> {
        let leaves = self.build_leaves(device);
        let mut values = leaves.clone();
        for call in &self.calls {
            if call.args.iter().any(|&a| a >= values.len())
                || (values[call.args[0]].shape().rank() == 0 && SHAPED.contains(&call.op))
            {
                return None;
            }
            let made = apply(device, call, &values);
            made.check().ok()?;
            if made.dtype() != steepest::DType::F32 {
                return None;
            }
            values.push(made);
        }
        let first = leaves.len();
        let mut roots = vec![];
        for (i, value) in values.iter().enumerate().skip(first) {
            if i + 1 == values.len() || self.kept >> (i % 64) & 1 == 1 {
                roots.push((format!("t{i}"), value.clone()));
            }
        }
        let is_held = |&(i, _): &(usize, &Tensor)| i + 1 < values.len() && (self.held & !self.kept) >> (i % 64) & 1 == 1;
        let held = values.iter().enumerate().skip(first).filter(is_held).map(|(i, t)| (format!("t{i}"), t.clone())).collect();
        let loss = values[first..].iter().rev().take(3).map(|v| v.mean(&[])).reduce(|a, b| a + b)?;
        let mut scalar = loss.clone();
        roots.push(("loss".to_owned(), loss));
        for order in 1..=self.order {
            if !scalar.requires_grad() {
                break;
            }
            let gradients = scalar.backward();
            let mut next: Option<Tensor> = None;
            for (i, leaf) in leaves.iter().enumerate() {
                let Some(gradient) = gradients.get(leaf).ok()?.cloned() else { continue };
                let part = gradient.tanh().square().sum(&[]);
                roots.push((format!("{} of order {order} by t{i}", if order == 1 { "gradient" } else { "gradients" }), gradient));
                next = Some(next.map_or(part.clone(), |n| n + part));
            }
            let Some(next) = next else { break };
            scalar = next;
        }
        Some(Built { leaves, held, roots })
    }

    /// Smaller programs: without one call, whose readers read something else; without gradients; without kept values.
    pub fn smaller(&self) -> Vec<Program> {
        let mut found = vec![];
        let first = self.leaves.len();
        for gone in (0..self.calls.len()).rev() {
            let stand_ins: Vec<usize> = if gone + 1 == self.calls.len() { vec![0] } else { self.calls[gone].args.clone() };
            for stand_in in stand_ins {
                let mut program = self.clone();
                program.calls.remove(gone);
                for call in &mut program.calls[gone..] {
                    for arg in &mut call.args {
                        *arg = match (*arg).cmp(&(first + gone)) {
                            std::cmp::Ordering::Less => *arg,
                            std::cmp::Ordering::Equal => stand_in,
                            std::cmp::Ordering::Greater => *arg - 1,
                        };
                    }
                }
                found.push(program);
            }
        }
        if self.order > 0 {
            found.push(Program { order: self.order - 1, ..self.clone() });
        }
        if self.kept != 0 {
            found.push(Program { kept: 0, ..self.clone() });
        }
        let calls = self.calls.len() as u32;
        let bits = (0..64).filter(|bit| self.held >> bit & 1 == 1 && *bit < first as u32 + calls);
        found.extend(bits.map(|bit| Program { held: self.held & !(1 << bit), ..self.clone() }));
        found.retain(|p| !p.calls.is_empty());
        found
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, leaf) in self.leaves.iter().enumerate() {
            let kind = if leaf.parameter { "parameter" } else { "tensor" };
            writeln!(f, "  t{i} = {kind}{:?} (seed {})", leaf.dims, leaf.seed)?;
        }
        for (i, call) in self.calls.iter().enumerate() {
            let args: Vec<String> = call.args.iter().map(|a| format!("t{a}")).collect();
            writeln!(f, "  t{} = {}({}) {:?}", i + self.leaves.len(), call.op, args.join(", "), call.k)?;
        }
        write!(f, "  gradients to order {}, kept {:#x}, held {:#x}", self.order, self.kept, self.held)
    }
}
