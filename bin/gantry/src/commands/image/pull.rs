//! `pull`: an image from its registry.

use gantry_client::PullQuery;
use gantry_types::{ImageReference, InvalidReference};

use crate::cli::{Takes, Verb, boolean};
use crate::commands::progress;
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Download an image from a registry
#[derive(Debug, clap::Args)]
pub(crate) struct Pull {
    /// Download all tagged images in the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Skip image verification
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = boolean, hide = true)]
    disable_content_trust: Option<bool>,
    /// Set platform if server is multi-platform capable
    #[arg(long)]
    platform: Option<String>,
    /// Suppress verbose output
    #[arg(short, long)]
    quiet: bool,
    #[arg(required = true, hide = true)]
    name: String,
}

impl Verb for Pull {
    const USAGE: &'static str = "[OPTIONS] NAME[:TAG|@DIGEST]";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let invalid = |error: InvalidReference| Error::refused(error.to_string());
        let reference: ImageReference = self.name.parse().map_err(invalid)?;
        let names_one = self.name.rsplit('/').next().unwrap_or_default().contains([':', '@']);
        if self.all_tags && names_one {
            return Err(Error::refused("tag can't be used with --all-tags/-a"));
        }
        if !self.all_tags && !names_one && !self.quiet {
            output::line("Using default tag: latest")?;
        }
        let digest = reference.digest().map(ToString::to_string);
        let tag = digest.as_deref().or(reference.tag()).filter(|_| !self.all_tags);
        let query = PullQuery {
            repository: reference.repository(),
            tag: tag.unwrap_or_default().to_owned(),
            platform: self.platform.unwrap_or_default(),
            credentials: session.credentials(reference.domain())?,
        };
        let client = session.connect().await?;
        let mut messages = client.image_pull(&query).await?;
        if self.quiet {
            progress::show(&mut messages, |_| Ok(())).await?;
        } else {
            progress::draw(&mut messages).await?;
        }
        output::line(&if self.all_tags { reference.repository() } else { reference.to_string() })?;
        Ok(0)
    }
}
