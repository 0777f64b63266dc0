//! `delete`: containerd calls it when a shim does not answer. Takes down what is left of the container.

use crate::error::Error;
use crate::flags::Flags;
use crate::group;
use crate::info::write_out;
use crate::runtime::{Owner, Runtime};
use gantry_shim_protocol::bootstrap::socket_path;
use gantry_shim_protocol::exit::ExitRecord;
use gantry_shim_protocol::task::DeleteResponse;
use gantry_shim_protocol::wire::Message;
use gantry_shim_protocol::{ADDRESS_FILE, EXITS_FILE, GROUP_FILE, IO_SOCKET, TASK_SOCKET};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// The status of a process that went with its shim.
const KILLED: u32 = 137;

pub(crate) fn delete(flags: &Flags) -> Result<(), Error> {
    let bundle = match &flags.bundle {
        Some(bundle) => bundle.clone(),
        None => std::env::current_dir().map_err(Error::system("find the bundle"))?,
    };
    let owner = Owner { namespace: &flags.namespace, id: &flags.id, bundle: &bundle };
    let deleted = Runtime::recorded(owner).and_then(|runtime| runtime.delete()?.wait());
    // Nobody serves these, whatever became of the container.
    remove_socket(&bundle);
    for name in [TASK_SOCKET, IO_SOCKET] {
        drop(std::fs::remove_file(bundle.join(name)));
    }
    deleted?;
    write_out(&response(bundle.join(EXITS_FILE)).encode())
}

/// A socket outside the bundle, if nobody serves it any more; a group's may still be served.
fn remove_socket(bundle: &Path) {
    let Ok(address) = std::fs::read_to_string(bundle.join(ADDRESS_FILE)) else { return };
    let socket = Path::new(socket_path(&address));
    let is_dead = || {
        let error = gantry_sys::unix_socket::connect(socket).err();
        // Any other failure is our own and says nothing about the shim.
        error.is_some_and(|error| {
            matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
        })
    };
    if !socket.is_absolute() || !is_dead() {
        return;
    }
    if std::fs::symlink_metadata(socket).is_ok_and(|stat| stat.file_type().is_socket()) {
        drop(std::fs::remove_file(socket));
    }
    if let Ok(file) = std::fs::read_to_string(bundle.join(GROUP_FILE)) {
        group::forget(Path::new(&file), socket);
    }
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
