//! `builds ls`: one row per build, the latest first.

use gantry_api::build::BuildSummary;
use gantry_types::Timestamp;
use serde_json::{Map, Value};

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::format::listing::{Listing, column, row};
use crate::format::{ellipsis, short_id, time};
use crate::output;
use crate::session::Session;

/// List builds
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, default_value = "", hide_default_value = true)]
    format: String,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only display build IDs
    #[arg(short, long)]
    quiet: bool,
}

const HEADINGS: &[(&str, &str)] = &[
    ("ID", "BUILD ID"),
    ("Name", "NAME"),
    ("Status", "STATUS"),
    ("Steps", "STEPS"),
    ("CachedSteps", "CACHED"),
    ("Created", "CREATED"),
    ("Duration", "DURATION"),
    ("ImageID", "IMAGE ID"),
    ("Error", "ERROR"),
];

impl Verb for List {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let builds = session.connect().await?.build_history().await?;
        let rows: Vec<_> = builds.iter().map(|build| self.row_of(build)).collect();
        if self.quiet && self.format.is_empty() {
            output::print(&column(&rows, "ID"))?;
            return Ok(0);
        }
        let columns = &["ID", "Name", "Status", "Steps", "CachedSteps", "Created", "Duration"];
        let listing = Listing { columns, headings: HEADINGS, rows };
        output::print(&listing.render(&self.format)?)?;
        Ok(0)
    }
}

impl List {
    fn row_of(&self, build: &BuildSummary) -> Map<String, Value> {
        let short = |id: &str| if self.no_trunc { id.to_owned() } else { short_id(id) };
        let cut = |text: &str| if self.no_trunc { text.to_owned() } else { ellipsis(text, 40) };
        let created = build.created_at.parse::<Timestamp>();
        row([
            ("ID", short(&build.id)),
            ("Name", cut(&build.name)),
            ("Status", build.status.clone()),
            ("Steps", format!("{}/{}", build.completed_steps, build.total_steps)),
            ("CachedSteps", build.cached_steps.to_string()),
            ("Created", created.map(|moment| time::ago(moment.seconds)).unwrap_or_default()),
            ("Duration", seconds(build.duration)),
            ("ImageID", short(&build.image_id)),
            ("Error", cut(&build.error)),
        ])
    }
}

/// Nanoseconds as people read them.
pub(super) fn seconds(nanos: i64) -> String {
    let tenths = nanos.max(0) / 100_000_000;
    let (minutes, tenths) = (tenths / 600, tenths % 600);
    if minutes > 0 {
        format!("{minutes}m {:02}s", tenths / 10)
    } else {
        format!("{}.{}s", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (nanos, text) in
            [(0, "0.0s"), (1_550_000_000, "1.5s"), (61_000_000_000, "1m 01s"), (-5, "0.0s")]
        {
            assert_eq!(seconds(nanos), text);
        }
    }
}
