//! Runs that are put off: code that only starts runs, such as an optimizer's step, works where nothing may wait although a run may have to be waited for. What
//! it hands over is run after it, by awaiting.

use super::state::Device;
use crate::error::Result;
use crate::graph::Tensor;
use crate::platform;
use std::cell::RefCell;

/// A run that was put off.
type PutOff = (Device, Vec<Tensor>);

thread_local! {
    /// The runs that were put off, while that is so.
    static PUT_OFF: RefCell<Option<Vec<PutOff>>> = const { RefCell::new(None) };
}

/// What this thread put off before, put back when this goes.
struct Restored(Option<Vec<PutOff>>);

impl Drop for Restored {
    fn drop(&mut self) {
        PUT_OFF.set(self.0.take());
    }
}

/// Whether a run was put off.
pub(super) fn put_off<'a>(device: &Device, tensors: &mut dyn Iterator<Item = &'a Tensor>) -> bool {
    PUT_OFF.with_borrow_mut(|runs| match runs {
        Some(runs) => {
            runs.push((device.clone(), tensors.cloned().collect()));
            true
        }
        None => false,
    })
}

impl Device {
    /// What `start` gives, once the runs that it starts ([`Device::run`]) are done as far as an error of theirs is known. It must read nothing.
    pub(crate) async fn started<R>(start: impl FnOnce() -> Result<R>) -> Result<R> {
        if platform::may_wait() {
            return start();
        }
        let (result, runs) = {
            let _restored = Restored(PUT_OFF.replace(Some(vec![])));
            let result = start();
            (result, PUT_OFF.take().unwrap_or_default())
        };
        let result = result?;
        for (device, tensors) in &runs {
            device.run_async(tensors).await?;
        }
        Ok(result)
    }
}
