//! The little that must be done to a network namespace before netlink is needed: the loopback device. And options of netlink sockets.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::check;

/// As `linux/sockios.h` has it: the C libraries give this number different types.
const SIOCSIFFLAGS: libc::Ioctl = 0x8914;

/// Sets the loopback device of the calling thread's network namespace up; the kernel adds its addresses.
pub fn bring_loopback_up() -> io::Result<()> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let up = libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING)
        .map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: up },
    };
    for (slot, byte) in request.ifr_name.iter_mut().zip(c"lo".to_bytes()) {
        *slot = libc::c_char::try_from(*byte).unwrap_or(0);
    }
    // SAFETY: SIOCSIFFLAGS reads an `ifreq`, which outlives the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), SIOCSIFFLAGS, &raw mut request) }.into())?;
    Ok(())
}

/// A switch of a netlink socket (`netlink(7)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetlinkOption {
    /// Errors come with a sentence of the kernel's (Linux 4.12).
    ExtendedAnswers,
    /// Requests for tables are checked, and what they filter by holds (Linux 4.20).
    StrictChecks,
}

/// Turns an option on.
pub fn set_netlink_option(socket: BorrowedFd<'_>, option: NetlinkOption) -> io::Result<()> {
    let name = match option {
        NetlinkOption::ExtendedAnswers => libc::NETLINK_EXT_ACK,
        NetlinkOption::StrictChecks => libc::NETLINK_GET_STRICT_CHK,
    };
    let on: libc::c_int = 1;
    let size = libc::socklen_t::try_from(size_of_val(&on)).unwrap_or(0);
    let (fd, on) = (socket.as_raw_fd(), (&raw const on).cast());
    // SAFETY: the kernel reads `size` bytes of the number, which outlives the call.
    check(unsafe { libc::setsockopt(fd, libc::SOL_NETLINK, name, on, size) }.into())?;
    Ok(())
}
