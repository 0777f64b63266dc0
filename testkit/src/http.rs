//! HTTP as bytes over a socket: what no well-behaved client would send, and what came back, unpolished.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use crate::TIMEOUT;

/// An answer of the daemon.
#[derive(Debug)]
pub struct HttpReply {
    /// The status code.
    pub status: u16,
    /// Names in lower case, values as sent.
    pub headers: Vec<(String, String)>,
    /// The body with its chunks put together.
    pub body: Vec<u8>,
}

impl HttpReply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    /// One header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Asserts an error of Docker's shape with this status, and returns its message.
    #[track_caller]
    pub fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/json"), "{}", self.text());
        let value = self.json();
        let fields = value.as_object().map(|object| object.keys().cloned().collect::<Vec<_>>());
        assert_eq!(fields.as_deref(), Some(&["message".to_owned()][..]), "{value}");
        value["message"].as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
    }
}

/// Sends one request with a JSON body (none when empty) and reads the whole answer.
#[track_caller]
pub fn http(socket: &Path, method: &str, target: &str, body: &[u8]) -> HttpReply {
    try_http(socket, method, target, body)
        .unwrap_or_else(|error| panic!("{method} {target}: {error}"))
}

/// As [`http`], where the daemon may go away meanwhile.
///
/// # Errors
/// Those of the socket; an answer that breaks off in its head or between chunks is one, too.
pub fn try_http(socket: &Path, method: &str, target: &str, body: &[u8]) -> io::Result<HttpReply> {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: gantry\r\nConnection: close\r\n{kind}Content-Length: {}\r\n\r\n",
        body.len()
    );
    exchange(socket, head.as_bytes(), body)
}

/// Whether somebody answers a ping there.
pub(crate) fn answers(socket: &Path) -> bool {
    let head = b"GET /_ping HTTP/1.1\r\nHost: gantry\r\nConnection: close\r\n\r\n";
    exchange(socket, head, &[]).is_ok_and(|reply| reply.status == 200)
}

fn exchange(socket: &Path, head: &[u8], body: &[u8]) -> io::Result<HttpReply> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    exchange_over(stream, head, body)
}

/// What a client of registries says that it understands; else they make an older document of a manifest.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, */*";

/// Sends one request to a registry at a TCP address, `kind` being the body's type, and reads the whole answer.
#[track_caller]
pub fn http_at(
    address: &str,
    (method, target): (&str, &str),
    (kind, body): (&str, &[u8]),
) -> HttpReply {
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAccept: {ACCEPT}\r\nContent-Type: {kind}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let reply = TcpStream::connect(address).and_then(|stream| {
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        exchange_over(stream, head.as_bytes(), body)
    });
    reply.unwrap_or_else(|error| panic!("{method} {target} at {address}: {error}"))
}

fn exchange_over(mut stream: impl Read + Write, head: &[u8], body: &[u8]) -> io::Result<HttpReply> {
    stream.write_all(head)?;
    // A server may answer and hang up before it has read all of a body that it refuses.
    match stream.write_all(body) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
        _ => {}
    }
    read_reply(&mut BufReader::new(stream))
}

fn read_reply(from: &mut impl BufRead) -> io::Result<HttpReply> {
    let malformed = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut line = String::new();
    from.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| malformed(&format!("no status line: {line:?}")))?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        from.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => {
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            None => break,
        }
    }
    let mut reply = HttpReply { status, headers, body: Vec::new() };
    if reply.header("transfer-encoding") == Some("chunked") {
        reply.body = read_chunks(from)?;
    } else if let Some(length) = reply.header("content-length").and_then(|text| text.parse().ok()) {
        from.take(length).read_to_end(&mut reply.body)?;
    } else {
        from.read_to_end(&mut reply.body)?;
    }
    Ok(reply)
}

fn read_chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim(), 16).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, format!("chunk size {line:?}"))
        })?;
        from.by_ref().take(size).read_to_end(&mut body)?;
        from.read_line(&mut line)?;
        if size == 0 {
            return Ok(body);
        }
    }
}
