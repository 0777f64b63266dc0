//! Published ports, from the host, from outside and from the command line.

use std::process::{Command, Stdio};

use gantry_testkit::poll;

use super::{Place, fetch, page, refuses};

#[test]
fn published_ports_lead_in_and_are_told() {
    let place = Place::new();
    place.serve("web", &["-p", "8080:80", "-p", "127.0.0.1:8081:80", "-p", "80"]);
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
    assert_eq!(page(&place.host, "127.0.0.1:8080"), "web");
    assert_eq!(page(&place.host, "127.0.0.1:8081"), "web");
    assert!(refuses(&place.outside, "192.0.2.1:8081"));
    let ports = place.daemon.ok(&["port", "web", "80"]);
    let random =
        ports.lines().find_map(|line| line.strip_prefix("0.0.0.0:").filter(|it| *it != "8080"));
    let random = random.unwrap();
    assert_eq!(page(&place.outside, &format!("192.0.2.1:{random}")), "web");
    assert!(ports.contains(&format!("[::]:{random}")), "{ports}");
    let row = place.daemon.ok(&["ps", "--format", "{{.Ports}}"]);
    assert!(
        row.contains("0.0.0.0:8080->80/tcp") && row.contains("127.0.0.1:8081->80/tcp"),
        "{row}"
    );

    let late = ["run", "--name", "late", "-p", "8080:80", "busybox", "true"];
    place
        .daemon
        .gantry(&late)
        .run()
        .exits(125)
        .complains("Bind for 0.0.0.0:8080 failed: port is already allocated");
    place.daemon.ok(&["rm", "-f", "web", "late"]);
    assert!(refuses(&place.outside, "192.0.2.1:8080"));
    place.serve("again", &["-p", "8080:80"]);
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "again");
}

#[test]
fn a_container_without_ipv6_is_reached_by_ipv6() {
    let place = Place::new();
    place.serve("web", &["-p", "8080:80", "-p", "[::1]:8081:80"]);
    assert_eq!(page(&place.host, "[::1]:8080"), "web");
    assert_eq!(page(&place.host, "[::1]:8081"), "web");
    assert!(refuses(&place.host, "127.0.0.1:8081"));
    let ports = place.daemon.ok(&["port", "web"]);
    assert_eq!(
        ports.lines().collect::<Vec<_>>(),
        ["80/tcp -> 0.0.0.0:8080", "80/tcp -> [::]:8080", "80/tcp -> [::1]:8081"]
    );
    place.daemon.kill();
    place.daemon.start_again();
    assert_eq!(page(&place.host, "[::1]:8080"), "web");
    place.daemon.ok(&["rm", "-f", "web"]);
    assert!(refuses(&place.host, "[::1]:8080"));
    // The calls that just ended keep the port from nobody.
    place.serve("again", &["-p", "8080:80"]);
    assert_eq!(page(&place.host, "[::1]:8080"), "again");
}

#[test]
fn ranges_and_all_exposed_ports() {
    let place = Place::new();
    place.serve("range", &["-p", "8000-8002:80-82"]);
    assert_eq!(page(&place.outside, "192.0.2.1:8000"), "range");
    place.serve("first", &["-p", "8000-8010:80"]);
    place.serve("second", &["-p", "8000-8010:80"]);
    assert_eq!(place.daemon.ok(&["port", "first", "80"]).lines().next(), Some("0.0.0.0:8003"));
    assert_eq!(page(&place.outside, "192.0.2.1:8004"), "second");
    place.serve("all", &["-P", "--expose", "80-81", "--expose", "53/udp"]);
    let ports = place.daemon.ok(&["port", "all"]);
    for exposed in ["80/tcp -> 0.0.0.0:", "81/tcp -> [::]:", "53/udp -> 0.0.0.0:"] {
        assert!(ports.contains(exposed), "{exposed} is not in {ports}");
    }
    place.serve("any", &["-p", "127.0.0.1:0:80", "-p", "published=8100,target=80"]);
    let any = place.daemon.ok(&["port", "any", "80"]);
    let port = any.lines().find_map(|line| line.strip_prefix("127.0.0.1:")).unwrap();
    assert_eq!(page(&place.host, &format!("127.0.0.1:{port}")), "any");
    assert_eq!(page(&place.outside, "192.0.2.1:8100"), "any");
    let full = ["run", "--rm", "-p", "8000-8004:80", "busybox", "true"];
    let words = "all ports of the range 8000-8004/tcp are allocated on 0.0.0.0";
    place.daemon.gantry(&full).run().exits(125).complains(words);
    let docker = place.daemon.docker(&["port", "range", "81/tcp"]).run().success();
    // Older ones write no brackets.
    assert_eq!(docker.replace(":::", "[::]:"), "0.0.0.0:8001\n[::]:8001");
}

#[test]
fn udp_is_published_for_both_families() {
    let place = Place::new();
    let run = ["run", "-d", "--name", "echo", "-p", "9000:9/udp", "busybox", "sleep", "600"];
    place.daemon.ok(&run);
    let pid = place.daemon.ok(&["inspect", "-f", "{{.State.Pid}}", "echo"]);
    let namespace = format!("--net=/proc/{}/ns/net", pid.trim());
    // It ends when its standard input does.
    let mut server = Command::new("nsenter")
        .args([&namespace, "--", "python3", "-c", ECHO])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    for (from, address) in
        [(&place.outside, "192.0.2.1"), (&*place.host, "127.0.0.1"), (&*place.host, "::1")]
    {
        poll("an answer by UDP", || {
            let words = ["-c", ASK, address];
            Some(()).filter(|()| from.prints("python3", &words) == "hello")
        });
    }
    drop(server.stdin.take());
    server.wait().unwrap();
}

const ECHO: &str = "import os, socket, sys, threading
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('0.0.0.0', 9))
def echo():
    while True: s.sendto(*s.recvfrom(100))
threading.Thread(target=echo, daemon=True).start()
sys.stdin.read(); os._exit(0)";

/// Prints what comes back.
const ASK: &str = "import socket, sys
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
s.connect((sys.argv[1], 9000)); s.send(b'hello'); print(s.recv(9).decode(), end='')";

#[test]
fn an_emptied_packet_filter_is_filled_at_once() {
    let place = Place::new();
    place.serve("web", &["-p", "8080:80"]);
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
    place.host.prints("nft", &["flush", "ruleset"]);
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
    // What is closed is closed again as well.
    let address = place.address_of("web");
    place.outside.ip("route add 172.16.0.0/12 via 192.0.2.1");
    assert_eq!(fetch(&place.outside, &address, "1"), "");
}
