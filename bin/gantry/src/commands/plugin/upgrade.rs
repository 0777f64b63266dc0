//! `plugin upgrade`: what a plugin is now in its registry.

use super::grant::{grant, reference};
use crate::cli::{Takes, Verb, boolean};
use crate::commands::confirm::ask;
use crate::commands::progress;
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Upgrade an existing plugin
#[derive(Debug, clap::Args)]
pub(crate) struct Upgrade {
    /// Skip image verification
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = boolean, hide = true)]
    disable_content_trust: Option<bool>,
    /// Grant all permissions necessary to run the plugin
    #[arg(long)]
    grant_all_permissions: bool,
    /// Do not check if specified remote plugin matches existing plugin image
    #[arg(long)]
    skip_remote_check: bool,
    #[arg(required = true, hide = true)]
    plugin: String,
    #[arg(hide = true)]
    remote: Option<String>,
}

impl Verb for Upgrade {
    const USAGE: &'static str = "[OPTIONS] PLUGIN [REMOTE]";
    const TAKES: Takes = Takes::Between(1, 2);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = session.connect().await?;
        let plugin = client.plugin_inspect(&self.plugin).await?;
        if plugin.enabled {
            return Err(Error::refused("the plugin must be disabled before upgrading"));
        }
        let old = reference(&plugin.plugin_reference)?;
        let remote = match &self.remote {
            Some(text) => reference(text)?,
            None => old.clone(),
        };
        if !self.skip_remote_check
            && remote != old
            && !ask("Plugin images do not match, are you sure?")?
        {
            return Err(Error::refused("canceling upgrade request"));
        }
        output::line(&format!(
            "Upgrading plugin {} from {} to {}",
            plugin.name,
            old.familiar(),
            remote.familiar()
        ))?;
        let credentials = session.credentials(remote.domain())?;
        let from = remote.to_string();
        let wanted = client.plugin_privileges(&from, credentials.as_ref()).await?;
        if !grant(&self.plugin, &wanted, self.grant_all_permissions)? {
            return Err(Error::refused("permission denied while installing plugin"));
        }
        let mut messages =
            client.plugin_upgrade((&self.plugin, &from), &wanted, credentials.as_ref()).await?;
        progress::draw(&mut messages).await?;
        output::line(&format!("Upgraded plugin {} to {}", plugin.name, remote.familiar()))?;
        Ok(0)
    }
}
