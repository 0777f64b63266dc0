//! From creation to removal.

use std::fs;

use gantry_cgroup::{Cgroup, CgroupPath, Error, Version};
use gantry_oci::runtime::LinuxResources;
use serde_json::json;

use crate::place::{Place, spawn, wait_for};

#[test]
fn it_is_in_every_hierarchy_and_leaves_none() {
    let place = Place::new("everywhere");
    let cgroup = place.create(json!({})).unwrap();
    let count = place.hierarchies.iter().count();
    assert_eq!(cgroup.mounts().len(), count);
    assert!(cgroup.mounts().iter().all(|mount| mount.source.is_dir()));
    cgroup.remove().unwrap();
    assert!(cgroup.mounts().iter().all(|mount| !mount.source.exists()));
    // A second time there is nothing to do.
    cgroup.remove().unwrap();
}

#[test]
fn a_thread_joins_every_v1_hierarchy() {
    let place = Place::new("join");
    let cgroup = place.create(json!({})).unwrap();
    let join = cgroup.join_handle().unwrap();
    // The kernel moves the thread that writes, and this one ends at once.
    let own = std::thread::spawn(move || {
        join.enter().unwrap();
        fs::read_to_string("/proc/thread-self/cgroup").unwrap()
    });
    let own = own.join().unwrap();
    let path = place.path.to_string();
    for hierarchy in place.hierarchies.iter().filter(|it| it.version() == Version::V1) {
        let controller = hierarchy.controllers().next().unwrap();
        let is_there = own.lines().any(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            fields.next().unwrap().split(',').any(|name| name == controller)
                && fields.next().unwrap() == path
        });
        assert!(is_there, "{controller} in {own}");
    }
}

#[test]
fn killing_reaches_every_process_and_removal_what_they_made() {
    let place = Place::new("kill");
    let cgroup = place.create(json!({})).unwrap();
    let mut child = spawn(&cgroup, "sleep 1000 & sleep 1000 & wait");
    for mount in cgroup.mounts() {
        fs::create_dir_all(mount.source.join("inner/most")).unwrap();
        fs::create_dir(mount.source.join("inner2")).unwrap();
    }
    wait_for(|| cgroup.pids().unwrap().len() == 3);
    cgroup.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    cgroup.remove().unwrap();
    assert!(cgroup.mounts().iter().all(|mount| !mount.source.exists()));
}

#[test]
fn pids_below_count() {
    let place = Place::new("below");
    let cgroup = place.create(json!({})).unwrap();
    let mut child = spawn(&cgroup, "exec sleep 1000");
    let unified = cgroup.mounts().into_iter().find(|mount| mount.version == Version::V2);
    if let Some(mount) = unified {
        let inner = mount.source.join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("cgroup.procs"), child.id().to_string()).unwrap();
    }
    assert_eq!(cgroup.pids().unwrap(), [child.id().cast_signed()]);
    cgroup.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn freezing_stops_and_thawing_lets_go() {
    let place = Place::new("freeze");
    let cgroup = place.create(json!({})).unwrap();
    let mut child = spawn(&cgroup, "while :; do :; done");
    let used = || cgroup.stats().unwrap().cpu.unwrap().total_ns;
    let before = used();
    wait_for(|| used() > before);
    assert!(!cgroup.is_frozen().unwrap());
    cgroup.freeze().unwrap();
    assert!(cgroup.is_frozen().unwrap());
    let frozen = used();
    std::thread::yield_now();
    assert_eq!(used(), frozen);
    cgroup.thaw().unwrap();
    wait_for(|| used() > frozen);
    // Killing works on a frozen one, too.
    cgroup.freeze().unwrap();
    cgroup.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn one_that_is_in_use_is_not_taken_over() {
    let place = Place::new("in-use");
    let cgroup = place.create(json!({})).unwrap();
    // Empty, it is.
    drop(place.create(json!({})).unwrap());
    let mut child = spawn(&cgroup, "exec sleep 1000");
    let error = place.create(json!({})).unwrap_err();
    assert!(matches!(error, Error::InUse { processes: 1, .. }), "{error}");
    assert_eq!(error.kind(), gantry_types::ErrorKind::Conflict);
    cgroup.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_others_made_below_one_that_was_taken_over_stays() {
    let place = Place::new("others");
    let first = place.create(json!({})).unwrap();
    let inside = |name: &str| first.mounts().into_iter().all(|it| it.source.join(name).is_dir());
    for mount in first.mounts() {
        fs::create_dir_all(mount.source.join("theirs/inner")).unwrap();
    }
    assert_eq!(first.others(), Vec::new());
    let cgroup = place.create(json!({})).unwrap();
    assert_eq!(cgroup.others().len(), cgroup.mounts().len());
    for mount in cgroup.mounts() {
        fs::create_dir_all(mount.source.join("ours/inner")).unwrap();
    }
    cgroup.remove_except(&cgroup.others()).unwrap();
    assert!(inside("theirs/inner"));
    assert!(first.mounts().iter().all(|mount| !mount.source.join("ours").exists()));
    // When they are gone, nothing is spared any more.
    for mount in cgroup.mounts() {
        for name in ["theirs/inner", "theirs"] {
            fs::remove_dir(mount.source.join(name)).unwrap();
        }
    }
    cgroup.remove_except(&cgroup.others()).unwrap();
    assert!(first.mounts().iter().all(|mount| !mount.source.exists()));
}

#[test]
fn those_in_what_was_below_one_that_was_taken_over_live_on() {
    let place = Place::new("others-live");
    let below: CgroupPath = format!("{}/theirs", place.path).parse().unwrap();
    let theirs = || Cgroup::create(&place.hierarchies, &below, &LinuxResources::default()).unwrap();
    drop(place.create(json!({})).unwrap());
    let there = theirs();
    let cgroup = place.create(json!({})).unwrap();
    let others = cgroup.others();
    assert_eq!(Cgroup::others_at(&place.hierarchies, &place.path).unwrap(), others);
    let (mut ours, mut spared) =
        (spawn(&cgroup, "exec sleep 1000"), spawn(&there, "exec sleep 1000"));
    cgroup.kill_except(&others).unwrap();
    ours.wait().unwrap();
    assert!(spared.try_wait().unwrap().is_none(), "a process of somebody else's is gone");
    cgroup.remove_except(&others).unwrap();
    there.kill().unwrap();
    spared.wait().unwrap();
    // Another one of the same name is not theirs.
    there.remove().unwrap();
    let again = theirs();
    let mut ours = spawn(&again, "exec sleep 1000");
    cgroup.kill_except(&others).unwrap();
    ours.wait().unwrap();
    cgroup.remove_except(&others).unwrap();
    assert!(Cgroup::open(&place.hierarchies, &place.path).is_err());
}

#[test]
fn it_is_found_again() {
    let place = Place::new("again");
    let created = place.create(json!({})).unwrap();
    let opened = Cgroup::open(&place.hierarchies, &place.path).unwrap();
    assert_eq!(created.mounts(), opened.mounts());
    let directories: Vec<_> = created.directories().map(ToOwned::to_owned).collect();
    let opened = Cgroup::open_directories(&place.hierarchies, &directories).unwrap();
    assert_eq!(created.mounts(), opened.mounts());
    let error = Cgroup::open_directories(&place.hierarchies, &["/tmp".into()]).unwrap_err();
    assert!(error.to_string().contains("/tmp"), "{error}");
    created.remove().unwrap();
    let error = Cgroup::open(&place.hierarchies, &place.path).unwrap_err();
    assert_eq!(error.kind(), gantry_types::ErrorKind::NotFound);
}
