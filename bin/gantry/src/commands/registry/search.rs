//! `search`: repositories of a registry.

use gantry_api::image::SearchResult;
use gantry_types::Filters;
use serde_json::{Map, Value};

use crate::cli::{Takes, Verb};
use crate::commands::filter;
use crate::error::Error;
use crate::format::ellipsis;
use crate::format::listing::{Listing, row};
use crate::output;
use crate::session::Session;

/// What fits beside the other columns, in characters.
const DESCRIPTION: usize = 45;

/// Search Docker Hub for images
#[derive(Debug, clap::Args)]
pub(crate) struct Search {
    /// Filter output based on conditions provided
    #[arg(short, long, value_parser = filter)]
    filter: Vec<(String, String)>,
    /// Pretty-print search using a Go template
    #[arg(long, default_value = "", hide_default_value = true)]
    format: String,
    /// Max number of search results
    #[arg(long)]
    limit: Option<u32>,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    #[arg(required = true, hide = true)]
    term: String,
}

impl Verb for Search {
    const USAGE: &'static str = "[OPTIONS] TERM";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let mut filters = Filters::default();
        for (key, value) in &self.filter {
            filters.insert(key, value);
        }
        let first = self.term.split('/').next().unwrap_or_default();
        let domain = if first.contains(['.', ':']) { first } else { "docker.io" };
        let credentials = session.credentials(domain)?;
        let client = session.connect().await?;
        let limit = self.limit.filter(|limit| *limit > 0);
        let found = client.image_search(&self.term, limit, &filters, credentials.as_ref()).await?;
        let listing = Listing {
            columns: &["Name", "Description", "StarCount", "IsOfficial"],
            headings: &[
                ("Name", "NAME"),
                ("Description", "DESCRIPTION"),
                ("StarCount", "STARS"),
                ("IsOfficial", "OFFICIAL"),
                ("IsAutomated", "AUTOMATED"),
            ],
            rows: found.iter().map(|found| self.row(found)).collect(),
        };
        output::print(&listing.render(&self.format)?)?;
        Ok(0)
    }
}

impl Search {
    fn row(&self, found: &SearchResult) -> Map<String, Value> {
        let description = found.description.replace(['\n', '\r'], " ");
        let description =
            if self.no_trunc { description } else { ellipsis(&description, DESCRIPTION) };
        let check = |is: bool| if is { "[OK]" } else { "" }.to_owned();
        let common = [
            ("Name", found.name.clone()),
            ("Description", description),
            ("StarCount", found.star_count.to_string()),
        ];
        let mut told = row(common);
        if self.format.contains("json") {
            // As docker's: documents say what tables mark.
            told.insert("IsOfficial".to_owned(), found.is_official.to_string().into());
            return told;
        }
        told.insert("IsOfficial".to_owned(), check(found.is_official).into());
        told.insert("IsAutomated".to_owned(), check(found.is_automated).into());
        told
    }
}
