//! `builder prune`: builds begin anew.

use gantry_api::build::BuildPruned;
use gantry_client::BuildPruneQuery;

use crate::cli::{Takes, Verb};
use crate::commands::confirm::confirm;
use crate::error::Error;
use crate::flags::value::bytes;
use crate::format::size;
use crate::output;
use crate::session::Session;

/// Remove build cache
#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// Remove all unused build cache, and what cache mounts hold
    #[arg(short, long)]
    all: bool,
    /// Provide filter values (e.g. "type=exec.cachemount", "until=24h")
    #[arg(long, value_parser = crate::commands::filter)]
    filter: Vec<(String, String)>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
    /// Amount of disk space that may be taken in any case
    #[arg(long, alias = "keep-storage", value_name = "BYTES", value_parser = bytes)]
    reserved_space: Option<i64>,
    /// Maximum amount of disk space that may be taken in the end
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_used_space: Option<i64>,
    /// Amount of the disk that is to be free in the end
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    min_free_space: Option<i64>,
}

impl Verb for Prune {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let options = self.options();
        let what = if !self.filter.is_empty() {
            "all build cache that fits the filters"
        } else if self.all {
            "all build cache, and what cache mounts hold"
        } else {
            "all build cache"
        };
        if !self.force && !confirm(&format!("WARNING! This will remove {what}."))? {
            return Ok(0);
        }
        let pruned = session.connect().await?.build_prune(&options).await?;
        output::print(&report(&pruned))?;
        output::line(&format!(
            "\nTotal reclaimed space: {}",
            size::reclaimed(pruned.space_reclaimed)
        ))?;
        Ok(0)
    }
}

impl Prune {
    fn options(&self) -> BuildPruneQuery {
        let bytes = |flag: Option<i64>| flag.and_then(|bytes| u64::try_from(bytes).ok());
        BuildPruneQuery {
            all: self.all,
            filters: self.filter.iter().cloned().collect(),
            reserved_bytes: bytes(self.reserved_space),
            max_used_bytes: bytes(self.max_used_space),
            min_free_bytes: bytes(self.min_free_space),
        }
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
