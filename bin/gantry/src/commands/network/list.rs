//! `network ls`: one row per network.

use gantry_api::network::NetworkInspect;
use serde_json::{Map, Value};

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::format::listing::{Listing, column, row, with_labels};
use crate::format::short_id;
use crate::output;
use crate::session::Session;

/// List networks
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Provide filter values (e.g. "driver=bridge")
    #[arg(short, long, value_parser = crate::commands::filter)]
    filter: Vec<(String, String)>,
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, default_value = "", hide_default_value = true)]
    format: String,
    /// Do not truncate the output
    #[arg(long)]
    no_trunc: bool,
    /// Only display network IDs
    #[arg(short, long)]
    quiet: bool,
}

impl Verb for List {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let filters = self.filter.iter().cloned().collect();
        let networks = session.connect().await?.network_list(&filters).await?;
        let rows: Vec<_> = networks.iter().map(|network| self.row(network)).collect();
        if self.quiet && self.format.is_empty() {
            output::print(&column(&rows, "ID"))?;
            return Ok(0);
        }
        let listing = Listing {
            columns: &["ID", "Name", "Driver", "Scope"],
            headings: &[
                ("ID", "NETWORK ID"),
                ("Name", "NAME"),
                ("Driver", "DRIVER"),
                ("Scope", "SCOPE"),
                ("IPv4", "IPV4"),
                ("IPv6", "IPV6"),
                ("Internal", "INTERNAL"),
                ("Labels", "LABELS"),
                ("CreatedAt", "CREATED AT"),
            ],
            rows,
        };
        output::print(&listing.render(&self.format)?)?;
        Ok(0)
    }
}

impl List {
    fn row(&self, network: &NetworkInspect) -> Map<String, Value> {
        let labels: Vec<String> =
            network.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let row = row([
            ("ID", if self.no_trunc { network.id.clone() } else { short_id(&network.id) }),
            ("Name", network.name.clone()),
            ("Driver", network.driver.clone()),
            ("Scope", network.scope.clone()),
            ("IPv4", network.enable_ipv4.to_string()),
            ("IPv6", network.enable_ipv6.to_string()),
            ("Internal", network.internal.to_string()),
            ("Labels", labels.join(",")),
            ("CreatedAt", network.created.clone()),
        ]);
        with_labels(row, &network.labels)
    }
}
