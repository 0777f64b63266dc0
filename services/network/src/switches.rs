//! The kernel's switches below `/proc/sys/net`: of the host, of its devices, and of containers.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use crate::{Error, Result};

/// So many containers' switches are set through one procfs.
const USES: u32 = 64;
const USUAL: &str = "/proc/sys/net";

/// Whether a switch below `/proc/sys/net` has a value.
pub(crate) fn switch_is(root: &Path, name: &str, value: &str) -> Result<bool> {
    let path = root.join(name);
    match fs::read_to_string(&path) {
        Ok(now) => Ok(now.trim() == value),
        Err(source) => Err(Error::Sysctl { action: "read", path, source }),
    }
}

/// Sets a switch below `/proc/sys/net`, unless it has that value.
pub(crate) fn set_switch(root: &Path, name: &str, value: &str) -> Result<()> {
    if switch_is(root, name, value)? {
        return Ok(());
    }
    let path = root.join(name);
    fs::write(&path, value).map_err(|source| Error::Sysctl { action: "write", path, source })
}

/// The same of a switch that mostly stands otherwise, as those of new devices do. One that the kernel does not have stays as it is.
pub(crate) fn set_new_switch(root: &Path, name: &str, value: &str) -> Result<()> {
    match fs::write(root.join(name), value) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // It may be so already.
        Err(_) => set_switch(root, name, value),
    }
}

/// The switches of the host's devices for IPv6. Their directory stays open: the kernel finds the way there the slower, the more
/// namespaces there are.
#[derive(Debug)]
pub(crate) struct DeviceSwitches(Option<File>);

impl DeviceSwitches {
    /// There are none in a kernel without IPv6.
    pub(crate) fn open(root: &Path) -> Self {
        Self(File::open(root.join("ipv6/conf")).ok())
    }

    /// Keeps IPv6 away from a port of a bridge, where it has no business: the kernel would give the device addresses and routes, and look
    /// through those of all others for it. What it costs is all that is at stake, so a failure is only logged.
    pub(crate) fn without_ipv6(&self, device: &str) {
        let Some(folder) = &self.0 else { return };
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let switch =
            rustix::fs::openat(folder, format!("{device}/disable_ipv6"), flags, Mode::empty());
        if let Err(error) = switch.and_then(|switch| rustix::io::write(switch, b"1")) {
            tracing::debug!(%error, device, "a port of a bridge has IPv6");
        }
    }
}

/// A way to containers' switches. The kernel keeps those of all namespaces that were set through one procfs under the same names, and
/// looks through all of them each time: with 500 containers, that takes longer than anything else that is done to a device. So they are
/// set through a procfs of our own, and a new one now and then, which takes a quarter of a millisecond.
#[derive(Debug, Default)]
pub(crate) struct ContainerSwitches(Mutex<(Option<Arc<OwnedFd>>, u32)>);

/// The root of a namespace's switches, for a thread that is in it.
#[derive(Debug)]
pub(crate) struct SwitchRoot {
    path: PathBuf,
    /// What the path leads through.
    _procfs: Option<Arc<OwnedFd>>,
}

impl SwitchRoot {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl ContainerSwitches {
    /// `usual` is where the daemon finds its own.
    pub(crate) fn root(&self, usual: &Path) -> SwitchRoot {
        let procfs = (usual == Path::new(USUAL)).then(|| self.procfs()).flatten();
        let path = procfs.as_ref().map_or_else(
            || usual.to_owned(),
            |procfs| PathBuf::from(format!("/proc/self/fd/{}/sys/net", procfs.as_raw_fd())),
        );
        SwitchRoot { path, _procfs: procfs }
    }

    fn procfs(&self) -> Option<Arc<OwnedFd>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (procfs, uses) = &mut *held;
        if *uses % USES == 0 {
            // Where there can be none, the usual one serves.
            *procfs = new_procfs().ok().map(Arc::new);
        }
        *uses = uses.wrapping_add(1);
        procfs.clone()
    }
}

/// One that is mounted nowhere.
fn new_procfs() -> rustix::io::Result<OwnedFd> {
    let context = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_those_of_the_namespace_that_a_thread_is_in() {
        let (switches, name) = (&ContainerSwitches::default(), "ipv4/ip_unprivileged_port_start");
        let own = fs::read_to_string(Path::new(USUAL).join(name)).unwrap();
        std::thread::scope(|scope| {
            for number in 0..2 * USES {
                let work = move || {
                    gantry_sys::clone::unshare(gantry_sys::clone::Namespaces::NETWORK).unwrap();
                    let root = switches.root(Path::new(USUAL));
                    assert!(root.path().starts_with("/proc/self/fd"));
                    let wanted = (2000 + number).to_string();
                    set_new_switch(root.path(), name, &wanted).unwrap();
                    assert!(switch_is(root.path(), name, &wanted).unwrap());
                    assert!(switch_is(Path::new(USUAL), name, &wanted).unwrap());
                };
                scope.spawn(work).join().unwrap();
            }
        });
        assert!(switch_is(Path::new(USUAL), name, own.trim()).unwrap());
        assert_eq!(switches.root(Path::new("/elsewhere")).path(), Path::new("/elsewhere"));
    }
}
