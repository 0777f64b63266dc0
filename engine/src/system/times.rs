//! How long something took, as Prometheus's histograms have it.

use std::time::Duration;

/// Upper ends of the ranges that times are sorted into, in milliseconds: what Prometheus's own libraries begin with.
pub const BOUNDS_MS: [u32; 11] = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

/// Times, in ranges.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Times {
    pub count: u64,
    pub seconds: f64,
    /// How many took no longer than each bound.
    pub within: [u64; BOUNDS_MS.len()],
}

impl Times {
    /// One more.
    pub fn add(&mut self, time: Duration) {
        self.count += 1;
        self.seconds += time.as_secs_f64();
        for (bound, within) in BOUNDS_MS.iter().zip(&mut self.within) {
            *within += u64::from(time <= Duration::from_millis(u64::from(*bound)));
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.count += other.count;
        self.seconds += other.seconds;
        for (one, other) in self.within.iter_mut().zip(other.within) {
            *one += other;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_sorted_into_ranges() {
        let mut times = Times::default();
        for ms in [1, 5, 6, 60_000] {
            times.add(Duration::from_millis(ms));
        }
        assert_eq!(times.within, [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]);
        assert!((times.seconds - 60.012).abs() < 1e-9);
        assert_eq!((times.count, times.and(&times).count), (4, 8));
    }
}
