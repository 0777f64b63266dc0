//! Commands on images.

pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod layers;
pub(crate) mod list;
pub(crate) mod load;
pub(crate) mod prune;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod remove;
pub(crate) mod save;
pub(crate) mod tag;

use std::path::Path;

use gantry_client::Upload;

use crate::error::Error;

/// A file to be sent.
pub(super) async fn open(path: &Path) -> Result<Upload, Error> {
    let file = tokio::fs::File::open(path).await.map_err(Error::file("open", path))?;
    let metadata = file.metadata().await.map_err(Error::file("open", path))?;
    if metadata.is_dir() {
        return Err(Error::refused(format!("{} is a directory, not an archive", path.display())));
    }
    if metadata.is_file() {
        return Upload::file(file.into_std().await).map_err(Error::file("read", path));
    }
    // What comes by a pipe is sent as it comes.
    Ok(Upload::stream(file))
}
