//! The paths that are measured: who calls whom, by which address. Programs are the host's, in the containers' network namespaces, so
//! that both sides run the same ones.

use std::process::{Child, Command, Stdio};

use gantry_testkit::{NetworkHost, poll};

use super::by_hand::{ByHand, SERVER};
use super::site::{Gantry, HOST};

pub(super) const STREAM_PORT: u16 = 5201;
/// On the host; in the container it is [`WEB_PORT_INSIDE`] of ours, and the same by hand.
pub(super) const WEB_PORT: u16 = 8080;

/// Ours, or the one by hand.
pub(super) enum Side {
    Gantry { gantry: Box<Gantry>, server: NetworkHost, neighbour: NetworkHost, address: String },
    ByHand(ByHand),
}

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    Neighbour,
    Outside,
    Loopback,
    /// By the relay; there is nothing like that by hand.
    Loopback6,
}

impl Side {
    pub(super) fn gantry() -> Self {
        let gantry = Box::new(Gantry::start());
        let ports = [format!("{STREAM_PORT}:{STREAM_PORT}"), format!("{WEB_PORT}:{WEB_PORT}")];
        let flags = ["--name", "server", "-p", &ports[0], "-p", &ports[1]];
        let server = gantry.idle(&flags);
        let neighbour = gantry.idle(&[]);
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = gantry.daemon.ok(&["inspect", "-f", format, "server"]).trim().to_owned();
        Self::Gantry { gantry, server, neighbour, address }
    }

    pub(super) fn by_hand() -> Self {
        Self::ByHand(ByHand::build())
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Gantry { .. } => "gantry",
            Self::ByHand(_) => "by hand",
        }
    }

    /// Where the server is.
    pub(super) fn server(&self) -> &NetworkHost {
        match self {
            Self::Gantry { server, .. } => server,
            Self::ByHand(by_hand) => &by_hand.server,
        }
    }

    /// Where the caller is.
    pub(super) fn caller(&self, caller: Caller) -> &NetworkHost {
        match (self, caller) {
            (Self::Gantry { neighbour, .. }, Caller::Neighbour) => neighbour,
            (Self::Gantry { gantry, .. }, Caller::Outside) => &gantry.site.outside,
            (Self::Gantry { gantry, .. }, _) => &gantry.site.host,
            (Self::ByHand(it), Caller::Neighbour) => &it.neighbour,
            (Self::ByHand(it), Caller::Outside) => &it.site.outside,
            (Self::ByHand(it), _) => &it.site.host,
        }
    }

    /// What it calls.
    pub(super) fn address(&self, caller: Caller) -> &str {
        match (caller, self) {
            (Caller::Neighbour, Self::Gantry { address, .. }) => address,
            (Caller::Neighbour, Self::ByHand(_)) => SERVER,
            (Caller::Outside, _) => HOST,
            (Caller::Loopback, _) => "127.0.0.1",
            (Caller::Loopback6, _) => "::1",
        }
    }
}

/// A server that ends when this is dropped.
pub(super) struct Server(Child);

impl Server {
    /// Starts it and waits until it listens on a port.
    pub(super) fn start(side: &Side, command: &mut Command, port: u16) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        let listens = format!("ss -Hltn sport = :{port} | grep -q .");
        poll("a server to listen", || {
            let status = side.server().command("sh").args(["-c", &listens]).status();
            status.is_ok_and(|status| status.success()).then_some(())
        });
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let id = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        // Not by force: a server may have processes of its own to end.
        if let Some(id) = id {
            rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap_or_default();
        }
        drop(self.0.wait());
    }
}
