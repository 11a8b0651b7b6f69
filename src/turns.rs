//! One at a time: a lock that is awaited, so that who holds it may await other things meanwhile.

use crate::oneshot::{self, Sender};
use crate::threads::lock;
use std::sync::Mutex;

/// What one at a time may do.
#[derive(Default)]
pub struct Turns(Mutex<State>);

#[derive(Default)]
struct State {
    taken: bool,
    /// Those who wait: dropped, these wake them.
    waiting: Vec<Sender<()>>,
}

/// Somebody's turn; it ends when this is dropped.
pub struct Turn<'t>(&'t Turns);

impl Turns {
    /// Ready once nobody else has the turn.
    pub async fn take(&self) -> Turn<'_> {
        loop {
            let next = {
                let mut state = lock(&self.0);
                if !std::mem::replace(&mut state.taken, true) {
                    return Turn(self);
                }
                let (sender, next) = oneshot::channel();
                state.waiting.push(sender);
                next
            };
            next.await;
        }
    }
}

impl Drop for Turn<'_> {
    /// Wakes all who wait: the first of them may have been given up.
    fn drop(&mut self) {
        let waiting = {
            let mut state = lock(&self.0.0);
            state.taken = false;
            std::mem::take(&mut state.waiting)
        };
        drop(waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform;
    use std::pin::pin;

    #[test]
    fn one_at_a_time_and_who_gave_up_holds_up_nobody() {
        let turns = Turns::default();
        let first = platform::ready(turns.take());
        assert!(first.is_some());
        let mut second = pin!(turns.take());
        {
            let mut given_up = pin!(turns.take());
            assert!(platform::ready(given_up.as_mut()).is_none());
            assert!(platform::ready(second.as_mut()).is_none());
        }
        drop(first);
        let second = platform::ready(second);
        assert!(second.is_some());
        assert!(platform::ready(turns.take()).is_none());
        drop(second);
        assert!(platform::ready(turns.take()).is_some());
    }

    #[test]
    fn threads_take_turns() {
        let (turns, count) = (Turns::default(), Mutex::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let turn = platform::wait(turns.take());
                        // Two at a time would lose some.
                        let before = *lock(&count);
                        std::thread::yield_now();
                        *lock(&count) = before + 1;
                        drop(turn);
                    }
                });
            }
        });
        assert_eq!(*lock(&count), 2000);
    }
}
