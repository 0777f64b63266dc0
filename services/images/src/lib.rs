//! Images: blobs, manifests, configurations and names; reading image archives.
//!
//! This service keeps what images are made of, and the names under which people find them. It does
//! not extract layers (`services/layers`, a stranger to this crate), knows no containers, and talks
//! to no registry. An image comes in three steps, which the engine takes:
//!
//! 1. [`Images::load`] or [`Images::import`] reads an archive, checks every digest and gives
//!    [`Loaded`] images. Their blobs are in the store under a lease, and no name leads to them yet.
//! 2. The engine extracts each [`LayerBlob`].
//! 3. [`Images::record`] writes the image and its names, in one transaction. A [`Loaded`] that is
//!    dropped instead takes its blobs with it.
//!
//! `kill -9` at any moment leaves either the whole image or none: blobs are renamed into their
//! place before the record is written, and blobs without a record go when the store is opened.

mod blobs;
mod built;
mod check;
mod commit;
mod elsewhere;
mod error;
mod id;
mod image;
mod import;
mod lease;
mod listed;
mod load;
mod made;
mod places;
mod pull;
mod record;
mod remove;
mod resolve;
mod save;
mod siblings;
mod startup;
mod tag;

use std::path::PathBuf;
use std::sync::Arc;

use gantry_db::Db;

pub use blobs::{BlobWriter, Committed, Follower, Part, PartsWriter};
pub use built::BaseImage;
pub use check::{Chains, Checked, Count};
pub use commit::CommitOptions;
pub use elsewhere::{Blob, Content, Elsewhere};
pub use error::Error;
pub use id::{ImageId, InvalidImageId};
pub use image::Image;
pub use import::ImportOptions;
pub use lease::Lease;
pub use load::{LayerBlob, LoadEvent, LoadWatch, Loaded, Tap, TapReader, host_platform, tap};
pub use made::{NewImage, Predicate, package_url};
pub use places::Place;
pub use pull::{Incoming, Step};
pub use record::Recorded;
pub use remove::{ImageUser, RemoveOptions, Removed};
pub use save::Saving;
pub use startup::Incomplete;

/// What every function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where the service keeps its files.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data root; `blobs/`, `ingest/` and `trash/` below it are used. It must be there.
    pub root: PathBuf,
    /// Where the content of layers can be had as well.
    pub elsewhere: Option<Arc<dyn Elsewhere>>,
}

/// The image store. `Send + Sync`, synchronous; share it by reference or `Arc`.
#[derive(Debug)]
pub struct Images {
    db: Arc<Db>,
    store: Arc<blobs::Store>,
    incomplete: Vec<Incomplete>,
    listed: listed::Listed,
}
