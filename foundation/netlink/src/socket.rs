//! A netlink socket: requests go out in one call, and every one is answered before the call returns.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Duration;

use gantry_sys::net::{NetlinkOption, set_netlink_option};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{
    Timeout, set_socket_recv_buffer_size_force, set_socket_send_buffer_size_force,
    set_socket_timeout,
};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, getsockname,
    recv, sendto, socket_with,
};

use crate::error::Error;
use crate::message::{Message, Request, u32_at};
use crate::nftables;

const REQUEST: u16 = 0x01;
const ACK: u16 = 0x04;
const DUMP: u16 = 0x300;
/// Of an answer: the table changed while it was read out.
const DUMP_INTERRUPTED: u16 = 0x10;
/// Of an error: the request that it answers is not repeated in it; and: attributes follow.
const CAPPED: u16 = 0x100;
const HAS_ATTRIBUTES: u16 = 0x200;

const ERROR: u16 = 2;
const DONE: u16 = 3;
const ERROR_MESSAGE: u16 = 1;

/// The kernel never puts more into one datagram of an answer.
const BUFFER: usize = 32 << 10;
/// More in one batch could outgrow the socket's own buffer, answers included.
const BATCH_LIMIT: usize = 64;
/// Bytes that one transaction may have, and its answers; the kernel takes memory for what is there only.
const TRANSACTION_LIMIT: usize = 8 << 20;
/// The kernel answers before a write returns. This is for the answer that it owes us.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a table is read anew that changed meanwhile.
const ATTEMPTS: usize = 10;

/// A socket in the network namespace of whoever made it.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

impl Socket {
    /// rtnetlink: links, addresses, routes.
    pub fn route() -> Result<Self, Error> {
        // Protocol 0 of this family is NETLINK_ROUTE.
        Self::open(None)
    }

    /// nfnetlink: the tables of the packet filter. What it is sent goes by [`Self::commit`].
    pub fn netfilter() -> Result<Self, Error> {
        Self::open(Some(rustix::net::netlink::NETFILTER))
    }

    fn open(protocol: Option<Protocol>) -> Result<Self, Error> {
        let failed = |what| move |source: io::Error| Error::Socket { what, source };
        let fd =
            socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
                .map_err(|errno| failed("open a netlink socket")(errno.into()))?;
        bind(&fd, &SocketAddrNetlink::new(0, 0))
            .map_err(|errno| failed("bind a netlink socket")(errno.into()))?;
        for option in [NetlinkOption::ExtendedAnswers, NetlinkOption::StrictChecks] {
            // Kernels before 4.20 know less, and answer with less.
            drop(set_netlink_option(fd.as_fd(), option));
        }
        // Without CAP_NET_ADMIN they stay as they are, and so does the packet filter.
        let _same = set_socket_send_buffer_size_force(&fd, TRANSACTION_LIMIT);
        let _same = set_socket_recv_buffer_size_force(&fd, TRANSACTION_LIMIT);
        set_socket_timeout(&fd, Timeout::Recv, Some(PATIENCE))
            .map_err(|errno| failed("limit the wait at a netlink socket")(errno.into()))?;
        Ok(Self { fd, sequence: 0 })
    }

    /// Closes the socket and does not wait for it: who closes one of the packet filter's waits until the kernel has freed what was taken
    /// out of tables lately, by anybody, which takes it ten milliseconds and more.
    pub fn leave(self) {
        // Without a thread it is closed here.
        drop(thread::Builder::new().name("netlink-close".to_owned()).spawn(move || drop(self)));
    }

    /// The number that the kernel knows the socket by; news of what it did carry it.
    pub fn number(&self) -> Result<u32, Error> {
        let what = "examine a netlink socket";
        let failed = |errno: rustix::io::Errno| Error::Socket { what, source: errno.into() };
        let own = getsockname(&self.fd).map_err(failed)?;
        let own = SocketAddrNetlink::try_from(own).map_err(failed)?;
        Ok(own.pid())
    }

    /// Sends requests in as few calls as possible and waits for all answers.
    ///
    /// # Errors
    /// The first request that the kernel refused is named. Those after it were tried all the same.
    pub fn send(&mut self, requests: &[Request]) -> Result<(), Error> {
        requests.chunks(BATCH_LIMIT).try_for_each(|batch| self.send_batch(batch))
    }

    /// Sends requests to the packet filter as one transaction: all of them take effect at once, or none.
    ///
    /// # Errors
    /// The first request that the kernel refused is named; nothing has changed then.
    pub fn commit(&mut self, requests: &[Request]) -> Result<(), Error> {
        let Some((last, others)) = requests.split_last() else { return Ok(()) };
        let whole = nftables::batch_begin();
        let begin = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        whole.write_to(&mut bytes, begin, REQUEST);
        self.sequence = begin;
        for request in others {
            self.sequence = self.sequence.wrapping_add(1);
            // What is refused is answered all the same.
            request.write_to(&mut bytes, self.sequence, REQUEST);
        }
        self.sequence = self.sequence.wrapping_add(1);
        last.write_to(&mut bytes, self.sequence, REQUEST | ACK);
        self.sequence = self.sequence.wrapping_add(1);
        nftables::batch_end().write_to(&mut bytes, self.sequence, REQUEST);
        self.write(&bytes)?;
        self.outcome(begin, &whole, requests)
    }

    /// Reads what became of a transaction. All answers are there when the write has returned; which ones, depends on what failed: a
    /// transaction that fails as a whole has an answer to its beginning, and maybe none to its parts.
    fn outcome(&self, begin: u32, whole: &Request, requests: &[Request]) -> Result<(), Error> {
        let (mut refused, mut has_last) = (None, false);
        loop {
            let read = self.read_with(RecvFlags::DONTWAIT, |message| {
                let number = message.sequence.wrapping_sub(begin);
                let request = match usize::try_from(number) {
                    Ok(0) => Some(whole),
                    Ok(number) => requests.get(number - 1),
                    Err(_) => None,
                };
                let (ERROR, Some(request)) = (message.kind, request) else { return };
                has_last |= usize::try_from(number) == Ok(requests.len());
                if refused.is_none() {
                    refused = answer(&message, request).err();
                }
            });
            match read {
                Ok(()) => {}
                Err(Error::Socket { source, .. }) if source.kind() == io::ErrorKind::WouldBlock => {
                    break;
                }
                // What came before it is told instead, if anything did.
                Err(error) => return Err(refused.unwrap_or(error)),
            }
        }
        match refused {
            Some(error) => Err(error),
            None if has_last => Ok(()),
            None => Err(Error::Malformed { what: whole.what().to_owned() }),
        }
    }

    fn send_batch(&mut self, requests: &[Request]) -> Result<(), Error> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            request.write_to(&mut bytes, self.sequence, REQUEST | ACK);
        }
        self.write(&bytes)?;
        self.collect_answers(requests, first)
    }

    /// Reads until every request has its answer. The first of them has the sequence number `first`.
    fn collect_answers(&self, requests: &[Request], first: u32) -> Result<(), Error> {
        let mut result = Ok(());
        let mut missing = requests.len();
        while missing > 0 {
            self.read(|message| {
                let number = message.sequence.wrapping_sub(first);
                let request = usize::try_from(number).ok().and_then(|at| requests.get(at));
                if let (ERROR, Some(request)) = (message.kind, request) {
                    missing -= 1;
                    let answer = answer(&message, request);
                    if result.is_ok() {
                        result = answer;
                    }
                }
            })?;
        }
        result
    }

    /// Asks for one thing; `read` sees the kernel's answer.
    pub fn ask<T>(
        &mut self,
        request: &Request,
        mut read: impl FnMut(&Message<'_>) -> Option<T>,
    ) -> Result<T, Error> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let mut bytes = Vec::new();
        request.write_to(&mut bytes, sequence, REQUEST);
        self.write(&bytes)?;
        let mut result = None;
        while result.is_none() {
            self.read(|message| {
                if message.sequence != sequence {
                    return;
                }
                let malformed = || Error::Malformed { what: request.what().to_owned() };
                result = Some(match message.kind {
                    ERROR => answer(&message, request).and(Err(malformed())),
                    _ => read(&message).ok_or_else(malformed),
                });
            })?;
        }
        result.unwrap_or_else(|| Err(Error::Malformed { what: request.what().to_owned() }))
    }

    /// Reads out a whole table; `read` picks what is wanted of it.
    pub fn dump<T>(
        &mut self,
        request: &Request,
        mut read: impl FnMut(&Message<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        for _ in 0..ATTEMPTS {
            if let Some(entries) = self.dump_once(request, &mut read)? {
                return Ok(entries);
            }
        }
        let what = "read a table of the kernel's that changes all the time";
        Err(Error::Socket { what, source: io::ErrorKind::ResourceBusy.into() })
    }

    /// `None` when the table changed meanwhile, so that entries may be missing or there twice.
    fn dump_once<T>(
        &mut self,
        request: &Request,
        read: &mut impl FnMut(&Message<'_>) -> Option<T>,
    ) -> Result<Option<Vec<T>>, Error> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let mut bytes = Vec::new();
        request.write_to(&mut bytes, sequence, REQUEST | DUMP);
        self.write(&bytes)?;
        let (mut entries, mut interrupted, mut end) = (Vec::new(), false, None);
        while end.is_none() {
            self.read(|message| {
                if message.sequence != sequence {
                    return;
                }
                interrupted |= message.flags & DUMP_INTERRUPTED != 0;
                match message.kind {
                    DONE | ERROR => end = Some(answer(&message, request)),
                    _ => entries.extend(read(&message)),
                }
            })?;
        }
        end.unwrap_or(Ok(()))?;
        Ok((!interrupted).then_some(entries))
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Error> {
        let kernel = SocketAddrNetlink::new(0, 0);
        rustix::io::retry_on_intr(|| sendto(&self.fd, bytes, SendFlags::empty(), &kernel))
            .map_err(|errno| Error::Socket {
                what: "write to a netlink socket",
                source: errno.into(),
            })?;
        Ok(())
    }

    fn read(&self, each: impl FnMut(Message<'_>)) -> Result<(), Error> {
        self.read_with(RecvFlags::empty(), each)
    }

    fn read_with(&self, flags: RecvFlags, mut each: impl FnMut(Message<'_>)) -> Result<(), Error> {
        let what = "read from a netlink socket";
        let mut buffer = vec![0; BUFFER];
        let flags = flags | RecvFlags::TRUNC;
        let (_, length) =
            rustix::io::retry_on_intr(|| recv(&self.fd, buffer.as_mut_slice(), flags))
                .map_err(|errno| Error::Socket { what, source: errno.into() })?;
        let Some(mut rest) = buffer.get(..length) else {
            return Err(Error::Socket { what, source: io::ErrorKind::FileTooLarge.into() });
        };
        while let Some((message, onward)) = Message::split(rest) {
            each(message);
            rest = onward;
        }
        Ok(())
    }
}

/// What an error message says; zero is success. The end of a table has the same form.
fn answer(message: &Message<'_>, request: &Request) -> Result<(), Error> {
    let Some(number) = u32_at(message.payload, 0) else {
        return Err(Error::Malformed { what: request.what().to_owned() });
    };
    match number.cast_signed() {
        number if number >= 0 => Ok(()),
        number => Err(Error::Refused {
            what: request.what().to_owned(),
            reason: reason(message).unwrap_or_default(),
            source: io::Error::from_raw_os_error(-number),
        }),
    }
}

/// The kernel's sentence lies behind the error number and the request that it repeats, or that request's header.
fn reason(message: &Message<'_>) -> Option<String> {
    if message.kind != ERROR || message.flags & HAS_ATTRIBUTES == 0 {
        return None;
    }
    let repeated = match message.flags & CAPPED {
        0 => usize::try_from(u32_at(message.payload, 4)?).ok()?,
        _ => 16,
    };
    let attributes = message.attributes(repeated.checked_add(4)?);
    Some(attributes.text(ERROR_MESSAGE)?.trim_end_matches('.').to_owned())
}
