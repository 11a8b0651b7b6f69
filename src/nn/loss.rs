//! Losses: how far predictions are from targets, as a number to differentiate. Definitions and conventions are PyTorch's.
//!
//! Prediction and target must have one shape: a loss never broadcasts. A mismatch gives an invalid tensor that carries an
//! [`OpError::Shape`] to the first run point.

mod likelihood;
mod margin;

pub use super::ctc::Ctc;
pub use likelihood::{GaussianNll, PoissonNll};
pub use margin::{TripletMargin, cosine_embedding, hinge_embedding, margin_ranking, multi_margin, squared_hinge};

use crate::error::{OpError, above_zero, finite};
use crate::{DType, Tensor};

/// What becomes of the losses of all elements (of all rows, for the losses over classes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean. With class weights or an ignored label: the weighted mean over the rows that count.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// Their sum divided by the size of the first axis, the number of rows.
    BatchMean,
    /// Nothing: one loss per element (per row, for the losses over classes).
    None,
}

impl Reduction {
    /// Applies it to the losses of all elements, for losses of one's own: \[…\] → \[\], or \[…\] for [`Reduction::None`].
    #[track_caller]
    pub fn of(self, each: &Tensor) -> Tensor {
        match self {
            Reduction::Mean => each.mean(&[]),
            Reduction::Sum => each.sum(&[]),
            Reduction::BatchMean => each.sum(&[]).div_scalar(rows(each)),
            Reduction::None => each.clone(),
        }
    }
}

/// The size of the first axis; 1 of a scalar, NaN where it cannot be said.
fn rows(x: &Tensor) -> f64 {
    x.try_shape().map_or(f64::NAN, |s| s.dims().first().map_or(1.0, |&n| n as f64))
}

/// An invalid tensor if the shapes differ, since broadcasting \[n\] against \[n,1\] to \[n,n\] is never what a loss means; and of integers, whose
/// differences wrap around.
#[track_caller]
fn mismatch(loss: &'static str, x: &Tensor, target: &Tensor) -> Option<Tensor> {
    if let (Ok(a), Ok(b)) = (x.spec(), target.spec())
        && (a.dtype != DType::F32 || b.dtype != DType::F32)
    {
        return Some(
            x.refuse(loss, OpError::DType(format!("prediction {a} and target {b}, expected f32; convert with to_f32()"))),
        );
    }
    match (x.try_shape(), target.try_shape()) {
        (Ok(a), Ok(b)) if a != b => {
            Some(x.refuse(loss, OpError::Shape(format!("prediction {a} and target {b} differ; a loss does not broadcast"))))
        }
        _ => None,
    }
}

/// Mean squared error: (x − t)².
#[track_caller]
pub fn mse(x: &Tensor, target: &Tensor, reduction: Reduction) -> Tensor {
    if let Some(invalid) = mismatch("mse", x, target) {
        return invalid;
    }
    reduction.of(&x.sub(target).square()).made_by("mse", &[x, target])
}

/// Mean absolute error: |x − t|; gradient 0 where they are equal.
#[track_caller]
pub fn mae(x: &Tensor, target: &Tensor, reduction: Reduction) -> Tensor {
    if let Some(invalid) = mismatch("mae", x, target) {
        return invalid;
    }
    reduction.of(&x.sub(target).abs()).made_by("mae", &[x, target])
}

/// Huber's loss (1964): d² / 2 for d = |x − t| below `delta`, delta (d − delta / 2) above. `delta` must be above 0, and may be infinite: then it
/// is d² / 2 everywhere.
#[track_caller]
pub fn huber(x: &Tensor, target: &Tensor, delta: f64, reduction: Reduction) -> Tensor {
    if let Some(invalid) = mismatch("huber", x, target) {
        return invalid;
    }
    // In f32, very small numbers are 0.
    let fits = |delta: f64| delta >= f64::from(f32::MIN_POSITIVE);
    if let Some(invalid) = x.unfit("huber", "delta", delta, fits, "a number above 0, and not below 1.2e-38") {
        return invalid;
    }
    let d = x.sub(target).abs();
    if delta.is_infinite() {
        return reduction.of(&d.square().mul_scalar(0.5)).made_by("huber", &[x, target]);
    }
    // c (d − c / 2) with c = min(d, delta): one formula for both parts, of which neither overflows where the other is meant.
    let c = d.clamp(f64::NEG_INFINITY, delta);
    reduction.of(&c.mul(&d.sub(&c.mul_scalar(0.5)))).made_by("huber", &[x, target])
}

/// Smooth L1 (Girshick 2015): d² / (2 beta) for d = |x − t| below `beta`, d − beta / 2 above; with a `beta` of 0 it is |x − t|. This is [`huber`]
/// divided by beta. A `beta` that is negative, or neither 0 nor a finite f32 of at least 1.2e-38, is an error.
#[track_caller]
pub fn smooth_l1(x: &Tensor, target: &Tensor, beta: f64, reduction: Reduction) -> Tensor {
    const NAME: &str = "smooth_l1";
    if let Some(invalid) = mismatch(NAME, x, target) {
        return invalid;
    }
    let fits = |beta: f64| beta == 0.0 || above_zero(beta);
    if let Some(invalid) = x.unfit(NAME, "beta", beta, fits, "0 or a finite number above it, and not below 1.2e-38") {
        return invalid;
    }
    let d = x.sub(target).abs();
    if beta == 0.0 {
        return reduction.of(&d).made_by(NAME, &[x, target]);
    }
    // c / beta (d − c / 2) with c = min(d, beta), as in Huber's.
    let c = d.clamp(f64::NEG_INFINITY, beta);
    reduction.of(&c.div_scalar(beta).mul(&d.sub(&c.mul_scalar(0.5)))).made_by(NAME, &[x, target])
}

/// max(log x, −100), whose slope below 10⁻¹² stays 10¹²: no 0 · ∞ in the gradient at 0.
#[track_caller]
fn clamped_log(x: &Tensor) -> Tensor {
    let small = x.lt_scalar(1e-12);
    let log = small.where_(&x.full_like(1.0), x).log();
    let fixed = x.detach();
    let line = x.sub(&fixed).mul_scalar(1e12).add(&fixed.log().clamp(-100.0, f64::INFINITY));
    small.where_(&line, &log)
}

/// Binary cross-entropy of probabilities x in 0..1: −t log x − (1 − t) log (1 − x), logarithms not below −100.
///
/// From numbers of any size use [`bce_with_logits`], which is more exact.
#[track_caller]
pub fn bce(x: &Tensor, target: &Tensor, reduction: Reduction) -> Tensor {
    if let Some(invalid) = mismatch("bce", x, target) {
        return invalid;
    }
    let yes = target.mul(&clamped_log(x));
    let no = target.neg().add_scalar(1.0).mul(&clamped_log(&x.neg().add_scalar(1.0)));
    reduction.of(&yes.add(&no).neg()).made_by("bce", &[x, target])
}

/// Binary cross-entropy of logits: p t log(1 + e^−x) + (1 − t) log(1 + e^x), which neither overflows nor cancels.
///
/// `positive` is the weight p of what is true, per element or per class (it broadcasts to the shape of x); `None` is 1. With
/// targets \[rows, labels\] this is the loss of several labels at a time.
#[track_caller]
pub fn bce_with_logits(x: &Tensor, target: &Tensor, positive: Option<&Tensor>, reduction: Reduction) -> Tensor {
    // Not in a closure, which would be the caller whose line the error names.
    if let Some(invalid) = mismatch("bce_with_logits", x, target) {
        return invalid;
    }
    if let Some(invalid) = weights_mismatch("bce_with_logits", x, positive) {
        return invalid;
    }
    reduction.of(&binary_rows(x, target, positive)).made_by("bce_with_logits", &[&[x, target], positive.as_slice()].concat())
}

/// The losses of all elements.
#[track_caller]
fn binary_rows(x: &Tensor, target: &Tensor, positive: Option<&Tensor>) -> Tensor {
    // Where a factor is 0, what it stands before may be infinite.
    let yes = x.neg().softplus(1.0).masked(target);
    let yes = positive.map_or(yes.clone(), |p| yes.mul(p));
    yes.add(&x.softplus(1.0).masked(&target.neg().add_scalar(1.0)))
}

/// An invalid tensor if weights would make the loss larger than x.
#[track_caller]
fn weights_mismatch(loss: &'static str, x: &Tensor, weights: Option<&Tensor>) -> Option<Tensor> {
    let (shape, weights) = (x.try_shape().ok()?, weights?.try_shape().ok()?);
    let fits = shape.broadcast(&weights).is_ok_and(|both| both == shape);
    if fits {
        return None;
    }
    Some(x.refuse(loss, OpError::Shape(format!("weights {weights} do not broadcast to {shape}"))))
}

/// Several labels at a time: [`bce_with_logits`] of x \[rows, labels\], its mean over the labels, weighted by `weights` \[labels\];
/// [`Reduction::None`] gives \[rows\].
#[track_caller]
pub fn multilabel_soft_margin(x: &Tensor, target: &Tensor, weights: Option<&Tensor>, reduction: Reduction) -> Tensor {
    const NAME: &str = "multilabel_soft_margin";
    if let Some(invalid) = mismatch(NAME, x, target) {
        return invalid;
    }
    if let Some(invalid) = weights_mismatch(NAME, x, weights) {
        return invalid;
    }
    let each = binary_rows(x, target, None);
    let each = weights.map_or(each.clone(), |w| each.mul(w)).mean(&[-1]);
    reduction.of(&each).made_by(NAME, &[&[x, target], weights.as_slice()].concat())
}

/// log(1 + e^(−t x)) for targets of −1 and 1.
#[track_caller]
pub fn soft_margin(x: &Tensor, target: &Tensor, reduction: Reduction) -> Tensor {
    if let Some(invalid) = mismatch("soft_margin", x, target) {
        return invalid;
    }
    reduction.of(&x.mul(target).neg().softplus(1.0)).made_by("soft_margin", &[x, target])
}

/// max(0, margin − t x) for targets of −1 and 1: the loss of support vector machines. A margin that is no finite f32 is an error.
#[track_caller]
pub fn hinge(x: &Tensor, target: &Tensor, margin: f64, reduction: Reduction) -> Tensor {
    if let Some(invalid) = mismatch("hinge", x, target) {
        return invalid;
    }
    if let Some(invalid) = x.unfit("hinge", "margin", margin, finite, "a finite number") {
        return invalid;
    }
    reduction.of(&x.mul(target).neg().add_scalar(margin).relu()).made_by("hinge", &[x, target])
}

/// Kullback-Leibler divergence from log-probabilities x to probabilities t: t (log t − x), 0 where t = 0.
///
/// Its mathematical value for rows of probabilities is that of [`Reduction::BatchMean`].
#[track_caller]
pub fn kl_div(x: &Tensor, target: &Tensor, reduction: Reduction) -> Tensor {
    if let Some(invalid) = mismatch("kl_div", x, target) {
        return invalid;
    }
    // Where t is 0 neither logarithm counts, not even one that is infinite.
    let off = target.eq_scalar(0.0);
    let (safe, log) = (off.where_(&target.full_like(1.0), target), off.where_(&x.full_like(0.0), x));
    reduction.of(&target.mul(&safe.log().sub(&log))).made_by("kl_div", &[x, target])
}

/// Negative log-likelihood of labels \[rows\] (u32 or i32) under log-probabilities x \[rows, classes\]: −x\[r, label\].
///
/// Class weights and an ignored label: [`CrossEntropy::nll`].
#[track_caller]
pub fn nll(x: &Tensor, labels: &Tensor, reduction: Reduction) -> Tensor {
    CrossEntropy::new().reduction(reduction).nll(x, labels)
}

/// Softmax cross-entropy of logits \[rows, classes\] with class weights, label smoothing and an ignored label, all optional.
///
/// Logits \[n, classes, d…\] with labels \[n, d…\], or with probabilities of their own shape, are as many rows as there are labels: one
/// for each pixel, say.
///
/// With labels y \[rows\] the loss of a row is −Σ_c q_c w_c log softmax(x)_c, where q = (1 − ε) onehot(y) + ε / classes, and the
/// mean is Σ rows / Σ w_y over the rows that count. With probabilities \[rows, classes\] in the place of onehot(y) the
/// mean is over all rows. No row that counts gives NaN. All as PyTorch's `cross_entropy`.
///
/// ```
/// use steepest::{Device, nn::loss::CrossEntropy};
/// let device = Device::cpu();
/// let logits = device.tensor(&[0.0; 6], [3, 2]);
/// let labels = device.tensor(&[0i32, -100, 1], 3);
/// let loss = CrossEntropy::new().smoothing(0.1).ignore(-100).of(&logits, &labels);
/// assert!((loss.item()? - 2f32.ln()).abs() < 1e-6);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct CrossEntropy {
    weights: Option<Tensor>,
    smoothing: f64,
    ignored: Option<i64>,
    reduction: Reduction,
}

impl CrossEntropy {
    /// Plain: every row counts the same, the mean over rows.
    pub fn new() -> CrossEntropy {
        CrossEntropy::default()
    }

    /// Class weights w \[classes\].
    pub fn weights(mut self, weights: &Tensor) -> CrossEntropy {
        self.weights = Some(weights.clone());
        self
    }

    /// Label smoothing ε, 0 ≤ ε ≤ 1 (Szegedy et al. 2016).
    pub fn smoothing(mut self, epsilon: f64) -> CrossEntropy {
        self.smoothing = epsilon;
        self
    }

    /// Rows with this label count nothing and get no gradient; it need not be a class. Only for labels, not for probabilities.
    pub fn ignore(mut self, label: i64) -> CrossEntropy {
        self.ignored = Some(label);
        self
    }

    /// What becomes of the rows' losses.
    pub fn reduction(mut self, reduction: Reduction) -> CrossEntropy {
        self.reduction = reduction;
        self
    }

    /// The loss of logits \[rows, classes\] for integer labels \[rows\] or probabilities \[rows, classes\]; or of logits \[n, classes, d…\]
    /// for labels \[n, d…\] or probabilities \[n, classes, d…\]. [`Reduction::None`] gives the labels' shape.
    ///
    /// Shapes that do not fit, an ε outside 0..=1 and an ignored label with probabilities make the result invalid. A label that is no
    /// class is an error where the numbers are known at recording (and no label is ignored), else the loss is NaN.
    #[track_caller]
    pub fn of(&self, logits: &Tensor, labels: &Tensor) -> Tensor {
        self.softmax_loss(logits, labels).made_by("cross_entropy", &self.inputs(logits, labels))
    }

    /// All that is read.
    fn inputs<'a>(&'a self, x: &'a Tensor, labels: &'a Tensor) -> Vec<&'a Tensor> {
        [x, labels].into_iter().chain(&self.weights).collect()
    }

    #[track_caller]
    fn softmax_loss(&self, logits: &Tensor, labels: &Tensor) -> Tensor {
        const NAME: &str = "cross_entropy";
        if let Some(invalid) = self.check(NAME, logits) {
            return invalid;
        }
        let (logits, labels, shape) = match rows_of(NAME, logits, labels) {
            Ok(all) => all,
            Err(invalid) => return invalid,
        };
        let (logits, labels) = (&logits, &labels);
        let classes = logits.try_shape().map_or(0, |s| s.dims().last().copied().unwrap_or(0));
        let smoothed = |hot: &Tensor| match self.smoothing {
            0.0 => hot.clone(),
            epsilon => hot.mul_scalar(1.0 - epsilon).add_scalar(epsilon / classes as f64),
        };
        let weighted = |q: &Tensor| self.weights.as_ref().map_or(q.clone(), |w| q.mul(w));
        if !is_integer(labels) {
            if self.ignored.is_some() {
                return logits
                    .refuse(NAME, OpError::Value("a label is to be ignored, and the targets are probabilities".to_owned()));
            }
            if let Some(invalid) = mismatch(NAME, logits, labels) {
                return invalid;
            }
            return self.reduction.of(&shaped(&logits.cross_entropy_rows(&weighted(&smoothed(labels))), shape.as_deref()));
        }
        let (labels, counted) = match self.counted(NAME, labels) {
            Ok(both) => both,
            Err(invalid) => return invalid,
        };
        let share = self.shares(&labels, counted.as_ref());
        let rows = match (self.smoothing, &self.weights) {
            (0.0, None) => logits.cross_entropy_rows(&labels),
            (0.0, Some(weights)) => logits.cross_entropy_rows(&labels).mul(&weights.select_labels(0, &labels)),
            _ => logits.cross_entropy_rows(&weighted(&smoothed(&labels.one_hot(classes)))),
        };
        self.reduced(&rows, counted.as_ref(), share.as_ref(), shape.as_deref())
    }

    /// The same from log-probabilities \[rows, classes\] and labels \[rows\], or \[n, classes, d…\] and \[n, d…\]: −w_y x\[r, y\].
    /// Smoothing is refused.
    #[track_caller]
    pub fn nll(&self, x: &Tensor, labels: &Tensor) -> Tensor {
        const NAME: &str = "nll";
        if let Some(invalid) = self.check(NAME, x) {
            return invalid;
        }
        if self.smoothing != 0.0 {
            return x.refuse(NAME, OpError::Value("log-probabilities are not smoothed; use cross-entropy".to_owned()));
        }
        let (x, labels, shape) = match rows_of(NAME, x, labels) {
            Ok(all) => all,
            Err(invalid) => return invalid,
        };
        let (x, labels) = (&x, &labels);
        if let (Ok(a), Ok(b)) = (x.try_shape(), labels.try_shape())
            && (a.rank() != 2 || b.dims() != &a.dims()[..1])
        {
            let message = format!("log-probabilities {a} and labels {b}, expected [rows,classes] and [rows]");
            return x.refuse(NAME, OpError::Shape(message));
        }
        let given = labels;
        let (labels, counted) = match self.counted(NAME, labels) {
            Ok(both) => both,
            Err(invalid) => return invalid,
        };
        let share = self.shares(&labels, counted.as_ref());
        let rows = x.gather_labels(1, &labels.unsqueeze(1)).squeeze(&[1]).neg();
        let rows = self.weights.as_ref().map_or(rows.clone(), |w| rows.mul(&w.select_labels(0, &labels)));
        self.reduced(&rows, counted.as_ref(), share.as_ref(), shape.as_deref()).made_by(NAME, &self.inputs(x, given))
    }

    /// An invalid tensor if the settings make no sense for logits `x`.
    #[track_caller]
    fn check(&self, name: &'static str, x: &Tensor) -> Option<Tensor> {
        if !(0.0..=1.0).contains(&self.smoothing) {
            return Some(x.refuse(name, OpError::Value(format!("label smoothing {} is not in 0..=1", self.smoothing))));
        }
        let (logits, weights) = (x.try_shape().ok()?, self.weights.as_ref()?.try_shape().ok()?);
        let fits = logits.rank() >= 2 && weights.dims() == &logits.dims()[1..2];
        (!fits).then(|| x.refuse(name, OpError::Shape(format!("class weights {weights} for logits {logits}"))))
    }

    /// Labels of which the ignored are class 0, and which rows count (bool); or an invalid tensor.
    #[track_caller]
    fn counted(&self, name: &'static str, labels: &Tensor) -> Result<(Tensor, Option<Tensor>), Tensor> {
        let Some(ignored) = self.ignored else { return Ok((labels.clone(), None)) };
        let device = labels.device();
        let (ignored, zero) = match (labels.spec().map(|s| s.dtype), u32::try_from(ignored), i32::try_from(ignored)) {
            (Ok(DType::U32), Ok(label), _) => (device.tensor(&[label], ()), device.tensor(&[0u32], ())),
            (Ok(DType::I32), _, Ok(label)) => (device.tensor(&[label], ()), device.tensor(&[0i32], ())),
            (Ok(DType::U32 | DType::I32), ..) => {
                return Err(labels.refuse(name, OpError::Value(format!("no label {ignored} can be in {labels:?}"))));
            }
            // Whatever else is wrong with the labels is told by what reads them.
            _ => return Ok((labels.clone(), None)),
        };
        let counted = labels.ne(&ignored);
        Ok((counted.where_(labels, &zero), Some(counted)))
    }

    /// What each row counts in the mean: w_y, 0 where it is ignored; `None` where every row counts 1.
    #[track_caller]
    fn shares(&self, labels: &Tensor, counted: Option<&Tensor>) -> Option<Tensor> {
        let weights = self.weights.as_ref().map(|w| w.select_labels(0, labels));
        match (weights, counted.map(Tensor::to_f32)) {
            (Some(weights), Some(counted)) => Some(weights.mul(&counted)),
            (weights, counted) => weights.or(counted),
        }
    }

    #[track_caller]
    fn reduced(&self, rows: &Tensor, counted: Option<&Tensor>, share: Option<&Tensor>, shape: Option<&[usize]>) -> Tensor {
        let rows = counted.map_or(rows.clone(), |counted| counted.where_(rows, &rows.full_like(0.0)));
        let rows = shaped(&rows, shape);
        match (self.reduction, share) {
            (Reduction::Mean, Some(share)) => rows.sum(&[]).div(&share.sum(&[])),
            (reduction, _) => reduction.of(&rows),
        }
    }
}

/// Logits \[n, classes, d…\] as rows \[n·d…, classes\] and their labels likewise, with the shape \[n, d…\] that the rows' losses come back to;
/// `None` where they are rows already. Or an invalid tensor.
#[track_caller]
fn rows_of(name: &'static str, logits: &Tensor, labels: &Tensor) -> Result<(Tensor, Tensor, Option<Vec<usize>>), Tensor> {
    let as_they_are = || Ok((logits.clone(), labels.clone(), None));
    let (Ok(x), Ok(y)) = (logits.try_shape(), labels.try_shape()) else { return as_they_are() };
    let &[n, classes, ref rest @ ..] = x.dims() else { return as_they_are() };
    if rest.is_empty() {
        return as_they_are();
    }
    let each = [&[n], rest].concat();
    let by_class_last = |t: &Tensor| {
        let order: Vec<isize> = [0].into_iter().chain(2..x.rank() as isize).chain([1]).collect();
        t.permute(&order).reshape([each.iter().product(), classes])
    };
    if is_integer(labels) {
        if y.dims() != each {
            let message = format!("logits {x} and labels {y}, expected labels {each:?}, one for each row of classes");
            return Err(logits.refuse(name, OpError::Shape(message)));
        }
        return Ok((by_class_last(logits), labels.flatten(), Some(each)));
    }
    match mismatch(name, logits, labels) {
        Some(invalid) => Err(invalid),
        None => Ok((by_class_last(logits), by_class_last(labels), Some(each))),
    }
}

/// The losses of all rows in the shape of their labels, if that is another.
#[track_caller]
fn shaped(rows: &Tensor, shape: Option<&[usize]>) -> Tensor {
    shape.map_or(rows.clone(), |shape| rows.reshape(shape))
}

fn is_integer(x: &Tensor) -> bool {
    x.spec().is_ok_and(|s| s.dtype != DType::F32)
}
