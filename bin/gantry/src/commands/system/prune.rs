//! `system prune`: what nobody needs goes: containers, and then images.

use crate::cli::{Takes, Verb};
use crate::commands::confirm::confirm;
use crate::commands::{container, image};
use crate::error::Error;
use crate::format::size;
use crate::output;
use crate::session::Session;

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
        if self.volumes {
            return Err(Error::refused("volumes are not there yet: leave --volumes out"));
        }
        let which = image::prune::described(self.all);
        let warning =
            format!("WARNING! This will remove:\n  - all stopped containers\n  - {which}\n");
        if !self.force && !confirm(&warning)? {
            return Ok(0);
        }
        let client = session.connect().await?;
        // Containers first: their images may be in nobody's use then.
        let containers = container::prune::prune(&client, &self.filter).await?;
        output::print(&container::prune::report(&containers))?;
        let images = image::prune::prune(&client, self.all, &self.filter).await?;
        output::print(&image::prune::report(&images))?;
        let total = containers.space_reclaimed.saturating_add(images.space_reclaimed);
        output::line(&format!("Total reclaimed space: {}", size::reclaimed(total)))?;
        Ok(0)
    }
}
