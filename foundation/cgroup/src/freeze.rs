//! Stopping all processes of a cgroup where they are, and letting them go on.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::cgroup::{Cgroup, Member};
use crate::error::Error;
use crate::hierarchy::Version;

/// How long freezing may take. A process in an uninterruptible wait holds v1's freezer up.
const DEADLINE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

impl Cgroup {
    /// Stops every process, and returns when all are stopped.
    ///
    /// # Errors
    /// [`Error::StillThawed`] after five seconds; nothing is stopped then.
    pub fn freeze(&self) -> Result<(), Error> {
        let member = self.freezer()?;
        let begin = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            // v1 needs the request again when processes were born in between.
            write(member, true)?;
            let state = state(member)?;
            if state == State::Frozen {
                return Ok(());
            }
            let waited = begin.elapsed();
            if waited > DEADLINE {
                write(member, false)?;
                return Err(Error::StillThawed {
                    directory: member.directory.path().to_owned(),
                    state: state.name().to_owned(),
                    waited_ms: waited.as_millis(),
                });
            }
            sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Lets every process go on.
    pub fn thaw(&self) -> Result<(), Error> {
        write(self.freezer()?, false)
    }

    /// [`Cgroup::thaw`] where it is needed: after a freeze, and after one that was cut short.
    pub(crate) fn release(&self) -> Result<(), Error> {
        let member = self.freezer()?;
        if state(member)? == State::Thawed { Ok(()) } else { write(member, false) }
    }

    /// Lets processes end that were killed: a freezer of v1 keeps them from it, one of v2 does not.
    pub fn let_killed_end(&self) -> Result<(), Error> {
        match self.freezer()?.hierarchy.version() {
            Version::V1 => self.release(),
            Version::V2 => Ok(()),
        }
    }

    /// Whether all processes are stopped by [`Cgroup::freeze`].
    pub fn is_frozen(&self) -> Result<bool, Error> {
        Ok(state(self.freezer()?)? == State::Frozen)
    }

    /// A process that joins a frozen cgroup stops at once, and whoever waits for it waits for ever.
    pub(crate) fn refuse_frozen(&self) -> Result<(), Error> {
        // Without a freezer nothing is frozen.
        let Ok(member) = self.freezer() else { return Ok(()) };
        match state(member)? {
            State::Thawed => Ok(()),
            State::Freezing | State::Frozen => {
                Err(Error::Frozen { directory: member.directory.path().to_owned() })
            }
        }
    }

    fn freezer(&self) -> Result<&Member, Error> {
        let v1 = self.members.iter().find(|member| member.hierarchy.holds("freezer"));
        v1.or_else(|| self.unified()).ok_or_else(|| Error::NoFreezer {
            directory: self
                .members
                .first()
                .map_or_else(Default::default, |member| member.directory.path().to_owned()),
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Thawed,
    Freezing,
    Frozen,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Thawed => "thawed",
            Self::Freezing => "freezing",
            Self::Frozen => "frozen",
        }
    }
}

fn write(member: &Member, freeze: bool) -> Result<(), Error> {
    let (file, value) = match (member.hierarchy.version(), freeze) {
        (Version::V1, true) => ("freezer.state", "FROZEN"),
        (Version::V1, false) => ("freezer.state", "THAWED"),
        (Version::V2, true) => ("cgroup.freeze", "1"),
        (Version::V2, false) => ("cgroup.freeze", "0"),
    };
    member.directory.write(file, value)
}

fn state(member: &Member) -> Result<State, Error> {
    let directory = &member.directory;
    Ok(match member.hierarchy.version() {
        Version::V1 => match directory.read("freezer.state")?.trim() {
            "FROZEN" => State::Frozen,
            "FREEZING" => State::Freezing,
            _ => State::Thawed,
        },
        // What is wanted stands in one file, what is reached in another.
        Version::V2 => {
            let is_frozen = directory.read("cgroup.events")?.lines().any(|it| it == "frozen 1");
            match (is_frozen, directory.read("cgroup.freeze")?.trim()) {
                (true, _) => State::Frozen,
                (false, "1") => State::Freezing,
                (false, _) => State::Thawed,
            }
        }
    })
}
