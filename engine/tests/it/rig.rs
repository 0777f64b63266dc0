//! An engine of one test's own, archives for it, and clients that are in no hurry.

use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use gantry_api::container::CreateRequest;
use gantry_api::image::ProgressMessage;
use gantry_engine::container::{CreateQuery, create};
use gantry_engine::image::{ImportRequest, ListOptions, RemoveOptions, import, list, load, remove};
use gantry_engine::{Engine, Error, Settings};
use gantry_testkit::{Tar, sha256};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// See the head of this file.
pub(crate) struct Rig {
    pub(crate) engine: Engine,
    dir: TempDir,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::open(TempDir::new().unwrap()).await
    }

    /// An engine over a data root that may have been used. Engines end with their tokio runtime.
    pub(crate) async fn open(dir: TempDir) -> Self {
        let engine = Engine::open(settings(dir.path())).await.unwrap();
        Self { engine, dir }
    }

    pub(crate) fn into_dir(self) -> TempDir {
        self.dir
    }

    pub(crate) fn data_root(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) async fn load(&self, archive: impl Read + Send + 'static) -> Result<(), Error> {
        let (progress, mut messages) = tokio::sync::mpsc::channel::<ProgressMessage>(1);
        let listen = async { while messages.recv().await.is_some() {} };
        tokio::join!(load(&self.engine, archive, Vec::new(), progress), listen).0
    }

    /// Makes an image of that name with one file in it, unlike that of any other name.
    pub(crate) async fn import(&self, name: &str) -> String {
        let request = ImportRequest { repository: name.to_owned(), ..ImportRequest::default() };
        import(&self.engine, Cursor::new(layer(name)), request).await.unwrap()
    }

    pub(crate) async fn create(&self, name: &str, image: &str) -> Result<String, Error> {
        self.create_with(
            name,
            json!({"Image": image, "Cmd": ["x"], "HostConfig": {"NetworkMode": "none"}}),
        )
        .await
    }

    pub(crate) async fn create_with(&self, name: &str, request: Value) -> Result<String, Error> {
        let request: CreateRequest = serde_json::from_value(request).unwrap();
        let query = CreateQuery { name: Some(name.to_owned()), ..CreateQuery::default() };
        create(&self.engine, query, request).await.map(|created| created.id)
    }

    pub(crate) async fn remove_image(&self, name: &str) -> Result<(), Error> {
        remove(&self.engine, name, RemoveOptions { force: true, ..RemoveOptions::default() })
            .await
            .map(drop)
    }

    /// The names of all images, in order.
    pub(crate) async fn names(&self) -> Vec<String> {
        let images = list(&self.engine, ListOptions::default()).await.unwrap();
        let mut names: Vec<String> =
            images.iter().flat_map(|image| image.repo_tags.clone()).collect();
        names.sort();
        names
    }

    /// How many layers are extracted.
    pub(crate) fn layers(&self) -> usize {
        let entries = std::fs::read_dir(self.data_root().join("layers")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        // The one called 0 is empty and always there.
        names.filter(|name| name != "0" && name.parse::<u64>().is_ok()).count()
    }

    /// How many blobs are in the store.
    pub(crate) fn blobs(&self) -> usize {
        let mut count = 0;
        let mut folders = vec![self.data_root().join("blobs")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { count += 1 }
            }
        }
        count
    }
}

fn settings(dir: &Path) -> Settings {
    Settings {
        cgroup_driver: gantry_engine::CgroupDriver::Cgroupfs,
        data_root: dir.join("data"),
        exec_root: dir.join("exec"),
        shim: PathBuf::from("/nowhere/gantry-shim"),
        init: PathBuf::from("/nowhere/gantry-init"),
        cgroup_parent: "/gantry-test".to_owned(),
        selinux: false,
        layer_format: None,
        layer_archives: None,
        default_bridge: false,
        plugins: gantry_engine::PluginConfig::default(),
        networks: gantry_engine::NetworkSettings::default(),
        names: gantry_engine::NameSettings::default(),
        live: gantry_engine::LiveSettings::default(),
        logs: gantry_engine::LogDefaults::default(),
        signature_policy: None,
        embedded_image: &[],
        fail_at: None,
    }
}

/// A layer with one file, called `name`.
pub(crate) fn layer(name: &str) -> Vec<u8> {
    Tar::new().file(name, 0o644, name.as_bytes()).finish()
}

/// What `docker save` writes of images with these names and one layer each.
pub(crate) fn archive(images: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut tar = Tar::new();
    let mut manifest = Vec::new();
    for (name, layer) in images {
        let config = json!({
            "architecture": match std::env::consts::ARCH {
                "x86_64" => "amd64",
                "aarch64" => "arm64",
                other => other,
            },
            "os": "linux",
            "config": {"Cmd": ["/x"]},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(layer))]},
        });
        let config = config.to_string().into_bytes();
        let (config_path, layer_path) =
            (format!("{}.json", sha256(&config)), format!("{name}/layer.tar"));
        tar = tar.file(&config_path, 0o644, &config).file(&layer_path, 0o644, layer);
        manifest.push(json!({
            "Config": config_path, "RepoTags": [format!("{name}:latest")], "Layers": [layer_path],
        }));
    }
    tar.file("manifest.json", 0o644, Value::from(manifest).to_string().as_bytes()).finish()
}

/// A client that sends `body` when the other end of the channel is dropped, and not before.
pub(crate) struct Idle {
    released: mpsc::Receiver<()>,
    body: Cursor<Vec<u8>>,
}

impl Idle {
    pub(crate) fn new(body: Vec<u8>) -> (Self, mpsc::Sender<()>) {
        let (release, released) = mpsc::channel();
        (Self { released, body: Cursor::new(body) }, release)
    }
}

impl Read for Idle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.released.recv().unwrap_err();
        self.body.read(buffer)
    }
}

/// What comes of it, within [`PATIENCE`].
pub(crate) async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("{what} never ended"))
}
