//! Asking a training run to end: from another thread, or with Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A wish that a run ends, once after its epoch, twice after its batch. Clones share it.
///
/// ```
/// use steepest::train::Interrupt;
/// let interrupt = Interrupt::new();
/// let other = interrupt.clone();
/// std::thread::spawn(move || other.ask()).join().unwrap();
/// assert!(interrupt.after_epoch() && !interrupt.after_batch());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    /// Nobody asked yet.
    pub fn new() -> Interrupt {
        Interrupt::default()
    }

    /// Asks once.
    pub fn ask(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether the run is to end after its epoch.
    pub fn after_epoch(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }

    /// Whether the run is to end after its batch.
    pub fn after_batch(&self) -> bool {
        self.0.load(Ordering::Acquire) > 1
    }

    /// Takes what was asked back: a new run begins.
    pub(super) fn clear(&self) {
        self.0.store(0, Ordering::Release);
    }
}

#[cfg(feature = "progress")]
pub(super) use signal::Listening;

#[cfg(feature = "progress")]
mod signal {
    use super::Interrupt;
    use crate::error::{Error, Result};
    use crate::threads::lock;
    use std::io::Write;
    use std::sync::{Mutex, OnceLock};

    /// The runs that listen now, and whether Ctrl-C has been pressed since they began.
    static RUNS: Mutex<Vec<(Interrupt, bool)>> = Mutex::new(vec![]);
    /// A program has one handler for the signal.
    static HANDLER: OnceLock<Result<(), String>> = OnceLock::new();

    /// As long as it lives, Ctrl-C asks the run to end after its epoch. The second time, and when no run listens, Ctrl-C ends the program at once.
    pub struct Listening(Interrupt);

    impl Listening {
        pub fn new(interrupt: &Interrupt) -> Result<Listening> {
            let handler = HANDLER.get_or_init(|| ctrlc::set_handler(pressed).map_err(|e| e.to_string()));
            if let Err(message) = handler {
                return Err(Error::Config { what: "Ctrl-C", message: format!("it cannot be listened to: {message}") });
            }
            lock(&RUNS).push((interrupt.clone(), false));
            Ok(Listening(interrupt.clone()))
        }
    }

    impl Drop for Listening {
        fn drop(&mut self) {
            let mut runs = lock(&RUNS);
            if let Some(at) = runs.iter().position(|(run, _)| std::sync::Arc::ptr_eq(&run.0, &self.0.0)) {
                runs.remove(at);
            }
        }
    }

    fn pressed() {
        let mut runs = lock(&RUNS);
        if runs.is_empty() || runs.iter().any(|(_, pressed)| *pressed) {
            // 128 and the number of the signal, as shells say it. Files on their way are finished or removed.
            crate::files::exit(130);
        }
        for (run, pressed) in runs.iter_mut() {
            run.ask();
            *pressed = true;
        }
        drop(runs);
        // Nobody may be there to read it.
        let _ = writeln!(std::io::stderr().lock(), "stopping after this epoch; Ctrl-C again to stop at once");
    }
}
