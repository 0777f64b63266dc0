//! What is to become of what was built: the parameter `outputs` of `POST /build`, as `BuildKit`'s clients write it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BuildOutput {
    /// `image`, `registry`, `oci`, `docker`, `local` or `tar`.
    pub r#type: String,
    /// What is said of it: `name`, `push`, `compression`, `annotation.KEY`, ….
    pub attrs: BTreeMap<String, String>,
}

/// A message of a build in which the daemon offers something, or asks for something: its `id` says which of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildExchange {
    /// By which the client gets it from, brings it to, or opens it at, `/gantry/build/exchange/{id}`.
    pub id: String,
    /// Of an offer: the number of the output, from 0.
    pub output: Option<usize>,
    /// The number of the cache, from 0: among those to read where something is wanted, among those to write in an offer.
    pub cache: Option<usize>,
    /// The number of the image layout that something is wanted of, from 0.
    pub layout: Option<usize>,
    /// The id of the SSH agent to which a connection is wanted.
    pub agent: Option<String>,
    /// Whether something is wanted of the build context.
    pub context: bool,
    /// What is wanted: `index.json`, or the digest of a blob; of the context its `listing`, and then `files`.
    pub path: String,
    /// Which entries of the listing are wanted, in base64: a bit for each, the lowest of a byte first.
    pub missing: String,
}
