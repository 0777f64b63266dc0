//! From a process that stands in the container to the program that it runs: user, limits, rights, filter, exec.
//!
//! `create` and `exec` share these steps. Everything up to the exec is done when [`Ready`] is there.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use gantry_sys::exec::{CStringList, execve};
use gantry_sys::{fds, keyring, process, schedule};
use rustix::fs::{Gid, Mode, OFlags, Uid, fchown, fstat};
use rustix::io::Errno;
use rustix::process::{Rlimit, fchdir, getcwd, umask};

use crate::credentials::{take_capabilities, take_identity};
use crate::failure::{During, Failure};
use crate::filter::Filter;
use crate::identity::{self, Identity};
use crate::listener::Handover;
use crate::options::Stdio;
use crate::plan::{ProcessPlan, RlimitPlan};
use crate::procfs::Procfs;
use crate::root::{Missing, Root};
use crate::{command, labels, terminal};

/// What is to run, and where.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub plan: &'a ProcessPlan,
    pub filter: Option<&'a Filter>,
    /// For a filter that notifies.
    pub agent: Option<Handover<'a>>,
    pub preserve_fds: u32,
    /// Name of the session keyring to make.
    pub keyring: Option<&'a str>,
}

/// All that is left is to execute.
pub(crate) struct Ready<'a> {
    path: String,
    args: CStringList,
    env: CStringList,
    /// The filter, when it must be loaded last.
    filter: Option<&'a Filter>,
    agent: Option<Handover<'a>>,
}

/// What the process is about to be, all of it known.
pub(crate) struct Somebody<'a> {
    program: Program<'a>,
    identity: Identity,
    env: Vec<String>,
}

impl<'a> Program<'a> {
    /// Finds out who the process is to be, and does for that what leaves it all its rights and limits. Its root directory is the
    /// container's. The procfs is needed where there are labels.
    pub(crate) fn identify(
        self,
        root: &Root,
        procfs: Option<&Procfs>,
    ) -> Result<Somebody<'a>, Failure> {
        let plan = self.plan;
        let identity = identity::resolve(root, &plan.user)?;
        let mut env = without_duplicates(&plan.env);
        // An empty one is as good as none, to runc too.
        env.retain(|entry| entry != "HOME=");
        if !env.iter().any(|entry| entry.starts_with("HOME=")) {
            env.push(format!("HOME={}", identity.home));
        }
        own_stdio(&identity)?;
        if let Some(procfs) = procfs {
            labels::apply(&plan.labels, procfs)?;
        }
        if let Some(name) = self.keyring {
            join_keyring(name)?;
        }
        Ok(Somebody { program: self, identity, env })
    }

    /// Keeps the caller's extra descriptors and closes all others when the program is executed.
    pub(crate) fn close_others(&self) -> Result<(), Failure> {
        let first = 3 + self.preserve_fds;
        for number in 3..first {
            let number = i32::try_from(number).unwrap_or(i32::MAX);
            fds::keep_on_exec(number)
                .during_with(|| format!("keep descriptor {number} (it must be open)"))?;
        }
        fds::close_on_exec_from(first).during("mark descriptors close-on-exec")
    }
}

impl<'a> Somebody<'a> {
    /// Takes on user, limits and rights.
    pub(crate) fn prepare(self, root: &Root) -> Result<Ready<'a>, Failure> {
        let Self { program, identity, env } = self;
        let plan = program.plan;
        if let Some(attributes) = plan.scheduler {
            schedule::set(attributes).during("set the scheduler")?;
        }
        if let Some((class, priority)) = plan.io_priority {
            schedule::set_io_priority(class, priority).during("set the I/O priority")?;
        }
        enter_directory(root, &plan.cwd)?;
        // From here on no descriptor is opened: ours have higher numbers than a small limit allows. Raising a limit needs a right that
        // goes with the identity.
        plan.rlimits.iter().try_for_each(set_rlimit)?;
        take_identity(&identity, &plan.capabilities)?;
        // The change of user resets this.
        process::set_dumpable(false).during("forbid tracing")?;
        let late_filter = if plan.no_new_privileges {
            rustix::thread::set_no_new_privs(true).during("set no_new_privs")?;
            program.filter
        } else {
            // Without no_new_privs loading needs a capability that is about to go.
            program.filter.map_or(Ok(()), |filter| filter.load(program.agent.as_ref()))?;
            None
        };
        take_capabilities(&plan.capabilities)?;
        umask(Mode::from_raw_mode(plan.user.umask.unwrap_or(0o022) & 0o777));
        let path = command::find(&plan.args[0], &env)?;
        Ok(Ready {
            args: CStringList::new(plan.args.clone()).during("copy the arguments")?,
            env: CStringList::new(env).during("copy the environment")?,
            path,
            filter: late_filter,
            agent: program.agent,
        })
    }
}

impl Ready<'_> {
    /// Returns only when it failed.
    pub(crate) fn execute(&self) -> Failure {
        if let Some(Err(failure)) = self.filter.map(|filter| filter.load(self.agent.as_ref())) {
            return failure;
        }
        match CString::new(self.path.as_str()) {
            Ok(path) => command::refused(&self.path, &execve(&path, &self.args, &self.env)),
            Err(_) => Failure::invalid("the program's path holds a NUL byte"),
        }
    }
}

/// The last entry of each name, at the place of the first: programs that find a name twice take the first (`getenv(3)`), while callers
/// add what is to count at the end.
fn without_duplicates(entries: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(entries.len());
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in entries {
        let name = entry.split_once('=').map_or(entry.as_str(), |(name, _)| name);
        match places.entry(name) {
            Entry::Occupied(place) => kept[*place.get()].clone_from(entry),
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push(entry.clone());
            }
        }
    }
    kept
}

/// Puts the standard streams in their places. For a terminal its slave is given.
pub(crate) fn place_stdio(stdio: &Stdio, slave: Option<BorrowedFd<'_>>) -> Result<(), Failure> {
    match (stdio, slave) {
        (Stdio::Fds { stdin, stdout, stderr }, _) => {
            fds::set_stdio(stdin.as_fd(), stdout.as_fd(), stderr.as_fd()).during("set stdio")
        }
        (Stdio::Terminal, Some(slave)) => {
            fds::set_stdio(slave, slave, slave).during("set stdio to the terminal")?;
            process::take_terminal().during("take the controlling terminal")
        }
        _ => fds::fill_stdio().during("fill closed standard streams"),
    }
}

/// Standard streams that are the host's null device become the container's own: so that nothing leads to the host's mounts, which
/// cannot be written to a checkpoint.
pub(crate) fn use_own_null(root: &Root) -> Result<(), Failure> {
    let what = "give a standard stream the container's null device";
    let streams = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    let mut nulls = [false; 3];
    for (stream, null) in streams.iter().zip(&mut nulls) {
        *null = terminal::is_null(&fstat(stream).during(what)?);
    }
    if !nulls.contains(&true) {
        return Ok(());
    }
    // An image without one, or with something else in its place, leaves things as they are.
    let Ok(own) = root.open(Path::new("/dev/null"), OFlags::RDWR | OFlags::NONBLOCK) else {
        return Ok(());
    };
    if !terminal::is_null(&fstat(&own).during(what)?) {
        return Ok(());
    }
    let choose = |at: usize| if nulls[at] { own.as_fd() } else { streams[at] };
    fds::set_stdio(choose(0), choose(1), choose(2)).during(what)
}

/// Programs reopen `/dev/stdout` and the like: the streams must belong to the user.
fn own_stdio(identity: &Identity) -> Result<(), Failure> {
    let (stdin, stdout, stderr) =
        (rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr());
    for stream in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()] {
        let found = fstat(stream).during("look at a standard stream")?;
        if found.st_uid == identity.uid || terminal::is_null(&found) {
            continue;
        }
        match fchown(stream, Some(Uid::from_raw(identity.uid)), None::<Gid>) {
            // A stream that cannot change hands (a read-only file system, a foreign user namespace) is still usable as it is.
            Ok(()) | Err(Errno::PERM | Errno::INVAL | Errno::ROFS) => {}
            Err(error) => return Err(error).during("give a standard stream to the user"),
        }
    }
    Ok(())
}

fn join_keyring(name: &str) -> Result<(), Failure> {
    let name = CString::new(name).map_err(|_| Failure::invalid("a keyring name with NUL"))?;
    match keyring::join_session_keyring(&name) {
        // A kernel without keyrings has nothing to keep apart; a full quota must not stop containers.
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOSYS | Errno::DQUOT)) => {
            Ok(())
        }
        result => result.during("make a session keyring"),
    }
}

fn set_rlimit(plan: &RlimitPlan) -> Result<(), Failure> {
    let value = |limit: u64| (limit != u64::MAX).then_some(limit);
    let limit = Rlimit { current: value(plan.soft), maximum: value(plan.hard) };
    match rustix::process::setrlimit(plan.resource, limit) {
        Err(error) if error == Errno::PERM => {
            let own = rustix::process::getrlimit(plan.resource).maximum;
            let own = own.map_or("unlimited".to_owned(), |own| own.to_string());
            Err(Failure::io(
                format!(
                    "error setting rlimit {}: soft {}, hard {} (the host allows at most {own})",
                    plan.name, plan.soft, plan.hard
                ),
                &error.into(),
            ))
        }
        result => result.during_with(|| format!("error setting rlimit {}", plan.name)),
    }
}

/// Makes the working directory when it is missing, enters it by descriptor, and makes sure that it lies inside the root.
fn enter_directory(root: &Root, cwd: &str) -> Result<(), Failure> {
    let what = || format!("enter the working directory {cwd:?}");
    let handle = root.find_or_make(Path::new(cwd), Missing::Directory).during_with(what)?;
    let is_directory =
        rustix::fs::openat(&handle, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    is_directory.map_err(io::Error::from).during_with(what)?;
    fchdir(&handle).during_with(what)?;
    // The kernel's answer begins with "(unreachable)" for a directory outside the root.
    let reached = getcwd(Vec::new()).during_with(what)?;
    if reached.as_bytes().first() == Some(&b'/') {
        Ok(())
    } else {
        Err(Failure::invalid(format!("the working directory {cwd:?} is outside the container")))
    }
}
