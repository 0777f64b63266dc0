//! `restart`: stop, then start.

use super::stop::StopFlags;
use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Restart one or more containers
#[derive(Debug, clap::Args)]
pub(crate) struct Restart {
    #[command(flatten)]
    flags: StopFlags,
    #[arg(required = true, value_name = "CONTAINER", hide = true)]
    containers: Vec<String>,
}

impl Verb for Restart {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = &session.connect().await?;
        let options = &self.flags.query();
        output::for_each(&self.containers, async |name| {
            Ok(client.container_restart(&name, options).await?)
        })
        .await
    }
}
