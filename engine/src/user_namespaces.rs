//! User namespaces for mounts, one for each mapping that containers have: made when the first asks, and kept for the next.

use std::collections::HashMap;
use std::fmt::Write;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use gantry_oci::runtime::IdMapping;

use crate::Result;
use crate::error::Error;
use crate::plan::UserNamespace;

/// Each costs a descriptor.
const KEPT: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct UserNamespaces(Mutex<HashMap<UserNamespace, Arc<OwnedFd>>>);

impl UserNamespaces {
    /// A namespace with that mapping. Blocks.
    pub(crate) fn get(&self, wanted: &UserNamespace) -> Result<Arc<OwnedFd>> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(wanted) {
            return Ok(Arc::clone(found));
        }
        let users = lines(&wanted.user_mappings_of_mounts());
        let groups = lines(&wanted.group_mappings_of_mounts());
        let made = gantry_sys::user_namespace::user_namespace(&users, &groups)
            .map_err(Error::file("make a user namespace with the ids", users.trim()))?;
        let made = Arc::new(made);
        let mut known = known();
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(wanted.clone(), Arc::clone(&made));
        Ok(made)
    }
}

fn lines(mappings: &[IdMapping]) -> String {
    let mut text = String::new();
    for it in mappings {
        // Writing into a string cannot fail.
        writeln!(text, "{} {} {}", it.container_id, it.host_id, it.size).unwrap_or(());
    }
    text
}
