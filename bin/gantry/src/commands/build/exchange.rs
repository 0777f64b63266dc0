//! What a build hands over while it goes on: outputs that come to lie here, caches that lie here, and connections to agents.

mod connections;

use std::fs::File;
use std::io::{self, Cursor};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gantry_api::build::BuildExchange;
use gantry_api::image::ProgressMessage;
use gantry_archive::{ApplyOptions, Merge, Whiteouts};
use gantry_client::{BodyReader, Client, Upload};
use serde_json::Value;
use tokio::net::unix::pipe;
use tokio::task::JoinSet;

use super::results::{Place, Wanted, in_cache};
use crate::commands::archive::{self, Writing};
use crate::error::Error;
use crate::streams::copy_raw;
use connections::Connections;

/// The messages that are meant.
const OFFER: &str = "gantry.offer";
const WANT: &str = "gantry.want";
const DIAL: &str = "gantry.dial";
const METADATA: &str = "gantry.metadata";

/// How long the build may take to say why, after the daemon refused something that it had asked for: a build that has ended wants
/// nothing any more.
const PATIENCE: Duration = Duration::from_secs(2);

/// Hands files over, each in a task of its own.
pub(super) struct Exchange {
    client: Arc<Client>,
    wanted: Arc<Wanted>,
    tasks: JoinSet<Result<(), Error>>,
    connections: Connections,
}

impl Exchange {
    pub(super) fn new(client: Arc<Client>, wanted: Wanted) -> Self {
        Self {
            client,
            wanted: Arc::new(wanted),
            tasks: JoinSet::new(),
            connections: Connections::default(),
        }
    }

    /// Does what a message asks for; whether it is one of this kind.
    pub(super) fn take(&mut self, message: &ProgressMessage) -> Result<bool, Error> {
        let Some(aux) = &message.aux else { return Ok(false) };
        match message.id.as_str() {
            METADATA => {
                if let Some(path) = &self.wanted.metadata_file {
                    let text = serde_json::to_string_pretty(aux).unwrap_or_default();
                    std::fs::write(path, text).map_err(Error::file("write", path))?;
                }
            }
            DIAL => self.connections.open(&self.client, &self.wanted, read(aux)?),
            id @ (OFFER | WANT) => {
                let exchange = read(aux)?;
                let (client, wanted) = (Arc::clone(&self.client), Arc::clone(&self.wanted));
                let is_offer = id == OFFER;
                self.tasks.spawn(async move {
                    let done = if is_offer {
                        get(&client, &wanted, exchange).await
                    } else {
                        bring(&client, &wanted, exchange).await
                    };
                    if let Err(Error::Client(_)) = &done {
                        tokio::time::sleep(PATIENCE).await;
                    }
                    done
                });
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Why connections could not be had that commands wanted.
    pub(super) fn complaints(&mut self) -> impl Iterator<Item = &str> {
        self.connections.complaints()
    }

    /// Waits for all of it; the first failure.
    pub(super) async fn finish(mut self) -> Result<(), Error> {
        while let Some(done) = self.next().await {
            done?;
        }
        Ok(())
    }

    /// Waits for the first failure; for ever, where there is none.
    pub(super) async fn failed(&mut self) -> Error {
        loop {
            match self.next().await {
                Some(Ok(())) => {}
                Some(Err(error)) => return error,
                None => std::future::pending().await,
            }
        }
    }

    async fn next(&mut self) -> Option<Result<(), Error>> {
        Some(match self.tasks.join_next().await? {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Error::refused("an output of the build was given up")),
            },
        })
    }
}

fn read(aux: &Value) -> Result<BuildExchange, Error> {
    serde_json::from_value(aux.clone())
        .map_err(|error| Error::refused(format!("the daemon offers what cannot be read: {error}")))
}

async fn get(client: &Client, wanted: &Wanted, offered: BuildExchange) -> Result<(), Error> {
    let unknown = || Error::refused("the daemon offers something that nobody asked for");
    let place = match (offered.output, offered.cache) {
        (Some(number), _) => wanted.outputs.get(number).cloned(),
        (None, Some(number)) => {
            wanted.caches_written.get(number).cloned().flatten().map(Place::Folder)
        }
        (None, None) => None,
    };
    let place = place.ok_or_else(unknown)?;
    let content = client.build_take(&offered.id).await?;
    match place {
        Place::Daemon => Err(unknown()),
        Place::Output => archive::receive(content, None).await,
        Place::File(path) => archive::receive(content, Some(&path)).await,
        Place::Folder(path) => into_folder(content, &path).await,
    }
}

/// Puts files into a folder, where nothing leads out of it. They are the user's, whoever had them in the image.
async fn into_folder(mut content: BodyReader, folder: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(Error::file("create directory", folder))?;
    let system = |source| Error::System { action: "make a pipe", source };
    let (reader, writer) = io::pipe().map_err(system)?;
    let mut writer = pipe::Sender::from_owned_fd(writer.into()).map_err(system)?;
    let root = File::open(folder).map_err(Error::file("open", folder))?;
    let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let options = ApplyOptions {
        whiteouts: Whiteouts::Plain,
        merge: Merge { owner: Some(own), kinds_stay: true, root_stays: true, rename: None },
        ..ApplyOptions::default()
    };
    let applying = tokio::task::spawn_blocking(move || {
        gantry_archive::apply(reader, root.as_fd(), &options).map(drop)
    });
    let copied = copy_raw(&mut content, &mut writer).await;
    drop(writer);
    let applied = match applying.await {
        Ok(applied) => applied,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => return Err(Error::refused("an output of the build was given up")),
        },
    };
    // What could not be written is why nothing more could be copied.
    applied.map_err(|error| {
        let reason = gantry_types::error_chain(&error);
        Error::refused(format!("write the output to {}: {reason}", folder.display()))
    })?;
    copied
}

async fn bring(client: &Client, wanted: &Wanted, asked: BuildExchange) -> Result<(), Error> {
    if asked.context {
        return bring_context(client, wanted, asked).await;
    }
    let folder = match (asked.cache, asked.layout) {
        (Some(number), _) => wanted.caches_read.get(number).and_then(Option::as_ref),
        (None, Some(number)) => wanted.layouts.get(number),
        (None, None) => None,
    };
    let path = folder.and_then(|folder| in_cache(folder, &asked.path));
    let file = path.and_then(|path| File::open(path).ok());
    let content = file.map(Upload::file).transpose();
    let content = content.map_err(|source| Error::System { action: "start a thread", source })?;
    Ok(client.build_bring(&asked.id, content).await?)
}

/// What the daemon wants of the folder that is the context.
async fn bring_context(
    client: &Client,
    wanted: &Wanted,
    asked: BuildExchange,
) -> Result<(), Error> {
    let Some(mirrored) = wanted.mirrored.clone() else {
        return Ok(client.build_bring(&asked.id, None).await?);
    };
    let missing = asked.missing;
    let system = |source| Error::System { action: "start a thread", source };
    let made = if asked.path == "listing" {
        tokio::task::spawn_blocking(move || {
            Ok((Upload::stream(Cursor::new(mirrored.list()?)), None))
        })
        .await
    } else {
        let send = move || mirrored.send(&missing).map(|(upload, writing)| (upload, Some(writing)));
        tokio::task::spawn_blocking(send).await
    };
    let made = made.map_err(|error| system(io::Error::other(error)))?;
    let (upload, writing): (Upload, Option<Writing>) = match made {
        Ok(made) => made,
        Err(error) => {
            // The build ends for want of it; why, is said here.
            client.build_bring(&asked.id, None).await?;
            return Err(error);
        }
    };
    let brought = client.build_bring(&asked.id, Some(upload)).await;
    if let Some(writing) = writing {
        writing.finish(brought.is_ok()).await?;
    }
    Ok(brought?)
}
