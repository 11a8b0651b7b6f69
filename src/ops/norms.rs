//! The p-norm of any p: (Σ |x|^p)^(1/p), with its limits.

use crate::graph::Tensor;

impl Tensor {
    /// The p-norm (Σ |x|^p)^(1/p) over some axes: ∞ gives the largest |x|, −∞ the smallest, and 0 the number of elements that are not 0.
    ///
    /// p = 2 is the Euclidean norm, and over all axes of a matrix the Frobenius norm. Where the norm is 0 its gradient is 0, and so it is
    /// everywhere for p = 0. NaN, and a p of which p or 1/p is no normal f32, are errors.
    #[track_caller]
    pub fn norm(&self, p: f64, axes: &[isize]) -> Tensor {
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
