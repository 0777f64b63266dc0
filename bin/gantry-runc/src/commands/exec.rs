//! `exec ID COMMAND…`, or `exec --process FILE ID`.

use std::os::fd::AsFd;
use std::path::Path;

use gantry_oci::runtime::Process;
use gantry_runtime::ExecOptions;
use gantry_sys::pidfd;
use gantry_sys::self_copy::Pending;
use gantry_types::Signal;

use crate::arguments::{Arguments, Flag, switch, value};
use crate::commands::create::{copy_own_program, read_document, read_spec};
use crate::error::Error;
use crate::global::Global;
use crate::run_process::{Attendance, Attended, DETACH, FLAGS, attend};

const EXEC_FLAGS: [Flag; 10] = [
    value("process").short("p"),
    value("cwd"),
    value("env").short("e"),
    value("user").short("u"),
    value("additional-gids").short("g"),
    value("cap").short("c"),
    switch("tty").short("t"),
    switch("no-new-privs"),
    value("process-label"),
    value("apparmor"),
];

pub(super) fn run(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let flags: Vec<Flag> = EXEC_FLAGS.into_iter().chain(FLAGS).chain([DETACH]).collect();
    let args = Arguments::parse("exec", &flags, args)?;
    let Some((id, command)) = args.rest.split_first() else {
        return Err(Error::usage("exec takes a container id and a command"));
    };
    exec(global, &args, id, command).map_err(Error::of_exec)
}

fn exec(global: &Global, args: &Arguments, id: &str, command: &[String]) -> Result<u8, Error> {
    let own_copy = copy_own_program(Pending::start)?;
    let state_dir = global.state_dir(id)?;
    let attendance = Attendance::new(args, args.is_set("detach"))?;
    let mut process = process(args, &state_dir, command)?;
    process.env.extend(attendance.inherited.env.iter().cloned());
    let signals = attendance.take_signals()?;
    let options = ExecOptions {
        stdio: attendance.stdio(process.terminal)?,
        process: &process,
        preserve_fds: attendance.inherited.count,
    };
    // Whether the container has a user namespace is not for us to know; its first process's document was checked for what it cannot have.
    let names = process.capabilities.as_ref();
    let warnings = names.map(|names| gantry_runtime::capability_warnings(names, true));
    warnings.iter().flatten().for_each(|warning| global.log.warn(warning));
    let started = gantry_runtime::exec_from(Some(&own_copy), &state_dir, &options)?;
    let (pid, process) = (started.pid, &started.pidfd);
    let result = attendance.announce(pid, process, started.terminal).and_then(|terminal| {
        let process = Attended { pid, pidfd: process, terminal: terminal.as_ref() };
        attend(&process, signals.as_ref(), None)
    });
    if result.is_err() {
        // Nobody would know of it. It may have ended and been waited for.
        drop(pidfd::send_signal(process.as_fd(), Signal::KILL));
        drop(pidfd::wait(process.as_fd()));
    }
    result
}

/// The document that was given, or the container's own process with the command and the flags instead of its own.
fn process(args: &Arguments, state_dir: &Path, command: &[String]) -> Result<Process, Error> {
    if let Some(path) = args.get("process") {
        if !command.is_empty() {
            return Err(Error::usage("exec takes a command or --process, not both"));
        }
        let text = read_document(Path::new(path)).map_err(|source| Error::File {
            what: "read",
            path: path.into(),
            source,
        })?;
        return serde_json::from_slice(&text)
            .map_err(|source| Error::Parse { path: path.into(), source });
    }
    if command.is_empty() {
        return Err(Error::usage("exec takes a command, or --process FILE"));
    }
    let bundle = gantry_runtime::bundle(state_dir)?;
    let mut process = read_spec(&bundle)?.process.unwrap_or_default();
    process.args = command.to_vec();
    process.terminal = args.is_set("tty");
    process.env.extend(args.all("env").map(str::to_owned));
    if let Some(cwd) = args.get("cwd") {
        cwd.clone_into(&mut process.cwd);
    }
    if let Some(user) = args.get("user") {
        user.clone_into(&mut process.user.username);
        process.user.additional_gids.clear();
    }
    for gid in args.all("additional-gids") {
        let gid = gid
            .parse()
            .map_err(|_| Error::usage(format!("--additional-gids {gid:?} is not a number")))?;
        process.user.additional_gids.push(gid);
    }
    if args.is_set("no-new-privs") {
        process.no_new_privileges = true;
    }
    if let Some(label) = args.get("process-label") {
        label.clone_into(&mut process.selinux_label);
    }
    if let Some(profile) = args.get("apparmor") {
        profile.clone_into(&mut process.apparmor_profile);
    }
    let capabilities = process.capabilities.get_or_insert_default();
    for name in args.all("cap") {
        for set in
            [&mut capabilities.bounding, &mut capabilities.effective, &mut capabilities.permitted]
        {
            set.push(name.to_owned());
        }
    }
    Ok(process)
}
