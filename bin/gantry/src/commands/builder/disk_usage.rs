//! `builder du`: what builds remember, one row for each.

use gantry_api::system::BuildCacheRecord;

use crate::cli::{Takes, Verb};
use crate::commands::system::df;
use crate::error::Error;
use crate::format::listing::Listing;
use crate::format::size;
use crate::output;
use crate::session::Session;

/// Show what builds remember, and what it takes
#[derive(Debug, clap::Args)]
pub(crate) struct DiskUsage {
    /// Provide filter values (e.g. "type=exec.cachemount")
    #[arg(long, value_parser = crate::commands::filter)]
    filter: Vec<(String, String)>,
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, default_value = "", hide_default_value = true)]
    format: String,
}

impl Verb for DiskUsage {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        for (key, _) in &self.filter {
            if !matches!(key.as_str(), "id" | "type" | "description") {
                let known = "id, type and description are known";
                return Err(Error::refused(format!("invalid filter {key:?}: {known}")));
            }
        }
        let usage = session.connect().await?.df().await?.build_cache_usage.unwrap_or_default();
        let rows = usage.items.iter().filter(|one| self.shows(one)).map(df::cache_row).collect();
        let listing = Listing {
            columns: &["ID", "CacheType", "Size", "LastUsedSince", "InUse", "Description"],
            headings: &[
                ("ID", "CACHE ID"),
                ("CacheType", "CACHE TYPE"),
                ("Size", "SIZE"),
                ("CreatedSince", "CREATED"),
                ("LastUsedSince", "LAST USED"),
                ("UsageCount", "USAGE"),
                ("Shared", "SHARED"),
                ("InUse", "IN USE"),
                ("Description", "DESCRIPTION"),
            ],
            rows,
        };
        output::print(&listing.render(&self.format)?)?;
        if self.format.is_empty() {
            output::line(&format!("\nReclaimable:\t{}", size::exact(usage.reclaimable)))?;
            output::line(&format!("Total:\t\t{}", size::exact(usage.total_size)))?;
        }
        Ok(0)
    }
}

impl DiskUsage {
    fn shows(&self, one: &BuildCacheRecord) -> bool {
        let fits = |(key, value): &(String, String)| match key.as_str() {
            "id" => {
                one.id.starts_with(value.as_str())
                    || one.description.ends_with(&format!(" {value}"))
            }
            "type" => one.r#type == *value,
            _ => one.description.contains(value.as_str()),
        };
        // Several values of one key mean any of them.
        let keys = self.filter.iter().map(|(key, _)| key);
        keys.clone().all(|key| self.filter.iter().filter(|(own, _)| own == key).any(fits))
    }
}
