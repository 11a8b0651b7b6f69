//! The elementwise op: one struct for all rows of the table in `elementwise.rs`, and the macro a row is written with.

use super::case::{Case, Domain, Gen, Input, SWITCHED_OFF};
use super::math;
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, DType, Elementwise, GradCtx, Lowering, Op, Rule, Spec};
use crate::graph::{Tensor, record};
use crate::shape::{Shape, View};
use std::fmt;
use std::sync::Arc;

/// A row of the table: the rule in every language, its gradient, and how it is tested.
pub struct Row {
    /// WGSL, native and reference forms.
    pub rule: Rule,
    /// The gradient rule; gets the call's scalars.
    pub grad: fn(&GradCtx<'_>, [f64; 2]) -> Vec<Option<Tensor>>,
    /// Inputs to test with.
    pub domain: Domain,
    /// How exact devices must be.
    pub accuracy: Accuracy,
}

/// A call of a row.
#[derive(Clone, Copy)]
pub struct Pointwise {
    /// The row.
    pub row: &'static Row,
    /// The call's numbers (slope, limits): not part of a plan's key.
    pub scalars: [f64; 2],
}

impl fmt::Debug for Pointwise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.row.rule.name, &self.scalars[..self.row.rule.scalars])
    }
}

impl Op for Pointwise {
    fn name(&self) -> &'static str {
        self.row.rule.name
    }

    fn rule(&self) -> Option<&'static Rule> {
        Some(&self.row.rule)
    }

    fn rounded(&self) -> Option<Arc<dyn Op>> {
        let scalars = self.scalars.map(|s| f64::from(s as f32));
        (scalars != self.scalars).then(|| Arc::new(Pointwise { scalars, ..*self }) as Arc<dyn Op>)
    }

    fn scalars(&self) -> Vec<u32> {
        self.scalars[..self.row.rule.scalars].iter().map(|&s| (s as f32).to_bits()).collect()
    }

    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        self.row.accuracy
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let rule = &self.row.rule;
        for (i, (spec, want)) in inputs.iter().zip(rule.inputs).enumerate() {
            if let Some(want) = want.filter(|&w| w != spec.dtype) {
                return Err(OpError::DType(format!("operand {i} is {spec}, expected {want}; convert with to_{want}()")));
            }
        }
        // Inputs handed on as raw words must agree, or the output would have two types.
        let mut raw = inputs.iter().zip(rule.inputs).filter(|(_, want)| want.is_none()).map(|(spec, _)| spec.dtype);
        if let Some(first) = raw.next()
            && let Some(other) = raw.find(|&d| d != first)
        {
            return Err(OpError::DType(format!("operands are {first} and {other}; convert one of them")));
        }
        let first = inputs.first().map_or(Shape::SCALAR, |spec| spec.shape);
        let shape = inputs.iter().skip(1).try_fold(first, |shape, spec| shape.broadcast(&spec.shape))?;
        let last = inputs.last().map_or(DType::F32, |spec| spec.dtype);
        Ok(Spec::new(shape, rule.output.unwrap_or(last)))
    }

    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let views = inputs.iter().map(|spec| View::broadcast(&spec.shape, &output.shape)).collect();
        Lowering::Elementwise(Elementwise { rule: &self.row.rule, views })
    }

    fn flops(&self, _: &[Spec], output: &Spec) -> u64 {
        output.shape.numel() as u64
    }

    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let read: Vec<Array> = inputs.iter().map(|a| a.viewed(&View::broadcast(&a.shape, &output.shape), output.shape)).collect();
        Array::from_fn(output.shape, |i| {
            let args = std::array::from_fn(|k| read.get(k).map_or(0.0, |a| a.data[i]));
            (self.row.rule.reference)(args, self.scalars)
        })
    }

    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let mut parts = (self.row.grad)(ctx, self.scalars);
        for (part, input) in parts.iter_mut().zip(ctx.inputs) {
            if let Some(gradient) = part
                && let (Ok(from), Ok(to)) = (gradient.node().spec(), input.node().spec())
                && from.shape != to.shape
            {
                *gradient = gradient.sum_to_like(input);
            }
        }
        parts
    }
}

impl Tensor {
    /// Records a row over this tensor and others.
    #[track_caller]
    pub(super) fn pointwise(&self, row: &'static Row, others: &[&Tensor], scalars: [f64; 2]) -> Tensor {
        match others {
            [] => record(Pointwise { row, scalars }, &[self]),
            [b] => record(Pointwise { row, scalars }, &[self, b]),
            _ => record(Pointwise { row, scalars }, &[&[self], others].concat()),
        }
    }
}

/// Functions that rows use in both precisions.
pub(super) trait Real: Copy {
    /// The larger; NaN if either is NaN.
    fn maximum(self, other: Self) -> Self;
    /// The smaller; NaN if either is NaN.
    fn minimum(self, other: Self) -> Self;
    /// −1, 0 or 1; NaN of NaN.
    fn sign(self) -> Self;
    /// 1 / (1 + e^−x).
    fn sigmoid(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// The normal distribution function.
    fn normal_cdf(self) -> Self;
    /// eˣ
    fn exp(self) -> Self;
    /// eˣ − 1, exact near 0.
    fn exp_m1(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// ln(1 + x), exact near 0.
    fn ln_1p(self) -> Self;
    /// tanh x
    fn tanh(self) -> Self;
}

macro_rules! real {
    ($t:ty, $erf:path, $erfc:path, $exp:path, $exp_m1:path, $ln:path, $ln_1p:path, $tanh:path) => {
        // All inlined, so that the loops of the table are vectorised with what they call.
        impl Real for $t {
            #[inline(always)]
            fn maximum(self, other: $t) -> $t {
                if self.is_nan() || self > other { self } else { other }
            }
            #[inline(always)]
            fn minimum(self, other: $t) -> $t {
                if self.is_nan() || self < other { self } else { other }
            }
            #[inline(always)]
            fn sign(self) -> $t {
                if self > 0.0 {
                    1.0
                } else if self < 0.0 {
                    -1.0
                } else if self.is_nan() {
                    self
                } else {
                    0.0
                }
            }
            #[inline(always)]
            fn sigmoid(self) -> $t {
                let e = $exp(-self.abs());
                (if self < 0.0 { e } else { 1.0 }) / (1.0 + e)
            }
            #[inline(always)]
            fn erf(self) -> $t {
                $erf(self)
            }
            #[inline(always)]
            fn normal_cdf(self) -> $t {
                // erfc keeps the digits of the lower tail, which 1 + erf would cancel.
                0.5 * $erfc(-self * std::f64::consts::FRAC_1_SQRT_2 as $t)
            }
            #[inline(always)]
            fn exp(self) -> $t {
                $exp(self)
            }
            #[inline(always)]
            fn exp_m1(self) -> $t {
                $exp_m1(self)
            }
            #[inline(always)]
            fn ln(self) -> $t {
                $ln(self)
            }
            #[inline(always)]
            fn ln_1p(self) -> $t {
                $ln_1p(self)
            }
            #[inline(always)]
            fn tanh(self) -> $t {
                $tanh(self)
            }
        }
    };
}
real!(f32, math::erf, math::erfc, math::exp, math::exp_m1, math::ln, math::ln_1p, math::tanh);
real!(f64, libm::erf, libm::erfc, f64::exp, f64::exp_m1, f64::ln, f64::ln_1p, f64::tanh);

/// A device word as a rule's argument.
macro_rules! from_word {
    (f32, $w:expr) => {
        f32::from_bits($w)
    };
    (bool, $w:expr) => {
        $w != 0
    };
    (i32, $w:expr) => {
        $w as i32
    };
    ($any:ident, $w:expr) => {
        $w
    };
}

/// A rule's result as a device word.
macro_rules! to_word {
    (f32, $v:expr) => {
        f32::to_bits($v)
    };
    (word, $v:expr) => {
        $v
    };
    ($any:ident, $v:expr) => {
        ($v) as u32
    };
}

/// A reference number as a rule's argument.
macro_rules! from_f64 {
    (bool, $v:expr) => {
        $v != 0.0
    };
    ($any:ident, $v:expr) => {
        $v
    };
}

/// A rule's result as a reference number.
macro_rules! to_f64 {
    (bool, $v:expr) => {
        if $v { 1.0 } else { 0.0 }
    };
    (f32, $v:expr) => {
        $v
    };
    (word, $v:expr) => {
        $v
    };
    ($any:ident, $v:expr) => {
        ($v) as f64
    };
}

macro_rules! dtype {
    (f32) => {
        Some(DType::F32)
    };
    (bool) => {
        Some(DType::Bool)
    };
    (i32) => {
        Some(DType::I32)
    };
    (u32) => {
        Some(DType::U32)
    };
    (word) => {
        None
    };
}

/// One row: `NAME = "name"(a: f32, ..)[p, q] -> f32, "WGSL", native and reference expression, |ctx| gradients, accuracy, domain;`
///
/// The expression is compiled twice, with `T` as f32 and as f64.
macro_rules! row {
    ($(#[$doc:meta])* $id:ident = $name:literal ($($x:ident : $kind:ident),*) [$($s:ident),*] -> $out:ident,
     $wgsl:literal, $rust:expr, |$ctx:ident| $grad:expr, $accuracy:expr, $domain:expr;) => {
        $(#[$doc])*
        pub static $id: Row = Row {
            rule: Rule {
                name: $name,
                wgsl: $wgsl,
                inputs: &[$(dtype!($kind)),*],
                output: dtype!($out),
                chunk: {
                    // Constants are written with the digits f64 needs; f32 rounds them.
                    #[allow(unused, clippy::unnecessary_cast, clippy::excessive_precision, clippy::needless_range_loop)]
    fn chunk(inputs: &[&[u32]], scalars: [f32; 2], out: &mut [u32]) {
                        vectorised! {
                            fn run<'a>(inputs: &'a [&'a [u32]], scalars: [f32; 2], out: &'a mut [u32]) {
                                type T = f32;
                                let (n, mut at) = (out.len(), 0);
                                $(let $x = &inputs[at][..n]; at += 1;)*
                                let mut at = 0;
                                $(let $s = scalars[at]; at += 1;)*
                                for i in 0..n {
                                    $(let $x = from_word!($kind, $x[i]);)*
                                    out[i] = to_word!($out, $rust);
                                }
                            }
                        }
                        run(inputs, scalars, out);
                    }
                    chunk
                },
                reference: {
                    #[allow(unused, clippy::unnecessary_cast)]
                    fn reference(inputs: [f64; 3], scalars: [f64; 2]) -> f64 {
                        type T = f64;
                        let mut at = 0;
                        $(let $x = from_f64!($kind, inputs[at]); at += 1;)*
                        let mut at = 0;
                        $(let $s = scalars[at]; at += 1;)*
                        to_f64!($out, $rust)
                    }
                    reference
                },
                scalars: { const N: &[&str] = &[$(stringify!($s)),*]; N.len() },
            },
            grad: {
                #[allow(unused)]
                fn grad($ctx: &GradCtx<'_>, scalars: [f64; 2]) -> Vec<Option<Tensor>> {
                    let mut at = 0;
                    $(let $s = scalars[at]; at += 1;)*
                    $grad
                }
                grad
            },
            domain: $domain,
            accuracy: $accuracy,
        };
    };
}

pub(super) use super::simd::vectorised;
pub(super) use {dtype, from_f64, from_word, row, to_f64, to_word};

/// Test inputs of every row: sizes around the workgroup, broadcasting, no elements, the extremes.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    for row in super::elementwise::ROWS {
        let arity = row.rule.inputs.len();
        let scalars = match row.rule.name {
            "clamp" => [-0.5, 1.0],
            "leaky_relu" | "relu_grad" => [0.25, 0.0],
            "pow_scalar" => [2.5, 0.0],
            _ => [1.5, 0.0],
        };
        let op = Pointwise { row, scalars };
        let mut input = |dims: &[usize], k: usize| {
            // A row that takes raw words but gives one type is for integers.
            let dtype = row.rule.inputs[k].unwrap_or(if row.rule.output.is_some() { DType::U32 } else { DType::F32 });
            g.input(dtype, dims, |g| match dtype {
                DType::Bool => (g.bits() & 1) as f64,
                DType::U32 => g.below(7) as f64,
                DType::I32 => g.below(9) as f64 - 4.0,
                DType::F32 | DType::F16 => g.draw(row.domain, k),
            })
        };
        if arity == 0 {
            cases.push(Case::new("scalar", op, vec![]));
            continue;
        }
        for dims in [&[][..], &[1], &[7], &[255], &[257], &[3, 0], &[4, 5, 6]] {
            let inputs = (0..arity).map(|k| input(dims, k)).collect();
            let case = Case::new(format!("{dims:?}"), op, inputs);
            // Cutting the gradient off is the point of detach.
            cases.push(if row.rule.name == "detach" { case.forward_only() } else { case });
        }
        if arity >= 2 {
            for [a, b] in [
                [&[3, 1][..], &[1, 4][..]],
                [&[5, 300], &[300]],
                [&[5, 300], &[5, 1]],
                [&[], &[6]],
                [&[2, 1, 3, 1, 2], &[4, 1, 5, 1]],
            ] {
                let mut inputs = vec![input(a, 0), input(b, 1)];
                if arity == 3 {
                    inputs.push(input(b, 2));
                }
                cases.push(Case::new(format!("{a:?} with {b:?}"), op, inputs));
            }
        }
        cases.extend(extremes(op));
        // Slopes, factors and exponents of 0 switch an op off.
        if matches!(row.rule.name, "leaky_relu" | "relu_grad" | "elu" | "mul_scalar" | "pow_scalar") {
            let inputs = (0..arity).map(|k| input(&[9], k)).collect();
            cases.push(Case::new(SWITCHED_OFF, Pointwise { row, scalars: [0.0; 2] }, inputs));
        }
        if matches!(row.rule.name, "pow" | "pow_slope") {
            for exponent in [0.0, 1.0] {
                let mut inputs: Vec<Input> = (0..arity).map(|k| input(&[6], k)).collect();
                inputs[1].array.data.fill(exponent);
                cases.push(Case::new(format!("{SWITCHED_OFF}: exponents of {exponent}"), op, inputs));
            }
        }
        if row.rule.name == "masked" {
            let mut inputs: Vec<Input> = (0..arity).map(|k| input(&[8], k)).collect();
            inputs[1].array.data.iter_mut().step_by(2).for_each(|x| *x = 0.0);
            cases.push(Case::new(format!("{SWITCHED_OFF}: half of it dropped"), op, inputs));
        }
    }
    cases
}

/// Every pair of extreme values, for rows of floats. Where values are not finite or at a kink there is no gradient to check.
fn extremes(op: Pointwise) -> Option<Case> {
    let inputs = op.row.rule.inputs;
    if inputs.iter().any(|d| !matches!(d, Some(DType::F32))) || inputs.len() > 2 {
        return None;
    }
    let big = f64::from(f32::MAX);
    let values = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -2.0,
        3.0,
        1e-6,
        -1e-6,
        30.0,
        -30.0,
        100.0,
        -100.0,
        big,
        -big,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ]
    .map(|v| f64::from(v as f32));
    // Sines of arguments beyond 10⁴ are promised by no GPU.
    let periodic = matches!(op.row.rule.name, "sin" | "cos");
    let values: Vec<f64> = values.into_iter().filter(|v| !periodic || !(1e4..f64::INFINITY).contains(&v.abs())).collect();
    let n = values.len();
    let shape = crate::shape::Shape::new(&[if inputs.len() == 2 { n * n } else { n }]).ok()?;
    let inputs = (0..inputs.len())
        .map(|k| Input { dtype: DType::F32, array: Array::from_fn(shape, |i| values[if k == 0 { i % n } else { i / n }]) })
        .collect();
    Some(Case::new("extremes", op, inputs).forward_only())
}
