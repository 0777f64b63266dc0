//! `GET /gantry/images/{name}/layers` and `…/files`: what each layer of an image adds, changes and wastes. Docker has no
//! such calls.

use serde::{Deserialize, Serialize};

/// The layers of one image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageLayers {
    /// The image's id.
    pub id: String,
    /// Its names.
    pub repo_tags: Vec<String>,
    /// The lowest first.
    pub layers: Vec<ImageLayer>,
}

/// One layer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageLayer {
    /// The digest of its archive, uncompressed.
    #[serde(rename = "DiffID")]
    pub diff_id: String,
    /// The step of the image's making that it comes from, as far as the image says so.
    pub created_by: String,
    /// Files that were not there below.
    pub added: LayerAmount,
    /// Files in place of others; the bytes are those of the new ones.
    pub changed: LayerAmount,
    /// Files below that are gone with this layer; the bytes are theirs.
    pub removed: LayerAmount,
    /// Files of this layer that no container sees, because layers above replace or remove them.
    pub wasted: LayerAmount,
}

/// A number of files, and the bytes in them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LayerAmount {
    pub files: u64,
    pub bytes: u64,
}

/// The entries of one layer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LayerFiles {
    /// In the order of paths; directories stand before what is in them.
    pub files: Vec<LayerFile>,
    /// Whether there were more than one answer holds.
    pub truncated: bool,
}

/// One entry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LayerFile {
    /// From the root, without a leading slash. What is no text is replaced.
    pub path: String,
    /// `A`, `C` or `D`: added, changed or deleted.
    pub change: String,
    /// Type and permissions, as in `st_mode`.
    pub mode: u32,
    /// Bytes of a file; of something deleted, all that was in it.
    pub bytes: u64,
    /// Whether a layer above replaces or removes it.
    pub hidden: bool,
}
