//! The name server that each container on a user-defined network has at 127.0.0.11: names of containers, their addresses' names and
//! their services by the networks of the asker, everything else from the name servers outside.
//!
//! Changes are seen by the next question. One thread answers for all containers, a batch of questions of one after a batch of another;
//! sockets are the only thing that a container has here, and they keep its network namespace alive: [`Dns::stop`] lets it go.
//!
//! ```text
//! let dns = Dns::new(Config { … });
//! dns.set_places(id, vec![Place { … }]);             what others can ask for
//! dns.serve(id, namespace, View { … })?;             its own server, before its process begins
//! dns.stop(id);                                      both are gone
//! ```

mod error;
mod lookup;
mod message;
mod names;
mod server;
mod sockets;
mod upstreams;

use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

pub use error::{Error, Result};
pub use lookup::{Upstreams, View};
pub use names::{Place, ServicePort};

use crate::server::{Command, Server, Shared, SharedView};

/// What the servers need to know of the host.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the host has its name servers: `/etc/resolv.conf`.
    pub resolv_conf: PathBuf,
}

/// All containers' name servers. `Send + Sync`.
#[derive(Debug)]
pub struct Dns {
    config: Config,
    shared: Arc<Shared>,
    state: Mutex<State>,
}

/// A container with its server.
#[derive(Debug)]
struct Served {
    id: u32,
    view: SharedView,
}

#[derive(Debug, Default)]
struct State {
    thread: Option<JoinHandle<()>>,
    /// By container.
    served: HashMap<String, Served>,
    last: u32,
}

impl Dns {
    /// Nothing is done yet: the first container that needs a server starts the thread.
    pub fn new(config: Config) -> Result<Self> {
        let shared = Shared::new().map_err(|source| Error::Thread { source })?;
        Ok(Self { config, shared: Arc::new(shared), state: Mutex::default() })
    }

    /// Makes these a container's places, for everybody's next question, in place of those that it had.
    pub fn set_places(&self, container: &str, places: Vec<Place>) {
        self.shared.write(|names| names.set(container, places));
    }

    /// Gives a container its server, in the network namespace of its own that is given. Where it has one, only what it sees changes.
    ///
    /// # Errors
    /// There can be no sockets or rules in the namespace. The container has no server then.
    pub fn serve(&self, container: &str, namespace: BorrowedFd<'_>, view: View) -> Result<()> {
        {
            let mut state = self.state();
            if let Some(served) = state.served.get(container) {
                served.view.set(view);
                return Ok(());
            }
            if state.thread.is_none() {
                state.thread = Some(self.start().map_err(|source| Error::Thread { source })?);
            }
        }
        let failed = |action| {
            move |source| Error::Socket { action, container: container.to_owned(), source }
        };
        let sockets = sockets::open(container, namespace)?;
        let namespace = namespace.try_clone_to_owned().map_err(failed("keep the namespace"))?;
        let mut state = self.state();
        state.last += 1;
        let id = state.last;
        let view = SharedView::new(view);
        state.served.insert(container.to_owned(), Served { id, view: view.clone() });
        self.shared.tell(Command::Open { id, namespace, sockets: Box::new(sockets), view });
        Ok(())
    }

    /// Takes a container's server and its places away. One that has neither is no error.
    pub fn stop(&self, container: &str) {
        self.set_places(container, Vec::new());
        self.close(container);
    }

    /// Takes a container's server away; its places stay. One that has none is no error.
    pub fn close(&self, container: &str) {
        if let Some(Served { id, .. }) = self.state().served.remove(container) {
            self.shared.tell(Command::Close { id });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) -> std::io::Result<JoinHandle<()>> {
        let (shared, config) = (Arc::clone(&self.shared), self.config.clone());
        let mut server = Server::new(shared, config)?;
        thread::Builder::new().name("dns".into()).spawn(move || server.run())
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = state.thread.take() {
            self.shared.tell(Command::End);
            // One that failed has told so in the log.
            drop(thread.join());
        }
    }
}

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
