//! What is counted of requests: how many, by route and status, and how long they took to be answered.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::StatusCode;

use crate::route::Route;

/// Upper ends of the ranges that times are sorted into, in milliseconds: what Prometheus's own libraries begin with.
pub(super) const BOUNDS_MS: [u32; 11] = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

/// Requests of one route that had one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) method: &'static str,
    pub(super) route: &'static str,
    pub(super) status: u16,
}

/// How long requests took until the head of their answer was there.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Times {
    pub(super) count: u64,
    pub(super) seconds: f64,
    /// How many took no longer than each bound.
    pub(super) within: [u64; BOUNDS_MS.len()],
}

impl Times {
    fn add(&mut self, time: Duration) {
        self.count += 1;
        self.seconds += time.as_secs_f64();
        for (bound, within) in BOUNDS_MS.iter().zip(&mut self.within) {
            *within += u64::from(time <= Duration::from_millis(u64::from(*bound)));
        }
    }

    /// Both together.
    pub(super) fn and(mut self, other: &Self) -> Self {
        self.count += other.count;
        self.seconds += other.seconds;
        for (one, other) in self.within.iter_mut().zip(other.within) {
            *one += other;
        }
        self
    }
}

/// See the head of this file. There are as many keys at most as routes have statuses.
#[derive(Debug, Default)]
pub struct Figures(Mutex<BTreeMap<Key, Times>>);

impl Figures {
    /// One more request; `route` is none when there is no such route.
    pub(crate) fn count(&self, route: Option<&'static Route>, status: StatusCode, time: Duration) {
        let (method, route) =
            route.map_or(("", ""), |found| (found.method.as_str(), found.pattern));
        let key = Key { method, route, status: status.as_u16() };
        let mut figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        figures.entry(key).or_default().add(time);
    }

    /// All of them as they are now.
    pub(super) fn all(&self) -> BTreeMap<Key, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_sorted_into_ranges() {
        let figures = Figures::default();
        for ms in [1, 5, 6, 60_000] {
            figures.count(None, StatusCode::NOT_FOUND, Duration::from_millis(ms));
        }
        let all = figures.all();
        let times = all.values().next().unwrap();
        assert_eq!((all.len(), times.count), (1, 4));
        assert_eq!(times.within, [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]);
        assert!((times.seconds - 60.012).abs() < 1e-9);
        assert_eq!(times.and(times).count, 8);
    }
}
