//! `create`: the parent's side of a container's beginning. Every step registers what takes it back.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use gantry_cgroup::{Cgroup, CgroupPath, Hierarchies};
use gantry_oci::runtime::{DeviceRule, LinuxResources, Mount, Spec, State, Status};
use gantry_sys::clone::{Child, Fork, Namespaces, clone_into};
use gantry_sys::{clock, pidfd, process};
use gantry_types::Signal;

use crate::birthplace::{PidNamespace, TimeNamespace};
use crate::channel::{Channel, Word};
use crate::error::Error;
use crate::failure::{During, Failure};
use crate::filter::Filter;
use crate::gate::Gate;
use crate::init::Init;
use crate::listener::{Address, Listener};
use crate::options::{CreateOptions, Created, NOTIFY_NAME, NOTIFY_TARGET, Stdio, notify_dir};
use crate::placeholder::Placeholder;
use crate::plan::Plan;
use crate::prepare::{Prepared, prepare};
use crate::record::{LateHooks, Record, SystemdUnit, parse_bounded};
use crate::rollback::Rollback;
use crate::systemd::{self, Scope};
use crate::{hooks, id_map};

/// A larger `config.json` is refused.
const CONFIG_LIMIT_BYTES: u64 = 16 << 20;
const ID_LIMIT: usize = 1024;

/// Makes a container: its process waits, with everything set up, for [`start`](crate::start()).
///
/// The caller must have one thread; the process becomes its child. When anything fails nothing is left: no process, cgroup, mount or
/// file.
pub fn create(options: &CreateOptions<'_>) -> Result<Created, Error> {
    check_id(options.id)?;
    let bundle = fs::canonicalize(options.bundle)
        .map_err(|source| Error::Read { path: options.bundle.to_owned(), source })?;
    let mut spec = read_config(&bundle)?;
    add_to(&mut spec, options)?;
    let annotations = std::mem::take(&mut spec.annotations);
    let plan = Plan::new(spec).map_err(Error::refused)?;
    check_terminal(&plan, &options.stdio)?;
    let filter = plan.linux.seccomp.as_ref().map(Filter::compile).transpose()?;
    let scope = options
        .flags
        .systemd_cgroup
        .then(|| Scope::parse(&plan.linux.cgroups_path, options.id))
        .transpose()?;
    let cgroup_path = match &scope {
        Some(scope) => scope.cgroup_path().parse().map_err(Error::Cgroup)?,
        None => cgroup_path(&plan, options.id)?,
    };

    let mut rollback = Rollback::new();
    let gate = make_state_dir(options, filter.as_ref(), &mut rollback)?;
    let mut record = Record {
        id: options.id.to_owned(),
        bundle: bundle.clone(),
        pid: 0,
        start_time: 0,
        boot_id: gantry_sys::boot_id::boot_id()
            .map_err(|source| Error::System { what: "read the boot's id", source })?,
        created: clock::now().to_string(),
        cgroup: cgroup_path.to_string(),
        user_namespace: plan.namespaces.has_user(),
        time_namespace: plan.namespaces.has_time(),
        personality: plan.personality,
        listener: filter
            .as_ref()
            .filter(|filter| filter.notifies())
            .and_then(|_| Address::of(plan.linux.seccomp.as_ref()?)),
        systemd: scope.as_ref().map(|scope| SystemdUnit {
            unit: scope.unit.clone(),
            bus: options.system_bus.to_owned(),
        }),
        hooks: LateHooks::from(&plan.hooks),
        annotations,
    };
    // The first time so that `delete` finds the cgroup should this process be killed on the way.
    write(&record, options.state_dir)?;
    let cgroup = make_cgroup(&cgroup_path, &plan, &mut rollback)?;
    let placeholder = scope
        .map(|scope| start_scope(&scope, options.system_bus, &cgroup, &plan, &mut rollback))
        .transpose()?;
    let prepared = prepare(&plan, &bundle, options.rootfs, &cgroup.mounts())?;
    let state = record.state(Status::Creating);
    let listener = record.listener.as_ref().map(Address::connect).transpose()?;
    let listener = listener.as_ref();
    let parts = Parts {
        options,
        listener,
        plan: &plan,
        filter: filter.as_ref(),
        gate,
        cgroup: &cgroup,
        state,
    };
    let created = parts.launch(&prepared, &mut rollback)?;
    drop(placeholder);
    record.pid = created.pid;
    record.start_time = process::start_time(created.pid)
        .map_err(|source| Error::System { what: "read the process's start time", source })?;
    write(&record, options.state_dir)?;
    rollback.keep();
    Ok(created)
}

fn write(record: &Record, state_dir: &Path) -> Result<(), Error> {
    record.write(state_dir).map_err(|source| Error::Write { path: state_dir.to_owned(), source })
}

/// The id becomes part of file names, keyring names and messages.
fn check_id(id: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    let fits = !id.is_empty() && id.len() <= ID_LIMIT && id != "." && id != "..";
    if fits && id.bytes().all(allowed) {
        Ok(())
    } else {
        Err(Error::InvalidId { id: id.chars().take(80).collect() })
    }
}

fn read_config(bundle: &Path) -> Result<Spec, Error> {
    let path = bundle.join("config.json");
    match File::open(&path) {
        Ok(file) => parse_bounded(file, path, CONFIG_LIMIT_BYTES),
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// What the caller wants besides the document.
fn add_to(spec: &mut Spec, options: &CreateOptions<'_>) -> Result<(), Error> {
    // A document without a process is refused later.
    let Some(process) = &mut spec.process else { return Ok(()) };
    process.env.extend(options.env.iter().cloned());
    if options.notify {
        process.env.push(format!("NOTIFY_SOCKET={NOTIFY_TARGET}/{NOTIFY_NAME}"));
        let state_dir = std::path::absolute(options.state_dir)
            .map_err(|source| Error::Read { path: options.state_dir.to_owned(), source })?;
        spec.mounts.push(Mount {
            destination: NOTIFY_TARGET.to_owned(),
            kind: "bind".to_owned(),
            source: notify_dir(&state_dir).to_string_lossy().into_owned(),
            options: ["bind", "ro", "nosuid", "nodev", "noexec"].map(str::to_owned).to_vec(),
            ..Mount::default()
        });
    }
    Ok(())
}

fn check_terminal(plan: &Plan, stdio: &Stdio) -> Result<(), Error> {
    let reason = match (plan.process.terminal, matches!(stdio, Stdio::Terminal)) {
        (true, false) => "process.terminal is true, but nobody takes the terminal",
        (false, true) => "process.terminal is false, but a terminal is asked for",
        _ => return Ok(()),
    };
    Err(Error::InvalidConfig { reason: reason.to_owned() })
}

/// A relative path starts at the hierarchies' roots too: the place is the runtime's choice, and must be the same for every later call,
/// wherever that comes from.
fn cgroup_path(plan: &Plan, id: &str) -> Result<CgroupPath, Error> {
    let path = plan.linux.cgroups_path.as_str();
    let path = if path.is_empty() { id } else { path };
    format!("/{path}").parse().map_err(Error::Cgroup)
}

fn make_state_dir(
    options: &CreateOptions<'_>,
    filter: Option<&Filter>,
    rollback: &mut Rollback,
) -> Result<Gate, Error> {
    use std::os::unix::fs::DirBuilderExt;
    let path = options.state_dir;
    let failed = |source| Error::Write { path: path.to_owned(), source };
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Error::Exists { id: options.id.to_owned() });
        }
        made => made.map_err(failed)?,
    }
    let owned = path.to_owned();
    rollback.on_failure(move || drop(fs::remove_dir_all(owned)));
    if options.notify {
        fs::DirBuilder::new().mode(0o755).create(notify_dir(path)).map_err(failed)?;
    }
    if let Some(filter) = filter {
        filter.save(path).map_err(failed)?;
    }
    Gate::make(path).map_err(failed)
}

fn make_cgroup(path: &CgroupPath, plan: &Plan, rollback: &mut Rollback) -> Result<Cgroup, Error> {
    let hierarchies = Hierarchies::detect().map_err(Error::Cgroup)?;
    let resources = with_default_devices(plan.linux.resources.clone().unwrap_or_default());
    let cgroup = Cgroup::create(&hierarchies, path, &resources).map_err(Error::Cgroup)?;
    let opened = Cgroup::open(&hierarchies, path).map_err(Error::Cgroup)?;
    rollback.on_failure(move || drop(opened.remove()));
    Ok(cgroup)
}

/// Makes the cgroup a scope. A scope needs a process from its first moment on: this one stays until the container's is there.
fn start_scope(
    scope: &Scope,
    bus: &Path,
    cgroup: &Cgroup,
    plan: &Plan,
    rollback: &mut Rollback,
) -> Result<Placeholder, Error> {
    let placeholder = Placeholder::new(Namespaces::NONE)?;
    let resources = with_default_devices(plan.linux.resources.clone().unwrap_or_default());
    scope.start(bus, placeholder.pid, &resources)?;
    let (unit, bus) = (scope.unit.clone(), bus.to_owned());
    rollback.on_failure(move || drop(systemd::stop(&unit, &bus)));
    // systemd has written its own values over some of ours.
    cgroup.apply(&resources).map_err(Error::Cgroup)?;
    Ok(placeholder)
}

/// Rules that restrict devices still leave what the runtime itself makes and what every program expects: nodes may be made but not
/// opened, and the default devices and terminals work.
fn with_default_devices(mut resources: LinuxResources) -> LinuxResources {
    if resources.devices.is_empty() {
        return resources;
    }
    let rule = |kind: &str, major, minor, access: &str| DeviceRule {
        allow: true,
        kind: kind.to_owned(),
        major,
        minor,
        access: access.to_owned(),
    };
    resources.devices.extend([rule("c", None, None, "m"), rule("b", None, None, "m")]);
    for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)] {
        resources.devices.push(rule("c", Some(major), Some(minor), "rwm"));
    }
    resources.devices.push(rule("c", Some(136), None, "rwm"));
    resources
}

/// What the launch needs; all made before.
struct Parts<'a> {
    options: &'a CreateOptions<'a>,
    plan: &'a Plan,
    filter: Option<&'a Filter>,
    listener: Option<&'a Listener<'a>>,
    gate: Gate,
    cgroup: &'a Cgroup,
    state: State,
}

impl Parts<'_> {
    fn launch(mut self, prepared: &Prepared, rollback: &mut Rollback) -> Result<Created, Error> {
        let join = self.cgroup.join_handle().map_err(Error::Cgroup)?;
        let (ours, theirs) = Channel::pair().during("make a socket pair")?;
        let keyring = format!("_ses.{}", self.options.id);
        let init = Init {
            plan: self.plan,
            prepared,
            filter: self.filter,
            listener: self.listener,
            join_cgroup: &join,
            stdio: &self.options.stdio,
            preserve_fds: self.options.preserve_fds,
            flags: self.options.flags,
            keyring: &keyring,
            state: &self.state,
            gate: &self.gate,
        };
        let namespaces = &self.plan.namespaces;
        let pid_namespace = PidNamespace::enter(namespaces.join_pid.as_ref())?;
        let time_namespace = TimeNamespace::make(namespaces.time_offsets.as_deref())?;
        let forked = clone_into(namespaces.new, join.unified()).during("clone");
        let child = match forked? {
            Fork::Child => {
                drop(ours);
                init.run(theirs)
            }
            Fork::Parent(child) => child,
        };
        drop(theirs);
        let handle = child.pidfd.try_clone().during("copy a descriptor")?;
        rollback.on_failure(move || {
            drop(pidfd::send_signal(handle.as_fd(), Signal::KILL));
            drop(pidfd::wait(handle.as_fd()));
        });
        pid_namespace.leave()?;
        time_namespace.leave()?;
        self.state.pid = Some(child.pid);
        self.attend(child, &ours)
    }

    /// Does what only the parent can do for the child, until it is ready.
    fn attend(&self, child: Child, channel: &Channel) -> Result<Created, Error> {
        if let Some(score) = self.plan.process.oom_score_adj {
            set_oom_score(child.pid, score)?;
        }
        if self.plan.namespaces.new.contains(Namespaces::USER) {
            let namespaces = &self.plan.namespaces;
            id_map::write(child.pid, &namespaces.uid_mappings, &namespaces.gid_mappings)?;
            channel.send(&Word::Go).during("tell the new process to go on")?;
        }
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
                Word::Go | Word::End => return Err(died(&child.pidfd)),
            }
        }
    }
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

    #[test]
    fn ids_that_could_be_paths_are_refused() {
        for id in ["a", "A.b_c+d-9", &"x".repeat(ID_LIMIT)] {
            assert!(check_id(id).is_ok(), "{id}");
        }
        for id in ["", ".", "..", "a/b", "a b", "é", "a\0", &"x".repeat(ID_LIMIT + 1)] {
            assert!(check_id(id).is_err(), "{id}");
        }
    }

    #[test]
    fn device_rules_are_completed_only_where_there_are_any() {
        assert!(with_default_devices(LinuxResources::default()).devices.is_empty());
        let deny = DeviceRule { access: "rwm".into(), ..DeviceRule::default() };
        let restricted = LinuxResources { devices: vec![deny], ..LinuxResources::default() };
        let completed = with_default_devices(restricted).devices;
        assert!(!completed[0].allow);
        assert!(completed[1..].iter().all(|rule| rule.allow));
    }
}
