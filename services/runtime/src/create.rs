//! `create`: the parent's side of a container's beginning. Every step registers what takes it back.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use gantry_cgroup::{Cgroup, JoinHandle};
use gantry_oci::runtime::{State, Status};
use gantry_sys::clone::{Child, Namespaces};
use gantry_sys::mount::Propagation;
use gantry_sys::net::PendingNamespace;
use gantry_sys::pidfd;
use gantry_sys::self_copy::Pending;
use gantry_types::Signal;

use crate::birthplace::{Birthplace, Born};
use crate::channel::{Channel, Word};
use crate::delete::Remains;
use crate::error::Error;
use crate::failure::{During, Failure};
use crate::filter::Filter;
use crate::gate::{Beginning, Gate, Hold};
use crate::groundwork::{Draft, Settled, late_limits, settled};
use crate::id_map::Writer;
use crate::init::{Init, NewNetwork};
use crate::listener::{Address, Listener};
use crate::options::{CreateOptions, Created, Stdio};
use crate::plan::{MountPlan, Plan, Recursion};
use crate::prepare::{Prepared, Sources, prepare};
use crate::record::{self, Record};
use crate::rollback::Rollback;
use crate::rootless::Caller;
use crate::start::{Door, LET_GO, Opener};
use crate::{filesystem, hooks, net_devices};

/// Makes a container: its process waits, with everything set up, for [`start`](crate::start()).
///
/// The caller must have one thread; the process becomes its child. When anything fails nothing is left: no process, cgroup, mount or
/// file.
pub fn create(options: &CreateOptions<'_>) -> Result<Created, Error> {
    let gate = |_: &Draft| Gate::make(options.state_dir).map(Beginning::AtGate);
    make(options, gate).map(|(created, _)| created)
}

/// Makes a container for a caller that starts it itself, with [`Door::open`], and does not outlive it: otherwise like [`create`].
pub fn create_to_run(options: &CreateOptions<'_>) -> Result<(Created, Door), Error> {
    make(options, |draft| {
        Ok(match Hold::take(&record::path(options.state_dir)) {
            Ok(hold) if can_start_at_once(options, draft) => Beginning::AtOnce(hold),
            // Nor does anybody go on at once whose record cannot be locked here.
            hold => Beginning::ByCreator(hold.ok()),
        })
    })
}

/// Whether the process can go on by itself when it has moved to the program's copy: what it waits for then is the last thing that it
/// needs from its maker.
fn can_start_at_once(options: &CreateOptions<'_>, draft: &Draft) -> bool {
    options.start_at_once
        && options.own_copy.is_some()
        && !matches!(options.stdio, Stdio::Terminal)
        && is_born_unseen(&draft.plan, draft.caller)
        && !hooks::come_before_start(&draft.plan.hooks)
}

fn make(
    options: &CreateOptions<'_>,
    begin: impl FnOnce(&Draft) -> io::Result<Beginning>,
) -> Result<(Created, Door), Error> {
    let draft = Draft::new(options)?;
    if draft.plan.mounts.iter().any(|mount| mount.id_mapping.is_some()) {
        // The processes that hold the mappings can be seen. Before anybody is at work aside, in the memory that this changes.
        leave_program_file(options)?;
    }
    let network = Network::begin(&draft, options.own_copy)?;
    let mut rollback = Rollback::new();
    let state_dir = draft.make_state_dir(options, &mut rollback)?;
    let mut record = draft.record(options)?;
    let (cgroup, placeholder) = draft.make_cgroup(options, &mut record, &mut rollback)?;
    record.resctrl = draft.join_resctrl(options, &mut rollback)?;
    // After the placeholder is born: it lives until the program runs, and would hold the record as long.
    let beginning = begin(&draft)
        .map_err(|source| Error::Write { path: options.state_dir.to_owned(), source })?;
    record.held_until_start = beginning.holds_record();
    let Draft { bundle, plan, filter, .. } = &draft;
    let cgroups = cgroup.as_ref().map(Cgroup::mounts).unwrap_or_default();
    let sources = Sources { bundle, rootfs: options.rootfs, cgroups: &cgroups };
    // Who may not make mounts here, or none that are attached nowhere, leaves it to the new process.
    let may_prepare = draft.caller.may_mount() && filesystem::is_modern();
    let prepared = may_prepare.then(|| prepare(plan, &sources)).transpose()?;
    let state = record.state(Status::Creating);
    let listener = record.listener.as_ref().map(Address::connect).transpose()?;
    let listener = listener.as_ref();
    let parts = Parts {
        options,
        listener,
        plan,
        filter: filter.as_ref(),
        beginning,
        caller: draft.caller,
        cgroup: cgroup.as_ref(),
        sources,
        state,
        record: &record,
        network,
    };
    let (created, opener, mut settled) = parts.launch(prepared, &mut rollback)?;
    drop(placeholder);
    settled.write(options.state_dir)?;
    rollback.keep();
    let remains = Remains::new(state_dir, settled.record(), cgroup.as_ref());
    let door = Door::new(opener, remains, Leftovers { _draft: draft, _cgroup: cgroup });
    Ok((created, door))
}

/// What was needed for a container that is there now. The container does not have to wait for its end.
#[derive(Debug)]
pub(crate) struct Leftovers {
    _draft: Draft,
    _cgroup: Option<Cgroup>,
}

/// A new network namespace takes the kernel as long as all that comes before the clone, so it is made meanwhile: by whoever copies the
/// program, or by somebody who has nothing else to do. Not so in a user namespace, to which it would not belong.
enum Network<'a> {
    ByCopier(&'a Pending),
    Aside(PendingNamespace),
}

impl<'a> Network<'a> {
    fn begin(draft: &Draft, own_copy: Option<&'a Pending>) -> Result<Option<Self>, Failure> {
        let namespaces = &draft.plan.namespaces;
        let is_new = namespaces.new.contains(Namespaces::NETWORK);
        // Who hands devices over looks for the namespace where the new process is.
        let is_expected = !draft.plan.net_devices.is_empty();
        if !is_new || is_expected || namespaces.has_user() || draft.caller != Caller::Root {
            return Ok(None);
        }
        if let Some(copy) = own_copy
            && is_born_unseen(&draft.plan, draft.caller)
            && copy.ask_for_network().during(MAKE_NETWORK)?
        {
            return Ok(Some(Self::ByCopier(copy)));
        }
        PendingNamespace::begin().map(|it| Some(Self::Aside(it))).during(MAKE_NETWORK)
    }

    /// Whoever copies the program has memory of his own, so that the new process can be born before he is ready. Not so the other, in
    /// whose memory it would be.
    fn can_come_later(&self) -> bool {
        matches!(self, Self::ByCopier(_))
    }

    fn finish(self) -> Result<OwnedFd, Failure> {
        match self {
            Self::ByCopier(copy) => copy.network(),
            Self::Aside(namespace) => namespace.finish(),
        }
        .during(MAKE_NETWORK)
    }
}

const MAKE_NETWORK: &str = "make a network namespace";

/// What the launch needs; all made before.
struct Parts<'a> {
    options: &'a CreateOptions<'a>,
    plan: &'a Plan,
    filter: Option<&'a Filter>,
    listener: Option<&'a Listener<'a>>,
    beginning: Beginning,
    caller: Caller,
    cgroup: Option<&'a Cgroup>,
    sources: Sources<'a>,
    state: State,
    record: &'a Record,
    network: Option<Network<'a>>,
}

impl Parts<'_> {
    fn launch(
        mut self,
        prepared: Option<Prepared>,
        rollback: &mut Rollback,
    ) -> Result<(Created, Option<Opener>, Settled), Error> {
        let join = self.cgroup.map_or(Ok(JoinHandle::default()), Cgroup::join_handle);
        let join = join.map_err(Error::Cgroup)?;
        let (ours, theirs) = Channel::pair().during("make a socket pair")?;
        let keyring = format!("_ses.{}", self.options.id);
        let later = self.network.take_if(|network| network.can_come_later());
        let network = self.network.take().map(Network::finish).transpose()?;
        let hidden = is_born_unseen(self.plan, self.caller);
        let own_copy = self.options.own_copy.filter(|_| hidden);
        match own_copy {
            Some(copy) => copy.start().during(COPY_PROGRAM)?,
            None => leave_program_file(self.options)?,
        }
        let init = Init {
            plan: self.plan,
            caller: self.caller,
            prepared: prepared.as_ref(),
            sources: self.sources,
            filter: self.filter,
            listener: self.listener,
            join_cgroup: &join,
            stdio: &self.options.stdio,
            preserve_fds: self.options.preserve_fds,
            flags: self.options.flags,
            keyring: &keyring,
            state: &self.state,
            beginning: &self.beginning,
            network: match &network {
                Some(network) => NewNetwork::Here(network.as_fd()),
                None if later.is_some() => NewNetwork::Comes,
                None => NewNetwork::Own,
            },
            own_copy,
        };
        self.end_with_hooks(rollback);
        let score = self.plan.process.oom_score_adj;
        let mut birthplace =
            Birthplace::of_container(self.caller, &self.plan.namespaces, join.unified(), score);
        if network.is_some() || later.is_some() {
            birthplace.new = birthplace.new.without(Namespaces::NETWORK);
        }
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
        if let Some(network) = later {
            say(&ours, &Word::Network(network.finish()?))?;
        }
        let settled = self.let_go(&child, &ours, own_copy)?;
        // While the new process is at work.
        drop((join, prepared, network));
        let (created, opener) = self.finish(child, ours)?;
        Ok((created, opener, settled))
    }

    /// Waits until the child is as far as it comes by itself.
    fn finish(self, child: Child, channel: Channel) -> Result<(Created, Option<Opener>), Error> {
        let created = match &self.beginning {
            Beginning::AtOnce(_) => attend_start(child, &channel)?,
            Beginning::AtGate(_) | Beginning::ByCreator(_) => self.attend(child, &channel)?,
        };
        match self.beginning {
            Beginning::AtGate(_) => Ok((created, None)),
            Beginning::ByCreator(hold) => Ok((created, Some(Opener { channel, hold }))),
            Beginning::AtOnce(hold) => {
                hold.release().during(LET_GO)?;
                Ok((created, None))
            }
        }
    }

    /// Says the last word that the new process needs to be ready. Nobody runs a program of whom the record does not tell.
    fn let_go(
        &self,
        child: &Child,
        channel: &Channel,
        own_copy: Option<&Pending>,
    ) -> Result<Settled, Error> {
        // While the copy is being made, and written only when it is: nobody is to look for the new process before.
        let mut settled = settled(self.record, child.pid, self.options.state_dir)?;
        let Some(copy) = own_copy else { return Ok(settled) };
        copy.complete().during(COPY_PROGRAM)?;
        if matches!(self.beginning, Beginning::AtOnce(_)) {
            settled.write(self.options.state_dir)?;
        }
        say(channel, &Word::Copied)?;
        Ok(settled)
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
        if let Some(group) = &self.record.resctrl {
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
            match channel.receive().during(LISTEN)? {
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
                Word::Go | Word::Copied | Word::Network(_) | Word::Pid(_) | Word::End => {
                    return Err(died(&child.pidfd));
                }
            }
        }
    }
}

/// Tells the child what it waits for.
fn say(channel: &Channel, word: &Word) -> Result<(), Failure> {
    match channel.send(word) {
        // It has failed already, and said why.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        sent => sent.during("tell the new process to go on"),
    }
}

/// Waits until the child has executed its program.
fn attend_start(child: Child, channel: &Channel) -> Result<Created, Error> {
    channel.wait_closed().during(LISTEN)?;
    let mut is_ready = false;
    loop {
        match channel.receive().during(LISTEN)? {
            Word::Ready(terminal) if !is_ready => {
                debug_assert!(terminal.is_none(), "somebody would have to be told of it");
                is_ready = true;
            }
            Word::Failed(failure) => return Err(failure.into()),
            Word::End if is_ready => {
                return Ok(Created { pid: child.pid, pidfd: child.pidfd, terminal: None });
            }
            _ => return Err(died(&child.pidfd)),
        }
    }
}

const LISTEN: &str = "listen to the new process";

/// Goes on from the copy of the own program, if there is one to go to, before a process of ours can be seen in a container.
pub(crate) fn leave_program_file(options: &CreateOptions<'_>) -> Result<(), Failure> {
    let Some(copy) = options.own_copy else { return Ok(()) };
    copy.finish().during(COPY_PROGRAM)
}

const COPY_PROGRAM: &str = "run from a sealed copy of the program";

/// Whether nobody in a container can see the new process before it is recorded, and nothing needs the copy before: then it can leave
/// the program's file on its way. Its maker, which nobody may trace and which enters nothing, stays there.
fn is_born_unseen(plan: &Plan, caller: Caller) -> bool {
    let namespaces = &plan.namespaces;
    caller == Caller::Root
        && namespaces.new.contains(Namespaces::PID)
        && !namespaces.has_user()
        && namespaces.join.is_empty()
        && plan.mounts.iter().all(|mount| mount.id_mapping.is_none() && is_cut_off(mount))
}

/// Whether nothing that is mounted on this mount, or below it, shows up at peers of it: these may be in a container, and what is mounted
/// may be a procfs that lists the new process.
fn is_cut_off(mount: &MountPlan) -> bool {
    let cuts = |(propagation, recursion): &(Propagation, Recursion)| {
        *propagation != Propagation::Shared && *recursion == Recursion::All
    };
    // Without a word it is made private with all below.
    mount.options.propagation.iter().all(cuts)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn is_born_unseen_with(options: &str) -> bool {
        let spec = format!(
            r#"{{"ociVersion": "1.3.0", "process": {{"args": ["sh"], "cwd": "/", "user": {{"uid": 0, "gid": 0}}}},
                "mounts": [{{"destination": "/mnt", "type": "bind", "source": "/mnt", "options": [{options}]}}],
                "linux": {{"namespaces": [{{"type": "mount"}}, {{"type": "pid"}}]}}}}"#
        );
        let plan = Plan::new(serde_json::from_str(&spec).unwrap()).unwrap();
        is_born_unseen(&plan, Caller::Root)
    }

    #[test]
    fn a_process_whose_mounts_others_see_is_not_born_unseen() {
        for options in [r#""rbind""#, r#""rbind", "rprivate""#, r#""bind", "rslave""#] {
            assert!(is_born_unseen_with(options), "{options}");
        }
        // What lies below one that alone is made private keeps its peers.
        for options in [r#""rbind", "rshared""#, r#""bind", "shared""#, r#""rbind", "private""#] {
            assert!(!is_born_unseen_with(options), "{options}");
        }
    }
}
