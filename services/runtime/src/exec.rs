//! `exec`: another process in a running container, the parent's side.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use gantry_cgroup::JoinHandle;
use gantry_sys::clone::{Child, Namespaces};
use gantry_sys::pidfd;
use gantry_sys::self_copy::Pending;
use gantry_types::Signal;

use crate::birthplace::{Birthplace, Born};
use crate::channel::{Channel, Word};
use crate::create::{died, set_oom_score};
use crate::enter::Enter;
use crate::error::Error;
use crate::failure::During;
use crate::filter::Filter;
use crate::listener::Address;
use crate::options::{ExecOptions, Started, Stdio};
use crate::plan::ProcessPlan;
use crate::record::Record;
use crate::rollback::Rollback;
use crate::rootless::Caller;

/// Runs another process in a container and returns when its program runs, or has failed to.
///
/// The caller must have one thread; the process becomes its child. It gets the container's cgroup, namespaces and system call filter.
pub fn exec(state_dir: &Path, options: &ExecOptions<'_>) -> Result<Started, Error> {
    exec_from(None, state_dir, options)
}

/// The same for a caller that goes on from a copy of its program before anything of it enters the container.
pub fn exec_from(
    own_copy: Option<&Pending>,
    state_dir: &Path,
    options: &ExecOptions<'_>,
) -> Result<Started, Error> {
    let record = Record::read(state_dir)?;
    let container = record.process_to_join(state_dir)?;
    let process = record.confinement.complete(options.process);
    let plan = ProcessPlan::new(&process).map_err(Error::refused)?;
    if plan.terminal != matches!(options.stdio, Stdio::Terminal) {
        let reason = "process.terminal and the kind of stdio do not agree".to_owned();
        return Err(Error::InvalidConfig { reason });
    }
    let filter = Filter::read(state_dir)
        .map_err(|source| Error::Read { path: state_dir.to_owned(), source })?;
    let join = join_handle(&record)?;
    let caller = Caller::detect().during("look at the own rights")?;
    let namespaces = record.namespaces_to_enter(caller)?;
    let keyring = format!("_ses.{}", record.id);
    let (ours, theirs) = Channel::pair().during("make a socket pair")?;
    let notifies = filter.as_ref().is_some_and(Filter::notifies);
    let listener = record.listener.as_ref().filter(|_| notifies);
    let listener = listener.map(Address::connect).transpose()?;
    let enter = Enter {
        plan: &plan,
        filter: filter.as_ref(),
        listener: listener.as_ref(),
        join_cgroup: &join,
        container: &container,
        record: &record,
        namespaces,
        stdio: &options.stdio,
        preserve_fds: options.preserve_fds,
        keyring: &keyring,
    };
    let is_held_back = enter.waits_for_parent();
    let approach = |socket: BorrowedFd<'_>| enter.approach(&[socket, ours.as_fd(), theirs.as_fd()]);
    let foreign = caller != Caller::User && namespaces.contains(Namespaces::PID);
    let first = (namespaces, container.as_fd());
    let mut birthplace = Birthplace::of_exec(caller, first, join.unified(), plan.oom_score_adj);
    birthplace.approach = foreign.then_some(&approach);
    if let Some(copy) = own_copy {
        copy.finish().during("run from a sealed copy of the program")?;
    }
    let child = match birthplace.bear()? {
        Born::Child(entered) => {
            drop(ours);
            enter.run(&theirs, entered)
        }
        Born::Parent(child) => child,
    };
    drop(theirs);
    let mut rollback = Rollback::new();
    let handle = child.pidfd.try_clone().during("copy a descriptor")?;
    rollback.on_failure(move || {
        drop(pidfd::send_signal(handle.as_fd(), Signal::KILL));
        drop(pidfd::wait(handle.as_fd()));
    });
    if notifies {
        ours.send(&Word::Pid(child.pid)).during("tell the new process its pid")?;
    }
    if let (Some(score), Caller::Root) = (plan.oom_score_adj, caller) {
        set_oom_score(child.pid, score)?;
    }
    record.resctrl.as_ref().map_or(Ok(()), |group| group.add(child.pid))?;
    if is_held_back {
        ours.send(&Word::Go).during("let the new process go on")?;
    }
    let started = attend(child, &ours)?;
    rollback.keep();
    Ok(started)
}

/// The container's cgroup for one more process, which would stop at once in a frozen one.
fn join_handle(record: &Record) -> Result<JoinHandle, Error> {
    if !record.has_cgroup() {
        return Ok(JoinHandle::default());
    }
    let cgroup = record.open_cgroup()?;
    if cgroup.is_frozen().unwrap_or(false) {
        return Err(Error::ExecPaused);
    }
    cgroup.join_handle_beside(record.pid.unsigned_abs()).map_err(Error::Cgroup)
}

/// Listens until the program runs: then the channel's other end closes without a failure.
fn attend(child: Child, channel: &Channel) -> Result<Started, Error> {
    let mut ready: Option<Option<OwnedFd>> = None;
    loop {
        match (channel.receive().during("listen to the new process")?, &mut ready) {
            (Word::Ready(terminal), None) => ready = Some(terminal),
            (Word::Failed(failure), _) => return Err(failure.into()),
            (Word::End, Some(terminal)) => {
                return Ok(Started {
                    pid: child.pid,
                    pidfd: child.pidfd,
                    terminal: terminal.take(),
                });
            }
            _ => return Err(died(&child.pidfd)),
        }
    }
}
