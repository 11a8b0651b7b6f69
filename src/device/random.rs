//! Making random tensors: each element follows from seed, stream and index alone, on every device.

use super::create::collected;
use super::state::Device;
use crate::error::{At, OpError, finite};
use crate::graph::node::{Tensor, record_on};
use crate::ops::random::draw;
use crate::ops::random::{Kind, Random, Stream, deviation, range, shuffled};
use crate::shape::{Shape, ToShape};

impl Device {
    #[track_caller]
    fn random(&self, name: &'static str, shape: impl ToShape, op: impl FnOnce(Shape) -> Result<Random, OpError>) -> Tensor {
        let at = At::caller();
        match shape.to_shape().and_then(op) {
            Ok(op) => record_on(self.backend(), op, &[]),
            Err(error) => self.invalid(name, at, error),
        }
    }

    /// Numbers evenly distributed in `low..high`: low + (high − low) u with u a multiple of 2⁻²⁴ in 0..1.
    ///
    /// Bounds that are not finite, or further apart than f32 can hold, and a `low` above `high` make the tensor invalid.
    #[track_caller]
    pub fn uniform(&self, shape: impl ToShape, low: f64, high: f64, seed: u64) -> Tensor {
        let unit = self.random("uniform", shape, |shape| {
            range(low, high)?;
            Ok(Random::new(Kind::Uniform, shape, seed, 0))
        });
        moved(unit, low, high - low)
    }

    /// Normally distributed numbers with mean `mean` and standard deviation `std`.
    ///
    /// A mean that is not finite, and a deviation that is negative or not finite, make the tensor invalid.
    #[track_caller]
    pub fn normal(&self, shape: impl ToShape, mean: f64, std: f64, seed: u64) -> Tensor {
        let unit = self.random("normal", shape, |shape| {
            if !finite(mean) {
                return Err(OpError::Value(format!("mean is {mean}, expected a finite number")));
            }
            deviation(std)?;
            Ok(Random::new(Kind::Normal, shape, seed, 0))
        });
        moved(unit, mean, std)
    }

    /// Odd multiples of 2⁻²⁴ in 0..1, of which neither end is one: what the distributions below are made of.
    #[track_caller]
    fn open(&self, name: &'static str, shape: impl ToShape, seed: u64, check: impl FnOnce() -> Result<(), OpError>) -> Tensor {
        self.random(name, shape, |shape| check().map(|()| Random::new(Kind::Open, shape, seed, 0)))
    }

    /// Waiting times: exponentially distributed numbers with mean 1 / rate, all above 0 and finite, up to 17 / rate.
    ///
    /// A rate that is not above 0 and finite, or so small that times may be beyond f32, makes the tensor invalid.
    #[track_caller]
    pub fn exponential(&self, shape: impl ToShape, rate: f64, seed: u64) -> Tensor {
        waiting(&self.open("exponential", shape, seed, || rated("rate", rate))).div_scalar(rate)
    }

    /// Numbers with a Gumbel distribution, loc − scale · log E with E exponential: the largest of many. The place of the largest of logits with such
    /// numbers added is a draw from their softmax ([`Tensor::categorical`]).
    ///
    /// A loc that is not finite, and a scale that is not above 0 or so large that numbers may be beyond f32, make the tensor invalid.
    #[track_caller]
    pub fn gumbel(&self, shape: impl ToShape, loc: f64, scale: f64, seed: u64) -> Tensor {
        let open = self.open("gumbel", shape, seed, || located(loc, scale, FARTHEST));
        moved(gumbel(&open), loc, scale)
    }

    /// Numbers with a Laplace distribution: the density falls off as e^(−|x − loc| / scale) on both sides. Refusals as in [`Device::gumbel`].
    #[track_caller]
    pub fn laplace(&self, shape: impl ToShape, loc: f64, scale: f64, seed: u64) -> Tensor {
        let open = self.open("laplace", shape, seed, || located(loc, scale, FARTHEST));
        moved(laplace(&open), loc, scale)
    }

    /// Numbers with a Cauchy distribution: tan of an angle that is evenly distributed, which has no mean. Up to 5.4·10⁶ scales on either side.
    /// Refusals as in [`Device::gumbel`].
    #[track_caller]
    pub fn cauchy(&self, shape: impl ToShape, loc: f64, scale: f64, seed: u64) -> Tensor {
        let open = self.open("cauchy", shape, seed, || located(loc, scale, FARTHEST_OF_CAUCHY));
        moved(cauchy(&open), loc, scale)
    }

    /// e^z of normally distributed z with mean `mean` and deviation `std`. Refusals as in [`Device::normal`]; a power beyond f32 is ∞.
    #[track_caller]
    pub fn log_normal(&self, shape: impl ToShape, mean: f64, std: f64, seed: u64) -> Tensor {
        self.normal(shape, mean, std, seed).exp().made_by("log_normal", &[])
    }

    /// How many tries until the first success, each with probability p: whole numbers from 1 on, as f32, with mean 1 / p.
    ///
    /// A p that is not above 0 and at most 1, or so small that counts may be beyond f32, makes the tensor invalid.
    #[track_caller]
    pub fn geometric(&self, shape: impl ToShape, p: f64, seed: u64) -> Tensor {
        let open = self.open("geometric", shape, seed, || {
            if p <= 1.0 {
                rated("p", p)
            } else {
                Err(OpError::Value(format!("p is {p}, expected a number above 0 and at most 1")))
            }
        });
        geometric(&open, p)
    }

    /// Whole numbers in `low..high`, as i32, of a known range: each as likely as the others but for a part of (high − low) / 2³². The same bits on
    /// every device. Bounds that are no i32, and a low that is not below high, make the tensor invalid.
    ///
    /// ```
    /// use steepest::Device;
    /// let dice = Device::cpu().randint(1000, 1, 7, 3).to_vec::<i32>()?;
    /// assert!(dice.iter().all(|eyes| (1..7).contains(eyes)) && dice.contains(&1) && dice.contains(&6));
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn randint(&self, shape: impl ToShape, low: i64, high: i64, seed: u64) -> Tensor {
        self.random("randint", shape, |shape| Random::whole(shape, low, high, seed, 0))
    }

    /// The numbers 0..n in random order, as u32, every order with the same probability: an index that shuffles. Drawn on the host: the same on every
    /// device. More than 2³¹ numbers make the tensor invalid.
    #[track_caller]
    pub fn randperm(&self, n: usize, seed: u64) -> Tensor {
        let at = At::caller();
        if i32::try_from(n).is_err() {
            return self.invalid("randperm", at, OpError::Value(format!("n is {n}, expected at most 2³¹ − 1")));
        }
        match shuffled(n, seed, 0) {
            Ok(order) => self.tensor(&order, n),
            Err(error) => self.invalid("randperm", at, OpError::NoRoom(error)),
        }
    }

    /// Normally distributed numbers with mean `mean` and deviation `std`, of those that lie in `low..=high` (`torch.nn.init.trunc_normal_`). Drawn on
    /// the host: the same on every device. Numbers that are not finite, a deviation that is not above 0, and a low that is not below high make the
    /// tensor invalid.
    #[track_caller]
    pub fn truncated_normal(&self, shape: impl ToShape, [mean, std]: [f64; 2], [low, high]: [f64; 2], seed: u64) -> Tensor {
        let at = At::caller();
        let check = || {
            located(mean, std, 1.0)
                .map_err(|_| OpError::Value(format!("mean is {mean} and std is {std}, expected finite numbers, std above 0")))?;
            range(low, high)?;
            let [a, b] = [low, high].map(|bound| (bound - mean) / std);
            // Beyond, nothing of the distribution is left that f64 could tell from 0.
            if low < high && a < 1e6 && b > -1e6 { Ok([a, b]) } else { Err(bounds(low, high)) }
        };
        let made = shape.to_shape().and_then(|shape| Ok((shape, check()?)));
        let (shape, [a, b]) = match made {
            Ok(made) => made,
            Err(error) => return self.invalid("truncated_normal", at, error),
        };
        let mut stream = Stream::new(seed, 0);
        let within = |x: f64| (x as f32).clamp(low as f32, high as f32);
        let numbers = (0..shape.numel()).map(|_| within(mean + std * draw::normal_between(&mut stream, a, b)));
        match collected("truncated_normal", numbers) {
            Ok(numbers) => self.tensor(&numbers, shape),
            Err(error) => self.invalid("truncated_normal", at, error),
        }
    }

    /// 1 / keep with probability `keep`, else 0. A probability that is not above 0 and at most 1 makes the tensor invalid.
    #[track_caller]
    pub fn dropout_mask(&self, shape: impl ToShape, keep: f64, seed: u64, stream: u64) -> Tensor {
        self.random("dropout_mask", shape, |shape| Random::mask(shape, keep, seed, stream))
    }
}

impl Tensor {
    /// 1 with the probability that each element is, else 0, as f32: the same bits on every device. A probability of 0 or less and NaN give 0, one of 1
    /// or more gives 1; others are rounded up to a multiple of 2⁻²⁴. No gradient. Which ones follows from seed and stream alone.
    ///
    /// ```
    /// use steepest::Device;
    /// let p = Device::cpu().tensor(&[0.0, 1.0], 2);
    /// assert_eq!(p.bernoulli(1, 0).to_vec::<f32>()?, [0.0, 1.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn bernoulli(&self, seed: u64, stream: u64) -> Tensor {
        let Ok(shape) = self.try_shape() else { return self.clone() };
        let uniform = record_on(self.node().backend(), Random::new(Kind::Uniform, shape, seed, stream), &[]);
        uniform.lt(self).to_f32().made_by("bernoulli", &[self])
    }

    /// A place of the last axis, as u32, drawn from the softmax of the logits along it: `[…, n]` → `[…]`. The largest of the logits with numbers of
    /// Gumbel's distribution added, so nothing waits. A logit of −∞ is never drawn unless all are, which gives place 0; NaN is drawn. One that is 19
    /// below the largest cannot be drawn any more: it has 6·10⁻⁹ of its probability. Count the stream up with every step.
    ///
    /// ```
    /// use steepest::Device;
    /// let logits = Device::cpu().tensor(&[0.0, f32::NEG_INFINITY, 2.0], 3).expand([1000, 3]);
    /// let drawn = logits.categorical(5, 0).to_vec::<u32>()?;
    /// let twos = drawn.iter().filter(|&&place| place == 2).count();
    /// assert!(!drawn.contains(&1) && (840..920).contains(&twos));
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn categorical(&self, seed: u64, stream: u64) -> Tensor {
        let Ok(shape) = self.try_shape() else { return self.clone() };
        let open = record_on(self.node().backend(), Random::new(Kind::Open, shape, seed, stream), &[]);
        self.add(&gumbel(&open)).argmax(-1).made_by("categorical", &[self])
    }
}

/// −log(1 − u) of u in 0..1 without its ends: a waiting time at rate 1.
#[track_caller]
fn waiting(open: &Tensor) -> Tensor {
    open.neg().log1p().neg()
}

/// −log(−log(1 − u)) of u in 0..1 without its ends.
#[track_caller]
fn gumbel(open: &Tensor) -> Tensor {
    waiting(open).log().neg()
}

/// ∓log(1 − 2 |u − ½|) of u in 0..1 without its ends, which is never ½.
#[track_caller]
fn laplace(open: &Tensor) -> Tensor {
    let side = open.add_scalar(-0.5);
    side.sign().mul(&waiting(&side.abs().mul_scalar(2.0)))
}

/// tan π (u − ½) of u in 0..1 without its ends, which is never ½.
#[track_caller]
fn cauchy(open: &Tensor) -> Tensor {
    let side = open.add_scalar(-0.5);
    // Near a quarter turn by the angle to it, which is exact where the angle is not.
    let far = side.abs().gt_scalar(0.25);
    let angle = far.where_(&side.abs().neg().add_scalar(0.5), &side.abs()).mul_scalar(std::f64::consts::PI);
    let slope = angle.sin().div(&angle.cos());
    side.sign().mul(&far.where_(&slope.reciprocal(), &slope))
}

/// How many tries until the first success with probability p, of u in 0..1 without its ends: a waiting time in units in which a try fails with
/// probability 1 − p, rounded up.
#[track_caller]
fn geometric(open: &Tensor, p: f64) -> Tensor {
    let unit = -(-p).ln_1p();
    if unit.is_infinite() { open.ceil() } else { waiting(open).div_scalar(unit).ceil().maximum(&open.constant(1.0)) }
}

/// The largest number of tries, of a waiting time and of Gumbel's and Laplace's distributions, by their scale.
const FARTHEST: f64 = 17.0;
/// The same of Cauchy's.
const FARTHEST_OF_CAUCHY: f64 = 5.5e6;

/// Refuses a rate that is not above 0, or at which times may be beyond f32.
fn rated(name: &str, rate: f64) -> Result<(), OpError> {
    if finite(rate) && (rate as f32) >= f32::MIN_POSITIVE && finite(FARTHEST / rate) {
        return Ok(());
    }
    Err(OpError::Value(format!(
        "{name} is {rate}, expected a number above 0, finite, with times of 17 / {name} in the range of f32"
    )))
}

/// Refuses a place that is not finite, and a scale that is not above 0 or at which numbers may be beyond f32.
fn located(loc: f64, scale: f64, farthest: f64) -> Result<(), OpError> {
    if !finite(loc) {
        return Err(OpError::Value(format!("loc is {loc}, expected a finite number")));
    }
    if (scale as f32) >= f32::MIN_POSITIVE && finite(farthest * scale) {
        return Ok(());
    }
    Err(OpError::Value(format!("scale is {scale}, expected a number above 0, with {farthest} times it in the range of f32")))
}

/// Of bounds that leave nothing between them.
fn bounds(low: f64, high: f64) -> OpError {
    OpError::Value(format!("low is {low} and high is {high}, expected low below high, and some of the distribution between them"))
}

/// scale x + offset, without work where that is x.
#[track_caller]
fn moved(x: Tensor, offset: f64, scale: f64) -> Tensor {
    let scaled = if scale == 1.0 { x } else { x.mul_scalar(scale) };
    if offset == 0.0 { scaled } else { scaled.add_scalar(offset) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At the ends of what is drawn, every distribution is finite, and symmetric where it should be.
    #[test]
    fn the_ends_of_the_range_are_finite() {
        let device = Device::cpu();
        let least = 2f32.powi(-24);
        let open = device.tensor(&[least, 0.5 - least, 0.5 + least, 1.0 - least], 4);
        let numbers = |t: Tensor| t.to_vec::<f32>().expect("numbers");
        let times = numbers(waiting(&open));
        assert!(times.iter().all(|t| t.is_finite() && *t > 0.0) && (times[3] - 16.635_532).abs() < 1e-4, "{times:?}");
        assert!(numbers(gumbel(&open)).iter().all(|g| g.is_finite() && (-3.0..17.0).contains(g)));
        for sides in [numbers(laplace(&open)), numbers(cauchy(&open))] {
            assert!(sides.iter().all(|x| x.is_finite() && *x != 0.0), "{sides:?}");
            assert!(sides[0] == -sides[3] && sides[1] == -sides[2] && sides[3] > 10.0, "{sides:?}");
        }
        for p in [1.0, 0.999_999_999, 0.5, 1e-6, 1e-30] {
            assert!(numbers(geometric(&open, p)).iter().all(|n| n.is_finite() && *n >= 1.0 && n.fract() == 0.0), "{p}");
        }
        assert_eq!(numbers(geometric(&open, 1.0)), [1.0; 4]);
    }
}
