//! `save`: images into an archive.

use std::io::{self, BufWriter, Write};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::Result;
use crate::blocking;
use crate::engine::Engine;
use crate::error::Error;

/// Pieces between the writer and the connection.
const PIECES_IN_FLIGHT: usize = 8;

/// Bytes in a piece.
const PIECE: usize = 256 << 10;

/// An archive of the images that `names` mean, piece by piece. A failure after the first piece is the last one.
pub async fn save(
    engine: &Engine,
    names: Vec<String>,
) -> Result<mpsc::Receiver<io::Result<Bytes>>> {
    if names.is_empty() {
        return Err(Error::invalid("no image is named: name at least one to save"));
    }
    let (pieces, receiver) = mpsc::channel(PIECES_IN_FLIGHT);
    let (answer, answered) = oneshot::channel();
    let engine = engine.clone();
    blocking::thread("image-save", move || {
        let saving = match engine.images.saving(&names) {
            Ok(saving) => saving,
            Err(error) => return drop(answer.send(Err(error))),
        };
        drop(answer.send(Ok(())));
        let output = BufWriter::with_capacity(PIECE, Pieces(pieces.clone()));
        if let Err(error) = saving.write(output) {
            tracing::warn!(error = gantry_types::error_chain(&error), "cannot save images");
            drop(pieces.blocking_send(Err(io::Error::other(error))));
        }
    })?;
    answered.await.map_err(|_| Error::ShuttingDown)??;
    Ok(receiver)
}

/// Hands bytes to whoever sends them; fails when nobody does any more.
struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        self.0.blocking_send(Ok(piece)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
