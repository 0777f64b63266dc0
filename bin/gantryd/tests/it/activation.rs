//! Sockets that systemd passes on; its counterpart here is a shell that puts them where `sd_listen_fds(3)` says.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::daemon::{Places, answers, exchange};

/// Starts the daemon with one socket at 3, and another at 4 when there is one.
fn passing(places: &Places, first: OwnedFd, second: Option<OwnedFd>, names: &str) -> Command {
    let (moves, count) = match second {
        Some(_) => ("exec 3<&0 4<&1 0</dev/null 1>&2", 2),
        None => ("exec 3<&0 0</dev/null", 1),
    };
    let script = format!(
        "{moves}; export LISTEN_PID=$$ LISTEN_FDS={count} LISTEN_FDNAMES={names}; exec \"$0\" \"$@\""
    );
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).args(places.words());
    places.furnish(&mut command);
    command.stdin(Stdio::from(first));
    if let Some(second) = second {
        command.stdout(Stdio::from(second));
    }
    command
}

#[test]
fn a_socket_of_systemd_is_served_and_stays() {
    let dir = TempDir::new().unwrap();
    let mut places = Places::below(&dir, "own");
    places.socket = dir.path().join("passed.sock");
    places.host = Some("fd://".to_owned());
    let listener = UnixListener::bind(&places.socket).unwrap();
    let daemon = places.started(passing(&places, listener.into(), None, "api"));
    assert!(answers(&places.socket));
    daemon.end();
    assert!(places.socket.exists(), "the socket is systemd's to remove");
}

#[test]
fn sockets_are_chosen_by_number_and_name() {
    let dir = TempDir::new().unwrap();
    let mut places = Places::below(&dir, "own");
    places.socket = dir.path().join("passed.sock");
    places.host = Some("fd://api".to_owned());
    let places = places.with(&["-H", "fd://4", "--tls=false"]);
    let unix = UnixListener::bind(&places.socket).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let command = passing(&places, unix.into(), Some(tcp.into()), "api:web");
    let daemon = places.started(command);
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let answer = exchange(&mut stream, "GET", "/_ping", "").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    daemon.end();
}

#[test]
fn without_systemd_there_is_no_such_socket() {
    let dir = TempDir::new().unwrap();
    let mut places = Places::below(&dir, "own");
    places.host = Some("fd://".to_owned());
    let said = places.refused();
    assert!(said.contains("listen on fd://: no socket like this was passed"), "{said}");
    assert!(!dir.path().join("own").exists(), "a refused start left something");
}
