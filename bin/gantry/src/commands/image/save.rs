//! `save`: images into an archive.

use std::path::{Path, PathBuf};

use tokio::io::AsyncWriteExt;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::session::Session;
use crate::streams::copy_raw;
use crate::terminal;

/// Save one or more images to a tar archive (streamed to STDOUT by default)
#[derive(Debug, clap::Args)]
pub(crate) struct Save {
    /// Write to a file, instead of STDOUT
    #[arg(short, long)]
    output: Option<PathBuf>,
    #[arg(required = true, hide = true)]
    images: Vec<String>,
}

impl Verb for Save {
    const USAGE: &'static str = "[OPTIONS] IMAGE [IMAGE...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        if self.output.is_none() && terminal::stdout_is_terminal() {
            let text = "cowardly refusing to save to a terminal: use the -o flag or redirect";
            return Err(Error::refused(text));
        }
        let client = session.connect().await?;
        let mut archive = client.image_save(&self.images).await?;
        let Some(path) = &self.output else {
            copy_raw(&mut archive, &mut tokio::io::stdout()).await?;
            return Ok(0);
        };
        // Under another name until it is whole.
        let partial = partial(path);
        let mut file =
            tokio::fs::File::create(&partial).await.map_err(Error::file("create", &partial))?;
        let written = match copy_raw(&mut archive, &mut file).await {
            Ok(()) => file.flush().await.map_err(Error::file("write", &partial)),
            Err(error) => Err(error),
        };
        let placed = match written {
            Ok(()) => tokio::fs::rename(&partial, path).await.map_err(Error::file("write", path)),
            Err(error) => Err(error),
        };
        if placed.is_err() {
            drop(tokio::fs::remove_file(&partial).await);
        }
        placed.map(|()| 0)
    }
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    name.into()
}
