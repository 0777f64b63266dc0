//! Namespaces that a process enters for the time of a clone, so that its child is born there, and leaves again.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use gantry_sys::clone::{Namespaces, setns, unshare};

use crate::failure::{During, Failure};

/// A process's children are born into another pid namespace while this is in effect.
pub(super) struct PidNamespace {
    own: Option<OwnedFd>,
}

impl PidNamespace {
    /// Enters the namespace behind a file or a pidfd.
    pub(super) fn enter(target: Option<BorrowedFd<'_>>) -> Result<Self, Failure> {
        let Some(target) = target else { return Ok(Self { own: None }) };
        let what = "enter the pid namespace";
        let own = File::open("/proc/self/ns/pid").during(what)?;
        setns(target, Namespaces::PID).during(what)?;
        Ok(Self { own: Some(own.into()) })
    }

    pub(super) fn leave(mut self) -> Result<(), Failure> {
        self.restore().during("return to the own pid namespace")
    }

    fn restore(&mut self) -> io::Result<()> {
        self.own.take().map_or(Ok(()), |own| setns(own.as_fd(), Namespaces::PID))
    }
}

impl Drop for PidNamespace {
    fn drop(&mut self) {
        // Only reached after another failure, which is the one to report.
        drop(self.restore());
    }
}

/// A process's children are born into a new time namespace with clocks of its own while this is in effect.
pub(super) struct TimeNamespace {
    own: Option<OwnedFd>,
}

impl TimeNamespace {
    /// `offsets` is what the namespace's `timens_offsets` takes (`time_namespaces(7)`).
    pub(super) fn make(offsets: Option<&str>) -> Result<Self, Failure> {
        let Some(offsets) = offsets else { return Ok(Self { own: None }) };
        let own = File::open("/proc/self/ns/time").during("open the own time namespace")?;
        unshare(Namespaces::TIME).during("make a time namespace")?;
        let made = Self { own: Some(own.into()) };
        fs::write("/proc/self/timens_offsets", offsets).during("set linux.timeOffsets")?;
        Ok(made)
    }

    pub(super) fn leave(mut self) -> Result<(), Failure> {
        self.restore().during("return to the own time namespace")
    }

    fn restore(&mut self) -> io::Result<()> {
        self.own.take().map_or(Ok(()), |own| setns(own.as_fd(), Namespaces::TIME))
    }
}

impl Drop for TimeNamespace {
    fn drop(&mut self) {
        // Only reached after another failure, which is the one to report.
        drop(self.restore());
    }
}
