//! A channel for one value, sent by another thread or a callback: whoever waits for it is woken when it is there.

use crate::threads::lock;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

struct State<T> {
    value: Option<T>,
    /// Whether no value will come any more.
    over: bool,
    waker: Option<Waker>,
}

/// Sends the value. Dropped without having sent one, it ends the waiting too.
pub struct Sender<T>(Arc<Mutex<State<T>>>);

/// A future of the value; `None` if none was sent.
pub struct Receiver<T>(Arc<Mutex<State<T>>>);

/// Both ends.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let state = Arc::new(Mutex::new(State { value: None, over: false, waker: None }));
    (Sender(Arc::clone(&state)), Receiver(state))
}

impl<T> Sender<T> {
    /// Sends the value. If nobody waits any more, it is dropped.
    pub fn send(self, value: T) {
        lock(&self.0).value = Some(value);
    }

    /// Whether anybody waits still.
    pub fn is_wanted(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let waker = {
            let mut state = lock(&self.0);
            state.over = true;
            state.waker.take()
        };
        // Not under the lock: it may poll at once.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = lock(&self.0);
        if state.over {
            return Poll::Ready(state.value.take());
        }
        // The one of the last poll counts.
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_value_wakes_whoever_polled_last() {
        let counts = [0, 0].map(|n| Arc::new(Count(AtomicUsize::new(n))));
        let (sender, mut receiver) = channel();
        for count in &counts {
            let waker = Waker::from(Arc::clone(count));
            assert_eq!(Pin::new(&mut receiver).poll(&mut Context::from_waker(&waker)), Poll::Pending);
        }
        assert!(sender.is_wanted());
        sender.send(7);
        assert_eq!(counts.map(|count| count.0.load(Ordering::Relaxed)), [0, 1]);
        assert_eq!(pollster::block_on(receiver), Some(7));
    }

    #[test]
    fn either_end_may_go_first() {
        let (sender, waiting) = channel::<u32>();
        let waits = std::thread::spawn(|| pollster::block_on(waiting));
        drop(sender);
        assert!(matches!(waits.join(), Ok(None)));
        let (sender, waiting) = channel();
        drop(waiting);
        assert!(!sender.is_wanted());
        sender.send(1);
    }
}
