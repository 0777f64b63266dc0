//! How an image was made, as SLSA's provenance (v1) tells it. Values of secrets are never part of it; values of arguments only where
//! all is asked for.

use std::collections::BTreeMap;

use gantry_build::{Built, PROXIES};
use gantry_types::{Digest, Timestamp};
use serde_json::{Value, json};

use super::{Course, Detail};
use crate::Result;
use crate::build::BuildRequest;
use crate::{image, random};

/// The type of the statement.
pub(super) const PREDICATE: &str = "https://slsa.dev/provenance/v1";
/// What kind of build it was: how to read `externalParameters`.
const BUILD_TYPE: &str = "urn:gantry:build:dockerfile:v1";

/// Something that a build was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::build) struct Material {
    /// Where it is to be had: a package URL of an image, an address.
    pub(in crate::build) uri: String,
    /// What it was.
    pub(in crate::build) digest: (String, String),
}

impl Material {
    /// By a digest.
    pub(in crate::build) fn new(uri: String, digest: &Digest) -> Self {
        let algorithm = digest.algorithm().as_str().to_owned();
        Self { uri, digest: (algorithm, digest.hex().to_owned()) }
    }
}

impl Material {
    /// What was fetched from an address.
    pub(in crate::build) fn at(address: &str, digest: &Digest) -> Self {
        Self::new(without_credentials(address), digest)
    }

    /// A commit of a repository.
    pub(in crate::build) fn of_commit(address: &str, commit: &str) -> Self {
        let digest = ("gitCommit".to_owned(), commit.to_owned());
        Self { uri: format!("git+{}", without_credentials(address)), digest }
    }
}

/// An address without the name and the password that may be in it.
fn without_credentials(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// What a build followed.
#[derive(Debug, Clone, Copy)]
pub(in crate::build) struct Source<'a> {
    /// The Dockerfile's path in its context.
    pub(in crate::build) path: &'a str,
    /// What it says.
    pub(in crate::build) text: &'a str,
}

/// The predicate.
pub(super) fn document(
    built: &Built,
    request: &BuildRequest,
    (course, detail): (&Course<'_>, Detail),
) -> Result<Value> {
    let is_all = detail == Detail::Max;
    let mut materials: Vec<Value> = Vec::new();
    for Material { uri, digest: (algorithm, hex) } in &course.materials {
        let material = json!({ "uri": uri, "digest": { algorithm.as_str(): hex } });
        if !materials.contains(&material) {
            materials.push(material);
        }
    }
    let mut args = BTreeMap::new();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            args.insert(name.to_owned(), value.to_owned());
        }
    };
    add("target", request.target.as_deref().unwrap_or_default());
    add("platform", &built.config.platform.to_string());
    add("force-network-mode", &request.network);
    if is_all {
        // By what way something was fetched is no part of what was built, and a proxy's address may have a password in it.
        let told = request.arguments.iter().filter(|(name, _)| !PROXIES.contains(&name.as_str()));
        for (name, value) in told {
            add(&format!("build-arg:{name}"), value.as_deref().unwrap_or_default());
        }
        for (name, value) in &request.labels {
            add(&format!("label:{name}"), value);
        }
    }
    let mut source = json!({ "path": course.source.path });
    if let Some(address) = &request.remote {
        source["uri"] = json!(without_credentials(address));
    }
    let mut external = json!({
        "configSource": source,
        "request": {
            "frontend": "dockerfile.v0",
            "args": args,
            "secrets": request.secrets.keys().map(|id| json!({ "id": id })).collect::<Vec<_>>(),
        },
    });
    let mut internal = json!({ "builderPlatform": image::host_platform().to_string() });
    if is_all {
        let step = |done: &gantry_build::Done| json!({ "id": done.key, "text": done.text, "layer": done.layer.as_ref().map(|layer| &layer.diff_id) });
        let mut steps: Vec<&gantry_build::Done> = built.steps.iter().collect();
        steps.sort_by(|one, other| one.key.as_str().cmp(other.key.as_str()));
        steps.dedup_by(|one, other| one.key == other.key);
        internal["buildConfig"] =
            json!({ "steps": steps.into_iter().map(step).collect::<Vec<_>>() });
        external["configSource"]["content"] = json!(course.source.text);
    }
    let random: [u8; 32] = random::bytes()?;
    let id = random.iter().take(16).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let finished = gantry_sys::clock::now();
    Ok(json!({
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": external,
            "internalParameters": internal,
            "resolvedDependencies": materials,
        },
        "runDetails": {
            "builder": {
                "id": "urn:gantry:builder",
                "version": { "gantry": env!("CARGO_PKG_VERSION") },
            },
            "metadata": {
                "invocationId": id,
                "startedOn": whole(course.began),
                "finishedOn": whole(finished),
            },
        },
    }))
}

/// In whole seconds, as the form wants it.
fn whole(moment: Timestamp) -> String {
    Timestamp { nanos: 0, ..moment }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_do_not_tell_passwords() {
        let check = |address: &str, told: &str| assert_eq!(without_credentials(address), told);
        check("https://ann:secret@host/x@y.git", "https://host/x@y.git");
        check("https://host", "https://host");
        check("git@host:x", "git@host:x");
    }
}
