//! `builder cache import`: what a cache mount is to hold, out of an archive.

use std::path::Path;

use gantry_client::Upload;

use crate::cli::{Takes, Verb};
use crate::commands::image;
use crate::error::Error;
use crate::session::Session;

/// Fill a cache mount with the files of a tar archive, instead of what it holds
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    #[arg(required = true, hide = true)]
    id: String,
    #[arg(required = true, hide = true)]
    source: String,
}

impl Verb for Import {
    const USAGE: &'static str = "ID file|-";
    const TAKES: Takes = Takes::Exactly(2);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let archive = match self.source.as_str() {
            "-" => Upload::stream(tokio::io::stdin()),
            path => image::open(Path::new(path)).await?,
        };
        session.connect().await?.build_mount_import(&self.id, archive).await?;
        Ok(0)
    }
}
