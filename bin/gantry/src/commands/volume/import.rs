//! `volume import`: a new volume out of an archive.

use std::path::Path;

use gantry_client::Upload;

use crate::cli::{Takes, Verb};
use crate::commands::image;
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Create a volume with the files of a tar archive
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    #[arg(required = true, hide = true)]
    volume: String,
    #[arg(required = true, hide = true)]
    source: String,
}

impl Verb for Import {
    const USAGE: &'static str = "VOLUME file|-";
    const TAKES: Takes = Takes::Exactly(2);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let archive = match self.source.as_str() {
            "-" => Upload::stream(tokio::io::stdin()),
            path => image::open(Path::new(path)).await?,
        };
        let made = session.connect().await?.volume_import(&self.volume, archive).await?;
        output::line(&made.name)?;
        Ok(0)
    }
}
