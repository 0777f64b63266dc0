//! Relays: what comes to a port of the host goes to a container by this process. They are for what the packet filter cannot lead there
//! by itself: callers on the host's IPv6 loopback or with link-local addresses, and IPv6 callers of containers without IPv6.
//!
//! One thread serves all ports. TCP goes by `splice(2)` through pipes that are borrowed from a pool while bytes are under way, so that
//! a quiet connection has two descriptors and no memory; half-closed connections stay half-closed. UDP goes in batches; an answer comes
//! from the address that was asked, and a sender that is quiet for [`UDP_IDLE`] is forgotten. The container sees the host's own address
//! as the sender of both. What is relayed ends with the process.
//!
//! ```text
//! let proxy = PortProxy::start()?;
//! let relay = proxy.serve(bound_socket, Transport::Tcp, container)?;
//! drop(relay);                                                         its connections are reset
//! ```

mod connection;
mod error;
mod pipes;
mod reactor;
mod state;
mod udp;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

pub use error::Error;

use reactor::Reactor;

/// After so long without a datagram in either direction a sender is forgotten.
pub const UDP_IDLE: Duration = Duration::from_secs(90);

/// What the ports of a proxy may have at once, all together. One port may have a quarter of what the others leave free, so that there is
/// always room for one more port's callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// TCP connections, of two descriptors each; who calls then waits in the kernel's queue.
    pub connections: usize,
    /// UDP senders, of one descriptor each; a new one takes the place of its port's that was quiet for the longest time.
    pub senders: usize,
    /// When there is little room, a connection that was quiet for so long is reset,
    pub quiet: Duration,
    /// or for so long where one side has said all.
    pub half_closed: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            senders: 4096,
            quiet: Duration::from_mins(15),
            half_closed: Duration::from_mins(1),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Udp,
}

/// The thread that relays. It ends when this and all [`Relay`]s are dropped.
#[derive(Debug)]
pub struct PortProxy {
    reactor: Arc<Reactor>,
}

impl PortProxy {
    /// Starts the thread, in the network namespace of the calling one.
    ///
    /// # Errors
    /// There are no descriptors or no thread left.
    pub fn start() -> Result<Self, Error> {
        Self::start_with(Limits::default())
    }

    /// [`Self::start`] with other limits.
    ///
    /// # Errors
    /// The same.
    pub fn start_with(limits: Limits) -> Result<Self, Error> {
        Ok(Self { reactor: Reactor::start(limits)? })
    }

    /// Relays what comes to a socket to `backend`, until the relay is dropped. It is bound and does not block (`O_NONBLOCK`); one of TCP
    /// listens.
    ///
    /// # Errors
    /// The socket cannot be waited for.
    pub fn serve(
        &self,
        socket: Arc<OwnedFd>,
        transport: Transport,
        backend: SocketAddr,
    ) -> Result<Relay, Error> {
        let token = self.reactor.add_port(socket, transport, backend)?;
        Ok(Relay { reactor: Arc::clone(&self.reactor), token })
    }
}

impl Drop for PortProxy {
    fn drop(&mut self) {
        self.reactor.let_go();
    }
}

/// One port that is relayed. Dropped, its connections are reset and its socket is let go before the call returns.
#[derive(Debug)]
pub struct Relay {
    reactor: Arc<Reactor>,
    token: u64,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.reactor.remove_port(self.token);
    }
}
