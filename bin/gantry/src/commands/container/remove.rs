//! `rm`: containers go, with their writable layers and logs.

use std::sync::Arc;

use gantry_client::RemoveQuery;
use gantry_types::ErrorKind;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Remove one or more containers
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Force the removal of a running container (uses SIGKILL)
    #[arg(short, long)]
    force: bool,
    /// Remove the specified link
    #[arg(short, long)]
    link: bool,
    /// Remove anonymous volumes associated with the container
    #[arg(short, long)]
    volumes: bool,
    #[arg(required = true, value_name = "CONTAINER", hide = true)]
    containers: Vec<String>,
}

impl Verb for Remove {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = Arc::new(session.connect().await?);
        let options = RemoveQuery { force: self.force, volumes: self.volumes, link: self.link };
        let mut failed = false;
        let remove = |name: String| {
            let client = Arc::clone(&client);
            async move { client.container_remove(&name, options).await }
        };
        output::at_once(&self.containers, remove, |name, removed| match removed {
            Ok(()) => output::line(name),
            Err(error) => {
                let error = Error::from(error);
                // By force, what is not there is as good as removed.
                failed |= !(self.force && error.kind() == ErrorKind::NotFound);
                output::remark(&error.report());
                Ok(())
            }
        })
        .await?;
        if failed { Err(Error::Reported) } else { Ok(0) }
    }
}
