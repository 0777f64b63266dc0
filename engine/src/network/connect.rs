//! `network connect`: one more network for a container, at once when it runs.

use gantry_api::network::NetworkConnect;

use crate::Result;
use crate::container::task::{self, Command};
use crate::engine::Engine;

/// Connects a container to the network that `text` means.
pub async fn connect(engine: &Engine, text: &str, request: NetworkConnect) -> Result<()> {
    let handle = engine.container(&request.container)?;
    let network = engine.networks.find(text)?;
    let (network, settings) =
        (Box::new(network), Box::new(request.endpoint_config.unwrap_or_default()));
    task::ask(&handle, |reply| Command::Connect { network, settings, reply }).await
}
