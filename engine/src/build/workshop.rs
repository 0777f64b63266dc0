//! Where a build works: images, layers and commands as the engine has them.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use gantry_build::{Base, Checkout, Download, Execution, Imported, Layer, Workshop};
use gantry_dockerfile::Repository;
use gantry_images::{BaseImage, Lease};
use gantry_oci::image::{Descriptor, Platform, media_type};
use gantry_registry_client::Credentials;
use gantry_types::{Digest, ImageReference, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::attest::Material;
use super::cache::Imports;
use super::layouts::{LAYOUT, Layouts};
use super::report::Listener;
use super::sandboxes::Sandboxes;
use super::ssh::Agent;
use super::{
    AgentPlace, BuildRequest, chain, downloads, failed, flow, full, repositories, run, summed,
};
use crate::engine::Engine;
use crate::error::Error;
use crate::image::{self, Pin, PullRequest};

/// The workshop of one build.
pub(super) struct Bench<'e> {
    pub(super) engine: &'e Engine,
    pub(super) runtime: Handle,
    pub(super) request: &'e BuildRequest,
    credentials: BTreeMap<String, Credentials>,
    pulls: bool,
    /// Nothing that a command writes is later, as its layer says.
    latest: Option<Timestamp>,
    /// What steps gave elsewhere.
    imports: OnceLock<Imports>,
    layouts: Layouts,
    pub(super) sandboxes: Sandboxes,
    /// Whoever waits for the build.
    listener: Listener,
    room: OnceLock<PathBuf>,
    /// What is kept of a command that failed.
    failed: OnceLock<Digest>,
    scratches: AtomicU32,
    /// Images by name and platform: in one build, a name means one image.
    found: Mutex<HashMap<(String, String), Base>>,
    kept: Mutex<Kept>,
}

/// What stays as long as the build needs it.
#[derive(Default)]
struct Kept {
    pins: Vec<Pin>,
    bases: Vec<BaseImage>,
    /// What all of it is made of.
    materials: Vec<Material>,
    /// Of blobs: whatever builds remember may be forgotten meanwhile.
    leases: Vec<Lease>,
}

/// What must stay until the image has its record.
pub(super) struct Pins {
    _kept: Kept,
}

impl<'e> Bench<'e> {
    pub(super) fn new(
        engine: &'e Engine,
        runtime: Handle,
        request: &'e BuildRequest,
        listener: &Listener,
    ) -> Self {
        Self {
            engine,
            runtime,
            request,
            credentials: request.credentials.clone(),
            pulls: request.pull,
            latest: request.epoch,
            imports: OnceLock::new(),
            layouts: Layouts::default(),
            sandboxes: Sandboxes::default(),
            listener: listener.clone(),
            room: OnceLock::new(),
            failed: OnceLock::new(),
            scratches: AtomicU32::new(0),
            found: Mutex::default(),
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

    /// What all was made of that is not in the context.
    pub(super) fn materials(&self) -> Vec<Material> {
        self.kept().materials.clone()
    }

    /// Where to look for what steps gave elsewhere.
    pub(super) fn use_imports(&self, imports: Imports) {
        self.imports.get_or_init(|| imports);
    }

    /// Whose going ends what is fetched for the build, and who is asked for things.
    pub(super) fn listener(&self) -> &Listener {
        &self.listener
    }

    /// Notes what the build is made of.
    pub(super) fn note(&self, material: Material) {
        self.kept().materials.push(material);
    }

    /// Makes a layer above others of a blob that is here and kept by `lease`.
    pub(super) fn place(
        &self,
        below: &[Layer],
        (diff_id, blob): (&Digest, &Descriptor),
        lease: Option<Lease>,
    ) -> crate::Result<Layer> {
        let engine = self.engine;
        self.kept().leases.extend(lease);
        engine.images.keep_for_builds(&blob.digest)?;
        let parents = chain(below);
        self.pin([&parents[..], std::slice::from_ref(diff_id)].concat());
        if engine.layers.find(diff_id, &parents)?.is_none() {
            let content = engine.images.open_blob(&blob.digest)?;
            engine.layers.apply(diff_id, &parents, content)?;
        }
        Ok(Layer { diff_id: diff_id.clone(), blob: blob.clone() })
    }

    pub(super) fn into_pins(self) -> Pins {
        Pins { _kept: self.kept.into_inner().unwrap_or_else(PoisonError::into_inner) }
    }

    /// An empty directory in the build's room.
    pub(super) fn make_scratch(&self) -> crate::Result<PathBuf> {
        let number = self.scratches.fetch_add(1, Ordering::Relaxed);
        let path = self.room().join("scratch").join(number.to_string());
        std::fs::create_dir_all(&path).map_err(Error::file("create directory", &path))?;
        Ok(path)
    }

    /// An agent that the build was given.
    pub(super) fn agent(&self, id: &str) -> crate::Result<Agent> {
        let given = self.request.agents.get(id);
        let place = given
            .ok_or_else(|| Error::invalid(format!("the build was given no SSH agent {id:?}")))?;
        Ok(match place {
            AgentPlace::Here(socket) => Agent::Here(socket.clone()),
            AgentPlace::WithClient => Agent::There {
                engine: self.engine.clone(),
                listener: self.listener.clone(),
                id: id.to_owned(),
            },
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Layers that no record names yet.
    fn pin(&self, layers: Vec<Digest>) {
        let pin = self.runtime.block_on(self.engine.image_changes.pin(layers));
        self.kept().pins.push(pin);
    }

    fn find(&self, name: &str, platform: &Platform) -> crate::Result<Base> {
        let is_given = || self.request.contexts.values().any(|value| value == name);
        if name.starts_with(LAYOUT) && is_given() {
            return self.layouts.image(self, name, platform);
        }
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
        let digest = &image.index.as_ref().unwrap_or(&image.manifest).digest;
        let uri = match name.parse::<ImageReference>() {
            Ok(name) => gantry_images::package_url(&name, platform),
            Err(_) => format!("oci:{}", image.id),
        };
        self.kept().materials.push(Material::new(uri, digest));
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

    /// The first command that failed, as an image.
    pub(super) fn failed(&self) -> Option<&Digest> {
        self.failed.get()
    }

    fn keep_failed(&self, below: &[Layer], ran: &run::Ran, execution: &Execution) {
        let files = &mut |output: &mut dyn Write| ran.archive(output, None).map_err(of_engine);
        let written = self.make(below, files).map_err(Error::Build);
        let layers = written.map(|written| below.iter().cloned().chain(written).collect());
        match layers.and_then(|layers| failed::keep(self, layers, execution)) {
            Ok(id) => drop(self.failed.set(id)),
            Err(error) => {
                let error = gantry_types::error_chain(&error);
                tracing::warn!(error, "cannot keep a command that failed");
            }
        }
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
        let gone = self.listener.gone();
        let pulled = self.runtime.block_on(async move {
            // A pull ends when nobody takes what it says.
            let drained = async move {
                let mut gone = std::pin::pin!(gone);
                loop {
                    tokio::select! {
                        message = messages.recv() => if message.is_none() { return false },
                        () = &mut gone => return true,
                    }
                }
            };
            tokio::join!(pulling, drained)
        });
        match pulled {
            (Err(_), true) => Err(Error::Build(gantry_build::Error::Cancelled)),
            (pulled, _) => pulled,
        }
    }

    /// Makes a layer of an archive.
    pub(super) fn make(
        &self,
        below: &[Layer],
        write: &mut dyn FnMut(&mut dyn Write) -> gantry_build::Result<()>,
    ) -> gantry_build::Result<Option<Layer>> {
        let engine = self.engine;
        let Some(written) = flow::take(engine, write).map_err(of_engine)? else { return Ok(None) };
        let (digest, size_bytes) = (written.committed.digest, written.committed.size_bytes);
        self.kept().leases.push(written.committed.lease);
        engine.images.keep_for_builds(&digest).map_err(of_images)?;
        let parents = chain(below);
        self.pin([&parents[..], std::slice::from_ref(&digest)].concat());
        let applied = if let Some(staged) = written.staged {
            engine.layers.adopt(staged, &digest)
        } else {
            // It depends on those below.
            let content = engine.images.open_blob(&digest).map_err(of_images)?;
            engine.layers.apply_verified(&digest, &parents, (content, &digest))
        };
        applied.map_err(|error| of_engine(error.into()))?;
        let blob = Descriptor::new(media_type::OCI_LAYER, digest.clone(), size_bytes);
        Ok(Some(Layer { diff_id: digest, blob }))
    }

    /// Makes a layer of what a command has written, where it lies.
    fn keep(&self, below: &[Layer], ran: &run::Ran) -> gantry_build::Result<Option<Layer>> {
        let mut archive =
            |output: &mut dyn Write| ran.archive(output, self.latest).map_err(of_engine);
        if self.latest.is_some() {
            // Its files may say otherwise.
            return self.make(below, &mut archive);
        }
        let (outlined, digest) = summed::sum(|output| ran.outline(output)).map_err(of_engine)?;
        let Some(outlined) = outlined else { return Ok(None) };
        let images = &self.engine.images;
        let blob = Descriptor::new(media_type::OCI_LAYER, digest.clone(), outlined.archive_bytes());
        self.pin([chain(below), vec![digest.clone()]].concat());
        let kept = self.engine.layers.keep_written(outlined, &digest);
        kept.map_err(|error| of_engine(error.into()))?;
        let Some(lease) = images.lease_blob(&digest).map_err(of_images)? else {
            // The layer was here before, of an image that came compressed.
            return self.make(below, &mut archive);
        };
        self.kept().leases.push(lease);
        images.keep_for_builds(&digest).map_err(of_images)?;
        Ok(Some(Layer { diff_id: digest, blob }))
    }
}

impl Workshop for Bench<'_> {
    fn image(&self, name: &str, platform: &Platform) -> gantry_build::Result<Base> {
        let found = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (name.to_owned(), platform.to_string());
        if let Some(base) = found().get(&key) {
            return Ok(base.clone());
        }
        let base = self.find(name, platform).map_err(of_engine)?;
        // Two that looked at the same time go on with the same one.
        Ok(found().entry(key).or_insert(base).clone())
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
        let audience = run::Audience { output: &mut *output, wanted };
        let ran = run::run(self, &chain(below), execution, audience).map_err(of_engine)?;
        if ran.code != 0 {
            if let Some(remark) = full::remark(self.engine) {
                output(remark.as_bytes());
            }
            let command = execution.args.join(" ");
            let failure = gantry_build::Error::Command { command, code: ran.code };
            if self.request.keeps_failure {
                self.keep_failed(below, &ran, execution);
            }
            return Err(failure);
        }
        self.keep(below, &ran)
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

    fn imported(&self, key: &Digest, below: &[Layer]) -> gantry_build::Result<Option<Imported>> {
        let Some(imports) = self.imports.get() else { return Ok(None) };
        let place =
            |diff_id: &Digest, blob: &Descriptor, lease| self.place(below, (diff_id, blob), lease);
        imports.find(self.engine, key, place).map_err(of_engine)
    }

    fn scratch(&self) -> gantry_build::Result<PathBuf> {
        self.make_scratch().map_err(of_engine)
    }

    fn download(
        &self,
        url: &str,
        digest: Option<&Digest>,
        wanted: &dyn Fn() -> gantry_build::Result<()>,
    ) -> gantry_build::Result<Download> {
        let download = downloads::download(self.engine, url, digest, wanted)?;
        self.kept().materials.push(Material::at(url, &download.digest));
        Ok(download)
    }

    fn checkout(
        &self,
        repository: &Repository,
        wanted: &dyn Fn() -> gantry_build::Result<()>,
    ) -> gantry_build::Result<Checkout> {
        let (into, room) = (self.scratch()?, self.scratch()?);
        let places = (into.as_path(), room.as_path());
        let checkout = repositories::checkout(self, repository, places, wanted)?;
        self.kept().materials.push(Material::of_commit(&repository.url, &checkout.commit));
        Ok(checkout)
    }

    fn has_agent(&self, id: &str) -> bool {
        self.request.agents.contains_key(id)
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
