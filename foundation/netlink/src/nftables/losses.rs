//! News of what is taken out of the packet filter's tables, by whomever (`NFNLGRP_NFTABLES`).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use super::{BODY, DELCHAIN, DELRULE, DELTABLE, SUBSYSTEM};
use crate::error::Error;
use crate::message::Message;

const DELSET: u16 = 11;
/// The group's bit; groups count from one.
const GROUP: u32 = 1 << (7 - 1);
/// The kernel never puts more into one datagram.
const BUFFER: usize = 32 << 10;
/// News that may wait; a table of many thousand elements that goes is one message for each.
const QUEUE: usize = 4 << 20;

/// What was taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// A table, or the chain, rules or set in it.
    Of {
        table: String,
        /// Of rules and chains.
        chain: Option<String>,
        /// Whose socket it was: [`Socket::number`](crate::Socket::number).
        by: u32,
    },
    /// More happened than could be told.
    Unknown,
}

/// A socket that hears of it, in the network namespace of whoever made it. It is readable when there is something.
#[derive(Debug)]
pub struct Losses {
    fd: OwnedFd,
}

impl Losses {
    /// Everything from now on is told.
    pub fn subscribe() -> Result<Self, Error> {
        let failed =
            |what| move |errno: rustix::io::Errno| Error::Socket { what, source: errno.into() };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(NETFILTER))
            .map_err(failed("open a netlink socket"))?;
        // Without CAP_NET_ADMIN it stays as it is, and more is unknown.
        let _same = set_socket_recv_buffer_size_force(&fd, QUEUE);
        bind(&fd, &SocketAddrNetlink::new(0, GROUP))
            .map_err(failed("hear of the packet filter"))?;
        Ok(Self { fd })
    }

    /// What there is to tell; nothing when nothing happened.
    pub fn take(&mut self) -> Result<Vec<Loss>, Error> {
        let mut losses = Vec::new();
        let mut buffer = vec![0; BUFFER];
        loop {
            let read =
                rustix::io::retry_on_intr(|| recv(&self.fd, &mut buffer[..], RecvFlags::empty()));
            let length = match read {
                Ok((_, length)) => length,
                Err(rustix::io::Errno::AGAIN) => return Ok(losses),
                Err(rustix::io::Errno::NOBUFS) => {
                    losses.push(Loss::Unknown);
                    continue;
                }
                Err(errno) => {
                    let source = io::Error::from(errno);
                    return Err(Error::Socket { what: "hear of the packet filter", source });
                }
            };
            let mut rest = buffer.get(..length).unwrap_or_default();
            while let Some((message, onward)) = Message::split(rest) {
                losses.extend(loss(&message));
                rest = onward;
            }
        }
    }
}

impl AsFd for Losses {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Tables, chains, rules and sets have the table's name first; the chain's is at a place of each kind's own.
fn loss(message: &Message<'_>) -> Option<Loss> {
    if message.kind >> 8 != SUBSYSTEM {
        return None;
    }
    let attributes = message.attributes(BODY);
    let chain = match message.kind & 0xff {
        DELTABLE | DELSET => None,
        DELCHAIN => attributes.text(3),
        DELRULE => attributes.text(2),
        _ => return None,
    };
    Some(Loss::Of {
        table: attributes.text(1)?.to_owned(),
        chain: chain.map(str::to_owned),
        by: message.port,
    })
}
