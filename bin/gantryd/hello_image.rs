//! The archive of the `hello-world` image: an OCI layout with one layer that holds `/hello`. The
//! same program gives the same bytes, whenever and wherever it is packed.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;

use flate2::{Compression, GzBuilder};
use gantry_archive::{Header, Writer};
use gantry_oci::image::{
    ContainerConfig, Descriptor, History, ImageConfig, Index, Layout, Manifest, Platform, RootFs,
    annotation, media_type,
};
use gantry_types::Digest;
use serde_json::to_vec;
use sha2::{Digest as _, Sha256};

const NAME: &str = "docker.io/library/hello-world:latest";
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// Packs the program.
pub(crate) fn archive(program: &[u8], architecture: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut tar = Writer::new(Vec::new());
    tar.append_bytes(&Header::file("hello", 0o755), program)?;
    let tar = tar.finish()?;
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    gzip.write_all(&tar)?;
    let layer = Blob::new(media_type::OCI_LAYER_GZIP, gzip.finish()?);
    let config = config(digest(&tar), architecture);
    let config = Blob::new(media_type::OCI_CONFIG, to_vec(&config)?);
    let manifest = Manifest::new(config.descriptor(), vec![layer.descriptor()]);
    let manifest = Blob::new(media_type::OCI_MANIFEST, to_vec(&manifest)?);
    let tag = "latest".to_owned();
    let named = Descriptor {
        annotations: BTreeMap::from([
            (annotation::CONTAINERD_IMAGE_NAME.to_owned(), NAME.to_owned()),
            (annotation::REF_NAME.to_owned(), tag),
        ]),
        platform: Some(platform(architecture)),
        ..manifest.descriptor()
    };

    let mut layout = Writer::new(Vec::new());
    let version = Layout { version: Layout::VERSION.to_owned() };
    layout.append_bytes(&Header::file("oci-layout", 0o644), &to_vec(&version)?)?;
    for folder in ["blobs/", "blobs/sha256/"] {
        layout.append_header(&Header::directory(folder, 0o755))?;
    }
    for blob in [&layer, &config, &manifest] {
        let path = format!("blobs/sha256/{}", blob.digest.hex());
        layout.append_bytes(&Header::file(path, 0o644), &blob.bytes)?;
    }
    let index = to_vec(&Index::new(vec![named]))?;
    layout.append_bytes(&Header::file("index.json", 0o644), &index)?;
    Ok(layout.finish()?)
}

fn config(diff_id: Digest, architecture: &str) -> ImageConfig {
    ImageConfig {
        created: Some(EPOCH.to_owned()),
        platform: platform(architecture),
        config: ContainerConfig {
            cmd: Some(vec!["/hello".to_owned()]),
            working_dir: "/".to_owned(),
            ..ContainerConfig::default()
        },
        rootfs: RootFs { diff_ids: vec![diff_id], ..RootFs::default() },
        history: vec![History {
            created: Some(EPOCH.to_owned()),
            created_by: "COPY hello /hello".to_owned(),
            ..History::default()
        }],
        ..ImageConfig::default()
    }
}

fn platform(architecture: &str) -> Platform {
    Platform {
        architecture: architecture.to_owned(),
        os: "linux".to_owned(),
        ..Platform::default()
    }
}

struct Blob {
    media_type: &'static str,
    digest: Digest,
    bytes: Vec<u8>,
}

impl Blob {
    fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        Self { media_type, digest: digest(&bytes), bytes }
    }

    fn descriptor(&self) -> Descriptor {
        Descriptor::new(self.media_type, self.digest.clone(), self.bytes.len() as u64)
    }
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::sha256(Sha256::digest(bytes).into())
}
