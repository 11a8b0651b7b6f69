//! Gradients of a loss by each sample of a batch on its own.

use super::Module;
use crate::Tensor;
use crate::error::{Error, Result};

/// Records the gradient of every parameter for each sample of a batch on its own, as differential privacy, influence functions and Fisher information
/// need: by name, with the samples as first axis, `[n, ..parameter]`.
///
/// `batch` holds tensors with the samples along axis 0, all n of them: inputs, targets. `loss` is asked for the loss of each sample, which it gets as a
/// batch of one, and gives a scalar; so any model and any loss will do. A parameter that a sample's loss does not depend on has zeros there. The mean
/// over the first axis is the gradient of the mean loss, unless a layer mixes samples (batch normalisation in training).
///
/// `loss` is called for one sample, and what it records is computed for all at once, with the samples as an axis more: moves, reductions, products and what
/// is elementwise are one call each, other calls are n. So a random mask is the same for all samples. Memory is that of n gradients. (Where that cannot be,
/// as for values with eight axes, `loss` is called for each sample.)
///
/// ```
/// use steepest::{Device, nn::{self, Linear, Module}};
/// let device = Device::cpu();
/// let model = Linear::new(&device, 2, 1, 0);
/// let (x, y) = (device.tensor(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [3, 2]), device.zeros([3, 1]));
/// let each = nn::per_sample_gradients(&model, &[&x, &y], |sample| model.forward(&sample[0]).mse(&sample[1]))?;
/// assert_eq!((each[0].0.as_str(), each[0].1.shape().dims()), ("weight", &[3, 1, 2][..]));
/// let whole = model.forward(&x).mse(&y).backward().wrt(model.weight())?;
/// let (mean, whole) = (each[0].1.mean(&[0]).to_vec::<f32>()?, whole.to_vec::<f32>()?);
/// assert!(mean.iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-4));
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::Config`]: no tensors, no samples, different numbers of them, more than can be recorded, or a model without parameters that are learned. The
/// error of a loss that is invalid, is no scalar or depends on no parameter, or which op cuts a parameter off from it.
#[track_caller]
pub fn per_sample_gradients(
    model: &(impl Module + ?Sized),
    batch: &[&Tensor],
    loss: impl Fn(&[Tensor]) -> Tensor,
) -> Result<Vec<(String, Tensor)>> {
    let wrong = |message: String| Error::Config { what: "gradients per sample", message };
    let mut samples = None;
    for tensor in batch {
        let shape = tensor.try_shape()?;
        let Some(&n) = shape.dims().first() else {
            return Err(wrong("a tensor of the batch is a scalar, expected samples along axis 0".to_owned()));
        };
        if let Some(before) = samples.replace(n).filter(|&before| before != n) {
            return Err(wrong(format!("tensors of {before} and of {n} samples")));
        }
    }
    let Some(n) = samples.filter(|&n| n > 0) else {
        return Err(wrong("the batch has no samples".to_owned()));
    };
    if let Some(error) = batch.first().and_then(|first| first.device().too_many_rounds("the number of samples", n)) {
        return Err(wrong(error.to_string()));
    }
    let mut named = model.named_parameters();
    named.retain(|(_, parameter)| !parameter.is_frozen());
    if named.is_empty() {
        return Err(wrong("the model has no parameters that are learned".to_owned()));
    }
    // One sample's are recorded, and from them those of all.
    let one = gradients_of(&named, batch, 0, &loss)?;
    let of_all: Vec<(Tensor, Tensor)> = batch.iter().zip(one.sample).map(|(all, sample)| (sample, all.unsqueeze(1))).collect();
    let stacked = match Tensor::over_samples(&one.gradients, &of_all, n) {
        Ok(stacked) => stacked,
        Err(_) => one_by_one(&named, batch, n, &loss)?,
    };
    stacked.iter().try_for_each(Tensor::check)?;
    Ok(named.into_iter().map(|(name, _)| name).zip(stacked).collect())
}

/// One sample, and the gradients of its loss.
struct OfOne {
    sample: Vec<Tensor>,
    gradients: Vec<Tensor>,
}

#[track_caller]
fn gradients_of(named: &[(String, Tensor)], batch: &[&Tensor], i: isize, loss: &impl Fn(&[Tensor]) -> Tensor) -> Result<OfOne> {
    let mut sample = Vec::with_capacity(batch.len());
    for tensor in batch {
        sample.push(tensor.slice(0, i..i + 1));
    }
    let found = loss(&sample).backward();
    found.check(named.iter().map(|(_, parameter)| parameter))?;
    let mut gradients = Vec::with_capacity(named.len());
    for (_, parameter) in named {
        gradients.push(found.get(parameter)?.cloned().unwrap_or_else(|| parameter.full_like(0.0)));
    }
    Ok(OfOne { sample, gradients })
}

/// Each sample's by a pass of its own.
#[track_caller]
fn one_by_one(
    named: &[(String, Tensor)],
    batch: &[&Tensor],
    n: usize,
    loss: &impl Fn(&[Tensor]) -> Tensor,
) -> Result<Vec<Tensor>> {
    let mut each: Vec<Vec<Tensor>> = named.iter().map(|_| Vec::new()).collect();
    for i in 0..n as isize {
        let gradients = gradients_of(named, batch, i, loss)?.gradients;
        each.iter_mut().zip(gradients).for_each(|(all, one)| all.push(one));
    }
    // There is a first sample.
    let stacked = |all: Vec<Tensor>| all.split_first().map(|(one, more)| one.stack(&more.iter().collect::<Vec<_>>(), 0));
    Ok(each.into_iter().filter_map(stacked).collect())
}
