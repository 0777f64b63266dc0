//! What a build has beside its main context, as parameters.

use std::collections::BTreeMap;

use crate::query::Query;
use crate::{Error, Result};

/// See the fields.
#[derive(Debug, Clone, Default)]
pub struct BuildSources {
    /// The address of the context, or nothing.
    pub remote: String,
    /// Contexts by name: `upload:FOLDER` of the archive, `docker-image://IMAGE`, or an address.
    pub contexts: BTreeMap<String, String>,
    /// The sockets of SSH agents on the daemon's machine, by id; one without a socket is here, and the daemon asks for connections to it.
    pub agents: BTreeMap<String, String>,
    /// What steps may have that ask for it.
    pub grants: Vec<String>,
    /// `name:address`.
    pub hosts: Vec<String>,
    /// Bytes of `/dev/shm`; 0 says nothing.
    pub shm_size: u64,
    /// A JSON array of limits, or nothing.
    pub ulimits: String,
    /// The cgroup above those of steps, or nothing.
    pub cgroup_parent: String,
}

impl BuildSources {
    pub(super) fn add_to(&self, query: Query) -> Result<Query> {
        let mut query = query;
        for (name, map) in [("contexts", &self.contexts), ("ssh", &self.agents)] {
            if !map.is_empty() {
                let request = "POST /build".to_owned();
                let text =
                    serde_json::to_string(map).map_err(|source| Error::Body { request, source })?;
                query = query.text(name, &text);
            }
        }
        for (name, values) in [("allow", &self.grants), ("extrahosts", &self.hosts)] {
            for value in values {
                query = query.text(name, value);
            }
        }
        let shm_size = match self.shm_size {
            0 => String::new(),
            bytes => bytes.to_string(),
        };
        for (name, value) in [
            ("remote", &self.remote),
            ("shmsize", &shm_size),
            ("ulimits", &self.ulimits),
            ("cgroupparent", &self.cgroup_parent),
        ] {
            if !value.is_empty() {
                query = query.text(name, value);
            }
        }
        Ok(query)
    }
}
