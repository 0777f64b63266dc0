//! `plugin upgrade`: other content in a plugin's place.

use gantry_api::image::ProgressMessage;
use gantry_api::plugin::PluginPrivilege;
use tokio::sync::mpsc;

use super::remote::{self, RemotePlugin};
use super::{new_id, privileges, pull, tell};
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;
use crate::image::{Teller, intake};

/// Fetches what `remote` is now into the place of the plugin `name`, which keeps its id and what was set in it.
///
/// # Errors
/// The plugin runs; just what the new one wants must have been granted. After a failure the plugin is as it was.
pub async fn upgrade(
    engine: &Engine,
    name: &str,
    remote: RemotePlugin,
    granted: Vec<PluginPrivilege>,
    progress: mpsc::Sender<ProgressMessage>,
) -> Result<()> {
    let (change, record) = engine.managed_plugins.change(name)?;
    if record.enabled {
        let reason = "plugin must be disabled before upgrading".to_owned();
        return Err(Error::Conflict { reason });
    }
    let engine = engine.clone();
    intake(move || {
        let teller = Teller::new(progress);
        let repository = remote.repository(&engine);
        let found = remote::find(&engine, &repository, &remote)?;
        privileges::check(&found, &granted)?;
        let incoming = engine.managed_plugins.incoming(&new_id()?)?;
        pull::fetch((&repository, &found), &remote, &incoming, &teller)?;
        let manifest = (found.document.media_type.as_str(), found.document.bytes.as_slice());
        let origin = remote.reference.to_string();
        let record = engine.managed_plugins.replace(incoming, (&record, origin), manifest)?;
        tell(&engine, "upgrade", &record);
        teller.say("", format!("Digest: {}", found.document.digest));
        teller
            .say("", format!("Status: Downloaded newer image for {}", remote.reference.familiar()));
        drop(change);
        Ok(())
    })
    .await
}
