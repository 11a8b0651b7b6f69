//! The threads that share a device's work: a pool of the library's own, so that whoever waits for a part of it never picks up a task of the
//! program in the meantime. Such a task may use the same device, whose lock the run it was picked up in holds: it would wait for itself. And how all
//! of the library locks.

use crate::platform::{self, Instant};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::any::Any;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// A process: of a fork's two, the new one has none of the threads that there were, neither the library's nor a driver's.
#[derive(Debug)]
pub struct Process {
    id: u32,
    /// When it was last looked at, in nanoseconds since the first look of all.
    looked: AtomicU64,
}

/// Nanoseconds after a look in which no process is forked and gets to work.
const SOON: u64 = 20_000;

impl Process {
    /// The one that this runs in.
    pub fn this() -> Process {
        Process { id: platform::process_id(), looked: AtomicU64::new(0) }
    }

    /// Whether this runs in another one, forked from it.
    pub fn was_forked(&self) -> bool {
        platform::process_id() != self.id
    }

    /// The same, for each run: the system is asked again only after 20 µs.
    pub fn was_forked_cached(&self) -> bool {
        if !platform::HAS_THREADS {
            return false;
        }
        static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
        let now = FIRST.elapsed().as_nanos() as u64;
        if now < self.looked.load(Ordering::Relaxed).saturating_add(SOON) {
            return false;
        }
        let forked = self.was_forked();
        if !forked {
            self.looked.store(now, Ordering::Relaxed);
        }
        forked
    }
}

/// Whether this process was forked from one in which threads were used: rayon's own pool is then without threads, and whoever waits for them waits
/// for ever.
pub fn is_forked() -> bool {
    static FIRST: LazyLock<Process> = LazyLock::new(Process::this);
    FIRST.was_forked()
}

thread_local! {
    static OWN: Cell<bool> = const { Cell::new(false) };
}

/// Locks, also after a panic of another thread: what the locks of this library guard is whole at every step.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a panic said.
pub fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it did not say why")
}

/// Whether this thread belongs to a pool that is not the library's: one that picks up other tasks where rayon makes it wait.
pub fn may_be_taken_away() -> bool {
    rayon::current_thread_index().is_some() && !OWN.get()
}

/// Does `work` on a thread of the library's pool, and what it divides on all of them; as many as rayon would use where this is called. The
/// calling thread waits and does nothing else.
pub fn install<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    if OWN.get() || !platform::HAS_THREADS {
        return work();
    }
    let Some(pool) = pool(rayon::current_num_threads()) else { return work() };
    if !may_be_taken_away() {
        return pool.install(work);
    }
    // A thread of a pool that waits for another pool looks for tasks in its own; one that waits for a plain thread does not.
    let done = std::thread::scope(|scope| scope.spawn(|| pool.install(work)).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The pool of so many threads, made when it is first asked for. `None` if the system gives no more threads.
fn pool(threads: usize) -> Option<Arc<ThreadPool>> {
    /// By process and number of threads.
    type Pools = HashMap<(u32, usize), Arc<ThreadPool>>;
    static POOLS: Mutex<Option<Pools>> = Mutex::new(None);
    is_forked();
    // Of this process: those of the one it was forked from are no more.
    let key = (platform::process_id(), threads);
    let mut pools = lock(&POOLS);
    let pools = pools.get_or_insert_default();
    if let Some(pool) = pools.get(&key) {
        return Some(Arc::clone(pool));
    }
    let named = ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("steepest-{i}"));
    let pool = Arc::new(named.start_handler(|_| OWN.set(true)).build().ok()?);
    pools.insert(key, Arc::clone(&pool));
    Some(pool)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc;
    use std::time::Duration;

    /// A task holds a lock and shares its work. While it waits for the part another thread took, a task comes up that wants the same lock.
    #[test]
    fn who_waits_for_shared_work_picks_up_nothing_else() {
        let outer = Arc::new(ThreadPoolBuilder::new().num_threads(2).build().unwrap());
        let (say, hear) = mpsc::channel();
        let (held, taken) = (Arc::new(Mutex::new(0)), Arc::new(AtomicBool::new(false)));
        let tasks = Arc::clone(&outer);
        outer.spawn(move || {
            let mut count = held.lock().unwrap();
            assert!(may_be_taken_away());
            let (other, said) = (Arc::clone(&held), say.clone());
            let mine = || {
                while !taken.load(Ordering::Acquire) {
                    std::thread::yield_now();
                }
                tasks.spawn(move || said.send(*other.lock().unwrap()).unwrap());
            };
            let another = || {
                taken.store(true, Ordering::Release);
                std::thread::sleep(Duration::from_millis(50));
            };
            install(|| rayon::join(mine, another));
            *count = 1;
        });
        assert_eq!(hear.recv_timeout(Duration::from_secs(60)), Ok(1), "the task waits for itself");
    }

    #[test]
    fn work_is_shared_by_as_many_as_where_it_comes_from() {
        for threads in [1, 3] {
            let outer = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = outer.install(|| install(|| (rayon::current_num_threads(), may_be_taken_away(), install(|| 7))));
            assert_eq!(found, (threads, false, 7));
        }
        assert!(!may_be_taken_away());
        let panicked = std::panic::catch_unwind(|| install(|| panic!("by the work")));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"by the work"));
    }
    #[test]
    fn a_process_knows_itself() {
        let here = Process::this();
        assert!(!here.was_forked() && !here.was_forked_cached() && !is_forked());
        let other = Process { id: here.id + 1, ..Process::this() };
        std::thread::sleep(Duration::from_nanos(2 * SOON));
        assert!(other.was_forked() && other.was_forked_cached() && other.was_forked_cached());
    }
}
