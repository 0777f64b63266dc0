//! `delete`: containerd calls it when a shim does not answer. Takes down what is left of the container.

use crate::error::Error;
use crate::flags::Flags;
use crate::info::write_out;
use crate::task::RUNTIME_DIR;
use gantry_runtime::DeleteMode;
use gantry_shim_protocol::exit::ExitRecord;
use gantry_shim_protocol::task::DeleteResponse;
use gantry_shim_protocol::wire::Message;
use gantry_shim_protocol::{EXITS_FILE, IO_SOCKET, TASK_SOCKET};
use gantry_types::ErrorKind;
use std::path::PathBuf;

/// The status of a process that went with its shim.
const KILLED: u32 = 137;

pub(crate) fn delete(flags: &Flags) -> Result<(), Error> {
    let bundle = match &flags.bundle {
        Some(bundle) => bundle.clone(),
        None => std::env::current_dir().map_err(Error::system("find the bundle"))?,
    };
    match gantry_runtime::delete(&bundle.join(RUNTIME_DIR), DeleteMode::Force) {
        // It never came so far, or somebody was here before.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        other => other?,
    }
    for name in [TASK_SOCKET, IO_SOCKET] {
        drop(std::fs::remove_file(bundle.join(name)));
    }
    write_out(&response(bundle.join(EXITS_FILE)).encode())
}

/// How it ended, if the shim still wrote that down.
fn response(exits: PathBuf) -> DeleteResponse {
    let record = std::fs::read_to_string(exits).ok().and_then(|text| ExitRecord::find(&text, ""));
    match record {
        Some(ExitRecord { pid, status: exit_status, exited_at, .. }) => {
            DeleteResponse { pid, exit_status, exited_at: Some(exited_at) }
        }
        None => DeleteResponse {
            pid: 0,
            exit_status: KILLED,
            exited_at: Some(gantry_sys::clock::now()),
        },
    }
}
