//! `plugin install`, once its user has agreed: a plugin out of a registry.

use std::fs::File;
use std::io::Write;

use gantry_api::image::ProgressMessage;
use gantry_api::plugin::PluginPrivilege;
use gantry_oci::image::Descriptor;
use gantry_plugins::managed::Incoming;
use gantry_registry_client::Repository;
use tokio::sync::mpsc;

use super::remote::{self, Found, RemotePlugin};
use super::{new_id, parse_name, privileges, tell};
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::image::{Teller, intake};

/// Fetches a plugin under `name` (its own, when that is empty), and tells how far it is. It is not enabled.
///
/// # Errors
/// Just what it wants must have been granted. Nothing is left after a failure.
pub async fn pull(
    engine: &Engine,
    (remote, name): (RemotePlugin, &str),
    granted: Vec<PluginPrivilege>,
    progress: mpsc::Sender<ProgressMessage>,
) -> Result<()> {
    let name =
        if name.is_empty() { parse_name(&remote.reference.familiar())? } else { parse_name(name)? };
    let reserved = engine.managed_plugins.reserve(&name)?;
    let engine = engine.clone();
    intake(move || {
        let teller = Teller::new(progress);
        let repository = remote.repository(&engine);
        let found = remote::find(&engine, &repository, &remote)?;
        privileges::check(&found, &granted)?;
        let id = new_id()?;
        let incoming = engine.managed_plugins.incoming(&id)?;
        fetch((&repository, &found), &remote, &incoming, &teller)?;
        let manifest = (found.document.media_type.as_str(), found.document.bytes.as_slice());
        let record = engine.managed_plugins.adopt(
            incoming,
            (&id, name, remote.reference.to_string()),
            manifest,
        )?;
        tell(&engine, "pull", &record);
        teller.say("", format!("Digest: {}", found.document.digest));
        teller
            .say("", format!("Status: Downloaded newer image for {}", remote.reference.familiar()));
        drop(reserved);
        Ok(())
    })
    .await
}

/// Fetches the blobs of a plugin. Blocks.
pub(super) fn fetch(
    (repository, found): (&Repository, &Found),
    remote: &RemotePlugin,
    incoming: &Incoming,
    teller: &Teller,
) -> Result<()> {
    let tag = remote.reference.tag().unwrap_or("latest");
    teller.say(tag, format!("Pulling from {}", remote.reference.path()));
    for layer in &found.manifest.layers {
        teller.layer(&layer.digest, layer.size).say("Pulling fs layer");
    }
    fetch_blob(repository, &found.manifest.config, incoming, None)?;
    for layer in &found.manifest.layers {
        fetch_blob(repository, layer, incoming, Some(teller))?;
        teller.layer(&layer.digest, layer.size).say("Download complete");
    }
    Ok(())
}

fn fetch_blob(
    repository: &Repository,
    blob: &Descriptor,
    incoming: &Incoming,
    teller: Option<&Teller>,
) -> Result<()> {
    let path = incoming.blob(&blob.digest);
    let mut file = File::create(&path).map_err(Error::file("create", &path))?;
    let mut told = teller.map(|teller| teller.layer(&blob.digest, blob.size));
    let mut done = 0;
    repository.fetch_blob(&blob.digest, blob.size, 0, &mut |piece| {
        if teller.is_some_and(Teller::is_alone) {
            return Err(std::io::Error::other("nobody wants the plugin any more"));
        }
        file.write_all(piece)?;
        done += piece.len() as u64;
        if let Some(told) = &mut told {
            told.figure("Downloading", done);
        }
        Ok(())
    })?;
    Ok(())
}
