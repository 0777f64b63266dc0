//! `load`: images out of an archive.

use std::path::PathBuf;

use gantry_client::Upload;

use crate::cli::{Takes, Verb};
use crate::commands::progress;
use crate::error::Error;
use crate::output;
use crate::session::Session;
use crate::terminal;

/// Load an image from a tar archive or STDIN
#[derive(Debug, clap::Args)]
pub(crate) struct Load {
    /// Read from tar archive file, instead of STDIN
    #[arg(short, long)]
    input: Option<PathBuf>,
    /// Suppress the load output
    #[arg(short, long)]
    quiet: bool,
    /// Load only the given platform variants (os[/arch[/variant]], more than one with commas)
    #[arg(long, value_delimiter = ',')]
    platform: Vec<String>,
}

impl Verb for Load {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let archive = match &self.input {
            Some(path) => super::open(path).await?,
            None if terminal::stdin_is_terminal() => {
                let text =
                    "requested load from stdin, but stdin is a terminal: name an archive with -i";
                return Err(Error::refused(text));
            }
            None => Upload::stream(tokio::io::stdin()),
        };
        let quiet = self.quiet || !terminal::stdout_is_terminal();
        let client = session.connect().await?;
        let mut messages = client.image_load(archive, quiet, &self.platform).await?;
        progress::show(&mut messages, output::line).await?;
        Ok(0)
    }
}
