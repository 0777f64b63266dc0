//! `save`: images into an archive.

use std::path::PathBuf;

use crate::cli::{Takes, Verb};
use crate::commands::archive;
use crate::error::Error;
use crate::session::Session;

/// Save one or more images to a tar archive (streamed to STDOUT by default)
#[derive(Debug, clap::Args)]
pub(crate) struct Save {
    /// Write to a file, instead of STDOUT
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Save only the given platform variants (os[/arch[/variant]], more than one with commas)
    #[arg(long, value_delimiter = ',')]
    platform: Vec<String>,
    #[arg(required = true, hide = true)]
    images: Vec<String>,
}

impl Verb for Save {
    const USAGE: &'static str = "[OPTIONS] IMAGE [IMAGE...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        archive::check_output(self.output.as_deref())?;
        let client = session.connect().await?;
        let saved = client.image_save(&self.images, &self.platform).await?;
        archive::receive(saved, self.output.as_deref()).await?;
        Ok(0)
    }
}
