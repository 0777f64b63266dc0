//! Contexts that are somewhere else than in the archive's top folder: at an address, or under a name of their own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use gantry_archive::{ApplyOptions, Limits, Whiteouts, decompress_any};
use gantry_build::{Context, NamedContext};
use gantry_dockerfile::{IgnoreFile, Remote, Repository};
use gantry_types::without_password;

use super::context::{MAX_IGNORE, text_in};
use super::layouts::LAYOUT;
use super::workshop::Bench;
use super::{BuildRequest, downloads, repositories};
use crate::Result;
use crate::error::Error;

/// How values begin of contexts that are folders of the archive.
const UPLOADED: &str = "upload:";
/// How values begin of contexts that are images.
const IMAGE: &str = "docker-image://";
/// The most named contexts of one build.
const MAX_CONTEXTS: usize = 100;
/// What the file at an address is called when it is no archive but a Dockerfile.
const DOCKERFILE: &str = "Dockerfile";
/// The most bytes of one.
const MAX_DOCKERFILE: u64 = 4 << 20;

type Wanted<'a> = &'a dyn Fn() -> gantry_build::Result<()>;

/// Puts what is at an address into the empty folder of the context: a repository's files, an archive's, or a Dockerfile.
pub(super) fn fetch(
    bench: &Bench<'_>,
    address: &str,
    folder: &Path,
    wanted: Wanted<'_>,
) -> Result<()> {
    let parsed = Remote::parse(&with_scheme(address)).map_err(|e| Error::invalid(e.to_string()))?;
    let root: OwnedFd = File::open(folder).map_err(Error::file("open", folder))?.into();
    match parsed {
        Some(Remote::Repository(repository)) => {
            let files = tree(bench, &repository, wanted)?;
            copy(&files, &root)
        }
        Some(Remote::File(url)) => file(bench, &url, &root, wanted),
        None => Err(Error::invalid(format!(
            "the context {address:?} is no address: http://, https://, git:// and ssh:// are known"
        ))),
    }
}

/// As in Docker, `github.com/…` is a repository.
fn with_scheme(address: &str) -> String {
    if address.starts_with("github.com/") {
        let (place, rest) = match address.find(['#', '?']) {
            Some(index) => address.split_at(index),
            None => (address, ""),
        };
        let ending = if place.as_bytes().ends_with(b".git") { "" } else { ".git" };
        return format!("https://{place}{ending}{rest}");
    }
    address.to_owned()
}

/// Whether folders of the archive have names.
pub(super) fn are_uploaded(request: &BuildRequest) -> bool {
    request.contexts.values().any(|value| value.starts_with(UPLOADED))
}

/// What the names mean that the user gives.
pub(super) fn named(
    bench: &Bench<'_>,
    request: &BuildRequest,
    archive: &Path,
    wanted: Wanted<'_>,
) -> Result<BTreeMap<String, NamedContext>> {
    if request.contexts.len() > MAX_CONTEXTS {
        return Err(Error::invalid(format!(
            "the build has {} named contexts, and {MAX_CONTEXTS} is the most",
            request.contexts.len()
        )));
    }
    let mut all = BTreeMap::new();
    for (name, value) in &request.contexts {
        let context = if let Some(image) = value.strip_prefix(IMAGE) {
            NamedContext::Image(image.to_owned())
        } else if value.starts_with(LAYOUT) {
            NamedContext::Image(value.clone())
        } else if let Some(folder) = value.strip_prefix(UPLOADED) {
            NamedContext::Files(uploaded(bench, archive, folder)?)
        } else {
            let parsed = Remote::parse(&with_scheme(value));
            match parsed.map_err(|error| Error::invalid(error.to_string()))? {
                Some(Remote::Repository(repository)) => {
                    let root = tree(bench, &repository, wanted)?;
                    NamedContext::Files(Context {
                        root,
                        ignore: IgnoreFile::default(),
                        hashes: None,
                    })
                }
                Some(Remote::File(url)) => {
                    let folder = bench.make_scratch()?;
                    let root = File::open(&folder).map_err(Error::file("open", &folder))?.into();
                    file(bench, &url, &root, wanted)?;
                    NamedContext::Files(Context {
                        root,
                        ignore: IgnoreFile::default(),
                        hashes: None,
                    })
                }
                None => {
                    return Err(Error::invalid(format!(
                        "the named context {name}={value:?} is none: a folder, docker-image://, oci-layout://, a repository or an archive's address is needed"
                    )));
                }
            }
        };
        all.insert(name.clone(), context);
    }
    Ok(all)
}

/// A folder of the archive, taken out of the context before anything looks at that.
fn uploaded(bench: &Bench<'_>, archive: &Path, folder: &str) -> Result<Context> {
    if folder.is_empty() || folder.contains('/') || matches!(folder, "." | "..") {
        return Err(Error::invalid(format!("{folder:?} is no folder at the archive's top")));
    }
    let (from, to) = (archive.join(folder), bench.make_scratch()?.join("context"));
    let kind = fs::symlink_metadata(&from).map_err(Error::file("find the context", &from))?;
    if !kind.is_dir() {
        return Err(Error::invalid(format!("{folder:?} is no folder in the archive")));
    }
    fs::rename(&from, &to).map_err(Error::file("move the context", &from))?;
    let root: OwnedFd = File::open(&to).map_err(Error::file("open", &to))?.into();
    let ignore = ignore(&root)?;
    Ok(Context { root, ignore, hashes: None })
}

fn ignore(root: &OwnedFd) -> Result<IgnoreFile> {
    let text = text_in(root, ".dockerignore", MAX_IGNORE)?.unwrap_or_default();
    IgnoreFile::parse(&text).map_err(|error| Error::invalid(format!(".dockerignore: {error}")))
}

fn tree(bench: &Bench<'_>, repository: &Repository, wanted: Wanted<'_>) -> Result<OwnedFd> {
    let (into, room) = (bench.make_scratch()?, bench.make_scratch()?);
    let places = (into.as_path(), room.as_path());
    let done = repositories::checkout(bench, repository, places, wanted)?;
    match &repository.checksum {
        Some(asked) if !done.commit.starts_with(asked.as_str()) => {
            Err(Error::Build(gantry_build::Error::Checksum {
                address: without_password(&repository.url),
                found: done.commit,
                wanted: asked.clone(),
            }))
        }
        _ => Ok(done.root),
    }
}

/// Takes the archive at an address apart; what is none is a Dockerfile.
fn file(bench: &Bench<'_>, url: &str, root: &OwnedFd, wanted: Wanted<'_>) -> Result<()> {
    let download = downloads::download(bench.engine, url, None, wanted)?;
    let limits = Limits::default();
    let failed = |source| Error::Build(gantry_build::Error::Archive(source));
    let mut file = download.file;
    if gantry_archive::is_archive(&file).map_err(failed)? {
        let mut plain = decompress_any(file, &limits).map_err(failed)?;
        let options = ApplyOptions { whiteouts: Whiteouts::Plain, ..ApplyOptions::default() };
        gantry_archive::apply(&mut plain, root.as_fd(), &options).map_err(failed)?;
        return Ok(());
    }
    let unreadable = || Error::file("read what was fetched from", without_password(url));
    file.rewind().map_err(unreadable())?;
    let mut text = Vec::new();
    file.take(MAX_DOCKERFILE + 1).read_to_end(&mut text).map_err(unreadable())?;
    if text.len() as u64 > MAX_DOCKERFILE || std::str::from_utf8(&text).is_err() {
        return Err(Error::invalid(format!(
            "{} is neither an archive nor a Dockerfile",
            without_password(url)
        )));
    }
    let mut writer = gantry_archive::Writer::new(Vec::new());
    let header = gantry_archive::Header::file(DOCKERFILE, 0o644);
    writer.append_bytes(&header, &text).map_err(failed)?;
    let archive = writer.finish().map_err(failed)?;
    gantry_archive::apply(&mut &archive[..], root.as_fd(), &ApplyOptions::default())
        .map_err(failed)?;
    Ok(())
}

fn copy(from: &OwnedFd, to: &OwnedFd) -> Result<()> {
    gantry_archive::copy(from.as_fd(), to.as_fd())
        .map(drop)
        .map_err(|source| Error::Build(gantry_build::Error::Archive(source)))
}
