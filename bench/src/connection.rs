//! Calls of an engine's API over a connection that is kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// A connection that is kept, so that its making is in no figure.
pub(crate) struct Connection {
    stream: BufReader<UnixStream>,
}

impl Connection {
    pub(crate) fn open(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("connect to the daemon");
        Self { stream: BufReader::with_capacity(1 << 20, stream) }
    }

    /// How long an answer took, and how many bytes it has.
    pub(crate) fn call(&mut self, target: &str) -> (Duration, usize) {
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
        let length = match length {
            Some(length) => self.skip(length),
            None => self.chunks(),
        };
        (begin.elapsed(), length)
    }

    /// A body in chunks, as dockerd sends long ones; how long it is.
    fn chunks(&mut self) -> usize {
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("read the size of a chunk");
            let size = usize::from_str_radix(line.trim(), 16).expect("the size of a chunk");
            self.skip(size + 2);
            length += size;
            if size == 0 {
                return length;
            }
        }
    }

    fn skip(&mut self, length: usize) -> usize {
        let body = std::io::copy(&mut (&mut self.stream).take(length as u64), &mut std::io::sink());
        assert_eq!(body.expect("read an answer"), length as u64, "the answer is cut off");
        length
    }
}
