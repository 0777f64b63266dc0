//! The processes that come to us when their parents die: we are their subreaper, as conmon and containerd's shim are, so every end of
//! a container's first process is ours to hear, once. Whoever is left when a container is gone is a leftover.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gantry_testkit::poll_for;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process};

/// How long a killed process may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// From now on orphans below us come to us.
pub(crate) fn adopt_orphans() {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .expect("become a subreaper");
}

/// SIGKILL for one process; one that is gone is fine.
pub(crate) fn kill(pid: u32) {
    match to_pid(pid).map(|pid| kill_process(pid, Signal::KILL)) {
        None | Some(Ok(()) | Err(Errno::SRCH)) => {}
        Some(Err(error)) => panic!("kill process {pid}: {error}"),
    }
}

/// The ends that were heard and not asked for yet.
static HEARD: Mutex<BTreeMap<u32, WaitStatus>> = Mutex::new(BTreeMap::new());

/// Waits for the end of one child, and meanwhile takes note of every other: the first process of a pid namespace does not end before
/// somebody has heard of all who entered it.
pub(crate) fn await_status(pid: u32) -> Result<WaitStatus, String> {
    let ended = poll_for(PATIENCE, || {
        let alone = listen();
        match HEARD.lock().unwrap_or_else(PoisonError::into_inner).remove(&pid) {
            Some(status) => Some(Ok(status)),
            None => alone.then(|| Err(format!("process {pid} is no child of ours"))),
        }
    });
    ended.unwrap_or_else(|| Err(format!("process {pid} does not end")))
}

/// The same as a shell has it: 128 and the number of the signal that ended it.
pub(crate) fn await_end(pid: u32) -> Result<i32, String> {
    await_status(pid).map(code)
}

/// Waits until no child is left; who they are when some stay. What was heard is forgotten.
pub(crate) fn await_solitude() -> Result<(), String> {
    let alone = poll_for(PATIENCE, || listen().then_some(()));
    HEARD.lock().unwrap_or_else(PoisonError::into_inner).clear();
    alone.ok_or_else(|| format!("processes are left: {}", names(&children(std::process::id()))))
}

/// Takes note of who has ended; whether no child is left.
pub(crate) fn listen() -> bool {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                let pid = pid.as_raw_nonzero().get().unsigned_abs();
                HEARD.lock().unwrap_or_else(PoisonError::into_inner).insert(pid, status);
            }
            Ok(None) => return false,
            Err(Errno::CHILD) => return true,
            Err(error) => panic!("wait for orphans: {error}"),
        }
    }
}

/// Whether a process is gone, or dead and not heard of.
pub(crate) fn has_ended(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.is_empty() || status.contains(") Z ")
}

/// The children of all threads of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

fn names(pids: &[u32]) -> String {
    let name = |pid: &u32| {
        let read = |file| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let state =
            read("status").lines().find_map(|line| line.strip_prefix("State:").map(str::to_owned));
        format!("{pid} ({}{})", read("cmdline").replace('\0', " "), state.unwrap_or_default())
    };
    pids.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn to_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

fn code(status: WaitStatus) -> i32 {
    status
        .exit_status()
        .or_else(|| status.terminating_signal().map(|signal| 128 + signal))
        .unwrap_or(-1)
}
