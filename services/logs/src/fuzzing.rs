//! Doors for the fuzz target of log lines; only there with the feature `fuzzing`.

use crate::json_line::{Sink, escape, parse};
use std::convert::Infallible;

struct Bytes(Vec<u8>);

impl Sink for Bytes {
    type Failure = Infallible;
    fn put(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// A line of a log file, as a crash or another program may have left it; and the same bytes as a container's output.
pub fn log_line(bytes: &[u8]) {
    drop(parse(bytes));
    let mut line = Bytes(b"{\"log\":\"".to_vec());
    let Ok(()) = escape(bytes, &mut line);
    assert!(!line.0.contains(&b'\n'), "one object, one line");
    line.0.extend_from_slice(b"\",\"stream\":\"stdout\",\"time\":\"2024-01-02T03:04:05Z\"}");
    let entry = parse(&line.0).expect("what is written can be read");
    // The writer puts one replacement for each byte that is not UTF-8.
    let mut expected = String::new();
    for chunk in bytes.utf8_chunks() {
        expected.push_str(chunk.valid());
        expected.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
    }
    assert_eq!(entry.line, expected.as_bytes());
}
