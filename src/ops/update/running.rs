//! Running sums and means in place: s ← keep s + gain x.

use super::{Settings, by_element, in_place, update};
use crate::graph::op::{Array, Lowering, Op, Spec, Variant};
use crate::graph::{GradOff, Tensor, record};

/// Inputs: the sum or mean s, and x, which it takes up: s ← keep s + gain x. What has the factor 0 is not looked at: it may be infinite or NaN.
#[derive(Clone, Debug)]
pub struct Running {
    /// What is left of s.
    pub keep: f64,
    /// How much of x is added.
    pub gain: f64,
}

impl Op for Running {
    in_place!(0);

    fn name(&self) -> &'static str {
        "running"
    }
    fn scalars(&self) -> Vec<u32> {
        Settings { rate: self.gain as f32, momentum: self.keep as f32, ..Default::default() }.words()
    }
    fn lower(&self, _: &[Spec], _: &Spec) -> Lowering {
        update("running", Variant::new("update/running", [1; 3]), |c, [s], x| {
            let times = |factor: f32, x: f32| if factor == 0.0 { 0.0 } else { factor * x };
            for (s, &x) in s.iter_mut().zip(x) {
                *s = times(c.momentum, *s) + times(c.rate, x);
            }
        })
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        3 * inputs[0].shape.numel() as u64
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let times = |factor: f64, x: f64| if factor == 0.0 { 0.0 } else { factor * x };
        by_element(inputs, output, |x| [times(self.keep, x[0]) + times(self.gain, x[1])])
    }
}

impl Tensor {
    /// Has this running sum or mean take up `x`: running the result overwrites it by `keep` times itself plus `gain` times `x`. What has the
    /// factor 0 is not looked at, so `keep` 0 makes it `gain` times `x` whatever it was.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let (mean, x) = (device.tensor(&[1.0, 2.0], 2), device.tensor(&[3.0, 0.0], 2));
    /// mean.running_update(&x, 0.75, 0.25).run()?;
    /// assert_eq!(mean.to_vec::<f32>()?, [1.5, 1.5]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// Another shape of `x` makes the result invalid.
    #[track_caller]
    #[doc(hidden)]
    pub fn running_update(&self, x: &Tensor, keep: f64, gain: f64) -> Tensor {
        let _off = GradOff::begin();
        record(Running { keep, gain }, &[self, x])
    }
}
