//! `exec`: another process in a running container, the parent's side.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use gantry_oci::runtime::Status;
use gantry_sys::clone::{Child, Fork, Namespaces, clone_into};
use gantry_sys::pidfd;
use gantry_types::Signal;

use crate::birthplace::PidNamespace;
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

/// Runs another process in a container and returns when its program runs, or has failed to.
///
/// The caller must have one thread; the process becomes its child. It gets the container's cgroup, namespaces and system call filter.
pub fn exec(state_dir: &Path, options: &ExecOptions<'_>) -> Result<Started, Error> {
    let record = Record::read(state_dir)?;
    match record.status(state_dir)? {
        Status::Stopped => return Err(Error::ExecStopped),
        Status::Paused => return Err(Error::ExecPaused),
        _ => {}
    }
    let container = record.process()?.ok_or(Error::ExecStopped)?;
    let plan = ProcessPlan::new(options.process).map_err(Error::refused)?;
    if plan.terminal != matches!(options.stdio, Stdio::Terminal) {
        let reason = "process.terminal and the kind of stdio do not agree".to_owned();
        return Err(Error::InvalidConfig { reason });
    }
    let filter = Filter::read(state_dir)
        .map_err(|source| Error::Read { path: state_dir.to_owned(), source })?;
    let join = record.open_cgroup()?.join_handle().map_err(Error::Cgroup)?;
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
        stdio: &options.stdio,
        preserve_fds: options.preserve_fds,
        keyring: &keyring,
    };
    // The pidfd of the first process stands for the pid namespace that it lives in.
    let pid_namespace = PidNamespace::enter(Some(&container))?;
    let child = match clone_into(Namespaces::NONE, join.unified()).during("clone")? {
        Fork::Child => {
            drop(ours);
            enter.run(&theirs)
        }
        Fork::Parent(child) => child,
    };
    drop(theirs);
    pid_namespace.leave()?;
    let mut rollback = Rollback::new();
    let handle = child.pidfd.try_clone().during("copy a descriptor")?;
    rollback.on_failure(move || {
        drop(pidfd::send_signal(handle.as_fd(), Signal::KILL));
        drop(pidfd::wait(handle.as_fd()));
    });
    if let Some(score) = plan.oom_score_adj {
        set_oom_score(child.pid, score)?;
    }
    let started = attend(child, &ours)?;
    rollback.keep();
    Ok(started)
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
