//! The client against registries that were made for the test: honest ones, slow ones, and liars.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod access;
mod blobs;
mod certificates;
mod downloads;
mod manifests;
mod referrers;
mod server;
mod uploads;
