//! The clocks. `model` has none: whoever needs the time asks here.

use std::time::Duration;

use gantry_types::Timestamp;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// The wall clock (`CLOCK_REALTIME`).
pub fn now() -> Timestamp {
    let time = clock_gettime(ClockId::Realtime);
    Timestamp { seconds: time.tv_sec, nanos: nanos(&time) }
}

/// Time since boot, suspended time included (`CLOCK_BOOTTIME`): never jumps, comparable between processes of one boot.
pub fn monotonic() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), nanos(&time))
}

/// The kernel keeps nanoseconds below 1,000,000,000.
fn nanos(time: &Timespec) -> u32 {
    u32::try_from(time.tv_nsec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_go_forward() {
        let (before, started) = (now(), monotonic());
        let (after, ended) = (now(), monotonic());
        assert!(before.seconds > 1_700_000_000);
        assert!((before.seconds, before.nanos) <= (after.seconds, after.nanos));
        assert!(started <= ended);
    }
}
