//! `network disconnect`: one network less for a container, at once when it runs.

use gantry_api::network::NetworkDisconnect;
use gantry_types::ErrorKind;

use crate::Result;
use crate::container::task::{self, Command};
use crate::engine::Engine;

/// Disconnects a container from the network that `text` means. With `force`, one that is gone is no error.
pub async fn disconnect(engine: &Engine, text: &str, request: NetworkDisconnect) -> Result<()> {
    let handle = match engine.container(&request.container) {
        Err(error) if request.force && error.kind() == ErrorKind::NotFound => return Ok(()),
        result => result?,
    };
    let network = Box::new(engine.networks.find(text)?);
    task::ask(&handle, |reply| Command::Disconnect { network, reply }).await
}
