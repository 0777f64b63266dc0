//! What a build and its client hand each other while it goes on, beside the build's own stream: files that the client takes
//! (an output), files that it brings (a cache that lies with it), and connections that it opens (to its SSH agent). The daemon names
//! each in a message by an id that nobody can guess; the client asks for it, or brings it, in a request of its own. All of it ends with
//! the build.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gantry_api::image::ProgressMessage;
use gantry_types::ContainerId;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::report::Listener;
use crate::archive_stream::{self, Pieces};
use crate::engine::Engine;
use crate::error::Error;
use crate::{Result, random};

/// What a message is called that offers something.
pub const OFFER: &str = "gantry.offer";
/// What a message is called that asks for something.
pub const WANT: &str = "gantry.want";
/// What a message is called that asks for a connection.
pub const DIAL: &str = "gantry.dial";
/// How long a build waits before it asks whether its client is still there.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a client may take to open a connection: its request has to find its way, and nobody is asked for anything yet.
const DIALLING: Duration = Duration::from_secs(30);

/// Writes what is offered.
type Writing = Box<dyn FnOnce(&mut dyn Write) -> Result<()> + Send>;

/// What is open between all builds and their clients.
#[derive(Default)]
pub(crate) struct Exchanges {
    open: Mutex<HashMap<String, Open>>,
}

/// One thing.
enum Open {
    Offer { write: Writing, ended: oneshot::Sender<bool> },
    Want(SyncSender<Brought>),
    Dial(SyncSender<UnixStream>),
}

/// What a client brings; nothing where it has none.
struct Brought {
    content: Option<Box<dyn Read + Send>>,
    taken: oneshot::Sender<()>,
}

/// A place in the table; it goes with this.
struct Place<'a> {
    exchanges: &'a Exchanges,
    id: String,
}

impl Exchanges {
    fn open(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, what: Open) -> Result<Place<'_>> {
        let id = ContainerId::from_bytes(random::bytes()?).as_str().to_owned();
        self.open().insert(id.clone(), what);
        Ok(Place { exchanges: self, id })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.exchanges.open().remove(&self.id);
    }
}

fn message(kind: &str, id: &str, about: &Value) -> ProgressMessage {
    let mut aux = json!({ "id": id });
    if let (Some(aux), Some(about)) = (aux.as_object_mut(), about.as_object()) {
        aux.extend(about.clone());
    }
    ProgressMessage { id: kind.to_owned(), aux: Some(aux), ..ProgressMessage::default() }
}

/// Offers something to the client and waits until it has all of it. `about` says what it is.
///
/// # Errors
/// The client has gone, or did not take all of it.
pub(super) async fn offer(
    engine: &Engine,
    listener: &Listener,
    about: Value,
    write: impl FnOnce(&mut dyn Write) -> Result<()> + Send + 'static,
) -> Result<()> {
    let (ended, waiting) = oneshot::channel();
    let place = engine.exchanges.add(Open::Offer { write: Box::new(write), ended })?;
    let taken = async {
        listener.tell(message(OFFER, &place.id, &about)).await;
        waiting.await.unwrap_or(false)
    };
    let all = tokio::select! {
        all = taken => all,
        () = listener.gone() => false,
    };
    if all {
        return Ok(());
    }
    listener.judge(Err(Error::invalid(
        "the client did not take all of an output of the build: build again",
    )))
}

/// What is offered under an id, to whom asks for it first.
///
/// # Errors
/// Nothing is offered under it.
pub async fn take(engine: &Engine, id: &str) -> Result<Pieces> {
    let Some(Open::Offer { write, ended }) =
        remove(engine, id, |open| matches!(open, Open::Offer { .. }))
    else {
        return Err(unknown(id));
    };
    archive_stream::start("build-output", move |opening| {
        let mut output = opening.begin();
        let written = write(&mut output)
            .and_then(|()| output.flush().map_err(Error::file("send", "an output of a build")));
        // A build that nobody waits for any more needs no answer.
        ended.send(written.is_ok()).unwrap_or_default();
        written
    })
    .await
}

/// Brings what a build has asked for under an id, or says that there is no such thing; returns when the build has it. A read of the
/// content that ends with `TimedOut` is tried again.
///
/// # Errors
/// Nothing is wanted under it.
pub async fn bring(engine: &Engine, id: &str, content: Option<Box<dyn Read + Send>>) -> Result<()> {
    let wanted = remove(engine, id, |open| match open {
        Open::Want(_) => true,
        Open::Dial(_) => content.is_none(),
        Open::Offer { .. } => false,
    });
    let sender = match wanted {
        Some(Open::Want(sender)) => sender,
        // Who waits for the connection sees that there will be none.
        Some(Open::Dial(_)) => return Ok(()),
        _ => return Err(unknown(id)),
    };
    let (taken, waiting) = oneshot::channel();
    // There is room for one, and one comes.
    sender.try_send(Brought { content, taken }).map_err(|_| unknown(id))?;
    // A build that fails on it says so itself.
    drop(waiting.await);
    Ok(())
}

/// The client's end of a connection that a build has asked for under an id.
///
/// # Errors
/// None is wanted under it.
pub fn open(engine: &Engine, id: &str) -> Result<tokio::net::UnixStream> {
    let wanted = remove(engine, id, |open| matches!(open, Open::Dial(_)));
    let Some(Open::Dial(sender)) = wanted else { return Err(unknown(id)) };
    let failed = || Error::file("open", "a connection to a build's client");
    let (near, far) = tokio::net::UnixStream::pair().map_err(failed())?;
    let near = near.into_std().map_err(failed())?;
    near.set_nonblocking(false).map_err(failed())?;
    // There is room for one, and one comes.
    sender.try_send(near).map_err(|_| unknown(id))?;
    Ok(far)
}

fn remove(engine: &Engine, id: &str, is_meant: impl Fn(&Open) -> bool) -> Option<Open> {
    let mut open = engine.exchanges.open();
    open.get(id).is_some_and(is_meant).then(|| open.remove(id)).flatten()
}

fn unknown(id: &str) -> Error {
    Error::invalid(format!("no build offers or wants {id:?} now"))
}

/// What a client brings, as long as somebody waits for the build; a read that has `TimedOut` is tried again.
pub(super) struct Heard<'a, R> {
    pub(super) content: R,
    pub(super) listener: &'a Listener,
}

impl<R: Read> Read for Heard<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.listener.check().map_err(io::Error::other)?;
            match self.content.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
                read => return read,
            }
        }
    }
}

/// Asks the client for something and hands it to `take`; nothing where it has none. Blocks.
///
/// # Errors
/// The client has gone; what `take` says.
pub(super) fn want<T>(
    engine: &Engine,
    listener: &Listener,
    about: &Value,
    take: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> Result<Option<T>> {
    let (sender, brought) = sync_channel(1);
    let place = engine.exchanges.add(Open::Want(sender))?;
    listener.say(message(WANT, &place.id, about));
    let Brought { content, taken } = loop {
        match brought.recv_timeout(PAUSE) {
            Ok(brought) => break brought,
            Err(RecvTimeoutError::Timeout) => listener.check()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::Build(gantry_build::Error::Cancelled));
            }
        }
    };
    let result = content.map(|content| take(&mut Heard { content, listener })).transpose();
    // The client may have gone meanwhile.
    taken.send(()).unwrap_or_default();
    listener.judge(result)
}

/// Asks the client for a connection to something of its own, as long as it `is_wanted`. Blocks.
///
/// # Errors
/// The client has no such thing, does not come, or has gone.
pub(super) fn dial(
    engine: &Engine,
    listener: &Listener,
    about: &Value,
    is_wanted: &dyn Fn() -> bool,
) -> Result<UnixStream> {
    let (sender, opened) = sync_channel(1);
    let place = engine.exchanges.add(Open::Dial(sender))?;
    listener.say(message(DIAL, &place.id, about));
    let deadline = Instant::now() + DIALLING;
    loop {
        match opened.recv_timeout(PAUSE) {
            Ok(stream) => return Ok(stream),
            Err(RecvTimeoutError::Timeout) if !is_wanted() => {
                return Err(Error::Build(gantry_build::Error::Cancelled));
            }
            Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => listener.check()?,
            Err(_) => {
                return Err(Error::invalid(
                    "the client opened no connection that the build asked for",
                ));
            }
        }
    }
}
