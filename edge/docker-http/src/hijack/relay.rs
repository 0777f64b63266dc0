//! The relay between a client and a process: no buffering beyond one piece, the end of one side told to
//! the other.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gantry_types::error_chain;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::framing::Framing;
use super::{Attached, DetachKeys, Output, websocket};
use crate::hijack;
use crate::socket::{ClientReader, ClientSocket, ClientWriter};

/// Bytes of one piece.
const PIECE_BYTES: usize = 32 << 10;
/// Bytes that a client may type before there is a process to read them.
const EARLY_BYTES: usize = 64 << 10;
/// How long a client may take to close its side after our end of the stream.
pub(super) const LINGER: Duration = Duration::from_secs(5);
/// How long a process may leave alone what a client typed that is gone.
const UNREAD: Duration = Duration::from_secs(2);
/// How often a client that has ended its input is looked at: is it still there?
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Speaks the head, then relays until the output has ended or the client is gone. `early` are bytes that came with
/// the request already.
pub(super) async fn relay(
    socket: ClientSocket,
    early: Bytes,
    attached: Attached,
) -> io::Result<()> {
    if attached.websocket {
        return websocket::relay_framed(socket, early, attached).await;
    }
    relay_raw(socket, early, attached).await
}

/// [`relay`] without frames of a web socket.
pub(super) async fn relay_raw(
    socket: ClientSocket,
    early: Bytes,
    attached: Attached,
) -> io::Result<()> {
    let (reader, mut writer) = socket.into_split();
    writer.send(&attached.head).await?;
    let mut input = Input { reader, early: BytesMut::from(&early[..]), ended: false };
    both_ways(&mut input, &mut writer, attached).await?;
    close(input, writer).await
}

/// Ends our side and waits a little for the client to end its own. Closing while there are bytes nobody read would
/// reset the connection, and the client might lose the last of the output.
pub(super) async fn close(mut input: Input, mut writer: ClientWriter) -> io::Result<()> {
    writer.shutdown().await?;
    // After that time it is the client's own fault.
    drop(tokio::time::timeout(LINGER, input.discard()).await);
    Ok(())
}

async fn both_ways(
    input: &mut Input,
    writer: &mut ClientWriter,
    attached: Attached,
) -> io::Result<()> {
    let Attached { mut attachment, output, stdin, detach_keys, tells_failure, .. } = attached;
    let mut framing = Framing::of(&attachment, output);
    if let Some(mut past) = attachment.past.take() {
        writer.read_by_client().await;
        while let Some(piece) = past.chunks.recv().await {
            framing.send(&piece.map_err(io::Error::other)?, writer).await?;
        }
    }
    let Some(live) = attachment.live.take() else { return Ok(()) };
    let live = tokio::select! {
        live = live => live,
        () = input.client_gone() => return Ok(()),
    };
    let process = match live {
        Ok(Ok(process)) => process,
        Ok(Err(error)) if tells_failure => {
            writer.read_by_client().await;
            return writer.send(&failure(output, &error)).await;
        }
        Ok(Err(_)) | Err(_) => return Ok(()),
    };
    let typing =
        if stdin { Typing::Passed(attachment.tty.then_some(detach_keys)) } else { Typing::Dropped };
    match exchange(input, writer, process, typing, framing).await? {
        End::Output => attachment.settled().await,
        End::ClientLeft => {}
    }
    Ok(())
}

/// What becomes of a client's bytes.
enum Typing {
    Dropped,
    /// To the process, until these keys are among them.
    Passed(Option<DetachKeys>),
}

/// Why a relay ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The process, and whoever has its streams, wrote all they had to write.
    Output,
    /// The client is gone or wants to be let go.
    ClientLeft,
}

async fn exchange(
    input: &mut Input,
    writer: &mut ClientWriter,
    process: UnixStream,
    typing: Typing,
    framing: Framing,
) -> io::Result<End> {
    let (output, sink) = process.into_split();
    let typed = async {
        match typing {
            Typing::Dropped => input.drop_all(sink).await,
            Typing::Passed(keys) => input.feed(sink, keys).await,
        }
    };
    tokio::select! {
        result = copy(output, writer, framing) => result.map(|()| End::Output),
        () = typed => Ok(End::ClientLeft),
    }
}

/// What Docker writes into the stream of a process that did not start.
fn failure(output: Output, error: &gantry_engine::Error) -> Bytes {
    let text = format!("{}\r\n", error_chain(error));
    match output {
        Output::Framed => hijack::frame(1, &text),
        Output::Raw => text.into(),
    }
}

/// Copies until the end; one piece at a time, so that a slow client slows nothing but its own stream.
///
/// The first piece waits until the head has been read: docker-py reads that by a buffer, goes on at the bare socket, and would lose what
/// came along with it.
async fn copy(
    mut from: OwnedReadHalf,
    to: &mut ClientWriter,
    mut framing: Framing,
) -> io::Result<()> {
    let mut piece = BytesMut::with_capacity(PIECE_BYTES);
    let mut is_first = true;
    while from.read_buf(&mut piece).await? > 0 {
        if std::mem::take(&mut is_first) {
            to.read_by_client().await;
        }
        framing.send(&piece, to).await?;
        piece.clear();
    }
    Ok(())
}

/// What became of a piece for the process.
pub(super) enum Passed {
    All,
    /// The process has closed its input.
    Closed,
    /// The client is gone, and the process does not read.
    Abandoned,
}

/// The client's side: what it types, and whether it is still there.
pub(super) struct Input {
    pub(super) reader: ClientReader,
    /// What has been read and not been used yet.
    pub(super) early: BytesMut,
    pub(super) ended: bool,
}

impl Input {
    /// Completes when the client has gone; until then keeps what it types, up to a limit. Can be dropped at any time.
    async fn client_gone(&mut self) {
        while !self.ended && self.early.len() < EARLY_BYTES {
            self.ended = !matches!(self.reader.read_buf(&mut self.early).await, Ok(1..));
        }
        self.hung_up().await;
    }

    /// Gives the process everything that is typed and then the end of its input. Completes when the client has gone
    /// or has typed the detach keys.
    async fn feed(&mut self, mut sink: OwnedWriteHalf, mut keys: Option<DetachKeys>) {
        let mut passed = Vec::new();
        // A process that has closed its input stays attached; the rest goes nowhere.
        let mut open = true;
        loop {
            let typed = self.early.split();
            let mut detached = false;
            let bytes = match &mut keys {
                None => &typed[..],
                Some(keys) => {
                    passed.clear();
                    detached = keys.feed(&typed, &mut passed);
                    &passed[..]
                }
            };
            if open {
                match self.pass(&mut sink, bytes).await {
                    Passed::All => {}
                    Passed::Closed => open = false,
                    Passed::Abandoned => return,
                }
            }
            if detached {
                return;
            }
            drop(typed);
            self.early.reserve(PIECE_BYTES);
            self.ended =
                self.ended || !matches!(self.reader.read_buf(&mut self.early).await, Ok(1..));
            if self.ended && self.early.is_empty() {
                break;
            }
        }
        drop(sink.shutdown().await);
        self.hung_up().await;
    }

    /// Writes everything, as slowly as the process reads. A process that does not read at all must not keep the
    /// connection of a client that is gone.
    pub(super) async fn pass(&self, sink: &mut OwnedWriteHalf, mut bytes: &[u8]) -> Passed {
        while !bytes.is_empty() {
            let abandoned = async {
                self.hung_up().await;
                tokio::time::sleep(UNREAD).await;
            };
            let written = tokio::select! {
                written = sink.write(bytes) => written,
                () = abandoned => return Passed::Abandoned,
            };
            match written {
                Ok(length @ 1..) => bytes = &bytes[length..],
                Ok(0) | Err(_) => return Passed::Closed,
            }
        }
        Passed::All
    }

    /// Drops everything that is typed; the process's input is none of this client's business. Completes when the
    /// client has gone.
    async fn drop_all(&mut self, sink: OwnedWriteHalf) {
        self.discard().await;
        self.hung_up().await;
        drop(sink);
    }

    /// Reads to the end of what the client sends.
    async fn discard(&mut self) {
        self.early.clear();
        while !self.ended {
            self.ended = !matches!(self.reader.read_buf(&mut self.early).await, Ok(1..));
            self.early.clear();
        }
    }

    /// Completes when the other end of the connection is closed both ways. A client that has only ended its input
    /// looks the same to `read`, so the socket's state is looked at instead.
    async fn hung_up(&self) {
        while !self.reader.hung_up().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests;
