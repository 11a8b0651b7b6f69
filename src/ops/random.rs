//! Random numbers by Philox4x32-10: element i is word i mod 4 of philox((i / 4, stream), seed), the same bits on every device.

pub(crate) mod draw;

use super::case::{Case, Gen};
use crate::error::{NoRoom, OpError, finite};
use crate::graph::Accuracy;
use crate::graph::op::{Array, DType, GradCtx, Io, Kernel, Lowering, Op, Params, Spec, Variant};
use crate::graph::{Tensor, record_on};
use crate::memory::{self, collected};
use crate::shape::Shape;
use rayon::prelude::*;
use std::sync::Arc;

/// What is made of 32 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The bits themselves, as u32.
    Bits,
    /// A multiple of 2⁻²⁴ in 0..1.
    Uniform,
    /// A number of the normal distribution with mean 0 and deviation 1.
    Normal,
    /// 1 / keep with probability keep, else 0.
    Mask,
    /// An odd multiple of 2⁻²⁴ in 0..1: never 0, never 1, and as often near the one as near the other.
    Open,
    /// A whole number `low..low + span`, as i32.
    Below,
}

/// Random numbers in some shape. Only `kind` and `shape` are part of a plan's key.
#[derive(Clone, Copy, Debug)]
pub struct Random {
    /// What is made.
    pub kind: Kind,
    /// How many, in what shape.
    pub shape: Shape,
    /// The seed: Philox's key.
    pub seed: u64,
    /// Numbers of two streams are independent: the upper half of Philox's counter.
    pub stream: u64,
    /// The lower half of the counter of the first element: 0, or where to continue.
    pub first: u64,
    /// Probability of a mask's elements that are not 0.
    pub keep: f32,
    /// The smallest of whole numbers.
    pub low: i32,
    /// How many different whole numbers there are.
    pub span: u32,
}

impl Random {
    /// Numbers from the beginning of a stream.
    pub fn new(kind: Kind, shape: Shape, seed: u64, stream: u64) -> Random {
        Random { kind, shape, seed, stream, first: 0, keep: 1.0, low: 0, span: 1 }
    }

    /// A mask for dropout that keeps elements with probability `keep`.
    ///
    /// # Errors
    /// A probability that is not above 0 and at most 1.
    pub fn mask(shape: Shape, keep: f64, seed: u64, stream: u64) -> Result<Random, OpError> {
        let keep = keep as f32;
        if !(keep > 0.0 && keep <= 1.0 && (1.0 / keep).is_finite()) {
            return Err(OpError::Value(format!("the probability {keep} of keeping an element is not above 0 and at most 1")));
        }
        Ok(Random { keep, ..Random::new(Kind::Mask, shape, seed, stream) })
    }

    /// Whole numbers in `low..high`.
    ///
    /// # Errors
    /// None of them are i32, or there are none.
    pub fn whole(shape: Shape, low: i64, high: i64, seed: u64, stream: u64) -> Result<Random, OpError> {
        let span = high.checked_sub(low).and_then(|span| u32::try_from(span).ok()).filter(|&span| span > 0);
        match (i32::try_from(low), span, high.checked_sub(1).and_then(|last| i32::try_from(last).ok())) {
            (Ok(low), Some(span), Some(_)) => Ok(Random { low, span, ..Random::new(Kind::Below, shape, seed, stream) }),
            _ => Err(OpError::Value(format!("low is {low} and high is {high}, expected i32 numbers, low below high"))),
        }
    }

    /// Four words from the counter of block `block`.
    fn block(&self, block: u64) -> [u32; 4] {
        block_of(self.first.wrapping_add(block), self.stream, self.seed)
    }

    /// What a mask's elements are that are not 0. Divided here once: devices may divide differently.
    fn scale(&self) -> f32 {
        1.0 / self.keep
    }
}

/// Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011): four random words from a counter and a key.
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let wide = |a: u32, b: u32| {
        let product = u64::from(a) * u64::from(b);
        ((product >> 32) as u32, product as u32)
    };
    let ([mut c0, mut c1, mut c2, mut c3], [mut k0, mut k1]) = (counter, key);
    for _ in 0..10 {
        let ((high0, low0), (high1, low1)) = (wide(0xd251_1f53, c0), wide(0xcd9e_8d57, c2));
        [c0, c1, c2, c3] = [high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0];
        (k0, k1) = (k0.wrapping_add(0x9e37_79b9), k1.wrapping_add(0xbb67_ae85));
    }
    [c0, c1, c2, c3]
}

fn words(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}

fn block_of(block: u64, stream: u64, seed: u64) -> [u32; 4] {
    let ([c0, c1], [c2, c3]) = (words(block), words(stream));
    philox([c0, c1, c2, c3], words(seed))
}

/// A multiple of 2⁻²⁴ in 0..1: exact.
fn uniform(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// An odd multiple of 2⁻²⁴ in 0..1: exact.
fn open(bits: u32) -> f32 {
    ((bits >> 9) as f32 + 0.5) * (1.0 / 8_388_608.0)
}

/// One of `span` whole numbers from `low` on, each as likely as the others but for a part of span / 2³².
fn below(bits: u32, low: i32, span: u32) -> i32 {
    let place = ((u64::from(bits) * u64::from(span)) >> 32) as u32;
    low.wrapping_add(place as i32)
}

/// √2 erfinv(v) for v = ((bits >> 9) + ½) 2⁻²² − 1, which f32 holds exactly, by the polynomials of Giles (2010).
fn normal(bits: u32) -> f32 {
    const NEAR: [f32; 9] = [
        2.810_226_4e-8,
        3.432_739_4e-7,
        -3.523_387_7e-6,
        -4.391_506_5e-6,
        2.185_808_7e-4,
        -1.253_725e-3,
        -4.177_681_6e-3,
        0.246_640_73,
        1.501_409_4,
    ];
    const FAR: [f32; 9] = [
        -2.002_142_6e-4,
        1.009_505_6e-4,
        1.349_343_2e-3,
        -3.673_428_4e-3,
        5.739_507_7e-3,
        -7.622_461_3e-3,
        9.438_870_5e-3,
        1.001_674,
        2.832_976_8,
    ];
    let v = (((bits >> 9) * 2 + 1) as i32 - (1 << 23)) as f32 * (1.0 / 8_388_608.0);
    // libm's logarithm, because the platform's may round otherwise: the same seed gives the same weights everywhere.
    let w = -libm::logf((1.0 - v) * (1.0 + v));
    let (w, coefficients) = if w < 5.0 { (w - 2.5, NEAR) } else { (w.sqrt() - 3.0, FAR) };
    std::f32::consts::SQRT_2 * (coefficients.into_iter().fold(0.0, |p, c| p * w + c) * v)
}

/// The definition of [`normal`]: z with Φ(z) = ((bits >> 9) + ½) 2⁻²³.
fn normal_reference(bits: u32) -> f64 {
    let doubled = 2 * i64::from(bits >> 9) + 1;
    let upper = doubled > 1 << 23;
    // The probability of the nearer tail, exactly.
    let tail = (if upper { (1 << 24) - doubled } else { doubled }) as f64 / f64::from(1 << 24);
    let mut z = 0.0f64;
    // Newton from the flat side of a convex function: it comes nearer with every step and never passes.
    for _ in 0..60 {
        let excess = 0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2) - tail;
        let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
        z += excess / density;
    }
    if upper { z } else { -z }
}

impl Kind {
    /// The body of `number(bits) -> u32` in the shader.
    fn wgsl(self) -> &'static str {
        match self {
            Kind::Bits => "{ return bits; }",
            Kind::Uniform => "{ return bitcast<u32>(unit(bits)); }",
            Kind::Normal => "{ return bitcast<u32>(normal(bits)); }",
            Kind::Mask => "{ return bitcast<u32>(select(0.0, scalars.scale, unit(bits) < scalars.keep)); }",
            Kind::Open => "{ return bitcast<u32>((f32(bits >> 9u) + 0.5) * 1.1920928955078125e-7); }",
            Kind::Below => "{ return scalars.low + wide_product(bits, scalars.span).x; }",
        }
    }
}

/// Counters whose numbers a thread makes at a time.
const COUNTERS_PER_TASK: usize = 1024;

fn native(io: &mut Io<'_>, kind: Kind) {
    let [seed, stream, first] = [0, 2, 4].map(|i| u64::from(io.scalars[i]) | u64::from(io.scalars[i + 1]) << 32);
    let (keep, scale) = (io.scalar(6), io.scalar(7));
    let (low, span) = (io.scalars[8] as i32, io.scalars[9]);
    io.writes[0].par_chunks_mut(4 * COUNTERS_PER_TASK).enumerate().for_each(|(task, out)| {
        for (block, out) in out.chunks_mut(4).enumerate() {
            let bits = block_of(first.wrapping_add((task * COUNTERS_PER_TASK + block) as u64), stream, seed);
            for (o, bits) in out.iter_mut().zip(bits) {
                *o = match kind {
                    Kind::Bits => bits,
                    Kind::Uniform => uniform(bits).to_bits(),
                    Kind::Normal => normal(bits).to_bits(),
                    Kind::Mask => (if uniform(bits) < keep { scale } else { 0.0 }).to_bits(),
                    Kind::Open => open(bits).to_bits(),
                    Kind::Below => below(bits, low, span) as u32,
                };
            }
        }
    });
}

impl Op for Random {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Bits => "random_bits",
            Kind::Uniform => "random_uniform",
            Kind::Normal => "random_normal",
            Kind::Mask => "random_mask",
            Kind::Open => "random_open",
            Kind::Below => "random_whole",
        }
    }
    fn scalars(&self) -> Vec<u32> {
        let [seed, stream, first] = [self.seed, self.stream, self.first].map(words);
        [seed, stream, first, [self.keep.to_bits(), self.scale().to_bits()], [self.low as u32, self.span]].concat()
    }
    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        if self.kind == Kind::Normal { Accuracy::Normalised } else { Accuracy::Exact }
    }
    fn infer(&self, _: &[Spec]) -> Result<Spec, OpError> {
        let dtype = match self.kind {
            Kind::Bits => DType::U32,
            Kind::Below => DType::I32,
            Kind::Uniform | Kind::Normal | Kind::Mask | Kind::Open => DType::F32,
        };
        let low = i64::from(self.low);
        let range = (self.kind == Kind::Below).then(|| (low, low + i64::from(self.span) - 1));
        Ok(Spec { shape: self.shape, dtype, range })
    }
    fn lower(&self, _: &[Spec], output: &Spec) -> Lowering {
        let count = output.shape.numel();
        // A counter gives four numbers.
        let counters = count.div_ceil(4);
        let variant = Variant {
            bodies: vec![("number", self.kind.wgsl().to_owned())],
            ..Variant::each_element("random/philox", counters).max_loop_iterations(10)
        };
        let kind = self.kind;
        let kernel = Kernel {
            name: self.name(),
            params: Params::new().set("count", counters).set("numbers", count),
            variants: vec![variant],
            native: Arc::new(move |io| native(io, kind)),
        };
        Lowering::kernel(kernel, 0)
    }
    fn reference(&self, _: &[&Array], output: &Spec) -> Array {
        Array::from_fn(output.shape, |i| {
            let bits = self.block(i as u64 / 4)[i % 4];
            let unit = f64::from(bits >> 8) / f64::from(1 << 24);
            match self.kind {
                Kind::Bits => f64::from(bits),
                Kind::Uniform => unit,
                Kind::Normal => normal_reference(bits),
                Kind::Mask if unit < f64::from(self.keep) => f64::from(self.scale()),
                Kind::Mask => 0.0,
                Kind::Open => (f64::from(bits >> 9) + 0.5) / f64::from(1 << 23),
                Kind::Below => f64::from(below(bits, self.low, self.span)),
            }
        })
    }
    fn grad(&self, _: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![]
    }
}

/// A stream of numbers on the host, the ones devices make of the same seed and stream.
#[derive(Clone, Debug)]
pub struct Stream {
    seed: u64,
    stream: u64,
    /// Words taken so far.
    taken: u64,
    /// The words of the block last computed.
    words: [u32; 4],
}

impl Stream {
    /// The beginning of a stream.
    pub fn new(seed: u64, stream: u64) -> Stream {
        Stream { seed, stream, taken: 0, words: [0; 4] }
    }

    /// The next 32 bits.
    pub fn bits(&mut self) -> u32 {
        let at = (self.taken % 4) as usize;
        if at == 0 {
            self.words = block_of(self.taken / 4, self.stream, self.seed);
        }
        self.taken += 1;
        self.words[at]
    }

    /// An integer in `0..n`, each with the same probability; 0 for n = 0.
    pub fn below(&mut self, n: u32) -> u32 {
        if n == 0 {
            return 0;
        }
        // Bits beyond the last whole multiple of n would favour small numbers: they are thrown away.
        let excess = (u32::MAX % n + 1) % n;
        loop {
            let bits = self.bits();
            if bits <= u32::MAX - excess {
                return bits % n;
            }
        }
    }

    /// A multiple of 2⁻²⁴ in 0..1, each with the same probability.
    pub fn uniform(&mut self) -> f32 {
        uniform(self.bits())
    }

    /// A place in `weights`, each with probability weight / Σ weights: a class drawn from the softmax of logits. `None` unless the weights
    /// are finite, 0 or more, and not all 0. Takes one number from the stream.
    ///
    /// ```
    /// use steepest::random::Stream;
    /// let mut stream = Stream::new(7, 0);
    /// let drawn: Vec<_> = (0..1000).filter_map(|_| stream.weighted(&[0.7, 0.0, 0.3])).collect();
    /// let share = drawn.iter().filter(|&&place| place == 2).count() as f64 / 1000.0;
    /// assert!(drawn.len() == 1000 && !drawn.contains(&1) && (share - 0.3).abs() < 0.05);
    /// assert_eq!(stream.weighted(&[0.0, 0.0]), None);
    /// ```
    pub fn weighted(&mut self, weights: &[f32]) -> Option<usize> {
        // Sums in f64: many small weights must not vanish beside a large one.
        let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
        let mut left = f64::from(self.uniform()) * total;
        if total <= 0.0 || !weights.iter().all(|&w| w.is_finite() && w >= 0.0) {
            return None;
        }
        for (place, &weight) in weights.iter().enumerate() {
            left -= f64::from(weight);
            if left < 0.0 {
                return Some(place);
            }
        }
        // Rounding may leave a trace of the number behind the last weight.
        weights.iter().rposition(|&weight| weight > 0.0)
    }
}

/// Refuses bounds that are not finite in f32, too far apart, or the wrong way round.
pub(crate) fn range(low: f64, high: f64) -> Result<(), OpError> {
    if finite(low) && finite(high) && finite(high - low) && low <= high {
        return Ok(());
    }
    Err(OpError::Value(format!("low is {low} and high is {high}, expected finite numbers, low not above high")))
}

/// Refuses a standard deviation that is negative or not finite.
pub(crate) fn deviation(std: f64) -> Result<(), OpError> {
    if finite(std) && std >= 0.0 {
        return Ok(());
    }
    Err(OpError::Value(format!("std is {std}, expected a finite number that is not negative")))
}

/// `count` numbers in `low..high` on the host: what `Device::uniform` makes of the same seed (with stream 0).
///
/// # Panics
/// If there is no room for them: the list is the caller's own, of a length it chose. [`Device::uniform`](crate::Device::uniform) has an error.
pub fn uniform_host(count: usize, low: f32, high: f32, seed: u64, stream: u64) -> Vec<f32> {
    let mut stream = Stream::new(seed, stream);
    let numbers = (0..count).map(|_| uniform(stream.bits()) * (high - low) + low);
    collected(format_args!("{count} random numbers"), numbers).unwrap_or_else(|error| panic!("{error}"))
}

/// `count` normally distributed numbers on the host: the same ones on every machine.
///
/// # Panics
/// If there is no room for them, as [`uniform_host`].
pub fn normal_host(count: usize, mean: f32, std: f32, seed: u64, stream: u64) -> Vec<f32> {
    let mut stream = Stream::new(seed, stream);
    let numbers = (0..count).map(|_| normal(stream.bits()) * std + mean);
    collected(format_args!("{count} random numbers"), numbers).unwrap_or_else(|error| panic!("{error}"))
}

/// The numbers `0..n` in random order, every order with the same probability (Fisher and Yates).
///
/// # Panics
/// If `n` does not fit in a u32, the index type of tensors, or there is no room for the numbers. [`Device::randperm`](crate::Device::randperm) has
/// an error.
pub fn permutation(n: usize, seed: u64, stream: u64) -> Vec<u32> {
    shuffled(n, seed, stream).unwrap_or_else(|error| panic!("{error}"))
}

/// The numbers `0..n` in random order. More than a u32 can count have no room anywhere.
pub(crate) fn shuffled(n: usize, seed: u64, stream: u64) -> Result<Vec<u32>, NoRoom> {
    let what = format!("{n} numbers in random order");
    let Ok(last) = u32::try_from(n) else {
        return Err(NoRoom { what, bytes: (n as u64).saturating_mul(4), most: memory::most() });
    };
    let mut stream = Stream::new(seed, stream);
    let mut order = memory::room(what, n)?;
    order.extend(0..last);
    for i in (1..order.len()).rev() {
        order.swap(i, stream.below(i as u32 + 1) as usize);
    }
    Ok(order)
}

impl Tensor {
    /// Elements dropped (set to 0) with probability `p`, the others divided by 1 − p, so that the expectation stays.
    ///
    /// Which ones follows from seed and stream alone: count the stream up with every step.
    #[track_caller]
    pub fn dropout(&self, p: f64, seed: u64, stream: u64) -> Tensor {
        if !(0.0..1.0).contains(&p) {
            return self.refuse("dropout", OpError::Value(format!("the probability {p} of dropping an element is not in 0..1")));
        }
        let Ok(shape) = self.try_shape() else { return self.clone() };
        match Random::mask(shape, 1.0 - p, seed, stream) {
            Ok(op) => self.masked(&record_on(self.node().backend(), op, &[])).made_by("dropout", &[self]),
            Err(error) => self.refuse("dropout", error),
        }
    }
}

/// Test inputs: every kind, both sides of a block of four and of a workgroup, large seeds, streams and counters.
pub fn cases(_: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in [Kind::Bits, Kind::Uniform, Kind::Normal, Kind::Mask, Kind::Open, Kind::Below] {
        for dims in [&[][..], &[0], &[3], &[4], &[5], &[1023], &[5, 5, 41], &[4099]] {
            let shape = Shape::new(dims).unwrap_or(Shape::SCALAR);
            for (seed, stream, first) in [(0, 0, 0), (1, u64::MAX, u32::MAX.into()), (u64::MAX - 7, 1 << 33, u64::MAX)] {
                let op = Random { first, keep: 0.7, low: -3, span: 1_000_000_007, ..Random::new(kind, shape, seed, stream) };
                cases.push(Case::new(format!("{dims:?} of stream {stream} from {first}"), op, vec![]));
            }
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_made_of_the_least_and_the_most_bits() {
        let most = 1.0 - 2f32.powi(-24);
        assert_eq!([uniform(0), uniform(u32::MAX)], [0.0, most]);
        assert_eq!([open(0), open(u32::MAX)], [2f32.powi(-24), most]);
        for (low, span) in [(-3, 7), (i32::MIN, u32::MAX), (0, 1), (i32::MAX, 1)] {
            let last = i64::from(low) + i64::from(span) - 1;
            assert_eq!((below(0, low, span), i64::from(below(u32::MAX, low, span))), (low, last));
        }
    }
}
