//! Notices that the kernel killed for lack of memory in the container's cgroup: by an eventfd with
//! version 1 of cgroups, by a watch of `memory.events` with version 2, and afterwards by the cgroup's
//! counter or, when somebody has removed that, by the kernel's log. What is made of it is not here.
//!
//! Follows the kernel's Documentation/admin-guide/cgroup-v1/memory.rst (10, "OOM Control"),
//! cgroup-v2.rst (`memory.events`) and Documentation/ABI/testing/dev-kmsg.

use crate::poller::{EventFlags, Poller, Token, Watched};
use gantry_cgroup::Cgroup;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{Mode, OFlags, inotify};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

const CONTROL: &str = "memory.oom_control";
const EVENTS: &str = "memory.events";
const KERNEL_LOG: &str = "/dev/kmsg";
/// More than one log holds: others may write to it all the time.
const MAX_LOG_RECORDS: usize = 1 << 16;
/// What is written of a kill comes so long before its end at most: an older record is another process's, of the same number.
const KILL_PATIENCE: Duration = Duration::from_secs(30);

/// Whether the kernel killed in this cgroup, whose process `pid` was killed by somebody; `None` when the cgroup is gone. Whoever
/// manages cgroups may have removed the empty one before we could look, as systemd does.
pub(crate) fn had_kill(cgroup: Option<&Cgroup>, pid: u32) -> bool {
    let kills = cgroup.and_then(|cgroup| cgroup.oom_kills().ok().flatten());
    kills.map_or_else(|| log_tells_of_kill(pid).unwrap_or(false), |kills| kills > 0)
}

fn log_tells_of_kill(pid: u32) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let log = rustix::fs::open(KERNEL_LOG, flags, Mode::empty())?;
    let since = gantry_sys::clock::monotonic().saturating_sub(KILL_PATIENCE);
    // One record at a time is read.
    let mut record = [0; 8192];
    for _ in 0..MAX_LOG_RECORDS {
        match rustix::io::read(&log, &mut record) {
            Ok(length) if is_kill(&record[..length], pid, since) => return Ok(true),
            // The next one was overwritten: those after it follow.
            Ok(1..) | Err(Errno::PIPE) => {}
            Ok(0) | Err(Errno::AGAIN) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// Whether a record, `LEVEL,SEQUENCE,MICROSECONDS,FLAGS;TEXT`, tells of the kill of this process.
fn is_kill(record: &[u8], pid: u32, since: Duration) -> bool {
    let text = String::from_utf8_lossy(record);
    let Some((head, message)) = text.split_once(';') else { return false };
    let mut head = head.split(',').map(str::parse);
    let (Some(Ok(level)), Some(Ok(_)), Some(Ok(time_us))) = (head.next(), head.next(), head.next())
    else {
        return false;
    };
    // From 8 on it is not the kernel who speaks.
    let is_kernels = level < 8;
    is_kernels
        && Duration::from_micros(time_us) >= since
        && message.contains(&format!("ut of memory: Killed process {pid} ("))
}

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
    fn the_kernels_word_of_a_kill_is_known() {
        let line =
            |level: u64, us: u64, text: &str| format!("{level},77,{us},-;{text}\n SUBSYSTEM=x\n");
        let kill = "Memory cgroup out of memory: Killed process 412 (tail) total-vm:1kB, UID:0";
        let is_kill = |record: &str, pid| is_kill(record.as_bytes(), pid, Duration::from_secs(5));
        assert!(is_kill(&line(3, 6_000_000, kill), 412));
        assert!(is_kill(&line(3, 6_000_000, "Out of memory: Killed process 412 (x) "), 412));
        assert!(!is_kill(&line(3, 6_000_000, kill), 41));
        assert!(!is_kill(&line(3, 4_000_000, kill), 412), "long ago");
        assert!(!is_kill(&line(11, 6_000_000, kill), 412), "a user's word");
        assert!(!is_kill(&line(3, 6_000_000, "412 (x): all is well"), 412));
        for nonsense in ["", ";", "3,1;x", "a,b,c,d;x"] {
            assert!(!is_kill(nonsense, 412));
        }
    }

    #[test]
    fn without_a_memory_controller_there_is_nothing_to_watch() {
        let directory = tempfile::tempdir().unwrap();
        let mut poller = Poller::new().unwrap();
        assert!(OomWatch::new([directory.path()].into_iter(), &mut poller).unwrap().is_none());
    }
}
