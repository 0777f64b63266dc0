//! Which ids a container has on the host: those of the host, the daemon's mapping for all containers, or one of its own.

use gantry_api::container::HostConfig;
use gantry_oci::runtime::IdMapping;
use serde::{Deserialize, Serialize};

use super::modes::{Ipc, Modes, Network, Sharing};
use crate::error::Error;

/// Where the ids of a container lie on the host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UserNamespace {
    /// Ranges of the host's users, which follow one another in the container from 0 on: first and count.
    pub users: Vec<(u32, u32)>,
    /// The same for groups.
    pub groups: Vec<(u32, u32)>,
}

/// A mapping of the container's own: `map:FIRST[:COUNT]`.
const OWN: &str = "map:";
/// What the host's root is on the disk of a mount that shows a container's ids. Without one it could make nothing there: overlayfs has a
/// directory for its own work, the runtime makes places for mounts, and the engine copies files in.
const HOST_ROOT: u32 = u32::MAX - 15;
/// As many as a user has for the usual images.
const COUNT: u32 = 65_536;

impl UserNamespace {
    /// `map:FIRST[:COUNT]`: the host's ids from the first on, 65,536 of them by default, for users and groups.
    ///
    /// # Errors
    /// The text is something else, or there are no such ids, or the host's root is among them.
    pub fn from_range(text: &str) -> Result<Self, Error> {
        let numbers = text.strip_prefix(OWN).and_then(|rest| {
            let (first, count) = rest.split_once(':').unwrap_or((rest, ""));
            let count = if count.is_empty() { COUNT } else { count.parse().ok()? };
            Some((first.parse::<u32>().ok()?, count))
        });
        // The host's own root would be the container's, and the last number is no id.
        let range = numbers.filter(|(first, count)| {
            *first > 0 && *count > 0 && first.checked_add(*count).is_some_and(|end| end < u32::MAX)
        });
        let range = range.ok_or_else(|| {
            Error::invalid(format!(
                "invalid USER mode: {text}: it is host, or map:FIRST[:COUNT] with the first id of the host's and how many there are"
            ))
        })?;
        Ok(Self { users: vec![range], groups: vec![range] })
    }

    /// As the runtime is told.
    pub(crate) fn user_mappings(&self) -> Vec<IdMapping> {
        mappings(&self.users)
    }

    /// As the runtime is told.
    pub(crate) fn group_mappings(&self) -> Vec<IdMapping> {
        mappings(&self.groups)
    }

    /// The users of a mount: on its disk they are the container's.
    pub(crate) fn user_mappings_of_mounts(&self) -> Vec<IdMapping> {
        with_host_root(self.user_mappings())
    }

    /// The groups of a mount.
    pub(crate) fn group_mappings_of_mounts(&self) -> Vec<IdMapping> {
        with_host_root(self.group_mappings())
    }

    /// Which of a container's ids one of the host's is; nothing for an id that the container does not have.
    pub(crate) fn in_container(ranges: &[(u32, u32)], id: u32) -> Option<u32> {
        let mut all = mappings(ranges).into_iter();
        let found = all.find(|it| id >= it.host_id && id - it.host_id < it.size);
        found.map(|it| it.container_id + (id - it.host_id))
    }

    /// What one of a container's ids is on the host; nothing for an id that it does not have.
    pub(crate) fn on_host(ranges: &[(u32, u32)], id: u32) -> Option<u32> {
        let found = mappings(ranges)
            .into_iter()
            .find(|it| id >= it.container_id && id - it.container_id < it.size);
        found.map(|it| it.host_id + (id - it.container_id))
    }
}

fn mappings(ranges: &[(u32, u32)]) -> Vec<IdMapping> {
    let mut next = 0;
    let mut all = Vec::with_capacity(ranges.len());
    for (host_id, size) in ranges.iter().copied() {
        all.push(IdMapping { container_id: next, host_id, size });
        // Who writes more ranges than there are ids gets no more.
        next = u32::saturating_add(next, size);
    }
    all
}

fn with_host_root(mut mappings: Vec<IdMapping>) -> Vec<IdMapping> {
    if !mappings.iter().any(|it| it.host_id == 0) {
        mappings.push(IdMapping { container_id: HOST_ROOT, host_id: 0, size: 1 });
    }
    mappings
}

/// What a request means, when `default` is the daemon's mapping.
pub(super) fn resolve(
    host: &HostConfig,
    modes: Modes,
    default: Option<&UserNamespace>,
) -> Result<Option<UserNamespace>, Error> {
    let mapping = match host.userns_mode.as_str() {
        "host" => return Ok(None),
        "" => default.cloned(),
        text => Some(UserNamespace::from_range(text)?),
    };
    if mapping.is_none() {
        return Ok(None);
    }
    // Docker's words.
    let conflicts = [
        (
            host.privileged,
            "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running \
             privileged mode",
        ),
        (
            modes.network == Network::Host,
            "cannot share the host's network namespace when user namespaces are enabled",
        ),
        (
            modes.pid == Sharing::Host,
            "cannot share the host PID namespace when user namespaces are enabled",
        ),
        (
            modes.ipc == Ipc::Host,
            "cannot share the host's IPC namespace when user namespaces are enabled",
        ),
        (
            modes.uts != Sharing::Own,
            "cannot share the host's UTS namespace when user namespaces are enabled",
        ),
    ];
    match conflicts.iter().find(|(asked, _)| *asked) {
        Some((_, reason)) => Err(Error::invalid(*reason)),
        None => Ok(mapping),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_of_one_s_own() {
        let range = |text| {
            UserNamespace::from_range(text)
                .map(|own| own.users[0])
                .map_err(|error| error.to_string())
        };
        assert_eq!(range("map:100000"), Ok((100_000, 65_536)));
        assert_eq!(range("map:5:10"), Ok((5, 10)));
        for bad in
            ["map:", "map:0", "map:1:0", "map:4294967295:1", "map:1:4294967295", "keep-id", "map:x"]
        {
            assert!(range(bad).unwrap_err().contains("invalid USER mode"), "{bad}");
        }
    }

    #[test]
    fn ranges_follow_one_another() {
        let namespace = UserNamespace { users: vec![(1000, 1), (100_000, 10)], groups: Vec::new() };
        let found = [0, 1, 10, 11].map(|id| UserNamespace::on_host(&namespace.users, id));
        assert_eq!(found, [Some(1000), Some(100_000), Some(100_009), None]);
        let last = namespace.user_mappings()[1];
        assert_eq!((last.container_id, last.host_id, last.size), (1, 100_000, 10));
    }
}
