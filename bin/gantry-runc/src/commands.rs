//! The commands by name.

mod checkpoint;
mod create;
mod delete;
mod events;
mod exec;
mod features;
mod kill;
mod list;
mod pause;
mod ps;
mod restore;
mod run;
mod spec;
mod start;
mod state;
mod update;

use std::io::{self, Write};

use gantry_oci::runtime::SPEC_VERSION;

use crate::error::Error;
use crate::global::Global;

const USAGE: &str = "\
Usage: gantry-runc [--root DIR] [--log FILE] [--log-format text|json] [--debug] COMMAND [FLAGS] [ARGUMENTS]

Commands:
  create ID         make a container from the bundle in the working directory or --bundle
  start ID          run a created container's program
  run ID            create, start, wait, delete
  exec ID CMD…      run another process in a container
  kill ID [SIGNAL]  signal a container
  delete ID         remove a stopped container
  state ID          print a container's state
  list              list containers
  events ID         print what a container uses, now (--stats) or from time to time
  ps ID [OPTION…]   list a container's processes
  pause, resume ID  freeze a container, let it go on
  checkpoint ID     write a running container to files, by the program criu
  restore ID        make it again from them
  update ID         change a container's limits
  spec              write a config.json to start from
  features          print what this runtime can do
";

/// Runs a command; the exit code.
pub(crate) fn dispatch(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    if global.version {
        let version = env!("CARGO_PKG_VERSION");
        // Docker shows the second line; a release's tag names its commit.
        return print(&format!(
            "gantry-runc version {version}\ncommit: v{version}\nspec: {SPEC_VERSION}\n"
        ));
    }
    let mut args = args.into_iter();
    let command = args.next();
    let rest: Vec<String> = args.collect();
    if global.help {
        return print(USAGE);
    }
    if let Some(command) = &command {
        global.log.debug(&format!("command {command} {rest:?}"));
    }
    match command.as_deref() {
        None | Some("help") => print(USAGE),
        Some("checkpoint") => checkpoint::run(global, rest),
        Some("create") => create::run(global, rest),
        Some("delete") => delete::run(global, rest),
        Some("events") => events::run(global, rest),
        Some("exec") => exec::run(global, rest),
        Some("features") => features::run(rest),
        Some("kill") => kill::run(global, rest),
        Some("list") => list::run(global, rest),
        Some("pause") => pause::pause(global, rest),
        Some("ps") => ps::run(global, rest),
        Some("restore") => restore::run(global, rest),
        Some("resume") => pause::resume(global, rest),
        Some("run") => run::run(global, rest),
        Some("spec") => spec::run(rest),
        Some("start") => start::run(global, rest),
        Some("state") => state::run(global, rest),
        Some("update") => update::run(global, rest),
        Some(other) => Err(Error::usage(format!(
            "unknown command {other:?}: see gantry-runc --help for all commands"
        ))),
    }
}

/// Writes to the standard output.
fn print(text: &str) -> Result<u8, Error> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Error::Output)?;
    Ok(0)
}

/// Writes a JSON document to the standard output.
fn print_json(value: &impl serde::Serialize) -> Result<u8, Error> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::Output(io::Error::from(error)))?;
    print(&format!("{text}\n"))
}

/// Each entry on a line of its own.
fn lines<S: AsRef<str>>(entries: &[S]) -> String {
    entries.iter().flat_map(|entry| [entry.as_ref(), "\n"]).collect()
}
