//! `plugin disable`.

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Disable a plugin
#[derive(Debug, clap::Args)]
pub(crate) struct Disable {
    /// Force the disable of an active plugin
    #[arg(short, long)]
    force: bool,
    #[arg(required = true, hide = true)]
    plugin: String,
}

impl Verb for Disable {
    const USAGE: &'static str = "[OPTIONS] PLUGIN";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        session.connect().await?.plugin_disable(&self.plugin, self.force).await?;
        output::line(&self.plugin)?;
        Ok(0)
    }
}
