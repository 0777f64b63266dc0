//! A plugin on its way in: its blobs and its root file system in a directory of their own, which gets the plugin's id as its name at the end.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use gantry_api::plugin::{PluginConfig, PluginRootfs};
use gantry_archive::{
    ApplyOptions, Compression, CreateOptions, Hashing, Whiteouts, apply, compress, create,
    decompress,
};
use gantry_oci::image::{Descriptor, media_type};
use gantry_types::{Algorithm, Digest};
use rustix::fs::{Mode, OFlags, open, openat, syncfs};
use serde::{Deserialize, Serialize};

use super::config;
use crate::{Error, Result};

/// What a plugin's configuration is called in its manifest.
pub const PLUGIN_CONFIG: &str = "application/vnd.docker.plugin.v1+json";

const ROOTFS: &str = "rootfs";
const BLOBS: &str = "blobs";
const CONTEXT: &str = "context";
const CONFIG: &str = "config.json";

/// No configuration is longer.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// The manifest of a plugin: Docker's of images, whose configuration has another type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginManifest {
    pub schema_version: u32,
    #[serde(default)]
    pub media_type: String,
    pub config: Descriptor,
    #[serde(default)]
    pub layers: Vec<Descriptor>,
}

/// A directory that goes with this, unless it becomes a plugin's.
#[derive(Debug)]
pub struct Incoming {
    dir: PathBuf,
    kept: bool,
}

/// What an [`Incoming`] holds when it is complete.
#[derive(Debug)]
pub(crate) struct Complete {
    pub(crate) manifest: Descriptor,
    pub(crate) config: PluginConfig,
}

pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Store { action, path, source }
}

fn unreadable(error: gantry_archive::Error) -> Error {
    Error::Archive(Box::new(error))
}

fn make_dir(path: &Path, mode: u32) -> Result<()> {
    fs::DirBuilder::new().mode(mode).create(path).map_err(failed("create directory", path))
}

/// The root file system in a plugin's directory.
pub(crate) fn rootfs(dir: &Path) -> PathBuf {
    dir.join(ROOTFS)
}

/// A blob in a plugin's directory.
pub(crate) fn blob(dir: &Path, digest: &Digest) -> PathBuf {
    dir.join(BLOBS).join(digest.hex())
}

impl Incoming {
    pub(crate) fn new(dir: PathBuf) -> Result<Self> {
        make_dir(&dir, 0o700)?;
        let incoming = Self { dir, kept: false };
        make_dir(&incoming.dir.join(BLOBS), 0o700)?;
        Ok(incoming)
    }

    /// Where a blob belongs, for whoever fetches it. Its digest is checked when the plugin is put together.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        blob(&self.dir, digest)
    }

    /// Puts a plugin together from an archive with `config.json` and `rootfs/`, which may be compressed.
    pub(crate) fn take_context(&self, archive: impl Read + Send) -> Result<Complete> {
        let context = self.dir.join(CONTEXT);
        make_dir(&context, 0o700)?;
        let options = ApplyOptions { whiteouts: Whiteouts::Plain, ..ApplyOptions::default() };
        let root = open_dir(&context)?;
        let plain = decompress(archive, &options.limits).map_err(unreadable)?;
        apply(plain, root.as_fd(), &options).map_err(unreadable)?;
        let mut config = config::parse(&read_config(root.as_fd())?)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let files = openat(&root, ROOTFS, flags, Mode::empty()).map_err(|_| Error::Config {
            reason: "there is no directory rootfs beside config.json".to_owned(),
        })?;
        let (layer, diff_id) = self.pack(&files)?;
        fs::rename(context.join(ROOTFS), rootfs(&self.dir)).map_err(failed("move", &context))?;
        remove_tree(&self.dir, CONTEXT)?;
        config.rootfs =
            Some(PluginRootfs { diff_ids: vec![diff_id.to_string()], r#type: "layers".to_owned() });
        let document = serde_json::to_vec(&config)
            .map_err(|error| Error::Config { reason: error.to_string() })?;
        let manifest = PluginManifest {
            schema_version: 2,
            media_type: media_type::DOCKER_MANIFEST.to_owned(),
            config: self.put(PLUGIN_CONFIG, &document)?,
            layers: vec![layer],
        };
        let bytes = serde_json::to_vec(&manifest)
            .map_err(|error| Error::Config { reason: error.to_string() })?;
        Ok(Complete { manifest: self.put(media_type::DOCKER_MANIFEST, &bytes)?, config })
    }

    /// Puts a plugin together from blobs that were fetched.
    pub(crate) fn take_blobs(&self, (kind, manifest): (&str, &[u8])) -> Result<Complete> {
        let bad =
            |error: serde_json::Error| Error::Config { reason: format!("its manifest: {error}") };
        let parsed: PluginManifest = serde_json::from_slice(manifest).map_err(bad)?;
        let [layer] = parsed.layers.as_slice() else {
            let reason = format!("it has {} layers, and plugins have one", parsed.layers.len());
            return Err(Error::Config { reason });
        };
        let document = self.checked(&parsed.config, MAX_CONFIG_BYTES)?;
        let config = config::parse(&document)?;
        let root = rootfs(&self.dir);
        make_dir(&root, 0o755)?;
        let path = self.blob(&layer.digest);
        let file = File::open(&path).map_err(failed("open", &path))?;
        let mut hashing = Hashing::new(BufReader::new(file), layer.digest.algorithm());
        let options = ApplyOptions { whiteouts: Whiteouts::Plain, ..ApplyOptions::default() };
        let plain = decompress(&mut hashing, &options.limits).map_err(unreadable)?;
        let applied = apply(plain, open_dir(&root)?.as_fd(), &options).map_err(unreadable)?;
        io::copy(&mut hashing, &mut io::sink()).map_err(failed("read", &path))?;
        let size = Hashing::bytes(&hashing);
        compare("layer", &layer.digest, &hashing.digest())?;
        if size != layer.size {
            return Err(Error::Config {
                reason: format!("its layer has {size} bytes, not {}", layer.size),
            });
        }
        if let Some(told) = config.rootfs.as_ref().and_then(|it| it.diff_ids.first()) {
            let told: Digest = told
                .parse()
                .map_err(|_| Error::Config { reason: format!("{told:?} is no digest") })?;
            compare("file system", &told, &applied.diff_id)?;
        }
        Ok(Complete { manifest: self.put(kind, manifest)?, config })
    }

    /// A layer of the root file system, and the digest of its plain archive.
    fn pack(&self, files: &impl AsFd) -> Result<(Descriptor, Digest)> {
        let plain = self.dir.join("layer.tar");
        let packed = self.dir.join("layer.tar.gz");
        let make = |path: &Path| File::create_new(path).map_err(failed("create", path));
        create(
            files.as_fd(),
            io::BufWriter::new(make(&plain)?),
            CreateOptions { whiteouts: Whiteouts::Plain, ..CreateOptions::default() },
        )
        .map_err(unreadable)?;
        let input = File::open(&plain).map_err(failed("open", &plain))?;
        let mut hashing = Hashing::new(BufReader::new(input), Algorithm::Sha256);
        compress(Compression::Gzip, &mut hashing, make(&packed)?, 1)
            .map_err(failed("compress", &packed))?;
        let diff_id = hashing.digest();
        fs::remove_file(&plain).map_err(failed("remove", &plain))?;
        let input = File::open(&packed).map_err(failed("open", &packed))?;
        let mut hashing = Hashing::new(input, Algorithm::Sha256);
        io::copy(&mut hashing, &mut io::sink()).map_err(failed("read", &packed))?;
        let (size, digest) = (Hashing::bytes(&hashing), hashing.digest());
        fs::rename(&packed, self.blob(&digest)).map_err(failed("move", &packed))?;
        Ok((Descriptor::new(media_type::DOCKER_LAYER_GZIP, digest, size), diff_id))
    }

    /// Keeps a document.
    fn put(&self, kind: &str, bytes: &[u8]) -> Result<Descriptor> {
        let mut hashing = Hashing::new(bytes, Algorithm::Sha256);
        io::copy(&mut hashing, &mut io::sink()).map_err(failed("hash", &self.dir))?;
        let digest = hashing.digest();
        let path = self.blob(&digest);
        let written = File::create(&path).and_then(|mut file| file.write_all(bytes));
        written.map_err(failed("write", &path))?;
        Ok(Descriptor::new(kind, digest, bytes.len() as u64))
    }

    /// A document that was fetched.
    fn checked(&self, wanted: &Descriptor, limit: u64) -> Result<Vec<u8>> {
        let path = self.blob(&wanted.digest);
        let file = File::open(&path).map_err(failed("open", &path))?;
        let mut hashing = Hashing::new(file.take(limit + 1), wanted.digest.algorithm());
        let mut bytes = Vec::new();
        hashing.read_to_end(&mut bytes).map_err(failed("read", &path))?;
        if bytes.len() as u64 > limit {
            return Err(Error::Config { reason: format!("it has more than {limit} bytes") });
        }
        compare("configuration", &wanted.digest, &hashing.digest())?;
        Ok(bytes)
    }

    /// Gives the directory its place. It is on the disk with all that is in it when this returns: no row may speak of less.
    pub(crate) fn settle(mut self, place: &Path) -> Result<()> {
        fs::rename(&self.dir, place).map_err(failed("move", &self.dir))?;
        self.kept = true;
        syncfs(open_dir(place)?).map_err(|errno| failed("flush", place)(errno.into()))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let (Some(root), Some(name)) =
            (self.dir.parent(), self.dir.file_name().and_then(|it| it.to_str()))
        else {
            return;
        };
        if !self.kept
            && let Err(error) = remove_tree(root, name)
        {
            tracing::warn!(%error, path = %self.dir.display(), "cannot remove a plugin that never came");
        }
    }
}

fn compare(what: &'static str, expected: &Digest, actual: &Digest) -> Result<()> {
    if expected == actual {
        return Ok(());
    }
    Err(Error::Config { reason: format!("its {what} has the digest {actual}, not {expected}") })
}

/// The document beside the root file system, and nothing that a link leads to.
fn read_config(context: std::os::fd::BorrowedFd<'_>) -> Result<Vec<u8>> {
    let missing = |_| Error::Config { reason: "the archive has no config.json".to_owned() };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(context, CONFIG, flags, Mode::empty()).map_err(missing)?);
    let about = file.metadata().map_err(failed("look at", Path::new(CONFIG)))?;
    if !about.is_file() || about.size() > MAX_CONFIG_BYTES {
        let reason = format!("config.json is no file of {MAX_CONFIG_BYTES} bytes at most");
        return Err(Error::Config { reason });
    }
    let mut bytes = Vec::new();
    file.take(MAX_CONFIG_BYTES)
        .read_to_end(&mut bytes)
        .map_err(failed("read", Path::new(CONFIG)))?;
    Ok(bytes)
}

pub(crate) fn open_dir(path: &Path) -> Result<std::os::fd::OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    open(path, flags, Mode::empty()).map_err(|errno| failed("open", path)(errno.into()))
}

/// Removes `name` in `root` with all that is in it.
pub(crate) fn remove_tree(root: &Path, name: &str) -> Result<()> {
    let dir = open_dir(root)?;
    gantry_archive::tree::remove(dir.as_fd(), name.as_bytes())
        .map_err(|source| failed("remove", &root.join(name))(io::Error::other(source)))
}
