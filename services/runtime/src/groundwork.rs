//! What `create` and `restore` do before there is a process: the bundle's document becomes a plan, and the state directory, the
//! record and the cgroup are made.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use gantry_cgroup::{Cgroup, CgroupPath, Hierarchies};
use gantry_oci::runtime::{DeviceRule, LinuxResources, Mount, Spec};
use gantry_sys::clone::Namespaces;
use gantry_sys::{clock, process};
use rustix::fs::{Mode, OFlags};

use crate::delete;
use crate::error::Error;
use crate::failure::During;
use crate::filter::Filter;
use crate::listener::Address;
use crate::options::{CreateOptions, NOTIFY_NAME, NOTIFY_TARGET, Stdio, notify_dir};
use crate::placeholder::Placeholder;
use crate::plan::Plan;
use crate::record::{Confinement, LateHooks, Line, Record, SystemdUnit, parse_bounded};
use crate::resctrl::{self, Resctrl};
use crate::rollback::Rollback;
use crate::rootless::Caller;
use crate::rootless::cgroup::{CgroupMaker, may_lack};
use crate::systemd::{self, Instance, Scope, UnitStart};

/// A larger `config.json` is refused.
const CONFIG_LIMIT_BYTES: u64 = 16 << 20;
const ID_LIMIT: usize = 1024;

/// All that is known of a container before anything is made.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Absolute path.
    pub bundle: PathBuf,
    pub plan: Plan,
    pub filter: Option<Filter>,
    pub caller: Caller,
    scope: Option<Scope>,
    cgroup_path: CgroupPath,
    confinement: Confinement,
    annotations: BTreeMap<String, String>,
}

impl Draft {
    pub(crate) fn new(options: &CreateOptions<'_>) -> Result<Self, Error> {
        check_id(options.id)?;
        let bundle = resolve(options.bundle)
            .map_err(|source| Error::Read { path: options.bundle.to_owned(), source })?;
        let mut spec = match options.spec {
            Some(spec) => spec.clone(),
            None => read_config(&bundle)?,
        };
        add_to(&mut spec, options)?;
        let annotations = std::mem::take(&mut spec.annotations);
        let confinement = spec.process.as_ref().map(Confinement::of).unwrap_or_default();
        let plan = Plan::new(spec).map_err(Error::refused)?;
        check_terminal(&plan, &options.stdio)?;
        let caller = Caller::detect().during("look at the own rights")?;
        caller.check(&plan).map_err(Error::refused)?;
        let filter = plan.linux.seccomp.as_ref();
        let filter = filter.map(|profile| Filter::cached(profile, options.filter_cache));
        let filter = filter.transpose()?;
        let instance = if caller == Caller::Root { Instance::System } else { Instance::User };
        let scope = options
            .flags
            .systemd_cgroup
            .then(|| Scope::parse(&plan.linux.cgroups_path, options.id, instance))
            .transpose()?;
        let cgroup_path = match &scope {
            Some(scope) => {
                let path = instance.cgroup(options.system_bus)? + &scope.cgroup_path();
                path.parse().map_err(Error::Cgroup)?
            }
            None => cgroup_path(&plan, options.id)?,
        };
        Ok(Self { bundle, plan, filter, caller, scope, cgroup_path, confinement, annotations })
    }

    /// The record of a container without a process.
    pub(crate) fn record(&self, options: &CreateOptions<'_>) -> Result<Record, Error> {
        let Self { plan, filter, scope, .. } = self;
        Ok(Record {
            id: options.id.to_owned(),
            bundle: self.bundle.clone(),
            pid: 0,
            start_time: 0,
            boot_id: gantry_sys::boot_id::boot_id()
                .map_err(|source| Error::System { what: "read the boot's id", source })?,
            created: clock::now().to_string(),
            cgroup: self.cgroup_path.to_string(),
            other_cgroups: Vec::new(),
            user_namespace: plan.namespaces.has_user(),
            time_namespace: plan.namespaces.has_time(),
            own_namespaces: plan.namespaces.new.into(),
            personality: plan.personality,
            memory_policy: plan.memory_policy.clone(),
            resctrl: None,
            held_until_start: false,
            listener: filter
                .as_ref()
                .filter(|filter| filter.notifies())
                .and_then(|_| Address::of(plan.linux.seccomp.as_ref()?)),
            systemd: scope.as_ref().map(|scope| SystemdUnit {
                unit: scope.unit.clone(),
                bus: options.system_bus.to_owned(),
            }),
            hooks: LateHooks::from(&plan.hooks),
            confinement: self.confinement.clone(),
            annotations: self.annotations.clone(),
        })
    }

    /// The container's own directory, open, with what later calls need.
    pub(crate) fn make_state_dir(
        &self,
        options: &CreateOptions<'_>,
        rollback: &mut Rollback,
    ) -> Result<OwnedFd, Error> {
        use std::os::unix::fs::DirBuilderExt;
        let path = options.state_dir;
        let failed = |source| Error::Write { path: path.to_owned(), source };
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::Exists { id: options.id.to_owned() });
            }
            made => made.map_err(failed)?,
        }
        let opened = delete::open_directory(path).and_then(|own| Ok((own.try_clone()?, own)));
        let (directory, own) = opened.map_err(failed)?;
        let owned = path.to_owned();
        rollback.on_failure(move || {
            if delete::is_at(&own, &owned) {
                drop(fs::remove_dir_all(owned));
            }
        });
        if options.notify {
            fs::DirBuilder::new().mode(0o755).create(notify_dir(path)).map_err(failed)?;
        }
        if let Some(filter) = &self.filter {
            filter.save(path).map_err(failed)?;
        }
        Ok(directory)
    }

    /// The group of the resource director that the document asks for.
    pub(crate) fn join_resctrl(
        &self,
        options: &CreateOptions<'_>,
        rollback: &mut Rollback,
    ) -> Result<Option<resctrl::Group>, Error> {
        let Some(asked) = &self.plan.linux.intel_rdt else { return Ok(None) };
        let group = Resctrl::find()?.join(asked, options.id)?;
        let made = group.clone();
        rollback.on_failure(move || drop(made.remove()));
        Ok(Some(group))
    }

    /// The cgroup with its limits, and where systemd is told of it the process that keeps its scope until the container has one.
    ///
    /// Who is not the machine's root may end up without a cgroup, which the record is told. It is written before anything is made, so that
    /// `delete` finds the cgroup, and spares what is somebody else's, should this process be killed on the way.
    pub(crate) fn make_cgroup(
        &self,
        options: &CreateOptions<'_>,
        record: &mut Record,
        rollback: &mut Rollback,
    ) -> Result<(Option<Cgroup>, Option<Placeholder>), Error> {
        if self.scope.is_none() && may_lack(options.cgroup_refusals, self.caller) {
            let cgroup = self.try_make_cgroup(options, record, rollback)?;
            cgroup.as_ref().map_or(Ok(()), |cgroup| note_others(cgroup, record, options))?;
            return Ok((cgroup, None));
        }
        let cgroup = self.make_whole_cgroup(options, record, rollback)?;
        note_others(&cgroup, record, options)?;
        let placeholder = match &self.scope {
            Some(scope) => Some(self.start_scope(scope, options.system_bus, &cgroup, rollback)?),
            None => None,
        };
        Ok((Some(cgroup), placeholder))
    }

    /// Makes the cgroup a unit of systemd's. A scope needs a process from its first moment on: this one stays until the container's is
    /// there.
    fn start_scope(
        &self,
        scope: &Scope,
        bus: &Path,
        cgroup: &Cgroup,
        rollback: &mut Rollback,
    ) -> Result<Placeholder, Error> {
        let placeholder = Placeholder::new(Namespaces::NONE)?;
        let resources = self.resources();
        let (pid, annotations) = (placeholder.pid, &self.annotations);
        scope.start(bus, UnitStart { pid, resources: &resources, annotations })?;
        let (unit, bus) = (scope.unit.clone(), bus.to_owned());
        rollback.on_failure(move || drop(systemd::stop(&unit, &bus)));
        // systemd has written its own values over some of ours.
        cgroup.apply(&resources).map_err(Error::Cgroup)?;
        Ok(placeholder)
    }

    fn make_whole_cgroup(
        &self,
        options: &CreateOptions<'_>,
        record: &mut Record,
        rollback: &mut Rollback,
    ) -> Result<Cgroup, Error> {
        let (hierarchies, path) =
            (Hierarchies::detect().map_err(Error::Cgroup)?, &self.cgroup_path);
        record.other_cgroups = Cgroup::others_at(&hierarchies, path).map_err(Error::Cgroup)?;
        write(record, options.state_dir)?;
        let maker = CgroupMaker { caller: self.caller, resources: &self.resources() };
        let cgroup = maker.make_at(&hierarchies, path).map_err(Error::Cgroup)?;
        undo_cgroup(hierarchies, &cgroup, rollback);
        self.delegate(&cgroup)?;
        Ok(cgroup)
    }

    /// An ordinary user may not give his cgroup to another of his ids: the container then does without.
    fn delegate(&self, cgroup: &Cgroup) -> Result<(), Error> {
        let Some(uid) = self.plan.cgroup_owner() else { return Ok(()) };
        match cgroup.delegate(uid) {
            Err(gantry_cgroup::Error::Delegate { source, .. })
                if self.caller == Caller::User
                    && source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Ok(())
            }
            delegated => delegated.map_err(Error::Cgroup),
        }
    }

    /// The limits, and for the machine's root, who alone may restrict devices, the rules that go with his.
    fn resources(&self) -> LinuxResources {
        let mut resources = self.plan.linux.resources.clone().unwrap_or_default();
        if late_limits(self.plan.linux.resources.as_ref()).is_some() {
            resources.pids = None;
        }
        match self.caller {
            Caller::Root => with_default_devices(resources),
            Caller::NamespaceRoot | Caller::User => {
                LinuxResources { devices: Vec::new(), ..resources }
            }
        }
    }

    fn try_make_cgroup(
        &self,
        options: &CreateOptions<'_>,
        record: &mut Record,
        rollback: &mut Rollback,
    ) -> Result<Option<Cgroup>, Error> {
        let maker = CgroupMaker { caller: self.caller, resources: &self.resources() };
        let mut announce = |place: Option<(&Hierarchies, &CgroupPath)>| {
            record.cgroup = place.map(|(_, path)| path.to_string()).unwrap_or_default();
            // Who may not look at what is there may not make anything there either.
            let others = place.map(|(hierarchies, path)| Cgroup::others_at(hierarchies, path));
            record.other_cgroups = others.and_then(Result::ok).unwrap_or_default();
            write(record, options.state_dir)
        };
        let cgroup = maker.make(&self.cgroup_path, &mut announce)?;
        if let Some(cgroup) = &cgroup {
            undo_cgroup(Hierarchies::detect().map_err(Error::Cgroup)?, cgroup, rollback);
            self.delegate(cgroup)?;
        }
        Ok(cgroup)
    }
}

/// Has `delete` spare what was below a cgroup that was there already, also what came after the first look.
fn note_others(
    cgroup: &Cgroup,
    record: &mut Record,
    options: &CreateOptions<'_>,
) -> Result<(), Error> {
    let others = cgroup.others();
    if others == record.other_cgroups {
        return Ok(());
    }
    record.other_cgroups = others;
    write(record, options.state_dir)
}

/// Registers the removal of what was made of a cgroup. What was there before, empty, may be somebody's.
fn undo_cgroup(hierarchies: Hierarchies, cgroup: &Cgroup, rollback: &mut Rollback) {
    let made = cgroup.new_directories();
    rollback.on_failure(move || {
        drop(Cgroup::open_directories(&hierarchies, &made).and_then(|made| made.remove()));
    });
}

/// The limit that would keep the container's first process from being born in its cgroup: it is for when that is there.
pub(crate) fn late_limits(resources: Option<&LinuxResources>) -> Option<LinuxResources> {
    let pids = resources?.pids.filter(|pids| pids.limit == Some(0))?;
    Some(LinuxResources { pids: Some(pids), ..LinuxResources::default() })
}

pub(crate) fn write(record: &Record, state_dir: &Path) -> Result<(), Error> {
    record.write(state_dir).map_err(|source| Error::Write { path: state_dir.to_owned(), source })
}

/// Notes the container's process down.
pub(crate) fn settle(record: &mut Record, pid: i32, state_dir: &Path) -> Result<(), Error> {
    let mut settled = settled(record, pid, state_dir)?;
    settled.write(state_dir)?;
    *record = settled.record();
    Ok(())
}

/// The record with the container's process, ready to be written.
pub(crate) fn settled(record: &Record, pid: i32, state_dir: &Path) -> Result<Settled, Error> {
    let start_time = process::start_time(pid)
        .map_err(|source| Error::System { what: "read the process's start time", source })?;
    let record = Record { pid, start_time, ..record.clone() };
    let line = record.line(state_dir);
    let line = line.map_err(|source| Error::Write { path: state_dir.to_owned(), source })?;
    Ok(Settled { record, line: Some(line) })
}

/// A record that knows its process, before everybody knows it.
#[derive(Debug)]
pub(crate) struct Settled {
    record: Record,
    /// Until it is written.
    line: Option<Line>,
}

impl Settled {
    pub(crate) fn write(&mut self, state_dir: &Path) -> Result<(), Error> {
        let written = self.line.take().map_or(Ok(()), Line::write);
        written.map_err(|source| Error::Write { path: state_dir.to_owned(), source })
    }

    pub(crate) fn record(self) -> Record {
        self.record
    }
}

/// The absolute path of what is there, without links: as the kernel tells it, which spares a look at each name on the way.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let found = rustix::fs::open(path, flags, Mode::empty())?;
    let name = format!("/proc/self/fd/{}", found.as_raw_fd());
    fs::read_link(name).or_else(|_| fs::canonicalize(path))
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

/// A bundle's document.
pub(crate) fn read_config(bundle: &Path) -> Result<Spec, Error> {
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
