//! What a made registry has: documents and blobs by path, and an image among them.

use std::collections::BTreeMap;
use std::fs;

use gantry_testkit::{Daemon, Invocation, Reply, Request, Tar, busybox_layer, gzip, sha256};
use serde_json::{Value, json};

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(super) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The content of a registry with the repository `a`.
#[derive(Debug, Clone, Default)]
pub(super) struct Shelf {
    /// By `blobs/<digest>` and `manifests/<tag or digest>`: the type and the bytes.
    things: BTreeMap<String, (String, Vec<u8>)>,
}

impl Shelf {
    /// An image under the tag `1` that runs `cat /own`, where `text` is.
    pub(super) fn with_image(text: &str) -> Self {
        let mut shelf = Self::default();
        let manifest = shelf.image(text, |_| {});
        shelf.document("1", MANIFEST, &manifest);
        shelf
    }

    /// Adds the blobs of an image; `change` has a last look at its manifest.
    pub(super) fn image(&mut self, text: &str, change: impl FnOnce(&mut Value)) -> Value {
        let own = Tar::new().file("own", 0o644, text.as_bytes()).finish();
        let tars = [busybox_layer(), own];
        self.image_of(&tars, change)
    }

    /// The same of these layers.
    pub(super) fn image_of(&mut self, tars: &[Vec<u8>], change: impl FnOnce(&mut Value)) -> Value {
        let diff_ids: Vec<String> =
            tars.iter().map(|tar| format!("sha256:{}", sha256(tar))).collect();
        let config = config(&json!(diff_ids));
        let layers: Vec<Value> = tars.iter().map(|tar| self.blob(LAYER, &gzip(tar))).collect();
        let config = self.blob(CONFIG, config.to_string().as_bytes());
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
        });
        change(&mut manifest);
        manifest
    }

    /// Adds a blob; its descriptor.
    pub(super) fn blob(&mut self, kind: &str, bytes: &[u8]) -> Value {
        let digest = format!("sha256:{}", sha256(bytes));
        self.put(&format!("blobs/{digest}"), "application/octet-stream", bytes);
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    }

    /// Adds a document under a tag and its digest; its descriptor.
    pub(super) fn document(&mut self, tag: &str, kind: &str, document: &Value) -> Value {
        let bytes = document.to_string().into_bytes();
        let digest = format!("sha256:{}", sha256(&bytes));
        self.put(&format!("manifests/{tag}"), kind, &bytes);
        self.put(&format!("manifests/{digest}"), kind, &bytes);
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    }

    pub(super) fn put(&mut self, path: &str, kind: &str, bytes: &[u8]) {
        self.things.insert(path.to_owned(), (kind.to_owned(), bytes.to_owned()));
    }

    /// What an honest registry answers.
    pub(super) fn answer(&self, request: &Request) -> Reply {
        let path = request.target.strip_prefix("/v2/a/").unwrap_or_default();
        match self.things.get(path) {
            Some((kind, bytes)) => Reply::part_of(bytes, request).with("Content-Type", kind),
            None => Reply::new(
                404,
                r#"{"errors":[{"code":"NAME_UNKNOWN","message":"there is nothing"}]}"#,
            ),
        }
    }

    /// What is at a path.
    pub(super) fn bytes(&self, path: &str) -> Vec<u8> {
        self.things[path].1.clone()
    }

    /// The path of the largest blob.
    pub(super) fn largest(&self) -> String {
        let blobs = self.things.iter().filter(|(path, _)| path.starts_with("blobs/"));
        blobs.max_by_key(|(_, (_, bytes))| bytes.len()).unwrap().0.clone()
    }
}

pub(super) fn config(diff_ids: &Value) -> Value {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    json!({
        "architecture": architecture, "os": "linux", "config": {"Cmd": ["cat", "/own"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    })
}

/// The files that a daemon keeps of images, by path; without its database.
pub(super) fn kept(daemon: &Daemon) -> Vec<String> {
    let folders = ["blobs", "ingest", "trash", "layers/ingest", "layers/trash"];
    let folders = folders.map(|folder| daemon.data_root().join(folder));
    let there = folders.iter().filter(|folder| fs::exists(folder).unwrap());
    let places: Vec<String> = there.map(|folder| folder.display().to_string()).collect();
    let mut words: Vec<&str> = places.iter().map(String::as_str).collect();
    words.extend(["-type", "f"]);
    let mut found: Vec<String> =
        Invocation::new("find").args(&words).run().success().lines().map(str::to_owned).collect();
    found.sort();
    found
}
