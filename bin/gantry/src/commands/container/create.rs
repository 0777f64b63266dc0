//! `create`, and the part of `run` up to the container that is there but does not run yet.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use gantry_api::container::{CreateRequest, CreateResponse};
use gantry_client::{Client, PullQuery};
use gantry_types::{ErrorKind, ImageReference};

use crate::cli::{Takes, Verb};
use crate::commands::progress;
use crate::error::Error;
use crate::flags::{ContainerFlags, Pull};
use crate::output;
use crate::session::Session;

/// Create a new container
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    #[command(flatten)]
    container: ContainerFlags,
}

impl Verb for Create {
    const USAGE: &'static str = "[OPTIONS] IMAGE [COMMAND] [ARG...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn execute(mut self, session: &Session) -> Result<u8, Error> {
        self.container.process.proxies = session.proxies();
        let request = request(&self.container, "create")?;
        let client = session.connect().await?;
        let created = create(session, &client, &self.container, &request).await?;
        output::line(&created.id)?;
        Ok(0)
    }
}

/// The request that the flags make; what is wrong with them is told in `command`'s name.
pub(super) fn request(
    flags: &ContainerFlags,
    command: &'static str,
) -> Result<CreateRequest, Error> {
    let checked = flags.supervision.pull().and_then(|_| flags.request());
    checked.map_err(|source| Error::NotStarted { command, source: Box::new(source) })
}

/// Makes the container, fetching its image as the flags say, and writes its id where they say.
pub(super) async fn create(
    session: &Session,
    client: &Client,
    flags: &ContainerFlags,
    request: &CreateRequest,
) -> Result<CreateResponse, Error> {
    let id_file = flags.supervision.cidfile.as_deref().map(IdFile::reserve).transpose()?;
    let pull = flags.supervision.pull()?;
    if pull == Pull::Always {
        fetch(session, client, flags).await?;
    }
    let name = flags.supervision.name.as_deref().unwrap_or_default();
    let platform = flags.supervision.platform.as_deref().unwrap_or_default();
    let created = match client.container_create(name, platform, request).await {
        Err(error) if error.kind() == ErrorKind::NotFound && pull == Pull::Missing => {
            let reference = flags.image().parse::<ImageReference>();
            let Ok(reference) = reference else { return Err(error.into()) };
            if !flags.supervision.quiet {
                output::remark(&format!("Unable to find image '{}' locally", reference.familiar()));
            }
            fetch(session, client, flags).await?;
            client.container_create(name, platform, request).await?
        }
        result => result?,
    };
    for warning in &created.warnings {
        output::remark(&format!("WARNING: {warning}"));
    }
    if let Some(file) = id_file {
        file.keep(&created.id)?;
    }
    Ok(created)
}

async fn fetch(session: &Session, client: &Client, flags: &ContainerFlags) -> Result<(), Error> {
    let reference: ImageReference = flags
        .image()
        .parse()
        .map_err(|error: gantry_types::InvalidReference| Error::refused(error.to_string()))?;
    let digest = reference.digest().map(ToString::to_string);
    let query = PullQuery {
        repository: reference.repository(),
        tag: digest.as_deref().or(reference.tag()).unwrap_or_default().to_owned(),
        platform: flags.supervision.platform.clone().unwrap_or_default(),
        credentials: session.credentials(reference.domain())?,
    };
    let mut messages = client.image_pull(&query).await?;
    progress::show(&mut messages, |text| {
        if !flags.supervision.quiet {
            output::remark(text);
        }
        Ok(())
    })
    .await
}

/// The file that will hold the container's id. It must not be there before, and it goes again if there is no container.
struct IdFile {
    path: PathBuf,
    written: bool,
}

impl IdFile {
    fn reserve(path: &Path) -> Result<Self, Error> {
        match OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(_) => Ok(Self { path: path.to_owned(), written: false }),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(Error::refused(format!(
                    "container ID file found, make sure the other container isn't running or delete {}",
                    path.display()
                )))
            }
            Err(source) => Err(Error::File {
                action: "create the container ID file",
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn keep(mut self, id: &str) -> Result<(), Error> {
        let written = OpenOptions::new()
            .write(true)
            .open(&self.path)
            .and_then(|mut file| file.write_all(id.as_bytes()));
        written.map_err(Error::file("write the container ID file", &self.path))?;
        self.written = true;
        Ok(())
    }
}

impl Drop for IdFile {
    fn drop(&mut self) {
        if !self.written {
            // Somebody else may have taken it away already.
            fs::remove_file(&self.path).unwrap_or(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_file_is_new_and_goes_without_a_container() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("id");
        drop(IdFile::reserve(&path).unwrap());
        assert!(!path.exists());
        IdFile::reserve(&path).unwrap().keep("abc").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "abc");
        let error = IdFile::reserve(&path).err().unwrap().to_string();
        assert!(error.starts_with("container ID file found") && error.ends_with("/id"), "{error}");
    }
}
