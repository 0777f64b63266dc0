//! Images made on the spot: layers and a config, written as `docker save` or as an OCI layout would.

pub(crate) mod busybox;
pub(crate) mod debian;

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::Tar;

/// A layer: its tar stream, and whether a layout compresses it.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The uncompressed archive.
    pub tar: Vec<u8>,
    /// Compress it with gzip where the format allows.
    pub gzip: bool,
}

/// An image: change any field, then write it in either format.
#[derive(Debug, Clone)]
pub struct Image {
    /// The reference to load it as, for example `busybox:latest`.
    pub name: String,
    /// Bottom first.
    pub layers: Vec<Layer>,
    /// The `config` object of the image config: `Cmd`, `Env`, `User`, …
    pub config: Value,
}

impl Image {
    /// The image config document.
    pub fn config_document(&self) -> Vec<u8> {
        let diff_ids: Vec<String> =
            self.layers.iter().map(|layer| format!("sha256:{}", sha256(&layer.tar))).collect();
        let history: Vec<Value> = diff_ids
            .iter()
            .map(|_| json!({"created": "2024-01-02T03:04:05Z", "created_by": "testkit"}))
            .collect();
        let document = json!({
            "architecture": architecture(),
            "os": "linux",
            "created": "2024-01-02T03:04:05.678901234Z",
            "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": history,
        });
        document.to_string().into_bytes()
    }

    /// The image's id as Docker's classic store has it: the digest of its config.
    pub fn id(&self) -> String {
        format!("sha256:{}", sha256(&self.config_document()))
    }

    /// The archive that `docker save NAME` writes.
    pub fn docker_archive(&self) -> Vec<u8> {
        let config = self.config_document();
        let config_name = format!("{}.json", sha256(&config));
        let mut tar = Tar::new().file(&config_name, 0o644, &config);
        let mut names = Vec::new();
        for layer in &self.layers {
            let folder = sha256(&layer.tar);
            let name = format!("{folder}/layer.tar");
            if !names.contains(&name) {
                tar = tar
                    .directory(&format!("{folder}/"), 0o755)
                    .file(&format!("{folder}/VERSION"), 0o644, b"1.0")
                    .file(&name, 0o644, &layer.tar);
            }
            names.push(name);
        }
        let manifest = json!([{"Config": config_name, "RepoTags": [self.name], "Layers": names}]);
        tar.file("manifest.json", 0o644, manifest.to_string().as_bytes()).finish()
    }

    /// The archive of an OCI image layout with this image in its index.
    pub fn oci_layout(&self) -> Vec<u8> {
        let mut tar = Tar::new()
            .file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)
            .directory("blobs/", 0o755)
            .directory("blobs/sha256/", 0o755);
        let mut written: Vec<String> = Vec::new();
        let mut blob = |tar: Tar, bytes: &[u8], media_type: &str| {
            let digest = sha256(bytes);
            let descriptor = json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()});
            if written.contains(&digest) {
                return (tar, descriptor);
            }
            let tar = tar.file(&format!("blobs/sha256/{digest}"), 0o644, bytes);
            written.push(digest);
            (tar, descriptor)
        };
        let mut layers = Vec::new();
        for layer in &self.layers {
            let (bytes, media_type) = if layer.gzip {
                (gzip(&layer.tar), "application/vnd.oci.image.layer.v1.tar+gzip")
            } else {
                (layer.tar.clone(), "application/vnd.oci.image.layer.v1.tar")
            };
            let descriptor;
            (tar, descriptor) = blob(tar, &bytes, media_type);
            layers.push(descriptor);
        }
        let (tar, config) =
            blob(tar, &self.config_document(), "application/vnd.oci.image.config.v1+json");
        let manifest_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({"schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": layers});
        let (tar, mut descriptor) = blob(tar, manifest.to_string().as_bytes(), manifest_type);
        descriptor["annotations"] = json!({"io.containerd.image.name": full_name(&self.name)});
        let index = json!({"schemaVersion": 2, "manifests": [descriptor]});
        tar.file("index.json", 0o644, index.to_string().as_bytes()).finish()
    }
}

/// The digest's hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").expect("a String takes what is written");
    }
    text
}

/// The digest's hexadecimal digits, of the longer kind.
pub fn sha512(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(128);
    for byte in sha2::Sha512::digest(bytes) {
        write!(text, "{byte:02x}").expect("a String takes what is written");
    }
    text
}

/// The same, compressed.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("a Vec takes what is written");
    encoder.finish().expect("a Vec takes what is written")
}

fn full_name(name: &str) -> String {
    if name.contains('/') { name.to_owned() } else { format!("docker.io/library/{name}") }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
