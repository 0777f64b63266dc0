//! `builder cache export`: a cache mount's files into an archive.

use std::path::PathBuf;

use crate::cli::{Takes, Verb};
use crate::commands::archive;
use crate::error::Error;
use crate::session::Session;

/// Export what a cache mount holds as a tar archive
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// Write to a file, instead of STDOUT
    #[arg(short, long)]
    output: Option<PathBuf>,
    #[arg(required = true, hide = true)]
    id: String,
}

impl Verb for Export {
    const USAGE: &'static str = "[OPTIONS] ID";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        archive::check_output(self.output.as_deref())?;
        let exported = session.connect().await?.build_mount_export(&self.id).await?;
        archive::receive(exported, self.output.as_deref()).await?;
        Ok(0)
    }
}
