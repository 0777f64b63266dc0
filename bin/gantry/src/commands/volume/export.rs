//! `volume export`: a volume's files into an archive.

use std::path::PathBuf;

use crate::cli::{Takes, Verb};
use crate::commands::archive;
use crate::error::Error;
use crate::session::Session;

/// Export a volume's files as a tar archive
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// Write to a file, instead of STDOUT
    #[arg(short, long)]
    output: Option<PathBuf>,
    #[arg(required = true, hide = true)]
    volume: String,
}

impl Verb for Export {
    const USAGE: &'static str = "[OPTIONS] VOLUME";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        archive::check_output(self.output.as_deref())?;
        let exported = session.connect().await?.volume_export(&self.volume).await?;
        archive::receive(exported, self.output.as_deref()).await?;
        Ok(0)
    }
}
