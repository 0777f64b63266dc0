//! `start ID`.

use crate::arguments::Arguments;
use crate::error::Error;
use crate::global::Global;
use crate::notify::{Notify, process_of};

pub(super) fn run(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let args = Arguments::parse("start", &[], args)?;
    let state_dir = global.state_dir(args.only_id("start")?)?;
    let pid = gantry_runtime::state(&state_dir)?.pid;
    // Before the program can speak. A container that has stopped is refused below.
    let awaited = match (Notify::listen(&state_dir)?, pid) {
        (Some(notify), Some(pid)) => Some((notify, process_of(pid)?, pid)),
        _ => None,
    };
    gantry_runtime::start(&state_dir)?;
    if let Some((notify, process, pid)) = awaited {
        notify.wait(std::os::fd::AsFd::as_fd(&process), pid)?;
    }
    Ok(0)
}
