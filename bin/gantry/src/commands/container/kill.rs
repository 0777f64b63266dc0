//! `kill`: a signal to running containers.

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Kill one or more running containers
#[derive(Debug, clap::Args)]
pub(crate) struct Kill {
    /// Signal to send to the container
    #[arg(short, long)]
    signal: Option<String>,
    #[arg(required = true, value_name = "CONTAINER", hide = true)]
    containers: Vec<String>,
}

impl Verb for Kill {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = &session.connect().await?;
        let signal = self.signal.as_deref().unwrap_or_default();
        output::for_each(&self.containers, async |name| {
            Ok(client.container_kill(&name, signal).await?)
        })
        .await
    }
}
