//! A thread that does jobs one after the other: started when there are some, gone when there were none for a while.

use crate::platform;
use crate::threads::lock;
use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long a thread waits for the next job before it ends.
const IDLE: Duration = Duration::from_millis(500);

/// Something to be done.
pub type Job = Box<dyn FnOnce() + Send>;

/// Jobs in order, and the thread that does them.
pub struct Worker {
    name: &'static str,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Jobs not yet done.
    left: AtomicUsize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Whether there is a thread.
    runs: bool,
    /// Jobs added and done so far.
    added: u64,
    done: u64,
}

thread_local! {
    /// Whose thread this is.
    static OF: Cell<*const Shared> = const { Cell::new(std::ptr::null()) };
}

impl Worker {
    /// Without a thread yet; `name` is what it will be called.
    pub fn new(name: &'static str) -> Worker {
        Worker { name, shared: Arc::default() }
    }

    /// Adds a job to those that wait. Where the system gives no thread, it is done here and now.
    pub fn add(&self, job: Job) {
        if !platform::HAS_THREADS {
            return job();
        }
        let mut state = lock(&self.shared.state);
        if !state.runs {
            let shared = Arc::clone(&self.shared);
            let spawned = std::thread::Builder::new().name(self.name.to_owned()).spawn(move || work(&shared));
            if let Err(error) = spawned {
                drop(state);
                tracing::warn!("no thread for {}: {error}", self.name);
                return job();
            }
            state.runs = true;
        }
        self.shared.left.fetch_add(1, Ordering::Relaxed);
        state.added += 1;
        state.jobs.push_back(job);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Waits until the jobs added so far are done: at once if there are none, or on the worker's own thread.
    pub fn wait(&self) {
        if self.shared.left.load(Ordering::Acquire) == 0 || OF.get() == Arc::as_ptr(&self.shared) {
            return;
        }
        let mut state = lock(&self.shared.state);
        let target = state.added;
        while state.done < target {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What the thread does.
fn work(shared: &Arc<Shared>) {
    OF.set(Arc::as_ptr(shared));
    let mut state = lock(&shared.state);
    loop {
        let Some(job) = state.jobs.pop_front() else {
            let (after, waited) = shared.changed.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = after;
            if waited.timed_out() && state.jobs.is_empty() {
                state.runs = false;
                return;
            }
            continue;
        };
        drop(state);
        // A panic is the job's own: whoever waits for its value sees that none comes.
        let _ = catch_unwind(AssertUnwindSafe(job));
        state = lock(&shared.state);
        state.done += 1;
        shared.left.fetch_sub(1, Ordering::Release);
        shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oneshot;

    #[test]
    fn jobs_are_done_in_order_and_waited_for() {
        let (worker, done) = (Arc::new(Worker::new("jobs")), Arc::new(Mutex::new(vec![])));
        worker.wait();
        for i in 0..20 {
            let (done, own) = (Arc::clone(&done), Arc::clone(&worker));
            worker.add(Box::new(move || {
                std::thread::sleep(Duration::from_millis(2));
                // On its own thread it does not wait for itself.
                own.wait();
                lock(&done).push(i);
            }));
        }
        worker.wait();
        assert_eq!(*lock(&done), (0..20).collect::<Vec<_>>());
        worker.add(Box::new(|| panic!("by the job")));
        let (sender, value) = oneshot::channel();
        worker.add(Box::new(move || sender.send(7)));
        assert_eq!(pollster::block_on(value), Some(7), "after a job that panicked");
        // The thread ends, and another one begins.
        std::thread::sleep(2 * IDLE);
        assert!(!lock(&worker.shared.state).runs);
        let (sender, value) = oneshot::channel();
        worker.add(Box::new(move || sender.send(8)));
        assert_eq!(pollster::block_on(value), Some(8));
    }
}
