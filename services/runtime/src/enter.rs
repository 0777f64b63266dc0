//! What a process does to itself to run a program in a container that is there already: the child's side of `exec`.

use std::os::fd::{AsFd, OwnedFd};

use gantry_cgroup::JoinHandle;
use gantry_oci::runtime::Status;
use gantry_sys::clone::{Namespaces, setns};
use gantry_sys::{process, signals};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::process::umask;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::channel::{Channel, Word};
use crate::failure::{During, Failure};
use crate::filter::Filter;
use crate::init::{become_root, give_up, join_cgroup};
use crate::listener::Listener;
use crate::options::Stdio;
use crate::plan::ProcessPlan;
use crate::program::{Program, place_stdio};
use crate::record::Record;
use crate::root::Root;
use crate::terminal::Terminal;

/// All that the new process needs; made by the parent before the clone.
pub(crate) struct Enter<'a> {
    pub plan: &'a ProcessPlan,
    pub filter: Option<&'a Filter>,
    pub listener: Option<&'a Listener<'a>>,
    pub join_cgroup: &'a JoinHandle,
    /// The container's first process.
    pub container: &'a OwnedFd,
    pub record: &'a Record,
    pub stdio: &'a Stdio,
    pub preserve_fds: u32,
    pub keyring: &'a str,
}

impl Enter<'_> {
    /// The rest of the process's life as ours.
    pub(crate) fn run(&self, channel: &Channel) -> ! {
        let failure = match self.try_run(channel) {
            Ok(never) => match never {},
            Err(failure) => failure,
        };
        give_up(channel.send(&Word::Failed(failure)).is_ok())
    }

    fn try_run(&self, channel: &Channel) -> Result<std::convert::Infallible, Failure> {
        process::set_dumpable(false).during("forbid tracing")?;
        signals::reset_all().during("reset signals")?;
        let state = self.record.state(Status::Running);
        let agent = self.listener.map(|listener| listener.prepare(&state, false)).transpose()?;
        set_cpus(self.plan.exec_cpus.initial.as_ref())?;
        join_cgroup(self.join_cgroup)?;
        set_cpus(self.plan.exec_cpus.last.as_ref())?;
        self.enter_namespaces()?;
        process::setsid().during("start a session")?;
        umask(Mode::empty());
        if let Some(persona) = self.record.personality {
            process::set_personality(persona).during("set the personality")?;
        }
        // The mount namespace came with the container's root as ours.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, "/", flags, Mode::empty()).during("open /")?;
        let root = Root::new(root);
        let terminal = match self.stdio {
            Stdio::Terminal => Some(Terminal::open(&root, self.plan.console_size)?),
            _ => None,
        };
        place_stdio(self.stdio, terminal.as_ref().map(|terminal| terminal.slave.as_fd()))?;
        let program = Program {
            plan: self.plan,
            filter: self.filter,
            agent,
            preserve_fds: self.preserve_fds,
            keyring: Some(self.keyring),
        };
        program.close_others()?;
        let ready = program.prepare(&root)?;
        channel
            .send(&Word::Ready(terminal.map(|terminal| terminal.master)))
            .during("tell the runtime that all is ready")?;
        Err(ready.execute())
    }

    fn enter_namespaces(&self) -> Result<(), Failure> {
        let mut namespaces = Namespaces::MOUNT
            .with(Namespaces::UTS)
            .with(Namespaces::IPC)
            .with(Namespaces::NETWORK)
            .with(Namespaces::CGROUP);
        if self.record.time_namespace {
            namespaces = namespaces.with(Namespaces::TIME);
        }
        if self.record.user_namespace {
            // Entering one's own user namespace again is an error, so only when there is another.
            namespaces = namespaces.with(Namespaces::USER);
        }
        setns(self.container.as_fd(), namespaces).during("enter the container's namespaces")?;
        if self.record.user_namespace {
            become_root()?;
        }
        Ok(())
    }
}

fn set_cpus(cpus: Option<&CpuSet>) -> Result<(), Failure> {
    let Some(cpus) = cpus else { return Ok(()) };
    sched_setaffinity(None, cpus).during("set process.execCPUAffinity")
}
