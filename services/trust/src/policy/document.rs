//! The document's form, read strictly: no field that is not known, none twice, no value of another type.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::{Error, Result};

/// A policy as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) default: Vec<Entry>,
    #[serde(default)]
    pub(super) transports: Transports,
}

/// The transports; those that are not ours are not looked at.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Transports {
    #[serde(default)]
    pub(super) docker: Named<Vec<Entry>>,
}

/// A requirement of any type. Which fields go with which type is checked where it is made use of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Entry {
    pub(super) r#type: String,
    pub(super) key_path: Option<String>,
    pub(super) key_data: Option<String>,
    pub(super) key_paths: Option<Vec<String>>,
    pub(super) key_datas: Option<Vec<String>>,
    pub(super) signed_identity: Option<Identity>,
    // Known, and not supported.
    pub(super) key_type: Option<IgnoredAny>,
    pub(super) fulcio: Option<IgnoredAny>,
    pub(super) pki: Option<IgnoredAny>,
    pub(super) rekor_public_key_path: Option<IgnoredAny>,
    pub(super) rekor_public_key_paths: Option<IgnoredAny>,
    pub(super) rekor_public_key_data: Option<IgnoredAny>,
    pub(super) rekor_public_key_datas: Option<IgnoredAny>,
}

/// `signedIdentity` of any type.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Identity {
    pub(super) r#type: String,
    pub(super) docker_reference: Option<String>,
    pub(super) docker_repository: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) signed_prefix: Option<String>,
}

/// An object with names that are free, each of which may be there once.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) Vec<(String, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamedVisitor(PhantomData))
    }
}

struct NamedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NamedVisitor<T> {
    type Value = Named<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
        let mut entries: Vec<(String, T)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, T>()? {
            if entries.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom(format!("duplicate field `{name}`")));
            }
            entries.push((name, value));
        }
        Ok(Named(entries))
    }
}

/// Reads a policy's text.
pub(super) fn parse(text: &[u8], path: &Path) -> Result<Document> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let malformed = |place: String, source| Error::Malformed {
        path: path.to_owned(),
        place: if place == "." { "the top".to_owned() } else { place },
        source,
    };
    let document = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| malformed(error.path().to_string(), error.into_inner()))?;
    reader.end().map_err(|source| malformed("the end".to_owned(), source))?;
    Ok(document)
}
