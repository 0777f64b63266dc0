//! A proxy on the loopback that takes every name for one server: what is called through it needs no name service.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// See the head of this file. It speaks `CONNECT` (RFC 9110, section 9.3.6) only.
pub struct ConnectProxy {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ConnectProxy {
    /// A proxy before the server at this `host:port`.
    pub fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("find a free port");
        let address = listener.local_addr().expect("ask for the port").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (server, noted) = (server.to_owned(), Arc::clone(&asked));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (server, noted) = (server.clone(), Arc::clone(&noted));
                // A connection that fails is the client's to notice.
                thread::spawn(move || client.and_then(|client| serve(client, &server, &noted)));
            }
        });
        Self { address, asked }
    }

    /// Its `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The names with ports that it was asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One `CONNECT`, and then bytes in both directions.
fn serve(client: TcpStream, server: &str, noted: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let target = target.unwrap_or("something else than CONNECT").to_owned();
    noted.lock().unwrap_or_else(PoisonError::into_inner).push(target);
    let server = TcpStream::connect(server)?;
    (&client).write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut to_server, mut from_server) = (server.try_clone()?, server);
    let back = thread::spawn(move || {
        let copied = io::copy(&mut from_server, &mut &client);
        client.shutdown(Shutdown::Write).and(copied)
    });
    io::copy(&mut reader, &mut to_server)?;
    to_server.shutdown(Shutdown::Write)?;
    back.join().map_or(Ok(()), |copied| copied.map(drop))
}
