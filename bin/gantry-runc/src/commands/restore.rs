//! `restore ID`: makes a container again from what `checkpoint` wrote, and stays until it ends unless told not to.

use std::os::fd::AsFd;
use std::path::PathBuf;

use gantry_runtime::{CreateFlags, CreateOptions, Created, RestoreOptions};
use gantry_sys::pidfd;
use gantry_sys::self_copy::Pending;

use crate::arguments::{Arguments, Flag, switch, value};
use crate::commands::create::{CREATE_FLAGS, copy_own_program, make_root, read_spec, undo};
use crate::criu::{self, Criu};
use crate::error::Error;
use crate::global::Global;
use crate::run_process::{Attendance, Attended, DETACH, FLAGS, attend};

pub(super) fn run(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let own = [DETACH, switch("no-subreaper"), value("lsm-profile"), value("lsm-mount-context")];
    let flags: Vec<Flag> =
        criu::FLAGS.into_iter().chain(CREATE_FLAGS).chain(FLAGS).chain(own).collect();
    let args = Arguments::parse("restore", &flags, args)?;
    let detach = args.is_set("detach");
    let attendance = Attendance::new(&args, detach)?;
    let id = args.only_id("restore")?;
    let criu = Criu::new(global, &args, &[])?;
    let signals = attendance.take_signals()?;
    let restored = restore(global, id, &args, (&criu, &attendance))?;
    let (pid, process) = (restored.pid, restored.pidfd);
    let result = attendance.announce(pid, &process, restored.terminal).and_then(|terminal| {
        let process = Attended { pid, pidfd: &process, terminal: terminal.as_ref() };
        attend(&process, signals.as_ref(), None)
    });
    if result.is_err() || !detach {
        undo(global, id)?;
    }
    if result.is_err() {
        // It was killed just now; whoever inherits our children need not see it.
        drop(pidfd::wait(process.as_fd()));
    }
    result
}

fn restore(
    global: &Global,
    id: &str,
    args: &Arguments,
    (criu, attendance): (&Criu, &Attendance),
) -> Result<Created, Error> {
    let bundle = PathBuf::from(args.get("bundle").unwrap_or("."));
    let spec = read_spec(&bundle)?;
    let terminal = spec.process.as_ref().is_some_and(|process| process.terminal);
    let state_dir = global.state_dir(id)?;
    make_root(&global.root)?;
    let own_copy = copy_own_program(Pending::start)?;
    let options = CreateOptions {
        spec: Some(&spec),
        stdio: attendance.stdio(terminal)?,
        system_bus: &global.system_bus,
        cgroup_refusals: global.cgroup_refusals,
        search_path: &global.search_path,
        own_copy: Some(&own_copy),
        flags: CreateFlags { systemd_cgroup: global.systemd_cgroup, ..CreateFlags::default() },
        ..CreateOptions::new(id, &bundle, &state_dir)
    };
    let restore = RestoreOptions {
        lsm_profile: args.get("lsm-profile"),
        lsm_mount_context: args.get("lsm-mount-context"),
        ..RestoreOptions::new(criu.options())
    };
    Ok(gantry_runtime::restore(&options, &restore)?)
}
