//! `stop`: an end that containers can prepare for.

use std::sync::Arc;

use gantry_client::StopQuery;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// How a container is asked to end; `restart` asks in the same way
#[derive(Debug, clap::Args)]
pub(super) struct StopFlags {
    /// Signal to send to the container
    #[arg(short, long)]
    signal: Option<String>,
    /// Seconds to wait before killing the container
    #[arg(short, long, visible_alias = "time", value_name = "SECONDS")]
    timeout: Option<i64>,
}

impl StopFlags {
    pub(super) fn query(self) -> StopQuery {
        StopQuery { signal: self.signal, timeout_s: self.timeout }
    }
}

/// Stop one or more running containers
#[derive(Debug, clap::Args)]
pub(crate) struct Stop {
    #[command(flatten)]
    flags: StopFlags,
    #[arg(required = true, value_name = "CONTAINER", hide = true)]
    containers: Vec<String>,
}

impl Verb for Stop {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = Arc::new(session.connect().await?);
        let options = Arc::new(self.flags.query());
        output::for_each_at_once(&self.containers, |name| {
            let (client, options) = (Arc::clone(&client), Arc::clone(&options));
            async move { Ok(client.container_stop(&name, &options).await?) }
        })
        .await
    }
}
