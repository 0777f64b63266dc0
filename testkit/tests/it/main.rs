//! The tools of the tests, tested: a tool that never fails proves nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod commands;
mod images;
mod reaper;
mod terminals;
