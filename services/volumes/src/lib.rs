//! Volumes: directories that outlive containers, and what the local driver mounts in them.
//!
//! A volume is a row in the database and a directory. Who uses one is the caller's knowledge: the functions that need it
//! ask. Plugins are not here: a volume of another driver has a row, and its path is its plugin's.
//!
//! On disk, below [`Config::root`], with Docker's rights:
//!
//! ```text
//! volumes/<name>/_data     the files; a mount lies on it while one with options is in use
//! volumes/<name>/staging   content of an image on its way in
//! volumes/<name>/staged    the same when it is whole
//! volumes/.trash-<n>       on its way out
//! ```

mod archive;
mod clone;
mod create;
mod dirs;
mod error;
mod fill;
mod local;
mod mounting;
mod name;
mod open;
mod remove;
mod rename;
mod state;
mod volume;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use gantry_db::Db;

pub use create::CreateOptions;
pub use error::{Error, Result};
pub use mounting::Held;
pub use name::{InvalidName, VolumeName};
pub use state::Pins;
pub use volume::{ANONYMOUS, LOCAL, Volume};

/// Where volumes are kept.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data root; `volumes/` below it is used.
    pub root: PathBuf,
}

/// All volumes of a daemon. `Send + Sync`; functions block.
#[derive(Debug)]
pub struct Volumes {
    dirs: dirs::Dirs,
    db: Arc<Db>,
    state: Arc<Mutex<state::State>>,
}
