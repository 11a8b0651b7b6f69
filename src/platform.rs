//! What the platform has: threads, waiting, processes, a clock. All that the library does otherwise in a browser is decided by what is here.
//!
//! WebAssembly in a browser has one thread, and that must not wait: the page's own loop, which would bring what is waited for, stands still meanwhile.
//! So work for other threads is done at once, and whatever waits natively is asked for by its async form.

use crate::error::{Error, Result};
use std::cell::Cell;
use std::task::{Context, Poll, Waker};

#[cfg(not(target_family = "wasm"))]
pub use std::time::Instant;
/// The clock of the page: WebAssembly has none of its own.
#[cfg(target_family = "wasm")]
pub use web_time::Instant;

/// Whether this is a page's program.
pub const IN_BROWSER: bool = cfg!(target_family = "wasm");

/// Whether there are threads beside this one.
pub const HAS_THREADS: bool = !IN_BROWSER;

/// Whether a thread may wait for something that is not ready. For tests, `STEEPEST_WAIT=never` forbids it natively too, from the first question on: what a GPU
/// is asked for then comes later, as in a browser.
pub fn may_wait() -> bool {
    #[cfg(not(target_family = "wasm"))]
    {
        static FORBIDDEN: std::sync::LazyLock<bool> =
            std::sync::LazyLock::new(|| std::env::var("STEEPEST_WAIT").is_ok_and(|v| v == "never"));
        !*FORBIDDEN
    }
    #[cfg(target_family = "wasm")]
    false
}

/// Bytes that a program can have at most by the size of its addresses; what the system gives may be less.
pub const ADDRESSES: u64 = usize::MAX as u64;

/// The number of this process; 0 where there are none.
pub fn process_id() -> u32 {
    if cfg!(target_family = "wasm") { 0 } else { std::process::id() }
}

thread_local! {
    /// Whether this thread polls a future that it waits for.
    static WAITS: Cell<bool> = const { Cell::new(false) };
}

/// That this thread waits, until it is dropped; then what was so before is so again.
struct Waits(bool);

impl Waits {
    fn begin() -> Waits {
        Waits(WAITS.replace(true))
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        WAITS.set(self.0);
    }
}

/// Waits for a value. `None` where nothing may wait and it is not ready.
pub fn wait<T>(future: impl Future<Output = T>) -> Option<T> {
    let _waits = Waits::begin();
    let mut future = std::pin::pin!(future);
    // Most are ready at once.
    match ready(future.as_mut()) {
        None if may_wait() => Some(pollster::block_on(future)),
        found => found,
    }
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

/// Lets the page's loop go on with all else that it has to do, if it has stood still for longer than a person notices. Ready at once where there is no page, and
/// in what is waited for.
pub async fn let_page_go_on() {
    if WAITS.get() {
        return;
    }
    #[cfg(target_family = "wasm")]
    {
        // A picture or two of an animation.
        const NOTICED: std::time::Duration = std::time::Duration::from_millis(25);
        thread_local!(static LAST: Cell<Option<Instant>> = const { Cell::new(None) });
        let last = LAST.get().unwrap_or_else(Instant::now);
        if last.elapsed() < NOTICED {
            return LAST.set(Some(last));
        }
        page::next_turn().await;
        LAST.set(Some(Instant::now()));
    }
    #[cfg(not(target_family = "wasm"))]
    if !may_wait() {
        pend_once().await;
    }
}

/// Lets a page's loop have one turn, for what it has to tell. Ready at once where there is no page.
#[cfg(feature = "gpu")]
pub async fn turn() {
    #[cfg(target_family = "wasm")]
    page::next_turn().await;
}

/// Pending when polled first, for tests: as if a page's loop had to go on.
#[cfg(not(target_family = "wasm"))]
async fn pend_once() {
    let mut first = true;
    std::future::poll_fn(|context| {
        if std::mem::take(&mut first) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

#[cfg(target_family = "wasm")]
mod page {
    use wasm_bindgen_futures::JsFuture;
    use wasm_bindgen_futures::js_sys::{self, Function, Promise, Reflect};
    use wasm_bindgen_futures::wasm_bindgen::{JsCast, JsValue};

    /// Ready in a later turn of the page's loop.
    pub async fn next_turn() {
        let promise = Promise::new(&mut |ready, _| {
            let set_timeout = Reflect::get(&js_sys::global(), &JsValue::from_str("setTimeout"));
            let set_timeout = set_timeout.ok().and_then(|found| found.dyn_into::<Function>().ok());
            let asked = set_timeout.map(|set| set.call2(&JsValue::UNDEFINED, &ready, &JsValue::from_f64(0.0)));
            if !matches!(asked, Some(Ok(_))) {
                // What cannot wait goes on at once.
                let _ = ready.call0(&JsValue::UNDEFINED);
            }
        });
        let _ = JsFuture::from(promise).await;
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
        assert!(HAS_THREADS && may_wait() && process_id() == std::process::id());
        let (sender, value) = crate::oneshot::channel();
        let thread = std::thread::spawn(move || sender.send(7));
        assert_eq!(wait(value), Some(Some(7)));
        thread.join().unwrap_or_default();
        assert_eq!((ready(std::future::ready(1)), ready(std::future::pending::<u32>())), (Some(1), None));
    }
}
