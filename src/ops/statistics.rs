//! Order statistics, sums that leave NaN out, and covariances: compositions of sorting, reductions and products.

use crate::error::OpError;
use crate::graph::Tensor;
use crate::shape::Shape;

impl Tensor {
    /// The quantiles `q` along an axis, one after the other along a new first axis: `[…, n, …]` → `[q.len(), …, …]`. With the sorted elements s
    /// it is s(k) + (s(k + 1) − s(k)) t where k + t = q (n − 1): linear interpolation, the default of NumPy and PyTorch.
    ///
    /// NaN where a line holds NaN. A q outside 0..=1, no q, an axis without elements and a type other than f32 are errors. `quantile(&[0.5], axis)`
    /// is the median between the two middle ones; [`Tensor::median`] is the lower of them.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[4.0, 1.0, 3.0, 2.0], 4);
    /// assert_eq!(x.quantile(&[0.0, 0.5, 1.0], 0).to_vec::<f32>()?, [1.0, 2.5, 4.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn quantile(&self, q: &[f64], axis: isize) -> Tensor {
        let (at, n) = match self.line("quantile", axis) {
            Ok(found) => found,
            Err(invalid) => return invalid,
        };
        for &q in q {
            if let Some(invalid) = self.unfit("quantile", "q", q, |q| (0.0..=1.0).contains(&q), "a number from 0 to 1") {
                return invalid;
            }
        }
        let sorted = self.sort(at, false).0;
        // NaN is the largest: if there is one, it is the last.
        let last = sorted.slice(at, -1..).squeeze(&[at]);
        let one = |k: usize| sorted.slice(at, k as isize..k as isize + 1).squeeze(&[at]);
        let each = |&q: &f64| {
            let place = q * (n - 1) as f64;
            let (below, part) = (place.floor() as usize, place.fract());
            let low = one(below);
            let between = if part == 0.0 {
                low
            } else {
                let high = one(below + 1);
                // Two equal infinities have no difference.
                let alike = low.eq(&high).and(&low.is_finite().not());
                alike.where_(&low, &low.add(&high.sub(&low).mul_scalar(part)))
            };
            last.is_nan().where_(&last, &between)
        };
        let all: Vec<Tensor> = q.iter().map(each).collect();
        match all.split_first() {
            None => self.refuse("quantile", OpError::Value("no q given; at least one is needed".to_owned())),
            Some((first, others)) => first.stack(&others.iter().collect::<Vec<_>>(), 0).made_by("quantile", &[self]),
        }
    }

    /// `(values, indices)` of the k-th smallest along an axis, which is gone from the result; k = 1 is the smallest, NaN counts as the largest, and
    /// of equal elements the lower index comes first. A k of 0 or above the axis' size is an error.
    ///
    /// ```
    /// use steepest::Device;
    /// let (value, index) = Device::cpu().tensor(&[3.0, 1.0, 2.0], 3).kthvalue(2, 0);
    /// assert_eq!((value.item()?, index.to_vec::<u32>()?), (2.0, vec![2]));
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn kthvalue(&self, k: usize, axis: isize) -> (Tensor, Tensor) {
        let (at, n) = match self.line("kthvalue", axis) {
            Ok(found) => found,
            Err(invalid) => return (invalid.clone(), invalid),
        };
        if !(1..=n).contains(&k) {
            let message = format!("k is {k}, expected 1 to {n}, the size of axis {axis}");
            let invalid = self.refuse("kthvalue", OpError::Value(message));
            return (invalid.clone(), invalid);
        }
        let indices = self.argsort(at, false).slice(at, k as isize - 1..k as isize);
        (self.gather(at, &indices).squeeze(&[at]), indices.squeeze(&[at]))
    }

    /// `(values, indices)` of the median along an axis, which is gone from the result: of two middle elements the lower one, as PyTorch's; NaN where
    /// a line holds NaN. The median between two is `quantile(&[0.5], axis)`. An axis without elements is an error.
    ///
    /// ```
    /// use steepest::Device;
    /// let (value, index) = Device::cpu().tensor(&[4.0, 1.0, 3.0, 2.0], 4).median(0);
    /// assert_eq!((value.item()?, index.to_vec::<u32>()?), (2.0, vec![3]));
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn median(&self, axis: isize) -> (Tensor, Tensor) {
        let (at, n) = match self.line("median", axis) {
            Ok(found) => found,
            Err(invalid) => return (invalid.clone(), invalid),
        };
        let order = self.argsort(at, false);
        let place = |k: usize| order.slice(at, k as isize..k as isize + 1);
        let (middle, last) = (place((n - 1) / 2), place(n - 1));
        if n == 1 {
            return (self.squeeze(&[at]), middle.squeeze(&[at]));
        }
        // NaN is the largest: if there is one, the last is.
        let broken = self.detach().to_f32().gather(at, &last).is_nan();
        let indices = broken.where_(&last, &middle);
        (self.gather(at, &indices).squeeze(&[at]), indices.squeeze(&[at]))
    }

    /// [`Tensor::median`] of the elements that are not NaN; NaN where all are. f32 only.
    #[track_caller]
    pub fn nanmedian(&self, axis: isize) -> (Tensor, Tensor) {
        let at = match self.line("nanmedian", axis) {
            Ok((at, _)) => at,
            Err(invalid) => return (invalid.clone(), invalid),
        };
        let order = self.argsort(at, false);
        let count = self.is_nan().not().to_f32().sum_keepdim(&[at]);
        // Of none it is the first, which is NaN.
        let place = count.add_scalar(-1.0).mul_scalar(0.5).floor().clamp(0.0, f64::INFINITY).to_u32();
        let indices = order.gather(at, &place).made_by("nanmedian", &[self]);
        (self.gather(at, &indices).squeeze(&[at]), indices.squeeze(&[at]))
    }

    /// `(values, indices)` of the most frequent value along an axis, which is gone from the result: of several the smallest, at its first place. NaN
    /// is one value. f32 only; an axis without elements is an error.
    ///
    /// ```
    /// use steepest::Device;
    /// let (value, index) = Device::cpu().tensor(&[3.0, 1.0, 3.0, 1.0, 2.0], 5).mode(0);
    /// assert_eq!((value.item()?, index.to_vec::<u32>()?), (1.0, vec![1]));
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn mode(&self, axis: isize) -> (Tensor, Tensor) {
        let at = match self.line("mode", axis) {
            Ok((at, _)) => at,
            Err(invalid) => return (invalid.clone(), invalid),
        };
        let lines = self.movedim(at, -1);
        let order = lines.argsort(-1, false);
        let sorted = lines.gather(-1, &order);
        // How many are equal to each: those up to it but for those below it.
        let counts = sorted.searchsorted(&sorted, true).to_f32().sub(&sorted.searchsorted(&sorted, false).to_f32());
        let indices = order.gather(-1, &counts.argmax(-1).unsqueeze(-1)).made_by("mode", &[self]);
        (lines.gather(-1, &indices).squeeze(&[-1]), indices.squeeze(&[-1]))
    }

    /// Σ x over some axes (an empty list means all) with NaN left out; 0 of nothing else. No gradient flows to what is left out.
    #[track_caller]
    pub fn nansum(&self, axes: &[isize]) -> Tensor {
        self.is_nan().where_(&self.constant(0.0), self).sum(axes).made_by("nansum", &[self])
    }

    /// The mean over some axes (an empty list means all) of what is not NaN; NaN of nothing else.
    #[track_caller]
    pub fn nanmean(&self, axes: &[isize]) -> Tensor {
        let count = self.is_nan().not().to_f32().sum(axes);
        self.nansum(axes).div(&count).made_by("nanmean", &[self])
    }

    /// How many elements are not 0 over some axes (an empty list means all), as u32; NaN is not 0.
    #[track_caller]
    pub fn count_nonzero(&self, axes: &[isize]) -> Tensor {
        self.to_bool().to_u32().sum(axes).made_by("count_nonzero", &[self])
    }

    /// The covariances of variables: rows of `[variables, observations]`, or one row of `[observations]`; Σ (x − x̄)(y − ȳ) / (n − ddof), with
    /// ddof 1 for a sample and 0 for a population. `[v, n]` → `[v, v]`, `[n]` → a number. Other ranks are an error.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[0.0, 1.0, 2.0, 4.0, 2.0, 0.0], [2, 3]);
    /// assert_eq!(x.cov(1).to_vec::<f32>()?, [1.0, -2.0, -2.0, 4.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn cov(&self, ddof: usize) -> Tensor {
        let shape = match self.variables("cov") {
            Ok(shape) => shape,
            Err(invalid) => return invalid,
        };
        let n = shape.dims().last().copied().unwrap_or(0);
        let rows = self.sub(&self.mean_keepdim(&[-1])).reshape([shape.numel() / n.max(1), n]);
        let products = rows.matmul(&rows.t()).div_scalar((n as f64 - ddof as f64).max(0.0));
        let products = if shape.rank() == 1 { products.reshape(()) } else { products };
        products.made_by("cov", &[self])
    }

    /// The correlations of variables: [`Tensor::cov`] by the deviations of both, limited to ±1; NaN where a variable does not vary.
    /// `[v, n]` → `[v, v]`, `[n]` → a number.
    #[track_caller]
    pub fn corrcoef(&self) -> Tensor {
        let shape = match self.variables("corrcoef") {
            Ok(shape) => shape,
            Err(invalid) => return invalid,
        };
        let covariances = self.cov(0);
        let made = if shape.rank() == 1 {
            covariances.div(&covariances)
        } else {
            let deviations = covariances.diagonal(0).sqrt();
            covariances.div(&deviations.unsqueeze(1)).div(&deviations).clamp(-1.0, 1.0)
        };
        made.made_by("corrcoef", &[self])
    }

    /// The axis as one from the end, and its size; or an invalid tensor: no such axis, or no elements along it.
    #[track_caller]
    fn line(&self, op: &'static str, axis: isize) -> Result<(isize, usize), Tensor> {
        match self.try_shape().map(|s| s.axis(axis).map(|at| (s, at))) {
            Err(_) => Err(self.clone()),
            Ok(Err(error)) => Err(self.refuse(op, error)),
            Ok(Ok((s, at))) if s.dims()[at] == 0 => {
                Err(self.refuse(op, OpError::Shape(format!("axis {at} of {s} has no elements: there is nothing to choose"))))
            }
            Ok(Ok((s, at))) => Ok((at as isize, s.dims()[at])),
        }
    }

    /// The shape of variables and their observations.
    #[track_caller]
    fn variables(&self, op: &'static str) -> Result<Shape, Tensor> {
        match self.try_shape() {
            Err(_) => Err(self.clone()),
            Ok(s) if s.rank() == 1 || s.rank() == 2 => Ok(s),
            Ok(s) => Err(self.refuse(op, OpError::Shape(format!("{s} is neither [observations] nor [variables, observations]")))),
        }
    }
}
