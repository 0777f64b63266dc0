//! The document that a list becomes, to the byte as docker's command line writes it: so its digest is the same.

use gantry_oci::image::{Platform, media_type};
use gantry_types::{Digest, ImageReference};
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::entry::Entry;
use crate::error::Error;

/// Fields in the order of Docker's types.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    schema_version: u8,
    media_type: &'a str,
    manifests: Vec<Item<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    media_type: &'a str,
    size: u64,
    digest: &'a Digest,
    platform: Platform,
}

/// The text of the list `name`.
pub(super) fn text(name: &ImageReference, entries: &[Entry]) -> Result<String, Error> {
    let mut manifests = Vec::with_capacity(entries.len());
    for entry in entries {
        let (theirs, ours) = (entry.reference.domain(), name.domain());
        if theirs != ours {
            return Err(Error::refused(format!(
                "cannot use source images from a different registry than the target image: {theirs} != {ours}"
            )));
        }
        manifests.push(Item {
            media_type: &entry.descriptor.media_type,
            size: entry.descriptor.size,
            digest: &entry.descriptor.digest,
            platform: entry.descriptor.platform.clone().unwrap_or_default(),
        });
    }
    let is_oci =
        manifests.first().is_some_and(|first| first.media_type == media_type::OCI_MANIFEST);
    let media_type = if is_oci { media_type::OCI_INDEX } else { media_type::DOCKER_MANIFEST_LIST };
    let mut text = Vec::new();
    let mut writer = Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"   "));
    List { schema_version: 2, media_type, manifests }.serialize(&mut writer)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
