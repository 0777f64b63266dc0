//! `plugin set`: values of a plugin that is not enabled.

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::session::Session;

/// Change settings for a plugin
#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    #[arg(required = true, hide = true)]
    plugin: String,
    #[arg(required = true, value_name = "KEY=VALUE", hide = true)]
    settings: Vec<String>,
}

impl Verb for Set {
    const USAGE: &'static str = "PLUGIN KEY=VALUE [KEY=VALUE...]";
    const TAKES: Takes = Takes::AtLeast(2);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        session.connect().await?.plugin_set(&self.plugin, &self.settings).await?;
        Ok(0)
    }
}
