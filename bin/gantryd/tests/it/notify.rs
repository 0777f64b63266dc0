//! What a service manager hears; its counterpart here is a socket at `NOTIFY_SOCKET`.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::daemon::{Daemon, PATIENCE, Places};

struct Supervisor(UnixDatagram);

impl Supervisor {
    /// The next message that is not a sign of life.
    fn hears(&self) -> String {
        loop {
            let text = self.hears_anything();
            if text != "WATCHDOG=1" {
                return text;
            }
        }
    }

    fn hears_anything(&self) -> String {
        let mut bytes = [0; 1024];
        let length = self.0.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }
}

fn started(
    places: &Places,
    socket: UnixDatagram,
    variables: &[(&str, &str)],
) -> (Supervisor, Daemon) {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let words = places.words();
    let mut command = Command::new(&words[0]);
    places.furnish(command.args(&words[1..]));
    command.envs(variables.iter().copied());
    (Supervisor(socket), places.started(command))
}

#[test]
fn a_service_manager_hears_of_the_whole_life() {
    let dir = TempDir::new().unwrap();
    let places = Places::below(&dir, "own");
    let path = dir.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    let variable = path.to_str().unwrap().to_owned();
    let (supervisor, daemon) =
        started(&places, socket, &[("NOTIFY_SOCKET", &variable), ("WATCHDOG_USEC", "1000000")]);
    assert_eq!(supervisor.hears(), "READY=1\nSTATUS=serving");
    daemon.signal(Signal::HUP);
    let reloading = supervisor.hears();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert!(supervisor.hears().starts_with("READY=1\n"));
    // It goes on to tell that it is well.
    for _ in 0..3 {
        assert_eq!(supervisor.hears_anything(), "WATCHDOG=1");
    }
    daemon.signal(Signal::TERM);
    assert!(supervisor.hears().starts_with("STOPPING=1\n"));
    assert_eq!(daemon.code(), Some(0));
}

#[test]
fn names_that_no_file_has_are_reached() {
    let dir = TempDir::new().unwrap();
    let places = Places::below(&dir, "own");
    let name = format!("gantry-test-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let variable = format!("@{name}");
    // Somebody else is watched.
    let (supervisor, daemon) = started(
        &places,
        socket,
        &[("NOTIFY_SOCKET", &variable), ("WATCHDOG_USEC", "1"), ("WATCHDOG_PID", "1")],
    );
    assert!(supervisor.hears_anything().starts_with("READY=1\n"));
    daemon.signal(Signal::TERM);
    assert!(supervisor.hears_anything().starts_with("STOPPING=1\n"));
    assert_eq!(daemon.code(), Some(0));
}
