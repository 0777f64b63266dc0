//! `run ID`: create, start, wait, delete.

use std::os::fd::AsFd;

use gantry_sys::pidfd;

use crate::arguments::{Arguments, Flag, switch};
use crate::commands::create::{CREATE_FLAGS, create, undo, warn_each};
use crate::error::Error;
use crate::global::Global;
use crate::notify::Notify;
use crate::run_process::{Attendance, Attended, DETACH, FLAGS, attend};

pub(super) fn run(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let own = [DETACH, switch("keep"), switch("no-subreaper")];
    let flags: Vec<Flag> = CREATE_FLAGS.into_iter().chain(FLAGS).chain(own).collect();
    let args = Arguments::parse("run", &flags, args)?;
    let detach = args.is_set("detach");
    let attendance = Attendance::new(&args, detach)?;
    let id = args.only_id("run")?;
    let signals = attendance.take_signals()?;
    let make = gantry_runtime::create_to_run;
    let (created, door) = create(global, id, &args, &attendance, make)?;
    let state_dir = global.state_dir(id)?;
    let process = created.pidfd;
    let pid = created.pid;
    let result = attendance.announce(pid, &process, created.terminal).and_then(|terminal| {
        let notify = Notify::listen(&state_dir)?;
        let remains = door.open(&state_dir)?;
        let process = Attended { pid, pidfd: &process, terminal: terminal.as_ref() };
        attend(&process, signals.as_ref(), notify.as_ref()).map(|code| (code, remains))
    });
    match result {
        Ok((code, remains)) => {
            if !(detach || args.is_set("keep")) {
                warn_each(global, &remains.remove(&state_dir)?);
            }
            Ok(code)
        }
        Err(error) => {
            undo(global, id)?;
            // It was killed just now; whoever inherits our children need not see it.
            drop(pidfd::wait(process.as_fd()));
            Err(error)
        }
    }
}
