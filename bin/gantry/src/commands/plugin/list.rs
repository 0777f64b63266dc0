//! `plugin ls`: one row per plugin.

use gantry_api::plugin::Plugin;
use serde_json::{Map, Value};

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::format::listing::{Listing, column, row};
use crate::output;
use crate::session::Session;

/// List plugins
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Provide filter values (e.g. "enabled=true")
    #[arg(short, long, value_parser = crate::commands::filter)]
    filter: Vec<(String, String)>,
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, default_value = "", hide_default_value = true)]
    format: String,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only display plugin IDs
    #[arg(short, long)]
    quiet: bool,
}

const HEADINGS: &[(&str, &str)] = &[
    ("ID", "ID"),
    ("Name", "NAME"),
    ("Description", "DESCRIPTION"),
    ("Enabled", "ENABLED"),
    ("PluginReference", "REFERENCE"),
];

impl Verb for List {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let filters = self.filter.iter().cloned().collect();
        let list = session.connect().await?.plugin_list(&filters).await?;
        let rows: Vec<_> = list.iter().map(|plugin| row_of(plugin, self.no_trunc)).collect();
        if self.quiet && self.format.is_empty() {
            output::print(&column(&rows, "ID"))?;
            return Ok(0);
        }
        let columns = &["ID", "Name", "Description", "Enabled"];
        output::print(&Listing { columns, headings: HEADINGS, rows }.render(&self.format)?)?;
        Ok(0)
    }
}

fn row_of(plugin: &Plugin, whole: bool) -> Map<String, Value> {
    let description = plugin.config.description.replace(['\n', '\r'], " ");
    let (id, description) = if whole {
        (plugin.id.clone(), description)
    } else {
        (plugin.id.chars().take(12).collect(), shortened(&description))
    };
    row([
        ("ID", id),
        ("Name", plugin.name.clone()),
        ("Description", description),
        ("Enabled", plugin.enabled.to_string()),
        ("PluginReference", plugin.plugin_reference.clone()),
    ])
}

/// With as many characters as Docker shows.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 45;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}
