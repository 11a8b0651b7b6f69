//! Runs that are put off, so that code that only starts runs, such as an optimizer's step, works where nothing may wait although a run may have to be waited
//! for: see [`Device::started`](super::Device::started).

use crate::graph::Tensor;
use std::cell::RefCell;

thread_local! {
    /// What the runs that were put off are to compute, while that is so.
    static PUT_OFF: RefCell<Option<Vec<Vec<Tensor>>>> = const { RefCell::new(None) };
}

/// What this thread put off before, put back when this goes.
struct Restored(Option<Vec<Vec<Tensor>>>);

impl Drop for Restored {
    fn drop(&mut self) {
        PUT_OFF.set(self.0.take());
    }
}

/// Whether a run is put off.
pub(super) fn put_off(tensors: &mut dyn Iterator<Item = &Tensor>) -> bool {
    PUT_OFF.with_borrow_mut(|runs| match runs {
        Some(runs) => {
            runs.push(tensors.cloned().collect());
            true
        }
        None => false,
    })
}

/// What a call gives, and the runs that it would have made.
pub(super) fn putting_off<R>(call: impl FnOnce() -> R) -> (R, Vec<Vec<Tensor>>) {
    let _restored = Restored(PUT_OFF.replace(Some(vec![])));
    let result = call();
    (result, PUT_OFF.take().unwrap_or_default())
}
