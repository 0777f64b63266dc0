//! When to ask again, and after how long.

use std::thread;
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// A registry that wants a longer pause than this gets its refusal shown instead.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The pause before attempt number `attempt` (from 1), doubled each time.
pub(crate) fn pause(attempt: u32) -> Duration {
    (FIRST_PAUSE * 2_u32.pow(attempt.saturating_sub(1).min(8))).min(LONGEST_PAUSE)
}

/// Waits before attempt number `attempt` of `attempts`, or as long as the registry asks (`Retry-After` in seconds);
/// whether another attempt is worth it.
pub(crate) fn wait(attempt: u32, attempts: u32, wanted_seconds: Option<u64>) -> bool {
    if attempt >= attempts {
        return false;
    }
    let pause = wanted_seconds.map_or_else(|| pause(attempt), Duration::from_secs);
    if pause > LONGEST_PAUSE {
        return false;
    }
    thread::sleep(pause);
    true
}

/// Statuses that another attempt may change.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        assert_eq!(pause(1), FIRST_PAUSE);
        assert_eq!(pause(3), FIRST_PAUSE * 4);
        assert_eq!(pause(100), LONGEST_PAUSE);
        assert!(!wait(5, 5, None) && !wait(1, 5, Some(3600)));
    }
}
