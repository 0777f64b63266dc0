//! `tag`: one more name for an image.

use gantry_types::{ImageReference, InvalidReference};

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::session::Session;

/// Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE
#[derive(Debug, clap::Args)]
pub(crate) struct Tag {
    #[arg(required = true, hide = true)]
    source: String,
    #[arg(required = true, hide = true)]
    target: String,
}

impl Verb for Tag {
    const USAGE: &'static str = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]";
    const TAKES: Takes = Takes::Exactly(2);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let invalid = |error: InvalidReference| {
            Error::refused(format!(
                "Error parsing reference: {:?} is not a valid repository/tag: {error}",
                self.target
            ))
        };
        let target: ImageReference = self.target.parse().map_err(invalid)?;
        if target.digest().is_some() {
            return Err(Error::refused("refusing to create a tag with a digest reference"));
        }
        let client = session.connect().await?;
        client
            .image_tag(&self.source, &target.repository(), target.tag().unwrap_or("latest"))
            .await?;
        Ok(0)
    }
}
