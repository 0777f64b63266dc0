//! `system prune`: what nobody needs goes: containers, volumes when asked, images, and what builds remember.

use gantry_client::BuildPruneQuery;

use crate::cli::{Takes, Verb};
use crate::commands::confirm::confirm;
use crate::commands::{builder, container, image, volume};
use crate::error::Error;
use crate::format::size;
use crate::output;
use crate::session::Session;

const VOLUMES: &str = "  - all anonymous volumes not used by at least one container\n";

/// Remove unused data
#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// Remove all unused images not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Provide filter values (e.g. "label=<key>=<value>")
    #[arg(long, value_parser = crate::commands::filter)]
    filter: Vec<(String, String)>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
    /// Prune anonymous volumes
    #[arg(long)]
    volumes: bool,
}

impl Verb for Prune {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let which = image::prune::described(self.all);
        let volumes = if self.volumes { VOLUMES } else { "" };
        // What builds remember has no labels.
        let with_cache = self.filter.is_empty();
        let cache = match (with_cache, self.all) {
            (false, _) => "",
            (true, false) => "  - unused build cache\n",
            (true, true) => "  - all build cache, and what cache mounts hold\n",
        };
        let warning = format!(
            "WARNING! This will remove:\n  - all stopped containers\n{volumes}  - {which}\n{cache}"
        );
        if !self.force && !confirm(&warning)? {
            return Ok(0);
        }
        let client = session.connect().await?;
        // Containers first: their images may be in nobody's use then.
        let containers = container::prune::prune(&client, &self.filter).await?;
        output::print(&container::prune::report(&containers))?;
        let mut total = containers.space_reclaimed;
        if self.volumes {
            let pruned = volume::prune::prune(&client, &self.filter).await?;
            output::print(&volume::prune::report(&pruned))?;
            total = total.saturating_add(pruned.space_reclaimed);
        }
        let images = image::prune::prune(&client, self.all, &self.filter).await?;
        output::print(&image::prune::report(&images))?;
        total = total.saturating_add(images.space_reclaimed);
        if with_cache {
            let options = BuildPruneQuery { all: self.all, ..BuildPruneQuery::default() };
            let pruned = client.build_prune(&options).await?;
            output::print(&builder::prune::report(&pruned))?;
            total = total.saturating_add(pruned.space_reclaimed);
        }
        output::line(&format!("Total reclaimed space: {}", size::reclaimed(total)))?;
        Ok(0)
    }
}
