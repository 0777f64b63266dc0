//! One run of another runtime's program: its files in the bundle, its end, and its last words. What it is
//! run for is told in `other`.

use crate::child::Program;
use crate::error::Error;
use gantry_sys::clone::Child;
use gantry_types::Signal;
use std::ffi::OsString;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// How long an operation may take: as long as the longest hook that is worth waiting for.
const LIMIT: Duration = Duration::from_mins(2);
/// What is read of the runtime's log and of what it prints.
const MAX_WORDS_BYTES: u64 = 64 * 1024;

/// Files that an operation needs in the bundle; they go with it.
#[derive(Debug)]
pub(super) struct Scratch {
    bundle: PathBuf,
    number: u32,
}

impl Scratch {
    /// `number` tells the files of one operation from those of the next.
    pub(super) fn new(bundle: &Path, number: u32) -> Rc<Self> {
        Rc::new(Self { bundle: bundle.to_owned(), number })
    }

    /// A name below the bundle, which is the program's working directory.
    pub(super) fn name(&self, what: &str) -> String {
        format!(".gantry-{}-{what}", self.number)
    }

    pub(super) fn path(&self, what: &str) -> PathBuf {
        self.bundle.join(self.name(what))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for what in ["log", "pid", "pty", "process"] {
            // Most were never made.
            drop(std::fs::remove_file(self.path(what)));
        }
    }
}

/// What is run.
pub(super) struct Words<'a> {
    pub(super) container: &'a str,
    pub(super) program: &'a Path,
    /// The first names the operation.
    pub(super) arguments: Vec<OsString>,
}

/// The program while it runs, and when it has ended.
#[derive(Debug)]
pub(crate) struct Invocation {
    container: String,
    program: PathBuf,
    operation: String,
    child: Child,
    scratch: Rc<Scratch>,
    deadline: Duration,
    is_late: bool,
    /// The shell's number.
    ended: Option<u32>,
}

impl Invocation {
    /// Starts it. What it prints besides its log matters only when it fails, and goes to the container's
    /// stderr as with runc's own shim.
    pub(super) fn start(
        words: Words<'_>,
        before: Vec<OsString>,
        scratch: &Rc<Scratch>,
        streams: [BorrowedFd<'_>; 3],
    ) -> Result<Self, Error> {
        let Words { container, program, arguments } = words;
        let operation =
            arguments.first().map_or_else(String::new, |word| word.display().to_string());
        let log: [OsString; 4] =
            ["--log".into(), scratch.path("log").into(), "--log-format".into(), "json".into()];
        let child = Program {
            path: program,
            arguments: before.into_iter().chain(log).chain(arguments).collect(),
            variables: environment(),
            directory: &scratch.bundle,
            descriptors: streams.to_vec(),
        }
        .spawn()?;
        Ok(Self {
            container: container.to_owned(),
            program: program.to_owned(),
            operation,
            child,
            scratch: Rc::clone(scratch),
            deadline: gantry_sys::clock::monotonic() + LIMIT,
            is_late: false,
            ended: None,
        })
    }

    /// Takes note of the end of a child; false: it is another one.
    pub(crate) fn note_end(&mut self, pid: u32, status: u32) -> bool {
        let is_meant = self.ended.is_none() && self.child.pid.unsigned_abs() == pid;
        if is_meant {
            self.ended = Some(status);
        }
        is_meant
    }

    /// Looks whether it has ended, and reaps it.
    pub(crate) fn reap(&mut self) {
        if self.ended.is_none()
            && let Ok(Some(ended)) = gantry_sys::pidfd::try_wait(self.child.pidfd.as_fd())
        {
            self.ended = Some(ended.code().into());
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Ends a program that takes too long; gives the time until then.
    pub(crate) fn tend(&mut self, now: Duration) -> Option<Duration> {
        if self.is_late || self.has_ended() {
            return None;
        }
        if self.deadline > now {
            return Some(self.deadline.saturating_sub(now));
        }
        self.end();
        None
    }

    /// Kills it. Its end follows at once.
    pub(crate) fn end(&mut self) {
        self.is_late = true;
        drop(gantry_sys::pidfd::send_signal(self.child.pidfd.as_fd(), Signal::KILL));
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) {
        while !self.has_ended() {
            let left = self.deadline.saturating_sub(gantry_sys::clock::monotonic());
            let limit = (!self.is_late).then_some(left);
            if !gantry_sys::pidfd::wait_ended(self.child.pidfd.as_fd(), limit).unwrap_or(false) {
                self.end();
            }
            let ended = gantry_sys::pidfd::wait(self.child.pidfd.as_fd());
            self.ended = Some(ended.map_or(u32::MAX, |ended| ended.code().into()));
        }
    }

    /// How it went, when it has ended.
    pub(crate) fn outcome(self) -> Result<(), Error> {
        let words = match self.ended {
            Some(0) => return Ok(()),
            _ if self.is_late => {
                format!("it did not end within {} seconds", LIMIT.as_secs())
            }
            status => last_words(&self.scratch.path("log"))
                .unwrap_or_else(|| format!("it ended with status {}", status.unwrap_or(u32::MAX))),
        };
        if matches!(self.operation.as_str(), "kill" | "delete") && is_gone(&self.container, &words)
        {
            return Err(Error::Finished);
        }
        Err(Error::OtherRuntime { program: self.program, operation: self.operation, words })
    }
}

/// Whether a runtime's last words say that there is nothing to signal or to delete. They may quote names
/// that others chose: only whole phrases count, at the end of the words.
fn is_gone(id: &str, words: &str) -> bool {
    let words = words.trim_end().trim_end_matches('.').to_ascii_lowercase();
    let id = id.to_ascii_lowercase();
    let ends = ["process already finished", "container not running", "no such process"];
    let quoted =
        ["", "\"", "'", "`"].map(|mark| format!("container {mark}{id}{mark} does not exist"));
    ends.iter().any(|phrase| words.ends_with(phrase))
        || words.ends_with("container does not exist")
        || quoted.iter().any(|phrase| words.ends_with(phrase))
}

/// The last error in a log of JSON lines, as runc writes it.
fn last_words(log: &Path) -> Option<String> {
    let mut text = Vec::new();
    let mut file = std::fs::File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    // The line that this cuts in two is none.
    file.seek(SeekFrom::Start(length.saturating_sub(MAX_WORDS_BYTES))).ok()?;
    file.take(MAX_WORDS_BYTES).read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text);
    let message = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        (value["level"] == "error").then(|| value["msg"].as_str().map(str::to_owned))?
    };
    text.lines().rev().find_map(message)
}

/// The shim's own variables: another runtime may need them. Those that mean the shim itself stay here.
fn environment() -> Vec<OsString> {
    let own = ["NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];
    std::env::vars_os()
        .filter(|(name, _)| !own.iter().any(|own| name == own))
        .map(|(name, value)| {
            let mut entry = name;
            entry.push("=");
            entry.push(value);
            entry
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_phrases_say_that_a_container_is_gone() {
        for words in [
            "unable to signal init: os: process already finished",
            "container not running",
            "container does not exist",
            "container `c1` does not exist",
            "kill container: No such process.",
        ] {
            assert!(is_gone("c1", words), "{words}");
        }
        for words in [
            "cgroup /sys/fs/cgroup/c1 does not exist",
            "container c2 does not exist",
            "cannot delete \"container does not exist\": permission denied",
        ] {
            assert!(!is_gone("c1", words), "{words}");
        }
    }

    #[test]
    fn the_last_error_of_a_long_log_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let mut text = "{\"level\":\"error\",\"msg\":\"first\"}\n".repeat(4000);
        text.push_str("{\"level\":\"error\",\"msg\":\"last\"}\n");
        assert!(text.len() as u64 > MAX_WORDS_BYTES);
        std::fs::write(&log, text).unwrap();
        assert_eq!(last_words(&log).as_deref(), Some("last"));
    }
}
