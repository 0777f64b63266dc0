//! What a container's first process does to itself between the clone and its program: a list of steps, each of which may fail by name.

mod devices;
mod masks;
mod mounts;

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use gantry_cgroup::JoinHandle;
use gantry_oci::runtime::{Hook, State, Status};
use gantry_sys::clone::{Namespaces, setns, unshare};
use gantry_sys::mount::{Attributes, Change};
use gantry_sys::self_copy::Pending;
use gantry_sys::{fds, memory, net, process, signals};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::process::{Gid, Uid, chroot, fchdir, pivot_root, umask};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};

use crate::birthplace::enter_new_time;
use crate::channel::{Channel, Word};
use crate::failure::{Class, During, Failure};
use crate::filesystem;
use crate::filter::Filter;
use crate::gate::{Beginning, Waiting};
use crate::hooks;
use crate::listener::Listener;
use crate::options::{CreateFlags, Stdio};
use crate::plan::{MemoryPolicyPlan, Plan, Recursion};
use crate::prepare::{Prepared, Sources, prepare};
use crate::procfs::Procfs;
use crate::program::{Program, Ready, place_stdio, use_own_null};
use crate::root::Root;
use crate::rootless::Caller;
use crate::terminal::{Terminal, outlive_failure};

/// All that the new process needs; made by the parent before the clone.
pub(crate) struct Init<'a> {
    pub plan: &'a Plan,
    pub caller: Caller,
    /// Absent where only the new process may make mounts.
    pub prepared: Option<&'a Prepared>,
    pub sources: Sources<'a>,
    pub filter: Option<&'a Filter>,
    pub listener: Option<&'a Listener<'a>>,
    pub join_cgroup: &'a JoinHandle,
    pub stdio: &'a Stdio,
    pub preserve_fds: u32,
    pub flags: CreateFlags,
    pub keyring: &'a str,
    /// For hooks that run in the container.
    pub state: &'a State,
    pub beginning: &'a Beginning,
    pub network: NewNetwork<'a>,
    /// The copy of the program, for a process that begins in the program's file and leaves it before anybody knows of it.
    pub own_copy: Option<&'a Pending>,
}

/// How the process comes to a new network namespace, where it is to have one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NewNetwork<'a> {
    /// It is born in it, and makes it complete.
    Own,
    /// It is there already, complete.
    Here(BorrowedFd<'a>),
    /// The parent hands it over when it is.
    Comes,
}

impl Init<'_> {
    /// The rest of the process's life as ours: it ends in the program, or in an exit after the failure has been told.
    ///
    /// `entered` are the namespaces that it came through on its way.
    pub(crate) fn run(&self, channel: Channel, entered: Result<Namespaces, Failure>) -> ! {
        let (terminal, ready) = match entered.and_then(|entered| self.set_up(&channel, entered)) {
            Ok(done) => done,
            Err(failure) => give_up(channel.send(&Word::Failed(failure)).is_ok()),
        };
        if channel.send(&Word::Ready(terminal)).is_err() {
            give_up(false);
        }
        let waiting = Waiting::new(self.beginning, channel);
        if self.keep_alone(waiting.descriptors()).is_err() || waiting.wait().is_err() {
            give_up(false);
        }
        let failure = match self.start_hooks() {
            Ok(()) => ready.execute(),
            Err(failure) => failure,
        };
        give_up(waiting.report(failure).is_ok())
    }

    fn set_up(
        &self,
        channel: &Channel,
        entered: Namespaces,
    ) -> Result<(Option<OwnedFd>, Ready<'_>), Failure> {
        // A user could not write the mappings of a process that he may not trace. Nobody else is in its namespaces yet.
        let is_mapped_by_user =
            self.caller == Caller::User && self.plan.namespaces.new.contains(Namespaces::USER);
        if !is_mapped_by_user {
            process::set_dumpable(false).during("forbid tracing")?;
        }
        signals::reset_all().during("reset signals")?;
        let agent = self.listener.map(|listener| listener.prepare_first(self.state)).transpose()?;
        join_cgroup(self.join_cgroup)?;
        let own = self.enter_namespaces(channel, entered)?;
        let prepared = own.as_ref().or(self.prepared);
        let prepared = prepared.ok_or_else(|| Failure::invalid("nobody prepared the mounts"))?;
        process::setsid().during("start a session")?;
        umask(Mode::empty());
        self.set_names()?;

        let has_hooks = hooks::come_before_start(&self.plan.hooks);
        // Hooks may make the devices that parameters are of.
        let (root, parameters_are_set) = self.build_root(prepared, !has_hooks)?;
        let terminal = match self.stdio {
            Stdio::Terminal => Some(Terminal::open(&root, self.plan.process.console_size)?),
            _ => None,
        };
        let terminal = outlive_failure(terminal);
        if let Some(terminal) = &*terminal {
            terminal.attach_console(&root)?;
        }
        // While the host's mounts are there: the classic mount calls need them.
        let needs_procfs = !parameters_are_set || self.plan.process.labels.needs_procfs();
        let procfs = needs_procfs.then(|| Procfs::open(&root)).transpose()?;
        if has_hooks {
            self.leave_program_file(channel)?;
            self.run_hooks(channel)?;
        }
        self.change_root(&root)?;

        if let Some(procfs) = procfs.as_ref().filter(|_| !parameters_are_set) {
            procfs.set_parameters(&self.plan.sysctls)?;
        }
        if let Some(persona) = self.plan.personality {
            process::set_personality(persona).during("set the personality")?;
        }
        set_memory_policy(self.plan.memory_policy.as_ref())?;
        place_stdio(self.stdio, terminal.as_ref().map(|terminal| terminal.slave.as_fd()))?;
        use_own_null(&root)?;
        let program = Program {
            plan: &self.plan.process,
            filter: self.filter,
            agent,
            preserve_fds: self.preserve_fds,
            keyring: (!self.flags.no_new_keyring).then_some(self.keyring),
        };
        program.close_others()?;
        let somebody = program.identify(&root, procfs.as_ref())?;
        if !has_hooks {
            // While it may still say what its program is and has room for another mapping, and as late as can be: whoever makes the
            // copy has the time.
            self.leave_program_file(channel)?;
        }
        let ready = somebody.prepare(&root)?;
        Ok((ManuallyDrop::into_inner(terminal).map(|it| it.master), ready))
    }

    /// Gives the mounts' sources, where only this process may make them: it does so with its maker's ids, in the host's file system.
    fn enter_namespaces(
        &self,
        channel: &Channel,
        entered: Namespaces,
    ) -> Result<Option<Prepared>, Failure> {
        let namespaces = &self.plan.namespaces;
        if namespaces.new.contains(Namespaces::USER) || !self.plan.net_devices.is_empty() {
            // Until the parent has written the mappings this process is nobody, and its parameters may be those of a device.
            expect_go(channel)?;
            process::set_dumpable(false).during("forbid tracing")?;
        }
        let prepared = if self.prepared.is_none() {
            if !filesystem::is_modern() && !namespaces.new.contains(Namespaces::MOUNT) {
                // The classic calls would set their stage where the runtime itself lives.
                return Err(Failure::unsupported(
                    "a mount namespace given by path, on a kernel without detached mounts,",
                ));
            }
            filesystem::begin(self.sources.count(self.plan))?;
            Some(prepare(self.plan, &self.sources)?)
        } else {
            None
        };
        for (kind, file) in namespaces.join.iter().filter(|(kind, _)| !entered.contains(*kind)) {
            setns(file.as_fd(), *kind).during_with(|| format!("join a namespace ({kind:?})"))?;
        }
        if namespaces.has_user() {
            become_root()?;
        }
        if let (Some(offsets), true) = (&namespaces.time_offsets, self.caller != Caller::Root) {
            enter_new_time(offsets)?;
        }
        if namespaces.new_cgroup {
            unshare(Namespaces::CGROUP).during("make a cgroup namespace")?;
        }
        self.enter_network(channel)?;
        Ok(prepared)
    }

    fn enter_network(&self, channel: &Channel) -> Result<(), Failure> {
        let enter =
            |network| setns(network, Namespaces::NETWORK).during("enter the network namespace");
        match self.network {
            NewNetwork::Here(network) => enter(network),
            NewNetwork::Comes => match channel.receive().during("wait for the runtime")? {
                Word::Network(network) => enter(network.as_fd()),
                _ => Err(Failure::invalid("the runtime went away")),
            },
            NewNetwork::Own if self.plan.namespaces.new.contains(Namespaces::NETWORK) => {
                net::bring_loopback_up().during("bring the loopback device up")
            }
            NewNetwork::Own => Ok(()),
        }
    }

    fn set_names(&self) -> Result<(), Failure> {
        if !self.plan.hostname.is_empty() {
            rustix::system::sethostname(self.plan.hostname.as_bytes()).during("sethostname")?;
        }
        if !self.plan.domainname.is_empty() {
            rustix::system::setdomainname(self.plan.domainname.as_bytes())
                .during("setdomainname")?;
        }
        Ok(())
    }

    /// Attaches the root file system on top of our own root directory, in this mount namespace only, and mounts everything in it.
    /// Second, whether kernel parameters need not be set any more.
    fn build_root(
        &self,
        prepared: &Prepared,
        sets_parameters: bool,
    ) -> Result<(Root, bool), Failure> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let host = rustix::fs::openat(CWD, "/", flags, Mode::empty()).during("open /")?;
        filesystem::isolate(host.as_fd()).during("make all mounts private")?;
        let tree = prepared.root.as_fd();
        filesystem::attach(tree, host.as_fd()).during("attach the root file system")?;
        let root = Root::new(prepared.root.try_clone().during("copy a descriptor")?);
        mounts::apply(&root, self.plan, prepared, self.caller)?;
        devices::make(&root, self.plan, self.caller)?;
        // While nothing covers the container's own procfs. What cannot be set there is set, or refused, in one of our own.
        let parameters = &self.plan.sysctls;
        let are_set = parameters.is_empty()
            || sets_parameters
                && Procfs::of(&root).is_some_and(|it| it.set_parameters(parameters).is_ok());
        masks::apply(&root, &self.plan.linux)?;
        Ok((root, are_set))
    }

    fn leave_program_file(&self, channel: &Channel) -> Result<(), Failure> {
        let Some(copy) = self.own_copy else { return Ok(()) };
        match channel.receive().during("wait for the runtime")? {
            Word::Copied => copy.follow().during("run from a sealed copy of the program"),
            _ => Err(Failure::invalid("the runtime went away")),
        }
    }

    fn run_hooks(&self, channel: &Channel) -> Result<(), Failure> {
        let hooks = &self.plan.hooks;
        if !hooks.prestart.is_empty() || !hooks.create_runtime.is_empty() {
            channel.send(&Word::Hooks).during("ask for hooks")?;
            expect_go(channel)?;
        }
        self.run_inside("createContainer", &hooks.create_container, Status::Creating)
    }

    /// A runtime that stays may die while this process waits: a copy of its sockets in here would keep its callers waiting, too.
    fn keep_alone<'a>(&'a self, mut kept: Vec<BorrowedFd<'a>>) -> std::io::Result<()> {
        kept.extend(self.listener.map(Listener::as_fd));
        fds::close_all_but(&kept, self.preserve_fds)
    }

    fn start_hooks(&self) -> Result<(), Failure> {
        self.run_inside("startContainer", &self.plan.hooks.start_container, Status::Created)
    }

    /// Hooks in the container's namespaces know its process by the number that it has there.
    fn run_inside(&self, stage: &str, hooks: &[Hook], status: Status) -> Result<(), Failure> {
        let state = State { status, pid: Some(process::pid()), ..self.state.clone() };
        hooks::run(stage, hooks, &state)
    }

    /// Makes the root file system `/`, and the host's mounts disappear from this namespace.
    fn change_root(&self, root: &Root) -> Result<(), Failure> {
        fchdir(root.as_fd()).during("enter the root file system")?;
        if self.flags.no_pivot {
            chroot(".").during("chroot")?;
        } else {
            // The old root ends up on top of the new one, at the same place; from there it is taken away with all that is below.
            pivot_root(".", ".").during("pivot_root")?;
            filesystem::unmount_host(".").during("unmount the host's root")?;
        }
        fchdir(root.as_fd()).during("enter the new root")?;
        chroot(".").during("chroot to the new root")?;
        if self.plan.root_readonly {
            let change = Change { set: Attributes::RDONLY, ..Change::default() };
            filesystem::set_attributes(root.as_fd(), change).during("make the root read-only")?;
        }
        if let Some((propagation, recursion)) = self.plan.root_propagation {
            let change = Change {
                propagation: Some(propagation),
                recursive: recursion == Recursion::All,
                ..Change::default()
            };
            filesystem::set_attributes(root.as_fd(), change)
                .during("set the root's propagation")?;
        }
        Ok(())
    }
}

/// The child moves itself while it has one thread: on v1 that spares the kernel a lock that can cost milliseconds.
pub(crate) fn join_cgroup(handle: &JoinHandle) -> Result<(), Failure> {
    handle.enter().map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        Failure::new(Class::Internal, format!("{error}: {cause}"))
    })
}

/// In a new user namespace the id 0 exists only once it is taken on.
pub(crate) fn become_root() -> Result<(), Failure> {
    let (uid, gid) = (Uid::ROOT, Gid::ROOT);
    set_thread_res_gid(gid, gid, gid).during("become the user namespace's root group")?;
    set_thread_res_uid(uid, uid, uid).during("become the user namespace's root")
}

pub(crate) fn set_memory_policy(policy: Option<&MemoryPolicyPlan>) -> Result<(), Failure> {
    let Some(policy) = policy else { return Ok(()) };
    memory::set_memory_policy(policy.mode, &policy.nodes).during("set linux.memoryPolicy")
}

fn expect_go(channel: &Channel) -> Result<(), Failure> {
    match channel.receive().during("wait for the runtime")? {
        Word::Go => Ok(()),
        // The parent is gone or has given up; nobody reads this.
        _ => Err(Failure::invalid("the runtime went away")),
    }
}

/// Ends this process: with 1 when the failure was told, else with 255.
pub(crate) fn give_up(told: bool) -> ! {
    process::exit_now(if told { 1 } else { 255 })
}
