//! What all daemons of a host share: one lock.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

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
