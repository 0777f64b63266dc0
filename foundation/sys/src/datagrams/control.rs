//! The control message beside a datagram that says where it was sent to, or where it is to come from (`cmsg(3)`, `struct in_pktinfo`,
//! `struct in6_pktinfo`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Local;

/// Room for the messages of both families, each behind its header.
const LENGTH: usize = 96;
/// `struct cmsghdr`: a length as wide as a pointer, a level, a type.
const HEADER: usize = size_of::<usize>() + 8;

#[derive(Debug, Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control {
    bytes: [u8; LENGTH],
    length: usize,
}

impl Default for Control {
    fn default() -> Self {
        Self { bytes: [0; LENGTH], length: 0 }
    }
}

impl Control {
    /// Where the kernel may write, and how much.
    pub(super) fn space(&mut self) -> (*mut libc::c_void, usize) {
        self.length = 0;
        (self.bytes.as_mut_ptr().cast(), LENGTH)
    }

    pub(super) fn set_length(&mut self, length: usize) {
        self.length = length.min(LENGTH);
    }

    pub(super) fn put(&mut self, from: Local) -> (*mut libc::c_void, usize) {
        let device = from.device.to_ne_bytes();
        let mut data = [0; 20];
        let (level, name, length) = match from.address {
            IpAddr::V4(address) => {
                data[..4].copy_from_slice(&device);
                data[4..8].copy_from_slice(&address.octets());
                (libc::IPPROTO_IP, libc::IP_PKTINFO, 12)
            }
            IpAddr::V6(address) => {
                data[..16].copy_from_slice(&address.octets());
                data[16..].copy_from_slice(&device);
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, 20)
            }
        };
        let size = size_of::<usize>();
        self.bytes[..size].copy_from_slice(&(HEADER + length).to_ne_bytes());
        self.bytes[size..size + 4].copy_from_slice(&level.to_ne_bytes());
        self.bytes[size + 4..HEADER].copy_from_slice(&name.to_ne_bytes());
        self.bytes[HEADER..HEADER + 20].copy_from_slice(&data);
        self.length = aligned(HEADER + length);
        (self.bytes.as_mut_ptr().cast(), self.length)
    }

    pub(super) fn local(&self) -> Option<Local> {
        let mut rest = self.bytes.get(..self.length)?;
        while rest.len() >= HEADER {
            let size = size_of::<usize>();
            let length = usize::from_ne_bytes(rest.get(..size)?.try_into().ok()?);
            let level = i32::from_ne_bytes(rest.get(size..size + 4)?.try_into().ok()?);
            let name = i32::from_ne_bytes(rest.get(size + 4..HEADER)?.try_into().ok()?);
            let data = rest.get(HEADER..length)?;
            match (level, name) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let device = u32::from_ne_bytes(data.get(..4)?.try_into().ok()?);
                    let address: [u8; 4] = data.get(8..12)?.try_into().ok()?;
                    return Some(Local { address: Ipv4Addr::from(address).into(), device });
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let address: [u8; 16] = data.get(..16)?.try_into().ok()?;
                    let device = u32::from_ne_bytes(data.get(16..20)?.try_into().ok()?);
                    return Some(Local { address: Ipv6Addr::from(address).into(), device });
                }
                _ => rest = rest.get(aligned(length)..)?,
            }
        }
        None
    }
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(size_of::<usize>())
}
