//! gantry-shim: one small process per container. It runs the container, owns its streams and its log,
//! and answers containerd's task API. This file only reads the command line.
//!
//! ```text
//! start.rs    the bundle's sockets, the fork of the server, the answer to the caller
//! server.rs   the loop: one thread, epoll; what arrives where
//! task.rs     the task API: one function for each call
//! process.rs  a process and where it stands
//! streams.rs  its pipes or terminal, the log, and who is attached
//! delete.rs   what is left of a container whose shim died
//! ```

mod delete;
mod error;
mod events;
mod exits;
mod flags;
mod info;
mod oom;
mod poller;
mod process;
mod server;
mod start;
mod streams;
mod task;

use flags::{Action, Flags};
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = Flags::parse(std::env::args_os().skip(1)).and_then(|flags| match flags.action {
        Action::Version => info::print_version(),
        Action::Info => info::print_info(),
        Action::Start => start::start(&flags),
        Action::Delete => delete::delete(&flags),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gantry-shim: {}", error::whole_text(&error));
            ExitCode::FAILURE
        }
    }
}
