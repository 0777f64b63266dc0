//! What an image brings along as JSON: configuration, manifest, index, the archive's list, and the names in them.

use gantry_oci::image::{ArchiveManifest, ImageConfig, Index, Layout, Manifest};
use gantry_types::{ContainerName, Digest, ImageReference, Timestamp};

/// The bytes are the document, of whichever kind.
pub fn run(data: &[u8]) {
    if let Ok(config) = serde_json::from_slice::<ImageConfig>(data) {
        if let Some(time) = config.created_at() {
            assert_eq!(time.to_string().parse(), Ok(time));
        }
        comes_back(&config);
    }
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(data) {
        comes_back(&manifest);
    }
    if let Ok(index) = serde_json::from_slice::<Index>(data) {
        comes_back(&index);
    }
    drop(serde_json::from_slice::<Layout>(data));
    drop(serde_json::from_slice::<Vec<ArchiveManifest>>(data));
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(reference) = text.parse::<ImageReference>() {
        let written = reference.to_string();
        assert_eq!(written.parse::<ImageReference>().map(|it| it.to_string()), Ok(written));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert!(!digest.to_string().contains('/'), "a digest becomes a file's name");
    }
    if let Ok(name) = text.parse::<ContainerName>() {
        assert!(!name.to_string().contains('/'));
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string().parse(), Ok(time));
    }
}

fn comes_back<T>(value: &T)
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let text = serde_json::to_vec(value).expect("what was read can be written");
    let again: T = serde_json::from_slice(&text).expect("what was written can be read");
    assert_eq!(&again, value);
}
