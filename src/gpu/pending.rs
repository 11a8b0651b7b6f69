//! Commands not yet submitted or not yet done, and how many may share a command list.

use super::counted::Counted;
use crate::oneshot::{self, Receiver, Sender};
use crate::platform::Instant;
use crate::threads::lock;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// Dispatches that share a list at first, and at most.
const DISPATCHES_PER_LIST: u64 = 32;
const MAX_DISPATCHES_PER_LIST: u64 = 512;
/// A list that took less may have been longer, one that took more must be shorter: drivers take a device for hung after about two seconds.
const SHORT_LIST: Duration = Duration::from_millis(4);
const LONG_LIST: Duration = Duration::from_millis(20);

/// What was recorded and not yet submitted, and what was submitted and is not yet done.
#[derive(Default)]
pub(super) struct PendingWork {
    pub(super) state: Mutex<State>,
    /// The small uploads of a list; its first commands copy them to where they belong.
    pub(super) small_uploads: OnceLock<Counted>,
    pub(super) done: Arc<Done>,
    /// Lists that were refused: what they should have written is not there.
    pub(super) failures: AtomicU64,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) open: Option<OpenList>,
    pub(super) submitted: VecDeque<wgpu::SubmissionIndex>,
    /// Lists submitted so far.
    pub(super) lists: u64,
    /// Bytes written past the open list since the last submission.
    pub(super) uploading: u64,
}

/// A list that is being recorded.
pub(super) struct OpenList {
    pub(super) encoder: wgpu::CommandEncoder,
    pub(super) dispatches: u64,
    pub(super) words: Vec<u32>,
    /// Large uploads that it copies to where they belong: kept until that is done.
    pub(super) uploads: Vec<Counted>,
}

/// What wgpu's callbacks have told.
pub(super) struct Done {
    pub(super) lists: AtomicU64,
    /// Dispatches that may share a list, by how long lists took.
    pub(super) most: AtomicU64,
    /// When a list was done last.
    pub(super) last: Mutex<Option<Instant>>,
    /// Those who wait for the next list to be done: dropped, these end their waiting.
    waiting: Mutex<Vec<Sender<()>>>,
}

impl Default for Done {
    fn default() -> Done {
        Done {
            lists: AtomicU64::new(0),
            most: AtomicU64::new(DISPATCHES_PER_LIST),
            last: Mutex::default(),
            waiting: Mutex::default(),
        }
    }
}

impl Done {
    /// A list submitted at `begun` is done, as far as is known only now.
    pub(super) fn list_done(&self, begun: Instant, dispatches: u64) {
        let now = Instant::now();
        let before = lock(&self.last).replace(now);
        let took = now - before.map_or(begun, |before| before.max(begun));
        let most = self.most.load(Ordering::Relaxed);
        let new = if took > LONG_LIST {
            (dispatches / 2).clamp(1, most)
        } else if took < SHORT_LIST && dispatches >= most / 2 {
            (2 * most).min(MAX_DISPATCHES_PER_LIST)
        } else {
            most
        };
        self.most.store(new, Ordering::Relaxed);
        self.lists.fetch_add(1, Ordering::Relaxed);
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        drop(waiting);
    }

    /// Ready once another list is done.
    pub(super) fn next_list(&self) -> Receiver<()> {
        let (sender, done) = oneshot::channel();
        lock(&self.waiting).push(sender);
        done
    }
}
