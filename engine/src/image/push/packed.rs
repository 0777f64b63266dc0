//! A layer that is compressed while somebody reads it. Nothing of it comes to the disk: who needs it once more has it compressed once
//! more.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;

use gantry_archive::{Compression, compress_to};
use gantry_images::Blob;
use gantry_types::{Digest, error_chain};
use sha2::{Digest as _, Sha256};

use super::compressed::threads;

/// Pieces between who compresses and who reads, each of about a megabyte.
const PIECES: usize = 4;

/// What somebody read to its end.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    pub(super) digest: Digest,
    pub(super) size_bytes: u64,
}

/// How the compression ended; nothing while it goes on, and when the reader went away before it ended.
pub(super) type Ending = Arc<OnceLock<io::Result<Whole>>>;

/// The reader. The compression ends when it is dropped.
#[derive(Debug)]
pub(super) struct Packed {
    pieces: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    consumed: usize,
    ending: Ending,
}

impl Packed {
    pub(super) fn begin(plain: Blob, format: Compression) -> io::Result<Self> {
        let (sender, pieces) = sync_channel(PIECES);
        let ending = Ending::default();
        let told = Arc::clone(&ending);
        thread::Builder::new().name("push-compress".to_owned()).spawn(move || {
            let done = pack(plain, format, &sender);
            let is_left = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
            if !done.as_ref().is_err_and(is_left) {
                // Nobody else sets it.
                drop(told.set(done));
            }
        })?;
        Ok(Self { pieces, piece: Vec::new(), consumed: 0, ending })
    }

    pub(super) fn ending(&self) -> Ending {
        Arc::clone(&self.ending)
    }
}

impl Read for Packed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.consumed == self.piece.len() {
            match self.pieces.recv() {
                Ok(piece) => (self.piece, self.consumed) = (piece, 0),
                // How it ended is told before the last sender goes.
                Err(_) => match self.ending.get() {
                    Some(Ok(_)) => return Ok(0),
                    Some(Err(error)) => return Err(io::Error::other(error_chain(error))),
                    None => return Err(io::Error::other("the compression broke off")),
                },
            }
        }
        let mut rest = &self.piece[self.consumed..];
        let count = rest.read(buffer)?;
        self.consumed += count;
        Ok(count)
    }
}

fn pack(plain: Blob, format: Compression, sender: &SyncSender<Vec<u8>>) -> io::Result<Whole> {
    let (mut hasher, mut size_bytes) = (Sha256::new(), 0);
    compress_to((format, None), plain, threads(), |piece| {
        hasher.update(&piece);
        size_bytes += piece.len() as u64;
        sender.send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    })?;
    Ok(Whole { digest: Digest::sha256(hasher.finalize().into()), size_bytes })
}
