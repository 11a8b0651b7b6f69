//! Reductions as methods of tensors, and what is made of them: means, variances, norms.

use super::{Kind, Reduce, ReduceWords};
use crate::error::OpError;
use crate::graph::Tensor;

macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident, $keep:ident => $kind:ident;)*) => {
        impl Tensor {
            $($(#[$doc])*
            ///
            /// An empty list means all axes; negative axes count from the end.
            #[track_caller]
            pub fn $name(&self, axes: &[isize]) -> Tensor {
                self.reduce(Kind::$kind, axes, false)
            }

            $(#[$doc])*
            ///
            /// The axes stay, with size 1.
            #[track_caller]
            pub fn $keep(&self, axes: &[isize]) -> Tensor {
                self.reduce(Kind::$kind, axes, true)
            })*
        }
    };
}

reductions! {
    /// Σ x over some axes; 0 of no elements. Of integers it wraps around; of bool it is how many are true, a u32.
    sum, sum_keepdim => Sum;
    /// The mean over some axes; NaN of no elements. Of equal numbers it is that number.
    mean, mean_keepdim => Mean;
    /// Π x over some axes; 1 of no elements. Of integers it wraps around.
    prod, prod_keepdim => Prod;
    /// The largest over some axes; NaN if any is NaN; ties share the gradient evenly.
    max, max_keepdim => Max;
    /// The smallest over some axes; NaN if any is NaN; ties share the gradient evenly.
    min, min_keepdim => Min;
}

impl Tensor {
    #[track_caller]
    fn reduce(&self, kind: Kind, axes: &[isize], keepdim: bool) -> Tensor {
        let words = self.spec().is_ok_and(|s| !s.dtype.is_float());
        if words && kind.is_arg() {
            // The first that is the extreme: of 0 and 1 the first largest.
            let best = self.reduce(if kind == Kind::ArgMax { Kind::Max } else { Kind::Min }, axes, true);
            return self.eq(&best).to_f32().reduce(Kind::ArgMax, axes, keepdim).made_by(kind.name(), &[self]);
        }
        if words && kind != Kind::Mean {
            return self.with_shape(kind.name(), |s| Ok(ReduceWords(Reduce { kind, axes: s.axes(axes)?, keepdim })));
        }
        self.with_shape(kind.name(), |s| Ok(Reduce { kind, axes: s.axes(axes)?, keepdim }))
    }

    /// Index of the largest along an axis, as u32; the lowest index of a tie; the first NaN if there is one.
    #[track_caller]
    pub fn argmax(&self, axis: isize) -> Tensor {
        self.reduce(Kind::ArgMax, &[axis], false)
    }

    /// Index of the smallest along an axis, as u32; the lowest index of a tie; the first NaN if there is one.
    #[track_caller]
    pub fn argmin(&self, axis: isize) -> Tensor {
        self.reduce(Kind::ArgMin, &[axis], false)
    }

    /// Whether any element is true (not 0) over some axes, as bool; false of no elements. An empty list means all axes.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[0.0, 2.0, 0.0, 0.0], [2, 2]);
    /// assert_eq!(x.any(&[1]).to_vec::<bool>()?, [true, false]);
    /// assert_eq!(x.all(&[]).to_vec::<bool>()?, [false]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn any(&self, axes: &[isize]) -> Tensor {
        self.to_bool().sum(axes).to_bool().made_by("any", &[self])
    }

    /// Whether all elements are true (not 0) over some axes, as bool; true of no elements. An empty list means all axes.
    #[track_caller]
    pub fn all(&self, axes: &[isize]) -> Tensor {
        self.to_bool().not().any(axes).not().made_by("all", &[self])
    }

    /// How many elements the axes hold together; 0 where that cannot be said.
    fn count(&self, axes: &[isize]) -> f64 {
        if let (Ok(spec), []) = (self.node().spec(), axes) {
            return spec.shape.numel() as f64;
        }
        let axes = self.try_shape().ok().and_then(|s| Some((s, s.axes(axes).ok()?)));
        axes.map_or(0.0, |(s, axes)| axes.iter().map(|&a| s.dims()[a]).product::<usize>() as f64)
    }

    /// The variance Σ (x − mean)² / (n − ddof) over some axes: ddof 0 for a population, 1 for a sample. Of equal numbers it is 0.
    #[track_caller]
    pub fn var(&self, axes: &[isize], ddof: usize) -> Tensor {
        let squares = self.sub(&self.mean_keepdim(axes)).square();
        if ddof == 0 {
            return squares.mean(axes).made_by("var", &[self]);
        }
        let n = self.count(axes) - ddof as f64;
        squares.sum(axes).div_scalar(n.max(0.0)).made_by("var", &[self])
    }

    /// The square root of the variance. Where it is 0 its gradient is 0, as PyTorch's.
    #[track_caller]
    pub fn std(&self, axes: &[isize], ddof: usize) -> Tensor {
        self.var(axes, ddof).root().made_by("std", &[self])
    }

    /// Σ |x| over some axes (an empty list means all).
    #[track_caller]
    pub fn l1_norm(&self, axes: &[isize]) -> Tensor {
        if let Some(invalid) = self.unless_float("l1_norm") {
            return invalid;
        }
        self.abs().sum(axes).made_by("l1_norm", &[self])
    }

    /// Σ |x| over some axes, which stay with size 1.
    #[track_caller]
    pub fn l1_norm_keepdim(&self, axes: &[isize]) -> Tensor {
        if let Some(invalid) = self.unless_float("l1_norm") {
            return invalid;
        }
        self.abs().sum_keepdim(axes).made_by("l1_norm", &[self])
    }

    /// √(Σ x²) over some axes (an empty list means all). Where it is 0 its gradient is 0, as PyTorch's.
    #[track_caller]
    pub fn l2_norm(&self, axes: &[isize]) -> Tensor {
        self.square().sum(axes).root().made_by("l2_norm", &[self])
    }

    /// √(Σ x²) over some axes, which stay with size 1.
    #[track_caller]
    pub fn l2_norm_keepdim(&self, axes: &[isize]) -> Tensor {
        self.square().sum_keepdim(axes).root().made_by("l2_norm", &[self])
    }

    /// √(Σ x²) over the last two axes: of a matrix, or of every matrix in a batch. Fewer than two axes are an error.
    #[track_caller]
    pub fn frobenius_norm(&self) -> Tensor {
        self.l2_norm(&[-2, -1]).made_by("frobenius_norm", &[self])
    }

    /// √(Σ x²) over the last two axes, which stay with size 1.
    #[track_caller]
    pub fn frobenius_norm_keepdim(&self) -> Tensor {
        self.l2_norm_keepdim(&[-2, -1]).made_by("frobenius_norm", &[self])
    }

    /// x · min(1, max / (‖x‖ + 10⁻⁶)): as it is while its Euclidean norm is below `max`, else scaled down to it (`torch.nn.utils.clip_grad_norm_`
    /// of one tensor). A `max` that is negative or not finite is an error.
    #[track_caller]
    pub fn clip_by_norm(&self, max: f64) -> Tensor {
        if !(0.0..f64::INFINITY).contains(&max) {
            return self.refuse(
                "clip_by_norm",
                OpError::Value(format!("max is {max}; a finite number that is not negative is expected")),
            );
        }
        let factor = self.constant(max).div(&self.l2_norm(&[]).add_scalar(1e-6));
        self.mul(&factor.minimum(&self.constant(1.0))).made_by("clip_by_norm", &[self])
    }

    /// √x of a sum of squares, whose gradient is 0 where it is 0 and not 0 / 0.
    #[track_caller]
    pub(in crate::ops) fn root(&self) -> Tensor {
        let zero = self.eq_scalar(0.0);
        zero.where_(self, &zero.where_(&self.full_like(1.0), self).sqrt())
    }
}

impl Tensor {
    /// The p-norm (Σ |x|^p)^(1/p) over some axes: ∞ gives the largest |x|, −∞ the smallest, and 0 the number of elements that are not 0.
    ///
    /// p = 2 is the Euclidean norm, and over all axes of a matrix the Frobenius norm. Where the norm is 0 its gradient is 0, and so it is
    /// everywhere for p = 0. NaN, and a p of which p or 1/p is no normal f32, are errors.
    #[track_caller]
    pub fn norm(&self, p: f64, axes: &[isize]) -> Tensor {
        if let Some(invalid) = self.unless_float("norm") {
            return invalid;
        }
        let usable = |p: f64| (p as f32).is_normal() && ((1.0 / p) as f32).is_normal();
        let norm = if p == 1.0 {
            self.l1_norm(axes)
        } else if p == 2.0 {
            self.l2_norm(axes)
        } else if p == f64::INFINITY {
            self.abs().max(axes)
        } else if p == f64::NEG_INFINITY {
            self.abs().min(axes)
        } else if p == 0.0 {
            // Where x is 0 its sign is, with a gradient of 0 too: a truth value alone would cut the gradient off.
            let other = self.ne(&self.constant(0.0));
            other.where_(&self.constant(1.0), &self.sign()).sum(axes)
        } else if let Some(invalid) = self.unfit("norm", "p", p, usable, "0, ±∞, or a number of a size from 1.2e-38 to 8.5e37")
        {
            return invalid;
        } else {
            self.power_norm(p, axes)
        };
        norm.made_by("norm", &[self])
    }

    /// (Σ |x|^p)^(1/p) for a finite p. By c (Σ |x/c|^p)^(1/p) with the largest |x| as c (for p < 0 the smallest), so that no power of a large
    /// number or of a small one is beyond the range. The norm does not depend on c, so c has no part in the gradient.
    #[track_caller]
    fn power_norm(&self, p: f64, axes: &[isize]) -> Tensor {
        let size = self.abs();
        let power = |x: &Tensor| x.pow_scalar(p).sum(axes).pow_scalar(1.0 / p);
        let empty = self.try_shape().is_ok_and(|s| s.axes(axes).is_ok_and(|axes| axes.iter().any(|&a| s.dims()[a] == 0)));
        if empty {
            return power(&size);
        }
        let one = self.constant(1.0);
        let usable = |c: &Tensor| c.is_finite().and(&c.gt_scalar(0.0)).where_(c, &one).detach();
        let (wide, c) = if p > 0.0 { (size.max_keepdim(axes), size.max(axes)) } else { (size.min_keepdim(axes), size.min(axes)) };
        power(&size.div(&usable(&wide))).mul(&usable(&c))
    }
}
