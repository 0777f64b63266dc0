//! Writable layers that are made before anybody asks for one: making directories takes the longest of all that a new container needs,
//! moving one takes hardly any time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use crate::dirs::{Dirs, Room};
use crate::writable::{UPPER, WORK};
use crate::{Error, Result, quota};

/// How many wait.
const WAITING: usize = 4;

#[derive(Debug)]
pub(crate) struct Spares {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    names: Vec<String>,
    next: u64,
}

impl Spares {
    /// Takes over what an earlier process left.
    pub(crate) fn open(dirs: &Dirs) -> Result<Self> {
        let mut waiting = Waiting::default();
        for name in dirs.spare.names()? {
            waiting.next = waiting.next.max(name.parse().unwrap_or(0) + 1);
            // What is made last is there.
            if dirs.spare.open_dir(&format!("{name}/{UPPER}")).is_ok() {
                waiting.names.push(name);
            } else {
                dirs.throw_away(&dirs.spare, &name)?;
            }
        }
        Ok(Self { waiting: Mutex::new(waiting) })
    }

    /// Moves one to where the writable layer of `id` belongs; whether there was one.
    pub(crate) fn take(&self, dirs: &Dirs, id: &str) -> Result<bool, Errno> {
        let Some(name) = self.waiting().names.pop() else { return Ok(false) };
        match dirs.spare.hand_over(&name, &dirs.writable, id) {
            Ok(()) => Ok(true),
            // Somebody removed it behind our back.
            Err(Errno::NOENT) => Ok(false),
            Err(error) => {
                self.waiting().names.push(name);
                Err(error)
            }
        }
    }

    /// Makes as many as are missing.
    pub(crate) fn fill(&self, dirs: &Dirs) -> Result<()> {
        loop {
            let mut waiting = self.waiting();
            if waiting.names.len() >= WAITING {
                return Ok(());
            }
            let name = waiting.next.to_string();
            waiting.next += 1;
            drop(waiting);
            make(&dirs.spare, &name, || Ok(()))?;
            self.waiting().names.push(name);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the directories of a writable layer, after `dress` has had the outer one to itself; nothing is left when that fails.
pub(crate) fn make(room: &Room, name: &str, dress: impl FnOnce() -> Result<()>) -> Result<()> {
    let failed = |error: Errno| Error::store("make", &room.path_of(name), error);
    room.make(name, 0o700).map_err(|error| match error {
        Errno::EXIST => Error::Exists { id: name.to_owned() },
        error => failed(error),
    })?;
    let fill = || -> Result<(), Errno> {
        room.make(&format!("{name}/{WORK}"), 0o700)?;
        room.make(&format!("{name}/{UPPER}"), 0o755)
    };
    let made = dress().and_then(|()| fill().map_err(failed));
    made.or_else(|error| {
        quota::lift(room, name);
        room.remove(name)?;
        Err(error)
    })
}
