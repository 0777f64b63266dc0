//! A host for one test: namespaces that play it, its neighbour, and the containers on it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use gantry_db::Db;
use gantry_netlink::Socket;
use gantry_netlink::route::LinkName;
use gantry_network::{Config, CreateOptions, Endpoint, EndpointWish, Networks, PlugOptions};
use gantry_sys::clone::{Namespaces, setns, unshare};
use gantry_types::{EndpointId, NetworkId, Timestamp};

pub(crate) const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// The calling thread's namespace becomes the host's.
pub(crate) struct Host {
    pub(crate) networks: Networks,
    folder: tempfile::TempDir,
    daemon: u8,
    ids: u8,
}

pub(crate) fn namespace() -> File {
    thread::spawn(|| {
        unshare(Namespaces::NETWORK).unwrap();
        let mut socket = Socket::route().unwrap();
        let lo: LinkName = "lo".parse().unwrap();
        let lo = socket.link(&lo).unwrap().unwrap();
        socket.send(&[lo.up()]).unwrap();
        File::open("/proc/thread-self/ns/net").unwrap()
    })
    .join()
    .unwrap()
}

/// Runs on a thread of its own inside a namespace.
pub(crate) fn inside<T: Send>(namespace: &File, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setns(namespace.as_fd(), Namespaces::NETWORK).unwrap();
            work()
        });
        thread.join().unwrap()
    })
}

pub(crate) fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn nft(words: &str) {
    assert!(Command::new("nft").args(words.split(' ')).status().unwrap().success(), "{words}");
}

pub(crate) fn ruleset() -> String {
    let output = Command::new("nft").args(["list", "ruleset"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

impl Host {
    pub(crate) fn new() -> Self {
        let namespace = namespace();
        setns(namespace.as_fd(), Namespaces::NETWORK).unwrap();
        // A new one has what the test's host has.
        fs::write(FORWARDING, "0").unwrap();
        Self::another()
    }

    /// A daemon with a database of its own, in the calling thread's namespace.
    pub(crate) fn another() -> Self {
        static DAEMONS: AtomicU8 = AtomicU8::new(0);
        let daemon = DAEMONS.fetch_add(1, Ordering::Relaxed);
        let folder = tempfile::tempdir().unwrap();
        let networks = open(&folder.path().join("meta.db"), CreateOptions::default());
        let mut host = Self { networks, folder, daemon, ids: 0 };
        host.restore(Vec::new());
        assert_eq!(host.networks.unavailable(), None);
        host
    }

    fn restore(&mut self, endpoints: Vec<Endpoint>) {
        let ids = [(); 3].map(|()| self.next_network());
        self.networks.restore(endpoints, ids, Timestamp::ZERO).unwrap();
    }

    /// As after the daemon's death: what the kernel has stays.
    pub(crate) fn reopen(self, endpoints: Vec<Endpoint>) -> Self {
        self.reopen_with(CreateOptions::default(), endpoints)
    }

    /// By a daemon that is told this of the default network.
    pub(crate) fn reopen_with(
        mut self,
        default_network: CreateOptions,
        endpoints: Vec<Endpoint>,
    ) -> Self {
        let Self { networks, folder, daemon, .. } = self;
        drop(networks);
        let networks = open(&folder.path().join("meta.db"), default_network);
        self = Self { networks, folder, daemon, ids: 100 };
        self.restore(endpoints);
        self
    }

    pub(crate) fn next_network(&mut self) -> NetworkId {
        self.ids += 1;
        let mut bytes = [self.ids; 32];
        bytes[31] = self.daemon;
        NetworkId::from_bytes(bytes)
    }

    /// A container in a network.
    pub(crate) fn container(&mut self, network: &str, wish: &EndpointWish) -> (File, Endpoint) {
        self.ids += 1;
        let id = EndpointId::from_bytes([self.ids; 32]);
        let mut endpoint = self.networks.allocate(id, network, wish).unwrap();
        endpoint.device = "eth0".into();
        let namespace = namespace();
        self.networks.plug(&endpoint, namespace.as_fd(), &leads_out()).unwrap();
        (namespace, endpoint)
    }
}

pub(crate) fn leads_out() -> PlugOptions {
    PlugOptions { leads_out4: true, leads_out6: true, ..PlugOptions::default() }
}

fn open(path: &std::path::Path, default_network: CreateOptions) -> Networks {
    let config = Config {
        default_bridge: true,
        default_network,
        users_bridge: None,
        remote: None,
        forwards: true,
        pools: Config::default_pools(),
        mtu: 1500,
        sysctl: PathBuf::from("/proc/sys/net"),
    };
    Networks::open(config, Arc::new(Db::open(path).unwrap())).unwrap()
}

/// Answers each caller on a port with the caller's address; ends with the namespace's last thread that holds it, at the test's end.
pub(crate) fn serve(namespace: &File, port: u16) {
    let listener = inside(namespace, || TcpListener::bind(("0.0.0.0", port)).unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let text = stream.peer_addr().unwrap().ip().to_string();
            drop(stream.write_all(text.as_bytes()));
        }
    });
}

/// The address that a server saw us with; `None` when it could not be reached for long.
pub(crate) fn call(from: Option<&File>, address: Ipv4Addr, port: u16) -> Option<Ipv4Addr> {
    call_within(Duration::from_secs(10), from, address, port)
}

/// Whether no connection comes about. What is refused is refused at once; the wait is for what is dropped.
pub(crate) fn is_cut_off(from: Option<&File>, address: Ipv4Addr, port: u16) -> bool {
    call_within(Duration::from_millis(700), from, address, port).is_none()
}

fn call_within(
    limit: Duration,
    from: Option<&File>,
    address: Ipv4Addr,
    port: u16,
) -> Option<Ipv4Addr> {
    let work = || {
        let mut stream =
            TcpStream::connect_timeout(&SocketAddrV4::new(address, port).into(), limit).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.parse().ok()
    };
    match from {
        Some(namespace) => inside(namespace, work),
        None => work(),
    }
}
