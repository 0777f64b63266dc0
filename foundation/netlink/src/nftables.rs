//! The packet filter's tables, chains, sets and rules (`nf_tables`), as requests for [`Socket::commit`](crate::Socket::commit).
//!
//! Only what Gantry's own tables need; `nft(8)` has the meaning of every word, `linux/netfilter/nf_tables.h` its number.

mod expression;
mod losses;
mod set;

pub use expression::{Comparison, Expression, Hook, Nat, Register, Verdict};
pub use losses::{Loss, Losses};
pub use set::{Element, KeyType, Set, SetKind};

use crate::error::Error;
use crate::message::{Message, Request};
use crate::socket::Socket;

const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEWTABLE: u16 = 0;
const DELTABLE: u16 = 2;
const NEWCHAIN: u16 = 3;
const DELCHAIN: u16 = 5;
const NEWRULE: u16 = 6;
const GETRULE: u16 = 7;
const DELRULE: u16 = 8;
const NEWSET: u16 = 9;
const NEWSETELEM: u16 = 12;
const DELSETELEM: u16 = 14;

const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;

/// `struct nfgenmsg`: family, version, resource.
const BODY: usize = 4;
/// `NFPROTO_INET`: rules for IPv4 and IPv6 together.
const INET: u8 = 1;
const LIST_ELEMENT: u16 = 1;

/// A table of the family `inet`. What it holds is made, and goes, with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    name: String,
}

/// Where a chain is called from, without which it is only jumped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    pub kind: &'static str,
    pub hook: Hook,
    /// Lower ones come first; 0 is where filters are.
    pub priority: i32,
}

impl Table {
    /// `name` is at most 255 bytes.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes the table unless it is there.
    pub fn add(&self) -> Request {
        request(NEWTABLE, CREATE, format!("make the nftables table {}", self.name))
            .text(1, &self.name)
    }

    /// Removes the table with all it holds. It must be there: [`Self::add`] before it makes that sure.
    pub fn delete(&self) -> Request {
        request(DELTABLE, 0, format!("remove the nftables table {}", self.name)).text(1, &self.name)
    }

    /// Makes a chain unless it is there.
    pub fn add_chain(&self, chain: &str, base: Option<Base>) -> Request {
        let request = request(NEWCHAIN, CREATE, format!("make the nftables chain {chain}"))
            .text(1, &self.name)
            .text(3, chain);
        match base {
            None => request,
            Some(base) => request
                .nested(4, |hook| {
                    hook.number_be(1, base.hook as u32).number_be(2, base.priority.cast_unsigned())
                })
                .text(7, base.kind),
        }
    }

    /// Removes a chain with its rules. It must be there, and nothing may lead to it any more.
    pub fn remove_chain(&self, chain: &str) -> Request {
        request(DELCHAIN, 0, format!("remove the nftables chain {chain}"))
            .text(1, &self.name)
            .text(3, chain)
    }

    /// Removes the rules of a chain.
    pub fn flush_chain(&self, chain: &str) -> Request {
        request(DELRULE, 0, format!("empty the nftables chain {chain}"))
            .text(1, &self.name)
            .text(2, chain)
    }

    /// A rule behind those that the chain has.
    pub fn add_rule(&self, chain: &str, expressions: &[Expression]) -> Request {
        request(NEWRULE, CREATE | APPEND, format!("make a rule in the nftables chain {chain}"))
            .text(1, &self.name)
            .text(2, chain)
            .nested(4, |list| {
                expressions
                    .iter()
                    .fold(list, |list, it| list.nested(LIST_ELEMENT, |element| it.write(element)))
            })
    }
}

fn request(kind: u16, flags: u16, what: String) -> Request {
    Request::new((SUBSYSTEM << 8) | kind, flags, what).body(&[INET, 0, 0, 0])
}

impl Socket {
    /// Whether a chain has rules. One that is not there has none.
    pub fn has_rules(&mut self, table: &Table, chain: &str) -> Result<bool, Error> {
        let what = format!("list the rules of the nftables chain {chain}");
        let request = request(GETRULE, 0, what).text(1, table.name()).text(2, chain);
        let wanted = |message: &Message<'_>| {
            let attributes = message.attributes(BODY);
            (message.kind == (SUBSYSTEM << 8) | NEWRULE
                && attributes.text(1) == Some(table.name())
                && attributes.text(2) == Some(chain))
            .then_some(())
        };
        match self.dump(&request, wanted) {
            Err(error) if error.kind() == gantry_types::ErrorKind::NotFound => Ok(false),
            result => result.map(|rules| !rules.is_empty()),
        }
    }
}

/// The first message of a transaction.
pub(crate) fn batch_begin() -> Request {
    let subsystem = SUBSYSTEM.to_be_bytes();
    Request::new(BATCH_BEGIN, 0, "change the packet filter").body(&[
        0,
        0,
        subsystem[0],
        subsystem[1],
    ])
}

/// Its last.
pub(crate) fn batch_end() -> Request {
    let subsystem = SUBSYSTEM.to_be_bytes();
    Request::new(BATCH_END, 0, "change the packet filter").body(&[0, 0, subsystem[0], subsystem[1]])
}
