//! `kill`: a signal to running containers.

use std::sync::Arc;

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
        let client = Arc::new(session.connect().await?);
        let signal: Arc<str> = self.signal.unwrap_or_default().into();
        output::for_each_at_once(&self.containers, |name| {
            let (client, signal) = (Arc::clone(&client), Arc::clone(&signal));
            async move { Ok(client.container_kill(&name, &signal).await?) }
        })
        .await
    }
}
