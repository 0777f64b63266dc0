//! The steps of a rule: load something of the packet into a register, compare it or look it up, and say what becomes of the packet.

use crate::message::Request;

const NAME: u16 = 1;
const DATA: u16 = 2;
const VALUE: u16 = 1;
const VERDICT: u16 = 2;
/// `NFT_REG_VERDICT`: what is written there ends or redirects the walk.
const VERDICT_REGISTER: u32 = 0;

/// The places in a packet's way where chains are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    Prerouting = 0,
    Input = 1,
    Forward = 2,
    Output = 3,
    Postrouting = 4,
}

/// Four bytes of a rule's memory; longer values go on in the registers behind. Sixteen of them are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register(u32);

impl Register {
    pub const A: Self = Self(8);
    pub const B: Self = Self(9);
    pub const C: Self = Self(10);
    /// Behind the name of a device, or an address of IPv6, in [`Self::A`].
    pub const E: Self = Self(12);
    pub const F: Self = Self(13);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal = 0,
    NotEqual = 1,
}

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Drop,
    Accept,
    /// On in this chain, and back here behind its end.
    Jump(String),
    /// On in this chain, and not back.
    Goto(String),
}

/// How addresses are rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nat {
    /// The source becomes the address of the device that the packet leaves by.
    Masquerade,
    /// The destination becomes the IPv4 address in one register and the port in another.
    Destination4 { address: Register, port: Register },
    /// The same with an IPv6 address.
    Destination6 { address: Register, port: Register },
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// A property of the packet that is not in its bytes (`NFT_META_`).
    Meta {
        key: u32,
        to: Register,
    },
    /// A property of its connection (`NFT_CT_`).
    Connection {
        key: u32,
        to: Register,
    },
    /// Bytes of its network header (base 1) or its transport header (base 2).
    Payload {
        base: u32,
        offset: u32,
        length: u32,
        to: Register,
    },
    /// Bytes from a register into the transport header, whose checksum is at the offset `checksum`.
    Rewrite {
        from: Register,
        offset: u32,
        length: u32,
        checksum: u32,
    },
    /// A value into a register.
    Load {
        value: Vec<u8>,
        to: Register,
    },
    /// The kind of its destination address, as the routes say (`RTN_`).
    DestinationType {
        to: Register,
    },
    /// The index of the device that answers to its source would leave by, if that is the one it came by; else zero.
    ReversePath {
        to: Register,
    },
    /// Keeps the bits of `mask`.
    And {
        register: Register,
        mask: Vec<u8>,
    },
    /// The rule goes on only if this holds.
    Compare {
        register: Register,
        comparison: Comparison,
        value: Vec<u8>,
    },
    /// The rule goes on only if the set has this key (or, inverted, has not).
    Lookup {
        register: Register,
        set: String,
        inverted: bool,
    },
    /// The rule goes on only if the map has this key; what it maps to goes to a register.
    Map {
        register: Register,
        map: String,
        to: Register,
    },
    /// What the map of verdicts has for this key becomes of the packet; without it, the walk goes on.
    Dispatch {
        register: Register,
        map: String,
    },
    Nat(Nat),
    Verdict(Verdict),
}

impl Expression {
    /// The protocol behind the network header (`IPPROTO_`).
    pub fn protocol(to: Register) -> Self {
        Self::Meta { key: 16, to }
    }

    /// The network layer's family (`NFPROTO_`).
    pub fn family(to: Register) -> Self {
        Self::Meta { key: 15, to }
    }

    /// The name of the device that the packet came by.
    pub fn input_device(to: Register) -> Self {
        Self::Meta { key: 6, to }
    }

    /// The name of the device that it leaves by.
    pub fn output_device(to: Register) -> Self {
        Self::Meta { key: 7, to }
    }

    /// The same device's index.
    pub fn output_index(to: Register) -> Self {
        Self::Meta { key: 5, to }
    }

    pub fn equals(register: Register, value: impl Into<Vec<u8>>) -> Self {
        Self::Compare { register, comparison: Comparison::Equal, value: value.into() }
    }

    pub(super) fn write(&self, element: Request) -> Request {
        match self {
            Self::Meta { key, to } => {
                named(element, "meta", |data| data.number_be(1, to.0).number_be(2, *key))
            }
            Self::Connection { key, to } => {
                named(element, "ct", |data| data.number_be(1, to.0).number_be(2, *key))
            }
            Self::Payload { base, offset, length, to } => named(element, "payload", |data| {
                data.number_be(1, to.0)
                    .number_be(2, *base)
                    .number_be(3, *offset)
                    .number_be(4, *length)
            }),
            // The transport header is base 2; the checksum is the internet's (1).
            Self::Rewrite { from, offset, length, checksum } => named(element, "payload", |data| {
                data.number_be(2, 2)
                    .number_be(3, *offset)
                    .number_be(4, *length)
                    .number_be(5, from.0)
                    .number_be(6, 1)
                    .number_be(7, *checksum)
            }),
            Self::Load { value, to } => named(element, "immediate", |data| {
                data.number_be(1, to.0).nested(2, |it| it.attribute(VALUE, value))
            }),
            // The result is the address's type (3), the question is about the destination (2).
            Self::DestinationType { to } => named(element, "fib", |data| {
                data.number_be(1, to.0).number_be(2, 3).number_be(3, 2)
            }),
            // The result is a device's index (1), the question is about the source (1) and the device it came by (8).
            Self::ReversePath { to } => named(element, "fib", |data| {
                data.number_be(1, to.0).number_be(2, 1).number_be(3, 1 | 8)
            }),
            Self::And { register, mask } => named(element, "bitwise", |data| {
                let length = u32::try_from(mask.len()).unwrap_or(u32::MAX);
                data.number_be(1, register.0)
                    .number_be(2, register.0)
                    .number_be(3, length)
                    .nested(4, |it| it.attribute(VALUE, mask))
                    .nested(5, |it| it.attribute(VALUE, &vec![0; mask.len()]))
            }),
            Self::Compare { register, comparison, value } => named(element, "cmp", |data| {
                data.number_be(1, register.0)
                    .number_be(2, *comparison as u32)
                    .nested(3, |it| it.attribute(VALUE, value))
            }),
            Self::Lookup { register, set, inverted } => named(element, "lookup", |data| {
                data.text(1, set).number_be(2, register.0).number_be(5, u32::from(*inverted))
            }),
            Self::Map { register, map, to } => named(element, "lookup", |data| {
                data.text(1, map).number_be(2, register.0).number_be(3, to.0)
            }),
            Self::Dispatch { register, map } => named(element, "lookup", |data| {
                data.text(1, map).number_be(2, register.0).number_be(3, VERDICT_REGISTER)
            }),
            Self::Nat(nat) => nat.write(element),
            Self::Verdict(verdict) => verdict.write(element),
        }
    }
}

impl Nat {
    fn write(self, element: Request) -> Request {
        match self {
            Self::Masquerade => named(element, "masq", |data| data),
            // NFPROTO_IPV4 and NFPROTO_IPV6.
            Self::Destination4 { address, port } => destination(element, 2, address, port),
            Self::Destination6 { address, port } => destination(element, 10, address, port),
        }
    }
}

fn destination(element: Request, family: u32, address: Register, port: Register) -> Request {
    named(element, "nat", |data| {
        // NFT_NAT_DNAT.
        data.number_be(1, 1).number_be(2, family).number_be(3, address.0).number_be(5, port.0)
    })
}

impl Verdict {
    fn write(&self, element: Request) -> Request {
        named(element, "immediate", |data| {
            data.number_be(1, VERDICT_REGISTER).nested(2, |value| self.write_value(value))
        })
    }

    /// As the content of an attribute that holds data.
    pub(super) fn write_value(&self, value: Request) -> Request {
        value.nested(VERDICT, |verdict| match self {
            Self::Drop => verdict.number_be(1, 0),
            Self::Accept => verdict.number_be(1, 1),
            // NFT_JUMP is -3, NFT_GOTO -4.
            Self::Jump(chain) => verdict.number_be(1, (-3_i32).cast_unsigned()).text(2, chain),
            Self::Goto(chain) => verdict.number_be(1, (-4_i32).cast_unsigned()).text(2, chain),
        })
    }
}

fn named(element: Request, name: &str, fill: impl FnOnce(Request) -> Request) -> Request {
    element.text(NAME, name).nested(DATA, fill)
}
