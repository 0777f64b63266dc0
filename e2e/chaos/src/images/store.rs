//! The store as its files tell, without asking the daemon.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// No manifest is longer.
const DOCUMENT_BYTES: u64 = 1 << 20;

pub(crate) struct Store {
    root: PathBuf,
}

impl Store {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The digests of all blobs.
    pub(crate) fn blobs(&self) -> BTreeSet<String> {
        self.blob_files().into_iter().map(|(digest, _)| digest).collect()
    }

    /// The blobs that these images need, as the manifests on the disk say.
    pub(crate) fn blobs_of(&self, ids: &BTreeSet<String>) -> BTreeSet<String> {
        let mut needed = BTreeSet::new();
        let mut found = BTreeSet::new();
        for (digest, path) in self.blob_files() {
            let Some(manifest) = document(&path) else { continue };
            let Some(config) = manifest["config"]["digest"].as_str() else { continue };
            if !ids.contains(config) {
                continue;
            }
            found.insert(config.to_owned());
            needed.extend([digest, config.to_owned()]);
            let layers = manifest["layers"].as_array().into_iter().flatten();
            needed.extend(layers.filter_map(|layer| layer["digest"].as_str()).map(str::to_owned));
        }
        assert_eq!(&found, ids, "every image has a manifest");
        needed
    }

    /// How many extracted layers there are.
    pub(crate) fn layers(&self) -> usize {
        let is_layer =
            |name: &String| name != "0" && name.bytes().all(|byte| byte.is_ascii_digit());
        names(&self.root.join("layers")).into_iter().filter(is_layer).count()
    }

    /// How many layers have their archives in them.
    pub(crate) fn splits(&self) -> usize {
        let layers = self.root.join("layers");
        names(&layers).iter().filter(|name| layers.join(name).join("layer.split").exists()).count()
    }

    /// No archive of a layer is being put away.
    pub(crate) fn is_settled(&self) -> bool {
        names(&self.root.join("layers/ingest")).is_empty()
    }

    pub(crate) fn trash_is_empty(&self) -> bool {
        ["trash", "layers/trash"].iter().all(|folder| names(&self.root.join(folder)).is_empty())
    }

    /// Nothing is on its way in but what a later pull goes on with.
    pub(crate) fn assert_explained(&self) {
        assert_eq!(names(&self.root.join("layers/ingest")), Vec::<String>::new());
        let ingest = names(&self.root.join("ingest"));
        assert!(ingest.iter().all(|name| name.starts_with("partial-")), "{ingest:?}");
    }

    fn blob_files(&self) -> Vec<(String, PathBuf)> {
        let folder = self.root.join("blobs/sha256");
        let mut files = Vec::new();
        for shard in names(&folder) {
            for hex in names(&folder.join(&shard)) {
                files.push((format!("sha256:{hex}"), folder.join(&shard).join(&hex)));
            }
        }
        files
    }
}

fn document(path: &Path) -> Option<Value> {
    let length = fs::metadata(path).ok()?.len();
    if length > DOCUMENT_BYTES {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
