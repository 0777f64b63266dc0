//! `--squash`: all that a build put above its base image, as one layer. It is made of the paths that the layers' archives name: what
//! of these is there in the end is in the new layer as it is, and what is not, but is there in the base, is hidden.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use gantry_archive::{
    CreateOptions, EntryKind, EntryPath, Header, Joined, Limits, Meaning, Reader, Whiteouts,
    Writer, decompress, meaning,
};
use gantry_build::{Built, Layer};
use gantry_oci::image::History;
use gantry_types::Timestamp;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, openat2, statat};
use rustix::io::Errno;

use super::workshop::{Bench, of_engine};
use crate::Result;
use crate::error::Error;

/// What hides a name.
const HIDING: &[u8] = b".wh.";

/// The files of the base and of the result.
struct Files {
    below: OwnedFd,
    all: OwnedFd,
    /// Paths that the layers name.
    touched: BTreeSet<Vec<u8>>,
}

/// The same image with one layer above its base; as it is where there is one at most. Blocks.
pub(super) fn squash(bench: &Bench<'_>, built: &Built, latest: Option<Timestamp>) -> Result<Built> {
    let (base, own) = built.layers.split_at(built.base_layers);
    if own.len() < 2 {
        return Ok(built.clone());
    }
    let layers = &bench.engine.layers;
    let mut files = Files {
        below: layers.look_at_chain(&super::chain(base))?,
        all: layers.look_at_chain(&super::chain(&built.layers))?,
        touched: BTreeSet::new(),
    };
    for layer in own {
        files.read(bench, layer)?;
    }
    let layer = bench
        .make(base, &mut |output| files.write(output, latest).map_err(of_engine))
        .map_err(Error::Build)?;
    let mut squashed = built.clone();
    squashed.layers = [base, &layer.into_iter().collect::<Vec<_>>()].concat();
    let config = &mut squashed.config;
    let ids = squashed.layers.iter().map(|layer| layer.diff_id.clone());
    config.rootfs.diff_ids = ids.collect();
    for entry in config.history.iter_mut().skip(built.base_history) {
        entry.empty_layer = true;
    }
    config.history.push(History {
        created: config.created.clone(),
        comment: format!("{} layers squashed into one", own.len()),
        empty_layer: squashed.layers.len() == base.len(),
        ..History::default()
    });
    Ok(squashed)
}

impl Files {
    /// Notes the paths that a layer names.
    fn read(&mut self, bench: &Bench<'_>, layer: &Layer) -> Result<()> {
        let limits = Limits::default();
        let packed = bench.engine.images.open_blob(&layer.blob.digest)?;
        let plain = decompress(packed, &limits).map_err(of_archive)?;
        let mut reader = Reader::new(plain, limits.clone());
        while let Some(mut entry) = reader.next_entry().map_err(of_archive)? {
            let header = entry.take_header();
            let path = EntryPath::checked(&header.path, &limits).map_err(of_archive)?;
            match meaning(&path).map_err(of_archive)? {
                Meaning::Nothing => {}
                Meaning::Ordinary if path.is_root() => {}
                Meaning::Ordinary => {
                    if header.kind != EntryKind::Directory {
                        self.hide_below(path.as_bytes())?;
                    }
                    self.touch(path.as_bytes().to_vec())?;
                }
                Meaning::Opaque => self.hide_below(path.up().as_bytes())?,
                Meaning::Hides(name) => {
                    let hidden = path.sibling(&name);
                    self.hide_below(hidden.as_bytes())?;
                    self.touch(hidden.as_bytes().to_vec())?;
                }
            }
        }
        Ok(())
    }

    fn touch(&mut self, path: Vec<u8>) -> Result<()> {
        let most = Limits::default().entries;
        self.touched.insert(path);
        if self.touched.len() as u64 > most {
            return Err(Error::invalid(format!(
                "the layers that are to be squashed have more than {most} paths: build without --squash"
            )));
        }
        Ok(())
    }

    /// All that the base has below a path may be gone in the end.
    fn hide_below(&mut self, path: &[u8]) -> Result<()> {
        let mut pending = vec![path.to_vec()];
        while let Some(folder) = pending.pop() {
            let Some(dir) = open(self.below.as_fd(), &folder)? else { continue };
            for (name, is_directory) in names(&dir, &folder)? {
                let path = join(&folder, &name);
                if is_directory {
                    pending.push(path.clone());
                }
                self.touch(path)?;
            }
        }
        Ok(())
    }

    /// Writes the layer: what is there of the paths, with the directories above as they are, and whiteouts for the rest.
    fn write(&self, output: &mut dyn Write, latest: Option<Timestamp>) -> Result<()> {
        let options =
            CreateOptions { whiteouts: Whiteouts::Plain, latest, ..CreateOptions::default() };
        let mut joined = Joined::new(output);
        joined.begin();
        let without = self.untouched()?;
        gantry_archive::create_without(self.all.as_fd(), &mut joined, options, &without)
            .map_err(of_archive)?;
        joined.begin();
        let mut writer = Writer::new(&mut joined);
        for path in &self.touched {
            let (folder, name) = split(path);
            // What lies in a directory that is gone goes with it.
            let is_hidden = exists(self.below.as_fd(), path)?
                && !exists(self.all.as_fd(), path)?
                && open(self.all.as_fd(), folder)?.is_some();
            if is_hidden {
                let hiding = join(folder, &[HIDING, name].concat());
                let mut header = Header::file(hiding, 0);
                header.modified = latest.unwrap_or(header.modified);
                writer.append_bytes(&header, b"").map_err(of_archive)?;
            }
        }
        writer.finish().map_err(of_archive)?;
        joined.end().map_err(Error::file("write", "a squashed layer"))
    }

    /// The paths that the new layer does not have: in the directories on the way to those that it has, all others.
    fn untouched(&self) -> Result<BTreeSet<Vec<u8>>> {
        let mut on_the_way = BTreeSet::from([Vec::new()]);
        for path in &self.touched {
            let mut above = split(path).0;
            while on_the_way.insert(above.to_vec()) {
                above = split(above).0;
            }
        }
        let mut without = BTreeSet::new();
        // A directory that the layers name may have more in it than they do.
        for folder in on_the_way.iter().chain(&self.touched) {
            let Some(dir) = open(self.all.as_fd(), folder)? else { continue };
            for (name, _) in names(&dir, folder)? {
                let path = join(folder, &name);
                if !self.touched.contains(&path) && !on_the_way.contains(&path) {
                    without.insert(path);
                }
            }
        }
        Ok(without)
    }
}

fn of_archive(error: gantry_archive::Error) -> Error {
    Error::Build(gantry_build::Error::Archive(error))
}

fn of_path(path: &[u8], source: Errno) -> Error {
    Error::file("look at", String::from_utf8_lossy(path).into_owned())(source.into())
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

/// A directory of a view; nothing where there is none. No link is followed.
fn open(root: BorrowedFd<'_>, path: &[u8]) -> Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let place = if path.is_empty() { b"." } else { path };
    match openat2(root, place, flags, Mode::empty(), resolve) {
        Ok(dir) => Ok(Some(dir)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(of_path(path, error)),
    }
}

fn exists(root: BorrowedFd<'_>, path: &[u8]) -> Result<bool> {
    let (folder, name) = split(path);
    let Some(dir) = open(root, folder)? else { return Ok(false) };
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(of_path(path, error)),
    }
}

/// What is in a directory, and which of it are directories.
fn names(dir: &OwnedFd, path: &[u8]) -> Result<Vec<(Vec<u8>, bool)>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir).map_err(|error| of_path(path, error))? {
        let entry = entry.map_err(|error| of_path(path, error))?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let is_directory = match entry.file_type() {
            FileType::Unknown => {
                let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
                let stat = stat.map_err(|error| of_path(path, error))?;
                FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            }
            kind => kind == FileType::Directory,
        };
        names.push((name.to_vec(), is_directory));
    }
    Ok(names)
}
