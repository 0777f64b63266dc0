//! Where a container's process is born: namespaces that a process cannot be moved into, or not from where the runtime is.
//!
//! The parent enters a pid or time namespace for the time of a clone. A user namespace it could never leave again: then a go-between
//! enters in its place, lets the new process be born as the parent's child, and ends.

mod visit;

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use gantry_sys::clone::{Child, Fork, Namespaces, clone_beside, clone_into, setns, unshare};
use gantry_sys::unix_socket::{receive_with_fd, send_with_fd};
use gantry_sys::{pidfd, process};
use gantry_types::Signal;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::failure::{Class, During, Failure};
use crate::plan::NamespacePlan;
use crate::rootless::Caller;
use visit::{PidNamespace, TimeNamespace};

/// Larger than the longest message a failure makes.
const WORDS_LIMIT: usize = 8192;

/// What is to be entered for the birth, and what is new.
pub(crate) struct Birthplace<'a> {
    pub caller: Caller,
    /// What a go-between does last before the birth, given the socket that it must keep; it tells which namespaces it entered. For a
    /// process that others can see from its first moment on: it is to be born without anything of the host's.
    pub approach: Option<&'a Approach<'a>>,
    /// The user namespace that all this happens in, when it is there already and has to be entered first.
    pub user: Option<BorrowedFd<'a>>,
    /// Further namespaces to be entered: now where the caller may, else as far as the user namespace allows it.
    pub join: Vec<(Namespaces, BorrowedFd<'a>)>,
    pub pid: Option<BorrowedFd<'a>>,
    pub new: Namespaces,
    /// For a new time namespace (`time_namespaces(7)`).
    pub time_offsets: Option<&'a str>,
    /// Directory in the unified hierarchy.
    pub cgroup: Option<BorrowedFd<'a>>,
    pub oom_score: Option<i32>,
}

pub(crate) type Approach<'a> = dyn Fn(BorrowedFd<'_>) -> Result<Namespaces, Failure> + 'a;

/// What [`Birthplace::bear`] returns, once in each process.
pub(crate) enum Born {
    Parent(Child),
    /// In the new process: which namespaces it has entered on the way, or what failed.
    Child(Result<Namespaces, Failure>),
}

impl<'a> Birthplace<'a> {
    /// Where a container's first process is born.
    pub(crate) fn of_container(
        caller: Caller,
        namespaces: &'a NamespacePlan,
        cgroup: Option<BorrowedFd<'a>>,
        oom_score: Option<i32>,
    ) -> Self {
        // The new process enters these itself: it has to be in its cgroup, and to have found its mounts' sources, before.
        let later = |kind: Namespaces| kind == Namespaces::MOUNT || kind == Namespaces::CGROUP;
        let joined = || namespaces.join.iter().map(|(kind, file)| (*kind, file.as_fd()));
        Self {
            caller,
            approach: None,
            user: joined().find(|(kind, _)| *kind == Namespaces::USER).map(|(_, file)| file),
            join: joined().filter(|(kind, _)| *kind != Namespaces::USER && !later(*kind)).collect(),
            pid: namespaces.join_pid.as_ref().map(AsFd::as_fd),
            new: namespaces.new,
            time_offsets: namespaces.time_offsets.as_deref(),
            cgroup,
            oom_score,
        }
    }

    /// Where a further process of a container is born. The descriptor of the first one stands for the namespaces that it lives in.
    pub(crate) fn of_exec(
        caller: Caller,
        (namespaces, first): (Namespaces, BorrowedFd<'a>),
        cgroup: Option<BorrowedFd<'a>>,
        oom_score: Option<i32>,
    ) -> Self {
        let of_first = |kind| namespaces.contains(kind).then_some(first);
        Self {
            caller,
            approach: None,
            // Only who has no rights outside of the container's user namespace enters it first.
            user: of_first(Namespaces::USER).filter(|_| caller == Caller::User),
            join: Vec::new(),
            pid: of_first(Namespaces::PID),
            new: Namespaces::NONE,
            time_offsets: None,
            cgroup,
            oom_score,
        }
    }

    /// Makes the process. It is a child of this one in any case.
    pub(crate) fn bear(&self) -> Result<Born, Failure> {
        // Only the machine's root can return from a pid namespace to his own.
        let between = self.user.is_some()
            || self.approach.is_some()
            || (self.pid.is_some() && self.caller != Caller::Root)
            || (self.new.contains(Namespaces::USER) && !self.join.is_empty());
        let time_namespace = TimeNamespace::make(self.own_time_offsets())?;
        self.caller.hide_births()?;
        let born = if between { self.bear_by_go_between()? } else { self.bear_here()? };
        match born {
            Born::Parent(child) => {
                if let Err(failure) = time_namespace.leave() {
                    end(&child);
                    return Err(failure);
                }
                Ok(Born::Parent(child))
            }
            child @ Born::Child(_) => {
                // Returning is the parent's affair.
                std::mem::forget(time_namespace);
                Ok(child)
            }
        }
    }

    /// Only the machine's root can return from a time namespace to his own: for others the new process makes it.
    fn own_time_offsets(&self) -> Option<&str> {
        self.time_offsets.filter(|_| self.caller == Caller::Root)
    }

    fn bear_here(&self) -> Result<Born, Failure> {
        let pid_namespace = PidNamespace::enter(self.pid)?;
        match clone_into(self.new, self.cgroup).during("clone")? {
            Fork::Child => {
                std::mem::forget(pid_namespace);
                let score = self.caller.take_oom_score(self.oom_score);
                Ok(Born::Child(score.map(|()| Namespaces::NONE)))
            }
            Fork::Parent(child) => {
                if let Err(failure) = pid_namespace.leave() {
                    end(&child);
                    return Err(failure);
                }
                Ok(Born::Parent(child))
            }
        }
    }

    fn bear_by_go_between(&self) -> Result<Born, Failure> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .during("make a socket pair")?;
        // One that goes all the way is in the cgroup, and so is what it bears.
        let cgroup = self.cgroup.filter(|_| self.approach.is_some());
        match clone_into(Namespaces::NONE, cgroup).during("clone")? {
            Fork::Child => {
                drop(ours);
                match self.enter_and_bear(theirs.as_fd()) {
                    Ok((Fork::Child, entered)) => Ok(Born::Child(Ok(entered))),
                    Ok((Fork::Parent(child), _)) => {
                        let pid = child.pid.to_le_bytes();
                        let sent = send_with_fd(theirs.as_fd(), &pid, Some(child.pidfd.as_fd()));
                        process::exit_now(sent.is_err().into())
                    }
                    Err(failure) => {
                        let sent = send_with_fd(theirs.as_fd(), &failure.encode(), None);
                        process::exit_now(if sent.is_ok() { 1 } else { 255 })
                    }
                }
            }
            Fork::Parent(go_between) => {
                drop(theirs);
                let heard = hear(ours.as_fd());
                end(&go_between);
                heard.map(Born::Parent)
            }
        }
    }

    /// The go-between's life.
    fn enter_and_bear(&self, socket: BorrowedFd<'_>) -> Result<(Fork<Child>, Namespaces), Failure> {
        self.caller.take_oom_score(self.oom_score)?;
        let mut entered = Namespaces::NONE;
        let mut later = Vec::new();
        let pid = self.pid.map(|pid| (Namespaces::PID, pid));
        for (kind, namespace) in self.join.iter().copied().chain(pid) {
            match setns(namespace, kind) {
                Ok(()) => entered = entered.with(kind),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    later.push((kind, namespace));
                }
                Err(error) => return Err(cannot_join(kind, &error)),
            }
        }
        if let Some(user) = self.user {
            // Whoever lives there must not look into us.
            process::set_dumpable(false).during("forbid tracing")?;
            setns(user, Namespaces::USER).map_err(|error| cannot_join(Namespaces::USER, &error))?;
            entered = entered.with(Namespaces::USER);
            for (kind, namespace) in later.drain(..) {
                setns(namespace, kind).map_err(|error| cannot_join(kind, &error))?;
                entered = entered.with(kind);
            }
        }
        // A new user namespace may have a right to the others; a pid namespace cannot be entered any more then.
        if let Some((kind, _)) = later.iter().find(|(kind, _)| *kind == Namespaces::PID) {
            return Err(cannot_join(*kind, &io::ErrorKind::PermissionDenied.into()));
        }
        let cgroup = match self.approach {
            Some(approach) => {
                entered = entered.with(approach(socket)?);
                None
            }
            None => self.cgroup,
        };
        Ok((clone_beside(self.new, cgroup).during("clone")?, entered))
    }
}

fn cannot_join(kind: Namespaces, error: &io::Error) -> Failure {
    Failure::io(format!("join a namespace ({kind:?})"), error)
}

/// The go-between's message: the new process, or a failure.
fn hear(socket: BorrowedFd<'_>) -> Result<Child, Failure> {
    let mut words = [0; WORDS_LIMIT];
    let (length, pidfd) = receive_with_fd(socket, &mut words).during("listen to the go-between")?;
    let words = &words[..length];
    match (pidfd, words.try_into()) {
        (Some(pidfd), Ok(pid)) => Ok(Child { pid: i32::from_le_bytes(pid), pidfd }),
        _ if words.is_empty() => {
            Err(Failure::new(Class::Internal, "the process that enters namespaces died"))
        }
        _ => Err(Failure::decode(words)),
    }
}

/// Ends a child that is not needed any more, and reaps it.
fn end(child: &Child) {
    drop(pidfd::send_signal(child.pidfd.as_fd(), Signal::KILL));
    drop(pidfd::wait(child.pidfd.as_fd()));
}

/// Moves the calling process into a new time namespace with these offsets. For one that has just become the first of a new user
/// namespace: nobody else in there could make use of the moment in which it can be traced.
pub(crate) fn enter_new_time(offsets: &str) -> Result<(), Failure> {
    unshare(Namespaces::TIME).during("make a time namespace")?;
    // Files of processes that cannot be traced belong to the machine's root.
    process::set_dumpable(true).during("allow tracing")?;
    let written = fs::write("/proc/self/timens_offsets", offsets);
    let made = File::open("/proc/self/ns/time_for_children");
    process::set_dumpable(false).during("forbid tracing")?;
    written.during("set linux.timeOffsets")?;
    let made = made.during("open the new time namespace")?;
    setns(made.as_fd(), Namespaces::TIME).during("enter the new time namespace")
}
