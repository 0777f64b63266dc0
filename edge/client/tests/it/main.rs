//! The client against a server that says what each test wants.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod calls;
mod server;
mod streams;
