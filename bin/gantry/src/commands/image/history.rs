//! `history`: the steps that an image was made in.

use serde_json::{Map, Value};

use gantry_api::image::HistoryItem;
use gantry_types::Timestamp;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::format::listing::{Listing, column, row};
use crate::format::{ellipsis, short_id, size, time};
use crate::output;
use crate::session::Session;

/// Show the history of an image
#[derive(Debug, clap::Args)]
pub(crate) struct History {
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, default_value = "", hide_default_value = true)]
    format: String,
    /// Print sizes and dates in human readable format
    #[arg(short = 'H', long, default_value = "true", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", action = clap::ArgAction::Set,
        value_parser = crate::cli::boolean)]
    human: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
    /// Show history for the given platform (os[/arch[/variant]])
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    #[arg(required = true, hide = true)]
    image: String,
}

impl Verb for History {
    const USAGE: &'static str = "[OPTIONS] IMAGE";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let steps = session.connect().await?.image_history(&self.image, &self.platform).await?;
        let rows: Vec<_> = steps.iter().map(|step| self.row(step)).collect();
        if self.quiet && self.format.is_empty() {
            output::print(&column(&rows, "ID"))?;
            return Ok(0);
        }
        let columns: &'static [&'static str] = if self.human {
            &["ID", "CreatedSince", "CreatedBy", "Size", "Comment"]
        } else {
            &["ID", "CreatedAt", "CreatedBy", "Size", "Comment"]
        };
        let listing = Listing {
            columns,
            headings: &[
                ("ID", "IMAGE"),
                ("CreatedSince", "CREATED"),
                ("CreatedAt", "CREATED AT"),
                ("CreatedBy", "CREATED BY"),
                ("Size", "SIZE"),
                ("Comment", "COMMENT"),
            ],
            rows,
        };
        output::print(&listing.render(&self.format)?)?;
        Ok(0)
    }
}

impl History {
    fn row(&self, step: &HistoryItem) -> Map<String, Value> {
        let cut = |text: String, length| if self.no_trunc { text } else { ellipsis(&text, length) };
        let id = if self.no_trunc || step.id.starts_with('<') {
            step.id.clone()
        } else {
            short_id(&step.id)
        };
        let moment = Timestamp { seconds: step.created, nanos: 0 };
        row([
            ("ID", id),
            ("CreatedSince", time::ago(step.created)),
            ("CreatedAt", moment.to_string()),
            ("CreatedBy", cut(step.created_by.replace('\t', " "), 45)),
            ("Size", if self.human { size::decimal(step.size) } else { step.size.to_string() }),
            ("Comment", step.comment.clone()),
        ])
    }
}
