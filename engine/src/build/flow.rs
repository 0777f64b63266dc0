//! The archive of a layer while it is written: one thread hashes and stores it, and another extracts the same bytes from memory. No
//! byte is read again from the disk.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use gantry_images::{BlobWriter, Committed};
use gantry_layers::Staged;
use gantry_types::{Algorithm, error_chain};

use crate::Result;
use crate::engine::Engine;
use crate::error::Error;

/// Bytes that are handed on at once.
const PIECE: usize = 256 << 10;
/// Pieces between two threads.
const IN_FLIGHT: usize = 8;
/// An archive with nothing in it: two blocks.
const EMPTY_BYTES: u64 = 1024;

type Piece = Arc<Vec<u8>>;

/// An archive that was written.
pub(super) struct Written {
    pub(super) committed: Committed,
    /// What was extracted of it, where that goes without the layers below.
    pub(super) staged: Option<Staged>,
}

/// Takes the archive that `write` writes. None of an empty one.
pub(super) fn take(
    engine: &Engine,
    write: &mut dyn FnMut(&mut dyn Write) -> gantry_build::Result<()>,
) -> Result<Option<Written>> {
    let writer = engine.images.blob_writer(Algorithm::Sha256)?;
    std::thread::scope(|scope| {
        let mut flow =
            Flow { engine, scope, piece: Vec::new(), way: Way::Gathering(Box::new(writer)) };
        let written = write(&mut flow);
        // A write that failed says less than why nobody took it.
        match (flow.finish(written.is_ok()), written) {
            (Err(error), _) => Err(error),
            (Ok(_), Err(error)) => Err(error.into()),
            (Ok(taken), Ok(())) => Ok(taken),
        }
    })
}

/// See the head of this file.
struct Flow<'scope, 'env> {
    engine: &'env Engine,
    scope: &'scope Scope<'scope, 'env>,
    piece: Vec<u8>,
    way: Way<'scope>,
}

enum Way<'scope> {
    /// What fits into one piece needs no threads.
    Gathering(Box<BlobWriter>),
    Flowing {
        to_store: SyncSender<Piece>,
        to_stage: SyncSender<Piece>,
        storing: ScopedJoinHandle<'scope, Result<BlobWriter>>,
        staging: ScopedJoinHandle<'scope, Option<Staged>>,
    },
    Ended,
}

impl<'scope> Flow<'scope, '_> {
    /// Begins to flow.
    fn open(&self, mut writer: BlobWriter) -> io::Result<Way<'scope>> {
        let (to_store, stored) = sync_channel::<Piece>(IN_FLIGHT);
        let (to_stage, staged) = sync_channel::<Piece>(IN_FLIGHT);
        let store = move || {
            for piece in stored {
                writer.write_all(&piece).map_err(Error::file("write", "a layer"))?;
            }
            Ok(writer)
        };
        let engine = self.engine;
        let stage = move || {
            let content = Pieces { coming: staged, current: Arc::default(), read: 0 };
            engine.layers.stage(content).unwrap_or_else(|error| {
                // It is tried again, and tells then why it cannot be.
                tracing::debug!(error = error_chain(&error), "cannot extract a layer on its way");
                None
            })
        };
        let named = |name: &str| Builder::new().name(name.to_owned());
        let storing = named("build-store").spawn_scoped(self.scope, store)?;
        let staging = named("build-extract").spawn_scoped(self.scope, stage)?;
        Ok(Way::Flowing { to_store, to_stage, storing, staging })
    }

    fn send(&mut self) -> io::Result<()> {
        if let Way::Gathering(_) = &self.way {
            let Way::Gathering(writer) = std::mem::replace(&mut self.way, Way::Ended) else {
                return Ok(());
            };
            self.way = self.open(*writer)?;
        }
        let piece = Arc::new(std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE)));
        let Way::Flowing { to_store, to_stage, .. } = &self.way else { return Ok(()) };
        // Who extracts may have had enough.
        to_stage.send(Arc::clone(&piece)).unwrap_or(());
        to_store.send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// The end of the archive, or of the attempt.
    fn finish(mut self, is_whole: bool) -> Result<Option<Written>> {
        let (writer, staged) = match std::mem::replace(&mut self.way, Way::Ended) {
            Way::Ended => return Ok(None),
            Way::Gathering(mut writer) => {
                if !is_whole || self.piece.len() as u64 <= EMPTY_BYTES {
                    writer.discard();
                    return Ok(None);
                }
                writer.write_all(&self.piece).map_err(Error::file("write", "a layer"))?;
                (*writer, self.engine.layers.stage(&self.piece[..]).unwrap_or_default())
            }
            flowing @ Way::Flowing { .. } => {
                self.way = flowing;
                let sent = if is_whole { self.send() } else { Ok(()) };
                let way = std::mem::replace(&mut self.way, Way::Ended);
                let Way::Flowing { to_store, to_stage, storing, staging } = way else {
                    return Ok(None);
                };
                drop((to_store, to_stage));
                let staged = joined(staging);
                let writer = joined(storing)?;
                sent.map_err(Error::file("write", "a layer"))?;
                if !is_whole {
                    writer.discard();
                    return Ok(None);
                }
                (writer, staged)
            }
        };
        Ok(Some(Written { committed: writer.commit(None)?, staged }))
    }
}

impl Write for Flow<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() + bytes.len() > PIECE && !self.piece.is_empty() {
            self.send()?;
        }
        self.piece.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Reads pieces as they come.
struct Pieces {
    coming: Receiver<Piece>,
    current: Piece,
    read: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.current.len() {
            match self.coming.recv() {
                Ok(piece) => (self.current, self.read) = (piece, 0),
                Err(_) => return Ok(0),
            }
        }
        let left = &self.current[self.read..];
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.read += count;
        Ok(count)
    }
}
