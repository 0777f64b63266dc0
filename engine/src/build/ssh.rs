//! Agents that keep keys, for commands of builds: a socket of the command's own, from which each connection is passed on to the
//! agent. So the command's user may be anybody, and the agent is out of reach when the command has ended.

use std::fs;
use std::io;
use std::net::Shutdown;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use gantry_sys::unix_socket;

use crate::Result;
use crate::error::Error;

/// The most connections at once of one command to one agent.
const MAX_CONNECTIONS: usize = 32;
/// How long an agent may be silent, for a person may be asked for a touch or a password.
const SILENCE: Duration = Duration::from_mins(5);

/// How long nobody is taken after a failure.
const PAUSE: Duration = Duration::from_millis(100);

/// The passing on; it ends when it is dropped.
pub(super) struct Relay {
    place: PathBuf,
    is_over: Arc<AtomicBool>,
}

impl Relay {
    /// Listens at `place`, with this owner, group and permissions, and passes on to the agent's socket.
    pub(super) fn start(
        agent: PathBuf,
        place: &Path,
        (uid, gid, mode): (u32, u32, u32),
    ) -> Result<Self> {
        let failed = || Error::file("listen for an SSH agent at", place);
        if let Some(folder) = place.parent() {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(folder).map_err(failed())?;
        }
        let listener = unix_socket::bind_listener(place).map_err(failed())?;
        chown(place, Some(uid), Some(gid)).map_err(failed())?;
        fs::set_permissions(place, fs::Permissions::from_mode(mode)).map_err(failed())?;
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let thread = thread::Builder::new().name("build-ssh".to_owned());
        thread.spawn(move || accept(&listener, &agent, &seen)).map_err(failed())?;
        Ok(Self { place: place.to_owned(), is_over })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // Who waits for the next caller sees that there is none.
        drop(unix_socket::connect(&self.place));
    }
}

fn accept(listener: &UnixListener, agent: &Path, is_over: &AtomicBool) {
    let open = Arc::new(AtomicUsize::new(0));
    for caller in listener.incoming() {
        if is_over.load(Ordering::Acquire) {
            return;
        }
        let Ok(caller) = caller else {
            // No descriptor is left, perhaps: the next moment may have one.
            thread::sleep(PAUSE);
            continue;
        };
        if open.load(Ordering::Acquire) >= MAX_CONNECTIONS {
            continue;
        }
        open.fetch_add(1, Ordering::AcqRel);
        let (agent, count) = (agent.to_owned(), Arc::clone(&open));
        let thread = thread::Builder::new().name("build-ssh".to_owned());
        let serving = thread.spawn(move || {
            if let Err(error) = pass_on(caller, &agent) {
                tracing::info!(%error, agent = %agent.display(), "an SSH agent of a build");
            }
            count.fetch_sub(1, Ordering::AcqRel);
        });
        if serving.is_err() {
            open.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Passes on in both directions until both have ended.
fn pass_on(caller: UnixStream, agent: &Path) -> io::Result<()> {
    let agent = unix_socket::connect(agent)?;
    for stream in [&caller, &agent] {
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
    }
    let (mut asks, mut asked) = (caller.try_clone()?, agent.try_clone()?);
    let there = thread::Builder::new().name("build-ssh".to_owned()).spawn(move || {
        let passed = io::copy(&mut asks, &mut asked);
        drop(asked.shutdown(Shutdown::Write));
        passed.map(drop)
    })?;
    let (mut answers, mut answered) = (agent, caller);
    let back = io::copy(&mut answers, &mut answered);
    drop(answered.shutdown(Shutdown::Both));
    drop(answers.shutdown(Shutdown::Both));
    there.join().unwrap_or(Ok(()))?;
    back.map(drop)
}
