//! A registry on loopback whose every answer the test decides: honest, slow, or lying. Real connections, no TLS.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The most that goes out between two looks at the clock, in bytes.
const PIECE: usize = 16 << 10;

/// What came in.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `HEAD`, …
    pub method: String,
    /// With its query.
    pub target: String,
    headers: Vec<(String, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

impl Request {
    /// One header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The first byte that a range asks for.
    pub fn from(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.split('-').next()?.parse().ok()
    }

    /// The last byte that a range asks for.
    fn last(&self) -> Option<usize> {
        self.header("range")?.rsplit('-').next()?.parse().ok()
    }
}

/// What goes out.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// The connection breaks after so many bytes of the body.
    cut: Option<usize>,
    ends: Ends,
    /// Bytes in a second.
    rate: Option<usize>,
}

/// What is said of a body's length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Ends {
    /// Its length.
    #[default]
    Announced,
    /// Nothing: it ends with the connection.
    WithConnection,
    /// Nothing, and it begins again when it is over.
    Never,
}

impl Reply {
    /// An answer with a body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    /// The part of `content` that the request asks for; without a range, all of it.
    pub fn part_of(content: &[u8], request: &Request) -> Self {
        let Some(from) = request.from() else { return Self::new(200, content) };
        let last = request.last().unwrap_or(usize::MAX).min(content.len() - 1);
        let range = format!("bytes {from}-{last}/{}", content.len());
        Self::new(206, &content[from..=last]).with("Content-Range", range)
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With more at the end of the body.
    #[must_use]
    pub fn with_more(mut self, bytes: &[u8]) -> Self {
        self.body.extend_from_slice(bytes);
        self
    }

    /// The connection breaks after so many bytes of the body.
    #[must_use]
    pub fn cut_after(mut self, count: usize) -> Self {
        self.cut = Some(count);
        self
    }

    /// Says nothing of the length: the body ends with the connection.
    #[must_use]
    pub fn of_unknown_length(mut self) -> Self {
        self.ends = Ends::WithConnection;
        self
    }

    /// The body comes again and again, until the client hangs up.
    #[must_use]
    pub fn endless(mut self) -> Self {
        self.ends = Ends::Never;
        self
    }

    /// Sends no more than so many bytes in a second.
    #[must_use]
    pub fn at_rate(mut self, bytes_per_second: usize) -> Self {
        self.rate = Some(bytes_per_second);
        self
    }
}

/// The registry; it answers until the test ends.
pub struct MadeRegistry {
    address: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl MadeRegistry {
    /// Answers each request as `answer` says.
    pub fn new(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("find a free port");
        let address = listener.local_addr().expect("ask for the port").to_string();
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (noted, answer) = (Arc::clone(&seen), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                thread::spawn(move || serve(&stream, &noted, answer.as_ref()));
            }
        });
        Self { address, seen }
    }

    /// Its `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What came in up to now.
    pub fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many requests had a target with this in it.
    pub fn count(&self, text: &str) -> usize {
        self.requests().iter().filter(|request| request.target.contains(text)).count()
    }
}

fn serve(stream: &TcpStream, seen: &Mutex<Vec<Request>>, answer: &dyn Fn(&Request) -> Reply) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let reply = answer(&request);
        let is_cut = reply.cut.is_some() || reply.ends != Ends::Announced;
        if write(stream, &request, &reply).is_err() || is_cut {
            drop(stream.shutdown(Shutdown::Both));
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).ok().filter(|count| *count > 0)?;
    // A TLS handshake, before the client tries without, is no text or has not enough words.
    let line = String::from_utf8(line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
            None => break,
        }
    }
    let mut request = Request { method, target, headers, body: Vec::new() };
    if request.header("transfer-encoding") == Some("chunked") {
        request.body = read_chunks(reader)?;
        return Some(request);
    }
    let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

fn read_chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; length + 2];
        reader.read_exact(&mut chunk).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..length]);
    }
}

fn write(mut stream: &TcpStream, request: &Request, reply: &Reply) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Test\r\n", reply.status);
    let ends = match reply.ends {
        Ends::Announced => ("Content-Length".to_owned(), reply.body.len().to_string()),
        Ends::WithConnection | Ends::Never => ("Connection".to_owned(), "close".to_owned()),
    };
    for (name, value) in reply.headers.iter().chain([&ends]) {
        for text in [name, ": ", value, "\r\n"] {
            head.push_str(text);
        }
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    if request.method == "HEAD" {
        return Ok(());
    }
    let count = reply.cut.unwrap_or(reply.body.len()).min(reply.body.len());
    loop {
        send(stream, &reply.body[..count], reply.rate)?;
        if reply.ends != Ends::Never {
            return stream.flush();
        }
    }
}

/// Sends as fast as `rate` allows.
fn send(mut stream: &TcpStream, bytes: &[u8], rate: Option<usize>) -> io::Result<()> {
    let Some(rate) = rate else { return stream.write_all(bytes) };
    let (began, mut sent) = (Instant::now(), 0_u64);
    // A slow one sends little at a time, and not much after a long silence.
    for piece in bytes.chunks(PIECE.min(rate.div_ceil(10))) {
        stream.write_all(piece)?;
        sent += piece.len() as u64;
        let due = Duration::from_micros(sent.saturating_mul(1_000_000) / rate as u64);
        thread::sleep(due.saturating_sub(began.elapsed()));
    }
    Ok(())
}
