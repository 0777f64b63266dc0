//! `builds prune`: forgets all builds that are over; their images stay.

use crate::cli::{Takes, Verb};
use crate::commands::confirm::confirm;
use crate::error::Error;
use crate::format::size;
use crate::output;
use crate::session::Session;

/// Remove all builds that are over from the history
#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

impl Verb for Prune {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let question = "WARNING! This will remove all builds that are over from the history.";
        if !self.force && !confirm(question)? {
            return Ok(0);
        }
        let pruned = session.connect().await?.build_history_prune().await?;
        for id in &pruned.builds_deleted {
            output::line(id)?;
        }
        output::line(&format!(
            "Total reclaimed space: {}",
            size::reclaimed(pruned.space_reclaimed)
        ))?;
        Ok(0)
    }
}
