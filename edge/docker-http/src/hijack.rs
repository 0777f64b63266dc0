//! Connections that stop being HTTP: the head that says so, and the bytes that go both ways afterwards.

mod detach;
mod framing;
mod passing;
mod relay;
mod websocket;

use std::io;

use bytes::Bytes;
use gantry_engine::container::Attachment;

use crate::dispatch::Outcome;
use crate::socket::ClientSocket;

pub(crate) use detach::DetachKeys;
pub(crate) use passing::Passing;
pub(crate) use websocket::head as websocket_head;

/// What a connection turns into.
pub(crate) enum Takeover {
    Attached(Attached),
    Passing(Passing),
}

/// The streams of a process.
pub(crate) struct Attached {
    /// The last words of HTTP.
    pub(crate) head: Bytes,
    pub(crate) attachment: Attachment,
    pub(crate) output: Output,
    /// Whether the client's bytes are input; otherwise they are dropped.
    pub(crate) stdin: bool,
    /// With a terminal: the keys that end the connection and leave the process running.
    pub(crate) detach_keys: DetachKeys,
    /// Whether the client is told in its stream that the process did not start; otherwise whoever started it is.
    pub(crate) tells_failure: bool,
    /// Whether both directions go in a web socket's frames.
    pub(crate) websocket: bool,
}

/// How the client gets the output, whatever the process gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Raw,
    /// In Docker's frames.
    Framed,
}

impl Output {
    pub(crate) fn raw_if(raw: bool) -> Self {
        if raw { Self::Raw } else { Self::Framed }
    }
}

impl From<Attached> for Outcome {
    fn from(attached: Attached) -> Self {
        Self::TakeOver(Takeover::Attached(attached))
    }
}

impl From<Passing> for Outcome {
    fn from(passing: Passing) -> Self {
        Self::TakeOver(Takeover::Passing(passing))
    }
}

/// Speaks the head, then passes bytes both ways to the end. `early` are bytes that came with the request already.
pub(crate) async fn relay(
    socket: ClientSocket,
    early: Bytes,
    takeover: Takeover,
) -> io::Result<()> {
    match takeover {
        Takeover::Attached(attached) => relay::relay(socket, early, attached).await,
        Takeover::Passing(passing) => passing.relay(socket, early).await,
    }
}

pub(crate) const RAW_STREAM: &str = "application/vnd.docker.raw-stream";
pub(crate) const MULTIPLEXED_STREAM: &str = "application/vnd.docker.multiplexed-stream";

/// The head of the answer: `101` by the book when the client asked for an upgrade, else a `200` whose body is
/// whatever follows on the connection.
pub(crate) fn head(upgrade: bool, stream_type: &str) -> Bytes {
    if upgrade {
        format!(
            "HTTP/1.1 101 UPGRADED\r\nContent-Type: {stream_type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        )
        .into()
    } else {
        // Never the multiplexed type, although frames may follow: so it is in Docker.
        format!("HTTP/1.1 200 OK\r\nContent-Type: {RAW_STREAM}\r\n\r\n").into()
    }
}

/// A piece as one frame of a stream that carries several; `stream` is 1 for stdout, 2 for stderr.
pub(crate) fn frame(stream: u8, piece: impl AsRef<[u8]>) -> Bytes {
    let piece = piece.as_ref();
    let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
    let mut bytes = vec![stream, 0, 0, 0];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&piece[..length as usize]);
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_as_docker_writes_them() {
        assert_eq!(
            head(true, MULTIPLEXED_STREAM),
            "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n\
             Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        );
        assert_eq!(
            head(false, MULTIPLEXED_STREAM),
            "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"
        );
    }

    #[test]
    fn a_frame_has_its_stream_and_length_before_it() {
        assert_eq!(frame(2, "no\n"), b"\x02\0\0\0\0\0\0\x03no\n".as_slice());
    }
}
