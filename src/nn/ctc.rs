//! Connectionist temporal classification: the loss of a sequence whose labels have no places of their own.

use super::loss::Reduction;
use crate::error::OpError;
use crate::{DType, Tensor};

/// What counts as log 0: it adds up over many steps without becoming infinite, and exp of its distance to any likelihood is 0.
const NEVER: f64 = -1e30;
/// A log-likelihood below this has a factor 0 in every term.
const IMPOSSIBLE: f64 = -1e29;

/// The loss −log p(labels | logits) of sequences that are longer than their labels and say no label where (Graves et al. 2006).
///
/// A path names a class or the blank at each step; it stands for the labels that are left when equal neighbours are made one and then blanks are taken
/// out. p(labels) is the sum over all paths that stand for them, of the product of the softmax of each step, by the forward recursion over time:
/// α_t(l) = (α_{t−1}(l) + α_{t−1}(l − 1) + α_{t−1}(l − 2)) p_t(l) over the labels with blanks between them, the last term where l is no blank and not the
/// same as l − 2; all in logarithms. The gradients (of any order) are those of the recursion.
///
/// As PyTorch's `CTCLoss`, except that log-softmax is a part of it. Where no path exists (fewer steps than labels and blanks between equal ones) the loss
/// is infinite, and its gradient is 0.
///
/// ```
/// use steepest::{Device, nn::loss::Ctc};
/// let device = Device::cpu();
/// // 2 steps, 1 sequence, the blank and one class: paths `1 1`, `1 _` and `_ 1` of 4 stand for the label 1.
/// let logits = device.parameter(&[0.0; 4], [2, 1, 2]);
/// let (labels, steps, count) = (device.tensor(&[1u32], [1, 1]), device.tensor(&[2u32], 1), device.tensor(&[1u32], 1));
/// let loss = Ctc::new().of(&logits, &labels, &steps, &count);
/// assert!((loss.item()? + 0.75f32.ln()).abs() < 1e-6);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Ctc {
    blank: usize,
    zero_infinity: bool,
    reduction: Reduction,
}

impl Ctc {
    /// Blank 0; the mean over the sequences, each loss divided by its number of labels; what is infinite stays so.
    pub fn new() -> Ctc {
        Ctc::default()
    }

    /// Which class says nothing.
    pub fn blank(self, class: usize) -> Ctc {
        Ctc { blank: class, ..self }
    }

    /// Counts 0 where no path exists.
    pub fn zero_infinity(self) -> Ctc {
        Ctc { zero_infinity: true, ..self }
    }

    /// What becomes of the sequences' losses. [`Reduction::Mean`] divides each by its number of labels (by 1 where there are none) before the mean is
    /// taken, the others do not.
    pub fn reduction(self, reduction: Reduction) -> Ctc {
        Ctc { reduction, ..self }
    }

    /// The loss of logits \[T, n, classes\] for labels \[n, S\] (u32 or i32), of which the first `steps` \[n\] and `labels_of` \[n\] count: how many of
    /// the T steps, and of the S labels, a sequence has. Labels beyond may be anything.
    ///
    /// Shapes that do not fit, a blank that is no class, and lengths known to be outside 0..=T and 0..=S make the result invalid. A label that is no
    /// class makes the loss NaN; one that is the blank is counted as a label.
    #[track_caller]
    pub fn of(&self, logits: &Tensor, labels: &Tensor, steps: &Tensor, labels_of: &Tensor) -> Tensor {
        let inputs = [logits, labels, steps, labels_of];
        if let Some(error) = inputs.iter().find(|t| t.check().is_err()) {
            return (*error).clone();
        }
        match self.check(logits, labels, steps, labels_of) {
            Ok(sizes) => self.losses(sizes, logits, labels, steps, labels_of).made_by("ctc", &inputs),
            Err(error) => logits.refuse("ctc", error),
        }
    }

    /// `[T, n, classes, S]`
    fn check(&self, logits: &Tensor, labels: &Tensor, steps: &Tensor, labels_of: &Tensor) -> Result<[usize; 4], OpError> {
        let shapes = [logits, labels, steps, labels_of].map(Tensor::shape);
        let [x, y, a, b] = [0, 1, 2, 3].map(|i: usize| shapes[i].dims());
        let (&[time, n, classes], &[rows, longest]) = (x, y) else {
            return Err(OpError::Shape(format!(
                "logits {} and labels {}, expected [T,n,classes] and [n,S]",
                shapes[0], shapes[1]
            )));
        };
        if rows != n || a != [n] || b != [n] {
            let message = format!("labels {}, steps {} and lengths {} for logits {}", shapes[1], shapes[2], shapes[3], shapes[0]);
            return Err(OpError::Shape(format!("{message}, expected [n,S], [n] and [n] for [T,n,classes]")));
        }
        if self.blank >= classes {
            return Err(OpError::Value(format!("the blank is class {}, the logits have {classes}", self.blank)));
        }
        for (what, tensor, most) in
            [("labels", labels, None), ("steps", steps, Some(time)), ("lengths", labels_of, Some(longest))]
        {
            let spec = tensor.spec().map_err(|e| OpError::Value(e.to_string()))?;
            if !matches!(spec.dtype, DType::U32 | DType::I32) {
                return Err(OpError::DType(format!("the {what} are {spec}, expected u32 or i32; convert with to_u32()")));
            }
            if let (Some((low, high)), Some(most)) = (spec.range.filter(|_| n > 0), most)
                && (low < 0 || high > most as i64)
            {
                return Err(OpError::Value(format!("{what} from {low} to {high} are outside 0..={most}")));
            }
        }
        match logits.device().too_many_rounds("the number of steps", time) {
            Some(error) => Err(error),
            None => Ok([time, n, classes, longest]),
        }
    }

    #[track_caller]
    fn losses(
        &self,
        [time, n, _, longest]: [usize; 4],
        x: &Tensor,
        labels: &Tensor,
        steps: &Tensor,
        labels_of: &Tensor,
    ) -> Tensor {
        let device = x.device();
        let counts = labels_of.to_f32();
        let places: Vec<f32> = (0..=2 * longest).map(|l| l as f32).collect();
        let places = device.tensor(&places, [1, 2 * longest + 1]);
        // With blanks around and between them: [n, L], L = 2 S + 1.
        let (extended, skips) = self.extended(labels, &counts, longest);
        let extended = extended.unsqueeze(0).expand([time, n, 2 * longest + 1]);
        let each = x.log_softmax(-1).gather_labels(-1, &extended).clamp(NEVER, f64::INFINITY);
        let first: Vec<f32> = (0..=2 * longest).map(|l| if l == 0 { 0.0 } else { NEVER as f32 }).collect();
        let mut alpha = device.tensor(&first, [1, 2 * longest + 1]).expand([n, 2 * longest + 1]);
        let ends: Vec<f32> = (0..time).map(|t| t as f32).collect();
        let counted = device.tensor(&ends, [time, 1, 1]).lt(&steps.to_f32().reshape([1, n, 1]));
        let (each, counted) = (each.split(0, &vec![1; time]), counted.split(0, &vec![1; time]));
        for (now, counted) in each.iter().zip(&counted) {
            let next = advance(&alpha, &skips).add(&now.squeeze(&[0]));
            alpha = counted.squeeze(&[0]).where_(&next, &alpha);
        }
        // The last label or the blank after it.
        let end = counts.mul_scalar(2.0).unsqueeze(1);
        let last = places.eq(&end).or(&places.add_scalar(1.0).eq(&end));
        let total = last.where_(&alpha, &alpha.full_like(NEVER)).logsumexp(&[1], false);
        let infinite = if self.zero_infinity { 0.0 } else { f64::INFINITY };
        let losses = total.lt_scalar(IMPOSSIBLE).where_(&total.full_like(infinite), &total.neg());
        match self.reduction {
            Reduction::Mean => losses.div(&counts.clamp(1.0, f64::INFINITY)).mean(&[]),
            other => other.of(&losses),
        }
    }

    /// The labels with blanks around and between them \[n, 2 S + 1\], and where a path may leave a blank out (bool, of the same shape).
    #[track_caller]
    fn extended(&self, labels: &Tensor, counts: &Tensor, longest: usize) -> (Tensor, Tensor) {
        let device = labels.device();
        let n = labels.shape().dims()[0];
        let blank = match labels.dtype() {
            DType::I32 => device.tensor(&[self.blank as i32], ()),
            _ => device.tensor(&[self.blank as u32], ()),
        };
        let places: Vec<f32> = (0..longest).map(|s| s as f32).collect();
        let there = device.tensor(&places, [1, longest]).lt(&counts.unsqueeze(1));
        let labels = there.where_(labels, &blank);
        let blanks = blank.expand([n, longest]);
        let pairs = blanks.unsqueeze(2).cat(&[&labels.unsqueeze(2)], 2).reshape([n, 2 * longest]);
        let extended = pairs.cat(&[&blank.expand([n, 1])], 1);
        // Label s follows label s − 1 directly if they differ; the first has none before it.
        let never = device.tensor(&[false], ());
        if longest < 2 {
            return (extended, never.expand([n, 2 * longest + 1]));
        }
        let differ = labels.slice(1, 1..).ne(&labels.slice(1, ..-1));
        let differ = never.expand([n, 1]).cat(&[&differ], 1).unsqueeze(2);
        let pairs = never.expand([n, longest, 1]).cat(&[&differ], 2).reshape([n, 2 * longest]);
        (extended, pairs.cat(&[&never.expand([n, 1])], 1))
    }
}

/// log(e^α(l) + e^α(l−1) + e^α(l−2)), the last where a blank may be left out. \[n, L\] → \[n, L\]
#[track_caller]
fn advance(alpha: &Tensor, skips: &Tensor) -> Tensor {
    let padded = alpha.pad(&[(0, 0), (2, 0)], NEVER);
    let (one, two) = (padded.slice_step(1, Some(1), Some(-1), 1), padded.slice(1, ..-2));
    let two = skips.where_(&two, &two.full_like(NEVER));
    // What the largest is taken out for: its slope cancels, so it needs none.
    let largest = alpha.maximum(&one).maximum(&two).detach();
    let sum = alpha.sub(&largest).exp().add(&one.sub(&largest).exp()).add(&two.sub(&largest).exp());
    sum.log().add(&largest)
}
