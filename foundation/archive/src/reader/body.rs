//! The data of the entry at hand: how much of it is left, and where its holes are.

use std::io::Read;

use super::source::{Source, padding};
use crate::raw::{BLOCK, Fault};
use crate::sparse::{Run, SparseMap};
use crate::{Error, Result};

#[derive(Debug, Default)]
pub(super) struct Body {
    /// Bytes that are still in the stream.
    stored: u64,
    /// Bytes behind them, up to the next block.
    padding: u64,
    /// Position in the file that the reader sees.
    position: u64,
    sparse: Option<(SparseMap, usize)>,
}

impl Body {
    pub(super) fn new(stored: u64) -> Self {
        Self { stored, padding: padding(stored), position: 0, sparse: None }
    }

    pub(super) fn stored(&self) -> u64 {
        self.stored
    }

    pub(super) fn is_sparse(&self) -> bool {
        self.sparse.is_some()
    }

    pub(super) fn set_sparse(&mut self, map: SparseMap) {
        self.sparse = Some((map, 0));
    }

    /// On to the next header.
    pub(super) fn skip<R: Read>(&mut self, source: &mut Source<R>) -> Result<()> {
        source.skip(self.stored)?;
        source.skip(self.padding)?;
        *self = Self::default();
        Ok(())
    }

    fn run(&mut self) -> Run {
        match &mut self.sparse {
            Some((map, cursor)) => map.run_at(self.position, cursor),
            None if self.stored == 0 => Run::End,
            None => Run::Data(self.stored),
        }
    }

    /// The file as it is meant: holes read as zeros.
    pub(super) fn read<R: Read>(
        &mut self,
        source: &mut Source<R>,
        buffer: &mut [u8],
    ) -> Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        match self.run() {
            Run::End => Ok(0),
            Run::Data(length) => self.take(source, buffer, length),
            Run::Hole(length) => {
                let count = at_most(length, buffer.len());
                buffer[..count].fill(0);
                self.position += count as u64;
                Ok(count)
            }
        }
    }

    /// Stored bytes and their place in the file.
    pub(super) fn read_extent<R: Read>(
        &mut self,
        source: &mut Source<R>,
        buffer: &mut [u8],
    ) -> Result<Option<(u64, usize)>> {
        loop {
            match self.run() {
                Run::End => return Ok(None),
                Run::Hole(length) => self.position += length,
                Run::Data(length) => {
                    let position = self.position;
                    let count = self.take(source, buffer, length)?;
                    return Ok(Some((position, count)));
                }
            }
        }
    }

    /// Lends the next stored bytes and their place in the file; whether there were any.
    pub(super) fn lend<R: Read>(
        &mut self,
        source: &mut Source<R>,
        receive: &mut impl FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<bool> {
        loop {
            match self.run() {
                Run::End => return Ok(false),
                Run::Hole(length) => self.position += length,
                Run::Data(length) => {
                    let position = self.position;
                    let count = source.lend(length, |bytes| receive(position, bytes))? as u64;
                    if count == 0 {
                        return Err(source.truncated());
                    }
                    self.stored -= count;
                    self.position += count;
                    return Ok(true);
                }
            }
        }
    }

    fn take<R: Read>(
        &mut self,
        source: &mut Source<R>,
        buffer: &mut [u8],
        length: u64,
    ) -> Result<usize> {
        let wanted = at_most(length, buffer.len());
        let count = source.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(source.truncated());
        }
        self.stored -= count as u64;
        self.position += count as u64;
        Ok(count)
    }

    /// A block of a map that lies in front of the data.
    fn map_block<R: Read>(&mut self, source: &mut Source<R>) -> Result<Option<[u8; BLOCK]>> {
        if self.stored < BLOCK as u64 {
            return Ok(None);
        }
        let block = source.block()?.ok_or_else(|| source.truncated())?;
        self.stored -= BLOCK as u64;
        Ok(Some(block))
    }
}

fn at_most(length: u64, room: usize) -> usize {
    usize::try_from(length).map_or(room, |length| length.min(room))
}

/// The numbers of a PAX 1.0 map.
#[derive(Debug, Default)]
pub(super) struct MapNumbers {
    block: Option<[u8; BLOCK]>,
    at: usize,
}

impl MapNumbers {
    /// The next number; the outer error is the stream's, the inner one the map's.
    pub(super) fn next<R: Read>(
        &mut self,
        body: &mut Body,
        source: &mut Source<R>,
    ) -> Result<Result<u64, Fault>, Error> {
        /// 2^63 has 19 digits.
        const DIGITS: usize = 19;
        let mut digits = Vec::with_capacity(DIGITS + 1);
        loop {
            if self.block.is_none() || self.at == BLOCK {
                self.block = body.map_block(source)?;
                self.at = 0;
            }
            let Some(block) = &self.block else {
                return Ok(Err("has a sparse map that is longer than its data"));
            };
            let byte = block[self.at];
            self.at += 1;
            if byte == b'\n' {
                let number = crate::pax::decimal(&digits);
                return Ok(number.map_err(|_| "has a malformed sparse map"));
            }
            if digits.len() == DIGITS {
                return Ok(Err("has a malformed sparse map"));
            }
            digits.push(byte);
        }
    }
}
