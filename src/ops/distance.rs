//! Distances between points: p-norms of differences. No |a|² + |b|² − 2 a·b, which has no digits left where points are close to each other.

use crate::error::{OpError, finite};
use crate::graph::Tensor;

impl Tensor {
    /// Distances between all pairs of points of two sets, `[…, m, d]` and `[…, n, d]` → `[…, m, n]`: (Σ |x − y|^p)^(1/p). p = 2 is Euclid's, 1 the
    /// sum of the differences, ∞ the largest of them, and 0 counts those that are not 0. The axes before the last two broadcast.
    ///
    /// Of close points it is as exact as their difference; its gradient is 0 where the distance is 0. It takes memory for the differences,
    /// m · n · d numbers for each pair of sets. A p that is negative, NaN, or of which p or 1/p is no normal f32, and different d, are errors.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let (x, y) = (device.tensor(&[0.0, 0.0, 3.0, 4.0], [2, 2]), device.tensor(&[3.0, 0.0], [1, 2]));
    /// assert_eq!(x.cdist(&y, 2.0).to_vec::<f32>()?, [3.0, 4.0]);
    /// assert_eq!(x.cdist(&x, f64::INFINITY).to_vec::<f32>()?, [0.0, 4.0, 4.0, 0.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn cdist(&self, other: &Tensor, p: f64) -> Tensor {
        if let Some(invalid) = self.unfit("cdist", "p", p, |p| p >= 0.0, "0, a positive number, or ∞") {
            return invalid;
        }
        let made = match (self.try_shape(), other.try_shape()) {
            (Err(_), _) => return self.clone(),
            (_, Err(_)) => return other.clone(),
            (Ok(a), Ok(b)) => match (a.dims(), b.dims()) {
                ([.., m, d], [.., n, e]) if d == e => {
                    let differences = self.unsqueeze(-2).sub(&other.unsqueeze(-3));
                    // Of no numbers there is no largest: points without coordinates are at distance 0.
                    if m * n * d == 0 { differences.sum(&[-1]) } else { differences.norm(p, &[-1]) }
                }
                _ => self.refuse("cdist", OpError::Shape(format!("{a} and {b}: […,m,d] and […,n,d] are expected"))),
            },
        };
        made.made_by("cdist", &[self, other])
    }

    /// Distances between all pairs of different points of one set, `[n, d]` → `[n (n − 1) / 2]`: of points 0 and 1, 0 and 2, …, 1 and 2, …; see
    /// [`Tensor::cdist`]. Other ranks are an error.
    #[track_caller]
    pub fn pdist(&self, p: f64) -> Tensor {
        if let Some(invalid) = self.unfit("pdist", "p", p, |p| p >= 0.0, "0, a positive number, or ∞") {
            return invalid;
        }
        let (n, d) = match self.try_shape() {
            Err(_) => return self.clone(),
            Ok(s) => match *s.dims() {
                [n, d] => (n, d),
                _ => return self.refuse("pdist", OpError::Shape(format!("{s}: [n,d] is expected"))),
            },
        };
        let pairs: Vec<(u32, u32)> = (0..n as u32).flat_map(|i| (i + 1..n as u32).map(move |j| (i, j))).collect();
        let points = |index: Vec<u32>| self.index_select(0, &self.device().tensor(&index, index.len()));
        let (left, right) = pairs.into_iter().unzip();
        let differences = points(left).sub(&points(right));
        let made = if n < 2 || d == 0 { differences.sum(&[-1]) } else { differences.norm(p, &[-1]) };
        made.made_by("pdist", &[self])
    }

    /// Distances between points of the same place, along the last axis, which is gone from the result: (Σ |x − y + eps|^p)^(1/p)
    /// (`torch.nn.PairwiseDistance`, whose `eps` is 10⁻⁶ unless another is given). The shapes broadcast; p as in [`Tensor::cdist`]. An `eps` that is
    /// no finite f32 is an error.
    #[track_caller]
    pub fn pairwise_distance(&self, other: &Tensor, p: f64, eps: f64) -> Tensor {
        let name = "pairwise_distance";
        if let Some(invalid) = self.unfit(name, "p", p, |p| p >= 0.0, "0, a positive number, or ∞") {
            return invalid;
        }
        if let Some(invalid) = self.unfit(name, "eps", eps, finite, "a finite number") {
            return invalid;
        }
        let differences = self.sub(other);
        let differences = if eps == 0.0 { differences } else { differences.add_scalar(eps) };
        let empty = differences.try_shape().is_ok_and(|s| s.dims().last() == Some(&0));
        let made = if empty { differences.sum(&[-1]) } else { differences.norm(p, &[-1]) };
        made.made_by(name, &[self, other])
    }
}
