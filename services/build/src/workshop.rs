//! What a build needs of those who know images, layers and containers.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use gantry_dockerfile::{CacheSharing, Repository};
use gantry_oci::image::{Descriptor, ImageConfig, Platform};
use gantry_types::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Result, Secret};

/// A layer with the blob that carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The digest of its uncompressed archive.
    pub diff_id: Digest,
    /// Its blob.
    pub blob: Descriptor,
}

/// An image that a stage begins with.
#[derive(Debug, Clone)]
pub struct Base {
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
    /// Its configuration.
    pub config: ImageConfig,
}

/// The network of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RunNetwork {
    /// What containers have that ask for nothing.
    #[default]
    Default,
    /// None.
    None,
    /// The host's.
    Host,
    /// A network by its name.
    Named(String),
}

/// Something that a step sees beside its root.
#[derive(Debug, Clone)]
pub enum RunMount {
    /// Files of the context.
    Held {
        /// A directory or an ordinary file, open: no path leads to it, for whoever wrote the context may have put links on its way.
        place: Arc<OwnedFd>,
        /// Where it appears.
        target: String,
        /// Nothing can be written.
        is_read_only: bool,
        /// The command has a copy, which goes with it: what it writes is thrown away.
        is_copied: bool,
    },
    /// A directory of a stage or an image, to be read.
    Merged {
        /// The layers, the lowest first.
        layers: Vec<Layer>,
        /// Its path in them, without links and without a slash at its beginning; empty for all.
        path: String,
        /// Where it appears.
        target: String,
    },
    /// A directory that outlives builds.
    Cache {
        /// Its name.
        id: String,
        /// Where it appears.
        target: String,
        /// Nothing can be written.
        is_read_only: bool,
        /// What others may do with it meanwhile.
        sharing: CacheSharing,
        /// Owner, group and permissions when it is new.
        born: (u32, u32, u32),
        /// A directory that a new one is filled from, open.
        seed: Option<Arc<OwnedFd>>,
    },
    /// Memory.
    Memory {
        /// Where it appears.
        target: String,
        /// The most bytes in it.
        size_limit: Option<u64>,
    },
    /// A file that is in no layer.
    Secret {
        /// What is in it.
        content: Secret,
        /// Where it appears.
        target: String,
        /// Owner, group and permissions.
        owned: (u32, u32, u32),
    },
    /// The socket of an agent that keeps keys.
    Agent {
        /// Which of those that the build was given.
        id: String,
        /// Where it appears.
        target: String,
        /// Owner, group and permissions.
        owned: (u32, u32, u32),
    },
}

/// A command that a step executes.
#[derive(Debug, Clone)]
pub struct Execution {
    /// Program and arguments.
    pub args: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Variables whose values nobody else may see.
    pub secret_env: Vec<(String, Secret)>,
    /// The directory it begins in.
    pub working_dir: String,
    /// `user[:group]`, looked up in the root's own files.
    pub user: String,
    /// What it sees beside its root.
    pub mounts: Vec<RunMount>,
    /// Its network.
    pub network: RunNetwork,
    /// Without the restrictions that commands have.
    pub is_insecure: bool,
    /// Devices by their CDI names.
    pub devices: Vec<String>,
    /// What the image is for.
    pub platform: Platform,
}

/// A file that was fetched.
#[derive(Debug)]
pub struct Download {
    /// Open for reading, at its beginning.
    pub file: File,
    /// The SHA-256 of its bytes.
    pub digest: Digest,
    /// When its server says that it was changed.
    pub modified: Option<Timestamp>,
}

/// The files of a commit, in a directory that goes with the build.
#[derive(Debug)]
pub struct Checkout {
    /// The directory, open.
    pub root: OwnedFd,
    /// The commit, in hexadecimal.
    pub commit: String,
}

/// What a step gave elsewhere.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The layer that it made, if any.
    pub layer: Option<Layer>,
    /// When it was made.
    pub created: Timestamp,
    /// What the step says.
    pub text: String,
}

/// Where a build works. Functions block, and several threads call them.
pub trait Workshop: Sync {
    /// An image by its name.
    fn image(&self, name: &str, platform: &Platform) -> Result<Base>;

    /// The files of these layers, merged, to be read.
    fn view(&self, layers: &[Layer]) -> Result<OwnedFd>;

    /// Makes a layer above others of the archive that `write` writes; none of an empty one.
    fn layer(
        &self,
        below: &[Layer],
        write: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
    ) -> Result<Option<Layer>>;

    /// Executes a command above these layers and makes a layer of what it wrote; none when it wrote nothing. `wanted` is
    /// asked from time to time while it runs, and ends it when it fails.
    ///
    /// # Errors
    /// [`crate::Error::Command`] when it ends with a failure; that of `wanted`.
    fn run(
        &self,
        below: &[Layer],
        execution: &Execution,
        output: &mut dyn FnMut(&[u8]),
        wanted: &dyn Fn() -> Result<()>,
    ) -> Result<Option<Layer>>;

    /// Whether a remembered layer can still be used above others.
    fn has(&self, below: &[Layer], layer: &Layer) -> bool;

    /// What a step of this key gave elsewhere, if somebody has told of it and it can be had: then its layer is here, above `below`.
    fn imported(&self, key: &Digest, below: &[Layer]) -> Result<Option<Imported>> {
        let (_, _) = (key, below);
        Ok(None)
    }

    /// An empty directory for files that a step unpacks; it goes with the build.
    fn scratch(&self) -> Result<PathBuf>;

    /// A file from the web. With a digest, a file of that digest that is here already will do; the caller checks it.
    fn download(
        &self,
        url: &str,
        digest: Option<&Digest>,
        wanted: &dyn Fn() -> Result<()>,
    ) -> Result<Download>;

    /// The files of a repository.
    fn checkout(
        &self,
        repository: &Repository,
        wanted: &dyn Fn() -> Result<()>,
    ) -> Result<Checkout>;

    /// Whether the build was given the socket of an agent of this id.
    fn has_agent(&self, id: &str) -> bool;
}

/// Hears how a build goes. Several threads speak at once.
pub trait Teller: Sync {
    /// Says one thing.
    fn tell(&self, told: Told<'_>);

    /// Whether nobody listens any more, and the build should end.
    fn is_alone(&self) -> bool;
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told<'a> {
    /// A step begins.
    Began {
        /// Its number, from 1.
        number: usize,
        /// How many there are.
        total: usize,
        /// What it says.
        text: &'a str,
        /// Its stage, and its place among the steps of that which make something: `app 2/4`. Empty where it makes nothing but a
        /// note in the configuration.
        label: &'a str,
    },
    /// Its result was remembered.
    Cached {
        /// Of which step.
        number: usize,
    },
    /// Its command writes.
    Output {
        /// Which step.
        number: usize,
        /// What.
        bytes: &'a [u8],
    },
    /// It is done.
    Ended {
        /// Which step.
        number: usize,
        /// The layer it made.
        layer: Option<&'a Digest>,
    },
    /// It is not done.
    Failed {
        /// Which step.
        number: usize,
        /// Why not.
        error: &'a str,
    },
}
