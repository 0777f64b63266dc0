//! The same for a shim: strace is attached to its server, and the server is killed at its n-th system call in the course of a life.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use gantry_shims::{CreateOptions, ExecOptions, ExitNotice, LaunchOptions, Shim, Shims};
use gantry_testkit::{TIMEOUT, poll_for};
use gantry_types::Signal;

use super::Sweeper;
use crate::by_shim::{delete_by_hand, whole};
use crate::family;
use crate::stage::{Bundle, exec_process};

/// The status of a process that was killed, or whose shim was.
const KILLED: u32 = 137;

impl Sweeper {
    pub(super) fn try_shim(&mut self, bundle: &Bundle, number: u32) -> Result<bool, String> {
        let options = LaunchOptions {
            binary: self.shim.program.clone(),
            bundle: bundle.path.clone(),
            id: bundle.id.clone(),
        };
        let shim = self.shim.shims.launch(&options).map_err(|error| whole(&error))?;
        let pid = shim.identify().map_err(|error| whole(&error))?.shim_pid;
        let tracer = attach(pid, &self.strace_flags(number))?;
        let lived = live(&shim);
        // One that is dead answers with an error, and one that dies now as well.
        let asked = shim.shutdown();
        let alive = family::await_end(pid)? == 0;
        family::await_end(tracer.id())?;
        if alive {
            lived?;
            asked.map_err(|error| whole(&error))?;
        }
        let recorded = recorded(&bundle.path);
        match (alive, recorded) {
            (true, Some(KILLED)) => Ok(false),
            (true, other) => Err(format!("the record says {other:?}")),
            (false, recorded) => {
                let answer = delete_by_hand(&self.shim, bundle)?;
                if answer == recorded.unwrap_or(KILLED) {
                    Ok(true)
                } else {
                    Err(format!("`gantry-shim delete` says {answer}, the record {recorded:?}"))
                }
            }
        }
    }
}

/// One of each call.
fn live(shim: &Shim) -> Result<(), String> {
    let told = |error: gantry_shims::Error| whole(&error);
    shim.create(&CreateOptions::default()).map_err(told)?;
    shim.start("").map_err(told)?;
    let process = exec_process().to_string().into_bytes();
    shim.exec("e1", &ExecOptions { process, ..ExecOptions::default() }).map_err(told)?;
    shim.start("e1").map_err(told)?;
    shim.wait("e1", TIMEOUT);
    shim.delete("e1").map_err(told)?;
    shim.pause().map_err(told)?;
    shim.resume().map_err(told)?;
    shim.kill("", Signal::KILL).map_err(told)?;
    match shim.wait("", TIMEOUT) {
        Some(ExitNotice::Exited { status: KILLED, .. }) => {}
        notice => return Err(format!("the container ended with {notice:?}")),
    }
    shim.delete("").map_err(told).map(drop)
}

fn attach(pid: u32, flags: &[String]) -> Result<Child, String> {
    let tracer = Command::new("strace")
        .args(flags)
        .args(["-p", &pid.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("run strace: {error}"))?;
    let attached = poll_for(TIMEOUT, || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
        // Attached at last, or killed already.
        let traced = tracer.is_none_or(|tracer| tracer.trim() != "0");
        (traced || family::has_ended(pid)).then_some(())
    });
    attached.ok_or("strace does not attach")?;
    Ok(tracer)
}

/// The status that is recorded for the first process.
fn recorded(bundle: &Path) -> Option<u32> {
    match Shims::recorded_exit(bundle, "") {
        Some(ExitNotice::Exited { status, .. }) => Some(status),
        _ => None,
    }
}
