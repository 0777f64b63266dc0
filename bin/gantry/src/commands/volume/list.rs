//! `volume ls`: one row per volume.

use gantry_api::volume::Volume;
use serde_json::{Map, Value};

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::format::listing::{Listing, column, row, with_labels};
use crate::format::size;
use crate::output;
use crate::session::Session;

/// List volumes
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Provide filter values (e.g. "dangling=true")
    #[arg(short, long, value_parser = crate::commands::filter)]
    filter: Vec<(String, String)>,
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, default_value = "", hide_default_value = true)]
    format: String,
    /// Only display volume names
    #[arg(short, long)]
    quiet: bool,
}

/// What the columns are called.
pub(crate) const HEADINGS: &[(&str, &str)] = &[
    ("Driver", "DRIVER"),
    ("Name", "VOLUME NAME"),
    ("Scope", "SCOPE"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Size", "SIZE"),
    ("Availability", "AVAILABILITY"),
    ("Group", "GROUP"),
    ("Status", "STATUS"),
];

impl Verb for List {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let filters = self.filter.iter().cloned().collect();
        let list = session.connect().await?.volume_list(&filters).await?;
        let rows: Vec<_> = list.volumes.iter().map(row_of).collect();
        if self.quiet && self.format.is_empty() {
            output::print(&column(&rows, "Name"))?;
            return Ok(0);
        }
        let listing = Listing { columns: &["Driver", "Name"], headings: HEADINGS, rows };
        output::print(&listing.render(&self.format)?)?;
        for warning in &list.warnings {
            output::remark(&format!("WARNING: {warning}"));
        }
        Ok(0)
    }
}

/// A volume in columns.
pub(crate) fn row_of(volume: &Volume) -> Map<String, Value> {
    let labels: Vec<String> =
        volume.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let unknown = || "N/A".to_owned();
    let usage = volume.usage_data;
    let row = row([
        ("Driver", volume.driver.clone()),
        ("Name", volume.name.clone()),
        ("Scope", volume.scope.clone()),
        ("Mountpoint", volume.mountpoint.clone()),
        ("Labels", labels.join(",")),
        ("Links", usage.map_or_else(unknown, |usage| usage.ref_count.to_string())),
        (
            "Size",
            usage
                .filter(|usage| usage.size >= 0)
                .map_or_else(unknown, |usage| size::exact(usage.size)),
        ),
        ("Availability", unknown()),
        ("Group", unknown()),
        ("Status", unknown()),
    ]);
    with_labels(row, &volume.labels)
}
