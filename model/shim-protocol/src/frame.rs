//! ttrpc's frames: ten bytes of header, then a payload. What the payload means is told in
//! [`crate::rpc`].
//!
//! Follows <https://github.com/containerd/ttrpc/blob/main/PROTOCOL.md>: length (u32, big endian),
//! stream id (u32, big endian; odd, chosen by the client), type and flags.

use crate::Error;

/// Bytes in front of every payload.
pub const HEADER_BYTES: usize = 10;
/// ttrpc's limit of a payload.
pub const MAX_PAYLOAD_BYTES: usize = 4 << 20;

/// What a buffer keeps of its capacity while it is empty; a rare large message gives its memory back.
const IDLE_CAPACITY_BYTES: usize = 4096;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A call, from the client.
    Request,
    /// The answer to one, from the server.
    Response,
    /// A piece of a stream; the task API has none that Gantry uses.
    Data,
}

/// A whole frame, borrowed from the buffer it arrived in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Which call it belongs to.
    pub stream_id: u32,
    pub kind: FrameKind,
    /// 1: the sender closes its side; 2: it stays open; 4: no data.
    pub flags: u8,
    pub payload: &'a [u8],
}

impl FrameKind {
    fn from_byte(byte: u8) -> Result<Self, Error> {
        match byte {
            1 => Ok(Self::Request),
            2 => Ok(Self::Response),
            3 => Ok(Self::Data),
            other => Err(Error::FrameKind(other)),
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::Request => 1,
            Self::Response => 2,
            Self::Data => 3,
        }
    }
}

/// Appends a frame to `out`; a payload over [`MAX_PAYLOAD_BYTES`] is refused and nothing appended.
pub fn put_frame(out: &mut Vec<u8>, frame: &Frame<'_>) -> Result<(), Error> {
    let too_large = Error::FrameTooLarge { length: frame.payload.len(), limit: MAX_PAYLOAD_BYTES };
    if frame.payload.len() > MAX_PAYLOAD_BYTES {
        return Err(too_large);
    }
    let length = u32::try_from(frame.payload.len()).map_err(|_| too_large)?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&frame.stream_id.to_be_bytes());
    out.extend_from_slice(&[frame.kind.byte(), frame.flags]);
    out.extend_from_slice(frame.payload);
    Ok(())
}

/// Collects bytes as they arrive and gives out whole frames.
#[derive(Debug, Default)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    consumed: usize,
}

impl FrameBuffer {
    /// Takes what was just read from the connection.
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.consumed == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(IDLE_CAPACITY_BYTES);
        } else {
            self.bytes.drain(..self.consumed);
        }
        self.consumed = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame, or `None` until more bytes came. After an error the connection is of no
    /// further use: the frames' borders are lost.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Error> {
        let Some((header, rest)) = self.bytes[self.consumed..].split_first_chunk::<HEADER_BYTES>()
        else {
            return Ok(None);
        };
        let [l0, l1, l2, l3, s0, s1, s2, s3, kind, flags] = *header;
        let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        if length > MAX_PAYLOAD_BYTES {
            return Err(Error::FrameTooLarge { length, limit: MAX_PAYLOAD_BYTES });
        }
        let kind = FrameKind::from_byte(kind)?;
        let Some(payload) = rest.get(..length) else {
            return Ok(None);
        };
        self.consumed += HEADER_BYTES + length;
        let stream_id = u32::from_be_bytes([s0, s1, s2, s3]);
        Ok(Some(Frame { stream_id, kind, flags, payload }))
    }

    /// How many bytes wait here that were not given out.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.consumed
    }

    /// Whether no bytes of an unfinished frame wait here.
    pub fn is_empty(&self) -> bool {
        self.consumed == self.bytes.len()
    }
}

#[cfg(test)]
mod tests;
