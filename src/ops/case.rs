//! Test inputs: generators of shapes and values, and what a case is.

use crate::graph::half;
use crate::graph::op::{Array, DType, Op};
use crate::shape::Shape;
use std::sync::Arc;

/// Where the inputs of an elementwise row are drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Domain {
    /// −4 to 4, and the extremes.
    Line,
    /// The line, kept away from the given kinks by 0.05 (for gradients).
    Kinks(&'static [f64]),
    /// 0.1 to 6.
    Positive,
    /// −0.9 to 4.
    AboveMinusOne,
    /// The line without −0.3 to 0.3.
    NonZero,
    /// From the first number to the second.
    Range(f64, f64),
    /// First input 0.2 to 4, second −2 to 2.
    Power,
    /// Small integers, so that equal pairs occur.
    Integers,
}

/// How the labels of cases begin at which an op does not depend on some of its input: no verification leaves them out.
pub const SWITCHED_OFF: &str = "switched off";

/// One input tensor of a case.
#[derive(Clone, Debug)]
pub struct Input {
    /// Type on the device.
    pub dtype: DType,
    /// Values, exact in that type.
    pub array: Array,
}

/// One call of an op on given inputs.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is special about it.
    pub label: String,
    /// The call.
    pub op: Arc<dyn Op>,
    /// Its inputs.
    pub inputs: Vec<Input>,
    /// Whether the gradient is checked here: false at kinks and non-finite values.
    pub smooth: bool,
}

impl Case {
    /// A case with a checked gradient.
    pub fn new(label: impl Into<String>, op: impl Op, inputs: Vec<Input>) -> Case {
        Case { label: label.into(), op: Arc::new(op), inputs, smooth: true }
    }

    /// An op on `inputs` f32 inputs that all have the case's shape, of many shapes: no and one element, no axis and five, both sides of workgroups
    /// of 64 and 256. Values are in −2..2.
    pub fn of_shapes<O: Op + Clone>(op: &O, inputs: usize, g: &mut Gen) -> Vec<Case> {
        let shapes: [&[usize]; 11] =
            [&[], &[1], &[7], &[63], &[65], &[255], &[257], &[1025], &[3, 0], &[4, 5, 6], &[2, 1, 3, 1, 2]];
        let case = |dims: &[usize]| {
            let inputs = (0..inputs).map(|_| g.normalish(dims)).collect();
            Case::new(format!("{dims:?}"), op.clone(), inputs)
        };
        shapes.map(case).to_vec()
    }

    /// Leaves the gradient unchecked.
    pub fn forward_only(mut self) -> Case {
        self.smooth = false;
        self
    }
}

/// A small seeded generator (SplitMix64): test inputs, no statistics.
#[derive(Clone, Debug)]
pub struct Gen(u64);

impl Gen {
    /// A generator with a seed.
    pub fn new(seed: u64) -> Gen {
        Gen(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `low..high`, exact in f32.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        let unit = (self.bits() >> 40) as f64 / (1u64 << 24) as f64;
        f64::from((low + (high - low) * unit) as f32)
    }

    /// An integer in `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n.max(1) as u64) as usize
    }

    /// An f32 input with values in `low..high`.
    pub fn floats(&mut self, dims: &[usize], low: f64, high: f64) -> Input {
        self.input(DType::F32, dims, |g| g.uniform(low, high))
    }

    /// An f32 input with values in −2..2.
    pub fn normalish(&mut self, dims: &[usize]) -> Input {
        self.floats(dims, -2.0, 2.0)
    }

    /// A u32 input with values below `n`.
    pub fn indices(&mut self, dims: &[usize], n: usize) -> Input {
        self.input(DType::U32, dims, |g| g.below(n) as f64)
    }

    /// An f16 input with values in −2..2, each a half.
    pub fn f16(&mut self, dims: &[usize]) -> Input {
        self.input(DType::F16, dims, |g| half::rounded(g.uniform(-2.0, 2.0)))
    }

    /// A bool input.
    pub fn bools(&mut self, dims: &[usize]) -> Input {
        self.input(DType::Bool, dims, |g| (g.bits() & 1) as f64)
    }

    /// An f32 input whose values are pairwise distinct, a step of at least 0.01 apart: maxima are unique.
    pub fn distinct(&mut self, dims: &[usize]) -> Input {
        let n: usize = dims.iter().product();
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        let step = f64::from((4.0 / n.max(1) as f64).clamp(0.01, 1.0) as f32);
        let mut next = order.into_iter();
        self.input(DType::F32, dims, |_| {
            let k = next.next().unwrap_or(0) as f64;
            f64::from(((k - n as f64 / 2.0) * step) as f32)
        })
    }

    /// An input filled by `value`.
    ///
    /// # Panics
    /// If `dims` is no shape: cases are written by hand.
    #[allow(clippy::expect_used)]
    pub fn input(&mut self, dtype: DType, dims: &[usize], mut value: impl FnMut(&mut Gen) -> f64) -> Input {
        let shape = Shape::new(dims).expect("cases have valid shapes");
        Input { dtype, array: Array::from_fn(shape, |_| value(self)) }
    }

    /// A value for input `position` of a row with this domain.
    pub fn draw(&mut self, domain: Domain, position: usize) -> f64 {
        match domain {
            Domain::Line => self.uniform(-4.0, 4.0),
            Domain::Kinks(kinks) => loop {
                let x = self.uniform(-4.0, 4.0);
                if kinks.iter().all(|k| (x - k).abs() > 0.05) {
                    break x;
                }
            },
            Domain::Positive => self.uniform(0.1, 6.0),
            Domain::AboveMinusOne => self.uniform(-0.9, 4.0),
            Domain::NonZero => {
                let x = self.uniform(0.3, 4.0);
                if self.bits() & 1 == 0 { x } else { -x }
            }
            Domain::Range(low, high) => self.uniform(low, high),
            Domain::Power if position == 0 => self.uniform(0.2, 4.0),
            Domain::Power => self.uniform(-2.0, 2.0),
            Domain::Integers => self.below(5) as f64 - 2.0,
        }
    }
}
