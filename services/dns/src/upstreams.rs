//! The host's own name servers, read anew when its file has changed.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
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
    /// It is on the host's loopback: to be asked from there, for a container's loopback is another one.
    pub from_host: bool,
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
        let asked = |address: &IpAddr| Upstream { address: *address, from_host: false };
        let mut servers = match wanted {
            Upstreams::None => Vec::new(),
            Upstreams::These(addresses) => addresses.iter().map(asked).collect(),
            Upstreams::Host => {
                self.refresh();
                self.servers.clone()
            }
        };
        servers.retain(|server| server.address != IpAddr::V4(OWN) || server.from_host);
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
        self.servers = name_servers(&text.unwrap_or_default());
    }
}

/// The lines `nameserver` of `resolv.conf(5)`. Addresses with a zone are the host's alone and left out.
fn name_servers(text: &str) -> Vec<Upstream> {
    let address = |line: &str| -> Option<IpAddr> {
        let mut words = line.split_whitespace();
        (words.next()? == "nameserver").then(|| words.next()?.parse().ok())?
    };
    let addresses = text.lines().filter_map(address);
    addresses.map(|address| Upstream { address, from_host: address.is_loopback() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_s_servers_are_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        fs::write(&path, "nameserver 127.0.0.53\nnameserver fe80::1%eth0\nsearch x\n").unwrap();
        let mut host = HostServers::new(path.clone());
        let at =
            |address: &str, from_host| Upstream { address: address.parse().unwrap(), from_host };
        assert_eq!(host.of(&Upstreams::Host), [at("127.0.0.53", true)]);
        fs::write(
            &path,
            "#\nnameserver 192.0.2.1\nnameserver ::1\nnameserver a\nnameserver 1::1\n",
        )
        .unwrap();
        assert_eq!(host.of(&Upstreams::Host).len(), 1, "not yet");
        host.looked = None;
        let wanted = [at("192.0.2.1", false), at("::1", true), at("1::1", false)];
        assert_eq!(host.of(&Upstreams::Host), wanted);
        fs::remove_file(&path).unwrap();
        host.looked = None;
        assert!(host.of(&Upstreams::Host).is_empty());
        assert!(host.of(&Upstreams::None).is_empty());
        let many = (1..6).map(|number| [192, 0, 2, number].into());
        let many = many.chain([IpAddr::V4(OWN)]).rev().collect();
        assert_eq!(host.of(&Upstreams::These(many)).len(), MOST_UPSTREAMS);
    }
}
