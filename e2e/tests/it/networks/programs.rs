//! Real servers and clients of the distribution that this machine has: nginx, socat, iperf3, dig, and packets of SCTP.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use gantry_testkit::poll;

use super::{Place, page};

/// The machine's own programs in a container, beside busybox.
const PROGRAMS: [&str; 6] =
    ["-v", "/usr:/usr:ro", "-v", "/usr/lib:/lib:ro", "-v", "/usr/lib64:/lib64:ro"];

/// Runs one of them in the background.
fn serve(place: &Place, flags: &[&str], words: &[&str]) {
    let all = [&["run", "-d"], &PROGRAMS[..], flags, &["busybox"], words].concat();
    place.daemon.ok(&all);
}

#[test]
fn nginx_sees_its_clients_and_keeps_their_connections() {
    let place = Place::new();
    let config = place.daemon.scratch("nginx.conf");
    let text = "daemon off; user root; pid /tmp/pid; error_log stderr; worker_processes 2;
        events { worker_connections 512; }
        http { client_body_temp_path /tmp/b; proxy_temp_path /tmp/p;
               fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
               log_format seen '$remote_addr $connection_requests'; access_log /dev/stdout seen;
               server { listen 80; listen [::]:80; location / { return 200 \"$remote_addr\\n\"; } } }";
    fs::write(&config, text).unwrap();
    let mount = format!("{}:/nginx.conf:ro", config.display());
    let flags = ["--name", "web", "-p", "8080:80", "-v", &mount];
    serve(&place, &flags, &["/usr/sbin/nginx", "-c", "/nginx.conf"]);
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "192.0.2.2");
    // One connection, many requests.
    let script = "import http.client as h
c = h.HTTPConnection('192.0.2.1', 8080, timeout=10)
for _ in range(200):
    c.request('GET', '/'); assert c.getresponse().read() == b'192.0.2.2\\n'
print('all')";
    assert_eq!(place.outside.prints("python3", &["-c", script]).trim(), "all");
    poll("the server has written down the last request", || {
        place.daemon.ok(&["logs", "web"]).contains("192.0.2.2 200").then_some(())
    });
}

#[test]
fn socat_sends_both_ways_by_tcp_and_udp() {
    let place = Place::new();
    serve(
        &place,
        &["--name", "counts", "-p", "7000:7000"],
        &["/usr/bin/socat", "TCP-LISTEN:7000,fork,reuseaddr", "SYSTEM:sha256sum"],
    );
    serve(
        &place,
        &["--name", "echoes", "-p", "7000:7000/udp"],
        &["/usr/bin/socat", "UDP-LISTEN:7000,fork,reuseaddr", "EXEC:cat"],
    );
    // The answer comes when the question has ended, on the half of the connection that is left.
    let sent = vec![b'x'; 8 << 20];
    let count = "head -c 8388608 /dev/zero | tr '\\0' x | sha256sum";
    let sum = place.host.prints("sh", &["-c", count]);
    for (from, address) in [(&place.outside, "192.0.2.1"), (&*place.host, "127.0.0.1")] {
        let to = format!("TCP:{address}:7000,retry=50,interval=0.1");
        let mut client = from
            .command("socat")
            .args(["-t", "30", "-", &to])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        client.stdin.take().unwrap().write_all(&sent).unwrap();
        let output = client.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), sum, "{address}");
    }
    let ask = "echo over udp | socat -t 2 - UDP:192.0.2.1:7000";
    poll("an answer by udp", || {
        (place.outside.prints("sh", &["-c", ask]) == "over udp\n").then_some(())
    });
}

#[test]
fn iperf3_measures_by_name_and_by_a_published_port() {
    let place = Place::new();
    place.daemon.ok(&["network", "create", "fast"]);
    serve(
        &place,
        &["--name", "measure", "--network", "fast", "-p", "5201:5201", "-p", "5201:5201/udp"],
        &["/usr/bin/iperf3", "-s"],
    );
    let words = ["/usr/bin/iperf3", "-c", "measure", "-t", "1", "-J", "--connect-timeout", "5000"];
    let run = [&["run", "--rm", "--network", "fast"], &PROGRAMS[..], &["busybox"], &words].concat();
    let bytes = |text: &str| {
        let document: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let end = &document["end"];
        let sum = if end["sum_received"].is_object() { &end["sum_received"] } else { &end["sum"] };
        sum["bytes"].as_u64().unwrap_or(0)
    };
    poll("a measurement by name", || {
        let printed = place.daemon.gantry(&run).run().stdout;
        (bytes(&printed) > 1 << 20).then_some(())
    });
    for more in [&[][..], &["-R"], &["-u", "-b", "50M"], &["-P", "4"]] {
        let words = [&["-c", "192.0.2.1", "-t", "1", "-J"], more].concat();
        poll("a measurement from outside", || {
            // It serves one client after the other.
            (bytes(&place.outside.prints("iperf3", &words)) > 1 << 20).then_some(())
        });
    }
}

/// Sends a packet of SCTP by hand, or waits for one: kernels may have no such sockets.
const SCTP: &str = r#"
import socket, struct, sys
def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8): crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
if sys.argv[1] == "wait":
    print("waits", flush=True)
    packet, (address, _) = s.recvfrom(4096)
    header = (packet[0] & 15) * 4
    print("from", address, "to port", struct.unpack("!HH", packet[header:header + 4])[1], flush=True)
else:
    chunk = struct.pack("!BBHIIHHI", 1, 0, 20, 7, 65536, 1, 1, 9)
    packet = struct.pack("!HHI", 40000, int(sys.argv[2]), 0) + b"\0\0\0\0" + chunk
    packet = packet[:8] + struct.pack("<I", crc32c(packet)) + packet[12:]
    s.sendto(packet, (sys.argv[1], 0))
"#;

#[test]
fn a_packet_of_sctp_is_led_to_its_container() {
    let place = Place::new();
    let script = place.daemon.scratch("sctp.py");
    fs::write(&script, SCTP).unwrap();
    let mount = format!("{}:/sctp.py:ro", script.display());
    let python = "/usr/bin/python3";
    let flags = ["--name", "waits", "-p", "9999:9/sctp", "-v", &mount];
    serve(&place, &flags, &[python, "-u", "/sctp.py", "wait"]);
    assert_eq!(place.daemon.ok(&["port", "waits"]), "9/sctp -> 0.0.0.0:9999\n9/sctp -> [::]:9999");
    let again = ["run", "--rm", "-p", "9999:9/sctp", "busybox", "true"];
    place.daemon.gantry(&again).run().exits(125).complains("port is already allocated");
    let path = script.to_string_lossy();
    poll("the packet arrives", || {
        place.outside.prints(python, &[&path, "192.0.2.1", "9999"]);
        let said = place.daemon.ok(&["logs", "waits"]);
        said.contains("from 192.0.2.2 to port 9").then_some(())
    });
    // What nobody asked for leads nowhere.
    place.daemon.ok(&["rm", "-f", "waits"]);
    serve(&place, &["--name", "waits", "-v", &mount], &[python, "-u", "/sctp.py", "wait"]);
    poll("it waits", || place.daemon.ok(&["logs", "waits"]).contains("waits").then_some(()));
    let address = place.address_of("waits");
    place.outside.ip("route add 172.16.0.0/12 via 192.0.2.1");
    place.outside.prints(python, &[&path, &address, "9"]);
    place.outside.prints(python, &[&path, "192.0.2.1", "9999"]);
    // From the host it arrives, and was the first that did.
    poll("one from the host arrives", || {
        place.host.prints(python, &[&path, &address, "9"]);
        let said = place.daemon.ok(&["logs", "waits"]);
        said.lines().find(|line| line.starts_with("from")).map(str::to_owned)
    });
    let said = place.daemon.ok(&["logs", "waits"]);
    assert!(!said.contains("from 192.0.2.2"), "{said}");
}
