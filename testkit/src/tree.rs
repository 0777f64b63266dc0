//! A tree of files with everything that can be told of each, for comparing two of them file by file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Every file below a root, by its path from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    files: BTreeMap<PathBuf, FileFacts>,
}

/// What can be told of one file, all but the number of its inode and the times of its access and change.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileFacts {
    mode: u32,
    owner: (u32, u32),
    /// Of directories, the number of entries says more than that of links.
    links: u64,
    /// The first path, in order, that leads to the same inode.
    first_name: Option<PathBuf>,
    modified: (i64, i64),
    device: u64,
    /// A file's digest and length, or a link's text.
    content: String,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Tree {
    /// Reads what is below `root`, but not what other file systems mounted there have, and nothing below `left_out` (paths from the
    /// root).
    ///
    /// # Errors
    /// Something cannot be read.
    pub fn read(root: &Path, left_out: &[&str]) -> io::Result<Self> {
        let device = fs::metadata(root)?.dev();
        let mut tree = Self { files: BTreeMap::new() };
        // A number alone is not enough: an overlay of several file systems shows the devices of all.
        let mut names: BTreeMap<(u64, u64), PathBuf> = BTreeMap::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            let mut entries: Vec<PathBuf> = fs::read_dir(root.join(&folder))?
                .map(|entry| Ok(folder.join(entry?.file_name())))
                .collect::<io::Result<_>>()?;
            entries.sort();
            entries.retain(|path| !left_out.iter().any(|other| path.as_path() == Path::new(other)));
            for path in entries {
                let place = root.join(&path);
                let found = fs::symlink_metadata(&place)?;
                if found.is_dir() && found.dev() == device {
                    folders.push(path.clone());
                }
                let first = (found.nlink() > 1 && !found.is_dir())
                    .then(|| (found.dev(), found.ino()))
                    .map(|inode| names.entry(inode).or_insert_with(|| path.clone()).clone());
                tree.files.insert(path, FileFacts::read(&place, &found, first)?);
            }
        }
        tree.name_links();
        Ok(tree)
    }

    /// Takes the time of this path for no difference.
    #[must_use]
    pub fn without_time_of(mut self, path: &str) -> Self {
        if let Some(facts) = self.files.get_mut(Path::new(path)) {
            facts.modified = (0, 0);
        }
        self
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// How many files satisfy this, told the mode and the names of the extended attributes.
    pub fn count(&self, fits: impl Fn(u32, &[&[u8]]) -> bool) -> usize {
        let fits = |facts: &&FileFacts| {
            let names: Vec<&[u8]> = facts.xattrs.keys().map(Vec::as_slice).collect();
            fits(facts.mode, &names)
        };
        self.files.values().filter(fits).count()
    }

    /// One line for each file that is in one of the two only, or not the same in both.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (path, facts) in &self.files {
            match other.files.get(path) {
                None => lines.push(format!("{}: only in the first", path.display())),
                Some(same) if same == facts => {}
                Some(else_) => lines.push(format!("{}: {facts:?}, not {else_:?}", path.display())),
            }
        }
        let only = other.files.keys().filter(|path| !self.files.contains_key(*path));
        lines.extend(only.map(|path| format!("{}: only in the second", path.display())));
        lines
    }

    /// The walk's order must not matter: of all names of an inode, the first one in order stands for it.
    fn name_links(&mut self) {
        let mut least: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
        for (path, facts) in &self.files {
            if let Some(first) = &facts.first_name {
                least.entry(first.clone()).or_insert_with(|| path.clone());
            }
        }
        for facts in self.files.values_mut() {
            facts.first_name = facts.first_name.take().and_then(|first| least.get(&first).cloned());
        }
    }
}

impl FileFacts {
    fn read(path: &Path, found: &fs::Metadata, first_name: Option<PathBuf>) -> io::Result<Self> {
        let kind = found.file_type();
        let content = if kind.is_symlink() {
            fs::read_link(path)?.display().to_string()
        } else if kind.is_file() {
            digest(path)?
        } else {
            String::new()
        };
        let is_device = kind.is_char_device() || kind.is_block_device();
        Ok(Self {
            mode: found.mode(),
            owner: (found.uid(), found.gid()),
            links: if kind.is_dir() { 0 } else { found.nlink() },
            first_name,
            modified: (found.mtime(), found.mtime_nsec()),
            device: if is_device { found.rdev() } else { 0 },
            content,
            xattrs: xattrs(path)?,
        })
    }
}

fn digest(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut length) = (File::open(path)?, Sha256::new(), 0);
    let mut chunk = vec![0; 64 << 10];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(format!("{length} {:?}", hash.finalize())),
            count => {
                hash.update(&chunk[..count]);
                length += count;
            }
        }
    }
}

/// All extended attributes but those that overlayfs keeps for itself.
fn xattrs(path: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut names = vec![0; 64 << 10];
    let length = match rustix::fs::llistxattr(path, names.as_mut_slice()) {
        Ok(length) => length,
        Err(rustix::io::Errno::NOTSUP) => 0,
        Err(error) => return Err(error.into()),
    };
    let mut found = BTreeMap::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if name.starts_with(b"trusted.overlay.") {
            continue;
        }
        let mut value = vec![0; 64 << 10];
        let length =
            rustix::fs::lgetxattr(path, std::ffi::OsStr::from_bytes(name), value.as_mut_slice())?;
        value.truncate(length);
        found.insert(name.to_vec(), value);
    }
    Ok(found)
}
