//! `attach`: our streams on a container that runs.

use std::sync::Arc;

use gantry_api::container::ContainerState;
use gantry_client::WaitCondition;

use super::attached::Attachment;
use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::flags::{Streams, detach_keys};
use crate::session::Session;
use crate::streams::DetachKeys;
use crate::terminal;

/// Attach local standard input, output, and error streams to a running container
#[derive(Debug, clap::Args)]
pub(crate) struct Attach {
    /// Override the key sequence for detaching a container
    #[arg(long, value_parser = detach_keys)]
    detach_keys: Option<DetachKeys>,
    /// Do not attach STDIN
    #[arg(long)]
    no_stdin: bool,
    /// Proxy all received signals to the process
    #[arg(long, default_value = "true", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", action = clap::ArgAction::Set,
        value_parser = crate::cli::boolean)]
    sig_proxy: bool,
    #[arg(required = true, hide = true)]
    container: String,
}

impl Verb for Attach {
    const USAGE: &'static str = "[OPTIONS] CONTAINER";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = Arc::new(session.connect().await?);
        // Registered first, so that an end between two calls is not missed.
        let wait = client.container_wait(&self.container, WaitCondition::NotRunning).await?;
        let known = client.container_inspect(&self.container).await?;
        check_state(&known.state)?;
        let stdin = !self.no_stdin && known.config.open_stdin;
        terminal::check_input(stdin && known.config.tty)?;
        let attachment = Attachment {
            container: known.id.clone(),
            streams: Streams { stdin, stdout: true, stderr: true },
            tty: known.config.tty,
            detach_keys: self.detach_keys.unwrap_or_default(),
            sig_proxy: self.sig_proxy,
        };
        let attached = attachment.open(&client).await?.with_wait(wait);
        if client.container_inspect(&known.id).await?.state.running {
            attached.relay().await
        } else {
            attached.relay_the_rest().await
        }
    }
}

fn check_state(state: &ContainerState) -> Result<(), Error> {
    let reason = if !state.running {
        "cannot attach to a stopped container, start it first"
    } else if state.paused {
        "cannot attach to a paused container, unpause it first"
    } else if state.restarting {
        "cannot attach to a restarting container, wait until it is running"
    } else {
        return Ok(());
    };
    Err(Error::refused(reason))
}
