//! `gantry-runc`: the runtime library behind runc's command line, flags, texts and exit codes.
//!
//! Each command has a file; what a container is and does is the library's business alone.

mod arguments;
mod bus;
mod commands;
mod criu;
mod error;
mod global;
mod inherited;
mod log;
mod notify;
mod relay;
mod run_process;

use std::process::ExitCode;

use error::Error;
use gantry_sys::heap::Heap;
use global::Global;

/// A command is over in milliseconds.
#[global_allocator]
static HEAP: Heap = Heap::new();

fn main() -> ExitCode {
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let (global, rest) = match Global::parse(args) {
        Ok(parsed) => parsed,
        Err(error) => return report(&log::Log::stderr(), &error),
    };
    match commands::dispatch(&global, rest) {
        Ok(code) => ExitCode::from(code),
        Err(error) => report(&global.log, &error),
    }
}

/// Callers read the last error of the log file; people read the standard error.
fn report(log: &log::Log, error: &Error) -> ExitCode {
    log.error(&error.full_text());
    ExitCode::from(error.exit_code())
}
