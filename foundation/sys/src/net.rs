//! The little that must be done to a network namespace before netlink is needed: the loopback device. And options of netlink sockets.

mod namespace;

pub use namespace::PendingNamespace;
pub(crate) use namespace::make as make_namespace;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Setter, ioctl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::check;

/// As `linux/sockios.h` has it.
const SIOCSIFFLAGS: Opcode = 0x8914;

/// Sets the loopback device of the calling thread's network namespace up; the kernel adds its addresses.
pub fn bring_loopback_up() -> io::Result<()> {
    Ok(set_loopback_up()?)
}

/// The same without the C library.
fn set_loopback_up() -> Result<(), Errno> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let up =
        libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or(libc::c_short::MAX);
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: up },
    };
    for (slot, byte) in request.ifr_name.iter_mut().zip(c"lo".to_bytes()) {
        *slot = libc::c_char::try_from(*byte).unwrap_or(0);
    }
    // SAFETY: this request takes an `ifreq`.
    let request = unsafe { Setter::<SIOCSIFFLAGS, _>::new(request) };
    // SAFETY: the kernel reads the structure and keeps nothing of it.
    unsafe { ioctl(&socket, request) }
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
