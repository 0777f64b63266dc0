//! Queries, read from bytes that nobody may be trusted with (RFC 1035, RFC 6891). One pass, no allocation; names must be written out,
//! for a query has nothing in front of its first name that a pointer could mean. Answers are written in [`answer`].

pub(crate) mod answer;

/// Bytes of a message's header.
pub(crate) const HEADER: usize = 12;
/// A name's longest text, dots included (RFC 1035, 2.3.4).
pub(crate) const MAX_NAME: usize = 255;
/// What a client without EDNS takes in a datagram.
pub(crate) const PLAIN_LIMIT: usize = 512;

/// Answer (`QR`) and recursion desired (`RD`), in the third byte; recursion available (`RA`), in the fourth.
pub(crate) const IS_ANSWER: u8 = 0x80;
pub(crate) const OPCODE: u8 = 0x78;
pub(crate) const TRUNCATED: u8 = 0x02;
pub(crate) const RECURSION_DESIRED: u8 = 0x01;
pub(crate) const RECURSION_AVAILABLE: u8 = 0x80;
pub(crate) const CHECKING_DISABLED: u8 = 0x10;

/// Types of records.
pub(crate) mod kind {
    pub(crate) const A: u16 = 1;
    pub(crate) const PTR: u16 = 12;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const SRV: u16 = 33;
    pub(crate) const OPT: u16 = 41;
    pub(crate) const IXFR: u16 = 251;
    pub(crate) const AXFR: u16 = 252;
    pub(crate) const ANY: u16 = 255;
}

const CLASS_INTERNET: u16 = 1;
const MOST_RECORDS: u16 = 16;

/// What an answer says of the question (`RCODE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Success = 0,
    Malformed = 1,
    ServerFailure = 2,
    NotImplemented = 4,
    Refused = 5,
    /// Of EDNS: the upper bits go into its own record.
    BadVersion = 16,
}

/// Why a message gets no proper answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is no query, or too short to be answered: answers to answers would go round for ever.
    Silence,
    Say(Code),
}

/// A name in lower case, its labels joined by dots, without one at the end; the root is empty.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    bytes: [u8; MAX_NAME],
    length: usize,
}

impl Name {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// What the client takes (RFC 6891).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edns {
    /// Bytes in a datagram.
    pub size: u16,
}

/// One question.
pub(crate) struct Query<'a> {
    /// The whole message.
    pub bytes: &'a [u8],
    /// The question's end in it; it begins behind the header.
    pub question_end: usize,
    pub name: Name,
    pub kind: u16,
    pub edns: Option<Edns>,
}

impl<'a> Query<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let header = bytes.get(..HEADER).ok_or(Fault::Silence)?;
        if header[2] & IS_ANSWER != 0 {
            return Err(Fault::Silence);
        }
        if header[2] & OPCODE != 0 {
            return Err(Fault::Say(Code::NotImplemented));
        }
        let malformed = Fault::Say(Code::Malformed);
        let [questions, answers, authorities, additional] =
            [4, 6, 8, 10].map(|at| u16::from_be_bytes([header[at], header[at + 1]]));
        if questions != 1 || answers != 0 || authorities != 0 || additional > MOST_RECORDS {
            return Err(malformed);
        }
        let (name, at) = name(bytes, HEADER).ok_or(malformed)?;
        let kind = u16_at(bytes, at).ok_or(malformed)?;
        let class = u16_at(bytes, at + 2).ok_or(malformed)?;
        let question_end = at + 4;
        let (edns, end) = records(bytes, question_end, additional)?;
        if end != bytes.len() {
            return Err(malformed);
        }
        // Nobody copies a zone that is not there.
        if class != CLASS_INTERNET || matches!(kind, kind::AXFR | kind::IXFR) {
            return Err(Fault::Say(Code::Refused));
        }
        Ok(Self { bytes, question_end, name, kind, edns })
    }

    /// The longest datagram that the client takes.
    pub(crate) fn limit(&self) -> usize {
        self.edns.map_or(PLAIN_LIMIT, |edns| usize::from(edns.size).max(PLAIN_LIMIT))
    }
}

/// The records behind the question: EDNS's, at most once, and others, which are passed over.
fn records(bytes: &[u8], start: usize, count: u16) -> Result<(Option<Edns>, usize), Fault> {
    let malformed = Fault::Say(Code::Malformed);
    let (mut edns, mut at) = (None, start);
    for _ in 0..count {
        // Only records of other kinds have names, and those may be pointers.
        let after = skip_name(bytes, at).ok_or(malformed)?;
        let kind = u16_at(bytes, after).ok_or(malformed)?;
        let size = u16_at(bytes, after + 2).ok_or(malformed)?;
        let version = *bytes.get(after + 5).ok_or(malformed)?;
        let length = u16_at(bytes, after + 8).ok_or(malformed)?;
        if kind == kind::OPT {
            if edns.is_some() || after != at + 1 {
                return Err(malformed);
            }
            if version != 0 {
                return Err(Fault::Say(Code::BadVersion));
            }
            edns = Some(Edns { size });
        }
        at = after + 10 + usize::from(length);
        if at > bytes.len() {
            return Err(malformed);
        }
    }
    Ok((edns, at))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
}

/// The name that is written out at `at`, and where it ends.
fn name(bytes: &[u8], mut at: usize) -> Option<(Name, usize)> {
    let mut name = Name { bytes: [0; MAX_NAME], length: 0 };
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        // The two upper bits mean a pointer, or nothing that is in use.
        if length > 63 {
            return None;
        }
        let label = bytes.get(at..at + length)?;
        at += length;
        if name.length > 0 {
            *name.bytes.get_mut(name.length)? = b'.';
            name.length += 1;
        }
        let room = name.bytes.get_mut(name.length..name.length + length)?;
        for (to, byte) in room.iter_mut().zip(label) {
            *to = byte.to_ascii_lowercase();
        }
        name.length += length;
        // With the length of the first label and the root's, it must fit into 255.
        if name.length + 2 > MAX_NAME {
            return None;
        }
    }
}

/// Where a name ends that may end in a pointer. The pointer is not followed.
fn skip_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = usize::from(*bytes.get(at)?);
        match length {
            0 => return Some(at + 1),
            1..=63 => at += 1 + length,
            0xc0.. => return (at + 2 <= bytes.len()).then_some(at + 2),
            _ => return None,
        }
    }
}

/// Whether `answer` is one, and to this question: the same name in any case, the same type and class.
pub(crate) fn answers(answer: &[u8], question: &[u8]) -> bool {
    answer.len() >= HEADER + question.len()
        && answer[2] & IS_ANSWER != 0
        && answer[4..6] == [0, 1]
        && answer[HEADER..HEADER + question.len()].eq_ignore_ascii_case(question)
}

#[cfg(test)]
mod tests;
