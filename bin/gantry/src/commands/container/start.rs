//! `start`: containers that are there already, one of them with its streams if asked.

use std::sync::Arc;

use gantry_client::{Client, WaitCondition};

use super::attached::Attachment;
use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::flags::{Streams, detach_keys};
use crate::output;
use crate::session::Session;
use crate::streams::DetachKeys;
use crate::terminal;

/// Start one or more stopped containers
#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    /// Attach STDOUT/STDERR and forward signals
    #[arg(short, long)]
    attach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, value_parser = detach_keys)]
    detach_keys: Option<DetachKeys>,
    /// Attach container's STDIN
    #[arg(short, long)]
    interactive: bool,
    #[arg(required = true, value_name = "CONTAINER", hide = true)]
    containers: Vec<String>,
}

impl Verb for Start {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = Arc::new(session.connect().await?);
        if self.attach || self.interactive {
            return match self.containers.as_slice() {
                [container] => self.attached(&client, container).await,
                _ => Err(Error::refused("you cannot start and attach multiple containers at once")),
            };
        }
        let mut failed = Vec::new();
        for container in &self.containers {
            match client.container_start(container, "").await {
                Ok(()) => output::line(container)?,
                Err(error) => {
                    output::remark(&Error::from(error).report());
                    failed.push(container.as_str());
                }
            }
        }
        if failed.is_empty() {
            return Ok(0);
        }
        Err(Error::refused(format!("Error: failed to start containers: {}", failed.join(", "))))
    }
}

impl Start {
    async fn attached(&self, client: &Arc<Client>, container: &str) -> Result<u8, Error> {
        let known = client.container_inspect(container).await?;
        let tty = known.config.tty;
        let stdin = self.interactive && known.config.open_stdin;
        terminal::check_input(stdin && tty)?;
        let attachment = Attachment {
            container: known.id.clone(),
            streams: Streams { stdin, stdout: true, stderr: true },
            tty,
            detach_keys: self.detach_keys.clone().unwrap_or_default(),
            sig_proxy: true,
        };
        let keys = attachment.detach_keys.as_str().to_owned();
        let attached = attachment.open(client).await?;
        let condition = if known.host_config.auto_remove {
            WaitCondition::Removed
        } else {
            WaitCondition::NextExit
        };
        let wait = client.container_wait(&known.id, condition).await?;
        client.container_start(&known.id, &keys).await?;
        attached.with_wait(wait).relay().await
    }
}
