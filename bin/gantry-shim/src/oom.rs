//! Notices that the kernel killed for lack of memory in the container's cgroup: by an eventfd with
//! version 1 of cgroups, by a watch of `memory.events` with version 2. What is made of it is not here.
//!
//! Follows the kernel's Documentation/admin-guide/cgroup-v1/memory.rst (10, "OOM Control") and
//! cgroup-v2.rst (`memory.events`).

use crate::poller::{EventFlags, Poller, Token, Watched};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::inotify;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

const CONTROL: &str = "memory.oom_control";
const EVENTS: &str = "memory.events";

#[derive(Debug)]
pub(crate) struct OomWatch {
    /// An eventfd or an inotify descriptor.
    fd: Watched<OwnedFd>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// The directory; the eventfd also wakes when that goes.
    First(PathBuf),
    /// The file, and how many kills it told of last.
    Second(PathBuf, u64),
}

impl OomWatch {
    /// Watches the one of `directories` (a container's, in each hierarchy) that counts memory; `None`
    /// when none does.
    pub(crate) fn new<'a>(
        mut directories: impl Iterator<Item = &'a Path>,
        poller: &mut Poller,
    ) -> io::Result<Option<Self>> {
        let Some((fd, source)) =
            directories.find_map(|directory| open(directory).transpose()).transpose()?
        else {
            return Ok(None);
        };
        let mut fd = Watched::new(poller, fd);
        fd.watch(poller, Some(EventFlags::IN));
        Ok(Some(Self { fd, source }))
    }

    pub(crate) fn token(&self) -> Token {
        self.fd.token()
    }

    /// Whether the kernel killed since the last call.
    pub(crate) fn take(&mut self) -> bool {
        let mut block = [0; 4096];
        // Nothing there, mostly.
        if rustix::io::read(self.fd.get(), &mut block).is_err() {
            return false;
        }
        match &mut self.source {
            Source::First(directory) => directory.join(CONTROL).exists(),
            Source::Second(path, before) => {
                let now = kills(path).unwrap_or(*before);
                std::mem::replace(before, now) < now
            }
        }
    }

    pub(crate) fn release(self, poller: &Poller) {
        drop(self.fd.release(poller));
    }
}

fn open(directory: &Path) -> io::Result<Option<(OwnedFd, Source)>> {
    let control = directory.join(CONTROL);
    if control.exists() {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let control = fs::File::open(control)?;
        let line = format!("{} {}", fd.as_raw_fd(), control.as_raw_fd());
        fs::write(directory.join("cgroup.event_control"), line)?;
        return Ok(Some((fd, Source::First(directory.to_owned()))));
    }
    let events = directory.join(EVENTS);
    if !events.exists() {
        return Ok(None);
    }
    let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    inotify::add_watch(&fd, &events, inotify::WatchFlags::MODIFY)?;
    let before = kills(&events)?;
    Ok(Some((fd, Source::Second(events, before))))
}

/// How often the kernel killed, by `memory.events`.
fn kills(path: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    let number = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
    Ok(number.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_of_version_two_are_noticed_once() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(EVENTS);
        let put = |oom: u32, kill: u32| {
            fs::write(&file, format!("low 0\nhigh 0\nmax 7\noom {oom}\noom_kill {kill}\n"))
                .unwrap();
        };
        put(1, 1);
        let mut poller = Poller::new().unwrap();
        let mut watch =
            OomWatch::new([directory.path()].into_iter(), &mut poller).unwrap().unwrap();
        assert!(!watch.take());
        put(2, 1);
        assert!(!watch.take());
        put(2, 3);
        assert!(watch.take());
        assert!(!watch.take());
        fs::remove_file(&file).unwrap();
        assert!(!watch.take());
    }

    #[test]
    fn without_a_memory_controller_there_is_nothing_to_watch() {
        let directory = tempfile::tempdir().unwrap();
        let mut poller = Poller::new().unwrap();
        assert!(OomWatch::new([directory.path()].into_iter(), &mut poller).unwrap().is_none());
    }
}
