//! Running statistics taken anew: after weights were averaged, those of batch normalisation are of other weights.

use super::Module;
use crate::error::{Error, Result};
use crate::{Tensor, no_grad};
use std::cell::Cell;

thread_local! {
    static MOMENTUM: Cell<Option<f64>> = const { Cell::new(None) };
}

/// How far statistics move toward those of a batch now, if that is not the layer's own to say.
pub(super) fn momentum() -> Option<f64> {
    MOMENTUM.get()
}

/// Takes the running statistics of batch normalisation anew: they become the plain mean of the statistics of these batches, whatever they were and
/// whatever the layers' momentum is. The weights stay as they are. The model is in training mode afterwards. PyTorch's `update_bn`.
///
/// ```
/// use steepest::{Device, nn::{self, BatchNorm1d, Module}};
/// let device = Device::cpu();
/// let layer = BatchNorm1d::new(&device, 1);
/// let batches = [[1.0, 3.0], [5.0, 9.0]].map(|rows| device.tensor(&rows, [2, 1]));
/// nn::update_statistics(&layer, batches)?;
/// let [(_, mean), (_, var)] = &layer.named_buffers()[..] else { panic!() };
/// assert_eq!((mean.item()?, var.item()?), (4.5, 5.0)); // (2 + 7)/2, (2 + 8)/2
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// No batches, or the error of a batch that the model cannot take.
pub fn update_statistics(model: &dyn Module, batches: impl IntoIterator<Item = Tensor>) -> Result<()> {
    update_statistics_all(model, batches.into_iter().map(|x| vec![x]))
}

/// The same for a model of several inputs.
///
/// # Errors
/// As [`update_statistics`].
pub fn update_statistics_all(model: &dyn Module, batches: impl IntoIterator<Item = Vec<Tensor>>) -> Result<()> {
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            MOMENTUM.set(None);
        }
    }
    model.set_training(true);
    let _restore = Restore;
    let mut seen = 0.0;
    for inputs in batches {
        seen += 1.0;
        MOMENTUM.set(Some(1.0 / seen));
        no_grad(|| model.forward_all(&inputs)).iter().try_for_each(Tensor::check)?;
        // Asking for the buffers runs what waits.
        model.visit_buffers(&mut |_, _| {});
    }
    if seen == 0.0 {
        return Err(Error::Config { what: "running statistics", message: "there are no batches to take them of".to_owned() });
    }
    Ok(())
}
