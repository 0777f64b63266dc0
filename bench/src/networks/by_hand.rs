//! The path that packets would take if somebody made it by hand: a bridge, two namespaces at it, and a rule for one port.

use gantry_testkit::NetworkHost;

use super::site::Site;

/// The addresses behind the bridge.
pub(super) const SERVER: &str = "172.30.0.2";

pub(super) struct ByHand {
    pub(super) site: Site,
    pub(super) server: NetworkHost,
    pub(super) neighbour: NetworkHost,
}

const RULES: &str = "table ip hand {
    chain destinations { type nat hook prerouting priority -100;
        fib daddr type local tcp dport { 5201, 8080 } dnat to 172.30.0.2
    }
    chain local { type nat hook output priority -100;
        fib daddr type local tcp dport { 5201, 8080 } dnat to 172.30.0.2
    }
    chain sources { type nat hook postrouting priority 100;
        ip saddr 127.0.0.0/8 oifname br0 masquerade
        ip saddr 172.30.0.0/16 oifname != br0 masquerade
    }
}";

impl ByHand {
    pub(super) fn build() -> Self {
        let site = Site::new();
        let (server, neighbour) = (NetworkHost::new(), NetworkHost::new());
        let host = &site.host;
        host.ip("link add br0 type bridge");
        host.ip("addr add 172.30.0.1/16 dev br0");
        host.ip("link set br0 up");
        for (number, (name, inner)) in
            [("one", &server), ("two", &neighbour)].into_iter().enumerate()
        {
            host.connect(name, "172.31.0.1/32", inner, &format!("172.30.0.{}/16", number + 2));
            host.ip(&format!("addr flush dev {name}"));
            host.ip(&format!("link set {name} master br0"));
            inner.ip("route add default via 172.30.0.1");
        }
        let script = format!(
            "echo 1 >/proc/sys/net/ipv4/ip_forward && echo 1 >/proc/sys/net/ipv4/conf/br0/route_localnet && nft '{RULES}'"
        );
        let done = host.command("sh").args(["-c", &script]).status().expect("run sh");
        assert!(done.success(), "the path by hand cannot be built");
        Self { site, server, neighbour }
    }
}
