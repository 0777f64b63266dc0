//! `create [--bundle DIR] ID`: and, for `run`, everything up to a container that waits.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gantry_oci::runtime::Spec;
use gantry_runtime::{CreateFlags, CreateOptions, Created};

use crate::arguments::{Arguments, Flag, switch, value};
use crate::error::Error;
use crate::global::Global;
use crate::notify;
use crate::run_process::{Attendance, FLAGS};

/// Flags of `create` and `run`.
pub(super) const CREATE_FLAGS: [Flag; 3] =
    [value("bundle").short("b"), switch("no-pivot"), switch("no-new-keyring")];

pub(super) fn run(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let flags: Vec<Flag> = CREATE_FLAGS.into_iter().chain(FLAGS).collect();
    let args = Arguments::parse("create", &flags, args)?;
    let attendance = Attendance::new(&args, true)?;
    let id = args.only_id("create")?;
    let mut created = create(global, id, &args, &attendance)?;
    let announced = attendance.announce(created.pid, &created.pidfd, created.terminal.take());
    if let Err(error) = announced {
        undo(global, id)?;
        return Err(error);
    }
    Ok(0)
}

/// Makes the container from the flags.
pub(super) fn create(
    global: &Global,
    id: &str,
    args: &Arguments,
    attendance: &Attendance,
) -> Result<Created, Error> {
    run_from_copy()?;
    let bundle = PathBuf::from(args.get("bundle").unwrap_or("."));
    let terminal = read_spec(&bundle)?.process.is_some_and(|process| process.terminal);
    let state_dir = global.state_dir(id)?;
    fs::create_dir_all(&global.root).map_err(|source| Error::File {
        what: "make",
        path: global.root.clone(),
        source,
    })?;
    let options = CreateOptions {
        stdio: attendance.stdio(terminal)?,
        preserve_fds: attendance.inherited.count,
        env: &attendance.inherited.env,
        system_bus: &global.system_bus,
        notify: notify::manager().is_some(),
        flags: CreateFlags {
            no_pivot: args.is_set("no-pivot"),
            no_new_keyring: args.is_set("no-new-keyring"),
            systemd_cgroup: global.systemd_cgroup,
        },
        ..CreateOptions::new(id, &bundle, &state_dir)
    };
    Ok(gantry_runtime::create(&options)?)
}

/// Removes a container whose caller was not served to the end.
pub(super) fn undo(global: &Global, id: &str) -> Result<(), Error> {
    let state_dir = global.state_dir(id)?;
    Ok(gantry_runtime::delete(&state_dir, gantry_runtime::DeleteMode::Force)?)
}

/// Processes of ours enter containers: they must not bring a way to the program on disk.
pub(super) fn run_from_copy() -> Result<(), Error> {
    gantry_sys::self_copy::ensure()
        .map_err(|source| Error::System { what: "run from a sealed copy of the program", source })
}

/// A bundle's document.
pub(super) fn read_spec(bundle: &Path) -> Result<Spec, Error> {
    let path = bundle.join("config.json");
    let text = fs::read(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::File {
            what: "JSON specification file config.json not found:",
            path: path.clone(),
            source,
        },
        _ => Error::File { what: "read", path: path.clone(), source },
    })?;
    serde_json::from_slice(&text).map_err(|source| Error::Parse { path, source })
}
