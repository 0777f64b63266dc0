//! The forward protocol, read by hand.

use crate::{DEADLINE, connect, message, origin, piece, read_until, remote, reserve};
use gantry_types::ErrorKind;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::thread;

/// A value of `MessagePack`, as far as these messages have them.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Text(String),
    Integer(i64),
    EventTime(u32, u32),
    Array(Vec<Value>),
    Map(Vec<(String, Value)>),
}

impl Value {
    fn text(&self) -> &str {
        let Self::Text(text) = self else { panic!("{self:?} is no text") };
        text
    }

    fn get(&self, key: &str) -> Option<&str> {
        let Self::Map(pairs) = self else { panic!("{self:?} is no map") };
        pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.text())
    }
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

fn number(bytes: &mut &[u8], count: usize) -> Option<usize> {
    Some(take(bytes, count)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
}

/// The next value; `None` while there is not all of it.
fn value(bytes: &mut &[u8]) -> Option<Value> {
    let kind = take(bytes, 1)?[0];
    let text = |bytes: &mut &[u8], length| {
        Some(Value::Text(String::from_utf8_lossy(take(bytes, length)?).into_owned()))
    };
    match kind {
        0x80..=0x8f => map(bytes, usize::from(kind & 15)),
        0xde => number(bytes, 2).and_then(|count| map(bytes, count)),
        0x90..=0x9f => {
            (0..kind & 15).map(|_| value(bytes)).collect::<Option<_>>().map(Value::Array)
        }
        0xa0..=0xbf => text(bytes, usize::from(kind & 31)),
        0xd9 => number(bytes, 1).and_then(|length| text(bytes, length)),
        0xda => number(bytes, 2).and_then(|length| text(bytes, length)),
        0xdb => number(bytes, 4).and_then(|length| text(bytes, length)),
        0xd3 => take(bytes, 8).map(|it| Value::Integer(i64::from_be_bytes(it.try_into().unwrap()))),
        0xd7 => {
            assert_eq!(take(bytes, 1)?, [0]);
            let word = |it: &[u8]| u32::from_be_bytes(it.try_into().unwrap());
            Some(Value::EventTime(word(take(bytes, 4)?), word(take(bytes, 4)?)))
        }
        other => panic!("no message of ours has a {other:#x}"),
    }
}

fn map(bytes: &mut &[u8], count: usize) -> Option<Value> {
    let pair = |bytes: &mut &[u8]| Some((value(bytes)?.text().to_owned(), value(bytes)?));
    (0..count).map(|_| pair(bytes)).collect::<Option<_>>().map(Value::Map)
}

fn values(mut bytes: &[u8]) -> Vec<Vec<Value>> {
    let mut found = Vec::new();
    while let Some(Value::Array(items)) = value(&mut bytes) {
        found.push(items);
    }
    found
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

#[test]
fn records() {
    let (listener, address) = listen();
    let options = [("fluentd-address", &*address), ("fluentd-sub-second-precision", "true")];
    let mut delivery = connect("fluentd", &options);
    let mut stream = accept(&listener);
    let long = vec![b'x'; 16 << 10];
    delivery.deliver(&[message(b"one"), piece(&long, 1, false), piece(b"end", 2, true)]).unwrap();
    let bytes = read_until(&mut stream, |bytes| values(bytes).len() == 3);
    let messages = values(&bytes);
    let [tag, time, record] = &messages[0][..] else { panic!("{messages:?}") };
    assert_eq!(tag.text(), "tagged");
    assert_eq!(*time, Value::EventTime(1_709_424_245, 6_007_008));
    for (key, expected) in [
        ("container_id", &*"0123456789abcdef".repeat(4)),
        ("container_name", "/web"),
        ("source", "stdout"),
        ("log", "one"),
        ("com.example.tier", "front"),
    ] {
        assert_eq!(record.get(key), Some(expected), "{key}");
    }
    assert_eq!(record.get("partial_message"), None);
    assert_eq!(messages[1][2].get("log").unwrap().len(), 16 << 10);
    let partial = |index: usize, key: &str| messages[index][2].get(key).unwrap().to_owned();
    assert_eq!(
        (partial(1, "partial_ordinal"), partial(1, "partial_last")),
        ("1".into(), "false".into())
    );
    assert_eq!(
        (partial(2, "partial_ordinal"), partial(2, "partial_last")),
        ("2".into(), "true".into())
    );
    assert_eq!(partial(1, "partial_id"), partial(2, "partial_id"));
}

#[test]
fn whole_seconds_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let address = format!("unix://{}", path.display());
    let mut delivery = connect("fluentd", &[("fluentd-address", &address)]);
    let (mut stream, _) = listener.accept().unwrap();
    delivery.deliver(&[message(b"one")]).unwrap();
    let bytes = read_until(&mut stream, |bytes| values(bytes).len() == 1);
    assert_eq!(values(&bytes)[0][1], Value::Integer(1_709_424_245));
}

#[test]
fn acknowledgements_are_waited_for() {
    let (listener, address) = listen();
    let options = [
        ("fluentd-address", &*address),
        ("fluentd-request-ack", "true"),
        ("fluentd-read-timeout", "300ms"),
    ];
    let mut delivery = connect("fluentd", &options);
    let mut stream = accept(&listener);
    let answering = thread::spawn(move || {
        let bytes = read_until(&mut stream, |bytes| values(bytes).len() == 2);
        for message in values(&bytes) {
            let name = message[3].get("chunk").unwrap();
            let length = u8::try_from(name.len()).unwrap();
            let answer = [&b"\x81\xa3ack"[..], &[0xa0 | length], name.as_bytes()].concat();
            // Slowly.
            for piece in answer.chunks(7) {
                stream.write_all(piece).unwrap();
            }
        }
        stream
    });
    delivery.deliver(&[message(b"one"), message(b"two")]).unwrap();
    let mut stream = answering.join().unwrap();
    // One that is never acknowledged is not delivered.
    let failure = delivery.deliver(&[message(b"three")]).unwrap_err();
    assert_eq!((failure.delivered, failure.error.kind()), (0, ErrorKind::Unavailable));
    // Nor is one that is acknowledged by another name.
    read_until(&mut stream, |bytes| values(bytes).len() == 1);
    let mut delivery = connect("fluentd", &options);
    accept(&listener).write_all(b"\x81\xa3ack\xa1x").unwrap();
    assert!(delivery.deliver(&[message(b"four")]).is_err());
}

#[test]
fn a_remote_that_never_reads_is_not_waited_for_for_ever() {
    let (listener, address) = listen();
    let options = [("fluentd-address", &*address), ("fluentd-write-timeout", "200ms")];
    let mut delivery = connect("fluentd", &options);
    let stream = accept(&listener);
    let long = message(&vec![b'x'; 16 << 10]);
    let failure =
        (0..100_000).find_map(|_| delivery.deliver(std::slice::from_ref(&long)).err()).unwrap();
    assert_eq!(failure.error.kind(), ErrorKind::Unavailable);
    drop(stream);
}

#[test]
fn a_start_need_not_wait() {
    let reserved = reserve();
    let address = reserved.local_addr().unwrap().to_string();
    let remote =
        remote("fluentd", &[("fluentd-address", &address), ("fluentd-async", "true")]).unwrap();
    assert!(remote.may_be_away() && remote.connect(&origin()).is_err());
}
