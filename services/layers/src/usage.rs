//! What each layer of an image does to the whole: what it adds, changes and removes, and what of it is there in vain because
//! a layer above replaces or hides it.

mod tree;

use gantry_types::Digest;

use crate::look::ChangeKind;
use crate::{Layers, Result};
use tree::Tree;

/// A number of files, and the bytes in them. What is no directory is a file here; a file with several names counts its bytes
/// once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    pub files: u64,
    pub size_bytes: u64,
}

/// What one layer does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LayerUse {
    /// Files that were not there below.
    pub added: Amount,
    /// Files in place of others; the bytes are those of the new ones.
    pub changed: Amount,
    /// Files below that are gone with this layer; the bytes are theirs.
    pub removed: Amount,
    /// Files of this layer that no container sees, because layers above replace or remove them.
    pub wasted: Amount,
}

/// One entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerFile {
    /// Its path from the root, without a leading slash; any bytes.
    pub path: Vec<u8>,
    /// What the layer does to it.
    pub change: ChangeKind,
    /// Type and permissions, as in `st_mode`; of something removed, those that it had.
    pub mode: u32,
    /// Bytes of a file; of something removed, all that was in it.
    pub size_bytes: u64,
    /// Whether a layer above replaces or removes it.
    pub hidden: bool,
}

/// Which entries to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing {
    /// The layer, by its place in the chain.
    pub layer: usize,
    /// Entries at most; fewer when their paths are long (64 MiB in all).
    pub most: usize,
}

/// What all layers of an image do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// One for each layer, the lowest first.
    pub layers: Vec<LayerUse>,
    /// The entries of the layer that was asked for, in the order of paths.
    pub files: Vec<LayerFile>,
    /// Whether there are more of them: the first ones are here.
    pub truncated: bool,
}

impl Layers {
    /// Looks through the layers `chain` (diffIDs, lowest first), and lists entries of one of them.
    ///
    /// # Errors
    /// A layer is not here or cannot be read, or there are more than a million files.
    pub fn usage(&self, chain: &[Digest], listed: Option<Listing>) -> Result<Usage> {
        let mut tree = Tree::new(chain.len(), listed);
        for (depth, diff_id) in chain.iter().enumerate() {
            self.walk(diff_id, &chain[..depth], &mut |content| tree.lay(depth, content))?;
        }
        Ok(tree.finish())
    }
}
