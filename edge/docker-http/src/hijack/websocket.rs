//! Attaching over a web socket (RFC 6455): the head that begins it, and its frames around the relay's raw bytes. Output
//! goes out as binary messages without Docker's own frames, both streams in one, as Docker's engine does it.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use hyper::header::{HeaderMap, HeaderName, UPGRADE};
use sha1::{Digest, Sha1};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use super::relay::{self, Input, LINGER, Passed};
use super::{Attached, Output};
use crate::error::Error;
use crate::socket::{ClientSocket, ClientWriter, Transport};

/// What every server adds to a client's key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");

/// Bytes that are read or written at once.
const PIECE_BYTES: usize = 32 << 10;
/// The longest ping, close or pong.
const CONTROL_BYTES: u64 = 125;
/// Pings that wait for their answer.
const PONGS: usize = 4;

/// More of a message.
const CONTINUED: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// This frame is the last of its message.
const LAST: u8 = 0x80;
/// "Normal closure".
const DONE: [u8; 2] = 1000_u16.to_be_bytes();

/// The head of the answer to a client that asks for a web socket.
pub(crate) fn head(headers: &HeaderMap) -> Result<Bytes, Error> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let asks = text(&UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    let (true, Some(key), Some("13")) = (asks, text(&KEY), text(&VERSION)) else {
        let reason = "this address takes web sockets of version 13 only: send Upgrade: websocket with a key, or attach \
                      with POST";
        return Err(Error::Invalid(reason.to_owned()));
    };
    let accept = accept(key);
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    Ok(head.into())
}

fn accept(key: &str) -> String {
    STANDARD.encode(Sha1::digest(format!("{}{GUID}", key.trim())))
}

/// [`relay::relay`] with frames around what goes each way.
pub(super) async fn relay_framed(
    socket: ClientSocket,
    early: Bytes,
    attached: Attached,
) -> io::Result<()> {
    let (reader, mut writer) = socket.into_split();
    writer.send(&attached.head).await?;
    let (near, far) = UnixStream::pair()?;
    let far = ClientSocket::new(Transport::Unix(far));
    let inner = Attached { head: Bytes::new(), output: Output::Raw, websocket: false, ..attached };
    let (output, input) = near.into_split();
    let (pongs, answers) = mpsc::channel(PONGS);
    // In its own task, because it is a relay within a relay.
    let inner = tokio::spawn(relay::relay_raw(far, Bytes::new(), inner));
    let mut frames = Frames(Input { reader, early: BytesMut::from(&early[..]), ended: false });
    let result = tokio::select! {
        // Both end the connection: the client's close, and the end of the output.
        result = receive(&mut frames, input, pongs) => result,
        result = send(output, &mut writer, answers) => result,
    };
    inner.abort();
    result?;
    // After that time it is the fault of a client that does not read.
    drop(tokio::time::timeout(LINGER, message(&mut writer, CLOSE, &DONE)).await);
    relay::close(frames.0, writer).await
}

/// A client's frames.
struct Frames(Input);

/// The beginning of a frame.
struct Head {
    kind: u8,
    length: u64,
    mask: [u8; 4],
}

impl Frames {
    /// Reads until there are `length` bytes.
    async fn fill(&mut self, length: usize) -> io::Result<()> {
        while self.0.early.len() < length {
            self.0.early.reserve(PIECE_BYTES);
            if self.0.reader.read_buf(&mut self.0.early).await? == 0 {
                self.0.ended = true;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    async fn head(&mut self) -> io::Result<Head> {
        self.fill(2).await?;
        let start = self.0.early.split_to(2);
        let (first, second) = (start[0], start[1]);
        // A client's frames are masked; without extensions the reserved bits are zero.
        if second & 0x80 == 0 || first & 0x70 != 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let length = match second & 0x7f {
            126 => {
                self.fill(2).await?;
                let bytes = self.0.early.split_to(2);
                u64::from(u16::from_be_bytes([bytes[0], bytes[1]]))
            }
            127 => {
                self.fill(8).await?;
                let mut bytes = [0; 8];
                bytes.copy_from_slice(&self.0.early.split_to(8));
                u64::from_be_bytes(bytes)
            }
            length => u64::from(length),
        };
        self.fill(4).await?;
        let mut mask = [0; 4];
        mask.copy_from_slice(&self.0.early.split_to(4));
        let kind = first & 0x0f;
        match kind {
            CONTINUED | TEXT | BINARY => {}
            CLOSE | PING | PONG if length <= CONTROL_BYTES && first & LAST != 0 => {}
            // The others are reserved.
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(Head { kind, length, mask })
    }

    /// The next bytes of a frame's payload, at most `left`.
    async fn payload(&mut self, left: u64, mask: &mut [u8; 4]) -> io::Result<BytesMut> {
        if self.0.early.is_empty() {
            self.fill(1).await?;
        }
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(self.0.early.len());
        let mut piece = self.0.early.split_to(length);
        for (byte, number) in piece.iter_mut().zip((0..4).cycle()) {
            *byte ^= mask[number];
        }
        mask.rotate_left(length % 4);
        Ok(piece)
    }
}

/// What a client sends becomes the process's input, until the client closes.
async fn receive(
    frames: &mut Frames,
    mut input: OwnedWriteHalf,
    pongs: mpsc::Sender<Bytes>,
) -> io::Result<()> {
    // A process that has closed its input stays attached; the rest goes nowhere.
    let mut open = true;
    loop {
        let Head { kind, length, mut mask } = match frames.head().await {
            // It went away without a close.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            head => head?,
        };
        let mut left = length;
        let mut control = BytesMut::new();
        while left > 0 {
            let piece = frames.payload(left, &mut mask).await?;
            left -= piece.len() as u64;
            match kind {
                CONTINUED | TEXT | BINARY if !open => {}
                CONTINUED | TEXT | BINARY => match frames.0.pass(&mut input, &piece).await {
                    Passed::All => {}
                    Passed::Closed => open = false,
                    Passed::Abandoned => return Ok(()),
                },
                _ => control.extend_from_slice(&piece),
            }
        }
        match kind {
            CLOSE => return Ok(()),
            // Too many at once are not all answered.
            PING => drop(pongs.try_send(control.freeze())),
            _ => {}
        }
    }
}

/// The process's output becomes messages, until it ends.
async fn send(
    mut output: OwnedReadHalf,
    writer: &mut ClientWriter,
    mut pongs: mpsc::Receiver<Bytes>,
) -> io::Result<()> {
    let mut bytes = BytesMut::new();
    loop {
        bytes.reserve(PIECE_BYTES);
        tokio::select! {
            read = output.read_buf(&mut bytes) => {
                if read? == 0 {
                    return Ok(());
                }
                message(writer, BINARY, &bytes.split()).await?;
            }
            Some(pong) = pongs.recv() => message(writer, PONG, &pong).await?,
        }
    }
}

async fn message(writer: &mut ClientWriter, kind: u8, payload: &[u8]) -> io::Result<()> {
    let mut frame = BytesMut::from(&frame_head(kind, payload.len())[..]);
    frame.extend_from_slice(payload);
    writer.send(&frame).await
}

/// A server's frames are not masked.
fn frame_head(kind: u8, length: usize) -> Vec<u8> {
    let mut head = vec![LAST | kind];
    match u16::try_from(length) {
        Ok(length) if u64::from(length) <= CONTROL_BYTES => {
            head.extend(length.to_be_bytes().get(1));
        }
        Ok(length) => {
            head.push(126);
            head.put_u16(length);
        }
        Err(_) => {
            head.push(127);
            head.put_u64(length as u64);
        }
    }
    head
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[test]
    fn the_specification_s_own_key() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_no_web_socket_is_refused() {
        let mut headers = HeaderMap::new();
        assert!(head(&headers).is_err());
        headers.insert(UPGRADE, "WebSocket".parse().unwrap());
        headers.insert(KEY, "dGhlIHNhbXBsZSBub25jZQ==".parse().unwrap());
        headers.insert(VERSION, "8".parse().unwrap());
        assert!(head(&headers).is_err());
        headers.insert(VERSION, "13".parse().unwrap());
        assert!(head(&headers).unwrap().starts_with(b"HTTP/1.1 101 "));
    }

    #[test]
    fn heads_have_three_lengths() {
        assert_eq!(frame_head(BINARY, 5), [0x82, 5]);
        assert_eq!(frame_head(BINARY, 300), [0x82, 126, 1, 44]);
        assert_eq!(frame_head(BINARY, 1 << 16), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[tokio::test]
    async fn a_client_s_frames_are_unmasked_and_pings_answered() {
        let (client, server) = UnixStream::pair().unwrap();
        let (near, mut far) = UnixStream::pair().unwrap();
        let (reader, _writer) = ClientSocket::new(Transport::Unix(server)).into_split();
        let (pongs, mut answers) = mpsc::channel(PONGS);
        let mut client = client;
        client.write_all(&[0x82, 0x83, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2, b'c' ^ 3]).await.unwrap();
        client.write_all(&[0x89, 0x81, 0, 0, 0, 0, b'p']).await.unwrap();
        client.write_all(&[0x88, 0x80, 0, 0, 0, 0]).await.unwrap();
        let mut frames = Frames(Input { reader, early: BytesMut::new(), ended: false });
        receive(&mut frames, near.into_split().1, pongs).await.unwrap();
        let mut text = [0; 3];
        far.read_exact(&mut text).await.unwrap();
        assert_eq!((&text[..], answers.recv().await.as_deref()), (&b"abc"[..], Some(&b"p"[..])));
    }

    #[tokio::test]
    async fn reserved_kinds_of_frames_are_refused() {
        for kind in (3..8).chain(11..16) {
            let (mut client, server) = UnixStream::pair().unwrap();
            let (reader, _writer) = ClientSocket::new(Transport::Unix(server)).into_split();
            client.write_all(&[0x80 | kind, 0x81, 0, 0, 0, 0, b'x']).await.unwrap();
            let mut frames = Frames(Input { reader, early: BytesMut::new(), ended: false });
            let found = frames.head().await.map(|_| ()).map_err(|error| error.kind());
            assert_eq!(found, Err(io::ErrorKind::InvalidData), "{kind}");
        }
    }

    #[tokio::test]
    async fn a_process_that_does_not_read_does_not_hold_a_client_that_is_gone() {
        let (mut client, server) = UnixStream::pair().unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        let (reader, writer) = ClientSocket::new(Transport::Unix(server)).into_split();
        let (pongs, _answers) = mpsc::channel(PONGS);
        let receiving = tokio::spawn(async move {
            let mut frames = Frames(Input { reader, early: BytesMut::new(), ended: false });
            receive(&mut frames, near.into_split().1, pongs).await
        });
        // One frame of much more than the sockets hold; what is written shows that the input is full.
        client.write_all(&[0x82, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0]).await.unwrap();
        let piece = vec![0; PIECE_BYTES];
        let full = std::time::Duration::from_millis(300);
        while tokio::time::timeout(full, client.write_all(&piece)).await.is_ok() {}
        drop((client, writer));
        let limit = std::time::Duration::from_secs(20);
        tokio::time::timeout(limit, receiving).await.unwrap().unwrap().unwrap();
        drop(far);
    }
}
