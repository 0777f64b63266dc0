//! The digest of an archive that nobody keeps: one thread takes it while another reads the files.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use gantry_types::Digest;
use sha2::{Digest as _, Sha256};

use crate::Result;
use crate::error::Error;

/// Bytes that are handed on at once.
const PIECE: usize = 256 << 10;
/// Pieces on their way from one thread to the other and back.
const IN_FLIGHT: usize = 8;

/// Gives `write` a place for an archive, and tells the digest of what came.
pub(super) fn sum<T>(write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<(T, Digest)> {
    std::thread::scope(|scope| {
        let mut summed = Summed { scope, piece: Vec::new(), other: None };
        let written = write(&mut summed);
        let digest = summed.finish();
        // A write that failed says less than why nobody took it.
        let digest = digest.map_err(Error::file("take the digest of", "a layer"))?;
        Ok((written?, digest))
    })
}

struct Summed<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    piece: Vec<u8>,
    /// What fits into one piece needs no thread.
    other: Option<Other<'scope>>,
}

/// The thread that takes the digest.
struct Other<'scope> {
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    /// Pieces that were made.
    made: usize,
    summing: ScopedJoinHandle<'scope, Sha256>,
}

impl<'scope> Other<'scope> {
    fn start(scope: &'scope Scope<'scope, '_>) -> io::Result<Self> {
        let (full, filled) = sync_channel::<Vec<u8>>(IN_FLIGHT);
        let (emptied, empty) = sync_channel::<Vec<u8>>(IN_FLIGHT);
        let sum = move || {
            let mut hasher = Sha256::new();
            for mut piece in filled {
                hasher.update(&piece);
                piece.clear();
                // Whoever filled it may be done.
                emptied.send(piece).unwrap_or(());
            }
            hasher
        };
        let summing = Builder::new().name("build-digest".to_owned()).spawn_scoped(scope, sum)?;
        Ok(Self { full, empty, made: 0, summing })
    }

    /// Hands a piece on; an empty one for what comes next.
    fn take(&mut self, piece: Vec<u8>) -> io::Result<Vec<u8>> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        self.full.send(piece).map_err(|_| gone())?;
        if self.made + 1 < IN_FLIGHT {
            self.made += 1;
            return Ok(Vec::with_capacity(PIECE));
        }
        self.empty.recv().map_err(|_| gone())
    }
}

impl Summed<'_, '_> {
    fn finish(self) -> io::Result<Digest> {
        let hasher = match self.other {
            None => Sha256::new_with_prefix(&self.piece),
            Some(Other { full, summing, .. }) => {
                full.send(self.piece).map_err(|_| io::ErrorKind::BrokenPipe)?;
                drop(full);
                summing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
        };
        Ok(Digest::sha256(hasher.finalize().into()))
    }
}

impl Write for Summed<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() + bytes.len() > PIECE && !self.piece.is_empty() {
            let other = match &mut self.other {
                Some(other) => other,
                none => none.insert(Other::start(self.scope)?),
            };
            self.piece = other.take(std::mem::take(&mut self.piece))?;
        }
        self.piece.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_all_bytes() {
        for count in [0, 1, PIECE, PIECE + 1, 40 * PIECE + 77] {
            let bytes: Vec<u8> = (0..count).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect();
            let write = |output: &mut dyn Write| {
                bytes.chunks(100_003).for_each(|piece| output.write_all(piece).unwrap());
                Ok(count)
            };
            let expected = Digest::sha256(Sha256::digest(&bytes).into());
            assert_eq!(sum(write).unwrap(), (count, expected));
        }
        let failing = |_: &mut dyn Write| Err::<(), _>(Error::invalid("no"));
        assert!(sum(failing).is_err());
    }
}
