//! The image that a new data root begins with.

use gantry_db::Table;
use tokio::sync::mpsc;

use super::load;
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;

/// What this data root has been given already, so that a user who removes it is not given it again.
const GIVEN: Table<bool> = Table::new("embedded");
const HELLO: &str = "hello-world";

/// Loads the embedded image through the same door as everything else, once for each data root.
pub(crate) async fn embed(engine: &Engine) -> Result<()> {
    let archive = engine.settings.embedded_image;
    let asking = engine.clone();
    let given = block(move || asking.db.read(|tx| GIVEN.contains(tx, HELLO)))
        .await
        .map_err(Error::Database)?;
    if given || archive.is_empty() {
        return Ok(());
    }
    let (progress, mut messages) = mpsc::channel(1);
    let listen = async { while messages.recv().await.is_some() {} };
    let (loaded, ()) = tokio::join!(load(engine, archive, Vec::new(), progress), listen);
    loaded?;
    let engine = engine.clone();
    block(move || engine.db.write(|tx| GIVEN.put(tx, HELLO, &true))).await.map_err(Error::Database)
}
