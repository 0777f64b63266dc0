//! How a delivery's thread is told what to do, and tells that it is done.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use gantry_logs::FollowHandle;
use tokio::sync::watch;

/// The way to one delivery.
pub(super) struct Control {
    state: Mutex<State>,
    cancelled: Condvar,
    /// The remote did not take the last message.
    failing: AtomicBool,
    done: watch::Receiver<bool>,
}

#[derive(Default)]
struct State {
    finish: bool,
    cancel: bool,
    /// The reader's, when there is one.
    reader: Option<FollowHandle>,
}

impl Control {
    /// The control, and what its thread says at its end.
    pub(super) fn new() -> (Self, watch::Sender<bool>) {
        let (sender, done) = watch::channel(false);
        let control = Self {
            state: Mutex::default(),
            cancelled: Condvar::new(),
            failing: AtomicBool::new(false),
            done,
        };
        (control, sender)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The container has ended: deliver what is there, then end.
    pub(super) fn finish(&self) {
        let mut state = self.state();
        state.finish = true;
        if let Some(reader) = &state.reader {
            reader.finish();
        }
    }

    /// Leave what is not delivered where it is.
    pub(super) fn cancel(&self) {
        let mut state = self.state();
        state.cancel = true;
        if let Some(reader) = &state.reader {
            reader.cancel();
        }
        self.cancelled.notify_all();
    }

    /// From now on the reader is told as well.
    pub(super) fn follow(&self, reader: FollowHandle) {
        let mut state = self.state();
        if state.finish {
            reader.finish();
        }
        if state.cancel {
            reader.cancel();
        }
        state.reader = Some(reader);
    }

    /// Waits. False: it was cancelled.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let waited = self.cancelled.wait_timeout_while(self.state(), pause, |state| !state.cancel);
        !waited.unwrap_or_else(PoisonError::into_inner).0.cancel
    }

    pub(super) fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }

    /// Whether the remote does not take anything now.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// True when the thread has ended.
    pub(super) fn done(&self) -> watch::Receiver<bool> {
        self.done.clone()
    }
}
