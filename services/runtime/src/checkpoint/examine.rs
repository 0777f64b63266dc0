//! Looking at processes that were made from images, before they run: is the container what its bundle says?
//!
//! Images say of a process whatever their author wrote, capabilities and namespaces included, and CRIU, which is root, makes it so. The
//! bundle is the measure: whoever restores a container has said there what it may.

mod mounts;

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use gantry_sys::clone::Namespaces;
use gantry_sys::pidfd;
use gantry_types::Signal;
use rustix::fs::{fstat, stat};

use super::dialogue::Criu;
use super::stage::Stage;
use crate::error::Error;
use crate::id_map;
use crate::plan::{LabelPlan, Plan};
use gantry_sys::mountinfo::{self, MountLine};

/// More processes than this in one container are not looked at, and refused.
const PROCESS_LIMIT: usize = 65_536;

const KINDS: [(&str, Namespaces); 7] = [
    ("mnt", Namespaces::MOUNT),
    ("pid", Namespaces::PID),
    ("net", Namespaces::NETWORK),
    ("ipc", Namespaces::IPC),
    ("uts", Namespaces::UTS),
    ("user", Namespaces::USER),
    ("cgroup", Namespaces::CGROUP),
];

/// What the processes must be like.
pub(super) struct Expectation<'a> {
    plan: &'a Plan,
    labels: LabelPlan,
    /// The container's own place in the hierarchies.
    cgroup_path: String,
    /// Of filters that lie upon this process, and so upon all that it makes.
    inherited_filters: u64,
    /// Controllers and path of each hierarchy, as CRIU, which was born in the container's cgroup, has them.
    pub cgroups: Vec<(String, String)>,
    /// What may be mounted from outside: as it is attached for CRIU.
    pub staged: Vec<MountLine>,
}

impl<'a> Expectation<'a> {
    /// `profile` is a label that takes the place of the bundle's, as CRIU knows it: `apparmor:NAME` or `selinux:LABEL`.
    pub(super) fn of(
        (plan, cgroup_path): (&'a Plan, String),
        criu: &Criu,
        stage: &Stage<'_>,
        profile: Option<&str>,
    ) -> Result<Self, Error> {
        let path = format!("/proc/{}/cgroup", criu.pid());
        let read = |source| Error::Read { path: path.clone().into(), source };
        let cgroups = Task::of(criu.pid()).read("cgroup").map_err(read)?;
        let cgroups = parse_cgroups(&cgroups);
        let lines = mountinfo::read(criu.pid()).map_err(read)?;
        let staged =
            lines.into_iter().filter(|line| Path::new(&line.place).starts_with(stage.path()));
        let own = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Ok(Self {
            plan,
            labels: labels(&plan.process.labels, profile),
            cgroup_path,
            inherited_filters: Rights(&own).number("Seccomp_filters").unwrap_or(0),
            cgroups,
            staged: staged.collect(),
        })
    }

    /// Whether a container's first process is in namespaces of the container's: before anything is changed in them.
    pub(super) fn check_namespaces_of_first(&self, pid: i32) -> Result<(), String> {
        self.check_joined(pid)?;
        self.check_namespaces(&Task::of(pid))
    }

    /// Looks at a container's first process and all that descend from it; what is wrong.
    pub(super) fn check(&self, pid: i32) -> Result<(), String> {
        let gone = |error: std::io::Error| format!("its processes cannot be looked at: {error}");
        self.check_joined(pid)?;
        self.check_id_maps(pid)?;
        let user = namespace(&Task::of(pid), "user").map_err(gone)?;
        for process in descendants(pid).map_err(gone)? {
            // Each thread has rights, filters, labels and namespaces of its own.
            for task in tasks(process).map_err(gone)? {
                self.check_namespaces(&task)?;
                self.check_cgroup(&task)?;
                // In a user namespace of its own making a process has rights over that alone.
                let same_user = namespace(&task, "user").map_err(gone)? == user;
                self.check_rights(&task, same_user)?;
                self.check_labels(&task)?;
            }
        }
        self.check_mounts(pid)
    }

    /// The namespaces that the bundle gives by path.
    fn check_joined(&self, pid: i32) -> Result<(), String> {
        let plan = &self.plan.namespaces;
        let pid_namespace = plan.join_pid.as_ref().map(|file| (Namespaces::PID, file));
        for (kind, file) in plan.join.iter().map(|(kind, file)| (*kind, file)).chain(pid_namespace)
        {
            let Some((name, _)) = KINDS.iter().find(|(_, known)| *known == kind) else { continue };
            let given = fstat(file).map(|found| found.st_ino).ok();
            if given.is_none() || namespace(&Task::of(pid), name).ok() != given {
                return Err(format!(
                    "the process is not in the {name} namespace that the bundle gives"
                ));
            }
        }
        Ok(())
    }

    /// Nobody may be in a namespace of the host's that the container has of its own.
    fn check_namespaces(&self, task: &Task) -> Result<(), String> {
        let plan = &self.plan.namespaces;
        for (name, kind) in KINDS {
            let private =
                plan.new.contains(kind) || (kind == Namespaces::CGROUP && plan.new_cgroup);
            if private && !is_in_own_namespace(task, name) {
                return Err(format!("{task} is in the host's {name} namespace"));
            }
        }
        Ok(())
    }

    fn check_id_maps(&self, pid: i32) -> Result<(), String> {
        let plan = &self.plan.namespaces;
        if !plan.new.contains(Namespaces::USER) {
            return Ok(());
        }
        for (file, mappings) in [("uid_map", &plan.uid_mappings), ("gid_map", &plan.gid_mappings)] {
            let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let (mut found, mut wanted) = (id_map::parse(&text), mappings.clone());
            found.sort_by_key(|range| range.container_id);
            wanted.sort_by_key(|range| range.container_id);
            if found != wanted {
                return Err(format!("the {file} of its user namespace is not the bundle's"));
            }
        }
        Ok(())
    }

    fn check_cgroup(&self, task: &Task) -> Result<(), String> {
        let found = task
            .read("cgroup")
            .map(|text| parse_cgroups(&text))
            .map_err(|error| format!("{task}: {error}"))?;
        for (controllers, path) in &self.cgroups {
            let inside = found
                .iter()
                .any(|(other, at)| other == controllers && Path::new(at).starts_with(path));
            if !inside {
                return Err(format!("{task} is outside the cgroup {path} ({controllers})"));
            }
        }
        Ok(())
    }

    fn check_rights(&self, task: &Task, same_user: bool) -> Result<(), String> {
        let status = task.read("status").map_err(|error| format!("{task}: {error}"))?;
        let status = Rights(&status);
        let process = &self.plan.process;
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            let bits = status.hexadecimal(set).ok_or_else(|| format!("{task} has no {set}"))?;
            let more = bits & !process.capabilities.bounding.bits();
            if same_user && more != 0 {
                return Err(format!(
                    "{task} has capabilities that the bundle does not give ({set}: {more:#x})"
                ));
            }
        }
        if process.no_new_privileges && status.word("NoNewPrivs") != Some("1") {
            return Err(format!("{task} may gain privileges, and the bundle forbids it"));
        }
        if self.plan.linux.seccomp.is_some() && !status.is_filtered(self.inherited_filters) {
            return Err(format!("{task} has no seccomp filter, and the bundle has one"));
        }
        Ok(())
    }

    /// What the bundle asks of the security modules.
    fn check_labels(&self, task: &Task) -> Result<(), String> {
        let LabelPlan { apparmor, selinux } = &self.labels;
        if let Some(profile) = apparmor {
            // Linux 5.8 gave AppArmor a directory of its own; before, one module owned the common files.
            let found = task.read("attr/apparmor/current").or_else(|_| task.read("attr/current"));
            if found.as_deref().map(apparmor_profile).ok() != Some(profile) {
                return Err(format!("{task} is not confined by the AppArmor profile {profile:?}"));
            }
        }
        if let Some(label) = selinux {
            let found = task.read("attr/current").unwrap_or_default();
            if found.trim_end_matches(['\0', '\n']) != label {
                return Err(format!("{task} does not have the SELinux label {label:?}"));
            }
        }
        Ok(())
    }
}

/// The labels that the processes are to have.
fn labels(bundle: &LabelPlan, profile: Option<&str>) -> LabelPlan {
    let named = |module: &str| profile?.strip_prefix(module)?.strip_prefix(':').map(str::to_owned);
    LabelPlan {
        apparmor: named("apparmor").or_else(|| bundle.apparmor.clone()),
        selinux: named("selinux").or_else(|| bundle.selinux.clone()),
    }
}

/// `name (enforce)`, and `unconfined`. A profile that only complains confines nobody.
fn apparmor_profile(current: &str) -> &str {
    let current = current.trim_end_matches(['\0', '\n']);
    current.strip_suffix(" (enforce)").unwrap_or(current)
}

/// One thread.
struct Task {
    process: i32,
    thread: i32,
}

impl Task {
    /// A process's first.
    fn of(process: i32) -> Self {
        Self { process, thread: process }
    }

    fn path(&self, file: &str) -> String {
        format!("/proc/{}/task/{}/{file}", self.process, self.thread)
    }

    fn read(&self, file: &str) -> std::io::Result<String> {
        fs::read_to_string(self.path(file))
    }
}

impl std::fmt::Display for Task {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { process, thread } = self;
        if process == thread {
            write!(out, "process {process}")
        } else {
            write!(out, "thread {thread} of process {process}")
        }
    }
}

/// The threads of a process and of all that descend from it.
pub(super) fn threads(pid: i32) -> std::io::Result<Vec<i32>> {
    let mut found = Vec::new();
    for process in descendants(pid)? {
        found.extend(tasks(process)?.iter().map(|task| task.thread));
    }
    Ok(found)
}

/// All threads of a process that can run again. One that has ended and waits for its parent has no namespaces any more.
fn tasks(process: i32) -> std::io::Result<Vec<Task>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(format!("/proc/{process}/task"))? {
        let name = entry?.file_name();
        let thread = name.to_str().and_then(|name| name.parse().ok());
        let task = thread.map(|thread| Task { process, thread });
        found.extend(task.filter(|task| !task.read("stat").is_ok_and(|stat| has_ended(&stat))));
    }
    Ok(found)
}

/// The state stands behind the program's name, which may hold anything.
fn has_ended(stat: &str) -> bool {
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X', 'x']))
}

/// The lines of a process's `status`.
struct Rights<'a>(&'a str);

impl<'a> Rights<'a> {
    fn word(&self, name: &str) -> Option<&'a str> {
        let mut lines = self.0.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| *found == name).map(|(_, word)| word.trim())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.word(name)?.parse().ok()
    }

    /// Whether it has a filter besides those of the process that made it. Before Linux 5.9 the kernel does not count them.
    fn is_filtered(&self, inherited: u64) -> bool {
        let more = self.number("Seccomp_filters").is_none_or(|count| count > inherited);
        self.word("Seccomp") == Some("2") && more
    }

    fn hexadecimal(&self, name: &str) -> Option<u64> {
        u64::from_str_radix(self.word(name)?, 16).ok()
    }
}

/// Kills a container that was refused: the first process, and whoever would survive it.
pub(super) fn end(pid: i32, first: BorrowedFd<'_>) {
    let others = descendants(pid).unwrap_or_default();
    let others: Vec<_> = others.into_iter().filter_map(|pid| pidfd::open(pid).ok()).collect();
    for process in others.iter().map(AsFd::as_fd).chain([first]) {
        // One that has ended already is what is wanted.
        drop(pidfd::send_signal(process, Signal::KILL));
    }
}

/// Whether a process is in another namespace than this one is.
pub(super) fn has_own_namespace(pid: i32, kind: &str) -> bool {
    is_in_own_namespace(&Task::of(pid), kind)
}

fn is_in_own_namespace(task: &Task, kind: &str) -> bool {
    let ours = namespace(&Task::of(gantry_sys::process::pid()), kind);
    matches!((ours, namespace(task, kind)), (Ok(ours), Ok(theirs)) if ours != theirs)
}

fn namespace(task: &Task, kind: &str) -> std::io::Result<u64> {
    Ok(stat(task.path(&format!("ns/{kind}")))?.st_ino)
}

/// `5:cpu,cpuacct:/path`, and `0::/path` for v2.
fn parse_cgroups(text: &str) -> Vec<(String, String)> {
    let parse = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        Some((controllers.to_owned(), path.to_owned()))
    };
    text.lines().filter_map(parse).collect()
}

/// The process and all that descend from it.
fn descendants(pid: i32) -> std::io::Result<Vec<i32>> {
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(process) = found.get(at) {
        for task in fs::read_dir(format!("/proc/{process}/task"))?.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
        }
        if found.len() > PROCESS_LIMIT {
            return Err(std::io::Error::other(format!("there are more than {PROCESS_LIMIT}")));
        }
        at += 1;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read_from_a_status() {
        let status = Rights("Name:\tx\nCapEff:\t00000000a80425fb\nNoNewPrivs:\t1\nSeccomp:\t2\n");
        assert_eq!(status.hexadecimal("CapEff"), Some(0xa804_25fb));
        assert_eq!(status.word("NoNewPrivs"), Some("1"));
        assert_eq!(status.hexadecimal("CapBnd"), None);
        assert!(status.is_filtered(0));
        assert!(Rights("Seccomp:\t2\nSeccomp_filters:\t2\n").is_filtered(1));
        assert!(!Rights("Seccomp:\t2\nSeccomp_filters:\t1\n").is_filtered(1));
        assert!(!Rights("Seccomp:\t0\n").is_filtered(0));
    }

    #[test]
    fn labels_are_the_bundles_unless_the_caller_names_one() {
        let bundle = LabelPlan { apparmor: Some("strict".into()), selinux: None };
        assert_eq!(labels(&bundle, None), bundle);
        let other = labels(&bundle, Some("apparmor:other"));
        assert_eq!(other.apparmor.as_deref(), Some("other"));
        assert_eq!(labels(&bundle, Some("selinux:a:b")).selinux.as_deref(), Some("a:b"));
        for (current, profile) in [
            ("strict (enforce)\n", "strict"),
            ("strict (complain)\n", "strict (complain)"),
            ("unconfined\n", "unconfined"),
        ] {
            assert_eq!(apparmor_profile(current), profile);
        }
    }

    #[test]
    fn who_has_ended_is_told_by_the_state_alone() {
        assert!(has_ended("7 (sleep) Z 1 7 7 0"));
        assert!(!has_ended("7 (sleep) S 1 7 7 0"));
        assert!(!has_ended("7 (a) Z 1) T 1 7 7 0"), "a name can say anything");
    }

    #[test]
    fn every_thread_is_looked_at() {
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ends) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            tell.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            // The error is the end.
            ends.recv().ok();
        });
        let id = told.recv().unwrap();
        let found = tasks(gantry_sys::process::pid()).unwrap();
        let task = found.iter().find(|task| task.thread == id).expect("the second thread");
        assert!(task.read("status").unwrap().contains(&format!("Pid:\t{id}\n")));
        assert!(task.to_string().starts_with(&format!("thread {id} of process")));
        drop(end);
        thread.join().unwrap();
    }

    #[test]
    fn this_process_is_where_it_is() {
        let own = gantry_sys::process::pid();
        assert!(!has_own_namespace(own, "net"));
        assert_eq!(descendants(own).unwrap()[0], own);
        assert!(!parse_cgroups(&Task::of(own).read("cgroup").unwrap()).is_empty());
    }
}
