//! What the platform has: threads, waiting, processes, a clock. All that the library does otherwise in a browser is decided by what is here.
//!
//! WebAssembly in a browser has one thread, and that must not wait: the page's own loop, which would bring what is waited for, stands still meanwhile.
//! So work for other threads is done at once, and whatever waits natively is asked for by its async form.

use crate::error::{Error, Result};
use std::task::{Context, Poll, Waker};

#[cfg(not(target_family = "wasm"))]
pub use std::time::Instant;
/// The clock of the page: WebAssembly has none of its own.
#[cfg(target_family = "wasm")]
pub use web_time::Instant;

/// Whether there are threads beside this one.
pub const HAS_THREADS: bool = !cfg!(target_family = "wasm");

/// Whether a thread may wait for something that is not ready.
pub const MAY_WAIT: bool = !cfg!(target_family = "wasm");

/// Bytes that a program can have at most by the size of its addresses; what the system gives may be less.
pub const ADDRESSES: u64 = usize::MAX as u64;

/// The number of this process; 0 where there are none.
pub fn process_id() -> u32 {
    if cfg!(target_family = "wasm") { 0 } else { std::process::id() }
}

/// Waits for a value. `None` where nothing may wait and it is not ready.
pub fn wait<T>(future: impl Future<Output = T>) -> Option<T> {
    if MAY_WAIT { Some(pollster::block_on(future)) } else { ready(future) }
}

/// Waits for what a device has to give; an error where nothing may wait and it is not ready.
pub fn waited<T>(device: &str, future: impl Future<Output = Result<T>>) -> Result<T> {
    wait(future).unwrap_or_else(|| Err(Error::CannotWait { device: device.to_owned() }))
}

/// The value of a future that is ready at once.
pub fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Has the page's loop poll a future to its end. Only where nothing may wait.
#[cfg(all(target_family = "wasm", feature = "gpu"))]
pub fn poll_later(future: impl Future<Output = ()> + 'static) {
    wasm_bindgen_futures::spawn_local(future);
}

/// Waits for a future here and now: there is no page whose loop would poll it.
#[cfg(all(not(target_family = "wasm"), feature = "gpu"))]
pub fn poll_later(future: impl Future<Output = ()> + 'static) {
    pollster::block_on(future);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natively_there_are_threads_and_whoever_waits_gets_the_value() {
        assert!(HAS_THREADS && MAY_WAIT && process_id() == std::process::id());
        let (sender, value) = crate::oneshot::channel();
        let thread = std::thread::spawn(move || sender.send(7));
        assert_eq!(wait(value), Some(Some(7)));
        thread.join().unwrap_or_default();
        assert_eq!((ready(std::future::ready(1)), ready(std::future::pending::<u32>())), (Some(1), None));
    }
}
