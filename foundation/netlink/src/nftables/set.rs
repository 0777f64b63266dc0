//! Sets of keys, and maps from keys to values: one rule serves as many ports and devices as there are.

use crate::message::Request;

use super::expression::Verdict;
use super::{CREATE, DELSETELEM, LIST_ELEMENT, NEWSET, NEWSETELEM, Table, request};

const INTERVAL: u32 = 0x4;
const MAP: u32 = 0x8;
/// `NFT_DATA_VERDICT`.
const VERDICTS: u32 = 0xffff_ff00;
/// Of an element: the first key behind an interval.
const INTERVAL_END: u32 = 1;
/// Elements in one message; more could outgrow what an attribute holds.
const ELEMENTS_AT_ONCE: usize = 512;

/// What a part of a key or value is; `nft list` shows it accordingly. Each part takes a multiple of four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    Ipv4Address = 7,
    Ipv6Address = 8,
    Protocol = 12,
    Port = 13,
    DeviceName = 41,
}

impl KeyType {
    /// Bytes that it takes, padding included.
    const fn length(self) -> u32 {
        match self {
            Self::Ipv4Address | Self::Protocol | Self::Port => 4,
            Self::Ipv6Address | Self::DeviceName => 16,
        }
    }

    /// How nft(8) writes the types of a concatenation: six bits each.
    fn of_all(types: &[Self]) -> (u32, u32) {
        types.iter().fold((0, 0), |(number, length), part| {
            ((number << 6) | *part as u32, length + part.length())
        })
    }
}

/// What a set holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetKind {
    Keys(Vec<KeyType>),
    /// Intervals of keys; see [`Element::interval`].
    Intervals(KeyType),
    Map(Vec<KeyType>, Vec<KeyType>),
    /// From keys to what becomes of the packet; see [`Element::verdict`].
    Verdicts(KeyType),
}

/// A set of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    pub name: &'static str,
    pub kind: SetKind,
    /// How many elements there may be: the kernel finds one of a known number faster. Not for intervals.
    pub limit: Option<u32>,
}

/// A key, and in a map its value. Each part is padded to four bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
    verdict: Option<Verdict>,
    ends_interval: bool,
}

impl Table {
    /// Makes a set unless it is there.
    pub fn add_set(&self, set: &Set) -> Request {
        let (keys, values, flags) = match &set.kind {
            SetKind::Keys(keys) => (keys.as_slice(), None, 0),
            SetKind::Intervals(key) => (std::slice::from_ref(key), None, INTERVAL),
            SetKind::Map(keys, values) => (keys.as_slice(), Some(KeyType::of_all(values)), MAP),
            // The kernel knows how long those are.
            SetKind::Verdicts(key) => (std::slice::from_ref(key), Some((VERDICTS, 0)), MAP),
        };
        let (key_type, key_length) = KeyType::of_all(keys);
        let request = request(NEWSET, CREATE, format!("make the nftables set {}", set.name))
            .text(1, self.name())
            .text(2, set.name)
            .number_be(3, flags)
            .number_be(4, key_type)
            .number_be(5, key_length);
        let request = match values {
            None => request,
            Some((data_type, 0)) => request.number_be(6, data_type),
            Some((data_type, data_length)) => {
                request.number_be(6, data_type).number_be(7, data_length)
            }
        };
        let request = match set.limit {
            None => request,
            Some(limit) => request.nested(9, |description| description.number_be(1, limit)),
        };
        // A number of its own in the transaction, which nobody refers to: we have names.
        request.number_be(10, 1).attribute(13, &host_order(keys))
    }

    /// Puts elements into a set; those that are there stay.
    pub fn add_elements(&self, set: &str, elements: &[Element]) -> Vec<Request> {
        self.elements(NEWSETELEM, CREATE, set, elements)
    }

    /// Takes elements out of a set; they must be there.
    pub fn remove_elements(&self, set: &str, elements: &[Element]) -> Vec<Request> {
        self.elements(DELSETELEM, 0, set, elements)
    }

    /// Takes all elements out of a set.
    pub fn flush_set(&self, set: &str) -> Request {
        request(DELSETELEM, 0, format!("empty the nftables set {set}"))
            .text(1, self.name())
            .text(2, set)
    }

    fn elements(&self, kind: u16, flags: u16, set: &str, elements: &[Element]) -> Vec<Request> {
        let message = |elements: &[Element]| {
            request(kind, flags, format!("change the nftables set {set}"))
                .text(1, self.name())
                .text(2, set)
                .nested(3, |list| {
                    elements.iter().fold(list, |list, element| {
                        list.nested(LIST_ELEMENT, |it| element.write(it))
                    })
                })
        };
        elements.chunks(ELEMENTS_AT_ONCE).map(message).collect()
    }
}

/// A note for `nft(8)`, which shows names of devices empty without it: in which byte order the key is (type, length, value; 1 is the
/// host's, 2 the network's).
fn host_order(keys: &[KeyType]) -> [u8; 6] {
    let order: u32 = if keys.contains(&KeyType::DeviceName) { 1 } else { 2 };
    let [a, b, c, d] = order.to_ne_bytes();
    [0, 4, a, b, c, d]
}

impl Element {
    pub fn key(key: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), value: None, verdict: None, ends_interval: false }
    }

    pub fn mapping(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self { value: Some(value.into()), ..Self::key(key) }
    }

    /// A key of a map of verdicts.
    pub fn verdict(key: impl Into<Vec<u8>>, verdict: Verdict) -> Self {
        Self { verdict: Some(verdict), ..Self::key(key) }
    }

    /// All keys from the first to before the second. The two belong into the same message; without an end, it goes up to the last key.
    pub fn interval(first: impl Into<Vec<u8>>, behind: Option<Vec<u8>>) -> Vec<Self> {
        let mut elements = vec![Self::key(first)];
        elements.extend(behind.map(|key| Self { ends_interval: true, ..Self::key(key) }));
        elements
    }

    fn write(&self, request: Request) -> Request {
        let mut request = request.nested(1, |key| key.attribute(1, &self.key));
        if self.ends_interval {
            request = request.number_be(3, INTERVAL_END);
        }
        match (&self.value, &self.verdict) {
            (Some(value), _) => request.nested(2, |data| data.attribute(1, value)),
            (None, Some(verdict)) => request.nested(2, |data| verdict.write_value(data)),
            (None, None) => request,
        }
    }
}
