//! A registry on loopback whose every answer the test decides. Real connections, no TLS.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use gantry_registry_client::{Access, Client, Config, Credentials, Repository};
use gantry_types::Digest;
use sha2::{Digest as _, Sha256};

/// What came in.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// With its query.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The first byte that a range asks for.
    pub(crate) fn from(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.split('-').next()?.parse().ok()
    }
}

/// What goes out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// The connection breaks after so many bytes of the body.
    cut: Option<usize>,
    /// The length that is announced; the body's own otherwise.
    announced: Option<usize>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn cut_after(mut self, count: usize) -> Self {
        self.cut = Some(count);
        self
    }

    /// Says nothing of the length: the body ends with the connection.
    pub(crate) fn of_unknown_length(mut self) -> Self {
        self.announced = Some(usize::MAX);
        self
    }
}

/// The registry; it answers until the test ends.
pub(crate) struct Server {
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers each request as `answer` says.
    pub(crate) fn new(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
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

    pub(crate) fn repository(&self, access: Access) -> Repository {
        self.repository_as(access, None)
    }

    pub(crate) fn repository_as(
        &self,
        access: Access,
        credentials: Option<Credentials>,
    ) -> Repository {
        let reference = format!("{}/a/b:t", self.address).parse().unwrap();
        client().repository(&reference, credentials, access)
    }

    /// What came in up to now.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests had a target with this in it.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.requests().iter().filter(|request| request.target.contains(text)).count()
    }
}

pub(crate) fn client() -> Arc<Client> {
    Arc::new(Client::new(Config { user_agent: "gantry-test".to_owned(), ..Config::default() }))
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest::sha256(Sha256::digest(bytes).into())
}

fn serve(stream: &TcpStream, seen: &Mutex<Vec<Request>>, answer: &dyn Fn(&Request) -> Reply) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        seen.lock().unwrap().push(request.clone());
        let reply = answer(&request);
        let is_cut = reply.cut.is_some() || reply.announced == Some(usize::MAX);
        if write(stream, &request, &reply).is_err() || is_cut {
            drop(stream.shutdown(Shutdown::Both));
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    // A TLS handshake, before the client tries without.
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
    let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

fn write(mut stream: &TcpStream, request: &Request, reply: &Reply) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {} Test\r\n", reply.status)?;
    for (name, value) in &reply.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    match reply.announced.unwrap_or(reply.body.len()) {
        usize::MAX => write!(stream, "Connection: close\r\n\r\n")?,
        length => write!(stream, "Content-Length: {length}\r\n\r\n")?,
    }
    let count = reply.cut.unwrap_or(reply.body.len()).min(reply.body.len());
    if request.method != "HEAD" {
        stream.write_all(&reply.body[..count])?;
    }
    stream.flush()
}
