//! Doors for the fuzz targets beside the floors: what reads hostile bytes, without the system around it. Only there with the feature
//! `fuzzing`; each function panics when a promise of the code behind it is broken.

use std::path::Path;

use gantry_oci::runtime::{NamespaceKind, Spec};

use crate::failure::Failure;
use crate::filter::Filter;
use crate::identity;
use crate::plan::{MountOptions, Plan};
use crate::record::Record;
use crate::systemd::{Instance, Scope};

/// A bundle's document: parsed, planned, its profile compiled. Tells whether all of that was possible.
pub fn config(bytes: &[u8]) -> bool {
    let Ok(mut spec) = serde_json::from_slice::<Spec>(bytes) else { return false };
    if let Some(linux) = &mut spec.linux {
        for namespace in &mut linux.namespaces {
            // Planning opens what a namespace's path names: only what is harmless here.
            let own = namespace.path == "/proc/self/ns/net";
            if !own || namespace.kind == NamespaceKind::Mount {
                namespace.path.clear();
            }
        }
    }
    let Ok(plan) = Plan::new(spec) else { return false };
    for mount in &plan.mounts {
        assert!(mount.destination.is_absolute(), "{mount:?}");
    }
    assert!(!plan.process.args.is_empty() && plan.process.cwd.starts_with('/'));
    for (path, _) in &plan.sysctls {
        assert!(!path.split('/').any(|name| matches!(name, "" | "." | "..")), "{path:?}");
    }
    plan.linux.seccomp.as_ref().is_none_or(|profile| Filter::compile(profile).is_ok())
}

/// What a user wrote, with the account files of an image.
pub fn accounts(written: &str, passwd: &str, group: &str) {
    let Ok(identity) = identity::resolve_with(written, passwd, group) else { return };
    let ids = [identity.uid, identity.gid].into_iter().chain(identity.groups.iter().copied());
    for id in ids {
        assert_ne!(id, u32::MAX, "the kernel takes it for no change");
    }
    assert!(!identity.home.contains(['\0', '\n']) && !identity.home.is_empty());
}

/// A container's record, which an earlier version or a torn disk may have left.
pub fn record(bytes: &[u8]) {
    let Ok(record) = serde_json::from_slice::<Record>(bytes) else { return };
    let again = serde_json::to_vec(&record).expect("what was read can be written");
    let again: Record = serde_json::from_slice(&again).expect("what was written can be read");
    assert_eq!(format!("{record:?}"), format!("{again:?}"));
    if let Ok(path) = record.cgroup_path() {
        assert!(!Path::new(path.names()).is_absolute());
    }
}

/// The bytes of a kept filter.
pub fn kept_filter(bytes: &[u8]) {
    if let Ok(filter) = Filter::decode(bytes) {
        assert_eq!(filter.encode(), bytes);
    }
}

/// The option list of a mount, and a name for a systemd unit.
pub fn words(text: &str) {
    let words: Vec<&str> = text.split(',').collect();
    let options = MountOptions::parse(&words);
    assert!(options.data.len() <= words.len());
    if let Ok(scope) = Scope::parse(text, "id", Instance::System) {
        let path = scope.cgroup_path();
        // A slice of many parts lies deep; what is too long is refused when the path is parsed.
        let fits = path.len() <= 4095;
        assert!(!fits || path.parse::<gantry_cgroup::CgroupPath>().is_ok(), "{path:?}");
    }
}

/// The message of a process that failed before its program ran.
pub fn failure(bytes: &[u8]) {
    let failure = Failure::decode(bytes);
    assert!(Failure::decode(&failure.encode()).encode() == failure.encode());
}
