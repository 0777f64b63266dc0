//! Listing 500 images through the API, beside the cheapest call that there is.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use gantry_testkit::{Daemon, Image, Layer, Tar};
use serde_json::json;

use crate::compare::figures::{Figures, Limit};
use crate::samples::Samples;

const IMAGES: usize = 500;
const CALLS: u32 = 200;

/// A list may take so many times as long as a ping.
const LIMIT: f64 = 5.0;

pub(super) fn figures() -> Figures {
    let daemon = Daemon::start();
    let tar = Tar::new().file("etc/hostname", 0o644, b"bench\n").finish();
    for number in 0..IMAGES {
        let layers = vec![Layer { tar: tar.clone(), gzip: false }];
        let config = json!({"Cmd": ["sh"], "Labels": {"number": number.to_string()}});
        daemon.load(&Image { name: format!("bench/image-{number}:1"), layers, config });
    }
    let mut connection = Connection::open(&daemon);
    let (mut ping, mut list) = (Samples::default(), Samples::default());
    for _ in 0..CALLS {
        ping.add(connection.call("/_ping").0);
        let (took, bytes) = connection.call("/images/json");
        assert!(bytes > IMAGES * 100, "the list has only {bytes} bytes");
        list.add(took);
    }
    let (ping, list) = (ping.median_ms(), list.median_ms());
    Figures {
        title: format!("the list of {IMAGES} images over one connection, medians, ms"),
        columns: vec!["_ping", "images/json"],
        rows: vec![("gantryd".to_owned(), vec![ping, list])],
        limits: vec![Limit::new(format!("images/json ≤ {LIMIT} × _ping"), list / ping, LIMIT)],
    }
}

/// A connection that is kept, so that its making is in no figure.
struct Connection {
    stream: BufReader<UnixStream>,
}

impl Connection {
    fn open(daemon: &Daemon) -> Self {
        let stream = UnixStream::connect(daemon.socket()).expect("connect to the daemon");
        Self { stream: BufReader::with_capacity(1 << 20, stream) }
    }

    /// How long an answer took, and how many bytes it has.
    fn call(&mut self, target: &str) -> (Duration, usize) {
        let begin = Instant::now();
        let request = format!("GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).expect("send a request");
        let mut length = None;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("read a header");
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length.expect("an answer of a known length")];
        self.stream.read_exact(&mut body).expect("read an answer");
        (begin.elapsed(), body.len())
    }
}
