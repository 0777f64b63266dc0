//! The host's own name servers, read anew when its file has changed.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use crate::lookup::Upstreams;

/// More are not asked, as the C library does it.
pub(crate) const MOST_UPSTREAMS: usize = 3;
/// How often the file is looked at, at most.
const INTERVAL: Duration = Duration::from_secs(1);
/// No file of name servers is longer.
const MOST_BYTES: u64 = 64 << 10;
/// Our own address in each container: asking there would go round for ever.
pub(crate) const OWN: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// One name server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Upstream {
    pub address: IpAddr,
    /// The index of the host's device that a link-local address belongs to; else zero.
    pub scope: u32,
    pub way: Way,
}

/// Where a server is asked from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The container: what it may reach is its network's business.
    Container,
    /// The container if it has a way there. The host's servers may be of a family that it does not have.
    ContainerElseHost,
    /// The server is on the host's loopback, or on a link of its: a container has others.
    Host,
}

impl Upstream {
    /// Where it listens.
    pub(crate) fn at(&self, port: u16) -> SocketAddr {
        match self.address {
            IpAddr::V4(address) => SocketAddr::new(address.into(), port),
            IpAddr::V6(address) => SocketAddrV6::new(address, port, 0, self.scope).into(),
        }
    }
}

/// The host's servers.
#[derive(Debug)]
pub(crate) struct HostServers {
    path: PathBuf,
    looked: Option<Instant>,
    /// Of the file as it was read.
    stamp: Option<(SystemTime, u64)>,
    servers: Vec<Upstream>,
}

impl HostServers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, looked: None, stamp: None, servers: Vec::new() }
    }

    /// Whom to ask for a container, at most [`MOST_UPSTREAMS`].
    pub(crate) fn of(&mut self, wanted: &Upstreams) -> Vec<Upstream> {
        let asked =
            |address: &IpAddr| Upstream { address: *address, scope: 0, way: Way::Container };
        let mut servers = match wanted {
            Upstreams::None => Vec::new(),
            Upstreams::These(addresses) => addresses.iter().map(asked).collect(),
            Upstreams::Host => {
                self.refresh();
                self.servers.clone()
            }
        };
        servers.retain(|server| server.address != IpAddr::V4(OWN) || server.way == Way::Host);
        servers.truncate(MOST_UPSTREAMS);
        servers
    }

    fn refresh(&mut self) {
        if self.looked.is_some_and(|at| at.elapsed() < INTERVAL) {
            return;
        }
        self.looked = Some(Instant::now());
        let found = fs::metadata(&self.path);
        let stamp = found.ok().and_then(|it| Some((it.modified().ok()?, it.len())));
        if stamp == self.stamp {
            return;
        }
        self.stamp = stamp;
        let fits = stamp.is_some_and(|(_, length)| length <= MOST_BYTES);
        let text = if fits { fs::read_to_string(&self.path) } else { Ok(String::new()) };
        self.servers = name_servers(&text.unwrap_or_default(), device);
    }
}

/// The lines `nameserver` of `resolv.conf(5)`.
fn name_servers(text: &str, index: impl Fn(&str) -> Option<u32>) -> Vec<Upstream> {
    let server = |line: &str| -> Option<Upstream> {
        let mut words = line.split_whitespace();
        let word = (words.next()? == "nameserver").then(|| words.next())??;
        let (address, zone) = word.split_once('%').unwrap_or((word, ""));
        let address: IpAddr = address.parse().ok()?;
        let scope = if zone.is_empty() { 0 } else { index(zone)? };
        let is_here = address.is_loopback() || scope > 0;
        let way = if is_here { Way::Host } else { Way::ContainerElseHost };
        Some(Upstream { address, scope, way })
    };
    text.lines().filter_map(server).collect()
}

/// The number of a device of the host, by its name or the number itself.
fn device(zone: &str) -> Option<u32> {
    if let Ok(index) = zone.parse() {
        return Some(index);
    }
    let is_name = !zone.contains('/') && !matches!(zone, "" | "." | "..");
    let text = is_name.then(|| fs::read_to_string(format!("/sys/class/net/{zone}/ifindex")).ok());
    text??.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_s_servers_are_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        fs::write(&path, "nameserver 127.0.0.53\nnameserver fe80::1%no/device\nsearch x\n")
            .unwrap();
        let mut host = HostServers::new(path.clone());
        let at = |address: &str, way| Upstream { address: address.parse().unwrap(), scope: 0, way };
        assert_eq!(host.of(&Upstreams::Host), [at("127.0.0.53", Way::Host)]);
        fs::write(
            &path,
            "#\nnameserver 192.0.2.1\nnameserver ::1\nnameserver a\nnameserver 1::1\n",
        )
        .unwrap();
        assert_eq!(host.of(&Upstreams::Host).len(), 1, "not yet");
        host.looked = None;
        let wanted = [
            at("192.0.2.1", Way::ContainerElseHost),
            at("::1", Way::Host),
            at("1::1", Way::ContainerElseHost),
        ];
        assert_eq!(host.of(&Upstreams::Host), wanted);
        fs::remove_file(&path).unwrap();
        host.looked = None;
        assert!(host.of(&Upstreams::Host).is_empty());
        assert!(host.of(&Upstreams::None).is_empty());
        let index = |name: &str| (name == "eth0").then_some(7);
        let found = name_servers("nameserver fe80::1%eth0\nnameserver fe80::1%eth9", index);
        assert_eq!(found, [Upstream { scope: 7, ..at("fe80::1", Way::Host) }]);
        assert_eq!(found[0].at(53).to_string(), "[fe80::1%7]:53");
        assert_eq!((device("lo"), device("3"), device("..")), (Some(1), Some(3), None));
        let many = (1..6).map(|number| [192, 0, 2, number].into());
        let many = many.chain([IpAddr::V4(OWN)]).rev().collect();
        assert_eq!(host.of(&Upstreams::These(many)).len(), MOST_UPSTREAMS);
    }
}
