//! Many datagrams in one call (`recvmmsg(2)`, `sendmmsg(2)`), each with its sender and the address that it was sent to (`IP_PKTINFO`,
//! `IPV6_RECVPKTINFO`), so that an answer can come from that address.

mod address;
mod control;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use self::address::RawAddress;
use self::control::Control;
use crate::check;

/// The most datagrams of one call; more stay for the next one.
pub const MOST_AT_ONCE: usize = 64;

/// The host's end of a datagram: its address, and the index of the device that it came by or is to leave by (0 leaves that to the
/// routes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    pub address: IpAddr,
    pub device: u32,
}

/// A place for one datagram that comes in.
#[derive(Debug, Clone)]
pub struct Incoming {
    buffer: Box<[u8]>,
    length: usize,
    peer: RawAddress,
    control: Control,
    is_cut: bool,
}

impl Incoming {
    /// A place for at most so many bytes.
    pub fn new(capacity: usize) -> Self {
        Self {
            buffer: vec![0; capacity].into_boxed_slice(),
            length: 0,
            peer: RawAddress::default(),
            control: Control::default(),
            is_cut: false,
        }
    }

    /// What was sent, as far as there was room.
    pub fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    /// Who sent it; none for a socket of another family than IPv4 and IPv6. IPv4 senders to an IPv6 socket have mapped addresses.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer.get()
    }

    /// Where it was sent to, if the socket was told to say so ([`report_destinations`]).
    pub fn local(&self) -> Option<Local> {
        self.control.local()
    }

    /// Whether it was longer than its place.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }
}

/// A datagram that goes out.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    pub bytes: &'a [u8],
    /// None on a connected socket.
    pub to: Option<SocketAddr>,
    /// The source; none leaves it to the socket and the routes. It has the socket's family.
    pub from: Option<Local>,
}

/// Has a socket say where each datagram was sent to. An IPv6 socket says it of IPv4 datagrams, too.
pub fn report_destinations(socket: BorrowedFd<'_>, is_ipv6: bool) -> io::Result<()> {
    let (level, name) = if is_ipv6 {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)
    } else {
        (libc::IPPROTO_IP, libc::IP_PKTINFO)
    };
    let on: libc::c_int = 1;
    let size = libc::socklen_t::try_from(size_of_val(&on)).unwrap_or(0);
    let (fd, on) = (socket.as_raw_fd(), (&raw const on).cast());
    // SAFETY: the kernel reads `size` bytes of the number, which outlives the call.
    check(unsafe { libc::setsockopt(fd, level, name, on, size) }.into())?;
    Ok(())
}

/// Takes what has come, without waiting: as many datagrams as there are places and [`MOST_AT_ONCE`] allows. Returns how many places
/// are filled.
///
/// # Errors
/// `WouldBlock` when nothing is there; what the socket has to tell, such as a connected peer that refuses.
#[allow(clippy::unnecessary_cast, reason = "the C libraries have different types for lengths")]
pub fn receive(socket: BorrowedFd<'_>, places: &mut [Incoming]) -> io::Result<usize> {
    let count = places.len().min(MOST_AT_ONCE);
    let places = places.get_mut(..count).unwrap_or_default();
    let mut parts = [EMPTY_PART; MOST_AT_ONCE];
    let mut headers = [EMPTY_HEADER; MOST_AT_ONCE];
    for ((place, part), header) in places.iter_mut().zip(&mut parts).zip(&mut headers) {
        *part =
            libc::iovec { iov_base: place.buffer.as_mut_ptr().cast(), iov_len: place.buffer.len() };
        (header.msg_hdr.msg_name, header.msg_hdr.msg_namelen) = place.peer.space();
        header.msg_hdr.msg_iov = part;
        header.msg_hdr.msg_iovlen = 1;
        let (control, length) = place.control.space();
        header.msg_hdr.msg_control = control;
        header.msg_hdr.msg_controllen = length as _;
    }
    let count = libc::c_uint::try_from(count).unwrap_or(0);
    let (fd, list, none) = (socket.as_raw_fd(), headers.as_mut_ptr(), std::ptr::null_mut());
    let flags = libc::MSG_DONTWAIT as _;
    // SAFETY: each of the `count` headers names buffers of its place with their lengths, which outlive the call.
    let filled = check(unsafe { libc::recvmmsg(fd, list, count, flags, none) }.into())?;
    let filled = usize::try_from(filled).unwrap_or(0);
    for (place, header) in places.iter_mut().zip(&headers).take(filled) {
        let length = usize::try_from(header.msg_len).unwrap_or(usize::MAX);
        place.length = length.min(place.buffer.len());
        place.is_cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        place.peer.set_length(header.msg_hdr.msg_namelen);
        place.control.set_length(header.msg_hdr.msg_controllen as usize);
    }
    Ok(filled)
}

/// Sends datagrams without waiting, at most [`MOST_AT_ONCE`]. Returns how many went out; those behind them have to be sent again.
///
/// # Errors
/// What keeps the first one from being sent.
pub fn send(socket: BorrowedFd<'_>, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
    let count = datagrams.len().min(MOST_AT_ONCE);
    let mut parts = [EMPTY_PART; MOST_AT_ONCE];
    let mut headers = [EMPTY_HEADER; MOST_AT_ONCE];
    let mut peers = [RawAddress::default(); MOST_AT_ONCE];
    let mut controls = [Control::default(); MOST_AT_ONCE];
    for (number, datagram) in datagrams.iter().take(count).enumerate() {
        let header = &mut headers[number].msg_hdr;
        parts[number] = libc::iovec {
            iov_base: datagram.bytes.as_ptr().cast_mut().cast(),
            iov_len: datagram.bytes.len(),
        };
        header.msg_iov = &raw mut parts[number];
        header.msg_iovlen = 1;
        if let Some(to) = datagram.to {
            (header.msg_name, header.msg_namelen) = peers[number].put(to);
        }
        if let Some(from) = datagram.from {
            let (control, length) = controls[number].put(from);
            header.msg_control = control;
            header.msg_controllen = length as _;
        }
    }
    let count = libc::c_uint::try_from(count).unwrap_or(0);
    let (fd, list) = (socket.as_raw_fd(), headers.as_mut_ptr());
    let flags = (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _;
    // SAFETY: each of the `count` headers names bytes, an address and control words that outlive the call; the kernel reads them only.
    let sent = check(unsafe { libc::sendmmsg(fd, list, count, flags) }.into())?;
    Ok(usize::try_from(sent).unwrap_or(0))
}

const EMPTY_PART: libc::iovec = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };

const EMPTY_HEADER: libc::mmsghdr = {
    // SAFETY: a header of zeroes names nothing: all its pointers are null and all its lengths zero.
    unsafe { std::mem::zeroed() }
};
