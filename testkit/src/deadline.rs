//! Waiting for a state: polled, with a deadline, and a sentence when it does not come.

use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for something that should happen at once. Generous: CI has two cores.
pub const TIMEOUT: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(5);

/// Calls `look` until it returns something, at most [`TIMEOUT`] long; panics with `what` when it never does.
pub fn poll<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    poll_for(TIMEOUT, look).unwrap_or_else(|| panic!("waited {TIMEOUT:?} in vain for {what}"))
}

/// Calls `look` until it returns something, or gives up after `timeout`.
pub fn poll_for<T>(timeout: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(PAUSE);
    }
}
