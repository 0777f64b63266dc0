//! The image that is moved around: a Debian root with a compiler, Python and git, cut into five layers of about the
//! same size. Made once, kept under `target/testdata`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use gantry_archive::{EntryKind, Header, Limits, Reader, Writer};
use gantry_testkit::{Image, Layer, checkout};

use super::words;
use crate::clock::time;

/// The archive's name for it.
pub(super) const NAME: &str = "bench:1";

const LAYERS: u64 = 5;

const PACKAGES: &str = "--include=gcc,g++,python3,git,perl,locales,curl,make";

/// The archive, as `docker save` writes it. The first call needs a Debian mirror and takes a minute.
pub(super) fn archive() -> PathBuf {
    let folder = checkout().join("target/testdata");
    fs::create_dir_all(&folder).expect("make target/testdata");
    let archive = folder.join("bench-image.tar");
    if !archive.exists() {
        let root = folder.join("bench-root.tar");
        let path = root.to_string_lossy();
        let flags = ["--quiet", "--variant=minbase", "--format=tar", PACKAGES];
        time(&mut words("mmdebstrap", &[&flags[..], &["bookworm", &path]].concat()));
        let image = Image {
            name: NAME.to_owned(),
            layers: cut(&root).into_iter().map(|tar| Layer { tar, gzip: false }).collect(),
            config: serde_json::json!({"Cmd": ["bash"]}),
        };
        fs::write(&root, image.docker_archive()).expect("write the image archive");
        fs::rename(&root, &archive).expect("keep the image archive");
    }
    archive
}

/// Cuts an archive into layers. A directory stands in every layer that has something of it, as in layers of builds.
fn cut(root: &Path) -> Vec<Vec<u8>> {
    let length = fs::metadata(root).expect("look at the root's archive").len();
    let file = BufReader::new(File::open(root).expect("open the root's archive"));
    let mut reader = Reader::new(file, Limits::default());
    let mut directories: BTreeMap<Vec<u8>, Header> = BTreeMap::new();
    let mut layers = vec![Open::default()];
    while let Some(mut entry) = reader.next_entry().expect("read the root's archive") {
        let header = entry.header().clone();
        if header.kind == EntryKind::Directory {
            directories.insert(plain(&header.path).to_vec(), header);
            continue;
        }
        let layer = layers.last_mut().expect("there is always one");
        // A link to a file of another layer would be a copy there: it is left out.
        if let EntryKind::HardLink { target } = &header.kind
            && !layer.files.contains(plain(target))
        {
            continue;
        }
        layer.enter(plain(&header.path), &directories);
        layer.add(&header, &mut entry);
        if layer.writer.bytes() > length / LAYERS {
            layers.push(Open::default());
        }
    }
    let last = layers.last_mut().expect("there is always one");
    for path in directories.keys() {
        last.enter(&[path, &b"/"[..]].concat(), &directories);
    }
    layers.into_iter().map(|layer| layer.writer.finish().expect("end a layer")).collect()
}

/// A path without what is the same in all of them.
fn plain(path: &[u8]) -> &[u8] {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    path.strip_suffix(b"/").unwrap_or(path)
}

/// A layer that is being written.
struct Open {
    writer: Writer<Vec<u8>>,
    files: std::collections::HashSet<Vec<u8>>,
}

impl Default for Open {
    fn default() -> Self {
        Self { writer: Writer::new(Vec::new()), files: std::collections::HashSet::new() }
    }
}

impl Open {
    /// Writes the directories above a path that are not in this layer yet.
    fn enter(&mut self, path: &[u8], directories: &BTreeMap<Vec<u8>, Header>) {
        for at in (0..path.len()).filter(|at| path[*at] == b'/') {
            let above = &path[..at];
            if let Some(header) = directories.get(above)
                && self.files.insert(above.to_vec())
            {
                self.writer.append_header(header).expect("write a directory");
            }
        }
    }

    fn add(&mut self, header: &Header, data: impl Read) {
        self.files.insert(plain(&header.path).to_vec());
        self.writer.append(header, data).expect("write an entry");
    }
}
