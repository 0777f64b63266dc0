//! `network disconnect`: one network less for a container.

use gantry_api::network::NetworkDisconnect;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::session::Session;

/// Disconnect a container from a network
#[derive(Debug, clap::Args)]
pub(crate) struct Disconnect {
    /// Force the container to disconnect from a network
    #[arg(short, long)]
    force: bool,
    #[arg(required = true, hide = true)]
    network: String,
    #[arg(required = true, hide = true)]
    container: String,
}

impl Verb for Disconnect {
    const USAGE: &'static str = "[OPTIONS] NETWORK CONTAINER";
    const TAKES: Takes = Takes::Exactly(2);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let request = NetworkDisconnect { container: self.container, force: self.force };
        session.connect().await?.network_disconnect(&self.network, &request).await?;
        Ok(0)
    }
}
