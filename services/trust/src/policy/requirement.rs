//! From a requirement as it is written to one that can be applied: its type, its keys, its identity.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_types::{ImageReference, error_chain};

use super::document::{Entry, Identity};
use super::read_bounded;
use crate::identity::{SignedIdentity, is_name_only};
use crate::key::PublicKey;
use crate::{Error, Result};

/// One thing that an image must fulfil.
#[derive(Debug)]
pub(crate) enum Requirement {
    /// Nothing.
    AcceptAnything,
    /// What nothing fulfils.
    Reject,
    /// A signature.
    Signed(Signed),
}

/// A signature by one of these keys, made out to such a name.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) keys: Vec<PublicKey>,
    pub(crate) identity: SignedIdentity,
}

/// Reads requirements for one policy's file.
pub(super) struct Reader<'a> {
    pub(super) policy: &'a Path,
}

impl Reader<'_> {
    pub(super) fn unusable(&self, place: &str, reason: impl Into<String>) -> Error {
        let (path, place) = (self.policy.to_owned(), place.to_owned());
        Error::Unusable { path, place, reason: reason.into() }
    }

    /// The requirements of one scope; there is one at least.
    pub(super) fn all(&self, place: &str, entries: Vec<Entry>) -> Result<Vec<Requirement>> {
        if entries.is_empty() {
            return Err(self.unusable(place, "one requirement at least is needed"));
        }
        let read = |(index, entry)| {
            let place = format!("{place}[{index}]");
            requirement(entry).map_err(|reason| self.unusable(&place, reason))
        };
        entries.into_iter().enumerate().map(read).collect()
    }
}

fn requirement(entry: Entry) -> Result<Requirement, String> {
    let simple = match entry.r#type.as_str() {
        "insecureAcceptAnything" => Requirement::AcceptAnything,
        "reject" => Requirement::Reject,
        "sigstoreSigned" => return signed(entry).map(Requirement::Signed),
        "signedBy" => {
            return Err("signatures by GPG (\"signedBy\") are not supported: use \
                        \"sigstoreSigned\" with a key"
                .to_owned());
        }
        other => return Err(format!("the type {other:?} is not known")),
    };
    let kind = entry.r#type.clone();
    match names_of_fields(&entry).first() {
        Some(field) => Err(format!("{field} does not go with the type {kind:?}")),
        None => Ok(simple),
    }
}

/// The fields that are there, beside the type.
fn names_of_fields(entry: &Entry) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = [
        ("keyPath", entry.key_path.is_some()),
        ("keyData", entry.key_data.is_some()),
        ("keyPaths", entry.key_paths.is_some()),
        ("keyDatas", entry.key_datas.is_some()),
        ("signedIdentity", entry.signed_identity.is_some()),
        ("keyType", entry.key_type.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, is_there)| is_there.then_some(name))
    .collect();
    names.extend(keyless_fields(entry));
    names
}

/// Those that ask for certificates and a transparency log instead of keys, or beside them.
fn keyless_fields(entry: &Entry) -> impl Iterator<Item = &'static str> + use<> {
    [
        ("fulcio", entry.fulcio.is_some()),
        ("pki", entry.pki.is_some()),
        ("rekorPublicKeyPath", entry.rekor_public_key_path.is_some()),
        ("rekorPublicKeyPaths", entry.rekor_public_key_paths.is_some()),
        ("rekorPublicKeyData", entry.rekor_public_key_data.is_some()),
        ("rekorPublicKeyDatas", entry.rekor_public_key_datas.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, is_there)| is_there.then_some(name))
}

fn signed(entry: Entry) -> Result<Signed, String> {
    if let Some(field) = keyless_fields(&entry).next() {
        return Err(format!(
            "{field} is not supported: signatures are verified by keys alone, not by certificates or a transparency log"
        ));
    }
    if entry.key_type.is_some() {
        return Err("keyType does not go with the type \"sigstoreSigned\"".to_owned());
    }
    let given = (entry.key_path, entry.key_data, entry.key_paths, entry.key_datas);
    let keys = match given {
        (Some(path), None, None, None) => vec![key_at(&path)?],
        (None, Some(data), None, None) => vec![key_in(&data)?],
        (None, None, Some(paths), None) => {
            paths.iter().map(|path| key_at(path)).collect::<Result<_, _>>()?
        }
        (None, None, None, Some(datas)) => {
            datas.iter().map(|data| key_in(data)).collect::<Result<_, _>>()?
        }
        _ => {
            return Err(
                "exactly one of keyPath, keyPaths, keyData and keyDatas is needed".to_owned()
            );
        }
    };
    if keys.is_empty() {
        return Err("one key at least is needed".to_owned());
    }
    let identity = entry.signed_identity.map(identity).transpose()?;
    Ok(Signed { keys, identity: identity.unwrap_or(SignedIdentity::RepositoryDigestOrExact) })
}

fn key_at(path: &str) -> Result<PublicKey, String> {
    if !path.starts_with('/') {
        return Err(format!("the key's path {path:?} must be absolute"));
    }
    let pem = read_bounded(Path::new(path))
        .map_err(|error| format!("read the key {path}: {}", error_chain(&error)))?;
    PublicKey::from_pem(&pem, Some(path.to_owned()))
        .map_err(|reason| format!("the key {path} cannot be used: {reason}"))
}

fn key_in(data: &str) -> Result<PublicKey, String> {
    let pem =
        STANDARD.decode(data).map_err(|error| format!("a key's data is no base64: {error}"))?;
    PublicKey::from_pem(&pem, None)
        .map_err(|reason| format!("a key's data cannot be used: {reason}"))
}

fn identity(written: Identity) -> Result<SignedIdentity, String> {
    let Identity { r#type, docker_reference, docker_repository, prefix, signed_prefix } = written;
    let given = (docker_reference, docker_repository, prefix, signed_prefix);
    match (r#type.as_str(), given) {
        ("matchExact", (None, None, None, None)) => Ok(SignedIdentity::Exact),
        ("matchRepoDigestOrExact", (None, None, None, None)) => {
            Ok(SignedIdentity::RepositoryDigestOrExact)
        }
        ("matchRepository", (None, None, None, None)) => Ok(SignedIdentity::Repository),
        ("matchDigest", (None, None, None, None)) => Ok(SignedIdentity::Digest),
        ("exactReference", (Some(text), None, None, None)) => {
            let parsed: ImageReference =
                text.parse().map_err(|error| format!("dockerReference {text:?}: {error}"))?;
            if is_name_only(&text, &parsed) {
                return Err(format!("dockerReference {text:?} needs a tag or a digest"));
            }
            Ok(SignedIdentity::ExactReference(parsed))
        }
        ("exactRepository", (None, Some(text), None, None)) => {
            let parsed: ImageReference =
                text.parse().map_err(|error| format!("dockerRepository {text:?}: {error}"))?;
            if !is_name_only(&text, &parsed) {
                return Err(format!("dockerRepository {text:?} must have neither tag nor digest"));
            }
            Ok(SignedIdentity::ExactRepository(parsed.repository()))
        }
        ("remapIdentity", (None, None, Some(prefix), Some(signed_prefix))) => {
            check_prefix("prefix", &prefix)?;
            check_prefix("signedPrefix", &signed_prefix)?;
            Ok(SignedIdentity::Remap { prefix, signed_prefix })
        }
        (
            "matchExact"
            | "matchRepoDigestOrExact"
            | "matchRepository"
            | "matchDigest"
            | "exactReference"
            | "exactRepository"
            | "remapIdentity",
            _,
        ) => Err(format!("signedIdentity: these are not the fields of the type {type:?}")),
        (other, _) => Err(format!("signedIdentity: the type {other:?} is not known")),
    }
}

/// A registry, or a registry with the beginning of a path.
fn check_prefix(field: &str, text: &str) -> Result<(), String> {
    let below = format!("{text}/x/y");
    if below.parse::<ImageReference>().is_ok_and(|parsed| parsed.repository() == below) {
        return Ok(());
    }
    Err(format!("{field} {text:?} is no registry with or without the beginning of a path"))
}
