//! `run`: create, attach, wait, start, and then the container's streams until its end.

use std::sync::Arc;

use gantry_client::{Client, WaitCondition};

use super::attached::{Attachment, ended};
use super::create;
use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::flags::{ContainerFlags, detach_keys};
use crate::output;
use crate::session::Session;
use crate::streams::DetachKeys;
use crate::terminal;

/// Create and run a new container from an image
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Run container in background and print container ID
    #[arg(short, long)]
    detach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, value_parser = detach_keys)]
    detach_keys: Option<DetachKeys>,
    /// Proxy received signals to the process
    #[arg(long, default_value = "true", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", action = clap::ArgAction::Set,
        value_parser = crate::cli::boolean)]
    sig_proxy: bool,
    #[command(flatten)]
    container: ContainerFlags,
}

impl Verb for Run {
    const USAGE: &'static str = "[OPTIONS] IMAGE [COMMAND] [ARG...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(mut self, session: &Session) -> Result<u8, Error> {
        let process = &mut self.container.process;
        if self.detach && !process.attach.is_empty() {
            let text = "conflicting options: cannot specify both --attach and --detach";
            return Err(Error::refused(text));
        }
        process.detached = self.detach;
        process.proxies = session.proxies();
        terminal::check_input(process.streams().stdin && process.tty)?;
        let mut request = create::request(&self.container, "run")?;
        if let Some(size) = terminal::size().filter(|_| request.config.tty) {
            request.host_config.console_size = [size.rows.into(), size.columns.into()];
        }
        let client = Arc::new(session.connect().await.map_err(not_started)?);
        let created = create::create(session, &client, &self.container, &request)
            .await
            .map_err(not_started)?;
        self.start(&client, created.id).await
    }
}

impl Run {
    async fn start(self, client: &Arc<Client>, id: String) -> Result<u8, Error> {
        let process = &self.container.process;
        let attachment = Attachment {
            container: id.clone(),
            streams: process.streams(),
            tty: process.tty,
            detach_keys: self.detach_keys.unwrap_or_default(),
            sig_proxy: self.sig_proxy && !self.detach,
        };
        let keys = attachment.detach_keys.as_str().to_owned();
        let attached = attachment.open(client).await?;
        // Registered before the start, so that no end is missed.
        let removed = self.container.supervision.rm;
        let condition = if removed { WaitCondition::Removed } else { WaitCondition::NextExit };
        let wait = if removed || !self.detach {
            Some(client.container_wait(&id, condition).await?)
        } else {
            None
        };
        if self.detach {
            output::line(&id)?;
        }
        match (client.container_start(&id, &keys).await, wait) {
            (Ok(()), Some(wait)) if !self.detach => attached.with_wait(wait).relay().await,
            (Ok(()), _) => Ok(0),
            (Err(error), wait) => {
                if let Some(wait) = wait.filter(|_| removed) {
                    // The daemon is taking the container away; afterwards nothing of it is left.
                    ended(wait).await?;
                }
                Err(not_started(error))
            }
        }
    }
}

fn not_started(error: impl Into<Error>) -> Error {
    Error::NotStarted { command: "run", source: Box::new(error.into()) }
}
