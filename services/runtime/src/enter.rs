//! What a process does to itself to run a program in a container that is there already: the child's side of `exec`.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use gantry_cgroup::JoinHandle;
use gantry_oci::runtime::Status;
use gantry_sys::clone::{Namespaces, setns};
use gantry_sys::{fds, process, signals};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::process::umask;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::channel::{Channel, Word};
use crate::failure::{During, Failure};
use crate::filter::Filter;
use crate::init::{become_root, give_up, join_cgroup, set_memory_policy};
use crate::listener::{Handover, Listener};
use crate::options::Stdio;
use crate::plan::ProcessPlan;
use crate::procfs::Procfs;
use crate::program::{Program, place_stdio};
use crate::record::Record;
use crate::root::Root;
use crate::terminal::{Terminal, outlive_failure};

/// All that the new process needs; made by the parent before the clone.
pub(crate) struct Enter<'a> {
    pub plan: &'a ProcessPlan,
    pub filter: Option<&'a Filter>,
    pub listener: Option<&'a Listener<'a>>,
    pub join_cgroup: &'a JoinHandle,
    /// The container's first process.
    pub container: &'a OwnedFd,
    pub record: &'a Record,
    /// Those of the container that are not ours.
    pub namespaces: Namespaces,
    pub stdio: &'a Stdio,
    pub preserve_fds: u32,
    pub keyring: &'a str,
}

impl Enter<'_> {
    /// What a go-between does on the new process's behalf, where nobody in the container can see it: it goes to where the container is,
    /// and closes all of the host's that is open. Who may trace in the container, and so look into every process there, then finds
    /// neither the host's root nor a descriptor that leads to it in the new process.
    pub(crate) fn approach(&self, kept: &[BorrowedFd<'_>]) -> Result<Namespaces, Failure> {
        process::set_dumpable(false).during("forbid tracing")?;
        self.go_in(Namespaces::NONE)?;
        let mut kept = kept.to_vec();
        if let Stdio::Fds { stdin, stdout, stderr } = self.stdio {
            kept.extend([stdin.as_fd(), stdout.as_fd(), stderr.as_fd()]);
        }
        kept.extend(self.listener.map(Listener::as_fd));
        fds::close_all_but(&kept, self.preserve_fds).during("close the host's descriptors")?;
        Ok(self.namespaces)
    }

    /// Into the cgroup and the namespaces.
    fn go_in(&self, entered: Namespaces) -> Result<(), Failure> {
        set_cpus(self.plan.exec_cpus.initial.as_ref())?;
        join_cgroup(self.join_cgroup)?;
        set_cpus(self.plan.exec_cpus.last.as_ref())?;
        self.enter_namespaces(entered)
    }

    /// The rest of the process's life as ours.
    ///
    /// `entered` are the namespaces that it came through on its way.
    pub(crate) fn run(&self, channel: &Channel, entered: Result<Namespaces, Failure>) -> ! {
        let failure = match entered.and_then(|entered| self.try_run(channel, entered)) {
            Ok(never) => match never {},
            Err(failure) => failure,
        };
        give_up(channel.send(&Word::Failed(failure)).is_ok())
    }

    fn try_run(
        &self,
        channel: &Channel,
        entered: Namespaces,
    ) -> Result<std::convert::Infallible, Failure> {
        process::set_dumpable(false).during("forbid tracing")?;
        signals::reset_all().during("reset signals")?;
        let agent = self.listener.map(|listener| self.agent(listener, channel)).transpose()?;
        if !entered.contains(Namespaces::MOUNT) {
            self.go_in(entered)?;
        }
        process::setsid().during("start a session")?;
        umask(Mode::empty());
        if let Some(persona) = self.record.personality {
            process::set_personality(persona).during("set the personality")?;
        }
        set_memory_policy(self.record.memory_policy.as_ref())?;
        // The mount namespace came with the container's root as ours.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, "/", flags, Mode::empty()).during("open /")?;
        let root = Root::new(root);
        let terminal = match self.stdio {
            Stdio::Terminal => Some(Terminal::open(&root, self.plan.console_size)?),
            _ => None,
        };
        let terminal = outlive_failure(terminal);
        place_stdio(self.stdio, terminal.as_ref().map(|terminal| terminal.slave.as_fd()))?;
        let procfs = self.plan.labels.needs_procfs().then(|| Procfs::open(&root)).transpose()?;
        let program = Program {
            plan: self.plan,
            filter: self.filter,
            agent,
            preserve_fds: self.preserve_fds,
            keyring: Some(self.keyring),
        };
        program.close_others()?;
        let ready = program.identify(&root, procfs.as_ref())?.prepare(&root)?;
        if self.waits_for_parent() {
            match channel.receive().during("wait for the runtime")? {
                Word::Go => {}
                _ => return Err(Failure::invalid("the runtime went away")),
            }
        }
        channel
            .send(&Word::Ready(ManuallyDrop::into_inner(terminal).map(|it| it.master)))
            .during("tell the runtime that all is ready")?;
        Err(ready.execute())
    }

    /// Whether the parent does something to the process that must be done before its program runs.
    pub(crate) fn waits_for_parent(&self) -> bool {
        self.plan.oom_score_adj.is_some() || self.record.resctrl.is_some()
    }

    fn agent<'a>(
        &self,
        listener: &'a Listener<'a>,
        channel: &Channel,
    ) -> Result<Handover<'a>, Failure> {
        match channel.receive().during("wait for the own pid")? {
            Word::Pid(pid) => listener.prepare(self.record.state(Status::Running), pid),
            _ => Err(Failure::invalid("the runtime went away")),
        }
    }

    fn enter_namespaces(&self, entered: Namespaces) -> Result<(), Failure> {
        // Entering one's own user namespace again is an error; the pid namespace is where this process was born.
        let namespaces = self.namespaces.without(entered).without(Namespaces::PID);
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
