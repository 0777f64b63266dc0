//! Whose the container's cgroup becomes: a process that may write to its cgroups may then make groups of its own.

use std::path::Path;

use gantry_oci::runtime::{IdMapping, User};
use gantry_sys::clone::Namespaces;
use gantry_sys::mount::Attributes;

use super::{MountKind, Plan};

impl Plan {
    /// The new owner as the host counts; `None` when the cgroup stays the host's root's. By the specification's section "Cgroup
    /// ownership": only with a cgroup namespace of its own, and a writable mount.
    pub(crate) fn cgroup_owner(&self) -> Option<u32> {
        let is_writable = |mount: &&super::MountPlan| {
            mount.kind == MountKind::Cgroup
                && mount.destination == Path::new("/sys/fs/cgroup")
                && !mount.options.change.set.contains(Attributes::RDONLY)
        };
        if !self.namespaces.new_cgroup || self.mounts.iter().find(is_writable).is_none() {
            return None;
        }
        let has_user = self.namespaces.has_user();
        // What a user namespace maps that was made elsewhere is not known here.
        let is_known = !has_user || self.namespaces.new.contains(Namespaces::USER);
        let uid = host_id(&self.process.user, has_user, &self.namespaces.uid_mappings)?;
        Some(uid).filter(|uid| is_known && *uid != 0)
    }
}

fn host_id(user: &User, has_user: bool, mappings: &[IdMapping]) -> Option<u32> {
    // A name is resolved much later, inside the container.
    if !user.username.is_empty() {
        return None;
    }
    if !has_user {
        return Some(user.uid);
    }
    mappings.iter().find_map(|map| {
        let offset = user.uid.checked_sub(map.container_id).filter(|offset| *offset < map.size)?;
        map.host_id.checked_add(offset)
    })
}

#[cfg(test)]
mod tests {
    use gantry_oci::runtime::Spec;

    use super::*;

    fn owner(namespaces: &str, options: &str, linux: &str) -> Option<u32> {
        let text = format!(
            r#"{{"ociVersion": "1.3.0",
                "process": {{"args": ["sh"], "cwd": "/", "user": {{"uid": 7, "gid": 0}}}},
                "mounts": [{{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                    "options": [{options}]}}],
                "linux": {{"namespaces": [{{"type": "mount"}}{namespaces}]{linux}}}}}"#
        );
        let spec: Spec = serde_json::from_str(&text).unwrap();
        Plan::new(spec).unwrap().cgroup_owner()
    }

    #[test]
    fn a_writable_cgroup_of_its_own_namespace_is_the_users() {
        let cgroup = r#", {"type": "cgroup"}"#;
        let user = r#", {"type": "cgroup"}, {"type": "user"}"#;
        let maps = r#", "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}],
            "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}]"#;
        assert_eq!(owner(cgroup, "", ""), Some(7));
        assert_eq!(owner(user, "", maps), Some(1007));
        assert_eq!(owner(cgroup, r#""ro""#, ""), None);
        assert_eq!(owner("", "", ""), None);
    }
}
