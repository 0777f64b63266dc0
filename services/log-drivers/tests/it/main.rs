//! Each driver against a socket that this test listens on, and reads as the protocol says. The receiving programs themselves are
//! not here: what they must understand is written in their specifications.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fluentd;
mod gelf;
mod journald;
mod plugin;
mod syslog;

use gantry_log_drivers::{Delivery, Error, Message, Origin, Partial, Remote};
use gantry_types::Timestamp;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

/// How long a test waits for anything.
const DEADLINE: Duration = Duration::from_secs(20);

fn remote(driver: &str, options: &[(&str, &str)]) -> Result<Remote, Error> {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let options = options.iter().map(own).collect();
    Ok(Remote::parse(driver, &options, PathBuf::from("/nowhere"))?.unwrap())
}

fn connect(driver: &str, options: &[(&str, &str)]) -> Box<dyn Delivery> {
    remote(driver, options).unwrap().connect(&origin()).unwrap()
}

fn origin() -> Origin {
    Origin {
        container_id: "0123456789abcdef".repeat(4),
        container_name: "web".to_owned(),
        image_id: "sha256:feed".to_owned(),
        image_name: "busybox".to_owned(),
        command: "sh -c true".to_owned(),
        created: "2024-03-03T00:04:05Z".to_owned(),
        tag: "tagged".to_owned(),
        attributes: vec![("com.example.tier".to_owned(), "front".to_owned())],
        hostname: "host".to_owned(),
        pid: 7,
    }
}

fn message(line: &[u8]) -> Message {
    let time = Timestamp { seconds: 1_709_424_245, nanos: 6_007_008 };
    Message { time, is_stderr: false, line: line.to_vec(), partial: None }
}

fn piece(line: &[u8], ordinal: u32, is_last: bool) -> Message {
    let partial = Some(Partial { id: "line-1".to_owned(), ordinal, is_last });
    Message { partial, is_stderr: true, ..message(line) }
}

/// An address of this test's own, which refuses connections: nobody listens there.
fn reserve() -> TcpListener {
    let (family, flags) = (AddressFamily::INET, SocketFlags::CLOEXEC);
    let socket = socket_with(family, SocketType::STREAM, flags, None).unwrap();
    bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    socket.into()
}

/// Reads until `enough` says so.
fn read_until(stream: &mut impl Read, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let (mut bytes, mut block) = (Vec::new(), [0; 4096]);
    while !enough(&bytes) {
        match stream.read(&mut block).unwrap() {
            0 => panic!("it ended after {:?}", String::from_utf8_lossy(&bytes)),
            length => bytes.extend_from_slice(&block[..length]),
        }
    }
    bytes
}
