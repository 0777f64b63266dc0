//! What is counted of requests: how many, by route and status, and how long they took to be answered.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gantry_engine::system::Times;
use hyper::StatusCode;

use crate::route::Route;

/// Requests of one route that had one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) method: &'static str,
    pub(super) route: &'static str,
    pub(super) status: u16,
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
    fn requests_count_by_route_and_status() {
        let figures = Figures::default();
        for status in [StatusCode::NOT_FOUND, StatusCode::OK, StatusCode::NOT_FOUND] {
            figures.count(None, status, Duration::from_millis(1));
        }
        let counts: Vec<_> = figures.all().iter().map(|(key, it)| (key.status, it.count)).collect();
        assert_eq!(counts, [(200, 1), (404, 2)]);
    }
}
