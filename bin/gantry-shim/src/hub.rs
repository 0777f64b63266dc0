//! What all containers of a shim share: the poller, who is connected, who hears of events, and the block
//! that everything is copied through.

use crate::clients::Clients;
use crate::events::Publisher;
use crate::poller::Poller;
use crate::process::Waiter;
use gantry_shim_protocol::rpc::Response;

/// The block that everything is copied through. A log is written in blocks of this size: smaller ones cost calls, and larger
/// ones, for which the kernel looks for larger pieces of memory, cost four times as much for each byte.
const BUFFER_BYTES: usize = 64 * 1024;

pub(crate) struct Hub {
    /// containerd's; one shim serves one.
    pub(crate) namespace: String,
    pub(crate) poller: Poller,
    pub(crate) clients: Clients,
    pub(crate) publisher: Publisher,
    pub(crate) buffer: Box<[u8]>,
}

impl Hub {
    pub(crate) fn new(namespace: String, publisher: Publisher, poller: Poller) -> Self {
        Self {
            namespace,
            poller,
            clients: Clients::default(),
            publisher,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
        }
    }

    /// Answers a call, if its client is still there.
    pub(crate) fn respond(&mut self, waiter: Waiter, response: &Response) {
        self.clients.respond(waiter, response, &self.poller);
    }
}
