//! Made images and the archives that hold them.

use std::collections::BTreeMap;
use std::io::Write;

use gantry_archive::{Header, Writer};
use gantry_oci::image::{Descriptor, Index, Manifest, Platform, annotation, media_type};
use gantry_types::Digest;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest::sha256(Sha256::digest(bytes).into())
}

pub(crate) fn sha512(bytes: &[u8]) -> Digest {
    Digest::sha512(Sha512::digest(bytes).into())
}

/// A tar archive of files.
pub(crate) fn tar<P: AsRef<str>, B: AsRef<[u8]>>(files: &[(P, B)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (path, bytes) in files {
        writer.append_bytes(&Header::file(path.as_ref(), 0o644), bytes.as_ref()).unwrap();
    }
    writer.finish().unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// An image in pieces: its layers as plain tars and its configuration.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) layers: Vec<Vec<u8>>,
    pub(crate) config: Value,
}

impl Parts {
    /// An image with that many layers; the name makes it unlike others.
    pub(crate) fn new(name: &str, layers: usize) -> Self {
        let layers: Vec<Vec<u8>> = (0..layers)
            .map(|number| tar(&[(format!("{name}-{number}"), format!("layer {number} of {name}"))]))
            .collect();
        let diff_ids: Vec<Digest> = layers.iter().map(|layer| sha256(layer)).collect();
        let config = json!({
            "architecture": host().architecture, "os": "linux", "created": "2024-02-29T12:34:56Z",
            "config": { "Cmd": [name], "Env": ["PATH=/bin"] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": [{ "created_by": name }]
        });
        Self { layers, config }
    }

    pub(crate) fn config_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.config).unwrap()
    }

    /// `sha256:…` of the configuration.
    pub(crate) fn id(&self) -> String {
        sha256(&self.config_bytes()).to_string()
    }
}

/// This machine's platform, as the store sees it.
pub(crate) fn host() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    Platform {
        os: "linux".to_owned(),
        architecture: architecture.to_owned(),
        ..Platform::default()
    }
}

pub(crate) fn other_platform() -> Platform {
    Platform { architecture: "s390x".to_owned(), ..host() }
}

/// The files of a docker-archive, as `docker save` before version 25 wrote them.
pub(crate) fn docker_files(images: &[(&Parts, &[&str])]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut manifest = Vec::new();
    for (parts, tags) in images {
        let mut paths = Vec::new();
        for (number, layer) in parts.layers.iter().enumerate() {
            // The legacy ids of layers were digests of something else.
            let id = sha256(&[layer.as_slice(), b"legacy"].concat()).hex().to_owned();
            files.push((format!("{id}/VERSION"), b"1.0".to_vec()));
            files.push((format!("{id}/json"), format!("{{\"id\":\"{number}\"}}").into_bytes()));
            files.push((format!("{id}/layer.tar"), layer.clone()));
            paths.push(format!("{id}/layer.tar"));
        }
        let config = parts.config_bytes();
        let name = format!("{}.json", sha256(&config).hex());
        files.push((name.clone(), config));
        let tags = if tags.is_empty() { Value::Null } else { json!(tags) };
        manifest.push(json!({ "Config": name, "RepoTags": tags, "Layers": paths }));
    }
    files.push(("manifest.json".to_owned(), serde_json::to_vec(&manifest).unwrap()));
    files.push(("repositories".to_owned(), b"{}".to_vec()));
    files
}

pub(crate) fn docker_archive(images: &[(&Parts, &[&str])]) -> Vec<u8> {
    tar(&docker_files(images))
}

/// A layout in the making.
#[derive(Debug, Clone, Default)]
pub(crate) struct LayoutFiles {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl LayoutFiles {
    pub(crate) fn new() -> Self {
        let mut layout = Self::default();
        let marker = br#"{"imageLayoutVersion":"1.0.0"}"#;
        layout.files.insert("oci-layout".to_owned(), marker.to_vec());
        layout
    }

    pub(crate) fn blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Descriptor {
        self.blob_as(sha256(&bytes), media_type, bytes)
    }

    pub(crate) fn blob_as(
        &mut self,
        digest: Digest,
        media_type: &str,
        bytes: Vec<u8>,
    ) -> Descriptor {
        let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64);
        self.files.insert(path_of(&descriptor.digest), bytes);
        descriptor
    }

    pub(crate) fn json(
        &mut self,
        media_type: &str,
        document: &impl serde::Serialize,
    ) -> Descriptor {
        self.blob(media_type, serde_json::to_vec(document).unwrap())
    }

    /// Adds an image whose layers are packed by `pack`; its manifest.
    pub(crate) fn image(
        &mut self,
        parts: &Parts,
        media_type: &str,
        pack: impl Fn(&[u8]) -> Vec<u8>,
    ) -> Descriptor {
        let layers: Vec<Descriptor> =
            parts.layers.iter().map(|layer| self.blob(media_type, pack(layer))).collect();
        let config = self.blob(media_type::OCI_CONFIG, parts.config_bytes());
        self.json(media_type::OCI_MANIFEST, &Manifest::new(config, layers))
    }

    /// Adds an image with plain layers; its manifest.
    pub(crate) fn plain_image(&mut self, parts: &Parts) -> Descriptor {
        self.image(parts, media_type::OCI_LAYER, <[u8]>::to_vec)
    }

    pub(crate) fn finish(mut self, manifests: Vec<Descriptor>) -> Vec<u8> {
        let index = serde_json::to_vec(&Index::new(manifests)).unwrap();
        self.files.insert("index.json".to_owned(), index);
        let files: Vec<_> = self.files.into_iter().collect();
        tar(&files)
    }
}

pub(crate) fn path_of(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}

/// The descriptor with a name, as containerd writes it.
pub(crate) fn named(mut descriptor: Descriptor, name: &str) -> Descriptor {
    let key = annotation::CONTAINERD_IMAGE_NAME.to_owned();
    descriptor.annotations.insert(key, name.to_owned());
    descriptor
}

pub(crate) fn for_platform(mut descriptor: Descriptor, platform: Platform) -> Descriptor {
    descriptor.platform = Some(platform);
    descriptor
}
