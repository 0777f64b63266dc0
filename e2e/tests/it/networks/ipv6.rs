//! IPv6 from end to end: names and published ports of containers that have it beside IPv4, or have nothing else.

use gantry_testkit::poll;

use super::{Place, page, refuses};

/// A network of both families, one of IPv6 alone, and a way to the machine outside: it is `fd00:2::2`, the host `fd00:2::1`.
fn with_ipv6() -> Place {
    let place = Place::new();
    place.host.ip("addr add fd00:2::1/64 dev wire nodad");
    place.outside.ip("addr add fd00:2::2/64 dev wire nodad");
    let daemon = &place.daemon;
    let both = ["--ipv6", "--subnet", "10.50.0.0/24", "--subnet", "fd00:50::/64", "both"];
    daemon.ok(&[&["network", "create"], &both[..]].concat());
    let six = ["--ipv4=false", "--ipv6", "--subnet", "fd00:51::/64", "six"];
    daemon.ok(&[&["network", "create"], &six[..]].concat());
    place
}

#[test]
fn names_have_addresses_of_each_family_that_there_is() {
    let place = with_ipv6();
    place.sleeper("one", &["--network", "both"]);
    let web = ["--network", "both", "--ip6", "fd00:50::9", "--network-alias", "shop"];
    place.sleeper("web", &web);
    for name in ["web", "shop", "web.both"] {
        assert_eq!(place.short("one", &["AAAA", name]), "fd00:50::9", "{name}");
        assert_eq!(place.short("one", &["+tcp", "AAAA", name]), "fd00:50::9", "{name} by TCP");
        assert_eq!(place.short("one", &["A", name]), place.address_in("web", "both"), "{name}");
    }
    assert_eq!(place.short("one", &["-x", "fd00:50::9"]), "web.both.");
    let ping = ["exec", "one", "ping6", "-c", "1", "-W", "5", "shop"];
    assert!(place.daemon.ok(&ping).contains("fd00:50::9"));
    let hosts = place.file("web", "/etc/hosts");
    assert!(hosts.contains("fd00:50::9\t") && hosts.contains("10.50.0."), "{hosts}");

    place.sleeper("here", &["--network", "six"]);
    place.sleeper("there", &["--network", "six"]);
    assert_eq!(place.short("here", &["AAAA", "there"]), "fd00:51::3");
    let empty = place.dig("here", &["A", "there"]);
    assert!(empty.contains("NOERROR") && empty.contains("ANSWER: 0"), "{empty}");
    place.daemon.ok(&["exec", "here", "ping6", "-c", "1", "-W", "5", "there"]);
    let hosts = place.file("here", "/etc/hosts");
    assert!(hosts.contains("fd00:51::2\t") && !hosts.contains("10."), "{hosts}");
    // Answers follow what changes.
    place.daemon.ok(&["network", "disconnect", "both", "web"]);
    assert_eq!(place.short("one", &["AAAA", "web"]), "");
    place.daemon.ok(&["network", "connect", "--ip6", "fd00:50::77", "both", "web"]);
    assert_eq!(place.short("one", &["AAAA", "web"]), "fd00:50::77");
}

/// Prints a page of a link's neighbour; the device is the second argument.
const FETCH_LINK: &str = "import socket, sys
at = (sys.argv[1], int(sys.argv[3]), 0, socket.if_nametoindex(sys.argv[2]))
s = socket.socket(socket.AF_INET6); s.settimeout(5); s.connect(at)
s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); text = b''
while part := s.recv(4096): text += part
print(text.decode().split('\\r\\n\\r\\n', 1)[1], end='')";

#[test]
fn published_ports_are_reached_by_ipv6_whatever_the_container_has() {
    let place = with_ipv6();
    place.serve("dual", &["--network", "both", "-p", "8080:80"]);
    place.serve("six", &["--network", "six", "-p", "8081:80"]);
    place.serve("four", &["-p", "8082:80"]);
    place.serve("one", &["--network", "both", "-p", "[fd00:2::1]:8083:80"]);
    let all = [(8080, "dual"), (8081, "six"), (8082, "four")];
    let link =
        place.host.prints("ip", &["-6", "-o", "addr", "show", "dev", "wire", "scope", "link"]);
    let link = link.split_whitespace().find(|word| word.starts_with("fe80:")).unwrap();
    let link = link.split('/').next().unwrap();
    let reached = || {
        for (port, name) in all {
            for address in ["[fd00:2::1]", "192.0.2.1"] {
                assert_eq!(page(&place.outside, &format!("{address}:{port}")), name, "{address}");
            }
            for address in ["[::1]", "127.0.0.1", "[fd00:2::1]"] {
                assert_eq!(page(&place.host, &format!("{address}:{port}")), name, "{address}");
            }
            let by_link = poll(&format!("{name} answers a neighbour of the link"), || {
                let words = ["-c", FETCH_LINK, link, "wire", &port.to_string()];
                let text = place.outside.prints("python3", &words);
                Some(text.trim().to_owned()).filter(|text| !text.is_empty())
            });
            assert_eq!(by_link, name);
        }
    };
    reached();
    assert_eq!(page(&place.outside, "[fd00:2::1]:8083"), "one");
    assert!(refuses(&place.outside, "192.0.2.1:8083"));
    let ports = place.daemon.ok(&["port", "one"]);
    assert_eq!(ports.trim(), "80/tcp -> [fd00:2::1]:8083");
    place.daemon.kill();
    place.daemon.start_again();
    reached();
    place.daemon.ok(&["rm", "-f", "dual", "six", "four", "one"]);
    for (port, _) in all {
        assert!(refuses(&place.outside, &format!("[fd00:2::1]:{port}")));
    }
}

/// A name server on all addresses, which has one address of IPv6 for everything.
const SERVER: &str = "import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(('::', 53))
while True:
    m, a = s.recvfrom(4096)
    q = m.index(0, 12) + 5
    head = m[:2] + bytes([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0])
    record = bytes([192, 12, 0, 28, 0, 1, 0, 0, 0, 9, 0, 16]) + socket.inet_pton(socket.AF_INET6, '2001:db8::7')
    s.sendto(head + m[12:q] + record, a)
";

#[test]
fn name_servers_outside_are_asked_by_ipv6() {
    let place = with_ipv6();
    let mut server =
        place.outside.command("python3").args(["-c", SERVER]).spawn().expect("start a server");
    for network in ["both", "six"] {
        place.sleeper(network, &["--network", network, "--dns", "fd00:2::2"]);
        poll("the server answers", || {
            let words = ["+time=1", "AAAA", "www.example.com"];
            (place.short(network, &words) == "2001:db8::7").then_some(())
        });
    }
    // On the default network it stands in the file itself.
    place.sleeper("plain", &["--dns", "fd00:2::2"]);
    let conf = place.file("plain", "/etc/resolv.conf");
    assert!(conf.starts_with("nameserver fd00:2::2"), "{conf}");
    server.kill().expect("end the server");
    server.wait().expect("wait for the server");
}
