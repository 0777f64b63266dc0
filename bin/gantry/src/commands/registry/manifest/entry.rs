//! One manifest, as docker's command line shows it and keeps it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_api::image::DistributionDocument;
use gantry_oci::image::Descriptor;
use gantry_types::ImageReference;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::Error;

/// A manifest and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// Where it is.
    pub(super) reference: ImageReference,
    /// With the platform that a list says it is for.
    pub(super) descriptor: Descriptor,
    /// Its text as the registry has it.
    pub(super) text: String,
}

/// What is read of one that is kept: the rest is the text once more, taken apart.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Kept {
    #[serde(rename = "Ref")]
    reference: ImageReference,
    descriptor: Descriptor,
    /// In base64; older command lines have none.
    #[serde(default)]
    raw: String,
}

impl Entry {
    /// What a registry has.
    pub(super) fn of(
        reference: ImageReference,
        document: &DistributionDocument,
    ) -> Result<Self, Error> {
        let no_json = |error| Error::refused(format!("the manifest is no JSON: {error}"));
        serde_json::from_str::<IgnoredAny>(&document.raw).map_err(no_json)?;
        let descriptor = serde_json::from_value(document.descriptor.clone())?;
        Ok(Self { reference, descriptor, text: document.raw.clone() })
    }

    /// One that a list has, by its digest.
    pub(super) fn listed(
        list: &ImageReference,
        document: &DistributionDocument,
    ) -> Result<Self, Error> {
        if list.digest().is_some() {
            return Self::of(list.clone(), document);
        }
        let digest = document.descriptor["digest"].as_str().unwrap_or_default();
        Self::of(super::reference(&format!("{list}@{digest}"))?, document)
    }

    /// Reads what [`Entry::to_json`] wrote; nothing where there is no text in it.
    pub(super) fn from_json(json: &str) -> Result<Option<Self>, serde_json::Error> {
        let Kept { reference, descriptor, raw } = serde_json::from_str(json)?;
        let text = STANDARD.decode(raw).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        Ok(text.map(|text| Self { reference, descriptor, text }))
    }

    /// In docker's order.
    pub(super) fn to_json(&self) -> Result<String, Error> {
        let Self { reference, descriptor, text } = self;
        let is_oci = descriptor.media_type.contains("vnd.oci.");
        let key = if is_oci { "OCIManifest" } else { "SchemaV2Manifest" };
        let descriptor = serde_json::to_string(descriptor)?;
        let raw = STANDARD.encode(text);
        Ok(format!(
            r#"{{"Ref":"{reference}","Descriptor":{descriptor},"Raw":"{raw}","{key}":{text}}}"#
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let document = DistributionDocument {
            descriptor: serde_json::json!({
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "digest": digest, "size": 9, "platform": {"architecture": "amd64", "os": "linux"},
            }),
            raw: "{ \"b\": 1,\n\"a\": 2 }".to_owned(),
        };
        let list: ImageReference = "app".parse().unwrap();
        let entry = Entry::listed(&list, &document).unwrap();
        assert_eq!(entry.reference.to_string(), format!("docker.io/library/app:latest@{digest}"));
        let json = entry.to_json().unwrap();
        assert!(
            json.contains(r#""Descriptor":{"mediaType":"#) && json.contains("SchemaV2Manifest")
        );
        assert_eq!(Entry::from_json(&json).unwrap(), Some(entry));
        let older = json.replace("\"Raw\"", "\"Other\"");
        assert_eq!(Entry::from_json(&older).unwrap(), None);
        assert!(Entry::from_json("{}").is_err());
        let other = DistributionDocument { raw: "no".to_owned(), ..document };
        assert!(Entry::of(list, &other).is_err());
    }
}
