//! Where a build works: images, layers and commands as the engine has them.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use gantry_build::{Base, Execution, Layer, Workshop};
use gantry_images::{BaseImage, Lease};
use gantry_oci::image::{Descriptor, Platform, media_type};
use gantry_registry_client::Credentials;
use gantry_types::{Algorithm, ImageReference};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::{BuildRequest, chain, run};
use crate::engine::Engine;
use crate::error::Error;
use crate::image::{self, Pin, PullRequest};

/// Bytes of an archive that are handed on at once.
const PIECE: usize = 256 << 10;
/// An archive with nothing in it: two blocks.
const EMPTY_BYTES: u64 = 1024;

/// The workshop of one build.
pub(super) struct Bench<'e> {
    pub(super) engine: &'e Engine,
    pub(super) runtime: Handle,
    credentials: BTreeMap<String, Credentials>,
    pulls: bool,
    room: OnceLock<PathBuf>,
    scratches: AtomicU32,
    kept: Mutex<Kept>,
}

/// What stays as long as the build needs it.
#[derive(Default)]
struct Kept {
    pins: Vec<Pin>,
    bases: Vec<BaseImage>,
    /// Of blobs: whatever builds remember may be forgotten meanwhile.
    leases: Vec<Lease>,
}

/// What must stay until the image has its record.
pub(super) struct Pins {
    _kept: Kept,
}

impl<'e> Bench<'e> {
    pub(super) fn new(engine: &'e Engine, runtime: Handle, request: &BuildRequest) -> Self {
        Self {
            engine,
            runtime,
            credentials: request.credentials.clone(),
            pulls: request.pull,
            room: OnceLock::new(),
            scratches: AtomicU32::new(0),
            kept: Mutex::default(),
        }
    }

    /// Where its files lie.
    pub(super) fn use_room(&self, path: &Path) {
        self.room.get_or_init(|| path.to_owned());
    }

    pub(super) fn room(&self) -> &Path {
        self.room.get().map_or(Path::new("/nowhere"), PathBuf::as_path)
    }

    pub(super) fn into_pins(self) -> Pins {
        Pins { _kept: self.kept.into_inner().unwrap_or_else(PoisonError::into_inner) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Layers that no record names yet.
    fn pin(&self, layers: Vec<gantry_types::Digest>) {
        let pin = self.runtime.block_on(self.engine.image_changes.pin(layers));
        self.kept().pins.push(pin);
    }

    fn find(&self, name: &str, platform: &Platform) -> crate::Result<Base> {
        let here = self.engine.images.resolve_all(name);
        let all = match here {
            Ok(all) if !self.pulls => all,
            Ok(all) if name.parse::<ImageReference>().is_err() => all,
            Err(error @ gantry_images::Error::NoSuchImage { .. })
                if name.parse::<ImageReference>().is_err() =>
            {
                return Err(error.into());
            }
            Ok(_) | Err(gantry_images::Error::NoSuchImage { .. }) => {
                self.pull(name, platform)?;
                self.engine.images.resolve_all(name)?
            }
            Err(error) => return Err(error.into()),
        };
        let image = image::choose(name, &all, platform)?;
        let base = self.engine.images.base(&image.id)?;
        self.pin(base.layers.iter().map(|(diff_id, _)| diff_id.clone()).collect());
        // Somebody may have removed the image before the pin, and its layers with it.
        self.engine.images.base(&image.id).map(drop)?;
        let layers =
            base.layers.iter().cloned().map(|(diff_id, blob)| Layer { diff_id, blob }).collect();
        let config = base.config.clone();
        self.kept().bases.push(base);
        Ok(Base { layers, config })
    }

    fn pull(&self, name: &str, platform: &Platform) -> crate::Result<()> {
        let reference: ImageReference =
            name.parse().map_err(|error| Error::invalid(format!("{error}: {name:?}")))?;
        let request = PullRequest {
            credentials: self.credentials.get(reference.domain()).cloned(),
            platform: Some(platform.to_string()),
            reference,
        };
        let (sender, mut messages) = mpsc::channel(1);
        let pulling = image::pull(self.engine, request, sender);
        self.runtime.block_on(async move {
            let drained = async { while messages.recv().await.is_some() {} };
            tokio::join!(pulling, drained).0
        })
    }

    fn make(
        &self,
        below: &[Layer],
        write: &mut dyn FnMut(&mut dyn Write) -> gantry_build::Result<()>,
    ) -> gantry_build::Result<Option<Layer>> {
        let engine = self.engine;
        let mut writer = engine.images.blob_writer(Algorithm::Sha256).map_err(of_images)?;
        {
            let mut output = BufWriter::with_capacity(PIECE, &mut writer);
            write(&mut output)?;
            output.flush().map_err(|source| {
                of_engine(Error::File { action: "write", path: "a layer".into(), source })
            })?;
        }
        if writer.size_bytes() <= EMPTY_BYTES {
            writer.discard();
            return Ok(None);
        }
        let committed = writer.commit(None).map_err(of_images)?;
        let digest = committed.digest.clone();
        self.kept().leases.push(committed.lease);
        engine.images.keep_for_builds(&digest).map_err(of_images)?;
        let parents = chain(below);
        self.pin([&parents[..], std::slice::from_ref(&digest)].concat());
        let content = engine.images.open_blob(&digest).map_err(of_images)?;
        engine
            .layers
            .apply_verified(&digest, &parents, (content, &digest))
            .map_err(|error| of_engine(error.into()))?;
        let blob = Descriptor::new(media_type::OCI_LAYER, digest.clone(), committed.size_bytes);
        Ok(Some(Layer { diff_id: digest, blob }))
    }
}

impl Workshop for Bench<'_> {
    fn image(&self, name: &str, platform: &Platform) -> gantry_build::Result<Base> {
        self.find(name, platform).map_err(of_engine)
    }

    fn view(&self, layers: &[Layer]) -> gantry_build::Result<OwnedFd> {
        self.engine.layers.look_at_chain(&chain(layers)).map_err(|error| of_engine(error.into()))
    }

    fn layer(
        &self,
        below: &[Layer],
        write: &mut dyn FnMut(&mut dyn Write) -> gantry_build::Result<()>,
    ) -> gantry_build::Result<Option<Layer>> {
        self.make(below, write)
    }

    fn run(
        &self,
        below: &[Layer],
        execution: &Execution,
        output: &mut dyn FnMut(&[u8]),
        wanted: &dyn Fn() -> gantry_build::Result<()>,
    ) -> gantry_build::Result<Option<Layer>> {
        let audience = run::Audience { output, wanted };
        let ran = run::run(self, &chain(below), execution, audience).map_err(of_engine)?;
        if ran.code != 0 {
            let command = execution.args.join(" ");
            return Err(gantry_build::Error::Command { command, code: ran.code });
        }
        self.make(below, &mut |output| ran.archive(output).map_err(of_engine))
    }

    fn has(&self, below: &[Layer], layer: &Layer) -> bool {
        let parents = chain(below);
        let is_here = self.engine.layers.find(&layer.diff_id, &parents);
        if !is_here.is_ok_and(|found| found.is_some()) {
            return false;
        }
        self.pin([parents, vec![layer.diff_id.clone()]].concat());
        // After the pin, and with its blob: then it stays.
        let is_here = self.engine.layers.find(&layer.diff_id, &chain(below));
        let images = &self.engine.images;
        let Ok(Some(lease)) = images.lease_blob(&layer.blob.digest) else { return false };
        self.kept().leases.push(lease);
        is_here.is_ok_and(|found| found.is_some())
            && images.keep_for_builds(&layer.blob.digest).is_ok()
    }

    fn scratch(&self) -> gantry_build::Result<PathBuf> {
        let number = self.scratches.fetch_add(1, Ordering::Relaxed);
        let path = self.room().join("scratch").join(number.to_string());
        std::fs::create_dir_all(&path)
            .map_err(|error| of_engine(Error::file("create directory", &path)(error)))?;
        Ok(path)
    }
}

pub(super) fn of_engine(error: Error) -> gantry_build::Error {
    match error {
        // From inside a build, and its to judge.
        Error::Build(error) => error,
        error => gantry_build::Error::workshop(error.kind(), error),
    }
}

fn of_images(error: gantry_images::Error) -> gantry_build::Error {
    of_engine(error.into())
}
