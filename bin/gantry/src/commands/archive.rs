//! Archives that commands get: into a file or to standard output, never onto a terminal.

use std::path::{Path, PathBuf};

use gantry_client::BodyReader;
use tokio::io::AsyncWriteExt;

use crate::error::Error;
use crate::streams::copy_raw;
use crate::terminal;

/// Fails when an archive would go to a terminal.
pub(super) fn check_output(output: Option<&Path>) -> Result<(), Error> {
    if output.is_none() && terminal::stdout_is_terminal() {
        let text = "cowardly refusing to save to a terminal. Use the -o flag or redirect";
        return Err(Error::refused(text));
    }
    Ok(())
}

/// Receives an archive. A file has another name until it is whole.
pub(super) async fn receive(mut archive: BodyReader, output: Option<&Path>) -> Result<(), Error> {
    let Some(path) = output else {
        return copy_raw(&mut archive, &mut tokio::io::stdout()).await;
    };
    // A device or a pipe is written to; nothing takes its place.
    if tokio::fs::metadata(path).await.is_ok_and(|there| !there.is_file()) {
        let open = tokio::fs::OpenOptions::new().write(true).open(path).await;
        let mut there = open.map_err(Error::file("open", path))?;
        copy_raw(&mut archive, &mut there).await?;
        return there.flush().await.map_err(Error::file("write", path));
    }
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
    placed
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    name.into()
}
