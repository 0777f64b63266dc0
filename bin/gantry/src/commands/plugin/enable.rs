//! `plugin enable`.

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Enable a plugin
#[derive(Debug, clap::Args)]
pub(crate) struct Enable {
    /// How long the plugin may take until it listens (in seconds)
    #[arg(long, default_value_t = 30)]
    timeout: u64,
    #[arg(required = true, hide = true)]
    plugin: String,
}

impl Verb for Enable {
    const USAGE: &'static str = "[OPTIONS] PLUGIN";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        session.connect().await?.plugin_enable(&self.plugin, self.timeout).await?;
        output::line(&self.plugin)?;
        Ok(0)
    }
}
