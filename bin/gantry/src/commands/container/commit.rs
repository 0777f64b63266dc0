//! `commit`: an image of what a container wrote.

use gantry_client::CommitQuery;
use gantry_types::{ImageReference, InvalidReference};

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Create a new image from a container's changes
#[derive(Debug, clap::Args)]
pub(crate) struct Commit {
    /// Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")
    #[arg(short, long, default_value = "", hide_default_value = true)]
    author: String,
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long)]
    change: Vec<String>,
    /// Commit message
    #[arg(short, long, default_value = "", hide_default_value = true)]
    message: String,
    /// Pause container during commit
    #[arg(short, long, default_value = "true", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", action = clap::ArgAction::Set,
        value_parser = crate::cli::boolean)]
    pause: bool,
    #[arg(required = true, hide = true)]
    container: String,
    #[arg(hide = true)]
    name: Option<String>,
}

impl Verb for Commit {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]";
    const TAKES: Takes = Takes::Between(1, 2);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let mut query = CommitQuery {
            author: self.author,
            message: self.message,
            pause: self.pause,
            changes: self.change,
            ..CommitQuery::default()
        };
        if let Some(name) = self.name.as_deref().filter(|name| !name.is_empty()) {
            let name: ImageReference = name
                .parse()
                .map_err(|error: InvalidReference| Error::refused(error.to_string()))?;
            if name.digest().is_some() {
                return Err(Error::refused("refusing to create a tag with a digest reference"));
            }
            query.repository = name.repository();
            name.tag().unwrap_or_default().clone_into(&mut query.tag);
        }
        let committed = session.connect().await?.container_commit(&self.container, &query).await?;
        output::line(&committed.id)?;
        Ok(0)
    }
}
