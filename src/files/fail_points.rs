//! Places where a test may have the disk fail, or look at what is there.

use std::io;

/// A step of a write is about to be taken. In the library itself nothing happens here.
#[inline]
pub(super) fn fail_point(step: &'static str) -> io::Result<()> {
    #[cfg(test)]
    testing::reached(step)?;
    let _ = step;
    Ok(())
}

#[cfg(test)]
pub(crate) mod testing {
    use std::cell::RefCell;
    use std::io;

    /// What is asked before each step.
    type Hook = Box<dyn FnMut(&'static str) -> io::Result<()>>;

    thread_local! {
        static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
    }

    pub(super) fn reached(step: &'static str) -> io::Result<()> {
        HOOK.with(|hook| hook.borrow_mut().as_mut().map_or(Ok(()), |hook| hook(step)))
    }

    /// Has `hook` asked before each step that this thread's writes take during `work`.
    pub(crate) fn with<R>(hook: impl FnMut(&'static str) -> io::Result<()> + 'static, work: impl FnOnce() -> R) -> R {
        struct Off;
        impl Drop for Off {
            fn drop(&mut self) {
                HOOK.with(|hook| hook.borrow_mut().take());
            }
        }
        HOOK.with(|place| *place.borrow_mut() = Some(Box::new(hook)));
        let _off = Off;
        work()
    }

    /// What a system says when the disk is full.
    pub(crate) fn full() -> io::Error {
        io::Error::new(io::ErrorKind::StorageFull, "no space left on device (as a test has it)")
    }

    /// Has the disk full at every step from number `from` to below `to`, counted from 0, of `work`.
    pub(crate) fn full_between<R>(from: usize, to: usize, work: impl FnOnce() -> R) -> R {
        let mut number = 0;
        let hook = move |_| {
            number += 1;
            if (from..to).contains(&(number - 1)) { Err(full()) } else { Ok(()) }
        };
        with(hook, work)
    }
}
