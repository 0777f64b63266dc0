//! `--metrics-addr`: what is counted of containers while they run and after they have gone.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use gantry_testkit::{Daemon, Options, SmallDisk, busybox, poll};

/// One figure as Prometheus would read it.
fn figure(address: SocketAddr, name: &str) -> u64 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    let found = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("{name} is not in\n{page}")).parse().unwrap()
}

const LONG: &str = "logger_log_entries_size_greater_than_buffer_total";
const FAILED: &str = "logger_log_write_operations_failed_total";
const READS: &str = "logger_log_read_operations_failed_total";
const STARTS: &str = "engine_daemon_health_check_start_duration_seconds_count";

#[test]
fn logs_and_probes_are_counted() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let disk = SmallDisk::mount(16 << 20);
    let daemon = Daemon::start_with(Options {
        data_root: Some(disk.join("data")),
        flags: ["--metrics-addr", &address.to_string()].map(str::to_owned).to_vec(),
        ..Options::default()
    });
    daemon.load(&busybox());
    for name in [LONG, FAILED, READS, STARTS] {
        assert_eq!(figure(address, name), 0, "{name}");
    }
    // One line of just an entry's size, one below it, and a long one without an end.
    let script =
        "x() { head -c $1 /dev/zero | tr '\\0' x; }; x 16383; echo; x 16384; echo; x 50000";
    daemon.ok(&["run", "--rm", "--network", "none", "busybox", "sh", "-c", script]);
    assert_eq!(figure(address, LONG), 2);
    let chatter = "while :; do echo line; usleep 10000; done";
    let probe = ["--health-cmd", "true", "--health-interval", "100ms"];
    let words = [&["run", "-d", "--name", "talks", "--network", "none"][..], &probe].concat();
    daemon.ok(&[&words[..], &["busybox", "sh", "-c", chatter]].concat());
    poll("a probe has run", || (figure(address, STARTS) > 0).then_some(()));
    assert_eq!(figure(address, FAILED), 0);
    for (number, piece) in [1 << 20, 4 << 10, 1].into_iter().enumerate() {
        let full = (0..1 << 14).any(|part| {
            fs::write(disk.join(&format!("ballast-{number}-{part}")), vec![0; piece]).is_err()
        });
        assert!(full);
    }
    poll("the log cannot be written", || (figure(address, FAILED) > 0).then_some(()));
    daemon.ok(&["rm", "-f", "talks"]);
    assert!(figure(address, FAILED) > 0, "what has ended counts on");
    assert_eq!((figure(address, LONG), figure(address, READS)), (2, 0));
    drop(daemon);
}
