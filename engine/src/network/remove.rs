//! `network rm`: the bridge, its rules, its record.

use super::tell;
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;

/// Removes the network that `text` means; no running container may be in it.
pub async fn remove(engine: &Engine, text: &str) -> Result<()> {
    let (engine, text) = (engine.clone(), text.to_owned());
    block(move || {
        let network = engine.networks.remove(&text)?;
        tell(&engine, &network, "destroy");
        Ok(())
    })
    .await
}
