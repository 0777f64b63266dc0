//! Digests in flight.

use std::io::{self, Read};

use gantry_types::{Algorithm, Digest};
use sha2::{Digest as _, Sha256, Sha512};

enum State {
    Sha256(Sha256),
    Sha512(Sha512),
    /// Somebody has taken it before.
    Known(Digest),
}

/// A reader that hashes what passes through it.
pub struct Hashing<R> {
    inner: R,
    state: State,
    bytes: u64,
}

impl<R> Hashing<R> {
    /// Hashes what is read from `inner` from now on.
    pub fn new(inner: R, algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        };
        Self { inner, state, bytes: 0 }
    }

    /// Reads content whose digest somebody has taken before: it is not taken again.
    pub fn known(inner: R, digest: Digest) -> Self {
        Self { inner, state: State::Known(digest), bytes: 0 }
    }

    /// The digest of everything that was read.
    pub fn digest(self) -> Digest {
        match self.state {
            State::Sha256(hasher) => Digest::sha256(hasher.finalize().into()),
            State::Sha512(hasher) => Digest::sha512(hasher.finalize().into()),
            State::Known(digest) => digest,
        }
    }

    /// How many bytes were read.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match &mut self.state {
            State::Sha256(hasher) => hasher.update(&buffer[..count]),
            State::Sha512(hasher) => hasher.update(&buffer[..count]),
            State::Known(_) => {}
        }
        self.bytes += count as u64;
        Ok(count)
    }
}

impl<R> std::fmt::Debug for Hashing<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hashing").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
