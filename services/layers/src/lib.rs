//! Extracted layers and the writable layers of containers: directories and images of erofs that overlayfs
//! puts together.
//!
//! A layer is extracted once and shared by all images that have it: its key is its diffID. The few
//! layers that depend on what lies below them (see [`gantry_archive::Fixup`]) are kept once for each
//! chain of parents. This crate mounts nothing that anyone can see: [`Layers::recipe`] tells the
//! runtime what to mount. It knows neither images nor containers beyond their layers' digests and
//! their ids; who needs a layer is the caller's knowledge ([`Layers::collect`]).
//!
//! On disk, below [`Config::root`]:
//!
//! ```text
//! layers/<n>/fs           one extracted layer each; a row in the database names it and its format
//! layers/<n>/layer.erofs  the same as an image, where the host can mount one
//! layers/<n>/layer.split  what of its archive is not in that, so that nobody has to keep the archive
//! layers/0/fs             empty, for images without layers
//! layers/points/          below the layers of each container: where all have something mounted
//! layers/ingest/<n>/      a layer on its way
//! layers/spare/<n>/       a writable layer of nobody yet
//! layers/trash/<n>        on its way out
//! rw/<id>/{u,w}           a container's upper and work directory
//! ```

mod apply;
mod below;
mod chain;
mod check;
mod collect;
mod contents;
mod dirs;
mod error;
mod format;
mod janitor;
mod keep;
mod look;
mod mount;
mod mounts;
mod open;
mod points;
mod quota;
mod row;
mod spares;
mod split;
mod stage;
mod state;
mod sync;
mod usage;
mod view;
mod writable;

use std::path::PathBuf;
use std::sync::Arc;

pub use apply::LayerInfo;
pub use check::Checked;
pub use collect::Collected;
pub use error::{Error, Result};
pub use format::Format;
pub use keep::{Kept, Outlined};
pub use look::{Change, ChangeKind, Whole, Written};
pub use mount::{Directories, Durability, Recipe, RootfsMount};
pub use open::Reconciled;
pub use points::Points;
pub use split::{Archive, Archives, Splitting};
pub use stage::Staged;
pub use usage::{Amount, LayerFile, LayerUse, Listing, Usage};

use crate::janitor::Janitor;
use crate::state::Shared;

/// Where layers are kept.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data root; `layers/` and `rw/` below it are used. It must be there, and its path must have
    /// no comma: the options of other runtimes' mounts are separated by that.
    pub root: PathBuf,
    /// The form of layers that are extracted from now on; those that are here keep theirs. `None`
    /// leaves the choice to a probe of what the host can.
    pub format: Option<Format>,
    /// Where all containers have something mounted.
    pub points: Points,
    /// The label that SELinux shall see on all files of layers that are images; without one they have the policy's.
    pub label: Option<String>,
}

/// The store of layers. `Send + Sync`; all functions block, and none holds a lock while it reads or
/// writes files.
///
/// Whatever moment the process dies at, [`Layers::open`] finds each layer whole or not at all.
#[derive(Debug)]
pub struct Layers {
    // Before `shared`: its thread ends when it is dropped.
    janitor: Janitor,
    shared: Arc<Shared>,
    reconciled: Reconciled,
    format: Format,
}
