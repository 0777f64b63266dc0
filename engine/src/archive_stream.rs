//! Archives on their way out: written on a thread of their own, sent piece by piece, never whole in memory.

use std::io::{self, BufWriter, Write};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::Result;
use crate::blocking;
use crate::error::Error;

/// Pieces between the writer and the connection.
const PIECES_IN_FLIGHT: usize = 8;

/// Bytes in a piece.
const PIECE: usize = 256 << 10;

/// The pieces of an archive. A failure is the last one.
pub type Pieces = mpsc::Receiver<io::Result<Bytes>>;

/// What the work is given: it checks what can be checked, and then begins.
pub(crate) struct Opening {
    begun: Option<oneshot::Sender<Result<()>>>,
    pieces: mpsc::Sender<io::Result<Bytes>>,
}

impl Opening {
    /// From now on a failure breaks the archive off instead of being the answer.
    pub(crate) fn begin(&mut self) -> impl Write + use<> {
        if let Some(begun) = self.begun.take() {
            // Whether somebody waits for it shows with the first piece.
            drop(begun.send(Ok(())));
        }
        BufWriter::with_capacity(PIECE, Output(self.pieces.clone()))
    }
}

/// Runs `work` and returns when it has begun to write, or failed before.
pub(crate) async fn start(
    name: &str,
    work: impl FnOnce(&mut Opening) -> Result<()> + Send + 'static,
) -> Result<Pieces> {
    let (pieces, receiver) = mpsc::channel(PIECES_IN_FLIGHT);
    let (begun, begins) = oneshot::channel();
    blocking::thread(name, move || {
        let mut opening = Opening { begun: Some(begun), pieces };
        let result = work(&mut opening);
        match (result, opening.begun.take()) {
            (result, Some(begun)) => drop(begun.send(result)),
            (Ok(()), None) => {}
            (Err(_), None) if opening.pieces.is_closed() => {}
            (Err(error), None) => {
                tracing::warn!(error = gantry_types::error_chain(&error), "an archive breaks off");
                drop(opening.pieces.blocking_send(Err(io::Error::other(error))));
            }
        }
    })?;
    begins.await.map_err(|_| Error::ShuttingDown)??;
    Ok(receiver)
}

/// Hands bytes to whoever sends them; fails when nobody does any more.
struct Output(mpsc::Sender<io::Result<Bytes>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        self.0.blocking_send(Ok(piece)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
