//! `plugin push`: a plugin into its registry.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};

use gantry_api::image::ProgressMessage;
use gantry_oci::image::Descriptor;
use gantry_plugins::managed::{PluginManifest, Record};
use gantry_registry_client::{Access, Credentials, Document, Repository, Uploaded};
use tokio::sync::mpsc;

use super::tell;
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::image::{Teller, intake};

/// Sends a plugin where its name leads, and tells how far it is.
pub async fn push(
    engine: &Engine,
    name: &str,
    credentials: Option<Credentials>,
    progress: mpsc::Sender<ProgressMessage>,
) -> Result<()> {
    let (change, record) = engine.managed_plugins.change(name)?;
    let engine = engine.clone();
    intake(move || {
        let teller = Teller::new(progress);
        let repository =
            engine.live.registries().repository(&record.name, credentials, Access::Push);
        teller.say("", format!("The push refers to repository [{}]", record.name.repository()));
        let path = engine.managed_plugins.blob(&record.id, &record.manifest.digest);
        let bytes = fs::read(&path).map_err(Error::file("read", &path))?;
        let manifest: PluginManifest = serde_json::from_slice(&bytes).map_err(|error| {
            Error::invalid(format!("the manifest of {} is damaged: {error}", record.familiar()))
        })?;
        send(&engine, (&repository, &record), &manifest.config)?;
        for layer in &manifest.layers {
            let told = teller.layer(&layer.digest, layer.size);
            told.say("Preparing");
            match send(&engine, (&repository, &record), layer)? {
                Uploaded::Existed => told.say("Layer already exists"),
                Uploaded::Mounted | Uploaded::Sent => told.say("Pushed"),
            }
        }
        let tag = record.name.tag().unwrap_or("latest");
        let (digest, size) = (record.manifest.digest.clone(), bytes.len());
        let media_type = record.manifest.media_type.clone();
        repository.put_manifest(tag, &Document { media_type, digest: digest.clone(), bytes })?;
        teller.say("", format!("{tag}: digest: {digest} size: {size}"));
        teller.aux(serde_json::json!({ "Tag": tag, "Digest": digest.as_str(), "Size": size }));
        tell(&engine, "push", &record);
        drop(change);
        Ok(())
    })
    .await
}

fn send(
    engine: &Engine,
    (repository, record): (&Repository, &Record),
    blob: &Descriptor,
) -> Result<Uploaded> {
    let path = engine.managed_plugins.blob(&record.id, &blob.digest);
    let open = |from| {
        let mut file = File::open(&path)?;
        file.seek(SeekFrom::Start(from))?;
        Ok(Box::new(file) as Box<dyn std::io::Read + Send>)
    };
    Ok(repository.upload_blob(&blob.digest, blob.size, None, &open)?)
}
