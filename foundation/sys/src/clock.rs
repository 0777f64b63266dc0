//! The clocks. `model` has none: whoever needs the time asks here.

use std::mem::MaybeUninit;
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

/// How many seconds this host's time zone is east of UTC at a moment; 0 where nobody knows.
pub fn utc_offset_seconds(at: Timestamp) -> i32 {
    let seconds = at.seconds;
    let mut broken_down = MaybeUninit::zeroed();
    // SAFETY: both arguments point to values of this function's own, of the types that localtime_r(3) takes.
    let found = unsafe { libc::localtime_r(&raw const seconds, broken_down.as_mut_ptr()) };
    if found.is_null() {
        return 0;
    }
    // SAFETY: localtime_r(3) has filled it, and all of its fields may be zero.
    let broken_down = unsafe { broken_down.assume_init() };
    i32::try_from(broken_down.tm_gmtoff).unwrap_or(0)
}

/// The kernel keeps nanoseconds below 1,000,000,000.
fn nanos(time: &Timespec) -> u32 {
    u32::try_from(time.tv_nsec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_zones_are_within_a_day() {
        let offset = utc_offset_seconds(now());
        assert!((-15 * 3600..=15 * 3600).contains(&offset), "{offset}");
        assert_eq!(utc_offset_seconds(Timestamp { seconds: i64::MAX, nanos: 0 }), 0);
    }

    #[test]
    fn clocks_go_forward() {
        let (before, started) = (now(), monotonic());
        let (after, ended) = (now(), monotonic());
        assert!(before.seconds > 1_700_000_000);
        assert!((before.seconds, before.nanos) <= (after.seconds, after.nanos));
        assert!(started <= ended);
    }
}
