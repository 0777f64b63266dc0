//! `import`: an image out of a file tree in an archive.

use std::path::Path;

use gantry_client::{ImportQuery, Upload};
use gantry_types::{ImageReference, InvalidReference};

use crate::cli::{Takes, Verb};
use crate::commands::progress;
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Import the contents from a tarball to create a filesystem image
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long)]
    change: Vec<String>,
    /// Set commit message for imported image
    #[arg(short, long)]
    message: Option<String>,
    /// Set platform if server is multi-platform capable
    #[arg(long)]
    platform: Option<String>,
    #[arg(required = true, hide = true)]
    source: String,
    #[arg(hide = true)]
    name: Option<String>,
}

impl Verb for Import {
    const USAGE: &'static str = "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let mut query = ImportQuery {
            source: "-".to_owned(),
            message: self.message.unwrap_or_default(),
            changes: self.change,
            platform: self.platform.unwrap_or_default(),
            ..ImportQuery::default()
        };
        if let Some(name) = &self.name {
            let invalid = |error: InvalidReference| Error::refused(error.to_string());
            let name: ImageReference = name.parse().map_err(invalid)?;
            query.repository = name.repository();
            name.tag().unwrap_or_default().clone_into(&mut query.tag);
        }
        let archive = match self.source.as_str() {
            "-" => Upload::stream(tokio::io::stdin()),
            url if url.starts_with("http://") || url.starts_with("https://") => {
                url.clone_into(&mut query.source);
                Upload::Whole(Vec::new().into())
            }
            path => super::open(Path::new(path)).await?,
        };
        let client = session.connect().await?;
        let mut messages = client.image_import(archive, &query).await?;
        progress::show(&mut messages, output::line).await?;
        Ok(0)
    }
}
