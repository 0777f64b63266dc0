//! Archives that commands get: into a file or to standard output, never onto a terminal. And those that they write while they send them.

use std::io::{self, PipeWriter};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use gantry_client::{BodyReader, Upload};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;

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

/// A thread that writes an archive while it is sent.
pub(super) struct Writing(JoinHandle<Result<(), gantry_archive::Error>>);

impl Writing {
    /// Lets `write` write what is uploaded.
    pub(super) fn begin(
        write: impl FnOnce(PipeWriter) -> Result<(), gantry_archive::Error> + Send + 'static,
    ) -> Result<(Upload, Self), Error> {
        let system = |source| Error::System { action: "make a pipe", source };
        let (reader, writer) = io::pipe().map_err(system)?;
        let reader = pipe::Receiver::from_owned_fd(reader.into()).map_err(system)?;
        Ok((Upload::stream(reader), Self(std::thread::spawn(move || write(writer)))))
    }

    /// Waits for it, while the connection goes on: of an archive that the daemon takes no more, the connection has the other end. What
    /// it failed with matters unless the daemon has refused before.
    pub(super) async fn finish(self, accepted: bool) -> Result<(), Error> {
        let joined = tokio::task::spawn_blocking(|| self.0.join()).await;
        let written = match joined.map_err(io::Error::other) {
            Ok(Ok(written)) => written,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(source) => return Err(Error::System { action: "wait for a thread", source }),
        };
        match written {
            Err(error) if accepted || !matches!(error, gantry_archive::Error::Write { .. }) => {
                Err(Error::refused(gantry_types::error_chain(&error)))
            }
            _ => Ok(()),
        }
    }
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
