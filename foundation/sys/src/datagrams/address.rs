//! Socket addresses as the kernel has them (`sockaddr_in`, `sockaddr_in6`), in one buffer for both.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

const LENGTH: usize = 28;
const LENGTH_V4: u32 = 16;
const LENGTH_V6: u32 = 28;

#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(8))]
pub(super) struct RawAddress {
    bytes: [u8; LENGTH],
    length: u32,
}

impl RawAddress {
    /// Where the kernel may write, and how much.
    pub(super) fn space(&mut self) -> (*mut libc::c_void, u32) {
        self.length = 0;
        (self.bytes.as_mut_ptr().cast(), LENGTH_V6)
    }

    pub(super) fn set_length(&mut self, length: u32) {
        self.length = length;
    }

    pub(super) fn put(&mut self, address: SocketAddr) -> (*mut libc::c_void, u32) {
        let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let family = u16::try_from(family).unwrap_or(0).to_ne_bytes();
        self.write(0, &family);
        self.write(2, &address.port().to_be_bytes());
        self.length = match address {
            SocketAddr::V4(address) => {
                self.write(4, &address.ip().octets());
                LENGTH_V4
            }
            SocketAddr::V6(address) => {
                self.write(4, &address.flowinfo().to_be_bytes());
                self.write(8, &address.ip().octets());
                self.write(24, &address.scope_id().to_ne_bytes());
                LENGTH_V6
            }
        };
        (self.bytes.as_mut_ptr().cast(), self.length)
    }

    pub(super) fn get(&self) -> Option<SocketAddr> {
        let family = i32::from(u16::from_ne_bytes(self.read(0)?));
        let port = u16::from_be_bytes(self.read(2)?);
        if family == libc::AF_INET && self.length >= LENGTH_V4 {
            let ip = Ipv4Addr::from(self.read::<4>(4)?);
            return Some(SocketAddrV4::new(ip, port).into());
        }
        if family != libc::AF_INET6 || self.length < LENGTH_V6 {
            return None;
        }
        let ip = Ipv6Addr::from(self.read::<16>(8)?);
        let flow = u32::from_be_bytes(self.read(4)?);
        let scope = u32::from_ne_bytes(self.read(24)?);
        Some(SocketAddrV6::new(ip, port, flow, scope).into())
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    fn read<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..at + N)?.try_into().ok()
    }
}
