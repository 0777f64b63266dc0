//! The files of an image while its layers are laid one upon the other: who owns what is visible, and what becomes of the
//! rest. Pure; the layers come in as a walk shows them.

use std::collections::{BTreeMap, HashMap};

use rustix::fs::FileType;

use super::{Amount, LayerFile, LayerUse, Listing, Usage};
use crate::contents::{Content, Role};
use crate::look::ChangeKind;
use crate::{Error, Result};

/// What one image may have; some hundred bytes of memory each.
const MAX_FILES: u64 = 1_000_000;
/// Bytes in the paths of a list.
const LISTED_BYTES: usize = 64 << 20;

/// Something visible.
#[derive(Debug)]
struct Node {
    /// The layer that it comes from.
    layer: usize,
    mode: u32,
    size_bytes: u64,
    /// Its place among the files with several names.
    link: Option<usize>,
    below: BTreeMap<Box<[u8]>, Node>,
}

/// A file with several names.
#[derive(Debug)]
struct Link {
    /// Those that are visible.
    names: u64,
    size_bytes: u64,
}

#[derive(Debug)]
pub(super) struct Tree {
    root: Node,
    layers: Vec<LayerUse>,
    listed: Option<Listing>,
    files: Vec<LayerFile>,
    /// Bytes in the paths of `files`.
    paths_bytes: usize,
    truncated: bool,
    links: Vec<Link>,
    /// By layer and inode.
    linked: HashMap<(usize, u64), usize>,
    nodes: u64,
}

impl Amount {
    fn add(&mut self, size_bytes: u64) {
        self.files += 1;
        self.size_bytes = self.size_bytes.saturating_add(size_bytes);
    }
}

impl Tree {
    pub(super) fn new(layers: usize, listed: Option<Listing>) -> Self {
        let mode = FileType::Directory.as_raw_mode();
        let below = BTreeMap::new();
        Self {
            root: Node { layer: 0, mode, size_bytes: 0, link: None, below },
            layers: vec![LayerUse::default(); layers],
            listed,
            files: Vec::new(),
            paths_bytes: 0,
            truncated: false,
            links: Vec::new(),
            linked: HashMap::new(),
            nodes: 0,
        }
    }

    /// Lays one entry of a layer upon what is there.
    pub(super) fn lay(&mut self, layer: usize, content: Content<'_>) -> Result<()> {
        if content.path.is_empty() {
            if content.role == Role::Opaque {
                let below = std::mem::take(&mut self.root.below);
                self.remove_all(layer, below, b"");
            }
            return Ok(());
        }
        let (parent, name) = match content.path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&content.path[..slash], &content.path[slash + 1..]),
            None => (&b""[..], content.path),
        };
        // Taken out for the time being, so that the rest can be counted meanwhile.
        let Some(directory) = self.directory(parent) else { return Ok(()) };
        let old = directory.below.remove(name);
        if content.role == Role::Whiteout {
            if let Some(old) = old {
                self.remove(layer, old, content.path);
            }
            return Ok(());
        }
        let change = if old.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
        let node = self.replace(layer, &content, old)?;
        self.list(layer, content.path, change, (node.mode, content.size_bytes));
        if let Some(parent) = self.directory(parent) {
            parent.below.insert(name.into(), node);
        }
        Ok(())
    }

    /// The new entry in place of the old one.
    fn replace(&mut self, layer: usize, content: &Content<'_>, old: Option<Node>) -> Result<Node> {
        let is_new = old.is_none();
        let mut below = BTreeMap::new();
        match old {
            Some(mut old) if is_directory(content.mode) && is_directory(old.mode) => {
                below = std::mem::take(&mut old.below);
                if content.role == Role::Opaque {
                    let hidden = std::mem::take(&mut below);
                    self.remove_all(layer, hidden, content.path);
                }
            }
            Some(old) => {
                self.hide(old, &mut Amount::default());
                self.nodes += 1;
            }
            None => self.nodes += 1,
        }
        if self.nodes > MAX_FILES {
            let source = gantry_archive::Error::Limit { limit: MAX_FILES, what: "files" };
            return Err(Error::Tree { action: "look through the layers of an image", source });
        }
        let (size_bytes, link) = self.linked(layer, content);
        if !is_directory(content.mode) {
            let told = &mut self.layers[layer];
            let amount = if is_new { &mut told.added } else { &mut told.changed };
            amount.add(size_bytes);
        }
        let size_bytes = if link.is_some() { 0 } else { size_bytes };
        Ok(Node { layer, mode: content.mode, size_bytes, link, below })
    }

    /// What this name adds: of a file with several names, the first brings the bytes.
    fn linked(&mut self, layer: usize, content: &Content<'_>) -> (u64, Option<usize>) {
        let Some(inode) = content.inode else { return (content.size_bytes, None) };
        if let Some(&known) = self.linked.get(&(layer, inode)) {
            self.links[known].names += 1;
            return (0, Some(known));
        }
        let place = self.links.len();
        self.links.push(Link { names: 1, size_bytes: content.size_bytes });
        self.linked.insert((layer, inode), place);
        (content.size_bytes, Some(place))
    }

    /// Removes what `layer` says is gone.
    fn remove(&mut self, layer: usize, old: Node, path: &[u8]) {
        let mode = old.mode;
        let mut gone = Amount::default();
        self.hide(old, &mut gone);
        let told = &mut self.layers[layer].removed;
        told.files += gone.files;
        told.size_bytes = told.size_bytes.saturating_add(gone.size_bytes);
        self.list(layer, path, ChangeKind::Deleted, (mode, gone.size_bytes));
    }

    /// Removes all that was in a directory.
    fn remove_all(&mut self, layer: usize, hidden: BTreeMap<Box<[u8]>, Node>, dir: &[u8]) {
        for (name, node) in hidden {
            let path = if dir.is_empty() { name.to_vec() } else { [dir, b"/", &name].concat() };
            self.remove(layer, node, &path);
        }
    }

    /// Counts what is no longer visible, for the layers that it comes from.
    fn hide(&mut self, node: Node, gone: &mut Amount) {
        // Not by recursion: a layer may be deep.
        let mut left = vec![node];
        while let Some(mut node) = left.pop() {
            left.extend(std::mem::take(&mut node.below).into_values());
            self.nodes -= 1;
            if is_directory(node.mode) {
                continue;
            }
            let size_bytes = match node.link {
                Some(link) => self.unlink(link),
                None => node.size_bytes,
            };
            self.layers[node.layer].wasted.add(size_bytes);
            gone.add(size_bytes);
        }
    }

    /// The bytes that go with this name: all, when it was the last one.
    fn unlink(&mut self, link: usize) -> u64 {
        let link = &mut self.links[link];
        link.names -= 1;
        if link.names == 0 { link.size_bytes } else { 0 }
    }

    fn list(&mut self, layer: usize, path: &[u8], change: ChangeKind, (mode, size): (u32, u64)) {
        let Some(listing) = self.listed.filter(|listing| listing.layer == layer) else { return };
        self.paths_bytes += path.len();
        let path = path.to_vec();
        self.files.push(LayerFile { path, change, mode, size_bytes: size, hidden: false });
        // Twice as many, so that each cut is worth its sorting.
        if self.files.len() / 2 >= listing.most || self.paths_bytes / 2 >= LISTED_BYTES {
            self.cut(listing.most);
        }
    }

    /// Sorts the list and leaves its first entries.
    fn cut(&mut self, most: usize) {
        self.files.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        let mut bytes = 0;
        let fits = |file: &&LayerFile| {
            bytes += file.path.len();
            bytes <= LISTED_BYTES
        };
        let kept = self.files.iter().take(most).take_while(fits).count();
        self.truncated |= kept < self.files.len();
        self.files.truncate(kept);
        self.paths_bytes = self.files.iter().map(|file| file.path.len()).sum();
    }

    fn directory(&mut self, path: &[u8]) -> Option<&mut Node> {
        let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        names.into_iter().try_fold(&mut self.root, |node, name| node.below.get_mut(name))
    }

    pub(super) fn finish(mut self) -> Usage {
        self.cut(self.listed.map_or(0, |listing| listing.most));
        let mut files = std::mem::take(&mut self.files);
        let listed = self.listed.map_or(0, |listing| listing.layer);
        for file in &mut files {
            let is_visible = self.directory(&file.path).is_some_and(|node| {
                // What a layer above says about a directory is about its metadata.
                node.layer == listed || is_directory(node.mode) && is_directory(file.mode)
            });
            file.hidden = file.change != ChangeKind::Deleted && !is_visible;
        }
        Usage { layers: std::mem::take(&mut self.layers), files, truncated: self.truncated }
    }
}

fn is_directory(mode: u32) -> bool {
    FileType::from_raw_mode(mode) == FileType::Directory
}

impl Drop for Tree {
    fn drop(&mut self) {
        // The nodes' own drop would go down as many calls as there are levels.
        let mut left: Vec<Node> = std::mem::take(&mut self.root.below).into_values().collect();
        while let Some(mut node) = left.pop() {
            left.extend(std::mem::take(&mut node.below).into_values());
        }
    }
}

#[cfg(test)]
mod tests;
