//! `container prune`: containers that do not run go.

use gantry_api::container::ContainersPruned;
use gantry_client::Client;

use crate::cli::{Takes, Verb};
use crate::commands::confirm::confirm;
use crate::error::Error;
use crate::format::size;
use crate::output;
use crate::session::Session;

/// Remove all stopped containers
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
        if !self.force && !confirm("WARNING! This will remove all stopped containers.")? {
            return Ok(0);
        }
        let client = session.connect().await?;
        let pruned = prune(&client, &self.filter).await?;
        output::print(&report(&pruned))?;
        output::line(&format!(
            "Total reclaimed space: {}",
            size::reclaimed(pruned.space_reclaimed)
        ))?;
        Ok(0)
    }
}

/// Removes the containers that fit.
pub(crate) async fn prune(
    client: &Client,
    filters: &[(String, String)],
) -> Result<ContainersPruned, Error> {
    Ok(client.container_prune(&filters.iter().cloned().collect()).await?)
}

/// What went; nothing when nothing did.
pub(crate) fn report(pruned: &ContainersPruned) -> String {
    if pruned.containers_deleted.is_empty() {
        return String::new();
    }
    format!("Deleted Containers:\n{}\n\n", pruned.containers_deleted.join("\n"))
}
