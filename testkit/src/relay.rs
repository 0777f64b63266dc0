//! A relay on the loopback in front of a server: it passes everything on and counts what comes back.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

/// A relay to one server. Dropped, it takes no more connections.
pub struct Relay {
    address: SocketAddr,
    state: Arc<State>,
    listener: Option<JoinHandle<()>>,
}

struct State {
    server: String,
    answered_bytes: AtomicU64,
    ended: AtomicBool,
}

impl Relay {
    /// A relay to the server at this `host:port`.
    pub fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("find a free port");
        let address = listener.local_addr().expect("ask for the port");
        let state = Arc::new(State {
            server: server.to_owned(),
            answered_bytes: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let own = Arc::clone(&state);
        let listener = thread::spawn(move || {
            for client in listener.incoming() {
                if own.ended.load(Ordering::Relaxed) {
                    return;
                }
                let state = Arc::clone(&own);
                // A connection that fails is the client's to notice.
                thread::spawn(move || client.and_then(|client| state.serve(&client)));
            }
        });
        Self { address, state, listener: Some(listener) }
    }

    /// Its `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Bytes that the server has answered since this was asked last.
    pub fn take_answered_bytes(&self) -> u64 {
        self.state.answered_bytes.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        // It wakes the listener.
        drop(TcpStream::connect(self.address));
        if let Some(listener) = self.listener.take() {
            drop(listener.join());
        }
    }
}

impl State {
    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        let server = TcpStream::connect(&self.server)?;
        let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
        let asking = thread::spawn(move || pass(&from_client, &to_server, &AtomicU64::new(0)));
        let answered = pass(&server, client, &self.answered_bytes);
        // Whoever waits for more from either side is told that there is none.
        drop(asking.join());
        answered
    }
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, count: &AtomicU64) -> io::Result<()> {
    let mut chunk = vec![0; 64 << 10];
    let result = loop {
        match from.read(&mut chunk) {
            Ok(0) => break Ok(()),
            Err(error) => break Err(error),
            Ok(length) => {
                count.fetch_add(length as u64, Ordering::Relaxed);
                if let Err(error) = to.write_all(&chunk[..length]) {
                    break Err(error);
                }
            }
        }
    };
    for end in [from, to] {
        drop(end.shutdown(Shutdown::Both));
    }
    result
}
