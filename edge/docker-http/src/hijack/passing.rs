//! Bytes both ways between a client and a socket of the engine's: each direction ends on its own, and nobody looks at them.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncWriteExt, copy};
use tokio::net::UnixStream;

use crate::socket::ClientSocket;

/// How long a client may go on after nothing comes from the other side any more.
const LINGER: Duration = Duration::from_mins(5);

/// What a connection turns into.
pub(crate) struct Passing {
    /// The last words of HTTP.
    pub(crate) head: Bytes,
    pub(crate) stream: UnixStream,
}

impl Passing {
    pub(super) async fn relay(self, socket: ClientSocket, early: Bytes) -> io::Result<()> {
        let (mut reader, mut writer) = socket.into_split();
        writer.send(&self.head).await?;
        let (mut from, mut to) = self.stream.into_split();
        let there = async {
            to.write_all(&early).await?;
            copy(&mut reader, &mut to).await?;
            to.shutdown().await
        };
        let back = async {
            copy(&mut from, &mut writer).await?;
            writer.shutdown().await
        };
        tokio::pin!(there, back);
        tokio::select! {
            result = &mut there => {
                result?;
                back.await
            }
            result = &mut back => {
                result?;
                tokio::time::timeout(LINGER, there).await?
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::socket::Transport;

    const PATIENCE: Duration = Duration::from_secs(20);

    async fn read_all(stream: &mut UnixStream) -> String {
        let mut text = String::new();
        tokio::time::timeout(PATIENCE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
        text
    }

    #[tokio::test]
    async fn each_direction_ends_on_its_own() {
        for client_is_first in [true, false] {
            let (mut client, near) = UnixStream::pair().unwrap();
            let (mut other, stream) = UnixStream::pair().unwrap();
            let passing = Passing { head: Bytes::from_static(b"head "), stream };
            let socket = ClientSocket::new(Transport::Unix(near));
            let relaying = tokio::spawn(passing.relay(socket, Bytes::from_static(b"early ")));
            let mut head = [0; 5];
            client.read_exact(&mut head).await.unwrap();
            assert_eq!(&head, b"head ");
            if client_is_first {
                client.write_all(b"question").await.unwrap();
                client.shutdown().await.unwrap();
                assert_eq!(read_all(&mut other).await, "early question");
                other.write_all(b"answer").await.unwrap();
                drop(other);
                assert_eq!(read_all(&mut client).await, "answer");
            } else {
                other.write_all(b"question").await.unwrap();
                other.shutdown().await.unwrap();
                assert_eq!(read_all(&mut client).await, "question");
                client.write_all(b"answer").await.unwrap();
                drop(client);
                assert_eq!(read_all(&mut other).await, "early answer");
            }
            tokio::time::timeout(PATIENCE, relaying).await.unwrap().unwrap().unwrap();
        }
    }
}
