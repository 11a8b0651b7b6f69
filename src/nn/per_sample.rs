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
/// n passes are recorded and run as one graph: time and memory are those of n steps on one sample each.
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
    let mut each: Vec<Vec<Tensor>> = named.iter().map(|_| Vec::new()).collect();
    for i in 0..n {
        let mut sample = Vec::with_capacity(batch.len());
        for tensor in batch {
            sample.push(tensor.slice(0, i as isize..i as isize + 1));
        }
        let gradients = loss(&sample).backward();
        gradients.check(named.iter().map(|(_, parameter)| parameter))?;
        for ((_, parameter), found) in named.iter().zip(&mut each) {
            found.push(gradients.get(parameter)?.cloned().unwrap_or_else(|| parameter.full_like(0.0)));
        }
    }
    let mut stacked = Vec::with_capacity(named.len());
    for ((name, _), found) in named.into_iter().zip(each) {
        // One for each sample, and there are some.
        let Some((first, others)) = found.split_first() else { continue };
        let all = first.stack(&others.iter().collect::<Vec<_>>(), 0);
        all.check()?;
        stacked.push((name, all));
    }
    Ok(stacked)
}
