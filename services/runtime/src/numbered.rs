//! A process's user in numbers, for other runtimes: they know nothing of the names that our documents have.

use std::path::Path;

use gantry_oci::runtime::User;
use rustix::fs::{Mode, OFlags, open};

use crate::error::Error;
use crate::failure::During;
use crate::identity;
use crate::root::Root;

/// Puts the numbers in the names' place, by the account files below `root`, a mounted root file system.
pub fn with_numbers(root: &Path, user: &User) -> Result<User, Error> {
    if user.username.is_empty() && user.additional_group_names.is_empty() {
        return Ok(user.clone());
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = open(root, flags, Mode::empty())
        .during_with(|| format!("look at the root file system {}", root.display()))?;
    let found = identity::resolve(&Root::new(directory), user)?;
    Ok(User {
        uid: found.uid,
        gid: found.gid,
        additional_gids: found.groups,
        username: String::new(),
        additional_group_names: Vec::new(),
        ..user.clone()
    })
}
