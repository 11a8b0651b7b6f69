//! Dropout: in training, zeroes each element with probability p and scales the others by 1 / (1 − p); of whole channels, and for networks that
//! normalise themselves.

use super::{Blueprint, Module, Site, summary};
use crate::Tensor;
use crate::error::{OpError, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What every layer has that drops something: how likely, and which random numbers come next.
#[derive(Debug)]
struct Dropping {
    p: f64,
    seed: u64,
    passes: AtomicU64,
    training: AtomicBool,
}

impl Clone for Dropping {
    /// The same masks from here on, drawn apart.
    fn clone(&self) -> Dropping {
        Dropping {
            passes: AtomicU64::new(self.passes.load(Ordering::Relaxed)),
            training: AtomicBool::new(self.training.load(Ordering::Relaxed)),
            ..*self
        }
    }
}

impl Dropping {
    fn new(p: f64, seed: u64) -> Dropping {
        Dropping { p, seed, passes: AtomicU64::new(0), training: AtomicBool::new(true) }
    }

    fn build(site: &Site<'_>) -> Result<Dropping> {
        Ok(Dropping::new(site.number("p")?, site.blueprint().whole("seed")?))
    }

    /// The number of this pass; `None` where nothing is dropped.
    fn pass(&self) -> Option<u64> {
        // A look at the shapes is no training step: it draws no mask.
        let off = self.p == 0.0 || !self.training.load(Ordering::Relaxed) || summary::tracing();
        (!off).then(|| self.passes.fetch_add(1, Ordering::Relaxed))
    }

    fn blueprint(&self, kind: &str) -> Blueprint {
        Blueprint::new(kind).set("p", self.p).set("seed", self.seed)
    }
}

/// A layer around [`Dropping`]: all but what it does with a pass.
macro_rules! dropping {
    ($name:ident, $kind:literal) => {
        impl $name {
            /// Drops with probability `p`. A `p` outside 0 ≤ p < 1 makes the output invalid.
            pub fn new(p: f64, seed: u64) -> $name {
                $name { dropping: Dropping::new(p, seed) }
            }

            pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
                Ok(Box::new($name { dropping: Dropping::build(site)? }))
            }
        }

        impl Module for $name {
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Tensor {
                let _layer = crate::nn::entered(self);
                self.dropping.pass().map_or_else(|| x.clone(), |pass| self.dropped(x, pass))
            }

            fn visit_counters(&self, visit: &mut dyn FnMut(&str, &AtomicU64)) {
                visit("passes", &self.dropping.passes);
            }

            fn set_training(&self, on: bool) {
                self.dropping.training.store(on, Ordering::Relaxed);
            }

            fn blueprint(&self) -> Option<Blueprint> {
                Some(self.dropping.blueprint($kind))
            }

            fn describe(&self) -> String {
                format!("{}({})", $kind, self.dropping.p)
            }
        }
    };
}

/// Dropout (Srivastava et al. 2014). Every forward pass in training draws a new mask from the same seed.
#[derive(Clone, Debug)]
pub struct Dropout {
    dropping: Dropping,
}

dropping!(Dropout, "Dropout");

impl Dropout {
    fn dropped(&self, x: &Tensor, pass: u64) -> Tensor {
        x.dropout(self.dropping.p, self.dropping.seed, pass)
    }

    /// Probability, seed and stream of the next mask; `None` where nothing is dropped.
    pub(super) fn draw(&self) -> Option<(f64, u64, u64)> {
        self.dropping.pass().map(|pass| (self.dropping.p, self.dropping.seed, pass))
    }
}

/// Dropout of whole channels (Tompson et al. 2015): x \[n, channels, …\], in training each channel of each row is 0 with probability p, else divided by
/// 1 − p. For feature maps, whose neighbouring places say much the same. Fewer than two axes are an error.
///
/// ```
/// use steepest::{Device, nn::{Dropout2d, Module}};
/// let device = Device::cpu();
/// let y = Dropout2d::new(0.5, 1).forward(&device.ones([1, 8, 2, 2])).to_vec::<f32>()?;
/// assert!(y.chunks(4).all(|channel| channel == [0.0; 4] || channel == [2.0; 4]));
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct ChannelDropout {
    dropping: Dropping,
}

/// [`ChannelDropout`] of \[n, channels, length\], by the name PyTorch has for it.
pub type Dropout1d = ChannelDropout;
/// [`ChannelDropout`] of \[n, channels, height, width\], by the name PyTorch has for it.
pub type Dropout2d = ChannelDropout;
/// [`ChannelDropout`] of \[n, channels, depth, height, width\], by the name PyTorch has for it.
pub type Dropout3d = ChannelDropout;

dropping!(ChannelDropout, "ChannelDropout");

impl ChannelDropout {
    fn dropped(&self, x: &Tensor, pass: u64) -> Tensor {
        let Ok(shape) = x.try_shape() else { return x.clone() };
        let &[n, channels, ref rest @ ..] = shape.dims() else {
            return x.refuse("channel_dropout", OpError::Shape(format!("input is {shape}, expected [n,channels,…]")));
        };
        let each = [&[n, channels], &vec![1; rest.len()][..]].concat();
        let mask = x.device().ones(each).dropout(self.dropping.p, self.dropping.seed, pass);
        x.masked(&mask).made_by("channel_dropout", &[x])
    }
}

/// What SELU tends to for x → −∞: −λ α (Klambauer et al. 2017).
const SELU_LEAST: f64 = -1.758_099_340_847_376_6;

/// Dropout that keeps mean 0 and variance 1 (Klambauer et al. 2017), for networks of SELUs: with probability p an element becomes α′ = −1.758…, SELU's
/// least value, and all become a x + b with a = (q + α′² q p)^−½, b = −a α′ p, q = 1 − p.
#[derive(Debug)]
pub struct AlphaDropout {
    dropping: Dropping,
}

dropping!(AlphaDropout, "AlphaDropout");

impl AlphaDropout {
    fn dropped(&self, x: &Tensor, pass: u64) -> Tensor {
        let Dropping { p, seed, .. } = self.dropping;
        let q = 1.0 - p;
        let a = (q + SELU_LEAST * SELU_LEAST * q * p).sqrt().recip();
        let b = -a * SELU_LEAST * p;
        let Ok(shape) = x.try_shape() else { return x.clone() };
        let kept = x.device().ones(shape).dropout(p, seed, pass);
        let dropped = kept.eq_scalar(0.0).where_(&x.full_like(SELU_LEAST), x);
        dropped.mul_scalar(a).add_scalar(b).made_by("alpha_dropout", &[x, &kept])
    }
}
