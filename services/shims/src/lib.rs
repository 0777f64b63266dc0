//! The daemon's side of shims: launch one, find it again, call its task API, hear when a process ends,
//! and connect to a process's streams. What a shim does lives in `bin/gantry-shim`, and the language
//! in `gantry-shim-protocol`.
//!
//! Works with any shim that follows containerd's protocol (version 2 or 3, ttrpc). Everything here is
//! synchronous and safe to share between threads. One thread for all shims reads their answers; a call
//! blocks its own thread until the answer or its deadline, and [`Shim::on_exit`] blocks nobody.
//!
//! ```text
//! let shims = Shims::new()?;
//! let shim = shims.launch(&LaunchOptions { binary, bundle, id })?;       or shims.connect(bundle, id)?
//! shim.create(&CreateOptions { rootfs, terminal, stdin, stdout, stderr })?;
//! shim.on_exit("", |notice| …);                                          "" is the container's first process
//! let streams = shim.attach(&AttachHeader { … })?;                       a std UnixStream
//! let pid = shim.start("")?;
//! shim.exec("e1", &ExecOptions { … })?;  shim.start("e1")?;  …
//! shim.dismiss();
//! ```

mod connection;
mod error;
mod exits;
mod launch;
mod log_figures;
mod reactor;
mod shim;

pub use error::Error;
pub use gantry_shim_protocol::log_figures::LogFigures;
pub use launch::LaunchOptions;
use launch::ProgramCopies;
pub use shim::{CreateOptions, ExecOptions, ExitNotice, Shim};

use reactor::Reactor;
use std::path::Path;
use std::sync::Arc;

/// The way to all shims of a daemon, and owner of the thread that reads from them.
///
/// When this is dropped the thread ends: calls under way fail, and exit notices that are still
/// awaited are dropped unheard. The shims and their containers go on.
#[derive(Debug)]
pub struct Shims {
    reactor: Arc<Reactor>,
    copies: ProgramCopies,
}

impl Shims {
    /// Starts the thread.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { reactor: Reactor::start()?, copies: ProgramCopies::default() })
    }

    /// Starts a shim for a bundle that holds `config.json`, and connects to it.
    pub fn launch(&self, options: &LaunchOptions) -> Result<Shim, Error> {
        let bootstrap = launch::start(options, &self.copies)?;
        Shim::connect(&self.reactor, &options.bundle, &options.id, &bootstrap)
    }

    /// Connects to a shim that was launched before, perhaps by an earlier daemon. One that is gone is
    /// [`Error::Connect`]; then [`Shims::recorded_exit`] tells what it wrote down.
    pub fn connect(&self, bundle: &Path, id: &str) -> Result<Shim, Error> {
        let bootstrap = launch::read_address(bundle)?;
        Shim::connect(&self.reactor, bundle, id, &bootstrap)
    }

    /// How a process ended, as a shim that is gone wrote it into the bundle; `exec_id` is empty for
    /// the first process.
    pub fn recorded_exit(bundle: &Path, exec_id: &str) -> Option<ExitNotice> {
        exits::find(bundle, exec_id)
    }

    /// Whether the first process ended by a kill, and the kernel has killed in its container for want of memory.
    pub fn recorded_oom_kill(bundle: &Path) -> bool {
        exits::record(bundle, "").is_some_and(|record| record.oom_killed)
    }

    /// What the shim of a bundle has counted of its container's log.
    pub fn log_figures(bundle: &Path) -> LogFigures {
        log_figures::read(bundle)
    }

    /// The same of one that has ended: they are given once.
    pub fn take_log_figures(bundle: &Path) -> LogFigures {
        log_figures::take(bundle)
    }
}

impl Drop for Shims {
    fn drop(&mut self) {
        self.reactor.stop();
    }
}
