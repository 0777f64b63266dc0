//! The daemon as a program: who may start, what a refused start leaves behind, and its own limits. No container runs here.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod daemon;
mod one_daemon;
mod open_files;
