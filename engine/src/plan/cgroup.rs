//! Where a container's cgroup is to be: a directory below a parent, or a scope of systemd's in a slice.

use gantry_cgroup::{CgroupPath, Slice};
use gantry_types::{ContainerId, error_chain};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::settings::CgroupDriver;

/// What the names of containers' scopes begin with, as docker's do with `docker`.
const PREFIX: &str = "gantry";

/// A run's cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CgroupPlace {
    /// From the root of each hierarchy.
    pub path: String,
    /// `slice:prefix:name`, as the runtime tells systemd of it; `None` where systemd has no part in it.
    #[serde(default)]
    pub unit: Option<String>,
}

impl CgroupPlace {
    /// The one of a container in this parent.
    pub(crate) fn below(parent: &str, driver: CgroupDriver, id: &str) -> Result<Self, Error> {
        match driver {
            CgroupDriver::Cgroupfs => {
                let path = format!("/{}/{id}", parent.trim_matches('/'));
                path.parse::<CgroupPath>().map_err(|error| refused(&error))?;
                Ok(Self { path, unit: None })
            }
            CgroupDriver::Systemd => {
                let slice: Slice = parent.parse().map_err(|_| {
                    Error::invalid(format!(
                        "cgroup-parent for systemd cgroup should be a valid slice named as \"xxx.slice\", not {parent:?}"
                    ))
                })?;
                Ok(Self {
                    path: format!("{}/{PREFIX}-{id}.scope", slice.cgroup_path()),
                    unit: Some(format!("{slice}:{PREFIX}:{id}")),
                })
            }
        }
    }

    /// The one of a container that asks for a parent; `None` where it leaves that to the engine.
    pub(crate) fn asked_for(
        parent: &str,
        driver: CgroupDriver,
        id: &ContainerId,
    ) -> Result<Option<Self>, Error> {
        if parent.is_empty() {
            return Ok(None);
        }
        if driver == CgroupDriver::Cgroupfs {
            // It has to be a path by itself: with the container's own name behind it a bare slash would be one, too.
            parent.parse::<CgroupPath>().map_err(|error| refused(&error))?;
        }
        Self::below(parent, driver, id.as_str()).map(Some)
    }

    /// `linux.cgroupsPath` of the bundle's document.
    pub(crate) fn document_path(&self) -> &str {
        self.unit.as_deref().unwrap_or(&self.path)
    }
}

fn refused(error: &gantry_cgroup::Error) -> Error {
    Error::invalid(format!("invalid cgroup parent: {}", error_chain(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_directory_or_a_scope() {
        let below = |parent, driver| CgroupPlace::below(parent, driver, "c1").unwrap();
        let place = below("/gantry", CgroupDriver::Cgroupfs);
        assert_eq!((place.path.as_str(), place.document_path()), ("/gantry/c1", "/gantry/c1"));
        let place = below("a-b.slice", CgroupDriver::Systemd);
        assert_eq!(place.path, "/a.slice/a-b.slice/gantry-c1.scope");
        assert_eq!(place.document_path(), "a-b.slice:gantry:c1");
        let wrong = CgroupPlace::below("/gantry", CgroupDriver::Systemd, "c1").unwrap_err();
        assert!(wrong.to_string().starts_with("cgroup-parent for systemd cgroup"), "{wrong}");
    }
}
