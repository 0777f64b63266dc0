//! gantry-shim: one small process per container, or per group of containers when their bundles ask for
//! it. It runs the containers, owns their streams and logs, and answers containerd's task API. This file
//! only reads the command line.
//!
//! ```text
//! start.rs      the bundle's sockets, the fork of the server, the answer to the caller
//! group.rs      how the bundles of a group find their common shim
//! server.rs     the loop: one thread, epoll; what arrives where
//! hub.rs        what all containers share: poller, clients, events
//! task.rs       the task API: one function for each call
//! container.rs  a container, its runtime and its processes; ends.rs: how these end
//! operation.rs  what a container waits for while the loop goes on
//! runtime.rs    the runtime inside the shim, or another one's program
//! process.rs    a process and where it stands
//! streams.rs    its pipes or terminal, the log, the logger, and who is attached
//! delete.rs     what is left of a container whose shim died
//! ```

mod child;
mod clients;
mod container;
mod delete;
mod ends;
mod error;
mod events;
mod exits;
mod flags;
mod group;
mod hub;
mod info;
mod oom;
mod operation;
mod poller;
mod process;
mod runtime;
mod server;
mod sources;
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
