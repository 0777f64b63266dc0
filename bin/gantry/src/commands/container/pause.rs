//! `pause`: containers' processes stand still.

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Pause all processes within one or more containers
#[derive(Debug, clap::Args)]
pub(crate) struct Pause {
    #[arg(required = true, value_name = "CONTAINER", hide = true)]
    containers: Vec<String>,
}

impl Verb for Pause {
    const USAGE: &'static str = "CONTAINER [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = &session.connect().await?;
        output::for_each(&self.containers, |name| async move {
            Ok(client.container_pause(&name).await?)
        })
        .await
    }
}
