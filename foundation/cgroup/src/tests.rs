//! A pure v2 machine, played by a directory of plain files: this one may not have such a mount.

use std::fs;
use std::path::Path;

use gantry_oci::runtime::LinuxResources;
use serde_json::json;
use tempfile::TempDir;

use crate::{Cgroup, CgroupPath, Error, Hierarchies, Hierarchy, Layout};

/// Files that the kernel would make in each directory.
const FILES: &[(&str, &str)] = &[
    ("cgroup.procs", ""),
    ("cgroup.subtree_control", ""),
    ("cgroup.events", "populated 0\nfrozen 0\n"),
    ("cgroup.freeze", "0\n"),
    ("cgroup.kill", ""),
    ("cpu.max", "max 100000\n"),
    ("cpu.weight", "100\n"),
    (
        "cpu.stat",
        "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 7\nnr_throttled 1\nthrottled_usec 9\n",
    ),
    ("memory.current", "4096\n"),
    ("memory.max", "max\n"),
    ("memory.swap.max", "max\n"),
    ("memory.stat", "anon 1\nfile 2\n"),
    ("pids.current", "3\n"),
    ("pids.max", "max\n"),
    ("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n"),
];

struct Machine {
    root: TempDir,
    hierarchies: Hierarchies,
}

fn machine() -> Machine {
    let root = tempfile::tempdir().unwrap();
    for names in [".", "gantry", "gantry/one"] {
        let directory = root.path().join(names);
        fs::create_dir_all(&directory).unwrap();
        for (file, content) in FILES {
            fs::write(directory.join(file), content).unwrap();
        }
    }
    let unified = Hierarchy::v2(root.path().to_owned(), &["cpu", "memory", "pids", "io"]);
    Machine { root, hierarchies: Hierarchies::of(vec![unified]) }
}

impl Machine {
    fn file(&self, file: &str) -> String {
        fs::read_to_string(self.root.path().join("gantry/one").join(file)).unwrap()
    }

    fn open(&self) -> Cgroup {
        Cgroup::open(&self.hierarchies, &path("/gantry/one")).unwrap()
    }
}

fn path(text: &str) -> CgroupPath {
    text.parse().unwrap()
}

fn resources(value: serde_json::Value) -> LinuxResources {
    serde_json::from_value(value).unwrap()
}

#[test]
fn limits_reach_their_files() {
    let machine = machine();
    let cgroup = machine.open();
    assert_eq!(machine.hierarchies.layout(), Layout::Unified);
    cgroup
        .apply(&resources(json!({
            "cpu": { "shares": 2048, "quota": 20000 },
            "memory": { "limit": 8192, "swap": 16384 },
            "pids": { "limit": 12 },
        })))
        .unwrap();
    assert_eq!(machine.file("cpu.weight"), "174");
    assert_eq!(machine.file("cpu.max"), "20000 100000");
    assert_eq!(machine.file("memory.max"), "8192");
    assert_eq!(machine.file("memory.swap.max"), "8192");
    assert_eq!(machine.file("pids.max"), "12");
}

#[test]
fn a_missing_limit_is_named() {
    let machine = machine();
    let cgroup = machine.open();
    let check = |value, part: &str| {
        let error = cgroup.apply(&resources(value)).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    check(json!({ "cpu": { "burst": 5 } }), "cannot set cpu.burst: the kernel does not offer");
    check(
        json!({ "hugepageLimits": [{ "pageSize": "2MB", "limit": 1 }] }),
        "cannot set hugepageLimits.2MB: the hugetlb cgroup controller is not available",
    );
    check(json!({ "unified": { "memory.high": "5" } }), "cannot set unified.memory.high");
    check(
        json!({ "cpu": { "cpus": "0" } }),
        "cannot set cpu.cpus: the cpuset cgroup controller is not available",
    );
    // Where nothing is limited, nothing is missing.
    cgroup.apply(&resources(json!({ "cpu": { "burst": 0, "idle": 0 } }))).unwrap();
}

#[test]
fn usage_is_checked_before_an_update() {
    let machine = machine();
    let cgroup = machine.open();
    let update = |limit| {
        cgroup.apply(&resources(json!({ "memory": { "limit": limit, "checkBeforeUpdate": true } })))
    };
    update(4096).unwrap();
    let error = update(4095).unwrap_err();
    assert!(
        matches!(error, Error::MemoryInUse { limit: 4095, usage: 4096, peak: 4096 }),
        "{error}"
    );
    assert_eq!(machine.file("memory.max"), "4096");
}

#[test]
fn numbers() {
    let machine = machine();
    let stats = machine.open().stats().unwrap();
    let cpu = stats.cpu.unwrap();
    assert_eq!((cpu.total_ns, cpu.user_ns, cpu.throttled_ns), (5000, 3000, 9000));
    let memory = stats.memory.unwrap();
    assert_eq!((memory.usage_bytes, memory.limit_bytes, memory.peak_bytes), (4096, u64::MAX, None));
    assert_eq!(memory.details["file"], 2);
    assert_eq!(stats.pids.unwrap().limit, None);
    assert_eq!(stats.block_io.unwrap().devices[0].writes, 4);
}

#[test]
fn controllers_are_passed_down_and_failure_leaves_nothing() {
    let machine = machine();
    // The new directory stays empty here, so that creation must fail at its first limit.
    let limits = resources(json!({ "pids": { "limit": 5 } }));
    let result = Cgroup::create(&machine.hierarchies, &path("/gantry/new/deeper"), &limits);
    assert!(result.is_err());
    assert!(!machine.root.path().join("gantry/new").exists());
    let passed = |names: &str| {
        fs::read_to_string(machine.root.path().join(names).join("cgroup.subtree_control")).unwrap()
    };
    assert_eq!(passed("."), "+cpu +memory +pids +io");
    assert_eq!(passed("gantry"), "+cpu +memory +pids +io");
}

#[test]
fn killing_and_freezing() {
    let machine = machine();
    let cgroup = machine.open();
    cgroup.kill().unwrap();
    assert_eq!(machine.file("cgroup.kill"), "1");
    fs::write(machine.root.path().join("gantry/one/cgroup.events"), "populated 1\nfrozen 1\n")
        .unwrap();
    cgroup.freeze().unwrap();
    assert_eq!(machine.file("cgroup.freeze"), "1");
    assert!(cgroup.is_frozen().unwrap());
    cgroup.thaw().unwrap();
    assert_eq!(machine.file("cgroup.freeze"), "0");
}

#[test]
fn the_mount_is_the_whole_directory() {
    let machine = machine();
    let mounts = machine.open().mounts();
    assert_eq!(mounts.len(), 1);
    assert_eq!((mounts[0].name.as_str(), mounts[0].options.as_str()), ("", ""));
    assert_eq!(mounts[0].source, Path::new(machine.root.path()).join("gantry/one"));
}

#[test]
fn what_does_not_exist_cannot_be_opened() {
    let machine = machine();
    let error = Cgroup::open(&machine.hierarchies, &path("/gantry/two")).unwrap_err();
    assert_eq!(error.kind(), gantry_types::ErrorKind::NotFound);
}

#[test]
fn a_new_owner_gets_the_files_that_organise_and_no_limit() {
    use std::os::unix::fs::MetadataExt;
    let machine = machine();
    machine.open().delegate(4711).unwrap();
    let owner = |file: &str| {
        fs::symlink_metadata(machine.root.path().join("gantry/one").join(file)).unwrap().uid()
    };
    for file in [".", "cgroup.procs", "cgroup.subtree_control"] {
        assert_eq!(owner(file), 4711, "{file}");
    }
    for file in ["pids.max", "memory.max", "cgroup.kill", "cgroup.freeze", "cpu.max"] {
        assert_eq!(owner(file), 0, "{file}");
    }
}

#[test]
fn a_directory_that_is_there_is_taken_only_when_nobody_is_below_it() {
    let machine = machine();
    let create = || {
        Cgroup::create_without_devices(
            &machine.hierarchies,
            &path("/gantry"),
            &resources(json!({})),
        )
    };
    assert_eq!(create().unwrap().new_directories(), Vec::<std::path::PathBuf>::new());
    fs::write(machine.root.path().join("gantry/one/cgroup.procs"), "7\n8\n").unwrap();
    let error = create().unwrap_err();
    assert!(matches!(error, Error::InUse { processes: 2, .. }), "{error}");
}

#[test]
fn a_frozen_cgroup_takes_nobody_in() {
    let machine = machine();
    fs::write(machine.root.path().join("gantry/one/cgroup.freeze"), "1\n").unwrap();
    let error =
        Cgroup::create(&machine.hierarchies, &path("/gantry/one"), &LinuxResources::default())
            .unwrap_err();
    assert!(matches!(error, Error::Frozen { .. }), "{error}");
}
