//! Mounts of layers that are images. They are attached nowhere: this process holds them, and others find
//! them through its descriptors in `/proc`, for as long as it takes to put an overlay above. All
//! containers of an image share one mount of each layer, and so what the kernel has read of it.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Resource, getrlimit};

use crate::Result;

/// Mounts that are kept for the next container at most.
const KEPT: usize = 1024;
/// Each costs a descriptor: of those that this process may have, one in so many.
const SHARE: u64 = 4;

/// A mount that is there as long as this is.
#[derive(Debug, Clone)]
pub(crate) struct Held(Arc<OwnedFd>);

impl Held {
    pub(crate) fn new(mount: OwnedFd) -> Self {
        Self(Arc::new(mount))
    }

    /// Where other processes of this mount namespace find it.
    pub(crate) fn path(&self) -> PathBuf {
        // Not the number that this process has for itself: `/proc` may be another pid namespace's.
        let own = std::fs::read_link("/proc/self")
            .unwrap_or_else(|_| std::process::id().to_string().into());
        Path::new("/proc").join(own).join("fd").join(self.0.as_raw_fd().to_string())
    }

    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// The mounts at hand, by the layer's number.
#[derive(Debug)]
pub(crate) struct Mounts {
    held: Mutex<All>,
    kept: usize,
}

impl Default for Mounts {
    fn default() -> Self {
        let descriptors = getrlimit(Resource::Nofile).current;
        let share = descriptors.and_then(|count| usize::try_from(count / SHARE).ok());
        Self { held: Mutex::default(), kept: share.unwrap_or(KEPT).min(KEPT) }
    }
}

#[derive(Debug, Default)]
struct All {
    /// Each with the turn in which it was last asked for.
    mounts: HashMap<u64, (Held, u64)>,
    turn: u64,
}

impl Mounts {
    /// The mount of a layer, made when it is not there yet. One that is gone by then (`is_there` is
    /// asked afterwards) is not kept: whoever removed it may have looked here before.
    pub(crate) fn of(
        &self,
        number: u64,
        make: impl FnOnce() -> Result<OwnedFd>,
        is_there: impl FnOnce() -> bool,
    ) -> Result<Held> {
        if let Some(held) = self.lock().touch(number) {
            return Ok(held);
        }
        // Not under the lock; when two make one, the first stays.
        let made = Held::new(make()?);
        let mut all = self.lock();
        if let Some(held) = all.touch(number) {
            return Ok(held);
        }
        if all.mounts.len() >= self.kept {
            let idle = all.mounts.iter().filter(|(_, (held, _))| held.is_idle());
            let oldest = idle.min_by_key(|(_, (_, used))| *used).map(|(number, _)| *number);
            oldest.and_then(|number| all.mounts.remove(&number));
        }
        let turn = all.turn;
        all.mounts.insert(number, (made.clone(), turn));
        drop(all);
        if !is_there() {
            self.forget(number);
        }
        Ok(made)
    }

    /// Lets a mount go, because its layer does.
    pub(crate) fn forget(&self, number: u64) {
        drop(self.lock().mounts.remove(&number));
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    fn touch(&mut self, number: u64) -> Option<Held> {
        self.turn += 1;
        let (held, used) = self.mounts.get_mut(&number)?;
        *used = self.turn;
        Some(held.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor() -> OwnedFd {
        std::fs::File::open("/").unwrap().into()
    }

    fn kept(mounts: &Mounts) -> Vec<u64> {
        let mut numbers: Vec<u64> = mounts.lock().mounts.keys().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn the_mount_of_a_layer_that_was_removed_meanwhile_is_not_kept() {
        let mounts = Mounts::default();
        let held = mounts.of(1, || Ok(descriptor()), || true).unwrap();
        let make = || {
            // Whoever removes the layer looks here before the mount is.
            mounts.forget(2);
            Ok(descriptor())
        };
        let gone = mounts.of(2, make, || false).unwrap();
        assert_eq!(kept(&mounts), [1]);
        // The one who asked has it still.
        assert!(gone.is_idle() && !held.is_idle());
    }

    #[test]
    fn idle_mounts_go_when_there_are_too_many() {
        let mounts = Mounts { kept: 2, ..Mounts::default() };
        let used = mounts.of(1, || Ok(descriptor()), || true).unwrap();
        for number in 2..5 {
            mounts.of(number, || Ok(descriptor()), || true).unwrap();
        }
        assert_eq!(kept(&mounts), [1, 4]);
        drop(used);
    }

    #[test]
    fn mounts_take_a_quarter_of_the_descriptors() {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        assert_eq!(Mounts::default().kept as u64, (descriptors / 4).min(1024));
    }
}
