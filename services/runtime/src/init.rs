//! What a container's first process does to itself between the clone and its program: a list of steps, each of which may fail by name.

mod devices;
mod masks;
mod mounts;
mod sysctl;

use std::os::fd::{AsFd, OwnedFd};

use gantry_cgroup::JoinHandle;
use gantry_oci::runtime::State;
use gantry_sys::clone::{Namespaces, setns, unshare};
use gantry_sys::mount::{Attributes, Change, Propagation, set_attributes};
use gantry_sys::{net, process, signals};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Gid, Uid, chroot, fchdir, pivot_root, umask};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};

use crate::channel::{Channel, Word};
use crate::failure::{Class, During, Failure};
use crate::filesystem;
use crate::filter::Filter;
use crate::gate::Gate;
use crate::hooks;
use crate::listener::Listener;
use crate::options::{CreateFlags, Stdio};
use crate::plan::{Plan, Recursion};
use crate::prepare::Prepared;
use crate::program::{Program, Ready, place_stdio};
use crate::root::Root;
use crate::terminal::Terminal;

/// All that the new process needs; made by the parent before the clone.
pub(crate) struct Init<'a> {
    pub plan: &'a Plan,
    pub prepared: &'a Prepared,
    pub filter: Option<&'a Filter>,
    pub listener: Option<&'a Listener<'a>>,
    pub join_cgroup: &'a JoinHandle,
    pub stdio: &'a Stdio,
    pub preserve_fds: u32,
    pub flags: CreateFlags,
    pub keyring: &'a str,
    /// For hooks that run in the container.
    pub state: &'a State,
    pub gate: &'a Gate,
}

impl Init<'_> {
    /// The rest of the process's life as ours: it ends in the program, or in an exit after the failure has been told.
    pub(crate) fn run(&self, channel: Channel) -> ! {
        let (terminal, ready) = match self.set_up(&channel) {
            Ok(done) => done,
            Err(failure) => give_up(channel.send(&Word::Failed(failure)).is_ok()),
        };
        if channel.send(&Word::Ready(terminal)).is_err() {
            give_up(false);
        }
        drop(channel);
        if self.gate.wait().is_err() {
            give_up(false);
        }
        let failure = match self.start_hooks() {
            Ok(()) => ready.execute(),
            Err(failure) => failure,
        };
        give_up(self.gate.report(&failure).is_ok())
    }

    fn set_up(&self, channel: &Channel) -> Result<(Option<OwnedFd>, Ready<'_>), Failure> {
        process::set_dumpable(false).during("forbid tracing")?;
        signals::reset_all().during("reset signals")?;
        let agent = self.listener.map(|listener| listener.prepare(self.state, true)).transpose()?;
        join_cgroup(self.join_cgroup)?;
        self.enter_namespaces(channel)?;
        process::setsid().during("start a session")?;
        umask(Mode::empty());
        self.set_names()?;

        let root = self.build_root()?;
        let terminal = match self.stdio {
            Stdio::Terminal => Some(Terminal::open(&root, self.plan.process.console_size)?),
            _ => None,
        };
        if let Some(terminal) = &terminal {
            terminal.attach_console(&root)?;
        }
        self.run_hooks(channel)?;
        self.change_root(&root)?;

        sysctl::apply(&self.plan.sysctls)?;
        if let Some(persona) = self.plan.personality {
            process::set_personality(persona).during("set the personality")?;
        }
        place_stdio(self.stdio, terminal.as_ref().map(|terminal| terminal.slave.as_fd()))?;
        let program = Program {
            plan: &self.plan.process,
            filter: self.filter,
            agent,
            preserve_fds: self.preserve_fds,
            keyring: (!self.flags.no_new_keyring).then_some(self.keyring),
        };
        program.close_others()?;
        let ready = program.prepare(&root)?;
        Ok((terminal.map(|terminal| terminal.master), ready))
    }

    fn enter_namespaces(&self, channel: &Channel) -> Result<(), Failure> {
        let namespaces = &self.plan.namespaces;
        if namespaces.new.contains(Namespaces::USER) {
            // Until the parent has written the mappings this process is nobody.
            expect_go(channel)?;
        }
        for (kind, file) in &namespaces.join {
            setns(file.as_fd(), *kind).during_with(|| format!("join a namespace ({kind:?})"))?;
        }
        if namespaces.has_user() {
            become_root()?;
        }
        if namespaces.new_cgroup {
            unshare(Namespaces::CGROUP).during("make a cgroup namespace")?;
        }
        if namespaces.new.contains(Namespaces::NETWORK) {
            net::bring_loopback_up().during("bring the loopback device up")?;
        }
        Ok(())
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
    fn build_root(&self) -> Result<Root, Failure> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let host = rustix::fs::openat(CWD, "/", flags, Mode::empty()).during("open /")?;
        // Nothing that is mounted from here on may travel to the host.
        let change = Change {
            propagation: Some(Propagation::Private),
            recursive: true,
            ..Change::default()
        };
        set_attributes(host.as_fd(), change).during("make all mounts private")?;
        let tree = self.prepared.root.as_fd();
        filesystem::attach(tree, host.as_fd()).during("attach the root file system")?;
        let root = Root::new(self.prepared.root.try_clone().during("copy a descriptor")?);
        mounts::apply(&root, self.plan, self.prepared)?;
        devices::make(&root, self.plan)?;
        masks::apply(&root, &self.plan.linux)?;
        Ok(root)
    }

    fn run_hooks(&self, channel: &Channel) -> Result<(), Failure> {
        let hooks = &self.plan.hooks;
        if !hooks.prestart.is_empty() || !hooks.create_runtime.is_empty() {
            channel.send(&Word::Hooks).during("ask for hooks")?;
            expect_go(channel)?;
        }
        hooks::run("createContainer", &hooks.create_container, self.state)
    }

    fn start_hooks(&self) -> Result<(), Failure> {
        hooks::run("startContainer", &self.plan.hooks.start_container, self.state)
    }

    /// Makes the root file system `/`, and the host's mounts disappear from this namespace.
    fn change_root(&self, root: &Root) -> Result<(), Failure> {
        fchdir(root.as_fd()).during("enter the root file system")?;
        if self.flags.no_pivot {
            chroot(".").during("chroot")?;
        } else {
            // The old root ends up on top of the new one, at the same place; from there it is taken away with all that is below.
            pivot_root(".", ".").during("pivot_root")?;
            unmount(".", UnmountFlags::DETACH).during("unmount the host's root")?;
        }
        fchdir(root.as_fd()).during("enter the new root")?;
        chroot(".").during("chroot to the new root")?;
        if self.plan.root_readonly {
            let change = Change { set: Attributes::RDONLY, ..Change::default() };
            set_attributes(root.as_fd(), change).during("make the root read-only")?;
        }
        if let Some((propagation, recursion)) = self.plan.root_propagation {
            let change = Change {
                propagation: Some(propagation),
                recursive: recursion == Recursion::All,
                ..Change::default()
            };
            set_attributes(root.as_fd(), change).during("set the root's propagation")?;
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
