//! The end: who looks on is let go at once, who is served is waited for, and nobody for ever.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::daemon::{PATIENCE, Places, until};

#[test]
fn clients_who_look_on_do_not_keep_the_daemon() {
    let dir = TempDir::new().unwrap();
    let places = Places::below(&dir, "own").with(&["--shutdown-timeout=-1"]);
    let daemon = places.start();
    let mut events = UnixStream::connect(&places.socket).unwrap();
    events.set_read_timeout(Some(PATIENCE)).unwrap();
    events.write_all(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut head = [0; 12];
    events.read_exact(&mut head).unwrap();
    let idle = UnixStream::connect(&places.socket).unwrap();
    let asked = Instant::now();
    daemon.end();
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    drop(idle);
}

#[test]
fn a_request_that_does_not_end_is_waited_for_as_long_as_was_said() {
    let dir = TempDir::new().unwrap();
    let places = Places::below(&dir, "own").with(&["--shutdown-timeout=1"]);
    let daemon = places.start();
    let mut slow = UnixStream::connect(&places.socket).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    slow.write_all(
        b"POST /volumes/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\
          Expect: 100-continue\r\n\r\n",
    )
    .unwrap();
    // It is under way when its body is asked for.
    let mut head = [0; 12];
    slow.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 100");
    let asked = Instant::now();
    daemon.end();
    let took = asked.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(20)).contains(&took), "{took:?}");
}

#[test]
fn who_asks_twice_does_not_want_to_wait() {
    let dir = TempDir::new().unwrap();
    let places = Places::below(&dir, "own").with(&["--shutdown-timeout=-1"]);
    let daemon = places.start();
    let mut slow = UnixStream::connect(&places.socket).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    slow.write_all(
        b"POST /volumes/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\
          Expect: 100-continue\r\n\r\n",
    )
    .unwrap();
    let mut head = [0; 12];
    slow.read_exact(&mut head).unwrap();
    daemon.signal(Signal::TERM);
    until("nobody to be let in any more", || UnixStream::connect(&places.socket).is_err());
    daemon.signal(Signal::INT);
    // As a shell tells of an end by this signal.
    assert_eq!(daemon.code(), Some(130));
    // What it left behind is no obstacle.
    places.start().end();
}
