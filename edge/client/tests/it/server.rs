//! A server on a Unix socket: each connection is handled by the test's own function, on raw bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;

use gantry_client::{Client, Host};
use tempfile::TempDir;

/// One request: its first line, headers in small letters, and body.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: String,
    pub(crate) body: String,
}

/// The server's side of a connection.
pub(crate) struct Peer {
    reader: BufReader<UnixStream>,
    pub(crate) stream: UnixStream,
}

impl Peer {
    /// The next request; `None` when the client has closed.
    pub(crate) fn request(&mut self) -> Option<Request> {
        let mut request = Request::default();
        self.reader.read_line(&mut request.line).ok().filter(|read| *read > 0)?;
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            if line == "\r\n" {
                break;
            }
            request.headers.push_str(&line.to_lowercase());
        }
        if let Some((_, rest)) = request.headers.split_once("content-length: ") {
            let length = rest.lines().next().unwrap().parse().unwrap();
            let mut body = vec![0; length];
            self.reader.read_exact(&mut body).unwrap();
            request.body = String::from_utf8(body).unwrap();
        } else if request.headers.contains("transfer-encoding: chunked") {
            request.body = self.chunks();
        }
        request.line = request.line.trim().to_owned();
        Some(request)
    }

    fn chunks(&mut self) -> String {
        let mut body = String::new();
        loop {
            let mut size = String::new();
            self.reader.read_line(&mut size).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            self.reader.read_exact(&mut chunk).unwrap();
            if size == 0 {
                return body;
            }
            body.push_str(std::str::from_utf8(&chunk[..size]).unwrap());
        }
    }

    /// Everything that comes until the client closes its side.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.reader.read_to_string(&mut rest).unwrap();
        rest
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// A whole answer; `status` is the code and its reason.
    pub(crate) fn answer(&mut self, status: &str, body: &str) {
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n");
        self.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()));
    }
}

/// A running server, and the socket it listens at. It ends with the test's process.
pub(crate) struct Server {
    pub(crate) socket: PathBuf,
    _directory: TempDir,
}

impl Server {
    /// Starts one; every connection is handed to `handle` on a thread of its own.
    pub(crate) fn start(handle: impl Fn(Peer) + Clone + Send + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let reader = BufReader::new(stream.try_clone().unwrap());
                let handle = handle.clone();
                thread::spawn(move || handle(Peer { reader, stream }));
            }
        });
        Self { socket, _directory: directory }
    }

    /// One that gives the same answer to everything.
    pub(crate) fn always(status: &'static str, body: &'static str) -> Self {
        Self::start(move |mut peer| {
            while peer.request().is_some() {
                peer.answer(status, body);
            }
        })
    }

    pub(crate) fn host(&self) -> Host {
        Host::Unix(self.socket.clone())
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.host())
    }
}
