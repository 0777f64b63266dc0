//! `network prune`: networks that no container is in go.

use crate::cli::{Takes, Verb};
use crate::commands::confirm::confirm;
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Remove all unused networks
#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// Provide filter values (e.g. "until=<timestamp>")
    #[arg(long, value_parser = crate::commands::filter)]
    filter: Vec<(String, String)>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

impl Verb for Prune {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let warning =
            "WARNING! This will remove all custom networks not used by at least one container.";
        if !self.force && !confirm(warning)? {
            return Ok(0);
        }
        let filters = self.filter.into_iter().collect();
        let pruned = session.connect().await?.network_prune(&filters).await?;
        if !pruned.networks_deleted.is_empty() {
            output::print(&format!(
                "Deleted Networks:\n{}\n\n",
                pruned.networks_deleted.join("\n")
            ))?;
        }
        Ok(0)
    }
}
