//! Network devices ("links"): finding one by name, renaming it, setting it up, and moving it to another namespace.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::str::FromStr;

use crate::error::Error;
use crate::message::{Message, Request, u32_at};
use crate::socket::Socket;

const NEWLINK: u16 = 16;
const GETLINK: u16 = 18;
const SETLINK: u16 = 19;
/// `struct ifinfomsg`: family, type, index, flags, mask of flags.
const BODY: usize = 16;
const IFNAME: u16 = 3;
const NET_NS_FD: u16 = 28;
const UP: u32 = 1;
/// The kernel's limit, without the NUL byte (`IFNAMSIZ`).
const NAME_LIMIT: usize = 15;

/// A name that the kernel takes for a network device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkName(String);

impl LinkName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LinkName {
    type Err = Error;

    /// By the rules of the kernel's `dev_valid_name`, and without the `%` of its templates.
    fn from_str(name: &str) -> Result<Self, Error> {
        let forbidden = |byte: u8| {
            matches!(byte, b'/' | b':' | b'%' | 0) || byte.is_ascii_whitespace() || byte == 0x0b
        };
        let fits = (1..=NAME_LIMIT).contains(&name.len()) && name != "." && name != "..";
        if fits && !name.bytes().any(forbidden) {
            Ok(Self(name.to_owned()))
        } else {
            Err(Error::Name { name: name.chars().take(80).collect() })
        }
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A device as its namespace lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    /// `IFF_` bits, see `netdevice(7)`.
    pub flags: u32,
}

impl Link {
    pub fn is_up(&self) -> bool {
        self.flags & UP != 0
    }

    /// Another name. The device must be down.
    pub fn rename(&self, name: &LinkName) -> Request {
        self.change(format!("rename the network device {} to {name}", self.name), 0)
            .text(IFNAME, name.as_str())
    }

    pub fn up(&self) -> Request {
        self.change(format!("set the network device {} up", self.name), UP)
    }

    /// To the namespace behind an open namespace file, under a name that must be free there. The device is down afterwards and has
    /// lost its addresses.
    pub fn move_to(&self, namespace: BorrowedFd<'_>, name: &LinkName) -> Request {
        let what = format!("move the network device {} to another namespace", self.name);
        let fd = u32::try_from(namespace.as_raw_fd()).unwrap_or(u32::MAX);
        self.change(what, 0).number(NET_NS_FD, fd).text(IFNAME, name.as_str())
    }

    fn change(&self, what: String, set: u32) -> Request {
        let mut body = [0; BODY];
        body[4..8].copy_from_slice(&self.index.to_ne_bytes());
        body[8..12].copy_from_slice(&set.to_ne_bytes());
        body[12..16].copy_from_slice(&set.to_ne_bytes());
        Request::new(SETLINK, 0, what).body(&body)
    }

    fn read(message: &Message<'_>) -> Option<Self> {
        if message.kind != NEWLINK {
            return None;
        }
        Some(Self {
            index: u32_at(message.payload, 4)?,
            name: message.attributes(BODY).text(IFNAME)?.to_owned(),
            flags: u32_at(message.payload, 8)?,
        })
    }
}

impl Socket {
    /// The device of a name, `None` when there is none.
    pub fn link(&mut self, name: &LinkName) -> Result<Option<Link>, Error> {
        let what = format!("find the network device {name}");
        let request = Request::new(GETLINK, 0, what).body(&[0; BODY]).text(IFNAME, name.as_str());
        match self.ask(&request, Link::read) {
            Err(error) if error.kind() == gantry_types::ErrorKind::NotFound => Ok(None),
            result => result.map(Some),
        }
    }

    /// All devices.
    pub fn links(&mut self) -> Result<Vec<Link>, Error> {
        let request = Request::new(GETLINK, 0, "list the network devices").body(&[0; BODY]);
        self.dump(&request, Link::read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_kernels() {
        for name in ["eth0", "a", "fifteen-letters", "lan.7", "é"] {
            assert_eq!(name.parse::<LinkName>().unwrap().as_str(), name);
        }
        for name in
            ["", ".", "..", "sixteen-letters-", "a/b", "eth0:1", "a b", "eth%d", "a\0", "\t"]
        {
            assert!(name.parse::<LinkName>().is_err(), "{name:?}");
        }
    }
}
