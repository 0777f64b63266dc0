//! `plugin push`: a plugin to its registry.

use super::grant::reference;
use crate::cli::{Takes, Verb, boolean};
use crate::commands::progress;
use crate::error::Error;
use crate::session::Session;

/// Push a plugin to a registry
#[derive(Debug, clap::Args)]
pub(crate) struct Push {
    /// Skip image signing
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = boolean, hide = true)]
    disable_content_trust: Option<bool>,
    #[arg(required = true, hide = true)]
    plugin: String,
}

impl Verb for Push {
    const USAGE: &'static str = "[OPTIONS] PLUGIN[:TAG]";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let name = reference(&self.plugin)?;
        if name.digest().is_some() {
            return Err(Error::refused(format!("invalid name: {}", self.plugin)));
        }
        let client = session.connect().await?;
        let credentials = session.credentials(name.domain())?;
        let mut messages = client.plugin_push(&name.to_string(), credentials.as_ref()).await?;
        progress::draw(&mut messages).await?;
        Ok(0)
    }
}
