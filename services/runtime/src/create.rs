//! `create`: the parent's side of a container's beginning. Every step registers what takes it back.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use gantry_cgroup::{Cgroup, JoinHandle};
use gantry_oci::runtime::{State, Status};
use gantry_sys::clone::{Child, Namespaces};
use gantry_sys::pidfd;
use gantry_types::Signal;

use crate::birthplace::{Birthplace, Born};
use crate::channel::{Channel, Word};
use crate::error::Error;
use crate::failure::{During, Failure};
use crate::filter::Filter;
use crate::gate::Gate;
use crate::groundwork::{Draft, late_limits, settle, write};
use crate::id_map::Writer;
use crate::init::Init;
use crate::listener::{Address, Listener};
use crate::options::{CreateOptions, Created};
use crate::plan::Plan;
use crate::prepare::{Prepared, Sources, prepare};
use crate::rollback::Rollback;
use crate::rootless::Caller;
use crate::start::Door;
use crate::{filesystem, hooks, net_devices, resctrl};

/// Makes a container: its process waits, with everything set up, for [`start`](crate::start()).
///
/// The caller must have one thread; the process becomes its child. When anything fails nothing is left: no process, cgroup, mount or
/// file.
pub fn create(options: &CreateOptions<'_>) -> Result<Created, Error> {
    let gate = |state_dir: &Path| Gate::make(state_dir).map(Some);
    make(options, gate).map(|(created, _)| created)
}

/// Makes a container for a caller that starts it itself, with [`Door::open`], and does not outlive it: otherwise like [`create`].
pub fn create_to_run(options: &CreateOptions<'_>) -> Result<(Created, Door), Error> {
    make(options, |_| Ok(None))
}

fn make(
    options: &CreateOptions<'_>,
    gate: impl FnOnce(&Path) -> io::Result<Option<Gate>>,
) -> Result<(Created, Door), Error> {
    let draft = Draft::new(options)?;
    let mut rollback = Rollback::new();
    draft.make_state_dir(options, &mut rollback)?;
    let gate = gate(options.state_dir)
        .map_err(|source| Error::Write { path: options.state_dir.to_owned(), source })?;
    let mut record = draft.record(options)?;
    // The first time so that `delete` finds the cgroup should this process be killed on the way.
    write(&record, options.state_dir)?;
    let (cgroup, placeholder) = draft.make_cgroup(options, &mut record, &mut rollback)?;
    record.resctrl = draft.join_resctrl(options, &mut rollback)?;
    let Draft { bundle, plan, filter, .. } = &draft;
    let cgroups = cgroup.as_ref().map(Cgroup::mounts).unwrap_or_default();
    let sources = Sources { bundle, rootfs: options.rootfs, cgroups: &cgroups };
    // Who may not make mounts here, or none that are attached nowhere, leaves it to the new process.
    let may_prepare = draft.caller.may_mount() && filesystem::is_modern();
    if plan.mounts.iter().any(|mount| mount.id_mapping.is_some()) {
        leave_program_file(options)?;
    }
    let prepared = may_prepare.then(|| prepare(plan, &sources)).transpose()?;
    let state = record.state(Status::Creating);
    let listener = record.listener.as_ref().map(Address::connect).transpose()?;
    let listener = listener.as_ref();
    let parts = Parts {
        options,
        listener,
        plan,
        filter: filter.as_ref(),
        gate,
        caller: draft.caller,
        cgroup: cgroup.as_ref(),
        sources,
        state,
        resctrl: record.resctrl.as_ref(),
    };
    let (created, channel) = parts.launch(prepared.as_ref(), &mut rollback)?;
    drop(placeholder);
    settle(&mut record, created.pid, options.state_dir)?;
    rollback.keep();
    Ok((created, Door::new(channel, &record)))
}

/// What the launch needs; all made before.
struct Parts<'a> {
    options: &'a CreateOptions<'a>,
    plan: &'a Plan,
    filter: Option<&'a Filter>,
    listener: Option<&'a Listener<'a>>,
    gate: Option<Gate>,
    caller: Caller,
    cgroup: Option<&'a Cgroup>,
    sources: Sources<'a>,
    state: State,
    resctrl: Option<&'a resctrl::Group>,
}

impl Parts<'_> {
    fn launch(
        mut self,
        prepared: Option<&Prepared>,
        rollback: &mut Rollback,
    ) -> Result<(Created, Channel), Error> {
        let join = self.cgroup.map_or(Ok(JoinHandle::default()), Cgroup::join_handle);
        let join = join.map_err(Error::Cgroup)?;
        let (ours, theirs) = Channel::pair().during("make a socket pair")?;
        let keyring = format!("_ses.{}", self.options.id);
        let init = Init {
            plan: self.plan,
            caller: self.caller,
            prepared,
            sources: self.sources,
            filter: self.filter,
            listener: self.listener,
            join_cgroup: &join,
            stdio: &self.options.stdio,
            preserve_fds: self.options.preserve_fds,
            flags: self.options.flags,
            keyring: &keyring,
            state: &self.state,
            gate: self.gate.as_ref(),
        };
        self.end_with_hooks(rollback);
        leave_program_file(self.options)?;
        let score = self.plan.process.oom_score_adj;
        let birthplace =
            Birthplace::of_container(self.caller, &self.plan.namespaces, join.unified(), score);
        let child = match birthplace.bear()? {
            Born::Child(entered) => {
                drop(ours);
                init.run(theirs, entered)
            }
            Born::Parent(child) => child,
        };
        drop(theirs);
        let handle = child.pidfd.try_clone().during("copy a descriptor")?;
        rollback.on_failure(move || {
            drop(pidfd::send_signal(handle.as_fd(), Signal::KILL));
            drop(pidfd::wait(handle.as_fd()));
        });
        self.state.pid = Some(child.pid);
        self.place(&child, &ours, rollback)?;
        Ok((self.attend(child, &ours)?, ours))
    }

    /// What the first hooks began is for the last ones to end, however far the container came.
    fn end_with_hooks(&self, rollback: &mut Rollback) {
        let (hooks, state) = (self.plan.hooks.poststop.clone(), self.state.clone());
        if !hooks.is_empty() {
            let state = State { status: Status::Stopped, ..state };
            // The failure before is the one to report.
            rollback.on_failure(move || drop(hooks::run_each("poststop", &hooks, &state)));
        }
    }

    /// Puts the child where only the parent can put it: among its ids, its devices, its share of the processor's caches.
    fn place(
        &self,
        child: &Child,
        channel: &Channel,
        rollback: &mut Rollback,
    ) -> Result<(), Error> {
        let late = late_limits(self.plan.linux.resources.as_ref());
        if let (Some(cgroup), Some(limits)) = (self.cgroup, late) {
            cgroup.apply(&limits).map_err(Error::Cgroup)?;
        }
        if let (Some(score), Caller::Root) = (self.plan.process.oom_score_adj, self.caller) {
            set_oom_score(child.pid, score)?;
        }
        if let Some(group) = self.resctrl {
            group.add(child.pid)?;
        }
        let namespaces = &self.plan.namespaces;
        let is_mapped = namespaces.new.contains(Namespaces::USER);
        if is_mapped {
            let writer = Writer { caller: self.caller, search_path: self.options.search_path };
            writer.write(child.pid, &namespaces.uid_mappings, &namespaces.gid_mappings)?;
        }
        let devices = &self.plan.net_devices;
        if !devices.is_empty() {
            let target = namespaces.network_of(child.pid)?;
            net_devices::hand_over(devices, target.as_fd(), rollback)?;
        }
        if is_mapped || !devices.is_empty() {
            channel.send(&Word::Go).during("tell the new process to go on")?;
        }
        Ok(())
    }

    /// Does what the child asks for, until it is ready.
    fn attend(&self, child: Child, channel: &Channel) -> Result<Created, Error> {
        loop {
            match channel.receive().during("listen to the new process")? {
                Word::Hooks => {
                    let hooks = &self.plan.hooks;
                    hooks::run("prestart", &hooks.prestart, &self.state)?;
                    hooks::run("createRuntime", &hooks.create_runtime, &self.state)?;
                    channel.send(&Word::Go).during("tell the new process to go on")?;
                }
                Word::Ready(terminal) => {
                    return Ok(Created { pid: child.pid, pidfd: child.pidfd, terminal });
                }
                Word::Failed(failure) => return Err(failure.into()),
                Word::Go | Word::Pid(_) | Word::End => return Err(died(&child.pidfd)),
            }
        }
    }
}

/// Goes on from the copy of the own program, if there is one to go to, before a process of ours can be seen in a container.
fn leave_program_file(options: &CreateOptions<'_>) -> Result<(), Failure> {
    let Some(copy) = options.own_copy else { return Ok(()) };
    copy.finish().during("run from a sealed copy of the program")
}

/// The new process ended without a word: somebody killed it.
pub(crate) fn died(child: &OwnedFd) -> Error {
    let how = match pidfd::wait(child.as_fd()) {
        Ok(ended) => format!("with status {}", ended.code()),
        Err(error) => format!("and cannot be waited for: {error}"),
    };
    Failure::new(
        crate::failure::Class::Internal,
        format!("the new process ended before its program could run, {how}"),
    )
    .into()
}

pub(crate) fn set_oom_score(pid: i32, score: i32) -> Result<(), Failure> {
    fs::write(PathBuf::from(format!("/proc/{pid}/oom_score_adj")), score.to_string())
        .during_with(|| format!("set process.oomScoreAdj to {score}"))
}
