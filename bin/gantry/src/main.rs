//! `gantry`: the command line. It reads arguments, talks to the daemon through `gantry-client`, and shows what comes
//! back; it decides nothing about containers or images.

#![allow(
    clippy::doc_markdown,
    reason = "the flags' doc comments are their help, which is plain text"
)]

mod autostart;
mod cli;
mod commands;
mod credentials;
mod environment;
mod error;
mod exit;
mod flags;
mod format;
mod output;
mod session;
mod signals;
mod streams;
mod terminal;
mod tls;

use std::process::ExitCode;

use environment::Environment;
use error::Error;
use gantry_sys::heap::Heap;

/// Most commands are over in milliseconds. Those that stay use their blocks again and have few threads.
#[global_allocator]
static HEAP: Heap = Heap::new();

fn main() -> ExitCode {
    let arguments = std::env::args_os().skip(1).collect();
    match cli::run(arguments, Environment::read()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            if !matches!(error, Error::Reported | Error::OutputClosed) {
                output::remark(&error.report());
            }
            ExitCode::from(exit::code(&error))
        }
    }
}
