//! What all daemons of a host share: one lock, and the kernel's switches.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use crate::{Error, Result};

/// Root's alone: whoever may open it can keep all daemons waiting. It stays when they end, since another one may wait for it.
const LOCK: &str = "/run/gantry-networks.lock";
const DEADLINE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(2);

/// Kept while subnets and devices are chosen, so that two daemons don't choose the same.
pub(crate) fn lock() -> Result<File> {
    let failed = |source| Error::Host { action: "lock the host's networks", source };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(LOCK)
        .map_err(failed)?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) if start.elapsed() > DEADLINE => {
                return Err(Error::HostBusy { seconds: DEADLINE.as_secs() });
            }
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn nobody_but_root_can_keep_the_lock() {
        let file = lock().unwrap();
        let found = file.metadata().unwrap();
        assert_eq!((found.uid(), found.mode() & 0o777), (0, 0o600));
        let other = OpenOptions::new().write(true).open(LOCK).unwrap();
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
    }
}
