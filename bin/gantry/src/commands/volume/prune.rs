//! `volume prune`: volumes that no container has go.

use gantry_api::volume::VolumesPruned;
use gantry_client::Client;

use crate::cli::{Takes, Verb};
use crate::commands::confirm::confirm;
use crate::error::Error;
use crate::format::size;
use crate::output;
use crate::session::Session;

/// Remove unused local volumes
#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// Remove all unused volumes, not just anonymous ones
    #[arg(short, long)]
    all: bool,
    /// Provide filter values (e.g. "label=<label>")
    #[arg(long, value_parser = crate::commands::filter)]
    filter: Vec<(String, String)>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

impl Verb for Prune {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(mut self, session: &Session) -> Result<u8, Error> {
        let warning = if self.all {
            "WARNING! This will remove all local volumes not used by at least one container."
        } else {
            "WARNING! This will remove anonymous local volumes not used by at least one container."
        };
        if !self.force && !confirm(warning)? {
            return Ok(0);
        }
        if self.all {
            if self.filter.iter().any(|(key, _)| key == "all") {
                return Err(Error::refused(
                    "conflicting options: cannot specify both --all and --filter all=1",
                ));
            }
            self.filter.push(("all".to_owned(), "true".to_owned()));
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

/// Removes the volumes that fit.
pub(crate) async fn prune(
    client: &Client,
    filters: &[(String, String)],
) -> Result<VolumesPruned, Error> {
    Ok(client.volume_prune(&filters.iter().cloned().collect()).await?)
}

/// What went; nothing when nothing did.
pub(crate) fn report(pruned: &VolumesPruned) -> String {
    if pruned.volumes_deleted.is_empty() {
        return String::new();
    }
    format!("Deleted Volumes:\n{}\n\n", pruned.volumes_deleted.join("\n"))
}
