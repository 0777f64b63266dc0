//! `plugin install`: a plugin from a registry, once its user has granted what it wants.

use super::grant::{grant, reference};
use crate::cli::{Takes, Verb, boolean};
use crate::commands::progress;
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Install a plugin
#[derive(Debug, clap::Args)]
pub(crate) struct Install {
    /// Local name for plugin
    #[arg(long, default_value = "", hide_default_value = true)]
    alias: String,
    /// Do not enable the plugin on install
    #[arg(long)]
    disable: bool,
    /// Skip image verification
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = boolean, hide = true)]
    disable_content_trust: Option<bool>,
    /// Grant all permissions necessary to run the plugin
    #[arg(long)]
    grant_all_permissions: bool,
    #[arg(required = true, hide = true)]
    plugin: String,
    #[arg(value_name = "KEY=VALUE", hide = true)]
    settings: Vec<String>,
}

impl Verb for Install {
    const USAGE: &'static str = "[OPTIONS] PLUGIN [KEY=VALUE...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let remote = reference(&self.plugin)?;
        let name = match self.alias.as_str() {
            "" => remote.familiar(),
            alias => reference(alias)?.familiar(),
        };
        let client = session.connect().await?;
        let credentials = session.credentials(remote.domain())?;
        let from = remote.to_string();
        let wanted = client.plugin_privileges(&from, credentials.as_ref()).await?;
        if !grant(&self.plugin, &wanted, self.grant_all_permissions)? {
            return Err(Error::refused("permission denied while installing plugin"));
        }
        let mut messages =
            client.plugin_pull((&from, &name), &wanted, credentials.as_ref()).await?;
        progress::draw(&mut messages).await?;
        if !self.settings.is_empty() {
            client.plugin_set(&name, &self.settings).await?;
        }
        if !self.disable {
            client.plugin_enable(&name, 0).await?;
        }
        output::line(&format!("Installed plugin {}", self.plugin))?;
        Ok(0)
    }
}
