//! What a build has beside its context: named contexts, agents, grants, and what surrounds its steps.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gantry_client::BuildSources;
use gantry_types::ImageReference;

use super::context::Context;
use super::ssh::Agents;
use crate::error::Error;
use crate::flags::value;

/// How contexts begin that are images of registries.
const IMAGE: &str = "docker-image://";

/// The flags.
#[derive(Debug, clap::Args)]
pub(super) struct SourceFlags {
    /// Add a custom host-to-IP mapping (format: "host:ip")
    #[arg(long, value_parser = value::extra_host)]
    add_host: Vec<String>,
    /// Allow extra privileged entitlement ("network.host", "security.insecure", "device")
    #[arg(long, value_name = "ENTITLEMENT")]
    allow: Vec<String>,
    /// Additional build contexts (format: "name=path", or an image, an image layout, a repository, an archive's address)
    #[arg(long, value_name = "NAME=CONTEXT")]
    build_context: Vec<String>,
    /// Set the parent cgroup for the "RUN" instructions during build
    #[arg(long, default_value = "", hide_default_value = true)]
    cgroup_parent: String,
    /// Shared memory size for build containers
    #[arg(long, value_parser = value::bytes)]
    shm_size: Option<i64>,
    /// SSH agent socket or keys to expose to the build (format: "default|<id>[=<socket>|<key>[,<key>]]")
    #[arg(long)]
    ssh: Vec<String>,
    /// Ulimit options (format: "name=soft[:hard]")
    #[arg(long)]
    ulimit: Vec<String>,
}

/// What they mean.
pub(super) struct Sources {
    /// What the daemon is told.
    pub(super) told: BuildSources,
    /// The folders of images that named contexts are, by their numbers.
    pub(super) layouts: Vec<PathBuf>,
    /// Who signs while the build goes on.
    pub(super) agents: Agents,
}

impl SourceFlags {
    /// What the daemon is told, and what lies here for it; folders are added to the context.
    pub(super) fn read(&self, context: &mut Context) -> Result<Sources, Error> {
        let (mut contexts, mut layouts) = (BTreeMap::new(), Vec::new());
        for flag in &self.build_context {
            let invalid = || {
                Error::refused(format!("invalid --build-context {flag:?}: name=context is needed"))
            };
            let (name, value) = flag.split_once('=').ok_or_else(invalid)?;
            if name.is_empty() || value.is_empty() {
                return Err(invalid());
            }
            contexts.insert(name.to_owned(), named((context, &mut layouts), value)?);
        }
        let ulimits = self.ulimit.iter().map(|text| ulimit(text)).collect::<Result<Vec<_>, _>>()?;
        let agents = Agents::read(&self.ssh)?;
        let told = BuildSources {
            remote: context.remote().to_owned(),
            contexts,
            agents: agents.sockets.clone(),
            grants: self.allow.clone(),
            hosts: self.add_host.clone(),
            shm_size: self.shm_size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            ulimits: match ulimits.as_slice() {
                [] => String::new(),
                all => serde_json::Value::from(all).to_string(),
            },
            cgroup_parent: self.cgroup_parent.clone(),
        };
        Ok(Sources { told, layouts, agents })
    }
}

/// The images of registries that named contexts are.
pub(super) fn references(told: &BuildSources) -> impl Iterator<Item = ImageReference> {
    let images = told.contexts.values().filter_map(|value| value.strip_prefix(IMAGE));
    images.filter_map(|name| name.parse().ok())
}

/// What the daemon is told of one named context.
fn named(
    (context, layouts): (&mut Context, &mut Vec<PathBuf>),
    value: &str,
) -> Result<String, Error> {
    if let Some(place) = value.strip_prefix("oci-layout://") {
        let (folder, which) = layout(place)?;
        layouts.push(folder);
        return Ok(format!("oci-layout:{}{which}", layouts.len() - 1));
    }
    let remote = gantry_dockerfile::Remote::parse(value);
    let is_remote = remote.map_err(|error| Error::refused(error.to_string()))?.is_some();
    if is_remote || value.starts_with(IMAGE) || value.starts_with("github.com/") {
        return Ok(value.to_owned());
    }
    if let Some((scheme, _)) = value.split_once("://") {
        return Err(Error::refused(format!(
            "a named context {scheme}:// is not known: a folder, docker-image://, oci-layout://, a repository or an archive's address is"
        )));
    }
    context.add_named(value)
}

/// `FOLDER[:TAG][@DIGEST]`: the folder of an image layout, and which of its images is meant.
fn layout(place: &str) -> Result<(PathBuf, String), Error> {
    let (place, digest) = match place.split_once('@') {
        Some((place, digest)) => (place, format!("@{digest}")),
        None => (place, String::new()),
    };
    let (folder, tag) = match place.rsplit_once(':') {
        Some((folder, tag)) if !tag.contains('/') => (folder, format!(":{tag}")),
        _ => (place, String::new()),
    };
    let folder = PathBuf::from(folder);
    let index = folder.join("index.json");
    if !index.is_file() {
        return Err(Error::refused(format!(
            "the named context {} is no image layout: it has no index.json",
            folder.display()
        )));
    }
    Ok((folder, format!("{tag}{digest}")))
}

/// `name=soft[:hard]` as the API has it.
fn ulimit(text: &str) -> Result<serde_json::Value, Error> {
    let invalid =
        || Error::refused(format!("invalid --ulimit {text:?}: name=soft[:hard] is needed"));
    let (name, limits) = text.split_once('=').ok_or_else(invalid)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let number = |text: &str| text.parse::<i64>().map_err(|_| invalid());
    Ok(serde_json::json!({ "Name": name, "Soft": number(soft)?, "Hard": number(hard)? }))
}
