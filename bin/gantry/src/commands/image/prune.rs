//! `image prune`: images that nobody needs go.

use gantry_api::image::ImagesPruned;
use gantry_client::Client;
use gantry_types::Filters;

use crate::cli::{Takes, Verb};
use crate::commands::confirm::confirm;
use crate::error::Error;
use crate::format::size;
use crate::output;
use crate::session::Session;

/// Remove unused images
#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// Remove all unused images, not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Provide filter values (e.g. "until=<timestamp>")
    #[arg(long, value_parser = crate::commands::filter)]
    filter: Vec<(String, String)>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

impl Verb for Prune {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let which = described(self.all);
        if !self.force && !confirm(&format!("WARNING! This will remove {which}."))? {
            return Ok(0);
        }
        let client = session.connect().await?;
        let pruned = prune(&client, self.all, &self.filter).await?;
        output::print(&report(&pruned))?;
        output::line(&format!(
            "Total reclaimed space: {}",
            size::reclaimed(pruned.space_reclaimed)
        ))?;
        Ok(0)
    }
}

/// Which images go.
pub(crate) fn described(all: bool) -> &'static str {
    if all {
        "all images without at least one container associated to them"
    } else {
        "all dangling images"
    }
}

/// Removes images: those without a name, or all that no container uses.
pub(crate) async fn prune(
    client: &Client,
    all: bool,
    filters: &[(String, String)],
) -> Result<ImagesPruned, Error> {
    let mut wanted: Filters = filters.iter().cloned().collect();
    wanted.insert("dangling", if all { "false" } else { "true" });
    Ok(client.image_prune(&wanted).await?)
}

/// What went, by name; nothing when nothing did.
pub(crate) fn report(pruned: &ImagesPruned) -> String {
    if pruned.images_deleted.is_empty() {
        return String::new();
    }
    let mut text = "Deleted Images:\n".to_owned();
    for item in &pruned.images_deleted {
        let (what, which) = match item.untagged.as_str() {
            "" => ("deleted", item.deleted.as_str()),
            name => ("untagged", name),
        };
        text.extend([what, ": ", which, "\n"]);
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use gantry_api::image::DeleteItem;

    use super::*;

    #[test]
    fn what_went_is_told_in_order() {
        assert_eq!(report(&ImagesPruned::default()), "");
        let images_deleted = vec![DeleteItem::untagged("a:1"), DeleteItem::deleted("sha256:0")];
        let pruned = ImagesPruned { images_deleted, space_reclaimed: 0 };
        assert_eq!(report(&pruned), "Deleted Images:\nuntagged: a:1\ndeleted: sha256:0\n\n");
    }
}
