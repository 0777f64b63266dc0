//! Answers, written into the room that will be sent: the question is repeated as it came, and names in records point to it.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    CHECKING_DISABLED, Code, HEADER, IS_ANSWER, OPCODE, Query, RECURSION_AVAILABLE,
    RECURSION_DESIRED, TRUNCATED, kind,
};

/// Seconds. An answer takes microseconds here, and addresses change with every start of a container: who kept one for longer would
/// go on to call somebody who has gone.
const TTL: u32 = 5;
/// What we take in a datagram.
const OWN_SIZE: u16 = 1232;
/// Bytes of EDNS's record without options.
const EDNS_RECORD: usize = 11;
/// A pointer to the question's name.
const QUESTION_NAME: [u8; 2] = [0xc0, 12];
const CLASS: [u8; 2] = [0, 1];

/// An answer that is being written. Records that don't fit are left out, and the answer says so.
pub(crate) struct Answer<'r> {
    room: &'r mut [u8],
    at: usize,
    /// Without the room for EDNS's record.
    limit: usize,
    has_edns: bool,
    counts: [u16; 2],
    is_full: bool,
}

impl<'r> Answer<'r> {
    /// An answer of at most `limit` bytes. `room` holds the header and the question in any case.
    pub(crate) fn new(query: &Query<'_>, room: &'r mut [u8], limit: usize) -> Self {
        let end = query.question_end;
        room[..end].copy_from_slice(&query.bytes[..end]);
        room[2] = IS_ANSWER | (room[2] & RECURSION_DESIRED);
        room[3] = RECURSION_AVAILABLE | (room[3] & CHECKING_DISABLED);
        room[6..HEADER].fill(0);
        let has_edns = query.edns.is_some();
        let limit = limit.min(room.len()) - if has_edns { EDNS_RECORD } else { 0 };
        Self { room, at: end, limit, has_edns, counts: [0; 2], is_full: false }
    }

    pub(crate) fn ipv4(&mut self, address: Ipv4Addr) {
        self.record(&QUESTION_NAME, kind::A, &address.octets());
    }

    pub(crate) fn ipv6(&mut self, address: Ipv6Addr) {
        self.record(&QUESTION_NAME, kind::AAAA, &address.octets());
    }

    /// The name that an address has.
    pub(crate) fn pointer(&mut self, name: &[u8]) {
        let mut wire = [0; 256];
        if let Some(length) = write_name(name, &mut wire) {
            self.record(&QUESTION_NAME, kind::PTR, &wire[..length]);
        }
    }

    /// A service at `target`'s port.
    pub(crate) fn service(&mut self, target: &[u8], port: u16) {
        // Priority and weight are zero.
        let mut wire = [0; 6 + 256];
        wire[4..6].copy_from_slice(&port.to_be_bytes());
        if let Some(length) = write_name(target, &mut wire[6..]) {
            self.record(&QUESTION_NAME, kind::SRV, &wire[..6 + length]);
        }
    }

    /// An address of another name, beside the answer; it may be missing without a word.
    pub(crate) fn beside(&mut self, name: &[u8], address: std::net::IpAddr) {
        let was_full = self.is_full;
        let mut wire = [0; 256];
        let Some(length) = write_name(name, &mut wire) else { return };
        let fits = match address {
            std::net::IpAddr::V4(address) => {
                self.write(&wire[..length], kind::A, &address.octets())
            }
            std::net::IpAddr::V6(address) => {
                self.write(&wire[..length], kind::AAAA, &address.octets())
            }
        };
        self.counts[1] += u16::from(fits);
        self.is_full = was_full;
    }

    /// How many bytes it has become.
    pub(crate) fn finish(mut self, code: Code) -> usize {
        self.room[3] |= code as u8 & 0x0f;
        if self.is_full {
            self.room[2] |= TRUNCATED;
        }
        if self.has_edns {
            self.room[self.at..self.at + EDNS_RECORD].copy_from_slice(&edns_record(code));
            self.at += EDNS_RECORD;
            self.counts[1] += 1;
        }
        self.room[6..8].copy_from_slice(&self.counts[0].to_be_bytes());
        self.room[10..12].copy_from_slice(&self.counts[1].to_be_bytes());
        self.at
    }

    fn record(&mut self, name: &[u8], kind: u16, data: &[u8]) {
        if !self.is_full {
            self.is_full = !self.write(name, kind, data);
            self.counts[0] += u16::from(!self.is_full);
        }
    }

    fn write(&mut self, name: &[u8], kind: u16, data: &[u8]) -> bool {
        let length = name.len() + 10 + data.len();
        if self.at + length > self.limit {
            return false;
        }
        let mut at = self.at;
        let mut put = |bytes: &[u8]| {
            self.room[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(name);
        put(&kind.to_be_bytes());
        put(&CLASS);
        put(&TTL.to_be_bytes());
        put(&u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
        put(data);
        self.at = at;
        true
    }
}

/// The answer to something that is no proper question: a header alone, with the number that it came with. Nothing for what is too
/// short to have one.
pub(crate) fn refusal(bytes: &[u8], code: Code, room: &mut [u8]) -> usize {
    let (Some(header), Some(to)) = (bytes.get(..HEADER), room.get_mut(..HEADER)) else { return 0 };
    to.fill(0);
    to[..2].copy_from_slice(&header[..2]);
    to[2] = IS_ANSWER | (header[2] & (OPCODE | RECURSION_DESIRED));
    to[3] = RECURSION_AVAILABLE | (code as u8 & 0x0f);
    if code != Code::BadVersion {
        return HEADER;
    }
    // Its upper bits are in EDNS's record.
    let Some(record) = room.get_mut(HEADER..HEADER + EDNS_RECORD) else { return HEADER };
    record.copy_from_slice(&edns_record(code));
    room[11] = 1;
    HEADER + EDNS_RECORD
}

/// The root's record with what we take, and the upper bits of the code.
fn edns_record(code: Code) -> [u8; EDNS_RECORD] {
    let ([kind, size], upper) = ([kind::OPT, OWN_SIZE].map(u16::to_be_bytes), (code as u8) >> 4);
    [0, kind[0], kind[1], size[0], size[1], upper, 0, 0, 0, 0, 0]
}

/// Writes a name label by label; nothing when it is no proper name.
fn write_name(text: &[u8], wire: &mut [u8]) -> Option<usize> {
    let mut at = 0;
    for label in text.split(|byte| *byte == b'.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        *wire.get_mut(at)? = length;
        wire.get_mut(at + 1..at + 1 + label.len())?.copy_from_slice(label);
        at += 1 + label.len();
    }
    *wire.get_mut(at)? = 0;
    (at < 255).then_some(at + 1)
}
