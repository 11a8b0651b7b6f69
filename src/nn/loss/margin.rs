//! Losses that are 0 beyond a margin: of scores, of pairs and of triplets.

use super::{Reduction, mismatch};
use crate::Tensor;
use crate::error::{OpError, above_zero, finite};

/// max(0, margin − t x)² for targets of −1 and 1: [`hinge`](super::hinge)'s square, which is smooth at the margin. A margin that is no finite f32 is an
/// error.
#[track_caller]
pub fn squared_hinge(x: &Tensor, target: &Tensor, margin: f64, reduction: Reduction) -> Tensor {
    const NAME: &str = "squared_hinge";
    if let Some(invalid) = mismatch(NAME, x, target) {
        return invalid;
    }
    if let Some(invalid) = x.unfit(NAME, "margin", margin, finite, "a finite number") {
        return invalid;
    }
    reduction.of(&x.mul(target).neg().add_scalar(margin).relu().square()).made_by(NAME, &[x, target])
}

/// max(0, margin − t (x − y)): where the target t is 1, x should rank above y, where it is −1 below. All have one shape. A margin that is no finite
/// f32 is an error.
#[track_caller]
pub fn margin_ranking(x: &Tensor, y: &Tensor, target: &Tensor, margin: f64, reduction: Reduction) -> Tensor {
    const NAME: &str = "margin_ranking";
    for other in [y, target] {
        if let Some(invalid) = mismatch(NAME, x, other) {
            return invalid;
        }
    }
    if let Some(invalid) = x.unfit(NAME, "margin", margin, finite, "a finite number") {
        return invalid;
    }
    reduction.of(&x.sub(y).mul(target).neg().add_scalar(margin).relu()).made_by(NAME, &[x, y, target])
}

/// Of pairs of vectors x and y \[rows, n\] with targets \[rows\]: 1 − cos(x, y) where the target is 1, max(0, cos(x, y) − margin) where it is −1, 0 where it
/// is another number. The cosine is [`Tensor::cosine_similarity`] along the last axis, with an eps of 10⁻⁸.
///
/// Of \[…, n\] the targets are \[…\]. Other shapes, and a margin that is not in −1..=1, are errors.
#[track_caller]
pub fn cosine_embedding(x: &Tensor, y: &Tensor, target: &Tensor, margin: f64, reduction: Reduction) -> Tensor {
    const NAME: &str = "cosine_embedding";
    if let Some(invalid) = mismatch(NAME, x, y) {
        return invalid;
    }
    if let (Ok(shape), Ok(targets)) = (x.try_shape(), target.try_shape())
        && shape.dims().split_last().is_none_or(|(_, rows)| rows != targets.dims())
    {
        let message = format!("vectors {shape} and targets {targets}, expected one target for each vector along the last axis");
        return x.refuse(NAME, OpError::Shape(message));
    }
    let fits = |margin: f64| (-1.0..=1.0).contains(&margin);
    if let Some(invalid) = x.unfit(NAME, "margin", margin, fits, "a number in -1..=1") {
        return invalid;
    }
    let cosine = x.cosine_similarity(y, -1, 1e-8);
    let zero = cosine.full_like(0.0);
    let apart = target.eq_scalar(-1.0).where_(&cosine.add_scalar(-margin).relu(), &zero);
    let each = target.eq_scalar(1.0).where_(&cosine.neg().add_scalar(1.0), &apart);
    reduction.of(&each).made_by(NAME, &[x, y, target])
}

/// Of distances x with targets of 1 (alike) and −1 (unlike): x where the target is 1, max(0, margin − x) where it is −1, their sum where it is another
/// number. A margin that is no finite f32 is an error.
#[track_caller]
pub fn hinge_embedding(x: &Tensor, target: &Tensor, margin: f64, reduction: Reduction) -> Tensor {
    const NAME: &str = "hinge_embedding";
    if let Some(invalid) = mismatch(NAME, x, target) {
        return invalid;
    }
    if let Some(invalid) = x.unfit(NAME, "margin", margin, finite, "a finite number") {
        return invalid;
    }
    let zero = x.full_like(0.0);
    let near = target.eq_scalar(1.0).where_(&zero, &x.neg().add_scalar(margin).relu());
    let each = target.eq_scalar(-1.0).where_(&zero, x).add(&near);
    reduction.of(&each).made_by(NAME, &[x, target])
}

/// Scores x \[rows, classes\] of which that of the label should be the largest by a margin: Σ_{c ≠ y} w_y max(0, margin − x_y + x_c)^p / classes, with p of 1
/// or 2 and class weights w \[classes\] (Crammer and Singer 2001).
///
/// Labels are u32 or i32 \[rows\]. [`Reduction::None`] gives \[rows\]. Other shapes, another p and a margin that is no finite f32 are errors.
#[track_caller]
pub fn multi_margin(x: &Tensor, labels: &Tensor, p: u32, margin: f64, weights: Option<&Tensor>, reduction: Reduction) -> Tensor {
    const NAME: &str = "multi_margin";
    if let Some(invalid) = x.unfit(NAME, "margin", margin, finite, "a finite number") {
        return invalid;
    }
    if let Some(invalid) = x.unfit(NAME, "p", f64::from(p), |p| p == 1.0 || p == 2.0, "1 or 2") {
        return invalid;
    }
    let (Ok(shape), Ok(rows)) = (x.try_shape(), labels.try_shape()) else {
        return x.sub(labels).made_by(NAME, &[x, labels]);
    };
    let &[n, classes] = shape.dims() else {
        return x.refuse(NAME, OpError::Shape(format!("scores {shape}, expected [rows,classes]")));
    };
    let fits = weights.is_none_or(|w| w.try_shape().is_ok_and(|w| w.dims() == [classes]));
    if rows.dims() != [n] || !fits {
        let message = format!("scores {shape} and labels {rows}, expected [rows,classes], [rows] and weights [classes]");
        return x.refuse(NAME, OpError::Shape(message));
    }
    let own = x.gather_labels(1, &labels.unsqueeze(1));
    let short = x.sub(&own).add_scalar(margin).relu();
    let short = if p == 2 { short.square() } else { short };
    let others = labels.one_hot(classes).gt_scalar(0.0).where_(&short.full_like(0.0), &short);
    let each = others.sum(&[1]).div_scalar(classes as f64);
    let each = weights.map_or(each.clone(), |w| each.mul(&w.select_labels(0, labels)));
    reduction.of(&each).made_by(NAME, &[&[x, labels], weights.as_slice()].concat())
}

/// Triplets: max(0, d(a, p) − d(a, n) + margin) of rows a (anchor), p (of its kind) and n (of another), with d(u, v) = (Σ |u − v + eps|^q)^(1/q) over the
/// last axis (Balntas et al. 2016). A margin of 1, q = 2 and an eps of 10⁻⁶ unless said otherwise, as PyTorch's `triplet_margin_loss`.
///
/// ```
/// use steepest::{Device, nn::loss::TripletMargin};
/// let device = Device::cpu();
/// let [a, p, n] = [[0.0, 0.0], [3.0, 4.0], [0.0, 5.5]].map(|row| device.tensor(&row, [1, 2]));
/// let loss = TripletMargin::new().margin(2.0).of(&a, &p, &n);
/// assert!((loss.item()? - 1.5).abs() < 1e-5);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TripletMargin {
    margin: f64,
    p: f64,
    eps: f64,
    swap: bool,
    reduction: Reduction,
}

impl Default for TripletMargin {
    fn default() -> TripletMargin {
        TripletMargin { margin: 1.0, p: 2.0, eps: 1e-6, swap: false, reduction: Reduction::Mean }
    }
}

impl TripletMargin {
    /// With the usual numbers.
    pub fn new() -> TripletMargin {
        TripletMargin::default()
    }

    /// How much further away what is of another kind should be: a finite number, not negative.
    pub fn margin(mut self, margin: f64) -> TripletMargin {
        self.margin = margin;
        self
    }

    /// The exponent q of the distance: see [`Tensor::norm`].
    pub fn p(mut self, p: f64) -> TripletMargin {
        self.p = p;
        self
    }

    /// What is added to every difference, so that no distance is 0: a finite number, not negative.
    pub fn eps(mut self, eps: f64) -> TripletMargin {
        self.eps = eps;
        self
    }

    /// Takes the smaller of d(a, n) and d(p, n).
    pub fn swap(mut self) -> TripletMargin {
        self.swap = true;
        self
    }

    /// What becomes of the rows' losses.
    pub fn reduction(mut self, reduction: Reduction) -> TripletMargin {
        self.reduction = reduction;
        self
    }

    /// The loss of three tensors of one shape \[rows, n\], or \[…, n\]; [`Reduction::None`] gives \[rows\]. Other shapes and unfit options are errors.
    #[track_caller]
    pub fn of(&self, anchor: &Tensor, positive: &Tensor, negative: &Tensor) -> Tensor {
        const NAME: &str = "triplet_margin";
        for other in [positive, negative] {
            if let Some(invalid) = mismatch(NAME, anchor, other) {
                return invalid;
            }
        }
        let fits = |x: f64| x == 0.0 || above_zero(x);
        for (option, value) in [("margin", self.margin), ("eps", self.eps)] {
            if let Some(invalid) = anchor.unfit(NAME, option, value, fits, "0 or a finite number above it") {
                return invalid;
            }
        }
        let distance = |u: &Tensor, v: &Tensor| u.sub(v).add_scalar(self.eps).norm(self.p, &[-1]);
        let mut apart = distance(anchor, negative);
        if self.swap {
            apart = apart.minimum(&distance(positive, negative));
        }
        let each = distance(anchor, positive).sub(&apart).add_scalar(self.margin).relu();
        self.reduction.of(&each).made_by(NAME, &[anchor, positive, negative])
    }
}
