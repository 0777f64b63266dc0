//! `builder prune`: builds begin anew.

use gantry_api::build::BuildPruned;

use crate::cli::{Takes, Verb};
use crate::commands::confirm::confirm;
use crate::error::Error;
use crate::format::size;
use crate::output;
use crate::session::Session;

/// Remove build cache
#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// Remove all unused build cache, and what cache mounts hold
    #[arg(short, long)]
    all: bool,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

impl Verb for Prune {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let what = if self.all {
            "all build cache, and what cache mounts hold"
        } else {
            "all build cache"
        };
        if !self.force && !confirm(&format!("WARNING! This will remove {what}."))? {
            return Ok(0);
        }
        let pruned = session.connect().await?.build_prune(self.all).await?;
        output::print(&report(&pruned))?;
        output::line(&format!(
            "\nTotal reclaimed space: {}",
            size::reclaimed(pruned.space_reclaimed)
        ))?;
        Ok(0)
    }
}

/// What went, a line for each.
pub(crate) fn report(pruned: &BuildPruned) -> String {
    let mut text = String::new();
    if !pruned.caches_deleted.is_empty() {
        text += "Deleted build cache objects:\n";
    }
    for key in &pruned.caches_deleted {
        text += key;
        text.push('\n');
    }
    text
}
