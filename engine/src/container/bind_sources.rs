//! What of the host's is bound into a container that starts.

use std::path::Path;

use gantry_sys::mountinfo::{self, MountLine};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use crate::error::Error;
use crate::plan::{BindSource, ContainerPlan, MountSource, Relabel};
use crate::{Result, selinux};

/// Makes host directories that are missing where `-v` names them, as Docker does. They stay, even when this start fails: they are the
/// user's from then on, and another container may have them already.
///
/// # Errors
/// A directory is missing that is not to be made, cannot be made, or lies where mounts do not come and go as the container is to see; its
/// files cannot be labelled as `:z` or `:Z` has it.
pub(super) fn prepare(plan: &ContainerPlan) -> Result<()> {
    for mount in &plan.mounts {
        let MountSource::Bind(bind) = &mount.source else { continue };
        let path = Path::new(&bind.path);
        if !path.exists() {
            if !bind.create {
                return Err(Error::NoBindSource { path: bind.path.clone() });
            }
            std::fs::create_dir_all(path).map_err(Error::file("create directory", path))?;
        }
        check_propagation(bind)?;
        if let Some(how) = Relabel::of(&bind.mode) {
            selinux::relabel(path, &plan.security.selinux, how)?;
        }
    }
    Ok(())
}

/// Mounts go to the container, or come from it, only where the host's own mount lets them: else nothing would ever appear, and nobody be
/// told why.
fn check_propagation(bind: &BindSource) -> Result<()> {
    let needed = match bind.propagation.as_str() {
        "shared" | "rshared" => "a shared",
        "slave" | "rslave" => "a shared or slave",
        _ => return Ok(()),
    };
    let Some(mount) = mount_of(&bind.path)? else { return Ok(()) };
    if mount.is_shared || mount.is_slave && needed != "a shared" {
        return Ok(());
    }
    // Docker's words.
    let MountLine { place, .. } = mount;
    let path = &bind.path;
    Err(Error::invalid(format!("path {path} is mounted on {place} but it is not {needed} mount")))
}

fn mount_of(path: &str) -> Result<Option<MountLine>> {
    let found = statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID)
        .map_err(|error| Error::file("examine", path)(error.into()))?;
    let all = mountinfo::read(gantry_sys::process::pid())
        .map_err(Error::file("read the table of mounts", "/proc/self/mountinfo"))?;
    Ok(all.into_iter().find(|line| line.id == found.stx_mnt_id))
}
