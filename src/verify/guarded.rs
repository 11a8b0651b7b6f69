//! A device whose memory is poisoned and guarded, as long as a check lasts.

use crate::device::Device;

/// Puts a device's test switches back, also after an error.
pub(super) struct Guarded<'d>(&'d Device);

impl Guarded<'_> {
    /// Has the device's memory poisoned and guarded.
    pub(super) fn new(device: &Device) -> Guarded<'_> {
        device.set_guarded(true);
        Guarded(device)
    }
}

impl Drop for Guarded<'_> {
    fn drop(&mut self) {
        self.0.set_guarded(false);
        self.0.force_variant(None);
    }
}
